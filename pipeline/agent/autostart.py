"""Starts the program with the user's session: the contents are pure, the rims below write and remove them."""

from __future__ import annotations

import contextlib
import plistlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import ConfigError, system_words
from pipeline.texts import T, Text

RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
RUN_NAME = "Mistok alerts"
UNIT = "mistok-alerts.service"
LABEL = "ua.mistok.alerts"
#: Says that what starts it with the session knows no exit codes: where a new start cannot help it ends with 0.
WITH_SESSION = "--with-session"


def command(python: Path, server: str, more: Sequence[str] = ()) -> list[str]:
    """The words that start it. On Windows by ``pythonw.exe`` beside the interpreter, which opens no window."""
    if python.name.lower() == "python.exe":
        python = python.with_name("pythonw.exe")
    return [
        str(python),
        "-X",
        "utf8",
        "-c",
        "from pipeline.cli import main; main()",
        "alerts",
        "--server",
        server,
        *more,
    ]


def windows_value(words: Sequence[str]) -> str:
    """The value below HKCU's Run key: one line, quoted as Windows programs read it."""
    return subprocess.list2cmdline(words)


def systemd_unit(words: Sequence[str]) -> str:
    """A systemd user unit. Without a token that holds it ends with 3, beside another one with 0: not started again."""
    line = " ".join(_systemd_word(word) for word in words)
    return f"""\
[Unit]
Description=Mistok alerts: popups about orders
After=graphical-session.target network.target

[Service]
ExecStart={line}
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2 3

[Install]
WantedBy=default.target
"""


def _systemd_word(word: str) -> str:
    # systemd.service(5): quotes and backslashes are escaped; % begins a specifier, $ a variable
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def launch_agent(words: Sequence[str]) -> bytes:
    """The plist of a macOS LaunchAgent: it is started anew when it fails, and not when it ends with 0.

    launchd.plist(5) knows no exit codes that are final, so the program is told to end with 0 there, too.
    """
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": [*words, WITH_SESSION],
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 30,
            "LimitLoadToSessionType": "Aqua",
            "ProcessType": "Interactive",
        }
    )


def install(words: Sequence[str], home: Path, platform: str = sys.platform) -> list[Text]:
    """Start it with the session from now on; what was done, in lines. Raises ConfigError."""
    try:
        if platform == "win32":
            _run_key(windows_value(words))
            key = f"{RUN_KEY}\\{RUN_NAME}"
            try:
                _begin(words)  # Windows itself looks at the key at the next log-on only
            except OSError as error:
                said = T(
                    "It starts at the next log-on (HKCU, {key}); now it did not: {words}",
                    key=key,
                    words=system_words(error),
                )
                return [said]
            return [T("It starts with Windows now (HKCU, {key}), and runs.", key=key)]
        if platform == "darwin":
            path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
            _write(path, launch_agent(words))
            return [_now(path, ["launchctl", "load", "-w", str(path)])]
        path = home / ".config" / "systemd" / "user" / UNIT
        _write(path, systemd_unit(words).encode())
        _tried(["systemctl", "--user", "daemon-reload"])
        return [_now(path, ["systemctl", "--user", "enable", "--now", UNIT])]
    except OSError as error:
        raise ConfigError(T("The autostart cannot be written: {words}", words=system_words(error))) from error


def uninstall(home: Path, platform: str = sys.platform) -> list[Text]:
    """Start it no more. Raises ConfigError."""
    try:
        if platform == "win32":
            _run_key(None)
            return [T("It does not start with the session any more; what runs now ends when you log off.")]
        if platform == "darwin":
            path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
            _tried(["launchctl", "unload", "-w", str(path)])
            path.unlink(missing_ok=True)
        else:
            _tried(["systemctl", "--user", "disable", "--now", UNIT])
            (home / ".config" / "systemd" / "user" / UNIT).unlink(missing_ok=True)
            _tried(["systemctl", "--user", "daemon-reload"])
    except OSError as error:
        raise ConfigError(T("The autostart cannot be removed: {words}", words=system_words(error))) from error
    return [T("It does not start with the session any more.")]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _now(path: Path, start: Sequence[str]) -> Text:
    """What to say once the file is there: whether the system took it."""
    wrong = _tried(start)
    if wrong is None:
        return T("It starts with the session now ({path}), and runs.", path=str(path))
    return T(
        "{path} is written; starting it did not work: {words}. Start it by: {command}",
        path=str(path),
        words=wrong,
        command=" ".join(start),
    )


def _tried(words: Sequence[str]) -> Text | str | None:
    """Run a program of the system; why it did not work, or None."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired) as error:
        return system_words(error) if isinstance(error, OSError) else str(error)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()[:300] or f"exit {done.returncode}"


def _begin(words: Sequence[str]) -> None:
    """Start it beside this program: it goes on when this one and its window have ended. Raises OSError."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    nothing = subprocess.DEVNULL
    started = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, creationflags=flags)  # noqa: S603 - our own words
    started.returncode = 0  # nobody waits for it


def _run_key(value: str | None) -> None:
    """Set the value below HKCU's Run key; None removes it."""
    if sys.platform == "win32":
        import winreg

        with winreg.CreateKeyEx(winreg.HKEY_CURRENT_USER, RUN_KEY, 0, winreg.KEY_SET_VALUE) as key:
            if value is not None:
                winreg.SetValueEx(key, RUN_NAME, 0, winreg.REG_SZ, value)
            else:
                with contextlib.suppress(FileNotFoundError):
                    winreg.DeleteValue(key, RUN_NAME)
