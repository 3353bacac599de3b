"""Step ``sync-orders``: orders of a system become documents of another, by the status rules of the client."""

from __future__ import annotations

from pipeline.api import DocumentsSettings, DocumentsStep, StepPlugin, T

PLUGIN = StepPlugin(
    name="sync-orders",
    summary=T("Make orders, shipments, returns and payments of one system documents of another, by their status"),
    settings=DocumentsSettings,
    kind=DocumentsStep(),
)
