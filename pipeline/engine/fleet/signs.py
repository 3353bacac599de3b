"""Workers' signs of life in the queue's database: what is written, what is read, and what need not be read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ALIVE = """
UPDATE mistok_workers SET seen = clock_timestamp(), said = %(said)s WHERE owner = %(owner)s RETURNING owner
"""
BORN = """
INSERT INTO mistok_workers (owner, said, clients) VALUES (%(owner)s, %(said)s, %(clients)s)
ON CONFLICT (owner) DO UPDATE SET seen = clock_timestamp(), said = excluded.said, clients = excluded.clients
"""
#: The signs of life, and what clients these workers have. Of ten thousand clients that is much, and seldom changes: a
#: worker says in its sign by what print it is known.
HEARD = """
SELECT owner, seen, said, said->>'print' AS print, extract(epoch FROM clock_timestamp() - seen)::float AS silence,
    clock_timestamp() AS now
FROM mistok_workers ORDER BY owner
"""
HAVE = "SELECT owner, said->>'print' AS print, clients FROM mistok_workers WHERE owner = ANY(%(owners)s)"


class Heard:
    """What clients other workers have, as it was last read."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str | None, Mapping[str, Any]]] = {}

    def missing(self, signs: Iterable[Mapping[str, Any]]) -> list[str]:
        """Whose clients are to be read: what they have is not known, or has changed, or they do not tell."""
        return [
            str(row["owner"])
            for row in signs
            if row["print"] is None or self._known.get(str(row["owner"]), (None, {}))[0] != row["print"]
        ]

    def keep(self, signs: Iterable[Mapping[str, Any]], told: Iterable[Mapping[str, Any]]) -> None:
        """Take what was read, and forget who is gone."""
        read = {str(row["owner"]): (row["print"], row["clients"]) for row in told}
        before = self._known
        self._known = {
            owner: read.get(owner) or before.get(owner) or (None, {}) for owner in (str(row["owner"]) for row in signs)
        }

    def clients(self, owner: str) -> Mapping[str, Any]:
        """What this worker has."""
        return self._known.get(owner, (None, {}))[1]
