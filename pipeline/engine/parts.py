"""A large file, part by part: which of its orders are carried together. It reads, and changes nothing.

Orders of one name in one file are no business of the batches that they happen to fall into: one that stands twice with
other content is carried together with its first appearance, so that neither is booked; one that stands twice alike is
marked as told already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine import planning
from pipeline.engine.planning import Work
from pipeline.errors import Finding, Rejected, Where
from pipeline.ports import FormatContext, OrderFormat, OrderStream, StreamedFormat
from pipeline.settings import Settings
from pipeline.texts import T

MOST_TWINS = 1000  #: orders that stand there with other content as well; more are no slip
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Part:
    """Works of a file that are carried together. ``again``: the places of those that stand before with this content;
    ``done``: how many orders of the file come before the end of this part."""

    works: list[Work]
    again: frozenset[int]
    notes: tuple[Finding, ...]
    done: int


def opened(
    order_format: OrderFormat, path: Path, least: int, settings: Settings, context: FormatContext, scratch: Path
) -> OrderStream | None:
    """The file as a stream; None when it has less than ``least`` bytes, or cannot be read so. Raises what the format
    raises."""
    if not isinstance(order_format, StreamedFormat) or path.stat().st_size < least:
        return None
    return order_format.decode_stream(path, settings, context, scratch)


class Parts:
    """The orders of a stream as works, in parts of at most ``size`` orders (and the twins of these)."""

    def __init__(self, stream: OrderStream, file: Mapping[str, Any], client: str, size: int) -> None:
        """``file``: its ledger row, or what stands for one. Raises Rejected when too many orders stand there twice."""
        self._stream, self._file, self._client, self._size = stream, file, client, size
        self._twins: dict[int, list[int]] = {}  # the first appearance -> the later ones with other content
        self._pulled: set[int] = set()
        self._again: set[int] = set()
        for places in stream.repeated:
            self._compare(places)

    def __len__(self) -> int:
        """How many orders there are."""
        return len(self._stream.lines)

    def __iter__(self) -> Iterator[Part]:
        """All of them, in their order."""
        place = 0
        for batch in self._stream.batches(self._size):
            works: list[Work] = []
            for decoded in batch.orders:
                if place not in self._pulled:
                    works.append(self._work(place, decoded))
                if place in self._twins:
                    works += self._picked(self._twins[place])
                place += 1
            again = frozenset(work.index for work in works if work.index in self._again)
            yield Part(works, again, batch.notes, place)

    def at_lines(self, lines: set[int]) -> Iterator[Work]:
        """The orders that begin at these lines and stand there once, or alike."""
        found = [place for place, line in enumerate(self._stream.lines) if line in lines]
        found = [place for place in found if place not in self._pulled and place not in self._twins]
        for start in range(0, len(found), _AT_ONCE):
            yield from self._picked(found[start : start + _AT_ONCE])

    def _compare(self, places: Any) -> None:
        first: dict[str, tuple[int, str]] = {}
        for start in range(0, len(places), _AT_ONCE):
            for work in self._picked(places[start : start + _AT_ONCE]):
                known, revision = first.setdefault(work.key, (work.index, work.revision))
                if known == work.index:
                    continue
                if revision == work.revision:
                    self._again.add(work.index)
                    continue
                self._pulled.add(work.index)
                self._twins.setdefault(known, []).append(work.index)
                if len(self._pulled) > MOST_TWINS:
                    raise self._too_many(work)

    def _picked(self, places: Any) -> list[Work]:
        return [self._work(place, one) for place, one in zip(places, self._stream.pick(places), strict=True)]

    def _work(self, place: int, decoded: Any) -> Work:
        return planning.make_work(self._file, place, decoded, self._client)

    def _too_many(self, work: Work) -> Rejected:
        name = str(self._file["name"])
        return Rejected(
            T("More than {n} orders stand twice in {file} with different content.", n=MOST_TWINS, file=name),
            code="twin-order",
            where=Where(name, work.decoded.line, order=work.number),
            hint=T("Send a file in which each order stands once."),
        )
