"""The archive: written once, read back, never overwritten, safe names."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive import Archive, ArchiveItem, safe_name, store
from pipeline.errors import MistokError, Transient

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def damage(kept: Path) -> None:
    """As a broken disk would, or somebody who means it."""
    kept.chmod(0o644)
    kept.write_bytes(b"evil")
    kept.chmod(0o444)


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


@pytest.mark.parametrize("data", [b"", b"small", b"x" * 2_000_000], ids=["empty", "small", "large"])
def test_bytes_in_memory_are_kept_as_a_file_is(tmp_path: Path, data: bytes) -> None:
    archive = Archive(tmp_path / "archive")
    (copy,) = archive.keep_many([ArchiveItem(None, "a.xml", "acme", AT, data=data)])
    assert copy == archive.keep(_file(tmp_path, "a.xml", data), client="acme", name="a.xml", at=AT)
    assert copy.size == len(data)
    assert archive.read(copy.sha256) == copy.view.read_bytes() == data
    assert copy.path.stat().st_mode & 0o222 == 0
    assert list((archive.root / "partial").iterdir()) == []


def test_the_same_file_twice_is_one_copy_and_one_name(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "a.xml", b"same")
    first = archive.keep(source, client="acme", name="a.xml", at=AT)
    assert archive.keep(source, client="acme", name="a.xml", at=AT) == first
    assert len(list(first.view.parent.iterdir())) == 1


@pytest.mark.parametrize("size", [4, 2_000_000], ids=["small", "large"])
def test_a_name_that_is_taken_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    link, taken = os.link, []

    def later(source: Path, target: Path, **more: bool) -> None:
        if Path(target).name == "a.xml":
            Path(target).write_bytes(b"somebody else's")
            taken.append(target)
        link(source, target, **more)

    monkeypatch.setattr(os, "link", later)
    copy = Archive(tmp_path / "archive").keep(_file(tmp_path, "b", b"x" * size), client="acme", name="a.xml", at=AT)
    if not taken:
        assert not sys.platform.startswith("linux"), "there it is linked"
        pytest.skip("nothing is linked here")
    assert copy.view.name == "a~2.xml"
    assert copy.view.read_bytes() == b"x" * size
    assert not [*(tmp_path / "archive" / "partial").iterdir()]


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
    damage(copy.path)
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


def test_a_large_copy_that_does_not_read_back_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "still_is", lambda *_: False)
    archive = Archive(tmp_path / "archive")
    with pytest.raises(MistokError, match="does not read back"):
        archive.keep(_file(tmp_path, "b", b"x" * 2_000_000), client="acme", name="a.xml", at=AT)
    assert not [*(tmp_path / "archive" / "partial").iterdir()]
    assert not [*(tmp_path / "archive").glob("view/*/*/*")]


def test_a_copy_that_does_not_read_back_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, read = Archive(tmp_path / "archive"), os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, size).replace(b"good", b"evil"))
    with pytest.raises(MistokError, match="does not read back"):
        archive.keep_many([ArchiveItem(None, "a.xml", "acme", AT, data=b"good")])
    assert not (archive.root / "view").exists()


def test_a_full_disk_leaves_no_half_file_in_the_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, write, room = Archive(tmp_path / "archive"), os.write, 8  # bytes: for the kept copy, and half of another

    def full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        wrote = write(descriptor, data[: min(2, room)])  # as much as it likes
        room -= wrote
        return wrote

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Transient, match="full"):
        archive.keep_many([ArchiveItem(None, "a.xml", "acme", AT, data=b"whole")])
    assert [path for path in (archive.root / "view").rglob("*") if path.is_file()] == []
    assert room == 0
    assert [archive.read(sha) for sha in archive.hashes()] == [b"whole"]


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


def test_without_hard_links_on_the_disk_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    archive = Archive(tmp_path / "archive")
    for data in (b"1", b"2"):
        copy = archive.keep(_file(tmp_path, "a.xml", data), client="acme", name="a.xml", at=AT)
        assert copy.view.read_bytes() == data
        assert archive.view_of(copy.sha256) == [copy.view]
    assert copy.view.name == "a~2.xml"
    assert list((archive.root / "partial").iterdir()) == []


@pytest.mark.parametrize("how", ["in place", "appended", "replaced"])
def test_editing_a_file_of_the_view_leaves_the_copy_as_it_was(tmp_path: Path, how: str) -> None:
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "a.xml", b"as it came")
    copy = archive.keep(source, client="acme", name="a.xml", at=AT)
    if how == "in place":
        copy.view.write_bytes(b"as I wish!")
    elif how == "appended":
        with copy.view.open("ab") as file:
            file.write(b" - seen, Anna")
    else:
        _file(tmp_path, "b.xml", b"as I wish!").replace(copy.view)
    edited = copy.view.read_bytes()
    assert archive.verify(copy.sha256)
    assert archive.read(copy.sha256) == b"as it came"
    assert archive.view_of(copy.sha256) == []
    again = archive.keep(source, client="acme", name="a.xml", at=AT)
    assert again.view.name == "a~2.xml"
    assert again.view.read_bytes() == b"as it came"
    assert copy.view.read_bytes() == edited, "what a person wrote is not overwritten"


def test_kept_bytes_are_read_only_and_their_view_is_not(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    copy = archive.keep(_file(tmp_path, "a.xml", b"x"), client="acme", name="a.xml", at=AT)
    assert copy.path.stat().st_mode & 0o222 == 0
    assert copy.path.stat().st_mode & 0o400
    assert copy.path.stat().st_nlink == 1, "nobody else leads to these bytes"
    assert copy.view.stat().st_nlink == 1
    assert copy.view.stat().st_mode & 0o200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_who_may_not_read_the_clients_files_may_not_read_their_copies(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        copy = Archive(tmp_path / "a").keep(_file(tmp_path, "a.xml", b"x"), client="acme", name="a.xml", at=AT)
    finally:
        os.umask(before)
    assert copy.path.stat().st_mode & 0o777 == 0o400
    assert copy.view.stat().st_mode & 0o777 == 0o600


def test_a_taken_read_only_name_goes_as_windows_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows deletes no read-only file: what is cleaned away is made writable first."""
    unlink = Path.unlink

    def as_on_windows(path: Path, missing_ok: bool = False) -> None:
        if path.exists() and not path.stat().st_mode & 0o200:
            raise PermissionError(errno.EACCES, "Access is denied")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", as_on_windows)
    archive = Archive(tmp_path / "archive")
    (tmp_path / "archive" / "partial").mkdir(parents=True)
    old = _file(tmp_path / "archive" / "partial", "old", b"ha")
    os.utime(old, (0, 0))
    old.chmod(0o444)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "rename", full)
        with pytest.raises(Transient, match="full"):
            archive.keep(_file(tmp_path, "a.xml", b"half"), client="acme", name="a.xml", at=AT)
    assert list((tmp_path / "archive" / "partial").iterdir()) == []


def test_a_copy_that_another_process_put_there_meanwhile_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, other = Archive(tmp_path / "archive"), Archive(tmp_path / "archive")
    source = _file(tmp_path, "a.xml", b"same")
    fsync, went_before = os.fsync, [False]

    def late(descriptor: int) -> None:
        if not went_before[0]:
            went_before[0] = True
            other.keep(source, client="acme", name="a.xml", at=AT)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", late)
    copy = archive.keep(source, client="acme", name="a.xml", at=AT)
    assert went_before[0]
    assert [path.name for path in copy.path.parent.iterdir()] == [copy.sha256]
    assert archive.verify(copy.sha256)
    assert [path.name for path in copy.view.parent.iterdir()] == ["a.xml"]


@pytest.mark.skipif(os.name == "nt", reason="NTFS keeps names in its journal")
def test_every_new_name_down_to_the_copy_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On first use not only the copy's own name is new: so are the folders above it, and the archive's root itself."""
    opened: dict[int, Path] = {}
    synced: set[Path] = set()
    real_open, real_fsync = os.open, os.fsync

    def seen_open(path: Path, *more: int) -> int:
        descriptor = real_open(path, *more)
        opened[descriptor] = Path(path)
        return descriptor

    def seen_fsync(descriptor: int) -> None:
        if descriptor in opened:
            synced.add(opened[descriptor])
        real_fsync(descriptor)

    monkeypatch.setattr(os, "open", seen_open)
    monkeypatch.setattr(os, "fsync", seen_fsync)
    base = tmp_path / "client"
    root = base / "data" / "archive"
    copy = Archive(root).keep(_file(tmp_path, "a.xml", b"x"), client="acme", name="a.xml", at=AT)
    for name in (copy.path, copy.view):
        above = {parent for parent in name.parents if parent.is_relative_to(tmp_path)}
        assert above <= synced, f"a power cut may forget {sorted(above - synced)}"


@pytest.mark.skipif(os.name == "nt", reason="folders are not synced there")
def test_a_share_that_cannot_sync_folders_can_hold_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    copy = Archive(tmp_path / "archive").keep(_file(tmp_path, "a.xml", b"x"), client="acme", name="a.xml", at=AT)
    assert copy.view.read_bytes() == b"x"


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


@pytest.mark.parametrize("size", [5, 2_000_000], ids=["small", "large"])
@pytest.mark.parametrize("where", ["here", "other disk"])
def test_a_file_that_is_left_to_the_archive_becomes_the_copy_where_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, size: int
) -> None:
    link = os.link

    def refused(source: Path, target: str, **more: bool) -> None:
        if Path(source).name == "catalogue.part":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target, **more)

    if where != "here":
        monkeypatch.setattr(os, "link", refused)
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "catalogue.part", b"x" * size)
    sha256 = hashlib.sha256(b"x" * size).hexdigest()
    copy = archive.keep(source, client="acme", name="catalogue.csv", at=AT, sha256=sha256, left=True)
    assert (copy.sha256, copy.size) == (sha256, size)
    if os.name != "nt":
        assert copy.path.samefile(source) == (where == "here")
    assert copy.path.stat().st_mode & 0o222 == 0
    assert not copy.view.samefile(source)
    copy.view.write_bytes(b"edited")
    source.unlink()
    assert archive.read(sha256) == b"x" * size
    assert not [*(tmp_path / "archive" / "partial").iterdir()]


@pytest.mark.parametrize("left", [True, False])
def test_a_hash_that_is_said_is_looked_at_as_the_copy_is_read_back(tmp_path: Path, left: bool) -> None:
    archive = Archive(tmp_path / "archive")
    source = _file(tmp_path, "catalogue.part", b"evil")
    sha256 = hashlib.sha256(b"good").hexdigest()
    with pytest.raises(MistokError, match="does not read back"):
        archive.keep(source, client="acme", name="catalogue.csv", at=AT, sha256=sha256, left=left)
    assert not [*archive.journal.entries()]
    # the next one is kept, and what was wrong is set aside
    copy = archive.keep(_file(tmp_path, "b", b"good"), client="acme", name="catalogue.csv", at=AT, sha256=sha256)
    assert archive.read(sha256) == copy.view.read_bytes() == b"good"


def test_what_a_killed_run_left_half_written_is_no_copy_and_goes_after_a_day(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    (tmp_path / "archive" / "partial").mkdir(parents=True)
    young = _file(tmp_path / "archive" / "partial", "young", b"ha")
    old = _file(tmp_path / "archive" / "partial", "old", b"ha")
    os.utime(old, (0, 0))
    kept = archive.keep(_file(tmp_path, "a.xml", b"half"), client="acme", name="a.xml", at=AT)
    assert list(archive.hashes()) == [kept.sha256]
    assert [path.name for path in (tmp_path / "archive" / "partial").iterdir()] == [young.name]


#: Keeps one file, and kills its own process in the middle of its nth write of bytes.
_DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.archive import Archive, ArchiveItem
left, write = int(sys.argv[2]), os.write
def half(file, data):
    global left
    left -= 1
    if left:
        return write(file, data)
    write(file, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = half
at = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
Archive(Path(sys.argv[1])).keep_many([ArchiveItem(None, "order.xml", "acme", at, data=b"x" * 3000)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_a_kill_in_the_middle_of_a_write_leaves_no_half_file_under_any_name(tmp_path: Path) -> None:
    killed = 0
    for nth in range(1, 20):
        root = tmp_path / str(nth)
        ended = subprocess.run((sys.executable, "-c", _DIES, str(root), str(nth)), cwd=ROOT, capture_output=True)
        if ended.returncode == 0:
            break
        assert ended.returncode == -getattr(signal, "SIGKILL", signal.SIGTERM), ended.stderr.decode()
        killed += 1
        whole = b"x" * 3000
        named = [path for part in ("view", "objects") for path in root.glob(f"{part}/**/*") if path.is_file()]
        assert all(path.read_bytes() == whole for path in named)
        archive = Archive(root)
        copy = archive.keep_many([ArchiveItem(None, "order.xml", "acme", AT, data=whole)])[0]
        assert archive.read(copy.sha256) == whole
        assert [path.name for path in root.glob("view/**/*") if path.is_file()] == ["order.xml"]
    assert killed >= 2, "the kept copy and the one in the view are written"
