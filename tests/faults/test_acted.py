"""The check of the promises finds what is broken in a walk of documents, too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.model import Payment
from pipeline.testing import documents_target
from tests.engine.documents.making import order
from tests.engine.documents.world import World
from tests.faults import invariants


def target(query: str) -> Callable[[World], None]:
    """What somebody does to the accounting system's database."""

    def done(world: World) -> None:
        documents_target.rows(world.file, query)

    return done


def ledger(query: str) -> Callable[[World], None]:
    """What somebody does to the ledger."""

    def done(world: World) -> None:
        with world.opened() as client, client.ledger.begin() as conn:
            conn.execute(sa.text(query))

    return done


TWICE = (
    "INSERT INTO documents (kind, number, key, base, order_id, total, currency, lines, status, data)"
    " SELECT kind, number || 'b', key, base, order_id, total, currency, lines, status, data FROM documents"
)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (target(f"{TWICE} WHERE kind = 'create'"), "I1: Order 7 has 2 documents"),
        (target(f"{TWICE} WHERE kind = 'ship'"), "I1: ship .* is there 2 times"),
        (target("DELETE FROM documents WHERE kind = 'create'"), "I1: Order 7: Its document is not in the books"),
        (target("DELETE FROM documents WHERE kind = 'pay'"), "I1: pay .* is done, and not there"),
        (target("UPDATE documents SET key = key || '-x' WHERE kind = 'ship'"), "nothing here knows of ship"),
        (
            target("UPDATE documents SET total = '250.01' WHERE kind = 'create'"),
            "I5: The document of order 7 says 250.01",
        ),
        (target("UPDATE documents SET cancelled = 1 WHERE kind = 'create'"), "are with the buyer, of 0"),
        (target("UPDATE documents SET lines = '[]' WHERE kind = 'ship'"), "an empty document"),
        (ledger("UPDATE acts SET state = 'begun' WHERE act = 'ship'"), "was left begun, and no card says so"),
    ],
)
def test_a_broken_promise_is_found(tmp_path: Path, damage: Callable[[World], None], said: str) -> None:
    world = World(tmp_path, rules="rules: {Done: [order, pay, ship]}\n")
    world.put("12", order(payment=Payment(status="paid")))
    world.run()
    look(world)
    damage(world)
    with pytest.raises(AssertionError, match=said):
        look(world)


def look(world: World) -> None:
    invariants.check(world.config(), source={"7"}, goods=None, again=None)


def test_an_order_that_nothing_knows_of_is_missed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put("4")
    world.run()
    with pytest.raises(AssertionError, match=r"the source tells these orders, and nothing knows of them: .'8'"):
        invariants.check(world.config(), source={"7", "8"}, goods=None, again=None)


def test_a_copy_that_is_gone_is_missed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put("4")
    world.run()
    with world.opened() as client:
        assert list(client.archive.hashes())
        shutil.rmtree(client.archive.root)
    with pytest.raises(AssertionError, match="I2: no copy of"):
        look(world)


def test_whoever_takes_orders_by_an_api_tells_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the orders of its source are to be told"):
        invariants.check(World(tmp_path).config(), goods=None, again=None)
