"""Hundreds of thousands of offers in memory at once: what many of them have alike is kept once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.model import Offer


class _Fields:
    """Its ``__dict__`` is a dict as any other, but all of these share one table of their names."""


class Pool:
    """Offers of both sides of a sync, of which most are equal: an equal value is one object.

    Values of other types than text, numbers and tuples of texts stay what they are. It lives while both sides are read.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._numbers: dict[str, Decimal] = {}  # by how they are written: 1.5 and 1.50 are two
        self._tuples: dict[tuple[str, ...], tuple[str, ...]] = {}

    def kept(self, offers: Iterable[Offer]) -> Iterator[Offer]:
        """The same offers."""
        for offer in offers:
            values = _Fields().__dict__
            for name, value in offer.values.items():
                values[name] = self._value(value)
            keys = {name: self._texts.setdefault(value, value) for name, value in offer.keys.items()}
            yield replace(offer, keys=keys, values=values)

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return self._texts.setdefault(value, value)
        if kind is Decimal:
            return self._numbers.setdefault(str(value), value)
        if kind is tuple and value and all(type(one) is str for one in value):
            found = self._tuples.get(value)
            if found is None:
                found = tuple([self._texts.setdefault(one, one) for one in value])
                self._tuples[found] = found
            return found
        return value
