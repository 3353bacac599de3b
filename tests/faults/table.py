"""The table of faults in README.md and docs/faults.md, made from the tests that ran: never from what they should do.

``pytest --fault-table`` writes it; ``--fault-table=strict`` also fails when a row has not passed (CI).
A test is filed under the numbers in its name: ``test_f07_…``, ``test_f01_to_f04_…``, ``test_f45_f46_…``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

import pytest

from tests.faults.rows import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- fault table: begin -->", "<!-- fault table: end -->"
HEADING = "## What it survives"
_NAMED = re.compile(r"test_f(\d\d)((?:(?:_to|_and)?_f\d\d)*)(?:_|\b)")
_MORE = re.compile(r"(_to)?(?:_and)?_f(\d\d)")
_AXES = ("point", "transport", "ledger")


def numbers(nodeid: str) -> tuple[int, ...]:
    """Which rows a test belongs to, by its name."""
    named = _NAMED.match(nodeid.partition("[")[0].rpartition("::")[2])
    if named is None:
        return ()
    found = [int(named[1])]
    for upto, number in _MORE.findall(named[2]):
        found.extend(range(found[-1] + 1, int(number) + 1) if upto else [int(number)])
    return tuple(found)


@dataclass
class Record:
    """What the tests of one row, or all of them, did."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    tests: Counter[str] = field(default_factory=Counter)  #: passed cases by the test's name without its parameters
    axes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    cases: set[tuple[str, ...]] = field(default_factory=set)  #: combinations of the axes that were run
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, nodeid: str, properties: Iterable[tuple[str, object]]) -> None:
        """Count a test that passed."""
        self.passed += 1
        self.tests[nodeid.partition("[")[0]] += 1
        case: dict[str, list[str]] = {}
        for what, value in _noted(properties):
            if what in _AXES:
                self.axes[what].add(str(value))
                case.setdefault(what, []).append(str(value))
            else:
                self.counts[what] += int(str(value))
        # a test may come by several points, one after the other
        self.cases.update(product(*(case.get(axis, [""]) for axis in _AXES)))

    def fail(self, nodeid: str, properties: Iterable[tuple[str, object]]) -> None:
        """Count a test that failed: what it lost or doubled counts all the same."""
        self.failed.append(nodeid)
        for what, value in _noted(properties):
            if what in ("lost", "doubled"):
                self.counts[what] += int(str(value))


def _noted(properties: Iterable[tuple[str, object]]) -> Iterable[tuple[str, object]]:
    return ((name.removeprefix("fault:"), value) for name, value in properties if name.startswith("fault:"))


class FaultTable:
    """A plugin of pytest that listens to what the tests report."""

    def __init__(self, *, strict: bool, root: Path = ROOT) -> None:
        self.strict = strict
        self.root = root
        self.rows: dict[int, Record] = defaultdict(Record)
        self.all = Record()
        self.problems: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test has ended."""
        filed = numbers(report.nodeid)
        if not filed:
            return
        records = [self.all, *(self.rows[number] for number in filed)]
        for record in records:
            if report.failed:
                record.fail(report.nodeid, report.user_properties)
            elif report.skipped:
                record.skipped.append(report.nodeid)
            elif report.when == "call":
                record.add(report.nodeid, report.user_properties)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the table; in strict mode a row that has not passed fails the session."""
        write(self.root / "README.md", short(self.rows, self.all))
        (self.root / "docs" / "faults.md").write_text(long(self.rows, self.all), encoding="utf-8", newline="\n")
        self.problems = problems(self.rows, self.all)
        if self.strict and self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where it was written, and what is missing."""
        terminalreporter.section("fault table")
        terminalreporter.write_line(f"README.md and docs/faults.md: {_totals(self.rows, self.all)}")
        for problem in self.problems:
            terminalreporter.write_line(problem, red=self.strict)


def problems(rows: dict[int, Record], whole: Record) -> list[str]:
    """Every row that should have passed and has not, in words."""
    found = []
    for fault in FAULTS:
        if (state := _state(fault, rows)) not in ("passed", "later"):
            names = ", ".join(sorted({*rows[fault.number].failed, *rows[fault.number].skipped})[:3])
            found.append(f"F{fault.number} ({fault.fault}): {state}{names and ': ' + names}")
    for what in ("lost", "doubled"):
        if whole.counts[what]:
            found.append(f"documents {what}: {whole.counts[what]}")
    return found


def _state(fault: Fault, rows: dict[int, Record]) -> str:
    record = rows[fault.number]
    if record.failed:
        return "FAILED"
    if record.passed:
        return "passed"
    if record.skipped:
        return "NOT RUN here"
    return "later" if fault.comes else "NO TEST RAN"


def _totals(rows: dict[int, Record], whole: Record) -> str:
    sound = sum(_state(fault, rows) == "passed" for fault in FAULTS)
    later = sum(_state(fault, rows) == "later" for fault in FAULTS)
    counts = whole.counts
    return (
        f"{sound} of {len(FAULTS)} faults survived ({later} come later), {whole.passed:,} tests passed, "
        f"{counts['kills']:,} processes killed, {counts['inputs']:,} bad inputs tried, "
        f"{counts['documents']:,} documents made; **lost: {counts['lost']}, doubled: {counts['doubled']}**"
    )


def _matrix(fault: Fault, record: Record) -> str:
    """``12 points × 6 transports × 2 ledgers``, as far as there is more than one of each; told when it is not whole.

    Points of other walks, which have no transport to be met with, are no part of it.
    """
    axes = {axis: set(record.axes[axis]) for axis in fault.axes}
    places = [_AXES.index(axis) for axis in axes if len(axes[axis]) > 1]
    met = {case[0] for case in record.cases if all(case[place] for place in places)}
    if "point" in axes and met:
        axes["point"] &= met
    named = [(axis, len(axes[axis])) for axis in fault.axes if len(axes[axis]) > 1]
    words = " × ".join(f"{number} {axis}s" for axis, number in named)
    places = [_AXES.index(axis) for axis, _ in named]
    run = {found for case in record.cases if all(found := tuple(case[place] for place in places))}
    whole = prod(number for _, number in named)
    return words if len(run) == whole or len(named) < 2 else f"{words} ({len(run)} of {whole})"


def _left_out(fault: Fault) -> str:
    return " and ".join(f"{axis}s" for axis in _AXES if axis not in fault.axes)


def _cells(fault: Fault, record: Record, state: str) -> Sequence[str]:
    if state == "later":
        return (f"F{fault.number}", fault.fault, f"comes with {fault.comes}", "", "", "")
    tests = f"{record.passed:,} passed" if state == "passed" else f"**{state}**"
    if state == "passed" and record.skipped:
        tests += f", {len(record.skipped)} not on this system"
    counts = record.counts
    tried = (
        ("kills", "kills"),
        ("restarts", "restarts of PostgreSQL"),
        ("inputs", "bad inputs"),
        ("files", "files"),
    )
    number = ", ".join(f"{counts[what]:,} {word}" for what, word in tried if counts[what])
    documents = f"{counts['documents']:,}" if counts["documents"] else ""
    return (f"F{fault.number}", fault.fault, tests, _matrix(fault, record), number, documents)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return lines


def short(rows: dict[int, Record], whole: Record) -> str:
    """The part of README.md between the markers."""
    heads = ("", "what goes wrong", "tests", "matrix", "tried", "documents")
    lines = [
        "Made from the tests that passed, by `uv run pytest --fault-table`; CI runs the whole matrix and fails when a",
        "row has not passed. A kill is a SIGKILL of a real process. What must be seen, and which test sees it:",
        "[docs/faults.md](docs/faults.md).",
        "",
        _totals(rows, whole) + ".",
        "",
        *_table(heads, (_cells(fault, rows[fault.number], _state(fault, rows)) for fault in FAULTS)),
    ]
    return "\n".join(lines)


def long(rows: dict[int, Record], whole: Record) -> str:
    """docs/faults.md."""
    lines = [
        "# What Mistok survives",
        "",
        "This page is written by `uv run pytest --fault-table` from the tests that passed. Each of `tests/faults` ends",
        "by one function that checks the promises, and fails without it: every order is one document, an end state",
        "with its reason or an open card; nothing is deleted without a verified copy; the archive never overwrites;",
        "the published catalogue is whole, the old one or the new one; sums agree to the cent; each document is told",
        "once; and the next run goes on by itself.",
        "",
        _totals(rows, whole) + ".",
        "",
    ]
    for fault in FAULTS:
        record, state = rows[fault.number], _state(fault, rows)
        lines += [f"## F{fault.number}: {fault.fault}", "", f"What must be seen: {fault.seen}.", ""]
        if state == "later":
            lines += [f"Comes with {fault.comes}.", ""]
            continue
        said = [cell for cell in _cells(fault, record, state)[2:5] if cell]
        if record.counts["documents"]:
            said.append(f"{record.counts['documents']:,} documents")
        said += [f"{axis}s: {', '.join(sorted(record.axes[axis]))}" for axis in fault.axes if record.axes[axis]]
        said += [f"no matrix of {_left_out(fault)}: {fault.why}"] if fault.why else []
        lines += ["; ".join(said) + ".", ""]
        lines += [f"- `{name}`" + (f" × {times}" if times > 1 else "") for name, times in sorted(record.tests.items())]
        lines += [f"- `{name}`: **failed**" for name in sorted(set(record.failed))]
        lines += [f"- `{name}`: **not run**" for name in sorted(set(record.skipped))]
        if lines[-1]:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def write(readme: Path, part: str) -> None:
    """Put ``part`` between the markers of ``readme``; where there are none, under a heading of its own near the end."""
    text = readme.read_text(encoding="utf-8")
    whole = f"{BEGIN}\n{part}\n{END}"
    if BEGIN in text and END in text:
        before, _, rest = text.partition(BEGIN)
        text = before + whole + rest.partition(END)[2]
    else:
        place = text.find("\n## What was seen")
        place = place + 1 if place >= 0 else len(text)
        text = f"{text[:place]}{HEADING}\n\n{whole}\n\n{text[place:]}"
    readme.write_text(text, encoding="utf-8", newline="\n")
