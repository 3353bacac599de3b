"""An order of a system as bytes, and back: what the archive keeps of it, to be planned again and shown. Pure.

JSON with sorted keys, amounts as text: the same order always makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from pipeline.errors import Finding, Rejected
from pipeline.model import Order
from pipeline.ports import SeenOrder
from pipeline.texts import T

VERSION = 1


def to_bytes(seen: SeenOrder) -> bytes:
    """The order as it was read."""
    data = {
        "version": VERSION,
        "id": seen.id,
        "number": seen.number,
        "status": seen.status,
        "updated_at": seen.updated_at.isoformat() if seen.updated_at else None,
        "revision": seen.revision,
        "findings": [one.to_json() for one in seen.findings],
        "order": plain(asdict(seen.order)) if seen.order is not None else None,
        **({"raw": seen.raw} if seen.raw else {}),
    }
    return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> SeenOrder:
    """The order that :func:`to_bytes` wrote. Raises Rejected for anything else."""
    try:
        read = json.loads(data.decode("utf-8", "surrogatepass"))
        if read["version"] != VERSION:
            raise ValueError(f"version {read['version']}")  # noqa: TRY301 - told as any other strange content
        return SeenOrder(
            id=read["id"],
            number=read["number"],
            status=read["status"],
            order=order_of(read["order"]) if read["order"] is not None else None,
            findings=tuple(Finding.from_json(one) for one in read["findings"]),
            updated_at=datetime.fromisoformat(read["updated_at"]) if read["updated_at"] else None,
            revision=read["revision"],
            raw=read.get("raw", ""),
        )
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        words = T("This is no order as Mistok keeps them: {words}", words=f"{type(error).__name__}: {error}")
        raise Rejected(words, code="no-paper") from error


def order_of(data: Mapping[str, Any]) -> Order:
    """The order of its fields, as :func:`plain` gives them."""
    found: Order = _build(Order, data)
    return found


def revision_of(seen: SeenOrder) -> str:
    """The fingerprint of an order's content and status: the source's own word, else that of all that it told."""
    if seen.revision:
        words = f"{seen.revision}\0{seen.status}"
    else:
        order = plain(asdict(seen.order)) if seen.order is not None else [one.to_json() for one in seen.findings]
        if isinstance(order, dict):
            order.pop("updated_at")
        words = json.dumps([seen.id, seen.status, order], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(*parts: object) -> str:
    """A short name of a content."""
    words = json.dumps([plain(part) for part in parts], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def plain(value: Any) -> Any:
    """A value as JSON has it: amounts and moments as text."""
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case _:
            return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (one for one in get_args(kind) if one is not type(None))
        return _build(kind, value)
    if origin is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return tuple(_build(inner[0], one) for one in value)
        return tuple(_build(one, each) for one, each in zip(inner, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {name: _build(get_args(kind)[1], one) for name, one in value.items()}
    if kind is Decimal:
        return Decimal(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        known = {one.name for one in fields(kind)}
        return kind(**{name: _build(hints[name], one) for name, one in value.items() if name in known})
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
