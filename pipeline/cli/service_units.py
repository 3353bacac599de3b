"""What the service managers of Linux, Windows and macOS are told about ``mistok serve``. Pure.

The same promise in all of them: it starts with the machine (or the person's session), is started again when it ends by
a fault, but not when its config is wrong (exit code 2: a person must mend that), and has its time to finish what runs.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.config.clients import ENVIRONMENT

#: Seconds that running steps are given when it is stopped (``serve --drain``), and the manager's patience beyond that.
DRAIN, PATIENCE = 20, 45
#: Exit codes after which another start would end the same way.
NOT_AGAIN = (0, 2)


@dataclass(frozen=True)
class Service:
    """One client's service. ``command``: how this very ``mistok`` is called, as a list of words."""

    client: str
    command: Sequence[str]
    config: PurePath
    user: str = ""  #: of a unit of the whole system: who it runs as
    many: bool = False  #: ``config`` is a folder of clients

    @property
    def name(self) -> str:
        """What the service manager calls it."""
        return f"mistok-{self.client}"

    @property
    def folder(self) -> PurePath:
        """Where it works: the client's folder, or that of all clients."""
        return self.config if self.many else self.config.parent

    @property
    def about(self) -> str:
        """What it is, in a line."""
        return f"Mistok for {'the clients in ' if self.many else ''}{self.client}: catalogue out, orders in"

    @property
    def words(self) -> list[str]:
        """The whole call."""
        return [*self.command, "--config", str(self.config), "serve", "--drain", str(DRAIN)]


def systemd_unit(service: Service) -> str:
    """A unit of systemd: of the whole system when ``service.user`` is given, else of one person's session.

    Options by systemd.service(5), systemd.exec(5) and systemd.kill(5). The sandbox leaves the client's folder and local
    inboxes writable, wherever they lie; a person's manager may lack what asks for rights, so it gets what needs none.
    """
    system = bool(service.user)
    lines = [
        "[Unit]",
        f"Description={service.about}",
        # a server that is away for a night is no reason to give up
        "StartLimitIntervalSec=0",
    ]
    if system:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    lines += [
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(map(systemd_word, service.words))}",
        f"WorkingDirectory={str(service.folder).replace('%', '%%')}",
        "Environment=PYTHONUNBUFFERED=1 LANG=C.UTF-8",
        # what ${env:NAME} of the config means, as a service has nothing of a person's shell; may be missing
        f"EnvironmentFile=-{str(service.folder / ENVIRONMENT).replace('%', '%%')}",
    ]
    if system:
        lines.append(f"User={service.user}")
    lines += [
        "Restart=on-failure",
        "RestartSec=10",
        "RestartPreventExitStatus=2",
        # only the supervisor is told to stop; it ends its workers itself, and what is left is killed
        "KillMode=mixed",
        f"TimeoutStopSec={PATIENCE}",
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
    ]
    if system:
        lines += [
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "ProtectSystem=full",
            "ProtectClock=yes",
            "ProtectControlGroups=yes",
            "ProtectHostname=yes",
            "ProtectKernelLogs=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "RestrictNamespaces=yes",
            "CapabilityBoundingSet=",
        ]
    lines += ["", "[Install]", f"WantedBy={'multi-user' if system else 'default'}.target", ""]
    return "\n".join(lines)


def systemd_word(word: str) -> str:
    """A word of a command line as systemd reads it: quoted, its ``%`` and ``$`` meant as they are."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    escaped = escaped.replace("\n", "\\n")
    return escaped if re.fullmatch(r"[\w@:,./+=%-]+", escaped) else f'"{escaped}"'


def launchd_label(service: Service) -> str:
    """What launchd calls it."""
    return f"mistok.{service.client}"


def launchd_agent(service: Service, output: PurePath) -> bytes:
    """A property list of launchd (launchd.plist(5)): an agent of the person's session. ``output``: what it prints."""
    return plistlib.dumps(
        {
            "Label": launchd_label(service),
            "ProgramArguments": service.words,
            "WorkingDirectory": str(service.folder),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 30,
            "ExitTimeOut": PATIENCE,
            "EnvironmentVariables": {"PYTHONUNBUFFERED": "1", "LANG": "en_US.UTF-8"},
            "StandardOutPath": str(output),
            "StandardErrorPath": str(output),
        }
    )


def windows_calls(service: Service, shawl: str = "shawl") -> list[list[str]]:
    """The calls that make a service of Windows and start it, each as a list of words.

    The wrapper is shawl (one program, MIT): it tells the service manager how ``mistok`` does, sends it Ctrl-C to stop
    and waits, and starts it again by exit code. pywin32's own service host is not used, as it does not work from a
    virtual environment (its issue 1450), which is where pip and uv put Mistok.
    """
    made = [shawl, "add", "--name", service.name, "--cwd", str(service.folder), "--no-log"]
    made += ["--restart-if-not", ",".join(map(str, NOT_AGAIN)), "--stop-timeout", str(PATIENCE * 1000)]
    return [
        [*made, "--", *service.words],
        ["sc", "config", service.name, "start=", "delayed-auto"],
        ["sc", "description", service.name, service.about],
        ["sc", "start", service.name],
    ]
