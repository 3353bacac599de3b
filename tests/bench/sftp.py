"""The SFTP server of the bench, in a process of its own: OpenSSH where it is installed, else asyncssh.

As a program (``python -m tests.bench.sftp FOLDER PORT``) it is the asyncssh one.
"""

from __future__ import annotations

import asyncio
import getpass
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"


@dataclass(frozen=True)
class Sftp:
    """A running server: how to log in (``user``, private key ``key``), and the folder that its files lie in."""

    name: str
    port: int
    user: str
    key: Path
    fingerprint: str
    root: Path  #: as this process sees it
    shown: str  #: the same folder as the server names it


@contextmanager
def serve(folder: Path) -> Iterator[Sftp]:
    """A server over ``folder/root``, ended at the end."""
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "root").mkdir()
    host_key, login = _keys(folder)
    sshd = shutil.which("sshd") or shutil.which("sshd", path=_PLACES)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    if sshd and shutil.which("ssh-keygen"):
        process, name, shown = _openssh(sshd, folder, port), _version(), (folder / "root").as_posix()
    else:
        command = [sys.executable, "-m", "tests.bench.sftp", str(folder), str(port)]
        process, name, shown = _started(command, folder), _asyncssh_version(), ""
    try:
        _wait(port, process, folder / "log")
        yield Sftp(name, port, getpass.getuser(), login, host_key, folder / "root", shown)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _keys(folder: Path) -> tuple[str, Path]:
    """Makes both keys; gives the host key's fingerprint and the login's private key."""
    import asyncssh

    for name in ("host", "login"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        (folder / name).chmod(0o600)
        key.write_public_key(folder / f"{name}.pub")
    return str(asyncssh.read_public_key(folder / "host.pub").get_fingerprint()), folder / "login"


def _openssh(sshd: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    if Path("/run").is_dir():
        Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(
        f"""ListenAddress {HOST}
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/login.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {getpass.getuser()}
MaxStartups 100
LogLevel ERROR
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {folder}/root
""",
        encoding="utf-8",
    )
    return _started([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], folder)


def _started(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the SFTP server did not start: {log.read_text(encoding='utf-8', errors='replace')}")


def _version() -> str:
    shown = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr if shutil.which("ssh") else ""
    return shown.split(",")[0].split()[0].replace("_", " ") if shown else "OpenSSH"


def _asyncssh_version() -> str:
    import asyncssh

    return f"asyncssh {asyncssh.__version__}"


async def _asyncssh(folder: Path, port: int) -> None:
    import asyncssh

    def files(channel: Any) -> Any:
        return asyncssh.SFTPServer(channel, chroot=str(folder / "root").encode())

    server = await asyncssh.listen(
        HOST,
        port,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "login.pub"),
        sftp_factory=files,
    )
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_asyncssh(Path(sys.argv[1]), int(sys.argv[2])))
