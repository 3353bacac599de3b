"""Changes fields and stock of what a shop has: just what is named, in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.api import Held, InDoubt, MistokError, Offer, OfferChange, RowOutcome, StockTarget, T
from plugins.systems.woocommerce import mapping
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.batches import Batches, Write
from plugins.systems.woocommerce.client import WooApi
from plugins.systems.woocommerce.paging import Row
from plugins.systems.woocommerce.reading import PRODUCTS, Reader
from plugins.systems.woocommerce.settings import WooSettings

_OF_VARIANTS = frozenset({"price", "specials", "weight", *mapping.SIZES, "published", "barcode"})
_NOT_OF_BASES = frozenset({"price", "specials"})


class Updater:
    """One shop, changed."""

    def __init__(self, api: WooApi, settings: WooSettings, reader: Reader) -> None:
        self._api, self._settings, self._reader = api, settings, reader

    # --- fields ------------------------------------------------------------------------------------------------------

    def update(self, changes: Sequence[OfferChange]) -> list[RowOutcome]:
        """See ApplyCatalogue."""
        failed: dict[int, MistokError] = {}
        there = self._there(changes)
        writes = []
        for place, change in enumerate(changes):
            try:
                writes.append(self._write(place, change, there))
            except (Held, InDoubt) as error:
                failed[place] = error
        answers = Batches(self._api, "update", self._settings.batch).send(writes)
        pictures = {
            place: (answer, changes[place].values["images"])
            for place, answer in answers.items()
            if not isinstance(answer, MistokError)
            and "images" in changes[place].values
            and changes[place].offer.kind != "variant"
        }
        lost = keep_origins(self._api, self._settings, pictures)
        view = self._reader.view()
        outcomes = []
        for place, change in enumerate(changes):
            answer = failed.get(place) or lost.get(place) or answers[place]
            if isinstance(answer, MistokError):
                outcomes.append(RowOutcome(error=answer))
                continue
            shown = mapping.shown_of(answer, view, change.offer.kind, list(change.values))
            outcomes.append(RowOutcome((change.offer.id,), shown=shown))
        return outcomes

    def _there(self, changes: Sequence[OfferChange]) -> Mapping[int, Row]:
        """The products of which something must be known before it is changed: categories and pictures."""
        known = {"category", "images"}
        ids = [
            v.whole(one.offer.id)
            for one in changes
            if one.offer.kind != "variant" and known & one.values.keys() and v.whole(one.offer.id)
        ]
        return self._reader.by_ids(ids) if ids else {}

    def _write(self, place: int, change: OfferChange, there: Mapping[int, Row]) -> Write:
        offer, values = change.offer, dict(change.values)
        traits = mapping.traits(self._settings)
        allowed = traits.writes
        if offer.kind == "variant":
            allowed &= _OF_VARIANTS
        elif offer.kind == "base":
            allowed -= _NOT_OF_BASES
        wrong = sorted(values.keys() - allowed)
        if wrong:
            raise Held(
                T("`{name}` is not written there.", name=wrong[0]), code="woo-field",
                hint=T("Of a product with variations prices stand at the variations, texts at the product."),
            )  # fmt: skip
        own, path = place_of(offer)
        body = {"id": own, **mapping.body_of(values, offer.kind, self._settings)}
        row = there.get(own)
        if {"category", "images"} & values.keys() and row is None:
            raise Held(T("There is no product {id} in the shop.", id=offer.id), code="woo-gone")
        if "category" in values or "categories" in values:
            body["categories"] = self._categories(values, row)
        if "images" in values:
            body["images"] = picture_bodies(values["images"] or (), row)
        return Write(place, path, body)

    def _categories(self, values: Mapping[str, Any], row: Row | None) -> list[dict[str, int]]:
        """All categories that the product is to stand in.

        ``category`` alone takes the place of the one that counts as its main one; the others stay.
        """
        main = tuple(values.get("category") or ())
        ids = [self._reader.categories.ensure(main)] if main else []
        if "categories" in values:
            paths = [tuple(path) for path in values["categories"] or ()]
            ids += [self._reader.categories.ensure(path) for path in paths]
        elif row is not None:
            known = self._reader.categories.paths()
            standing = [key for one in row.get("categories") or () if (key := v.whole(one.get("id"))) in known]
            before = next(iter(self._reader.view().paths_of(row)), ())
            ids += [key for key in standing if known[key] != before]
        return [{"id": key} for key in dict.fromkeys(ids)]

    # --- stock -------------------------------------------------------------------------------------------------------

    def stock(self, targets: Sequence[StockTarget]) -> list[RowOutcome]:
        """See ApplyStock."""
        failed: dict[int, MistokError] = {}
        writes = []
        for place, target in enumerate(targets):
            try:
                own, path = place_of(target.offer, target.warehouse)
                writes.append(Write(place, path, {"id": own, **mapping.stock_body(target.quantity, self._settings)}))
            except Held as error:
                failed[place] = error
        answers = Batches(self._api, "update", self._settings.batch).send(writes)
        sent = {one.place: one.body["stock_quantity"] for one in writes}
        outcomes = []
        for place, target in enumerate(targets):
            answer = failed.get(place) or answers[place]
            if not isinstance(answer, MistokError) and answer.get("stock_quantity") != sent[place]:
                answer = _not_kept()
            if isinstance(answer, MistokError):
                outcomes.append(RowOutcome(error=answer))
            else:
                outcomes.append(RowOutcome((target.offer.id,)))
        return outcomes


def place_of(offer: Offer, warehouse: str = "") -> tuple[int, str]:
    """The id of an offer and where its batches go. Raises Held for an offer or a warehouse that is not the shop's."""
    if warehouse:
        raise Held(T("The shop has one stock, and no warehouse {name}.", name=warehouse), code="woo-warehouse")
    own, product = v.whole(offer.id), v.whole(offer.product)
    if not own or (offer.kind == "variant" and not product):
        raise Held(T("There is no product {id} in the shop.", id=offer.id or "-"), code="woo-gone")
    return own, f"{PRODUCTS}/{product}/variations" if offer.kind == "variant" else PRODUCTS


def picture_bodies(images: Sequence[str], row: Row | None) -> list[dict[str, Any]]:
    """The pictures of a product: those that it has by their ids, others by the address that the shop fetches them from.

    Raises Held for what is no address.
    """
    known: dict[str, int] = {}
    if row is not None:
        origins = mapping.origins_of(row)
        for key, src in mapping.pictures_of(row):
            for url in (src, origins.get(key, src)):
                known.setdefault(url, key)
    for url in images:
        if not url.startswith(("https://", "http://")):
            raise Held(
                T("`{value}` is no address from which the shop could fetch a picture.", value=url), code="woo-picture",
                hint=T("Pictures must be addresses (https://…) that the shop's server can reach."),
            )  # fmt: skip
    return [{"id": known[url]} if url in known else {"src": url} for url in images]


def keep_origins(
    api: WooApi, settings: WooSettings, written: Mapping[int, tuple[Row, Sequence[str]]]
) -> dict[int, MistokError]:
    """Keep at each product where its pictures came from, so that they are not fetched again. What failed, by place.

    Args:
        written: by place, the product as the shop told it after the write, and the addresses that were written.
    """
    writes = []
    for place, (row, images) in written.items():
        ids = [key for key, _ in mapping.pictures_of(row)]
        pairs = dict(zip(ids, images or (), strict=False))
        if len(ids) == len(images or ()) and pairs != mapping.origins_of(row):
            body = {"id": v.whole(row.get("id")), "meta_data": [mapping.origins_body(pairs)]}
            writes.append(Write(place, PRODUCTS, body))
    answers = Batches(api, "update", settings.batch).send(writes)
    return {place: answer for place, answer in answers.items() if isinstance(answer, MistokError)}


def _not_kept() -> Held:
    return Held(
        T("The shop does not keep the quantity."), code="woo-stock-off",
        hint=T("Turn on stock management in the shop: WooCommerce, Settings, Products, Inventory."),
    )  # fmt: skip
