"""Columns of values -> columns of cells. Whole columns at a time: the cost of an export is in its loops over cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

from pipeline.api import CELL, PART, Batch, Cells, T, Text, joined_cells, mapped_column, texts_of
from plugins.formats._columns.problems import NO_PRICE
from plugins.formats._columns.settings import TEMPLATE_FIELD
from plugins.formats._columns.spec import DATE, Spec, default_spec


class Problem(Protocol):
    """Is told of a row that cannot be written: what is wrong in which column, and what to do."""

    def __call__(self, row: int, column: str, code: str, text: Text, hint: Text | None = None) -> None: ...


_BREAKS = re.compile(r"\r\n|[\n\r\t]")


def cells(spec: Spec, batch: Batch, zone: ZoneInfo, *, keep_breaks: bool, problem: Problem) -> list[str]:
    """The column ``spec`` of ``batch``, one cell a row; what is wrong is told to ``problem``."""
    if spec.value is not None:
        return [spec.value] * batch.length
    made = _template(spec, batch, zone, problem) if spec.template is not None else _field(spec, batch, zone, problem)
    if spec.table:
        made = [spec.table.get(cell, cell) for cell in made]
    if not keep_breaks and not (spec.kind == "decimal" and spec.field and not spec.table):
        made = _without_breaks(made)
    if spec.required and "" in made:
        for row, cell in enumerate(made):
            if not cell:
                problem(row, spec.header, *_missing(spec))
    if spec.max_length is not None:
        for row, cell in enumerate(made):
            if len(cell) > spec.max_length:
                problem(
                    row,
                    spec.header,
                    "csv-cell-length",
                    T(
                        "{column} has {length} characters, and {limit} are allowed",
                        column=spec.header,
                        length=len(cell),
                        limit=spec.max_length,
                    ),
                )
    return made


def _missing(spec: Spec) -> tuple[str, Text, Text | None]:
    if spec.field.rpartition(" ")[2] == "price":  # a format calls what it has reckoned itself `yml price`
        return (
            NO_PRICE,
            T("it has no price"),
            T("Give it a price, or leave it out of the export: a missing price is never written as 0."),
        )
    return "csv-empty", T("{column} is empty", column=spec.header), None


def _field(spec: Spec, batch: Batch, zone: ZoneInfo, problem: Problem) -> list[str]:
    values = batch.columns[spec.field]
    match spec.kind:
        case "text":
            if isinstance(values, Cells):
                return values
            if set(map(type, values)) == {str}:
                return list(values)
            return ["" if value is None else str(value) for value in values]
        case "decimal" | "integer":
            return _decimals(spec, values, problem)
        case "date":
            return _dates(spec, values, zone)
        case "flag":
            return mapped_column(values, lambda value: spec.yes if value else spec.no)
        case "leaf":
            return mapped_column(values, lambda value: value[-1] if value else "")
        case "path" | "list":
            return _joined(spec, values, problem)
        case "pairs":
            return _pairs(spec, values, problem)


def _decimals(spec: Spec, values: Sequence[Decimal | None], problem: Problem) -> list[str]:
    fewest, most = spec.places
    texts = texts_of(values)
    if texts is None:
        texts = ["" if value is None else str(value) for value in values]
    # one price is that of many products: each different text is looked at once
    different = set(texts)
    if fewest and _plain_decimals(fewest, most).fullmatch("\n".join(different) + "\n"):
        made = list(texts)
    else:
        made = _fitted(spec, values, texts, different, problem)
    return made if spec.decimal_mark == "." else [cell.replace(".", spec.decimal_mark) for cell in made]


def _fitted(
    spec: Spec, values: Sequence[Decimal | None], texts: list[str], different: set[str], problem: Problem
) -> list[str]:
    fewest, most = spec.places
    zeros = "0" * fewest
    cells = {"": ""}
    for text in different:
        whole, point, fraction = text.partition(".")
        if len(fraction) <= most and whole.removeprefix("-").isdecimal() and (fraction.isdecimal() or not point):
            cells[text] = f"{whole}.{fraction}{zeros[len(fraction) :]}" if fraction or fewest else whole
    if different <= cells.keys():
        return list(map(cells.__getitem__, texts))
    made = []
    for row, text in enumerate(texts):
        cell = cells.get(text)
        value = values[row]
        if cell is None and value is not None:
            cell = _odd_decimal(spec, value, row, problem)
        made.append(cell or "")
    return made


@cache
def _plain_decimals(fewest: int, most: int) -> re.Pattern[str]:
    """A column of lines that stand as they should: with ``fewest`` to ``most`` digits after the point, or empty."""
    return re.compile(rf"(?:(?:-?[0-9]+\.[0-9]{{{fewest},{most}}})?\n)*")


def _odd_decimal(spec: Spec, value: Decimal, row: int, problem: Problem) -> str:
    """A number with an exponent, or with more digits after the point than the column has."""
    fewest, most = spec.places
    if not value.is_finite():
        problem(
            row,
            spec.header,
            "csv-number",
            T("{column} is no number: {value}", column=spec.header, value=str(value)),
        )
        return str(value)
    fitted = value.quantize(Decimal(1).scaleb(-most), ROUND_DOWN) if abs(value) < Decimal("1e18") else None
    if fitted is None or (fitted != value and not spec.round_down):
        problem(
            row,
            spec.header,
            "csv-number",
            T(
                "{column} is {value}, and the column has at most {places} digits after the point",
                column=spec.header,
                value=format(value, "f"),
                places=most,
            ),
            T("Round it in the source, or give the column more decimals."),
        )
        return str(value)
    whole, _, fraction = format(fitted, "f").partition(".")
    fraction = fraction.rstrip("0").ljust(fewest, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _dates(spec: Spec, values: Sequence[datetime | None], zone: ZoneInfo) -> list[str]:
    if spec.date_format == DATE:
        # isoformat is several times faster than strftime and gives the same.
        return mapped_column(
            values, lambda at: "" if at is None else at.astimezone(zone).isoformat(" ", "seconds")[:19]
        )
    return mapped_column(values, lambda at: "" if at is None else at.astimezone(zone).strftime(spec.date_format))


def _joined(spec: Spec, values: Sequence[Sequence[str]], problem: Problem) -> list[str]:
    separator = spec.separator
    texts = texts_of(values)
    if texts is not None and len(separator) == 1 and separator != CELL:
        whole = joined_cells(texts)
        if separator not in whole:
            cut = Cells(whole.replace(PART, separator), len(texts))
            if len(cut) == len(texts):
                return cut
    made = [separator.join(parts) for parts in values]
    for row, (cell, parts) in enumerate(zip(made, values, strict=True)):
        if parts and cell.count(separator) != len(parts) - 1:
            _split_otherwise(spec, next(part for part in parts if separator in part), row, problem)
    return made


def _pairs(spec: Spec, values: Sequence[Mapping[str, str]], problem: Problem) -> list[str]:
    texts = texts_of(values)
    if texts is not None and not any(texts):
        return [""] * len(texts)
    made: list[str] = []
    for row, options in enumerate(values):
        made.append(spec.separator.join(f"{name}:{value}" for name, value in options.items()))
        for name, value in options.items():
            if spec.separator in name + value or ":" in name:
                _split_otherwise(spec, f"{name}:{value}", row, problem)
    return made


def _split_otherwise(spec: Spec, part: str, row: int, problem: Problem) -> None:
    problem(
        row,
        spec.header,
        "csv-separator",
        T(
            "“{part}” has the separator “{separator}” of the column {column} inside",
            part=part,
            separator=spec.separator,
            column=spec.header,
        ),
        T("Rename it, or choose another separator in the format's parameters."),
    )


def _template(spec: Spec, batch: Batch, zone: ZoneInfo, problem: Problem) -> list[str]:
    """``{manufacturer} {code}``: every field is written as by default, and columns are put together row by row."""
    pieces = TEMPLATE_FIELD.split(spec.template or "")
    columns: list[Sequence[str]] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            part = replace(default_spec(piece), header=spec.header, field=piece, required=False)
            columns.append(_field(part, batch, zone, problem))
        else:
            columns.append([piece] * batch.length)
    return ["".join(row) for row in zip(*columns, strict=True)]


def _without_breaks(column: list[str]) -> list[str]:
    joined = joined_cells(column)
    if "\n" in joined or "\r" in joined or "\t" in joined:
        return [_BREAKS.sub(" ", cell) for cell in column]
    return column
