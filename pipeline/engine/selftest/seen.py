"""What a line of the profile may say, in words: values and pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.engine.selftest.report import State
from pipeline.ports import Capabilities
from pipeline.texts import T, Text


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one line: words for people, and the same for machines."""

    state: State
    words: Text
    means: Text | None
    value: Any


UNTRIED = Seen(State.UNTRIED, T("not tried: something above stands in its way"), None, None)
RIGHTS: Mapping[str, Text] = {
    "write": T("Writing"),
    "rename": T("Renaming"),
    "rename-over": T("Renaming over an old file"),
    "delete": T("Deleting"),
}
WITHOUT: Mapping[str, Text] = {
    "write": T("No catalogue can be published with this login."),
    "rename": T("Nothing can be published whole: a shop could see half a file. Ask for the right to rename."),
    "delete": T(
        "Orders that were taken stay on the server: ask for the right to delete, or set `after: keep` "
        "(each file is remembered)."
    ),
}


def rename_over(caps: Capabilities) -> Seen:
    """How a new file takes an old one's place."""
    if caps.rename_over is None:
        return UNTRIED
    if not caps.rename_over:
        means = T("A safe swap is used: for a moment there is no file, and when it fails the old one is put back.")
        return Seen(State.REMARK, T("refused"), means, "swap")
    if caps.rename_by == "posix-rename":
        return Seen(State.OK, T("in one act (posix-rename)"), None, "posix-rename")
    return Seen(State.OK, T("in one act"), None, "rename")


def resolution_of(stamps: Sequence[datetime]) -> float:
    """Seconds to which times are told, by three times of moments a little more than a second apart."""
    if any(stamp.microsecond for stamp in stamps):
        return 0.001
    if any(stamp.second % 2 for stamp in stamps):
        return 1
    return 60 if all(stamp.second == 0 for stamp in stamps) else 2


def together(words: Sequence[Text]) -> Text:
    """Several words in one line."""
    joined = words[0]
    for one in words[1:]:
        joined = T("{first}; {more}", first=joined, more=one)
    return joined


def span(seconds: float) -> Text:
    """A time, as exact as it matters."""
    if seconds < 0.001:
        return T("less than 1 ms")
    if seconds < 1:
        return T("{n} ms", n=round(seconds * 1000) if seconds >= 0.01 else f"{seconds * 1000:.1f}")
    return T("{n} s", n=f"{seconds:.1f}" if seconds < 10 else round(seconds))


def amount(number: int) -> Text:
    """So many bytes."""
    if number >= 10_000_000:
        return T("{n} MB", n=round(number / 1_000_000))
    if number >= 100_000:
        return T("{n} MB", n=f"{number / 1_000_000:.1f}")
    return T("{n} KB", n=round(number / 1000))
