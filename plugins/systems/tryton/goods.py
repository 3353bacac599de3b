"""Products of a database: found by code and by name, with the taxes that Tryton puts on them, and added when missing.

No price, weight or size of a product is ever sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.api import (
    InDoubt,
    NewProduct,
    Ref,
    RowOutcome,
    Strikes,
    T,
    normal_form,
)
from plugins.systems.tryton.client import Client
from plugins.systems.tryton.lists import Lists
from plugins.systems.tryton.names import LINE, PARTY, PRODUCT, TAX, TEMPLATE
from plugins.systems.tryton.reckoning import Tax
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import Row, ids, link, number, text

FIELDS = ("code", "name", "type", "default_uom", "salable", "template")


@dataclass(frozen=True, slots=True)
class Good:
    """A product."""

    id: int
    code: str
    name: str
    kind: str  #: ``goods``, ``service`` or ``assets``
    unit: int
    salable: bool
    template: int

    @classmethod
    def of(cls, row: Row) -> Good:
        """Of a record."""
        return cls(
            row["id"], text(row.get("code")).strip(), text(row.get("name")).strip(), text(row.get("type")),
            link(row.get("default_uom")), row.get("salable") is True, link(row.get("template")),
        )  # fmt: skip

    @property
    def ref(self) -> Ref:
        """As others name it."""
        return Ref(str(self.id), self.code, self.name)


class Goods:
    """The products of one database. All of them are read only when one is not found as it is written."""

    def __init__(self, client: Client, lists: Lists) -> None:
        self.client, self.lists = client, lists
        self._all: Sequence[Good] | None = None
        self._taxes: dict[tuple[int, int], tuple[tuple[Tax, ...], int]] = {}
        self._known_taxes: dict[int, Tax] = {}
        self._rules: dict[int, int] = {}

    # --- finding -----------------------------------------------------------------------------------------------------

    def all(self) -> Sequence[Good]:
        """Everything that can be sold and has not been taken out of use, by id."""
        if self._all is None:
            rows = self.client.rows(PRODUCT, [["salable", "=", True]], FIELDS)
            self._all = tuple(map(Good.of, rows))
        return self._all

    def by_id(self, wanted: Collection[str]) -> dict[str, Good]:
        """Products as they are now, by id."""
        numbers = [int(one) for one in wanted if one.isascii() and one.isdecimal() and len(one) < 10]
        return {str(id_): Good.of(row) for id_, row in self.client.of_ids(PRODUCT, numbers, FIELDS).items()}

    def by_code(self, codes: Collection[str]) -> dict[str, list[Good]]:
        """Products of exactly these codes."""
        wanted = sorted({code.strip() for code in codes} - {""})
        found: dict[str, list[Good]] = {}
        for start in range(0, len(wanted), self.client.settings.page):
            some = wanted[start : start + self.client.settings.page]
            for row in self.client.rows(PRODUCT, [["code", "in", some]], FIELDS):
                good = Good.of(row)
                found.setdefault(good.code, []).append(good)
        return {code: found[code.strip()] for code in codes if code.strip() in found}

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup: exactly so written, else all of the same normal form."""
        sold = {code: [good.ref for good in some if good.salable] for code, some in self.by_code(codes).items()}
        found = {code: refs for code, refs in sold.items() if refs}
        missing = {code for code in codes if code.strip() and code not in found}
        if missing:
            forms: dict[str, list[Ref]] = {}
            for good in self.all():
                if good.code:
                    forms.setdefault(normal_form(good.code), []).append(good.ref)
            found |= {code: forms[normal_form(code)] for code in missing if normal_form(code) in forms}
        return found

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        if not names:
            return {}
        known: dict[str, list[Ref]] = {}
        for good in self.all():
            if good.name:
                known.setdefault(_folded(good.name), []).append(good.ref)
        return {name: known[_folded(name)] for name in names if _folded(name) in known}

    # --- taxes -------------------------------------------------------------------------------------------------------

    def taxed(self, good: Good, party: int) -> tuple[tuple[Tax, ...], int]:
        """The taxes that Tryton puts on a line of this product for this party, and the unit that it sells it in.

        Asked of the server's own ``on_change``, as its client does: by product, category, account and tax rule.
        """
        rule = self._rule_of(party)
        known = (good.id, party if rule else 0)  # without a tax rule of its own a party changes nothing
        if known not in self._taxes:
            asked = {"type": "line", "product": good.id, "quantity": 1, "_parent_sale.party": party,
                     "_parent_sale.company": self.client.company}  # fmt: skip
            answer = self.client.call(f"model.{LINE}.on_change", asked, ["product"])
            row = answer if isinstance(answer, dict) else {}
            added = row.get("taxes")
            pairs = added.get("add", []) if isinstance(added, dict) else []
            wanted = [link(one[1].get("id")) for one in pairs if isinstance(one, list) and isinstance(one[1], dict)]
            self._taxes[known] = (self.taxes(wanted), link(row.get("unit")) or good.unit)
        return self._taxes[known]

    def _rule_of(self, party: int) -> int:
        if party not in self._rules:
            row = self.client.of_ids(PARTY, [party], ("customer_tax_rule",)).get(party, {})
            self._rules[party] = link(row.get("customer_tax_rule"))
        return self._rules[party]

    def taxes(self, wanted: Sequence[int]) -> tuple[Tax, ...]:
        """These taxes. Raises Held for one that cannot be reckoned here: a fixed amount, or one of several parts."""
        unknown = [one for one in wanted if one not in self._known_taxes]
        for id_, row in self.client.of_ids(TAX, unknown, ("name", "type", "rate", "childs")).items():
            if text(row.get("type")) != "percentage" or ids(row.get("childs")):
                raise held(
                    T("The tax {name} of Tryton is no plain percentage: it is not known how to reckon a total with it.",
                      name=text(row.get("name"))),
                    code="tryton-tax",
                )  # fmt: skip
            self._known_taxes[id_] = Tax(id_, text(row.get("name")), number(row.get("rate")))
        missing = [one for one in wanted if one not in self._known_taxes]
        if missing:
            raise held(T("The user of Mistok may not read taxes in Tryton."), code="tryton-rights")
        return tuple(self._known_taxes[one] for one in sorted(wanted))

    # --- adding ------------------------------------------------------------------------------------------------------

    def add(self, products: Sequence[NewProduct]) -> list[RowOutcome]:
        """See AddProducts. What strikes all is told of each that is left."""
        act = Strikes()
        return [act.row(partial(self._add, product)) for product in products]

    def _add(self, product: NewProduct) -> RowOutcome:
        code, name = product.code.strip(), " ".join(product.name.split())
        if not code or not name:
            raise held(
                T("A product without {what} is not made in Tryton.", what=T("article") if not code else T("name")),
                T("Give it one in the system that it comes from."),
                code="no-article",
            )
        if known := self.find_products([code]).get(code):
            return RowOutcome(ids=tuple(ref.id for ref in known[-1:]), existed=True)
        base = product.base.strip()
        # Tryton's code of a product is that of its template and its own suffix, one behind the other
        below = bool(base) and code.startswith(base) and code != base
        item = {"suffix_code": code.removeprefix(base) if below else code}
        if product.barcode and _is_ean(product.barcode):  # Tryton refuses any other
            item["identifiers"] = [["create", [{"type": "ean", "code": product.barcode}]]]  # type: ignore[assignment]
        template = self._template(base) if below else 0
        if template:
            made = self.client.create(PRODUCT, {"template": template, **item})
        else:
            title = (" ".join(product.base_name.split()) or name) if below else name
            card = self._card(product, title, base if below else "")
            made_template = self.client.create(TEMPLATE, {**card, "products": [["create", [item]]]})
            made = self._only(made_template)
        self._all = None
        found = self.by_id([str(made)]).get(str(made))
        if found is None or found.code != code:
            raise held(
                T("Tryton shows the code {there} for the product {code}: its templates have codes by a sequence.",
                  there=found.code if found else "—", code=code),
                T("Take the sequence off the product configuration, or give the product its code by hand."),
                code="tryton-kept",
            )  # fmt: skip
        return RowOutcome(ids=(str(made),))

    def _template(self, code: str) -> int:
        """The template that variants of this code stand below; 0: there is none. Raises Held for several."""
        found = list(self.client.rows(TEMPLATE, [["code", "=", code]], ("code",)))
        if len(found) > 1:
            raise held(T("Tryton has {n} products with the code {code}.", n=len(found), code=code), code="twins")
        return found[0]["id"] if found else 0

    def _only(self, template: int) -> int:
        row = self.client.of_ids(TEMPLATE, [template], ("products",)).get(template, {})
        products = ids(row.get("products"))
        if len(products) != 1:
            raise InDoubt(T("Tryton does not show the product that it has made ({id}).", id=template))
        return products[0]

    def _card(self, product: NewProduct, name: str, code: str) -> dict[str, object]:
        unit = self.lists.unit(product.unit)
        return {
            "name": name,
            "code": code or None,
            "type": "service" if product.service else "goods",
            "default_uom": int(unit.id),
            "sale_uom": int(unit.id),
            "salable": True,
            "account_category": int(self.lists.category().id),
        }


def _is_ean(code: str) -> bool:
    from stdnum import ean

    return bool(ean.is_valid(code))


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
