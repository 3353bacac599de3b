"""What two versions of one order differ in, field by field, as values that a person can read in either language.

Pure. Compared is what a document is made of: numbers by their value (``2`` and ``2.000`` are one), moments by the
instant, items by their code and then their content, so that neither their order nor their place in a file counts.
``updated_at`` and where an item stood are no content: they only tell when it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pipeline.model import Order, OrderLine
from pipeline.texts import T, Text, verbatim

#: Fields of a record that are compared on their own, or do not count at all.
_ORDER_APART = frozenset({"id", "source", "updated_at", "lines", "discounts", "taxes", "extra"})
_LINE_APART = frozenset({"code", "number", "source_line", "attributes"})
#: ``extra`` of an item is kept by the item's place in the order, which may change.
_OF_ITEM = re.compile(r"item\[(\d+)\]\.(.+)", re.DOTALL)
_EMPTY = "—"
_SHOWN = 200  #: of one value; a longer one is cut for people

_NAMES: Mapping[str, Text] = {
    "number": T("order number"),
    "created_at": T("ordered at"),
    "currency": T("currency"),
    "customer": T("customer"),
    "total": T("total"),
    "status": T("status"),
    "delivery": T("delivery"),
    "payment": T("payment"),
    "prices_include_tax": T("prices include tax"),
    "rate": T("exchange rate"),
    "comment": T("comment"),
    "manager_comment": T("manager's comment"),
    "manager": T("manager"),
    "language": T("language"),
    "source_number": T("number at the source"),
    "warehouse": T("warehouse"),
    "kind": T("kind"),
    "code": T("code"),
    "first_name": T("first name"),
    "last_name": T("last name"),
    "middle_name": T("middle name"),
    "company": T("company"),
    "edrpou": T("EDRPOU"),
    "tax_number": T("tax number"),
    "phone": T("phone"),
    "email": T("mail"),
    "address": T("address"),
    "country": T("country"),
    "region": T("region"),
    "city": T("city"),
    "street": T("street"),
    "house": T("house"),
    "apartment": T("apartment"),
    "zip": T("postcode"),
    "text": T("in one line"),
    "carrier": T("carrier"),
    "service": T("service"),
    "city_ref": T("id of the city"),
    "branch": T("branch"),
    "branch_ref": T("id of the branch"),
    "recipient": T("recipient"),
    "tracking": T("tracking number"),
    "cost": T("cost"),
    "tax_rate": T("tax rate"),
    "planned_for": T("planned for"),
    "method": T("method"),
    "paid": T("paid"),
    "transaction": T("transaction"),
    "fee": T("fee"),
    "paid_at": T("paid at"),
    "name": T("name"),
    "quantity": T("quantity"),
    "price": T("price"),
    "unit": T("unit"),
    "discount": T("discount"),
    "barcode": T("barcode"),
    "amount": T("amount"),
}
_ITEMS, _DISCOUNTS, _TAXES, _EXTRA = T("items"), T("discounts"), T("taxes"), T("other")
#: What is no field that is compared, and has a name for people all the same.
_OTHER_NAMES: Mapping[str, Text] = {
    "id": T("id"),
    "source": T("source"),
    "updated_at": T("changed at"),
    "lines": _ITEMS,
    "discounts": _DISCOUNTS,
    "taxes": _TAXES,
    "extra": _EXTRA,
    "subtotal": T("sum of the items"),
    "discount_percent": T("discount in percent"),
    "percent": T("percent"),
}
_MONEY = frozenset({"total", "price", "discount", "cost", "fee", "paid", "amount"})
#: What people look at first.
_FIRST = ("status", "lines", "discounts", "total", "currency", "customer", "delivery", "payment")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as it was. ``None`` on a side: there was none, or there is none any more.

    ``path`` is for machines (``lines/AB-1/quantity``), ``names`` are its parts for people. ``line`` is the item's line
    in the newer file.
    """

    path: str
    names: tuple[Text, ...]
    before: Text | None
    after: Text | None
    line: int | None = None

    @property
    def text(self) -> Text:
        """``items / AB-1 / quantity: 2 → 3``."""
        place = self.names[0]
        for name in self.names[1:]:
            place = T("{first} / {second}", first=place, second=name)
        whole = len(self.names) == 2 and self.path.startswith(("lines/", "discounts/"))
        if whole and self.before is None and self.after is not None:
            return T("{place}: added: {after}", place=place, after=self.after)
        if whole and self.after is None and self.before is not None:
            return T("{place}: removed: {before}", place=place, before=self.before)
        empty = verbatim(_EMPTY)
        return T("{place}: {before} → {after}", place=place, before=self.before or empty, after=self.after or empty)


def field_name(path: Sequence[str]) -> Text:
    """A field of an order for people: ``("delivery", "cost")`` -> ``delivery / cost``; unknown parts as they are."""
    names = [_NAMES.get(part) or _OTHER_NAMES.get(part) or verbatim(part) for part in path]
    whole = names[0]
    for name in names[1:]:
        whole = T("{first} / {second}", first=whole, second=name)
    return whole


def differences(before: Order, after: Order) -> tuple[Difference, ...]:
    """What ``after`` says otherwise than ``before``, what matters most first; nothing when both make one document."""
    found: dict[str, list[Difference]] = {}
    for field in Order.__dataclass_fields__:
        if field not in _ORDER_APART:
            pair = (getattr(before, field), getattr(after, field))
            found[field] = list(_of(pair[0], pair[1], (field,), before.currency, after.currency))
    pairs = _paired(before.lines, after.lines)
    found["lines"] = [one for old, new in pairs for one in _of_line(old, new, before, after)]
    found["discounts"] = list(_discounts(before, after))
    found["taxes"] = list(_taxes(before, after))
    found["extra"] = list(_extra(before, after, pairs))
    order = [*_FIRST, *(name for name in found if name not in _FIRST)]
    return tuple(one for name in order for one in found[name])


def known_differences(
    *,
    total: tuple[Decimal | None, Decimal],
    currency: tuple[str | None, str],
    customer: tuple[str | None, str],
    status: tuple[str | None, str],
    items: tuple[int | None, int],
) -> tuple[Difference, ...]:
    """What can be told when nothing but a few facts (before, after) is left of the earlier version."""
    money = (total, currency)
    found = []
    for name, words, (old, new) in (
        ("status", _NAMES["status"], status),
        ("lines", T("number of items"), items),
        ("total", _NAMES["total"], money[0]),
        ("currency", _NAMES["currency"], currency),
        ("customer", _NAMES["customer"], customer),
    ):
        if old is not None and old != new:
            shown = [_value(name, value, code) for value, code in ((old, currency[0] or ""), (new, currency[1]))]
            found.append(Difference(name, (words,), shown[0], shown[1]))
    return tuple(found)


def main_differences(found: Sequence[Difference], most: int = 3) -> Text:
    """The first few of them in one text, a line each, and how many more there are."""
    lines = [one.text for one in found[:most]]
    if len(found) > most:
        lines.append(T("… and {n} more", n=len(found) - most))
    text = lines[0] if lines else T("no field that the document has")
    for line in lines[1:]:
        text = T("{first}\n{second}", first=text, second=line)
    return text


# --- comparing ---------------------------------------------------------------------------------------------------


def _of(old: Any, new: Any, path: tuple[str, ...], currency: str, other: str) -> Iterator[Difference]:
    """The differences of two values of one field; a record is gone through field by field."""
    record = old if old is not None else new
    fields: Mapping[str, Any] = getattr(record, "__dataclass_fields__", {})
    if fields:
        for name in fields:
            if name == "kind" and (old is None or new is None):
                continue  # of somebody who was not there before, the name tells enough
            yield from _of(getattr(old, name, None), getattr(new, name, None), (*path, name), currency, other)
    elif not _same(old, new):
        shown = (_value(path[-1], old, currency), _value(path[-1], new, other))
        yield Difference("/".join(path), tuple(_NAMES[part] for part in path), *shown)


def _same(old: Any, new: Any) -> bool:
    return old == new or (old in (None, "") and new in (None, ""))


def _paired(before: Sequence[OrderLine], after: Sequence[OrderLine]) -> list[tuple[OrderLine | None, OrderLine | None]]:
    """Lines that belong together: of one code, equal ones first, the others in the order in which they stand."""
    left: dict[str, list[OrderLine]] = {}
    for line in before:
        left.setdefault(line.code, []).append(line)
    pairs: dict[int, tuple[OrderLine | None, OrderLine | None]] = {}
    for settle in (_equal, lambda _old, _new: True):  # what stayed is found first, so that the rest is what changed
        for place, new in enumerate(after):
            if place in pairs:
                continue
            same = next((old for old in left.get(new.code, ()) if settle(old, new)), None)
            if same is not None:
                left[new.code].remove(same)
                pairs[place] = (same, new)
    pairs |= {place: (None, new) for place, new in enumerate(after) if place not in pairs}
    gone = [(old, None) for line in before for old in left.get(line.code, ()) if old is line]
    return [*(pairs[place] for place in range(len(after))), *gone]


def _equal(old: OrderLine, new: OrderLine) -> bool:
    return not any(True for _ in _fields_of_line(old, new, (), "", ""))


def _of_line(old: OrderLine | None, new: OrderLine | None, before: Order, after: Order) -> Iterator[Difference]:
    if old is not None and new is not None:
        yield from _fields_of_line(old, new, _line_path(new, after), before.currency, after.currency)
    elif new is not None:
        names = _line_names(_line_path(new, after))
        yield Difference("/".join(_line_path(new, after)), names, None, _line_words(new, after), new.source_line)
    elif old is not None:
        yield Difference(
            "/".join(_line_path(old, before)), _line_names(_line_path(old, before)), _line_words(old, before), None
        )


def _fields_of_line(
    old: OrderLine, new: OrderLine, path: tuple[str, ...], currency: str, other: str
) -> Iterator[Difference]:
    for name in OrderLine.__dataclass_fields__:
        if name in _LINE_APART:
            continue
        was, now = getattr(old, name), getattr(new, name)
        if not _same(was, now):
            names = (*_line_names(path), _NAMES[name])
            shown = (_value(name, was, currency), _value(name, now, other))
            yield Difference("/".join((*path, name)), names, *shown, new.source_line)
    for key in sorted({*old.attributes, *new.attributes}):
        pair = (old.attributes.get(key), new.attributes.get(key))
        if not _same(*pair):
            names = (*_line_names(path), verbatim(key))
            shown = (_value(key, pair[0], currency), _value(key, pair[1], other))
            yield Difference("/".join((*path, "attributes", key)), names, *shown, new.source_line)


def _line_path(line: OrderLine, order: Order) -> tuple[str, ...]:
    """An item goes by its code; where several have it, by its place as well."""
    several = sum(one.code == line.code for one in order.lines) > 1
    place = line.number or order.lines.index(line) + 1
    return ("lines", f"{line.code or line.name} ({place})" if several else line.code or line.name)


def _line_names(path: Sequence[str]) -> tuple[Text, ...]:
    return (_ITEMS, verbatim(path[1])) if path else ()


def _line_words(line: OrderLine, order: Order) -> Text:
    return T(
        "{name}, {quantity} × {price} {currency}",
        name=_cut(line.name),
        quantity=_plain(line.quantity),
        price=line.price,
        currency=order.currency,
    )


def _discounts(before: Order, after: Order) -> Iterator[Difference]:
    left = list(before.discounts)
    added = []
    for new in after.discounts:
        if new in left:
            left.remove(new)
        else:
            added.append(new)
    for one in left:
        name = one.code or one.name
        again = next((new for new in added if (new.code or new.name) == name), None)
        now = _value("amount", again.amount, after.currency) if again is not None else None
        if again is not None:
            added.remove(again)
        names = (_DISCOUNTS, verbatim(name)) if name else (_DISCOUNTS, verbatim(_EMPTY))
        yield Difference(f"discounts/{name}", names, _value("amount", one.amount, before.currency), now)
    for one in added:
        name = one.code or one.name
        names = (_DISCOUNTS, verbatim(name or _EMPTY))
        yield Difference(f"discounts/{name}", names, None, _value("amount", one.amount, after.currency))


def _taxes(before: Order, after: Order) -> Iterator[Difference]:
    old, new = (dict(order.taxes) for order in (before, after))
    for rate in sorted({*old, *new}):
        if old.get(rate) != new.get(rate):
            shown = (_value("amount", old.get(rate), before.currency), _value("amount", new.get(rate), after.currency))
            words = T("{rate} %", rate=_plain(rate))
            yield Difference(f"taxes/{_plain(rate)}", (_TAXES, words), *shown)


def _extra(
    before: Order, after: Order, pairs: Sequence[tuple[OrderLine | None, OrderLine | None]]
) -> Iterator[Difference]:
    """What a format carries besides. What belongs to an item goes with the item, wherever that stands now."""
    moved = {
        str(old.number or before.lines.index(old) + 1): str(new.number or after.lines.index(new) + 1)
        for old, new in pairs
        if old is not None and new is not None
    }
    there = {str(new.number or after.lines.index(new) + 1) for _old, new in pairs if new is not None}
    known = set(moved.values())
    old_values: dict[str, str] = {}
    for key, value in before.extra.items():
        match = _OF_ITEM.fullmatch(key)
        if match is None:
            old_values[key] = value
        elif match[1] in moved:  # what belonged to an item that is gone, is told with the item
            old_values[f"item[{moved[match[1]]}].{match[2]}"] = value
    new_values = {
        key: value
        for key, value in after.extra.items()
        if not ((match := _OF_ITEM.fullmatch(key)) and match[1] in there - known)
    }
    for key in sorted({*old_values, *new_values}):
        pair = (old_values.get(key), new_values.get(key))
        if not _same(*pair):
            shown = (_value(key, pair[0], ""), _value(key, pair[1], ""))
            yield Difference(f"extra/{key}", (_EXTRA, verbatim(key)), *shown)


# --- showing -----------------------------------------------------------------------------------------------------


def _value(name: str, value: Any, currency: str) -> Text | None:
    """A value of a field for people; None for nothing."""
    match value:
        case None | "":
            return None
        case bool():
            return T("yes") if value else T("no")
        case Decimal():
            if name in _MONEY and currency:
                return T("{amount} {currency}", amount=value, currency=currency)
            return _number(_plain(value))
        case datetime() | date():
            return T("{value}", value=value)
        case int():
            return _number(value)
        case _:
            return verbatim(_cut(str(value)))


def _number(value: Decimal | int) -> Text:
    return T("{value}", value=value)


def _plain(number: Decimal) -> Decimal:
    """``2.000`` -> ``2``, ``1.50`` -> ``1.5``: a quantity as people say it."""
    short = number.normalize()
    return short if int(short.as_tuple().exponent) <= 0 else short.quantize(Decimal(1))


def _cut(words: str) -> str:
    """A value in one line, cut where it is too long to be read at a glance."""
    line = " ".join(words.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
