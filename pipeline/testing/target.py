"""A scripted target system: it takes orders as an online service does, and misbehaves as it is told to.

It keeps its documents, its script and a log of every call in a SQLite file of its own, so that they outlive a killed
process and can be counted by plain SQL. Unlike a good service it has no unique key: whoever creates twice gets two
documents. Only one that a test marks as ``half`` is there unfinished, and is finished by the next call. A client loads
it as a plugin of its own::

    # plugins/target.py
    from pipeline.testing.target import PLUGIN

    # config.yaml
    connections:
      books: {type: scripted-target, url: "sqlite:///target.sqlite3"}

The script is a table of answers (see :class:`Answer`); :func:`tell` writes into it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

from pipeline.errors import Finding, Held, InDoubt, MistokError, Transient, Where, Who
from pipeline.flow import SystemEnv, SystemPlugin
from pipeline.model import cents
from pipeline.ports import (
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Documents,
    ProductLookup,
    Ref,
    References,
    System,
)
from pipeline.settings import Settings
from pipeline.texts import T, verbatim

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL, key TEXT NOT NULL, order_id TEXT NOT NULL, total TEXT NOT NULL,
    currency TEXT NOT NULL, lines TEXT NOT NULL, visible_after INTEGER NOT NULL, half INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, what TEXT NOT NULL, order_id TEXT NOT NULL, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS script (
    id INTEGER PRIMARY KEY, call TEXT NOT NULL, order_id TEXT NOT NULL, status INTEGER NOT NULL, words TEXT NOT NULL,
    retry_after TEXT NOT NULL, times INTEGER NOT NULL, late INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the script: how a call is answered instead of being done.

    ``status``: 429, 500 … 599 or 400 … 499 as of HTTP; 504 with ``made``: it makes the document and no answer comes.
    """

    status: int
    call: Literal["create", "find", "products"] = "create"
    order_id: str = ""  #: of the order that it is about; empty: any
    words: str = ""  #: what the service says, as it would in the body
    retry_after: str = ""  #: the header, in seconds or as an HTTP date
    times: int = -1  #: so often, and then no more; -1: for ever
    made: bool = False  #: the document is made all the same
    late: int = 0  #: a document that is made is seen by ``find`` only after so many calls of it


class ScriptedSettings(Settings):
    """Where the scripted target keeps its documents."""

    url: str = "sqlite:///target.sqlite3"
    """Its SQLite file, relative to the config."""
    unknown: tuple[str, ...] = ()
    """Articles that it does not know."""


def database(path: Path) -> sqlite3.Connection:
    """Its file, with its tables; closed by the caller. Each statement is committed at once and synced."""
    conn = sqlite3.connect(path, isolation_level=None, timeout=30)
    conn.execute("PRAGMA synchronous = FULL")
    conn.executescript(SCHEMA)
    return conn


def tell(path: Path, *answers: Answer) -> None:
    """Write these answers into the script of the target that keeps its documents at ``path``, in place of the old."""
    conn = database(path)
    try:
        conn.execute("DELETE FROM script")
        conn.executemany(
            "INSERT INTO script (call, order_id, status, words, retry_after, times, late) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    one.call,
                    one.order_id,
                    -one.status if one.made else one.status,
                    one.words,
                    one.retry_after,
                    one.times,
                    one.late,
                )
                for one in answers
            ],
        )
    finally:
        conn.close()


def calls(path: Path, what: str = "create") -> list[tuple[str, str]]:
    """(order id, how it was answered) of every call so far."""
    conn = database(path)
    try:
        return [(row[0], row[1]) for row in conn.execute("SELECT order_id, answer FROM calls WHERE what = ?", [what])]
    finally:
        conn.close()


def retry_after(header: str, now: datetime) -> timedelta | None:
    """The value of a Retry-After header (RFC 9110 §10.2.3: seconds, or a date) as a time from ``now``."""
    header = header.strip()
    if not header:
        return None
    if header.isascii() and header.isdigit():
        return timedelta(seconds=int(header[:9]))
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now, timedelta(0))


def error_of(status: int, words: str, header: str, now: datetime) -> MistokError:
    """What an answer of HTTP means for an order that was to be created."""
    said = verbatim(words or str(status))
    if status == 504:
        return InDoubt(T("The service did not answer in time."), hint=T("It is looked up by itself."))
    if status == 429 or status >= 500:
        text = T("The service answers {status}: {words}", status=status, words=said)
        return Transient(text, code=f"http-{status}", retry_after=retry_after(header, now))
    finding = Finding(
        "refused-by-target", T("The service refuses it: {words}", words=said), Where(), None, Who.ACCOUNTANT
    )
    return Held(findings=(finding,))


class ScriptedTarget:
    """The system."""

    def __init__(self, settings: ScriptedSettings, env: SystemEnv) -> None:
        self.name = env.name
        self._settings, self._clock = settings, env.clock
        self._path = env.base / settings.url.removeprefix("sqlite:///")
        self._conn: sqlite3.Connection | None = None

    # --- what systems have in common ---

    def check(self) -> Sequence[Finding]:
        """Nothing is ever wrong with it."""
        return ()

    def close(self) -> None:
        """Let go of its file."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    # --- look-ups ---

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """Every article that its settings do not name as unknown."""
        with self._answering("products", "") as error:
            if error is not None:
                raise error
        return {code: (Ref(code, code),) for code in codes if code not in self._settings.unknown}

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:  # noqa: ARG002 - the port's
        """It knows everything."""
        return {code: Ref(code, code) for code in codes}

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:  # noqa: ARG002 - the port's signature
        """It is there already."""
        return Ref(code, code, name)

    # --- documents ---

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The documents of these keys that can be seen by now."""
        with self._answering("find", "") as error:
            if error is not None:
                raise error
        found: dict[str, DocumentRef] = {}
        conn = self._database()
        conn.execute("UPDATE documents SET visible_after = visible_after - 1 WHERE visible_after > 0")
        for key in keys:
            row = conn.execute(
                "SELECT id, number, total, currency, half FROM documents"
                " WHERE key = ? AND visible_after = 0 ORDER BY id",
                [key],
            ).fetchone()
            if row is not None:
                found[key] = replace(self._ref(key, *row[:4]), unfinished=bool(row[4]))
        return found

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """A document for each draft, or the answer of the script. It never looks whether there is one already."""
        return [self._create(draft) for draft in drafts]

    def _create(self, draft: DocumentDraft) -> DocumentOutcome:
        order = draft.order
        with self._answering("create", order.id) as error:
            if error is not None and not self._made:
                return DocumentOutcome(draft.key, error=error)
            conn = self._database()
            left = conn.execute(
                "SELECT id, number, total, currency FROM documents WHERE key = ? AND half", [draft.key]
            ).fetchone()
            if left is not None:
                conn.execute("UPDATE documents SET half = 0 WHERE id = ?", left[:1])
                return DocumentOutcome(draft.key, self._ref(draft.key, *left), existed=True)
            lines = [[line.code, str(line.quantity), str(line.price), str(line.discount)] for line in order.lines]
            last = conn.execute("SELECT coalesce(max(id), 0) FROM documents").fetchone()[0]
            number, total = f"T-{last + 1:05}", f"{cents(order.total):f}"
            made = conn.execute(
                "INSERT INTO documents (number, key, order_id, total, currency, lines, visible_after)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [number, draft.key, order.id, total, order.currency, json.dumps(lines), self._late],
            )
            if error is not None:
                return DocumentOutcome(draft.key, error=error)
        return DocumentOutcome(draft.key, self._ref(draft.key, made.lastrowid or 0, number, total, order.currency))

    @staticmethod
    def _ref(key: str, number: int, name: str, total: str, currency: str) -> DocumentRef:
        from decimal import Decimal

        return DocumentRef(str(number), name, key, total=Decimal(total), currency=currency)

    # --- the script ---

    @contextmanager
    def _answering(self, call: str, order_id: str) -> Iterator[MistokError | None]:
        """The error that the script has for this call, or None; the call is written down."""
        conn = self._database()
        self._made, self._late = False, 0
        row = conn.execute(
            "SELECT id, status, words, retry_after, late FROM script"
            " WHERE call = ? AND order_id IN ('', ?) AND times != 0 ORDER BY id LIMIT 1",
            [call, order_id],
        ).fetchone()
        error: MistokError | None = None
        now = self._clock.now()
        if row is not None:
            number, status, words, header, self._late = row
            self._made = status < 0
            conn.execute("UPDATE script SET times = times - 1 WHERE id = ? AND times > 0", [number])
            error = error_of(abs(status), words, header, now)
        conn.execute(
            "INSERT INTO calls (at, what, order_id, answer) VALUES (?, ?, ?, ?)",
            [now.isoformat(), call, order_id, error.code if error else "ok"],
        )
        yield error

    def _database(self) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = database(self._path)
        return self._conn


_system: type[System] = ScriptedTarget
_documents: type[Documents] = ScriptedTarget
_products: type[ProductLookup] = ScriptedTarget
_references: type[References] = ScriptedTarget

PLUGIN = SystemPlugin(
    name="scripted-target",
    summary=T("Takes orders and misbehaves as a test tells it to"),
    settings=ScriptedSettings,
    open=ScriptedTarget,
)
