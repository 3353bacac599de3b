"""Changes of products and offers. Absolute: what is so already is not sent, and twice is the same as once.

What a product has (name, category, pictures …) goes by ``PUT /products/{id}``, which answers with the product; prices
and sizes of all offers go together by ``PUT /offers``, which answers nothing about single rows and is looked at again.
Sizes of a product without variants go both ways: such a product and its offer each have them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pipeline.api import (
    NOT_SHOWN,
    Held,
    MistokError,
    Offer,
    OfferChange,
    Refused,
    RowOutcome,
    SystemEnv,
    T,
    Transient,
    cents,
)
from plugins.systems.keycrm.categories import Categories
from plugins.systems.keycrm.checks import check_change
from plugins.systems.keycrm.mapping import (
    OF_OFFER,
    PICTURES,
    PRICES,
    PRODUCT,
    SIZES,
    ZERO,
    offer_body,
    product_body,
    traits,
)
from plugins.systems.keycrm.reading import OFFERS, PRODUCTS, Reader
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.values import Row, ident, part

#: Seconds after which a bulk write is looked at again, while KeyCRM does not show it yet (it answers 202: accepted).
LOOKS = (0.0, 2.0, 5.0)
#: What a product may show otherwise than it was sent, because KeyCRM tidies it or keeps pictures under its own address.
_TIDIED = frozenset({"name", "description", "images"})


@dataclass
class _Change:
    """One row while it is worked off."""

    place: int
    change: OfferChange
    row: Row  #: of ``/offers`` with its product; of ``/products`` for a base
    now: Offer  #: as KeyCRM tells it now
    wanted: dict[str, Any]  #: what of it is to become otherwise
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def product(self) -> int:
        return ident(part(self.row.get("product")).get("id")) or ident(self.row.get("product_id")) or self.number

    @property
    def number(self) -> int:
        number = ident(self.row.get("id"))
        assert number is not None, "looked up by its id"
        return number

    @property
    def has_offer(self) -> bool:
        return not self.now.id.startswith(PRODUCT)

    @property
    def of_offer(self) -> bool:
        """Whether something of it goes by the bulk write of offers."""
        return self.has_offer and any(name in OF_OFFER for name in self.wanted)


def number_of(offer_id: str) -> tuple[bool, int | None]:
    """An offer's id -> (whether it is that of a product, its number in KeyCRM)."""
    is_product = offer_id.startswith(PRODUCT)
    plain = offer_id.removeprefix(PRODUCT)
    return is_product, int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 16 else None


class Updater:
    """Works off the changes of one call."""

    def __init__(self, reader: Reader, categories: Categories, env: SystemEnv) -> None:
        self.reader, self.categories, self.env = reader, categories, env
        self.settings = reader.settings
        self.outcomes: dict[int, RowOutcome] = {}
        self.kept_specials: dict[int, list[Any]] = {}  #: product -> custom fields that a variant of it has set

    def run(self, changes: Sequence[OfferChange]) -> list[RowOutcome]:
        """One outcome for each, in order. Raises Refused and Transient that struck before anything was done."""
        try:
            for places in apart([[change.offer.id] for change in changes]):
                self._some(places, changes)
        except (Refused, Transient) as error:
            if not any(one.error is None and not one.existed for one in self.outcomes.values()):
                raise
            return [self.outcomes.get(place, RowOutcome(error=error)) for place in range(len(changes))]
        return [self.outcomes[place] for place in range(len(changes))]

    def _some(self, places: Sequence[int], changes: Sequence[OfferChange]) -> None:
        found = self._look_up([changes[place].offer.id for place in places])
        todo: list[_Change] = []
        for place in places:
            try:
                one = self._planned(place, changes[place], found)
            except Held as error:
                self.outcomes[place] = RowOutcome(error=error)
                continue
            if one.wanted:
                todo.append(one)
            else:
                self.outcomes[place] = RowOutcome((one.now.id,), existed=True)
        self._put_products(todo)
        self._put_offers([one for one in todo if one.place not in self.outcomes])
        for one in todo:
            self.outcomes.setdefault(one.place, RowOutcome((one.now.id,), shown=one.shown))

    # --- what is there -----------------------------------------------------------------------------------------------

    def _look_up(self, ids: Sequence[str]) -> dict[str, tuple[Row, Offer]]:
        goods = self.reader.goods()
        numbers = [number_of(one) for one in ids]
        found: dict[str, tuple[Row, Offer]] = {}
        for row in self.reader.by_id({n for is_product, n in numbers if n is not None and not is_product}).values():
            product = {"id": row.get("product_id"), **part(row.get("product"))}
            found |= {one.id: (row, one) for one in goods.offers(product, [row])}
        for row in self.reader.products({n for is_product, n in numbers if n is not None and is_product}).values():
            found |= {one.id: (row, one) for one in goods.offers(row, [])}
        return found

    def _planned(self, place: int, change: OfferChange, found: Mapping[str, tuple[Row, Offer]]) -> _Change:
        known = traits(self.settings)
        check_change(change.offer.kind, change.values, known.writes, known.fixed)
        if change.offer.id not in found:
            raise held(T("KeyCRM has no offer {id} any more.", id=change.offer.id), code="keycrm-gone")
        row, now = found[change.offer.id]
        if now.kind != change.offer.kind:
            raise held(
                T("Offer {id} is of another kind by now: variants were added or taken away.", id=now.id),
                T("The next comparison of everything sorts it out."),
                code="keycrm-kind",
            )
        wanted = {
            name: value
            for name, value in change.values.items()
            if (name not in now.values and name not in SIZES) or not self._same(name, now.values.get(name), value)
        }
        return _Change(place, change, row, now, wanted)

    def _same(self, name: str, there: Any, wanted: Any) -> bool:
        match name:
            case "price" | "price.cost":
                return isinstance(there, Decimal) and cents(there) == cents(wanted)
            case "weight" | "length" | "width" | "height":
                return (there or ZERO) == (wanted or ZERO)
            case "images":
                return tuple(there) == tuple(wanted or ())[:PICTURES]
            case "category":
                return tuple(there) == tuple(one.strip() for one in wanted or ())
            case "unit":
                return bool(there == (wanted or self.settings.unit))
            case "specials":
                return tuple(there) == tuple(wanted or ())[:1]
            case _:
                return bool(there == (wanted or ""))

    # --- products ----------------------------------------------------------------------------------------------------

    def _put_products(self, todo: Sequence[_Change]) -> None:
        for one in todo:
            alone = frozenset(PRICES) if one.has_offer else frozenset[str]()
            if one.now.kind == "variant":
                alone |= frozenset(SIZES)
            values = {name: value for name, value in one.wanted.items() if name not in alone}
            if not values:
                continue
            try:
                if one.now.kind == "variant":
                    self._put_variant_specials(one, values)
                else:
                    self._put_product(one, values)
                if not one.of_offer:
                    self.outcomes[one.place] = RowOutcome((one.now.id,), shown=one.shown)
            except Held as error:
                self.outcomes[one.place] = RowOutcome(error=error)
            except MistokError as error:
                if isinstance(error, Refused | Transient):
                    raise
                self.outcomes[one.place] = RowOutcome(error=error)

    def _put_product(self, one: _Change, values: Mapping[str, Any]) -> None:
        goods = self.reader.goods()
        path = tuple(values.get("category") or ())
        category = self.categories.ensure(path) if path else None
        shown = self.reader.client.put(
            f"{PRODUCTS}/{one.product}", product_body(values, goods, category, currency=one.now.values.get("currency"))
        )
        goods = self.reader.goods()
        after = next(iter(goods.offers({**shown, "id": one.product}, [])))
        for name, value in values.items():
            if name in SIZES and one.has_offer:
                continue  # its offer's are what counts, and they come next
            if name not in after.values or self._same(name, after.values[name], value):
                continue
            if name in _TIDIED and value:
                one.shown[name] = after.values[name]
                continue
            raise held(
                T(
                    "KeyCRM has taken the change of `{name}`, and does not show it: it still says {there}.",
                    name=name,
                    there=str(after.values[name])[:80] or "—",
                ),
                code="keycrm-kept",
            )

    def _put_variant_specials(self, one: _Change, values: Mapping[str, Any]) -> None:
        """Custom fields are of the product: all its variants have one special price."""
        specials = self.reader.goods().specials
        assert specials is not None, "no field of this name without them"
        fields = specials.write(values["specials"] or (), values.get("currency") or one.now.values.get("currency"))
        if self.kept_specials.setdefault(one.product, fields) != fields:
            raise held(
                T("KeyCRM keeps one special price for all variants of a product, and these have several."),
                T("Take `specials` out of `fields` of the step, or give all variants the same."),
            )
        self.reader.client.put(f"{PRODUCTS}/{one.product}", {"custom_fields": fields})

    # --- offers ------------------------------------------------------------------------------------------------------

    def _put_offers(self, todo: Sequence[_Change]) -> None:
        units = self.reader.goods().units
        mine = [one for one in todo if one.of_offer]
        bodies = [{"id": one.number, **offer_body(one.wanted, units)} for one in mine]
        for one, error in zip(mine, self.reader.client.bulk(OFFERS, "offers", bodies), strict=True):
            if error is not None:
                self.outcomes[one.place] = RowOutcome(error=error)
        if self.settings.read_back:
            self._read_back([one for one in mine if one.place not in self.outcomes])

    def _read_back(self, mine: Sequence[_Change]) -> None:
        left = list(mine)
        for wait in LOOKS:
            if not left:
                return
            if wait:
                self.env.clock.sleep(wait)
            found = self._look_up([one.now.id for one in left])
            left = [one for one in left if not self._arrived(one, found)]
        for one in left:
            self.outcomes[one.place] = RowOutcome(error=not_shown(one.wanted, found.get(one.now.id)))

    def _arrived(self, one: _Change, found: Mapping[str, tuple[Row, Offer]]) -> bool:
        if one.now.id not in found:
            return False
        values = found[one.now.id][1].values
        names = [name for name in one.wanted if name in OF_OFFER]
        for name in names:
            # a variant's empty size is not told
            if not self._same(name, values.get(name), one.wanted[name]):
                return False
            if name in values and values[name] != one.wanted[name]:
                one.shown[name] = values[name]
        return True


def not_shown(wanted: Mapping[str, Any], found: tuple[Row, Offer] | None) -> MistokError:
    """What KeyCRM accepted and does not show: later it may; a size that was to be emptied stays."""
    there = found[1].values if found else {}
    emptied = [name for name in wanted if name in SIZES and wanted[name] is None and there.get(name)]
    if emptied:
        return held(
            T(
                "KeyCRM has taken the change of `{name}`, and does not show it: it still says {there}.",
                name=emptied[0],
                there=there[emptied[0]],
            ),
            code="keycrm-kept",
        )
    return Transient(
        T("KeyCRM has accepted the change, and does not show it yet."),
        code=NOT_SHOWN,
        hint=T("It is compared again at the next run."),
    )


def apart(names: Sequence[Collection[str]]) -> list[list[int]]:
    """Places of rows in groups, none of which has a name twice: what is looked up holds for a whole group."""
    groups: list[list[int]] = []
    last: dict[str, int] = {}
    for place, own in enumerate(names):
        turn = 1 + max((last.get(name, -1) for name in own), default=-1)
        last.update(dict.fromkeys(own, turn))
        if turn == len(groups):
            groups.append([])
        groups[turn].append(place)
    return groups
