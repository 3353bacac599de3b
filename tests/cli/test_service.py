"""``mistok service``: what the managers of Linux, Windows and macOS are told, and how the verb goes about it."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import service as verb
from pipeline.cli.service_units import Service, launchd_agent, systemd_unit, systemd_word, windows_calls
from tests.e2e.command import here
from tests.servers.common import missing

pytestmark = pytest.mark.whole
CONFIG = "client: acme\nlanguage: en\nconnections:\n  site: {type: local, path: site}\njobs: {}\nlog: {file: null}\n"
FOLDERS = ("/srv/acme", '/home/olena/Мої магазини/фарба 100% "краса" $HOME', "/x/it's \\ here")


def service(folder: str = "/srv/acme", user: str = "") -> Service:
    return Service("acme", ["/opt/mi stok/bin/mistok"], PurePosixPath(folder) / "config.yaml", user)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("user", ["", "mistok"])
def test_systemd_itself_accepts_the_unit(folder: str, user: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed")
    script = tmp_path / "with space" / "mistok"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o755)
    one = Service("acme", [str(script)], PurePosixPath(folder) / "config.yaml", user)
    unit = tmp_path / "mistok-acme.service"
    unit.write_text(systemd_unit(one), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", unit], capture_output=True, text=True
    )
    about = [line for line in done.stderr.splitlines() if "mistok-acme" in line]
    # a machine without that user, or without a systemd at work, says so; of the unit itself nothing may be said
    assert about == [], done.stderr


def test_systemd_would_have_told_of_a_mistake(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed")
    unit = tmp_path / "mistok-acme.service"
    unit.write_text(systemd_unit(service()).replace("Restart=on-failure", "Restart=often"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert "mistok-acme" in done.stderr


@given(word=st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_a_word_of_the_command_means_itself(word: str) -> None:
    told = systemd_word(word)
    unquoted = told[1:-1].replace('\\"', '"').replace("\\\\", "\\") if told.startswith('"') else told
    assert unquoted.replace("%%", "%").replace("$$", "$") == word or '"' in word or "\\" in word
    if not set('\\"%$') & set(word):
        assert shlex.split(told) == [word]


def test_the_unit_restarts_what_fails_but_not_a_wrong_config() -> None:
    unit = systemd_unit(service("/srv/a b"))
    for line in ("Restart=on-failure", "RestartPreventExitStatus=2", "KillMode=mixed", "NoNewPrivileges=yes",
                 "WantedBy=default.target", "WorkingDirectory=/srv/a b",
                 'ExecStart="/opt/mi stok/bin/mistok" --config "/srv/a b/config.yaml" serve --drain 20',
                 "EnvironmentFile=-/srv/a b/service.env"):  # fmt: skip
        assert line in unit.splitlines(), line
    assert "User=" not in unit
    assert "ProtectSystem" not in unit  # a person's manager may not have the rights for it


def test_the_unit_of_the_whole_machine_has_its_user_and_a_sandbox() -> None:
    unit = systemd_unit(service(user="mistok")).splitlines()
    wanted = {"User=mistok", "ProtectSystem=full", "CapabilityBoundingSet=", "WantedBy=multi-user.target"}
    assert wanted <= set(unit)
    assert "After=network-online.target" in unit


def test_windows_is_told_by_shawl() -> None:
    path = PureWindowsPath(r"C:\\Клієнти\\farba shop\\config.yaml")
    first, *more = windows_calls(Service("acme", [r"C:\\venv\\Scripts\\mistok.exe"], path), "shawl")
    at = first.index("--")
    assert first[:4] == ["shawl", "add", "--name", "mistok-acme"]
    assert first[first.index("--cwd") + 1] == str(path.parent)
    assert first[first.index("--restart-if-not") + 1] == "0,2"
    assert int(first[first.index("--stop-timeout") + 1]) > 20_000  # longer than the drain
    assert first[at + 1 :] == [r"C:\\venv\\Scripts\\mistok.exe", "--config", str(path), "serve", "--drain", "20"]
    assert [call[:2] for call in more] == [["sc", "config"], ["sc", "description"], ["sc", "start"]]


def test_launchd_is_told_by_a_property_list() -> None:
    told = plistlib.loads(launchd_agent(service("/Users/o/Мій магазин"), PurePosixPath("/Users/o/out")))
    assert told["Label"] == "mistok.acme"
    assert told["ProgramArguments"][:3] == ["/opt/mi stok/bin/mistok", "--config", "/Users/o/Мій магазин/config.yaml"]
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["ExitTimeOut"] > 20


# --- the verb ----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client's folder, and a systemd that writes down what it is told."""
    if verb.PLATFORM != "linux":
        pytest.skip("systemd is Linux")
    folder = tmp_path / "Мій магазин"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "site").mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> "{tmp_path}/told"\ncat "{tmp_path}/says" 2>/dev/null\n'
        f'exit "$(cat "{tmp_path}/code" 2>/dev/null || echo 0)"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(verb, "SYSTEMD", tmp_path)
    monkeypatch.setattr(verb, "UNITS", tmp_path / "units")
    return folder


def told(client: Path) -> list[str]:
    path = client.parent / "told"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_a_service_is_made_told_of_and_taken_away(client: Path) -> None:
    config = client / "config.yaml"
    unit = client.parent / "home" / "systemd" / "user" / "mistok-acme.service"
    said = here("--config", config, "service", "install")
    assert said.code == 0, said.all
    assert "mistok-acme is at work." in said.out
    assert "enable-linger" in said.out
    assert f"WorkingDirectory={client}" in unit.read_text(encoding="utf-8")
    assert told(client) == ["--user daemon-reload", "--user enable --now mistok-acme.service"]
    (client.parent / "says").write_text("ActiveState=active\nNRestarts=0\n", encoding="utf-8")
    said = here("--config", config, "service", "status")
    assert (said.code, "NRestarts=0" in said.out) == (0, True)
    (client.parent / "says").write_text("ActiveState=failed\n", encoding="utf-8")
    assert here("--config", config, "service", "status").code == 1
    said = here("--config", config, "service", "remove")
    assert said.code == 0, said.all
    assert not unit.exists()
    assert told(client)[-2:] == ["--user disable --now mistok-acme.service", "--user daemon-reload"]
    assert here("--config", config, "service", "remove").code == 1  # nothing is there any more


def test_print_changes_nothing(client: Path) -> None:
    said = here("--config", client / "config.yaml", "service", "install", "--print")
    assert said.code == 0
    assert "[Service]" in said.out
    assert "systemctl --user enable --now mistok-acme.service" in said.out
    assert told(client) == []
    assert not (client.parent / "home").exists()


def test_of_the_whole_machine_it_is_roots_to_make(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = client / "config.yaml"
    monkeypatch.setattr(verb, "_uid", lambda: 1000)
    said = here("--config", config, "service", "install", "--system", "--user", "mistok")
    assert (said.code, "needs root" in said.err) == (2, True)
    monkeypatch.setattr(verb, "_uid", lambda: 0)
    monkeypatch.setattr(verb, "_name_of_owner", lambda path: "root")
    said = here("--config", config, "service", "install", "--system")
    assert (said.code, "--user" in said.err) == (2, True)  # never as root by itself
    monkeypatch.setattr(verb, "_name_of_owner", lambda path: "olena")
    assert here("--config", config, "service", "install", "--system", "--no-start").code == 0
    unit = (client.parent / "units" / "mistok-acme.service").read_text(encoding="utf-8")
    assert "User=olena\n" in unit
    assert told(client) == ["daemon-reload", "enable mistok-acme.service"]


def test_where_there_is_no_systemd_it_says_what_to_do(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "SYSTEMD", client / "none")
    for act in ("install", "remove", "status"):
        said = here("--config", client / "config.yaml", "service", act)
        assert (said.code, "not run by systemd" in said.err) == (2, True)
    assert told(client) == []


def test_what_systemd_refuses_is_told_in_its_words(client: Path) -> None:
    (client.parent / "says").write_text("Failed to connect to bus: No medium found\n", encoding="utf-8")
    (client.parent / "code").write_text("1", encoding="utf-8")
    said = here("--config", client / "config.yaml", "service", "install")
    assert (said.code, "No medium found" in said.err) == (2, True)


def test_a_temporary_environment_is_refused(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/home/o/.cache/uv/archive-v0/abc/bin/python")
    said = here("--config", client / "config.yaml", "service", "install", "--print")
    assert (said.code, "uv tool install mistok" in said.err) == (2, True)
