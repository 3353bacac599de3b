"""``Документ`` of a file: an order with its lines, or what an accounting program tells of one. Pure.

A document without ``Товары`` tells a status and never empties an order. Facts are those of files of 1C itself and of
shops' modules: telephones under several names, quantities by pack (``Коэффициент``), discounts that the sum has
(``УчтеноВСумме``) or has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import (
    CENT,
    Address,
    Delivery,
    Discount,
    Finding,
    Order,
    OrderLine,
    Party,
    Payment,
    T,
    Text,
    cents,
    full_name,
    garbled,
    normal_party,
)
from plugins.commerceml.words import (
    BadValue,
    Parsed,
    child,
    children,
    currency,
    flag,
    ident,
    moment,
    number,
    requisites,
    said,
    text,
    words,
)

ORDER = "Заказ товара"
ZERO = Decimal(0)
_HUGE = Decimal(10) ** 12
_FINE = Decimal("0.00000001")
#: Requisites that tell one thing, the usual name first.
STATUS = ("Статус заказа", "Статус", "Статуса заказа ИД")
CANCELLED = ("Отменен", "Отменён", "ПометкаУдаления", "Пометка удаления")
PAID = ("Заказ оплачен", "Оплачен")
NUMBER_1C, DATE_1C = ("Номер по 1С", "Номер1С"), ("Дата по 1С", "Дата1С")
TRACKING = ("Идентификатор отправления", "Трек-номер", "ТТН")
PAY_METHOD = ("Метод оплаты", "Способ оплаты")
SHIP_METHOD = ("Способ доставки", "Метод доставки")
ADDRESS = ("Адрес доставки",)
SHIPPED = ("Отгружен", "Доставлен")


@dataclass(frozen=True, slots=True)
class OrderRules:
    """How orders are read."""

    zone: ZoneInfo
    currency: str  #: of documents that name none
    source: str
    delivery: frozenset[str] = frozenset({"ORDER_DELIVERY"})  #: ids of the line that is the delivery
    fee: frozenset[str] = frozenset({"ORDER_FEE"})
    statuses: Mapping[str, str] = field(default_factory=dict)  #: a status of the file -> ours
    code: str = "article"  #: what a line is known by: ``article`` (else its id), or ``id``
    region: str = "UA"


@dataclass(frozen=True, slots=True)
class State:
    """What an accounting program tells of an order that it was given."""

    id: str
    number: str  #: of the order, as the shop said it
    number_1c: str = ""
    date_1c: str = ""
    status: str = ""
    cancelled: bool = False
    paid: bool = False
    shipped: bool = False
    tracking: str = ""
    said: Mapping[str, str] = field(default_factory=dict)  #: all its requisites


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """One document as an order, or what is wrong with it."""

    id: str
    number: str
    order: Order | None
    findings: tuple[Finding, ...]
    element: Any
    status: str = ""  #: told also where there is no order


def documents_of(parsed: Parsed) -> Iterator[Any]:
    """Every document of a file, those in a ``Контейнер`` (3.1) as well."""
    for one in parsed.root:
        if one.tag == "Документ":
            yield one
        elif one.tag == "Контейнер":
            yield from one.iterchildren("Документ")


def is_order(element: Any) -> bool:
    """Whether the document is an order of goods, and not a payment or a shipment."""
    return text(element, "ХозОперация") in ("", ORDER)


def has_lines(element: Any) -> bool:
    """Whether it says what was bought."""
    return next(children(element, "Товары/Товар"), None) is not None


def state_of(element: Any) -> State:
    """What the document tells of an order, whatever else is in it."""
    told = {name: "; ".join(values) for name, values in requisites(element).items()}
    own = {name: text(element, name) for name in ("Номер1С", "Дата1С") if text(element, name)}
    told = {**own, **told}

    def first(names: Sequence[str]) -> str:
        return next((told[name] for name in names if told.get(name)), "")

    def set_(names: Sequence[str]) -> bool:
        return any(flag(told.get(name, "")) for name in names)

    paid = set_(PAID) or bool(told.get("Дата оплаты по 1С") or told.get("Номер оплаты по 1С"))
    shipped = set_(SHIPPED) or bool(told.get("Дата отгрузки по 1С") or told.get("Номер отгрузки по 1С"))
    marked = element.get("Статус", "").casefold() in ("удален", "удалён") or flag(text(element, "ПометкаУдаления"))
    return State(
        id=ident(text(element, "Ид")),
        number=text(element, "Номер"),
        number_1c=first(NUMBER_1C),
        date_1c=first(DATE_1C),
        status=first(STATUS),
        cancelled=set_(CANCELLED) or bool(marked),
        paid=paid,
        shipped=shipped,
        tracking=first(TRACKING),
        said=told,
    )


def read_order(parsed: Parsed, element: Any, rules: OrderRules) -> ReadOrder:
    """The document as an order; with findings it is none, and waits for a person."""
    return _Reader(parsed, element, rules).read()


class _Reader:
    def __init__(self, parsed: Parsed, element: Any, rules: OrderRules) -> None:
        self.parsed, self.element, self.rules = parsed, element, rules
        self.state = state_of(element)
        self.findings: list[Finding] = []

    def read(self) -> ReadOrder:
        own, number_ = self.state.id, self.state.number or self.state.id
        if not own:
            self._find("no-id", self.element, T("The document {number} has no <Ид>.", number=number_ or "—"),
                       T("Each order needs an Ид of its own, which stays the same."))  # fmt: skip
        if not has_lines(self.element):
            self._find(
                "no-lines",
                self.element,
                T("The document {number} has no goods: it tells a status, and is no order.", number=number_),
                T("Statuses are taken by the connection of type commerceml, and not by an inbox."),
            )
        self._letters()
        order = None if self.findings else self._order(own, number_)
        return ReadOrder(own, number_, order, tuple(self.findings), self.element, self._status())

    def _status(self) -> str:
        said = self.state.status
        return "cancelled" if self.state.cancelled else self.rules.statuses.get(said, said) or "new"

    def _order(self, own: str, number_: str) -> Order | None:
        element, rules, state = self.element, self.rules, self.state
        created = self._value(element, lambda: moment(text(element, "Дата"), text(element, "Время")))
        if created is None and not self.findings:
            self._find("value", element, T("<{parent}> lacks <{name}>.", parent="Документ", name="Дата"), None)
        money = self._value(child(element, "Валюта"), lambda: currency(text(element, "Валюта"), rules.currency))
        total = self._number(element, "Сумма")
        if total is None and not self.findings:
            self._find("value", element, T("<{parent}> lacks <{name}>.", parent="Документ", name="Сумма"), None)
        lines, delivery, fee, lost = self._lines()
        if self.findings or created is None or money is None or total is None:
            return None
        rate = self._number(element, "Курс")
        buyer, recipient, party_id = self._parties()
        discounts, extra_fee = self._head_amounts(lines, delivery + fee, total, net=lost)
        extra = {name: value for name, value in state.said.items() if value}
        if party_id:
            extra["Контрагент.Ид"] = party_id
        comment = "\n".join(line.rstrip() for line in words(child(element, "Комментарий")).splitlines())
        order = Order(
            id=own,
            number=number_,
            source=rules.source,
            created_at=self._aware(created),
            currency=money,
            customer=buyer,
            lines=tuple(lines),
            total=cents(total),
            status=self._status(),
            delivery=self._delivery(delivery, buyer, recipient),
            payment=self._payment(total, fee + extra_fee),
            discounts=discounts,
            prices_include_tax=not lost,
            rate=rate if rate and rate != 1 and money != rules.currency else None,
            comment=comment,
            warehouse=next(
                (text(one, "Наименование") or text(one, "Ид") for one in children(element, "Склады/Склад")), ""
            ),
            extra=extra,
        )
        return None if self.findings else order

    # --- lines -------------------------------------------------------------------------------------------------------

    def _lines(self) -> tuple[list[OrderLine], Decimal, Decimal, bool]:
        """Goods, what delivery and fee cost, and whether tax comes on top."""
        rules, lines = self.rules, list[OrderLine]()
        delivery = fee = ZERO
        without = any(flag(text(one, "УчтеноВСумме")) is False for one in children(self.element, "Налоги/Налог"))
        for element in children(self.element, "Товары/Товар"):
            line = self._line(element, len(lines) + 1)
            without |= any(flag(text(one, "УчтеноВСумме")) is False for one in children(element, "Налоги/Налог"))
            if line is None:
                continue
            own = ident(text(element, "Ид"))
            if own in rules.delivery:
                delivery += line.price * line.quantity - line.discount
            elif own in rules.fee:
                fee += line.price * line.quantity - line.discount
            else:
                lines.append(line)
        return lines, delivery, fee, without

    def _line(self, element: Any, n: int) -> OrderLine | None:
        quantity, price = self._number(element, "Количество", n), self._number(element, "ЦенаЗаЕдиницу", n)
        stated, factor = self._number(element, "Сумма", n), self._number(element, "Коэффициент", n) or Decimal(1)
        own, article = ident(text(element, "Ид")), text(element, "Артикул")
        name = text(element, "Наименование")
        if quantity is None or quantity <= 0:
            shown = text(element, "Количество") or "—"
            self._find("value", element, T("The quantity of {name} is {value}.", name=name or own, value=shown[:40]),
                       T("Correct it on the site and send the order again."), n)  # fmt: skip
            return None
        if not (own or article):
            self._find(
                "no-id", element, T("The item {name} has neither <Ид> nor <Артикул>.", name=name or "—"), None, n
            )
            return None
        if price is None and stated is not None:
            price = stated / quantity
        if price is None or price < 0 or price * quantity >= _HUGE:
            shown = text(element, "ЦенаЗаЕдиницу") or "—"
            self._find("value", element, T("The price of {name} is {value}.", name=name or own, value=shown[:40]),
                       T("Correct it on the site and send the order again."), n)  # fmt: skip
            return None
        gross = price * quantity
        off = sum((self._number(one, "Сумма") or ZERO for one in children(element, "Скидки/Скидка")), ZERO)
        inside = all(flag(text(one, "УчтеноВСумме")) is not False for one in children(element, "Скидки/Скидка"))
        net = gross - off if stated is None else stated if inside else stated - off
        if factor != 1 and factor > 0:
            quantity, price = quantity * factor, price / factor
        price, discount = _even(price, quantity, net)
        rate = next((text(one, "Ставка") for one in (*children(element, "СтавкиНалогов/СтавкаНалога"),
                                                     *children(element, "Налоги/Налог"))), "")  # fmt: skip
        return OrderLine(
            code=own if self.rules.code == "id" else article or own,
            name=name or article or own,
            quantity=quantity,
            price=price,
            discount=discount,
            unit=(text(element, "Единица") if factor == 1 else "") or text(element, "БазоваяЕдиница"),
            tax_rate=_percent(rate),
            attributes={
                text(one, "Наименование"): text(one, "Значение")
                for one in children(element, "ХарактеристикиТовара/ХарактеристикаТовара")
            },
            barcode=text(element, "Штрихкод", "ШтрихКод"),
            number=n,
            comment=text(element, "Комментарий"),
            source_line=element.sourceline,
        )

    def _head_amounts(
        self, lines: Sequence[OrderLine], rest: Decimal, total: Decimal, *, net: bool
    ) -> tuple[tuple[Discount, ...], Decimal]:
        """Discounts and surcharges of the whole document, as far as its lines do not have them already."""
        found = [
            Discount(amount=amount, name=text(one, "Наименование"))
            for one in children(self.element, "Скидки/Скидка")
            if (amount := self._number(one, "Сумма") or ZERO) > 0
        ]
        fee = sum((self._number(one, "Сумма") or ZERO for one in children(self.element, "ДопРасходы/ДопРасход")), ZERO)
        made = sum((line.price * line.quantity - line.discount for line in lines), ZERO) + rest
        if abs(cents(made) - cents(total)) < CENT and not net:
            return (), ZERO
        return tuple(found), fee

    # --- people ------------------------------------------------------------------------------------------------------

    def _parties(self) -> tuple[Party, Party | None, str]:
        """The buyer, another recipient, and the id of the buyer in the file."""
        found = [(text(one, "Роль"), one) for one in children(self.element, "Контрагенты/Контрагент")]
        buyers = [one for role, one in found if role in ("Покупатель", "Плательщик")] or [one for _, one in found][:1]
        others = [one for role, one in found if role == "Получатель"]
        buyer = self._party(buyers[0]) if buyers else Party()
        recipient = self._party(others[0]) if others and others[0] is not (buyers or others)[0] else None
        if recipient is not None and recipient.title == buyer.title:
            recipient = None
        return buyer, recipient, ident(text(buyers[0], "Ид")) if buyers else ""

    def _party(self, element: Any) -> Party:
        last, first, middle = (text(element, name) for name in ("Фамилия", "Имя", "Отчество"))
        official = text(element, "ОфициальноеНаименование")
        whole = text(element, "ПолноеНаименование") or text(element, "Наименование")
        company = official or (whole if child(element, "ЮридическийАдрес", "КПП", "ОКПО") is not None else "")
        if not company and not (last or first):
            last, first, middle = full_name(whole)
        contacts = dict(_contacts(element))
        return normal_party(
            Party(
                kind="company" if company else "person",
                first_name=first,
                last_name=last,
                middle_name=middle,
                company=company,
                edrpou=text(element, "ОКПО", "ЕГРПО"),
                tax_number=text(element, "ИНН"),
                phone=contacts.get("phone", ""),
                email=contacts.get("email", ""),
                address=_address(child(element, "АдресРегистрации", "ЮридическийАдрес", "Адрес")),
            ),
            self.rules.region,
        )

    def _delivery(self, cost: Decimal, buyer: Party, recipient: Party | None) -> Delivery:
        told = self.state.said
        where = next((told[name] for name in ADDRESS if told.get(name)), "")
        address = Address(text=where) if where else (recipient or buyer).address
        return Delivery(
            city=(recipient or buyer).address.city,
            address=address,
            recipient=recipient,
            tracking=self.state.tracking.replace(" ", ""),
            cost=cost,
            method=next((told[name] for name in SHIP_METHOD if told.get(name)), ""),
        )

    def _payment(self, total: Decimal, fee: Decimal) -> Payment:
        told = self.state.said
        sums = [self._number(one, "СуммаОплаты") or ZERO for one in children(self.element, "Оплаты/Оплата")]
        paid = sum(sums, ZERO) if sums else None
        status = "unpaid"
        if self.state.paid or (paid is not None and paid >= total > 0):
            status = "paid"
        elif paid:
            status = "partly"
        first = next(children(self.element, "Оплаты/Оплата"), None)
        at = told.get("Дата оплаты по 1С") or told.get("Дата оплаты") or text(first, "ДатаОплаты")
        paid_at = self._value(self.element, lambda: moment(at)) if at else None
        return Payment(
            method=next((told[name] for name in PAY_METHOD if told.get(name)), "") or text(first, "СпособОплаты"),
            status=status,
            paid=paid,
            transaction=text(first, "НомерТранзакции"),
            fee=fee,
            paid_at=self._aware(paid_at) if paid_at else None,
        )

    # --- values ------------------------------------------------------------------------------------------------------

    def _aware(self, found: datetime) -> datetime:
        return found if found.tzinfo else found.replace(tzinfo=self.rules.zone)

    def _number(self, parent: Any, name: str, n: int | None = None) -> Decimal | None:
        return self._value(child(parent, name), lambda: number(text(parent, name)), n) if parent is not None else None

    def _value(self, element: Any, read: Any, n: int | None = None) -> Any:
        try:
            return read()
        except BadValue as error:
            place = self.element if element is None else element
            what = T("<{name}>: {what}", name=str(place.tag), what=said(error))
            self._find("value", place, what, T("Correct it on the site and send the order again."), n)
            return None

    def _letters(self) -> None:
        for one in self.element.iter():
            if one.text and (meant := garbled(one.text)) is not None:
                shown = one.text.strip()[:60]
                what = T("The letters of <{name}> are lost: {words}.", name=str(one.tag), words=shown)
                if meant:
                    what = T("The letters of <{name}> are garbled: {words}; it should say {meant}.",
                             name=str(one.tag), words=shown, meant=meant.strip()[:60])  # fmt: skip
                hint = T("The file says another encoding than it is in; the encoding of its first line must be true.")
                self._find("garbled", one, what, hint)
                return

    def _find(self, code: str, element: Any, what: Text, hint: Text | None, n: int | None = None) -> None:
        where = self.parsed.where(element, order=self.state.id or None)
        if n is not None:
            where = replace(where, order_line=n)
        self.findings.append(Finding(code, what, where, hint))


def _even(price: Decimal, quantity: Decimal, net: Decimal) -> tuple[Decimal, Decimal]:
    """Price and discount that make ``net``; where the sum is more than they make, the price is what makes it."""
    discount = price * quantity - net
    if discount < 0:
        price = (net / quantity).quantize(_FINE, ROUND_CEILING)
        discount = price * quantity - net
    return price, discount


def _percent(raw: str) -> Decimal | None:
    """``20``, ``20%`` -> 20; “Без НДС” and anything else: none."""
    try:
        found = number(raw.replace("%", ""))
    except BadValue:
        return None
    return found if found is not None and 0 <= found <= 100 else None


def _contacts(element: Any) -> Iterator[tuple[str, str]]:
    """phone and email, whatever they are called; the first of each, mobile ones before others."""
    found: list[tuple[str, str]] = []
    for one in children(element, "Контакты/Контакт"):
        kind = re.sub(r"[\s_-]", "", text(one, "Тип", "КонтактВид")).casefold()
        found.append((kind, text(one, "Значение", "Представление")))
    found += [("телефон", text(one, "Представление") or words(one)) for one in element.iterchildren("Телефон")]
    found += [("почта", text(one, "Представление") or words(one)) for one in element.iterchildren("email", "Email")]
    phones = [(kind, value) for kind, value in found if kind.startswith("телефон") and value]
    mails = [value for kind, value in found if kind in ("почта", "email", "e-mail", "электроннаяпочта") and value]
    if phones:
        yield "phone", next((value for kind, value in phones if "мобил" in kind), phones[0][1])
    if mails:
        yield "email", mails[0]


_FIELDS = {
    "почтовыйиндекс": "zip",
    "индекс": "zip",
    "страна": "country",
    "регион": "region",
    "город": "city",
    "населенныйпункт": "city",
    "улица": "street",
    "дом": "house",
    "квартира": "apartment",
}
_COUNTRIES = {"украина": "UA", "україна": "UA", "804": "UA", "польша": "PL", "польща": "PL"}


def _address(element: Any) -> Address:
    if element is None:
        return Address()
    found: dict[str, str] = {}
    for one in element.iterchildren("АдресноеПоле"):
        name = _FIELDS.get(re.sub(r"\s", "", text(one, "Тип")).casefold())
        value = text(one, "Значение")
        if name and value:
            found.setdefault(name, value)
    country = found.pop("country", "")
    country = _COUNTRIES.get(country.casefold(), country.upper() if re.fullmatch("[A-Za-z]{2}", country) else "")
    return Address(text=text(element, "Представление"), country=country, **found)
