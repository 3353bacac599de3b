"""Orders as CommerceML and back: to the cent, in both encodings and all versions, and what of a file is refused."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import (
    Address,
    Decoded,
    Delivery,
    Discount,
    DocumentDraft,
    Finding,
    FormatContext,
    Held,
    Order,
    OrderLine,
    Party,
    Payment,
    Ref,
    Rejected,
    T,
    order_totals,
)
from plugins.commerceml.order_out import VERSIONS, OrderWriting, charged, document, file_of
from plugins.formats.commerceml import PLUGIN, CommerceML, CommerceMLSettings
from tests.everyday import examples

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WRITING = OrderWriting(KYIV, "UAH", rates={"EUR": Decimal("45.10")})
CONTEXT = FormatContext("demo", KYIV, "UAH", "uk-UA", NOW, "orders.xml", "shop")


def decode(data: bytes, **params: object) -> Decoded:
    return CommerceML().decode(data, CommerceMLSettings.model_validate(params), CONTEXT)


def written(order: Order, *, version: str = "2.08", encoding: str = "utf-8", rounding: Decimal | None = None) -> bytes:
    refs = tuple(Ref(f"id-{n}", line.code, line.name) for n, line in enumerate(order.lines))
    draft = DocumentDraft(key="k", order=order, products=refs, rounding=rounding)
    return file_of([document(draft, f"shop-{order.id}", WRITING)], version=version, encoding=encoding, formed=NOW)


def back(order: Order, **how: str) -> Order:
    (read,) = decode(written(order, **how)).orders  # type: ignore[arg-type]
    assert read.findings == ()
    assert read.order is not None
    return read.order


_TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn", "Co")), min_size=1, max_size=20
).filter(lambda text: text.strip() == text and "\ufffd" not in text and "????" not in text)
_NAMES = st.text("АБВГҐЄІЇабвгґєії'ʼ-", min_size=2, max_size=12).map(lambda word: f"Я{word}")
_MONEY = st.decimals(0, 99999, places=2)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    lines = []
    for n in range(draw(st.integers(1, 6))):
        price = draw(st.decimals(0, 9999, places=draw(st.sampled_from([0, 1, 2, 4]))))
        quantity = draw(st.one_of(st.integers(1, 99).map(Decimal), st.decimals("0.001", 99, places=3)))
        share = draw(st.sampled_from([0, 0, 5, 33, 100]))
        discount = (price * quantity * share / 100).quantize(Decimal("0.01"), "ROUND_DOWN")
        rate = draw(st.sampled_from([None, Decimal(0), Decimal(7), Decimal(20)]))
        name = draw(_NAMES)
        lines.append(
            OrderLine(code=f"A-{n}", name=name, quantity=quantity, price=price, discount=discount, tax_rate=rate)
        )
    off = draw(st.sampled_from([None, Decimal("0.01"), Decimal("20.00"), Decimal("333.33")]))
    order = Order(
        id=draw(st.text(string.ascii_letters + string.digits, min_size=1, max_size=9)),
        number=draw(st.text(string.digits, min_size=1, max_size=9)),
        source="shop",
        created_at=NOW - timedelta(seconds=draw(st.integers(0, 10**8))),
        currency=draw(st.sampled_from(["UAH", "EUR"])),
        customer=Party(
            first_name=draw(_NAMES), last_name=draw(_NAMES), phone="+380671234567", email="o@example.com",
            address=Address(city="Київ", street="вул. Садова & Co", zip="01001"),
        ),
        lines=tuple(lines),
        total=Decimal(0),
        status=draw(st.sampled_from(["new", "cancelled", "в роботі"])),
        delivery=Delivery(cost=draw(_MONEY), method="Нова пошта <1>"),
        payment=Payment(method="Карта", status=draw(st.sampled_from(["paid", "unpaid"])), fee=draw(st.sampled_from(
            [Decimal(0), Decimal("3.50")]))),
        discounts=() if off is None else (Discount(amount=off, code="X"),),
        prices_include_tax=draw(st.booleans()),
        comment=draw(st.sampled_from(["", "Рядок 1\nРядок 2", "🎨 & <b>"])),
    )  # fmt: skip
    return replace(order, total=order_totals(order).total)


@settings(max_examples=examples(150), deadline=None)
@given(orders(), st.sampled_from(VERSIONS), st.sampled_from(["utf-8", "windows-1251"]))
def test_an_order_goes_out_and_comes_back_to_the_cent(order: Order, version: str, encoding: str) -> None:
    read = back(order, version=version, encoding=encoding)
    assert read.total == order.total
    if order.prices_include_tax:
        assert order_totals(read).total == order.total
    else:  # the tax is reckoned from what discounts have left of each line
        assert abs(order_totals(read).total - order.total) <= Decimal("0.02") * (len(order.lines) + 2)
    assert (read.id, read.number, read.currency, read.comment) == (
        f"shop-{order.id}",
        order.number,
        order.currency,
        order.comment,
    )
    assert read.rate == (Decimal("45.10") if order.currency == "EUR" else None)
    # the file has the time of the clock on the wall: of the hour that comes twice in October nobody can tell which
    wall = order.created_at.astimezone(KYIV).replace(microsecond=0, tzinfo=None)
    assert read.created_at.replace(tzinfo=None) == wall
    assert (read.status, read.payment.status, read.payment.method) == (order.status, order.payment.status, "Карта")
    assert [(one.code, one.name, one.quantity, one.tax_rate) for one in read.lines] == [
        (one.code, one.name, one.quantity, one.tax_rate) for one in order.lines
    ]
    assert (read.customer.last_name, read.customer.first_name) == (order.customer.last_name, order.customer.first_name)
    assert (read.customer.phone, read.customer.email) == ("+380671234567", "o@example.com")
    assert read.customer.address.city == "Київ"
    assert read.delivery.method == "Нова пошта <1>"


@settings(max_examples=examples(60), deadline=None)
@given(_TEXTS, st.sampled_from(["utf-8", "windows-1251"]))
def test_any_text_is_kept_in_either_encoding(text: str, encoding: str) -> None:
    order = plain_order(lines=(OrderLine(code="A", name=f"я{text}я", quantity=Decimal(1), price=Decimal(10)),))
    (read,) = decode(written(order, encoding=encoding)).orders
    names = read.order.lines[0].name if read.order else str(read.findings[0].code)
    assert names in (f"я{text}я", "garbled")


def plain_order(**values: object) -> Order:
    given_: dict[str, object] = {
        "id": "1", "number": "1", "source": "shop", "created_at": NOW, "currency": "UAH", "customer": Party(),
        "lines": (OrderLine(code="A", name="Фарба", quantity=Decimal(1), price=Decimal(10)),), "total": Decimal(10),
    }  # fmt: skip
    return Order(**(given_ | values))  # type: ignore[arg-type]


def test_a_rate_is_the_orders_own_and_never_made_up() -> None:
    assert back(plain_order(currency="USD", rate=Decimal("41.5"))).rate == Decimal("41.5")
    assert "<Курс>1</Курс>" in written(plain_order(rate=Decimal("41.5"))).decode(), "the currency of the books"
    with pytest.raises(Held) as caught:
        written(plain_order(currency="USD"))
    assert caught.value.code == "no-rate"
    assert "rates" in str(caught.value.hint)


def test_control_characters_do_not_break_the_file() -> None:
    order = plain_order(comment="a\x00b\x0bc\ufffe", customer=Party(first_name="Іван\x1f", last_name="Ко\x08вальчук"))
    read = back(order)
    assert read.comment == "abc"
    assert read.customer.title == "Ковальчук Іван"


def test_a_buyer_without_a_name_gets_one() -> None:
    assert back(plain_order()).customer.title == "Роздрібний покупець"
    assert "+380671234567" in written(plain_order(customer=Party(phone="+380671234567"))).decode()


def test_a_company_keeps_its_numbers() -> None:
    company = Party(
        kind="company", company="ТОВ «Автофарба»", edrpou="14360570", tax_number="123456789012", phone="+380441234567"
    )
    read = back(plain_order(customer=company)).customer
    assert read == company


def test_another_recipient_comes_back() -> None:
    order = plain_order(
        customer=Party(first_name="Олена", last_name="Шевченко"),
        delivery=Delivery(recipient=Party(first_name="Іван", last_name="Шевченко"), city="Львів", branch="12"),
    )
    read = back(order)
    assert read.delivery.recipient is not None
    assert read.delivery.recipient.title == "Шевченко Іван"
    assert read.delivery.address.text == "Львів, № 12"


def test_parts_that_do_not_make_the_total_are_refused() -> None:
    with pytest.raises(Held):
        written(plain_order(total=Decimal("10.01")))


@pytest.mark.parametrize("off", ["-0.01", "0.01"])
def test_a_cent_of_rounding_stands_on_the_document(off: str) -> None:
    order = plain_order(total=Decimal(10) + Decimal(off))
    (read,) = decode(written(order, rounding=Decimal(off))).orders
    assert read.order is not None
    assert read.order.total == order.total
    assert order_totals(read.order).total == order.total


def test_a_discount_larger_than_the_goods_reduces_the_delivery() -> None:
    order = plain_order(
        discounts=(Discount(amount=Decimal("12.00")),), delivery=Delivery(cost=Decimal(5)), total=Decimal("3.00")
    )
    draft = DocumentDraft(key="k", order=order, products=(Ref("1", "A"),))
    assert (charged(draft).lines, charged(draft).delivery) == ((Decimal("0.00"),), Decimal("3.00"))
    assert order_totals(back(order)).total == Decimal("3.00")


def test_statuses_are_mapped() -> None:
    data = written(plain_order(status="Прийнято"))
    (read,) = decode(data, statuses={"Прийнято": "new"}).orders
    assert read.order is not None
    assert read.order.status == "new"


def test_goods_are_known_by_their_id_where_that_is_asked() -> None:
    (read,) = decode(written(plain_order()), code="id").orders
    assert read.order is not None
    assert read.order.lines[0].code == "id-0"


def test_a_file_of_goods_is_no_order_file() -> None:
    data = "<КоммерческаяИнформация><Каталог><Товары/></Каталог></КоммерческаяИнформация>".encode()
    with pytest.raises(Rejected) as caught:
        decode(data)
    assert caught.value.code == "no-orders"


def test_a_set_of_no_orders_is_whole_and_empty() -> None:
    data = file_of([], version="2.05", encoding="utf-8", formed=NOW)
    assert decode(data).orders == ()
    assert CommerceML().complete(data[-4096:], CommerceMLSettings())


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
def test_an_end_is_seen_and_a_cut_one_too(encoding: str) -> None:
    data = written(plain_order(), encoding=encoding)
    whole = CommerceML()
    params = CommerceMLSettings()
    assert whole.complete(data[-4096:], params)
    assert whole.complete(data.rstrip()[-4096:], params)
    for cut in (1, 5, 30, 200, len(data) // 2):
        assert not whole.complete(data.rstrip()[:-cut][-4096:], params), cut
    assert not whole.complete(b"", params)
    assert whole.complete(b"PK\x03\x04 no xml at all", params)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-16-le"])
def test_utf_16_is_read(codec: str) -> None:
    text = written(plain_order()).decode().replace("UTF-8", "UTF-16")
    data = text.encode(codec)
    (read,) = decode(data).orders
    assert read.order is not None
    assert CommerceML().complete(data[-4096:], CommerceMLSettings())
    assert not CommerceML().complete(data[:-40][-4096:], CommerceMLSettings())


def test_the_same_content_has_the_same_fragment_whatever_its_spelling() -> None:
    one = decode(written(plain_order(), version="2.05")).orders[0].fragment
    other = decode(written(plain_order(), version="2.08", encoding="windows-1251")).orders[0].fragment
    assert one == other


def test_external_entities_are_refused() -> None:
    data = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><КоммерческаяИнформация>&e;</КоммерческаяИнформация>'
    with pytest.raises(Rejected) as caught:
        decode(data.encode())
    assert caught.value.code == "unsafe"


def test_a_letter_has_a_rule_and_an_example_for_every_code_of_such_a_file() -> None:
    root = Path(__file__).parents[2]
    made = re.compile(r'(?:Finding\(\s*|_find\(\s*|code=)"([a-z-]+)"')
    text = "".join(
        path.read_text("utf-8")
        for path in (
            root / "plugins/formats/commerceml.py",
            root / "plugins/commerceml/documents.py",
            root / "plugins/commerceml/words.py",
        )
    )
    codes = set(made.findall(text))
    assert {"no-orders", "twice", "value", "version", "wrong-root"} <= codes
    assert PLUGIN.explain is not None
    for code in codes:
        found = PLUGIN.explain(Finding(code, T("Something.")), PLUGIN.settings(), root, "en")
        assert found is not None, code
        assert len(found.rule.render("uk")) > 20
        assert found.example
