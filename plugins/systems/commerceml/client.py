"""We as 1C: a shop's exchange address, its words as ours. Its first word decides, whatever else is said."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipeline.api import Held, HttpClient, InDoubt, Refused, Reply, SystemEnv, T, Text, Transient, verbatim
from plugins.systems.commerceml.settings import HttpSettings

_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Session:
    """What a shop has said at the beginning."""

    cookie: str
    extra: tuple[tuple[str, str], ...]  #: further parameters of every request (sessid)
    zip: bool = False
    limit: int | None = None


class _Lost(Exception):
    """The answer to a part of a file was lost: it may be there once, or not at all."""


class ShopClient:
    """One shop. It asks nothing before the first use; close it."""

    def __init__(self, settings: HttpSettings, env: SystemEnv) -> None:
        self._settings, self._env = settings, env
        parts = urlsplit(settings.url)
        self._path, self._query = parts.path or "/", tuple(parse_qsl(parts.query, keep_blank_values=True))
        more: dict[str, Any] = {"pacer": env.pacer} if env.pacer is not None else {}
        self._http = HttpClient(
            name=env.name,
            url=f"{parts.scheme}://{parts.netloc}",
            headers={"Accept": "*/*"},
            auth=(settings.user, settings.password.get_secret_value()),
            account=settings.user,
            timeout=settings.timeout.total_seconds(),
            **more,
        )
        self._orders: Session | None = None

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def check(self) -> None:
        """Log in. Raises Refused, Transient."""
        self._login("catalog")

    # --- sending -----------------------------------------------------------------------------------------------------

    def send_goods(self, files: Mapping[str, bytes], *, full: bool) -> None:
        """A session of goods: all files, then their import one by one.

        Raises Held (the shop's words), Refused (login, address), Transient.
        """
        for attempt in range(1, _RESTARTS + 1):
            try:
                return self._send_goods(files, full=full)
            except _Lost as lost:  # begun anew: `init` has the shop forget what came
                if attempt == _RESTARTS:
                    raise self._gave_up() from lost
        return None

    def _send_goods(self, files: Mapping[str, bytes], *, full: bool) -> None:
        session = self._begin("catalog")
        if session.zip and self._settings.zip:
            self._send(session, "catalog", "import.zip", _packed(files))
        else:
            for name, data in files.items():
                self._send(session, "catalog", name, data)
        for name in files:
            self._until_done(session, "catalog", name)
        for mode in self._settings.finish if full else ():
            self._said(self._ask(session, "GET", "catalog", mode), mode)

    def send_states(self, name: str, data: bytes) -> None:
        """A file of documents, which a shop imports as it comes. Raises as :meth:`send_goods`."""
        for attempt in range(1, _RESTARTS + 1):
            try:
                session = self._begin("sale")
                return self._send(session, "sale", name, data)
            except _Lost as lost:
                if attempt == _RESTARTS:
                    raise self._gave_up() from lost
        return None

    def _send(self, session: Session, kind: str, name: str, data: bytes) -> None:
        size = self._settings.part if session.limit is None else min(session.limit, self._settings.part)
        if len(data) > size and not self._settings.append:
            raise Refused(
                T("{file} has {size} bytes; the shop takes {limit} at once, and does not append.", file=name,
                  size=len(data), limit=size),
                code="part",
            )  # fmt: skip
        for start in range(0, max(len(data), 1), size):
            try:
                reply = self._ask(session, "POST", kind, "file", name, data[start : start + size])
            except InDoubt as error:
                raise _Lost from error
            self._said(reply, "file")

    def _until_done(self, session: Session, kind: str, name: str) -> None:
        clock = self._env.clock
        until = clock.now() + self._settings.patience
        while self._said(self._ask(session, "GET", kind, "import", name), "import") == "progress":
            if clock.now() >= until:
                raise Transient(
                    T("{name} is still importing {file} after {minutes} minutes.", name=self._env.name, file=name,
                      minutes=int(self._settings.patience.total_seconds() // 60)),
                    code="slow",
                )  # fmt: skip
            clock.sleep(self._settings.pause.total_seconds())

    # --- orders ------------------------------------------------------------------------------------------------------

    def orders(self) -> bytes:
        """The file of the orders that the shop has for us; it gives them again until :meth:`took_orders`."""
        self._orders = self._begin("sale")
        reply = self._ask(self._orders, "GET", "sale", "query")
        head = reply.body[:400].lstrip(b"\xef\xbb\xbf \r\n\t")
        if not head.startswith(b"<"):
            self._said(reply, "query")
            raise self._refusal("query", verbatim(_lines(reply)[0][:200]))
        return reply.body

    def took_orders(self) -> None:
        """What :meth:`orders` gave is safe: the shop need not give it again."""
        assert self._orders is not None
        self._said(self._ask(self._orders, "GET", "sale", "success"), "success")

    # --- asking ------------------------------------------------------------------------------------------------------

    def _begin(self, kind: str) -> Session:
        session = self._login(kind)
        lines = _lines(self._ask(session, "GET", kind, "init"))
        told = {
            name.strip().lower(): value.strip() for name, found, value in (one.partition("=") for one in lines) if found
        }
        if "zip" not in told and "file_limit" not in told:
            raise self._refusal("init", verbatim(" ".join(lines)[:200]))
        limit = told.get("file_limit", "")
        extra = (("sessid", told["sessid"]),) if told.get("sessid") else session.extra
        size = int(limit) if limit.isascii() and limit.isdigit() and int(limit) > 0 else None
        return Session(session.cookie, extra, told.get("zip", "").lower() == "yes", size)

    def _login(self, kind: str) -> Session:
        def login() -> Session:
            lines = _lines(self._ask(None, "GET", kind, "checkauth"))
            if lines[0].lower() != "success" or len(lines) < 3:
                words = verbatim(" ".join(lines[1:] if lines[0].lower() in ("failure", "fail") else lines)[:200])
                raise Refused(
                    T("{name} refuses the login: {words}", name=self._env.name, words=words),
                    code="login",
                    hint=T("Look whether user name, password and address are those of the shop's exchange."),
                )
            extra = tuple(("sessid", one[7:]) for one in lines[3:] if one.startswith("sessid="))
            return Session(f"{lines[1]}={lines[2]}", extra)

        return self._env.gate(login)

    def _ask(
        self, session: Session | None, method: str, kind: str, mode: str, name: str | None = None,
        content: bytes | None = None,
    ) -> Reply:  # fmt: skip
        params = [*self._query, ("type", kind), ("mode", mode)]
        params += [("filename", name)] if name is not None else []
        params += session.extra if session else ()
        headers = {"Cookie": session.cookie} if session else {}
        if content is not None:
            headers["Content-Type"] = "application/octet-stream"
        reply = self._http.ask(method, self._path, params=params, content=content, headers=headers)
        if not reply.ok:
            raise Refused(
                T("{name} answers {mode} with {status}: {words}", name=self._env.name, mode=mode, status=reply.status,
                  words=reply.words),
                code="exchange-address",
                hint=T("Look whether the address is that of the shop's exchange."),
            )  # fmt: skip
        return reply

    def _said(self, reply: Reply, mode: str) -> str:
        """``success`` or ``progress``. Raises Held with the shop's words for anything else."""
        lines = _lines(reply)
        word = lines[0].split()[0].lower() if lines[0] else ""
        if word in ("success", "progress"):
            return word
        words = " ".join(lines[1:] if word in ("failure", "fail") and len(lines) > 1 else lines)
        raise self._refusal(mode, verbatim(words[:300] or "—"))

    def _refusal(self, mode: str, words: Text) -> Held:
        return Held(
            T("{name} refuses {mode}: {words}", name=self._env.name, mode=mode, words=words), code="exchange-refused"
        )

    def _gave_up(self) -> Transient:
        return Transient(
            T("{name} did not answer to a part of a file, {n} times.", name=self._env.name, n=_RESTARTS),
            code="no-answer",
        )


def _lines(reply: Reply) -> list[str]:
    """The lines of an answer, in UTF-8 (with or without a mark) or windows-1251; one empty line at least."""
    body = reply.body[:20_000]
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1251", "replace")
    return [line.strip() for line in text.strip().splitlines()] or [""]


def _packed(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()
