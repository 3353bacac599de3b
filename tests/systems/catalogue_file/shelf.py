"""A catalogue file with all that a mapping can read, for the suites that every source of a sync goes through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.clock import SystemClock
from pipeline.flow import FormatSpec, SystemEnv
from pipeline.model import Offer
from pipeline.ports import FormatContext, GoodsReader, ProductDraft, System
from pipeline.testing.sync_subject import Places, Subject
from pipeline.transports import open_transport
from pipeline.transports.local import LocalSettings
from plugins.formats.json_goods import JsonGoods, JsonGoodsSettings
from plugins.systems.catalogue_file import open_file
from plugins.systems.catalogue_file.settings import CatalogueFileSettings

PLAIN = (
    "name", "description", "short_description", "price", "currency", "unit", "barcode", "manufacturer", "weight",
    "length", "width", "height", "published",
)  # fmt: skip
FIELDS: dict[str, Any] = {
    "code": "code", "id": "id", **{name: name for name in PLAIN}, "prices": {"cost": "cost"}, "images": "images[*]",
    "special_price": "special", "special_start": "from", "special_end": "to", "options": {"Колір": "colour"},
    "stocks": {"main": "main", "second": "second"},
}  # fmt: skip
MAPPING = JsonGoodsSettings.model_validate(
    {
        "allow_empty": True,
        "special_end": "excluded",
        "path_separator": " > ",
        "fields": {**FIELDS, "category": "category", "group": "group"},
    }
)


@dataclass
class Shelf:
    """A folder with one file, written anew at each change."""

    base: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.write()

    def write(self) -> None:
        """As somebody else's program does: whole, under another name, renamed."""
        part = self.base / "goods.json.part"
        part.write_text(json.dumps(self.rows, ensure_ascii=False), encoding="utf-8")
        part.rename(self.base / "goods.json")

    def open(self) -> System:
        """A session of its own."""
        context = FormatContext("acme", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime.now(UTC), "goods.json")
        transport = open_transport("box", "local", LocalSettings(path=self.base), base=self.base)
        form = JsonGoods()
        reader = GoodsReader(form.shape(MAPPING), lambda data, _file: form.goods(data, MAPPING, context))
        env = SystemEnv(
            "file", "acme", self.base, "UAH", "Europe/Kyiv", SystemClock(), transport=lambda _name: transport,
            goods=reader,
        )  # fmt: skip
        spec = FormatSpec(type="json-goods")
        return open_file(CatalogueFileSettings(files="box", pattern="goods.json", format=spec), env)

    def seed(self, drafts: Sequence[ProductDraft]) -> None:
        """Products with the keys and values of the drafts."""
        for draft in drafts:
            base = self._row(draft.base)
            self.rows.append(base)
            self.rows += [{**self._row(one), "group": base["id"]} for one in draft.variants]
        self.write()

    def _row(self, offer: Offer) -> dict[str, Any]:
        self.count += 1
        values = dict(offer.values)
        row: dict[str, Any] = {"id": f"i{self.count}", "code": offer.keys.get("sku", "")}
        for special in values.pop("specials", ()):
            row |= {
                "special": str(special.money.amount),
                "from": special.start.isoformat() if special.start else None,
                "to": special.end.isoformat() if special.end else None,
            }
        row["cost"] = values.pop("price.cost", None)
        row["category"] = " > ".join(values.pop("category", ()))
        row["images"] = list(values.pop("images", ()))
        row["colour"] = values.pop("options", {}).get("Колір")
        row |= values
        return {name: str(one) if isinstance(one, Decimal) else one for name, one in row.items()}

    def remove(self, own: str) -> None:
        """Leave this one out."""
        self.rows = [row for row in self.rows if row["id"] != own]
        self.write()

    def lay(self, places: Places) -> None:
        """Levels: a file has no reserves."""
        for (own, place), (hand, _kept) in places.items():
            for row in self.rows:
                if row["id"] == own:
                    row[place] = str(hand)
        self.write()


def subject_of(shelf: Shelf) -> Subject:
    """What the suites want to know."""
    return Subject(
        open=shelf.open,
        seed=shelf.seed,
        rows=lambda: {row["id"]: row for row in shelf.rows},
        columns={},
        remove=shelf.remove,
        articleless=False,
        warehouses=("main", "second"),
        seed_stock=shelf.lay,
    )
