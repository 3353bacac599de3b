"""The program on a person's PC: what it remembers, where its token lies, how it starts with the session."""

from __future__ import annotations

import itertools
import os
import plistlib
import sys
from pathlib import Path, PureWindowsPath

import keyring
import keyring.backend
import pytest
from keyring.errors import NoKeyringError, PasswordDeleteError

from pipeline.agent import autostart, token
from pipeline.agent.follow import LONGEST_WAIT, waits
from pipeline.agent.state import State, Told, only_one, popup_of
from pipeline.errors import ConfigError
from tests.e2e.command import mistok

SERVER = "https://mistok.shop.example"
WORDS = autostart.command(Path("/opt/py/bin/python3"), SERVER, ["--ca", '/home/ол ена/50%$"x.pem'])


def test_the_last_popup_and_what_is_not_reported_survive_a_restart(tmp_path: Path) -> None:
    state = State(tmp_path / "new", SERVER)
    assert (state.last, state.to_report()) == (0, ())
    state.shown(1, 3, 10.0)
    state.did(Told(1, 3, "done", 11.0))
    again = State(tmp_path / "new", SERVER)
    assert again.last == 3
    assert again.to_report() == (Told(1, 3, "shown", 10.0), Told(1, 3, "done", 11.0))
    again.reported([Told(1, 3, "shown", 10.0)])
    assert State(tmp_path / "new", SERVER).to_report() == (Told(1, 3, "done", 11.0),)
    assert State(tmp_path / "new", "https://other.example").last == 0


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"last": 1}', b'{"last": 1, "reports": [{"x": 1}]}', b"\xff"])
def test_a_broken_file_is_begun_anew(tmp_path: Path, broken: bytes) -> None:
    State(tmp_path, SERVER).shown(1, 1, 0.0)
    (file,) = tmp_path.iterdir()
    file.write_bytes(broken)
    assert (State(tmp_path, SERVER).last, State(tmp_path, SERVER).to_report()) == (0, ())


def test_one_program_of_a_user_shows_the_popups_of_a_server(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with only_one(folder, SERVER) as first, only_one(folder, SERVER) as second:
        assert (first, second) == (True, False)
        with only_one(folder, "https://other.example") as other:
            assert other
        words = ("--server", SERVER, "--folder", folder, "--token-in-file")
        answer = mistok("--language", "en", "alerts", *words, cwd=tmp_path, stdin="secret\n")
        assert answer.code == 0, answer.all  # no failure, so nothing starts it again
        assert f"Another mistok alerts shows the popups of {SERVER} on this PC already." in answer.out
        assert State(folder, SERVER).last == 0
    with only_one(folder, SERVER) as again:  # whoever ended holds nothing
        assert again


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_shown(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written"), only_one(tmp_path / "file", SERVER):
        pass


@pytest.mark.parametrize(
    "data", ["", "[]", "{}", '{"first": 1, "last": 1, "title": "a", "body": "b", "path": "@evil.example"}']
)
def test_what_is_no_popup_is_none(data: str) -> None:
    assert popup_of(data) is None


def test_the_pauses_grow_to_a_minute_and_differ() -> None:
    calm = list(itertools.islice(waits(lambda: 1.0), 9))
    assert calm == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    assert next(waits(lambda: 0.0)) == 0.5


class Store(keyring.backend.KeyringBackend):
    """A store of secrets in memory."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # theirs
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError


class NoStore(Store):
    """None."""

    def get_password(self, service: str, username: str) -> str | None:
        raise NoKeyringError

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NoKeyringError

    def delete_password(self, service: str, username: str) -> None:
        raise NoKeyringError


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(keyring.core, "_keyring_backend", made)
    return made


def test_the_token_lies_in_the_systems_store(tmp_path: Path, store: Store) -> None:
    assert token.find(tmp_path, SERVER) == ""
    token.keep(tmp_path, SERVER, "secret")
    assert (list(tmp_path.iterdir()), token.find(tmp_path, SERVER)) == ([], "secret")
    token.keep(tmp_path, SERVER, "other", in_file=True)  # and in one place only
    assert (store.kept, token.find(tmp_path, SERVER)) == ({}, "other")
    token.forget(tmp_path, SERVER)
    assert token.find(tmp_path, SERVER) == ""


def test_without_a_store_in_a_file_that_only_the_user_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", NoStore())
    token.keep(tmp_path / "new", SERVER, "secret")
    (file,) = (tmp_path / "new").iterdir()
    assert token.find(tmp_path / "new", SERVER) == "secret"
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600


# --- autostart -------------------------------------------------------------------------------------------------------


def test_windows_starts_it_without_a_window() -> None:
    words = autostart.command(PureWindowsPath(r"C:\Program Files\Python\python.exe"), SERVER)  # type: ignore[arg-type]
    assert autostart.windows_value(words) == (
        r'"C:\Program Files\Python\pythonw.exe" -X utf8 -c "from pipeline.cli import main; main()" alerts --server '
        + SERVER
    )


def test_the_systemd_unit_quotes_what_systemd_would_read() -> None:
    unit = autostart.systemd_unit(WORDS)
    (line,) = [one for one in unit.splitlines() if one.startswith("ExecStart=")]
    assert line == (
        'ExecStart="/opt/py/bin/python3" "-X" "utf8" "-c" "from pipeline.cli import main; main()" "alerts" '
        f'"--server" "{SERVER}" "--ca" "/home/ол ена/50%%$$\\"x.pem"'
    )
    assert "WantedBy=default.target" in unit
    assert "Restart=on-failure\n" in unit  # not when it ends with 0: another one runs
    assert "RestartPreventExitStatus=2 3" in unit


def test_the_launch_agent_is_a_plist_with_the_words_as_they_are() -> None:
    made = plistlib.loads(autostart.launch_agent(WORDS))
    assert made["ProgramArguments"] == [*WORDS, "--with-session"]
    assert made["KeepAlive"] == {"SuccessfulExit": False}
    assert made["Label"] == autostart.LABEL
    assert made["RunAtLoad"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="its registry is not touched by tests")
@pytest.mark.parametrize(
    ("platform", "file"),
    [
        ("linux", ".config/systemd/user/mistok-alerts.service"),
        ("darwin", "Library/LaunchAgents/ua.mistok.alerts.plist"),
    ],
)
def test_it_is_written_and_taken_away(
    tmp_path: Path, platform: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no systemctl, no launchctl of the machine
    (said,) = autostart.install(WORDS, tmp_path, platform)
    assert (tmp_path / file).exists()
    assert str(tmp_path / file) in said.render("en")
    assert autostart.uninstall(tmp_path, platform)
    assert not (tmp_path / file).exists()
    assert autostart.uninstall(tmp_path, platform)


def test_on_windows_it_is_started_at_once_and_not_at_the_next_log_on_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str | None] = []
    begun: list[list[str]] = []
    monkeypatch.setattr(autostart, "_run_key", keys.append)
    monkeypatch.setattr(autostart, "_begin", begun.append)
    (said,) = autostart.install(WORDS, tmp_path, "win32")
    assert (keys, begun) == ([autostart.windows_value(WORDS)], [WORDS])
    assert "and runs" in said.render("en")

    def refuse(_words: list[str]) -> None:
        raise FileNotFoundError(2, "no pythonw")

    monkeypatch.setattr(autostart, "_begin", refuse)
    (said,) = autostart.install(WORDS, tmp_path, "win32")
    assert "starts at the next log-on" in said.render("en")
    (said,) = autostart.uninstall(tmp_path, "win32")
    assert keys[2:] == [None]
    assert "ends when you log off" in said.render("en")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipe that is a file")
def test_what_is_started_gets_its_words_and_is_not_waited_for(tmp_path: Path) -> None:
    make_pipe = getattr(os, "mkfifo", None)  # no such name on Windows, where types are checked, too
    assert make_pipe is not None
    make_pipe(tmp_path / "pipe")
    autostart._begin([sys.executable, "-S", "-c", f"open({str(tmp_path / 'pipe')!r}, 'w').write('here')"])
    assert (tmp_path / "pipe").read_text() == "here"  # waits until it has opened the other end


# --- the verb --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--server is missing"),
        (["--server", "mistok.example"], "not an address"),
        (["--server", "http://mistok.example"], "no TLS"),
        (["--server", "https://mistok.example"], "This is no token"),
    ],
)
def test_wrong_calls_are_said_so(tmp_path: Path, words: list[str], said: str) -> None:
    answer = mistok("--language", "en", "alerts", *words, "--folder", tmp_path, cwd=tmp_path)
    assert answer.code == 2
    assert said in answer.err


def test_a_server_that_knows_the_pc_not_ends_it_with_words(tmp_path: Path) -> None:
    from tests.alerts.test_stream import World

    world = World(tmp_path)
    world.serve()
    try:
        words = (
            "--language",
            "en",
            "alerts",
            "--server",
            world.address,
            "--folder",
            tmp_path / "pc",
            "--token-in-file",
        )
        answer = mistok(*words, cwd=tmp_path, stdin="wrong\n")
        started = mistok(*words, "--with-session", cwd=tmp_path)
    finally:
        world.stop()
        world.client.close()
    assert answer.code == 3
    assert "does not know this PC" in answer.err
    assert "does not know this PC" in started.err
    assert started.code == 0  # macOS starts anew whatever ends with another one
