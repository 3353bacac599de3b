"""The tables of the books, for SQLite and PostgreSQL alike.

Amounts and quantities are exact: NUMERIC on PostgreSQL, an integer of millionths on SQLite (which has no exact
decimals). Variants are rows of ``products`` with a ``parent_id``. Times are kept in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

PLACES = 6
LIMIT = Decimal(10) ** 12  # beyond it an integer of millionths would not fit 64 bits
_UNIT = Decimal(1).scaleb(-PLACES)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
#: compared byte by byte on both databases, so that "ordered by code" means one thing
CODE_LENGTH = 500  # the longest text that schemas/order.xsd allows where a code is meant
Code = String(CODE_LENGTH).with_variant(String(CODE_LENGTH, collation="C"), "postgresql")


def fits(value: Decimal) -> bool:
    """Whether ``value`` can be stored exactly."""
    return value.is_finite() and _fits(value)


@lru_cache(maxsize=8192)  # prices, rates and quantities come again and again
def _fits(value: Decimal) -> bool:
    return abs(value) < LIMIT and value == value.quantize(_UNIT)


@lru_cache(maxsize=65536)
def from_micros(micros: int) -> Decimal:
    """Millionths -> Decimal with at least two places: 389500000 -> 389.50, 1350000 -> 1.35."""
    value = Decimal(micros).scaleb(-PLACES)
    for places in (2, 3, 4, 5):
        short = value.quantize(Decimal(1).scaleb(-places))
        if short == value:
            return short
    return value


def tidy(value: Any) -> Decimal | None:
    """What either database gives for an exact number -> Decimal with at least two places; None stays None."""
    if value is None:
        return None
    return from_micros(value if isinstance(value, int) else int(value.scaleb(PLACES)))


@lru_cache(maxsize=65536)  # prices, rates and quantities come again and again
def _micros(value: Decimal) -> int:
    if not fits(value):
        raise ValueError(f"{value!r} cannot be stored exactly")
    return int(value.scaleb(PLACES))


def _exactly(value: Decimal | None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError(f"{value!r} cannot be stored exactly")
    return _micros(value)


class Exact(TypeDecorator[Decimal]):
    """A Decimal with up to six places, exact on both databases; sums and comparisons in SQL are exact too."""

    impl = Numeric(20, PLACES)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Integers of millionths on SQLite."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(20, PLACES))

    def bind_processor(self, dialect: Dialect) -> Any:
        """For SQLite :meth:`process_bind_param` alone: its own dialect takes integers as they are."""
        return _exactly if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Refuse what is not a Decimal or does not fit."""
        micros = _exactly(value)
        return micros if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's form
        """Give a Decimal with at least two places back."""
        return tidy(value)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """For SQLite what its own dialect makes of :meth:`process_bind_param`, in a third of the time."""
        return _written if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the books take aware datetimes only")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _written(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("the books take aware datetimes only")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _list(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Id, primary_key=True),
        Column("code", Code, nullable=False, unique=True),
        Column("name", Text, nullable=False, default=""),
    )


version = Table("books_version", metadata, Column("version", Integer, primary_key=True))

#: small facts about the database itself, such as the matching rules that ``products.normal`` was made with
facts = Table(
    "books_facts", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False)
)

#: the last number given, by kind of document
counters = Table(
    "counters", metadata, Column("name", String(64), primary_key=True), Column("last", BigInteger, nullable=False)
)

warehouses = _list("warehouses")
objects = _list("objects")
users = _list("users")
executors = _list("executors")
currencies = _list("currencies")
statuses = _list("statuses")
sources = _list("sources")
accounts = _list("accounts")  # bank accounts and cash desks

parties = Table(
    "parties",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", Code, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # person, company
    Column("name", Text, nullable=False),
    Column("first_name", Text, nullable=False, default=""),
    Column("last_name", Text, nullable=False, default=""),
    Column("middle_name", Text, nullable=False, default=""),
    Column("edrpou", String(16), nullable=False, default=""),
    Column("tax_number", String(32), nullable=False, default=""),
    Column("phone", Text, nullable=False, default=""),  # as it was written when it is no telephone
    Column("phone_key", String(64), nullable=False, default=""),  # normal form, for look-ups
    Column("email", Text, nullable=False, default=""),
    Column("email_key", Text, nullable=False, default=""),
    Column("address", JSON),
    Column("created_at", Moment, nullable=False),
    Index("ix_parties_edrpou", "edrpou"),
    Index("ix_parties_tax_number", "tax_number"),
    Index("ix_parties_phone_key", "phone_key"),
    Index("ix_parties_email_key", "email_key"),
)

categories = Table(
    "categories",
    metadata,
    Column("id", Id, primary_key=True),
    Column("parent_id", Id, ForeignKey("categories.id")),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False, unique=True),  # names from the root down, joined by U+001F
)

products = Table(
    "products",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", Code, nullable=False, unique=True),
    Column("normal", Code, nullable=False),  # normal form of code, for look-ups
    Column("parent_id", Id, ForeignKey("products.id")),  # set: a variant of that product
    Column("category_id", Id, ForeignKey("categories.id")),
    Column("unit", String(32), nullable=False, default=""),
    Column("currency", String(3), nullable=False),
    Column("tax_rate", Exact),
    Column("barcode", String(64), nullable=False, default=""),
    Column("manufacturer", Text, nullable=False, default=""),
    Column("weight", Exact),
    Column("published", Boolean, nullable=False, default=True),
    Column("service", Boolean, nullable=False, default=False),  # nothing to reserve
    Column("options", JSON),
    Column("content", String(40), nullable=False, default=""),  # hash of what was last loaded
    Column("updated_at", Moment, nullable=False),
    Index("ix_products_normal", "normal"),
    Index("ix_products_parent_id", "parent_id"),
)

product_texts = Table(
    "product_texts",
    metadata,
    Column("product_id", Id, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("language", String(8), primary_key=True),
    Column("name", Text, nullable=False, default=""),
    Column("short_description", Text, nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
    # hash of the name in normal form, for look-ups: a name itself may be longer than an index takes
    Column("name_key", String(40), nullable=False, default="", server_default=""),
    Index("ix_product_texts_name_key", "name_key"),
)

prices = Table(
    "prices",
    metadata,
    Column("product_id", Id, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(32), primary_key=True),  # retail, cost, old, a price list's own
    Column("amount", Exact, nullable=False),
)

specials = Table(
    "specials",
    metadata,
    Column("product_id", Id, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("amount", Exact, nullable=False),
    Column("start_at", Moment),  # inclusive
    Column("end_at", Moment),  # exclusive
)

images = Table(
    "images",
    metadata,
    Column("product_id", Id, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0: the main one
    Column("name", Text, nullable=False),
)

stock = Table(
    "stock",
    metadata,
    Column("product_id", Id, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("warehouse_id", Id, ForeignKey("warehouses.id"), primary_key=True),
    Column("on_hand", Exact, nullable=False),
    Column("reserved", Exact, nullable=False),
    Column("updated_at", Moment),  # NULL: not since before version 4
)

documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),  # order
    Column("number", String(64), nullable=False),
    Column("client", Code, nullable=False),  # several clients may keep their documents in one database
    Column("key", Text, nullable=False, unique=True),
    Column("source_id", Id, ForeignKey("sources.id"), nullable=False),
    Column("order_id", String(200), nullable=False),  # the source's own id of the order
    Column("order_number", String(200), nullable=False),
    Column("source_number", Text, nullable=False, default=""),
    Column("ordered_at", Moment, nullable=False),
    Column("modified_at", Moment),  # at the source
    Column("created_at", Moment, nullable=False),
    Column("status_id", Id, ForeignKey("statuses.id"), nullable=False),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),
    Column("shop_id", Id, ForeignKey("sources.id")),  # the shop or channel behind the source, where the order names one
    Column("object_id", Id, ForeignKey("objects.id")),
    Column("warehouse_id", Id, ForeignKey("warehouses.id")),
    Column("user_id", Id, ForeignKey("users.id")),
    Column("executor_id", Id, ForeignKey("executors.id")),
    Column("currency_id", Id, ForeignKey("currencies.id"), nullable=False),
    Column("rate", Exact),
    Column("prices_include_tax", Boolean, nullable=False),
    Column("lines_sum", Exact, nullable=False),
    Column("discount", Exact, nullable=False),
    Column("delivery_cost", Exact, nullable=False),
    Column("payment_fee", Exact, nullable=False),
    Column("tax", Exact, nullable=False),
    Column("rounding", Exact, nullable=False),
    Column("total", Exact, nullable=False),
    Column("discounts", JSON),
    Column("customer", JSON, nullable=False),  # the buyer as the order has it
    Column("delivery_carrier", Text, nullable=False, default=""),
    Column("delivery_service", Text, nullable=False, default=""),
    Column("delivery_city", Text, nullable=False, default=""),
    Column("delivery_branch", Text, nullable=False, default=""),
    Column("delivery_recipient", Text, nullable=False, default=""),
    Column("delivery_phone", Text, nullable=False, default=""),
    Column("delivery_tracking", Text, nullable=False, default=""),
    Column("delivery_date", Date),
    Column("delivery", JSON, nullable=False),  # all of it
    Column("delivery_product_id", Id, ForeignKey("products.id")),  # the service that its cost is booked as
    Column("payment_method", Text, nullable=False, default=""),
    Column("payment_status", String(16), nullable=False, default=""),
    Column("paid", Exact),
    Column("payment", JSON, nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("buyer_comment", Text, nullable=False, default=""),  # as the order has it
    Column("language", Text, nullable=False, default=""),  # the buyer's
    Column("manager", Text, nullable=False, default=""),  # as the source names them
    Column("manager_comment", Text, nullable=False, default=""),
    Column("extra", JSON),
    Column("amended_key", Text),  # of the newest amendment or cancellation
    Column("amended_at", Moment),
    Column("cancelled_at", Moment),  # the order was cancelled: nothing is reserved for it any more
    Column("closed_at", Moment),  # the goods have left: nothing of it may be changed any more
    UniqueConstraint("kind", "number"),
    # a second document for one order of one source of one client can never be, even under another key
    UniqueConstraint("kind", "client", "source_id", "order_id"),
    Index("ix_documents_order_number", "order_number"),
    Index("ix_documents_party_id", "party_id"),
)

document_lines = Table(
    "document_lines",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True),  # from 1
    Column("product_id", Id, ForeignKey("products.id"), nullable=False),
    Column("code", Text, nullable=False),  # as the order wrote it
    Column("name", Text, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("unit", Text, nullable=False, default=""),
    Column("price", Exact, nullable=False),
    Column("discount", Exact, nullable=False),
    Column("tax_rate", Exact),
    Column("sum", Exact, nullable=False),
    Column("attributes", JSON),
    Column("barcode", Text, nullable=False, default=""),
    Column("comment", Text, nullable=False, default=""),
    # what it holds back in the document's warehouse and has not left by a shipment; of a closed document, what went
    # out with the closing
    Column("reserved", Exact, nullable=False, server_default="0"),
    Index("ix_document_lines_product_id", "product_id"),
)

document_taxes = Table(
    "document_taxes",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True),
    Column("rate", Exact, nullable=False),
    Column("base", Exact, nullable=False),
    Column("tax", Exact, nullable=False),
)

# --- what follows an order: each stands on its document, and moves what its number says, once ------------------------


def _paper(name: str, *columns: Any) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Id, primary_key=True, autoincrement=False),
        Column("number", String(64), nullable=False, unique=True),
        Column("client", Code, nullable=False),
        Column("key", Text, nullable=False, unique=True),
        Column("document_id", Id, ForeignKey("documents.id"), nullable=False),
        Column("at", Moment, nullable=False),  # when it happened, which is what a closed period goes by
        Column("created_at", Moment, nullable=False),
        Column("total", Exact, nullable=False),  # in the currency of the document
        Column("comment", Text, nullable=False, default=""),
        *columns,
        Index(f"ix_{name}_document_id", "document_id"),
    )


def _goods(name: str, paper: str) -> Table:
    return Table(
        f"{name}_lines",
        metadata,
        Column(f"{name}_id", Id, ForeignKey(f"{paper}.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        Column("position", Integer, primary_key=True),  # from 1
        Column("product_id", Id, ForeignKey("products.id"), nullable=False),
        Column("code", Text, nullable=False),  # as the order wrote it
        Column("name", Text, nullable=False),
        Column("quantity", Exact, nullable=False),
        Column("unit", Text, nullable=False, default=""),
        Column("price", Exact, nullable=False),
        Column("discount", Exact, nullable=False),
        Column("sum", Exact, nullable=False),
        Index(f"ix_{name}_lines_product_id", "product_id"),
    )


shipments = _paper(
    "shipments",
    Column("warehouse_id", Id, ForeignKey("warehouses.id")),  # that the goods left; NULL: nothing but services
    Column("tracking", Text, nullable=False, default=""),
)
shipment_lines = _goods("shipment", "shipments")

returns = _paper(
    "returns",
    Column("shipment_id", Id, ForeignKey("shipments.id"), nullable=False),
    Column("warehouse_id", Id, ForeignKey("warehouses.id")),  # that took them in
    Index("ix_returns_shipment_id", "shipment_id"),
)
return_lines = _goods("return", "returns")

payments = _paper(
    "payments",
    Column("account_id", Id, ForeignKey("accounts.id")),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),  # who paid
)

#: kind of reference -> its table, each with id, code and name
REFERENCES: dict[str, Table] = {
    "party": parties,
    "object": objects,
    "warehouse": warehouses,
    "user": users,
    "executor": executors,
    "currency": currencies,
    "status": statuses,
    "source": sources,
    "account": accounts,
}
