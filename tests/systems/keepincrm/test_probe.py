"""``mistok check``: what an account shows and takes is found out before the first run, by the settings' names."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Refused, Transient, Tried
from plugins.systems.keepincrm.fake import TOKEN
from tests.e2e.command import mistok
from tests.systems.keepincrm.world import RICH, World


def told(found: list[Tried]) -> dict[str, bool | None]:
    return {str(one.text): one.works for one in found}


def faults(found: list[Tried]) -> list[str]:
    """What the config has switched on and the account refuses."""
    return [f"{one.text} → {one.hint}" for one in found if one.works is False and one.needed]


def probe(world: World, **settings: Any) -> list[Tried]:
    return list(world.open(**settings).try_writes())


# --- by reading ------------------------------------------------------------------------------------------------------


def test_a_look_changes_nothing_and_finds_nothing_wrong(world: World) -> None:
    world.furnish()
    subject = world.subject()
    system = subject.open()
    assert list(system.check()) == []
    assert {one.method for one in world.fake.asked()} == {"GET"}
    paths = [one.path for one in world.fake.asked()]
    assert paths == ["/v1/clients/statuses", "/v1/materials", "/v1/agreements", "/v1/materials/categories"]


def test_names_that_no_product_shows_are_told_with_those_that_are(world: World) -> None:
    world.furnish()
    world.seed([])
    key = world.fake.add_material("A", named={world.named("VIP"): 5}, weight=Decimal("1.5"))
    world.row(key)["custom_fields"] = {str(world.custom("Колір")): "синій"}
    settings = {**RICH, "prices": {"wholesale": "Гурт"}, "weight": None, "changed_since": True}
    findings = world.open(**settings).check()
    said = [f"{one.text} {one.hint}" for one in findings]
    assert "No product of the first page has Гурт. Seen there: VIP." in said
    assert "No product of the first page has Опис. Seen there: Колір." in said
    assert any("weights, such as 1.5" in words and "weight: kg" in words for words in said)
    assert any("changed_since" in words for words in said)
    assert {str(one.who) for one in findings} == {"accountant"}  # remarks: the job may run


def test_offices_of_the_account_are_told_by_their_numbers(world: World) -> None:
    office = world.fake.add_office("Магазин")
    world.fake.add_material("A", rests={office: 1})
    (finding,) = world.open().check()
    assert str(office) in str(finding.text)
    assert "offices" in str(finding.hint)
    assert list(world.open(offices={"Магазин": office}).check()) == []


@pytest.mark.parametrize("quirks", [{}, {"jobs_in_list": False}, {"jobs_read": "absent"}, {"stage_read": "name"}])
def test_what_agreements_do_not_tell_and_stages_of_other_names_are_told(world: World, quirks: dict[str, Any]) -> None:
    world.fake.behave(**quirks)
    world.fake.seed()
    rows = world.fake.account.tables["stages"]
    new, sent = (next(key for key, row in rows.items() if row["name"] == name) for name in ("Нове", "Відправлено"))
    settings = {"offices": {name: world.office(name) for name in ("Магазин", "Склад")}}
    found = world.open(**settings, orders={"stages": {"Нове": sent, "Свіже": new}}).check()
    said = {str(one.code): str(one.text) for one in found}
    assert ("keepin-lines" in said) is (quirks.get("jobs_read") == "absent")
    if "stage_read" in quirks:
        assert "keepin-stage" not in said, "their numbers are not told"
    else:
        assert said["keepin-stage"] == f"Stage {new} is called Нове in the account, and Свіже in the config."
    assert {str(one.who) for one in found} <= {"accountant"}


def test_an_account_without_categories_is_a_fault_of_a_config_that_wants_them(world: World) -> None:
    world.fake.behave(categories="not_found")
    assert list(world.open().check()) == []
    (finding,) = world.open(categories="match").check()
    assert str(finding.who) == "admin"
    assert "categories: off" in str(finding.hint)


@pytest.mark.parametrize("bare", [True, False])
def test_statuses_may_be_a_bare_array(world: World, *, bare: bool) -> None:
    world.fake.behave(statuses_bare=bare)
    world.fake.add_named("client_statuses", "Новий")
    assert list(world.open().check()) == []


# --- by writing ------------------------------------------------------------------------------------------------------


def test_an_account_that_does_all_leaves_nothing_behind(world: World) -> None:
    subject = world.subject()
    world.category(("Фарби", "Емалі"))
    before = world.fake.account.dump()
    system = subject.open()
    found = list(system.try_writes())  # type: ignore[attr-defined]
    assert faults(found) == []
    said = told(found)
    assert said["new products are taken (materials_create: post)"] is True
    for name in (*RICH["prices"], "cost"):
        assert said[f"price.{name} of a product can be changed"] is True
    for name in ("name", "price", "description", "manufacturer", "specials", "weight", "category"):
        assert said[f"{name} of a product can be changed"] is True
    assert said["stock can be set (stock_write: set)"] is True
    assert said["new categories are taken"] is True
    assert said["the product of our own was deleted again"] is True
    after = world.fake.account.dump()
    assert {name: rows for name, rows in after.items() if name != "last"} == {
        name: rows for name, rows in before.items() if name != "last"
    }


@pytest.mark.parametrize(
    ("quirks", "wanted", "fault", "settings"),
    [
        ({"create_material": "not_found", "upsert_by_sku": "creates"}, "off", "", ["materials_create: put"]),
        ({"create_material": "not_found", "upsert_by_sku": "creates"}, "auto", "", ["materials_create: put"]),
        ({"create_material": "not_found", "upsert_by_sku": "creates"}, "post", "materials_create: post", []),
        ({"create_material": "not_found"}, "auto", "materials_create: put", []),
        ({"create_material": "not_found"}, "off", "", []),
        ({"create_material": "unprocessable"}, "post", "base: is not available", []),
    ],
)
def test_which_way_of_making_products_an_account_has_is_told_by_the_setting(
    world: World, quirks: Any, wanted: str, fault: str, settings: list[str]
) -> None:
    world.fake.behave(**quirks)
    found = probe(world, materials_create=wanted)
    assert bool(faults(found)) == bool(fault)
    assert fault in "".join(faults(found))
    good = " ".join(str(one.text) for one in found if one.works)
    assert all(setting in good for setting in settings)
    assert world.fake.account.tables["materials"] == {}


@pytest.mark.parametrize("set_to", ["set", "add"])
@pytest.mark.parametrize("behaves", ["set", "append"])
def test_what_a_level_does_is_told_by_the_setting(world: World, behaves: Any, set_to: str) -> None:
    world.fake.behave(rests_write=behaves)
    office = world.fake.add_office("Магазин")
    found = probe(world, offices={"Магазин": office}, stock_write=set_to)
    right = {"set": "set", "append": "add"}[behaves]
    assert f"stock can be set (stock_write: {right})" in told(found)
    assert bool(faults(found)) == (right != set_to)
    assert right == set_to or f"stock_write: {right}" in faults(found)[0]


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ({"rests_write": "refused"}, "stock is kept by documents"),
        ({"available_write": "ignored"}, "in place of 3"),
    ],
)
def test_stock_that_is_kept_by_documents_is_told(world: World, quirks: Any, words: str) -> None:
    world.fake.behave(**quirks)
    offices = {"Магазин": world.fake.add_office("Магазин")} if "rests_write" in quirks else {}
    found = probe(world, offices=offices)
    assert words in " ".join(str(one.text) for one in found if one.works is False)
    assert bool(faults(found)) == bool(offices)


def test_what_the_config_names_and_the_account_does_not_keep_is_a_fault(world: World) -> None:
    world.furnish()
    world.fake.behave(create_category="not_found")
    settings = {**RICH, "prices": {"wholesale": "Гурт"}, "texts": {"description": "Опис товару"}}
    said = faults(probe(world, **settings))
    assert len(said) == 3
    assert "named_custom_prices: Гурт: is unknown" in said[0]
    assert "description" in said[1]
    assert "categories: match" in said[2]
    assert world.fake.account.tables["materials"] == {}


@pytest.mark.parametrize(
    ("deletes", "words", "works"),
    [("removes", "was deleted again", True), ("archives", "is archived", None), ("not_found", "is archived", None)],
)
@pytest.mark.parametrize("answer", ["json", "empty"])
def test_the_product_of_our_own_goes_or_is_archived(
    world: World, deletes: Any, words: str, works: Any, answer: Any
) -> None:
    world.fake.behave(delete_material=deletes, delete_answer=answer)
    last = probe(world)[-1]
    assert words in str(last.text)
    assert last.works is works
    assert all(row["irrelevant"] for row in world.fake.account.tables["materials"].values())


def test_a_product_of_our_own_that_stays_is_told(world: World) -> None:
    world.fake.behave(delete_material="not_found")
    found = []
    for one in world.open().try_writes():
        found.append(one)
        if "stock" in str(one.text):
            (row,) = world.fake.account.tables["materials"].values()
            row["irrelevant"] = False  # somebody has put it on sale meanwhile
            world.fake.fail(422, {"errors": ["Заборонено"]}, method="PATCH", times=9)
    assert "Заборонено" in faults(found)[-1]
    assert "by hand" in faults(found)[-1]


def test_it_is_taken_away_also_when_the_account_falls_silent_or_the_reply_is_lost(world: World) -> None:
    world.fake.lose_reply(method="POST", path="/v1/materials$")
    assert "the product of our own was deleted again" in told(probe(world))
    assert world.fake.account.tables["materials"] == {}
    world.fake.fail(503, method="PATCH", times=4)
    with pytest.raises(Transient):
        probe(world)
    assert world.fake.account.tables["materials"] == {}
    walk = iter(world.open().try_writes())
    next(walk)
    assert len(world.fake.account.tables["materials"]) == 1
    walk.close()  # type: ignore[attr-defined]  # a person has pressed Ctrl-C
    assert world.fake.account.tables["materials"] == {}


def test_nothing_is_tried_with_a_wrong_key(world: World) -> None:
    world.token = "wrong"
    with pytest.raises(Refused):
        probe(world)


# --- the verb --------------------------------------------------------------------------------------------------------


def test_the_first_run_waits_for_the_probe_and_goes_on_after_it(world: World, tmp_path: Path) -> None:
    crm = {"type": "keepincrm", "token": TOKEN, "url": f"{world.url}/v1", "pace": 50, "per_minute": None}
    crm |= {"materials_create": "post"}
    connections = json.dumps({"crm": crm, "books": {"type": "books", "seed": "goods.csv"}}, ensure_ascii=False)
    (tmp_path / "goods.csv").write_text("code;name;price\nA-1;Фарба;10\n", encoding="utf-8")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"client: demo\nlanguage: en\nconnections: {connections}\n"
        "jobs: {goods: {steps: [{step: sync-catalogue, from: books, to: crm}]}}\n",
        encoding="utf-8",
    )
    said = mistok("-c", config, "run", "goods")
    assert said.code == 1, said.all
    assert "`materials_create: post`" in said.all
    assert "mistok check --connect --write-probe" in said.all
    assert {one.method for one in world.fake.asked()} <= {"GET"}
    said = mistok("-c", config, "check", "--connect")
    assert said.code == 0, said.all
    assert "not tried on this account yet: `stock_write: set`, `materials_create: post`" in said.all
    assert mistok("-c", config, "check", "--connect", "--write-probe").code == 0
    assert mistok("-c", config, "run", "goods").code == 0
    assert [row["sku"] for row in world.fake.account.tables["materials"].values()] == ["A-1"]


def test_the_verb_writes_only_when_it_is_asked_to(world: World, tmp_path: Path) -> None:
    crm = {"type": "keepincrm", "token": TOKEN, "url": f"{world.url}/v1", "pace": 50, "per_minute": None}
    config = tmp_path / "config.yaml"

    def check(*options: str, **more: Any) -> Any:
        connections = json.dumps({"crm": {**crm, **more}, "books": {"type": "books"}}, ensure_ascii=False)
        config.write_text(f"client: demo\nlanguage: en\nconnections: {connections}\njobs: {{}}\n", encoding="utf-8")
        return mistok("-c", config, "check", *options)

    said = check("--connect")
    assert said.code == 0, said.all
    assert {one.method for one in world.fake.asked()} == {"GET"}
    world.fake.behave(create_material="not_found", upsert_by_sku="creates")
    said = check("--write-probe", "--json", materials_create="post")
    assert said.code == 1, said.all
    told_of = {one["name"]: one for one in json.loads(said.out)["connections"]}
    assert {"ok": True, "text": "new products are taken (materials_create: put)"} in told_of["crm"]["checks"]
    assert "keepincrm-yml" in json.dumps(told_of["crm"]["findings"])
    assert {"ok": None, "text": "has nothing that only a write could tell"} in told_of["books"]["checks"]
    assert TOKEN not in said.all
    assert world.fake.account.tables["materials"] == {}


def test_another_key_at_the_same_address_is_another_account(world: World) -> None:
    first, again, other = world.open().account, world.open().account, world.open(token="another-key").account
    assert first == again != other
    assert "another-key" not in other
