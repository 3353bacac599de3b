"""Pieces of bytes that wait: few in memory, all given back in order, as often as one likes."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spool import Spool


@given(st.lists(st.lists(st.binary(max_size=20), max_size=6), max_size=4), st.integers(0, 40))
def test_what_was_added_comes_back_in_order_and_again(batches: list[list[bytes]], held: int) -> None:
    spool, added = Spool(held), []
    for batch in batches:
        for piece in batch:
            spool.add(piece)
            added.append(piece)
            assert sum(map(len, spool._held)) <= held
        assert [*spool] == [*spool] == added
        assert len(spool) == len(added)
        assert list(zip(spool, spool, strict=True)) == list(zip(added, added, strict=True))  # two look at once


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only there open files are told")
def test_its_file_goes_with_it() -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths

    before = files()
    spool = Spool(3)
    spool.add(b"abc")
    assert files() == before, "a few bytes need no file"
    spool.add(b"d")
    assert files() == before + 1
    assert [*spool] == [b"abc", b"d"]
    del spool
    gc.collect()
    assert files() == before
