"""``mistok map try FILE``: how a mapping reads a file: every order (or product), and what of it stays unread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.formats import ByFormat, ByJob, Chosen, choose
from pipeline.cli.orders import AsJson
from pipeline.cli.validate import Judged, Verdict, context_for, judge_file, show
from pipeline.cli.words import Verb, VerbGroup
from pipeline.errors import ConfigError, Rejected
from pipeline.ports import GoodsFormat, Unread
from pipeline.rules.differences import field_name
from pipeline.rules.pricing import order_totals
from pipeline.texts import TN, T, show_decimal

if TYPE_CHECKING:
    from pipeline.model import Order

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=str(common.EXIT_CODES),
)
SHOWN = 5  #: orders that are shown field by field
#: What stands in tables of its own, or says nothing about the file.
_APART = frozenset({"lines", "discounts", "taxes", "extra"})


def _add(verb: Any) -> None:
    help_text = T("Show the orders, or the products, of a file as they would be read, and what of it stays unread.")
    group.command("try", help=str(help_text), epilog=str(common.EXIT_CODES), cls=Verb)(verb)


def try_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help=str(T("A file with orders, or a catalogue.")), metavar="FILE")],
    chosen: ByFormat = None,
    job: ByJob = None,
    timezone: Annotated[
        str | None, typer.Option(show_default=False, help=str(T("Time zone of times without one.")))
    ] = None,
    every: Annotated[bool, typer.Option("--all", help=str(T("Show all of it, not only what comes first.")))] = False,
    as_json: AsJson = False,
) -> None:
    """Read FILE by a mapping and show what came of it; nothing is taken, booked or changed."""
    with common.cards(as_json=as_json):
        by = choose(context, chosen, job, timezone)
        if not file.is_file():
            raise ConfigError(T("There is no file {path}.", path=str(file)), hint=T("Check the name and the folder."))
        if isinstance(by.plugin.format, GoodsFormat):
            from pipeline.cli.map_goods import try_goods

            raise typer.Exit(try_goods(file, by, every=every, as_json=as_json))
        verdict = judge_file(file, by)
        unread = _unread(file, by, verdict)
        if as_json:
            common.print_json(_json(verdict, by, unread))
        else:
            _show(verdict, by, unread, every=every)
        if verdict.outcome != "accepted":
            raise typer.Exit(common.WAITING)


_add(try_)


def _unread(file: Path, chosen: Chosen, verdict: Verdict) -> Sequence[Unread] | None:
    """None: the format does not tell, or the file was refused."""
    if chosen.plugin.unread is None or verdict.outcome == "quarantined":
        return None
    try:
        return chosen.plugin.unread(file.read_bytes(), chosen.settings, context_for(file, chosen))
    except Rejected:
        return None


def _json(verdict: Verdict, chosen: Chosen, unread: Sequence[Unread] | None) -> dict[str, Any]:
    data = verdict.to_json()
    for row, one in zip(data["orders"], verdict.orders, strict=True):
        row["fields"] = dict(fields_of(one.order)) if one.order else None
        row["lines"] = [dict(row) for row in line_rows(one.order)] if one.order else None
        row["made"] = order_totals(one.order).total if one.order else None
    rows = None
    if unread is not None:
        rows = [{"path": one.path, "count": one.count, "sample": one.sample, "line": one.line} for one in unread]
    return {**data, "format": chosen.plugin.name, "unread": rows}


def _show(verdict: Verdict, chosen: Chosen, unread: Sequence[Unread] | None, *, every: bool) -> None:
    from rich.text import Text as Rich

    out = common.console()
    shown = verdict.orders if every else verdict.orders[:SHOWN]
    for one in shown:
        if one.order is not None:
            out.print(Rich(str(T("Order №{number}, line {line}", number=one.decoded.number, line=_line(one))), "bold"))
            _show_order(one.order)
    if len(shown) < len(verdict.orders):
        more = TN("… and {n} more order: --all", "… and {n} more orders: --all", len(verdict.orders) - len(shown))
        out.print(Rich(str(more), "dim"))
    show((verdict,))
    if unread is None:
        if verdict.outcome != "quarantined":
            out.print(str(T("The format {name} does not tell what it leaves unread.", name=chosen.plugin.name)))
        return
    if not unread:
        out.print(str(T("Nothing of the file stays unread.")))
        return
    out.print(Rich(str(T("What stays unread:")), "bold"))
    common.table(
        (("path", T("Where")), ("count", T("How often")), ("sample", T("For example")), ("line", T("Line"))),
        [{"path": one.path, "count": one.count, "sample": one.sample, "line": one.line} for one in unread],
        empty=T("Nothing of the file stays unread."),
    )


def _line(one: Judged) -> int:
    return one.decoded.line or 0


def _show_order(order: Order) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text as Rich

    out = common.console()
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", overflow="fold")
    facts.add_column(overflow="fold")
    for name, value in fields_of(order):
        facts.add_row(Rich(str(field_name(name.split(".")))), Rich(_words(value)))
    out.print(Padding(facts, (0, 0, 0, 2)))
    common.table(
        (
            ("number", T("№")),
            ("code", T("Article")),
            ("name", T("Name")),
            ("quantity", T("Quantity")),
            ("unit", T("Unit")),
            ("price", T("Price")),
            ("discount", T("Discount")),
            ("sum", T("Sum")),
            ("more", T("Other")),
        ),
        line_rows(order),
        empty=T("No items."),
    )
    out.print("  " + str(_sums(order)))


def _sums(order: Order) -> Any:
    """How the total comes about: the parts, and whether they make what the file states."""
    made = order_totals(order)
    words = T("items {sum}", sum=made.lines)
    for name, amount in (
        (T("discounts"), -made.discount),
        (T("delivery"), made.delivery),
        (T("fee"), made.fee),
        (T("tax"), Decimal(0) if order.prices_include_tax else made.tax),
    ):
        if amount:
            words = T("{sums} + {name} {amount}", sums=words, name=name, amount=amount)
    if made.total == order.total:
        return T("{sums} = {total} {currency}, as stated", sums=words, total=made.total, currency=order.currency)
    return T(
        "{sums} = {total} {currency}, but {stated} is stated",
        sums=words,
        total=made.total,
        currency=order.currency,
        stated=order.total,
    )


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return str(T("yes") if value else T("no"))
    return show_decimal(value) if isinstance(value, Decimal) else common.cell(value)


def fields_of(record: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of an order that say something, by dotted names; items are rows of their own."""
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        if not before and name in _APART:
            yield from _apart(name, value)
        elif hasattr(value, "__dataclass_fields__"):
            yield from fields_of(value, f"{before}{name}.")
        elif value not in (None, "", ()) and not (value == 0 and name in ("cost", "fee")):
            yield f"{before}{name}", value


def _apart(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    match name:
        case "discounts":
            for one in value:
                words = [one.amount, *(word for word in (one.code, one.name) if word)]
                yield name, words if len(words) > 1 else one.amount
        case "taxes":
            yield from ((name, [f"{rate} %", amount]) for rate, amount in value)
        case "extra":
            yield from ((f"extra.{key}", words) for key, words in value.items() if not key.startswith("item["))
        case _:
            pass


def line_rows(order: Order) -> list[dict[str, Any]]:
    """The items of an order as rows of a table."""
    rows = []
    for line in order.lines:
        more = {name: words for name, words in line.attributes.items() if words}
        prefix = f"item[{line.number}]."
        more |= {key.removeprefix(prefix): words for key, words in order.extra.items() if key.startswith(prefix)}
        for name, words in (("barcode", line.barcode), ("comment", line.comment)):
            more |= {str(field_name((name,))): words} if words else {}
        if line.tax_rate is not None:
            more[str(field_name(("tax_rate",)))] = f"{line.tax_rate} %"
        rows.append(
            {
                "number": line.number,
                "code": line.code,
                "name": line.name,
                "quantity": line.quantity,
                "unit": line.unit,
                "price": line.price,
                "discount": line.discount or None,
                "sum": line.sum,
                "more": "; ".join(f"{name}: {words}" for name, words in more.items()),
            }
        )
    return rows
