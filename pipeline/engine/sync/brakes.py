"""What keeps a plan from being applied before a person has looked: pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.engine.sync.plan import UNKNOWN, SyncPlan, jumps, odd, odd_special, price_changes, special_changes
from pipeline.errors import Finding, Where, Who
from pipeline.syncing import CatalogueSyncSettings, SyncSettings
from pipeline.texts import TN, T, Text

SHOWN = 10  #: offending prices or levels that are told one by one
#: Troubles that applying does not end.
LASTING = frozenset({"brake-empty", "brake-shrunk"})


@dataclass(frozen=True, slots=True)
class Braked:
    """Why a plan waits; ``digest`` tells this very trouble from another, so that an approval holds for it alone."""

    findings: tuple[Finding, ...] = ()
    digest: str = ""
    lasting: bool = False  #: it will not be over by being applied: the source stays as small as it is

    def __bool__(self) -> bool:
        return bool(self.findings)


def stopped(reasons: Iterable[tuple[str, Text, Sequence[str], Sequence[Finding]]], hint: Text) -> Braked:
    """Reasons as (code, words, what it is about for the digest, findings one by one) -> why a plan waits."""
    findings: list[Finding] = []
    marks: list[object] = []
    for code, words, about, each in reasons:
        findings.append(Finding(code, words, hint=hint, who=Who.ACCOUNTANT))
        findings += each[:SHOWN]
        if len(each) > SHOWN:
            findings.append(Finding(code, T("… and {n} more.", n=len(each) - SHOWN), who=Who.ACCOUNTANT))
        marks.append([code, sorted(about)])
    if not findings:
        return Braked()
    digest = hashlib.sha256(json.dumps(marks, ensure_ascii=False).encode()).hexdigest()[:32]
    return Braked(tuple(findings), digest, lasting=any(one.code in LASTING for one in findings))


def source_reasons(
    told: int, vanished: Sequence[str], in_step: int, settings: SyncSettings
) -> list[tuple[str, Text, Sequence[str], Sequence[Finding]]]:
    """A source that is empty or shrunk.

    Args:
        told: offers that the source told.
        vanished: ids, in the target, of what was in step and is gone.
        in_step: what was in step before.
    """
    reasons: list[tuple[str, Text, Sequence[str], Sequence[Finding]]] = []
    if told < settings.min_rows:
        words = T(
            "The source tells {n}, fewer than the least allowed ({least}).",
            n=TN("{n} product", "{n} products", told),
            least=settings.min_rows,
        )
        reasons.append(("brake-empty", words, [str(told), *vanished], ()))
    elif in_step and len(vanished) * 100 > in_step * settings.max_shrink:
        words = T(
            "{gone} of {before} that were in step have gone from the source: more than {percent} %.",
            gone=len(vanished),
            before=in_step,
            percent=settings.max_shrink,
        )
        reasons.append(("brake-shrunk", words, vanished, ()))
    return reasons


Reason = tuple[str, Text, Sequence[str], Sequence[Finding]]  #: code, words, what it is about, findings one by one


def catalogue_reasons(
    plan: SyncPlan,
    told: int,
    in_step: int,
    settings: CatalogueSyncSettings,
    sent: Mapping[str, Mapping[str, object]] | None = None,
) -> list[Reason]:
    """Why this plan of products and prices waits; nothing when all is well.

    Args:
        told: offers that the source told.
        in_step: what was in step before.
        sent: by the target's id the prices as they were last sent, for a target that does not tell them.
    """
    gone = [one.target.id for one in plan.vanished]
    reasons: list[Reason] = source_reasons(told, gone, in_step, settings) if plan.full else []
    times = settings.max_price_change
    if times is not None:
        marks: list[str] = []
        each: list[Finding] = []
        for update, change in price_changes(plan):
            before = change.before
            if before is UNKNOWN:
                before = (sent or {}).get(update.target.id, {}).get(change.name)
            if not isinstance(change.after, Decimal):
                continue
            if jumps(before, change.after, times) if isinstance(before, Decimal) else change.after <= 0:
                marks.append(f"{update.target.id}\0{change.name}\0{change.after}")
                article = update.row.article or update.row.offer.title
                text = T(
                    "{article}: {name} {after} instead of {before}.",
                    article=article,
                    name=change.name,
                    after=change.after,
                    before=before if isinstance(before, Decimal) else "—",
                )
                each.append(Finding("price", text, Where(element=article), None, Who.ACCOUNTANT))
        for update, special, price in special_changes(plan):
            if odd(special, price, times):
                marks.append(f"{update.target.id}\0specials\0{special.money.amount}")
                each.append(odd_special(update.row.article or update.row.offer.title, special, price))
        if each:
            words = T(
                "{prices} would become 0, or change by more than {times} times.",
                prices=TN("{n} price", "{n} prices", len(each)),
                times=times,
            )
            reasons.append(("brake-prices", words, marks, each))
    return reasons
