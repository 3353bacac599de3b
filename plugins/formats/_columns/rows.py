"""Batches -> rows of cells that can be written in the file's encoding; what cannot is told, product by product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress

from pipeline.api import Batch, FormatContext, T
from plugins.formats._columns.convert import cells
from plugins.formats._columns.problems import Found, Problems, only
from plugins.formats._columns.spec import Spec, used_fields

#: A column of lists: what it is called, and the texts of each row.
PartsColumn = tuple[str, Sequence[Sequence[str]]]


def fields_of(specs: Sequence[Spec]) -> tuple[str, ...]:
    """Fields to ask the catalogue for."""
    names = ["code", "parent"]
    for spec in specs:
        names += used_fields(spec)
    return tuple(dict.fromkeys(names))


class Rows:
    """Makes the rows of one file."""

    def __init__(
        self,
        specs: Sequence[Spec],
        context: FormatContext,
        *,
        encoding: str,
        variants: bool,
        keep_breaks: bool,
        forbidden: str = "",
        without_price: bool = False,
    ) -> None:
        """``without_price``: products that have none are left out and told, and do not hold the file up."""
        self.specs = specs
        self.found = Found(context.file, without_price=without_price)
        self._zone = context.timezone
        self._encoding = encoding
        self._variants = variants
        self._keep_breaks = keep_breaks
        self._forbidden = frozenset(forbidden)

    def of(
        self, batch: Batch, lists: Callable[[Batch], Sequence[PartsColumn]] = lambda _batch: ()
    ) -> tuple[list[str], list[list[str]], list[list[Sequence[str]]]]:
        """Codes of the rows that are kept, their cells column by column, and their lists of texts (``lists``) so."""
        if not self._variants and any(batch.columns["parent"]):
            batch = only(batch, [not parent for parent in batch.columns["parent"]])
        codes = [str(code) for code in batch.columns["code"]]
        problems = Problems(self.found, codes)
        columns = [
            cells(spec, batch, self._zone, keep_breaks=self._keep_breaks, problem=problems) for spec in self.specs
        ]
        for spec, column in zip(self.specs, columns, strict=True):
            self._check(spec.header, column, problems)
        parts = lists(batch)
        for header, several in parts:
            self._check(header, ["".join(one) for one in several], problems)
        kept = problems.good()
        codes, columns = problems.without_bad(columns)
        return codes, columns, [list(compress(several, kept)) for _, several in parts]

    def _check(self, header: str, column: list[str], problems: Problems) -> None:
        """Letters that the file's encoding, or the file's kind, does not have."""
        joined = "".join(column)
        if self._fits(joined) and not self._forbidden.intersection(joined):
            return
        for row, cell in enumerate(column):
            wrong = next((one for one in cell if one in self._forbidden or not self._fits(one)), None)
            if wrong is not None:
                text = T(
                    "{column} has the character {letter} ({number}), which {encoding} does not have",
                    column=header,
                    letter=wrong if wrong.isprintable() else "?",
                    number=f"U+{ord(wrong):04X}",
                    encoding=self._encoding,
                )
                hint = T("Replace the character, or export in UTF-8 (`encoding: utf-8`).")
                problems(row, header, "letters", text, hint)

    def _fits(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True
