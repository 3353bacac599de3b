"""Hints from a folder: they come soon, not for our own doing, and survive what happens to the folder."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from pipeline.config.model import JobConfig, StepSpec
from pipeline.engine import watch as module
from pipeline.engine.watch import FolderWatch, is_share, poll_every
from pipeline.flow import InboundSettings


class Hints:
    """Counts the hints that came."""

    def __init__(self) -> None:
        self.count = 0
        self._come = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self._come.set()

    def settle(self) -> None:
        """Let what is under way come, and forget it."""
        time.sleep(0.2)
        self.count = 0
        self._come.clear()

    def came(self, seconds: float = 3.0) -> bool:
        """Wait for one."""
        return self._come.wait(seconds)


@pytest.fixture
def hints() -> Hints:
    return Hints()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def watching(inbox: Path, hints: Hints) -> Iterator[FolderWatch]:
    watch = FolderWatch("orders", [inbox], hints)
    watch.ensure()
    hints.settle()
    yield watch
    watch.stop()


def observers(watch: FolderWatch) -> list[str]:
    return [type(observer).__name__ for observer, _ in watch._watched.values()]


@pytest.mark.parametrize(
    "act",
    [
        lambda inbox: (inbox / "new.xml").write_text("<x/>"),
        lambda inbox: (inbox / "old.xml").write_text("<longer/>"),
        lambda inbox: (inbox / "old.xml.part").rename(inbox / "whole.xml"),
        lambda inbox: shutil.move(inbox.parent / "aside.xml", inbox / "moved-in.xml"),
    ],
    ids=["new", "grown", "renamed", "moved in"],
)
def test_what_a_site_does_gives_a_hint(
    inbox: Path, watching: FolderWatch, hints: Hints, act: Callable[[Path], object]
) -> None:
    for path in (inbox / "old.xml", inbox / "old.xml.part", inbox.parent / "aside.xml"):
        path.write_text("<x/>")
    hints.settle()
    act(inbox)
    assert hints.came()


def test_what_we_do_gives_none(inbox: Path, watching: FolderWatch, hints: Hints) -> None:
    (inbox / "done").mkdir()
    for name in ("read.xml", "taken.xml", "moved.xml"):
        (inbox / name).write_text("<x/>")
    hints.settle()
    (inbox / "read.xml").read_text()
    (inbox / "taken.xml").unlink()
    (inbox / "moved.xml").rename(inbox / "done" / "moved.xml")
    (inbox / "done" / "beside.xml").write_text("<x/>")
    assert not hints.came(0.4)


def test_a_folder_that_went_and_came_back_is_watched_again(inbox: Path, watching: FolderWatch, hints: Hints) -> None:
    shutil.rmtree(inbox)
    watching.ensure()
    assert observers(watching) == []
    inbox.mkdir()
    watching.ensure()
    hints.settle()
    (inbox / "new.xml").write_text("<x/>")
    assert hints.came()


def test_a_folder_replaced_between_two_looks_is_watched_again(inbox: Path, watching: FolderWatch, hints: Hints) -> None:
    inbox.rename(inbox.with_name("old"))
    inbox.mkdir()
    watching.ensure()
    hints.settle()
    (inbox / "new.xml").write_text("<x/>")
    assert hints.came()


def test_a_folder_that_is_not_there_yet_is_no_error(tmp_path: Path, hints: Hints) -> None:
    watch = FolderWatch("orders", [tmp_path / "later"], hints)
    watch.ensure()
    assert hints.count == 0
    (tmp_path / "later").mkdir()
    watch.ensure()
    assert hints.came(), "what came before the watch began is looked at"
    watch.stop()


def test_without_watches_left_it_looks_again_and_again(
    inbox: Path, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(Observer, "start", full)
    monkeypatch.setattr(module, "SHARE_LOOK", 0.1)
    watch = FolderWatch("orders", [inbox], hints)
    watch.ensure()
    assert observers(watch) == ["PollingObserver"]
    hints.settle()
    (inbox / "new.xml").write_text("<x/>")
    assert hints.came()
    watch.stop()


def test_a_folder_that_cannot_be_watched_leaves_it_to_the_poll(
    inbox: Path, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Observer, "start", refused)
    watch = FolderWatch("orders", [inbox], hints)
    watch.ensure()
    watch.ensure()
    assert observers(watch) == []
    monkeypatch.undo()
    watch.ensure()
    assert len(observers(watch)) == 1, "it comes back by itself"
    watch.stop()


@pytest.mark.parametrize(
    ("kind", "options", "share"),
    [("ext4", "rw", False), ("cifs", "rw", True), ("nfs4", "rw", True), ("NTFS", "rw,remote", True)],
)
def test_a_share_is_known_by_its_mount(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, share: bool
) -> None:
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="nfs" if not share else "ext4", opts="rw"),
        SimpleNamespace(mountpoint=str(inbox.parent.resolve()), fstype=kind, opts=options),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)  # noqa: A006 - psutil's own word
    assert is_share(inbox) is share


def test_a_share_is_looked_at_again_and_again(inbox: Path, hints: Hints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_share", lambda _folder: True)
    monkeypatch.setattr(module, "SHARE_LOOK", 0.1)
    watch = FolderWatch("orders", [inbox], hints)
    watch.ensure()
    assert [type(observer) for observer, _ in watch._watched.values()] == [PollingObserver]
    hints.settle()
    (inbox / "new.xml").write_text("<x/>")
    assert hints.came()
    watch.stop()


def test_windows_shares_by_their_name() -> None:
    assert is_share(Path("\\\\server\\orders"))


@pytest.mark.parametrize(
    ("poll", "stable", "every"), [("10s", "1s", 9.0), ("2s", "1s", 1.0), ("1s", "1s", 0.5), ("10s", "0s", 10.0)]
)
def test_a_remote_inbox_is_looked_at_early_enough_to_take_a_file_within_one_poll(
    poll: str, stable: str, every: float
) -> None:
    params = InboundSettings(inbox="site", into="books", stable=stable)
    spec = JobConfig(watch=True, poll=poll, steps=(StepSpec(step="import-orders", params=params),))
    assert poll_every(spec).total_seconds() == every
