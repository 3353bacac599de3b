"""Every test of a fault ends by the one check of the promises, or says why there is nothing to check."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine.runtime import RunReport, StepReport
from pipeline.flow import StepResult
from tests.faults import ends, invariants
from tests.faults.conftest import Victim, pytest_runtest_call
from tests.faults.ends import Course, wrong
from tests.faults.table import numbers

FAULT = "tests/faults/test_f07_doubt.py::test_f07_in_doubt[sqlite]"
OTHER = "tests/faults/test_f07_doubt.py::test_the_cases_cover_every_pair"
WHY = ("a pure function",)


@pytest.mark.parametrize(
    ("nodeid", "course", "reasons", "said"),
    [
        (FAULT, Course(made=True, checked=True), [], ""),
        (FAULT, Course(made=True), [], "never called the check"),
        (FAULT, Course(), [], "never called the check"),
        (FAULT, Course(made=True, checked=True, since="a run of orders"), [], "after the check of the promises: a run"),
        (FAULT, Course(), [WHY], ""),
        (FAULT, Course(), [()], "gives no reason"),
        (FAULT, Course(), [("because",)], "gives no reason"),
        (FAULT, Course(made=True), [WHY], "has a client all the same"),
        (FAULT, Course(checked=True), [WHY], "has a client all the same"),
        (OTHER, Course(made=True), [], ""),
    ],
)
def test_what_a_test_of_a_fault_must_have_done(
    nodeid: str, course: Course, reasons: list[tuple[object, ...]], said: str
) -> None:
    found = wrong(nodeid, course, reasons)
    assert said in found
    assert bool(said) == bool(found)


class Item:
    """A test, as pytest hands it to the hook."""

    nodeid = FAULT

    def __init__(self, *reasons: str) -> None:
        self.marks = [pytest.mark.unchecked(reason).mark for reason in reasons]

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [mark for mark in self.marks if mark.name == name]

    def run(self, test: Callable[[], None]) -> None:
        """What pytest does: begins the hook, runs the test, ends the hook."""
        hook = pytest_runtest_call(self)  # type: ignore[arg-type]
        next(hook)
        test()
        with pytest.raises(StopIteration):
            hook.send(None)


def test_a_test_of_a_fault_without_the_check_fails(make_victim: Callable[[str, str], Victim]) -> None:
    victim = make_victim("local", "sqlite")

    def forgetful() -> None:
        victim.run()

    def hasty() -> None:
        victim.run()
        victim.check(lasting=True)

    def restless() -> None:
        victim.check()
        victim.run()

    def sound() -> None:
        victim.run()
        victim.check()

    for test, words in ((forgetful, "never called"), (hasty, "never called"), (restless, "goes on after the check")):
        with pytest.raises(pytest.fail.Exception, match=words):
            Item().run(test)
    with pytest.raises(pytest.fail.Exception, match="has a client all the same"):
        Item("there is no client here").run(sound)
    Item().run(sound)
    Item("there is no client here").run(lambda: None)


def test_every_test_that_bears_a_number_is_in_the_hands_of_the_hook() -> None:
    """By their text, so that one that is skipped here is seen, too: it calls the check, or something that does."""
    for path in sorted(Path(__file__).parent.glob("test_f*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        whole = any("pytestmark = pytest.mark.unchecked(" in ast.unparse(one) for one in tree.body)
        functions = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
        checking = {"check"}
        for _ in range(3):  # a helper that calls a helper
            checking |= {name for name, one in functions.items() if not numbers(name) and _calls(one) & checking}
        for name, one in functions.items():
            excused = whole or any("unchecked" in ast.unparse(mark) for mark in one.decorator_list)
            if numbers(name):
                assert excused or _calls(one) & checking, f"{path.name}: {name}"


def _calls(function: ast.FunctionDef) -> set[str]:
    called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in called
        if isinstance(one, ast.Attribute | ast.Name)
    }


def test_the_check_finds_what_is_broken(make_victim: Callable[[str, str], Victim]) -> None:
    """I4 and I6; the others are broken one by one in the tests of the selftest."""
    victim = make_victim("local", "sqlite")
    victim.catalogue = "marker: catalogue.ok"
    victim.run("catalogue")
    victim.check()
    catalogue, marker = victim.goods / "catalogue.csv", victim.goods / "catalogue.ok"
    whole = catalogue.read_bytes()
    half = victim.goods / "catalogue.csv.part"
    half.write_bytes(b"half")
    broken(victim, "left there")
    half.unlink()
    catalogue.write_bytes(whole[:-1])
    broken(victim, "neither the old one nor the new one", "vouches for another file")
    marker.unlink()
    catalogue.unlink()
    broken(victim, "is gone")
    catalogue.write_bytes(whole)
    victim.check(lasting=True)


def broken(victim: Victim, *words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        victim.check(lasting=True)
    for one in words:
        assert one in str(caught.value)


@pytest.mark.parametrize(
    ("state", "counts", "work_left", "said"),
    [
        ("done", [{}], False, ""),
        ("waiting", [{"known": 2, "waiting": 1}], False, ""),
        ("failed", [{}], False, "does not go on"),
        ("skipped", [{}], False, "does not go on"),
        ("done", [{"created": 1}, {}], False, "left to do: {'created': 1}"),
        ("done", [{"created": 1}, {}], True, ""),
        ("done", [{"created": 1}, {"created": 1}], True, "left to do: {'created': 1}"),
    ],
)
def test_the_next_run_goes_on(
    make_victim: Callable[[str, str], Victim], state: str, counts: list[dict[str, int]], work_left: bool, said: str
) -> None:
    victim = make_victim("local", "sqlite")
    left = list(counts)

    def again(job: str) -> RunReport:
        return RunReport(job, state, (StepReport("step", StepResult(left.pop(0))),))

    def check() -> None:
        invariants.check(
            victim.config(),
            inboxes=[victim.inbox],
            dropped={},
            goods=victim.goods,
            again=again,
            jobs=["orders"],
            work_left=work_left,
        )

    course = ends.begin()
    if said:
        with pytest.raises(AssertionError, match="I6") as caught:
            check()
        assert said in str(caught.value)
    else:
        check()
    assert course.checked == (not said)
