"""What a support bundle hides, and what it keeps."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.support.bundle import log_line, wrong_yaml
from pipeline.engine.support.hiding import Hider, is_personal, read_xml, xml
from pipeline.engine.support.vocabulary import of_the_program, words_of

pytestmark = pytest.mark.whole  # pure, and quick
KNOWN = of_the_program()
LATIN = st.text(string.ascii_lowercase, min_size=3, max_size=12).map(str.capitalize)
CYRILLIC = st.text("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", min_size=2, max_size=12).map(str.capitalize)
NAMES = (LATIN | CYRILLIC).filter(lambda name: name not in KNOWN)
AROUND = st.sampled_from(
    (
        "{}",
        "Product {} is not in the books.",
        "550 {}: permission denied",
        '{{"a": "{}"}}',
        "({})",
        "name={};",
        "/home/{}/x",
    )
)


@given(name=NAMES, around=AROUND)
def test_no_name_is_told(name: str, around: str) -> None:
    assert name not in Hider(KNOWN).text(around.format(name))


@given(
    digits=st.text(string.digits, min_size=9, max_size=9).filter(lambda one: one[0] != "0"),
    shape=st.sampled_from(
        (
            "+380{0}{1}{2}{3}",
            "0{0} {1} {2} {3}",
            "(0{0}) {1}-{2}-{3}",
            "+38 (0{0}) {1} {2} {3}",
            "8-0{0}-{1}-{2}-{3}",
            "0{0}.{1}.{2}.{3}",
            "380{0}\u00a0{1}\u00a0{2}{3}",
        )
    ),
    around=AROUND,
)
def test_no_phone_is_told_in_any_spelling(digits: str, shape: str, around: str) -> None:
    phone = shape.format(digits[:2], digits[2:5], digits[5:7], digits[7:])
    told = Hider(KNOWN).text(around.format(phone))
    assert phone not in told
    assert digits[2:5] + digits[5:7] not in "".join(one for one in told if one.isdigit())


@given(
    left=st.text(string.ascii_letters + string.digits + "._+-", min_size=1, max_size=20),
    right=st.sampled_from(("example.com", "пошта.укр", "ukr.net")),
    around=AROUND,
)
def test_no_email_is_told(left: str, right: str, around: str) -> None:
    assert f"{left}@{right}" not in Hider(KNOWN).text(around.format(f"{left}@{right}"))


@given(text=st.text(max_size=200), name=NAMES)
def test_hiding_twice_is_hiding_once(text: str, name: str) -> None:
    hider = Hider(KNOWN)
    once = hider.text(f"{text} {name}")
    assert hider.text(once) == once


@pytest.mark.parametrize(
    "kept",
    [
        "Order 00004812 says 292.40 UAH, its parts make 291.40: a difference of 1.00.",
        "Файл обірвано",
        "550 Permission denied",
        "Connection refused",
        "2026-11-28 16:44:29 AB-17, 192.168.0.1",
        "28.11.2026, 16:44",
        'File "pipeline/cli/common.py", line 135, in cards',
        "ConnectionResetError: [Errno 104] ECONNRESET",
    ],
)
def test_what_support_needs_is_kept(kept: str) -> None:
    told = Hider(KNOWN).text(kept)
    assert told == kept or set(words_of(kept)) - set(words_of(told)) == {"обірвано"}


def test_a_word_of_the_program_is_hidden_when_somebody_is_called_so() -> None:
    hider = Hider(KNOWN)
    assert hider.text("Order") == "Order"
    hider.learn(["ТОВ «Order»", "01001", "+38 067 1-2-3"])
    assert hider.text("order Order ORDER, 01001, 380671 23") == "••• ••• •••, •••, •••"


def test_secrets_are_hidden_before_all() -> None:
    assert Hider({"open", "sesame"}, {"open sesame"}).text("say open sesame") == "••• •••"


def test_long_keys_are_hidden_whole() -> None:
    assert Hider(KNOWN).text("token sk_live_51H8xk2LkdIwHu7ix") == "token •••"


def test_data_is_hidden_by_its_keys() -> None:
    told = Hider(KNOWN).data(
        {
            "customer": "Order",
            "phone": 12,
            "size": 12345678901,
            "number": 12345678901,
            "sha256": "a" * 64,
            "n": [None, True],
        }
    )
    assert told == {
        "customer": "•••",
        "phone": "•••",
        "size": 12345678901,
        "number": "•••",
        "sha256": "a" * 64,
        "n": [None, True],
    }


ORDER = """<?xml version="1.0"?>
<!-- for Olena -->
<orders><order><id>7</id>
<customer type="person"><first-name>Order</first-name><nick><![CDATA[File
line]]></nick></customer>
<address zip='01001'>x</address>
<items><item><code>AB-NEW-7</code><name>file</name><comment>call me</comment></item></items>
<x buyer="Order" n="1"/></order>"""


def test_elements_that_tell_of_people_are_hidden_whole() -> None:
    hider = Hider(KNOWN)
    told = xml(ORDER, hider)
    assert told.count("\n") == ORDER.count("\n")  # the lines keep their numbers
    assert "Order" not in told
    assert "Olena" not in told
    assert "01001" not in told
    assert "<id>7</id>" in told
    assert "<name>file</name>" in told
    assert '<x buyer="•••" n="1"/>' in told


def test_while_nobody_is_known_post_codes_are_hidden_too() -> None:
    hider = Hider(KNOWN)
    assert hider.text("01001") == "01001"
    hider.careful = True
    assert hider.text("01001, line 1001") == "•••, line 1001"


def test_what_is_learned_of_a_file() -> None:
    theirs, codes = read_xml(ORDER)
    assert {"Order", "01001", "call me"} <= set(theirs)
    assert codes == ["AB-NEW-7"]


@pytest.mark.parametrize("cut", range(0, len(ORDER), 7))
def test_a_cut_file_tells_nothing_more(cut: int) -> None:
    told = xml(ORDER[cut:], Hider(KNOWN - {"Order"}))
    assert "Order" not in told
    assert "Olena" not in told


def test_names_of_goods_are_no_peoples() -> None:
    assert not is_personal(("orders", "order", "items", "item", "name"))
    assert is_personal(("orders", "order", "customer", "name"))
    assert is_personal(("orders", "order", "items", "item", "comment"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("connections:", "connections:"),
        ("    port: 22", "    port: 22"),
        ("    password: 12345", "    password: •••"),
        ("    password: hunter2", "    password: •••"),
        ("    password: ${file:secrets/site}", "    password: ${file:secrets/site}"),
        ("    every: 5m  # ask Olena", "    every: 5m"),
        ("    {host: a, password: b}", "    •••"),
        ("  site: {type: sftp, password: b}", "  site: •••"),
        ("    - MIIEvQIBADANBg", "    - •••"),
        ("# Olena's", "•••"),
        ("    note: call 0671234567", "    note: call •••"),
        ("\ttype: sftp", "\ttype: sftp"),
    ],
)
def test_a_config_that_cannot_be_read(line: str, told: str) -> None:
    assert wrong_yaml(line + "\n", Hider({*KNOWN, "sftp"})) == told + "\n"


@pytest.mark.parametrize(
    "line", ['{"customer": "Іван", "n": 1}', '{"cut": "Петренко', "plain Іван", "[" * 5000, "{" * 5000]
)
def test_any_line_of_a_log_can_be_told(line: str) -> None:
    told = log_line(line, Hider(KNOWN))
    assert told.endswith("\n")
    assert "Іван" not in told
    assert "Петренко" not in told
