"""The ``mistok`` command as a person starts it: a process of its own, its words, its exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command as _build

from pipeline.texts import current_language, use_language
from tests.faults import forks

ROOT = Path(__file__).resolve().parents[2]
MISTOK = (sys.executable, "-c", "from pipeline.cli import main; main()")


@dataclass(frozen=True)
class Said:
    """How a call ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A plain environment in which the checkout's own packages are found from any folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MISTOK_", "LC_", "LANG"))}
    # no desktop: a test must not pop up on a developer's screen; COLUMNS is set by xdist
    for name in ("COLUMNS", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        kept.pop(name, None)
    return {**kept, "PYTHONPATH": str(ROOT), **(more or {})}


def mistok(
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    seconds: float = 120,
) -> Said:
    """Run ``mistok WORDS`` to its end. Whatever happens, a person never sees a Python traceback.

    It is a process of its own, forked off one that has loaded Python and Mistok already; :func:`fresh` loads them.
    """
    given, environ = [str(word) for word in words], environment(env)
    if any(name.startswith("PYTHON") for name in env or {}):  # an interpreter reads those once, as it starts
        return fresh(*words, cwd=cwd, env=env, stdin=stdin, seconds=seconds)
    return _said(forks.mistok(given, cwd=cwd, environ=environ, stdin=stdin.encode(), seconds=seconds))


def fresh(
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    seconds: float = 120,
) -> Said:
    """The same in an interpreter that is started anew, where a test is about that, too."""
    return _said(
        subprocess.run(
            [*MISTOK, *(str(word) for word in words)],
            cwd=cwd,
            env=environment(env),
            input=stdin.encode(),
            capture_output=True,
            timeout=seconds,
        )
    )


def _said(done: subprocess.CompletedProcess[bytes]) -> Said:
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback (most recent call last)" not in said.all, said.all
    return said


@cache
def _built(app: Any) -> Any:
    """The verbs of an app, built once."""
    return _build(app)


def here(*words: object, env: Mapping[str, str] | None = None) -> Said:
    """The same in this process, for speed, where the test is not about the process. Files are named in full."""
    from pipeline.cli.app import app
    from pipeline.cli.words import run

    before = current_language()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["mistok", *map(str, words)])
        patch.setattr("typer.main.get_command", _built)  # building all verbs takes longer than most of them
        patch.delenv("COLUMNS", raising=False)  # xdist sets it
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        try:
            code = run(app)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            use_language(before)
    said = Said(code, out.getvalue(), err.getvalue())
    assert "Traceback" not in said.all, said.all
    return said


def start(
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    screen: Path,
    program: Sequence[str] = MISTOK,
) -> subprocess.Popen[bytes]:
    """Start ``mistok WORDS`` and go on; what it prints goes into the file ``screen``."""
    with screen.open("ab") as out:
        return subprocess.Popen(
            [*program, *(str(word) for word in words)],
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
