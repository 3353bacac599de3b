"""Debian's vsftpd: plain, explicit TLS, implicit TLS; with TLS the data channel must reuse the session."""

from __future__ import annotations

import socket

from tests.servers.certs import self_signed
from tests.servers.common import (
    HOST,
    Server,
    SystemUser,
    free_port,
    free_range,
    open_folder,
    require,
    require_root,
    used,
)


def start(user: SystemUser, tls: str = "none", *, reuse: bool = True) -> Server:
    """A vsftpd for ``user``; ``tls``: none, explicit, implicit. ``extra``: ``ca`` (its certificate, with TLS),
    ``protocol`` (a log of every command)."""
    program = require("vsftpd")
    require_root("vsftpd")
    folder = open_folder("mistok-vsftpd-")
    root = folder / "root"
    root.mkdir()
    user.own(root)
    (folder / "empty").mkdir()
    port, passive = free_port(), free_range()
    lines = {
        "listen": "YES",
        "listen_ipv6": "NO",
        "listen_address": HOST,
        "listen_port": port,
        "background": "NO",
        "anonymous_enable": "NO",
        "local_enable": "YES",
        "write_enable": "YES",
        "local_umask": "022",
        "local_root": root,
        "chroot_local_user": "YES",
        "allow_writeable_chroot": "YES",
        "secure_chroot_dir": folder / "empty",
        "pam_service_name": "vsftpd",
        "seccomp_sandbox": "NO",
        "isolate": "NO",
        "isolate_network": "NO",
        "use_localtime": "NO",
        "xferlog_enable": "YES",
        "xferlog_std_format": "NO",
        "idle_session_timeout": 120,
        "pasv_min_port": passive[0],
        "pasv_max_port": passive[-1],
        "log_ftp_protocol": "YES",
        "vsftpd_log_file": folder / "protocol.log",
    }
    extra: dict[str, str] = {}
    if tls != "none":
        certificate = self_signed(folder)
        extra["ca"] = str(certificate)
        lines |= {
            "ssl_enable": "YES",
            "rsa_cert_file": certificate,
            "rsa_private_key_file": certificate,
            "force_local_logins_ssl": "YES",
            "force_local_data_ssl": "YES",
            "ssl_tlsv1": "YES",
            "ssl_sslv2": "NO",
            "ssl_sslv3": "NO",
            "ssl_ciphers": "HIGH",
            "require_ssl_reuse": "YES" if reuse else "NO",
            "implicit_ssl": "YES" if tls == "implicit" else "NO",
        }
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    (folder / "vsftpd.conf").write_text(text, encoding="utf-8")
    server = Server(
        "vsftpd",
        "?",
        port,
        user.name,
        user.password,
        root,
        folder,
        [program, str(folder / "vsftpd.conf")],
        owner=user,
        passive=passive,
        extra={**extra, "protocol": str(folder / "protocol.log")},
    )
    server.start()
    if tls != "implicit":
        # it says its version to a terminal only, and to whoever connects
        with socket.create_connection((HOST, port), timeout=10) as sock:
            server.version = sock.recv(200).decode("ascii", "replace").strip().rstrip(")").rsplit(" ", 1)[-1]
        used("vsftpd", server.version)
    return server
