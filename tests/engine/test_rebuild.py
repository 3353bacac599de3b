"""What a rebuild makes of orders whose content changed, of older files, and of orders that were settled since."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.engine import restoring
from pipeline.engine.rebuild import rebuild
from pipeline.engine.rebuilt import Rebuild
from tests.engine.deciding_world import World
from tests.engine.revised import version

DISAGREES = {"total": "780.00"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, more=", changed: amend")


def lose(world: World) -> None:
    for path in world.folder.glob("ledger.sqlite3*"):
        path.unlink()


def rebuilt(world: World) -> Rebuild:
    return rebuild(world.config(), apply=True, by="anna")


def take(world: World, name: str, data: bytes) -> None:
    world.put(name, data)
    world.run()


def both(first: bytes, second: bytes) -> bytes:
    """One file with the orders of two."""
    head, _order, rest = first.partition(b"<order>")
    inner = second.partition(b"<order>")[2].rpartition(b"</order>")[0]
    return head + b"<order>" + inner + b"</order>\n  <order>" + rest


def test_content_older_than_what_the_ledger_knows_is_no_news(world: World) -> None:
    """The ledger was lost and begun anew, newer content came, and only then it was completed."""
    take(world, "old.xml", version(2))
    lose(world)
    restoring.begin_anew(world.config(), "anna")
    take(world, "new.xml", version(2, comment="call me"))
    before = world.rows("SELECT revision, file_id FROM orders")
    assert rebuilt(world).counts()["files"] == {"acknowledged": 1}
    report = world.run()
    assert (report.counts, world.cards()) == ({}, [])
    assert world.rows("SELECT revision, file_id FROM orders") == before
    assert world.rows("SELECT outcome FROM sightings ORDER BY id") == [("new",), ("older",)]
    assert rebuilt(world).counts() == {"files": {}, "orders": {}}


def test_nor_is_it_beside_an_order_that_the_next_run_has_to_make(world: World) -> None:
    take(world, "both.xml", both(version(2), version(1, number="4999", code="NO-SUCH")))
    lose(world)
    restoring.begin_anew(world.config(), "anna")
    take(world, "new.xml", version(2, comment="call me"))
    before = world.rows("SELECT revision, file_id FROM orders")
    assert rebuilt(world).counts()["files"] == {"archived": 1}
    report = world.run()
    assert "amended" not in report.counts
    assert world.rows("SELECT revision, file_id FROM orders WHERE order_id = '4701'") == before
    assert world.states() == {"4701": "created", "4999": "held"}
    assert {row["kind"] for row in world.cards()} == {"held"}


def test_a_clock_that_was_set_back_makes_no_news_old(world: World, tmp_path: Path) -> None:
    take(world, "first.xml", version(2))
    path, _outcome = restoring.back_up(world.config(), tmp_path / "backup.jsonl.gz")
    take(world, "second.xml", version(2, comment="call me"))
    journal = next((world.folder / "archive" / "index").glob("*.jsonl"))
    first, second = journal.read_text().splitlines()
    data = json.loads(second)
    data["at"] = (datetime.fromisoformat(data["at"]) - timedelta(hours=9)).isoformat()
    journal.write_text("\n".join([first, json.dumps(data), ""]))
    restoring.restore(world.config(), path, replace=True)
    assert rebuilt(world).counts()["files"] == {"archived": 1}
    assert world.run().counts["amended"] == 1


def test_what_came_back_after_other_content_is_asked_about_again(world: World) -> None:
    """The last word of the shop is its first one again: nobody may take the word in between for the last."""
    for name, comment in (("one", "ring twice"), ("two", "no ring"), ("three", "ring twice")):
        take(world, f"{name}.xml", version(2, comment=comment) + b"\n" * len(name))
    assert [row["kind"] for row in world.cards()] == ["changed"]
    lose(world)
    rebuilt(world)
    world.run()
    assert [row["kind"] for row in world.cards()] == ["changed"]
    [(file,)] = world.rows("SELECT f.name FROM files f JOIN cards c ON c.file_id = f.id WHERE c.state = 'open'")
    assert file == "three.xml"


def test_a_held_order_that_got_its_document_after_the_backup_waits_for_nobody(world: World, tmp_path: Path) -> None:
    world.drop(5001, **DISAGREES)
    world.drop(5002, "NO-SUCH")
    world.run()
    path, _outcome = restoring.back_up(world.config(), tmp_path / "yesterday.jsonl.gz")
    (card,) = (row for row in world.cards() if row["order_id"] == "5001")
    world.resolve("accept", card, why="the buyer pays it")
    made = world.documents()
    assert [order for order, _total in made] == ["5001"]
    restoring.restore(world.config(), path, replace=True)
    assert world.states() == {"5001": "held", "5002": "held"}
    shown = rebuild(world.config())
    assert shown.counts()["orders"] == {"found": 1}
    assert world.states() == {"5001": "held", "5002": "held"}, "looking changes nothing"
    rebuilt(world)
    assert world.states() == {"5001": "created", "5002": "held"}
    assert [row["order_id"] for row in world.cards()] == ["5002"]
    world.run()
    assert world.documents() == made
    assert rebuilt(world).counts() == {"files": {}, "orders": {}}


def test_a_quarantined_file_counts_once_however_often_its_bytes_came(world: World) -> None:
    """The site has put the same bytes there again: one card, and one in the counts."""
    for moment in (1_790_000_000, 1_790_000_100):
        for number in range(3):
            world.put(f"{number}.xml", b"<orders")
            os.utime(world.folder / "site" / "shop" / f"{number}.xml", (moment, moment))
        world.run()
    lose(world)
    assert rebuilt(world).counts()["files"] == {"archived": 6}
    for number in range(3):  # and once more since
        os.utime(world.folder / "site" / "shop" / f"{number}.xml", (1_790_000_200, 1_790_000_200))
    report = world.run()
    assert report.counts["quarantined"] == 3
    (step,) = report.steps
    assert step.result is not None
    assert sorted(row["file"] for row in step.result.details) == ["0.xml", "1.xml", "2.xml"]
    assert len(world.cards()) == 3


def test_a_file_that_was_looked_at_twice_and_then_rejected_is_no_news(world: World) -> None:
    """Its journal has a line for each look; the ledger knows of all of them."""
    for moment in (1_790_000_000, 1_790_000_100):
        world.put("cut.xml", b"<orders")
        os.utime(world.folder / "site" / "shop" / "cut.xml", (moment, moment))
        world.run()
    world.resolve("reject", why="a test")
    assert world.cards() == []
    assert rebuilt(world).counts() == {"files": {}, "orders": {}}


def test_a_document_of_another_sum_settles_no_held_order(world: World, tmp_path: Path) -> None:
    take(world, "first.xml", version(2))
    lose(world)
    restoring.begin_anew(world.config(), "anna")
    take(world, "second.xml", version(3))
    assert world.states() == {"4701": "held"}
    assert rebuilt(world).counts()["orders"] == {}
    world.run()
    assert world.states() == {"4701": "held"}


def test_a_document_of_another_sum_than_every_file_is_asked_about(world: World) -> None:
    take(world, "order.xml", version(2))
    (world.folder / "archive").rename(world.folder / "away")
    lose(world)
    take(world, "order.xml", version(3))
    lose(world)
    shown = rebuilt(world)
    assert shown.counts()["orders"] == {"other": 1}
    assert [one.document for one in shown.orders] == ["000001"]
    assert world.rows("SELECT state, document_id FROM orders") == [("new", None)]
    world.run()
    assert world.states() == {"4701": "held"}
    assert len(world.documents()) == 1
