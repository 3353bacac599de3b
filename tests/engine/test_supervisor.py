"""The service with real worker processes, and runners that behave as badly as runs can."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
import structlog

from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig, ConnectionSpec, JobConfig, StepSpec
from pipeline.engine import asking, history, supervisor
from pipeline.engine.configwatch import Verdict
from pipeline.engine.desks import AT_ONCE, GAP
from pipeline.engine.pool import Worker
from pipeline.engine.scheduler import Due
from pipeline.engine.supervisor import Supervisor
from pipeline.engine.waking import Pace
from pipeline.engine.worker import Boot
from pipeline.flow import InboundSettings
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import files
from pipeline.settings import Settings
from pipeline.transports.local import LocalSettings

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _runners_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, made once: migrating takes longer than most tests here."""
    folder = tmp_path_factory.mktemp("ledger")
    Ledger("sqlite:///ledger.sqlite3", client="shop", base=folder, clock=SystemClock()).close()
    return folder / "ledger.sqlite3"


@pytest.fixture
def place(tmp_path: Path, migrated: Path) -> Path:
    with sqlite3.connect(migrated) as source, sqlite3.connect(tmp_path / "ledger.sqlite3") as copy:
        source.backup(copy)
    copy.close()
    source.close()
    return tmp_path


def config(place: Path, jobs: dict[str, dict[str, Any]]) -> ClientConfig:
    (place / "inbox").mkdir(exist_ok=True)
    inbox = InboundSettings.model_validate({"inbox": "site", "into": "books"})
    steps = (StepSpec(step="fake", params=inbox),)
    return ClientConfig(
        client="shop",
        base=place,
        connections={
            "site": ConnectionSpec(type="local", kind="transport", params=LocalSettings(path=Path("inbox"))),
            "books": ConnectionSpec(type="books", kind="system", params=Settings()),
        },
        jobs={name: JobConfig.model_validate({**fields, "steps": steps}) for name, fields in jobs.items()},
    )


def ledger(place: Path) -> Ledger:
    return Ledger("sqlite:///ledger.sqlite3", client="shop", base=place, clock=SystemClock())


def boot(place: Path, runner: str = "recording") -> Boot:
    return Boot(f"fake_runners:{runner}", place)


@contextmanager
def serving(
    place: Path,
    jobs: dict[str, dict[str, Any]],
    *,
    drain: float = 5.0,
    workers: int = 1,
    edits: Any = None,
) -> Iterator[Supervisor]:
    """A service in a thread; stopped at the end, and its failure shown."""
    store = ledger(place)
    service = Supervisor(config(place, jobs), store, workers=workers, drain=drain, boot=boot(place), edits=edits)
    failure: list[BaseException] = []

    def run() -> None:
        try:
            service.run()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(30)
        store.close()
    assert not thread.is_alive()
    assert not failure, failure


def record(place: Path) -> list[dict[str, Any]]:
    path = place / "runs.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def begun(place: Path, job: str) -> list[dict[str, Any]]:
    return [line for line in record(place) if line["job"] == job]


def until(true: Callable[[], object], seconds: float = 60.0) -> float:
    """Wait for it; gives how long that took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "it did not come"
        time.sleep(0.02)
    return time.monotonic() - start


def runs(place: Path, job: str) -> list[tuple[str, str]]:
    """(state, code of the error) as the ledger has them, oldest first."""
    connection = sqlite3.connect(place / "ledger.sqlite3")
    rows = connection.execute("SELECT state, error FROM runs WHERE job = ? ORDER BY id", (job,)).fetchall()
    connection.close()
    return [(state, json.loads(error)["code"] if error and error != "null" else "") for state, error in rows]


def test_jobs_run_every_interval_in_one_process_that_stays(place: Path) -> None:
    with serving(place, {"tick": {"every": "1s"}}):
        until(lambda: len(begun(place, "tick")) >= 3)
    lines = begun(place, "tick")
    assert len({line["pid"] for line in lines}) == 1
    assert lines[0]["trigger"] == "schedule"
    gaps = [b["at"] - a["at"] for a, b in pairwise(lines)]
    assert all(0.7 < gap < 1.6 for gap in gaps[1:]), gaps  # the first one waited until the worker was loaded


def test_f14_a_hanging_step_is_ended_by_its_limit_and_the_next_tick_runs(place: Path) -> None:
    with serving(place, {"hang": {"every": "1s", "time_limit": "1s"}, "other": {"every": "1s"}}):
        until(lambda: begun(place, "hang:end"))
    assert ("timed_out", "time-limit") in runs(place, "hang")
    store = ledger(place)
    with store.read() as conn:
        notices = conn.exec_driver_sql("SELECT kind, subject FROM notices").fetchall()
    store.close()
    assert [tuple(notice) for notice in notices] == [("failure", "job:hang")]
    pids = [line["pid"] for line in begun(place, "hang")]
    assert pids[0] != pids[-1], "another process took its place"


def test_a_step_that_does_not_listen_is_killed(place: Path) -> None:
    with serving(place, {"hang-stubborn": {"every": "1h", "time_limit": "200ms"}}):
        until(lambda: runs(place, "hang-stubborn"))
    assert runs(place, "hang-stubborn") == [("timed_out", "time-limit")]
    assert begun(place, "hang-stubborn:asked"), "it was asked before it was killed"


@pytest.mark.full
def test_f14_what_a_hanging_step_has_started_is_ended_with_it(place: Path) -> None:
    names = ("hang-parent", "hang-stubborn-parent")
    with serving(place, {name: {"every": "1h", "time_limit": "200ms"} for name in names}):
        until(lambda: all(runs(place, name) for name in names))
        for name in names:
            (line,) = begun(place, f"{name}:child")
            until(lambda pid=line["child"]: not psutil.pid_exists(pid))  # type: ignore[misc]
            assert runs(place, name) == [("timed_out", "time-limit")]


def test_a_worker_killed_from_outside_is_noticed_and_replaced(place: Path) -> None:
    with serving(place, {"die": {"every": "1s"}}):
        until(lambda: begun(place, "die:end"))
    assert ("interrupted", "worker-lost") in runs(place, "die")


def test_a_run_that_raises_is_recorded_and_the_worker_stays(place: Path) -> None:
    with structlog.testing.capture_logs() as logged, serving(place, {"raise": {"every": "1s"}}):
        until(lambda: runs(place, "raise").count(("failed", "unexpected")) >= 2)
    assert [line["code"] for line in logged if line["event"] == "run_failed"] == ["unexpected"], "told once"
    assert ("failed", "unexpected") in runs(place, "raise")
    assert len({line["pid"] for line in begun(place, "raise")}) == 1


def test_f27_a_run_longer_than_its_interval_skips_and_counts(place: Path) -> None:
    with serving(place, {"slow": {"every": "500ms"}}):
        until(lambda: len(begun(place, "slow:end")) >= 2)
    assert runs(place, "slow").count(("skipped", "")) >= 1
    begins = [line["at"] for line in begun(place, "slow")]
    ends = [line["at"] for line in begun(place, "slow:end")]
    assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False)), "never two at once"


@pytest.mark.parametrize(
    ("under_way", "in_slices", "waits"),
    [("watch", False, True), ("wake", False, True), ("watch", True, False), ("schedule", False, False)],
)
def test_f27_a_time_of_the_schedule_that_meets_a_mere_look_waits_for_its_end(
    place: Path, under_way: str, in_slices: bool, waits: bool
) -> None:
    store = ledger(place)
    service = Supervisor(config(place, {"orders": {"every": "20s", "watch": True}}), store, boot=boot(place))
    desk = service.desks["orders"]
    desk.begins(time.monotonic(), under_way)
    desk.worker, desk.goes_on = cast("Worker", object()), in_slices
    due = Due("orders", "schedule", datetime.now(UTC))
    with structlog.testing.capture_logs() as logged:
        service._take(due)
        assert list(desk.waiting) == [due] * waits
        service._take(due)  # one waits already
    assert list(desk.waiting) == [due] * waits
    assert [line["event"] for line in logged] == ["run_skipped"] * (1 if waits else 2)
    desk.worker = None
    service.close()
    store.close()
    assert runs(place, "orders") == [("skipped", "")] * (1 if waits else 2)


def test_f28_missed_runs_are_caught_up_by_policy(place: Path) -> None:
    now = datetime.now(UTC)
    hours = [(now - timedelta(hours=h)).astimezone(config(place, {}).zone).strftime("%H:00") for h in (1, 2, 3)]
    jobs: dict[str, dict[str, Any]] = {
        f"night-{policy}": {"at": hours, "catch_up": policy} for policy in ("last", "all", "none")
    }
    store = ledger(place)
    history.last_slots(store, config(place, jobs).jobs)  # the service was here once
    with store.begin() as conn:
        conn.exec_driver_sql(
            """UPDATE "values" SET value = json_set(value, '$.since', ?) WHERE kind = 'schedule'""",
            ((now - timedelta(hours=4)).isoformat(),),  # before the first of them, in the last minute of an hour too
        )
    store.close()
    with serving(place, jobs, workers=2):
        until(lambda: len(begun(place, "night-all:end")) == 3 and begun(place, "night-last:end"))
        time.sleep(0.3)
    assert [line["trigger"] for line in begun(place, "night-all")] == ["catch-up"] * 3
    slots = [line["slot"] for line in begun(place, "night-all")]
    assert slots == sorted(slots)
    assert [line["slot"] for line in begun(place, "night-last")] == slots[-1:]
    assert begun(place, "night-none") == []
    assert runs(place, "night-none") == [("skipped", "")]


def test_new_jobs_have_missed_nothing(place: Path) -> None:
    with serving(place, {"night": {"cron": "* * * * *", "catch_up": "all"}, "tick": {"every": "1h"}}):
        until(lambda: begun(place, "tick:end"))
    assert len(begun(place, "night")) <= 1


def test_a_dropped_file_is_looked_at_at_once(place: Path) -> None:
    with serving(place, {"orders": {"watch": True, "poll": "1m"}}):
        until(lambda: begun(place, "orders:end"))
        until(lambda: len(begun(place, "orders:end")) >= 2 or time.time() - begun(place, "orders")[-1]["at"] > 0.8)
        before = len(begun(place, "orders"))
        code = f"import pathlib; pathlib.Path({str(place / 'inbox' / 'order.xml')!r}).write_text('<x/>')"
        subprocess.run([sys.executable, "-S", "-c", code], check=True)
        until(lambda: len(begun(place, "orders")) > before)
    assert begun(place, "orders")[-1]["trigger"] == "watch"
    assert begun(place, "orders:end")[-1]["files"] == 1


@pytest.mark.full
def test_a_burst_of_files_is_few_runs(place: Path) -> None:
    with serving(place, {"orders": {"watch": True, "poll": "1m"}}):
        until(lambda: begun(place, "orders:end"))
        before = len(begun(place, "orders"))
        start = time.monotonic()
        for number in range(2000):
            (place / "inbox" / f"{number}.xml").write_text("<x/>")
        until(lambda: begun(place, "orders:end")[-1]["files"] == 2000)
        took = time.monotonic() - start
    assert len(begun(place, "orders")) - before <= took / GAP + AT_ONCE + 1


def test_what_waits_is_looked_at_again_soon(place: Path) -> None:
    with serving(place, {"again": {"watch": True, "poll": "1m"}}):
        until(lambda: len(begun(place, "again:end")) >= 2)


def test_what_is_left_of_a_flood_is_gone_on_with_and_what_comes_later_begins_anew(place: Path) -> None:
    with serving(place, {"flood": {"watch": True, "poll": "1h"}}) as service:
        until(lambda: len(begun(place, "flood")) == 3)
        service.hint("flood")
        until(lambda: len(begun(place, "flood")) >= 4)
    assert [run["goes_on"] for run in begun(place, "flood")][:4] == [False, True, True, False]


def test_what_people_ask_for_is_read_when_somebody_has_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of hundreds of clients: nobody asks for anything most of the time."""
    store, other = ledger(place), ledger(place)
    service = Supervisor(config(place, {"tick": {"every": "1h"}}), store, pace=Pace(asked=0.0))
    read: list[object] = []
    standing = asking.standing

    def counted(one: Ledger) -> asking.Asked:
        read.append(one)
        return standing(one)

    monkeypatch.setattr(asking, "standing", counted)
    for _ in range(3):
        service._listen_to_people()
    assert len(read) == (3 if store.written() is None else 1)
    asking.run_now(other, "tick", by="olena")
    service._listen_to_people()
    assert service.desks["tick"].asked == "olena"
    store.close()
    other.close()


def test_f58_the_service_itself_notices_an_unusual_silence(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "QUIET_EVERY", 0.1)
    store, now = ledger(place), datetime.now(UTC)
    with store.begin() as conn:
        for hours in range(10, 28 * 24, 2):
            at = now - timedelta(hours=hours)
            moments = dict.fromkeys(("first_seen", "last_look", "stable_since", "updated"), at)
            file = {"client": "shop", "connection": "site", "folder": "", "name": f"{hours}.xml", "size": 1}
            conn.execute(files.insert().values(**file, **moments, state="acknowledged", tries=0, fence=0))
    store.close()

    def notices() -> list[Any]:
        connection = sqlite3.connect(place / "ledger.sqlite3")
        rows = connection.execute("SELECT subject FROM notices").fetchall()
        connection.close()
        return rows

    with serving(place, {"tick": {"every": "1s"}}):
        until(notices)
        time.sleep(0.5)
    assert notices() == [("inbox:site",)], "once"


def test_one_service_works_and_the_other_takes_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.supervisor.Pace", lambda: Pace(beat=0.5))
    with serving(place, {"tick": {"every": "1s"}}) as first:
        until(lambda: begun(place, "tick"))
        with serving(place, {"tick": {"every": "1s"}}) as second:
            time.sleep(2.2)
            pids = {line["pid"] for line in begun(place, "tick")}
            assert len(pids) == 1, "only the first one works"
            assert (first.at_work, second.at_work) == (True, False)
            first.stop()
            until(lambda: len({line["pid"] for line in begun(place, "tick")}) == 2)
            assert (first.at_work, second.at_work) == (False, True)
    lines = sorted(begun(place, "tick"), key=lambda line: line["at"])
    assert len({line["slot"] for line in lines}) == len(lines), "no tick ran twice"
    workers = [line["pid"] for line in lines]
    assert len(set(workers)) == 1 + sum(a != b for a, b in pairwise(workers)), "never both of them"


@pytest.mark.parametrize("runner", ["broken", "vanishing"])
def test_workers_that_cannot_load_are_not_started_in_a_circle(place: Path, runner: str) -> None:
    store = ledger(place)
    service = Supervisor(config(place, {"tick": {"every": "1s"}}), store, workers=1, boot=boot(place, runner))
    thread = threading.Thread(target=service.run)
    thread.start()
    until(lambda: service.pool._failures >= 1)
    assert service.pool._refill_at > time.monotonic() + 1
    service.stop()
    thread.join(10)
    store.close()
    assert not thread.is_alive()


# --- the whole service as a process ------------------------------------------------------------------------------

SERVICE = """
import sys, pathlib
sys.path[:0] = {paths!r}
import test_supervisor as t
if __name__ == "__main__":
    place = pathlib.Path({place!r})
    store = t.ledger(place)
    service = t.Supervisor(t.config(place, {jobs!r}), store, workers=1, drain={drain}, boot=t.boot(place))
    with service.signals():
        service.run()
    store.close()
"""


@contextmanager
def process(place: Path, jobs: dict[str, dict[str, Any]], *, drain: float = 5.0) -> Iterator[subprocess.Popen[bytes]]:
    script = place / "service.py"
    paths = [str(HERE), str(HERE.parents[1])]
    script.write_text(SERVICE.format(paths=paths, place=str(place), jobs=jobs, drain=drain), "utf-8")
    service = subprocess.Popen([sys.executable, str(script)], cwd=place, start_new_session=True)
    try:
        yield service
    finally:
        service.kill()
        service.wait()


class Edits:
    """Says of an edit what a test wants said."""

    under_way = False

    def __init__(self) -> None:
        self.said: list[Verdict] = []

    def look(self) -> Verdict | None:
        return self.said.pop(0) if self.said else None

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("patience", [60.0, 0.0])
def test_a_right_edit_cuts_no_run_off(place: Path, patience: float) -> None:
    """The run ends by the old config, with more time than the drain; late, nothing else is begun meanwhile."""
    edits = Edits()
    with serving(place, {"slow": {"every": "1h"}, "tick": {"every": "1s"}}, drain=patience, edits=edits) as service:
        until(lambda: begun(place, "slow"))
        ticks = len(begun(place, "tick"))
        edits.said.append(Verdict(changed=True))
        until(lambda: service.edited)
        assert begun(place, "slow:end"), "the running step was given its time"
        if not patience:
            assert len(begun(place, "tick")) - ticks <= 1
    assert runs(place, "slow") == []


def test_an_edit_that_is_taken_back_in_time_changes_nothing(place: Path) -> None:
    edits = Edits()
    with serving(place, {"slow": {"every": "1h"}}, drain=0.0, edits=edits) as service:
        until(lambda: begun(place, "slow"))
        edits.said += [Verdict(changed=True), Verdict()]
        until(lambda: begun(place, "slow:end"))
        service.hint("slow")
        until(lambda: len(begun(place, "slow:end")) == 2)
        assert not service.edited


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.full
@posix
def test_f56_sigterm_to_the_whole_group_drains(place: Path) -> None:
    with process(place, {"slow": {"every": "1h"}, "tick": {"every": "1h"}}) as service:
        until(lambda: begun(place, "slow"))
        if sys.platform != "win32":
            os.killpg(service.pid, signal.SIGTERM)  # as systemd does: service and workers alike
        assert service.wait(30) == 0
    assert begun(place, "slow:end"), "the running step was given its time"
    assert runs(place, "slow") == []


@posix
def test_f56_what_does_not_end_in_time_is_cut_off(place: Path) -> None:
    with process(place, {"hang": {"every": "1h"}}, drain=0.3) as service:
        until(lambda: begun(place, "hang"))
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert runs(place, "hang") == [("interrupted", "stopped")]


@pytest.mark.full
@posix
def test_a_second_ctrl_c_ends_at_once(place: Path) -> None:
    with process(place, {"hang-stubborn": {"every": "1h"}}, drain=60) as service:
        until(lambda: begun(place, "hang-stubborn"))
        service.send_signal(signal.SIGINT)
        time.sleep(0.4)
        assert service.poll() is None, "it drains"
        service.send_signal(signal.SIGINT)
        assert service.wait(30) == 0
    assert not begun(place, "hang-stubborn:asked"), "at once"


@posix
def test_workers_do_not_outlive_a_killed_service(place: Path) -> None:
    with process(place, {"hang": {"every": "1h"}}) as service:
        until(lambda: begun(place, "hang"))
        worker = begun(place, "hang")[0]["pid"]
        service.kill()
        service.wait()

        def gone() -> bool:
            try:
                os.kill(worker, 0)
            except ProcessLookupError:
                return True
            state = Path(f"/proc/{worker}/stat")
            return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"

        until(gone)
