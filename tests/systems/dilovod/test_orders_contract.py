"""Dilovod through the faults of order documents that every target goes through."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from pipeline.testing.orders_contract import WORDS, OrdersContract, Target
from plugins.systems.dilovod._fake_schema import ORDER
from plugins.systems.dilovod.fake import KEY, Quirks, action, packet_of
from tests.systems.dilovod.base import (
    CODES,
    DOCUMENTS,
    SAVING,
    Base,
    base,
    blocked,
    good_of,
    reserved_of,
    stocked,
    total_of,
)
from tests.systems.killed import kill_waiting

BASES: dict[str, dict[str, Any]] = {"likeliest": {"posting_reserves": True}, "otherwise": SAVING}


def orders_saved(asked: Any) -> bool:
    return action("saveObject", ORDER)(asked)


def target_of(one: Base) -> Target:
    fake = one.fake

    def refuse(words: str) -> Callable[[], None]:
        fake.fail(200, blocked(f"applicationLayerError <b>{html.escape(words)}</b>"), times=99, when=orders_saved)
        return fake.forget

    def close_period(moment: datetime) -> None:
        def closed(asked: Any) -> bool:
            header = (packet_of(asked) or {}).get("params", {}).get("header", {})
            return orders_saved(asked) and str(header.get("date", ""))[:10] <= f"{moment:%Y-%m-%d}"

        fake.fail(200, blocked(f"applicationLayerError {WORDS}"), times=99, when=closed)

    def made() -> bool:
        return bool(fake.rows(ORDER, marked=None))

    settings = {"key": KEY, "url": one.url, "per_second": 50, "documents": {**DOCUMENTS, "storage": "Основний склад"}}
    reserves = fake.quirks.posting_reserves
    return Target(
        open=one.open,
        codes=CODES,
        count=lambda: len(fake.rows(ORDER, marked=None)),
        total=lambda id_: total_of(one, id_),
        reserved=(lambda code: reserved_of(one, code)) if reserves else None,
        on_hand=lambda code: fake.stock(good_of(one, code)),
        refuse=refuse,
        lose_answer=lambda: fake.lose_reply(when=orders_saved),
        close_period=close_period,
        kill=lambda: kill_waiting(fake, made, "dilovod", settings, CODES, orders_saved),
        lacks={} if reserves else {"reserved": "an order that is saved and not posted reserves nothing"},
    )


class TestOrders(OrdersContract):
    @pytest.fixture(params=BASES.values(), ids=list(BASES))
    def target(self, request: pytest.FixtureRequest) -> Iterator[Target]:
        with base(Quirks(**request.param), documents=DOCUMENTS) as one:
            yield target_of(stocked(one, 100))
