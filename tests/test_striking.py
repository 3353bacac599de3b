"""What is wrong with one row is told of it alone; what strikes all is told of each that is left, and none is tried."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError, Held, InDoubt, MistokError, Refused, Transient
from pipeline.ports import DocumentOutcome, DocumentRef, RowOutcome
from pipeline.striking import Strikes, row_by_row
from pipeline.texts import verbatim

SAID = verbatim("no")


def run(act: Strikes, *errors: MistokError | None) -> tuple[list[MistokError | None], int]:
    """The errors of rows that end so, and how many were tried."""
    tried = 0

    def one(error: MistokError | None) -> DocumentOutcome:
        nonlocal tried
        tried += 1
        if error is not None:
            raise error
        return DocumentOutcome("key", DocumentRef("1", "1"))

    return [act("key", lambda error=error: one(error)).error for error in errors], tried  # type: ignore[misc]


@pytest.mark.parametrize("error", [Held(SAID), InDoubt(SAID), ConfigError(SAID), Transient(SAID, code="locked")])
def test_what_is_wrong_with_one_is_told_of_it_alone(error: MistokError) -> None:
    assert run(Strikes("locked"), error, None) == ([error, None], 2)


@pytest.mark.parametrize("error", [Refused(SAID), Transient(SAID), Transient(SAID, code="locked")])
def test_what_strikes_all_is_told_of_each_that_is_left_untried(error: MistokError) -> None:
    assert run(Strikes(), None, error, None, Held(SAID)) == ([None, error, error, error], 2)


def test_rows_are_told_in_the_same_way() -> None:
    error, act = Refused(SAID), Strikes()

    def refused() -> RowOutcome:
        raise error

    assert act.row(lambda: RowOutcome(("1",))) == RowOutcome(("1",))
    assert act.row(refused).error is error
    assert act.row(lambda: RowOutcome(("2",))).error is error


def test_row_by_row_what_strikes_all_is_raised_as_long_as_nothing_is_written() -> None:
    rows: list[RowOutcome | MistokError] = [Held(SAID), RowOutcome(("1",), existed=True), Refused(SAID)]
    with pytest.raises(Refused):
        row_by_row(rows, told)
    tried.clear()
    rows = [Held(SAID), RowOutcome(("1",)), Transient(SAID), RowOutcome(("2",))]
    found = row_by_row(rows, told)
    assert [type(one.error) for one in found] == [Held, type(None), Transient, Transient]
    assert len(tried) == 3


tried: list[object] = []


def told(row: RowOutcome | MistokError) -> RowOutcome:
    tried.append(row)
    if isinstance(row, MistokError):
        raise row
    return row
