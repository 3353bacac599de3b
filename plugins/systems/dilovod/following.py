"""What follows an order: shipments that write goods off, returns on the base of a shipment, payments. Each once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from pipeline.api import (
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    PaymentDraft,
    Return,
    Shipment,
    Strikes,
    SystemEnv,
    T,
    cents,
    delivery_lines,
)
from plugins.systems.dilovod.mapping import Good
from plugins.systems.dilovod.marks import Mark, marks_in, with_mark
from plugins.systems.dilovod.names import CASH_IN, RETURN, RETURN_MODE, SALE, SHIPMENT_MODE
from plugins.systems.dilovod.naming import HINTS, Naming
from plugins.systems.dilovod.order_out import (
    Services,
    Standing,
    Sums,
    beyond,
    check_not_empty,
    new_lines,
)
from plugins.systems.dilovod.papers import Papers, is_saved_only
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import ZERO, Row, flag, link, stamp, text

#: Of an order (or a shipment) what its shipment (its return) has as well.
_PASSED_ON = ("firm", "person", "storage", "currency", "business", "priceType", "manager", "taxAccount")
Quantities = Mapping[str, Decimal]


class Following:
    """Shipments, returns and payments of one base."""

    def __init__(self, papers: Papers, naming: Naming, env: SystemEnv) -> None:
        self.papers, self.naming, self.env = papers, naming, env
        self.client, self.settings = papers.client, papers.client.settings.documents

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, name: str, keys: Collection[str]) -> dict[str, DocumentRef]:
        """The documents of a kind that exist for keys; one with a deletion mark does not. See OrderBook.find."""
        post = name != CASH_IN or self.settings.post_payments
        found: dict[str, DocumentRef] = {}
        for key in keys:
            mark = Mark.of_key(key, action=True)
            row = self.papers.look(name, mark) if mark is not None else None
            if row is not None and not flag(row.get("delMark")):
                found[key] = replace(self.papers.ref(row, key), unfinished=is_saved_only(row, post=post))
        return found

    def shipments_of(self, orders: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """See ShipDocuments."""
        known = {ref.id for ref in orders}
        found: dict[str, list[DocumentRef]] = {}
        for row in self._sales(known):
            for order in sorted({link(row.get("baseDoc")), link(row.get("contract"))} & known):
                found.setdefault(order, []).append(self.papers.ref(row, _key(row)))
        return found

    def _sales(self, orders: Collection[str]) -> list[Row]:
        """Live shipments of orders, by whichever link they were made."""
        both = [*self.papers.linked(SALE, "baseDoc", orders), *self.papers.linked(SALE, "contract", orders)]
        return sorted({link(row.get("id")): row for row in both}.values(), key=lambda row: link(row.get("id")))

    def returns_of(self, shipments: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """See ReturnDocuments. A return that names its order alone stands on every shipment of that order."""
        return {
            shipment: [self.papers.ref(row, _key(row)) for row in rows]
            for shipment, rows in self._returns([ref.id for ref in shipments]).items()
        }

    def _returns(self, shipments: Sequence[str]) -> dict[str, list[Row]]:
        found: dict[str, dict[str, Row]] = {}
        for row in self.papers.linked(RETURN, "baseDoc", shipments):
            found.setdefault(link(row.get("baseDoc")), {})[link(row.get("id"))] = row
        orders: dict[str, set[str]] = {}
        for id_ in shipments:
            there = self.client.one(id_)
            order = _order_of(Standing.of(id_, there)) if there is not None else ""
            if order:
                orders.setdefault(order, set()).add(id_)
        for row in self.papers.linked(RETURN, "contract", orders):
            order, base = link(row.get("contract")), link(row.get("baseDoc"))
            if not base or base == order:
                for id_ in orders[order]:
                    found.setdefault(id_, {})[link(row.get("id"))] = row
        return {id_: [rows[one] for one in sorted(rows)] for id_, rows in found.items()}

    def live_shipments(self, order: str) -> list[Standing]:
        """The shipments of an order that are not to be deleted, whoever made them."""
        return [self.papers.standing(link(row.get("id"))) for row in self._sales([order])]

    def away(self, sales: Sequence[Standing]) -> dict[str, Decimal]:
        """What has left by shipments and not come back, by good."""
        found = _sum(sales)
        back = {link(row.get("id")) for rows in self._returns([one.id for one in sales]).values() for row in rows}
        for good, qty in _sum([self.papers.standing(id_) for id_ in sorted(back)]).items():
            found[good] = found.get(good, ZERO) - qty
        return found

    # --- shipping ----------------------------------------------------------------------------------------------------

    def ship(self, shipments: Sequence[Shipment]) -> list[DocumentOutcome]:
        """See ShipDocuments."""
        if not shipments:
            return []
        goods = self._goods([one.draft for one in shipments])
        act = Strikes("locked")
        return [act(one.key, partial(self._ship, one, goods)) for one in shipments]

    def _goods(self, drafts: Sequence[DocumentDraft]) -> Mapping[str, Good]:
        return self.naming.reader.by_id({ref.id for draft in drafts for ref in draft.products})

    def _ship(self, shipment: Shipment, goods: Mapping[str, Good]) -> DocumentOutcome:
        mark = _mark(shipment.key)
        with self.papers.lock:
            if (known := self._known(SALE, mark, shipment.key)) is not None:
                return known
            check_not_empty(shipment.draft)
            order = self.papers.standing(shipment.order.id)
            if order.marked:
                raise held(T("Order {number} is marked for deletion: nothing is shipped on it.", number=order.number),
                           code="dilovod-marked")  # fmt: skip
            lines, sums = self._lines(shipment.draft, goods)
            before = self.live_shipments(order.id)
            # what came back may leave again
            left = _less(order.quantities(), self.away(before))
            self._within(lines, left, order, before)
            storage = {"storage": shipment.draft.warehouse.id} if shipment.draft.warehouse is not None else {}
            header = self._header(SALE, order, shipment.draft, mark, shipment.at, sums) | storage
            links = {"docMode": SHIPMENT_MODE, "baseDoc": order.id, "contract": order.id}
            there = self.papers.make(SALE, header | links, lines, post=True)
        return DocumentOutcome(shipment.key, self.papers.ref_of(there, shipment.key))

    # --- taking back -------------------------------------------------------------------------------------------------

    def take_back(self, returns: Sequence[Return]) -> list[DocumentOutcome]:
        """See ReturnDocuments."""
        if not returns:
            return []
        goods = self._goods([one.draft for one in returns])
        act = Strikes("locked")
        return [act(one.key, partial(self._take_back, one, goods)) for one in returns]

    def _take_back(self, wanted: Return, goods: Mapping[str, Good]) -> DocumentOutcome:
        mark = _mark(wanted.key)
        with self.papers.lock:
            if (known := self._known(RETURN, mark, wanted.key)) is not None:
                return known
            check_not_empty(wanted.draft)
            shipment = self.papers.standing(wanted.shipment.id)
            if shipment.marked or not shipment.posted:
                raise held(
                    T("Shipment {number} is not posted, or marked for deletion: nothing of it can come back.",
                      number=shipment.number),
                    code="dilovod-marked",
                )  # fmt: skip
            lines, sums = self._lines(wanted.draft, goods)
            rows = self._returns([shipment.id]).get(shipment.id, [])
            before = [self.papers.standing(link(row.get("id"))) for row in rows]
            left = _less(shipment.quantities(), _sum(before))
            self._within(lines, left, shipment, before, back=True)
            storage = {"storage": wanted.draft.warehouse.id} if wanted.draft.warehouse is not None else {}
            header = self._header(RETURN, shipment, wanted.draft, mark, wanted.at, sums) | storage
            order = _order_of(shipment) or wanted.order.id
            links = {"docMode": RETURN_MODE, "baseDoc": shipment.id, "contract": order}
            there = self.papers.make(RETURN, header | links, lines, post=True)
        return DocumentOutcome(wanted.key, self.papers.ref_of(there, wanted.key))

    # --- paying ------------------------------------------------------------------------------------------------------

    def pay(self, payments: Sequence[PaymentDraft]) -> list[DocumentOutcome]:
        """See Payments."""
        act = Strikes("locked")
        return [act(one.key, partial(self._pay, one)) for one in payments]

    def _pay(self, payment: PaymentDraft) -> DocumentOutcome:
        mark = _mark(payment.key)
        with self.papers.lock:
            if (known := self._known(CASH_IN, mark, payment.key, post=self.settings.post_payments)) is not None:
                return known
            if payment.amount <= 0 or payment.amount != cents(payment.amount):
                raise held(T("{amount} is no amount of money that could be paid.", amount=payment.amount),
                           code="amount")  # fmt: skip
            order = self.papers.standing(payment.order.id)
            if order.marked:
                raise held(T("Order {number} is marked for deletion: no payment is noted on it.", number=order.number),
                           code="dilovod-marked")  # fmt: skip
            currency = self.naming.currency(payment.currency)
            if link(order.header.get("currency")) not in ("", currency):
                raise held(
                    T("Order {number} is in another currency than {currency}.", number=order.number,
                      currency=payment.currency),
                    code="currency",
                )  # fmt: skip
            said = self.settings.account
            account = (
                payment.account.id
                if payment.account is not None
                else self.papers.lists.wanted("account", said, HINTS["account"]).id if said else ""
            )  # fmt: skip
            header = {
                "date": stamp(payment.at or self.env.clock.now()),
                "firm": link(order.header.get("firm")),
                "business": link(order.header.get("business")),
                "person": payment.payer.id if payment.payer is not None else link(order.header.get("person")),
                "currency": currency,
                "amountCur": f"{payment.amount:.2f}",
                "cashAccount": account,
                "baseDoc": order.id,
                "remark": with_mark(mark, payment.comment),
            }
            filled = {name: value for name, value in header.items() if value}
            there = self.papers.make(CASH_IN, filled, None, post=self.settings.post_payments)
            if there.total != payment.amount:
                raise held(
                    T("Document {number} of Dilovod does not say what was sent: {there} for {wanted}.",
                      number=there.number, there=there.total, wanted=payment.amount),
                    code="dilovod-kept",
                )  # fmt: skip
        return DocumentOutcome(payment.key, self.papers.ref_of(there, payment.key))

    # --- parts -------------------------------------------------------------------------------------------------------

    def _known(self, name: str, mark: Mark, key: str, *, post: bool = True) -> DocumentOutcome | None:
        """The document with this mark; posted, if it was left unposted. Raises Held where it is to be deleted."""
        row = self.papers.look(name, mark)
        if row is None:
            return None
        there = self.papers.standing(link(row.get("id")))
        if there.marked:
            raise held(
                T("Document {number} was marked for deletion in Dilovod.", number=there.number),
                T("Lift the mark in Dilovod if it is to hold after all."),
                code="dilovod-marked",
            )
        if post and not there.posted:
            there = self.papers.posted(there)
        return DocumentOutcome(key, self.papers.ref_of(there, key), existed=True)

    def _lines(self, draft: DocumentDraft, goods: Mapping[str, Good]) -> tuple[list[dict[str, Any]], Sums]:
        sums = Sums.of(draft)
        services = Services(
            self.naming.service(draft.delivery, "delivery") if sums.delivery else None,
            self.naming.service(None, "fee") if sums.fee else None,
        )
        return new_lines(draft, self.naming.goods_of(draft, goods), services, sums), sums

    def _header(
        self, name: str, base: Standing, draft: DocumentDraft, mark: Mark, at: datetime | None, sums: Sums
    ) -> dict[str, Any]:
        """What a document takes from the one that it stands on; what is not of its kind is left out."""
        passed = {one: link(base.header.get(one)) for one in _PASSED_ON}
        header = {
            "date": stamp(at or self.env.clock.now()),
            **{one: value for one, value in passed.items() if value},
            "amountCur": f"{sums.total:.2f}",
            "remark": with_mark(mark, draft.comment, *(delivery_lines(draft.order) if name == SALE else ())),
        }
        missing = [one for one in ("firm", "person", "storage", "currency") if not header.get(one)]
        if missing:
            raise held(T("Document {number} of Dilovod has no {names}.", number=base.number, names=", ".join(missing)),
                       code="dilovod-incomplete")  # fmt: skip
        return header

    def _within(
        self,
        lines: Sequence[Mapping[str, Any]],
        left: Quantities,
        base: Standing,
        before: Sequence[Standing],
        *,
        back: bool = False,
    ) -> None:
        """Raises Held where more is wanted of a good than is left of it."""
        wanted = Standing("", {}, tuple(lines)).quantities()
        over = beyond(wanted, left)
        if not over:
            return
        names = {good.id: good.name for good in self.naming.reader.by_id(over).values()}
        first = over[0]
        named: dict[str, Any] = {"number": base.number, "left": left.get(first, ZERO), "n": wanted[first]}
        named["name"] = names.get(first, first)
        words = (
            T("Shipment {number} has {left} of {name} left to come back; {n} was to.", **named)
            if back
            else T("Order {number} has {left} of {name} left to be shipped; {n} was to be.", **named)
        )
        hint = T("It stands already: {names}.", names=", ".join(one.number for one in before)) if before else None
        raise held(words, hint, code="dilovod-beyond")


def _mark(key: str) -> Mark:
    mark = Mark.of_key(key, action=True)
    if mark is None:
        raise held(T("{key} is no key of an order.", key=key), code="key")
    return mark


def _key(row: Row) -> str:
    marks = [mark for mark in marks_in(text(row.get("remark"))) if mark.action]
    return marks[0].key if marks else ""


def _order_of(sale: Standing) -> str:
    return link(sale.header.get("baseDoc")) or link(sale.header.get("contract"))


def _sum(documents: Sequence[Standing]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for one in documents:
        for good, qty in one.quantities().items():
            found[good] = found.get(good, ZERO) + qty
    return found


def _less(have: Quantities, less: Quantities) -> dict[str, Decimal]:
    return {good: qty - less.get(good, ZERO) for good, qty in have.items()}
