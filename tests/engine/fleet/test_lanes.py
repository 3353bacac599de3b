"""What is no run of a job, notices and looking after: in queues and places of its own, never before or among runs."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.engine.fleet import queue, standing
from pipeline.engine.fleet.care import EVERY
from pipeline.engine.fleet.queue import LANES, LAST, RUN, Ask, Names, Queue
from pipeline.engine.fleet.worker import LOOKS, PLACES
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.engine.fleet.queues import within
from tests.engine.fleet.test_apart import GOOD, with_plugin
from tests.faults.fleet import Fleet
from tests.faults.serving import started
from tests.servers.postgresql import Postgres

#: A notice that hangs is left to hang: it must not be its end that lets others work.
WORKER = [
    sys.executable,
    "-c",
    (
        "from datetime import timedelta; from pipeline.engine.fleet import room; room.TELLING = timedelta(hours=9); "
        "from pipeline.cli import main; main()"
    ),
]


def lane(why: str, *clients: str) -> Names:
    return Names(queue.queue_of(one, why) for one in clients)


async def taken(it: Queue, names: Names, worker: int) -> str | None:
    """Of whom and why the job is that is handed out."""
    job = await it.app.job_manager.fetch_job(names, worker)
    return f"{job.task_kwargs['client']} {job.task_kwargs['why']}" if job else None


def test_runs_and_what_is_none_are_handed_out_apart(queue_url: str) -> None:
    assert set(PLACES) == set(LOOKS) == set(LANES) == {"tell", *EVERY}
    both = ("acme", "bravo")

    async def work(it: Queue, worker: int) -> None:
        for name in both:
            assert await it.ask(Ask(name, "", "tell"))
            assert not await it.ask(Ask(name, "", "tell"))
            for why in EVERY:
                assert await it.ask(Ask(name, "", why))
            assert await it.ask(Ask(name, "orders", "plan"))
        runs, tells, cares = (lane(why, *both) for why in ("plan", "tell", "care"))
        assert set(await it.waiting_for(["acme"])) >= {Ask("acme", "", why).once for why in LANES}
        one = standing.look(queue_url).clients["acme"]
        assert (one.waiting, one.running) == (1, 0), "runs of jobs, and nothing else"
        assert [await taken(it, runs, worker) for _ in range(3)] == ["acme plan", "bravo plan", None]
        assert [await taken(it, cares, worker) for _ in range(3)] == ["acme care", "bravo care", None]
        assert [await taken(it, tells, worker) for _ in range(3)] == ["acme tell", "bravo tell", None]
        assert await it.ask(Ask("acme", "", "tell"))
        assert await taken(it, tells, worker) == "acme tell", "whatever else of the client is under way"
        assert await it.ask(Ask("acme", "", "care"))
        assert await taken(it, cares, worker) is None, "one at a time"
        for why in ("escalate", "tidy"):
            other = lane(why, *both)
            assert [await taken(it, other, worker) for _ in range(3)] == [f"acme {why}", f"bravo {why}", None]

    within(queue_url, work)


def test_what_is_no_run_has_no_part_in_the_turns_of_runs(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> None:
        await it.ask(Ask("acme", "", "care"))
        assert await taken(it, lane("care", "acme"), worker) == "acme care"
        await it.ask(Ask("acme", "orders", "plan"))
        await it.ask_all([(Ask("acme", "stock", "plan"), None), (Ask("bravo", "", "care"), datetime.now(UTC))])
        assert queue.ask_now(queue_url, Ask("bravo", "orders", "watch"))
        with queue.connect(queue_url) as conn:
            rows = conn.execute(
                "SELECT lock, priority FROM procrastinate_jobs WHERE task_name = %s ORDER BY id", [RUN]
            ).fetchall()
        assert [(row["lock"], row["priority"]) for row in rows] == [
            ("acme/care", LAST),
            ("acme", 0),
            ("acme", -1),
            ("bravo", 0),
        ]

    within(queue_url, work)


def test_beside_workers_of_an_older_mistok_neither_keeps_the_other_from_asking(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> None:
        for why in LANES:  # as they ask for it
            await it.app.configure_task(
                RUN, queueing_lock=f"acme//{why}", queue="acme", priority=queue.FIRST
            ).defer_async(client="acme", job="", why=why)
            assert await it.ask(Ask("acme", "", why))
        older = [await taken(it, lane("", "acme"), worker) for _ in range(len(LANES) + 1)]
        assert older == [*(f"acme {why}" for why in LANES), None], (
            "who knows the client's own queue alone is given theirs alone"
        )

    within(queue_url, work)


# --- a worker ----------------------------------------------------------------------------------------------------


class Deaf:
    """Takes every connection and never says a word."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.taken.append(self._listening.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listening.close()
        for one in self.taken:
            one.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.close()


@pytest.fixture
def fleet(tmp_path: Path, postgres_server: Postgres, queue_url: str, deaf: Deaf) -> Iterator[Fleet]:
    """Four clients whose channel never answers, and one that has none; each with an order in its inbox."""
    folder = tmp_path / "clients"
    folder.mkdir()
    with postgres_server.database("ledger") as ledger:
        made = Fleet(folder, postgres_server, ledger, queue_url, concurrency=2, every="9h")
        for name in ("loud-1", "loud-2", "loud-3", "loud-4", "tidy"):
            made.add(name, 1)
            if name != "tidy":
                with (folder / name / "config.yaml").open("a", encoding="utf-8") as file:
                    file.write(
                        f"alerts: {{channels: [{{type: apprise, urls: ['json://127.0.0.1:{deaf.port}/x?rto=30000']}}]}}\n"
                    )
        yield made


@contextmanager
def working(fleet: Fleet, program: Sequence[str] = WORKER) -> Iterator[None]:
    words = ("worker", str(fleet.folder), "--concurrency", str(fleet.concurrency), "--silence", "120")
    env = {**os.environ, "MISTOK_QUEUE": fleet.queue}
    with started(words, fleet.folder / "worker.log", program=program, env=env):
        yield


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there; the places are the same")
def test_notices_that_nobody_takes_hold_no_import_up(fleet: Fleet, deaf: Deaf) -> None:
    with queue.connect(fleet.queue) as conn:
        for name in fleet.clients[:2]:  # as an older worker asks for it: before all runs, and among them
            queue.ask_on(conn, Ask(name, "", "tell"))
            conn.execute(
                "UPDATE procrastinate_jobs SET queue_name = %s, priority = %s, queueing_lock = %s "
                "WHERE queue_name = %s",
                [name, queue.FIRST, f"{name}//tell", queue.queue_of(name, "tell")],
            )
    with working(fleet):
        fleet.until(lambda: not fleet.left())
        fleet.until(lambda: len(deaf.taken) >= PLACES["tell"])
        fleet.drop("tidy", 1)
        fleet.ask("tidy", by="olena")
        fleet.drop("loud-1", 1)
        fleet.ask("loud-1", by="olena")
        fleet.until(lambda: not fleet.left())
        fleet.until(lambda: "person" in fleet.triggers("tidy") and "person" in fleet.triggers("loud-1"))


#: Marks that a look has begun and, in a client that is stuck, never ends it.
LOOKED = """
import multiprocessing
import time
from pathlib import Path
from pipeline.engine import quiet, retention
from pipeline.engine.fleet import care

base = Path(__file__).parents[1]

def marked(what, do):
    def call(*given, **named):
        base.joinpath(what).touch()
        while base.name.startswith("stuck"):
            time.sleep(1)
        return do(*given, **named)
    return call

if multiprocessing.current_process().name != "MainProcess":  # not where the test itself reads the config
    quiet.examine = marked("care", quiet.examine)
    care.escalator = marked("escalate", care.escalator)
    retention.prune = marked("tidy", retention.prune)
"""


@pytest.fixture
def looked_after(tmp_path: Path, queue_url: str) -> Fleet:
    """A client of whom every look hangs, and one of whom none does."""
    folder = tmp_path / "clients"
    folder.mkdir()
    made = Fleet(folder, None, "sqlite:///ledger.sqlite3", queue_url, every="9h")
    for name in ("stuck", "tidy"):
        made.add(name, 0)
        with_plugin(folder / name, GOOD + LOOKED)
        with (folder / name / "config.yaml").open("a", encoding="utf-8") as file:
            file.write("archive: {keep_days: 30}\n")
            file.write("alerts: {escalate: [{name: boss, after: 9h, channel: {type: desktop}}]}\n")
    return made


def looks(fleet: Fleet, client: str, *whys: str) -> None:
    """Ask for these, and wait until they have begun."""
    with queue.connect(fleet.queue) as conn:
        for why in whys:
            queue.ask_on(conn, Ask(client, "", why))
    fleet.until(lambda: all((fleet.folder / client / why).exists() for why in whys))


def limited(seconds: int) -> list[str]:
    """A worker whose looks may take so long."""
    words = "from datetime import timedelta; from pipeline.engine.fleet import care; "
    words += f"care.LIMITS = dict.fromkeys(care.LIMITS, timedelta(seconds={seconds})); "
    return [sys.executable, "-c", words + "from pipeline.cli import main; main()"]


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there; the places are the same")
def test_looks_that_hang_keep_no_others_waiting(looked_after: Fleet) -> None:
    fleet = looked_after
    with working(fleet, limited(36000)):
        looks(fleet, "stuck", "tidy")
        looks(fleet, "tidy", "care", "escalate")
        looks(fleet, "stuck", "care", "escalate")
        for why in ("care", "escalate"):
            (fleet.folder / "tidy" / why).unlink()
        looks(fleet, "tidy", "care", "escalate")
        fleet.drop("tidy", 1)
        fleet.ask("tidy", by="olena")
        fleet.until(lambda: not fleet.left())
        assert not (fleet.folder / "tidy" / "tidy").exists()


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_a_look_that_hangs_is_ended_and_comes_back_later(looked_after: Fleet) -> None:
    fleet = looked_after
    with working(fleet, limited(15)):
        looks(fleet, "stuck", *EVERY)
        fleet.until(lambda: all(tries(fleet).get(why) for why in EVERY))
        assert (fleet.folder / "worker.log").read_text("utf-8").count("state=timed_out") >= len(EVERY)
        looks(fleet, "tidy", *EVERY)
        fleet.until(lambda: "retention" in kept(fleet, "tidy"))


def tries(fleet: Fleet) -> dict[str, int]:
    """How often in a row each look at the client that is stuck was ended, as its next timer has it."""
    with queue.connect(fleet.queue) as conn:
        rows = conn.execute(
            "SELECT args FROM procrastinate_jobs WHERE task_name = %s AND args->>'client' = 'stuck' "
            "AND args->>'job' = '' AND (args->>'tries')::int > 0",
            [queue.TIMER],
        ).fetchall()
    return {row["args"]["why"]: row["args"]["tries"] for row in rows}


def kept(fleet: Fleet, client: str) -> set[str]:
    """The kinds of small values in its ledger."""
    with Client.open(load_config(fleet.folder / client)) as opened, opened.ledger.read() as conn:
        return set(conn.execute(sa.select(t.values.c.kind)).scalars())
