"""Whole files of a declared XML format: namespaces, encodings, what stays unread."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.api import Rejected, Unread
from plugins.formats.xml_orders import PLUGIN, unread
from tests.formats.declared import CONTEXT, HEAD, ONE_ITEM, decode, mapping, one

# --- namespaces, encodings, whole files ---


def test_namespaces_are_declared_in_the_config() -> None:
    text = f'<shop xmlns="urn:s">\n<o id="7">{HEAD}{ONE_ITEM}</o></shop>'
    fields = {"created_at": "s:date", "total": "s:sum"}
    by = mapping(
        fields,
        {"code": "s:sku", "quantity": "s:n", "price": "s:p"},
        namespaces={"s": "urn:s"},
        order="/s:shop/s:o",
        items="s:i",
    )
    (decoded,) = decode(text, by).orders
    assert decoded.order is not None
    assert decoded.places["total"][0] == "shop/o/sum"
    with pytest.raises(Rejected) as refused:
        decode(text, mapping())
    assert (refused.value.code, "namespace urn:s" in str(refused.value.hint)) == ("no-orders", True)


@pytest.mark.parametrize(
    ("text", "settings_", "hint"),
    [
        ("<other><o/></other>", {}, "begins with <other>"),
        ("<shop/>", {}, "allow_empty: true"),
        ("<shop><p/></shop>", {}, "allow_empty: true"),
        ("<shop><o id='1'/></shop>", {"order": "/shop/o/@id"}, "Correct the path"),
    ],
)
def test_a_file_without_orders_is_refused(text: str, settings_: dict[str, Any], hint: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(text, mapping(**settings_))
    assert refused.value.code == "no-orders"
    assert hint in str(refused.value.hint)


def test_a_file_without_orders_may_be_right() -> None:
    assert decode("<shop/>", mapping(allow_empty=True)).orders == ()
    with pytest.raises(Rejected):
        decode("<other/>", mapping(allow_empty=True))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "truncated"),
        (b"<shop><o>", "truncated"),
        (b"hello", "not-xml"),
        (b'<!DOCTYPE shop [<!ENTITY a SYSTEM "file:///etc/passwd">]><shop/>', "unsafe"),
        (b"<shop>" + b"<a>" * 70 + b"</a>" * 70 + b"</shop>", "too-deep"),
        (b'<?xml version="1.0" encoding="utf-8"?><shop>\xcf\xf0</shop>', "encoding"),
    ],
)
def test_what_is_no_xml_is_refused_by_the_one_parser(data: bytes, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(data, mapping())
    assert refused.value.code == code


def test_the_encoding_is_the_files_own_before_it_is_ours() -> None:
    by = mapping({"comment": "c"}, encoding="windows-1251")
    body = f'<shop><o id="7">{HEAD}{ONE_ITEM}<c>Ґанок</c></o></shop>'
    for data, notes in (
        (body.encode("cp1251"), []),
        (b'<?xml version="1.0" encoding="utf-8"?>' + body.encode(), []),
        (b"\xef\xbb\xbf" + body.encode(), ["bom"]),
        (body.encode(), ["guessed-encoding"]),
        (body.encode("utf-16"), ["bom"]),
    ):
        decoded = decode(data, by)
        assert decoded.orders[0].order is not None
        assert decoded.orders[0].order.comment == "Ґанок"
        assert [note.code for note in decoded.notes] == notes


@pytest.mark.parametrize(
    ("tail", "order", "whole"),
    [
        (b"<shop><o/></shop>", "/shop/o", True),
        (b"<shop><o></o>", "/shop/o", False),
        (b"</o></shop>\n<!-- end -->\n", "/shop/o", True),
        (b"<shop/>", "/shop/o", True),
        (b"</x:shop>", "/x:shop/x:o", True),
        (b"<shop><o>", "/shop/o", False),
        (b"</o>", "//o", False),
        (b"</shop>", "//o", True),
        (b"</o>", "/o", True),
        (b"PHP Fatal error", "/shop/o", True),
        (b"", "/shop/o", False),
        ("<shop></shop>".encode("utf-16-le"), "/shop/o", True),
    ],
)
def test_the_end_of_a_file_is_known(tail: bytes, order: str, whole: bool) -> None:
    assert PLUGIN.format.complete(tail, mapping(order=order, namespaces={"x": "urn:x"})) is whole  # type: ignore[union-attr]


def test_the_content_hash_does_not_depend_on_blanks_between_elements_and_comments() -> None:
    plain = one()
    spaced = one(items="\n  <i>\n <sku>0042</sku><!-- 1 --><n>2</n><p>10.50</p> </i>  ")
    assert plain.fragment == spaced.fragment
    assert plain.fragment != one("<c>x</c>").fragment


# --- what stays unread ---


def test_what_stays_unread_is_told_by_path() -> None:
    text = (
        f'<shop date="1"><o id="7" hash="ab">{HEAD}{ONE_ITEM}<x><y>1</y></x><x><y>2</y></x><e/></o>'
        f'<o id="8" hash="cd">{HEAD}{ONE_ITEM}<x><y/></x>loose</o></shop>'
    )
    assert unread(text.encode(), mapping(), CONTEXT) == (
        Unread("shop/@date", 1, "1", 1),
        Unread("shop/o/@hash", 2, "ab", 1),
        Unread("shop/o/x/y", 2, "1", 1),
        Unread("shop/o", 1, "loose", 1),
    )


def test_conditions_expressions_and_fall_backs_count_as_read() -> None:
    text = f"<shop><o id='7'>{HEAD}{ONE_ITEM}<f n='a'>1</f><f n='b'>2</f><c>3</c><d>4</d><g>5</g></o></shop>"
    by = mapping({"comment": "f[@n='a']", "manager": "concat(c, d)", "warehouse": ["f[@n='a']", "g"]})
    assert [one.path for one in unread(text.encode(), by, CONTEXT)] == ["shop/o/f/@n", "shop/o/f"]
