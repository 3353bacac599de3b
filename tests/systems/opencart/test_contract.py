"""The contract of a sync's ends, kept by shops of both versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.model import Offer, SpecialPrice
from pipeline.ports import ProductDraft
from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Places, Subject, levels_of
from plugins.systems.opencart.mapping import days_of, stored_text
from tests.systems.opencart.shops import Shop

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]
KYIV = ZoneInfo("Europe/Kyiv")
IMAGES = "https://shop.example/img/"


class Filled:
    """Fills a shop past the connector, and looks into it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.categories: dict[tuple[str, ...], int] = {}
        if shop.version == "3.0":  # an extension keeps articles of option values
            shop.run("alter table {p}product_option_value add sku varchar(64) not null default ''")
            shop.needs.clear()

    @property
    def settings(self) -> dict[str, Any]:
        """Of the connection."""
        own: dict[str, Any] = {"currency": "UAH", "timezone": "Europe/Kyiv", "image_url": IMAGES, "page": 50}
        if self.shop.version == "3.0":
            own |= {"option_article": "sku", "variant_key": "{articles}"}
        return own

    def seed(self, drafts: Sequence[ProductDraft]) -> None:
        """Products as the shop keeps them."""
        for one in drafts:
            number = self._product(one.base)
            if one.variants:
                self._variants(number, one)

    def _product(self, offer: Offer, **columns: Any) -> int:
        values = offer.values
        stamp = self.shop.clock.now().astimezone(KYIV).strftime("%Y-%m-%d %H:%M:%S")
        images = [one.removeprefix(IMAGES) for one in values.get("images", ())]
        sizes = {name: values.get(name) or 0 for name in ("weight", "length", "width", "height")}
        number = self.shop.product(
            model=stored_text(offer.keys.get("model", "")),
            texts={},
            price=values.get("price", Decimal(0)),
            status=int(values.get("published", True)),
            image=images[0] if images else "",
            manufacturer_id=self._maker(values.get("manufacturer", "")),
            date_added=stamp,
            date_modified=stamp,
            quantity=0,
            **sizes,
            **columns,
        )
        self.shop.insert("product_description", {
            "product_id": number, "language_id": 1, "name": stored_text(values.get("name", "")),
            "description": stored_text(values.get("description", "")),
        })  # fmt: skip
        for n, image in enumerate(images[1:]):
            self.shop.insert("product_image", {"product_id": number, "image": image, "sort_order": n})
        for path in {values.get("category", ()), *values.get("categories", ())} - {()}:
            self.shop.insert("product_to_category", {"product_id": number, "category_id": self._category(path)})
        for special in values.get("specials", ()):
            self._special(number, special)
        return number

    def _special(self, number: int, special: SpecialPrice) -> None:
        days = days_of(special, KYIV)
        assert days is not None
        self.shop.special(number, str(special.money.amount), *days)

    def _maker(self, name: str) -> int:
        if not name:
            return 0
        found = self.shop.run("select manufacturer_id as id from {p}manufacturer where name = %s", [stored_text(name)])
        return found[0]["id"] if found else self.shop.insert("manufacturer", {"name": stored_text(name)})

    def _category(self, path: tuple[str, ...]) -> int:
        if path not in self.categories:
            parent = self._category(path[:-1]) if len(path) > 1 else 0
            self.categories[path] = self.shop.insert("category", {"parent_id": parent, "status": 1})
            row = {"category_id": self.categories[path], "language_id": 1, "name": stored_text(path[-1])}
            self.shop.insert("category_description", row)
        return self.categories[path]

    def _variants(self, number: int, one: ProductDraft) -> None:
        (option,) = one.variants[0].values["options"]
        base = one.base.values["price"]
        old = self.shop.version == "3.0"
        rows = []
        for variant in one.variants:
            added = variant.values["price"] - base if old else Decimal(0)
            row = {"name": variant.values["options"][option], "price": abs(added), "subtract": int(old)}
            rows.append(row | {"price_prefix": "-" if added < 0 else "+"})
            if old:
                rows[-1]["sku"] = variant.keys["model"]
        values = self.shop.option(number, "select", option, rows)
        if not old:
            (own,) = self.shop.run(
                "select product_option_id as id from {p}product_option where product_id = %s", [number]
            )
            for variant, value in zip(one.variants, values, strict=True):
                self._product(
                    variant,
                    master_id=number,
                    variant=json.dumps({str(own["id"]): str(value)}),
                    override=json.dumps({"variant": {str(own["id"]): "1"}}),
                )

    def rows(self) -> dict[str, dict[str, Any]]:
        """All that is kept of each offer, by id. A product with variants: without its time, which theirs moves."""
        found: dict[str, dict[str, Any]] = {}
        values = self.shop.run("select * from {p}product_option_value")
        for product in self.shop.run("select * from {p}product"):
            found[str(product["product_id"])] = product | {"specials": self._specials(product["product_id"])}
        for value in values if self.shop.version == "3.0" else ():
            found[f"{value['product_id']}:{value['option_value_id']}"] = value
            found[str(value["product_id"])].pop("date_modified", None)
        return found

    def _specials(self, number: int) -> list[Any]:
        if self.shop.version == "3.0":
            rows = self.shop.run("select * from {p}product_special where product_id = %s", [number])
        else:
            rows = self.shop.run("select * from {p}product_discount where product_id = %s and special = 1", [number])
        return [(row["priority"], row["price"], str(row["date_start"]), str(row["date_end"])) for row in rows]

    def seed_stock(self, places: Places) -> None:
        """Quantities."""
        for (offer, _), (on_hand, _) in places.items():
            self.shop.run("update {p}product set quantity = %s where product_id = %s", [int(on_hand), int(offer)])

    def tick(self) -> datetime:
        """An hour later."""
        self.shop.clock.moment += timedelta(hours=1)
        return self.shop.clock.moment

    def remove(self, offer: str) -> None:
        """Take a product out."""
        self.shop.run("delete from {p}product where product_id = %s", [int(offer)])


COLUMNS: Mapping[str, Sequence[str]] = {
    "price": ("price", "price_prefix"),
    "specials": ("specials",),
    "published": ("status", "date_available"),
    "stock": ("quantity",),
}


def subject_of(shop: Shop) -> Subject:
    """A shop without goods, as the contract wants it."""
    filled = Filled(shop)
    return Subject(
        open=lambda: filled.shop.open(**filled.settings),
        seed=filled.seed,
        rows=filled.rows,
        columns=COLUMNS,
        stamps=("date_modified",),
        tick=filled.tick,
        remove=filled.remove,
        seed_stock=filled.seed_stock,
    )


class TestOpenCart(SyncContract):
    @pytest.fixture
    def subject(self, copied: Callable[[str, bool], Shop], version: str) -> Subject:
        return subject_of(copied(version, False))

    def test_levels_that_have_changed_since_are_told(self, subject: Subject) -> None:
        # the port allows all of them: a sale leaves no time in the shop, so that nothing else would be true
        stocked = self._stocked(subject)
        assert stocked is not None
        assert subject.tick is not None
        since = subject.tick()
        assert len(levels_of(subject, since)) == len(levels_of(subject)) == 3
