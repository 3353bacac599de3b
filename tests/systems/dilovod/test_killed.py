"""F3: the process is killed (SIGKILL) when Dilovod has made a document and nobody knows of it: none is made twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.systems.dilovod._fake_schema import ORDER, RETURN, SALE
from plugins.systems.dilovod.fake import action
from tests.systems.dilovod.base import CODES, Base, base, good_of, stocked
from tests.systems.dilovod.die import act, session

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def one() -> Iterator[Base]:
    with base() as opened:
        yield stocked(opened, 10)


@pytest.mark.parametrize(("what", "name"), [("order", ORDER), ("ship", SALE), ("return", RETURN)])
def test_f03_killed_between_create_and_commit(one: Base, what: str, name: str) -> None:
    refs: list[str] = []
    system = session(one.url)
    for before in ("order", "ship", "return")[: ("order", "ship", "return").index(what)]:
        (outcome,) = act(system, before, *refs)
        refs.append(outcome.ref.id)
    answer = one.fake.hold(when=action("saveObject", name))
    command = [sys.executable, "-m", "tests.systems.dilovod.die", one.url, what, *refs]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as victim:
        while not one.fake.rows(name) and victim.poll() is None:
            pass
        victim.kill()
        _, said = victim.communicate(timeout=60)
    assert victim.returncode not in (0, 1), said.decode()
    answer.set()
    while one.fake._flying:
        pass
    assert len(one.fake.rows(name)) == 1
    (again,) = act(system, what, *refs)
    assert again.existed
    assert again.error is None
    assert len(one.fake.rows(name)) == 1
    assert one.fake.stock(good_of(one, CODES[0])) == {"order": 10, "ship": 8, "return": 10}[what]
    system.close()
