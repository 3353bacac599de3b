"""The contract of a sync's ends, tried on shops in memory: faithful ones pass, and each broken one is found out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.model import Offer
from pipeline.ports import OfferTraits, ProductDraft, RowOutcome
from pipeline.testing.memory_shop import FULL, MemoryOffers, MemoryShop, Row, Store
from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Places, Subject

TRAITS = OfferTraits(
    keys=("sku", "ean"), reads=FULL, writes=FULL, creates=FULL, dated_specials=True, delta=True, batch=7
)
WITHOUT = FULL - {"options"}


def subject_of(traits: OfferTraits, kind: type[MemoryOffers] = MemoryShop, **more: Any) -> Subject:
    """A shop of that kind with those traits."""
    store = Store()

    def seed(drafts: Sequence[ProductDraft]) -> None:
        for draft in drafts:
            store.add(draft, traits.reads, flat=traits.variants == "flat")

    def rows() -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for row in store.rows.values():
            levels = {f"stock.{place}": tuple(v[:2]) for (own, place), v in store.levels.items() if own == row.id}
            found[row.id] = {**row.values, **levels, "seo": row.seo, "keys": dict(row.keys), "at": row.updated_at}
        return found

    def seed_stock(places: Places) -> None:
        for place, (on_hand, reserved) in places.items():
            store.levels[place] = [on_hand, reserved, store.now]

    def tick() -> datetime:
        store.now += timedelta(hours=1)
        return store.now

    columns: dict[str, tuple[str, ...]] = {name: (name,) for name in FULL}
    return Subject(
        open=lambda: kind(store, traits),
        seed=seed,
        rows=rows,
        columns=columns | {"stock": ("stock.main", "stock.second")},
        stamps=("at",),
        tick=tick,
        remove=store.rows.__delitem__,
        categories=lambda: list(store.categories),
        many=20,
        warehouses=store.warehouses,
        reserves=True,
        seed_stock=seed_stock,
        **more,
    )


SHAPES: Mapping[str, tuple[OfferTraits, type[MemoryOffers]]] = {
    "all": (TRAITS, MemoryShop),
    "flat": (replace(TRAITS, variants="flat", reads=WITHOUT, writes=WITHOUT, creates=WITHOUT, delta=False), MemoryShop),
    "no variants": (replace(TRAITS, variants="none", keys=("code",)), MemoryShop),
    "no dates": (replace(TRAITS, dated_specials=False, creates=frozenset()), MemoryShop),
    "few fields": (
        OfferTraits(
            keys=("sku",),
            reads=frozenset({"name", "price"}),
            writes=frozenset({"price"}),
            creates=frozenset({"name"}),
        ),
        MemoryShop,
    ),
    "read only": (replace(TRAITS, writes=frozenset(), creates=frozenset()), MemoryOffers),
}


class TestFaithful(SyncContract):
    @pytest.fixture(params=list(SHAPES))
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        return subject_of(*SHAPES[request.param])


# --- shops that break a promise --------------------------------------------------------------------------------------


class TellsTwice(MemoryShop):
    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        found = list(super().offers(since))
        return iter(found + found[-1:])


class LosesOne(MemoryShop):
    """It pages by position."""

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        n = 0
        while n < len(page := list(super().offers(since))):
            yield page[n]
            n += 1


class VariantsFirst(MemoryShop):
    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        return iter(sorted(super().offers(since), key=lambda offer: offer.kind != "variant"))


class NumbersAnew(MemoryShop):
    """Its ids are places in a list ordered by article."""

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        for n, offer in enumerate(sorted(super().offers(since), key=lambda offer: offer.keys.get("sku", "")), 1):
            yield replace(offer, id=str(n), product=str(n))


class TellsFloats(MemoryShop):
    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        for offer in super().offers(since):
            weight = offer.values.get("weight")
            yield replace(offer, values={**offer.values, "weight": None if weight is None else float(weight)})


class ForgetsSince(MemoryShop):
    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        return super().offers(None)


class DoublesArticles(MemoryShop):
    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        return [RowOutcome(self.store.add(draft, self.traits.reads)) for draft in drafts]


class Overwrites(MemoryShop):
    """It takes a draft of what is there as an update."""

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        outcomes = super().create_products(drafts)
        for draft, outcome in zip(drafts, outcomes, strict=True):
            if outcome.existed:
                self.store.rows[outcome.ids[0]].values.update(draft.base.values)
        return outcomes


class ForgetsIds(MemoryShop):
    """It looks for the base by its article alone."""

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        return super().create_products([replace(draft, base=replace(draft.base, id="")) for draft in drafts])


class RewritesRows(MemoryShop):
    """It sends the whole row, and what it does not know is lost."""

    def update_offers(self, changes: Any) -> Sequence[RowOutcome]:
        for change in changes:
            if change.offer.id in self.store.rows:
                self.store.rows[change.offer.id].seo = ""
        return super().update_offers(changes)


class CutsTexts(MemoryShop):
    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        outcomes = super().create_products(drafts)
        for row in self.store.rows.values():
            row.values["description"] = (row.values.get("description") or "")[:1000]
        return outcomes


class DropsEmoji(MemoryShop):
    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        outcomes = super().create_products(drafts)
        for row in self.store.rows.values():
            row.values["name"] = "".join(c for c in row.values["name"] if ord(c) < 0x10000)
        return outcomes


class Stops(MemoryShop):
    """The first bad row ends all."""

    def _each(self, offer: Offer, act: Callable[[Row], RowOutcome]) -> RowOutcome:
        outcome = super()._each(offer, act)
        self.failed = getattr(self, "failed", None) or (outcome if outcome.error else None)
        return self.failed or outcome


class IgnoresUnknown(MemoryShop):
    def _each(self, offer: Offer, act: Callable[[Row], RowOutcome]) -> RowOutcome:
        return super()._each(offer, act) if offer.id in self.store.rows else RowOutcome()


class KeepsOld(MemoryShop):
    """None is left as it is."""

    def update_offers(self, changes: Any) -> Sequence[RowOutcome]:
        return super().update_offers(
            [replace(c, values={n: v for n, v in c.values.items() if v is not None}) for c in changes]
        )


class TakesNegative(MemoryShop):
    def _set(self, row: Row, target: Any) -> RowOutcome:
        return super()._set(row, replace(target, quantity=max(target.quantity, Decimal(0))))


class AddsStock(MemoryShop):
    """Levels are taken as movements."""

    def _set(self, row: Row, target: Any) -> RowOutcome:
        there = self.store.levels.get((row.id, target.warehouse), [Decimal(0), Decimal(0)])
        return super()._set(row, replace(target, quantity=target.quantity + there[0] - there[1]))


class ForgetsReserve(MemoryShop):
    def _set(self, row: Row, target: Any) -> RowOutcome:
        level = self.store.levels.get((row.id, target.warehouse))
        if level:
            level[1] = Decimal(0)
        return super()._set(row, target)


class AllWarehouses(MemoryShop):
    def _set(self, row: Row, target: Any) -> RowOutcome:
        for place in self.store.warehouses:
            if target.warehouse in self.store.warehouses:
                super()._set(row, replace(target, warehouse=place))
        return super()._set(row, target)


class RoundsStock(MemoryShop):
    def _set(self, row: Row, target: Any) -> RowOutcome:
        return super()._set(row, replace(target, quantity=Decimal(int(target.quantity))))


BROKEN: Mapping[type[MemoryShop], str] = {
    TellsTwice: "is_told_with_all_its_values",
    LosesOne: "pages_that_shift",
    VariantsFirst: "base_of_a_product",
    NumbersAnew: "ids_are_the_same",
    TellsFloats: "of_the_types",
    ForgetsSince: "what_has_changed_since",
    DoublesArticles: "second_create",
    Overwrites: "article_is_there",
    ForgetsIds: "named_by_its_id",
    RewritesRows: "just_the_fields",
    CutsTexts: "long_description",
    DropsEmoji: "awkward_texts",
    Stops: "a_bad_row",
    IgnoresUnknown: "a_bad_row",
    KeepsOld: "none_is_cleared",
    TakesNegative: "a_bad_level",
    AddsStock: "a_level_is_set_and_twice",
    ForgetsReserve: "stays_reserved",
    AllWarehouses: "a_level_is_set_and_twice",
    RoundsStock: "a_fraction",
}


def test_no_case_hides_another() -> None:
    names = [name for one in SyncContract.__bases__ for name in vars(one) if name.startswith("test_")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_promise_is_found_out(kind: type[MemoryShop]) -> None:
    failed = []
    for name, case in inspect.getmembers(SyncContract, inspect.isfunction):
        if name.startswith("test_"):
            try:
                case(SyncContract(), subject_of(TRAITS, kind))
            except AssertionError:
                failed.append(name)
    assert [name for name in failed if BROKEN[kind] in name], f"it passed but for: {failed}"
