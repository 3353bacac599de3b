"""The prices of a published catalogue, kept to be compared with the next: a comma that slips gives goods away.

They are packed as they stream by (code, price, special price), and kept in the ledger with the publication, so that a
catalogue of a million products needs no table of its own and no file of the last one. Nobody holds more than pieces of
them, neither here nor on their way into the ledger and out of it.
"""

from __future__ import annotations

import base64
import operator
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import islice, zip_longest

from pipeline.errors import Finding, Where, Who
from pipeline.ports import texts_of
from pipeline.texts import TN, T

_PIECE = 1 << 18  #: bytes of rows that are looked at together
KEPT = 3 << 16  #: bytes of a packed list that are kept together
_SORTED, _UNSORTED = "sorted:", "rows:"  #: how a packed list that is one text begins
SHOWN = 5  #: prices that are told one by one
#: What separates the fields and rows of the packed form; codes and numbers hold neither.
_FIELD, _ROW = "\x1f", "\x1e"
_ROW_END = _ROW.encode()


class _Prices:
    """The prices of one batch; rows are made of them when they are asked for."""

    def __init__(
        self, codes: Sequence[str], prices: Sequence[Decimal | None], specials: Sequence[Decimal | None] | None
    ) -> None:
        self.codes, self._prices, self._specials = codes, prices, specials

    def rows(self) -> Iterator[str]:
        """A row for each product, without its end."""
        specials = _texts(self._specials) if self._specials is not None else [""] * len(self.codes)
        return map(_FIELD.join, zip(map(str, self.codes), _texts(self._prices), specials, strict=True))

    @cached_property
    def by_code(self) -> dict[str, str]:
        """The rows by their codes."""
        return dict(zip(self.codes, self.rows(), strict=True))


def _texts(column: Sequence[Decimal | None]) -> Sequence[str]:
    texts = texts_of(column)
    return ["" if value is None else str(value) for value in column] if texts is None else texts


@dataclass
class PriceList:
    """The prices of one catalogue, or of a part of it, in order of its rows: packed, and handed on in pieces."""

    keep: Callable[[bytes], object]
    """Is given each piece."""

    _packer: zlib._Compress = field(default_factory=lambda: zlib.compressobj(6))

    _sorted: bool = True
    _first: str = ""
    _last: str = ""
    _seen: tuple[_Prices, _Prices] = field(default_factory=lambda: (_Prices((), (), ()), _Prices((), (), ())))

    def see(
        self, codes: Sequence[str], prices: Sequence[Decimal | None], specials: Sequence[Decimal | None] | None
    ) -> None:
        """The next products of the source. The format may write some of them one batch later, or not at all."""
        self._seen = (self._seen[1], _Prices(codes, prices, specials))

    def add(self, codes: Sequence[str]) -> None:
        """The next rows of the file, by their codes."""
        before, now = self._seen
        if self._sorted and codes:
            self._sorted = self._last < codes[0] and all(map(operator.lt, codes, islice(codes, 1, None)))
            self._first, self._last = self._first or codes[0], codes[-1]
        if list(codes) == list(now.codes):
            rows = [*now.rows(), ""]
        else:
            found = (now.by_code.get(code) or before.by_code.get(code) for code in codes)
            rows = [*(row for row in found if row is not None), ""]
        self._hand_on(self._packer.compress(_ROW.join(rows).encode()))

    def finish(self) -> Span:
        """Nothing follows: the last piece is handed on."""
        self._hand_on(self._packer.flush())
        return Span(self._sorted, self._first, self._last)

    def _hand_on(self, piece: bytes) -> None:
        if piece:
            self.keep(piece)


@dataclass(frozen=True, slots=True)
class Span:
    """What codes a list has: whether in order, the first, and the last."""

    sorted: bool
    first: str
    last: str

    def followed_by(self, rest: Span) -> Span:
        """Those of both."""
        if not rest.first or not self.first:
            return rest if not self.first else self
        return Span(self.sorted and rest.sorted and self.last < rest.first, self.first, rest.last)


@dataclass(frozen=True, slots=True)
class Packed:
    """The packed prices of a catalogue: pieces of one zlib stream after the other."""

    pieces: Iterable[bytes]
    sorted: bool
    """Whether the codes are in order."""

    @classmethod
    def of_text(cls, text: str) -> Packed:
        """Those that were one text in the ledger."""
        mark, colon, data = text.partition(":")
        # a list without a mark is of an older Mistok; no sign of its alphabet is a colon
        return cls((base64.b64decode(data) if colon else base64.b85decode(mark),), text.startswith(_SORTED))

    @property
    def mark(self) -> str:
        """How they begin, where they are one text."""
        return _SORTED if self.sorted else _UNSORTED

    def texts(self) -> Iterator[str]:
        """As the ledger keeps them, each at most 4/3 of KEPT long."""
        waiting = bytearray()
        for piece in self.pieces:
            waiting += piece
            while len(waiting) > KEPT:
                yield base64.b64encode(waiting[:KEPT]).decode("ascii")
                del waiting[:KEPT]
        if waiting:
            yield base64.b64encode(waiting).decode("ascii")


@dataclass(frozen=True, slots=True)
class Jump:
    """A price that would change too much. ``after`` is None where it would vanish."""

    code: str
    before: Decimal
    after: Decimal | None
    special: bool

    def finding(self, file: str) -> Finding:
        """In words."""
        code, before, after = self.code, self.before, self.after
        if after is None:
            text = T("{code}: no price instead of {before}.", code=code, before=before)
        elif self.special:
            text = T("{code}: special price {after} instead of {before}.", code=code, before=before, after=after)
        else:
            text = T("{code}: price {after} instead of {before}.", code=code, before=before, after=after)
        return Finding("price", text, Where(file=file), None, Who.ACCOUNTANT)


def unpack(packed: Packed) -> Iterator[tuple[str, str, str]]:
    """(code, price, special price) of each row, as they were written; empty where there is none."""
    for block in _blocks(packed):
        for row in _rows(block):
            yield _fields(row)


def _blocks(packed: Packed) -> Iterator[bytes]:
    """Some thousands of rows at a time."""
    unpacker, rest = zlib.decompressobj(), b""
    for piece in packed.pieces:
        data = piece
        while data:
            block = rest + unpacker.decompress(data, _PIECE)
            data = unpacker.unconsumed_tail
            if unpacker.eof:  # the list of a catalogue that was written in two parts is two, one after the other
                data, unpacker = unpacker.unused_data, zlib.decompressobj()
            end = block.rfind(_ROW_END) + 1
            rest = block[end:]
            if end:
                yield block[:end]


def _rows(block: bytes) -> list[str]:
    return block.decode().split(_ROW)[:-1]


def _block(rows: list[str]) -> bytes:
    return (_ROW.join(rows) + _ROW).encode() if rows else b""


def _fields(row: str) -> tuple[str, str, str]:
    code, price, special = row.split(_FIELD)
    return code, price, special


def _changed(before: Packed, after: Packed) -> Iterator[tuple[str, str]]:
    """The rows of products that are in both lists and not the same.

    Lists that are in order of codes are merged, and nothing is kept of them. Of others, what is not at the same place
    waits for its partner. What is the same at the same place is not even taken apart.
    """
    merged = before.sorted and after.sorted
    waiting: tuple[dict[str, str], dict[str, str]] = ({}, {})
    sides = _blocks(before), _blocks(after)
    blocks = [b"", b""]
    while True:
        for side in (0, 1):
            if not blocks[side]:
                blocks[side] = next(sides[side], b"")
        old, new = blocks
        common = min(len(old), len(new))  # where the shorter one ends, a row ends
        if common and old[:common] == new[:common]:
            blocks = [old[common:], new[common:]]
            continue
        rows = _rows(old), _rows(new)
        if merged:
            if not common:
                return
            taken = yield from _merge(*rows)
        else:
            if not (old or new):
                return
            taken = yield from _meet(*rows, waiting)
        blocks = [_block(rows[0][taken[0] :]), _block(rows[1][taken[1] :])]


def _merge(old: list[str], new: list[str]) -> Generator[tuple[str, str], None, tuple[int, int]]:
    """Both in order, until one of them is over; gives how many rows of each are done with."""
    one = two = 0
    while one < len(old) and two < len(new):
        was, now = old[one], new[two]
        if was == now:
            one, two = one + 1, two + 1
            continue
        code, other = was.partition(_FIELD)[0], now.partition(_FIELD)[0]
        if code == other:
            yield was, now
        one, two = one + (code <= other), two + (other <= code)
    return one, two


def _meet(
    old: list[str], new: list[str], waiting: tuple[dict[str, str], dict[str, str]]
) -> Generator[tuple[str, str], None, tuple[int, int]]:
    """In no order: whose partner has not come yet waits."""
    was_waiting, now_waiting = waiting
    for was, now in zip_longest(old, new):
        if was == now:
            continue
        if was is not None:
            code = was.partition(_FIELD)[0]
            partner = now_waiting.pop(code, None)
            if partner is None:
                was_waiting[code] = was
            elif partner != was:
                yield was, partner
        if now is not None:
            code = now.partition(_FIELD)[0]
            partner = was_waiting.pop(code, None)
            if partner is None:
                now_waiting[code] = now
            elif partner != now:
                yield partner, now
    return len(old), len(new)


def jumps(before: Packed, after: Packed, times: Decimal) -> Iterator[Jump]:
    """The prices of ``after`` that became more than ``times`` higher or lower than in ``before``, 0, or none at all.

    A special price that ends or begins is no jump; a product that is new or gone is none either.
    """
    for was_row, now_row in _changed(before, after):
        code, *old = _fields(was_row)
        _, *now = _fields(now_row)
        for place, (was, will) in enumerate(zip(old, now, strict=True)):
            special = place == 1
            if was == will or not was or (special and not will):
                continue
            first, second = Decimal(was), Decimal(will) if will else None
            if first > 0 and (second is None or second <= 0 or second > first * times or second * times < first):
                yield Jump(code, first, second, special)


def brake(before: Packed, after: Packed, times: Decimal, file: str) -> tuple[Finding, ...]:
    """What is said of prices that changed too much: how many, and the first of them; nothing when all is well."""
    number, found = 0, []
    for jump in jumps(before, after, times):
        number += 1
        if number <= SHOWN:
            found.append(jump)
    if not found:
        return ()
    text = T(
        "{file} would change {prices} to 0, to nothing, or by more than {times} times. {first}",
        file=file,
        prices=TN("{n} price", "{n} prices", number),
        times=times,
        first=found[0].finding(file).text,
    )
    return (
        Finding("brake", text, Where(file=file), None, Who.ACCOUNTANT),
        *(jump.finding(file) for jump in found),
    )
