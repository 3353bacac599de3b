"""The site's side of the exchange over HTTP: a request in, an answer out, whatever carries them. See docs.

The steps of 1C, BAS and MoySklad: ``checkauth``, ``init``, ``file`` in parts, ``import`` until it is no more
``progress``; ``query`` and ``success`` for orders; statuses by ``file``. The answer is 200 also where it says
``failure``: the first word decides.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.api import Finding, MistokError, Rejected, SystemEnv, T, Text
from plugins.commerceml.order_out import file_of
from plugins.systems.commerceml import sessions
from plugins.systems.commerceml.outbox import acknowledge, remember, waiting
from plugins.systems.commerceml.received import ALLOWED, Inbox, safe_path, suffix_of
from plugins.systems.commerceml.settings import CommerceMLSettings, ServerSettings
from plugins.systems.commerceml.store import Store, note

COOKIE = "mistok_exchange"
_TRIES, _WITHIN = 10, 60.0  # wrong passwords of one address, and seconds
_ADDRESSES = 10_000  # that are remembered at once


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Header names are lower-case; of a name that the query has twice the last value."""

    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, always with 200."""

    body: bytes
    content_type: str = "text/plain; charset=windows-1251"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """For people."""
        return self.body.decode("cp1251", "replace")


class Exchange:
    """The site that an accounting program asks. Safe to be asked from several threads; close it."""

    def __init__(
        self,
        settings: CommerceMLSettings,
        server: ServerSettings,
        env: SystemEnv,
        store: Callable[[], Store],
        *,
        token: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._settings, self._server, self._env = settings, server, env
        self._open, self._token = store, token
        self._store = store()
        self._pictures = state_folder(settings, env) / "pictures"
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="commerceml-import")
        self._imports: dict[tuple[int, str], Future[Text | None]] = {}
        self._wrong: dict[str, deque[datetime]] = {}

    def close(self) -> None:
        """Wait for an import that is under way, and let go of the store."""
        self._pool.shutdown()
        self._store.close()

    def answer(self, asked: Asked) -> Answer:
        """The answer. Never raises for what was asked; troubles of ours are ``failure`` with their words."""
        kind, mode = asked.query.get("type", "").strip().lower(), asked.query.get("mode", "").strip().lower()
        try:
            if kind not in ("catalog", "sale"):
                return failure(T("Unknown command type: {kind}.", kind=kind[:40] or "—"))
            if mode == "checkauth":
                return self._login(asked, kind)
            session = self._session(asked)
            if session is None:
                return failure(T("Log in first (mode=checkauth): the session is unknown or has ended."))
            return self._act(kind, mode, session, asked)
        except MistokError as error:
            return failure(error.text)

    def _act(self, kind: str, mode: str, session: int, asked: Asked) -> Answer:
        match kind, mode:
            case _, "init":
                return self._init(kind, session)
            case _, "file":
                return self._file(kind, session, asked)
            case _, "import":
                return self._import(session, asked.query.get("filename", ""))
            case "catalog", "deactivate" | "complete":
                self._inbox(session).move_pictures(self._pictures)
                with self._lock, self._store.writing() as db:
                    sessions.finish(db, session, self._settings, self._env.clock.now(), ended=True)
                return success()
            case "sale", "query":
                return self._query(session)
            case "sale", "success":
                with self._lock, self._store.writing() as db:
                    acknowledge(db, f"session:{session}")
                return success()
        return success()  # as sites do with what they do not know

    # --- logging in --------------------------------------------------------------------------------------------------

    def _login(self, asked: Asked, kind: str) -> Answer:
        now = self._env.clock.now()
        with self._lock:
            if len(self._wrong) > _ADDRESSES:
                self._wrong.clear()
            wrong = self._wrong.setdefault(asked.address, deque(maxlen=_TRIES))
            if len(wrong) == _TRIES and (now - wrong[0]).total_seconds() < _WITHIN:
                return failure(T("Too many wrong passwords: wait a minute."))
            if not self._right(asked.headers.get("authorization", "")):
                wrong.append(now)
                return failure(T("The user name or the password is wrong."))
            wrong.clear()
            token = self._token()
            with self._store.writing() as db:
                if kind == "catalog":
                    sessions.finish_others(db, self._settings, now)
                sessions.begin(db, _hashed(token), kind, now)
        headers = {"Set-Cookie": f"{COOKIE}={token}; HttpOnly; SameSite=Strict"}
        return Answer(f"success\n{COOKIE}\n{token}\n".encode(), headers=headers)

    def _right(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        try:
            said = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self._server.user}:{self._server.password.get_secret_value()}"
        return any(hmac.compare_digest(said, wanted.encode(codec, "replace")) for codec in ("utf-8", "cp1251"))

    def _session(self, asked: Asked) -> int | None:
        cookies = [part.strip().partition("=") for part in asked.headers.get("cookie", "").split(";")]
        token = next((value.strip().strip('"') for name, _, value in cookies if name == COOKIE), "")
        if not token:
            return None
        with self._lock, self._store.writing() as db:
            return sessions.known(db, _hashed(token), self._env.clock.now(), self._server.session_time)

    # --- goods and statuses in ---------------------------------------------------------------------------------------

    def _init(self, kind: str, session: int) -> Answer:
        with self._lock, self._store.writing() as db:
            sessions.restart(db, session, kind, self._env.clock.now())
            old = sessions.old(db)
        for one in (*old, session):
            self._inbox(one).move_pictures(self._pictures)
            self._inbox(one).clear()
        lines = [f"zip={'yes' if self._server.zip else 'no'}", f"file_limit={self._server.file_limit}"]
        if self._server.version is not None:
            lines += ["", f"version={self._server.version}"]
        return Answer(("\n".join(lines) + "\n").encode())

    def _file(self, kind: str, session: int, asked: Asked) -> Answer:
        raw = asked.query.get("filename", "")
        path = safe_path(raw)
        if path is None:
            return failure(T("This is no name of a file: {name}.", name=raw[:80] or "—"))
        if len(asked.body) > self._server.file_limit:
            return failure(T("A part is larger than the {limit} bytes of file_limit.", limit=self._server.file_limit))
        if suffix_of(path) not in ALLOWED:
            with self._lock, self._store.writing() as db:
                note(db, Finding("file-kind", T("{file} was not kept: only XML, ZIP and pictures are.", file=path)))
            return success()
        with self._lock:
            self._inbox(session).append(path, asked.body)
            with self._store.writing() as db:
                sessions.received(db, session, path)
        if kind == "sale":
            return self._statuses(session, path, last=len(asked.body) < self._server.file_limit)
        return success()

    def _statuses(self, session: int, path: str, *, last: bool) -> Answer:
        """Documents are imported as they come; one that is not whole waits for its next part."""
        try:
            words = self._run(session, path)
        except Rejected as error:
            if error.code == "truncated" and not last:
                return success()
            raise
        return success() if words is None else failure(words)

    def _import(self, session: int, raw: str) -> Answer:
        path = safe_path(raw)
        if path is None:
            return failure(T("This is no name of a file: {name}.", name=raw[:80] or "—"))
        key = (session, path)
        with self._lock:
            running = self._imports.get(key)
            if running is None:
                running = self._imports[key] = self._pool.submit(self._run, session, path)
        try:
            words = running.result(self._server.step.total_seconds())
        except Late:
            return Answer(b"progress\n" + f"{path}\n".encode("cp1251", "replace"))
        except MistokError as error:
            words = error.text
        finally:
            with self._lock:
                if running.done():
                    self._imports.pop(key, None)
        return success() if words is None else failure(words)

    def _run(self, session: int, path: str) -> Text | None:
        """Import one file; gives the words for what is wrong. In a thread and a store of its own."""
        store, inbox, now = self._open(), self._inbox(session), self._env.clock.now()
        try:
            if suffix_of(path) == ".zip" and path not in inbox.archives():
                return None if inbox.names() else T("{file} did not come.", file=path)
            whole = suffix_of(path) == ".zip"
            names = self._unpacked(store, session, inbox)
            inbox.move_pictures(self._pictures)
            asked = [one for one in names if suffix_of(one) == ".xml"] if whole else [path]
            for one in asked:
                data = inbox.read(one)
                if data is None:
                    return T("{file} did not come.", file=one)
                sessions.import_file(store, session, one, data, self._settings, now)
            return None
        except Rejected as error:
            with store.writing() as db:
                sessions.failed(db, session, path, str(error.text))
            raise
        finally:
            store.close()

    def _unpacked(self, store: Store, session: int, inbox: Inbox) -> list[str]:
        names: list[str] = []
        for archive in inbox.archives():
            found = inbox.unpack(archive)
            names += found
            with store.writing() as db:
                sessions.unpacked(db, session, archive, found)
        return names

    def _inbox(self, session: int) -> Inbox:
        return Inbox(state_folder(self._settings, self._env) / "sessions" / str(session), self._server.session_limit)

    # --- orders out --------------------------------------------------------------------------------------------------

    def _query(self, session: int) -> Answer:
        with self._lock, self._store.writing() as db:
            rows: list[sqlite3.Row] = waiting(db)
            remember(db, f"session:{session}", rows)
        settings = self._settings
        data = file_of(
            [row["body"] for row in rows],
            version=settings.version,
            encoding=settings.encoding,
            formed=self._env.clock.now(),
        )
        return Answer(data, f"text/xml; charset={settings.encoding}")


def state_folder(settings: CommerceMLSettings, env: SystemEnv) -> Path:
    """Where an exchange keeps what it remembers."""
    return env.base / settings.folder / env.name


def success() -> Answer:
    """Done."""
    return Answer(b"success\n")


def failure(words: Text) -> Answer:
    """Not done, and why, for the log of the accounting program."""
    said = " ".join(str(words).split())
    return Answer(f"failure\n{said}\n".encode("cp1251", "replace"))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
