"""Buyers and companies in one notation: telephones, EDRPOU and RNTRC numbers, names. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.errors import Finding, Where
from pipeline.model import Party, changed
from pipeline.texts import T

_BETWEEN_PHONES = re.compile(r"[,;/\n]|\s(?:або|или|or)\s")
_WORDS_BEFORE = re.compile(r"^[^\d+]*(?=[\d+(])")
_WORDS_AROUND = re.compile(r"[^\W\d_]")
_PATRONYMIC = re.compile(r"(?:ович|евич|йович|івна|ївна|овна|евна)$", re.IGNORECASE)
_RARE_PATRONYMIC = re.compile(r"(?:[иі]ч|ічна|инична)$", re.IGNORECASE)  # Ілліч, Лукич; but surnames end so as well
#: Numbers that are valid as those of Ukrainian mobiles, written as nearly all sites do, by the library's own rules (a
#: test holds it): it takes a tenth of a millisecond to say the same, and 4 MiB.
_UKRAINIAN_MOBILE = re.compile(r"\+380(?:790[0-9]{6}|(?:39|50|6[36-8]|7[1-357]|9[1-9])[0-9]{7})")


@lru_cache(maxsize=4096)  # one order is asked for the same number several times over
def phone(text: str, region: str = "UA") -> str:
    """The first telephone in ``text`` as E.164 (``+380671234567``), or ``""`` when there is none that can exist.

    ``region`` (ISO 3166 alpha-2) reads numbers without a country code. ``8 067 …`` of old habit is read as ``067 …``.
    """
    if _UKRAINIAN_MOBILE.fullmatch(text):
        return text
    import phonenumbers

    for piece in _BETWEEN_PHONES.split(text):
        part = _WORDS_AROUND.split(_WORDS_BEFORE.sub("", piece))[0]  # "тел. 044 123-45-67 дод. 12"
        digits = re.sub(r"\D", "", part)
        if not digits:
            continue
        tries = [part]
        if region == "UA" and not part.strip().startswith("+"):
            if len(digits) == 11 and digits.startswith("80"):
                tries = ["+3" + digits]
            elif len(digits) == 12 and digits.startswith("380"):
                tries = ["+" + digits]
        for attempt in tries:
            try:
                number = phonenumbers.parse(attempt, region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number(number):
                return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return ""


def edrpou_ok(text: str) -> bool:
    """Whether ``text`` is an EDRPOU number (8 digits) with a right check digit."""
    from stdnum.ua import edrpou

    return bool(re.fullmatch(r"[0-9]{8}", text) and edrpou.is_valid(text))


def rntrc_ok(text: str) -> bool:
    """Whether ``text`` is a person's tax number, RNTRC or РНОКПП (10 digits), with a right check digit."""
    from stdnum.ua import rntrc

    return bool(re.fullmatch(r"[0-9]{10}", text) and rntrc.is_valid(text))


def tidy(text: str) -> str:
    """``text`` with every run of white space (also no-break spaces) as one space, none at the ends."""
    return " ".join(text.replace("\u200b", "").split())


def full_name(text: str) -> tuple[str, str, str]:
    """``Шевченко Олена Петрівна`` -> (last, first, middle). What cannot be told apart stays in the last name.

    Two words are last and first name, as forms in Ukraine ask for them; a patronymic is known by its ending, so that
    ``Олена Петрівна Шевченко`` is read right as well. Four words and more are not divided.
    """
    words = tidy(text).split(" ")
    match words:
        case [last]:
            return last, "", ""
        case [last, first]:
            return last, first, ""
        case [first, middle, last] if _patronymic(middle) > _patronymic(last):
            return last, first, middle
        case [last, first, middle]:
            return last, first, middle
        case _:
            return tidy(text), "", ""


def _patronymic(word: str) -> int:
    """How much it looks like a patronymic: 2 surely, 1 maybe, 0 not."""
    return 2 if _PATRONYMIC.search(word) else 1 if _RARE_PATRONYMIC.search(word) else 0


def normal_party(party: Party, region: str = "UA") -> Party:
    """``party`` with tidy names, the telephone in E.164 and the e-mail in small letters.

    A telephone that cannot be read stays as it was written: a person may still make sense of it.
    """
    news = {
        "first_name": tidy(party.first_name),
        "last_name": tidy(party.last_name),
        "middle_name": tidy(party.middle_name),
        "company": tidy(party.company),
        "edrpou": tidy(party.edrpou),
        "tax_number": tidy(party.tax_number),
        "phone": phone(party.phone, region) or tidy(party.phone),
        "email": tidy(party.email).lower(),
    }
    return changed(party, news)


def party_findings(party: Party, where: Where, region: str = "UA") -> tuple[Finding, ...]:
    """Remarks on ``party``: ``phone``, ``edrpou``, ``email``. They stop nothing; a person should look."""
    remarks: list[Finding] = []
    if party.phone and not phone(party.phone, region):
        remarks.append(
            Finding(
                "phone",
                T("The telephone {phone} cannot exist; it was kept as it is written.", phone=party.phone),
                where,
                T("Write it such as {example}", example="+380671234567"),
            )
        )
    if party.edrpou and not (edrpou_ok(party.edrpou) or rntrc_ok(party.edrpou)):
        remarks.append(
            Finding(
                "edrpou",
                T("The number {edrpou} is no EDRPOU and no RNTRC: its check digit is wrong.", edrpou=party.edrpou),
                where,
                T("Compare it with the company's papers; one digit is mistyped."),
            )
        )
    if party.email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", party.email):
        remarks.append(
            Finding(
                "email",
                T("The e-mail {email} cannot exist; it was kept as it is written.", email=party.email),
                where,
                T("Write it such as {example}", example="olena@example.com"),
            )
        )
    return tuple(remarks)
