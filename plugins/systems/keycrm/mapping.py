"""Goods of KeyCRM, as a sync sees them: products, their offers, categories and stock. Pure.

Field names are those of the vendor's OpenAPI document (1.2.0), schemas Product, Offer, OfferStocks and Category, and of
recorded live answers. What carries an article and a price in KeyCRM is an *offer*: a variant, or the one offer of a
product without variants. Such a product with its offer is told as a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.api import Finding, Offer, OfferTraits, StockLevel, T, Who, paths_of_parents
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.keycrm.specials import Specials
from plugins.systems.keycrm.values import Row, flag, ident, moment, number, rows, text

KEY = "sku"
#: Ids of products begin with it, as an offer and a product may have the same number.
PRODUCT = "p"
#: What a product bears as its article until it has got its first variant (see ``creating``); where KeyCRM keeps an
#: offer of it beside the variants, nobody sells that.
SCAFFOLD = "base:"
PICTURES = 6  #: a product takes no more

#: Our field -> KeyCRM's, of an offer, and of a product that has no variants.
PRICES = {"price": "price", "price.cost": "purchased_price"}
SIZES = ("weight", "length", "width", "height")
OF_OFFER = (*PRICES, *SIZES)  #: what a bulk write of offers changes
OF_PRODUCT = ("name", "description", "category", "images", "unit", "barcode", "currency", "specials")
#: What cannot be changed of a variant that is there.
FIXED = frozenset({"barcode", "currency"})

_KILOGRAMS = {"kg": Decimal(1), "g": Decimal("0.001")}
_CENTIMETRES = {"mm": Decimal("0.1"), "cm": Decimal(1), "m": Decimal(100)}
ZERO = Decimal(0)


def traits(settings: KeyCrmSettings) -> OfferTraits:
    """What KeyCRM can do as an end of a sync. There is no filter by time for products, offers and stock."""
    written = {"name", "description", "category", "images", "unit", "barcode", "currency", *OF_OFFER}
    if settings.special is not None:
        written.add("specials")
    fields = frozenset(written)
    return OfferTraits(
        keys=(KEY,),
        reads=fields | {"options", "published"},
        writes=fields,
        creates=fields | {"options"},
        fixed=FIXED,
        dated_specials=settings.special is not None,
        batch=settings.batch,
    )


@dataclass(frozen=True, slots=True)
class Units:
    """The account's units of weight and length, by the kilogram and the centimetre."""

    kilograms: Decimal = Decimal(1)
    centimetres: Decimal = Decimal(1)

    @classmethod
    def of(cls, settings: KeyCrmSettings) -> Units:
        """As the settings say."""
        return cls(_KILOGRAMS[settings.weight_unit], _CENTIMETRES[settings.size_unit])

    def _factor(self, name: str) -> Decimal:
        return self.kilograms if name == "weight" else self.centimetres

    def read(self, name: str, value: object) -> Decimal | None:
        """A size of KeyCRM in our units, exactly."""
        found = number(value)
        return None if found is None else plain(found * self._factor(name))

    def write(self, name: str, value: Decimal) -> Decimal:
        """A size of ours in the account's unit, exactly (all factors are powers of ten)."""
        return plain(value / self._factor(name))


def plain(value: Decimal) -> Decimal:
    """The same number without zeros behind the point, and never as ``1E+2``."""
    short = value.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


# --- categories ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tree:
    """The categories: each one's path from the root down, and the id of each path; ``findings``: which have none."""

    paths: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    ids: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, found: Iterable[Row]) -> Tree:
        """Of a flat list in any order. A parent that is not there is no parent; see :func:`paths_of_parents`.

        Of two with one path the older (smaller id) is meant by it.
        """
        names: dict[int, str] = {}
        parents: dict[int, int] = {}
        for row in found:
            number_ = ident(row.get("id"))
            if number_ is not None:
                names[number_], parents[number_] = text(row.get("name")), ident(row.get("parent_id")) or 0
        paths, findings = paths_of_parents(parents, names)
        return cls(paths, {paths[one]: one for one in sorted(paths, reverse=True)}, findings)

    def with_one(self, number_: int, path: tuple[str, ...]) -> Tree:
        """The same with one more."""
        return Tree({**self.paths, number_: path}, {**self.ids, path: number_}, self.findings)


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Goods:
    """What it takes to tell products: settings, the category tree, who reads special prices, and who hears of what
    cannot be read."""

    settings: KeyCrmSettings
    tree: Tree = field(default_factory=Tree)
    specials: Specials | None = None
    units: Units = field(default_factory=Units)
    notice: Callable[[Finding], None] = lambda _finding: None

    @classmethod
    def of(
        cls,
        settings: KeyCrmSettings,
        tree: Tree,
        specials: Specials | None,
        notice: Callable[[Finding], None] = lambda _finding: None,
    ) -> Goods:
        """With the units of the settings."""
        return cls(settings, tree, specials, Units.of(settings), notice)

    def offers(self, product: Row, own: Sequence[Row]) -> Iterator[Offer]:
        """A product as offers: the single one, or the base and its variants.

        Args:
            product: a row of ``/products``, or ``product`` of a row of ``/offers?include=product``.
            own: its rows of ``/offers``; there may be none.
        """
        number_ = ident(product.get("id"))
        assert number_ is not None, "whoever reads pages looks at this first"
        base = f"{PRODUCT}{number_}"
        values = self._of_product(product)
        updated = moment(product.get("updated_at"))
        if not flag(product.get("has_offers")):
            row = own[0] if own else product
            name = str(ident(row.get("id"))) if own else base
            sizes = self._sizes(row) if own else {}
            values |= self._sizes(product)
            values.update((size, value) for size, value in sizes.items() if value is not None)
            values |= {**self._prices(row), "barcode": text(row.get("barcode"))}
            yield Offer(id=name, product=name, keys=_keys(row), values=values, updated_at=_latest(updated, row))
            return
        values |= self._sizes(product)
        yield Offer(id=base, product=base, kind="base", values=values, updated_at=updated)
        shared: dict[str, Any] = {name: values[name] for name in ("currency", "specials") if name in values}
        for row in own:
            if _is_shell(row):
                continue
            sizes = {name: value for name, value in self._sizes(row).items() if value is not None}
            yield Offer(
                id=str(ident(row.get("id"))),
                product=base,
                kind="variant",
                keys=_keys(row),
                # a size that a variant has not got is that of its product
                values={**shared, **sizes, **self._prices(row), **_named(row)},
                updated_at=_latest(updated, row),
            )

    def _of_product(self, product: Row) -> dict[str, Any]:
        values: dict[str, Any] = {
            "name": text(product.get("name")),
            "description": text(product.get("description")),
            "images": _images(product),
            "unit": text(product.get("unit_type")) or self.settings.unit,
            "published": not flag(product.get("is_archived")),
        }
        currency = text(product.get("currency_code")).strip().upper()
        if len(currency) == 3 and currency.isascii() and currency.isalpha():
            values["currency"] = currency
        category = ident(product.get("category_id"))
        if category is None:
            values["category"] = ()
        elif category in self.tree.paths:  # else it is not known, and not nothing
            values["category"] = self.tree.paths[category]
        if self.specials is not None and "custom_fields" in product:
            found = self.specials.read(rows(product["custom_fields"]), values.get("currency", ""))
            if found is not None:
                values["specials"] = found
            else:
                self.notice(_no_special(product))
        return values

    def _prices(self, row: Row) -> dict[str, Any]:
        """Null is no price, and a price that is no number is not known: told, and left out."""
        found = {name: row.get(theirs) for name, theirs in PRICES.items() if theirs in row}
        return {name: number(value) for name, value in found.items() if self._readable(row, PRICES[name], value)}

    def _sizes(self, row: Row) -> dict[str, Decimal | None]:
        found = {name: row.get(name) for name in SIZES}
        return {name: self.units.read(name, value) for name, value in found.items() if self._readable(row, name, value)}

    def _readable(self, row: Row, name: str, value: object) -> bool:
        if value is None or number(value) is not None:
            return True
        self.notice(_no_number(row, name, value))
        return False


def _called(row: Row) -> str:
    """A row in words: by its article, else its number."""
    return text(row.get("sku")).strip() or f"#{ident(row.get('id'))}"


def _no_number(row: Row, name: str, value: object) -> Finding:
    return Finding(
        "number-unreadable",
        T("{article}: `{name}` is `{value}`, which is no number. It is left as it is.",
          article=_called(row), name=name, value=str(value)[:40]),
        hint=T("Correct it in KeyCRM."),
        who=Who.SITE, about=f"{name}:{_called(row)}:{ident(row.get('id'))}",
    )  # fmt: skip


def _no_special(product: Row) -> Finding:
    return Finding(
        "special-unreadable",
        T("The special price of {title} cannot be read: it is left as it is.",
          title=text(product.get("name")).strip() or _called(product)),
        hint=T("Correct its price and days in the custom fields of KeyCRM."),
        who=Who.SITE, about=f"special:{ident(product.get('id'))}",
    )  # fmt: skip


def _keys(row: Row) -> dict[str, str]:
    article = text(row.get("sku"))
    return {KEY: article} if article.strip() else {}


def _is_shell(row: Row) -> bool:
    """What may be left of the one offer of a product that has got variants: nobody sells it."""
    article = text(row.get("sku"))
    return article.startswith(SCAFFOLD) or not (article.strip() or _options(row))


def _images(product: Row) -> tuple[str, ...]:
    listed = product.get("attachments_data")
    urls = [one.strip() for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    first = text(product.get("thumbnail_url")).strip()
    return tuple(dict.fromkeys(url for url in urls or [first] if url))


def _named(row: Row) -> dict[str, Any]:
    return {"barcode": text(row.get("barcode")), "options": _options(row)}


def _options(row: Row) -> dict[str, str]:
    """Properties with a name and a value; of two with one name the values stand together."""
    found: dict[str, str] = {}
    for one in rows(row.get("properties")):
        name, value = text(one.get("name")).strip(), text(one.get("value")).strip()
        if name and value and value not in found.get(name, "").split(", "):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _latest(one: datetime | None, row: Row) -> datetime | None:
    other = moment(row.get("updated_at"))
    return max(one, other) if one and other else one or other


# --- stock -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """What lies in one warehouse."""

    warehouse: int
    name: str
    quantity: Decimal
    reserve: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """The stock of one offer. ``places`` None: it is not told by warehouse, only the total."""

    offer: str
    article: str
    places: tuple[Place, ...] | None
    total: Place

    def place(self, warehouse: int) -> Place:
        """Its row of a warehouse; nothing where it has none."""
        found = (one for one in self.places or () if one.warehouse == warehouse)
        return next(found, Place(warehouse, "", ZERO, ZERO))


def balance(row: Row) -> Balance | None:
    """A row of ``/offers/stocks``; None where a quantity is no number: it is not known, and not 0."""
    number_ = ident(row.get("id"))
    total = _place(row, 0)
    if number_ is None or total is None:
        return None
    places: list[Place] | None = None
    if isinstance(row.get("warehouse"), list):
        places = []
        for one in rows(row["warehouse"]):
            warehouse = ident(one.get("id"))
            place = _place(one, warehouse) if warehouse else None
            if place is None:
                return None
            places.append(place)
    return Balance(str(number_), text(row.get("sku")), tuple(places) if places is not None else None, total)


def _place(row: Row, warehouse: int) -> Place | None:
    """Null is nothing: an offer that never lay anywhere."""
    found = [ZERO if row.get(name) is None else number(row.get(name)) for name in ("quantity", "reserve")]
    quantity, reserve = found
    if quantity is None or reserve is None:
        return None
    return Place(warehouse, text(row.get("name")).strip(), quantity, reserve)


@dataclass(frozen=True, slots=True)
class Warehouses:
    """The warehouses by the codes that jobs use."""

    ids: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)  #: in KeyCRM, as far as seen

    @classmethod
    def of(cls, named: Mapping[str, int], seen: Iterable[Balance] = ()) -> Warehouses:
        """Those that the settings name; else all that were seen, by their names (with the id where two have one)."""
        names: dict[int, str] = {}
        for one in seen:
            names.update((place.warehouse, place.name or str(place.warehouse)) for place in one.places or ())
        if named:
            return cls(dict(named), names)
        count = list(names.values()).count
        ids = {name if count(name) == 1 else f"{name} ({one})": one for one, name in sorted(names.items())}
        return cls(ids, names)

    def code(self, warehouse: int) -> str | None:
        """Its code; None for one that no job may know."""
        return next((code for code, one in self.ids.items() if one == warehouse), None)


def levels(found: Iterable[Balance], warehouses: Warehouses) -> Iterator[StockLevel]:
    """One level for each offer and warehouse, also of 0: where an offer has no row, nothing of it lies there.

    A total is told only where KeyCRM tells nothing by warehouse.
    """
    for one in found:
        if one.places is None:
            yield StockLevel(one.article, "", one.total.quantity, max(one.total.reserve, ZERO), one.offer)
            continue
        for code, warehouse in warehouses.ids.items():
            place = one.place(warehouse)
            yield StockLevel(one.article, code, place.quantity, max(place.reserve, ZERO), one.offer)


def with_reserve(wanted: Decimal, place: Place, *, on_hand: bool) -> Decimal:
    """What is to lie in a warehouse, so that ``wanted`` may be sold of it: the warehouse's own reserve besides."""
    return wanted if on_hand else wanted + max(place.reserve, ZERO)


# --- writing ---------------------------------------------------------------------------------------------------------


def offer_body(values: Mapping[str, Any], units: Units) -> dict[str, Any]:
    """What changes of an offer, as ``PUT /offers`` takes it (without its id). Null is nothing: it empties a size."""
    body: dict[str, Any] = {}
    for name in OF_OFFER:
        if name in values:
            value = values[name]
            body[PRICES.get(name, name)] = units.write(name, value) if name in SIZES and value is not None else value
    return body


def product_body(
    values: Mapping[str, Any],
    goods: Goods,
    category: int | None,
    *,
    article: str | None = None,
    currency: object = "",
) -> dict[str, Any]:
    """What changes of a product, as ``PUT /products/{id}`` takes it; with ``article`` as ``POST /products`` does.

    Args:
        category: id of the category that ``values`` name by its path.
        currency: that the product has already.
    """
    body: dict[str, Any] = {} if article is None else {"sku": article}
    names = {"name": "name", "description": "description", "barcode": "barcode", "currency": "currency_code"}
    body |= {theirs: values[name] or "" for name, theirs in names.items() if name in values}
    if "unit" in values:
        body["unit_type"] = values["unit"] or goods.settings.unit
    if "images" in values:
        body["pictures"] = list(values["images"] or ())[:PICTURES]
    if "category" in values:
        body["category_id"] = category
    if "specials" in values and goods.specials is not None:
        body["custom_fields"] = goods.specials.write(values["specials"] or (), values.get("currency") or currency)
    return body | offer_body(values, goods.units)


def variant_body(offer: Offer, units: Units) -> dict[str, Any]:
    """A new variant, as ``POST /products/{id}/offers`` takes it. Options without a value would be dropped there."""
    values = {name: value for name, value in offer.values.items() if value is not None}
    body = {"sku": offer.keys[KEY], **offer_body(values, units)}
    if values.get("barcode"):
        body["barcode"] = values["barcode"]
    options = [{"name": name, "value": value} for name, value in values.get("options", {}).items() if name and value]
    return {**body, "properties": options} if options else body


def without_nothing(offer: Offer) -> Offer:
    """The same without fields that are empty: what is made new needs no emptying."""
    kept = {name: value for name, value in offer.values.items() if value not in (None, "", (), {})}
    return replace(offer, values=kept)
