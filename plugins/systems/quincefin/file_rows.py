"""Orders as rows of an import file, and the file as bytes. Pure.

Each line of an order is a row, with what the order says in each of them; the sums of its rows and its delivery make its
total to the cent. A text stays a text: an article of zeros keeps them, and nothing becomes a formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pipeline.api import DocumentDraft, OrderLine, T, cents, check_foreign, rate_of
from plugins.systems.quincefin.file_settings import QuincefinFileSettings
from plugins.systems.quincefin.marks import mark_of
from plugins.systems.quincefin.order_out import address
from plugins.systems.quincefin.reckoning import Line, Reckoned, Services, reckon
from plugins.systems.quincefin.refusals import held

Cell = str | Decimal | date
_DELIVERY, _FEE = -1, -2  #: in the place of products
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST = 32_000  #: characters of a cell


@dataclass(frozen=True, slots=True)
class _Of:
    """What the cells of a row are taken from."""

    draft: DocumentDraft
    reckoned: Reckoned
    line: Line
    number: int
    settings: QuincefinFileSettings
    zone: ZoneInfo
    rate: Decimal

    @property
    def source_line(self) -> OrderLine | None:
        """The order's own line; None for a service of ours."""
        lines = self.draft.order.lines
        return lines[self.line.product] if self.line.product >= 0 else None

    @property
    def article(self) -> str:
        """As Quincefin has it."""
        if self.line.product >= 0:
            return self.draft.products[self.line.product].code or self.draft.order.lines[self.line.product].code
        return (self.settings.delivery if self.line.product == _DELIVERY else self.settings.fee) or ""

    @property
    def title(self) -> str:
        """The name of what stands in the line."""
        own = self.source_line
        if own is not None:
            return self.draft.products[self.line.product].name or own.name
        order = self.draft.order
        if self.line.product == _DELIVERY:
            return order.delivery.method or order.delivery.carrier or str(T("Delivery"))
        return order.payment.method or str(T("Payment fee"))


_VALUES: Mapping[str, Callable[[_Of], Cell]] = {
    "order.mark": lambda of: mark_of(of.draft.order.source, of.draft.order.id),
    "order.id": lambda of: of.draft.order.id,
    "order.number": lambda of: of.draft.order.number,
    "order.source_number": lambda of: of.draft.order.source_number,
    "order.source": lambda of: _named(of, "source", of.draft.order.source, of.settings.sources),
    "order.date": lambda of: of.draft.order.created_at.astimezone(of.zone).date(),
    "order.currency": lambda of: of.draft.order.currency,
    "order.rate": lambda of: of.rate,
    "order.status": lambda of: _named(of, "status", of.draft.order.status, of.settings.statuses),
    "order.comment": lambda of: of.draft.comment,
    "order.discount": lambda of: of.reckoned.discount,
    "order.delivery": lambda of: of.reckoned.delivery,
    "order.total": lambda of: of.reckoned.total,
    "order.firm": lambda of: _named(of, "firm", "", {}),
    "order.warehouse": lambda of: (of.draft.warehouse.name or of.draft.warehouse.code) if of.draft.warehouse else "",
    "order.manager": lambda of: (of.draft.executor.name or of.draft.executor.code) if of.draft.executor else "",
    "order.author": lambda of: (of.draft.user.name or of.draft.user.code) if of.draft.user else "",
    "buyer.name": lambda of: _buyer(of.draft),
    "buyer.phone": lambda of: of.draft.order.customer.phone,
    "buyer.email": lambda of: of.draft.order.customer.email,
    "buyer.edrpou": lambda of: of.draft.order.customer.edrpou,
    "buyer.tax_number": lambda of: of.draft.order.customer.tax_number,
    "buyer.code": lambda of: of.draft.client.code if of.draft.client is not None else of.draft.order.customer.code,
    "address": lambda of: address(of.draft.order.delivery),
    "line.number": lambda of: Decimal(of.number),
    "line.article": lambda of: of.article,
    "line.name": lambda of: of.title,
    "line.unit": lambda of: of.source_line.unit if of.source_line is not None else "",
    "line.quantity": lambda of: of.line.quantity,
    "line.price": lambda of: of.line.price,
    "line.discount": lambda of: of.line.discount,
    "line.sum": lambda of: cents(of.line.sum),
}


def _named(of: _Of, kind: str, word: str, mapped: Mapping[str, str]) -> str:
    ref = of.draft.references.get(kind)
    return (ref.name or ref.code) if ref is not None else mapped.get(word, word)


def _buyer(draft: DocumentDraft) -> str:
    if draft.client is not None:
        return draft.client.name or draft.client.code
    buyer = draft.order.customer
    return buyer.title or buyer.phone or buyer.email


def rows_of(draft: DocumentDraft, settings: QuincefinFileSettings, zone: ZoneInfo, own: str) -> list[tuple[Cell, ...]]:
    """The rows of an order. Raises Held for one that is empty, has no buyer, or does not come to its total.

    ``own``: the currency of the books; an order in another one needs its columns.
    """
    order = draft.order
    if not _buyer(draft):
        raise held(T("The order has no buyer: no name, no phone, no mail."), code="quincefin-no-buyer")
    services = Services(
        _DELIVERY if settings.delivery is not None else None, _FEE if settings.fee is not None else None
    )
    reckoned = reckon(draft, range(len(order.lines)), settings.discounts, services)
    shown = {column.value for column in settings.columns}
    if reckoned.delivery and "order.delivery" not in shown:
        raise held(
            T("Order {number} has a delivery, and no service is named that it is booked as.", number=order.number),
            T("Name the article of the service in `delivery` of the connection."),
            code="quincefin-delivery",
        )
    if any(line.discount for line in reckoned.lines) and not shown & {"line.discount", "line.sum"}:
        raise held(
            T("The file has no column for the discounts of order {number}.", number=order.number),
            T("Set `discounts: prices` of the connection."),
            code="quincefin-discount",
        )
    rate = _rate(draft, settings, own, shown)
    found = []
    for number, line in enumerate(reckoned.lines, 1):
        of = _Of(draft, reckoned, line, number, settings, zone, rate)
        cells = [_VALUES[one.value](of) if one.value is not None else one.text or "" for one in settings.columns]
        found.append(tuple(_fit(cell, order.number) for cell in cells))
    return found


def _rate(draft: DocumentDraft, settings: QuincefinFileSettings, own: str, shown: Collection[str | None]) -> Decimal:
    """The rate of an order. Raises Held where the file does not say currency or rate of one in another currency."""
    order = draft.order
    if order.currency != own and "order.currency" not in shown:
        raise held(
            T("Order {number} is in {currency}, and no column says so.", number=order.number, currency=order.currency),
            T("Name a column with `order.currency`."),
            code="quincefin-currency",
        )
    if "order.rate" in shown:
        return rate_of(order, own, settings.rates, "rates")
    taken, setting = settings.foreign == "own_rate", "`foreign: own_rate`"
    check_foreign(order, own, "Quincefin", taken=taken, setting=setting)
    return Decimal(1)


def _fit(cell: Cell, number: str) -> Cell:
    if not isinstance(cell, str):
        return cell
    if len(cell) > _LONGEST:
        raise held(T("A text of order {number} is too long for a cell.", number=number), code="quincefin-long")
    return _UNFIT.sub("", cell)


def encoded(rows: Sequence[Sequence[Cell]], settings: QuincefinFileSettings, at: datetime) -> bytes:
    """The file. Raises Held for a text that the encoding of CSV does not have."""
    titles = [column.title for column in settings.columns]
    return _xlsx(titles, rows, settings, at) if settings.kind == "xlsx" else _csv(titles, rows, settings)


def check_encoding(rows: Sequence[Sequence[Cell]], settings: QuincefinFileSettings, number: str) -> None:
    """Raises Held for an order with characters that the file cannot have."""
    if settings.kind != "csv":
        return
    for row in rows:
        for cell in row:
            try:
                if isinstance(cell, str):
                    cell.encode(settings.encoding)
            except UnicodeEncodeError as error:
                raise held(
                    T("Order {number} has a character that {encoding} does not have: {char}", number=number,
                      encoding=settings.encoding, char=cell[error.start] if isinstance(cell, str) else ""),
                    T("Set `encoding: utf-8-sig` of the connection, if the import takes it."),
                    code="quincefin-encoding",
                ) from error  # fmt: skip


def _csv(titles: Sequence[str], rows: Sequence[Sequence[Cell]], settings: QuincefinFileSettings) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=settings.delimiter, lineterminator="\r\n")
    writer.writerow(titles)
    for row in rows:
        writer.writerow([_plain(cell, settings) for cell in row])
    return out.getvalue().encode(settings.encoding)


def _plain(cell: Cell, settings: QuincefinFileSettings) -> str:
    if isinstance(cell, Decimal):
        return f"{cell:f}".replace(".", settings.decimal)
    return _day(cell, settings) if isinstance(cell, date) else cell


def _day(day: date, settings: QuincefinFileSettings) -> str:
    return day.isoformat() if settings.dates == "iso" else day.strftime("%d.%m.%Y")


def _xlsx(
    titles: Sequence[str], rows: Sequence[Sequence[Cell]], settings: QuincefinFileSettings, at: datetime
) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    naive = at.replace(tzinfo=None, microsecond=0)
    book.properties.creator, book.properties.created, book.properties.modified = "Mistok", naive, naive
    sheet = book.active
    sheet.title = settings.sheet
    for number, row in enumerate([titles, *rows], 1):
        for place, value in enumerate(row, 1):
            text = _day(value, settings) if isinstance(value, date) else value
            if text == "":
                continue
            cell = sheet.cell(number, place)
            cell.value = text
            if isinstance(text, str):
                cell.data_type = "s"  # never a formula, whatever it begins with
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
