"""The lines of a file around a place, as a person can read them: marked, and short however long a line is. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

AROUND = 2  #: lines before and after
WIDE = 110  #: characters of a line that are shown
_TAB = "    "


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an excerpt. ``caret``: the column (from 0) in ``text`` that is meant, on the line that is marked."""

    number: int
    text: str
    marked: bool = False
    caret: int | None = None


def excerpt(
    text: str, line: int, column: int | None = None, *, around: int = AROUND, wide: int = WIDE
) -> tuple[Line, ...]:
    """Lines ``line - around`` to ``line + around`` of ``text``, the one at ``line`` (from 1) marked.

    A line longer than ``wide`` is cut to the part around ``column`` (from 1); tabs become blanks, control characters
    a visible sign. Nothing when the text has no such line.
    """
    found: list[Line] = []
    for number, words in _between(text, line - around, line + around):
        marked = number == line
        at = min(max((column or 1) - 1, 0), len(words)) if marked else 0
        shown, caret = _cut(words, at, wide)
        found.append(Line(number, shown, marked, caret if marked and column else None))
    return tuple(found) if any(one.marked for one in found) else ()


def lines_between(text: str, first: int, last: int, *, wide: int = WIDE) -> list[Line]:
    """Lines ``first`` to ``last`` (from 1) of ``text``, each cut to ``wide``, with signs for what is unseen."""
    return [Line(number, _cut(words, 0, wide)[0]) for number, words in _between(text, first, last)]


def drawn(lines: Sequence[Line]) -> str:
    """The excerpt with numbers, a mark, and a caret below the column that is meant."""
    width = len(str(max((one.number for one in lines), default=0)))
    rows = []
    for one in lines:
        rows.append(f"{'>' if one.marked else ' '} {one.number:{width}} | {one.text}".rstrip())
        if one.caret is not None:
            rows.append(f"  {' ' * width} | {' ' * one.caret}^")
    return "\n".join(rows)


def _between(text: str, first: int, last: int) -> list[tuple[int, str]]:
    """The lines of these numbers, counted as XML counts them. Walks the text once and copies only what it gives."""
    found: list[tuple[int, str]] = []
    number, start = 1, 0
    for end in re.finditer(r"\r\n|\r|\n", text):
        if number > last:
            return found
        if number >= first:
            found.append((number, text[start : end.start()]))
        number, start = number + 1, end.end()
    if first <= number <= last:
        found.append((number, text[start:]))
    return found


def _cut(words: str, at: int, wide: int) -> tuple[str, int]:
    """The part of a line around ``at``, and where ``at`` is in it."""
    start = max(0, min(at - wide // 2, len(words) - wide))
    part = words[start : start + wide]
    before = _plain(words[start:at])
    head = "…" if start else ""
    tail = "…" if start + wide < len(words) else ""
    return head + _plain(part) + tail, len(head) + len(before)


def _plain(words: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", words.replace("\t", _TAB))
