"""Looks what of the settings an account shows: reads only. Most of the API is not known before it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.api import Finding, Refused, SystemEnv, T, Text, Who, verbatim
from plugins.systems.quincefin.client import Client, NoMethod
from plugins.systems.quincefin.listing import AHEAD, BANK, CASH, ORDER, RECENT, RETURN, SHIPMENT
from plugins.systems.quincefin.mapping import BASE, GOODS, PRICE_TYPE, PRODUCT, SERVICE, SKU
from plugins.systems.quincefin.parties import CONTRACT, PARTNER
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import Row, around, named, own, refers, rows, text

_ORDER_FIELDS = (
    "company", "partner", "contract", "store", "currency", "status", "source", "manager", "author", "address",
    "comment", "discount", "delivery", "delivery_service", "lines",
)  # fmt: skip
_LINE_FIELDS = ("line_product", "line_quantity", "line_price", "line_discount")
_MOST = 12  #: names shown in one remark


def check(client: Client, settings: QuincefinSettings, env: SystemEnv) -> Sequence[Finding]:
    """What is not as the settings say; and remarks (for the accountant) on what the account has."""
    look = Look(client, settings, env)
    return [*look.lists(), *look.goods(), *look.partners(), *look.orders(), *look.followers(), *look.names()]


class Look:
    """One look at an account."""

    def __init__(self, client: Client, settings: QuincefinSettings, env: SystemEnv) -> None:
        self.client, self.settings, self.env = client, settings, env
        self.fields = settings.fields

    def lists(self) -> Iterator[Finding]:
        """The login, by the list of which most was seen."""
        types = self.client.first_page(PRICE_TYPE)
        if types:
            yield _remark(T("Price types (name: number): {names}.", names=_numbered(types)))
        known = {own(row) for row in types}
        for name, number in self.settings.price_types.items():
            if number not in known and len(types) < 100:
                yield _wrong("no-price-type", T("Quincefin has no price type {id} ({name}).", id=number, name=name))

    def goods(self) -> Iterator[Finding]:
        """Goods by kind, and the fields of them."""
        found = {kind: self.client.first_page(PRODUCT, {"Kind": kind}) for kind in (*GOODS, BASE)}
        services = self.client.first_page(SERVICE)
        counts = ", ".join(f"{kind}: {_count(some)}" for kind, some in found.items())
        yield _remark(T("Goods by kind: {counts}; services: {n}.", counts=counts, n=_count(services)))
        every = [row for some in found.values() for row in some]
        if not every:
            return
        yield from self._shown(T("goods"), every, ("article",), needed=True)
        yield from self._shown(T("goods"), every, ("unit", "barcode"))
        if found[SKU]:
            yield from self._shown(verbatim("SKU"), found[SKU], ("base",))
        blank = sum(not text(row.get(self.fields.article)).strip() for kind in GOODS for row in found[kind])
        if blank and any(self.fields.article in row for row in every):
            yield _remark(
                T("Goods of the first pages without an article: {n}; orders find them by name alone.", n=blank)
            )
        yield from self._balances(found)

    def _balances(self, found: Mapping[str, Sequence[Row]]) -> Iterator[Finding]:
        kind = next((kind for kind in GOODS if found[kind]), None)
        for name, store in self.settings.warehouses.items():
            if kind is None or not self.fields.balances:
                continue
            told = self.client.first_page(PRODUCT, {"Kind": kind, "Store": [store]})
            if told and not any(isinstance(row.get(self.fields.balances), list) for row in told):
                yield _wrong(
                    "no-balances",
                    T("Quincefin does not tell what lies in the warehouse {name}.", name=name),
                    T("Set `fields: {{balances: …}}` of the connection to one of: {names}.", names=_names(told)),
                )
                return

    def partners(self) -> Iterator[Finding]:
        """How partners have telephone and mail, and contracts their organisation."""
        told = self.client.first_page(PARTNER)
        listed = any(isinstance(row.get("Contacts"), list) for row in told)
        flat = any(name.casefold() in ("phone", "email") for row in told for name in row)
        if (listed or flat) and (self.settings.contacts == "list") != listed:
            right = "list" if listed else "flat"
            yield _wrong(
                "contacts",
                T("Partners have their contacts in another way than `contacts` of the connection says."),
                T("Set `contacts: {right}`.", right=right),
            )
        kinds = sorted({text(one.get("Type")) for row in told for one in rows(row.get("Contacts"))} - {""})
        if kinds:
            yield _remark(T("Types of contacts: {names}.", names=", ".join(kinds[:_MOST])))
        companies = sorted({refers(row.get("Company")) for row in self.client.first_page(CONTRACT)} - {None}, key=str)
        if companies and self.settings.company is None:
            yield _remark(
                T("Own organisations seen in contracts: {names}.", names=", ".join(map(str, companies))),
                T("Set `company` of the connection to the one that documents are of."),
            )

    def orders(self) -> Iterator[Finding]:
        """The form of dates, and the names of fields of orders."""
        try:
            told = self.client.first_page(ORDER, self._dates(self.settings.dates))
        except Refused as error:
            if error.code == "login":
                raise
            other = "day" if self.settings.dates == "moment" else "moment"
            told = self.client.first_page(ORDER, self._dates(other))
            hint = T("Set `dates: {other}` of the connection.", other=other)
            yield _wrong(
                "dates", T("Quincefin does not take dates as they are written: {words}", words=error.text), hint
            )
        if not told:
            yield _remark(T("There are no orders of the last days, so that their fields cannot be looked at."))
            return
        yield from self._shown(T("orders"), told, _ORDER_FIELDS)
        lines = [line for row in told for line in rows(row.get(self.fields.lines))]
        if lines:
            yield from self._shown(T("lines"), lines, _LINE_FIELDS)
        for kind, name in (
            ("statuses", self.fields.status), ("sources", self.fields.source), ("users", self.fields.manager),
            ("warehouses", self.fields.store), ("companies", self.fields.company),
        ):  # fmt: skip
            seen = {refers(row.get(name)): named(row.get(name)) for row in told if name}
            pairs = sorted(f"{said}: {key}" for key, said in seen.items() if key is not None and said)
            if pairs:
                yield _remark(T("Seen in orders, for `{list}`: {names}.", list=kind, names=", ".join(pairs[:_MOST])))

    def _dates(self, form: str) -> dict[str, str]:
        now = self.env.clock.now()
        return around(now - RECENT, now + AHEAD, form, self.settings.zone)

    def followers(self) -> Iterator[Finding]:
        """Which of the documents that follow an order the API has."""
        settings = self.settings
        cash = any(one.kind == "cash" for one in settings.money_places().values())
        for path, wanted, fields in (
            (SHIPMENT, settings.shipments, ("order", "comment", "lines")),
            (RETURN, settings.returns, ("shipment", "comment", "lines")),
            (BANK, settings.payments, ("order", "comment", "account")),
            (CASH, settings.payments and cash, ("order", "comment", "account")),
        ):
            try:
                told = self.client.first_page(path, self._dates(settings.dates))
            except NoMethod as error:
                if wanted:
                    yield _wrong("no-method", error.text, T("Switch it off in the connection."))
                continue
            except Refused as error:
                if wanted:
                    yield _wrong("no-method", error.text)
                continue
            yield _remark(T("The API tells documents of {path}.", path=path))
            if wanted and told:
                yield from self._shown(verbatim(path), told, fields)

    def names(self) -> Iterator[Finding]:
        """Names in the settings that lead nowhere."""
        orders = self.settings.orders
        for kind, words, known in (
            ("statuses", orders.statuses, self.settings.statuses),
            ("sources", orders.sources, self.settings.sources),
        ):
            for name in dict.fromkeys(words.values()):
                if name not in known and not name.isdecimal() and not self.settings.new_names:
                    yield _wrong(
                        "unknown-name",
                        T("`{name}` of `orders` is not one of `{list}` of the connection.", name=name, list=kind),
                        T("Name it there with its number in Quincefin."),
                    )

    def _shown(
        self, what: Text, told: Sequence[Row], names: Iterable[str], *, needed: bool = False
    ) -> Iterator[Finding]:
        """Fields of the settings that none of these rows shows."""
        has = {name for row in told for name in row}
        missing = [name for name in names if (said := getattr(self.fields, name)) and said not in has]
        if not missing:
            return
        words = T("{what}: no record shows the fields {names} of `fields`.", what=what, names=", ".join(missing))
        hint = T("Shown are: {names}.", names=_names(told))
        yield _wrong("no-field", words, hint) if needed else _remark(words, hint)


def _names(told: Sequence[Row]) -> str:
    return ", ".join(sorted({name for row in told for name in row}))


def _count(some: Sequence[Any]) -> str:
    return f"{len(some)}+" if len(some) >= 100 else str(len(some))


def _numbered(some: Sequence[Row]) -> str:
    pairs = [f"{text(row.get('Name'))}: {own(row)}" for row in some]
    return ", ".join([*pairs[:_MOST], *(["…"] if len(pairs) > _MOST else [])])


def _remark(words: Text, hint: Text | None = None) -> Finding:
    return Finding("quincefin-account", words, hint=hint, who=Who.ACCOUNTANT)


def _wrong(code: str, words: Text, hint: Text | None = None) -> Finding:
    return Finding(f"quincefin-{code}", words, hint=hint, who=Who.ADMIN)
