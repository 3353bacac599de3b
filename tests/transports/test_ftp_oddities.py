"""FTP servers with manners of their own, scripted: 550 for an empty folder, wrong PASV address, MS-DOS listings,
no renaming over, text mode, replies that hang up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.errors import Changed, FolderMissing, Refused, Transient
from pipeline.transports import ftp
from pipeline.transports.ftp import FtpTransport
from pipeline.transports.ftp_settings import FtpSettings, FtpsSettings


@dataclass
class OddServer:
    """Just enough FTP, on files in memory below ``/in``."""

    files: dict[str, bytes] = field(default_factory=dict)
    listing: str = "unix"
    empty: str = "550 No files found"
    pasv_host: str = "10,255,255,1"  #: what a server behind NAT says
    rename_over: bool = True
    fail_rename_to: str | None = None
    features: tuple[str, ...] = ("SIZE", "MDTM")
    hang_up_at: str | None = None
    login: str = "230 Welcome"
    greeting: str = "220 Odd"
    text_mode: bool = True  #: starts each session, and each listing, in text mode
    most: int = 99  #: sessions at once; one more is refused
    busy: str = "greeting"  #: where it is refused: ``greeting`` (421) or ``login`` (530)
    sessions: int = 0
    peak: int = 0
    commands: list[str] = field(default_factory=list)
    port: int = 0

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._listening = threading.Thread(target=self._accept, daemon=True)
        self._listening.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listening.join(5)
        for thread in self._threads:
            thread.join(6)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        # a client that hangs up, or speaks TLS to us, ends its session only
        with sock, ExitStack() as opened, suppress(OSError, UnicodeDecodeError):
            sock.settimeout(5)
            self.sessions += 1
            opened.callback(self._ended)
            self.peak = max(self.peak, self.sessions)
            self._talk(sock, opened)

    def _ended(self) -> None:
        self.sessions -= 1

    def _talk(self, sock: socket.socket, opened: ExitStack) -> None:
        with sock.makefile("rwb", buffering=0) as stream:

            def say(words: str) -> None:
                stream.write(words.encode() + b"\r\n")

            full = self.sessions > self.most
            say("421 There are too many connections from you" if full and self.busy == "greeting" else self.greeting)
            if full and self.busy == "greeting":
                return
            state = {"binary": not self.text_mode, "from": ""}
            passive: socket.socket | None = None
            for line in iter(stream.readline, b""):
                word, _, rest = line.decode().rstrip("\r\n").partition(" ")
                self.commands.append(word)
                if word == self.hang_up_at:
                    self.hang_up_at = None
                    break
                if word == "PASV":
                    passive = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
                    passive.settimeout(5)
                    number = passive.getsockname()[1]
                    say(f"227 Entering Passive Mode ({self.pasv_host},{number >> 8},{number & 255}).")
                elif word in ("LIST", "RETR", "STOR"):
                    assert passive
                    self._transfer(say, passive, word, rest, state)
                    passive.close()
                    passive = None
                elif word == "PASS" and full:
                    say("530 The maximum number of clients for this user is reached")
                else:
                    say(self._answer(word, rest, state))

    def _answer(self, word: str, rest: str, state: dict[str, object]) -> str:
        match word:
            case "USER":
                return "331 Password"
            case "PASS":
                return self.login
            case "PWD":
                return '257 "/" is here'
            case "FEAT":
                return "211-Features:\r\n" + "".join(f" {name}\r\n" for name in self.features) + "211 End"
            case "TYPE":
                state["binary"] = rest == "I"
                return "200 Type set"
            case "CWD":
                return "250 In" if rest.rstrip("/") in ("", "/in") else "550 No such directory"
            case "SIZE" if "SIZE" in self.features:
                if not state["binary"]:
                    return "550 SIZE not allowed in ASCII mode"
                return f"213 {len(self.files[rest])}" if rest in self.files else "550 Not found"
            case "MDTM" if "MDTM" in self.features:
                return "213 20261122202001" if rest in self.files else "550 Not found"
            case "DELE":
                return "250 Gone" if self.files.pop(rest, None) is not None else "550 Not found"
            case "RNFR":
                state["from"] = rest
                return "350 To?" if rest in self.files else "550 Not found"
            case "RNTO":
                old = str(state["from"])
                if (rest in self.files and not self.rename_over) or old == self.fail_rename_to:
                    return "553 It exists already"
                self.files[rest] = self.files.pop(old)
                return "250 Renamed"
        return "502 What?"

    def _transfer(self, say: object, passive: socket.socket, word: str, rest: str, state: dict[str, object]) -> None:
        assert callable(say)
        if word == "LIST" and not self.files:
            say(self.empty)
            return
        if word == "RETR" and rest not in self.files:
            say("550 Not found")
            return
        say("150 Here")
        data, _ = passive.accept()
        with data:
            if word == "LIST":
                state["binary"] = not self.text_mode
                data.sendall(self._lines())
            elif word == "RETR":
                content = self.files[rest]
                data.sendall(content if state["binary"] else content.replace(b"\n", b"\r\n"))
            else:
                content = b"".join(iter(lambda: data.recv(65536), b""))
                self.files[rest] = content if state["binary"] else content.replace(b"\r\n", b"\n")
        say("226 Done")

    def _lines(self) -> bytes:
        rows = []
        for name, content in self.files.items():
            if self.listing == "dos":
                rows.append(f"11-22-26  08:20PM {len(content):20} {name}")
            else:
                rows.append(f"-rw-r--r--   1 owner group {len(content):12} Nov 22 20:20 {name}")
        return "".join(row + "\r\n" for row in rows).encode()


@pytest.fixture
def server() -> Iterator[OddServer]:
    made = OddServer()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def transport(server: OddServer, tmp_path: Path) -> Iterator[FtpTransport]:
    made = FtpTransport("odd", _settings(server), base=tmp_path)
    yield made
    made.close()


def _settings(server: OddServer) -> FtpSettings:
    return FtpSettings.model_validate(
        {"host": "127.0.0.1", "port": server.port, "user": "u", "password": "p", "timeout": 3, "connect_timeout": 3}
    )


@pytest.mark.parametrize("empty", ["550 No files found", "450 No files found", "226 Transfer complete"])
def test_an_empty_folder_and_one_that_is_not_there(server: OddServer, transport: FtpTransport, empty: str) -> None:
    if empty.startswith("226"):
        server.empty = "150 Here\r\n" + empty
        with pytest.raises(Transient):  # no data connection was ever made: that is no answer
            transport.list("in")
        return
    server.empty = empty
    assert list(transport.list("in")) == []
    with pytest.raises(FolderMissing):
        transport.list("gone")


def test_a_folder_that_may_not_be_listed_is_not_empty(server: OddServer, transport: FtpTransport) -> None:
    server.empty = "550 Permission denied"
    with pytest.raises(Refused) as caught:
        transport.list("in")
    assert not isinstance(caught.value, FolderMissing)


@pytest.mark.parametrize("listing", ["unix", "dos"])
def test_there_and_back_in_spite_of_text_mode_and_a_wrong_address(
    server: OddServer, transport: FtpTransport, tmp_path: Path, listing: str
) -> None:
    server.listing = listing
    data = b"a\r\nb\nc\r\r\n"
    transport.write("in", "a b.xml", data)
    assert server.files == {"a b.xml": data}
    files = transport.list("in")
    assert [(file.name, file.size, str(file.modified)) for file in files] == [
        ("a b.xml", len(data), "2026-11-22 20:20:01+00:00")
    ]
    (read,) = transport.read_many(files, tmp_path)
    assert read.path
    assert read.path.read_bytes() == data
    asked = server.commands.count("MDTM")
    transport.list("in")
    assert server.commands.count("MDTM") == asked, "the exact time is asked for once"
    assert transport.delete_many(files)[0].done


def test_a_server_without_size_or_times(server: OddServer, transport: FtpTransport, tmp_path: Path) -> None:
    server.features = ("UTF8",)
    transport.write("in", "a.xml", b"<a/>")
    (file,) = transport.list("in")
    assert file.modified is None
    server.files["a.xml"] = b"<aa/>"
    (outcome,) = transport.delete_many([file])
    assert isinstance(outcome.error, Changed)
    (outcome,) = transport.delete_many(transport.list("in"))
    assert outcome.done
    assert server.files == {}


def test_a_swap_and_the_old_file_back_when_it_fails(server: OddServer, transport: FtpTransport) -> None:
    server.rename_over = False
    server.files["a.csv"] = b"old"
    transport.write("in", "a.csv", b"new")
    assert server.files == {"a.csv": b"new"}
    server.fail_rename_to = "a.csv.part"
    with pytest.raises(Refused):
        transport.write("in", "a.csv", b"newer")
    assert server.files == {"a.csv": b"new"}


def test_a_listing_that_is_not_understood_is_said(
    server: OddServer, transport: FtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["a"] = b""
    monkeypatch.setattr(server, "_lines", lambda: b"+i8388621.48594,m825718503,r,s280,\tdjb.html\r\n")
    with pytest.raises(Refused) as caught:
        transport.list("in")
    assert "djb.html" in str(caught.value)


@pytest.mark.parametrize("word", ["TYPE", "PASV", "RETR"])
def test_a_connection_that_breaks_in_a_read_is_opened_again(
    server: OddServer, transport: FtpTransport, tmp_path: Path, word: str
) -> None:
    server.files = {"a.xml": b"1", "b.xml": b"22"}
    files = transport.list("in")
    server.hang_up_at = word
    assert [result.error for result in transport.read_many(files, tmp_path)] == [None, None]
    server.hang_up_at = "DELE"
    assert all(outcome.done for outcome in transport.delete_many(files))
    assert server.files == {}


@pytest.mark.parametrize(
    ("greeting", "login", "kind"),
    [
        ("220 Odd", "530 Login incorrect", Refused),
        ("421 Too many connections (8)", "", Transient),
        ("220 Odd", "421 Too many users", Transient),
    ],
)
def test_a_login_that_fails(
    server: OddServer, transport: FtpTransport, greeting: str, login: str, kind: type[Exception]
) -> None:
    server.greeting, server.login = greeting, login
    with pytest.raises(kind) as caught:
        transport.list("in")
    assert (login or greeting)[4:] in str(caught.value), "the server's own words"
    assert server.commands.count("PASS") <= 1


@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_a_server_without_tls_gets_no_password(server: OddServer, tmp_path: Path, tls: str) -> None:
    settings = FtpsSettings.model_validate(
        {"host": "127.0.0.1", "port": server.port, "user": "u", "password": "p", "tls": tls, "connect_timeout": 3}
    )
    with pytest.raises(Refused) as caught:
        FtpTransport("odd", settings, base=tmp_path).list("in")
    assert "TLS" in str(caught.value)
    assert "PASS" not in server.commands
    assert "USER" not in server.commands


@pytest.mark.parametrize("always", [False, True])
def test_a_listing_whose_end_is_not_said_is_asked_for_again(
    server: OddServer, transport: FtpTransport, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    """A TLS data connection that is cut though the server says 226; or a server that never says goodbye on it."""
    server.files = {"a.xml": b"<a/>", "b.xml": b"<b/>"}
    cut: list[bool] = []

    def piece_of(conn: socket.socket, size: int) -> bytes | None:
        piece = conn.recv(size)
        if piece and not cut and not always:
            cut.append(True)
            return None  # nothing of it came
        if not piece and always:
            return None  # all of it came, and no goodbye
        return piece

    monkeypatch.setattr(ftp, "piece_of", piece_of)
    for _ in range(2):
        assert sorted(file.name for file in transport.list("in")) == ["a.xml", "b.xml"]
    listings = [command for command in server.commands if command.startswith("LIST")]
    assert len(listings) == 3, "one more, once"
