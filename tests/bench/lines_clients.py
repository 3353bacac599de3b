"""How long runs of healthy clients wait in one service of many, with and without faults of a few others."""

from __future__ import annotations

import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from tests.bench import made
from tests.bench.child import Stopwatch, tell
from tests.bench.stage import Command, Goal, Line, Stage

#: Clients at most (``--files`` says how many there are), files of the one that is flooded for each of them, and seconds
#: in which every client is dropped one file at a random moment, for each of them.
CLIENTS, FLOOD, SPREAD = 300, 33.34, 0.8
_WAIT = 900.0
#: How often the dead server is called at most, how long the plugin hangs before it is ended, and the most until it is
#: started again.
DEAD_EVERY, HANG_LIMIT, HANG_AGAIN = "10s", "20s", "5s"
_MAIN = "from pipeline.cli import main; main()"
_CONFIG = """\
client: {name}
language: en
connections:
  site: {site}
  books: {{type: books, url: "sqlite:///books.sqlite3"}}
jobs:
  orders:
    watch: true
    poll: {poll}
    every: {every}
    steps: [{{step: import-orders, inbox: site, folder: inbox, into: books, stable: 10ms, grace: 0s}}]
alerts: {{channels: []}}
log: {{file: null}}
"""
_HANG = f"""\
client: hang
connections: {{site: {{type: local, path: site}}}}
jobs: {{hang: {{every: {HANG_AGAIN}, time_limit: {HANG_LIMIT}, steps: [{{step: own-hang}}]}}}}
alerts: {{channels: []}}
log: {{file: null}}
"""
_PLUGIN = """\
import time

from pipeline.api import FreeStep, Settings, StepPlugin, T

def run(settings, context):
    time.sleep(1000)

PLUGIN = StepPlugin("own-hang", T("Hangs."), Settings, FreeStep(run))
"""


def clients(stage: Stage) -> Line:
    """The same drops into the same clients, first without and then with three that have faults."""

    count = min(CLIENTS, stage.options.files)
    flood = int(count * FLOOD)

    def mistok(work: Path) -> Command:
        shutil.copytree(stage.books(made.GOODS), work / "books")
        shutil.copytree(stage.orders(), work / "orders")
        return Command((sys.executable, "-m", "tests.bench.lines_clients", str(work), str(count)))

    return Line(
        "clients-300",
        f"{count} clients in one `mistok serve DIR`: one dead server, one hanging plugin, a flood of {flood:,} files",
        "files",
        count,
        f"a file dropped in each of the others' inboxes within {count * SPREAD:.0f} s; from the drop to the end of its "
        "run; through the same without the three, before it in the same process. Meanwhile the dead server, which "
        f"takes calls and says nothing, is called every {DEAD_EVERY} (less often where Mistok waits for longer), the "
        f"plugin hangs up to its time limit of {HANG_LIMIT} and is started again within {HANG_AGAIN}, and the flood "
        "comes at once, just before the first of the other files",
        {"mistok": mistok},
        goals=(Goal("p95_ratio", 1.5, at_least=False),),
        rounds=1,
    )


def _client(
    root: Path,
    name: str,
    books: Path,
    site: str = "{type: local, path: site}",
    *,
    poll: str = "10m",
    every: str = "1h",
) -> Path:
    folder = root / name
    (folder / "site" / "inbox").mkdir(parents=True)
    shutil.copy(books / "books.sqlite3", folder / "books.sqlite3")
    (folder / "config.yaml").write_text(_CONFIG.format(name=name, site=site, poll=poll, every=every), encoding="utf-8")
    return folder


@contextmanager
def _silent() -> Iterator[int]:
    """A server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield int(listening.getsockname()[1])


def _faults(root: Path, books: Path, port: int) -> None:
    key = "SHA256:" + "A" * 43
    login = f'host: 127.0.0.1, port: {port}, user: u, password: p, host_key: "{key}"'
    _client(root, "dead", books, f"{{type: sftp, {login}}}", poll=DEAD_EVERY, every=DEAD_EVERY)
    hang = root / "hang"
    (hang / "plugins").mkdir(parents=True)
    (hang / "site").mkdir()
    (hang / "plugins" / "hang.py").write_text(_PLUGIN, encoding="utf-8")
    (hang / "config.yaml").write_text(_HANG, encoding="utf-8")
    _client(root, "flood", books)


def run(work: Path, count: int) -> None:
    """Told: how long files waited (milliseconds), without faults and with them; and what of the faults was there."""
    (without, _), (beside, there) = _served(work, count, faults=False), _served(work, count, faults=True)
    watch = Stopwatch()
    watch.seconds = sum(beside)
    tell(
        watch,
        len(beside),
        p95_ms=_part(beside, 95) * 1000,
        p50_ms=_part(beside, 50) * 1000,
        p95_without_ms=_part(without, 95) * 1000,
        p50_without_ms=_part(without, 50) * 1000,
        p95_ratio=_part(beside, 95) / _part(without, 95),
        **there,
    )


def _part(late: list[float], percent: int) -> float:
    return sorted(late)[max(0, -(-len(late) * percent // 100) - 1)]


def _served(work: Path, count: int, *, faults: bool) -> tuple[list[float], dict[str, float]]:
    """Serve, drop, and give the seconds from each file's drop to the end of the run that took it; and of the faults how
    many runs there were meanwhile, and how many files of the flood were not taken yet at the end.
    """
    root, books = work / ("with" if faults else "without"), work / "books"
    root.mkdir()
    orders = sorted((work / "orders").iterdir())
    (root / "service.yaml").write_text("language: en\nlog: {file: null}\n", encoding="utf-8")
    folders = [_client(root, f"c{number:03}", books) for number in range(count)]
    with _silent() as port, root.with_suffix(".txt").open("wb") as out:
        flood: list[Path] = []
        if faults:
            _faults(root, books, port)
            made.write_orders(root.with_suffix(".flood"), int(count * FLOOD))
            flood = sorted(root.with_suffix(".flood").iterdir())
        with subprocess.Popen(
            (sys.executable, "-c", _MAIN, "serve", str(root)), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        ) as service:
            try:
                _until_idle(folders)
                if faults:
                    _until_faulty(root)
                begun = time.time()
                late = _drops(folders, orders, flood, root / "flood" / "site" / "inbox")
                return late, _seen(root, begun) if faults else {}
            finally:
                service.terminate()
                try:
                    service.wait(120)
                except subprocess.TimeoutExpired:
                    service.kill()


def _until_idle(folders: list[Path]) -> None:
    """Every client has had its first look, so that what is measured is no start."""
    for folder in folders:
        _wait(partial(_has_run, folder), folder.name)


def _until_faulty(root: Path) -> None:
    """The dead server has been called, and the plugin hangs."""
    for name in ("dead", "hang"):
        _wait(partial(_is_at_work, root / name), name)


def _is_at_work(folder: Path) -> bool:
    return (folder / "ledger.sqlite3").exists() and _runs(folder, time.time()) > 0


def _seen(root: Path, begun: float) -> dict[str, float]:
    """How many runs of those with faults were under way since then, and what of the flood is left."""
    left = float(sum(1 for _ in (root / "flood" / "site" / "inbox").iterdir()))
    _wait(lambda: _runs(root / "flood", begun) > 0, "flood")  # of a few clients it may come later than all others
    return {f"{name}_runs": float(_runs(root / name, begun)) for name in ("dead", "hang", "flood")} | {
        "flood_left": left
    }


def _wait(there: Callable[[], bool], name: str) -> None:
    until = time.monotonic() + _WAIT
    while not there():
        if time.monotonic() > until:
            sys.exit(f"{name} was not at work within {_WAIT:g} s")
        time.sleep(0.1)


def _runs(folder: Path, since: float) -> int:
    """How many runs of a client were under way since then (epoch seconds)."""
    with closing(sqlite3.connect(f"file:{folder / 'ledger.sqlite3'}?mode=ro", uri=True, timeout=10)) as ledger:
        try:
            (count,) = ledger.execute(
                "SELECT count(*) FROM runs WHERE state != 'skipped' "
                "AND (ended IS NULL OR (julianday(ended) - 2440587.5) * 86400 >= ?)",
                [since],
            ).fetchone()
        except sqlite3.OperationalError:  # it is just being made
            return 0
    return int(count)


def _drops(folders: list[Path], orders: list[Path], flood: list[Path], flooded: Path) -> list[float]:
    """A file for each of the folders, each at its moment; before the first one the whole flood."""
    moments = random.Random(1)
    plan = sorted((moments.uniform(0, len(folders) * SPREAD), folder) for folder in folders)
    dropped: dict[Path, float] = {}
    for file in flood:
        file.rename(flooded / file.name)
    begun = time.time()

    def drop() -> None:
        for number, (moment, folder) in enumerate(plan):
            time.sleep(max(begun + moment - time.time(), 0))
            part = folder / "site" / "part"
            shutil.copy(orders[number % len(orders)], part)
            part.rename(folder / "site" / "inbox" / "order.xml")
            dropped[folder] = time.time()

    thread = threading.Thread(target=drop)
    thread.start()
    late: list[float] = []
    waiting = dict.fromkeys(folders)
    until = time.monotonic() + len(folders) * SPREAD + _WAIT
    while waiting:
        for folder in list(waiting):
            if folder in dropped and not any((folder / "site" / "inbox").iterdir()):
                ended = _ended(folder)
                if ended is not None and ended >= dropped[folder]:
                    late.append(ended - dropped[folder])
                    del waiting[folder]
        if time.monotonic() > until:
            sys.exit(f"{len(waiting)} clients did not take their file within {_WAIT:g} s")
        time.sleep(0.25)
    thread.join()
    return late


def _has_run(folder: Path) -> bool:
    return _ended(folder) is not None


def _ended(folder: Path) -> float | None:
    """When the newest run of a client ended (epoch seconds); None when none has, or one goes on."""
    if not (folder / "ledger.sqlite3").exists():
        return None
    with closing(sqlite3.connect(f"file:{folder / 'ledger.sqlite3'}?mode=ro", uri=True, timeout=10)) as ledger:
        try:
            row = ledger.execute(
                "SELECT (julianday(ended) - 2440587.5) * 86400 FROM runs WHERE state != 'skipped' "
                "ORDER BY id DESC LIMIT 1"
            ).fetchone()
        except sqlite3.OperationalError:  # it is just being made
            return None
    return float(row[0]) if row and row[0] is not None else None


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]))
