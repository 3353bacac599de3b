"""What of a catalogue cannot be written: product and reason, the first hundred one by one."""

from __future__ import annotations

from itertools import compress

from pipeline.api import Batch, Finding, Held, T, Text, Where

LIMIT = 100  #: findings that are told one by one; the rest is a number


class Found:
    """Findings of one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._findings: list[Finding] = []
        self._more = 0

    def problem(self, product: str, code: str, text: Text, hint: Text | None, column: str | None) -> None:
        """Keep a finding about ``product``; beyond the limit only their number."""
        if len(self._findings) >= LIMIT:
            self._more += 1
            return
        whole = T("Product {code} cannot be written: {what}.", code=product, what=text)
        self._findings.append(Finding(code, whole, Where(file=self._file or None, element=column), hint))

    def raise_held(self) -> None:
        """Raises Held with all of it; nothing happens when there is none."""
        if not self._findings:
            return
        rest = (Finding("csv-more", T("{n} more rows could not be written.", n=self._more)),) if self._more else ()
        raise Held(findings=(*self._findings, *rest))


class Problems:
    """What is wrong with rows of one batch."""

    def __init__(self, found: Found, codes: list[str]) -> None:
        self._found = found
        self._codes = codes
        self._bad: set[int] = set()

    def __call__(self, row: int, column: str, code: str, text: Text, hint: Text | None = None) -> None:
        self._bad.add(row)
        self._found.problem(self._codes[row], code, text, hint, column)

    def good(self) -> list[bool]:
        """For each row, whether nothing was told of it."""
        return [row not in self._bad for row in range(len(self._codes))]

    def without_bad(self, columns: list[list[str]]) -> tuple[list[str], list[list[str]]]:
        """Codes and cells of the rows that nothing was told of."""
        if not self._bad:
            return self._codes, columns
        good = self.good()
        return list(compress(self._codes, good)), [list(compress(column, good)) for column in columns]


def only(batch: Batch, keep: list[bool]) -> Batch:
    """The rows of a batch that are kept."""
    columns = {name: list(compress(column, keep)) for name, column in batch.columns.items()}
    return Batch(sum(keep), columns)
