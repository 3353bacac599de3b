"""What a format makes of a file of orders, and what it is told of the file. A port of its own, as a process that only
reads loads no others (:mod:`pipeline.lean`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.errors import Finding, Where
from pipeline.model import Order, quickly_pickled


@dataclass(frozen=True, slots=True)
class FormatContext:
    """What a format may need to know besides the bytes. Everything in it is a value; time included."""

    client: str
    timezone: ZoneInfo
    currency: str  #: the client's own, ISO 4217
    language: str  #: tag of catalogue texts, such as ``uk-UA``
    now: datetime
    file: str = ""  #: name for messages
    source: str = ""  #: of orders that name none: the inbox that they came by
    base: Path = Path()  #: the config's folder, for paths in settings


@quickly_pickled
@dataclass(frozen=True, slots=True)
class DecodedOrder:
    """One order of a file: read, or held with what is wrong with it. ``id`` is given whenever it could be read."""

    order: Order | None
    findings: tuple[Finding, ...] = ()
    id: str = ""
    number: str = ""
    source: str = ""
    line: int | None = None
    fragment: bytes = b""  #: this order's own bytes, canonical, for its content hash
    #: where fields of the order stand (element, line, column): ``total``, ``currency``, ``lines``, ``lines[2].code``
    places: Mapping[str, tuple[str, int, int]] = field(default_factory=dict, compare=False, repr=False)

    def where(self, place: Where, file: str) -> Where:
        """``place`` of a finding with file, line, column and element of this file, as far as the format tells them.

        A step names a field of the order in ``place.element``; where the format knows it, its own name takes its place.
        """
        element, line, column = place.element, place.line, place.column
        name = f"lines[{place.order_line}].{element}" if place.order_line else element or ""
        if name in self.places:
            element, line, column = self.places[name]
        elif line is None and place.order_line and self.order and place.order_line <= len(self.order.lines):
            line = self.order.lines[place.order_line - 1].source_line
        return Where(
            file=place.file or file,
            line=line or self.line,
            column=column,
            element=element,
            order=place.order,
            order_line=place.order_line,
        )


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file holds. ``notes`` are remarks that do not stop anything (a BOM, a guessed encoding)."""

    orders: tuple[DecodedOrder, ...]
    notes: tuple[Finding, ...] = ()
    version: str = ""


#: Bytes and what is told of their file -> the orders in them, as of :meth:`OrderFormat.decode`.
ReadApart = Callable[[bytes, FormatContext], Decoded]
