"""Names of Tryton's models and states, and how a thing of a list is found by what people call it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.api import Ref, T, Text

SALE, LINE = "sale.sale", "sale.line"
SHIPMENT, SHIPMENT_BACK, MOVE = "stock.shipment.out", "stock.shipment.out.return", "stock.move"
PRODUCT, TEMPLATE, CATEGORY, UNIT = "product.product", "product.template", "product.category", "product.uom"
PARTY, CONTACT, IDENTIFIER = "party.party", "party.contact_mechanism", "party.identifier"
TAX, LOCATION, CURRENCY = "account.tax", "stock.location", "currency.currency"
PAYMENT, JOURNAL, PERIOD = "account.payment", "account.payment.journal", "stock.period"

#: States of a sale that can be set, in the order in which they follow each other. A sale that is processed stays so.
STATUSES: Mapping[str, Text] = {
    "draft": T("Draft"),
    "quotation": T("Quotation"),
    "processing": T("Processing"),
    "cancelled": T("Cancelled"),
}
TITLES: Mapping[str, Text] = {
    "warehouse": T("Warehouse"),
    "currency": T("Currency"),
    "account": T("Payment journal"),
    "status": T("State"),
    "party": T("Party"),
    "service": T("Service"),
    "unit": T("Unit"),
    "category": T("Accounting category"),
    "tax": T("Tax"),
}


def find(known: Sequence[Ref], said: str) -> Ref | None:
    """The one that is meant: by id, code or name, letter case aside. None: none, or several."""
    wanted = " ".join(said.split()).casefold()
    for form in ("code", "name", "id"):
        found = [ref for ref in known if wanted and " ".join(str(getattr(ref, form)).split()).casefold() == wanted]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def shown(known: Sequence[Ref], most: int = 20) -> str:
    """What there is, for a message."""
    names = [ref.name if ref.code in ("", ref.name) else f"{ref.name} ({ref.code})" for ref in known[:most]]
    return ", ".join([*names, *(["…"] if len(known) > most else [])]) or "—"
