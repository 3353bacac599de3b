"""Looking into an inbox: which files are new, still growing, whole and ready, known, or waiting to be acknowledged.

The decision about one file is :func:`judge`, a pure function of what the ledger knows, what the server lists, the
settings and the time. A file's age is counted from our own first look: a server's clock is never trusted.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, TypeAlias

from pipeline.flow import InboundSettings
from pipeline.ledger.tables import FileState
from pipeline.ports import RemoteFile, wire_text

Row = dict[str, Any]
_Match: TypeAlias = Callable[[str], re.Match[str] | None]
RETRY_ASIDE = timedelta(minutes=5)
UNREAD_TRIES = 3  #: a file that cannot be fetched so often is told of, whatever the reason
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)


class Verdict(Enum):
    """What is to be done about a listed file."""

    NEW = "new"  #: this version was never seen: write it down
    GROWING = "growing"  #: seen, but changed since the last look
    WAITING = "waiting"  #: unchanged, but not for long enough, or its marker is missing
    READY = "ready"  #: take it
    RESUME = "resume"  #: its copy is in the archive: go on from there
    ACKNOWLEDGE = "acknowledge"  #: done; only the remote file is left
    SET_ASIDE = "set-aside"  #: in quarantine, and still to be moved to the rejected folder
    SETTLED = "settled"  #: nothing to do: kept by policy, or in quarantine


@dataclass(frozen=True, slots=True)
class Look:
    """The verdict on one file; ``due`` is when a waiting one may be ready."""

    file: RemoteFile
    verdict: Verdict
    row: Row | None = None
    due: datetime | None = None


def pause(tries: int) -> timedelta:
    """How long to leave a file alone that could not be fetched so many times in a row (0, 1, …)."""
    if tries < UNREAD_TRIES:
        return timedelta(0)
    doubled: timedelta = FIRST_PAUSE * int(2 ** min(tries - UNREAD_TRIES, 20))
    return min(doubled, LONGEST_PAUSE)


def chosen(name: str, settings: InboundSettings) -> bool:
    """Whether a name is one that the step takes: its pattern, none of the ignored ones, case aside."""
    lower = name.lower()
    wanted, ignored = _patterns(settings.pattern, settings.ignore)
    return wanted(lower) is not None and ignored(lower) is None


@lru_cache(maxsize=64)
def _patterns(pattern: str, ignore: tuple[str, ...]) -> tuple[_Match, _Match]:
    """What a lower name is to match, and all that it is not to match in one go: a folder may list thousands."""
    nothing = "(?!)"
    ignored = "|".join(fnmatch.translate(one.lower()) for one in ignore) or nothing
    return re.compile(fnmatch.translate(pattern.lower())).match, re.compile(ignored).match


def judge(
    file: RemoteFile,
    row: Row | None,
    settings: InboundSettings,
    names: Collection[str],
    now: datetime,
    config_hash: str = "",
    *,
    patient: bool = True,
) -> Look:
    """The verdict on a listed ``file``, given its newest ledger ``row`` (None: never seen), and all ``names`` (as of
    :func:`pipeline.ports.wire_text`).

    A quarantined file is read again when the config is another one (``config_hash``) than the one that refused it, and
    when somebody puts it back from the rejected folder. With ``patient`` a file that could not be fetched again and
    again is left alone for a while.
    """
    if row is None:
        return Look(file, Verdict.NEW)
    same = row["size"] == file.size and row["modified"] == file.modified
    state = FileState(row["state"])
    if state is FileState.SEEN:
        if not same:
            return Look(file, Verdict.GROWING, row)
        due = max(row["stable_since"] + settings.stable, row["first_seen"] + settings.min_age)
        if row["findings"]:  # it was read once and its end was missing
            due = max(due, row["stable_since"] + settings.grace)
        if patient and (wait := pause(row.get("tries") or 0)):
            due = max(due, row["updated"] + wait)
        if settings.marker is not None and wire_text(file) + settings.marker.suffix not in names:
            return Look(file, Verdict.WAITING, row)
        return Look(file, Verdict.READY, row) if due <= now else Look(file, Verdict.WAITING, row, due)
    if state is FileState.CLAIMED:
        # whoever claimed it is gone (we hold the inbox): if it changed meanwhile it is a new file
        return Look(file, Verdict.READY if same else Verdict.NEW, row)
    if not same:
        return Look(file, Verdict.NEW, row)
    if state in (FileState.ARCHIVED, FileState.CHECKED):
        return Look(file, Verdict.RESUME, row)
    if state is FileState.DONE:
        return Look(file, Verdict.ACKNOWLEDGE, row)
    if state is FileState.ACKNOWLEDGED and row["policy"] != "kept":
        return Look(file, Verdict.NEW, row)  # it was gone, and came again
    if state is FileState.QUARANTINED:
        if row["policy"] == "rejected" or (row["config_hash"] or config_hash) != config_hash:
            return Look(file, Verdict.NEW, row)
        if settings.rejected is not None and now - row["updated"] >= RETRY_ASIDE:
            return Look(file, Verdict.SET_ASIDE, row)
    return Look(file, Verdict.SETTLED, row)


def in_period(file: RemoteFile, first_seen: datetime, since: datetime | None, until: datetime | None) -> bool:
    """Whether a file is from the period [since, until): by the server's time, else by our first look at it."""
    at = file.modified or first_seen
    return (since is None or at >= since) and (until is None or at < until)


def oldest_first(file: RemoteFile, first_seen: datetime) -> tuple[Any, ...]:
    """What files that came at once are sorted by: the server's times among themselves."""
    return (file.modified or first_seen, file.name)


def next_look(looks: Sequence[Look], now: datetime, settings: InboundSettings) -> float | None:
    """Seconds until another look may find a file ready; None when only the site can change that (a missing marker)."""
    dues = [look.due - now for look in looks if look.verdict is Verdict.WAITING and look.due is not None]
    if any(look.verdict in (Verdict.NEW, Verdict.GROWING) for look in looks):
        dues.append(max(settings.stable, settings.min_age))
    return max(min(dues).total_seconds(), 0.0) if dues else None
