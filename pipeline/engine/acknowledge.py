"""The last step of the inbound walk: what happens to the remote file once its orders are safe.

A file is deleted or moved only when its archive copy reads back sound, every order of it has an end state or an open
card, and the remote file still is the version that was read (the transport compares). While the next batch is on its
way already, the server does that beside the run (:mod:`pipeline.engine.behind`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.engine import telling
from pipeline.engine.behind import Removal
from pipeline.errors import Changed, Finding, MistokError, Refused, Where, Who
from pipeline.flow import Move
from pipeline.ledger import files as file_rows
from pipeline.ledger.tables import FileState
from pipeline.ports import FileOutcome, RemoteFile, Transport, wire_text
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

Row = dict[str, Any]


def all_done(walk: Inbound) -> None:
    """Acknowledge every file of this inbox that is done, also those of runs that were killed before they could."""
    settings = walk.settings
    with walk.ctx.ledger.read() as conn:
        done = file_rows.in_states(conn, walk.ctx.client, settings.inbox, settings.folder, (FileState.DONE,))
    refused = {row["id"] for row in done if row["ack_error"]}
    _acknowledge(walk, [row for row in done if row["id"] not in refused or _due(walk, row)])


def rows(walk: Inbound, taken: Sequence[Row], *, behind: bool = False) -> None:
    """Acknowledge those of the given files that the ledger says are done.

    ``behind``: the server may be at it while the run goes on. What came of it is written down by :func:`settle`, at the
    latest before the next files are acknowledged.
    """
    with walk.ctx.ledger.read() as conn:
        done = file_rows.among(conn, [row["id"] for row in taken], FileState.DONE)
    _acknowledge(walk, [row for row in taken if row["id"] in done], behind=behind)


def settle(walk: Inbound, *, wait: bool = True) -> None:
    """Write down what came of files that leave the server beside the run; without ``wait`` only if that is over.

    Raises what the transport raised, and Transient when the inbox was taken over: the files are done in the ledger,
    and the next run looks what became of them.
    """
    removal = walk.removal
    if removal is None or not (wait or removal.over):
        return
    outcomes = removal.outcomes()
    walk.removal = None
    _ended(walk, removal.rows, outcomes)


def set_aside(walk: Inbound, row: Row) -> None:
    """Move a quarantined file to the rejected folder. Where that is refused it stays, and the card says where it is."""
    assert walk.settings.rejected is not None
    if walk.hands_off:
        return
    ctx = walk.ctx
    transport = ctx.transport(walk.settings.inbox)
    try:
        outcome = transport.move_many([file_rows.remote_of(row)], walk.settings.rejected)[0]
    except MistokError as error:  # the folder cannot be made, say: no reason to leave the other files lying
        outcome = FileOutcome(file_rows.remote_of(row), done=False, error=error)
    with walk.begin() as conn:
        if outcome.done:
            file_rows.update(conn, [row["id"]], ctx.clock.now(), policy="rejected")
            ctx.event(conn, f"file:{row['id']}", "set-aside", folder=walk.settings.rejected)
        else:
            file_rows.update(conn, [row["id"]], ctx.clock.now())  # tried again after a while
            ctx.event(conn, f"file:{row['id']}", "not-set-aside", findings=_findings(outcome.error))
            if outcome.error is not None:
                telling.once(walk, conn, f"rejected:{walk.settings.inbox}", outcome.error.findings)


def _due(walk: Inbound, row: Row) -> bool:
    # a refused delete is tried again, but not on every tick of a ten-second poll; a person wants an answer now
    if walk.ctx.trigger == "person":
        return True
    age: timedelta = walk.ctx.clock.now() - row["updated"]
    return age >= timedelta(minutes=5)


def _acknowledge(walk: Inbound, done: Sequence[Row], *, behind: bool = False) -> None:
    if not done or walk.hands_off:
        return
    ctx, settings = walk.ctx, walk.settings
    if settings.after == "keep":
        with walk.begin() as conn:
            file_rows.update(
                conn, [row["id"] for row in done], ctx.clock.now(), state=FileState.ACKNOWLEDGED, policy="kept"
            )
            for row in done:
                ctx.event(conn, f"file:{row['id']}", "acknowledged", policy="kept")
        walk.count("acknowledged", len(done))
        return
    sound = []
    for row in done:
        if ctx.archive.verify(row["sha256"]):
            sound.append(row)
        else:
            unsound(walk, row)
    walk.hold_on()
    ctx.reach("inbound:before-delete")
    remote = {file_rows.remote_of(row): row for row in sound}
    settle(walk)  # one batch at a time: what is not written down yet stays little
    if behind and not ctx.is_lent(settings.inbox):
        walk.removal = Removal(remote, lambda transport: _removed(walk, transport, list(remote)))
        walk.removal.start(ctx, settings.inbox)
        return
    _ended(walk, remote, _removed(walk, ctx.transport(settings.inbox), list(remote)))


def _removed(walk: Inbound, transport: Transport, files: Sequence[RemoteFile]) -> Sequence[FileOutcome]:
    """The only part of it that the server sees; maybe in another thread, while the run does without the server."""
    settings = walk.settings
    if settings.marker is not None:
        _drop_markers(walk, transport, files)
    if isinstance(settings.after, Move):
        return transport.move_many(files, settings.after.move)
    return transport.delete_many(files)


def _ended(walk: Inbound, remote: Mapping[RemoteFile, Row], outcomes: Sequence[FileOutcome]) -> None:
    ctx = walk.ctx
    ctx.reach("inbound:deleted")
    word = "moved" if isinstance(walk.settings.after, Move) else "deleted"
    now = ctx.clock.now()
    ended: dict[str, list[int]] = {}
    with walk.begin() as conn:
        for outcome in outcomes:
            row = remote[outcome.file]
            if outcome.done:
                policy = "gone" if outcome.gone else word
            elif isinstance(outcome.error, Changed):
                policy = "replaced"  # the site put a new version under this name: the next look finds it
            else:
                _refused(walk, conn, row, outcome)
                continue
            ended.setdefault(policy, []).append(row["id"])
            ctx.event(conn, f"file:{row['id']}", "acknowledged", policy=policy)
            walk.count("acknowledged")
        for policy, ids in ended.items():
            file_rows.update(conn, ids, now, state=FileState.ACKNOWLEDGED, policy=policy, ack_error=None)
    ctx.reach("inbound:acknowledged")


def _refused(walk: Inbound, conn: Any, row: Row, outcome: FileOutcome) -> None:
    ctx = walk.ctx
    findings = _findings(outcome.error)
    file_rows.update(conn, [row["id"]], ctx.clock.now(), ack_error=findings[0] if findings else None)
    ctx.event(conn, f"file:{row['id']}", "not-acknowledged", findings=findings)
    if isinstance(outcome.error, Refused):
        words = Finding(
            "delete-refused",
            T(
                "{file} is taken, but the server does not let it be deleted: {words}",
                file=row["name"],
                words=outcome.error.text,
            ),
            Where(file=row["name"]),
            T("Give the login the right to delete in folder {folder}, or set `after: keep`.", folder=row["folder"]),
            Who.ADMIN,
        )
        telling.daily(walk, conn, f"inbox:{walk.settings.inbox}/{walk.settings.folder}", (words,))
        walk.count("refused")
    else:
        walk.count("failed")


def unsound(walk: Inbound, row: Row) -> None:
    """A damaged copy: the file is fetched again, while it still is on the server; nothing is deleted there."""
    finding = Finding(
        "archive",
        T("The archive copy of {file} is missing or damaged; the remote file was not deleted.", file=row["name"]),
        Where(file=row["name"]),
        T("Check the archive's disk; the file is fetched again on the next run."),
        Who.ADMIN,
    )
    ctx = walk.ctx
    with walk.begin() as conn:
        # Back to the beginning: its orders are known by their keys, so nothing is created twice.
        file_rows.update(conn, [row["id"]], ctx.clock.now(), state=FileState.SEEN)
        ctx.event(conn, f"file:{row['id']}", "archive-unsound")
        telling.once(walk, conn, f"file:{row['id']}", (finding,))
    walk.count("failed")


def _drop_markers(walk: Inbound, transport: Transport, taken: Sequence[RemoteFile]) -> None:
    """Delete the markers of taken files, before the files themselves.

    Only a marker that was listed beside the very version that was taken is deleted: one that the site has put there
    meanwhile, for its next file of that name, stays.
    """
    marker = walk.settings.marker
    assert marker is not None
    names = {wire_text(file) + marker.suffix: file for file in taken}
    if not all(name in walk.markers for name in names):  # a run that was killed had listed them
        listed = {wire_text(file): file for file in transport.list(walk.settings.folder)}
        there = {name for name, file in names.items() if listed.get(wire_text(file)) == file}
        walk.markers.update({name: listed[name] for name in there if name in listed})
    transport.delete_many([walk.markers[name] for name in names if name in walk.markers])


def _findings(error: MistokError | None) -> list[dict[str, Any]]:
    return file_rows.findings_json(error.findings) if error else []
