"""Putting a backup in the place of a ledger: not over one that somebody works with, and never without a way back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig
from pipeline.engine import guard
from pipeline.errors import ConfigError, MistokError, Transient
from pipeline.ledger import backup
from pipeline.ledger import tables as t
from pipeline.ledger.store import HEAD, Ledger, owner_is_dead
from pipeline.ports import Clock
from pipeline.texts import T


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where what was there before is now."""

    outcome: backup.Outcome
    before: Path | None


def default_name(config: ClientConfig, clock: Clock) -> Path:
    """``backups/ledger-acme-20261122T140500Z.jsonl.gz`` in the client's folder."""
    stamp = clock.now().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return config.path("backups") / f"ledger-{config.client}-{stamp}.jsonl.gz"


def restore(
    config: ClientConfig,
    path: Path,
    *,
    replace: bool = False,
    clock: Clock | None = None,
    tell: backup.Tell = backup.quiet,
) -> Restored:
    """Make the client's ledger of a backup.

    A ledger that has rows is only replaced when ``replace`` says so, and is kept: a file is set aside beside, a
    database on a server is backed up into the client's folder first. An older backup is migrated.

    Raises ConfigError for a file that is no sound backup, a ledger that is not empty, or one that is being worked
    with; Transient when a disk is full or the database does not answer.
    """
    clock = clock or SystemClock()
    with backup.portable(path) as lines:
        backup.verify(lines, HEAD)
        place = guard.file_of(config)
        before = _look(config, clock, replace=replace)
        if place is not None:
            outcome, aside = backup.restore_file(lines, place, HEAD, clock.now(), tell)
            outcome_before = aside
        else:
            assert before is not None
            outcome_before = default_name(config, clock) if _rows(before) else None
            if outcome_before is not None:
                backup.dump(before.engine, outcome_before, clock.now())
            try:
                with before.translated():
                    outcome = backup.restore_server(before.engine, lines, HEAD, tell)
            finally:
                before.close()
    _write_down(config, clock, path)
    return Restored(outcome, outcome_before)


def _look(config: ClientConfig, clock: Clock, *, replace: bool) -> Ledger | None:
    """The ledger that is there now, when it may be replaced; on a server it stays open. None: no file, or a bad one."""
    place = guard.file_of(config)
    if place is not None and not place.exists():
        return None
    try:
        ledger = Ledger(config.ledger.url, client=config.client, base=config.base, clock=clock)
    except ConfigError as error:
        if place is None or error.code not in (guard.DAMAGED, guard.NEWER):
            raise
        if replace:
            return None  # set aside unread
        raise ConfigError(
            T("What lies at {path} is no ledger that can be used.", path=str(place)),
            hint=T("--replace sets it aside and puts the backup in its place."),
        ) from error
    try:
        if rows := _rows(ledger):
            if not replace:
                raise ConfigError(
                    T("The ledger is not empty: {clients}.", clients=", ".join(sorted(rows))),
                    code="ledger-not-empty",
                    hint=T("--replace puts the backup in its place; what is there now is kept beside."),
                )
            if at_work := at_work_now(ledger):
                raise ConfigError(
                    T("Somebody works with this ledger just now: {names}.", names=", ".join(at_work)),
                    code="ledger-busy",
                    hint=T("Stop mistok serve and wait until running jobs have ended."),
                )
    except MistokError:
        ledger.close()
        raise
    if place is not None:
        ledger.close()
    return ledger


def _rows(ledger: Ledger) -> set[str]:
    """Clients that have rows in it."""
    found: set[str] = set()
    with ledger.read() as conn:
        for table in (t.files, t.orders, t.runs, t.publications, t.mappings, t.decisions):
            found.update(conn.execute(sa.select(table.c.client).distinct()).scalars())
    return found


def at_work_now(ledger: Ledger) -> list[str]:
    """Who holds a lease in this ledger: ``serve``, ``job:orders`` …, of any client. The dead hold none."""
    lease = t.leases
    with ledger.read() as conn:
        now = ledger.database_now(conn)
        rows = list(conn.execute(sa.select(lease).where(lease.c.owner != "", lease.c.until > now)))
    return sorted(row.name for row in rows if not owner_is_dead(row.owner))


def _write_down(config: ClientConfig, clock: Clock, path: Path) -> None:
    ledger = Ledger(config.ledger.url, client=config.client, base=config.base, clock=clock)
    try:
        with ledger.begin() as conn:
            ledger.event(conn, "ledger", "restored", {"from": str(path)})
    finally:
        ledger.close()


def begin_anew(config: ClientConfig, by: str, clock: Clock | None = None) -> None:
    """Make a new, empty ledger on purpose, beside an archive that is not empty.

    Raises ConfigError when the client has a ledger, Transient when it cannot be made.
    """
    ledger = Ledger(config.ledger.url, client=config.client, base=config.base, clock=clock or SystemClock())
    try:
        if guard.has_story(ledger):
            raise ConfigError(
                T("The client has a ledger already; nothing was changed."),
                code="ledger-not-empty",
                hint=T("To begin without it, move the ledger away first."),
            )
        with ledger.begin() as conn:
            ledger.set_value(conn, "ledger", "begun", {"at": ledger.clock.now().isoformat(), "by": by})
            ledger.event(conn, "ledger", "begun", {"by": by})
    finally:
        ledger.close()


def back_up(
    config: ClientConfig, target: str | Path | None, *, tell: backup.Tell = backup.quiet
) -> tuple[Path, backup.Outcome]:
    """Write a backup of the client's ledger, also while a run writes to it. An existing file is not overwritten.

    ``target``: a file, or a folder (one that is there, or a name that ends in a slash) for a file of the usual name.

    Raises ConfigError when there is no ledger, the name is taken or its folder is not there (a share that is not
    mounted is no reason to write elsewhere), Transient when a disk is full or the database does not answer.
    """
    from pipeline import __version__

    clock = SystemClock()
    usual = default_name(config, clock)
    chosen = usual if target is None else Path(target)
    if chosen.is_dir() or str(target or "").endswith(("/", os.sep)):
        chosen = chosen / usual.name
    if chosen.exists():
        raise ConfigError(
            T("{path} is there already; it is not overwritten.", path=str(chosen)), hint=T("Name another file.")
        )
    if target is not None and not chosen.parent.is_dir():
        raise ConfigError(
            T("There is no folder {path}.", path=str(chosen.parent)),
            hint=T("Make it first (is a share not mounted?), or name another place for the backup."),
        )
    if guard.file_missing(config):
        raise ConfigError(
            T("There is no ledger at {path}.", path=str(guard.file_of(config))), hint=T("The first run makes one.")
        )
    ledger = Ledger(config.ledger.url, client=config.client, base=config.base, clock=clock)
    try:
        with ledger.translated():
            outcome = backup.dump(ledger.engine, chosen, clock.now(), mistok=__version__, tell=tell)
        # read again before anybody trusts in it
        backup.verify(chosen, HEAD)
    except ConfigError as error:
        raise Transient(
            T("The backup {path} does not read back as written.", path=str(chosen)),
            code="backup",
            hint=T("Check the disk, and make another one."),
        ) from error
    finally:
        ledger.close()
    return chosen, outcome
