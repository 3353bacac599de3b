"""Which lists there are, with their filters and the fields that records are known (or assumed) to have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How a member of a filter finds: by a field that equals it, a folder (null: in none), a flag, a bound of dates, or as
#: :mod:`_fake_account` says for the member alone.
Found = Literal["equal", "folder", "archive", "from", "to", "partner company", "selector", "kind", "company"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list at ``/<path>/list``. ``fields`` in the order of answers; ``seen`` ones are from the articles."""

    path: str
    filters: dict[str, Found]
    fields: tuple[str, ...]
    writes: bool = True
    dated: bool = False
    switch: str = ""  #: the quirk that it is there by

    @property
    def is_document(self) -> bool:
        """Whether records have a number of their own and a date."""
        return self.dated


_FOLDER: dict[str, Found] = {"ParentFolder": "folder", "Id": "equal"}
_DATES: dict[str, Found] = {"Id": "equal", "DateFrom": "from", "DateTo": "to", "Company": "equal"}
_LINKS = ("Company", "Partner", "Contract", "Store")
_DOCUMENT = ("Id", "Date", "Number")
_ORDER = (
    *_DOCUMENT, "NumberOrderSite", "Sum", "Fixed", *_LINKS, "Status", "Source", "Manager", "Author", "Address",
    "Discount", "Delivery", "DeliveryService", "Comment", "Currency", "Products",
)  # fmt: skip
_MONEY = (
    *_DOCUMENT, "Comment", "Fixed", "Company", "MoneyAccount", "Sum", "Currency", "Partner", "Contract", "Order",
)  # fmt: skip


def _folders(of: str) -> Listed:
    return Listed(f"{of}/folder", {**_FOLDER, "Archive": "archive"}, ("Id", "Name", "ParentFolder", "Archive"))


LISTS = {
    one.path: one
    for one in (
        Listed(
            "partner",
            {**_FOLDER, "Company": "partner company", "TaxNumber": "equal", "Archive": "archive"},
            ("Id", "Name", "ParentFolder", "TaxNumber", "Contacts", "Comment", "Archive"),
        ),
        _folders("partner"),
        Listed(
            "product",
            {**_FOLDER, "PriceType": "selector", "Store": "selector", "Archive": "archive", "Kind": "kind"},
            ("Id", "Name", "ParentFolder", "Kind", "Article", "Base", "Barcode", "Unit", "Comment", "Archive"),
        ),
        _folders("product"),
        Listed(
            "service",
            {**_FOLDER, "PriceType": "selector", "Archive": "archive"},
            ("Id", "Name", "ParentFolder", "Article", "Unit", "Comment", "Archive"),
        ),
        _folders("service"),
        Listed(
            "price",
            {"PriceType": "equal", "Product": "equal"},
            ("Id", "Date", "PriceType", "Product", "Price", "Currency"),
            switch="price_add",
        ),
        Listed("price_type", {"Id": "equal", "Archive": "archive"}, ("Id", "Name", "Memo", "Archive")),
        Listed(
            "contract",
            {"Id": "equal", "Archive": "archive", "Partner": "equal", "Contract": "company"},
            ("Id", "Name", "Kind", "Currency", "Company", "Partner", "PriceType", "Archive"),
        ),
        Listed(
            "order",
            _DATES,
            _ORDER,
            dated=True,
        ),
        Listed(
            "document/outgoing_return",
            _DATES,
            (*_DOCUMENT, "Sum", "Fixed", *_LINKS, "Outgoing", "Comment", "Products"),
            switch="return_writes",
            dated=True,
        ),
        Listed(
            "document/money_bank_income",
            _DATES,
            _MONEY,
            dated=True,
            switch="bank_writes",
        ),
        Listed(
            "document/outgoing",
            _DATES,
            (*_DOCUMENT, "Sum", "Fixed", *_LINKS, "Order", "Comment", "Products"),
            dated=True,
            switch="outgoing",
        ),
        Listed(
            "document/money_cash_income",
            _DATES,
            _MONEY,
            dated=True,
            switch="cash_income",
        ),
    )
}
#: Lists whose switch takes away the list itself, and not its writes alone.
GUESSED = ("document/outgoing", "document/money_cash_income")
ORDER, RETURN, OUTGOING, BANK, CASH = (
    "order", "document/outgoing_return", "document/outgoing", "document/money_bank_income",
    "document/money_cash_income",
)  # fmt: skip
#: Fields that lead to a record of another list, or to a name of the account that no list tells.
REFERENCES = {
    "Company": "companies",
    "Store": "stores",
    "Status": "statuses",
    "Source": "sources",
    "Manager": "users",
    "Author": "users",
    "MoneyAccount": "accounts",
    "Partner": "partner",
    "Contract": "contract",
    "PriceType": "price_type",
    "ParentFolder": "",  # of the list's own folders
    "Outgoing": OUTGOING,
    "Order": ORDER,
    "DeliveryService": "service",
}
NAMES = ("companies", "stores", "statuses", "sources", "users", "accounts")
