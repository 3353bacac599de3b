"""The comment of a document: what its template says, without what an order does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.picking import filled
from tests.engine.documents.making import line, order


@pytest.mark.parametrize(
    ("number", "comment", "words"),
    [
        ("oc-77", "Подзвоніть", "№ oc-77\nПодзвоніть"),
        ("", "Подзвоніть", "Подзвоніть"),
        ("", "", ""),
        ("oc-77", "…", "№ oc-77"),
    ],
)
def test_a_line_of_which_only_signs_are_left_is_none(number: str, comment: str, words: str) -> None:
    one = replace(order(line()), source_number=number, comment=comment)
    assert filled("№ {source_number}\n{comment}", one) == words
