"""What our documents are known again by: the key of an order in their reference. Pure.

``demo/shop/5501`` is the reference of the sale of an order, ``demo/shop/5501/ship/1`` that of what follows it. Tryton
strips blanks at the ends of a text, so that blanks are written as in an address (``%20``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from pipeline.api import T
from plugins.systems.tryton.refusals import held

#: Behind this line of a comment stands what people wrote, and it stays.
END = "(Mistok)"
_BLANK = re.compile(r"\s")
_BRACKETS = re.compile(r"[()\n]")
_CANCELLED = re.compile(r"\(Mistok cancelled [^()\n]*\)\n?")
_SHIPMENT = re.compile(r"\(Mistok shipment (\d+)\)")


def mark_of(key: str, *, action: bool = False) -> str:
    """The reference for an idempotency key; ``action``: of what follows an order. Raises Held for what is no key."""
    parts = key.split("/")
    if len(parts) != 5 or not all(parts):
        raise held(T("{key} is no key of an order.", key=key), code="key")
    return "/".join(_BLANK.sub(lambda one: quote(one[0]), part) for part in (parts if action else parts[:3]))


def marks_of(keys: Iterable[str], *, action: bool = True) -> dict[str, str]:
    """The references of keys; what is no key has none."""
    return {key: mark_of(key, action=action) for key in keys if len(parts := key.split("/")) == 5 and all(parts)}


def key_of_mark(mark: str) -> tuple[str, str, str] | None:
    """(client, source, order id) of a sale's reference; None for any other text."""
    parts = mark.split("/")
    if len(parts) != 3 or not all(parts):
        return None
    client, source, order_id = (unquote(part) for part in parts)
    return client, source, order_id


def comment_of(there: str, lines: list[str]) -> str:
    """A comment that says these lines; what people wrote behind ours stays, what was noted of a cancellation goes."""
    after = _CANCELLED.sub("", there.partition(END)[2] if END in there else there).strip()
    ours = "\n".join(filter(None, lines))
    return "\n".join(filter(None, (ours, END if ours or after else "", after)))


def cancelled(there: str, status: str) -> str:
    """A comment that says that the order was cancelled, where Tryton has no state for it."""
    plain = _CANCELLED.sub("", there).strip()
    begin = plain if END in plain else "\n".join(filter(None, (END, plain)))
    return f"{begin}\n(Mistok cancelled {_BRACKETS.sub(' ', status).strip() or '-'})"


def is_cancelled(comment: str) -> bool:
    """Whether a comment says so."""
    return _CANCELLED.search(comment) is not None


def on_shipment(shipment: str) -> str:
    """What the comment of a return says of its shipment."""
    return f"(Mistok shipment {shipment})"


def shipment_in(comment: str) -> int:
    """The id of the shipment that a return is of; 0 where it does not say."""
    found = _SHIPMENT.search(comment)
    return int(found[1]) if found else 0
