"""What a source offers, as the target is to have it: variants below their product, flat, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import Finding, Where, Who
from pipeline.model import Offer, SpecialPrice
from pipeline.ports import OfferTraits
from pipeline.rules.matching import MatchRules, normal_form
from pipeline.syncing import CatalogueSyncSettings, is_price
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig

#: What a variant has of its own where variants stand below their product; the rest belongs to the product.
OF_VARIANTS = frozenset({"options", "barcode", "currency", "weight", "length", "width", "height"})
#: Nothing weighs or measures 0: where a system writes it, nobody has filled it in.
MEASURES = frozenset({"weight", "length", "width", "height"})
#: What a variant takes from its product where it has none of its own; a barcode, a price and options are never shared.
SHARED = MEASURES | {
    "name",
    "description",
    "short_description",
    "images",
    "manufacturer",
    "unit",
    "category",
    "categories",
}

TOLD = 10  #: articles that one line names


def of_variant(name: str) -> bool:
    """Whether a field belongs to a variant rather than to its product."""
    return name in OF_VARIANTS or is_price(name)


class Row(NamedTuple):
    """One thing that the target is to have. ``key`` is the normal form of ``article``: as the source writes it,
    or as a person has said that the target calls it."""

    offer: Offer  #: of the source, as it is to be in the target (kind, values)
    article: str
    key: str
    product: str  #: what the rows of one product have in common
    hidden: bool = False  #: a variant that the source does not show to buyers: it is hidden there, and never created
    given: bool = False  #: a person has said of this very thing, by its id, which article is meant


@dataclass(frozen=True, slots=True)
class Rows:
    """All of a source: ``singles`` and variants in ``sold``, bases with variants in ``bases`` by product."""

    sold: tuple[Row, ...]
    bases: Mapping[str, Row]
    findings: tuple[Finding, ...] = ()  #: what is left out, and why
    told: int = 0  #: how many offers the source told
    unpublished: frozenset[str] = frozenset()  #: keys of what is there and not shown to buyers: not gone
    members: Mapping[str, str] = field(default_factory=dict)  #: id of a variant that is not sent -> its base's id
    aside: Mapping[str, Text] = field(default_factory=dict)  #: key of what is there and not sent -> why
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)  #: id of a base sent alone -> its variants' keys
    elsewhere: frozenset[str] = frozenset()  #: keys of what stands in none of the step's categories: not gone either


def article_of(offer: Offer, chain: Sequence[str]) -> str:
    """The first article field of ``chain`` that is filled in; "" when none is."""
    for name in chain:
        if value := offer.keys.get(name, "").strip():
            return value
    return ""


def shape(
    offers: Iterable[Offer],
    settings: CatalogueSyncSettings,
    traits: OfferTraits,
    mappings: Mapping[tuple[str, str], str],
    change: Callable[[Offer, Any], Offer | None] | None = None,
) -> Rows:
    """The rows that the target is to have.

    Args:
        traits: of the target.
        mappings: (``sku``, article) -> the target's article, given by people.
        change: a step's own alteration of each offer; None drops it.
    """
    maker = _Maker(settings, traits, mappings, settings.match.rules())
    product: list[Offer] = []
    for original in offers:
        maker.told += 1
        offer = change(original, settings) if change else original
        if offer is None:
            continue
        if product:
            if offer.kind == "variant" and offer.product == product[0].product:
                product.append(offer)
                continue
            maker.add(product)
        product = [offer]
    if product:
        maker.add(product)
    return Rows(
        tuple(maker.sold), maker.bases, tuple(maker.findings), maker.told, frozenset(maker.unpublished),
        maker.members, maker.aside, maker.parts, frozenset(maker.elsewhere),
    )  # fmt: skip


@dataclass
class _Maker:
    settings: CatalogueSyncSettings
    traits: OfferTraits
    mappings: Mapping[tuple[str, str], str]
    rules: MatchRules
    sold: list[Row] = field(default_factory=list)
    bases: dict[str, Row] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unpublished: set[str] = field(default_factory=set)
    members: dict[str, str] = field(default_factory=dict)
    aside: dict[str, Text] = field(default_factory=dict)
    parts: dict[str, frozenset[str]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    told: int = 0

    def __post_init__(self) -> None:
        self.usual = next(iter(self.settings.match.keys), "")

    def add(self, offers: Sequence[Offer]) -> None:
        """One product: a single offer, or a base with its variants (which may come without their base)."""
        first = offers[0]
        if (
            len(offers) == 1 and first.kind == "single" and not self.settings.categories
            and (not self.settings.only_published or first.values.get("published") is not False)
        ):  # fmt: skip
            # most are
            row = self._row(first)
            if row.key:
                self.sold.append(row)
            else:
                self._sell(first)
            return
        base, variants = (first, offers[1:]) if first.kind != "variant" else (None, offers)
        paths = _paths(base or first)
        if not within(paths, self.settings.categories):
            self.elsewhere |= self._leave(offers, T("it stands in none of the chosen categories"))
            return
        shown = (base or first).values.get("published") is not False
        if self.settings.only_published and not shown:
            self.unpublished |= self._leave(offers, T("the source does not show it to buyers"))
            return
        base_only = self.traits.variants == "none" or (
            bool(self.settings.base_only) and within(paths, self.settings.base_only)
        )
        if base is not None and (base_only or not variants):
            self._sell(base if base.kind == "single" else replace(base, kind="single"))
            if variants:
                self.members.update({one.id: base.id for one in variants})
                why = T("variants of {title} are not sent, only the product itself", title=base.title)
                self.parts[base.id] = frozenset(self._leave(variants, why))
            return
        if base_only:
            self._leave(variants, T("it is a variant, and only products themselves are sent"))
            return
        if self.traits.variants == "flat":
            for variant in variants:
                self._sell(self._flat(base, variant), hidden=self._hidden(variant))
            return
        if base is not None:
            of_base = {name: value for name, value in base.values.items() if not of_variant(name)}
            # what a product is called in is known by its variants, and their prices need it
            self.bases[base.product or base.id] = self._row(replace(base, kind="base", values=of_base))
        inherited = base.values if base is not None else {}
        for variant in variants:
            own = {name: value for name, value in _merged(inherited, variant.values).items() if of_variant(name)}
            own.setdefault("options", variant.values.get("options", {}))
            if "published" in variant.values:
                own["published"] = variant.values["published"]
            self._sell(replace(variant, values=own), hidden=self._hidden(variant))

    def _hidden(self, variant: Offer) -> bool:
        return self.settings.only_published and variant.values.get("published") is False

    def _flat(self, base: Offer | None, variant: Offer) -> Offer:
        values = _merged(base.values if base else {}, variant.values)
        if base is not None and not variant.values.get("name"):
            options = ", ".join(str(one) for one in variant.values.get("options", {}).values())
            values["name"] = self.settings.variant_name.format(
                name=base.values.get("name", ""), options=options, article=self._row(variant).article
            )
        if base is not None and base.values.get("published") is False and "published" in values:
            values["published"] = False
        return replace(variant, kind="single", values=values)

    def _sell(self, offer: Offer, *, hidden: bool = False) -> None:
        row = self._row(offer, hidden=hidden)
        if not row.key:
            self.findings.append(
                Finding(
                    "no-article",
                    T("{title} has no article: it cannot be found in the other system.", title=offer.title),
                    Where(element=offer.id or None),
                    T(
                        "Fill in one of these fields in the source: {names}; or say which article of the target it is: "
                        "mistok resolve CARD --map {example}",
                        names=", ".join(self.settings.match.keys),
                        example=f"sku:#{offer.id}=…",
                    ),
                    Who.SITE,
                    about=f"sku:#{offer.id}",
                )
            )
            return
        self.sold.append(row)
        if hidden:
            self.aside[row.key] = T("the source does not show it to buyers")

    def _leave(self, offers: Iterable[Offer], why: Text) -> set[str]:
        """These are not sent; their keys."""
        keys = {key for one in offers if (key := self._row(one).key)}
        self.aside.update(dict.fromkeys(keys, why))
        return keys

    def _row(self, offer: Offer, *, hidden: bool = False) -> Row:
        meant, given = offer.keys.get(self.usual, "").strip() or article_of(offer, self.settings.match.keys), ""
        if self.mappings:
            # by the source's id a person may tell apart what has the same article, or none
            given = self.mappings.get(("sku", f"#{offer.id}"), "")
            meant = given or self.mappings.get(("sku", meant), meant)
        key = normal_form(meant, self.rules) if meant else ""
        # Row(…), in half its time: there are hundreds of thousands of them
        return tuple.__new__(Row, (offer, meant, key, offer.product or offer.id, hidden, bool(given)))


def _merged(base: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a variant with those of its product, as far as it has none of its own."""
    own = {name: value for name, value in variant.items() if name not in SHARED or name not in base or has(name, value)}
    return {**base, **own}


def has(name: str, value: Any) -> bool:
    """Whether this value of a field says something: None, an empty text or list, and a weight or size of 0 do not."""
    match value:
        case None:
            return False
        case str():
            return bool(value.strip())
        case bool():
            return True
        case Decimal() | int():
            return name not in MEASURES or value > 0
        case _:
            return bool(value)


def base_only_of(config: ClientConfig, source: str, to: str) -> tuple[str, ...]:
    """Categories whose products the jobs from ``source`` to ``to`` send without their variants."""
    found: dict[str, None] = {}
    for job in config.jobs.values():
        for spec in job.steps:
            params = spec.params
            if isinstance(params, CatalogueSyncSettings) and (params.source, params.to) == (source, to):
                found |= dict.fromkeys(params.base_only)
    return tuple(found)


def unsent(config: ClientConfig, source: str, to: str, rows: Rows) -> frozenset[str]:
    """Keys of what the jobs that create products of ``source`` in ``to`` leave out on purpose, by category or because
    it is not shown to buyers; none where there is no such job."""
    jobs = [
        spec.params
        for job in config.jobs.values()
        for spec in job.steps
        if isinstance(spec.params, CatalogueSyncSettings) and spec.params.create
        and (spec.params.source, spec.params.to) == (source, to)
    ]  # fmt: skip
    if not jobs:
        return frozenset()
    found = set()
    for row in rows.sold:
        offer = rows.bases[row.product].offer if row.product in rows.bases else row.offer
        shown = all(one.values.get("published") is not False for one in (offer, row.offer))
        paths = _paths(offer)
        if not any((shown or not job.only_published) and within(paths, job.categories) for job in jobs):
            found.add(row.key)
    return frozenset(found)


def as_products(offers: Iterable[Offer], chosen: Sequence[str]) -> tuple[list[Offer], dict[str, str]]:
    """These offers with each product of the categories ``chosen`` as one without variants; and its variants' ids with
    the id of their base."""
    found: list[Offer] = []
    members: dict[str, str] = {}
    base: Offer | None = None
    for offer in offers:
        if base is not None and offer.kind == "variant" and offer.product == base.product:
            members[offer.id] = base.id
            continue
        base = offer if chosen and offer.kind == "base" and within(_paths(offer), chosen) else None
        found.append(replace(offer, kind="single") if base is not None else offer)
    return found, members


def _paths(offer: Offer) -> tuple[tuple[str, ...], ...]:
    main = tuple(offer.values.get("category") or ())
    more = tuple(tuple(path) for path in offer.values.get("categories") or ())
    return (main, *more) if main else more


def within(paths: Sequence[Sequence[str]], chosen: Sequence[str]) -> bool:
    """Whether one of these paths is one of ``chosen`` (``A/B``) or lies below one; all do when none is chosen."""
    if not chosen:
        return True
    wanted = [tuple(part.strip() for part in one.split("/")) for one in chosen]
    return any(tuple(part.strip() for part in path[: len(one)]) == one for path in paths for one in wanted)


def values_for(
    offer: Offer, settings: CatalogueSyncSettings, allowed: frozenset[str], traits: OfferTraits, at: datetime
) -> dict[str, Any]:
    """What a target is to hold of this offer at the moment ``at``, by the target's fields.

    Args:
        allowed: the fields that the target takes in this place (update or creation).

    What the source lacks is left out, and what the target has of it stays: see ``has``. Special prices are the one
    exception: a source that tells them and has none has ended them, and the target's are cleared. (``published`` and a
    price of 0 are values as any other.) An empty name is told as "", so that somebody is asked. Where the target does
    not switch special prices itself, its price is the special one while that holds.
    """
    wanted: dict[str, Any] = {}
    source = offer.values
    for name in sorted(allowed):
        if settings.fields is not None and name not in settings.fields:
            continue
        origin = settings.map.get(name, name)
        if name == "specials":
            if traits.dated_specials and origin in source:
                wanted[name] = tuple(one for one in source[origin] or () if one.end is None or one.end > at)
            continue
        if origin not in source:
            continue
        value = source[origin]
        if name == "price" and origin == "price" and (traits.special_in_price or not traits.dated_specials):
            special = active_special(source.get("specials") or (), at)
            value = special.money.amount if special is not None else value
        if not has(name, value):
            if name == "name":
                wanted[name] = ""
            continue
        if name == "category" and settings.root:
            value = (*(part.strip() for part in settings.root.split("/")), *value)
        wanted[name] = value
    return wanted


def priceless(rows: Sequence[Row], settings: CatalogueSyncSettings, traits: OfferTraits) -> tuple[Finding, ...]:
    """One line about the rows whose price the target would take and the source has not got.

    A price that the source could not read is no value of its offers at all: the source itself tells of it.
    """
    if "price" not in traits.writes | traits.creates or (
        settings.fields is not None and "price" not in settings.fields
    ):
        return ()
    origin = settings.map.get("price", "price")
    found = [row.article for row in rows if origin in row.offer.values and row.offer.values[origin] is None]
    if not found:
        return ()
    names = ", ".join(found[:TOLD]) + (" …" if len(found) > TOLD else "")
    text = TN(
        "{n} product has no price in the source: {names}. In the target its price stays.",
        "{n} products have no price in the source: {names}. In the target their prices stay.",
        len(found),
        names=names,
    )
    return (Finding("no-price", text, hint=T("Fill it in; everything else goes on."), who=Who.SITE),)


def active_special(specials: Iterable[SpecialPrice], at: datetime) -> SpecialPrice | None:
    """The special price that holds at ``at``; they are disjoint, so that at most one does."""
    return next((one for one in specials if one.active(at)), None)


def next_change(offer: Offer, at: datetime) -> datetime | None:
    """When the price of this offer changes next by itself: a special begins or is over."""
    moments = [
        moment
        for one in offer.values.get("specials") or ()
        for moment in (one.start, one.end)
        if moment is not None and moment > at
    ]
    return min(moments, default=None)
