"""The wire to Dilovod: packets, one at a time for each key, and its errors as ours.

Errors come by HTTP 200 (``{"error": …}`` or ``{"status": "error", "errorMessage": …}``), a refused parallel request in
one project by 500; both are told apart from what was done here. Lists have no order that can be asked for, a page may
be shorter than was asked for, and nothing tells how many there are: a list is at its end where nothing follows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.api import HttpClient, InDoubt, Limits, MistokError, Refused, Reply, SystemEnv, T, Transient
from plugins.systems.dilovod.refusals import BAD_KEY, BLOCKED, LOCKED, refused
from plugins.systems.dilovod.settings import DilovodSettings
from plugins.systems.dilovod.values import Row, link, part, rows, text

#: Seconds for which everybody leaves a key alone on which another request is under way, one time after the other.
WAITS = (1, 2, 5, 10, 30)
#: The same for an object that somebody has open.
LOCK_WAIT = 2
#: A list that still moves after so many readings is left for another time.
READINGS = 3
#: No service ends its answers at fewer rows: a shorter page is the last one.
SURE = 20
_HEAD = 4000

Source = str | Mapping[str, Any]
Filter = tuple[str, str, Any]  #: alias, operator, value
SAVE, POST, UNPOST = 0, 1, 2


class Client:
    """One base. Raises Refused, Transient and (of what is not safe to repeat) InDoubt."""

    def __init__(self, settings: DilovodSettings, env: SystemEnv) -> None:
        self.name, self.settings = env.name, settings
        self._key = settings.key.get_secret_value()
        shared: dict[str, Any] = {} if env.pacer is None else {"pacer": env.pacer}
        self._blocked = 0
        self._said = ""
        self.http = HttpClient(
            name=env.name,
            url=settings.url,
            gate=env.gate,
            limits=Limits(per_second=settings.per_second, in_flight=1),
            account=self._key,
            timeout=settings.timeout,
            tries=len(WAITS) + 1,
            heard=self._heard,
            **shared,
        )
        self._metadata: dict[str, Row] = {}
        self._names: Mapping[str, Row] | None = None

    def close(self) -> None:
        """Let go of connections."""
        self.http.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def rows(
        self, source: Source, fields: Mapping[str, str], *filters: Filter, key: Sequence[str], names: bool = False
    ) -> Iterator[Row]:
        """Every row of a query, each once, without ``__pr``.

        Each page begins with the last row of the page before; where it does not, the list has moved, and is read once
        more. Raises Transient for a list of more pages than are allowed, that does not stand still, or that cannot be
        read.

        Args:
            fields: path -> alias.
            key: the aliases that a row is known by.
            names: names in all languages, as ``alias__uk``.
        """
        params: dict[str, Any] = {"from": source, "fields": dict(fields), "assembleLinks": False}
        if filters:
            params["filters"] = [{"alias": one, "operator": how, "value": value} for one, how, value in filters]
        if names:
            params["multilang"] = True
        told: set[tuple[str, ...]] = set()
        for _ in range(READINGS):
            reading = _Reading(self, params, key)
            for known, row in reading.once():
                if known not in told:
                    told.add(known)
                    yield row
            if reading.whole:
                return
        raise Transient(
            T("The list {path} of {name} changes faster than it can be read.", path=named(source), name=self.name),
            code="moving",
            hint=T("It is read again at the next run."),
        )

    def chosen(
        self,
        source: Source,
        fields: Mapping[str, str],
        alias: str,
        values: Iterable[str],
        *filters: Filter,
        key: Sequence[str],
        names: bool = False,
    ) -> Iterator[Row]:
        """Rows by values of one field: those that have one of them, as many as fit at a time."""
        wanted = sorted(set(values))
        size = self.settings.list_size
        for start in range(0, len(wanted), size):
            some = wanted[start : start + size]
            yield from self.rows(source, fields, (alias, "IL", some), *filters, key=key, names=names)

    def one(self, id_: str) -> Row | None:
        """An object with its ``header`` and ``tableParts``; None where there is none."""
        try:
            found = self.ask("getObject", {"id": id_})
        except MistokError as error:
            if error.code == "dilovod-gone":
                return None
            raise
        if not isinstance(found, Mapping) or not isinstance(found.get("header"), Mapping):
            raise self.unreadable(id_)
        return found

    # --- metadata ----------------------------------------------------------------------------------------------------

    def objects(self) -> Mapping[str, Row]:
        """All kinds of objects: by name, with ``idPrefix`` and ``presentation``."""
        if self._names is None:
            found = self.ask("listMetadata", {"lang": "uk"})
            if not isinstance(found, Mapping):
                raise self.unreadable("listMetadata")
            self._names = {str(name): part(one) for name, one in found.items()}
        return self._names

    def named_by(self, prefix: str) -> str | None:
        """The name of the objects whose ids begin so; None where the base has none, or does not tell."""
        found = (name for name, one in self.objects().items() if text(one.get("idPrefix")) == prefix)
        return next(found, None)

    def attributes(self, name: str) -> frozenset[str] | None:
        """The attributes of an object's header; None where its metadata do not tell them."""
        if name not in self._metadata:
            try:
                self._metadata[name] = part(self.ask("getMetadata", {"objectName": name, "lang": "uk"}))
            except MistokError as error:
                if error.code == "login" or (isinstance(error, Transient) and error.code != "refused-reading"):
                    raise
                self._metadata[name] = {}
        reqs = self._metadata[name].get("reqs")
        if isinstance(reqs, Mapping):
            found = {str(one) for one in reqs} | {text(one.get("name")) for one in reqs.values() if part(one)}
        else:
            found = {text(one.get("name")) for one in rows(reqs)}
        return frozenset(found - {""}) or None

    # --- writing -----------------------------------------------------------------------------------------------------

    def create(
        self, name: str, header: Mapping[str, Any], parts: Mapping[str, Any] | None = None, how: int | None = None
    ) -> str:
        """A new object, or a record of a register; its id ("" for a record without one).

        Raises Held with Dilovod's words where it is refused (nothing is saved then), InDoubt where no answer came.
        """
        try:
            return self._saved(name, header, parts, how, safe=False, record=name.startswith("informationRegisters."))
        except Transient as error:
            if error.code not in ("no-json", "unreadable"):
                raise
            raise InDoubt(error.text, hint=T("It is looked up by itself whether it was done.")) from error

    def change(
        self,
        id_: str,
        header: Mapping[str, Any] | None = None,
        parts: Mapping[str, Any] | None = None,
        how: int | None = None,
    ) -> None:
        """Change an object: only what is given. Absolute, and so repeated where no answer came. Raises Held."""
        self._saved(id_, header or {}, parts, how, safe=True)

    def _saved(
        self,
        id_: str,
        header: Mapping[str, Any],
        parts: Mapping[str, Any] | None,
        how: int | None,
        *,
        safe: bool,
        record: bool = False,
    ) -> str:
        params: dict[str, Any] = {"header": {"id": id_, **header}}
        if how is not None:
            params["saveType"] = how
        if parts is not None:
            params["tableParts"] = dict(parts)
        answer = self.ask("saveObject", params, safe=safe, saving=True)
        made = link(part(answer).get("id"))
        if not made and not (record and "id" in part(answer)):
            raise self.unreadable(f"saveObject {id_}")
        return made

    def mark(self, id_: str) -> None:
        """Put a deletion mark on an object; twice is the same as once. Raises Held."""
        self.ask("setDelMark", {"header": {"id": id_}}, saving=True)

    # --- packets -----------------------------------------------------------------------------------------------------

    def ask(self, action: str, params: Mapping[str, Any], *, safe: bool = True, saving: bool = False) -> Any:
        """The answer to a packet. Raises what the API's error means."""
        packet = {"version": self.settings.version, "key": self._key, "action": action, "params": params}
        try:
            if self.settings.body == "form":
                reply = self.http.ask("POST", "/", form={"packet": json.dumps(packet, ensure_ascii=False)}, safe=safe)
            else:
                reply = self.http.ask("POST", "/", json=packet, safe=safe)
        except Transient as error:
            raise self._busy(error) from error
        words = said(reply)
        if words:
            raise refused(words, saving=saving)
        if not reply.ok:
            raise Refused(
                T("{name} refuses {asked} ({status}): {words}", name=self.name, asked=action, status=reply.status,
                  words=reply.words),
                code="url",
                hint=T("Write the service's right address into the config."),
            )  # fmt: skip
        return reply.json()

    def _heard(self, reply: Reply) -> Reply:
        """The status that an error by 200 (or 500) means."""
        words = said(reply).lower()
        if words.startswith(BLOCKED):
            wait = WAITS[min(self._blocked, len(WAITS) - 1)]
            self._blocked += 1
            self._said = BLOCKED
            return replace(reply, status=429, headers={"retry-after": str(wait)})
        self._blocked = 0
        self._said = ""
        if words.startswith(LOCKED):
            self._said = LOCKED
            return replace(reply, status=429, headers={"retry-after": str(LOCK_WAIT)})
        return replace(reply, status=401) if words == BAD_KEY else reply

    def _busy(self, error: Transient) -> Transient:
        """The same in better words where it is known what is in the way."""
        if error.code != "busy" or not self._said:
            return error
        if self._said == LOCKED:
            return Transient(
                T("Somebody has it open in Dilovod: {words}", words=self._said),
                code="locked",
                hint=T("It is tried again by itself when it is closed."),
            )
        return Transient(
            T("{name} is busy with another program's request on the same key.", name=self.name),
            code="parallel",
            hint=T("Dilovod takes one request at a time: give Mistok an API node of its own."),
        )

    # --- answers -----------------------------------------------------------------------------------------------------

    def page(self, params: Mapping[str, Any], offset: int) -> Sequence[Row]:
        """Rows from ``offset`` on, as many as come."""
        asked = {**params, "limit": {"offset": offset, "count": self.settings.page}}
        body = self.ask("request", asked)
        if isinstance(body, Mapping) and isinstance(body.get("columns"), list):
            names, data = [text(one) for one in body["columns"]], body.get("data")
            if not isinstance(data, list) or not all(isinstance(one, list) and len(one) == len(names) for one in data):
                raise self.unreadable(named(params["from"]))
            return [dict(zip(names, one, strict=True)) for one in data]
        found = body
        if isinstance(body, Mapping):
            found = next((body[name] for name in ("data", "rows", "result", "items") if name in body), None)
            found = [] if not body else found
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise self.unreadable(named(params["from"]))
        return found

    def unreadable(self, path: str) -> Transient:
        """An answer of a shape that is not known."""
        return Transient(
            T("{name} answers {path} in a way that cannot be read.", name=self.name, path=path),
            code="unreadable",
            hint=T("The service may have changed: tell us if it stays so."),
        )

    def capped(self, path: str) -> Transient:
        """A list is longer than may be read."""
        return Transient(
            T("The list {path} of {name} has more than {n} pages.", path=path, name=self.name,
              n=self.settings.max_pages),
            code="page-cap",
            hint=T("Nothing of it is used. Raise `max_pages` of the connection if it is right so."),
        )  # fmt: skip


class _Reading:
    """One reading of a list. ``whole``: every page joined the one before."""

    def __init__(self, client: Client, params: Mapping[str, Any], key: Sequence[str]) -> None:
        self.client, self.params, self.key = client, params, key
        self.whole = False

    def once(self) -> Iterator[tuple[tuple[str, ...], Row]]:
        """Every row that comes, with what it is known by."""
        got, last, pages = 0, None, 0
        while True:
            if pages >= self.client.settings.max_pages:
                raise self.client.capped(named(self.params["from"]))
            page = self.client.page(self.params, max(got - 1, 0))
            pages += 1
            keyed = [(self._known(row), row) for row in page]
            if got:
                if not keyed or keyed[0][0] != last:
                    return
                keyed = keyed[1:]
            yield from keyed
            if not keyed or len(page) < min(SURE, self.client.settings.page):
                self.whole = True
                return
            got, last = got + len(keyed), keyed[-1][0]

    def _known(self, row: Row) -> tuple[str, ...]:
        known = tuple(text(row.get(name)) for name in self.key)
        if not any(known):
            raise self.client.unreadable(named(self.params["from"]))
        return known


def named(source: Source) -> str:
    """What is read, for messages."""
    return source if isinstance(source, str) else text(source.get("register"))


def said(reply: Reply) -> str:
    """The words of an error that a reply tells; "" where it tells none."""
    head = reply.body[:_HEAD].lstrip()
    if not head.startswith(b"{") or b'"error' not in head:
        return ""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return ""
    words: list[str] = []
    if body.get("error"):
        words += _words(body["error"])
        words += _words(body.get("clientMessages"))
    elif body.get("status") == "error":
        words += _words(body.get("errorMessage"))
        words = words or ["error"]
    return " ".join(words).strip()


def _words(value: object) -> list[str]:
    match value:
        case str():
            return [value.strip()] if value.strip() else []
        case list():
            return [one for inner in value[:10] for one in _words(inner)]
        case dict():
            return _words(value.get("message") or value.get("text") or list(value.values()))
        case bool() | None:
            return ["error"] if value is True else []
        case _:
            return [str(value)]
