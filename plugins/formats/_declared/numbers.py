"""Numbers as a file writes them, by the one way that is declared: what is written otherwise is no number."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import Literal, get_args

#: A way of writing numbers, by its own example.
NumberStyle = Literal["1234.56", "1234,56", "1 234.56", "1 234,56", "1,234.56", "1.234,56", "1'234.56", "1'234,56"]
STYLES: tuple[NumberStyle, ...] = get_args(NumberStyle)
PLAIN: NumberStyle = "1234.56"  #: as Mistok itself writes numbers in its settings

_DIGITS = 40  # a number written longer is no number of an order, whatever zeros it is made of
_BLANKS = " \u00a0\u2007\u2009\u202f"  # a space, and the ones that do not break a line
_APOSTROPHES = "'\u2019\u02bc"


def parse_number(text: str, style: NumberStyle = PLAIN) -> Decimal | None:
    """The number that ``text`` is, when it is written in ``style``; None when it is not.

    Groups of thousands have three digits and one separator throughout; leaving them out is right as well.
    """
    words = text.strip()
    if len(words) > _DIGITS:
        return None
    found = _pattern(style).fullmatch(words)
    if found is None:
        return None
    whole = re.sub(r"[^0-9]", "", found["whole"])
    number = Decimal(f"{whole}.{found['part'] or 0}") if found["part"] else Decimal(whole)
    return -number if found["sign"] in ("-", "\u2212") and number else number


@cache
def _pattern(style: NumberStyle) -> re.Pattern[str]:
    between, mark = style[1] if not style[1].isdigit() else "", style[-3]
    separators = {"": "", " ": _BLANKS, "'": _APOSTROPHES}.get(between, between)
    grouped = rf"|[0-9]{{1,3}}(?P<between>[{re.escape(separators)}])[0-9]{{3}}(?:(?P=between)[0-9]{{3}})*"
    whole = f"[0-9]+{grouped if separators else ''}"
    return re.compile(rf"(?P<sign>[+\-\u2212]?)(?P<whole>{whole})(?:{re.escape(mark)}(?P<part>[0-9]+))?")
