"""Stock levels are set: absolute, by warehouse; what is so already is left alone, as every write is a document.

``PUT /offers/stocks`` brings what lies in one warehouse to a quantity by a movement of goods. What is reserved there is
KeyCRM's own, and stays: a level that may be *sold* is written with the warehouse's reserve on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.api import NOT_SHOWN, Held, Refused, RowOutcome, StockTarget, SystemEnv, T, Transient
from plugins.systems.keycrm.mapping import Balance, Warehouses, with_reserve
from plugins.systems.keycrm.reading import STOCKS, Reader
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.updating import LOOKS, apart, number_of


@dataclass(frozen=True)
class _Level:
    """One row while it is worked off."""

    place: int
    offer: int
    warehouse: int
    quantity: Decimal  #: what is to lie there


class StockWriter:
    """Works off the targets of one call."""

    def __init__(self, reader: Reader, env: SystemEnv) -> None:
        self.reader, self.env = reader, env
        self.outcomes: dict[int, RowOutcome] = {}

    def run(self, targets: Sequence[StockTarget]) -> list[RowOutcome]:
        """One outcome for each, in order. Raises Refused and Transient that struck before anything was done."""
        if not targets:
            return []
        try:
            warehouses = self.reader.warehouses()
            for places in apart([[f"{one.offer.id}\0{one.warehouse}"] for one in targets]):
                self._some([(place, targets[place]) for place in places], warehouses)
        except (Refused, Transient) as error:
            if not any(one.error is None and not one.existed for one in self.outcomes.values()):
                raise
            return [self.outcomes.get(place, RowOutcome(error=error)) for place in range(len(targets))]
        return [self.outcomes[place] for place in range(len(targets))]

    def _some(self, targets: Sequence[tuple[int, StockTarget]], warehouses: Warehouses) -> None:
        numbers = {number for _place, one in targets if (number := _number(one)) is not None}
        balances = self.reader.balances(numbers)
        todo: dict[int, list[_Level]] = {}
        for place, target in targets:
            try:
                level = self._planned(place, target, balances, warehouses)
            except Held as error:
                self.outcomes[place] = RowOutcome(error=error)
                continue
            if balances[level.offer].place(level.warehouse).quantity == level.quantity:
                self.outcomes[place] = RowOutcome((target.offer.id,), existed=True)
            else:
                todo.setdefault(level.warehouse, []).append(level)
        for warehouse, levels in todo.items():
            self._put(warehouse, levels)
        written = [level for levels in todo.values() for level in levels if level.place not in self.outcomes]
        if written and self.reader.settings.read_back:
            self._read_back(written)
        for level in written:
            self.outcomes.setdefault(level.place, RowOutcome((str(level.offer),)))

    def _planned(
        self, place: int, target: StockTarget, balances: Mapping[int, Balance], warehouses: Warehouses
    ) -> _Level:
        quantity = target.quantity
        if not quantity.is_finite() or quantity < 0 or quantity >= 10**12:
            raise held(T("A stock of {value} cannot be.", value=str(quantity)[:40]))
        warehouse = self._warehouse(target.warehouse, warehouses)
        number = _number(target)
        balance = balances.get(number) if number is not None else None
        if number is None or balance is None:
            raise held(T("KeyCRM keeps no stock of offer {id}.", id=target.offer.id), code="keycrm-gone")
        if balance.places is None:
            raise held(
                T("KeyCRM does not tell its stock by warehouse."),
                T("Look whether stock keeping is switched on in the account."),
                code="keycrm-no-details",
            )
        return _Level(
            place, number, warehouse, with_reserve(quantity, balance.place(warehouse), on_hand=target.on_hand)
        )

    def _warehouse(self, code: str, known: Warehouses) -> int:
        if code in known.ids:
            return known.ids[code]
        if not code and len(known.ids) == 1:
            return next(iter(known.ids.values()))
        hint = T("It has: {names}.", names=", ".join(sorted(known.ids)) or "—")
        if not code:
            raise held(
                T("KeyCRM has several warehouses, or none that anything lies in."), hint, code="keycrm-warehouse"
            )
        raise held(T("KeyCRM has no warehouse {name}.", name=code), hint, code="keycrm-warehouse")

    def _put(self, warehouse: int, levels: Sequence[_Level]) -> None:
        rows = [{"id": level.offer, "quantity": level.quantity} for level in levels]
        self.reader.changed_stock()
        errors = self.reader.client.bulk(STOCKS, "stocks", rows, {"warehouse_id": warehouse})
        for level, error in zip(levels, errors, strict=True):
            if error is not None:
                self.outcomes[level.place] = RowOutcome(error=error)

    def _read_back(self, written: Sequence[_Level]) -> None:
        left = list(written)
        for wait in LOOKS:
            if not left:
                return
            if wait:
                self.env.clock.sleep(wait)
            there = self.reader.balances({level.offer for level in left})
            left = [level for level in left if not _arrived(level, there)]
        for level in left:
            self.outcomes[level.place] = RowOutcome(
                error=Transient(
                    T("KeyCRM has accepted the change, and does not show it yet."),
                    code=NOT_SHOWN,
                    hint=T("It is compared again at the next run."),
                )
            )


def _arrived(level: _Level, there: Mapping[int, Balance]) -> bool:
    return level.offer in there and there[level.offer].place(level.warehouse).quantity == level.quantity


def _number(target: StockTarget) -> int | None:
    is_product, number = number_of(target.offer.id)
    return None if is_product else number
