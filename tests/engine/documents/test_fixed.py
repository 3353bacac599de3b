"""Names that the step itself fixes: looked up before go-live, asked about with a card, answered by a mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.cli.sync import looking
from pipeline.engine.documents import fixed
from pipeline.engine.documents.fixed import Fixed
from pipeline.errors import ConfigError
from pipeline.model import Party
from pipeline.ports import Ref
from pipeline.testing.documents_target import DocumentsTarget
from pipeline.texts import T
from tests.e2e.command import here
from tests.engine.documents.making import order, settings
from tests.engine.documents.world import World

LISTS = (
    "lists: {user: [anna, petro], executor: [anna, petro], account: [bank, cash], party: ['0042'], warehouse: [main]}"
)
WRONG = """\
user: ana
executor: {from: extra.manager_id, map: {"3": petr, "5": petro}, else: anna}
account: {from: payment.method, map: {Готівка: cash}, else: bnk}
warehouse: mian
parties: {default: "0043"}
"""


def test_every_name_that_the_settings_fix_is_among_those_that_are_looked_up() -> None:
    said = settings(
        user="anna",
        executor={"from": "extra.manager_id", "map": {"3": "petro"}, "else": "anna"},
        warehouse={"from": "warehouse"},
        shop="Сайт",
        delivery_service="DELIVERY",
        parties={"default": "0042", "always": "0001"},
        statuses={"new": "Прийнято"},
        mappings={"sku": {"AB-1": "AB1"}},
    )
    assert set(fixed.names(said)) == {
        Fixed("user", "anna", ("user",)),
        Fixed("executor", "petro", ("executor", "map", "3")),
        Fixed("executor", "anna", ("executor", "else")),
        Fixed("source", "Сайт", ("shop",)),
        Fixed("service", "DELIVERY", ("delivery_service",)),
        Fixed("party", "0042", ("parties", "default")),
        Fixed("party", "0001", ("parties", "always")),
        Fixed("status", "Прийнято", ("statuses", "new")),
        Fixed("sku", "AB1", ("mappings", "sku", "AB-1")),
    }


def test_automatic_statuses_are_those_that_documents_get() -> None:
    known = [Ref("1", "new", "Нове"), Ref("2", "confirmed", "Підтверджено"), Ref("9", "x", "Без правила")]
    auto = settings(statuses="auto")
    assert [one.value for one in fixed.of_statuses(auto, known)] == ["Підтверджено"]
    assert list(fixed.of_statuses(settings(), known)) == []


@contextmanager
def target(world: World) -> Iterator[DocumentsTarget]:
    """The target of the world, as a run has it."""
    with looking(world.config()) as ctx:
        system = ctx.system("erp")
        assert isinstance(system, DocumentsTarget)
        yield system


# --- before go-live --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [("rules", "orders"), ("check", "--connect")], ids=["rules", "check"])
def test_wrong_names_are_told_with_line_key_and_what_is_there(world: World, verb: tuple[str, ...]) -> None:
    world.target, world.more = LISTS, WRONG
    world.config()
    said = here("-c", world.path, "--language", "en", *verb, "--json")
    told = json.loads(said.out)
    found = [one for part in told.get("steps") or told["connections"] for one in part["findings"]]
    lines = world.path.read_text("utf-8").splitlines()
    places = {one["element"]: lines[one["line"] - 1].strip() for one in found}
    assert said.code == 1
    assert set(places) == {"user", "executor.map.3", "account.else", "warehouse", "parties.default"}
    assert places["account.else"].startswith("account:")
    assert places["parties.default"].startswith("parties:")
    words = {one["element"]: f"{one['text']} {one['hint']}" for one in found}
    assert "Did you mean anna? It has: anna, petro." in words["user"]
    assert "petro" in words["executor.map.3"]
    assert "It has: main." in words["warehouse"]


def test_right_names_are_told_to_be_right(world: World) -> None:
    world.target, world.more = LISTS, "user: anna\nparties: {default: '0042'}\nshop: Prom\nstatuses: auto\n"
    world.config()
    said = here("-c", world.path, "--language", "en", "check", "--connect")
    assert (said.code, "every name that the step gives is known to erp" in said.out) == (0, True)


def test_statuses_that_a_target_adds_by_itself_need_not_be_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.target = "lists: {status: [Confirmed], source: []}"
    said = settings(statuses="auto", shop="Prom", rules={"Confirmed": ["order"], "Done": ["order", "ship"]})
    known = [Ref("4", "Confirmed", "Confirmed"), Ref("12", "Done", "Done")]
    with target(world) as system:
        assert list(fixed.lacking(said, system, known)) == []
        monkeypatch.setattr(DocumentsTarget, "adds_references", lambda _self: ())
        found = [(one.kind, one.value) for one, _finding in fixed.lacking(said, system, known)]
        assert found == [("source", "Prom"), ("status", "Done")]
        by_hand = fixed.lacking(said, system, known, {("status", "Done"): "Confirmed", ("source", "Prom"): "x"})
        assert [one.value for one, _finding in by_hand] == ["Prom"], "what a person has said counts, if it is there"


def test_a_target_that_keeps_no_such_list_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: object, kind: str, _codes: object) -> object:
        raise ConfigError(T("No list of {kind}.", kind=kind))

    monkeypatch.setattr(DocumentsTarget, "find_references", refuse)
    with target(world) as system:
        ((_one, finding),) = fixed.lacking(settings(firm="ТОВ"), system)
    assert "No list of firm." in str(finding.hint)


# --- in a run --------------------------------------------------------------------------------------------------------


def test_a_name_that_is_not_there_is_asked_about_once_and_kept_for_the_client(world: World) -> None:
    world.target, world.more = LISTS, WRONG
    world.put("4")
    world.put("4", order(id="8", number="8", customer=Party()))
    assert world.run().counts == {"held": 2}
    asked = {one["about"] for card in world.cards() for one in card["findings"]}
    assert asked == {"user:ana", "account:bnk", "warehouse:mian", "party:0043"}
    for about, meant in (("user:ana", "anna"), ("account:bnk", "bank"), ("warehouse:mian", "main")):
        kind, _, code = about.partition(":")
        world.map((kind, code), meant)
    assert world.states() == {"7": "created", "8": "held"}
    world.map(("party", "0043"), "0042")
    assert (world.states(), world.cards()) == ({"7": "created", "8": "created"}, [])
    data = [json.loads(one) for (one,) in world.sql("SELECT data FROM documents ORDER BY id")]
    assert [(one["user"], one["account"], one["warehouse"]) for one in data] == [("anna", "bank", "main")] * 2
    assert data[1]["client"] == "0042"
    world.put("4", order(id="9", number="9"))
    assert world.run().counts["created"] == 1, "later orders, too"


def test_a_name_that_is_there_is_never_taken_for_another(world: World) -> None:
    """A person once said what a manager's number 'anna' means: the step's own 'anna' is nobody else."""
    world.target, world.more = LISTS, "user: anna\nmappings: {user: {anna: petro}}\n"
    world.put("4")
    world.run()
    ((data,),) = world.sql("SELECT data FROM documents")
    assert json.loads(data)["user"] == "anna"


def test_a_status_that_the_target_lacks_is_a_card_and_nothing_waits_for_it(world: World) -> None:
    world.target = "lists: {status: [Нове]}"
    world.more = "statuses: {Confirmed: Новое}\n"
    for number in ("7", "8"):
        world.put("4", order(id=number, number=number))
    assert world.run().counts == {"created": 2, "parties": 1}
    ((card),) = world.cards()
    assert (card["kind"], card["findings"][0]["about"]) == ("status", "status:Новое")
    world.map(("status", "Новое"), "Нове")
    assert world.cards() == []
    assert world.run(full=True).counts == {"restated": 2}


def test_a_card_about_a_status_closes_when_it_was_added_and_a_no_is_a_no(world: World) -> None:
    world.target = "lists: {status: [Нове]}"
    world.more = "statuses: {Confirmed: Новое}\n"
    world.put("4")
    world.run()
    world.target = "lists: {status: [Нове, Новое]}"
    assert world.run(full=True).counts == {"restated": 1}
    assert world.cards() == []
    world.more = "statuses: {Confirmed: Інше}\n"
    world.put("4", order(id="8", number="8"))
    world.run()
    world.resolve("reject", why="не треба")
    world.put("4", order(id="9", number="9"))
    world.run()
    assert world.cards() == []
