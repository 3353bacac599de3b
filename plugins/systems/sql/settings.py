"""Parameters of tables that orders are written into: which tables, and what stands in which column."""

from __future__ import annotations

from decimal import Decimal
from importlib.util import find_spec
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, field_validator, model_validator

from pipeline.api import Duration, Settings, T, parse_duration
from plugins.systems.sql.words import check_word

#: Kind of database -> (its driver in SQLAlchemy, the module of the driver, what installs it)
DRIVERS = {
    "sqlite": ("sqlite", "sqlite3", ""),
    "postgresql": ("postgresql+psycopg", "psycopg", "postgres"),
    "postgres": ("postgresql+psycopg", "psycopg", "postgres"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "pymysql", "mysql"),
    "firebird": ("firebird+firebird", "sqlalchemy_firebird", "firebird"),
    "mssql": ("mssql+pyodbc", "pyodbc", "mssql"),
}
_THIRTY = parse_duration("30s")


def _url(value: str) -> str:
    """The URL with the driver that Mistok brings. The URL itself is in no message: it may hold a password."""
    advice = T("Write `firebird://USER:PASSWORD@HOST/FILE`, `mariadb://…`, `postgresql://…`, `mssql://…` or "
               "`sqlite:///FILE`.")  # fmt: skip
    scheme, found, rest = value.strip().partition("://")
    if not found or not rest.strip("/"):
        raise ValueError(T("This is not a database URL."), advice)
    kind = scheme.lower().partition("+")[0]
    if kind not in DRIVERS:
        raise ValueError(T("A database of kind `{kind}` cannot be written into.", kind=kind), advice)
    driver, module, extra = DRIVERS[kind]
    if find_spec(module) is None:
        raise ValueError(
            T("The driver of this database is not installed."),
            T("Install it: pip install 'mistok[{extra}]'", extra=extra),
        )
    return f"{driver}://{rest.rstrip()}"


Url = Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string"})]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class Value(Settings):
    """What stands in a column, where a plain word (`order.number`) is not enough."""

    value: str | None = None
    """What of the order; docs/systems/sql.md has them all."""
    map: dict[str, str | int] = Field(default_factory=dict)
    """What the order says -> what is written; others as they are, or `else`."""
    otherwise: str | int | None = Field(default=None, alias="else")
    """What is written where the order says nothing there, or nothing that `map` has."""
    const: str | bool | int | Decimal | None = None
    """The same in every row."""
    sequence: Name | None = None
    """The next number of this sequence (generator) of the database."""

    @field_validator("value")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return check_word(value) if value is not None else None

    @model_validator(mode="after")
    def _just_one(self) -> Value:
        if sum(one is not None for one in (self.value, self.const, self.sequence)) != 1:
            raise ValueError(T("Write just one of `value`, `const` and `sequence`."))
        if self.value is None and (self.map or self.otherwise is not None):
            raise ValueError(T("`map` and `else` go with `value`."))
        return self


def _short(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


Written = Annotated[Value, BeforeValidator(_short, json_schema_input_type=str | Value)]
Columns = dict[Name, Written]


class OrderTable(Settings):
    """The table with a row for each order."""

    table: Name
    """Its name; `SCHEMA.TABLE` where it is not in the usual schema."""
    key: Name
    """Column (text, unique) that keeps which order a row is of; by it an order never becomes two rows."""
    id: Name
    """Column that lines refer to, usually the primary key. The database numbers it by itself, unless `columns` says
    what stands in it."""
    number: Name | None = None
    """Column with the number that people call the document by; `id` when not given."""
    columns: Columns
    """Column -> what stands in it."""
    status: Name | None = None
    """Column with the status, which may be set later: one of `columns`."""
    closed_when: dict[Name, tuple[str | int, ...]] = Field(default_factory=dict)
    """Column -> values by which an order is closed, so that it is not changed any more: `{POSTED: [1]}`."""


class LineTable(Settings):
    """The table with a row for each line of an order."""

    table: Name
    """Its name."""
    order: Name
    """Column that refers to `id` of the order."""
    columns: Columns
    """Column -> what stands in it."""
    delivery: str | None = None
    """Article of the service that the cost of delivery is a line of. Without it an order with such a cost needs a
    column with `order.delivery`."""
    fee: str | None = None
    """Article of the service that a fee of the payment is a line of; without it `order.fee` is needed."""

    @property
    def counted(self) -> tuple[str, str]:
        """The columns of the product and of the quantity; "" where there is none."""
        return _counted(self.columns)


class FollowLines(Settings):
    """The table with a row for each line of a shipment or return."""

    table: Name
    """Its name."""
    document: Name
    """Column that refers to `id` of the shipment or return."""
    columns: Columns
    """Column -> what stands in it; among it `line.quantity`, and `product.id` or `line.article`."""

    @property
    def counted(self) -> tuple[str, str]:
        """The columns of the product and of the quantity."""
        return _counted(self.columns)

    @property
    def by_id(self) -> bool:
        """Whether products are named by id, and not by article."""
        return self.columns[self.counted[0]].value == "product.id"

    @model_validator(mode="after")
    def _counts(self) -> FollowLines:
        if not all(self.counted):
            raise ValueError(T("The lines need columns with `line.quantity` and `product.id` or `line.article`."))
        return self


class FollowTable(Settings):
    """The table with a row for each shipment."""

    table: Name
    """Its name."""
    key: Name
    """Column (text, unique) that keeps which one a row is."""
    id: Name
    """Column with the id."""
    number: Name | None = None
    """Column with the number for people; `id` when not given."""
    order: Name
    """Column that refers to `id` of the order."""
    columns: Columns = Field(default_factory=dict)
    """Column -> what stands in it; `doc.date` is when the goods left, or came back."""
    lines: FollowLines
    """Where its lines go."""


class ReturnTable(FollowTable):
    """The table with a row for each return."""

    shipment: Name
    """Column that refers to `id` of the shipment."""


def _counted(columns: Columns) -> tuple[str, str]:
    by_word = {one.value: name for name, one in columns.items() if not one.map}
    return by_word.get("product.id") or by_word.get("line.article", ""), by_word.get("line.quantity", "")


class CancelRule(Settings):
    """How an order is marked cancelled. No row is ever deleted."""

    set: Columns = Field(min_length=1)
    """Column of the orders -> what it gets; `order.status` is the status that the order came with."""
    undo: Columns = Field(default_factory=dict)
    """What those columns get when the order lives again: of those that `orders.columns` does not write."""


class ListTable(Settings):
    """A table that orders refer to by id: warehouses, statuses, managers, articles."""

    table: Name
    """Its name."""
    id: Name
    """Column with the id."""
    code: Name
    """Column with the code, by which orders name it."""
    name: Name | None = None
    """Column with the name for people; by it products are found as well, where the step wants that."""


class MatchColumns(Settings):
    """By which columns a buyer is known again."""

    code: Name | None = None
    """Column with the code of the buyer."""
    edrpou: Name | None = None
    """Column with the EDRPOU."""
    tax_number: Name | None = None
    """Column with the tax number."""
    phone: Name | None = None
    """Column with the telephone, in any spelling."""
    email: Name | None = None
    """Column with the mail."""

    def named(self) -> dict[str, str]:
        """What is matched -> column, the weightiest first."""
        return {name: column for name in type(self).model_fields if (column := getattr(self, name)) is not None}


class PartyTable(Settings):
    """The table with the buyers."""

    table: Name
    """Its name."""
    id: Name
    """Column with the id."""
    name: Name | None = None
    """Column with the name for people."""
    match: MatchColumns
    """By which columns a buyer is known again."""
    columns: Columns = Field(default_factory=dict)
    """Column -> what stands in it for a new buyer: words that begin with `buyer.`."""
    create: bool = True
    """Buyers that are not there are added; `false` holds their orders for a person."""
    key: Name | None = None
    """Column (text, unique) of our own, by which a buyer that two orders bring at once is added once."""

    @model_validator(mode="after")
    def _matches(self) -> PartyTable:
        if not self.match.named():
            raise ValueError(T("`match` names no column: no buyer would be known again."))
        if self.create and not self.columns:
            raise ValueError(T("New buyers need `columns`; else write `create: false`."))
        return self


class PaymentTable(Settings):
    """The table with a row for each payment."""

    table: Name
    """Its name."""
    key: Name
    """Column (text, unique) that keeps which payment a row is."""
    id: Name
    """Column with the id."""
    number: Name | None = None
    """Column with the number for people; `id` when not given."""
    order: Name
    """Column that refers to `id` of the order."""
    columns: Columns
    """Column -> what stands in it: words that begin with `pay.`."""


class SqlSettings(Settings):
    """Tables of a database, written into as declared."""

    url: Url
    """SQLAlchemy URL: `firebird://USER:PASSWORD@HOST/FILE?charset=WIN1251`, `mariadb://…`, `postgresql://…`,
    `mssql://…`, `sqlite:///FILE`."""
    password: SecretStr | None = None
    """Password, in place of one in `url`: `${env:NAME}`; here it may have any characters."""
    orders: OrderTable
    """Where orders go."""
    lines: LineTable
    """Where their lines go."""
    parties: PartyTable | None = None
    """Where buyers are; without it they only stand in the order."""
    products: ListTable | None = None
    """Where articles are looked up; without it each is taken as it is."""
    lists: dict[
        Literal["status", "warehouse", "object", "user", "executor", "firm", "account", "source", "currency"], ListTable
    ] = Field(default_factory=dict)
    """Other tables that orders refer to, by kind; codes of other kinds are taken as they are."""
    payments: PaymentTable | None = None
    """Where payments go."""
    shipments: FollowTable | None = None
    """Where shipments go."""
    returns: ReturnTable | None = None
    """Where returns go: on the base of `shipments`."""
    cancel: CancelRule | None = None
    """How an order is marked cancelled; without it cancelled orders wait for a person."""
    discounts: Literal["lines", "order"] = "lines"
    """Discounts of a whole order: spread over the lines to the cent (in `line.discount` and `line.sum`), or left to
    `order.discount`."""
    rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=dict
    )
    """Rate of orders in another currency that state none, where a column is `order.rate`: `{USD: 41.50}` of the
    client's currency for one. Without any rate such an order is held."""
    timezone: str | None = None
    """Zone in which dates and times are written, such as `Europe/Kyiv`; the client's when not given."""
    timeout: Duration = Field(default=_THIRTY, validate_default=True)
    """How long connecting may take, and waiting for another program's lock."""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):  # its errors for unknown names, absolute paths, folders
                raise ValueError(T("`{value}` is not a time zone such as Europe/Kyiv.", value=value)) from None
        return value

    @model_validator(mode="after")
    def _together(self) -> SqlSettings:
        own = {name.casefold() for name in self.orders.columns}
        if self.orders.key.casefold() in own:
            raise ValueError(T("`{column}` is the key: Mistok writes it by itself.", column=self.orders.key))
        if self.lines.order.casefold() in {name.casefold() for name in self.lines.columns}:
            raise ValueError(T("`{column}` is the key: Mistok writes it by itself.", column=self.lines.order))
        if self.orders.status is not None and self.orders.status.casefold() not in own:
            raise ValueError(T("`{column}` is not among `columns` of the orders.", column=self.orders.status))
        for column in self.cancel.set if self.cancel is not None else ():
            undone = {name.casefold() for name in self.cancel.undo} if self.cancel is not None else set()
            if column.casefold() not in own | undone:
                raise ValueError(
                    T("`{column}` is set by `cancel`, and nothing says what it is for an order that lives again.",
                      column=column),
                    T("Name it in `cancel.undo`, or among `columns` of the orders."),
                )  # fmt: skip
        if self.returns is not None and self.shipments is None:
            raise ValueError(T("`returns` need `shipments`: goods come back on the base of their shipment."))
        if self.shipments is not None and not all(self.lines.counted):
            raise ValueError(T("The lines need columns with `line.quantity` and `product.id` or `line.article`."))
        for written in (*self.cancel.set.values(), *self.cancel.undo.values()) if self.cancel is not None else ():
            if written.sequence is not None or written.value not in (None, "order.status"):
                raise ValueError(T("`cancel` writes constants, or `order.status`."))
        for columns, allowed in self._placed():
            for written in columns.values():
                first = (written.value or "").partition(".")[0]
                if first and first not in allowed:
                    raise ValueError(T("`{word}` cannot stand in this table.", word=written.value or ""))
        return self

    def _placed(self) -> list[tuple[Columns, frozenset[str]]]:
        """Columns of each table, and by which first words they may be filled."""
        order = frozenset({"order", "buyer", "recipient", "address", "delivery", "payment", "extra", "now", "warehouse",
                           "object", "user", "executor", "firm", "account", "source", "status"})  # fmt: skip
        placed = [(self.orders.columns, order), (self.lines.columns, order | {"line", "product"})]
        if self.parties is not None:
            placed.append((self.parties.columns, frozenset({"buyer", "now"})))
        if self.payments is not None:
            placed.append((self.payments.columns, frozenset({"pay", "account", "now"})))
        for follow in (self.shipments, self.returns):
            if follow is not None:
                placed.append((follow.columns, order | {"doc"}))
                placed.append((follow.lines.columns, order | {"doc", "line", "product"}))
        return placed

    def wrote(self, word: str) -> bool:
        """Whether an order's row says this."""
        return self.column_of(word) is not None

    def column_of(self, word: str) -> str | None:
        """The column of the orders in which just this stands; None: there is none."""
        return next((name for name, one in self.orders.columns.items() if one.value == word and not one.map), None)

    def line_has(self, *words: str) -> bool:
        """Whether a line's row says one of these."""
        return any(one.value in words for one in self.lines.columns.values())
