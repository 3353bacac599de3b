"""A made-up shop with an exchange address, as shops' modules for 1C answer it; and the 1C of :mod:`._fake_accounting`.

What modules do otherwise than one another is a switch of :class:`ShopQuirks`: a byte order mark before ``success``,
``progress`` between, parts appended or not, orders in windows-1251.
"""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

from pipeline.testing.fakehttp import Answer, Asked, FakeApi, FakeServer
from plugins.systems.commerceml._fake_accounting import FakeAccounting, Quirks, Thing

__all__ = ["FakeAccounting", "FakeServer", "FakeShop", "Quirks", "ShopQuirks", "Thing"]

PATH = "/bitrix/admin/1c_exchange.php"


@dataclass(frozen=True, slots=True)
class ShopQuirks:
    """How one shop's module differs from another's."""

    bom: bool = False  #: before every answer
    newline: bool = True  #: at the end of answers
    zip: bool = False
    file_limit: int | None = 2000  #: None: nothing is said of it
    progress: int = 0  #: so often ``progress`` before an import is done
    appends: bool = True  #: False: a part overwrites what came before
    orders_encoding: str = "utf-8"
    sessid: bool = False  #: a further parameter is asked back
    fail: str = "failure"  #: the word of failures
    extra_query: str = ""  #: a parameter that the address itself has


@dataclass
class FakeShop(FakeApi):
    """Serves one exchange address."""

    quirks: ShopQuirks = field(default_factory=ShopQuirks)
    user: str = "exchange"
    password: str = "s3cret"  # noqa: S105 - of a made-up shop

    def __post_init__(self) -> None:
        super().__init__()
        self.goods: dict[str, dict[str, Any]] = {}
        self.offers: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, str] = {}  #: Ид -> document
        self.queried: set[str] = set()
        self.exported: set[str] = set()
        self.states: list[dict[str, str]] = []
        self.refuse_import = ""  #: words
        self.uploads: dict[str, bytes] = {}
        self.sessions = 0
        self.ended: list[str] = []
        self._imports: dict[str, int] = {}
        for method in ("GET", "POST"):
            self.add(method, PATH, self._exchange)

    # --- the exchange ------------------------------------------------------------------------------------------------

    def _exchange(self, asked: Asked) -> Answer:
        mode, kind = asked.param("mode"), asked.param("type")
        if self.quirks.extra_query and asked.param("wc1c") != self.quirks.extra_query:
            return Answer(404, "no such page")
        if mode == "checkauth":
            return self._login(asked)
        if f"sid=session-{self.sessions}" not in asked.headers.get("cookie", "") or not self.sessions:
            return self._says(self.quirks.fail, "Please log in")
        if self.quirks.sessid and mode != "init" and asked.param("sessid") != "abc123":
            return self._says(self.quirks.fail, "sessid")
        match kind, mode:
            case _, "init":
                self.uploads.clear()
                self._imports.clear()
                limit = self.quirks.file_limit
                lines = [f"zip={'yes' if self.quirks.zip else 'no'}"]
                lines += [f"file_limit={limit}"] if limit is not None else []
                lines += ["sessid=abc123", "version=2.08"] if self.quirks.sessid else []
                return self._says(*lines)
            case _, "file":
                return self._file(kind, asked)
            case "catalog", "import":
                return self._import(asked.param("filename"))
            case "catalog", "deactivate" | "complete":
                self.ended.append(mode)
                return self._says("success")
            case "sale", "query":
                return self._query()
            case "sale", "success":
                self.exported |= self.queried
                self.queried = set()
                return self._says("success")
        return self._says(self.quirks.fail, f"Unknown mode {mode}")

    def _login(self, asked: Asked) -> Answer:
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {wanted}":
            return self._says(self.quirks.fail, "Invalid username or password")
        self.sessions += 1
        lines = ["success", "sid", f"session-{self.sessions}"]
        return self._says(*lines, *(["sessid=abc123"] if self.quirks.sessid else []))

    def _file(self, kind: str, asked: Asked) -> Answer:
        name, limit = asked.param("filename"), self.quirks.file_limit
        if limit is not None and len(asked.body) > limit:
            return self._says(self.quirks.fail, "File is too large")
        before = self.uploads.get(name, b"") if self.quirks.appends else b""
        self.uploads[name] = before + asked.body
        if kind == "sale":
            try:
                root = fromstring(self.uploads[name])  # noqa: S314 - what our own client wrote
            except ParseError:
                return self._says("success")  # its next part is awaited
            for document in _of(root, "Документ"):
                own = _text(document, "Ид")
                if own not in self.orders:
                    return self._says(self.quirks.fail, f"Order {own} is unknown")
                told = {
                    _text(one, "Наименование"): _text(one, "Значение") for one in _of(document, "ЗначениеРеквизита")
                }
                self.states.append({"Ид": own, **told})
        return self._says("success")

    def _import(self, name: str) -> Answer:
        if self.quirks.zip and "import.zip" in self.uploads:
            try:
                with zipfile.ZipFile(io.BytesIO(self.uploads.pop("import.zip"))) as archive:
                    self.uploads |= {one: archive.read(one) for one in archive.namelist()}
            except zipfile.BadZipFile:
                return self._says(self.quirks.fail, "The archive is broken")
        if name not in self.uploads:
            return self._says(self.quirks.fail, f"No file {name}")
        if self.refuse_import:
            return self._says(self.quirks.fail, self.refuse_import)
        self._imports[name] = self._imports.get(name, 0) + 1
        if self._imports[name] <= self.quirks.progress:
            return self._says("progress", f"{name}: {self._imports[name]}")
        try:
            root = fromstring(self.uploads[name])  # noqa: S314 - what our own client wrote
        except ParseError as error:
            return self._says(self.quirks.fail, f"XML: {error}")
        self._take_in(root)
        return self._says("success")

    def _query(self) -> Answer:
        self.queried = set(self.orders) - self.exported
        inner = "".join(self.orders[own] for own in sorted(self.queried))
        encoding = self.quirks.orders_encoding
        text = (
            f'<?xml version="1.0" encoding="{encoding}"?><КоммерческаяИнформация ВерсияСхемы="2.05" '
            f'ДатаФормирования="2026-11-22">{inner}</КоммерческаяИнформация>'
        )
        return Answer(200, text.encode("cp1251" if encoding == "windows-1251" else encoding), content_type="text/xml")

    def _says(self, *lines: str) -> Answer:
        text = "\n".join(lines) + ("\n" if self.quirks.newline else "")
        return Answer(200, (b"\xef\xbb\xbf" if self.quirks.bom else b"") + text.encode(), content_type="text/plain")

    # --- what a shop keeps -------------------------------------------------------------------------------------------

    def _take_in(self, root: Element) -> None:
        for good in _of(root, "Товар"):
            row = self.goods.setdefault(_text(good, "Ид"), {})
            row |= self._head(good) | {
                "description": _text(good, "Описание"),
                "groups": tuple(one.text or "" for parent in _in(good, "Группы") for one in parent),
                "maker": next((_text(one, "Наименование") for one in _in(good, "Изготовитель")), row.get("maker", "")),
                "told": {_text(one, "Наименование"): _text(one, "Значение") for one in _of(good, "ЗначениеРеквизита")},
            }
        for offer in _of(root, "Предложение"):
            row = self.offers.setdefault(_text(offer, "Ид"), {})
            row |= self._head(offer)
            row["prices"] = row.get("prices", {}) | {
                _text(one, "ИдТипаЦены"): _text(one, "ЦенаЗаЕдиницу") for one in _of(offer, "Цена")
            }
            row["options"] = {
                _text(one, "Наименование"): _text(one, "Значение") for one in _of(offer, "ХарактеристикаТовара")
            }
            if total := _text(offer, "Количество"):
                row["stock"] = total
                row["places"] = {one.get("ИдСклада"): one.get("КоличествоНаСкладе") for one in _in(offer, "Склад")}

    @staticmethod
    def _head(element: Element) -> dict[str, Any]:
        return {
            "article": _text(element, "Артикул"),
            "name": _text(element, "Наименование"),
            "barcode": _text(element, "Штрихкод"),
            "unit": _text(element, "БазоваяЕдиница"),
            "deleted": element.get("Статус") == "Удален",
        }


def _of(element: Element, name: str) -> list[Element]:
    return [one for one in element.iter() if one.tag.rpartition("}")[2] == name]


def _in(element: Element, name: str) -> list[Element]:
    return [one for one in element if one.tag.rpartition("}")[2] == name]


def _text(element: Element, name: str) -> str:
    return next((one.text or "" for one in _in(element, name)), "")
