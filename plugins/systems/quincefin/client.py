"""The wire to Quincefin: lists in pages of 100, and records one by one.

What was seen of the API are lists: a JSON body of ``filter`` and ``page``, an answer of ``success`` and ``data``, 100
rows a page, members of a filter joined by AND. Verb, login, errors and the bodies of writes were not seen; what may
differ is a setting, and every other form is understood when it is read. A batch is never sent: what becomes of the
rest when one of it is wrong is not known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pipeline.api import HttpClient, InDoubt, Limits, Refused, Reply, SystemEnv, T, Text, Transient
from plugins.systems.quincefin.refusals import about_login, refused, words_of
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import Row, own

PAGE = 100  #: rows; cannot be changed
Form = Literal["object", "array"]
_Found = TypeVar("_Found")


class NoMethod(Refused):
    """The account's API has no such method (404)."""

    code = "quincefin-method"


class Client:
    """One account. Raises Refused, Transient and (of what is not safe to repeat) InDoubt."""

    def __init__(self, settings: QuincefinSettings, env: SystemEnv) -> None:
        token = settings.token.get_secret_value()
        shared: dict[str, Any] = {} if env.pacer is None else {"pacer": env.pacer}
        self.name, self.settings = env.name, settings
        self.http = HttpClient(
            name=env.name,
            url=settings.url,
            headers={settings.header: settings.header_value.format(token=token)},
            gate=env.gate,
            limits=Limits(per_second=settings.pace, in_flight=1),
            account=token,
            timeout=settings.timeout,
            **shared,
        )

    def close(self) -> None:
        """Let go of connections."""
        self.http.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def rows(self, path: str, given: Mapping[str, Any] | None = None) -> list[Row]:
        """Every row of a list once, by id. Members of ``given`` that are None are sent as null: it means "in none".

        Raises NoMethod where there is no such list; Transient for one of more pages than are allowed.
        """
        found: dict[int, Row] = {}
        number, last = 1, 0
        while True:
            if number > self.settings.max_pages:
                raise Transient(
                    T("The list {path} of {name} has more than {n} pages.", path=path, name=self.name,
                      n=self.settings.max_pages),
                    code="page-cap",
                    hint=T("Nothing of it is used. Raise `max_pages` of the connection if it is right so."),
                )  # fmt: skip
            page = self._page(path, given, number, last)
            before = len(found)
            for row in page:
                key = own(row)
                if key is None:
                    raise self._unreadable(path)
                found[key] = row
            if len(page) < PAGE or len(found) == before:
                return [found[key] for key in sorted(found)]
            number, last = number + 1, len(page)

    def tail(self, path: str, known: int) -> list[Row]:
        """The end of a list without a filter, of which ``known`` rows are known: such a list is by id (seen)."""
        found: list[Row] = []
        number = max(known // PAGE, 1)
        while True:
            page = self._page(path, None, number, PAGE)
            found += page
            if len(page) < PAGE:
                return found
            number += 1

    def first_page(self, path: str, given: Mapping[str, Any] | None = None) -> list[Row]:
        """The first page of a list."""
        return self._told(path, self._list(path, given, 1))

    def has(self, path: str, given: Mapping[str, Any] | None = None) -> bool:
        """Whether there is such a list."""
        try:
            self.first_page(path, given)
        except NoMethod:
            return False
        return True

    def _page(self, path: str, given: Mapping[str, Any] | None, number: int, last: int) -> list[Row]:
        try:
            return self._told(path, self._list(path, given, number))
        except NoMethod:
            raise
        except Refused:
            # a page behind the last one may be refused: it is believed after a full page, and a second look
            if number == 1 or last < PAGE:
                raise
        self._told(path, self._list(path, given, number - 1))
        try:
            return self._told(path, self._list(path, given, number))
        except Refused:
            return []

    def _list(self, path: str, given: Mapping[str, Any] | None, number: int) -> Reply:
        body = {**({"filter": dict(given)} if given else {}), "page": number}
        return self.http.ask("POST", f"{self.settings.prefix}/{path}/list", json=body, safe=True)

    def _told(self, path: str, reply: Reply) -> list[Row]:
        words = words_of(reply.body, reply.words)
        if reply.status in (404, 405):
            raise self._no_method(f"{path}/list", words)
        if not reply.ok:
            raise self._no_list(path, words)
        body = reply.json()
        if isinstance(body, Mapping) and body.get("success") is False:
            raise self._login(words) if about_login(words) else self._no_list(path, words)
        data = body.get("data") if isinstance(body, Mapping) and body.get("success") is True else None
        if not isinstance(data, list) or not all(isinstance(one, Mapping) for one in data):
            raise self._unreadable(path)
        return data

    # --- writing -----------------------------------------------------------------------------------------------------

    def add(self, path: str, record: Row, *, form: Form | None = None) -> int | None:
        """A new record; its id, where the answer tells it. Raises Held where it is refused, InDoubt where no answer
        came that says whether it was done, NoMethod."""
        data = self._written(path, "add", record, form)
        return own(data[0]) if len(data) == 1 else None

    def update(self, path: str, record: Row, *, form: Form | None = None) -> None:
        """A changed record, by its ``Id``. Absolute, so that it may be sent again. Raises as :meth:`add` does."""
        self._written(path, "update", record, form)

    def _written(self, path: str, method: str, record: Row, form: Form | None) -> Sequence[Row]:
        body = [record] if (form or self.settings.body) == "array" else record
        # lines that are added by each change must not be sent twice
        safe = method == "update" and self.settings.update_lines == "replace"
        reply = self.http.ask("POST", f"{self.settings.prefix}/{path}/{method}", json=body, safe=safe)
        words = words_of(reply.body, reply.words)
        if reply.status in (404, 405):
            raise self._no_method(f"{path}/{method}", words)
        if not reply.ok:
            raise refused(words)
        try:
            told = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise self._doubt(words) from error
        if isinstance(told, Mapping) and told.get("success") is False:
            raise self._login(words) if about_login(words) else refused(words)
        if not isinstance(told, Mapping) or told.get("success") is not True:
            raise self._doubt(words)
        data = told.get("data")
        return [one for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []

    # --- errors ------------------------------------------------------------------------------------------------------

    def _doubt(self, words: str) -> InDoubt:
        return InDoubt(
            T("{name} answers in a way that does not say whether it was done: {words}", name=self.name, words=words),
            hint=T("It is looked up by itself whether it was done."),
        )

    def _no_method(self, method: str, words: str) -> NoMethod:
        return NoMethod(T("{name} has no method {path}: {words}", name=self.name, path=method, words=words))

    def _login(self, words: str) -> Refused:
        return Refused(
            T("{name} refuses the key: {words}", name=self.name, words=words),
            code="login",
            hint=T("Look at `token`, `header` and `header_value` of the connection."),
        )

    def _no_list(self, path: str, words: str) -> Refused:
        return Refused(
            T("{name} refuses to tell {path}: {words}", name=self.name, path=path, words=words),
            code="quincefin-list",
            hint=T("Let `mistok check --connect` look what the account takes."),
        )

    def _unreadable(self, path: str) -> Transient:
        return Transient(
            T("{name} answers {path} in a way that cannot be read.", name=self.name, path=path),
            code="unreadable",
            hint=T("The service may have changed: tell us if it stays so."),
        )


def found_after(doubt: InDoubt, look: Callable[[], _Found | None]) -> _Found:
    """What a look finds of what is in doubt. Raises the doubt where it finds nothing, or cannot be taken."""
    try:
        found = look()
    except (Transient, Refused):
        raise doubt from None
    if found is None:
        raise doubt
    return found


def shown_after(look: Callable[[], _Found | None], what: Text) -> _Found:
    """What was made, as it is shown. Raises InDoubt where it is not shown, or cannot be looked at now."""
    doubt = InDoubt(
        T("Quincefin has taken it, and does not show it: {what}.", what=what), hint=T("Look whether it is there.")
    )
    return found_after(doubt, look)
