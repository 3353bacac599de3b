"""Mappings of a declared XML format, made for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Decoded, DecodedOrder, FormatContext, Order
from plugins.formats.xml_orders import PLUGIN, XmlSettings

CONTEXT = FormatContext(
    client="demo",
    timezone=ZoneInfo("Europe/Kyiv"),
    currency="UAH",
    language="uk-UA",
    now=datetime(2026, 11, 28, tzinfo=UTC),
    file="x.xml",
    source="inbox",
)
FIELDS: dict[str, Any] = {"id": "@id", "created_at": "date", "total": "sum"}
ITEM: dict[str, Any] = {"code": "sku", "quantity": "n", "price": "p"}
HEAD = "<date>2026-11-20T14:05:00</date><sum>21.00</sum>"
ONE_ITEM = "<i><sku>0042</sku><n>2</n><p>10.50</p></i>"


def mapping(fields: dict[str, Any] | None = None, item: dict[str, Any] | None = None, **more: Any) -> XmlSettings:
    return XmlSettings.model_validate(
        {
            "order": "/shop/o",
            "items": "i",
            **more,
            "fields": {**FIELDS, **(fields or {})},
            "item": {**ITEM, **(item or {})},
        }
    )


def decode(text: str | bytes, by: XmlSettings) -> Decoded:
    decoded = PLUGIN.format.decode(text if isinstance(text, bytes) else text.encode(), by, CONTEXT)  # type: ignore[union-attr]
    assert isinstance(decoded, Decoded)
    return decoded


def one(inside: str = "", by: XmlSettings | None = None, *, head: str = HEAD, items: str = ONE_ITEM) -> DecodedOrder:
    (order,) = decode(f'<shop>\n<o id="7">{head}{items}{inside}</o></shop>', by or mapping()).orders
    return order


def good(inside: str = "", by: XmlSettings | None = None, **more: str) -> Order:
    decoded = one(inside, by, **more)
    assert decoded.findings == ()
    assert decoded.order is not None
    return decoded.order


def told(decoded: DecodedOrder) -> list[tuple[str, int | None, str | None, str]]:
    assert decoded.order is None
    return [
        (one.code, one.where.line, one.where.element, one.text.render("en"))
        for one in decoded.findings
        if one.where.file == "x.xml" and one.where.order in ("7", None) and one.hint is not None
    ]


EVERYTHING = """
<number>N-7</number><site>prom</site><ref>M-1</ref><changed>2026-11-21</changed><state>paid</state><cur>usd</cur>
<rate>41.5</rate><subtotal>21.00</subtotal><tax-in>true</tax-in><words>Дзвонити
 після 10</words><note>ok</note>
<man>anna</man><lang>uk_UA</lang><wh>main</wh>
<buyer type="company"><code>77</code><l>Шевченко</l><f>Олена</f><m>Петрівна</m><firm>ТОВ «А»</firm><e>32855961</e>
<vat>328559626541</vat><t>067 123 45 67</t><mail>A@EXAMPLE.com</mail>
<a><c>ua</c><r>Київська</r><t>Київ</t><s>Лесі</s><h>4</h><k>5</k><z>03115</z></a></buyer>
<d><car>nova-poshta</car><kind>branch</kind><how>НП</how><t>Київ</t><tr>ref1</tr><b>5</b><br>ref2</br>
<ttn>2045 0987</ttn><cost>30</cost><tax>20</tax><day>2026-11-24</day>
<to>Савченко Павло</to><tel>0631234567</tel><addr>вул. Лесі, 4</addr></d>
<pay><how>card</how><st>partly</st><sum>10</sum><when>2026-11-20T14:06:00</when>
<tid>LP-1</tid><fee>1.5</fee><tax>20</tax></pay>
<off code="X" name="Осінь">5</off><tax rate="20" sum="3.5"/><utm>g</utm><f n="k">v</f>
"""
