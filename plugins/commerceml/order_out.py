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

from pipeline.api import Address, DocumentDraft, Held, Order, Party, Ref, T, cents, order_totals, spread
from plugins.commerceml.words import NAMESPACE, ROOT, clean

ZERO = Decimal(0)
VERSIONS = ("2.03", "2.04", "2.05", "2.06", "2.07", "2.08", "2.09", "2.10")
ENCODINGS = {"utf-8": "UTF-8", "windows-1251": "windows-1251"}


@dataclass(frozen=True, slots=True)
class OrderWriting:
    """How documents are written."""

    zone: ZoneInfo
    delivery_id: str = "ORDER_DELIVERY"
    delivery_name: str = "Доставка"
    fee_id: str = "ORDER_FEE"
    fee_name: str = "Комісія за оплату"
    nameless: str = "Роздрібний покупець"  #: a buyer who left no name
    currencies: Mapping[str, str] = field(default_factory=dict)  #: ISO code -> as the accounting program says it
    statuses: Mapping[str, str] = field(default_factory=dict)  #: ours -> the words for the accounting program


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
    """The document of an order as XML without a namespace. ``status`` in place of the order's. Raises Held (totals)."""
    sums, order = charged(draft), draft.order
    made = order.created_at.astimezone(writing.zone)
    doc = _element("Документ")
    _put(doc, "Ид", own)
    _put(doc, "Номер", order.number)
    _put(doc, "Дата", made.strftime("%Y-%m-%d"))
    _put(doc, "ХозОперация", "Заказ товара")
    _put(doc, "Роль", "Продавец")
    _put(doc, "Валюта", writing.currencies.get(order.currency, order.currency))
    _put(doc, "Курс", _plain(order.rate or Decimal(1)))
    _put(doc, "Сумма", _money(sums.total))
    parties = _put(doc, "Контрагенты")
    buyer = _party(order, order.customer, draft.client, writing)
    parties.append(buyer)
    _put(buyer, "Роль", "Покупатель")
    if (other := order.delivery.recipient) is not None and other.title and other.title != order.customer.title:
        recipient = _party(order, other, None, writing)
        _put(recipient, "Роль", "Получатель")
        parties.append(recipient)
    _payments(doc, order)
    _put(doc, "Время", made.strftime("%H:%M:%S"))
    notes = [order.comment, draft.comment, order.manager_comment]
    if comment := "\n".join(dict.fromkeys(note.strip() for note in notes if note.strip())):
        _put(doc, "Комментарий", comment)
    if sums.taxes:
        taxes = _put(doc, "Налоги")
        for rate, tax in sums.taxes:
            one = _put(taxes, "Налог")
            _put(one, "Наименование", "НДС")
            _put(one, "УчтеноВСумме", "false")
            _put(one, "Сумма", _money(tax))
            _put(one, "Ставка", _plain(rate))
    if sums.rounding:
        kind, inner = ("Скидки", "Скидка") if sums.rounding < 0 else ("ДопРасходы", "ДопРасход")
        one = _put(_put(doc, kind), inner)
        _put(one, "Наименование", "Округление")
        _put(one, "Сумма", _money(abs(sums.rounding)))
        _put(one, "УчтеноВСумме", "true")
    if draft.warehouse is not None:
        place = _put(_put(doc, "Склады"), "Склад")
        _put(place, "Ид", draft.warehouse.id)
        _put(place, "Наименование", draft.warehouse.name or draft.warehouse.code)
    goods = _put(doc, "Товары")
    for line, ref, net in zip(order.lines, draft.products, sums.lines, strict=True):
        good = _line(goods, ref.id, line.name, line.price, line.quantity, net, line.unit, line.tax_rate, "Товар")
        if code := ref.code or line.code:
            _put(good, "Артикул", code, after="Ид")
        if line.attributes:
            several = _put(good, "ХарактеристикиТовара", after="БазоваяЕдиница")
            for name, value in line.attributes.items():
                one = _put(several, "ХарактеристикаТовара")
                _put(one, "Наименование", name)
                _put(one, "Значение", value)
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
    return _text(doc)


def state_document(own: str, number: str, day: datetime, told: Mapping[str, str]) -> str:
    """What an accounting program tells a shop of an order: requisites, and neither goods nor sums."""
    doc = _element("Документ")
    _put(doc, "Ид", own)
    _put(doc, "Номер", number or own)
    _put(doc, "Дата", day.strftime("%Y-%m-%d"))
    _put(doc, "ХозОперация", "Заказ товара")
    _put(doc, "Роль", "Продавец")
    _put(doc, "Время", day.strftime("%H:%M:%S"))
    _requisites(doc, told)
    return _text(doc)


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
    good = _put(goods, "Товар")
    _put(good, "Ид", own)
    _put(good, "Наименование", name)
    base = _put(good, "БазоваяЕдиница", unit or "шт")
    if (unit or "шт") in ("шт", "шт."):
        base.set("Код", "796")
        base.set("НаименованиеПолное", "Штука")
        base.set("МеждународноеСокращение", "PCE")
    if rate is not None:
        one = _put(_put(good, "СтавкиНалогов"), "СтавкаНалога")
        _put(one, "Наименование", "НДС")
        _put(one, "Ставка", _plain(rate))
    _requisites(good, {"ВидНоменклатуры": kind, "ТипНоменклатуры": kind})
    _put(good, "ЦенаЗаЕдиницу", _money(price))
    _put(good, "Количество", _plain(quantity))
    _put(good, "Сумма", _money(net))
    _put(good, "Единица", unit or "шт")
    _put(good, "Коэффициент", "1")
    off = cents(price * quantity) - net
    if off > 0:
        one = _put(_put(good, "Скидки"), "Скидка")
        _put(one, "Наименование", "Знижка")
        _put(one, "Сумма", _money(off))
        _put(one, "УчтеноВСумме", "true")
    return good


def _party(order: Order, party: Party, ref: Ref | None, writing: OrderWriting) -> Any:
    name = (ref.name if ref else "") or party.title or party.phone or party.email or writing.nameless
    own = ref.id if ref else party.code or f"{order.source}#{party.edrpou or party.phone or party.email or order.id}"
    one = _element("Контрагент")
    _put(one, "Ид", own)
    _put(one, "Наименование", name)
    if party.kind == "company" or party.company:
        _put(one, "ОфициальноеНаименование", party.company or name)
        _place(one, "ЮридическийАдрес", party.address)
        for tag, value in (("ИНН", party.tax_number), ("ОКПО", party.edrpou)):
            if value:
                _put(one, tag, value)
    else:
        _put(one, "ПолноеНаименование", name)
        for tag, value in (
            ("Фамилия", party.last_name), ("Имя", party.first_name), ("Отчество", party.middle_name),
            ("ИНН", party.tax_number or party.edrpou),
        ):  # fmt: skip
            if value:
                _put(one, tag, value)
        _place(one, "АдресРегистрации", party.address)
    contacts = [("Телефон мобильный", party.phone), ("Почта", party.email)]
    if any(value for _, value in contacts):
        inner = _put(one, "Контакты")
        for kind, value in contacts:
            if value:
                contact = _put(inner, "Контакт")
                _put(contact, "Тип", kind)
                _put(contact, "Значение", value)
    return one


def _place(parent: Any, name: str, address: Address) -> None:
    shown = address_text(address)
    if not shown:
        return
    one = _put(parent, name)
    _put(one, "Представление", shown)
    for kind, value in (
        ("Почтовый индекс", address.zip), ("Страна", address.country), ("Регион", address.region),
        ("Город", address.city), ("Улица", address.street), ("Дом", address.house), ("Квартира", address.apartment),
    ):  # fmt: skip
        if value:
            inner = _put(one, "АдресноеПоле")
            _put(inner, "Тип", kind)
            _put(inner, "Значение", value)


def address_text(address: Address) -> str:
    """An address in one line."""
    parts = (address.zip, address.region, address.city, address.street, address.house, address.apartment)
    return address.text or ", ".join(part for part in parts if part)


def _payments(doc: Any, order: Order) -> None:
    payment = order.payment
    if not payment.paid or payment.status == "unpaid":
        return
    one = _put(_put(doc, "Оплаты"), "Оплата")
    if payment.transaction:
        _put(one, "НомерТранзакции", payment.transaction)
    if payment.paid_at:
        _put(one, "ДатаОплаты", payment.paid_at.strftime("%Y-%m-%d"))
    _put(one, "СуммаОплаты", _money(payment.paid or ZERO))
    if payment.method:
        _put(one, "СпособОплаты", payment.method)


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
    inner = _put(parent, "ЗначенияРеквизитов")
    for name, value in told.items():
        one = _put(inner, "ЗначениеРеквизита")
        _put(one, "Наименование", name)
        _put(one, "Значение", value)


# --- XML -------------------------------------------------------------------------------------------------------------


def _element(name: str) -> Any:
    from lxml import etree

    return etree.Element(name)


def _put(parent: Any, name: str, value: str | None = None, *, after: str = "") -> Any:
    """Add an element, at the end or behind the child called ``after``."""
    from lxml import etree

    one = etree.Element(name)
    if value is not None:
        one.text = clean(value)
    place = parent.find(after) if after else None
    if place is None:
        parent.append(one)
    else:
        place.addnext(one)
    return one


def _text(element: Any) -> str:
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
