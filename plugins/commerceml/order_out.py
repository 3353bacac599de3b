"""An order as a ``Документ``, and files of documents. Pure.

The document is such as shops' modules write it for 1C: ``Роль`` is the shop's own, delivery and the payment's fee are
lines of services, discounts are spread over the lines to the cent and named on them with ``УчтеноВСумме``. Elements
stand in the order of the schema of 2.09, where a sequence is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Address, DocumentDraft, Held, Order, Party, Ref, T, cents, order_totals, rate_of, spread
from plugins.commerceml.words import NAMESPACE, ROOT, clean

ZERO = Decimal(0)
VERSIONS = ("2.03", "2.04", "2.05", "2.06", "2.07", "2.08", "2.09", "2.10")
ENCODINGS = {"utf-8": "UTF-8", "windows-1251": "windows-1251"}


@dataclass(frozen=True, slots=True)
class OrderWriting:
    """How documents are written."""

    zone: ZoneInfo
    currency: str  #: that the accounting program keeps its books in
    delivery_id: str = "ORDER_DELIVERY"
    delivery_name: str = "Доставка"
    fee_id: str = "ORDER_FEE"
    fee_name: str = "Комісія за оплату"
    nameless: str = "Роздрібний покупець"  #: a buyer who left no name
    currencies: Mapping[str, str] = field(default_factory=dict)  #: ISO code -> as the accounting program says it
    statuses: Mapping[str, str] = field(default_factory=dict)  #: ours -> the words for the accounting program
    rates: Mapping[str, Decimal] = field(default_factory=dict)  #: of orders that state none, by ISO code


@dataclass(frozen=True, slots=True)
class Charged:
    """What a document comes to, in cents: its lines after all discounts, delivery and fee; tax on top of them."""

    lines: tuple[Decimal, ...]
    delivery: Decimal
    fee: Decimal
    rounding: Decimal
    total: Decimal
    taxes: tuple[tuple[Decimal, Decimal], ...] = ()  #: (rate, sum), where prices are without


def charged(draft: DocumentDraft) -> Charged:
    """The sums of a draft. Raises Held where its parts do not make the stated total."""
    order, totals = draft.order, order_totals(draft.order)
    rounding = draft.rounding or ZERO
    if totals.total + rounding != cents(order.total):
        raise Held(
            T("Order {number} says {stated}, its parts make {made}.", number=order.number, stated=cents(order.total),
              made=totals.total + rounding),
            code="totals",
        )  # fmt: skip
    within = min(totals.discount, sum((max(one, ZERO) for one in totals.line_sums), ZERO))
    shares = spread(within, [max(one, ZERO) for one in totals.line_sums])
    rest = spread(totals.discount - within, [max(totals.delivery, ZERO), max(totals.fee, ZERO)])
    return Charged(
        lines=tuple(one - share for one, share in zip(totals.line_sums, shares, strict=True)),
        delivery=totals.delivery - rest[0],
        fee=totals.fee - rest[1],
        rounding=rounding,
        total=cents(order.total),
        taxes=() if order.prices_include_tax else tuple((one.rate, one.tax) for one in totals.taxes),
    )


def document(draft: DocumentDraft, own: str, writing: OrderWriting, *, status: str | None = None) -> str:
    """The document of an order as XML without a namespace. ``status`` in place of the order's.

    Raises Held (totals, no-rate).
    """
    sums, order = charged(draft), draft.order
    rate = rate_of(order, writing.currency, writing.rates, "rates")
    made = order.created_at.astimezone(writing.zone)
    doc = put_element(None, "Документ")
    put_element(doc, "Ид", own)
    put_element(doc, "Номер", order.number)
    put_element(doc, "Дата", made.strftime("%Y-%m-%d"))
    put_element(doc, "ХозОперация", "Заказ товара")
    put_element(doc, "Роль", "Продавец")
    put_element(doc, "Валюта", writing.currencies.get(order.currency, order.currency))
    put_element(doc, "Курс", _plain(rate))
    put_element(doc, "Сумма", _money(sums.total))
    parties = put_element(doc, "Контрагенты")
    buyer = _party(order, order.customer, draft.client, writing)
    parties.append(buyer)
    put_element(buyer, "Роль", "Покупатель")
    if (other := order.delivery.recipient) is not None and other.title and other.title != order.customer.title:
        recipient = _party(order, other, None, writing)
        put_element(recipient, "Роль", "Получатель")
        parties.append(recipient)
    _payments(doc, order)
    put_element(doc, "Время", made.strftime("%H:%M:%S"))
    notes = [order.comment, draft.comment, order.manager_comment]
    if comment := "\n".join(dict.fromkeys(note.strip() for note in notes if note.strip())):
        put_element(doc, "Комментарий", comment)
    if sums.taxes:
        taxes = put_element(doc, "Налоги")
        for rate, tax in sums.taxes:
            one = put_element(taxes, "Налог")
            put_element(one, "Наименование", "НДС")
            put_element(one, "УчтеноВСумме", "false")
            put_element(one, "Сумма", _money(tax))
            put_element(one, "Ставка", _plain(rate))
    if sums.rounding:
        kind, inner = ("Скидки", "Скидка") if sums.rounding < 0 else ("ДопРасходы", "ДопРасход")
        one = put_element(put_element(doc, kind), inner)
        put_element(one, "Наименование", "Округление")
        put_element(one, "Сумма", _money(abs(sums.rounding)))
        put_element(one, "УчтеноВСумме", "true")
    if draft.warehouse is not None:
        place = put_element(put_element(doc, "Склады"), "Склад")
        put_element(place, "Ид", draft.warehouse.id)
        put_element(place, "Наименование", draft.warehouse.name or draft.warehouse.code)
    goods = put_element(doc, "Товары")
    for line, ref, net in zip(order.lines, draft.products, sums.lines, strict=True):
        good = _line(goods, ref.id, line.name, line.price, line.quantity, net, line.unit, line.tax_rate, "Товар")
        if code := ref.code or line.code:
            put_element(good, "Артикул", code, after="Ид")
        if line.attributes:
            several = put_element(good, "ХарактеристикиТовара", after="БазоваяЕдиница")
            for name, value in line.attributes.items():
                one = put_element(several, "ХарактеристикаТовара")
                put_element(one, "Наименование", name)
                put_element(one, "Значение", value)
    service = draft.delivery
    services: tuple[tuple[str, str, Decimal, Decimal | None], ...] = (
        (service.id if service else writing.delivery_id, service.name if service else writing.delivery_name,
         sums.delivery, order.delivery.tax_rate),
        (writing.fee_id, writing.fee_name, sums.fee, order.payment.tax_rate),
    )  # fmt: skip
    for own_id, name, sum_, percent in services:
        if sum_:
            _line(goods, own_id, name or own_id, sum_, Decimal(1), sum_, "", percent, "Услуга")
    _requisites(doc, _told(draft, writing, status))
    return xml_of(doc)


def state_document(own: str, number: str, day: datetime, told: Mapping[str, str]) -> str:
    """What an accounting program tells a shop of an order: requisites, and neither goods nor sums."""
    doc = put_element(None, "Документ")
    put_element(doc, "Ид", own)
    put_element(doc, "Номер", number or own)
    put_element(doc, "Дата", day.strftime("%Y-%m-%d"))
    put_element(doc, "ХозОперация", "Заказ товара")
    put_element(doc, "Роль", "Продавец")
    put_element(doc, "Время", day.strftime("%H:%M:%S"))
    _requisites(doc, told)
    return xml_of(doc)


def set_requisites(body: str, told: Mapping[str, str]) -> str:
    """A document with other values of some requisites; those that it lacks are added."""
    from lxml import etree

    doc = etree.fromstring(body)
    inner = doc.find("ЗначенияРеквизитов")
    inner = put_element(doc, "ЗначенияРеквизитов") if inner is None else inner
    left = dict(told)
    for one in inner.iterchildren("ЗначениеРеквизита"):
        name = one.findtext("Наименование") or ""
        if name in left:
            values = one.findall("Значение") or [put_element(one, "Значение")]
            values[0].text = clean(left.pop(name))
            for other in values[1:]:
                one.remove(other)
    for name, value in left.items():
        one = put_element(inner, "ЗначениеРеквизита")
        put_element(one, "Наименование", name)
        put_element(one, "Значение", value)
    return xml_of(doc)


def canonical(element: Any) -> bytes:
    """The element's own bytes in canonical form (C14N), white space between elements left out."""
    from lxml import etree

    for node in element.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if node is not element and not (node.tail or "").strip():
            node.tail = None
    return bytes(etree.tostring(element, method="c14n", exclusive=True, with_comments=False, with_tail=False))


def file_of(parts: Iterable[str], *, version: str, encoding: str, formed: datetime) -> bytes:
    """A whole file of documents (or of other parts). What an encoding lacks is written as a character's number."""
    head = f'<?xml version="1.0" encoding="{ENCODINGS[encoding]}"?>\n'
    space = f' xmlns="{NAMESPACE}"' if version >= "2.07" else ""
    stamp = formed.strftime("%Y-%m-%dT%H:%M:%S")
    body = "\n".join(parts)
    text = f'{head}<{ROOT}{space} ВерсияСхемы="{version}" ДатаФормирования="{stamp}">\n{body}\n</{ROOT}>\n'
    return text.encode("cp1251" if encoding == "windows-1251" else "utf-8", "xmlcharrefreplace")


# --- parts -----------------------------------------------------------------------------------------------------------


def _line(
    goods: Any, own: str, name: str, price: Decimal, quantity: Decimal, net: Decimal, unit: str, rate: Decimal | None,
    kind: str,
) -> Any:  # fmt: skip
    good = put_element(goods, "Товар")
    put_element(good, "Ид", own)
    put_element(good, "Наименование", name)
    base = put_element(good, "БазоваяЕдиница", unit or "шт")
    if (unit or "шт") in ("шт", "шт."):
        base.set("Код", "796")
        base.set("НаименованиеПолное", "Штука")
        base.set("МеждународноеСокращение", "PCE")
    if rate is not None:
        one = put_element(put_element(good, "СтавкиНалогов"), "СтавкаНалога")
        put_element(one, "Наименование", "НДС")
        put_element(one, "Ставка", _plain(rate))
    _requisites(good, {"ВидНоменклатуры": kind, "ТипНоменклатуры": kind})
    put_element(good, "ЦенаЗаЕдиницу", _money(price))
    put_element(good, "Количество", _plain(quantity))
    put_element(good, "Сумма", _money(net))
    put_element(good, "Единица", unit or "шт")
    put_element(good, "Коэффициент", "1")
    off = cents(price * quantity) - net
    if off > 0:
        one = put_element(put_element(good, "Скидки"), "Скидка")
        put_element(one, "Наименование", "Знижка")
        put_element(one, "Сумма", _money(off))
        put_element(one, "УчтеноВСумме", "true")
    return good


def _party(order: Order, party: Party, ref: Ref | None, writing: OrderWriting) -> Any:
    name = (ref.name if ref else "") or party.title or party.phone or party.email or writing.nameless
    own = ref.id if ref else party.code or f"{order.source}#{party.edrpou or party.phone or party.email or order.id}"
    one = put_element(None, "Контрагент")
    put_element(one, "Ид", own)
    put_element(one, "Наименование", name)
    if party.kind == "company" or party.company:
        put_element(one, "ОфициальноеНаименование", party.company or name)
        _place(one, "ЮридическийАдрес", party.address)
        for tag, value in (("ИНН", party.tax_number), ("ОКПО", party.edrpou)):
            if value:
                put_element(one, tag, value)
    else:
        put_element(one, "ПолноеНаименование", name)
        for tag, value in (
            ("Фамилия", party.last_name), ("Имя", party.first_name), ("Отчество", party.middle_name),
            ("ИНН", party.tax_number or party.edrpou),
        ):  # fmt: skip
            if value:
                put_element(one, tag, value)
        _place(one, "АдресРегистрации", party.address)
    contacts = [("Телефон мобильный", party.phone), ("Почта", party.email)]
    if any(value for _, value in contacts):
        inner = put_element(one, "Контакты")
        for kind, value in contacts:
            if value:
                contact = put_element(inner, "Контакт")
                put_element(contact, "Тип", kind)
                put_element(contact, "Значение", value)
    return one


def _place(parent: Any, name: str, address: Address) -> None:
    shown = address_text(address)
    if not shown:
        return
    one = put_element(parent, name)
    put_element(one, "Представление", shown)
    for kind, value in (
        ("Почтовый индекс", address.zip), ("Страна", address.country), ("Регион", address.region),
        ("Город", address.city), ("Улица", address.street), ("Дом", address.house), ("Квартира", address.apartment),
    ):  # fmt: skip
        if value:
            inner = put_element(one, "АдресноеПоле")
            put_element(inner, "Тип", kind)
            put_element(inner, "Значение", value)


def address_text(address: Address) -> str:
    """An address in one line."""
    parts = (address.zip, address.region, address.city, address.street, address.house, address.apartment)
    return address.text or ", ".join(part for part in parts if part)


def _payments(doc: Any, order: Order) -> None:
    payment = order.payment
    if not payment.paid or payment.status == "unpaid":
        return
    one = put_element(put_element(doc, "Оплаты"), "Оплата")
    if payment.transaction:
        put_element(one, "НомерТранзакции", payment.transaction)
    if payment.paid_at:
        put_element(one, "ДатаОплаты", payment.paid_at.strftime("%Y-%m-%d"))
    put_element(one, "СуммаОплаты", _money(payment.paid or ZERO))
    if payment.method:
        put_element(one, "СпособОплаты", payment.method)


def _told(draft: DocumentDraft, writing: OrderWriting, status: str | None) -> dict[str, str]:
    order = draft.order
    said = status if status is not None else order.status
    ref = draft.references.get("status")
    shown = writing.statuses.get(said) or (ref.name or ref.code if ref and status is None else "") or said
    delivery, changed = order.delivery, order.updated_at or order.created_at
    where = [address_text(delivery.address), delivery.city, delivery.branch and f"№ {delivery.branch}"]
    told = {
        "Метод оплаты": order.payment.method,
        "Заказ оплачен": "true" if order.payment.status == "paid" else "false",
        "Способ доставки": delivery.method or delivery.carrier,
        "Адрес доставки": ", ".join(dict.fromkeys(part for part in where if part)),
        "Идентификатор отправления": delivery.tracking,
        "Отменен": "true" if said in ("cancelled", "refunded") else "false",
        "Статус заказа": shown,
        "Дата изменения статуса": changed.astimezone(writing.zone).strftime("%Y-%m-%d %H:%M:%S"),
        "Склад": draft.warehouse.name or draft.warehouse.code if draft.warehouse else "",
        "Менеджер": draft.user.name or draft.user.code if draft.user else order.manager,
        "Организация": firm.name or firm.code if (firm := draft.references.get("firm")) else "",
    }
    return {name: value for name, value in told.items() if value}


def _requisites(parent: Any, told: Mapping[str, str]) -> None:
    if not told:
        return
    inner = put_element(parent, "ЗначенияРеквизитов")
    for name, value in told.items():
        one = put_element(inner, "ЗначениеРеквизита")
        put_element(one, "Наименование", name)
        put_element(one, "Значение", value)


# --- XML -------------------------------------------------------------------------------------------------------------


def put_element(parent: Any, name: str, value: str | None = None, *, after: str = "") -> Any:
    """Add an element, at the end or behind the child called ``after``; without a parent it stands alone."""
    from lxml import etree

    one = etree.Element(name)
    if value is not None:
        one.text = clean(value)
    if parent is None:
        return one
    place = parent.find(after) if after else None
    if place is None:
        parent.append(one)
    else:
        place.addnext(one)
    return one


def xml_of(element: Any) -> str:
    """The element as text, without a declaration."""
    from lxml import etree

    etree.indent(element, " ")
    return str(etree.tostring(element, encoding="unicode"))


def _money(value: Decimal) -> str:
    """At least two decimals, and as many more as there are."""
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _plain(value: Decimal) -> str:
    shown = f"{value:f}"
    return re.sub(r"\.?0+$", "", shown) if "." in shown else shown
