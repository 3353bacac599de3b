"""The books, on SQLite and PostgreSQL, through the faults of order documents that every target goes through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from pipeline.testing.orders_contract import OrdersContract, Target
from tests.systems.books.following import CODES, commit_and_break, refusals, subject
from tests.systems.killed import kill

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place


def target_of(place: Place) -> Target:
    given = subject(place)
    sqlite = place.open().database.sqlite

    def execute(*statements: str) -> None:
        with place.open().database.write() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def refuse(words: str) -> Callable[[], None]:
        execute(*refusals("sqlite" if sqlite else "postgresql", "documents", "INSERT", words.replace("'", "''")))
        return lambda: execute("DROP TRIGGER no_documents" + ("" if sqlite else " ON documents"))

    def lose_answer() -> None:
        broken: list[bool] = []
        for opened in place.opened:
            event.listen(opened.database._engine, "commit", lambda connection: commit_and_break(connection, broken))

    def close_period(moment: datetime) -> None:
        place.open().close_period(moment.astimezone(ZoneInfo("Europe/Kyiv")).date())

    return Target(
        open=place.open,
        codes=CODES,
        count=place.count,
        total=place.total,
        reserved=place.reserved,
        on_hand=given.on_hand,
        refuse=refuse,
        lose_answer=None if sqlite else lose_answer,
        close_period=close_period,
        kill=lambda: kill("books", {"url": place.url}, CODES, base=place.base),
        lacks={"lose_answer": "a file has no connection that can break"} if sqlite else {},
    )


class TestOrders(OrdersContract):
    @pytest.fixture
    def target(self, place: Place) -> Target:
        return target_of(place)
