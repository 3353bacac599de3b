"""Lines of a catalogue of a million products: its time, its memory, and what it costs when nothing has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.bench import million
from tests.bench.stage import Command, Goal, Line, Stage, ours, plain

TIMES = 50  #: products are so many times ``--rows``: by default a million
ROOT = Path(__file__).resolve().parents[2]


def _rows(stage: Stage) -> int:
    return stage.options.rows * TIMES


def _books(stage: Stage, rows: int) -> Path:
    folder = stage.folder / f"million-{rows}"
    if not folder.exists():
        million.fill(folder, rows)
    return folder / "books.sqlite3"


def _published(stage: Stage, rows: int, runs: int, *, changed: bool) -> Path:
    """A client that has exported ``runs`` times; ``changed``: and since then a price of its own books."""
    folder = stage.folder / f"published-{rows}-{runs}"
    if not folder.exists():
        books = _books(stage, rows)
        if changed:
            folder.mkdir()
            shutil.copy(books, folder / "books.sqlite3")
            books = folder / "books.sqlite3"
        config = million.write_client(folder / "client", books)
        for _ in range(runs):
            subprocess.run(_export(config).args, cwd=ROOT, check=True, capture_output=True)
        if changed:
            million.raise_a_price(books, 1 + rows // 2)
    return folder / "client"


def _export(config: Path) -> Command:
    return ours("export", str(config))


def _again(stage: Stage, work: Path, runs: int, *, changed: bool) -> Command:
    """One more export of that client, in a copy of its own."""
    made = _published(stage, _rows(stage), runs, changed=changed)
    client = work / "client"
    # files that were published or archived are never written to again: a link is as good as a copy
    shutil.copytree(made, client, copy_function=_linked)
    return _export(client / "config.yaml")


def _linked(source: str, target: str) -> None:
    if Path(source).suffix in (".csv", "") and Path(source).stat().st_size > 1 << 16:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _bare(stage: Stage) -> Callable[[Path], Command]:
    return lambda work: plain("export-30", str(_books(stage, _rows(stage))), str(work / "catalogue.csv"))


def whole(stage: Stage) -> Line:
    """Time, beside a bare csv.writer."""
    return Line(
        "catalogue-1m",
        "Catalogue of 30 columns in three languages, of which one price has changed",
        "rows",
        _rows(stage),
        "select, encode, read back as the shop's PHP and database would, compare prices with the last publication, "
        "archive (synced, read back), publish in a local folder; beside it: csv.writer over a cursor with the same "
        "columns and no check. The goal's time is that up to the file, checked and braked, as csv.writer gives one",
        {"mistok": lambda work: _again(stage, work, 1, changed=True), "plain": _bare(stage)},
        goals=(
            Goal("time_to_file", 0.7, at_least=False, title="time to the checked file"),
            Goal("time", 1.0, at_least=False, title="time with archive and publishing"),
            Goal("rise_mib", 300, at_least=False, title="MiB over start"),
        ),
    )


def twice(stage: Stage) -> Line:
    """Memory at twice as many products."""

    def export(rows: int) -> Callable[[Path], Command]:
        return lambda work: _export(million.write_client(work / "client", _books(stage, rows)))

    return Line(
        "catalogue-2m",
        "Catalogue of twice as many products",
        "rows",
        2 * _rows(stage),
        "a first export, beside the same of half as many products",
        {
            "mistok": export(2 * _rows(stage)),
            "half": lambda work: _half(export(_rows(stage))(work), _rows(stage)),
        },
        goals=(
            Goal("peak_ratio", 1.1, at_least=False, beside="half"),
            Goal("rise_mib", 300, at_least=False, title="MiB over start"),
        ),
        rounds=1,
    )


def _half(command: Command, rows: int) -> Command:
    return Command(command.args, expected=rows)


def unchanged(stage: Stage) -> Line:
    """Nothing has changed since the last export."""
    return Line(
        "catalogue-unchanged",
        "The same catalogue when nothing has changed",
        "rows",
        _rows(stage),
        "the third export and later ones (the second one writes down the source's mark): one pass over the tables, "
        "a look at what lies on the server, nothing encoded and nothing uploaded; beside it: a full export",
        {
            "mistok": lambda work: _again(stage, work, 2, changed=False),
            "full": lambda work: _again(stage, work, 1, changed=True),
        },
        goals=(
            Goal("time", 0.5, at_least=False, beside="full"),
            Goal("uploaded", 0, at_least=False, title="files uploaded"),
        ),
    )
