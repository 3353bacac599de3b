"""The sums of orders, their payments and expenses."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pipeline.testing.fakehttp import Answer, Asked, FakeApi
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import F, Row, body_of, invalid, missing, read
from plugins.systems.keycrm._fake_bodies import EXPENSE, EXPENSE_CHANGE, PAYMENT, PAYMENT_CHANGE
from plugins.systems.keycrm._fake_show import Show
from plugins.systems.keycrm._fake_stock import ZERO

CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """Rounded as money is, half up."""
    return amount.quantize(CENT, ROUND_HALF_UP)


class Cash:
    """The handlers, and the sums."""

    def __init__(self, account: Account, show: Show) -> None:
        self.account, self.show = account, show

    def routes(self, api: FakeApi) -> None:
        """Register everything."""
        api.add("POST", "/v1/order/{number}/payment", self._post_payment)
        api.add("PUT", "/v1/order/{number}/payment/{payment}", self._put_payment)
        api.add("POST", "/v1/order/{number}/expense", self._post_expense)
        api.add("PUT", "/v1/order/{number}/expense/{expense}", self._put_expense)

    # --- money ----------------------------------------------------------------------------------------------------

    def reckon(self, row: Row) -> None:
        """The sums, and what is paid. How KeyCRM rounds is not known: here each line and discount to cents."""
        goods = discounts = ZERO
        for line in row["lines"]:
            gross = cents(line["price"] * line["quantity"])
            fixed = line["discount_amount"] or ZERO
            if self.account.quirks.line_discount == "unit":
                fixed *= line["quantity"]
            off = cents(gross * (line["discount_percent"] or ZERO) / 100 + fixed)
            line["total_discount"] = off
            line["price_sold"] = cents((gross - off) / line["quantity"]) if line["quantity"] else line["price"]
            goods += gross - off
            discounts += off
        off = cents(goods * (row["discount_percent"] or ZERO) / 100 + (row["discount_amount"] or ZERO))
        row["products_total"] = goods
        row["total_discount"] = discounts + off
        row["grand_total"] = goods - off + sum((row[name] for name in self.account.quirks.total_adds), ZERO)
        bought = sum((line["purchased_price"] * line["quantity"] for line in row["lines"]), ZERO)
        row["expenses_sum"] = self._sum("expenses", row)
        row["margin_sum"] = row["grand_total"] - bought - row["expenses_sum"]
        row["payments_total"] = self._sum("payments", row)
        status = self._paid(row["payments_total"], row["grand_total"])
        if status != row.get("payment_status"):
            row["payment_status"] = status
            self.account.order_events.append(("order.change_payment_status", row["id"]))

    def _sum(self, table: str, order: Row) -> Decimal:
        return sum((row["amount"] for row in self.show.of_order(table, order) if row["status"] == "paid"), ZERO)

    @staticmethod
    def _paid(paid: Decimal, total: Decimal) -> str:
        if paid <= 0:
            return "not_paid"
        return "part_paid" if paid < total else "paid" if paid == total else "overpaid"

    # --- payments and expenses ------------------------------------------------------------------------------------

    def named(self, table: str, values: Mapping[str, Any], word: str) -> Row | None:
        """The row that a body names by ``word_id`` or by ``word``."""
        if values.get(f"{word}_id") is not None:
            return self.account.get(table, values[f"{word}_id"])
        return next((row for row in self.account.table(table).values() if row["name"] == values.get(word)), None)

    def _money(self, order: Row, values: Row, word: str) -> Row:
        kind = self.named(f"{word}s", values, word)
        if kind is None:
            invalid({f"{word}_id": [f"The selected {word.replace('_', ' ')} id is invalid."]}, self.account.quirks)
        return {
            "destination_id": order["id"],
            f"{word}_id": kind["id"],
            "amount": values["amount"],
            "actual_currency": order["currency"],
            "transaction_uuid": None,
            "description": values.get("description"),
            "payment_date": values.get("payment_date") or self.account.stamp(),
        }

    def pay(self, order: Row, values: Row, default: str) -> Row:
        """Add a payment of a checked body; ``default`` is its status where the body has none."""
        money = self._money(order, values, "payment_method")
        money |= {"status": values.get("status") or default, "fiscal_result": None, "is_expense": False}
        money |= {"actual_amount": money["amount"], "source_currency": order["currency"], "bill_id": None}
        return self._own("payments", order, money)

    def _own(self, table: str, order: Row, money: Row) -> Row:
        row = self.account.new(table, money)
        order["own"][table].append(row["id"])
        return row

    def _post_payment(self, asked: Asked, number: str) -> Answer:
        order = self.account.one("orders", number)
        row = self.pay(order, read(body_of(asked), PAYMENT, self.account.quirks), "paid")
        self._changed(order)
        return Answer(201, self.show.payment(row))

    def _post_expense(self, asked: Asked, number: str) -> Answer:
        order = self.account.one("orders", number)
        money = self._money(order, read(body_of(asked), EXPENSE, self.account.quirks), "expense_type")
        row = self._own("expenses", order, {**money, "status": "paid"})
        self._changed(order)
        return Answer(201, self.show.expense(row))

    def _put_payment(self, asked: Asked, number: str, payment: str) -> Answer:
        row = self._change_money(asked, "payments", PAYMENT_CHANGE, number, payment)
        return Answer(202, self.show.payment(row))

    def _put_expense(self, asked: Asked, number: str, expense: str) -> Answer:
        row = self._change_money(asked, "expenses", EXPENSE_CHANGE, number, expense)
        return Answer(202, self.show.expense(row))

    def _change_money(self, asked: Asked, table: str, fields: Mapping[str, F], number: str, money: str) -> Row:
        order, row = self.account.one("orders", number), self.account.one(table, money)
        if row["destination_id"] != order["id"]:
            missing()
        values = read(body_of(asked), fields, self.account.quirks)
        row["status"] = values.get("status") or row["status"]
        if "description" in values:
            row["description"] = values["description"]
        self.account.touch(row)
        self._changed(order)
        return row

    def _changed(self, order: Row) -> None:
        self.reckon(order)
        self.account.touch(order)
