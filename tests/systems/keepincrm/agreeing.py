"""Orders that become agreements of a fake KeepinCRM."""

from __future__ import annotations

import os
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.api import (
    DocumentOutcome,
    Order,
)
from pipeline.testing.documents_contract import (
    Subject,
    drafts_of,
)
from tests.systems.keepincrm.world import World

CODES = ("LMP-9", "ГР-2 К", "0042")
STAGES = {"Нове": "new", "Оплачено": "paid", "Скасовано": "cancelled", "Повернення": "refunded"}
#: The other side of each switch that agreements can come to feel.
SWITCHED: dict[str, Any] = {
    "total_required": True,
    "company_required": True,
    "client_matching": True,
    "client_by_id": False,
    "line_material": "with_sku",
    "price_list": True,
    "result_write": False,
    "unknown_stage": "ignored",
    "create_answer": "full",
    "total_name": "total_amount",
    "total_form": "comma",
    "stage_read": "name",
    "jobs_read": "nested",
    "jobs_in_list": False,
    "order": "oldest_first",
    "sorting": False,
    "unknown_filter": "refused",
    "updated_at_filter": "refused",
    "per_page_max": 0,
    "pagination_counts": False,
    "zone": "UTC",
    "milliseconds": False,
    "not_found": "text",
    "unknown_fields": "refused",
    "duplicate_sku": "touched",
    "refusal": 400,
}
EACH: dict[str, dict[str, Any]] = {
    **{name: {name: value} for name, value in SWITCHED.items()},
    "line_material=never": {"line_material": "never"},
    "total_name=total": {"total_name": "total", "total_form": "text"},
    "refusal=500": {"refusal": 500},
}
ACCOUNTS = {"likeliest": {}, "otherwise": SWITCHED, **(EACH if os.environ.get("MISTOK_FULL") else {})}
#: Contracts of documents are for accounts that tell lines, or do not.
SILENT = {"jobs_read": "absent"}


def stocked(world: World) -> World:
    for n, code in enumerate(CODES):
        world.fake.add_material(code, f"Товар {code}", price=100 + n)
    funnel = world.fake.add_named("funnels", "Продажі")
    for name in STAGES:
        world.fake.add_stage(name, funnel)
    return world


def stage(world: World, name: str) -> int:
    return next(key for key, row in world.fake.account.tables["stages"].items() if row["name"] == name)


def settings(world: World, **more: Any) -> dict[str, Any]:
    """``orders`` of the connection: all stages named, one for each status."""
    rows = world.fake.account.tables["stages"]
    stages = {row["name"]: key for key, row in rows.items()}
    of = {status: name for name, status in STAGES.items()}
    return {"orders": {"stages": stages, "stage": "Нове", "stage_for": of, **more}}


def row(world: World, number: int | str = "") -> dict[str, Any]:
    """The agreement with this number; the only one."""
    rows = world.fake.account.tables["agreements"]
    found: dict[str, Any] = rows[int(number)] if number else next(iter(rows.values()))
    return found


def subject_of(world: World, **more: Any) -> Subject:
    names = {stage(world, name): status for name, status in STAGES.items()}

    def close(number: str) -> None:
        row(world, number)["result"] = "successful"

    return Subject(
        lambda: world.open(**settings(world, **more)),
        CODES,
        lambda: len(world.fake.account.tables["agreements"]),
        lambda number: Decimal(row(world, number)["total"]),
        status=lambda number: names[row(world, number)["stage_id"]],
        close=close,
        lacks={"reserved": "an agreement reserves nothing that the API tells"},
    )


#: What accounts must do for lines to be changed at all; all else may be otherwise.
CHANGING = {"job_ids": True, "patch_jobs": "append"}


def make(world: World, *orders: Order, options: dict[str, Any] | None = None, **more: Any) -> list[DocumentOutcome]:
    session = world.open(**(settings(world) if options is None else options))
    drafts = [replace(draft, **more) for draft in drafts_of(session, orders)]
    return list(session.create(drafts))


def posted(world: World) -> dict[str, Any]:
    (asked,) = world.fake.asked("POST", "/v1/agreements$")
    body = asked.json()
    assert isinstance(body, dict)
    return body


def count(world: World) -> int:
    return len(world.fake.account.tables["agreements"])
