"""The action ``call`` of the fake Dilovod: ``saleOrderCreate``, which fills in what an order lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pipeline.testing.fakehttp import Answer, Answered
from plugins.systems.dilovod._fake_base import EMPTY, Base, Row
from plugins.systems.dilovod._fake_reads import shown
from plugins.systems.dilovod._fake_saves import Saves
from plugins.systems.dilovod._fake_schema import GOODS, ORDER, THINGS

DEFAULTS = {"firm": "catalogs.firms", "currency": "catalogs.currency", "storage": "catalogs.storages",
            "priceType": "catalogs.priceTypes"}  # fmt: skip
LINE = ("good", "productNum", "qty", "price", "unit", "discount", "remark", "priceAmount")


def wrong(text: str) -> NoReturn:
    """An error in the other form, which is that of this action alone."""
    raise Answered(Answer(200, {"status": "error", "errorMessage": text, "data": []}))


class Calls:
    """Named methods."""

    def __init__(self, base: Base, saves: Saves) -> None:
        self.base, self.saves = base, saves

    def call(self, params: Mapping[str, Any], key: str) -> Row:
        """``{"status": "success", "data": {"header": …}}``."""
        if params.get("method") != "saleOrderCreate":
            wrong(f"Unknown method {params.get('method')}")
        if self.base.quirks.call_needs_right:
            self.base.need(key, ORDER, "write")
        arguments = params.get("arguments") or {}
        if not isinstance(arguments, dict):
            wrong("Bad value type for arguments")
        row = self._order(arguments)
        self.saves.put_document(row, post=self.base.quirks.call_posts)
        return {"status": "success", "data": {"header": shown(self.base, key, row)["header"]}}

    def _order(self, arguments: Mapping[str, Any]) -> Row:
        """The order of the arguments. One of no header and no goods is an order, too."""
        header, goods = arguments.get("header") or {}, arguments.get("goods") or []
        placement = arguments.get("placement") or {}
        if not isinstance(header, dict) or not isinstance(goods, list) or not isinstance(placement, dict):
            wrong("Bad value type for arguments")
        row = self.base.blank(ORDER)
        row["placed"] = bool(placement.get("autoPlacement"))
        values, attrs = row["values"], self.base.attrs(ORDER)
        for name, value in header.items():
            if name not in attrs or attrs[name].fixed:
                wrong(f"Bad value type for column {name}")
            values[name] = self._taken(row, name, value)
        for name, catalogue in DEFAULTS.items():
            if values[name] == EMPTY:
                values[name] = next(iter(self.base.by_type[catalogue]), EMPTY)
        values["date"] = values["date"] or self.base.stamp()
        row["parts"]["tpGoods"] = [self._line(row, number, one) for number, one in enumerate(goods, 1)]
        self.saves.sum_lines(row)
        self.saves.sum_header(row)
        return row

    def _taken(self, row: Row, name: str, value: Any, part: str = "") -> Any:
        attrs = THINGS[row["type"]].parts[part] if part else self.base.attrs(row["type"])
        # Sixteen zeros are an id, of nothing that is there: no empty link
        try:
            return self.base.taken(attrs[name], value, name)
        except Answered:
            wrong(f"Bad value type for column {name}")

    def _line(self, row: Row, number: int, given: Any) -> Row:
        if not isinstance(given, dict) or set(given) - set(LINE):
            wrong("Bad value type for column goods")
        line = {name: self.base.empty(attr) for name, attr in THINGS[ORDER].parts["tpGoods"].items()}
        for name, value in given.items():
            if name != "productNum":
                line[name] = self._taken(row, name, value, "tpGoods")
        if "productNum" in given:
            line["good"] = self._by_article(str(given["productNum"]))
        if line["good"] == EMPTY:
            wrong("Bad value type for column good")
        good = self.base.objects[line["good"]]["values"]
        line["rowNum"], line["unit"] = str(number), line["unit"] if line["unit"] != EMPTY else good["mainUnit"]
        line["baseQty"] = line["qty"]
        if "price" not in given:
            kind = row["values"]["priceType"]
            prices = [one["price"] for one in self.base.prices(self.base.stamp())
                      if (one["good"], one["priceType"]) == (line["good"], kind)]  # fmt: skip
            line["price"] = prices[0] if prices else line["price"]
        return line

    def _by_article(self, article: str) -> str:
        found = [
            row["id"]
            for row in self.base.by_type[GOODS].values()
            if row["values"]["productNum"] == article and row["values"]["delMark"] == "0"
        ]
        if not found or (len(found) > 1 and self.base.quirks.call_ambiguous == "refused"):
            wrong("Bad value type for column productNum")
        return str(found[0])
