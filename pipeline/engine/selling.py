"""A catalogue to export, made of what a system tells for a sync: its offers and its stock levels. Pure.

So every system that can be the source of a sync can be written as a file, too: a feed that a CRM fetches, a table that
it imports. What offers do not tell (a tax rate, a category's code) is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.errors import ConfigError, Finding, Where, Who
from pipeline.model import Offer, SpecialPrice, StockLevel
from pipeline.ports import CATALOGUE_FIELDS, Batch
from pipeline.rules.stock import sellable, without_totals
from pipeline.texts import T

ZERO = Decimal(0)
_TEXTS = ("name", "short_description", "description")
_SPECIAL = ("special_price", "special_start", "special_end")
#: What belongs to one thing that is sold, and never comes from the product above it.
_OWN = frozenset({"options", "barcode"})
#: What a base product without a price has from its cheapest variant.
_OF_PRICE = frozenset({"price", "specials", "currency"})


class Selling:
    """What ``batches`` and ``count`` of a Catalogue give, out of offers and levels.

    A variant has what it does not tell itself from its base product. A base product's stock is that of its variants;
    where it has no price of its own it has that of its cheapest one, as shops show it (*from 100*).
    What has no article is left out and told in ``findings``; a base product without one, which is common where only
    variants are sold, is called by its id (``#12``).
    """

    def __init__(
        self,
        offers: Iterable[Offer],
        levels: Iterable[StockLevel] | None,
        *,
        keys: Sequence[str],
        language: str,
    ) -> None:
        """Take all in.

        Args:
            levels: None where the system tells no stock: it is None of everything then.
            keys: article fields; the first that is filled in is the code.
            language: tag of the one language that the texts are in.
        """
        self.findings: list[Finding] = []
        self._language = language
        told = list(offers)
        self._bases = {one.product or one.id: one for one in told if one.kind == "base"}
        variants: dict[str, list[Offer]] = {}
        for one in told:
            if one.kind == "variant":
                variants.setdefault(one.product, []).append(one)
        self._codes = {id(one): self._code(one, keys) for one in told}
        self._stock = None if levels is None else _free(levels)
        self._variants = variants
        self._cheapest = {
            name: min(priced, key=lambda one: one.values["price"])
            for name, base in self._bases.items()
            if base.values.get("price") is None
            and (priced := [one for one in variants.get(name, ()) if one.values.get("price") is not None])
        }
        self._offers = sorted((one for one in told if self._codes[id(one)]), key=lambda one: self._codes[id(one)])

    def count(self) -> int:
        """How many rows ``batches`` will give."""
        return len(self._offers)

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        """All of it column by column, ordered by code. Raises ConfigError for a field that no catalogue has."""
        for name in fields:
            base, dot, detail = name.partition(".")
            if not ((base in _TEXTS or base == "price") and detail if dot else name in CATALOGUE_FIELDS):
                raise ConfigError(
                    T("There is no catalogue field {name}.", name=name),
                    hint=T("Fields are: {names}.", names=", ".join(CATALOGUE_FIELDS)),
                )
        languages = {name.partition(".")[2] for name in fields if name.partition(".")[0] in _TEXTS}
        # whoever asks for one language only means the one that there is
        language = next(iter(languages)) if len(languages) == 1 else self._language
        for start in range(0, len(self._offers), size):
            some = self._offers[start : start + size]
            yield Batch(len(some), {name: [self._value(one, name, language, at) for one in some] for name in fields})

    def _code(self, offer: Offer, keys: Sequence[str]) -> str:
        code = next((text for name in keys if (text := offer.keys.get(name, "").strip())), "")
        if code:
            return code
        if offer.kind == "base":
            return f"#{offer.product or offer.id}"
        self.findings.append(
            Finding(
                "no-article",
                T("{title} has no article and is left out of the file.", title=offer.title),
                Where(element=offer.id or None),
                T("Fill in one of these fields in the source: {names}.", names=", ".join(keys)),
                Who.SITE,
            )
        )
        return ""

    def _value(self, offer: Offer, name: str, language: str, at: datetime) -> Any:
        if name == "code":
            return self._codes[id(offer)]
        if name == "parent":
            return self._parent(offer)
        if name == "stock":
            return self.stock(offer)
        if name in _SPECIAL:
            return _special(self._told(offer, "specials"), name, at)
        field, _, detail = name.partition(".")
        if field in _TEXTS:
            return self._told(offer, field) or "" if detail == language else ""
        if field == "price" or name in ("weight", "tax_rate"):
            return self._told(offer, name)
        if name == "category":
            paths = (self._told(offer, "category"), *(self._told(offer, "categories") or ()))
            return next((tuple(path) for path in paths if path), ())
        if name in ("image", "images"):
            pictures = tuple(self._told(offer, "images") or ())
            return pictures[1:] if name == "images" else next(iter(pictures), "")
        if name == "published":
            base = self._base(offer)
            return all(one.values.get("published") is not False for one in (offer, base) if one)
        if name == "updated_at":
            return offer.updated_at
        if name == "options":
            return dict(self._told(offer, "options") or {})
        return self._told(offer, name) or ""

    def _base(self, offer: Offer) -> Offer | None:
        return self._bases.get(offer.product) if offer.kind == "variant" else None

    def _parent(self, offer: Offer) -> str:
        if offer.kind != "variant":
            return ""
        base = self._bases.get(offer.product)
        return self._codes[id(base)] if base else f"#{offer.product}"

    def _told(self, offer: Offer, name: str) -> Any:
        """What an offer tells of itself, else what its base product does."""
        cheapest = self._cheapest.get(offer.product or offer.id) if offer.kind == "base" else None
        if cheapest is not None and name in _OF_PRICE:
            return cheapest.values.get(name) or offer.values.get(name)
        value = offer.values.get(name)
        base = self._base(offer)
        if base is None or name in _OWN or (name in offer.values and value not in ("", (), None)):
            return value
        return base.values.get(name)

    def stock(self, offer: Offer) -> Decimal | None:
        """What may be sold over all warehouses; None where the system does not count it."""
        if self._stock is None:
            return None
        variants = self._variants.get(offer.product or offer.id, []) if offer.kind == "base" else []
        if not variants:
            return self._level(offer)
        each = [self._level(one) for one in variants]
        return None if None in each else sum((one for one in each if one is not None), ZERO)

    def _level(self, offer: Offer) -> Decimal | None:
        assert self._stock is not None
        for name in (offer.id, self._codes[id(offer)]):
            if name in self._stock:
                return self._stock[name]
        return ZERO


def _free(levels: Iterable[StockLevel]) -> Mapping[str, Decimal | None]:
    """By the offer's id, or its article where levels are told by it."""
    found: dict[str, list[StockLevel]] = {}
    for level in levels:
        found.setdefault(level.offer or level.code, []).append(level)
    return {
        name: sellable((one.on_hand, one.reserved) for one in without_totals(own))
        if all(one.counted for one in own)
        else None
        for name, own in found.items()
    }


def _special(specials: Sequence[SpecialPrice] | None, name: str, at: datetime) -> Any:
    """The one that holds at ``at``, else the next to come."""
    left = [one for one in specials or () if one.end is None or one.end > at]
    one = next((special for special in left if special.active(at)), None) or next(iter(left), None)
    if one is None:
        return None
    return {"special_price": one.money.amount, "special_start": one.start, "special_end": one.end}[name]
