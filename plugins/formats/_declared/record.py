"""How a mapping looks into a file, whatever it is written in: records with values at paths, each at its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.api import Unread

_SAMPLE = 60  #: characters of a value that a report shows


@dataclass(frozen=True, slots=True)
class Value:
    """One value as the file has it. ``at`` is where it stands, for :meth:`Record.place`."""

    text: str
    at: Any = None
    number: bool = False  #: a number of the file's own (JSON), not a text that may be one


class Record(Protocol):
    """An order, an item, or another thing of a file that values are taken from."""

    def values(self, path: str) -> Sequence[Value]:
        """What stands at ``path``, in the order of the file; without what is empty. Raises Wrong."""
        ...

    def records(self, path: str) -> Sequence[Record]:
        """The things at ``path`` that have values of their own."""
        ...

    def place(self, at: Any = None) -> tuple[str, int, int]:
        """Element (or column), line and column of a value, or of the record itself."""
        ...

    def fragment(self) -> bytes:
        """The record's own bytes, without what does not change its meaning, for its content hash."""
        ...


@dataclass(slots=True)
class _Heap:
    count: int
    sample: str
    line: int | None


def _sample(value: str) -> str:
    """A value in one line that can be shown, whatever stands in the file."""
    words = "".join(letter if letter.isprintable() else "?" for letter in " ".join(value.split()))
    return words if len(words) <= _SAMPLE else words[: _SAMPLE - 1] + "…"


def summed(found: Iterable[tuple[str, str, int | None]]) -> tuple[Unread, ...]:
    """(path, value, line) of what was not read, put together by path, in the order of the file."""
    heaps: dict[str, _Heap] = {}
    for path, value, line in found:
        heap = heaps.get(path)
        if heap is not None:
            heap.count += 1
            continue
        heaps[path] = _Heap(1, _sample(value), line)
    return tuple(Unread(path, heap.count, heap.sample, heap.line) for path, heap in heaps.items())
