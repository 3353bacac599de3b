"""One article, however it is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.matching import MatchRules, normal_form

articles = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    "АВЕІКМНОРСТУХаеорсху ABEIKMHOPCTYX-–—−\u00a0\u200b\u00ad0042ﬁＡß", max_size=20
)
all_rules = st.builds(
    MatchRules,
    compatibility=st.booleans(),
    case=st.booleans(),
    spaces=st.booleans(),
    dashes=st.sampled_from(["keep", "unify", "drop"]),
    lookalikes=st.booleans(),
    leading_zeros=st.booleans(),
)


@given(articles, all_rules)
def test_the_normal_form_of_a_normal_form_is_itself(article: str, rules: MatchRules) -> None:
    once = normal_form(article, rules)
    assert normal_form(once, rules) == once


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("E-303", "e-303"),
        ("E-303", "Е-303"),  # Cyrillic
        ("АВЕІКМНОРСТУХ", "ABEIKMHOPCTYX"),
        ("аеорсху", "aeopcxy"),
        ("E-303", "E\u2011303"),
        ("E-303", "E − 303"),
        ("E-303", " E\u00a0-\u200b303\u00ad "),
        ("E-303", "Ｅ-３０３"),
        ("ҐР-11", "ґр–11"),
    ],
)
def test_f49_twins_are_one(left: str, right: str) -> None:
    assert normal_form(left) == normal_form(right)


@pytest.mark.parametrize(("left", "right"), [("0042", "42"), ("E-303", "E303"), ("ГР-1", "ҐР-1"), ("З-1", "3-1")])
def test_what_differs_stays_apart(left: str, right: str) -> None:
    assert normal_form(left) != normal_form(right)


@pytest.mark.parametrize(
    ("rules", "left", "right"),
    [
        (MatchRules(case=False), "E-1", "e-1"),
        (MatchRules(spaces=False), "E 1", "E1"),
        (MatchRules(dashes="keep"), "E-1", "E–1"),
        (MatchRules(lookalikes=False), "E-1", "Е-1"),
        (MatchRules(compatibility=False), "E1", "Ｅ1"),
    ],
)
def test_each_rule_can_be_switched_off(rules: MatchRules, left: str, right: str) -> None:
    assert normal_form(left, rules) != normal_form(right, rules)
    assert normal_form(left) == normal_form(right)


def test_stricter_people_can_ask_for_more() -> None:
    assert normal_form("E-303", MatchRules(dashes="drop")) == normal_form("E303")
    assert normal_form("0042", MatchRules(leading_zeros=True)) == "42"
    assert normal_form("000", MatchRules(leading_zeros=True)) == "0"
