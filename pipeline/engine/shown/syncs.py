"""Steps that keep two systems in step: how they went, what is in step, which plans wait."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.errors import Finding
from pipeline.syncing import StockSyncSettings, SyncSettings, is_price
from pipeline.texts import T, Text, show_decimal

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client


def pairs(client: Client) -> list[dict[str, Any]]:
    """Every sync step of the config: its systems, last run, how many are in step, its newest plan and open cards."""
    import sqlalchemy as sa

    from pipeline.engine import history
    from pipeline.engine.sync.accounts import present
    from pipeline.engine.sync.store import link_of
    from pipeline.ledger import cards, plans
    from pipeline.ledger.tables import links

    name, zone = client.config.client, client.config.zone
    last = history.last_runs(client.ledger, client.config.jobs)
    found = []
    with client.ledger.read() as conn:
        newest = plans.listing(conn, name, most=500)
        query = sa.select(links.c.link, sa.func.count()).where(links.c.client == name).group_by(links.c.link)
        in_step = {str(link): int(count) for link, count in conn.execute(query)}
        for job, spec in client.config.jobs.items():
            for number, step in enumerate(spec.steps):
                if not isinstance(step.params, SyncSettings):
                    continue
                link = present(client.ledger, conn, link_of(job, spec.steps, number))
                subject = f"sync:{job}:{number + 1}"
                run = last.get(job)
                mine = [row for row in newest if row["link"] == link]
                found.append(
                    {
                        "job": job,
                        "step": number,
                        "kind": step.step,
                        "from": step.params.source,
                        "to": step.params.to,
                        "stock": isinstance(step.params, StockSyncSettings),
                        "state": run.state if run else None,
                        "started": run.started.astimezone(zone) if run else None,
                        "error": run.error if run else None,
                        "in_step": in_step.get(link, 0),
                        "plan": _row(client, mine[0]) if mine else None,
                        "cards": [
                            row["id"] for row in cards.of_subjects(conn, name, [subject]) if row["state"] == "open"
                        ],
                    }
                )
    return found


def plan(client: Client, number: int) -> dict[str, Any] | None:
    """A plan with its rows, and the open card by which it is answered; None when there is none."""
    from pipeline.ledger import cards, plans

    with client.ledger.read() as conn:
        row = plans.by_number(conn, client.config.client, number)
        if row is None:
            return None
        beside = cards.of_subjects(conn, client.config.client, [row["subject"]])
    card = next((one["id"] for one in beside if one["kind"] == "plan" and one["state"] == "open"), None)
    return {**_row(client, row), "lines": plan_lines(row["rows"]), "card": card if row["state"] == "waiting" else None}


def _row(client: Client, row: Mapping[str, Any]) -> dict[str, Any]:
    zone = client.config.zone
    return {
        "number": row["id"],
        "since": row["created"].astimezone(zone),
        "job": row["job"],
        "state": row["state"],
        "counts": row["counts"],
        "findings": [Finding.from_json(data) for data in row["findings"]],
        "decided": row["decided"].astimezone(zone) if row["decided"] else None,
        "decided_by": row["decided_by"],
        "why": row["why"],
    }


PLAN_ACTS: Mapping[str, Text] = {
    "new": T("new"),
    "new-variants": T("new variants"),
    "changed": T("changed"),
    "vanished": T("vanished from the source"),
}
PLAN_STATES: Mapping[str, Text] = {
    "waiting": T("waits for you"),
    "approved": T("approved"),
    "rejected": T("rejected"),
    "applied": T("applied"),
    "undone": T("nothing of it was taken"),
    "superseded": T("over by itself"),
}
LONG = 60  #: characters of a value


_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_AMOUNT = re.compile(r"(-?[0-9]{1,30}(?:\.[0-9]{1,30})?) ([A-Z]{3})\b")


def _values(before: Any, after: Any, *, numbers: bool = False) -> dict[str, Any]:
    show = _number if numbers else flat
    return {"before": short(show(before)), "after": short(show(after))}


def is_numeric(field: str) -> bool:
    """Whether a field's values are numbers that count something; a barcode or a code never is."""
    return is_price(field) or field in ("specials", "weight", "length", "width", "height", "quantity", "stock")


def number_of(field: str, words: str) -> Decimal | str:
    """A kept value as a number, where the field's values are such."""
    return Decimal(words) if is_numeric(field) and _NUMBER.fullmatch(words) else words


def _number(value: Any) -> str:
    """A number, or amounts in a text, as people of the reader's language write them."""
    words = flat(value)
    if _NUMBER.fullmatch(words):
        return show_decimal(Decimal(words))
    return _AMOUNT.sub(lambda found: f"{show_decimal(Decimal(found[1]))} {found[2]}", words)


def flat(value: Any) -> str:
    match value:
        case None:
            return ""
        case list() | tuple():
            return " / ".join(flat(one) for one in value)
        case Mapping():
            return ", ".join(f"{name}: {flat(one)}" for name, one in value.items())
        case bool():
            return str(T("yes")) if value else str(T("no"))
        case _:
            return " ".join(str(value).split())


def short(words: str) -> str:
    return words if len(words) <= LONG else words[: LONG - 1] + "…"


def plan_lines(rows: Sequence[Mapping[str, Any]], *, raw: bool = False) -> list[dict[str, Any]]:
    """A plan as a readable difference: one line for each field that changes.

    Numbers are written as in the reader's language; ``raw``: as they are kept.
    """
    lines: list[dict[str, Any]] = []
    people = not raw
    for row in rows:
        act = str(PLAN_ACTS.get(row["act"], row["act"]))
        head = {"act": act, "article": row["article"], "name": short(row["name"])}
        if "warehouse" in row:
            lines.append(
                {
                    **head,
                    "field": row["warehouse"] or str(T("stock")),
                    **_values(row["before"], row["after"], numbers=people),
                }
            )
            continue
        changes = row["changes"]
        if row["act"] in ("new", "new-variants"):
            price = next((one["after"] for one in changes if one["field"] == "price"), None)
            lines.append({**head, "field": "", **_values(None, price, numbers=people)})
            for one in row.get("near", ()):
                words = str(T("is it not {name}?", name=one["name"]))
                lines.append({"act": "", "article": one["article"], "name": short(words)})
            for variant in row.get("variants", ()):
                options = variant["values"].get("options") or {}
                words = ", ".join(f"{name}: {value}" for name, value in options.items())
                price = variant["values"].get("price")
                lines.append(
                    {"act": "", "article": variant["article"], "name": words, **_values(None, price, numbers=people)}
                )
        elif not changes:
            lines.append({**head, "field": str(T("then: {act}", act=row.get("then", "keep")))})
        for place, one in enumerate(changes if row["act"] == "changed" else ()):
            shown = head if place == 0 else {"act": "", "article": "", "name": ""}
            lines.append(
                {
                    **shown,
                    "field": one["field"],
                    **_values(one["before"], one["after"], numbers=people and is_numeric(one["field"])),
                }
            )
    return lines
