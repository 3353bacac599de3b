"""``commerceml``: order files of CommerceML 2, as shops hand them to 1C, BAS or MoySklad, taken from an inbox."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from pipeline.api import (
    Decoded,
    DecodedOrder,
    Explained,
    Finding,
    FormatContext,
    FormatPlugin,
    OrderFormat,
    Rejected,
    Settings,
    T,
    known_encoding,
)
from plugins.commerceml.documents import OrderRules, ReadOrder, documents_of, is_order, read_order
from plugins.commerceml.order_out import canonical
from plugins.commerceml.words import ROOT, Parsed, open_file

_CLOSED = re.compile(rb"</(?:[\w.-]+:)?([^\s<>/:]+)\s*>\s*(?:<!--.*?-->\s*)*\Z", re.DOTALL)
_EMPTY = re.compile(rb"(?:<\?[^<>]*\?>\s*)?<[^<>]*/>\s*\Z")
_ROOTS = frozenset((ROOT.encode(), ROOT.encode("cp1251")))


class CommerceMLSettings(Settings):
    """Parameters of order files in CommerceML; none is needed."""

    encoding: str | None = None
    """Encoding of files that declare none and have no byte order mark, such as `windows-1251`."""
    source: str = ""
    """Name of the source of the orders; the inbox's name when left out."""
    code: Literal["article", "id"] = "article"
    """By what the goods of an order are found: `article` (`Артикул`, or `Ид` where there is none) or `id`."""
    delivery: tuple[str, ...] = ("ORDER_DELIVERY",)
    """`Ид` of the lines that are the delivery."""
    fee: tuple[str, ...] = ("ORDER_FEE",)
    """`Ид` of the lines that are a fee of the payment."""
    statuses: dict[str, str] = Field(default_factory=dict)
    """Status of the files (`Статус заказа`) -> status of ours: `{"[N] Принят": new}`."""
    region: str = Field(default="UA", pattern="^[A-Z]{2}$")
    """Country (ISO 3166) that telephones without a country code belong to."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and known_encoding(value) is None:
            raise ValueError(T("`{value}` is no encoding; write windows-1251, utf-8 or utf-16.", value=value))
        return value


class CommerceML:
    """Reads the orders of a file; what else is in it is remarked."""

    def decode(self, data: bytes, settings: CommerceMLSettings, context: FormatContext) -> Decoded:
        """The orders in ``data``. Raises Rejected: no CommerceML 2, or a file that holds no documents at all."""
        parsed = open_file(data, context.file, default_encoding=settings.encoding)
        rules = OrderRules(
            zone=context.timezone,
            currency=context.currency,
            source=settings.source or context.source or context.client,
            delivery=frozenset(settings.delivery),
            fee=frozenset(settings.fee),
            statuses=settings.statuses,
            code=settings.code,
            region=settings.region,
        )
        notes = list(parsed.notes)
        if any(parsed.root.find(name) is not None for name in ("Каталог", "ПакетПредложений")):
            _no_goods(parsed, notes)
        read: list[ReadOrder] = []
        for element in documents_of(parsed):
            if is_order(element):
                read.append(read_order(parsed, element, rules))
            else:
                what = T(
                    "A document of {kind} was passed over: it is no order.", kind=str(element.findtext("ХозОперация"))
                )
                notes.append(Finding("other-document", what, parsed.where(element)))
        return Decoded(tuple(_decoded(read, parsed, rules.source)), tuple(notes), parsed.version)

    def complete(self, tail: bytes, settings: CommerceMLSettings) -> bool:  # noqa: ARG002 - the port's signature
        """Whether the end is there: the closing tag of the root, in UTF-8, windows-1251 or UTF-16."""
        if b"\0" in tail:
            wide = (tail.decode(codec, "ignore").rstrip("\0 \t\r\n") for codec in ("utf-16-le", "utf-16-be"))
            return any(text.endswith(f"</{ROOT}>") for text in wide)
        end = tail.rstrip()
        closed = _CLOSED.search(end)
        if closed is not None:
            return closed[1] in _ROOTS or not _is_inner(closed[1])
        whole = len(tail) < 4096
        start = end.removeprefix(b"\xef\xbb\xbf").lstrip()
        return whole and bool(start) and (not start.startswith(b"<") or _EMPTY.match(start) is not None)


def _is_inner(name: bytes) -> bool:
    """Whether it may be an element of CommerceML, whose names are Russian: a file that ends there was cut."""
    return any(byte >= 0x80 for byte in name)


def _no_goods(parsed: Parsed, notes: list[Finding]) -> None:
    hint = T("Goods are taken by a connection of type commerceml, and not by an inbox.")
    what = T("The file has goods or prices; only orders are taken from an inbox.")
    if next(documents_of(parsed), None) is None:
        raise Rejected(what, code="no-orders", where=parsed.where(parsed.root), hint=hint)
    notes.append(Finding("goods", what, parsed.where(parsed.root), hint))


def _decoded(read: list[ReadOrder], parsed: Parsed, source: str) -> list[DecodedOrder]:
    """The orders; of documents with one Ид the first, unless they differ: then none is taken without asking."""
    fragments = [canonical(one.element) for one in read]
    several = Counter(one.id for one in read if one.id)
    made: list[DecodedOrder] = []
    seen: dict[str, bytes] = {}
    for one, fragment in zip(read, fragments, strict=True):
        findings, order = one.findings, one.order
        if one.id and several[one.id] > 1:
            alike = {own for other, own in zip(read, fragments, strict=True) if other.id == one.id}
            if len(alike) == 1 and one.id in seen:
                continue
            if len(alike) > 1:
                what = T("Several documents of the file have the Ид {id}, and they differ.", id=one.id)
                hint = T("Each order needs an Ид of its own, which stays the same.")
                findings, order = (
                    (*findings, Finding("twice", what, parsed.where(one.element, order=one.id), hint)),
                    None,
                )
        seen[one.id] = fragment
        where = {"total": "Сумма", "currency": "Валюта", "lines": "Товары"}
        places = {
            name: (str(found.tag), found.sourceline, 1)
            for name, tag in where.items()
            if (found := one.element.find(tag)) is not None
        }
        made.append(
            DecodedOrder(
                order,
                findings,
                id=one.id,
                number=one.number,
                source=source,
                line=one.element.sourceline,
                fragment=fragment,
                places=places,
            )
        )
    return made


_: type[OrderFormat] = CommerceML

_NAMED = T("Each order is a document of its own, with an id of its own that stays the same whenever it is sent again.")
_ORDERS = T("A file for the inbox has documents of orders; goods, prices and stock go by the exchange of goods.")
_DOCUMENT = """\
<Документ>
  <Ид>1042</Ид>
  <Номер>1042</Номер>
  <Дата>2026-11-28</Дата>
  <Время>14:05:00</Время>
  <ХозОперация>Заказ товара</ХозОперация>
  <Валюта>UAH</Валюта>
  <Сумма>779.00</Сумма>
</Документ>"""
_GOOD = """\
<Товар>
  <Ид>5f1c</Ид>
  <Артикул>AB-1</Артикул>
  <Наименование>Ґрунт</Наименование>
  <ЦенаЗаЕдиницу>389.50</ЦенаЗаЕдиницу>
  <Количество>2</Количество>
  <Сумма>779.00</Сумма>
</Товар>"""
#: Code of a finding -> the rule that was broken, and how it is rightly written.
_RULES = {
    "no-id": Explained(_NAMED, _DOCUMENT),
    "twice": Explained(_NAMED, _DOCUMENT),
    "no-orders": Explained(_ORDERS, _DOCUMENT),
    "goods": Explained(_ORDERS, _DOCUMENT),
    "other-document": Explained(
        T("Orders are the documents whose operation is an order of goods; other documents are passed over."), _DOCUMENT
    ),
    "value": Explained(
        T(
            "Numbers have digits and a dot or comma, a date is written 2026-11-28, a time 14:05:00; "
            "none of them is empty."
        ),
        _GOOD,
    ),
    "no-lines": Explained(
        T(
            "An order has its goods with it: a document without goods only tells a status, and of an order "
            "that is known."
        ),
        _GOOD,
    ),
    "garbled": Explained(
        T("A file is in the encoding that its first line names, from its first letter to its last."),
        '<?xml version="1.0" encoding="UTF-8"?>',
    ),
    "totals": Explained(
        T("The sum of a document is that of its goods, after discounts, with the delivery: right to the cent."), _GOOD
    ),
    "wrong-root": Explained(
        T("The root element is that of CommerceML 2, with its version."),
        '<КоммерческаяИнформация ВерсияСхемы="2.05" ДатаФормирования="2026-11-28T14:05:00">',
    ),
    "version": Explained(
        T("Versions 2.03 to 2.10 of CommerceML are read; 1C 7.7 writes an older one."),
        '<КоммерческаяИнформация ВерсияСхемы="2.05" ДатаФормирования="2026-11-28T14:05:00">',
    ),
}


def explain(finding: Finding, _settings: CommerceMLSettings, _base: Path, _language: str) -> Explained | None:
    """What a letter says of a finding in such a file; None: nothing of this format."""
    return _RULES.get(finding.code)


PLUGIN = FormatPlugin(
    name="commerceml",
    summary=T("Order files of CommerceML 2, as shops hand them to 1C, BAS or MoySklad"),
    format=CommerceML(),
    settings=CommerceMLSettings,
    explain=explain,
)
