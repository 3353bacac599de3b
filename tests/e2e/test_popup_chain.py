"""The popup chain whole: an order file, the books, the stream, the program on a person's PC, a click, and back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.agent.follow import Agent
from pipeline.agent.state import State
from pipeline.config.load import load_config
from pipeline.config.model import WebConfig
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.ledger.invitations import invited
from pipeline.registry import asker
from pipeline.resources import samples
from pipeline.web.site import Site
from tests.channels.desktops import XFCE_DAEMON, Desktop, daemon, screen_and_bus, wait_until, xfce_log
from tests.channels.test_apprise import Service
from tests.e2e.command import here, mistok, start
from tests.servers.common import free_port, require
from tests.signals import SIGKILL
from tests.web.live import served

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a desktop of Linux"),
    pytest.mark.xdist_group("desktop"),
]
CONFIG = """\
client: acme
language: uk
connections:
  site: {{type: local, path: site}}
  books: {{type: books, seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
jobs:
  orders:
    watch: true
    poll: 1s
    steps:
      - step: import-orders
        inbox: site
        into: books
        stable: 10ms
        grace: 0s
        client: "0042"
        object: "01"
        user: anna
        executor: petro
web: {{listen: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    with ExitStack() as stack:
        running = stack.enter_context(screen_and_bus(tmp_path / "desk"))
        stack.enter_context(daemon(running, [XFCE_DAEMON], tmp_path / "xfce.log"))
        yield running


@pytest.fixture
def phone() -> Iterator[Service]:
    """Takes what Apprise sends."""
    made = Service()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "client"
    (made / "site").mkdir(parents=True)
    text = CONFIG.format(samples=samples().as_posix(), port=free_port())
    (made / "config.yaml").write_text(text, encoding="utf-8")
    return made


#: Files of two orders, one and one.
GOOD = [samples() / "orders" / "good" / f"{name}.xml" for name in ("autumn-night", "single", "full")]


def put(folder: Path, source: Path) -> None:
    """The site drops an order file."""
    part = folder / "site" / "part.tmp"
    shutil.copyfile(source, part)
    part.replace(folder / "site" / source.name)


def press(desktop: Desktop, answer: str) -> None:
    """Click "open" or "done" of a popup on the screen, where xfce4-notifyd draws the two: at its lower right."""
    tool = require("xdotool")

    def ask(*words: str) -> str:
        done = subprocess.run([tool, *words], env=desktop.env, capture_output=True, text=True, timeout=20)
        return done.stdout if done.returncode == 0 else ""

    found = wait_until(lambda: ask("search", "--onlyvisible", "--name", "xfce4-notifyd"), "a popup has a window")
    at = dict(line.split("=", 1) for line in ask("getwindowgeometry", "--shell", found.split()[-1]).splitlines())
    right, bottom = int(at["X"]) + int(at["WIDTH"]), int(at["Y"]) + int(at["HEIGHT"])
    ask("mousemove", str(right - (150 if answer == "open" else 57)), str(bottom - 31), "click", "1")


@contextmanager
def running(agent: Agent) -> Iterator[None]:
    """The program on the PC, for as long as the block runs."""
    thread = threading.Thread(target=agent.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        agent.stop()
        thread.join(30)


def told(folder: Path) -> list[dict[str, Any]]:
    """What the server knows of the PCs, of each notice."""
    said = here("-c", folder / "config.yaml", "notices", "--json")
    return [one for row in reversed(said.json()) for one in row["told"] if one.get("pc")]


def shown(desktop: Desktop, count: int) -> list[str]:
    """The titles of the popups that the desktop has shown, once there are so many."""

    def enough() -> str:
        return "yes" if len(xfce_log(desktop)) >= count else ""

    wait_until(enough, f"{count} popups: {xfce_log(desktop)}", 60)
    return [one["summary"] for one in xfce_log(desktop)]


def test_a_new_order_is_a_popup_on_the_pc_and_a_click_comes_back(
    desktop: Desktop, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", desktop.env["DBUS_SESSION_BUS_ADDRESS"])
    config = load_config(folder / "config.yaml")
    opened: list[str] = []
    with ExitStack() as stack:
        client = stack.enter_context(Client.open(config))
        token, _new = invited(client.ledger, "olena", by="test")
        address = stack.enter_context(served(Site(client, WebConfig())))
        screen = asker("desktop", {"seconds": 600})
        stack.callback(screen.close)
        state = State(tmp_path / "pc", address)
        agent = Agent(address, token, state, screen, browse=opened.append, say=lambda _words: None)
        stack.enter_context(running(agent))
        put(folder, GOOD[0])
        run_job(config, "orders", RunOptions())
        assert shown(desktop, 1)[0].startswith("Нове замовлення ")
        picture(desktop)
        press(desktop, "open")
        wait_until(lambda: "".join(opened), "the page is opened", 30)
        wait_until(lambda: "yes" if any(one["clicked"] for one in told(folder)) else "", "it is reported", 30)
    first, second = told(folder)  # the file has two orders
    assert (first["pc"], bool(first["shown"]), bool(second["shown"])) == ("olena", True, True)
    assert opened == [f"{address}/orders/{1 if first['clicked'] else 2}"]
    assert not first["done"]
    assert not second["done"]


def picture(desktop: Desktop) -> None:
    """Keep what is on the screen, for people to look at."""
    if keep := os.environ.get("KEEP_SCREENSHOT"):
        desktop.screenshot(Path(keep))


@pytest.mark.full  # the service, its page and the program on the PC: each a process of its own
def test_the_chain_whole_with_its_page_killed_in_between(
    desktop: Desktop, folder: Path, tmp_path: Path, phone: Service
) -> None:
    """Shown on the PC whatever is killed; and told to a phone by the service itself, as nobody clicks in time."""
    escalate = f'[{{name: boss, after: 1s, kinds: [order], channel: {{type: apprise, urls: ["{phone.url}"]}}}}]'
    with (folder / "config.yaml").open("a", encoding="utf-8") as written:
        written.write(f"alerts: {{channels: [], escalate: {escalate}}}\n")
    screen, browser, went = tmp_path / "screen", tmp_path / "browser", tmp_path / "went"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {went}\n', encoding="utf-8")
    browser.chmod(0o755)
    config = folder / "config.yaml"
    address = f"http://{load_config(config).web.listen}"  # type: ignore[union-attr] # it has one
    said = here("--language", "en", "-c", config, "alerts", "invite", "Olena").out
    token = max(said.split(), key=len)
    pc = ("--language", "uk", "alerts", "--server", address, "--folder", tmp_path / "pc", "--token-in-file")
    env = {**desktop.env, "BROWSER": str(browser)}
    mistok("--language", "en", *pc[2:], "--install", cwd=tmp_path, env={"HOME": str(tmp_path)}, stdin=f"{token}\n")
    assert (tmp_path / ".config" / "systemd" / "user" / "mistok-alerts.service").exists()
    service = start("-c", config, "serve", cwd=folder, screen=screen)
    agent = start(*pc, cwd=tmp_path, env=env, screen=screen)
    try:
        wait_until(lambda: "yes" if "З’єднано" in screen.read_text("utf-8") else "", "the PC is connected", 120)
        put(folder, GOOD[0])
        assert len(shown(desktop, 2)) == 2
        page_process(service.pid).kill()
        put(folder, GOOD[1])  # while there is no page
        shown(desktop, 3)
        # a popup that stands on the screen and was not reported yet would be shown once more: rather that than never
        wait_until(lambda: "yes" if sum(bool(one["shown"]) for one in told(folder)) == 3 else "", "it is reported", 120)
        agent.send_signal(SIGKILL)  # and the PC loses power
        agent.wait()
        agent = start(*pc, cwd=tmp_path, env=env, screen=screen)
        put(folder, GOOD[2])
        titles = shown(desktop, 4)
        assert len(set(titles)) == len(titles) == 4, "nothing is missed, nothing told twice"
        press(desktop, "done")
        wait_until(lambda: "yes" if any(one["done"] for one in told(folder)) else "", "it is reported", 60)
        # the first three were shown and not clicked; of the last one it depends on who was faster
        wait_until(lambda: "yes" if set(titles[:3]) <= set(called(phone)) else "", f"{called(phone)} is called", 60)
        assert len(called(phone)) == len(set(called(phone))) <= 4
    finally:
        agent.kill()
        agent.wait()
        service.send_signal(signal.SIGTERM)
        service.wait(60)
    written_down = screen.read_text("utf-8") + (folder / "logs" / "mistok.log").read_text("utf-8")
    assert token not in written_down
    assert "geheim" not in written_down
    assert "No popup can be shown" not in written_down, "the PC shows them"


def called(phone: Service) -> list[str]:
    """The titles that came to the phone."""
    return [str(one["title"]) for one in phone.taken]


def page_process(service: int) -> psutil.Process:
    """The service's child that listens."""

    def find() -> list[psutil.Process]:
        found = []
        for child in psutil.Process(service).children():
            with suppress(psutil.Error):
                if any(one.status == psutil.CONN_LISTEN for one in child.net_connections("tcp")):
                    found.append(child)
        return found

    return find()[0]
