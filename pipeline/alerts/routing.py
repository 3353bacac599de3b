"""Decides which PCs are told of each notice, and when: the rim around :mod:`pipeline.rules.telling`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from pipeline.alerts.popups import decimal
from pipeline.ledger import pcs
from pipeline.ledger.store import Ledger
from pipeline.rules import telling
from pipeline.rules.telling import Facts, Held, Quiet, Rule

#: Notices that are routed in one transaction.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Ways:
    """What the config says of who is told, and when. ``loud``: kinds that the quiet hours do not hold back."""

    kinds: frozenset[str]
    zone: tzinfo
    rules: tuple[Rule, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    loud: frozenset[str] = frozenset()
    burst: int = 4

    def hours_of(self, kind: str) -> tuple[Quiet, ...]:
        """The quiet hours that hold this kind back."""
        return () if kind in self.loud else self.quiet


def route(ledger: Ledger, ways: Ways, live: Mapping[int, str]) -> bool:
    """Decide of all new notices, and make popups of what is due; whether there are new popups.

    Args:
        ledger: its clock gives the moment.
        ways: see Ways.
        live: the PCs that are not revoked, by number, with their names.

    Raises Transient when the ledger does not answer.
    """
    now = ledger.clock.now()
    with ledger.read() as conn:
        if not live or not pcs.is_work(conn, ledger.client):
            return False
        if not pcs.unrouted(conn, ledger.client, 1) and not _due(conn, ledger, ways, now):
            return False
    with ledger.begin() as conn:
        pcs.alone(conn)
        while found := pcs.unrouted(conn, ledger.client, _AT_ONCE):
            known = pcs.order_facts(conn, {row["subject"] for row in found})
            pcs.route(conn, [row["id"] for row in found], list(_rows(ledger.client, ways, live, found, known)), now)
        groups = _due(conn, ledger, ways, now)
        pcs.release(conn, ledger.client, groups, now)
    return bool(groups)


def _rows(
    client: str, ways: Ways, live: Mapping[int, str], found: Sequence[Mapping[str, Any]], known: Mapping[str, Any]
) -> Any:
    for row in found:
        facts = facts_of(row, known.get(row["subject"]))
        created: datetime = row["created"]
        quiet = telling.quiet_until(ways.hours_of(facts.kind), ways.zone, created) is not None
        for pc in telling.receivers(ways.rules, ways.kinds, live, facts):
            yield {
                "client": client,
                "pc_id": pc,
                "notice_id": row["id"],
                "created": created,
                "quiet": int(quiet),
            }


def facts_of(notice: Mapping[str, Any], order: Mapping[str, Any] | None) -> Facts:
    """What is known of a notice: from itself, and from the ledger's row of the order that it is about."""
    said = notice["data"] or {}
    if order is None:
        return Facts(notice["kind"], job=str(said.get("job") or ""), total=decimal(said.get("total")))
    return Facts(
        notice["kind"],
        job=order["job"],
        warehouse=order["warehouse"] or "",
        status=order["status"] or "",
        total=decimal(order["total"]),
    )


def _due(conn: Any, ledger: Ledger, ways: Ways, now: datetime) -> list[list[int]]:
    is_quiet = telling.quiet_until(ways.quiet, ways.zone, now) is not None
    groups: list[list[int]] = []
    for pc, rows in pcs.held(conn, ledger.client).items():
        groups += telling.popups(
            [Held(row["id"], row["created"], bool(row["quiet"])) for row in rows],
            now=now,
            is_quiet=is_quiet,
            shown_just_now=pcs.released_since(conn, pc, now - telling.JUST_NOW),
            burst=ways.burst,
        )
    return groups
