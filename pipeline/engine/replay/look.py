"""What a replay would do: archived files are read and planned again, and nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from pipeline.engine import amending, carrying, planning
from pipeline.engine.carrying import Place
from pipeline.engine.context import Progress, RunContext, no_progress
from pipeline.engine.foreseeing import Foreseen, Foresight, Unread, works_of
from pipeline.engine.inbound import Inbound
from pipeline.engine.planning import Work
from pipeline.engine.replay import large, lines, papers
from pipeline.engine.replay.choose import Pick
from pipeline.engine.replay.copies import Copies, rejected
from pipeline.engine.replay.large import LargeFile, Lost, of_part
from pipeline.engine.replay.lines import Line, Story
from pipeline.engine.replay.wanted import WHOLE, Wanted
from pipeline.engine.runtime import Client
from pipeline.engine.sorting import Standing
from pipeline.ledger import cards, decisions
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import FileState, OrderState
from pipeline.ports import Decoded
from pipeline.texts import T

Row = dict[str, Any]


def look(
    client: Client, picks: Sequence[Pick], *, job: str | None = None, report: Progress = no_progress
) -> Iterator[Line]:
    """What would come of each picked file and order, file by file.

    Args:
        client: opened for reading.
        picks: from :func:`choose`.
        job: the job that reads files whose inbox no job takes any more.
        report: progress, in files.

    Raises Transient or Refused when the ledger or a target cannot be asked.
    """
    copies = Copies(client, job)
    picks, orders = papers.apart(client, picks)
    with ExitStack() as stack:
        walks: dict[tuple[str, str, str], tuple[Inbound, Foresight]] = {}

        def walk_of(place: Place) -> tuple[Inbound, Foresight]:
            if place_key(place) not in walks:
                walk = stack.enter_context(carrying.opened(client, place, by="", dry_run=True))
                foresight = Foresight(place.step, place.settings, walk.ctx, standing, amending.scales(walk))
                walks[place_key(place)] = walk, foresight
            return walks[place_key(place)]

        done = 0
        for part, alone in large.together(client, copies, picks):
            done += len(part)
            whole = True
            if alone:
                with large.opened(client, copies, part[0]) as file:
                    whole = file is None
                    if isinstance(file, Line):
                        yield file
                    elif file is not None:
                        place = copies.place(file.row)
                        assert place is not None
                        yield from _foresee_large(*walk_of(place), file, report, last=done == len(picks))
            if whole:
                told: list[Line] = []
                for place, batch in batches(client, copies, part, told):
                    told.extend(_foresee(*walk_of(place), batch))
                yield from in_order(told, part)
            report(done, len(picks), T("files"))
    yield from papers.look(client, orders, report)


def place_key(place: Place) -> tuple[str, str, str]:
    """By what a step is known: two of one job may take two inboxes."""
    return place.job, place.settings.inbox, place.settings.folder


class Batch:
    """Files of one inbox that were read, with what is wanted of each, and lines about those that give no orders."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.read: list[tuple[Row, Decoded]] = []
        self.unread: list[tuple[Row, Unread]] = []

    def name(self, file_id: int) -> str:
        """The name of a file that was read."""
        return next(str(row["name"]) for row, _decoded in self.read if row["id"] == file_id)


def batches(client: Client, copies: Copies, picks: Sequence[Pick], told: list[Line]) -> Iterator[tuple[Place, Batch]]:
    """The picked files, read, by the step that takes them; what gives nothing to carry on is ``told``."""
    with client.ledger.read() as conn:
        rows = file_rows.by_ids(conn, [pick.file_id for pick in picks])
        gone = rejected(conn, client.config.client, list(rows.values()))
        wanted = Wanted(conn, picks, rows)
    places: dict[tuple[str, str, str], tuple[Place, list[Row]]] = {}
    for row in rows.values():
        place = copies.place(row)
        if row["id"] in gone:
            told.append(gone[row["id"]])
        elif place is None:
            error = copies.homeless(row)
            told.append(lines.of_file(row, "failed", error.text, error.findings))
        else:
            places.setdefault(place_key(place), (place, []))[1].append(row)
    for place, group in places.values():
        batch = Batch(wanted)
        for row in group:
            match copies.read(row):
                case Line() as line:
                    told.append(line)
                case Unread() as unread:
                    batch.unread.append((row, unread))
                case Decoded() as decoded:
                    batch.read.append((row, decoded))
        yield place, batch


def lost_rows(ctx: RunContext, batch: Batch) -> list[tuple[Row, Work | None]]:
    """Held orders that the files give no more, each with the order that it is now, when it had no name before."""
    files = {row["id"]: row for row, _decoded in batch.read}
    works = {work.key: work for work in works_of(batch.read, ctx.client)}
    nameless = {planning.nameless_id(files[work.file_id], work.index): work for work in works.values()}
    with ctx.ledger.read() as conn:
        held = order_rows.held_of_files(conn, files)
    return [
        (order, nameless.get(order["order_id"]))
        for order in held
        if order["key"] not in works and batch.wanted.row(order)
    ]


def standing(work: Work) -> Standing:
    """Where an order of an archived file stands. Nothing newer is ever undone by an older file.

    What was nothing to do is planned again: another config may make something of it.
    """
    row = work.row
    if not row:
        return "fresh"
    same = row["revision"] == work.revision
    if not same and row["file_id"] > work.file_id:
        return "older"
    # in the file that it was taken from it is the same order, also where another format reads it otherwise
    here = same or row["file_id"] == work.file_id
    state = OrderState(row["state"])
    if state in (OrderState.NEW, OrderState.CREATING, OrderState.HELD):
        return "fresh"
    if here and state is OrderState.NOTHING_TO_DO:
        return "fresh"
    return "same" if here else "changed"


def story_of(ctx: RunContext, works: Sequence[Work]) -> Story:
    """What the ledger tells about known orders besides their rows."""
    known = [work for work in works if work.row]
    subjects = {work.subject for work in known if work.row["id"]}
    with ctx.ledger.read() as conn:
        newer = {work.row["file_id"] for work in known if work.row["file_id"] != work.file_id}
        names = {file_id: row["name"] for file_id, row in file_rows.by_ids(conn, newer).items()}
        rejections = decisions.rejections(conn, ctx.client, subjects)
        told = cards.of_subjects(conn, ctx.client, subjects)
    return Story(
        names,
        {subject: (row["by"], row["why"] or "") for subject, row in rejections.items()},
        {row["subject"]: row["id"] for row in told if row["state"] == "open" and row["kind"] == "changed"},
    )


def unread_line(row: Row, unread: Unread, *, applied: bool = False) -> Line:
    """What is said of a file that its format rejects, or stumbles over."""
    why = lines.reasons(unread.findings)
    if unread.outcome == "failed":
        return lines.of_file(row, "failed", T("{file}: {why}", file=row["name"], why=why), unread.findings)
    if row["state"] == FileState.QUARANTINED:
        words = (
            T("{file} is quarantined still: {why}", file=row["name"], why=why)
            if applied
            else T("{file} would be quarantined still: {why}", file=row["name"], why=why)
        )
        return lines.of_file(row, "quarantined", words, unread.findings)
    if row["state"] in WHOLE:
        words = (
            T("{file} is quarantined: {why}", file=row["name"], why=why)
            if applied
            else T("{file} would be quarantined: {why}", file=row["name"], why=why)
        )
        return lines.of_file(row, "quarantined", words, unread.findings, acts=True)
    words = T("{file} was read when it came, and would be rejected now: nothing. {why}", file=row["name"], why=why)
    return lines.of_file(row, "strange", words, unread.findings)


def in_order(told: Sequence[Line], picks: Sequence[Pick]) -> list[Line]:
    """Lines in the order of their files; those of one file stay as they are."""
    places = {pick.file_id: place for place, pick in enumerate(picks)}
    return sorted(told, key=lambda line: places[line.file_id])


def _foresee(walk: Inbound, foresight: Foresight, batch: Batch) -> list[Line]:
    told = [unread_line(row, unread) for row, unread in batch.unread]
    foreseen = foresight.look(batch.read, batch.wanted.work)
    by_file: dict[int, list[Line]] = {}
    for line in _lines(walk, foreseen):
        by_file.setdefault(line.file_id, []).append(line)
    for order, work in lost_rows(walk.ctx, batch):
        by_file.setdefault(order["file_id"], []).append(lines.lost(order, work, batch.name(order["file_id"])))
    for row, decoded in batch.read:
        if row["state"] == FileState.QUARANTINED:
            told.append(lines.would_be_read(row, len(decoded.orders)))
        told.extend(by_file.get(row["id"], ()))
    return told


def _foresee_large(
    walk: Inbound, foresight: Foresight, file: LargeFile, report: Progress, *, last: bool
) -> Iterator[Line]:
    row, whole = file.row, file.whole
    if isinstance(whole, Unread):
        yield unread_line(row, whole)
        return
    with walk.ctx.ledger.read() as conn:
        lost = Lost(conn, row)
    if row["state"] == FileState.QUARANTINED:
        yield lines.would_be_read(row, len(whole))
    for part, works in file.parts():
        lost.see(part.works)
        yield from _lines(walk, foresight.look_at(of_part(part, works), last=last))
        report(part.done, len(whole), T("orders"))
    with walk.ctx.ledger.read() as conn:
        gone = lost.rows(conn, file.wanted)
    yield from (lines.lost(order, work, row["name"]) for order, work in gone)


def _lines(walk: Inbound, foreseen: Sequence[Foreseen]) -> list[Line]:
    story = story_of(walk.ctx, [one.work for one in foreseen])
    found = _found(walk, foreseen)
    return [lines.foreseen(one, story, found.get(one.work.key)) for one in foreseen]


def _found(walk: Inbound, foreseen: Sequence[Foreseen]) -> dict[str, str]:
    """Numbers of the documents that the target has of orders in doubt, by key."""
    doubtful = {one.work.key for one in foreseen if one.work.row.get("state") == OrderState.IN_DOUBT}
    if not doubtful:
        return {}
    target = planning.documents(walk.ctx.system(walk.settings.into))
    return {key: ref.number for key, ref in target.find(doubtful).items()}
