"""``mistok rules`` and ``mistok check``: what status rules say and leave open; orders of a system in other verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command import Said, here
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def say(world: World, *words: object) -> Said:
    world.config()
    return here("-c", world.path, "--language", "en", *words, env={"MISTOK_USER": "anna"})


def test_the_table_names_every_status_with_what_is_done(world: World) -> None:
    world.more = "statuses: {Confirmed: Нове}\n"
    said = say(world, "rules", "orders", "--json")
    told = json.loads(said.out)
    (step,) = told["steps"]
    rows = {row["status"]: (row["rule"], row["acts"], row["target"]) for row in step["rules"]}
    assert rows["Confirmed (4)"] == ("Confirmed", ["order"], "Нове")
    assert rows["Returned (20)"] == ("Returned", ["return", "cancel"], "")
    assert (said.code, step["findings"]) == (0, [])
    shown = say(world, "rules", "orders").out
    assert "return on the base of its shipment" in shown


def test_gaps_are_told_by_rules_and_by_check(world: World) -> None:
    world.rules = "rules: {Confirmed: order, Returned: [return, cancel], Вигаданий: order}\n"
    said = say(world, "rules", "orders", "--json")
    codes = [one["code"] for one in json.loads(said.out)["steps"][0]["findings"]]
    assert said.code == 1
    assert codes == ["return-without-ship", "unknown-status", "no-rule", "no-rule", "no-rule", "no-rule"]
    offline = say(world, "check", "--json")
    (answer,) = json.loads(offline.out)["connections"]
    assert ([one["code"] for one in answer["findings"]], offline.code) == (["return-without-ship"], 1)
    online = json.loads(say(world, "check", "--connect", "--json").out)["connections"]
    assert [one["code"] for one in online[-1]["findings"]] == codes


def test_rules_without_gaps_pass_the_check(world: World) -> None:
    assert say(world, "check").code == 0
    said = say(world, "check", "--connect")
    assert (said.code, "every status of crm has its rule" in said.out) == (0, True)


@pytest.mark.parametrize(
    ("rules", "more", "words"),
    [
        ("Confirmed: order", "unknown_status: nothing\n", "without a rule: New (1), To courier (6)"),
        ("Confirmed: order", "only: {statuses: [Confirmed]}\n", "not taken and have no rule: New (1), To courier (6)"),
        ("confirmed: order, shipped: order", "", "go by the rule of their group, else: waits for a person"),
    ],
    ids=["nothing", "not-taken", "groups"],
)
def test_a_status_without_a_rule_is_told_where_it_is_no_fault(world: World, rules: str, more: str, words: str) -> None:
    world.rules = f"rules: {{{rules}}}\n"
    world.more = more
    said = say(world, "check", "--connect")
    told = " ".join(said.out.split())
    assert (said.code, words in told, "every status of crm has its rule" in told) == (0, True, False), told
    if "only" in more:
        assert "every status of crm whose orders are taken has its rule" in told
        assert "one that has its document: waits for a person" in " ".join(say(world, "rules", "orders").out.split())


def test_a_system_that_cannot_do_what_a_rule_asks_is_told_before_anything_is_done(world: World) -> None:
    world.rules += "back: {number: true}\n"
    text = world.path.read_text("utf-8") if world.path.exists() else ""
    world.config()
    text = world.path.read_text("utf-8").replace("from: crm\n        to: erp", "from: erp\n        to: crm")
    world.path.write_text(text, encoding="utf-8")
    run = here("-c", world.path, "--language", "en", "run", "orders")
    assert run.code == 2
    assert "erp cannot do what step sync-orders needs of it: telling its orders." in run.err + run.out


def test_a_job_without_status_rules_says_so(world: World) -> None:
    said = say(world, "rules", "nothing")
    assert said.code == 2


def test_an_order_of_a_system_is_seen_by_all_the_verbs(world: World) -> None:
    world.target = "known: [AB-1]"
    world.put("12")
    assert say(world, "run", "orders").code == 1
    cards = json.loads(say(world, "cards", "--json").out)
    assert [(card["kind"], card["order"]) for card in cards] == [("held", "7")]
    number = cards[0]["number"]
    assert "AB-2" in say(world, "card", number).out
    assert "AB-2" in say(world, "card", number, "--letter").out
    orders = json.loads(say(world, "orders", "--json").out)
    assert [(one["number"], one["state"]) for one in orders] == [("7", "held")]
    assert say(world, "trace", "7").code == 0
    assert "№7 would stay held" in say(world, "replay", "7").out
    said = say(world, "resolve", number, "--map", "sku:AB-2=AB-1")
    assert (said.code, "document O-1" in said.out) == (0, True)
    assert [kind for kind, _key in world.documents()] == ["create", "ship"]
    told = say(world, "trace", "7").out
    assert "O-1" in told
    assert "shipment made: S-2" in told
    again = say(world, "run", "orders", "--full", "--json")
    assert json.loads(again.out)["counts"] == {"known": 1}
    assert "orders" in say(world, "status").out
    jobs = json.loads(say(world, "jobs", "--json").out)
    assert jobs["jobs"][0]["last"]["state"] == "done"


def test_a_period_is_loaded_and_a_dry_run_shows_the_plan(world: World) -> None:
    world.put("4", order(line()))
    dry = say(world, "run", "orders", "--dry-run")
    assert (dry.code, "created: 1" in dry.out or "1 created" in dry.out) == (0, True)
    assert say(world, "run", "orders", "--since", "2026-11-29").code == 0
    assert world.documents() == []
    assert say(world, "run", "orders", "--since", "2026-11-27", "--until", "2026-11-29").code == 0
    assert len(world.documents()) == 1


def test_an_order_is_shown_as_what_became_of_it(world: World) -> None:
    world.put("12")
    world.put("4", order(id="8", number="8", total=D("250.01")))
    dry = say(world, "run", "orders", "--dry-run").out
    assert "№7: document made, key acme/crm/7/create/0" in dry
    assert "№7: shipment made, key acme/crm/7/ship/1" in dry
    assert "document made, shipment made" in say(world, "run", "orders").out
    assert "remarks: Order 8 says 250.01 UAH, its parts make 250.00" in say(world, "trace", "8").out.replace("\n", " ")

    def shown() -> dict[str, tuple[str, list[str]]]:
        rows = json.loads(say(world, "orders", "--json").out)
        return {row["number"]: (row["state_text"], row["stands"]) for row in rows}

    assert shown() == {"7": ("shipped", ["shipped"]), "8": ("document made", [])}
    world.move("20")
    world.move("19", "8")
    say(world, "run", "orders", "--full")
    assert shown() == {
        "7": ("goods came back, document marked cancelled", ["returned", "cancelled"]),
        "8": ("document marked cancelled", ["cancelled"]),
    }
    assert "goods came back" in say(world, "trace", "7").out
    world.move("4", "8")
    say(world, "run", "orders", "--full")
    assert shown()["8"] == ("document made, amended since", []), "alive again"


def test_a_letter_about_an_order_with_a_document_says_so(world: World) -> None:
    world.put("4")
    say(world, "run", "orders")
    world.more = "changed: hold\n"
    world.move("4", lines=(line(),), total=D("200.00"))
    say(world, "run", "orders", "--full")
    (card,) = json.loads(say(world, "cards", "--json").out)
    letter = say(world, "card", card["number"], "--letter").out
    assert "no document yet" not in letter
    assert "its document stays as it is until then" in letter
