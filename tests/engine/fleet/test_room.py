"""The step processes of a worker: shared by its clients, ended at their limits, nobody's plugins in another's run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import history
from pipeline.engine.fleet.room import Answer, Broken, Room
from pipeline.engine.fleet.steps import FleetOrder, Load
from pipeline.engine.runtime import Client
from pipeline.engine.worker import Boot, Ended
from tests.engine.fleet import clients

JOBS = ("quick", "hang", "die", "raise")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def room(place: Path) -> Iterator[Room]:
    made = Room(1, Boot("tests.engine.fake_runners:recording", place), spare=0, waiting=0)
    made.start()
    yield made
    made.end()


@pytest.fixture
def config(place: Path) -> ClientConfig:
    """A client whose jobs do as their names say, with a short limit for the one that hangs."""
    made = load_config(clients.write(place, "acme"))
    job = made.jobs["orders"]
    limits = {name: timedelta(seconds=1 if name == "hang" else 60) for name in JOBS}
    jobs = {name: job.model_copy(update={"time_limit": limit}) for name, limit in limits.items()}
    return made.model_copy(update={"jobs": jobs})


def order(job: str, client: str = "acme", *, own: bool = False) -> FleetOrder:
    return FleetOrder(0, job, "watch", load=Load(client, b"", own, frozenset()))


def runs(place: Path) -> list[dict[str, Any]]:
    """What the fake runner wrote of the runs that it began."""
    lines = (place / "runs.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if "trigger" in row]


def told(answer: Future[Answer]) -> Answer:
    return answer.result(120)


def test_each_run_ends_in_its_own_way_and_the_room_goes_on(room: Room, place: Path, config: ClientConfig) -> None:
    answers = [room.submit(order(job), config) for job in ("quick", "hang", "die", "raise", "quick")]
    states = [answer.state for answer in map(told, answers)]
    assert states == ["done", "timed_out", "interrupted", "failed", "done"]
    raised = told(answers[3])
    assert isinstance(raised, Broken)
    assert "ZeroDivisionError" in raised.finding.text.render("en")
    with Client.open(config) as client:
        last = history.last_runs(client.ledger, JOBS)
    assert {name: run.state for name, run in last.items()} == {
        "hang": "timed_out",
        "die": "interrupted",
        "raise": "failed",
    }, "who could not write down how it ended has it written down"
    pids = [row["pid"] for row in runs(place)]
    assert pids[0] == pids[1] != pids[2] != pids[3] == pids[4]


def test_own_plugins_are_loaded_for_their_client_alone(room: Room, place: Path, config: ClientConfig) -> None:
    other = replace(order("quick", "bravo", own=True))
    for one in (order("quick"), order("quick", own=True), order("quick", own=True), other, order("quick")):
        answer = told(room.submit(one, config))
        assert isinstance(answer, Ended), answer
    a, b, c, d, e = (row["pid"] for row in runs(place))
    assert a == b == c, "until somebody's plugins are in it, it is anybody's"
    assert len({c, d, e}) == 3, "then it is ended when its place is needed"


def test_what_is_cut_off_is_told_so_and_what_waits_is_given_back(room: Room, place: Path, config: ClientConfig) -> None:
    patient = config.model_copy(update={"jobs": dict.fromkeys(JOBS, config.jobs["quick"])})
    under_way, waiting = room.submit(order("hang"), patient), room.submit(order("quick"), patient)
    while not (place / "hang.hung").exists():
        assert not under_way.done()
        time.sleep(0.02)
    assert room.under_way() == [("acme", "hang", 0)]
    room.cut_off()
    for answer in (told(under_way), told(waiting)):
        assert isinstance(answer, Broken)
        assert answer.state == "interrupted"
    assert [row["job"] for row in runs(place)] == ["hang"]


def test_what_comes_besides_the_runs_is_given_more_processes(place: Path, config: ClientConfig) -> None:
    made = Room(1, Boot("tests.engine.fake_runners:recording", place), besides=1)
    jobs = {name: job.model_copy(update={"time_limit": timedelta(hours=1)}) for name, job in config.jobs.items()}
    patient = config.model_copy(update={"jobs": jobs})
    made.start()
    try:
        assert told(made.submit(order("quick"), patient)).state == "done"
        assert len(made.pool.workers) == 1, "none before it is needed"
        hanging = made.submit(order("hang"), patient)
        assert told(made.submit(order("quick"), patient)).state == "done"
        assert not hanging.done()
    finally:
        made.end()
    assert len(made.pool.workers) <= 2
