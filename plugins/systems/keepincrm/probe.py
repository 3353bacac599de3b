"""What an account can do: looked at by reading alone, or tried by a product of our own that goes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from pipeline.api import (
    Finding,
    Held,
    InDoubt,
    MistokError,
    Money,
    Offer,
    OfferChange,
    Refused,
    SpecialPrice,
    T,
    Text,
    Tried,
    Who,
)  # fmt: skip
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.agreements import part
from plugins.systems.keepincrm.catalogue import Catalogue
from plugins.systems.keepincrm.categories import CATEGORIES, Categories
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.goods import MATERIALS
from plugins.systems.keepincrm.mapping import KEY, custom_fields, named_told
from plugins.systems.keepincrm.order_settings import OrderSettings
from plugins.systems.keepincrm.orders import AGREEMENTS
from plugins.systems.keepincrm.paging import Row
from plugins.systems.keepincrm.settings import KeepinSettings, Place, price_place, text_place
from plugins.systems.keepincrm.stock import level_in, rests

TITLE = "Mistok: проба, буде видалено"


def places(settings: KeepinSettings) -> Iterator[Place]:
    """Every further price and field that the config names."""
    yield from map(price_place, settings.prices.values())
    yield from map(text_place, settings.texts.values())
    if settings.special_price is not None:
        special = settings.special_price
        yield from (price_place(special.price), text_place(special.start), text_place(special.end))


# --- by reading ------------------------------------------------------------------------------------------------------


def look(api: KeepinApi, settings: KeepinSettings, categories: Categories) -> Sequence[Finding]:
    """Log in and look at the first page of each list. Raises Refused, Transient."""
    first = (("page", "1"), ("per_page", str(settings.page)))
    api.page("/clients/statuses")
    materials = api.page(MATERIALS, first).rows
    agreements = list(api.page(AGREEMENTS, first).rows)
    if agreements and "jobs" not in agreements[0]:  # lists of some accounts leave lines out
        agreements[0] = api.one(f"{AGREEMENTS}/{v.text(agreements[0]['id'])}") or agreements[0]
    findings = [*_of_places(materials, settings), *_of_offices(materials, settings)]
    findings += _of_agreements(agreements, settings.orders)
    if settings.categories != "off":
        try:
            categories.load()
        except Refused as error:
            if error.code != "keepin-categories":
                raise
            findings.append(Finding(error.code, error.text, hint=error.hint, who=Who.ADMIN))
    if settings.changed_since and materials and not any("updated_at" in row for row in materials):
        text = T("The account does not tell when a product was changed.")
        findings.append(_remark("changed-since", text, T("Leave `changed_since` out: all are compared then.")))
    weights = [weight for row in materials if (weight := row.get("weight")) not in (None, "", 0)]
    if settings.weight is None and weights:
        text = T("The account tells weights, such as {example}; they are left alone.", example=v.text(weights[0]))
        findings.append(_remark("weight", text, T("Set `weight: kg` or `weight: g` of the connection to use them.")))
    return findings


def _remark(code: str, text: Text, hint: Text | None = None) -> Finding:
    return Finding(f"keepin-{code}", text, hint=hint, who=Who.ACCOUNTANT)


def _of_places(rows: Sequence[Row], settings: KeepinSettings) -> Iterator[Finding]:
    """Prices and fields of the config that no product of the first page shows."""
    named = {name for row in rows for name, _value, _its in named_told(row) or ()}
    custom = {name for row in rows for name in custom_fields(row) or ()}
    plain = {name for row in rows for name in row}
    for place in places(settings):
        name = place.named or place.custom or place.field or ""
        shown = named if place.named else custom if place.custom else plain
        if rows and name not in shown:
            text = T("No product of the first page has {name}.", name=name)
            hint = T("Seen there: {names}.", names=", ".join(sorted(shown)) or "-")
            yield _remark("place", text, hint)


def _of_offices(rows: Sequence[Row], settings: KeepinSettings) -> Iterator[Finding]:
    seen = {office for row in rows for office in rests(row) or ()}
    known = {str(office.id) for office in settings.all_offices().values()}
    if missing := sorted(seen - known):
        text = T("The account tells the stock of offices {names}.", names=", ".join(missing))
        yield _remark("offices", text, T("Name them in `offices` of the connection: {{Name: {n}}}.", n=missing[0]))


def _of_agreements(rows: Sequence[Row], settings: OrderSettings) -> Iterator[Finding]:
    """What agreements do not tell, and stages that are called otherwise than in the config."""
    if rows and "jobs" not in rows[0]:
        text = T("The account does not tell the lines of agreements: no orders can be read from it.")
        yield _remark("lines", text)
    told = [(v.text(row.get("stage_id")) or v.text(part(row.get("stage")).get("id")), row) for row in rows]
    names = {number: v.text(part(row.get("stage")).get("name")).strip() for number, row in told if number}
    for name, number in settings.stages.items():
        there = names.get(str(number))
        if there and there != name:
            text = T("Stage {number} is called {there} in the account, and {name} in the config.", number=number,
                     there=there, name=name)  # fmt: skip
            yield _remark(
                "stage", text, T("Look whether the number of the stage is right: `orders.stages` of the connection.")
            )


# --- by writing ------------------------------------------------------------------------------------------------------


@dataclass
class Probe:
    """One product of our own, and what is tried on it."""

    api: KeepinApi
    settings: KeepinSettings
    catalogue: Catalogue
    categories: Categories
    now: Callable[[], datetime]
    currency: str
    own: str = ""  #: id of the product, once it is there

    @property
    def sku(self) -> str:
        """Its article."""
        return f"MISTOK-{self.now():%Y%m%d-%H%M%S}"

    @property
    def path(self) -> str:
        """Its address."""
        return f"{MATERIALS}/{self.own}"

    def run(self) -> Iterator[Tried]:
        """See WriteProbe."""
        try:
            yield from self._new_product()
            if self.own:
                yield from self._changes()
                yield from self._stock()
            yield from self._new_category()
        finally:
            left = self._take_away() if self.own else None
        if left is not None:
            yield left

    def _new_product(self) -> Iterator[Tried]:
        wanted, sku = self.settings.materials_create, self.sku
        body = {"sku": sku, "title": TITLE, "price": Decimal(1), "currency": self.currency, "irrelevant": True}
        for way in ("post", "put"):
            made, why = self._made(way, sku, body)
            self.own = v.text((made or {}).get("id"))
            setting = f"materials_create: {way}"
            if self.own:
                yield Tried(True, T("new products are taken ({way})", way=setting))
                return
            text = T("new products are not taken ({way})", way=setting)
            text = T("{what}: {words}", what=text, words=why) if why is not None else text
            hint = T("Set `materials_create: off`, and send the goods as a feed (format keepincrm-yml).")
            yield Tried(False, text, wanted == way or (wanted == "auto" and way == "put"), hint)

    def _made(self, way: str, sku: str, body: Mapping[str, Any]) -> tuple[Row | None, Text | None]:
        """The new product, or why there is none."""
        try:
            if way == "post":
                made = self.api.add(MATERIALS, body)
            else:
                made = self.api.put(f"{MATERIALS}/sku/{quote(sku, safe='')}", body)
        except InDoubt as error:
            return self.api.by_sku(sku), error.text
        except Held as error:
            return None, error.text
        return (made if made is None or made.get("id") else self.api.by_sku(sku)), None

    def _changes(self) -> Iterator[Tried]:
        settings, now = self.settings, self.now()
        tried: dict[str, Any] = {"name": f"{TITLE} 2", "price": Decimal("2.50"), "price.cost": Decimal("1.25")}
        tried |= {f"price.{kind}": Decimal(n) for n, kind in enumerate(settings.prices, 3)}
        tried |= {name: f"<p>{TITLE}</p>" if "description" in name else TITLE for name in settings.texts}
        if settings.weight is not None:
            tried["weight"] = Decimal("1.5")
        if settings.special_price is not None:
            start = now.replace(microsecond=0)
            tried["specials"] = (SpecialPrice(Money(Decimal(2), self.currency), start, start + timedelta(days=1)),)
        if settings.categories != "off":
            path = next(iter(self.categories.paths().values()), None)
            if path is not None:
                tried["category"] = path
        offer = Offer(id=self.own, product=self.own, keys={KEY: self.sku})
        for name, value in tried.items():
            (outcome,) = self.catalogue.update_offers([OfferChange(offer=offer, values={name: value})])
            if outcome.error is None:
                yield Tried(True, T("{name} of a product can be changed", name=name), needed=True)
            else:
                yield Tried(False, outcome.error.text, needed=True, hint=outcome.error.hint)

    def _stock(self) -> Iterator[Tried]:
        """Two levels, one after the other: what comes out tells whether they are set or added."""
        office = next((str(one.id) for one in self.settings.all_offices().values()), "")
        level: Decimal | None = None
        try:
            for number in (Decimal(2), Decimal(3)):
                body: Mapping[str, Any] = {"available": number}
                if office:
                    body = {"stock_rests_attributes": [{"office_id": int(office), "available": number}]}
                self.api.change(self.path, body, absolute=False)
            level = level_in(self.api.one(self.path) or {}, office)
        except (Held, InDoubt) as error:
            yield Tried(False, T("stock cannot be set: {words}", words=error.text), bool(office), error.hint)
            return
        mode = {Decimal(3): "set", Decimal(5): "add"}.get(level) if level is not None else None
        if mode is None:
            text = T("stock is not kept: {level} is shown in place of {n}", level="-" if level is None else level, n=3)
            yield Tried(
                False, text, bool(office), T("Where stock is kept by documents, it cannot be set from outside.")
            )
            return
        fits = mode == self.settings.stock_write or not office
        text = T("stock can be set ({way})", way=f"stock_write: {mode}")
        yield Tried(fits, text, True, T("Set `stock_write: {mode}` of the connection.", mode=mode))

    def _new_category(self) -> Iterator[Tried]:
        """A category without a name is refused by who knows the way, and leaves nothing behind."""
        if self.settings.categories != "create":
            return
        try:
            made = self.api.add(CATEGORIES, {"name": ""})
        except (Held, InDoubt):
            yield Tried(True, T("new categories are taken"), needed=True)
            return
        if made is None:
            hint = T("Set `categories: match`, and make the categories in the CRM.")
            yield Tried(False, T("new categories are not taken"), True, hint)
        else:
            yield Tried(
                None, T("a category without a name was made: delete it in the CRM ({id})", id=v.text(made.get("id")))
            )

    def _take_away(self) -> Tried:
        """Delete it; where that does nothing, archive it."""
        try:
            self.api.remove(self.path)
            row = self.api.one(self.path)
            if row is None:
                return Tried(True, T("the product of our own was deleted again"))
            if not v.yes(row.get("irrelevant")):
                row = self.api.change(self.path, {"irrelevant": True})
            if row is not None and v.yes(row.get("irrelevant")):
                return Tried(
                    None, T("the product of our own is archived, not deleted: {sku}", sku=v.text(row.get("sku")))
                )
        except MistokError as error:
            words = T("The product of our own could not be deleted ({id}): {words}", id=self.own, words=error.text)
            return Tried(False, words, needed=True, hint=T("Delete it in the CRM by hand."))
        words = T("The product of our own is still there ({id}).", id=self.own)
        return Tried(False, words, needed=True, hint=T("Delete it in the CRM by hand."))
