"""One base of the fake Dilovod: its objects, registers and roles, and how values are taken in and told.

Everything is kept as the API tells it: decimal strings, flags ``"0"`` and ``"1"``, ids of 16 digits, ``"0"`` for an
empty link, local times of Kyiv without a zone. Names are dicts by language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Answered
from plugins.systems.dilovod._fake_quirks import Quirks
from plugins.systems.dilovod._fake_schema import (
    GOODS,
    ORDER,
    PERSONS,
    PRICES,
    REGISTERS,
    RETURN,
    THINGS,
    Attr,
    Register,
    Thing,
)

Row = dict[str, Any]
KYIV = ZoneInfo("Europe/Kyiv")
LANGUAGES = ("uk", "ru")
RESTRICTED = "[access restricted]"
EMPTY = "0"  # a link to nothing
MADE_HERE = 1001  # numbers below are of objects that every base has
BIGGEST = Decimal(10) ** 18

_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")


def refuse(text: str, status: int = 200) -> NoReturn:
    """An error as the API tells it: by HTTP 200."""
    raise Answered(Answer(status, {"error": text, "clientMessages": []}))


def cant_set(where: str) -> NoReturn:
    """The error of a wrong value, a wrong link, and an attribute that is not there."""
    refuse(f"cant set value of {where}: bad value, or field doesnt exist")


def not_saved(text: str) -> NoReturn:
    """The error of a document that may not be as it is; the words are HTML, in Ukrainian."""
    refuse(f"applicationLayerError Документ не збережено. {text}")


class Base:
    """Objects by id, rows of registers, what posted documents moved, and who may do what.

    ``roles``: for each key what it may read and write by object name; ``"*"`` is any that is not named.
    """

    def __init__(self, quirks: Quirks, now: Callable[[], datetime]) -> None:
        self.quirks, self._now = quirks, now
        self.objects: dict[str, Row] = {}
        self.by_type: dict[str, dict[str, Row]] = {name: {} for name in THINGS}
        self.last: dict[str, int] = {}  #: the highest number of an id, by object name
        self.numbers: dict[str, int] = {}  #: and of a document or a catalogue's code
        self.records: dict[str, list[Row]] = {name: [] for name, one in REGISTERS.items() if one.is_information}
        self.moves: list[Row] = []  #: of all posted documents; ``register``, ``doc``, ``date``, dimensions, Decimals
        self.roles: dict[str, dict[str, str]] = {}
        self.locked: set[str] = set()  #: ids that somebody has open
        self.language = "uk"
        self._attrs: dict[str, dict[str, Attr]] = {}

    # --- time and metadata ----------------------------------------------------------------------------------------

    def moment(self) -> datetime:
        """Now; aware."""
        return self._now()

    def stamp(self) -> str:
        """Now, as attributes have it: local time."""
        return self._now().astimezone(KYIV).strftime("%Y-%m-%d %H:%M:%S")

    def behave(self, quirks: Quirks) -> None:
        """Go on with other switches."""
        self.quirks = quirks
        self._attrs.clear()

    def attrs(self, name: str) -> dict[str, Attr]:
        """The attributes of an object's header, those that some bases lack left out."""
        found = self._attrs.get(name)
        if found is None:
            quirks, found = self.quirks, dict(THINGS[name].attrs)
            if name == ORDER and not quirks.order_amount:
                del found["amountCur"]
            if name == GOODS and not quirks.goods_price:
                del found["price"]
            if name == RETURN and quirks.return_link != "both":
                del found["baseDoc" if quirks.return_link == "contract" else "contract"]
            if name == PERSONS and quirks.phone == "details":
                found |= {one: Attr(one, "text", fixed=True) for one in ("phone", "email")}
            if quirks.modified_attribute:
                found[quirks.modified_attribute] = Attr(quirks.modified_attribute, "date", fixed=True)
            self._attrs[name] = found
        return found

    # --- rights ---------------------------------------------------------------------------------------------------

    def may(self, key: str, name: str, what: str = "read") -> bool:
        """Whether the role of ``key`` allows to ``read`` or ``write`` an object or a register."""
        rights = self.roles.get(key, {})
        return what in rights.get(name, rights.get("*", "")).split("+")

    def need(self, key: str, name: str, what: str = "read") -> None:
        """The same; refused otherwise."""
        if not self.may(key, name, what):
            refuse(f"Access to {name} denied, check role settings")

    # --- objects --------------------------------------------------------------------------------------------------

    def blank(self, name: str) -> Row:
        """A new object that is not in the base yet and has no id."""
        values: dict[str, Any] = {}
        for attr in THINGS[name].attrs.values():
            if attr.name != "id":
                values[attr.name] = self.empty(attr)
        return {"id": "", "type": name, "values": values, "parts": {part: [] for part in THINGS[name].parts}}

    def put(self, row: Row, number: int | None = None) -> Row:
        """Add a new object, or put a changed one in the place of itself. Raises ValueError for an id that is taken."""
        name = row["type"]
        if not row["id"]:
            number = max(self.last.get(name, 0) + 1, MADE_HERE) if number is None else number
            row["id"] = f"{THINGS[name].prefix}{number:011d}"
            if row["id"] in self.objects:
                raise ValueError(f"there is an object {row['id']}")
            self.last[name] = max(self.last.get(name, 0), number)
            self._label(row)
        row["modified"] = self.stamp()
        self.objects[row["id"]] = self.by_type[name][row["id"]] = row
        return row

    def _label(self, row: Row) -> None:
        """The number of a document, the code of a catalogue's element, where it came without."""
        label = "number" if THINGS[row["type"]].is_document else "code"
        if not row["values"].get(label):
            self.numbers[row["type"]] = self.numbers.get(row["type"], 0) + 1
            row["values"][label] = f"{self.numbers[row['type']]:010d}"

    def one(self, key: object) -> Row:
        """The object with that id, or the API's refusal."""
        row = self.objects.get(str(key))
        if row is None:
            refuse(f"object with id {key} not found")
        return row

    def parents(self, id_: str) -> Iterable[str]:
        """The id, that of the folder that it lies in, and so on up."""
        seen: set[str] = set()
        while id_ in self.objects and id_ not in seen:
            seen.add(id_)
            yield id_
            id_ = self.objects[id_]["values"].get("parent", EMPTY)

    def named(self, id_: str) -> str:
        """An object in words, as ``__pr`` and ``pr`` have it: ``20.01.2024 Замовлення 0000000002``, or its name."""
        row = self.objects.get(id_)
        if row is None:
            return ""
        thing: Thing = THINGS[row["type"]]
        if not thing.is_document:
            return str(row["values"]["name"].get(self.language, ""))
        date = row["values"]["date"]
        day = f"{date[8:10]}.{date[5:7]}.{date[:4]}" if date else ""
        return f"{day} {thing.title} {row['values']['number']}".strip()

    # --- values ---------------------------------------------------------------------------------------------------

    def empty(self, attr: Attr) -> Any:
        """An attribute that nobody has set."""
        if attr.kind == "ml":
            return dict.fromkeys(LANGUAGES, "")
        if attr.kind == "number":
            return str(Decimal(0).quantize(Decimal(1).scaleb(-attr.places)))
        return {"link": EMPTY, "bool": "0"}.get(attr.kind, "")

    def taken(self, attr: Attr, value: Any, where: str) -> Any:
        """A value of a packet as it is kept. Refused when it is none of the attribute's."""
        if value is None:
            return self.empty(attr)
        match attr.kind:
            case "text":
                if isinstance(value, (dict, list, bool)):
                    cant_set(where)
                return str(value)
            case "ml":
                return self._name(value, where)
            case "bool":
                if value not in (0, 1, "0", "1", ""):  # True and False are 1 and 0
                    cant_set(where)
                return str(int(value or 0))
            case "date":
                return self.date(value, where)
            case "link":
                return self._link(attr, value, where)
            case "number":
                return self._number(attr, value, where)

    @staticmethod
    def _name(value: Any, where: str) -> dict[str, str]:
        given = value if isinstance(value, dict) else {"uk": value}
        if set(given) - set(LANGUAGES) or not all(isinstance(one, (str, int)) for one in given.values()):
            cant_set(where)
        return {language: str(given.get(language, "")) for language in LANGUAGES}

    @staticmethod
    def date(value: Any, where: str) -> str:
        """``YYYY-MM-DD HH:MM:SS`` or a day alone, which is its midnight; no ``T`` and no zone."""
        if value in ("", 0, "0"):
            return ""
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            cant_set(where)
        text = value if len(value) > 10 else f"{value} 00:00:00"
        try:
            datetime.fromisoformat(text)
        except ValueError:
            cant_set(where)
        return text

    def _link(self, attr: Attr, value: Any, where: str) -> str:
        id_ = link_of(value)
        if id_ is None:
            cant_set(where)
        if id_ == EMPTY:
            return EMPTY
        row = self.objects.get(id_)
        if row is None or row["type"] not in attr.targets:
            cant_set(where)
        return id_

    @staticmethod
    def _number(attr: Attr, value: Any, where: str) -> str:
        number = number_of(value)
        if number is None:
            cant_set(where)
        return str(number.quantize(Decimal(1).scaleb(-attr.places), ROUND_HALF_UP))

    # --- prices ---------------------------------------------------------------------------------------------------

    def prices(self, until: str) -> list[Row]:
        """For each good and type the price that counts at that moment."""
        last: dict[tuple[str, str], Row] = {}
        for row in self.records[PRICES]:
            pair = (row["good"], row["priceType"])
            if self.quirks.future_prices and row["date"] > until:
                continue
            if pair not in last or row["date"] >= last[pair]["date"]:
                last[pair] = row
        return list(last.values())

    # --- keeping --------------------------------------------------------------------------------------------------

    def dump(self) -> Row:
        """Everything as JSON values, a copy."""
        return deepcopy(
            {
                "objects": list(self.objects.values()),
                "last": self.last,
                "numbers": self.numbers,
                "records": self.records,
                "moves": [{name: _text(value) for name, value in move.items()} for move in self.moves],
                "roles": self.roles,
                "locked": sorted(self.locked),
                "language": self.language,
            }
        )

    def load(self, state: Mapping[str, Any]) -> None:
        """What ``dump`` gave, in place of what there is."""
        given = deepcopy(dict(state))
        self.objects, self.by_type = {}, {name: {} for name in THINGS}
        for row in given["objects"]:
            self.objects[row["id"]] = self.by_type[row["type"]][row["id"]] = row
        self.last, self.numbers, self.roles = given["last"], given["numbers"], given["roles"]
        self.records = {name: given["records"].get(name, []) for name in self.records}
        self.moves = [
            {name: Decimal(value) if name in resources(REGISTERS[move["register"]]) else value for name, value in pairs}
            for move in given["moves"]
            for pairs in [move.items()]
        ]
        self.locked, self.language = set(given["locked"]), given["language"]


def resources(register: Register) -> frozenset[str]:
    """The names of what a register sums."""
    return frozenset(register.resources)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def link_of(value: Any) -> str | None:
    """The id in a link as clients send it (text, a number, ``{"id": …}``); None for what is no link."""
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    return EMPTY if text in ("", "0") else text


def number_of(value: Any) -> Decimal | None:
    """A number, or text that is one with a point; an empty text is zero. None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    try:
        number = Decimal(value or 0)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < BIGGEST else None
