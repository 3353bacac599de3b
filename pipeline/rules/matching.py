"""The normal form of an article: what people type in different ways becomes one key.

Shops, accountants and suppliers write one article as ``E-303``, ``е‑303`` (Cyrillic е, another dash) or ``E- 303``.
Two articles are the same when their normal forms are. Leading zeros are part of an article unless declared otherwise.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

_LATIN = str.maketrans(
    # upper-case twins decide (В and B), so lower case is mapped alike and the form does not depend on `case`
    "АВЕІКМНОРСТУХЈЅавеікмнорстухјѕ",
    "ABEIKMHOPCTYXJSabeikmhopctyxjs",
)
_MINUS = "\u2212\u02d7\u2043"  # dash-like, though Unicode does not count them as dashes
_WORN_OUT = 8  # passes; folding settles in two or three


@dataclass(frozen=True, slots=True)
class MatchRules:
    """Which differences between two articles do not matter. Every rule can be switched."""

    compatibility: bool = True  #: Unicode NFKC: full-width and ligature forms
    case: bool = True  #: E = e
    spaces: bool = True  #: blanks, NBSP and invisible characters are dropped
    dashes: Literal["keep", "unify", "drop"] = "unify"  #: every kind of dash is ``-``, or nothing at all
    lookalikes: bool = True  #: Cyrillic А = Latin A, and the other letters that look the same
    leading_zeros: bool = False  #: True: ``0042`` = ``42``


DEFAULT_RULES = MatchRules()


def normal_form(article: str, rules: MatchRules = DEFAULT_RULES) -> str:
    """The key under which ``article`` is compared. Idempotent; may be empty when nothing of it counts."""
    if article.isascii():  # most are: nothing of it has another form in Unicode, and one pass settles it
        return _folded(article, rules)
    for _ in range(_WORN_OUT):
        once = _pass(article, rules)
        if once == article or once.isascii():  # what has become plain has been folded: another pass changes nothing
            return once
        article = once
    return article


def _pass(article: str, rules: MatchRules) -> str:
    if rules.compatibility:
        article = unicodedata.normalize("NFKC", article)
    if rules.lookalikes and not article.isascii():
        article = article.translate(_LATIN)
    if not article.isascii():
        if rules.dashes != "keep":
            article = "".join("-" if unicodedata.category(c) == "Pd" or c in _MINUS else c for c in article)
        if rules.spaces:
            # Cf: zero-width characters, BOM, soft hyphen
            article = "".join(c for c in article if unicodedata.category(c) != "Cf")
    return _folded(article, rules)


def _folded(article: str, rules: MatchRules) -> str:
    if rules.case:
        article = article.casefold()
    if rules.dashes == "drop":
        article = article.replace("-", "")
    if rules.spaces:
        article = "".join(article.split())
    if rules.leading_zeros:
        article = article.lstrip("0") or article[-1:]
    return article
