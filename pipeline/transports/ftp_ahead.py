"""Questions about many files of an FTP folder at once: asked together, they cost the round trips of one file."""

from __future__ import annotations

import ftplib
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from pipeline.transports.ftp_listing import Unreadable, parse_facts, parse_moment
from pipeline.transports.ftp_session import Reply, Session

#: Size and exact time of a file, each as far as the server tells it; no size: it may be gone.
Look: TypeAlias = tuple[int | None, datetime | None]
_WIRE = "latin-1"


def knows(session: Session, command: str) -> bool:
    """Whether it may be asked. A server without FEAT may well know the command: ask, and it says no."""
    return command in session.features or not session.features


def looks(session: Session, names: Sequence[str], *, times: bool) -> Sequence[Look]:
    """Of each of ``names`` (wire text) in the folder where ``session`` stands."""
    if "MLST" in session.features:
        return [_facts(reply) for reply in session.ask_many([f"MLST {name}" for name in names])]
    if not knows(session, "SIZE"):
        return [(None, None)] * len(names)
    session.binary()
    timed = times and knows(session, "MDTM")
    words = ("SIZE", "MDTM") if timed else ("SIZE",)
    replies = session.ask_many([f"{word} {name}" for name in names for word in words])
    step = len(words)
    return [(_size(replies[at]), _moment(replies[at + 1]) if timed else None) for at in range(0, len(replies), step)]


def moments(session: Session, names: Sequence[str]) -> Sequence[datetime | None]:
    """The exact time of each of ``names``, by MDTM."""
    return [_moment(reply) for reply in session.ask_many([f"MDTM {name}" for name in names])]


def done(session: Session, acts: Sequence[Sequence[str]]) -> Sequence[bool]:
    """Do each of ``acts``, which is one command or several that belong together; whether the last of it was done."""
    replies = iter(session.ask_many([command for act in acts for command in act]))
    return [[str(next(replies))[:1] for _ in act][-1] == "2" for act in acts]


def _facts(reply: Reply) -> Look:
    if isinstance(reply, ftplib.Error):
        return None, None
    try:
        entry = parse_facts(next((line for line in reply.splitlines()[1:-1] if "=" in line), "").encode(_WIRE))
    except Unreadable:
        return None, None
    return entry.size, entry.modified


def _size(reply: Reply) -> int | None:
    digits = str(reply)[4:].strip()
    return int(digits) if str(reply).startswith("213") and digits.isascii() and digits.isdigit() else None


def _moment(reply: Reply) -> datetime | None:
    return parse_moment(str(reply)[4:]) if str(reply).startswith("2") else None
