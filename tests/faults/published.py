"""I4, looked at past Mistok: what the shop sees of a catalogue is whole, the old one or the new one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import sqlalchemy as sa

from pipeline.engine.runtime import Client
from pipeline.flow import OutboundSettings
from pipeline.ledger import tables as t

_HALF = (".part", ".partial")  #: how a file on its way, and an old one that is swapped, end


def broken(client: Client, goods: Path, *, settled: bool) -> list[str]:
    """What is not as promised in the folder of catalogues, as it lies on the server's disk; nothing when all is.

    ``settled``: the fault is over and a run has followed, so that what lies there is what was published last. Before,
    it is any that Mistok has a sound archive copy of: each is archived before any of its bytes is sent.
    """
    p = t.publications.c
    with client.ledger.read() as conn:
        query = sa.select(p.connection, p.name, p.sha256).where(p.client == client.config.client).order_by(p.id)
        newest = {_on_disk(client, row.connection, row.name): row.sha256 for row in conn.execute(query)}
    kept = {} if settled or not newest else _archived(client)
    found = []
    for name, sha in sorted(newest.items()):
        if not (goods / name).is_file():
            found.append(f"I4: {name!r} was published and is gone")
        elif settled and _hash(goods / name) != sha:
            found.append(f"I4: {name!r} is not the one that was published last")
        elif not settled and _hash(goods / name) not in kept:
            found.append(f"I4: {name!r} is neither the old one nor the new one")
    found += [f"I4: {path.name!r} was left there" for path in sorted(goods.rglob("*")) if path.name.endswith(_HALF)]
    return found + [words for name, marker in _markers(client) if (words := _dishonest(goods / name, goods / marker))]


def _archived(client: Client) -> set[str]:
    """Hashes of all that was ever to be published and has a sound copy."""
    sent = {entry.sha256 for entry in client.archive.journal.entries() if entry and entry.direction == "out"}
    return {sha for sha in sent if client.archive.verify(sha)}


def _on_disk(client: Client, connection: str, name: str) -> str:
    """The name as this system's calls give it, where the connection declares how names are written."""
    encoding = getattr(client.config.connections[connection].params, "encoding", None)
    return os.fsdecode(name.encode(encoding)) if encoding else name


def _markers(client: Client) -> list[tuple[str, str]]:
    """(catalogue, marker) of each export that writes one."""
    steps = [step.params for job in client.config.jobs.values() for step in job.steps]
    return [(one.name, one.marker) for one in steps if isinstance(one, OutboundSettings) and one.marker]


def _dishonest(catalogue: Path, marker: Path) -> str:
    if not marker.is_file():
        return ""
    vouched = marker.read_text("ascii").split()[:1]
    here = [_hash(catalogue)] if catalogue.is_file() else []
    return "" if vouched == here else f"I4: {marker.name} vouches for another file than {catalogue.name}"


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
