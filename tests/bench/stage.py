"""What a line of the bench is made of, and the stage that all lines share: servers, books, order files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
    (Mistok's seconds through those of ``beside``), ``time_to_file`` (the same, up to the checked file), ``peak`` (MiB),
    ``peak_ratio`` (Mistok's through that of ``beside``), or a figure that Mistok's side told of itself.
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

        return self._once(f"client-{products}-{site['type']}-{site.get('port')}", make)

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
