"""What of a sync is as it was: told at once for a whole row; only what differs is looked at field by field. Pure.

A row of the source is *plain* when what the target is to hold of it follows from its values alone, and not from the
moment or from what the target shows. Of a plain row the ledger keeps a mark beside the fingerprints of its fields: the
same mark means the same fingerprints, which then need not be made anew.
"""

from __future__ import annotations

import gc
import marshal
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import itemgetter
from typing import Any, Protocol

from pipeline.engine.sync.prints import currency_of, print_of_text
from pipeline.engine.sync.rows import MEASURES, Row, of_variant
from pipeline.model import Offer
from pipeline.ports import OfferTraits
from pipeline.syncing import CatalogueSyncSettings, is_price

Values = Mapping[str, Any]
Take = Callable[[Values], Any]
#: Part of every mark: another number makes all marks of before worthless.
_EDITION = 1


class _Runs:
    """How many runs are under way in this process."""

    count = 0


@contextmanager
def one_run() -> Iterator[None]:
    """The time of a run: what it has read and made ``uncollected`` is looked through by the collector at its end."""
    _Runs.count += 1
    try:
        yield
    finally:
        _Runs.count -= 1
        if not _Runs.count:
            gc.unfreeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: looking through hundreds of thousands of new records, of which none is garbage,
    takes it longer than making them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            if _Runs.count:
                gc.freeze()
            gc.enable()


def allowed_of(target: Offer, traits: OfferTraits) -> frozenset[str]:
    """The fields that may be changed of this offer of the target."""
    allowed = traits.writes
    if target.kind == "variant":
        own = {"published"} if traits.hides(target) else set()
        return frozenset(name for name in allowed if of_variant(name) or name in own) - traits.fixed
    if target.kind == "base":
        return frozenset(name for name in allowed if not of_variant(name))
    return allowed


class Known(Protocol):
    """What the ledger knows of an offer of the target that was kept in step: fingerprints by field, of what was sent
    (``wanted``) and of how the target then showed it (``seen``)."""

    @property
    def source_key(self) -> str: ...
    @property
    def wanted(self) -> Mapping[str, str]: ...
    @property
    def seen(self) -> Mapping[str, str]: ...
    @property
    def mark(self) -> int:
        """Of the row as it was last sent; see Glance.mark."""


class Glance:
    """Compares whole rows with offers of the target of one kind (single, base, variant).

    Args:
        traits: of the target.
        at: the moment of the plan.
        known: by the target's id, what is in step.
        currency: of all prices of the target; "" when that is not known.
    """

    def __init__(
        self,
        kind: str,
        settings: CatalogueSyncSettings,
        traits: OfferTraits,
        at: datetime,
        known: Mapping[str, Known],
        currency: str,
    ) -> None:
        allowed = allowed_of(Offer(kind=kind), traits)  # type: ignore[arg-type]
        if kind == "variant":
            allowed -= {"published"}  # that it is shown goes without saying; that it is not is no plain thing
        if not traits.dated_specials:
            allowed -= {"specials"}
        chosen = sorted(name for name in allowed if settings.fields is None or name in settings.fields)
        self.fields = {name: settings.map.get(name, name) for name in chosen}
        self.kind, self._at = kind, at
        self._known, self._currency = known, currency
        self.holds = settings.other_currency != "ignore"
        self.root = tuple(part.strip() for part in settings.root.split("/")) if settings.root else ()
        # a special price stands beside the price, under its own name, and the target switches it; or nothing is priced
        dated = traits.dated_specials and not traits.special_in_price
        told = self.fields.get("specials", "specials") == "specials"
        self._beside = told and (dated or not {"price", "specials"} & {*self.fields, *self.fields.values()})
        self._layouts: dict[tuple[tuple[str, ...], tuple[str, ...]], _Layout] = {}
        self._last: _Layout | None = None

    def is_same(self, row: Row, target: Offer) -> bool:
        """Whether a row is plain, and the target has all of it as the source has; False: it is to be looked at."""
        source, there = row.offer.values, target.values
        layout = self._last or self._layout(source, there)
        try:
            mine = layout.mine(source)
            if mine != layout.theirs(there):
                return False
        except KeyError:
            layout = self._layout(source, there)
            mine = layout.mine(source)
            if mine != layout.theirs(there):
                return False
        if layout.absent and not (
            source.keys().isdisjoint(layout.lacking) and there.keys().isdisjoint(layout.untold)
        ):  # the row before had fewer fields
            layout = self._layout(source, there)
            if layout.mine(source) != layout.theirs(there):
                return False
        if (specials := source.get("specials")) and not self._are_plain(specials):
            return False
        if layout.odd:
            # the row before may have had a name that the target does not tell, and this one has none
            if layout.named and not str(source.get(layout.named, "")).strip():
                return False
            if layout.rooted and (own := source[layout.rooted]) and (*self.root, *own) != there["category"]:
                return False
            if layout.priced and not self._is_priced_in(row, target):
                return False
            if self.kind == "variant" and not _is_shown(source, there):
                return False
            if layout.untold:
                before = self._known.get(target.id)
                if before is None or not before.mark or before.mark != self.mark(row.offer, target):
                    return False
        return not row.hidden

    def _is_priced_in(self, row: Row, target: Offer) -> bool:
        """Whether no other currency stands in the way of a row's price."""
        ours = row.offer.values.get("currency")
        theirs = target.values.get("currency") or self._currency
        if not ours or ours == theirs:
            return True
        if theirs:
            return currency_of(row.offer) == (currency_of(target) or self._currency)
        before = self._known.get(target.id)
        said = before.wanted.get("currency") if before else None
        return said is None or said == print_of_text(currency_of(row.offer))

    def mark(self, own: Offer, target: Offer) -> int:
        """The mark of what the source has of it; 0 where that is not plain."""
        source, there = own.values, target.values
        if self.kind == "variant" and not _is_shown(source, there):
            return 0
        layout = self._layout(source, there)
        if layout.named and not str(source[layout.named]).strip():
            return 0
        words = ""
        if specials := source.get("specials"):
            if not self._are_plain(specials):
                return 0
            words = ";".join([f"{one.money.amount} {one.money.currency} {one.start} {one.end}" for one in specials])
        try:
            packed = marshal.dumps((layout.texts(source), *map(str, layout.numbers(source)), words), 2)
        except ValueError:  # a value of a type that is nowhere promised
            return 0
        return zlib.crc32(packed, layout.salt) << 32 | zlib.adler32(packed)

    def _are_plain(self, specials: Sequence[Any]) -> bool:
        if not self._beside:
            return False
        at = self._at
        return all(one.end is None or one.end > at for one in specials)

    def _layout(self, source: Values, there: Values) -> _Layout:
        """How rows with such fields are compared: of most systems all rows have the same ones."""
        last = self._last
        if last is not None and source.keys() == last.source_keys and there.keys() == last.there_keys:
            return last
        names = (tuple(source), tuple(there))
        found = self._layouts.get(names)
        if found is None:
            found = self._layouts[names] = _Layout(self, source, there)
        self._last = found
        return found


class _Layout:
    """The fields that the source tells, and those of them that the target tells, too."""

    def __init__(self, glance: Glance, source: Values, there: Values) -> None:
        self.source_keys, self.there_keys = source.keys(), there.keys()
        wanted = {name: origin for name, origin in glance.fields.items() if origin in source}
        self.lacking = frozenset(origin for origin in glance.fields.values() if origin not in source)
        self.untold = frozenset(name for name in wanted if name not in there)
        self.rooted = wanted["category"] if glance.root and "category" in wanted and "category" in there else ""
        told = [name for name in wanted if name in there and not (self.rooted and name == "category")]
        self.mine, self.theirs = taking([wanted[name] for name in told]), taking(told)
        self.named = wanted.get("name", "")
        priced = any(map(is_price, wanted))
        self.priced = glance.holds and priced and "currency" not in wanted
        self.absent = bool(self.lacking or self.untold)
        self.odd = bool(self.named or self.rooted or self.priced or self.untold or glance.kind == "variant")
        # for the mark: also the currency, of which a fingerprint is kept beside those of prices
        beside = ["currency"] if priced and "currency" in source and "currency" not in wanted.values() else []
        numbers = [origin for name, origin in wanted.items() if _is_number(origin)]
        texts = [origin for origin in wanted.values() if not _is_number(origin) and origin != "specials"]
        self.texts, self.numbers = taking([*texts, *beside]), taking(numbers)
        words = (_EDITION, glance.kind, sorted(wanted.items()), glance.root, beside)
        self.salt = zlib.crc32(repr(words).encode("utf-8", "surrogatepass"))


def _is_shown(source: Values, there: Values) -> bool:
    return source.get("published", True) is True and there.get("published") is not False


def _is_number(name: str) -> bool:
    return name in MEASURES or (is_price(name) and name != "specials")


def taking(names: Sequence[str]) -> Take:
    """A function that takes these values of a mapping at once, as a tuple. Raises KeyError."""
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda values: (values[names[0]],)) if names else (lambda _values: ())
