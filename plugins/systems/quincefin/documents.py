"""Orders that are made in Quincefin: each once, looked up before and after, to the cent.

The API makes orders one by one and knows no key of ours: an order is known again by its external number, looked for
among the orders of its days before it is made, and again where no answer came. Two sessions of one process never make
orders of one account at the same time; between processes the engine's lease sees to it.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    InDoubt,
    ListedDocument,
    Order,
    Ref,
    StatusChange,
    Strikes,
    SystemEnv,
    T,
    check_foreign,
    rate_line,
)
from plugins.systems.quincefin.client import Client, found_after, shown_after
from plugins.systems.quincefin.goods import Shelf
from plugins.systems.quincefin.listing import ORDER, Listing
from plugins.systems.quincefin.mapping import sold
from plugins.systems.quincefin.marks import key_of, mark_of, order_of, order_of_key
from plugins.systems.quincefin.naming import Naming
from plugins.systems.quincefin.order_out import (
    NUMBER_ELSEWHERE,
    Links,
    changed,
    differs,
    full,
    order_body,
    total_of,
)
from plugins.systems.quincefin.parties import Partners
from plugins.systems.quincefin.reckoning import Reckoned, Services, reckon
from plugins.systems.quincefin.refusals import held
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import Row, flag, ident, moment, named, own, text

_LOCKS: dict[str, threading.RLock] = {}
_LOCK = threading.Lock()
#: Days between two orders of a batch that are looked for in one reading.
_GAP = timedelta(days=7)


def account_lock(settings: QuincefinSettings) -> threading.RLock:
    """One for each account, for all sessions of this process."""
    account = f"{settings.url}\0{settings.token.get_secret_value()}"
    with _LOCK:
        return _LOCKS.setdefault(hashlib.sha256(account.encode()).hexdigest(), threading.RLock())


class DocumentBook:
    """The orders of one account that were made by us."""

    def __init__(
        self, client: Client, settings: QuincefinSettings, env: SystemEnv,
        orders: Listing, shelf: Shelf, partners: Partners, naming: Naming,
    ) -> None:  # fmt: skip
        self.client, self.settings, self.env = client, settings, env
        self.orders, self.shelf, self.partners, self.naming = orders, shelf, partners, naming
        self.lock = account_lock(settings)

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See Documents."""
        wanted = {key: order for key in keys if (order := order_of_key(key)) is not None}
        if not wanted:
            return {}
        marks = self._marks(self.orders.recent())
        if any(order not in marks for order in wanted.values()):
            marks = self._marks(self.orders.recent(fresh=True))
        while any(order not in marks for order in wanted.values()) and self.orders.further():
            marks = self._marks(self.orders.kept())
        return {key: self.ref(marks[order], key) for key, order in wanted.items() if order in marks}

    def all(self) -> Iterator[ListedDocument]:
        """Every order that bears a number of ours, oldest first."""
        for row in self.orders.every():
            order = order_of(text(row.get(NUMBER_ELSEWHERE)))
            if order is not None:
                yield ListedDocument(self.ref(row, key_of(self.env.client, *order)), *order)

    def _marks(self, rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
        """Orders by (source, order id); of two the older one."""
        found: dict[tuple[str, str], Row] = {}
        for row in rows:
            order = order_of(text(row.get(NUMBER_ELSEWHERE)))
            if order is not None:
                found.setdefault(order, row)
        return found

    def ref(self, row: Row, key: str) -> DocumentRef:
        """A document as the engine knows it."""
        own_id = str(own(row))
        fields = self.settings.fields
        return DocumentRef(
            id=own_id,
            number=text(row.get("Number")) or own_id,
            key=key,
            created_at=moment(row.get("Date"), self.settings.zone),
            total=total_of(row),
            currency=text(row.get(fields.currency)) if fields.currency else "",
        )

    # --- making ------------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        """One outcome for each, in order. What strikes all is told of each that is left."""
        if not drafts:
            return []
        with self.lock:
            there = self._of_days(drafts)
            act = Strikes()
            return [act(draft.key, partial(self._create, draft, there)) for draft in drafts]

    def _of_days(self, drafts: Sequence[DocumentDraft]) -> list[Row]:
        """All orders of the days of these, read now, with those that are kept of other days."""
        moments = sorted(draft.order.created_at for draft in drafts)
        first = last = moments[0]
        for moment_ in moments:
            if moment_ - last > _GAP:
                self.orders.days(first, last)
                first = moment_
            last = moment_
        self.orders.days(first, last)
        return self.orders.kept()

    def _create(self, draft: DocumentDraft, there: list[Row]) -> DocumentOutcome:
        order = draft.order
        mark = mark_of(order.source, order.id)
        row = self._marks(there).get((order.source, order.id))
        if row is not None:
            return DocumentOutcome(draft.key, self.ref(row, draft.key), existed=True)
        self._no_twin(order, there)
        reckoned = self.reckoned(draft)
        body = full(self._body(draft, mark, reckoned))
        row = self._post(order, body)
        there.append(row)
        self._as_wanted(row, reckoned, body)
        return DocumentOutcome(draft.key, self.ref(row, draft.key))

    def _no_twin(self, order: Order, there: Sequence[Row]) -> None:
        """Raises Held where another program has brought the order already."""
        if self.settings.orders.twins == "ignore":
            return
        wanted = {order.number, order.id, order.source_number} - {""}
        words = [one for one in wanted if len(one) >= 5]
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)") if words else None
        comment = self.settings.fields.comment
        for row in there:
            elsewhere = text(row.get(NUMBER_ELSEWHERE)).strip()
            if order_of(elsewhere) is not None:
                continue
            said = text(row.get(comment)) if comment else ""
            if elsewhere in wanted or (pattern is not None and pattern.search(said)):
                raise held(
                    T("Quincefin has an order {there} with the number {number} already, made by another program or a "
                      "person.", there=text(row.get("Number")) or str(own(row)), number=order.number),
                    T("Switch Quincefin's own exchange with the CRM off, or set `orders: {twins: ignore}` of the "
                      "connection."),
                    code="quincefin-twin",
                )  # fmt: skip

    def is_cancelled(self, row: Row) -> bool:
        """Whether an order has a status of cancelled ones."""
        field = self.settings.fields.status
        # one whose number is not known here is no matter of what is done now: its name is enough to see it
        statuses = [self.naming.shown_status(word) for word in ("cancelled", "refunded")]
        return any(one is not None and not differs(row, {field: one}, self.settings) for one in statuses if field)

    def reckoned(self, draft: DocumentDraft, *, shipped: bool = False) -> Reckoned:
        """The parts of an order, or (``shipped``) of what leaves on it, which has discounts on its lines alone.

        Raises Held where its goods are not there, or its parts do not make its total.
        """
        settings = self.settings.orders
        goods = self.shelf.goods().by_id
        products = []
        for ref, line in zip(draft.products, draft.order.lines, strict=True):
            key = ident(ref.id)
            if key is not None and key in goods and not sold(goods[key]):
                raise held(
                    T("{article} is the base of variants in Quincefin: an order names one of them.", article=ref.code),
                    T("Let the order name the article of the variant."),
                    code="quincefin-base",
                )
            if key is None or key not in goods:
                raise held(
                    T("Quincefin has no goods {id} any more ({article}).", id=ref.id, article=ref.code or line.code),
                    T("Look whether they are archived there."),
                    code="quincefin-gone",
                )
            products.append(key)
        services = Services(fee=settings.fee_service)
        by_line = settings.delivery == "line" or not self.settings.fields.delivery
        if by_line and draft.order.delivery.cost:
            delivery = self.naming.delivery_service(draft)
            if delivery is None:
                raise held(
                    T("Order {number} has a delivery, and no service is named that it is booked as.",
                      number=draft.order.number),
                    T("Name it: `orders: {delivery_service: …}` of the connection."),
                    code="quincefin-delivery",
                )  # fmt: skip
            services = Services(delivery, settings.fee_service)
        way = "lines" if shipped and settings.discounts == "document" else settings.discounts
        return reckon(draft, products, way, services)

    def _body(self, draft: DocumentDraft, mark: str, reckoned: Reckoned) -> dict[str, Any]:
        own, taken = self.env.currency, self.settings.orders.foreign == "own_rate"
        check_foreign(draft.order, own, "Quincefin", taken=taken, setting="`orders: {foreign: own_rate}`")
        partner = self._partner(draft)
        company = self.naming.company(draft)
        contract = self.partners.contract(partner, company, draft.order.currency)
        links: Links = self.naming.links(draft, partner, contract)
        comment = "\n".join(filter(None, (draft.comment, *self.naming.notes(draft), *rate_line(draft.order, own))))
        return order_body(draft.order, mark, reckoned, links, comment, self.settings)

    def _partner(self, draft: DocumentDraft) -> int:
        if draft.client is not None:
            key = ident(draft.client.id)
            if key is None or key not in self.partners.all():
                raise held(T("Quincefin has no partner {id}.", id=draft.client.id), code="quincefin-gone")
            return key
        return self.partners.of_order(draft.order.customer).id

    def _post(self, order: Order, body: Mapping[str, Any]) -> Row:
        """The order that was made, as it is shown. Raises InDoubt where neither an answer came nor it is there."""
        try:
            key = self.client.add(ORDER, body)
        except InDoubt as doubt:
            return found_after(doubt, lambda: self._look(order))

        def look() -> Row | None:
            row = self.orders.one(key, order.created_at) if key is not None else None
            return row or self._look(order)

        return shown_after(look, T("order {number}", number=order.number))

    def _look(self, order: Order) -> Row | None:
        rows = self.orders.days(order.created_at, order.created_at)
        return self._marks(rows).get((order.source, order.id))

    def _as_wanted(self, row: Row, reckoned: Reckoned, body: Mapping[str, Any]) -> None:
        """Raises Held where the account shows another number or total than was sent: nothing of bodies is certain."""
        number = text(row.get("Number")) or str(own(row))
        if text(row.get(NUMBER_ELSEWHERE)) != body[NUMBER_ELSEWHERE]:
            raise held(T("Quincefin does not keep the external number of order {number}.", number=number),
                       code="quincefin-kept")  # fmt: skip
        told = total_of(row)
        if told is not None and told != reckoned.total:
            raise held(
                T("Quincefin reckons {there} for order {number}, and not {wanted}.", there=told, number=number,
                  wanted=reckoned.total),
                T("Compare the two; `orders: {discounts: prices}` of the connection puts all discounts into the "
                  "prices."),
                code="quincefin-total",
            )  # fmt: skip

    # --- changing ----------------------------------------------------------------------------------------------------

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        with self.lock:
            act = Strikes()
            return [act(one.key, partial(self._amend, one)) for one in amendments]

    def _amend(self, amendment: Amendment) -> DocumentOutcome:
        draft, order = amendment.draft, amendment.draft.order
        row = self.there(amendment.ref)
        reckoned = self.reckoned(draft)
        mark = text(row.get(NUMBER_ELSEWHERE)) or mark_of(order.source, order.id)
        body = self._body(draft, mark, reckoned)
        body.pop("Fixed", None)  # never posted, nor taken back, by a change
        changes = differs(row, body, self.settings)
        if not changes:
            return DocumentOutcome(amendment.key, self.ref(row, amendment.ref.key), existed=True)
        if flag(row.get("Fixed")) and not self.settings.change_posted:
            raise held(
                T("Order {number} is posted in Quincefin: it is not changed.", number=amendment.ref.number),
                T("Change it there by hand, or set `change_posted` of the connection."),
                code="quincefin-posted",
            )
        after = self._update(row, changes)
        self._as_wanted(after, reckoned, body)
        if left := differs(after, {name: body[name] for name in changes if name in after}, self.settings):
            raise held(
                T("Quincefin has taken the change of order {number}, and shows otherwise: {names}.",
                  number=amendment.ref.number, names=", ".join(left)),
                T("See `update` and `update_lines` of the connection; `mistok check --connect --write-probe` tells "
                  "what the account does."),
                code="quincefin-kept",
            )  # fmt: skip
        return DocumentOutcome(amendment.key, self.ref(after, amendment.ref.key))

    def _update(self, row: Row, changes: Mapping[str, Any]) -> Row:
        """The order after a change. A lost answer is looked up: all changes are absolute."""
        key = own(row) or 0
        try:
            self.client.update(ORDER, changed(row, changes, self.settings))
        except InDoubt as doubt:
            after = found_after(doubt, lambda: self.orders.one(key))
            if differs(after, changes, self.settings):
                raise
            return after
        return shown_after(lambda: self.orders.one(key), T("order {number}", number=text(row.get("Number")) or key))

    def there(self, ref: DocumentRef) -> Row:
        """The order as it is now. Raises Held for one that is gone."""
        key = ident(ref.id)
        row = self.orders.one(key, ref.created_at) if key is not None else None
        if row is None:
            raise held(T("Quincefin has no order {number}.", number=ref.number or ref.id), code="quincefin-gone")
        return row

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """One outcome for each, in order: the API deletes nothing, so that a cancelled order has its status."""
        with self.lock:
            act = Strikes()
            return [act(one.key, partial(self._cancel, one)) for one in cancellations]

    def _cancel(self, cancellation: Cancellation) -> DocumentOutcome:
        wanted = self.naming.status(cancellation.status)
        wanted = wanted if wanted is not None else self.naming.status("cancelled")
        if wanted is None:
            raise held(
                T("It is not said which status cancelled orders have in Quincefin."),
                T("Say which one is meant: `orders: {statuses: {cancelled: …}}` of the connection."),
                code="unknown-status",
            )
        return self._set(cancellation.key, cancellation.ref, wanted)

    def set_statuses(self, changes: Sequence[StatusChange]) -> list[DocumentOutcome]:
        """See DocumentStatuses."""
        with self.lock:
            act = Strikes()
            return [act(one.key, partial(self._set_status, one.key, one.ref, one.status)) for one in changes]

    def _set_status(self, key: str, ref: DocumentRef, status: Ref) -> DocumentOutcome:
        wanted = self.naming.sent("status", status)
        assert wanted is not None
        return self._set(key, ref, wanted)

    def _set(self, key: str, ref: DocumentRef, wanted: int | str) -> DocumentOutcome:
        field = self.settings.fields.status
        if not field:
            raise held(T("Quincefin has no field for the status of an order."), code="quincefin-status")
        row = self.there(ref)
        changes = differs(row, {field: wanted}, self.settings)
        if not changes:
            return DocumentOutcome(key, self.ref(row, ref.key), existed=True)
        after = self._update(row, changes)
        if differs(after, changes, self.settings):
            raise held(
                T("Quincefin has taken the status of order {number}, and shows {there}.", number=ref.number or ref.id,
                  there=named(after.get(field)) or text(after.get(field)) or "—"),
                code="quincefin-kept",
            )  # fmt: skip
        return DocumentOutcome(key, self.ref(after, ref.key))
