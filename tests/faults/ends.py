"""Whether a test of a fault ended as each must: by the one check of the promises, with nothing done after it.

What happens to a client is noted while the test runs. A test that has no client to check says so, and why:
``@pytest.mark.unchecked("why")``. Whoever says it and makes a client, or says it without a word of reason, fails too.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.table import numbers

_FEW = 12  #: letters; less is no reason


@dataclass
class Course:
    """What was done to the clients of the test under way, so far."""

    made: bool = False  #: a client was made
    checked: bool = False  #: all promises were looked at, the fault being over
    since: str = ""  #: what happened to a client after that


_course = Course()


def begin() -> Course:
    """A test begins; gives what will be noted of it."""
    global _course  # noqa: PLW0603 - one test runs at a time in a process
    _course = Course()
    return _course


def made() -> None:
    """A client was made."""
    _course.made = True


def happened(what: str) -> None:
    """Something was done to a client: a run, a kill."""
    _course.made, _course.since = True, what


def checked() -> None:
    """Every promise was looked at, the fault being over."""
    _course.checked, _course.since = True, ""


def wrong(nodeid: str, course: Course, reasons: list[tuple[object, ...]]) -> str:
    """Why this test may not pass, in words; nothing when it may. ``reasons``: of each of its marks ``unchecked``."""
    if not numbers(nodeid):
        return ""
    if reasons:
        reason = str(reasons[0][0]) if len(reasons[0]) == 1 else ""
        if len(reason.strip()) < _FEW:
            return "it is marked as unchecked and gives no reason"
        if course.checked or course.made:
            return f"it is marked as unchecked ({reason}), and has a client all the same"
        return ""
    if not course.checked:
        return "it bears a fault's number and never called the check of the promises (tests/faults/invariants.py)"
    if course.since:
        return f"it goes on after the check of the promises: {course.since}"
    return ""
