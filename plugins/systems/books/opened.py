"""Books that are open: their database made ready for use, and tables loaded into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from pipeline.api import Notices, Rejected, SystemEnv, T, account_mark, place_of
from plugins.systems.books import tables as t
from plugins.systems.books.cells import Numbers
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database
from plugins.systems.books.load import Table, is_references, read_products, read_references
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import Loaded, ensure, renormalise, store_products, store_references

#: The fact that tells these books from any others.
IDENTITY = "identity"


class OpenBooks:
    """The database of books and what is loaded into it. Opens at first use; safe to share between threads."""

    def __init__(self, settings: BooksSettings, env: SystemEnv) -> None:
        """Raises ConfigError for a URL that cannot be."""
        self.name = env.name
        self.settings, self.env = settings, env
        self.rules = settings.matching.rules()
        self.database = Database(settings.url, env.base, settings.lock_timeout, dry_run=env.dry_run)
        self._ready = False
        self.notices = Notices()

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    @property
    def account(self) -> str:
        """See KnowsAccount: where these books are, and which they are; in a dry run, books that nobody has used yet are
        others than any."""
        with self.reading() as connection:
            own = connection.execute(select(t.facts.c.value).where(t.facts.c.name == IDENTITY)).scalar()
        return account_mark(place_of(self.settings.url), own or "")

    def local_now(self) -> datetime:
        """Now, in the zone of the client."""
        return self.env.clock.now().astimezone(ZoneInfo(self.env.timezone))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment of the database, for looking."""
        self.make_ready()
        with self.database.read() as connection:
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that changes lists: one at a time, so that two loads never add the same code twice."""
        with self.database.write() as connection:
            lock(connection, "lists")
            yield connection

    def make_ready(self) -> None:
        """Schema, matching rules, the client's own currency, and the seed: once, before the first use."""
        if self._ready:
            return
        with self.database.read() as connection:
            rules = connection.execute(select(t.facts.c.value).where(t.facts.c.name == "matching")).scalar()
            own = t.currencies.c.code == self.env.currency
            known = connection.execute(select(t.currencies.c.id).where(own)).first()
            named = connection.execute(select(t.facts.c.value).where(t.facts.c.name == IDENTITY)).first()
            empty = connection.execute(select(func.count()).select_from(t.products)).scalar_one() == 0
        if self.env.dry_run and not self.database.in_memory:
            if empty and self.settings.seed:  # what a real run would load is loaded into memory
                self.database.use_memory()
                self.make_ready()
            self._ready = True
            return
        if rules != repr(self.rules) or known is None:
            with self._changing() as connection:
                renormalise(connection, self.rules)
                ensure(connection, t.currencies, [self.env.currency])
        if named is None and not self.env.dry_run:
            self._name_them()
        if empty and self.settings.seed:
            self._seed()
        self._ready = True

    def _name_them(self) -> None:
        """Give these books a name of their own, by which others that come to lie in their place are told apart."""
        with self._changing() as connection:
            # asked again: another process may have done it
            if connection.execute(select(t.facts.c.value).where(t.facts.c.name == IDENTITY)).first() is None:
                connection.execute(t.facts.insert().values(name=IDENTITY, value=uuid4().hex))

    def _seed(self) -> None:
        now = self.env.clock.now()
        seed = self.settings.seed
        references: list[dict[str, str]] = []
        products = []
        for path in (self.env.base / one for one in ((seed,) if isinstance(seed, Path) else seed)):
            if is_references(path):
                rows, left = read_references(path, tuple(t.REFERENCES))
                references += rows
            else:
                products.append(self.read(path))
                left = products[-1].left
            if left:  # books begin with all that their seed says
                raise Rejected(T("{file} was not loaded.", file=path.name), findings=left)
        with self._changing() as connection:
            # asked again: another process may have seeded while we read the files
            if connection.execute(select(func.count()).select_from(t.products)).scalar_one():
                return
            store_references(connection, references, now=now)
            for table in products:
                store_products(connection, table, now=now, currency=self.env.currency, rules=self.rules)

    def read(
        self, path: Path, *, language: str = "uk-UA", numbers: Numbers = "auto", encoding: str | None = None
    ) -> Table:
        """The products in ``path``, checked; ``left``: rows without a code. Raises Rejected with every mistake."""
        return read_products(
            path,
            zone=ZoneInfo(self.env.timezone),
            language=language,
            warehouse=self.settings.default_warehouse,
            numbers=numbers,
            encoding=encoding,
        )

    def load(self, table: Table, *, dry_run: bool = False) -> Loaded:
        """Bring the books up to a table of products (load.read_products); ``dry_run`` only tells what it would do."""
        self.make_ready()
        with self._changing() as connection:
            done = store_products(
                connection, table, now=self.env.clock.now(), currency=self.env.currency, rules=self.rules
            )
            if dry_run:
                connection.rollback()
            return done

    def load_references(self, rows: Sequence[Mapping[str, str]], *, dry_run: bool = False) -> int:
        """Add or rename references (load.read_references); gives how many rows there were."""
        self.make_ready()
        with self._changing() as connection:
            n = store_references(connection, rows, now=self.env.clock.now())
            if dry_run:
                connection.rollback()
            return n
