"""The FTP server of the bench: pyftpdlib, in a process of its own, behind a proxy that makes it far away."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.transports.ftp_settings import certificate_fingerprint
from tests.bench import distance
from tests.servers import pyftpd

#: An address of its own, so that the passive ports lie behind the proxy under their own numbers.
HOST = "127.0.0.2"


@dataclass(frozen=True)
class Ftp:
    """A running server: how to log in, and the folder that its files lie in."""

    port: int
    user: str
    password: str
    root: Path
    certificate: str  #: its fingerprint; empty without TLS
    host: str = HOST

    def site(self, connections: int) -> dict[str, Any]:
        """As a connection of a config."""
        login = {"type": "ftp", "host": self.host, "port": self.port, "user": self.user, "password": self.password}
        tls = {"tls": "explicit", "certificate": self.certificate} if self.certificate else {}
        return {**login, **tls, "connections": connections}


@contextmanager
def far(*, tls: bool) -> Iterator[Ftp]:
    """A server 40 ms away, ended at the end."""
    server = pyftpd.start("explicit" if tls else "none")
    try:
        with distance.far(server.port, host=HOST, others=server.passive) as port:
            certificate = ""
            if tls:
                pem = Path(server.extra["ca"]).read_text(encoding="ascii")
                start, end = pem.index(ssl.PEM_HEADER), pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
                certificate = certificate_fingerprint(ssl.PEM_cert_to_DER_cert(pem[start:end]))
            yield Ftp(port, server.user, server.password, server.root, certificate)
    finally:
        server.remove()
