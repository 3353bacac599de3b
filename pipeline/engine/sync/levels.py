"""The walk of stock levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.engine.sync import match as matching
from pipeline.engine.sync import store
from pipeline.engine.sync.brakes import Braked, Reason, stopped
from pipeline.engine.sync.looks import goods_of_stock
from pipeline.engine.sync.rows import Row, Rows, shape, unsent
from pipeline.engine.sync.stock import Push, StockPlan, plan_stock, sellable_by_warehouse, stock_reasons
from pipeline.engine.sync.store import Link
from pipeline.engine.sync.walk import (
    FIRST,
    PRODUCTS,
    QUIET,
    STOCK,
    TAKES_STOCK,
    Applied,
    Observed,
    SyncRun,
    batches,
    judge,
)
from pipeline.errors import ConfigError, Finding, MistokError
from pipeline.flow import StepResult
from pipeline.model import Offer, StockLevel
from pipeline.ports import ApplyStock, Offers, OfferTraits, Stock, StockTarget
from pipeline.syncing import StockSyncSettings
from pipeline.texts import TN, T

#: Kind of the ledger's value that keeps the ids of a source for which the target has nothing.
STRANGERS = "sync-strangers"
#: Of the value that keeps which variants of a source are sold in the target as their base alone.
MEMBERS = "sync-members"


class StockRun(SyncRun):
    """One run of a step that keeps stock levels in step."""

    settings: StockSyncSettings

    def run(self, *, full: bool = False) -> StepResult:
        """Do it. Raises ConfigError, Refused and Transient."""
        self.enter()
        traits = self.traits()
        self.needs(self.source, self.settings.source, Offers, PRODUCTS)
        source: Stock = self.needs(self.source, self.settings.source, Stock, STOCK)
        if not self.ctx.dry_run:
            self.needs(self.target, self.settings.to, ApplyStock, TAKES_STOCK)
        self._check_warehouses(source)
        levels = list(source.levels())
        seen, made, wanted, matches = self._look(traits, levels, full=self.is_full(asked=full))
        if not seen.full and not (made.lost and self._is_held(made, seen)) and (made.lost or _blind(made)):
            # what is told no more is looked at itself; and a level that was never sent is not written unseen
            seen, made, wanted, matches = self._look(traits, levels, full=True)
        self.remarks = made.findings
        rows = plan_rows(made)
        braked = self._braked(made, seen)
        if self.ctx.dry_run:
            return StepResult(
                {word: n for word, n in made.counts.items() if n},
                waiting=bool(braked) or any(one.code not in QUIET for one in made.findings),
                notes=tuple(one.text for one in (*seen.remarks, *braked.findings)),
                details=rows,
                plan=made,
                remarks=made.findings,
            )
        braked = self.of_account(braked)
        verdict = self.verdict(braked) if braked else None
        if braked and verdict != "accept":
            return self.stop(braked, verdict, made.counts, rows, full=seen.full)
        self.ctx.reach("sync:planned")
        applied = self._apply(made, seen, traits)
        result = self.finish(seen, applied, made.findings, made.counts, rows, wake_at=None)
        if applied.whole:
            self.compared(in_step=bool(seen.links or made.settled or applied.done))
        self._keep_strangers(wanted, matches, seen.rows)
        return result

    # --- observe -----------------------------------------------------------------------------------------------------

    def _look(
        self, traits: OfferTraits, levels: Sequence[StockLevel], *, full: bool
    ) -> tuple[Observed, StockPlan, Mapping[str, object], matching.Matches]:
        """Both sides, what would be done, what the target is to show, and who is who."""
        seen = self._observe(traits, levels, full=full)
        wanted, unmapped = sellable_by_warehouse(levels, self.settings, seen.rows.members)
        key = self.settings.match.target or traits.keys[0]
        matches = matching.without_bases(matching.match(seen.rows, seen.targets, key, self.settings.match))
        aside = set(seen.rows.aside)  # there, and not sent: a variant of a product that is sent without
        keys = {row.key for row in seen.rows.sold} | seen.rows.unpublished | aside
        told = {row.key for row in seen.rows.sold if row.offer.id in wanted} | aside
        gone = [link.target for link in seen.links.values() if link.source_key not in keys]
        made = plan_stock(
            matches, wanted, self._there(seen), self.settings, unmapped=unmapped, findings=seen.rows.findings,
            gone=gone, full=seen.full, told=len(told),
            lost=[link.target.id for link in seen.links.values() if link.source_key not in told],
            unsent=unsent(self.ctx.config, self.settings.source, self.settings.to, seen.rows), aside=seen.rows.aside,
        )  # fmt: skip
        return seen, made, wanted, matches

    def _is_held(self, made: StockPlan, seen: Observed) -> bool:
        """Whether so much is told no more that nothing is done before a person has said so."""
        braked = self.of_account(self._braked(made, seen))
        return bool(braked) and self.verdict(braked) != "accept"

    def _check_warehouses(self, source: Stock) -> None:
        for where, system, names in (
            (self.settings.source, source, [one for some in self.settings.warehouses.values() for one in some]),
            (self.settings.to, self.target, list(self.settings.warehouses)),
        ):
            known = {ref.code for ref in system.warehouses()} if isinstance(system, Stock) else set()
            wrong = [name for name in names if name and known and name not in known]
            if wrong:
                raise ConfigError(
                    T("{system} has no warehouse {name}.", system=where, name=wrong[0]),
                    hint=T("It has: {names}.", names=", ".join(sorted(known))),
                )
        target = self.target
        several = [ref.code for ref in target.warehouses()] if isinstance(target, Stock) else []
        if not self.settings.warehouses and len(several) > 1:
            raise ConfigError(
                T("{system} has several warehouses: say which of them shows what.", system=self.settings.to),
                hint=T(
                    "Write `warehouses: {{{example}: […]}}` into the step; it has: {names}.",
                    example=several[0],
                    names=", ".join(several),
                ),
            )

    def _observe(self, traits: OfferTraits, levels: Sequence[StockLevel], *, full: bool) -> Observed:
        """Who is who. Between two full looks this is known by the source's ids, as long as none is new."""
        source, target = self.source, self.target
        assert isinstance(source, Offers)
        assert isinstance(target, Offers)
        began = self.ctx.clock.now()
        links = self.read_links()
        linked = {link.source_id for link in links.values()}
        told = {level.offer or level.code for level in levels if level.counted}
        members = self._members()
        if not full and not told - linked - self._strangers() - members.keys():
            told |= {members[one] for one in told & members.keys()}
            by_source = {link.source_id: link for link in links.values()}
            sold = tuple(
                Row(Offer(id=name), next(iter(link.target.keys.values()), ""), link.source_key, name)
                for name, link in by_source.items()
                if name in told
            )
            rows = Rows(sold, {}, told=len(told), members=members)
            return Observed(rows, [one.target for one in links.values()], links, full, began)
        full = True  # something is new, so that all of both sides is read
        how = goods_of_stock(self.ctx.config, self.settings)
        offers = self.counted(source.offers(), self.settings.source)
        change, own = self.step.change, self.settings
        altered = (lambda offer, _how: change(offer, own)) if change is not None else None
        rows = shape(offers, how, traits, self.mappings, altered)
        targets = list(self.counted(target.offers(), self.settings.to))
        return Observed(rows, targets, links, full, began, remarks=self.noticed())

    def _strangers(self) -> set[str]:
        """Ids of the source that the last look at everything found nothing for in the target."""
        with self.ctx.ledger.read() as conn:
            return set(self.ctx.ledger.get_value(conn, STRANGERS, self.link) or ())

    def _members(self) -> dict[str, str]:
        """The variants of which the last look at everything found that their base alone is sold there."""
        with self.ctx.ledger.read() as conn:
            return dict(self.ctx.ledger.get_value(conn, MEMBERS, self.link) or {})

    def _keep_strangers(self, wanted: Mapping[str, object], matches: matching.Matches, rows: Rows) -> None:
        told_apart = self._members() != rows.members
        with self.ctx.begin() as conn:
            found = {pair.row.offer.id for pair in matches.pairs}
            self.ctx.ledger.set_value(conn, STRANGERS, self.link, sorted(set(wanted) - found))
            if told_apart:
                self.ctx.ledger.set_value(conn, MEMBERS, self.link, dict(rows.members))

    def _there(self, seen: Observed) -> dict[tuple[str, str], Decimal | None]:
        """What the target shows now: read, or as it was last sent."""
        if not seen.full or not isinstance(self.target, Stock):
            return {
                (name, warehouse): level
                for name, link in seen.links.items()
                for warehouse, level in link.stock().items()
            }
        found: dict[tuple[str, str], Decimal | None] = {}
        for level in self.target.levels():
            reserved = Decimal(0) if self.settings.level == "on-hand" else level.reserved
            number = level.on_hand - reserved if level.counted else None
            found[level.offer or level.code, level.warehouse] = number
        if not self.settings.warehouses:
            only = {name: left for (name, warehouse), left in found.items() if warehouse}
            for name, left in only.items():
                found.setdefault((name, ""), left)
        return found

    # --- brake -------------------------------------------------------------------------------------------------------

    def _braked(self, made: StockPlan, seen: Observed) -> Braked:
        asking = [one for one in made.findings if one.code not in QUIET]
        if not seen.links and not self.is_compared() and (made.pushes or asking):
            marks = _marks(made.pushes)
            marks += [f"{one.code}:{one.where.element}" for one in asking]
            words = T(
                "This stock was never in step: {n} would change, and {open}.",
                n=TN("{n} level", "{n} levels", len(made.pushes)),
                open=TN("{n} remark is open", "{n} remarks are open", len(asking)),
            )
            each = [*asking, *map(_told, made.pushes)]
            return stopped([(FIRST, words, marks, each)], self.hint())
        reasons = stock_reasons(made, seen.rows.told, len(seen.links), self.settings)
        if seen.links and (never := self._never_in_step(made, seen)):
            reasons.insert(0, never)
        return stopped(reasons, self.hint())

    @staticmethod
    def _never_in_step(made: StockPlan, seen: Observed) -> Reason | None:
        """Levels of a warehouse in which nothing was in step yet, as when `warehouses` names a further one."""
        known = {name for link in seen.links.values() for name in link.stock()}
        new = [one for one in made.pushes if one.target.warehouse not in known and one.before not in (None, 0)]
        if not new:
            return None
        words = T(
            "Stock of this warehouse was never in step ({names}): {n} would change.",
            names=", ".join(sorted({one.target.warehouse or "-" for one in new})),
            n=TN("{n} level", "{n} levels", len(new)),
        )
        return (FIRST, words, _marks(new), [_told(one) for one in new])

    # --- apply -------------------------------------------------------------------------------------------------------

    def _apply(self, made: StockPlan, seen: Observed, traits: OfferTraits) -> Applied:
        applied = Applied()
        self._settle(made, seen)
        try:
            for some in batches(made.pushes, traits.batch):
                self._push(some, seen, applied)
                self.ctx.progress(applied.done, len(made.pushes), T("writing {name}", name=self.settings.to))
            with self.ctx.begin() as conn:  # told once, see the catalogue's
                store.forget_links(conn, self.ctx.client, self.link, made.vanished if applied.whole else ())
        except MistokError as error:
            if error.code == "config":
                raise
            left = replace(applied, findings=[*applied.findings, *error.findings])
            self.finish(seen, left, made.findings, made.counts, plan_rows(made), wake_at=None)
            raise
        return applied

    def _settle(self, made: StockPlan, seen: Observed) -> None:
        links: dict[str, Link] = {}
        for one in made.settled:
            before = links.get(one.target.offer.id) or seen.links.get(one.target.offer.id)
            link = _link(one, before)
            if before is None or (before.sent, before.source_key, before.source_id) != (
                link.sent,
                link.source_key,
                link.source_id,
            ):
                links[one.target.offer.id] = link
        for some in batches(list(links.values()), 1000):
            with self.ctx.begin() as conn:
                store.write_links(conn, self.ctx.client, self.link, some, self.ctx.clock.now())
        seen.links = {**seen.links, **links}  # what is sent to another warehouse of the same is kept beside it

    def _push(self, pushes: Sequence[Push], seen: Observed, applied: Applied) -> None:
        assert isinstance(self.target, ApplyStock)
        outcomes = self.target.apply_stock([one.target for one in pushes])
        self.ctx.reach("sync:applied")
        links: dict[str, Link] = {}
        for one, outcome in zip(pushes, outcomes, strict=True):
            before = links.get(one.target.offer.id) or seen.links.get(one.target.offer.id)
            if outcome.error is None:
                links[one.target.offer.id] = _link(one, before)
            elif (
                one.before is not None and seen.links and (before is None or one.target.warehouse not in before.stock())
            ):
                # what stands there instead is known, and need not be looked up before each further try
                shown = replace(one.target, quantity=one.before)
                links[one.target.offer.id] = _link(replace(one, target=shown), before)
        judge(outcomes, lambda place: _article(pushes[place]), applied)
        applied.updated += sum(one.error is None for one in outcomes)
        seen.links = {**seen.links, **links}
        with self.ctx.begin() as conn:
            store.write_links(conn, self.ctx.client, self.link, links.values(), self.ctx.clock.now())
        self.ctx.reach("sync:batch-recorded")


def _link(push: Push, before: Link | None) -> Link:
    target: StockTarget = push.target
    offer = Offer(id=target.offer.id, product=target.offer.product, kind=target.offer.kind, keys=target.offer.keys)
    sent = {**(before.sent if before else {}), f"stock:{target.warehouse}": str(target.quantity)}
    row = push.row
    key = row.key if row else before.source_key if before else ""
    source_id = row.offer.id if row else before.source_id if before else ""
    return Link(offer, key, source_id, before.wanted if before else {}, before.seen if before else {}, sent,
                before.mark if before else 0)  # fmt: skip


def _blind(made: StockPlan) -> bool:
    """Whether a level would be written, and nobody knows what it would be written over."""
    return any(one.before is None for one in made.pushes)


def _marks(pushes: Sequence[Push]) -> list[str]:
    return [f"{one.target.offer.id}:{one.target.warehouse}:{one.target.quantity}" for one in pushes]


def _article(push: Push) -> str:
    return push.row.article if push.row else push.target.offer.title


def _told(push: Push) -> Finding:
    before: Any = "?" if push.before is None else push.before
    words = T(
        "{article}: {after} instead of {before}.", article=_article(push), after=push.target.quantity, before=before
    )
    return Finding("differs", words)


def plan_rows(made: StockPlan) -> list[Mapping[str, Any]]:
    """The plan as rows for tables, JSON and XLSX: one for each level that changes."""
    return [
        {
            "act": "changed",
            "article": _article(one),
            "name": one.row.offer.title if one.row else one.target.offer.title,
            "id": one.target.offer.id,
            "warehouse": one.target.warehouse,
            "before": None if one.before is None else format(one.before, "f"),
            "after": format(one.target.quantity, "f"),
            "changes": [],
        }
        for one in made.pushes
    ]
