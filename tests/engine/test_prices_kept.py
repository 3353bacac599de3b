"""Prices of two publications, compared as they stream by: the same as by a table of all of them."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import TextColumn
from pipeline.engine import prices
from pipeline.engine.prices import Jump, PriceList, jumps, unpack

PRICES = st.sampled_from([None, Decimal(0), Decimal("1.00"), Decimal("6.50"), Decimal("40.00")])
LISTS = st.dictionaries(st.text("abїЇ01", min_size=1, max_size=3), st.tuples(PRICES, PRICES), max_size=30)
Prices = Mapping[str, tuple[Decimal | None, Decimal | None]]


def pack(listed: Prices, order: Sequence[str], size: int = 7) -> str:
    made = PriceList()
    for start in range(0, len(order), size):
        codes = order[start : start + size]
        made.see(codes, [listed[code][0] for code in codes], [listed[code][1] for code in codes])
        made.add(codes)
    return made.finish()


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
    assert not ordered or all(one.startswith("sorted:") for one in lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prices, "_PIECE", piece)
        assert set(jumps(lists[0], lists[1], Decimal(5))) == naive(before, after, 5)


def test_a_list_of_an_older_mistok_is_still_read() -> None:
    packed = pack({"0042": (Decimal("5.00"), None), "А-1": (None, Decimal("1.5"))}, ["0042", "А-1"])
    older = base64.b85encode(base64.b64decode(packed.partition(":")[2])).decode()
    assert list(unpack(older)) == list(unpack(packed)) == [("0042", "5.00", ""), ("А-1", "", "1.5")]
    now = pack({"0042": (Decimal("50.00"), None)}, ["0042"])
    assert [jump.after for jump in jumps(older, now, Decimal(5))] == [Decimal("50.00")]


def test_columns_of_texts_and_rows_of_the_batch_before() -> None:
    made = PriceList()
    made.see(["a", "b"], TextColumn(["1.00", ""], lambda text: Decimal(text) if text else None), None)
    made.add(["a"])
    made.see(["c"], [Decimal("3.00")], [None])
    made.add(["b", "c"])
    assert list(unpack(made.finish())) == [("a", "1.00", ""), ("b", "", ""), ("c", "3.00", "")]


@given(LISTS, LISTS)
def test_the_lists_of_two_parts_are_that_of_the_whole(one: Prices, two: Prices) -> None:
    listed = {**two, **one}
    first, rest = sorted(one), sorted(two.keys() - one.keys())
    whole = pack(listed, [*first, *rest])

    def part(order: Sequence[str]) -> prices.Part:
        made = PriceList()
        made.see(order, [listed[code][0] for code in order], [listed[code][1] for code in order])
        made.add(order)
        return made.part()

    joined = part(first).followed_by(part(rest)).text()
    assert list(unpack(joined)) == list(unpack(whole))
    assert joined.partition(":")[0] == whole.partition(":")[0]
    assert {*jumps(pack(two, sorted(two)), joined, Decimal(5))} == {*jumps(pack(two, sorted(two)), whole, Decimal(5))}
