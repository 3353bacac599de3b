"""The verbs of ``mistok books``: load tables, and look at products, stock, parties and documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipeline.api import TN, Rejected, SystemEnv, T
from plugins.systems.books.paper_verbs import add_paper_verbs
from plugins.systems.books.showing import (
    Json,
    Limit,
    left_out,
    nothing,
    print_json,
    show,
    show_document,
    show_findings,
    show_times_in,
)

if TYPE_CHECKING:
    from plugins.systems.books.system import Books

Get = Callable[[], tuple[Any, SystemEnv]]


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
        lefts = [result.pop("left_out") for result in results]
        if as_json:
            print_json([{**one, "left_out": left_out(rows)} for one, rows in zip(results, lefts, strict=True)])
            if any(lefts):
                raise typer.Exit(1)
            return
        for result, rows in zip(results, lefts, strict=True):
            for note in result.pop("notes"):
                typer.echo(f"! {note}")
            words = T("{file}: nothing written, this was a trial.", file=result["file"]) if dry_run else None
            if "references" in result:
                typer.echo(str(T("{file}: {n} references.", file=result["file"], n=result["references"])))
            else:
                typer.echo(str(T("{file}: {new} new, {changed} changed, {unchanged} as they were.", **result)))
            if words:
                typer.echo(str(words))
            if rows:
                told = TN(
                    "{file}: {n} row is left out.", "{file}: {n} rows are left out.", len(rows), file=result["file"]
                )
                show_findings(told, rows)
        if any(lefts):
            raise typer.Exit(1)

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
        show(rows, names, heads, as_json, nothing(find, T("No product found.")))

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
        show(rows, names, heads, as_json, nothing(find, T("No stock found.")))

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
        show(rows, names, heads, as_json, nothing(find, T("No party found.")))

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
        show(rows, names, heads, as_json, nothing(find, T("No document found.")))

    @app.command(help=str(T("Show one document with its lines and sums.")))
    def document(
        number: Annotated[str, typer.Argument(help=str(T("The document's number.")))], as_json: Json = False
    ) -> None:
        """Show one document with its lines and sums."""
        from plugins.systems.books.papers import document_under
        from plugins.systems.books.views import document_called, document_view

        with _open(get) as books:
            called = document_called(books, number)
            found = document_view(books, called) or document_view(books, document_under(books, number))
        if found is None:
            typer.echo(str(T("There is no document {number}.", number=number)), err=True)
            raise typer.Exit(1)
        if as_json:
            print_json(found)
        else:
            show_document(found)

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

    add_paper_verbs(app, lambda: _open(get))
    return app


@contextmanager
def _open(get: Get, *, dry_run: bool = False) -> Iterator[Books]:
    from plugins.systems.books.system import Books

    settings, env = get()
    if dry_run and settings.url.startswith("sqlite"):  # elsewhere what was tried is rolled back
        env = replace(env, dry_run=True)
    books = Books(settings, env)
    show_times_in(ZoneInfo(env.timezone))
    try:
        yield books
    except Rejected as error:
        show_findings(error.text, error.findings)
        raise typer.Exit(1) from None
    finally:
        books.close()


def _load(books: Books, path: Path, dry_run: bool, numbers: Any, encoding: str | None, language: str) -> dict[str, Any]:
    from plugins.systems.books.load import is_references, read_references
    from plugins.systems.books.tables import REFERENCES

    if is_references(path, encoding):
        rows, left = read_references(path, tuple(REFERENCES), encoding)
        n = books.load_references(rows, dry_run=dry_run)
        return {"file": path.name, "references": n, "notes": [], "left_out": left}
    table = books.read(path, language=language, numbers=numbers, encoding=encoding)
    done = books.load(table, dry_run=dry_run)
    return {
        "file": path.name,
        "new": done.new,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "notes": [str(note) for note in done.notes],
        "left_out": table.left,
    }
