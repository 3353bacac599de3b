"""The lines of the bench. A new one is a function here and its name in :data:`LINES`; the rest follows from it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import distance, ftp, made, sftp


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    files: int
    rows: int
    rounds: int


@dataclass(frozen=True)
class Command:
    """One process of one round. It ends with the line of tests/bench/child.py, or tells nothing (``tells``).

    ``expected``: how many must come out done, where that is not the line's own number. ``watched``: somebody else's
    program, whose memory is looked at from outside, with that of its children. ``env``: set besides.
    """

    args: Sequence[str]
    tells: bool = True
    expected: int | None = None
    watched: bool = False
    env: Mapping[str, str] = field(default_factory=dict)


class NotHere(Exception):
    """This machine does not have what a side needs; the words say what."""


#: Files that a plain script is given at a distance: it takes a third of a second for each.
SLOW = 30

#: Prepares one round in a fresh folder, and says what to run there. Raises NotHere.
Side = Callable[[Path], Command]


@dataclass(frozen=True)
class Goal:
    """What a line should reach: ``of`` a figure, at least or at most ``limit``.

    ``of``: ``rate`` (Mistok's through that of ``beside``), ``worst`` (the same in the worst single round), ``time``
    (Mistok's seconds through those of ``beside``), ``peak`` (MiB), ``peak_ratio`` (Mistok's through that of
    ``beside``), or a figure that Mistok's side told of itself.
    """

    of: str
    limit: float
    at_least: bool = True
    beside: str = "plain"
    title: str = ""  #: where it is another than the line's

    def reached(self, value: float) -> bool:
        """Is it?"""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Line:
    """One thing that is measured, with its sides: ``mistok``, mostly ``plain``, maybe others by their names.

    ``expected``: how many must come out done. ``goal``: the least ratio of the rates (Mistok to plain) that is aimed
    at; None where none is set. ``goals``: all others. ``rounds``: where they are not as many as the others'.
    """

    key: str
    title: str
    unit: str
    expected: int
    note: str
    sides: Mapping[str, Side]
    goal: float | None = None
    goals: Sequence[Goal] = ()
    rounds: int | None = None

    @property
    def all_goals(self) -> Sequence[Goal]:
        """``goal`` first."""
        return (*((Goal("rate", self.goal),) if self.goal else ()), *self.goals)


class Stage:
    """What the lines share: the server, filled books, a folder of order files. Each is made when first asked for."""

    def __init__(self, folder: Path, options: Options, server: sftp.Sftp, until_the_end: ExitStack) -> None:
        self.folder, self.options, self.server = folder, options, server
        self._until_the_end = until_the_end
        self._far: int | None = None
        self._ftp: dict[bool, ftp.Ftp] = {}

    def books(self, products: int) -> Path:
        """A folder with books of so many products."""
        return self._once(f"books-{products}", lambda folder: made.fill_books(folder, products))

    def orders(self) -> Path:
        """A folder with the order files."""
        return self._once("orders", lambda folder: made.write_orders(folder, self.options.files))

    def site(self, port: int | None = None) -> dict[str, Any]:
        """The SFTP server as a connection, at its own port or at the one where it seems to be."""
        server = self.server
        login = {"type": "sftp", "host": sftp.HOST, "port": port or server.port, "user": server.user, "key": "login"}
        return {**login, "host_key": server.fingerprint, "root": server.shown}

    def client(self, products: int, site: Mapping[str, Any] | None = None) -> Path:
        """A client's folder: config, its login's key, books, an empty ledger. ``site``: the connection to its inbox."""
        site = site or self.site()

        def make(folder: Path) -> None:
            shutil.copytree(self.books(products), folder)
            shutil.copy(self.server.key, folder / "login")
            made.make_ledger(made.write_config(folder, site))

        return self._once(f"client-{products}-{site['type']}-{site['port']}", make)

    def fill_inbox(self, name: str, count: int | None = None) -> str:
        """The order files (the first ``count`` of them) in a fresh folder of the server; gives its path as the server
        names it."""
        self.fill(self.server.root / name, count)
        return "/".join(part for part in (self.server.shown, name) if part)

    def fill(self, target: Path, count: int | None = None) -> None:
        """The order files in a fresh folder."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in sorted(self.orders().iterdir())[:count]:
            shutil.copy(file, target)

    def far(self) -> int:
        """The port at which the SFTP server seems to be 40 ms away."""
        if self._far is None:
            self._far = self._until_the_end.enter_context(distance.far(self.server.port))
        return self._far

    def far_ftp(self, *, tls: bool) -> ftp.Ftp:
        """An FTP server that seems to be 40 ms away."""
        if tls not in self._ftp:
            self._ftp[tls] = self._until_the_end.enter_context(ftp.far(tls=tls))
        return self._ftp[tls]

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
        goal=1 / 15,
    )


#: In the order of the table.
LINES: Mapping[str, Callable[[Stage], Line]] = {
    "import": _import,
    "import-40ms": _import_far,
    "ftp-40ms": _import_ftp,
    "ftps-40ms": _import_ftps,
    "export": _export,
    "decode": _decode,
    "book": _book,
    "help": _help,
}
