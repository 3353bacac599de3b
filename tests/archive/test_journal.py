"""The archive's journal: what each copy is, written by many, torn by power cuts, read by anybody."""

from __future__ import annotations

import errno
import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self
from zoneinfo import ZoneInfo

import pytest

from pipeline.archive import Archive, ArchiveItem, Entry, Index, Journal
from pipeline.archive.journal import DROPPED
from pipeline.errors import Transient

AT = datetime(2026, 11, 22, 14, 5, tzinfo=ZoneInfo("Europe/Kyiv"))


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _entry(number: int, at: datetime = AT, client: str = "acme") -> Entry:
    return Entry(sha256=f"{number:064x}", client=client, at=at, size=number, name=f"№{number}.xml")


def test_a_kept_copy_has_its_line_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    modified = datetime(2026, 11, 22, 11, tzinfo=UTC)
    copy = archive.keep(
        _file(tmp_path, "staged", b"<orders/>"),
        client="acme",
        name="замовлення №1.xml",
        at=AT,
        connection="site",
        folder="orders",
        modified=modified,
        raw="замовлення №1.xml".encode("cp1251"),
        job="orders",
    )
    [entry] = Index.of(archive.journal).of_client("acme")
    assert entry == Entry(
        sha256=copy.sha256,
        client="acme",
        at=AT,
        size=9,
        name="замовлення №1.xml",
        direction="in",
        connection="site",
        folder="orders",
        modified=modified,
        raw="замовлення №1.xml".encode("cp1251").hex(),
        job="orders",
        view=copy.view.relative_to(archive.root).as_posix(),
    )
    assert [path.name for path in archive.journal.months()] == ["2026-11.jsonl"]


def test_each_month_has_its_file_by_utc(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    new_year = datetime(2027, 1, 1, 1, 30, tzinfo=ZoneInfo("Europe/Kyiv"))
    with journal.locked():
        journal.append([_entry(1), _entry(2, new_year), _entry(3, new_year + timedelta(days=1))])
    assert [path.name for path in journal.months()] == ["2026-11.jsonl", "2026-12.jsonl", "2027-01.jsonl"]
    assert [entry.size for entry in journal.entries() if entry] == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_harms_no_other(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    with journal.locked():
        [path] = journal.append([_entry(1), _entry(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])  # as a power cut leaves it
    index = Index.of(journal)
    survivors = [1, 2] if cut == 1 else [1]  # only the newline is missing: the line is whole
    assert [entry.size for entry in index.of_client("acme")] == survivors
    with journal.locked():
        journal.append([_entry(3)])
    index.refresh()
    assert [entry.size for entry in index.of_client("acme")] == [*survivors, 3]
    assert [entry.size for entry in journal.entries() if entry] == [*survivors, 3]
    assert index.torn == Index.of(journal).torn == (0 if cut == 1 else 1)


def test_a_disk_that_fills_up_in_the_middle_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path / "archive")
    archive.keep(_file(tmp_path, "a", b"1"), client="acme", name="a.xml", at=AT)
    [path] = archive.journal.months()
    before = path.read_bytes()
    real = Path.open

    class Full:
        def __init__(self, file: BinaryIO) -> None:
            self.file = file

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def write(self, data: memoryview) -> int:
            self.file.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(self: Path, mode: str = "r", *more: object, **named: object) -> object:
        opened = real(self, mode, *more, **named)  # type: ignore[call-overload]
        return Full(opened) if self == path and mode == "a+b" else opened

    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", full)
        with pytest.raises(Transient, match="full") as caught:
            archive.keep(_file(tmp_path, "b", b"2"), client="acme", name="b.xml", at=AT)
    assert caught.value.code == "disk-full"
    assert path.read_bytes() == before
    archive.keep(_file(tmp_path, "b", b"2"), client="acme", name="b.xml", at=AT)
    assert [entry.name for entry in Index.of(archive.journal).of_client("acme")] == ["a.xml", "b.xml"]


def test_a_batch_is_synced_with_its_journal_and_not_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path / "archive")
    archive.keep(_file(tmp_path, "first", b"0"), client="acme", name="first", at=AT)
    synced: list[Path] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve() if os.name != "nt" else Path())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    archive.keep_many([ArchiveItem(_file(tmp_path, f"{n}", b"%d" % n), f"{n}", "acme", AT) for n in range(1, 20)])
    if os.name != "nt":
        assert sum(path.suffix == ".jsonl" for path in synced) == 1
    assert len(list(Index.of(archive.journal).of_client("acme"))) == 20


def _write(root: Path, client: str) -> None:
    journal = Journal(root)
    for number in range(200):
        with journal.locked():
            journal.append([_entry(number, client=client)], sync=False)


def test_processes_that_write_at_once_tear_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write, args=(tmp_path, f"c{n}")) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    index = Index.of(Journal(tmp_path))
    assert index.torn == 0
    for n in range(3):
        assert sorted(entry.size for entry in index.of_client(f"c{n}")) == list(range(200))


def test_a_copy_that_came_is_held_until_it_is_let_go_of_and_again_when_it_came_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    one, two = _entry(1), _entry(1, client="other")
    with journal.locked():
        journal.append([one, two])
    index = Index.of(journal)
    assert set(index.holders[one.sha256]) == {"acme", "other"}
    with journal.locked():
        journal.append([Entry(what=DROPPED, sha256=one.sha256, client="acme", at=AT)])
    index.refresh()
    assert index.let_go("acme", one.sha256)
    assert not index.let_go("other", one.sha256)
    with journal.locked():
        journal.append([one])
    index.refresh()
    assert not index.let_go("acme", one.sha256)
    assert journal.has("other")
    assert not journal.has("nobody")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b'{"sha256":"ab"}',
        b'{"what":"kept","sha256":"../../etc","client":"a","at":"2026-11-22T00:00:00+00:00"}',
        b'{"what":"kept","sha256":"' + b"0" * 64 + b'","client":"a","at":"2026-11-22T00:00:00"}',
        b'{"what":"burnt","sha256":"' + b"0" * 64 + b'","client":"a","at":"2026-11-22T00:00:00+00:00"}',
        b"\xff\xfe\x00",
    ],
)
def test_a_line_that_is_none_is_none(line: bytes) -> None:
    assert Entry.read(line) is None


def test_keys_of_a_newer_version_are_passed_over() -> None:
    line = _entry(1).line().replace(b"{", b'{"colour":"green",', 1)
    assert Entry.read(line) == _entry(1)
