"""Steps ``sync-catalogue``, ``sync-prices`` and ``sync-stock``: two systems kept in step."""

from __future__ import annotations

from pipeline.api import CatalogueSyncSettings, PriceSyncSettings, StepPlugin, StockSyncSettings, SyncStep, T

PLUGINS = (
    StepPlugin(
        name="sync-catalogue",
        summary=T("Keep the products of one system in step with those of another"),
        settings=CatalogueSyncSettings,
        kind=SyncStep("catalogue"),
    ),
    StepPlugin(
        name="sync-prices",
        summary=T("Keep the prices of one system in step with those of another"),
        settings=PriceSyncSettings,
        kind=SyncStep("catalogue"),
    ),
    StepPlugin(
        name="sync-stock",
        summary=T("Keep the stock of one system in step with that of another"),
        settings=StockSyncSettings,
        kind=SyncStep("stock"),
    ),
)
