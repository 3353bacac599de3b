"""A large file in pieces: how it is cut, what limits it has, which schemas let orders be checked one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import Rejected
from pipeline.resources import schemas
from pipeline.rules.repetitions import Repetitions
from pipeline.xmlio import Schema, XmlPieces, encoding, parser, pieces


def opened(folder: Path, text: str | bytes, max_depth: int = 8) -> XmlPieces:
    path = folder / "x.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return XmlPieces(path, file="x.xml", scratch=folder, max_depth=max_depth)


def refused(folder: Path, text: str | bytes) -> tuple[str, int | None, int | None]:
    with pytest.raises(Rejected) as caught:
        opened(folder, text)
    (finding,) = caught.value.findings
    return finding.code, finding.where.line, finding.where.column


def test_a_piece_begins_with_a_child_of_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "CHILDREN", 2)
    with opened(tmp_path, "<r a='>'\n><x/><o>1</o>\n <o>2</o><x/><x/><o>3</o> </r>") as file:
        assert list(file.cuts("o")) == [(0, 2), (2, 5), (5, 6)]
        assert file.piece(0, 2).utf8 == b"<r a='>'\n><x/><o>1</o>\n </r>"
        piece = file.piece(2, 5)
        assert piece.utf8 == b"<r a='>' >\n<o>2</o><x/><x/></r>"
        assert [piece.place(*at) for at in ((1, 1), (2, 1), (2, 9), (3, 4))] == [(1, 1), (3, 2), (3, 10), (4, 4)]
        assert piece.path("r/x[2]/y") == "r/x[3]/y"
        assert piece.path("r/o") == "r/o[2]"
        assert file.piece(5, 6).parse().root[0].text == "3"
        assert list(file.called("o")) == [1, 2, 5]


def test_pieces_are_no_larger_than_they_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 20)
    with opened(tmp_path, "<r>" + "<o>1234</o>" * 5 + "</r>") as file:
        assert list(file.cuts("o")) == [(0, 2), (2, 4), (4, 5)]


def test_what_the_parser_refuses_is_refused_at_its_place_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_BLOCK", 5)
    assert refused(tmp_path, "<r>\n<o>1</o>\n<o>&</o></r>") == ("not-xml", 3, 5)
    assert refused(tmp_path, "<r>\n<o>1</o>\n<o>") == ("truncated", 3, 4)
    assert refused(tmp_path, "<!DOCTYPE r><r/>")[0] == "unsafe"
    assert refused(tmp_path, "<r>" + "<o>" * 9) == ("too-deep", 1, 25)
    assert refused(tmp_path, b" \n\0 ") == ("truncated", 1, 1)
    assert refused(tmp_path, "<r></r>\0\0") == ("not-xml", 1, 8)


def test_one_child_has_a_limit_and_the_file_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pieces, parser):
        monkeypatch.setattr(module, "MAX_NODES", 10)
    scan = "<r>" + "<o><a/><a/><a/></o>" * 50 + "</r>"
    with opened(tmp_path, scan) as file:
        assert len(file) == 50
    assert refused(tmp_path, "<r><o>" + "<a/>" * 12 + "</o></r>")[0] == "too-large"


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1251"])
def test_a_file_in_any_encoding_is_read_as_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, chunk: int
) -> None:
    monkeypatch.setattr(encoding, "_CHUNK", chunk)
    said = "windows-1251" if name == "cp1251" else name.removesuffix("-sig").removesuffix("-le")
    text = f'<?xml version="1.0" encoding="{said}"?><r><o>Ґанок</o></r>'
    with opened(tmp_path, text.encode(name)) as file:
        assert file.piece(0, 1).parse().root[0].text == "Ґанок"
    assert [path.name for path in tmp_path.iterdir()] == ["x.xml"], "no copy stays"


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_a_byte_that_is_not_of_the_encoding_is_told_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(encoding, "_CHUNK", chunk)
    data = "<r>\n<o>Ґанок".encode() + b"\xd2</o></r>"
    assert refused(tmp_path, data) == ("encoding", 2, 9)
    with pytest.raises(Rejected) as whole:
        encoding.read_text(data, file="x.xml")
    with pytest.raises(Rejected) as streamed:
        opened(tmp_path, data)
    assert streamed.value.findings == whole.value.findings


XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="r"><xs:complexType>{}
</xs:complexType>{}</xs:element></xs:schema>"""
ONE = '<xs:element name="o" type="{}" maxOccurs="unbounded"/>'


@pytest.mark.parametrize(
    ("inside", "beside", "alone"),
    [
        (f"<xs:sequence>{ONE.format('xs:string')}</xs:sequence>", "", True),
        (f"<xs:sequence>{ONE.format('xs:ID')}</xs:sequence>", "", False),
        (f"<xs:sequence>{ONE.format('xs:string')}<xs:element name='x'/></xs:sequence>", "", False),
        ("<xs:sequence><xs:element name='o' maxOccurs='9'/></xs:sequence>", "", False),
        (f"<xs:sequence maxOccurs='3'>{ONE.format('xs:string')}</xs:sequence>", "", False),
        (
            f"<xs:sequence>{ONE.format('xs:string')}</xs:sequence>",
            "<xs:unique name='u'><xs:selector xpath='o'/><xs:field xpath='.'/></xs:unique>",
            False,
        ),
    ],
)
def test_orders_are_checked_one_by_one_where_the_schema_looks_at_each_alone(
    inside: str, beside: str, alone: bool
) -> None:
    schema = Schema(XSD.format(inside, beside).encode(), file="x.xsd")
    assert schema.one_by_one("r", "o") is alone


def test_the_built_in_schema_looks_at_each_order_alone() -> None:
    assert Schema.load(schemas() / "order.xsd").one_by_one("orders", "order")


def test_repetitions_are_found_by_both_names_and_never_among_the_nameless() -> None:
    names = Repetitions()
    for source, name in (("a", "1"), ("b", "1"), ("", ""), ("a", "2"), ("a", "1"), ("", ""), ("a", "2"), ("a", "1")):
        names.add(source, name)
    assert names.groups() == [[0, 4, 7], [3, 6]]
