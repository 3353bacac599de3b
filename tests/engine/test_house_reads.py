"""Many clients' configs that are to be read at once: those with plugins of their own some at a time, by processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.config.clients import Found, Roster
from pipeline.config.load import load_config
from pipeline.engine import configwatch, house
from pipeline.engine.clientread import AT_ONCE, Read
from pipeline.engine.configwatch import ConfigWatch, Turns, Verdict
from pipeline.engine.house import House
from pipeline.errors import ConfigError, Finding
from pipeline.texts import T
from tests.engine.fleet import clients

OWN = [f"own-{number:02}" for number in range(3 * AT_ONCE)]


class Slow:
    """A reading that is through when it is told so; of a client without plugins of its own: at once."""

    under_way: ClassVar[list[Slow]] = []
    begun: ClassVar[list[str]] = []

    def __init__(self, folder: Path, *_more: object) -> None:
        self.folder, self.waitable, self.left = folder, None, 0.0
        self.own = (folder / "plugins").is_dir()
        if self.own:
            Slow.under_way.append(self)
            Slow.begun.append(folder.name)

    def result(self) -> Read | None:
        if self in Slow.under_way:
            return None
        return Read(Found(self.folder, None, (Finding("x", T("No.")),)))

    def close(self) -> None:
        if self in Slow.under_way:
            Slow.under_way.remove(self)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A service before its first round; nothing is ever right with its clients."""
    for name in (*OWN, "plain"):
        path = clients.write(tmp_path, name)
        if name in OWN:
            (path.parent / "plugins").mkdir()
    monkeypatch.setattr(house, "Reading", Slow)
    monkeypatch.setattr(Slow, "under_way", [])
    monkeypatch.setattr(Slow, "begun", [])
    made = House(tmp_path)
    made._roster = Roster(tmp_path, edits=False)
    return made


def go_on(served: House, true: Callable[[], object]) -> None:
    for _ in range(1000):
        now = time.monotonic()
        served._look(now)
        served._open_some(now + 600)
        assert len(Slow.under_way) <= AT_ONCE
        for member in list(served.members.values()):
            if member.reading is not None:
                served._turn(member)
        if true():
            return
        if Slow.under_way:
            Slow.under_way.pop(0)
    raise AssertionError


def test_at_the_start_so_many_are_read_at_once_and_the_others_after_them(served: House) -> None:
    said: list[Any] = []
    served.begun = lambda: said.append(sorted(Slow.begun))
    served.opened = lambda member: said.append(member.name)
    served._take_in()
    served._open_some(time.monotonic() + 600)
    assert said == ["plain"], "who is read at once waits for nobody"
    assert len(Slow.under_way) == AT_ONCE
    go_on(served, lambda: sorted(OWN) in said)
    assert Slow.begun == OWN, "each once, in their order"
    assert sorted(said[:-1]) == sorted([*OWN, "plain"])


def test_all_that_were_edited_in_one_moment_too_and_none_that_went_meanwhile(served: House) -> None:
    served._take_in()
    go_on(served, lambda: served._said_begun)
    Slow.begun.clear()
    for name in OWN:
        os.utime(served.folder / name / "config.yaml", (2_000_000_000, 2_000_000_000))
    served._look_at = 0.0
    served._look(time.monotonic())
    served._open_some(time.monotonic() + 600)
    assert len(Slow.under_way) == AT_ONCE
    last = served.folder / OWN[-1] / "config.yaml"
    last.unlink()
    served._look_at = 0.0
    go_on(served, lambda: len(Slow.begun) == len(OWN) - 1 and not Slow.under_way)
    assert sorted(Slow.begun) == OWN[:-1]
    assert served.folder / OWN[-1] not in served.members


def test_a_service_that_is_told_to_stop_reads_no_more(served: House) -> None:
    served._take_in()
    served._open_some(time.monotonic() + 600)
    served.stop()
    served._round()
    assert served._done()
    assert not served._to_read
    for member in list(served.members.values()):
        served._shut(member)
    assert not Slow.under_way


# --- checks of edited configs --------------------------------------------------------------------------------------


def until_verdict(watches: list[ConfigWatch], turns: int) -> list[Verdict]:
    """Each one's verdict; meanwhile no more checks than ``turns`` are under way."""
    said: dict[int, Verdict] = {}
    end = time.monotonic() + 240
    while len(said) < len(watches):
        assert time.monotonic() < end
        for place, watch in enumerate(watches):
            if (verdict := watch.look()) is not None:
                said[place] = verdict
            assert sum(one.under_way for one in watches) <= turns
        time.sleep(0.01)
    return [said[place] for place in sorted(said)]


def test_edited_configs_are_checked_so_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "LOOK_EVERY", 0.0)
    turns = Turns(1)
    paths = [clients.write(tmp_path, name) for name in ("acme", "bravo", "gone")]
    watches = [ConfigWatch(load_config(path), turns=turns) for path in paths]
    for path in paths:
        path.write_text(path.read_text("utf-8").replace("every: 5m", "every: 7m"), encoding="utf-8")
    while not watches[-1].under_way:
        watches[-1].look()
    watches[0].look()
    watches[-1].close()  # its client is gone: another one has its turn
    assert until_verdict(watches[:2], 1) == [Verdict(changed=True)] * 2
    assert turns.take(), "each was given back"
    assert not turns.take()


def test_a_check_that_cannot_begin_gives_its_turn_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "LOOK_EVERY", 0.0)

    def broken() -> dict[str, str]:
        raise ConfigError(T("No."))

    path, turns = clients.write(tmp_path, "acme"), Turns(1)
    watch = ConfigWatch(load_config(path), turns=turns, environ=broken)
    path.write_text(path.read_text("utf-8").replace("every: 5m", "every: 7m"), encoding="utf-8")
    while (verdict := watch.look()) is None:
        pass
    assert verdict.findings
    assert turns.take()
