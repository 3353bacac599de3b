"""Quincefin keeps the contract of a sync's source, and its connector that of services that fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from pipeline.api import ProductDraft
from pipeline.testing.fakehttp import Asked
from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Places, Subject
from pipeline.testing.wire_contract import Wire, WireContract
from plugins.systems.quincefin import PLUGINS
from plugins.systems.quincefin.fake import HEADER, SCHEME
from tests.systems.quincefin.account import CODES, Account, account

SECRET = "secret-of-the-account"
STORES = ("main", "second")


@contextmanager
def one_without_goods() -> Iterator[Account]:
    """An account without goods, with prices of two types and two warehouses."""
    with account() as opened:
        for code in CODES:
            del opened.fake.account.tables["product"][opened.ids[code]]
        opened.ids["cost"] = opened.fake.put("price_type", Name="Закупівля")
        opened.ids["second"] = opened.fake.put("stores", Name="Магазин")
        opened.settings |= {
            "price_types": {"retail": opened.ids["retail"], "cost": opened.ids["cost"]},
            "warehouses": {name: opened.ids[name] for name in STORES},
        }
        yield opened
        assert opened.asked("product/update") == []


@pytest.fixture
def one() -> Iterator[Account]:
    """The same."""
    with one_without_goods() as opened:
        yield opened


def seed(one: Account, drafts: Sequence[ProductDraft]) -> None:
    """Products as somebody makes them in the account."""
    for draft in drafts:
        base = None
        if draft.variants:
            base = one.fake.add_product(draft.base.values["name"], draft.base.keys.get("sku", ""), kind="B")
        for offer in draft.variants or (draft.base,):
            values = {**draft.base.values, **offer.values}
            more: dict[str, Any] = {"Base": base} if base is not None else {}
            kind = "U" if base is not None else "P"
            path = values.get("category") or ()
            if path:
                more["ParentFolder"] = folder(one, path)
            more |= {"Unit": values.get("unit", ""), "Barcode": values.get("barcode", "")}
            key = one.fake.add_product(values.get("name", ""), offer.keys.get("sku", ""), kind=kind, **more)
            for name, type_ in (("price", "retail"), ("price.cost", "cost")):
                if values.get(name) is not None:
                    one.fake.add_price(key, one.ids[type_], values[name], one.clock.now() - timedelta(days=1))


def folder(one: Account, path: Sequence[str]) -> int:
    """The folder at a path, made where it is missing."""
    parent: int | None = None
    for name in path:
        found = [row["Id"] for row in one.fake.rows("product/folder", Name=name, ParentFolder=parent)]
        parent = found[0] if found else one.fake.put("product/folder", Name=name, ParentFolder=parent)
    assert parent is not None
    return parent


def rows(one: Account) -> Mapping[str, Mapping[str, Any]]:
    """What is kept of each product."""
    return {str(row["Id"]): dict(row) for row in one.fake.rows("product")}


def seed_stock(one: Account, places: Places) -> None:
    """What lies there; an order reserves nothing of it, as far as is known."""
    for (offer, store), (on_hand, _reserved) in places.items():
        balances = one.fake.account.balances
        key, place = int(offer), one.ids[store]
        balances[:] = [row for row in balances if (row["Product"], row["Store"]) != (key, place)]
        balances.append({"Product": key, "Store": place, "Quantity": on_hand})


def subject_of(one: Account) -> Subject:
    """For the contract of a sync's ends."""

    def remove(offer: str) -> None:
        del one.fake.account.tables["product"][int(offer)]

    return Subject(
        open=one.open,
        seed=lambda drafts: seed(one, drafts),
        rows=lambda: rows(one),
        columns={},
        remove=remove,
        samples={"options": ({}, {}), "published": (True, True)},
        warehouses=STORES,
        seed_stock=lambda places: seed_stock(one, places),
        many=120,
    )


class TestQuincefin(SyncContract):
    @pytest.fixture
    def subject(self, one: Account) -> Subject:
        return subject_of(one)


class TestQuincefinWire(WireContract):
    @pytest.fixture
    def wire(self, one: Account) -> Wire:
        one.fake.login = f"{SCHEME}{SECRET}"

        def writes(asked: Asked) -> bool:
            return asked.path.endswith(("/add", "/update"))

        def expire() -> None:
            one.fake.login = "Bearer another"

        return Wire(
            subject=subject_of(one),
            api=one.fake,
            plugin=next(plugin for plugin in PLUGINS if plugin.name == "quincefin"),
            config={"url": one.url, "token": SECRET, "header": HEADER, "pace": 50, **one.settings},
            clock=one.clock,
            expire=expire,
            secret=SECRET,
            cap={"max_pages": 1},
            codes=lambda: [row["Article"] for row in one.fake.rows("product")],
            marks=("Product",),
            writes=writes,
        )
