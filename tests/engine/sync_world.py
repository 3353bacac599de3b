"""Two systems in memory that a sync keeps in step: what their capabilities promise, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.errors import Finding, Held, MistokError
from pipeline.flow import SystemEnv, SystemPlugin
from pipeline.model import Money, Offer, SpecialPrice, StockLevel
from pipeline.ports import (
    ApplyCatalogue,
    ApplyStock,
    OfferChange,
    Offers,
    OfferTraits,
    ProductDraft,
    Ref,
    RowOutcome,
    Stock,
    StockTarget,
    System,
)
from pipeline.settings import Settings
from pipeline.texts import T

ALL = frozenset({
    "name", "description", "price", "price.cost", "specials", "category", "images", "options", "published", "weight",
})  # fmt: skip
FLAT = OfferTraits(keys=("sku",), reads=ALL, writes=ALL - {"options"}, creates=ALL, variants="flat", batch=3)
BELOW = replace(FLAT, variants="offers", dated_specials=True)
SHOP = OfferTraits(keys=("sku", "model"), reads=ALL, delta=True)


@dataclass
class MemorySystem:
    """A system that is a list of offers; it counts what it was asked."""

    traits: OfferTraits
    name: str = ""
    content: dict[str, Offer] = field(default_factory=dict)
    stock: dict[tuple[str, str], tuple[Decimal, Decimal]] = field(
        default_factory=dict
    )  #: (id, warehouse) -> hand, kept
    places: tuple[str, ...] = ()
    created: int = 0
    updates: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    pushes: list[tuple[str, str, Decimal]] = field(default_factory=list)
    reads: list[datetime | None] = field(default_factory=list)
    refuse: dict[str, MistokError] = field(default_factory=dict)  #: article -> what is said of its rows
    tells: bool = False  #: it answers a change by how it now shows the offer
    tidy: bool = False  #: it keeps descriptions in its own way
    strike: MistokError | None = None  #: raised at the next write, once
    strike_after: int = 0  #: writes that still work before
    clock: Any = None
    remarks: list[Finding] = field(default_factory=list)
    account: str = ""  #: mark of the account; "": it cannot say

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        return ()

    def close(self) -> None:
        pass

    # --- reading -----------------------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        return self.traits

    def noticed(self) -> Sequence[Finding]:
        told, self.remarks = self.remarks, []
        return told

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        self.reads.append(since)
        for offer in list(self.content.values()):
            if since is None or offer.updated_at is None or offer.updated_at >= since:
                yield offer

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        for (offer, place), (hand, kept) in self.stock.items():
            code = next(iter(self.content[offer].keys.values()), "") if offer in self.content else ""
            yield StockLevel(code, place, hand, kept, offer)

    def warehouses(self) -> Sequence[Ref]:
        return [Ref(name, name) for name in self.places]

    # --- writing -----------------------------------------------------------------------------------------------------

    def _hit(self) -> None:
        if self.strike is not None:
            if self.strike_after <= 0:
                error, self.strike = self.strike, None
                raise error
            self.strike_after -= 1

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        self._hit()
        return [self._create(draft) for draft in drafts]

    def _create(self, draft: ProductDraft) -> RowOutcome:
        article = draft.base.keys.get("sku", "")
        if article in self.refuse:
            return RowOutcome(error=self.refuse[article])
        there = [one for one in self.content.values() if article and one.keys.get("sku") == article]
        if there and not draft.base.id:
            return RowOutcome((there[0].id,), existed=True)
        ids = []
        product = draft.base.id
        for offer in (draft.base, *draft.variants):
            if offer.id:
                ids.append(offer.id)
                continue
            self.created += 1
            own = f"n{len(self.content) + 1}"
            product = product or own
            self.content[own] = self._kept(replace(offer, id=own, product=product))
            ids.append(own)
        return RowOutcome(tuple(ids))

    def _kept(self, offer: Offer) -> Offer:
        if self.tidy and "description" in offer.values:
            tidied = f"<div>{offer.values['description']}</div>"
            return replace(offer, values={**offer.values, "description": tidied})
        return offer

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        self._hit()
        outcomes = []
        for change in changes:
            offer = self.content.get(change.offer.id)
            if offer is None:
                outcomes.append(RowOutcome(error=Held(T("There is no {id}.", id=change.offer.id))))
                continue
            if (article := offer.keys.get("sku", "")) in self.refuse:
                outcomes.append(RowOutcome(error=self.refuse[article]))
                continue
            self.updates.append((offer.id, dict(change.values)))
            self.content[offer.id] = self._kept(replace(offer, values={**offer.values, **change.values}))
            shown = self.content[offer.id].values if self.tells else {}
            outcomes.append(RowOutcome((offer.id,), shown=shown))
        return outcomes

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        self._hit()
        outcomes = []
        for one in targets:
            if (error := self.refuse.get(one.offer.keys.get("sku", ""))) is not None:
                outcomes.append(RowOutcome(error=error))
                continue
            outcomes.append(RowOutcome((one.offer.id,)))
            place = one.warehouse or (self.places[0] if self.places else "")
            kept = self.stock.get((one.offer.id, place), (Decimal(0), Decimal(0)))[1]
            self.pushes.append((one.offer.id, one.warehouse, one.quantity))
            self.stock[one.offer.id, place] = (one.quantity + (Decimal(0) if one.on_hand else kept), kept)
        return outcomes


_system: type[System] = MemorySystem
_offers: type[Offers] = MemorySystem
_apply: type[ApplyCatalogue] = MemorySystem
_stock: type[Stock] = MemorySystem
_apply_stock: type[ApplyStock] = MemorySystem


def plugin(name: str, system: MemorySystem) -> SystemPlugin:
    """The system as a connection type of its own."""

    def open_it(_settings: Any, env: SystemEnv) -> System:
        system.name = env.name
        system.clock = env.clock
        return system

    return SystemPlugin(name=name, summary=T("A system in memory"), settings=Settings, open=open_it)


def uah(amount: str) -> Money:
    return Money(Decimal(amount), "UAH")


def special(amount: str, start: datetime | None = None, end: datetime | None = None) -> SpecialPrice:
    return SpecialPrice(uah(amount), start, end)


def single(own: str, sku: str = "", /, **values: Any) -> Offer:
    """A product without variants; price as text."""
    keys = {name: value for name, value in (("sku", sku), ("model", values.pop("model", ""))) if value}
    updated = values.pop("updated_at", None)
    if isinstance(values.get("price"), str):
        values["price"] = Decimal(values["price"])
    values.setdefault("name", f"Товар {own}")
    return Offer(id=own, product=own, keys=keys, values=values, updated_at=updated)


def with_variants(own: str, sku: str, *variants: tuple[str, str, dict[str, Any]], **values: Any) -> list[Offer]:
    """A product with variants: (id, sku, values) each."""
    base = replace(single(own, sku, **values), kind="base")
    rest = [
        Offer(id=v_id, product=own, kind="variant", keys={"sku": v_sku} if v_sku else {}, values=v)
        for v_id, v_sku, v in variants
    ]
    return [base, *rest]


def put(system: MemorySystem, *offers: Offer) -> None:
    """Into its content."""
    system.content.update({one.id: one for one in offers})
