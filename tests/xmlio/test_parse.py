"""The hardened parser: what it refuses, with code and place, in bounded memory and time; encodings (F35, F37)."""

from __future__ import annotations

import socket
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Finding, Rejected
from pipeline.xmlio import garbled, may_be_garbled, parse, path_of


def refused(data: bytes, **limits: Any) -> Finding:
    with pytest.raises(Rejected) as caught:
        parse(data, file="x.xml", **limits)
    (finding,) = caught.value.findings
    assert finding.where.file == "x.xml"
    return finding


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"", "truncated", 1, 1),
        (b" \r\n\t", "truncated", 1, 1),
        (b"hello", "not-xml", 1, 1),
        (b"\x89PNG\r\n\x1a\n\0\0", "encoding", 1, 1),
        (b"<a>\n<b>", "truncated", 2, 4),
        (b"<a>\n<b x='1", "truncated", 2, 1),
        (b"<a><![CDATA[ x", "truncated", 1, 15),
        (b"<a><!-- x", "truncated", 1, 4),
        (b"<a", "truncated", 1, 1),
        (b"<a></b>", "not-xml", 1, 6),
        (b"<a/><b/>", "not-xml", 1, 5),
        (b"<a>x & y</a>", "not-xml", 1, 7),
        (b"<a>&nbsp;</a>", "not-xml", 1, 4),
        (b"<a>&#0;</a>", "not-xml", 1, 4),
        (b"<a x='1' x='2'/>", "not-xml", 1, 10),
        (b"<a><p:b/></a>", "not-xml", 1, 4),
        (b"<a>\x01</a>", "not-xml", 1, 4),
        (b"\n<?xml version='1.0'?><a/>", "not-xml", 2, 1),
        (b"<!DOCTYPE a><a/>", "unsafe", 1, 12),
        (b"<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "unsafe", 2, 13),
        (b"<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/x'> %p;]><a/>", "unsafe", 1, 13),
    ],
)
def test_what_is_wrong_has_its_code_and_place(data: bytes, code: str, line: int, column: int) -> None:
    finding = refused(data)
    assert (finding.code, finding.where.line, finding.where.column) == (code, line, column)


def test_a_doctype_in_utf_16_is_refused_as_well() -> None:
    assert refused("\ufeff<!DOCTYPE a><a/>".encode("utf-16-le")).code == "unsafe"


def test_a_cut_file_names_the_element_that_is_open() -> None:
    finding = refused(b"<orders>\n  <order>\n    <id>4711</id>\n")
    assert finding.code == "truncated"
    assert finding.where.element == "orders/order"
    assert "<order> of line 2" in str(finding.text)


def test_every_cut_of_a_file_is_refused_and_none_is_repaired() -> None:
    whole = '<?xml version="1.0"?>\n<a x="1"><b>і</b><!-- c --><![CDATA[ d ]]></a>'.encode()
    assert parse(whole, file="x.xml").root.tag == "a"
    for length in range(len(whole)):
        assert refused(whole[:length]).code in {"truncated", "not-xml", "encoding"}


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_rejected(data: bytes) -> None:
    try:
        parse(data, file="x.xml")
    except Rejected:
        return


@given(st.text(alphabet="<>/ab&;\"'=! -[]?x1", max_size=60))
def test_both_passes_agree_on_where_elements_are(text: str) -> None:
    try:
        document = parse(f"<r>{text}</r>".encode(), file="x.xml")
    except Rejected:
        return
    assert [element.tag for element, _, _ in document.places()] == [element.tag for element in document.root.iter()]


def test_depth_is_bounded() -> None:
    assert parse(b"<a>" * 64 + b"</a>" * 64, file="x.xml").root.tag == "a"
    finding = refused(b"<a>" * 65 + b"</a>" * 65)
    assert (finding.code, finding.where.column) == ("too-deep", 64 * 3 + 1)
    assert refused(b"<a>" * 1_000_000).code == "too-deep"


def test_size_and_nodes_are_bounded() -> None:
    assert refused(b"<a>" + b" " * 100 + b"</a>", max_size=100).code == "too-large"
    assert refused(b"<a>" + b"<b/>" * 100 + b"</a>", max_nodes=100).code == "too-large"
    assert refused(b"<a>" + b"<b c='' d=''/>" * 40 + b"</a>", max_nodes=100).code == "too-large"


def test_a_bomb_is_refused_in_little_memory_and_time() -> None:
    levels = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY a0 "lol">{levels}]><a>&a11;</a>'.encode()
    quadratic = b"<!DOCTYPE a [<!ENTITY b '" + b"x" * 100_000 + b"'>]><a>" + b"&b;" * 100_000 + b"</a>"
    for data in (bomb, quadratic):
        tracemalloc.start()
        begun = time.thread_time()  # not that of other programs
        try:
            assert refused(data).code == "unsafe"
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 20 * len(data) + 1_000_000
        assert time.thread_time() - begun < 5


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret-words", encoding="utf-8")

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the parser opened a socket")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    xinclude = f'<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{secret.as_uri()}" parse="text"/></a>'
    document = parse(xinclude.encode(), file="x.xml")
    assert "secret-words" not in "".join(document.root.itertext())
    assert len(document.root) == 1
    assert parse(b'<?xml-stylesheet href="http://127.0.0.1:9/"?><a/>', file="x.xml").root.tag == "a"


def test_comments_do_not_cut_texts() -> None:
    assert parse(b"<a>12<!-- x -->34<?p?>5</a>", file="x.xml").root.text == "12345"


def test_places_and_paths() -> None:
    document = parse("<a>\n  <b/><b\n x='1'><c>і</c><c/></b></a>".encode(), file="x.xml")
    assert [(path_of(element), line, column) for element, line, column in document.places()] == [
        ("a", 1, 1),
        ("a/b[1]", 2, 3),
        ("a/b[2]", 2, 7),
        ("a/b[2]/c[1]", 3, 8),
        ("a/b[2]/c[2]", 3, 16),
    ]


# --- encodings (F37) ---

UK = "Їжак Ґалаґан: привіт"


@pytest.mark.parametrize(
    ("data", "default", "encoding", "notes"),
    [
        (f"<a>{UK}</a>".encode(), None, "utf-8", []),
        (f'<?xml version="1.0" encoding="UTF-8"?><a>{UK}</a>'.encode(), "windows-1251", "utf-8", []),
        (f"<?xml version='1.0' encoding='windows-1251'?><a>{UK}</a>".encode("cp1251"), None, "cp1251", []),
        (f"<a>{UK}</a>".encode("cp1251"), "windows-1251", "cp1251", []),
        (f"<a>{UK}</a>".encode("koi8-u"), "koi8-u", "koi8-u", []),
        (b"\xef\xbb\xbf" + f"<a>{UK}</a>".encode(), "windows-1251", "utf-8", ["bom"]),
        (f"\ufeff<a>{UK}</a>".encode("utf-16-le"), None, "utf-16-le", ["bom"]),
        (f"\ufeff<?xml version='1.0' encoding='UTF-16'?><a>{UK}</a>".encode("utf-16-be"), None, "utf-16-be", ["bom"]),
        (f"<?xml version='1.0' encoding='utf-16'?><a>{UK}</a>".encode("utf-16-le"), None, "utf-16-le", []),
        (f"<?xml version='1.0'?><a>{UK}</a>".encode(), "windows-1251", "utf-8", ["guessed-encoding"]),
    ],
)
def test_declared_then_bom_then_default(data: bytes, default: str | None, encoding: str, notes: list[str]) -> None:
    document = parse(data, file="x.xml", default_encoding=default)
    assert document.root.text == UK
    assert document.encoding == encoding
    assert [note.code for note in document.notes] == notes


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (f"<a>\n{UK}</a>".encode("cp1251"), 2, 1),
        (f'<?xml version="1.0" encoding="UTF-8"?>\n<a>{UK}</a>'.encode("cp1251"), 2, 4),
        (f'<?xml version="1.0" encoding="windows-1251"?><a>{UK}</a>'.encode(), 1, 1),
        (b"\xef\xbb\xbf" + f'<?xml version="1.0" encoding="windows-1251"?><a>{UK}</a>'.encode(), 1, 1),
        (b'<?xml version="1.0" encoding="UTF-16"?><a/>', 1, 1),
        ('\ufeff<?xml version="1.0" encoding="UTF-8"?><a/>'.encode("utf-16-le"), 1, 1),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', 1, 1),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', 1, 1),
        (b'<?xml version="1.0" encoding="base64"?><a/>', 1, 1),
        (f"\ufeff<a>{UK}</a>".encode("utf-16-le")[:-1], 1, None),
    ],
)
def test_bytes_that_are_not_what_they_say_are_refused(data: bytes, line: int, column: int | None) -> None:
    finding = refused(data)
    assert (finding.code, finding.where.line) == ("encoding", line)
    assert column in (None, finding.where.column)
    assert finding.hint


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x4FF, exclude_characters="<&]")))
def test_utf_8_and_utf_16_give_the_same_text(text: str) -> None:
    plain = parse(f"<a>{text}</a>".encode(), file="x.xml").root.text
    wide = parse(f"\ufeff<a>{text}</a>".encode("utf-16-be"), file="x.xml").root.text
    assert plain == wide
    assert (plain or "") == text


@given(st.text(alphabet="абвгґдеєжзиіїйклмнопрстуфхцчшщьюяАБВГҐЄІЇ .,№«»-'", min_size=2))
def test_real_ukrainian_is_never_called_garbled_and_garbled_is_known(text: str) -> None:
    assert garbled(text) is None
    letters = sum(letter.isalpha() for letter in text)
    if letters >= 2 and any(a.isalpha() and b.isalpha() for a, b in pairwise(text)):
        assert garbled(text.encode().decode("latin-1")) == text


@pytest.mark.parametrize(
    "text", ["Müller GmbH", "naïve café", "Łódź", "O'Brien", "What????", "", "№ 5", "€ 10", "Straße"]
)
def test_other_languages_are_not_garbled(text: str) -> None:
    assert garbled(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Шевченко".encode().decode("cp1251"), "Шевченко"),
        ("Іван".encode().decode("cp1251"), "Іван"),
        ("Привіт".encode("cp1251").decode("cp1252"), "Привіт"),
        ("???? ????????", ""),
        ("Олен\ufffd", ""),
    ],
)
def test_garbled_letters_are_known(text: str, meant: str | None) -> None:
    assert garbled(text) == meant
    assert may_be_garbled(f"<a>{text}</a>".encode()) or meant is None


@given(st.text(st.characters(max_codepoint=0x52F), max_size=20), st.sampled_from(["cp1251", "cp1252", "latin-1"]))
def test_a_quick_look_passes_nothing_garbled(text: str, wrong: str) -> None:
    shown = text.encode().decode(wrong, "ignore")
    if garbled(shown) is not None:
        assert may_be_garbled(shown.encode())
    if garbled(text) is not None:
        assert may_be_garbled(text.encode())


_GOOD = b'<?xml version="1.0"?>\n<orders><a>x</a></orders>'


@pytest.mark.parametrize(
    ("data", "words", "advice"),
    [
        (b"Warning: Undefined variable $total in /var/www/shop.php on line 3\n" + _GOOD, "begins with text", "PHP"),
        (b"<br />\n<b>Notice</b>: Undefined index<br />\n" + _GOOD, "XML: <br /> <b>Notice</b>: Undefined", "PHP"),
        (b"Notice: x\n<orders/>", "begins with text that is not XML: Notice: x", "log"),
        (b"\n\n" + _GOOD, "begins with blanks or empty lines", "closing ?>"),
        (_GOOD + b"\nFatal error: out of memory", "there is more: Fatal error: out of memory", "</orders>"),
        (_GOOD + b"\n<br />\n<b>Notice</b>", "there is more: <br /> <b>Notice</b>", "</orders>"),
        (_GOOD + b"\0\0\0", "there are 3 NUL bytes", "write it anew"),
        (_GOOD.replace(b"x<", b"a\x01b<"), "the control character U+0001", "preg_replace"),
        (_GOOD.replace(b"x<", b"&#2;<"), "a number of a character", "preg_replace"),
    ],
)
def test_what_php_puts_around_or_into_a_document_is_named_with_advice(data: bytes, words: str, advice: str) -> None:
    finding = refused(data)
    assert finding.code == "not-xml"
    assert words in str(finding.text)
    assert advice in str(finding.hint)


@given(st.binary(min_size=1, max_size=300).map(lambda junk: junk.replace(b"\0", b"\1")))
def test_foreign_text_before_a_document_is_never_told_at_length(junk: bytes) -> None:
    told = ""
    try:
        parse(junk + _GOOD, file="x.xml")
    except Rejected as error:
        told = str(error.text)
    assert len(told) < 260
