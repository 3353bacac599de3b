"""Options of a product as combinations, each one a variant with an article of its own. Pure.

Facts of OpenCart 3.0.5 and 4.1.0.4: an option value adds to (or takes off) the product's price and weight; a value
that subtracts has a quantity of its own, which each sale lowers together with the product's. A buyer ticks one value
of a select or radio, any number of a checkbox, and may leave out what is not required.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product
from math import prod

from plugins.systems.opencart.mapping import ZERO, Row, signed, text_of

ONE_OF = ("select", "radio")
ANY_OF = "checkbox"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an option, as one product has it."""

    id: int  #: of the value itself: the same in every product
    row: int  #: of this product's row of it (product_option_value_id)
    option: int  #: option_id
    name: str
    price: Decimal = ZERO  #: what it adds
    weight: Decimal = ZERO  #: the same, in the product's own class
    quantity: Decimal = ZERO
    subtract: bool = False
    article: str = ""  #: what an extension's column holds


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a product, with its values in the order in which the shop shows them."""

    id: int  #: option_id
    row: int  #: product_option_id
    name: str
    kind: str
    required: bool
    values: tuple[Value, ...]

    @property
    def choices(self) -> int:
        """In how many ways a buyer can answer it."""
        ways = 2 ** len(self.values) - 1 if self.kind == ANY_OF else len(self.values)
        return ways + (not self.required)

    def answers(self) -> list[tuple[Value, ...]]:
        """All those ways; none first, where it may be left out."""
        sizes = range(1, len(self.values) + 1) if self.kind == ANY_OF else (1,)
        chosen = [one for size in sizes for one in combinations(self.values, size)]
        return chosen if self.required else [(), *chosen]


@dataclass(frozen=True, slots=True)
class Combination:
    """One way to buy a product: what is chosen of each option."""

    chosen: tuple[tuple[Option, tuple[Value, ...]], ...]

    @property
    def values(self) -> tuple[Value, ...]:
        """All chosen values, by number of their option, then their own: an order that renaming and sorting keep."""
        return tuple(sorted((v for _, values in self.chosen for v in values), key=lambda v: (v.option, v.id)))

    @property
    def ids(self) -> str:
        """Their numbers."""
        return "-".join(str(value.id) for value in self.values)

    @property
    def options(self) -> dict[str, str]:
        """Names of options and of what is chosen, as the shop shows them."""
        return {option.name: ", ".join(value.name for value in values) for option, values in self.chosen if values}

    @property
    def surcharge(self) -> Decimal:
        """What the chosen values add to the price."""
        return sum((value.price for value in self.values), ZERO)

    @property
    def weight(self) -> Decimal:
        """What they add to the weight."""
        return sum((value.weight for value in self.values), ZERO)

    def on_hand(self, of_product: Decimal) -> Decimal:
        """How many can be sold: the least of the product's quantity and of the values' that subtract."""
        return min([of_product, *(value.quantity for value in self.values if value.subtract)])


NOTHING = Combination(())


def options_of(rows: Iterable[Row], values: Iterable[Row], *, checkboxes: bool, article: str | None) -> list[Option]:
    """The options of one product that make variants, in the shop's order; those without values make none.

    ``name`` in the rows is what people read, unescaped. An option that a product has twice, or a value that an option
    has twice, counts once: the first row of it.
    """
    kinds = (*ONE_OF, ANY_OF) if checkboxes else ONE_OF
    by_option: dict[int, dict[int, Value]] = {}
    for row in values:
        own = by_option.setdefault(int(row["product_option_id"]), {})
        own.setdefault(int(row["option_value_id"]), _value(row, article))
    made: dict[int, Option] = {}
    for row in rows:
        found = by_option.get(int(row["product_option_id"]))
        if row["type"] in kinds and found and int(row["option_id"]) not in made:
            made[int(row["option_id"])] = Option(
                id=int(row["option_id"]),
                row=int(row["product_option_id"]),
                name=str(row["name"] or f"#{row['option_id']}"),
                kind=str(row["type"]),
                required=bool(row["required"]),
                values=tuple(found.values()),
            )
    return list(made.values())


def _value(row: Row, article: str | None) -> Value:
    return Value(
        id=int(row["option_value_id"]),
        row=int(row["product_option_value_id"]),
        option=int(row["option_id"]),
        name=str(row["name"] or f"#{row['option_value_id']}"),
        price=signed(row, "price"),
        weight=signed(row, "weight"),
        quantity=Decimal(row["quantity"] or 0),
        subtract=bool(row["subtract"]),
        article=text_of(row[article]).strip() if article else "",
    )


def count(options: Sequence[Option]) -> int:
    """How many combinations there are, without making them."""
    return prod(option.choices for option in options) if options else 0


def combine(options: Sequence[Option]) -> list[Combination]:
    """All combinations but the one in which nothing is chosen: that is the product itself."""
    if not options:
        return []
    made = (
        Combination(tuple(zip(options, answers, strict=True)))
        for answers in product(*(option.answers() for option in options))
    )
    return [one for one in made if one.values]


def article_of(template: str, key: str, values: Sequence[Value]) -> str | None:
    """The article of a combination by ``variant_key``; None when a value has no article that it needs.

    The numbers alone never fail: ``{key}-{ids}``.
    """
    ordered = sorted(values, key=lambda value: (value.option, value.id))
    if "{articles}" in template and not all(value.article for value in ordered):
        return None
    return template.format(
        key=key,
        ids="-".join(str(value.id) for value in ordered),
        values="-".join(value.name for value in ordered),
        articles="-".join(value.article for value in ordered),
    )


BY_NUMBERS = "{key}-{ids}"


def twins(articles: Iterable[str]) -> set[str]:
    """Those that occur more than once."""
    return {one for one, times in Counter(articles).items() if times > 1}


def fixed_rows(variant: object, override: object) -> frozenset[int]:
    """Which option values (product_option_value_id) a 4.1 variant product fixes: what its ``variant`` names, as far as
    its ``override`` says that it does. Both are JSON; what is none of it fixes nothing."""
    chosen, marked = _json(variant), _json(override).get("variant")
    found: set[int] = set()
    for option, value in chosen.items():
        if isinstance(marked, Mapping) and option in marked:
            for one in value if isinstance(value, list) else [value]:
                if str(one).isdecimal():
                    found.add(int(str(one)))
    return frozenset(found)


def _json(stored: object) -> Mapping[str, object]:
    # PHP writes an empty array as a list
    try:
        found = json.loads(str(stored or "{}"), parse_float=Decimal)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
