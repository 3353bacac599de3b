"""Sessions of an exchange: which files came and were taken in, and whether what they did not name may be hidden."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta

from pipeline.api import TN, Finding, T
from plugins.commerceml.documents import documents_of
from plugins.commerceml.goods import read_goods
from plugins.commerceml.words import open_file
from plugins.systems.commerceml import shelf
from plugins.systems.commerceml.incoming import put_documents
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import Store, note

REMEMBERED = 2000  #: sessions that are listed: a week of one every five minutes
KEPT = 5  #: sessions whose files are kept, to be looked at


def begin(db: sqlite3.Connection, token: str, kind: str, now: datetime) -> int:
    """A new session; gives its number."""
    stamp = now.isoformat()
    made = db.execute(
        "INSERT INTO sessions (token, kind, begun, last, state) VALUES (?, ?, ?, ?, 'open')",
        [token, kind, stamp, stamp],
    )
    new = int(made.lastrowid or 0)
    gone = [new - REMEMBERED]
    db.execute("DELETE FROM session_files WHERE session < ?", gone)
    db.execute("DELETE FROM snapshots WHERE holder IN (SELECT 'session:' || id FROM sessions WHERE id < ?)", gone)
    db.execute("DELETE FROM sessions WHERE id < ?", gone)
    return new


def known(db: sqlite3.Connection, token: str, now: datetime, silent: timedelta) -> int | None:
    """The session of a token, if it has not been silent for too long."""
    row = db.execute("SELECT id, last FROM sessions WHERE token = ?", [token]).fetchone()
    if row is None or now - datetime.fromisoformat(row["last"]) > silent:
        return None
    db.execute("UPDATE sessions SET last = ? WHERE id = ?", [now.isoformat(), row["id"]])
    return int(row["id"])


def restart(db: sqlite3.Connection, session: int, kind: str, now: datetime) -> int:
    """``init``: what the session sent so far is forgotten. It gets a new number, so that it counts as the newest."""
    row = db.execute("SELECT token, begun FROM sessions WHERE id = ?", [session]).fetchone()
    db.execute("DELETE FROM sessions WHERE id = ?", [session])
    db.execute("DELETE FROM session_files WHERE session = ?", [session])
    db.execute("DELETE FROM snapshots WHERE holder = ?", [f"session:{session}"])
    made = begin(db, row["token"], kind, now)
    db.execute("UPDATE sessions SET begun = ? WHERE id = ?", [row["begun"], made])
    return made


def old(db: sqlite3.Connection) -> list[int]:
    """Sessions whose files need not be kept any more."""
    rows = db.execute("SELECT id FROM sessions ORDER BY id DESC LIMIT 50 OFFSET ?", [KEPT])
    return [int(row["id"]) for row in rows]


def received(db: sqlite3.Connection, session: int, path: str) -> None:
    """A part of a file came."""
    db.execute("INSERT OR REPLACE INTO session_files VALUES (?, ?, 'received')", [session, path])


def unpacked(db: sqlite3.Connection, session: int, archive: str, found: Iterable[str]) -> None:
    """An archive was opened."""
    db.execute("DELETE FROM session_files WHERE session = ? AND name = ?", [session, archive])
    for one in found:
        received(db, session, one)


def failed(db: sqlite3.Connection, session: int, path: str, words: str) -> None:
    """A file could not be taken in."""
    db.execute("INSERT OR REPLACE INTO session_files VALUES (?, ?, 'failed')", [session, path])
    db.execute("UPDATE sessions SET words = ? WHERE id = ?", [words[:500], session])


def import_file(store: Store, session: int, path: str, data: bytes, settings: CommerceMLSettings, now: datetime) -> int:
    """Take one file in, goods and documents, in one transaction; gives how many rows have changed. Raises Rejected."""
    parsed = open_file(data, path)
    package = read_goods(parsed)
    with store.writing() as db:
        changed = shelf.put(db, package, session, now)
        if next(documents_of(parsed), None) is not None:
            note(db, *put_documents(db, parsed, now, own=settings.role == "shop"))
        if package.catalogue:
            whole = bool(package.goods_full) and not package.findings
            # what has once been partial stays so: a packet of changes among full ones makes changes of all
            db.execute(
                "UPDATE sessions SET full = CASE WHEN full IS NULL OR full = 1 THEN ? ELSE 0 END, goods = goods + ?"
                " WHERE id = ?",
                [int(whole), len(package.goods), session],
            )
        if package.offers:
            whole = bool(package.offers_full) and not package.findings
            asked = "UPDATE sessions SET offers_full = CASE WHEN offers_full IS NULL THEN ? ELSE offers_full AND ? END"
            db.execute(f"{asked} WHERE id = ?", [int(whole), int(whole), session])
        db.execute("INSERT OR REPLACE INTO session_files VALUES (?, ?, 'imported')", [session, path])
    return changed


def finish(
    db: sqlite3.Connection,
    session: int,
    settings: CommerceMLSettings,
    now: datetime,
    *,
    ended: bool,
    asked: bool = False,
) -> str:
    """The session sends no more: hide what a whole full one did not name. Gives what came of it.

    Args:
        ended: the other side has said so itself.
        asked: a person wants it, whatever the brake says.
    """
    row = db.execute("SELECT * FROM sessions WHERE id = ?", [session]).fetchone()
    if row is None or (row["state"] != "open" and not (asked and row["state"] == "braked")):
        return "" if row is None else str(row["state"])
    end = ended or asked or (settings.hide == "offers" and row["offers_full"] is not None)
    whole = settings.hide != "never" and end and row["full"] == 1 and row["goods"] > 0 and not _missing(db, session)
    state = "done"
    if whole and _newest(db, session):
        left = shelf.left_out(db, session, offers=row["offers_full"] == 1)
        if left.over(settings.most_hidden) and not asked:
            state = "braked"
            note(db, shelf.braked(session, left))
        elif left.goods or left.offers:
            shelf.hide(db, left, now)
            state = "hidden"
            several = TN("{n} good was hidden", "{n} goods were hidden", len(left.goods))
            note(db, Finding("hidden", T("{several}: a whole full export did not name them.", several=several)))
    db.execute("UPDATE sessions SET state = ? WHERE id = ?", [state, session])
    return state


def finish_others(db: sqlite3.Connection, settings: CommerceMLSettings, now: datetime) -> None:
    """A new session begins: those before it are over."""
    for row in db.execute("SELECT id FROM sessions WHERE state = 'open' AND kind = 'catalog' ORDER BY id").fetchall():
        finish(db, int(row["id"]), settings, now, ended=False)


def _missing(db: sqlite3.Connection, session: int) -> bool:
    """Whether a file of goods came and was not taken in."""
    rows = db.execute("SELECT name, state FROM session_files WHERE session = ?", [session]).fetchall()
    files = [row["state"] for row in rows if row["name"].casefold().endswith((".xml", ".zip"))]
    return not files or any(state != "imported" for state in files)


def _newest(db: sqlite3.Connection, session: int) -> bool:
    """Whether no later session has brought goods: what that one named, this one cannot know of."""
    later = db.execute("SELECT 1 FROM sessions WHERE id > ? AND goods > 0", [session]).fetchone()
    return later is None
