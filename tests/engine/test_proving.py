"""Writes that nobody has seen wait for a probe on that very account, or for the client's own word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.engine import proving
from pipeline.engine.context import RunContext
from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.runtime import Client, RunReport
from pipeline.errors import Held
from pipeline.testing.documents_target import DocumentsTarget
from pipeline.texts import Text, verbatim
from plugins.systems.books.system import Books
from tests.engine import deciding_world
from tests.engine.documents import world as orders_world
from tests.engine.documents.making import line, order
from tests.engine.in_step import World, good
from tests.engine.sync_world import FLAT, MemorySystem, put, single, special


@dataclass
class Unseen(MemorySystem):
    """A CRM of which nobody has seen how it makes products and keeps special prices."""

    account: str = "https://one.example/v1"
    marks: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {
            "create: post": frozenset({"new"}), "special": frozenset({"specials"}), "level: set": frozenset({"stock"}),
        }
    )  # fmt: skip

    def untried(self) -> Mapping[str, frozenset[str]]:
        return self.marks


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, crm=Unseen(FLAT))
    put(world.shop, single("1", "A", price="10.00"))
    return world


def probed(world: World, *, passed: bool = True) -> None:
    with world.opened() as client:
        ctx = RunContext(
            config=world.config(), registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="check", temp=world.folder,
        )  # fmt: skip
        proving.remember(ctx, "crm", world.crm, passed=passed)


def refused(report: RunReport) -> str:
    """What of it was never tried; nothing was written."""
    (finding,) = report.steps[0].findings
    assert (report.exit_code, finding.code) == (1, "untried-writes")
    assert "mistok check --connect --write-probe" in str(finding.hint)
    assert "untried_writes: true" in str(finding.hint)
    return str(finding.text)


def test_the_first_run_waits_until_a_probe_has_passed(world: World) -> None:
    said = refused(world.run())
    assert "crm: nobody has seen yet" in said
    assert "`create: post`, `special`" in said
    assert world.crm.content == {}
    assert world.run(dry_run=True).counts == {"new": 1}, "looking is free"
    probed(world, passed=False)
    refused(world.run())
    probed(world)
    assert good(world.run()).counts == {"new": 1}


def test_a_probe_is_of_one_account_and_of_what_it_was_tried_with(world: World) -> None:
    assert isinstance(world.crm, Unseen)
    probed(world)
    good(world.run())
    world.crm.marks = {**world.crm.marks, "create: put": frozenset({"new"})}
    assert "mean: `create: put`." in refused(world.run())
    probed(world)
    good(world.run())
    world.crm.account = "https://two.example/v1"
    refused(world.run())
    world.crm.marks = {}  # the client takes it upon himself
    good(world.run())


@pytest.mark.parametrize(
    ("step", "more", "waits"),
    [
        ("sync-catalogue", "create: false\nfields: [name, price]", ""),
        ("sync-catalogue", "fields: [name, price]", "create: post"),
        ("sync-catalogue", "create: false\nfields: [name, specials]", "special"),
        ("sync-prices", "", "special"),
        ("sync-stock", "", "level: set"),
    ],
)
def test_only_what_the_step_needs_is_asked_for(world: World, step: str, more: str, waits: str) -> None:
    world.step, world.more = step, more
    put(world.shop, single("1", "A", price="10.00", specials=(special("8.00"),)))
    put(world.crm, single("c1", "A", price="10.00"))
    report = world.run()
    if waits:
        assert f"mean: `{waits}`." in refused(report)
    else:
        assert report.steps[0].findings == ()


# --- what a person begins --------------------------------------------------------------------------------------------


def untried(monkeypatch: pytest.MonkeyPatch, system: type) -> None:
    """Make it one whose documents nobody has seen."""
    monkeypatch.setattr(system, "account", "one", raising=False)
    marks = {"post: true": frozenset({"documents"})}
    monkeypatch.setattr(system, "untried", lambda _self: marks, raising=False)


def test_an_answer_and_a_replay_make_no_document_that_was_never_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = deciding_world.World(tmp_path)
    world.drop(1, total="780.00")
    world.run()
    assert world.states() == {"1": "held"}
    with monkeypatch.context() as patched:
        untried(patched, Books)
        done = world.resolve("accept", why="agreed")
        assert done.waits
        (later,) = [came.later.render("en") for came in done.came if came.later]
        assert later.startswith("books: nobody has seen yet that this account does what these settings mean: `post:")
        assert (world.states(), world.documents()) == ({"1": "held"}, [])
        with Client.open(world.config()) as client, pytest.raises(Held, match="nobody has seen yet"):
            list(apply(client, choose(client, Asked(all_held=True)), by="anna"))
        assert world.documents() == []
    assert world.run().counts["created"] == 1
    assert world.documents() == [("1", "78000")]


def test_a_replay_of_the_orders_of_a_system_waits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = orders_world.World(tmp_path, target="known: [AB-1, AB-2]")
    world.put("12", order(line(), line("AB-9")))
    assert world.run().counts == {"held": 1}
    world.target = "known: [AB-1, AB-2, AB-9]"
    untried(monkeypatch, DocumentsTarget)
    with Client.open(world.config(), clock=world.clock) as client, pytest.raises(Held, match="post: true"):
        list(apply(client, choose(client, Asked(all_held=True)), by="anna"))
    assert world.documents() == []
    monkeypatch.setattr(DocumentsTarget, "untried", lambda _self: {})
    with Client.open(world.config(), clock=world.clock) as client:
        assert [one.outcome for one in apply(client, choose(client, Asked(all_held=True)), by="anna")] == ["created"]


def test_what_is_only_inferred_stands_as_a_probe_last_showed_it(world: World) -> None:
    @dataclass
    class Reading(Unseen):
        def inferred(self) -> Mapping[str, Text]:
            return {"mark": verbatim("a mark"), "rows": verbatim("rows")}

    world.crm = Reading(FLAT)
    with world.opened() as client:
        ctx = RunContext(
            config=world.config(), registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="check", temp=world.folder,
        )  # fmt: skip

        def shown(**so: bool) -> set[str]:
            proving.remember(ctx, "crm", world.crm, passed=False, shown=so)
            return set(proving.verified(ctx, "crm", world.crm))

        assert proving.verified(ctx, "crm", world.crm) == {}
        assert shown(mark=True) == {"mark"}
        assert shown(rows=True) == {"mark", "rows"}, "what was not tried this time stays"
        assert shown(mark=False) == {"rows"}
        world.crm.account = "https://two.example/v1"
        assert proving.verified(ctx, "crm", world.crm) == {}, "another account has shown nothing"
        assert shown(mark=True) == {"mark"}
