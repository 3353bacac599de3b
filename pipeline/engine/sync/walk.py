"""The walk of a sync: observe source and target -> match -> plan -> brake -> apply in batches -> record -> cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import structlog

from pipeline.alerts import notices
from pipeline.config.model import ScheduleSettings, StepSpec
from pipeline.engine import schedule
from pipeline.engine.context import RunContext
from pipeline.engine.sync import accounts, store
from pipeline.engine.sync.brakes import Braked
from pipeline.engine.sync.match import AMBIGUOUS, HAS_VARIANTS, LEFT_OUT
from pipeline.engine.sync.rows import Rows
from pipeline.engine.sync.store import Link
from pipeline.errors import ConfigError, Finding, InDoubt, Transient, Where, Who
from pipeline.flow import StepResult, SyncStep
from pipeline.ledger import cards, decisions, plans
from pipeline.model import Offer
from pipeline.ports import NOT_SHOWN, Noticing, Offers, OfferTraits, RowOutcome, System
from pipeline.syncing import SyncSettings
from pipeline.texts import T, Text

log = structlog.get_logger("mistok.sync")

X = TypeVar("X")
#: What changed so shortly before the last look may have been written while it was taken.
OVERLAP = timedelta(minutes=10)
#: Rows that a target refused are tried again this often where the source does not tell them anew.
RETRY = timedelta(hours=1)
TOLD = 200  #: findings on a card
FIRST = "brake-first"  #: code of a plan that waits since its two sides were never in step
SHOWN = 10  #: remarks of a system that are told one by one
#: Capabilities in words.
PRODUCTS, STOCK = T("telling its products"), T("telling its stock")
TAKES_PRODUCTS, TAKES_STOCK = T("taking products and prices"), T("taking stock levels")


@dataclass
class Observed:
    """Both sides as they were read, and how."""

    rows: Rows
    targets: Sequence[Offer]
    links: Mapping[str, Link]
    full: bool
    began: datetime  #: when the reading began: the next cursor
    whole: bool = True  #: the source told all that it has, and not only its changes
    remarks: Sequence[Finding] = ()  #: what the systems noticed while they were read; nobody is waited for


@dataclass
class Applied:
    """What came of the writes."""

    done: int = 0
    findings: list[Finding] = field(default_factory=list)
    unreachable: bool = False
    in_doubt: bool = False
    unconfirmed: int = 0  #: rows that the target has accepted and does not show yet
    refused: int = 0  #: rows that the target did not take
    refusals: set[str] = field(default_factory=set)  #: their articles
    stuck: bool = False  #: something that has gone from the source is among them
    later: int = 0  #: rows that it had no answer for
    went: set[str] = field(default_factory=set)  #: articles of rows that have gone through
    new: int = 0  #: products and variants that were created
    updated: int = 0  #: products, or levels, that were changed

    @property
    def whole(self) -> bool:
        """Whether nothing was left over."""
        return not self.findings

    @property
    def tried(self) -> bool:
        """Whether all was done, or refused: such rows are remembered by themselves, and nothing else is left over."""
        return len(self.findings) == self.refused and not self.in_doubt

    def counts(self, planned: Mapping[str, int]) -> dict[str, int]:
        """What was planned, told by what came of it."""
        done = {"new": self.new, "updated": self.updated}
        told = {word: done.get(word, n) for word, n in planned.items()}
        return {**told, "refused": self.refused, "later": self.later, "unconfirmed": self.unconfirmed}


class SyncRun:
    """One run of one sync step: what both kinds (catalogue, stock) have in common.

    Args:
        number: the step's place in its job, from 0.
    """

    def __init__(self, step: SyncStep, spec: StepSpec, ctx: RunContext, number: int) -> None:
        assert isinstance(spec.params, SyncSettings)
        self.step, self.ctx = step, ctx
        self.settings: Any = spec.params
        self.step_link = store.link_of(ctx.job, ctx.config.jobs[ctx.job].steps, number)
        self.subject = f"sync:{ctx.job}:{number + 1}"
        self.name = spec.step
        self.began = ctx.clock.now()
        self.remarks: tuple[Finding, ...] = ()  #: what the plan came upon, for the result of a run that is stopped
        self.source: System = ctx.system(spec.params.source)
        self.target: System = ctx.system(spec.params.to)
        source, to = spec.params.source, spec.params.to
        ends = accounts.Ends(
            accounts.account_of(ctx, source, self.source), accounts.account_of(ctx, to, self.target)
        )  # fmt: skip
        with ctx.ledger.read() as conn:
            #: what is remembered of these very accounts
            self.memory = accounts.look_up(ctx.ledger, conn, self.step_link, ends, (source, to))
            self.link = self.memory.name
            aliases = {("sku", code): meant for code, meant in spec.params.match.aliases.items()}
            given = accounts.articles(ctx.ledger, conn, source, to, self.memory.ends.source)
            self.mappings = {**aliases, **given}
            #: what a person says while this run is under way is about what comes after it
            self.decided = decisions.newest(conn, ctx.client, self.subject)
        self.passed = Braked()  #: what would have stopped this run, had a person not approved it
        self.by_decision = 0  #: number of that approval

    # --- whose memory it is ------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Write down of which accounts this run is; nothing in a dry run."""
        if self.ctx.dry_run:
            return
        ledger, ends, settings = self.ctx.ledger, self.memory.ends, self.settings
        pair = f"{settings.source}>{settings.to}"
        with self.ctx.begin() as conn:
            accounts.enter(ledger, conn, self.step_link, self.memory)
            accounts.keep_ids(ledger, conn, settings.source, settings.to, ends.source)
            compared = ledger.get_value(conn, store.COMPARED, pair)
            if compared and "accounts" not in compared and self.memory.first:
                marks = {settings.source: ends.source, settings.to: ends.target}
                ledger.set_value(conn, store.COMPARED, pair, {**compared, "accounts": marks})

    def of_account(self, braked: Braked) -> Braked:
        """The same, told apart from the same trouble of other accounts, and with a line about these."""
        if not braked or self.memory.first:
            return replace(braked, findings=self._with_account(braked.findings))
        digest = hashlib.sha256(f"{self.link}\0{braked.digest}".encode()).hexdigest()[:32]
        return replace(braked, findings=self._with_account(braked.findings), digest=digest)

    def _with_account(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        return (findings[0], *accounts.told(self.memory), *findings[1:]) if findings else ()

    # --- observe -----------------------------------------------------------------------------------------------------

    def needs(self, system: System, name: str, capability: Any, what: Text) -> Any:
        """``system`` as one that has ``capability``. Raises ConfigError when it has not."""
        if not isinstance(system, capability):
            raise ConfigError(
                T("{name} cannot do what step {step} needs of it: {what}.", name=name, step=self.name, what=what),
                hint=T("mistok plugins tells what each system can do."),
            )
        return system

    def traits(self) -> OfferTraits:
        """Of the target. Raises ConfigError for an article field that it has not got."""
        target: Offers = self.needs(self.target, self.settings.to, Offers, PRODUCTS)
        traits = target.offer_traits()
        wanted = self.settings.match.target
        if wanted and wanted not in traits.keys:
            raise ConfigError(
                T("{name} has no article field {key}.", name=self.settings.to, key=wanted),
                hint=T("It has: {names}.", names=", ".join(traits.keys)),
            )
        return traits

    def is_full(self, *, asked: bool) -> bool:
        """Whether everything of both sides is compared in this run."""
        if asked or self.ctx.dry_run or self.memory.moved:
            return True
        with self.ctx.ledger.read() as conn:
            last = store.get_moment(self.ctx.ledger, conn, store.FULL, self.link)
            refused = store.read_refused(self.ctx.ledger, conn, self.link)
        if last is None or (refused.by_full and self._are_due(refused)):
            return True
        at: time | None = self.settings.full_at
        return at is not None and last < last_time_of_day(at, self.ctx.config.zone, self.began)

    def cursor(self) -> datetime | None:
        """Since when the source is asked for changes."""
        with self.ctx.ledger.read() as conn:
            at = store.get_moment(self.ctx.ledger, conn, store.CURSOR, self.link)
            woken = store.get_moment(self.ctx.ledger, conn, store.WAKE, self.link)
            refused = store.read_refused(self.ctx.ledger, conn, self.link)
        if at is None or self._are_due(refused) or (woken is not None and woken <= self.began):
            return None  # a special price has begun or ended: nothing of the product itself has changed
        return at - OVERLAP

    def _are_due(self, refused: store.Refused) -> bool:
        """Whether refused rows are tried though the source does not tell them: hourly, and when a person asks."""
        if not refused.names or refused.at is None:
            return False
        return self.ctx.trigger in ASKED or self.began >= refused.at + RETRY

    def _keep_refused(self, conn: Any, seen: Observed, applied: Applied) -> None:
        before = store.read_refused(self.ctx.ledger, conn, self.link)
        if seen.full or (seen.whole and not before.by_full):  # each of them was tried
            now = store.Refused(frozenset(applied.refusals), self.began, applied.stuck)
        else:
            names = (before.names - applied.went) | applied.refusals
            now = store.Refused(names, (before.at if before.names else None) or self.began, before.by_full)
        if (now.names or before.names) and now != before:
            store.write_refused(self.ctx.ledger, conn, self.link, now)

    def read_links(self) -> dict[str, Link]:
        """What is in step."""
        with self.ctx.ledger.read() as conn:
            return store.read_links(conn, self.ctx.client, self.link)

    def counted(self, offers: Iterator[Offer], words: str) -> Iterator[Offer]:
        """The offers, with progress."""
        for n, offer in enumerate(offers, 1):
            if n % 50 == 0:
                self.ctx.progress(n, None, T("reading {name}", name=words))
            yield offer

    def noticed(self) -> tuple[Finding, ...]:
        """That these are other accounts than before, and what both systems came upon while they were read."""
        told = [finding for one in (self.source, self.target) if isinstance(one, Noticing) for finding in one.noticed()]
        return (*accounts.told(self.memory), *told)

    # --- brake -------------------------------------------------------------------------------------------------------

    def hint(self) -> Text:
        """What a person does about a brake."""
        return T("Look whether the source is right. If it is so, approve it: mistok plans tells the number.")

    def verdict(self, braked: Braked) -> str | None:
        """What a person has said of this very trouble, and what is not used up yet."""
        with self.ctx.ledger.read() as conn:
            over, _ = store.verdicts_over(self.ctx.ledger, conn, self.subject)
            found = decisions.verdict_after(conn, self.ctx.client, self.subject, braked.digest, over)
        if not self.ctx.approve and (found is None or found[1] != "accept"):
            return found[1] if found else None
        self.passed = braked
        self.by_decision = found[0] if found else 0
        return "accept"

    def _use_up(self, conn: Any, seen: Observed, applied: Applied) -> None:
        """A verdict is about one trouble, once: when that is over, or applied, the same trouble is asked about anew.

        That the source has shrunk is not over by being applied, and is seen by looks at everything only: that approval
        stands until such a look finds the source well, or anything else of it gone.
        """
        ctx = self.ctx
        _, stands = store.verdicts_over(ctx.ledger, conn, self.subject)
        if self.passed.lasting and self.by_decision:
            store.end_verdicts(ctx.ledger, conn, self.subject, self.by_decision - 1, self.by_decision)
        elif self.passed:
            if applied.done or applied.whole:  # else nothing came of it, and the next run tries again
                store.end_verdicts(ctx.ledger, conn, self.subject, max(self.decided, self.by_decision))
        elif seen.full or not stands:
            store.end_verdicts(ctx.ledger, conn, self.subject, self.decided)

    def stop(
        self,
        braked: Braked,
        verdict: str | None,
        counts: Mapping[str, int],
        rows: Sequence[Mapping[str, Any]],
        *,
        full: bool,
    ) -> StepResult:
        """Nothing is applied; the plan waits. What a look at everything found is looked at so until it is over."""
        ctx = self.ctx
        if full:
            with ctx.begin() as conn:
                store.set_moment(ctx.ledger, conn, store.FULL, self.link, None)
        with ctx.ledger.read() as conn:  # of what was applied before; a price that a brake holds begins nowhere
            woken = store.get_moment(ctx.ledger, conn, store.WAKE, self.link)
        notes = [braked.findings[0].text, *(one.text for one in accounts.told(self.memory))]
        if verdict is None:
            with ctx.begin() as conn:
                number = plans.keep(
                    conn, ctx.client, job=ctx.job, link=self.link, subject=self.subject, state="waiting",
                    digest=braked.digest, counts=counts, findings=braked.findings, rows=rows, now=ctx.clock.now(),
                    run_id=ctx.run_id,
                )  # fmt: skip
                told = cards.carded(conn, ctx.client, {self.subject}, "plan")
                hint = T("If it is right so: mistok approve {n}. If not: mistok approve {n} --reject --why …", n=number)
                first = Finding(braked.findings[0].code, braked.findings[0].text, Where(), hint, Who.ACCOUNTANT)
                cards.open_card(
                    conn, ctx.client, "plan", self.subject, [first, *braked.findings[1:TOLD]], ctx.clock.now()
                )
                if not told:
                    ctx.notify(conn, notices.brake(self.subject, ctx.job, first))
                ctx.event(conn, self.subject, "plan-waits", plan=number, digest=braked.digest)
            notes += [hint]
        else:
            notes.append(T("A person has rejected this plan; nothing is done until the source says something else."))
        shown = {**dict.fromkeys(counts, 0), "waiting": 1} if verdict is None else {}
        return StepResult(
            shown, waiting=verdict is None, notes=tuple(notes), details=rows, remarks=self.remarks,
            wake_at=woken if woken is not None and woken > self.began else None,
        )  # fmt: skip

    # --- the first time ----------------------------------------------------------------------------------------------

    def is_compared(self) -> bool:
        """Whether these two systems were compared and found in step, or a person took the differences of this step."""
        source, to, ends = self.settings.source, self.settings.to, self.memory.ends
        with self.ctx.ledger.read() as conn:
            found = self.ctx.ledger.get_value(conn, store.COMPARED, f"{source}>{to}")
            if self.ctx.ledger.get_value(conn, store.COMPARED, self.link):
                return True
        return accounts.compared_with(found, {source: ends.source, to: ends.target}, first=self.memory.first)

    def compared(self, *, in_step: bool) -> None:
        """After a whole run: from now on this step needs nobody for its first time, if there was anything to look at.

        That prices are in step says nothing of stock, and that nothing was found says nothing at all.

        Args:
            in_step: something of both sides is in step now.
        """
        taken = any(one.code == FIRST for one in self.passed.findings)
        if (in_step or taken) and not self.is_compared():
            with self.ctx.begin() as conn:
                at = self.ctx.clock.now().isoformat()
                self.ctx.ledger.set_value(conn, store.COMPARED, self.link, {"at": at, "by": self.link})

    # --- record ------------------------------------------------------------------------------------------------------

    def finish(
        self,
        seen: Observed,
        applied: Applied,
        findings: Sequence[Finding],
        counts: Mapping[str, int],
        rows: Sequence[Mapping[str, Any]],
        *,
        wake_at: datetime | None,
    ) -> StepResult:
        """Cards, cursor and the result. The cursor moves only when all was applied, but for rows that were refused."""
        ctx = self.ctx
        approved = bool(self.passed)
        counts = applied.counts(counts)
        asking = [one for one in (*findings, *applied.findings) if one.code != "kept-otherwise"]
        with ctx.begin() as conn:
            now = ctx.clock.now()
            if not seen.whole:  # what was not told may change its price by itself before
                before = store.get_moment(ctx.ledger, conn, store.WAKE, self.link)
                wake_at = min((one for one in (before, wake_at) if one is not None and one > self.began), default=None)
            cards.close(
                conn, ctx.client, self.subject, ["plan"], now,
                state="resolved" if approved else "superseded", why=T("approved") if approved else "",
            )  # fmt: skip
            self._use_up(conn, seen, applied)
            if applied.done or seen.full:
                plans.keep(
                    conn, ctx.client, job=ctx.job, link=self.link, subject=self.subject,
                    state="applied" if applied.done or applied.whole else "undone", digest="",
                    counts=counts, findings=asking, rows=rows, now=now, run_id=ctx.run_id,
                )  # fmt: skip
            self._keep_refused(conn, seen, applied)
            if applied.tried:
                store.set_moment(ctx.ledger, conn, store.CURSOR, self.link, seen.began)
                store.set_moment(ctx.ledger, conn, store.WAKE, self.link, wake_at)
            if applied.in_doubt:
                store.set_moment(ctx.ledger, conn, store.FULL, self.link, None)
            elif seen.full and applied.tried:
                store.set_moment(ctx.ledger, conn, store.FULL, self.link, seen.began)
            if seen.full:
                self._card(conn, asking, now)
            else:
                self._card_of_some(conn, seen, asking, applied, now)
            if applied.tried:
                accounts.settle(ctx.ledger, conn, self.step_link, self.memory)
            if applied.done:
                ctx.event(conn, self.subject, "synced", link=self.link, **counts)
        ctx.reach("sync:recorded")
        told = tuple(one.text for one in (*seen.remarks[:SHOWN], *asking[:10]))
        if len(seen.remarks) > SHOWN:
            told += (T("{n} more remarks.", n=len(seen.remarks) - SHOWN),)
        if len(asking) > 10:
            told += (T("{n} more remarks.", n=len(asking) - 10),)
        said = {word: n for word, n in counts.items() if n and (seen.full or word != "matched")}
        return StepResult(
            said,
            waiting=any(one.code not in QUIET for one in asking),
            notes=told,
            details=rows,
            unreachable=applied.unreachable,
            wake_at=wake_at,
            remarks=(*findings, *applied.findings),
        )

    def _card_of_some(
        self, conn: Any, seen: Observed, findings: Sequence[Finding], applied: Applied, now: datetime
    ) -> None:
        """Between two looks at everything: what has gone through is taken off the card, what has not is put onto it.

        That an article is one product's alone, and what is said of no row, is seen by a look at everything only.
        """
        before = cards.said(conn, self.ctx.client, self.subject, "sync")
        tried = {one.where.element for one in applied.findings}
        named = {row.offer.id for row in seen.rows.sold}
        told = {(one.code, one.where.element) for one in findings if one.where.element is not None}

        def stands(one: Finding) -> bool:
            about = one.where.element
            if about is None or (one.code, about) in told:
                return about is None
            if one.code == AMBIGUOUS:
                return True
            return about not in (named if one.code == "no-article" else applied.went | tried)

        left = [one for one in before if stands(one)]
        general = {one.code for one in left if one.where.element is None}
        new = [one for one in findings if one.code not in QUIET]
        new = [one for one in new if one.where.element is not None or one.code not in general]
        if new or len(left) < len(before):
            self._card(conn, [*new, *left], now)

    def _card(self, conn: Any, findings: Sequence[Finding], now: datetime) -> None:
        ctx = self.ctx
        serious = [one for one in findings if one.code not in QUIET]
        if not serious:
            cards.close(conn, ctx.client, self.subject, ["sync"], now, state="superseded", why="")
            return
        told = cards.carded(conn, ctx.client, {self.subject}, "sync")
        cards.open_card(conn, ctx.client, "sync", self.subject, serious[:TOLD], now)
        if not told:
            ctx.notify(conn, notices.sync(self.subject, ctx.job, serious[0], len(serious)))


#: Why a run is there when somebody has asked for it: what was refused may have been mended.
ASKED = frozenset({"person", "retry"})
#: Remarks that wait for nobody.
QUIET = frozenset({"kept-otherwise", HAS_VARIANTS, LEFT_OUT})


def batches(rows: Sequence[X], size: int) -> Iterator[Sequence[X]]:
    """Slices of ``size``."""
    for start in range(0, len(rows), max(size, 1)):
        yield rows[start : start + max(size, 1)]


def last_time_of_day(at: time, zone: ZoneInfo, now: datetime) -> datetime:
    """The last moment before or at ``now`` when a clock in ``zone`` was to show ``at``: right on both odd nights."""
    spec = ScheduleSettings(at=(f"{at:%H:%M}",))
    due = schedule.due_runs(spec, zone, now - timedelta(days=2), now)
    return due[-1].at.astimezone(UTC)


def judge(outcomes: Sequence[RowOutcome], name_of: Callable[[int], str], applied: Applied) -> None:
    """Sort the outcomes of one write: what failed is told by its article."""
    for place, outcome in enumerate(outcomes):
        error = outcome.error
        if error is None:
            applied.done += 1
            applied.went.add(name_of(place))
            continue
        article = name_of(place)
        if isinstance(error, InDoubt):
            applied.in_doubt = True
        if isinstance(error, Transient) and error.code == NOT_SHOWN:
            applied.unconfirmed += 1
        elif isinstance(error, Transient):
            applied.unreachable = True
            applied.later += 1
        else:
            applied.refused += 1
            applied.refusals.add(article)
        first = error.findings[0]
        text = first.text  # a system may begin with the article by itself
        if not article or not str(text).startswith(article):
            text = T("{article}: {words}", article=article, words=first.text)
        applied.findings.append(Finding(first.code, text, Where(element=article), first.hint, first.who, first.about))
