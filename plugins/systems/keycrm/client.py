"""The wire to KeyCRM: lists in pages, single things, and bulk writes of which one bad row spoils no other.

Facts are those of the vendor's OpenAPI document (1.2.0) and of recorded live answers: pages of at most 50 rows in the
envelope of Laravel's paginator, ``sort=id`` where a list can be sorted, 202 for a bulk write without a word on its
rows, 422 with a map of errors for one that is refused.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.api import HttpClient, InDoubt, Limits, MistokError, Reply, SystemEnv, T, Transient
from plugins.systems.keycrm.refusals import refused
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.keycrm.values import Row, ident

PAGE = 50
#: A list that still moves after so many readings is left for another time.
READINGS = 3
#: A bulk write of which nothing at all is taken is given up after so many refusals: it is not about single rows.
REFUSALS = 12
#: Values of a filter that stand in one request, and their characters together: addresses have an end.
MANY, LONG = 50, 1500
#: So many rows may a filter choose, and for each of its values, before it is taken for one that was not understood.
FEW, TWINS = 200, 20

Params = Mapping[str, Any]


class Client:
    """One account. Raises Refused, Transient and (of what is not safe to repeat) InDoubt."""

    def __init__(self, settings: KeyCrmSettings, env: SystemEnv) -> None:
        key = settings.key.get_secret_value()
        shared: dict[str, Any] = {} if env.pacer is None else {"pacer": env.pacer}
        self.name, self.max_pages = env.name, settings.max_pages
        self.http = HttpClient(
            name=env.name,
            url=settings.url,
            headers={"Authorization": f"Bearer {key}"},
            gate=env.gate,
            limits=Limits(per_minute=settings.per_minute),
            account=key,
            timeout=settings.timeout,
            **shared,
        )

    def close(self) -> None:
        """Let go of connections."""
        self.http.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def pages(
        self, path: str, params: Params | None = None, *, sort: str = "", most: int | None = None
    ) -> Iterator[Row]:
        """Every row of a list, each once.

        What is taken out of a list while it is read moves the rest forward, and would be passed over: the total of each
        page tells, and then the pages before are read again until they join what was read. At the end there are as many
        rows as the list says that it has, or it is read once more. Raises Transient for a list of more pages than are
        allowed, that does not stand still, or that cannot be read.

        Args:
            most: more rows than this mean that a filter was not understood (KeyCRM passes over such in silence).
        """
        asked = {**(params or {}), "limit": PAGE, **({"sort": sort} if sort else {})}
        reading = _Reading(self, path, asked, most)
        for _ in range(READINGS):
            yield from reading.once()
            if reading.whole:
                return
        raise Transient(
            T("The list {path} of {name} changes faster than it can be read.", path=path, name=self.name),
            code="moving",
            hint=T("It is read again at the next run."),
        )

    def page(self, path: str, params: Params) -> Row:
        """One page, as it came."""
        body = self._read(self.http.ask("GET", path, params=params))
        if not isinstance(body, Mapping) or not isinstance(body.get("data"), list):
            raise self._unreadable(path)
        return body

    def plain_list(self, path: str, params: Params | None = None) -> Sequence[Row]:
        """A list without pages."""
        body = self._read(self.http.ask("GET", path, params=params))
        if not isinstance(body, list) or not all(isinstance(one, Mapping) for one in body):
            raise self._unreadable(path)
        return body

    def one(self, path: str, params: Params | None = None) -> Row | None:
        """One thing; None where there is none (404)."""
        reply = self.http.ask("GET", path, params=params)
        return None if reply.status == 404 else self._object(reply)

    def chosen(self, path: str, name: str, values: Sequence[str], params: Params | None = None) -> Iterator[Row]:
        """Rows of a list that a filter chooses by values of one field, which must not have commas."""
        for some in chunks(list(dict.fromkeys(values))):
            asked = {**(params or {}), f"filter[{name}]": ",".join(some)}
            yield from self.pages(path, asked, most=FEW + TWINS * len(some))

    # --- writing -----------------------------------------------------------------------------------------------------

    def put(self, path: str, body: Any, *, safe: bool = True) -> Row:
        """A change of one thing, and the thing as it is then. Raises Held with KeyCRM's words where it refuses."""
        return self._object(self._taken(self.http.ask("PUT", path, json=body, safe=safe)), doubt=not safe)

    def post(self, path: str, body: Any) -> Row:
        """Something new, and how it is told. Raises Held where it is refused, InDoubt where no answer came."""
        return self._object(self._taken(self.http.ask("POST", path, json=body)), doubt=True)

    def bulk(self, path: str, name: str, rows: Sequence[Row], more: Params | None = None) -> list[MistokError | None]:
        """A bulk PUT of rows; for each what is wrong with it, or None.

        A refused batch is sent again without the rows that the refusal names, or in halves where it names none.
        """
        bulk = _Bulk(self, path, name, rows, more or {})
        bulk.send(range(len(rows)))
        return bulk.errors

    # --- answers -----------------------------------------------------------------------------------------------------

    def _taken(self, reply: Reply) -> Reply:
        if not reply.ok:
            raise refused(reply.words)
        return reply

    def _read(self, reply: Reply) -> Any:
        if not reply.ok:
            raise Transient(
                T("{name} refuses {asked} ({status}): {words}", name=self.name, asked=reply.asked, status=reply.status,
                  words=reply.words),
                code="refused-reading",
                hint=T("The service may have changed: tell us if it stays so."),
            )  # fmt: skip
        return reply.json()

    def _object(self, reply: Reply, *, doubt: bool = False) -> Row:
        try:
            body = self._read(reply)
            if not isinstance(body, Mapping):
                raise self._unreadable(reply.asked)
        except Transient as error:
            if not doubt:
                raise
            raise InDoubt(error.text, hint=T("It is looked up by itself whether it was done.")) from error
        inner = body.get("data")
        return inner if isinstance(inner, Mapping) and "id" not in body else body

    def _unreadable(self, path: str) -> Transient:
        return Transient(
            T("{name} answers {path} in a way that cannot be read.", name=self.name, path=path),
            code="unreadable",
            hint=T("The service may have changed: tell us if it stays so."),
        )

    def capped(self, path: str) -> Transient:
        """A list is longer than may be read."""
        return Transient(
            T("The list {path} of {name} has more than {n} pages.", path=path, name=self.name, n=self.max_pages),
            code="page-cap",
            hint=T("Nothing of it is used. Raise `max_pages` of the connection if it is right so."),
        )

    def not_chosen(self, path: str) -> Transient:
        """A filter was passed over."""
        return Transient(
            T("{name} tells all of {path}, and not only what was asked for.", name=self.name, path=path),
            code="filter",
            hint=T("The service may have changed: tell us if it stays so."),
        )

    def rows_of(self, path: str, body: Row) -> Sequence[tuple[int, Row]]:
        """The rows of a page with their ids. Raises Transient where one has none: nothing is left out in silence."""
        found = [(ident(row.get("id")) if isinstance(row, Mapping) else None, row) for row in body["data"]]
        if any(number is None for number, _row in found):
            raise self._unreadable(path)
        return [(number, row) for number, row in found if number is not None]


@dataclass
class _Reading:
    """A list while it is read; what was told once is not told again by a second reading."""

    client: Client
    path: str
    asked: Params
    most: int | None
    seen: set[int] = field(default_factory=set)
    total: int | None = None  #: as the last page said

    @property
    def whole(self) -> bool:
        return self.total is None or len(self.seen) >= self.total

    def once(self) -> Iterator[Row]:
        self.total, page = None, 1
        while True:
            body, rows, shrunk = self._ask(page)
            if shrunk and page > 1:
                joined = frozenset(self.seen)
                yield from self._new(rows)
                page = yield from self._back(page - 1, joined)
            else:
                yield from self._new(rows)
                if not rows or not _more(body, page, len(rows)):
                    return
            page += 1

    def _ask(self, page: int) -> tuple[Row, Sequence[tuple[int, Row]], bool]:
        if page > self.client.max_pages:
            raise self.client.capped(self.path)
        body = self.client.page(self.path, {**self.asked, "page": page})
        before, said = self.total, body.get("total")
        self.total = said if isinstance(said, int) and not isinstance(said, bool) else None
        shrunk = before is not None and self.total is not None and self.total < before
        if self.most is not None and self.total is not None and self.total > self.most:
            raise self.client.not_chosen(self.path)
        return body, self.client.rows_of(self.path, body), shrunk

    def _back(self, page: int, joined: frozenset[int]) -> Generator[Row, None, int]:
        """Pages before, until one has something that was read before the list shrank; gives its number."""
        while True:
            _body, rows, _shrunk = self._ask(page)
            yield from self._new(rows)
            if page == 1 or any(number in joined for number, _row in rows):
                return page
            page -= 1

    def _new(self, rows: Sequence[tuple[int, Row]]) -> Iterator[Row]:
        for number, row in rows:
            if number not in self.seen:
                self.seen.add(number)
                yield row


def _more(body: Row, page: int, rows: int) -> bool:
    """Whether a page follows. Pages are counted here: the addresses of the next ones may have another size."""
    if "next_page_url" in body or "last_page" in body:
        last = body.get("last_page")
        return bool(body.get("next_page_url")) or (isinstance(last, int) and last > page)
    return rows >= PAGE


@dataclass
class _Bulk:
    """A bulk write while it is sent."""

    client: Client
    path: str
    name: str
    rows: Sequence[Row]
    more: Params
    errors: list[MistokError | None] = field(init=False)
    refusals: int = 0
    taken: bool = False

    def __post_init__(self) -> None:
        self.errors = [None] * len(self.rows)

    def send(self, places: Sequence[int]) -> None:
        if not places:
            return
        body = {**self.more, self.name: [self.rows[place] for place in places]}
        reply = self.client.http.ask("PUT", self.path, json=body)
        if reply.ok:
            self.taken = True
            return
        self.refusals += 1
        named, others = self._named(reply, len(places))
        if named:
            for at, words in named.items():
                self._refuse([places[at]], words)
            self.send([place for at, place in enumerate(places) if at not in named])
        elif len(places) == 1 or others or reply.status == 404 or (self.refusals >= REFUSALS and not self.taken):
            self._refuse(places, reply.words)
        else:
            middle = len(places) // 2
            self.send(places[:middle])
            self.send(places[middle:])

    def _refuse(self, places: Sequence[int], words: str) -> None:
        for place in places:
            self.errors[place] = refused(words)

    def _named(self, reply: Reply, size: int) -> tuple[dict[int, str], bool]:
        """The rows that a refusal names, with its words; and whether it is about something else than rows."""
        try:
            body = reply.json()
        except Transient:
            return {}, False
        errors = body.get("errors") if isinstance(body, Mapping) else None
        if not isinstance(errors, Mapping) or not errors:
            return {}, False
        named: dict[int, str] = {}
        for name, said in errors.items():
            found = re.match(rf"{self.name}\.(\d{{1,6}})(?:\.|$)", str(name))
            if found and int(found[1]) < size:
                named.setdefault(int(found[1]), f"{name}: {said[0] if isinstance(said, list) and said else said}")
        return named, not any(str(name).startswith(self.name) for name in errors)


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Values in pieces that fit into one address."""
    some: list[str] = []
    length = 0
    for value in values:
        size = len(value.encode()) * 3 + 3  # percent-encoded at worst
        if some and (len(some) >= MANY or length + size > LONG * 3):
            yield some
            some, length = [], 0
        some.append(value)
        length += size
    if some:
        yield some
