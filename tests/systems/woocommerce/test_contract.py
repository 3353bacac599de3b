"""The contract of a sync's ends, kept by shops of all kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Subject, levels_of
from plugins.systems.woocommerce._fake_quirks import Quirks
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import SIZES, Shop, served

KINDS = {
    "new": Quirks(),
    "old": Quirks(exact_sales=False, sku_conflict="not_created", trashed_sku="not_created", all_variations=False),
    "strange": Quirks(
        pretty_permalinks=False, authorization_header=False, php_notice=True, decimal_separator=",", batch_limit=7,
        zone="America/New_York", sales_move_date=True, variations_move_date=True,
    ),
}  # fmt: skip
STRANGE = {"permalinks": "plain", "auth": "query"}


def subject_of(shop: Shop) -> Subject:
    """A shop as the contract wants it."""
    columns = {name: [name] for name in ("name", "description", "short_description", "images", "weight", *SIZES)}
    sale = ["sale_price", "date_on_sale_from", "date_on_sale_to"]
    columns |= {
        "price": ["regular_price", "sale_price"],
        "specials": sale,
        "published": ["status"],
        "options": ["chosen"],
    }
    columns |= {"category": ["categories"], "categories": ["categories"], "barcode": ["global_unique_id"]}
    columns["stock"] = ["manage_stock", "stock_quantity", "stock_status"]
    return Subject(
        open=shop.open,
        seed=shop.seed,
        rows=shop.rows,
        columns=columns,
        stamps=("modified",),
        tick=shop.tick,
        remove=shop.remove,
        categories=shop.paths,
        twins=True,
        many=60,
        seed_stock=shop.seed_stock,
    )


class TestWooCommerce(SyncContract):
    @pytest.fixture(params=KINDS)
    def subject(self, request: pytest.FixtureRequest, clock: Clock) -> Iterator[Subject]:
        more = STRANGE if request.param == "strange" else {}
        with served(clock, KINDS[request.param], page=20, batch=10, **more) as shop:
            yield subject_of(shop)

    def test_levels_that_have_changed_since_are_told(self, subject: Subject) -> None:
        # the port allows all of them: a sale leaves no time at the product, so that nothing else would be true
        stocked = self._stocked(subject)
        assert stocked is not None
        assert subject.tick is not None
        since = subject.tick()
        assert len(levels_of(subject, since)) == len(levels_of(subject)) == 3
