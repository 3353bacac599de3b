"""The scripted FTP server is a server like others: the one contract of transports holds on it, in its modern and in its
old manners; and its faults are what they say."""

from __future__ import annotations

import ftplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.ports import Transport
from pipeline.testing.ftpd import Cut, FtpServer, Told
from pipeline.testing.transport_contract import ServerContract, ServerSubject
from pipeline.transports.ftp import FtpTransport
from pipeline.transports.ftp_settings import FtpSettings
from tests.contracts.test_transports import Disk
from tests.servers.certs import self_signed


@pytest.mark.parametrize("manners", ["modern", "old"])
class TestScriptedFtp(ServerContract):
    """With MLSD and TLS; and as old servers are: LIST only, 550 for an empty folder, text mode after each listing, no
    renaming over."""

    @pytest.fixture
    def subject(self, tmp_path_factory: pytest.TempPathFactory, manners: str) -> Iterator[ServerSubject]:
        folder = tmp_path_factory.mktemp("ftp")
        (folder / "root" / "inbox").mkdir(parents=True)
        tls: ssl.SSLContext | None = None
        more: dict[str, Any] = {}
        if manners == "modern":
            certificate = self_signed(folder)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            more = {"tls": "explicit", "ca": certificate}
        server = FtpServer(folder / "root", user="shop", password="s3cret", tls=tls)
        if manners == "old":
            server.features = {"SIZE", "MDTM"}
            server.empty, server.text_mode, server.rename_over = "550 No files found", "listing", False

        def make(password: str = "s3cret") -> Transport:
            given = {"host": server.host, "port": server.port, "user": "shop", "password": password, "timeout": 10}
            return FtpTransport("shop", FtpSettings.model_validate({**given, **more}), base=folder)

        def start() -> None:
            server.start()

        with server:
            yield ServerSubject(
                open=make,
                folder="inbox",
                far=Disk(folder / "root" / "inbox"),
                wrong_password=lambda: make("wrong"),
                stop=server.stop,
                start=start,
            )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    (tmp_path / "inbox").mkdir()
    with FtpServer(tmp_path, user="shop", password="s3cret") as running:
        yield running


@pytest.fixture
def client(server: FtpServer) -> Iterator[ftplib.FTP]:
    ftp = ftplib.FTP(encoding="latin-1", timeout=5)
    ftp.connect(server.host, server.port)
    ftp.login("shop", "s3cret")
    yield ftp
    ftp.close()


def test_a_fault_answers_instead_of_the_act(server: FtpServer, client: ftplib.FTP, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "a.xml").write_bytes(b"<a/>")
    asked: list[tuple[str, str]] = []

    def fault(act: str, path: str) -> str | None:
        asked.append((act, path))
        return "550 Locked" if act in ("read", "delete") else None

    server.fault = fault
    with pytest.raises(ftplib.error_perm, match="550 Locked"):
        client.delete("inbox/a.xml")
    client.cwd("inbox")
    with pytest.raises(ftplib.error_perm, match="550 Locked"):
        client.retrbinary("RETR a.xml", lambda _: None)
    assert (tmp_path / "inbox" / "a.xml").exists()
    assert asked == [("delete", "inbox/a.xml"), ("enter", "inbox"), ("read", "inbox/a.xml")]


def test_a_lost_answer_was_done(server: FtpServer, client: ftplib.FTP, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "a.xml").write_bytes(b"<a/>")

    def after(act: str, path: str) -> None:
        if act == "delete":
            raise Cut

    server.after = after
    with pytest.raises(EOFError):
        client.delete("inbox/a.xml")
    assert not (tmp_path / "inbox" / "a.xml").exists()


def test_lies_ghosts_and_text(server: FtpServer, client: ftplib.FTP, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "a.xml").write_bytes(b"1\n2")
    server.ghosts["inbox/" + "x" * 300] = b"ghost"

    def lie(path: str, told: Told, command: str) -> None:
        if path.endswith("a.xml") and command == "SIZE":
            told.size = 99

    server.lie = lie
    client.voidcmd("TYPE I")
    assert client.size("inbox/a.xml") == 99
    assert {name for name, _ in client.mlsd("inbox")} == {"a.xml", "x" * 300}
    got: list[bytes] = []
    client.retrbinary("RETR inbox/" + "x" * 300, got.append)
    client.retrbinary("RETR inbox/a.xml", got.append)
    server.text_mode = "always"
    client.retrbinary("RETR inbox/a.xml", got.append)
    server.mangle = lambda _path, data: data[:1]
    client.retrbinary("RETR inbox/a.xml", got.append)
    assert got == [b"ghost", b"1\n2", b"1\r\n2", b"1"]
    client.delete("inbox/" + "x" * 300)
    assert server.ghosts == {}


def test_no_path_leads_out(server: FtpServer, client: ftplib.FTP, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    outside.write_text("secret", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path.parent)
    for path in (f"../{outside.name}", f"/../../{outside.name}", f"link/{outside.name}", str(outside)):
        with pytest.raises(ftplib.error_perm):
            client.retrbinary(f"RETR {path}", lambda _: None)
        with pytest.raises(ftplib.error_perm):
            client.delete(path)
    assert outside.read_text(encoding="utf-8") == "secret"


def test_without_tls_nobody_logs_in(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(self_signed(tmp_path))
    with FtpServer(tmp_path / "root", user="shop", password="s3cret", tls=tls) as server:
        ftp = ftplib.FTP(timeout=5)
        ftp.connect(server.host, server.port)
        with pytest.raises(ftplib.error_perm, match="TLS"):
            ftp.login("shop", "s3cret")
        ftp.close()
