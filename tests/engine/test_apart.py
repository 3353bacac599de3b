"""What is done in processes of its own: what it says on its way, its limit, and several of them side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipeline.engine import configwatch
from pipeline.engine.apart import Apart, Mouth, NoAnswer, SideBySide
from pipeline.texts import T

HOW = get_context("spawn")


def add(one: int, two: int) -> int:
    return one + two


def tell(mouth: Mouth) -> str:
    mouth.say("first")
    mouth.say(["second"])
    return "through"


def take_long(mouth: Mouth) -> str:
    mouth.limit(False)
    mouth.say("begun")
    time.sleep(3)
    return "through"


def hang_at_last(mouth: Mouth) -> None:
    mouth.limit(False)
    mouth.say("unlimited")
    mouth.limit(True)
    mouth.say("limited")
    time.sleep(600)


def hang(folder: Path, name: str) -> None:
    (folder / name).touch()
    time.sleep(600)


def die() -> None:
    os._exit(7)


def wait_for(one: Apart) -> object:
    while (made := one.result()) is None:
        time.sleep(0.02)
    return made


def begun(call: Callable[..., object]) -> tuple[Apart, list[object]]:
    heard: list[object] = []
    return Apart(HOW, call, heard=heard.append), heard


def test_what_it_says_on_its_way_is_heard_before_its_answer() -> None:
    one, heard = begun(tell)
    assert wait_for(one) == "through"
    assert heard == ["first", ["second"]]


def test_what_takes_the_time_that_it_takes_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    one, heard = begun(take_long)
    while not heard:
        assert one.result() is None
        time.sleep(0.02)
    monkeypatch.setattr(one, "_limit", 0.01)
    assert one.left == float("inf")
    assert wait_for(one) == "through"


@pytest.mark.full
def test_a_limit_that_begins_late_ends_it_and_what_was_said_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "CHECK_LIMIT", 60.0)
    one, heard = begun(hang_at_last)
    one._limit = 1.0
    with pytest.raises(NoAnswer, match="longer than 1 seconds"):
        wait_for(one)
    assert heard == ["unlimited", "limited"]


@pytest.fixture
def several(tmp_path: Path) -> Iterator[SideBySide[str]]:
    """Two that hang, one that ends its process, one that cannot be begun, and good ones behind them; three at once."""

    def begin(key: str) -> Apart:
        if key.startswith("hangs"):
            return Apart(HOW, hang, tmp_path, key)
        if key == "never":
            raise NoAnswer(T("it could not be started: {words}", words="no"))
        return Apart(HOW, die) if key == "dies" else Apart(HOW, add, 1, int(key))

    made = SideBySide(["hangs-1", "hangs-2", "dies", "never", "4", "5"], begin, 3)
    yield made
    made.close()


def test_who_hangs_keeps_no_others_waiting(several: SideBySide[str]) -> None:
    assert several.result("5") == 6
    assert several.result("4") == 5
    with pytest.raises(NoAnswer, match="without an answer"):
        several.result("dies")
    with pytest.raises(NoAnswer, match="could not be started"):
        several.result("never")
    assert sorted(several._under_way) == ["hangs-1", "hangs-2"]
    several.close()
    assert not several._under_way


@pytest.mark.full
def test_who_hangs_is_ended_while_another_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "CHECK_LIMIT", 8.0)

    def begin(key: str) -> Apart:
        return Apart(HOW, hang, tmp_path, key) if key == "hangs" else Apart(HOW, add, 1, 2)

    made = SideBySide(["hangs", "good"], begin, 1)
    assert made.result("good") == 3
    with pytest.raises(NoAnswer, match="longer than 8 seconds"):
        made.result("hangs")
