"""``mistok jobs``: schedules in words, the last run, and the next runs with what is odd about their nights."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.cli import jobs as verb
from pipeline.config.model import ClientConfig, JobConfig
from pipeline.engine import history
from pipeline.engine.shown.jobs import gather, last_words
from pipeline.errors import Finding
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.texts import T

KYIV = ZoneInfo("Europe/Kyiv")


class Clock:
    """Stands still."""

    def __init__(self, moment: str) -> None:
        self.moment = datetime.fromisoformat(moment).replace(tzinfo=KYIV)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def config(base: Path, **jobs: dict[str, object]) -> ClientConfig:
    return ClientConfig(
        client="shop",
        base=base,
        connections={},
        jobs={name: JobConfig.model_validate({**fields, "steps": ()}) for name, fields in jobs.items()},
    )


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-10-23T12:00")


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    return Ledger("sqlite:///ledger.sqlite3", client="shop", base=tmp_path, clock=clock)


def test_the_next_five_runs_in_the_clients_time_with_the_odd_night(tmp_path: Path, ledger: Ledger) -> None:
    [row] = gather(config(tmp_path, night={"at": ["03:00"]}), ledger)
    assert verb._next_words(row).splitlines() == [
        "2026-10-24 03:00",
        "2026-10-25 03:00  (03:00 comes twice on this night: runs the first time only)",
        "2026-10-26 03:00",
        "2026-10-27 03:00",
        "2026-10-28 03:00",
    ]
    assert row["last"] is None
    assert str(last_words(None)) == "never"


def test_the_last_run_with_its_error(tmp_path: Path, ledger: Ledger, clock: Clock) -> None:
    finding = Finding("time-limit", T("It took too long."))
    history.record_broken_end(ledger, "night", "timed_out", finding, trigger="catch-up", scheduled_for=clock.now())
    clock.sleep(60)
    history.record_skip(ledger, "night", "schedule", clock.now(), "busy")
    [row] = gather(config(tmp_path, night={"at": ["03:00"]}), ledger)
    words = str(last_words(row["last"]))
    assert words == "2026-10-23 12:00: ended by its time limit, caught up\nIt took too long."


def test_an_interval_goes_on_from_its_last_run(tmp_path: Path, ledger: Ledger, clock: Clock) -> None:
    shop = config(tmp_path, stock={"every": "1h"})
    history.last_slots(ledger, shop.jobs)
    history.record_broken_end(
        ledger, "stock", "done", Finding("x", T("x")), trigger="schedule", scheduled_for=clock.now()
    )
    clock.sleep(1200)
    [row] = gather(shop, ledger)
    assert verb._next_words(row).splitlines()[:2] == ["2026-10-23 13:00", "2026-10-23 14:00"]


def test_asking_writes_nothing(tmp_path: Path, ledger: Ledger) -> None:
    gather(config(tmp_path, night={"at": ["03:00"]}), ledger)
    with ledger.read() as conn:
        assert conn.exec_driver_sql('SELECT count(*) FROM "values"').scalar() == 0


def test_watching_and_jobs_that_are_off(tmp_path: Path, ledger: Ledger) -> None:
    rows = gather(config(tmp_path, orders={"watch": True}, old={"every": "1m", "enabled": False}), ledger)
    assert [verb._next_words(row) for row in rows] == ["when a file comes", ""]
    assert [str(row["schedule"]) for row in rows] == ["as files come (looked at every 10 s)", "off"]


def test_a_silent_service_is_not_at_work(ledger: Ledger, clock: Clock) -> None:
    assert verb._service(ledger) is None
    history.beat(ledger, {"pid": 7})
    found = verb._service(ledger)
    assert found is not None
    assert found["pid"] == 7
    clock.sleep(61)
    assert verb._service(ledger) is None
    history.beat(ledger, {"pid": 7, "state": "stopped"})
    assert verb._service(ledger) is None


def test_a_schedule_that_changed_has_missed_nothing(tmp_path: Path, ledger: Ledger, clock: Clock) -> None:
    def slots(at: str) -> datetime | None:
        return history.last_slots(ledger, config(tmp_path, night={"at": [at]}).jobs)["night"]

    assert slots("03:00") is None
    seen = clock.now()
    clock.sleep(86400)
    assert slots("03:00") == seen, "from here on times count as missed"
    assert slots("05:00") is None


def _begin_a_run(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        row = {"client": "shop", "job": "night", "trigger": "person", "started": ledger.clock.now(), "state": "running"}
        conn.execute(t.runs.insert().values(row))


def test_a_run_whose_process_lives_is_running(tmp_path: Path, ledger: Ledger) -> None:
    lease = ledger.acquire("job:night", timedelta(minutes=1))
    assert lease is not None
    _begin_a_run(ledger)
    states = [gather(config(tmp_path, night={"at": ["03:00"]}), ledger)[0]["last"]["state"]]
    ledger.release(lease)
    states.append(gather(config(tmp_path, night={"at": ["03:00"]}), ledger)[0]["last"]["state"])
    assert states == ["running", "interrupted"]


def test_a_run_whose_process_is_gone_was_interrupted(tmp_path: Path, ledger: Ledger) -> None:
    ledger.owner = f"{socket.gethostname()}:{os.getpid()}:1:0badcafe"  # a process of this number, long ago
    ledger.acquire("job:night", timedelta(minutes=1))
    _begin_a_run(ledger)
    [row] = gather(config(tmp_path, night={"at": ["03:00"]}), ledger)
    assert "interrupted" in str(last_words(row["last"]))


def test_a_job_is_paused_and_let_go_by_the_verb(tmp_path: Path) -> None:
    from tests.e2e.command import here

    text = "client: shop\nlanguage: en\nconnections: {site: {type: local, path: site}, books: {type: books}}\n"
    text += "jobs: {orders: {every: 5m, steps: [{step: import-orders, inbox: site, into: books}]}}\n"
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    call = ("-c", tmp_path / "config.yaml", "jobs")
    assert "paused by" in here(*call, "--pause", "orders", "--why", "the shop moves").out
    assert "the shop moves" in here(*call).out.replace("\n", " ")
    assert here(*call, "--pause", "order").code == 2
    assert "paused by" not in here(*call, "--resume", "orders").out
