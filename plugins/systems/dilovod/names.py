"""Names of the objects of a base that running client code shows, and things that unrelated bases have in common.

Where only the prefix of an object's ids is known, its name is read from the base's metadata. Things that bases have in
common are looked up all the same: none is used that the base does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.api import Ref, T, Text

GOODS, PERSONS, UNITS = "catalogs.goods", "catalogs.persons", "catalogs.units"
FIRMS, STORAGES, CURRENCIES, PRICE_TYPES = (
    f"catalogs.{name}" for name in ("firms", "storages", "currency", "priceTypes")
)
CHANNELS, TRADE_MARKS, EMPLOYEES = "catalogs.tradeChanels", "catalogs.tradeMarks", "catalogs.employees"
ACCOUNTS, PAYMENT_FORMS, DELIVERIES = "catalogs.cashAccounts", "catalogs.paymentForms", "catalogs.deliveryMethods"
ORDER, SALE, RETURN, CASH_IN = (f"documents.{name}" for name in ("saleOrder", "sale", "saleReturn", "cashIn"))
PRICES, BARCODES = "goodsPrices", "barCodes"  # short names, as virtual tables have them
STOCK, CONTROL = "goods", "saleOrderControl"
BARCODE_RECORD = "informationRegisters.barCodes"

#: Kinds that documents refer to -> the list in Dilovod, by name, or by the prefix of its ids where only that is known.
KINDS: Mapping[str, str] = {
    "firm": FIRMS,
    "warehouse": STORAGES,
    "currency": CURRENCIES,
    "price-type": PRICE_TYPES,
    "unit": UNITS,
    "trade-mark": TRADE_MARKS,
    "source": CHANNELS,
    "object": CHANNELS,
    "executor": EMPLOYEES,
    "manager": EMPLOYEES,
    "account": ACCOUNTS,
    "payment-method": PAYMENT_FORMS,
    "delivery-service": DELIVERIES,
    "status": "11115",
    "user": "10002",
    "business": "11150",
    "policy": "12012",
}
TITLES: Mapping[str, Text] = {
    "firm": T("firm"),
    "warehouse": T("storage"),
    "currency": T("currency"),
    "price-type": T("price type"),
    "unit": T("unit of measure"),
    "trade-mark": T("trade mark"),
    "source": T("trade channel"),
    "object": T("trade channel"),
    "executor": T("employee"),
    "manager": T("employee"),
    "account": T("bank account or cash desk"),
    "payment-method": T("payment form"),
    "delivery-service": T("delivery method"),
    "status": T("order state"),
    "user": T("user"),
    "business": T("business"),
    "policy": T("accounting policy"),
    "folder": T("folder of goods"),
    "person": T("person or organisation"),
}

RETAIL_TYPE = "1101300000001001"  #: the type of list prices
PIECE = "1103600000000001"
NATURAL_PERSON = "1004000000000035"  #: ``personType``
KIT_POLICY = "1201200000001031"  #: ``accPolicy`` of kits
SHIPMENT_MODE, RETURN_MODE = "1004000000000350", "1004000000000354"  #: ``docMode``


def find(refs: Sequence[Ref], code: str) -> Ref | None:
    """The one that a person means by ``code``: its id, else its code, else its name. None: none, or several.

    Capitals and blanks at the ends do not matter for a name.
    """
    wanted = code.strip()
    if not wanted:
        return None
    for found in (
        [ref for ref in refs if ref.id == wanted],
        [ref for ref in refs if ref.code == wanted],
        [ref for ref in refs if ref.name.strip().casefold() == wanted.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            return None
    return None


def shown(refs: Sequence[Ref]) -> str:
    """All of a list for a person to choose from."""
    return ", ".join(ref.name or ref.id for ref in refs[:30]) or "—"
