"""``mistok status``: what it says of each way that things stand, and its exit codes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.load import load_config
from pipeline.engine import health, history
from pipeline.engine.backoff import Standing
from pipeline.engine.runtime import Client, run_job
from pipeline.errors import Finding, Who
from pipeline.ledger import tables as t
from pipeline.ledger.store import owner_name
from pipeline.texts import T
from tests.e2e.command import mistok, start
from tests.signals import SIGCONT, SIGSTOP

CONFIG = """\
client: acme
language: en
connections:
  site: {type: local, path: site}
  far: {type: sftp, host: 127.0.0.1, port: 1, user: shop, password: very-secret}
  books: {type: books, url: "sqlite:///books.sqlite3"}
log: {file: null}
alerts: {channels: [desktop]}
jobs:
  orders:
    watch: true
    steps: [{step: import-orders, inbox: site, folder: orders, into: books, client: "1", object: "1", user: a,
             executor: b}]
  catalogue:
    at: ["03:00"]
    steps: [{step: export-catalogue, from: books, to: far, folder: goods}]
"""
Status = Callable[..., tuple[int, str]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "site" / "orders").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    return tmp_path


@pytest.fixture
def status(place: Path) -> Status:
    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["-c", str(place / "config.yaml"), "status", *words])
        return done.exit_code, done.output

    return call


def opened(place: Path) -> Client:
    return Client.open(load_config(place / "config.yaml"))


def beat(place: Path, owner: str | None = None, **value: Any) -> None:
    with opened(place) as client:
        said = {"state": "serving", "host": "shop-pc", "pid": os.getpid(), "version": "9.9"}
        said["since"] = datetime.now(UTC).isoformat()
        said["config_hash"] = client.config.config_hash
        history.beat(client.ledger, {**said, **value}, owner=owner or owner_name())


def age(place: Path, seconds: int) -> None:
    """All signs of life were given so much earlier."""
    with opened(place) as client, client.ledger.begin() as conn:
        for row in conn.execute(t.values.select().where(t.values.c.kind == "heartbeat")).all():
            at = datetime.fromisoformat(row.value["at"]) - timedelta(seconds=seconds)
            client.ledger.set_value(conn, "heartbeat", row.name, {**row.value, "at": at.isoformat()})


def test_never_started_is_down(status: Status) -> None:
    code, words = status()
    assert code == 3
    assert "was never started" in words
    assert "start `mistok serve`" in words
    assert status("--nagios")[0] == 2
    assert status("--nagios")[1].startswith("MISTOK CRITICAL - acme: No service is at work")


def test_where_no_job_has_a_schedule_no_service_is_missed(place: Path, status: Status) -> None:
    text = (place / "config.yaml").read_text("utf-8")
    (place / "config.yaml").write_text(
        text.replace("    watch: true\n", "").replace('    at: ["03:00"]\n', ""), "utf-8"
    )
    assert status()[0] == 0


def test_alive_and_well(place: Path, status: Status) -> None:
    beat(place)
    code, words = status()
    assert code == 0, words
    assert "acme: all is well." in words
    assert "on shop-pc: alive" in words
    data = json.loads(status("--json")[1])
    assert data["level"] == "well"
    assert data["services"][0]["life"] == "alive"
    assert data["services"][0]["version"] == "9.9"
    assert {job["job"] for job in data["jobs"]} == {"orders", "catalogue"}
    assert data["disks"][0]["free_bytes"] > 0
    assert status("--nagios") == (0, "MISTOK OK - acme: all is well\n")
    assert status("--nagios", "--json")[0] == 2


@pytest.mark.parametrize(("ahead", "told"), [(300.0, "5 min ahead"), (-3600.0, "1 h behind")])
def test_a_worker_whose_clock_is_off_is_a_warning(place: Path, status: Status, ahead: float, told: str) -> None:
    queue = {"waiting": 0, "running": 0, "workers": 2, "oldest": 0.0}
    me = owner_name()
    beat(place, me, queue=queue, ahead=ahead)
    code, words = status()
    assert code == 1, words
    assert f"The clock of shop-pc is {told}" in words.replace("of that", "")
    said = status("--nagios")
    assert said[0] == 1
    assert told in said[1]
    data = json.loads(status("--json")[1])
    assert data["services"][0]["clock_ahead_seconds"] == ahead
    assert told in data["troubles"][0]
    beat(place, me, queue=queue, ahead=2.0)
    assert status()[0] == 0


def test_alive_dead_stuck_silent_by_the_last_sign(place: Path, status: Status) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    me = owner_name()
    host, _pid, started, rest = me.rsplit(":", 3)
    beat(place)
    age(place, 59)
    assert status()[0] == 0, "a minute is allowed"
    assert status("--max-age", "30s")[0] == 3, "unless asked otherwise"
    age(place, 10)
    code, words = status()
    assert (code, "STUCK" in words) == (3, True), "this very process lives, and says nothing"
    with opened(place) as client, client.ledger.begin() as conn:
        conn.execute(t.values.delete())
    beat(place, f"{host}:{ended.pid}:{started}:{rest}")
    code, words = status()
    assert (code, "DEAD" in words) == (3, True), "known at once, however fresh its last sign"
    with opened(place) as client, client.ledger.begin() as conn:
        conn.execute(t.values.delete())
    beat(place, f"elsewhere:{ended.pid}:{started}:{rest}")
    assert status()[0] == 0, "on another machine, by its sign of life"
    age(place, 100)
    code, words = status()
    assert (code, "SILENT" in words) == (3, True)


def test_services_on_several_machines_are_all_shown(place: Path, status: Status) -> None:
    beat(place, "one:1:1:aaaa", host="one")
    beat(place, "two:1:1:bbbb", host="two", state="standing-by")
    code, words = status()
    assert code == 0
    assert "on one: alive" in words
    assert "on two: stands by" in words


def test_stopped_and_starting(place: Path, status: Status) -> None:
    beat(place, state="stopped")
    code, words = status()
    assert (code, "was stopped" in words) == (3, True)
    with opened(place) as client, client.ledger.begin() as conn:
        conn.execute(t.values.delete())
    beat(place, state="starting")
    assert status()[0] == 0
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    beat(place, state="starting", since=long_ago, pid=1)
    with opened(place) as client:
        lives = {one.life.value for one in health.examine(client.config, client.ledger).services}
    assert "stuck" in lives, "who is still loading after five minutes will not work"


def test_a_service_that_takes_up_an_edited_config_is_not_down(place: Path, status: Status) -> None:
    def lives() -> list[str]:
        with opened(place) as client:
            return [one.life.value for one in health.examine(client.config, client.ledger).services]

    host, pid, started, _ = owner_name().rsplit(":", 3)
    beat(place, f"{host}:{pid}:{started}:aaaa", pid=7, state="restarting")
    assert status()[0] == 0
    assert lives() == ["starting"]
    beat(place, f"{host}:{pid}:{started}:bbbb", pid=7)
    assert lives() == ["alive"], "its last word before is no service of its own"
    with opened(place) as client, client.ledger.begin() as conn:
        conn.execute(t.values.delete().where(t.values.c.name.endswith("bbbb")))
    age(place, 100)
    assert status()[0] == 3, "it did not come back"


def test_it_tells_of_another_config(place: Path, status: Status) -> None:
    beat(place, config_hash="of an older one")
    assert "does not work by it yet" in status()[1]


#: what is done to the config -> what is said of it
WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "typo": (lambda text: text.replace("watch: true", "wacth: true"), "Did you mean `watch`?"),
    "tab": (lambda text: text.replace("alerts:", "\talerts:"), "There is a tab here"),
    "client": (lambda text: text.replace("client: acme", "client: a c m e"), "client"),
    "renamed": (lambda text: text.replace("client: acme", "client: other").replace("watch:", "wacth:"), "`watch`?"),
    "quote": (lambda text: text.replace("client: acme", 'client: "acme'), "config.yaml:"),
    "gone": (lambda _text: "", "There is no file"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_config_does_not_hide_the_service(place: Path, status: Status, mistake: str) -> None:
    path = place / "config.yaml"
    beat(place, config=str(path.resolve()))
    change, hint = WRONG[mistake]
    right = path.read_text("utf-8")
    if edited := change(right):
        assert edited != right
        path.write_text(edited, "utf-8")
    else:
        path.unlink()
    code, words = status()
    assert code == 2
    assert hint in words
    assert "on shop-pc: alive" in words
    assert "goes on with the config that it has" in words
    assert "acme: the config is wrong." in words
    code, line = status("--nagios")
    assert (code, line.count("\n")) == (1, 1)
    assert line.startswith("MISTOK WARNING - acme: ")
    data = json.loads(status("--json")[1])
    assert (data["client"], data["level"], data["exit_code"]) == ("acme", "trouble", 2)
    assert data["services"][0]["life"] == "alive"
    assert data["findings"]
    path.write_text(right, "utf-8")
    age(place, 100)
    change_again = change(right)
    path.write_text(change_again, "utf-8") if change_again else path.unlink()
    code, words = status()
    assert (code, "none can be started with this config" in words) == (2, True)
    assert status("--nagios")[0] == 2
    assert json.loads(status("--json")[1])["level"] == "down"


@pytest.mark.parametrize("ledger", ["not yet", "without a service"])
def test_a_wrong_config_of_a_client_that_was_never_started_is_critical(
    place: Path, status: Status, ledger: str
) -> None:
    path = place / "config.yaml"
    right = path.read_text("utf-8")
    if ledger != "not yet":
        opened(place).close()
    path.write_text(right.replace("watch:", "wacth:"), "utf-8")
    code, line = status("--nagios")
    assert code == 2
    assert line.startswith("MISTOK CRITICAL - acme: ")
    assert "wacth" in line
    code, words = status()
    assert (code, "was never started" in words, "none can be started with this config" in words) == (2, True, True)
    assert json.loads(status("--json")[1])["level"] == "down"
    assert (place / "ledger.sqlite3").exists() == (ledger != "not yet"), "a look makes no file"
    # what is no YAML may have named another ledger below the mistake, and what is gone anything: nobody can say
    path.write_text(right.replace("connections:", '"connections:'), "utf-8")
    assert status("--nagios")[0] == 3
    path.unlink()
    assert status("--nagios")[0] == 3


def test_a_wrong_config_whose_ledger_cannot_be_found_is_told_alone(place: Path, status: Status) -> None:
    path = place / "config.yaml"
    beat(place, config=str(path.resolve()))
    right = path.read_text("utf-8")
    path.write_text(right + 'ledger: {url: "${env:MISTOK_NOT_SET}"}\n', "utf-8")
    code, words = status()
    assert (code, "MISTOK_NOT_SET" in words, "shop-pc" in words) == (2, True, False)
    assert status("--nagios")[0] == 3
    path.write_text(right.replace("watch:", "wacth:") + "ledger: {url: 'sqlite:///elsewhere.sqlite3'}\n", "utf-8")
    code, words = status()
    assert (code, "shop-pc" in words) == (2, False)
    assert not (place / "elsewhere.sqlite3").exists(), "a look makes no file"


def test_what_fails_or_waits_is_told_and_counts(place: Path, status: Status) -> None:
    beat(place)
    now = datetime.now(UTC)
    finding = Finding("login", T("127.0.0.1 refused the login of shop."), who=Who.ADMIN)
    with opened(place) as client, client.ledger.begin() as conn:
        standing = Standing(
            since=now - timedelta(hours=2), until=now + timedelta(hours=1), failures=4, refused=True, finding=finding
        )
        client.ledger.set_value(conn, "connection", "far", standing.to_json())
    code, words = status()
    assert code == 1
    assert "Connection far fails since" in words
    assert "refused the login" in words
    data = json.loads(status("--json")[1])["connections"][0]
    assert (data["name"], data["failures"], data["error"]["code"]) == ("far", 4, "login")
    assert data["left_alone_until"]
    with opened(place) as client, client.ledger.begin() as conn:
        conn.execute(t.values.delete().where(t.values.c.kind == "connection"))
        conn.execute(
            t.cards.insert().values(
                client="acme", kind="held", subject="order:1", state="open", findings=[], opened=now
            )
        )
    code, words = status()
    assert (code, "Open cards: orders held: 1" in words) == (1, True)
    assert json.loads(status("--json")[1])["cards"] == {"held": 1}
    code, words = status("--nagios")
    assert code == 1
    assert words.count("\n") == 1
    assert words.startswith("MISTOK WARNING - acme: Open cards")


def test_a_run_that_failed_and_one_that_is_over_its_limit(place: Path, status: Status) -> None:
    beat(place)
    shutil.rmtree(place / "site" / "orders")
    assert run_job(load_config(place / "config.yaml"), "orders").state == "failed"
    code, words = status()
    assert code == 1
    assert "Job orders: failed" in words
    with opened(place) as client, client.ledger.begin() as conn:
        long_ago = datetime.now(UTC) - timedelta(hours=3)
        conn.execute(
            t.runs.insert().values(
                client="acme", job="catalogue", trigger="schedule", started=long_ago, state="running"
            )
        )
        conn.execute(
            t.leases.insert().values(
                client="acme",
                name="job:catalogue",
                owner=owner_name(),
                until=datetime.now(UTC) + timedelta(minutes=1),
                fence=1,
            )
        )
    words = status()[1]
    assert "longer than its time limit" in words
    assert next(j for j in json.loads(status("--json")[1])["jobs"] if j["job"] == "catalogue")["over_limit"] is True


def test_a_time_that_passed_without_a_run_is_told(place: Path, status: Status) -> None:
    with opened(place) as client:
        history.last_slots(client.ledger, client.config.jobs)
        with client.ledger.begin() as conn:
            known = client.ledger.get_value(conn, "schedule", "catalogue")
            since = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
            client.ledger.set_value(conn, "schedule", "catalogue", {**known, "since": since})
    beat(place)
    code, words = status()
    assert code == 1
    assert "Job catalogue should have run at" in words


def test_a_full_disk_is_told_before_it_is_full(place: Path, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(place)
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil gives it
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**12, 0, 400_000_000))
    code, words = status()
    assert (code, "nearly full: 0.4 GB free" in words) == (1, True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(2 * 10**9, 0, 200_000_000))
    assert status()[0] == 0, "a tenth of a small disk is no alarm"


def test_notices_that_nobody_could_be_shown(place: Path, status: Status) -> None:
    beat(place)
    with opened(place) as client, client.ledger.begin() as conn:
        old = datetime.now(UTC) - timedelta(hours=1)
        conn.execute(
            t.notices.insert().values(
                client="acme", kind="failure", subject="job:x", title=T("a").to_json(), body=T("b").to_json(),
                created=old, state="undelivered", why=T("No desktop.").to_json(), tries=0,
            )
        )  # fmt: skip
    code, words = status()
    assert code == 1
    assert "1 notice could not be shown: No desktop." in words


def test_wrong_config_and_a_ledger_that_does_not_answer(place: Path, status: Status) -> None:
    good = (place / "config.yaml").read_text("utf-8")
    (place / "config.yaml").write_text(good.replace("watch", "wach"), "utf-8")
    assert status()[0] == 2
    assert status("--nagios")[0] == 2, "no service was ever started, and none can be"
    (place / "config.yaml").write_text(good, "utf-8")
    (place / "ledger.sqlite3").write_bytes(b"this is no database at all, and never was one" * 100)
    assert status()[0] == 3
    assert status("--nagios")[0] == 2


def test_a_wrong_age_is_a_wrong_call(status: Status) -> None:
    for words in ("soon", "0s", "-5m"):
        assert status("--max-age", words)[0] == 2


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_service_that_is_stopped_in_its_tracks_is_noticed_and_one_that_goes_on_is_well(place: Path) -> None:
    service = start("-c", place / "config.yaml", "serve", screen=place / "screen")
    try:

        def life() -> str:
            told = mistok("-c", place / "config.yaml", "status", "--json", "--max-age", "7s")
            return str(told.json()["services"][0]["life"])

        wait_for(lambda: life() == "alive")
        service.send_signal(SIGSTOP)
        wait_for(lambda: life() == "stuck")
        service.send_signal(SIGCONT)
        wait_for(lambda: life() == "alive")
        service.kill()
        service.wait()
        assert life() == "dead"
    finally:
        service.kill()
        service.wait()


def wait_for(true: Callable[[], object]) -> None:
    import time

    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < 60
        time.sleep(0.1)


def test_of_many_clients_it_says_how_to_serve_all_of_them(place: Path) -> None:
    (place / "acme").mkdir()
    (place / "config.yaml").rename(place / "acme" / "config.yaml")
    (place / "service.yaml").write_text("language: en\n", "utf-8")
    done = CliRunner().invoke(app, ["status", "--json", str(place)])
    assert done.exit_code == 3, done.output
    (client,) = json.loads(done.output)["clients"]
    assert client["troubles"][0] == f"No service is at work: start `mistok serve {place}`."


def test_of_many_a_wrong_config_does_not_hide_the_service(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("clients")
    for name in ("acme", "bravo"):
        shutil.copytree(place, folder / name)
        path = folder / name / "config.yaml"
        path.write_text(CONFIG.replace("client: acme", f"client: {name}"), "utf-8")
    begun = datetime.now(UTC) - timedelta(hours=1)
    with opened(folder / "acme") as client, client.ledger.begin() as conn:
        conn.execute(
            t.runs.insert().values(
                client="acme", job="orders", trigger="watch", state="done", started=begun, ended=begun, counts={}
            )
        )
    beat(folder / "acme", config=str(folder / "acme" / "config.yaml"))
    for name in ("acme", "bravo"):
        path = folder / name / "config.yaml"
        path.write_text(path.read_text("utf-8").replace("watch: true", "wacth: true"), "utf-8")
    said = mistok("--language", "en", "status", str(folder), "--json", cwd=folder)
    acme, bravo = said.json()["clients"]
    assert (said.code, said.json()["level"]) == (2, "wrong")
    assert (acme["level"], acme["served"], bravo["level"], bravo["served"]) == ("wrong", True, "wrong", False)
    assert datetime.fromisoformat(acme["last"]) == begun
    assert bravo["last"] is None
    assert "goes on with the config that it has" in acme["troubles"][-1]
    assert "`wacth`" in bravo["troubles"][0]
    words = " ".join(mistok("--language", "en", "status", str(folder), cwd=folder).out.split())
    assert "served by the old one" in words


@pytest.mark.full
def test_of_many_a_copied_folder_with_a_wrong_config_is_served_by_nobody(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("clients")
    shutil.copytree(place, folder / "acme")
    with opened(folder / "acme"):
        pass
    beat(folder / "acme", config=str(folder / "acme" / "config.yaml"), host=platform.node())
    shutil.copytree(folder / "acme", folder / "copy")  # with the words of the service in its ledger
    path = folder / "copy" / "config.yaml"
    path.write_text(path.read_text("utf-8").replace("watch: true", "wacth: true"), "utf-8")
    said = mistok("--language", "en", "status", str(folder), "--json", cwd=folder)
    acme, copy = said.json()["clients"]
    assert acme["level"] != "down"
    assert (copy["level"], copy["served"]) == ("wrong", False)
    assert not any("goes on" in words for words in copy["troubles"])
