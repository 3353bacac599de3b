"""What is not known for certain about Dilovod's API, as switches: the fake can be each base that may be met.

The sources are public client code (a PHP SDK whose tests ran against the live service, above all) and the beginnings of
two help pages; no live call was made. Each default is what most of the sources show, or the plain reading of a data
model like 1C's; a test runs all ways of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How this base behaves. What its field says holds for the value that stands first."""

    # --- the wire
    flight: Literal["key", "base"] = "key"  #: what has one request in flight at a time
    flight_status: Literal[200, 500] = 200  #: of the refusal of a parallel request; one project saw 500
    rate_limit: int = 0  #: requests of a key in a minute, then 429; 0: no limit, as none is published
    raw_form: bool = False  #: a form whose ``packet`` is not percent-encoded is taken as it stands, ``&`` and ``+`` too
    version_checked: bool = True  #: a packet without ``version`` is refused
    call_needs_right: bool = True  #: the role must allow what ``call`` makes; else it makes it anyway
    restricted_path: Literal["restricted", "refused"] = "restricted"
    """A dotted path into an object that the role may not read gives ``[access restricted]``, or refuses the query."""

    # --- reading
    empty_rows: Literal["array", "object"] = "array"  #: no row is ``[]`` or ``{}``
    rows_in: Literal["bare", "data", "rows", "result", "items"] = "bare"  #: the member that rows come in, if any
    order: Literal["id", "newest", "shuffled"] = "id"  #: of rows; no order can be asked for. Shuffled is stable
    marked_listed: bool = True  #: what is marked for deletion stays in the rows of a query
    json_false: bool = True  #: ``false`` in a filter finds flags that are ``"0"``; else it finds nothing
    text_match: Literal["exact", "folded"] = "exact"  #: ``=`` and ``IL`` tell the case of letters apart
    list_limit: int = 0  #: the longest list of ``IL``; more is refused. 0: any
    row_limit: int = 0  #: the most rows of one answer, whatever ``limit`` says. 0: all
    unlisted_filter: Literal["refused", "ignored"] = "refused"  #: a filter by an alias that ``fields`` does not have
    zero_rows: bool = False  #: a good whose balance has come to zero gives a row
    default_dimensions: Literal["fields", "all"] = "fields"  #: of a virtual table that names none
    empty_date: Literal["", "0000-00-00 00:00:00"] = ""  #: how a date that is not set reads
    goods_price: bool = False  #: ``catalogs.goods`` has ``price``
    order_amount: bool = True  #: the header of a sale order has ``amountCur``
    reqs: Literal["list", "map"] = "list"  #: the attributes in an object's metadata
    modified_attribute: str = ""  #: the name of an attribute with the time of the last change; none is known

    # --- saving
    default_save_type: Literal[0, 1] = 0  #: when ``saveType`` is absent
    header_posted: Literal["ignored", "obeyed"] = "ignored"  #: ``posted`` in the header, beside ``saveType``
    parts_replace: bool = True  #: a table part that is sent is the new whole; else rows are matched by ``rowNum``
    edit_posted: Literal["refused", "kept", "unposted"] = "refused"
    """A change of a posted document without ``saveType`` 2 first: refused; done, and posted anew; or unposts it."""
    mark_posted: Literal["unposts", "keeps", "refused"] = "unposts"  #: a deletion mark on a posted document
    mark_shipped: Literal["allowed", "refused"] = "allowed"  #: one on an order that has a live shipment
    lift_mark: bool = True  #: ``delMark: 0`` in a save takes the mark off; else it is refused
    totals: Literal["none", "header", "all"] = "none"  #: which sums a save computes when they are not sent
    base_qty: Literal["computed", "sent"] = "computed"
    """``baseQty``, by which stock moves: by ``qty`` and ``ratio`` where absent; else zero, and nothing moves."""
    order_number: Literal["kept", "auto"] = "kept"  #: the ``number`` that a sale order is sent with
    phone: Literal["details", "both", "own"] = "details"
    """A party's ``phone`` and ``email``: filled from ``details`` and refused in a save; either; what is sent alone."""
    sale_mode: Literal["defaults", "required"] = "defaults"  #: a shipment without ``docMode``
    return_link: Literal["both", "contract", "baseDoc"] = "both"  #: by which attributes a return is linked
    return_over: Literal["allowed", "refused"] = "allowed"  #: a return of more than its shipment has
    business_required: bool = False  #: stock moves only with a ``business``; else ``emptyRequiredReq``
    posting_reserves: bool = False  #: posting an order reserves its goods; else only ``autoPlacement`` does
    stock_control: bool = True  #: no stock may fall below zero
    kits: Literal["components", "itself"] = "components"  #: what the shipment of a kit moves
    future_prices: bool = True  #: a price dated later waits for its day; else the newest record counts at once
    price_id: bool = True  #: saving a price answers the id of its record; else 0

    # --- saleOrderCreate and webhooks
    call_posts: bool = False  #: the order that it makes is posted
    call_ambiguous: Literal["first", "refused"] = "first"  #: an article that several goods have
    own_webhooks: bool = True  #: what was saved by the API raises webhooks, too
