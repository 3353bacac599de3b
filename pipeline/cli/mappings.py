"""``mistok mappings``: what codes of the client's shops mean, and who said so; take one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client


def mappings(
    context: typer.Context,
    forget: Annotated[
        list[str] | None,
        typer.Option("--forget", help=str(T("Take one back: sku:AB-1 (may be repeated).")), show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what codes mean: those that people gave, and those of the config; or take one back."""
    with common.cards(as_json=as_json):
        with common.client(context, read_only=not forget) as client:
            if forget:
                _forget(client, forget)
            rows = mapping_rows(client)
        if as_json:
            common.print_json(rows)
            return
        if forget:
            out = common.console()
            for name in forget:
                out.print(str(T("{about} is forgotten. What was made with it stays as it is.", about=name)))
        common.table(
            (
                ("kind", T("Kind")),
                ("code", T("Code")),
                ("meant", T("Means")),
                ("by", T("By whom")),
                ("at", T("When")),
                ("card", T("Card")),
                ("why", T("Why")),
            ),
            rows,
            empty=T("No mappings yet: mistok cards tells which ones are asked for."),
        )


def mapping_rows(client: Client) -> list[dict[str, Any]]:
    """Mappings for tables and JSON: those that people gave, then those of the config that they do not outweigh."""
    from pipeline.engine.carrying import places
    from pipeline.ledger.decisions import all_mappings

    with client.ledger.read() as conn:
        given = all_mappings(conn, client.config.client)
    rows = [
        {
            "kind": row["kind"],
            "code": row["code"],
            "meant": row["meant"],
            "by": row["by"],
            "at": row["at"].astimezone(client.config.zone),
            "card": row["card_id"],
            "why": row["why"],
        }
        for row in given
    ]
    outweighed = {(row["kind"], row["code"]) for row in given}
    for place in places(client):
        for kind, pairs in place.settings.mappings.items():
            for code, meant in pairs.items():
                if (kind, code) in outweighed:
                    continue
                by = str(T("config, job {job}", job=place.job))
                rows.append(
                    {"kind": kind, "code": code, "meant": meant, "by": by, "at": None, "card": None, "why": None}
                )
    return rows


def _forget(client: Client, names: list[str]) -> None:
    """Raises ConfigError when a person gave no such mapping; then none is forgotten."""
    from pipeline.config.suggest import nearest as closest
    from pipeline.ledger import decisions

    with client.ledger.begin() as conn:
        known = {f"{row['kind']}:{row['code']}": row for row in decisions.all_mappings(conn, client.config.client)}
        for name in names:
            if name not in known:
                close = closest(name, known)
                hint = T("mistok mappings lists them; those of the config are taken back there.")
                if close:
                    hint = T("Did you mean {near}?", near=close)
                common.usage(T("Nobody has said what {about} means.", about=name), hint)
        for name in names:
            row = known[name]
            decisions.forget_mapping(conn, client.config.client, row["kind"], row["code"])
            data = {"kind": row["kind"], "code": row["code"], "meant": row["meant"], "by": common.person()}
            client.ledger.event(conn, "mappings", "forgotten", data)
