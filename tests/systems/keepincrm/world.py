"""An account on the fake KeepinCRM, sessions of the connector on it, and the account as a contract looks into it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Offer, ProductDraft, SystemEnv
from pipeline.testing.sync_subject import Places, Subject
from pipeline.testing.wire_contract import Naps, Wire
from plugins.systems.keepincrm import PLUGIN
from plugins.systems.keepincrm._fake_account import slug
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.system import Keepin

KYIV = ZoneInfo("Europe/Kyiv")
#: all that can be switched on for goods
RICH: Mapping[str, Any] = {
    "materials_create": "auto",
    "categories": "create",
    "prices": {"wholesale": "Опт", "old": {"custom": "Стара ціна"}},
    "texts": {"description": "Опис", "manufacturer": {"custom": "Бренд"}},
    "special_price": {"price": {"named": "Акція"}, "from": "Акція з", "to": "Акція до"},
    "weight": "kg",
}


class Clock:
    """Time that a test owns."""

    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a system never sleeps")

    def pass_(self, **spans: float) -> None:
        self.moment += timedelta(**spans)


@dataclass
class World:
    """The fake, served, and sessions of ours on it."""

    fake: FakeKeepin
    url: str
    clock: Clock
    base: Path = field(default_factory=Path)
    naps: Naps = field(default_factory=Naps)
    opened: list[Keepin] = field(default_factory=list)
    token: str = TOKEN
    units: int = 1  #: in which weights are kept, in one kilogram
    given: Mapping[str, Any] = field(default_factory=dict)  #: the settings of ``subject``
    separator: str = ""  #: between the parts of a path, in an account whose categories are not a tree

    def settings(self, **settings: Any) -> KeepinSettings:
        return KeepinSettings.model_validate(
            {"token": self.token, "url": f"{self.url}/v1", "untried_writes": True, **settings}
        )

    def open(self, **settings: Any) -> Keepin:
        pacer = self.naps.pacer()
        env = SystemEnv("crm", "demo", self.base, "UAH", "Europe/Kyiv", self.clock, pacer=pacer)
        system = Keepin(self.settings(**settings), env)
        self.opened.append(system)
        return system

    def close(self) -> None:
        for system in self.opened:
            system.close()

    # --- an account ----------------------------------------------------------------------------------------------

    def furnish(self) -> None:
        """Price kinds and fields of the account's own, as RICH names them."""
        for name in ("Опт", "Акція", "VIP"):
            self.fake.add_named("price_kinds", name)
        for name in ("Опис", "Бренд", "Стара ціна", "Акція з", "Акція до", "Колір"):
            self.fake.add_custom_field(name)

    def named(self, name: str) -> int:
        return self._id("price_kinds", name)

    def custom(self, name: str) -> int:
        return self._id("custom_fields", name)

    def office(self, name: str) -> int:
        return self._id("offices", name)

    def _id(self, table: str, name: str) -> int:
        return next(key for key, row in self.fake.account.tables[table].items() if row["name"] == name)

    def row(self, key: int | str) -> dict[str, Any]:
        return self.fake.account.tables["materials"][int(key)]

    def seed(self, drafts: Sequence[ProductDraft]) -> None:
        """Materials as people of the CRM put them in."""
        for draft in drafts:
            for offer in draft.variants or (draft.base,):
                self._material(offer)

    def _material(self, offer: Offer) -> int:
        values = offer.values
        custom: dict[str, Any] = {str(self.custom("Колір")): "синій"}
        for name, title in (("description", "Опис"), ("manufacturer", "Бренд"), ("price.old", "Стара ціна")):
            if values.get(name) not in (None, ""):
                custom[str(self.custom(title))] = str(values[name])
        named = {self.named("VIP"): "99.90"}
        if values.get("price.wholesale") is not None:
            named[self.named("Опт")] = str(values["price.wholesale"])
        for one in values.get("specials", ()):
            named[self.named("Акція")] = str(one.money.amount)
            custom[str(self.custom("Акція з"))] = one.start.isoformat() if one.start else ""
            custom[str(self.custom("Акція до"))] = one.end.isoformat() if one.end else ""
        row = {
            "price": values.get("price"),
            "cost": values.get("price.cost"),
            "currency": values.get("currency", "UAH"),
            "unit": values.get("unit", ""),
            "weight": values["weight"] * self.units if values.get("weight") is not None else None,
            "asset_url": next(iter(values.get("images", ())), None),
            "irrelevant": not values.get("published", True),
            "category_id": self.category(values.get("category", ())),
            "custom_fields": custom,
            "named": named,
            "marketplace_uid": "keep me",
        }
        return self.fake.add_material(offer.keys.get("sku", ""), values.get("name", "Товар"), **row)

    def category(self, path: Sequence[str]) -> int | None:
        parent: int | None = None
        if self.separator and path:
            path = (self.separator.join(path),)
        for name in path:
            there = self.fake.account.tables["categories"].values()
            found = next((one["id"] for one in there if (one["name"], one["parent_id"]) == (name, parent)), None)
            parent = found if found is not None else self.fake.add_category(name, parent)
        return parent

    def categories(self) -> list[tuple[str, ...]]:
        rows = self.fake.account.tables["categories"]
        paths = []
        for row in rows.values():
            path = [row["name"]]
            while row["parent_id"] is not None:
                row = rows[row["parent_id"]]  # noqa: PLW2901 - up to the root
                path.insert(0, row["name"])
            paths.append(tuple(path))
        return paths

    def rows(self) -> dict[str, dict[str, Any]]:
        """All that the account keeps of each material."""
        found = {}
        for key, row in self.fake.account.tables["materials"].items():
            flat = copy.deepcopy(row)
            for name in ("named_prices", "custom_fields"):
                flat |= {f"{name}.{own}": value for own, value in flat.pop(name).items() if value != ""}
            found[str(key)] = flat
        return found

    def seed_stock(self, places: Places) -> None:
        for (key, name), (on_hand, _reserved) in places.items():
            row = self.row(key)
            if not name:
                row["own"] = on_hand
            else:
                office = self.office(name)
                row["rests"] = [one for one in row["rests"] if one["office_id"] != office]
                row["rests"].append({"office_id": office, "available": on_hand})
            self.fake.account.touch(row)

    def tick(self) -> datetime:
        self.clock.moment += timedelta(hours=1)
        return self.clock.moment

    def remove(self, key: str) -> None:
        del self.fake.account.tables["materials"][int(key)]

    # --- the contract --------------------------------------------------------------------------------------------

    def subject(self, *, offices: Sequence[str] = ("Магазин", "Склад"), **settings: Any) -> Subject:
        """A furnished account without goods."""
        self.furnish()
        numbers = {name: self.fake.add_office(name) for name in offices}
        given = {**RICH, "offices": numbers, "page": 50, **settings}
        if self.fake.account.quirks.custom_fields_read == "slugs":
            name = {row["name"]: slug(row) for row in self.fake.account.tables["custom_fields"].values()}
            given["prices"] = {"wholesale": "Опт", "old": {"custom": name["Стара ціна"]}}
            given["texts"] = {"description": name["Опис"], "manufacturer": name["Бренд"]}
            special = {"price": {"named": "Акція"}, "from": name["Акція з"], "to": {"custom": name["Акція до"]}}
            given["special_price"] = special
        self.units = 1000 if given["weight"] == "g" else 1
        if self.separator:
            given["category_separator"] = self.separator
        self.given = given
        columns = {
            "name": ("title",),
            "price.cost": ("cost", "cost_currency"),
            "images": ("asset_url",),
            "published": ("irrelevant",),
            "category": ("category_id",),
            "price.wholesale": (f"named_prices.{self.named('Опт')}",),
            "price.old": (f"custom_fields.{self.custom('Стара ціна')}",),
            "description": (f"custom_fields.{self.custom('Опис')}",),
            "manufacturer": (f"custom_fields.{self.custom('Бренд')}",),
            "specials": (
                f"named_prices.{self.named('Акція')}",
                f"custom_fields.{self.custom('Акція з')}",
                f"custom_fields.{self.custom('Акція до')}",
            ),
            "stock": ("rests", "own"),
            **{name: (name,) for name in ("price", "currency", "unit", "weight")},
        }
        one, other = (("https://shop.example/img/a.jpg",), ("https://shop.example/img/c.jpg",))
        return Subject(
            open=lambda: self.open(**given),
            seed=self.seed,
            rows=self.rows,
            columns=columns,
            stamps=("updated_at",),
            tick=self.tick,
            remove=self.remove,
            categories=None if self.separator else self.categories,
            samples={"images": (one, other)},
            warehouses=tuple(offices) or ("",),
            seed_stock=self.seed_stock,
        )

    def wire(self) -> Wire:
        """A furnished account, for the contract about services that fail."""

        def expire() -> None:
            self.fake.account.tokens = {"another"}

        subject = self.subject()
        return Wire(
            subject=subject,
            api=self.fake,
            plugin=PLUGIN,
            config={"token": self.token, "url": f"{self.url}/v1", **self.given},
            clock=self.clock,
            expire=expire,
            secret=self.token,
            cap={"max_pages": 2},
            codes=lambda: [row["sku"] for row in self.fake.account.tables["materials"].values()],
            naps=self.naps,
        )
