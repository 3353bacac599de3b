"""Stock levels of one system as another is to show them: absolute, clamped, by warehouse. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.engine.sync.brakes import Reason, source_reasons
from pipeline.engine.sync.match import Matches, named
from pipeline.engine.sync.rows import Row
from pipeline.errors import Finding, Where, Who
from pipeline.model import Offer, StockLevel
from pipeline.ports import StockTarget
from pipeline.rules.stock import without_totals
from pipeline.syncing import StockSyncSettings
from pipeline.texts import TN, T, Text

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Push:
    """A level to be set. ``row`` None: what was in step has gone from the source."""

    target: StockTarget
    before: Decimal | None  #: None: not known
    row: Row | None


@dataclass(frozen=True, slots=True)
class StockPlan:
    """All that a run would do."""

    pushes: tuple[Push, ...] = ()
    settled: tuple[Push, ...] = ()
    findings: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    only_there: tuple[Offer, ...] = ()
    vanished: tuple[str, ...] = ()  #: ids, in the target, of what was in step and is kept so no more
    lost: tuple[str, ...] = ()  #: ids, in the target, of what was in step and of which the source tells no stock now
    told: int = 0  #: of so many products the source tells stock
    full: bool = True
    missing: tuple[tuple[Row, Decimal | None], ...] = ()  #: not in the target; its stock, None where it is not told
    untold: tuple[tuple[Row, Offer], ...] = ()  #: in both, and the source tells no stock of it
    aside: Mapping[str, Text] = field(default_factory=dict)  #: key of what the source has and does not send -> why

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.pushes


def sellable_by_warehouse(
    levels: Iterable[StockLevel], settings: StockSyncSettings, members: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, Decimal]], dict[str, int]]:
    """(target warehouse -> what may be sold) by offer id of the source; and unmapped warehouses, with their levels.

    On hand less reserved (or on hand alone, by the step's ``level``), clamped at 0 in each warehouse of the source: a
    debt in one never eats another's goods. The buffer is held back once, from the sum.

    Args:
        members: id of a variant -> id of its base, where the base alone is sold: it has what all of them have together,
            or what the source tells of the base itself where that is more than 0 (then it is what all of them share).
    """
    by_offer: dict[str, list[StockLevel]] = defaultdict(list)
    for level in levels:
        if level.counted:
            by_offer[level.offer or level.code].append(level)
    goes_to: dict[str, list[str]] = defaultdict(list)
    for target, sources in settings.warehouses.items():
        for source in sources:
            goes_to[source].append(target)
    unmapped: dict[str, int] = defaultdict(int)
    free_of: dict[str, dict[str, Decimal]] = {}
    for offer, own in by_offer.items():
        sums: dict[str, Decimal] = dict.fromkeys(settings.warehouses, ZERO) or {"": ZERO}
        for level in without_totals(own):
            free = max(level.on_hand - (ZERO if settings.level == "on-hand" else level.reserved), ZERO)
            targets = goes_to.get(level.warehouse, ()) if settings.warehouses else ("",)
            if not targets:
                unmapped[level.warehouse] += 1
            for target in targets:
                sums[target] += free
        free_of[offer] = sums
    found = {
        offer: {target: max(free - settings.buffer, ZERO) for target, free in sums.items()}
        for offer, sums in _with_members(free_of, members or {}).items()
    }
    return found, dict(unmapped)


def _with_members(
    free_of: Mapping[str, dict[str, Decimal]], members: Mapping[str, str]
) -> dict[str, dict[str, Decimal]]:
    found = {offer: dict(sums) for offer, sums in free_of.items() if offer not in members}
    shared = {base for base in members.values() if any(free > 0 for free in found.get(base, {}).values())}
    for offer, sums in free_of.items():
        base = members.get(offer)
        if base is not None and base not in shared:
            together = found.setdefault(base, dict.fromkeys(sums, ZERO))
            for target, free in sums.items():
                together[target] += free
    return found


def plan_stock(
    matches: Matches,
    wanted: Mapping[str, Mapping[str, Decimal]],
    there: Mapping[tuple[str, str], Decimal | None],
    settings: StockSyncSettings,
    *,
    unmapped: Mapping[str, int],
    findings: Sequence[Finding] = (),
    gone: Sequence[Offer] = (),
    unsent: Collection[str] = (),
    aside: Mapping[str, Text] | None = None,
    full: bool = True,
    told: int = 0,
    lost: Sequence[str] = (),
) -> StockPlan:
    """What is to be set.

    Args:
        wanted: by offer id of the source, target warehouse -> level.
        there: (offer id of the target, warehouse) -> the level that it has, None where it is not counted; missing: not
            known, or none when ``full``.
        gone: offers of the target that were in step and whose source is gone.
        unsent: keys of what the target lacks on purpose; anything else of which there is some is told.
        aside: key of what the source has and does not send -> why.
        told: of so many products the source tells stock.
        lost: ids, in the target, of what was in step and of which it tells none.
    """
    pushes: list[Push] = []
    settled: list[Push] = []
    untold: list[tuple[Row, Offer]] = []
    remarks = list(findings)
    for pair in matches.pairs:
        levels = wanted.get(pair.row.offer.id)
        if levels is None:  # the source keeps no stock of it
            untold += [(pair.row, one) for one in pair.targets]
            continue
        targets = pair.targets
        if len(targets) > 1:
            if settings.match.ambiguous == "hold":
                remarks.append(_twins(pair.row, targets, None))
                continue
            chosen = min(targets, key=lambda one: _natural(one.id))
            remarks.append(_twins(pair.row, targets, chosen))
            targets = (chosen,)
        for target in targets:
            for warehouse, quantity in levels.items():
                # where all of the target was read, what it says nothing of is not there
                before = there.get((target.id, warehouse), ZERO if full else None)
                push = Push(_target(target, warehouse, quantity, settings), before, pair.row)
                (settled if before == quantity else pushes).append(push)
    for offer in gone if settings.vanished == "zero" else ():
        for warehouse in settings.warehouses or ("",):  # what lies in others is none of this step's
            before = there.get((offer.id, warehouse), ZERO)
            if before != ZERO:
                pushes.append(Push(_target(offer, warehouse, ZERO, settings), before, None))
    missing = tuple((row, _total(wanted.get(row.offer.id))) for row in matches.missing)
    remarks += [_not_there(row, total, settings.to) for row, total in missing if total and row.key not in unsent]
    remarks += [_unmapped(name, n) for name, n in sorted(unmapped.items())]
    counts = {
        "matched": len({one.target.offer.id for one in settled}),
        "updated": len(pushes),
        "vanished": len(gone),
        "twins": matches.twins,
        "ambiguous": matches.ambiguous,
        "keyless": sum(one.code == "no-article" for one in findings),
    }
    # what becomes of the stock of twins is told here
    remarks += [one for one in matches.findings if one.code != "twins"]
    # what is told no more is told once: counted for ever, it would in the end look like a source that has shrunk
    over = tuple(dict.fromkeys((*(one.id for one in gone), *lost))) if full else ()
    return StockPlan(
        tuple(pushes), tuple(settled), tuple(remarks), counts, matches.only_there, over, tuple(lost), told, full,
        missing, tuple(untold), aside or {},
    )  # fmt: skip


def _total(levels: Mapping[str, Decimal] | None) -> Decimal | None:
    return None if levels is None else sum(levels.values(), ZERO)


def _natural(own: str) -> list[tuple[int, int, str]]:
    """Ids in the order in which people count: 9 before 10."""
    parts = [one for one in re.split(r"([0-9]+)", own) if one]
    return [(0, int(one), "") if one.isdigit() and one.isascii() else (1, 0, one) for one in parts]


def _target(offer: Offer, warehouse: str, quantity: Decimal, settings: StockSyncSettings) -> StockTarget:
    return StockTarget(offer=offer, warehouse=warehouse, quantity=quantity, on_hand=settings.level == "on-hand")


def lost_reasons(plan: StockPlan, in_step: int, settings: StockSyncSettings) -> list[Reason]:
    """Why a feed of stock is taken for broken: it tells of too little, whatever else the source tells of its products.

    All of it is read in every run, so that it is looked at in every run.
    """
    return source_reasons(plan.told, plan.lost, in_step, settings) if in_step else []


def stock_reasons(plan: StockPlan, told: int, in_step: int, settings: StockSyncSettings) -> list[Reason]:
    """Why this plan of levels waits; nothing when all is well.

    Args:
        told: offers that the source told.
        in_step: what was in step before.
    """
    reasons = lost_reasons(plan, in_step, settings)
    if not reasons and not in_step and plan.full:
        reasons = source_reasons(told, (), 0, settings)
    limit = settings.max_stock_cut
    rows = (*plan.pushes, *plan.settled)
    before = sum((max(one.before or ZERO, ZERO) for one in rows), ZERO)
    had = [one for one in rows if (one.before or ZERO) > 0]
    if limit is not None and had:
        after = sum((min(one.target.quantity, max(one.before or ZERO, ZERO)) for one in rows), ZERO)
        emptied = [one for one in had if one.target.quantity <= 0]
        cut = (before - after) * 100 > before * limit
        many = len(emptied) * 100 > len(had) * limit and len(had) > 1
        if cut or many:
            words = T(
                "The stock would be cut from {before} to {after}; {n} of {had} that have any would have none.",
                before=before,
                after=after,
                n=len(emptied),
                had=len(had),
            )
            each = [_cut(one) for one in plan.pushes if one.before is not None and one.target.quantity < one.before]
            marks = [f"{one.target.offer.id}\0{one.target.warehouse}\0{one.target.quantity}" for one in plan.pushes]
            reasons.append(("brake-stock", words, marks, each))
    return reasons


def _cut(push: Push) -> Finding:
    article = push.row.article if push.row else push.target.offer.title
    words = T(
        "{article}: {after} instead of {before}.",
        article=article,
        after=push.target.quantity,
        before=push.before or ZERO,
    )
    return Finding("stock", words, Where(element=article), None, Who.ACCOUNTANT)


def _twins(row: Row, targets: Sequence[Offer], chosen: Offer | None) -> Finding:
    count = TN("{n} product", "{n} products", len(targets))
    if chosen is None:
        text = T(
            "{article}: the target has {count} with this article: {names}. The stock of none of them is touched.",
            article=row.article,
            count=count,
            names=named(targets),
        )
    else:
        text = T(
            "{article}: the target has {count} with this article: {names}. Only {title} ({id}) has its stock kept in "
            "step; the others are not touched.",
            article=row.article,
            count=count,
            names=named(targets),
            title=chosen.title,
            id=chosen.id,
        )
    hint = T("Delete the superfluous ones there; the same stock shown by two would be sold twice.")
    return Finding("twin-stock", text, Where(element=row.article), hint, Who.ACCOUNTANT)


def _not_there(row: Row, total: Decimal, target: str) -> Finding:
    text = T(
        "{article} ({title}) is not in {target}; its stock of {quantity} is shown nowhere.",
        article=row.article,
        title=row.offer.title,
        target=target,
        quantity=total,
    )
    example = f"sku:{row.article}=…"
    hint = T("Create it there, or say which one is meant: mistok resolve CARD --map {example}", example=example)
    return Finding("not-there", text, Where(element=row.article), hint, Who.ACCOUNTANT, about=f"sku:{row.article}")


def _unmapped(name: str, n: int) -> Finding:
    return Finding(
        "unmapped-warehouse",
        T(
            "Warehouse {name} of the source goes to none of the target ({count}).",
            name=name or "-",
            count=TN("{n} level", "{n} levels", n),
        ),
        hint=T("Add it to `warehouses` of the step, if its stock is to be shown."),
        who=Who.ADMIN,
    )
