"""Prices and stock of matched things that are not in the target as a step would have them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.engine.sync.match import Match
from pipeline.engine.sync.plan import other_currencies
from pipeline.engine.sync.prints import same
from pipeline.engine.sync.rows import values_for
from pipeline.engine.sync.stock import sellable_by_warehouse
from pipeline.model import Offer, StockLevel
from pipeline.ports import OfferTraits
from pipeline.rules.stock import without_totals
from pipeline.syncing import CatalogueSyncSettings, StockSyncSettings, is_price


@dataclass(frozen=True, slots=True)
class Apart:
    """A field that differs between a thing of the source and one of the target."""

    article: str
    name: str
    own: str  #: id in the source
    there: str  #: id in the target
    field: str
    ours: Any
    theirs: Any


def prices_apart(
    pairs: Iterable[Match], settings: CatalogueSyncSettings, traits: OfferTraits, at: datetime
) -> list[Apart]:
    """Prices, and currencies, at the moment ``at``; ``traits`` are the target's."""
    found = []
    for pair in pairs:
        for target in pair.targets:
            wanted = values_for(pair.row.offer, settings, _compared(target, traits), traits, at)
            two = {name: (value, target.values[name]) for name, value in wanted.items()}
            others = other_currencies(pair.row.offer, target) if settings.other_currency == "hold" else None
            if wanted and others:
                two["currency"] = others
            found += [
                _apart(pair, target, name, ours, theirs)
                for name, (ours, theirs) in two.items()
                if not same(ours, theirs)
            ]
    return found


def _apart(pair: Match, target: Offer, name: str, ours: Any, theirs: Any) -> Apart:
    return Apart(pair.row.article, target.title, pair.row.offer.id, target.id, name, ours, theirs)


def _compared(target: Offer, traits: OfferTraits) -> frozenset[str]:
    """The prices that the target tells, and takes where it takes any: what it does not take no job could mend."""
    if target.kind == "base":
        return frozenset()  # the prices are those of its variants
    told = frozenset(name for name in target.values if is_price(name))
    taken = frozenset(name for name in traits.writes if is_price(name)) or told
    return (told & taken) - (traits.fixed if target.kind == "variant" else frozenset())


def stock_apart(
    pairs: Iterable[Match],
    levels: Iterable[StockLevel],
    there: Mapping[tuple[str, str], Decimal | None],
    settings: StockSyncSettings,
    members: Mapping[str, str],
) -> list[Apart]:
    """Levels of the source against those of the target (see ``levels_there``).

    Args:
        members: of the source, see ``sellable_by_warehouse``.
    """
    wanted, _ = sellable_by_warehouse(levels, settings, members)
    found: list[Apart] = []
    for pair in pairs:
        for offer in pair.targets:
            if offer.kind == "base":
                continue  # the stock is that of its variants
            for warehouse, own in wanted.get(pair.row.offer.id, {}).items():
                theirs = there.get((offer.id, warehouse), Decimal(0))
                if theirs != own:
                    name = f"stock {warehouse}" if warehouse else "stock"
                    found.append(_apart(pair, offer, name, own, theirs))
    return found


def levels_there(
    levels: Iterable[StockLevel], settings: StockSyncSettings, members: Mapping[str, str]
) -> dict[tuple[str, str], Decimal | None]:
    """(offer id of the target, warehouse) -> what it has, all together where the step names no warehouses; None where
    it does not count. Levels of variants are their base's, by ``members`` (id of a variant -> id of its base)."""
    by_offer: dict[str, list[StockLevel]] = defaultdict(list)
    for level in levels:
        by_offer[level.offer or level.code].append(level)
    found: dict[tuple[str, str], Decimal | None] = {}
    for name, own in by_offer.items():
        if settings.warehouses:
            found |= {(name, one.warehouse): _left([one], settings) for one in own}
        else:
            found[name, ""] = _left(without_totals(own), settings)
    return _together(found, members)


def _left(levels: Sequence[StockLevel], settings: StockSyncSettings) -> Decimal | None:
    counted = [one for one in levels if one.counted]
    reserved = settings.level != "on-hand"
    left = sum((one.on_hand - (one.reserved if reserved else Decimal(0)) for one in counted), Decimal(0))
    return left if counted else None


def _together(
    found: Mapping[tuple[str, str], Decimal | None], members: Mapping[str, str]
) -> dict[tuple[str, str], Decimal | None]:
    """The levels with those of variants counted as their base's, as ``sellable_by_warehouse`` does."""
    some = {name for (name, _), level in found.items() if level is not None and level > 0}
    shared = some & set(members.values())
    whole: dict[tuple[str, str], Decimal | None] = {}
    for (name, warehouse), level in found.items():
        base = members.get(name)
        if base in shared:
            continue
        place = (base or name, warehouse)
        whole[place] = (whole[place] or Decimal(0)) + (level or Decimal(0)) if place in whole else level
    return whole
