"""The pure parts: texts, days, clocks, units, trees and combinations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Money, SpecialPrice
from plugins.systems.opencart.mapping import (
    CENTIMETRES,
    KILOGRAMS,
    class_factors,
    days_of,
    measure,
    midnight,
    moment_of,
    price_of,
    short,
    signed,
    since_clock,
    stored_text,
    text_of,
)
from plugins.systems.opencart.tree import grow
from plugins.systems.opencart.variants import Option, Value, article_of, combine, count, fixed_rows

KYIV = ZoneInfo("Europe/Kyiv")


@given(st.text())
def test_a_text_comes_back_as_it_was_typed(text: str) -> None:
    assert text_of(stored_text(text)) == text


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (None, ""), ("", ""), ("&amp;quot;", "&quot;"), ("&amp;amp;amp;", "&amp;amp;"), ("AT&T", "AT&T"),
        ("&copy; &nbsp;", "&copy; &nbsp;"), ("&#039;&#39;", "''"), ("&lt;p&gt;", "<p>"), (5, "5"),
    ],
)  # fmt: skip
def test_what_was_escaped_is_unescaped_and_nothing_else(stored: object, text: str) -> None:
    assert text_of(stored) == text


@pytest.mark.parametrize("stored", ["0000-00-00", None, "", "2026-02-30", "2026-00-10", "щось"])
def test_what_is_no_day_is_open(stored: object) -> None:
    assert midnight(stored, KYIV) is None
    assert moment_of(stored, KYIV) is None


@given(st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 27)), st.integers(0, 7200))  # noqa: DTZ001
def test_f47_nothing_that_was_saved_later_is_missed_in_the_night_of_the_clock_change(at: datetime, after: int) -> None:
    since = at.replace(tzinfo=UTC)
    saved = since + timedelta(seconds=after)
    shown = saved.astimezone(KYIV).strftime("%Y-%m-%d %H:%M:%S")
    assert shown >= since_clock(since, KYIV, timedelta())


def test_on_other_nights_nothing_is_read_twice_for_that() -> None:
    since = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert since_clock(since, KYIV, timedelta(minutes=5)) == "2026-11-28 13:55:00"


def kyiv(*parts: int) -> datetime:
    """A moment in Kyiv."""
    year, month, day, *rest = parts
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    return datetime(year, month, day, hour, minute, second, tzinfo=KYIV)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (None, None, ("0000-00-00", "0000-00-00")),
        (kyiv(2026, 12, 1), kyiv(2026, 12, 10), ("2026-12-01", "2026-12-10")),
        (kyiv(2026, 3, 29), kyiv(2026, 3, 30), ("2026-03-29", "2026-03-30")),
        (datetime(2026, 11, 30, 22, tzinfo=UTC), None, ("2026-12-01", "0000-00-00")),
        (None, kyiv(2026, 12, 9, 23, 59, 59), ("0000-00-00", "2026-12-10")),  # all of the 9th, as many write it
        (None, kyiv(2026, 12, 9, 23, 59), ("0000-00-00", "2026-12-10")),
        (kyiv(2026, 12, 1, 10), None, None),
        (None, kyiv(2026, 12, 1, 18), None),
        (kyiv(2026, 12, 1, 23, 59, 59), None, None),
    ],
)  # fmt: skip
def test_special_prices_are_kept_as_days_or_not_at_all(
    start: datetime | None, end: datetime | None, days: tuple[str, str] | None
) -> None:
    assert days_of(SpecialPrice(Money(Decimal(1), "UAH"), start, end), KYIV) == days


@pytest.mark.parametrize(
    ("stored", "price"),
    [("100.0000", "100.00"), ("0.1250", "0.125"), ("279.9900", "279.99"), ("2000.0000", "2000.00"), ("0.0000", "0.00")],
)  # fmt: skip
def test_prices_have_cents_and_what_is_finer(stored: str, price: str) -> None:
    assert str(price_of(stored)) == price
    assert price_of(None) is None


@given(st.decimals(-(10**9), 10**9, places=4))
def test_shortening_never_changes_a_number(number: Decimal) -> None:
    assert short(number) == number


@pytest.mark.parametrize(("prefix", "amount"), [("+", "5"), ("-", "-5"), ("=", "0"), ("", "0"), (None, "0")])
def test_what_an_option_adds_or_takes_off(prefix: str | None, amount: str) -> None:
    assert signed({"price": "5.0000", "price_prefix": prefix}, "price") == Decimal(amount)
    assert signed({"price": None, "price_prefix": prefix}, "price") == 0


def test_units_are_understood_by_the_one_that_is_known() -> None:
    classes: list[dict[str, Any]] = [
        {"id": 1, "value": "1.0"},
        {"id": 2, "value": "1000"},
        {"id": 3, "value": "0"},
        {"id": 4, "value": None},
    ]
    units = [{"id": 1, "unit": "мішок"}, {"id": 2, "unit": "Г."}, {"id": 3, "unit": "kg"}]
    factors = class_factors(classes, units, "id", KILOGRAMS)
    assert factors == {1: Decimal(1), 2: Decimal("0.001")}  # a class of value 0 says nothing
    assert class_factors(classes, [], "id", KILOGRAMS) == {}
    inches = class_factors([{"id": 1, "value": "1"}], [{"id": 1, "unit": "in"}], "id", CENTIMETRES)
    assert measure("10", 1, inches) == Decimal("25.4")
    assert measure("0.00000000", 1, inches) is None
    assert measure("5", 9, inches) is None


# --- trees -----------------------------------------------------------------------------------------------------------


def test_a_tree_is_paths_from_the_root_down() -> None:
    tree = grow({1: 0, 2: 1, 3: 2, 4: 99}, {1: "А", 2: "Б", 3: "В", 4: "Г"})
    assert tree.paths == {1: ("А",), 2: ("А", "Б"), 3: ("А", "Б", "В"), 4: ("Г",)}  # 99 is not there
    assert tree.findings == ()
    assert tree.main([(1, False), (3, False), (2, False)]) == ("А", "Б", "В")
    assert tree.main([(3, False), (1, True)]) == ("А",)
    assert tree.main([(98, True)]) == ()
    assert tree.all([(2, False), (1, False), (98, False)]) == (("А",), ("А", "Б"))


def test_circles_and_what_hangs_on_them_have_no_path_and_are_told_once() -> None:
    tree = grow({1: 2, 2: 1, 3: 1, 4: 4, 5: 0}, {1: "А", 2: "Б", 3: "В", 4: "Г", 5: "Ґ"})
    assert tree.paths == {5: ("Ґ",)}
    assert [finding.about for finding in tree.findings] == ["category:1", "category:4"]


def test_a_nameless_category_is_told() -> None:
    tree = grow({1: 0, 2: 1, 3: 0}, {1: " ", 2: "Б", 3: "В"})
    assert tree.paths == {3: ("В",)}
    assert [finding.code for finding in tree.findings] == ["category-nameless"]


@given(st.dictionaries(st.integers(1, 12), st.integers(0, 14)))
def test_no_tree_hangs_and_every_path_is_its_parents_and_itself(parents: dict[int, int]) -> None:
    tree = grow(parents, {one: str(one) for one in parents})
    told = {int(f.about.partition(":")[2]) for f in tree.findings}
    for one, path in tree.paths.items():
        assert path[-1] == str(one)
        parent = parents[one]
        assert path[:-1] == (tree.paths[parent] if parent in parents else ())
    lost = parents.keys() - tree.paths.keys()
    assert told <= lost
    assert bool(lost) == bool(told)


def test_a_deep_tree_is_no_recursion() -> None:
    deep = 5000
    tree = grow({n: n - 1 for n in range(1, deep + 1)}, dict.fromkeys(range(1, deep + 1), "x"))
    assert len(tree.paths[deep]) == deep


# --- combinations ----------------------------------------------------------------------------------------------------


def option(number: int, kind: str, size: int, *, required: bool = True) -> Option:
    """An option whose values are numbered after it."""
    values = tuple(Value(id=number * 100 + n, row=n, option=number, name=f"V{number}{n}") for n in range(size))
    return Option(id=number, row=number, name=f"O{number}", kind=kind, required=required, values=values)


OPTIONS = st.lists(
    st.builds(
        option, st.integers(1, 9), st.sampled_from(["select", "radio", "checkbox"]), st.integers(1, 3),
        required=st.booleans(),
    ),
    max_size=3, unique_by=lambda one: one.id,
)  # fmt: skip


@given(OPTIONS)
def test_combinations_are_as_many_as_are_counted_and_each_is_another(options: list[Option]) -> None:
    made = combine(options)
    alone = bool(options) and not any(one.required for one in options)
    assert len(made) == count(options) - alone
    assert len({one.ids for one in made}) == len(made)
    for one in made:
        for chosen, values in one.chosen:
            assert values or not chosen.required
            assert len(values) <= 1 or chosen.kind == "checkbox"


def test_counting_makes_nothing() -> None:
    assert count([option(n, "checkbox", 60) for n in range(1, 9)]) > 10**100


def test_an_article_is_the_same_however_options_are_sorted() -> None:
    one, other = option(3, "select", 2), option(1, "radio", 2)
    forth, back = combine([one, other]), combine([other, one])
    assert {c.ids for c in forth} == {c.ids for c in back}
    values = forth[0].values
    assert article_of("{key}-{ids}", "AB", values) == "AB-100-300"
    assert article_of("{key}/{values}", "AB", values) == "AB/V10-V30"
    assert article_of("{key}{articles}", "AB", values) is None


@pytest.mark.parametrize(
    ("variant", "override", "fixed"),
    [
        ('{"226":"15","227":"20"}', '{"variant":{"226":"1"}}', {15}),
        ('{"226":"15","227":["8","9"]}', '{"variant":{"226":"1","227":"1"}}', {15, 8, 9}),
        ('{"226":"15"}', "[]", set()),
        ('{"226":"15"}', "", set()),
        ("[]", '{"variant":{"226":"1"}}', set()),
        (None, None, set()),
        ("{щось", '{"variant":{"226":"1"}}', set()),
        ('{"226":"text"}', '{"variant":{"226":"1"}}', set()),
        ('{"226":{"x":1}}', '{"variant":["226"]}', set()),
    ],
)
def test_what_a_variant_product_fixes(variant: str | None, override: str | None, fixed: set[int]) -> None:
    assert fixed_rows(variant, override) == fixed
