"""The goods of an exchange: what a file says is put in, what a whole full session left out is hidden, all is told."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pipeline.api import Finding, Offer, OfferTraits, Ref, Refused, StockLevel, T, Who
from plugins.commerceml.goods import Package, Row
from plugins.commerceml.words import BadValue, currency
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import dump, note

KEYS = ("sku", "code", "barcode", "id")
_READS = frozenset(
    (
        "name", "description", "currency", "category", "categories", "options", "unit", "barcode", "manufacturer",
        "weight", "published",
    )
)  # fmt: skip
ZERO = Decimal(0)


# --- putting in ------------------------------------------------------------------------------------------------------


def put(db: sqlite3.Connection, package: Package, session: int, now: datetime) -> int:
    """All that a file says of goods, in the caller's transaction; gives how many rows have changed."""
    stamp = now.isoformat()
    for group in package.groups:
        row = (group.id, group.name, group.parent, int(group.deleted))
        db.execute("INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?)", row)
    for one in package.properties:
        found = db.execute("SELECT listed FROM properties WHERE id = ?", [one.id]).fetchone()
        listed = {**(json.loads(found["listed"]) if found else {}), **one.values}
        db.execute("INSERT OR REPLACE INTO properties VALUES (?, ?, ?)", [one.id, one.name, dump(listed)])
    for place, kind in enumerate(package.price_types):
        db.execute("INSERT OR REPLACE INTO price_types VALUES (?, ?, ?, ?)", [kind.id, kind.name, kind.currency, place])
    for house in package.warehouses:
        db.execute("INSERT OR REPLACE INTO warehouses VALUES (?, ?)", [house.id, house.name])
    changed = sum(_put(db, "goods", row, session, stamp, whole=bool(package.goods_full)) for row in package.goods)
    changed += sum(_put(db, "offers", row, session, stamp, whole=False) for row in package.offers)
    note(db, *package.findings, *package.notes)
    return changed


def _put(db: sqlite3.Connection, table: str, row: Row, session: int, stamp: str, *, whole: bool) -> bool:
    before = db.execute(f"SELECT fields, deleted, hidden FROM {table} WHERE id = ?", [row.id]).fetchone()  # noqa: S608 - one of two names of ours
    there: dict[str, Any] = json.loads(before["fields"]) if before else {}
    fields = _merged(there, row.fields, whole=whole)
    head = table == "goods" or "name" in row.fields
    deleted = int(row.deleted) if row.deleted is not None else 0 if head or before is None else int(before["deleted"])
    same = before is not None and (fields, deleted, 0) == (there, before["deleted"], before["hidden"] if head else 0)
    hidden = 0 if head or before is None else int(before["hidden"])
    if same:
        db.execute(f"UPDATE {table} SET session = ? WHERE id = ?", [session, row.id])  # noqa: S608
        return False
    told = [dump(fields), deleted, hidden, stamp, session]
    if before is not None:
        db.execute(
            f"UPDATE {table} SET fields = ?, deleted = ?, hidden = ?, changed = ?, session = ? WHERE id = ?",  # noqa: S608
            [*told, row.id],
        )
    elif table == "goods":
        asked = "INSERT INTO goods (fields, deleted, hidden, changed, session, id) VALUES (?, ?, ?, ?, ?, ?)"
        db.execute(asked, [*told, row.id])
    else:
        asked = "INSERT INTO offers (fields, deleted, hidden, changed, session, id, good) VALUES (?, ?, ?, ?, ?, ?, ?)"
        db.execute(asked, [*told, row.id, row.good])
    return True


def _merged(there: Mapping[str, Any], new: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """``whole``: what is not mentioned is gone, but for pictures, which are not sent again while they are the same."""
    kept = {"images": there["images"]} if whole and "images" in there else {} if whole else dict(there)
    found = {**kept, **{name: value for name, value in new.items() if name != "stock_part"}}
    if "prices" in new:
        found["prices"] = {**there.get("prices", {}), **new["prices"]}
    if new.get("stock_part"):
        found["stock"] = {**{p: n for p, n in there.get("stock", {}).items() if p}, **new["stock"]}
    return found


# --- hiding ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """What a full session did not name."""

    goods: tuple[str, ...]
    offers: tuple[str, ...]
    shown: int  #: goods that were shown before

    def over(self, most: Decimal) -> bool:
        """Whether it is more than may go without asking."""
        return bool(self.goods) and Decimal(len(self.goods)) > self.shown * most


def left_out(db: sqlite3.Connection, session: int, *, offers: bool) -> Left:
    """The goods that are shown and that this session did not name; of offers the variants."""
    asked = "SELECT id FROM {} WHERE hidden = 0 AND deleted = 0 AND session < ?"
    goods = tuple(row["id"] for row in db.execute(asked.format("goods"), [session]))
    several = f"{asked.format('offers')} AND instr(id, '#') > 0"
    variants = tuple(row["id"] for row in db.execute(several, [session])) if offers else ()
    shown = db.execute("SELECT count(*) AS n FROM goods WHERE hidden = 0 AND deleted = 0").fetchone()["n"]
    return Left(goods, variants, shown)


def hide(db: sqlite3.Connection, left: Left, now: datetime) -> None:
    """Hide them; nothing is deleted."""
    for table, ids in (("goods", left.goods), ("offers", left.offers)):
        db.executemany(
            f"UPDATE {table} SET hidden = 1, changed = ? WHERE id = ?",  # noqa: S608 - one of two names of ours
            [(now.isoformat(), own) for own in ids],
        )


# --- telling ---------------------------------------------------------------------------------------------------------


class Shelf:
    """All goods of one state of the store, as offers."""

    def __init__(self, db: sqlite3.Connection, settings: CommerceMLSettings, default_currency: str) -> None:
        self._db, self._settings = db, settings
        self._currency = settings.currency or default_currency
        self._groups = {row["id"]: row for row in db.execute("SELECT * FROM groups")}
        self._types = list(db.execute("SELECT * FROM price_types ORDER BY place, id"))
        self._houses = {row["id"]: row["name"] for row in db.execute("SELECT * FROM warehouses ORDER BY id")}
        self._kinds: Mapping[str, str] | None = None

    def offers(self) -> Iterator[Offer]:
        """Every product with its variants, the base first."""
        for _, offer, _ in self._all():
            yield offer

    def levels(self) -> Iterator[StockLevel]:
        """One for each warehouse that an offer names; below 0 is told as it is."""
        names = self.codes()
        for _, offer, fields in self._all():
            if offer.kind == "base":
                continue
            for place, left in fields.get("stock", {}).items():
                yield StockLevel(offer.keys.get("sku", ""), names.get(place, place), Decimal(left), offer=offer.id)

    def warehouses(self) -> list[Ref]:
        """Those that were told, and those that offers name."""
        names = self.codes()
        seen = {place for _, _, fields in self._all() for place in fields.get("stock", {}) if place}
        return [
            Ref(own, names.get(own, own), self._houses.get(own, own))
            for own in dict.fromkeys((*self._houses, *sorted(seen)))
        ]

    def codes(self) -> dict[str, str]:
        """Id of a warehouse -> what people call it, where only one is called so."""
        names = list(self._houses.values())
        return {own: name for own, name in self._houses.items() if name and names.count(name) == 1}

    def _all(self) -> Iterator[tuple[str, Offer, Mapping[str, Any]]]:
        goods = {row["id"]: row for row in self._db.execute("SELECT * FROM goods ORDER BY id")}
        rows: dict[str, list[sqlite3.Row]] = defaultdict(list)
        for row in self._db.execute("SELECT * FROM offers ORDER BY rowid"):
            rows[row["good"]].append(row)
        for own, row in goods.items():  # 2.03 and 2.04 have variants among the goods
            if "#" in own:
                rows[own.partition("#")[0]].append(row)
        for own in dict.fromkeys((*(one for one in goods if "#" not in one), *sorted(rows))):
            yield from self._product(own, goods.get(own), rows.get(own, []))

    def _product(
        self, own: str, good: sqlite3.Row | None, rows: Sequence[sqlite3.Row]
    ) -> Iterator[tuple[str, Offer, Mapping[str, Any]]]:
        bare = next((row for row in rows if row["id"] == own), None)
        head = {**(_fields(bare) if bare else {}), **(_fields(good) if good else {})}
        if bare is not None:
            told = _fields(bare)
            head |= {name: told[name] for name in ("prices", "stock") if name in told}
        variants: dict[str, dict[str, Any]] = {}
        gone: dict[str, bool] = {}
        for row in rows:
            if "#" in row["id"]:
                variants[row["id"]] = {**variants.get(row["id"], {}), **_fields(row)}
                gone[row["id"]] = gone.get(row["id"], False) or _gone(row)
        if good is None and not variants and not (head.get("name") or head.get("article")):
            return  # a price or a number of something that was never named
        if good is None and variants:
            first = next(iter(variants.values()))
            head = {**{n: v for n, v in first.items() if n not in ("options", "prices", "stock", "barcode")}, **head}
            head["name"] = head.get("name", "").rpartition(" (")[0] or head.get("name", "")
        shown = not _gone(good) if good is not None else not all(gone.values()) if variants else True
        if not variants:
            yield own, self._offer(own, own, "single", head, shown), head
            return
        if "prices" not in head:
            head["prices"] = _cheapest(variants.values())
        yield own, self._offer(own, own, "base", head, shown), head
        for one, fields in variants.items():
            whole = {**{n: v for n, v in head.items() if n in _INHERITED}, **fields}
            yield one, self._offer(one, own, "variant", whole, shown and not gone[one], of=head), whole

    def _offer(
        self, own: str, product: str, kind: Literal["single", "base", "variant"], fields: Mapping[str, Any],
        shown: bool, of: Mapping[str, Any] | None = None,
    ) -> Offer:  # fmt: skip
        article = fields.get("article", "")
        if of is not None and self._settings.variant_articles == "own" and article == of.get("article"):
            article = ""
        found = {"sku": article, "code": fields.get("code", ""), "barcode": fields.get("barcode", ""), "id": own}
        values: dict[str, Any] = {
            "name": fields.get("name", ""),
            "description": fields.get("description", ""),
            "unit": fields.get("unit", ""),
            "barcode": fields.get("barcode", ""),
            "manufacturer": fields.get("manufacturer", ""),
            "weight": Decimal(fields["weight"]) if fields.get("weight") else None,
            "published": shown,
        }
        paths = tuple(path for one in fields.get("groups", ()) if (path := self._path(one)))
        values["category"], values["categories"] = (paths[0] if paths else ()), paths
        if kind == "variant":
            values["options"] = dict(fields.get("options", {}))
        if self._settings.image_url is not None:
            address = self._settings.image_url
            values["images"] = tuple(f"{address}{path}" for path in fields.get("images", ()))
        values |= self._prices(fields)
        keys = {name: value for name, value in found.items() if value}
        return Offer(id=own, product=product, kind=kind, keys=keys, values=values)

    def _prices(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        money = self._currency
        prices: Mapping[str, Mapping[str, str]] = fields.get("prices", {})
        for name, kind in self._wanted().items():
            price = prices.get(kind)
            if price is None:
                found[name] = None
                continue
            amount = Decimal(price["price"])
            if self._settings.pack_prices == "multiply" and price.get("factor"):
                amount *= Decimal(price["factor"])
            found[name] = amount
            if name == "price":
                said = price.get("currency") or next((one["currency"] for one in self._types if one["id"] == kind), "")
                try:
                    money = currency(said, self._currency)
                except BadValue:
                    money = self._currency
        return {**found, "currency": money}

    def _wanted(self) -> Mapping[str, str]:
        """Price of ours -> id of its type. Raises Refused where that cannot be told."""
        if self._kinds is None:
            self._kinds = {name: self._type(said) for name, said in self._settings.prices.items()}
            if "price" not in self._kinds:
                left = [one["id"] for one in self._types if one["id"] not in self._kinds.values()]
                if len(left) > 1:
                    names = ", ".join(one["name"] or one["id"] for one in self._types)
                    raise Refused(
                        T(
                            "There are several price types, and none is said to be the price: {names}.",
                            names=names[:300],
                        ),
                        code="price-type",
                        who=Who.ADMIN,
                        hint=T("Say it in the connection: {example}", example="prices: {price: …}"),
                    )
                self._kinds["price"] = left[0] if left else ""
        return self._kinds

    def _type(self, said: str) -> str:
        folded = said.strip().casefold()
        found = [one["id"] for one in self._types if folded in (one["id"].casefold(), one["name"].casefold())]
        if len(found) == 1 or not self._types:
            return found[0] if found else said
        names = ", ".join(one["name"] or one["id"] for one in self._types)
        raise Refused(
            T("There is not just one price type {name}; there are: {names}.", name=said, names=names[:300]),
            code="price-type",
            who=Who.ADMIN,
            hint=T("Correct `prices` of this connection."),
        )

    def _path(self, group: str) -> tuple[str, ...]:
        path: list[str] = []
        seen: set[str] = set()
        while group in self._groups and group not in seen:
            seen.add(group)
            if name := self._groups[group]["name"]:
                path.insert(0, name)
            group = self._groups[group]["parent"]
        return tuple(path)


_INHERITED = ("article", "code", "description", "unit", "groups", "images", "manufacturer", "weight", "prices", "name")


def traits(settings: CommerceMLSettings) -> OfferTraits:
    """What is told of offers."""
    reads = _READS | {"price", *settings.prices} | ({"images"} if settings.image_url is not None else set())
    return OfferTraits(keys=KEYS, reads=reads, batch=settings.batch)


def _fields(row: sqlite3.Row) -> dict[str, Any]:
    return dict(json.loads(row["fields"]))


def _gone(row: sqlite3.Row) -> bool:
    return bool(row["deleted"] or row["hidden"])


def _cheapest(variants: Any) -> dict[str, dict[str, str]]:
    """Of each type the lowest price that a variant has."""
    found: dict[str, dict[str, str]] = {}
    for fields in variants:
        for kind, price in fields.get("prices", {}).items():
            if kind not in found or Decimal(price["price"]) < Decimal(found[kind]["price"]):
                found[kind] = price
    return found


def braked(session: int, left: Left) -> Finding:
    """The words for a session that left out too many."""
    return Finding(
        "brake",
        T(
            "Session {n} left out {gone} of {shown} goods: none was hidden.",
            n=session,
            gone=len(left.goods),
            shown=left.shown,
        ),
        hint=T("If that is right: {command}", command=f"mistok commerceml hide {session}"),
        who=Who.ADMIN,
    )
