"""F31: a host key that is unknown or has changed, a TLS certificate that is not valid: refused with both fingerprints
and the command that accepts; and nothing is sent: no name, no password. Told once; accepted by that very command."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.engine.runtime import UNREACHABLE, RunReport
from pipeline.errors import Finding
from pipeline.testing.tcpproxy import TcpProxy
from pipeline.transports.ftp_settings import certificate_fingerprint
from tests.conftest import Servers
from tests.e2e.command import mistok
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders, impatient
from tests.faults.scripted import PASSWORD, USER, scripted, server_tls
from tests.faults.seen import alarms
from tests.servers import sshd
from tests.servers.certs import self_signed
from tests.servers.common import SystemUser, require, require_address


def refused(report: RunReport) -> Finding:
    assert (report.state, report.exit_code) == ("failed", UNREACHABLE), report
    (finding,) = report.steps[0].findings
    assert finding.code == "host-key", finding
    return finding


def words(finding: Finding) -> str:
    return f"{finding.text} {finding.hint}"


def still_there(victim: Victim) -> None:
    assert {path.name for path in victim.inbox.iterdir()} == set(victim.dropped)
    assert invariants.books_rows(victim.config()) == []
    assert len(alarms(victim)) == 1, "told once, however often it is tried"


@pytest.mark.parametrize("pinned", ["by the config", "by a file", "not at all"])
def test_f31_a_host_key_that_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: str) -> None:
    impatient(monkeypatch)
    tally.note("inputs")
    with scripted(tmp_path, "sftp") as (victim, server):
        old = server.fingerprint
        Orders().drop(victim, 2)
        if pinned != "by the config":
            victim.site = victim.site.replace(f"host_key: {old}\n", "")
        victim.config()
        if pinned == "by a file":
            assert mistok("-c", victim.path, "trust", "site", "--fingerprint", old).code == 0
        server.change_host_key()
        server.asked.clear()
        for _ in range(3):
            finding = refused(victim.run(trigger="schedule"))
        assert server.fingerprint in str(finding.text)
        assert (old in str(finding.text)) == (pinned != "not at all")
        assert "mistok trust site" in words(finding)
        assert server.asked == [], "not even the user's name was sent"
        still_there(victim)
        if pinned == "by the config":
            assert "host_key" in str(finding.hint)
            victim.site = victim.site.replace(old, server.fingerprint)
        else:
            said = mistok("-c", victim.path, "trust", "site", "--fingerprint", server.fingerprint)
            assert said.code == 0, said.all
        assert victim.run(trigger="schedule").counts["created"] == 2
        assert f"login {USER}" in server.asked
        victim.check()


def test_f31_a_real_sshd_with_another_key_hears_nothing(
    tmp_path: Path,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    system_user: SystemUser,
) -> None:
    """The server's own log, a talkative one, names no login; the same log names one as soon as the key is trusted."""
    impatient(monkeypatch)
    server = sshd.start(system_user)
    try:
        folder = tmp_path / "client"
        folder.mkdir()
        inbox = server.fresh("orders")
        old = server.extra["fingerprint"]
        site = (
            f"type: sftp\nhost: {server.host}\nport: {server.port}\nuser: {server.user}\npassword: {server.password}\n"
            f"host_key: {old}"
        )
        victim = Victim(folder, inbox, inbox, site, "orders", "orders", "sqlite:///ledger.sqlite3")

        def own(path: Path) -> None:
            system_user.own(path)

        victim.own = own
        Orders().drop(victim, 1)
        server.stop()
        sshd.new_host_key(server.folder, require("ssh-keygen"))
        server.start()
        seen = sshd.host_fingerprint(server.folder, require("ssh-keygen"))
        before = len(server.log.read_text(encoding="utf-8", errors="replace"))
        finding = refused(victim.run(trigger="schedule"))
        assert seen in str(finding.text)
        assert old in str(finding.text)
        log = server.log.read_text(encoding="utf-8", errors="replace")[before:]
        assert "Connection from 127.0.0.1" in log
        assert system_user.name not in log
        assert "assword" not in log
        still_there(victim)
        victim.site = site.replace(old, seen)
        assert victim.run(trigger="schedule").counts["created"] == 1
        log = server.log.read_text(encoding="utf-8", errors="replace")[before:]
        assert f"Accepted password for {system_user.name}" in log, "this log would have told"
        victim.check()
    finally:
        server.remove()


def certificate(folder: Path, kind: str) -> Path:
    """A certificate that is not valid for 127.0.0.1 now, or not by anybody we know."""
    folder.mkdir()
    match kind:
        case "expired":
            return self_signed(folder, begins=timedelta(days=-30), ends=timedelta(days=-1))
        case "not yet valid":
            return self_signed(folder, begins=timedelta(days=1))
        case "for another name":
            return self_signed(folder, hosts=("127.0.0.9",))
        case _:
            return self_signed(folder)


@pytest.mark.parametrize("kind", ["expired", "not yet valid", "for another name", "of an unknown CA", "changed"])
def test_f31_a_certificate_that_is_not_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Nothing but the words that begin TLS is said to the server, by its own log of all commands."""
    impatient(monkeypatch)
    tally.note("inputs")
    bad = certificate(tmp_path / "bad", kind)
    seen = certificate_fingerprint(ssl.PEM_cert_to_DER_cert(_certificate_part(bad)))
    ours = "0" * 64
    with scripted(tmp_path, "ftp") as (victim, server):
        server.tls = server_tls(bad)
        # what is wrong is the certificate itself and not its issuer: that one is known, but for the last case
        if kind not in ("of an unknown CA", "changed"):
            shutil.copyfile(bad, tmp_path / "cert.pem")
        if kind == "changed":
            victim.site += f"\ncertificate: sha256:{ours}"
        Orders().drop(victim, 2)
        for _ in range(3):
            finding = refused(victim.run(trigger="schedule"))
        assert seen in str(finding.text)
        assert "Nothing was sent" in str(finding.text)
        assert (ours in str(finding.text)) == (kind == "changed")
        assert "mistok trust site" in words(finding)
        assert set(server.commands) == {"AUTH TLS"}, "no name, no password"
        still_there(victim)
        if kind == "changed":
            assert "certificate" in str(finding.hint)
            victim.site = victim.site.replace(ours, seen.removeprefix("sha256:"))
        else:
            said = mistok("-c", victim.path, "trust", "site", "--fingerprint", seen)
            assert said.code == 0, said.all
        assert victim.run(trigger="schedule").counts["created"] == 2
        assert f"PASS {PASSWORD}" in server.commands, "this log would have told"
        victim.check()


def _certificate_part(path: Path) -> str:
    text = path.read_text(encoding="ascii")
    return text[text.index("-----BEGIN CERTIFICATE") :]


@pytest.mark.parametrize("transport", ["vsftpd-explicit", "proftpd-explicit"])
def test_f31_a_real_server_behind_another_name_hears_nothing(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    """The real server, reached under an address that its certificate does not have: as a man in the middle would."""
    require_address("127.0.0.3")
    impatient(monkeypatch)
    victim = make_victim(transport, "sqlite")
    servers: Servers = request.getfixturevalue("servers")
    server = servers.get(transport)
    Orders().drop(victim, 1)
    log = Path(server.extra["protocol"])
    before = len(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else 0
    site = victim.site
    with TcpProxy((server.host, server.port), host="127.0.0.3", record=True) as proxy:
        victim.site = site.replace("host: 127.0.0.1", "host: 127.0.0.3").replace(
            f"port: {server.port}", f"port: {proxy.port}"
        )
        finding = refused(victim.run(trigger="schedule"))
        assert "sha256:" in str(finding.text)
        assert "mistok trust site" in words(finding)
        for one in proxy.connections:
            assert bytes(one.sent).startswith(b"AUTH TLS\r\n\x16\x03"), "in the clear, only the wish for TLS"
            assert one.up < 1500, "a hello, and no more"
        still_there(victim)
    said = log.read_text(encoding="utf-8", errors="replace")[before:] if log.exists() else ""
    assert "USER" not in said
    assert "PASS" not in said
    victim.site = site
    assert victim.run(trigger="schedule").counts["created"] == 1
    assert "USER" in log.read_text(encoding="utf-8", errors="replace")[before:], "this log would have told"
    victim.check()
