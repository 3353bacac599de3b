"""The file of stock and prices: rows that the shop has not taken yet, and new ones, merged by article. Pure.

Three columns as the task plug-in "WT update JShopping prices and quantity" reads them by PHP's ``fgetcsv``:
``id;qty;price``. An empty cell leaves what the shop has. Levels and prices are absolute, so a row may be taken twice;
but one that has been taken long ago must not come again, because the shop has sold since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.api import PHP_LINE_LIMIT, PhpCsvReader
from plugins.systems.joomshopping.mapping import fold

QTY, PRICE, OLD = "qty", "price", "old_price"
_PLAIN = re.compile(r"[^;\"\\\s]+")  # surely read as it stands
_QUOTED = re.compile(r"[;\"\r\n]|\A\s|\s\Z")
_NUMBER = re.compile(r"\d+\.\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a row, as it stands in the file, and when it was put there (aware)."""

    text: str
    at: datetime


@dataclass(slots=True)
class Row:
    """One article."""

    code: str
    cells: dict[str, Cell] = field(default_factory=dict)


Rows = dict[str, Row]  #: by what the shop takes for one code


def columns(*, old_price: bool) -> tuple[str, ...]:
    """The header of the file."""
    return ("id", QTY, PRICE, OLD) if old_price else ("id", QTY, PRICE)


def put(rows: Rows, code: str, cells: Mapping[str, str], now: datetime) -> None:
    """Set cells of an article; its others stay."""
    row = rows.setdefault(fold(code), Row(code))
    row.code = code
    row.cells |= {name: Cell(text, now) for name, text in cells.items()}


def fresh(rows: Rows, now: datetime, taken_after: timedelta | None) -> Rows:
    """The cells that cannot have been taken yet."""
    if taken_after is None:
        return rows
    left = {
        key: Row(row.code, {name: cell for name, cell in row.cells.items() if now - cell.at < taken_after})
        for key, row in rows.items()
    }
    return {key: row for key, row in left.items() if row.cells}


def written(rows: Rows, names: Sequence[str], *, header: bool) -> bytes:
    """The file, ordered by article."""
    lines = [";".join(names)] if header else []
    for row in sorted(rows.values(), key=lambda row: row.code):
        texts = [row.cells[name].text if name in row.cells else "" for name in names[1:]]
        lines.append(";".join([_quoted(row.code), *texts]))
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(text: str) -> str:
    # only where it must be: a backslash at the end harms nothing outside of quotes
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def can_be_written(code: str) -> bool:
    """Whether PHP reads this article out of a row as it is meant, whatever its locale."""
    if _PLAIN.fullmatch(code) and len(code) < PHP_LINE_LIMIT // 8:
        return True
    row = f"{_quoted(code)};1.00;\n".encode()
    for utf8 in (True, False):
        reader = PhpCsvReader(utf8=utf8)
        if [*reader.feed(row + b"next;2.00;\n"), *reader.close()] != [
            (code.encode(), b"1.00", b""),
            (b"next", b"2.00", b""),
        ]:
            return False
    return True


def read(data: bytes, names: Sequence[str], times: Mapping[str, Mapping[str, tuple[str, datetime]]], *, header: bool,
         now: datetime) -> Rows | None:  # fmt: skip
    """The rows of a file that lies there; None when it is no file of ours.

    ``times`` (see :func:`read_times`) tells since when; a cell that it does not know counts from ``now``.
    """
    reader = PhpCsvReader()
    lines = [*reader.feed(data.removeprefix(b"\xef\xbb\xbf")), *reader.close()]
    if header and lines and lines[0] == tuple(name.encode() for name in names):
        del lines[0]
    elif header and lines:
        return None
    rows: Rows = {}
    for line in lines:
        if line == (None,):
            continue
        try:
            cells = [(cell or b"").decode() for cell in line]
        except UnicodeDecodeError:
            return None
        if len(cells) != len(names) or not cells[0] or not all(_NUMBER.fullmatch(one) for one in cells[1:] if one):
            return None
        known = times.get(fold(cells[0]), {})
        row = rows.setdefault(fold(cells[0]), Row(cells[0]))
        for name, text in zip(names[1:], cells[1:], strict=True):
            if text:
                before, at = known.get(name, ("", now))
                row.cells[name] = Cell(text, min(at, now) if before == text else now)
    return rows


def times_of(rows: Rows) -> bytes:
    """What is kept beside the file: when each of its cells was put there."""
    told = {key: {n: [cell.text, cell.at.isoformat()] for n, cell in row.cells.items()} for key, row in rows.items()}
    return json.dumps(told, ensure_ascii=False, sort_keys=True).encode()


def read_times(data: bytes) -> dict[str, dict[str, tuple[str, datetime]]]:
    """What :func:`times_of` made; nothing where it is damaged: all counts from now then."""
    try:
        return {
            key: {name: (str(text), _aware(at)) for name, (text, at) in cells.items()}
            for key, cells in json.loads(data).items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment
