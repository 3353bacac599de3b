"""Webhooks that the fake KeepinCRM sends: the body is a template that the operator wrote, all values are text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

from plugins.systems.keepincrm._fake_account import Account, Row, money
from plugins.systems.keepincrm._fake_materials import Materials

_SECTION = re.compile(r"\{\{([#^])\s*(\w+)\s*\}\}(.*?)\{\{/\s*\2\s*\}\}", re.DOTALL)
_VALUE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ESCAPES: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "html": html.escape,
}


def render(template: str, values: Mapping[str, Any], escape: Literal["none", "json", "html"] = "none") -> str:
    """A Mustache template (values, sections over lists and their opposites) with ``values`` put in.

    Names that are not known become nothing. Without escaping, a quote in a title breaks a JSON body.
    """

    def section(found: re.Match[str]) -> str:
        kind, name, inner = found.groups()
        value = values.get(name)
        if kind == "^":
            return "" if value else render(inner, values, escape)
        rows = value if isinstance(value, list) else [{}] if value else []
        return "".join(render(inner, {**values, **row}, escape) for row in rows)

    def put(found: re.Match[str]) -> str:
        return _ESCAPES[escape](_text(values.get(found[1])))

    return _VALUE.sub(put, _SECTION.sub(section, template))


def _text(value: Any) -> str:
    if value is None or isinstance(value, list):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(money(value, "text")) if isinstance(value, Decimal) else str(value)


def agreement_values(account: Account, row: Row) -> Row:
    """What a template of an agreement's trigger can name."""
    client = account.row("clients", row["client_id"]) if row["client_id"] else None
    stage = account.named("stages", row["stage_id"]) or {"id": "", "name": ""}
    status = account.named("client_statuses", client["status_id"] if client else None) or {"id": "", "name": ""}
    source = account.named("sources", row["source_id"]) or {"id": "", "name": ""}
    values: Row = {"id": row["id"], "deal_id": row["id"], "title": row["title"], "order_id": row["title"]}
    values |= {"total": row["total"], "amount": row["total"], "result": row["result"], "comment": row["comment"]}
    values |= {"stage_id": stage["id"], "stage_name": stage["name"], "new_status": stage["name"]}
    values |= {"status_id": status["id"], "status_name": status["name"]}
    values |= {"source_id": source["id"], "source": source["name"]}
    values |= {
        "client_person": client["person"] if client else "",
        "client_company": client["company"] if client else "",
    }
    values["ttn"] = row["deliveries"][0]["ttn"] if row["deliveries"] else ""
    lines = [{"sku": job["sku"], "amount": job["amount"], "price": job["price"]} for job in row["jobs"]]
    values["products"] = [{**line, "last": line is lines[-1]} for line in lines]
    return values


def material_values(materials: Materials, row: Row) -> Row:
    """What a template of a material's or a stock movement's trigger can name."""
    values: Row = {"id": row["id"], "material_id": row["id"], "sku": row["sku"], "material_sku": row["sku"]}
    values |= {"title": row["title"], "price": row["price"], "cost": row["cost"], "available": materials.available(row)}
    return values | {"amount": materials.available(row), "comment": ""}
