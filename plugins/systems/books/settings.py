"""Parameters of the embedded books."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.api import DatabaseUrl, MatchRules, Settings, T


class Matching(Settings):
    """Which differences between two articles do not matter."""

    case: bool = True
    """`E-303` and `e-303` are one article."""
    spaces: bool = True
    """Blanks, no-break spaces and invisible characters do not count."""
    dashes: Literal["keep", "unify", "drop"] = "unify"
    """Every kind of dash is the same one; `drop` leaves dashes out, `keep` tells them apart."""
    lookalikes: bool = True
    """Cyrillic letters that look like Latin ones count as them."""
    leading_zeros: bool = False
    """`true` makes `0042` and `42` one article."""

    def rules(self) -> MatchRules:
        """As the rules want it."""
        return MatchRules(
            case=self.case,
            spaces=self.spaces,
            dashes=self.dashes,
            lookalikes=self.lookalikes,
            leading_zeros=self.leading_zeros,
        )


class BooksSettings(Settings):
    """The embedded accounting: a database of products, stock, parties and order documents."""

    url: DatabaseUrl = "sqlite:///books.sqlite3"
    """SQLAlchemy URL: `sqlite:///FILE` (relative to the config file), or `postgresql+psycopg://…`."""
    seed: Path | tuple[Path, ...] = ()
    """Tables (CSV or XLSX, relative to the config file) loaded once, while there is no product yet: products, and
    references (parties, objects, users, executors, warehouses), one file or a list."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")] = "uk-UA"
    """Language of the names and descriptions that a sync reads and writes; texts in others stay as they are."""
    price_kinds: tuple[Annotated[str, Field(pattern=r"^[^\s.]{1,32}$")], ...] = ("cost", "old")
    """Kinds of prices besides the retail price that a sync sees, each as `price.KIND`."""
    default_warehouse: str = "main"
    """Code of the warehouse of orders that name none, and of a plain `stock` column; a single one needs no naming."""
    default_account: str = ""
    """Code of the bank account or cash desk of payments that name none; a single one needs no naming."""
    create_parties: bool = True
    """Buyers who are not known yet are added; `false` holds their orders for a person."""
    oversell: Literal["allow", "hold"] = "allow"
    """Orders for more than is there: `allow` reserves it all the same (the shop is told 0), `hold` asks a person."""
    rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=dict
    )
    """Rate of orders in another currency that state none: `{USD: 41.50}` of the client's own currency for one. Without
    any rate such an order is held."""
    number_prefix: str = ""
    """Put before the number of every new document, such as `INT-`."""
    matching: Matching = Matching()
    """How articles are compared when they are not exactly the same."""
    lock_timeout: float = 15.0
    """Seconds to wait for another program that writes to the database."""

    @field_validator("price_kinds")
    @classmethod
    def _besides_retail(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if "retail" in kinds:
            raise ValueError(T("`retail` is the price itself, which is always seen."))
        return kinds
