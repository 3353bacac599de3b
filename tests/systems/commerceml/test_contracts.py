"""What an exchange promises as an end of a sync, and as a place for documents, over folders and over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing import documents_contract as documents
from pipeline.testing import following_subject as following
from pipeline.testing.settling_contract import StatusesContract
from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Subject
from plugins.systems.commerceml.fake import Quirks, ShopQuirks, Thing
from tests.systems.commerceml.world import Accounting, Site, document_total

ACCOUNTING: Mapping[str, Callable[[Path], Accounting]] = {
    "files, cp1251, 2.08, rests": lambda base: Accounting(
        base, Quirks(version="2.08", encoding="windows-1251", stock="rests", separate=True, repeats_base=True)
    ),
    "http by parts, BOM, POST": lambda base: Accounting(
        base, Quirks(version="2.07", bom=True, post=True, zip=False, ends=("complete",)), http=True
    ),
}


def accounting_subject(world: Accounting) -> Subject:
    """What an accounting program tells."""
    return Subject(
        open=world.open,
        seed=world.seed,
        rows=world.rows_of,
        columns={},
        settle=world.settle,
        remove=world.remove,
        samples={"barcode": ("4820000000017", "4820000000024")},
        warehouses=("Основний", "Магазин"),
        seed_stock=world.seed_stock,
    )


class TestFromAccounting(SyncContract):
    @pytest.fixture(params=list(ACCOUNTING))
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
        return accounting_subject(ACCOUNTING[request.param](tmp_path))


SHOPS: Mapping[str, tuple[ShopQuirks, dict[str, Any]]] = {
    "plain": (ShopQuirks(), {}),
    "zip, progress, warehouses": (
        ShopQuirks(bom=True, newline=False, zip=True, progress=2, sessid=True, fail="fail", file_limit=None),
        {"warehouses": {"w1": "Основний", "w2": "Магазин"}, "encoding": "windows-1251", "version": "2.05"},
    ),
}


def shop_subject(base: Path, quirks: ShopQuirks | None = None, **settings: Any) -> Subject:
    """A shop that speaks to 1C."""
    site = Site(base, quirks or ShopQuirks(), batch=30, **settings)

    def seed(drafts: Any) -> None:
        session = site.to_shop()
        assert all(one.error is None for one in session.create_products(drafts))

    def seed_stock(places: Any) -> None:
        from pipeline.api import StockTarget

        session = site.to_shop()
        offers = {one.id: one for one in session.offers()}
        rows = [
            StockTarget(offer=offers[own], warehouse=house, quantity=number)
            for (own, house), (number, _) in places.items()
        ]
        assert all(one.error is None for one in session.apply_stock(rows))

    def rows() -> Mapping[str, Mapping[str, Any]]:
        """What the shop has, whoever told it."""
        shop = site.shop
        found = {own: {f"good.{name}": value for name, value in row.items()} for own, row in shop.goods.items()}
        for own, row in shop.offers.items():
            cells: dict[str, Any] = {f"offer.{name}": value for name, value in row.items() if name != "prices"}
            cells |= {f"price.{name}": value for name, value in zip("ab", row.get("prices", {}).values(), strict=False)}
            found[own] = found.get(own, {}) | cells
        return found

    def both(name: str) -> tuple[str, ...]:
        return f"good.{name}", f"offer.{name}"

    return Subject(
        open=site.open,
        seed=seed,
        rows=rows,
        columns={
            "name": both("name"),
            "description": ("good.description",),
            "unit": both("unit"),
            "barcode": both("barcode"),
            "manufacturer": ("good.maker",),
            "weight": ("good.told",),
            "category": ("good.groups",),
            "published": both("deleted"),
            "price": ("price.a",),
            "price.cost": ("price.b",),
            "options": ("offer.options",),
            "stock": ("offer.stock", "offer.places"),
        },
        articleless=False,
        twins=False,
        samples={"categories": ((("Фарби", "Ґрунтівки"),), (("Фарби", "Емалі", "Алкідні"),))},
        warehouses=("Основний", "Магазин") if settings.get("warehouses") else ("",),
        seed_stock=seed_stock,
        many=40,
    )


class TestToShop(SyncContract):
    @pytest.fixture(params=list(SHOPS))
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
        quirks, settings = SHOPS[request.param]
        return shop_subject(tmp_path, quirks, **settings)


CODES = ("A-1", "A-2", "A-3")


def documents_of(world: Accounting) -> documents.Subject:
    for n, code in enumerate(CODES, 1):
        world.fake.things[f"g{n}"] = Thing(f"g{n}", article=code, name=f"Товар {n}", prices={"pr1": Decimal(1)})
    world.export()
    list(world.accounting().offers())

    def count() -> int:
        return int(world.rows("SELECT count(*) AS n FROM documents")[0]["n"])

    def status(own: str) -> str:
        return str(world.rows("SELECT status FROM documents WHERE id = ?", own)[0]["status"])

    own = "documents stand in the exchange's own file until the accounting program fetches them"
    lacks = {"reserved": f"{own}: nothing is reserved", "close": f"{own}: none is closed here"}
    total = lambda document: document_total(world, document)  # noqa: E731 - said where it is used
    return documents.Subject(world.open, CODES, count, total, status=status, lacks=lacks)


class TestDocuments(documents.DocumentsContract):
    @pytest.fixture(params=list(ACCOUNTING))
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> documents.Subject:
        return documents_of(ACCOUNTING[request.param](tmp_path))


class TestAmending(documents.AmendContract):
    @pytest.fixture(params=list(ACCOUNTING))
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> documents.Subject:
        return documents_of(ACCOUNTING[request.param](tmp_path))


class TestStatuses(StatusesContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> following.Subject:
        names = {"new": "Новий", "packed": "Зібрано", "sent": "Відвантажено"}
        plain = documents_of(Accounting(tmp_path, http=True, statuses=names))
        own = "documents stand in the exchange's own file"
        lacks = {
            "refuse": f"{own}: nobody is asked who could refuse",
            "lose_answer": f"{own}: there is no answer that could be lost",
        }
        return following.Subject(plain.open, CODES, lambda _kind: plain.count(), status=plain.status, lacks=lacks)
