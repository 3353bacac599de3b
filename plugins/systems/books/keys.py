"""Keys under which a buyer is found again: the phone and the mail in one form. Pure."""

from __future__ import annotations

import re


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
