"""Stock by office: levels told, and levels set and looked at again.

A total is told only where rests by office are not, so that nothing is counted twice. What is sent as a level may be put
in the place of the one before or added to it, by the account (``stock_write``): each write is looked at, and the first
level that comes out added is put right before anything else is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.api import Held, InDoubt, Offer, Ref, Refused, RowOutcome, StockLevel, StockTarget, T, Who, row_by_row
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.catalogue import gone, material
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.goods import MATERIALS, Goods
from plugins.systems.keepincrm.paging import FilterRefused, Params, Row
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.writing import refused

ZERO = Decimal(0)
TOTAL = ""  #: the warehouse of a total


class Offices:
    """Stock of one session."""

    def __init__(self, api: KeepinApi, settings: KeepinSettings, goods: Goods) -> None:
        self._api, self._settings, self._goods = api, settings, goods
        self._named = {str(office.id): name for name, office in settings.all_offices().items()}
        self._adds = settings.stock_write == "add"
        self._trusted = False  #: it was seen in this session that a level which is sent is set
        self._stopped: Refused | None = None
        self._apart = False  #: it was seen that the account really tells the stock of one office when it is asked so

    # --- reading -----------------------------------------------------------------------------------------------------

    def named(self) -> Sequence[Ref]:
        """The offices that the config names."""
        return [Ref(own, name, name) for own, name in self._named.items()]

    def warehouses(self) -> Sequence[Ref]:
        """The offices that the config names, and those that were seen. Raises Refused, Transient."""
        if not self._named:
            self._goods.known()
        seen = {key for row in self._goods.seen().values() for key in rests(row) or ()}
        return [*self.named(), *(Ref(own, own, own) for own in sorted(seen - self._named.keys()))]

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        """A level for each material and office; of a material whose rests are not told by office, its total."""
        apart: list[Row] = []
        for row in self._goods.rows("levels", since):
            by_office = rests(row)
            if by_office is None and self._named:
                apart.append(row)
                continue
            yield from self._of(row, by_office or {})
        if apart:
            yield from self._asked_apart(apart)

    def _of(self, row: Row, by_office: Mapping[str, Decimal | None]) -> Iterator[StockLevel]:
        own, sku = v.text(row["id"]), v.text(row.get("sku"))
        total = total_of(row)
        if not by_office and (total or not self._named):
            if total is not None:
                yield StockLevel(sku, TOTAL, total, offer=own)
            return
        for office, rest in {**dict.fromkeys(self._named, ZERO), **by_office}.items():
            if rest is not None:  # what cannot be read is not known, and nothing is sold out for it
                yield StockLevel(sku, self._named.get(office, office), rest, offer=own)

    def _asked_apart(self, rows: Sequence[Row]) -> Iterator[StockLevel]:
        """Rests that lists do not tell by office: the list of each office. Raises Refused when it is no such list."""
        totals = {v.text(row["id"]): total_of(row) or ZERO for row in rows}
        found: dict[str, dict[str, Decimal]] = {}
        for office in self._named:
            told = self._api.rows(MATERIALS, (("office_id", office),))
            found[office] = {v.text(row["id"]): total_of(row) or ZERO for row in told}
        filled = [own for own, total in totals.items() if total]
        if len(found) > 1 and filled and all(by.get(own) == totals[own] for by in found.values() for own in filled):
            raise _not_by_office()
        for row in rows:
            own = v.text(row["id"])
            for office, by in found.items():
                yield StockLevel(v.text(row.get("sku")), self._named[office], by.get(own, ZERO), offer=own)

    # --- writing -----------------------------------------------------------------------------------------------------

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Set each level. See ApplyStock."""
        return row_by_row(targets, self._set)

    def _set(self, target: StockTarget) -> RowOutcome:
        if self._stopped is not None:
            raise self._stopped
        if not target.quantity.is_finite() or target.quantity < 0:
            raise refused("value", T("{cell} is below 0.", cell=str(target.quantity)), field="stock")
        office = self._office(target.warehouse)
        path = material(target.offer)
        before: Decimal | None = None
        if self._adds or not self._trusted:
            before = self._level(target.offer, path, office)
            if before == target.quantity:
                return RowOutcome(existed=True)
        adds = self._adds and office != TOTAL
        self._goods.forget()
        try:
            number = target.quantity - (before or ZERO) if adds else target.quantity
            after = self._sent(target.offer, path, office, number)
        except InDoubt:
            after = self._level(target.offer, path, office)
            if after != target.quantity:
                raise
        if after == target.quantity:
            # a level of its own is put in the place of the one before: that was seen, and may be relied on
            self._trusted = self._trusted or (not adds and bool(before) and bool(target.quantity))
            return RowOutcome((target.offer.id,))
        if office and not adds and before is not None and after == before + target.quantity:
            self._put_right(target, path, office, after)
        raise refused(
            "not-kept",
            T("The CRM did not keep the stock: it shows {there} instead of {sent}.", there=after, sent=target.quantity),
            T("Where stock is kept by documents, it cannot be set from outside: ask in the CRM."),
            field="stock",
            who=Who.ADMIN,
        )

    def _put_right(self, target: StockTarget, path: str, office: str, after: Decimal) -> None:
        """The account adds: take off what came too much, and write nothing more. Raises Refused."""
        try:
            mended = self._sent(target.offer, path, office, target.quantity - after)
        except (Held, InDoubt):
            mended = after
        words = T("The account adds a level to the one before: {title} showed {there} instead of {sent}.",
                  title=target.offer.title, there=after, sent=target.quantity)  # fmt: skip
        if mended == target.quantity:
            words = T("{words} It was put right at once.", words=words)
        self._stopped = Refused(words, code="keepin-stock-adds", hint=T("Set `stock_write: add` of the connection."))
        raise self._stopped

    def _office(self, warehouse: str) -> str:
        """The number of an office; "" for the total of an account without any. Raises Held."""
        offices = self._settings.all_offices()
        if warehouse in offices:
            return str(offices[warehouse].id)
        known = {ref.code: ref.id for ref in self.warehouses()} if warehouse or not offices else {}
        if warehouse in known:
            return known[warehouse]
        if not warehouse:
            every = [str(office.id) for office in offices.values()] or list(known.values())
            if len(every) <= 1:
                return every[0] if every else TOTAL
            raise refused(
                "office", T("The account has several offices, and the level names none."),
                T("Write `warehouses` into the step."), field="warehouse", who=Who.ADMIN,
            )  # fmt: skip
        raise refused(
            "office", T("The account has no office {name}.", name=warehouse),
            T("Add it to `offices` of the connection, with its number."), field="warehouse", who=Who.ADMIN,
        )  # fmt: skip

    def _level(self, offer: Offer, path: str, office: str) -> Decimal:
        row = self._api.one(path)
        if row is None:
            raise gone(offer)
        level = level_in(row, office)
        if level is None and office and rests(row) is None:
            if not self._apart:
                total = total_of(row) or ZERO
                levels = [self._listed(offer, one) for one in self._named]
                if len(levels) > 1 and total and all(level == total for level in levels):
                    raise _not_by_office()
                self._apart = bool(total)
            return self._listed(offer, office)
        if level is None:
            raise refused(
                "value", T("The CRM shows a stock that cannot be read: {title}.", title=offer.title), field="stock"
            )
        return level

    def _listed(self, offer: Offer, office: str) -> Decimal:
        """The level by the list of one office, where a material alone does not tell it."""
        asked: Params = (("office_id", office), ("q[id_eq]", offer.id), ("page", "1"))
        try:
            rows: Iterable[Row] = self._api.page(MATERIALS, asked).rows
        except FilterRefused:
            rows = ()
        found = next((row for row in rows if v.text(row["id"]) == offer.id), None)
        if found is None:  # the account does not listen to that filter
            told = self._api.rows(MATERIALS, asked[:1])
            found = next((row for row in told if v.text(row["id"]) == offer.id), None)
        if found is None:
            raise gone(offer)
        return total_of(found) or ZERO

    def _sent(self, offer: Offer, path: str, office: str, number: Decimal) -> Decimal:
        """Send it; the level that is there then."""
        body: dict[str, Any] = {"available": number}
        if office:
            body = {"stock_rests_attributes": [{"office_id": int(office), "available": number}]}
        # until it was seen that a level is set, a second one might be added to the first
        answer = self._api.change(path, body, absolute=self._trusted)
        if answer is None:
            raise gone(offer)
        after = level_in(answer, office)
        return self._level(offer, path, office) if after is None else after


def rests(row: Row) -> dict[str, Decimal | None] | None:
    """``stock_rests`` by the office's number, None for what cannot be read. None: they are not told."""
    told = row.get("stock_rests")
    if isinstance(told, Mapping):
        pairs = [(v.text(key), one.get("available") if isinstance(one, Mapping) else one) for key, one in told.items()]
    elif isinstance(told, Sequence) and not isinstance(told, str):
        pairs = [(v.text(one.get("office_id")), one.get("available")) for one in told if isinstance(one, Mapping)]
    else:
        return None
    found: dict[str, Decimal | None] = {}
    for office, rest in pairs:
        number, before = _number(rest), found.get(office, ZERO)
        found[office] = None if number is None or before is None else before + number
    return found


def total_of(row: Row) -> Decimal | None:
    """``stock_available`` of a list, ``available`` of one."""
    return next(
        (number for name in ("stock_available", "available") if (number := _number(row.get(name))) is not None), None
    )


def level_in(row: Row, office: str) -> Decimal | None:
    """The level that a row shows; None when it does not tell it, or not so that it can be read."""
    if not office:
        return total_of(row)
    told = rests(row)
    return None if told is None else told.get(office, ZERO)


def _not_by_office() -> Refused:
    return Refused(
        T("The account tells the same stock for every office: it does not tell it by office."),
        code="keepin-offices",
        hint=T("Take `offices` out of the connection: the total is told then."),
    )


def _number(value: object) -> Decimal | None:
    try:
        return v.number(value)
    except ValueError:
        return None
