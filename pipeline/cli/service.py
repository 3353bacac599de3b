"""``mistok service``: let the machine's own service manager keep ``mistok serve`` at work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pipeline.cli import common, service_units
from pipeline.cli.service_units import Service
from pipeline.cli.words import Verb, VerbGroup
from pipeline.errors import ConfigError
from pipeline.texts import T, Text

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=str(common.EXIT_CODES),
)
#: Named once, so that types are checked for every system on any.
PLATFORM: str = sys.platform
#: There when systemd runs the machine: sd_booted(3).
SYSTEMD = Path("/run/systemd/system")
UNITS = Path("/etc/systemd/system")

System = Annotated[
    bool, typer.Option("--system", help=str(T("Of the whole machine, from its start on (Linux, as root).")))
]


def _add(help_text: Text, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return group.command(name, help=str(help_text), epilog=str(common.EXIT_CODES), cls=Verb)


@_add(T("Make the service, and start it now and with the machine."), "install")
def install(
    context: typer.Context,
    system: System = False,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            help=str(T("With --system: who it runs as (default: the owner of the config).")),
            show_default=False,
        ),
    ] = "",
    start: Annotated[bool, typer.Option("--start/--no-start", help=str(T("Start it now, or only make it.")))] = True,
    show: Annotated[
        bool, typer.Option("--print", help=str(T("Print what would be written and called; change nothing.")))
    ] = False,
) -> None:
    """Install the service of this client."""
    with common.cards():
        if user and not system:
            common.usage(T("--user goes with --system."))
        manager = _manager(context, system=system, user=user)
        if show:
            manager.tell()
            return
        manager.must_be_there()
        if manager.path is not None:
            _write(manager.path, manager.content)
        for words in manager.make(start=start):
            _must(words)
        out = common.console()
        done = (
            T("{name} is at work.", name=manager.service.name)
            if start
            else T("{name} is made.", name=manager.service.name)
        )
        out.print(str(done))
        for remark in manager.remarks:
            out.print(str(remark), soft_wrap=True, markup=False)


@_add(T("Stop the service and take it away; the client's folder stays as it is."), "remove")
def remove(
    context: typer.Context,
    system: System = False,
    show: Annotated[
        bool, typer.Option("--print", help=str(T("Print what would be written and called; change nothing.")))
    ] = False,
) -> None:
    """Remove the service of this client."""
    with common.cards():
        manager = _manager(context, system=system, user="root" if system else "")
        if show:
            for words in manager.unmake():
                print(" ".join(words))
            return
        manager.must_be_there()
        if manager.path is not None and not manager.path.exists():
            common.not_found(
                T("There is no service {name}.", name=manager.service.name),
                T("mistok service install makes it; --system is for that of the whole machine."),
            )
        before, *after = manager.unmake()
        _must(before)
        if manager.path is not None:
            manager.path.unlink(missing_ok=True)
        for words in after:
            _must(words)
        common.console().print(str(T("{name} is taken away.", name=manager.service.name)))


@_add(T("Tell what the service manager knows of it."), "status")
def status(context: typer.Context, system: System = False) -> None:
    """Show the state of the service; exit code 1 when it does not run."""
    with common.cards():
        manager = _manager(context, system=system, user="root" if system else "")
        manager.must_be_there(to_change=False)
        code, told = _call(manager.ask())
        print(told.strip())
        if code != 0 or (manager.kind == "systemd" and "ActiveState=active" not in told):
            raise typer.Exit(common.WAITING)


@dataclass
class _Manager:
    """The service manager of this machine, and what it is to be told of one client."""

    kind: str  #: systemd, windows, launchd
    service: Service
    path: Path | None = None
    content: bytes = b""
    system: bool = False
    remarks: tuple[Text, ...] = ()

    @property
    def _systemctl(self) -> list[str]:
        return ["systemctl"] if self.system else ["systemctl", "--user"]

    def make(self, *, start: bool) -> list[list[str]]:
        if self.kind == "systemd":
            enable = ["enable", "--now"] if start else ["enable"]
            return [[*self._systemctl, "daemon-reload"], [*self._systemctl, *enable, f"{self.service.name}.service"]]
        if self.kind == "launchd":
            return [["launchctl", "bootstrap", _session(), str(self.path)]] if start else []
        calls = service_units.windows_calls(self.service, _shawl())
        return calls if start else calls[:-1]

    def unmake(self) -> list[list[str]]:
        name = self.service.name
        if self.kind == "systemd":
            return [[*self._systemctl, "disable", "--now", f"{name}.service"], [*self._systemctl, "daemon-reload"]]
        if self.kind == "launchd":
            return [["launchctl", "bootout", f"{_session()}/{service_units.launchd_label(self.service)}"]]
        return [["sc", "stop", name], ["sc", "delete", name]]

    def ask(self) -> list[str]:
        name = self.service.name
        if self.kind == "systemd":
            told = (
                "Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,ExecMainStatus,ActiveEnterTimestamp"
            )
            return [*self._systemctl, "show", f"--property={told}", f"{name}.service"]
        if self.kind == "launchd":
            return ["launchctl", "print", f"{_session()}/{service_units.launchd_label(self.service)}"]
        return ["sc", "query", name]

    def tell(self) -> None:
        """Print what an install would do."""
        if self.path is not None:
            print(f"# {self.path}")
            print(self.content.decode("utf-8"))
        for words in self.make(start=True):
            print("# " + " ".join(common.quoted(Path(word)) if " " in word else word for word in words))

    def must_be_there(self, *, to_change: bool = True) -> None:
        """Raises ConfigError where this machine has no such manager, or this person may not change it."""
        if self.kind == "systemd":
            if not SYSTEMD.is_dir() or shutil.which("systemctl") is None:
                _cannot(
                    T("This machine is not run by systemd."),
                    T("Let what runs it (a container's own entry, another init) start: {words}",
                      words=" ".join(self.service.words)),
                )  # fmt: skip
            if self.system and to_change and _uid() != 0:
                _cannot(T("--system needs root."), T("Call it with sudo, or leave --system out: a unit of your own."))
        elif self.kind == "windows":
            if shutil.which("shawl") is None and to_change:
                _cannot(
                    T("The program shawl is not found: it makes a service of Windows out of mistok serve."),
                    T("Put shawl.exe of https://github.com/mtkennerly/shawl/releases into a folder of PATH."),
                )
        elif shutil.which("launchctl") is None:
            _cannot(T("launchctl is not found."), T("mistok service needs systemd, Windows or macOS."))


def _manager(context: typer.Context, *, system: bool, user: str) -> _Manager:
    named, path = _whose(context)
    if PLATFORM == "win32":
        if system:
            common.usage(T("--system is for Linux."), T("A service of Windows is one of the whole machine anyway."))
        return _Manager("windows", named)
    if PLATFORM == "darwin":
        if system:
            common.usage(T("--system is for Linux."), T("On macOS an agent of your session is made."))
        service = named
        output = Path(service.folder) / "logs" / "serve.out"
        agents = Path.home() / "Library" / "LaunchAgents"
        return _Manager(
            "launchd",
            service,
            agents / f"{service_units.launchd_label(service)}.plist",
            service_units.launchd_agent(service, output),
        )
    service = replace(named, user=(user or _owner(path)) if system else "")
    folder = UNITS if system else _own_units()
    remarks = () if system else (
        T("It runs while you are logged in; to let it run from the machine's start on: loginctl enable-linger"),
    )  # fmt: skip
    content = service_units.systemd_unit(service).encode("utf-8")
    return _Manager("systemd", service, folder / f"{service.name}.service", content, system, remarks)


def _whose(context: typer.Context) -> tuple[Service, Path]:
    """The service of the client, or of the folder of clients, that the call is about; and its config or folder."""
    from pipeline.cli.many import many

    folder = many(context, None)
    if folder is not None:
        return Service(re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name), command(), folder, many=True), folder
    config = common.load(context)
    path = config.source.resolve()
    return Service(config.client, command(), path), path


def command() -> list[str]:
    """How this very ``mistok`` is called from anywhere: the script beside its Python, else that Python itself.

    Raises ConfigError for an environment that may vanish at any time (``uvx``): a service must outlive it.
    """
    folder = Path(sys.executable).parent
    if "archive-v0" in folder.parts or "uvx" in folder.parts:
        _cannot(
            T("This mistok is in a temporary environment of uv, which is cleaned away some day."),
            T("Install it first (uv tool install mistok), and call that one."),
        )
    script = folder / ("mistok.exe" if PLATFORM == "win32" else "mistok")
    return [str(script)] if script.is_file() else [sys.executable, "-c", "from pipeline.cli import main; main()"]


def _own_units() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "systemd" / "user"


def _owner(path: Path) -> str:
    """Who owns the config: the service works in that person's folder. Root is taken only when it is named."""
    name = _name_of_owner(path)
    if name in ("", "root"):
        common.usage(
            T("Say with --user who the service is to run as."),
            T("The config is root's; a user of its own is safer, and must be able to write to {folder}.",
              folder=str(path if path.is_dir() else path.parent)),
        )  # fmt: skip
    return name


def _name_of_owner(path: Path) -> str:
    if sys.platform != "win32":
        try:
            return path.owner()
        except KeyError:  # a number without a name
            pass
    return ""


def _uid() -> int:
    return int(getattr(os, "getuid", lambda: -1)())


def _session() -> str:
    return f"gui/{_uid()}"


def _shawl() -> str:
    return shutil.which("shawl") or "shawl"


def _cannot(text: Text, hint: Text) -> NoReturn:
    raise ConfigError(text, hint=hint)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        _cannot(
            T("{path} cannot be written: {why}", path=str(path), why=error.strerror or str(error)),
            T("mistok service install --print shows what would be there."),
        )


def _must(words: Sequence[str]) -> None:
    code, told = _call(words)
    if code != 0:
        _cannot(
            T("{command} failed: {why}", command=" ".join(words), why=told.strip() or str(code)),
            T("mistok service install --print shows what is wanted; try it by hand."),
        )


def _call(words: Sequence[str]) -> tuple[int, str]:
    """Call a program; its exit code and what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            list(words), capture_output=True, text=True, errors="replace", check=False, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout + done.stderr
