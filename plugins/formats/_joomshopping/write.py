"""Batches of the catalogue -> pieces of the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pipeline.api import CELL, Batch, Chunk, ColumnRows, Finding, Held, T, Where, joined_cells
from plugins.formats._columns.convert import cells
from plugins.formats._columns.problems import Found, Problems, only
from plugins.formats._columns.spec import Spec
from plugins.formats._joomshopping.layout import Layout

# PHP up to 7 lets a backslash shield across following letters beyond ASCII, PHP 8 only the next one: both are avoided.
_TRAP = re.compile(r"\\(?=[^\x00-\x7f]*(?:\"|\Z))")


def compares_leaves(layout: Layout) -> bool:
    """Whether the category of a row may not be written because of that of a row before it."""
    return layout.settings.same_leaf == "refuse" and any(spec.kind == "leaf" for spec in layout.specs)


class Writer:
    """Writes one file. :meth:`chunks` raises Held at its end with all that could not be written."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        settings = layout.settings
        self._delimiter = settings.delimiter
        self._quotable = re.compile(f'[{re.escape(settings.delimiter)}"\n\r]')
        self._keep_breaks = settings.newlines == "keep"
        self._found = Found(layout.context.file)
        self._notes: list[Finding] = []
        self._leaves: dict[str, tuple[str, ...]] = {}
        self._leaf_only = compares_leaves(layout)

    def chunks(self, batches: Iterable[Batch], *, rest: bool = False) -> Iterator[Chunk]:
        """The file, header first; ``rest``: what follows a first part of it."""
        if self._layout.settings.header and not rest:
            header = self._delimiter.join(self._quoted([spec.header for spec in self._layout.specs], None))
            yield Chunk(self._encoded_header(header + "\n"), (), ())
        for batch in batches:
            chunk = self._chunk(batch)
            if chunk.codes:
                yield chunk
        self._found.raise_held()

    def _chunk(self, batch: Batch) -> Chunk:
        if self._layout.settings.variants == "skip" and any(batch.columns["parent"]):
            batch = only(batch, [not parent for parent in batch.columns["parent"]])
        codes = [str(code) for code in batch.columns["code"]]
        problems = Problems(self._found, codes)
        zone = self._layout.context.timezone
        columns = [
            cells(spec, batch, zone, keep_breaks=self._keep_breaks, problem=problems) for spec in self._layout.specs
        ]
        if self._leaf_only:
            self._check_leaves(batch, problems)
        if self._layout.settings.backslash == "refuse":
            self._check_backslashes(columns, problems)
        while True:
            codes, columns = problems.without_bad(columns)
            if not codes:
                return Chunk(b"", (), ())
            try:
                return self._pack(codes, columns)
            except UnicodeEncodeError:
                problems = Problems(self._found, codes)
                self._check_encoding(columns, problems)

    def _pack(self, codes: list[str], columns: list[list[str]]) -> Chunk:
        self._notes = []
        meant = []
        written = []
        for spec, column in zip(self._layout.specs, columns, strict=True):
            safe, quoted = self._safe(column, codes, spec)
            meant.append(safe)
            written.append(quoted)
        codec = self._layout.codec
        # line by line: as one text of megabytes they are encoded into far more room than they need
        lines = [line.encode(codec) for line in map(self._delimiter.join, zip(*written, strict=True))]
        data = b"\n".join([*lines, b""])
        return Chunk(data, codes, ColumnRows(meant, len(codes)), tuple(self._notes))

    def _safe(self, column: list[str], codes: list[str], spec: Spec) -> tuple[list[str], list[str]]:
        """The cells as they are meant, with backslashes made harmless, and the same as they stand in the file."""
        joined = joined_cells(column)
        if "\\" in joined:
            column = [
                self._harmless(cell, codes[row], spec) if "\\" in cell and self._needs_quotes(cell) else cell
                for row, cell in enumerate(column)
            ]
            return column, self._quoted(column, None)
        return column, self._quoted(column, joined)

    def _harmless(self, cell: str, code: str, spec: Spec) -> str:
        safe = _TRAP.sub("\\\\ ", cell)
        if safe != cell and self._layout.settings.backslash == "space":
            text = T(
                "Product {code}: a space was put behind a backslash in {column}, because PHP would have read on past "
                "the end of the cell.",
                code=code,
                column=spec.header,
            )
            self._notes.append(Finding("csv-backslash", text, Where(element=spec.header)))
        return safe

    def _needs_quotes(self, cell: str) -> bool:
        return self._quotable.search(cell) is not None

    def _quoted(self, column: list[str], joined: str | None) -> list[str]:
        if len(self._layout.specs) == 1:
            # An empty line is no row to PHP, an empty pair of quotes is.
            return [
                '"' + cell.replace('"', '""') + '"' if not cell or self._needs_quotes(cell) else cell for cell in column
            ]
        joined = joined_cells(column) if joined is None else joined
        # Looks for one character after another are much faster than one for a class of them.
        match [sign for sign in (self._delimiter, '"', "\n", "\r") if sign in joined]:
            case []:
                return column
            case [sign]:
                doubled = _doubled(column, joined) if sign == '"' else column
                return [f'"{cell}"' if sign in cell else cell for cell in doubled]
            case [sign, '"']:
                return [f'"{cell}"' if '"' in cell or sign in cell else cell for cell in _doubled(column, joined)]
        search = self._quotable.search
        return ['"' + cell.replace('"', '""') + '"' if search(cell) else cell for cell in column]

    def _encoded_header(self, header: str) -> bytes:
        try:
            return header.encode(self._layout.codec)
        except UnicodeEncodeError as error:
            text = T(
                "A column's header cannot be written in {encoding}: {letter}",
                encoding=self._layout.settings.encoding,
                letter=header[error.start],
            )
            raise Held(text, code="csv-encoding") from error

    def _check_encoding(self, columns: list[list[str]], problems: Problems) -> None:
        for spec, column in zip(self._layout.specs, columns, strict=True):
            for row, cell in enumerate(column):
                try:
                    cell.encode(self._layout.codec)
                except UnicodeEncodeError as error:
                    letter = cell[error.start]
                    problems(
                        row,
                        spec.header,
                        "csv-encoding",
                        T(
                            "{column} has the character “{letter}” ({number}), which {encoding} does not have",
                            column=spec.header,
                            letter=letter if letter.isprintable() else "?",
                            number=f"U+{ord(letter):04X}",
                            encoding=self._layout.settings.encoding,
                        ),
                        T("Replace the character, or export in UTF-8 (`encoding: utf-8`)."),
                    )

    def _check_backslashes(self, columns: list[list[str]], problems: Problems) -> None:
        for spec, column in zip(self._layout.specs, columns, strict=True):
            for row, cell in enumerate(column):
                if "\\" in cell and self._needs_quotes(cell) and _TRAP.search(cell):
                    problems(
                        row,
                        spec.header,
                        "csv-backslash",
                        T("{column} has a backslash before a quote or at its end", column=spec.header),
                        T("Take the backslash away, or let a space be put behind it (`backslash: space`)."),
                    )

    def _check_leaves(self, batch: Batch, problems: Problems) -> None:
        """The shop keeps one category a name: two that share their last name would become one."""
        for row, path in enumerate(batch.columns["category"]):
            if path and self._leaves.setdefault(path[-1], tuple(path)) != tuple(path):
                problems(
                    row,
                    "category",
                    "csv-same-leaf",
                    T(
                        "its category “{path}” would become one with “{other}”, because only the last name is written",
                        path="/".join(path),
                        other="/".join(self._leaves[path[-1]]),
                    ),
                    T("Rename one of them, write the whole path (`category: path`) or allow it (`same_leaf: allow`)."),
                )


def _doubled(column: list[str], joined: str) -> list[str]:
    """The cells with their quotes doubled: all at once, which is several times as fast as one by one."""
    doubled = joined.replace('"', '""').split(CELL)
    return doubled if len(doubled) == len(column) else [cell.replace('"', '""') for cell in column]
