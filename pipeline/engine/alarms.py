"""When people are told that a job does not work: once, until the trouble changes or is over.

One place spells what is remembered of a told trouble, whoever tells of it: the run itself, the service that found its
process gone, or a run that could not even begin because the ledger's disk is full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.errors import Finding
from pipeline.ledger.reserve import ROOM, free_bytes
from pipeline.ledger.store import Ledger
from pipeline.ports import Notice

KIND = "alarm"  #: of the ledger's small values
FULL = "disk-full"  #: code of every finding about a full disk
DISK = "disk"  #: the subject of a full disk: one trouble, however many jobs need it


def failed(ledger: Ledger, conn: sa.Connection, job: str, finding: Finding, *, mark: str = "") -> None:
    """A run of ``job`` did not work: tell it, unless just that was told last.

    ``mark`` tells two troubles of one code apart (other products, other orders); whoever knows only the code gives
    none, and it is the same trouble then. A server that is not reached, and a full disk, is one and the same, in
    whatever words and for whatever job.
    """
    subject, notice = _told(job, finding)
    mark = "" if subject != f"job:{job}" else mark
    code, known = _before(ledger, conn, subject)
    if code != finding.code or (mark and known and mark != known):
        ledger.notify(conn, notice)
    elif mark == known or not mark:
        return
    _remember(ledger, conn, subject, finding.code, mark)


def well(ledger: Ledger, conn: sa.Connection, job: str, *, room: Callable[[], bool] = lambda: True) -> None:
    """A run of ``job`` worked: what is told next is news again.

    ``room``: whether its disks have room again. A look that finds nothing to do works on a full disk as well.
    """
    for subject in (f"job:{job}", DISK):
        if _before(ledger, conn, subject)[0] and (subject != DISK or room()):
            _remember(ledger, conn, subject, "", "")


def have_room(ledger: Ledger, places: Iterable[Path]) -> bool:
    """Whether the disks of the ledger, and of these folders, have more than a little room."""
    if ledger.reserve is not None and not ledger.reserve.has_room():
        return False
    return all(free_bytes(place) > ROOM for place in places)


def _told(job: str, finding: Finding) -> tuple[str, Notice]:
    if finding.code == FULL:
        return DISK, notices.disk_full(DISK, job, finding)
    connection = finding.about.removeprefix("connection:")
    if connection != finding.about:
        # when it is back, the connection says so
        subject = f"connection:{connection}"
        return subject, notices.connection_failure(subject, connection, finding)
    return f"job:{job}", notices.failure(f"job:{job}", job, finding)


def _before(ledger: Ledger, conn: sa.Connection, subject: str) -> tuple[str, str]:
    value: dict[str, Any] = ledger.get_value(conn, KIND, subject) or {}
    return str(value.get("code", "")), str(value.get("mark", ""))


def _remember(ledger: Ledger, conn: sa.Connection, subject: str, code: str, mark: str) -> None:
    ledger.set_value(conn, KIND, subject, {"code": code, "mark": mark, "at": ledger.clock.now().isoformat()})
