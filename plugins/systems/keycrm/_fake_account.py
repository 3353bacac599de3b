"""What an account holds: tables of rows, the clock, what changed while a request was handled; and how it is kept.

Rows are dicts of JSON values with Decimal for every amount and quantity and stamps for moments. Keys that only the fake
knows are not shown; see _fake_show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from plugins.systems.keycrm._fake_ask import Row, missing, stamp, words
from plugins.systems.keycrm._fake_quirks import Quirks

TABLES = (
    "attachments",
    "buyers",
    "calls",
    "categories",
    "companies",
    "custom_fields",
    "delivery_services",
    "expense_types",
    "expenses",
    "files",
    "movements",
    "offers",
    "orders",
    "payment_methods",
    "payments",
    "product_statuses",
    "products",
    "sources",
    "statuses",
    "tags",
    "transactions",
    "users",
    "warehouses",
)
#: Keys whose numbers are amounts or quantities: Decimal again after they were kept as JSON numbers.
DECIMALS = frozenset(
    words(
        "actual_amount after amount before discount discount_amount discount_percent expenses_sum grand_total"
        " height length margin_sum payments_total price price_sold products_total purchased_price quantity"
        " reserve shipping_price taxes total_discount weight width wrap_price"
    )
)


class Account:
    """One account's rows. ``now`` gives the aware moment."""

    def __init__(self, quirks: Quirks, now: Callable[[], datetime]) -> None:
        self.quirks, self._now = quirks, now
        self.tables: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.next_ids: dict[str, int] = {}
        self.pending: list[Row] = []  #: bulk writes that were accepted and are not done yet
        self.stock_control = True  #: the account's switch; without it orders move no goods and no stock webhook is sent
        self.moved: set[int] = set()  #: offers whose stock or reserve changed since the events were taken
        self.order_events: list[tuple[str, int]] = []  #: (event, order) since then
        self._by_sku: dict[str, list[int]] = {}

    # --- time -----------------------------------------------------------------------------------------------------

    def moment(self) -> datetime:
        """Now."""
        return self._now()

    def stamp(self) -> str:
        """Now, as rows have it."""
        return stamp(self._now())

    def later(self, seconds: float) -> str:
        """So many seconds from now."""
        return stamp(self._now() + timedelta(seconds=seconds))

    # --- rows -----------------------------------------------------------------------------------------------------

    def table(self, name: str) -> dict[int, Row]:
        """A table's rows by id, ascending."""
        return self.tables[name]

    def new(self, table: str, values: Mapping[str, Any], number: int | None = None) -> Row:
        """Add a row with an id of its own, or with ``number``. Raises ValueError for one that is taken."""
        rows = self.tables[table]
        number = self.next_ids.get(table, 1) if number is None else number
        if number in rows:
            raise ValueError(f"{table} has a row {number}")
        now = self.stamp()
        row = {"id": number, **values}
        row.setdefault("created_at", now)
        row.setdefault("updated_at", now)
        rows[number] = row
        if number < self.next_ids.get(table, 1):
            self.tables[table] = dict(sorted(rows.items()))
        self.next_ids[table] = max(self.next_ids.get(table, 1), number + 1)
        return row

    def one(self, table: str, number: int | str) -> Row:
        """The row, or 404."""
        plain = str(number).isascii() and str(number).isdecimal()
        row = self.tables[table].get(int(number)) if plain else None
        return missing() if row is None else row

    def get(self, table: str, number: int | None) -> Row | None:
        """The row, if there is one."""
        return None if number is None else self.tables[table].get(number)

    def touch(self, row: Row) -> None:
        """Move ``updated_at``."""
        row["updated_at"] = self.stamp()

    # --- offers ---------------------------------------------------------------------------------------------------

    def new_offer(self, product: Row, values: Mapping[str, Any], number: int | None = None) -> Row:
        """Add an offer of a product. ``stock`` has quantity and reserve by warehouse, its id as text."""
        blank = dict.fromkeys(("sku", "barcode", "image_url", "weight", "length", "width", "height"))
        numbers = {"price": Decimal(0), "purchased_price": Decimal(0)}
        given = {name: value for name, value in values.items() if value is not None}
        row = self.new(
            "offers",
            {
                "product_id": product["id"],
                **blank,
                **numbers,
                "properties": [],
                "is_default": False,
                "is_archived": False,
                "stock": {},
                **given,
            },
            number,
        )
        product["offer_ids"].append(row["id"])
        self._index(row)
        return row

    def set_sku(self, offer: Row, sku: str | None) -> None:
        """Change the SKU."""
        self._unindex(offer)
        offer["sku"] = sku
        self._index(offer)

    def drop_offer(self, offer: Row) -> None:
        """Take an offer out of the catalogue."""
        self._unindex(offer)
        del self.tables["offers"][offer["id"]]
        self.tables["products"][offer["product_id"]]["offer_ids"].remove(offer["id"])

    def offers_with(self, sku: str) -> list[Row]:
        """The offers that can be found by this SKU, by id. Several may have it."""
        rows = self.tables["offers"]
        return [rows[id_] for id_ in sorted(self._by_sku.get(sku, ())) if self.listed(rows[id_])]

    def offers_of(self, product: Row) -> list[Row]:
        """A product's offers, the one of a product without variants among them."""
        return [self.tables["offers"][id_] for id_ in product["offer_ids"]]

    def listed(self, offer: Row) -> bool:
        """Whether ``/offers*`` knows the offer."""
        return self.quirks.simple_offer or not offer["is_default"]

    def _index(self, offer: Row) -> None:
        if offer["sku"]:
            self._by_sku.setdefault(offer["sku"], []).append(offer["id"])

    def _unindex(self, offer: Row) -> None:
        if offer["sku"]:
            self._by_sku[offer["sku"]].remove(offer["id"])

    # --- keeping --------------------------------------------------------------------------------------------------

    def dump(self) -> Row:
        """Everything as JSON values (with Decimals), a copy."""
        return deepcopy(
            {
                "tables": {name: list(rows.values()) for name, rows in self.tables.items()},
                "next_ids": self.next_ids,
                "pending": self.pending,
                "stock_control": self.stock_control,
            }
        )

    def load(self, state: Mapping[str, Any]) -> None:
        """What ``dump`` gave, in place of what there is. Numbers that went through JSON become Decimals again."""
        self.tables = {name: {row["id"]: _exact(row) for row in state["tables"].get(name, ())} for name in TABLES}
        self.next_ids = dict(state["next_ids"])
        self.pending = [_exact(one) for one in state["pending"]]
        self.stock_control = bool(state["stock_control"])
        self.moved, self.order_events = set(), []
        self._by_sku = {}
        for offer in self.tables["offers"].values():
            self._index(offer)


def _exact(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _exact(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and key in DECIMALS:
        return Decimal(value)
    return value
