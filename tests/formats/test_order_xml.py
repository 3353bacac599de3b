"""``order-xml``: every field carried, one bad order held alone, whole files refused, ends of files known."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from pipeline.api import ConfigError, Decoded, DecodedOrder, FormatContext, Order, Rejected, Where, order_totals
from plugins.formats._order_xml import canonical
from plugins.formats.order_xml import NAMESPACE, OrderXml, OrderXmlSettings
from tests.everyday import examples

SAMPLES = Path(__file__).parents[2] / "samples" / "orders"
CUSTOMER = "<customer><last-name>Шевченко</last-name></customer>"
ITEM = "<item><code>0042</code><name>Ґрунт</name><quantity>2</quantity><price>10.50</price></item>"
HEAD = "<id>1</id><number>0001</number><created>2026-11-20T14:05:00</created>"
TAIL = "<currency>UAH</currency><total>21.00</total>"


def context(base: Path = Path()) -> FormatContext:
    return FormatContext(
        client="demo",
        timezone=ZoneInfo("Europe/Kyiv"),
        currency="UAH",
        language="uk-UA",
        now=datetime(2026, 11, 22, tzinfo=UTC),
        file="x.xml",
        base=base,
    )


def decode(data: str | bytes, base: Path = Path(), **settings: Any) -> Decoded:
    raw = data.encode() if isinstance(data, str) else data
    return OrderXml().decode(raw, OrderXmlSettings(**settings), context(base))


def file(*orders: str) -> str:
    return f'<orders xmlns="{NAMESPACE}">' + "".join(f"\n<order>{order}</order>" for order in orders) + "\n</orders>"


def one(inside: str = "", *, items: str = ITEM, head: str = HEAD, tail: str = TAIL, **settings: Any) -> DecodedOrder:
    (order,) = decode(file(f"{head}{CUSTOMER}{inside}<items>{items}</items>{tail}"), **settings).orders
    return order


def good(inside: str = "", **more: Any) -> Order:
    decoded = one(inside, **more)
    assert decoded.findings == ()
    assert decoded.order is not None
    return decoded.order


def codes(decoded: DecodedOrder) -> list[str]:
    assert (decoded.order is None) == bool(decoded.findings)
    return [finding.code for finding in decoded.findings]


def test_every_field_of_the_full_sample_is_carried() -> None:
    (decoded,) = decode((SAMPLES / "good" / "full.xml").read_bytes()).orders
    order = decoded.order
    assert order is not None
    assert (order.id, order.number, order.source, order.source_number) == ("4716", "00004716", "rozetka", "R-778812345")
    assert order.created_at == datetime(2026, 11, 21, 10, 0, 5, tzinfo=UTC)
    assert order.updated_at == datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
    assert (order.status, order.language, order.currency, order.rate) == ("confirmed", "uk-UA", "UAH", Decimal(1))
    assert (order.manager, order.warehouse, order.manager_comment) == ("anna", "main", "Рахунок надіслано")
    assert order.comment == "Під'їзд з двору.\nТелефонувати після 10:00 — вранці наради & перемовини."
    customer = order.customer
    assert (customer.kind, customer.code, customer.title) == ("company", "0100", "ТОВ «Автофарба Плюс»")
    assert (customer.edrpou, customer.tax_number) == ("32855961", "328559626541")
    assert (customer.phone, customer.email) == ("+380442345678", "office@avtofarba.example")
    assert (customer.address.country, customer.address.zip, customer.address.house) == ("UA", "03115", "4")
    delivery = order.delivery
    assert (delivery.carrier, delivery.service, delivery.city) == ("nova-poshta", "branch", "Київ")
    assert delivery.city_ref == "8d5a980d-391c-11dd-90d9-001a92567626"
    assert delivery.branch == "Відділення №5: вул. Зрошувальна, 7"
    assert len(delivery.branch_ref) == 36
    assert delivery.recipient is not None
    assert (delivery.recipient.title, delivery.recipient.phone) == ("Савченко Павло Вікторович", "+380631234567")
    assert (delivery.tracking, delivery.cost, delivery.tax_rate) == ("20450987654321", Decimal("150.00"), Decimal(20))
    assert delivery.planned_for == date(2026, 11, 24)
    assert delivery.method == "Нова Пошта: на відділення"
    payment = order.payment
    assert (payment.method, payment.status, payment.paid) == ("Картка онлайн", "partly", Decimal("1000.00"))
    assert (payment.transaction, payment.fee) == ("LP-2291003399", Decimal("36.55"))
    assert payment.paid_at == datetime(2026, 11, 21, 10, 1, 40, tzinfo=UTC)
    first, second = order.lines
    assert (first.code, first.quantity) == ("E-303-10", Decimal(1))
    assert (first.price, first.discount) == (Decimal("2990.00"), Decimal(90))
    assert (first.unit, first.tax_rate, first.barcode, first.number) == ("шт", Decimal(20), "4820001004441", 1)
    assert first.attributes == {"Об'єм": "10 л", "Колір": "Хакі 303"}
    assert first.comment == "Перевірити дату виготовлення"
    assert (second.code, second.discount, second.sum) == ("0007", Decimal("20.99"), Decimal("1028.41"))
    assert [(d.amount, d.code, d.name) for d in order.discounts] == [(Decimal(100), "ПЛЮС100", "Постійний клієнт")]
    assert order.taxes == ((Decimal(20), Decimal("669.16")),)
    assert (order.payment.tax_rate, order.delivery.tax_rate) == (Decimal(20), Decimal(20))
    assert order.total == Decimal("4014.96")
    assert dict(order.extra) == {
        "status-code": "C",
        "status-name": "Підтверджено",
        "user-id": "152",
        "ip": "203.0.113.7",
        "hash": "9f86d081884c7d65",
        "customer.title": "пані",
        "customer.mobile": "050 123 45 67",
        "customer.fax": "(044) 234-56-79",
        "customer.birthday": "1988-03-09",
        "customer.field.ext_field_1": "Договір №17/2026",
        "delivery.method-id": "3",
        "delivery.time": "1-2 дні",
        "delivery.branch-number": "5",
        "delivery.param.ServiceType": "WarehouseWarehouse",
        "delivery.param.SeatsAmount": "1",
        "delivery.param.Weight": "14.3",
        "payment.method-id": "liqpay",
        "payment.param.acq_id": "414963",
        "payment.param.card": "516875******1234",
        "item[1].product-id": "88",
        "item[1].manufacturer": "Mobihel",
        "item[1].manufacturer-code": "MB-303-10",
        "item[1].category": "Базові емалі",
        "item[1].weight": "12.1",
        "item[1].vendor": "0",
        "item[1].image": "enamel-khaki.png",
        "item[1].basic-price": "3150.00",
        "item[1].field.Термін придатності": "24 місяці",
        "item[2].manufacturer": "Body",
        "field.utm_source": "google",
        "field.gift_wrap": "так",
    }


def test_an_order_of_the_least_elements_has_plain_defaults() -> None:
    order = good(source="my-shop")
    assert (order.source, order.status, order.prices_include_tax) == ("my-shop", "new", True)
    assert order.created_at.utcoffset() == timedelta(hours=2)
    assert good().source == "demo"
    assert order.lines[0].source_line == 2


def test_elements_may_stand_in_any_order() -> None:
    parts = [HEAD, CUSTOMER, f"<items>{ITEM}</items>", TAIL]
    for turn in range(4):
        (order,) = decode(file("".join(parts[turn:] + parts[:turn]))).orders
        assert order.order is not None


def test_a_bad_order_is_held_and_the_others_are_read() -> None:
    body = f"{CUSTOMER}<items>{ITEM}</items>{TAIL}"
    decoded = decode(
        file(HEAD + body, "<id>77</id><number>0077</number><created>yesterday</created>" + body, HEAD + body)
    )
    assert [order.order is None for order in decoded.orders] == [False, True, False]
    bad = decoded.orders[1]
    assert (bad.id, bad.number, bad.line, bad.source) == ("77", "0077", 3, "demo")
    assert bad.findings[0].code == "xsd-value"
    assert bad.findings[0].where == Where("x.xml", 3, 40, "orders/order[2]/created", "77")
    assert b"yesterday" in bad.fragment


def test_the_same_order_twice_in_a_file_comes_twice() -> None:
    body = HEAD + CUSTOMER + f"<items>{ITEM}</items>" + TAIL
    first, second = decode(file(body, body)).orders
    assert first.fragment == second.fragment
    assert first.id == second.id


@pytest.mark.parametrize(
    "data",
    [
        '<orders xmlns="urn:mistok:order:1"/>',
        "<orders/>",
        file(HEAD).replace("</orders>", "<extra/></orders>"),
        file(HEAD).replace("<order>", "text<order>", 1),
        '<orders xmlns="urn:mistok:order:1" unknown="1"><order/></orders>',
    ],
)
def test_a_mistake_outside_of_orders_rejects_the_file(data: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(data)
    assert all(finding.code.startswith("xsd-") for finding in refused.value.findings)


def test_a_file_with_more_mistakes_than_are_listed_is_rejected_whole() -> None:
    bad = HEAD + CUSTOMER + f"<items>{ITEM.replace('10.50', 'x')}</items>" + TAIL
    with pytest.raises(Rejected) as refused:
        decode(file(*[bad] * 300))
    assert len(refused.value.findings) == 200
    assert sum(order.order is None for order in decode(file(*[bad] * 150)).orders) == 150


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("<orders xmlns='urn:mistok:order:2'/>", "version"),
        ("<order/>", "wrong-root"),
        ("<html><body/></html>", "wrong-root"),
        ("<orders xmlns='urn:other'/>", "wrong-root"),
    ],
)
def test_another_vocabulary_is_rejected(data: str, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(data)
    assert [finding.code for finding in refused.value.findings] == [code]


def test_the_fragment_is_the_same_however_the_file_is_laid_out() -> None:
    import re

    body = HEAD + CUSTOMER + f"<items>{ITEM}</items>" + TAIL
    plain = decode(file(body)).orders[0].fragment
    pretty = file(body).replace("><", ">\n   <").replace("<items>", "<!-- here --><items>")
    bare = f"<orders><order>{body}</order></orders>"
    prefixed = re.sub(r"<(/?)(\w)", r"<\1m:\2", f"<orders><order>{body}</order></orders>")
    prefixed = prefixed.replace("<m:orders>", f'<m:orders xmlns:m="{NAMESPACE}">')
    for other in (
        pretty,
        bare,
        prefixed,
        f'<?xml version="1.0" encoding="windows-1251"?>{file(body)}'.encode("cp1251"),
    ):
        assert decode(other).orders[0].fragment == plain
    assert decode(file(body.replace("21.00", "22.00"))).orders[0].fragment != plain


# --- what the schema cannot say ---


@pytest.mark.parametrize(
    ("inside", "more", "code"),
    [
        ("<draft>true</draft>", {}, "draft"),
        ("<subtotal>20.00</subtotal>", {}, "subtotal"),
        ("<prices-include-tax>false</prices-include-tax>", {}, "taxes"),
        ("<modified>2026-02-30T10:00:00</modified>", {}, "value"),
        ("<comment>Ð¿Ñ\u0080Ð¸Ð²Ñ\u0096Ñ\u0082</comment>", {}, "garbled"),
        ("", {"items": ITEM.replace("</item>", "<total>20.00</total></item>")}, "line-total"),
        ("", {"items": ITEM.replace("</item>", "<discount>22</discount></item>")}, "discount"),
        (
            "",
            {"items": ITEM.replace("</item>", "<discount>5</discount><discount-percent>5</discount-percent></item>")},
            "discount",
        ),
    ],
)
def test_what_the_schema_cannot_say_holds_the_order(inside: str, more: dict[str, str], code: str) -> None:
    decoded = one(inside, **more)
    assert codes(decoded) == [code]
    assert decoded.findings[0].where.line == 2
    assert decoded.findings[0].hint


def test_a_difference_of_one_cent_is_no_difference() -> None:
    assert good("<subtotal>21.01</subtotal>").total == Decimal("21.00")


def test_line_discounts() -> None:
    by_percent = ITEM.replace("</item>", "<discount-percent>2.5</discount-percent></item>")
    assert good(items=by_percent).lines[0].discount == Decimal("0.53")  # 0.525 rounded half up
    both = ITEM.replace("</item>", "<discount>0.53</discount><discount-percent>2.5</discount-percent></item>")
    assert good(items=both).lines[0].sum == Decimal("20.47")


def test_gifts_and_twins_stay() -> None:
    lines = good(items=ITEM + ITEM.replace("10.50", "9.00") + ITEM.replace("10.50", "0")).lines
    assert [(line.code, line.price, line.number) for line in lines] == [
        ("0042", Decimal("10.50"), 1),
        ("0042", Decimal("9.00"), 2),
        ("0042", Decimal(0), 3),
    ]


def test_an_order_without_items_is_read_for_the_step_to_judge() -> None:
    assert good(items="").lines == ()


@pytest.mark.parametrize(
    ("payment", "status"),
    [
        ("<paid>21.00</paid>", "paid"),
        ("<paid>20.00</paid>", "partly"),
        ("<paid>0</paid>", "unpaid"),
        ("", "unpaid"),
        ("<paid>21.00</paid><status>unpaid</status>", "unpaid"),
    ],
)
def test_whether_it_is_paid(payment: str, status: str) -> None:
    assert good(f"<payment>{payment}</payment>").payment.status == status


@pytest.mark.parametrize(
    ("params", "service", "branch"),
    [
        ({"ServiceType": "WarehouseWarehouse", "WarehouseName": "Відділення №3"}, "branch", "Відділення №3"),
        ({"WarehouseDescription": "Поштомат «Нова Пошта» №36120"}, "locker", "Поштомат «Нова Пошта» №36120"),
        ({"Warehouse": "Отделение №3: ул. Киевская, 1"}, "branch", "Отделение №3: ул. Киевская, 1"),
        ({"ServiceType": "WarehouseDoors"}, "courier", ""),
        ({"comment": "x"}, "", ""),
    ],
)
def test_nova_poshta_as_plug_ins_send_it(params: dict[str, str], service: str, branch: str) -> None:
    inside = "".join(f'<param name="{name}">{value}</param>' for name, value in params.items())
    refs = '<param name="CityRef">c-1</param><param name="CityDescription">Житомир</param>'
    delivery = good(f"<delivery><params>{inside}{refs}</params></delivery>").delivery
    assert (delivery.service, delivery.branch) == (service, branch)
    assert (delivery.city, delivery.city_ref) == ("Житомир", "c-1")


def test_remarks_on_parties_stop_nothing() -> None:
    body = HEAD + CUSTOMER.replace("</customer>", "<phone>12</phone><edrpou>14360571</edrpou></customer>")
    decoded = decode(file(body + f"<items>{ITEM}</items>" + TAIL))
    assert decoded.orders[0].order is not None
    assert [(note.code, note.where.order, note.where.line) for note in decoded.notes] == [
        ("phone", "1", 2),
        ("edrpou", "1", 2),
    ]


@given(
    st.lists(
        st.tuples(
            st.decimals(0, 100_000, places=4, allow_nan=False),
            st.decimals(Decimal("0.0001"), 1000, places=4, allow_nan=False),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_amounts_come_through_to_the_last_digit(pairs: list[tuple[Decimal, Decimal]]) -> None:
    items = "".join(
        ITEM.replace("10.50", f"{price:f}").replace("<quantity>2<", f"<quantity>{quantity:f}<")
        for price, quantity in pairs
    )
    lines = good(items=items).lines
    assert [(line.price, line.quantity) for line in lines] == pairs


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd\ufffe\uffff"), min_size=1
    )
)
def test_texts_come_through_but_for_white_space(text: str) -> None:
    from xml.sax.saxutils import escape

    decoded = one(f"<manager>{escape(text)}</manager>")
    if len(" ".join(text.split())) > 500 or decoded.findings:
        assert codes(decoded)[0] in {"xsd-value", "garbled"}
    else:
        assert decoded.order is not None
        assert decoded.order.manager == " ".join(text.split())


# --- settings ---


def test_a_schema_of_ones_own_is_checked_instead(tmp_path: Path) -> None:
    from pipeline.api import schemas

    own = (schemas() / "order.xsd").read_text(encoding="utf-8")
    own = own.replace('name="phone" type="Line" minOccurs="0"', 'name="phone" type="Code"')
    (tmp_path / "own.xsd").write_text(own, encoding="utf-8")
    data = file(HEAD + CUSTOMER + f"<items>{ITEM}</items>" + TAIL)
    assert decode(data).orders[0].findings == ()
    (order,) = decode(data, tmp_path, xsd="own.xsd").orders
    assert [str(finding.text) for finding in order.findings] == ["<customer> lacks <phone>."]
    with pytest.raises(ConfigError):
        decode(data, tmp_path, xsd="missing.xsd")


def test_a_lax_schema_of_ones_own_never_lets_a_guess_through(tmp_path: Path) -> None:
    (tmp_path / "lax.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:mistok:order:1">'
        '<xs:element name="orders"/></xs:schema>',
        encoding="utf-8",
    )
    (order,) = decode(file("<id>1</id><items><item><price>1,5</price></item></items>"), tmp_path, xsd="lax.xsd").orders
    assert order.order is None
    assert {finding.code for finding in order.findings} == {"value"}


def test_unknown_encodings_are_mistakes_of_the_config() -> None:
    for wrong in ("klingon", "utf-7", "zip"):
        with pytest.raises(ValidationError):
            OrderXmlSettings(encoding=wrong)


# --- the end of a file (F10) ---


@pytest.mark.parametrize(
    ("tail", "whole"),
    [
        (b"<orders><order/></orders>", True),
        (b"x</order>\n</orders>\r\n \n", True),
        (b"</m:orders>", True),
        (b"</orders ><!-- bye -->\n<?end?>", True),
        (b"<orders/>", True),
        ("<orders>і</orders>\n".encode("utf-16-le"), True),
        ("<orders>і</orders>\n".encode("utf-16-be"), True),
        (b"", False),
        (b"  \n", False),
        (b"<orders><order>", False),
        (b"<orders><order></order>", False),
        (b"<orders><order></order></order", False),
        (b"</orders", False),
        (b"<orders>x</orders></orders><order>", False),
        (b'<?xml version="1.0"?>', False),
        (b"<orders><!-- </orders>", True),  # looks whole; the parser then refuses it as cut
        (b"<html></html>", True),
        (b"this is no XML", True),
        (b"\xff\xd8\xff\xe0 JFIF", True),
        (b"x" * 4096, False),
    ],
)
def test_whether_a_file_is_whole(tail: bytes, whole: bool) -> None:
    assert OrderXml().complete(tail, OrderXmlSettings()) is whole


def test_no_cut_of_a_sample_looks_whole() -> None:
    for name in ("three-orders.xml", "windows-1251.xml", "utf16.xml"):
        data = (SAMPLES / "good" / name).read_bytes()
        settings = OrderXmlSettings()
        assert OrderXml().complete(data[-4096:], settings)
        end = len(data.rstrip(b"\n\0"))
        step = 1 if name != "utf16.xml" else 2
        for length in range(end - step, 0, -7):
            assert not OrderXml().complete(data[:length][-4096:], settings), (name, length)


@pytest.mark.parametrize(
    ("wrong", "element"),
    [
        (ITEM.replace("10.50", "99999999999999"), "orders/order[2]/items/item/price"),
        (ITEM.replace(">2<", ">99999999999999<"), "orders/order[2]/items/item/quantity"),
        (
            ITEM.replace("10.50", "9999999999.9999").replace(">2<", ">99999999.9999<"),
            "orders/order[2]/items/item/quantity",
        ),
        (ITEM.replace("10.50", "1." + "0" * 10000), "orders/order[2]/items/item/price"),
    ],
)
def test_numbers_that_no_order_has_hold_theirs_alone_and_name_their_place(wrong: str, element: str) -> None:
    orders = [f"{HEAD}{CUSTOMER}<items>\n{items}</items>{TAIL}" for items in (ITEM, wrong)]
    first, second = decode(file(*orders)).orders
    assert first.order is not None
    assert second.order is None
    (finding,) = second.findings
    assert (finding.where.line, finding.where.element) == (5, element)
    assert finding.hint is not None


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-14:00", "0000-01-01 00:00"])
def test_a_moment_that_no_clock_can_turn_to_utc_holds_the_order(moment: str) -> None:
    assert codes(one(head=HEAD.replace("2026-11-20T14:05:00", moment))) == ["value"]
    assert codes(one(f"<modified>{moment}</modified>")) == ["value"]


def test_sums_finer_than_a_cent_agree_rounded_at_the_end_or_at_each_line() -> None:
    five = "<item><code>1</code><name>n</name><quantity>1</quantity><price>33.335</price></item>" * 5
    for subtotal in ("166.675", "166.68", "166.70"):
        assert good(f"<subtotal>{subtotal}</subtotal>", items=five).lines[0].sum == Decimal("33.34")
    assert codes(one("<subtotal>166.60</subtotal>", items=five)) == ["subtotal"]


def test_an_address_in_one_line_is_kept_beside_its_parts() -> None:
    (decoded,) = decode((SAMPLES / "good" / "full.xml").read_bytes()).orders
    assert decoded.order is not None
    address = decoded.order.customer.address
    assert (address.street, address.text) == ("вул. Велика Кільцева", "м. Київ, вул. Велика Кільцева, 4, оф. 12")


MUTABLE = [path.read_bytes() for folder in ("good", "bad") for path in sorted((SAMPLES / folder).glob("*.xml"))]
PIECES = st.sampled_from(
    [
        *(b"", b"<", b"/>", b"&", b"0", b"9" * 60, b"-", b"+", b".", b"e5", b"NaN", b"INF", b"\x00", b"\xff"),
        *(b"<item>", b"</items>", b"<order/>", b"<!-- x -->", b"<?x?>", b"<![CDATA[x]]>", b" ", b"\n", "Їґ".encode()),
        *(b"0001-01-01", b"9999-12-31T23:59:59-14:00", b"true", b"UAH", b'xmlns="x"', b"<a:b xmlns:a='q'/>"),
        b"\xef\xbb\xbf",
    ]
)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from(MUTABLE), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=4)
)
def test_of_a_broken_file_only_rejected_comes_out(data: bytes, changes: list[tuple[float, int, bytes]]) -> None:
    for at, length, piece in changes:
        start = int(at * len(data))
        data = data[:start] + piece + data[start + length :]
    check_usable(data)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.sampled_from(MUTABLE),
    st.lists(st.tuples(st.integers(0, 10**6), PIECES | st.text(max_size=20).map(str.encode)), min_size=1, max_size=4),
)
def test_of_a_file_with_broken_values_only_rejected_comes_out(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    for n, piece in changes:
        values = list(re.finditer(rb">([^<>]+)</", data))
        if values:
            start, end = values[n % len(values)].span(1)
            data = data[:start] + piece + data[end:]
    check_usable(data)


def check_usable(data: bytes) -> None:
    """Refused, or what was read can be reckoned and stored."""
    try:
        decoded = decode(data)
    except Rejected:
        return
    for found in decoded.orders:
        assert (found.order is None) == bool(found.findings)
        if found.order is not None:
            assert order_totals(found.order).total >= 0
            found.order.created_at.astimezone(UTC)


_BLANK = st.text(" \t\n\u00a0\u2003", max_size=3)
_WORDS = st.text(st.sampled_from("aж <>&\"'\r\n\t\u00a0"), max_size=5)


@st.composite
def _elements(draw: st.DrawFn, depth: int = 0) -> Any:
    """A tree with blanks in all places, and with signs that look like tags."""
    made = etree.Element(f"{{{NAMESPACE}}}" + draw(st.sampled_from(["a", "b-c"])), nsmap={None: NAMESPACE})
    made.text, made.tail = draw(_BLANK | _WORDS), draw(_BLANK | _WORDS)
    for name in draw(st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2)):
        made.set(name, draw(_WORDS))
    if depth < 3:
        made.extend(draw(st.lists(_elements(depth + 1), max_size=3)))
    return made


@given(_elements())
def test_an_orders_canonical_bytes_are_those_of_its_tree(element: Any) -> None:
    """An order is known again by them: they are made from text, and must be what the tree without its blanks says."""
    made = canonical(element, f"{{{NAMESPACE}}}")
    bare = deepcopy(element)
    for node in bare.iter():
        node.tag = etree.QName(node).localname
        if len(node) and not (node.text or "").strip():
            node.text = None
        if node is not bare and not (node.tail or "").strip():
            node.tail = None
    etree.cleanup_namespaces(bare)
    assert made == etree.tostring(bare, method="c14n", exclusive=True, with_comments=False, with_tail=False)
    assert canonical(bare) == made


def test_lines_are_those_where_tags_begin() -> None:
    """Also where a tag goes over several lines, and where lines end in a carriage return alone."""
    plain = file(f"{HEAD}{CUSTOMER}<items>\n{ITEM}\n{ITEM}</items>{TAIL}")
    for text in (plain, plain.replace("<order>", "<order\n>", 1), plain.replace("\n", "\r")):
        (order,) = decode(text).orders
        assert order.order is not None
        assert order.line == 2
        shift = text.count("<order\n")
        assert [line.source_line for line in order.order.lines] == [3 + shift, 4 + shift]


def test_places_of_fields_are_told_afterwards() -> None:
    """They are worked out from the file's text when a step asks for them."""
    text = file(f"{HEAD}{CUSTOMER}<items>{ITEM}</items>{TAIL}", f"{HEAD}<items>\n{ITEM}</items>")
    first, second = decode(text).orders
    assert first.places["total"] == ("orders/order[1]/total", 2, text.splitlines()[1].index("<total>") + 1)
    assert second.places["lines[1].code"][:2] == ("orders/order[2]/items/item/code", 4)
    assert second.places["currency"][:2] == ("orders/order[2]", 3)
    assert "lines[2].code" not in first.places
    assert len(first.places) == 6
