"""One file of very many orders, beside the same orders in small files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench import made
from tests.bench.stage import Command, Goal, Line, Stage, ours

TIMES = 50  #: as many orders as the small files hold together
_SITE = {"type": "local", "path": "site"}


def big_file(stage: Stage) -> Line:
    """One file of 100,000 orders, where there are 2,000 small ones."""
    count = stage.options.files * TIMES

    def mistok(work: Path) -> Command:
        client = _client(stage, work)
        with (client / "site" / "inbox" / "big.xml").open("wb") as file:
            file.writelines(_pieces(count))
        return ours("import", str(client / "config.yaml"))

    def files(work: Path) -> Command:
        client = _client(stage, work)
        stage.fill(client / "site" / "inbox")
        return Command(ours("import", str(client / "config.yaml")).args, expected=stage.options.files)

    return Line(
        "big-file",
        "All orders in one file, from a local inbox",
        "orders",
        count,
        "looked through to its end, then booked in parts of 100 orders, with `max_size: 4 GB` (a file of more than "
        "50 MB is refused by default) and `stream_from: 200 KB`; beside it the same import of small files, a "
        f"{TIMES}th of the orders",
        {"mistok": mistok, "files": files},
        goals=(
            Goal("rate", 0.8, beside="files"),
            Goal("peak", 100, at_least=False),
        ),
        rounds=1,
    )


def _client(stage: Stage, work: Path) -> Path:
    client = work / "client"
    shutil.copytree(stage.client(made.GOODS, _SITE), client)
    (client / "site" / "inbox").mkdir(parents=True)
    config = client / "config.yaml"
    text = config.read_text(encoding="utf-8")
    more = "stable: 10ms\n        max_size: 4 GB\n        stream_from: 200 KB"
    config.write_text(text.replace("stable: 10ms", more), encoding="utf-8")
    return client


def _pieces(count: int) -> Iterator[bytes]:
    """The orders of the small files, and as many more as are wanted, in one file."""
    for number in range(count):
        whole = made.order(number)
        start, end = whole.index(b"  <order>"), whole.index(b"</orders>")
        if not number:
            yield whole[:start]
        yield whole[start:end]
    yield b"</orders>\n"
