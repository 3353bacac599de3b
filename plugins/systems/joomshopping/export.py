"""The catalogue that the shop has exported: fetched whole over a connection, checked, and read line by line."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.api import (
    Changed,
    ConfigError,
    Finding,
    Refused,
    RemoteFile,
    SystemEnv,
    T,
    Text,
    Transient,
    Transport,
    Where,
    Who,
    garbled,
    verbatim,
)
from plugins.systems.joomshopping.mapping import BadCell, columns_of, fold
from plugins.systems.joomshopping.settings import ShopSettings

_CODECS = {"utf-8": "utf-8-sig", "windows-1251": "cp1251", "iso-8859-1": "latin-1"}
_HALF_WRITTEN = ("*.part", "*.partial", "*.tmp", "*.filepart", ".*", "~*")
# descriptions are TEXT of 64 KB in the shop, but an add-on may join several; the limit is the process's own
_LONGEST = 16_000_000
_GARBLED = (3, 5)  #: so many names that are garbled, and at least one of so many, and the file is


@dataclass(frozen=True, slots=True)
class Line:
    """One product of the export: the cells that have a meaning, by field. ``number`` is its line in the file."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole local copy of an export, with its variants by the code of their product as the shop compares codes."""

    file: RemoteFile
    path: Path
    headers: tuple[str, ...]
    columns: Mapping[str, int]
    variants: Mapping[str, Sequence[Line]]


class Export:
    """Finds, fetches and reads the newest export. One object is for one run; it keeps its copy until it is closed."""

    def __init__(self, settings: ShopSettings, env: SystemEnv) -> None:
        self._settings, self._env = settings, env
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._fetched: Fetched | None = None

    def transport(self) -> Transport:
        """The connection that the shop's files lie on. Raises ConfigError where there is none."""
        if self._env.transport is None:
            raise ConfigError(
                T("The shop {name} can only be opened by a run: it needs a connection.", name=self._env.name)
            )
        return self._env.transport(self._settings.files)

    def close(self) -> None:
        """Delete the copy."""
        self._fetched = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def newest(self) -> RemoteFile:
        """The export to read. Raises Refused when there is none, or several whose age nobody tells."""
        export, updates = self._settings.export, self._settings.updates
        own = (
            {updates.name, f"{updates.name}.times"}
            if updates and updates.folder.strip("/") == export.folder.strip("/")
            else set()
        )
        found = [
            file
            for file in self.transport().list(export.folder)
            if fnmatchcase(file.name.casefold(), export.pattern.casefold())
            and not any(fnmatchcase(file.name.casefold(), one) for one in _HALF_WRITTEN)
            and file.name not in own
        ]
        if not found:
            raise refused(
                "no-export",
                T(
                    "The shop has put no export {pattern} into the folder {folder}.",
                    pattern=export.pattern,
                    folder=export.folder or ".",
                ),
                T("Let its export run, or correct `export` of this connection."),
            )
        if len(found) > 1 and any(file.modified is None for file in found):
            raise refused(
                "several-exports",
                T(
                    "There are several exports, and the server does not say which is the newest: {names}.",
                    names=", ".join(sorted(file.name for file in found)[:5]),
                ),
                T("Name the one to read: `pattern`."),
            )
        return max(found, key=lambda file: (file.modified.timestamp() if file.modified else 0.0, file.name))

    def fetch(self) -> Fetched:
        """The newest export, whole and checked; fetched again only when another one lies there.

        Raises Refused (none there, or it cannot be read as it is), Transient (it is being written, network).
        """
        file = self.newest()
        if self._fetched is not None and self._fetched.file == file:
            return self._fetched
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mistok-shop-", ignore_cleanup_errors=True)
        (result,) = self.transport().read_many([file], Path(self._folder.name))
        if isinstance(result.error, Changed) or (result.error is None and self.newest() != file):
            raise Transient(
                T("The export {file} is being written.", file=file.name), hint=T("It is read when it is finished.")
            )
        if result.error is not None:
            raise result.error
        assert result.path is not None
        if self._fetched is not None:
            self._fetched.path.unlink(missing_ok=True)
        self._fetched = self._checked(file, result.path)
        return self._fetched

    def lines(self, fetched: Fetched) -> Iterator[Line]:
        """Every line of a fetched export."""
        with self._rows(fetched.file, fetched.path) as rows:
            next(rows)
            for number, row in rows:
                yield Line(number, {name: row[place] for name, place in fetched.columns.items()})

    def _checked(self, file: RemoteFile, path: Path) -> Fetched:
        """Read it once from end to end, so that what is wrong is told before anything is done by it."""
        with self._rows(file, path) as rows:
            _, headers = next(rows, (1, ()))
            if not headers:
                raise refused("empty-export", T("{file} is empty.", file=file.name), where=Where(file=file.name))
            try:
                columns = columns_of(headers, self._settings.export, self._settings.language)
            except BadCell as error:
                raise refused(
                    "export-columns", error.text, where=Where(file=file.name, line=1, element=error.column)
                ) from None
            if not columns.keys() & {"id", "code"}:
                raise refused(
                    "export-columns",
                    T("{file} has neither a column of product codes nor one of ids.", file=file.name),
                    T("Its columns are: {names}. Say what they are: `columns`.", names=", ".join(headers)[:200]),
                    Where(file=file.name, line=1),
                )
            variants: dict[str, list[Line]] = {}
            ids: dict[str, int] = {}
            wrong: list[tuple[int, str]] = []
            count = 0
            for number, row in rows:
                count += 1
                cells = {name: row[place] for name, place in columns.items()}
                if garbled(cells.get("name", "")) is not None:
                    wrong.append((number, cells["name"]))
                if base := cells.get("parent", "").strip():
                    variants.setdefault(fold(base), []).append(Line(number, cells))
                if (own := cells.get("id", "").strip()) and ids.setdefault(own, number) != number:
                    raise refused(
                        "export-twice",
                        T("Product {id} stands in lines {first} and {second}.", id=own, first=ids[own], second=number),
                        T("An export has one line for each product."),
                        Where(file=file.name, line=number),
                    )
        if len(wrong) >= _GARBLED[0] and len(wrong) * _GARBLED[1] >= count:
            raise refused(
                "export-encoding",
                T("The names in {file} are garbled, such as {name}.", file=file.name, name=wrong[0][1][:60]),
                T("The shop's own export loses Cyrillic letters: use an add-on that writes UTF-8, or set `encoding`."),
                Where(file=file.name, line=wrong[0][0]),
            )
        return Fetched(file, path, headers, columns, variants)

    @contextmanager
    def _rows(self, file: RemoteFile, path: Path) -> Iterator[Iterator[tuple[int, tuple[str, ...]]]]:
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
        encoding = self._settings.export.encoding
        with path.open(encoding=_CODECS[encoding], newline="") as text:
            yield self._cells(file, csv.reader(text, delimiter=self._settings.export.delimiter, strict=True))

    def _cells(self, file: RemoteFile, reader: object) -> Iterator[tuple[int, tuple[str, ...]]]:
        rows: Iterator[Sequence[str]] = iter(reader)  # type: ignore[call-overload]  # csv names no type of its reader
        width = 0
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise refused(
                    "export-row",
                    T("{file} cannot be read: {words}", file=file.name, words=verbatim(str(error))),
                    T("A cell with the delimiter or a quote inside must stand in quotes; quotes inside are doubled."),
                    Where(file=file.name, line=_line(reader)),
                ) from None
            except UnicodeDecodeError as error:
                raise refused(
                    "export-encoding",
                    T(
                        "{path} is not {name}: byte {n} cannot be read.",
                        path=file.name,
                        name=self._settings.export.encoding,
                        n=error.start,
                    ),
                    T("Set `encoding` of the export."),
                    Where(file=file.name, line=_line(reader)),
                ) from None
            if row is None:
                return
            if not row:
                continue  # an empty line is no row to the shop either
            width = width or len(row)
            if len(row) != width:
                raise refused(
                    "export-row",
                    T(
                        "Line {line} has {seen} cells, the header has {expected}.",
                        line=_line(reader),
                        seen=len(row),
                        expected=width,
                    ),
                    T("The export may have been cut off; let it run again."),
                    Where(file=file.name, line=_line(reader)),
                )
            yield _line(reader), tuple(row)


def _line(reader: object) -> int:
    return int(getattr(reader, "line_num", 0))


def bad_cell(error: BadCell, fetched: Fetched, line: Line) -> Finding:
    """A cell that cannot be what its column is: the others of the export go on."""
    place = fetched.columns.get(error.column)
    where = Where(
        file=fetched.file.name, line=line.number, column=place + 1 if place is not None else None, element=error.column
    )
    text = T(
        "{article} (line {line}, `{name}`): {what} It is left as it is.",
        article=line.cells.get("code", "").strip()[:80] or line.cells.get("id", "").strip()[:80] or "?",
        line=line.number,
        name=error.column,
        what=error.text,
    )
    hint = T("Mend it in the shop, or say what the column is: `columns`.")
    return Finding("shop-export-cell", text, where, hint, Who.SITE, about=f"line:{line.number}:{error.column}")


def language_gone(fetched: Fetched, language: str) -> Finding | None:
    """The export has names in other languages only; None: it has them as the connection says, or none at all."""
    others = [one for one in fetched.headers if re.fullmatch(r"name_[a-z]{2}-[a-z]{2}", one.strip().casefold())]
    if "name" in fetched.columns or not others:
        return None
    return Finding(
        "language-gone",
        T("{file} has no texts in {language}: none are told.", file=fetched.file.name, language=language),
        Where(file=fetched.file.name, line=1),
        T("Its columns are: {names}. Correct `language`, or add it to the export.", names=", ".join(others)[:200]),
        Who.ADMIN,
        about=f"language:{language}",
    )


def refused(code: str, text: Text, hint: Text | None = None, where: Where | None = None) -> Refused:
    """An export that cannot be read as it is; told to the shop's developer."""
    return Refused(text, hint=hint, where=where, who=Who.SITE, code=f"shop-{code}")
