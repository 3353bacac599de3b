"""The books as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import select

from pipeline.api import (
    AmendDocuments,
    Amendment,
    ApplyCatalogue,
    ApplyStock,
    Batch,
    Cancellation,
    Catalogue,
    ConfigError,
    DividedMoment,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    Finding,
    Held,
    ListedDocument,
    NewProduct,
    Noticing,
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
    Reserve,
    RowOutcome,
    Stock,
    StockLevel,
    StockTarget,
    System,
    T,
    Who,
)
from plugins.systems.books import amending, applying, catalogue, closing, documents, levels, naming, offers
from plugins.systems.books import tables as t
from plugins.systems.books.following import Following
from plugins.systems.books.store import ensure, party_values

SERVICE = "service"  #: the kind of references that are products


class Books(Following):
    """One set of books. Opens its database at first use; safe to share between threads."""

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
            accounts = set(connection.execute(select(t.accounts.c.code)).scalars())
            if self.settings.default_account and self.settings.default_account not in accounts:
                return (
                    Finding(
                        "unknown-account",
                        T("The books have no account {code}.", code=self.settings.default_account),
                        hint=T("Load it into the books, or correct `default_account`."),
                        who=Who.ADMIN,
                    ),
                )
        return ()

    # --- Catalogue, ProductLookup --------------------------------------------------------------------------------

    def products(self, since: datetime | None = None) -> Iterator[Product]:
        """All products with their variants, or those changed since, ordered by code."""
        self.make_ready()
        return catalogue.products(self.database, since)

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        """All products and variants column by column, ordered by code."""
        self.make_ready()
        return catalogue.batches(self.database, fields, at, size)

    @contextmanager
    def moment(self) -> Iterator[DividedMoment]:
        """The catalogue as it is now, however long it is looked at."""
        self.make_ready()
        with self.database.watched() as unmoved, self.database.read() as connection:
            catalogue.begin(connection)
            yield catalogue.Moment(connection, unmoved)

    def let_go(self) -> bool:
        """Close the database; whether a process that is forked off now may open it by itself (a file of SQLite's)."""
        return self.database.let_go()

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

        def wordless(others: Sequence[str]) -> None:
            self.notices.add(_language_gone(self.name, self.settings.language, others))

        return offers.offers(self.database, self.settings, since, wordless)

    def noticed(self) -> Sequence[Finding]:
        """See Noticing."""
        return self.notices.take()

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Create each that is not there by its code; one outcome each, in order."""
        self.make_ready()
        return applying.create_products(self.database, drafts, self.taking())

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Change just the fields named in each; one outcome each, in order."""
        self.make_ready()
        return applying.update_offers(self.database, changes, self.taking())

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        """A level for each offer and warehouse, or those that have changed since."""
        self.make_ready()
        return levels.levels(self.database, since)

    def reserves(self, code: str) -> Sequence[Reserve]:
        """What orders hold back of an article."""
        self.make_ready()
        return levels.reserves(self.database, code)

    def warehouses(self) -> Sequence[Ref]:
        """All warehouses, ordered by code."""
        return self.references("warehouse")

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Set what may be sold in a warehouse: on hand becomes that and what is reserved."""
        self.make_ready()
        return levels.apply_stock(self.database, targets, self.settings, self.env.clock.now())

    # --- References ----------------------------------------------------------------------------------------------

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones of ``codes``. Raises ConfigError for a kind that the books do not keep."""
        if kind == SERVICE:
            with self.reading() as connection:
                return {ref.code: ref for ref in naming.services(connection, codes)}
        table = self._table(kind)
        with self.reading() as connection:
            return naming.references(connection, table, codes)

    def references(self, kind: str) -> Sequence[Ref]:
        """All of that kind, ordered by code."""
        if kind == SERVICE:
            with self.reading() as connection:
                return naming.services(connection)
        if kind not in t.REFERENCES:
            return ()
        table = t.REFERENCES[kind]
        with self.reading() as connection:
            rows = connection.execute(select(table.c.id, table.c.code, table.c.name).order_by(table.c.code))
            return tuple(Ref(str(row.id), row.code, row.name) for row in rows)

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find or create. Raises ConfigError for a kind that the books do not keep, Held for what cannot be made."""
        if kind == SERVICE:
            return self._ensure_service(code, name)
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

    def adds_references(self) -> Collection[str]:
        """See AddsReferences: to all of its lists."""
        return frozenset({*t.REFERENCES, SERVICE})

    def _ensure_service(self, code: str, name: str) -> Ref:
        (outcome,) = self.add_products([NewProduct(code=code, name=name or code, service=True)])
        if outcome.error is not None:
            raise outcome.error
        for ref in self.references(SERVICE):
            if ref.id == outcome.ids[-1]:
                return ref
        raise Held(
            T("{code} is in the books, and not as a service.", code=code),
            hint=T("Mark it as a service in the books, or name another one."),
            code="no-service",
        )

    def _table(self, kind: str) -> Any:
        if kind not in t.REFERENCES:
            raise ConfigError(
                T("The books keep no references of kind {kind}.", kind=kind),
                hint=T("Kinds are: {names}.", names=", ".join((*t.REFERENCES, SERVICE))),
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
        whose = {"client": self.env.client, "currency": self.env.currency}
        return documents.create(self.database, drafts, self.settings, self.local_now(), **whose)

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """Bring documents to a new content of their orders; closed ones are Held."""
        self.make_ready()
        whose = {"client": self.env.client, "currency": self.env.currency}
        return amending.amend(self.database, amendments, self.settings, self.local_now(), **whose)

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """Mark documents cancelled and free what they reserve; closed ones are Held."""
        self.make_ready()
        return amending.cancel(self.database, cancellations, self.local_now())

    def close_document(self, number: str) -> bool:
        """The goods of a document have left; False when it is closed already. Raises Held."""
        self.make_ready()
        return closing.close(self.database, number, self.env.clock.now())

    def reopen_document(self, number: str) -> bool:
        """Take the closing back; False when it is open. Raises Held."""
        self.make_ready()
        return closing.reopen(self.database, number, self.env.clock.now())


def _language_gone(name: str, language: str, others: Sequence[str]) -> Finding:
    """The books have texts, and none in the language that the connection names."""
    return Finding(
        "language-gone",
        T("{file} has no texts in {language}: none are told.", file=name, language=language),
        hint=T("There are texts in: {names}. Correct `language` of the connection.", names=", ".join(others)),
        who=Who.ADMIN,
        about=f"language:{language}",
    )


_: type[System] = Books
_catalogue: type[Catalogue] = Books
_lookup: type[ProductLookup] = Books
_references: type[References] = Books
_lists: type[ReferenceLists] = Books
_documents: type[Documents] = Books
_list: type[DocumentList] = Books
_amend: type[AmendDocuments] = Books
_offers: type[Offers] = Books
_noticing: type[Noticing] = Books
_apply: type[ApplyCatalogue] = Books
_stock: type[Stock] = Books
_apply_stock: type[ApplyStock] = Books
