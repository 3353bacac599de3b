"""The archive's journal: what each copy is. It lies in the archive itself, so that the archive alone can tell.

``index/2026-11.jsonl`` has one line of JSON for each file that came or was published in that month (of UTC), and one
for each copy that retention let go of. Lines are only ever added, under a lock that every process takes, and are synced
together with the copies of their batch. A line that a power cut tore is passed over by readers, and closed by the next
writer, so that it harms no other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipeline import locks

KEPT: Literal["kept"] = "kept"
DROPPED: Literal["dropped"] = "dropped"
_MONTH = re.compile(r"\d{4}-\d{2}\.jsonl")
_LOCK_PATIENCE = 60.0  #: seconds; whoever holds the lock appends a few lines or drops a few copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: a copy was kept for a client, or let go of. Times are aware."""

    what: Literal["kept", "dropped"] = KEPT
    sha256: str
    client: str
    at: datetime  #: by our own clock
    size: int = 0  #: bytes
    name: str = ""  #: as the server gave it, for people
    direction: str = "in"  #: in, out; empty: not known (a copy from before there was a journal)
    connection: str = ""
    folder: str = ""
    modified: datetime | None = None  #: as the server said
    raw: str = ""  #: hex of the name on the wire when it is not UTF-8 of ``name``
    job: str = ""
    rows: int | None = None  #: products in a published catalogue
    view: str = ""  #: its name in the view, relative to the archive

    def line(self) -> bytes:
        """The entry as one line."""
        data: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if value is None or (value == "" and name != "direction"):
                continue
            data[name] = value.isoformat() if name in _MOMENTS else value
        return _to_json(data).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Entry | None:
        """The entry of a line; None for one that is torn or damaged. Keys of a newer version are passed over."""
        try:
            data = json.loads(line)
            known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
            known["at"] = _moment(known["at"])
            if known.get("modified"):
                known["modified"] = _moment(known["modified"])
            entry = cls(**known)
        except (ValueError, TypeError, KeyError):
            return None
        sound = re.fullmatch(r"[0-9a-f]{64}", entry.sha256) and entry.what in (KEPT, DROPPED)
        return entry if sound else None


_NAMES = tuple(one.name for one in fields(Entry))
_MOMENTS = frozenset({"at", "modified"})
#: Kept: ``json.dumps`` with arguments makes a new one for each line.
_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


class Journal:
    """The journal of the archive at ``root``. Safe beside other threads and processes."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "index"

    def months(self) -> list[Path]:
        """Its files, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _MONTH.fullmatch(path.name))

    def entries(self, marks: dict[Path, int] | None = None) -> Iterator[Entry | None]:
        """Every entry in order of writing; None for each line that cannot be read.

        Args:
            marks: how far each file was read before; entries beyond are given, and the marks moved along.
        """
        for path in self.months():
            start = marks.get(path, 0) if marks is not None else 0
            with path.open("rb") as file:
                file.seek(start)
                for line in file:
                    entry = Entry.read(line) if line.strip() else None
                    if entry is None and not line.endswith(b"\n"):
                        break  # torn by a power cut, or being written just now
                    start += len(line)
                    if line.strip():
                        yield entry
            if marks is not None:
                marks[path] = start

    def has(self, client: str) -> bool:
        """Whether any copy was ever kept for this client."""
        return any(entry is not None and entry.client == client for entry in self.entries())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer. Raises OSError when the folder cannot be written or nobody lets go in time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a+b") as file, locks.held(file, _LOCK_PATIENCE):
            yield

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> set[Path]:
        """Add entries; call it under :meth:`locked`. Gives the files that were added to.

        Args:
            sync: False leaves syncing the files to the caller.

        Raises OSError, and leaves nothing half-written where the disk lets it take that back.
        """
        by_month: dict[Path, list[bytes]] = {}
        paths: dict[datetime, Path] = {}  # those of one batch came at one moment
        for entry in entries:
            if entry.at not in paths:
                paths[entry.at] = self.folder / f"{entry.at.astimezone(UTC):%Y-%m}.jsonl"
            by_month.setdefault(paths[entry.at], []).append(entry.line())
        for path, lines in by_month.items():
            _append(path, b"".join(lines), sync=sync)
        return set(by_month)


def _append(path: Path, data: bytes, *, sync: bool) -> None:
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # torn by a power cut: closed, so that it takes no other line with it
                data = b"\n" + data
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) or 0 :]
            if sync:
                os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise


@dataclass
class Index:
    """The journal, read: what is kept for whom."""

    journal: Journal
    kept: dict[str, list[Entry]] = field(default_factory=dict)  #: by hash, everything that ever came or went
    holders: dict[str, dict[str, datetime]] = field(default_factory=dict)  #: hash -> client -> when it came last
    torn: int = 0
    _marks: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: Journal) -> Index:
        """The whole journal."""
        index = cls(journal)
        index.refresh()
        return index

    def refresh(self) -> None:
        """Read what was written since."""
        for entry in self.journal.entries(self._marks):
            if entry is None:
                self.torn += 1
            elif entry.what == KEPT:
                self.kept.setdefault(entry.sha256, []).append(entry)
                self.holders.setdefault(entry.sha256, {})[entry.client] = entry.at
            else:
                self.holders.setdefault(entry.sha256, {}).pop(entry.client, None)

    def of_client(self, client: str) -> Iterator[Entry]:
        """What came and went of one client, copies that were let go of included, oldest first."""
        mine = (entry for entries in self.kept.values() for entry in entries if entry.client == client)
        yield from sorted(mine, key=lambda entry: entry.at)

    def let_go(self, client: str, sha256: str) -> bool:
        """Whether retention dropped what this client had kept of these bytes."""
        return client not in self.holders.get(sha256, {})

    def views(self, sha256: str, clients: Iterable[str] | None = None) -> set[str]:
        """Names in the view that these bytes were given, of these clients."""
        wanted = None if clients is None else set(clients)
        return {
            entry.view
            for entry in self.kept.get(sha256, ())
            if entry.view and (wanted is None or entry.client in wanted)
        }


def same_file(entry: Entry) -> tuple[Any, ...]:
    """What tells one remote file from another: fetched twice (a run was killed), it stands in the journal twice."""
    return (
        entry.client,
        entry.direction,
        entry.connection,
        entry.folder,
        entry.raw or entry.name,
        entry.size,
        entry.modified,
        entry.sha256,
    )


def distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Entries without repetitions: of each file the first one."""
    found: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        # published again is published twice, whatever the bytes
        place = same_file(entry) if entry.direction != "out" else (*same_file(entry), entry.at)
        found.setdefault(place, entry)
    return list(found.values())
