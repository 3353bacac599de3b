"""F54: the password is wrong, or the account has expired: one login for each back-off, told once, the others go on.

Against Debian's sshd: the logins are counted in the server's own log.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import backoff
from pipeline.engine.backoff import Standing, left_alone, standings, wait_after
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.errors import Finding
from pipeline.resources import samples
from pipeline.texts import T
from tests.conftest import Servers
from tests.faults import ends, invariants
from tests.faults.serving import MISTOK
from tests.servers.common import Server

CONFIG = """\
client: acme
language: en
connections:
  site:
    type: sftp
    host: 127.0.0.1
    port: {port}
    user: {user}
    password: {password}
    host_key: {fingerprint}
  near: {{type: local, path: near}}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
log: {{file: null}}
jobs:
  orders:
    watch: true
    steps: [{{step: import-orders, inbox: site, folder: "{inbox}", into: books, stable: 10ms, client: "0042",
             object: "01", user: anna, executor: petro}}]
  catalogue:
    every: 1m
    steps: [{{step: export-catalogue, from: books, to: site, folder: "{goods}"}}]
  near:
    every: 1m
    steps: [{{step: import-orders, inbox: near, folder: orders, into: books, stable: 10ms, client: "0042",
             object: "01", user: anna, executor: petro}}]
"""


class Moved:
    """The machine's clock, set ahead by hand; what is waited for passes in no time."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


class Place:
    """A client whose site is the real server."""

    def __init__(self, folder: Path, server: Server, name: str) -> None:
        self.folder, self.server, self.clock = folder, server, Moved()
        server.fresh(name)
        self.inbox, self.goods = server.fresh(f"{name}/orders"), server.fresh(f"{name}/goods")
        self.name = name
        self.near = folder / "near" / "orders"
        self.near.mkdir(parents=True)
        self.dropped: dict[str, bytes] = {}

    def config(self, password: str) -> ClientConfig:
        path = self.folder / "config.yaml"
        path.write_text(
            CONFIG.format(
                port=self.server.port,
                user=self.server.user,
                password=password,
                fingerprint=self.server.extra["fingerprint"],
                samples=samples().as_posix(),
                inbox=f"{self.name}/orders",
                goods=f"{self.name}/goods",
            ),
            encoding="utf-8",
        )
        return load_config(path)

    def drop(self, folder: Path, nth: int) -> None:
        order = sorted(samples().glob("orders/twenty/*.xml"))[nth]
        (folder / order.name).write_bytes(order.read_bytes())
        if folder == self.inbox and self.server.owner:
            self.server.owner.own(folder / order.name)
        self.dropped[order.name] = order.read_bytes()

    def run(self, config: ClientConfig, job: str, trigger: str = "schedule") -> RunReport:
        ends.happened(f"a run of {job}")
        return run_job(config, job, RunOptions(trigger=trigger), clock=self.clock)

    def check(self, config: ClientConfig, *, work_left: bool = False) -> None:
        """The promises, when the longest of all pauses is over."""
        self.clock.sleep(timedelta(hours=7).total_seconds())

        def again(job: str) -> RunReport:
            return run_job(config, job, RunOptions(trigger="schedule"), clock=self.clock)

        invariants.check(
            config,
            inboxes=[self.inbox, self.near],
            dropped=self.dropped,
            goods=self.goods,
            again=again,
            work_left=work_left,
        )

    def logins(self) -> int:
        """Logins of our user that the server turned down, by its log."""
        words = self.server.log.read_text("utf-8", "replace")
        return words.count("Failed password for")

    def notices(self, config: ClientConfig) -> list[tuple[str, str]]:
        with Client.open(config) as client, client.ledger.read() as conn:
            return [
                tuple(row) for row in conn.exec_driver_sql("SELECT subject, kind FROM notices WHERE kind = 'failure'")
            ]


@pytest.fixture
def place(tmp_path: Path, servers: Servers, request: pytest.FixtureRequest) -> Place:
    return Place(tmp_path, servers.get("sshd"), f"t{abs(hash(request.node.nodeid)) % 10**10}")


@contextmanager
def expired(server: Server) -> Iterator[None]:
    """The server's account has expired."""
    subprocess.run(["chage", "--expiredate", "1", server.user], check=True)
    try:
        yield
    finally:
        subprocess.run(["chage", "--expiredate", "-1", server.user], check=True)


def test_f54_one_login_for_each_back_off_whatever_jobs_use_the_connection(place: Place) -> None:
    wrong = place.config("not-the-password")
    place.drop(place.inbox, 0)
    place.drop(place.near, 1)
    before = place.logins()
    for minute in range(12):  # three jobs tick each minute, as they would under `serve`
        for job in ("orders", "catalogue"):
            report = place.run(wrong, job, "watch" if job == "orders" else "schedule")
            assert report.state == "failed"
            assert report.exit_code == 3
            assert report.steps[0].findings[0].code == "login"
            assert report.again_in is not None
        assert place.run(wrong, "near").state == "done", "other connections go on"
        place.clock.sleep(60)
        if minute == 0:
            words = str(place.run(wrong, "orders").steps[0].findings[0].text)
            assert "is left alone until" in words
            assert "refused the login" in words
    # at 0 and 5 minutes; the third try is due at 15
    assert place.logins() - before == 2
    place.clock.sleep(4 * 60)
    place.run(wrong, "catalogue")
    place.run(wrong, "orders")
    assert place.logins() - before == 3
    assert place.notices(wrong) == [("connection:site", "failure")], "one alarm, whatever jobs fail for it"
    assert len(invariants.books_rows(wrong)) == 1

    # a person may try at once, and is turned down at once; the next back-off is not longer for it
    assert place.run(wrong, "orders", "person").exit_code == 3
    assert place.logins() - before == 4

    # the password is mended: no waiting
    right = place.config(place.server.password)
    assert place.run(right, "orders", "watch").state == "done"
    assert place.run(right, "catalogue").state == "done"
    assert place.logins() - before == 4
    assert [subject for subject, _ in place.notices(right)] == ["connection:site"] * 2, "and all is well again"
    place.check(right)


def test_f54_an_account_that_expired_and_was_renewed(place: Place) -> None:
    config = place.config(place.server.password)
    place.drop(place.inbox, 2)
    with expired(place.server):
        before = place.logins()
        for _ in range(4):
            assert place.run(config, "orders").exit_code == 3
            place.clock.sleep(60)
        assert place.logins() - before == 1
        with Client.open(config, clock=place.clock) as client:
            assert left_alone(client.ledger, {"site": config.connections["site"]})
    # nobody told us that it was renewed: the next try finds out, and takes what waited
    place.clock.sleep(60)
    assert place.run(config, "orders").state == "done"
    with Client.open(config, clock=place.clock) as client:
        assert not left_alone(client.ledger, {"site": config.connections["site"]})
        assert standings(client.ledger, ["site"])["site"].since is None
    place.check(config)


@pytest.mark.full
def test_f54_a_watching_service_respects_it_and_takes_up_a_mended_password(place: Place) -> None:
    place.config("not-the-password")
    path = place.folder / "config.yaml"
    text = (
        path.read_text("utf-8")
        .replace("    watch: true\n", "    watch: true\n    poll: 1s\n")
        .replace("every: 1m", "every: 1s")
    )
    path.write_text(text, encoding="utf-8")
    place.drop(place.inbox, 3)
    before = place.logins()
    ends.happened("a service")
    command = [*MISTOK, "-c", str(path), "serve"]
    with (place.folder / "screen.txt").open("wb") as screen:
        service = subprocess.Popen(command, stdout=screen, stderr=screen)
    try:
        _until(lambda: place.logins() > before, place)
        went_on = _ran(place, "near") + 4  # another connection's job, with ticks like that of each refused one
        _until(lambda: _ran(place, "near") >= went_on, place)
        assert place.logins() - before <= 2, "each of two jobs may have been under way when the first was refused"
        shown = (place.folder / "screen.txt").read_text("utf-8", "replace")
        assert shown.count("job=orders") < 8, "a look that would only be turned away is not begun"
        assert service.poll() is None
        path.write_text(text.replace("not-the-password", place.server.password), encoding="utf-8")
        _until(lambda: not list(place.inbox.iterdir()), place)
    finally:
        service.kill()
        service.wait()
    place.check(load_config(path), work_left=True)  # of the runs in which the service was killed


def _ran(place: Place, job: str) -> int:
    """How often a job has ended its run, by the service's own words."""
    lines = (place.folder / "screen.txt").read_text("utf-8", "replace").splitlines()
    return sum("run_ended" in line and f"job={job} " in f"{line} " for line in lines)


def _until(true: Callable[[], object], place: Place) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < 90, (place.folder / "screen.txt").read_text("utf-8", "replace")[-3000:]
        time.sleep(0.1)


def test_f54_a_person_who_gets_in_frees_the_connection_for_all(place: Place) -> None:
    config = place.config(place.server.password)
    with expired(place.server):
        place.run(config, "orders")
    assert place.run(config, "catalogue").exit_code == 3, "still left alone"
    assert place.run(config, "orders", "person").state == "done"
    assert place.run(config, "catalogue").state == "done"
    place.check(config)


def test_f54_the_ledger_gives_no_password_away(place: Place) -> None:
    wrong = place.config("not-the-password")
    place.run(wrong, "orders")
    with Client.open(wrong) as client:
        kept = standings(client.ledger, ["site"])["site"]
    assert kept.failures == 1
    assert "not-the-password" not in str(kept.to_json())
    for path in place.folder.glob("ledger.sqlite3*"):
        assert b"not-the-password" not in path.read_bytes()
    place.check(place.config(place.server.password))


@pytest.mark.unchecked("a pure function: so long is a connection left alone")
def test_f54_the_waits_stay_below_what_locks_accounts() -> None:
    waits = [wait_after(n, refused=True) for n in range(1, 12)]
    assert waits[0] == timedelta(minutes=5)
    assert waits[-1] == timedelta(hours=6)
    assert waits == sorted(waits)
    at, tries = timedelta(0), [timedelta(0)]
    for wait in waits:
        tries.append(at := at + wait)
    ten_minutes = [sum(start <= one < start + timedelta(minutes=10) for one in tries) for start in tries]
    assert max(ten_minutes) == 2, "fail2ban counts five in ten minutes"
    assert wait_after(1, refused=False) == timedelta(seconds=5)
    assert wait_after(50, refused=False) == timedelta(minutes=5)


def test_what_is_kept_of_a_connection_comes_back_whole() -> None:
    now = datetime.now(UTC)
    kept = Standing(now, now, 3, now, refused=True, finding=Finding("login", T("no")), salt="s", settings="x")
    assert Standing.from_json(kept.to_json()) == kept
    assert Standing.from_json(Standing().to_json()) == Standing()


@pytest.mark.unchecked("the gate of a connection alone, without jobs or a shop")
def test_f54_two_processes_at_the_end_of_a_back_off_make_one_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.errors import BackingOff, Refused
    from pipeline.ledger.store import Ledger
    from pipeline.transports.local import LocalSettings

    monkeypatch.setattr(backoff, "_slow_hash", lambda words, salt: f"{words}{salt}"[:32])
    clock = Moved()
    spec: Any = type("Spec", (), {"type": "local", "params": LocalSettings(path=Path())})()
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=clock)

    def gate(trigger: str = "schedule") -> backoff.ConnectionGate:
        return backoff.ConnectionGate(ledger, "site", spec, trigger=trigger)

    def refuse() -> None:
        raise Refused(T("no"), code="login")

    def let_in() -> str:
        return "in"

    with pytest.raises(Refused):
        gate()(refuse)
    clock.sleep(301)
    first, second = gate(), gate()
    asked: list[Callable[[], object]] = []

    def second_asks_meanwhile() -> None:
        with pytest.raises(BackingOff):
            second(let_in)
        asked.append(let_in)
        refuse()

    with pytest.raises(Refused):
        first(second_asks_meanwhile)
    assert asked
    clock.sleep(601)
    assert gate("watch")(let_in) == "in"
    assert standings(ledger, ["site"])["site"].since is None
    ledger.close()


@pytest.mark.unchecked("the gate of a connection alone, without jobs or a shop")
@pytest.mark.parametrize("outcome", ["refused", "away"])
def test_f54_jobs_of_one_moment_log_in_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    """A password expires between two ticks, and four jobs begin with the next one: one login, not four."""
    from concurrent.futures import ThreadPoolExecutor

    from pipeline.clock import SystemClock
    from pipeline.errors import MistokError, Refused, Transient
    from pipeline.ledger.store import Ledger
    from pipeline.transports.local import LocalSettings

    monkeypatch.setattr(backoff, "_slow_hash", lambda words, salt: f"{words}{salt}"[:32])
    spec: Any = type("Spec", (), {"type": "local", "params": LocalSettings(path=Path())})()
    asked: list[float] = []

    def login() -> None:
        asked.append(time.monotonic())
        time.sleep(0.2)
        raise Refused(T("no"), code="login") if outcome == "refused" else Transient(T("away"), code="connect")

    def job(_number: int) -> type[MistokError]:
        ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
        try:
            backoff.ConnectionGate(ledger, "site", spec, trigger="schedule")(login)
        except MistokError as error:
            return type(error)
        finally:
            ledger.close()
        raise AssertionError

    Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock()).close()
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(job, range(4)))
    if outcome == "refused":
        assert len(asked) == 1
        assert sorted(one.__name__ for one in ends) == ["BackingOff"] * 3 + ["Refused"]
    else:
        assert len(asked) == 4, "a time of the schedule always tries a server that was away"
