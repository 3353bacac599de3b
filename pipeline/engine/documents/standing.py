"""What the target has of an order, as the ledger knows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from pipeline.engine.documents import paper
from pipeline.engine.documents.money import quantities
from pipeline.model import Order
from pipeline.ports import DocumentDraft, DocumentRef, Ref

Row = Mapping[str, Any]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Moved:
    """A shipment or return that is there: its document, and what it moved."""

    ref: DocumentRef
    order: Order
    products: tuple[Ref, ...]
    base: str = ""  #: of a return: id of its shipment
    whole: bool = False  #: of a shipment: all that was ordered left with it, and the cost of delivery with that

    @property
    def quantities(self) -> dict[str, Decimal]:
        """How much of each thing."""
        return quantities(self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One order in the target."""

    ref: DocumentRef | None = None
    written: Order | None = None  #: the order as the document was written last; None: not known
    booked: str = ""  #: fingerprint of the content that the document has; "": not known
    cancelled: bool = False
    changes: int = 0  #: how often the document was amended or cancelled
    shipments: tuple[Moved, ...] = ()
    returns: tuple[Moved, ...] = ()
    paid: Decimal = ZERO
    payments: int = 0
    status: str = ""  #: last set
    restated: int = 0
    wrote: str = ""  #: status that we gave the order in its source
    wrote_over: str = ""  #: the status that it had then
    told: Mapping[str, Any] = field(default_factory=dict)  #: all that its source was last told
    by_hand: bool = False  #: a person has brought the document to its order: the sum that the target tells may be older
    adopted: bool = False  #: a person named the document: the target does not know it by our key

    def left(self, shipment: Moved) -> dict[str, Decimal]:
        """What of a shipment has not come back."""
        return without(shipment.quantities, *(one.quantities for one in self.returns if one.base == shipment.ref.id))

    @property
    def away(self) -> dict[str, Decimal]:
        """What was shipped and has not come back."""
        found: dict[str, Decimal] = {}
        for shipment in self.shipments:
            for key, quantity in self.left(shipment).items():
                found[key] = found.get(key, ZERO) + quantity
        return found


def without(one: Mapping[str, Decimal], *others: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """``one`` less the others, as far as there is something; below 0 where they have more."""
    left = dict(one)
    for other in others:
        for key, quantity in other.items():
            left[key] = left.get(key, ZERO) - quantity
    return {key: quantity for key, quantity in left.items() if quantity}


def standing_of(order: Row, done: Sequence[Row]) -> Standing:
    """From the ledger's row of an order and those of its acts that are done, oldest first."""
    found = Standing()
    if order.get("document_id") is not None or order.get("document_number"):
        ref = DocumentRef(order["document_id"] or "", order["document_number"] or "", order["key"])
        found = replace(found, ref=ref, adopted=True)
    for row in done:
        found = _add(found, row)
    return found


def _add(found: Standing, row: Row) -> Standing:
    content = row["content"] or {}
    ref = DocumentRef(row["document_id"] or "", row["document_number"] or "", row["key"])
    match row["act"]:
        case "create":
            adopted = bool(content.get("adopted"))
            written = _written(content)
            return replace(found, booked=row["revision"], written=written, adopted=adopted, cancelled=False)
        case "amend":
            changes = found.changes + 1
            by_hand = bool(content.get("by_hand"))
            found = replace(found, changes=changes, by_hand=by_hand, cancelled=False)
            return replace(found, booked=row["revision"], written=_written(content))
        case "cancel":
            return replace(found, cancelled=True, changes=found.changes + 1)
        case "ship":
            return replace(found, shipments=(*found.shipments, _moved(ref, content)))
        case "return":
            return replace(found, returns=(*found.returns, _moved(ref, content)))
        case "pay":
            return replace(found, paid=found.paid + Decimal(content["amount"]), payments=found.payments + 1)
        case "status":
            return replace(found, status=content["status"], restated=found.restated + 1)
        case "back":
            status = content.get("status")
            over = content.get("over", "")
            found = replace(found, told={**found.told, **content})
            return replace(found, wrote=status, wrote_over=over) if status else found
        case _:
            return found


def writing(draft: DocumentDraft) -> dict[str, Any]:
    """What the ledger keeps of an order document, so that later changes of the order can be told field by field."""
    return {"order": paper.plain(asdict(draft.order))}


def _written(content: Mapping[str, Any]) -> Order | None:
    return paper.order_of(content["order"]) if content.get("order") else None


def moving(draft: DocumentDraft, base: str = "", *, whole: bool = False) -> dict[str, Any]:
    """What the ledger keeps of a shipment or return."""
    return {
        "order": paper.plain(asdict(draft.order)),
        "products": [[one.id, one.code, one.name] for one in draft.products],
        **({"base": base} if base else {}),
        **({"whole": True} if whole else {}),
    }


def _moved(ref: DocumentRef, content: Mapping[str, Any]) -> Moved:
    products = tuple(Ref(*one) for one in content["products"])
    if content.get("tracking"):
        ref = replace(ref, tracking=content["tracking"])
    return Moved(ref, paper.order_of(content["order"]), products, content.get("base", ""), bool(content.get("whole")))
