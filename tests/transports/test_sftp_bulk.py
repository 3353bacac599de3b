"""Large files over SFTP: windows of requests that slide over a file, pieces that come short, several channels."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.errors import Changed, MistokError, Refused, Transient
from pipeline.ports import Upload
from pipeline.testing.sftpd import Cut, SftpServer
from pipeline.transports import sftp, sftp_bulk
from pipeline.transports import sftp_wire as w
from tests.transports.test_sftp_faults import _open

CONTENT = bytes(range(256)) * 40
CHUNK = 1000

#: Called with offset and length of a read: the bytes that are answered (none: the end of the file).
Serve = Callable[[int, int], bytes]


def _answered(request: w.Request, serve: Serve, size: int | None) -> w.Reply:
    if request.kind == w.FSTAT:
        return w.Reply(w.ATTRS, struct.pack(">I", 0) if size is None else struct.pack(">IQ", 1, size))
    offset, length = struct.unpack(">QI", request.body[-12:])
    data = serve(offset, length)
    return w.Reply(w.DATA, w.string(data)) if data else w.Reply(w.STATUS, struct.pack(">I", w.EOF))


def _fetch(serve: Serve, *, listed: int, size: int | None, at_once: int = 1) -> tuple[int, str, bytes, int]:
    """Bytes, hash and copy that :func:`sftp_bulk.fetch` makes of it, and the most requests in flight."""
    target = io.BytesIO()
    task = sftp_bulk.fetch(b"h", listed, target, CHUNK)
    waiting: list[w.Request] = []
    most = 0
    try:
        waiting += next(task)
        while True:
            most = max(most, len(waiting))
            some, waiting = waiting[:at_once], waiting[at_once:]
            waiting += task.send([_answered(request, serve, size) for request in some])
    except StopIteration as stop:
        got, digest, _ = stop.value
    return got, digest, target.getvalue(), most


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_bulk, "READ_AHEAD", 4 * CHUNK)
    monkeypatch.setattr(sftp_bulk, "SHORTEST", 10)
    monkeypatch.setattr(sftp_bulk, "REQUESTS", 8)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize("least", [None, 999, 300, 7])
def test_a_file_comes_whole_however_it_is_cut(at_once: int, size: int | None, least: int | None) -> None:
    content = CONTENT if least != 7 else CONTENT[:900]

    def serve(offset: int, length: int) -> bytes:
        return content[offset : offset + min(length, least or length)]

    got, digest, copy, most = _fetch(serve, listed=len(content), size=size and len(content), at_once=at_once)
    assert (got, copy) == (len(content), content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert most <= sftp_bulk.REQUESTS + 1


def test_one_short_piece_in_the_middle() -> None:
    short = iter([b"", CONTENT[3000:3001]])

    def serve(offset: int, length: int) -> bytes:
        return next(short, b"") or CONTENT[offset : offset + length] if offset == 3000 else CONTENT[offset:][:length]

    next(short)
    assert _fetch(serve, listed=len(CONTENT), size=len(CONTENT))[2] == CONTENT


def test_a_file_that_grew_is_read_one_byte_further_and_one_that_shrank_ends() -> None:
    def serve(offset: int, length: int) -> bytes:
        return CONTENT[offset : offset + length]

    assert _fetch(serve, listed=len(CONTENT) - 2500, size=len(CONTENT))[0] == len(CONTENT) - 2499
    assert _fetch(serve, listed=len(CONTENT) + 9000, size=len(CONTENT))[0] == len(CONTENT)
    assert _fetch(lambda *_: b"", listed=5000, size=5000)[0] == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    root = tmp_path / "root"
    root.mkdir()
    with SftpServer(root, user="shop", password="s3cret") as running:
        yield running


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server is far, every file large, every piece small."""
    monkeypatch.setattr(sftp, "FAR", 0)
    monkeypatch.setattr(sftp, "WIDE", 1)
    monkeypatch.setattr(sftp_bulk, "SEND_AHEAD", 4 * w.SAFE_CHUNK)
    monkeypatch.setattr(sftp_bulk, "STRETCH", 2)


BIG = b"".join(number.to_bytes(4, "big") for number in range(500_000))


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("as_file", [True, False])
def test_a_large_file_goes_over_several_channels(server: SftpServer, tmp_path: Path, as_file: bool) -> None:
    source = tmp_path / "big"
    source.write_bytes(BIG)
    transport = _open(server, tmp_path, timeout=60)
    for _ in range(2):  # the second time the channels are there
        written = transport.write("", "catalogue.csv", source if as_file else BIG)
        assert written.size == len(BIG)
        assert [path.name for path in server.root.iterdir()] == ["catalogue.csv"]
        assert (server.root / "catalogue.csv").read_bytes() == BIG
        (server.root / "catalogue.csv").unlink()
    transport.close()


def _nothing(_handle: bytes, _pieces: sftp_bulk.Pieces) -> w.Task[int]:
    yield []
    return 0


@pytest.mark.usefixtures("wide")
def test_the_further_channels_do_their_part(
    server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, when the first one leaves it to them."""
    monkeypatch.setattr(sftp, "send", _nothing)
    transport = _open(server, tmp_path, timeout=60)
    assert transport.write("", "catalogue.csv", BIG).size == len(BIG)
    assert (server.root / "catalogue.csv").read_bytes() == BIG
    transport.close()


@pytest.mark.usefixtures("wide")
def test_a_server_that_lets_one_channel_in_is_sent_it_over_that(
    server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> w.Wire:
        raise OSError("no more sessions")

    monkeypatch.setattr("pipeline.transports.sftp_session.Session.lane", refused)
    transport = _open(server, tmp_path, timeout=60)
    with capture_logs() as said:
        for name in ("one", "two"):
            transport.write("", name, BIG)
            assert (server.root / name).read_bytes() == BIG
    (words,) = [line for line in said if line["event"] == "fewer_channels"]
    assert "no more sessions" in words["words"]
    transport.close()


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("kind", ["opens", "writes", "breaks"])
def test_a_channel_that_fails_costs_nothing_but_time(
    server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The old file stands until the new one is whole, which goes over one channel then."""
    (server.root / "catalogue.csv").write_bytes(b"old")
    lane = sftp_bulk.Lanes._lane

    def fails(self: sftp_bulk.Lanes) -> w.Task[int]:
        if kind == "opens":
            raise w.SftpStatus(w.FAILURE, "no")
        if kind == "writes":
            (opened,) = yield [w.open_more(b"none such")]
            opened.handle()
        yield from lane(self)
        raise w.ProtocolError("the server closed the session")

    monkeypatch.setattr(sftp_bulk.Lanes, "_lane", fails)
    transport = _open(server, tmp_path, timeout=60)
    assert transport.write("", "catalogue.csv", BIG).size == len(BIG)
    assert (server.root / "catalogue.csv").read_bytes() == BIG
    assert [path.name for path in server.root.iterdir()] == ["catalogue.csv"]
    transport.close()


@pytest.mark.usefixtures("wide")
def test_a_source_that_changes_meanwhile_is_not_published(
    server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "big"
    source.write_bytes(BIG)
    (server.root / "catalogue.csv").write_bytes(b"old")
    take = sftp_bulk.Pieces.take

    def grows(self: sftp_bulk.Pieces) -> Iterator[tuple[int, bytes]]:
        yield from take(self)
        with source.open("ab") as stream:
            stream.write(b"more")

    monkeypatch.setattr(sftp_bulk.Pieces, "take", grows)
    transport = _open(server, tmp_path, timeout=60)
    with pytest.raises(Transient):
        transport.write("", "catalogue.csv", source)
    assert {path.name: path.read_bytes() for path in server.root.iterdir()} == {"catalogue.csv": b"old"}
    transport.close()


def test_a_server_in_small_pieces_and_a_change_on_the_way(server: SftpServer, tmp_path: Path) -> None:
    """It gives 3,000 bytes however many are asked; then a file that changed since it was listed."""
    (server.root / "big").write_bytes(BIG[:200_000])
    server.piece = 3000
    transport = _open(server, tmp_path, timeout=60)
    into = tmp_path / "into"
    into.mkdir()
    files = transport.list("")
    (result,) = transport.read_many(files, into)
    assert result.path is not None
    assert result.path.read_bytes() == BIG[:200_000]
    assert result.sha256 == hashlib.sha256(BIG[:200_000]).hexdigest()
    (server.root / "big").write_bytes(BIG[:300_000])
    (result,) = transport.read_many(files, into)
    assert isinstance(result.error, Changed)
    assert isinstance(result.error, MistokError)
    transport.close()


def test_files_side_by_side_outlive_a_connection_that_breaks_once(server: SftpServer, tmp_path: Path) -> None:
    """All are there whole, and no partial file; so with a server that opens few files at once."""
    broken: list[str] = []

    def fault(word: str, path: str) -> int | None:
        if word == "write" and path.startswith("07") and not broken:
            broken.append(path)
            raise Cut
        return None

    server.fault = fault
    transport = _open(server, tmp_path, timeout=60)
    uploads = [Upload("", f"{number:02}.jpg", bytes([number]) * 50_000) for number in range(20)]
    results = list(transport.write_many(uploads))
    assert broken
    assert [written.error for written in results] == [None] * 20
    there = {path.name: path.read_bytes() for path in server.root.iterdir()}
    assert there == {upload.name: upload.source for upload in uploads}
    transport.close()


def test_a_refused_file_spoils_only_itself_and_a_dead_server_is_told_of_each(
    server: SftpServer, tmp_path: Path
) -> None:
    (server.root / "03.jpg").write_bytes(b"old")
    server.fault = lambda word, path: 3 if "rename" in word and path.startswith("03") else None
    transport = _open(server, tmp_path, timeout=60)
    uploads = [Upload("", f"{number:02}.jpg", b"new") for number in range(8)]
    errors = {written.upload.name: written.error for written in transport.write_many(uploads) if written.error}
    assert set(errors) == {"03.jpg"}
    assert isinstance(errors["03.jpg"], Refused)
    there = {path.name: path.read_bytes() for path in server.root.iterdir()}
    assert there == {upload.name: b"old" if upload.name == "03.jpg" else b"new" for upload in uploads}
    transport.close()
    server.stop()
    results = list(transport.write_many(uploads))
    assert len(results) == 8
    assert all(isinstance(written.error, Transient) for written in results)
