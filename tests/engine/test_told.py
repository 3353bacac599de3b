"""The table of what happened: long runs are cut, but never by what went wrong."""

from __future__ import annotations

from pipeline.engine.told import MOST, Told


def test_what_went_wrong_is_shown_however_much_went_well() -> None:
    told = Told()
    for number in range(3 * MOST):
        told.add({"order": str(number), "outcome": "created"})
    told.add({"order": "held", "outcome": "held", "findings": ["a quantity is wrong"]})
    told.add({"order": "remarked", "outcome": "created", "findings": ["the sum was rounded"]})
    assert [row["order"] for row in told.rows] == [*map(str, range(MOST)), "held", "remarked"]
    (note,) = told.notes()
    assert note.render("en") == "2000 more rows are not shown here: see mistok list."


def test_a_flood_of_trouble_is_cut_as_well_and_a_short_table_needs_no_words() -> None:
    told = Told()
    assert told.notes() == ()
    for number in range(MOST + 1):
        told.add({"order": str(number), "outcome": "held"})
    assert len(told.rows) == MOST
    (note,) = told.notes()
    assert "1 more row" in note.render("en")
