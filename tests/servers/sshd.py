"""Debian's OpenSSH server: password and key logins, SFTP inside."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers.common import HOST, Server, SystemUser, free_port, open_folder, require, require_root


def start(user: SystemUser) -> Server:
    """An sshd for ``user``. ``extra``: ``key`` (private key file that logs in), ``locked_key`` (the same with the
    passphrase ``secret``), ``fingerprint`` (of its host key)."""
    program = require("sshd")
    keygen = require("ssh-keygen")
    require_root("sshd")
    Path("/run/sshd").mkdir(exist_ok=True)
    folder = open_folder("mistok-sshd-")
    root = folder / "root"
    root.mkdir()
    user.own(root)
    new_host_key(folder, keygen)
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "login")], check=True)
    shutil.copy(folder / "login", folder / "locked")
    subprocess.run([keygen, "-q", "-p", "-P", "", "-N", "secret", "-f", str(folder / "locked")], check=True)
    port = free_port()
    (folder / "authorized").write_text((folder / "login.pub").read_text(encoding="ascii"), encoding="ascii")
    (folder / "sshd_config").write_text(
        f"""ListenAddress {HOST}
Port {port}
HostKey {folder}/host_key
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin no
AllowUsers {user.name}
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {root}
""",
        encoding="utf-8",
    )
    banner = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr
    version = banner.split("_", 1)[-1].split()[0] if banner else "?"
    server = Server(
        "sshd",
        version.rstrip(","),
        port,
        user.name,
        user.password,
        root,
        folder,
        [program, "-D", "-e", "-f", str(folder / "sshd_config")],
        owner=user,
        extra={
            "key": str(folder / "login"),
            "locked_key": str(folder / "locked"),
            "fingerprint": host_fingerprint(folder, keygen),
        },
    )
    server.start()
    return server


def new_host_key(folder: Path, keygen: str) -> None:
    """Give the server another host key (it must be restarted to use it)."""
    for old in folder.glob("host_key*"):
        old.unlink()
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")], check=True)


def host_fingerprint(folder: Path, keygen: str) -> str:
    """As ``ssh-keygen -l`` says it."""
    shown = subprocess.run([keygen, "-l", "-f", str(folder / "host_key.pub")], capture_output=True, text=True)
    return shown.stdout.split()[1]
