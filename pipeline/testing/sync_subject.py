"""What a contract test of a sync's end works on: the system under test, ways to look into it, and sample products.

Shared by the suites of :mod:`pipeline.testing.sync_contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.errors import Held
from pipeline.model import Money, Offer, SpecialPrice, StockLevel
from pipeline.ports import (
    OFFER_FIELDS,
    ApplyCatalogue,
    ApplyStock,
    OfferChange,
    Offers,
    OfferTraits,
    ProductDraft,
    RowOutcome,
    Stock,
    StockTarget,
    System,
)
from pipeline.rules.stock import sellable

KYIV = ZoneInfo("Europe/Kyiv")
CODES = tuple(f"ART-{n:04d}" for n in range(1, 4))
FAMILY = ("FAM-01", "FAM-01-R", "FAM-01-G")
Rows = Mapping[str, Mapping[str, Any]]  #: offer's id -> all that is kept of it
Places = Mapping[tuple[str, str], tuple[Decimal, Decimal]]  #: (offer's id, warehouse) -> (on hand, reserved)


def _nothing() -> None:
    """The far side does all at once."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A system under test. ``open`` gives a session of its own to one and the same target, which is empty at first.

    What the system cannot do is absent from its traits and protocols; a case that needs it is not run then.
    """

    open: Callable[[], System]
    #: Put products into it past the adapter, with the keys and values of the drafts.
    seed: Callable[[Sequence[ProductDraft]], None]
    #: All that it keeps of each offer, by id, past the adapter: also what the sync knows nothing of.
    rows: Callable[[], Rows]
    #: A field of OFFER_FIELDS, or ``stock`` -> the names in ``rows`` that it is kept under.
    columns: Mapping[str, Collection[str]]
    stamps: Collection[str] = ()  #: names in ``rows`` that any write to the row may move: times, revisions
    #: Let what the far side does by itself (take files in, work off a queue) happen before it is looked at.
    settle: Callable[[], None] = _nothing
    #: Let an hour pass, and give the moment then. Only asked where the traits say ``delta``.
    tick: Callable[[], datetime] | None = None
    remove: Callable[[str], None] | None = None  #: delete the offer with this id past the adapter
    categories: Callable[[], Sequence[tuple[str, ...]]] | None = None  #: every category there is, as paths
    articleless: bool = True  #: the system itself may hold offers without an article
    twins: bool = True  #: the system itself may hold two offers with one article
    base_articles: bool = True  #: the base of a product with variants has an article of its own
    #: What a field reads as that was cleared, where this is not the empty value: a field that is never without one.
    cleared: Mapping[str, Any] = field(default_factory=dict)
    many: int = 120  #: more than one page of its lists
    #: Values that fit this system, where the contract's own do not: field -> (one, another).
    samples: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    warehouses: Sequence[str] = ("",)  #: codes of warehouses that it has
    reserves: bool = False  #: it keeps what is reserved apart
    seed_stock: Callable[[Places], None] | None = None  #: put levels into it past the adapter


# --- sample products -------------------------------------------------------------------------------------------------

START, END = datetime(2026, 11, 20, tzinfo=KYIV), datetime(2026, 12, 1, tzinfo=KYIV)
_ONE: Mapping[str, Any] = {
    "name": "Ґрунтівка акрилова",
    "description": "<p>Ґрунтівка <b>глибокого</b> проникнення &amp; зміцнення</p>",
    "short_description": "<i>10 л</i>",
    "price": Decimal("389.50"),
    "price.KIND": Decimal("250.10"),
    "currency": "UAH",
    "category": ("Фарби", "Ґрунтівки"),
    "categories": (("Фарби", "Ґрунтівки"),),
    "images": ("https://shop.example/img/a.jpg", "https://shop.example/img/b.jpg"),
    "options": {"Колір": "Червоний"},
    "unit": "шт",
    "barcode": "4820000000017",
    "manufacturer": "Ceresit",
    "weight": Decimal("1.35"),
    "length": Decimal("10.5"),
    "width": Decimal(20),
    "height": Decimal("30.25"),
    "published": True,
}
_OTHER: Mapping[str, Any] = {
    "name": "Ґрунтівка акрилова, нова",
    "description": "<p>Інший опис</p>",
    "short_description": "5 л",
    "price": Decimal("401.00"),
    "price.KIND": Decimal("260.00"),
    "currency": "UAH",
    "category": ("Фарби", "Емалі", "Алкідні"),
    "categories": (("Фарби", "Емалі", "Алкідні"), ("Акції",)),
    "images": ("https://shop.example/img/c.jpg",),
    "options": {"Колір": "Зелений"},
    "unit": "л",
    "barcode": "4820000000024",
    "manufacturer": "Śnieżka",
    "weight": Decimal("2.5"),
    "length": Decimal(11),
    "width": Decimal("21.5"),
    "height": Decimal(31),
    "published": False,
}


def sample(subject: Subject, traits: OfferTraits, name: str, *, other: bool = False) -> Any:
    """A value of the field ``name`` that is not the empty one; ``other``: a different one."""
    if name in subject.samples:
        return subject.samples[name][other]
    if name == "specials":
        amount = Money(Decimal("333.30" if other else "350.00"), "UAH")
        return (SpecialPrice(amount, START, END) if traits.dated_specials else SpecialPrice(amount),)
    values = _OTHER if other else _ONE
    return values["price.KIND" if name.startswith("price.") else name]


def draft(subject: Subject, traits: OfferTraits, fields: Collection[str], code: str, **values: Any) -> ProductDraft:
    """A single product with all of ``fields`` but options; ``values`` in their place."""
    found = {name: sample(subject, traits, name) for name in sorted(fields) if name != "options"}
    return ProductDraft(base=Offer(keys=_keys(traits, code), values=found | values))


def family(subject: Subject, traits: OfferTraits, fields: Collection[str]) -> ProductDraft:
    """A base product with two variants that differ in colour and price."""
    base, *codes = FAMILY
    of_variant = {
        name for name in fields if name.partition(".")[0] in ("name", "price", "currency", "options", "unit", "barcode")
    }
    variants = tuple(
        Offer(
            kind="variant",
            keys=_keys(traits, code),
            values={name: sample(subject, traits, name, other=bool(n)) for name in sorted(of_variant)},
        )
        for n, code in enumerate(codes)
    )
    return ProductDraft(
        base=Offer(kind="base", keys=_keys(traits, base), values=draft(subject, traits, fields, base).base.values),
        variants=variants,
    )


def _keys(traits: OfferTraits, code: str) -> dict[str, str]:
    return {traits.keys[0]: code} if code else {}


# --- looking and writing ---------------------------------------------------------------------------------------------


def traits_of(subject: Subject) -> OfferTraits:
    """What the system says that it can do."""
    system = subject.open()
    assert isinstance(system, Offers)
    traits = system.offer_traits()
    system.close()
    return traits


def told(subject: Subject, since: datetime | None = None) -> list[Offer]:
    """What a session of its own tells now."""
    subject.settle()
    system = subject.open()
    assert isinstance(system, Offers)
    offers = list(system.offers(since))
    system.close()
    return offers


def by_article(subject: Subject) -> dict[str, Offer]:
    """The offers by their usual article; two with one article fail. A base without one goes by that of the family."""
    key = traits_of(subject).keys[0]
    found: dict[str, Offer] = {}
    for offer in told(subject):
        code = article_of(subject, key, offer)
        assert code not in found, f"article {code!r} is told twice"
        found[code] = offer
    return found


def article_of(subject: Subject, key: str, offer: Offer) -> str:
    """The article of an offer; of a base, where bases have none, that of :func:`family`, of which there is but one."""
    if offer.kind == "base" and not subject.base_articles:
        assert key not in offer.keys
        return FAMILY[0]
    return offer.keys.get(key, "")


def create(subject: Subject, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
    """Create in a session of its own; one outcome for each draft."""
    system = subject.open()
    assert isinstance(system, ApplyCatalogue)
    outcomes = system.create_products(drafts)
    system.close()
    subject.settle()
    assert len(outcomes) == len(drafts)
    return outcomes


def update(subject: Subject, changes: Sequence[tuple[Offer, Mapping[str, Any]]]) -> Sequence[RowOutcome]:
    """Update in a session of its own; one outcome for each change."""
    system = subject.open()
    assert isinstance(system, ApplyCatalogue)
    outcomes = system.update_offers([OfferChange(offer=offer, values=values) for offer, values in changes])
    system.close()
    subject.settle()
    assert len(outcomes) == len(changes)
    return outcomes


def set_stock(subject: Subject, targets: Sequence[tuple[Offer, str, Decimal]]) -> Sequence[RowOutcome]:
    """Set levels in a session of its own; one outcome for each target."""
    system = subject.open()
    assert isinstance(system, ApplyStock)
    outcomes = system.apply_stock(
        [StockTarget(offer=offer, warehouse=place, quantity=number) for offer, place, number in targets]
    )
    system.close()
    subject.settle()
    assert len(outcomes) == len(targets)
    return outcomes


def levels_of(subject: Subject, since: datetime | None = None) -> list[StockLevel]:
    """What a session of its own tells of the stock."""
    subject.settle()
    system = subject.open()
    assert isinstance(system, Stock)
    levels = list(system.levels(since))
    system.close()
    return levels


def sellables(subject: Subject) -> dict[tuple[str, str], Decimal]:
    """What may be sold, by article (id where there is none) and warehouse; what is 0 is left out."""
    found: dict[tuple[str, str], Decimal] = {}
    for level in levels_of(subject):
        place = (level.code or level.offer, level.warehouse)
        assert place not in found, f"the level of {place} is told twice"
        found[place] = sellable([(level.on_hand, level.reserved)])
    return {place: number for place, number in found.items() if number}


def done(outcomes: Sequence[RowOutcome]) -> None:
    """No row has failed."""
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == []


def held(outcome: RowOutcome) -> bool:
    """Whether it was refused as a row's refusal must be told: with words, and nothing made."""
    return isinstance(outcome.error, Held) and bool(str(outcome.error)) and not outcome.ids and not outcome.existed


def seeded(subject: Subject, *codes: str) -> dict[str, Offer]:
    """Single products of these articles (CODES), seeded with all that the system reads; told by article."""
    traits = traits_of(subject)
    subject.seed([draft(subject, traits, traits.reads, code) for code in codes or CODES])
    return by_article(subject)


def touched_only(subject: Subject, name: str, before: Rows, after: Rows, offer: str) -> set[str]:
    """Between two looks at the rows nothing has changed but the field ``name`` of one offer (and its stamps).

    Gives the names that the row has this field under and that have changed.
    """
    others = [{key: row for key, row in rows.items() if key != offer} for rows in (before, after)]
    assert others[0] == others[1], f"{name}: another row was touched"
    moved = {key for key in {**before[offer], **after[offer]} if before[offer].get(key) != after[offer].get(key)}
    own = set(subject.columns[name])
    assert moved <= own | set(subject.stamps), f"{name}: {sorted(moved - own)} were touched as well"
    return moved & own


#: What an empty value of a field reads as.
EMPTY: Mapping[str, Any] = {"specials": (), "category": (), "categories": (), "images": (), "options": {}}
_NUMBERS = ("price", "weight", "length", "width", "height")


def empty(name: str) -> Any:
    """What the field reads as when there is none."""
    return EMPTY[name] if name in EMPTY else None if name.partition(".")[0] in _NUMBERS else ""


# --- what values must be ---------------------------------------------------------------------------------------------


def known_field(name: str) -> bool:
    """Whether it is one of OFFER_FIELDS, a price of a kind by that kind's own name."""
    base, dot, kind = name.partition(".")
    return (base == "price" and kind not in ("", "KIND")) if dot else name in OFFER_FIELDS


def faults_of(offer: Offer, traits: OfferTraits) -> list[str]:
    """What of an offer is not as OFFER_FIELDS and the traits say, in words for a developer."""
    faults = []
    if not isinstance(offer.id, str) or not offer.id or not isinstance(offer.product, str) or not offer.product:
        faults.append("id and product are texts, not empty")
    if offer.kind == "single" and offer.product != offer.id:
        faults.append("the product of a single one is its own id")
    if offer.updated_at is not None and offer.updated_at.tzinfo is None:
        faults.append("updated_at is naive")
    for name, article in offer.keys.items():
        if name not in traits.keys or not isinstance(article, str) or not article:
            faults.append(f"key {name} = {article!r}")
    for name, value in offer.values.items():
        if name not in traits.reads:
            faults.append(f"{name} is not among what it reads")
        elif not _fits(name, value):
            faults.append(f"{name} = {value!r} is not: {OFFER_FIELDS.get(name, OFFER_FIELDS['price.KIND'])}")
    return faults


def _fits(name: str, value: Any) -> bool:
    match name:
        case "specials":
            return isinstance(value, tuple) and all(map(_special_fits, value)) and _disjoint(value)
        case "category" | "images":
            return isinstance(value, tuple) and all(isinstance(part, str) and part for part in value)
        case "categories":
            return isinstance(value, tuple) and all(path and _fits("category", path) for path in value)
        case "options":
            return isinstance(value, Mapping) and all(isinstance(x, str) for pair in value.items() for x in pair)
        case "published":
            return isinstance(value, bool)
        case "currency":
            return isinstance(value, str) and len(value) == 3 and value.isascii() and value.isupper()
        case "price" | "weight" | "length" | "width" | "height":
            return value is None or (isinstance(value, Decimal) and value.is_finite())
    if name.startswith("price."):
        return _fits("price", value)
    return isinstance(value, str)


def _special_fits(special: Any) -> bool:
    return (
        isinstance(special, SpecialPrice)
        and special.money.amount.is_finite()
        and all(moment is None or moment.tzinfo is not None for moment in (special.start, special.end))
    )


def _disjoint(specials: Sequence[SpecialPrice]) -> bool:
    """By start, and at any moment at most one holds."""
    return all(one.end and other.start and one.end <= other.start for one, other in pairwise(specials))
