"""``json``: order JSON of a client's own shape. The YAML says by paths what stands where; see docs/formats.md.

A file is one document, or has one in each line. Numbers are exact, twin keys and anything hostile are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, model_validator

from pipeline.api import (
    Decoded,
    DecodedOrder,
    Finding,
    FormatContext,
    FormatPlugin,
    OrderFormat,
    OrderStream,
    Rejected,
    T,
    Text,
    Unread,
    Where,
)
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.explain import explain
from plugins.formats._declared.jsonfile import JsonFile, JsonRecord, unread_of
from plugins.formats._declared.jsonpath import path_mistake
from plugins.formats._declared.jsontext import parse_json
from plugins.formats._declared.orders import no_orders, orders_of, text_of
from plugins.formats._declared.rule import Loc
from plugins.formats._declared.settings import DeclaredSettings, check_mapping

_ALLOW_EMPTY = T("If files without orders are right, write `allow_empty: true`.")


class JsonSettings(DeclaredSettings):
    """Parameters of order JSON of a client's own shape; paths are such as `customer.phones[0]`."""

    order: str = "."
    """Path of the orders, such as `response.orders`; a list stands for all that is in it. Without it the document
    itself is an order, or a list of them."""
    items: str
    """Path of an order's items, beginning at the order, such as `products`."""
    lines: bool = False
    """Each line of the file is a document of its own."""
    max_depth: int = Field(default=32, ge=4, le=250)
    """Objects and arrays inside one another; a deeper file is refused."""

    @model_validator(mode="after")
    def _mapping_is_right(self) -> JsonSettings:
        own: dict[Loc, str] = {("order",): self.order, ("items",): self.items}
        check_mapping(self, own, lambda _loc, path: path_mistake(path))
        return self


class JsonOrders:
    """Reads order JSON by a mapping."""

    def decode(self, data: bytes, settings: JsonSettings, context: FormatContext) -> Decoded:
        """The orders in ``data``. Raises Rejected: no JSON, or nothing at the path of the orders."""
        return _decode(data, settings, context, thorough=False)[0]

    def decode_stream(
        self, path: Path, settings: JsonSettings, context: FormatContext, scratch: Path
    ) -> OrderStream | None:
        """The same some orders at a time. None of a document in which they are no list at a path of plain keys, or
        where the mapping looks at something outside of an order."""
        from plugins.formats._json_stream import open_stream

        return open_stream(path, settings, context, scratch)

    def complete(self, tail: bytes, settings: JsonSettings) -> bool:
        """Whether the end is there: a closing bracket, or of lines the end of a line."""
        end = tail.replace(b"\0", b"")  # UTF-16 of ASCII signs is the signs with NULs between
        if settings.lines and end.endswith(b"\n"):
            return bool(end.strip())
        end = end.rstrip()
        if end.endswith((b"}", b"]")):
            return True
        # what begins as something else becomes no JSON by waiting
        start = end.lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()
        return len(tail) < 4096 and bool(start) and not start.startswith((b"{", b"["))


def unread(data: bytes, settings: JsonSettings, context: FormatContext) -> tuple[Unread, ...]:
    """Keys that the mapping does not read. Raises Rejected as decoding does."""
    return unread_of(_decode(data, settings, context, thorough=True)[1])


def _decode(
    data: bytes, settings: JsonSettings, context: FormatContext, *, thorough: bool
) -> tuple[Decoded, list[JsonFile]]:
    text, notes = text_of(data, settings, context.file)
    files, broken = _documents(text, settings, context)
    decoded: list[DecodedOrder] = list(broken)
    remarks = list(notes)
    for file in files:
        file.seen = set() if thorough else None
        orders, more = document_orders(file, settings, context, thorough=thorough)
        decoded += orders
        remarks += more
    decoded.sort(key=lambda one: one.line or 0)
    return Decoded(tuple(decoded), tuple(remarks), "json"), files


def document_orders(
    file: JsonFile, settings: JsonSettings, context: FormatContext, *, thorough: bool = False
) -> tuple[list[DecodedOrder], list[Finding]]:
    """The orders of a document, with remarks. Raises Rejected when there are none; of lines it is held alone."""
    where = Where(context.file, *file.document.place(file.document.start))
    try:
        records = _records(file, settings, where)
    except Rejected as error:
        if not settings.lines:
            raise
        return [DecodedOrder(None, error.findings, line=where.line)], []
    return orders_of(((record, ()) for record in records), settings, context, thorough=thorough)


def _records(file: JsonFile, settings: JsonSettings, where: Where) -> tuple[JsonRecord, ...]:
    """The orders of a document. Raises Rejected when there are none."""
    try:
        records = file.orders(settings.order, settings.items)
        there = file.has_list(settings.order)
    except Wrong as wrong:
        raise Rejected(T("{what}.", what=wrong.text), code="no-orders", where=where, hint=wrong.hint) from wrong
    if not records and not (settings.allow_empty and there):
        raise no_orders(settings.order, where, _ALLOW_EMPTY if there else _keys(file))
    return records


def _documents(text: str, settings: JsonSettings, context: FormatContext) -> tuple[list[JsonFile], list[DecodedOrder]]:
    """The documents of a file, and of lines those that are none, each held alone. Raises Rejected."""
    if not settings.lines:
        return [JsonFile(parse_json(text, file=context.file, max_depth=settings.max_depth))], []
    files: list[JsonFile] = []
    broken: list[DecodedOrder] = []
    nodes = 0
    first: Rejected | None = None
    for number, start, end in _lines(text):
        try:
            document = parse_json(
                text, file=context.file, max_depth=settings.max_depth, start=start, end=end, nodes=nodes
            )
        except Rejected as error:
            if error.code == "too-large":
                raise
            first = first or error
            broken.append(DecodedOrder(None, error.findings, line=number, fragment=text[start:end].encode()))
            continue
        nodes = document.nodes
        files.append(JsonFile(document))
    if first is not None and not files:
        raise first
    return files, broken


def _lines(text: str) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each line that has something."""
    for number, match in enumerate(re.finditer(r"[^\n]*(?:\n|\Z)", text), start=1):
        if match[0].strip():
            yield number, match.start(), match.end()


def _keys(file: JsonFile) -> Text:
    """Where the orders may stand, to a person."""
    root = file.document.root
    if isinstance(root, dict) and root:
        return T("The document has these keys: {names}.", names=", ".join(list(root)[:20])[:200])
    return T("The document is a list.") if isinstance(root, list) else T("The document is a single value.")


_: type[OrderFormat] = JsonOrders

PLUGIN = FormatPlugin(
    name="json",
    summary=T("Order JSON of any shape, mapped by paths in the config"),
    format=JsonOrders(),
    settings=JsonSettings,
    explain=explain,
    unread=unread,
)
