"""Many copies are synced together, where the disk is known to do that; else one by one; and never not at all."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.archive import Archive, ArchiveItem, syncing
from pipeline.errors import Transient

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
COUNT = 60


def _items(folder: Path) -> list[ArchiveItem]:
    items = []
    for number in range(COUNT):
        path = folder / f"{number}.xml"
        path.write_bytes(b"%d" % number)
        items.append(ArchiveItem(path, path.name, "acme", AT))
    return items


@pytest.fixture
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    real, seen = os.fsync, list[int]()

    def fsync(descriptor: int) -> None:
        seen.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def _pretend(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], bool] | None) -> None:
    monkeypatch.setattr(syncing, "_syncfs", lambda: act)


@pytest.mark.skipif(os.name == "nt", reason="it has no such call")
def test_the_copies_of_a_batch_share_their_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsyncs: list[int]
) -> None:
    archive, partial, unsynced = Archive(tmp_path / "archive"), tmp_path / "archive" / "partial", list[int]()

    def whole(descriptor: int) -> bool:
        assert os.path.samestat(os.fstat(descriptor), partial.stat())
        unsynced.append(len(list(partial.iterdir())))
        return True

    _pretend(monkeypatch, whole)
    copies = archive.keep_many(_items(tmp_path))
    assert all(archive.verify(copy.sha256) for copy in copies)
    assert unsynced[0] == COUNT, "they have their names only when their bytes are safe"
    assert unsynced[1:] == [0] * (len(unsynced) - 1)
    assert len(fsyncs) + len(unsynced) <= 20


@pytest.mark.parametrize("how", ["no such call", "not this disk"])
def test_where_a_disk_cannot_be_synced_as_a_whole_each_copy_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsyncs: list[int], how: str
) -> None:
    _pretend(monkeypatch, None if how == "no such call" or os.name == "nt" else lambda _descriptor: False)
    archive = Archive(tmp_path / "archive")
    copies = archive.keep_many(_items(tmp_path))
    assert all(archive.verify(copy.sha256) for copy in copies)
    assert len(fsyncs) > COUNT


@pytest.mark.skipif(os.name == "nt", reason="it has no such call")
@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_the_disk_could_not_write_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    calls = 0

    def fails(_descriptor: int) -> bool:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(errno.EIO, "Input/output error")
        return True

    _pretend(monkeypatch, fails)
    monkeypatch.setattr(syncing, "MANY", 1)
    archive = Archive(tmp_path / "archive")
    with pytest.raises(Transient, match="device failed"):
        archive.keep_many(_items(tmp_path))
    assert list((archive.root / "partial").iterdir()) == []
    if at == 1:
        assert list(archive.hashes()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")
def test_the_real_call_answers(tmp_path: Path) -> None:
    real = syncing._syncfs()
    if real is None:
        return  # an old kernel, or another machine
    for folder, known in ((tmp_path, None), (Path("/proc"), False)):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            answer = real(descriptor)
        finally:
            os.close(descriptor)
        assert answer is known if known is not None else answer in (True, False)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
