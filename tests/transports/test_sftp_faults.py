"""SFTP when the server refuses, lies or dies in the middle; scripted in our own small server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from pipeline.errors import Changed, ConfigError, HostKeyRefused, MistokError, Refused, Transient
from pipeline.testing.sftpd import Cut, SftpServer
from pipeline.transports.sftp import SftpSettings, SftpTransport

FAILURE, DENIED = 4, 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    root = tmp_path / "root"
    root.mkdir()
    with SftpServer(root, user="shop", password="s3cret") as running:
        yield running


@pytest.fixture
def transport(server: SftpServer, tmp_path: Path) -> Iterator[SftpTransport]:
    made = _open(server, tmp_path)
    yield made
    made.close()


def _open(server: SftpServer, base: Path, **more: object) -> SftpTransport:
    settings = {
        "host": server.host,
        "port": server.port,
        "user": "shop",
        "password": "s3cret",
        "host_key": server.fingerprint,
        "timeout": 3,
    }
    return SftpTransport("shop", SftpSettings.model_validate({**settings, **more}), base=base)


def _there(server: SftpServer) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in server.root.iterdir()}


@pytest.mark.parametrize("posix_rename", [True, False])
@pytest.mark.parametrize("act", ["open", "write", "rename", "posix-rename", "stat"])
@pytest.mark.parametrize("code", [FAILURE, DENIED])
def test_a_failed_write_leaves_the_old_file_and_no_partial(
    server: SftpServer, transport: SftpTransport, act: str, code: int, posix_rename: bool
) -> None:
    server.posix_rename = posix_rename
    transport.write("", "catalogue.csv", b"old")
    failed: list[str] = []

    def fault(word: str, path: str) -> int | None:
        # the second rename of a swap is the dangerous one: the old file has been moved away then
        hit = word == act
        if act == "rename":
            hit = hit and path.endswith("csv.part")
        if act == "stat":
            hit = hit and path.endswith(".csv")
        if hit:
            failed.append(path)
        return code if hit else None

    server.fault = fault
    error: MistokError | None = None
    try:
        transport.write("", "catalogue.csv", b"new" * 10)
    except MistokError as caught:
        error = caught
    server.fault = None
    assert _there(server) == {"catalogue.csv": b"old" if error else b"new" * 10}
    # what the server never asks for cannot fail; what it does, must have
    assert bool(failed) == (act in ("open", "write", "stat") or posix_rename == (act == "posix-rename"))
    if act in ("open", "write"):
        assert isinstance(error, Refused if code == DENIED else Transient)


def test_a_short_upload_is_found_by_its_size(server: SftpServer, transport: SftpTransport) -> None:
    transport.write("", "catalogue.csv", b"old")

    def lie(path: str, attributes: paramiko.SFTPAttributes) -> None:
        if path.endswith(".part"):
            attributes.st_size = 2

    server.lie = lie
    with pytest.raises(Transient) as caught:
        transport.write("", "catalogue.csv", b"new catalogue")
    assert "2 of 13" in str(caught.value)
    assert _there(server) == {"catalogue.csv": b"old"}


def test_a_listing_that_lies_about_the_size(server: SftpServer, transport: SftpTransport, tmp_path: Path) -> None:
    (server.root / "a.xml").write_bytes(b"12345")

    def lie(_: str, attributes: paramiko.SFTPAttributes) -> None:
        attributes.st_size = 9

    server.lie = lie
    files = transport.list("")
    into = tmp_path / "into"
    into.mkdir()
    (read,) = transport.read_many(files, into)
    assert isinstance(read.error, Transient)
    server.lie = None
    (read,) = transport.read_many(files, into)
    assert isinstance(read.error, Changed)
    assert list(into.iterdir()) == []


def test_a_file_that_kills_the_connection_spoils_only_itself(
    server: SftpServer, transport: SftpTransport, tmp_path: Path
) -> None:
    for number in range(100):
        (server.root / f"{number}.xml").write_bytes(b"x" * number)

    def fault(word: str, path: str) -> int | None:
        if word == "read" and path == "50.xml":
            raise Cut
        return None

    files = transport.list("")
    server.fault = fault
    into = tmp_path / "into"
    into.mkdir()
    results = {result.file.name: result for result in transport.read_many(files, into)}
    assert len(results) == 100
    assert [name for name, result in results.items() if result.error] == ["50.xml"]
    assert isinstance(results["50.xml"].error, Transient)
    assert len(list(into.iterdir())) == 99


def test_a_server_that_opens_few_files_at_once_is_asked_for_fewer(server: SftpServer, tmp_path: Path) -> None:
    """Many servers have a limit, and none says what it is."""
    for number in range(30):
        (server.root / f"{number:02}.xml").write_bytes(b"%d" % number)
    most = 0

    def fault(act: str, _path: str) -> int | None:
        nonlocal most
        if act != "open":
            return None
        most = max(most, server.open_files())
        return FAILURE if server.open_files() >= 3 else None

    server.fault = fault
    transport = _open(server, tmp_path, in_flight=16)
    into = tmp_path / "into"
    into.mkdir()
    files = sorted(transport.list(""), key=lambda file: file.name)
    read = {result.file.name: result for result in transport.read_many(files, into)}
    assert [read[file.name].error for file in files] == [None] * 30
    assert [(read[file.name].path or into).read_bytes() for file in files] == [b"%d" % number for number in range(30)]
    assert most == 3  # it was tried
    server.asked.clear()
    assert all(result.error is None for result in transport.read_many(files, into))
    assert sum(line.startswith("open") for line in server.asked) == 30  # and not again
    transport.close()


def test_a_file_that_cannot_be_opened_holds_up_no_other(
    server: SftpServer, transport: SftpTransport, tmp_path: Path
) -> None:
    """What is locked is told of, and is no reason to ask for fewer from here on."""
    for name in ("a.xml", "b.xml", "c.xml"):
        (server.root / name).write_bytes(b"<orders/>")
    server.fault = lambda act, path: FAILURE if act == "open" and path == "b.xml" else None
    into = tmp_path / "into"
    into.mkdir()
    read = {result.file.name: result.error for result in transport.read_many(transport.list(""), into)}
    assert isinstance(read.pop("b.xml"), Transient)
    assert read == {"a.xml": None, "c.xml": None}


@pytest.mark.parametrize("piece", [1, 4, 7, 8])
def test_a_file_that_comes_in_small_pieces_comes_whole(
    server: SftpServer, transport: SftpTransport, tmp_path: Path, piece: int
) -> None:
    (server.root / "a.xml").write_bytes(b"1234567")
    server.piece = piece
    into = tmp_path / "into"
    into.mkdir()
    (read,) = transport.read_many(transport.list(""), into)
    assert read.error is None
    assert read.path is not None
    assert read.path.read_bytes() == b"1234567"
    assert server.open_files() == 0


def test_a_lost_reply_to_a_delete_counts_as_done(server: SftpServer, transport: SftpTransport) -> None:
    (server.root / "a.xml").write_bytes(b"x")
    files = transport.list("")

    def fault(word: str, path: str) -> int | None:
        if word == "remove":
            server.fault = None
            (server.root / path).unlink()
            raise Cut
        return None

    server.fault = fault
    (outcome,) = transport.delete_many(files)
    assert (outcome.done, outcome.gone) == (True, True)


def test_a_server_that_falls_silent_is_left_after_the_timeout(server: SftpServer, tmp_path: Path) -> None:
    import threading

    release = threading.Event()
    transport = _open(server, tmp_path, timeout="200ms")
    transport.list("")

    def fault(word: str, path: str) -> int | None:
        release.wait(10)
        return None

    server.fault = fault
    with pytest.raises(Transient) as caught:
        transport.list("")
    assert "in time" in str(caught.value)
    server.fault = None
    release.set()
    assert list(transport.list("")) == []
    transport.close()


def test_no_path_leads_out_of_the_small_server(server: SftpServer, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret", encoding="utf-8")
    (server.root / "link").symlink_to(tmp_path)
    client = paramiko.Transport((server.host, server.port))
    client.connect(username="shop", password="s3cret")
    sftp = paramiko.SFTPClient.from_transport(client)
    assert sftp
    for path in ("../outside.txt", "/../../outside.txt", "link/outside.txt", str(tmp_path / "outside.txt")):
        with pytest.raises(FileNotFoundError if "link" not in path else PermissionError):
            sftp.open(path).read()
    with pytest.raises(PermissionError):
        sftp.rename("link", "../moved")
    assert sftp.normalize("a/../../..") == "/"
    client.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside.txt", "root"]


def test_a_key_pinned_in_the_config_is_the_only_one(server: SftpServer, tmp_path: Path) -> None:
    other = "SHA256:" + "A" * 43
    with pytest.raises(HostKeyRefused) as caught:
        _open(server, tmp_path, host_key=[other]).list("")
    assert (caught.value.seen, caught.value.pinned) == (server.fingerprint, other)
    assert "host_key" in str(caught.value.hint)
    _open(server, tmp_path, host_key=[other, server.fingerprint]).close()
    with pytest.raises(ValueError, match="not a fingerprint"):
        _open(server, tmp_path, host_key="MD5:aa")


def test_nothing_is_sent_to_a_stranger(server: SftpServer, tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused):
        _open(server, tmp_path, host_key=()).list("")
    assert all(not session.is_authenticated() for session in server._sessions)


def test_an_unreadable_known_hosts_is_a_mistake_of_the_config(server: SftpServer, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").mkdir()
    with pytest.raises(ConfigError):
        _open(server, tmp_path, host_key=()).list("")
