"""Quincefin's goods, prices and balances as ours. Pure.

Names of fields that the articles do not show come from the settings; the rest was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.api import NewProduct, Offer, OfferTraits, Ref, StockLevel, normal_form, tidy
from plugins.systems.quincefin.settings import FieldNames, QuincefinSettings
from plugins.systems.quincefin.values import Row, flag, moment, number, own, refers, text

PRODUCT, SERVICE, PRICE, PRICE_TYPE = "product", "service", "price", "price_type"
#: Goods of each kind are a list of their own, as a kind that nobody asks for is not told: plain goods, kits, own
#: production, SKUs (concrete variants), and bases of SKUs.
GOODS, BASE, SKU = ("P", "K", "M", "U"), "B", "U"
KEY = "sku"


_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Good:
    """Goods, or a service, as far as documents and syncs need it."""

    id: int
    kind: str  #: ``P``, ``K``, ``M``, ``U``, ``B``; blank: a service
    article: str
    name: str
    unit: str = ""
    barcode: str = ""
    base: int | None = None
    folder: int | None = None
    row: Row | None = None

    @property
    def ref(self) -> Ref:
        """As a document refers to it."""
        return Ref(str(self.id), self.article, self.name)


def good(row: Row, fields: FieldNames, kind: str) -> Good | None:
    """A row of ``/product/list`` or ``/service/list``; None for what is archived."""
    key = own(row)
    if key is None or flag(row.get("Archive")):
        return None
    return Good(
        id=key,
        kind=text(row.get("Kind")) or kind,
        article=text(row.get(fields.article)).strip(),
        name=tidy(text(row.get("Name"))),
        unit=text(row.get(fields.unit)).strip() if fields.unit else "",
        barcode=text(row.get(fields.barcode)).strip() if fields.barcode else "",
        base=refers(row.get(fields.base)) if fields.base else None,
        folder=refers(row.get("ParentFolder")),
        row=row,
    )


class Goods:
    """Goods by article and by name; those of one key by id, the oldest first."""

    def __init__(self, goods: Iterable[Good]) -> None:
        self.by_id: dict[int, Good] = {}
        self._articles: dict[str, list[Good]] = {}
        self._forms: dict[str, list[Good]] = {}
        self._names: dict[str, list[Good]] = {}
        for one in sorted(goods, key=lambda one: one.id):
            self.put(one)

    def put(self, one: Good) -> None:
        """Know one more."""
        if one.id in self.by_id:
            return
        self.by_id[one.id] = one
        if one.article:
            self._articles.setdefault(one.article, []).append(one)
            self._forms.setdefault(normal_form(one.article), []).append(one)
        if one.name:
            self._names.setdefault(name_key(one.name), []).append(one)

    def with_article(self, article: str) -> Sequence[Good]:
        """All that match: exactly, else by normal form."""
        wanted = article.strip()
        if not wanted:
            return ()
        return self._articles.get(wanted) or self._forms.get(normal_form(wanted)) or ()

    def with_name(self, name: str) -> Sequence[Good]:
        """All of just this name, blanks and case aside."""
        return self._names.get(name_key(name), ()) if name.strip() else ()


def name_key(name: str) -> str:
    """What two names must have in common to be the same."""
    return tidy(name).casefold()


def sold(one: Good) -> bool:
    """Whether a document can name it: a base is sold by its SKUs alone."""
    return one.kind != BASE


# --- new cards -------------------------------------------------------------------------------------------------------


def card(new: NewProduct, settings: QuincefinSettings, *, base: int | None = None) -> dict[str, Any]:
    """The body of ``/product/add`` or ``/service/add``: the card alone, without prices, sizes and stock."""
    fields = settings.fields
    name = variant_name(new)
    if new.service:
        body: dict[str, Any] = {"Name": name, fields.article: new.code, fields.unit: new.unit}
        folder = settings.service_folder
    else:
        body = {"Name": name, "Kind": SKU if new.base else "P", fields.article: new.code}
        body |= {fields.unit: new.unit, fields.barcode: new.barcode}
        folder = settings.product_folder
        if base is not None:
            body[fields.base] = base
    if folder is not None:
        body["ParentFolder"] = folder
    return {name: value for name, value in body.items() if name and value not in (None, "")}


def base_card(new: NewProduct, settings: QuincefinSettings) -> dict[str, Any]:
    """The body of the base that a variant needs."""
    body: dict[str, Any] = {"Name": tidy(new.base_name) or new.base, "Kind": BASE, settings.fields.article: new.base}
    if settings.product_folder is not None:
        body["ParentFolder"] = settings.product_folder
    return body


def variant_name(new: NewProduct) -> str:
    """Its name; that of a variant has its options, so that two variants are never called alike."""
    name = tidy(new.name) or tidy(new.base_name) or new.code
    if new.base and name_key(name) == name_key(new.base_name):
        options = ", ".join(value for value in map(tidy, new.options.values()) if value)
        return f"{name}, {options}" if options else name
    return name


# --- offers, prices, stock -------------------------------------------------------------------------------------------


def traits(settings: QuincefinSettings) -> OfferTraits:
    """What the account is as an end of a sync: it tells its goods, and takes none."""
    prices = {"price" if kind == "retail" else f"price.{kind}" for kind in settings.price_types}
    reads = {"name", "category", "published", *prices, *({"currency"} if prices else ())}
    reads |= {name for name in ("unit", "barcode") if getattr(settings.fields, name)}
    return OfferTraits(keys=(KEY,), reads=frozenset(reads))


@dataclass(frozen=True, slots=True)
class PriceTag:
    """A price that holds now."""

    amount: Decimal
    currency: str


def prices(rows: Iterable[Row], now: datetime, zone: str) -> dict[tuple[int, int], PriceTag]:
    """By goods and price type the price with the newest day that is not after ``now``; of one day the newer row."""
    newest: dict[tuple[int, int], tuple[datetime, int, PriceTag]] = {}
    for row in rows:
        product, kind, amount = refers(row.get("Product")), refers(row.get("PriceType")), number(row.get("Price"))
        start = moment(row.get("Date"), zone)
        if product is None or kind is None or amount is None or start is None or start > now:
            continue
        currency = text(row.get("Currency")).strip().upper()
        if currency and not _CURRENCY.fullmatch(currency):
            continue  # how much it is nobody knows
        tag = PriceTag(amount, currency)
        entry = (start, own(row) or 0, tag)
        before = newest.get((product, kind))
        if before is None or before[:2] < entry[:2]:
            newest[product, kind] = entry
    return {key: entry[2] for key, entry in newest.items()}


def folders(rows: Iterable[Row]) -> dict[int, tuple[str, ...]]:
    """Each folder's path from the root down. A folder that stands in itself ends its path there."""
    known = {key: row for row in rows if (key := own(row)) is not None}

    def path(key: int | None, below: frozenset[int]) -> tuple[str, ...]:
        row = known.get(key) if key is not None else None
        if row is None or key is None or key in below:
            return ()
        return (*path(refers(row.get("ParentFolder")), below | {key}), text(row.get("Name")).strip() or str(key))

    return {key: path(key, frozenset()) for key in known}


def offers(
    goods: Sequence[Good],
    tags: Mapping[tuple[int, int], PriceTag],
    paths: Mapping[int, tuple[str, ...]],
    settings: QuincefinSettings,
    currency: str,
) -> Iterator[Offer]:
    """All goods, a base before its variants."""
    bases = {one.id: one for one in goods if one.kind == BASE}
    variants: dict[int, list[Good]] = {}
    for one in goods:
        if one.kind == SKU and one.base is not None and one.base in bases:
            variants.setdefault(one.base, []).append(one)
    for one in sorted(goods, key=lambda one: one.id):
        if one.kind == BASE:
            for member in (one, *variants.get(one.id, ())):
                yield _offer(member, "base" if member is one else "variant", one.id, tags, paths, settings, currency)
        elif not (one.kind == SKU and one.base in bases):
            yield _offer(one, "single", one.id, tags, paths, settings, currency)


def _offer(
    one: Good,
    kind: Any,
    product: int,
    tags: Mapping[tuple[int, int], PriceTag],
    paths: Mapping[int, tuple[str, ...]],
    settings: QuincefinSettings,
    currency: str,
) -> Offer:
    values: dict[str, Any] = {"name": one.name, "published": True, "category": paths.get(one.folder or 0, ())}
    values |= {"unit": one.unit} if settings.fields.unit else {}
    values |= {"barcode": one.barcode} if settings.fields.barcode else {}
    if settings.price_types and kind != "base":
        found = {name: tags.get((one.id, type_)) for name, type_ in settings.price_types.items()}
        retail = found.get("retail") or next((tag for tag in found.values() if tag), None)
        values["currency"] = money = (retail.currency if retail else "") or currency
        for name, tag in found.items():
            # prices of another currency are not told beside it: they cannot be compared
            if tag is None or (tag.currency or money) == money:
                values["price" if name == "retail" else f"price.{name}"] = tag.amount if tag else None
    keys = {KEY: one.article} if one.article else {}
    return Offer(id=str(one.id), product=str(product), kind=kind, keys=keys, values=values)


def balance(row: Row, store: int, fields: FieldNames) -> Decimal | None:
    """What lies of goods in a warehouse; None where the account does not tell it."""
    told = row.get(fields.balances) if fields.balances else None
    if not isinstance(told, list):
        return None
    found = [
        number(one.get(fields.balance))
        for one in told
        if isinstance(one, Mapping) and refers(one.get("Store", one.get(fields.store))) == store
    ]
    if any(one is None for one in found):
        return None
    return sum((one for one in found if one is not None), Decimal(0))


def level(one: Good, warehouse: str, quantity: Decimal) -> StockLevel:
    """A level as a sync sees it."""
    return StockLevel(one.article, warehouse, quantity, offer=str(one.id))
