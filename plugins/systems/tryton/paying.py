"""Payments on a sale: records of Tryton's module of payments, tied to the sale, for a person or the bank to go on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from pipeline.api import DocumentOutcome, DocumentRef, PaymentDraft, Strikes, SystemEnv, T, cents
from plugins.systems.tryton.marks import mark_of, marks_of
from plugins.systems.tryton.names import PAYMENT, SALE
from plugins.systems.tryton.papers import Papers, Sale
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import Row, link, number, text

FIELDS = ("number", "reference", "state", "amount", "currency", "create_date")


class Paying:
    """The payments of one database."""

    def __init__(self, papers: Papers, env: SystemEnv) -> None:
        self.papers, self.env = papers, env
        self.client, self.lists = papers.client, papers.lists
        self.settings = papers.client.settings.documents

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See Payments. A payment that has failed is none."""
        marks = marks_of(keys)
        rows = self.client.rows(PAYMENT, [["reference", "in", sorted(set(marks.values()))]], FIELDS) if marks else ()
        found = {text(row.get("reference")): row for row in rows if row.get("state") != "failed"}
        return {key: self._ref(found[mark], key) for key, mark in marks.items() if mark in found}

    def pay(self, payments: Sequence[PaymentDraft]) -> list[DocumentOutcome]:
        """See Payments."""
        act = Strikes("changed")
        return [act(one.key, partial(self._pay, one)) for one in payments]

    def _pay(self, wanted: PaymentDraft) -> DocumentOutcome:
        mark = mark_of(wanted.key, action=True)
        with self.papers.lock:
            known = self.find([wanted.key]).get(wanted.key)
            if known is not None:
                return DocumentOutcome(wanted.key, known, existed=True)
            if wanted.amount <= 0 or wanted.amount != cents(wanted.amount):
                raise held(T("{amount} is no amount of money that could be paid.", amount=wanted.amount), code="amount")
            sale = self._payable(wanted)
            at = wanted.at or self.env.clock.now()
            journal = wanted.account if wanted.account is not None else self.lists.journal(wanted.currency)
            made = self.client.create(PAYMENT, {
                "kind": "receivable",
                "company": self.client.company,
                "journal": int(journal.id),
                "party": int(wanted.payer.id) if wanted.payer is not None else link(sale.row.get("party")),
                "amount": cents(wanted.amount),
                "date": at.astimezone(ZoneInfo(self.env.timezone)).date(),
                "origin": f"{SALE},{sale.id}",
                "reference": mark,
            })  # fmt: skip
            if self.settings.payments == "submitted":
                self.client.press(PAYMENT, "submit", made)
            row = self.client.of_ids(PAYMENT, [made], FIELDS).get(made)
        if row is None:
            raise held(T("Tryton does not show the payment that it has made ({id}).", id=made), code="tryton-kept")
        return DocumentOutcome(wanted.key, self._ref(row, wanted.key))

    def _payable(self, wanted: PaymentDraft) -> Sale:
        """The sale that is paid. Raises Held for one that takes no payment."""
        sale = self.papers.standing(wanted.order.id)
        if sale.cancelled:
            raise held(T("Sale {number} is cancelled: no payment is noted on it.", number=sale.number),
                       code="tryton-cancelled")  # fmt: skip
        if link(sale.row.get("currency")) != self.lists.currency(wanted.currency):
            raise held(
                T("Sale {number} is in another currency than {currency}.", number=sale.number,
                  currency=wanted.currency),
                code="currency",
            )  # fmt: skip
        return sale

    def _ref(self, row: Row, key: str) -> DocumentRef:
        codes = {ref.id: ref.code for ref in self.lists.all("currency")}
        return DocumentRef(
            str(row["id"]), text(row.get("number")) or str(row["id"]), key, row.get("create_date"),
            number(row.get("amount")), codes.get(str(link(row.get("currency"))), ""),
        )  # fmt: skip
