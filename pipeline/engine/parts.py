"""A large file, part by part: which of its orders are carried together. It reads, and changes nothing.

Orders of one name in one file are no business of the batches that they happen to fall into: one that stands twice with
other content is carried together with its first appearance, so that neither is booked; one that stands twice alike is
marked as told already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine import planning
from pipeline.engine.context import RunContext
from pipeline.engine.planning import Work
from pipeline.errors import Finding, Rejected, Where
from pipeline.ports import DecodedOrder, FormatContext, OrderFormat, OrderStream, StreamedFormat
from pipeline.settings import Settings
from pipeline.texts import T

MOST_TWINS = 1000  #: orders that stand there with other content as well; more are no slip
MOST_OPEN = 4  #: files that are read at places in one run
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


def orders(
    order_format: OrderFormat, path: Path, least: int, settings: Settings, context: FormatContext, scratch: Path
) -> Iterator[DecodedOrder]:
    """The orders of a file one by one, of a large one a few at a time in memory. Raises what the format raises."""
    stream = opened(order_format, path, least, settings, context, scratch)
    if stream is None:
        yield from order_format.decode(path.read_bytes(), settings, context).orders
        return
    with closing(stream):
        for batch in stream.batches(_AT_ONCE):
            yield from batch.orders


def archived(
    ctx: RunContext,
    order_format: OrderFormat,
    least: int,
    settings: Settings,
    context: FormatContext,
    file: Mapping[str, Any],
) -> Parts | None:
    """The archived file of a ledger row, to be read at places; it stays open until the run ends. None: as a whole.

    Raises MistokError when there is no sound copy of it, and what the format raises.
    """
    path = ctx.archive.object_of(file["sha256"])
    if not isinstance(order_format, StreamedFormat) or not path.is_file() or path.stat().st_size < least:
        return None
    known = (str(file["sha256"]), id(settings), context.source)
    if known not in ctx.streams:
        path = ctx.archive.sound(file["sha256"])
        stream = order_format.decode_stream(path, settings, context, ctx.temp)
        if stream is None:
            return None
        while len(ctx.streams) >= MOST_OPEN:
            ctx.streams.pop(next(iter(ctx.streams))).close()
        ctx.streams[known] = stream
    return Parts(ctx.streams[known], file, ctx.client, _AT_ONCE)


class Parts:
    """The orders of a stream as works, in parts of at most ``size`` orders (and the twins of these)."""

    def __init__(self, stream: OrderStream, file: Mapping[str, Any], client: str, size: int) -> None:
        """``file``: its ledger row, or what stands for one."""
        self._stream, self._file, self._client, self._size = stream, file, client, size
        self._twins: dict[int, list[int]] = {}  # the first appearance -> the later ones with other content
        self._pulled: set[int] = set()
        self._again: set[int] = set()
        self._compared = False

    @property
    def name(self) -> str:
        """Of the file."""
        return str(self._file["name"])

    def __len__(self) -> int:
        """How many orders there are."""
        return len(self._stream.lines)

    def __iter__(self) -> Iterator[Part]:
        """All of them, in their order."""
        self.compare()
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

    def at_lines(self, lines: Collection[int | None], *, twins: bool = False) -> Iterator[Work]:
        """The orders that begin at these lines; ``twins``: also those that stand there with other content as well."""
        found = [place for place, line in enumerate(self._stream.lines) if line in lines]
        if not twins:
            self.compare()
            found = [place for place in found if place not in self._pulled and place not in self._twins]
        for start in range(0, len(found), _AT_ONCE):
            yield from self._picked(found[start : start + _AT_ONCE])

    def compare(self) -> None:
        """Look at the orders that stand there more than once. Raises Rejected when too many of them differ."""
        if not self._compared:
            for places in self._stream.repeated:
                self._compare(places)
            self._compared = True

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
        return Rejected(
            T("More than {n} orders stand twice in {file} with different content.", n=MOST_TWINS, file=self.name),
            code="twin-order",
            where=Where(self.name, work.decoded.line, order=work.number),
            hint=T("Send a file in which each order stands once."),
        )
