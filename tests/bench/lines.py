"""The lines of the bench. A new one is a function here and its name in :data:`LINES`; the rest follows from it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import made, sftp


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    files: int
    rows: int
    rounds: int


@dataclass(frozen=True)
class Command:
    """One process of one round. It ends with the line of tests/bench/child.py, or tells nothing (``tells``)."""

    args: Sequence[str]
    tells: bool = True


#: Prepares one round in a fresh folder, and says what to run there.
Side = Callable[[Path], Command]


@dataclass(frozen=True)
class Line:
    """One thing that is measured, with its two sides. ``expected``: how many must come out done.

    ``goal`` is the least ratio of the rates (Mistok to plain) that is aimed at; None where none is set.
    """

    key: str
    title: str
    unit: str
    expected: int
    note: str
    sides: Mapping[str, Side]
    goal: float | None = None


class Stage:
    """What the lines share: the server, filled books, a folder of order files. Each is made when first asked for."""

    def __init__(self, folder: Path, options: Options, server: sftp.Sftp) -> None:
        self.folder, self.options, self.server = folder, options, server

    def books(self, products: int) -> Path:
        """A folder with books of so many products."""
        return self._once(f"books-{products}", lambda folder: made.fill_books(folder, products))

    def orders(self) -> Path:
        """A folder with the order files."""
        return self._once("orders", lambda folder: made.write_orders(folder, self.options.files))

    def client(self, products: int) -> Path:
        """A client's folder: config, its login's key, books, an empty ledger."""

        def make(folder: Path) -> None:
            shutil.copytree(self.books(products), folder)
            server = self.server
            shutil.copy(server.key, folder / "login")
            config = made.write_config(
                folder, port=server.port, user=server.user, fingerprint=server.fingerprint, root=server.shown
            )
            made.make_ledger(config)

        return self._once(f"client-{products}", make)

    def fill_inbox(self, name: str) -> str:
        """The order files in a fresh folder of the server; gives its path as the server names it."""
        target = self.server.root / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.orders(), target)
        return "/".join(part for part in (self.server.shown, name) if part)

    def _once(self, name: str, make: Callable[[Path], None]) -> Path:
        folder = self.folder / name
        if not folder.exists():
            make(folder)
        return folder


@contextmanager
def staged(options: Options) -> Iterator[Stage]:
    """A stage with its server, gone at the end."""
    with TemporaryDirectory(prefix="mistok-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        with sftp.serve(folder / "server") as server:
            yield Stage(folder, options, server)


def ours(*args: str) -> Command:
    """Mistok's side."""
    return Command((sys.executable, "-m", "tests.bench.ours", *args))


def plain(*args: str) -> Command:
    """The plain script's side."""
    return Command((sys.executable, "-m", "tests.bench.plain", *args))


def _import(stage: Stage) -> Line:
    def mistok(work: Path) -> Command:
        shutil.copytree(stage.client(made.GOODS), work / "client")
        stage.fill_inbox("inbox")
        return ours("import", str(work / "client" / "config.yaml"))

    def script(work: Path) -> Command:
        server = stage.server
        folder = stage.fill_inbox("inbox")
        return plain("import", str(server.port), server.user, str(server.key), folder, str(work))

    return Line(
        "import",
        "Import of 3 KB order files over loopback SFTP",
        "files",
        stage.options.files,
        "list, get, archive with sync, XSD, books, ledger, notice, delete; beside it: paramiko get, lxml, sqlite3 with "
        "a commit an order, remove",
        {"mistok": mistok, "plain": script},
        goal=5,
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
        goal=1 / 15,
    )


#: In the order of the table.
LINES: Mapping[str, Callable[[Stage], Line]] = {
    "import": _import,
    "export": _export,
    "decode": _decode,
    "book": _book,
    "help": _help,
}
