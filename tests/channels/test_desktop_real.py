"""Popups that are really on a screen: what the notification daemon says that it shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.channels.desktops import XFCE_DAEMON, Desktop, daemon, screen_and_bus, wait_until, xfce_log

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a desktop of Linux"),
    pytest.mark.xdist_group("desktop"),
]

#: What runs in a process of its own, as `mistok run` does: one new order, told by the channel.
_SEND = """
import json, sys
from decimal import Decimal
from pipeline.alerts import notices
from pipeline.errors import Finding
from pipeline.model import Money
from pipeline.texts import T
from plugins.channels.desktop import DesktopChannel, DesktopSettings
channel = DesktopChannel(DesktopSettings(seconds="60s"))
sent = []
for number, customer in json.loads(sys.argv[1]):
    notice = notices.order(f"order:{number}", number=number, customer=customer, total=Money(Decimal("1240.50"), "UAH"),
                           items=3, document="ЗП-000017", source="shop.example.ua")
    answer = channel.send(notice, "uk")
    sent.append([answer.shown, answer.why.render("en") if answer.why else ""])
channel.close()
print(json.dumps(sent))
"""


def send(env: dict[str, str], *orders: tuple[str, str]) -> list[tuple[bool, str]]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", "-c", _SEND, json.dumps(orders)],
        env={**env, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [(shown, why) for shown, why in json.loads(done.stdout)]


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    with screen_and_bus(tmp_path) as running:
        yield running


def test_dunst_shows_the_order_in_ukrainian_and_markup_as_it_is_written(desktop: Desktop, tmp_path: Path) -> None:
    log = tmp_path / "dunst.log"
    with daemon(desktop, ["dunst", "-print"], log):
        assert send(desktop.env, ("1042", "ТОВ «Сонях» <b>&amp; Co")) == [(True, "")]

        def printed() -> str:
            words = log.read_text(encoding="utf-8")
            return words if "ЗП-000017" in words else ""

        words = wait_until(printed, "dunst prints what it shows")
        assert "summary: 'Нове замовлення 1042'" in words
        # dunst prints the body as it was sent, and draws it by Pango: so it must be escaped exactly once
        assert "ТОВ «Сонях» &lt;b&gt;&amp;amp; Co\n" in words
        assert "1\u00a0240,50\u00a0грн · 3 позиції\n" in words
        assert "Документ ЗП-000017, shop.example.ua" in words
        assert "appname: 'Mistok'" in words
        assert "urgency: NORMAL" in words
        assert "timeout: 60000" in words
        assert '"default"' in words
        assert "Зрозуміло" in words


def test_xfce_shows_the_order_and_it_is_on_the_screen(desktop: Desktop, tmp_path: Path) -> None:
    with daemon(desktop, [XFCE_DAEMON], tmp_path / "xfce.log"):
        empty = desktop.screenshot(tmp_path / "empty.png")
        assert send(desktop.env, ("1042", "Шевченко Тарас Григорович"), ("1043", "Їжак & Ґава")) == [(True, "")] * 2

        def logged() -> str:
            return "both" if len(xfce_log(desktop)) >= 2 else ""

        wait_until(logged, "xfce4-notifyd writes its log")
        first, second = xfce_log(desktop)
        assert first["app_name"] == "Mistok"
        assert first["summary"] == "Нове замовлення 1042"
        assert first["body"] == (
            "Шевченко Тарас Григорович\n1\u00a0240,50\u00a0грн · 3 позиції\nДокумент ЗП-000017, shop.example.ua"
        )
        assert second["body"].startswith("Їжак &amp; Ґава\n")

        def drawn() -> str:
            return "changed" if coloured(desktop.screenshot(tmp_path / "popup.png")) > 2000 else ""

        assert coloured(empty) == 0
        wait_until(drawn, "the popups are on the screen")
    if keep := os.environ.get("KEEP_SCREENSHOT"):
        Path(keep).write_bytes((tmp_path / "popup.png").read_bytes())


def test_a_bus_where_nobody_shows_popups_is_said_so(desktop: Desktop) -> None:
    ((shown, why),) = send(desktop.env, ("1042", "Шевченко"))
    assert not shown
    assert why == "No program on this desktop shows popups (nobody answers as org.freedesktop.Notifications)."


def test_a_daemon_that_is_ended_and_started_again_is_found_again(desktop: Desktop, tmp_path: Path) -> None:
    script = """
import sys
from pipeline.ports import Notice
from pipeline.texts import T
from plugins.channels.desktop import DesktopChannel, DesktopSettings
channel = DesktopChannel(DesktopSettings())
for line in sys.stdin:
    print(channel.send(Notice("order", T("New order {number}", number=line.strip()), T("")), "en").shown, flush=True)
channel.close()
"""
    sender = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**desktop.env, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert sender.stdin is not None
    assert sender.stdout is not None

    def say(number: str) -> str:
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdin.write(number + "\n")
        sender.stdin.flush()
        return sender.stdout.readline().strip()

    try:
        with daemon(desktop, ["dunst", "-print"], tmp_path / "first.log"):
            assert say("1") == "True"
        assert say("2") == "False"
        second = tmp_path / "second.log"
        with daemon(desktop, ["dunst", "-print"], second):
            assert say("3") == "True"
            wait_until(lambda: ("New order 3" in second.read_text(encoding="utf-8") and "yes") or "", "dunst prints")
    finally:
        sender.stdin.close()
        sender.wait(10)
        sender.stdout.close()


def test_no_bus_at_all_is_said_so_and_at_once(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ((shown, why),) = send(env, ("1042", "Шевченко"))
    assert not shown
    assert why == "No desktop session answers on this machine: DBUS_SESSION_BUS_ADDRESS is not set."


def test_a_bus_that_is_gone_is_said_so(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={tmp_path}/gone"
    ((shown, why),) = send(env, ("1042", "Шевченко"))
    assert not shown
    assert why.startswith("No desktop session answers on this machine: FileNotFoundError")


def coloured(picture: Path) -> int:
    """How many pixels are not the screen's black."""
    histogram = subprocess.run(
        [
            "convert",
            str(picture),
            "-fuzz",
            "5%",
            "-fill",
            "white",
            "+opaque",
            "black",
            "-format",
            "%[fx:mean*w*h]",
            "info:",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return round(float(histogram.stdout))
