"""Orders of a CRM go into import files by the engine's walk: what changes afterwards is done by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import deciding
from tests.engine.documents.making import line, order
from tests.engine.documents.world import STATUSES, World

CONFIG = f"""\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  crm: {{type: orders-source, statuses: {json.dumps(STATUSES)}}}
  out: {{type: local, path: out}}
  erp: {{type: quincefin-file, to: out, folder: q, kind: csv, delivery: DELIVERY}}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  orders:
    every: 5m
    steps:
      - step: sync-orders
        from: crm
        to: erp
        since: 2026-11-01
        changed: hold
        rules: {{New: nothing, Confirmed: order, To courier: order, Done: order, Cancelled: hold, Returned: hold}}
"""


class Files(World):
    def config(self) -> ClientConfig:
        (self.folder / "out").mkdir(exist_ok=True)
        self.path.write_text(CONFIG, encoding="utf-8")
        return load_config(self.path)

    def __post_init__(self) -> None:
        plugins = self.folder / "plugins"
        plugins.mkdir()
        (plugins / "source.py").write_text("from pipeline.testing.orders_source import PLUGIN as PLUGIN\n")


@pytest.fixture
def world(tmp_path: Path) -> Files:
    return Files(tmp_path)


def dearer() -> dict[str, Any]:
    one = order(line(price="150"))
    return {"lines": one.lines, "total": one.total}


def test_what_changed_after_it_went_out_is_done_by_hand_and_accepting_says_that_it_is(world: Files) -> None:
    world.put("4", order(line(price="100")))
    assert world.run().state == "done"
    assert world.states() == {"7": "created"}
    world.move("4", **dearer())
    world.run()
    assert world.codes() == ["changed-by-hand"]
    (card,) = world.cards()
    assert "cannot change it" in card["findings"][0]["text"]["t"]
    with world.opened() as client:
        assert deciding.acceptable(client, card) == {"changed-by-hand"}

    world.resolve("accept")
    assert world.run(full=True).state == "done", "and no other sum is told of what a person has put right"
    assert (world.states(), world.cards()) == ({"7": "created"}, [])
    world.move("6")
    assert world.run(full=True).state == "done"
    assert (world.states(), world.cards()) == ({"7": "created"}, [])
    assert len(list(world.folder.glob("out/q/*.csv"))) == 1
    ((written,),) = world.rows("SELECT content FROM acts WHERE act = 'amend'") or [("",)]
    assert Decimal(json.loads(written)["order"]["total"]) == order(line(price="150")).total


def test_an_acceptance_that_was_given_before_stops_no_run(world: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of before offered what the target cannot do; their answer is in the ledger."""
    from pipeline.engine.documents import plan

    world.put("4", order(line(price="100")))
    world.run()
    world.move("4", **dearer())
    with monkeypatch.context() as patch:
        patch.setattr(plan, "BY_HAND", plan.CHANGED)
        world.run()
    world.later(minutes=1)
    (card,) = world.cards()
    assert card["findings"][0]["code"] == "changed-order"
    with world.opened() as client:
        deciding.accept(client, card, by="anna")
    world.run()
    assert world.codes() == ["changed-by-hand"]
