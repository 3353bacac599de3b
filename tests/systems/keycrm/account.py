"""An account of the fake KeyCRM, opened as the engine opens it, and what the contract of a sync's ends works on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import stamina

from pipeline.api import Gate, Offer, Pacer, ProductDraft, SystemEnv
from pipeline.ports import open_gate
from pipeline.testing.fakehttp import FakeServer, Logged
from pipeline.testing.sync_subject import Places, Subject
from plugins.systems.keycrm import open_account
from plugins.systems.keycrm.fake import FakeKeyCrm, Quirks
from plugins.systems.keycrm.mapping import Tree
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.keycrm.system import KeyCrm
from tests.systems.keycrm.conftest import Clock
from tests.systems.keycrm.contract import Contract

CONTRACT = Contract()
SECOND = 2  #: id of the second warehouse
WAREHOUSES = {"main": 1, "second": SECOND}


class SleepingClock(Clock):
    """Who sleeps moves the clock, and nobody waits."""

    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        """Later."""
        self.slept += seconds
        self.move(seconds)


class Fast(Pacer):
    """Nobody waits: the client's own pacer would really stand still for the rest of the minute after 60 requests."""

    @contextmanager
    def turn(self, key: str, limits: Any) -> Iterator[None]:
        yield

    def leave_alone(self, key: str, seconds: float) -> None:
        pass


@dataclass
class Account:
    """A fake account with two warehouses, and sessions to it."""

    fake: FakeKeyCrm
    url: str
    clock: SleepingClock
    settings: dict[str, Any] = field(default_factory=dict)
    gate: Gate = open_gate
    pacer: Pacer = field(default_factory=Fast)
    sessions: list[KeyCrm] = field(default_factory=list)

    def open(self, **more: Any) -> KeyCrm:
        """A session of its own."""
        settings = KeyCrmSettings(**{"key": "key", "url": f"{self.url}/v1", **self.settings, **more})
        env = SystemEnv("crm", "demo", Path(), "UAH", "Europe/Kyiv", self.clock, gate=self.gate, pacer=self.pacer)
        self.sessions.append(open_account(settings, env))
        return self.sessions[-1]

    def asked(self, method: str = "", path: str = "") -> list[str]:
        """Method and path of what was asked so far, without ``/v1``."""
        return [f"{one.method} {one.path.removeprefix('/v1')}" for one in self.fake.asked(method, f"/v1{path}")]

    def undocumented(self, log: Sequence[Logged] | None = None) -> list[str]:
        """What of the requests is not as the vendor's document says."""
        return [
            problem
            for one in (self.fake.log if log is None else log)
            if one.answer is not None
            for problem in CONTRACT.problems(one.asked, one.answer)
            if ": answer" not in problem  # that is the fake's business
        ]


@contextmanager
def account(quirks: Quirks | None = None, **settings: Any) -> Iterator[Account]:
    """One, served; tries are made again without a pause."""
    clock = SleepingClock()
    fake = FakeKeyCrm(quirks, clock.now, per_minute=None)
    fake.add_warehouse("Магазин", number=SECOND)
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=4):
        one = Account(fake, server.url, clock, {"warehouses": WAREHOUSES, **settings})
        try:
            yield one
        finally:
            for session in one.sessions:
                session.close()


# --- past the adapter ------------------------------------------------------------------------------------------------

_PRODUCT = {
    "name": "name",
    "description": "description",
    "unit": "unit_type",
    "currency": "currency_code",
    "barcode": "barcode",
    "price": "price",
    "price.cost": "purchased_price",
    **{name: name for name in ("weight", "length", "width", "height")},
}
_OFFER = {name: _PRODUCT[name] for name in ("price", "price.cost", "barcode", "weight", "length", "width", "height")}
#: Where fields are kept, for the contract.
COLUMNS: Mapping[str, Sequence[str]] = {
    **{name: (theirs,) for name, theirs in _PRODUCT.items()},
    **{name: (name, f"product {name}") for name in ("weight", "length", "width", "height")},
    "category": ("category_id",),
    "images": ("pictures",),
    "options": ("properties",),
    "specials": ("custom",),
    "stock": ("stock",),
}


def seed(one: Account, drafts: Sequence[ProductDraft]) -> None:
    """Products as somebody makes them in the cabinet."""
    for draft in drafts:
        values = dict(draft.base.values)
        body = {theirs: values[name] for name, theirs in _PRODUCT.items() if values.get(name) is not None}
        if values.get("images"):
            body["pictures"] = list(values["images"])
        if values.get("category"):
            body["category_id"] = _category(one.fake, values["category"])
        body.setdefault("name", "")
        if draft.variants:
            for name in ("barcode", "price", "purchased_price"):
                body.pop(name, None)
        if specials := values.get("specials"):
            body["custom_fields"] = custom_fields(one, specials)
        name = body.pop("name") or "-"
        one.fake.add_product(
            name,
            None if draft.variants else draft.base.keys.get("sku"),
            is_archived=values.get("published") is False,
            variants=[_variant(variant) for variant in draft.variants],
            **body,
        )


def custom_fields(one: Account, specials: Any) -> list[dict[str, Any]]:
    """What people write into the three fields of a special price."""
    (special,) = specials
    return [
        {"uuid": "CT_1", "value": str(special.money.amount)},
        {"uuid": "CT_2", "value": "2026-11-20" if special.start else ""},
        {"uuid": "CT_3", "value": "2026-11-30" if special.end else ""},
    ]


def _variant(offer: Offer) -> dict[str, Any]:
    body = {theirs: offer.values[name] for name, theirs in _OFFER.items() if offer.values.get(name) is not None}
    options = [{"name": name, "value": value} for name, value in offer.values.get("options", {}).items()]
    return {**body, "sku": offer.keys["sku"], "properties": options}


def _category(fake: FakeKeyCrm, path: Sequence[str]) -> int:
    tree = Tree.of(fake.account.table("categories").values())
    parent: int | None = None
    for depth in range(1, len(path) + 1):
        parent = tree.ids.get(tuple(path[:depth])) or fake.add_category(path[depth - 1], parent)
        tree = tree.with_one(parent, tuple(path[:depth]))
    assert parent is not None
    return parent


def rows(one: Account) -> dict[str, dict[str, Any]]:
    """All that the account keeps of each offer; a product without variants together with its own."""
    found: dict[str, dict[str, Any]] = {}
    for product in one.fake.account.table("products").values():
        own = {name: value for name, value in deepcopy(product).items() if name != "offer_ids"}
        offers = one.fake.account.offers_of(product)
        if product["has_offers"]:
            # a write to a variant may move the product's time
            found[f"p{product['id']}"] = {name: value for name, value in own.items() if name != "updated_at"}
        for offer in offers:
            mine = (
                {}
                if product["has_offers"]
                else {f"product {name}" if name in offer else name: value for name, value in own.items()}
            )
            found[str(offer["id"])] = {**mine, **deepcopy(offer), "stock": _stock(offer)}
    return found


def _stock(offer: Mapping[str, Any]) -> dict[str, Any]:
    return {place: dict(level) for place, level in offer["stock"].items() if level["quantity"] or level["reserve"]}


def set_stock(one: Account, places: Places) -> None:
    """Levels as people enter them, and reserves as orders hold them."""
    for (offer, place), (on_hand, reserved) in places.items():
        row = one.fake.offer(int(offer))
        one.fake.set_stock(int(offer), on_hand, WAREHOUSES[place])
        one.fake.goods.balance(row, WAREHOUSES[place])["reserve"] = Decimal(reserved)


def remove(one: Account, offer: str) -> None:
    """A product is deleted in the cabinet."""
    row = one.fake.offer(int(offer))
    product = one.fake.account.table("products")[row["product_id"]]
    one.fake.account.drop_offer(row)
    del one.fake.account.table("products")[product["id"]]


def categories(one: Account) -> list[tuple[str, ...]]:
    """Every category as a path."""
    return list(Tree.of(one.fake.account.table("categories").values()).paths.values())


def settle(one: Account) -> None:
    """What was accepted is done by now."""
    one.clock.move(one.fake.quirks.lag)
    one.fake.catalogue.settle()


def subject_of(one: Account, **more: Any) -> Subject:
    """For the contract of a sync's ends."""
    values: dict[str, Any] = {
        "open": one.open,
        "seed": lambda drafts: seed(one, drafts),
        "rows": lambda: rows(one),
        "columns": COLUMNS,
        "stamps": ("updated_at", "product updated_at", "created_at"),
        "settle": lambda: settle(one),
        "remove": lambda offer: remove(one, offer),
        "categories": lambda: categories(one),
        "base_articles": False,
        "cleared": {"unit": "шт"},
        "warehouses": tuple(WAREHOUSES),
        "reserves": True,
        "seed_stock": lambda places: set_stock(one, places),
    }
    return Subject(**(values | more))


def at(text: str) -> datetime:
    """A moment."""
    return datetime.fromisoformat(text)
