"""What is written in the fake Dilovod: objects, records of registers, deletion marks, and orders by ``call``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import Answered
from plugins.systems.dilovod._fake_base import EMPTY, Base, Row, cant_set, link_of, not_saved, number_of, refuse
from plugins.systems.dilovod._fake_posting import PURCHASE_MODE, RETURN_MODE, SHIPMENT, Posting
from plugins.systems.dilovod._fake_schema import (
    BARCODES,
    ORDER,
    PERSONS,
    PRICES,
    PROPS,
    REGISTERS,
    RETURN,
    SALE,
    THINGS,
    Register,
)

MODES = {SALE: SHIPMENT, RETURN: RETURN_MODE, "documents.purchase": PURCHASE_MODE}
POSTED = "Документ проведено, спочатку скасуйте проведення"
SHIPPED = "На підставі замовлення є відвантаження"
TAKEN = "Ціну на цей день вже встановлено (price already set)"
CENT = Decimal("0.01")


class Saves:
    """The writing actions. ``told`` is called with each object that was changed, and whether by the API."""

    def __init__(self, base: Base, told: Callable[[Row, bool], None]) -> None:
        self.base, self.told = base, told
        self.posting = Posting(base)

    # --- saveObject -----------------------------------------------------------------------------------------------

    def save(self, params: Mapping[str, Any], key: str | None) -> Row:
        """``{"result": "ok", "id": …}``. ``key`` None: it is done in the cabinet, where everything is allowed."""
        header = _object(params.get("header"), "header")
        target = header.pop("id", None)
        name = str(target)
        if name in REGISTERS:
            return self._record(REGISTERS[name], header, key, None)
        if name in THINGS:
            row = self.base.blank(name)
        else:
            record = next((one for one in self.base.records[PRICES] if one["id"] == link_of(target)), None)
            if record is not None:
                return self._record(REGISTERS[PRICES], header, key, record)
            row = deepcopy(self.base.one(link_of(target)))
        if key is not None:
            self.base.need(key, row["type"], "write")
        self._free_to_change(row)
        wanted = params.get("saveType")
        save_type = self._save_type(wanted, header, row)
        parts = _object(params.get("tableParts"), "tableParts")
        changed = bool(row["id"] and (header or parts))
        self._fill(row, header, parts)
        if THINGS[row["type"]].is_document:
            self._post(row, save_type, changed=changed)
        else:
            self.base.put(row)
        self.told(row, key is not None)
        return {"result": "ok", "id": row["id"]}

    def _free_to_change(self, row: Row) -> None:
        if row["id"] in self.base.locked:
            refuse("object locked")

    def _save_type(self, wanted: Any, header: Row, row: Row) -> int:
        """0 save, 1 post, 2 unpost. ``posted`` of the header is taken out of it."""
        posted = header.pop("posted", None) if THINGS[row["type"]].is_document else None
        if wanted is None and posted is not None and self.base.quirks.header_posted == "obeyed":
            return 1 if posted in (1, "1", True) else 2
        number = number_of(self.base.quirks.default_save_type if wanted is None else wanted)
        if number not in (0, 1, 2):
            refuse("bad param saveType")
        return int(number)

    def _post(self, row: Row, save_type: int, *, changed: bool) -> None:
        """Put a document into the base, and its movements into the registers, or neither."""
        values, quirks = row["values"], self.base.quirks
        was = values["posted"] == "1"
        if was and changed and save_type != 2:
            if quirks.edit_posted == "refused":
                not_saved(POSTED)
            if quirks.edit_posted == "unposted" and save_type == 0:
                was = False
        posted = save_type == 1 or (was and save_type == 0)
        new, numbers = not row["id"], (self.base.last.copy(), self.base.numbers.copy())
        if new:  # the movements need its id; it goes again when they are refused
            self.base.put(row)
        values["posted"] = "1" if posted else "0"
        try:
            self.posting.replace(row, self.posting.moves(row) if posted else [])
        except Answered:
            if new:
                del self.base.objects[row["id"]], self.base.by_type[row["type"]][row["id"]]
                self.base.last, self.base.numbers = numbers
            raise
        self.base.put(row)

    def put_document(self, row: Row, *, post: bool) -> None:
        """Put in a new document that is complete already."""
        self._post(row, int(post), changed=False)
        self.told(row, True)

    # --- what is in a packet --------------------------------------------------------------------------------------

    def _fill(self, row: Row, header: Row, parts: Row) -> None:
        name, thing = row["type"], THINGS[row["type"]]
        attrs, quirks = self.base.attrs(name), self.base.quirks
        for word, value in header.items():
            where = f"header.{word}"
            attr = attrs.get(word)
            if attr is None or attr.fixed or (word == "delMark" and not quirks.lift_mark):
                cant_set(where)
            if word == "number" and quirks.order_number == "auto":
                continue
            row["values"][word] = self.base.taken(attr, value, where)
        for part, rows in parts.items():
            if part not in thing.parts or not isinstance(rows, list):
                cant_set(f"tableParts.{part}")
            self._fill_part(row, part, rows)
        if name == PERSONS and "details" in header:
            self._contacts(row)
        if thing.is_document:
            self._complete(row, header)

    def _fill_part(self, row: Row, part: str, rows: list[Any]) -> None:
        attrs = THINGS[row["type"]].parts[part]
        replace = self.base.quirks.parts_replace
        kept = {} if replace else {line["rowNum"]: line for line in row["parts"][part]}
        for number, given in enumerate(rows, 1):
            line = _object(given, f"tableParts.{part}")
            place = str(line.get("rowNum") or number)
            made = kept.get(place) or {name: self.base.empty(attr) for name, attr in attrs.items()}
            for word, value in line.items():
                if word not in attrs:
                    cant_set(f"tableParts.{part}.{word}")
                made[word] = self.base.taken(attrs[word], value, f"tableParts.{part}.{word}")
            made["rowNum"] = place
            kept[place] = made
        row["parts"][part] = list(kept.values())

    def _complete(self, row: Row, header: Row) -> None:
        """What a document gets that was not sent."""
        values, name, quirks = row["values"], row["type"], self.base.quirks
        values["date"] = values["date"] or self.base.stamp()
        if name in MODES and values["docMode"] == EMPTY:
            if name == SALE and quirks.sale_mode == "required":
                refuse(f"emptyRequiredReq {SALE} ({THINGS[SALE].title})|docMode (Вид операції)")
            values["docMode"] = MODES[name]
        if name == "documents.goodWriteOff" and values["docMode"] == EMPTY:
            refuse(f"emptyRequiredReq {name} ({THINGS[name].title})|docMode (Вид операції)")
        if quirks.totals == "all":
            self.sum_lines(row)
        if quirks.totals != "none" and "amountCur" not in header and "tpGoods" in row["parts"]:
            self.sum_header(row)

    @staticmethod
    def sum_lines(row: Row) -> None:
        """Sums of lines that were not sent: quantity by price, less the discount."""
        for line in row["parts"].get("tpGoods", ()):
            full = (Decimal(line["qty"]) * Decimal(line["price"])).quantize(CENT)
            if not Decimal(line["priceAmount"]):
                line["priceAmount"] = str(full)
            if not Decimal(line["amountCur"]):
                line["amountCur"] = str(Decimal(line["priceAmount"]) - Decimal(line["discount"]))

    @staticmethod
    def sum_header(row: Row) -> None:
        """The total of the lines."""
        total = sum((Decimal(line["amountCur"]) for line in row["parts"]["tpGoods"]), Decimal("0.00"))
        row["values"]["amountCur"] = str(total)

    def _contacts(self, row: Row) -> None:
        """``details`` is JSON in JSON; phone and e-mail are the first of its lists, as they were typed."""
        text = row["values"]["details"]
        try:
            details = json.loads(text) if text else {}
        except ValueError:
            cant_set("header.details")
        if not isinstance(details, dict):
            cant_set("header.details")
        if self.base.quirks.phone == "own":
            return
        for word, name in (("phones", "phone"), ("emails", "email")):
            listed = details.get(word)
            if isinstance(listed, list) and listed and isinstance(listed[0], dict):
                row["values"][name] = str(listed[0].get("pr", ""))

    # --- records of registers -------------------------------------------------------------------------------------

    def _record(self, register: Register, header: Row, key: str | None, old: Row | None) -> Row:
        if key is not None:
            self.base.need(key, register.name, "write")
        if not register.is_information:
            refuse(f"cant save {register.name}: it is written by documents")
        record = deepcopy(old) if old else {name: self.base.empty(attr) for name, attr in register.attrs.items()}
        for word, value in header.items():
            attr = register.attrs.get(word)
            if attr is None or attr.fixed:
                cant_set(f"header.{word}")
            record[word] = self.base.taken(attr, value, f"header.{word}")
        if register.name == PRICES:
            return self._price(record, header, old)
        rows = self.base.records[register.name]
        needed = ("object", "code") if register.name == BARCODES else ("object", "propKind")
        self._need(register, record, needed)
        if register.name == BARCODES and "activity" not in header:
            record["activity"] = "1"
        same = [one for one in rows if all(one[name] == record[name] for name in register.dims)]
        if same:
            same[0].update(record)
        else:
            rows.append(record)
        if register.name == PROPS:
            self.told(self.base.objects[record["object"]], key is not None)
        return {"result": "ok", "id": 0}

    def _price(self, record: Row, header: Row, old: Row | None) -> Row:
        """One record for a good, a type and a day. A date that is not sent is now, in a change, too."""
        register, rows = REGISTERS[PRICES], self.base.records[PRICES]
        self._need(register, record, ("good", "priceType"))
        if not header.get("date"):
            record["date"] = self.base.stamp()
        if record["currency"] == EMPTY:
            record["currency"] = next(iter(self.base.by_type["catalogs.currency"]), EMPTY)
        for one in rows:
            same = one["good"] == record["good"] and one["priceType"] == record["priceType"]
            if same and one["date"][:10] == record["date"][:10] and (old is None or one["id"] != old["id"]):
                not_saved(TAKEN)
        if old:
            old.update(record)
        else:
            self.base.last[PRICES] = self.base.last.get(PRICES, 1000) + 1
            record["id"] = f"11201{self.base.last[PRICES]:011d}"
            rows.append(record)
        return {"result": "ok", "id": record["id"] if self.base.quirks.price_id else 0}

    @staticmethod
    def _need(register: Register, record: Row, names: tuple[str, ...]) -> None:
        for name in names:
            if record[name] in (EMPTY, ""):
                refuse(f"emptyRequiredReq {register.name} ({register.title})|{name}")

    # --- setDelMark -----------------------------------------------------------------------------------------------

    def mark(self, params: Mapping[str, Any], key: str | None) -> str:
        """A deletion mark; twice is the same as once."""
        header = _object(params.get("header"), "header")
        row = deepcopy(self.base.one(link_of(header.get("id"))))
        if key is not None:
            self.base.need(key, row["type"], "write")
        self._free_to_change(row)
        values, quirks = row["values"], self.base.quirks
        if row["type"] == ORDER and quirks.mark_shipped == "refused" and self._is_shipped(row["id"]):
            not_saved(SHIPPED)
        if values.get("posted") == "1" and quirks.mark_posted != "keeps":
            if quirks.mark_posted == "refused":
                not_saved(POSTED)
            values["posted"] = "0"
            self.posting.replace(row, [])
        values["delMark"] = "1"
        self.base.put(row)
        self.told(row, key is not None)
        return "ok"

    def _is_shipped(self, order: str) -> bool:
        return any(
            order in (sale["values"]["baseDoc"], sale["values"]["contract"]) and sale["values"]["delMark"] == "0"
            for sale in self.base.by_type[SALE].values()
        )


def _object(value: Any, where: str) -> Row:
    """An object of a packet; an empty one comes as a list from PHP."""
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        refuse(f"bad param {where}")
    return dict(value)
