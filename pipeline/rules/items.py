"""What an order must be before a document is made of it, whatever the system."""

from __future__ import annotations

from decimal import Decimal

from pipeline.errors import Held
from pipeline.model import Order
from pipeline.texts import T


def check_items(order: Order, paired: int, step: Decimal, system: str) -> None:
    """Raises Held for a document without goods, and for a quantity that the system cannot keep.

    Args:
        order: what the document is to be of.
        paired: how many products were found for its lines.
        step: the smallest difference of quantities that the system keeps.
        system: its name, for people.
    """
    if not order.lines or len(order.lines) != paired:
        raise Held(
            T("Order {number} has no items: an empty document is never made.", number=order.number), code="empty"
        )
    for line in order.lines:
        name = line.name or line.code
        if line.quantity <= 0:
            raise Held(
                T("The quantity of {name} is {n}: nothing is made of it.", name=name, n=line.quantity), code="empty"
            )
        if line.quantity % step:
            raise Held(
                T("{system} keeps quantities in steps of {step}; {name} has {n}.", system=system, step=step, name=name,
                  n=line.quantity),
                hint=T("Correct the quantity in the source, or book this order by hand."),
                code="quantity",
            )  # fmt: skip
