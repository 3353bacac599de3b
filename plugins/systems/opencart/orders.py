"""Reads orders, the oldest change first, and writes back what became of them.

When an order changed is told by ``date_modified`` and by its history: 4.1 leaves ``date_modified`` alone when the
status changes. Carts that were never finished have the status 0, and are no orders.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.api import Held, OrderChange, Ref, RowOutcome, SeenOrder, SystemEnv, T, row_by_row
from plugins.systems.opencart.database import Database
from plugins.systems.opencart.goods import Family
from plugins.systems.opencart.mapping import Row, clock_of, moment_of, since_clock, stored_text, text_of
from plugins.systems.opencart.ordering import Desk, OrderRows, chosen_of
from plugins.systems.opencart.settings import OpenCartSettings
from plugins.systems.opencart.shop import Facts, Tables, named
from plugins.systems.opencart.variants import ANY_OF, ONE_OF

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The orders of one store."""

    database: Database
    tables: Tables
    facts: Facts
    settings: OpenCartSettings
    env: SystemEnv
    goods: Callable[[Collection[int]], Mapping[int, Family]]  #: what the catalogue tells of these products

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(
        self, since: datetime | None, until: datetime | None, statuses: Collection[str], overlap: timedelta
    ) -> Iterator[SeenOrder]:
        """Finished orders that changed from ``since`` (less the overlap) until before ``until``, of these statuses."""
        changed = self.database.read(lambda connection: self._changed(connection, since, until, overlap))
        order = sorted(changed, key=lambda one: (changed[one], one))
        for n in range(0, len(order), self.settings.page):
            part = order[n : n + self.settings.page]
            found, countries = self.database.read(partial(self._page, ids=part))
            desk = self._desk(found, countries)
            for one in part:
                rows = found.get(one)
                # looked at again here: a cart may have become an order, or an order have been deleted
                if rows is None or not rows.row["order_status_id"]:
                    continue
                if statuses and str(rows.row["order_status_id"]) not in statuses:
                    continue
                yield desk.read(rows, moment_of(changed[one], self.facts.zone))

    def _changed(
        self, connection: Connection, since: datetime | None, until: datetime | None, overlap: timedelta
    ) -> dict[int, str]:
        """When each order changed, by the shop's clock."""
        from sqlalchemy import func, select

        order, history = self.tables["order"], self.tables["order_history"]
        begin = "" if since is None else since_clock(since, self.facts.zone, overlap)
        # one look at the history: 3.0 has no index by order
        steps = select(history.c["order_id"], func.max(history.c["date_added"])).group_by(history.c["order_id"])
        if begin:
            steps = steps.where(history.c["date_added"] >= begin)
        moved = {int(number): str(at or "") for number, at in connection.execute(steps)}
        asked = select(order.c["order_id"], order.c["date_modified"], order.c["date_added"]).where(
            order.c["order_status_id"] > 0, order.c["store_id"] == self.settings.store
        )
        if begin:
            own = (order.c["date_modified"] >= begin) | (order.c["date_added"] >= begin)
            asked = asked.where(own | order.c["order_id"].in_(sorted(moved)))
        end = "~" if until is None else clock_of(until, self.facts.zone)
        found: dict[int, str] = {}
        for number, *stamps in connection.execute(asked):
            at = max(moved.get(int(number), ""), *(str(one or "") for one in stamps))
            if begin <= at < end:
                found[int(number)] = at
        return found

    def _page(self, connection: Connection, *, ids: Sequence[int]) -> tuple[dict[int, OrderRows], dict[int, str]]:
        """These orders with their rows, and the countries that they name."""
        found = {int(row["order_id"]): OrderRows(row) for row in self._rows(connection, "order", ids, "order_id")}

        def give(name: str, take: Callable[[OrderRows, Row], None], *order: str) -> None:
            for row in self._rows(connection, name, ids, *order):
                if int(row["order_id"]) in found:
                    take(found[int(row["order_id"])], row)

        def option(to: OrderRows, row: Row) -> None:
            to.options.setdefault(int(row["order_product_id"]), []).append(row)

        give("order_product", lambda to, row: to.products.append(row), "order_product_id")
        give("order_option", option, "order_option_id")
        give("order_total", lambda to, row: to.totals.append(row), "sort_order", "order_total_id")
        if self.tables.has("order_voucher"):
            give("order_voucher", lambda to, row: to.vouchers.append(row), "order_voucher_id")
        countries = {
            int(one.row.get(f"{kind}_country_id") or 0) for one in found.values() for kind in ("payment", "shipping")
        }
        return found, self._countries(connection, countries - {0})

    def _rows(self, connection: Connection, name: str, ids: Sequence[int], *order: str) -> list[Row]:
        from sqlalchemy import select

        table = self.tables[name]
        asked = select(table).where(table.c["order_id"].in_(ids)).order_by(*(table.c[one] for one in order))
        return [dict(row) for row in connection.execute(asked).mappings()]

    def _desk(self, found: Mapping[int, OrderRows], countries: Mapping[int, str]) -> Desk:
        return Desk(
            settings=self.settings,
            zone=self.facts.zone,
            own=self.facts.currency,
            client=self.env.currency,
            source=self.settings.source or self.env.name,
            countries=countries,
            languages=self.facts.codes,
            codes=self._codes(found.values()),
        )

    def _countries(self, connection: Connection, ids: Collection[int]) -> dict[int, str]:
        if not ids or not self.tables.has("country", "iso_code_2"):
            return {}
        return {
            int(row["country_id"]): str(row["iso_code_2"] or "").upper()
            for row in _some(connection, self.tables, "country", "country_id", ids)
        }

    def _codes(self, orders: Iterable[OrderRows]) -> dict[int, str]:
        """The articles of items that have another one than the model that stands in the order: as the catalogue tells
        them.

        A variant product of 4.1 stands in an order by its own number, one of 4.0 by its master's with its options.
        """
        kinds = (*ONE_OF, ANY_OF) if self.settings.checkboxes else ONE_OF
        asked: dict[int, tuple[int, Row, list[Row]]] = {}
        for order in orders:
            for row in order.products:
                number = int(row["order_product_id"])
                making = [one for one in order.options.get(number, ()) if str(one["type"]) in kinds]
                if making or row.get("master_id") or self.settings.article != "model":
                    asked[number] = (int(row.get("master_id") or row["product_id"] or 0), row, making)
        goods = self.goods({product for product, _, _ in asked.values()} - {0}) if asked else {}
        return {number: item_code(goods.get(product), row, making) for number, (product, row, making) in asked.items()}

    def statuses(self) -> list[Ref]:
        """All statuses, by number."""

        def work(connection: Connection) -> list[Ref]:
            from sqlalchemy import select

            rows = [dict(row) for row in connection.execute(select(self.tables["order_status"])).mappings()]
            names = named(rows, "order_status_id", self.facts)
            return [Ref(str(one), str(one), names[one]) for one in sorted(names)]

        return self.database.read(work)

    # --- writing -----------------------------------------------------------------------------------------------------

    def apply(self, changes: Sequence[OrderChange]) -> list[RowOutcome]:
        """Write each. What strikes all is raised while none is written, else told of each that is left."""
        known = {ref.id: ref.name for ref in self.statuses()}
        return row_by_row(changes, lambda change: RowOutcome((change.id,), existed=self._one(change, known)))

    def _one(self, change: OrderChange, known: Mapping[str, str]) -> bool:
        """Whether all was so already."""
        if change.status is not None and change.status not in known:
            raise Held(
                T("The shop has no order status {status}.", status=change.status),
                hint=T("It has: {names}.", names=", ".join(f"{one} {name}" for one, name in known.items())),
                code="unknown-status",
            )
        found = self.database.read(lambda connection: self._order(connection, change.id))
        if found is None:
            raise Held(T("The order {number} is not in the shop any more.", number=change.id), code="gone")
        row, history = found
        steps = self._steps(change, row, history)
        if steps is None:
            return True

        def work(connection: Connection) -> None:
            # history first: on MyISAM a crash in between must not leave a status that nothing tells of
            if steps:
                connection.execute(self.tables["order_history"].insert(), steps)
            if change.status is not None and str(row["order_status_id"]) != change.status:
                order = self.tables["order"]
                connection.execute(
                    order.update()
                    .where(order.c["order_id"] == int(change.id))
                    .values({"order_status_id": int(change.status), "date_modified": self._now()})
                )

        self.database.write(work)
        return False

    def _order(self, connection: Connection, number: str) -> tuple[Row, list[Row]] | None:
        from sqlalchemy import select

        if not number.isdecimal():
            return None
        order, history = self.tables["order"], self.tables["order_history"]
        asked = select(order.c["order_id"], order.c["order_status_id"]).where(
            order.c["order_id"] == int(number),
            order.c["store_id"] == self.settings.store,
            order.c["order_status_id"] > 0,
        )
        row = connection.execute(asked).mappings().first()
        if row is None:
            return None
        told = select(history).where(history.c["order_id"] == int(number)).order_by(history.c["order_history_id"])
        return dict(row), [dict(one) for one in connection.execute(told).mappings()]

    def _steps(self, change: OrderChange, row: Row, history: Sequence[Row]) -> list[dict[str, Any]] | None:
        """The rows of history to be written; None when nothing is to be written at all."""
        settings = self.settings
        said = [
            settings.number_comment.format(number=change.number) if change.number else "",
            settings.tracking_comment.format(tracking=change.tracking) if change.tracking else "",
            "\n".join(_lines(stored_text(change.comment or ""))),
        ]
        told = [_lines(one["comment"]) for one in history]
        new = [text for text in said if text and not any(_says(lines, text.split("\n")) for lines in told)]
        now = str(row["order_status_id"])
        status = change.status or now
        # a run that died between the two writes has left the row of history already
        moved = status != now and not (history and str(history[-1]["order_status_id"]) == status)
        if not new and status == now:
            return None
        if not new and not moved:
            return []
        return [
            {
                "order_id": int(change.id),
                "order_status_id": int(status),
                "notify": int(bool(new) and settings.show_to_buyer),
                "comment": stored_text("\n".join(new)),
                "date_added": self._now(),
            }
        ]

    def _now(self) -> str:
        return clock_of(self.env.clock.now(), self.facts.zone)


def item_code(family: Family | None, row: Row, options: Sequence[Row]) -> str:
    """The article of an item of an order: of the variant that these options make of its product.

    Where the combination is not in the catalogue any more, the code names what was chosen, ``AB [Розмір: S]``, which
    fits no product, so that a person is asked which one is meant.
    """
    base, product = text_of(row["model"]).strip(), int(row["product_id"] or 0)
    rows = {int(option["product_option_value_id"] or 0) for option in options}
    if family is not None:
        items = family.items
        fitting = [item for item in items if {value.row for value in item.chosen.values} == rows]
        # the product itself and a variant product that fixes nothing have the same options: none
        fitting = [item for item in fitting if item.bundle.id == product] or fitting
        if fitting:
            return fitting[0].code
        base = next((item.code for item in items if item.offer.id == str(product)), items[0].code)
        if not family.whole:
            return base
    named = ", ".join(f"{name}: {value}" for name, value in chosen_of(options).items())
    return f"{base} [{named}]" if named else base


def _lines(comment: object) -> list[str]:
    """The lines of a stored comment."""
    return text_of(comment).replace("\r\n", "\n").strip().split("\n")


def _says(lines: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the wanted lines stand among these, one after the other."""
    return any(list(lines[n : n + len(wanted)]) == list(wanted) for n in range(len(lines) - len(wanted) + 1))


def _some(connection: Connection, tables: Tables, name: str, key: str, ids: Collection[int]) -> list[dict[str, Any]]:
    from sqlalchemy import select

    if not ids:
        return []
    table = tables[name]
    asked = select(table).where(table.c[key].in_(sorted(ids)))
    return [dict(row) for row in connection.execute(asked).mappings()]
