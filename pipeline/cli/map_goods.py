"""``mistok map try FILE`` for a catalogue: every product as it would be read, and what of the file stays unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli import common
from pipeline.cli.validate import context_for
from pipeline.engine.sync.planrows import plain
from pipeline.errors import Rejected
from pipeline.ports import GoodsFormat, Unread
from pipeline.texts import TN, T

if TYPE_CHECKING:
    from pipeline.cli.formats import Chosen
    from pipeline.ports import Goods

SHOWN = 20  #: products that are shown
#: Values that a table shows in columns of their own; the others stand together in the last one.
_COLUMNS = ("name", "price", "category", "options")


def try_goods(file: Path, chosen: Chosen, *, every: bool, as_json: bool) -> int:
    """Show it; the exit code."""
    form = chosen.plugin.format
    assert isinstance(form, GoodsFormat)
    context = context_for(file, chosen)
    data = file.read_bytes()
    try:
        goods = form.goods(data, chosen.settings, context)
    except Rejected as error:
        if as_json:
            common.print_json({"file": file, "format": chosen.plugin.name, "findings": list(error.findings)})
        else:
            common.console().print(str(T("{file}: it is no such catalogue.", file=str(file))), soft_wrap=True)
            common.show_findings(error.findings)
        return common.WAITING
    unread = chosen.plugin.unread(data, chosen.settings, context) if chosen.plugin.unread is not None else None
    rows = rows_of(goods, chosen)
    if as_json:
        common.print_json(
            {
                "file": file,
                "format": chosen.plugin.name,
                "rows": goods.rows,
                "products": rows,
                "findings": list(goods.findings),
                "unread": _unread(unread),
            }
        )
    else:
        _show(goods, rows, unread, every=every)
    return common.WAITING if goods.findings else common.DONE


def rows_of(goods: Goods, chosen: Chosen) -> list[dict[str, Any]]:
    """The products and variants of a file, for JSON and tables."""
    stock: dict[str, dict[str, str]] = {}
    for level in goods.levels:
        stock.setdefault(level.offer, {})[level.warehouse] = format(level.on_hand, "f")
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "product": one.product,
            "keys": dict(one.keys),
            "values": {name: plain(value, chosen.zone) for name, value in one.values.items()},
            "stock": stock.get(one.id, {}),
        }
        for one in goods.offers
    ]


def _unread(unread: Sequence[Unread] | None) -> list[dict[str, Any]] | None:
    if unread is None:
        return None
    return [{"path": one.path, "count": one.count, "sample": one.sample, "line": one.line} for one in unread]


def _show(goods: Goods, rows: Sequence[Mapping[str, Any]], unread: Sequence[Unread] | None, *, every: bool) -> None:
    from rich.text import Text as Rich

    out = common.console()
    shown = rows if every else rows[:SHOWN]
    columns = [
        ("article", T("Article")), ("name", T("Name")), ("price", T("Price")), ("stock", T("Stock")),
        ("category", T("Category")), ("options", T("Options")), ("more", T("Other")),
    ]  # fmt: skip
    common.table(columns, [_row(one) for one in shown], empty=T("There is no product in the file."))
    if len(shown) < len(rows):
        more = len(rows) - len(shown)
        out.print(Rich(str(TN("… and {n} more product: --all", "… and {n} more products: --all", more)), "dim"))
    common.show_findings(goods.findings[:100])
    if unread is None:
        return
    if not unread:
        out.print(str(T("Nothing of the file stays unread.")))
        return
    out.print(Rich(str(T("What stays unread:")), "bold"))
    common.table(
        (("path", T("Where")), ("count", T("How often")), ("sample", T("For example")), ("line", T("Line"))),
        _unread(unread) or [],
        empty=T("Nothing of the file stays unread."),
    )


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    values = one["values"]
    before = "  " if one["kind"] == "variant" else ""
    more = {name: words for name, words in values.items() if name not in (*_COLUMNS, "currency")}
    return {
        "article": before + " / ".join(one["keys"].values()),
        "name": values.get("name", ""),
        "price": f"{values['price']} {values.get('currency', '')}".strip() if values.get("price") else "",
        "stock": ", ".join(f"{place}: {n}" if place else n for place, n in one["stock"].items()),
        "category": "/".join(values.get("category") or ()),
        "options": ", ".join(f"{name}: {words}" for name, words in (values.get("options") or {}).items()),
        "more": "; ".join(
            f"{name}: {_short(words)}" for name, words in more.items() if words not in (None, "", [], {})
        ),
    }


def _short(words: Any) -> str:
    line = " ".join(str(", ".join(map(str, words)) if isinstance(words, list) else words).split())
    return line if len(line) <= 60 else line[:59] + "…"
