"""Reads products page by page, by number: each page with all that belongs to its products, as one moment shows them.

MyISAM, which 3.0 installs, keeps no moments: a person who saves a product rewrites its rows one table after the other.
There a page whose products have just been saved, or are saved while it is read, is read again until it stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.api import Clock, T, Transient
from plugins.systems.opencart.database import Database
from plugins.systems.opencart.mapping import Row, clock_of
from plugins.systems.opencart.settings import OpenCartSettings
from plugins.systems.opencart.shop import Facts, Tables, named
from plugins.systems.opencart.tree import Tree, grow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

FRESH = timedelta(seconds=3)  #: a product saved this recently may still be being saved
_WAIT, _LOOKS = 0.3, 30  #: seconds between two looks at a page that moves, and how many there are


@dataclass(slots=True)
class Bundle:
    """A product with all that belongs to it, as rows of tables. ``children``: products that are variants of it."""

    row: Row
    texts: dict[int, Row] = field(default_factory=dict)  #: by language
    codes: dict[str, str] = field(default_factory=dict)  #: 4.1: article fields, lower case
    categories: list[tuple[int, bool]] = field(default_factory=list)  #: category, whether it is marked as the main one
    images: list[Any] = field(default_factory=list)
    specials: list[Row] = field(default_factory=list)  #: of the customer group that is meant
    options: list[Row] = field(default_factory=list)
    values: list[Row] = field(default_factory=list)
    children: list[Bundle] = field(default_factory=list)

    @property
    def id(self) -> int:
        """product_id."""
        return int(self.row["product_id"])


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a shop's products."""

    database: Database
    tables: Tables
    facts: Facts
    settings: OpenCartSettings
    clock: Clock

    def pages(self, since: str | None = None) -> Iterator[list[Bundle]]:
        """All products of the store that are no variants of others, by number; with ``since`` those saved then or later
        by the shop's clock, or with a variant that was."""
        last = -1
        while True:
            ids, page = self.still(partial(self._ids, after=last, since=since))
            if not ids:
                return
            # a page whose products have all been deleted meanwhile is empty, and not the last one
            last = ids[-1]
            yield page

    def some(self, ids: Iterable[int], *, settled: bool = False) -> dict[int, Bundle]:
        """The products with these numbers, by number; those that are gone, or not in the store, are absent.

        ``settled``: it is we who have just written them, and nobody is waited for.
        """
        wanted = sorted(set(ids))
        found: dict[int, Bundle] = {}
        for n in range(0, len(wanted), self.settings.page):
            part = wanted[n : n + self.settings.page]
            found |= {one.id: one for one in self.still(partial(_just, part), settled=settled)[1]}
        return found

    def still(
        self, choose: Callable[[Connection], list[int]], *, settled: bool = False
    ) -> tuple[list[int], list[Bundle]]:
        """The numbers that ``choose`` gives, and those products, once nobody is in the middle of saving one."""
        before: tuple[list[int], list[Bundle]] | None = None
        for _ in range(_LOOKS):
            seen, fresh = self.database.read(lambda connection: self._look(connection, choose(connection)))
            # two looks that are the same tell of a product that was saved, and is not being saved
            if settled or not fresh or seen == before:
                return seen
            before = seen
            self.clock.sleep(_WAIT)
        raise Transient(
            T(
                "The shop's products are being saved all the time: {ids}.",
                ids=", ".join(str(one.id) for one in (before or ([], []))[1][:5]),
            ),
            hint=T("It is tried again by itself. An import that runs in the shop is best waited for."),
        )

    def tree(self) -> Tree:
        """The categories."""
        from sqlalchemy import select

        def work(connection: Connection) -> Tree:
            category, text = self.tables["category"], self.tables["category_description"]
            rows = connection.execute(select(category.c["category_id"], category.c["parent_id"]))
            parents = {int(one): int(parent or 0) for one, parent in rows}
            texts = _all(connection, select(*(text.c[n] for n in ("category_id", "language_id", "name"))))
            return grow(parents, named(texts, "category_id", self.facts))

        return self.database.read(work)

    # --- one page --------------------------------------------------------------------------------------------------

    def _ids(self, connection: Connection, *, after: int, since: str | None) -> list[int]:
        from sqlalchemy import or_, select

        product = self.tables["product"]
        key = product.c["product_id"]
        asked = select(key).where(key > after, self._in_store(product)).order_by(key).limit(self.settings.page)
        if self.tables.masters:
            other = product.alias("other")
            master = product.c["master_id"]
            there = select(other.c["product_id"]).where(other.c["product_id"] == master).exists()
            asked = asked.where(or_(master.is_(None), master == 0, master == key, ~there))
        if since is not None:
            moved = [product.c["date_modified"] >= since, product.c["date_added"] >= since]
            if self.tables.masters:
                child = product.alias("child")
                below = child.c["master_id"] == key, child.c["date_modified"] >= since
                moved.append(select(child.c["product_id"]).where(*below).exists())
            asked = asked.where(or_(*moved))
        return [int(one) for one in connection.execute(asked).scalars()]

    def _in_store(self, product: Any) -> ColumnElement[bool]:
        from sqlalchemy import select

        shown = self.tables["product_to_store"]
        asked = select(shown.c["product_id"]).where(
            shown.c["product_id"] == product.c["product_id"], shown.c["store_id"] == self.settings.store
        )
        return asked.exists()

    def _look(self, connection: Connection, ids: list[int]) -> tuple[tuple[list[int], list[Bundle]], bool]:
        """The products, and whether one of them may be in the middle of being saved."""
        from sqlalchemy import select

        if not ids:
            return ([], []), False
        product, maker = self.tables["product"], self.tables["manufacturer"]

        def stamped() -> list[Row]:
            asked = (
                select(product, maker.c["name"].label("manufacturer"))
                .outerjoin(maker, maker.c["manufacturer_id"] == product.c["manufacturer_id"])
                .where(self._in_store(product))
                .order_by(product.c["product_id"])
            )
            if not self.tables.masters:
                return _all(connection, asked.where(product.c["product_id"].in_(ids)))
            whose = (product.c["product_id"].in_(ids)) | (product.c["master_id"].in_(ids))
            return _all(connection, asked.where(whose))

        rows = stamped()
        bundles = {int(row["product_id"]): Bundle(row) for row in rows}
        self._fill(connection, bundles)
        for bundle in bundles.values():
            master = int(bundle.row.get("master_id") or 0)
            if bundle.id not in ids and master in bundles:
                bundles[master].children.append(bundle)
        page = [bundles[one] for one in ids if one in bundles]
        if self.tables.moments:
            return (ids, page), False
        return (ids, page), stamped() != rows or self._fresh(connection, rows)

    def _fresh(self, connection: Connection, rows: Iterable[Row]) -> bool:
        """Whether one was saved within the last seconds, by the database's clock, which the shop stamps by."""
        now = connection.exec_driver_sql("SELECT UTC_TIMESTAMP()").scalar_one()
        moment = datetime.fromisoformat(str(now)).replace(tzinfo=UTC)
        edge, last = (clock_of(at, self.facts.zone) for at in (moment - FRESH, moment + FRESH))
        return any(edge <= str(row["date_modified"]) <= last for row in rows)

    def _fill(self, connection: Connection, bundles: dict[int, Bundle]) -> None:
        from sqlalchemy import select

        tables, ids = self.tables, sorted(bundles)

        def own(name: str, *order: str) -> list[Row]:
            table = tables[name]
            asked = select(table).where(table.c["product_id"].in_(ids))
            return _all(connection, asked.order_by(*(table.c[one] for one in order)))

        texts = tables["product_description"]
        of_texts = select(*(texts.c[n] for n in ("product_id", "language_id", "name", "description")))
        for row in _all(connection, of_texts.where(texts.c["product_id"].in_(ids))):
            bundles[int(row["product_id"])].texts[int(row["language_id"])] = row
        if tables.has("product_code"):
            for row in own("product_code", "product_code_id"):
                codes = bundles[int(row["product_id"])].codes
                codes.setdefault(str(row["code"] or "").strip().casefold(), str(row["value"] or ""))
        for row in own("product_to_category", "category_id"):
            marked = bool(row.get("main_category"))  # of ocStore and SEO extensions
            bundles[int(row["product_id"])].categories.append((int(row["category_id"]), marked))
        for row in own("product_image", "sort_order", "product_image_id"):
            bundles[int(row["product_id"])].images.append(row["image"])
        special = tables[tables.special]
        asked = select(special).where(
            special.c["product_id"].in_(ids), special.c["customer_group_id"] == self.facts.group
        )
        if tables.has(tables.special, "special"):
            # that is how 4.1 itself asks: quantity prices are in the same table, and specials are for one piece
            asked = asked.where(special.c["special"] == 1, special.c["quantity"] == 1)
        for row in _all(connection, asked.order_by(special.c["priority"], special.c[f"{tables.special}_id"])):
            bundles[int(row["product_id"])].specials.append(row)
        self._options(connection, bundles, ids)

    def _options(self, connection: Connection, bundles: dict[int, Bundle], ids: list[int]) -> None:
        from sqlalchemy import select

        tables = self.tables
        own, option = tables["product_option"], tables["option"]
        asked = (
            select(own, option.c["type"])
            .join(option, option.c["option_id"] == own.c["option_id"])
            .where(own.c["product_id"].in_(ids))
            .order_by(option.c["sort_order"], own.c["product_option_id"])
        )
        options = _all(connection, asked)
        value, general = tables["product_option_value"], tables["option_value"]
        asked = (
            select(value)
            .join(general, general.c["option_value_id"] == value.c["option_value_id"])
            .where(value.c["product_id"].in_(ids))
            .order_by(general.c["sort_order"], value.c["product_option_value_id"])
        )
        values = _all(connection, asked)
        names = self._names(connection, "option_description", "option_id", options)
        value_names = self._names(connection, "option_value_description", "option_value_id", values)
        for row in options:
            named_row = {**row, "name": names.get(int(row["option_id"]), "")}
            bundles[int(row["product_id"])].options.append(named_row)
        for row in values:
            named_row = {**row, "name": value_names.get(int(row["option_value_id"]), "")}
            bundles[int(row["product_id"])].values.append(named_row)

    def _names(self, connection: Connection, name: str, key: str, rows: Sequence[Row]) -> dict[int, str]:
        from sqlalchemy import select

        wanted = sorted({int(row[key]) for row in rows})
        if not wanted:
            return {}
        table = self.tables[name]
        asked = select(*(table.c[one] for one in (key, "language_id", "name"))).where(table.c[key].in_(wanted))
        return named(_all(connection, asked), key, self.facts)


def _just(ids: list[int], _connection: Connection) -> list[int]:
    return ids


def _all(connection: Connection, asked: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(asked).mappings()]
