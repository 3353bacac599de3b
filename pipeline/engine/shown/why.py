"""Why a field of an order's document has its value: the line of the config that gave it, or what else did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown import configs
from pipeline.ports.choices import By, Choice
from pipeline.texts import T, Text, verbatim

if TYPE_CHECKING:
    import sqlalchemy as sa

    from pipeline.config.kept import Kept
    from pipeline.engine.runtime import Client

#: What can be asked about, by the kind under which a step tells it.
FIELDS: Mapping[str, Text] = {
    "warehouse": T("Warehouse"),
    "party": T("Client"),
    "object": T("Object"),
    "user": T("User"),
    "executor": T("Executor"),
    "firm": T("Firm"),
    "account": T("Account"),
    "service": T("Service"),
    "source": T("Source"),
    "status": T("Status"),
    "rule": T("Rule"),
    "currency": T("Currency"),
    "rate": T("Rate"),
}
#: Other words for them.
ALIASES: Mapping[str, str] = {
    "client": "party",
    "customer": "party",
    "buyer": "party",
    "parties": "party",
    "responsible": "executor",
    "manager": "executor",
    "author": "user",
    "shop": "source",
    "delivery": "service",
    "delivery_service": "service",
    "payment": "account",
    "action": "rule",
    "rules": "rule",
}
BY: Mapping[By, Text] = {
    "config": T("the config"),
    "order": T("the order itself"),
    "person": T("a mapping that a person gave (mistok mappings)"),
    "target": T("the accounting system's own choice: neither the order nor the config names one"),
    "built-in": T("Mistok itself: the config does not say otherwise"),
}
_FOUND = T("the accounting system: this buyer was found there, or added")
_DEFAULT = T("the step's own default: no line of the config says it")


def field_named(word: str) -> str | None:
    """The field that a person means; None when there is none of that name."""
    name = word.strip().casefold().replace("-", "_")
    name = ALIASES.get(name, name)
    return name if name in FIELDS else None


def whys(client: Client, what: str, field: str) -> list[dict[str, Any]]:
    """Of each order or document of that number: the field's value and what gave it, for tables and JSON."""
    from pipeline.ledger.search import orders_called

    with client.ledger.read() as conn:
        rows = orders_called(conn, client.config.client, what.strip())
        return [_why(client, conn, row, field) for row in rows]


def _why(client: Client, conn: sa.Connection, row: Mapping[str, Any], field: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "number": row["number"],
        "source": row["source"],
        "document": row["document_number"],
        "field": field,
        "field_text": str(FIELDS[field]),
        "value": None,
        "by": None,
        "why": None,
        "said": "",
        "path": "",
        "job": None,
        "step": None,
        "decided": None,
        "config": None,
        "lines": [],
    }
    decided = row["decided"]
    if not decided:
        told["why"] = T("It is not known: the order was planned before this was kept, or by a step that does not tell.")
        return told
    digest = decided["config"]
    told |= {
        "job": decided["job"],
        "step": decided["step"] + 1,
        "decided": datetime.fromisoformat(decided["at"]).astimezone(client.config.zone),
        "config": {
            "hash": digest,
            "since": configs.taken_up(client, conn, digest),
            "now": digest == client.config.config_hash,
        },
    }
    choice = next((one for one in map(Choice.from_json, decided["choices"]) if one.field == field), None)
    if choice is None:
        told["why"] = T("Nothing was chosen for it: the step has no such field, or the order did not get that far.")
        return told
    text = configs.text_of(client, conn, digest)
    lines = [_line(text, decided, keys) for keys in choice.keys]
    told |= {
        "value": choice.value,
        "by": choice.by,
        "said": choice.said,
        "path": choice.path,
        "lines": [line for line in lines if line is not None],
        "why": _words(choice, lines, known=text is not None),
    }
    return told


def _words(choice: Choice, lines: list[dict[str, Any] | None], *, known: bool) -> Text:
    if choice.by == "config":
        if not known:
            return T("the config; its text is not kept any more")
        last = lines[-1] if lines else None
        return _DEFAULT if last is None else verbatim(f"{last['file']}:{last['line']}")
    if choice.field == "party" and choice.by == "target" and choice.said:
        return _FOUND
    return BY[choice.by]


def _line(text: Kept | None, decided: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any] | None:
    """The line of a key of the step; None where no line says it."""
    if text is None:
        return None
    path = ("jobs", decided["job"], "steps", str(decided["step"]), *keys)
    found = text.lines.get(path)
    if found is None:
        return None
    file, line = found
    lines = text.files.get(file, "").split("\n")
    return {
        "key": ".".join(path),
        "file": file,
        "line": line,
        "text": lines[line - 1].strip() if 0 < line <= len(lines) else "",
    }
