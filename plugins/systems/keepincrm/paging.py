"""Whole lists out of pages of an API that filters in the manner of Ransack, while rows come and go. Pure of network.

Where the account listens to ``q[s]=id asc`` and ``q[id_gt]=…``, each page begins behind the last id that was read:
nothing that happens to other rows can shift it. Whether it listens is seen by what it answers, never believed. Where
it does not, pages are read by number, and read back where the list has become shorter meanwhile; where it does not
tell how long it is, they are read until a whole pass brings nothing new. A page that is empty in the middle, or a list
that never comes to an end, is an error: what is not whole must not look whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipeline.api import T, Transient

Row = Mapping[str, Any]
Params = tuple[tuple[str, str], ...]
#: A list is not longer than this many pages, unless a setting says so.
MOST_PAGES = 20_000
_PASSES = 4
_SORT = ("q[s]", "id asc")


class FilterRefused(Exception):
    """The account does not take the query as it is (400, 422)."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its rows, each with an ``id``, and what is said of the whole list."""

    rows: Sequence[Row]
    pages: int  #: in all
    count: int | None = None  #: rows in all, where it is told
    bare: bool = False  #: no pages at all: an array


def page_of(told: Any, asked: str) -> Page:
    """The page in an answer's JSON. Raises Transient for what is no list of rows with ids."""
    bare = isinstance(told, list)
    rows: Any = told if bare else None
    pagination: Any = {}
    if isinstance(told, Mapping):
        rows, pagination = told.get("items"), told.get("pagination") or {}
    if not isinstance(rows, list) or not isinstance(pagination, Mapping) or not all(map(_has_id, rows)):
        raise _unreadable(asked)
    pages, count = pagination.get("total_pages"), pagination.get("total_count")
    if pages is None and not bare and rows:
        raise _unreadable(asked)  # without it nobody knows whether there is more
    return Page(rows, _whole(pages, 1), _whole(count, -1) if count is not None else None, bare)


def _unreadable(asked: str) -> Transient:
    return Transient(
        T("The answer to {asked} is not a list of rows with their ids and the number of pages.", asked=asked),
        code="keepin-unreadable",
        hint=T("If it stays so, the API has changed: tell us."),
    )


def _has_id(row: object) -> bool:
    return isinstance(row, Mapping) and _whole(row.get("id"), -1) >= 0


def id_of(row: Row) -> int:
    """The id of a row that a :class:`Page` has."""
    return _whole(row.get("id"), -1)


def _whole(value: object, otherwise: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


Ask = Callable[[Params], Page]


@dataclass
class Lister:
    """Reads lists of one address; what it learns of how the address listens holds for the next list too."""

    ask: Ask  #: raises FilterRefused, Transient, Refused
    name: str  #: for messages
    size: int
    keyset: bool = True
    sorts: bool = True
    most: int = MOST_PAGES  #: a list that says that it has more is not read

    def rows(self, params: Params = ()) -> Iterator[Row]:
        """Every row of the list once, in the order in which it is read.

        Raises FilterRefused when ``params`` are not taken, Transient for a list that cannot be read whole.
        """
        return _Reading(self, params).rows()

    def page(self, params: Params, number: int) -> Page:
        """One page. Raises Transient for one that cannot be a page of a whole list."""
        page = self.ask((*params, ("page", str(number)), ("per_page", str(self.size))))
        if page.pages > self.most:
            raise Transient(
                T("{name} has more than {n} pages: they are not read.", name=self.name, n=self.most),
                code="page-cap",
                hint=T("Nothing of it is used. Raise `max_pages` of the connection if it is right so."),
            )
        if not page.rows and page.pages >= max(number, 2):
            raise Transient(
                T("Page {n} of {all} of {name} came empty.", n=number, all=page.pages, name=self.name),
                code="keepin-pages",
                hint=T("Nothing is done with half a list; it is tried again by itself."),
            )
        return page


class _Reading:
    """One list, read once."""

    def __init__(self, lister: Lister, params: Params) -> None:
        self._lister, self._params = lister, params
        self._seen: set[int] = set()

    def rows(self) -> Iterator[Row]:
        """See Lister."""
        lister = self._lister
        first = self._first()
        yield from self._fresh(first)
        if first.pages <= 1:
            return
        if lister.keyset and lister.sorts and _ascending(first.rows):
            whole = yield from self._by_id()
            if whole:
                return
        lister.keyset = False
        yield from self._by_number(first)

    def _first(self) -> Page:
        lister = self._lister
        if lister.sorts:
            try:
                return lister.page((*self._params, _SORT), 1)
            except FilterRefused:
                page = lister.page(self._params, 1)  # refused as well: then it was not the sorting
                lister.sorts = lister.keyset = False
                return page
        return lister.page(self._params, 1)

    def _fresh(self, page: Page) -> Iterator[Row]:
        for row in page.rows:
            own = id_of(row)
            if own not in self._seen:
                self._seen.add(own)
                yield row

    def _by_id(self) -> Generator[Row, None, bool]:
        """True when all was read; False when the account does not listen, and nothing of its answer was taken."""
        while True:
            last = max(self._seen)
            try:
                page = self._lister.page((*self._params, _SORT, ("q[id_gt]", str(last))), 1)
            except FilterRefused:
                return False
            if not page.rows:
                return True
            if min(map(id_of, page.rows)) <= last or not _ascending(page.rows):
                return False
            yield from self._fresh(page)
            if page.pages <= 1:
                return True

    def _by_number(self, first: Page) -> Iterator[Row]:
        lister = self._lister
        params = (*self._params, _SORT) if lister.sorts else self._params
        size = max(len(first.rows), 1)
        budget = 4 * first.pages + 50
        for once_more in range(_PASSES):
            before = len(self._seen)
            page, number = first, 2
            if once_more:
                page = lister.page(params, 1)
                yield from self._fresh(page)
            while number <= page.pages:
                budget -= 1
                last, page = page, lister.page(params, number)
                yield from self._fresh(page)
                if budget > 0 and (gone := _shorter(last, page, size)):
                    # what stood behind has moved up, onto pages that were read already
                    number = max(number - -(-gone // size), 1)
                else:
                    number += 1
            if page.count is None:
                if once_more and len(self._seen) == before:
                    return
            elif len(self._seen) >= page.count and budget > 0:
                return
        raise Transient(
            T("{name} changes faster than it can be read.", name=lister.name),
            code="keepin-pages",
            hint=T("Nothing is done with half a list; it is tried again by itself."),
        )


def _ascending(rows: Sequence[Row]) -> bool:
    ids = [id_of(row) for row in rows]
    return all(one < other for one, other in pairwise(ids))


def _shorter(before: Page, now: Page, size: int) -> int:
    """By how many rows at most the list has become shorter between two answers."""
    if before.count is not None and now.count is not None:
        return max(before.count - now.count, 0)
    return size if now.pages < before.pages else 0
