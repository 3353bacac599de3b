"""What KeyCRM tells of its goods: all of them, or those that are asked for by id or article."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Notices, Offer, Ref, SystemEnv, normal_form
from plugins.systems.keycrm.client import Client
from plugins.systems.keycrm.lists import Lists
from plugins.systems.keycrm.mapping import Balance, Goods, Tree, Warehouses, balance
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.keycrm.specials import Specials
from plugins.systems.keycrm.values import Row, flag, ident, part, text

OFFERS, PRODUCTS, STOCKS, CATEGORIES = "/offers", "/products", "/offers/stocks", "/products/categories"
WITH_PRODUCT = {"include": "product"}
#: Seconds for which all stock, once read, answers a second question of the same run (which warehouses are there?).
FRESH = 120


@dataclass
class _Product:
    """A product and its offers while they are collected."""

    row: Row
    own: list[Row] = field(default_factory=list)


class Reader:
    """Reads one account. What rarely changes is kept for the session: categories, lists, all articles."""

    def __init__(self, client: Client, lists: Lists, settings: KeyCrmSettings, env: SystemEnv) -> None:
        self.client, self.lists, self.settings, self._env = client, lists, settings, env
        self.notices = Notices()
        self._tree: Tree | None = None
        self._goods: Goods | None = None
        self._articles: dict[str, list[Row]] | None = None
        self._stock: tuple[float, Sequence[Balance], Warehouses] | None = None

    # --- what it takes -----------------------------------------------------------------------------------------------

    def tree(self, *, again: bool = False) -> Tree:
        """The categories."""
        if self._tree is None or again:
            self.know(Tree.of(self.client.pages(CATEGORIES)))
            assert self._tree is not None
            self.notices.extend(self._tree.findings)
        assert self._tree is not None
        return self._tree

    def know(self, tree: Tree) -> None:
        """From now on these are the categories."""
        self._tree, self._goods = tree, None

    def goods(self) -> Goods:
        """Who tells products."""
        if self._goods is None:
            self._goods = Goods.of(self.settings, self.tree(), self._specials(), self.notices.add)
        return self._goods

    def _specials(self) -> Specials | None:
        if self.settings.special is None:
            return None
        kinds = {text(one.get("uuid")): text(one.get("type")) for one in self.lists.fields()}
        return Specials(self.settings.special, ZoneInfo(self._env.timezone), self._env.currency, kinds)

    # --- all of them -------------------------------------------------------------------------------------------------

    def offers(self) -> Iterator[Offer]:
        """Everything, product by product in the order of their ids.

        ``/offers`` tells each offer with its product, so that ``/products`` is read besides only for custom fields, or
        where it has products that no offer told.
        """
        goods = self.goods()
        found: dict[int, _Product] = {}
        for row in self.client.pages(OFFERS, WITH_PRODUCT, sort="id"):
            product = part(row.get("product"))
            number = ident(product.get("id")) or ident(row.get("product_id"))
            if number is not None:
                lean = {name: value for name, value in row.items() if name != "product"}
                found.setdefault(number, _Product(product)).own.append(lean)
        if goods.specials is not None or self._others(len(found)):
            include = {"include": "custom_fields"} if goods.specials is not None else {}
            for row in self.client.pages(PRODUCTS, include):
                found.setdefault(ident(row.get("id")) or 0, _Product(row)).row = row
        for number in sorted(found):
            one = found.pop(number)
            yield from goods.offers({**one.row, "id": number}, one.own)

    def _others(self, known: int) -> bool:
        """Whether there are products besides those that offers told of."""
        total = self.client.page(PRODUCTS, {"limit": 1, "page": 1}).get("total")
        return not isinstance(total, int) or total != known

    # --- some of them ------------------------------------------------------------------------------------------------

    def by_id(self, ids: Collection[int]) -> dict[int, Row]:
        """Offers with their products, by id; unknown ones are absent."""
        wanted = {str(one) for one in ids}
        rows = self.client.chosen(OFFERS, "id", sorted(wanted), WITH_PRODUCT)
        return {number: row for row in rows if (number := ident(row.get("id"))) is not None and str(number) in wanted}

    def products(self, ids: Collection[int]) -> dict[int, Row]:
        """Products by id; unknown ones are absent."""
        wanted = {str(one) for one in ids}
        rows = self.client.chosen(PRODUCTS, "product_id", sorted(wanted))
        return {number: row for row in rows if (number := ident(row.get("id"))) is not None and str(number) in wanted}

    def of_product(self, number: int) -> list[Row]:
        """The offers of a product, by id."""
        rows = self.client.chosen(OFFERS, "product_id", [str(number)], WITH_PRODUCT)
        return sorted((row for row in rows if ident(row.get("product_id")) == number), key=_number)

    def by_article(self, articles: Collection[str]) -> dict[str, list[Row]]:
        """Offers with their products, by article, exactly as it is asked for; the older one first.

        A filter takes articles joined by commas, so that one with a comma in it is looked for among all.
        """
        wanted = {one for one in articles if one.strip()}
        plain = sorted(one for one in wanted if "," not in one and one == one.strip())
        found: dict[str, list[Row]] = {}
        for row in self.client.chosen(OFFERS, "sku", plain, WITH_PRODUCT):
            if (article := text(row.get("sku"))) in wanted:
                found.setdefault(article, []).append(row)
        if others := wanted.difference(plain):
            every = self.articles()
            found |= {one: every[one] for one in others if one in every}
        return {article: sorted(same, key=_number) for article, same in found.items()}

    def articles(self) -> Mapping[str, list[Row]]:
        """All offers by article. Read once in a session, as it is long."""
        if self._articles is None:
            every: dict[str, list[Row]] = {}
            for row in self.client.pages(OFFERS, WITH_PRODUCT, sort="id"):
                product = part(row.get("product"))
                lean = {name: row.get(name) for name in ("id", "sku", "product_id")}
                lean["product"] = {name: product.get(name) for name in ("id", "name", "has_offers")}
                every.setdefault(text(row.get("sku")), []).append(lean)
            self._articles = every
        return self._articles

    def changed_goods(self) -> None:
        """Offers were made: what is kept of all articles holds no more."""
        self._articles = None

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup: exactly so written, else all of the same normal form."""
        found = {code: [product_ref(row) for row in some] for code, some in self.by_article(codes).items()}
        missing = {code for code in codes if code.strip() and code not in found}
        if missing:
            forms: dict[str, list[Row]] = {}
            for article, some in self.articles().items():
                if article.strip():
                    forms.setdefault(normal_form(article), []).extend(some)
            for code in missing:
                if alike := forms.get(normal_form(code)):
                    found[code] = [product_ref(row) for row in sorted(alike, key=_number)]
        return found

    # --- stock -------------------------------------------------------------------------------------------------------

    def stock(self) -> tuple[Sequence[Balance], Warehouses]:
        """All balances, and the warehouses seen in them."""
        now = self._env.clock.now().timestamp()
        if self._stock is None or not 0 <= now - self._stock[0] < FRESH:
            rows = self.client.pages(STOCKS, {"filter[details]": "true"})
            found = [one for row in rows if (one := balance(row)) is not None]
            self._stock = now, found, Warehouses.of(self.settings.warehouses, found)
        return self._stock[1:]

    def warehouses(self) -> Warehouses:
        """Those that the settings name, else all that lie somewhere."""
        if self.settings.warehouses:
            return Warehouses.of(self.settings.warehouses)
        return self.stock()[1]

    def balances(self, ids: Collection[int]) -> dict[int, Balance]:
        """Balances of these offers; unknown ones are absent."""
        wanted = sorted({str(one) for one in ids})
        rows = self.client.chosen(STOCKS, "offers_id", wanted, {"filter[details]": "true"})
        found = [one for row in rows if (one := balance(row)) is not None]
        return {int(one.offer): one for one in found if one.offer in wanted}

    def changed_stock(self) -> None:
        """Stock was written: what is kept of it holds no more."""
        self._stock = None


def product_ref(row: Row) -> Ref:
    """An offer as a document refers to it."""
    product = part(row.get("product"))
    return Ref(str(ident(row.get("id"))), text(row.get("sku")), text(product.get("name")))


def _number(row: Mapping[str, Any]) -> int:
    return ident(row.get("id")) or 0


def has_variants(row: Row) -> bool:
    """Whether the product of an offer, or a product, has variants."""
    return flag(part(row.get("product")).get("has_offers", row.get("has_offers")))
