"""Writes prices, special prices, whether a product is shown, and stock: what is so already is left alone.

Written are the product's own row, the special prices of the one customer group, and, where a product has one option
that makes its variants, the price and quantity of that option's values. What a shop cannot keep (a price or a stock
for a combination of several options) is Held with the reason, never written nearly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.api import (
    Held,
    MistokError,
    OfferChange,
    Refused,
    RowOutcome,
    SpecialCandidate,
    SpecialPrice,
    StockTarget,
    T,
    Text,
    Transient,
    timeline,
)
from plugins.systems.opencart.goods import Item, View
from plugins.systems.opencart.mapping import ZERO, clock_of, day_of, days_of, midnight, price_of
from plugins.systems.opencart.pages import Bundle, Reader
from plugins.systems.opencart.shop import Tables
from plugins.systems.opencart.variants import ANY_OF, Value

if TYPE_CHECKING:
    from sqlalchemy import Connection

WRITES = frozenset({"price", "specials", "published"})
_FINEST = Decimal("0.0001")
Write = Callable[["Connection"], None]
Row = TypeVar("Row", OfferChange, StockTarget)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes into one shop's goods."""

    reader: Reader
    view: View

    def update(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """See :class:`pipeline.api.ApplyCatalogue`. A product before its variants, since their prices build on it."""
        return self._each(changes, self._plan_change)

    def stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """See :class:`pipeline.api.ApplyStock`."""
        return self._each(targets, self._plan_stock)

    # --- row by row --------------------------------------------------------------------------------------------------

    def _each(self, rows: Sequence[Row], plan: Callable[[Row, Item, list[Item]], list[Write]]) -> Sequence[RowOutcome]:
        """An outcome for each row, in order. What strikes all rows is raised while none is written, else told of each
        that is left."""
        by_product: dict[str, list[int]] = {}
        for n, row in enumerate(rows):
            by_product.setdefault(row.offer.product or row.offer.id, []).append(n)
        outcomes: dict[int, RowOutcome] = {}
        bundles = self.reader.some(int(one) for one in by_product if one.isdecimal())
        strike: MistokError | None = None
        for product, numbers in by_product.items():
            bundle = bundles.get(int(product)) if product.isdecimal() else None
            for n in sorted(numbers, key=lambda n: rows[n].offer.kind == "variant"):
                if strike is not None:
                    outcomes[n] = RowOutcome(error=strike)
                    continue
                try:
                    existed = self._one(rows[n], bundle, plan)
                    outcomes[n] = RowOutcome(ids=(rows[n].offer.id,), existed=existed)
                    if not existed and isinstance(rows[n], OfferChange) and rows[n].offer.kind != "variant":
                        # variants are priced by what they add to it
                        bundle = self.reader.some([int(product)], settled=True).get(int(product))
                except Held as error:
                    outcomes[n] = RowOutcome(error=error)
                except (Transient, Refused) as error:
                    if not any(outcome.error is None for outcome in outcomes.values()):
                        raise
                    strike = error
                    outcomes[n] = RowOutcome(error=error)
        return [outcomes[n] for n in range(len(rows))]

    def _one(self, row: Row, bundle: Bundle | None, plan: Callable[[Row, Item, list[Item]], list[Write]]) -> bool:
        """Write one row; whether it was so already. Raises Held, Transient, Refused."""
        items = self.view.items(bundle) if bundle is not None else []
        item = next((one for one in items if one.offer.id == row.offer.id), None)
        if item is None:
            raise _held(T("{name} is not in the shop any more.", name=row.offer.title), code="gone")
        writes = plan(row, item, items)
        if not writes:
            return True

        def work(connection: Connection) -> None:
            for write in writes:
                write(connection)

        self.reader.database.write(work)
        return False

    # --- prices ------------------------------------------------------------------------------------------------------

    def _plan_change(self, change: OfferChange, item: Item, items: list[Item]) -> list[Write]:
        foreign = sorted(change.values.keys() - WRITES)
        if foreign:
            raise _held(
                T("{name}: this connection does not write {fields}.", name=item.offer.title, fields=", ".join(foreign))
            )
        writes: list[Write] = []
        for name, plan in (("price", self._price), ("specials", self._specials), ("published", self._published)):
            if name in change.values:
                writes += plan(change.values[name], item, items)
        if writes:
            writes.append(self._product(item.bundle, {"date_modified": self._stamp()}))
        return writes

    def _price(self, price: object, item: Item, items: list[Item]) -> list[Write]:
        if not isinstance(price, Decimal) or price < 0:
            raise _held(T("{name}: a shop's price is a number from 0 on, not {value}.", name=item.offer.title,
                          value="—" if price is None else str(price)))  # fmt: skip
        if item.offer.values["price"] == price:
            return []
        price = price.quantize(_FINEST, ROUND_HALF_UP)
        free = self._free(item)
        if not free:
            own = price - item.chosen.surcharge
            if own < 0:
                raise _held(T("{name}: its options alone cost more than {price}.", name=item.offer.title, price=price))
            return [self._product(item.bundle, {"price": own})]
        value = self._only_value(item, items)
        if value is None:
            raise _held(
                T("{name}: the shop adds its price up of several options, and cannot keep one for it alone.",
                  name=_named(item)),
                T("Change the prices of the option values in the shop's admin."),
            )  # fmt: skip
        fixed = item.chosen.surcharge - value.price
        added = price - (price_of(item.bundle.row["price"]) or ZERO) - fixed
        return [self._value(value, {"price": abs(added), "price_prefix": "-" if added < 0 else "+"})]

    def _specials(self, specials: object, item: Item, _items: list[Item]) -> list[Write]:
        facts, name = self.view.facts, _named(item)
        wanted = self._in_days(tuple(specials) if isinstance(specials, (tuple, list)) else (), name)
        if timeline(self._candidates(wanted)) == item.offer.values["specials"]:
            return []
        if self._free(item):
            raise _held(
                T("{name}: the shop keeps special prices for a product, not for one of its variants.", name=name)
            )
        tables = self.reader.tables
        rows = []
        for amount, start, end in wanted:
            own = (amount - item.chosen.surcharge).quantize(_FINEST, ROUND_HALF_UP)
            if own < 0:
                raise _held(T("{name}: its options alone cost more than {price}.", name=name, price=amount))
            row = {"product_id": item.bundle.id, "customer_group_id": facts.group, "priority": 1, "price": own,
                   "date_start": start, "date_end": end}  # fmt: skip
            if tables.has(tables.special, "special"):
                row |= {"special": 1, "quantity": 1, "type": "F"}
            rows.append(row)
        key = f"{tables.special}_id"
        old = [row[key] for row in item.bundle.specials]

        def work(connection: Connection) -> None:
            table = tables[tables.special]
            # the new ones first: on MyISAM a visitor may look in between
            if rows:
                connection.execute(table.insert(), rows)
            if old:
                connection.execute(table.delete().where(table.c[key].in_(old)))

        return [work]

    def _in_days(self, specials: Iterable[Any], name: str) -> list[tuple[Decimal, str, str]]:
        """(amount, date_start, date_end) of each; Held for what the shop cannot keep."""
        facts = self.view.facts
        made = []
        for special in specials:
            if not isinstance(special, SpecialPrice) or special.money.amount < 0:
                raise _held(T("{name}: a special price is a number from 0 on.", name=name))
            if special.money.currency != facts.currency:
                raise _held(
                    T("{name}: the shop's prices are in {own}, not in {other}.", name=name, own=facts.currency,
                      other=special.money.currency)
                )  # fmt: skip
            days = days_of(special, facts.zone)
            if days is None:
                raise _held(
                    T("{name}: the shop keeps special prices for whole days, and this one begins or ends within one.",
                      name=name),
                    T("Let it begin and end at midnight of the shop's time zone ({zone}).", zone=str(facts.zone)),
                )  # fmt: skip
            made.append((special.money.amount, *days))
        return made

    def _candidates(self, wanted: Iterable[tuple[Decimal, str, str]]) -> Iterable[SpecialCandidate]:
        from pipeline.api import Money

        facts = self.view.facts
        for amount, start, end in wanted:
            yield SpecialCandidate(
                price=Money(amount, facts.currency), start=midnight(start, facts.zone), end=midnight(end, facts.zone)
            )

    def _published(self, shown: object, item: Item, items: list[Item]) -> list[Write]:
        if not isinstance(shown, bool):
            raise _held(T("{name}: it is shown to buyers, or it is not.", name=item.offer.title))
        one = item if "published" in item.offer.values else items[0]
        if one.offer.values["published"] == shown:
            return []
        if self._free(item):
            raise _held(T("{name}: the shop shows a product or hides it, not one of its variants.", name=_named(item)))
        if not shown:
            return [self._product(item.bundle, {"status": 0})]
        columns: dict[str, Any] = {"status": 1}
        today = self.view.now.astimezone(self.view.facts.zone).date()
        day = day_of(item.bundle.row["date_available"])
        if day is not None and day > today:
            columns["date_available"] = today.isoformat()
        return [self._product(item.bundle, columns)]

    # --- stock -------------------------------------------------------------------------------------------------------

    def _plan_stock(self, target: StockTarget, item: Item, items: list[Item]) -> list[Write]:
        name, quantity = _named(item), target.quantity
        if target.warehouse:
            raise _held(T("{name}: the shop has no warehouse {code}, it has one stock.", name=name,
                          code=target.warehouse))  # fmt: skip
        if quantity < 0:
            raise _held(T("{name}: a stock is a number from 0 on, not {value}.", name=name, value=quantity))
        if quantity != quantity.to_integral_value():
            if self.view.settings.fractions == "hold":
                raise _held(
                    T("{name}: the shop counts whole pieces, and cannot keep {value}.", name=name,
                      value=quantity),
                    T("Set `fractions: down` to write the whole number below it."),
                )  # fmt: skip
            quantity = quantity.to_integral_value(ROUND_FLOOR)
        if item.on_hand is None:
            raise _held(T("{name}: its stock is that of its variants.", name=name))
        free = self._free(item)
        # a sibling's row of this same call may raise the product's quantity, so that a value's own has to be right
        kept = all(value.quantity == quantity for value in free if value.subtract)
        if item.on_hand == quantity and kept:
            return []
        if not free:
            short = [value.name for value in item.chosen.values if value.subtract and value.quantity < quantity]
            if short:
                raise _held(T("{name}: there are fewer of its option {option} in the shop.", name=name,
                              option=", ".join(short)))  # fmt: skip
            return [self._product(item.bundle, {"quantity": int(quantity)})]
        value = self._only_value(item, items)
        if value is None or not value.subtract:
            raise _held(
                T("{name}: the shop keeps no stock for it alone, but for each of its option values, or for the "
                  "product.", name=name),
                T("Where stock differs by variant, let the products have one option whose values subtract."),
            )  # fmt: skip
        return [self._value(value, {"quantity": int(quantity)}), self._sum(item, items)]

    def _sum(self, item: Item, items: list[Item]) -> Write:
        """Bring the product's quantity, which a sale of any variant lowers too, to what its values have together."""
        alone = items[0].on_hand is not None  # it is sold without options as well: then it has a quantity of its own
        endless = any(not value.subtract for one in items for value in one.chosen.values)

        def work(connection: Connection) -> None:
            from sqlalchemy import func, select

            tables = self.reader.tables
            value, product = tables["product_option_value"], tables["product"]
            one = value.c["product_option_value_id"].in_([v.row for i in items for v in i.chosen.values])
            whole = select(func.sum(func.greatest(value.c["quantity"], 0))).where(one).scalar_subquery()
            total = func.greatest(product.c["quantity"], whole) if endless else whole
            connection.execute(
                product.update().where(product.c["product_id"] == item.bundle.id).values({"quantity": total})
            )

        return (lambda _: None) if alone else work

    # --- where it is kept --------------------------------------------------------------------------------------------

    def _free(self, item: Item) -> tuple[Value, ...]:
        """The option values that make the variant where it has no row of its own; none where it has one."""
        return item.chosen.values if ":" in item.offer.id else ()

    def _only_value(self, item: Item, items: list[Item]) -> Value | None:
        """The one value that makes this variant and no other; None where several options, or ticks, make it."""
        makers = {option.id: option for one in items for option, values in one.chosen.chosen if values}
        values = item.chosen.values
        if len(makers) != 1 or len(values) != 1 or next(iter(makers.values())).kind == ANY_OF:
            return None
        return values[0]

    def _product(self, bundle: Bundle, columns: Mapping[str, Any]) -> Write:
        return self._row(self.reader.tables, "product", "product_id", bundle.id, columns)

    def _value(self, value: Value, columns: Mapping[str, Any]) -> Write:
        return self._row(self.reader.tables, "product_option_value", "product_option_value_id", value.row, columns)

    @staticmethod
    def _row(tables: Tables, name: str, key: str, number: int, columns: Mapping[str, Any]) -> Write:
        def work(connection: Connection) -> None:
            table = tables[name]
            connection.execute(table.update().where(table.c[key] == number).values(dict(columns)))

        return work

    def _stamp(self) -> str:
        return clock_of(self.view.now, self.view.facts.zone)


def _named(item: Item) -> str:
    options = ", ".join(item.chosen.options.values())
    return f"{item.offer.title} ({options})" if options else item.offer.title


def _held(text: Text, hint: Text | None = None, code: str = "shop-cannot") -> Held:
    return Held(text, hint=hint, code=code)
