"""What Dilovod tells of goods, prices and stock, as offers and levels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from pipeline.api import Offer, OfferTraits, Ref, StockLevel, cents
from plugins.systems.dilovod.names import KIT_POLICY
from plugins.systems.dilovod.settings import DilovodSettings
from plugins.systems.dilovod.values import ZERO, Row, flag, link, name_in, number, text

SKU, CODE = "sku", "code"
#: Attributes of ``catalogs.goods`` -> aliases; those that a base lacks are not asked for.
GOOD_FIELDS: Mapping[str, str] = {
    "id": "id",
    "code": "code",
    "productNum": "sku",
    "name": "name",
    "parent": "parent",
    "isGroup": "isGroup",
    "delMark": "delMark",
    "mainUnit": "unit",
    "accPolicy": "policy",
    "tradeMark": "tradeMark",
    "description": "description",
    "weight": "weight",
}


def traits(settings: DilovodSettings) -> OfferTraits:
    """Goods are told, and never written; each is an offer of its own."""
    reads = {"name", "description", "price", "currency", "category", "unit", "barcode", "manufacturer"}
    reads |= {f"price.{kind}" for kind in settings.prices}
    if settings.cost is not None:
        reads.add("price.cost")
    if settings.weight is not None:
        reads.add("weight")
    return OfferTraits(keys=(SKU, CODE), reads=frozenset(reads), variants="flat")


@dataclass(frozen=True, slots=True)
class Good:
    """A row of ``catalogs.goods``."""

    id: str
    code: str
    article: str
    name: str
    parent: str
    group: bool
    marked: bool
    unit: str
    policy: str
    trade_mark: str
    description: str
    weight: Decimal | None

    @classmethod
    def of(cls, row: Row, language: str) -> Good | None:
        """None for a row without an id."""
        own = link(row.get("id"))
        if not own:
            return None
        return cls(
            id=own,
            code=text(row.get("code")).strip(),
            article=text(row.get("sku")).strip(),
            name=name_in(row, "name", language),
            parent=link(row.get("parent")),
            group=flag(row.get("isGroup")),
            marked=flag(row.get("delMark")),
            unit=link(row.get("unit")),
            policy=link(row.get("policy")),
            trade_mark=link(row.get("tradeMark")),
            description=text(row.get("description")),
            weight=number(row.get("weight")),
        )

    @property
    def sold(self) -> bool:
        """Whether it is a good, and none that is to be deleted."""
        return not self.group and not self.marked

    @property
    def ref(self) -> Ref:
        """As documents refer to it."""
        return Ref(self.id, self.article, self.name)


def paths(goods: Iterable[Good]) -> dict[str, tuple[str, ...]]:
    """The folders of goods by id, each as its path from the root down."""
    folders = {good.id: good for good in goods if good.group}

    def path(id_: str) -> tuple[str, ...]:
        names: list[str] = []
        seen: set[str] = set()
        while id_ in folders and id_ not in seen:
            seen.add(id_)
            names.append(folders[id_].name)
            id_ = folders[id_].parent
        return tuple(reversed([name for name in names if name]))

    return {id_: path(id_) for id_ in folders}


@dataclass(frozen=True, slots=True)
class Priced:
    """A price of a good: 0 and below is none."""

    amount: Decimal | None
    currency: str  #: ISO 4217


@dataclass(frozen=True, slots=True)
class Around:
    """What goods refer to, by id."""

    settings: DilovodSettings
    currency: str  #: of the client
    units: Mapping[str, str] | None = None  #: names; None: they may not be read
    trade_marks: Mapping[str, str] | None = None
    prices: Mapping[str, Mapping[str, Priced]] = field(default_factory=dict)  #: kind -> good -> price
    costs: Mapping[str, Decimal] | None = None  #: mean cost by good, where cost is by the balance
    barcodes: Mapping[str, str] | None = None


def offers(goods: Sequence[Good], around: Around) -> Iterator[Offer]:
    """Every good that is not to be deleted, by id."""
    folders = paths(goods)
    for good in sorted(goods, key=lambda one: one.id):
        if good.sold:
            yield _offer(good, folders, around)


def _offer(good: Good, folders: Mapping[str, tuple[str, ...]], around: Around) -> Offer:
    settings = around.settings
    retail = around.prices["retail"].get(good.id, Priced(None, ""))
    currency = retail.currency or around.currency
    values: dict[str, Any] = {
        "name": good.name,
        "description": good.description,
        "price": retail.amount,
        "currency": currency,
        "category": folders.get(good.parent, ()),
    }
    for kind, known in around.prices.items():
        if kind == "retail":
            continue
        one = known.get(good.id, Priced(None, currency))
        if one.currency in ("", currency):  # an offer has one currency: a price in another one is not told
            values[f"price.{kind}"] = one.amount
    if around.costs is not None and good.id in around.costs and currency == around.currency:
        values["price.cost"] = around.costs[good.id]
    if around.units is not None:
        values["unit"] = around.units.get(good.unit, "")
    if around.trade_marks is not None:
        values["manufacturer"] = around.trade_marks.get(good.trade_mark, "")
    if around.barcodes is not None:
        values["barcode"] = around.barcodes.get(good.id, "")
    if settings.weight is not None:
        values["weight"] = _kilograms(good.weight, settings.weight)
    keys = {name: value for name, value in ((SKU, good.article), (CODE, good.code)) if value}
    return Offer(id=good.id, product=good.id, keys=keys, values=values)


def _kilograms(weight: Decimal | None, unit: str) -> Decimal | None:
    if not weight or weight < 0:
        return None
    return (weight / 1000 if unit == "g" else weight).normalize() + ZERO


def prices(
    rows: Iterable[Row], types: Mapping[str, str], currencies: Mapping[str, str]
) -> dict[str, dict[str, Priced]]:
    """Rows of ``goodsPrices`` by kind and good.

    Args:
        types: kind -> id of its price type; several kinds may be of one.
        currencies: id -> ISO code.
    """
    found: dict[str, dict[str, Priced]] = {kind: {} for kind in types}
    for row in rows:
        good, amount, of = link(row.get("good")), number(row.get("price")), link(row.get("priceType"))
        for kind, type_ in types.items():
            if type_ == of and good:
                usable = amount if amount is not None and amount > 0 else None
                # prices have five places there, and cents here
                found[kind][good] = Priced(
                    cents(usable) if usable else None, currencies.get(link(row.get("currency")), "")
                )
    return found


def barcodes(rows: Iterable[Row]) -> dict[str, str]:
    """The barcode of each good: an active one, not of a batch; of several the first by number."""
    found: dict[str, str] = {}
    for row in rows:
        good, code = link(row.get("object")), text(row.get("code")).strip()
        active = row.get("activity") in (None, "") or flag(row.get("activity"))
        if good and code and active and not link(row.get("goodPart")):
            found[good] = min(code, found.get(good, code))
    return found


def costs(rows: Iterable[Row]) -> dict[str, Decimal]:
    """The mean cost of each good of which something lies there; of others nothing is known."""
    sums: dict[str, list[Decimal]] = {}
    for row in rows:
        qty, amount, good = number(row.get("qty")), number(row.get("amount")), link(row.get("good"))
        if good and qty is not None and amount is not None:
            both = sums.setdefault(good, [ZERO, ZERO])
            both[0] += qty
            both[1] += amount
    return {good: cents(amount / qty) for good, (qty, amount) in sums.items() if qty > 0 and amount > 0}


# --- stock -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Balances:
    """What lies in storages, and what orders reserve of it: (good, storage) -> quantity."""

    lies: Mapping[tuple[str, str], Decimal]
    reserved: Mapping[tuple[str, str], Decimal]
    kits: Mapping[str, Sequence[tuple[str, Decimal]]] = field(default_factory=dict)  #: kit -> components


def summed(rows: Iterable[Row], resource: str) -> dict[tuple[str, str], Decimal]:
    """Quantities of a balance by good and storage."""
    found: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        good, qty = link(row.get("good")), number(row.get(resource))
        if good and qty:
            place = (good, link(row.get("storage")))
            found[place] = found.get(place, ZERO) + qty
    return found


def reserves(rows: Iterable[Row]) -> dict[tuple[str, str], Decimal]:
    """What orders reserve by good and storage. An order of which less than nothing is reserved frees nothing of others:
    that is what is left of one that was unposted after its shipment."""
    of_order: dict[tuple[str, str, str], Decimal] = {}
    for row in rows:
        good, qty = link(row.get("good")), number(row.get("qtyReserve"))
        if good and qty:
            place = (good, link(row.get("storage")), link(row.get("baseDoc")))
            of_order[place] = of_order.get(place, ZERO) + qty
    found: dict[tuple[str, str], Decimal] = {}
    for (good, storage, _order), qty in of_order.items():
        if qty > 0:
            found[good, storage] = found.get((good, storage), ZERO) + qty
    return found


def components(rows: Iterable[Row]) -> dict[str, list[tuple[str, Decimal]]]:
    """Rows of the table part of kits."""
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for row in rows:
        kit, good, qty = link(row.get("owner")), link(row.get("good")), number(row.get("qty"))
        if kit and good and qty and qty > 0:
            found.setdefault(kit, []).append((good, qty))
    return found


def levels(
    goods: Iterable[Good], storages: Mapping[str, str], balances: Balances, settings: DilovodSettings, services: str
) -> Iterator[StockLevel]:
    """A level for each good and each of ``storages`` (id -> name): a good without a row lies nowhere."""
    for good in sorted(goods, key=lambda one: one.id):
        if not good.sold:
            continue
        kit = balances.kits.get(good.id, ()) if settings.kits == "components" and good.policy == KIT_POLICY else ()
        for storage, name in storages.items():
            place = (good.id, storage)
            lies, held = balances.lies.get(place, ZERO), balances.reserved.get(place, ZERO)
            if kit:
                lies, held = _kits(kit, storage, balances), ZERO
            counted = not services or good.policy != services
            yield StockLevel(good.article, name, lies, max(held, ZERO), offer=good.id, counted=counted)


def _kits(parts: Sequence[tuple[str, Decimal]], storage: str, balances: Balances) -> Decimal:
    """How many whole kits the components in a storage make."""
    made = []
    for good, qty in parts:
        free = balances.lies.get((good, storage), ZERO) - balances.reserved.get((good, storage), ZERO)
        made.append((max(free, ZERO) / qty).to_integral_value(ROUND_FLOOR))
    return min(made)
