"""Records of a file -> offers with their stock. What of a row cannot be read is told and left out; the others go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from pipeline.api import (
    Finding,
    FormatContext,
    Goods,
    GoodsShape,
    Money,
    Offer,
    SpecialPrice,
    StockLevel,
    T,
    Text,
    Where,
    Who,
    field_name,
)
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.record import Record
from plugins.formats._declared.rule import Rule
from plugins.formats._declared.take import CORRECT, Names, Taker, ways_of
from plugins.formats._declared.values import Ways
from plugins.formats._goods.fields import Categories, GoodsFields, GoodsSettings, OfferFields, Variants

MEND = T("Mend it in the file, or correct the mapping; everything else goes on.")
_TEXTS = ("name", "unit", "barcode", "manufacturer")
_NUMBERS = ("price", "weight", "length", "width", "height")
#: What belongs to a product rather than to its variants, where the file names no product for them.
_SHARED = frozenset({"name", "description", "short_description", "category", "manufacturer", "images", "unit"})


def shape_of(settings: GoodsSettings, variants: Variants | None = None) -> GoodsShape:
    """What files of this mapping tell."""
    every: list[OfferFields] = [settings.fields, *([variants.fields] if variants else [])]
    told: set[str] = set()
    warehouses: dict[str, None] = {}
    counted = False
    for fields in every:
        names = ("name", "description", "short_description", "unit", "barcode", "manufacturer", "images", "published")
        told |= {name for name in (*names, *_NUMBERS) if getattr(fields, name) is not None}
        told |= {f"price.{kind}" for kind in fields.prices}
        if fields.special_price is not None:
            told.add("specials")
        if fields.options or fields.named_options is not None:
            told.add("options")
        counted = counted or fields.stock is not None or bool(fields.stocks)
        warehouses |= dict.fromkeys(fields.stocks)
    if any(name.startswith("price") or name == "specials" for name in told):
        told.add("currency")
    if settings.fields.category is not None:
        told.add("category")
    keys = ("sku", "model") if any(one.model is not None for one in every) else ("sku",)
    return GoodsShape(frozenset(told), keys, counted, tuple(warehouses))


@dataclass
class _Entry:
    """One row as it was read."""

    id: str
    keys: dict[str, str]
    values: dict[str, Any]
    stocks: dict[str, Decimal]
    group: str = ""
    group_code: str = ""
    variants: list[_Entry] = field(default_factory=list)

    @property
    def code(self) -> str:
        return self.keys["sku"]


class _Taker(Taker):
    """As for orders, with advice that fits a catalogue."""

    def find(
        self, code: str, text: Text, place: tuple[str, int, int], hint: Text | None, number: int | None = None
    ) -> None:
        super().find(code, text, place, MEND if hint is CORRECT or code in ("missing", "garbled") else hint, number)


class Assembler:
    """Reads the records of one file."""

    def __init__(self, settings: GoodsSettings, context: FormatContext, *, thorough: bool) -> None:
        self._settings, self._context, self._thorough = settings, context, thorough
        self._ways: Ways = ways_of(settings, context)
        self._paths: Mapping[str, tuple[str, ...]] | None = None
        self._findings: list[Finding] = []
        self._ids: set[str] = set()
        self._rows = 0

    def categories(self, records: Sequence[Record], how: Categories) -> None:
        """The tree of categories, before the products."""
        names: dict[str, str] = {}
        parents: dict[str, str] = {}
        for record in records:
            taker = _Taker(record, self._ways, self._context.file, thorough=self._thorough)
            own = taker.text(how.id, ("category", "id"), required=True)
            name = taker.text(how.name, ("category", "name"), required=True)
            parent = taker.text(how.parent, ("category", "parent"))
            self._findings += taker.findings
            if own and name:
                names[own], parents[own] = name, parent
        self._paths = {own: self._path_of(own, names, parents) for own in names}

    def _path_of(self, own: str, names: Mapping[str, str], parents: Mapping[str, str]) -> tuple[str, ...]:
        path: list[str] = []
        seen: set[str] = set()
        here = own
        while here in names:
            if here in seen:
                text = T("Category {name} stands inside of itself.", name=names[own])
                finding = Finding(
                    "category-loop", text, Where(file=self._context.file or None, element=own), MEND, Who.SITE
                )
                self._findings.append(finding)
                return (names[own],)
            seen.add(here)
            path.append(names[here])
            here = parents[here]
        return tuple(reversed(path))

    def read(self, records: Iterable[Record], variants: Variants | None, findings: Sequence[Finding] = ()) -> Goods:
        """The goods of the records."""
        entries: list[_Entry] = []
        for record in records:
            entry = self._entry(record, self._settings.fields)
            if entry is None:
                continue
            if variants is not None:
                try:
                    inner = record.records(variants.each)
                except Wrong as wrong:
                    self._tell(record, entry.code, wrong.text, wrong.hint)
                    inner = ()
                made = [self._entry(one, variants.fields) for one in inner]
                entry.variants = [one for one in made if one is not None]
            entries.append(entry)
        offers: list[Offer] = []
        levels: list[StockLevel] = []
        for entry in self._grouped(entries):
            self._offers(entry, offers, levels)
        return Goods(tuple(offers), tuple(levels), (*findings, *self._findings), self._rows)

    # --- one row -----------------------------------------------------------------------------------------------------

    def _entry(self, record: Record, fields: OfferFields) -> _Entry | None:
        self._rows += 1
        taker = _Taker(record, self._ways, self._context.file, thorough=self._thorough)
        code = taker.text(fields.code, ("code",), required=True)
        if not code:
            _, line, _ = record.place()
            why = taker.findings[0]
            text = T("Line {line} is left out: {words}", line=line, words=why.text)
            self._findings.append(replace(why, code="goods-row", text=text, who=Who.SITE))
            return None
        reader = _Row(record, taker, self._settings, self._paths, self._context.currency)
        reader.read(fields)
        group = group_code = ""
        if isinstance(fields, GoodsFields):
            group = taker.text(fields.group, ("group",))
            group_code = taker.text(fields.group_code, ("group_code",)) if group else ""
            reader.category(fields.category)
        keys = {"sku": code}
        if model := taker.text(fields.model, ("model",)):
            keys["model"] = model
        own = taker.text(fields.id, ("id",)) or code
        for one in taker.findings:
            self._findings.append(self._of_row(one, code, record))
        return _Entry(own, keys, reader.values, reader.stocks, group, group_code)

    def _of_row(self, finding: Finding, code: str, record: Record) -> Finding:
        line = finding.where.line or record.place()[1]
        text = T(
            "{article} (line {line}): {what} It is left as it is.", article=code[:80], line=line, what=finding.text
        )
        about = f"{code}:{finding.where.element or ''}"
        return replace(finding, code="goods-value", text=text, who=Who.SITE, about=about)

    def _tell(self, record: Record, code: str, words: Text, hint: Text | None) -> None:
        element, line, column = record.place()
        where = Where(self._context.file or None, line or None, column or None, element or None)
        self._findings.append(
            self._of_row(Finding("value", T("{what}.", what=words), where, hint or MEND), code, record)
        )

    # --- products and variants ---------------------------------------------------------------------------------------

    def _grouped(self, entries: Sequence[_Entry]) -> list[_Entry]:
        """Rows that are variants put below their product; each product at the place of the first of its rows."""
        named: dict[str, _Entry] = {}
        for entry in entries:
            if not entry.group:
                named.setdefault(entry.id, entry)
                named.setdefault(entry.code, entry)
        groups: dict[str, list[_Entry]] = {}
        for entry in entries:
            if entry.group:
                groups.setdefault(entry.group, []).append(entry)
        found: list[_Entry] = []
        done: set[str] = set()
        for entry in entries:
            if not entry.group:
                found.append(entry)
                continue
            if entry.group in done:
                continue
            done.add(entry.group)
            members = groups[entry.group]
            base = named.get(entry.group)
            if base is not None:
                base.variants += members
            elif len(members) == 1:
                found.append(members[0])
            else:
                code = next((one.group_code for one in members if one.group_code), "")
                keys = {"sku": code} if code else {}
                found.append(_Entry(f"group:{entry.group}", keys, _common(members), {}, variants=members))
        return found

    def _offers(self, entry: _Entry, offers: list[Offer], levels: list[StockLevel]) -> None:
        kind: Literal["single", "base"] = "base" if entry.variants else "single"
        product = self._own(entry.id)
        values = dict(entry.values)
        if kind == "base":
            values.pop("options", None)
        offers.append(Offer(id=product, product=product, kind=kind, keys=entry.keys, values=values))
        if kind == "single":
            levels += _levels(product, entry)
        for variant in entry.variants:
            own = self._own(variant.id)
            offers.append(Offer(id=own, product=product, kind="variant", keys=variant.keys, values=variant.values))
            levels += _levels(own, variant)

    def _own(self, name: str) -> str:
        """The id, told apart from another one of the same name."""
        own, number = name, 1
        while own in self._ids:
            number += 1
            own = f"{name}#{number}"
        self._ids.add(own)
        return own


def _levels(own: str, entry: _Entry) -> list[StockLevel]:
    return [StockLevel(entry.code, place, amount, Decimal(0), own) for place, amount in entry.stocks.items()]


def _common(members: Sequence[_Entry]) -> dict[str, Any]:
    """What a product is that the file does not name itself: as the first of its variants."""
    first = members[0].values
    found = {name: value for name, value in first.items() if name in _SHARED}
    shown = [one.values["published"] for one in members if "published" in one.values]
    return {**found, **({"published": any(shown)} if shown else {})}


class _Row:
    """Takes the values of one row. What cannot be read is not there at all: it is not known, and never compared."""

    def __init__(
        self,
        record: Record,
        taker: Taker,
        settings: GoodsSettings,
        paths: Mapping[str, tuple[str, ...]] | None,
        currency: str,
    ) -> None:
        self._record, self._taker, self._settings = record, taker, settings
        self._paths, self._currency = paths, currency
        self.values: dict[str, Any] = {}
        self.stocks: dict[str, Decimal] = {}

    def read(self, fields: OfferFields) -> None:
        """All but its article and category."""
        for name in _TEXTS:
            self._put(name, getattr(fields, name), "text", "")
        for name in ("description", "short_description"):
            self._put(name, getattr(fields, name), "note", "")
        for name in _NUMBERS:
            self._put(name, getattr(fields, name), "decimal", None)
        for kind, rule in fields.prices.items():
            self._put(f"price.{kind}", rule, "decimal", None)
        self._put("published", fields.published, "flag")
        self._images(fields.images)
        self._options(fields)
        priced = fields.price is not None or fields.prices or fields.special_price is not None
        if priced:
            self._put("currency", fields.currency, "currency", self._currency)
            if fields.currency is None:
                self.values["currency"] = self._currency
        self._specials(fields)
        wheres = {"": fields.stock, **fields.stocks}
        for place, one in wheres.items():
            amount, clear = self._get(one, "decimal", ("stock", place) if place else ("stock",))
            if clear and amount is not None:
                self.stocks[place] = amount

    def _get(self, rule: Rule | None, kind: Any, names: Names) -> tuple[Any, bool]:
        """The value, and whether nothing is wrong with it."""
        before = len(self._taker.findings)
        value = self._taker.get(self._record, rule, kind, names)
        return value, len(self._taker.findings) == before

    def _put(self, name: str, rule: Rule | None, kind: Any, empty: Any = ...) -> None:
        if rule is None:
            return
        value, clear = self._get(rule, kind, tuple(name.split(".")))
        if not clear or self._below_zero(value, name):
            return
        if value is None:
            if empty is ...:
                return
            value = empty
        self.values[name] = value

    def _below_zero(self, value: Any, name: str) -> bool:
        """Whether it is a price or a size below 0, which is told."""
        if not isinstance(value, Decimal) or value >= 0:
            return False
        text = T("{field} is below 0: {value}.", field=field_name(tuple(name.split("."))), value=value)
        self._taker.find("value", text, self._record.place(), MEND)
        return True

    def _images(self, rule: Rule | None) -> None:
        if rule is None:
            return
        try:
            texts = [one.text for path in rule.path for one in self._record.values(path)]
        except Wrong as wrong:
            self._taker.find("value", T("{what}.", what=wrong.text), self._record.place(wrong.at), wrong.hint)
            return
        between = self._settings.list_separator
        parts = [part for text in texts for part in (text.split(between) if between else [text])]
        self.values["images"] = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def _options(self, fields: OfferFields) -> None:
        found: dict[str, str] = {}
        for name, rule in fields.options.items():
            value, clear = self._get(rule, "text", ("options", name))
            if clear and value:
                found[name] = value
        if (named := fields.named_options) is not None:
            for one in self._taker.each(self._record, named.each, ("options",)):
                name = self._taker.text(named.name, ("options",), one)
                if name and (value := self._taker.text(named.value, ("options", name), one)):
                    found[name] = value
        if fields.options or named is not None:
            self.values["options"] = found

    def _specials(self, fields: OfferFields) -> None:
        if fields.special_price is None:
            return
        amount, clear = self._get(fields.special_price, "decimal", ("special_price",))
        start, clear_start = self._get(fields.special_start, "moment", ("special_start",))
        end, clear_end = self._get(fields.special_end, "moment", ("special_end",))
        if not (clear and clear_start and clear_end) or self._below_zero(amount, "special_price"):
            return
        if amount is None:
            self.values["specials"] = ()
            return
        if end is not None and self._settings.special_end == "included" and _is_day(end):
            end += timedelta(days=1)
        if start is not None and end is not None and end <= start:
            text = T("The special price {price} ends before it begins.", price=amount)
            self._taker.find("value", text, self._record.place(), MEND)
            return
        money = Money(amount, str(self.values.get("currency") or self._currency))
        self.values["specials"] = (SpecialPrice(money, start, end),)

    def category(self, rule: Rule | None) -> None:
        """Its path, or the path of the category that it names."""
        if rule is None:
            return
        said, clear = self._get(rule, "text", ("category",))
        if not clear:
            return
        if self._paths is None:
            parts = str(said or "").split(self._settings.path_separator)
            self.values["category"] = tuple(part.strip() for part in parts if part.strip())
        elif not said:
            self.values["category"] = ()
        elif said in self._paths:
            self.values["category"] = self._paths[said]
        else:
            text = T("There is no category {name} in the file.", name=said)
            self._taker.find("category", text, self._record.place(), MEND)


def _is_day(moment: datetime) -> bool:
    return moment.timetz().replace(tzinfo=None) == time(0)
