"""Step ``report-day``: writes the sheet of a day for the accountant, and tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.api import ReportSettings, ReportStep, StepPlugin, T


class ReportDaySettings(ReportSettings):
    """Writes the sheet of a day as a workbook: yesterday's shop against books, what waits, what changed."""

    sources: tuple[str, ...] = ()
    """Only orders of these sources; all when not given."""


def keep(row: Mapping[str, Any], settings: ReportDaySettings) -> bool:
    """Whether an order, as a row of the ledger, is in the sheet."""
    return not settings.sources or row["source"] in settings.sources


PLUGIN = StepPlugin(
    name="report-day",
    summary=T("Write the sheet of a day: shop against books, what waits, what changed"),
    settings=ReportDaySettings,
    kind=ReportStep(keep=keep),
)
