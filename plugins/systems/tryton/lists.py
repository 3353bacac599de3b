"""The lists of a database that documents refer to: warehouses, currencies, journals … each read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from pipeline.api import CENT, Held, Ref, T, Text
from plugins.systems.tryton.client import Client
from plugins.systems.tryton.names import CATEGORY, CURRENCY, JOURNAL, LOCATION, STATUSES, TAX, TITLES, UNIT, find, shown
from plugins.systems.tryton.reckoning import Rounding, Rules
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import Row, link, number, text

#: kind -> model, domain, field of the code
_KEPT: Mapping[str, tuple[str, Sequence[Any], str]] = {
    "warehouse": (LOCATION, [["type", "=", "warehouse"]], "code"),
    "currency": (CURRENCY, [], "code"),
    "unit": (UNIT, [], "symbol"),
    "category": (CATEGORY, [["accounting", "=", True]], "name"),
    "account": (JOURNAL, [], "name"),
    "tax": (TAX, [["parent", "=", None]], "name"),
}
#: What people call a piece.
PIECES = frozenset({"", "шт", "штука", "штук", "pc", "pcs", "piece", "pieces", "u"})


class Lists:
    """Reads each of them at its first use, and keeps it for as long as the session."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._kept: dict[str, Sequence[Ref]] = {}
        self._currency_of: dict[str, int] = {}
        self._rules: dict[str, Rules] = {}

    def all(self, kind: str) -> Sequence[Ref]:
        """All of a kind, by id; none of a kind that Tryton does not keep."""
        if kind == "status":
            return tuple(Ref(code, code, str(name)) for code, name in STATUSES.items())
        if kind not in _KEPT:
            return ()
        if kind not in self._kept:
            model, domain, code = _KEPT[kind]
            if kind in ("account", "tax"):
                domain = [*domain, ["company", "=", self.client.company]]
            fields = sorted({"name", code} | ({"currency"} if kind == "account" else set()))
            rows = list(self.client.rows(model, domain, fields))
            if kind == "account":
                self._currency_of = {str(row["id"]): link(row.get("currency")) for row in rows}
            self._kept[kind] = tuple(
                Ref(str(row["id"]), text(row.get(code)).strip(), text(row.get("name")).strip()) for row in rows
            )
        return self._kept[kind]

    def named(self, kind: str, said: str) -> Ref | None:
        """The one that a person means: by id, code or name. None: none, or several."""
        return find(self.all(kind), said)

    def wanted(self, kind: str, said: str, setting: Text) -> Ref:
        """The same. Raises Held, with what there is, for one that is not there."""
        found = self.named(kind, said)
        if found is None:
            raise self.unknown(kind, said, setting)
        return found

    def unknown(self, kind: str, said: str, setting: Text) -> Held:
        """There is no such thing, or there are several."""
        return held(
            T("Tryton has no {kind} {name}, or several.", kind=TITLES[kind], name=said or "—"),
            T("Say which one is meant: `{example}` of the connection. It has: {names}.",
              example=setting, names=shown(self.all(kind))),
            code=f"unknown-{kind}",
        )  # fmt: skip

    # --- single ones -------------------------------------------------------------------------------------------------

    def currency(self, code: str) -> int:
        """The id of a currency. Raises Held."""
        found = next((ref for ref in self.all("currency") if ref.code == code), None)
        if found is None:
            raise held(
                T("Tryton has no currency {code}.", code=code or "—"),
                T("It has: {names}.", names=", ".join(ref.code for ref in self.all("currency")) or "—"),
                code="currency",
            )
        return int(found.id)

    def unit(self, said: str) -> Ref:
        """The unit of measure that an order means. Raises Held."""
        goods = self.client.settings.goods
        plain = said.strip().rstrip(".").strip()
        meant = goods.units.get(said) or goods.units.get(plain) or plain
        found = self.named("unit", meant)
        if found is None and plain.casefold() in PIECES:
            found = self.named("unit", goods.unit)
        if found is None:
            raise self.unknown("unit", said or goods.unit, T("goods: {{units: {{{name}: …}}}}", name=said or "…"))
        return found

    def category(self) -> Ref:
        """The accounting category of new products. Raises Held."""
        said = self.client.settings.goods.category
        if not said:
            raise held(
                T("Nothing says which accounting category a new product has, and so which accounts and taxes."),
                T(
                    "Name it: `goods: {{category: …}}` of the connection. It has: {names}.",
                    names=shown(self.all("category")),
                ),
                code="unknown-category",
            )
        return self.wanted("category", said, T("goods: {category: …}"))

    def journal(self, currency: str) -> Ref:
        """The payment journal of payments that name none. Raises Held."""
        said = self.client.settings.documents.account
        if said:
            return self.wanted("account", said, T("documents: {account: …}"))
        wanted = self.currency(currency)
        found = [ref for ref in self.all("account") if self._currency_of.get(ref.id) == wanted]
        if len(found) != 1:
            raise self.unknown("account", "", T("documents: {account: …}"))
        return found[0]

    def tax(self, rate: Decimal) -> int:
        """The id of the tax that the settings name for a rate; 0 where they name none. Raises Held."""
        for said, name in self.client.settings.documents.taxes.items():
            try:
                meant = Decimal(said.strip().rstrip("%").strip())
            except InvalidOperation:
                continue
            if meant == rate:
                return int(self.wanted("tax", name, T('documents: {{taxes: {{"{rate}": …}}}}', rate=said)).id)
        return 0

    def rules(self, currency: str) -> Rules:
        """How this database reckons totals in a currency."""
        if currency not in self._rules:
            answer = self.client.call("model.account.configuration.read", [1], ["tax_rounding"])
            row: Row = answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], dict) else {}
            how: Rounding = "line" if row.get("tax_rounding") == "line" else "document"
            id_ = self.currency(currency)
            cent = number(self.client.of_ids(CURRENCY, [id_], ("rounding",)).get(id_, {}).get("rounding"))
            self._rules[currency] = Rules(how, self.client.settings.price_digits, cent if cent > 0 else CENT)
        return self._rules[currency]
