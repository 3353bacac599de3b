"""Settings of the documents walk: orders of one system become documents of another, and what follows them.

The engine owns the walk; see pipeline/engine/documents.
"""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.picking import Comment, FromOrder, Pick
from pipeline.settings import Settings, SystemName
from pipeline.syncing import Names, TimeOfDay
from pipeline.texts import T

Act = Literal["order", "pay", "ship", "return", "cancel", "nothing", "hold"]
#: In the order in which they are done.
ACTS: tuple[Act, ...] = ("order", "pay", "ship", "return", "cancel")
#: Acts that stand alone in a rule.
ALONE: tuple[Act, ...] = ("nothing", "hold")
#: Of these pairs one takes back what the other does.
AGAINST: tuple[tuple[Act, Act], ...] = (("order", "cancel"), ("pay", "cancel"), ("ship", "cancel"), ("ship", "return"))
#: Kinds of the reference lists that a document names, with the setting of each.
REFERENCES = {
    "object": "object",
    "warehouse": "warehouse",
    "user": "user",
    "executor": "executor",
    "firm": "firm",
    "account": "account",
}


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _rule(acts: tuple[Act, ...]) -> tuple[Act, ...]:
    if not acts:
        raise ValueError(T("A rule names what is done; `nothing` is an answer, too."))
    for alone in ALONE:
        if alone in acts and len(acts) > 1:
            raise ValueError(T("`{act}` stands alone in a rule.", act=alone))
    for one, other in AGAINST:
        if one in acts and other in acts:
            raise ValueError(T("`{one}` and `{other}` in one rule are against each other.", one=one, other=other))
    return tuple(act for act in (*ACTS, *ALONE) if act in acts)


Rule = Annotated[
    tuple[Act, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=Act | tuple[Act, ...]),
    AfterValidator(_rule),
]


class OnlySettings(Settings):
    """``only:`` of a documents step: which orders are taken."""

    statuses: Names = ()
    """Only orders of these statuses (id, code, name or group), as the source has them. One that has its document is
    followed in every status."""
    sources: Names = ()
    """Only orders of these shops behind the source (name or id, as a CRM tells them)."""
    warehouses: Names = ()
    """Only orders from these warehouses of the source. One that is from several of them, or does not say from which, is
    held."""


class PartySettings(Settings):
    """``parties:`` of a documents step: on whom documents are booked."""

    always: Pick | None = None
    """A code that all documents are booked on, or taken from the order."""
    default: str | None = None
    """Code of the party for orders that name no buyer, or one without telephone, mail and EDRPOU."""
    create: bool = True
    """Buyers that are not there are added."""
    alike: Literal["tell", "hold"] = "tell"
    """When a buyer is not there, but others of a like name are: `tell` adds the buyer and shows both on a card, `hold`
    asks before. Two parties are never made one."""


class ProductSettings(Settings):
    """``products:`` of a documents step: what the items of an order are in the target."""

    by_name: bool = False
    """An item whose article is not there, or that has none, is looked for by its name."""
    ambiguous: Literal["hold", "first"] = "hold"
    """When several products have the article or the name: ask a person, or take the first and tell."""
    create: bool = False
    """Products that are not there are added: a card with name, article, unit and barcode, no price and no sizes."""
    variants: bool = True
    """Those that the source has as variants with articles of their own are added as variants; else as plain goods."""
    services: Names = ()
    """Categories of the source (paths such as `Послуги`, with all below them) whose products are added as services."""


class BackSettings(Settings):
    """``back:`` of a documents step: what the source is told of its orders."""

    number: bool = False
    """The number of the document is written to the order."""
    tracking: bool = False
    """The tracking number of the shipment is written to the order, where the target tells one."""
    statuses: dict[Literal["order", "ship", "return", "cancel"], str] = Field(default_factory=dict)
    """What was done -> status that the order then gets in the source: `{order: "12"}`. A status that we wrote ourselves
    causes nothing."""


class DocumentsSettings(Settings):
    """Orders of one system become documents of another: orders, shipments, returns, payments, by status."""

    source: SystemName = Field(alias="from")
    """System whose orders are read."""
    to: SystemName
    """System in which they become documents."""
    since: date
    """Orders made before this day are not taken: the day of going live, when the stock of both sides was made equal."""
    until: date | None = None
    """Orders made on this day or later are not taken."""
    rules: dict[str, Rule] = Field(min_length=1)
    """Status of the source (id, code or name; or a group: `new`, `confirmed`, `paid`, `shipped`, `completed`,
    `cancelled`) -> what is done: `order`, `ship`, `return`, `cancel`, `pay`, `nothing`, `hold`, one or several. Each
    says what is to be there, so that it is done once, however often the status comes."""
    unknown_status: Literal["hold", "create-order", "nothing"] = "hold"
    """What becomes of orders whose status no rule names."""
    only: OnlySettings = Field(default_factory=OnlySettings)
    """Which orders are taken; all when not given."""
    changed: Literal["amend", "hold", "ignore"] = "amend"
    """What happens when an order with a document has other items, sums or addresses: bring the document to it, ask a
    person, or leave it."""
    statuses: Literal["auto"] | dict[str, str] | None = None
    """Status of the source -> status of the target's order document; `auto`: one of the same name, added when missing.
    Without it the target's statuses are left alone."""
    parties: PartySettings = Field(default_factory=PartySettings)
    """On whom documents are booked."""
    products: ProductSettings = Field(default_factory=ProductSettings)
    """What the items are in the target."""
    object: Pick | None = None
    """Shop or branch: a code, or taken from the order."""
    warehouse: Pick | None = FromOrder(path="warehouse")
    """Warehouse: a code, or taken from the order; where the order names none, the system's own choice."""
    user: Pick | None = None
    """Author of the documents: a code, or taken from the order."""
    executor: Pick | None = None
    """Who is responsible: a code, or taken from the order, such as `{from: extra.manager_id, map: {"3": anna}}`."""
    firm: Pick | None = None
    """Own company that documents are booked for: a code, or taken from the order."""
    account: Pick | None = None
    """Bank account or cash desk that payments go to: a code, or taken from the order, such as its payment method."""
    shop: Pick | None = None
    """Source that the document names (a shop, a channel): a code, or taken from the order; added when missing."""
    delivery_service: str | None = None
    """Code of the service that the cost of delivery is booked as; without it the system's own way."""
    discounts: Literal["lines", "order"] = "lines"
    """Discounts on a whole order: spread over its lines to the cent, or left as they are for the target."""
    tolerance: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.01")
    """A stated total may differ from the sum of its parts by so much; more is held."""
    currencies: tuple[str, ...] = ()
    """Currencies that are accepted; none named: all that the system knows."""
    comment: Comment = "{source} № {number} {source_number}\n{comment}"
    """Comment of the document; `{source}`, `{number}`, `{source_number}`, `{comment}`, `{manager_comment}`,
    `{customer}` and `{phone}` stand for the order's."""
    mappings: dict[
        Literal["sku", "party", "object", "warehouse", "user", "executor", "firm", "account", "currency", "source"],
        dict[str, str],
    ] = Field(default_factory=dict)
    """What orders name -> what the target knows it by, by kind: `{sku: {AB-1: AB1}}`."""
    back: BackSettings = Field(default_factory=BackSettings)
    """What the source is told of its orders."""
    compare_stock: Literal["run", "full", "off"] = "run"
    """After shipments and returns the stock of what moved is compared on both sides, where both tell it: in each run
    that ships or takes back, in the full ones only, or never. Where neither what may be sold nor what lies there is the
    same, it is told; where only what lies there differs, once no order that shipped it is under way."""
    full_at: TimeOfDay | None = time(3)
    """The first run after this time of day reads all orders since `since` and looks for the documents of each; the
    others only look at what changed."""
    known_as: str | None = None
    """Name of the source in the keys of its documents; its own when not given. Where two jobs read one source into
    different systems, one of them needs another name."""
    batch: Annotated[int, Field(ge=1, le=500)] = 50
    """Orders that share one commit."""

    @model_validator(mode="after")
    def _fits(self) -> DocumentsSettings:
        if self.source == self.to:
            raise ValueError(T("Orders of a system cannot become documents of itself."))
        if self.until is not None and self.until <= self.since:
            raise ValueError(T("`until` is not after `since`."))
        return self

    # what steps that take orders out of files call it, for whoever looks for the job of an order

    @property
    def inbox(self) -> str:
        """Where its orders come from."""
        return self.source

    @property
    def folder(self) -> str:
        """Under which the archive keeps them."""
        return FOLDER

    @property
    def into(self) -> str:
        """Where its documents are made."""
        return self.to


FOLDER = "orders"
