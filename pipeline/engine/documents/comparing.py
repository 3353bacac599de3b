"""After shipments and returns: does the source's stock of the goods that moved agree with what the target has of them?

It agrees where both may sell the same, and where the same lies in both: a CRM reserves for its open orders, of which
the target may know nothing yet. Of a step that takes the orders of some warehouses only these count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.alerts import notices
from pipeline.engine.documents.rules import same
from pipeline.errors import Finding, Where, Who
from pipeline.ledger import cards
from pipeline.model import StockLevel
from pipeline.ports import Stock
from pipeline.rules.matching import normal_form
from pipeline.rules.stock import sellable, without_totals
from pipeline.texts import TN, T

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

KIND = "documents-shipped"  #: of the value with the articles that are to be compared in the next full run
#: Of the value with the articles that moved and were not compared yet, whoever moved them: a run that was killed, a
#: person's answer to a card, a replay.
MOVED = "documents-moved"
TOLD = 50


def keep(run: DocumentsRun, conn: Any) -> None:
    """Write down, in the transaction that records a move, which articles moved: the next run compares them."""
    ledger = run.ctx.ledger
    if run.moved and _compares(run):
        ledger.set_value(conn, MOVED, run.link, sorted(run.moved | set(ledger.get_value(conn, MOVED, run.link) or ())))


def _compares(run: DocumentsRun) -> bool:
    both = isinstance(run.source, Stock) and isinstance(run.target, Stock)
    return both and run.settings.compare_stock != "off"


def compare(run: DocumentsRun) -> None:
    """Compare the stock of what was shipped or came back, as the settings say; what disagrees is a card of the step.

    Raises Transient and Refused of the systems: all documents are settled by then.
    """
    settings, ctx = run.settings, run.ctx
    if not _compares(run):
        return
    assert isinstance(run.source, Stock)
    assert isinstance(run.target, Stock)
    with ctx.ledger.read() as conn:
        kept = set(ctx.ledger.get_value(conn, KIND, run.link) or ())
        run.moved |= set(ctx.ledger.get_value(conn, MOVED, run.link) or ())
    asked = kept | run.moved
    now_is = bool(run.moved) if settings.compare_stock == "run" else run.full
    if not asked or not now_is:
        if asked != kept:
            with run.begin() as conn:
                ctx.ledger.set_value(conn, KIND, run.link, sorted(asked))
                ctx.ledger.set_value(conn, MOVED, run.link, [])
        return
    articles = {normal_form(run.mappings.get(("sku", code), code)): code for code in asked}
    back = {normal_form(code): normal_form(run.mappings.get(("sku", code), code)) for code in asked}
    here = _levels(run.source, set(back), settings.only.warehouses)
    there = _levels(run.target, set(articles))
    wrong = []
    for form, code in sorted(articles.items()):
        mine = here.get(normal_form(code))
        other = there.get(form)
        # what one of them does not count cannot disagree
        if mine is not None and other is not None and mine.free != other.free and mine.lies != other.lies:
            wrong.append(_disagrees(run, code, mine.free, other.free))
    with run.begin() as conn:
        # what disagrees is looked at again until it does not
        again = sorted({finding.where.element or "" for finding in wrong})
        ctx.ledger.set_value(conn, KIND, run.link, again)
        ctx.ledger.set_value(conn, MOVED, run.link, [])
        now = ctx.clock.now()
        if not wrong:
            cards.close(conn, ctx.client, run.subject, ["sync"], now, state="superseded", why="")
            return
        known = cards.carded(conn, ctx.client, {run.subject}, "sync")
        cards.open_card(conn, ctx.client, "sync", run.subject, wrong[:TOLD], now)
        if not known:
            ctx.notify(conn, notices.sync(run.subject, ctx.job, wrong[0], len(wrong)))
        ctx.event(conn, run.subject, "stock-disagrees", articles=again)
    run.count("disagree", len(wrong))
    run.notes.append(
        TN(
            "{n} product that was shipped or came back has another stock on the other side: mistok cards tells which.",
            "{n} products that were shipped or came back have another stock on the other side: "
            "mistok cards tells which.",
            len(wrong),
        )
    )


@dataclass(frozen=True, slots=True)
class Amount:
    """Of one article: what may be sold, and what lies there."""

    free: Decimal = Decimal(0)
    lies: Decimal = Decimal(0)


def _levels(system: Stock, wanted: Collection[str], warehouses: Sequence[str] = ()) -> Mapping[str, Amount]:
    """The stock of these articles, by normal form; without what is not counted, and of these warehouses alone."""
    by_offer: dict[tuple[str, str], list[StockLevel]] = {}
    for level in system.levels():
        form = normal_form(level.code)
        named = not warehouses or any(same(one, level.warehouse) for one in warehouses)
        if form in wanted and level.counted and named:
            by_offer.setdefault((form, level.offer), []).append(level)
    found: dict[str, Amount] = {}
    for (form, _offer), levels in by_offer.items():
        parts = without_totals(levels)
        free = sellable((level.on_hand, level.reserved) for level in parts)
        before = found.get(form, Amount())
        lies = sum((level.on_hand for level in parts), Decimal(0))
        found[form] = Amount(before.free + free, before.lies + lies)
    return found


def _disagrees(run: DocumentsRun, code: str, mine: Decimal, other: Decimal) -> Finding:
    text = T(
        "{article}: {source} may sell {mine}, {target} {other}, after it was shipped or came back.",
        article=code,
        source=run.settings.source,
        mine=mine,
        target=run.settings.to,
        other=other,
    )
    hint = T("Count it, and put the wrong side right: mistok compare {source} {target} shows all of them.",
             source=run.settings.source, target=run.settings.to)  # fmt: skip
    return Finding("stock-disagrees", text, Where(element=code), hint, Who.ACCOUNTANT)
