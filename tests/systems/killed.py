"""A process of its own that makes the plain order 1 in any system, and is killed (SIGKILL) before it could tell.

Where the target is a server, it is killed while it waits for the answer; where it is a file of its own, as soon as what
was asked for is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.api import SystemEnv, Transport
from pipeline.registry import load_registry
from pipeline.testing.documents_contract import drafts_of, order
from pipeline.testing.fakehttp import FakeApi, Matcher
from pipeline.transports.local import LocalSettings, LocalTransport
from tests.signals import SIGKILL

ROOT = Path(__file__).resolve().parents[2]


class Now:
    """The real time."""

    def now(self) -> datetime:
        """The moment."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Nobody sleeps here."""


def kill(
    name: str, settings: Mapping[str, Any], codes: Sequence[str], *, base: Path = ROOT, called: str = "books",
    waits: Callable[[], bool] | None = None,
) -> None:  # fmt: skip
    """Start it and see it die.

    Args:
        name: of the system's plugin.
        settings: of its connection.
        codes: articles of the order.
        base: folder of the config.
        called: name of the connection.
        waits: whether its order is there, and it waits for an answer: then it is killed. Without it it kills itself.
    """
    given = [name, json.dumps(dict(settings), default=str), ",".join(codes), str(base), called, str(waits is None)]
    command = [sys.executable, "-m", "tests.systems.killed", *given]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as victim:
        while waits is not None and not waits() and victim.poll() is None:
            pass
        if waits is not None:
            victim.kill()
        _, said = victim.communicate(timeout=120)
    assert victim.returncode not in (0, 1, 2), said.decode()


def kill_waiting(
    fake: FakeApi, there: Callable[[], bool], name: str, settings: Mapping[str, Any], codes: Sequence[str],
    when: Matcher,
) -> None:  # fmt: skip
    """The same with a served fake, which does what is asked and holds its answer back."""
    answer = fake.hold(when=when)
    try:
        kill(name, settings, codes, waits=there)
    finally:
        answer.set()


def main(name: str, settings: str, codes: str, base: str, called: str, itself: str) -> None:
    """Make the order."""
    plugin = load_registry().systems[name]

    def transport(_name: str) -> Transport:
        return LocalTransport(_name, LocalSettings(path=Path("out")), base=Path(base))

    env = SystemEnv(called, "demo", Path(base), "UAH", "Europe/Kyiv", Now(), transport=transport)
    system = plugin.open(plugin.settings.model_validate(json.loads(settings)), env)
    (outcome,) = system.create(drafts_of(system, [order(1, codes.split(","))]))  # type: ignore[attr-defined]
    assert outcome.error is None, outcome.error
    if itself == "True":
        os.kill(os.getpid(), SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
