"""The second half of a large catalogue, selected, written and checked by a second process on another core.

The process is forked off the run before the source is opened, and opens it by itself. Both look at the same moment of
it: nothing was written there from before the run's moment until after the other's, or there is no second half. The run
writes its own half, reads back and checks what the other one has left, and appends it.

Nothing here is needed. Where the process dies, hangs, or finds anything at all to say of its half, where one half bears
on the other, or the run's own half has something wrong in it, the run goes on with the other half by itself: the file
and what is said of it are always those of one process.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import structlog

from pipeline.engine import second
from pipeline.engine.prices import PriceList, Span
from pipeline.engine.second import Lost, Second
from pipeline.errors import Finding, Held
from pipeline.ports import Batch, CatalogueChecker, Chunk, DividedCatalogue, DividedMoment
from pipeline.spool import Spool

log = structlog.get_logger("mistok.outbound")

#: Rows of the source; a smaller catalogue is written as quickly by one process.
LEAST = 10_000
#: Rows of one batch. The first half ends where a batch does, so that batches are the same as those of one process.
BATCH = 1000
#: Of 100 batches so many are the run's, so that both end together: it hashes what it writes, and appends the others.
OURS = 48
#: Seconds for a process that was forked off to find its feet, and the same moment of the source.
START = 15.0
_COPIED = 1 << 20


@dataclass
class Rest:
    """What the second process tells at its end: nothing was wrong with the second half."""

    rows: int = 0
    size: int = 0
    notes: list[Finding] = field(default_factory=list)
    prices: Span | None = None  #: of those that were handed on


class Writing(Protocol):
    """How the second half is written; what an Encoder has for it."""

    def rest_batches(self, moment: DividedMoment, after: str, prices: PriceList | None) -> Iterator[Batch]:
        """The batches after that code, as they go into the format."""
        ...

    def rest_chunks(self, batches: Iterator[Batch]) -> Iterator[Chunk]:
        """The format's pieces of them."""
        ...

    def rest_checker(self, seen: Path) -> CatalogueChecker:
        """The checker of them, which leaves what it has seen there."""
        ...

    def price_list(self, keep: Callable[[bytes], object]) -> PriceList | None:
        """A fresh one, where prices are looked at."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Files of the second half, in the run's temporary folder."""

    data: Path
    seen: Path

    @classmethod
    def of(cls, folder: Path) -> Places:
        """Those of a run."""
        return cls(folder / "catalogue.rest", folder / "catalogue.seen")

    def clear(self) -> None:
        """There is nothing of them any more."""
        for path in (self.data, self.seen, self.seen.with_name(self.seen.name + "-journal")):
            path.unlink(missing_ok=True)


class Half:
    """The second process, as the run sees it: it has the rows from ``place`` on, or there is none."""

    def __init__(self, process: Second, places: Places) -> None:
        self._process = process
        self.places = places
        self.place = 0
        self.rows = 0  #: written by it so far
        self.written = 0  #: bytes of them, all in the file
        self.packed = Spool()  #: their prices, in pieces; all of them at its end
        self._rest: Rest | None = None
        self._over = False

    def begin(self, moment: DividedMoment, count: int) -> bool:
        """Have it write the second half of ``count`` rows, of this very moment. False: there is no second half."""
        place = count * OURS // (100 * BATCH) * BATCH
        if not place:
            return False
        try:
            self._process.tell("look")
            self._process.answer(START)
            if not moment.still():
                log.info("catalogue_written_by_one", why="somebody writes into the source")
                return False
            self._process.tell(moment.code_at(place - 1))
        except Lost:
            log.warning("second_process_lost", rows=count - place)
            return False
        self.place = place
        return True

    def look(self) -> None:
        """Hear how far it is, without waiting."""
        while not self._over and self._process.has_answered():
            self._hear()

    def follow(self, each: Callable[[], None]) -> Rest | None:
        """Wait for its end; ``each`` is called whenever it may have written more. None: this half is to be written
        by the run, because there is something to say of it, or the process is gone."""
        each()
        while not self._over:
            self._hear()
            each()
        return self._rest

    def _hear(self) -> None:
        try:
            said = pickle.loads(self._process.answer())  # noqa: S301 - of our own
        except Lost:
            log.warning("second_process_lost", rows=self.rows)
            self._over = True
            return
        if isinstance(said, bytes):
            self.packed.add(said)
        elif isinstance(said, tuple):
            self.rows, self.written = said
        else:
            self._rest, self._over = said, True


@contextmanager
def half(catalogue: DividedCatalogue, writing: Writing, folder: Path) -> Iterator[Half | None]:
    """Fork it off; None where it cannot be. It and its files are gone at the end, whatever happens."""
    places = Places.of(folder)
    process = second.fork(lambda pipe: _serve(pipe, catalogue, writing, places)) if catalogue.let_go() else None
    if process is None:
        yield None
        return
    try:
        yield Half(process, places)
    finally:
        process.close()
        places.clear()


def _serve(pipe: Any, catalogue: DividedCatalogue, writing: Writing, places: Places) -> None:
    """In the second process."""
    pipe.recv()
    with catalogue.moment() as moment:
        pipe.send("here")
        after = pipe.recv()
        pipe.send(_write(pipe, moment, after, writing, places))
    # it is ended by the run; a connection that was closed in order would make SQLite tidy up
    pipe.recv()


def _write(pipe: Any, moment: DividedMoment, after: str, writing: Writing, places: Places) -> Rest | None:
    """Write it; None as soon as anything is wrong with it."""
    rest = Rest()
    prices = writing.price_list(pipe.send)
    checker = writing.rest_checker(places.seen)
    try:
        with places.data.open("wb", buffering=0) as file:
            for chunk in writing.rest_chunks(writing.rest_batches(moment, after, prices)):
                if file.write(chunk.data) != len(chunk.data):
                    return None  # the disk is full: the run sees it, too
                rest.size += len(chunk.data)
                rest.rows += len(chunk.codes)
                rest.notes += chunk.notes
                if prices is not None:
                    prices.add(chunk.codes)
                if checker.feed(chunk):
                    return None
                pipe.send((rest.rows, rest.size))
    except (Held, OSError):
        return None
    if checker.close():
        return None
    rest.prices = prices.finish() if prices is not None else None
    return rest


class Output:
    """The run's own file: written, hashed and counted; what was appended last can be taken back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self._kept = (self._digest, 0)

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Of all of it."""
        return self._digest.hexdigest()

    @property
    def since_kept(self) -> int:
        """Bytes that may be taken back."""
        return self.size - self._kept[1]

    def keep(self) -> None:
        """What follows may be taken back."""
        self._kept = (self._digest.copy(), self.size)

    def take_back(self) -> None:
        """What was written since :meth:`keep`."""
        self._digest, self.size = self._kept
        self._file.seek(self.size)
        self._file.truncate()

    def append(self, path: Path, end: int) -> None:
        """The bytes of the file at ``path`` up to ``end`` that were not appended since :meth:`keep` yet."""
        if end <= self.since_kept:
            return
        with path.open("rb") as file:
            file.seek(self.since_kept)
            while (missing := end - self.since_kept) > 0:
                data = file.read(min(_COPIED, missing))
                if not data:
                    return
                self.write(data)
