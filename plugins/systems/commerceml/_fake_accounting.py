"""A made-up 1C: it keeps goods, writes them as CommerceML, and asks a site over HTTP as real ones do.

The order of its requests and the look of its files are those of the program that tests sites' modules in public, and of
samples of 1C's own; what differs from one to another is a switch of :class:`Quirks`.
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http.client import HTTPConnection
from typing import Literal
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape, quoteattr

NS = ' xmlns="urn:1C.ru:commerceml_2"'


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one 1C differs from another."""

    version: str = "2.05"
    encoding: Literal["utf-8", "windows-1251"] = "utf-8"
    bom: bool = False
    stock: Literal["attributes", "rests", "total"] = "attributes"  #: form of levels
    post: bool = False  #: control requests by POST
    zip: bool = True  #: packs where the site takes it
    separate: bool = False  #: prices and rests in files of their own (2.08 and newer)
    ends: tuple[str, ...] = ("deactivate", "complete")  #: what it says at the end of a full export
    repeats_base: bool = False  #: a row for the good itself beside those of its characteristics


@dataclass(slots=True)
class Thing:
    """A good, or one of its characteristics."""

    id: str
    article: str = ""
    name: str = ""
    description: str = ""
    unit: str = "шт"
    barcode: str = ""
    maker: str = ""
    weight: str = ""
    groups: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)  #: price type -> price
    stock: dict[str, Decimal] = field(default_factory=dict)  #: warehouse -> quantity
    deleted: bool = False
    parts: list[Thing] = field(default_factory=list)


class Refusal(Exception):
    """The site said ``failure``, or something that the exchange does not know."""


class FakeAccounting:
    """A 1C with its goods, and the orders that it took."""

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.quirks = quirks or Quirks()
        self.things: dict[str, Thing] = {}
        self.groups: dict[str, tuple[str, str]] = {}  #: id -> (name, parent)
        self.types: dict[str, tuple[str, str]] = {"pr1": ("Роздрібна", "UAH"), "pr2": ("Собівартість", "грн")}
        self.warehouses: dict[str, str] = {"w1": "Основний", "w2": "Магазин"}
        self.orders: dict[str, Element] = {}  #: by Ид: the newest of each
        self.seen: list[str] = []  #: Ид of every document that came, as often as it came

    # --- files -------------------------------------------------------------------------------------------------------

    def import_xml(self, *, full: bool = True, ids: frozenset[str] | None = None) -> bytes:
        """Classifier and goods."""
        goods = "".join(self._good(one) for one in self.things.values() if ids is None or one.id in ids)
        sort = f"<Классификатор><Ид>cls</Ид><Наименование>К</Наименование>{self._groups('')}</Классификатор>"
        flag = f'СодержитТолькоИзменения="{"false" if full else "true"}"'
        book = f"<Каталог {flag}><Ид>cat</Ид><Наименование>Каталог</Наименование><Товары>{goods}</Товары></Каталог>"
        return self._file(sort + book)

    def offers_xml(self, *, full: bool = True, prices: bool = True, rests: bool = True) -> bytes:
        """Offers, or only their prices or levels."""
        types = "".join(
            f"<ТипЦены><Ид>{own}</Ид><Наименование>{name}</Наименование><Валюта>{money}</Валюта></ТипЦены>"
            for own, (name, money) in self.types.items()
        )
        houses = "".join(
            f"<Склад><Ид>{own}</Ид><Наименование>{name}</Наименование></Склад>" for own, name in self.warehouses.items()
        )
        rows = []
        for one in self.things.values():
            if self.quirks.repeats_base or not one.parts:
                rows.append(self._offer(one, one.id, prices=prices, rests=rests))
            rows += [self._offer(part, f"{one.id}#{part.id}", prices=prices, rests=rests) for part in one.parts]
        flag = f'СодержитТолькоИзменения="{"false" if full else "true"}"'
        return self._file(
            f"<ПакетПредложений {flag}><Ид>cat#</Ид><Наименование>П</Наименование><ИдКаталога>cat</ИдКаталога>"
            f"<ТипыЦен>{types}</ТипыЦен><Склады>{houses}</Склады><Предложения>{''.join(rows)}</Предложения></ПакетПредложений>"
        )

    def states_xml(self, states: Mapping[str, Mapping[str, str]]) -> bytes:
        """What became of orders: Ид -> requisites."""
        rows = []
        for own, told in states.items():
            said = "".join(
                f"<ЗначениеРеквизита><Наименование>{escape(name)}</Наименование><Значение>{escape(value)}</Значение>"
                "</ЗначениеРеквизита>"
                for name, value in told.items()
            )
            rows.append(
                f"<Документ><Ид>{escape(own)}</Ид><Номер>1</Номер><Дата>2026-11-22</Дата><ХозОперация>Заказ товара"
                f"</ХозОперация><ЗначенияРеквизитов>{said}</ЗначенияРеквизитов></Документ>"
            )
        return self._file("".join(rows))

    def _groups(self, above: str) -> str:
        inner = "".join(
            f"<Группа><Ид>{own}</Ид><Наименование>{escape(name)}</Наименование>{self._groups(own)}</Группа>"
            for own, (name, parent) in self.groups.items()
            if parent == above
        )
        return f"<Группы>{inner}</Группы>" if inner else ""

    @staticmethod
    def _good(one: Thing) -> str:
        mark = ' Статус="Удален"' if one.deleted else ""
        groups = "".join(f"<Ид>{own}</Ид>" for own in one.groups)
        pictures = "".join(f"<Картинка>{escape(path)}</Картинка>" for path in one.images)
        maker = (
            f"<Изготовитель><Ид>m</Ид><Наименование>{escape(one.maker)}</Наименование></Изготовитель>"
            if one.maker
            else ""
        )
        weight = (
            "<ЗначенияРеквизитов><ЗначениеРеквизита><Наименование>Вес</Наименование>"
            f"<Значение>{one.weight}</Значение></ЗначениеРеквизита></ЗначенияРеквизитов>"
            if one.weight
            else ""
        )
        article = f"<Артикул>{escape(one.article)}</Артикул>" if one.article else ""
        return (
            f"<Товар{mark}><Ид>{one.id}</Ид><Штрихкод>{one.barcode}</Штрихкод>{article}"
            f'<Наименование>{escape(one.name)}</Наименование><БазоваяЕдиница Код="796">{one.unit}</БазоваяЕдиница>'
            f"<Группы>{groups}</Группы><Описание>{escape(one.description)}</Описание>{pictures}{maker}{weight}</Товар>"
        )

    def _offer(self, one: Thing, own: str, *, prices: bool, rests: bool) -> str:
        inner = f"<Ид>{own}</Ид>"
        if prices:
            article = f"<Артикул>{escape(one.article)}</Артикул>" if one.article else ""
            inner += f"<Штрихкод>{one.barcode}</Штрихкод>{article}<Наименование>{escape(one.name)}</Наименование>"
            inner += f"<БазоваяЕдиница>{one.unit}</БазоваяЕдиница>"
            if one.options:
                pairs = "".join(
                    f"<ХарактеристикаТовара><Наименование>{escape(n)}</Наименование><Значение>{escape(v)}</Значение>"
                    "</ХарактеристикаТовара>"
                    for n, v in one.options.items()
                )
                inner += f"<ХарактеристикиТовара>{pairs}</ХарактеристикиТовара>"
            rows = "".join(
                f"<Цена><ИдТипаЦены>{kind}</ИдТипаЦены><ЦенаЗаЕдиницу>{price}</ЦенаЗаЕдиницу>"
                f"<Валюта>{self.types[kind][1]}</Валюта><Коэффициент>1</Коэффициент></Цена>"
                for kind, price in one.prices.items()
            )
            inner += f"<Цены>{rows}</Цены>" if rows else ""
        return f"<Предложение>{inner}{self._stock(one) if rests else ''}</Предложение>"

    def _stock(self, one: Thing) -> str:
        if not one.stock:
            return ""
        total = sum(one.stock.values(), Decimal(0))
        match self.quirks.stock:
            case "total":
                return f"<Количество>{total}</Количество>"
            case "rests":
                rows = "".join(
                    f"<Остаток><Склад><Ид>{place}</Ид><Количество>{left}</Количество></Склад></Остаток>"
                    for place, left in one.stock.items()
                )
                return f"<Остатки>{rows}</Остатки>"
        rows = "".join(
            f"<Склад ИдСклада={quoteattr(place)} КоличествоНаСкладе={quoteattr(str(left))}/>"
            for place, left in one.stock.items()
        )
        return f"<Количество>{total}</Количество>{rows}"

    def _file(self, inner: str) -> bytes:
        quirks = self.quirks
        space = NS if quirks.version >= "2.07" else ""
        text = (
            f'<?xml version="1.0" encoding="{quirks.encoding}"?>\n<КоммерческаяИнформация{space} '
            f'ВерсияСхемы="{quirks.version}" ДатаФормирования="2026-11-22T12:00:00">\n{inner}\n'
            "</КоммерческаяИнформация>\n"
        )
        codec = "cp1251" if quirks.encoding == "windows-1251" else "utf-8"
        return (b"\xef\xbb\xbf" if quirks.bom else b"") + text.encode(codec, "xmlcharrefreplace")

    # --- over HTTP ---------------------------------------------------------------------------------------------------

    def files(self, *, full: bool = True) -> dict[str, bytes]:
        """What it sends in a session of goods."""
        if self.quirks.separate:
            return {
                "import0_1.xml": self.import_xml(full=full),
                "offers0_1.xml": self.offers_xml(full=full, rests=False),
                "rests0_1.xml": self.offers_xml(full=full, prices=False),
            }
        return {"import.xml": self.import_xml(full=full), "offers.xml": self.offers_xml(full=full)}

    def push(self, url: str, user: str, password: str, *, full: bool = True) -> None:
        """A whole session of goods. Raises Refusal."""
        asker = Asker(url, "catalog", self.quirks.post)
        asker.login(user, password)
        zip_, limit = asker.init()
        files = self.files(full=full)
        if zip_ and self.quirks.zip:
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
            asker.send("import.zip", stream.getvalue(), limit)
        else:
            for name, data in files.items():
                asker.send(name, data, limit)
        for name in files:
            asker.import_(name)
        for mode in self.quirks.ends if full else ():
            asker.said(asker.ask(mode))

    def pull(self, url: str, user: str, password: str, *, confirm: bool = True) -> int:
        """Take the site's orders; gives how many came. Raises Refusal."""
        asker = Asker(url, "sale", self.quirks.post)
        asker.login(user, password)
        asker.init()
        body = asker.ask("query")
        root = fromstring(body)  # noqa: S314 - what we wrote ourselves
        documents = [one for one in root.iter() if one.tag.rpartition("}")[2] == "Документ"]
        for one in documents:
            own = next((child.text or "" for child in one if child.tag.rpartition("}")[2] == "Ид"), "")
            self.orders[own] = one
            self.seen.append(own)
        if confirm:
            asker.said(asker.ask("success"))
        return len(documents)

    def tell(self, url: str, user: str, password: str, states: Mapping[str, Mapping[str, str]]) -> None:
        """Tell what became of orders. Raises Refusal."""
        asker = Asker(url, "sale", self.quirks.post)
        asker.login(user, password)
        _, limit = asker.init()
        asker.send("orders-1.xml", self.states_xml(states), limit)


class Asker:
    """The requests of one session. ``log``: mode and first line of each answer."""

    def __init__(self, url: str, kind: str, post: bool = False) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path
        self._kind, self._post = kind, post
        self.headers: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []

    def login(self, user: str, password: str) -> None:
        """``checkauth``. Raises Refusal."""
        self.headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        lines = self.ask("checkauth").decode("cp1251").split("\n")
        if lines[0].strip() != "success":
            raise Refusal(" ".join(lines))
        del self.headers["Authorization"]
        self.headers["Cookie"] = f"{lines[1].strip()}={lines[2].strip()}"

    def init(self) -> tuple[bool, int]:
        """(the site takes archives, bytes of a part)."""
        told = dict(line.split("=", 1) for line in self.ask("init").decode().split("\n") if "=" in line)
        return told["zip"].strip() == "yes", int(told["file_limit"])

    def send(self, name: str, data: bytes, limit: int) -> None:
        """A file, in parts. Raises Refusal."""
        for start in range(0, len(data), limit):
            self.said(self.ask("file", name, data[start : start + limit]))

    def import_(self, name: str) -> int:
        """Ask until it is no more ``progress``; gives how often. Raises Refusal."""
        times = 1
        while self.said(self.ask("import", name)) == "progress":
            times += 1
        return times

    def ask(self, mode: str, name: str = "", body: bytes | None = None) -> bytes:
        """One request."""
        query = f"type={self._kind}&mode={mode}" + (f"&filename={quote(name)}" if name else "")
        method = "POST" if body is not None or self._post else "GET"
        connection = HTTPConnection(self._host, self._port, timeout=30)
        try:
            connection.request(method, f"{self._path}?{query}", body or b"", self.headers)
            reply = connection.getresponse()
            data = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise Refusal(f"{reply.status}")
        self.log.append((mode, data.split(b"\n")[0].decode("cp1251").strip()))
        return data

    @staticmethod
    def said(data: bytes) -> str:
        """``success`` or ``progress``. Raises Refusal with the words."""
        words = data.decode("cp1251", "replace").split("\n")
        if words[0].strip() not in ("success", "progress"):
            raise Refusal(" ".join(words))
        return words[0].strip()
