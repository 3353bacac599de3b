"""Queries of the fake Dilovod: the action ``request``, over objects, table parts, registers and virtual tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from plugins.systems.dilovod._fake_base import EMPTY, LANGUAGES, RESTRICTED, Base, Row, link_of, number_of, refuse
from plugins.systems.dilovod._fake_schema import (
    GOODS,
    PRICES,
    REGISTERS,
    SHORT,
    THINGS,
    Attr,
    Register,
)

Line = Mapping[str, Any]
OPERATORS = ("=", "!=", ">", ">=", "<", "<=", "%", "!%", "IL", "!IL", "IH", "!IH", "ILH", "!ILH", "IPL")
SUFFIXES = ("Start", "Receipt", "Expense", "Final")


class Query:
    """One packet's query. ``key`` is whose role it runs under."""

    def __init__(self, base: Base, key: str, params: Mapping[str, Any]) -> None:
        self.base, self.key, self.params = base, key, params
        self.fields: dict[str, str] = {}
        self.attrs: dict[str, Attr] = {}

    def answer(self) -> Any:
        """The rows, or columns and data where links are not to be assembled. Errors as the API tells them."""
        quirks = self.base.quirks
        self.fields = self._fields()
        lines = self._lines(self.params.get("from"))
        for path in self.fields:
            self._check(path)
        lines = self._filtered(lines)
        if dimensions := self._dimensions():
            lines = self._grouped(lines, dimensions)
        lines = self._cut(self._ordered(lines))
        if self.params.get("assembleLinks", True) in (False, 0, "0"):
            names = [name for path, alias in self.fields.items() for name in self._names(path, alias)]
            bare = [self._row(line, links=False) for line in lines]
            return {"columns": names, "data": [[row[name] for name in names] for row in bare]}
        rows: Any = [self._row(line, links=True) for line in lines]
        if not rows and quirks.empty_rows == "object":
            rows = {}
        return rows if quirks.rows_in == "bare" else {quirks.rows_in: rows}

    # --- where the lines are from ---------------------------------------------------------------------------------

    def _fields(self) -> dict[str, str]:
        fields = self.params.get("fields")
        if not isinstance(fields, dict) or not fields or not all(isinstance(one, str) for one in fields.values()):
            refuse("bad param fields")
        return fields

    def _lines(self, source: Any) -> Sequence[Line]:
        if isinstance(source, dict):
            return self._virtual(source)
        name = str(source)
        if name in THINGS:
            self.base.need(self.key, name)
            self.attrs = self.base.attrs(name)
            return [self._line(row) for row in self._objects(name)]
        if name in REGISTERS:
            return self._register(REGISTERS[name])
        owner, _, part = name.rpartition(".")
        if owner in THINGS and part in THINGS[owner].parts:
            self.base.need(self.key, owner)
            self.attrs = {"owner": Attr("owner", "link", targets=(owner,)), **THINGS[owner].parts[part]}
            return [{**one, "owner": row["id"]} for row in self._objects(owner) for one in row["parts"][part]]
        return refuse(f"bad param from: {name}")

    def _objects(self, name: str) -> Iterable[Row]:
        listed = self.base.quirks.marked_listed
        return [row for row in self.base.by_type[name].values() if listed or row["values"]["delMark"] == "0"]

    def _line(self, row: Row) -> Line:
        """An object's values with those that are not kept but found."""
        line = {**row["values"], "id": row["id"]}
        quirks = self.base.quirks
        if quirks.modified_attribute:
            line[quirks.modified_attribute] = row["modified"]
        if row["type"] == GOODS and quirks.goods_price:
            now = self.base.stamp()
            prices = [one["price"] for one in self.base.prices(now) if one["good"] == row["id"]]
            line["price"] = str(Decimal(prices[0] if prices else 0).quantize(Decimal("0.01")))
        return line

    def _register(self, register: Register) -> Sequence[Line]:
        """The records or the movements themselves."""
        self.base.need(self.key, register.name)
        self.attrs = dict(register.attrs)
        if register.is_information:
            return self.base.records[register.name]
        self.attrs |= {"date": Attr("date", "date"), "doc": Attr("doc", "link", targets=tuple(THINGS))}
        moves = [move for move in self.base.moves if move["register"] == register.name]
        return [{**move, **self._told(register, move)} for move in moves]

    def _virtual(self, source: Mapping[str, Any]) -> Sequence[Line]:
        register = SHORT.get(str(source.get("register")))
        if register is None:
            refuse(f"bad param from: {source.get('register')}")
        self.base.need(self.key, register.name)
        kind = source.get("type")
        if kind == "sliceLast" and register.is_information:
            return self._slice(register, source)
        if kind in ("balance", "turnover", "balanceAndTurnover") and not register.is_information:
            return self._sums(register, str(kind), source)
        return refuse(f"bad param from: {kind}")

    def _slice(self, register: Register, source: Mapping[str, Any]) -> Sequence[Line]:
        self.attrs = dict(register.attrs)
        if register.name == PRICES:
            return self.base.prices(self.base.date(source.get("date", ""), "from.date") or self.base.stamp())
        return self.base.records[register.name]

    def _sums(self, register: Register, kind: str, source: Mapping[str, Any]) -> Sequence[Line]:
        """Balances at a moment, or movements of a period. A moment that is not said is now."""
        wanted = source.get("dimensions") or self._default_dimensions(register)
        if not isinstance(wanted, list) or not set(wanted) <= set(register.dims):
            refuse("bad param from: dimensions")
        self.attrs = {name: register.dims[name] for name in wanted}
        end = self.base.date(source.get("date" if kind == "balance" else "endDate", ""), "from.date")
        start = "" if kind == "balance" else self.base.date(source.get("startDate", ""), "from.startDate")
        end = end or self.base.stamp()
        sums: dict[tuple[str, ...], dict[str, Decimal]] = {}
        for name in register.resources:
            told = [name, *(f"{name}{suffix}" for suffix in SUFFIXES)]
            # One source spells it "Reciept" beside "Receipt", of the same kind of table: both are known here.
            told.append(f"{name}Reciept")
            self.attrs |= {one: Attr(one, "number", register.resources[name].places) for one in self._known(told, kind)}
        for move in self.base.moves:
            if move["register"] != register.name or move["date"] > end:
                continue
            line = sums.setdefault(tuple(move[name] for name in wanted), {})
            for name in register.resources:
                self._add(line, name, move[name], before=bool(start) and move["date"] < start)
        lines = []
        for values, line in sums.items():
            told_line = {name: str(line.get(name, Decimal(0)).quantize(_unit(self.attrs[name]))) for name in self.attrs
                         if name not in wanted}  # fmt: skip
            if self.base.quirks.zero_rows or any(Decimal(one) for one in told_line.values()):
                lines.append({**dict(zip(wanted, values, strict=True)), **told_line})
        return lines

    @staticmethod
    def _known(told: Sequence[str], kind: str) -> Sequence[str]:
        """Which resources a kind of table has: a turnover is told as a whole and by its sides."""
        if kind == "balance":
            return told[:1]
        return told[1:] if kind == "balanceAndTurnover" else [told[0], *(one for one in told[1:] if _is_side(one))]

    @staticmethod
    def _add(line: dict[str, Decimal], name: str, value: Decimal, *, before: bool) -> None:
        def more(key: str, by: Decimal) -> None:
            line[key] = line.get(key, Decimal(0)) + by

        more(f"{name}Final", value)
        if before:
            more(f"{name}Start", value)
            return
        more(name, value)
        if value > 0:
            more(f"{name}Receipt", value)
            more(f"{name}Reciept", value)
        else:
            more(f"{name}Expense", -value)

    def _default_dimensions(self, register: Register) -> list[str]:
        if self.base.quirks.default_dimensions == "all":
            return list(register.dims)
        return [name for name in register.dims if any(path.split(".")[0] == name for path in self.fields)]

    @staticmethod
    def _told(register: Register, move: Mapping[str, Any]) -> dict[str, str]:
        return {name: str(move[name].quantize(_unit(attr))) for name, attr in register.resources.items()}

    # --- paths ----------------------------------------------------------------------------------------------------

    def _check(self, path: str) -> None:
        """Refuse a path that leads nowhere. Links may have several targets; one that knows the name is enough."""
        known: list[Mapping[str, Attr]] = [self.attrs]
        for name in path.split("."):
            found = [attrs[name] for attrs in known if name in attrs]
            if not found:
                refuse(f"bad field {path}")
            known = [self.base.attrs(target) for attr in found for target in attr.targets]

    def _follow(self, line: Line, path: str) -> tuple[Attr | None, Any]:
        """The attribute at the end of a path and its value; none behind an empty link."""
        first, *rest = path.split(".")
        attr, value = self.attrs[first], line[first]
        for name in rest:
            row = self.base.objects.get(value)
            if row is None:
                return None, ""
            if not self.base.may(self.key, row["type"]):
                if self.base.quirks.restricted_path == "refused":
                    self.base.need(self.key, row["type"])
                return None, RESTRICTED
            if name not in self.base.attrs(row["type"]):
                return None, ""
            attr, value = self.base.attrs(row["type"])[name], self._line(row)[name]
        return attr, value

    # --- filters --------------------------------------------------------------------------------------------------

    def _filtered(self, lines: Sequence[Line]) -> Sequence[Line]:
        """All filters are joined by AND."""
        paths = {alias: path for path, alias in self.fields.items()}
        for one in self.params.get("filters") or ():
            if not isinstance(one, dict) or one.get("operator") not in OPERATORS:
                refuse("bad param filters")
            path = paths.get(str(one.get("alias")))
            if path is None:
                if self.base.quirks.unlisted_filter == "refused":
                    refuse(f"bad param filters: {one.get('alias')}")
                continue
            wanted = self._wanted(one["operator"], one.get("value"))
            lines = [line for line in lines if self._passes(*self._follow(line, path), one["operator"], wanted)]
        return lines

    def _wanted(self, operator: str, value: Any) -> Any:
        if operator.lstrip("!") in ("IL", "ILH", "IPL"):
            if not isinstance(value, list):
                refuse("bad param filters: value")
            limit = self.base.quirks.list_limit
            if limit and len(value) > limit:
                refuse("bad param filters: value")
        return value

    def _passes(self, attr: Attr | None, value: Any, operator: str, wanted: Any) -> bool:
        base = operator.lstrip("!")
        if base == "=" or operator == "!=":
            found = self._equal(attr, value, wanted)
        elif base == "IL":
            found = any(self._equal(attr, value, one) for one in wanted)
        elif base == "%":
            found = str(wanted).casefold() in str(self._plain(attr, value)).casefold()
        elif base in ("IH", "ILH"):
            folders = {link_of(one) for one in (wanted if base == "ILH" else [wanted])}
            found = any(parent in folders for parent in self.base.parents(str(value)))
        elif base == "IPL":
            row = self.base.objects.get(str(value))
            found = bool(row) and row["values"].get("parent", EMPTY) in {link_of(one) for one in wanted}  # type: ignore[index]
        else:
            return self._compared(attr, value, operator, wanted)
        return bool(found) != operator.startswith("!")

    def _plain(self, attr: Attr | None, value: Any) -> Any:
        return value.get(self.base.language, "") if attr and attr.kind == "ml" else value

    def _equal(self, attr: Attr | None, value: Any, wanted: Any) -> bool:
        kind = attr.kind if attr else "text"
        if kind == "link":
            return bool(link_of(wanted) == value)
        if kind == "number":
            return bool(number_of(wanted) == Decimal(value))
        if kind == "date":
            return bool(self._day(wanted) == value)
        if isinstance(wanted, bool):
            return bool(self.base.quirks.json_false and kind == "bool" and str(int(wanted)) == value)
        told, text = str(self._plain(attr, value)), str(wanted)
        if self.base.quirks.text_match == "folded":
            return told.casefold() == text.casefold()
        return told == text

    def _compared(self, attr: Attr | None, value: Any, operator: str, wanted: Any) -> bool:
        left: Any
        right: Any
        if attr and attr.kind == "number":
            left, right = Decimal(value), number_of(wanted)
        elif attr and attr.kind == "date":
            left, right = value, self._day(wanted)
        else:
            left, right = str(self._plain(attr, value)), str(wanted)
        if right is None or (attr and attr.kind == "date" and not right):
            refuse("bad param filters: value")
        verdicts: dict[str, bool] = {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}
        return verdicts[operator]

    def _day(self, wanted: Any) -> str:
        return self.base.date(wanted, "filters.value")

    # --- groups, order, pages -------------------------------------------------------------------------------------

    def _dimensions(self) -> list[str]:
        """The paths to group by, which may be named by their aliases."""
        given = self.params.get("dimensions") or []
        paths = {alias: path for path, alias in self.fields.items()}
        found = [name if name in self.fields else paths.get(name) for name in given] if isinstance(given, list) else []
        if not all(found) or (given and not found):
            refuse("bad param dimensions")
        return [path for path in found if path]

    def _grouped(self, lines: Sequence[Line], dimensions: Sequence[str]) -> Sequence[Line]:
        """One line for each value of the dimensions, with the numbers summed."""
        groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        for line in lines:
            place = tuple(str(self._follow(line, path)[1]) for path in dimensions)
            if place not in groups:
                groups[place] = dict(line)
                continue
            for name, attr in self.attrs.items():
                if attr.kind == "number" and name not in dimensions:
                    groups[place][name] = str(Decimal(groups[place][name]) + Decimal(line[name]))
        return list(groups.values())

    def _ordered(self, lines: Sequence[Line]) -> Sequence[Line]:
        order = self.base.quirks.order
        if order == "id":
            return lines
        if order == "newest":
            return list(reversed(lines))
        return sorted(lines, key=lambda line: hashlib.sha256(repr(sorted(line.items())).encode()).digest())

    def _cut(self, lines: Sequence[Line]) -> Sequence[Line]:
        """``limit`` is a count, or an offset with a count. An ``offset`` beside it is not looked at."""
        limit = self.params.get("limit")
        offset, count = 0, len(lines)
        if isinstance(limit, dict):
            offset, count = self._count(limit.get("offset", 0)), self._count(limit.get("count", len(lines)))
        elif limit is not None:
            count = self._count(limit)
        most = self.base.quirks.row_limit
        return lines[offset : offset + (min(count, most) if most else count)]

    @staticmethod
    def _count(value: Any) -> int:
        number = number_of(value)
        if number is None or number < 0:
            refuse("bad param limit")
        return int(number)

    # --- rows -----------------------------------------------------------------------------------------------------

    def _names(self, path: str, alias: str) -> list[str]:
        if self.params.get("multilang") and self._kind(path) == "ml":
            return [f"{alias}__{language}" for language in LANGUAGES]
        return [alias]

    def _kind(self, path: str) -> str:
        known: list[Mapping[str, Attr]] = [self.attrs]
        kind = ""
        for name in path.split("."):
            found = [attrs[name] for attrs in known if name in attrs]
            kind = found[0].kind
            known = [self.base.attrs(target) for attr in found for target in attr.targets]
        return kind

    def _row(self, line: Line, *, links: bool) -> dict[str, str]:
        row: dict[str, str] = {}
        for path, alias in self.fields.items():
            attr, value = self._follow(line, path)
            if attr and attr.kind == "ml":
                if self.params.get("multilang"):
                    row |= {f"{alias}__{language}": value[language] for language in LANGUAGES}
                else:
                    row[alias] = value[self.base.language]
            elif self._names(path, alias) != [alias]:  # a name in several languages that is not reached
                row |= {f"{alias}__{language}": value for language in LANGUAGES}
            elif attr and attr.kind == "date" and not value:
                row[alias] = self.base.quirks.empty_date
            else:
                row[alias] = str(value)
                if links and attr and attr.kind == "link":
                    row[f"{alias}__pr"] = self._presentation(str(value))
        return row

    def _presentation(self, id_: str) -> str:
        row = self.base.objects.get(id_)
        if row is not None and not self.base.may(self.key, row["type"]):
            return RESTRICTED
        return self.base.named(id_)


def _unit(attr: Attr) -> Decimal:
    return Decimal(1).scaleb(-attr.places)


def _is_side(name: str) -> bool:
    return name.endswith(("Receipt", "Reciept", "Expense"))
