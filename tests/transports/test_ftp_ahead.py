"""FTP commands that are sent before the replies to those before: fewer round trips, and the same promises."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from pipeline.errors import Changed, Refused, Transient
from pipeline.testing.ftpd import FtpServer
from pipeline.transports import ftp_session
from pipeline.transports.ftp import FtpTransport
from pipeline.transports.ftp_many import FtpManyTransport
from pipeline.transports.ftp_settings import FtpSettings
from tests.transports.test_ftp_oddities import OddServer

COUNT = 70


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    for number in range(COUNT):
        (root / "in" / f"{number:02}.xml").write_bytes(b"x" * number)
    with FtpServer(root, user="shop", password="s3cret") as running:
        yield running


def _open(port: int, base: Path, **more: object) -> FtpManyTransport:
    login = {"host": "127.0.0.1", "port": port, "user": "shop", "password": "s3cret", "timeout": 60}
    return FtpManyTransport("shop", FtpSettings.model_validate({**login, **more}), base=base)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a server that answers is not taken for one that does not."""
    monkeypatch.setattr(ftp_session, "_TRIAL", 60)


def _left(server: FtpServer) -> set[str]:
    return {path.name for path in (server.root / "in").iterdir()}


@pytest.mark.parametrize("features", [{"MLST", "SIZE", "MDTM"}, {"SIZE", "MDTM"}, {"SIZE"}, set()])
def test_looks_and_deletes_go_out_in_two_packets_for_many(
    server: FtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: set[str]
) -> None:
    """Whatever the server knows; one of them has changed and one is gone."""
    server.features = features
    transport = _open(server.port, tmp_path, connections=1)
    files = transport.list("in")
    (server.root / "in" / "05.xml").write_bytes(b"another size")
    (server.root / "in" / "06.xml").unlink()
    asked: list[int] = []
    ask = ftp_session.Session._ask_ahead

    def counted(session: ftp_session.Session, commands: list[str]) -> object:
        asked.append(len(commands))
        return ask(session, commands)

    monkeypatch.setattr(ftp_session.Session, "_ask_ahead", counted)
    outcomes = {outcome.file.name: outcome for outcome in transport.delete_many(files)}
    assert len(outcomes) == COUNT
    assert isinstance(outcomes.pop("05.xml").error, Changed)
    assert outcomes.pop("06.xml").gone
    assert all(outcome.done and not outcome.gone for outcome in outcomes.values())
    assert _left(server) == {"05.xml"}
    if "SIZE" in features:
        assert max(asked) == ftp_session.AHEAD
        assert len(asked) < 20
    transport.close()


def test_moves_keep_their_names_apart(server: FtpServer, tmp_path: Path) -> None:
    (server.root / "done").mkdir()
    (server.root / "done" / "03.xml").write_bytes(b"older")
    transport = _open(server.port, tmp_path)
    files = transport.list("in")
    assert all(outcome.done for outcome in transport.move_many(files, "done"))
    assert _left(server) == set()
    there = {path.name: path.stat().st_size for path in (server.root / "done").iterdir()}
    assert there == {**{f"{n:02}.xml": n for n in range(COUNT)}, "03.xml": 5, "03-1.xml": 3}
    transport.close()


def test_a_refused_delete_is_told_of_that_file_alone(server: FtpServer, tmp_path: Path) -> None:
    server.fault = lambda word, path: "550 Permission denied" if (word, path) == ("delete", "in/07.xml") else None
    transport = _open(server.port, tmp_path)
    outcomes = {outcome.file.name: outcome for outcome in transport.delete_many(transport.list("in"))}
    assert isinstance(outcomes.pop("07.xml").error, Refused)
    assert all(outcome.done for outcome in outcomes.values())
    transport.close()


def test_a_lost_reply_is_looked_up(server: FtpServer, tmp_path: Path) -> None:
    """The line ends when a delete was done and not answered: nothing is told undone that was done."""

    def after(word: str, path: str) -> None:
        if (word, path) == ("delete", "in/09.xml"):
            server.after = None
            server.cut()

    server.after = after
    transport = _open(server.port, tmp_path, connections=1)
    outcomes = transport.delete_many(transport.list("in"))
    assert all(outcome.done for outcome in outcomes)
    assert _left(server) == set()
    transport.close()


class Deaf(OddServer):
    """Throws away what was sent before it had answered, as a server does that reads by the packet."""

    thrown = 0

    def _talk(self, sock: socket.socket, opened: object) -> None:
        super()._talk(_Deaf(sock, self), opened)  # type: ignore[arg-type]


class _Deaf:
    def __init__(self, sock: socket.socket, owner: Deaf) -> None:
        self._sock, self._owner = sock, owner

    def makefile(self, *_: object, **__: object) -> _Deaf:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def write(self, data: bytes) -> None:
        self._sock.sendall(data)

    def readline(self) -> bytes:
        first, _, rest = self._sock.recv(65536).partition(b"\n")
        self._owner.thrown += rest.count(b"\n")
        return first + b"\n" if first else b""


def test_a_server_that_cannot_bear_it_is_asked_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ftp_session, "_TRIAL", 0.3)
    server = Deaf(files={f"{number:02}.xml": b"line\n" * number for number in range(1, 8)})
    server.start()
    settings = FtpSettings.model_validate(
        {"host": "127.0.0.1", "port": server.port, "user": "u", "password": "p", "timeout": 5}
    )
    transport = FtpTransport("odd", settings, base=tmp_path)
    try:
        files = transport.list("in")
        assert server.thrown == 1, "tried once, with a command that does nothing"
        assert len(files) == 7
        assert all(outcome.done for outcome in transport.delete_many(files))
        assert server.files == {}
        assert server.thrown == 1
    finally:
        transport.close()
        server.stop()


@pytest.mark.parametrize(
    ("words", "crowded"),
    [
        ("530 Sorry, the maximum number of clients (5) for this user are already connected.", True),
        ("530 Sorry, the maximum number of allowed clients (10) are already connected.", True),
        ("530 Too many connections from this IP", True),
        ("530 Login incorrect.", False),
        ("530 Too many failed logins", False),
        ("530 User shop cannot log in", False),
    ],
)
def test_too_many_logins_are_no_wrong_login(tmp_path: Path, words: str, crowded: bool) -> None:
    server = OddServer(login=words)
    server.start()
    settings = FtpSettings.model_validate({"host": "127.0.0.1", "port": server.port, "user": "u", "password": "p"})
    transport = FtpTransport("odd", settings, base=tmp_path)
    try:
        with pytest.raises(Transient if crowded else Refused) as raised:
            transport.list("in")
        assert words[4:] in str(raised.value)
    finally:
        transport.close()
        server.stop()


def test_a_hand_asks_nothing_that_is_known(server: FtpServer, tmp_path: Path) -> None:
    server.features |= {"UTF8"}
    transport = _open(server.port, tmp_path, connections=4)
    (tmp_path / "into").mkdir()
    files = transport.list("in")
    results = list(transport.read_many(files, tmp_path / "into"))
    assert all(result.error is None for result in results)
    outcomes = transport.delete_many(files)
    assert all(outcome.done for outcome in outcomes)
    logins = server.commands.count("USER shop")
    assert logins > 1
    assert server.commands.count("FEAT") == server.commands.count("PWD") == 1
    transport.close()
