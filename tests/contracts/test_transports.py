"""The one contract, over every transport and every server that we can run."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, HostKeyRefused, Refused
from pipeline.ports import Transport
from pipeline.testing.sftpd import SftpServer
from pipeline.testing.transport_contract import (
    RightsContract,
    RightsSubject,
    ServerContract,
    ServerSubject,
    Subject,
    TransportContract,
)
from pipeline.transports import TRANSPORTS
from pipeline.transports.ftp_many import FtpManyTransport
from pipeline.transports.local import LocalSettings, LocalTransport
from pipeline.transports.memory import MemoryTransport
from pipeline.transports.sftp import SftpTransport
from tests.servers.common import Server


@dataclass
class Disk:
    """The far side as a folder of this machine."""

    home: Path
    own: Callable[[Path], Path] | None = None

    def put(self, name: str, data: bytes) -> None:
        path = self.home / name
        path.write_bytes(data)
        if self.own:
            self.own(path)

    def files(self, folder: str = "") -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.home / folder).iterdir() if path.is_file()}

    def remove(self, name: str) -> None:
        (self.home / name).unlink()


@dataclass
class InMemory:
    """The far side of the memory transport."""

    transport: MemoryTransport

    def put(self, name: str, data: bytes) -> None:
        self.transport.write("inbox", name, data)

    def files(self, folder: str = "") -> Mapping[str, bytes]:
        where = f"inbox/{folder}" if folder else "inbox"
        return {name: data for name, (data, _) in self.transport.files[where].items()}

    def remove(self, name: str) -> None:
        del self.transport.files["inbox"][name]


class TestMemory(TransportContract):
    """Without any server."""

    @pytest.fixture
    def subject(self) -> Subject:
        transport = MemoryTransport(folders=("", "inbox"))
        return Subject(open=lambda: transport, folder="inbox", far=InMemory(transport))


class TestLocal(TransportContract):
    """A folder of this machine."""

    @pytest.fixture
    def subject(self, tmp_path_factory: pytest.TempPathFactory) -> Subject:
        base = tmp_path_factory.mktemp("local")
        (base / "root" / "inbox").mkdir(parents=True)
        settings = LocalSettings(path=Path("root"))
        return Subject(
            open=lambda: LocalTransport("shop", settings, base=base),
            folder="inbox",
            far=Disk(base / "root" / "inbox"),
        )


@pytest.mark.parametrize("posix_rename", [True, False], ids=["rename-over", "swap"])
class TestInProcessSftp(ServerContract):
    """Our own small server, with and without posix-rename."""

    @pytest.fixture
    def subject(self, tmp_path_factory: pytest.TempPathFactory, posix_rename: bool) -> Iterator[ServerSubject]:
        root = tmp_path_factory.mktemp("sftp")
        (root / "inbox").mkdir()
        server = SftpServer(root, user="shop", password="s3cret")
        server.posix_rename = posix_rename

        def make(password: str = "s3cret") -> Transport:
            params = TRANSPORTS["sftp"].model_validate(
                {
                    "host": server.host,
                    "port": server.port,
                    "user": "shop",
                    "password": password,
                    "host_key": server.fingerprint,
                    "timeout": 10,
                }
            )
            return SftpTransport("shop", params, base=root)  # type: ignore[arg-type]  # chosen by name just above

        def start() -> None:
            server.start()

        with server:
            yield ServerSubject(
                open=make,
                folder="inbox",
                far=Disk(root / "inbox"),
                wrong_password=lambda: make("wrong"),
                stop=server.stop,
                start=start,
            )


def _sftp(server: Server, base: Path, **more: Any) -> Transport:
    settings = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "host_key": server.extra["fingerprint"],
        "timeout": 10,
    }
    params = TRANSPORTS["sftp"].model_validate({**settings, **more})
    return SftpTransport("shop", params, base=base)  # type: ignore[arg-type]  # chosen by name just above


def _ftp(server: Server, tls: str, base: Path, **more: Any) -> Transport:
    settings: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "tls": tls,
        "timeout": 10,
    }
    if tls != "none":
        settings["ca"] = server.extra["ca"]
    params = TRANSPORTS["ftp"].model_validate({**settings, **more})
    return FtpManyTransport("shop", params, base=base)  # type: ignore[arg-type]  # chosen by name just above


def _rights(server: Server, make: Callable[..., Transport], wrong: dict[str, Any]) -> Iterator[RightsSubject]:
    name = f"inbox-{time.monotonic_ns()}"
    home = server.fresh(name)
    far = Disk(home, server.owner.own if server.owner else None)

    def lock(file: str) -> None:
        (home / file).chmod(0)
        shutil.chown(home / file, 0, 0)

    def forbid() -> None:
        shutil.chown(home, 0, 0)
        home.chmod(0o755)

    yield RightsSubject(
        open=make,
        folder=name,
        far=far,
        wrong_password=lambda: make(**wrong),
        stop=server.stop,
        start=server.start,
        lock=lock,
        forbid=forbid,
    )
    shutil.rmtree(home, ignore_errors=True)


class TestOpenSsh(RightsContract):
    """Debian's sshd, with a password."""

    @pytest.fixture
    def subject(self, servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RightsSubject]:
        server: Server = servers.get("sshd")
        base = tmp_path_factory.mktemp("config")

        def make(password: str = server.password) -> Transport:
            return _sftp(server, base, password=password)

        yield from _rights(server, make, {"password": "wrong"})


@pytest.mark.parametrize(
    "login",
    [
        {"key": "key"},
        {"key": "locked_key", "key_passphrase": "secret"},
    ],
    ids=["key", "locked-key"],
)
def test_a_key_logs_in_to_a_real_sshd(sshd_server: Server, tmp_path: Path, login: dict[str, str]) -> None:
    home = sshd_server.fresh(f"key-{time.monotonic_ns()}")
    transport = _sftp(sshd_server, tmp_path, **{**login, "key": sshd_server.extra[login["key"]]})
    transport.write(home.name, "a.xml", b"x")
    assert [file.name for file in transport.list(home.name)] == ["a.xml"]
    transport.close()


def test_a_key_that_cannot_be_used_is_said(sshd_server: Server, tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n", encoding="utf-8")
    for login, words in (
        ({"key": sshd_server.extra["locked_key"]}, "passphrase"),
        ({"key": sshd_server.extra["locked_key"], "key_passphrase": "wrong"}, "cannot be read"),
        ({"key": "odd"}, "cannot be read"),
        ({"key": "absent"}, "does not exist"),
        ({}, "neither a password nor a key"),
    ):
        with pytest.raises(ConfigError, match=words):
            _sftp(sshd_server, tmp_path, **login).list("")


@pytest.mark.parametrize(
    "kind",
    ["vsftpd", "vsftpd-explicit", "vsftpd-implicit", "proftpd", "proftpd-explicit"],
)
class TestFtpServers(RightsContract):
    """vsftpd and proftpd; with TLS their data channels demand the session of the control channel."""

    @pytest.fixture
    def subject(self, servers: Any, kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RightsSubject]:
        server: Server = servers.get(kind)
        base = tmp_path_factory.mktemp("config")
        tls = kind.partition("-")[2] or "none"
        yield from _rights(server, lambda **more: _ftp(server, tls, base, **more), {"password": "wrong"})

    def test_what_a_killed_probe_left_hides_no_folder_from_removal(self, subject: RightsSubject) -> None:
        transport = subject.open()
        transport.make_folder(subject.folder + "/own")
        home = subject.far.home / "own"  # type: ignore[attr-defined]  # it is a folder of this machine
        for name in (".mistok-probe-0123456789ab", ".theirs"):
            (home / name).write_bytes(b"mistok")
        with pytest.raises(Refused):
            transport.remove_folder(subject.folder + "/own")
        assert [path.name for path in home.iterdir()] == [".theirs"], "only our own are taken away"
        (home / ".theirs").unlink()
        transport.remove_folder(subject.folder + "/own")
        assert not home.exists()
        transport.close()


@pytest.mark.parametrize("kind", ["pyftpdlib", "pyftpdlib-explicit", "pyftpdlib-list"])
class TestPyftpdlib(ServerContract):
    """pyftpdlib: with MLSD, with TLS, and with LIST only."""

    @pytest.fixture
    def subject(self, servers: Any, kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerSubject]:
        server: Server = servers.get(kind)
        base = tmp_path_factory.mktemp("config")
        tls = "explicit" if kind == "pyftpdlib-explicit" else "none"
        yield from _rights(server, lambda **more: _ftp(server, tls, base, **more), {"password": "wrong"})


# --- who the server is -----------------------------------------------------------------------------------------------


def test_an_unknown_and_a_changed_host_key_are_refused_by_a_real_sshd(sshd_server: Server, tmp_path: Path) -> None:
    from pipeline.transports.identity import fetch_identity, pin_identity
    from tests.servers.common import require
    from tests.servers.sshd import host_fingerprint, new_host_key

    server = sshd_server
    params = TRANSPORTS["sftp"].model_validate(
        {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    )

    def make() -> Transport:
        return SftpTransport("shop", params, base=tmp_path)  # type: ignore[arg-type]  # chosen by name just above

    with pytest.raises(HostKeyRefused) as unknown:
        make().list("")
    assert (unknown.value.seen, unknown.value.pinned) == (server.extra["fingerprint"], None)
    assert server.extra["fingerprint"] in str(unknown.value)
    assert "mistok trust shop" in str(unknown.value.hint)

    identity = fetch_identity("shop", "sftp", params, tmp_path)
    assert (identity.fingerprint, identity.trusted) == (server.extra["fingerprint"], False)
    assert pin_identity("shop", "sftp", params, tmp_path, identity) == tmp_path / "known_hosts"
    transport = make()
    transport.list("")
    transport.close()

    old = server.extra["fingerprint"]
    keygen = require("ssh-keygen")
    server.stop()
    new_host_key(server.folder, keygen)
    server.start()
    server.extra["fingerprint"] = new = host_fingerprint(server.folder, keygen)
    with pytest.raises(HostKeyRefused) as changed:
        make().list("")
    assert (changed.value.seen, changed.value.pinned) == (new, old)
    assert new in str(changed.value)
    assert old in str(changed.value)
    log_ins = server.log.read_text(encoding="utf-8", errors="replace")
    assert log_ins.count("Accepted password") >= 1

    again = fetch_identity("shop", "sftp", params, tmp_path)
    assert (again.fingerprint, again.pinned, again.trusted) == (new, old, False)
    pin_identity("shop", "sftp", params, tmp_path, again)
    assert fetch_identity("shop", "sftp", params, tmp_path).trusted
    transport = make()
    transport.list("")
    transport.close()
    assert len((tmp_path / "known_hosts").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("kind", ["vsftpd-explicit", "vsftpd-implicit", "proftpd-explicit"])
def test_a_certificate_is_refused_then_pinned(servers: Any, kind: str, tmp_path: Path) -> None:
    from pipeline.transports.identity import fetch_identity, pin_identity

    server: Server = servers.get(kind)
    settings = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "tls": kind.partition("-")[2],
    }
    params = TRANSPORTS["ftp"].model_validate(settings)
    with pytest.raises(HostKeyRefused) as caught:
        FtpManyTransport("shop", params, base=tmp_path).list("")  # type: ignore[arg-type]  # chosen by name just above
    assert caught.value.seen.startswith("sha256:")
    assert "mistok trust shop" in str(caught.value.hint)

    wrong = TRANSPORTS["ftp"].model_validate({**settings, "certificate": "sha256:" + "0" * 64})
    with pytest.raises(HostKeyRefused) as changed:
        FtpManyTransport("shop", wrong, base=tmp_path).list("")  # type: ignore[arg-type]  # chosen by name just above
    assert (changed.value.seen, changed.value.pinned) == (caught.value.seen, "sha256:" + "0" * 64)

    identity = fetch_identity("shop", "ftp", params, tmp_path)
    assert identity.fingerprint == caught.value.seen
    assert identity.details["subject"] == "CN=127.0.0.1"
    pin_identity("shop", "ftp", params, tmp_path, identity)
    transport = FtpManyTransport("shop", params, base=tmp_path)  # type: ignore[arg-type]  # chosen by name just above
    transport.write("", "pinned.xml", b"x")
    assert [file.name for file in transport.list("")] == ["pinned.xml"]
    assert transport.delete_many(transport.list(""))[0].done
    transport.close()


def test_names_that_are_not_utf8_are_read_and_deleted(sshd_server: Server, tmp_path: Path) -> None:
    """windows-1251, as old FTP programs leave them."""
    home = sshd_server.fresh(f"cp1251-{time.monotonic_ns()}")
    raw = "замовлення.xml".encode("cp1251")
    with open(os.path.join(os.fsencode(home), raw), "wb") as stream:  # noqa: PTH118, PTH123 - pathlib takes no bytes
        stream.write(b"<a/>")
    assert sshd_server.owner
    transport = _sftp(sshd_server, tmp_path, password=sshd_server.password)
    (file,) = transport.list(home.name)
    assert (file.name, file.raw) == ("замовлення.xml", raw)
    (result,) = transport.read_many([file], tmp_path)
    assert result.path
    assert result.path.read_bytes() == b"<a/>"
    (moved,) = transport.move_many([file], home.name + "/done")
    assert moved.done
    assert os.listdir(os.fsencode(home / "done")) == [raw]  # noqa: PTH208 - bytes, as they are
    (deleted,) = transport.delete_many(transport.list(home.name + "/done"))
    assert deleted.done
    assert os.listdir(home / "done") == []  # noqa: PTH208 - the same
    transport.close()


@pytest.mark.parametrize("kind", ["vsftpd", "proftpd-explicit"])
def test_active_mode(servers: Any, kind: str, tmp_path: Path) -> None:
    server: Server = servers.get(kind)
    home = server.fresh(f"active-{time.monotonic_ns()}")
    transport = _ftp(server, kind.partition("-")[2] or "none", tmp_path, passive=False)
    transport.write(home.name, "a.xml", b"<a/>")
    (read,) = transport.read_many(transport.list(home.name), tmp_path)
    assert read.size == 4
    transport.close()
