"""The marks by which documents of ours are known again: no method of the API takes an idempotency key. Pure.

An order's is its external number (``NumberOrderSite``): ``source/order-id``. What follows it has one in its comment:
``[mistok:source/order-id/ship/7]``. What separates the parts is escaped in them.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from pipeline.api import T
from plugins.systems.quincefin.refusals import held

#: Longer texts may not fit into the field; whether it has an end is not known.
LONGEST = 100
_MARK = re.compile(r"\[mistok:([^\]\s]+)\]")
_APART = "/%[]"


def escaped(part: str) -> str:
    """A part of a mark."""
    return "".join(quote(char, safe="") if char in _APART or char.isspace() else char for char in part)


def mark_of(source: str, order_id: str) -> str:
    """``NumberOrderSite`` of an order. Raises Held where it is too long to be kept."""
    made = f"{escaped(source)}/{escaped(order_id)}"
    if len(made) > LONGEST or not source or not order_id:
        raise held(T("Quincefin cannot keep the number {number} of this order.", number=made[:80]))
    return made


def order_of(mark: str) -> tuple[str, str] | None:
    """(source, order id) of an external number of ours; None for any other."""
    parts = [unquote(part) for part in mark.split("/")]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def parts_of(key: str) -> tuple[str, str, str, str] | None:
    """(source, order id, action, revision) of ``client/source/order-id/action/revision``; None for any other."""
    parts = [unquote(part) for part in key.split("/")]
    return (parts[1], parts[2], parts[3], parts[4]) if len(parts) == 5 and all(parts[1:]) else None


def order_of_key(key: str) -> tuple[str, str] | None:
    """(source, order id) of an idempotency key."""
    parts = parts_of(key)
    return parts[:2] if parts else None


def key_of(client: str, source: str, order_id: str) -> str:
    """The key that an order is created with."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (client, source, order_id, "create", "0"))


def follower_mark(key: str) -> str | None:
    """What a shipment, return or payment with this key has in its comment, without the brackets; None: no such key."""
    parts = parts_of(key)
    return "/".join(map(escaped, parts)) if parts else None


def marked(comment: str, mark: str) -> str:
    """A comment with a mark."""
    return f"{comment.strip()} [mistok:{mark}]".strip()


def mark_in(comment: str) -> str | None:
    """The mark in a comment; None where there is none."""
    found = _MARK.search(comment)
    return found[1] if found else None
