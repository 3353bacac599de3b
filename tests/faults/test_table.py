"""The table of faults tells what ran: a row that failed, was skipped or never ran is shown as that, and fails CI."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults.rows import FAULTS
from tests.faults.table import BEGIN, END, FaultTable, numbers

PROPERTIES = [
    ("fault:kills", 1),
    ("fault:point", "inbound:kept"),
    ("fault:ledger", "sqlite"),
    ("fault:documents", 20),
    ("other", "x"),
]


def report(nodeid: str, outcome: str = "passed", when: str = "call", properties: Any = ()) -> pytest.TestReport:
    fake = SimpleNamespace(
        nodeid=nodeid,
        when=when,
        user_properties=list(properties),
        passed=outcome == "passed",
        failed=outcome == "failed",
        skipped=outcome == "skipped",
    )
    return cast("pytest.TestReport", fake)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# It\n\n## What was seen, and what was not\n\nmuch\n", encoding="utf-8")
    return tmp_path


def finish(table: FaultTable) -> int:
    session = cast("pytest.Session", SimpleNamespace(exitstatus=pytest.ExitCode.OK))
    table.pytest_sessionfinish(session)
    return int(session.exitstatus)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tests/faults/test_f07_doubt.py::test_f07_in_doubt[sqlite]", (7,)),
        ("tests/faults/test_f01.py::test_f01_to_f04_killed[x]", (1, 2, 3, 4)),
        ("tests/x.py::TestIt::test_f45_f46_brakes", (45, 46)),
        ("tests/x.py::test_f45_and_f46", (45, 46)),
        ("tests/faults/test_f01.py::test_the_default_cases", ()),
        ("tests/x.py::test_f4_is_no_number", ()),
    ],
)
def test_a_test_is_filed_by_its_name(name: str, found: tuple[int, ...]) -> None:
    assert numbers(name) == found


def test_every_row_of_the_table_is_there_once() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 64))


def test_what_passed_is_counted_and_what_did_not_is_told(home: Path) -> None:
    table = FaultTable(strict=True, root=home)
    for phase in ("setup", "call", "teardown"):
        table.pytest_runtest_logreport(report("a.py::test_f01_killed[a]", when=phase, properties=PROPERTIES))
    table.pytest_runtest_logreport(report("a.py::test_f02_killed", "failed", properties=[("fault:lost", 1)]))
    table.pytest_runtest_logreport(report("a.py::test_f03_killed", "skipped", when="setup"))
    table.pytest_runtest_logreport(report("a.py::test_f04_killed"))
    table.pytest_runtest_logreport(report("a.py::test_f04_on_windows", "skipped", when="setup"))
    table.pytest_runtest_logreport(report("a.py::test_something_else", "failed"))
    assert finish(table) == pytest.ExitCode.TESTS_FAILED
    words = (home / "README.md").read_text("utf-8")
    row = {line.split(" | ")[0].strip("| "): line for line in words.splitlines() if line.startswith("| F")}
    assert len(row) == 63
    assert "| 1 passed |" in row["F1"]
    assert "1 kills" in row["F1"]
    assert "| 20 |" in row["F1"]
    assert "**FAILED**" in row["F2"]
    assert "**NOT RUN here**" in row["F3"]
    assert "1 passed, 1 not on this system" in row["F4"]
    assert "**NO TEST RAN**" in row["F5"]
    assert "**NO TEST RAN**" in row["F44"]
    assert "2 of 63 faults survived" in words
    assert "lost: 1, doubled: 0" in words
    assert any(problem.startswith("documents lost: 1") for problem in table.problems)
    assert words.index("## What it survives") < words.index("## What was seen")
    long = (home / "docs" / "faults.md").read_text("utf-8")
    assert "`a.py::test_f01_killed`" in long
    assert "`a.py::test_f02_killed`: **failed**" in long


def test_written_again_it_takes_its_own_place(home: Path) -> None:
    for _ in range(2):
        finish(FaultTable(strict=False, root=home))
    words = (home / "README.md").read_text("utf-8")
    assert words.count(BEGIN) == words.count(END) == 1
    assert words.startswith("# It\n")
    assert words.endswith("much\n")


def test_strict_is_content_when_every_row_has_passed(home: Path) -> None:
    table = FaultTable(strict=True, root=home)
    for fault in FAULTS:
        if not fault.comes:
            table.pytest_runtest_logreport(report(f"a.py::test_f{fault.number:02}_x"))
    assert finish(table) == pytest.ExitCode.OK
    assert table.problems == []


def test_a_row_without_an_axis_is_not_multiplied_by_it_and_says_why(home: Path) -> None:
    table = FaultTable(strict=False, root=home)
    for point, transport in (("a", "local"), ("b", "local"), ("", "sftp")):
        axes = [("fault:transport", transport), ("fault:ledger", "sqlite"), ("fault:files", 600)]
        axes += [("fault:point", point)] if point else []
        table.pytest_runtest_logreport(report(f"a.py::test_f25_x[{point}]", properties=axes))
    finish(table)
    row = next(line for line in (home / "README.md").read_text("utf-8").splitlines() if line.startswith("| F25 "))
    assert "| 2 points |" in row
    assert "1,800 files" in row
    long = (home / "docs" / "faults.md").read_text("utf-8")
    assert "no matrix of transports: a replay reads the archive alone" in long


def test_a_case_without_a_point_is_no_case_of_the_matrix_and_a_test_with_two_points_is_two(home: Path) -> None:
    table = FaultTable(strict=False, root=home)
    for points, ledger in ((("a", "b"), "sqlite"), (("a",), "postgres"), ((), "postgres"), ((), "other")):
        axes = [("fault:ledger", ledger), *(("fault:point", point) for point in points)]
        table.pytest_runtest_logreport(report(f"a.py::test_f01_x[{points}{ledger}]", properties=axes))
    finish(table)
    assert "2 points × 3 ledgers (3 of 6)" in (home / "README.md").read_text("utf-8")


def test_a_matrix_that_is_not_whole_says_so(home: Path) -> None:
    table = FaultTable(strict=False, root=home)
    for point, ledger in (("a", "sqlite"), ("b", "postgres"), ("b", "sqlite")):
        axes = [("fault:point", point), ("fault:ledger", ledger)]
        table.pytest_runtest_logreport(report(f"a.py::test_f01_x[{point}{ledger}]", properties=axes))
    finish(table)
    assert "2 points × 2 ledgers (3 of 4)" in (home / "README.md").read_text("utf-8")
