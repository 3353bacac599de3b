"""What a spreadsheet makes of articles, and what spellings differ in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.articles import (
    DAMAGES,
    DIFFERENCES,
    damages,
    differences,
    groups,
    in_brackets,
    loose_form,
    same,
    sought,
    traces,
    traces_of_whole,
)
from tests.rules.test_matching import articles

digits = st.text("0123456789", min_size=1, max_size=24)


@pytest.mark.parametrize(
    ("article", "kinds"),
    [
        ("1,23E+05", ("exponent",)),
        ("1.23457E+12", ("exponent",)),
        ("01.фев", ("date",)),
        ("01.лют", ("date",)),
        ("Mar-5", ("date",)),
        ("5-Mar", ("date",)),
        ("05.03.2026", ("date",)),
        ("2026-03-05 00:00:00", ("date",)),
        ("12345.0", ("decimal",)),
        ("12345,00", ("decimal",)),
        ("'0042", ("apostrophe",)),
        ("’0042", ("apostrophe",)),
        ("1234567890123450", ("truncated",)),
        ("#N/A", ("error",)),
        ("#ЗНАЧ!", ("error",)),
        ("#######", ("error",)),
        ("'12345.0", ("decimal", "apostrophe")),
    ],
)
def test_damage_that_shows(article: str, kinds: tuple[str, ...]) -> None:
    assert damages(article) == kinds


@pytest.mark.parametrize(
    "article",
    [
        "",
        "E-303",
        "0042",
        "4820001000375",
        "MAR5",
        "12E5",
        "3-5",
        "A-0",
        "1.5",
        "АБВ-1",
        "#12",
        "E+05",
        "13-25",
        "99-Foo",
    ],
)
def test_what_is_whole(article: str) -> None:
    assert damages(article) == ()


@pytest.mark.parametrize(
    ("damaged", "whole"),
    [
        ("1.23457E+12", "1234567890123"),
        ("1,23E+05", "123456"),
        ("1,0E+06", "999999"),
        ("1.2E+06", "12E5"),
        ("Mar-5", "3-5"),
        ("5-Mar", "MARCH5"),
        ("01.фев", "1.2"),
        ("01.фев", "1-2"),
        ("05.03.2026", "5/3"),
        ("1234567890123450", "1234567890123456"),
    ],
)
def test_a_damaged_article_tells_what_it_may_have_been(damaged: str, whole: str) -> None:
    assert traces(damaged) & traces_of_whole(whole, sought([damaged]))
    assert not traces(whole)


@pytest.mark.parametrize(
    ("damaged", "whole"),
    [
        ("1.23457E+12", "123456789012"),
        ("1,23E+05", "124000"),
        ("Mar-5", "3-6"),
        ("Mar-5", "A-5"),
        ("1234567890123450", "12345678901234567"),
        ("E-303", "E-303"),
    ],
)
def test_and_what_it_was_not(damaged: str, whole: str) -> None:
    assert not traces(damaged) & traces_of_whole(whole, sought([damaged]))


@given(st.integers(10**15, 10**20))
def test_whatever_loses_its_last_digits_is_found(number: int) -> None:
    whole = str(number)
    cut = whole[:15] + "0" * (len(whole) - 15)
    assert traces(cut) & traces_of_whole(whole, sought([cut]))


@given(st.integers(10**11, 10**20), st.integers(2, 6))
def test_whatever_is_shown_with_an_exponent_is_found(number: int, shown: int) -> None:
    step = 10 ** (len(str(number)) - shown)
    rounded = str((number + step // 2) // step)  # halves up, as a spreadsheet does
    exponent = len(str(number)) - 1 + len(rounded) - shown
    text = f"{rounded[0]},{rounded[1:shown]}E+{exponent}"
    assert damages(text) == ("exponent",)
    assert traces(text) & traces_of_whole(str(number), sought([text]))


@pytest.mark.parametrize(
    ("one", "other", "kinds"),
    [
        ("AB-1", "ab-1", ("case",)),
        ("A 1", "A\u00a01", ("spaces",)),
        ("A1", "A\u200b1", ("spaces",)),
        ("E-303", "Е-303", ("lookalikes",)),
        ("E-303", "E–303", ("dashes",)),
        ("E-303", "E303", ("dashes",)),
        ("0042", "42", ("zeros",)),
        ("0042", "'42", ("zeros", "apostrophe")),
        ("42", "42.0", ("decimal",)),
        ("Ａ1", "A1", ("forms",)),
        ("A1", "A1", ()),
    ],
)
def test_in_what_two_spellings_differ(one: str, other: str, kinds: tuple[str, ...]) -> None:
    assert differences((one, other)) == kinds
    assert loose_form(one) == loose_form(other)


@given(articles)
def test_nothing_breaks_whatever_stands_there(article: str) -> None:
    assert set(damages(article)) <= set(DAMAGES)
    assert set(differences((article, article.upper()))) <= set(DIFFERENCES)
    assert traces_of_whole(article, sought([article, "1E+05", "Mar-5"])) is not None


@given(digits)
def test_lost_zeros_and_a_comma_never_part_what_is_one(number: str) -> None:
    bare = number.lstrip("0") or "0"
    assert loose_form(number) == loose_form(bare) == loose_form(f"{bare}.0") == loose_form(f"'{number}")


@given(articles, articles)
def test_what_matching_takes_as_one_is_never_parted(one: str, other: str) -> None:
    if same(one, other) and not damages(one) and not damages(other):
        assert loose_form(one) == loose_form(other)


@given(st.lists(articles, max_size=12))
def test_groups_are_of_several_and_share_nothing(some: list[str]) -> None:
    found = groups(some)
    places = [place for group in found for place in group]
    assert len(places) == len(set(places))
    assert all(len(group) > 1 and len({loose_form(some[place]) for place in group}) == 1 for group in found)


def test_a_code_in_a_names_brackets() -> None:
    assert in_brackets("Фарба біла (E-303) [0,8 л]") == ("E-303",)
    assert in_brackets("Фарба (біла)") == ()
