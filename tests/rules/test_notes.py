"""Lines of a comment: ours are added once and renewed, those of people stay."""

from __future__ import annotations

import pytest

from pipeline.rules.notes import noted, renewed


@pytest.mark.parametrize(
    ("comment", "notes", "after"),
    [
        ("", ["a"], "a"),
        ("x", ["a", ""], "x\na"),
        ("x\r\na\r\ny", ["a"], None),
        ("x", ["a\nb"], "x\na\nb"),
        ("a\nb", ["a\nb", "b"], None),
        ("ab", ["a"], "ab\na"),
        ("", ["", " "], None),
    ],
)
def test_a_note_is_a_line_of_its_own_once(comment: str, notes: list[str], after: str | None) -> None:
    assert noted(comment, notes) == after


@pytest.mark.parametrize(
    ("comment", "labelled", "notes", "after"),
    [
        ("", {"To": "Kyiv"}, [], "To: Kyiv"),
        ("To: Lviv\nPaid: cash", {"To": "Kyiv", "Paid": "cash"}, [], "To: Kyiv\nPaid: cash"),
        ("To: Kyiv\nPaid: cash", {"To": "Kyiv", "Paid": "cash"}, [], None),
        (
            "Call!\nTo: Lviv\n17:00",
            {"To": "Kyiv", "Paid": "card"},
            ["shop 5"],
            "Call!\nTo: Kyiv\n17:00\nshop 5\nPaid: card",
        ),
        ("Call!\r\nTo: Lviv", {"To": ""}, [], "Call!"),
        ("To: Lviv\nTo: Odesa", {"To": "Kyiv"}, [], "To: Kyiv"),
        ("Tonight", {"To": ""}, [], None),
        ("Tonight: yes", {"To": "Kyiv"}, [], "Tonight: yes\nTo: Kyiv"),
        (" ", {"To": ""}, ["", " "], None),
    ],
)
def test_a_labelled_line_is_renewed_and_the_others_stay(
    comment: str, labelled: dict[str, str], notes: list[str], after: str | None
) -> None:
    assert renewed(comment, labelled, notes) == after
    if after is not None:
        assert renewed(after, labelled, notes) is None, "twice is once"
