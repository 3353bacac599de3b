"""``mistok trust``: shows, compares, pins; and the file of pins keeps what others wrote in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from typer.testing import CliRunner

from pipeline.errors import ConfigError
from pipeline.testing.sftpd import SftpServer
from pipeline.transports import TRANSPORTS
from pipeline.transports.identity import fetch_identity, pin_identity


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    (tmp_path / "root").mkdir()
    with SftpServer(tmp_path / "root", user="shop", password="s3cret") as running:
        yield running


def _config(tmp_path: Path, server: SftpServer, **more: str) -> Path:
    path = tmp_path / "config.yaml"
    extra = "".join(f"    {key}: {value}\n" for key, value in more.items())
    path.write_text(
        "client: shop\nconnections:\n  site:\n    type: sftp\n"
        f"    host: {server.host}\n    port: {server.port}\n    user: shop\n    password: s3cret\n{extra}jobs: {{}}\n",
        encoding="utf-8",
    )
    return path


def _mistok(config: Path, *words: str) -> tuple[int, str]:
    from pipeline.cli.app import app

    result = CliRunner().invoke(app, ["--config", str(config), "--language", "en", *words])
    return result.exit_code, result.output


def test_the_verb_shows_then_pins(tmp_path: Path, server: SftpServer) -> None:
    config = _config(tmp_path, server)
    code, out = _mistok(config, "trust", "site", "--show")
    assert code == 0
    assert server.fingerprint in out
    assert not (tmp_path / "known_hosts").exists()
    code, out = _mistok(config, "trust", "site", "--fingerprint", "SHA256:" + "x" * 43)
    assert code == 2
    assert not (tmp_path / "known_hosts").exists()
    code, out = _mistok(config, "trust", "site")
    assert code == 2, "nobody is there to compare"
    code, out = _mistok(config, "trust", "site", "--fingerprint", server.fingerprint)
    assert code == 0
    assert "Pinned" in out
    assert f"[{server.host}]:{server.port} ecdsa" in (tmp_path / "known_hosts").read_text(encoding="utf-8")
    code, out = _mistok(config, "trust", "site", "--json")
    assert code == 0
    assert json.loads(out)["trusted"] is True


def test_a_server_that_is_away_and_a_name_that_is_not_there(tmp_path: Path, server: SftpServer) -> None:
    config = _config(tmp_path, server)
    assert _mistok(config, "trust", "nope", "--show")[0] == 2
    server.stop()
    assert _mistok(config, "trust", "site", "--show")[0] == 3


def test_a_pin_in_the_config_is_not_overruled_by_a_file(tmp_path: Path, server: SftpServer) -> None:
    config = _config(tmp_path, server, host_key="SHA256:" + "A" * 43)
    code, out = _mistok(config, "trust", "site", "--yes")
    assert code == 2
    assert "host_key" in out
    assert not (tmp_path / "known_hosts").exists()


def test_other_lines_of_known_hosts_stay(tmp_path: Path, server: SftpServer) -> None:
    name = f"[{server.host}]:{server.port}"
    other = paramiko.ECDSAKey.generate()
    hashed = paramiko.HostKeys.hash_host(name)
    line = f"{other.get_name()} {other.get_base64()}"
    (tmp_path / "known_hosts").write_text(
        f"# ours\nother.example {line}\n{hashed} {line}\n{name} {line}\n", encoding="utf-8"
    )
    params = TRANSPORTS["sftp"].model_validate(
        {"host": server.host, "port": server.port, "user": "shop", "password": "s3cret"}
    )
    identity = fetch_identity("site", "sftp", params, tmp_path)
    assert not identity.trusted
    assert identity.pinned
    pin_identity("site", "sftp", params, tmp_path, identity)
    lines = (tmp_path / "known_hosts").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# ours", f"other.example {line}"]
    assert len(lines) == 3
    assert fetch_identity("site", "sftp", params, tmp_path).trusted


@pytest.mark.parametrize(
    ("type", "params"),
    [("local", {"path": "x"}), ("ftp", {"host": "h", "user": "u", "password": "p"})],
)
def test_what_has_no_identity(tmp_path: Path, type: str, params: dict[str, str]) -> None:  # noqa: A002
    with pytest.raises(ConfigError):
        fetch_identity("x", type, TRANSPORTS[type].model_validate(params), tmp_path)
