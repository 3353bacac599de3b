"""The link that makes the first user: printed once at the start, kept as a hash only."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from pipeline.ledger import people
from pipeline.ledger.invitations import hashed
from pipeline.ledger.store import Ledger

#: It holds so long.
HOLDS = timedelta(hours=24)
_KIND, _NAME = "web-setup", "link"


def make_setup(ledger: Ledger) -> str:
    """A new token; the one before counts no more."""
    token = secrets.token_urlsafe(24)
    with ledger.begin() as conn:
        until = (ledger.clock.now() + HOLDS).isoformat()
        ledger.set_value(conn, _KIND, _NAME, {"hash": hashed(token), "until": until})
    return token


def is_setup(ledger: Ledger, token: str) -> bool:
    """Whether the token still opens the page for the first user."""
    with ledger.read() as conn:
        value = ledger.get_value(conn, _KIND, _NAME) or {}
        known = people.listing(conn, ledger.client)
    if known or not value.get("hash") or datetime.fromisoformat(value["until"]) <= ledger.clock.now():
        return False
    return secrets.compare_digest(str(value["hash"]), hashed(token))


def forget_setup(ledger: Ledger) -> None:
    """The link was used."""
    with ledger.begin() as conn:
        ledger.set_value(conn, _KIND, _NAME, {})
