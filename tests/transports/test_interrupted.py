"""A session that is stopped between a question and its answer (Ctrl-C) is not used again: the answer that is still to
come would be taken for that of the next question. Whoever cleans up after a Ctrl-C does so on the same transport."""

from __future__ import annotations

import ftplib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import paramiko
import pytest

from pipeline.ports import Transport
from pipeline.testing.ftpd import FtpServer
from pipeline.testing.sftpd import SftpServer
from pipeline.transports.ftp import FtpTransport
from pipeline.transports.ftp_settings import FtpSettings
from pipeline.transports.sftp import SftpSettings, SftpTransport
from pipeline.transports.sftp_session import said

Act = Callable[[Transport, Path], object]


@pytest.fixture(params=["sftp", "ftp"])
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transport]:
    root = tmp_path / "root"
    (root / "inbox").mkdir(parents=True)
    for name in ("a.xml", "b.xml"):
        (root / "inbox" / name).write_bytes(f"<order>{name}</order>".encode())
    if request.param == "sftp":
        with SftpServer(root, user="shop", password="s3cret") as sftp:
            login = {"host": sftp.host, "port": sftp.port, "user": "shop", "password": "s3cret", "timeout": 3}
            settings = SftpSettings.model_validate({**login, "host_key": sftp.fingerprint})
            made: Transport = SftpTransport("shop", settings, base=tmp_path)
            yield made
            made.close()
    else:
        with FtpServer(root, user="shop", password="s3cret") as ftp:
            login = {"host": ftp.host, "port": ftp.port, "user": "shop", "password": "s3cret", "timeout": 3}
            made = FtpTransport("shop", FtpSettings.model_validate(login), base=tmp_path)
            yield made
            made.close()


def _interrupt_at(answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the ``answer``-th answer from now on is waited for, once."""
    left = [answer]

    def interrupted() -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # it is the server that listens
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    recv, getline = paramiko.Channel.recv, ftplib.FTP.getline

    def channel_recv(self: paramiko.Channel, nbytes: int) -> bytes:
        interrupted()
        return recv(self, nbytes)

    def ftp_getline(self: ftplib.FTP) -> str:
        interrupted()
        return getline(self)

    monkeypatch.setattr(paramiko.Channel, "recv", channel_recv)
    monkeypatch.setattr(ftplib.FTP, "getline", ftp_getline)


ACTS: dict[str, Act] = {
    "list": lambda transport, _: transport.list("inbox"),
    "read": lambda transport, into: list(transport.read_many(transport.list("inbox"), into)),
    "write": lambda transport, _: transport.write("inbox", "c.xml", b"new"),
    "delete": lambda transport, _: transport.delete_many(transport.list("inbox")),
    "move": lambda transport, _: transport.move_many(transport.list("inbox"), "done"),
}


@pytest.mark.parametrize("answer", range(1, 6))
@pytest.mark.parametrize("act", ACTS)
def test_no_answer_is_taken_for_that_of_another_question(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, answer: int
) -> None:
    (tmp_path / "into").mkdir()
    transport.list("inbox")  # logged in before
    with monkeypatch.context() as patched:
        _interrupt_at(answer, patched)
        try:
            ACTS[act](transport, tmp_path / "into")
        except KeyboardInterrupt:
            pass
        else:
            return  # it needs fewer answers
    until = time.monotonic() + 5
    while True:  # the server may still be at what it was asked for
        files = transport.list("inbox")
        there = {path.name: path.read_bytes() for path in (tmp_path / "root" / "inbox").iterdir()}
        if {file.name: file.size for file in files} == {name: len(data) for name, data in there.items()}:
            break
        assert time.monotonic() < until, "the listing is that of another question"
    for result in transport.read_many(files, tmp_path / "into"):
        assert result.error is None
        assert result.path is not None
        assert result.path.read_bytes() == there[result.file.name]
    transport.write("inbox", "last.xml", b"last")
    assert (tmp_path / "root" / "inbox" / "last.xml").read_bytes() == b"last"


def test_whoever_is_stopped_while_the_library_is_loaded_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", ModuleType("paramiko"))  # half of it is there
    with pytest.raises(KeyboardInterrupt), said(SftpSettings(host="h", user="u")):
        raise KeyboardInterrupt
