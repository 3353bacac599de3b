"""Parameters of an import file for Quincefin: orders as rows of a table, for accounts without the API."""

from __future__ import annotations

import codecs
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.api import Settings, T, TransportName

Value = Literal[
    "order.mark", "order.id", "order.number", "order.source_number", "order.source", "order.date", "order.currency",
    "order.rate", "order.status", "order.comment", "order.discount", "order.delivery", "order.total", "order.firm",
    "order.warehouse", "order.manager", "order.author", "buyer.name", "buyer.phone", "buyer.email", "buyer.edrpou",
    "buyer.tax_number", "buyer.code", "address", "line.number", "line.article", "line.name", "line.unit",
    "line.quantity", "line.price", "line.discount", "line.sum",
]  # fmt: skip


class Column(Settings):
    """A column of the file."""

    title: Annotated[str, Field(min_length=1)]
    """What stands at its head."""
    value: Value | None = None
    """What stands in it."""
    text: str | None = None
    """The same text in every row, in place of a value."""

    @model_validator(mode="after")
    def _just_one(self) -> Column:
        if (self.value is None) == (self.text is None):
            raise ValueError(T("Write just one of `value` and `text`."))
        return self


def _usual() -> tuple[Column, ...]:
    pairs: tuple[tuple[str, Value], ...] = (
        ("Номер замовлення", "order.mark"),
        ("Дата", "order.date"),
        ("Статус", "order.status"),
        ("Джерело", "order.source"),
        ("Партнер", "buyer.name"),
        ("Телефон", "buyer.phone"),
        ("Пошта", "buyer.email"),
        ("Адреса доставки", "address"),
        ("Склад", "order.warehouse"),
        ("Артикул", "line.article"),
        ("Товар", "line.name"),
        ("Кількість", "line.quantity"),
        ("Ціна", "line.price"),
        ("Знижка", "line.discount"),
        ("Сума", "line.sum"),
        ("Валюта", "order.currency"),
        ("Коментар", "order.comment"),
    )
    return tuple(Column(title=title, value=value) for title, value in pairs)


class GoodsTable(Settings):
    """A table of goods, as Quincefin exports it."""

    path: Path
    """The file (CSV or XLSX), relative to the config."""
    article: str = "Артикул"
    """Title of the column with the article."""
    name: str = "Назва"
    """Title of the column with the name."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ";"
    """What separates the columns of CSV."""
    encoding: str = "utf-8-sig"
    """Encoding of CSV."""


class QuincefinFileSettings(Settings):
    """Orders as files that Quincefin imports."""

    to: TransportName
    """Connection on which the files are put: a folder, SFTP or FTP."""
    folder: str = ""
    """Folder there; made when it is missing."""
    journal: Path = Path("quincefin-file.sqlite3")
    """File (SQLite) that keeps which order stands in which file, relative to the config. Never delete it: an order that
    nobody remembers is written again."""
    kind: Literal["xlsx", "csv"] = "xlsx"
    """Kind of the files."""
    name: str = "orders-{date}-{number}"
    """Name of the files, without the ending: `{date}` is the day, `{number}` counts them and must be in it."""
    most: Annotated[int, Field(ge=1, le=5000)] = 500
    """Orders in one file at most."""
    columns: Annotated[tuple[Column, ...], Field(min_length=1)] = Field(default_factory=_usual)
    """Columns, as the import in Quincefin is set up for them. One of them must be `order.mark`."""
    sheet: Annotated[str, Field(min_length=1, max_length=31)] = "Замовлення"
    """Name of the sheet of XLSX."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ";"
    """What separates the columns of CSV."""
    encoding: str = "utf-8-sig"
    """Encoding of CSV: `utf-8-sig`, `utf-8`, `windows-1251`."""
    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers in CSV."""
    dates: Literal["iso", "local"] = "iso"
    """Dates as `2026-11-22`, or as `22.11.2026`."""
    discounts: Literal["lines", "prices"] = "lines"
    """All discounts are spread over the lines, to the cent; `prices`: they are in the prices themselves."""
    delivery: str | None = None
    """Article of the service that the cost of delivery is a row of. Without it an order with such a cost needs the
    column `order.delivery`."""
    fee: str | None = None
    """Article of the service that a fee of the payment is a row of. Without it an order with such a fee is held."""
    statuses: dict[str, str] = Field(default_factory=dict)
    """Status of an order -> what stands in the file; others as they are."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Source of an order -> what stands in the file; others as they are."""
    foreign: Literal["hold", "own_rate"] = "hold"
    """Orders in another currency than the client's, where no column is `order.rate`: `hold`; or `own_rate`: they are
    written in their currency, and Quincefin reckons by its own rate."""
    rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=dict
    )
    """Rate of orders in another currency that state none, for the column `order.rate`: `{USD: 41.50}` of the client's
    own currency for one. Without any rate such an order is held."""
    goods: GoodsTable | None = None
    """Goods that Quincefin has, as it exports them: orders are held for goods that are not among them. Without it each
    article is taken as it is."""

    @field_validator("name")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(value) if name is not None]
        except ValueError:
            fields = []
        if ("number", "", None) not in fields or not set(fields) <= {("number", "", None), ("date", "", None)}:
            raise ValueError(
                T("This name must have {field} in it, and may have {more}.", field="{number}", more="{date}")
            )
        if any(char in value for char in '/\\:*?"<>|') or value.startswith("."):
            raise ValueError(T("`{value}` cannot be the name of a file.", value=value))
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(T("There is no encoding {name}.", name=value)) from error
        return value

    @model_validator(mode="after")
    def _known_again(self) -> QuincefinFileSettings:
        if not any(one.value == "order.mark" for one in self.columns):
            raise ValueError(T("One of the columns must be `order.mark`: people know by it which order a row is of."))
        return self
