"""``mistok trust`` on a server that does not answer: nothing tries again, so nothing says so."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.command import mistok


def test_a_dead_server_is_not_said_to_be_tried_again(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "client: acme\ntimezone: Europe/Kyiv\nlanguage: en\n"
        "connections:\n  site: {type: sftp, host: 127.0.0.1, port: 1, user: u, password: p}\njobs: {}\n",
        "utf-8",
    )
    said = mistok("-c", config, "trust", "site")
    assert said.code == 3, said.all
    assert "tried again" not in said.err
    assert "call this again" in said.err
