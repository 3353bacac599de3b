"""Keys under which things are found again: a buyer's phone and mail, a product's name, each in one form. Pure."""

from __future__ import annotations

import hashlib
import re

from pipeline.api import fold


def phone_key(phone: str) -> str:
    """Digits with the country's code: ``050 123-45-67``, ``+38 (050) 1234567`` -> ``380501234567``; else all digits.

    Empty when there are fewer than seven digits, too little to tell two people apart, or more than the fifteen that a
    telephone can have.
    """
    digits = re.sub(r"\D", "", phone)
    digits = digits.removeprefix("00")
    if len(digits) == 10 and digits.startswith("0"):
        digits = "38" + digits
    elif len(digits) == 11 and digits.startswith("80"):
        digits = "3" + digits
    return digits if 7 <= len(digits) <= 15 else ""


def email_key(email: str) -> str:
    """Lower case, trimmed; empty when it is no address at all, or longer than the 254 characters that one can have."""
    email = email.strip().casefold()
    return email if "@" in email and len(email) <= 254 else ""


def name_key(name: str) -> str:
    """A hash of the name as it is compared: case and kind of apostrophe do not count, nor how many blanks of which kind
    stand where. Empty when nothing else stands there.
    """
    words = " ".join(fold(name).replace("\u200b", "").split())
    return hashlib.sha1(words.encode(), usedforsecurity=False).hexdigest() if words else ""
