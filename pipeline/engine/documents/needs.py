"""What the two systems of a documents step must be able to do, told before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.documents import DocumentsSettings
from pipeline.errors import ConfigError
from pipeline.ports import (
    AddProducts,
    AmendDocuments,
    ApplyOrders,
    Documents,
    DocumentStatuses,
    Orders,
    Payments,
    ProductLookup,
    ProductNames,
    ReturnDocuments,
    ShipDocuments,
)
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

_TELLS, _TAKES = T("telling its orders"), T("being told what became of its orders")
_ACTS: dict[str, tuple[Any, Text]] = {
    "order": (Documents, T("holding order documents")),
    "ship": (ShipDocuments, T("making shipments")),
    "return": (ReturnDocuments, T("taking goods back")),
    "pay": (Payments, T("noting payments")),
    "cancel": (AmendDocuments, T("marking documents cancelled")),
}


def check(run: DocumentsRun) -> None:
    """Raises ConfigError, with what is missing, when a system cannot do what the step asks of it."""
    settings = run.settings
    for name, system, capability, what in wanted(settings, run.source, run.target):
        if not isinstance(system, capability):
            raise ConfigError(
                T("{name} cannot do what step {step} needs of it: {what}.", name=name, step="sync-orders", what=what),
                hint=T("mistok plugins tells what each system can do."),
            )


def wanted(settings: DocumentsSettings, source: object, target: object) -> Iterator[tuple[str, object, Any, Text]]:
    """(name of the system, the system, capability, what it is) of all that the step's settings ask for."""
    acts = {act for rule in settings.rules.values() for act in rule} | {"order"}
    yield settings.source, source, Orders, _TELLS
    yield settings.to, target, ProductLookup, T("finding products by article")
    for act, (capability, what) in _ACTS.items():
        if act in acts:
            yield settings.to, target, capability, what
    if settings.changed == "amend":
        yield settings.to, target, AmendDocuments, T("changing documents (else set `changed: hold`)")
    if settings.statuses is not None:
        yield settings.to, target, DocumentStatuses, T("setting statuses of documents")
    if settings.products.by_name:
        yield settings.to, target, ProductNames, T("finding products by name")
    if settings.products.create:
        yield settings.to, target, AddProducts, T("adding products")
    if settings.back.number or settings.back.tracking or settings.back.statuses:
        yield settings.source, source, ApplyOrders, _TAKES
