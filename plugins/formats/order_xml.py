"""``order-xml``: the native order format, ``schemas/order.xsd`` (urn:mistok:order:1), of docs/order-format.md.

The XSD is the one truth about structure: it is checked first, and an order with a mistake in it is held while the
others are read. A file without a namespace is the same format. What the schema cannot say is checked here and holds
the order as well: a date that does not exist, a discount given twice, a line or subtotal that is not the sum of its
parts, letters that were garbled on their way. Whether the total is right and the products exist is the step's business.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from pydantic import Field, field_validator

from pipeline.api import (
    Decoded,
    FormatContext,
    FormatPlugin,
    OrderFormat,
    OrderStream,
    Schema,
    Settings,
    StreamedFormat,
    T,
    known_encoding,
)
from plugins.formats._order_xml_files import NAMESPACE, Parameters, built_in, decode
from plugins.formats._order_xml_rules import explain

__all__ = ["NAMESPACE", "PLUGIN", "OrderXml", "OrderXmlSettings"]

_CLOSED = re.compile(rb"</(?:[\w.-]+:)?([\w.-]+)\s*>\s*(?:<!--.*?-->\s*|<\?.*?\?>\s*)*\Z", re.DOTALL)
_EMPTY_ROOT = re.compile(rb"<(?:[\w.-]+:)?orders(?:\s[^<>]*)?/>\s*\Z")


class OrderXmlSettings(Settings):
    """Parameters of ``order-xml``; none is needed."""

    xsd: str | None = None
    """An XSD of your own, relative to the config, checked instead of the built-in one."""
    encoding: str | None = None
    """Encoding of files that declare none and have no byte order mark, such as `windows-1251`."""
    source: str = ""
    """Name of the source for orders that name none; the inbox's name when left out."""
    region: str = Field(default="UA", pattern="^[A-Z]{2}$")
    """Country (ISO 3166) that telephones without a country code belong to."""
    max_depth: int = Field(default=32, ge=4, le=250)
    """Elements inside one another; a deeper file is refused."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and known_encoding(value) is None:
            raise ValueError(T("`{value}` is no encoding; write windows-1251, utf-8 or utf-16.", value=value))
        return value


class OrderXml:
    """Reads the native order format."""

    def decode(self, data: bytes, settings: OrderXmlSettings, context: FormatContext) -> Decoded:
        """The orders in ``data``. Raises Rejected: not this format, or a mistake outside of any one order."""
        return decode(data, settings, context)

    def apart(self, settings: OrderXmlSettings) -> Parameters | None:
        """As the port says."""
        if type(self) is not OrderXml:  # one that was made of it may read otherwise
            return None
        return Parameters(**{one.name: getattr(settings, one.name) for one in fields(Parameters)})

    def decode_stream(
        self, path: Path, settings: OrderXmlSettings, context: FormatContext, scratch: Path
    ) -> OrderStream | None:
        """The same in pieces. None where the orders of a client's own schema cannot be checked one by one."""
        from plugins.formats._order_xml_stream import open_stream

        return open_stream(path, settings, context, scratch)

    def complete(self, tail: bytes, settings: OrderXmlSettings) -> bool:  # noqa: ARG002 - the port's signature
        """Whether the end is there: ``</orders>``, or something that no waiting would turn into an order file."""
        end = tail.replace(b"\0", b"").rstrip()  # UTF-16 of ASCII tags is the tags with NULs between
        if end.endswith(b"</orders>"):
            return True  # of nearly all: nothing that follows a tag, and may, ends so
        if end.endswith(b"/>") and _EMPTY_ROOT.search(end):
            return True
        closed = _CLOSED.search(end)
        if closed:
            # A file cut after an inner closing tag is not whole; one that ends in another vocabulary is, and is wrong.
            return closed[1] == b"orders" or closed[1].decode("ascii", "replace") not in _inner_names()
        whole = len(tail) < 4096  # all of it is here
        start = end.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip()
        return whole and bool(start) and not start.startswith(b"<")


def _inner_names() -> frozenset[str]:
    schema = Schema.load(built_in())
    return frozenset(declared.name for path, declared in schema.declarations.walk() if "/" in path)


_: type[OrderFormat] = OrderXml
_streamed: type[StreamedFormat] = OrderXml

PLUGIN = FormatPlugin(
    name="order-xml",
    summary=T("Order files as docs/order-format.md describes them (XML, one or many orders in a file)"),
    format=OrderXml(),
    settings=OrderXmlSettings,
    explain=explain,
)
