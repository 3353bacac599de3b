"""ProFTPD, unpacked from Debian's packages (it cannot be installed beside vsftpd): plain, and explicit TLS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers.certs import self_signed
from tests.servers.common import (
    HOST,
    Server,
    SystemUser,
    free_port,
    free_range,
    missing,
    open_folder,
    require,
    require_root,
)


def start(user: SystemUser, tls: str = "none") -> Server:
    """A proftpd with ``user`` as a virtual user; with TLS its data channels must reuse the session (its default)."""
    program = Path(require("proftpd"))
    require_root("proftpd")
    home = program.parents[2]
    modules = next(iter([*home.glob("usr/lib/*/proftpd"), *home.glob("usr/lib/proftpd")]), None)
    if modules is None:
        missing(f"no modules beside {program}")
        raise AssertionError("missing() does not return")
    folder = open_folder("mistok-proftpd-")
    root = folder / "root"
    root.mkdir()
    user.own(root)
    port, passive = free_port(), free_range()
    passwd = folder / "passwd"
    hashed = subprocess.check_output(["openssl", "passwd", "-6", user.password], text=True).strip()
    passwd.write_text(f"{user.name}:{hashed}:{user.uid}:{user.gid}::{root}:/bin/bash\n", encoding="ascii")
    passwd.chmod(0o600)
    extra: dict[str, str] = {}
    secured = ""
    if tls != "none":
        certificate = self_signed(folder)
        extra["ca"] = str(certificate)
        secured = f"""
LoadModule mod_tls.c
TLSEngine on
TLSLog {folder}/tls.log
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {certificate}
TLSECCertificateKeyFile {certificate}
TLSRequired on
"""
    (folder / "proftpd.conf").write_text(
        f"""ModulePath {modules}
ServerName mistok
ServerType standalone
DefaultServer on
UseIPv6 off
DefaultAddress {HOST}
SocketBindTight on
Port {port}
PassivePorts {passive[0]} {passive[-1]}
User nobody
Group nogroup
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
DelayTable none
SystemLog {folder}/system.log
WtmpLog off
TransferLog none
LogFormat commands "%r"
ExtendedLog {folder}/protocol.log ALL commands
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile {passwd}
DefaultRoot ~
Umask 022
AllowOverwrite off
TimesGMT on
MaxInstances 50
UseReverseDNS off
{secured}
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
""",
        encoding="utf-8",
    )
    library = os.pathsep.join(str(path) for path in home.glob("usr/lib/*-linux-gnu"))
    command = [str(program), "--nodaemon", "--config", str(folder / "proftpd.conf")]
    if library:
        command = ["env", f"LD_LIBRARY_PATH={library}", *command]
    shown = subprocess.run([*command[:-3], "--version"], capture_output=True, text=True)
    version = (shown.stdout + shown.stderr).strip().rsplit(" ", 1)[-1]
    server = Server(
        "proftpd",
        version,
        port,
        user.name,
        user.password,
        root,
        folder,
        command,
        owner=user,
        passive=passive,
        extra={**extra, "protocol": str(folder / "protocol.log")},
    )
    server.start()
    return server
