"""Orders that are made in KeyCRM: each once, looked up before and after, to the cent.

The API makes orders one by one and has no key of ours, so that one is looked for by ``source_uuid`` before it is made,
and again where no answer came. Two sessions of one process never make orders of one account at the same time; between
processes the engine's lease sees to it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    ListedDocument,
    Strikes,
    SystemEnv,
    T,
    Transient,
    cents,
    key_of,
    key_parts,
)
from plugins.systems.keycrm.mapping import ZERO
from plugins.systems.keycrm.naming import Naming
from plugins.systems.keycrm.order_in import INCLUDE
from plugins.systems.keycrm.order_out import (
    Standing,
    Sums,
    changed_lines,
    changed_shipping,
    comment_of,
    new_order,
    off_lines,
    order_of,
    uuid_of,
)
from plugins.systems.keycrm.orders import ORDER
from plugins.systems.keycrm.reading import Reader
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.values import Row, ident, moment, number, part, rows, text

#: One for each account, for all sessions of this process.
_LOCKS: dict[str, threading.Lock] = {}
_LOCK = threading.Lock()
#: In the manager's comment of an order from when it is made until it has its status, which takes a further request.
MAKING = "(Mistok …)"
FAILURES = 6  #: group of statuses of orders that came to nothing


class DocumentBook:
    """The orders of one account that were made by us."""

    def __init__(self, reader: Reader, naming: Naming, env: SystemEnv) -> None:
        self.reader, self.naming, self.env = reader, naming, env
        self.client, self.lists, self.settings = reader.client, reader.lists, reader.settings
        self.by_line = True  #: KeyCRM reckons discounts of lines as they are meant
        self.tried = False  #: … which an order of this session has shown
        account = f"{self.settings.url}\0{self.settings.key.get_secret_value()}"
        with _LOCK:
            self._lock = _LOCKS.setdefault(hashlib.sha256(account.encode()).hexdigest(), threading.Lock())

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See Documents. One that still bears the mark of its making has not got its sum and its status."""
        found: dict[str, DocumentRef] = {}
        for key in keys:
            parts = key_parts(key)
            row = self._look(*parts[1:]) if parts else None
            if row is not None:
                found[key] = replace(self._ref(row, key), unfinished=_is_begun(row))
        return found

    def all(self) -> Iterator[ListedDocument]:
        """Every order that bears a number of ours and is of the source that it names, oldest first."""
        listed = []
        for row in self.client.pages(ORDER, sort="id"):
            order = order_of(text(row.get("source_uuid")))
            if order and self.naming.is_source(order[0], ident(row.get("source_id"))):
                listed.append(ListedDocument(self._ref(row, key_of(self.env.client, *order)), *order))
        return iter(sorted(listed, key=lambda one: int(one.ref.id)))

    def _look(self, source: str, order_id: str) -> Row | None:
        """The order with this number; of several the oldest."""
        uuid = uuid_of(source, order_id)
        asked = {"filter[source_uuid]": uuid}
        found = [row for row in self.client.pages(ORDER, asked, most=200) if text(row.get("source_uuid")) == uuid]
        return min(found, key=lambda row: ident(row.get("id")) or 0, default=None)

    def _ref(self, row: Row, key: str) -> DocumentRef:
        own = str(ident(row.get("id")))
        source = self.lists.by_id("source", ident(row.get("source_id")))
        return DocumentRef(
            id=own,
            number=own,
            key=key,
            created_at=moment(row.get("created_at")),
            total=number(row.get("grand_total")),
            currency=text(row.get("currency")) or text(source.get("currency_code")),
        )

    # --- making ------------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        """One outcome for each, in order. What strikes all is told of each that is left."""
        articles = self._articles(drafts) if drafts else {}
        act = Strikes()
        return [act(draft.key, partial(self._create, draft, articles)) for draft in drafts]

    def _articles(self, drafts: Sequence[DocumentDraft]) -> Mapping[str, Sequence[Row]]:
        return self.reader.by_article({ref.code for draft in drafts for ref in draft.products})

    def _create(self, draft: DocumentDraft, there: Mapping[str, Sequence[Row]]) -> DocumentOutcome:
        order = draft.order
        with self._lock:
            row = self._look(order.source, order.id)
            if row is not None:
                return DocumentOutcome(draft.key, self._ref(self._finish(draft, row), draft.key), existed=True)
            sums = Sums.of(draft)
            articles = articles_of(draft, there)
            names = self.naming.of(draft)
            body = new_order(draft, articles, names, sums, by_line=self.by_line, unit=self.settings.unit)
            status = self._status(order.status)
            comment = text(body.get("manager_comment"))
            more = status is not None or (self.by_line and not self.tried and bool(off_lines(order)))
            if more:  # another request may follow: killed before it, the order is finished by whoever finds it
                body["manager_comment"] = f"{comment}\n{MAKING}".strip()
            row = self._post(order.source, order.id, body)
            self.lists.forget("source")  # its first order has made it
            # still alone: another session that finds the mark of its making would finish it beside us
            row = self._to_the_cent(draft, sums, row, by_line=self.by_line)
            row = self._set_status(status, row, comment)
        return DocumentOutcome(draft.key, self._ref(row, draft.key))

    def _finish(self, draft: DocumentDraft, row: Row) -> Row:
        """What a run that broke off after it had made the order has left to be done."""
        if not _is_begun(row):
            return row
        try:
            row = self._to_the_cent(draft, Sums.of(draft), row, by_line=self.by_line)
        except Held as error:
            if error.code != "keycrm-total":
                raise
            row = self._whole(row)  # it was told when it was made, and whoever looks it up sees it
        comment = text(row.get("manager_comment")).replace(MAKING, "").strip()
        return self._set_status(self._status(draft.order.status), row, comment)

    def _post(self, source: str, order_id: str, body: Mapping[str, Any]) -> Row:
        """The order that was made. Raises InDoubt where neither an answer came nor it is there."""
        try:
            made = self.client.post(ORDER, body)
        except InDoubt:
            found = self._look(source, order_id)
            if found is None:
                raise
            return found
        found = made if ident(made.get("id")) is not None else self._look(source, order_id)
        if found is None:
            raise InDoubt(T("KeyCRM does not tell the order that it has made."))
        return found

    def _to_the_cent(self, draft: DocumentDraft, sums: Sums, row: Row, *, by_line: bool) -> Row:
        """The order with the total that it is to have. Where KeyCRM reckons otherwise, discounts are off the order."""
        if number(row.get("grand_total")) == sums.total:
            self.tried |= by_line and bool(off_lines(draft.order))
            return row
        path = f"{ORDER}/{ident(row.get('id'))}"
        whole = sums.discount + off_lines(draft.order)
        if by_line and off_lines(draft.order):
            lines = [
                {"id": line.number, "discount_amount": ZERO} for line in standing(self._whole(row)) if line.discount
            ]
            row = self.client.put(path, {"discount_amount": whole, "products": lines})
            self.by_line = number(row.get("grand_total")) != sums.total
        rest = (number(row.get("grand_total")) or ZERO) - sums.total
        if rest and whole + rest >= 0:
            row = self.client.put(path, {"discount_amount": whole + rest})
        if number(row.get("grand_total")) != sums.total:
            raise held(
                T(
                    "KeyCRM reckons {there} for order {number}, and not {wanted}.",
                    there=number(row.get("grand_total")) or ZERO,
                    number=str(ident(row.get("id"))),
                    wanted=sums.total,
                ),
                T("Compare the two, and put the order right in KeyCRM: it is looked at again by itself."),
                code="keycrm-total",
            )
        return row

    def _whole(self, row: Row) -> Row:
        """The order with its lines and shipping."""
        own = str(ident(row.get("id")))
        found = self.client.one(f"{ORDER}/{own}", {"include": INCLUDE})
        if found is None:
            raise held(T("KeyCRM has no order {number}.", number=own), code="keycrm-gone")
        return found

    def _set_status(self, wanted: int | None, row: Row, comment: str) -> Row:
        """The order with its status, and without the mark of its making. Raises InDoubt where that is not so."""
        body: dict[str, Any] = {}
        if wanted is not None and ident(row.get("status_id")) != wanted:
            body["status_id"] = wanted
        if _is_begun(row):
            body["manager_comment"] = comment
        if not body:
            return row
        try:
            return {**row, **self.client.put(f"{ORDER}/{ident(row.get('id'))}", body)}
        except (Held, Transient) as error:
            raise InDoubt(
                T("Order {number} is in KeyCRM, but its status could not be set: {words}",
                  number=str(ident(row.get("id"))), words=error.text),
                hint=T("It is looked up by itself whether it was done."),
            ) from error  # fmt: skip

    def _status(self, status: str) -> int | None:
        """The status that orders of this one are to have; None: KeyCRM's own first one."""
        said = self.settings.documents.statuses.get(status)
        if said is None:
            return None
        found = self.lists.named("status", said)
        if found is None:
            names = ", ".join(text(row.get("name")) for row in self.lists.rows("status"))
            raise held(
                T("KeyCRM has no order status {status}.", status=said), T("It has: {names}.", names=names),
                code="unknown-status",
            )  # fmt: skip
        return int(found.id)

    # --- changing ----------------------------------------------------------------------------------------------------

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        there = self._articles([one.draft for one in amendments]) if amendments else {}
        act = Strikes()
        return [act(one.key, partial(self._amend, one, there)) for one in amendments]

    def _amend(self, amendment: Amendment, there: Mapping[str, Sequence[Row]]) -> DocumentOutcome:
        draft, order = amendment.draft, amendment.draft.order
        row = self._whole({"id": amendment.ref.id})
        sums, articles, names = Sums.of(draft), articles_of(draft, there), self.naming.of(draft)
        if cents(number(row.get("shipping_price")) or ZERO) != cents(order.delivery.cost):
            raise held(
                T("KeyCRM does not change the cost of delivery of an order that is there."),
                T("Change the order in KeyCRM by hand: it is looked at again by itself."),
                code="keycrm-delivery",
            )
        by_line, lines = self._lines(draft, articles, sums, standing(row))
        discount = sums.discount if by_line else sums.discount + off_lines(order)
        body: dict[str, Any] = {"products": lines} if lines else {}
        if lines or cents(number(row.get("grand_total")) or ZERO) != sums.total:
            body["discount_amount"] = discount
        comments = {"buyer_comment": order.comment, "manager_comment": comment_of(draft, names)}
        body |= {name: said for name, said in comments.items() if said and text(row.get(name)).strip() != said.strip()}
        if shipping := changed_shipping(order, names, part(row.get("shipping"))):
            body["shipping"] = shipping
        status = self._status(order.status)
        if status is not None and ident(row.get("status_id")) != status:
            body["status_id"] = status
        if not body:
            return DocumentOutcome(amendment.key, self._ref(row, amendment.ref.key), existed=True)
        safe = "tracking_code" not in shipping
        after = self.client.put(f"{ORDER}/{ident(row.get('id'))}", body, safe=safe)
        after = self._to_the_cent(draft, sums, after, by_line=by_line)
        return DocumentOutcome(amendment.key, self._ref({**row, **after}, amendment.ref.key))

    def _lines(
        self, draft: DocumentDraft, articles: Sequence[str], sums: Sums, there: Sequence[Standing]
    ) -> tuple[bool, list[dict[str, Any]]]:
        """Whether discounts of lines stand on them, and what of the lines changes: as it was made, if that is so."""
        ways = [
            (by_line, changed_lines(draft, articles, sums, there, by_line=by_line))
            for by_line in (self.by_line, not self.by_line)
        ]
        return next((way for way in ways if not way[1]), ways[0])

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        act = Strikes()
        return [act(one.key, partial(self._cancel, one)) for one in cancellations]

    def _cancel(self, cancellation: Cancellation) -> DocumentOutcome:
        row = self._whole({"id": cancellation.ref.id})
        wanted = self._status(cancellation.status)
        if wanted is None:
            if ident(row.get("status_group_id")) == FAILURES:
                return DocumentOutcome(cancellation.key, self._ref(row, cancellation.ref.key), existed=True)
            wanted = self._status("cancelled") or self._failure()
        if ident(row.get("status_id")) == wanted:
            return DocumentOutcome(cancellation.key, self._ref(row, cancellation.ref.key), existed=True)
        after = self.client.put(f"{ORDER}/{ident(row.get('id'))}", {"status_id": wanted})
        if ident(after.get("status_id")) != wanted:
            raise held(T("KeyCRM has taken the change of the status, and does not show it."), code="keycrm-kept")
        return DocumentOutcome(cancellation.key, self._ref({**row, **after}, cancellation.ref.key))

    def _failure(self) -> int:
        """The only status of orders that came to nothing."""
        found = [row for row in self.lists.rows("status") if ident(row.get("group_id")) == FAILURES]
        if len(found) != 1 or (number_ := ident(found[0].get("id"))) is None:
            raise held(
                T("KeyCRM has several statuses for orders that came to nothing, or none."),
                T("Say which one is meant: `documents: {statuses: {cancelled: …}}` of the connection."),
                code="unknown-status",
            )
        return number_


def _is_begun(row: Row) -> bool:
    """Whether an order was made, and what is done to it afterwards was not."""
    return MAKING in text(row.get("manager_comment"))


def articles_of(draft: DocumentDraft, there: Mapping[str, Sequence[Row]]) -> list[str]:
    """The article of each line. Raises Held for goods that are not there, and where an article means several."""
    found = []
    for ref in draft.products:
        some = there.get(ref.code, ())
        if not any(str(ident(row.get("id"))) == ref.id for row in some):
            raise held(
                T("KeyCRM has no offer {id} with the article {article} any more.", id=ref.id, article=ref.code or "—"),
                code="keycrm-gone",
            )
        if len(some) > 1:
            raise held(
                T("Several offers of KeyCRM have the article {article}, and items of orders are named by it.",
                  article=ref.code),
                T("Keep one of them, and give the others another article."),
                code="twins",
            )  # fmt: skip
        found.append(ref.code)
    return found


def standing(row: Row) -> list[Standing]:
    """The lines of an order of KeyCRM. Raises Held where one has no id to be named by."""
    found = []
    for one in rows(row.get("products")):
        number_ = ident(one.get("id"))
        if number_ is None:
            raise held(T("KeyCRM does not tell by what an item of the order can be changed."))
        offer = part(one.get("offer"))
        values: list[Decimal] = [number(one.get(name)) or ZERO for name in ("price", "quantity", "discount_amount")]
        found.append(Standing(number_, text(offer.get("sku")) or text(one.get("sku")), text(one.get("name")), *values))
    return found
