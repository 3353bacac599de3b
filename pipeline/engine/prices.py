"""The prices of a published catalogue, kept to be compared with the next: a comma that slips gives goods away.

They are packed as they stream by (code, price, special price), and kept in the ledger with the publication, so that a
catalogue of a million products needs no table of its own and no file of the last one.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.errors import Finding, Where, Who
from pipeline.texts import TN, T

SHOWN = 5  #: prices that are told one by one
#: What separates the fields and rows of the packed form; codes and numbers hold neither.
_FIELD, _ROW = "\x1f", "\x1e"


@dataclass
class PriceList:
    """The prices of one catalogue, in order of its rows; ``finish`` gives them packed, as text for the ledger."""

    _packer: zlib._Compress = field(default_factory=lambda: zlib.compressobj(6))
    _parts: list[bytes] = field(default_factory=list)

    _seen: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def see(
        self, codes: Sequence[str], prices: Sequence[Decimal | None], specials: Sequence[Decimal | None] | None
    ) -> None:
        """The next products of the source. The format may write some of them one batch later, or not at all."""
        empty: Sequence[Decimal | None] = specials if specials is not None else [None] * len(codes)
        batch = {
            code: f"{code}{_FIELD}{'' if price is None else price}{_FIELD}{'' if special is None else special}{_ROW}"
            for code, price, special in zip(codes, prices, empty, strict=True)
        }
        self._seen = (self._seen[1], batch)

    def add(self, codes: Sequence[str]) -> None:
        """The next rows of the file, by their codes."""
        before, now = self._seen
        rows = (now.get(code) or before.get(code, "") for code in codes)
        self._parts.append(self._packer.compress("".join(rows).encode()))

    def finish(self) -> str:
        """All of them, packed; nothing can be added any more."""
        self._parts.append(self._packer.flush())
        return base64.b85encode(b"".join(self._parts)).decode("ascii")


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


def unpack(packed: str) -> Iterator[tuple[str, str, str]]:
    """(code, price, special price) of each row, as they were written; empty where there is none."""
    rows = zlib.decompress(base64.b85decode(packed)).decode().split(_ROW)
    for row in rows[:-1]:
        code, price, special = row.split(_FIELD)
        yield code, price, special


def jumps(before: str, after: str, times: Decimal) -> Iterator[Jump]:
    """The prices of ``after`` that became more than ``times`` higher or lower than in ``before``, 0, or none at all.

    Both are packed lists. A special price that ends or begins is no jump; a product that is new or gone is none either.
    """
    known = {code: (price, special) for code, price, special in unpack(before)}
    for code, *now in unpack(after):
        old = known.get(code)
        if old is None or old == tuple(now):
            continue
        for place, (was, will) in enumerate(zip(old, now, strict=True)):
            special = place == 1
            if was == will or not was or (special and not will):
                continue
            first, second = Decimal(was), Decimal(will) if will else None
            if first > 0 and (second is None or second <= 0 or second > first * times or second * times < first):
                yield Jump(code, first, second, special)


def brake(before: str, after: str, times: Decimal, file: str) -> tuple[Finding, ...]:
    """What is said of prices that changed too much: how many, and the first of them; nothing when all is well."""
    found = list(jumps(before, after, times))
    if not found:
        return ()
    text = T(
        "{file} would change {prices} to 0, to nothing, or by more than {times} times. {first}",
        file=file,
        prices=TN("{n} price", "{n} prices", len(found)),
        times=times,
        first=found[0].finding(file).text,
    )
    return (
        Finding("brake", text, Where(file=file), None, Who.ACCOUNTANT),
        *(jump.finding(file) for jump in found[:SHOWN]),
    )
