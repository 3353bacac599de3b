"""The idempotency key of an order's document: made, and taken apart again. Pure."""

from __future__ import annotations


def key_of(client: str, source: str, order_id: str) -> str:
    """The idempotency key of an order's creation: ``client/source/order-id/create/0``.

    An order is created once whatever its content, so creation has the fixed revision 0; amendments carry the hash of
    the new content instead.
    """
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (client, source, order_id, "create", "0"))


def key_parts(key: str) -> tuple[str, str, str] | None:
    """(client, source, order id) of a key; None for a text that is none."""
    parts = key.split("/")
    if len(parts) != 5 or not all(parts[:3]):
        return None
    client, source, order_id = (part.replace("%2F", "/").replace("%25", "%") for part in parts[:3])
    return client, source, order_id
