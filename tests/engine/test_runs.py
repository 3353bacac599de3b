"""What is written down about runs, and when a failure is told again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.engine.runtime import IDLE_KEPT, Client
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
