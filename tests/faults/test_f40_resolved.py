"""F40, the second half: what a code means is told once, kept for the client, and frees all that waited for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import decisions
from tests.e2e.command import ROOT, environment
from tests.engine.deciding_world import World, say
from tests.faults import invariants, tally


def check(world: World, *, lasting: bool = False) -> None:
    """The promises of both shops; ``lasting``: the test goes on."""
    config = world.config()

    def again(job: str) -> RunReport:
        return run_job(config, job, RunOptions(trigger="schedule"))

    invariants.check(
        config,
        inboxes=[world.folder / "site" / shop for shop in world.dropped],
        dropped={name: data for shop in world.dropped.values() for name, data in shop.items()},
        goods=None,
        again=None if lasting else again,
    )


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f40_a_mapping_given_once_frees_all_that_waited_for_it_in_every_inbox(
    tmp_path: Path, ledger: str, request: pytest.FixtureRequest
) -> None:
    url = "sqlite:///ledger.sqlite3" if ledger == "sqlite" else request.getfixturevalue("postgres_ledger")
    tally.note("ledger", ledger)
    world = World(tmp_path, ledger=url)
    for order_id in (1, 2, 3):
        world.drop(order_id, "AB-1")
    world.drop(4, "AB-1", to="market")
    world.drop(5, "XY-9", to="market")  # it waits for something else
    world.run("shop")
    world.run("market")
    assert set(world.states().values()) == {"held"}
    assert world.documents() == []
    check(world, lasting=True)

    said = say(world, "resolve", "1", "--map", "sku:AB-1=0042", user="olena")
    assert said.code == 0, said.all
    assert said.out.count("→ document") == 4, said.out
    assert world.states() == {"1": "created", "2": "created", "3": "created", "4": "created", "5": "held"}
    assert world.documents() == [(str(n), "77900") for n in (1, 2, 3, 4)]
    assert [row["order_id"] for row in world.cards()] == ["5"]
    assert {row["closed_by"] for row in world.cards(closed=True) if row["state"] != "open"} == {"olena"}
    check(world, lasting=True)

    # kept for the client: nobody is asked again, in neither shop
    world.drop(6, "AB-1")
    world.drop(7, "AB-1", to="market")
    world.run("shop")
    world.run("market")
    assert world.states()["6"] == world.states()["7"] == "created"
    with Client.open(world.config()) as client, client.ledger.read() as conn:
        (kept,) = decisions.all_mappings(conn, "acme")
    assert (kept["kind"], kept["code"], kept["meant"], kept["by"], kept["card_id"]) == (
        "sku",
        "AB-1",
        "0042",
        "olena",
        1,
    )
    # the second to answer is told who was first
    again = say(world, "resolve", "1", "--map", "sku:AB-1=0043", user="petro")
    assert again.code == 0
    assert "olena" in again.out
    check(world)


def test_f40_no_default_takes_the_place_of_what_nobody_knows(tmp_path: Path) -> None:
    """What is meant must be there: a mapping to nothing, or to several things, is not kept."""
    world = World(tmp_path)
    world.drop(1, "0042-X")
    world.run()
    said = say(world, "resolve", "1", "--map", "sku:0042-X=0024")
    assert said.code == 2
    assert "0042" in said.err  # what comes near
    wrong = say(world, "resolve", "1", "--map", "sku:0042-Y=0042")
    assert wrong.code == 2
    assert "sku:0042-X" in wrong.err
    assert world.documents() == []
    assert world.rows("SELECT * FROM mappings") == []
    check(world)


def test_f40_a_warehouse_that_the_order_names_is_mapped_as_the_order_says_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.drop(1, more="<warehouse>Склад 3</warehouse>")
    world.run()
    assert [finding["about"] for finding in world.card()["findings"]] == ["warehouse:Склад 3"]
    said = say(world, "card", "1")
    assert "warehouse:Склад 3" in said.out
    said = say(world, "resolve", "1", "--map", "warehouse:Склад 3=main")
    assert said.code == 0, said.all
    assert world.documents() == [("1", "77900")]
    check(world)


def test_f40_what_the_settings_name_and_nobody_knows_is_the_admin_s_to_mend(tmp_path: Path) -> None:
    """A mapping of it would help nobody: the order does not say it."""
    world = World(tmp_path, more=", warehouse: attic")
    world.drop(1)
    world.run()
    (finding,) = world.card()["findings"]
    assert (finding["code"], finding["who"], finding.get("about", "")) == ("unknown-warehouse", "admin", "")
    assert say(world, "resolve", "1", "--map", "warehouse:attic=main").code == 2
    world.more = ""
    world.config()
    assert say(world, "resolve", "1", "--retry").code == 0
    assert world.documents() == [("1", "77900")]
    check(world)


KILLED = dedent(
    """\
    import os, signal, sys
    from pathlib import Path
    from pipeline.config.load import load_config
    from pipeline.engine import carrying, deciding
    from pipeline.engine.context import RunContext
    from pipeline.engine.runtime import Client
    from pipeline.ledger.cards import listing

    def die(point):
        if point == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)

    carrying.RunContext = lambda **values: RunContext(**{**values, "reach": die})
    with Client.open(load_config(Path(sys.argv[1]))) as client:
        with client.ledger.read() as conn:
            shown = listing(conn, "acme")[:1]
        deciding.give_mappings(client, shown, {("sku", "AB-1"): "0042"}, by="anna")
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("point", ["inbound:before-create", "inbound:created"])
def test_f40_and_f03_an_answer_that_is_killed_half_way_is_carried_on_by_the_next_run(
    tmp_path: Path, point: str
) -> None:
    world = World(tmp_path)
    world.drop(1, "AB-1")
    world.drop(2, "AB-1")
    world.run()
    command = [sys.executable, "-c", KILLED, str(world.path), point]
    done = subprocess.run(command, cwd=ROOT, env=environment(), timeout=60, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    tally.note("kills")
    tally.note("point", point)
    assert len(world.documents()) == (2 if point == "inbound:created" else 0)
    world.run()
    assert world.documents() == [("1", "77900"), ("2", "77900")]
    assert world.cards() == []
    check(world)
