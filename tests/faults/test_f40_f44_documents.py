"""Runs of the documents walk, killed by SIGKILL between any two effects: each order ends as it should, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.engine.runtime import RunReport
from pipeline.model import Payment
from tests.engine.documents.making import line, order
from tests.engine.documents.world import At, World
from tests.faults import ends, forks, invariants, tally
from tests.signals import SIGKILL

RULES = "rules: {Confirmed: order, Done: [order, pay, ship], Cancelled: cancel, Returned: [return, cancel]}\n"
MORE = 'statuses: auto\nproducts: {create: true}\nback: {number: true, statuses: {ship: "6", cancel: "1"}}\n'
WHOLE = ["create", "pay", "ship"]


class Real(At):
    """The machine's own time, as the killed process has it."""

    def now(self) -> datetime:
        return SystemClock().now()


class Watched(World):
    """A world of which it is known what was done to it: its tests end by the check of the promises."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ends.made()

    def run(self, reach: Callable[[str], None] = lambda _point: None, **options: Any) -> RunReport:
        ends.happened("a run of orders")
        return super().run(reach, **options)

    def check(self) -> None:
        """All promises, the run once more first, see :mod:`tests.faults.invariants`."""
        told = {path.stem.removeprefix("order-") for path in self.crm.glob("order-*.json")}
        invariants.check(self.config(), source=told, goods=None, again=lambda _job: self.run())


@pytest.fixture
def world(tmp_path: Path) -> Watched:
    made = Watched(tmp_path, rules=RULES, more=MORE, target="known: [AB-1], lists: {status: []}", clock=Real())
    made.config()
    return made


def killed_at(world: World, point: str) -> None:
    """One run that is killed when it comes to this point."""
    world.config()
    ends.happened(f"a run that was killed at {point}")
    tally.note("kills")
    ended = forks.run("tests.faults.run_and_die", world.path, "orders", f"documents:{point}", 1)
    assert ended.returncode == -SIGKILL, ended.stderr


def kinds(world: World) -> list[str]:
    return sorted(kind for kind, _key in world.documents())


def goes_on(world: Watched, wanted: list[str]) -> None:
    """The next runs do what is left, and nothing twice."""
    for _ in range(3):
        report = world.run()
        assert report.exit_code == 0, report
    assert (kinds(world), world.states(), world.cards()) == (sorted(wanted), {"7": "created"}, [])
    assert len(world.sql("SELECT * FROM parties")) == 1
    assert len(world.sql("SELECT * FROM products")) == 1
    assert world.rows("SELECT DISTINCT state FROM acts") == [("done",)]


@pytest.mark.whole
@pytest.mark.parametrize(
    "point",
    [
        *("archived", "seen", "planned", "products-added", "party-before", "party-applied", "create-begun"),
        *("create-applied", "create-done", "pay-applied", "ship-begun", "ship-applied", "ship-done", "status-applied"),
        *("settled", "back-begun", "back-applied"),
    ],
)
def test_f03_and_f43_a_run_that_is_killed_leaves_no_twin_and_nothing_undone(world: Watched, point: str) -> None:
    world.put("12", order(payment=Payment(status="paid")))
    killed_at(world, point)
    goes_on(world, WHOLE)
    told = [(one["status"], one["number"]) for one in world.told()]
    assert {status for status, _number in told if status} == {"6"}
    assert len(told) <= 2, "what the source was told may be told twice, since it is as once"
    world.check()


@pytest.mark.parametrize("point", ["return-applied", "cancel-applied", "back-applied"])
def test_f43_a_return_that_is_killed_takes_back_once(world: Watched, point: str) -> None:
    world.put("12", order(payment=Payment(status="paid")))
    world.run()
    world.move("20")
    killed_at(world, point)
    goes_on(world, [*WHOLE, "return"])
    assert world.sql("SELECT cancelled FROM documents WHERE kind = 'create'") == [(1,)]
    world.check()


@pytest.mark.parametrize("kind", ["create", "ship"])
def test_f03_what_a_killed_run_left_half_way_is_finished(world: Watched, kind: str) -> None:
    world.put("12", order(payment=Payment(status="paid")))
    killed_at(world, f"{kind}-applied")
    world.sql("UPDATE documents SET half = 1 WHERE kind = ?", kind)
    goes_on(world, WHOLE)
    assert world.sql("SELECT count(*) FROM documents WHERE half") == [(0,)]
    world.check()


def test_f19_an_amendment_that_is_killed_is_made_once_more_with_the_same_key(world: Watched) -> None:
    world.put("4")
    world.run()
    world.move("4", lines=order().lines[:1], total=order().lines[0].sum)
    killed_at(world, "amend-applied")
    goes_on(world, ["create"])
    ((total, amended),) = world.sql("SELECT total, amended FROM documents")
    assert (total, len(set(amended.split()))) == ("200.00", 1)
    world.check()


def test_f03_killed_again_while_it_is_looked_up_it_goes_on_all_the_same(world: Watched) -> None:
    world.put("12", order(payment=Payment(status="paid")))
    killed_at(world, "ship-applied")
    killed_at(world, "looked-up")
    goes_on(world, WHOLE)
    world.check()


def test_f19_an_order_that_changes_while_its_run_is_dead_is_shipped_as_it_is_by_then(world: Watched) -> None:
    world.put("12", order(payment=Payment(status="paid")))
    killed_at(world, "ship-applied")
    more = order(*order().lines, *order().lines[:1])
    world.move("12", lines=more.lines, total=more.total, payment=Payment(status="paid"))
    goes_on(world, [*WHOLE, "pay", "ship"])
    shipped = world.sql("SELECT lines FROM documents WHERE kind = 'ship' ORDER BY id")
    moved = [[(one[0], one[1]) for one in json.loads(lines)] for (lines,) in shipped]
    assert moved == [[("AB-1", "2"), ("AB-2", "1")], [("AB-1", "2")]]
    world.check()


def test_f44_ten_cycles_of_telling_each_other_make_no_ping_pong(world: Watched) -> None:
    world.put("12", order(payment=Payment(status="paid")))
    for _ in range(10):
        world.run(full=True)
    assert kinds(world) == sorted(WHOLE)
    assert [one["status"] for one in world.told()] == ["6"]
    assert world.states() == {"7": "created"}
    world.check()


def test_f43_cancelled_before_it_came_there_is_nothing_and_cancelled_twice_it_is_once(world: Watched) -> None:
    world.more = ""
    world.put("19")
    world.run()
    assert (kinds(world), world.states()) == ([], {"7": "nothing_to_do"})
    world.target = ""
    for status in ("4", "19", "19"):
        world.move(status)
        world.run()
    assert kinds(world) == ["create"]
    assert world.rows("SELECT count(*) FROM acts WHERE act = 'cancel'") == [(1,)]
    world.check()


def test_f41_a_total_that_its_parts_do_not_make_waits_and_a_cent_is_evened_out(world: Watched) -> None:
    world.put("12", order(total=order().total + 1))
    world.run()
    assert (kinds(world), world.codes()) == ([], ["totals"])
    world.move("12", total=order().total + Decimal("0.01"))
    world.run()
    assert world.sql("SELECT total FROM documents WHERE kind = 'create'") == [("250.01",)]
    world.check()


def test_f42_a_gift_and_one_product_at_two_prices_keep_their_lines(world: Watched) -> None:
    world.put("12", order(line(), line(price="0.00"), line(price="90.00")))
    world.run()
    for (lines,) in world.sql("SELECT lines FROM documents WHERE kind IN ('create', 'ship')"):
        assert [one[2] for one in json.loads(lines)] == ["100.00", "0.00", "90.00"]
    world.check()


def test_f40_an_unknown_product_waits_and_goes_on_when_it_is_named(world: Watched) -> None:
    world.more = ""
    world.put("4", order(line("AB-9")))
    world.run()
    assert (kinds(world), world.codes()) == ([], ["unknown-product"])
    world.map(("sku", "AB-9"), "AB-1")
    assert (kinds(world), world.cards()) == (["create"], [])
    world.check()


def test_f50_the_cursor_stays_when_a_source_breaks_off_and_nothing_is_lost(world: Watched) -> None:
    world.put("4")
    world.run()
    world.put("4", order(id="8", number="8"))
    (world.crm / "down").touch()
    assert world.run().exit_code == 3
    (world.crm / "down").unlink()
    world.run()
    assert world.states() == {"7": "created", "8": "created"}
    world.check()
