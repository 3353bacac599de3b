"""``keycrm-import``: a table of products for KeyCRM's own import of files, for accounts whose plan has no API.

KeyCRM's imports take ``.xlsx``, ``.csv`` and ``.ods``, in UTF-8 (help.keycrm.app, on importing cards from a file). That
whoever imports chooses there which column is which is inferred; so the headers are words for them, and can be changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import IO, Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.api import (
    Batch,
    CatalogueChecker,
    CatalogueFormat,
    Chunk,
    Finding,
    FormatContext,
    FormatPlugin,
    Settings,
    T,
    Where,
)
from plugins.formats._columns.csvout import CatalogueCsv, CatalogueCsvSettings
from plugins.formats._columns.rows import Rows, fields_of
from plugins.formats._columns.settings import Column
from plugins.formats._columns.spec import Spec
from plugins.formats._xmlout.write import FORBIDDEN

CELL = 32_767  #: letters that a cell of a spreadsheet holds
ROWS = 1_048_575  #: rows of a sheet, without the header
_PIECE = 65_536
_MEMORY = 16_000_000  #: bytes that wait in memory before they wait on the disk
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  #: the first moment that a ZIP knows
LIMIT = 100


def _columns() -> tuple[Column, ...]:
    return tuple(
        Column.model_validate(one)
        for one in (
            {"header": "Назва", "field": "name"},
            {"header": "Артикул", "field": "code"},
            {"header": "Артикул товару", "field": "parent"},
            {"header": "Характеристики", "field": "options", "separator": "; "},
            {"header": "Ціна", "field": "price", "required": True},
            {"header": "Собівартість", "field": "price.cost"},
            {"header": "Валюта", "field": "currency"},
            {"header": "Залишок", "field": "stock", "decimals": 3},
            {"header": "Одиниця", "field": "unit"},
            {"header": "Категорія", "field": "category", "separator": " / "},
            {"header": "Штрихкод", "field": "barcode"},
            {"header": "Вага", "field": "weight"},
            {"header": "Опис", "field": "description"},
            {"header": "Зображення", "field": "image"},
        )
    )


class KeycrmImportSettings(Settings):
    """Parameters of the table for KeyCRM's import."""

    file: Literal["xlsx", "csv"] = "xlsx"
    """A spreadsheet, in which codes stay texts and prices are numbers, or CSV."""
    columns: Annotated[tuple[Column, ...], Field(min_length=1)] = Field(default_factory=_columns)
    """The columns, in order; which is which is chosen in KeyCRM when the file is imported."""
    variants: Literal["rows", "skip"] = "rows"
    """A row for each variant too, or base products only."""
    language: Annotated[str, Field(pattern=r"^([a-z]{2}-[A-Z]{2})?$")] = ""
    """Language of texts that name none; the client's catalogue language when not given."""

    @model_validator(mode="after")
    def _as_csv(self) -> KeycrmImportSettings:
        self.csv()
        return self

    def csv(self) -> CatalogueCsvSettings:
        """The same as CSV: comma, UTF-8."""
        return CatalogueCsvSettings(
            columns=self.columns,
            delimiter=",",
            variants=self.variants,
            languages=(self.language,) if self.language else (),
        )

    def specs(self, context: FormatContext) -> tuple[Spec, ...]:
        """How the columns are written; no cell is longer than a spreadsheet's."""
        return tuple(replace(spec, max_length=min(spec.max_length or CELL, CELL)) for spec in self.csv().specs(context))


def _numeric(spec: Spec) -> bool:
    return spec.kind in ("decimal", "integer") and spec.decimal_mark == "." and not spec.table and bool(spec.field)


class KeycrmImport:
    """The format; it keeps nothing between files."""

    def fields(self, settings: KeycrmImportSettings, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS the columns need."""
        return fields_of(settings.specs(context))

    def encode(
        self, batches: Iterable[Batch], settings: KeycrmImportSettings, context: FormatContext
    ) -> Iterator[Chunk]:
        """The file. What has no price is left out and told in the notes.

        Raises Held at the end, with every product that cannot be written for another reason, and why.
        """
        if settings.file == "csv":
            return CatalogueCsv().encode(batches, settings.csv(), context, without_price=True)
        return _spreadsheet(batches, settings, context)

    def checker(self, settings: KeycrmImportSettings, context: FormatContext) -> CatalogueChecker:
        """Reads one file back."""
        if settings.file == "csv":
            return CatalogueCsv().checker(settings.csv(), context)
        return SheetChecker(settings.specs(context), context.file)


def _spreadsheet(batches: Iterable[Batch], settings: KeycrmImportSettings, context: FormatContext) -> Iterator[Chunk]:
    """Rows are handed on as they are made; the bytes come when all are, as a spreadsheet is a ZIP."""
    specs = settings.specs(context)
    rows = Rows(
        specs,
        context,
        encoding="utf-8",
        variants=settings.variants == "rows",
        keep_breaks=False,
        forbidden=FORBIDDEN,
        without_price=True,
    )
    count = 0
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY, mode="w+", encoding="utf-8") as waiting:
        for batch in batches:
            codes, columns, _ = rows.of(batch)
            made = list(zip(*columns, strict=True))
            count += len(made)
            waiting.writelines(json.dumps(row) + "\n" for row in made)
            if codes:
                yield Chunk(b"", codes, made)
        if count > ROWS:
            text = T("its row is beyond the last one that a spreadsheet has ({limit})", limit=ROWS)
            rows.found.problem("…", "rows", text, T("Write CSV instead (`file: csv`)."), None)
        rows.found.raise_held()
        if left := rows.found.left_out():
            yield Chunk(b"", (), (), left)
        waiting.seek(0)
        with tempfile.SpooledTemporaryFile(max_size=_MEMORY) as book:
            _write_book(specs, (json.loads(line) for line in waiting), book)
            book.seek(0)
            while piece := book.read(_PIECE):
                yield Chunk(piece, (), ())


def _write_book(specs: Sequence[Spec], rows: Iterable[Sequence[str]], target: IO[bytes]) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = datetime(*_LONG_AGO)  # noqa: DTZ001 - as the library has it
    sheet = book.create_sheet("Товари")
    sheet.append([spec.header for spec in specs])
    for row in rows:
        sheet.append([_cell(sheet, spec, cell) for spec, cell in zip(specs, row, strict=True)])
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY) as written:
        book.save(written)
        written.seek(0)
        _timeless(written, target)


def _cell(sheet: Any, spec: Spec, text: str) -> Any:
    """A number, nothing, or a text that no program takes for a formula."""
    from openpyxl.cell import WriteOnlyCell

    if not text:
        return None
    if _numeric(spec):
        return Decimal(text)
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell


def _timeless(source: IO[bytes], target: IO[bytes]) -> None:
    """The same ZIP without the moments at which it was written: the same catalogue is the same file."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            with old.open(name) as reader, new.open(info, "w") as writer:
                if name == "docProps/core.xml":  # small; the library writes into it when the book is saved
                    writer.write(_MODIFIED.sub(rb"\g<1>1980-01-01T00:00:00Z", reader.read()))
                while piece := reader.read(_PIECE):
                    writer.write(piece)


class SheetChecker:
    """Reads the spreadsheet when it is whole, and compares every row by its print."""

    def __init__(self, specs: Sequence[Spec], file: str) -> None:
        self._specs = specs
        self._file = file
        self._data = io.BytesIO()
        self._meant: list[tuple[str, bytes]] = []
        self._codes: set[str] = set()

    def feed(self, chunk: Chunk) -> Sequence[Finding]:
        """Keeps what is to come out of the file; twins are told at once."""
        self._data.write(chunk.data)
        found = []
        for code, row in zip(chunk.codes, chunk.rows, strict=True):
            pairs = zip(self._specs, row, strict=True)
            cells = [Decimal(cell) if cell and _numeric(spec) else cell for spec, cell in pairs]
            self._meant.append((code, _print(cells)))
            if code in self._codes:
                found.append(self._finding("twin-code", code, T("Product {code} stands twice in the file.", code=code)))
            self._codes.add(code)
        return found

    def close(self) -> Sequence[Finding]:
        """What would be read otherwise than meant."""
        from openpyxl import load_workbook

        if not self._data.tell():
            return []  # nothing was written, which is told already
        found: list[Finding] = []
        book = load_workbook(self._data, read_only=True)
        try:
            rows = book.active.iter_rows(values_only=True)
            if list(next(rows, ())) != [spec.header for spec in self._specs]:
                found.append(self._finding("xlsx-read", "", T("The header would be read otherwise.")))
            width = len(self._specs)
            read = [_print([_read(value) for value in (*row, *[None] * (width - len(row)))]) for row in rows]
        finally:
            book.close()
        for index, (code, print_) in enumerate(self._meant):
            if index >= len(read) or read[index] != print_:
                found.append(self._finding("xlsx-read", code, T("Product {code} would be read otherwise.", code=code)))
        if len(read) > len(self._meant):
            text = T("Rows too many would be read: {n}.", n=len(read) - len(self._meant))
            found.append(self._finding("xlsx-read", "", text))
        if len(found) > LIMIT:
            more = Finding("csv-more", T("{n} more rows would be read otherwise.", n=len(found) - LIMIT))
            return [*found[:LIMIT], more]
        return found

    def _finding(self, code: str, _product: str, text: Any) -> Finding:
        return Finding(code, text, Where(self._file or None))


def _read(value: Any) -> Any:
    """A cell as the library reads it: numbers are binary there, and mean the shortest decimal that they print as."""
    if value is None:
        return ""
    return Decimal(repr(value)) if isinstance(value, (int, float)) else str(value)


def _print(cells: Sequence[Any]) -> bytes:
    words = [f"#{cell.normalize():f}" if isinstance(cell, Decimal) else f"={cell}" for cell in cells]
    return hashlib.sha256("\x1f".join(words).encode("utf-8", "surrogatepass")).digest()


_: type[CatalogueFormat] = KeycrmImport

PLUGIN = FormatPlugin(
    name="keycrm-import",
    summary=T("Catalogue as a table (XLSX or CSV) for KeyCRM's import of files"),
    format=KeycrmImport(),
    settings=KeycrmImportSettings,
)
