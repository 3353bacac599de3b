"""Takes values out of a record by the rules of a mapping, and tells what it cannot take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Finding, FormatContext, T, Text, Where, field_name, garbled, tidy
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.record import Record, Value
from plugins.formats._declared.rule import KindName, Rule
from plugins.formats._declared.settings import WaysSettings
from plugins.formats._declared.values import Ways, converted, plain_value, shown

CORRECT = T("Correct it on the site and send the order again.")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")
Names = tuple[str, ...]


def ways_of(settings: WaysSettings, context: FormatContext) -> Ways:
    """How values are written in the files of these settings."""
    dates = (settings.dates,) if isinstance(settings.dates, str) else settings.dates
    zone = ZoneInfo(settings.timezone) if settings.timezone else context.timezone
    return Ways(settings.numbers, dates, zone, settings.yes, settings.no, settings.region)


class Taker:
    """Takes the values of one order. ``findings`` hold it; ``places`` are where its fields stand."""

    def __init__(self, record: Record, ways: Ways, file: str, *, thorough: bool = False) -> None:
        self._record = record
        self._ways = ways
        self._file = file
        self._thorough = thorough  # look also at the paths that are only there in case others have nothing
        self._garbled = False
        self.places: dict[str, tuple[str, int, int]] = {}
        self.findings: list[Finding] = []

    def each(self, record: Record, path: str | None, names: Names) -> Sequence[Record]:
        """The records at a path; without one, the record itself. What is wrong there is told."""
        if path is None:
            return (record,)
        try:
            return record.records(path)
        except Wrong as wrong:
            self._wrong(record, None, names, wrong, None)
            return ()

    def text(
        self, rule: Rule | None, names: Names, record: Record | None = None, number: int | None = None, **more: bool
    ) -> str:
        """A text in one line; empty when there is none."""
        return self.get(record or self._record, rule, "text", names, number=number, **more) or ""

    def note(self, record: Record, rule: Rule | None, names: Names, number: int | None = None) -> str:
        """A text of several lines; empty when there is none."""
        return self.get(record, rule, "note", names, number=number) or ""

    def decimal(self, rule: Rule | None, names: Names, *, required: bool = False) -> Decimal | None:
        """A number of the order itself, not of an item."""
        found: Decimal | None = self.get(self._record, rule, "decimal", names, required=required)
        return found

    def get(
        self,
        record: Record,
        rule: Rule | None,
        kind: KindName,
        names: Names,
        *,
        required: bool = False,
        number: int | None = None,
    ) -> Any:
        """The value that a rule gives; None when there is none, or it holds the order (which is told then)."""
        if rule is None:
            return None
        if rule.value is not None:
            return plain_value(kind, rule.value, self._ways.zone)
        value: Value | None = None
        try:
            value = self._value(record, rule, kind)
            if value is not None:
                self._remember(record, value, names, number)
                found = converted(rule, kind, value.text, self._ways, number=value.number)
                if found != "":
                    return found
        except Wrong as wrong:
            self._wrong(record, value, names, wrong, number)
            return None
        if rule.default is not None:
            return plain_value(kind, rule.default, self._ways.zone)
        if required or rule.required:
            path = ", ".join(f"`{one}`" for one in rule.path)
            text = T("{field} is missing: there is nothing at {path}.", field=field_name(names), path=path)
            hint = T("Send it with the order; if it stands elsewhere now, correct the mapping.")
            self.find("missing", text, record.place(), hint, number)
        return None

    def _value(self, record: Record, rule: Rule, kind: KindName) -> Value | None:
        """The one value of a rule's paths, tidy; None when they have nothing. Raises Wrong."""
        clean = _lines_of if kind == "note" else tidy
        gathered: list[Value] = []
        for path in rule.path:
            found = [Value(text, one.at, one.number) for one in record.values(path) if (text := clean(one.text))]
            for one in found:
                if _CONTROL.search(one.text):
                    raise Wrong(T("it has control characters at {path}", path=path), CORRECT, one.at)
            if rule.join is None and found:
                texts = list(dict.fromkeys(one.text for one in found))
                if len(texts) > 1:
                    words = _some(texts)
                    raise Wrong(
                        T("there are {n} different ones at {path}: {words}", n=len(texts), path=path, words=words),
                        T("Make the path exact, or say how they are put together (`join`)."),
                        next(one.at for one in found if one.text != texts[0]),
                    )
                if self._thorough:
                    for other in rule.path:
                        record.values(other)
                return found[0]
            gathered += found
        if not gathered:
            return None
        if len(gathered) == 1:
            return gathered[0]
        return Value((rule.join or "").join(one.text for one in gathered), gathered[0].at)

    def _remember(self, record: Record, value: Value, names: Names, number: int | None) -> None:
        """Where a field stands, for findings of others; and whether its letters are whole."""
        if names[0] in ("total", "currency", "status", "subtotal") and len(names) == 1:
            self.places[names[0]] = record.place(value.at)
        elif names == ("lines", "code"):
            self.places[f"lines[{number}].code"] = record.place(value.at)
        elif names[-1] == "phone":
            self.places[f"{names[-2]}.phone"] = record.place(value.at)
        elif names[0] == "taxes":
            self.places["taxes"] = record.place(value.at)
        if self._garbled or (meant := garbled(value.text)) is None:
            return
        self._garbled = True
        field, words = field_name(names), shown(value.text)
        text = T("The letters of {field} are lost: {words}.", field=field, words=words)
        if meant:
            text = T(
                "The letters of {field} are garbled: {words}; it should say {meant}.",
                field=field,
                words=words,
                meant=shown(meant.strip()),
            )
        hint = T("The site reads or writes its database in a wrong encoding; set UTF-8 there.")
        self.find("garbled", text, record.place(value.at), hint, number)

    def _wrong(self, record: Record, value: Value | None, names: Names, wrong: Wrong, number: int | None) -> None:
        field = field_name(names)
        if value is None:
            text = T("{field} cannot be read: {why}.", field=field, why=wrong.text)
        else:
            text = T("{field} cannot be read, {value}: {why}.", field=field, value=shown(value.text), why=wrong.text)
        place = record.place(value.at if value is not None else wrong.at)
        self.find("value", text, place, wrong.hint or CORRECT, number)

    def find(
        self, code: str, text: Text, place: tuple[str, int, int], hint: Text | None, number: int | None = None
    ) -> None:
        """Hold the order: what is wrong, where, what to do, and in which item."""
        element, line, column = place
        where = Where(self._file, line or None, column or None, element or None, None, number)
        self.findings.append(Finding(code, text, where, hint))


def _lines_of(text: str) -> str:
    return "\n".join(tidy(line) for line in text.strip().splitlines()).strip()


def _some(texts: Sequence[str]) -> str:
    shown_ones = [shown(text) for text in texts[:3]]
    return ", ".join(shown_ones) + (" …" if len(texts) > 3 else "")
