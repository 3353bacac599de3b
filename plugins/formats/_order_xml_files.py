"""A file of orders as a whole: parsed, checked by the schema, and each ``<order>`` read.

A process that only reads (the second one of a large import) loads this module and no more: no pydantic, nothing that
lets the format be a plugin.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.lean import (
    MAX_ERRORS,
    Decoded,
    DecodedOrder,
    Finding,
    FormatContext,
    ParsedXml,
    Rejected,
    Schema,
    SchemaError,
    T,
    Where,
    parse_xml,
    path_of,
    schemas,
)
from plugins.formats._order_places import LazyPlaces, Placed, Places, named_places
from plugins.formats._order_xml import Reader

NAMESPACE = "urn:mistok:order:1"
_FAMILY = re.compile(r"urn:mistok:order:(\w+)\Z")
#: A tag on several lines, or one whose end cannot be told so simply.
_LONG_TAG = re.compile(rb"<[^<>\n]*+\n")
_OPEN_END = re.compile(rb"""=\s*(?:"[^"<>]*>|'[^'<>]*>)""")
_MOST_LINES = 65_000
_ANY_DEPTH = 255  # it was measured before


@dataclass(frozen=True, slots=True)
class Parameters:
    """The format's parameters as plain values, and with them its reader."""

    xsd: str | None
    encoding: str | None
    source: str
    region: str
    max_depth: int

    def __call__(self, data: bytes, context: FormatContext) -> Decoded:
        """As :func:`decode`."""
        return decode(data, self, context)


def decode(data: bytes, settings: Any, context: FormatContext) -> Decoded:
    """The orders in ``data``. Raises Rejected: not this format, or a mistake outside of any one order."""
    document = parse_xml(data, file=context.file, default_encoding=settings.encoding, max_depth=settings.max_depth)
    schema = schema_of(settings, context)
    notes = [*document.notes, *rooted(document, schema, context.file)]
    errors = schema.check(document)
    if len(errors) >= MAX_ERRORS:  # the list is cut: what is not on it cannot be called good
        raise Rejected(findings=tuple(error.finding(context.file) for error in errors))
    orders = orders_of(document)
    inside, outside = sorted_out(errors, orders)
    if outside:
        raise Rejected(findings=tuple(error.finding(context.file) for error in errors))
    decoded, more = read_orders(document, orders, inside, settings, context)
    return Decoded(tuple(decoded), (*notes, *more), NAMESPACE)


class Place(Protocol):
    """Where a document stands in its file."""

    def place(self, line: int, column: int) -> tuple[int, int]:
        """The line and column of the file that these of the document are."""
        ...

    def line(self, line: int) -> int:
        """The same of a line alone."""
        ...

    def path(self, path: str) -> str:
        """The path in the file of what has this one in the document."""
        ...


def schema_of(settings: Any, context: FormatContext) -> Schema:
    """The client's own, or the built-in one. Raises ConfigError."""
    return Schema.load(context.base / settings.xsd if settings.xsd else built_in())


def rooted(document: ParsedXml, schema: Schema, file: str) -> list[Finding]:
    """Remarks on the root of a file, all elements of which are in the schema's namespace then. Raises Rejected."""
    _check_root(document, file)
    if not _move_into(document.root, schema.namespace):
        return []
    return [
        Finding(
            "no-namespace",
            T("The file names no namespace; it was read as {namespace}.", namespace=NAMESPACE),
            Where(file, document.lines[0]),
            T("Write <orders xmlns={quoted}>.", quoted=f'"{NAMESPACE}"'),
        )
    ]


def orders_of(document: ParsedXml) -> list[Any]:
    """Its orders: a schema of the client's own may let other things stand beside them."""
    return [element for element in document.root if _local(element) == "order"]


def sorted_out(
    errors: Iterable[SchemaError], orders: Sequence[Any]
) -> tuple[dict[int, list[SchemaError]], list[SchemaError]]:
    """Those inside of each order, and those outside of any."""
    positions = {id(order): index for index, order in enumerate(orders)}
    outside: list[SchemaError] = []
    inside: dict[int, list[SchemaError]] = defaultdict(list)
    for error in errors:
        index = _order_of(error.element, positions)
        if index is None:
            outside.append(error)
        else:
            inside[index].append(error)
    return inside, outside


def read_orders(
    document: ParsedXml,
    orders: Sequence[Any],
    inside: Mapping[int, Sequence[SchemaError]],
    settings: Any,
    context: FormatContext,
    at: Place | None = None,
) -> tuple[list[DecodedOrder], list[Finding]]:
    """The orders of a document, and remarks on them; ``inside``: what is wrong with some of them by the schema.

    ``at``: where the document stands in its file, unless it is all of it.
    """
    namespace = _only_namespace(document)
    if not namespace:
        _strip(document.root)
    counted = _Placed(document)
    placed: Placed = counted
    line: Callable[[Any], int] = counted.line if _odd_lines(document.utf8) else _line
    path: Callable[[Any], str] = path_of
    if at is not None:
        line, placed, path = _moved(at, line, placed)
    later = _Later(document.utf8, context.file, len(orders), at)
    decoded: list[DecodedOrder] = []
    notes: list[Finding] = []
    for index, element in enumerate(orders):
        places = LazyPlaces(partial(later.places, index))
        reader = Reader(element, line, placed, places, settings, context, path, namespace)
        decoded.append(reader.held(inside[index]) if index in inside else reader.order())
        notes.extend(reader.notes)
    return decoded, notes


def _moved(
    at: Place, line: Callable[[Any], int], placed: Placed
) -> tuple[Callable[[Any], int], Placed, Callable[[Any], str]]:
    return (
        lambda element: at.line(line(element)),
        lambda element: at.place(*placed(element)),
        lambda element: at.path(path_of(element)),
    )


def _path(index: int, orders: int) -> str:
    """As ``path_of`` names an order; that one would count all orders for each of them."""
    return f"orders/order[{index + 1}]" if orders > 1 else "orders/order"


@cache
def built_in() -> Path:
    return schemas() / "order.xsd"


def _check_root(document: ParsedXml, file: str) -> None:
    namespace, _, name = str(document.root.tag).rpartition("}")
    namespace = namespace.lstrip("{")
    if name == "orders" and namespace in ("", NAMESPACE):
        return
    where = Where(file, document.lines[0], document.columns[0], name)
    other = _FAMILY.match(namespace)
    if name == "orders" and other and namespace != NAMESPACE:
        raise Rejected(
            T("The file is of version {version} of the order format; this program reads version 1.", version=other[1]),
            code="version",
            where=where,
            hint=T("Write <orders xmlns={quoted}>.", quoted=f'"{NAMESPACE}"'),
        )
    raise Rejected(
        T("This is XML, but not an order file: it begins with <{name}>.", name=name),
        code="wrong-root",
        where=where,
        hint=T("An order file begins with <orders xmlns={quoted}>.", quoted=f'"{NAMESPACE}"'),
    )


def _move_into(root: Any, namespace: str) -> bool:
    """Give elements without a namespace the schema's, so that one schema checks both spellings."""
    if not namespace or str(root.tag).startswith("{"):
        return False
    for element in root.iter():
        if not str(element.tag).startswith("{"):
            element.tag = f"{{{namespace}}}{element.tag}"
    return True


def _only_namespace(document: ParsedXml) -> str:
    """The namespace of all elements, in braces, when the root declares it as the default one and nothing else is
    declared anywhere: then names are the same without it. Empty in all other cases."""
    if document.utf8.count(b"xmlns") != 1 or list(document.root.nsmap) != [None]:
        return ""
    return f"{{{document.root.nsmap[None]}}}"


class _Placed:
    """Where elements begin, counted when it is first asked."""

    def __init__(self, document: ParsedXml) -> None:
        self._document = document
        self._places: dict[Any, tuple[int, int]] | None = None

    def __call__(self, element: Any) -> tuple[int, int]:
        if self._places is None:
            self._places = {one: (line, column) for one, line, column in self._document.places()}
        return self._places[element]

    def line(self, element: Any) -> int:
        return self(element)[0]


class _Later:
    """The file once more, for the places of its orders: kept as its text, and parsed when somebody asks."""

    def __init__(self, utf8: bytes, file: str, orders: int, at: Place | None = None) -> None:
        self._utf8, self._file, self._many, self._at = utf8, file, orders, at
        self._orders: list[Any] | None = None
        self._placed: Placed | None = None

    def places(self, index: int) -> Places:
        """Of the order with this index."""
        try:
            if self._orders is None or self._placed is None:
                document = parse_xml(self._utf8, file=self._file, encoding="utf-8", max_depth=_ANY_DEPTH)
                self._orders = orders_of(document)
                self._placed = _Placed(document)
                if self._at is not None:
                    self._placed = _moved(self._at, _line, self._placed)[1]
            path = _path(index, self._many)
            return named_places(self._orders[index], self._placed, self._at.path(path) if self._at else path)
        except Rejected:  # two parsers that count differently: then it is told without its place
            return {}


def _line(element: Any) -> int:
    return int(element.sourceline)


def _odd_lines(utf8: bytes) -> bool:
    """Whether lxml's lines may be others than those where tags begin: it counts at their ends, no lone carriage
    returns, and not beyond 65,535."""
    if utf8.count(b"\n") > _MOST_LINES or utf8.count(b"\r") != utf8.count(b"\r\n"):
        return True
    return _LONG_TAG.search(utf8) is not None or _OPEN_END.search(utf8) is not None


def _strip(root: Any) -> None:
    """Plain names from here on, so that an order's canonical bytes do not depend on the spelling of its namespace."""
    from lxml import etree

    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    etree.cleanup_namespaces(root)


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _order_of(element: Any, positions: dict[int, int]) -> int | None:
    node = element
    while node is not None:
        if id(node) in positions:
            return positions[id(node)]
        node = node.getparent()
    return None
