"""A PostgreSQL that falls silent when it is told to: a proxy before it, which then passes and closes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from pipeline.testing.tcpproxy import TcpProxy


@contextmanager
def silenced(url: str, **query: str) -> Iterator[tuple[TcpProxy, str]]:
    """The proxy, and the database's URL through it (as SQLAlchemy has it), with these parameters more.

    :meth:`TcpProxy.hang` makes it silent from the next byte on, :meth:`TcpProxy.release` ends that.
    """
    real = sa.make_url(url)
    folder = real.query.get("host")  # of a socket of this machine
    target: tuple[str, int] | Path = (str(real.host), real.port or 5432)
    if folder is not None:
        target = Path(str(folder)) / f".s.PGSQL.{real.query.get('port') or real.port or 5432}"
    with TcpProxy(target) as proxy:
        there = {name: value for name, value in real.query.items() if name not in ("host", "port")}
        through = real.set(host=proxy.host, port=proxy.port, query={**there, **query})
        yield proxy, through.render_as_string(hide_password=False)
