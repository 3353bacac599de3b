"""A base of the fake Dilovod, opened as the engine opens it, and what the contracts work on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import stamina

from pipeline.api import Gate, Pacer, ProductDraft, SystemEnv
from pipeline.http import LocalPacer
from pipeline.ports import open_gate
from pipeline.testing.fakehttp import FakeServer
from pipeline.testing.sync_subject import Places, Subject
from plugins.systems.dilovod import open_base
from plugins.systems.dilovod._fake_schema import BARCODES, CONTROL, GOODS, STOCK
from plugins.systems.dilovod._fake_seeds import RETAIL, STORAGE
from plugins.systems.dilovod.fake import KEY, FakeDilovod, Quirks, packet_of
from plugins.systems.dilovod.settings import DilovodSettings
from plugins.systems.dilovod.system import Dilovod
from tests.systems.dilovod.conftest import Clock

COST = "Собівартість"
#: The other side of each switch that reading can come to feel.
READING: dict[str, Any] = {
    "flight": "base",
    "flight_status": 500,
    "restricted_path": "refused",
    "empty_rows": "object",
    "rows_in": "data",
    "order": "newest",
    "marked_listed": False,
    "json_false": False,
    "text_match": "folded",
    "row_limit": 30,
    "unlisted_filter": "ignored",
    "zero_rows": True,
    "default_dimensions": "all",
    "empty_date": "0000-00-00 00:00:00",
    "goods_price": True,
    "reqs": "map",
    "modified_attribute": "changed",
    "kits": "itself",
    "future_prices": False,
}


class Nap:
    """Who sleeps moves this clock, and nobody waits."""

    at = 1000.0
    slept = 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds


@dataclass
class Base:
    """A fake base with a second storage, and sessions to it that share one pacer."""

    fake: FakeDilovod
    url: str
    clock: Clock
    second: str
    settings: dict[str, Any] = field(default_factory=dict)
    gate: Gate = open_gate
    nap: Nap = field(default_factory=Nap)
    pacer: Pacer | None = None
    sessions: list[Dilovod] = field(default_factory=list)

    def open(self, **more: Any) -> Dilovod:
        """A session of its own."""
        self.pacer = self.pacer or LocalPacer(self.nap.now, self.nap.sleep)
        settings = DilovodSettings(**{"key": KEY, "url": self.url, **self.settings, **more})
        env = SystemEnv("erp", "demo", Path(), "UAH", "Europe/Kyiv", self.clock, gate=self.gate, pacer=self.pacer)
        self.sessions.append(open_base(settings, env))
        return self.sessions[-1]

    def packets(self, action: str = "") -> list[dict[str, Any]]:
        """What was asked so far."""
        found = [packet for asked in self.fake.asked("POST") if (packet := packet_of(asked)) is not None]
        return [one for one in found if not action or one["action"] == action]

    def saved(self, what: str) -> list[dict[str, Any]]:
        """The parameters of saves of an object, by its name."""
        return [one["params"] for one in self.packets("saveObject") if one["params"]["header"]["id"] == what]


@contextmanager
def base(quirks: Quirks | None = None, **settings: Any) -> Iterator[Base]:
    """One, served; tries are made again without a pause."""
    clock = Clock()
    fake = FakeDilovod(quirks, clock.now)
    second = fake.add_element("catalogs.storages", "Магазин")
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=6):
        one = Base(fake, server.url, clock, second, settings)
        try:
            yield one
        finally:
            for session in one.sessions:
                session.close()


# --- past the adapter ------------------------------------------------------------------------------------------------


def seed(one: Base, drafts: Sequence[ProductDraft]) -> None:
    """Products as somebody makes them in the cabinet; of a product with variants each is a good of its own."""
    for draft in drafts:
        for offer in draft.variants or (draft.base,):
            values = {**draft.base.values, **offer.values}
            given: dict[str, Any] = {"description": values.get("description") or ""}
            if values.get("category"):
                given["parent"] = folder(one.fake, values["category"])
            if values.get("unit"):
                given["mainUnit"] = element(one.fake, "catalogs.units", values["unit"])
            if values.get("manufacturer"):
                given["tradeMark"] = element(one.fake, "catalogs.tradeMarks", values["manufacturer"])
            if values.get("weight") is not None:
                given["weight"] = str(values["weight"])
            good = one.fake.add_good(values.get("name") or "", offer.keys.get("sku", ""), **given)
            if values.get("price") is not None:
                one.fake.set_price(good, values["price"])
            if values.get("price.cost") is not None:
                kind = element(one.fake, "catalogs.priceTypes", COST)
                one.fake.set_price(good, values["price.cost"], kind=kind)
            if values.get("barcode"):
                one.fake.add_barcode(good, values["barcode"])


def element(fake: FakeDilovod, name: str, title: str) -> str:
    """The element of a catalogue with this name, made where it is missing."""
    for row in fake.rows(name):
        if row["name"]["uk"] == title:
            return str(row["id"])
    return fake.add_element(name, title)


def folder(fake: FakeDilovod, path: Sequence[str]) -> str:
    """The folder of goods at a path, made where it is missing."""
    parent = "0"
    for title in path:
        found = [row["id"] for row in fake.rows(GOODS, parent=parent, isGroup="1") if row["name"]["uk"] == title]
        parent = str(found[0]) if found else fake.add_folder(title, parent)
    return parent


def rows(one: Base) -> dict[str, dict[str, Any]]:
    """All that the base keeps of each good."""
    with one.fake.lock:
        prices = one.fake.base.prices(one.fake.base.stamp())
        codes = [dict(row) for row in one.fake.base.records[BARCODES]]
    return {
        row["id"]: {
            **row,
            "prices": {price["priceType"]: price["price"] for price in prices if price["good"] == row["id"]},
            "barcode": [code["code"] for code in codes if code["object"] == row["id"]],
            "stock": [one.fake.stock(row["id"], storage) for storage in (STORAGE, one.second)],
        }
        for row in one.fake.rows(GOODS)
        if row["isGroup"] == "0"
    }


def put_stock(one: Base, places: Places) -> None:
    """Levels as documents of the cabinet make them, and reserves as orders hold them."""
    storages = {"main": STORAGE, "second": one.second}
    with one.fake.lock:
        for (good, place), (lies, reserved) in places.items():
            for register, resource, wanted in ((STOCK, "qty", lies), (CONTROL, "qtyReserve", reserved)):
                blank = one.fake.saves.posting._move(register, {"id": "", "values": {"date": "2026-01-01 00:00:00"}})
                there = one.fake.saves.posting.sum_of(register, resource, good, storage=storages[place])
                move = {**blank, "good": good, "storage": storages[place], resource: wanted - there}
                if register == STOCK:
                    move |= {"currency": "0", "account": "", "goodPart": "0"}
                one.fake.base.moves.append({**move, "firm": "0", "baseDoc": "0"})


def remove(one: Base, offer: str) -> None:
    """A good is taken out of the base for good, as the cabinet can do."""
    with one.fake.lock:
        del one.fake.base.objects[offer], one.fake.base.by_type[GOODS][offer]


COLUMNS: Mapping[str, Sequence[str]] = {}


def subject_of(one: Base, **more: Any) -> Subject:
    """For the contract of a sync's ends."""
    values: dict[str, Any] = {
        "open": one.open,
        "seed": lambda drafts: seed(one, drafts),
        "rows": lambda: rows(one),
        "columns": COLUMNS,
        "remove": lambda offer: remove(one, offer),
        "warehouses": ("main", "second"),
        "reserves": True,
        "seed_stock": lambda places: put_stock(one, places),
    }
    return Subject(**(values | more))


#: How a session for the contract of a sync's ends is opened.
SYNCED: dict[str, Any] = {
    "warehouses": {"main": "Основний склад", "second": "Магазин"},
    "cost": COST,
    "weight": "kg",
}


def with_cost_type(one: Base) -> Base:
    """A base that has a price type for cost prices."""
    element(one.fake, "catalogs.priceTypes", COST)
    return one


def blocked(words: str = "multithreadApiSession multithread api request blocked") -> dict[str, Any]:
    """An error of the API."""
    return {"error": words, "clientMessages": []}


def text_of(packet: Mapping[str, Any]) -> str:
    """A packet as text, to look for words in."""
    return json.dumps(packet, ensure_ascii=False, default=str)


def amount(value: object) -> Decimal:
    """A decimal text as a number."""
    return Decimal(str(value))


__all__ = ["RETAIL", "STORAGE", "Base", "base"]


# --- documents -------------------------------------------------------------------------------------------------------

CODES = ("COF-1", "TEA-1", "GIFT-1")
STATES = {"new": "Прийнято", "paid": "Виконано", "cancelled": "Відмова", "refunded": "Відвантажено"}
DOCUMENTS: dict[str, Any] = {"delivery": "DELIVERY", "fee": "FEE", "states": STATES, "storage": "Основний склад"}
#: The other side of each switch that documents can come to feel.
SAVING: dict[str, Any] = {
    "flight": "base",
    "flight_status": 500,
    "empty_rows": "object",
    "order": "newest",
    "json_false": False,
    "empty_date": "0000-00-00 00:00:00",
    "order_amount": False,
    "reqs": "map",
    "modified_attribute": "changed",
    "default_save_type": 1,
    "header_posted": "obeyed",
    "parts_replace": False,
    "edit_posted": "unposted",
    "mark_posted": "refused",
    "totals": "all",
    "base_qty": "sent",
    "order_number": "auto",
    "phone": "own",
    "sale_mode": "required",
    "return_link": "contract",
    "return_over": "refused",
    "posting_reserves": True,
    "own_webhooks": False,
}
#: Switches with a third side, and those that go with no other in one base.
THIRD: dict[str, dict[str, Any]] = {
    "edit_posted=kept": {"edit_posted": "kept"},
    "mark_posted=keeps": {"mark_posted": "keeps"},
    "mark_shipped=refused": {"mark_shipped": "refused"},
    "phone=both": {"phone": "both"},
    "totals=header": {"totals": "header"},
    "return_link=baseDoc": {"return_link": "baseDoc"},
    "kits=itself": {"kits": "itself"},
    "text_match=folded": {"text_match": "folded"},
    "unlisted_filter=ignored": {"unlisted_filter": "ignored"},
    "restricted_path=refused": {"restricted_path": "refused"},
    "rows_in=rows": {"rows_in": "rows"},
}


def stocked(one: Base, stock: int = 1000) -> Base:
    """A base with three goods in stock, and the services of delivery and fees."""
    for n, code in enumerate(CODES):
        one.fake.add_good(f"Товар {code}", code, price=100 + n, stock=stock, cost=50)
    one.fake.add_good("Доставка", "DELIVERY", service=True)
    one.fake.add_good("Комісія", "FEE", service=True)
    return one


def total_of(one: Base, id_: str) -> Decimal:
    """What the lines of a document come to."""
    return sum((amount(line["amountCur"]) for line in one.fake.one(id_)["parts"]["tpGoods"]), Decimal(0))


def status_of(one: Base, id_: str) -> str:
    """The status by the state of an order document."""
    row = one.fake.one(id_)
    named = {state["id"]: state["name"]["uk"] for state in one.fake.rows("catalogs.saleOrderStates")}
    return next((status for status, name in STATES.items() if name == named.get(row["state"])), "")


def good_of(one: Base, code: str) -> str:
    """The id of a good."""
    return str(one.fake.good(code)["id"])


def reserved_of(one: Base, code: str) -> Decimal:
    """What orders reserve of a good; one that was unposted after its shipment has less than nothing, which is no news
    to the others."""
    good, fake = good_of(one, code), one.fake
    orders = {move["baseDoc"] for move in fake.base.moves if move["register"] == CONTROL}
    return sum((max(fake.reserved(good, order), Decimal(0)) for order in orders), Decimal(0))
