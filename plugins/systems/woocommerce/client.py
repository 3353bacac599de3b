"""The wire to a shop on WooCommerce: one key, its errors as ours, and what stands in the way of its JSON in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline.api import Held, HttpClient, InDoubt, Limits, Refused, Reply, SystemEnv, T, Transient, Who
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.paging import Page, Params, Row, read_pages
from plugins.systems.woocommerce.settings import WooSettings

API = "/wc/v3"
#: The code by which a batch is refused as too long, whatever its rows are.
TOO_MANY = "woocommerce_rest_request_entity_too_large"


@dataclass(frozen=True, slots=True)
class Said:
    """An error of the shop: of a whole request, or of a row of a batch."""

    code: str
    words: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, told: Any) -> Said:
        """``{"code": …, "message": …, "data": {…}}``; empty for anything else."""
        row = told if isinstance(told, Mapping) else {}
        data = row.get("data")
        params = data.get("params") if isinstance(data, Mapping) else None
        words = v.text(row.get("message"))
        if isinstance(params, Mapping):
            words += " " + "; ".join(v.text(one) for one in list(params.values())[:5])
        words = " ".join(re.sub(r"<[^>]*>", " ", words).split())
        return cls(v.text(row.get("code")), words, data if isinstance(data, Mapping) else {})


class TooMany(Exception):
    """The shop takes no batch that long; nothing was done."""


class NoRoute(Exception):
    """The shop's version does not have this address."""


class WooApi:
    """One shop. Safe to share between threads; close it."""

    def __init__(self, settings: WooSettings, env: SystemEnv) -> None:
        self.name = env.name
        self._size, self._most = settings.page, settings.max_pages
        self._plain = settings.permalinks == "plain"
        key, secret = settings.key.get_secret_value().strip(), settings.secret.get_secret_value().strip()
        in_query = settings.auth == "query"
        self._login: Params = (("consumer_key", key), ("consumer_secret", secret)) if in_query else ()
        more: dict[str, Any] = {"pacer": env.pacer} if env.pacer is not None else {}
        self._http = HttpClient(
            name=env.name,
            url=settings.url,
            auth=None if in_query else (key, secret),
            gate=env.gate,
            limits=Limits(per_minute=settings.per_minute, in_flight=2),
            account=key,
            timeout=settings.timeout.total_seconds(),
            ca_file=env.base / settings.ca_file if settings.ca_file is not None else None,
            **more,
        )

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    def get(self, path: str, params: Params = ()) -> Any:
        """The JSON of an address; None when there is no such thing (404).

        Raises NoRoute (no such address in this version), Refused (the query, the login, no API there), Transient.
        """
        return self._checked(self._ask("GET", path, params), path)

    def rows(self, path: str, params: Params = ()) -> Iterator[Row]:
        """Every row of a list once, by id. Raises as :meth:`get`, and Transient for a list that is not whole."""

        def page(offset: int, size: int) -> Page:
            part: Params = (("per_page", str(size)), ("orderby", "id"), ("order", "asc"))
            part += (("offset", str(offset)),) if offset else ()
            reply = self._ask("GET", path, (*params, *part))
            told = self._checked(reply, path)
            if not isinstance(told, list) or not all(map(_has_id, told)):
                raise self._unreadable(reply)
            total = reply.headers.get("x-wp-total", "")
            return Page(told, int(total) if total.isascii() and total.isdigit() else None)

        return read_pages(page, self._size, f"{self.name} {path}", self._most)

    def by_ids(self, path: str, ids: Sequence[int], params: Params = ()) -> dict[int, Row]:
        """The rows of a list with these ids, those that there are."""
        found: dict[int, Row] = {}
        for start in range(0, len(ids), self._size):
            some = ids[start : start + self._size]
            include = tuple(("include[]", str(one)) for one in some)
            found |= {v.whole(row.get("id")): row for row in self.rows(path, (*params, *include))}
        return found

    def send(self, method: str, path: str, body: Mapping[str, Any], *, again: bool) -> Any:
        """A write. ``again``: twice is the same as once, so that it is sent again when no answer comes.

        Raises Held (refused, with the shop's words), InDoubt (not ``again``, and no answer), Refused, Transient.
        """
        reply = self._ask(method, path, (), body, again=again)
        if not reply.ok:
            self._no_page(reply)
            raise self.held(self._said(reply))
        try:
            return self._json(reply)
        except Transient as error:
            if again:
                raise
            raise InDoubt(error.text, hint=T("It is looked up by itself whether it was done.")) from error

    def batch(self, path: str, part: str, bodies: Sequence[Mapping[str, Any]], *, again: bool) -> list[Row | Said]:
        """``part`` (create or update) of a batch: for each body its row as the shop then has it, or why not.

        Raises TooMany, and as :meth:`send` does.
        """
        reply = self._ask("POST", f"{path}/batch", (), {part: list(bodies)}, again=again)
        if reply.status == 413 or (not reply.ok and self._said(reply).code == TOO_MANY):
            raise TooMany
        if not reply.ok:
            self._no_page(reply)
            raise self.held(self._said(reply))
        doubt = None if again else InDoubt(T("{name} did not tell what became of each row.", name=self.name))
        try:
            told = self._json(reply)
        except Transient as error:
            raise (doubt or error) from error
        rows = told.get(part) if isinstance(told, Mapping) else None
        if not isinstance(rows, list) or len(rows) != len(bodies):
            raise doubt or self._unreadable(reply)
        return [_row_or_error(row) for row in rows]

    def held(self, said: Said) -> Held:
        """What the shop has refused, in its words."""
        hint = T("Look for it in the shop's trash.") if "lookup table" in said.words else None
        return Held(
            T("{name}: {words} ({code})", name=self.name, words=said.words or "-", code=said.code or "-"),
            code="woo-refused", hint=hint, who=Who.ACCOUNTANT,
        )  # fmt: skip

    # --- answers -----------------------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, params: Params, body: Mapping[str, Any] | None = None, *, again: bool = True
    ) -> Reply:
        route = API + path
        where, more = ("/", (("rest_route", route),)) if self._plain else (f"/wp-json{route}", ())
        try:
            return self._http.ask(method, where, params=(*self._login, *more, *params) or None, json=body, safe=again)
        except Refused as error:
            if error.code == "login":
                hint = T(
                    "Look whether key and secret are right and may read and write (WooCommerce: Settings, Advanced, "
                    "REST API). Some servers do not hand the key on: then `auth: query` helps."
                )
                raise Refused(error.text, code="login", hint=hint) from error
            if error.code == "refused":
                hint = T("A firewall or a security plugin of the shop may be in the way: let this address pass.")
                raise Refused(error.text, code="refused", hint=hint) from error
            raise

    def _checked(self, reply: Reply, path: str) -> Any:
        if reply.ok:
            return self._json(reply)
        self._no_page(reply)
        said = self._said(reply)
        if said.code == "rest_no_route":
            raise NoRoute(path)
        if reply.status in (404, 410):
            return None
        raise Refused(
            T("{name} refuses {asked} ({status}): {words}", name=self.name, asked=f"GET {path}", status=reply.status,
              words=said.words or reply.words),
            code="woo-query",
        )  # fmt: skip

    def _no_page(self, reply: Reply) -> None:
        """Raises Refused for an error that is a page, and not the API's."""
        if _is_json(reply.body):
            return
        if reply.status == 404:
            raise Refused(
                T("{name} has no REST API at {asked}: {words}", name=self.name, asked=reply.asked, words=reply.words),
                code="woo-no-api",
                hint=T("Look whether `url` is the shop's address. If its pages are like /?p=123: `permalinks: plain`."),
            )  # fmt: skip
        raise Refused(
            T("{name} answers {asked} with a page ({status}): {words}", name=self.name, asked=reply.asked,
              status=reply.status, words=reply.words),
            code="woo-page",
            hint=T("A firewall or a security plugin of the shop may be in the way: let this address pass."),
        )  # fmt: skip

    def _json(self, reply: Reply) -> Any:
        """What was answered; remarks of PHP before it are skipped."""
        body = reply.body.lstrip(b"\xef\xbb\xbf \r\n\t")
        for start in _starts(body):
            try:
                return json.loads(body[start:], parse_float=Decimal)
            except (ValueError, RecursionError):
                continue
        raise Transient(
            T("{name} answers {asked} with a page in place of data: {words}", name=self.name, asked=reply.asked,
              words=reply.words),
            code="woo-page",
            hint=T("The shop may be in maintenance, or a firewall or a security plugin is in the way."),
        )  # fmt: skip

    def _said(self, reply: Reply) -> Said:
        try:
            return Said.of(self._json(reply))
        except Transient:
            return Said("", reply.words, {})

    def _unreadable(self, reply: Reply) -> Transient:
        return Transient(
            T("The answer of {name} to {asked} is not what its API tells.", name=self.name, asked=reply.asked),
            code="woo-unreadable",
            hint=T("A plugin of the shop may have altered it. If it stays so, tell us."),
        )


def _has_id(row: Any) -> bool:
    return isinstance(row, Mapping) and v.whole(row.get("id")) > 0


def _starts(body: bytes) -> Iterator[int]:
    """Where JSON may begin: at once, else at the start of a line or behind a tag."""
    yield 0
    for n, found in enumerate(re.finditer(rb"(?:^|[>\n])\s*([\[{])", body[:200_000])):
        if found.start(1):
            yield found.start(1)
        if n > 50:
            return


def _is_json(body: bytes) -> bool:
    for start in _starts(body.lstrip(b"\xef\xbb\xbf \r\n\t")):
        try:
            json.loads(body.lstrip(b"\xef\xbb\xbf \r\n\t")[start:])
        except (ValueError, RecursionError):
            continue
        return True
    return False


def _row_or_error(row: Any) -> Row | Said:
    if not isinstance(row, Mapping):
        return Said("", "", {})
    return Said.of(row["error"]) if "error" in row else row
