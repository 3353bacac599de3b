"""How catalogue CSV of any shape is read by a mapping."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.api import (
    Finding,
    FormatContext,
    Goods,
    GoodsFormat,
    GoodsShape,
    Rejected,
    T,
    Unread,
    Where,
    Who,
)
from plugins.formats._declared.csvfile import CsvFile, CsvRecord, Row, Sign, bad_width, read_csv
from plugins.formats._declared.orders import text_of
from plugins.formats._declared.rule import Loc, rules
from plugins.formats._declared.settings import check_rules
from plugins.formats._goods.assemble import MEND, Assembler, shape_of
from plugins.formats._goods.fields import GoodsSettings
from plugins.formats._goods.refusing import nothing

_NUMBERED = re.compile(r"#[1-9][0-9]{0,3}")


class CsvGoodsSettings(GoodsSettings):
    """Parameters of catalogue CSV of any shape; a path is the name of a column, or its number: `#3`."""

    delimiter: Sign = ";"
    """What stands between cells; `tab` for a tab."""
    quote: Annotated[str, Field(max_length=1)] = '"'
    """What stands around cells that need it; nothing (`""`) when quotes are plain letters."""
    header: bool = True
    """The first row names the columns; without it they are `#1`, `#2`, …"""
    skip: int = Field(default=0, ge=0, le=100)
    """Lines before the header that are left out."""

    @model_validator(mode="after")
    def _mapping_is_right(self) -> CsvGoodsSettings:
        if self.quote == self.delimiter:
            raise ValueError(T("`quote` and `delimiter` are the same."))
        found: list[tuple[Loc, ValueError]] = []
        if self.fields.named_options is not None:
            wrong = ValueError(T("A row of CSV has nothing below it: `each` has no meaning here."))
            found.append((("fields", "named_options"), wrong))
        check_rules(self, {}, self._mistake, found)
        return self

    def _mistake(self, _loc: Loc, path: str) -> ValueError | None:
        if self.header or _NUMBERED.fullmatch(path):
            return None
        return ValueError(T("Without a header a column goes by its number: `#1`, `#2`, …"))


class CsvGoods:
    """Reads catalogue CSV by a mapping."""

    def goods(self, data: bytes, settings: CsvGoodsSettings, context: FormatContext) -> Goods:
        """See GoodsFormat."""
        return _read(data, settings, context, thorough=False)[0]

    def shape(self, settings: CsvGoodsSettings) -> GoodsShape:
        """See GoodsFormat."""
        return shape_of(settings)


def unread(data: bytes, settings: CsvGoodsSettings, context: FormatContext) -> tuple[Unread, ...]:
    """Columns that the mapping does not read. Raises Rejected as reading does."""
    return _read(data, settings, context, thorough=True)[1].unread()


def _read(data: bytes, settings: CsvGoodsSettings, context: FormatContext, *, thorough: bool) -> tuple[Goods, CsvFile]:
    text, notes = text_of(data, settings, context.file)
    file = read_csv(
        text,
        file=context.file,
        delimiter=settings.delimiter,
        quote=settings.quote,
        header=settings.header,
        skip=settings.skip,
    )
    file.seen = set() if thorough else None
    wanted = dict.fromkeys(rule.path for _, _, rule in rules(settings.fields) if rule.path and rule.default is None)
    wrong = [words for paths in wanted if (words := file.missing(paths)) is not None]
    if wrong:
        # a column that was renamed must not look like one that is empty
        where = Where(context.file, settings.skip + 1)
        raise Rejected(findings=tuple(Finding("columns", words, where, hint) for words, hint in wrong))
    if not file.rows and not settings.allow_empty:
        raise nothing("#1", Where(context.file, 1), None)
    told: list[Finding] = list(notes)
    whole = []
    # where a delimiter inside of a cell has moved the others, the row has one more than its siblings
    usual = Counter(len(row.cells) for row in file.rows).most_common(1)
    width = max(usual[0][0] if usual else 0, file.width)
    for row in file.rows:
        bad = bad_width(file, row) or (_wider(file, row) if len(row.cells) > width else None)
        if bad is None:
            whole.append(row)
            continue
        left = T("Line {line} is left out: {words}", line=row.line, words=bad.text)
        told.append(replace(bad, code="goods-row", text=left, hint=bad.hint or MEND, who=Who.SITE))
    assembler = Assembler(settings, context, thorough=thorough)
    goods = assembler.read((CsvRecord(file, [row]) for row in whole), None, told)
    return replace(goods, rows=len(file.rows)), file


def _wider(file: CsvFile, row: Row) -> Finding:
    text = T("The row has {n} cells, and there are {columns} columns.", n=len(row.cells), columns=file.width)
    hint = T("A cell that has the delimiter or a line break inside stands in quotes.")
    return Finding("columns", text, Where(file.file, row.line), hint)


_: type[GoodsFormat] = CsvGoods
