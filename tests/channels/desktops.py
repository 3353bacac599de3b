"""A real desktop without a screen: Xvfb, a bus of its own, and a notification daemon of Debian."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.common import require, used

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""
_XFCE = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-notifyd" version="1.0">
  <property name="notification-log" type="bool" value="true"/>
  <property name="log-level" type="uint" value="1"/>
  <property name="log-level-apps" type="uint" value="0"/>
</channel>
"""
XFCE_DAEMON = "/usr/lib/x86_64-linux-gnu/xfce4/notifyd/xfce4-notifyd"


@dataclass
class Desktop:
    """A running desktop: ``env`` for programs that are to see it."""

    env: dict[str, str]
    folder: Path

    def screenshot(self, path: Path) -> Path:
        """What is on the screen."""
        subprocess.run([require("import"), "-window", "root", str(path)], env=self.env, check=True, timeout=30)
        return path


@contextmanager
def screen_and_bus(folder: Path) -> Iterator[Desktop]:
    """A screen and a bus, with no program on it that shows popups."""
    home, services = folder / "home", folder / "services"
    settings = home / ".config" / "xfce4" / "xfconf" / "xfce-perchannel-xml"
    for path in (settings, services):
        path.mkdir(parents=True)
    (settings / "xfce4-notifyd.xml").write_text(_XFCE, encoding="utf-8")
    xfconf = Path("/usr/share/dbus-1/services/org.xfce.Xfconf.service")
    if xfconf.exists():
        (services / xfconf.name).write_bytes(xfconf.read_bytes())
    config = folder / "bus.conf"
    config.write_text(_BUS.format(folder=folder, services=services), encoding="utf-8")
    started: list[subprocess.Popen[bytes]] = []
    try:
        read, write = os.pipe()
        command = [require("Xvfb"), "-displayfd", str(write), "-screen", "0", "800x480x24", "-nolisten", "tcp"]
        started.append(subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL))
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            display = pipe.readline().decode().strip()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local"),
            "DISPLAY": f":{display}",
            "LANG": "C.UTF-8",
            "GSETTINGS_BACKEND": "memory",
            "NO_AT_BRIDGE": "1",
        }
        command = [require("dbus-daemon"), f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"]
        bus = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        started.append(bus)
        assert bus.stdout is not None
        env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()
        yield Desktop(env, folder)
    finally:
        for process in reversed(started):
            end(process)


@contextmanager
def daemon(desktop: Desktop, command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A notification daemon on that desktop, once it answers on the bus."""
    program = require(command[0])
    with log.open("wb") as out:
        process = subprocess.Popen([program, *command[1:]], env=desktop.env, stdout=out, stderr=out)
    try:
        answer = [
            require("dbus-send"),
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.Notifications",
            "/org/freedesktop/Notifications",
            "org.freedesktop.Notifications.GetServerInformation",
        ]

        def answers() -> str:
            done = subprocess.run(answer, env=desktop.env, capture_output=True, text=True, timeout=20)
            return done.stdout if done.returncode == 0 else ""

        words = wait_until(answers, f"{program} answers: {log.read_text(encoding='utf-8', errors='replace')}")
        version = [part for part in words.split('"') if part.strip() and part[0].isdigit()]
        used(Path(program).name, version[0] if version else "")
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop it, and let go of its pipes."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    if process.stdout:
        process.stdout.close()


def wait_until(look: Callable[[], str], what: str, seconds: float = 15) -> str:
    """What ``look`` gives, as soon as it gives something."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if found := look():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}", pytrace=False)


def xfce_log(desktop: Desktop) -> list[dict[str, str]]:
    """What xfce4-notifyd wrote down of the popups that it showed: app_name, summary and body of each."""
    path = Path(desktop.env["XDG_CACHE_HOME"]) / "xfce4" / "notifyd" / "log"
    if not path.exists():
        return []
    shown: list[dict[str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            shown.append({})
        elif "=" in line:
            name, _, value = line.partition("=")
            shown[-1][name] = value.replace("\\n", "\n").replace("\\s", " ")
    return shown
