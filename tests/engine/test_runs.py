"""What is written down about runs, and when a failure is told again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.engine.endings import IDLE_KEPT
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.engine.conftest import Shop


def test_idle_runs_are_forgotten_after_a_week_and_others_never(shop: Shop) -> None:
    old = datetime.now(UTC) - IDLE_KEPT - timedelta(hours=1)
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        for counts in (None, {"created": 1}):
            values = {"client": "acme", "job": "orders", "trigger": "watch", "started": old, "state": "done"}
            conn.execute(t.runs.insert().values(**values, **({"counts": counts} if counts else {})))
    shop.run()
    assert shop.ledger_rows("SELECT counts FROM runs WHERE started < date('now', '-1 day')") == [('{"created":1}',)]
    assert shop.ledger_rows("SELECT count(*) FROM runs") == [(2,)]


def test_another_product_that_stops_the_catalogue_is_told_again(shop: Shop) -> None:
    def break_price(code: str) -> None:
        import sqlite3

        with sqlite3.connect(shop.folder / "books.sqlite3") as conn:
            conn.execute(
                "DELETE FROM prices WHERE kind = 'retail' AND product_id = (SELECT id FROM products WHERE code = ?)",
                (code,),
            )
        conn.close()

    assert shop.run("catalogue").state == "done"
    break_price("0042")
    assert shop.run("catalogue").state == "failed"
    shop.run("catalogue")
    assert len(shop.ledger_rows("SELECT * FROM notices WHERE kind = 'failure'")) == 1, "the same trouble is told once"
    break_price("0043")
    shop.run("catalogue")
    assert len(shop.ledger_rows("SELECT * FROM notices WHERE kind = 'failure'")) == 2, (
        "another product is another trouble"
    )


def test_an_inbox_that_somebody_else_holds_makes_a_run_skipped_and_ends_no_alarm(shop: Shop) -> None:
    """It is not known how things stand: the failure that was told is not told anew after it."""

    def alarms() -> int:
        return len(shop.ledger_rows("SELECT * FROM notices WHERE kind = 'failure'"))

    shop.drop("single")
    shop.books = "sqlite:////proc/no/such/place.sqlite3"
    for _ in range(2):
        assert shop.run().state == "failed"
    assert alarms() == 1
    with Client.open(shop.config()) as other:
        held = other.ledger.acquire("inbox:site/orders", timedelta(minutes=5))
        assert held is not None
        report = shop.run()
        other.ledger.release(held)
    assert (report.state, report.exit_code, report.counts) == ("skipped", 0, {})
    assert report.again_in is not None
    assert report.again_in > 0
    assert shop.ledger_rows("SELECT state, counts FROM runs ORDER BY id DESC LIMIT 1") == [("skipped", '{"busy":1}')]
    assert shop.run().state == "failed"
    assert alarms() == 1, "it was told"
    shop.books = "sqlite:///books.sqlite3"
    assert shop.run().state == "done"
    shop.books = "sqlite:////proc/no/such/place.sqlite3"
    shop.drop("three-orders")
    assert shop.run().state == "failed"
    assert alarms() == 2
