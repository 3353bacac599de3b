"""A JoomShopping shop as an end of a sync, by files: its export is read, a file of ours tells it stock and prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from pipeline.api import (
    TN,
    ApplyCatalogue,
    ApplyStock,
    Finding,
    FolderMissing,
    Held,
    Notices,
    Noticing,
    Offer,
    OfferChange,
    Offers,
    OfferTraits,
    ProductDraft,
    Ref,
    Refused,
    RemoteFile,
    RowOutcome,
    Stock,
    StockLevel,
    StockTarget,
    System,
    SystemEnv,
    T,
    Text,
    Where,
    Who,
)
from plugins.systems.joomshopping import pending
from plugins.systems.joomshopping.export import Export, Fetched, Line, bad_cell, language_gone, refused
from plugins.systems.joomshopping.mapping import (
    KEYS,
    READS,
    BadCell,
    fold,
    keys_of,
    moment,
    price_text,
    quantity_text,
    stock_of,
    values_of,
)
from plugins.systems.joomshopping.publish import Publisher
from plugins.systems.joomshopping.settings import ShopSettings, UpdatesSettings

BATCH = 10_000  #: rows of one publication of the file


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the export, as an offer."""

    offer: Offer
    line: Line


class ReadShop:
    """A shop that is only read. Each session reads the export that is the newest when it is asked."""

    def __init__(self, settings: ShopSettings, env: SystemEnv) -> None:
        """Nothing is opened yet."""
        self.name = env.name
        self.settings, self.env = settings, env
        self.export = Export(settings, env)
        self._notices = Notices()
        self._zone = ZoneInfo(env.timezone)
        self._currency = settings.currency or env.currency

    def check(self) -> Sequence[Finding]:
        """Read the newest export; tells when there is none, or what is wrong with it. Raises Transient."""
        try:
            for _ in self.offers():
                pass
        except FolderMissing:
            raise
        except Refused as error:
            if not error.code.startswith("shop-"):
                raise
            return error.findings
        return self.noticed()

    def noticed(self) -> Sequence[Finding]:
        """See Noticing: cells that could not be read, a language that is not there."""
        return self._notices.take()

    def close(self) -> None:
        """Delete the local copy of the export. The connection is the run's."""
        self.export.close()

    # --- Offers, Stock -------------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """What an export may tell; nothing is written."""
        first = self.settings.key
        return OfferTraits(keys=(first, *(one for one in KEYS if one != first)), reads=READS, batch=BATCH)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - an export is always whole
        """All offers of the newest export. Raises Refused (none, or not to be read), Transient."""
        fetched = self.export.fetch()
        if (gone := language_gone(fetched, self.settings.language)) is not None:
            self._notices.add(gone)
        return (entry.offer for entry in self._entries(fetched))

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002
        """What the shop has of each offer; not of what it sells without a limit, nor of a base, which has the sum."""
        fetched = self.export.fetch()
        if "stock" not in fetched.columns:
            raise refused(
                "no-stock",
                T("{file} has no column of the stock.", file=fetched.file.name),
                T("Its columns are: {names}. Say what they are: `columns`.", names=", ".join(fetched.headers)[:200]),
            )
        for entry in self._entries(fetched, values=False):
            left = self._stock(entry, fetched)
            if isinstance(left, Decimal) and entry.offer.kind != "base":
                code = entry.offer.keys.get(self.settings.key, "")
                yield StockLevel(code, "", left, offer=entry.offer.id)

    def warehouses(self) -> Sequence[Ref]:
        """None: the shop keeps one total."""
        return ()

    def _stock(self, entry: Entry, fetched: Fetched) -> Decimal | Literal["unknown"] | None:
        """As :func:`stock_of` tells; a cell that cannot be read is told, and is not 0."""
        try:
            return stock_of(entry.line.cells)
        except BadCell as error:
            self._notices.add(bad_cell(error, fetched, entry.line))
            return "unknown"

    def _entries(self, fetched: Fetched, *, values: bool = True) -> Iterator[Entry]:
        """Each line as an offer, variants behind their product; variants whose product is not there at the end.

        Without ``values`` only who it is.
        """
        seen: Counter[str] = Counter()
        left = dict(fetched.variants)
        for line in self.export.lines(fetched):
            if line.cells.get("parent", "").strip():
                continue
            variants = left.pop(fold(line.cells.get("code", "").strip()), ())
            own = _id(line, "", seen)
            yield self._entry(fetched, line, own, own, "base" if variants else "single", values)
            for variant in variants:
                yield self._entry(fetched, variant, _id(variant, own, seen), own, "variant", values)
        for base, variants in left.items():
            for variant in variants:
                yield self._entry(fetched, variant, _id(variant, base, seen), base, "variant", values)

    def _entry(
        self,
        fetched: Fetched,
        line: Line,
        own: str,
        product: str,
        kind: Literal["single", "base", "variant"],
        whole: bool,
    ) -> Entry:
        keys = keys_of(line.cells)
        if not whole:
            return Entry(Offer(id=own, product=product, kind=kind, keys=keys), line)

        def bad(error: BadCell) -> None:
            self._notices.add(bad_cell(error, fetched, line))

        values = values_of(line.cells, self.settings.export, self._currency, bad, variant=kind == "variant")
        changed = None
        try:
            changed = moment(line.cells, self._zone)
        except BadCell as error:
            bad(error)
        return Entry(Offer(id=own, product=product, kind=kind, keys=keys, values=values, updated_at=changed), line)


def _id(line: Line, product: str, seen: Counter[str]) -> str:
    """The shop's own id; where the export has none, the code, which is counted on where several have one."""
    if own := line.cells.get("id", "").strip():
        return own
    name = line.cells.get("code", "").strip()
    name = f"{product}/{name}" if product else name
    seen[name] += 1
    return name if name and seen[name] == 1 else f"{name}~{seen[name]}"


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of one offer when rows are to be written."""

    code: str  #: that the file names it by
    unlimited: bool
    base: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A row to be written: column of the file -> its text."""

    offer: str
    title: str
    cells: Mapping[str, str]


class Shop(ReadShop):
    """A shop that takes a file of stock and prices. What that file cannot say, it does not write."""

    def __init__(self, settings: ShopSettings, env: SystemEnv, updates: UpdatesSettings) -> None:
        """Nothing is opened yet."""
        super().__init__(settings, env)
        self._updates = updates
        self._publisher = Publisher(updates, self.export.transport, env.clock)
        self._index: tuple[RemoteFile, Mapping[str, _Place], Mapping[str, frozenset[str]]] | None = None

    def check(self) -> Sequence[Finding]:
        """As for a shop that is read, and look into the folder that the file is put into."""
        self.export.transport().list(self._updates.folder)
        return super().check()

    def offer_traits(self) -> OfferTraits:
        """An export is read; prices are written, and the old price where the file has a column for it."""
        read = super().offer_traits()
        writes = frozenset({"price", "price.old"} if self._updates.old_price else {"price"})
        return OfferTraits(keys=read.keys, reads=read.reads, writes=writes, batch=BATCH)

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Held: the shop's plug-in only updates."""
        text = T("The shop's plug-in creates no products.")
        hint = T("Create it in the shop; the next export has it.")
        return [_held("creates", text, draft.base.title, hint) for draft in drafts]

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Write prices into the file; one outcome each, in order. Raises Refused, Transient for all of them."""
        return self._apply([self._prices(change) for change in changes])

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Write levels into the file; one outcome each, in order. Raises Refused, Transient for all of them."""
        return self._apply([self._level(target) for target in targets])

    def _prices(self, change: OfferChange) -> _Wanted | RowOutcome:
        names = {"price": pending.PRICE, "price.old": pending.OLD}
        unknown = sorted(change.values.keys() - self.offer_traits().writes)
        if unknown:
            text = T("The file for the shop has no column for {names}.", names=", ".join(unknown))
            return _held("field", text, change.offer.title)
        try:
            cells = {names[name]: price_text(value) for name, value in change.values.items()}
        except ValueError as error:
            return _held("number", error.args[0], change.offer.title)
        return _Wanted(change.offer.id, change.offer.title, cells)

    def _level(self, target: StockTarget) -> _Wanted | RowOutcome:
        if target.warehouse:
            text = T("The shop keeps one total, and no warehouse {code}.", code=target.warehouse)
            return _held("warehouse", text, target.offer.title, who=Who.ADMIN)
        try:
            return _Wanted(target.offer.id, target.offer.title, {pending.QTY: quantity_text(target.quantity)})
        except ValueError as error:
            return _held("number", error.args[0], target.offer.title)

    def _apply(self, rows: Sequence[_Wanted | RowOutcome]) -> Sequence[RowOutcome]:
        if not any(isinstance(row, _Wanted) for row in rows):
            return [row for row in rows if isinstance(row, RowOutcome)]
        places, twins = self._known()
        asked: dict[str, dict[str, dict[str, str]]] = {}  # code as the shop compares -> offer -> cells
        for row in rows:
            if isinstance(row, _Wanted) and row.offer in places:
                asked.setdefault(fold(places[row.offer].code), {}).setdefault(row.offer, {}).update(row.cells)
        outcomes: list[RowOutcome] = []
        new: dict[str, dict[str, str]] = {}
        for row in rows:
            if isinstance(row, RowOutcome):
                outcomes.append(row)
                continue
            place = places.get(row.offer)
            if place is None:
                text = T("The newest export of the shop has no {title}.", title=row.title[:80])
                outcomes.append(_held("gone", text, "", T("It may have been deleted; the next run looks anew.")))
                continue
            why = _why_not(row, place, asked[fold(place.code)], twins[fold(place.code)])
            if why is not None:
                outcomes.append(_held("row", why, row.title))
                continue
            new.setdefault(place.code, {}).update(row.cells)
            outcomes.append(RowOutcome())
        if new:
            self._publisher.publish(new)
        return outcomes

    def _known(self) -> tuple[Mapping[str, _Place], Mapping[str, frozenset[str]]]:
        """The offers of the newest export by id, and the ids of all that the shop takes for one code."""
        fetched = self.export.fetch()
        if self._index is None or self._index[0] != fetched.file:
            places: dict[str, _Place] = {}
            twins: dict[str, set[str]] = {}
            for entry in self._entries(fetched, values=False):
                code = entry.offer.keys.get(self.settings.key, "")
                unlimited = "stock" in fetched.columns and self._stock(entry, fetched) is None
                places[entry.offer.id] = _Place(code, unlimited, entry.offer.kind == "base")
                twins.setdefault(fold(code), set()).add(entry.offer.id)
            self._index = fetched.file, places, {code: frozenset(ids) for code, ids in twins.items()}
        return self._index[1:]


def _why_not(row: _Wanted, place: _Place, asked: Mapping[str, Mapping[str, str]], twins: frozenset[str]) -> Text | None:
    """Why the file cannot say this; None: it can. ``asked``: of all offers with this code."""
    if not place.code:
        return T("It has no code in the shop by which the file could name it.")
    if not pending.can_be_written(place.code):
        return T("PHP would read its code otherwise than it is meant.")
    if pending.QTY in row.cells and place.base:
        return T("The shop reckons its stock from that of its variants.")
    if pending.QTY in row.cells and place.unlimited:
        return T("The shop sells it without a limit.")
    differs = asked.keys() != twins or any(cells != row.cells for cells in asked.values())
    if len(twins) > 1 and differs:
        several = TN("{n} product", "{n} products", len(twins))
        return T("{several} of the shop have its code, and the file cannot tell them apart.", several=several)
    return None


def _held(code: str, text: Text, title: str, hint: Text | None = None, who: Who = Who.SITE) -> RowOutcome:
    if title:
        text = T("{code}: {what}", code=title[:80], what=text)
    return RowOutcome(error=Held(text, hint=hint, where=Where(element=title or None), who=who, code=f"shop-{code}"))


_read: type[System] = ReadShop
_offers: type[Offers] = ReadShop
_noticing: type[Noticing] = ReadShop
_stock: type[Stock] = ReadShop
_catalogue: type[ApplyCatalogue] = Shop
_apply: type[ApplyStock] = Shop
