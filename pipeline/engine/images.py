"""Sends the image files that a catalogue names: only new and changed ones, remembered by what they were when sent."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa

from pipeline.engine.context import RunContext
from pipeline.errors import Finding, FolderMissing, Who
from pipeline.flow import ImageSettings
from pipeline.ledger.tables import values
from pipeline.ports import RemoteFile, Upload, write_many
from pipeline.texts import TN, T

KIND = "image"  #: of the values that remember what was sent
TOGETHER = 50  #: images that are fetched, sent and recorded at a time
NAMED = 5  #: names that a remark lists
LONGEST = 512  #: a value's name


class Images:
    """``images:`` of one export. ``notes`` holds remarks after :meth:`plan` or :meth:`send`."""

    def __init__(self, settings: ImageSettings, to: str, ctx: RunContext) -> None:
        self._settings = settings
        self._to = to
        self._ctx = ctx
        self.notes: list[Finding] = []
        self._there: Mapping[str, RemoteFile] = {}
        self._folders: set[str] = set()

    def plan(self, names: Collection[str]) -> int:
        """How many would be sent; those whose time changed count, though their content may turn out the same."""
        self.notes = []
        return len(self._changed(names, self._remembered()))

    def send(self, names: Collection[str]) -> int:
        """Send what is new or changed; gives how many. Raises Refused, Transient, FolderMissing of the source.

        An image that is not in the source is a remark, not a stop. Each group is recorded when it is on the server,
        so that a killed run goes on where it was.
        """
        self.notes = []
        remembered = self._remembered()
        changed = self._changed(names, remembered)
        sent = 0
        waiting = iter(changed)
        while group := list(islice(waiting, TOGETHER)):
            self._ctx.progress(sent, len(changed), T("images"))
            sent += self._send(group, remembered)
            self._ctx.reach("outbound:images")
        return sent

    def _changed(self, names: Collection[str], remembered: Mapping[str, Mapping[str, Any]]) -> list[RemoteFile]:
        here = self._listed(self._settings.copy_from, self._settings.folder, names, must_exist=True)
        self._there = self._listed(self._to, self._settings.to, names, must_exist=False)
        wanted = {name for name in names if "://" not in name}
        missing = sorted(wanted - here.keys())
        if missing:
            self.notes.append(
                Finding(
                    "image-missing",
                    T(
                        "{images} named in the catalogue not found on {connection}: {names}",
                        images=TN("{n} image", "{n} images", len(missing)),
                        connection=self._settings.copy_from,
                        names=", ".join(missing[:NAMED]) + ("…" if len(missing) > NAMED else ""),
                    ),
                    who=Who.ADMIN,
                )
            )
        return [
            file
            for name, file in sorted(here.items())
            if not (_same_version(remembered.get(self._key(name)), file) and self._arrived(name, file))
        ]

    def _send(self, group: Sequence[RemoteFile], remembered: Mapping[str, Mapping[str, Any]]) -> int:
        source, target = self._ctx.transport(self._settings.copy_from), self._ctx.transport(self._to)
        done: dict[str, dict[str, Any]] = {}
        uploads: dict[Upload, str] = {}
        folder = self._ctx.temp / "images"
        folder.mkdir(exist_ok=True)
        for result in source.read_many(group, folder):
            if result.error is not None or result.path is None:
                self.notes += result.error.findings if result.error else ()
                continue
            name = self._name(result.file)
            key = self._key(name)
            at = result.file.modified.isoformat() if result.file.modified else None
            before = remembered.get(key, {})
            if before.get("sha256") != result.sha256 or not self._arrived(name, result.file):
                home = _join(self._settings.to, str(PurePosixPath(name).parent))
                if home not in self._folders:
                    target.make_folder(home)
                    self._folders.add(home)
                uploads[Upload(home, PurePosixPath(name).name, result.path)] = key
            else:
                result.path.unlink(missing_ok=True)
            done[key] = {"size": result.size, "modified": at, "sha256": result.sha256}
        errors = []
        for written in write_many(target, uploads):
            if isinstance(written.upload.source, Path):
                written.upload.source.unlink(missing_ok=True)
            if written.error is not None:
                errors.append(written.error)
                del done[uploads[written.upload]]
        with self._ctx.begin() as conn:
            for key, value in done.items():
                self._ctx.ledger.set_value(conn, KIND, key, value)
        if errors:
            raise errors[0]
        return len(uploads)

    def _listed(self, connection: str, root: str, names: Collection[str], *, must_exist: bool) -> dict[str, RemoteFile]:
        """The files among ``names`` that are there, by name (which may begin with a folder)."""
        transport = self._ctx.transport(connection)
        wanted = {name for name in names if "://" not in name and ".." not in PurePosixPath(name).parts}
        found: dict[str, RemoteFile] = {}
        for folder in sorted({str(PurePosixPath(name).parent) for name in wanted} | {"."}):
            try:
                files = transport.list(_join(root, folder))
            except FolderMissing:
                if must_exist and folder == ".":
                    raise
                continue
            for file in files:
                name = _join(folder, file.name)
                if name in wanted:
                    found[name] = file
        return found

    def _name(self, file: RemoteFile) -> str:
        """The name by which the catalogue knows a file of the source."""
        root = PurePosixPath(_join(self._settings.folder, "."))
        return _join(str(PurePosixPath(_join(file.folder, ".")).relative_to(root)), file.name)

    def _key(self, name: str) -> str:
        key = f"{self._to}/{self._settings.to}/{name}"
        return key if len(key) <= LONGEST else hashlib.sha256(key.encode()).hexdigest()

    def _remembered(self) -> dict[str, Mapping[str, Any]]:
        query = sa.select(values.c.name, values.c.value).where(
            values.c.client == self._ctx.client, values.c.kind == KIND
        )
        with self._ctx.ledger.read() as conn:
            return {row.name: row.value for row in conn.execute(query)}

    def _arrived(self, name: str, here: RemoteFile) -> bool:
        there = self._there.get(name)
        return there is not None and there.size == here.size


def _same_version(before: Mapping[str, Any] | None, file: RemoteFile) -> bool:
    at = file.modified.isoformat() if file.modified else None
    return before is not None and at is not None and before.get("size") == file.size and before.get("modified") == at


def _join(folder: str, name: str) -> str:
    """``a/b`` + ``c`` -> ``a/b/c``; ``.`` is nothing."""
    return "/".join(part for part in f"{folder}/{name}".split("/") if part not in {"", "."})
