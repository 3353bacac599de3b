"""A lock that every process takes."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from pipeline import locks


def test_one_holds_it_and_the_next_gets_it_after(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("a+b") as one, path.open("a+b") as other:
        with locks.held(one) as got:
            assert got
            with pytest.raises(BlockingIOError), locks.held(other, 0.03):
                pass
        with locks.held(other) as got:
            assert got


@pytest.mark.skipif(sys.platform == "win32", reason="flock is not there")
@pytest.mark.parametrize(("number", "goes_on"), [(errno.ENOLCK, True), (errno.EIO, False)])
def test_a_disk_without_locks_does_without_and_one_that_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, goes_on: bool
) -> None:
    import fcntl

    def refuse(_file: object, _how: int) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "lock").open("a+b") as file:
        if goes_on:
            with locks.held(file) as got:
                assert not got
        else:
            with pytest.raises(OSError, match="no"), locks.held(file):
                pass
