"""F3: the process is killed (SIGKILL) when Tryton has done something and nobody knows of it: nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.systems.tryton.die import act
from tests.systems.tryton.world import CODES, World, method

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]
ROOT = Path(__file__).resolve().parents[3]
STEPS = ("order", "ship", "return")


#: What is done, the call whose answer never comes, and how plain SQL sees that it was done.
CASES = [
    ("order", "sale.sale.create", "select count(*) from sale_sale"),
    ("ship", "stock.shipment.out.do", "select count(*) from stock_shipment_out where state = 'done'"),
    ("order", "sale.sale.quote", "select count(*) from sale_sale where state = 'quotation'"),
    ("return", "sale.sale.create", "select count(*) from sale_sale where origin is not null"),
]


@pytest.mark.parametrize(("what", "call", "done"), CASES if os.environ.get("MISTOK_FULL") else CASES[:1])
def test_f03_killed_between_create_and_commit(world: World, what: str, call: str, done: str) -> None:
    refs: list[str] = []
    system = world.open()
    for before in STEPS[: STEPS.index(what)]:
        (outcome,) = act(system, before, *refs)
        refs.append(outcome.ref.id)
    answer = world.between.hold(when=method(call))
    came = world.between.watch(method(call))
    command = [sys.executable, "-m", "tests.systems.tryton.die", world.url, what, *refs]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as victim:
        assert came.wait(60)
        victim.kill()
        _, said = victim.communicate(timeout=60)
    assert victim.returncode not in (0, 1), said.decode()
    assert world.server.one(done), "it is done, and nobody knows"
    answer.set()
    (again,) = act(system, what, *refs)
    assert again.error is None
    assert again.ref.total in (None, Decimal("969.80"))
    returned = what == "return"
    assert world.count("sale_sale") == (2 if returned else 1)
    assert world.count("stock_shipment_out", "state <> 'cancelled'") == (0 if what == "order" else 1)
    (after,) = act(system, what, *refs)
    assert after.existed
    assert world.on_hand(CODES[0]) == {"order": 1000, "ship": 998, "return": 1000}[what]
    assert world.sale(act(system, "order")[0].ref.id).state in ("quotation", "processing")
