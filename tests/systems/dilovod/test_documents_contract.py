"""Dilovod keeps the contract of documents, whatever its unknown sides are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.testing.documents_contract import AmendContract, DocumentsContract, Subject
from plugins.systems.dilovod._fake_schema import ORDER
from plugins.systems.dilovod.fake import Quirks
from tests.systems.dilovod.base import (
    CODES,
    DOCUMENTS,
    SAVING,
    THIRD,
    Base,
    base,
    good_of,
    status_of,
    stocked,
    total_of,
)

EACH = {f"{name}={value}": {name: value} for name, value in SAVING.items()} | THIRD
#: By themselves they run in CI; always run the likeliest base and the one that is otherwise in everything.
BASES: dict[str, dict[str, Any]] = {
    "likeliest": {"posting_reserves": True},
    "otherwise": SAVING,
    **(EACH if os.environ.get("MISTOK_FULL") else {}),
}


def subject_of(one: Base) -> Subject:
    reserves = one.fake.quirks.posting_reserves
    return Subject(
        one.open,
        CODES,
        lambda: len(one.fake.rows(ORDER, marked=None)),
        lambda id_: total_of(one, id_),
        (lambda code: one.fake.reserved(good_of(one, code))) if reserves else None,
        lambda id_: status_of(one, id_),
        lacks={
            "close": "Dilovod closes no single document: one with a deletion mark or a shipment is left as it is",
            **({} if reserves else {"reserved": "this base reserves nothing when an order is posted"}),
        },
    )


def never_otherwise(one: Base) -> None:
    """Whatever was done: no order without goods, and nothing of a good was touched."""
    for row in one.fake.rows(ORDER, marked=None):
        assert row["parts"]["tpGoods"]
        assert "(Mistok " in row["remark"]
    assert one.saved("catalogs.goods") == []


class TestDocuments(DocumentsContract):
    @pytest.fixture(params=BASES.values(), ids=list(BASES))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        with base(Quirks(**request.param), documents=DOCUMENTS) as one:
            yield subject_of(stocked(one))
            never_otherwise(one)


class TestAmendments(AmendContract):
    @pytest.fixture(params=BASES.values(), ids=list(BASES))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        with base(Quirks(**request.param), documents=DOCUMENTS) as one:
            yield subject_of(stocked(one))
            never_otherwise(one)
