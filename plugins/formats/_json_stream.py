"""A large order JSON, some orders at a time: what it gives is what reading it as a whole would give."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pipeline.api import DecodedOrder, FormatContext, OrderStream, Rejected
from plugins.formats._declared.jsonfile import JsonFile, name_of
from plugins.formats._declared.jsonpath import parse_path
from plugins.formats._declared.jsonscan import JsonScan, mapped, places
from plugins.formats._declared.jsontext import parse_json
from plugins.formats._declared.orders import orders_of
from plugins.formats._declared.settings import paths_of
from plugins.formats._declared.streaming import DeclaredStream, Read, Units, open_declared
from plugins.formats.json_orders import document_orders


def open_stream(path: Path, settings: Any, context: FormatContext, scratch: Path) -> OrderStream | None:
    """The file's orders, after it was looked through; None where it has to be read as a whole.

    Raises Rejected as ``decode`` does.
    """
    keys = None if settings.lines else _keys(settings)
    if keys is None and not settings.lines:
        return None
    text, notes = open_declared(path, settings, context.file, scratch)
    try:
        if keys is None:
            lines = _Lines(settings, context)
            stream = DeclaredStream(text, _lines(text, context), lines, notes, "json", single=False)
            lines.check()
            return stream
        found = _elements(text, keys, settings, context)
        if found is None:
            text.close()
            return None
        units, columns = found
        reader = _Elements(columns, name_of(keys), settings, context)
        return DeclaredStream(text, units, reader, notes, "json", single=True)
    except BaseException:
        text.close()
        raise


def _keys(settings: Any) -> Sequence[str] | None:
    """The path of the list of orders; None where it is more than keys, or something outside of orders is looked at."""
    if any(parse_path(path).absolute for path in (settings.items, *paths_of(settings))):
        return None
    keys = [step.key for step in parse_path(settings.order).steps]
    return None if None in keys else [key for key in keys if key is not None]


# --- a document in each line ---------------------------------------------------------------------------------------


def _lines(text: IO[bytes], context: FormatContext) -> Units:
    units = Units(text, context.file)
    text.seek(0)
    for number, line in enumerate(text, 1):
        if line.decode("utf-8", "surrogatepass").strip():
            units.add(units.end, number)
        units.end += len(line)
    return units


class _Lines:
    """Reads one line."""

    def __init__(self, settings: Any, context: FormatContext) -> None:
        self._settings, self._context = settings, context
        self._first: Rejected | None = None
        self._sound = False

    def read(self, words: str, unit: int, line: int) -> Read:  # noqa: ARG002 - the protocol's signature
        """As the protocol says."""
        context, settings = self._context, self._settings
        words = words[: words.find("\n") + 1 or None]  # without the blank lines before the next one
        try:
            document = parse_json(words, file=context.file, max_depth=settings.max_depth, line=line)
        except Rejected as error:
            if error.code == "too-large":
                raise
            self._first = self._first or error
            return [DecodedOrder(None, error.findings, line=line, fragment=words.encode())], []
        self._sound = True
        return document_orders(JsonFile(document), settings, context)

    def check(self) -> None:
        """Raises Rejected when no line was a document."""
        if self._first is not None and not self._sound:
            raise self._first


# --- a list in one document ----------------------------------------------------------------------------------------


def _elements(
    text: IO[bytes], keys: Sequence[str], settings: Any, context: FormatContext
) -> tuple[Units, Sequence[int]] | None:
    """Where the orders begin, and in which columns; None when there is no list of them."""
    units, columns = Units(text, context.file), array("L")
    with mapped(text) as data:
        scan = JsonScan(data, context.file, settings.max_depth, keys)
        scan.document(0)
        if not scan.found:
            return None
        starts = scan.starts()
        for start, (line, column) in zip(starts, places(data, starts), strict=True):
            units.add(start, line)
            columns.append(column)
        units.end = scan.end
    return units, columns


class _Elements:
    """Reads some elements of the list."""

    def __init__(self, columns: Sequence[int], name: str, settings: Any, context: FormatContext) -> None:
        self._columns, self._name = columns, name
        self._settings, self._context = settings, context

    def read(self, words: str, unit: int, line: int) -> Read:
        """As the protocol says."""
        context, settings = self._context, self._settings
        document = parse_json(
            "[" + words.rstrip(" \t\r\n").removesuffix(",") + "]",
            file=context.file,
            max_depth=settings.max_depth + 1,
            line=line,
            column=self._columns[unit] - 1,
        )
        records = JsonFile(document).elements(self._name, unit, settings.items)
        return orders_of(((record, ()) for record in records), settings, context, thorough=False)
