"""Finding rows by what people type: any case, words in any order, telephones as they are written. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

_PHONE = re.compile(r"[+(]?[\d][\d\s().-]*")
_NUMBER_DIGITS = 9  # of a Ukrainian number without country code and trunk zero


def matcher(text: str) -> Callable[[Iterable[str | None], Iterable[str | None]], bool]:
    """A test whether all words of ``text`` stand in some words (case and order do not matter), or it is the telephone.

    The test takes the words to look in, and the telephones. A telephone is compared by its last nine digits, so that
    ``063 123 45 13``, ``0631234513`` and ``+380 (63) 123-45-13`` are one number.
    """
    whole = fold(text)
    words = whole.split()
    digits = re.sub(r"\D", "", text)
    phone = digits[-_NUMBER_DIGITS:] if len(digits) >= 5 and _PHONE.fullmatch(text.strip()) else ""
    spelled = bool(phone) and len(digits) >= 7 and len(words) > 1

    def matches(fields: Iterable[str | None], phones: Iterable[str | None]) -> bool:
        numbers = [re.sub(r"\D", "", number) for number in phones if number]
        if phone and any(phone in number for number in numbers):
            return True
        within = "\n".join([*(fold(field) for field in fields if field), *numbers])
        # a telephone in groups is one thing: its groups anywhere in a number would find other people's
        return whole in within if spelled else all(word in within for word in words)

    return matches


def fold(text: str) -> str:
    """``text`` as it is compared: case folded, one kind of apostrophe, letters composed."""
    composed = unicodedata.normalize("NFC", text).casefold()
    return re.sub(r"[’ʼ`´‘]", "'", composed).strip()
