"""Goods: balances by warehouse, the movement documents that change them, and what orders reserve and take.

That a status reserves, writes off or frees is an account's own setting in KeyCRM; here it is a status row's ``stock``.
From which warehouse a line is served is not known: here from the first active one that has enough left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import Row

Effect = Literal["free", "reserve", "write_off"]
ZERO = Decimal(0)


class Goods:
    """The stock of one account."""

    def __init__(self, account: Account) -> None:
        self.account = account

    # --- balances -------------------------------------------------------------------------------------------------

    @staticmethod
    def total(offer: Row, column: Literal["quantity", "reserve"], warehouses: Iterable[int] = ()) -> Decimal:
        """Over the warehouses; none named: over all."""
        wanted = {str(one) for one in warehouses}
        return sum((one[column] for name, one in offer["stock"].items() if not wanted or name in wanted), ZERO)

    @staticmethod
    def balance(offer: Row, warehouse: int) -> Row:
        """The offer's row of a warehouse, made where it has none."""
        row: Row = offer["stock"].setdefault(str(warehouse), {"quantity": ZERO, "reserve": ZERO})
        return row

    def put(self, warehouse: int, wanted: Iterable[tuple[Row, Decimal]], reason: str) -> Row | None:
        """Bring quantities to the wanted ones by one movement document, which is returned; None when none was made."""
        lines = []
        for offer, quantity in wanted:
            row = self.balance(offer, warehouse)
            if row["quantity"] == quantity and not self.account.quirks.idle_movement:
                continue
            lines.append({"offer_id": offer["id"], "before": row["quantity"], "after": quantity})
            if row["quantity"] != quantity:
                row["quantity"] = quantity
                self._changed(offer)
        return self._document(warehouse, lines, reason)

    def _document(self, warehouse: int, lines: list[Row], reason: str) -> Row | None:
        if not lines:
            return None
        return self.account.new("movements", {"warehouse_id": warehouse, "reason": reason, "lines": lines})

    def _changed(self, offer: Row) -> None:
        self.account.touch(offer)
        self.account.moved.add(offer["id"])

    # --- orders ---------------------------------------------------------------------------------------------------

    def follow(self, order: Row) -> None:
        """Do to the goods what the order's status says. What it did before is undone first: twice is as once."""
        status = self.account.get("statuses", order["status_id"])
        effect: Effect = status["stock"] if status and self.account.stock_control else "free"
        held = [] if effect == "free" else [one for line in order["lines"] if (one := self._place(line))]
        if (effect, held) != (order["effect"], order["held"]):
            for one in order["held"]:
                self._move(one, order["effect"], -1, f"order {order['id']}")
            for one in held:
                self._move(one, effect, 1, f"order {order['id']}")
            order["held"], order["effect"] = held, effect
        order["has_reserves"] = effect == "reserve" and bool(held)

    def _place(self, line: Row) -> Row | None:
        """Which offer, warehouse and quantity a line means; None for a one-off, or where there is no warehouse."""
        offer = self.account.get("offers", line["offer_id"])
        if offer is None:
            return None
        if line["warehouse_id"] is None:
            line["warehouse_id"] = self._warehouse(offer, line["quantity"])
        if line["warehouse_id"] is None:
            return None
        return {"offer": offer["id"], "warehouse": line["warehouse_id"], "quantity": line["quantity"]}

    def _warehouse(self, offer: Row, quantity: Decimal) -> int | None:
        active = [one["id"] for one in self.account.table("warehouses").values() if one["is_active"]]
        known = [one for one in active if str(one) in offer["stock"]]
        for one in known:
            row = offer["stock"][str(one)]
            if row["quantity"] - row["reserve"] >= quantity:
                return int(one)
        return next(iter(known or active), None)

    def _move(self, held: Mapping[str, object], effect: Effect, sign: int, reason: str) -> None:
        offer = self.account.get("offers", int(str(held["offer"])))
        if offer is None:
            return  # it went when variants came
        warehouse, quantity = int(str(held["warehouse"])), Decimal(str(held["quantity"])) * sign
        row = self.balance(offer, warehouse)
        if effect == "reserve":
            row["reserve"] += quantity
        else:
            before = row["quantity"]
            row["quantity"] -= quantity
            self._document(warehouse, [{"offer_id": offer["id"], "before": before, "after": row["quantity"]}], reason)
        self._changed(offer)
