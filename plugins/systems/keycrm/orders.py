"""Reads the orders that have changed, and writes back what became of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.api import (
    InDoubt,
    OrderChange,
    Ref,
    RowOutcome,
    SeenOrder,
    SystemEnv,
    T,
    noted,
    row_by_row,
)
from plugins.systems.keycrm.mapping import Warehouses
from plugins.systems.keycrm.names import refs
from plugins.systems.keycrm.order_in import INCLUDE, Desk
from plugins.systems.keycrm.reading import Reader
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.values import Row, ident, moment, part, rows, stamp, text

ORDER = "/order"
#: Their clock may be ahead of ours by so much.
AHEAD = timedelta(minutes=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)


class OrderBook:
    """The orders of one account."""

    def __init__(self, reader: Reader, env: SystemEnv) -> None:
        self.reader, self.env, self.settings = reader, env, reader.settings
        self.client, self.lists = reader.client, reader.lists

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, since: datetime | None, until: datetime | None, statuses: Collection[str]) -> Iterator[SeenOrder]:
        """Orders that changed since (less the overlap), the oldest change first.

        The window has an end, so that what changes while it is read leaves it, and is told the next time.
        """
        asked: dict[str, Any] = {"include": INCLUDE}
        begin = LONG_AGO if since is None else since - self.settings.orders.overlap
        end = until or self.env.clock.now() + AHEAD
        if since is not None or until is not None:
            asked["filter[updated_between]"] = f"{stamp(begin)},{stamp(end)}"
        ids = {self._status(one).id for one in statuses}
        if ids:
            asked["filter[status_id]"] = ",".join(sorted(ids))
        desk = self._desk()
        found: list[SeenOrder] = []
        for row in self.client.pages(ORDER, asked, sort="id"):
            if ids and str(ident(row.get("status_id"))) not in ids:
                continue
            changed = moment(row.get("updated_at"))
            if since is not None and changed is not None and changed < begin.replace(microsecond=0):
                continue
            found.append(desk.read(row))
        yield from sorted(found, key=lambda one: (one.updated_at or _FIRST, int(one.id)))

    def statuses(self) -> Sequence[Ref]:
        """All that are active: KeyCRM tells no others."""
        return refs(self.lists.rows("status"))

    def one(self, number: int) -> SeenOrder | None:
        """One order; None where there is none."""
        row = self.client.one(f"{ORDER}/{number}", {"include": INCLUDE})
        return self._desk().read(row) if row else None

    def _desk(self) -> Desk:
        def by_id(kind: str) -> Mapping[int, Row]:
            return {number: row for row in self.lists.rows(kind) if (number := ident(row.get("id"))) is not None}

        statuses = self.lists.rows("status") if self.settings.orders.statuses else ()
        return Desk(
            self.settings,
            self.env.name,
            self.env.currency,
            by_id("source"),
            by_id("payment-method"),
            statuses,
            Warehouses.of(self.settings.warehouses),
        )

    def _status(self, said: str) -> Ref:
        """A status by id, alias or name. Raises Held with those that there are."""
        found = self.lists.named("status", said)
        if found is None:
            names = ", ".join(f"{one.code} {one.name}" for one in self.statuses())
            raise held(
                T("KeyCRM has no order status {status}.", status=said),
                T("It has: {names}.", names=names or "—"),
                code="unknown-status",
            )
        return found

    # --- writing back ------------------------------------------------------------------------------------------------

    def apply(self, changes: Sequence[OrderChange]) -> list[RowOutcome]:
        """Write each. What strikes all is raised while none is written, else told of each that is left."""
        return row_by_row(changes, lambda change: RowOutcome((change.id,), existed=self._apply(change)))

    def _apply(self, change: OrderChange) -> bool:
        """Whether all was so already."""
        wanted = None if change.status is None else int(self._status(change.status).id)
        number = int(change.id) if change.id.isascii() and change.id.isdigit() else 0
        path = f"{ORDER}/{number}"
        asked = {"include": "shipping.deliveryService,custom_fields"}
        row = self.client.one(path, asked) if number else None
        if row is None:
            raise held(T("KeyCRM has no order {number}.", number=change.id), code="keycrm-gone")
        body = self._body(change, wanted, row)
        if not body:
            return True
        tracked = "shipping" in body
        try:
            # a tracking code that is sent a second time is an error: such a request is not repeated blindly
            shown = self.client.put(path, body, safe=not tracked)
            if wanted is not None and ident(shown.get("status_id")) != wanted:
                raise held(T("KeyCRM has taken the change of the status, and does not show it."), code="keycrm-kept")
        except InDoubt:
            again = self.client.one(path, asked)
            if again is None or self._body(change, wanted, again):
                raise
        return False

    def _body(self, change: OrderChange, status: int | None, row: Row) -> dict[str, Any]:
        """What of the order is not so yet."""
        body: dict[str, Any] = {}
        if status is not None and ident(row.get("status_id")) != status:
            body["status_id"] = status
        if change.tracking:
            there = text(part(row.get("shipping")).get("tracking_code")).strip()
            if there and there != change.tracking.strip():
                raise held(
                    T("Order {number} has the tracking code {code} already, and KeyCRM changes none.",
                      number=change.id, code=there),
                )  # fmt: skip
            if not there:
                body["shipping"] = {"tracking_code": change.tracking.strip()}
        notes = [change.comment or ""]
        uuid = self.settings.orders.number_field
        if change.number and uuid:
            filled = {text(one.get("uuid")): text(one.get("value")) for one in rows(row.get("custom_fields"))}
            if filled.get(uuid, "") != change.number:
                body["custom_fields"] = [{"uuid": uuid, "value": change.number}]
        elif change.number:
            notes.insert(0, self.settings.orders.number_comment.format(number=change.number))
        comment = noted(text(row.get("manager_comment")), notes)
        if comment is not None:
            body["manager_comment"] = comment
        return body
