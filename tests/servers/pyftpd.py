"""pyftpdlib as a server of its own process: plain and explicit TLS. Needs no root, so it runs everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.servers.certs import self_signed
from tests.servers.common import HOST, Server, free_port, free_range, open_folder

_SERVE = """
import sys, warnings
warnings.simplefilter("ignore")
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
host, port, user, password, root, certificate, listing, first, last = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, root, perm="elradfmwMT")
class Handler(TLS_FTPHandler if certificate else FTPHandler):
    pass
Handler.authorizer = authorizer
Handler.use_gmt_times = True
Handler.passive_ports = range(int(first), int(last) + 1)
if certificate:
    Handler.certfile = certificate
    Handler.tls_control_required = Handler.tls_data_required = True
if listing == "list":
    Handler.proto_cmds = {k: v for k, v in Handler.proto_cmds.items() if k not in ("MLSD", "MLST")}
FTPServer((host, int(port)), Handler).serve_forever(handle_exit=True)
"""


def start(tls: str = "none", *, listing: str = "mlsd") -> Server:
    """A pyftpdlib server; ``listing="list"`` knows no MLSD. ``extra``: ``ca`` with TLS."""
    import pyftpdlib

    folder = open_folder("mistok-pyftpd-")
    root = folder / "root"
    root.mkdir()
    port, passive = free_port(), free_range()
    certificate = str(self_signed(folder)) if tls != "none" else ""
    command = [sys.executable, "-c", _SERVE, HOST, str(port), "shop", "s3cret pass", str(root), certificate, listing]
    command += [str(passive[0]), str(passive[-1])]
    server = Server(
        "pyftpdlib",
        str(pyftpdlib.__ver__),
        port,
        "shop",
        "s3cret pass",
        Path(root),
        folder,
        command,
        passive=passive,
        extra={"ca": certificate} if certificate else {},
    )
    server.start()
    return server
