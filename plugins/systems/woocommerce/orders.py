"""Reads orders, the oldest change first, and writes back what became of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.api import Held, Hint, InDoubt, MistokError, OrderChange, Ref, RowOutcome, SeenOrder, T, Transient
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.client import NoRoute, WooApi
from plugins.systems.woocommerce.mapping import Row
from plugins.systems.woocommerce.ordering import NO_ORDERS, NUMBER, TRACKING, Desk
from plugins.systems.woocommerce.paging import Params
from plugins.systems.woocommerce.reading import OVERLAP
from plugins.systems.woocommerce.settings import WooSettings

ORDERS = "/orders"
#: Statuses of WooCommerce itself, in the order of an order's life; plugins add others.
CORE = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed")
NOTHING = Hint(frozenset())
_TOPICS = {"order": frozenset({"orders"}), "product": frozenset({"catalogue", "stock"})}


class OrderBook:
    """The orders of a shop."""

    def __init__(self, api: WooApi, settings: WooSettings, source: str) -> None:
        self._api, self._settings = api, settings
        self._desk = Desk(settings, source)

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, since: datetime | None, until: datetime | None, statuses: Collection[str]) -> Iterator[SeenOrder]:
        """See Orders. Which there are is read first, and the orders themselves by their ids in that order."""
        wanted = tuple(statuses) or self._settings.statuses
        asked: Params = tuple(("status[]", one) for one in wanted) or (("status", "any"),)
        asked += (("_fields", "id,status,date_modified_gmt"),)
        asked += (("modified_after", v.asked_moment(since - OVERLAP)),) if since is not None else ()
        asked += (("modified_before", v.asked_moment(until)),) if until is not None else ()
        found = [
            (v.text(row.get("date_modified_gmt")), v.whole(row.get("id")))
            for row in self._api.rows(ORDERS, asked)
            if wanted or row.get("status") not in NO_ORDERS
        ]
        ids = [key for _, key in sorted(found)]
        for start in range(0, len(ids), self._settings.page):
            some = ids[start : start + self._settings.page]
            rows = self._api.by_ids(ORDERS, some, asked[: len(wanted)])
            for key in some:
                if key in rows:  # else it went into the trash meanwhile
                    yield self._desk.read(rows[key])

    def statuses(self) -> Sequence[Ref]:
        """All statuses that the shop has; where its version does not tell them, WooCommerce's own."""
        try:
            told = self._api.get("/reports/orders/totals")
        except NoRoute:
            told = None
        rows = [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
        refs = [Ref(slug, slug, v.name_read(one.get("name"))) for one in rows if (slug := v.text(one.get("slug")))]
        return [one for one in refs if one.code not in NO_ORDERS] or [Ref(code, code, code) for code in CORE]

    # --- writing back ------------------------------------------------------------------------------------------------

    def apply(self, changes: Sequence[OrderChange]) -> list[RowOutcome]:
        """See ApplyOrders. Raises Refused, and Transient when nothing was done."""
        ids = [key for one in changes if (key := v.whole(one.id))]
        fields: Params = (("status", "any"), ("_fields", "id,status,meta_data"))
        there = self._api.by_ids(ORDERS, list(dict.fromkeys(ids)), fields) if ids else {}
        outcomes: list[RowOutcome] = []
        trouble: MistokError | None = None
        for change in changes:
            if trouble is not None:
                outcomes.append(RowOutcome(error=trouble))
                continue
            row = there.get(v.whole(change.id))
            if row is None:
                words = T("There is no order {id} in the shop.", id=change.id)
                outcomes.append(RowOutcome(error=Held(words, code="woo-gone")))
                continue
            try:
                outcomes.append(self._apply(change, row))
            except (Held, InDoubt) as error:
                outcomes.append(RowOutcome(error=error))
            except Transient as error:
                if not outcomes:
                    raise
                trouble = error
                outcomes.append(RowOutcome(error=error))
        return outcomes

    def _apply(self, change: OrderChange, row: Row) -> RowOutcome:
        own = v.whole(row.get("id"))
        body: dict[str, Any] = {}
        if change.status is not None and change.status != row.get("status"):
            body["status"] = change.status
        meta = {
            v.text(one.get("key")): one.get("value") for one in row.get("meta_data") or () if isinstance(one, Mapping)
        }
        wanted = {NUMBER: change.number, TRACKING: change.tracking}
        if (key := self._settings.meta.get("tracking")) and change.tracking:
            wanted[key] = change.tracking
        new = {key: value for key, value in wanted.items() if value and meta.get(key) != value}
        if new:
            body["meta_data"] = [{"key": key, "value": value} for key, value in new.items()]
        notes: list[tuple[str, bool]] = []
        if NUMBER in new:
            notes.append((self._settings.number_note.format(number=change.number), False))
        if TRACKING in new:
            notes.append((self._settings.tracking_note.format(tracking=change.tracking), self._settings.tell_buyer))
        if change.comment:
            notes.append((change.comment, False))
        made = self._notes(own, notes) if notes else 0
        if body:  # last: what is noted here is not noted again
            self._api.send("PUT", f"{ORDERS}/{own}", body, again=True)
        return RowOutcome((str(own),), existed=not body and not made)

    def _notes(self, own: int, notes: Sequence[tuple[str, bool]]) -> int:
        """Add the notes that are not there; how many."""
        path = f"{ORDERS}/{own}/notes"
        there = self._texts(path)
        made = 0
        for said, to_buyer in notes:
            if _plain(said) in there:
                continue
            try:
                self._api.send("POST", path, {"note": v.name_written(said), "customer_note": to_buyer}, again=False)
            except InDoubt:
                if _plain(said) not in self._texts(path):
                    raise
            there.add(_plain(said))
            made += 1
        return made

    def _texts(self, path: str) -> set[str]:
        told = self._api.get(path)
        rows = told if isinstance(told, list) else []
        return {_plain(v.name_read(one.get("note"))) for one in rows if isinstance(one, Mapping)}


def _plain(said: str) -> str:
    return " ".join(said.split())


def hint_of(headers: Mapping[str, str], body: bytes, secret: str) -> Hint:
    """What a webhook says may have changed. ``secret``: its signature must be right; "": it is not looked at."""
    said = {name.lower(): value for name, value in headers.items()}
    if secret:
        wanted = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
        if not hmac.compare_digest(wanted, said.get("x-wc-webhook-signature", "").encode()):
            return NOTHING
    kinds = _TOPICS.get(said.get("x-wc-webhook-topic", "").partition(".")[0])
    if kinds is None:
        return NOTHING
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return Hint(kinds)
    own = v.whole(told.get("id")) if isinstance(told, Mapping) else 0
    return Hint(kinds, (str(own),) if own else ())
