"""What a check of the archive found, in words: damaged and missing copies, and copies that no journal tells of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pipeline.archive import Index, upkeep
from pipeline.archive.upkeep import Checked
from pipeline.engine import copies, sharing
from pipeline.engine.runtime import Client
from pipeline.errors import Finding, Where, Who
from pipeline.texts import TN, T

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """What is not as it should be. ``missing`` and ``elsewhere``: hashes; the latter lie in another archive."""

    findings: tuple[Finding, ...]
    missing: tuple[str, ...]
    elsewhere: tuple[str, ...]


def verified(client: Client, checked: Checked, mended: Collection[str]) -> Verified:
    """All that is not as it should be. ``mended``: hashes whose copies are sound again.

    A ledger that is lost or damaged is the first of it: what should be here cannot be asked then. Raises Transient.
    """
    archive = client.archive
    index = Index.of(archive.journal)
    with client.ledger.read() as conn:
        lost = [row for row in copies.lost(archive, conn, client.config.client) if row["sha256"] not in mended]
        others = sharing.others(conn, client.config.client, archive)
        known = {entry.sha256 for entry in copies.from_ledger(conn, client.config.client)}
    names = {sha: entries[0].name for sha, entries in index.kept.items()}
    for row in lost:
        names.setdefault(row["sha256"], row["name"])
    # what never came to this archive is missing from it, but not lost
    elsewhere = {row["sha256"] for row in lost if others and row["sha256"] not in index.kept}
    missing = {*checked.missing, *(row["sha256"] for row in lost)} - set(mended) - elsewhere
    found = list(client.without.findings) if client.without is not None else []
    found += [_unsound(client, sha, names.get(sha)) for sha in checked.unsound if sha not in mended]
    found += [_missing(client, sha, names.get(sha)) for sha in sorted(missing)]
    if elsewhere:
        found.append(sharing.elsewhere(archive, len(elsewhere), others))
    if told := len(tellable(client, checked.unknown, known, index)):
        found.append(
            Finding(
                "archive-no-line",
                TN("{n} copy has no line in the journal.", "{n} copies have no line in the journal.", told),
                Where(file=str(archive.journal.folder)),
                T("mistok archive index writes what is missing there."),
                Who.ADMIN,
            )
        )
    return Verified(tuple(found), tuple(sorted(missing)), tuple(sorted(elsewhere)))


def tellable(client: Client, unknown: Collection[str], known: Collection[str], index: Index) -> set[str]:
    """Of copies without a line in the journal, those that something tells of: the ledger, or their name in the view.

    A run that was killed leaves, at worst, a copy that nothing knows of; its file was fetched again.
    """
    rest = set(unknown) - set(known)
    by_view = {entry.sha256 for entry in upkeep.without_line(client.archive, index)} if rest else set()
    return (set(unknown) & set(known)) | (rest & by_view)


def _unsound(client: Client, sha: str, name: str | None) -> Finding:
    return Finding(
        "archive-unsound",
        T("The copy of {name} is damaged ({sha}).", name=name or "?", sha=sha[:12]),
        Where(file=str(client.archive.object_of(sha))),
        T("Try mistok archive verify --mend; else restore the archive's folder from a backup, and check the disk."),
        Who.ADMIN,
    )


def _missing(client: Client, sha: str, name: str | None) -> Finding:
    return Finding(
        "archive-missing",
        T("The copy of {name} is missing ({sha}).", name=name or "?", sha=sha[:12]),
        Where(file=str(client.archive.object_of(sha))),
        T("Try mistok archive verify --mend; else restore the archive's folder from a backup."),
        Who.ADMIN,
    )
