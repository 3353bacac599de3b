"""What a webhook of KeepinCRM means. Its body is a template that the operator wrote, so that names may be any. Pure.

Never believed: it only says where to look. A title with a quote in it may have broken the JSON; then what can be
recognised is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from pipeline.api import Hint

#: A body longer than this is no template's.
LONGEST = 1_000_000
#: Names that templates in use have for an agreement, likeliest first; ``id`` may be anything's.
_AGREEMENT = ("deal_id", "agreement_id", "order_id")
_OF_AGREEMENT = frozenset({
    *_AGREEMENT, "total", "amount", "result", "stage", "stage_id", "stage_name", "status_id", "status_name",
    "new_status", "ttn", "client", "client_id", "source", "source_id",
})  # fmt: skip
_OF_MATERIAL = frozenset({"material_sku", "material_id", "sku", "available", "cost", "price"})
_PAIR = re.compile(r'"(\w+)"\s*:\s*(?:"([^"{}\[\]]*)"|(-?\d+(?:\.\d+)?))')
Said = tuple[str, str, int]  # name, value, depth
_KINDS = {"orders": "orders", "order": "orders", "stock": "stock", "catalogue": "catalogue", "catalog": "catalogue"}


def hint(body: bytes) -> Hint:
    """What is meant; nothing for what is not understood. Never raises."""
    said = list(_said(body)) if len(body) <= LONGEST else []
    names = {name for name, _value, _depth in said}
    kinds = {kind for name, value, _depth in said if name == "mistok" and (kind := _KINDS.get(value.lower()))}
    if not kinds:
        of_material = names & {"material_sku", "material_id"}
        if of_material or "products" in names or (names & _OF_MATERIAL and not names & set(_AGREEMENT)):
            kinds.add("stock")
        if of_material and names & {"title", "price"}:
            kinds.add("catalogue")
        of_agreement = names & (_OF_AGREEMENT if not of_material else set(_AGREEMENT))
        if of_agreement or (names & {"id"} and not kinds):
            kinds.add("orders")
    return Hint(frozenset(kinds), tuple(dict.fromkeys(_ids(said, orders="orders" in kinds))) if kinds else ())


def _ids(said: list[Said], *, orders: bool) -> list[str]:
    """Numbers of agreements; else articles and numbers of materials; else whatever ``id`` is."""
    wanted = ("deal_id", "agreement_id") if orders else ("material_sku", "sku", "material_id")
    found = [value for name, value, _depth in said if value and name in wanted]
    return found or [value for name, value, depth in said if value and name == "id" and depth == 1]


def _said(body: bytes) -> Iterator[Said]:
    """Names and plain values, with how deep they stand."""
    text = body.decode("utf-8", "replace").strip().lstrip("\ufeff")
    if not text:
        return
    try:
        found = list(_walk(json.loads(text, parse_float=str), "", 0))
    except (ValueError, RecursionError):
        if text[0] not in "{[" and "=" in text:
            found = [(name.lower(), value.strip(), 1) for name, value in parse_qsl(text)]
        else:
            found = [(name.lower(), (words or number).strip(), 1) for name, words, number in _PAIR.findall(text)]
    yield from found


def _walk(value: Any, name: str, depth: int) -> Iterator[Said]:
    if depth > 20:
        return
    match value:
        case Mapping():
            if name:
                yield name, "", depth
            for own, one in value.items():
                yield from _walk(one, str(own).lower(), depth + 1)
        case list():
            if name:
                yield name, "", depth
            for one in value:
                yield from _walk(one, name if not isinstance(one, Mapping) else "", depth + 1)
        case bool() | None if name:
            yield name, "", depth
        case str() | int() if name:
            yield name, str(value).strip(), depth
