"""``mistok serve`` as a user starts it, on a victim whose jobs have schedules."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.clock import SystemClock
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from tests.faults import ends
from tests.faults.conftest import Victim

#: The service looks for edits of its config each second; what is tested is what it sees, not how long it takes.
_ATTENTIVE = "from pipeline.engine import configwatch; configwatch.LOOK_EVERY = 0.1; "
_MAIN = "from pipeline.cli import main; main()"
MISTOK = [sys.executable, "-c", f"{_ATTENTIVE}{_MAIN}"]
PLAIN = [sys.executable, "-c", _MAIN]


def scheduled(victim: Victim, orders: str, catalogue: str = "enabled: false") -> None:
    """Write the victim's config with schedules, one key a line."""
    victim.config()
    text = victim.path.read_text("utf-8")
    for job, keys in (("orders", orders), ("catalogue", catalogue)):
        lines = "".join(f"    {line.strip()}\n" for line in keys.strip().splitlines())
        assert f"  {job}:\n" in text
        text = text.replace(f"  {job}:\n", f"  {job}:\n{lines}", 1)
    victim.path.write_text(text, encoding="utf-8")
    victim.edited = True


@contextmanager
def serving(victim: Victim, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service; killed at the end when it still runs."""
    ends.happened("a service")
    words = ("-c", str(victim.path), "serve", *options)
    with started(words, victim.folder / "screen.txt", program=MISTOK, cwd=victim.folder) as process:
        yield process


@contextmanager
def started(
    words: Sequence[str], said: Path, *, program: Sequence[str] = PLAIN, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Mistok with these words, what it says written to the end of ``said``; killed at the end when it still runs."""
    with said.open("ab") as screen:
        process = subprocess.Popen([*program, "--language", "en", *words], stdout=screen, stderr=screen, **more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def screen(victim: Victim) -> str:
    """What the service has said."""
    return (victim.folder / "screen.txt").read_text("utf-8", "replace")


def mistok(victim: Victim, *words: str) -> tuple[int, str]:
    """A verb as a person types it: exit code and what it printed. In this process, for speed."""
    from pipeline.cli.app import app

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)  # xdist sets it
        done = CliRunner().invoke(app, ["-c", str(victim.path), "--language", "en", *words])
    return done.exit_code, done.output


def as_json(victim: Victim, *words: str) -> Any:
    """The same with --json, read."""
    return json.loads(mistok(victim, *words, "--json")[1])


@cache
def _ledger(url: str, folder: Path) -> Ledger:
    """Opened once for many looks: each would cost the service more time than it takes to work."""
    return Ledger(url, client="acme", base=folder, clock=SystemClock())


def runs(victim: Victim, job: str = "orders") -> list[dict[str, Any]]:
    """The ledger's runs of a job, oldest first."""
    ledger = _ledger(victim.ledger, victim.folder)
    if ledger.path is not None and not ledger.path.exists():
        return []
    with ledger.read() as conn:
        query = t.runs.select().where(t.runs.c.job == job).order_by(t.runs.c.id)
        return [t.row_dict(row) for row in conn.execute(query)]


def states(victim: Victim, job: str = "orders") -> list[str]:
    """Their states."""
    return [str(run["state"]) for run in runs(victim, job)]


def told(victim: Victim, kind: str = "failure") -> list[tuple[str, str]]:
    """Subject and state of every notice of a kind, oldest first."""
    n = t.notices.c
    with _ledger(victim.ledger, victim.folder).read() as conn:
        query = t.notices.select().where(n.kind == kind).order_by(n.id)
        return [(row.subject, row.state) for row in conn.execute(query)]


def kept(victim: Victim, kind: str, name: str) -> dict[str, Any]:
    """A value that the engine keeps in the ledger; empty when there is none."""
    ledger = _ledger(victim.ledger, victim.folder)
    with ledger.read() as conn:
        return dict(ledger.get_value(conn, kind, name) or {})


def until(true: Callable[[], object], victim: Victim, seconds: float = 60) -> None:
    """Wait for it; fails with the screen."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, screen(victim)[-4000:]
        time.sleep(0.05)
