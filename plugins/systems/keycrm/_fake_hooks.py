"""Webhooks. KeyCRM has no route to register them: they are made in its cabinet, here by ``on_order`` and ``on_stock``.

Nothing is known of retries, so each is sent once. Whether one is sent by GET is chosen in the cabinet, too, but what it
looks like then is not documented; the fake posts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.testing.fakehttp import Answer
from pipeline.testing.fakerun import post
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import Row
from plugins.systems.keycrm._fake_show import ORDER, only
from plugins.systems.keycrm._fake_stock import Goods

ORDER_EVENTS = ("order.change_order_status", "order.change_payment_status")


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook that waits to be sent."""

    url: str
    body: Any


class Hooks:
    """Who is told of what, and what waits to be told."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.waiting: list[Hook] = []
        self._orders: list[tuple[str, str]] = []
        self._stocks: list[tuple[str, tuple[int, ...]]] = []

    def on_order(self, url: str, event: str = ORDER_EVENTS[0]) -> None:
        """Tell the URL of an order event."""
        if event not in ORDER_EVENTS:
            raise ValueError(event)
        self._orders.append((url, event))

    def on_stock(self, url: str, warehouses: Iterable[int] = ()) -> None:
        """Tell the URL of stock changes, summed over the warehouses; none chosen: over all."""
        self._stocks.append((url, tuple(warehouses)))

    def order_body(self, order: Row, event: str = ORDER_EVENTS[0]) -> Row:
        """The columns of the order, without lines, buyer or shipping."""
        context = only(order, [name for name in ORDER if name != "buyer_comment"])
        return {"event": event, "context": {**context, "client_comment": order["buyer_comment"]}}

    def stock_body(self, offers: Iterable[Row], warehouses: Iterable[int] = ()) -> list[Row]:
        """A bare list, not split by warehouse."""
        chosen = tuple(warehouses)
        return [
            {
                "offer_id": offer["id"],
                "sku": offer["sku"],
                "in_stock": Goods.total(offer, "quantity", chosen),
                "in_reserve": Goods.total(offer, "reserve", chosen),
            }
            for offer in offers
        ]

    def collect(self) -> None:
        """Make the webhooks of what changed since the last time. What changed before anybody was to be told is lost."""
        events, self.account.order_events = self.account.order_events, []
        for event, number in events:
            order = self.account.get("orders", number)
            for url, wanted in self._orders:
                if order and wanted == event:
                    self.waiting.append(Hook(url, self.order_body(order, event)))
        moved, self.account.moved = sorted(self.account.moved), set()
        offers = [offer for number in moved if (offer := self.account.get("offers", number))]
        if offers and self.account.stock_control:
            self.waiting += [Hook(url, self.stock_body(offers, chosen)) for url, chosen in self._stocks]

    def send(self) -> list[tuple[Hook, int]]:
        """Post what waits, in order; each with the status of the answer, 0 where none came."""
        waiting, self.waiting = self.waiting, []
        return [(hook, post(hook.url, self.raw(hook.body))) for hook in waiting]

    @staticmethod
    def raw(body: Any) -> bytes:
        """The bytes of a body, with amounts as numbers. Dates are ISO here whatever the API shows."""
        return Answer(200, body).raw()[0]
