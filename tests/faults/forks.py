"""Processes that are killed or run a verb, without the seconds in which each would load Python and all of Mistok.

They are forked off one process that has loaded everything, runs no thread and has opened nothing: each is a real
process of its own, killed by a real SIGKILL. Where there is no fork (Windows), each is started anew.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.signals import SIGKILL

ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 120.0  #: seconds
#: None where there is none, so that types are checked there, too.
FORK: Callable[[], int] | None = getattr(os, "fork", None)
_turn = threading.Lock()
_mother: subprocess.Popen[str] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that is over: as of ``subprocess``, -9 when it was killed, and what it said to standard error."""

    returncode: int
    stderr: str


def run(module: str, *words: object) -> Ended:
    """Run ``main(*words)`` of a module in a process of its own, to its end or its death."""
    given = [str(word) for word in words]
    if FORK is None:
        command = [sys.executable, "-m", module, *given]
        done = subprocess.run(command, timeout=_LIMIT, capture_output=True, text=True, cwd=ROOT)
        return Ended(done.returncode, done.stderr)
    with _turn, tempfile.TemporaryDirectory(prefix="mistok-fork-") as folder:
        said = Path(folder) / "said"
        order = {"module": module, "words": given, "said": str(said), "cwd": str(ROOT), "environ": dict(os.environ)}
        code = _ask(order)
        return Ended(code, said.read_text("utf-8", "replace"))


def mistok(
    words: Sequence[str], *, cwd: Path | None, environ: Mapping[str, str], stdin: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """``mistok WORDS`` in a process of its own, as ``subprocess.run`` gives it back.

    Whoever asks while another is under way, and where there is no fork, gets one that is started anew.
    """
    if FORK is None or not _turn.acquire(blocking=False):
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", *words]
        return subprocess.run(
            command, cwd=cwd, env=dict(environ), input=stdin, capture_output=True, timeout=seconds, check=False
        )
    with tempfile.TemporaryDirectory(prefix="mistok-fork-") as folder:
        try:
            said = {name: Path(folder) / name for name in ("in", "out", "err")}
            said["in"].write_bytes(stdin)
            code = _ask(
                {
                    "argv": ["mistok", *words],
                    "environ": dict(environ),
                    "cwd": str(cwd or Path.cwd()),
                    **{name: str(path) for name, path in said.items()},
                },
                seconds,
            )
        finally:
            _turn.release()
        return subprocess.CompletedProcess(words, code, said["out"].read_bytes(), said["err"].read_bytes())


def _ask(order: dict[str, Any], seconds: float = _LIMIT) -> int:
    global _mother  # noqa: PLW0603 - one for the session, started when it is first asked for
    if _mother is None or _mother.poll() is not None:
        command = [sys.executable, "-m", "tests.faults.forks"]
        _mother = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        atexit.register(_end, _mother)
    assert _mother.stdin is not None
    assert _mother.stdout is not None
    _mother.stdin.write(json.dumps(order) + "\n")
    _mother.stdin.flush()
    pid = int(_mother.stdout.readline())
    if not select.select([_mother.stdout], [], [], seconds)[0]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)
        _mother.stdout.readline()
        named = order.get("argv") or [order["module"], *order["words"]]
        raise AssertionError(f"{' '.join(named)} did not end within {seconds:.0f} s")
    return int(_mother.stdout.readline())


def _end(mother: subprocess.Popen[str]) -> None:
    for pipe in (mother.stdin, mother.stdout):
        if pipe is not None:
            pipe.close()
    mother.wait(10)


# --- the process that others are forked off --------------------------------------------------------------------------


def main() -> None:
    """Load everything, then fork for each line of standard input, until it is closed (whoever asks is gone then)."""
    assert FORK is not None
    _load()
    gc.collect()
    gc.freeze()  # so that forks neither look through all of it nor copy it
    assert threading.active_count() == 1, "a lock that another thread holds would be held for ever in a fork"
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.flush()
        pid = FORK()
        if pid == 0 and "argv" in order:
            _be_mistok(order)
            return
        if pid == 0:
            _be(order)
        print(pid, flush=True)
        _pid, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


#: What runs would stop to import.
_LOADED = (
    *(f"pipeline.cli.{name}" for name in ("app", "common", "words")),
    *(f"pipeline.engine.{name}" for name in ("acknowledge", "inbound", "outbound", "rebuild", "retention")),
    *(f"pipeline.engine.replay.{name}" for name in ("apply", "choose")),
    *("pipeline.engine.documents.walk", "pipeline.testing.documents_target", "pipeline.testing.orders_source"),
    *(f"pipeline.transports.{name}" for name in ("local", "sftp", "ftp")),
    *(f"plugins.systems.books.{name}" for name in ("system", "load", "catalogue")),
    *(f"tests.faults.{name}" for name in ("run_and_die", "replay_and_die", "prune_and_die", "rebuild_and_die")),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg", "alembic.command"),
    *("paramiko", "pandas"),
)


def _load() -> None:
    import typer.main

    from pipeline.cli.app import app
    from pipeline.cli.verbs import VERBS
    from pipeline.engine import warming
    from pipeline.registry import load_registry

    verbs = typer.main.get_command(app)  # building them takes longer than most of them
    build = typer.main.get_command  # still asked for the verbs of a system, `mistok books`
    typer.main.get_command = lambda typer_instance: verbs if typer_instance is app else build(typer_instance)

    registry = load_registry()
    for plugins in (registry.formats, registry.systems, registry.steps, registry.channels):
        dict(plugins)
    for verb in VERBS:
        verb.load()
    warming.import_for_orders()
    for name in _LOADED:
        importlib.import_module(name)


def _be_mistok(order: dict[str, Any]) -> None:
    """The rest of a fork's life as the command, which ends as any other process does: by SystemExit, exit handlers."""
    from pipeline.cli import main as command

    _take_on(order)
    for number, name, flags in (
        (0, "in", os.O_RDONLY),
        (1, "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, "err", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        handle = os.open(order[name], flags, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    # as a new interpreter opens them
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the rest of this process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = order["argv"]
    command()


def _take_on(order: dict[str, Any]) -> None:
    sys.stdin.close()
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["cwd"])
    if hasattr(time, "tzset"):
        time.tzset()


def _be(order: dict[str, Any]) -> NoReturn:
    """The rest of a fork's life."""
    code = 1
    try:
        _take_on(order)
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.close(said)
        code = int(importlib.import_module(order["module"]).main(*order["words"]) or 0)
    except BaseException:  # noqa: BLE001 - it is told, and must not go on as the process that it was forked off
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        os._exit(code)


def _flush(stream: IO[str]) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.flush()


if __name__ == "__main__":
    main()
