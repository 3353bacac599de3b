"""Passwords: argon2id with the parameters that argon2-cffi takes from RFC 9106 (its low-memory choice)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.texts import T, Text

#: NIST SP 800-63B asks for fifteen characters where a password stands alone, and for no rules of what they are; ten
#: is what people at a shop's back office will take, with the attempts limited.
SHORTEST, LONGEST = 10, 256


def trouble(password: str, name: str) -> Text | None:
    """Why this cannot be a password of that user; None when it can."""
    if len(password) < SHORTEST:
        return T("The password must have {n} characters or more.", n=SHORTEST)
    if len(password) > LONGEST:
        return T("The password must have {n} characters or less.", n=LONGEST)
    if name and password.casefold().strip() in (name.casefold(), name.casefold() * 2):
        return T("The password must not be the name.")
    if len(set(password)) < 4:
        return T("The password must have more than a few different characters.")
    return None


class Passwords:
    """Makes and checks hashes.

    Args:
        hasher: with other costs, for tests.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobody = ""

    def hashed(self, password: str) -> str:
        """The hash to be kept."""
        return self._hasher.hash(password)

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one of that hash. Without a hash as much time goes by, and it is not."""
        if not kept:
            self._nobody = self._nobody or self._hasher.hash("nobody's password")
        try:
            return self._hasher.verify(kept or self._nobody, password[:LONGEST]) and bool(kept)
        except (VerificationError, InvalidHashError):
            return False

    def is_old(self, kept: str) -> bool:
        """Whether the hash was made with other costs than are asked for by now."""
        return self._hasher.check_needs_rehash(kept)
