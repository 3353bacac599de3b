"""Dilovod keeps the contract of a sync's source, whatever its unknown sides are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Subject
from plugins.systems.dilovod.fake import Quirks
from tests.systems.dilovod.base import READING, SYNCED, base, subject_of, with_cost_type

EACH = {f"{name}={value}": {name: value} for name, value in READING.items()} | {
    "order=shuffled": {"order": "shuffled"},
    "rows_in=items": {"rows_in": "items"},
}
#: By themselves they run in CI; always run the likeliest base and the one that is otherwise in everything.
BASES: dict[str, dict[str, Any]] = {
    "likeliest": {},
    "otherwise": READING,
    **(EACH if os.environ.get("MISTOK_FULL") else {}),
}


class TestDilovod(SyncContract):
    @pytest.fixture(params=BASES.values(), ids=list(BASES))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        with base(Quirks(**request.param), **SYNCED, page=50) as one:
            yield subject_of(with_cost_type(one))
            assert one.packets("saveObject") == [], "a source is only read"
            assert one.packets("setDelMark") == []
