"""A fake shop for tests of the connector: served, filled past the connector, looked into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.api import Offer, ProductDraft, SpecialPrice, SystemEnv
from pipeline.http import LocalPacer
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.woocommerce import PLUGIN
from plugins.systems.woocommerce._fake_quirks import Quirks
from plugins.systems.woocommerce.fake import KEY, SECRET, FakeWoo
from plugins.systems.woocommerce.settings import WooSettings
from plugins.systems.woocommerce.system import WooCommerce
from tests.systems.woocommerce.conftest import Clock

SIZES = ("length", "width", "height")


@dataclass
class Shop:
    """One fake shop and its address."""

    fake: FakeWoo
    url: str
    clock: Clock
    base: Path = Path()
    settings: dict[str, Any] = field(default_factory=dict)
    naps: list[float] = field(default_factory=list)  #: what a client would have waited for
    opened: list[WooCommerce] = field(default_factory=list)

    def config(self, **more: Any) -> dict[str, Any]:
        """The connection, as in the YAML."""
        return {"url": self.url, "key": KEY, "secret": SECRET, **self.settings, **more}

    def open(self, **more: Any) -> WooCommerce:
        """A session of its own."""
        env = SystemEnv(
            name="shop", client="acme", base=self.base, currency="UAH", timezone="Europe/Kyiv",
            clock=self.clock,  # type: ignore[arg-type]  # of a clock only the time is asked
            pacer=LocalPacer(sleep=self.naps.append),
        )  # fmt: skip
        made = PLUGIN.open(WooSettings.model_validate(self.config(**more)), env)
        assert isinstance(made, WooCommerce)
        self.opened.append(made)
        return made

    # --- past the connector ------------------------------------------------------------------------------------------

    def seed(self, drafts: Sequence[ProductDraft]) -> None:
        """Products as the shop keeps them."""
        for one in drafts:
            kind = "variable" if one.variants else "simple"
            own = self.add(one.base, type=kind)
            if not one.variants:
                continue
            (name,) = one.variants[0].values["options"]
            options = [variant.values["options"][name] for variant in one.variants]
            attribute = {"id": 0, "name": name, "position": 0, "visible": True, "variation": True, "options": options}
            self.fake.shop.tables["products"][own]["attributes"] = [attribute]
            for variant in one.variants:
                self.add(variant, type="variation", parent_id=own, chosen=dict(variant.values["options"]))

    def add(self, offer: Offer, **row: Any) -> int:
        """One row."""
        values = offer.values
        row |= {name: values[name] for name in ("name", "description", "short_description") if name in values}
        row |= {"sku": offer.keys.get("sku", ""), "regular_price": text(values.get("price"))}
        row |= {name: text(values.get(name)) for name in ("weight", *SIZES)}
        row["global_unique_id"] = values.get("barcode", "")
        row["status"] = "publish" if values.get("published", True) else "draft"
        for special in values.get("specials", ()):
            row |= sale(special)
        paths = dict.fromkeys([*filter(None, [values.get("category")]), *values.get("categories", ())])
        row["categories"] = [self.category(path) for path in paths]
        row["images"] = [self.picture(url) for url in values.get("images", ())]
        with self.fake.lock:
            return int(self.fake.products.new_row(**row)["id"])

    def picture(self, url: str) -> int:
        """A picture that is the shop's own."""
        return int(
            self.fake.shop.add("media", {"src": url, "name": url.rsplit("/", 1)[-1], "alt": "", "from": ""})["id"]
        )

    def category(self, path: Sequence[str]) -> int:
        """The id of a category, made where it is missing."""
        parent = 0
        for name in path:
            rows = self.fake.shop.tables["categories"].values()
            found = next((row["id"] for row in rows if (row["name"], row["parent"]) == (name, parent)), None)
            parent = found or self.fake.add_category(name, parent)
        return parent

    def paths(self) -> list[tuple[str, ...]]:
        """Every category but the default one."""
        rows = self.fake.shop.tables["categories"]
        found = []
        for row in rows.values():
            names, at = [row["name"]], row
            while at["parent"]:
                at = rows[at["parent"]]
                names.insert(0, at["name"])
            if row["slug"] != "uncategorized":
                found.append(tuple(names))
        return found

    def rows(self) -> dict[str, dict[str, Any]]:
        """All that is kept of each offer, by id. A variable product: without what follows from its variations."""
        found = {}
        for row in self.fake.products.rows():
            kept = {name: value for name, value in row.items() if name not in ("images", "meta", "price")}
            kept["images"] = [self.fake.shop.tables["media"][key]["from"] or key for key in row["images"]]
            kept["meta"] = [one for one in row["meta"] if one["key"] != "_mistok_images"]
            if row["type"] == "variable":
                for name in ("attributes", "stock_status"):
                    del kept[name]
            found[str(row["id"])] = kept
        return found

    def row(self, sku: str) -> dict[str, Any]:
        """The only row with an article."""
        (row,) = self.fake.products.by_sku(sku)
        return row

    def seed_stock(self, places: Mapping[tuple[str, str], tuple[Decimal, Decimal]]) -> None:
        """Quantities."""
        for (offer, _), (on_hand, _) in places.items():
            row = self.fake.shop.tables["products"][int(offer)]
            row |= {"manage_stock": True, "stock_quantity": on_hand}
            self.fake.products.settle(row)

    def tick(self) -> datetime:
        """An hour later."""
        self.clock.pass_(hours=1)
        return self.clock.moment

    def remove(self, offer: str) -> None:
        """Delete a product."""
        del self.fake.shop.tables["products"][int(offer)]


def text(value: Decimal | None) -> str:
    """As the shop keeps a number."""
    return "" if value is None else format(value, "f")


def sale(special: SpecialPrice) -> dict[str, Any]:
    """As the shop keeps a special price: its last second is in it."""
    end = special.end - timedelta(seconds=1) if special.end else None
    amount = text(special.money.amount)
    return {"sale_price": amount, "date_on_sale_from": special.start, "date_on_sale_to": end}


@contextmanager
def served(clock: Clock, quirks: Quirks | None = None, **settings: Any) -> Iterator[Shop]:
    """A shop that can be asked."""
    fake = FakeWoo(quirks, now=clock.now)
    with FakeServer(fake) as server:
        shop = Shop(fake, server.url, clock, settings=settings)
        try:
            yield shop
        finally:
            for one in shop.opened:
                one.close()
