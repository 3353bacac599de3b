"""What a selftest finds out about a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.engine.selftest.doors import Doors
from pipeline.engine.selftest.profile import Profile, Profiler
from pipeline.engine.selftest.report import State
from pipeline.engine.selftest.suits import settings_for
from pipeline.errors import Refused, Transient
from pipeline.ports import RemoteFile
from pipeline.texts import T
from pipeline.transports.memory import MemoryTransport

# --- the profile -----------------------------------------------------------------------------------------------------


class Ticking:
    """A clock that goes on a second with each look, as the memory's own does with each write."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""


class Odd(MemoryTransport):
    """A server that does one thing in a way of its own."""

    oddity = ""

    def list(self, folder: str) -> Sequence[RemoteFile]:
        if self.oddity == "missing-is-empty" and folder not in self.files:
            return []
        if self.oddity == "missing-is-refused" and folder not in self.files:
            raise Refused(T("550 No."))
        found = super().list(folder)
        if self.oddity == "question-marks":
            return [
                RemoteFile(one.folder, one.name.encode("ascii", "replace").decode(), one.size, one.modified)
                for one in found
            ]
        if self.oddity == "no-times":
            return [RemoteFile(one.folder, one.name, one.size) for one in found]
        return found

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        if self.oddity == "text-mode" and isinstance(source, bytes):
            source = source.replace(b"\r\n", b"\n") + b"\n" * source.count(b"\r\n")
        if name == "speed.bin" and self.oddity == "in-place" and isinstance(source, bytes):
            super().write(folder, name, source[:1000])
            time.sleep(0.05)
        if name == "speed.bin" and self.oddity == "hides-growth":
            super().write(folder, name + ".part", b"")
            time.sleep(0.5)
            del self.files[folder][name + ".part"]
        if name == "speed.bin" and self.oddity == "" and isinstance(source, bytes):
            super().write(folder, name + ".part", source[:1000])
            time.sleep(0.05)
        if self.oddity == "keeps-the-old" and name in self.files.get(folder, {}):
            return self.list(folder)[0]
        return super().write(folder, name, source)


@pytest.fixture
def profile_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Profile]:
    """``profile_of("no-times")``: the profile of a server with that oddity."""
    monkeypatch.setattr("pipeline.engine.selftest.profile._SECOND_LOOK", 0)

    def run(oddity: str = "", *, sessions: int = 9, kind: str = "sftp") -> Profile:
        server = Odd(folders=("own",))
        server.oddity = oddity
        opened: list[Odd] = []

        class Door(Odd):
            """One session; too many are refused."""

            def __init__(self) -> None:
                super().__init__()
                self.files, self.oddity, self._ticks = server.files, oddity, 0
                opened.append(self)

            def list(self, folder: str) -> Sequence[RemoteFile]:
                if opened.index(self) >= sessions:
                    raise Transient(T("421 Too many."))
                return super().list(folder)

            def close(self) -> None:
                if self in opened:
                    opened.remove(self)

        doors = Doors(open=Door, variant=lambda **_: None, kind=kind, settings={})
        profiler = Profiler(doors, "own", tmp_path, Ticking(), lambda _what: None)
        found = profiler.run()
        profiler.idle()
        return found

    return run


def test_a_plain_server_has_no_faults(profile_of: Callable[..., Profile]) -> None:
    found = profile_of()
    assert {line.about: line.state for line in found.lines if line.state is State.FAULT} == {}
    assert found.value("sessions") == 4
    assert found.value("names") == dict.fromkeys(("cyrillic", "spaces", "quotes", "signs"), "same")


@pytest.mark.parametrize(
    ("oddity", "about", "state", "value"),
    [
        ("missing-is-empty", "missing", State.FAULT, "listed"),
        ("missing-is-refused", "missing", State.REMARK, "refused"),
        ("no-times", "times", State.REMARK, None),
        ("keeps-the-old", "replace", State.FAULT, False),
        ("text-mode", "speed", State.FAULT, None),
        ("in-place", "growing", State.FAULT, "half"),
        ("hides-growth", "growing", State.REMARK, "hidden"),
        ("", "growing", State.OK, "grows"),
    ],
)
def test_an_odd_server_is_known(
    profile_of: Callable[..., Profile], oddity: str, about: str, state: State, value: object
) -> None:
    found = profile_of(oddity)
    assert (found.state(about), found.value(about)) == (state, value)
    plain = profile_of()
    assert plain.state(about) is not State.FAULT


def test_names_that_cannot_be_read_back_are_a_fault(profile_of: Callable[..., Profile]) -> None:
    found = profile_of("question-marks")
    assert found.state("names") is State.FAULT
    assert found.value("names")["cyrillic"] == "unread"
    assert found.value("names")["spaces"] == "same"


@pytest.mark.parametrize(("allowed", "state"), [(1, State.REMARK), (2, State.REMARK), (4, State.OK)])
def test_sessions_are_counted(profile_of: Callable[..., Profile], allowed: int, state: State) -> None:
    found = profile_of(sessions=allowed)
    assert (found.value("sessions"), found.state("sessions")) == (allowed, state)


# --- settings that suit ----------------------------------------------------------------------------------------------

FTP = """\
client: acme
connections:
  site: {type: ftp, host: ftp.example, user: shop, password: secret-1}
  books: {type: books}
jobs:
  orders:
    steps:
      - {step: import-orders, inbox: site, folder: orders, into: books}
"""


def test_settings_follow_what_was_seen(tmp_path: Path, profile_of: Callable[..., Profile]) -> None:
    from dataclasses import replace

    path = tmp_path / "config.yaml"
    path.write_text(FTP, encoding="utf-8")
    config = load_config(path)
    profile = profile_of("no-times")

    def line(about: str, state: State, value: object) -> None:
        old = next((one for one in profile.lines if one.about == about), profile.lines[0])
        kept = [one for one in profile.lines if one.about != about]
        profile.lines[:] = [*kept, replace(old, about=about, state=state, value=value)]

    profile.caps = replace(profile.caps, round_trip=0.4)
    line("connect", State.OK, 4.2)
    line("delete", State.FAULT, False)
    line("secrecy", State.REMARK, "offered")
    line("names", State.REMARK, {"cyrillic": "mangled", "encoding": "cp1251"})
    found = {one.key: one for one in settings_for(config, "site", profile)}
    assert {key: (one.value, one.now, one.differs) for key, one in found.items()} == {
        "encoding": ("cp1251", "utf-8", True),
        "passive": ("true", "true", False),
        "tls": ("explicit", "none", True),
        "timeout": ("80s", "30s", True),
        "connect_timeout": ("45s", "15s", True),
        "after": ("{move: taken}", "delete", True),
        "stable": ("5s", "1s", True),
    }
    # what is told is what the config takes
    step = "\n".join(f"        {key}: {found[key].value}" for key in ("after", "stable"))
    text = FTP.replace(
        ", password: secret-1}",
        ", password: secret-1, "
        + ", ".join(
            f"{key}: {found[key].value}" for key in ("encoding", "passive", "tls", "timeout", "connect_timeout")
        )
        + "}",
    ).replace(", into: books}", ", into: books, " + ", ".join(step.strip().split("\n        ")) + "}")
    path.write_text(text, encoding="utf-8")
    assert load_config(path).connections["site"].params.model_dump()["encoding"] == "cp1251"
    line("move", State.REMARK, False)
    assert next(one.value for one in settings_for(config, "site", profile) if one.key == "after") == "keep"
