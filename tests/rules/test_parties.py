"""Telephones, tax numbers and names of parties."""

from __future__ import annotations

import re
from dataclasses import replace

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Where
from pipeline.model import Party
from pipeline.rules.parties import (
    _UKRAINIAN_MOBILE,
    edrpou_ok,
    full_name,
    normal_party,
    party_findings,
    phone,
    rntrc_ok,
    tidy,
)

KYIVSTAR = "+380671234567"


@pytest.mark.parametrize(
    "text",
    [
        "+380671234567",
        "380671234567",
        "0671234567",
        "067 123 45 67",
        "(067) 123-45-67",
        "+38 (067) 123-45-67",
        "8 067 123 45 67",
        "80671234567",
        "00380671234567",
        "тел. 067-123-45-67",
        "067 123 45 67 дод. 12",
        "067 123 45 67 (Олена)",
        "067 123 45 67, 050 111 22 33",
        "067\u00a0123\u00a045\u00a067",
        "немає; 067 123 45 67",
    ],
)
def test_the_ways_people_write_one_telephone(text: str) -> None:
    assert phone(text) == KYIVSTAR


@pytest.mark.parametrize("text", ["", "-", "12", "немає", "+380000000000", "99999999999999999999", "+38067123456"])
def test_what_is_no_telephone(text: str) -> None:
    assert phone(text) == ""


def test_other_countries() -> None:
    assert phone("+48 601 234 567") == "+48601234567"
    assert phone("601 234 567", "PL") == "+48601234567"
    assert phone("044 234-56-78") == "+380442345678"


SPACED = st.sampled_from(["", " ", "-", ".", "\u00a0"])


@given(
    st.sampled_from(["50", "63", "67", "68", "73", "93", "95", "97", "99"]),
    st.integers(1_000_000, 9_999_999),
    st.sampled_from(["+380", "380", "0", "80", "8 0", "+38 0"]),
    SPACED,
)
def test_every_mobile_number_is_read_however_it_is_spaced(operator: str, rest: int, prefix: str, gap: str) -> None:
    digits = f"{rest}"
    written = prefix + operator + gap + gap.join([digits[:3], digits[3:5], digits[5:]])
    assert phone(written) == f"+380{operator}{digits}"


@given(st.text(max_size=40))
def test_a_telephone_is_empty_or_e164_and_reading_it_again_changes_nothing(text: str) -> None:
    found = phone(text)
    assert found == "" or (found[0] == "+" and found[1:].isdigit() and found.isascii())
    assert phone(found) == found


def test_tax_numbers() -> None:
    assert edrpou_ok("32855961")
    assert edrpou_ok("14360570")
    assert not edrpou_ok("14360571")
    assert not edrpou_ok("1436057")
    assert not edrpou_ok("")
    assert not edrpou_ok("１４３６０５７０")
    assert rntrc_ok("1759013776")
    assert not rntrc_ok("1759013777")
    assert not rntrc_ok("32855961")


@given(st.from_regex(r"[0-9]{8}", fullmatch=True), st.integers(0, 7), st.integers(1, 9))
def test_one_mistyped_digit_of_an_edrpou_is_nearly_always_seen(number: str, place: int, by: int) -> None:
    from stdnum.ua import edrpou

    good = number[:7] + str(edrpou.calc_check_digit(number))
    assert edrpou_ok(good)
    if place == 7:  # any other check digit is wrong
        assert not edrpou_ok(good[:7] + str((int(good[7]) + by) % 10))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Шевченко Олена Петрівна", ("Шевченко", "Олена", "Петрівна")),
        ("Олена Петрівна Шевченко", ("Шевченко", "Олена", "Петрівна")),
        ("  Шевченко\u00a0 Олена ", ("Шевченко", "Олена", "")),
        ("Шевченко", ("Шевченко", "", "")),
        ("Коваленко Андрій Миколайович", ("Коваленко", "Андрій", "Миколайович")),
        ("Іван Петрович Бабич", ("Бабич", "Іван", "Петрович")),
        ("Бабич Іван Петрович", ("Бабич", "Іван", "Петрович")),
        ("Андрій Ілліч Коваленко", ("Коваленко", "Андрій", "Ілліч")),
        ("", ("", "", "")),
        ("ван дер Берг Ян", ("ван дер Берг Ян", "", "")),
    ],
)
def test_a_whole_name_is_divided(text: str, parts: tuple[str, str, str]) -> None:
    assert full_name(text) == parts


@given(st.text(alphabet="абвгґ ії'-\u00a0\t", max_size=60))
def test_dividing_a_name_loses_no_letter(text: str) -> None:
    assert sorted("".join(full_name(text))).count(" ") <= text.count(" ") + text.count("\u00a0") + text.count("\t")
    assert sorted("".join(full_name(text)).replace(" ", "")) == sorted(tidy(text).replace(" ", ""))


def test_a_party_is_normalised_once_and_for_all() -> None:
    party = Party(last_name=" Шевченко ", first_name="Олена\u00a0", phone="067 123 45 67", email=" Olena@Example.COM ")
    normal = normal_party(party)
    assert (normal.title, normal.phone, normal.email) == ("Шевченко Олена", KYIVSTAR, "olena@example.com")
    assert normal_party(normal) == normal
    assert normal_party(Party(phone="дзвоніть Олені")).phone == "дзвоніть Олені"


def test_remarks_name_what_a_person_should_look_at() -> None:
    party = Party(phone="12", edrpou="14360571", email="olena@example")
    assert [finding.code for finding in party_findings(party, Where("x.xml"))] == ["phone", "edrpou", "email"]
    good = Party(phone=KYIVSTAR, edrpou="1759013776", email="olena@example.com")
    assert party_findings(good, Where()) == ()
    assert party_findings(Party(), Where()) == ()


@given(st.integers(0, 10**9 - 1))
def test_a_number_that_is_taken_as_it_is_written_is_what_the_library_makes_of_it(rest: int) -> None:
    import phonenumbers

    written = f"+380{rest:09d}"
    number = phonenumbers.parse(written, "UA")
    valid = phonenumbers.is_valid_number(number)
    made = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else ""
    assert phone(written) == made


def test_a_party_that_is_right_already_is_the_same_one() -> None:
    party = Party(last_name="Шевченко", phone=KYIVSTAR, email="olena@example.com")
    assert normal_party(party) is party
    assert normal_party(replace(party, last_name=" Шевченко\u200b")) == party


def test_a_number_that_is_told_at_once_is_one_that_the_library_knows() -> None:
    rules = phonenumbers.PhoneMetadata.metadata_for_region("UA")
    assert rules is not None
    assert rules.mobile is not None
    assert rules.general_desc is not None
    assert 9 in rules.mobile.possible_length
    both = [re.compile(one.national_number_pattern or "") for one in (rules.mobile, rules.general_desc)]
    known = 0
    for first in range(100_000):
        number = f"{first:05}4321"
        valid = all(one.fullmatch(number) for one in both)
        assert bool(_UKRAINIAN_MOBILE.fullmatch(f"+380{number}")) == valid, number
        known += valid
    assert known > 10_000
    for wrong in ("+38067123456", "+3806712345678", "+380671234567\n", "380671234567", "+38067123456٧"):
        assert not _UKRAINIAN_MOBILE.fullmatch(wrong)
