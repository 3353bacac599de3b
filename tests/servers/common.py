"""What the launchers of real servers share: programs, ports, a throw-away user, waiting until a server answers."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Where .ci/install-servers unpacks what Debian cannot install side by side.
UNPACKED = ROOT / ".ci" / "servers"
HOST = "127.0.0.1"
#: Servers that really ran in this process: name -> version. Shown at the end of the session.
USED: dict[str, str] = {}


def missing(reason: str) -> None:
    """Skip with the reason; where MISTOK_REQUIRE_SERVERS is set, fail."""
    if os.environ.get("MISTOK_REQUIRE_SERVERS"):
        pytest.fail(f"required here, and missing: {reason}", pytrace=False)
    pytest.skip(reason)


def require(program: str) -> str:
    """The path of ``program``, looked for in PATH, the sbin folders and the unpacked ones; else :func:`missing`."""
    places = os.pathsep.join(
        [os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *(str(path) for path in UNPACKED.glob("*/usr/sbin"))]
    )
    found = shutil.which(program, path=places)
    if found is None:
        missing(f"{program} is not installed (.ci/install-servers installs it)")
        raise AssertionError("missing() does not return")
    return found


def require_root(what: str) -> None:
    """Some servers switch users, which only root may."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        missing(f"{what} is started as root only")


def require_address(host: str) -> None:
    """Linux and Windows have all of 127.0.0.0/8; elsewhere only the first address may be there."""
    try:
        socket.create_server((host, 0)).close()
    except OSError:
        missing(f"{host} is no address of this machine")


def used(name: str, version: str) -> None:
    """Note that this real server ran."""
    if version != "?" or name not in USED:
        USED[name] = version


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


#: A port of each range that this process has taken, so that no other worker takes the same range.
_taken: list[socket.socket] = []


def free_range(size: int = 40) -> range:
    """Ports beside each other for passive FTP, below those that systems hand out by themselves; no other process's.

    They are free while no transfer is under way, so the port behind them stays bound for as long as this process lives.
    """
    for _ in range(50):
        ports = range(start := 20_000 + secrets.randbelow(250) * 48, start + size)
        with ExitStack() as held:
            try:
                for port in ports:
                    held.enter_context(socket.create_server((HOST, port)))
                _taken.append(socket.create_server((HOST, ports[-1] + 1)))
            except OSError:
                continue
            return ports
    pytest.fail("no free range of ports", pytrace=False)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 20) -> None:
    """Until something answers on ``port``; fails with the server's own log."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    words = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    pytest.fail(f"the server on port {port} did not start: {words}", pytrace=False)


def open_folder(prefix: str) -> Path:
    """A new folder that other users may enter (pytest's own are closed to them)."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    return path


@dataclass(frozen=True)
class SystemUser:
    """A user made for this session."""

    name: str
    password: str
    home: Path
    uid: int
    gid: int

    def own(self, path: Path) -> Path:
        """Give ``path`` to the user."""
        shutil.chown(path, self.uid, self.gid)
        return path


def add_user() -> SystemUser:
    """A throw-away user with a known password. Root only; :func:`remove_user` takes it away."""
    require_root("a server with a user of its own")
    name, password = f"mistok-t{secrets.token_hex(4)}", secrets.token_hex(12)
    home = open_folder("mistok-user-")
    _account("useradd", "--no-create-home", "--home-dir", str(home), "--shell", "/bin/bash", name)
    subprocess.run(["chpasswd"], input=f"{name}:{password}\n".encode(), check=True, capture_output=True)
    uid, gid = (int(subprocess.check_output(["id", flag, name])) for flag in ("-u", "-g"))
    user = SystemUser(name, password, home, uid, gid)
    user.own(home)
    return user


def remove_user(user: SystemUser) -> None:
    """Take the user and its home away."""
    _account("userdel", "--force", user.name)
    shutil.rmtree(user.home, ignore_errors=True)


def _account(*command: str) -> None:
    for _ in range(40):
        done = subprocess.run([require(command[0]), *command[1:]], capture_output=True, text=True)
        if done.returncode == 0:
            return
        if "lock" not in done.stderr:
            break
        time.sleep(0.25)  # another worker holds the file of users
    pytest.fail(f"{command[0]}: {done.stderr}", pytrace=False)


@dataclass
class Server:
    """A real server on a loopback port, with a folder of its own that the login lands in."""

    name: str
    version: str
    port: int
    user: str
    password: str
    root: Path
    folder: Path  #: its configuration and log
    command: Sequence[str]
    host: str = HOST
    owner: SystemUser | None = None
    passive: range = range(0)  #: FTP's ports for data connections
    extra: dict[str, str] = field(default_factory=dict)  #: fingerprints, files: what the kind of server has
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "log"

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        wait_for(self.port, self.process, self.log)
        used(self.name, self.version)

    def stop(self) -> None:
        """End it and every session it has."""
        if self.process is None:
            return
        children = _children(self.process.pid)
        self.process.terminate()
        for pid in children:
            _end(pid)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def restart(self) -> None:
        """As a server's admin would: every session is cut."""
        self.stop()
        self.start()

    def fresh(self, name: str) -> Path:
        """A new empty folder under the root, owned by the login's user."""
        path = self.root / name
        path.mkdir(parents=True)
        if self.owner:
            self.owner.own(path)
        return path

    def remove(self) -> None:
        """Stop and clean up."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            continue
        for child in children:
            found += [int(child), *_children(int(child))]
    return found


def _end(pid: int) -> None:
    # by the program, since Python knows no SIGKILL on Windows
    subprocess.run(["kill", "-9", str(pid)], capture_output=True)
