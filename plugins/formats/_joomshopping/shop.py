"""What the shop's database makes of the cells: it refuses nothing and reports nothing, it cuts and guesses.

JoomShopping runs MySQL without its strict mode: a code is cut to 32 characters, ``12,50`` is stored as 12.00, a date it
does not know becomes 0000-00-00. All of it is an error here, before the upload.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from pipeline.api import Chunk, Finding, T, Text, Where, columns_of
from plugins.formats._columns.spec import Spec
from plugins.formats._joomshopping.codes import Codes
from plugins.formats._joomshopping.layout import Layout

CODE_LENGTH = 32  #: product_ean varchar(32)
NAME_LENGTH = 255  #: name_xx-XX varchar(255)
TEXT_BYTES = 65_535  #: TEXT
PRICE_DIGITS = (12, 6)  #: DECIMAL(18,6)
QUANTITY_DIGITS = (10, 2)  #: DECIMAL(12,2)

KEPT = 4096  #: numbers that were found right and are known again: one price is that of many products

_NUMBER = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)", re.ASCII)
_INTEGER = re.compile(r"\s*([-+]?\d+)", re.ASCII)
_PLAIN = re.compile(r"(?:-?[0-9]{1,10}(?:\.[0-9]{1,2}0*)?\n)*")
_DATES = re.compile(r"(?:(?:[12]\d{3}-[01]\d-[0-3]\d(?: [0-2]\d:[0-5]\d:[0-5]\d)?)?\n)*", re.ASCII)
_FOUR_BYTE = re.compile("[\U00010000-\U0010ffff]")
_FOUR_BYTE_LEADS = tuple(bytes([lead]) for lead in range(0xF0, 0xF8))  # a look for each is faster than one for all


def mysql_decimal(cell: str, digits: tuple[int, int]) -> Decimal:
    """What a DECIMAL column with ``digits`` before and after the point keeps of a text, when nothing is strict."""
    found = _NUMBER.match(cell)
    whole, places = digits
    step = Decimal(1).scaleb(-places)
    largest = Decimal(10) ** whole - step
    number = Decimal(found[1]) if found else Decimal(0)
    if abs(number) > largest:
        return largest.copy_sign(number)
    return number.quantize(step, ROUND_HALF_UP)


def php_intval(cell: str) -> int:
    """What PHP's ``intval`` makes of a text without an exponent."""
    found = _INTEGER.match(cell)
    return int(found[1]) if found else 0


class Shop:
    """Checks the cells of one file. It remembers the codes (see Codes), to find two that the shop takes for one.

    ``rest``: of the second part of a file, which leaves its codes there (:meth:`leave`).
    """

    def __init__(self, layout: Layout, rest: Path | None = None) -> None:
        self._layout = layout
        self._rules = [(index, spec) for index, spec in enumerate(layout.specs) if spec.rule]
        # These profiles are meant to be matched by code, and MySQL compares without case.
        self._fold: Callable[[str], str] = (
            str.casefold if layout.settings.profile in {"stock", "extended"} else lambda code: code
        )
        self._codes = Codes(path=rest)
        self._core = layout.settings.profile == "core"
        self._latin = layout.settings.encoding == "iso-8859-1"
        self._plain: set[str] = set()  #: numbers that were looked at
        self._found: list[Finding] = []
        self._checks: dict[str, Callable[[Spec, Sequence[str], Sequence[str]], None]] = {
            "code": self._code,
            "name": self._name,
            "text": self._text,
            "category": self._category,
            "price": lambda spec, column, codes: self._number(spec, column, codes, PRICE_DIGITS),
            "quantity": lambda spec, column, codes: self._number(spec, column, codes, QUANTITY_DIGITS),
            "stock": self._stock,
            "tax": self._tax,
            "date": self._date,
        }

    def check(self, chunk: Chunk) -> list[Finding]:
        """What the shop would keep otherwise than it stands in ``chunk``."""
        self._found = []
        columns = columns_of(chunk.rows)
        for index, spec in self._rules:
            self._checks[spec.rule](spec, columns[index], chunk.codes)
        settings = self._layout.settings
        if (
            settings.four_byte == "refuse"
            and settings.encoding == "utf-8"
            and any(lead in chunk.data for lead in _FOUR_BYTE_LEADS)
        ):
            self._four_byte(chunk)
        return self._found

    def leave(self) -> None:
        """Nothing follows: the codes are left for :meth:`apart` of others."""
        self._codes.leave()

    def apart(self, rest: Path) -> bool:
        """Whether the shop takes no product of the part that has left its codes in ``rest`` for one seen here."""
        return self._codes.apart(rest)

    def _add(self, product: str, spec: Spec, code: str, text: Text, hint: Text | None = None) -> None:
        whole = T("Product {code}: {what}.", code=product, what=text)
        where = Where(file=self._layout.context.file or None, element=spec.header)
        self._found.append(Finding(code, whole, where, hint))

    def _code(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        self._not_recoded(spec, column, codes)
        long = max(map(len, column)) > CODE_LENGTH
        stored = [cell[:CODE_LENGTH] for cell in column] if long else column
        # MySQL compares without trailing blanks.
        stored = [cell.rstrip(" ") for cell in stored] if any(" " in cell for cell in stored) else stored
        stored = self._folded(stored)
        twins = self._codes.add(stored, codes)
        if not long and not twins:
            return
        for row, (cell, product) in enumerate(zip(column, codes, strict=True)):
            if len(cell) > CODE_LENGTH:
                text = T(
                    "its code has {length} characters, and the shop cuts codes to {limit}",
                    length=len(cell),
                    limit=CODE_LENGTH,
                )
                self._add(product, spec, "csv-code-length", text, T("Shorten the code."))
            if row in twins:
                text = T("to the shop its code is the same as that of product {other}", other=twins[row])
                self._add(product, spec, "csv-code-twin", text, T("Give one of them another code."))

    def _folded(self, codes: Sequence[str]) -> Sequence[str]:
        """All at once, which is several times as fast as one by one."""
        folded = self._fold("\n".join(codes)).split("\n")
        return folded if len(folded) == len(codes) else [self._fold(code) for code in codes]

    def _name(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        if max(map(len, column)) <= NAME_LENGTH:
            return
        for cell, product in zip(column, codes, strict=True):
            if len(cell) > NAME_LENGTH:
                text = T(
                    "{column} has {length} characters, and the shop cuts it to {limit}",
                    column=spec.header,
                    length=len(cell),
                    limit=NAME_LENGTH,
                )
                self._add(product, spec, "csv-name-length", text, T("Shorten it."))

    def _text(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        if max(map(len, column)) <= TEXT_BYTES // 4:
            return
        for cell, product in zip(column, codes, strict=True):
            size = len(cell.encode("utf-8", "replace"))
            if size > TEXT_BYTES:
                text = T(
                    "{column} has {size} bytes, and the shop cuts it to {limit}",
                    column=spec.header,
                    size=size,
                    limit=TEXT_BYTES,
                )
                self._add(product, spec, "csv-text-length", text, T("Shorten it."))

    def _category(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        self._not_recoded(spec, column, codes)
        if spec.kind == "leaf":
            self._name(spec, column, codes)

    def _not_recoded(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        """The built-in importer turns names and texts from Latin-1 into UTF-8, but takes codes and categories raw."""
        if not (self._core and self._latin) or "".join(column).isascii():
            return
        for cell, product in zip(column, codes, strict=True):
            if not cell.isascii():
                text = T(
                    "{column} “{cell}” has letters that the shop's importer does not recode",
                    column=spec.header,
                    cell=cell,
                )
                self._add(product, spec, "csv-encoding", text, T("Use plain Latin letters there, or export in UTF-8."))

    def _number(self, spec: Spec, column: Sequence[str], codes: Sequence[str], digits: tuple[int, int]) -> None:
        different = set(column) - self._plain
        if not spec.required:
            different.discard("")
        if _PLAIN.fullmatch("\n".join(different) + "\n" if different else ""):
            if len(self._plain) + len(different) > KEPT:
                self._plain.clear()
            self._plain |= different
            return
        for cell, product in zip(column, codes, strict=True):
            if not cell and not spec.required:
                continue
            stored = mysql_decimal(cell, digits)
            if _meant(cell) != stored:
                text = T(
                    "{column} “{cell}” would be stored as {stored}", column=spec.header, cell=cell, stored=str(stored)
                )
                self._add(product, spec, "csv-number", text, T("Write numbers with a dot and without spaces."))

    def _stock(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        self._number(spec, column, codes, QUANTITY_DIGITS)
        if "" not in column and "0" not in column:
            return
        for cell, product in zip(column, codes, strict=True):
            if cell in {"", "0"}:
                text = T("{column} “{cell}” is skipped by the shop's plug-in", column=spec.header, cell=cell)
                self._add(product, spec, "csv-number", text, T("Write a zero stock as 0.00."))

    def _tax(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        for wrong in {cell for cell in set(column) if cell and _meant(cell) != php_intval(cell)}:
            for cell, product in zip(column, codes, strict=True):
                if cell == wrong:
                    text = T(
                        "{column} “{cell}” would be read as {stored}",
                        column=spec.header,
                        cell=cell,
                        stored=php_intval(cell),
                    )
                    hint = T("The shop's importer only knows whole percents; use the profile `extended` for others.")
                    self._add(product, spec, "csv-tax", text, hint)

    def _date(self, spec: Spec, column: Sequence[str], codes: Sequence[str]) -> None:
        if _DATES.fullmatch("\n".join(set(column)) + "\n"):
            return
        for cell, product in zip(column, codes, strict=True):
            if not _DATES.fullmatch(cell + "\n"):
                text = T("{column} “{cell}” is no date to the shop", column=spec.header, cell=cell)
                self._add(product, spec, "csv-date", text, T("Write dates as 2026-01-31 14:05:00."))

    def _four_byte(self, chunk: Chunk) -> None:
        for row, product in zip(chunk.rows, chunk.codes, strict=True):
            for spec, cell in zip(self._layout.specs, row, strict=True):
                if found := _FOUR_BYTE.search(cell):
                    text = T(
                        "{column} has the character “{letter}” ({number}), which the shop stores as “?”",
                        column=spec.header,
                        letter=found[0],
                        number=f"U+{ord(found[0]):04X}",
                    )
                    hint = T("Take it out, or say that the shop's tables are utf8mb4 (`four_byte: keep`).")
                    self._add(product, spec, "csv-four-byte", text, hint)


def _meant(cell: str) -> Decimal | None:
    """The number that a cell is meant to be; None when it is none."""
    return Decimal(cell) if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", cell) else None
