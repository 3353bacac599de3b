"""The folder of our own on a client's server: made, known again after a crash, and removed.

What was not surely made by a selftest is never touched: its name must be of our making, and a note inside it must say
so; while the process that the note names may still live, it is left alone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.errors import Finding, FolderMissing, MistokError, Refused, Where, Who
from pipeline.ports import RemoteFile, Transport
from pipeline.texts import T

_NAME = re.compile(r"mistok-selftest-(\d{8}-\d{4})-[0-9a-f]{4}")
NOTE = "mistok-selftest.json"
_MADE_BY = "mistok selftest"
#: A folder of a process on another machine, which nobody can ask from here, is left alone for so long.
FOREIGN = timedelta(days=1)


def new_name(now: datetime) -> str:
    """``mistok-selftest-20261122-2315-ab12``: the minute (of ``now``'s own zone), and four random digits."""
    return f"mistok-selftest-{now:%Y%m%d-%H%M}-{secrets.token_hex(2)}"


def join(*parts: str) -> str:
    """Parts of a folder's path, put together; empty ones left out."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def make(transport: Transport, parent: str, name: str, now: datetime, client: str) -> str:
    """Make the folder in ``parent`` and put the note into it; gives its path.

    Raises Refused when it exists or may not be made; FolderMissing when ``parent`` is not there; Transient.
    """
    path = join(parent, name)
    if name in transport.folders(parent):
        raise Refused(
            T("Folder {folder} exists already; it was not touched.", folder=path),
            hint=T("Run the selftest again: it takes another name."),
        )
    transport.make_folder(path)
    if transport.list(path) or transport.folders(path):
        raise Refused(T("Folder {folder} is not a new one; it was not touched.", folder=path))
    try:
        transport.write(path, NOTE, _note(name, now, client))
    except MistokError:
        # where nothing can be written that is the profile's own finding; the empty folder is known by its name
        return path
    return path


def _note(name: str, now: datetime, client: str) -> bytes:
    import psutil

    words: dict[str, Any] = {
        "made_by": _MADE_BY,
        "folder": name,
        "client": client,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_started": psutil.Process().create_time(),
        "made": now.astimezone(UTC).isoformat(timespec="seconds"),
        "about": "Made-up files of a test. This folder is removed when the test ends; it may be removed by hand.",
    }
    return json.dumps(words, indent=2).encode() + b"\n"


def remove(transport: Transport, path: str) -> tuple[Finding, ...]:
    """Remove the folder and all in it. What could not be removed is told, not raised; gone is fine.

    Only ever a folder with a name of our making.
    """
    if not _NAME.fullmatch(path.rpartition("/")[2]):
        raise ValueError(path)
    troubles: list[Finding] = []
    try:
        _clear(transport, path, troubles)
    except FolderMissing:
        return ()
    except MistokError as error:
        troubles += error.findings
    if not troubles:
        return ()
    text = T("Folder {folder} could not be removed from the server: {words}", folder=path, words=troubles[0].text)
    hint = T("Remove it there by hand; there is nothing in it but made-up files.")
    return (Finding("left-over", text, Where(file=path), hint, Who.ADMIN),)


def _clear(transport: Transport, path: str, troubles: list[Finding]) -> None:
    for name in transport.folders(path):
        _clear(transport, join(path, name), troubles)
    # the note goes last: until then the next selftest knows whose folder this is
    for last in (False, True):
        for _again in range(2):  # what a killed process still wrote has another size at the second look
            files = [file for file in transport.list(path) if (file.name == NOTE) is last]
            undone = [outcome for outcome in transport.delete_many(files) if not outcome.done]
            if not undone:
                break
        else:
            troubles += [finding for outcome in undone if outcome.error for finding in outcome.error.findings]
            return
    transport.remove_folder(path)


def sweep(transport: Transport, parents: Iterable[str], now: datetime) -> Iterator[Finding]:
    """Remove what earlier selftests left in ``parents``, one remark each: removed, still in use, or not surely ours."""
    for parent in parents:
        try:
            names = [name for name in transport.folders(parent) if _NAME.fullmatch(name)]
        except FolderMissing:
            continue
        for name in names:
            yield _judge(transport, join(parent, name), now)


def _judge(transport: Transport, path: str, now: datetime) -> Finding:
    name = path.rpartition("/")[2]
    try:
        if not _is_dead(transport, path, name, now):
            text = T("Folder {folder} of another selftest was left alone: it may still be at work.", folder=path)
            hint = T("When no other selftest is running, remove it on the server, or let one of tomorrow remove it.")
            return Finding("selftest-folder", text, Where(file=path), hint, Who.ADMIN)
    except MistokError as error:
        text = T("Folder {folder} of another selftest could not be read: {words}", folder=path, words=error.text)
        return Finding("selftest-folder", text, Where(file=path), who=Who.ADMIN)
    left = remove(transport, path)
    if left:
        return left[0]
    text = T("Folder {folder}, left by a selftest that was cut off, has been removed.", folder=path)
    return Finding("selftest-swept", text, Where(file=path), who=Who.ADMIN)


def _is_dead(transport: Transport, path: str, name: str, now: datetime) -> bool:
    """Whether the folder surely is a selftest's whose process is gone."""
    files = transport.list(path)
    note = next((file for file in files if file.name == NOTE), None)
    if note is None:
        # cut off before it could write its note: an empty folder of yesterday is nobody's
        made = datetime.strptime(name.split("-", 2)[2].rpartition("-")[0], "%Y%m%d-%H%M").replace(tzinfo=UTC)
        return not files and not transport.folders(path) and now - made > 2 * FOREIGN
    said = _read(transport, note)
    if said.get("made_by") != _MADE_BY or said.get("folder") != name:
        return False
    if said.get("host") != socket.gethostname():
        try:
            return now - datetime.fromisoformat(str(said.get("made"))) > FOREIGN
        except (ValueError, TypeError):
            return False
    return not _lives(said.get("pid"), said.get("process_started"))


def _lives(pid: object, started: object) -> bool:
    import psutil

    if not isinstance(pid, int) or not isinstance(started, (int, float)):
        return True
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _read(transport: Transport, note: RemoteFile) -> dict[str, Any]:
    if note.size > 10_000:
        return {}
    with TemporaryDirectory(prefix="mistok-note-") as temp:
        for result in transport.read_many([note], Path(temp)):
            if result.error is not None:
                raise result.error
            try:
                words = json.loads(result.path.read_bytes()) if result.path else {}
            except ValueError:
                return {}
            return words if isinstance(words, dict) else {}
    return {}


def names(files: Sequence[RemoteFile]) -> set[str]:
    """The names in a listing."""
    return {file.name for file in files}
