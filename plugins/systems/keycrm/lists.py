"""The lists that an account keeps: statuses, sources, methods … each read once, and names found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.api import Ref
from plugins.systems.keycrm.client import Client
from plugins.systems.keycrm.names import find
from plugins.systems.keycrm.values import Row, ident

#: Kind -> path. All of them have ``sort``.
PATHS: Mapping[str, str] = {
    "status": "/order/status",
    "source": "/order/source",
    "payment-method": "/order/payment-method",
    "delivery-service": "/order/delivery-service",
    "user": "/users",
}


class Lists:
    """Reads each of them at its first use, and keeps it for as long as the session."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kept: dict[str, Sequence[Row]] = {}

    def rows(self, kind: str) -> Sequence[Row]:
        """All of a kind of ``PATHS``, by id."""
        if kind not in self._kept:
            sort = "" if kind == "user" else "id"  # of users no sort is documented
            found = self._client.pages(PATHS[kind], sort=sort)
            self._kept[kind] = sorted(found, key=lambda row: ident(row.get("id")) or 0)
        return self._kept[kind]

    def forget(self, kind: str) -> None:
        """It may have grown: read it anew at its next use."""
        self._kept.pop(kind, None)

    def fields(self) -> Sequence[Row]:
        """The custom fields of orders and products."""
        if "field" not in self._kept:
            found = self._client.plain_list("/custom-fields", {"filter[model]": "order,crm_product"})
            self._kept["field"] = list(found)
        return self._kept["field"]

    def named(self, kind: str, code: str) -> Ref | None:
        """The one that a person means by ``code``: its id, else its alias, else its name. None: none, or several."""
        return find(self.rows(kind), code)

    def by_id(self, kind: str, number: int | None) -> Row:
        """The one with this id; an empty one where there is none."""
        return next((row for row in self.rows(kind) if number is not None and ident(row.get("id")) == number), {})
