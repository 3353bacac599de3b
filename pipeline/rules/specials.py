"""Which of several special prices holds when: rules with priorities become a timeline of disjoint special prices.

Shops keep special prices as rules that may overlap: each has a priority, a price, and dates. A CRM, and an Offer, have
one price for each moment. Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pipeline.model import Money, SpecialPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialCandidate:
    """One rule: ``price`` from ``start`` inclusive to ``end`` exclusive (None is open), if no better rule holds.

    ``rank`` is what a shop compares rules of one priority by, where that is not their price (a percentage, say).
    """

    price: Money
    priority: int = 0
    start: datetime | None = None
    end: datetime | None = None
    rank: Decimal | None = None

    @property
    def order(self) -> tuple[int, Decimal, Decimal]:
        """The lowest wins."""
        return self.priority, self.price.amount if self.rank is None else self.rank, self.price.amount


def timeline(candidates: Iterable[SpecialCandidate]) -> tuple[SpecialPrice, ...]:
    """The price that holds at each moment, as disjoint special prices in their order.

    At any moment the rule with the lowest priority wins, and of one priority that with the lowest price (or rank).
    Neighbours of one price are one; a rule that ends before it begins, or as it begins, is none. Dates are aware.
    Raises ValueError for prices of several currencies.
    """
    rules = [one for one in candidates if one.start is None or one.end is None or one.start < one.end]
    if len({one.price.currency for one in rules}) > 1:
        raise ValueError("special prices of several currencies do not compare")
    # those without a start first; the number keeps equals in their order, and rules out of comparisons
    waiting = sorted(enumerate(rules), key=lambda pair: (pair[1].start is not None, pair[1].start or _ANY))
    moments = sorted({at for one in rules for at in (one.start, one.end) if at is not None})
    made: list[SpecialPrice] = []
    running: list[tuple[tuple[int, Decimal, Decimal], int, SpecialCandidate]] = []
    next_rule = 0
    for at, until in zip([None, *moments], [*moments, None], strict=True):
        while next_rule < len(waiting) and _begun(waiting[next_rule][1], at):
            number, rule = waiting[next_rule]
            heapq.heappush(running, (rule.order, number, rule))
            next_rule += 1
        while running and at is not None and (end := running[0][2].end) is not None and end <= at:
            heapq.heappop(running)
        if not running:
            continue
        price = running[0][2].price
        if made and made[-1].money == price and made[-1].end == at and at is not None:
            made[-1] = SpecialPrice(price, made[-1].start, until)
        else:
            made.append(SpecialPrice(price, at, until))
    return tuple(made)


_ANY = datetime.min  # noqa: DTZ901  # stands for a start that is not there: never compared with an aware one


def _begun(rule: SpecialCandidate, at: datetime | None) -> bool:
    return rule.start is None or (at is not None and rule.start <= at)
