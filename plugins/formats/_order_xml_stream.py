"""A large order file, piece by piece: what it gives is what reading it as a whole would give."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.api import (
    MAX_ERRORS,
    Decoded,
    DecodedOrder,
    Finding,
    FormatContext,
    OrderStream,
    Piece,
    Rejected,
    Repetitions,
    Schema,
    SchemaError,
    XmlPieces,
)
from plugins.formats._order_xml import clean
from plugins.formats._order_xml_files import NAMESPACE, orders_of, read_orders, rooted, schema_of, sorted_out


def open_stream(path: Path, settings: Any, context: FormatContext, scratch: Path) -> OrderStream | None:
    """The file's orders, after it was looked through; None where its schema looks at more than one order at once.

    Raises Rejected as ``decode`` does.
    """
    schema = schema_of(settings, context)
    if not schema.one_by_one("orders", "order"):
        return None
    pieces = XmlPieces(
        path,
        file=context.file,
        scratch=scratch,
        default_encoding=settings.encoding,
        max_depth=settings.max_depth,
    )
    try:
        return _Stream(pieces, schema, settings, context)
    except BaseException:
        pieces.close()
        raise


class _Stream:
    """A file that was accepted."""

    version = NAMESPACE

    def __init__(self, pieces: XmlPieces, schema: Schema, settings: Any, context: FormatContext) -> None:
        self._pieces, self._schema = pieces, schema
        self._settings, self._context = settings, context
        self._children = pieces.called("order")
        self.lines: Sequence[int] = array("L", map(pieces.line, self._children))
        self.notes: tuple[Finding, ...] = pieces.notes
        self._faulty: set[int] = set()  #: the first children of pieces that have a mistake
        names = Repetitions()
        errors: list[SchemaError] = []
        found = 0
        outside = False
        for first, end in pieces.cuts("order"):
            document, piece = self._parse(first, end)
            orders = orders_of(document)
            wrong = self._wrong(document, piece, loose=any(_is_loose(error) for error in errors))
            if wrong:
                errors += wrong
                outside = outside or bool(sorted_out(wrong, orders)[1])
                self._faulty.add(first)
                if len(errors) >= MAX_ERRORS:
                    break
            for order in orders:
                names.add(*self._name(order))
                found += 1
        if outside or len(errors) >= MAX_ERRORS:
            errors = sorted(errors, key=lambda error: (error.line, error.column))[:MAX_ERRORS]
            raise Rejected(findings=tuple(error.finding(context.file) for error in errors))
        self.repeated: Sequence[Sequence[int]] = names.groups()

    def batches(self, size: int) -> Iterator[Decoded]:
        """As the port says."""
        for first, end in self._pieces.cuts("order"):
            orders, notes = self._read(first, end, sound=first not in self._faulty)
            for start in range(0, len(orders), size):
                yield Decoded(tuple(orders[start : start + size]), () if start else tuple(notes), NAMESPACE)

    def pick(self, places: Sequence[int]) -> Sequence[DecodedOrder]:
        """As the port says."""
        children = [self._children[place] for place in places]
        return [self._read(child, child + 1, sound=False)[0][0] for child in children]

    def close(self) -> None:
        """As the port says."""
        self._pieces.close()

    def _parse(self, first: int, end: int) -> tuple[Any, Piece]:
        piece = self._pieces.piece(first, end)
        document = piece.parse()
        remarks = rooted(document, self._schema, self._context.file)
        if not first and end:
            self.notes = (*self._pieces.notes, *remarks)
        return document, piece

    def _read(self, first: int, end: int, *, sound: bool) -> tuple[list[DecodedOrder], list[Finding]]:
        document, piece = self._parse(first, end)
        orders = orders_of(document)
        wrong = [] if sound else self._wrong(document, piece)
        return read_orders(document, orders, sorted_out(wrong, orders)[0], self._settings, self._context, piece)

    def _wrong(self, document: Any, piece: Piece, *, loose: bool = False) -> list[SchemaError]:
        """What breaks the schema, at its places in the file; ``loose``: it was told that the root has loose text."""
        wrong = []
        for error in self._schema.check(document):
            if error.element is document.root and piece.first and (loose or error.rule != "text"):
                continue  # the root's own tag is the same in each piece
            line, column = piece.place(error.line, error.column)
            wrong.append(replace(error, line=line, column=column, path=piece.path(error.path)))
        return wrong

    def _name(self, order: Any) -> tuple[str, str]:
        """Source and id, as the reader has them."""
        texts: dict[str, str] = {}
        for child in order:
            name = str(child.tag).rpartition("}")[2]
            if name in ("id", "source") and name not in texts:
                texts[name] = clean(child.text or "")
        return texts.get("source", "") or self._settings.source or self._context.source, texts.get("id", "")


def _is_loose(error: SchemaError) -> bool:
    return error.rule == "text" and "/" not in error.path
