"""The sheet of a day in words: what each table is called, and its rows, for the screen, the page and the workbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pipeline.engine.report.day import DayReport, Happened, Kind, Lateness, OrderFact, ProductCount, Sums
from pipeline.engine.shown.rows import FILE_STATES, ORDER_STATES, SHOP_STATUSES, shop_status
from pipeline.engine.shown.stories import event_words
from pipeline.engine.shown.syncs import number_of
from pipeline.errors import Finding
from pipeline.model import cents
from pipeline.texts import TN, T, Text, current_language

KINDS: Mapping[Kind, Text] = {
    "sum": T("the document has another sum"),
    "currency": T("the document is in another currency"),
    "gone": T("the accounting system has no such document any more"),
    "cancelled": T("cancelled in the shop, and its document stands"),
}
LATE: Mapping[Lateness, Text] = {
    "after": T("came after the day"),
    "earlier": T("of an earlier day, counted there"),
}
PAID: Mapping[str, Text] = {"unpaid": T("not paid"), "paid": T("paid"), "partly": T("paid in part")}
PRODUCTS: Mapping[str, Text] = {"new": T("new"), "changed": T("changed"), "vanished": T("vanished from the source")}
UNKNOWN = T("not known")
NONE = T("none named")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``kind``: ``text``, ``count``, ``money`` or ``when``."""

    name: str
    heading: Text
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the sheet: its rows have the columns' names as keys."""

    name: str
    title: Text
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    empty: Text


SUMS = (
    Column("group", T("Grouped by")),
    Column("name", T("What")),
    Column("currency", T("Currency")),
    Column("orders", T("Orders"), "count"),
    Column("total", T("Sum in the shop"), "money"),
    Column("booked", T("Booked"), "count"),
    Column("booked_total", T("Sum booked"), "money"),
    Column("waiting", T("Waiting"), "count"),
    Column("waiting_total", T("Sum waiting"), "money"),
    Column("apart", T("Not booked"), "count"),
    Column("apart_total", T("Sum not booked"), "money"),
    Column("compared", T("Compared"), "count"),
    Column("compared_total", T("In the shop"), "money"),
    Column("documents_total", T("By the documents"), "money"),
    Column("difference", T("Difference"), "money"),
)
_ORDER = (
    Column("order", T("Order")),
    Column("source", T("Source")),
    Column("customer", T("Customer")),
    Column("made", T("Made"), "when"),
    Column("taken", T("Taken"), "when"),
    Column("total", T("Sum in the shop"), "money"),
    Column("currency", T("Currency")),
)


def tables(report: DayReport, *, names: bool = True) -> list[Table]:
    """Every table of the sheet. ``names`` False: for those who may see no customers."""
    zone = report.zone

    def local(moment: datetime | None) -> datetime | None:
        return moment.astimezone(zone) if moment is not None else None

    def head(one: OrderFact) -> dict[str, Any]:
        return {
            "row": one.row,
            "order": one.number,
            "source": one.source,
            "customer": one.customer if names else "",
            "made": local(one.placed),
            "taken": local(one.taken),
            "total": one.total,
            "currency": one.currency,
        }

    differences = [
        {
            **head(one),
            "document": one.document or "",
            "says": one.document_total if not one.gone else None,
            "in": one.document_currency if not one.gone else "",
            "difference": cents(one.document_total) - cents(one.total)
            if one.comparable and one.document_total is not None and one.total is not None
            else None,
            "what": str(KINDS[one.difference]),
        }
        for one in report.differences
        if one.difference is not None
    ]
    waiting = [
        {**head(one), "state": str(ORDER_STATES[one.state]), "cards": numbers(one.cards), "why": first(one.why)}
        for one in report.waiting
    ]
    late = [
        {**head(one), "state": str(ORDER_STATES[one.state]), "cards": numbers(one.cards), "what": str(LATE[how])}
        for one, how in report.late
    ]
    happened = [
        {"row": one.row, "at": local(one.at), "order": one.number, "source": one.source, "what": happened_words(one)}
        for one in report.happened
    ]
    files = [
        {
            "file_row": one.row,
            "at": local(one.at),
            "name": one.name,
            "place": one.place,
            "state": str(FILE_STATES[one.state]),
            "cards": numbers(one.cards),
            "why": first(one.why),
        }
        for one in report.files
    ]
    products = [
        {
            "where": one.where,
            "what": str(PRODUCTS.get(one.what, one.what)),
            "article": one.article,
            "name": one.name,
            "field": one.field,
            "before": number_of(one.field, one.before),
            "after": number_of(one.field or "price", one.after),
        }
        for one in report.products
    ]
    return [
        Table("sums", T("Shop and books"), SUMS, sums_rows(report), T("No orders on this day.")),
        Table(
            "differences",
            T("Differences"),
            (
                *_ORDER,
                Column("document", T("Document")),
                Column("says", T("By the document"), "money"),
                Column("in", T("Its currency")),
                Column("difference", T("Difference"), "money"),
                Column("what", T("What")),
            ),
            differences,
            T("No document differs from its order."),
        ),
        Table(
            "waiting",
            T("Waiting orders"),
            (*_ORDER, Column("state", T("State")), Column("cards", T("Card")), Column("why", T("Why"))),
            waiting,
            T("No order waits."),
        ),
        Table(
            "late",
            T("Late orders"),
            (*_ORDER, Column("state", T("State")), Column("cards", T("Card")), Column("what", T("What"))),
            late,
            T("No order came late."),
        ),
        Table(
            "changes",
            T("Changed orders"),
            (
                Column("at", T("When"), "when"),
                Column("order", T("Order")),
                Column("source", T("Source")),
                Column("what", T("What happened")),
            ),
            happened,
            T("No order was amended or cancelled."),
        ),
        Table(
            "files",
            T("Rejected files"),
            (
                Column("at", T("When"), "when"),
                Column("name", T("File")),
                Column("place", T("Connection")),
                Column("state", T("State")),
                Column("cards", T("Card")),
                Column("why", T("Why")),
            ),
            files,
            T("No file was rejected."),
        ),
        Table(
            "counts",
            T("Products by job"),
            (
                Column("where", T("Job")),
                Column("new", T("New"), "count"),
                Column("changed", T("Changed"), "count"),
                Column("vanished", T("Vanished"), "count"),
                Column("rows", T("Rows of the file"), "count"),
                Column("note", T("Remark")),
            ),
            [count_row(one) for one in report.counts],
            T("No product is new or changed."),
        ),
        Table(
            "products",
            T("Products"),
            (
                Column("where", T("Job")),
                Column("what", T("What")),
                Column("article", T("Article")),
                Column("name", T("Name")),
                Column("field", T("Field")),
                Column("before", T("Before")),
                Column("after", T("After")),
            ),
            products,
            T("No product is new or changed."),
        ),
    ]


#: What screen and page leave to the workbook, so that a row stays in sight.
_LEFT_OUT: Mapping[str, frozenset[str]] = {
    "sums": frozenset({"booked_total", "waiting_total", "apart_total", "compared", "compared_total"}),
    "waiting": frozenset({"made"}),
    "differences": frozenset({"made", "taken"}),
}


def on_screen(table: Table, *, names: bool = True) -> list[Column]:
    """The columns that a screen shows; ``names`` False: for those who may see no customers."""
    hidden = _LEFT_OUT.get(table.name, frozenset()) | (frozenset() if names else {"customer"})
    return [column for column in table.columns if column.name not in hidden]


def sums_rows(report: DayReport) -> list[dict[str, Any]]:
    """Totals, then the same orders by source, status, payment and state: each group adds up to the totals."""
    groups = (
        (T("All"), report.totals, lambda _name: ""),
        (T("Source"), report.by_source, lambda name: name or str(NONE)),
        (T("Status in the shop"), report.by_status, _status),
        (T("Payment"), report.by_payment, payment_words),
        (T("State"), report.by_state, _state),
    )
    return [
        {"group": str(group), "name": words(one.name), **_numbers(one)} for group, some, words in groups for one in some
    ]


def _numbers(one: Sums) -> dict[str, Any]:
    return {
        "currency": one.currency or str(UNKNOWN),
        **{
            name: getattr(one, name)
            for name in ("orders", "total", "booked", "booked_total", "waiting", "waiting_total", "apart")
        },
        "apart_total": one.apart_total,
        "compared": one.compared,
        "compared_total": one.compared_total,
        "documents_total": one.documents_total,
        "difference": one.difference,
    }


def _status(name: str | None) -> str:
    if name is None:
        return str(UNKNOWN)
    words = shop_status(name)
    return f"{words} ({name})" if name in SHOP_STATUSES and words != name else words or str(NONE)


def _state(name: str | None) -> str:
    return str(T("document marked cancelled") if name == "cancelled" else ORDER_STATES[name or "new"])


def payment_words(name: str | None) -> str:
    """A payment method with whether it was paid."""
    if name is None:
        return str(UNKNOWN)
    method, _tab, paid = name.partition("\t")
    words = str(PAID.get(paid, paid))
    return f"{method or NONE}, {words}" if words else method or str(NONE)


def count_row(one: ProductCount) -> dict[str, Any]:
    """How many products came and changed by one job."""
    note = ""
    if not one.listed:
        note = str(
            T("not compared row by row") if not (one.new or one.changed or one.vanished) else T("more than are listed")
        )
    elif one.rows is not None and not (one.new or one.changed or one.vanished):
        note = str(T("published; nothing to compare it with, or nothing changed"))
    return {
        "where": one.where,
        "new": one.new,
        "changed": one.changed,
        "vanished": one.vanished,
        "rows": one.rows,
        "note": note,
    }


def happened_words(one: Happened) -> str:
    """What happened to an order."""
    return event_words(one.event, one.data)


def numbers(some: Sequence[int]) -> str:
    """Numbers of cards."""
    return ", ".join(map(str, some))


def first(findings: Sequence[Finding]) -> str:
    """The first of what is wrong."""
    return str(findings[0].text) if findings else ""


def notes(report: DayReport) -> list[Text]:
    """What the sheet does not know, said honestly; and as of when it is."""
    zone = report.zone
    found = [T("As of {when}; a sheet that is made later has what came since.", when=report.made.astimezone(zone))]
    if report.asked is not None:
        found.append(T("The documents' sums are as of {when}, or later.", when=report.asked.astimezone(zone)))
    if report.unasked:
        found.append(
            TN(
                "Of {n} document it is not known what it says: it is in no comparison "
                "(mistok report day --connect asks).",
                "Of {n} documents it is not known what they say: they are in no comparison "
                "(mistok report day --connect asks).",
                report.unasked,
            )
        )
    if report.unknown_payment:
        found.append(
            TN(
                "Of {n} order the payment is not known: it was taken before Mistok kept it, or could not be read.",
                "Of {n} orders the payment is not known: they were taken before Mistok kept it, or could not be read.",
                report.unknown_payment,
            )
        )
    if report.unknown_placed:
        found.append(
            TN(
                "Of {n} order it is not known when it was made in the shop: it is counted on the day on which it came.",
                "Of {n} orders it is not known when they were made in the shop: they are counted on the day on which "
                "they came.",
                report.unknown_placed,
            )
        )
    without = sum(one.without_sum for one in report.totals)
    if without:
        found.append(
            TN(
                "The sum of {n} order could not be read: it is in no total.",
                "The sums of {n} orders could not be read: they are in no total.",
                without,
            )
        )
    return found


def amounts(some: Sequence[Sums], name: str) -> str:
    """One sum of each currency: ``1,240.50 UAH, 27.40 EUR``."""
    from pipeline.texts import show_decimal

    said = [f"{show_decimal(cents(getattr(one, name)))} {one.currency}" for one in some if one.currency]
    return ", ".join(said) or "0"


def title(report: DayReport) -> Text:
    """What the sheet is."""
    return T("Sheet of {day}: {client}", day=day_words(report.day), client=report.client)


def day_words(day: date) -> str:
    """A day as people write it, with its weekday."""
    from babel.dates import format_date

    language = current_language()
    return str(format_date(day, "EEEE, d MMMM y", locale=language))


def as_data(report: DayReport, *, names: bool = True) -> dict[str, Any]:
    """For JSON: exact sums as strings, each currency by itself."""

    def line(one: Sums) -> dict[str, Any]:
        return {"name": one.name, **_numbers(one), "currency": one.currency, "without_sum": one.without_sum}

    rest = [table for table in tables(report, names=names) if table.name != "sums"]
    return {
        "client": report.client,
        "day": report.day,
        "made": report.made.astimezone(report.zone),
        "asked": report.asked.astimezone(report.zone) if report.asked else None,
        "totals": [line(one) for one in report.totals],
        "by_source": [line(one) for one in report.by_source],
        "by_status": [line(one) for one in report.by_status],
        "by_payment": [
            {**line(one), "name": payment_words(one.name), "method": method, "paid": paid}
            for one in report.by_payment
            for method, paid in [_parts(one.name)]
        ],
        "by_state": [line(one) for one in report.by_state],
        **{table.name: [dict(row) for row in table.rows] for table in rest},
        "notes": [str(note) for note in notes(report)],
    }


def _parts(name: str | None) -> tuple[str | None, str | None]:
    if name is None:
        return None, None
    method, _tab, paid = name.partition("\t")
    return method, paid
