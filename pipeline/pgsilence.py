"""A PostgreSQL server that falls silent on an open connection: what libpq is told, so that it is noticed.

A host that froze or a line that was cut closes nothing: whoever waits for an answer would wait for as long as the
system tries to send (a quarter of an hour), or for ever where there is nothing to send. So the system is told to ask
the other side now and then whether it is there (``keepalives_*``), and after how long without an answer to what was
sent the connection is broken (``tcp_user_timeout``, where the system has it: Linux). The system of a server that works
for long on a statement answers both, so no honest work is cut. See "Parameter Key Words" of libpq in PostgreSQL's
manual.

A server's processes that stand still on a machine that answers are noticed by whoever limits his patience for short
statements: see :mod:`pipeline.pgwatched`.
"""

from __future__ import annotations

from collections.abc import Collection

#: Seconds that a server may take to let us in: the driver's own limit is minutes, for a host that takes connections and
#: says nothing.
CONNECT_TIMEOUT = 10
#: An idle connection is asked after 10 seconds and then every 5; silent for half a minute, it is broken.
KEPT_ALIVE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}


def to_connect(seconds: int = CONNECT_TIMEOUT, *, but: Collection[str] = ()) -> dict[str, str]:
    """Parameters of libpq for a connection, but for those that its address has itself. ``seconds``: to be let in."""
    wanted = {"connect_timeout": str(seconds), **KEPT_ALIVE}
    return {name: value for name, value in wanted.items() if name not in but}
