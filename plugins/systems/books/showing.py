"""How the verbs of the books show what they found: tables, one document, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipeline.api import Finding, T, Text, Where, show_datetime, show_decimal

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help=str(T("Print JSON instead of a table.")))]
Limit = Annotated[int, typer.Option("--limit", min=1, help=str(T("At most so many rows.")))]

_zone: list[ZoneInfo] = []  # of the client whose books are open; times are shown in it


def show_times_in(zone: ZoneInfo) -> None:
    """From now on times are told in ``zone``."""
    _zone[:] = [zone]


def left_out(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Rows that are left out, for JSON."""
    return [
        {
            "row": one.where.line, "column": one.where.column, "header": one.where.element,
            "text": str(one.text), "hint": str(one.hint),
        }
        for one in findings
    ]  # fmt: skip


def show_findings(title: Text, findings: Sequence[Finding]) -> None:
    """What is wrong with a table, row by row."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    table = Table(title=str(title), title_justify="left", box=None, pad_edge=False)
    for head in (T("Row"), T("Column"), T("What is wrong")):
        table.add_column(str(head))
    shown = 50
    for finding in findings[:shown]:
        where: Where = finding.where
        words = f"{finding.text} {finding.hint}" if finding.hint else str(finding.text)
        table.add_row(str(where.line or ""), where.element or "", words)
    console.print(table, markup=False)
    if len(findings) > shown:
        console.print(str(T("… and {n} more.", n=len(findings) - shown)))


def show(
    rows: Sequence[dict[str, Any]], names: Sequence[str], heads: Sequence[Text], as_json: bool, empty: Text
) -> None:
    """``rows`` as a table with these columns, as JSON, or ``empty``."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo(str(empty))
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, head in zip(names, heads, strict=True):
        numeric = any(isinstance(row[name], (Decimal, int)) for row in rows)
        table.add_column(str(head), justify="right" if numeric else "left", no_wrap=name in _WHOLE)
    for row in rows:
        table.add_row(*(cell(row[name], name) for name in names))
    console().print(table)


def nothing(find: str, nothing: Text) -> Text:
    """What is said when nothing was found; ``nothing``: when nothing was looked for."""
    return T("Nothing matches {text}.", text=find.strip()) if find.strip() else nothing


def show_document(found: dict[str, Any]) -> None:
    """A document (views.document_view) with all that stands on it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from plugins.systems.books.views import STATUSES, in_words

    out = console()
    out.print(f"[bold]{escape(str(T('Order {number}', number=found['number'])))}[/bold]")
    buyer = found["customer"]
    facts = (
        (T("Client"), found["client"]),
        (T("Source"), f"{found['source']} № {found['order_number']} {found['source_number']}".rstrip()),
        (T("Shop"), found["shop"]),
        (T("Made"), cell(found["created_at"])),
        (T("Ordered"), cell(found["ordered_at"])),
        (T("Changed"), cell(found["modified_at"])),
        (T("Amended"), cell(found["amended_at"])),
        (T("Cancelled"), cell(found["cancelled_at"])),
        (T("Closed"), cell(found["closed_at"])),
        (T("Status"), in_words(found["status"], STATUSES)),
        (T("Booked on"), f"{found['party']} ({found['party_code']})"),
        (T("Buyer"), _words(buyer, _PARTY)),
        (T("Address"), _address(buyer)),
        (T("Language"), found["language"]),
        (T("Manager"), found["manager"]),
        (T("Object"), found["object"]),
        (T("Warehouse"), found["warehouse"]),
        (T("Author"), found["user"]),
        (T("Executor"), found["executor"]),
        (T("Delivery"), found["delivery_words"]),
        (T("Delivery as"), found["delivery_product"]),
        (T("Deliver to"), _address(found["delivery"])),
        (T("Payment"), found["payment_words"]),
        (T("Paid"), _words(found["payment"], ("paid", "paid_at", "transaction"))),
        (T("Coupons"), ", ".join(_words(one, ("code", "name")) for one in found["discounts"] or ())),
        (T("Comment"), found["comment"]),
        (T("Buyer says"), "" if found["buyer_comment"] in found["comment"] else found["buyer_comment"]),
        (T("Office says"), found["manager_comment"]),
    )
    for head, value in facts:
        if value:
            out.print(f"{head!s:<12} {escape(str(value))}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head, justify in (
        (T("No."), "right"),
        (T("Code"), "left"),
        (T("Name"), "left"),
        (T("Quantity"), "right"),
        (T("Unit"), "left"),
        (T("Price"), "right"),
        (T("Discount"), "right"),
        (T("Sum"), "right"),
    ):
        table.add_column(str(head), justify=justify)  # type: ignore[arg-type]
    for line in found["lines"]:
        names = ("position", "product_code", "name", "quantity", "unit", "price", "discount", "sum")
        table.add_row(*(cell(line[name], name) for name in names))
        about = [*(f"{name}: {value}" for name, value in (line["attributes"] or {}).items())]
        about += [words for words in (line["barcode"], line["comment"]) if words]
        if about:
            table.add_row("", "", escape("; ".join(about)))
    out.print(table)
    sums = (
        (T("Goods"), found["lines_sum"]),
        (T("Discount"), -found["discount"]),
        (T("Delivery"), found["delivery_cost"]),
        (T("Payment fee"), found["payment_fee"]),
        (T("Rounding"), found["rounding"]),
    )
    for head, value in sums:
        if value:
            out.print(f"{head!s:<12} {cell(value):>14}")
    out.print(f"[bold]{T('Total')!s:<12} {cell(found['total']):>14} {escape(found['currency'])}[/bold]")
    for tax in found["taxes"]:
        words = T("Tax {rate} %", rate=tax["rate"].normalize() + 0)
        inside = T("included") if found["prices_include_tax"] else T("added")
        out.print(f"{words!s:<12} {cell(tax['tax']):>14} ({inside})")
    if found["extra"]:
        out.print(f"\n[bold]{escape(str(T('What else the order says')))}[/bold]")
        for name, value in found["extra"].items():
            out.print(escape(f"{name}: {value}"))
    _show_papers(found)


def _show_papers(found: dict[str, Any]) -> None:
    """What stands on a document: shipments, returns, payments."""
    from rich import box
    from rich.table import Table

    for title, name, names in (
        (T("Shipments"), "shipments", ("number", "at", "warehouse", "goods", "tracking", "total")),
        (T("Returns"), "returns", ("number", "at", "warehouse", "goods", "shipment", "total")),
        (T("Payments"), "payments", ("number", "at", "account", "comment", "party", "total")),
    ):
        rows = found[name]
        if not rows:
            continue
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=str(title), title_justify="left", title_style="bold")
        for column in names:
            table.add_column(str(HEADS[column]), justify="right" if column == "total" else "left")
        for row in rows:
            lines = row.get("lines", ())
            goods = ", ".join(f"{line['product_code']} × {cell(line['quantity'], 'quantity')}" for line in lines)
            table.add_row(*(goods if column == "goods" else cell(row[column], column) for column in names))
        console().print(table, markup=False)
    if found["payments"]:
        paid = sum((row["total"] for row in found["payments"]), Decimal(0))
        typer.echo(str(T("Paid {paid} of {total}.", paid=paid, total=found["total"])))


def _words(record: dict[str, Any], names: Sequence[str]) -> str:
    return ", ".join(str(record[name]) for name in names if record.get(name))


def _address(record: dict[str, Any]) -> str:
    address = record.get("address") or {}
    parts = ("country", "zip", "region", "city", "street", "house", "apartment")
    words = _words(address, parts)
    whole = address.get("text", "")
    return f"{words} ({whole})" if words and whole and whole != address.get("street") else words or whole


#: columns whose values are never broken over two lines
_WHOLE = frozenset({"code", "number", "order_number", "total", "created_at", "currency", "phone", "edrpou"})
#: what a column of shipments, returns and payments is called
HEADS = {
    "number": T("Number"),
    "at": T("When"),
    "document": T("Document"),
    "order_number": T("Its number"),
    "party": T("Buyer"),
    "items": T("Items"),
    "goods": T("Goods"),
    "warehouse": T("Warehouse"),
    "shipment": T("Shipment"),
    "tracking": T("Parcel"),
    "account": T("Account"),
    "comment": T("Comment"),
    "total": T("Sum"),
    "currency": T("Currency"),
}
_PARTY = ("company", "edrpou", "tax_number", "last_name", "first_name", "middle_name", "phone", "email")
_QUANTITIES = frozenset({"quantity", "stock", "on_hand", "reserved", "sellable"})


def console() -> Console:
    """Where tables go."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # into a file or a pipe: nobody's window is to be fitted
    return console


def cell(value: Any, name: str = "") -> str:
    """One value for people; ``name`` is that of its column."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        # 30 pieces are not 30,00; money keeps its cents
        return show_decimal(
            value.quantize(Decimal(1)) if name in _QUANTITIES and value == value.to_integral() else value
        )
    if isinstance(value, datetime):
        return show_datetime(value.astimezone(_zone[0]) if _zone else value)
    return str(value)


def print_json(value: Any) -> None:
    """For programs: exact numbers as text, times with their offset."""

    def plain(part: Any) -> str:
        return part.isoformat() if isinstance(part, datetime) else str(part)

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))
