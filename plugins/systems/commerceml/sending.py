"""Products, prices and stock for a shop: kept here as the shop is to have them, sent as files of changes.

A shop on CommerceML tells nobody what it has. What it has confirmed stands in the store, in the transaction that ends
with its ``success``; where that is lost, the same is sent again, under the same ids.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.api import (
    Held,
    Offer,
    OfferChange,
    OfferTraits,
    ProductDraft,
    RowOutcome,
    StockTarget,
    SystemEnv,
    T,
    Text,
    Where,
    Who,
)
from plugins.commerceml.catalogue_out import Export, Item, catalogue_parts, offer_parts
from plugins.commerceml.goods import Group, PriceType, Warehouse
from plugins.systems.commerceml import shelf
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import Store, dump

_SPACE = uuid.UUID("6d697374-6f6b-4d4c-8000-636f6d6d6572")
_TEXTS = {
    "name": "name",
    "description": "description",
    "unit": "unit",
    "barcode": "barcode",
    "manufacturer": "manufacturer",
}
#: What a file of changes cannot take away again: an element that is missing leaves what there was.
_STAYS = frozenset(("name", "unit", "manufacturer", "weight", "category"))
_LARGEST = Decimal(10) ** 12
Send = Callable[[Mapping[str, Sequence[str]], bool], None]


def traits(settings: CommerceMLSettings) -> OfferTraits:
    """What can be written: all that is read but pictures, several categories, and the currency."""
    read = shelf.traits(settings)
    writes = read.reads - {"images", "categories", "currency", "options"}
    return replace(read, writes=writes, creates=writes | {"options"})


class Sender:
    """Writes to a shop by way of ``send``: kind of file -> parts, and whether it is all that there is."""

    def __init__(self, store: Store, settings: CommerceMLSettings, env: SystemEnv, send: Send) -> None:
        self._store, self._settings, self._env, self._send = store, settings, env, send

    def create(self, drafts: Sequence[ProductDraft]) -> list[RowOutcome]:
        """Products with their variants; what is there under an article is found first."""
        return self._write(drafts, self._create)

    def update(self, changes: Sequence[OfferChange]) -> list[RowOutcome]:
        """Just the fields named in each."""
        return self._write(changes, self._change)

    def stock(self, targets: Sequence[StockTarget]) -> list[RowOutcome]:
        """Each level."""
        return self._write(targets, self._level)

    def _write(self, rows: Sequence[Any], act: Callable[[sqlite3.Connection, Any], RowOutcome]) -> list[RowOutcome]:
        """All rows in one transaction that ends when the shop has them; what the shop refuses is held, row by row."""
        if not rows:
            return []
        stamp = f"{self._env.clock.now().isoformat()}"
        try:
            with self._store.writing() as db:
                db.execute("CREATE TEMP TABLE IF NOT EXISTS touched (good TEXT PRIMARY KEY)")
                db.execute("DELETE FROM touched")
                self._basics(db)
                outcomes = [self._each(db, row, act) for row in rows]
                goods = [row["good"] for row in db.execute("SELECT good FROM touched ORDER BY good")]
                if goods:
                    export = self._export(db, goods)
                    self._send({"import": catalogue_parts(export), "offers": offer_parts(export)}, export.full)
                db.execute("UPDATE goods SET changed = ? WHERE id IN (SELECT good FROM touched)", [stamp])
        except Held as error:
            return [RowOutcome(error=error) for _ in rows]
        return outcomes

    @staticmethod
    def _each(db: sqlite3.Connection, row: Any, act: Callable[[sqlite3.Connection, Any], RowOutcome]) -> RowOutcome:
        db.execute("SAVEPOINT row_")
        try:
            outcome = act(db, row)
        except Held as error:
            db.execute("ROLLBACK TO row_")
            outcome = RowOutcome(error=error)
        db.execute("RELEASE row_")
        return outcome

    # --- rows --------------------------------------------------------------------------------------------------------

    def _create(self, db: sqlite3.Connection, draft: ProductDraft) -> RowOutcome:
        base = draft.base
        article = base.keys.get("sku", "").strip()
        own = base.id or self._by_article(db, article)
        if base.id and db.execute("SELECT 1 FROM goods WHERE id = ?", [base.id]).fetchone() is None:
            raise _held("gone", T("The exchange has no product {id} any more.", id=base.id), base)
        if not own and not article:
            raise _held("no-article", T("It has no article: made twice, it would be there twice."), base)
        ids, existed = [], bool(own)
        if not own:
            own = _guid(self._env.name, article)
            self._put(db, "goods", own, {"article": article}, base, variant=False)
            self._put(db, "offers", own, {"article": article}, base, variant=False)
        ids.append(own)
        for variant in draft.variants:
            code = variant.keys.get("sku", "").strip()
            if not code:
                raise _held("no-article", T("A variant of it has no article."), base)
            there = self._by_article(db, code)
            if there:
                ids.append(there)
                continue
            made = f"{own}#{_guid(self._env.name, article, code)}"
            self._put(db, "offers", made, {"article": code}, variant, variant=True)
            ids.append(made)
            existed = False
        if not existed:
            db.execute("INSERT OR IGNORE INTO touched VALUES (?)", [own])
        return RowOutcome(tuple(ids), existed=existed)

    def _put(
        self, db: sqlite3.Connection, table: str, own: str, fields: dict[str, Any], offer: Offer, *, variant: bool
    ) -> None:
        fields = self._fields(db, fields, offer.values, offer, prices=table == "offers", variant=variant)
        deleted = offer.values.get("published") is False
        self._save(db, table, own, fields, deleted=deleted)

    def _change(self, db: sqlite3.Connection, change: OfferChange) -> RowOutcome:
        unknown = sorted(change.values.keys() - traits(self._settings).writes)
        if unknown:
            raise _held(
                "field", T("A file of changes has no place for {names}.", names=", ".join(unknown)), change.offer
            )
        own = change.offer.id
        rows = self._rows(db, own, change.offer)
        variant = "#" in own
        deleted = change.values.get("published")
        for table, row in rows.items():
            there = json.loads(row["fields"])
            fields = self._fields(db, there, change.values, change.offer, prices=table == "offers", variant=variant)
            gone = bool(row["deleted"]) if deleted is None else not deleted
            self._save(db, table, own, fields, deleted=gone)
        return self._touched(db, own, rows)

    def _level(self, db: sqlite3.Connection, target: StockTarget) -> RowOutcome:
        own, quantity = target.offer.id, target.quantity
        rows = self._rows(db, own, target.offer)
        places = {name or house: house for house, name in self._settings.warehouses.items()} or {"": ""}
        if target.warehouse not in places:
            raise _held(
                "warehouse", T("The exchange knows no warehouse {name}.", name=target.warehouse or "—"), target.offer
            )
        if not quantity.is_finite() or quantity < 0 or quantity >= _LARGEST:
            raise _held("number", T("{cell} is no stock.", cell=str(quantity)[:40]), target.offer)
        there = json.loads(rows["offers"]["fields"])
        there["stock"] = {**there.get("stock", {}), places[target.warehouse]: f"{quantity:f}"}
        self._save(db, "offers", own, there, deleted=bool(rows["offers"]["deleted"]))
        return self._touched(db, own, rows)

    def _rows(self, db: sqlite3.Connection, own: str, offer: Offer) -> dict[str, sqlite3.Row]:
        found = {}
        for table in ("goods", "offers"):
            row = db.execute(f"SELECT * FROM {table} WHERE id = ?", [own]).fetchone()  # noqa: S608 - two names of ours
            if row is not None:
                found[table] = row
        if "offers" not in found:
            raise _held("gone", T("The exchange has no product {id} any more.", id=own or "—"), offer)
        return found

    @staticmethod
    def _touched(db: sqlite3.Connection, own: str, rows: Mapping[str, sqlite3.Row]) -> RowOutcome:
        """Told to the shop only where it differs from what the shop has confirmed."""
        same = True
        for table, row in rows.items():
            now = db.execute(f"SELECT fields, deleted FROM {table} WHERE id = ?", [own]).fetchone()  # noqa: S608
            same = same and (json.loads(now["fields"]), now["deleted"]) == (json.loads(row["fields"]), row["deleted"])
        if not same:
            db.execute("INSERT OR IGNORE INTO touched VALUES (?)", [own.partition("#")[0]])
        return RowOutcome(existed=same)

    # --- fields ------------------------------------------------------------------------------------------------------

    def _fields(
        self, db: sqlite3.Connection, there: Mapping[str, Any], values: Mapping[str, Any], offer: Offer, *,
        prices: bool, variant: bool,
    ) -> dict[str, Any]:  # fmt: skip
        fields = dict(there)
        for name, value in values.items():
            empty = value is None or value in ("", ())
            if empty and name in _STAYS and fields.get("groups" if name == "category" else name):
                raise _held("cleared", T("A file of changes cannot take {name} away.", name=name), offer)
            if name in _TEXTS:
                fields[name] = str(value or "")
            elif name == "weight" and not empty:
                fields["weight"] = f"{value:f}"
            elif name == "category" and not empty and not variant:
                fields["groups"] = [self._group(db, value)]
            elif name == "options" and variant:
                fields["options"] = dict(value)
            elif (name == "price" or name.startswith("price.")) and prices:
                fields["prices"] = self._priced(fields.get("prices", {}), name, value, offer)
        if not prices:
            fields.pop("prices", None)
        return fields

    def _priced(self, there: Mapping[str, Any], name: str, value: Any, offer: Offer) -> dict[str, Any]:
        kind = _guid("price", self._kinds()[name])
        if value is None:
            if kind in there:
                raise _held("cleared", T("A file of changes cannot take {name} away.", name=name), offer)
            return dict(there)
        if not isinstance(value, Decimal) or not value.is_finite() or value < 0 or value >= _LARGEST:
            raise _held("number", T("{cell} is no price.", cell=str(value)[:40]), offer)
        money = self._settings.currency or self._env.currency
        return {**there, kind: {"price": f"{value:f}", "currency": money}}

    def _kinds(self) -> dict[str, str]:
        return {"price": "Роздрібна", **self._settings.prices}

    def _group(self, db: sqlite3.Connection, path: Sequence[str]) -> str:
        above = own = ""
        for depth, name in enumerate(path, 1):
            own = _guid("group", *path[:depth])
            db.execute("INSERT OR IGNORE INTO groups VALUES (?, ?, ?, 0)", [own, name, above])
            above = own
        return own

    def _basics(self, db: sqlite3.Connection) -> None:
        """Price types and warehouses of the connection."""
        for place, name in enumerate(self._kinds().values()):
            money = self._settings.currency or self._env.currency
            row = [_guid("price", name), name, money, place]
            db.execute("INSERT OR REPLACE INTO price_types VALUES (?, ?, ?, ?)", row)
        for own, name in self._settings.warehouses.items():
            db.execute("INSERT OR REPLACE INTO warehouses VALUES (?, ?)", [own, name])

    @staticmethod
    def _save(db: sqlite3.Connection, table: str, own: str, fields: Mapping[str, Any], *, deleted: bool) -> None:
        told = (dump(fields), int(deleted))
        if table == "goods":
            db.execute(
                "INSERT INTO goods (id, fields, deleted, changed, session) VALUES (?, ?, ?, '', 0)"
                " ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, deleted = excluded.deleted",
                [own, *told],
            )
        else:
            db.execute(
                "INSERT INTO offers (id, good, fields, deleted, changed, session) VALUES (?, ?, ?, ?, '', 0)"
                " ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, deleted = excluded.deleted",
                [own, own.partition("#")[0], *told],
            )

    def _by_article(self, db: sqlite3.Connection, article: str) -> str:
        if not article:
            return ""
        row = db.execute(
            "SELECT id FROM offers WHERE json_extract(fields, '$.article') = ? ORDER BY id", [article]
        ).fetchone()
        return str(row["id"]) if row else ""

    # --- files -------------------------------------------------------------------------------------------------------

    def _export(self, db: sqlite3.Connection, goods: Sequence[str]) -> Export:
        def item(row: sqlite3.Row) -> Item:
            return Item(row["id"], json.loads(row["fields"]), bool(row["deleted"]))

        heads, offers = [], []
        for own in goods:
            heads += [item(row) for row in db.execute("SELECT * FROM goods WHERE id = ?", [own])]
            found = [item(row) for row in db.execute("SELECT * FROM offers WHERE good = ? ORDER BY id", [own])]
            offers += found if len(found) == 1 else [one for one in found if "#" in one.id]
        return Export(
            goods=heads,
            offers=offers,
            groups=[Group(row["id"], row["name"], row["parent"]) for row in db.execute("SELECT * FROM groups")],
            price_types=[
                PriceType(row["id"], row["name"], row["currency"])
                for row in db.execute("SELECT * FROM price_types ORDER BY place")
            ],
            warehouses=[
                Warehouse(row["id"], row["name"]) for row in db.execute("SELECT * FROM warehouses ORDER BY id")
            ],
            owner=self._env.client,
            currencies=self._settings.currencies,
        )


def _guid(*parts: str) -> str:
    """The same for the same parts, so that what is sent twice is once."""
    return str(uuid.uuid5(_SPACE, "\x1f".join(parts)))


def _held(code: str, text: Text, offer: Offer) -> Held:
    return Held(
        T("{code}: {what}", code=offer.title[:80] or "—", what=text),
        where=Where(element=offer.title or None),
        who=Who.SITE,
        code=f"exchange-{code}",
    )
