"""What KeyCRM posts: changes of an order's status or payment, and of stock. Pure, and nothing of it is believed.

Bodies as recorded by those who receive them: ``{"event": "order.change_order_status", "context": {"id": 17, …}}``, and
a bare list ``[{"offer_id": 22, "sku": "COF-1", "in_stock": 12, "in_reserve": 2}]``. They are not signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipeline.api import Hint
from plugins.systems.keycrm.values import ident, part, text

NOTHING = Hint(frozenset())
BIGGEST = 1_000_000  #: bytes of a body that is looked at


def hint(body: bytes) -> Hint:
    """See Webhooks."""
    if len(body) > BIGGEST:
        return NOTHING
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return NOTHING
    if isinstance(said, Mapping):
        number = ident(part(said.get("context")).get("id"))
        if text(said.get("event")).startswith("order.") and number is not None:
            return Hint(frozenset({"orders"}), (str(number),))
    if isinstance(said, list):
        found = [ident(part(one).get("offer_id")) for one in said if part(one).keys() & {"in_stock", "in_reserve"}]
        ids = tuple(dict.fromkeys(str(one) for one in found if one is not None))
        if ids:
            return Hint(frozenset({"stock"}), ids)
    return NOTHING
