"""Reads on behind a slip that makes a file no YAML, so that one tab does not hide four other mistakes.

What is read so is good for looking for mistakes only: no config is ever made of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.config.yaml import Mark, Node, YamlProblem, parse_yaml, problem
from pipeline.errors import Finding
from pipeline.texts import T

#: More slips of this kind than so many are not looked for: each costs a reading of the file.
_MOST = 12
_KEY = re.compile(
    r"""(?P<head>[ ]*(?:-[ ]+)*(?P<key>[^\s:#'"{}\[\],&*!|>%@`-][^\s:#'"{}\[\],]*):)(?:[ \t]+(?P<value>.*))?$"""
)
_OPENS = re.compile(r"""[^#]*?:[ \t]+(?P<quote>["'])(?P<rest>.*)$""")


@dataclass(frozen=True, slots=True)
class Mended:
    """What could be read. ``holes``: the lines that were left out, of which nothing is known."""

    node: Node | None
    findings: tuple[Finding, ...]
    holes: frozenset[int] = frozenset()


def parse_mended(text: str, name: str, *, last_twin: bool = False) -> Mended:
    """``text`` without the lines that are no YAML; ``node`` None when too little is left. Each slip is a finding."""
    lines = text.replace("\r\n", "\n").split("\n")
    told: list[Finding] = []
    holes: set[int] = set()
    for _ in range(_MOST):
        try:
            node, findings = parse_yaml("\n".join(lines), name, last_twin=last_twin)
        except YamlProblem as error:
            where = error.finding.where
            if error.finding.code != "yaml-syntax" or where.line is None:
                return Mended(None, (*told, error.finding), frozenset(holes))
            at = min(where.line, len(lines)) - 1
            finding = error.finding
            opened = _open_quote(lines, at)
            if opened is not None and opened + 1 not in holes and _goes_further(lines, opened, at, name):
                at = opened
                text_of = T("A quote that opens in line {line} is never closed.", line=at + 1)
                column = len(lines[at]) - len((_OPENS.match(lines[at]) or {"rest": ""})["rest"])
                finding = problem("yaml-syntax", Mark(name, at + 1, max(column, 1)), text_of)
            elif (start := _start(error.finding)) is not None and start not in holes:
                at = start - 1
            at = _written(lines, at)
            if at < 0:
                return Mended(None, (*told, finding), frozenset(holes))
            if not holes & {at + 1, finding.where.line or 0}:
                told.append(finding)
            _leave_out(lines, at, holes, name)
        else:
            return Mended(node, (*told, *findings), frozenset(holes))
    return Mended(None, tuple(told), frozenset(holes))


def _start(finding: Finding) -> int | None:
    """The line in which what is wrong began, where that is another one than the reading stopped in."""
    if "block" in finding.text.msgid:
        return None
    found = dict(finding.text.args).get("line")
    return found if isinstance(found, int) else None


def _written(lines: list[str], at: int) -> int:
    """The line of ``at``, or the nearest above it that has something; -1 when there is none."""
    while at >= 0 and not lines[at].strip():
        at -= 1
    return at


def _leave_out(lines: list[str], at: int, holes: set[int], name: str) -> None:
    """Take the mistake out of a line: its tabs or its wrong depth, else its value, else the line with all below it."""
    line = lines[at]
    if "\t" in line and at + 1 not in holes:
        for spaces in (8, 4, 2, 6, 10, 1):
            mended = line.replace("\t", " " * spaces)
            if _goes_further([*lines[:at], mended, *lines[at + 1 :]], None, at, name):
                lines[at] = mended
                return  # nothing was lost: what it says is looked at like the rest
    first = at + 1 not in holes
    above = _written(lines, at - 1)
    if first and above >= 0 and line[_depth(line) :][:1] not in ("", "-", "#"):
        mended = " " * (_depth(lines[above]) + 2 * lines[above].lstrip().startswith("- ")) + line.lstrip()
        if mended != line and _goes_further([*lines[:at], mended, *lines[at + 1 :]], None, at, name):
            lines[at] = mended
            return
    holes.add(at + 1)
    key = _KEY.match(line)
    if first and key and key["value"]:
        lines[at] = key["head"]
        return
    depth = _depth(line)
    lines[at] = ""
    for below in range(at + 1, len(lines)):
        if lines[below].strip() and _depth(lines[below]) <= depth:
            break
        if lines[below].strip():
            holes.add(below + 1)
        lines[below] = ""


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _open_quote(lines: list[str], at: int) -> int | None:
    """The last line, up to ``at``, in which a value's quote opens and does not close."""
    for number in range(min(at, len(lines) - 1), -1, -1):
        found = _OPENS.match(lines[number])
        if found and found["quote"] not in found["rest"].replace("\\" + found["quote"], ""):
            return number
    return None


def _goes_further(lines: list[str], emptied: int | None, at: int, name: str) -> bool:
    """Whether the file reads past line ``at`` (and a bit), with the value of line ``emptied`` taken out."""
    tried = list(lines)
    if emptied is not None:
        key = _KEY.match(tried[emptied])
        tried[emptied] = key["head"] if key else ""
    try:
        parse_yaml("\n".join(tried), name)
    except YamlProblem as error:
        return error.finding.code != "yaml-syntax" or (error.finding.where.line or 0) > at + 1
    return True
