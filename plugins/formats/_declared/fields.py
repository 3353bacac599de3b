"""Everything of an order that can be mapped, field by field: the keys of ``fields`` and ``item`` in the YAML."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.api import Settings, T
from plugins.formats._declared.rule import Kind, Rule

Text = Rule | None
Note = Annotated[Rule | None, Kind("note")]
Number = Annotated[Rule | None, Kind("decimal")]
Percent = Annotated[Rule | None, Kind("percent")]
Moment = Annotated[Rule | None, Kind("moment")]


class AddressFields(Settings):
    """Parts of an address."""

    country: Text = None
    """Country, two letters of ISO 3166 such as `UA`."""
    region: Text = None
    """Region (oblast)."""
    city: Text = None
    """Town or village."""
    street: Text = None
    """Street."""
    house: Text = None
    """House."""
    apartment: Text = None
    """Flat or office."""
    zip: Text = None
    """Postcode."""
    text: Text = None
    """The whole address in one line."""


class PartyFields(Settings):
    """A buyer or a recipient."""

    kind: Annotated[Rule | None, Kind("party")] = None
    """`person` or `company`; without it, a company is who has a company's name."""
    code: Text = None
    """Code in the accounting system."""
    name: Text = None
    """Full name in one field; it is divided into last, first and middle name where these are empty."""
    name_order: Literal["last-first", "first-last"] = "last-first"
    """How a full name of two words is meant; a patronymic is known by its ending in both."""
    last_name: Text = None
    """Last name."""
    first_name: Text = None
    """First name."""
    middle_name: Text = None
    """Middle name (patronymic)."""
    company: Text = None
    """Name of the company."""
    edrpou: Text = None
    """EDRPOU of a company, or the tax number of a sole trader."""
    tax_number: Text = None
    """Number of a VAT payer."""
    phone: Text = None
    """Telephone; of several the first."""
    email: Text = None
    """Mail address."""
    address: AddressFields = Field(default_factory=AddressFields)
    """Address."""


class DeliveryFields(Settings):
    """How and where to."""

    carrier: Text = None
    """Carrier: `nova-poshta`, `ukrposhta`, `meest`, `pickup`, …"""
    service: Annotated[Rule | None, Kind("service")] = None
    """`branch`, `locker`, `courier`, `pickup` or `other`."""
    method: Text = None
    """The shop's own name of the way of delivery."""
    city: Text = None
    """Town that it goes to."""
    city_ref: Text = None
    """The carrier's own id of the town."""
    branch: Text = None
    """Number or name of the branch or parcel locker."""
    branch_ref: Text = None
    """The carrier's own id of the branch."""
    tracking: Text = None
    """Number of the waybill."""
    cost: Number = None
    """What the buyer pays for it with the order; it is in the total."""
    tax_rate: Percent = None
    """Percent of tax on it."""
    planned_for: Annotated[Rule | None, Kind("day")] = None
    """Day that it is wanted on."""
    address: AddressFields = Field(default_factory=AddressFields)
    """Address that it goes to."""
    recipient: PartyFields = Field(default_factory=PartyFields)
    """Who receives it, when it is not the buyer."""


class PaymentFields(Settings):
    """How it is paid."""

    method: Text = None
    """Way of payment, in the shop's words."""
    status: Annotated[Rule | None, Kind("paid")] = None
    """`unpaid`, `paid` or `partly`; without it, by what was paid."""
    paid: Number = None
    """How much was paid."""
    paid_at: Moment = None
    """When it was paid."""
    transaction: Text = None
    """Number of the payment."""
    fee: Number = None
    """What the way of payment costs the buyer; it is in the total."""
    tax_rate: Percent = None
    """Percent of tax on the fee."""


class DiscountFields(Settings):
    """A discount on the whole order: its amount, its percent, or what it leaves."""

    each: str | None = None
    """Path of elements of which each is a discount; the other paths begin there. Without it there is one at most."""
    amount: Number = None
    """How much it takes off."""
    percent: Percent = None
    """Percent that it takes off the sum of the items."""
    leaves: Number = None
    """What the items come to with it; the discount is what they make more."""
    code: Text = None
    """Coupon."""
    name: Text = None
    """What it is called."""

    @model_validator(mode="after")
    def _by_one(self) -> DiscountFields:
        if sum(one is not None for one in (self.amount, self.percent, self.leaves)) != 1:
            raise ValueError(T("A discount has one of `amount`, `percent` and `leaves`."))
        return self


class TaxFields(Settings):
    """A tax that the order states."""

    each: str | None = None
    """Path of elements of which each is a tax; the other paths begin there. Without it there is one at most."""
    rate: Annotated[Rule, Kind("percent")]
    """Percent."""
    sum: Annotated[Rule, Kind("decimal")]
    """Amount."""


class NamedValues(Settings):
    """Values that the file itself names, such as `<param name="Колір">синій</param>`."""

    each: str
    """Path of the elements; the other two paths begin there."""
    name: Rule
    """Path of the name."""
    value: Rule
    """Path of the value."""


class ItemFields(Settings):
    """What of an item goes where."""

    code: Rule
    """Article: the product's code in the accounting system."""
    name: Text = None
    """Name of the product."""
    quantity: Annotated[Rule, Kind("decimal")]
    """How much of it."""
    price: Annotated[Rule, Kind("decimal")]
    """Price of one unit, before the discount of the line."""
    unit: Text = None
    """Unit."""
    discount: Number = None
    """Discount of the whole line."""
    discount_percent: Percent = None
    """The same in percent of the line."""
    total: Number = None
    """Sum of the line; it is checked against price x quantity - discount."""
    tax_rate: Percent = None
    """Percent of tax."""
    barcode: Text = None
    """Barcode."""
    comment: Note = None
    """The buyer's words about it."""
    attributes: dict[str, Rule] = Field(default_factory=dict)
    """Options by name: `{Колір: color}`."""
    named_attributes: NamedValues | None = None
    """Options that the file itself names."""
    extra: dict[str, Rule] = Field(default_factory=dict)
    """Anything else, by a name of your own; it is kept with the order."""


class OrderFields(Settings):
    """What of an order goes where."""

    id: Rule
    """The order's id, unique in its source and never used again."""
    number: Text = None
    """Number that people say; the id when there is none."""
    source: Text = None
    """Name of the shop or marketplace; `source` of the format, else the inbox, when there is none."""
    source_number: Text = None
    """Number in a marketplace behind the source."""
    created_at: Annotated[Rule, Kind("moment")]
    """When it was placed."""
    updated_at: Moment = None
    """When it was last changed; of two versions the newer one wins."""
    status: Annotated[Rule | None, Kind("status")] = None
    """`new`, `confirmed`, `paid`, `shipped`, `completed`, `cancelled` or `refunded`, by a `table` of the shop's words;
    `new` when there is none."""
    currency: Annotated[Rule | None, Kind("currency")] = None
    """Currency: a code of ISO 4217, a word or a sign such as `грн`; the client's when there is none."""
    rate: Number = None
    """Units of the client's currency for one of the order's."""
    total: Number = None
    """What the order comes to; it is checked against its parts."""
    subtotal: Number = None
    """Sum of the items; it is checked against them."""
    prices_include_tax: Annotated[Rule | None, Kind("flag")] = None
    """Whether tax is in the prices; it is when nothing says otherwise."""
    comment: Note = None
    """The buyer's words."""
    manager_comment: Note = None
    """The shop's own words."""
    manager: Text = None
    """Who looks after it."""
    language: Text = None
    """The buyer's language, such as `uk-UA`."""
    warehouse: Text = None
    """Warehouse to take it from."""
    customer: PartyFields = Field(default_factory=PartyFields)
    """The buyer."""
    delivery: DeliveryFields = Field(default_factory=DeliveryFields)
    """How and where to."""
    payment: PaymentFields = Field(default_factory=PaymentFields)
    """How it is paid."""
    discounts: tuple[DiscountFields, ...] = ()
    """Discounts on the whole order."""
    taxes: tuple[TaxFields, ...] = ()
    """Taxes that the order states; they are checked."""
    extra: dict[str, Rule] = Field(default_factory=dict)
    """Anything else, by a name of your own; it is kept with the order."""
    named_extra: NamedValues | None = None
    """Anything else that the file itself names."""
