"""What a test puts into a base, does in its cabinet, and looks up in it: the ways in that the API does not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import FakeApi
from plugins.systems.dilovod._fake_base import EMPTY, Base, Row
from plugins.systems.dilovod._fake_calls import Calls
from plugins.systems.dilovod._fake_posting import KIT_POLICY, SERVICE_POLICY
from plugins.systems.dilovod._fake_quirks import Quirks
from plugins.systems.dilovod._fake_saves import Saves
from plugins.systems.dilovod._fake_schema import (
    BARCODES,
    CONTROL,
    ENUM,
    GOODS,
    ORDER,
    PERSONS,
    PRICES,
    PROPS,
    STATES,
    STOCK,
    THINGS,
)

Amount = Decimal | int | str  #: of money or goods; never float
FULL = {"*": "read+write"}
UAH, PIECE, STORAGE = "1101200000001001", "1103600000000001", "1100700000000001"
RETAIL, FIRM, ANYBODY, NATURAL = "1101300000001001", "1100400000001001", "1100100000000001", "1004000000000035"
NEW, DONE, REFUSED, SHIPPED = (f"111150000000000{digit}" for digit in "5678")
GOODS_POLICY = "1201200000001001"
CHANNEL, PROPERTY = "1103200000001001", "1114600000001001"

#: What client code of several bases that have nothing to do with each other agrees on, and what every base needs.
FURNITURE: tuple[tuple[str, int, str, dict[str, str]], ...] = (
    ("catalogs.currency", 1001, "Гривня", {"code": "UAH"}),
    ("catalogs.currency", 1002, "Долар США", {"code": "USD"}),
    ("catalogs.currency", 1003, "Євро", {"code": "EUR"}),
    ("catalogs.units", 1, "шт", {"code": "шт"}),
    ("catalogs.storages", 1, "Основний склад", {}),
    ("catalogs.firms", 1001, "ФОП Приклад", {}),
    ("catalogs.priceTypes", 1001, "Роздрібна", {}),
    (PERSONS, 1, "Кінцевий споживач", {}),
    (STATES, 5, "Прийнято", {}),
    (STATES, 6, "Виконано", {}),
    (STATES, 7, "Відмова", {}),
    (STATES, 8, "Відвантажено", {}),
    (ENUM, 35, "Фізична особа", {}),
    (ENUM, 343, "Надходження від постачальника", {}),
    (ENUM, 350, "Відвантаження покупцю", {}),
    (ENUM, 351, "Надання послуг", {}),
    (ENUM, 352, "Передача комісіонеру", {}),
    (ENUM, 353, "Звіт комісіонера", {}),
    (ENUM, 354, "Повернення від покупця", {}),
    ("catalogs.accPolicies", 1001, "Товари", {}),
    ("catalogs.accPolicies", 1002, "Матеріали", {}),
    ("catalogs.accPolicies", 1031, "Комплекти", {}),
    ("catalogs.accPolicies", int(SERVICE_POLICY[5:]), "Послуги", {}),
    ("catalogs.incomeItems", 1, "Інші доходи", {}),
    ("catalogs.paymentForms", 1, "Готівка", {}),
    ("catalogs.deliveryMethods", 1, "Самовивіз", {}),
    ("catalogs.tradeChanels", 1001, "Сайт", {}),
    ("catalogs.propKinds", 1001, "Код у CRM", {}),
)


class Seeded(FakeApi):
    """A base with its parts, and the hands that fill it. Every maker gives the new id."""

    def __init__(self, quirks: Quirks | None = None, now: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.base = Base(quirks or Quirks(), now or (lambda: datetime.now(UTC)))
        self.hooks: list[tuple[str, str]] = []  #: (object name, URL)
        self.waiting: list[tuple[str, Row]] = []  #: (URL, packet)
        self.saves = Saves(self.base, self._told)
        self.calls = Calls(self.base, self.saves)
        for name, number, title, more in FURNITURE:
            self.add_element(name, title, number=number, **more)

    @property
    def quirks(self) -> Quirks:
        """The switches as they stand; see :meth:`behave`."""
        return self.base.quirks

    def behave(self, **changes: Any) -> None:
        """Go on with other switches of :class:`Quirks`."""
        with self.lock:
            self.base.behave(dataclasses.replace(self.base.quirks, **changes))

    def _told(self, row: Row, by_api: bool) -> None:
        if by_api and not self.base.quirks.own_webhooks:
            return
        packet = {"action": "objectChanged", "params": {"objectName": row["type"], "id": row["id"]}}
        self.waiting += [(url, packet) for name, url in self.hooks if name == row["type"]]

    # --- keys -----------------------------------------------------------------------------------------------------

    def add_key(self, key: str, rights: Mapping[str, str] | None = None) -> None:
        """A connection with a role. ``rights``: ``"read"``, ``"write"`` or ``"read+write"`` by object or register;
        ``"*"``: all that are not named. A new connection may do nothing."""
        self.base.roles[key] = dict(rights or {})

    def allow(self, key: str, name: str, what: str) -> None:
        """Change one right of a role; ``""``: none."""
        self.base.roles[key][name] = what

    # --- what is put in -------------------------------------------------------------------------------------------

    def add_element(self, name: str, title: str, /, *, number: int | None = None, **values: Any) -> str:
        """An element of a catalogue. Raises ValueError for an attribute that it does not have."""
        row = self.base.blank(name)
        row["values"]["name"] = {"uk": title, "ru": title}
        for word, value in values.items():
            if word not in THINGS[name].attrs:
                raise ValueError(f"{name} has no {word}")
            row["values"][word] = self.base.taken(THINGS[name].attrs[word], value, word)
        return str(self.base.put(row, number)["id"])

    def add_good(
        self,
        title: str,
        article: str = "",
        *,
        price: Amount | None = None,
        stock: Amount | None = None,
        cost: Amount = 0,
        service: bool = False,
        kit: Sequence[tuple[str, Amount]] = (),
        **values: Any,
    ) -> str:
        """A good with its retail price and what lies in the main storage, at a cost for one. ``kit``: its parts."""
        policy = SERVICE_POLICY if service else KIT_POLICY if kit else GOODS_POLICY
        given = {"productNum": article, "mainUnit": PIECE, "accPolicy": policy, **values}
        good = self.add_element(GOODS, title, **given)
        for number, (part, qty) in enumerate(kit, 1):
            line = {"rowNum": str(number), "good": part, "unit": PIECE, "qty": str(Decimal(qty)), "remark": ""}
            self.base.objects[good]["parts"]["tpGoods"].append(line)
        if price is not None:
            self.set_price(good, price)
        if stock is not None:
            self.receive(good, stock, cost=cost)
        return good

    def add_folder(self, title: str, parent: str = EMPTY) -> str:
        """A folder of goods."""
        return self.add_element(GOODS, title, parent=parent, isGroup=1)

    def set_price(self, good: str, price: Amount, *, kind: str = RETAIL, date: str = "", currency: str = UAH) -> None:
        """A price from a day on, in the cabinet: one of that day is changed."""
        date = date or self.base.stamp()
        for row in self.base.records[PRICES]:
            if (row["good"], row["priceType"], row["date"][:10]) == (good, kind, date[:10]):
                row |= {"price": f"{Decimal(price):.5f}", "currency": currency}
                return
        header = {"date": date, "good": good, "priceType": kind, "price": str(price), "currency": currency}
        self.saves.save({"header": {"id": PRICES, **header}}, None)

    def receive(self, good: str, qty: Amount, *, storage: str = STORAGE, cost: Amount = 0, date: str = "") -> str:
        """A posted purchase: stock comes in. It is dated the first of the year where not said."""
        amount = Decimal(qty) * Decimal(cost)
        line = {"good": good, "qty": str(qty), "baseQty": str(qty), "price": str(cost), "amountCur": str(amount)}
        header = {
            "storage": storage,
            "amountCur": str(amount),
            "date": date or f"{self.base.stamp()[:4]}-01-01 00:00:00",
        }
        return self.document("documents.purchase", [line], post=True, **header)

    def document(
        self, name: str, lines: Sequence[Mapping[str, Any]] = (), /, *, post: bool = False, **header: Any
    ) -> str:
        """A document that a person makes in the cabinet."""
        given = {"id": name, "firm": FIRM, "currency": UAH, **header}
        parts = {"tpGoods": [dict(line) for line in lines]} if lines else None
        with self.lock:
            return str(self.saves.save({"saveType": int(post), "header": given, "tableParts": parts}, None)["id"])

    def edit(self, id_: str, /, *, save_type: int = 0, **header: Any) -> None:
        """Change an object in the cabinet."""
        with self.lock:
            self.saves.save({"saveType": save_type, "header": {"id": id_, **header}}, None)

    def mark(self, id_: str) -> None:
        """Mark it for deletion there."""
        with self.lock:
            self.saves.mark({"header": {"id": id_}}, None)

    def add_barcode(self, good: str, code: str) -> None:
        """A barcode of a good."""
        self.saves.save({"header": {"id": BARCODES, "object": good, "code": code}}, None)

    def lock_object(self, id_: str) -> None:
        """Somebody has it open in the cabinet: every change is refused until :meth:`unlock_object`."""
        self.base.locked.add(id_)

    def unlock_object(self, id_: str) -> None:
        """It was closed."""
        self.base.locked.discard(id_)

    def on_change(self, name: str, url: str) -> None:
        """Tell ``url`` of every change of such objects."""
        self.hooks.append((name, url))

    # --- what is looked up ----------------------------------------------------------------------------------------

    def rows(self, name: str, /, *, marked: bool | None = False, **values: str) -> list[Row]:
        """Plain copies of all objects of a kind with these values: ``id``, ``posted``, ``parts`` and the attributes.

        ``marked``: those with a deletion mark, without (False), or both (None).
        """
        with self.lock:
            found = [{**deepcopy(row["values"]), "id": row["id"], "parts": deepcopy(row["parts"])}
                     for row in self.base.by_type[name].values()]  # fmt: skip
        return [
            row
            for row in found
            if (marked is None or row["delMark"] == str(int(marked)))
            and all(row[word] == value for word, value in values.items())
        ]

    def documents(self, kind: str, /, *, marked: bool | None = False, **values: str) -> list[Row]:
        """The same for documents by their short names: ``documents("sale", baseDoc=order)``."""
        return self.rows(f"documents.{kind}", marked=marked, **values)

    def one(self, id_: str) -> Row:
        """One object, as :meth:`rows` has it. Raises KeyError for one that is not there."""
        with self.lock:
            row = self.base.objects[id_]
            return {**deepcopy(row["values"]), "id": row["id"], "type": row["type"], "parts": deepcopy(row["parts"])}

    def good(self, article: str) -> Row:
        """The only good with that article that is not marked. Raises LookupError for none and for several."""
        found = self.rows(GOODS, productNum=article)
        if len(found) != 1:
            raise LookupError(f"{len(found)} goods have the article {article}")
        return found[0]

    def stock(self, good: str, storage: str | None = None) -> Decimal:
        """What lies there by all posted documents; in all storages where none is said."""
        with self.lock:
            return self.saves.posting.sum_of(STOCK, "qty", good, storage=storage)

    def cost(self, good: str, storage: str | None = None) -> Decimal:
        """What it cost, altogether."""
        with self.lock:
            return self.saves.posting.sum_of(STOCK, "amount", good, storage=storage)

    def reserved(self, good: str, order: str | None = None) -> Decimal:
        """What is reserved for an order, or for all."""
        with self.lock:
            return self.saves.posting.sum_of(CONTROL, "qtyReserve", good, baseDoc=order)

    def outstanding(self, good: str, order: str | None = None) -> Decimal:
        """What is ordered and not shipped yet."""
        with self.lock:
            return self.saves.posting.sum_of(CONTROL, "qty", good, baseDoc=order)

    def price(self, good: str, kind: str = RETAIL) -> Decimal | None:
        """The price that counts now."""
        with self.lock:
            found = [
                row for row in self.base.prices(self.base.stamp()) if (row["good"], row["priceType"]) == (good, kind)
            ]
        return Decimal(found[0]["price"]) if found else None

    def prop(self, id_: str, kind: str = PROPERTY) -> str | None:
        """The value of an object's additional property."""
        with self.lock:
            rows = self.base.records[PROPS]
            return next((str(row["strValue"]) for row in rows if (row["object"], row["propKind"]) == (id_, kind)), None)

    def orders(self, *, marked: bool | None = False, **values: str) -> list[Row]:
        """All sale orders."""
        return self.rows(ORDER, marked=marked, **values)
