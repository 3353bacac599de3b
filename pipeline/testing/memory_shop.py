"""A shop in memory that is an end of a sync: for tests of the engine, and what the contract suite itself is tried on.

Its traits are given, so that it can be any kind of end. Rows are plain, and may be looked at and changed by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from pipeline.errors import Finding, Held
from pipeline.model import Offer, StockLevel
from pipeline.ports import (
    OFFER_FIELDS,
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
from pipeline.testing.sync_subject import empty
from pipeline.texts import verbatim

#: every field, with two kinds of further prices
FULL = (frozenset(OFFER_FIELDS) - {"price.KIND"}) | {"price.cost", "price.old"}
MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Row:
    """One offer as the shop keeps it. ``seo`` is a field of its own that no sync knows."""

    id: str
    product: str
    kind: str
    keys: dict[str, str]
    values: dict[str, Any]
    updated_at: datetime
    seo: str = "keep me"


@dataclass
class Store:
    """What all sessions of one shop share."""

    rows: dict[str, Row] = field(default_factory=dict)
    levels: dict[tuple[str, str], list[Any]] = field(default_factory=dict)  #: [on hand, reserved, changed at]
    categories: list[tuple[str, ...]] = field(default_factory=list)
    warehouses: tuple[str, ...] = ("main", "second")
    now: datetime = MOMENT
    last: int = 0

    def add(self, draft: ProductDraft, fields: frozenset[str], *, flat: bool = False) -> tuple[str, ...]:
        """Put a product with its variants in; gives the ids of what was added, the base first."""
        offers = draft.variants if flat and draft.variants else (draft.base, *draft.variants)
        ids: list[str] = []
        for offer in offers:
            self.last += 1
            own = str(self.last)
            kind = "single" if flat or not draft.variants else "base" if offer is draft.base else "variant"
            values = {name: empty(name) for name in fields} | {"published": True, "currency": "UAH"}
            values = {name: value for name, value in values.items() if name in fields} | dict(offer.values)
            first = own if kind == "single" or not ids else ids[0]
            self.rows[own] = Row(own, first, kind, dict(offer.keys), values, self.now)
            self.ensure(values.get("category") or ())
            ids.append(own)
        return tuple(ids)

    def ensure(self, path: tuple[str, ...]) -> None:
        """Make the categories of a path that are not there."""
        self.categories += [path[:n] for n in range(1, len(path) + 1) if path[:n] not in self.categories]


class MemoryOffers:
    """An end that can only be read. Each object is a session to the ``store``."""

    def __init__(self, store: Store, traits: OfferTraits, name: str = "shop") -> None:
        self.store, self.traits, self.name = store, traits, name

    def check(self) -> Sequence[Finding]:
        """All is well."""
        return ()

    def close(self) -> None:
        """Nothing is open."""

    def offer_traits(self) -> OfferTraits:
        """As given."""
        return self.traits

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """Rows as they were when asked, oldest first."""
        rows = [row for row in self.store.rows.values() if since is None or row.updated_at >= since]
        for row in sorted(rows, key=lambda row: (int(row.product), int(row.id))):
            values = {name: value for name, value in row.values.items() if name in self.traits.reads}
            if row.kind != "variant":
                values.pop("options", None)
            keys = {name: text for name, text in row.keys.items() if text}
            yield Offer(
                id=row.id,
                product=row.product,
                kind=row.kind,  # type: ignore[arg-type]  # add() writes no other
                keys=keys,
                values=values,
                updated_at=row.updated_at,
            )


class MemoryShop(MemoryOffers):
    """An end that can be read and written, and keeps stock by warehouse."""

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """See ApplyCatalogue."""
        return [self._create(draft) for draft in drafts]

    def _create(self, draft: ProductDraft) -> RowOutcome:
        key, flat = self.traits.keys[0], self.traits.variants == "flat"
        offers = draft.variants if flat and draft.variants else (draft.base, *draft.variants)
        if not all(offer.keys.get(key) or offer.id for offer in offers):
            return RowOutcome(error=Held(verbatim("It has no article.")))
        found = [
            self.store.rows.get(one.id)
            if one.id
            else next((row for row in self.store.rows.values() if row.keys.get(key) == one.keys[key]), None)
            for one in offers
        ]
        base = found[0]
        if base is None and draft.base.id:
            return RowOutcome(error=Held(verbatim(f"There is no offer {draft.base.id}.")))
        if base is None:
            return RowOutcome(self.store.add(draft, self.traits.reads, flat=flat))
        ids = [base.id]
        for offer, row in zip(offers[1:], found[1:], strict=True):
            ids.append(row.id if row else self.store.add(ProductDraft(base=offer), self.traits.reads)[0])
            if not flat and row is None:
                base.kind = "base"
                self.store.rows[ids[-1]].kind, self.store.rows[ids[-1]].product = "variant", base.product
        return RowOutcome(tuple(ids), existed=all(found))

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """See ApplyCatalogue."""
        return [self._each(change.offer, partial(self._update, change=change)) for change in changes]

    def _each(self, offer: Offer, act: Callable[[Row], RowOutcome]) -> RowOutcome:
        row = self.store.rows.get(offer.id)
        return act(row) if row else RowOutcome(error=Held(verbatim(f"There is no offer {offer.id}.")))

    def _update(self, row: Row, change: OfferChange) -> RowOutcome:
        if unknown := sorted(set(change.values) - self.traits.writes):
            return RowOutcome(error=Held(verbatim(f"It does not write {unknown}.")))
        if any(isinstance(value, Decimal) and value < 0 for value in change.values.values()):
            return RowOutcome(error=Held(verbatim("A number is below 0.")))
        new: Mapping[str, Any] = {n: empty(n) if value is None else value for n, value in change.values.items()}
        if all(row.values.get(name) == value for name, value in new.items()):
            return RowOutcome(existed=True)
        row.values.update(new)
        row.updated_at = self.store.now
        self.store.ensure(row.values.get("category") or ())
        return RowOutcome()

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        """See Stock."""
        for (own, place), (on_hand, reserved, changed) in list(self.store.levels.items()):
            if since is None or changed >= since:
                code = self.store.rows[own].keys.get(self.traits.keys[0], "")
                yield StockLevel(code, place, on_hand, reserved, own)

    def warehouses(self) -> Sequence[Ref]:
        """See Stock."""
        return [Ref(code, code, code) for code in self.store.warehouses if code]

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """See ApplyStock: on hand becomes what may be sold and what is reserved."""
        return [self._each(target.offer, partial(self._set, target=target)) for target in targets]

    def _set(self, row: Row, target: StockTarget) -> RowOutcome:
        if target.quantity < 0 or target.warehouse not in self.store.warehouses:
            return RowOutcome(error=Held(verbatim("No such level can be.")))
        level = self.store.levels.setdefault((row.id, target.warehouse), [Decimal(0), Decimal(0), self.store.now])
        if level[0] - level[1] == target.quantity:
            return RowOutcome(existed=True)
        level[0], level[2] = target.quantity + level[1], self.store.now
        return RowOutcome()


_: type[System] = MemoryOffers
_offers: type[Offers] = MemoryOffers
_catalogue: type[ApplyCatalogue] = MemoryShop
_stock: type[Stock] = MemoryShop
_apply: type[ApplyStock] = MemoryShop
