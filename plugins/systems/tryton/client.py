"""The wire to Tryton: JSON-RPC calls in a session, and its errors as ours.

A call is ``POST /DATABASE/rpc/`` of ``{"id", "method": "model.NAME.METHOD", "params": [..., context]}``; it is one
transaction. A login gives a session, which ends when it was not used for some minutes: then there is a new login, once
for a call. Errors of a call come by 200.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.api import (
    ConfigError,
    HttpClient,
    InDoubt,
    MistokError,
    Refused,
    Reply,
    SystemEnv,
    T,
    Transient,
)
from plugins.systems.tryton.refusals import held, refused
from plugins.systems.tryton.settings import TrytonSettings
from plugins.systems.tryton.values import Row, decoded, encoded, link, text

#: A call that was refused for its session, as a status that no server sends.
_EXPIRED = 419
Domain = Sequence[Any]
Context = Mapping[str, Any]


class Client:
    """One database. Raises Refused, Transient, Held and (of what is not safe to repeat) InDoubt."""

    def __init__(self, settings: TrytonSettings, env: SystemEnv) -> None:
        self.name, self.settings = env.name, settings
        shared: dict[str, Any] = {} if env.pacer is None else {"pacer": env.pacer}
        shared |= {"name": env.name, "url": settings.url, "gate": env.gate, "account": settings.user}
        self._door = HttpClient(timeout=settings.timeout, **shared)
        self._http = HttpClient(timeout=settings.timeout, heard=_heard, **shared)
        self._path = f"/{settings.database}/rpc/"
        self._lock = threading.RLock()
        self._session = ""
        self._context: dict[str, Any] | None = None

    def close(self) -> None:
        """Let go of connections. The session ends by itself."""
        self._door.close()
        self._http.close()

    # --- the session -------------------------------------------------------------------------------------------------

    def _login(self, old: str) -> str:
        """A session other than ``old``, which has expired."""
        with self._lock:
            if self._session and self._session != old:
                return self._session
            settings = self.settings
            asked = [settings.user, {"password": settings.password.get_secret_value()}, settings.language or "en"]
            body = self._answer(self._door, "common.db.login", asked, {}, safe=True)
            if not (isinstance(body, list) and len(body) >= 2 and isinstance(body[1], str)):
                raise self.unreadable("common.db.login")
            token = f"{settings.user}:{body[0]}:{body[1]}".encode()
            self._session = base64.b64encode(token).decode()
            return self._session

    def context(self) -> Mapping[str, Any]:
        """What Tryton knows of its user: company, language, groups. Raises ConfigError for an unknown company."""
        with self._lock:
            if self._context is None:
                known = self.call("model.res.user.get_preferences", True, context={})
                if not isinstance(known, dict):
                    raise self.unreadable("get_preferences")
                known.pop("locale", None)
                if self.settings.language:
                    known["language"] = self.settings.language
                if self.settings.company:
                    known["company"] = self._company(self.settings.company, known)
                self._context = known
            return self._context

    def _company(self, name: str, context: Context) -> int:
        rows = list(self.rows("company.company", [], ["party.name"], context=context))
        found = [row["id"] for row in rows if text((row.get("party.") or {}).get("name")).strip() == name.strip()]
        if len(found) != 1:
            names = ", ".join(sorted(text((row.get("party.") or {}).get("name")) for row in rows))
            raise ConfigError(
                T("Tryton has no company {name} for this user, or several.", name=name),
                hint=T("It has: {names}.", names=names or "—"),
            )
        return link(found[0])

    def series(self) -> str:
        """The version of the server (``8.0``), which it tells without a login."""
        found = self._answer(self._door, "common.server.version", [], {}, safe=True, path="/rpc/")
        if not isinstance(found, str):
            raise self.unreadable("common.server.version")
        return found

    @property
    def company(self) -> int:
        """The company that documents are of. Raises ConfigError where the user has none."""
        found = link(self.context().get("company"))
        if not found:
            raise ConfigError(
                T("The user {name} of Tryton belongs to no company.", name=self.settings.user),
                hint=T("Give it one in Tryton (Administration, Users), or name one: `company` of the connection."),
            )
        return found

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(
        self, method: str, *params: Any, safe: bool = True, writing: bool = False, context: Context | None = None
    ) -> Any:
        """One call and its result.

        Args:
            safe: it may be repeated where no answer came; else that is InDoubt.
            writing: it changes something, so that a fault of the server is Held and not Transient.
            context: in place of the user's own; more is added by :meth:`with_context`.
        """
        sent = [*params, self.context() if context is None else context]
        for _ in range(2):
            session = self._session or self._login("")
            try:
                return self._answer(
                    self._http, method, sent, {"Authorization": f"Session {session}"}, safe=safe, writing=writing
                )
            except _Expired:
                self._login(session)
        raise Refused(
            T("{name} ends each session at once.", name=self.name),
            code="login",
            hint=T("Look whether the user is active and the clock of the Tryton server is right."),
        )

    def _answer(
        self,
        http: HttpClient,
        method: str,
        params: Sequence[Any],
        headers: Mapping[str, str],
        *,
        safe: bool,
        writing: bool = False,
        path: str = "",
    ) -> Any:
        body = {"id": 1, "method": method, "params": encoded(list(params))}
        reply = http.ask("POST", path or self._path, json=body, headers=headers, safe=safe)
        if reply.status == _EXPIRED:
            raise _Expired
        if reply.status == 404:
            raise Refused(
                T("The Tryton server has no database {name}.", name=self.settings.database),
                code="no-database",
                hint=T("Correct `url` or `database` of the connection."),
            )
        if not reply.ok:
            words = T("Tryton refuses it: {words}", words=reply.words)
            raise held(words, code="tryton-refused") if writing else Transient(words, code="refused-reading")
        try:
            answer = reply.json()
        except Transient as error:
            if safe:
                raise
            raise InDoubt(error.text, hint=T("It is looked up by itself whether it was done.")) from error
        if not isinstance(answer, dict) or not ({"result", "error"} & set(answer)):
            raise self._doubtful(method, safe=safe)
        if answer.get("error") is not None:
            raise refused(answer["error"], writing=writing)
        return decoded(answer.get("result"))

    def _doubtful(self, method: str, *, safe: bool) -> MistokError:
        error = self.unreadable(method)
        return error if safe else InDoubt(error.text, hint=T("It is looked up by itself whether it was done."))

    def with_context(self, **more: Any) -> dict[str, Any]:
        """The user's context and more."""
        return {**self.context(), **more}

    def unreadable(self, path: str) -> Transient:
        """An answer of a shape that is not known."""
        return Transient(
            T("{name} answers {path} in a way that cannot be read.", name=self.name, path=path),
            code="unreadable",
            hint=T("The service may have changed: tell us if it stays so."),
        )

    # --- records -----------------------------------------------------------------------------------------------------

    def rows(
        self, model: str, domain: Domain, fields: Sequence[str], *, context: Context | None = None
    ) -> Iterator[Row]:
        """Every record of a domain by id, with ``id``; a dotted field stands below its link (``party.`` → ``name``)."""
        last = 0
        while True:
            asked = [list(domain), ["id", ">", last]]
            found = self.call(
                f"model.{model}.search_read", asked, 0, self.settings.page, [["id", "ASC"]], list(fields),
                context=context,
            )  # fmt: skip
            if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
                raise self.unreadable(f"{model}.search_read")
            yield from found
            if len(found) < self.settings.page:
                return
            last = found[-1]["id"]

    def of_ids(self, model: str, wanted: Sequence[int], fields: Sequence[str]) -> dict[int, Row]:
        """Records by id; those that are not there, or not to be seen, are absent."""
        found: dict[int, Row] = {}
        some = sorted(set(wanted))
        for start in range(0, len(some), self.settings.page):
            chosen = ["id", "in", some[start : start + self.settings.page]]
            found |= {row["id"]: row for row in self.rows(model, [chosen], fields)}
        return found

    def create(self, model: str, values: Row) -> int:
        """A new record; its id. Raises Held (nothing was made), InDoubt."""
        made = self.call(f"model.{model}.create", [dict(values)], safe=False, writing=True)
        if not (isinstance(made, list) and len(made) == 1 and isinstance(made[0], int)):
            raise InDoubt(self.unreadable(f"{model}.create").text)
        return made[0]

    def write(self, model: str, record: int, values: Row, *, safe: bool = True, stamp: str = "") -> None:
        """Change a record. ``safe``: a second time does the same. ``stamp``: of the record as it was read, so that
        nobody's change in between is lost (Transient)."""
        context = self.with_context(_timestamp={f"{model},{record}": stamp}) if stamp else None
        self.call(f"model.{model}.write", [record], dict(values), safe=safe, writing=True, context=context)

    def press(self, model: str, button: str, record: int, *, safe: bool = True) -> Any:
        """A button. Where a record is not in a state that the button is for, Tryton leaves it as it is: most of them
        may be repeated."""
        return self.call(f"model.{model}.{button}", [record], safe=safe, writing=True)


class _Expired(Exception):
    """The session is no more."""


def _heard(reply: Reply) -> Reply:
    """A call that is refused for its session is not refused for its password."""
    return replace(reply, status=_EXPIRED) if reply.status == 401 else reply
