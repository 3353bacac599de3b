"""Texts as values: rendered in the reader's language, carried through JSON, dates and numbers as people write them."""

from __future__ import annotations

import errno
import json
import socket
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import system_words
from pipeline.texts import TN, Arg, T, Text, current_language, show_datetime, show_decimal, use_language, verbatim


@pytest.mark.parametrize(
    ("value", "uk", "en"),
    [
        ("1240.50", "1\u00a0240,50", "1,240.50"),
        ("1240", "1\u00a0240", "1,240"),
        ("0.10", "0,10", "0.10"),
        ("-1234567.891", "-1\u00a0234\u00a0567,891", "-1,234,567.891"),
        ("1E+3", "1\u00a0000", "1,000"),
        ("0.000001", "0,000001", "0.000001"),
    ],
)
def test_numbers(value: str, uk: str, en: str) -> None:
    assert show_decimal(Decimal(value), "uk").replace("\u2212", "-") == uk
    assert show_decimal(Decimal(value), "en") == en


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_no_digit_of_a_number_is_lost(value: Decimal) -> None:
    shown = show_decimal(value, "uk").replace("\u00a0", "").replace(",", ".").replace("\u2212", "-")
    assert Decimal(shown) == value


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "1E+1000000", "1E-1000000", "9" * 60])
def test_a_number_that_nobody_writes_is_shown_as_it_came(odd: str) -> None:
    assert show_decimal(Decimal(odd), "uk") == str(Decimal(odd))


def test_a_number_of_more_than_28_digits_is_shown_whole() -> None:
    assert show_decimal(Decimal("1" + "0" * 30 + ".50"), "en").replace(",", "") == "1" + "0" * 30 + ".50"


def test_a_moment_is_shown_in_its_own_zone() -> None:
    moment = datetime(2026, 11, 22, 12, 5, tzinfo=UTC).astimezone(ZoneInfo("Europe/Kyiv"))
    assert show_datetime(moment, "uk") == "22.11.2026, 14:05"
    assert show_datetime(moment, "en") == "2026-11-22 14:05"


def test_the_language_in_use() -> None:
    before = current_language()
    try:
        use_language("uk")
        assert str(T("New order {number}", number="1")) == "Нове замовлення 1"
        use_language("de")
        assert str(T("New order {number}", number="1")) == "New order 1"
    finally:
        use_language(before)


def test_a_text_in_a_text_is_rendered_in_the_same_language() -> None:
    inner = TN("{n} product", "{n} products", 5)
    assert T("{channel}: {why}", channel="desktop", why=inner).render("uk") == "desktop: 5 товарів"


def test_words_of_others_are_never_translated_or_filled_in() -> None:
    assert verbatim("{number} {0} {").render("uk") == "{number} {0} {"


_args = st.one_of(
    st.text(max_size=20),
    st.integers(min_value=-(2**40), max_value=2**40),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**30), max_value=10**30),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


@given(st.dictionaries(st.from_regex(r"[a-m]{1,6}", fullmatch=True), _args, max_size=3), st.integers(0, 200))
def test_a_text_comes_back_from_json_as_it_was(args: dict[str, Arg], n: int) -> None:
    pattern = " ".join("{" + name + "}" for name in args)
    for text in (
        Text(pattern, tuple(args.items())),
        Text("{n}" + pattern, (("n", n), *args.items()), ("{n}s" + pattern, n)),
    ):
        back = Text.from_json(json.loads(json.dumps(text.to_json())))
        assert back == text
        assert back.render("uk") == text.render("uk")


def test_a_day_is_written_as_people_write_it() -> None:
    text = T("up to {day}", day=date(2026, 1, 31))
    assert (text.render("uk"), text.render("en")) == ("up to 31.01.2026", "up to 2026-01-31")


def test_a_date_is_kept_as_a_date() -> None:
    text = T("at {times}", times=date(2026, 1, 31))
    assert Text.from_json(text.to_json()) == text


@pytest.mark.parametrize(
    ("error", "uk", "en"),
    [
        (OSError(errno.EACCES, "Permission denied", "/x"), "немає доступу", "access is denied"),
        (OSError(errno.ENOENT, "No such file"), "такого файлу чи папки немає", "there is no such file or folder"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "там ніхто не відповідає (connection refused)", None),
        # 2 is ENOENT among the system's numbers, and another thing among those of look-ups
        (socket.gaierror(2, "no such host"), "no such host", "no such host"),
        (OSError(99999, "odd {thing}"), "odd {thing}", "odd {thing}"),
        (EOFError(), "EOFError", "EOFError"),
    ],
)
def test_what_the_system_says(error: Exception, uk: str, en: str | None) -> None:
    assert system_words(error).render("uk") == uk
    assert en is None or system_words(error).render("en") == en
