"""The taking part of the inbound walk: what is ready is claimed, fetched and kept in the archive, batch by batch.

Each batch goes through all of its steps before the next one, but the next one may be on its way already
(:mod:`pipeline.engine.ahead`), and a second process may keep and read it (:mod:`pipeline.engine.second`). When the
orders of a batch are booked, the one after the next is asked for, and then only the batch's files are deleted: the
server is at one thing after the other, and what is wanted soonest comes first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.archive import ArchiveItem
from pipeline.engine import acknowledge, ahead, booking, reading, second, sharing, unread
from pipeline.engine.ahead import Fetch
from pipeline.engine.inbox import Look, Verdict, oldest_first
from pipeline.engine.keeping import LEASE
from pipeline.engine.second import Helpers, Second
from pipeline.errors import Finding, MistokError, Where
from pipeline.ledger import files as file_rows
from pipeline.ledger.tables import FileState
from pipeline.ports import Decoded, ReadResult, RemoteFile
from pipeline.ports.formats import ApartFormat
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

BATCH_BYTES = 64_000_000
#: Files of a batch at most where a run has but a slice of time: between two of them it makes room for others.
IN_SLICES = 100
#: Files of the first batch and of the last one where there are several: the sooner the first files are here, the sooner
#: their orders are booked while others come, and the fewer are left to be deleted when nothing else is to be done. As
#: many as are booked together, twice.
FEW = 2 * booking.AT_ONCE
TAIL = 4096
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A batch that is ours: its rows, since when, and its files on their way."""

    rows: dict[RemoteFile, Row]
    at: datetime
    fetch: Fetch


def take(walk: Inbound, looks: Sequence[Look]) -> None:
    """Take what is ready, oldest first, batch by batch; what is too large is set aside unread.

    Raises Transient or Refused when the inbox, the ledger or the target cannot be used: all goes on with the next run.
    """
    large = [look for look in looks if look.file.size > walk.settings.max_size]
    for look in large:
        assert look.row is not None
        reading.quarantine(walk, look.row, reading.too_large(look.file, walk.settings.max_size))
    looks = [look for look in looks if look.file.size <= walk.settings.max_size]
    ordered = sorted((look for look in looks if look.row), key=_age)
    limit = min(walk.settings.batch, IN_SLICES) if walk.ctx.slice_ends is not None else walk.settings.batch
    batches = [*_batches(ordered, limit)]
    helpers = Helpers(lambda: _second(walk, len(ordered)), left=2 if len(ordered) >= ahead.LEAST else 0)
    if ordered:
        helpers.now, walk.helper = walk.helper, None
    near = walk.ctx.transport(walk.settings.inbox).local_path(walk.settings.folder) is not None
    coming: deque[_Claimed] = deque()
    claimed = done = 0

    def fetch_ahead(place: int) -> bool:
        """Have the batch at ``place`` on its way, where nothing is left out before it. Whether anything is."""
        nonlocal claimed
        if place == claimed < len(batches) and not walk.ctx.slice_is_over:
            batch = _ahead(walk, batches[place], helpers, near=near)
            if batch is not None:
                coming.append(batch)
                claimed += 1
        return bool(coming)

    taken: _Claimed | None = None
    try:
        for place, batch in enumerate(batches):
            walk.hold_on()
            if coming:
                taken = coming.popleft()
            else:
                taken = _claim(walk, batch, helpers)
                claimed += 1
            staged = _stage(walk, taken)
            walk.ctx.reach("inbound:staged")
            fetch_ahead(place + 1)
            _take_staged(walk, taken, staged, partial(fetch_ahead, place + 2))
            taken.fetch.close()
            done += len(batch)
            walk.ctx.progress(done, len(ordered), T("files"))
            if done < len(ordered) and walk.ctx.slice_is_over:
                walk.more = True
                break
        acknowledge.settle(walk)
    except Exception:
        with suppress(MistokError):  # what it was is told; what is on its way all the same is waited for, as ever
            acknowledge.settle(walk)
        raise
    finally:
        helpers.close()  # nobody waits for it any more
        if walk.removal is not None:
            walk.removal.close()
        for one in (taken, *coming):
            if one is not None:
                one.fetch.close()


def _second(walk: Inbound, files: int) -> Second | None:
    """The process that helps with so many. None where others are to have the machine as well."""
    ctx = walk.ctx
    if ctx.slice_ends is not None or ctx.is_lent(walk.settings.inbox):
        return None
    if (anew := _anew(walk, files)) is not None:
        return anew
    ctx.transport(walk.settings.inbox)  # it is forked while nothing is under way in another thread

    def read(item: ArchiveItem) -> Decoded:
        return walk.format.decode(item.data or b"", walk.format_settings, walk.format_context(item.name))

    return second.start(ctx.archive.keep_many, read)


def _anew(walk: Inbound, files: int) -> Second | None:
    """One that is started anew, where that is worth it and the format lets it be."""
    form = walk.format
    if files < second.ANEW or not isinstance(form, ApartFormat):
        return None
    apart = form.apart(walk.format_settings)
    return second.launch(walk.ctx.archive.root, apart, walk.format_context("")) if apart is not None else None


def expect(walk: Inbound, looks: Sequence[Look]) -> None:
    """Have the second process come up while the files are waited for, where there is to be one that is started anew."""
    ctx = walk.ctx
    if walk.helper is not None or ctx.slice_ends is not None or ctx.is_lent(walk.settings.inbox):
        return
    files = sum(_is_expected(look) and look.file.size <= walk.settings.max_size for look in looks)
    walk.helper = _anew(walk, files)


def _is_expected(look: Look) -> bool:
    """Whether it is ready, or is to be as soon as it has lain still."""
    return look.verdict in (Verdict.READY, Verdict.NEW) or (look.verdict is Verdict.WAITING and look.due is not None)


def _claim(walk: Inbound, looks: Sequence[Look], helpers: Helpers) -> _Claimed:
    ctx = walk.ctx
    rows = {look.file: look.row for look in looks if look.row is not None}
    assert walk.lease is not None
    now = ctx.clock.now()
    with walk.begin() as conn:
        file_rows.update(
            conn,
            [row["id"] for row in rows.values()],
            now,
            state=FileState.CLAIMED,
            lease_owner=walk.lease.owner,
            lease_until=now + LEASE,
            fence=walk.lease.fence,
        )
    ctx.reach("inbound:claimed")
    claimed = _Claimed(rows, now, Fetch(ctx, walk.settings.inbox, list(rows)))
    if len(looks) >= ahead.LEAST and (helper := helpers.get()) is not None:
        claimed.fetch.start(helper, lambda result: _for_helper(walk, claimed, result))
    return claimed


def _ahead(walk: Inbound, looks: Sequence[Look], helpers: Helpers, *, near: bool) -> _Claimed | None:
    """A later batch, on its way already where that is worth it."""
    ctx, inbox = walk.ctx, walk.settings.inbox
    if len(looks) < ahead.LEAST or ctx.is_lent(inbox):
        return None
    if helpers.get() is None and near:
        return None
    claimed = _claim(walk, looks, helpers)
    if not claimed.fetch.started:
        claimed.fetch.start(None, lambda _result: None)
    return claimed


def _for_helper(walk: Inbound, claimed: _Claimed, result: ReadResult) -> ArchiveItem | None:
    """What the second process is given of a file: nothing of one that is not whole, or large."""
    if result.error is not None or result.data is None:
        return None
    if not walk.format.complete(_end(result), walk.format_settings):
        return None
    return _item(walk, claimed, claimed.rows[result.file], result)


def _item(walk: Inbound, claimed: _Claimed, row: Row, result: ReadResult) -> ArchiveItem:
    ctx = walk.ctx
    return ArchiveItem(
        result.path,
        row["name"],
        ctx.client,
        claimed.at.astimezone(ctx.config.zone),
        connection=walk.settings.inbox,
        folder=result.file.folder,
        modified=result.file.modified,
        raw=result.file.raw,
        job=ctx.job,
        data=result.data,
    )


def _take_staged(
    walk: Inbound, claimed: _Claimed, staged: Sequence[tuple[Row, ReadResult]], booked: Callable[[], bool]
) -> None:
    if not staged:
        return
    ctx = walk.ctx
    kept = claimed.fetch.copies()
    rest = [pair for pair in staged if pair[1].file not in kept]
    made = ctx.archive.keep_many([_item(walk, claimed, *pair) for pair in rest]) if rest else ()
    kept = {**kept, **{result.file: copy for (_row, result), copy in zip(rest, made, strict=True)}}
    copies = [kept[result.file] for _row, result in staged]
    ctx.reach("inbound:kept")
    now = ctx.clock.now()
    with walk.begin() as conn:
        file_rows.update_each(
            conn,
            [
                {
                    "id": row["id"],
                    "sha256": copy.sha256,
                    "state": FileState.ARCHIVED,
                    "findings": None,
                    "tries": 0,
                    # what may be deleted later is this very version, whatever a listing said besides
                    "size": result.file.size,
                    "modified": result.file.modified,
                }
                for (row, result), copy in zip(staged, copies, strict=True)
            ],
            now,
        )
        sharing.note(ctx.ledger, conn, ctx.archive)
        unread.over(walk, conn, [row for row, _result in staged], T("the file was read"))
        for (row, result), copy in zip(staged, copies, strict=True):
            row.update(sha256=copy.sha256, tries=0, size=result.file.size, modified=result.file.modified)
            ctx.event(conn, f"file:{row['id']}", "archived", sha256=copy.sha256, size=copy.size)
    ctx.reach("inbound:archived")
    # what was read back from the archive just now need not be read once more
    data = {row["id"]: result.data for row, result in staged if result.data is not None}
    files = {row["id"]: result.file for row, result in staged}
    rows = [row for row, _result in staged]
    reading.process(walk, rows, data, lambda row_id: claimed.fetch.decoded(files[row_id]), booked)


def _stage(walk: Inbound, claimed: _Claimed) -> list[tuple[Row, ReadResult]]:
    rows = claimed.rows
    staged = []
    for result in claimed.fetch.results():
        row = rows[result.file]
        if result.error is not None:
            unread.tell(walk, row, result.error)
        elif _whole(walk, row, _end(result)):
            staged.append((row, result))
    order = {row["id"]: place for place, row in enumerate(rows.values())}
    return sorted(staged, key=lambda pair: order[pair[0]["id"]])


def _whole(walk: Inbound, row: Row, end: bytes) -> bool:
    if walk.format.complete(end, walk.format_settings):
        return True
    ctx = walk.ctx
    now = ctx.clock.now()
    if now - row["stable_since"] >= walk.settings.grace:
        return True  # its time is over: archived and quarantined with what the format says about it
    finding = Finding(
        "incomplete",
        T("The end of {file} is missing; it may still be on its way.", file=row["name"]),
        Where(file=row["name"]),
    )
    with walk.begin() as conn:
        file_rows.update(conn, [row["id"]], now, state=FileState.SEEN, findings=file_rows.findings_json([finding]))
        ctx.event(conn, f"file:{row['id']}", "incomplete")
    walk.count("waiting")
    walk.tell(file=row["name"], outcome="waiting", findings=[finding])
    return False


def _end(result: ReadResult) -> bytes:
    """The last bytes of a fetched file."""
    if result.data is not None:
        return result.data[-TAIL:]
    assert result.path is not None
    with result.path.open("rb") as source:
        source.seek(max(result.path.stat().st_size - TAIL, 0))
        return source.read()


def _age(look: Look) -> tuple[Any, ...]:
    """Oldest first: by our own first look; of those that came at once, by the server's times among themselves."""
    assert look.row is not None
    first = look.row["first_seen"]
    return (first, *oldest_first(look.file, first))


def _batches(looks: Sequence[Look], most: int) -> Iterator[list[Look]]:
    """Batches of ``most`` files at most: a small one first, each twice as large as the one before, a small one last."""
    start, size = 0, FEW
    while start < len(looks):
        batch: list[Look] = []
        weight = 0
        for look in looks[start : start + _size(len(looks) - start, min(size, most), most)]:
            if batch and weight + look.file.size > BATCH_BYTES:
                break
            batch.append(look)
            weight += look.file.size
        yield batch
        start, size = start + len(batch), 2 * size


def _size(left: int, wanted: int, most: int) -> int:
    """How many of ``left`` files come next. None are left over that would be too few for a thread or a process."""
    if left - wanted >= ahead.LEAST:
        return wanted
    if left - FEW >= ahead.LEAST:
        return min(left - FEW, most)
    return min(left, most)
