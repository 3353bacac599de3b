"""What a base tells of its goods: all of them, or those that are asked for by id or article."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from pipeline.api import ConfigError, Finding, Offer, Ref, Refused, StockLevel, SystemEnv, T, Who, normal_form
from plugins.systems.dilovod import mapping
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.lists import Lists
from plugins.systems.dilovod.mapping import GOOD_FIELDS, Around, Balances, Good
from plugins.systems.dilovod.names import BARCODES, CONTROL, GOODS, KIT_POLICY, PRICES, RETAIL_TYPE, STOCK, shown
from plugins.systems.dilovod.settings import DilovodSettings
from plugins.systems.dilovod.values import Row, stamp

#: Seconds for which all goods, once read, answer a second question of the same run.
FRESH = 120
BALANCE = "balance"
R = TypeVar("R")


class Reader:
    """Reads one base."""

    def __init__(self, client: Client, lists: Lists, settings: DilovodSettings, env: SystemEnv) -> None:
        self.client, self.lists, self.settings, self.env = client, lists, settings, env
        self._goods: tuple[float, Sequence[Good]] | None = None
        self._noticed: dict[str, Finding] = {}

    # --- goods -------------------------------------------------------------------------------------------------------

    def goods(self) -> Sequence[Good]:
        """All rows of the list of goods: folders and those to be deleted, too."""
        now = self.env.clock.now().timestamp()
        if self._goods is None or not 0 <= now - self._goods[0] < FRESH:
            self._goods = now, self._read(self.client.rows(GOODS, self._fields(), key=("id",), names=True))
        return self._goods[1]

    def changed_goods(self) -> None:
        """Goods were made: what is kept of all of them holds no more."""
        self._goods = None

    def _fields(self) -> dict[str, str]:
        known = self.client.attributes(GOODS)
        return {path: alias for path, alias in GOOD_FIELDS.items() if known is None or path in known}

    def _read(self, rows: Iterator[Row]) -> list[Good]:
        found = (Good.of(row, self.settings.language) for row in rows)
        return [good for good in found if good is not None]

    def by_id(self, ids: Collection[str]) -> dict[str, Good]:
        """Rows of the list of goods by id; unknown ones are absent."""
        wanted = {one for one in ids if one.isascii() and one.isdigit()}
        found = self._read(self.client.chosen(GOODS, self._fields(), "id", wanted, key=("id",), names=True))
        return {good.id: good for good in found if good.id in wanted}

    def by_article(self, articles: Collection[str]) -> dict[str, list[Good]]:
        """Goods that are sold, by article, exactly as it is asked for; the older one first."""
        wanted = {one for one in articles if one.strip()}
        rows = self.client.chosen(GOODS, self._fields(), GOOD_FIELDS["productNum"], wanted, key=("id",), names=True)
        found: dict[str, list[Good]] = {}
        for good in self._read(rows):
            if good.sold and good.article in wanted:
                found.setdefault(good.article, []).append(good)
        return {article: sorted(same, key=lambda good: good.id) for article, same in found.items()}

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup: exactly so written, else all of the same normal form."""
        found = {code: [good.ref for good in some] for code, some in self.by_article(codes).items()}
        missing = {code for code in codes if code.strip() and code not in found}
        if missing:
            forms: dict[str, list[Ref]] = {}
            for good in sorted(self.goods(), key=lambda one: one.id):
                if good.sold and good.article:
                    forms.setdefault(normal_form(good.article), []).append(good.ref)
            found |= {code: forms[normal_form(code)] for code in missing if normal_form(code) in forms}
        return found

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        known: dict[str, list[Ref]] = {}
        for good in sorted(self.goods(), key=lambda one: one.id):
            if good.sold and good.name:
                known.setdefault(_folded(good.name), []).append(good.ref)
        return {name: known[_folded(name)] for name in names if _folded(name) in known}

    # --- offers ------------------------------------------------------------------------------------------------------

    def offers(self) -> Iterator[Offer]:
        """Everything that is sold, by id."""
        types = self.price_types()
        goods = self.goods()
        currencies = {ref.id: ref.code for ref in self.lists.all("currency")}
        now = stamp(self.env.clock.now())
        rows = self.client.rows(
            {"type": "sliceLast", "register": PRICES, "date": now},
            {name: name for name in ("good", "priceType", "price", "currency")},
            ("priceType", "IL", sorted(set(types.values()))),
            key=("good", "priceType"),
        )
        around = Around(
            settings=self.settings,
            currency=self.env.currency,
            prices=mapping.prices(rows, types, currencies),
            costs=mapping.costs(self._balance("qty", "amount")) if self.settings.cost == BALANCE else None,
            units=self._names("unit"),
            trade_marks=self._trade_marks(goods),
            barcodes=self._allowed("barcode", self._barcodes),
        )
        return mapping.offers(goods, around)

    def price_types(self) -> dict[str, str]:
        """Kind of price -> id of its type. Raises ConfigError for one that the base does not have."""
        settings = self.settings
        said = {"retail": settings.retail or self._retail(), **settings.prices}
        if settings.cost not in (None, BALANCE):
            said["cost"] = settings.cost or ""
        found: dict[str, str] = {}
        for kind, name in said.items():
            ref = self.lists.named("price-type", name)
            if ref is None:
                raise ConfigError(
                    T("Dilovod has no price type {name} for the prices {kind}, or several.", name=name or "—",
                      kind=kind),
                    hint=T("It has: {names}.", names=shown(self.lists.all("price-type"))),
                )  # fmt: skip
            found[kind] = ref.id
        return found

    def _retail(self) -> str:
        """The type of list prices that bases have in common, or the only one that there is."""
        known = self.lists.all("price-type")
        if any(ref.id == RETAIL_TYPE for ref in known):
            return RETAIL_TYPE
        return known[0].id if len(known) == 1 else ""

    def _names(self, kind: str) -> Mapping[str, str] | None:
        return self._allowed(kind, lambda: {ref.id: ref.name or ref.code for ref in self.lists.all(kind)})

    def _trade_marks(self, goods: Sequence[Good]) -> Mapping[str, str] | None:
        return self._names("trade-mark") if any(good.trade_mark for good in goods) else {}

    def _barcodes(self) -> Mapping[str, str]:
        rows = self.client.rows(
            {"type": "sliceLast", "register": BARCODES},
            {name: name for name in ("object", "goodPart", "code", "activity")},
            key=("object", "goodPart", "code"),
        )
        return mapping.barcodes(rows)

    # --- stock -------------------------------------------------------------------------------------------------------

    def storages(self) -> dict[str, Ref]:
        """Storages by the names of jobs: those of the settings, else all. Raises ConfigError."""
        if self.settings.warehouses:
            found: dict[str, Ref] = {}
            for name, said in self.settings.warehouses.items():
                ref = self.lists.named("warehouse", said)
                if ref is None:
                    raise ConfigError(
                        T("Dilovod has no storage {said} for the warehouse {name}, or several.", said=said, name=name),
                        hint=T("It has: {names}.", names=shown(self.lists.all("warehouse"))),
                    )
                found[name] = ref
            return found
        known = self.lists.all("warehouse")
        names = [ref.name for ref in known]
        return {ref.name if ref.name and names.count(ref.name) == 1 else ref.id: ref for ref in known}

    def levels(self) -> Iterator[StockLevel]:
        """The level of each good in each storage."""
        storages = {ref.id: name for name, ref in self.storages().items()}
        goods = self.goods()
        kits: Mapping[str, Sequence[tuple[str, Decimal]]] = {}
        if self.settings.kits == "components" and any(good.sold and good.policy == KIT_POLICY for good in goods):
            fields = {name: name for name in ("owner", "rowNum", "good", "qty")}
            kits = mapping.components(self.client.rows(f"{GOODS}.tpGoods", fields, key=("owner", "rowNum")))
        reserved = mapping.reserves(self._reserves()) if self.settings.reserves else {}
        balances = Balances(mapping.summed(self._balance("qty"), "qty"), reserved, kits)
        return mapping.levels(goods, storages, balances, self.settings, self.services())

    def services(self) -> str:
        """The id of the accounting policy of services; "" where the settings name none."""
        said = self.settings.goods.services
        return self.lists.wanted("policy", said, T("goods: {services: …}")).id if said else ""

    def _balance(self, *resources: str) -> Iterator[Row]:
        return self._sums(STOCK, ("good", "storage"), resources)

    def _reserves(self) -> Iterator[Row]:
        return self._sums(CONTROL, ("good", "storage", "baseDoc"), ("qtyReserve",))

    def _sums(self, register: str, dimensions: Sequence[str], resources: Sequence[str]) -> Iterator[Row]:
        now = stamp(self.env.clock.now())
        source = {"type": "balance", "register": register, "date": now, "dimensions": list(dimensions)}
        return self.client.rows(source, {name: name for name in (*dimensions, *resources)}, key=dimensions)

    # --- what was noticed --------------------------------------------------------------------------------------------

    def _allowed(self, what: str, read: Callable[[], R]) -> R | None:
        """What is read; None, with a remark, where the role may not read it: the field is not told then."""
        try:
            return read()
        except Refused as error:
            if error.code != "rights":
                raise
            self._noticed[what] = Finding("dilovod-rights", error.text, hint=error.hint, who=Who.ADMIN)
            return None

    def noticed(self) -> Sequence[Finding]:
        """See Noticing."""
        found = tuple(self._noticed.values())
        self._noticed = {}
        return found


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
