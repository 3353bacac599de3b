"""XSD breaches in our own words, with exact places, all of them in one report; no schema fetches another (F35, F39)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.resources import schemas
from pipeline.xmlio import Schema, SchemaError, parse
from pipeline.xmlio.schema import MAX_ERRORS

XSD = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" version="7">
 <xs:simpleType name="Sum"><xs:restriction base="xs:decimal"><xs:minInclusive value="0"/><xs:maxInclusive value="100"/>
  <xs:fractionDigits value="2"/></xs:restriction></xs:simpleType>
 <xs:element name="r"><xs:complexType><xs:sequence>
  <xs:element name="o" maxOccurs="unbounded"><xs:complexType><xs:all>
   <xs:element name="id"><xs:annotation><xs:appinfo>4711</xs:appinfo></xs:annotation><xs:simpleType>
     <xs:restriction base="xs:token"><xs:minLength value="1"/><xs:maxLength value="5"/></xs:restriction>
   </xs:simpleType></xs:element>
   <xs:element name="sum" type="Sum"/>
   <xs:element name="state" minOccurs="0"><xs:simpleType><xs:restriction base="xs:token">
     <xs:enumeration value="new"/><xs:enumeration value="paid"/></xs:restriction></xs:simpleType></xs:element>
   <xs:element name="qty" minOccurs="0"><xs:simpleType><xs:restriction base="xs:decimal">
     <xs:minExclusive value="0"/></xs:restriction></xs:simpleType></xs:element>
   <xs:element name="field" minOccurs="0"><xs:complexType><xs:simpleContent><xs:extension base="xs:string">
     <xs:attribute name="name" use="required"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
  </xs:all></xs:complexType></xs:element>
 </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


def check(inside: str, xsd: bytes = XSD) -> tuple[SchemaError, ...]:
    return Schema(xsd, file="test.xsd").check(parse(inside.encode(), file="x.xml"))


def one(inside: str) -> SchemaError:
    (error,) = check(f"<r><o>{inside}</o></r>")
    return error


def test_what_conforms_has_no_errors() -> None:
    assert check("<r><o><sum>1.50</sum><id>1</id><state>new</state></o></r>") == ()


@pytest.mark.parametrize(
    ("inside", "rule", "path", "text", "hint"),
    [
        ("<sum>1</sum>", "missing", "r/o", "<o> lacks <id>.", "Add <id>4711</id>"),
        ("<id>1</id><id>2</id><sum>1</sum>", "unexpected", "r/o/id[2]", "<id> may stand only once", "Leave one <id>"),
        ("<id>1</id><sum>1</sum><stat>new</stat>", "unexpected", "r/o/stat", "may not hold <stat>", "mean <state>?"),
        ("<id>1</id><sum>1</sum><zzz/>", "unexpected", "r/o/zzz", "may not hold <zzz>", "may hold: id, sum, state"),
        ("<id>1</id><sum>1</sum><o/>", "unexpected", "r/o/o", "<o> may not hold <o>", "<o> belongs into <r>"),
        ("<id>1</id><sum>1,50</sum>", "value", "r/o/sum", "1,50: not a number as XML", "<sum>1.50</sum>"),
        ("<id>1</id><sum>1 234,5</sum>", "value", "r/o/sum", "not a number as XML", "<sum>1234.5</sum>"),
        ("<id>1</id><sum>1\u00a0234.5</sum>", "value", "r/o/sum", "not a number as XML", "<sum>1234.5</sum>"),
        ("<id>1</id><sum>x</sum>", "value", "r/o/sum", "<sum> is x: not a number.", ""),
        ("<id>1</id><sum>-1</sum>", "value", "r/o/sum", "it must be 0 or more", ""),
        ("<id>1</id><sum>101</sum>", "value", "r/o/sum", "it must be 100 or less", ""),
        ("<id>1</id><sum>1.555</sum>", "value", "r/o/sum", "more than 2 decimals", "Round it to 2"),
        ("<id>1</id><sum/>", "value", "r/o/sum", "<sum> is empty", ""),
        ("<id>1</id><sum>1</sum><qty/>", "value", "r/o/qty", "<qty> is empty", "Leave <qty> out"),
        ("<id>1</id><sum>1</sum><qty>0</qty>", "value", "r/o/qty", "it must be more than 0", ""),
        ("<id>123456</id><sum>1</sum>", "value", "r/o/id", "has 6 characters; at most 5", "Shorten"),
        ("<id/><sum>1</sum>", "value", "r/o/id", "<id> is empty", "<id>4711</id>"),
        ("<id>1</id><sum>1</sum><state>Paid</state>", "value", "r/o/state", "is Paid", "Did you mean paid?"),
        ("<id>1</id><sum>1</sum><state>gone</state>", "value", "r/o/state", "is gone", "Allowed: new, paid."),
        ("<id>1</id><sum>1</sum><field>x</field>", "attribute", "r/o/field", "must have the attribute name", 'name="'),
        ("<id>1</id><sum>1</sum>loose", "text", "r/o", "there is loose text in it", "id, sum"),
        ("<id>1</id><sum><b/></sum>", "value", "r/o/sum", "holds a plain value", ""),
    ],
)
def test_each_rule_has_its_words(inside: str, rule: str, path: str, text: str, hint: str) -> None:
    error = one(inside)
    assert (error.rule, error.path) == (rule, path)
    assert text in str(error.message)
    assert hint in str(error.hint or "")
    assert "{" not in str(error.message)


def test_an_attribute_too_many() -> None:
    (error,) = check('<r><o a="1"><id>1</id><sum>1</sum></o></r>')
    assert str(error.message) == "<o> may not have the attribute a."


def test_all_mistakes_come_at_once_even_behind_an_unexpected_element() -> None:
    errors = check("<r>\n<o><bad/><worse/>\n  <sum>x</sum><state>y</state></o>\n<o><id>2</id></o>\n</r>")
    assert [(error.rule, error.path, error.line) for error in errors] == [
        ("missing", "r/o[1]", 2),
        ("unexpected", "r/o[1]/bad", 2),
        ("unexpected", "r/o[1]/worse", 2),
        ("value", "r/o[1]/sum", 3),
        ("value", "r/o[1]/state", 3),
        ("missing", "r/o[2]", 4),
    ]


def test_places_are_of_the_tag_itself_even_in_one_long_line() -> None:
    text = "<r>" + "<o><id>1</id><sum>1</sum></o>" * 3 + "<o><id>1</id><sum>x</sum></o></r>"
    (error,) = check(text)
    assert (error.line, error.column) == (1, text.index("<sum>x") + 1)
    assert error.path == "r/o[4]/sum"


def test_places_are_right_far_down_a_long_file() -> None:
    text = "<r>" + "\n<o><id>1</id>\n<sum>1</sum></o>" * 70_000 + "\n<o><id>1</id><sum>x</sum></o></r>"
    (error,) = check(text)
    assert error.line == 140_002


def test_a_flood_of_mistakes_is_cut() -> None:
    assert len(check("<r>" + "<o><id/><sum>x</sum></o>" * 1000 + "</r>")) == MAX_ERRORS


def test_another_root() -> None:
    (error,) = check("<q/>")
    assert (error.rule, str(error.message)) == ("root", "The document begins with <q>, not with <r>.")


@pytest.mark.parametrize("tag", ["import", "include", "redefine"])
def test_a_schema_that_would_load_another_is_refused(tag: str) -> None:
    xsd = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:{tag} schemaLocation="http://127.0.0.1:9/a.xsd"/></xs:schema>'
    with pytest.raises(ConfigError, match="must be one file"):
        Schema(xsd.encode(), file="own.xsd")


@pytest.mark.parametrize(
    "xsd",
    [
        b"<xs:schema",
        b"<a/>",
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="nope"/></xs:schema>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_what_is_no_schema_is_a_mistake_of_the_config(xsd: bytes) -> None:
    with pytest.raises(ConfigError):
        Schema(xsd, file="own.xsd")


def test_a_document_cannot_bring_its_own_schema(tmp_path: Path) -> None:
    lax = tmp_path / "lax.xsd"
    lax.write_bytes(XSD.replace(b'base="xs:decimal"', b'base="xs:string"'))
    hint = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{lax.as_uri()}"'
    (error,) = check(f"<r {hint}><o><id>1</id><sum>x</sum></o></r>")
    assert error.rule == "value"


def test_a_schema_is_compiled_once_and_again_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "own.xsd"
    path.write_bytes(XSD)
    first = Schema.load(path)
    assert Schema.load(path) is first
    path.write_bytes(XSD.replace(b'version="7"', b'version="18"'))
    assert Schema.load(path).version == "18"
    with pytest.raises(ConfigError):
        Schema.load(tmp_path / "none.xsd")


def test_the_order_schema_documents_every_element_in_both_languages() -> None:
    schema = Schema.load(schemas() / "order.xsd")
    assert schema.namespace == "urn:mistok:order:1"
    for path, declared in schema.declarations.walk():
        assert {"uk", "en"} <= set(declared.docs), path
        leaf = not declared.children
        assert not leaf or declared.example, path


@pytest.mark.parametrize("declare", ['xmlns="u"', 'xmlns:m="u"', 'xmlns:a.b="u"'])
def test_places_are_found_whatever_prefixes_the_file_uses(declare: str) -> None:
    schema = Schema(
        XSD.replace(b"<xs:schema", b'<xs:schema targetNamespace="u" xmlns="u" elementFormDefault="qualified"'), file="t"
    )
    prefix = declare.partition("=")[0].partition(":")[2]
    p = prefix + ":" if prefix else ""
    text = (
        f'<{p}r {declare}><{p}o><x xmlns="other"/><{p}id>1</{p}id><q:y xmlns:q="deep"/><{p}sum>z</{p}sum></{p}o></{p}r>'
    )
    errors = schema.check(parse(text.encode(), file="x.xml"))
    assert [(error.rule, error.path) for error in errors] == [
        ("unexpected", "r/o/x"),
        ("unexpected", "r/o/y"),
        ("value", "r/o/sum"),
    ]
    assert errors[2].column == text.index(f"<{p}sum>") + 1


def test_a_value_of_four_hundred_digits_is_not_told_whole() -> None:
    from pipeline.resources import samples, schemas

    text = (samples() / "orders/good/single.xml").read_text("utf-8")
    for digits in ("7" * 400, "7" * 400 + ",50"):
        broken = text.replace("<total>849.00</total>", f"<total>{digits}</total>")
        assert broken != text
        errors = Schema.load(schemas() / "order.xsd").check(parse(broken.encode(), file="x.xml"))
        for error in errors:
            assert "7" * 61 not in f"{error.message} {error.hint}"
        assert digits.isdigit() or errors
