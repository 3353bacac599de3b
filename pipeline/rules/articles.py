"""What happened to an article: how spellings differ, what a spreadsheet made of it, what it may have been. Pure.

What spreadsheets do is known from Excel and LibreOffice: a text of digits becomes a number, which loses its leading
zeros, everything after its fifteenth digit, and is shown as ``1,23E+05`` where the column is narrow; what looks like a
day becomes a date; and a number comes back as ``12345.0``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Context, Decimal

from pipeline.rules.matching import DEFAULT_RULES, MatchRules, normal_form

#: The widest form under which two articles are worth showing to a person. Matching itself is never so generous.
LOOSE = MatchRules(dashes="drop", leading_zeros=True)

#: Kinds of differences between spellings, in the order in which they are told.
DIFFERENCES = ("case", "spaces", "lookalikes", "dashes", "zeros", "apostrophe", "decimal", "forms")
#: Kinds of damage that can be seen in one article alone.
DAMAGES = ("error", "exponent", "date", "truncated", "decimal", "apostrophe")

_APOSTROPHES = "'’‘ʼ`"
_DECIMAL = re.compile(r"^(\d+)[.,]0+$", re.ASCII)
_EXPONENT = re.compile(r"^(\d(?:[.,]\d{1,14})?)[EeЕе]\+(\d{1,3})$", re.ASCII)
_ERROR = re.compile(r"^(?:#[A-ZА-ЯІЇ/0-9]+[!?]|#N/A|#Н/Д|#{3,})$")
_CUT = 15  #: digits that a spreadsheet keeps of a number
_CUT_OFF = re.compile(r"^\d{15}0+$", re.ASCII)
_DIGITS = re.compile(r"^\d+$", re.ASCII)
_WHOLE_DATES = (
    re.compile(r"^(\d{1,2})[./-](\d{1,2})[./-](?:19|20)\d\d(?: 0?0:00(?::00)?)?$", re.ASCII),
    re.compile(r"^(?:19|20)\d\d-(\d\d)-(\d\d)(?:[ T]00:00:00)?$", re.ASCII),
)
_DAY_MONTH = re.compile(r"^(\d{1,4})[-./ ](\d{1,2})$", re.ASCII)
_WORDED = (
    re.compile(r"^(\d{1,4})[-./ ]?([^\W\d_]{3,9})\.?(?:[-./ ]\d{2,4})?$"),
    re.compile(r"^([^\W\d_]{3,9})\.?[-./ ]?(\d{1,4})$"),
)
#: A date as a spreadsheet shows it: a named month with a separator. ``MAR5`` is an article, ``Mar-5`` its damage.
_DATE = re.compile(r"^(?:\d{1,4}[-./ ][^\W\d_]{3,9}\.?(?:[-./ ]\d{2,4})?|[^\W\d_]{3,9}\.?[-./ ]\d{1,4})$")
_MONTHS = {
    word: number
    for number, words in enumerate(
        (
            "jan january січ січень січня янв январь января",
            "feb february лют лютий лютого фев февраль февраля",
            "mar march бер березень березня мар март марта",
            "apr april кві квіт квітень квітня апр апрель апреля",
            "may тра трав травень травня май мая",
            "jun june чер черв червень червня июн июнь июня",
            "jul july лип липень липня июл июль июля",
            "aug august сер серп серпень серпня авг август августа",
            "sep sept september вер верес вересень вересня сен сент сентябрь сентября",
            "oct october жов жовт жовтень жовтня окт октябрь октября",
            "nov november лис лист листопад листопада ноя нояб ноябрь ноября",
            "dec december гру груд грудень грудня дек декабрь декабря",
        ),
        1,
    )
    for word in words.split()
}

#: What an article may have been: the kind of damage, and what is left of the original under it.
Trace = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sought:
    """Which traces are looked for, so that whole articles are asked for no others: see :func:`traces_of_whole`."""

    digits: frozenset[int] = frozenset()  #: significant digits of exponents
    dates: bool = False
    cut: bool = False


def damages(article: str) -> tuple[str, ...]:
    """The kinds of damage (of DAMAGES) that show in an article by itself; none in a whole one.

    Lost leading zeros do not show: only another spelling tells of them.
    """
    tidy = _tidy(article)
    bare = tidy.lstrip(_APOSTROPHES)
    found = []
    if _ERROR.match(bare):
        found.append("error")
    if _EXPONENT.match(bare):
        found.append("exponent")
    if _is_date(bare):
        found.append("date")
    if _CUT_OFF.match(bare):
        found.append("truncated")
    if _DECIMAL.match(bare):
        found.append("decimal")
    if bare != tidy and bare:
        found.append("apostrophe")
    return tuple(found)


def loose_form(article: str) -> str:
    """The widest form: spellings that share it are worth a look. Idempotent; "" when nothing of it counts."""
    return normal_form(_undressed(article), LOOSE)


def differences(spellings: Collection[str]) -> tuple[str, ...]:
    """In which ways (of DIFFERENCES) these spellings of one loose form differ; empty when they do not."""
    found = set()
    if _several(_whole_forms(spellings, replace(LOOSE, case=False))):
        found.add("case")
    blanks = ("".join(c for c in one if c.isspace() or unicodedata.category(c) == "Cf") for one in spellings)
    if _several(blanks) or _several(_whole_forms(spellings, replace(LOOSE, spaces=False))):
        found.add("spaces")
    if _several(_whole_forms(spellings, replace(LOOSE, lookalikes=False))):
        found.add("lookalikes")
    if _several(_whole_forms(spellings, replace(LOOSE, dashes="keep"))):
        found.add("dashes")
    if _several(_whole_forms(spellings, replace(LOOSE, leading_zeros=False))):
        found.add("zeros")
    tidy = [_tidy(one) for one in spellings]
    if _several(one[:1] in _APOSTROPHES for one in tidy if one):
        found.add("apostrophe")
    if _several(bool(_DECIMAL.match(one.lstrip(_APOSTROPHES))) for one in tidy):
        found.add("decimal")
    if not found and _several(spellings):
        found.add("forms")  # full-width letters, ligatures
    return tuple(kind for kind in DIFFERENCES if kind in found)


def same(one: str, other: str, rules: MatchRules = DEFAULT_RULES) -> bool:
    """Whether matching takes these two for one article by itself."""
    form = normal_form(one, rules)
    return bool(form) and form == normal_form(other, rules)


def traces(article: str) -> frozenset[Trace]:
    """What a damaged article still tells of what it was; empty for a whole one, and where its digits are all there.

    A whole article that gives one of these in :func:`traces_of_whole` may be the one that was damaged.
    """
    bare = _undressed(article)
    if match := _EXPONENT.match(bare):
        mantissa = match[1].replace(",", ".")
        return frozenset({_exponent(Decimal(f"{mantissa}E+{match[2]}"), _significant(mantissa))})
    if _is_date(bare):
        return _day_months(bare)
    if _CUT_OFF.match(bare):
        return frozenset({("truncated", f"{len(bare)}:{bare[:_CUT]}")})
    return frozenset()


def sought(damaged: Iterable[str]) -> Sought:
    """What is to be looked for among the whole articles for the sake of these damaged ones."""
    digits: set[int] = set()
    dates = cut = False
    for article in damaged:
        bare = _undressed(article)
        if match := _EXPONENT.match(bare):
            digits.add(_significant(match[1]))
        dates = dates or _is_date(bare)
        cut = cut or bool(_CUT_OFF.match(bare))
    return Sought(frozenset(digits), dates, cut)


def traces_of_whole(article: str, wanted: Sought) -> frozenset[Trace]:
    """What a spreadsheet could leave of a whole article, as far as ``wanted``."""
    bare = _undressed(article)
    found: set[Trace] = set()
    if wanted.digits and (number := _as_number(bare)) is not None:
        found |= {_exponent(number, count) for count in wanted.digits}
    if wanted.dates:
        found |= _day_months(bare)
    if wanted.cut and _DIGITS.match(bare) and len(bare) > _CUT:
        found.add(("truncated", f"{len(bare)}:{bare[:_CUT]}"))
    return frozenset(found)


def in_brackets(name: str) -> tuple[str, ...]:
    """What stands in a name's brackets and may be an article: ``Фарба біла (E-303)`` has ``E-303``."""
    found = (one.strip() for one in re.findall(r"[(\[]([^()\[\]]{2,40})[)\]]", name))
    return tuple(one for one in found if any(c.isdigit() for c in one) and len(one.split()) == 1)


def _tidy(article: str) -> str:
    """Without the blanks around it and without unseen characters."""
    if article.isascii():
        return article.strip()
    text = unicodedata.normalize("NFKC", article)
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return text.strip()


def _undressed(article: str) -> str:
    """Without an apostrophe in front and ``.0`` behind."""
    bare = _tidy(article).lstrip(_APOSTROPHES).strip()
    match = _DECIMAL.match(bare)
    return match[1] if match else bare


def _whole_forms(spellings: Collection[str], rules: MatchRules) -> set[str]:
    return {normal_form(_undressed(one) if rules.spaces else _bare_blanks(one), rules) for one in spellings}


def _bare_blanks(article: str) -> str:
    """The same as undressed, with the blanks that stand around it."""
    return article if not damages(article) else _undressed(article)


def _several(values: Iterable[object]) -> bool:
    return len(set(values)) > 1


def _significant(mantissa: str) -> int:
    return sum(c.isdigit() for c in mantissa)


def _as_number(bare: str) -> Decimal | None:
    """The number that a spreadsheet reads an article as: digits, or digits with an E among them (``12E5``)."""
    if _DIGITS.match(bare) and len(bare) <= 300:
        return Decimal(bare)
    match = re.match(r"^(\d{1,15})[Ee](\d{1,2})$", bare, re.ASCII)
    return Decimal(f"{match[1]}E+{match[2]}") if match else None


def _exponent(number: Decimal, digits: int) -> Trace:
    rounded = Context(prec=max(digits, 1), rounding=ROUND_HALF_UP).create_decimal(number)
    return "exponent", f"{digits}:{rounded.normalize():E}"


def _is_date(bare: str) -> bool:
    dressed = any(pattern.match(bare) for pattern in (_DATE, *_WHOLE_DATES))
    return dressed and bool(_day_months(bare))


def _day_months(bare: str) -> frozenset[Trace]:
    """The pairs of numbers that may be meant by something like a day, whichever of them is the month."""
    for pattern in (_DAY_MONTH, *_WHOLE_DATES):
        if match := pattern.match(bare):
            return _pairs(match[1], match[2])
    for pattern in _WORDED:
        if match := pattern.match(bare):
            word, number = (match[2], match[1]) if match[1].isdigit() else (match[1], match[2])
            month = _MONTHS.get(word.casefold())
            if month is not None:
                return _pairs(str(month), number)
    return frozenset()


def _pairs(one: str, other: str) -> frozenset[Trace]:
    first, second = sorted((int(one), int(other)))
    possible = 1 <= first <= 12 and second >= 1  # one of them is a month
    return frozenset({("date", f"{first}:{second}")}) if possible else frozenset()


def groups(articles: Sequence[str]) -> list[tuple[int, ...]]:
    """Places of articles that share a loose form with another one, by first place. Linear in their number."""
    found: dict[str, list[int]] = {}
    for place, article in enumerate(articles):
        if form := loose_form(article):
            found.setdefault(form, []).append(place)
    return [tuple(places) for places in found.values() if len(places) > 1]
