"""The lines of the bench. A new one is a function here, or in a module of its subject (``lines_SUBJECT.py``), and its
name in :data:`LINES`; the rest follows from it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.bench import (
    lines_big,
    lines_catalogue,
    lines_clients,
    lines_disk,
    lines_drop,
    lines_fleet,
    lines_sync,
    lines_transfer,
    made,
    n8n,
)
from tests.bench.stage import SLOW, Command, Goal, Line, Side, Stage, ours, plain

ROOT = Path(__file__).parents[2]


def _import(stage: Stage) -> Line:
    return Line(
        "import",
        "Import of 3 KB order files over loopback SFTP",
        "files",
        stage.options.files,
        "list, get, archive with sync, XSD, books, ledger, notice, delete; beside it: paramiko get, lxml, sqlite3 with "
        "a commit an order, remove",
        _importers(stage, stage.server.port, stage.options.files),
        goal=5,
        goals=(Goal("peak_ratio", 2.5, at_least=False), Goal("peak", 120, at_least=False)),
    )


def _import_far(stage: Stage) -> Line:
    few = min(stage.options.files, SLOW)

    def n8n_side(work: Path) -> Command:
        n8n.program()
        server, folder = stage.server, stage.fill_inbox("inbox", few)
        words = (str(work), str(stage.far()), server.user, str(server.key), folder)
        return Command((sys.executable, "-m", "tests.bench.n8n", *words), expected=few)

    return Line(
        "import-40ms",
        "The same from 40 ms away",
        "files",
        stage.options.files,
        f"as above, through a proxy that holds everything back for 20 ms each way; the plain script and n8n "
        f"take {few} files; n8n does list, download, XML to JSON, insert into SQLite and delete, without its start-up",
        {**_importers(stage, stage.far(), few), "n8n": n8n_side},
        goal=200,
        goals=(Goal("rate", 200, beside="n8n"), Goal("peak_ratio", 0.2, at_least=False, beside="n8n")),
    )


def _importers(stage: Stage, port: int, few: int) -> Mapping[str, Side]:
    """Both sides of an import; the plain one takes the first ``few`` files."""

    def mistok(work: Path) -> Command:
        shutil.copytree(stage.client(made.GOODS, stage.site(port)), work / "client")
        stage.fill_inbox("inbox")
        return ours("import", str(work / "client" / "config.yaml"))

    def script(work: Path) -> Command:
        server = stage.server
        folder = stage.fill_inbox("inbox", few)
        return replace(plain("import", str(port), server.user, str(server.key), folder, str(work)), expected=few)

    return {"mistok": mistok, "plain": script}


def _import_ftp(stage: Stage) -> Line:
    return _over_ftp(stage, "ftp-40ms", tls=False, connections=16, goal=15)


def _import_ftps(stage: Stage) -> Line:
    return _over_ftp(stage, "ftps-40ms", tls=True, connections=8, goal=7)


def _over_ftp(stage: Stage, key: str, *, tls: bool, connections: int, goal: float) -> Line:
    few = min(stage.options.files, SLOW)

    def mistok(work: Path) -> Command:
        server = stage.far_ftp(tls=tls)
        shutil.copytree(stage.client(made.GOODS, server.site(connections)), work / "client")
        stage.fill(server.root / "inbox")
        return ours("import", str(work / "client" / "config.yaml"))

    def script(work: Path) -> Command:
        server = stage.far_ftp(tls=tls)
        stage.fill(server.root / "inbox", few)
        words = (
            "import-ftp",
            server.host,
            str(server.port),
            server.user,
            server.password,
            "tls" if tls else "",
            str(work),
        )
        return replace(plain(*words), expected=few)

    name = "FTPS" if tls else "FTP"
    return Line(
        key,
        f"The same over {name} from 40 ms away",
        "files",
        stage.options.files,
        f"with `connections: {connections}`; beside it: ftplib, one connection, {few} files",
        {"mistok": mistok, "plain": script},
        goal=goal,
    )


def _export(stage: Stage) -> Line:
    def mistok(work: Path) -> Command:
        shutil.copytree(stage.client(stage.options.rows), work / "client")
        return ours("export", str(work / "client" / "config.yaml"))

    def script(work: Path) -> Command:
        return plain("export", str(stage.books(stage.options.rows) / "books.sqlite3"), str(work / "catalogue.csv"))

    return Line(
        "export",
        "Catalogue of 25 columns in two languages to a local folder",
        "rows",
        stage.options.rows,
        "select, encode, read back as the shop's PHP and database would, archive, publish; beside it: csv.writer over "
        "a cursor with the same columns",
        {"mistok": mistok, "plain": script},
        goal=1 / 0.7,
    )


def _decode(stage: Stage) -> Line:
    return Line(
        "decode",
        "Order XML read into orders",
        "files",
        stage.options.files,
        "hardened parse, XSD with line and column, all checks of the format; beside it: lxml and findtext",
        {
            "mistok": lambda _work: ours("decode", str(stage.orders())),
            "plain": lambda _work: plain("decode", str(stage.orders())),
        },
    )


def _book(stage: Stage) -> Line:
    def mistok(work: Path) -> Command:
        shutil.copytree(stage.books(made.GOODS), work / "books")
        return ours("book", str(stage.orders()), str(work / "books"))

    return Line(
        "book",
        "Orders into the books",
        "orders",
        stage.options.files,
        "50 a transaction: looked up by key, checked to the cent, stock reserved, synced; beside it: two INSERTs and a "
        "commit an order",
        {"mistok": mistok, "plain": lambda work: plain("book", str(stage.orders()), str(work))},
    )


def _help(_stage: Stage) -> Line:
    main = "import sys; from pipeline.cli import main; sys.argv = ['mistok', '--help']; main()"
    return Line(
        "help",
        "Start of `mistok --help`",
        "starts",
        1,
        "beside it: python -c pass",
        {
            "mistok": lambda _work: Command((sys.executable, "-c", main), tells=False),
            "plain": lambda _work: Command((sys.executable, "-c", "pass"), tells=False),
        },
        goals=(Goal("time", 15, at_least=False),),
    )


def _check(_stage: Stage) -> Line:
    main = "import sys; from pipeline.cli import main; sys.argv[:] = ['mistok', *sys.argv[1:]]; main()"

    def mistok(work: Path) -> Command:
        shutil.copy(ROOT / "config.yaml", work)
        return Command((sys.executable, "-c", main, "--config", str(work / "config.yaml"), "check"), tells=False)

    return Line(
        "check",
        "`mistok check` of the sample config",
        "starts",
        1,
        "every key of the config, its plugins' settings, what the jobs ask of each other; beside it: python -c pass",
        {
            "mistok": mistok,
            "plain": lambda _work: Command((sys.executable, "-c", "pass"), tells=False),
        },
        goals=(Goal("time", 40, at_least=False),),
    )


#: In the order of the table.
LINES: Mapping[str, Callable[[Stage], Line]] = {
    "import": _import,
    "import-40ms": _import_far,
    "import-2ms": lines_disk.slow_disk,
    "book-2ms": lines_disk.booked_on_slow_disk,
    "big-file": lines_big.big_file,
    "drop": lines_drop.dropped,
    "ftp-40ms": _import_ftp,
    "ftps-40ms": _import_ftps,
    "moved-40ms": lines_transfer.moved_far,
    "put": lines_transfer.put,
    "get": lines_transfer.get,
    "put-40ms": lines_transfer.put_far,
    "get-40ms": lines_transfer.get_far,
    "export": _export,
    "plan-100k": lines_sync.planned,
    "plan-kept": lines_sync.kept_and_planned,
    "api-budget": lines_sync.inside_the_limit,
    "catalogue-1m": lines_catalogue.whole,
    "catalogue-2m": lines_catalogue.twice,
    "catalogue-unchanged": lines_catalogue.unchanged,
    "decode": _decode,
    "book": _book,
    "workers-2": lines_fleet.two_workers,
    "help": _help,
    "check": _check,
    "clients-300": lines_clients.clients,
}
