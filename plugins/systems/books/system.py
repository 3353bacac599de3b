"""The books as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from pipeline.api import (
    AmendDocuments,
    Amendment,
    ApplyCatalogue,
    ApplyStock,
    Batch,
    Cancellation,
    Catalogue,
    ConfigError,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    Finding,
    ListedDocument,
    Offer,
    OfferChange,
    Offers,
    OfferTraits,
    Product,
    ProductDraft,
    ProductLookup,
    Ref,
    ReferenceLists,
    References,
    RowOutcome,
    Stock,
    StockLevel,
    StockTarget,
    System,
    SystemEnv,
    T,
    Who,
)
from plugins.systems.books import amending, applying, catalogue, closing, documents, levels, offers
from plugins.systems.books import tables as t
from plugins.systems.books.cells import Numbers
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database
from plugins.systems.books.load import Table, is_references, read_products, read_references
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import Loaded, ensure, party_values, renormalise, store_products, store_references


class Books:
    """One set of books. Opens its database at first use; safe to share between threads."""

    def __init__(self, settings: BooksSettings, env: SystemEnv) -> None:
        """Raises ConfigError for a URL that cannot be."""
        self.name = env.name
        self.settings, self.env = settings, env
        self.rules = settings.matching.rules()
        self.database = Database(settings.url, env.base, settings.lock_timeout, dry_run=env.dry_run)
        self._ready = False

    # --- System --------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Open the database; tells when there is nothing in it. Raises Transient, Refused, ConfigError."""
        with self.reading() as connection:
            if catalogue.count(connection) == 0:
                return (
                    Finding(
                        "no-products",
                        T("The books {name} have no products yet.", name=self.name),
                        hint=T("Load them: mistok {name} load products.csv", name=self.name),
                        who=Who.ACCOUNTANT,
                    ),
                )
            codes = set(connection.execute(select(t.warehouses.c.code)).scalars())
            if len(codes) > 1 and self.settings.default_warehouse not in codes:
                return (
                    Finding(
                        "unknown-warehouse",
                        T("The books have no warehouse {code}.", code=self.settings.default_warehouse),
                        hint=T("Set `default_warehouse` to one of: {codes}.", codes=", ".join(sorted(codes))),
                        who=Who.ADMIN,
                    ),
                )
        return ()

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    # --- Catalogue, ProductLookup --------------------------------------------------------------------------------

    def products(self, since: datetime | None = None) -> Iterator[Product]:
        """All products with their variants, or those changed since, ordered by code."""
        self.make_ready()
        return catalogue.products(self.database, since)

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        """All products and variants column by column, ordered by code."""
        self.make_ready()
        return catalogue.batches(self.database, fields, at, size)

    def count(self) -> int:
        """How many rows ``batches`` will give."""
        with self.reading() as connection:
            return catalogue.count(connection)

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """For each code the product of exactly that code, else all of the same normal form."""
        with self.reading() as connection:
            return catalogue.find(connection, codes, self.rules)

    # --- the two ends of a sync ----------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """Every field that the books keep, read and written; by ``sku``, the code."""
        return offers.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """All offers, or the products of which something has changed since, each base before its variants."""
        self.make_ready()
        return offers.offers(self.database, self.settings, since)

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Create each that is not there by its code; one outcome each, in order."""
        self.make_ready()
        return applying.create_products(self.database, drafts, self._taking())

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Change just the fields named in each; one outcome each, in order."""
        self.make_ready()
        return applying.update_offers(self.database, changes, self._taking())

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        """A level for each offer and warehouse, or those that have changed since."""
        self.make_ready()
        return levels.levels(self.database, since)

    def warehouses(self) -> Sequence[Ref]:
        """All warehouses, ordered by code."""
        return self.references("warehouse")

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Set what may be sold in a warehouse: on hand becomes that and what is reserved."""
        self.make_ready()
        return levels.apply_stock(self.database, targets, self.settings, self.env.clock.now())

    def _taking(self) -> applying.Taking:
        return applying.Taking(self.settings, self.rules, self.env.currency, self.env.clock.now())

    # --- References ----------------------------------------------------------------------------------------------

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones of ``codes``. Raises ConfigError for a kind that the books do not keep."""
        table = self._table(kind)
        with self.reading() as connection:
            rows = connection.execute(
                select(table.c.id, table.c.code, table.c.name).where(table.c.code.in_(list(codes)))
            )
            return {row.code: Ref(str(row.id), row.code, row.name) for row in rows}

    def references(self, kind: str) -> Sequence[Ref]:
        """All of that kind, ordered by code."""
        if kind not in t.REFERENCES:
            return ()
        table = t.REFERENCES[kind]
        with self.reading() as connection:
            rows = connection.execute(select(table.c.id, table.c.code, table.c.name).order_by(table.c.code))
            return tuple(Ref(str(row.id), row.code, row.name) for row in rows)

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find or create. Raises ConfigError for a kind that the books do not keep."""
        table = self._table(kind)
        self.make_ready()
        with self.database.write() as connection:
            if table is t.parties:
                known = connection.execute(select(table.c.id).where(table.c.code == code)).first()
                if known is None:
                    values = party_values({"name": name, "code": code}, self.env.clock.now())
                    connection.execute(table.insert().values(code=code, **values))
            else:
                ensure(connection, table, [code], {code: name})
            row = connection.execute(select(table.c.id, table.c.code, table.c.name).where(table.c.code == code)).one()
            return Ref(str(row.id), row.code, row.name)

    def _table(self, kind: str) -> Any:
        if kind not in t.REFERENCES:
            raise ConfigError(
                T("The books keep no references of kind {kind}.", kind=kind),
                hint=T("Kinds are: {names}.", names=", ".join(t.REFERENCES)),
            )
        return t.REFERENCES[kind]

    # --- Documents -----------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The documents that exist for ``keys``."""
        with self.reading() as connection:
            return documents.find(connection, keys)

    def all_documents(self) -> Iterator[ListedDocument]:
        """Every document, oldest first."""
        with self.reading() as connection:
            yield from documents.listed(connection)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """A document for each draft: one transaction, one outcome each, in order."""
        self.make_ready()
        return documents.create(self.database, drafts, self.settings, self.env.clock.now(), client=self.env.client)

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """Bring documents to a new content of their orders; closed ones are Held."""
        self.make_ready()
        return amending.amend(self.database, amendments, self.settings, self._local_now(), client=self.env.client)

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """Mark documents cancelled and free what they reserve; closed ones are Held."""
        self.make_ready()
        return amending.cancel(self.database, cancellations, self._local_now())

    def close_document(self, number: str) -> bool:
        """The goods of a document have left; False when it is closed already. Raises Held."""
        self.make_ready()
        return closing.close(self.database, number, self.env.clock.now())

    def reopen_document(self, number: str) -> bool:
        """Take the closing back; False when it is open. Raises Held."""
        self.make_ready()
        return closing.reopen(self.database, number, self.env.clock.now())

    def _local_now(self) -> datetime:
        return self.env.clock.now().astimezone(ZoneInfo(self.env.timezone))

    # --- loading -------------------------------------------------------------------------------------------------

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
        if empty and self.settings.seed:
            self._seed()
        self._ready = True

    def _seed(self) -> None:
        now = self.env.clock.now()
        seed = self.settings.seed
        references: list[dict[str, str]] = []
        products = []
        for path in (self.env.base / one for one in ((seed,) if isinstance(seed, Path) else seed)):
            if is_references(path):
                references += read_references(path, tuple(t.REFERENCES))
            else:
                products.append(self.read(path))
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
        """The products in ``path``, checked. Raises Rejected with every mistake."""
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


_: type[System] = Books
_catalogue: type[Catalogue] = Books
_lookup: type[ProductLookup] = Books
_references: type[References] = Books
_lists: type[ReferenceLists] = Books
_documents: type[Documents] = Books
_list: type[DocumentList] = Books
_amend: type[AmendDocuments] = Books
_offers: type[Offers] = Books
_apply: type[ApplyCatalogue] = Books
_stock: type[Stock] = Books
_apply_stock: type[ApplyStock] = Books
