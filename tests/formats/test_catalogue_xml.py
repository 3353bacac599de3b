"""``catalogue-xml``: declared elements and attributes, written piece by piece, read back by another parser."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from pipeline.api import Batch, Chunk, Held
from plugins.formats.catalogue_xml import PLUGIN
from tests.everyday import examples
from tests.formats.catalogues import CONTEXT, check, make, row, settings_of

BASIC: dict[str, Any] = {
    "attributes": [{"name": "id", "field": "code"}],
    "elements": [{"name": "title", "field": "name"}, {"name": "price", "field": "price"}],
}
FULL: dict[str, Any] = {
    "root": "catalogue/goods",
    "root_attributes": {"version": "1.0", "xmlns:g": "urn:g"},
    "head": {"shop": 'Автофарба & "К"'},
    "item": "g:product",
    "attributes": [{"name": "id", "field": "code"}, {"name": "group", "field": "parent"}],
    "elements": [
        {"name": "title", "field": "name"},
        {"name": "price", "field": "price", "attributes": [{"name": "currency", "field": "currency"}]},
        {"name": "images/image", "field": "image"},
        {"name": "images/image", "field": "images", "each": True},
        {"name": "path/step", "field": "category", "each": True},
        {"name": "g:param", "field": "options", "each": True, "key": "name"},
        {"name": "description", "field": "description", "cdata": True},
        {"name": "note", "field": "barcode", "empty": "write"},
    ],
}


def products(data: bytes) -> dict[str, Any]:
    root = etree.fromstring(data)
    return {one.get("id"): one for one in root.iter("{*}product", "product")}


def test_elements_and_attributes_as_declared() -> None:
    made = make(PLUGIN, FULL)
    assert made.findings == []
    root = etree.fromstring(made.data)
    assert (root.tag, root.get("version"), root[0].tag, root[0][0].text) == (
        "catalogue",
        "1.0",
        "goods",
        'Автофарба & "К"',
    )
    found = products(made.data)
    assert list(found) == ["0042", "E-303", "E-303-2", "ЛК-500"]
    first, variant = found["0042"], found["E-303-2"]
    assert first.findtext("title") == 'Ґрунт «4+1»; & <лак>, "сірий"'
    assert (first.findtext("price"), first.find("price").get("currency")) == ("389.50", "UAH")
    assert [one.text for one in first.find("images")] == ["primer.png", "a b.png", "set.jpg"]
    assert [one.text for one in first.find("path")] == ["Авто", "Ґрунти"]
    assert first.findtext("description") == "<p>Опис ]]> з  двох рядків</p> "
    assert b"<![CDATA[<p>" in made.data
    assert variant.get("group") == "E-303"
    assert [(one.get("name"), one.text) for one in variant.iter("{urn:g}param")] == [
        ("Об'єм", "2 л"),
        ("Колір & тон", "хакі"),
    ]
    assert first.get("group") is None
    empty = found["ЛК-500"]
    assert [one.tag for one in empty] == ["title", "price", "note"]
    assert empty.find("note").text is None


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251", "utf-16"])
def test_encodings(encoding: str) -> None:
    made = make(PLUGIN, {**FULL, "encoding": encoding})
    assert made.findings == []
    assert list(products(made.data)) == ["0042", "E-303", "E-303-2", "ЛК-500"]


def test_what_xml_or_the_encoding_cannot_hold_is_told() -> None:
    rows = [row("1", name="a\x07b"), row("2", options={"☃": "x"}), row("3", images=("a\x0b",)), row("4")]
    with pytest.raises(Held) as held:
        make(PLUGIN, {**FULL, "encoding": "windows-1251"}, rows)
    assert [one.text.render("en").partition(", which")[0] for one in held.value.findings] == [
        "Product 1 cannot be written: title has the character ? (U+0007)",
        "Product 2 cannot be written: g:param has the character ☃ (U+2603)",
        "Product 3 cannot be written: images/image has the character ? (U+000B)",
    ]


def test_a_file_that_would_be_read_otherwise_is_found() -> None:
    made = make(PLUGIN, BASIC)
    head, first, second, tail = made.chunks

    def said(old: bytes, new: bytes) -> list[str]:
        assert first.data.count(old) == 1
        return check(PLUGIN, BASIC, [head, replace(first, data=first.data.replace(old, new)), second, tail])

    assert said(b"389.50", b"398.50") == ["Product 0042: price would be read as “398.50”."]
    assert said(b'id="0042"', b'id="42"') == ["Product 0042: @id would be read as “42”."]
    assert said(b"<price>389.50</price>", b"") == ["Product 0042: price would be read as “”."]
    assert said(b"<price>389.50</price>", b"<price>389.50</price><b>1</b>") == ["Product 0042: b would be read as “1”."]
    assert said(b'</price>\n  </product>\n  <product id="E', b'</price>\n  </product><product/>\n  <product id="E')[
        0
    ] == ("Product E-303: @id would be read as “”.")
    assert said(b"389.50", b"<389.50")[0].startswith("The file would not be read: not well-formed")
    assert check(PLUGIN, BASIC, [head, first, first])[0] == "Product 0042 stands twice in the file."
    assert check(PLUGIN, BASIC, [head, first, replace(second, data=b""), tail]) == [
        "Product E-303-2 would not be read.",
        "Product ЛК-500 would not be read.",
    ]
    assert check(PLUGIN, BASIC, [head, first, replace(second, codes=[], rows=[]), tail]) == [
        "Products too many would be read: 2."
    ]
    assert check(PLUGIN, BASIC, [head, first, second])[0].startswith("The file would not be read: no element found")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"elements": [], "attributes": []}, "A product has nothing"),
        ({"elements": [{"name": "a b", "field": "name"}]}, "is no name of an element"),
        ({"elements": [{"name": "a/b/", "field": "name"}]}, "is no name of an element"),
        ({"root": "<x>"}, "is no name of an element"),
        ({"item": "a/b"}, "is no name of an element"),
        ({"head": {"1": "x"}}, "is no name of an element"),
        ({"elements": [{"name": "a", "field": "name", "each": True}]}, "fields of several parts"),
        ({"elements": [{"name": "a", "field": "options", "each": True}]}, "needs a `key`"),
        ({"elements": [{"name": "a", "field": "images", "each": True, "key": "n"}]}, "needs a `key`"),
        ({"elements": [{"name": "a", "field": "name", "key": "n"}]}, "`key` belongs to"),
        ({"elements": [{"name": "a", "field": "images", "each": True, "cdata": True}]}, "With `each`"),
        ({"elements": [{"name": "a", "field": "name"}, {"name": "a/b", "field": "unit"}]}, "holds a value and other"),
        ({"attributes": [{"name": "a", "field": "name"}, {"name": "a", "field": "unit"}]}, "have the same name"),
        ({"encoding": "klingon"}, "is no encoding"),
    ],
)
def test_settings_that_make_no_sense(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + words):
        settings_of(PLUGIN, {**BASIC, **keys})


@pytest.mark.full
def test_memory_stays_flat() -> None:
    chosen = settings_of(PLUGIN, FULL)
    fields = PLUGIN.format.fields(chosen, CONTEXT)  # type: ignore[union-attr]
    product = row("0", description="опис " * 200, images=("a.png", "b.png"))

    def many(pieces: int) -> Iterator[Batch]:
        for piece in range(pieces):
            codes = [f"{piece}-{n}" for n in range(200)]
            columns: dict[str, Any] = {name: [product[name]] * 200 for name in fields}
            yield Batch(200, {**columns, "code": codes})

    def peak(pieces: int) -> int:
        checker = PLUGIN.format.checker(chosen, CONTEXT)  # type: ignore[union-attr]
        tracemalloc.start()
        for chunk in PLUGIN.format.encode(many(pieces), chosen, CONTEXT):  # type: ignore[union-attr]
            assert not checker.feed(chunk)
        assert not checker.close()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, lots = peak(2), peak(12)
    # the codes are remembered, to find twins: a hundred bytes for each
    assert lots < few + 2_000 * 300


@settings(max_examples=examples(80))
@given(
    names=st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff")
            | st.sampled_from("\t\n\r<>&\"']"),
            max_size=12,
        ),
        min_size=1,
        max_size=6,
    ),
    cdata=st.booleans(),
    newlines=st.sampled_from(["space", "keep"]),
    size=st.integers(1, 3),
)
def test_any_texts_are_read_back_as_they_were(names: list[str], cdata: bool, newlines: str, size: int) -> None:
    by = {
        "newlines": newlines,
        "attributes": [{"name": "id", "field": "code"}, {"name": "n", "field": "name"}],
        "elements": [
            {"name": "title", "field": "name", "cdata": cdata, "empty": "write"},
            {"name": "image", "field": "images", "each": True},
            {"name": "param", "field": "options", "each": True, "key": "k"},
        ],
    }
    rows = [row(str(n), name=name, images=(name,), options={name: name}) for n, name in enumerate(names)]
    made = make(PLUGIN, by, rows, size)
    assert made.findings == []
    found = products(made.data)
    for number, name in enumerate(names):
        one = found[str(number)]
        if newlines == "keep":
            assert (one.findtext("title"), one.get("n", "")) == (name, name)
        assert [image.text or "" for image in one.findall("image")] == ([name] if name else [])
        assert [(p.get("k"), p.text or "") for p in one.findall("param")] == [(name, name)]


def test_a_piece_never_ends_inside_a_product() -> None:
    made = make(PLUGIN, FULL, size=1)
    pieces: list[Chunk] = [chunk for chunk in made.chunks if chunk.codes]
    assert [chunk.codes for chunk in pieces] == [["0042"], ["E-303"], ["E-303-2"], ["ЛК-500"]]
    assert all(chunk.data.strip().startswith(b"<g:product") for chunk in pieces)
    assert all(chunk.data.strip().endswith(b"</g:product>") for chunk in pieces)
