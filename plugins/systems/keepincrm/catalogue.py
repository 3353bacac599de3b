"""Takes products of a sync: new materials, and changes of single fields. Absolute: twice is the same as once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pipeline.api import (
    Held,
    InDoubt,
    MistokError,
    Offer,
    OfferChange,
    ProductDraft,
    RowOutcome,
    T,
    Who,
    row_by_row,
    tidy,
)
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.categories import Categories
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.goods import MATERIALS, Goods
from plugins.systems.keepincrm.mapping import KEY, Reading, offer_of, traits
from plugins.systems.keepincrm.paging import Row
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.writing import body_of, dropped, needs_row, refused, shown_otherwise


class Catalogue:
    """Writes of one session."""

    def __init__(
        self,
        api: KeepinApi,
        settings: KeepinSettings,
        goods: Goods,
        categories: Categories,
        how: Callable[[], Reading],
        now: Callable[[], datetime],
    ) -> None:
        self._api, self._settings, self._goods, self._categories = api, settings, goods, categories
        self._how, self._now = how, now
        #: ways of making a material that are left to try; emptied when the account has none
        ways = {"auto": ("post", "put"), "post": ("post",), "put": ("put",)}
        self._ways: tuple[str, ...] = ways.get(settings.materials_create, ())

    # --- changes -----------------------------------------------------------------------------------------------------

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Change just the fields named in each. See ApplyCatalogue."""
        return row_by_row(changes, self._update)

    def _update(self, change: OfferChange) -> RowOutcome:
        offer, values = change.offer, change.values
        path = material(offer)
        how, now = self._how(), self._now()
        row: Row = {"currency": offer.values["currency"]} if "currency" in offer.values else {}
        if needs_row(values, self._settings, offer):
            there = self._api.one(path)
            if there is None:
                raise gone(offer)
            row = there
        body = body_of(values, row, how, now)
        if "category" in values:
            body["category_id"] = self._categories.ensure(values["category"] or ())
        if not body:
            return RowOutcome(existed=True)
        self._goods.forget()
        answer = self._api.change(path, body)
        if answer is None:
            raise gone(offer) if self._api.one(path) is None else self._no_way("PATCH")
        return RowOutcome((offer.id,), shown=self._shown(values, answer, how, now))

    def _shown(self, values: Mapping[str, Any], answer: Row, how: Reading, now: datetime) -> Mapping[str, Any]:
        """What the answer shows otherwise than it was sent. Raises Held for what was dropped without a word."""
        if "id" not in answer:
            return {}
        how = replace(how, paths=self._categories.paths() if how.paths is not None else None)
        different = shown_otherwise(values, offer_of(answer, how))
        if name := dropped(values, different, now):
            raise not_kept(name, values[name], different[name])
        return different

    # --- new ones ----------------------------------------------------------------------------------------------------

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Create each that is not there by its article; a product with variants as one material for each of them."""
        return row_by_row(drafts, self._create)

    def _create(self, draft: ProductDraft) -> RowOutcome:
        offers = draft.variants or (draft.base,)
        outcomes = [self._create_one(_whole(offer, draft.base)) for offer in offers]
        ids = tuple(own for outcome in outcomes for own in outcome.ids)
        shown = outcomes[0].shown if len(outcomes) == 1 else {}
        return RowOutcome(ids, existed=all(outcome.existed for outcome in outcomes), shown=shown)

    def _create_one(self, offer: Offer) -> RowOutcome:
        sku = tidy(offer.keys.get(KEY, ""))
        if not sku:
            raise refused(
                "no-article",
                T("It has no article: KeepinCRM makes a copy of such a product each time."),
                T("Give it an article in the system that it comes from."),
                field=KEY,
            )
        fields = traits(self._settings).creates
        if not fields:
            raise self._no_way("POST")
        how, now = self._how(), self._now()
        body = {"sku": sku, **body_of(offer.values, {}, how, now, fields)}
        if "title" not in body:
            raise refused("value", T("A product without a name is not taken."), field="name")
        body.setdefault("currency", how.currency)
        if there := self._there(sku):
            return RowOutcome((v.text(there["id"]),), existed=True)
        if "category" in offer.values:
            body["category_id"] = self._categories.ensure(offer.values["category"] or ())
        self._goods.forget()
        made = self._made(sku, body)
        if v.text(made.get("id")):
            self._goods.remember({**body, **made})
            shown = shown_otherwise(offer.values, offer_of(made, self._how()))
            return RowOutcome((v.text(made["id"]),), shown=shown)
        found = self._api.by_sku(sku)
        return RowOutcome((v.text(found["id"]),) if found is not None else ())

    def _there(self, sku: str) -> Row | None:
        """The material of that article, if there is one. Raises Held for one that the lists do not show."""
        if rows := self._goods.of_article(sku):
            return rows[0]
        row = self._api.by_sku(sku)
        if row is None:
            return None
        if v.yes(row.get("irrelevant")):
            raise refused(
                "archived",
                T("The article {sku} belongs to an archived product of the CRM ({id}).", sku=sku, id=v.text(row["id"])),
                T("Take it out of the archive there, or give it another article."),
                field=KEY,
            )
        self._goods.remember(row)
        return row

    def _made(self, sku: str, body: Mapping[str, Any]) -> Row:
        """The account's answer to a new material. Raises Held when it makes none, InDoubt when nobody knows."""
        while self._ways:
            way = self._ways[0]
            if way == "put" and any(letter in sku for letter in "./"):
                # an account may cut the article at the dot, and change the product of the shorter one
                raise refused(
                    "dotted",
                    T(
                        "The article {sku} cannot stand in an address, and the account takes new products by it.",
                        sku=sku,
                    ),
                    T("Make this product in the CRM by hand, with this article."),
                    field=KEY,
                )
            try:
                if way == "post":
                    made = self._api.add(MATERIALS, body)
                else:
                    made = self._api.put(f"{MATERIALS}/sku/{quote(sku, safe='')}", body)
            except InDoubt:
                found = self._api.by_sku(sku)
                if found is None:
                    raise
                return found
            if made is not None:
                return made
            self._ways = self._ways[1:]
        raise self._no_way("POST")

    def _no_way(self, method: str) -> Held:
        if method == "PATCH":
            return refused(
                "no-way",
                T("{name} does not take changes of products by its API.", name=self._api.name),
                T("Ask KeepinCRM whether the plan has it; goods can be sent as a feed (format keepincrm-yml)."),
                who=Who.ADMIN,
            )
        return refused(
            "no-way",
            T("{name} does not take new products by its API.", name=self._api.name),
            T("Set `materials_create: off` of the connection, and send the goods as a feed (format keepincrm-yml)."),
            who=Who.ADMIN,
        )


def material(offer: Offer) -> str:
    """The address of a material. Raises Held for an id that is none."""
    if not (offer.id.isascii() and offer.id.isdigit()):
        raise gone(offer)
    return f"{MATERIALS}/{offer.id}"


def gone(offer: Offer) -> Held:
    """What is said of a material that is not there."""
    return refused(
        "gone",
        T("{title} is not in the CRM any more.", title=offer.title[:80]),
        T("Find out who took it out; the next run looks anew."),
    )


def not_kept(name: str, sent: Any, there: Any) -> MistokError:
    """What is said of a value that the account did not take, although it answered that all is well."""
    return refused(
        "not-kept",
        T(
            "The CRM did not keep {name}: it shows {there} instead of {sent}.",
            name=name,
            there=_shown(there),
            sent=_shown(sent),
        ),
        T("Look whether the account has that field or price, by just the name in the config: mistok check --connect."),
        field=name,
        who=Who.ADMIN,
    )


def _shown(value: Any) -> Any:
    return "-" if value in (None, "", ()) else value if isinstance(value, str) else str(value)


def _whole(offer: Offer, base: Offer) -> Offer:
    """A variant with what it has of its product: texts, category, pictures."""
    if offer is base:
        return offer
    values = {**base.values, **offer.values}
    options = ", ".join(str(one) for one in values.pop("options", {}).values())
    if "name" not in offer.values and options:
        values["name"] = f"{values.get('name', '')} ({options})"
    return replace(offer, values=values)
