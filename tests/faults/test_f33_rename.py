"""F33: a server that cannot rename over an existing file. Posix-rename where there is one, else a safe swap; when the
swap fails the old file is back, and when it was cut in the middle the next run brings it back before anything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.rooted import Cut
from tests.faults.conftest import Victim
from tests.faults.proxied import impatient
from tests.faults.scripted import scripted
from tests.faults.seen import alarms

SWAPPING = ("sftp", "ftp", "ftp-old")
CATALOGUE = "catalogue.csv"


def cannot_rename_over(server: Any) -> None:
    if hasattr(server, "posix_rename"):
        server.posix_rename = False
    else:
        server.rename_over = False


def dearer(victim: Victim) -> None:
    """The books have other prices now."""
    books = sqlite3.connect(victim.folder / "books.sqlite3")
    with books:
        assert books.execute("UPDATE prices SET amount = amount + 1000000").rowcount > 30
    books.close()


def served(victim: Victim) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in victim.goods.iterdir()}


def published(victim: Victim, server: Any) -> bytes:
    """A first catalogue lies there, the next one will be another."""
    cannot_rename_over(server)
    assert victim.run("catalogue").state == "done"
    dearer(victim)
    return served(victim)[CATALOGUE]


def renames(kind: str, act: Callable[[], int | str | None]) -> Callable[[str, str], int | str | None]:
    """A fault at a rename: ``away`` of the old file, ``in`` of the new one, ``back`` of the old one."""
    ending = {"away": CATALOGUE, "in": f"{CATALOGUE}.part", "back": f"{CATALOGUE}.old.part"}[kind]
    return lambda word, path: act() if word == "rename" and path.endswith(f"goods/{ending}") else None


@pytest.mark.parametrize("transport", SWAPPING)
def test_f33_a_swap_replaces_the_old_file(tmp_path: Path, transport: str) -> None:
    with scripted(tmp_path, transport) as (victim, server):
        old = published(victim, server)
        assert victim.run("catalogue").state == "done"
        assert list(served(victim)) == [CATALOGUE]
        assert served(victim)[CATALOGUE] != old
        victim.check()


def test_f33_posix_rename_is_used_where_there_is_one(tmp_path: Path) -> None:
    with scripted(tmp_path, "sftp") as (victim, server):
        assert victim.run("catalogue").state == "done"
        dearer(victim)
        server.asked.clear()
        assert victim.run("catalogue").state == "done"
        assert [line for line in server.asked if "rename" in line] == [f"posix-rename goods/{CATALOGUE}.part"]
        victim.check()


@pytest.mark.parametrize("kind", ["away", "in"])
@pytest.mark.parametrize("transport", SWAPPING)
def test_f33_the_old_file_is_back_when_the_swap_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, kind: str
) -> None:
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        old = published(victim, server)
        no: int | str = 3 if transport == "sftp" else "550 Permission denied"
        # the first, direct rename of the new file is refused too: that is how such a server says it
        server.fault = renames(kind, lambda: no)
        for _ in range(2):
            assert victim.run("catalogue", trigger="schedule").state == "failed"
            assert served(victim) == {CATALOGUE: old}, "the old file is served, and no half of a new one lies about"
        assert len(alarms(victim)) == 1
        server.fault = None
        assert victim.run("catalogue").state == "done"
        assert list(served(victim)) == [CATALOGUE]
        assert served(victim)[CATALOGUE] != old
        victim.check()


@pytest.mark.parametrize("transport", SWAPPING)
def test_f33_a_swap_that_is_cut_is_ended_by_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """The line breaks once, when the old file has been moved away."""
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        old = published(victim, server)
        cuts = cut_in_the_middle(victim, server, times=1)
        assert victim.run("catalogue", trigger="schedule").state == "done"
        assert cuts, "it was cut"
        assert list(served(victim)) == [CATALOGUE]
        assert served(victim)[CATALOGUE] != old
        victim.check()


@pytest.mark.parametrize("transport", SWAPPING)
def test_f33_a_swap_that_stays_cut_is_undone_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """The line dies when the old file has been moved away, and on its return there is no room for the new one: then the
    old one is served again."""
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        old = published(victim, server)
        cuts = cut_in_the_middle(victim, server, times=1)
        dead = server.fault

        def dies(word: str, path: str) -> Any:
            if cuts and word != "login":
                raise Cut
            return dead(word, path)

        server.fault = dies
        assert victim.run("catalogue", trigger="schedule").state == "failed"
        assert CATALOGUE not in served(victim), "nobody could do anything about that"
        full: int | str = 4 if transport == "sftp" else "552 Disk full"
        server.fault = lambda word, path: full if word in ("write", "open") and path.endswith(".part") else None
        assert victim.run("catalogue", trigger="schedule").state == "failed"
        assert served(victim) == {CATALOGUE: old}
        server.fault = None
        assert victim.run("catalogue").state == "done"
        assert list(served(victim)) == [CATALOGUE]
        assert served(victim)[CATALOGUE] != old
        victim.check()


def cut_in_the_middle(victim: Victim, server: Any, times: int) -> list[str]:
    """The session ends just before the new file is moved in, when the old one is away."""
    cuts: list[str] = []

    def fault(word: str, path: str) -> None:
        away = not (victim.goods / CATALOGUE).exists()
        if word == "rename" and path.endswith(f"{CATALOGUE}.part") and away and len(cuts) < times:
            cuts.append(path)
            raise Cut

    server.fault = fault
    return cuts
