"""Which configs a client had: kept, secrets masked, when a run first uses one, so that changes can be told."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from pipeline.config.kept import Kept, kept

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client
    from pipeline.ledger.store import Ledger

_KIND, _TEXT = "config", "config-text"
#: So many are kept, the newest. Texts are small, and orders of long ago are asked about.
KEPT, TEXTS_KEPT = 50, 500


def remember(ledger: Ledger, conn: sa.Connection, config: ClientConfig) -> None:
    """Keep what the config says, and its text with the lines of its keys, unless they are kept already."""
    if config.config_hash and ledger.get_value(conn, _KIND, config.config_hash) is None:
        at = ledger.clock.now().isoformat()
        ledger.set_value(conn, _KIND, config.config_hash, {"at": at, "config": told(config)})
        _drop_old(ledger, conn, _KIND, KEPT)
    if config.config_hash and ledger.get_value(conn, _TEXT, config.config_hash) is None and (text := kept(config)):
        lines = [[*keys, file, line] for keys, (file, line) in text.lines.items()]
        at = ledger.clock.now().isoformat()
        ledger.set_value(conn, _TEXT, config.config_hash, {"at": at, "files": text.files, "lines": lines})
        _drop_old(ledger, conn, _TEXT, TEXTS_KEPT)


def text_of(client: Client, conn: sa.Connection, digest: str) -> Kept | None:
    """The text of the config with this hash, and its lines; None when it is not kept (any more)."""
    value = client.ledger.get_value(conn, _TEXT, digest)
    if value is not None:
        return Kept(value["files"], {tuple(keys): (file, line) for *keys, file, line in value["lines"]})
    # not used by a run yet, as when a person's answer was the first that it was asked for
    return kept(client.config) if digest == client.config.config_hash else None


def taken_up(client: Client, conn: sa.Connection, digest: str) -> datetime | None:
    """When the config with this hash was first used by a run; None when that is not known."""
    import sqlalchemy as sa

    from pipeline.ledger.tables import runs

    first = sa.select(sa.func.min(runs.c.started, type_=runs.c.started.type)).where(
        runs.c.client == client.config.client, runs.c.config_hash == digest
    )
    found = conn.execute(first).scalar()
    return found.astimezone(client.config.zone) if found is not None else None


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


def _drop_old(ledger: Ledger, conn: sa.Connection, kind: str, most: int) -> None:
    import sqlalchemy as sa

    from pipeline.ledger.tables import values as v

    mine = (v.c.client == ledger.client) & (v.c.kind == kind)
    old = conn.execute(sa.select(v.c.name).where(mine).order_by(v.c.updated.desc()).offset(most)).scalars().all()
    if old:
        conn.execute(v.delete().where(mine, v.c.name.in_(list(old))))
