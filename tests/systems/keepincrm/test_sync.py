"""KeepinCRM as an end of a sync: the contract over the fake, behaving in the one way and in the other."""

from __future__ import annotations

import pytest

from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Subject
from tests.systems.keepincrm.world import World


class TestKeepin(SyncContract):
    """As most of the sources show it."""

    @pytest.fixture
    def subject(self, world: World) -> Subject:
        return world.subject()


class TestContrary(SyncContract):
    """Everything that the sources leave open the other way round."""

    @pytest.fixture
    def subject(self, world: World) -> Subject:
        world.fake.behave(
            per_page_max=0,
            pagination_counts=False,
            sorting=False,
            unknown_filter="refused",
            unknown_fields="refused",
            refusal=400,
            zone="UTC",
            milliseconds=False,
            create_material="not_found",
            upsert_by_sku="creates",
            category_name="title",
            category_read="name",
            sku_unique=True,
            price_names="both",
            price_form="comma",
            named_prices="list",
            named_prices_merge=False,
            custom_fields_read="slugs",
            custom_fields_merge=False,
            stock_names="both",
            rests_read=False,
            rests_write="append",
        )
        return world.subject(stock_write="add", weight="g")


class TestPlain(SyncContract):
    """An account without offices, without a tree of categories, that switches special prices itself."""

    @pytest.fixture
    def subject(self, world: World) -> Subject:
        world.separator = " > "
        world.fake.behave(
            order="oldest_first",
            unknown_filter="refused",
            create_material="works",
            category_parents=False,
            category_read="absent",
            duplicate_sku="touched",
            price_names="plain",
            price_form="number",
            named_prices="text",
            rests_read=False,
            available_write="sets",
            delete_answer="empty",
            office_filter=False,
            material_times=True,
        )
        special = {"price": {"named": "Акція"}, "from": "Акція з", "to": "Акція до", "switched_by": "crm"}
        return world.subject(offices=(), materials_create="post", special_price=special, changed_since=True, page=7)
