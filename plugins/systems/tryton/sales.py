"""Orders that are made in Tryton: each once, looked up by its reference before, with its taxes, to the cent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    ListedDocument,
    MistokError,
    Party,
    Ref,
    StatusChange,
    Strikes,
    SystemEnv,
    T,
    check_foreign,
    key_of,
)
from plugins.systems.tryton.goods import Good, Goods
from plugins.systems.tryton.marks import cancelled, comment_of, key_of_mark, mark_of
from plugins.systems.tryton.names import SALE, STATUSES
from plugins.systems.tryton.order_out import called, changes, check_not_empty, line_values, same_lines, words_of
from plugins.systems.tryton.papers import FIELDS, Papers, Sale
from plugins.systems.tryton.parties import PartyBook
from plugins.systems.tryton.reckoning import Priced, Tax, Wanted, priced, sums_of
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.shipping import Shipping
from plugins.systems.tryton.values import ZERO, link, text

#: What a sale takes of its party, as Tryton's own client has it filled in.
_OF_PARTY = ("invoice_address", "shipment_address", "payment_term", "invoice_method", "shipment_method")


class OrderBook:
    """The sales of one database that were made of orders."""

    def __init__(self, papers: Papers, goods: Goods, parties: PartyBook, shipping: Shipping, env: SystemEnv) -> None:
        self.papers, self.goods, self.parties, self.shipping, self.env = papers, goods, parties, shipping, env
        self.client, self.lists = papers.client, papers.lists
        self.settings = papers.client.settings.documents

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See Documents. A sale that was made, and not taken as far as it was to be, is unfinished."""
        return {
            key: replace(
                self.papers.ref_of(sale, key), unfinished=sale.state != "cancelled" and not self._far_enough(sale)
            )
            for key, sale in self.papers.by_key(keys).items()
        }

    def all(self, client: str) -> Iterator[ListedDocument]:
        """Every sale that has a reference of this client, oldest first."""
        begin = mark_of(key_of(client, "-", "-")).removesuffix("-/-")  # `_` stands for any letter: more may come
        for row in self.client.rows(SALE, [["reference", "like", f"{begin}%"]], FIELDS):
            parts = key_of_mark(text(row.get("reference")))
            if parts is not None and parts[0] == client:
                ref = self.papers.ref_of(Sale(row["id"], row), key_of(*parts))
                yield ListedDocument(ref, parts[1], parts[2])

    # --- making ------------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        if not drafts:
            return []
        goods = self._goods(drafts)
        act = Strikes("changed")
        return [act(draft.key, partial(self._create, draft, goods)) for draft in drafts]

    def _goods(self, drafts: Sequence[DocumentDraft]) -> Mapping[str, Good]:
        return self.goods.by_id({ref.id for draft in drafts for ref in draft.products})

    def _create(self, draft: DocumentDraft, goods: Mapping[str, Good]) -> DocumentOutcome:
        mark = mark_of(draft.key)
        check_not_empty(draft)
        with self.papers.lock:
            there = self.papers.look([mark]).get(mark)
            if there is not None:
                return DocumentOutcome(draft.key, self._known(there, draft), existed=True)
            party = self._party(draft)
            lines, total = self.lines(draft, goods, int(party.id))
            values = {
                **self._header(draft, int(party.id)),
                "reference": mark,
                "comment": comment_of("", words_of(draft, self.env.currency)),
                "sale_date": draft.order.created_at.astimezone(ZoneInfo(self.env.timezone)).date(),
                "lines": [["create", [line_values(line) for line in lines]]],
            }
            made = self.client.create(SALE, values)
            sale = self._taken_on(self.papers.standing(made, lines=False), total)
        return DocumentOutcome(draft.key, self.papers.ref_of(sale, draft.key))

    def _known(self, there: Sale, draft: DocumentDraft) -> DocumentRef:
        """A sale that is there; one that was left half way is taken on, if it says what the order does."""
        if there.state != "cancelled" and not self._far_enough(there) and there.total == sums_of(draft)[3]:
            there = self._on(there)
        return self.papers.ref_of(there, draft.key)

    def _taken_on(self, sale: Sale, total: Decimal) -> Sale:
        """A sale that was just made, taken as far as the settings say. Where Tryton refuses that, nothing of it stays.

        Raises Held where it does not say what was sent.
        """
        try:
            self._says(sale, total)
            return self._on(sale)
        except Held as error:
            try:
                self.client.press(SALE, "delete", sale.id)
            except MistokError as other:
                raise held(
                    T("{words} The draft {number} stays in Tryton: {why}", words=error.text, number=sale.number,
                      why=other.text),
                    error.hint,
                    code=error.code,
                ) from error  # fmt: skip
            raise

    def _says(self, sale: Sale, total: Decimal) -> None:
        if sale.total != total:
            raise held(
                T("Sale {number} of Tryton does not say what was sent: {there} for {wanted}.", number=sale.number,
                  there=sale.total, wanted=total),
                T("Tryton reckons totals by itself. Look at the taxes of the products and at its tax rounding."),
                code="tryton-total",
            )  # fmt: skip

    def _on(self, sale: Sale) -> Sale:
        """As far as the settings say."""
        if self.settings.state != "draft" and sale.state == "draft":
            sale = self.papers.quoted(sale)
        return self.papers.processed(sale) if self.settings.state == "processing" else sale

    # --- what an order names -----------------------------------------------------------------------------------------

    def _party(self, draft: DocumentDraft) -> Ref:
        return draft.client if draft.client is not None else self.buyer(draft.order.customer)

    def buyer(self, party: Party) -> Ref:
        """Who an order is booked on: found, made, or the one of the settings where it names nobody. Raises Held."""
        if not (party.title or party.phone or party.email or party.code):
            said = self.settings.party
            found = self.parties.coded([said]).get(said) if said else None
            if found is None:
                raise held(
                    T("The order has no buyer: no name, no phone, no mail."),
                    T("Name one for such orders: `documents: {party: …}` of the connection, by its code."),
                    code="no-buyer",
                )
            return found
        (same,) = self.parties.find([party])
        if len(same) > 1:
            raise held(
                T("Several parties of Tryton are {name}: {names}.", name=party.title or party.phone or party.email,
                  names=", ".join(f"{ref.name} ({ref.code or ref.id})" for ref in same[:10])),
                T("Keep one of them, or say which one is meant."),
                code="twins",
            )  # fmt: skip
        return same[0] if same else self.parties.create(party)

    def _header(self, draft: DocumentDraft, party: int) -> dict[str, Any]:
        """What a new sale has, as Tryton's own client would fill it in for this party."""
        company = self.client.company
        asked = {"company": company, "party": party, "lines": []}
        answer = self.client.call(f"model.{SALE}.on_change", asked, ["party"])
        filled = answer if isinstance(answer, dict) else {}
        if not link(filled.get("invoice_address")):
            raise held(
                T("Party {id} of Tryton has no address, and without one nothing is sold to it.", id=party),
                T("Add an address to it in Tryton; an empty one will do."),
                code="tryton-address",
            )
        values = {name: filled.get(name) for name in _OF_PARTY if filled.get(name) is not None}
        values |= {"company": company, "party": party, "currency": self.lists.currency(draft.order.currency)}
        values["description"] = called(draft.order)
        if self.settings.shipping:
            values["shipment_method"] = self.settings.shipping
        if self.settings.invoicing:
            values["invoice_method"] = self.settings.invoicing
        if warehouse := self._warehouse(draft):
            values["warehouse"] = warehouse
        return values

    def _warehouse(self, draft: DocumentDraft) -> int:
        if draft.warehouse is not None:
            return int(draft.warehouse.id)
        said = self.settings.warehouse
        return int(self.lists.wanted("warehouse", said, T("documents: {warehouse: …}")).id) if said else 0

    # --- lines -------------------------------------------------------------------------------------------------------

    def lines(self, draft: DocumentDraft, goods: Mapping[str, Good], party: int) -> tuple[list[Priced], Decimal]:
        """The lines of a sale with their taxes, and the total that they come to. Raises Held."""
        order, taken = draft.order, self.settings.foreign == "own_rate"
        how = "`documents: {foreign: own_rate}`"
        self.lists.currency(order.currency)  # one that is not there is told first
        check_foreign(order, self.env.currency, "Tryton", taken=taken, setting=how)
        sums, delivery, fee, total = sums_of(draft)
        wanted = []
        for line, ref, net in zip(order.lines, draft.products, sums, strict=True):
            good = goods.get(ref.id)
            if good is None or not good.salable:
                raise held(
                    T("Tryton has no product {id} with the code {code} any more that is sold.", id=ref.id,
                      code=ref.code or "—"),
                    code="tryton-gone",
                )  # fmt: skip
            taxes, unit = self._taxes(good, party, line.tax_rate, draft)
            wanted.append(Wanted(good.id, line.quantity, net, taxes, unit, line.comment.strip()))
        for what, net, rate, given in (
            ("delivery", delivery, order.delivery.tax_rate, draft.delivery),
            ("fee", fee, order.payment.tax_rate, None),
        ):
            if net:
                good = self.service(given, what)
                taxes, unit = self._taxes(good, party, rate, draft)
                wanted.append(Wanted(good.id, Decimal(1), net, taxes, unit))
        rules = self.lists.rules(order.currency)
        if self.settings.rounding:
            cent = self.service(None, "rounding")
            return priced(wanted, total, rules, cent.id, cent.unit), total
        return priced(wanted, total, rules), total

    def _taxes(self, good: Good, party: int, rate: Decimal | None, draft: DocumentDraft) -> tuple[tuple[Tax, ...], int]:
        """The taxes of a line and its unit. Raises Held where the order states another rate than Tryton has."""
        taxes, unit = self.goods.taxed(good, party)
        if rate is not None and (meant := self.lists.tax(rate)):
            return self.goods.taxes([meant]), unit
        has = sum((tax.rate for tax in taxes), ZERO) * 100
        if rate is not None and has != rate and self.settings.other_rates == "hold":
            raise held(
                T("Order {number} has {stated} % of tax on {name}, Tryton {there} %.", number=draft.order.number,
                  stated=rate.normalize() if rate else 0, there=has.normalize() if has else 0, name=good.name),
                T("Correct the taxes of the product, name the tax of this rate (`documents: {taxes: …}`), "
                  "or take Tryton's (`other_rates: take`)."),
                code="tax-rate",
            )  # fmt: skip
        return taxes, unit

    def service(self, given: Ref | None, what: str) -> Good:
        """The service by which a cost is booked. Raises Held where nobody said which."""
        said = {"delivery": self.settings.delivery, "fee": self.settings.fee}.get(what, self.settings.rounding)
        if given is not None:
            good = self.goods.by_id([given.id]).get(given.id)
            found = [good] if good is not None else []
        else:
            found = self.goods.by_code([said]).get(said, []) if said else []
        if len(found) != 1:
            words = {
                "delivery": T("The order has a cost of delivery, and nothing says by which service it is booked."),
                "fee": T("The order has a surcharge of its payment, and nothing says by which service it is booked."),
                "rounding": T("Tryton has no service with the code {code}, which the connection names, or several.",
                              code=said or "—"),
            }  # fmt: skip
            hint = T("Name the code of a service: `documents: {{{name}: …}}` of the connection.", name=what)
            raise held(words[what], hint, code=f"no-{what}-service")
        return found[0]

    # --- changing ----------------------------------------------------------------------------------------------------

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        if not amendments:
            return []
        goods = self._goods([one.draft for one in amendments])
        act = Strikes("changed")
        return [act(one.key, partial(self._amend, one, goods)) for one in amendments]

    def _amend(self, amendment: Amendment, goods: Mapping[str, Good]) -> DocumentOutcome:
        draft, key = amendment.draft, amendment.ref.key or amendment.draft.key
        check_not_empty(draft)
        with self.papers.lock:
            there = self.papers.standing(amendment.ref.id)
            given = int(draft.client.id) if draft.client is not None else 0
            party = given or link(there.row.get("party"))
            lines, total = self.lines(draft, goods, party)
            wanted: dict[str, Any] = {
                "description": called(draft.order),
                "comment": comment_of(there.comment, words_of(draft, self.env.currency)),
                "currency": self.lists.currency(draft.order.currency),
            }
            if party != link(there.row.get("party")):
                wanted |= self._header(draft, party)
            elif draft.warehouse is not None:
                wanted["warehouse"] = int(draft.warehouse.id)
            header = changes(there.row, wanted)
            same = same_lines(there.lines, lines)
            if not header and same and self._far_enough(there):
                return DocumentOutcome(amendment.key, self.papers.ref_of(there, key), existed=True)
            after = self._rewritten(there, header, None if same else lines, total)
        return DocumentOutcome(amendment.key, self.papers.ref_of(after, key))

    def _far_enough(self, there: Sale) -> bool:
        """Whether a sale is in the state that an order is taken to, or behind it."""
        far = ("draft", "quotation", "confirmed", "processing", "done")
        return there.state in far and far.index(there.state) >= far.index(self.settings.state)

    def _rewritten(
        self, there: Sale, header: Mapping[str, Any], lines: Sequence[Priced] | None, total: Decimal
    ) -> Sale:
        """By way of the draft, as Tryton changes nothing else; what is processed is changed in its comment alone."""
        if there.state in ("processing", "done"):
            if lines is not None or set(header) - {"comment", "description"}:
                raise held(
                    T("Sale {number} is being processed: Tryton changes no line of it any more.", number=there.number),
                    T("Make a further sale, or a return, in Tryton by hand, and reject this card."),
                    code="tryton-processed",
                )
            self.client.write(SALE, there.id, header)
            return self.papers.standing(there.id, lines=False)
        values = dict(header)
        if lines is not None:
            commands: list[Any] = [["delete", [row["id"] for row in there.lines]]] if there.lines else []
            values["lines"] = [*commands, ["create", [line_values(line) for line in lines]]]
        draft = self.papers.drafted(there)
        if values:
            self.client.write(SALE, draft.id, values, safe=lines is None, stamp=text(draft.row.get("_timestamp")))
        after = self.papers.standing(draft.id, lines=False)
        self._says(after, total)
        return self._on(after)

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        act = Strikes("changed")
        return [act(one.key, partial(self._cancel, one)) for one in cancellations]

    def _cancel(self, cancellation: Cancellation) -> DocumentOutcome:
        with self.papers.lock:
            there = self.papers.standing(cancellation.ref.id, lines=False)
            done = there.cancelled
            if not done:
                there = self._cancelled(there, cancellation.status)
            return DocumentOutcome(cancellation.key, self.papers.ref_of(there, cancellation.ref.key), existed=done)

    def _cancelled(self, there: Sale, status: str) -> Sale:
        """Raises Held for a sale that is being processed: unless all of its goods have come back again.

        Tryton has no way from there to its state of cancelled; such a sale is settled by its returns, and says in its
        comment that the order was cancelled.
        """
        if there.state in ("processing", "done"):
            away = self.shipping.away(there)
            if away is None or any(qty > ZERO for qty in away.values()):
                raise held(
                    T("Sale {number} is being processed: Tryton does not cancel it any more.", number=there.number),
                    T("Take its goods back first (`return`), or cancel its shipment and invoice in Tryton."),
                    code="tryton-processed",
                )
            self.client.write(SALE, there.id, {"comment": cancelled(there.comment, status)})
            return self.papers.standing(there.id, lines=False)
        if there.state == "confirmed":
            there = self.papers.drafted(there)
        self.client.press(SALE, "cancel", there.id)
        after = self.papers.standing(there.id, lines=False)
        if after.state != "cancelled":
            raise held(
                T("Sale {number} of Tryton is in the state {there}, and was to be {wanted}.", number=after.number,
                  there=after.state, wanted="cancelled"),
                code="tryton-state",
            )  # fmt: skip
        return after

    # --- states ------------------------------------------------------------------------------------------------------

    def set_statuses(self, changes_: Sequence[StatusChange]) -> list[DocumentOutcome]:
        """See DocumentStatuses."""
        act = Strikes("changed")
        return [act(one.key, partial(self._set_status, one)) for one in changes_]

    def _set_status(self, change: StatusChange) -> DocumentOutcome:
        with self.papers.lock:
            there, wanted = self.papers.standing(change.ref.id, lines=False), change.status.id
            if wanted not in STATUSES:
                raise held(T("Tryton has no state {name} that could be set.", name=change.status.name or wanted),
                           code="unknown-status")  # fmt: skip
            done = there.state == wanted or (wanted == "processing" and there.state == "done")
            if not done:
                there = self._moved(there, wanted)
            return DocumentOutcome(change.key, self.papers.ref_of(there, change.ref.key), existed=done)

    def _moved(self, there: Sale, wanted: str) -> Sale:
        if wanted == "cancelled":
            return self._cancelled(there, wanted)
        if there.state in ("processing", "done"):
            raise held(
                T("Sale {number} is being processed: Tryton takes it back to no other state.", number=there.number),
                code="tryton-processed",
            )
        if wanted == "processing":
            return self.papers.processed(self.papers.drafted(there) if there.state == "cancelled" else there)
        draft = self.papers.drafted(there)
        return draft if wanted == "draft" else self.papers.quoted(draft)
