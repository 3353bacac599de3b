"""What FTP servers answer to MLSD, MLST and LIST, read without a server. Names stay bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

FILE, FOLDER, OTHER = "file", "folder", "other"

#: -rw-r--r--   1 owner group   1234 Nov 22 20:20 name   (owner and group may be missing or have spaces in them)
_UNIX = re.compile(
    rb"(?P<kind>[-dlbcps])[-rwxsStTlL]{9}[+.@]?[ \t]++(?:.*?[ \t])??(?P<size>\d{1,19})[ \t]+"
    rb"(?P<stamp>(?:[^\s\d]\S{2,}[ \t]+\d{1,2}|\d{1,2}[ \t]+[^\s\d]\S{2,}|\d{4}-\d\d-\d\d)[ \t]+"
    rb"(?:\d{1,2}:\d\d(?::\d\d)?|\d{4}))"
    rb" (?P<name>.+)"
)
#: 11-22-26  08:20PM       1234 name
_DOS = re.compile(
    rb"(?P<stamp>(?:\d\d-\d\d-\d{2,4}|\d{4}-\d\d-\d\d)[ \t]+\d{1,2}:\d\d(?:[ \t]*[AaPp][Mm])?)[ \t]+"
    rb"(?:(?P<mark><\w+>)[ \t]+|(?P<size>\d{1,19}) )(?P<name>.+)"
)
_TOTAL = re.compile(rb"total(?: \d+.*)?", re.IGNORECASE)
_SIZE = re.compile(r"(?a)\d{1,19}")  # more digits than any file has bytes
MAX_LINE = 8192  #: bytes; a name has 255 letters at most
_MOMENT = re.compile(r"(\d{14})(?:\.(\d{1,6})\d*)?")


class Unreadable(ValueError):
    """A line that is no listing that we know."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing. ``modified`` is exact (UTC) or None; ``stamp`` is LIST's own rough time, as written."""

    name: bytes
    kind: str
    size: int
    modified: datetime | None = None
    stamp: bytes = b""


def _line(line: bytes) -> bytes:
    """Without its end. Raises Unreadable when it is longer than any line of a listing."""
    text = line.strip(b"\r\n")
    if len(text) > MAX_LINE:
        raise Unreadable(text[:80])
    return text


def parse_moment(text: str) -> datetime | None:
    """``20261122202001.250`` -> that moment in UTC; None when it is not one."""
    match = _MOMENT.fullmatch(text.strip())
    if not match:
        return None
    try:
        moment = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.replace(microsecond=int((match[2] or "0").ljust(6, "0")))


def parse_facts(line: bytes) -> Entry:
    """A line of MLSD or MLST: ``type=file;size=5;modify=20261122202001; name``. Raises Unreadable."""
    text = _line(line)
    facts, space, name = text.lstrip(b" ").partition(b" ")
    if not space or not name or (facts and b"=" not in facts):
        raise Unreadable(text)
    pairs = {
        key.lower(): value
        for key, _, value in (fact.partition("=") for fact in facts.decode("latin-1").split(";") if fact)
    }
    kind = {"file": FILE, "dir": FOLDER, "cdir": FOLDER, "pdir": FOLDER}.get(pairs.get("type", "").lower(), OTHER)
    size = pairs.get("size", "")
    known = _SIZE.fullmatch(size) is not None
    if kind == FILE and not known:
        raise Unreadable(text)
    return Entry(name, kind, int(size) if known else 0, parse_moment(pairs.get("modify", "")))


def parse_mlsd(lines: Iterable[bytes]) -> list[Entry]:
    """All lines of an MLSD. Raises Unreadable."""
    return [parse_facts(line) for line in lines if line.strip(b"\r\n")]


def parse_list_line(line: bytes) -> Entry | None:
    """A line of LIST, in its unix or its MS-DOS form; None for a heading. Raises Unreadable."""
    text = _line(line)
    if not text.strip() or _TOTAL.fullmatch(text.strip()):
        return None
    if match := _UNIX.fullmatch(text):
        kind = {b"-": FILE, b"d": FOLDER}.get(match["kind"], OTHER)
        name = match["name"]
        if match["kind"] == b"l":
            name = name.split(b" -> ", 1)[0] or name
        return Entry(name, kind, int(match["size"]), stamp=match["stamp"])
    if match := _DOS.fullmatch(text):
        if match["mark"]:
            return Entry(match["name"], FOLDER if match["mark"].upper() == b"<DIR>" else OTHER, 0, stamp=match["stamp"])
        return Entry(match["name"], FILE, int(match["size"]), stamp=match["stamp"])
    raise Unreadable(text)


def parse_list(lines: Iterable[bytes]) -> list[Entry]:
    """All lines of a LIST. Raises Unreadable: a line that is dropped in silence would be a lost order."""
    return [entry for entry in map(parse_list_line, lines) if entry is not None]
