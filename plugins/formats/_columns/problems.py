"""What of a catalogue cannot be written: product and reason, the first hundred one by one."""

from __future__ import annotations

from collections.abc import Container
from itertools import compress

from pipeline.api import Batch, Finding, Held, T, Text, Where, Who, kept_of

LIMIT = 100  #: findings that are told one by one; the rest is a number


#: Code of a product that has no price.
NO_PRICE = "csv-no-price"


class Found:
    """Findings of one file.

    Args:
        without_price: products without a price are left out and told in ``left_out``; else they hold the file up.
    """

    def __init__(self, file: str, *, without_price: bool = False) -> None:
        self._file = file
        self._without_price = without_price
        self._findings: list[Finding] = []
        self._more = 0
        self._left: dict[str, Finding] = {}
        self._left_more = 0

    def problem(self, product: str, code: str, text: Text, hint: Text | None, column: str | None) -> None:
        """Keep a finding about ``product``; beyond the limit only their number."""
        if code == NO_PRICE and self._without_price:
            self._leave(product, column)
            return
        if len(self._findings) >= LIMIT:
            self._more += 1
            return
        whole = T("Product {code} cannot be written: {what}.", code=product, what=text)
        self._findings.append(Finding(code, whole, Where(file=self._file or None, element=column), hint))

    def _leave(self, product: str, column: str | None) -> None:
        if len(self._left) >= LIMIT:
            self._left_more += 1
            return
        text = T("Product {code} has no price and is left out of the file.", code=product)
        where = Where(file=self._file or None, element=column)
        self._left[product] = Finding("no-price", text, where, who=Who.ACCOUNTANT)

    def left_out(self, but: Container[str] = ()) -> tuple[Finding, ...]:
        """One line for each product that is left out for its price, the first hundred; ``but``: no word of these."""
        told = [one for product, one in self._left.items() if product not in but]
        more = T("{n} more products have no price and are left out of the file.", n=self._left_more)
        return (*told, *([Finding("no-price", more, Where(file=self._file or None))] if self._left_more else ()))

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
    columns = {name: kept_of(column, keep) for name, column in batch.columns.items()}
    return Batch(sum(keep), columns)
