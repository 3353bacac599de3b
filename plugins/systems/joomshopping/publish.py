"""Puts the file of stock and prices where the shop takes it from: whole, and with what it has not taken yet."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.api import Clock, MistokError, PhpCsvReader, Refused, RemoteFile, T, Transient, Transport, Where, Who
from plugins.systems.joomshopping import pending
from plugins.systems.joomshopping.settings import UpdatesSettings

LARGEST = 50_000_000  # bytes: more than a million rows


class Publisher:
    """One file in one folder. Who writes it is one job at a time; the shop only reads and deletes it."""

    def __init__(self, settings: UpdatesSettings, transport: Callable[[], Transport], clock: Clock) -> None:
        self._settings, self._transport, self._clock = settings, transport, clock
        self._names = pending.columns(old_price=settings.old_price)
        self._beside = f"{settings.name}.times"

    def publish(self, new: Mapping[str, Mapping[str, str]]) -> None:
        """Put ``new`` (code -> column -> text) into the file, beside the rows that the shop has not taken yet.

        The shop sees the old file or the new one, whole. Raises Refused (rights, a folder that is missing, a file that
        is not ours), Transient.
        """
        now, settings = self._clock.now(), self._settings
        rows = pending.fresh(self._there(), now, settings.taken_after)
        for code, cells in new.items():
            pending.put(rows, code, cells, now)
        data = pending.written(rows, self._names, header=settings.header)
        self._as_php_reads(data, rows)
        self._transport().write(settings.folder, settings.name, data)
        # behind the file: where it is missing, or of another file, the rows count from now, and none is lost
        self._transport().write(settings.folder, self._beside, pending.times_of(rows))

    def _there(self) -> pending.Rows:
        """The rows of the file that lies there; none when the shop has taken and deleted it."""
        settings = self._settings
        files = {file.name: file for file in self._transport().list(settings.folder)}
        if settings.name not in files:
            return {}
        data = self._read(files[settings.name])
        if data is None:
            return {}
        beside = self._read(files[self._beside]) if self._beside in files else None
        rows = pending.read(
            data, self._names, pending.read_times(beside or b""), header=settings.header, now=self._clock.now()
        )
        if rows is None:
            raise Refused(
                T(
                    "{file} in the folder {folder} is no file of ours, and is left alone.",
                    file=settings.name,
                    folder=settings.folder or ".",
                ),
                hint=T("Take it away, or give the file another name (`updates`)."),
                where=Where(file=settings.name),
                who=Who.ADMIN,
                code="shop-foreign-file",
            )
        return rows

    def _read(self, file: RemoteFile) -> bytes | None:
        """A file's bytes; None when it went away meanwhile."""
        if file.size > LARGEST:
            return b"\0"  # nothing of ours is so large
        with tempfile.TemporaryDirectory(prefix="mistok-shop-") as folder:
            (result,) = self._transport().read_many([file], Path(folder))
            if result.error is None and result.path is not None:
                return result.path.read_bytes()
            if file.name not in {one.name for one in self._transport().list(self._settings.folder)}:
                return None
            raise _for_the_moment(result.error, file)

    def _as_php_reads(self, data: bytes, rows: pending.Rows) -> None:
        """See that PHP reads the whole file as it is meant, before it is sent."""
        meant = [tuple(name.encode() for name in self._names)] if self._settings.header else []
        for row in sorted(rows.values(), key=lambda row: row.code):
            texts = [row.cells[name].text if name in row.cells else "" for name in self._names[1:]]
            meant.append(tuple(text.encode() for text in (row.code, *texts)))
        reader = PhpCsvReader()
        if [*reader.feed(data), *reader.close()] != meant:
            raise Refused(
                T("PHP would read {file} otherwise than it is meant: it was not sent.", file=self._settings.name),
                who=Who.US,
                code="shop-read-back",
            )


def _for_the_moment(error: MistokError | None, file: RemoteFile) -> MistokError:
    if isinstance(error, Refused | Transient):
        return error
    return Transient(T("{file} was changed while it was read.", file=file.name), hint=T("It is tried again by itself."))
