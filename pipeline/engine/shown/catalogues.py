"""Published catalogues: the last one as its consumer reads it, and what differs from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown.rows import publication_row
from pipeline.errors import MistokError
from pipeline.flow import OutboundSettings
from pipeline.ports import CatalogueReader, FormatContext
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import StepSpec
    from pipeline.engine.runtime import Client

#: Rows of a catalogue, and differences, that are shown at most.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Changed:
    """One row that differs: its article, and (column, before, after) of each cell that does."""

    key: str
    cells: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two catalogues, by the column that names their rows."""

    came: tuple[str, ...]
    went: tuple[str, ...]
    changed: tuple[Changed, ...]

    def __bool__(self) -> bool:
        return bool(self.came or self.went or self.changed)


def catalogues(client: Client) -> list[dict[str, Any]]:
    """Every file that a job publishes, with its last publications, newest first, and the card of a brake, if open."""
    from pipeline.ledger import cards

    found = []
    for job, number, spec, settings in _steps(client):
        rows = published(client, settings, 10)
        with client.ledger.read() as conn:
            stopped = [
                row
                for row in cards.of_subjects(conn, client.config.client, [f"job:{job}"])
                if row["kind"] == "brake" and row["state"] == "open"
            ]
        found.append(
            {
                "job": job,
                "step": number,
                "name": settings.name,
                "to": f"{settings.to}/{settings.folder}".rstrip("/"),
                "format": settings.format.type,
                "from": settings.source,
                "publications": rows,
                "brake": stopped[-1]["id"] if stopped else None,
                "readable": isinstance(client.registry.formats[settings.format.type].format, CatalogueReader),
                "spec": spec,
            }
        )
    return found


def _steps(client: Client) -> list[tuple[str, int, StepSpec, OutboundSettings]]:
    return [
        (name, number, spec, spec.params)
        for name, job in client.config.jobs.items()
        for number, spec in enumerate(job.steps)
        if isinstance(spec.params, OutboundSettings)
    ]


def published(client: Client, settings: OutboundSettings, most: int) -> list[dict[str, Any]]:
    """The last publications under the name that these settings give, newest first."""
    import sqlalchemy as sa

    from pipeline.ledger.tables import publications as p
    from pipeline.ledger.tables import row_dict

    query = sa.select(p).where(
        p.c.client == client.config.client,
        p.c.connection == settings.to,
        p.c.folder == settings.folder,
        p.c.name == settings.name,
    )
    with client.ledger.read() as conn:
        rows = [row_dict(row) for row in conn.execute(query.order_by(p.c.id.desc()).limit(most))]
    return [publication_row(row, client) for row in rows]


def as_read(client: Client, one: dict[str, Any], sha256: str) -> list[tuple[str, ...]]:
    """A published file as its consumer reads it, its header first.

    Raises MistokError when its copy is gone, damaged or cannot be read so.
    """
    spec: StepSpec = one["spec"]
    reader = client.registry.formats[one["format"]].format
    if not isinstance(reader, CatalogueReader):
        raise MistokError(T("Files of the format {name} cannot be shown as a table.", name=one["format"]))
    config = client.config
    context = FormatContext(
        client=config.client,
        timezone=config.zone,
        currency=config.currency,
        language=config.catalogue_language,
        now=client.clock.now(),
        file=one["name"],
        base=config.base,
    )
    return [tuple(row) for row in reader.read(client.archive.read(sha256), spec.format_params, context)]


def told(client: Client, one: dict[str, Any]) -> tuple[list[tuple[str, ...]], Difference | None, Text | None]:
    """The last catalogue, the difference to the one before it, and why they cannot be told, if so."""
    rows = [row for row in one["publications"] if row["archive"]]
    if not rows or not one["readable"]:
        return [], None, None
    try:
        last = as_read(client, one, rows[0]["sha256"])
        other = next((row for row in rows[1:] if row["sha256"] != rows[0]["sha256"]), None)
        return last, difference(as_read(client, one, other["sha256"]), last) if other else None, None
    except MistokError as error:
        return [], None, error.text


def difference(before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> Difference:
    """What differs, row by row. Rows are known by the first column that names each of them in both."""
    old_head, new_head = (list(rows[0]) if rows else [] for rows in (before, after))
    key = next(
        (
            name
            for place, name in enumerate(new_head)
            if name in old_head and _names(after[1:], place) and _names(before[1:], old_head.index(name))
        ),
        None,
    )
    if key is None:
        return Difference((), (), ())
    old = {row[old_head.index(key)]: dict(zip(old_head, row, strict=False)) for row in before[1:]}
    new = {row[new_head.index(key)]: dict(zip(new_head, row, strict=False)) for row in after[1:]}
    changed = []
    for name, row in new.items():
        if name in old and row != old[name]:
            columns = list(dict.fromkeys((*new_head, *old_head)))
            cells = [(one, old[name].get(one, ""), row.get(one, "")) for one in columns]
            changed.append(Changed(name, tuple(cell for cell in cells if cell[1] != cell[2])))
    return Difference(
        tuple(name for name in new if name not in old), tuple(name for name in old if name not in new), tuple(changed)
    )


def _names(rows: Sequence[Sequence[str]], place: int) -> bool:
    values = [row[place] for row in rows if place < len(row)]
    return bool(values) and all(values) and len(set(values)) == len(rows)
