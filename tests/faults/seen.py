"""What a person sees after a fault: cards and alarms."""

from __future__ import annotations

from tests.faults.conftest import Victim


def open_cards(victim: Victim) -> list[tuple[str, str]]:
    """(kind, subject) of each open card, oldest first."""
    rows = victim.ledger_rows("select kind, subject from cards where state = 'open' order by id")
    return [(str(kind), str(subject)) for kind, subject in rows]


def closed_cards(victim: Victim) -> list[tuple[str, str]]:
    """(kind, subject) of each card that is not open any more."""
    rows = victim.ledger_rows("select kind, subject from cards where state <> 'open' order by id")
    return [(str(kind), str(subject)) for kind, subject in rows]


def alarms(victim: Victim) -> list[str]:
    """Subjects of the failures that were told, oldest first."""
    return [str(row[0]) for row in victim.ledger_rows("select subject from notices where kind = 'failure' order by id")]
