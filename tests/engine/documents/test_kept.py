"""What is kept of orders that came in no file: rebuilt ledgers, retention, webhooks, migrations."""

from __future__ import annotations

from datetime import timedelta

from pipeline.archive import Index
from pipeline.engine import rebuild, retention
from pipeline.engine.hooks import jobs_for
from pipeline.ledger import files as file_rows
from tests.engine.documents.making import order
from tests.engine.documents.world import World


def test_a_lost_ledger_is_made_anew_and_no_document_twice(world: World) -> None:
    world.more = "statuses: auto\n"
    world.put("12")
    world.put("4", order(id="8", number="8"))
    world.run()
    before = world.documents()
    (world.folder / "ledger.sqlite3").unlink()
    done = rebuild.rebuild(world.config(), apply=True, clock=world.clock)
    assert done.findings == []
    world.later(minutes=5)
    assert world.run().counts == {"created": 2, "shipped": 1, "restated": 2}
    assert world.documents() == before
    assert world.states() == {"7": "created", "8": "created"}
    assert len(world.sql("SELECT * FROM parties")) == 1


def test_papers_of_settled_orders_may_go_and_those_that_wait_stay(world: World) -> None:
    world.target = "known: [AB-1, AB-2]"
    world.put("4")
    world.put("4", order(*(order().lines[:1]), id="8", number="8"))
    world.run()
    world.target = "known: [AB-1]"
    world.move("4", order_id="7", comment="інший")
    world.run()
    assert world.states() == {"7": "held", "8": "created"}
    world.later(days=400)
    with world.opened() as client, client.ledger.read() as conn:
        settings = client.config.archive.model_copy(update={"keep_days": 30})
        index = Index.of(client.archive.journal)
        plan = retention.plan(conn, "acme", index, settings, world.clock.now())
    names = {name for copy in plan.drop for name in copy.names}
    assert any(name.startswith("8-") for name in names)
    assert not any(name.startswith("7-") for name in names), "a card waits for it"


def test_a_webhook_about_orders_wakes_the_job(world: World) -> None:
    config = world.config()
    assert jobs_for(config, "crm", frozenset({"orders"})) == {"orders"}
    assert jobs_for(config, "crm", frozenset()) == {"orders"}
    assert jobs_for(config, "crm", frozenset({"stock"})) == set()
    assert jobs_for(config, "erp", frozenset({"orders"})) == set()


def test_every_state_of_an_order_is_a_paper_of_its_own(world: World) -> None:
    world.put("4")
    world.run()
    world.move("12")
    world.run()
    world.clock.moment += timedelta(days=1)
    world.run(full=True)
    with world.opened() as client, client.ledger.read() as conn:
        (ids,) = [[row[0] for row in world.rows("SELECT id FROM files ORDER BY id")]]
        rows = file_rows.by_ids(conn, ids)
    assert len(rows) == 2
    assert {row["state"] for row in rows.values()} == {"acknowledged"}
