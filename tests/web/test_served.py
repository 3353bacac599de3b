"""The page as ``mistok serve`` offers it: a process of its own that comes with the service, comes back, and goes."""

from __future__ import annotations

import logging
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from pipeline.config.model import WebConfig
from tests.e2e.command import here, start
from tests.servers.common import free_port
from tests.web.conftest import PASSWORD, World, secret

CONFIG = """\
client: acme
language: en
connections: {{site: {{type: local, path: site}}, books: {{type: books}}}}
jobs: {{orders: {{every: 9h, steps: [{{step: import-orders, inbox: site, into: books, stable: 10ms, grace: 0s}}]}}}}
alerts: {{channels: []}}
web: {{listen: "127.0.0.1:{port}"}}
"""


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for it, and give it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


@pytest.mark.full  # the whole service, killed and ended
@pytest.mark.skipif(sys.platform == "win32", reason="told to end by a signal here; the end is the same there")
def test_the_page_comes_with_the_service_comes_back_when_it_dies_and_goes(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "site").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG.format(port=port), encoding="utf-8")
    screen = tmp_path / "screen"
    service = start("-c", tmp_path / "config.yaml", "serve", cwd=tmp_path, screen=screen)
    try:
        said = until(lambda: re.search(rf"http://127\.0\.0\.1:{port}/setup/\S+", screen.read_text("utf-8")))[0]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as http:
            # its socket listens before it is loaded: the first call waits
            assert until(lambda: http.get("/healthz", timeout=60).status_code == 200)
            form = secret(http.get(said).text)
            fields = {"csrf": form, "name": "anna", "password": PASSWORD, "again": PASSWORD}
            assert http.post(said, data=fields).headers["location"] == "/"
            csrf = secret(http.get("/").text)
            assert http.post("/jobs/orders/run", data={"csrf": csrf}).status_code == 303
            until(lambda: ("orders", "person") in runs(tmp_path))
            known = dict(http.cookies)
        first = page_process(service.pid)
        assert first is not None
        first.kill()
        second = until(lambda: other_page(service.pid, first))
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", cookies=known) as http:
            assert http.get("/", timeout=60).status_code == 200  # still logged in
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
        until(lambda: not second.is_running() or second.status() == psutil.STATUS_ZOMBIE)
    finally:
        service.kill()
        service.wait()
    log = (tmp_path / "logs" / "mistok.log").read_text("utf-8")
    assert "page_died" in log
    assert said.rpartition("/")[2] not in log


def test_the_pages_process_serves_until_it_is_told_to_end(world: World) -> None:
    from pipeline.web.server import Page

    said: list[str] = []
    page = Page(world.site.client.config, WebConfig(listen="127.0.0.1:0"), said.append)
    page.start(world.site.client.ledger)
    try:
        answer = httpx2.get(f"{page.address}/healthz", timeout=60)  # it waits until the page is loaded
        assert answer.json()["status"] == "down"
        assert said == [f"The page: {page.address}"]  # there are users: no link makes the first one
    finally:
        page.stop()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{page.address}/healthz")


def other_page(service: int, before: psutil.Process) -> psutil.Process | None:
    """The page's process, when it is another one."""
    found = page_process(service)
    return found if found is not None and found.pid != before.pid else None


def page_process(service: int) -> psutil.Process | None:
    """The service's child that has the page's socket open; workers have none."""
    found = []
    for child in psutil.Process(service).children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE and any(
                one.status == psutil.CONN_LISTEN for one in child.net_connections("tcp")
            ):
                found.append(child)
        except psutil.Error:
            continue
    return found[0] if found else None


def runs(folder: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(folder / "ledger.sqlite3")
    try:
        return connection.execute('SELECT job, "trigger" FROM runs').fetchall()
    finally:
        connection.close()


def test_an_address_that_somebody_else_has_is_said_at_once(tmp_path: Path) -> None:
    import socket

    (tmp_path / "site").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = CONFIG.format(port=taken.getsockname()[1])
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        said = here("-c", tmp_path / "config.yaml", "serve")
    assert said.code == 2
    assert "cannot be listened on" in said.all


@pytest.mark.parametrize(
    "wrong",
    ["listen: nonsense", "url: mistok.example", "metrics: [everywhere]", "proxy: {trusted: []}", "proxy: {trusted: x}"],
)
def test_wrong_settings_of_the_page_are_told_by_check(tmp_path: Path, wrong: str) -> None:
    text = CONFIG.format(port=1).replace('listen: "127.0.0.1:1"', wrong)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    said = here("-c", tmp_path / "config.yaml", "check")
    assert said.code == 2
    assert "web" in said.all


# --- mistok users ----------------------------------------------------------------------------------------------------


def users(folder: Path, *words: str, stdin: str = "") -> Any:
    import io

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        return here("-c", folder / "config.yaml", "users", *words)


def test_users_are_added_changed_listed_and_removed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.format(port=1), encoding="utf-8")
    assert "no users yet" in users(tmp_path, "list").out
    assert users(tmp_path, "add", "Olena", "--role", "accountant", stdin=PASSWORD + "\n").code == 0
    assert users(tmp_path, "add", "proxied", "--role", "viewer", "--no-password").code == 0
    assert "accountant" in users(tmp_path, "list").out
    assert [(one["name"], one["role"], one["password"]) for one in users(tmp_path, "list", "--json").json()] == [
        ("olena", "accountant", True),
        ("proxied", "viewer", False),
    ]
    assert "is changed" in users(tmp_path, "add", "olena", "--role", "admin", "--keep-password").out
    for words, stdin in (
        (("add", "petro", "--role", "king"), PASSWORD),
        (("add", "petro", "--role", "viewer"), "short"),
        (("add", "a b", "--role", "viewer"), PASSWORD),
        (("add", "petro", "--role", "viewer", "--keep-password"), ""),
    ):
        assert users(tmp_path, *words, stdin=stdin).code == 2, words
    assert users(tmp_path, "remove", "OLENA").code == 0
    assert users(tmp_path, "remove", "olena").code == 1
    assert [one["name"] for one in users(tmp_path, "list", "--json").json()] == ["proxied"]


def test_lines_of_the_page_are_written_down_as_the_services_own(world: World, caplog: pytest.LogCaptureFixture) -> None:
    from pipeline.engine.worker import LogLine
    from pipeline.web.server import Page

    class Pipe:
        """Says one line, and is closed."""

        def __init__(self) -> None:
            self.lines = [LogLine("mistok.web", logging.ERROR, {"event": "page_failed", "reference": "ab12"})]

        def recv(self) -> LogLine:
            if not self.lines:
                raise EOFError
            return self.lines.pop()

    page = Page(world.site.client.config, WebConfig(listen="127.0.0.1:0"), print)
    page._pipe = Pipe()  # type: ignore[assignment]
    page._listen()
    (record,) = [one for one in caplog.records if one.name == "mistok.web"]
    assert record.msg == {"event": "page_failed", "reference": "ab12"}
    assert hasattr(record, "_logger"), "structlog's formatter takes it for its own, with its fields"
