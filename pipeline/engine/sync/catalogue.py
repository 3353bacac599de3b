"""The walk of products and prices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from pipeline.config.model import StepSpec
from pipeline.engine.sync import accounts, known, store
from pipeline.engine.sync import match as matching
from pipeline.engine.sync.brakes import Braked, Reason, catalogue_reasons, source_reasons, stopped
from pipeline.engine.sync.looks import currency_in, goods_of, tells_prices
from pipeline.engine.sync.plan import (
    UNKNOWN,
    Change,
    Create,
    SyncPlan,
    Update,
    plan,
    price_changes,
    with_currency,
)
from pipeline.engine.sync.planrows import article_of, plan_rows, prices_told
from pipeline.engine.sync.pooled import Pool
from pipeline.engine.sync.prints import fingerprint, prices_among, shown_otherwise
from pipeline.engine.sync.rows import TOLD, Row, priceless, shape
from pipeline.engine.sync.store import Link
from pipeline.engine.sync.unchanged import one_run, uncollected
from pipeline.engine.sync.walk import (
    FIRST,
    PRODUCTS,
    QUIET,
    TAKES_PRODUCTS,
    TAKES_STOCK,
    Applied,
    Observed,
    SyncRun,
    batches,
    judge,
)
from pipeline.errors import Finding, MistokError, Who
from pipeline.flow import StepResult
from pipeline.model import Offer
from pipeline.ports import ApplyCatalogue, ApplyStock, OfferChange, Offers, OfferTraits, RowOutcome, Stock, StockTarget
from pipeline.syncing import CatalogueSyncSettings, PriceSyncSettings, StockSyncSettings, SyncSettings, is_price
from pipeline.texts import TN, T

ZERO = Decimal(0)


class CatalogueRun(SyncRun):
    """One run of a step that keeps products and prices in step."""

    settings: CatalogueSyncSettings
    own_gone: dict[str, bool]
    others_gone: dict[str, set[str]]  #: by the name in the ledger, what another step has hidden

    def run(self, *, full: bool = False) -> StepResult:
        """Do it. Raises ConfigError, Refused and Transient (both sides untouched, or what was done is recorded)."""
        with one_run():
            return self._run(full=full)

    def _run(self, *, full: bool) -> StepResult:
        self.enter()
        traits = self.traits()
        self.needs(self.source, self.settings.source, Offers, PRODUCTS)
        if not self.ctx.dry_run:
            self.needs(self.target, self.settings.to, ApplyCatalogue, TAKES_PRODUCTS)
        self._read_gone()
        seen, made = self._look(traits, full=self.is_full(asked=full))
        if not seen.full and (_blind(made, seen.links) or self._has_shrunk(seen)):
            # a price that was never sent would be written over one that nobody has looked at; and a source that tells
            # too little is looked at whole, so that a person hears of it now
            seen, made = self._look(traits, full=True)
        self.remarks = made.findings
        rows = plan_rows(made, self.ctx.config.zone)
        if self.ctx.dry_run:
            braked = self._braked(made, seen)
            return StepResult(
                {word: n for word, n in made.counts.items() if n},
                waiting=bool(braked) or any(one.code not in QUIET for one in made.findings),
                notes=tuple(one.text for one in (*seen.remarks, *braked.findings)),
                details=rows,
                plan=made,
                remarks=made.findings,
            )
        braked = self.of_account(self._braked(made, seen))
        verdict = self.verdict(braked) if braked else None
        if braked and verdict != "accept":
            return self.stop(braked, verdict, made.counts, rows, full=seen.full)
        self.ctx.reach("sync:planned")
        if known.has_moved(seen.rows, seen.links.values()):
            self._let_stock_look(lambda stock: stock.source == self.settings.source)
        applied = self._apply(made, seen, traits)
        self._keep_open(seen)
        result = self.finish(seen, applied, made.findings, made.counts, rows, wake_at=made.wake_at)
        if applied.whole:
            self.compared(in_step=bool(seen.links or made.settled or applied.done))
        return result

    # --- observe -----------------------------------------------------------------------------------------------------

    def _look(self, traits: OfferTraits, *, full: bool) -> tuple[Observed, SyncPlan]:
        """Both sides, and what would be done."""
        with uncollected():
            return self._looked(traits, full)

    def _looked(self, traits: OfferTraits, full: bool) -> tuple[Observed, SyncPlan]:
        seen = self._observe(traits, full)
        key = self.settings.match.target or traits.keys[0]
        matches = matching.match(seen.rows, seen.targets, key, self.settings.match)
        seen.remarks = (*seen.remarks, *priceless([pair.row for pair in matches.pairs], self.settings, traits))
        made = plan(
            seen.rows, matches, traits, self.settings, seen.links, self.began, gone=self.went, full=seen.full,
            priced=tells_prices(self.source, self.settings),
            currency=currency_in(self.target) if seen.full or matches.missing else "",  # where it is read as well
        )  # fmt: skip
        return seen, made

    def _has_shrunk(self, seen: Observed) -> bool:
        """Whether a source that told all that it has told too little of what is in step."""
        if not seen.whole or not seen.links:
            return False
        with self.ctx.ledger.read() as conn:
            if store.verdicts_over(self.ctx.ledger, conn, self.subject)[1]:
                return False  # a person has said that it is as small as that
        rows = seen.rows
        there = {row.key for row in (*rows.sold, *rows.bases.values())} | rows.unpublished | rows.elsewhere
        lost = [name for name, link in seen.links.items() if link.source_key not in there]
        return bool(source_reasons(rows.told, lost, len(seen.links), self.settings))

    def _read_gone(self) -> None:
        """What had gone, also for other steps between the two: what returns may return to another step's category."""
        ledger, mine = self.ctx.ledger, self.settings
        with ledger.read() as conn:
            self.own_gone = store.read_gone(ledger, conn, self.link)
            self.others_gone = {}
            for job, described in self.ctx.config.jobs.items():
                for number, spec in enumerate(described.steps):
                    link, params = store.link_of(job, described.steps, number) if is_sync(spec) else "", spec.params
                    if link and link != self.step_link and _both_catalogues(params, mine):
                        for name in accounts.kept_of(ledger, conn, link, self.memory.ends.target):
                            hidden = {one for one, was in store.read_gone(ledger, conn, name).items() if was}
                            self.others_gone |= {name: hidden} if hidden else {}

    @property
    def went(self) -> dict[str, bool]:
        """By the target's id what had gone from the source, and whether it was hidden then."""
        beside = {one: True for hidden in self.others_gone.values() for one in hidden}
        return {**beside, **self.own_gone}

    def _observe(self, traits: OfferTraits, full: bool) -> Observed:
        source, target = self.source, self.target
        assert isinstance(source, Offers)
        assert isinstance(target, Offers)
        began = self.ctx.clock.now()
        since = None if full or not source.offer_traits().delta else self.cursor()
        pool = Pool()
        offers = pool.kept(self.counted(source.offers(since), self.settings.source))
        laid_out = goods_of(self.ctx.config, self.settings)
        rows = shape(offers, laid_out, traits, self.mappings, self.step.change)
        links = self.read_links()
        if since is not None and known.is_unclear(rows, links.values(), self._open()):
            self.noticed()  # the look at everything tells it anew
            return self._observe(traits, full=True)
        if not full:
            linked = {link.source_key for link in links.values()}
            if all(row.key in linked for row in rows.sold):
                there = [link.target for link in links.values()]
                return Observed(rows, there, links, full, began, whole=since is None, remarks=self.noticed())
        targets = list(pool.kept(self.counted(target.offers(), self.settings.to)))
        return Observed(rows, targets, links, full, began, whole=since is None, remarks=self.noticed())

    def _open(self) -> dict[str, list[str]]:
        """Articles that are several products', or not in step, with the ids of all that have them in the source."""
        with self.ctx.ledger.read() as conn:
            return dict(self.ctx.ledger.get_value(conn, store.OPEN, self.link) or {})

    def _keep_open(self, seen: Observed) -> None:
        """Remember them for looks at some of the source."""
        before = self._open()
        if seen.whole:
            with self.ctx.ledger.read() as conn:
                now = known.open_articles(seen.rows, store.source_keys(conn, self.ctx.client, self.link))
        else:
            now = known.opened(seen.rows, seen.links.values(), before)
        if now != before:
            with self.ctx.begin() as conn:
                self.ctx.ledger.set_value(conn, store.OPEN, self.link, now)

    # --- brake -------------------------------------------------------------------------------------------------------

    @property
    def prices_only(self) -> bool:
        """Whether the step writes nothing but prices over what is there."""
        fields = self.settings.fields
        return isinstance(self.settings, PriceSyncSettings) or (bool(fields) and all(map(is_price, fields or ())))

    def _braked(self, made: SyncPlan, seen: Observed) -> Braked:
        if not seen.links and not self.is_compared() and (first := self._first(made)):
            return first
        sent = {name: link.target.values for name, link in seen.links.items()}
        reasons = catalogue_reasons(made, seen.rows.told, len(seen.links), self.settings, sent)
        if seen.links and (never := self._never_in_step(made, seen)):
            reasons.insert(0, never)
        return stopped(reasons, self.hint())

    def _never_in_step(self, made: SyncPlan, seen: Observed) -> Reason | None:
        """Prices of a kind of which nothing was in step yet, as when `fields` names a further one."""
        asked = {change.name for one in made.updates for change in one.changes if is_price(change.name)}
        known: set[str] = set()
        for link in seen.links.values() if asked else ():
            known.update(asked & link.wanted.keys())
            if known == asked:
                break
        updates = []
        for one in made.updates:
            new = [
                change
                for change in one.changes
                if is_price(change.name) and change.name not in known and self._overwrites(change)
            ]
            updates += [replace(one, changes=tuple(new))] if new else []
        if not updates:
            return None
        names = sorted({change.name for one in updates for change in one.changes})
        words = T(
            "Prices of this kind were never in step ({names}): {n} would change.",
            names=", ".join(names),
            n=TN("{n} product", "{n} products", len(updates)),
        )
        marks = [f"{one.target.id}:{one.changes!r}" for one in updates]
        return (FIRST, words, marks, prices_told(updates, self.ctx.config.zone))

    def _overwrites(self, change: Change) -> bool:
        """Whether a change is written over something: a target that tells such prices, and none here, has none."""
        if change.before is UNKNOWN:
            return change.name not in self.traits().reads
        return change.before not in (None, ())

    def _first(self, made: SyncPlan) -> Braked:
        """Prices that were never in step are not written over what is there before a person has looked at them.

        What is created has nobody's price yet, and the other fields of a catalogue are as their step says.
        """
        updates = [one for one in made.updates if any(is_price(change.name) for change in one.changes)]
        different: list[Finding] = []
        marks: list[str] = []
        if self.prices_only:
            different = [one for one in made.findings if one.code not in QUIET]
            marks += [f"new:{article_of(row)}" for one in made.creates for row in one.rows]
            marks += [f"{one.code}:{one.where.element}" for one in different]
        if not updates and not marks:
            return Braked()
        words = T(
            "These prices were never in step: {n} would change, and {open}.",
            n=TN("{n} product", "{n} products", len(updates)),
            open=TN("{n} remark is open", "{n} remarks are open", len(different)),
        )
        marks = [*(f"{one.target.id}:{one.changes!r}" for one in updates), *marks]
        return stopped([(FIRST, words, marks, [*different, *prices_told(updates, self.ctx.config.zone)])], self.hint())

    # --- apply -------------------------------------------------------------------------------------------------------

    def _apply(self, made: SyncPlan, seen: Observed, traits: OfferTraits) -> Applied:
        applied = Applied()
        total = len(made.creates) + len(made.updates)
        self._settle(made, seen)
        try:
            for some in batches(made.creates, traits.batch):
                self._create(some, applied)
                self.ctx.progress(applied.done, total, T("writing {name}", name=self.settings.to))
            for more in batches(made.updates, traits.batch):
                self._update(more, made, seen, applied)
                self.ctx.progress(applied.done, total, T("writing {name}", name=self.settings.to))
            self._vanish(made, applied)
            self._leave(seen)
        except MistokError as error:
            # what was done before is recorded, and the next run does the rest
            if error.code == "config":
                raise
            left = replace(applied, findings=[*applied.findings, *error.findings])
            self.finish(seen, left, made.findings, made.counts, plan_rows(made, self.ctx.config.zone), wake_at=None)
            raise
        return applied

    def _settle(self, made: SyncPlan, seen: Observed) -> None:
        """What is in step already, for the first time or in another way than was known."""
        rows = []
        for one in made.settled:
            before, mark = seen.links.get(one.target.id), made.mark(one)
            if before is not None and (before.seen, before.source_key, before.source_id) == (
                one.seen, one.row.key, one.row.offer.id,
            ) and mark and mark == before.mark:  # fmt: skip
                continue  # the fingerprints are as they were, too
            wanted = made.wanted(one)
            # how the target shows a field that it now shows as sent is nothing to remember
            kept = {name: one.seen[name] for name in one.seen if name in wanted}
            if before is None or (
                dict(before.wanted), dict(before.seen), before.source_key, before.source_id, before.mark,
            ) != ({**before.wanted, **wanted}, kept, one.row.key, one.row.offer.id, mark):  # fmt: skip
                sent = prices_among(one.target.values, wanted)
                rows.append(self._link(one.row, one.target, before, wanted, kept, sent, mark))
        for some in batches(rows, 1000):
            with self.ctx.begin() as conn:
                store.write_links(conn, self.ctx.client, self.link, some, self.ctx.clock.now())
        if seen.full:  # what was deleted there will not return
            self._remember({}, set(self.went) - {one.id for one in seen.targets})
        self._remember({}, {one.target.id for one in made.settled})

    def _remember(self, gone: Mapping[str, bool], back: Collection[str] = ()) -> None:
        """What has gone and whether it is hidden for that; ``back``: ids of what is there as it was, or is no more."""
        now = {name: hidden for name, hidden in {**self.own_gone, **gone}.items() if name not in back}
        if now != self.own_gone:
            self.own_gone = now
            with self.ctx.begin() as conn:
                store.write_gone(self.ctx.ledger, conn, self.link, now)
        for name, hidden in self.others_gone.items():
            if hidden & set(back):
                hidden -= set(back)
                with self.ctx.begin() as conn:
                    left = store.read_gone(self.ctx.ledger, conn, name)
                    store.write_gone(
                        self.ctx.ledger, conn, name, {one: was for one, was in left.items() if one not in back}
                    )

    def _create(self, creates: Sequence[Create], applied: Applied) -> None:
        assert isinstance(self.target, ApplyCatalogue)
        outcomes = self.target.create_products([one.draft for one in creates])
        self.ctx.reach("sync:applied")
        links: list[Link] = []
        for one, outcome in zip(creates, outcomes, strict=True):
            if outcome.error is None and not outcome.existed:
                links += self._created(one, outcome)
        judge(outcomes, lambda place: article_of(creates[place].rows[0]), applied)
        made = [one for one, outcome in zip(creates, outcomes, strict=True) if outcome.error is None]
        applied.new += sum(one.count for one in made)
        if any(one.existed for one in outcomes):
            applied.in_doubt = True  # the target was not as it was read: the next run looks at everything
        self._record(links)

    def _created(self, one: Create, outcome: RowOutcome) -> list[Link]:
        """Links of what was created, as far as the target tells their ids (the base first, then the variants)."""
        drafts = (one.draft.base, *one.draft.variants)
        if len(outcome.ids) != len(drafts):
            return []  # the next full run finds them by their articles
        product = outcome.ids[0]
        links = []
        for row, draft, own in zip(one.rows, drafts, outcome.ids, strict=True):
            if one.draft.base.id and draft is one.draft.base:
                continue  # it was there before
            wanted = with_currency({name: fingerprint(value) for name, value in draft.values.items()}, row.offer)
            target = Offer(id=own, product=product, kind=draft.kind, keys=draft.keys)
            links.append(self._link(row, target, None, wanted, {}, prices_among(draft.values, draft.values)))
        return links

    def _update(self, updates: Sequence[Update], made: SyncPlan, seen: Observed, applied: Applied) -> None:
        assert isinstance(self.target, ApplyCatalogue)
        changes = [
            OfferChange(offer=one.target, values={change.name: change.after for change in one.changes})
            for one in updates
        ]
        outcomes = self.target.update_offers(changes)
        self.ctx.reach("sync:applied")
        links = []
        as_they_were = []
        for one, change, outcome in zip(updates, changes, outcomes, strict=True):
            if outcome.error is None:
                before = seen.links.get(one.target.id)
                seen_before = before.seen if before else {}
                kept = {name: mark for name, mark in seen_before.items() if name not in change.values}
                kept |= shown_otherwise(outcome.shown, change.values)
                wanted = made.wanted(one)
                sent = prices_among({**one.target.values, **change.values}, wanted)
                links.append(self._link(one.row, one.target, before, wanted, kept, sent, made.mark(one)))
            elif seen.full and (known := seen.links.get(one.target.id)) is not None:
                # the prices that stand there instead are known, and need not be looked up before each further try
                there = prices_among(one.target.values, change.values)
                if there.keys() - known.sent.keys():
                    as_they_were.append(replace(known, sent={**there, **known.sent}))
        judge(outcomes, lambda place: article_of(updates[place].row), applied)
        applied.updated += sum(one.error is None for one in outcomes)
        self._record([*links, *as_they_were])
        self._remember({}, {link.target.id for link in links})

    def _vanish(self, made: SyncPlan, applied: Applied) -> None:
        assert isinstance(self.target, ApplyCatalogue)
        hide = [one.target for one in made.vanished if one.act == "hide" and not one.by_product]
        zero = [one.target for one in made.vanished if one.act == "zero-stock"]
        # what is kept is told once: counted for ever, it would in the end look like a source that has shrunk
        self._forget([one.target for one in made.vanished if one.act == "keep" or one.by_product])
        if hide:
            # noted before it is done: whoever dies in between must know, when it returns, who has hidden it
            self._remember({one.id: True for one in hide})
            outcomes = self.target.update_offers([OfferChange(offer=one, values={"published": False}) for one in hide])
            self._gone(hide, outcomes, applied)
        if zero:
            stock: ApplyStock = self.needs(self.target, self.settings.to, ApplyStock, TAKES_STOCK)
            names = [ref.code for ref in self.target.warehouses()] if isinstance(self.target, Stock) else []
            targets = [
                StockTarget(offer=one, warehouse=name, quantity=ZERO) for one in zero for name in (names or [""])
            ]
            outcomes = stock.apply_stock(targets)
            self._gone([one.offer for one in targets], outcomes, applied)
            self._let_stock_look(lambda stock: stock.to == self.settings.to)

    def _leave(self, seen: Observed) -> None:
        """What stands in none of the step's categories any more is not kept in step by it, and is no loss either."""
        sold = {row.key for row in (*seen.rows.sold, *seen.rows.bases.values())}
        left = [one for one in seen.links.values() if one.source_key in seen.rows.elsewhere - sold]
        if not left:
            return
        with self.ctx.begin() as conn:
            store.forget_links(conn, self.ctx.client, self.link, [one.target.id for one in left])
        names = sorted({next(iter(one.target.keys.values()), one.target.id) for one in left})
        text = TN(
            "{n} product stands in none of the categories of this step any more: {names}. The step leaves it as it is.",
            "{n} products stand in none of the categories of this step any more: {names}. The step leaves them as they "
            "are.",
            len(names),
            names=", ".join(names[:TOLD]) + (" …" if len(names) > TOLD else ""),
        )
        seen.remarks = (*seen.remarks, Finding("left-category", text, who=Who.ADMIN))

    def _let_stock_look(self, which: Callable[[StockSyncSettings], bool]) -> None:
        """Steps that send stock believe in what they sent last, and in who was who: let these compare it all, once."""
        with self.ctx.begin() as conn:
            for job, described in self.ctx.config.jobs.items():
                for number, spec in enumerate(described.steps):
                    if isinstance(spec.params, StockSyncSettings) and which(spec.params):
                        link = accounts.present(self.ctx.ledger, conn, store.link_of(job, described.steps, number))
                        store.set_moment(self.ctx.ledger, conn, store.FULL, link, None)

    def _gone(self, offers: Sequence[Offer], outcomes: Sequence[RowOutcome], applied: Applied) -> None:
        self.ctx.reach("sync:applied")
        judge(outcomes, lambda place: offers[place].title, applied)
        failed = {offer.id for offer, outcome in zip(offers, outcomes, strict=True) if outcome.error is not None}
        applied.stuck = applied.stuck or bool(failed)
        self._remember({}, failed)
        self._forget([one for one in offers if one.id not in failed])

    def _forget(self, offers: Sequence[Offer]) -> None:
        """What has gone from the source, and was dealt with, is in step no more; it is matched anew if it returns."""
        gone = {one.id: one for one in offers}
        if not gone:
            return
        with self.ctx.begin() as conn:
            store.forget_links(conn, self.ctx.client, self.link, gone)
            for one in gone.values():
                self.ctx.event(conn, self.subject, "vanished", target=one.id, title=one.title)
        self._remember({name: self.went.get(name, False) for name in gone})

    def _record(self, links: Sequence[Link]) -> None:
        with self.ctx.begin() as conn:
            store.write_links(conn, self.ctx.client, self.link, links, self.ctx.clock.now())
        self.ctx.reach("sync:batch-recorded")

    @staticmethod
    def _link(
        row: Row,
        target: Offer,
        before: Link | None,
        wanted: Mapping[str, str],
        seen: Mapping[str, str],
        sent: Mapping[str, str],
        mark: int = 0,
    ) -> Link:
        return Link(
            target, row.key, row.offer.id,
            {**(before.wanted if before else {}), **wanted}, dict(seen), {**(before.sent if before else {}), **sent},
            mark,
        )  # fmt: skip


def is_sync(spec: StepSpec) -> bool:
    """Whether a step keeps two systems in step."""
    return isinstance(spec.params, SyncSettings)


def _both_catalogues(one: object, other: SyncSettings) -> bool:
    """Whether both are about whole products between the same two systems."""
    return (
        all(
            isinstance(each, CatalogueSyncSettings) and not isinstance(each, PriceSyncSettings) for each in (one, other)
        )
        and isinstance(one, SyncSettings)
        and (one.source, one.to) == (other.source, other.to)
    )


def _blind(made: SyncPlan, links: Mapping[str, Link]) -> bool:
    """Whether a price would be written that was never sent there, and nobody knows what it would be written over."""
    return any(
        change.before is UNKNOWN and (one.target.id not in links or change.name not in links[one.target.id].wanted)
        for one, change in price_changes(made)
    )
