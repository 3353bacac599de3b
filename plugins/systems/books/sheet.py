"""Reads a CSV or XLSX table into rows of text, exactly as written: no number, date or "NA" is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from pipeline.api import Finding, Rejected, T, Text, Where, Who, verbatim

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its header, its rows below (row 2 is the first), and remarks about how it was read."""

    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[Text, ...] = ()


def read_sheet(path: Path, encoding: str | None = None) -> Sheet:
    """The table in ``path`` (``.csv``, ``.txt`` or ``.xlsx``). Raises Rejected when it cannot be read whole."""
    try:
        return _excel(path) if path.suffix.lower() in {".xlsx", ".xlsm"} else _csv(path, encoding)
    except OSError as error:
        raise _rejected(path, T("{path} cannot be read: {words}", path=str(path), words=error.strerror or "")) from None


def _csv(path: Path, encoding: str | None) -> Sheet:
    import pandas as pd

    text, notes = _decode(path, path.read_bytes(), encoding)
    if not text.strip():
        raise _rejected(path, T("{path} is empty.", path=path.name))
    first = text.splitlines()[0]
    separator = max(";\t,", key=first.count)
    try:
        frame = pd.read_csv(
            StringIO(text), sep=separator, header=None, dtype=str, na_filter=False, skip_blank_lines=False, engine="c"
        )
    except pd.errors.ParserError as error:
        if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
            expected, line, seen = (int(group) for group in found.groups())
            raise _rejected(
                path,
                T("Line {line} has {seen} cells, the header has {expected}.", line=line, seen=seen, expected=expected),
                Where(file=path.name, line=line),
                T("A cell that holds the separator must stand in double quotes."),
            ) from None
        raise _rejected(path, verbatim(str(error))) from None
    except UnicodeError as error:
        raise _rejected(path, verbatim(str(error))) from None
    return _sheet(path, list(frame.fillna("").itertuples(index=False, name=None)), notes)


def _excel(path: Path) -> Sheet:
    import zipfile

    import pandas as pd
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        frame = pd.read_excel(path, header=None, dtype=str, na_filter=False, engine="openpyxl")
    except (ValueError, KeyError, zipfile.BadZipFile, InvalidFileException) as error:
        raise _rejected(
            path,
            T("{path} is not a workbook that can be read: {words}", path=path.name, words=str(error)),
            hint=T("Open it in a spreadsheet program and save it as XLSX or CSV (UTF-8)."),
        ) from None
    rows = [
        # a date cell comes with a midnight that nobody typed
        tuple(re.sub(r"^(\d{4}-\d\d-\d\d) 00:00:00$", r"\1", cell) for cell in row)
        for row in frame.fillna("").itertuples(index=False, name=None)
    ]
    return _sheet(path, rows, ())


def _sheet(path: Path, rows: list[tuple[str, ...]], notes: tuple[Text, ...]) -> Sheet:
    if not rows:
        raise _rejected(path, T("{path} is empty.", path=path.name))
    return Sheet(tuple(cell.strip() for cell in rows[0]), rows[1:], notes)


def _decode(path: Path, data: bytes, encoding: str | None) -> tuple[str, tuple[Text, ...]]:
    for bom, name in _BOMS:
        if data.startswith(bom):
            data, encoding = data[len(bom) :], name
            break
    try:
        return data.decode(encoding or "utf-8"), ()
    except LookupError:
        raise _rejected(path, T("There is no encoding called {name}.", name=encoding or "")) from None
    except UnicodeDecodeError as error:
        if encoding:
            raise _rejected(
                path,
                T("{path} is not {name}: byte {n} cannot be read.", path=path.name, name=encoding, n=error.start),
                hint=T("Save it as UTF-8, or name its encoding."),
            ) from None
    try:
        text = data.decode("windows-1251")
    except UnicodeDecodeError:
        raise _rejected(
            path,
            T("{path} is neither UTF-8 nor windows-1251.", path=path.name),
            hint=T("Save it as UTF-8, or name its encoding."),
        ) from None
    return text, (T("{path} is not UTF-8; it was read as windows-1251.", path=path.name),)


def _rejected(path: Path, text: Text, where: Where | None = None, hint: Text | None = None) -> Rejected:
    finding = Finding("table", text, where or Where(file=path.name), hint, Who.ACCOUNTANT)
    return Rejected(findings=(finding,))
