"""A shop that is reached by files keeps the contract of a sync's ends, whatever is not known of its site for sure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Subject
from plugins.systems.joomshopping import system
from plugins.systems.joomshopping.fake import Quirks
from tests.systems.joomshopping.site import Site


def subject_of(site: Site) -> Subject:
    """What the contract wants to know."""

    def remove(own: str) -> None:
        del site.shop.products[site.of(own).id]

    return Subject(
        open=site.open,
        seed=site.seed,
        rows=site.rows,
        columns={"price": ("product_price",), "price.old": ("product_old_price",), "stock": ("product_quantity",)},
        settle=site.settle,
        remove=remove,
        seed_stock=site.seed_stock,
    )


SITES: Mapping[str, Callable[[Path], Site]] = {
    "plug-in": Site,
    "no header": lambda base: Site(base, updates={"folder": "import", "header": False}),
    "own script": lambda base: Site(
        base, Quirks(deletes=True, old_price=True), updates={"folder": "import", "old_price": True, "taken_after": None}
    ),
    "read only": lambda base: Site(base, updates=None),
}


class TestShop(SyncContract):
    @pytest.fixture(params=list(SITES))
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
        monkeypatch.setattr(system, "BATCH", 30)
        return subject_of(SITES[request.param](tmp_path))
