"""A product's rows become what a sync sees: a single offer, or a base with its variants. Pure.

Which options make variants, and what they are called, is told in :mod:`.variants`. In 4.1 a variant may also be a
product of its own below a master: then it has its own articles, price and stock, and stands for the combinations whose
values it fixes; all other combinations of the master's options are variants as in 3.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pipeline.api import Offer, T
from plugins.systems.opencart.mapping import (
    ZERO,
    Pricing,
    Row,
    day_of,
    image_url,
    measure,
    moment_of,
    number_of,
    price_of,
    short,
    specials_of,
    text_of,
)
from plugins.systems.opencart.notices import Notices
from plugins.systems.opencart.pages import Bundle
from plugins.systems.opencart.settings import ARTICLES, OpenCartSettings
from plugins.systems.opencart.shop import Facts
from plugins.systems.opencart.tree import Tree
from plugins.systems.opencart.variants import (
    BY_NUMBERS,
    NOTHING,
    Combination,
    Option,
    Value,
    article_of,
    combine,
    count,
    fixed_rows,
    options_of,
    twins,
)


@dataclass(frozen=True, slots=True)
class Item:
    """An offer, and where in the shop it is kept."""

    offer: Offer
    bundle: Bundle  #: the product whose row has its price and quantity: in 4.1 a variant product's own
    chosen: Combination = NOTHING  #: option values that make it
    on_hand: Decimal | None = None  #: None: it has no stock of its own, only its variants have
    code: str = ""  #: its article, of the field that is meant


@dataclass(frozen=True, slots=True)
class Family:
    """A product's offers. ``whole``: False where it has too many combinations to be told with them all."""

    items: Sequence[Item]
    whole: bool


@dataclass(frozen=True, slots=True)
class View:
    """What decides how products are seen."""

    settings: OpenCartSettings
    facts: Facts
    tree: Tree
    now: datetime
    notices: Notices

    def items(self, bundle: Bundle) -> list[Item]:
        """The product's offers, the base first, each exactly once."""
        options = self.options(bundle)
        combinations = self._combinations(bundle, options)
        variants = self._variants(bundle, options, combinations)
        if not variants:
            on_hand = _quantity(bundle)
            return [self._item(bundle, "single", str(bundle.id), bundle, NOTHING, self._keys(bundle), on_hand)]
        # a base is sold itself where a buyer may leave out every option; and it holds the stock that no value keeps
        alone = bool(options) and not any(option.required for option in options)
        kept = any(item.bundle is not bundle for item in variants) or any(
            value.subtract for item in variants for value in item.chosen.values
        )
        stock = _quantity(bundle) if alone or not kept else None
        base = self._item(bundle, "base", str(bundle.id), bundle, NOTHING, self._keys(bundle), stock)
        return [base, *variants]

    def family(self, bundle: Bundle) -> Family:
        """All of the product's offers together."""
        return Family(self.items(bundle), count(self.options(bundle)) <= self.settings.max_variants)

    def options(self, bundle: Bundle) -> list[Option]:
        """The options of the product that make variants."""
        return options_of(
            bundle.options,
            bundle.values,
            checkboxes=self.settings.checkboxes,
            article=self.settings.option_article,
        )

    def _combinations(self, bundle: Bundle, options: list[Option]) -> list[Combination]:
        if (number := count(options)) <= self.settings.max_variants:
            return combine(options)
        self.notices.product(
            "too-many-variants",
            T(
                "The product {name} has {n} combinations of options, more than {most}: it is told without variants.",
                name=self._name(bundle) or str(bundle.id),
                n=number,
                most=self.settings.max_variants,
            ),
            bundle.id,
            T("Raise `max_variants` if these are really sold one by one, or take options off the product."),
        )
        return []

    # --- variants --------------------------------------------------------------------------------------------------

    def _variants(self, bundle: Bundle, options: list[Option], combinations: list[Combination]) -> list[Item]:
        own = {value.row: value for option in options for value in option.values}
        children: dict[int, tuple[Bundle, frozenset[int]]] = {}
        for child in bundle.children:
            fixed = fixed_rows(child.row.get("variant"), child.row.get("override")) & own.keys()
            children[child.id] = (child, fixed)
        made: list[Item] = []
        plans: list[tuple[Bundle, Combination, tuple[Value, ...]]] = []
        taken: set[int] = set()
        for combination in combinations:
            rows = {value.row for value in combination.values}
            fitting = [(-len(fixed), one) for one, (_, fixed) in children.items() if fixed and fixed <= rows]
            if not fitting:
                plans.append((bundle, combination, combination.values))
                continue
            child, fixed = children[min(fitting)[1]]
            taken.add(child.id)
            plans.append((child, combination, tuple(v for v in combination.values if v.row not in fixed)))
        for child, fixed in children.values():
            if child.id not in taken:  # it fixes nothing that makes variants, or there are too many to list
                chosen = _only(options, fixed)
                plans.append((child, chosen, ()))
        keys = self._variant_keys(bundle, plans)
        for (source, combination, free), own_keys in zip(plans, keys, strict=True):
            ids = "-".join(str(value.id) for value in free)
            made.append(
                self._item(
                    source,
                    "variant",
                    f"{source.id}:{ids}" if ids else str(source.id),
                    bundle,
                    combination,
                    own_keys,
                    combination.on_hand(_quantity(source)),
                )
            )
        return made

    def _variant_keys(
        self, bundle: Bundle, plans: list[tuple[Bundle, Combination, tuple[Value, ...]]]
    ) -> list[dict[str, str]]:
        """The articles of each variant: a variant product's own, else made by ``variant_key``."""
        template, field = self.settings.variant_key, self.settings.article
        made: list[dict[str, str]] = []
        for source, _, free in plans:
            keys = self._keys(source)
            if free:
                # a barcode or an ISBN is the product's as a whole; what people make up themselves is extended
                bases: dict[str, str] = {name: keys[name] for name in ("model", "sku") if name in keys}
                if "{key}" not in template:
                    bases = {field: keys.get(field, "")}
                filled = {name: article_of(template, key, free) for name, key in bases.items()}
                if any(article is None for article in filled.values()):
                    self.notices.product(
                        "variant-article",
                        T("Options of the product {name} have no article in the column {column}: their numbers are "
                          "used.", name=self._name(bundle) or str(bundle.id),
                          column=str(self.settings.option_article)),
                        bundle.id,
                    )  # fmt: skip
                keys = {
                    name: article if article is not None else article_of(BY_NUMBERS, keys.get(name, ""), free) or ""
                    for name, article in filled.items()
                }
            made.append(keys)
        for name in ("model", "sku", field):
            same = twins(keys[name] for keys in made if name in keys)
            for keys, (source, _, free) in zip(made, plans, strict=True):
                if free and keys.get(name) in same:
                    self.notices.product(
                        "variant-twins",
                        T("Several variants of the product {name} would have the article {article}: numbers are used.",
                          name=self._name(bundle) or str(bundle.id), article=keys[name]),
                        bundle.id,
                        T("Give the option values different names, or use {ids} in `variant_key`."),
                    )  # fmt: skip
                    keys[name] = article_of(BY_NUMBERS, self._keys(source).get(name, ""), free) or ""
        return made

    # --- one offer -------------------------------------------------------------------------------------------------

    def _item(
        self,
        source: Bundle,
        kind: Literal["single", "base", "variant"],
        number: str,
        bundle: Bundle,
        chosen: Combination,
        keys: Mapping[str, str],
        on_hand: Decimal | None,
    ) -> Item:
        """The offer of ``source``'s row with ``chosen`` options; ``bundle`` is the product that it belongs to."""
        stamps = [moment_of(one.row[name], self.facts.zone) for one in {id(x): x for x in (source, bundle)}.values()
                  for name in ("date_modified", "date_added")]  # fmt: skip
        values = self._values(source, kind, chosen)
        if kind == "variant" and source is bundle:  # made of options: it is shown as its product is
            del values["published"]
        offer = Offer(
            id=number,
            product=str(bundle.id),
            kind=kind,
            keys=keys,
            values=values,
            updated_at=max((one for one in stamps if one is not None), default=None),
        )
        field = self.settings.article
        return Item(offer, source, chosen, on_hand, keys.get(field) or keys.get("model", ""))

    def _keys(self, bundle: Bundle) -> dict[str, str]:
        """The articles that are filled, the one that is meant first."""
        order = (self.settings.article, *(name for name in ARTICLES if name != self.settings.article))
        found = {name: text_of(bundle.row.get(name) or bundle.codes.get(name)).strip() for name in order}
        return {name: article for name, article in found.items() if article}

    def _name(self, bundle: Bundle) -> str:
        return self.facts.pick({language: row["name"] for language, row in bundle.texts.items()})

    def _values(self, source: Bundle, kind: str, chosen: Combination) -> dict[str, Any]:
        row, facts, settings = source.row, self.facts, self.settings
        values: dict[str, Any] = {"currency": facts.currency, "published": self._published(row)}
        if source.texts:
            values["name"] = self._name(source)
            values["description"] = facts.pick({one: texts["description"] for one, texts in source.texts.items()})
            if facts.language not in source.texts:
                self._no_texts(source)
        price = price_of(row["price"])
        values["price"] = None if price is None else short(price + chosen.surcharge)
        pricing = Pricing(price or ZERO, chosen.surcharge, facts.currency, facts.zone)
        values["specials"] = specials_of(source.specials, pricing)
        values["category"] = self.tree.main(source.categories)
        values["categories"] = self.tree.all(source.categories)
        values["manufacturer"] = text_of(row["manufacturer"])
        if settings.image_url is not None:
            paths = [image_url(settings.image_url, one) for one in (row["image"], *source.images)]
            values["images"] = tuple(dict.fromkeys(one for one in paths if one))
        if kind == "variant":
            values["options"] = chosen.options
        weight = (number_of(row["weight"]) or ZERO) + chosen.weight
        sizes = {name: measure(row[name], row["length_class_id"], facts.centimetres)
                 for name in ("length", "width", "height")}  # fmt: skip
        sizes["weight"] = measure(weight, row["weight_class_id"], facts.kilograms)
        values |= {name: size for name, size in sizes.items() if size is not None}
        return values

    def _published(self, row: Row) -> bool:
        """Shown to buyers: enabled, and its day has come."""
        day = day_of(row["date_available"])
        return bool(row["status"]) and (day is None or day <= self.now.astimezone(self.facts.zone).date())

    def _no_texts(self, bundle: Bundle) -> None:
        self.notices.product(
            "no-texts",
            T("The product {name} has no texts in {language}: those of another language are told.",
              name=self._name(bundle) or str(bundle.id),
              language=self.facts.codes.get(self.facts.language, str(self.facts.language))),
            bundle.id,
        )  # fmt: skip


def _quantity(bundle: Bundle) -> Decimal:
    return Decimal(bundle.row["quantity"] or 0)


def _only(options: Iterable[Option], rows: frozenset[int]) -> Combination:
    """The combination of just these rows."""
    return Combination(
        tuple((option, tuple(value for value in option.values if value.row in rows)) for option in options)
    )
