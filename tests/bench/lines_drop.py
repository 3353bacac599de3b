"""How long a file waits that is dropped in a local inbox of a running service."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import made
from tests.bench.child import Stopwatch, tell
from tests.bench.stage import Command, Goal, Line, Stage

#: Seconds that the inbox waits for a file to lie still: they count not.
STABLE = 1.0
FILES = 40
_WAIT = 60.0
_MAIN = "from pipeline.cli import main; main()"


def dropped(stage: Stage) -> Line:
    """One file after another, as a shop drops them."""
    count = min(stage.options.files, FILES)

    def mistok(work: Path) -> Command:
        shutil.copytree(stage.client(made.GOODS, {"type": "local", "path": "site"}), work / "client")
        (work / "client" / "site" / "inbox").mkdir(parents=True)
        stage.fill(work / "orders", count)
        config = work / "client" / "config.yaml"
        words = config.read_text(encoding="utf-8").replace("stable: 10ms", f"stable: {STABLE:g}s")
        config.write_text(words.replace("  orders:\n", "  orders:\n    watch: true\n"), encoding="utf-8")
        return Command((sys.executable, "-m", "tests.bench.lines_drop", str(work)))

    return Line(
        "drop",
        "A file dropped in a local inbox of `mistok serve`, to its document, beyond the wait for its end",
        "files",
        count,
        f"{count} files at random moments; counted from the rename into the inbox to the document that another process "
        f"reads in the books, less `stable: {STABLE:g}s`",
        {"mistok": mistok},
        goals=(Goal("p95_ms", 300, at_least=False),),
        rounds=1,
    )


def drop(work: Path) -> None:
    """Run the service, drop the files, watch the books; told: milliseconds from drop to document, less the wait."""
    inbox = work / "client" / "site" / "inbox"
    watch = Stopwatch()
    late: list[float] = []
    with subprocess.Popen(
        (sys.executable, "-c", _MAIN, "--config", str(work / "client" / "config.yaml"), "serve"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as service:
        books = sqlite3.connect(f"file:{work / 'client' / 'books.sqlite3'}?mode=ro", uri=True, timeout=_WAIT)
        moments = random.Random(1)
        try:
            for number, file in enumerate(sorted((work / "orders").iterdir())):
                if number == 1:
                    late.clear()  # the first one waited for the service to start
                time.sleep(moments.uniform(0.05, 0.4))
                late.append(_one(file, inbox, books, number + 1) - STABLE)
        finally:
            service.terminate()
            service.wait(_WAIT)
    books.close()
    late.sort()
    watch.seconds = sum(late)
    place = max(0, -(-len(late) * 95 // 100) - 1)
    tell(watch, number + 1, p95_ms=late[place] * 1000, p50_ms=late[len(late) // 2] * 1000)


def _one(file: Path, inbox: Path, books: sqlite3.Connection, expected: int) -> float:
    begun = time.perf_counter()
    file.rename(inbox / file.name)
    while books.execute("SELECT count(*) FROM documents").fetchone()[0] < expected:
        if time.perf_counter() > begun + _WAIT:
            sys.exit(f"{file.name} did not become a document within {_WAIT:g} s")
        time.sleep(0.003)
    return time.perf_counter() - begun


if __name__ == "__main__":
    drop(Path(sys.argv[1]))
