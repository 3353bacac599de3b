"""What systems can do, by name and in words: told of their classes, without opening any.

The engine itself asks objects (``isinstance``); this is for people who choose a system before there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.flow import SystemPlugin
from pipeline.ports import (
    AddProducts,
    AmendDocuments,
    ApplyCatalogue,
    ApplyOrders,
    ApplyStock,
    Catalogue,
    Documents,
    DocumentStatuses,
    Offers,
    Orders,
    Parties,
    Payments,
    ProductLookup,
    ProductNames,
    ReturnDocuments,
    ShipDocuments,
    Stock,
    Webhooks,
    WriteProbe,
)
from pipeline.texts import T, Text

CAPABILITIES: Mapping[str, tuple[Any, Text]] = {
    "catalogue": (Catalogue, T("telling its catalogue in every language")),
    "products": (Offers, T("telling its products")),
    "stock": (Stock, T("telling its stock")),
    "take-products": (ApplyCatalogue, T("taking products and prices")),
    "take-stock": (ApplyStock, T("taking stock levels")),
    "orders": (Orders, T("telling its orders")),
    "take-order-statuses": (ApplyOrders, T("being told what became of its orders")),
    "webhooks": (Webhooks, T("saying by itself when something changes")),
    "documents": (Documents, T("holding order documents")),
    "amend-documents": (AmendDocuments, T("changing and cancelling documents")),
    "document-statuses": (DocumentStatuses, T("setting statuses of documents")),
    "shipments": (ShipDocuments, T("making shipments")),
    "returns": (ReturnDocuments, T("taking goods back")),
    "payments": (Payments, T("noting payments")),
    "parties": (Parties, T("finding and adding partners")),
    "find-products": (ProductLookup, T("finding products by article")),
    "find-by-name": (ProductNames, T("finding products by name")),
    "add-products": (AddProducts, T("adding products")),
    "write-probe": (WriteProbe, T("a check that writes")),
}


def capabilities(plugin: SystemPlugin) -> Sequence[str]:
    """Names of what the systems of this plugin can do, some of them by their settings; none where it does not say."""
    classes = plugin.classes()
    return tuple(
        name for name, (protocol, _) in CAPABILITIES.items() if any(issubclass(one, protocol) for one in classes)
    )
