"""A client whose server does as the test says: refuses, lies, loses its answers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.testing.ftpd import FtpServer
from pipeline.testing.sftpd import SftpServer
from tests.faults import tally
from tests.faults.conftest import Victim
from tests.servers.certs import self_signed

USER, PASSWORD = "shop", "secret-1"
#: ftp: MLSD under TLS; ftp-old: LIST, SIZE and MDTM, in the clear
SCRIPTED = ("sftp", "ftp", "ftp-old")


def server_tls(certificate: Path) -> ssl.SSLContext:
    """A server's side of TLS with this certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextmanager
def scripted(tmp_path: Path, transport: str, certificate: Path | None = None) -> Iterator[tuple[Victim, Any]]:
    """The victim and its server (an SftpServer or an FtpServer). ``certificate``: another than a good one."""
    tally.note("transport", transport)
    root, folder = tmp_path / "site", tmp_path / "client"
    for path in (root / "orders", root / "goods", folder):
        path.mkdir(parents=True)
    server: SftpServer | FtpServer
    if transport == "sftp":
        server = SftpServer(root, user=USER, password=PASSWORD)
        more = f"type: sftp\nhost_key: {server.fingerprint}"
    elif transport == "ftp":
        known = certificate or self_signed(tmp_path)
        server = FtpServer(root, user=USER, password=PASSWORD, tls=server_tls(known))
        more = f"type: ftp\ntls: explicit\nca: {known.as_posix()}"
    else:
        server = FtpServer(root, user=USER, password=PASSWORD)
        server.features = {"SIZE", "MDTM"}
        more = "type: ftp"
    with server:
        site = f"{more}\nhost: 127.0.0.1\nport: {server.port}\nuser: shop\npassword: secret-1\ntimeout: 5s"
        yield (
            Victim(folder, root / "orders", root / "goods", site, "orders", "goods", "sqlite:///ledger.sqlite3"),
            server,
        )
