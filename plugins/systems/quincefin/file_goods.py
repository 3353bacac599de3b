"""The goods that Quincefin has, from a table that it exports."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.api import ConfigError, T
from plugins.systems.quincefin.file_settings import GoodsTable
from plugins.systems.quincefin.mapping import Good, Goods


def read_goods(table: GoodsTable, base: Path) -> Goods:
    """Goods by article and name; rows are numbered from 1. Raises ConfigError for a table that cannot be read."""
    path = base / table.path
    try:
        rows = iter(list(_xlsx(path) if path.suffix.lower() == ".xlsx" else _csv(path, table)))
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, KeyError) as error:
        raise ConfigError(
            T("The goods in {path} cannot be read: {words}", path=str(path), words=str(error)),
            hint=T("Let `goods` of the connection name a table (CSV or XLSX) that Quincefin has exported."),
        ) from error
    titles = [one.strip().casefold() for one in next(rows, [])]
    try:
        article, name = titles.index(table.article.casefold()), titles.index(table.name.casefold())
    except ValueError as error:
        raise ConfigError(
            T("The table of goods {path} has no column {article} or {name}.", path=str(path), article=table.article,
              name=table.name),
            hint=T("Its columns are: {names}.", names=", ".join(titles) or "—"),
        ) from error  # fmt: skip
    return Goods(_goods(rows, article, name))


def _goods(rows: Iterator[Sequence[str]], article: int, name: int) -> Iterator[Good]:
    for number, row in enumerate(rows, 1):
        code = row[article].strip() if article < len(row) else ""
        if code:
            yield Good(number, "P", code, row[name].strip() if name < len(row) else "")


def _csv(path: Path, table: GoodsTable) -> Iterator[list[str]]:
    with path.open(encoding=table.encoding, newline="") as file:
        yield from csv.reader(file, delimiter=table.delimiter)


def _xlsx(path: Path) -> Iterator[list[str]]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except BadZipFile as error:
        raise ValueError(str(error)) from error
    try:
        for row in book.active.iter_rows(values_only=True):
            yield [_text(value) for value in row]
    finally:
        book.close()


def _text(value: Any) -> str:
    """A cell as people see it: an article that was typed as a number is told without a point."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
