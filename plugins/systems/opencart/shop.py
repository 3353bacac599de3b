"""What kind of shop it is: its tables and columns, its languages, currency, time zone, classes of weight and length.

3.0 and 4.1 (and 4.0 between them) are told apart by what their tables have, never by a version number: extensions and
builds such as ocStore add columns and leave the number as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.api import ConfigError, SystemEnv, T
from plugins.systems.opencart.mapping import CENTIMETRES, KILOGRAMS, Row, class_factors, text_of
from plugins.systems.opencart.notices import Notices, language_gone, settings_unreadable
from plugins.systems.opencart.settings import OpenCartSettings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

#: What is read of each table. A column that is not there in every version is not here; see the places that use it.
NEEDED: Mapping[str, Sequence[str]] = {
    "category": ("category_id", "parent_id"),
    "category_description": ("category_id", "language_id", "name"),
    "language": ("language_id", "code", "sort_order", "status"),
    "length_class": ("length_class_id", "value"),
    "length_class_description": ("length_class_id", "unit"),
    "manufacturer": ("manufacturer_id", "name"),
    "option": ("option_id", "type", "sort_order"),
    "option_description": ("option_id", "language_id", "name"),
    "option_value": ("option_value_id", "sort_order"),
    "option_value_description": ("option_value_id", "language_id", "name"),
    "product": (
        "product_id", "model", "quantity", "image", "manufacturer_id", "price", "date_available", "weight",
        "weight_class_id", "length", "width", "height", "length_class_id", "status", "date_added", "date_modified",
    ),
    "product_description": ("product_id", "language_id", "name", "description"),
    "product_discount": ("product_id", "customer_group_id", "priority", "price", "date_start", "date_end"),
    "product_image": ("product_id", "image", "sort_order"),
    "product_option": ("product_option_id", "product_id", "option_id", "required"),
    "product_option_value": (
        "product_option_value_id", "product_option_id", "product_id", "option_id", "option_value_id", "quantity",
        "subtract", "price", "price_prefix", "weight", "weight_prefix",
    ),
    "product_to_category": ("product_id", "category_id"),
    "product_to_store": ("product_id", "store_id"),
    "weight_class": ("weight_class_id", "value"),
    "weight_class_description": ("weight_class_id", "unit"),
}  # fmt: skip
#: What orders need besides.
ORDERS: Mapping[str, Sequence[str]] = {
    "order": ("order_id", "store_id", "firstname", "lastname", "email", "telephone", "total", "order_status_id",
              "currency_code", "currency_value", "date_added", "date_modified", "payment_method", "shipping_method"),
    "order_product": ("order_product_id", "order_id", "product_id", "name", "model", "quantity", "price", "tax"),
    "order_option": ("order_option_id", "order_id", "order_product_id", "product_option_value_id", "name", "value"),
    "order_total": ("order_id", "code", "title", "value", "sort_order"),
    "order_history": ("order_history_id", "order_id", "order_status_id", "notify", "comment", "date_added"),
    "order_status": ("order_status_id", "language_id", "name"),
}  # fmt: skip
MORE = ("setting", "product_code", "product_special", "country", "order_voucher")  #: used where they are
_SIGN = "product_description"  #: by this table a prefix is known


class Tables:
    """The tables of the shop that are there, with the columns that they have."""

    def __init__(self, prefix: str, columns: Mapping[str, Sequence[str]], *, moments: bool) -> None:
        from sqlalchemy import Column, MetaData, Table
        from sqlalchemy.types import NullType

        self.prefix = prefix
        self.moments = moments  #: every table keeps a transaction's moment (InnoDB); False: some are MyISAM
        self.columns = {name.removeprefix(prefix): frozenset(found) for name, found in columns.items()}
        data = MetaData()
        self._tables = {
            name.removeprefix(prefix): Table(name, data, *(Column(one, NullType()) for one in found))
            for name, found in columns.items()
        }

    def __getitem__(self, name: str) -> Table:
        """The table ``name`` (without the prefix). Raises ConfigError when it is not there."""
        if name not in self._tables:
            raise ConfigError(
                T("There is no table {table}, or no right to read it.", table=self.prefix + name),
                hint=T("docs/systems/opencart.md has the rights that the user needs, ready to be given."),
                code="table-missing",
            )
        return self._tables[name]

    def has(self, table: str, column: str = "") -> bool:
        """Whether the table is there, and the column in it."""
        return table in self.columns and (not column or column in self.columns[table])

    @property
    def masters(self) -> bool:
        """4.x: products may be variants of a master product."""
        return self.has("product", "master_id")

    @property
    def special(self) -> str:
        """The table of special prices."""
        return "product_special" if self.has("product_special") else "product_discount"

    def missing(self, needed: Mapping[str, Sequence[str]]) -> list[str]:
        """Tables, and columns as ``table.column``, that are needed and not there."""
        gone = []
        for name, columns in needed.items():
            if name not in self.columns:
                gone.append(self.prefix + name)
            else:
                gone += [f"{self.prefix}{name}.{one}" for one in columns if one not in self.columns[name]]
        return gone


def look(connection: Connection, settings: OpenCartSettings) -> Tables:
    """The tables under the prefix. Raises ConfigError for a prefix that is another one, and for what is missing."""
    from sqlalchemy import text

    rows = connection.execute(
        text(
            "SELECT c.table_name, c.column_name, t.engine FROM information_schema.columns c"
            " JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
            " WHERE c.table_schema = DATABASE() ORDER BY c.table_name, c.ordinal_position"
        )
    ).all()
    wanted = {settings.prefix + name for name in (*NEEDED, *ORDERS, *MORE)}
    columns: dict[str, list[str]] = {}
    engines: set[str] = set()
    for table, column, engine in rows:
        if table in wanted:
            columns.setdefault(str(table), []).append(str(column))
            engines.add(str(engine).casefold())
    if settings.prefix + _SIGN not in columns:
        raise _no_shop({str(row[0]) for row in rows}, settings)
    tables = Tables(settings.prefix, columns, moments=engines <= {"innodb"})
    if missing := tables.missing(NEEDED):
        raise ConfigError(
            T("In the database {database} these are missing, or may not be read: {names}.",
              database=settings.database, names=", ".join(missing)),
            hint=T("docs/systems/opencart.md has the rights that the user needs, ready to be given."),
            code="table-missing",
        )  # fmt: skip
    if settings.option_article and not tables.has("product_option_value", settings.option_article):
        raise ConfigError(
            T("The table {table} has no column {column}.", table=f"{settings.prefix}product_option_value",
              column=settings.option_article),
            hint=T("Correct `option_article`: it names the column that an extension has added."),
        )  # fmt: skip
    return tables


def _no_shop(names: set[str], settings: OpenCartSettings) -> ConfigError:
    """There is no shop under this prefix: which prefixes there are."""
    prefixes = sorted(name.removesuffix(_SIGN) for name in names if name.endswith(_SIGN))
    table = settings.prefix + "product"
    if prefixes:
        text = T("There is no table {table}; prefixes there are: {prefixes}.", table=table,
                 prefixes=", ".join(one or "''" for one in prefixes))  # fmt: skip
        hint = T("Correct `prefix`: it is DB_PREFIX in the shop's config.php.")
    else:
        text = T("In the database {database} there is no table {table}, nor any other of an OpenCart shop that this "
                 "user may read.", database=settings.database, table=table)  # fmt: skip
        hint = T("Check `database` and `prefix` against the shop's config.php, and the rights that the user has.")
    return ConfigError(text, hint=hint, code="prefix")


# --- facts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be known of the shop to understand its goods."""

    languages: tuple[int, ...]  #: the one that is meant, then those that stand in where it has no text
    codes: Mapping[int, str]  #: language's id -> code
    group: int  #: customer group
    zone: ZoneInfo
    currency: str
    kilograms: Mapping[int, Decimal]  #: weight class -> kilograms in one of it
    centimetres: Mapping[int, Decimal]

    @property
    def language(self) -> int:
        """The one that is meant."""
        return self.languages[0]

    def pick(self, texts: Mapping[int, object]) -> str:
        """Of texts by language, the one that is meant, else one that stands in, else any; "" for none."""
        for one in (*self.languages, *sorted(texts)):
            if found := text_of(texts.get(one)):
                return found
        return ""


def learn(
    connection: Connection, tables: Tables, settings: OpenCartSettings, env: SystemEnv, notices: Notices
) -> Facts:
    """The facts, as the shop has them now. What is wrong with them goes to ``notices``."""
    config = _config(connection, tables, settings.store) if tables.has("setting", "value") else {}
    if not config:
        notices.add(settings_unreadable(f"{settings.prefix}setting"))
    languages = _rows(connection, tables["language"])
    codes = {int(row["language_id"]): str(row["code"]) for row in languages}
    own = config.get("config_language_catalog") or config.get("config_language") or ""
    first = [one for one, code in codes.items() if code.casefold() == own.casefold()]
    rest = sorted(
        (row for row in languages), key=lambda row: (not row["status"], row["sort_order"] or 0, row["language_id"])
    )
    order = [*first, *(int(row["language_id"]) for row in rest)]
    if not order:
        raise ConfigError(T("The shop has no language at all (table {table}).", table=f"{settings.prefix}language"))
    if settings.language is not None:
        meant = [one for one, code in codes.items() if _same(code, settings.language)]
        if not meant:
            notices.add(language_gone(settings.language, codes[order[0]]))
        order = [*meant, *order]
    zone = settings.timezone or config.get("config_timezone") or env.timezone
    try:
        found = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            T("The shop's time zone {zone} is not known.", zone=zone), hint=T("Give it by `timezone`.")
        ) from None
    return Facts(
        languages=tuple(dict.fromkeys(order)),
        codes=codes,
        group=settings.customer_group or int(config.get("config_customer_group_id") or 1),
        zone=found,
        currency=settings.currency or config.get("config_currency") or env.currency,
        kilograms=_classes(connection, tables, "weight_class", KILOGRAMS),
        centimetres=_classes(connection, tables, "length_class", CENTIMETRES),
    )


def _config(connection: Connection, tables: Tables, store: int) -> dict[str, str]:
    """The settings that matter, of this store where it has its own."""
    from sqlalchemy import select

    setting = tables["setting"]
    names = ("config_language_catalog", "config_language", "config_timezone", "config_currency",
             "config_customer_group_id")  # fmt: skip
    rows = connection.execute(
        select(setting.c["store_id"], setting.c["key"], setting.c["value"])
        .where(setting.c["store_id"].in_((0, store)), setting.c["key"].in_(names))
        .order_by(setting.c["store_id"])
    )
    return {str(key): str(value) for _, key, value in rows if value}


def _classes(connection: Connection, tables: Tables, name: str, known: Mapping[str, Decimal]) -> dict[int, Decimal]:
    units = _rows(connection, tables[f"{name}_description"])
    return class_factors(_rows(connection, tables[name]), units, f"{name}_id", known)


def _rows(connection: Connection, table: Table) -> list[Row]:
    from sqlalchemy import select

    return [dict(row) for row in connection.execute(select(table)).mappings()]


def _same(code: str, asked: str) -> bool:
    """``uk-ua`` and ``uk_UA`` are one code."""
    return code.casefold().replace("_", "-") == asked.casefold().replace("_", "-")


def named(rows: Iterable[Row], key: str, facts: Facts) -> dict[int, str]:
    """Names by id, out of rows of a description table, in the language that is meant or one that stands in."""
    by_id: dict[int, dict[int, object]] = {}
    for row in rows:
        by_id.setdefault(int(row[key]), {})[int(row["language_id"])] = row["name"]
    return {one: facts.pick(texts) for one, texts in by_id.items()}
