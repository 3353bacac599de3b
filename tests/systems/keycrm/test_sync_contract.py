"""KeyCRM keeps the contract of a sync's ends, whatever its unknown sides are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.testing.sync_contract import CatalogueContract, SyncContract
from pipeline.testing.sync_subject import Subject
from plugins.systems.keycrm.fake import Quirks
from tests.systems.keycrm.account import account, subject_of

#: The other side of each switch that a sync can come to feel, apart from that of nulls.
SWITCHED: dict[str, Any] = {
    "default_order": "shuffled",
    "dates": "plain",
    "strings": "all",
    "lag": 3.0,
    "errors_map": False,
    "unknown_rows": "refuse",
    "first_variant_drops_it": False,
    "empty_warehouses": True,
    "idle_movement": False,
    "duplicate_sku": "all",
}
#: A field is emptied by null, which the document does not have; where nothing else would do it.
NULL = ": None is not of type"
#: By themselves they run in CI; always run the likeliest account and the one that is otherwise in everything.
EACH = {f"{name}={value}": {name: value} for name, value in {**SWITCHED, "nulls": "keep"}.items()}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "likeliest": {},
    "otherwise": SWITCHED,
    **(EACH if os.environ.get("MISTOK_FULL") else {}),
}


class TestKeyCrm(SyncContract):
    @pytest.fixture(params=ACCOUNTS.values(), ids=list(ACCOUNTS))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        with account(Quirks(**request.param), batch=60) as one:
            yield subject_of(one)
            assert [problem for problem in one.undocumented() if NULL not in problem] == []


class TestKeyCrmWithSpecialPrices(SyncContract):
    @pytest.fixture(params=["date", "datetime", "text"] if os.environ.get("MISTOK_FULL") else ["date"])
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        fields = {"price": "CT_1", "start": "CT_2", "end": "CT_3"}
        with account(special=fields, batch=60) as one:
            for uuid, kind in zip(fields.values(), ("float", request.param, request.param), strict=True):
                one.fake.add_custom_field(uuid, "crm_product", kind=kind)
            yield subject_of(one)
            assert [problem for problem in one.undocumented() if NULL not in problem] == []


@pytest.mark.parametrize("nulls", ["wipe", "keep", "refuse"])
def test_a_field_is_cleared_or_held_whatever_null_does(nulls: Any) -> None:
    with account(Quirks(nulls=nulls)) as one:
        CatalogueContract().test_a_field_that_is_none_is_cleared_or_the_row_is_held(subject_of(one))
