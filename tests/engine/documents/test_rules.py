"""The client's status rules: which one applies, what they leave open, and what cannot stand in one rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.engine.documents import rules
from pipeline.ports import Ref
from tests.engine.documents.making import settings

KNOWN = (
    Ref("1", "new", "Новий"),
    Ref("4", "", "Передано кур'єру"),
    Ref("12", "done", "Виконано"),
    Ref("19", "canceled", "Скасовано"),
)


def acts(status: str, group: str = "", **more: Any) -> Any:
    return rules.acts_for(settings(**more), status, KNOWN, group)


@pytest.mark.parametrize("key", ["12", "done", "DONE ", "Виконано", " виконано"])
def test_a_rule_may_name_a_status_by_id_code_or_name(key: str) -> None:
    assert acts("12", rules={key: ["order", "ship"]}) == ("order", "ship")


def test_a_rule_of_the_status_itself_outweighs_that_of_its_group() -> None:
    said = {"completed": "ship", "Виконано": "order"}
    assert acts("12", "completed", rules=said) == ("order",)
    assert acts("4", "completed", rules=said) == ("ship",)


def test_the_name_of_a_status_stands_for_it_alone_though_it_is_the_word_of_a_group() -> None:
    known = (Ref("4", "", "Confirmed"), Ref("5", "", "Щось інше"))
    said = settings(rules={"confirmed": "order"})
    assert rules.acts_for(said, "4", known, "confirmed") == ("order",)
    assert rules.acts_for(said, "5", known, "confirmed") is None
    assert rules.acts_for(said, "5", known[1:], "confirmed") == ("order",)


def test_an_id_outweighs_a_name_that_looks_like_it() -> None:
    known = (Ref("12", "", "4"), Ref("4", "", "Інше"))
    found = rules.acts_for(settings(rules={"4": "order", "12": "ship"}), "12", known, "")
    assert found == ("ship",)


@pytest.mark.parametrize(
    ("policy", "wanted"), [("hold", None), ("create-order", ("order",)), ("nothing", ("nothing",))]
)
def test_a_status_without_a_rule_is_done_with_as_the_policy_says(policy: str, wanted: Any) -> None:
    assert acts("4", rules={"12": "ship"}, unknown_status=policy) == wanted


@pytest.mark.parametrize(
    "rule",
    [[], ["nothing", "order"], ["hold", "order"], ["order", "cancel"], ["ship", "return"], ["pay", "cancel"], ["sell"]],
)
def test_what_contradicts_itself_is_no_rule(rule: list[str]) -> None:
    with pytest.raises(ValidationError):
        settings(rules={"1": rule})


def test_acts_are_put_in_their_order_whatever_the_yaml_says() -> None:
    assert settings(rules={"1": ["ship", "pay", "order"]}).rules["1"] == ("order", "pay", "ship")


def codes(**more: Any) -> list[str]:
    return [one.code for one in rules.gaps(settings(**more), KNOWN)]


def test_gaps_are_found_before_the_first_order_is_touched() -> None:
    whole = {"1": "nothing", "4": ["order", "ship"], "12": ["order", "ship"], "19": ["return", "cancel"]}
    assert codes(rules=whole) == []
    assert codes(rules={**whole, "Вигаданий": "order"}) == ["unknown-status"]
    assert codes(rules={name: rule for name, rule in whole.items() if name != "4"}) == ["no-rule"]
    assert codes(rules={"1": "order", "19": "return"}, unknown_status="nothing") == ["return-without-ship"]
    assert codes(rules={"1": "ship"}, unknown_status="nothing") == ["no-order-rule"]
    assert codes(rules=whole, statuses={"Вигаданий": "x"}) == ["unknown-status"]
    assert codes(rules=whole, back={"statuses": {"order": "Вигаданий"}}) == ["unknown-status"]
    assert codes(rules=whole, only={"statuses": ["Вигаданий"]}) == ["unknown-status"]


def test_a_status_that_is_not_taken_needs_no_rule() -> None:
    assert codes(rules={"12": ["order", "ship"]}, only={"statuses": ["done"]}) == []


def test_what_orders_with_a_document_may_come_to_is_told() -> None:
    said = settings(rules={"12": ["order", "ship"], "new": "nothing"}, only={"statuses": ["done", "new"]})
    taken, passed = rules.without_rule(said, KNOWN)
    assert ([one.id for one in taken], [one.id for one in passed]) == ([], ["4", "19"])
    rows = {row.status.id: (row.acts, row.followed) for row in rules.table(said, KNOWN)}
    assert rows["4"] == ((), ("hold",))
    said = settings(rules={"12": "ship", "1": "nothing", "19": "cancel"}, only={"statuses": ["12"]})
    rows = {row.status.id: (row.acts, row.followed) for row in rules.table(said, KNOWN)}
    assert rows["19"] == ((), ("cancel",))


def test_without_the_source_only_the_rules_themselves_are_looked_at() -> None:
    assert rules.gaps(settings(rules={"Вигаданий": "order"})) == []
    assert [one.code for one in rules.gaps(settings(rules={"x": "return", "y": "order"}))] == ["return-without-ship"]


def test_the_table_tells_of_every_status_what_is_done() -> None:
    said = settings(rules={"new": "order", "12": ["order", "ship"]}, statuses="auto")
    rows = {row.status.id: (row.rule, row.acts, row.target) for row in rules.table(said, KNOWN)}
    assert rows == {
        "1": ("new", ("order",), "Новий"),
        "4": ("", ("hold",), "Передано кур'єру"),
        "12": ("12", ("order", "ship"), "Виконано"),
        "19": ("", ("hold",), "Скасовано"),
    }


def test_the_table_tells_which_statuses_are_not_taken() -> None:
    said = settings(rules={"new": "order"}, statuses="auto", only={"statuses": ["Новий"]})
    assert [row.status.id for row in rules.table(said, KNOWN) if row.taken] == ["1"]
    # which statuses a system sorts into a group is known of each order only
    said = settings(rules={"new": "order"}, only={"statuses": ["completed"]})
    assert all(row.taken for row in rules.table(said, KNOWN))


def test_the_status_of_the_target_is_mapped_by_hand_or_of_the_same_name() -> None:
    assert rules.target_status(settings(statuses="auto"), "12", KNOWN, "") == "Виконано"
    assert rules.target_status(settings(statuses={"done": "Закрито"}), "12", KNOWN, "") == "Закрито"
    assert rules.target_status(settings(statuses={"done": "Закрито"}), "1", KNOWN, "") is None
    assert rules.target_status(settings(statuses={"new": "Чернетка"}), "5", (), "new") == "Чернетка"
    assert rules.target_status(settings(), "12", KNOWN, "") is None
