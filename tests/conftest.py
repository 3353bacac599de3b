"""Fixtures for all rooms: a clean environment, real servers on loopback ports, PostgreSQL, and what really ran."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from pipeline.texts import hide_from_now_on, use_language
from tests import everyday
from tests.servers import common, mariadb, postgresql, proftpd, pyftpd, sshd, tryton, vsftpd
from tests.servers.common import Server, SystemUser
from tests.servers.postgresql import Postgres

if sys.dont_write_bytecode:
    # Hundreds of processes are started here, and each would compile for seconds what it imports; the tree stays clean.
    _compiled = Path(tempfile.gettempdir()) / f"mistok-compiled-{getattr(os, 'getuid', lambda: 0)()}"
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(_compiled)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False

if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell that starts this in the background lets it ignore Ctrl-C, and so would all programs that are started here
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite(
    "pipeline.testing.transport_contract",
    "pipeline.testing.sync_contract",
    "pipeline.testing.sync_stock_contract",
    "pipeline.testing.sync_subject",
    "pipeline.testing.wire_contract",
    "tests.systems.walk_contract",
)

# how fast examples are made says something of the machine, and nothing of the code
settings.register_profile(
    "mistok", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=everyday.examples(100)
)
settings.load_profile("mistok")

_KEPT = {"MISTOK_REQUIRE_SERVERS", "MISTOK_FULL"}
_seen: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the developer has in the environment, or a verb left that ran in this process, must not decide a test."""
    for name in tuple(os.environ):
        if (name.startswith("MISTOK_") and name not in _KEPT) or name.startswith("LC_") or name in ("LANG", "LANGUAGE"):
            monkeypatch.delenv(name)
    use_language("en")
    hide_from_now_on(str)
    yield
    hide_from_now_on(str)


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """``require("vsftpd")`` gives the program's path; skips when it is missing, fails where servers are required."""
    return common.require


@pytest.fixture(scope="session")
def used() -> Callable[[str, str], None]:
    """``used("dunst", "1.9.0")``: this real program took part; named at the end of the session."""
    return common.used


@pytest.fixture(scope="session")
def system_user() -> Iterator[SystemUser]:
    """A user of this machine for the servers that want one; gone at the end of the session."""
    user = common.add_user()
    yield user
    common.remove_user(user)


class Servers:
    """Starts each kind of server once, when it is first asked for."""

    def __init__(self, user: Callable[[], SystemUser]) -> None:
        self._user = user
        self._running: dict[str, Server] = {}

    def get(self, kind: str) -> Server:
        """``sshd``, ``vsftpd``, ``vsftpd-explicit``, ``vsftpd-implicit``, ``proftpd``, ``proftpd-explicit``,
        ``pyftpdlib``, ``pyftpdlib-explicit``, ``pyftpdlib-list``."""
        if kind not in self._running:
            self._running[kind] = self._start(kind)
        return self._running[kind]

    def _start(self, kind: str) -> Server:
        program, _, variant = kind.partition("-")
        if program == "pyftpdlib":
            return pyftpd.start("explicit" if variant == "explicit" else "none", listing=variant or "mlsd")
        common.require(program)
        common.require_root(program)
        if program == "sshd":
            return sshd.start(self._user())
        start = vsftpd.start if program == "vsftpd" else proftpd.start
        return start(self._user(), variant or "none")

    def close(self) -> None:
        """End them all."""
        for server in self._running.values():
            server.remove()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The real servers of this session."""
    running = Servers(lambda: request.getfixturevalue("system_user"))
    # asked for now, where it can be made, so that it is taken away after the servers that use it
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("useradd"):
        request.getfixturevalue("system_user")
    yield running
    running.close()


@pytest.fixture
def sshd_server(servers: Servers) -> Server:
    """Debian's sshd."""
    return servers.get("sshd")


@pytest.fixture
def vsftpd_server(servers: Servers) -> Server:
    """Debian's vsftpd, plain."""
    return servers.get("vsftpd")


@pytest.fixture
def vsftpd_tls(servers: Servers) -> Server:
    """Debian's vsftpd with explicit TLS; its certificate is ``extra["ca"]``."""
    return servers.get("vsftpd-explicit")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for the session."""
    server = postgresql.start()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[str]:
    """URL of a new, empty PostgreSQL database; it is dropped after the test."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def postgres_ledger(postgres_server: Postgres) -> Iterator[str]:
    """URL of a PostgreSQL database with a ledger's tables, as the first start leaves them; dropped after the test."""
    from pipeline.clock import SystemClock
    from pipeline.ledger.store import Ledger

    def make(url: str) -> None:
        Ledger(url, client="acme", base=Path.cwd(), clock=SystemClock()).close()

    with postgres_server.database("ledger", make) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[mariadb.MariaDb]:
    """One MariaDB for the session."""
    server = mariadb.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def tryton_server() -> Iterator[tryton.TrytonServer]:
    """One Tryton for the session."""
    server = tryton.start()
    yield server
    server.remove()


# --- every day and in CI ---------------------------------------------------------------------------------------------


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for servers, processes and the clock."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By default few variants of what is slow, see :mod:`tests.everyday`; after ``-k`` and ``-m`` have chosen."""
    if os.environ.get("MISTOK_FULL") or any("::" in one for one in config.args):
        return
    if left := everyday.left_out(items):
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left])
        items[:] = [item for item in items if item.nodeid not in left]


# --- the table of faults ---------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--fault-table``."""
    parser.addoption(
        "--fault-table",
        nargs="?",
        const="write",
        choices=("write", "strict"),
        help="write the table of faults into README.md and docs/faults.md from the tests that passed; "
        "strict: fail when a row has not passed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Listen for the table of faults, in the process that sees every report."""
    wanted = config.getoption("--fault-table")
    if wanted and not hasattr(config, "workerinput"):
        from tests.faults.table import FaultTable

        config.pluginmanager.register(FaultTable(strict=wanted == "strict"))


@pytest.fixture(autouse=True)
def _tally(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a fault test counts belongs to it; a parameter called point, transport or ledger is counted as such."""
    from tests.faults import tally

    tally.begin(request.node.user_properties)
    callspec = getattr(request.node, "callspec", None)
    for axis in ("point", "transport", "ledger"):
        if callspec is not None and callspec.params.get(axis) is not None:
            tally.note(axis, str(callspec.params[axis]))
    yield
    tally.begin(None)


# --- what really ran -------------------------------------------------------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist tells its controller."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["mistok_servers"] = dict(common.USED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The controller listens."""
    _seen.update(getattr(node, "workeroutput", {}).get("mistok_servers", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line with the servers that took part."""
    used = {**_seen, **common.USED}
    if used:
        shown = ", ".join(f"{name} {version}" for name, version in sorted(used.items()))
        terminalreporter.section("real servers used")
        terminalreporter.write_line(f"real servers used: {shown}")
