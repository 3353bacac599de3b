"""Waiting while files lie still: to the end, or to the first thing that changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.clock import SystemClock
from pipeline.engine.stillness import GLANCE, MOST, rest


class Clock(SystemClock):
    """Time that passes by being waited for; ``then`` happens in the second glance."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.slept: list[float] = []
        self._then = then

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == 2:
            self._then()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "order.xml").write_bytes(b"<order>")
    os.utime(tmp_path / "order.xml", (1, 1))
    os.utime(tmp_path, (1, 1))
    return tmp_path


def _again(path: Path, data: bytes, at: int) -> None:
    path.write_bytes(data)
    os.utime(path, (at, at))


@pytest.mark.parametrize(
    "then",
    [
        lambda inbox: _again(inbox / "order.xml", b"<order></order>", 1),
        lambda inbox: _again(inbox / "order.xml", b"<ORDER>", 2),
        lambda inbox: _again(inbox / "another.xml", b"", 1),
        lambda inbox: (inbox / "order.xml").unlink(),
    ],
    ids=["longer", "written again", "another one", "gone"],
)
def test_it_ends_when_something_changes(inbox: Path, then: Callable[[Path], object]) -> None:
    clock = Clock(lambda: then(inbox))
    assert rest(clock, 1.0, inbox, ["order.xml"])
    assert len(clock.slept) == 2


def test_it_lasts_as_long_as_it_is_told_when_nothing_does(inbox: Path) -> None:
    clock = Clock()
    assert not rest(clock, 0.22, inbox, ["order.xml", "was-never-there.xml", "\0"])
    assert sum(clock.slept) == pytest.approx(0.22)
    assert max(clock.slept) == GLANCE


def test_a_folder_that_is_not_there_is_waited_for_like_any_other(tmp_path: Path) -> None:
    clock = Clock((tmp_path / "later").mkdir)
    assert rest(clock, 1.0, tmp_path / "later", [])
    assert len(clock.slept) == 2


def test_of_very_many_files_the_first_ones_are_glanced_at(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    stat = Path.stat

    def counted(path: Path) -> os.stat_result:
        asked.append(path)
        return stat(path)

    monkeypatch.setattr(Path, "stat", counted)
    rest(Clock(), GLANCE, inbox, [f"{number}.xml" for number in range(1000)])
    assert len(asked) == MOST + 1
