"""Records on their way between two processes of ours: pickled as the bare values of their fields.

What ``dataclass`` gives frozen records with slots for pickling walks through their fields one by one, on both sides,
and takes twice as long.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from pipeline.archive.store import ArchiveCopy, ArchiveItem
from pipeline.decoded import Decoded, DecodedOrder
from pipeline.model import Address, Delivery, Discount, Order, OrderLine, Party, Payment

#: What is passed on in great numbers; everything else goes as ever.
_RECORDS: tuple[type, ...] = (
    *(ArchiveCopy, ArchiveItem, Decoded, DecodedOrder),
    *(Address, Delivery, Discount, Order, OrderLine, Party, Payment),
)
_SETTERS: dict[type, tuple[Callable[[Any, Any], None], ...]] = {
    record: tuple(getattr(record, one.name).__set__ for one in fields(record)) for record in _RECORDS
}


def dumps(words: object) -> bytes:
    """For :func:`pickle.loads`. Raises whatever pickling raises."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    pickler.dump(words)
    return buffer.getvalue()


def _made(record: type, *values: Any) -> Any:
    """A record of these values, which were those of one."""
    made: Any = object.__new__(record)
    for put, value in zip(_SETTERS[record], values, strict=True):
        put(made, value)
    return made


def _reducer(record: type) -> Callable[[Any], tuple[Any, ...]]:
    values = attrgetter(*(one.name for one in fields(record)))
    return lambda one: (_made, (record, *values(one)))


_TABLE = {**copyreg.dispatch_table, **{record: _reducer(record) for record in _RECORDS}}
