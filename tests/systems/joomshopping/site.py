"""A fake shop on folders of this machine, with its own schedule, and sessions to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.api import Offer, OfferChange, ProductDraft, Refused, RowOutcome, StockTarget, SystemEnv, Transport
from pipeline.testing.sync_subject import Places
from pipeline.transports.local import LocalSettings, LocalTransport
from plugins.systems.joomshopping import PLUGIN
from plugins.systems.joomshopping.fake import FakeShop, Product, Quirks
from plugins.systems.joomshopping.settings import ShopSettings
from plugins.systems.joomshopping.system import ReadShop, Shop
from tests.systems.books.conftest import Fixed


class Site:
    """A shop on a folder of this machine, and sessions to it."""

    opened: ClassVar[list[ReadShop]] = []  #: of every site; closed at the end of each test

    def __init__(self, base: Path, quirks: Quirks | None = None, **settings: Any) -> None:
        for name in ("export", "import"):
            (base / name).mkdir(exist_ok=True)
        self.base, self.clock = base, Fixed()
        updates = settings.pop("updates", {"folder": "import"})
        header = updates.get("header", True) if updates else True
        self.shop = FakeShop(base / "export", base / "import", quirks, header=header)
        self.settings = ShopSettings.model_validate(
            {"files": "site", "export": {"folder": "export"}, "updates": updates} | settings
        )
        self.layout = "named"
        self._ticks = 1_000_000_000
        self.settle()

    def transport(self, name: str) -> Transport:
        assert name == "site"
        return LocalTransport(name, LocalSettings(path=self.base), base=self.base)

    def open(self) -> ReadShop:
        env = SystemEnv("shop", "demo", self.base, "UAH", "Europe/Kyiv", self.clock, transport=self.transport)
        return self.kept(PLUGIN.open(self.settings, env))

    def kept(self, shop: object) -> ReadShop:
        """A session that is closed at the end of the test."""
        assert isinstance(shop, ReadShop)
        self.opened.append(shop)
        return shop

    def settle(self) -> None:
        """The site's own schedule: the task runs, and the catalogue is exported anew."""
        self.shop.run_task()
        path = self.shop.export(self.layout)
        self._ticks += 60
        os.utime(path, (self._ticks, self._ticks))

    def seed(self, drafts: Sequence[ProductDraft]) -> None:
        for draft in drafts:
            base = 0
            for offer in (draft.base, *draft.variants):
                made = self.shop.add(**_columns(offer.keys, offer.values), parent=base)
                base = base or made.id

    def of(self, own: str) -> Product:
        """The row behind an offer's id."""
        if "/" not in own:
            return self.shop.products[int(own)]
        code = own.partition("/")[2]
        return next(one for one in self.shop.products.values() if one.product_ean == code and one.parent)

    def id_of(self, product: Product) -> str:
        """The offer's id that a row is told under."""
        return f"{product.parent}/{product.product_ean}" if product.parent else str(product.id)

    def rows(self) -> dict[str, Mapping[str, Any]]:
        return {self.id_of(one): asdict(one) for one in self.shop.products.values()}

    def seed_stock(self, places: Places) -> None:
        for (own, _), (on_hand, _) in places.items():
            self.of(own).product_quantity = on_hand


def _columns(keys: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"product_ean": keys.get("code", "")}
    found["names"] = {"uk-UA": values.get("name", ""), "ru-RU": "Грунтовка"}
    for name, column in (
        ("price", "product_price"),
        ("price.old", "product_old_price"),
        ("price.cost", "product_buy_price"),
        ("weight", "product_weight"),
        ("published", "product_publish"),
        ("unit", "unit"),
        ("barcode", "real_ean"),
        ("manufacturer", "manufacturer"),
        ("description", "description"),
        ("short_description", "short_description"),
    ):
        if values.get(name) is not None:
            found[column] = values[name]
    found["categories"] = "/".join(values.get("category", ()))
    images = values.get("images", ())
    found |= {"image": images[0] if images else "", "images": "|".join(images[1:])}
    return found | {"attributes": "|".join(f"{name}:{value}" for name, value in values.get("options", {}).items())}


def put(site: Site, text: str, name: str = "export.csv", encoding: str = "utf-8") -> None:
    """An export as an add-on writes it, newer than any before."""
    path = site.base / "export" / name
    path.write_bytes(text.encode(encoding))
    site._ticks += 60
    os.utime(path, (site._ticks, site._ticks))


def shop_of(site: Site) -> Shop:
    """A session that can write."""
    shop = site.open()
    assert isinstance(shop, Shop)
    return shop


def level(shop: Shop, own: str, quantity: str) -> RowOutcome:
    """Set the level of an offer."""
    target = StockTarget(offer=Offer(id=own, product=own), warehouse="", quantity=Decimal(quantity))
    (outcome,) = shop.apply_stock([target])
    return outcome


def price(shop: Shop, own: str, amount: object) -> RowOutcome:
    """Set the price of an offer."""
    (outcome,) = shop.update_offers([OfferChange(offer=Offer(id=own, product=own), values={"price": amount})])
    return outcome


def lies(site: Site) -> list[str]:
    """The lines of the file that the shop is to take."""
    return (site.base / "import" / "stock.csv").read_text(encoding="utf-8").splitlines()


def why(act: Callable[[], object]) -> Refused:
    """What is refused."""
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def told(shop: ReadShop) -> list[Offer]:
    """All offers."""
    return list(shop.offers())


class Odd:
    """A transport that changes what it is told to."""

    def __init__(self, inner: Transport, **acts: Any) -> None:
        self.inner, self.acts = inner, acts

    def __getattr__(self, name: str) -> Any:
        return self.acts.get(name) or getattr(self.inner, name)


def session(site: Site, transport: Callable[[str], Any] | None) -> Shop:
    """A session over another transport."""
    env = SystemEnv("shop", "demo", site.base, "UAH", "Europe/Kyiv", site.clock, transport=transport)
    shop = site.kept(PLUGIN.open(site.settings, env))
    assert isinstance(shop, Shop)
    return shop


def over(transport: Any, _name: str) -> Any:
    """Whatever connection is asked for, this one."""
    return transport
