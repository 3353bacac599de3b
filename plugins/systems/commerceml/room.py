"""An exchange over folders: the other side's files are taken once and whole, ours are put under names of their own.

No file of ours is ever written over: what lies there is either untaken, or being taken. A file that has gone has been
taken.
"""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.api import (
    Changed,
    ConfigError,
    Finding,
    Rejected,
    RemoteFile,
    SystemEnv,
    T,
    Transport,
    Where,
)
from plugins.commerceml.order_out import file_of
from plugins.commerceml.words import open_file
from plugins.systems.commerceml import sessions
from plugins.systems.commerceml.outbox import acknowledge, remember, waiting
from plugins.systems.commerceml.received import Inbox
from plugins.systems.commerceml.settings import CommerceMLSettings, FilesSettings
from plugins.systems.commerceml.store import Store, note

_HALF_WRITTEN = ("*.part", "*.partial", "*.tmp", "*.filepart", ".*", "~*")
_LIMIT = 2_000_000_000  #: bytes of what is unpacked at once


class Room:
    """The two folders of an exchange."""

    def __init__(self, files: FilesSettings, settings: CommerceMLSettings, env: SystemEnv, store: Store) -> None:
        self._files, self._settings, self._env, self._store = files, settings, env, store

    def transport(self) -> Transport:
        """The connection that the folders lie on. Raises ConfigError where there is none."""
        if self._env.transport is None:
            raise ConfigError(
                T("The exchange {name} can only be opened by a run: it needs a connection.", name=self._env.name)
            )
        return self._env.transport(self._files.on)

    def check(self) -> None:
        """Look into both folders. Raises Refused, Transient."""
        for folder in (self._files.take, self._files.put):
            self.transport().list(folder)

    # --- taking ------------------------------------------------------------------------------------------------------

    def take(self) -> None:
        """Take what lies there and was not taken before. Raises Refused, Transient; a bad file spoils no other."""
        there = list(self.transport().list(self._files.take))
        marker = next((one for one in there if one.name == self._files.marker), None)
        if self._files.marker is not None and marker is None:
            return
        wanted = [one for one in there if _is_wanted(one.name) and one.name != self._files.marker]
        with tempfile.TemporaryDirectory(prefix="mistok-commerceml-", ignore_cleanup_errors=True) as folder:
            fresh, done, whole = self._fetch(wanted, Path(folder))
            if fresh:
                done += self._take_in(fresh, Path(folder), whole=whole and marker is not None)
        if self._env.dry_run:
            return
        if self._files.after != "keep":
            self._put_away(done)
        if marker is not None and whole:
            self.transport().delete_many([marker])

    def _fetch(
        self, wanted: Sequence[RemoteFile], folder: Path
    ) -> tuple[list[tuple[RemoteFile, Path, str]], list[RemoteFile], bool]:
        """(those that were not taken before, those that were, all could be read)."""
        fresh, known, whole = [], [], True
        with self._store.reading() as db:
            taken = {row["sha256"] for row in db.execute("SELECT sha256 FROM taken")}
        for result in self.transport().read_many(wanted, folder):
            if isinstance(result.error, Changed):
                whole = False  # it is being written: the next look takes it
            elif result.error is not None:
                raise result.error
            elif f"{result.sha256}/{result.file.name}" in taken:
                known.append(result.file)
            elif result.path is not None:
                fresh.append((result.file, result.path, f"{result.sha256}/{result.file.name}"))
        return fresh, known, whole

    def _take_in(self, fresh: Sequence[tuple[RemoteFile, Path, str]], folder: Path, *, whole: bool) -> list[RemoteFile]:
        """Take files in, the older ones first; gives those that could be."""
        now = self._env.clock.now()
        with self._store.writing() as db:
            session = sessions.begin(db, secrets.token_hex(16), "files", now)
        parts: list[tuple[str, bytes, str]] = []
        bad: set[str] = set()
        for file, path, print_ in fresh:
            try:
                parts += [(name, data, print_) for name, data in _contents(file.name, path, folder)]
            except Rejected as error:
                self._refuse(session, file.name, error)
                bad.add(print_)
        for name, data, print_ in sorted(parts, key=_turn):
            try:
                sessions.import_file(self._store, session, name, data, self._settings, now)
            except Rejected as error:
                self._refuse(session, name, error)
                bad.add(print_)
        with self._store.writing() as db:
            good = [(file, print_) for file, _, print_ in fresh if print_ not in bad]
            for file, print_ in good:
                db.execute("INSERT OR REPLACE INTO taken VALUES (?, ?, ?)", [print_, file.name, now.isoformat()])
            sessions.finish(db, session, self._settings, now, ended=whole and not bad)
        return [file for file, _ in good]

    def _refuse(self, session: int, name: str, error: Rejected) -> None:
        with self._store.writing() as db:
            sessions.failed(db, session, name, str(error.text))
            if error.code != "truncated":  # one that is cut may be still on its way
                note(db, *error.findings)
            else:
                text = T("{file} is not whole yet; it is looked at again.", file=name)
                note(db, Finding("not-whole", text, Where(name)))

    def _put_away(self, files: Sequence[RemoteFile]) -> None:
        after, transport = self._files.after, self.transport()
        outcomes = transport.delete_many(files) if isinstance(after, str) else transport.move_many(files, after.move)
        wrong = [one.error for one in outcomes if one.error is not None and not isinstance(one.error, Changed)]
        if wrong:
            with self._store.writing() as db:
                note(db, *wrong[0].findings)

    # --- putting -----------------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Put what waits into a file of its own, and note which files have been taken. Raises Refused, Transient.

        The file is written inside of the transaction: two runs never put one document into two files, and after a crash
        in between its documents are put once more, and known again by their ids.
        """
        with self._store.writing() as db:
            there = {file.name for file in self.transport().list(self._files.put)}
            rows = self._left(db, there)
            if not rows:
                return
            name = self._name(db, "orders", there)
            db.execute("INSERT INTO published VALUES (?, ?)", [name, self._env.clock.now().isoformat()])
            remember(db, f"file:{name}", rows)
            self._write(name, [row["body"] for row in rows])

    @staticmethod
    def _left(db: sqlite3.Connection, there: set[str]) -> list[sqlite3.Row]:
        """The documents that neither were taken nor lie there."""
        for row in db.execute("SELECT name FROM published").fetchall():
            if row["name"] not in there:
                acknowledge(db, f"file:{row['name']}")
                db.execute("DELETE FROM published WHERE name = ?", [row["name"]])
        lying = {
            (row["document"], row["revision"])
            for row in db.execute("SELECT document, revision FROM snapshots WHERE holder LIKE 'file:%'")
        }
        return [row for row in waiting(db) if (row["id"], row["revision"]) not in lying]

    def put(self, files: Mapping[str, Sequence[str]]) -> None:
        """Files of goods, prices or answers: kind -> parts. Raises Refused, Transient."""
        there = {file.name for file in self.transport().list(self._files.put)}
        for kind, parts in files.items():
            with self._store.reading() as db:
                name = self._name(db, kind, there)
            self._write(name, parts)
            there.add(name)

    def _write(self, name: str, parts: Sequence[str]) -> None:
        settings = self._settings
        data = file_of(parts, version=settings.version, encoding=settings.encoding, formed=self._env.clock.now())
        self.transport().write(self._files.put, name, data)

    def _name(self, db: sqlite3.Connection, kind: str, there: set[str]) -> str:
        """A name that was never used: by the time, and counted on within a second."""
        stamp = self._env.clock.now().strftime("%Y%m%d-%H%M%S")
        used = there | {row["name"] for row in db.execute("SELECT name FROM published")}
        n = 1
        while (name := f"{kind}-{stamp}-{n:03d}.xml") in used:
            n += 1
        return name


def _is_wanted(name: str) -> bool:
    folded = name.casefold()
    return folded.endswith((".xml", ".zip")) and not any(fnmatchcase(folded, one) for one in _HALF_WRITTEN)


def _contents(name: str, path: Path, folder: Path) -> list[tuple[str, bytes]]:
    """A file, or the XML files of an archive. Raises Rejected."""
    if not name.casefold().endswith(".zip"):
        return [(name, path.read_bytes())]
    inbox = Inbox(Path(tempfile.mkdtemp(dir=folder)), _LIMIT)
    (inbox.folder / "archive.zip").write_bytes(path.read_bytes())
    found = inbox.unpack("archive.zip")
    return [(f"{name}/{one}", inbox.read(one) or b"") for one in sorted(found) if one.casefold().endswith(".xml")]


def _turn(part: tuple[str, bytes, str]) -> tuple[str, int, str]:
    """Older files before newer ones; of one moment goods before prices, as names tell it."""
    name, data = part[0].casefold(), part[1]
    try:
        formed = open_file(data, part[0]).formed
    except Rejected:
        formed = ""
    rank = next((n for n, word in enumerate(("import", "offers", "prices", "rests")) if word in name), 4)
    return formed if formed[:2] == "20" else "", rank, name
