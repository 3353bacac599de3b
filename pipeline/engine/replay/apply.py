"""A replay done: archived files go through the same booking as files that come, under the lease of their inbox.

The source is the archive alone, and the server is left alone: a file that was quarantined and is read now is
acknowledged by the next run of its job. The order of effects is that of the inbound walk, so that a replay that is
killed anywhere is gone on with by the next run, or by the next replay, and nothing is made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.engine import amending, booking, carrying, mending, patience, planning, proving, reading, telling
from pipeline.engine.carrying import Place
from pipeline.engine.context import Progress, go_on, no_progress
from pipeline.engine.foreseeing import WEIGHED, Unread, program_failed, works_of
from pipeline.engine.inbound import Inbound
from pipeline.engine.planning import Work
from pipeline.engine.replay import large, lines, papers
from pipeline.engine.replay.choose import Pick
from pipeline.engine.replay.copies import Copies
from pipeline.engine.replay.large import LargeFile, Lost
from pipeline.engine.replay.lines import Line, Story
from pipeline.engine.replay.look import (
    Batch,
    batches,
    in_order,
    lost_rows,
    place_key,
    standing,
    story_of,
    unread_line,
)
from pipeline.engine.replay.wanted import AT_ONCE, WHOLE
from pipeline.engine.runtime import Client
from pipeline.engine.sorting import Sorted, sort_out
from pipeline.engine.weighing import Change, Verdict
from pipeline.errors import Finding, MistokError, Rejected, Where
from pipeline.flow import NothingToDo
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger import tables as t
from pipeline.ledger.tables import FileState, OrderState
from pipeline.ports import Decoded
from pipeline.texts import T

log = structlog.get_logger("mistok.replay")
Row = dict[str, Any]
PATIENCE = timedelta(minutes=1)  #: so long a run under way, or another replay, is waited for
#: The name under which replays stand in the history of runs.
JOB = "replay"
GOES = (Verdict.AMEND, Verdict.CANCEL, Verdict.CREATE)
OPEN = frozenset({OrderState.NEW, OrderState.CREATING, OrderState.HELD})


def apply(
    client: Client,
    picks: Sequence[Pick],
    *,
    by: str,
    job: str | None = None,
    report: Progress = no_progress,
    reach: Callable[[str], None] = go_on,
    patience: timedelta = PATIENCE,
    started: Callable[[int], None] = lambda _run: None,
) -> Generator[Line, None, None]:
    """Carry on what was picked, some files at a time; gives what has come of each when a batch is settled.

    Of a large file some of its orders are a batch. Closed before its end (Ctrl-C), it stops between two batches; close
    it before the client.

    Args:
        client: opened for writing.
        picks: from :func:`choose`.
        by: who replays, for the cards that close.
        job: the job that reads files whose inbox no job takes any more.
        report: progress, in files; within a large one in orders.
        reach: called at each named point between effects (``replay:…``, ``inbound:…``).
        patience: how long a run under way is waited for.
        started: is given the number of this run in the history.

    Raises Transient or Refused when the ledger or a target cannot be used, Held when the target was never tried with
    what would be written (see proving.py), MistokError (``busy``) when another run
    keeps the inbox for longer than ``patience``. What was done until then is done.
    """
    copies = Copies(client, job)
    run_id = _record_start(client)
    started(run_id)
    counts: dict[str, int] = {}
    state = "interrupted"
    try:
        picks, orders = papers.apart(client, picks)
        places, homeless = _by_place(client, copies, picks)
        done = len(homeless)
        counts["failed"] = len(homeless)
        yield from homeless
        for place, part in places:
            with (
                carrying.opened(client, place, by=by, report=report, reach=reach, run_id=run_id) as walk,
                carrying.holding(walk, patience) as ours,
            ):
                if not ours:
                    raise papers.busy(place.job)
                proving.look(walk.ctx, walk.settings)
                walk.hands_off = True
                for some, alone in large.together(client, copies, part):
                    replaying = _Replay(client, copies, walk)
                    for told in replaying.large(some[0]) if alone else (replaying.batch(some),):
                        for line in told:
                            counts[line.outcome] = counts.get(line.outcome, 0) + 1
                        yield from told
                    done += len(some)
                    report(done, len(picks), T("files"))
        more = papers.apply(client, orders, by=by, run_id=run_id, patience=patience, report=report, reach=reach)
        for line in more:
            counts[line.outcome] = counts.get(line.outcome, 0) + 1
            yield line
        state = "waiting" if any(counts.get(word) for word in ("held", "quarantined", "failed")) else "done"
    except MistokError:
        state = "failed"
        raise
    finally:
        _record_end(client, run_id, state, counts)


def _by_place(
    client: Client, copies: Copies, picks: Sequence[Pick]
) -> tuple[Collection[tuple[Place, list[Pick]]], list[Line]]:
    """The picks by the step that reads them, and lines about those that no job reads any more."""
    groups: dict[tuple[str, str, str], tuple[Place, list[Pick]]] = {}
    homeless: list[Line] = []
    for start in range(0, len(picks), AT_ONCE):
        part = picks[start : start + AT_ONCE]
        with client.ledger.read() as conn:
            rows = file_rows.by_ids(conn, [pick.file_id for pick in part])
        for pick in part:
            row = rows.get(pick.file_id)
            if row is None:
                continue  # meanwhile it turned out to be another look at a file that has its row
            place = copies.place(row)
            if place is None:
                error = copies.homeless(row)
                homeless.append(lines.of_file(row, "failed", error.text, error.findings))
            else:
                groups.setdefault(place_key(place), (place, []))[1].append(pick)
    return groups.values(), homeless


class _Replay:
    """One batch of files of one inbox, which is held."""

    def __init__(self, client: Client, copies: Copies, walk: Inbound) -> None:
        self.client, self.copies, self.walk = client, copies, walk
        self.ctx = walk.ctx
        self.scales = amending.scales(walk)
        self.told: list[Line] = []
        self.of_file: dict[int, list[Line]] = {}

    def batch(self, picks: Sequence[Pick]) -> list[Line]:
        """Carry these files on; what has come of them."""
        self.walk.hold_on()
        for _place, batch in batches(self.client, self.copies, picks, self.told):
            self.ctx.reach("replay:read")
            for row, unread in batch.unread:
                self._unread(row, unread)
            accepted = {row["id"] for row, _decoded in batch.read if row["state"] == FileState.QUARANTINED}
            self._accept([row for row, _decoded in batch.read if row["id"] in accepted])
            self.ctx.reach("replay:accepted")
            self._carry(batch)
            self.ctx.reach("replay:carried")
            self._name_the_nameless(
                lost_rows(self.ctx, batch), {row["id"]: row["name"] for row, _decoded in batch.read}
            )
            self.ctx.reach("replay:settled")
            for row, decoded in batch.read:
                if row["id"] in accepted:
                    self.told.append(lines.was_read(row, len(decoded.orders)))
                self.told.extend(self.of_file.get(row["id"], ()))
        return in_order(self.told, picks)

    def large(self, pick: Pick) -> Iterator[list[Line]]:
        """Carry a large file on, part by part; what has come of each.

        As with a run, nothing is booked before the file was looked through to its end; killed in between, whoever comes
        next begins anew, and finds the orders that were booked by their keys.
        """
        self.walk.hold_on()
        with large.opened(self.client, self.copies, pick) as file:
            if file is None:
                yield self.batch([pick])
            elif isinstance(file, Line):
                yield [file]
            elif isinstance(file.whole, Unread):
                self._unread(file.row, file.whole)
                yield self.told
            else:
                yield from self._parts(file)

    def _parts(self, file: LargeFile) -> Iterator[list[Line]]:
        assert not isinstance(file.whole, Unread)
        row, count = file.row, len(file.whole)
        self.ctx.reach("replay:read")
        if row["state"] == FileState.QUARANTINED:
            self._accept([row])
            yield [lines.was_read(row, count)]
        self.ctx.reach("replay:accepted")
        with self.ctx.ledger.read() as conn:
            lost = Lost(conn, row)
        parts = file.parts()
        while True:
            try:
                found = next(parts, None)
                if found is None:
                    break
                part, works = found
                self.walk.hold_on()
                lost.see(part.works)
                self._book_works(works, self._sorted(works, part.again), (), _whole((row,)))
            except MistokError as error:
                if not isinstance(error, Rejected):
                    raise
                yield [_stumbled(row, error)]  # of a file that was looked through: its format does not keep its word
                return
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a client's plugin may raise anything
                yield [_stumbled(row, error)]
                return
            self.ctx.progress(part.done, count, T("orders"))
            self.ctx.reach("replay:part")
            yield self.of_file.pop(row["id"], [])
        if row["state"] in WHOLE:
            with self.walk.begin() as conn:
                booking.finish_files(self.walk, conn, [row], self.ctx.clock.now())
        self.ctx.reach("replay:carried")
        with self.ctx.ledger.read() as conn:
            gone = lost.rows(conn, file.wanted)
        self._name_the_nameless(gone, {row["id"]: row["name"]})
        self.ctx.reach("replay:settled")
        yield self.of_file.pop(row["id"], [])

    def _unread(self, row: Row, unread: Unread) -> None:
        """A file that cannot be read now: one that was quarantined keeps its card, with what is wrong now."""
        state = row["state"]
        if unread.outcome == "quarantined" and state == FileState.QUARANTINED:
            words = file_rows.findings_json(unread.findings)
            with self.walk.begin() as conn:
                config_hash = self.ctx.config.config_hash
                file_rows.update(conn, [row["id"]], self.ctx.clock.now(), findings=words, config_hash=config_hash)
                telling.open_card(self.walk, conn, "quarantined", f"file:{row['id']}", unread.findings, row["id"])
                self.ctx.event(conn, f"file:{row['id']}", "quarantined-again", findings=words)
        elif unread.outcome == "quarantined" and state in WHOLE:
            reading.quarantine(self.walk, row, unread.findings)
        self.told.append(unread_line(row, unread, applied=True))

    def _accept(self, rows: Sequence[Row]) -> None:
        """Quarantined files that can be read now are on their way again: whoever comes next goes on with them."""
        if not rows:
            return
        now = self.ctx.clock.now()
        with self.walk.begin() as conn:
            file_rows.update(conn, [row["id"] for row in rows], now, state=FileState.ARCHIVED, findings=None, tries=0)
            for row in rows:
                row["state"] = FileState.ARCHIVED
                self.ctx.event(conn, f"file:{row['id']}", "read-again")
                telling.close_cards(self.walk, conn, f"file:{row['id']}", ("quarantined",), T("it can be read now"))

    def _carry(self, batch: Batch) -> None:
        try:
            self._book(batch.read, batch)
        except MistokError:
            raise
        except (Exception, SystemExit) as error:  # a mistake of ours, or of a client's plugin, that one file brings out
            if len(batch.read) > 1:
                log.exception("replay_failed", files=len(batch.read))
                for one in batch.read:
                    self.of_file.pop(one[0]["id"], None)
                    alone = Batch(batch.wanted)
                    alone.read = [one]
                    self._carry(alone)
                return
            row = batch.read[0][0]
            self.of_file[row["id"]] = [_stumbled(row, error)]

    def _book(self, read: Sequence[tuple[Row, Decoded]], batch: Batch) -> None:
        pending = list(read)
        while pending:
            works = [work for work in works_of(pending, self.ctx.client) if batch.wanted.work(work)]
            found = self._sorted(works)
            whole = [row for row, _decoded in pending if row["id"] not in found.deferred and row["state"] in WHOLE]
            here = [work for work in works if work.file_id not in found.deferred]
            self._book_works(here, found, whole, _whole(whole))
            pending = [pair for pair in pending if pair[0]["id"] in found.deferred]

    def _sorted(self, works: Sequence[Work], again: Collection[int] = ()) -> Sorted:
        """Works by where they stand; ``again``: places in their file that only repeat one before."""
        with self.ctx.ledger.read() as conn:
            known: Mapping[str, Row] = order_rows.by_keys(conn, {work.key for work in works})
        usual = self.scales.standing(standing)
        known = amending.settle_left_behind(self.walk, works, known)
        return sort_out(works, known, lambda work: "same" if work.index in again else usual(work))

    def _book_works(self, works: Sequence[Work], found: Sorted, files: Sequence[Row], entire: Collection[int]) -> None:
        """Carry sorted works on. ``entire``: files that are carried on as a whole; ``files``: which are done then."""
        before = {id(work): dict(work.row) for work in works}
        changes = {id(change.work): change for change in self._weigh(found.changed)}
        self._go(found, files, entire, changes)
        self._tell(works, found, before, changes)

    def _weigh(self, works: Sequence[Work]) -> list[Change]:
        """What becomes of orders that have other content here than what was settled."""
        if not works:
            return []
        with patience.asking(self.walk):
            return self.scales.weigh(works)

    def _go(self, found: Sorted, files: Sequence[Row], entire: Collection[int], changes: Mapping[int, Change]) -> None:
        now = self.ctx.clock.now()
        doubtful = [work.row for work in found.same if work.row["state"] == OrderState.IN_DOUBT]
        # orders that wait, in files that are settled, go on as with any run: only what changes is written
        again = [work for work in found.fresh if work.file_id not in entire and _as_it_was(work)]
        taken = {id(work) for work in (*again, *self._still_nothing(found.fresh))}
        rest = Sorted(
            fresh=[work for work in found.fresh if id(work) not in taken],
            same=[work for work in found.same if work.file_id in entire and work.row],
            # of a settled file it was told already, unless the policy has changed since
            changed=[work for work in found.changed if work.file_id in entire or changes[id(work)].verdict in GOES],
            twins=[work for work in found.twins if work.file_id in entire],
            older=[work for work in found.older if work.file_id in entire],
        )
        if rest.fresh or rest.changed or entire:
            booking.carry(self.walk, rest, files)
        if again:
            mending.plan_works_again(self.walk, again, now)
        if doubtful:
            mending.look_up(self.walk, doubtful, now)

    def _still_nothing(self, works: Sequence[Work]) -> list[Work]:
        """Orders for which there was nothing to do, and is nothing to do by the present config either."""
        nothing = [work for work in works if work.row.get("state") == OrderState.NOTHING_TO_DO]
        if nothing:
            system = self.ctx.system(self.walk.settings.into)
            planning.plan(nothing, self.walk.step, self.walk.settings, system, self.ctx)
        return [work for work in nothing if isinstance(work.action, NothingToDo)]

    def _tell(
        self, works: Sequence[Work], found: Sorted, before: Mapping[int, Row], changes: Mapping[int, Change]
    ) -> None:
        with self.ctx.ledger.read() as conn:
            after = order_rows.by_keys(conn, {work.key for work in works})
        story = story_of(self.ctx, works)
        outcomes = {id(work): "fresh" for work in found.fresh}
        for word, some in (("same", found.same), ("changed", found.changed), ("older", found.older)):
            outcomes.update((id(work), word) for work in some)
        for work in works:
            outcome = outcomes.get(id(work))
            row = after.get(work.key)
            if outcome is None or row is None:
                continue  # the second of two in one file: the first one tells of both
            was = before[id(work)]
            work.row = was or {}
            moved = was.get("state") == OrderState.IN_DOUBT and row["state"] != OrderState.IN_DOUBT
            change = changes.get(id(work))
            if outcome == "fresh" or moved or (change is not None and change.verdict is Verdict.CREATE):
                line = lines.done(work, row)
            elif change is not None:
                line = self._of_change(work, row, change, story)
            else:
                work.row = row
                line = lines.settled(work, outcome, story)
            self.of_file.setdefault(work.file_id, []).append(line)

    def _of_change(self, work: Work, row: Row, change: Change, story: Story) -> Line:
        if change.goes:
            return lines.amended(work, row, change)
        work.row = row
        return lines.weighed(work, WEIGHED[change.verdict], story, change)

    def _name_the_nameless(self, lost: Sequence[tuple[Row, Work | None]], names: Mapping[int, str]) -> None:
        """Orders that were held because not even their id could be read: where it can be now, they are other rows."""
        for order, work in lost:
            line = lines.lost(order, work, names[order["file_id"]])
            self.of_file.setdefault(order["file_id"], []).append(line)
        named = [(order, work) for order, work in lost if work is not None]
        if named:
            with self.walk.begin() as conn:
                for order, work in named:
                    self._named(conn, order, work)

    def _named(self, conn: sa.Connection, order: Row, work: Work) -> None:
        if not order_rows.by_keys(conn, {work.key}):
            return  # it could not be carried on now
        words = T("It can be read now: it is order №{number}.", number=work.number)
        finding = Finding("read-again", words, Where(file=work.file_name, order=work.number, line=work.decoded.line))
        findings = file_rows.findings_json((finding,))
        now = self.ctx.clock.now()
        subject = f"order:{order['id']}"
        if order_rows.settle(
            conn, order["id"], (OrderState.HELD,), now, state=OrderState.NOTHING_TO_DO, findings=findings, next_try=None
        ):
            self.ctx.event(conn, subject, "nothing_to_do", findings=findings)
            telling.close_cards(self.walk, conn, subject, ("held",), T("it can be read now"))


def _whole(rows: Sequence[Row]) -> frozenset[int]:
    return frozenset(row["id"] for row in rows if row["state"] in WHOLE)


def _stumbled(row: Row, error: BaseException) -> Line:
    reference = str(row["sha256"])[:8]
    log.error("replay_failed", reference=reference, file=row["name"], exc_info=error)
    finding = program_failed(row["name"], error, reference)
    return lines.of_file(row, "failed", finding.text, (finding,))


def _as_it_was(work: Work) -> bool:
    """Whether an order waits in the ledger with just this content."""
    row = work.row
    return bool(row) and OrderState(row["state"]) in OPEN and row["revision"] == work.revision


def _record_start(client: Client) -> int:
    ledger = client.ledger
    with ledger.begin() as conn:
        result = conn.execute(
            t.runs.insert().values(
                client=ledger.client,
                job=JOB,
                trigger="person",
                started=ledger.clock.now(),
                state="running",
                config_hash=client.config.config_hash,
            )
        )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])


def _record_end(client: Client, run_id: int, state: str, counts: Mapping[str, int]) -> None:
    ledger = client.ledger
    with ledger.begin() as conn:
        values: dict[str, Any] = {"state": state, "ended": ledger.clock.now(), "counts": dict(counts) or sa.null()}
        conn.execute(t.runs.update().where(t.runs.c.id == run_id).values(**values))
