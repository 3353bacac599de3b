"""Orders of a system, replayed: planned again as the archive has them, done with --apply, never twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.replay.compare import compare, other_client
from pipeline.engine.replay.lines import Line
from pipeline.engine.replay.look import look
from pipeline.engine.runtime import Client
from pipeline.testing.documents_target import Say
from tests.e2e.command import here
from tests.engine.documents.making import line, order
from tests.engine.documents.world import World

ALL = Asked(all_held=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, target="known: [AB-1, AB-2]")
    yield made
    kinds = [key.split("/")[-3:] for _kind, key in made.documents()]
    assert len(kinds) == len({tuple(one) for one in kinds}), "two documents of one key"


def looked(world: World, asked: Asked) -> list[Line]:
    with Client.open(world.config(), read_only=True, clock=world.clock) as client:
        return list(look(client, choose(client, asked)))


def applied(world: World, asked: Asked) -> list[Line]:
    with Client.open(world.config(), clock=world.clock) as client:
        return list(apply(client, choose(client, asked), by="anna@pc"))


def told(lines: list[Line]) -> list[tuple[str, str, bool]]:
    return [(one.outcome, one.order, one.acts) for one in lines]


def seven(*words: str) -> Asked:
    return Asked(words=words or ("7",))


def test_a_held_order_is_shown_and_then_made_when_what_it_lacked_is_there(world: World) -> None:
    world.put("12", order(line(), line("AB-9")))
    assert world.run().counts == {"held": 1}
    (stays,) = looked(world, seven())
    assert (stays.outcome, stays.acts) == ("held", False)
    world.target = "known: [AB-1, AB-2, AB-9]"
    before = world.rows("SELECT count(*) FROM events")
    (would,) = looked(world, seven())
    assert told([would]) == [("created", "7", True)]
    assert str(would.text.render("en")) == "№7 would be: created; shipped (400.00 UAH)."
    assert (world.documents(), world.rows("SELECT count(*) FROM events")) == ([], before), "a look changes nothing"
    (done,) = applied(world, seven())
    assert (done.outcome, done.document, done.acts) == ("created", "O-1", True)
    assert [kind for kind, _key in world.documents()] == ["create", "ship"]
    assert (world.states(), world.cards()) == ({"7": "created"}, [])
    assert told(applied(world, seven())) == told(looked(world, seven())) == [("known", "7", False)]
    assert world.rows("SELECT job, state FROM runs ORDER BY id")[-1] == ("replay", "done")


def test_rules_that_were_changed_are_tried_on_orders_that_are_settled(world: World) -> None:
    world.put("4")
    world.run()
    assert told(looked(world, seven())) == [("known", "7", False)]
    world.rules = "rules: {Confirmed: [order, ship]}\n"
    assert told(looked(world, seven())) == [("amended", "7", True)]
    (done,) = applied(world, seven())
    assert done.text.render("en") == "№7 is document O-1 now: shipped."
    assert [kind for kind, _key in world.documents()] == ["create", "ship"]


def compared(world: World, more: str, **change: str) -> list[tuple[str, str, str | None]]:
    """(was, would be, words) of each order under the config with these lines."""
    config = world.config()
    text = world.path.read_text("utf-8")
    for old, new in change.items():
        assert CHANGED[old] in text
        text = text.replace(CHANGED[old], new)
    other = world.folder / "other.yaml"
    other.write_text(text + "".join(f"        {row}\n" for row in more.splitlines()), encoding="utf-8")
    before = world.rows("SELECT count(*) FROM events"), world.documents()
    with Client.open(config, read_only=True, clock=world.clock) as client:
        found = list(
            compare(
                client, other_client(client, other), choose(client, Asked(since=world.clock.moment.replace(hour=0)))
            )
        )
    assert (world.rows("SELECT count(*) FROM events"), world.documents()) == before, "it only tells"
    return [(one.was, one.would, str(one.text.render("en")) if one.text else None) for one in found]


CHANGED = {"done": "  Done: [order, ship]", "known": "known: [AB-1, AB-2]", "name": "      - step: sync-orders"}


def test_another_config_is_tried_on_orders_of_a_system(world: World) -> None:
    world.put("12")
    world.put("4", order(line("AB-9"), id="8", number="8"))
    world.run()
    assert compared(world, "") == [("created", "created", None), ("held", "held", None)]
    assert compared(world, "user: anna\nstatuses: {Done: Виконано}", done="  Done: order")[0] == (
        "created",
        "created",
        (
            "№7: what is done: created; shipped → created; statuses set; status of the document: — → Виконано; "
            "user: — → anna (anna)"
        ),
    )
    (_seven, eight) = compared(world, "", known="known: [AB-1, AB-2, AB-9]")
    assert eight[:2] == ("held", "created")
    assert "would be: created (200.00 UAH)" in str(eight[2])
    seven, _eight = compared(world, "", known="known: [AB-9]")
    assert seven[:2] == ("created", "held")
    assert "would be held: Product AB-1" in str(seven[2])


def test_only_the_newest_state_of_an_order_counts(world: World) -> None:
    world.put("4")
    world.run()
    world.move("12")
    world.run()
    period = Asked(since=world.clock.now().replace(hour=0))
    assert told(looked(world, period)) == [("older", "", False), ("known", "7", False)]
    assert told(applied(world, period)) == [("older", "", False), ("known", "7", False)]


def test_what_is_in_doubt_is_looked_up_and_what_was_rejected_stays_so(world: World) -> None:
    world.say(Say("create", "doubt", made=True))
    world.put("4")
    world.put("4", order(line("AB-9"), id="8", number="8"))
    world.run()
    assert told(looked(world, ALL)) == [("in_doubt", "7", True), ("held", "8", False)]
    assert told(applied(world, ALL)) == [("known", "7", False), ("held", "8", False)]
    assert world.states() == {"7": "created", "8": "held"}
    world.resolve("reject", why="a test")
    assert told(applied(world, seven("8"))) == [("rejected", "8", False)]
    assert len(world.documents()) == 1


def test_without_its_copy_nothing_is_made_of_an_order(world: World) -> None:
    world.put("4", order(line("AB-9")))
    world.run()
    ((sha,),) = world.rows("SELECT sha256 FROM files")
    for one in world.folder.rglob(f"*{sha[2:]}*"):
        one.unlink()
    assert [one.outcome for one in applied(world, seven())] == ["unsound"]
    assert world.documents() == []


def test_the_command_shows_and_does_it(world: World) -> None:
    world.put("4", order(line("AB-9")))
    world.run()
    world.target = "known: [AB-9]"
    world.config()
    said = here("-c", world.path, "--language", "en", "replay", "--all-held")
    assert said.code == 0, said.all
    assert "№7 would be: created (200.00 UAH)." in said.out
    assert "--apply does it" in said.out
    said = here("-c", world.path, "--language", "en", "replay", "--all-held", "--apply")
    assert (said.code, "№7 is document O-1 now: created." in said.out) == (0, True), said.all
    assert len(world.documents()) == 1
