"""How many ledgers a service of many clients holds open."""

from __future__ import annotations

import sys

import pytest

from pipeline.engine import openfiles


@pytest.mark.parametrize(("files", "ledgers"), [(65_536, 1000), (8192, 992), (4096, 480), (1024, 96), (256, 8), (0, 8)])
def test_as_many_as_the_system_allows_files_for(files: int, ledgers: int) -> None:
    assert openfiles.ledgers_open(files) == ledgers


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit of a process")
def test_it_takes_as_many_files_as_it_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    limits = (256, 4096)
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits)
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, wanted: taken.append(wanted))
    assert openfiles.more_files() == 4096
    limits = (4096, 4096)
    assert openfiles.more_files() == 4096
    assert taken == [(4096, 4096)], "once"

    def refuse(_kind: int, _wanted: tuple[int, int]) -> None:
        raise ValueError

    limits = (256, 4096)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert openfiles.more_files() == 256
