"""The catalogue as CSV as RFC 4180 has it: quotes around cells that need them, quotes inside doubled."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.api import (
    Batch,
    CatalogueChecker,
    Chunk,
    Finding,
    FormatContext,
    Goods,
    GoodsShape,
    Settings,
    T,
    Where,
    known_encoding,
)
from plugins.formats._columns.rows import Rows, fields_of
from plugins.formats._columns.settings import Column
from plugins.formats._columns.spec import Spec, spec_of
from plugins.formats._goods.csvgoods import CsvGoods, CsvGoodsSettings
from plugins.formats._goods.readback import mapping_of

LIMIT = 100  #: findings that are told one by one
_NO_LETTERS = Finding("csv-read", T("The bytes of the file are no letters of its encoding."))
_ENDS = {"lf": "\n", "crlf": "\r\n"}


class CatalogueCsvSettings(Settings):
    """Parameters of a catalogue CSV with declared columns."""

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    """The columns, in order."""
    delimiter: Annotated[
        str, Field(min_length=1, max_length=1), BeforeValidator(lambda v: "\t" if v in ("tab", "\\t") else v)
    ] = ";"
    """What stands between cells; `tab` for a tab."""
    quoting: Literal["needed", "all"] = "needed"
    """Quotes around cells that need them, or around all."""
    header: bool = True
    """The first row names the columns."""
    line_end: Literal["lf", "crlf"] = "lf"
    """How a row ends: `lf`, or `crlf` as Windows programs write it."""
    encoding: str = "utf-8"
    """A character that it does not have stops the export, naming product and character."""
    bom: bool = False
    """Begin with a byte order mark, by which Excel knows UTF-8."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")], ...] = ()
    """Language of texts that name none; the client's catalogue language when not given."""
    variants: Literal["rows", "skip"] = "rows"
    """A row for each variant too, or base products only."""
    path_separator: Annotated[str, Field(min_length=1)] = "/"
    """Between the categories of a path."""
    list_separator: Annotated[str, Field(min_length=1)] = "|"
    """Between the parts of a list."""
    newlines: Literal["space", "keep"] = "space"
    """Line breaks and tabs inside a text: one space instead, or kept inside quotes."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        if known_encoding(value) is None:
            raise ValueError(T("`{value}` is no encoding; write windows-1251, utf-8 or utf-16.", value=value))
        return value

    @model_validator(mode="after")
    def _fits(self) -> CatalogueCsvSettings:
        headers = [column.header for column in self.columns]
        if len(set(headers)) != len(headers):
            raise ValueError(T("Two columns have the same header."))
        if self.delimiter in ('"', "\n", "\r"):
            raise ValueError(T("`{sign}` cannot stand between cells.", sign=self.delimiter))
        if self.bom and not self.codec.startswith("utf-8"):
            raise ValueError(T("`bom` is for UTF-8; UTF-16 always has one."))
        return self

    @property
    def codec(self) -> str:
        """The encoding by its proper name."""
        return known_encoding(self.encoding) or "utf-8"

    def specs(self, context: FormatContext) -> tuple[Spec, ...]:
        """How the columns are written. Only the code is needed, and what is said to be."""
        language = self.languages[0] if self.languages else context.language
        made = [
            spec_of(column, language, path_separator=self.path_separator, list_separator=self.list_separator)
            for column in self.columns
        ]
        return tuple(
            replace(spec, required=column.required or column.field == "code")
            for spec, column in zip(made, self.columns, strict=True)
        )

    def reading(self, language: str = "") -> CsvGoodsSettings:
        """The mapping by which a file of these columns is read. Raises ConfigError without a column of codes."""
        columns = [
            (column.header if self.header else f"#{place}", column)
            for place, column in enumerate(self.columns, 1)
            if column.field is not None
        ]
        mapping = mapping_of(
            columns,
            path_separator=self.path_separator,
            list_separator=self.list_separator,
            language=self.languages[0] if self.languages else language,
        )
        own = {"delimiter": self.delimiter, "header": self.header, "encoding": self.encoding}
        return CsvGoodsSettings.model_validate({**mapping, **own})


class CatalogueCsv:
    """The format; it keeps nothing between files."""

    def goods(self, data: bytes, settings: CatalogueCsvSettings, context: FormatContext) -> Goods:
        """See GoodsFormat: a file of these columns, whoever wrote it."""
        return CsvGoods().goods(data, settings.reading(context.language), context)

    def shape(self, settings: CatalogueCsvSettings) -> GoodsShape:
        """See GoodsFormat."""
        return CsvGoods().shape(settings.reading())

    def fields(self, settings: CatalogueCsvSettings, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS the columns need."""
        return fields_of(settings.specs(context))

    def encode(
        self,
        batches: Iterable[Batch],
        settings: CatalogueCsvSettings,
        context: FormatContext,
        *,
        without_price: bool = False,
    ) -> Iterator[Chunk]:
        """The file, header first. Raises Held at the end, with every product that cannot be written and why.

        ``without_price``: what has none is left out and told in the notes.
        """
        specs = settings.specs(context)
        rows = Rows(
            specs,
            context,
            encoding=settings.codec,
            variants=settings.variants == "rows",
            keep_breaks=settings.newlines == "keep",
            forbidden="\0",
            without_price=without_price,
        )
        encoder = codecs.getincrementalencoder(settings.codec)()
        if settings.bom:
            yield Chunk(codecs.BOM_UTF8, (), ())
        if settings.header:
            header = _lines([[spec.header for spec in specs]], settings)
            yield Chunk(encoder.encode(header), (), ())
        for batch in batches:
            codes, columns, _ = rows.of(batch)
            if codes:
                made = list(zip(*columns, strict=True))
                yield Chunk(encoder.encode(_lines(made, settings)), codes, made)
        rows.found.raise_held()
        if left := rows.found.left_out():
            yield Chunk(b"", (), (), left)

    def checker(self, settings: CatalogueCsvSettings, context: FormatContext) -> CatalogueChecker:
        """Reads one file back by the CSV reader of the standard library."""
        return Checker(settings, context)

    def read(self, data: bytes, settings: CatalogueCsvSettings, context: FormatContext) -> Iterator[Sequence[str]]:
        """The rows as CSV has them, under the names of the columns."""
        text = data.decode("utf-8-sig" if settings.bom else settings.codec, "replace")
        if not settings.header:
            yield tuple(spec.header for spec in settings.specs(context))
        yield from read_rows(text, settings.delimiter)


def _lines(rows: Iterable[Sequence[str]], settings: CatalogueCsvSettings) -> str:
    # not csv.writer: before Python 3.13 it leaves a lone carriage return without quotes
    needs = re.compile(f'[{re.escape(settings.delimiter)}"\n\r]').search

    def written(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if needs(cell) or quoted or (alone and not cell) else cell

    quoted, alone = settings.quoting == "all", len(settings.columns) == 1  # an empty line would be no row
    end = _ENDS[settings.line_end]
    return "".join(settings.delimiter.join(map(written, row)) + end for row in rows)


def read_rows(text: str, delimiter: str) -> list[list[str]]:
    """The rows of a piece of CSV. Cells of any length: the standard library's reader stops at 128 KB."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        pass
    cell = re.compile(rf'(?:"((?:[^"]|"")*)"|([^{re.escape(delimiter)}"\r\n]*))({re.escape(delimiter)}|\r\n|\n|\r|\Z)')
    rows: list[list[str]] = [[]]
    at = 0
    while at < len(text):
        found = cell.match(text, at)
        if found is None:
            return rows  # what is missing is told by whoever compares
        rows[-1].append(found[2] if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
        if found[3] != delimiter:
            rows.append([])
    return rows if rows[-1] else rows[:-1]


class Checker:
    """Every row read back must be the row that was meant; a piece of the file ends where a row does."""

    def __init__(self, settings: CatalogueCsvSettings, context: FormatContext) -> None:
        self._settings = settings
        self._file = context.file
        self._specs = settings.specs(context)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if settings.bom else settings.codec)()
        self._header: list[str] | None = [spec.header for spec in self._specs] if settings.header else None
        self._told = 0
        self._codes: set[str] = set()

    def feed(self, chunk: Chunk) -> Sequence[Finding]:
        """What of ``chunk`` would be read otherwise than meant."""
        try:
            text = self._decoder.decode(chunk.data)
        except UnicodeDecodeError:
            return [_NO_LETTERS]
        meant: list[tuple[str, Sequence[str]]] = list(zip(chunk.codes, chunk.rows, strict=True))
        if text and self._header is not None:
            meant, self._header = [("", self._header), *meant], None
        read = read_rows(text, self._settings.delimiter)
        found: list[Finding] = []
        for index, (code, cells) in enumerate(meant):
            if index >= len(read) or list(cells) != read[index]:
                found += self._differs(code, cells, read[index] if index < len(read) else [])
            if code and code in self._codes:
                text_ = T("Product {code} stands twice in the file.", code=code)
                found.append(Finding("twin-code", text_, Where(self._file or None)))
            self._codes.add(code)
        if len(read) > len(meant):
            found.append(Finding("csv-read", T("Rows too many would be read: {n}.", n=len(read) - len(meant))))
        return self._limited(found)

    def close(self) -> Sequence[Finding]:
        """What the end of the file shows."""
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return [Finding("csv-read", T("The file ends in the middle of a letter."))]
        if self._told > LIMIT:
            return [Finding("csv-more", T("{n} more rows would be read otherwise.", n=self._told - LIMIT))]
        return []

    def _differs(self, code: str, meant: Sequence[str], read: Sequence[str]) -> list[Finding]:
        for index, cell in enumerate(meant):
            got = read[index] if index < len(read) else ""
            if got != cell or index >= len(read):
                header = self._specs[index].header
                text = T("Product {code}: {column} would be read as “{read}”.", code=code, column=header, read=got[:60])
                return [Finding("csv-read", text, Where(self._file or None, element=header))]
        return [Finding("csv-read", T("Product {code} would be read with cells too many.", code=code))]

    def _limited(self, found: list[Finding]) -> list[Finding]:
        room = max(0, LIMIT - self._told)
        self._told += len(found)
        return found[:room]
