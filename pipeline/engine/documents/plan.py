"""What is to be done about one order, so that the target has what its status asks for. Pure.

Every act says what is to be there, never what is to change: planned again after it was done, it is not planned at all.
A status that comes back, a second amendment, a part shipment are acts of their own, with numbers or revisions of their
own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from pipeline.documents import Act, DocumentsSettings
from pipeline.engine.documents import money, paper, sent
from pipeline.engine.documents.standing import Moved, Standing, moving, without, writing
from pipeline.engine.shown.rows import SHOP_STATUSES
from pipeline.errors import Finding, Where, Who
from pipeline.model import Order, cents
from pipeline.ports import DocumentDraft, DocumentRef
from pipeline.rules.differences import differences
from pipeline.rules.keys import key_of
from pipeline.rules.yamlwords import yaml_word
from pipeline.texts import T, Text, verbatim

ZERO = Decimal(0)
What = Literal["create", "amend", "pay", "ship", "return", "cancel", "status"]
#: In this order.
ORDERED: tuple[What, ...] = ("create", "amend", "pay", "ship", "return", "cancel", "status")
#: Codes of findings that a person may accept: a changed order, one whose document was brought to it by hand, money that
#: was paid back.
CHANGED, BY_HAND, PAID_BACK = "changed-order", "changed-by-hand", "paid-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One act on one document. ``revision`` is the last part of its key."""

    what: What
    revision: str
    key: str
    draft: DocumentDraft | None = None
    base: Moved | None = None  #: of a return: its shipment
    amount: Decimal = ZERO
    status: str = ""  #: of the target, by name or code
    content: Mapping[str, Any] = field(default_factory=dict)  #: what the ledger keeps
    booked: str = ""  #: fingerprint of the order's content that the document then has
    exists: DocumentRef | None = None  #: it is there, made by somebody else: taken as it is
    early: bool = False  #: of a status: set before goods move, as nothing leaves on a document that is cancelled yet


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done about one order, or why it waits."""

    doings: tuple[Doing, ...] = ()
    findings: tuple[Finding, ...] = ()  #: not empty: the order waits, and nothing of ``doings`` is done
    notes: tuple[Finding, ...] = ()
    nothing: Text | None = None  #: why there is, and will be, no document of it as it is now

    @property
    def words(self) -> tuple[What, ...]:
        """What is done."""
        return tuple(one.what for one in self.doings)


def act_key(order_key: str, what: str, revision: str) -> str:
    """``client/source/order-id/ship/1``, from the key of the order's creation."""
    return f"{order_key.rsplit('/', 2)[0]}/{what}/{revision}"


def order_key(client: str, order: Order) -> str:
    """The key of an order's creation."""
    return key_of(client, order.source, order.id)


def content_of(order: Order, settings: DocumentsSettings) -> str:
    """The fingerprint of what the document has of an order: items, sums, buyer, address.

    Not its status, its payments and its parcel, which acts of their own are about; nor the manager's comment, into
    which CRMs write the number that we tell them, unless the document's comment has it.
    """
    data = asdict(order)
    for name in ("status", "updated_at", "extra", "manager_comment", "rate"):
        data.pop(name)
    data["payment"] = {name: data["payment"][name] for name in ("method", "fee", "tax_rate")}
    data["delivery"].pop("tracking")
    data["delivery"].pop("planned_for")
    for line in data["lines"]:
        for name in ("number", "source_line", "comment"):
            line.pop(name)
    if "{manager_comment}" in settings.comment:
        data["manager_comment"] = order.manager_comment
    return paper.fingerprint(data)


def plan(
    order: Order,
    acts: Sequence[Act],
    standing: Standing,
    draft: DocumentDraft | None,
    settings: DocumentsSettings,
    *,
    status: str | None = None,
    accepted: Collection[str] = (),
    others: Sequence[DocumentRef] = (),
    amends: bool = True,
    goods_alone: bool = False,
) -> Plan:
    """What is to be done.

    Args:
        order: as it came, normalised.
        acts: what the rules say of its status.
        standing: what the target has.
        draft: the whole of the order document; None where nothing needs one.
        status: that the target's document is to have; None: it is left alone.
        accepted: codes of findings that a person has taken as they are.
        others: shipments that stand on the document and are not ours.
        amends: the target can change its documents; else a person does it by hand.
        goods_alone: its shipments have no delivery and no fee.
    """
    if "hold" in acts and "status" not in accepted:
        return Plan(findings=(_held_status(order),))
    acts = ("order",) if "hold" in acts else tuple(acts)
    planner = _Planner(order, acts, standing, draft, settings, accepted, tuple(others), amends, goods_alone)
    return planner.plan(status)


@dataclass
class _Planner:
    order: Order
    acts: Sequence[Act]
    standing: Standing
    draft: DocumentDraft | None
    settings: DocumentsSettings
    accepted: Collection[str]
    others: tuple[DocumentRef, ...]
    amends: bool = True
    goods_alone: bool = False
    doings: list[Doing] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def plan(self, status: str | None) -> Plan:
        live = self.standing.ref is not None
        if not live and "order" not in self.acts:
            if "ship" in self.acts or "pay" in self.acts:
                return Plan(findings=(self._no_document(),))
            words = T("Order {number} came as {status}.", number=self.order.number, status=_said(self.order.status))
            return Plan(nothing=words)
        if {"order", "ship"} & set(self.acts):
            self._document()
        if "pay" in self.acts:
            self._pay()
        if "ship" in self.acts:
            self._ship()
        if "return" in self.acts:
            self._return()
        if "cancel" in self.acts:
            self._cancel()
        if status and status != self.standing.status:
            revision = paper.fingerprint(status, self.standing.restated)
            revived = self.standing.cancelled and any(one.what == "amend" for one in self.doings)
            self._add("status", revision, status=status, content={"status": status}, early=revived)
        if self.doings and self.standing.ref is not None and not self.standing.ref.id:
            self.findings.append(self._named_by_hand())
        doings = sorted(self.doings, key=lambda one: ORDERED.index(one.what))
        return Plan(tuple(doings) if not self.findings else (), tuple(self.findings), tuple(self.notes))

    def _add(self, what: What, revision: str, **more: Any) -> None:
        key = act_key(self.draft.key, what, revision) if self.draft else ""
        if self.standing.ref is not None:
            key = act_key(self.standing.ref.key, what, revision)
        self.doings.append(Doing(what=what, revision=revision, key=key, **more))

    # --- the order document --------------------------------------------------------------------------------------

    def _document(self) -> None:
        standing, booked = self.standing, content_of(self.order, self.settings)
        if standing.ref is None:
            assert self.draft is not None
            self.doings.append(
                Doing(
                    what="create",
                    revision="0",
                    key=self.draft.key,
                    draft=self.draft,
                    booked=booked,
                    content=writing(self.draft),
                )
            )
            return
        same = standing.booked in ("", booked)
        if same and not standing.cancelled:
            return
        # a document that was marked deleted comes back with its status, whatever is said of changes
        policy = "amend" if standing.cancelled or CHANGED in self.accepted else self.settings.changed
        late = (
            sent.changed(self.draft.order, standing, goods_alone=self.goods_alone)
            if self.draft is not None and policy != "ignore"
            else ()
        )
        if self._left_with_more():
            return  # what to do about that comes first
        if policy == "ignore":
            text = T("Order {number} has other content; its document {document} was left as it is.", **self._words())
            self.notes.append(Finding("left-as-it-is", text, self._where(), None, Who.ACCOUNTANT))
        elif not self.amends:
            self._by_hand(booked)
        elif late and sent.SENT not in self.accepted:
            self.findings += sent.ask(self.order, standing, late)
        elif policy == "hold" and not late:
            text = T("Order {number} has other content than its document {document}.", **self._words())
            hint = T("Accept it, and the document is brought to it; or reject it and leave the document as it is.")
            self.findings.append(Finding(CHANGED, text, self._where(), hint, Who.ACCOUNTANT))
            if standing.written is not None and self.draft is not None:
                self.findings += sent.told(differences(standing.written, self.draft.order), self.order)
        else:
            assert self.draft is not None
            self.notes += sent.remark(self.order, late)
            revision = paper.fingerprint(booked, standing.changes)
            self._add("amend", revision, draft=self.draft, booked=booked, content=writing(self.draft))

    def _by_hand(self, booked: str) -> None:
        """The target cannot change its documents: a person does, and says so."""
        standing = self.standing
        assert self.draft is not None
        assert standing.ref is not None
        if BY_HAND in self.accepted:
            revision = paper.fingerprint(booked, standing.changes)
            content = {**writing(self.draft), "by_hand": True}
            self._add("amend", revision, draft=self.draft, booked=booked, content=content, exists=standing.ref)
            return
        text = T("Order {number} has other content than its document {document}, and {system} cannot change it.",
                 system=self.settings.to, **self._words())  # fmt: skip
        hint = T("Change the document there by hand, then accept this: it counts as done. Or reject it, and leave the "
                 "document as it is.")  # fmt: skip
        self.findings.append(Finding(BY_HAND, text, self._where(), hint, Who.ACCOUNTANT))
        if standing.written is not None:
            self.findings += sent.told(differences(standing.written, self.draft.order), self.order)

    # --- goods ---------------------------------------------------------------------------------------------------

    def _ship(self) -> None:
        left = without(money.quantities(self.order), self.standing.away)
        if not left or self._left_with_more():
            return
        assert self.draft is not None
        whole = self.draft.order
        part, places = money.part_of(whole, left)
        products = tuple(self.draft.products[place] for place in places)
        rounding = self.draft.rounding if part is whole else None
        draft = replace(self.draft, order=part, products=products, rounding=rounding)
        revision = str(len(self.standing.shipments) + 1)
        exists = None
        if self.others:
            exists = self._by_others(part)
            if exists is None:
                return
        if exists is None:
            key = act_key(self.draft.key, "ship", revision)
            draft = replace(draft, key=key)
        self._add("ship", revision, draft=draft, content=moving(draft, whole=part is whole), exists=exists)

    def _left_with_more(self) -> bool:
        """Whether more is away than is ordered now; then a person is asked, once."""
        left = without(money.quantities(self.order), self.standing.away)
        over = [key for key, quantity in left.items() if quantity < 0]
        if over and not any(one.code == "shipped-more" for one in self.findings):
            text = T(
                "More was shipped of order {number} than it has now: {what}.",
                number=self.order.number,
                what=", ".join(sorted(over)),
            )
            hint = T("Take the difference back in the target by hand, and reject this card.")
            self.findings.append(Finding("shipped-more", text, self._where(), hint, Who.ACCOUNTANT))
        return bool(over)

    def _by_others(self, part: Order) -> DocumentRef | None:
        """The shipment that somebody else made of just what is to be shipped; else a person is asked."""
        if len(self.others) == 1 and self.others[0].total is not None and not money.differs(part, self.others[0]):
            return self.others[0]
        text = T(
            "Document {document} of order {number} has shipments that Mistok did not make: {others}.",
            others=", ".join(one.number or one.id for one in self.others),
            **self._words(),
        )
        hint = T("Nothing is written off a second time. Take them back, or reject this order and ship it by hand.")
        self.findings.append(Finding("shipped-otherwise", text, self._where(), hint, Who.ACCOUNTANT))
        return None

    def _return(self) -> None:
        number = len(self.standing.returns)
        for shipment in self.standing.shipments:
            left = self.standing.left(shipment)
            if not any(quantity > 0 for quantity in left.values()):
                continue
            number += 1
            assert self.standing.ref is not None
            part, places = money.part_of(shipment.order, left)
            key = act_key(self.standing.ref.key, "return", str(number))
            products = tuple(shipment.products[place] for place in places)
            if self.draft is not None:
                draft = replace(self.draft, key=key, order=part, products=products)
            else:
                draft = DocumentDraft(key=key, order=part, products=products)
            self._add("return", str(number), draft=draft, base=shipment, content=moving(draft, shipment.ref.id))
        if not self.standing.shipments:
            text = T("Nothing of order {number} was shipped, so nothing comes back.", number=self.order.number)
            self.notes.append(Finding("nothing-to-return", text, self._where(), None, Who.ACCOUNTANT))

    def _cancel(self) -> None:
        if self.standing.cancelled:
            return
        away = self.standing.away
        for one in self.doings:
            if one.what == "return" and one.draft is not None:
                away = without(away, money.quantities(one.draft.order))
        if any(quantity > 0 for quantity in away.values()):
            text = T("Order {number} is cancelled, and its goods have left on document {document}.", **self._words())
            hint = T("Let a rule take them back first (`[return, cancel]`), or take them back by hand.")
            self.findings.append(Finding("shipped-and-cancelled", text, self._where(), hint, Who.ACCOUNTANT))
            return
        if self.standing.paid > 0:
            text = T(
                "Order {number} is cancelled; the {amount} {currency} that came for it stand in {system}.",
                number=self.order.number,
                amount=cents(self.standing.paid),
                currency=self.order.currency,
                system=self.settings.to,
            )
            hint = T("If the money goes back, enter it there by hand: Mistok enters what comes in only.")
            self.notes.append(Finding("paid-stays", text, self._where(), hint, Who.ACCOUNTANT))
        self._add("cancel", paper.fingerprint("cancel", self.standing.changes))

    # --- money ---------------------------------------------------------------------------------------------------

    def _pay(self) -> None:
        due = money.paid(self.order) - cents(self.standing.paid)
        revision = str(self.standing.payments + 1)
        if due < 0 and PAID_BACK in self.accepted:
            # a person has entered it in the target, which has no document of ours for it
            self._add("pay", revision, amount=due, content={"amount": f"{due:f}"}, exists=DocumentRef("", ""))
        elif due < 0:
            text = T(
                "Of order {number} {amount} {currency} was paid back; the target has it as paid.",
                number=self.order.number,
                amount=-due,
                currency=self.order.currency,
            )
            hint = T(
                "Enter {amount} {currency} paid to the buyer of document {document} in {system} by hand: Mistok enters "
                "what comes in only. Then accept this card, and it counts as paid back.",
                amount=-due,
                currency=self.order.currency,
                document=self._words()["document"],
                system=self.settings.to,
            )
            self.findings.append(Finding(PAID_BACK, text, self._where(), hint, Who.ACCOUNTANT))
        elif due > 0:
            self._add("pay", revision, draft=self.draft, amount=due, content={"amount": f"{due:f}"})

    # --- words ---------------------------------------------------------------------------------------------------

    def _where(self) -> Where:
        return Where(order=self.order.number)

    def _words(self) -> dict[str, Any]:
        ref = self.standing.ref
        return {"number": self.order.number, "document": (ref.number or ref.id) if ref else "—"}

    def _named_by_hand(self) -> Finding:
        text = T(
            "Document {document} of order {number} was named by a person, and cannot be found by its number: "
            "nothing can be done on it.",
            **self._words(),
        )
        hint = T("Do it there by hand: {acts}. Then reject this card.", acts=", ".join(one.what for one in self.doings))
        return Finding("named-by-hand", text, self._where(), hint, Who.ACCOUNTANT)

    def _no_document(self) -> Finding:
        text = T(
            "Order {number} came as {status}: it has no document yet, and the rule of that status makes none.",
            number=self.order.number,
            status=_said(self.order.status),
        )
        hint = T("Nothing is shipped or paid without its order. Write `order` into that rule: `[order, ship]`.")
        return Finding("no-document", text, self._where(), hint, Who.ADMIN)


def _said(status: str) -> Text:
    """A status of an order in words."""
    return SHOP_STATUSES.get(status) or verbatim(status)


def _held_status(order: Order) -> Finding:
    text = T("Order {number} came as {status}.", number=order.number, status=_said(order.status))
    hint = T("Orders of this status wait for a person, as `rules` says.")
    return Finding("status", text, Where(order=order.number), hint, Who.ACCOUNTANT)


def unknown_status(number: str, status: str, key: str) -> Finding:
    """What is told of an order whose status no rule names; ``key``: how a rule names that status."""
    text = T("Order {number} has the status {status}, and no rule says what becomes of it.", number=number,
             status=status)  # fmt: skip
    hint = T("Write it into the step: rules: {{{status}: …}}; `nothing` is an answer, too.", status=yaml_word(key))
    return Finding("unknown-status", text, Where(order=number), hint, Who.ADMIN)
