"""How long a connection is left alone after it failed: kept in the ledger, shared by all jobs, processes and machines.

After a refused login there is one try for each back-off, whatever jobs use the connection: servers shut out who fails
often (fail2ban's usual rule is five failures in ten minutes; accounts in a directory lock after three to ten). A server
that does not answer is left alone for a moment only, and a time of the schedule may always find it back. A person may
try at once. What works, or a mended config, clears it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from pipeline.alerts import notices
from pipeline.config.masking import secrets_of
from pipeline.config.model import ConnectionSpec
from pipeline.engine import calling
from pipeline.errors import BackingOff, ConfigError, Finding, HostKeyRefused, MistokError, Refused, Transient
from pipeline.ledger import tables as t
from pipeline.ledger.store import Lease, Ledger
from pipeline.ports import Gate
from pipeline.texts import T

log = structlog.get_logger("mistok.connection")
R = TypeVar("R")

KIND = "connection"
#: After a refused login: the first wait and the longest, doubled in between.
REFUSED = (timedelta(minutes=5), timedelta(hours=6))
#: After a server that did not answer.
SILENT = (timedelta(seconds=5), timedelta(minutes=5))
#: How long a run waits for another one's login, and how long such a login counts as under way at most.
TURN, LOGIN = timedelta(seconds=10), timedelta(seconds=60)
#: That a connection works is written down this often at most.
WELL_EVERY = timedelta(minutes=1)
#: A server that was away for longer than this, or refused us, is told of when it is back.
WORTH_TELLING = timedelta(minutes=10)


def wait_after(failures: int, *, refused: bool) -> timedelta:
    """How long to leave a connection alone after so many failures in a row (1, 2, …)."""
    first, longest = REFUSED if refused else SILENT
    doubled: int = 2 ** min(max(failures, 1) - 1, 20)
    return min(first * doubled, longest)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a connection stands. ``since``: since when it fails (None: it works, as far as is known)."""

    well: datetime | None = None  #: when it last worked
    since: datetime | None = None
    failures: int = 0  #: in a row, not counting those of people
    until: datetime | None = None  #: it is left alone until then
    refused: bool = False  #: the login (or all of us) is refused, and not only the network is away
    finding: Finding | None = None  #: how it failed last
    salt: str = ""
    settings: str = ""  #: fingerprint of the settings that failed

    def to_json(self) -> dict[str, Any]:
        """A JSON-able form that :meth:`from_json` reads back."""
        return {
            "well": self.well.isoformat() if self.well else None,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "failures": self.failures,
            "refused": self.refused,
            "finding": self.finding.to_json() if self.finding else None,
            "salt": self.salt,
            "settings": self.settings,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Standing:
        """The standing that :meth:`to_json` wrote."""

        def moment(name: str) -> datetime | None:
            return datetime.fromisoformat(data[name]) if data.get(name) else None

        return cls(
            well=moment("well"),
            since=moment("since"),
            until=moment("until"),
            failures=data["failures"],
            refused=data["refused"],
            finding=Finding.from_json(data["finding"]) if data.get("finding") else None,
            salt=data.get("salt", ""),
            settings=data.get("settings", ""),
        )


def standings(ledger: Ledger, names: Iterable[str]) -> dict[str, Standing]:
    """How each of these connections stands; one that was never used is absent. Raises Transient (ledger)."""
    v = t.values
    query = sa.select(v.c.name, v.c.value).where(
        v.c.client == ledger.client, v.c.kind == KIND, v.c.name.in_(list(names))
    )
    with ledger.read() as conn:
        return {row.name: Standing.from_json(row.value) for row in conn.execute(query)}


def left_alone(ledger: Ledger, specs: Mapping[str, ConnectionSpec]) -> bool:
    """Whether one of these connections is not to be asked now by a mere look. Raises Transient (ledger)."""
    found = standings(ledger, specs) if specs else {}
    if not any(standing.since for standing in found.values()):
        return False
    with ledger.read() as conn:
        now = ledger.database_now(conn)
    return any(
        standing.since is not None
        and standing.until is not None
        and standing.until > now
        and standing.settings == _fingerprint(specs[name], standing.salt)
        for name, standing in found.items()
    )


class ConnectionGate:
    """The gate of one connection in one run.

    Args:
        trigger: the run's; a person's run is let through, a mere look (``watch``) waits for a server that was away.
        passive: nothing is written (a dry run).
        zone: of the times in texts.
    """

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        spec: ConnectionSpec,
        *,
        trigger: str = "person",
        passive: bool = False,
        zone: tzinfo = UTC,
    ) -> None:
        self._ledger, self._name, self._spec, self._zone = ledger, name, spec, zone
        self._person, self._look, self._passive = trigger == "person", trigger == "watch", passive
        self._tried = self._counted = False
        self._shut: Standing | None = None  # refused in this very run: not asked again, not even for a person

    def __call__(self, connect: Callable[[], R]) -> R:
        """See :class:`pipeline.ports.Gate`. Raises Transient when the ledger does not answer."""
        with self._in_turn():
            self._admit()
            self._tried = True
            try:
                with calling.called(calling.server_of(self._spec)):
                    answer = connect()
            except ConfigError:
                raise
            except MistokError as error:
                self._failed(error)
                raise
            self._worked()
            return answer

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Jobs that begin at one moment log in one after the other: of a password that expired just now only the first
        one learns by a refusal. A person waits for nobody."""
        lease: Lease | None = None
        if not (self._person or self._passive):
            until = time.monotonic() + TURN.total_seconds()
            while (lease := self._ledger.acquire(f"login:{self._name}", LOGIN)) is None:
                if time.monotonic() >= until:
                    break  # a server that hangs is no reason for all others to wait
                time.sleep(0.05)
        try:
            yield
        finally:
            if lease is not None:
                try:
                    self._ledger.release(lease)
                except Transient as trouble:
                    log.warning("standing_not_written", connection=self._name, error=trouble.text.render("en"))

    def _admit(self) -> None:
        if self._shut is not None:
            raise self._backing_off(self._shut)
        if self._person:
            return
        with self._ledger.read() as conn:
            standing = self._read(conn)
        if standing.since is None or not self._same_settings(standing):
            return
        with self._ledger.begin() as conn:
            # anew and in a writing transaction: of all that wait for the same moment, one goes first
            standing = self._read(conn, lock=True)
            now = self._ledger.database_now(conn)
            if standing.since is None:
                return
            if standing.until is not None and standing.until > now:
                if standing.refused or (self._look and not self._tried):
                    raise self._backing_off(standing)
                return
            wait = wait_after(standing.failures + 1, refused=standing.refused)
            self._write(conn, replace(standing, until=now + wait))

    def _failed(self, error: MistokError) -> None:
        about = f"connection:{self._name}"
        error.findings = tuple(replace(finding, about=about) for finding in error.findings)
        refuses = isinstance(error, Refused) and not isinstance(error, HostKeyRefused)
        try:
            self._record_failure(error, refuses=refuses)
        except Transient as trouble:
            log.warning("standing_not_written", connection=self._name, error=trouble.text.render("en"))
            if refuses:
                self._shut = Standing(refused=True, finding=error.findings[0])

    def _record_failure(self, error: MistokError, *, refuses: bool) -> None:
        with self._ledger.begin() as conn:
            now = self._ledger.database_now(conn)
            before = self._read(conn, lock=True)
            if before.since is not None and not self._same_settings(before):
                before = Standing(well=before.well)
            # who was refused and then hears nothing may have been shut out: no reason to knock more often
            refused = refuses or before.refused
            again = self._counted or (self._person and before.since is not None)
            failures = max(before.failures + (0 if again else 1), 1)
            salt = before.salt or secrets.token_hex(8)
            standing = Standing(
                well=before.well,
                since=before.since or now,
                failures=failures,
                until=now + wait_after(failures, refused=refused),
                refused=refused,
                finding=error.findings[0],
                salt=salt,
                settings=_fingerprint(self._spec, salt),
            )
            self._counted = True
            if refused:
                self._shut = standing
            error.again_in = (standing.until - now).total_seconds() if standing.until else None
            if not self._passive:
                self._write(conn, standing)

    def _worked(self) -> None:
        if self._passive:
            return
        try:
            with self._ledger.read() as conn:
                standing, now = self._read(conn), self._ledger.database_now(conn)
            if standing.since is None and standing.well is not None and now - standing.well < WELL_EVERY:
                return
            with self._ledger.begin() as conn:
                before = self._read(conn, lock=True)
                self._write(conn, Standing(well=now))
                self._all_is_well(conn, before, now)
        except Transient as trouble:
            log.warning("standing_not_written", connection=self._name, error=trouble.text.render("en"))

    def _all_is_well(self, conn: sa.Connection, before: Standing, now: datetime) -> None:
        if before.since is None:
            return
        log.info("connection_works_again", connection=self._name, failed_since=before.since.isoformat())
        subject = f"connection:{self._name}"
        told = (self._ledger.get_value(conn, "alarm", subject) or {}).get("code")
        if told:
            self._ledger.set_value(conn, "alarm", subject, {"code": "", "at": now.isoformat()})
            if before.refused or now - before.since >= WORTH_TELLING:
                self._ledger.notify(
                    conn, notices.connection_is_back(subject, self._name, before.since.astimezone(self._zone))
                )

    def _backing_off(self, standing: Standing) -> BackingOff:
        last = standing.finding
        assert last is not None
        with self._ledger.read() as conn:
            now = self._ledger.database_now(conn)
        until = standing.until or now
        # the code of the trouble itself: it is one and the same alarm
        finding = Finding(
            last.code,
            T(
                "Connection {name} is left alone until {until}: {words}",
                name=self._name,
                until=until.astimezone(self._zone),
                words=last.text,
            ),
            hint=last.hint,
            who=last.who,
            about=f"connection:{self._name}",
        )
        error = BackingOff(findings=(finding,))
        error.again_in = max((until - now).total_seconds(), 0.0)
        return error

    def _read(self, conn: sa.Connection, *, lock: bool = False) -> Standing:
        v = t.values
        query = sa.select(v.c.value).where(v.c.client == self._ledger.client, v.c.kind == KIND, v.c.name == self._name)
        value = conn.execute(query.with_for_update() if lock else query).scalar_one_or_none()
        return Standing.from_json(value) if value else Standing()

    def _write(self, conn: sa.Connection, standing: Standing) -> None:
        self._ledger.set_value(conn, KIND, self._name, standing.to_json())

    def _same_settings(self, standing: Standing) -> bool:
        return standing.settings == _fingerprint(self._spec, standing.salt)


_gate: type[Gate] = ConnectionGate


def _fingerprint(spec: ConnectionSpec, salt: str) -> str:
    """Tells settings apart, secrets included. Salted and slow, since it lies in the ledger and hides a password."""
    shown = spec.params.model_dump(mode="json")
    return _slow_hash(json.dumps([spec.type, shown, list(secrets_of(spec.params))], default=str), salt)


@lru_cache(maxsize=256)
def _slow_hash(words: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", words.encode(), salt.encode(), 200_000).hex()[:32]
