"""What a selftest found: plain values, shown and kept by whoever asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.errors import Finding
from pipeline.texts import Text

CLEAN, FINDINGS, UNREACHABLE = 0, 1, 3  #: exit codes, as the help says


class State(StrEnum):
    """How a line of the profile, or a point of the kill table, came out."""

    OK = "ok"
    REMARK = "remark"  #: worth knowing; nothing is in danger
    FAULT = "fault"
    UNTRIED = "untried"  #: something else stood in its way


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the server profile: what was looked at, what was seen, and what that means."""

    about: str  #: stable name, such as ``rename-over``
    heading: Text
    state: State
    seen: Text
    means: Text | None = None
    value: Any = None  #: the same for machines: a number, a word, a list


@dataclass(frozen=True, slots=True)
class PointResult:
    """A run that was killed at a point, and the run after it."""

    point: str
    what: Text
    state: State
    files: int = 0  #: made-up files that lay there when it was killed
    lost: int = 0  #: orders that became no document; a catalogue that was not there whole
    doubled: int = 0  #: documents beyond the one of each order
    left: int = 0  #: files that should be gone and are not
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that suits the server. ``place``: ``connection``, or the name of the step that it belongs to."""

    place: str
    key: str
    value: str  #: as YAML
    why: Text
    now: str | None = None  #: as YAML; None where the config says nothing and the default is another

    @property
    def differs(self) -> bool:
        """Whether the config has it otherwise."""
        return self.now != self.value


@dataclass(kw_only=True)
class Report:
    """A selftest from beginning to end."""

    client: str
    connection: str
    type: str
    started: datetime
    ended: datetime | None = None
    version: str = ""  #: Mistok's own
    server: str = ""
    folder: str = ""
    orders: int = 0  #: made-up orders that came in
    documents: int = 0  #: documents in the throw-away books at the end
    lines: Sequence[Line] = ()
    points: list[PointResult] = field(default_factory=list)
    killed: bool = False  #: whether the kill table was asked for
    settings: Sequence[Setting] = ()
    findings: list[Finding] = field(default_factory=list)  #: besides those of lines and points
    remarks: list[Finding] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)  #: on the server, of this selftest, and not to be removed by it
    unreachable: bool = False
    interrupted: bool = False

    @property
    def lost(self) -> int:
        """Over all points."""
        return sum(point.lost for point in self.points)

    @property
    def doubled(self) -> int:
        """Over all points."""
        return sum(point.doubled for point in self.points)

    @property
    def left(self) -> int:
        """Over all points."""
        return sum(point.left for point in self.points)

    @property
    def exit_code(self) -> int:
        """0 clean · 1 findings · 3 the server could not be reached, or refuses what is needed."""
        if self.unreachable:
            return UNREACHABLE
        wrong = (
            self.findings
            or self.left_over
            or self.interrupted
            or any(line.state is State.FAULT for line in self.lines)
            or any(point.state is not State.OK for point in self.points)
        )
        return FINDINGS if wrong else CLEAN
