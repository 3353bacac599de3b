"""What the readers of XML, CSV and JSON have in common: records with their items -> decoded orders; a file as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipeline.api import DecodedOrder, Finding, FormatContext, Rejected, T, Text, Where, read_text
from plugins.formats._declared.assemble import Assembler
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.record import Record
from plugins.formats._declared.settings import DeclaredSettings, WaysSettings
from plugins.formats._declared.take import ways_of

MAX_SIZE = 50_000_000  #: bytes, as the XML parser has it
ENCODING = T("Save the file in UTF-8, or name its encoding in the mapping: `encoding: windows-1251`.")


class OrderRecord(Record, Protocol):
    """An order that knows its items."""

    def items(self) -> Sequence[Record]:
        """The order's items. Raises Wrong."""
        ...


def orders_of(
    records: Iterable[tuple[OrderRecord, Sequence[Finding]]],
    settings: DeclaredSettings,
    context: FormatContext,
    *,
    thorough: bool,
) -> tuple[list[DecodedOrder], list[Finding]]:
    """Each record as an order or held, with remarks. ``thorough``: look at every path, for what stays unread."""
    ways = ways_of(settings, context)
    orders, notes = [], []
    for record, findings in records:
        broken = list(findings)
        items: Sequence[Record] = ()
        try:
            items = record.items()
        except Wrong as wrong:
            element, line, column = record.place()
            where = Where(context.file, line or None, column or None, element or None)
            broken.append(Finding("value", T("{what}.", what=wrong.text), where, wrong.hint))
        assembler = Assembler(record, items, settings, context, ways, broken, thorough=thorough)
        orders.append(assembler.decoded())
        notes += assembler.notes
    return orders, notes


def text_of(data: bytes, settings: WaysSettings, file: str) -> tuple[str, tuple[Finding, ...]]:
    """A file as text, by its byte order mark, else by what is declared, else UTF-8; and remarks. Raises Rejected."""
    if len(data) > MAX_SIZE:
        raise Rejected(
            T("The file has {size} bytes; at most {limit} are read.", size=len(data), limit=MAX_SIZE),
            code="too-large",
            where=Where(file),
            hint=T("Send fewer orders in one file."),
        )
    if not data.strip(b" \t\r\n\0"):
        raise empty(file)
    text, _encoding, notes = read_text(data, file=file, default_encoding=settings.encoding, hint=ENCODING)
    return text, notes


def empty(file: str) -> Rejected:
    """What is said of a file that has nothing in it."""
    return Rejected(
        T("The file is empty."),
        code="truncated",
        where=Where(file, 1, 1),
        hint=T("Write the file under a temporary name and rename it when it is whole."),
    )


def no_orders(path: str, where: Where, hint: Text) -> Rejected:
    """What is said of a file in which the path of the orders leads nowhere."""
    return Rejected(T("There is no order at `{path}`.", path=path), code="no-orders", where=where, hint=hint)
