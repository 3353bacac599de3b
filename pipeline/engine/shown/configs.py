"""Which configs a client had: kept, secrets masked, when a run first uses one, so that changes can be told."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client
    from pipeline.ledger.store import Ledger

_KIND = "config"
#: So many are kept, the newest.
KEPT = 50


def remember(ledger: Ledger, conn: sa.Connection, config: ClientConfig) -> None:
    """Keep what the config says, unless it is kept already."""
    if config.config_hash and ledger.get_value(conn, _KIND, config.config_hash) is None:
        at = ledger.clock.now().isoformat()
        ledger.set_value(conn, _KIND, config.config_hash, {"at": at, "config": told(config)})
        _drop_old(ledger, conn)


def told(config: ClientConfig) -> dict[str, Any]:
    """The checked config as plain values, its secrets masked."""
    data: dict[str, Any] = json.loads(json.dumps(config.summary(), default=str))
    data.pop("config_hash", None)
    return data


def as_yaml(data: Any) -> str:
    """Plain values as YAML, in the order of the model."""
    import yaml

    return str(yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=100))


def history(client: Client) -> list[dict[str, Any]]:
    """The configs that runs have used, newest first: ``hash``, when it came up, its runs, and the lines that changed
    against the one before it."""
    import sqlalchemy as sa

    from pipeline.ledger.tables import runs, values

    name, zone = client.config.client, client.config.zone
    query = sa.select(values.c.name, values.c.value).where(values.c.client == name, values.c.kind == _KIND)
    first = sa.func.min(runs.c.started, type_=runs.c.started.type)
    last = sa.func.max(runs.c.started, type_=runs.c.started.type)
    used = sa.select(runs.c.config_hash, sa.func.count(), first, last).where(
        runs.c.client == name, runs.c.config_hash.is_not(None)
    )
    with client.ledger.read() as conn:
        kept = {row.name: row.value for row in conn.execute(query)}
        counted = conn.execute(used.group_by(runs.c.config_hash)).all()
    rows = [
        {
            "hash": str(digest),
            "runs": int(count),
            "first": since.astimezone(zone),
            "last": until.astimezone(zone),
            "now": digest == client.config.config_hash,
            "config": kept.get(digest, {}).get("config"),
        }
        for digest, count, since, until in counted
    ]
    rows.sort(key=lambda row: row["first"], reverse=True)
    for row, before in zip(rows, [*rows[1:], None], strict=False):
        row["changes"] = _changes(before["config"], row["config"]) if before else None
    return rows


def _changes(before: Any, after: Any) -> list[str] | None:
    """Lines that went and came; None where one of the two is not known any more."""
    if before is None or after is None:
        return None
    lines = difflib.unified_diff(as_yaml(before).splitlines(), as_yaml(after).splitlines(), lineterm="", n=1)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def _drop_old(ledger: Ledger, conn: sa.Connection) -> None:
    import sqlalchemy as sa

    from pipeline.ledger.tables import values as v

    mine = (v.c.client == ledger.client) & (v.c.kind == _KIND)
    old = conn.execute(sa.select(v.c.name).where(mine).order_by(v.c.updated.desc()).offset(KEPT)).scalars().all()
    if old:
        conn.execute(v.delete().where(mine, v.c.name.in_(list(old))))
