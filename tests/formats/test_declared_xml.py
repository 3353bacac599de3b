"""``xml``: everything of an order by XPath; what cannot be read without guessing holds its order, at its place."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Decoded, DecodedOrder, FormatContext, Order, Rejected, Unread
from plugins.formats.xml_orders import PLUGIN, XmlSettings, unread

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


def test_everything_of_the_model_can_be_mapped() -> None:
    address = {
        "country": "c",
        "region": "r",
        "city": "t",
        "street": "s",
        "house": "h",
        "apartment": "k",
        "zip": "z",
    }
    by = mapping(
        {
            "number": "number",
            "source": "site",
            "source_number": "ref",
            "updated_at": "changed",
            "status": "state",
            "currency": "cur",
            "rate": "rate",
            "subtotal": "subtotal",
            "prices_include_tax": "tax-in",
            "comment": "words",
            "manager_comment": "note",
            "manager": "man",
            "language": "lang",
            "warehouse": "wh",
            "customer": {
                "kind": "buyer/@type",
                "code": "buyer/code",
                "last_name": "buyer/l",
                "first_name": "buyer/f",
                "middle_name": "buyer/m",
                "company": "buyer/firm",
                "edrpou": "buyer/e",
                "tax_number": "buyer/vat",
                "phone": "buyer/t",
                "email": "buyer/mail",
                "address": {name: f"buyer/a/{path}" for name, path in address.items()},
            },
            "delivery": {
                "carrier": "d/car",
                "service": "d/kind",
                "method": "d/how",
                "city": "d/t",
                "city_ref": "d/tr",
                "branch": "d/b",
                "branch_ref": "d/br",
                "tracking": "d/ttn",
                "cost": "d/cost",
                "tax_rate": "d/tax",
                "planned_for": "d/day",
                "recipient": {"name": "d/to", "phone": "d/tel"},
                "address": {"text": "d/addr"},
            },
            "payment": {
                "method": "pay/how",
                "status": "pay/st",
                "paid": "pay/sum",
                "paid_at": "pay/when",
                "transaction": "pay/tid",
                "fee": "pay/fee",
                "tax_rate": "pay/tax",
            },
            "discounts": [{"each": "off", "amount": ".", "code": "@code", "name": "@name"}],
            "taxes": [{"each": "tax", "rate": "@rate", "sum": "@sum"}],
            "extra": {"utm": "utm"},
            "named_extra": {"each": "f", "name": "@n", "value": "."},
        },
        {
            "name": "name",
            "unit": "u",
            "discount": "disc",
            "tax_rate": "tax",
            "barcode": "ean",
            "comment": "words",
            "total": "all",
            "attributes": {"Колір": "color"},
            "named_attributes": {"each": "param", "name": "@name", "value": "."},
            "extra": {"pid": "@id"},
        },
    )
    items = (
        '<i id="1"><sku>0042</sku><name>Ґрунт</name><n>2</n><u>шт</u><p>10.50</p><disc>1</disc><tax>20</tax>'
        "<ean>4820001000375</ean><words>свіжий</words><all>20.00</all><color>сірий</color>"
        '<param name="Об\'єм">0,8 л</param></i>'
    )
    text = f'<shop><o id="7">{HEAD.replace("21.00", "46.5")}{items}{EVERYTHING}</o></shop>'
    text = text.replace("<subtotal>21.00", "<subtotal>20.00")
    (decoded,) = decode(text, by).orders
    order = decoded.order
    assert order is not None, decoded.findings
    assert (order.id, order.number, order.source, order.source_number) == ("7", "N-7", "prom", "M-1")
    assert order.created_at == datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
    assert order.updated_at == datetime(2026, 11, 20, 22, tzinfo=UTC)
    assert (order.status, order.currency, order.rate, order.total) == ("paid", "USD", Decimal("41.5"), Decimal("46.5"))
    assert (order.comment, order.manager_comment) == ("Дзвонити\nпісля 10", "ok")
    assert (order.manager, order.language, order.warehouse) == ("anna", "uk-UA", "main")
    buyer = order.customer
    assert (buyer.kind, buyer.code, buyer.company, buyer.title) == ("company", "77", "ТОВ «А»", "ТОВ «А»")
    assert (buyer.last_name, buyer.first_name, buyer.middle_name) == ("Шевченко", "Олена", "Петрівна")
    assert (buyer.edrpou, buyer.tax_number) == ("32855961", "328559626541")
    assert (buyer.phone, buyer.email) == ("+380671234567", "a@example.com")
    place = buyer.address
    assert (place.country, place.region, place.city, place.street) == ("UA", "Київська", "Київ", "Лесі")
    assert (place.house, place.apartment, place.zip) == ("4", "5", "03115")
    sent = order.delivery
    assert (sent.carrier, sent.service, sent.method, sent.city) == ("nova-poshta", "branch", "НП", "Київ")
    assert (sent.city_ref, sent.branch, sent.branch_ref, sent.tracking) == ("ref1", "5", "ref2", "20450987")
    assert (sent.cost, sent.tax_rate, sent.planned_for) == (Decimal(30), Decimal(20), date(2026, 11, 24))
    assert sent.recipient is not None
    assert (sent.recipient.last_name, sent.recipient.phone) == ("Савченко", "+380631234567")
    assert sent.address.text == "вул. Лесі, 4"
    paid = order.payment
    assert (paid.method, paid.status, paid.paid) == ("card", "partly", Decimal(10))
    assert (paid.transaction, paid.fee, paid.tax_rate) == ("LP-1", Decimal("1.5"), Decimal(20))
    assert paid.paid_at == datetime(2026, 11, 20, 12, 6, tzinfo=UTC)
    assert [(d.amount, d.code, d.name) for d in order.discounts] == [(Decimal(5), "X", "Осінь")]
    assert order.taxes == ((Decimal(20), Decimal("3.5")),)
    assert order.prices_include_tax
    (line,) = order.lines
    assert (line.code, line.name, line.quantity, line.unit) == ("0042", "Ґрунт", Decimal(2), "шт")
    assert (line.price, line.discount, line.tax_rate) == (Decimal("10.50"), Decimal(1), Decimal(20))
    assert (line.barcode, line.comment, line.number, line.source_line) == ("4820001000375", "свіжий", 1, 1)
    assert line.attributes == {"Колір": "сірий", "Об'єм": "0,8 л"}
    assert order.extra == {"utm": "g", "k": "v", "item[1].pid": "1"}
    # each field of the settings is used above: a new one is to be tried here, too
    assert unread(text.encode(), by, CONTEXT) == ()


def test_only_what_must_be_there_is_needed() -> None:
    order = good()
    assert (order.id, order.number, order.source, order.status, order.currency) == ("7", "7", "inbox", "new", "UAH")
    assert (order.customer.title, order.delivery.recipient, order.payment.status) == ("", None, "unpaid")
    assert good(by=mapping(source="prom")).source == "prom"


def test_the_places_of_fields_that_others_find_wrong_are_told() -> None:
    decoded = one()
    assert decoded.line == 2
    assert decoded.places["total"] == ("shop/o/sum", 2, 43)
    assert decoded.places["lines[1].code"] == ("shop/o/i/sku", 2, 62)
    assert decoded.places["currency"] == ("shop/o", 2, 1)


@pytest.mark.parametrize(
    ("inside", "fields", "item", "expected"),
    [
        ("", {"total": "all"}, {}, ("missing", "shop/o", "total is missing: there is nothing at `all`.")),
        (
            "",
            {"customer": {"phone": {"path": ["t", "t2"], "required": True}}},
            {},
            ("missing", "shop/o", "customer / phone is missing: there is nothing at `t`, `t2`."),
        ),
        (
            "<sum>22</sum>",
            {},
            {},
            ("value", "shop/o/sum[2]", "total cannot be read: there are 2 different ones at sum: 21.00, 22."),
        ),
        (
            "<c><d>x</d></c>",
            {"comment": "c"},
            {},
            ("value", "shop/o", "comment cannot be read: `c` is an element that holds others."),
        ),
        (
            "<c>maybe</c>",
            {"prices_include_tax": "c"},
            {},
            (
                "value",
                "shop/o/c",
                "prices include tax cannot be read, maybe: it is neither yes nor no; known are 0, 1, false, true.",
            ),
        ),
        (
            "<c>lost</c>",
            {"delivery": {"service": "c"}},
            {},
            (
                "value",
                "shop/o/c",
                "delivery / service cannot be read, lost: it is none of branch, locker, courier, pickup, other.",
            ),
        ),
        (
            "<c>1,5</c>",
            {"delivery": {"cost": "c"}},
            {},
            ("value", "shop/o/c", "delivery / cost cannot be read, 1,5: it is no number as 1234.56."),
        ),
        (
            "<c>ÐšÐ¸Ñ—Ð²</c>",
            {"comment": "c"},
            {},
            ("garbled", "shop/o/c", "The letters of comment are garbled: ÐšÐ¸Ñ—Ð²; it should say Київ."),
        ),
        ("<c>????</c>", {"comment": "c"}, {}, ("garbled", "shop/o/c", "The letters of comment are lost: ????.")),
        (
            "<c>0</c>",
            {"prices_include_tax": "c"},
            {},
            ("taxes", "shop/o", "The prices are without tax, and the order does not say the tax."),
        ),
        (
            "<c>3</c>",
            {"taxes": [{"rate": "r", "sum": "c"}]},
            {},
            ("taxes", "shop/o", "A tax of 3 is stated, and its rate is not."),
        ),
        (
            "<c>20.99</c><d>22.00</d>",
            {"subtotal": "d"},
            {},
            ("subtotal", "shop/o/d", "The items are said to make 22.00, they make 21.00."),
        ),
        (
            "",
            {"subtotal": "sum * 2.001"},
            {},
            (
                "value",
                "shop/o",
                "sum of the items cannot be read: `sum * 2.001` reckons, and XPath cannot reckon exactly.",
            ),
        ),
        (
            "<c><d/></c>",
            {"discounts": [{"each": "c/d/text() | @id", "amount": "."}]},
            {},
            ("value", "shop/o", "discounts cannot be read: `c/d/text() | @id` gives no elements."),
        ),
    ],
)
def test_what_cannot_be_read_holds_the_order(
    inside: str, fields: dict[str, Any], item: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    code, element, text = expected
    assert told(one(inside, mapping(fields, item))) == [(code, 2, element, text)]


@pytest.mark.parametrize(
    ("item", "by", "expected"),
    [
        (
            "<i><sku>1</sku><n>2</n></i>",
            {},
            ("missing", "shop/o/i", "items / price is missing: there is nothing at `p`."),
        ),
        (
            "<i><sku>1</sku><n>two</n><p>1</p></i>",
            {},
            ("value", "shop/o/i/n", "items / quantity cannot be read, two: it is no number as 1234.56."),
        ),
        (
            "<i><sku>1</sku><n>2</n><p>10.5</p><t>20.98</t></i>",
            {"total": "t"},
            ("line-total", "shop/o/i", "The line states a sum of 20.98, its parts make 21.00."),
        ),
        (
            "<i><sku>1</sku><n>2</n><p>10.5</p><d>5</d><c>10</c></i>",
            {"discount": "d", "discount_percent": "c"},
            ("discount", "shop/o/i", "The line's discount is 5 and also 10 percent, which is 2.10."),
        ),
        (
            "<i><sku>1</sku><n>2</n><p>10.5</p><d>50</d></i>",
            {"discount": "d"},
            ("discount", "shop/o/i", "The line's discount 50 is more than its sum 21.00."),
        ),
        (
            "<i><sku>1</sku><n>9999999999</n><p>99999999</p></i>",
            {},
            ("number", "shop/o/i", "A quantity of 9,999,999,999 at 99,999,999 is no sum of an order."),
        ),
    ],
)
def test_a_wrong_item_is_told_once_with_its_number(
    item: str, by: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    decoded = one(by=mapping({"subtotal": "sum"}, by), items=item)
    code, element, text = expected
    assert told(decoded) == [(code, 2, element, text)]
    assert decoded.findings[0].where.order_line == 1


def test_an_order_without_an_id_is_held_and_its_siblings_are_read() -> None:
    text = f"<shop><o>{HEAD}{ONE_ITEM}</o><o id='8'>{HEAD}{ONE_ITEM}</o></shop>"
    first, second = decode(text, mapping()).orders
    assert [finding.code for finding in first.findings] == ["missing"]
    assert first.findings[0].where.element == "shop/o[1]"
    assert second.order is not None


def test_fall_backs_constants_defaults_and_joins() -> None:
    by = mapping(
        {
            "comment": {"path": ["none", "empty", "c"]},
            "manager": {"value": "anna"},
            "warehouse": {"path": "w", "default": "main"},
            "customer": {"address": {"text": {"path": ["city", "street", "gone", "house"], "join": ", "}}},
            "currency": {"value": "EUR"},
            "delivery": {"cost": {"path": "cost", "default": "12.50"}},
            "extra": {"fixed": "concat(city, '-', house)", "count": "count(i)", "paid": "boolean(paid)"},
        }
    )
    order = good("<empty> </empty><c>так</c><city>Київ</city><street>Лесі</street><house>4</house><cost/>", by)
    assert (order.comment, order.manager, order.warehouse, order.currency) == ("так", "anna", "main", "EUR")
    assert order.customer.address.text == "Київ, Лесі, 4"
    assert order.delivery.cost == Decimal("12.50")
    assert order.extra == {"fixed": "Київ-4", "count": "1", "paid": "false"}


def test_the_same_value_twice_is_one_value() -> None:
    assert good("<sum>21.00</sum>").total == Decimal("21.00")


@pytest.mark.parametrize(
    ("order", "words", "expected"),
    [
        ("last-first", "Шевченко Олена", ("Шевченко", "Олена", "")),
        ("first-last", "Олена Шевченко", ("Шевченко", "Олена", "")),
        ("last-first", "Олена Петрівна Шевченко", ("Шевченко", "Олена", "Петрівна")),
        ("first-last", "Шевченко Олена Петрівна", ("Шевченко", "Олена", "Петрівна")),
        ("first-last", "Ян Марія Коваль", ("Коваль", "Ян", "Марія")),
        ("last-first", "Шевченко", ("Шевченко", "", "")),
        ("first-last", "Шевченко", ("Шевченко", "", "")),
    ],
)
def test_a_full_name_is_divided(order: str, words: str, expected: tuple[str, str, str]) -> None:
    buyer = good(f"<who>{words}</who>", mapping({"customer": {"name": "who", "name_order": order}})).customer
    assert (buyer.last_name, buyer.first_name, buyer.middle_name) == expected


def test_discounts_in_percent_and_discounts_of_nothing() -> None:
    by = mapping({"discounts": [{"percent": "d"}, {"amount": "e"}]})
    assert [one.amount for one in good("<d>10%</d><e>0.00</e>", by).discounts] == [Decimal("2.10")]


def test_a_total_may_be_reckoned_only_when_it_is_said() -> None:
    fields = {name: path for name, path in FIELDS.items() if name != "total"}
    by = XmlSettings.model_validate(
        {
            "order": "/shop/o",
            "items": "i",
            "reckon_total": True,
            "fields": {**fields, "delivery": {"cost": "c"}, "prices_include_tax": {"value": "true"}},
            "item": ITEM,
        }
    )
    assert good("<c>9</c>", by).total == Decimal("30.00")


def test_remarks_of_the_buyer_stop_nothing() -> None:
    text = f"<shop><o id='7'>{HEAD}{ONE_ITEM}<t>12</t></o></shop>"
    decoded = decode(text, mapping({"customer": {"phone": "t"}}))
    assert [(note.code, note.where.element) for note in decoded.notes] == [("phone", "shop/o/t")]
    assert decoded.orders[0].order is not None


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


# --- any order goes through a mapping and comes out as it was ---

# XML has no control characters, surrogates, or two characters at the end of the plane; blanks are tidied
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zs", "Zl", "Zp", "Co", "Cf")), max_size=20
).filter(lambda text: "????" not in text)
MONEY = st.decimals(min_value=0, max_value=10**6, places=2)


@settings(max_examples=60)
@given(
    number=TEXTS.filter(bool),
    comment=TEXTS,
    items=st.lists(st.tuples(TEXTS, st.decimals(min_value=0, max_value=999, places=3), MONEY), min_size=1, max_size=5),
    total=MONEY,
)
def test_an_order_comes_out_as_it_went_in(
    number: str, comment: str, items: list[tuple[str, Decimal, Decimal]], total: Decimal
) -> None:
    rows = "".join(f"<i><sku>{escape(code)}</sku><n>{n}</n><p>{p}</p></i>" for code, n, p in items)
    text = (
        f"<shop><o id='7'><date>2026-11-20</date><sum>{total}</sum><c>{escape(comment)}</c>"
        f"<m>{escape(number)}</m>{rows}</o></shop>"
    )
    decoded = decode(text, mapping({"comment": "c", "number": "m"})).orders[0]
    if any(finding.code == "garbled" for finding in decoded.findings):
        return  # some texts look like letters of another encoding; those are held on purpose
    order = decoded.order
    assert order is not None, decoded.findings
    assert (order.number, order.comment, order.total) == (number, comment, total)
    assert [(line.code, line.quantity, line.price) for line in order.lines] == items
