"""F43: a cancelled order is a status of it, not a second order: before it was booked, after it, twice, taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.engine.revised import version
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
MARK = "changed: amend, cancelled: mark"


def rows(victim: Victim) -> list[tuple[str, str]]:
    return victim.ledger_rows("SELECT state, status FROM orders")


def reserved(victim: Victim) -> int:
    """Pieces that the books hold back, of everything."""
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as books:
        return int(books.execute("SELECT SUM(reserved) FROM stock").fetchone()[0]) // 1_000_000


@pytest.mark.parametrize("status", ["cancelled", "refunded"])
def test_f43_cancelled_before_it_was_booked_makes_nothing(make_victim: Make, status: str) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop("first.xml", version(status=status))
    victim.drop("second.xml", version(status=status, comment="ще раз"))
    report = victim.run()
    assert report.exit_code == 0
    assert rows(victim) == [("nothing_to_do", status)]
    assert victim.ledger_rows("SELECT 1 FROM cards") == []
    victim.check()


def test_f43_a_held_order_that_is_cancelled_waits_for_nobody(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop("first.xml", version(code="НЕМА"))
    assert victim.run().exit_code == 1
    victim.drop("second.xml", version(code="НЕМА", status="cancelled"))
    assert victim.run().exit_code == 0
    assert rows(victim) == [("nothing_to_do", "cancelled")]
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("held", "resolved")]
    victim.check()


@pytest.mark.parametrize("status", ["cancelled", "refunded"])
def test_f43_cancelled_twice_frees_the_stock_once(make_victim: Make, status: str) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = MARK
    victim.drop("other.xml", version(number="4702"))
    victim.drop("first.xml", version())
    victim.run()
    assert reserved(victim) == 4
    for n, comment in enumerate(("", "ще раз", "")):
        victim.drop(f"cancel{n}.xml", version(status=status, comment=comment))
        assert victim.run().exit_code == 0
        assert reserved(victim) == 2
        victim.check()
    kinds = [kind for (kind,) in victim.ledger_rows("SELECT kind FROM notices")]
    assert kinds.count("amended") == 1, "told once"
    assert victim.ledger_rows("SELECT state, status FROM orders WHERE order_id = '4701'") == [("created", status)]


def test_f43_by_default_a_person_is_asked_and_the_document_stays(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop("first.xml", version())
    victim.run()
    victim.drop("second.xml", version(status="cancelled"))
    assert victim.run().exit_code == 1
    assert rows(victim) == [("created", "cancelled")], "the shop's status is known at once"
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("changed", "open")]
    assert reserved(victim) == 2
    victim.check()


def test_f43_a_cancellation_that_is_taken_back_reserves_again(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = MARK
    for n, status in enumerate(("new", "cancelled", "paid", "refunded")):
        victim.drop(f"v{n}.xml", version(status=status, modified=f"2026-11-22 1{n}:00:00"))
        victim.run()
        assert reserved(victim) == (0 if status in ("cancelled", "refunded") else 2)
        assert rows(victim) == [("created", status)]
        victim.check()


def test_f43_an_order_that_was_cancelled_before_it_came_and_is_wanted_after_all(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = MARK
    victim.drop("first.xml", version(status="cancelled"))
    victim.run()
    assert rows(victim) == [("nothing_to_do", "cancelled")]
    victim.drop("second.xml", version(status="confirmed"))
    assert victim.run().counts["created"] == 1
    assert rows(victim) == [("created", "confirmed")]
    victim.check()


def test_f43_a_closed_document_is_not_cancelled_and_its_goods_stay_gone(make_victim: Make) -> None:
    from tests.e2e.command import mistok

    victim = make_victim("local", "sqlite")
    victim.step = MARK
    victim.drop("first.xml", version())
    victim.run()
    assert mistok("-c", victim.path, "books", "close", "000001").code == 0
    victim.drop("second.xml", version(status="cancelled"))
    report = victim.run()
    assert report.exit_code == 1
    (told,) = report.steps[0].result.details  # type: ignore[union-attr]
    assert "document-closed" in {finding.code for finding in told["findings"]}
    victim.check(lasting=True)
    assert mistok("-c", victim.path, "books", "reopen", "000001").code == 0
    assert victim.run().counts == {"cancelled": 1}, "a person has reopened it, and runs the job"
    assert reserved(victim) == 0
    victim.check()
