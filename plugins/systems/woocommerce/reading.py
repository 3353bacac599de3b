"""Reads what a shop sells: products page by page, each with its variations behind it, and what is in stock of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.api import Finding, Offer, Refused, StockLevel, T
from plugins.systems.woocommerce import mapping
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.categories import Categories
from plugins.systems.woocommerce.client import NoRoute, WooApi
from plugins.systems.woocommerce.mapping import View
from plugins.systems.woocommerce.paging import Params, Row
from plugins.systems.woocommerce.settings import WooSettings

PRODUCTS = "/products"
#: ``edit`` tells texts as they were written; ``any`` leaves the trash out.
_WHOLE: Params = (("context", "edit"), ("status", "any"))
_PRODUCT: Params = (
    *_WHOLE,
    ("_fields", ",".join(mapping.PRODUCT_FIELDS)),
    ("include_meta", mapping.ORIGINS),  # of versions before 8: not known, and all meta data are told
)
_VARIATION: Params = (*_WHOLE, ("_fields", ",".join(mapping.VARIATION_FIELDS)))
_STOCK = ("id", "sku", "manage_stock", "stock_quantity", "stock_status", "type", "variations", "parent_id")
#: Clocks of two machines differ, and the second that is asked for is not in the answer.
OVERLAP = timedelta(minutes=2)


class Reader:
    """One shop, read.

    Args:
        notice: hears of what cannot be read.
    """

    def __init__(self, api: WooApi, settings: WooSettings, notice: Callable[[Finding], None]) -> None:
        self._api, self._settings, self._notice = api, settings, notice
        self.categories = Categories(api, settings.default_category)
        self._currency = settings.currency or ""
        self._all_at_once = True  #: variations of several products can be asked for: WooCommerce 10.3

    def currency(self) -> str:
        """Of the prices. Raises Refused when the shop does not tell it."""
        if not self._currency:
            try:
                told = self._api.get("/data/currencies/current")
            except (Refused, NoRoute) as error:
                if isinstance(error, Refused) and error.code == "login":
                    raise
                told = None
            code = v.text(told.get("code")) if isinstance(told, Mapping) else ""
            if len(code) != 3 or not code.isascii() or not code.isupper():
                raise Refused(
                    T("{name} does not tell the currency of its prices.", name=self._api.name), code="woo-currency",
                    hint=T("Give `currency` in the connection, such as UAH."),
                )  # fmt: skip
            self._currency = code
        return self._currency

    def view(self, *, fresh: bool = False) -> View:
        """What makes offers of rows. ``fresh``: the categories are read anew."""
        paths = self.categories.load() if fresh else self.categories.paths()
        for finding in self.categories.findings:
            self._notice(finding)
        return View(self._settings, self.currency(), paths, self._notice)

    # --- offers ------------------------------------------------------------------------------------------------------

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """Every product by its id, its variations behind it; or those that were saved since, whole."""
        view = self.view(fresh=True)
        for row, variations in self._products(_PRODUCT, _VARIATION, since):
            yield view.product(row, base=row.get("type") == "variable")
            for one in variations:
                yield view.variation(one, str(v.whole(row.get("id"))))

    def levels(self) -> Iterator[StockLevel]:
        """The level of everything that can be sold."""
        fields: Params = (*_WHOLE, ("_fields", ",".join(_STOCK)))
        for row, variations in self._products(fields, fields, None):
            if row.get("type") != "variable":
                yield mapping.level_of(row)
            yield from map(mapping.level_of, variations)

    def _products(
        self, product: Params, variation: Params, since: datetime | None
    ) -> Iterator[tuple[Row, Sequence[Row]]]:
        for rows in self._pages(product, since):
            yield from self._with_variations(rows, variation)

    def _pages(self, product: Params, since: datetime | None) -> Iterator[list[Row]]:
        if since is None:
            yield from _grouped(self._api.rows(PRODUCTS, product), self._settings.page)
            return
        # a variation is saved without its product being so: both are asked
        after: Params = (("modified_after", v.asked_moment(since - OVERLAP)),)
        ids = {v.whole(row.get("id")) for row in self._api.rows(PRODUCTS, (*_WHOLE, ("_fields", "id"), *after))}
        ids |= self._changed_below(after)
        ordered = sorted(ids)
        for start in range(0, len(ordered), self._settings.page):
            found = self._api.by_ids(PRODUCTS, ordered[start : start + self._settings.page], product)
            yield [found[key] for key in sorted(found)]

    def _changed_below(self, after: Params) -> set[int]:
        """Products of which a variation was saved."""
        try:
            fields: Params = (*_WHOLE, ("_fields", "id,parent_id"), *after)
            return {v.whole(row.get("parent_id")) for row in self._api.rows("/variations", fields)} - {0}
        except NoRoute:
            self._all_at_once = False
        fields = (*_WHOLE, ("_fields", "id"))
        bases = [v.whole(row.get("id")) for row in self._api.rows(PRODUCTS, (*fields, ("type", "variable")))]
        return {key for key in bases if next(self._api.rows(_below(key), (*fields, *after)), None) is not None}

    # --- variations --------------------------------------------------------------------------------------------------

    def _with_variations(self, rows: Sequence[Row], fields: Params) -> Iterator[tuple[Row, Sequence[Row]]]:
        bases = {v.whole(row.get("id")): _listed(row) for row in rows if row.get("type") == "variable"}
        below = self._of_several([key for key, ids in bases.items() if ids], fields)
        for row in rows:
            own = v.whole(row.get("id"))
            if not bases.get(own):
                yield row, ()
                continue
            found = below.get(own, {})
            if not bases[own] <= found.keys():  # not told, or made since
                found = {v.whole(one.get("id")): one for one in self._of_one(own, fields)}
            yield row, [found[key] for key in sorted(found)]

    def _of_several(self, bases: Sequence[int], fields: Params) -> dict[int, dict[int, Row]]:
        """The variations of several products by both ids, where the shop can tell them so."""
        found: dict[int, dict[int, Row]] = {}
        if len(bases) < 2 or not self._all_at_once:
            return found
        parents: Params = tuple(("parent[]", str(key)) for key in bases)
        try:
            for row in self._api.rows("/variations", (*fields, *parents)):
                parent = v.whole(row.get("parent_id"))
                if parent not in bases:  # it does not listen
                    self._all_at_once = False
                    return {}
                found.setdefault(parent, {})[v.whole(row.get("id"))] = row
        except NoRoute:
            self._all_at_once = False
            return {}
        return found

    def _of_one(self, base: int, fields: Params) -> Iterator[Row]:
        return self._api.rows(_below(base), fields)

    # --- single ones -------------------------------------------------------------------------------------------------

    def by_ids(self, ids: Sequence[int]) -> dict[int, Row]:
        """Products with these ids."""
        return self._api.by_ids(PRODUCTS, ids, _PRODUCT)

    def by_skus(self, skus: Sequence[str]) -> dict[str, Row]:
        """Products and variations by article in small letters; of several with one article the first."""
        found: dict[str, Row] = {}
        for some in _askable(skus):
            for row in self._api.rows(PRODUCTS, (*_PRODUCT, ("sku", ",".join(some)))):
                found.setdefault(v.text(row.get("sku")).strip().casefold(), row)
        return found


def _below(base: int) -> str:
    return f"{PRODUCTS}/{base}/variations"


def _listed(row: Row) -> set[int]:
    there = row.get("variations")
    return {v.whole(one) for one in there} - {0} if isinstance(there, list) else set()


def _grouped(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    some: list[Row] = []
    for row in rows:
        some.append(row)
        if len(some) >= size:
            yield some
            some = []
    if some:
        yield some


def _askable(skus: Sequence[str]) -> Iterator[list[str]]:
    """Articles in parts that fit into an address; one with a comma is asked for alone, as commas part them."""
    some: list[str] = []
    for sku in dict.fromkeys(skus):
        if "," in sku:
            yield [sku]
            continue
        if some and (len(some) >= 50 or sum(map(len, some)) + len(sku) > 800):
            yield some
            some = []
        some.append(sku)
    if some:
        yield some
