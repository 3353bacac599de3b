"""“Did you mean …”: the nearest known word, or None when nothing is near."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from pipeline.texts import T, Text

_LOOKED_AT = 100

#: Cyrillic letters that look like Latin ones: a key typed in the wrong layout looks right and is not.
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТХІЈЅавекмнорстухіјѕ", "ABEKMHOPCTXIJSabekmhopctyxijs")  # cspell:disable-line


def did_you_mean(word: str, known: Iterable[str]) -> Text | None:
    """A hint with the nearest of ``known``."""
    names = sorted(set(known))
    folded = word.translate(_LOOK_ALIKES)
    if folded != word and folded in names:
        return T("Did you mean `{name}`? Yours has Cyrillic letters that look like Latin ones.", name=folded)
    near = nearest(folded, names)
    return T("Did you mean `{name}`?", name=near) if near else None


def misspelt(names: Iterable[str], wanted: str) -> Text | None:
    """A hint that one of ``names`` as written was meant to be ``wanted``. Only the first hundred are looked at."""
    return next((hint for name in islice(names, _LOOKED_AT) if (hint := did_you_mean(name, [wanted]))), None)


def one_of(word: str, known: Iterable[str]) -> Text:
    """The same, or the list of what there is."""
    names = sorted(set(known))
    hint = did_you_mean(word, names)
    if hint:
        return hint
    return T("Known: {names}.", names=", ".join(names)) if names else T("There are none.")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The nearest of ``known``, case ignored; None when none is near."""
    from rapidfuzz import fuzz, process

    names = list(known)
    found = process.extractOne(word, names, scorer=fuzz.ratio, processor=str.lower, score_cutoff=65)
    if found is None and len(word) >= 4:
        # a part of a longer name, such as Kyiv of Europe/Kyiv; of shorter words nearly anything is a part
        longer = [name for name in names if len(name) > len(word)]
        found = process.extractOne(word, longer, scorer=fuzz.partial_ratio, processor=str.lower, score_cutoff=90)
    return str(found[0]) if found else None
