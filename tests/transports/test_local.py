"""Local folders: locks, links, odd names, a share that went away."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.errors import Changed, FolderMissing, Refused, Transient
from pipeline.transports import local
from pipeline.transports.local import LocalSettings, LocalTransport


@pytest.fixture
def transport(tmp_path: Path) -> LocalTransport:
    (tmp_path / "root").mkdir()
    return LocalTransport("files", LocalSettings(path=Path("root")), base=tmp_path)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_PATIENCE", (0.0, 0.0))


def _sharing_violation() -> PermissionError:
    error = PermissionError(errno.EACCES, "The process cannot access the file because it is being used")
    setattr(error, "winerror", 32)  # noqa: B010 - as Windows gives it; elsewhere the attribute is unknown
    return error


@pytest.mark.parametrize("times", [1, 9])
def test_a_file_held_by_another_program_is_tried_again(
    transport: LocalTransport, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    transport.write("", "a.csv", b"old")
    left = [times]
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if left[0]:
            left[0] -= 1
            raise _sharing_violation()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    if times == 1:
        transport.write("", "a.csv", b"new")
        assert (transport.root / "a.csv").read_bytes() == b"new"
        return
    with pytest.raises(Transient):
        transport.write("", "a.csv", b"new")
    assert [path.name for path in transport.root.iterdir()] == ["a.csv"]
    assert (transport.root / "a.csv").read_bytes() == b"old"


def test_a_full_disk_keeps_the_old_file(transport: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    transport.write("", "a.csv", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient) as caught:
        transport.write("", "a.csv", b"new")
    assert "full" in str(caught.value)
    assert [(path.name, path.read_bytes()) for path in transport.root.iterdir()] == [("a.csv", b"old")]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_are_not_followed(transport: LocalTransport, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.xml").write_bytes(b"x")
    (transport.root / "link.xml").symlink_to(outside / "secret.xml")
    (transport.root / "folder").symlink_to(outside)
    assert list(transport.list("")) == []
    for act in (
        lambda: transport.list("folder"),
        lambda: transport.write("folder", "a.xml", b"x"),
        lambda: transport.make_folder("folder/new"),
    ):
        with pytest.raises(Refused):
            act()
    assert [path.name for path in outside.iterdir()] == ["secret.xml"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_names_that_are_not_utf8(transport: LocalTransport, tmp_path: Path) -> None:
    raw = "замовлення.xml".encode("cp1251")
    (transport.root / os.fsdecode(raw)).write_bytes(b"<a/>")
    (file,) = transport.list("")
    assert (file.name, file.raw) == ("замовлення.xml", raw)
    (read,) = transport.read_many([file], tmp_path)
    assert read.path
    (moved,) = transport.move_many([file], "done")
    assert moved.done
    assert [os.fsencode(path.name) for path in (transport.root / "done").iterdir()] == [raw]


def test_a_share_that_went_away_is_not_an_empty_one(transport: LocalTransport) -> None:
    transport.write("", "a.xml", b"x")
    files = transport.list("")
    (transport.root / "a.xml").unlink()
    transport.root.rmdir()
    with pytest.raises(FolderMissing):
        transport.list("")
    (outcome,) = transport.delete_many(files)
    assert isinstance(outcome.error, FolderMissing)


def test_a_root_is_made_on_request_only(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing):
        LocalTransport("a", LocalSettings(path=Path("new/root")), base=tmp_path).list("")
    made = LocalTransport("a", LocalSettings(path=Path("new/root"), create=True), base=tmp_path)
    assert list(made.list("")) == []
    assert made.local_path("") == tmp_path / "new" / "root"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_folder_that_becomes_a_link_is_not_followed(transport: LocalTransport, tmp_path: Path) -> None:
    """Also when its files were listed, and read, while it was a real folder inside of the root."""
    transport.make_folder("inbox")
    transport.write("inbox", "a.xml", b"ours")
    files = transport.list("inbox")
    assert [one.data for one in transport.read_small(files, tmp_path, 100)] == [b"ours"]
    outside = tmp_path / "outside"
    (transport.root / "inbox").rename(outside)
    (transport.root / "inbox").symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.xml").write_bytes(b"none")
    (read,) = transport.read_small(files, tmp_path, 100)
    assert isinstance(read.error, Refused)
    (deleted,) = transport.delete_many(files)
    assert isinstance(deleted.error, Refused)
    assert (tmp_path / "other" / "a.xml").exists()


def test_a_small_file_that_has_grown_is_not_handed_over(transport: LocalTransport, tmp_path: Path) -> None:
    transport.write("", "a.xml", b"<a/>")
    (file,) = transport.list("")
    (transport.root / "a.xml").write_bytes(b"<a/><!-- more -->")
    (read,) = transport.read_small([file], tmp_path, 100)
    assert isinstance(read.error, Changed)
    assert read.data is None
    assert [path for path in tmp_path.iterdir() if path.suffix == ".in"] == []


@pytest.mark.parametrize("how", ["system", "nothing", "refused", "half"])
def test_a_file_is_copied_by_hand_where_the_system_does_not(
    transport: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how != "system" and not hasattr(os, "copy_file_range"):
        pytest.skip("nothing here copies by itself")

    def no_more(source: int, target: int, _count: int) -> int:
        if how == "half":
            os.write(target, os.read(source, 1000))
        if how != "nothing":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return 0

    if how != "system":
        monkeypatch.setattr(os, "copy_file_range", no_more)
    source = tmp_path / "new"
    source.write_bytes(b"0123456789" * 100_000)
    transport.write("", "a.csv", b"old")
    assert transport.write("", "a.csv", source).size == 1_000_000
    assert (tmp_path / "root" / "a.csv").read_bytes() == source.read_bytes()


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="nothing here copies by itself")
def test_a_disk_that_is_full_in_the_middle_keeps_the_old_file(
    transport: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", full)
    transport.write("", "a.csv", b"old")
    (tmp_path / "new").write_bytes(b"new")
    with pytest.raises(Transient, match="full"):
        transport.write("", "a.csv", tmp_path / "new")
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["a.csv"]
    assert (tmp_path / "root" / "a.csv").read_bytes() == b"old"
    with pytest.raises(Transient, match="could not be read"):
        transport.write("", "a.csv", tmp_path / "gone")
