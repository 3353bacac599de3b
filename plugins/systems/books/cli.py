"""The verbs of ``mistok books``: load tables, and look at products, stock, parties and documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipeline.api import MistokError, Rejected, SystemEnv, T, Text, Where, show_datetime, show_decimal

if TYPE_CHECKING:
    from rich.console import Console

    from plugins.systems.books.system import Books

Get = Callable[[], tuple[Any, SystemEnv]]
Json = Annotated[bool, typer.Option("--json", help=str(T("Print JSON instead of a table.")))]
Limit = Annotated[int, typer.Option("--limit", min=1, help=str(T("At most so many rows.")))]


class Numbers(StrEnum):
    """How numbers are written in a table."""

    AUTO = "auto"
    UK = "uk"
    EN = "en"


def make_app(get: Get) -> typer.Typer:
    """The Typer app of the books; ``get`` gives their settings and surroundings when a verb runs."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=str(T("The embedded accounting: load tables, look at what is in it.")),
    )

    @app.command(
        help=str(T("Load products, or references, from tables: new codes are added, known ones brought up to date."))
    )
    def load(
        files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help=str(T("CSV or XLSX tables.")))],
        dry_run: Annotated[bool, typer.Option("--dry-run", help=str(T("Only tell what would be done.")))] = False,
        numbers: Annotated[
            Numbers, typer.Option(help=str(T("uk: 1 234,50; en: 1,234.50; auto: either.")))
        ] = Numbers.AUTO,
        encoding: Annotated[
            str | None, typer.Option(help=str(T("Of a CSV: UTF-8 or windows-1251 when not given.")))
        ] = None,
        language: Annotated[str, typer.Option(help=str(T("Language of columns that name none.")))] = "uk-UA",
        as_json: Json = False,
    ) -> None:
        """Load products, or references, from tables: new codes are added, known ones brought up to date."""
        with _open(get, dry_run=dry_run) as books:
            results = [_load(books, path, dry_run, str(numbers), encoding, language) for path in files]
        if as_json:
            _print_json(results)
            return
        for result in results:
            for note in result.pop("notes"):
                typer.echo(f"! {note}")
            words = T("{file}: nothing written, this was a trial.", file=result["file"]) if dry_run else None
            if "references" in result:
                typer.echo(str(T("{file}: {n} references.", file=result["file"], n=result["references"])))
            else:
                typer.echo(str(T("{file}: {new} new, {changed} changed, {unchanged} as they were.", **result)))
            if words:
                typer.echo(str(words))

    @app.command(help=str(T("List products: code, name, price, special price, and what may be sold.")))
    def products(
        find: Annotated[str, typer.Argument(help=str(T("Part of a code or a name.")))] = "",
        limit: Limit = 200,
        as_json: Json = False,
    ) -> None:
        """List products: code, name, price, special price, and what may be sold."""
        from plugins.systems.books.views import product_rows

        with _open(get) as books:
            rows = product_rows(books, find, limit)
        heads = (T("Code"), T("Name"), T("Category"), T("Price"), T("Special"), T("In stock"), T("Unit"))
        names = ("code", "name", "category", "price", "special_price", "stock", "unit")
        _show(rows, names, heads, as_json, _nothing(find, T("No product found.")))

    @app.command(help=str(T("List stock by warehouse: on hand, reserved, and what may be sold.")))
    def stock(
        find: Annotated[str, typer.Argument(help=str(T("Part of a code or a name.")))] = "",
        limit: Limit = 500,
        as_json: Json = False,
    ) -> None:
        """List stock by warehouse: on hand, reserved, and what may be sold."""
        from plugins.systems.books.views import stock_rows

        with _open(get) as books:
            rows = stock_rows(books, find, limit)
        if not as_json:
            rows = [{**row, "warehouse": row["place"] or row["warehouse"]} for row in rows]
        heads = (T("Code"), T("Name"), T("Warehouse"), T("On hand"), T("Reserved"), T("May be sold"))
        names = ("code", "name", "warehouse", "on_hand", "reserved", "sellable")
        _show(rows, names, heads, as_json, _nothing(find, T("No stock found.")))

    @app.command(help=str(T("List parties: buyers and companies.")))
    def parties(
        find: Annotated[str, typer.Argument(help=str(T("Part of a name, code, phone or mail.")))] = "",
        limit: Limit = 200,
        as_json: Json = False,
    ) -> None:
        """List parties: buyers and companies."""
        from plugins.systems.books.views import party_rows

        with _open(get) as books:
            rows = party_rows(books, find, limit)
        heads = (T("Code"), T("Name"), T("EDRPOU"), T("Phone"), T("Mail"), T("Documents"))
        names = ("code", "name", "edrpou", "phone", "email", "documents")
        _show(rows, names, heads, as_json, _nothing(find, T("No party found.")))

    @app.command(help=str(T("List order documents, newest first.")))
    def documents(
        find: Annotated[
            str, typer.Argument(help=str(T("Part of a number, of the source's number, or of the buyer's name.")))
        ] = "",
        limit: Limit = 50,
        as_json: Json = False,
    ) -> None:
        """List order documents, newest first."""
        from plugins.systems.books.views import STATUSES, document_rows, in_words

        with _open(get) as books:
            rows = document_rows(books, find, limit)
        heads = (
            T("Number"),
            T("Made"),
            T("Source"),
            T("Its number"),
            T("Buyer"),
            T("Items"),
            T("Sum"),
            T("Currency"),
            T("Status"),
        )
        names = ("number", "created_at", "source", "order_number", "party", "items", "total", "currency", "status")
        if not as_json:
            rows = [{**row, "status": in_words(row["status"], STATUSES)} for row in rows]
        _show(rows, names, heads, as_json, _nothing(find, T("No document found.")))

    @app.command(help=str(T("Show one document with its lines and sums.")))
    def document(
        number: Annotated[str, typer.Argument(help=str(T("The document's number.")))], as_json: Json = False
    ) -> None:
        """Show one document with its lines and sums."""
        from plugins.systems.books.views import document_called, document_view

        with _open(get) as books:
            found = document_view(books, document_called(books, number))
        if found is None:
            typer.echo(str(T("There is no document {number}.", number=number)), err=True)
            raise typer.Exit(1)
        if as_json:
            _print_json(found)
        else:
            _show_document(found)

    @app.command(help=str(T("Close documents: their goods have left. Orders cannot change them any more.")))
    def close(numbers: Annotated[list[str], typer.Argument(help=str(T("Numbers of documents.")))]) -> None:
        """Close documents: their goods have left. Orders cannot change them any more."""
        from plugins.systems.books.views import document_called

        with _open(get) as books:
            for number in (document_called(books, said) for said in numbers):
                closed = books.close_document(number)
                words = T("Document {number} is closed.", number=number)
                typer.echo(str(words if closed else T("Document {number} was closed before.", number=number)))

    @app.command(help=str(T("Reopen closed documents: their goods are in stock again, reserved for them.")))
    def reopen(numbers: Annotated[list[str], typer.Argument(help=str(T("Numbers of documents.")))]) -> None:
        """Reopen closed documents: their goods are in stock again, reserved for them."""
        from plugins.systems.books.views import document_called

        with _open(get) as books:
            for number in (document_called(books, said) for said in numbers):
                opened = books.reopen_document(number)
                words = T("Document {number} is open again.", number=number)
                typer.echo(str(words if opened else T("Document {number} is not closed.", number=number)))

    @app.command(help=str(T("Show the closed period, close it up to a day, or open all again.")))
    def period(
        close: Annotated[
            str | None, typer.Option("--close", help=str(T("The last day that is closed, such as 2026-10-31.")))
        ] = None,
        open_all: Annotated[bool, typer.Option("--open", help=str(T("Open all again.")))] = False,
        as_json: Json = False,
    ) -> None:
        """Show the closed period, close it up to a day, or open all again."""
        from datetime import date

        with _open(get) as books:
            if close is not None:
                try:
                    books.close_period(date.fromisoformat(close))
                except ValueError:
                    typer.echo(str(T("{day} is no day such as 2026-10-31.", day=close)), err=True)
                    raise typer.Exit(1) from None
            elif open_all:
                books.close_period(None)
            day = books.closed_period()
        if as_json:
            _print_json({"closed_until": day.isoformat() if day else None})
        else:
            shown = T("Everything dated up to {day} is closed.", day=day.isoformat()) if day else None
            typer.echo(str(shown or T("No period is closed.")))

    return app


@contextmanager
def _open(get: Get, *, dry_run: bool = False) -> Iterator[Books]:
    from plugins.systems.books.system import Books

    settings, env = get()
    if dry_run and settings.url.startswith("sqlite"):  # elsewhere what was tried is rolled back
        env = replace(env, dry_run=True)
    books = Books(settings, env)
    _zone[:] = [ZoneInfo(env.timezone)]
    try:
        yield books
    except Rejected as error:
        _show_findings(error)
        raise typer.Exit(1) from None
    finally:
        books.close()


_zone: list[ZoneInfo] = []  # of the client whose books are open; times are shown in it


def _load(books: Books, path: Path, dry_run: bool, numbers: Any, encoding: str | None, language: str) -> dict[str, Any]:
    from plugins.systems.books.load import is_references, read_references
    from plugins.systems.books.tables import REFERENCES

    if is_references(path, encoding):
        rows = read_references(path, tuple(REFERENCES), encoding)
        return {"file": path.name, "references": books.load_references(rows, dry_run=dry_run), "notes": []}
    done = books.load(books.read(path, language=language, numbers=numbers, encoding=encoding), dry_run=dry_run)
    return {
        "file": path.name,
        "new": done.new,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "notes": [str(note) for note in done.notes],
    }


def _show_findings(error: MistokError) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    table = Table(title=str(error.text), title_justify="left", box=None, pad_edge=False)
    for head in (T("Row"), T("Column"), T("What is wrong")):
        table.add_column(str(head))
    shown = 50
    for finding in error.findings[:shown]:
        where: Where = finding.where
        words = f"{finding.text} {finding.hint}" if finding.hint else str(finding.text)
        table.add_row(str(where.line or ""), where.element or "", words)
    console.print(table, markup=False)
    if len(error.findings) > shown:
        console.print(str(T("… and {n} more.", n=len(error.findings) - shown)))


def _show(
    rows: Sequence[dict[str, Any]], names: Sequence[str], heads: Sequence[Text], as_json: bool, empty: Text
) -> None:
    if as_json:
        _print_json(rows)
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
        table.add_row(*(_cell(row[name], name) for name in names))
    _console().print(table)


def _nothing(find: str, nothing: Text) -> Text:
    return T("Nothing matches {text}.", text=find.strip()) if find.strip() else nothing


def _show_document(found: dict[str, Any]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from plugins.systems.books.views import STATUSES, in_words

    console = _console()
    console.print(f"[bold]{escape(str(T('Order {number}', number=found['number'])))}[/bold]")
    buyer = found["customer"]
    facts = (
        (T("Client"), found["client"]),
        (T("Source"), f"{found['source']} № {found['order_number']} {found['source_number']}".rstrip()),
        (T("Made"), _cell(found["created_at"])),
        (T("Ordered"), _cell(found["ordered_at"])),
        (T("Changed"), _cell(found["modified_at"])),
        (T("Amended"), _cell(found["amended_at"])),
        (T("Cancelled"), _cell(found["cancelled_at"])),
        (T("Closed"), _cell(found["closed_at"])),
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
            console.print(f"{head!s:<12} {escape(str(value))}")
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
        table.add_row(*(_cell(line[name], name) for name in names))
        about = [*(f"{name}: {value}" for name, value in (line["attributes"] or {}).items())]
        about += [words for words in (line["barcode"], line["comment"]) if words]
        if about:
            table.add_row("", "", escape("; ".join(about)))
    console.print(table)
    sums = (
        (T("Goods"), found["lines_sum"]),
        (T("Discount"), -found["discount"]),
        (T("Delivery"), found["delivery_cost"]),
        (T("Payment fee"), found["payment_fee"]),
        (T("Rounding"), found["rounding"]),
    )
    for head, value in sums:
        if value:
            console.print(f"{head!s:<12} {_cell(value):>14}")
    console.print(f"[bold]{T('Total')!s:<12} {_cell(found['total']):>14} {escape(found['currency'])}[/bold]")
    for tax in found["taxes"]:
        words = T("Tax {rate} %", rate=tax["rate"].normalize() + 0)
        inside = T("included") if found["prices_include_tax"] else T("added")
        console.print(f"{words!s:<12} {_cell(tax['tax']):>14} ({inside})")
    if found["extra"]:
        console.print(f"\n[bold]{escape(str(T('What else the order says')))}[/bold]")
        for name, value in found["extra"].items():
            console.print(escape(f"{name}: {value}"))


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
_PARTY = ("company", "edrpou", "tax_number", "last_name", "first_name", "middle_name", "phone", "email")
_QUANTITIES = frozenset({"quantity", "stock", "on_hand", "reserved", "sellable"})


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # into a file or a pipe: nobody's window is to be fitted
    return console


def _cell(value: Any, name: str = "") -> str:
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


def _print_json(value: Any) -> None:
    def plain(part: Any) -> str:
        return part.isoformat() if isinstance(part, datetime) else str(part)

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))
