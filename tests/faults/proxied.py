"""A client that reaches its real server only through a proxy which misbehaves as told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.engine.context import go_on
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from pipeline.resources import samples
from pipeline.testing.tcpproxy import TcpProxy
from pipeline.transports.wrap import Retrying
from tests.conftest import Servers
from tests.faults import ends
from tests.faults.conftest import Victim
from tests.servers.common import require_address

#: Real servers, with the ways that sessions differ: one connection; a control and many data connections under TLS.
REAL = ("sshd", "vsftpd-explicit", "proftpd-explicit", "pyftpdlib-explicit")


@contextmanager
def proxied(
    request: pytest.FixtureRequest, make_victim: Callable[[str, str], Victim], transport: str, ledger: str = "sqlite"
) -> Iterator[tuple[Victim, TcpProxy]]:
    """The victim on ``transport``, and the proxy in front of its server.

    The FTP proxy has an address of its own, so that the server's passive ports lie behind it under their own numbers.
    """
    victim = make_victim(transport, ledger)
    servers: Servers = request.getfixturevalue("servers")
    server = servers.get(transport)
    host = "127.0.0.2" if server.passive else "127.0.0.1"
    require_address(host)
    with TcpProxy((server.host, server.port), host=host, ports=server.passive) as proxy:
        site = re.sub(r"^host: .*$", f"host: {proxy.host}", victim.site, flags=re.MULTILINE)
        victim.site = re.sub(r"^port: .*$", f"port: {proxy.port}", site, flags=re.MULTILINE) + "\ntimeout: 10s"
        yield victim, proxy


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between two attempts are left out: what is tested is what happens, not how long it takes."""
    monkeypatch.setattr(Retrying, "_wait", lambda self, _pause: self.inner.close())


class Orders:
    """Files with one order each, as many as are wanted: an everyday sample under ids of their own."""

    def __init__(self) -> None:
        self._text = (samples() / "orders" / "twenty" / "order-00002001.xml").read_text(encoding="utf-8")
        self._made = 0

    def next(self) -> tuple[str, str]:
        """(name, content) of a new one."""
        self._made += 1
        number = f"{7000 + self._made}"
        return f"order-0000{number}.xml", self._text.replace(">2001<", f">{number}<").replace(
            "00002001", f"0000{number}"
        )

    def drop(self, victim: Victim, count: int = 1) -> list[str]:
        """So many new ones in the inbox; their names."""
        return [victim.drop(*self.next()).name for _ in range(count)]


def run(victim: Victim, job: str = "orders", reach: Callable[[str], None] = go_on, **options: Any) -> RunReport:
    """Run the job with something that happens at the named points of the walk."""
    ends.happened(f"a run of {job}")
    return run_job(victim.config(), job, RunOptions(**options), clock=victim.clock, reach=reach)


def spread(total: int, count: int, share: int = 0, shares: int = 1) -> Sequence[int]:
    """``count`` positions over ``total`` bytes, from the first byte to the last; of them the ``share``-th of
    ``shares``, so that several subjects divide one sweep between them."""
    places = [round(place * (total - 1) / max(count - 1, 1)) for place in range(count)]
    return places[share::shares]
