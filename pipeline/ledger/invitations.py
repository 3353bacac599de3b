"""Invites PCs and revokes them, with what the audit log says of it."""

from __future__ import annotations

import hashlib
import secrets

from pipeline.ledger import pcs, people
from pipeline.ledger.store import Ledger


def hashed(token: str) -> str:
    """What is kept of a token: who reads the ledger cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def invited(ledger: Ledger, name: str, *, by: str, role: str = "", address: str = "") -> tuple[str, bool]:
    """A new token for a PC, and whether the PC is new. It is good for the stream of notices only."""
    token, now = secrets.token_urlsafe(32), ledger.clock.now()
    with ledger.begin() as conn:
        _id, new = pcs.invite(conn, ledger.client, name, token=hashed(token), by=by, now=now)
        people.record(
            conn, ledger.client, at=now, who=by, role=role, address=address, act="pc-invited", subject=name.casefold()
        )
    return token, new


def revoked(ledger: Ledger, name: str, *, by: str, role: str = "", address: str = "") -> bool:
    """Take a PC's token back; False when it has none."""
    now = ledger.clock.now()
    with ledger.begin() as conn:
        if not pcs.revoke(conn, ledger.client, name, now):
            return False
        people.record(
            conn, ledger.client, at=now, who=by, role=role, address=address, act="pc-revoked", subject=name.casefold()
        )
    return True
