"""``xml``: order XML of a client's own shape. The YAML says by XPath what stands where; see docs/formats.md.

Nothing is guessed: what is missing, written otherwise than declared, or there twice holds its order, with line and
element; what cannot be orders at all is refused whole.
"""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from pipeline.api import (
    Decoded,
    FormatContext,
    FormatPlugin,
    OrderFormat,
    ParsedXml,
    Rejected,
    T,
    Unread,
    Where,
    parse_xml,
)
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.explain import explain
from plugins.formats._declared.orders import no_orders, orders_of
from plugins.formats._declared.rule import Loc
from plugins.formats._declared.settings import DeclaredSettings, check_mapping
from plugins.formats._declared.xmlfile import XmlFile, local_name, path_mistake

_CLOSED = re.compile(rb"</(?:[\w.-]+:)?([^\s<>/:]+)\s*>\s*(?:<!--.*?-->\s*|<\?.*?\?>\s*)*\Z", re.DOTALL)
_EMPTY_ROOT = re.compile(rb"<(?:[\w.-]+:)?([^\s<>/:]+)(?:\s[^<>]*)?/>\s*\Z")
_ROOT = re.compile(r"/(?:[\w.-]+:)?([\w.-]+)")


class XmlSettings(DeclaredSettings):
    """Parameters of order XML of a client's own shape; paths are XPath."""

    order: str
    """Path of the orders, such as `/orders/order`."""
    items: str
    """Path of an order's items, beginning at the order, such as `items/item`."""
    namespaces: dict[str, str] = Field(default_factory=dict)
    """Prefixes that the paths use: `{o: "urn:shop:orders"}`. A file with an `xmlns` needs one in every path."""
    max_depth: int = Field(default=64, ge=4, le=250)
    """Elements inside one another; a deeper file is refused."""

    @model_validator(mode="after")
    def _mapping_is_right(self) -> XmlSettings:
        namespaces = tuple(sorted(self.namespaces.items()))
        own: dict[Loc, str] = {("order",): self.order, ("items",): self.items}
        check_mapping(self, own, lambda _loc, path: path_mistake(path, namespaces))
        return self

    @property
    def root(self) -> str:
        """Name of the root element, when the path of the orders begins with it."""
        found = _ROOT.match(self.order)
        return found[1] if found and not self.order.startswith("//") else ""


class XmlOrders:
    """Reads order XML by a mapping."""

    def decode(self, data: bytes, settings: XmlSettings, context: FormatContext) -> Decoded:
        """The orders in ``data``. Raises Rejected: no XML, or nothing at the path of the orders."""
        document = parse_xml(data, file=context.file, default_encoding=settings.encoding, max_depth=settings.max_depth)
        return _decode(document, XmlFile(document, settings.namespaces), settings, context)

    def complete(self, tail: bytes, settings: XmlSettings) -> bool:
        """Whether the end is there: the closing tag of the root, as far as the path of the orders tells its name."""
        end = tail.replace(b"\0", b"").rstrip()  # UTF-16 of ASCII tags is the tags with NULs between
        found = _CLOSED.search(end) or _EMPTY_ROOT.search(end)
        if found is None:
            # what begins as something else becomes no XML by waiting
            start = end.lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()
            return len(tail) < 4096 and bool(start) and not start.startswith(b"<")
        name = found[1].decode("utf-8", "replace")
        last = re.findall(r"[\w.-]+", settings.order.partition("[")[0]) or [""]
        inner = {last[-1]} if settings.root != last[-1] else set()
        return name == settings.root if settings.root else name not in inner


def unread(data: bytes, settings: XmlSettings, context: FormatContext) -> tuple[Unread, ...]:
    """Elements and attributes that the mapping does not read. Raises Rejected as decoding does."""
    document = parse_xml(data, file=context.file, default_encoding=settings.encoding, max_depth=settings.max_depth)
    file = XmlFile(document, settings.namespaces)
    file.seen = set()
    _decode(document, file, settings, context)
    return file.unread()


def _decode(document: ParsedXml, file: XmlFile, settings: XmlSettings, context: FormatContext) -> Decoded:
    where = Where(context.file, document.lines[0], document.columns[0], local_name(document.root))
    try:
        records = file.orders(settings.order, settings.items)
    except Wrong as wrong:
        raise Rejected(T("{what}.", what=wrong.text), code="no-orders", where=where, hint=wrong.hint) from wrong
    if not records and not (settings.allow_empty and settings.root in ("", local_name(document.root))):
        raise _no_orders(document, settings, where)
    thorough = file.seen is not None
    orders, notes = orders_of(((record, ()) for record in records), settings, context, thorough=thorough)
    return Decoded(tuple(orders), (*document.notes, *notes), "xml")


def _no_orders(document: ParsedXml, settings: XmlSettings, where: Where) -> Rejected:
    name, namespace = local_name(document.root), str(document.root.tag).rpartition("}")[0].lstrip("{")
    hint = T("The file begins with <{name}>; the mapping looks for `{path}`.", name=name, path=settings.order)
    if namespace and namespace not in settings.namespaces.values():
        hint = T(
            "Its elements are in the namespace {namespace}: give it a prefix under `namespaces` and write that in the "
            "paths.",
            namespace=namespace,
        )
    elif settings.root == name:
        hint = T("If files without orders are right, write `allow_empty: true`.")
    return no_orders(settings.order, where, hint)


_: type[OrderFormat] = XmlOrders

PLUGIN = FormatPlugin(
    name="xml",
    summary=T("Order XML of any shape, mapped by XPath in the config"),
    format=XmlOrders(),
    settings=XmlSettings,
    explain=explain,
    unread=unread,
)
