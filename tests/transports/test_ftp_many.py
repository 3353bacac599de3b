"""Many files over several FTP connections: all of them, within the server's own limit, also when connections break."""

from __future__ import annotations

import ftplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.errors import Changed, MistokError, Transient
from pipeline.ports import RemoteFile, read_small
from pipeline.transports import ftp_many
from pipeline.transports.ftp import FtpTransport
from pipeline.transports.ftp_many import FtpManyTransport
from pipeline.transports.ftp_settings import FtpSettings
from tests.transports.test_ftp_oddities import OddServer

COUNT = 40


@pytest.fixture
def server() -> Iterator[OddServer]:
    made = OddServer(files={f"{number:02}.xml": b"line\n" * number for number in range(1, COUNT + 1)})
    made.start()
    yield made
    made.stop()


def _open(server: OddServer, base: Path, connections: int = 4) -> FtpManyTransport:
    login = {"host": "127.0.0.1", "port": server.port, "user": "u", "password": "p", "timeout": 3, "connect_timeout": 3}
    settings = FtpSettings.model_validate({**login, "connections": connections})
    return FtpManyTransport("odd", settings, base=base)


def _read(transport: FtpManyTransport, into: Path) -> dict[str, bytes | MistokError | None]:
    into.mkdir()
    results = list(transport.read_many(transport.list("in"), into))
    return {one.file.name: one.path.read_bytes() if one.path else one.error for one in results}


@pytest.mark.parametrize("connections", [1, 2, 8])
def test_all_files_come_and_go_whole(server: OddServer, tmp_path: Path, connections: int) -> None:
    """Each on its own session, in binary mode: this server begins each of them in text mode."""
    there = dict(server.files)
    transport = _open(server, tmp_path, connections)
    assert _read(transport, tmp_path / "into") == there
    assert server.peak <= connections
    assert (server.peak > 1) == (connections > 1)
    files = transport.list("in")
    outcomes = transport.delete_many(files)
    assert [outcome.file for outcome in outcomes] == files, "in the order in which they were named"
    assert all(outcome.done for outcome in outcomes)
    assert server.files == {}
    transport.close()


@pytest.mark.parametrize("busy", ["greeting", "login"])
@pytest.mark.parametrize("most", [1, 3])
def test_a_server_that_lets_few_in_is_not_pressed(server: OddServer, tmp_path: Path, busy: str, most: int) -> None:
    server.most, server.busy = most, busy
    there = dict(server.files)
    transport = _open(server, tmp_path, 8)
    with capture_logs() as said:
        assert _read(transport, tmp_path / "one") == there
        calls = server.commands.count("USER")
        assert _read(transport, tmp_path / "two") == there
    assert server.commands.count("USER") == calls, "nobody knocks again"
    (words,) = [line for line in said if line["event"] == "fewer_connections"]
    assert 1 <= words["connections"] <= most
    transport.close()


def test_what_a_broken_connection_was_at_is_done_on_the_first_one(
    server: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = dict(server.files)
    broken: list[str] = []
    fetch = ftp_many.FtpHand._fetch

    def breaks(hand: ftp_many.FtpHand, file: RemoteFile, copy: Path, limit: int) -> object:
        broken.append(file.name)
        raise ftplib.error_temp("426 Connection closed; transfer aborted")

    monkeypatch.setattr(ftp_many.FtpHand, "_fetch", breaks)
    transport = _open(server, tmp_path)
    assert _read(transport, tmp_path / "into") == there
    assert broken
    monkeypatch.setattr(ftp_many.FtpHand, "_fetch", fetch)
    transport.close()


def test_a_changed_file_is_not_deleted_whichever_connection_looks(server: OddServer, tmp_path: Path) -> None:
    transport = _open(server, tmp_path, 8)
    files = transport.list("in")
    for file in files[::3]:
        server.files[file.name] += b"more"
    outcomes = {outcome.file: outcome for outcome in transport.delete_many(files)}
    assert all(isinstance(outcomes[file].error, Changed) for file in files[::3])
    assert set(server.files) == {file.name for file in files[::3]}
    gone = transport.delete_many(files)
    assert sum(outcome.gone for outcome in gone) == len(files) - len(files[::3])
    transport.close()


def test_a_server_that_is_gone_is_told_for_each_file(server: OddServer, tmp_path: Path) -> None:
    transport = _open(server, tmp_path)
    files = transport.list("in")
    transport.close()
    server.greeting = "421 Closing down"
    (tmp_path / "into").mkdir()
    results = list(transport.read_many(files, tmp_path / "into"))
    assert len(results) == COUNT
    assert all(isinstance(one.error, Transient) for one in results)


def test_who_is_stopped_leaves_nobody_at_work(
    server: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    transport = _open(server, tmp_path)
    files = transport.list("in")
    (tmp_path / "into").mkdir()
    monkeypatch.setattr(FtpTransport, "read_small", stopped)
    with pytest.raises(KeyboardInterrupt):
        list(transport.read_many(files, tmp_path / "into"))
    monkeypatch.undo()
    for thread in threading.enumerate():
        if thread.name == "mistok-ftp":
            thread.join(5)
            assert not thread.is_alive()
    (tmp_path / "again").mkdir()
    results = list(transport.read_many(transport.list("in"), tmp_path / "again"))
    assert len(results) == COUNT
    assert all(one.error is None for one in results)
    transport.close()


def test_small_files_come_without_a_copy_on_the_disk(server: OddServer, tmp_path: Path) -> None:
    transport = _open(server, tmp_path)
    limit = max(map(len, server.files.values())) - 1
    into = tmp_path / "into"
    into.mkdir(exist_ok=True)
    results = {one.file.name: one for one in read_small(transport, transport.list("in"), into, limit)}
    transport.close()
    assert {name: one.data if one.path is None else one.path.read_bytes() for name, one in results.items()} == {
        name.rpartition("/")[2]: data for name, data in server.files.items()
    }
    assert all((one.data is not None) == (one.size <= limit) for one in results.values())
    assert len(list(into.iterdir())) == sum(one.path is not None for one in results.values())
