"""Prices of two publications, compared as they stream by: the same as by a table of all of them."""

from __future__ import annotations

import base64
import hashlib
import random
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import Spool, TextColumn
from pipeline.engine import prices
from pipeline.engine.context import RunContext
from pipeline.engine.prices import Jump, Packed, PriceList, Span, jumps, unpack
from pipeline.engine.published import PIECE, PRICES, Memory
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from plugins.steps.export_catalogue import ExportSettings
from tests.engine.outbound_world import StillClock

AMOUNTS = st.sampled_from([None, Decimal(0), Decimal("1.00"), Decimal("6.50"), Decimal("40.00")])
LISTS = st.dictionaries(st.text("abїЇ01", min_size=1, max_size=3), st.tuples(AMOUNTS, AMOUNTS), max_size=30)
Prices = Mapping[str, tuple[Decimal | None, Decimal | None]]


def part(listed: Prices, order: Sequence[str], size: int = 7) -> tuple[Spool, Span]:
    spool = Spool()
    made = PriceList(spool.add)
    for start in range(0, len(order), size):
        codes = order[start : start + size]
        made.see(codes, [listed[code][0] for code in codes], [listed[code][1] for code in codes])
        made.add(codes)
    return spool, made.finish()


def pack(listed: Prices, order: Sequence[str], size: int = 7) -> Packed:
    spool, span = part(listed, order, size)
    return Packed(spool, span.sorted)


def one_text(packed: Packed) -> str:
    (text,) = packed.texts()
    return packed.mark + text


def naive(before: Prices, after: Prices, times: int) -> set[Jump]:
    found = set()
    for code in before.keys() & after.keys():
        for special in (False, True):
            was, will = before[code][special], after[code][special]
            if not was or was == will or (special and will is None):
                continue
            if will is None or will <= 0 or will > was * times or will * times < was:
                found.add(Jump(code, was, will, special))
    return found


@given(LISTS, LISTS, st.booleans(), st.integers(10, 60))
def test_jumps_are_those_of_a_plain_table(before: Prices, after: Prices, ordered: bool, piece: int) -> None:
    shuffle = random.Random(7).sample
    lists = [pack(one, sorted(one) if ordered else shuffle(sorted(one), len(one))) for one in (before, after)]
    assert not ordered or all(one.sorted for one in lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prices, "_PIECE", piece)
        assert set(jumps(lists[0], lists[1], Decimal(5))) == naive(before, after, 5)


def test_a_list_of_an_older_mistok_is_still_read() -> None:
    packed = pack({"0042": (Decimal("5.00"), None), "А-1": (None, Decimal("1.5"))}, ["0042", "А-1"])
    assert one_text(packed).startswith("sorted:")
    assert Packed.of_text(one_text(packed)).sorted
    assert list(unpack(Packed.of_text(one_text(packed)))) == list(unpack(packed))
    older = Packed.of_text(base64.b85encode(base64.b64decode(one_text(packed).partition(":")[2])).decode())
    assert not older.sorted
    assert list(unpack(older)) == list(unpack(packed)) == [("0042", "5.00", ""), ("А-1", "", "1.5")]
    now = pack({"0042": (Decimal("50.00"), None)}, ["0042"])
    assert [jump.after for jump in jumps(older, now, Decimal(5))] == [Decimal("50.00")]


def test_columns_of_texts_and_rows_of_the_batch_before() -> None:
    spool = Spool()
    made = PriceList(spool.add)
    made.see(["a", "b"], TextColumn(["1.00", ""], lambda text: Decimal(text) if text else None), None)
    made.add(["a"])
    made.see(["c"], [Decimal("3.00")], [None])
    made.add(["b", "c"])
    assert list(unpack(Packed(spool, made.finish().sorted))) == [("a", "1.00", ""), ("b", "", ""), ("c", "3.00", "")]


@given(LISTS, LISTS)
def test_the_lists_of_two_parts_are_that_of_the_whole(one: Prices, two: Prices) -> None:
    listed = {**two, **one}
    first, rest = sorted(one), sorted(two.keys() - one.keys())
    whole = pack(listed, [*first, *rest])
    (ours, span), (theirs, follows) = part(listed, first), part(listed, rest)
    joined = Packed([*ours, *theirs], span.followed_by(follows).sorted)
    assert list(unpack(joined)) == list(unpack(whole))
    assert joined.sorted == whole.sorted
    assert {*jumps(pack(two, sorted(two)), joined, Decimal(5))} == {*jumps(pack(two, sorted(two)), whole, Decimal(5))}


# --- in the ledger -----------------------------------------------------------------------------------------------

OLD = {f"{n:04}": (Decimal(n % 7 + 1), None) for n in range(60)}
NEW = {**OLD, "0031": (Decimal(500), None)}


@pytest.fixture(params=["sqlite", "postgres"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    url = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_ledger")
    with closing(Ledger(url, client="acme", base=tmp_path, clock=StillClock())) as ledger:
        ctx = cast(RunContext, SimpleNamespace(ledger=ledger, client="acme"))
        yield Memory(ctx, ExportSettings.model_validate({"from": "books", "to": "site", "folder": "import"}))


def keep(memory: Memory, packed: Packed | None) -> None:
    with memory.ctx.ledger.begin() as conn:
        memory.set_prices(conn, packed)


def kinds(memory: Memory) -> list[str]:
    with memory.ctx.ledger.read() as conn:
        return list(conn.execute(sa.select(t.values.c.kind).order_by(t.values.c.kind)).scalars())


def rows(memory: Memory) -> Any:
    with memory.prices() as packed:
        return None if packed is None else (packed.sorted, list(unpack(packed)))


def test_long_lists_are_kept_in_pieces_and_short_ones_as_ever(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = pack(OLD, sorted(OLD)), pack(NEW, sorted(NEW, reverse=True))
    whole = one_text(old)
    assert rows(memory) is None
    keep(memory, None)
    assert kinds(memory) == [], "nothing was known, and nothing is"
    keep(memory, old)
    with memory.ctx.ledger.read() as conn:
        assert memory.ctx.ledger.get_value(conn, PRICES, memory.place) == {"packed": whole}
    with memory.ctx.ledger.begin() as conn:  # a neighbour's, whose name is another
        memory.ctx.ledger.set_value(conn, f"{PIECE}00001", "elsewhere", {"packed": "AAAA"})

    monkeypatch.setattr(prices, "KEPT", 10)
    keep(memory, new)
    number = len([*new.texts()])
    assert number > 10
    assert kinds(memory) == sorted([PRICES, *(f"{PIECE}{n:05}" for n in range(1, number + 1)), f"{PIECE}00001"])
    assert rows(memory) == (False, list(unpack(new)))
    with memory.prices() as before:
        assert before is not None
        assert [jump.code for jump in jumps(before, old, Decimal(5))] == ["0031"]

    monkeypatch.undo()
    keep(memory, old)
    assert kinds(memory) == [PRICES, f"{PIECE}00001"], "its own are gone"
    assert rows(memory) == (True, list(unpack(old)))
    keep(memory, None)
    assert rows(memory) is None


def test_what_an_older_mistok_wrote_meanwhile_is_what_counts(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "KEPT", 10)
    keep(memory, pack(NEW, sorted(NEW)))
    with memory.ctx.ledger.begin() as conn:
        old = pack(OLD, sorted(OLD))
        monkeypatch.undo()
        memory.ctx.ledger.set_value(conn, PRICES, memory.place, {"packed": one_text(old)})
    assert rows(memory) == (True, list(unpack(old)))


def test_memory_does_not_grow_with_the_products(tmp_path: Path) -> None:
    """Codes that hardly pack: from the batches into the ledger, out of it, and compared."""

    def run(count: int) -> None:
        with closing(Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=StillClock())) as ledger:
            memory = Memory(cast(RunContext, SimpleNamespace(ledger=ledger, client="acme")), SETTINGS)
            packed = made(count)
            keep(memory, packed)
            with memory.prices() as before:
                assert before is not None
                assert [*jumps(before, packed, Decimal(5))] == []

    def made(count: int) -> Packed:
        spool, price = Spool(), [Decimal(1)] * 1000
        list_ = PriceList(spool.add)
        for start in range(0, count, 1000):
            codes = [f"{n:07}{hashlib.sha256(str(n).encode()).hexdigest()}" for n in range(start, start + 1000)]
            list_.see(codes, price, None)
            list_.add(codes)
        return Packed(spool, list_.finish().sorted)

    run(1000)  # what is loaded once
    some, many = peak_of(lambda: run(20_000)), peak_of(lambda: run(80_000))
    assert sum(map(len, made(80_000).texts())) > 3_000_000, "so much would have to be held"
    assert many < some + 300_000


SETTINGS = ExportSettings.model_validate({"from": "books", "to": "site", "folder": "import"})


def peak_of(act: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
