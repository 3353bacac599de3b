"""Which archives keep a client's copies: machines that share a ledger must share the archive, too.

An archive has a name of its own (a random one, in a file of it), and the ledger remembers which archives have kept
files, and where each machine finds them. So a machine that does not have a copy can tell a lost one from one that
lies in another machine's archive.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.archive import Archive
from pipeline.engine import alarms
from pipeline.errors import Finding, Who
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.manyrows import look_up
from pipeline.texts import TN, T, Text

KIND = "archive"  #: of the ledger's small values; their names are those of the archives
SUBJECT = "archive-shared"  #: of the alarm
CODE = "archive-elsewhere"
_KNOWN = sa.select(t.values.c.name, t.values.c.value).where(
    t.values.c.client == sa.bindparam("client"), t.values.c.kind == sa.bindparam("kind")
)
_LOOKED_AT = 300  #: of the newest files, whether their copies are here


@dataclass(frozen=True, slots=True)
class Other:
    """An archive that has kept files of this client and is not the one that is open. ``places``: HOST:FOLDER."""

    identity: str
    places: tuple[str, ...]


def note(ledger: Ledger, conn: sa.Connection, archive: Archive) -> None:
    """Remember that this archive keeps files, in the caller's transaction. Raises Transient (the archive's disk)."""
    identity, here, folder = archive.identity(), platform.node(), str(archive.root.absolute())
    known = _known(conn, ledger.client)
    if known.get(identity, {}).get(here) == folder:
        return
    for other, hosts in known.items():
        if other != identity and hosts.get(here) == folder:  # it lay where this one lies now
            del hosts[here]
            ledger.set_value(conn, KIND, other, {"hosts": hosts})
    ledger.set_value(conn, KIND, identity, {"hosts": {**known.get(identity, {}), here: folder}})


def others(conn: sa.Connection, client: str, archive: Archive) -> list[Other]:
    """Archives besides this one that have kept files of the client, as far as they are known to lie somewhere."""
    mine = archive.identity(make=False)
    return [
        Other(identity, tuple(f"{host}:{folder}" for host, folder in sorted(hosts.items())))
        for identity, hosts in sorted(_known(conn, client).items())
        if identity != mine and hosts
    ]


def _known(conn: sa.Connection, client: str) -> dict[str, dict[str, str]]:
    rows = look_up(conn, _KNOWN, client=client, kind=KIND)
    return {name: dict(value.get("hosts") or {}) for name, value in rows}


def places(found: Sequence[Other]) -> str:
    """Where they lie, for people."""
    return ", ".join(place for one in found for place in one.places)


def missing_here(ledger: Ledger, archive: Archive) -> Finding | None:
    """What is said when copies that the ledger knows of are not in this archive, and another one has kept files."""
    f = t.files.c
    with ledger.read() as conn:
        found = others(conn, ledger.client, archive)
        if not found:
            return None
        kept = sa.select(f.sha256).where(f.client == ledger.client, f.sha256.is_not(None), f.pruned.is_(None))
        hashes = conn.execute(kept.order_by(f.id.desc()).limit(_LOOKED_AT)).scalars().all()
    lacking = sum(archive.find(sha) is None for sha in set(hashes))
    return elsewhere(archive, lacking, found) if lacking else None


def elsewhere(archive: Archive, lacking: int, found: Sequence[Other]) -> Finding:
    """The same for ``lacking`` copies that were missed already."""
    return Finding(
        CODE,
        TN(
            "{n} copy that the ledger knows of is not in the archive {folder}: files were kept in {places}.",
            "{n} copies that the ledger knows of are not in the archive {folder}: files were kept in {places}.",
            lacking,
            folder=str(archive.root),
            places=places(found),
        ),
        hint=T(
            "All machines of a client must use one archive. Let archive.path lead to the same folder on each (a "
            "share), and copy into it what lies in the others. If it is a disk that is not there now, attach it."
        ),
        who=Who.ADMIN,
    )


def in_another(conn: sa.Connection, client: str, archive: Archive, file: str) -> Text | None:
    """What is said of a file without a copy here, when another archive may have it."""
    found = others(conn, client, archive)
    if not found:
        return None
    return T(
        "The copy of {file} is not in this archive; it may be in {places}. Let the machines use one archive, or do it "
        "there.",
        file=file,
        places=places(found),
    )


def alarm(ledger: Ledger, finding: Finding | None) -> None:
    """Tell people once that the archive is not shared, until it is. Raises Transient (ledger)."""
    with ledger.read() as conn:
        before = (ledger.get_value(conn, alarms.KIND, SUBJECT) or {}).get("code", "")
    code = finding.code if finding else ""
    if before == code:
        return
    with ledger.begin() as conn:
        if finding is not None:
            ledger.notify(conn, notices.archive_elsewhere(SUBJECT, finding))
        ledger.set_value(conn, alarms.KIND, SUBJECT, {"code": code, "at": ledger.clock.now().isoformat()})
