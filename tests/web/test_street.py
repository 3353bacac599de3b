"""One page for many clients: the list, each client's own page, and who sees what."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from pipeline.clock import SystemClock
from pipeline.config.clients import read_client
from pipeline.config.model import WebConfig
from pipeline.engine.clientread import Read
from pipeline.engine.fleet import standing
from pipeline.engine.fleet.hinting import ENVIRONMENT
from pipeline.engine.fleet.standing import ClientState, FleetState
from pipeline.engine.runtime import Client
from pipeline.errors import Transient
from pipeline.ledger import people
from pipeline.ledger.store import Ledger
from pipeline.texts import T
from pipeline.web import street
from pipeline.web.app import make_app, make_front
from pipeline.web.passwords import Passwords
from pipeline.web.site import Site
from pipeline.web.street import Standings, Street, house_config
from tests.web.conftest import CHEAP, PASSWORD, Browser, secret

CONFIG = """\
client: {name}
language: en
connections:
  site: {{type: local, path: site}}
  books: {{type: books, url: "sqlite:///books.sqlite3"}}
jobs:
  orders: {{every: 1h, steps: [{{step: import-orders, inbox: site, folder: orders, into: books}}]}}
"""


def user(ledger: Ledger, name: str, role: str) -> None:
    with ledger.begin() as conn:
        kept = Passwords(CHEAP).hashed(PASSWORD)
        people.keep(conn, ledger.client, name, role=role, password=kept, now=SystemClock().now())


class Town:
    """Clients anna and bohdan, a broken one, and the service's own user olha."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        for name in ("anna", "bohdan"):
            (folder / name).mkdir()
            (folder / name / "config.yaml").write_text(CONFIG.format(name=name), "utf-8")
            config = read_client(folder / name).config
            assert config is not None
            with Client.open(config) as client:
                user(client.ledger, f"{name}-user", "accountant")
        (folder / "broken").mkdir()
        (folder / "broken" / "config.yaml").write_text("client: broken\nlanguage: en\njobz: {}\n", "utf-8")
        house = stack.enter_context(Client.open(house_config(folder, "en")))
        user(house.ledger, "olha", "admin")
        user(house.ledger, "watcher", "viewer")
        standings = Standings(folder)
        self.site = Site(house, WebConfig(), Passwords(CHEAP), standings=standings)

        def make(site: Site) -> object:
            site.passwords = Passwords(CHEAP)
            return make_app(site)

        self.street = Street(folder, self.site, make_front(self.site), self.site.settings, None, make)  # type: ignore[arg-type]
        stack.callback(self.street.close)
        standings.start()
        stack.callback(standings.close)
        assert standings.through.wait(120)

    def browser(self, at: str = "") -> At:
        http = TestClient(self.street, base_url="http://mistok.test")
        return At(http, self.site, at=at)


class At(Browser):
    """A browser that is on the page of one client."""

    def __init__(self, http: TestClient, site: Site, at: str) -> None:
        super().__init__(http, site)
        self.at = at

    def get(self, path: str, **more: Any) -> Response:
        return super().get(self.at + path, **more)

    def post(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Response:
        return super().post(self.at + path, fields, **more)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(tmp_path_factory.mktemp("town"), stack)


def test_who_looks_after_all_of_them_sees_the_list_and_every_page(town: Town) -> None:
    olha = town.browser()
    assert olha.get("/").headers["location"] == "/login"
    page = olha.get("/login").text
    answer = olha.post("/login", {"csrf": secret(page), "name": "olha", "password": PASSWORD})
    assert answer.headers["location"] == "/"
    page = olha.get("/").text
    for words in ('href="/c/anna/"', 'href="/c/bohdan/"', "broken/config.yaml:", "wrong config: 1", "down: 2"):
        assert words in page, words
    assert 'href="/c/broken/"' not in page
    assert "anna" not in olha.get("/?level=wrong").text
    assert "bohdan" not in olha.get("/?q=ANN").text
    page = olha.get("/c/anna/jobs").text
    assert '<span class="client">anna</span>' in page
    assert "<a href='/'>All clients</a>" in page
    assert 'href="/c/anna/orders"' in page
    assert 'href="/static/mistok.css"' in page
    assert 'href="/orders' not in page
    answer = olha.post("/c/bohdan/jobs/orders/pause", {"csrf": secret(page)})
    assert answer.headers["location"] == "/c/bohdan/jobs/orders"
    assert "olha" in olha.get("/c/bohdan/audit").text
    answer = olha.post("/c/anna/logout", {"csrf": secret(page)})
    assert answer.headers["location"] == "/c/anna/login"
    assert olha.get("/").headers["location"] == "/login", "everywhere"


def test_the_role_is_the_same_on_every_page(town: Town) -> None:
    watcher = town.browser()
    page = watcher.get("/login").text
    watcher.post("/login", {"csrf": secret(page), "name": "watcher", "password": PASSWORD})
    page = watcher.get("/c/anna/jobs").text
    assert "anna" in page
    assert watcher.get("/c/anna/config").status_code == HTTPStatus.FORBIDDEN
    assert watcher.get("/access").status_code == HTTPStatus.FORBIDDEN


def test_a_clients_own_user_sees_that_client_alone(town: Town) -> None:
    anna = town.browser("/c/anna")
    assert anna.get("/orders?q=1").headers["location"] == "/c/anna/login?next=%2Forders%3Fq%3D1"
    answer = anna.log_in("anna-user")
    cookie = answer.headers["set-cookie"]
    assert "mistok.anna=" in cookie
    assert "Path=/;" in cookie
    assert "All clients" not in anna.get("/orders").text or "<a href='/'>" in anna.get("/orders").text
    anna.at = ""
    assert anna.get("/c/anna/orders").status_code == HTTPStatus.OK
    assert anna.get("/").headers["location"] == "/login"
    assert anna.get("/c/bohdan/orders").headers["location"] == "/c/bohdan/login?next=%2Forders"
    token = anna.http.cookies["mistok.anna"]
    other = town.browser()
    for name in ("mistok", "mistok_all", "mistok.bohdan"):
        other.http.cookies.set(name, token)
    assert other.get("/c/bohdan/orders").status_code == HTTPStatus.SEE_OTHER
    assert other.get("/").status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize("path", ["/c/nobody/", "/c/broken/", "/c/../service.yaml", "/c/anna%2f..%2fbohdan/", "/c/"])
def test_what_is_no_client_is_no_page(town: Town, path: str) -> None:
    answer = town.browser().get(path)
    assert answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.SEE_OTHER)
    assert "bohdan" not in answer.text


def test_an_edited_config_is_taken_up_and_programs_are_told(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.web.street.LOOK_EVERY", 0.0)
    browser = town.browser("/c/anna")
    browser.log_in("anna-user")
    assert "nightly" not in browser.get("/jobs").text
    path = town.folder / "anna" / "config.yaml"
    before = path.read_text("utf-8")
    job = 'nightly: {at: "03:00", steps: [{step: import-orders, inbox: site, folder: more, into: books}]}'
    path.write_text(before.replace("jobs:", f"jobs:\n  {job}"), "utf-8")
    assert "nightly" in browser.get("/jobs").text
    path.write_text(before, "utf-8")
    browser.at = ""
    answer = browser.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "down")
    assert browser.get("/c/anna/healthz").status_code == HTTPStatus.SERVICE_UNAVAILABLE


def test_a_wrong_edit_leaves_the_page_as_it_is_and_is_known_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(street, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(street, "EDITS_EVERY", 0.05)
    monkeypatch.setattr(street, "ROUND", 3600.0)
    with ExitStack() as stack:
        town = Town(tmp_path, stack)
        browser = town.browser("/c/anna")
        browser.log_in("anna-user")
        rights = {}
        for name in ("anna", "bohdan"):  # the page of one is open, that of the other was never asked for
            path = town.folder / name / "config.yaml"
            rights[path] = path.read_text("utf-8")
            path.write_text(rights[path].replace("into: books", "into: boooks"), "utf-8")
        page = town.street._app("anna")
        for _ in range(3):
            for at in ("/jobs", "/alerts/stream?token=none", "/healthz"):
                assert browser.get(at).status_code != HTTPStatus.NOT_FOUND, at
            assert browser.get("/jobs").status_code == HTTPStatus.OK, "nobody has to log in anew"
        assert town.street._app("anna") is page, "streams go on"
        other = town.browser("/c/bohdan")
        assert other.get("/login").status_code == HTTPStatus.OK
        assert other.get("/login").status_code == HTTPStatus.OK
        standings = town.street.house.standings
        assert standings is not None
        until(lambda: [row.level for row in standings.rows()] == ["wrong"] * 3)
        for path, text in rights.items():
            path.write_text(text.replace("orders:", "mended:"), "utf-8")
        assert "mended" in browser.get("/jobs").text
        assert town.street._app("anna") is not page
        assert "mended" in str(town.street._open["anna"].client.config.jobs)
        assert other.get("/login").status_code == HTTPStatus.OK
        assert "mended" in str(town.street._open["bohdan"].client.config.jobs)
        until(lambda: sorted(row.level for row in standings.rows()) == ["down", "down", "wrong"])
        shutil.rmtree(town.folder / "anna")
        assert browser.get("/jobs").status_code == HTTPStatus.NOT_FOUND
        until(lambda: [row.client for row in standings.rows()] == ["bohdan", "broken"])
        assert standings.last_right(town.folder / "anna") is None


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_queue_as_a_whole_is_measured_where_there_is_one(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    http = TestClient(town.street, base_url="http://mistok.test", client=("127.0.0.1", 5000))
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert "mistok_queue" not in http.get("/metrics").text
    monkeypatch.setenv(ENVIRONMENT, "postgresql://127.0.0.1/queue")
    asked: list[str] = []

    def look(url: str) -> FleetState:
        asked.append(url)
        anna = ClientState("anna", waiting=2, running=1, oldest=7.5, workers=1)
        return FleetState((), {"anna": anna, "bohdan": ClientState("bohdan", waiting=3, oldest=2.0)})

    monkeypatch.setattr(standing, "look", look)
    told = http.get("/metrics").text
    assert asked == ["postgresql://127.0.0.1/queue"]
    for line in ("up 1.0", "waiting 5.0", "running 1.0", "workers 0.0", "oldest_seconds 7.5"):
        assert told.count(f"\nmistok_queue_{line}\n") == 1, told

    def silent(_url: str) -> FleetState:
        raise Transient(T("No."))

    monkeypatch.setattr(standing, "look", silent)
    told = http.get("/metrics").text
    assert "mistok_queue_up 0.0" in told
    assert "mistok_queue_waiting" not in told
    assert "mistok_clients" in told


def test_nothing_is_called_well_before_it_was_looked_at(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(threading.Event):
        def is_set(self) -> bool:
            return False

    monkeypatch.setattr(town.street.house.standings, "through", Never())
    monkeypatch.setattr(street.Standings, "rows", lambda _self: [])
    answer = town.browser().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "starting")


def test_the_services_own_files_are_no_client(town: Town) -> None:
    assert (town.folder / "service.sqlite3").exists()
    assert {row.client for row in town.street.house.standings.rows()} == {"anna", "bohdan", "broken"}  # type: ignore[union-attr]
    shutil.rmtree(town.folder / "broken")


def test_a_client_whose_plugins_take_their_time_keeps_no_other_page_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun, go_on = street._read, threading.Event(), threading.Event()

    def slowly(folder: Path) -> Read:
        if folder.name == "bohdan":
            begun.set()
            assert go_on.wait(120)
        return real(folder)

    with ExitStack() as stack:
        town = Town(tmp_path, stack)
        monkeypatch.setattr(street, "_read", slowly)
        threads = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(go_on.set)
        both = [threads.submit(town.street._app, "bohdan") for _ in range(2)]
        assert begun.wait(120)
        assert town.street._app("anna") is not None
        assert not any(one.done() for one in both)
        go_on.set()
        first, second = (one.result(120) for one in both)
        assert first is second is not None, "opened once, whoever asks"
