"""The verbs of ``mistok books`` for what follows an order: shipments, returns, payments, the closed period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.api import T, Text
from plugins.systems.books.showing import HEADS, Json, Limit, nothing, print_json, show

if TYPE_CHECKING:
    from plugins.systems.books.system import Books

Open = Callable[[], AbstractContextManager["Books"]]
Find = Annotated[str, typer.Argument(help=str(T("Part of a number, of the order's number, or of the buyer's name.")))]


def add_paper_verbs(app: typer.Typer, opened: Open) -> None:
    """Add them to the app of the books; ``opened`` opens the books when a verb runs."""

    @app.command(help=str(T("List shipments, newest first, with the documents that they stand on.")))
    def shipments(find: Find = "", limit: Limit = 50, as_json: Json = False) -> None:
        """List shipments, newest first, with the documents that they stand on."""
        from plugins.systems.books.papers import shipment_rows

        with opened() as books:
            rows = shipment_rows(books, find, limit)
        _list(rows, (*_GOODS, "tracking"), as_json, nothing(find, T("No shipment found.")))

    @app.command(help=str(T("List returns, newest first, with their shipments.")))
    def returns(find: Find = "", limit: Limit = 50, as_json: Json = False) -> None:
        """List returns, newest first, with their shipments."""
        from plugins.systems.books.papers import return_rows

        with opened() as books:
            rows = return_rows(books, find, limit)
        _list(rows, (*_GOODS, "shipment"), as_json, nothing(find, T("No return found.")))

    @app.command(help=str(T("List payments, newest first, with the accounts that they went to.")))
    def payments(find: Find = "", limit: Limit = 50, as_json: Json = False) -> None:
        """List payments, newest first, with the accounts that they went to."""
        from plugins.systems.books.papers import payment_rows

        with opened() as books:
            rows = payment_rows(books, find, limit)
        names = ("number", "at", "document", "order_number", "party", "account", "total", "currency")
        _list(rows, names, as_json, nothing(find, T("No payment found.")))

    @app.command(help=str(T("Show the closed period, close it up to a day, or open all again.")))
    def period(
        close: Annotated[
            str | None, typer.Option("--close", help=str(T("The last day that is closed, such as 2026-10-31.")))
        ] = None,
        open_all: Annotated[bool, typer.Option("--open", help=str(T("Open all again.")))] = False,
        as_json: Json = False,
    ) -> None:
        """Show the closed period, close it up to a day, or open all again."""
        with opened() as books:
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
            print_json({"closed_until": day.isoformat() if day else None})
        else:
            shown = T("Everything dated up to {day} is closed.", day=day) if day else None
            typer.echo(str(shown or T("No period is closed.")))


_GOODS = ("number", "at", "document", "order_number", "party", "items", "warehouse", "total", "currency")


def _list(rows: Sequence[dict[str, Any]], names: Sequence[str], as_json: bool, empty: Text) -> None:
    show(rows, names, [HEADS[name] for name in names], as_json, empty)
