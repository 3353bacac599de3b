"""Chosen orders go on now: those that waited for a person's word, through the walk itself and its lease.

Nothing here decides anything. What was decided is in the ledger (mappings, verdicts) before; the orders are planned
again from the archive, as the next run of their job would do it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.config.model import StepSpec
from pipeline.documents import DocumentsSettings
from pipeline.engine import amending, mending, proving, sharing
from pipeline.engine.context import Progress, RunContext, go_on, no_progress
from pipeline.engine.documents.walk import DocumentsRun
from pipeline.engine.inbound import Inbound
from pipeline.engine.runtime import Client
from pipeline.errors import Finding, Held, MistokError, Refused, Transient
from pipeline.flow import DocumentsStep, InboundSettings, InboundStep
from pipeline.ledger import cards
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.settings import Settings
from pipeline.texts import T, Text

Row = dict[str, Any]
PATIENCE = timedelta(seconds=10)  #: so long the end of a run under way is waited for
_LOOK = 0.2  #: seconds between two looks whether it has ended


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one order: its ledger row afterwards, its open card, and why it did not go on now, if so."""

    order: Row
    card: int | None = None
    later: Text | None = None
    error: MistokError | None = None
    amended: bool = False  #: its document was brought to newer content just now

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why it still waits, or remarks."""
        return file_rows.findings_of(self.order)

    @property
    def settled(self) -> bool:
        """Whether nobody is waited for any more."""
        return OrderState(self.order["state"]) not in order_rows.STILL_OPEN and self.later is None and not self.card


@dataclass(frozen=True, slots=True)
class Place:
    """The step that takes the files of one inbox, and the job that it belongs to."""

    job: str
    spec: StepSpec
    step: InboundStep
    settings: InboundSettings


@dataclass(frozen=True, slots=True)
class DocumentsPlace:
    """The step that makes documents of the orders of one system, and the job that it belongs to."""

    job: str
    spec: StepSpec
    step: DocumentsStep
    settings: DocumentsSettings
    number: int = 0  #: of the step in its job, from 0


AnyPlace = Place | DocumentsPlace


def places(client: Client) -> Iterator[Place]:
    """Every step of the client's config that takes files in."""
    for name, job in client.config.jobs.items():
        for spec in job.steps:
            kind = client.registry.steps[spec.step].kind
            if isinstance(spec.params, InboundSettings) and isinstance(kind, InboundStep):
                yield Place(name, spec, kind, spec.params)


def document_places(client: Client) -> Iterator[DocumentsPlace]:
    """Every step of the client's config that makes documents of a system's orders."""
    for name, job in client.config.jobs.items():
        for number, spec in enumerate(job.steps):
            kind = client.registry.steps[spec.step].kind
            if isinstance(spec.params, DocumentsSettings) and isinstance(kind, DocumentsStep):
                yield DocumentsPlace(name, spec, kind, spec.params, number)


def place_of(client: Client, file: Row, order: Row | None = None) -> AnyPlace | None:
    """The step that takes the files of this file's inbox, or the orders of this system, now (of the order's own job,
    if it still does)."""
    known: list[AnyPlace] = [*places(client), *document_places(client)]
    found = [
        place
        for place in known
        if (place.settings.inbox, place.settings.folder) == (file["connection"], file["folder"])
    ]
    if order is not None:
        found.sort(key=lambda place: (place.settings.into != order["into"], place.job != order["job"]))
        found = [place for place in found if place.settings.into == order["into"]]
    return found[0] if found else None


@contextmanager
def opened(
    client: Client,
    place: Place,
    *,
    by: str,
    report: Progress = no_progress,
    reach: Callable[[str], None] = go_on,
    run_id: int | None = None,
    dry_run: bool = False,
) -> Iterator[Inbound]:
    """The walk of that step for a person, who wants an answer now; its connections are closed afterwards."""
    with TemporaryDirectory(prefix="mistok-run-", ignore_cleanup_errors=True) as temp:
        ctx = _context(client, place.job, Path(temp), report, reach, run_id, by, dry_run=dry_run)
        plugin = client.registry.formats[place.settings.format.type]
        try:
            yield Inbound(place.step, place.settings, plugin, place.spec.format_params or Settings(), ctx)
        finally:
            ctx.close()


@contextmanager
def opened_any(
    client: Client,
    place: AnyPlace,
    *,
    by: str,
    report: Progress = no_progress,
    reach: Callable[[str], None] = go_on,
    run_id: int | None = None,
    dry_run: bool = False,
) -> Iterator[Inbound | DocumentsRun]:
    """The walk of either kind of step, as :func:`opened`."""
    if isinstance(place, Place):
        with opened(client, place, by=by, report=report, reach=reach, run_id=run_id, dry_run=dry_run) as inbound:
            yield inbound
        return
    with TemporaryDirectory(prefix="mistok-run-", ignore_cleanup_errors=True) as temp:
        ctx = _context(client, place.job, Path(temp), report, reach, run_id, by, dry_run=dry_run)
        try:
            yield DocumentsRun.of(place.step, place.spec, ctx, place.number)
        finally:
            ctx.close()


def _context(
    client: Client,
    job: str,
    temp: Path,
    report: Progress,
    reach: Callable[[str], None],
    run_id: int | None,
    by: str,
    *,
    dry_run: bool,
) -> RunContext:
    return RunContext(
        config=client.config,
        registry=client.registry,
        ledger=client.ledger,
        archive=client.archive,
        clock=client.clock,
        job=job,
        temp=temp,
        report=report,
        reach=reach,
        run_id=run_id,
        dry_run=dry_run,
        by=by,
    )


@contextmanager
def holding(walk: Inbound | DocumentsRun, patience: timedelta = PATIENCE) -> Iterator[bool]:
    """Hold the walk's inbox, after waiting for a run under way to end. False: it did not end in that time."""
    until = walk.ctx.clock.now() + patience
    while True:
        with walk.holding() as ours:
            if ours or walk.ctx.clock.now() >= until:
                yield ours
                return
        walk.ctx.clock.sleep(_LOOK)


def carry_on(
    client: Client,
    order_ids: Collection[int],
    *,
    by: str,
    report: Progress = no_progress,
    patience: timedelta = PATIENCE,
) -> list[Came]:
    """Plan these orders again and make the documents of those that may pass; those at an end are left as they are.

    A run under way, or a target that does not answer, makes ``later``: the job's next run carries on by itself.

    Args:
        client: opened for writing.
        order_ids: ids of ledger rows, of any inbox.
        by: the person who decided, for the cards that close.
        report: progress, in orders.
        patience: how long to wait for a run under way.

    Raises Transient when the ledger does not answer.
    """
    with client.ledger.read() as conn:
        rows = order_rows.by_ids(conn, order_ids)
        files = file_rows.by_ids(conn, {row["file_id"] for row in rows.values()})
    groups: dict[tuple[str, str], tuple[AnyPlace, list[Row]]] = {}
    later: dict[int, tuple[Text, MistokError | None]] = {}
    for row in rows.values():
        if OrderState(row["state"]) not in (*order_rows.UNFINISHED, OrderState.HELD):
            continue
        file = files[row["file_id"]]
        place = place_of(client, file, row)
        if place is None:
            where = f"{file['connection']}/{file['folder']}".rstrip("/")
            words = T("No job of the config takes orders from {inbox} into {into}.", inbox=where, into=row["into"])
            later[row["id"]] = (words, None)
        elif not file["sha256"] or client.archive.find(file["sha256"]) is None:
            words = _no_copy(client, file)
            later[row["id"]] = (words, None)
        else:
            groups.setdefault((place.job, place.spec.step), (place, []))[1].append(row)
    done = 0
    for place, group in groups.values():
        with opened_any(client, place, by=by, report=report) as walk, holding(walk, patience) as ours:
            if not ours:
                words = T("A run of job {job} is under way; its next run carries on.", job=place.job)
                later.update((row["id"], (words, None)) for row in group)
                continue
            try:
                proving.look(walk.ctx, walk.settings)
            except Held as held:
                later.update((row["id"], (held.text, held)) for row in group)
                continue
            for start in range(0, len(group), mending.AT_ONCE):
                part = group[start : start + mending.AT_ONCE]
                error = _plan_again(walk, part)
                if error is not None:
                    words = T("{words} The next run of job {job} carries on.", words=error.text, job=place.job)
                    later.update((row["id"], (words, error)) for row in group[start:])
                    break
                done += len(part)
                report(done, len(rows), T("orders"))
    return _came(client, list(rows), later)


def _no_copy(client: Client, file: Row) -> Text:
    with client.ledger.read() as conn:
        words = sharing.in_another(conn, client.config.client, client.archive, file["name"]) if file["sha256"] else None
    return words or T("The archive has no copy of {file} any more: let the site send it again.", file=file["name"])


def amend(
    client: Client,
    order_id: int,
    file: Row,
    *,
    by: str,
    report: Progress = no_progress,
    patience: timedelta = PATIENCE,
) -> Came:
    """Bring an order's document to the content of ``file``, which a person has accepted; else as :func:`carry_on`."""
    with client.ledger.read() as conn:
        before = order_rows.by_ids(conn, [order_id])[order_id]
    place = place_of(client, file, before)
    words: Text | None = None
    error: MistokError | None = None
    if not isinstance(place, Place):
        words = T("No job of the config takes files from there any more.")
    else:
        with opened(client, place, by=by, report=report) as walk, holding(walk, patience) as ours:
            if not ours:
                words = T("A run of job {job} is under way; its next run carries on.", job=place.job)
            elif file["sha256"] and client.archive.find(file["sha256"]) is None:
                words = _no_copy(client, file)
            else:
                try:
                    proving.look(walk.ctx, walk.settings)
                    amending.carry_on(walk, {order_id})
                except (Transient, Refused, Held) as failed:
                    error = failed
                else:
                    error = walk.troubles[-1] if walk.troubles else None
            if error is not None:
                words = T("{words} The next run of job {job} carries on.", words=error.text, job=place.job)
    (came,) = _came(client, [order_id], {})
    return replace(came, later=words, error=error, amended=came.order["amended"] != before["amended"])


def _plan_again(walk: Inbound | DocumentsRun, rows: Sequence[Row]) -> MistokError | None:
    walk.hold_on()
    with walk.ctx.ledger.read() as conn:
        # as they are now that nobody else works on them
        now = order_rows.by_ids(conn, [row["id"] for row in rows])
    going = (*order_rows.UNFINISHED, OrderState.HELD)
    fresh = [row for row in now.values() if OrderState(row["state"]) in going]
    try:
        if isinstance(walk, DocumentsRun):
            walk.plan_again(fresh)
        else:
            mending.plan_again(walk, fresh, walk.ctx.clock.now())
    except (Transient, Refused) as error:
        return error
    return walk.troubles[-1] if walk.troubles else None


def _came(client: Client, ids: Sequence[int], later: dict[int, tuple[Text, MistokError | None]]) -> list[Came]:
    with client.ledger.read() as conn:
        rows = order_rows.by_ids(conn, ids)
        subjects = {f"order:{row_id}" for row_id in rows}
        open_cards = {
            row["subject"]: row["id"]
            for row in cards.of_subjects(conn, client.config.client, subjects)
            if row["state"] == "open"
        }
    came = []
    for row_id, row in rows.items():
        words, error = later.get(row_id, (None, None))
        still = OrderState(row["state"]) in order_rows.STILL_OPEN
        came.append(Came(row, open_cards.get(f"order:{row_id}"), words if still else None, error if still else None))
    return came
