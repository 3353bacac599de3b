"""After shipments and returns: does the source's stock of the goods that moved agree with what the target has of them?

It agrees where the same lies in both: a CRM reserves for its open orders, of which the target may know nothing yet.
Where both may sell the same and another stock lies there, the source may still keep goods that have left (some CRMs
write them off with a later status): that stays to be compared until it agrees, and is told in a full look when no order
that shipped the article is under way any more. Of a step that takes the orders of some warehouses only these count, on
both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.alerts import notices
from pipeline.engine.documents.rules import find, names, same
from pipeline.errors import Finding, Where, Who
from pipeline.ledger import acts, cards
from pipeline.model import StockLevel
from pipeline.picking import FromOrder
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
#: Of the value with those of ``KIND`` of which as much may be sold on both sides, and another stock lies there.
PENDING = "documents-pending"
#: Statuses, in our words, in which an order is not under way any more: its source has written off what it is to.
ENDED = ("completed", "cancelled", "refunded")
#: So long after its shipment an order is taken to be under way at most.
UNDER_WAY = timedelta(days=30)
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
    with ctx.ledger.read() as conn:
        kept = set(ctx.ledger.get_value(conn, KIND, run.link) or ())
        told = kept - set(ctx.ledger.get_value(conn, PENDING, run.link) or ())
        run.moved |= set(ctx.ledger.get_value(conn, MOVED, run.link) or ())
    asked = kept | run.moved
    now_is = bool(run.moved) if settings.compare_stock == "run" else run.full
    if not asked or not (now_is or run.full):
        if asked != kept:
            with run.begin() as conn:
                ctx.ledger.set_value(conn, KIND, run.link, sorted(asked))
                ctx.ledger.set_value(conn, MOVED, run.link, [])
        return
    wrong, odd = _compared(run, asked)
    # a source may write off what has left with a later status of its order: told when nothing can explain it any more
    last = set(odd) - run.moved if run.full or settings.full_at is None else set()
    ended = {code: finding for code, finding in odd.items() if code in last | told}
    for code in _under_way(run, ended):
        del ended[code]
    wrong = dict(sorted((wrong | ended).items()))
    findings = list(wrong.values())
    pending = sorted(set(odd) - set(ended))
    with run.begin() as conn:
        # what disagrees is looked at again until it does not
        ctx.ledger.set_value(conn, KIND, run.link, sorted({*wrong, *pending}))
        ctx.ledger.set_value(conn, PENDING, run.link, pending)
        ctx.ledger.set_value(conn, MOVED, run.link, [])
        now = ctx.clock.now()
        if not wrong:
            cards.close(conn, ctx.client, run.subject, ["sync"], now, state="superseded", why="")
            return
        known = cards.carded(conn, ctx.client, {run.subject}, "sync")
        cards.open_card(conn, ctx.client, "sync", run.subject, findings[:TOLD], now)
        if not known:
            ctx.notify(conn, notices.sync(run.subject, ctx.job, findings[0], len(findings)))
        ctx.event(conn, run.subject, "stock-disagrees", articles=list(wrong))
    run.count("disagree", len(wrong))
    run.notes.append(
        TN(
            "{n} product that was shipped or came back has another stock on the other side: mistok cards tells which.",
            "{n} products that were shipped or came back have another stock on the other side: "
            "mistok cards tells which.",
            len(wrong),
        )
    )


def _compared(run: DocumentsRun, asked: Collection[str]) -> tuple[dict[str, Finding], dict[str, Finding]]:
    """By article what disagrees: on all counts, and in what lies there alone."""
    assert isinstance(run.source, Stock)
    assert isinstance(run.target, Stock)
    there = {code: normal_form(run.mappings.get(("sku", code), code)) for code in asked}
    only = run.settings.only.warehouses
    mine = _levels(run.source, {normal_form(code) for code in asked}, _called(run.source, only) if only else None)
    others = _levels(run.target, set(there.values()), _of_target(run))
    wrong, odd = {}, {}
    for code in asked:
        one, other = mine.get(normal_form(code)), others.get(there[code])
        # what one of them does not count cannot disagree
        if one is None or other is None or one.lies == other.lies:
            continue
        if one.free != other.free:
            wrong[code] = _disagrees(run, code, one, other)
        else:
            odd[code] = _disagrees(run, code, one, other)
    return wrong, odd


def _under_way(run: DocumentsRun, articles: Collection[str]) -> set[str]:
    """Those of the articles that were shipped with an order that is under way."""
    if not articles:
        return set()
    ctx, settings = run.ctx, run.settings
    forms = {normal_form(code): code for code in articles}
    found = set()
    with ctx.ledger.read() as conn:
        since = ctx.clock.now() - UNDER_WAY
        for content in acts.shipped(conn, ctx.client, settings.source, settings.to, since, ENDED):
            for line in content["order"]["lines"]:
                if (form := normal_form(line.get("code") or "")) in forms:
                    found.add(forms[form])
    return found


def _called(system: Stock, wanted: Collection[str]) -> frozenset[str]:
    """All names of these warehouses, in the form in which names are compared."""
    known = tuple(system.warehouses())
    refs = [ref for ref in (find(one, known) for one in wanted) if ref is not None]
    return frozenset(_form(name) for name in (*wanted, *(name for ref in refs for name in names(ref))))


def _of_target(run: DocumentsRun) -> frozenset[str] | None:
    """The warehouses of the target out of which the step ships; None: all of them, or it is not known."""
    only, pick = run.settings.only.warehouses, run.settings.warehouse
    if not only:
        return None
    assert isinstance(run.target, Stock)
    match pick:
        case FromOrder(path="warehouse"):
            wanted = [next((code for said, code in pick.map.items() if same(said, one)), one) for one in only]
        case FromOrder():
            wanted = [*pick.map.values(), *([pick.otherwise] if pick.otherwise else [])]
        case str():
            wanted = [pick]
        case _:
            wanted = list(only)
    wanted = [run.mappings.get(("warehouse", one), one) for one in wanted]
    known = tuple(run.target.warehouses())
    # where it knows none of them it keeps one total, or the connection says out of which it ships
    return _called(run.target, wanted) if any(find(one, known) is not None for one in wanted) else None


def _form(name: str) -> str:
    return name.strip().casefold()


@dataclass(frozen=True, slots=True)
class Amount:
    """Of one article: what may be sold, and what lies there."""

    free: Decimal = Decimal(0)
    lies: Decimal = Decimal(0)


def _levels(system: Stock, wanted: Collection[str], warehouses: Collection[str] | None) -> Mapping[str, Amount]:
    """The stock of these articles, by normal form; without what is not counted, and of these warehouses alone."""
    by_offer: dict[tuple[str, str], list[StockLevel]] = {}
    for level in system.levels():
        form = normal_form(level.code)
        named = warehouses is None or _form(level.warehouse) in warehouses
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


def _disagrees(run: DocumentsRun, code: str, mine: Amount, other: Amount) -> Finding:
    values = {"article": code, "source": run.settings.source, "target": run.settings.to}
    if mine.free != other.free:
        text = T(
            "{article}: {source} may sell {mine}, {target} {other}, after it was shipped or came back.",
            mine=mine.free,
            other=other.free,
            **values,
        )
    else:
        text = T(
            "{article}: {mine} lie in {source}, {other} in {target}, after it was shipped or came back.",
            mine=mine.lies,
            other=other.lies,
            **values,
        )
    hint = T("Count it, and put the wrong side right: mistok compare {source} {target} shows all of them.",
             source=run.settings.source, target=run.settings.to)  # fmt: skip
    return Finding("stock-disagrees", text, Where(element=code), hint, Who.ACCOUNTANT)
