"""A table of products -> checked items, every mistake in one report. Pure but for reading the file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Finding, Rejected, T, Text, Where, Who
from plugins.systems.books.cells import BadCell, Numbers
from plugins.systems.books.columns import TEXTS, ColumnOf, product_column, reference_column
from plugins.systems.books.sheet import Sheet, read_sheet

_LIMITS = {"code": 200, "unit": 32, "barcode": 64}
_TOO_LONG = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Item:
    """One row, read. ``values`` has what the table's columns give; an empty cell gives None (or an empty string).

    Keys are ``code``, ``category`` …, and pairs for what repeats: ``("name", "uk-UA")``, ``("price", "cost")``,
    ``("stock", "main")``, ``("option", "Колір")``.
    """

    row: int
    code: str
    values: dict[str | tuple[str, str], Any]

    @property
    def content(self) -> str:
        """A hash of all that it says, to tell a changed row from an unchanged one."""
        said = repr(sorted((repr(key), repr(value)) for key, value in self.values.items()))
        return hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Table:
    """A read table: its items, and remarks that do not stop it."""

    file: str
    items: tuple[Item, ...]
    columns: frozenset[str | tuple[str, str]]
    notes: tuple[Text, ...] = ()
    left: tuple[Finding, ...] = ()  #: rows that are left out: they have no code, so that nobody can tell what they are


@dataclass(slots=True)
class Report:
    """Collects what is wrong, row by row."""

    file: str
    findings: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)  #: rows without a code: left out, and the others go on
    rows: int = 0  #: rows that have something in them

    def leave(self, row: int, place: tuple[int, str] | None) -> None:
        """A row without a code; ``place``: number and heading of the column that should have it."""
        column, header = place or (None, None)
        where = Where(file=self.file, line=row, column=column, element=header)
        text = T("The code is missing: the row is left out.")
        hint = T("Fill the code in and load the table again.")
        self.left.append(Finding("no-code", text, where, hint, Who.ACCOUNTANT))

    def add(self, text: Text, row: int, column: int | None = None, header: str | None = None) -> None:
        """One mistake; ``column`` counts from 1."""
        where = Where(file=self.file, line=row, column=column, element=header)
        self.findings.append(Finding("table", text, where, None, Who.ACCOUNTANT))

    def close_head(self) -> None:
        """Raises Rejected with what is wrong with the headings."""
        if self.findings:
            self.close()

    def close(self) -> None:
        """Raises Rejected with every finding, in the order of the table."""
        # more rows without a code than with one: cells are shifted, or it is another table
        if self.findings or len(self.left) * 2 >= max(self.rows, 1):
            found = sorted((*self.findings, *self.left), key=lambda f: (f.where.line or 0, f.where.column or 0))
            raise Rejected(T("{file} was not loaded.", file=self.file), findings=tuple(found))


def read_products(
    path: Path,
    *,
    zone: ZoneInfo,
    language: str = "uk-UA",
    warehouse: str = "main",
    numbers: Numbers = "auto",
    encoding: str | None = None,
) -> Table:
    """The products in ``path``. ``language`` is that of columns without one, ``warehouse`` that of plain ``stock``.

    Rows without a code are left out and told in ``left``, as long as most have one: the others do not lean on them.
    Raises Rejected with a finding for each wrong cell (row, column, header).
    """
    sheet = read_sheet(path, encoding)
    report = Report(path.name)
    columns = _columns(sheet, report, numbers, zone, language, warehouse)
    report.close_head()
    items = list(_items(sheet, columns, report))
    _twins(items, report)
    report.close()
    known = frozenset(key for key, _ in columns.values())
    return Table(path.name, tuple(items), known, sheet.notes, tuple(report.left))


def read_references(
    path: Path, kinds: tuple[str, ...], encoding: str | None = None
) -> tuple[list[dict[str, str]], tuple[Finding, ...]]:
    """The references in ``path``, each with ``kind``, ``code``, ``name`` …; and the rows that are left out.

    Raises Rejected with every mistake.
    """
    sheet = read_sheet(path, encoding)
    report = Report(path.name)
    fields: dict[int, str] = {}
    for n, header in enumerate(sheet.headers):
        match reference_column(header):
            case str(name):
                fields[n] = name
            case Text() as wrong:
                report.add(wrong, 1, n + 1, header)
    report.close_head()
    rows = []
    coded = next(((n + 1, sheet.headers[n]) for n, name in fields.items() if name == "code"), None)
    for number, cells in enumerate(sheet.rows, 2):
        row = {name: cells[n].strip() for n, name in fields.items()}
        if not any(row.values()):
            continue
        report.rows += 1
        if not row.get("code"):
            report.leave(number, coded)
            continue
        if row.get("kind") not in kinds:
            report.add(T("There is no reference of kind {kind}.", kind=row.get("kind", "")), number)
        rows.append(row)
    report.close()
    return rows, tuple(report.left)


def is_references(path: Path, encoding: str | None = None) -> bool:
    """Whether the table in ``path`` holds references (it has a column for their kind) and not products."""
    found = {reference_column(header) for header in read_sheet(path, encoding).headers}
    return "kind" in found


def _columns(
    sheet: Sheet, report: Report, numbers: Numbers, zone: ZoneInfo, language: str, warehouse: str
) -> dict[int, tuple[str | tuple[str, str], ColumnOf]]:
    columns: dict[int, tuple[str | tuple[str, str], ColumnOf]] = {}
    seen: dict[str | tuple[str, str], str] = {}
    for n, header in enumerate(sheet.headers):
        column = product_column(header, numbers, zone, language)
        if column is None:
            continue
        if isinstance(column, Text):
            report.add(column, 1, n + 1, header)
            continue
        detail = column.detail or (warehouse if column.field == "stock" else "")
        key = (column.field, detail) if column.field in (*TEXTS, "price", "stock", "option") else column.field
        if key in seen:
            report.add(
                T("Columns {first} and {second} mean the same.", first=seen[key], second=header), 1, n + 1, header
            )
        seen[key] = header
        columns[n] = (key, column)
    if "code" not in seen:
        report.add(T("There is no column with the product's code."), 1)
    return columns


def _items(sheet: Sheet, columns: dict[int, tuple[str | tuple[str, str], ColumnOf]], report: Report) -> Iterator[Item]:
    coded = next(((n, sheet.headers[n]) for n, (key, _) in columns.items() if key == "code"), None)
    for row, cells in enumerate(sheet.rows, 2):
        if not any(cells):
            continue
        report.rows += 1
        if coded is not None and not cells[coded[0]].strip():
            report.leave(row, (coded[0] + 1, coded[1]))
            continue
        values: dict[str | tuple[str, str], Any] = {}
        for n, (key, column) in columns.items():
            cell = cells[n]
            header = sheet.headers[n]
            if not cell.strip():
                values[key] = None
                continue
            try:
                value = column.read(cell)
            except BadCell as error:
                report.add(error.text, row, n + 1, header)
                continue
            if wrong := _wrong(column.field, value):
                report.add(wrong, row, n + 1, header)
            values[key] = value
        code = values.get("code")
        if not code:  # it is there and cannot be read, which is told
            continue
        if values.get("parent") == code:
            report.add(T("Product {code} names itself as its base.", code=code), row)
        start, end = values.get("special_start"), values.get("special_end")
        if start and end and start >= end:
            report.add(T("The special price of {code} ends before it starts.", code=code), row)
        if (start or end) and values.get("special_price") is None:
            report.add(T("The special price of {code} has dates but no price.", code=code), row)
        yield Item(row, code, values)


def _wrong(name: str, value: Any) -> Text | None:
    if isinstance(value, Decimal):
        exponent = value.normalize().as_tuple().exponent
        if abs(value) >= _TOO_LONG or (isinstance(exponent, int) and exponent < -6):
            return T("{value} has too many digits.", value=str(value))
        if name == "tax_rate" and value > 100:
            return T("A tax of {value} % cannot be.", value=value)
    if isinstance(value, str) and len(value) > _LIMITS.get(name, 10**6):
        return T("{value} is longer than {n} characters.", value=value[:40] + "…", n=_LIMITS[name])
    if name == "currency" and not re.fullmatch(r"[A-Z]{3}", str(value)):
        return T("{value} is not a currency code such as UAH.", value=str(value))
    return None


def _twins(items: list[Item], report: Report) -> None:
    rows: dict[str, int] = {}
    for item in items:
        if item.code in rows:
            report.add(T("Product {code} stands in row {row} already.", code=item.code, row=rows[item.code]), item.row)
        rows.setdefault(item.code, item.row)
