"""New products and variants: found first by their articles, then made, and found again to learn their ids.

``POST /products`` makes a product without variants and tells its id, ``POST /products/import`` a hundred of them and
tells nothing, ``POST /products/{id}/offers`` variants of one, and tells nothing. None of them may be sent twice: where
no answer came, what was to be made is looked up, and stays in doubt where it is not there (yet).

A product with variants has no article of its own in KeyCRM. Until it has got its first variant it bears one that begins
with ``base:``, so that a run which broke off in between is taken up again and no second product made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.api import Held, InDoubt, MistokError, Offer, ProductDraft, Refused, RowOutcome, T, Transient
from plugins.systems.keycrm.categories import Categories
from plugins.systems.keycrm.checks import check_article, check_values
from plugins.systems.keycrm.mapping import KEY, PRODUCT, SCAFFOLD, product_body, variant_body, without_nothing
from plugins.systems.keycrm.reading import PRODUCTS, Reader, has_variants
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.updating import apart, number_of
from plugins.systems.keycrm.values import Row, flag, ident

#: Products of one import, and variants of one request: the document allows 100.
MOST = 100


@dataclass
class _Draft:
    """One product while it is made."""

    place: int
    base: Offer
    variants: tuple[Offer, ...]
    product: int | None = None  #: its number in KeyCRM
    missing: tuple[Offer, ...] = ()  #: variants that are not there
    existed: bool = False  #: all of it was there before
    doubt: InDoubt | None = None

    @property
    def article(self) -> str:
        """Of a product without variants; of one with them the one that it bears until it has got the first."""
        own = self.base.keys.get(KEY, "")
        return SCAFFOLD + (own or self.variants[0].keys[KEY]) if self.variants else own

    @property
    def articles(self) -> list[str]:
        return [one.keys[KEY] for one in self.variants] if self.variants else [self.article]


@dataclass
class Creator:
    """Works off the drafts of one call."""

    reader: Reader
    categories: Categories
    outcomes: dict[int, RowOutcome] = field(default_factory=dict)
    doubts: dict[str, InDoubt] = field(default_factory=dict)  #: article -> why it is not known whether it was made

    def run(self, drafts: Sequence[ProductDraft]) -> list[RowOutcome]:
        """One outcome for each, in order. Raises Refused and Transient that struck before anything was done."""
        names = [{draft.base.id, *_articles(draft)} - {""} for draft in drafts]
        try:
            for places in apart(names):
                self._some([(place, drafts[place]) for place in places])
        except (Refused, Transient) as error:
            if not any(one.error is None and not one.existed for one in self.outcomes.values()):
                raise
            return [self.outcomes.get(place, RowOutcome(error=error)) for place in range(len(drafts))]
        return [self.outcomes[place] for place in range(len(drafts))]

    def _some(self, drafts: Sequence[tuple[int, ProductDraft]]) -> None:
        todo = [one for place, draft in drafts if (one := self._checked(place, draft)) is not None]
        wanted = [article for one in todo for article in (*one.articles, one.article, one.base.keys.get(KEY, ""))]
        there = self.reader.by_article(wanted)
        todo = [one for one in todo if self._try(one, lambda one: self._find(one, there))]
        new = [one for one in todo if not one.existed and one.product is None]
        self._make(new)
        self.reader.changed_goods()
        for one in todo:
            if one.missing and one.product is not None and one.place not in self.outcomes:
                one.doubt = None  # its product is there
                self._try(one, self._add_variants)
        self._tell([one for one in todo if one.place not in self.outcomes])

    def _try(self, one: _Draft, act: Callable[[_Draft], None]) -> bool:
        """Whether it went well; what struck this row alone is its outcome."""
        try:
            act(one)
        except (Held, InDoubt) as error:
            self.outcomes[one.place] = RowOutcome(error=error)
            return False
        return True

    # --- look first --------------------------------------------------------------------------------------------------

    def _checked(self, place: int, draft: ProductDraft) -> _Draft | None:
        one = _Draft(place, without_nothing(draft.base), tuple(map(without_nothing, draft.variants)))

        def look(one: _Draft) -> None:
            for offer in one.variants or ([] if one.base.id else [one.base]):
                check_article(offer.keys.get(KEY, ""))
                check_values({name: value for name, value in offer.values.items() if value is not None})
            if not one.base.id:
                check_values({"name": "", **one.base.values})
            articles = [offer.keys[KEY] for offer in one.variants]
            if len(set(articles)) < len(articles):
                raise held(T("Several of its variants have one article."))

        return one if self._try(one, look) else None

    def _find(self, one: _Draft, there: Mapping[str, Sequence[Row]]) -> None:
        for article in (one.article, *one.articles):
            if article in self.doubts:
                raise self.doubts[article]
        if one.base.id:
            self._named(one)
        found = {article: there[article] for article in one.articles if article in there}
        if not one.variants:
            one.existed = bool(found)
            return
        own = [row for rows in found.values() for row in rows]
        products = {number for row in own if (number := ident(row.get("product_id"))) is not None}
        if one.product is not None:
            products.discard(one.product)
            if products:
                raise held(_elsewhere(found))
        elif len(products) > 1 or (own and not all(map(has_variants, own))):
            raise held(_elsewhere(found))
        elif products:
            one.product = products.pop()
        else:
            self._begun(one, there)
        one.missing = tuple(offer for offer in one.variants if offer.keys[KEY] not in found)
        one.existed = not one.missing

    def _named(self, one: _Draft) -> None:
        """New variants of a product that is named by its id."""
        is_product, number = number_of(one.base.id)
        rows = self.reader.products([number]) if is_product and number is not None else {}
        if number not in rows:
            raise held(T("KeyCRM has no product {id} with variants.", id=one.base.id), code="keycrm-gone")
        if not flag(rows[number].get("has_offers")):
            raise held(
                T("Product {id} has no variants by now: with the first one its own offer and stock would go.",
                  id=one.base.id),
            )  # fmt: skip
        one.product = number

    def _begun(self, one: _Draft, there: Mapping[str, Sequence[Row]]) -> None:
        """A product that a run before has made without variants is gone on with."""
        begun = [row for row in there.get(one.article, ()) if not has_variants(row)]
        if begun:
            one.product = ident(begun[0].get("product_id"))
            return
        own = one.base.keys.get(KEY, "")
        if own and any(not has_variants(row) for row in there.get(own, ())):
            raise held(
                T(
                    "KeyCRM has {article} without variants: with the first one its own offer and stock would go.",
                    article=own,
                ),
                T("Give it its variants in KeyCRM, or take the article from it."),
            )  # fmt: skip

    # --- make --------------------------------------------------------------------------------------------------------

    def _make(self, new: Sequence[_Draft]) -> None:
        bodies: list[tuple[_Draft, dict[str, Any]]] = []
        for one in new:
            self._try(one, lambda one: bodies.append((one, self._body(one))))
        plain = [pair for pair in bodies if not pair[0].variants]
        for start in range(0, len(plain), MOST):
            self._import(plain[start : start + MOST])
        for pair in bodies:
            if pair[0].variants:
                self._post(*pair)

    def _body(self, one: _Draft) -> dict[str, Any]:
        path = tuple(one.base.values.get("category") or ())
        category = self.categories.ensure(path) if path else None
        values = {name: value for name, value in one.base.values.items() if name != "options"}
        if one.variants:  # its variants have these
            values = {name: value for name, value in values.items() if name not in ("price", "price.cost", "barcode")}
        body = product_body(values, self.reader.goods(), category, article=one.article)
        return {name: value for name, value in body.items() if value is not None}

    def _import(self, some: Sequence[tuple[_Draft, Mapping[str, Any]]]) -> None:
        """Make them all by one request; refused, they are sent in halves, down to those that are at fault."""
        if len(some) == 1:
            self._post(*some[0])
            return
        try:
            self.reader.client.post(f"{PRODUCTS}/import", {"products": [body for _one, body in some]})
        except Held:
            middle = len(some) // 2
            self._import(some[:middle])
            self._import(some[middle:])
        except InDoubt as doubt:
            for one, _body in some:
                one.doubt = doubt

    def _post(self, one: _Draft, body: Mapping[str, Any]) -> None:
        try:
            one.product = ident(self.reader.client.post(PRODUCTS, body).get("id"))
        except Held as error:
            self.outcomes[one.place] = RowOutcome(error=error)
        except InDoubt as doubt:
            one.doubt = doubt
            if one.variants:
                rows = self.reader.by_article([one.article]).get(one.article, ())
                one.product = ident(rows[0].get("product_id")) if rows else None

    def _add_variants(self, one: _Draft) -> None:
        units = self.reader.goods().units
        path = f"{PRODUCTS}/{one.product}/offers"
        for start in range(0, len(one.missing), MOST):
            some = one.missing[start : start + MOST]
            try:
                self.reader.client.post(path, {"offers": [variant_body(offer, units) for offer in some]})
            except InDoubt as doubt:
                one.doubt = doubt
            except Held:
                if len(some) == 1:
                    raise
                self._add_each(one, some)

    def _add_each(self, one: _Draft, some: Sequence[Offer]) -> None:
        """The others are made, and then the refusal is told. (Refused together, none of them was made.)"""
        errors: list[MistokError] = []
        for offer in some:
            try:
                self._add_variants(replace(one, missing=(offer,)))
            except Held as error:
                errors.append(
                    held(T("{article}: {words}", article=offer.keys[KEY], words=error.text), code="keycrm-refused")
                )
        if errors:
            raise errors[0]

    # --- tell --------------------------------------------------------------------------------------------------------

    def _tell(self, made: Sequence[_Draft]) -> None:
        """The ids of what is there now, each by its article."""
        there = self.reader.by_article([article for one in made for article in one.articles])
        for one in made:
            rows = {article: there.get(article, []) for article in one.articles}
            if one.variants:
                rows = {
                    article: [row for row in some if ident(row.get("product_id")) == one.product]
                    for article, some in rows.items()
                }
            outcome = self.outcomes[one.place] = self._outcome(one, rows)
            if isinstance(outcome.error, InDoubt):
                self.doubts |= dict.fromkeys((one.article, *one.articles), outcome.error)

    @staticmethod
    def _outcome(one: _Draft, rows: Mapping[str, Sequence[Row]]) -> RowOutcome:
        if not all(rows.values()):
            if one.doubt is None and not one.variants and one.product is not None:
                return RowOutcome((f"{PRODUCT}{one.product}",))  # an account in which it has no offer of its own
            missing = next(article for article, some in rows.items() if not some)
            return RowOutcome(error=one.doubt or InDoubt(
                T("KeyCRM has accepted {article}, and does not show it yet.", article=missing),
                hint=T("It is looked up by itself whether it was done."),
            ))  # fmt: skip
        ids = [str(ident(some[0].get("id"))) for some in rows.values()]
        if one.variants:
            ids.insert(0, f"{PRODUCT}{one.product}")
        return RowOutcome(tuple(ids), existed=one.existed)


def _articles(draft: ProductDraft) -> list[str]:
    return [one.keys.get(KEY, "") for one in (draft.base, *draft.variants)]


def _elsewhere(found: Mapping[str, Sequence[Row]]) -> Any:
    articles = ", ".join(sorted(found)[:5])
    products = {str(ident(row.get("product_id"))) for rows in found.values() for row in rows}
    return T(
        "Its articles {articles} stand in other products of KeyCRM ({products}).",
        articles=articles,
        products=", ".join(sorted(products)[:5]),
    )
