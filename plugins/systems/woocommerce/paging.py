"""Whole lists out of pages, while rows come and go. Pure of network.

Rows are asked for by ascending id, by offset. A page must begin with a row that was read already (or at the list's
beginning): then nothing can have moved up past it unread. Where it does not, something before it has gone, and the
reading goes back. What is new has the highest id and comes last. A page that is shorter than asked although the list
goes on is an error, as is a list without an end: what is not whole must not look whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.api import T, Transient
from plugins.systems.woocommerce.values import whole

Row = Mapping[str, Any]
Params = tuple[tuple[str, str], ...]
#: Rows that two neighbouring pages share, at most.
OVERLAP = 5
#: A list is not longer than this many pages, unless a setting says so.
MOST_PAGES = 20_000
_TRIES_BACK = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: rows with ``id``, and how many there are in all, where that is told."""

    rows: Sequence[Row]
    total: int | None


def read_pages(ask: Callable[[int, int], Page], size: int, name: str, most: int = MOST_PAGES) -> Iterator[Row]:
    """Every row once, by ascending id.

    Args:
        ask: (offset, size) -> the page.
        size: rows of a page, at least 2.
        name: for messages.
        most: pages that are read; a list that goes on behind them is an error.

    Raises Transient for a list that cannot be read whole, and what ``ask`` raises.
    """
    overlap = min(OVERLAP, size // 2)
    offset, last, back = 0, 0, 0
    for _ in range(most):
        page = ask(offset, size)
        ids = [whole(row.get("id")) for row in page.rows]
        if ids != sorted(set(ids)):
            raise _broken(T("{name} does not tell its rows by their ids.", name=name))
        if len(ids) > size:
            raise _broken(T("{name} tells more rows on a page than it was asked for.", name=name))
        if offset and (not ids or ids[0] > last):
            back += 1
            if back > _TRIES_BACK:
                raise _broken(T("{name} changes faster than it can be read.", name=name))
            offset = max(offset - size, 0)
            continue
        for row, own in zip(page.rows, ids, strict=True):
            if own > last:
                last = own
                yield row
        if page.total is not None and offset + len(ids) >= page.total:
            return
        if len(ids) < size:
            if page.total is None:
                return
            raise _broken(
                T("{name} told only {n} rows of {total}: pages are capped somewhere on the way.", name=name,
                  n=offset + len(ids), total=page.total)
            )  # fmt: skip
        offset += size - overlap
    raise Transient(
        T("{name} has more than {n} pages: they are not read.", name=name, n=most),
        code="page-cap",
        hint=T("Nothing of it is used. Raise `max_pages` of the connection if it is right so."),
    )


def _broken(text: Any) -> Transient:
    return Transient(text, code="woo-pages", hint=T("Nothing is done with half a list; it is tried again by itself."))
