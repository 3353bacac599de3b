"""The archive: written once, read back, never overwritten, safe names."""

from __future__ import annotations

import errno
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive import Archive, ArchiveItem, safe_name
from pipeline.errors import MistokError, Transient

AT = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_copy_is_found_by_hash_and_by_name(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    data = "№1042 Привіт".encode()
    copy = archive.keep(_file(tmp_path, "a.xml", data), client="acme", name="order-1042.xml", at=AT)
    assert copy.sha256 == hashlib.sha256(data).hexdigest()
    assert archive.read(copy.sha256) == data
    assert copy.view == tmp_path / "archive" / "view" / "2026-11-22" / "acme" / "order-1042.xml"
    assert copy.view.read_bytes() == data
    assert list(archive.hashes()) == [copy.sha256]
    assert archive.view_of(copy.sha256) == [copy.view]


def test_the_same_file_twice_is_one_copy_and_one_name(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "a.xml", b"same")
    first = archive.keep(source, client="acme", name="a.xml", at=AT)
    assert archive.keep(source, client="acme", name="a.xml", at=AT) == first
    assert len(list(first.view.parent.iterdir())) == 1


def test_a_taken_name_is_never_overwritten(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    copies = [
        archive.keep(_file(tmp_path, "a.xml", data), client="acme", name="a.xml", at=AT) for data in (b"1", b"2", b"3")
    ]
    assert [copy.view.name for copy in copies] == ["a.xml", "a~2.xml", "a~3.xml"]
    assert [copy.view.read_bytes() for copy in copies] == [b"1", b"2", b"3"]


def test_a_damaged_copy_is_seen_and_replaced_beside_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "a.xml", b"good")
    copy = archive.keep(source, client="acme", name="a.xml", at=AT)
    copy.path.write_bytes(b"evil")
    assert not archive.verify(copy.sha256)
    with pytest.raises(MistokError, match="no sound copy"):
        archive.read(copy.sha256)
    again = archive.keep(source, client="acme", name="a.xml", at=AT)
    assert archive.verify(again.sha256)
    assert [path.read_bytes() for path in again.path.parent.glob("*.unsound-*")] == [b"evil"], "nothing is overwritten"


def test_a_missing_copy_is_told(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    assert archive.find("0" * 64) is None
    assert not archive.verify("0" * 64)
    assert archive.view_of("0" * 64) == []
    with pytest.raises(MistokError):
        archive.read("0" * 64)


def test_a_full_disk_is_transient_and_leaves_no_half_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "a.xml", b"x" * 100)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient, match="full") as caught:
        archive.keep(source, client="acme", name="a.xml", at=AT)
    assert caught.value.code == "disk-full"
    assert [path for path in archive.root.rglob("*") if path.is_file()] == []


def test_without_hard_links_the_view_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    archive = Archive(tmp_path / "archive")
    copy = archive.keep(_file(tmp_path, "a.xml", b"x"), client="acme", name="a.xml", at=AT)
    assert copy.view.read_bytes() == b"x"
    assert not copy.view.samefile(copy.path)
    assert archive.view_of(copy.sha256) == [copy.view]


def test_many_files_in_one_go(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    items = [ArchiveItem(_file(tmp_path, f"{n}.xml", str(n).encode()), f"{n}.xml", "acme", AT) for n in range(60)]
    copies = archive.keep_many(items)
    assert [archive.read(copy.sha256) for copy in copies] == [str(n).encode() for n in range(60)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("order.xml", "order.xml"),
        ("Замовлення №1.xml", "Замовлення №1.xml"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "file"),
        ("", "file"),
        ("con.xml", "_con.xml"),
        ("LPT1", "_LPT1"),
        ("a\x00b.xml", "a_b.xml"),
        ("C:\\x.xml", "C__x.xml"),
        ("dots. . .", "dots"),
    ],
)
def test_safe_names(name: str, kept: str) -> None:
    assert safe_name(name) == kept


def test_long_names_stay_apart() -> None:
    one, two = safe_name("а" * 300 + "1.xml"), safe_name("а" * 300 + "2.xml")
    assert one != two
    assert one.endswith(".xml")
    assert len(one.encode()) <= 150


@given(st.text(max_size=300))
def test_every_name_becomes_one_that_disks_take(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe.encode()) <= 151
    assert not set(safe) & set('<>:"/\\|?*\x00')
    assert safe not in {".", ".."}
    assert safe == safe.strip(" ")


def test_what_a_killed_run_left_half_written_is_no_copy_and_goes_after_a_day(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    (tmp_path / "archive" / "partial").mkdir(parents=True)
    young = _file(tmp_path / "archive" / "partial", "young", b"ha")
    old = _file(tmp_path / "archive" / "partial", "old", b"ha")
    os.utime(old, (0, 0))
    kept = archive.keep(_file(tmp_path, "a.xml", b"half"), client="acme", name="a.xml", at=AT)
    assert list(archive.hashes()) == [kept.sha256]
    assert [path.name for path in (tmp_path / "archive" / "partial").iterdir()] == [young.name]
