"""The lines of the bench. A new one is a function here and its name in :data:`LINES`; the rest follows from it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import distance, made, sftp


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    files: int
    rows: int
    rounds: int


@dataclass(frozen=True)
class Command:
    """One process of one round. It ends with the line of tests/bench/child.py, or tells nothing (``tells``).

    ``expected``: how many must come out done, where that is not the line's own number.
    """

    args: Sequence[str]
    tells: bool = True
    expected: int | None = None


#: Files that a plain script is given at a distance: it takes a third of a second for each.
SLOW = 30

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

    def __init__(self, folder: Path, options: Options, server: sftp.Sftp, until_the_end: ExitStack) -> None:
        self.folder, self.options, self.server = folder, options, server
        self._until_the_end = until_the_end
        self._far: int | None = None

    def books(self, products: int) -> Path:
        """A folder with books of so many products."""
        return self._once(f"books-{products}", lambda folder: made.fill_books(folder, products))

    def orders(self) -> Path:
        """A folder with the order files."""
        return self._once("orders", lambda folder: made.write_orders(folder, self.options.files))

    def client(self, products: int, port: int | None = None) -> Path:
        """A client's folder: config, its login's key, books, an empty ledger. ``port``: where its server seems to be
        (the server's own port when left out)."""
        port = port or self.server.port

        def make(folder: Path) -> None:
            shutil.copytree(self.books(products), folder)
            server = self.server
            shutil.copy(server.key, folder / "login")
            config = made.write_config(
                folder, port=port, user=server.user, fingerprint=server.fingerprint, root=server.shown
            )
            made.make_ledger(config)

        return self._once(f"client-{products}-{port}", make)

    def fill_inbox(self, name: str, count: int | None = None) -> str:
        """The order files (the first ``count`` of them) in a fresh folder of the server; gives its path as the server
        names it."""
        target = self.server.root / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in sorted(self.orders().iterdir())[:count]:
            shutil.copy(file, target)
        return "/".join(part for part in (self.server.shown, name) if part)

    def far(self) -> int:
        """The port at which the server seems to be 40 ms away."""
        if self._far is None:
            self._far = self._until_the_end.enter_context(distance.far(self.server.port))
        return self._far

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
        with sftp.serve(folder / "server") as server, ExitStack() as until_the_end:
            yield Stage(folder, options, server, until_the_end)


def ours(*args: str) -> Command:
    """Mistok's side."""
    return Command((sys.executable, "-m", "tests.bench.ours", *args))


def plain(*args: str) -> Command:
    """The plain script's side."""
    return Command((sys.executable, "-m", "tests.bench.plain", *args))


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
    )


def _import_far(stage: Stage) -> Line:
    few = min(stage.options.files, SLOW)
    return Line(
        "import-40ms",
        "The same from 40 ms away",
        "files",
        stage.options.files,
        f"as above, through a proxy that holds everything back for 20 ms each way; the plain script takes {few} files",
        _importers(stage, stage.far(), few),
        goal=200,
    )


def _importers(stage: Stage, port: int, few: int) -> Mapping[str, Side]:
    """Both sides of an import; the plain one takes the first ``few`` files."""

    def mistok(work: Path) -> Command:
        shutil.copytree(stage.client(made.GOODS, port), work / "client")
        stage.fill_inbox("inbox")
        return ours("import", str(work / "client" / "config.yaml"))

    def script(work: Path) -> Command:
        server = stage.server
        folder = stage.fill_inbox("inbox", few)
        return replace(plain("import", str(port), server.user, str(server.key), folder, str(work)), expected=few)

    return {"mistok": mistok, "plain": script}


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
    "import-40ms": _import_far,
    "export": _export,
    "decode": _decode,
    "book": _book,
    "help": _help,
}
