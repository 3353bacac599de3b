"""The reading part of the inbound walk: archived files are decoded, set aside, or booked; each trouble stays its own.

A file that crashes or hangs its format is found by its tries: the number is written down before the file is read again
and cleared after, so that what is left on it counts the runs that did not survive the reading. Such files come last,
one at a time, and are quarantined after TRIES, so that the others go on.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.engine import acknowledge, amending, booking, parts, telling
from pipeline.engine.stopping import OutOfTime
from pipeline.errors import Finding, MistokError, Rejected, Transient, Where, Who, system_words
from pipeline.ledger import files as file_rows
from pipeline.ledger import revisions
from pipeline.ledger.tables import FileState
from pipeline.ports import Decoded, RemoteFile, StreamedFormat
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]
PART = 100  #: orders of a large file that are in memory at once, at most
TRIES = 3  #: after so many failures to read it a file is quarantined


def resume(walk: Inbound) -> None:
    """Go on with files whose copy is in the archive but whose orders are not all settled."""
    ctx = walk.ctx
    with ctx.ledger.read() as conn:
        rows = file_rows.in_states(
            conn, ctx.client, walk.settings.inbox, walk.settings.folder, (FileState.ARCHIVED, FileState.CHECKED)
        )
    healthy = [row for row in rows if not row["tries"]]
    for start in range(0, len(healthy), walk.settings.batch):
        batch = healthy[start : start + walk.settings.batch]
        walk.hold_on()
        _carefully(walk, batch)
    for row in (row for row in rows if row["tries"]):
        walk.hold_on()
        if row["tries"] >= TRIES:
            quarantine(walk, row, (_gave_up(row["name"], row["tries"]),))
        else:
            _carefully(walk, [row])


def _carefully(walk: Inbound, rows: Sequence[Row]) -> None:
    ids = [row["id"] for row in rows]
    now = walk.ctx.clock.now()
    with walk.begin() as conn:
        for row in rows:
            file_rows.update(conn, [row["id"]], now, tries=row["tries"] + 1)
            row["counted"] = True  # until it is read and planned: what happens later is no fault of its bytes
    try:
        process(walk, rows)
    except OutOfTime:
        raise  # what hangs its reader counts like what crashes it; what was planned by then is not counted any more
    except BaseException:
        # Reached unless the process ends in the middle: whatever was raised here is no fault of one file's bytes.
        _uncount(walk, ids, now)
        raise
    _uncount(walk, ids, now)


def _uncount(walk: Inbound, ids: Sequence[int], now: datetime) -> None:
    with suppress(Transient), walk.begin() as conn:
        file_rows.update(conn, [one for one in ids if one not in walk.stumbled], now, tries=0)


def _nothing(_row_id: int) -> None:
    """Nothing was read before."""


def process(
    walk: Inbound,
    rows: Sequence[Row],
    data: Mapping[int, bytes] | None = None,
    ready: Callable[[int], Decoded | None] = _nothing,
    booked: Callable[[], bool] = bool,
) -> None:
    """Read archived files, book their orders, acknowledge what is done.

    Args:
        data: by the ids of rows, the bytes of copies that were read back a moment ago; all others are read from the
            archive.
        ready: what was read of such bytes already, by the id of its row; asked once.
        booked: called when all orders are booked; whether the server may be at the acknowledging while the run goes on.

    Raises Transient or Refused when the ledger or the target cannot be used; all goes on with the next run.
    """
    ctx = walk.ctx
    walk.count("files", len(rows))
    with ctx.ledger.read() as conn:
        before = file_rows.done_with_hash(conn, ctx.client, [row["sha256"] for row in rows])
        # bytes that were there before say something new when an order was amended since: the shop may have gone back
        outgrown = revisions.outgrown(conn, before.values())
    before = {sha: first for sha, first in before.items() if first not in outgrown}
    twins = [row for row in rows if row["sha256"] in before and before[row["sha256"]] != row["id"]]
    if twins:
        _settle_twins(walk, twins, before)
    known = {row["id"] for row in twins}
    fresh = [row for row in rows if row["id"] not in known]
    at_hand = data or {}
    for together in _together(walk, fresh):
        acknowledge.settle(walk, wait=False)
        if _is_large(walk, together[0]) and _take_in_parts(walk, together[0]):
            continue
        read = [(row, ready(row["id"]) or _decode(walk, row, at_hand.get(row["id"]))) for row in together]
        _book(walk, [(row, decoded) for row, decoded in read if decoded is not None])
        del read  # the orders of one lot are in memory, not of two, when the next ones come
    acknowledge.rows(walk, rows, behind=booked())


def _together(walk: Inbound, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Files that are read at once, so that no more orders than these are in memory: a large one by itself."""
    group: list[Row] = []
    for row in rows:
        if group and (len(group) == booking.AT_ONCE or _is_large(walk, row) or _is_large(walk, group[0])):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _is_large(walk: Inbound, row: Row) -> bool:
    return row["size"] >= walk.settings.stream_from and isinstance(walk.format, StreamedFormat)


def _take_in_parts(walk: Inbound, row: Row) -> bool:
    """Carry the orders of a large file, part by part. False: it cannot be read so.

    Nothing is booked before the file was looked through to its end. Killed in between, the next run begins anew, and
    finds the orders that were booked by their keys; the file is done when all of them were carried.
    """
    ctx = walk.ctx
    try:
        path = ctx.archive.sound(row["sha256"])
    except MistokError:
        acknowledge.unsound(walk, row)
        return True
    with ExitStack() as until_the_end:
        try:
            context = walk.format_context(row["name"])
            stream = parts.opened(walk.format, path, 0, walk.format_settings, context, ctx.temp)
            if stream is None:
                return False
            until_the_end.callback(stream.close)
            whole = parts.Parts(stream, row, ctx.client, min(walk.settings.batch, PART))
            whole.compare()
        except Rejected as error:
            quarantine(walk, row, error.findings)
            return True
        except MistokError:
            raise
        except OSError as error:
            raise no_room(row, error) from error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a format may raise anything
            _failed(walk, row, error, "format_failed")
            return True
        _book_parts(walk, row, whole)
    return True


def _book_parts(walk: Inbound, row: Row, whole: parts.Parts) -> None:
    ctx = walk.ctx
    try:
        scales = amending.scales(walk)
        for part in whole:
            walk.hold_on()
            booking.book_part(walk, row, part, scales)
            ctx.progress(part.done, len(whole), T("orders"))
            ctx.reach("inbound:part")
        with walk.begin() as conn:
            booking.finish_files(walk, conn, [row], ctx.clock.now())
    except Rejected as error:  # of a file that was looked through: its format does not keep its word
        _failed(walk, row, error, "format_failed")
    except MistokError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a format may raise anything
        _failed(walk, row, error, "booking_failed")


def no_room(row: Row, error: OSError) -> Transient:
    """What is said when the disk has no room for what a large file needs while it is read."""
    name = str(row["name"])
    return Transient(
        T("{file} cannot be read in parts: {words}.", file=name, words=system_words(error)),
        code="disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "scratch",
        where=Where(file=name),
        hint=T("Make room in the folder for temporary files (TMPDIR); it goes on by itself."),
    )


def _book(walk: Inbound, read: Sequence[tuple[Row, Decoded]]) -> None:
    try:
        booking.book(walk, read)
    except MistokError:
        raise
    except (Exception, SystemExit) as error:  # a mistake of ours, or of a plugin, that one file brings out
        if len(read) > 1:
            log.exception("batch_failed", files=len(read))
            for one in read:
                _book(walk, [one])
            return
        row = read[0][0]
        _failed(walk, row, error, "booking_failed")


def _decode(walk: Inbound, row: Row, data: bytes | None) -> Decoded | None:
    """The orders of an archived file; None when it was set aside, or is to be tried again."""
    ctx = walk.ctx
    if data is None:
        try:
            data = ctx.archive.read(row["sha256"])
        except MistokError:
            acknowledge.unsound(walk, row)
            return None
    try:
        return walk.format.decode(data, walk.format_settings, walk.format_context(row["name"]))
    except Rejected as error:
        quarantine(walk, row, error.findings)
    except MistokError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a format may raise anything
        _failed(walk, row, error, "format_failed")
    return None


def _failed(walk: Inbound, row: Row, error: BaseException, event: str) -> None:
    """A file that its reader stumbles over: tried again at the next runs, then set aside. The others go on."""
    reference = str(row["sha256"])[:8]
    log.error(event, reference=reference, file=row["name"], exc_info=error)
    finding = Finding(
        "plugin-error",
        T("Reading {file} failed by a mistake of the program ({kind}).", file=row["name"], kind=type(error).__name__),
        Where(file=row["name"]),
        T("Send the file and the log lines with reference {reference} to support.", reference=reference),
        Who.US,
    )
    tries = row["tries"] + 1
    if tries >= TRIES:
        quarantine(walk, row, (finding,))
        return
    walk.stumbled.add(row["id"])
    with walk.begin() as conn:
        file_rows.update(conn, [row["id"]], walk.ctx.clock.now(), tries=tries)
    walk.trouble(MistokError(findings=(finding,)))
    walk.count("failed")
    walk.tell(file=row["name"], outcome="failed", findings=[finding])


def quarantine(walk: Inbound, row: Row, findings: Sequence[Finding]) -> None:
    """Set a file aside with what is wrong with it: its card and its notice in one transaction."""
    ctx = walk.ctx
    now = ctx.clock.now()
    words = file_rows.findings_json(findings)
    with walk.begin() as conn:
        # the same bytes under the same name, set aside before: its row, its card and its notice stand already
        before = file_rows.quarantined_twin(conn, ctx.client, row)
        values: dict[str, Any] = {
            "state": FileState.QUARANTINED,
            "findings": words,
            "policy": None,
            "config_hash": ctx.config.config_hash,
            "tries": 0,
        }
        if before is not None:
            version = {"size": row["size"], "modified": row["modified"], "raw": row["raw"]}
            file_rows.update(conn, [before], now, **values, **version)
            file_rows.forget(conn, row["id"])
            row = {**row, "id": before}
            ctx.event(conn, f"file:{before}", "quarantined-again")
        else:
            file_rows.update(conn, [row["id"]], now, **values)
            ctx.event(conn, f"file:{row['id']}", "quarantined", findings=words)
            for older in file_rows.older_quarantined(conn, ctx.client, [row["id"]]):
                telling.close_cards(walk, conn, f"file:{older}", ("quarantined",), T("a newer file took its place"))
            telling.open_card(walk, conn, "quarantined", f"file:{row['id']}", findings, row["id"])
            ctx.notify(conn, telling.quarantine_notice(row, findings))
    ctx.reach("inbound:quarantined")
    if row["id"] not in walk.set_aside:  # once in a run, also when the file is there anew with the same bytes
        walk.set_aside.add(row["id"])
        walk.count("quarantined")
        walk.tell(file=row["name"], outcome="quarantined", findings=list(findings))
    if walk.settings.rejected is not None:
        acknowledge.set_aside(walk, row)


def _settle_twins(walk: Inbound, rows: Sequence[Row], before: dict[str, int]) -> None:
    """The same bytes were processed before under another name or on another day: nothing is created."""
    ctx = walk.ctx
    now = ctx.clock.now()
    with walk.begin() as conn:
        for row in rows:
            first = before[row["sha256"]]
            file_rows.update(conn, [row["id"]], now, state=FileState.DONE, duplicate_of=first)
            ctx.event(conn, f"file:{row['id']}", "known", first=first)
    walk.count("known", len(rows))
    for row in rows:
        walk.tell(file=row["name"], outcome="known")


def too_large(file: RemoteFile, limit: int) -> tuple[Finding, ...]:
    """What is said of a file that is quarantined unread."""
    return (
        Finding(
            "too-large",
            T("{file} has {size} bytes; the limit is {limit}.", file=file.name, size=file.size, limit=limit),
            Where(file=file.name),
            T("Send fewer orders in one file, or raise max_size of the step."),
        ),
    )


def _gave_up(name: str, tries: int) -> Finding:
    return Finding(
        "reader-crashed",
        T(
            "Reading {file} ended the program {tries} times (a crash, or longer than the time limit).",
            file=name,
            tries=tries,
        ),
        Where(file=name),
        T("Send the file to support; if it is only very large, raise time_limit of the job and send it again."),
        Who.US,
    )
