"""What the program on a PC remembers over restarts: the last popup that was shown, and what is not reported yet."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import locks
from pipeline.errors import ConfigError, system_words
from pipeline.texts import T


@dataclass(frozen=True, slots=True)
class Told:
    """What a person did with the popups from ``first`` to ``last``; ``at``: seconds since 1970 by the PC's clock."""

    first: int
    last: int
    did: str
    at: float


def named_for(server: str) -> str:
    """Part of the names of files about a server."""
    return hashlib.sha256(server.encode()).hexdigest()[:12]


@contextmanager
def only_one(folder: Path, server: str) -> Iterator[bool]:
    """Be the only program that shows this server's popups to this user: False when another does so already.

    Two would each show every popup, and write the same file. Raises ConfigError when the folder cannot be written.
    """
    path = folder / f"running-{named_for(server)}.lock"
    with contextlib.ExitStack() as kept:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kept.enter_context(locks.held(kept.enter_context(path.open("a+b"))))
            first = True
        except BlockingIOError:
            first = False
        except OSError as error:
            raise _unwritable(path, error) from error
        yield first


class State:
    """Kept in a file of ``folder``, one for each server; each change is on the disk before it counts.

    Raises ConfigError when the folder cannot be written. A file that a power cut left broken is begun anew: the
    server knows what was reported.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._path = folder / f"shown-{named_for(server)}.json"
        self._lock = threading.Lock()
        self._last = 0
        self._reports: list[Told] = []
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            data = json.loads(self._path.read_text(encoding="utf-8"))
            self._reports = [Told(**one) for one in data["reports"]]
            self._last = int(data["last"])

    @property
    def last(self) -> int:
        """The number of the last popup that was shown; 0: none is known."""
        return self._last

    def begin_at(self, last: int) -> None:
        """The server goes on after this one."""
        with self._lock:
            if last != self._last:
                self._save(last, self._reports)

    def shown(self, first: int, last: int, at: float) -> None:
        """These were shown."""
        with self._lock:
            self._save(last, [*self._reports, Told(first, last, "shown", at)])

    def did(self, told: Told) -> None:
        """To be reported."""
        with self._lock:
            self._save(self._last, [*self._reports, told])

    def to_report(self) -> tuple[Told, ...]:
        """What the server does not know yet, oldest first."""
        with self._lock:
            return tuple(self._reports)

    def reported(self, told: Sequence[Told]) -> None:
        """The server knows these now."""
        with self._lock:
            self._save(self._last, [one for one in self._reports if one not in told])

    def _save(self, last: int, reports: list[Told]) -> None:
        data = {"last": last, "reports": [asdict(one) for one in reports]}
        write_safely(self._path, json.dumps(data).encode())
        self._last, self._reports = last, reports


def write_safely(path: Path, data: bytes) -> None:
    """Write a file that only this user reads; after a power cut it is the old one or the new one, whole.

    Raises ConfigError when it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(T("{path} cannot be written: {words}", path=str(path), words=system_words(error)))


def popup_of(data: str) -> dict[str, Any] | None:
    """A popup as the server sends it; None when it is none."""
    try:
        found = json.loads(data)
        fine = isinstance(found["title"], str) and isinstance(found["body"], str) and str(found["path"])[:1] == "/"
        return {**found, "first": int(found["first"]), "last": int(found["last"])} if fine else None
    except (ValueError, KeyError, TypeError):
        return None
