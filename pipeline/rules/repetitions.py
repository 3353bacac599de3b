"""Which of very many names stand more than once, in little memory."""

from __future__ import annotations

from array import array
from hashlib import blake2b


class Repetitions:
    """Takes the names of things one after the other; what has no name is like no other.

    Of each name eight bytes are kept. Two names that have these in common by chance (of a million names, with a chance
    of one in 37 millions) are told as one name: whoever asks compares the things themselves.
    """

    def __init__(self) -> None:
        self._marks = array("Q")
        self._nameless: set[int] = set()

    def add(self, source: str, name: str) -> None:
        """The next thing. ``name``: it is empty where it has none."""
        if not name:
            self._nameless.add(len(self._marks))
        mark = blake2b(f"{source}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._marks.append(int.from_bytes(mark, "little"))

    def groups(self) -> list[list[int]]:
        """The places (from 0) of things of one name, for each name that stands more than once, first ones first."""
        ordered = array("Q", sorted(self._marks))
        twice = {ordered[place] for place in range(1, len(ordered)) if ordered[place] == ordered[place - 1]}
        found: dict[int, list[int]] = {}
        if twice:
            for place, mark in enumerate(self._marks):
                if mark in twice and place not in self._nameless:
                    found.setdefault(mark, []).append(place)
        return [places for places in found.values() if len(places) > 1]
