"""The wire to KeepinCRM: one key, one request at a time, at a pace; what it refuses, in its own words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pipeline.api import Held, HttpClient, Limits, Refused, Reply, SystemEnv, T, Text, Who
from plugins.systems.keepincrm.paging import FilterRefused, Lister, Page, Params, Row, page_of
from plugins.systems.keepincrm.settings import KeepinSettings

#: Statuses by which an address says that there is no such thing to be done there.
NO_SUCH_WAY = frozenset({404, 405, 501})


class KeepinApi:
    """One account. Safe to share between threads; close it."""

    def __init__(self, settings: KeepinSettings, env: SystemEnv) -> None:
        self.name = env.name
        self._size, self._most = settings.page, settings.max_pages
        token = settings.token.get_secret_value().strip()
        #: tells accounts apart
        self.account = hashlib.sha256(f"{settings.url}\0{token}".encode()).hexdigest()
        self._http = HttpClient(
            name=env.name,
            url=settings.url,
            headers={"X-Auth-Token": token},
            gate=env.gate,
            limits=Limits(per_minute=settings.per_minute, per_second=settings.pace, in_flight=1),
            account=token,
            timeout=settings.timeout.total_seconds(),
            ca_file=env.base / settings.ca_file if settings.ca_file is not None else None,
        )
        if env.pacer is not None:
            self._http.pacer = env.pacer
        self._listers: dict[str, Lister] = {}

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def rows(self, path: str, params: Params = ()) -> Iterator[Row]:
        """Every row of a list once. Raises Refused, Transient; FilterRefused when ``params`` are not taken."""
        lister = self._listers.get(path)
        if lister is None:
            lister = Lister(lambda asked: self.page(path, asked), path, self._size, most=self._most)
            self._listers[path] = lister
        return lister.rows(params)

    def page(self, path: str, params: Params = ()) -> Page:
        """One answer of a list. Raises as :meth:`rows` does."""
        reply = self._http.ask("GET", path, params=params)
        if reply.status in (400, 422):
            if any(name.startswith("q[") for name, _value in params):
                raise FilterRefused(reply.words)
            raise Refused(self._words(reply), code="keepin-list")
        if not reply.ok:
            raise Refused(
                self._words(reply), code="keepin-list",
                hint=T("Look whether the address of the API is right, and whether the account has this list."),
            )  # fmt: skip
        return page_of(reply.json(), reply.asked)

    def one(self, path: str) -> Row | None:
        """A thing by its address; None when there is none (404). Raises Held, Refused, Transient."""
        reply = self._http.ask("GET", path)
        if reply.status == 404:
            return None
        return self._row(reply)

    def by_sku(self, sku: str) -> Row | None:
        """The material that the account takes for an article, if it really has that one.

        Several may have it, and some accounts cut an article at a dot: what comes is looked at.
        """
        if sku in {".", ".."}:  # parts of a path that mean something else
            return None
        row = self.one(f"/materials/sku/{quote(sku, safe='')}")
        return row if row is not None and row.get("sku") == sku else None

    # --- writing -----------------------------------------------------------------------------------------------------

    def change(self, path: str, body: Mapping[str, Any], *, absolute: bool = True, params: Params = ()) -> Row | None:
        """PATCH a thing; None when there is none (404).

        ``absolute``: twice is the same as once, so that it is sent again when no answer comes.
        Raises Held (refused, with the account's words), InDoubt (not ``absolute``), Refused, Transient.
        """
        reply = self._http.ask("PATCH", path, json=body, params=params, safe=absolute)
        if reply.status == 404:
            return None
        return self._row(reply)

    def put(self, path: str, body: Mapping[str, Any]) -> Row | None:
        """PUT a thing; None when the account has no such way. Raises as :meth:`change` does."""
        reply = self._http.ask("PUT", path, json=body)
        return None if reply.status in NO_SUCH_WAY else self._row(reply)

    def add(self, path: str, body: Mapping[str, Any], params: Params = ()) -> Row | None:
        """POST a new thing; None when the account has no such way, and nothing was made.

        Raises Held (refused, with the account's words), InDoubt (nobody knows whether it was made), Refused, Transient.
        """
        reply = self._http.ask("POST", path, json=body, params=params)
        return None if reply.status in NO_SUCH_WAY else self._row(reply)

    def remove(self, path: str) -> bool:
        """DELETE a thing; False when the account has no such way, or no such thing. Raises Held, Refused, Transient."""
        reply = self._http.ask("DELETE", path)
        if reply.status in NO_SUCH_WAY:
            return False
        if not reply.ok:
            raise self._held(reply)
        return True

    # --- what it says ------------------------------------------------------------------------------------------------

    def _row(self, reply: Reply) -> Row:
        if not reply.ok:
            raise self._held(reply)
        told = reply.json() if reply.body.strip() else {}
        return told if isinstance(told, Mapping) else {}

    def _held(self, reply: Reply) -> Held:
        """A 4xx: ``{"message": …, "errors": {"total": ["is required"]}}``, a flat list, or nothing at all."""
        if reply.words == str(reply.status):
            return Held(
                T("{name} refuses {asked} ({status}) without a reason.", name=self.name, asked=reply.asked,
                  status=reply.status),
                code="keepin-refused", who=Who.ADMIN,
                hint=T("A name or a number in the config may not be the account's: mistok check --connect."),
            )  # fmt: skip
        return Held(self._words(reply), code="keepin-refused", who=Who.ACCOUNTANT)

    def _words(self, reply: Reply) -> Text:
        return T(
            "{name} refuses {asked} ({status}): {words}",
            name=self.name, asked=reply.asked, status=reply.status, words=reply.words,
        )  # fmt: skip
