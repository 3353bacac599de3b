"""The documents walk: resume -> read -> archive -> plan -> add what is missing -> act by act -> tell the source.

An order is in the archive and the ledger before anything is done about it; each act is in the ledger before the target
is called; what came of it is committed after. Killed anywhere, the next run looks up what was begun and goes on. The
cursor moves when all that was read is in the ledger: from there it is tried again by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.config.model import StepSpec
from pipeline.documents import DocumentsSettings
from pipeline.engine.booking import decided
from pipeline.engine.context import RunContext
from pipeline.engine.documents import (
    back,
    comparing,
    needs,
    parties,
    phases,
    planning,
    resuming,
    rules,
    settling,
    store,
)
from pipeline.engine.documents.desk import Desk
from pipeline.engine.documents.newcomers import Newcomers
from pipeline.engine.documents.plan import ORDERED
from pipeline.engine.documents.products import Shelf
from pipeline.engine.documents.work import Work
from pipeline.engine.keeping import Keeper
from pipeline.engine.sync.store import get_moment, set_moment
from pipeline.engine.sync.walk import last_time_of_day
from pipeline.engine.told import Told
from pipeline.errors import Finding, MistokError, Refused, Transient
from pipeline.flow import DocumentsStep, StepResult
from pipeline.ledger import acts, decisions
from pipeline.ledger import orders as order_rows
from pipeline.ledger.store import Lease
from pipeline.ledger.tables import OrderState
from pipeline.model import cents
from pipeline.ports import Noticing, Orders, Ref, SeenOrder, System
from pipeline.rules.keys import key_of
from pipeline.texts import TN, T, Text

log = structlog.get_logger("mistok.documents")
Row = dict[str, Any]
LEASE = timedelta(seconds=90)
#: Seconds after which a link that somebody else works on is worth another look.
BUSY_AGAIN = 30.0
#: What changed so shortly before the last look may have been written while it was taken.
OVERLAP = timedelta(minutes=10)
#: Orders that wait and are looked at again in one run.
AT_ONCE = 200
#: States of orders that are not settled.
WAITING = frozenset({OrderState.NEW, OrderState.CREATING, OrderState.HELD, OrderState.IN_DOUBT})
CURSOR, FULL = "documents-cursor", "documents-full"
_REMARKS = 10  #: lines of what targets told, at the end of a run


@dataclass
class DocumentsRun:
    """One run of one documents step."""

    step: DocumentsStep
    settings: DocumentsSettings
    ctx: RunContext
    number: int = 0  #: place of the step in its job, from 0
    counts: dict[str, int] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    troubles: list[MistokError] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    lease: Lease | None = None
    back_in: float | None = None
    remarks: list[Finding] = field(default_factory=list)  #: what targets told of what they have done
    moved: set[str] = field(default_factory=set)  #: articles of what was shipped or taken back in this run
    shelf: Shelf | None = None
    full: bool = False
    newcomers: Newcomers = field(default_factory=Newcomers)
    carried: set[int] = field(default_factory=set)  #: rows of the orders that this run has been about

    def __post_init__(self) -> None:
        self.began = self.ctx.clock.now()
        self.source: System = self.ctx.system(self.settings.source)
        self.target: System = self.ctx.system(self.settings.to)
        with self.ctx.ledger.read() as conn:
            given = decisions.mappings_of(conn, self.ctx.client)
        written = {
            (str(kind), code): meant for kind, pairs in self.settings.mappings.items() for code, meant in pairs.items()
        }
        self.mappings = {**written, **given}
        self.desk = Desk(self.settings, self.target, self.mappings, adds=not self.ctx.dry_run, people=frozenset(given))
        self._statuses: Sequence[Ref] | None = None

    @classmethod
    def of(cls, step: DocumentsStep, spec: StepSpec, ctx: RunContext, number: int = 0) -> DocumentsRun:
        """The run of a step of the config."""
        assert isinstance(spec.params, DocumentsSettings)
        return cls(step, spec.params, ctx, number)

    # --- what a walk has ---------------------------------------------------------------------------------------------

    @property
    def link(self) -> str:
        """Whose cursor it is."""
        return f"{self.ctx.job}/{self.settings.source}>{self.settings.to}"

    @property
    def subject(self) -> str:
        """Of what is told of the step as a whole."""
        return f"sync:{self.ctx.job}:{self.number + 1}"

    @property
    def statuses(self) -> Sequence[Ref]:
        """All statuses of the source, asked once in a run."""
        if self._statuses is None:
            assert isinstance(self.source, Orders)
            self._statuses = tuple(self.source.order_statuses())
        return self._statuses

    def count(self, word: str, by: int = 1) -> None:
        """Count for the closing line."""
        if by:
            self.counts[word] = self.counts.get(word, 0) + by

    def tell(self, work: Work, outcome: str, **more: Any) -> None:
        """Add a row to the table of what happened."""
        order = work.order or work.seen.order
        self.told.add(
            {
                "order": work.number,
                "customer": order.customer.title if order else "",
                "total": cents(order.total) if order else None,
                "currency": order.currency if order else "",
                "outcome": outcome,
                "document": (work.ref.number if work.ref else None) or work.row.get("document_number"),
                **more,
            }
        )

    def trouble(self, error: MistokError) -> None:
        """Remember what did not work although the run goes on."""
        self.troubles.append(error)

    def remark(self, work: Work, notes: Sequence[Finding]) -> None:
        """Keep what the target told of an order: with the order, and for the end of the run."""
        placed = [replace(one, where=replace(one.where, order=one.where.order or work.number)) for one in notes]
        work.notes = (*work.notes, *placed)
        self.remarks.extend(placed)

    def come_back(self, seconds: float) -> None:
        """Another run is worth it after so many seconds."""
        self.back_in = min(seconds, self.back_in) if self.back_in is not None else seconds

    @contextmanager
    def holding(self) -> Iterator[bool]:
        """Be the only one on this link for as long as the block runs. False: somebody else is; touch nothing."""
        self.lease = self.ctx.ledger.acquire(f"documents:{self.settings.source}>{self.settings.to}", LEASE)
        if self.lease is None:
            yield False
            return
        try:
            with Keeper(self.ctx.ledger, self.lease, LEASE):
                yield True
        finally:
            self.ctx.ledger.release(self.lease)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction of this run. Raises Transient, and writes nothing, when the link was taken over."""
        assert self.lease is not None
        with self.ctx.begin() as conn:
            if not self.ctx.ledger.holds_in(conn, self.lease, lock=True):
                raise self._taken_over()
            yield conn

    def hold_on(self) -> None:
        """Look whether the link is still ours. Raises Transient when somebody took it over."""
        assert self.lease is not None
        if not self.ctx.ledger.holds(self.lease):
            raise self._taken_over()

    def _taken_over(self) -> Transient:
        words = T("Another process took over the orders of {name} from this run.", name=self.settings.source)
        return Transient(words, code="lease")

    # --- the run -----------------------------------------------------------------------------------------------------

    def run(self) -> StepResult:
        """Do it. Raises ConfigError (rules or capabilities), Refused and Transient; what was done is recorded."""
        needs.check(self)
        if self.ctx.dry_run:
            return self._preview()
        with self.holding() as ours:
            if not ours:
                note = T("Another run is working on these orders; this one left them alone.")
                return StepResult({}, notes=(note,), left_alone=True, again_in=BUSY_AGAIN)
            resuming.resume(self)
            self.full = self._is_full()
            for batch in _batches(self._observe(), self.settings.batch):
                self.take(batch)
            self._move_on()
            self._carry_on()
            back.catch_up(self)
            comparing.compare(self)
        if isinstance(self.source, Noticing):
            self.remarks.extend(self.source.noticed())
        waits = any(self.counts.get(word) for word in ("held", "in_doubt", "disagree"))
        return StepResult(
            self.counts,
            waiting=waits,
            notes=(*self.told.notes(), *self.notes, *_shown(self.remarks)),
            details=self.told.rows,
            remarks=tuple(self.remarks),
            findings=self._troubles(),
            unreachable=any(isinstance(error, (Transient, Refused)) for error in self.troubles),
            again_in=self.back_in,
        )

    def _troubles(self) -> tuple[Finding, ...]:
        return tuple({error.code: error.findings[0] for error in reversed(self.troubles)}.values())

    def _preview(self) -> StepResult:
        self.full = True
        for batch in _batches(self._observe(), self.settings.batch):
            works = self._works(batch)
            planning.plan(self, works)
            for work in works:
                self._foresee(work)
        waits = bool(self.counts.get("held"))
        rows, notes = self.told.rows, self.told.notes()
        return StepResult(self.counts, waiting=waits, details=rows, notes=notes, plan=tuple(rows))

    def _foresee(self, work: Work) -> None:
        findings = work.plan.findings
        party = work.buyer.create
        if party is not None and work.plan.doings:
            self.newcomers.meet(work, self.settings.parties)
            findings = work.buyer.findings
            if work.buyer.create is not None:
                self.newcomers.add(party, Ref(parties.identity(party) or party.code, "", party.title))
        words = [phases.COUNTED[one] for one in work.plan.words]
        if findings:
            self.count("held")
            self.tell(work, "held", findings=list(findings))
        elif words:
            for word in words:
                self.count(word)
            acts_told = [
                {"act": one.what, "does": phases.COUNTED[one.what], "key": one.key} for one in work.plan.doings
            ]
            self.tell(work, words[0], did=words, acts=acts_told, findings=list(work.notes))
        else:
            self.count("nothing" if work.plan.nothing is not None else "known")

    # --- observe -----------------------------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        if self.ctx.full or self.ctx.since or self.ctx.until:
            return True
        with self.ctx.ledger.read() as conn:
            last = get_moment(self.ctx.ledger, conn, FULL, self.link)
        if last is None:
            return True
        at = self.settings.full_at
        return at is not None and last < last_time_of_day(at, self.ctx.config.zone, self.began)

    def _since(self) -> datetime:
        """From which change on orders are asked for."""
        begin = self.ctx.since or self._midnight(self.settings.since)
        if self.full or self.ctx.since or self.ctx.until:
            return begin
        with self.ctx.ledger.read() as conn:
            cursor = get_moment(self.ctx.ledger, conn, CURSOR, self.link)
        return max(begin, cursor - OVERLAP) if cursor is not None else begin

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.ctx.config.zone)

    def _observe(self) -> Iterator[SeenOrder]:
        """Orders that are taken: of the period, statuses, shops and warehouses that the step names."""
        source, only = self.source, self.settings.only
        assert isinstance(source, Orders)
        since = self.ctx.since or self._midnight(self.settings.since)
        until = self.ctx.until or (self._midnight(self.settings.until) if self.settings.until else None)
        asked = self.ctx.since is not None or self.ctx.until is not None  # just this period
        for n, seen in enumerate(source.orders(self._since()), 1):
            if n % 50 == 0:
                self.ctx.progress(n, None, T("reading {name}", name=self.settings.source))
            order = seen.order
            if order is not None:
                if order.created_at < since or (until is not None and order.created_at >= until):
                    if asked or not self._follows(seen):
                        continue
                elif only.sources and not planning.of_shops(only, order) and not self._follows(seen):
                    continue
                # one that tells none, or several, is not passed over in silence: see planning
                if planning.elsewhere(only, order) and not self._follows(seen):
                    continue
            group = order.status if order is not None else ""
            chosen = not only.statuses or rules.called(only.statuses, seen.status, self.statuses, group)
            if not chosen and not self._follows(seen):
                continue
            yield seen

    def _follows(self, seen: SeenOrder) -> bool:
        """Whether an order that is not among those to be taken was taken before: it has its document, or waits.

        It is followed on: a cancellation that came from elsewhere, or in a status that the source has got since, would
        be passed over in silence, a card stay for ever.
        """
        source = self.settings.known_as or (seen.order.source if seen.order is not None else self.settings.source)
        key = key_of(self.ctx.client, source, seen.id)
        with self.ctx.ledger.read() as conn:
            row = order_rows.by_keys(conn, {key}).get(key)
        if row is None or row["into"] != self.settings.to:
            return False
        open_ = OrderState(row["state"]) in WAITING
        return open_ or row["document_id"] is not None or bool(row["document_number"])

    def _move_on(self) -> None:
        """All that was read is in the ledger: the next run asks for what changes from here on."""
        if self.ctx.since or self.ctx.until:
            return  # a period that a person asked for is not all
        with self.begin() as conn:
            set_moment(self.ctx.ledger, conn, CURSOR, self.link, self.began)
            if self.full:
                set_moment(self.ctx.ledger, conn, FULL, self.link, self.began)

    # --- take --------------------------------------------------------------------------------------------------------

    def take(self, batch: Sequence[SeenOrder]) -> None:
        """Put orders into the archive and the ledger, and do what their statuses ask for."""
        works = [work for work in self._works(batch) if not self._is_known(work)]
        if not works:
            return
        fresh = [work for work in works if work.row.get("revision") != work.revision]
        if fresh:
            copies = store.archive(self.ctx, self.settings.source, [work.seen for work in fresh])
            self.ctx.reach("documents:archived")
            with self.begin() as conn:
                now = self.ctx.clock.now()
                ids = store.write_files(
                    conn, self.ctx, self.settings.source, [work.seen for work in fresh], copies, now
                )
                store.write_orders(conn, self.ctx, fresh, ids, self.settings.to, now)
            self.ctx.reach("documents:seen")
        self.carry([work for work in works if work.row["state"] != OrderState.IN_DOUBT])

    def _works(self, batch: Sequence[SeenOrder]) -> list[Work]:
        """The newest state of each order, with its ledger row."""
        works: dict[str, Work] = {}
        for seen in batch:
            work = planning.make_work(self, seen)
            if work is None:
                continue
            before = works.get(work.key)
            if before is None or not _older(seen, before.seen):
                works[work.key] = work
        with self.ctx.ledger.read() as conn:
            rows = order_rows.by_keys(conn, set(works))
        found = []
        for key, work in works.items():
            work.row = rows.get(key, {})
            if work.row and work.row["into"] != self.settings.to:
                self.trouble(planning.other_job(work, self.settings))
                continue
            found.append(work)
        return found

    def _is_known(self, work: Work) -> bool:
        """Whether there is nothing new of it: it is as it was and settled, or waits in the ledger anyway.

        A full run looks at what is settled, too: whether its document is there, and what the rules say of it by now.
        """
        row = work.row
        if not row or row["revision"] != work.revision:
            return False
        work.fresh = False
        settled = OrderState(row["state"]) in (OrderState.CREATED, OrderState.NOTHING_TO_DO)
        return not (self.full and settled)

    def carry(self, works: Sequence[Work]) -> None:
        """Plan orders that have their ledger rows, and do it, act by act."""
        if not works:
            return
        self.carried |= {work.row["id"] for work in works}
        planning.plan(self, works)
        self.ctx.reach("documents:planned")
        with self.begin() as conn:
            self._say_why(conn, works)
            for work in works:
                if work.plan.findings:
                    settling.hold(self, conn, work, work.plan.findings)
                elif work.plan.nothing is not None:
                    settling.nothing(self, conn, work)
                    work.stopped = True
        going = [work for work in works if not work.stopped]
        phases.supply(self, going)
        phases.buyers(self, going)
        for what in ORDERED:
            phases.run_phase(self, going, what)
            if what == "amend":
                phases.run_phase(self, going, "status", early=True)
        with self.begin() as conn:
            for work in going:
                if not work.stopped:
                    settling.settle(self, conn, work)
                    phases.remember(self, conn, work)
        self.ctx.reach("documents:settled")
        back.tell(self, [work for work in going if not work.stopped])

    def _say_why(self, conn: Any, works: Sequence[Work]) -> None:
        """Write down what was chosen; of orders about which nothing is done, what was chosen before stands."""
        rows = [
            {"id": work.row["id"], "decided": decided(self.ctx, self.settings, work.choices)}
            for work in works
            if work.choices and (work.plan.doings or work.plan.findings or not work.row.get("decided"))
        ]
        order_rows.update_each(conn, rows, self.ctx.clock.now())

    def _carry_on(self) -> None:
        """Orders that wait, from before: what was mended elsewhere frees them, what was killed goes on."""
        due = None if self.ctx.trigger == "person" else self.ctx.clock.now()
        with self.ctx.ledger.read() as conn:
            rows = acts.waiting_orders(conn, self.ctx.client, self.settings.source, self.settings.to, due, AT_ONCE)
        self.plan_again([row for row in rows if row["id"] not in self.carried])

    def plan_again(self, rows: Sequence[Row]) -> None:
        """Plan these orders again, as they were read last."""
        seen = store.papers_of(self.ctx, rows)
        works = []
        for row in rows:
            if row["id"] not in seen:
                self.trouble(store.unread(row))
                continue
            work = planning.make_work(self, seen[row["id"]])
            if work is not None:
                works.append(replace(work, row=row, fresh=False))
        for batch in _batches(iter(works), self.settings.batch):
            self.carry(batch)


def _batches(some: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for one in some:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _shown(remarks: Sequence[Finding]) -> list[Text]:
    """Remarks as lines of a run: not more than a person reads."""
    texts = [one.text for one in remarks[:_REMARKS]]
    if (more := len(remarks) - len(texts)) > 0:
        texts.append(TN("… and {n} more.", "… and {n} more.", more))
    return texts


def _older(one: SeenOrder, other: SeenOrder) -> bool:
    return one.updated_at is not None and other.updated_at is not None and one.updated_at < other.updated_at
