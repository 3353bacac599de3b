"""Links by which invited users choose their own password: shown once, kept as a hash only, good for one use."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.ledger import people
from pipeline.ledger.invitations import hashed
from pipeline.ledger.store import Ledger

#: A link holds so long.
HOLDS = timedelta(hours=72)
_KIND = "web-welcome"


def make_welcome(ledger: Ledger, conn: sa.Connection, user: Mapping[str, Any]) -> str:
    """A new token for a user's row; one that it had before counts no more."""
    secret = secrets.token_urlsafe(24)
    until = (ledger.clock.now() + HOLDS).isoformat()
    # the day the user was made: the number of one that was removed may come again
    value = {"hash": hashed(secret), "until": until, "made": user["created"].isoformat()}
    ledger.set_value(conn, _KIND, str(user["id"]), value)
    return f"{user['id']}-{secret}"


def welcomed(ledger: Ledger, conn: sa.Connection, token: str) -> people.Row | None:
    """The user whose link this is, while it holds."""
    number, _, secret = token.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    user = next((row for row in people.listing(conn, ledger.client) if row["id"] == int(number)), None)
    value = _live(ledger, conn, user) if user is not None else None
    return user if value is not None and secrets.compare_digest(str(value["hash"]), hashed(secret)) else None


def until(ledger: Ledger, conn: sa.Connection, user: Mapping[str, Any]) -> datetime | None:
    """Until when a user's link holds; None when it has none that does."""
    value = _live(ledger, conn, user)
    return datetime.fromisoformat(value["until"]) if value is not None else None


def forget_welcome(ledger: Ledger, conn: sa.Connection, user: Mapping[str, Any]) -> None:
    """The link was used."""
    ledger.set_value(conn, _KIND, str(user["id"]), {})


def _live(ledger: Ledger, conn: sa.Connection, user: Mapping[str, Any]) -> Mapping[str, Any] | None:
    value = ledger.get_value(conn, _KIND, str(user["id"])) or {}
    if not value or value["made"] != user["created"].isoformat():
        return None
    return value if datetime.fromisoformat(value["until"]) > ledger.clock.now() else None
