"""Orders, settings and standings for the tests of the documents walk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pipeline.documents import DocumentsSettings
from pipeline.engine.documents.plan import content_of
from pipeline.engine.documents.standing import Moved, Standing
from pipeline.model import Delivery, Order, OrderLine, Party, Payment
from pipeline.ports import DocumentDraft, DocumentRef, Ref
from pipeline.rules.orders import normal_order

D = Decimal
NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
KEY = "acme/crm/7/create/0"
RULES = {
    "confirmed": ["order"],
    "shipped": ["order", "ship"],
    "completed": ["order", "pay", "ship"],
    "cancelled": ["cancel"],
    "refunded": ["return", "cancel"],
    "new": ["nothing"],
}


def settings(**more: Any) -> DocumentsSettings:
    return DocumentsSettings(**{"from": "crm", "to": "erp", "since": date(2026, 11, 1), "rules": RULES, **more})


def line(code: str = "AB-1", quantity: str = "2", price: str = "100.00", **more: Any) -> OrderLine:
    return OrderLine(code=code, name=f"Товар {code}", quantity=D(quantity), price=D(price), **more)


def order(*lines: OrderLine, **more: Any) -> Order:
    """An order; its total is that of its lines less its discounts unless it is given."""
    found = lines or (line(), line("AB-2", "1", "50.00"))
    off = sum((one.amount for one in more.get("discounts", ())), D(0))
    cost = more.get("delivery", Delivery()).cost
    values: dict[str, Any] = {
        "id": "7",
        "number": "7",
        "source": "crm",
        "created_at": NOW,
        "currency": "UAH",
        "customer": Party(last_name="Шевченко", first_name="Олена", phone="+380671234567"),
        "lines": found,
        "total": sum((one.sum for one in found), D(0)) - off + cost,
        "status": "confirmed",
        **more,
    }
    return normal_order(Order(**values))


def draft(of: Order) -> DocumentDraft:
    return DocumentDraft(key=KEY, order=of, products=tuple(Ref(one.code, one.code) for one in of.lines))


def standing(of: Order, **more: Any) -> Standing:
    """The order has its document, with this very content."""
    ref = DocumentRef("1", "D-1", KEY, total=of.total, currency=of.currency)
    return replace(Standing(ref=ref, booked=content_of(of, settings())), **more)


def moved(of: Order, number: str = "1", base: str = "") -> Moved:
    return Moved(DocumentRef(f"s{number}", f"S-{number}"), of, draft(of).products, base)


def paid(amount: str) -> Payment:
    return Payment(status="paid", paid=D(amount))
