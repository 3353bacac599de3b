"""What is not known for certain about KeyCRM, as switches of its fake.

The default is what the known material makes most likely; a suite runs both ways. Facts of the OpenAPI document (1.2.0)
and of recorded live answers are no switches: the fake just does them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """The unknown sides of the API. Each field says what is unknown and what its values do."""

    # --- the wire -------------------------------------------------------------------------------------------------

    html_without_accept: bool = True
    """Refusals are HTML pages or redirects to the login, as Laravel's, where the request does not accept JSON."""
    errors_map: bool = True
    """A 422 names its fields in ``errors``; else there is only ``message``."""
    strict_types: bool = True
    """A value of another type than documented is refused by 422; else numbers and texts are taken for each other."""
    nulls: Literal["wipe", "keep", "refuse"] = "wipe"
    """What null does in a field that is not declared nullable: empties it, changes nothing, or is refused by 422."""
    rate_headers: bool = True
    """``X-RateLimit-Limit`` and ``X-RateLimit-Remaining`` come with every reply."""
    retry_after: bool = True
    """A 429 says by ``Retry-After`` how many seconds to wait."""
    rate_window: Literal["fixed", "sliding"] = "fixed"
    """The minute begins with the first request in it, or is always the last one."""
    rate_scope: Literal["key+ip", "key", "ip"] = "key+ip"
    """Whose requests are counted together."""

    # --- lists ----------------------------------------------------------------------------------------------------

    over_limit: Literal["clamp", "default", "refuse"] = "clamp"
    """A ``limit`` over 50 becomes 50 or 15, or is refused by 422; one under 1 becomes 15, or is refused, too."""
    bad_include: int = 400
    """The status that an include which is not allowed is refused with."""
    unknown_filter: Literal["ignore", "refuse"] = "ignore"
    """A filter that a list does not have is ignored, or refused by 400. ``/offers/stocks`` always does the former."""
    unknown_sort: Literal["ignore", "refuse"] = "ignore"
    """The same for a sort."""
    default_order: Literal["id", "-id", "shuffled"] = "id"
    """The order without a sort. A recorded page of offers is in no order at all; shuffled is stable, but in none."""
    page_urls_keep_limit: bool = False
    """``next_page_url`` and its like have the request's ``limit``; else who follows them goes on in pages of 15."""
    paginator_links: bool = False
    """The envelope has ``links`` as well."""
    dates: Literal["iso", "plain"] = "iso"
    """``2026-01-29T18:53:35.000000Z`` as in recorded answers, or ``2026-01-29 18:53:35`` as in the document's."""
    strings: Literal["none", "sums", "all"] = "none"
    """Which decimals come as strings: none, the sums of orders, or every amount and quantity."""

    # --- catalogue and stock --------------------------------------------------------------------------------------

    simple_offer: bool = True
    """A product without variants has one offer, found in ``/offers*``; else it has none there."""
    first_variant_drops_it: bool = True
    """That offer goes when the first variant comes; else it stays beside the variants."""
    pictures_replace: bool = True
    """``pictures`` of a PUT are the new set; else they are added."""
    unknown_rows: Literal["ignore", "refuse"] = "ignore"
    """A row of a bulk PUT whose id or SKU nobody has: passed over in silence, or the whole is refused by 422."""
    duplicate_sku: Literal["first", "all"] = "first"
    """Which offers a row of a bulk PUT means when several have its SKU."""
    lag: float = 0.0
    """Seconds until a bulk PUT that was answered by 202 can be read back."""
    idle_movement: bool = True
    """A stock that is put to what it is already makes a movement document, too."""
    empty_warehouses: bool = False
    """``filter[details]`` lists every warehouse for every offer; else only those where it ever lay."""

    # --- orders ---------------------------------------------------------------------------------------------------

    source_by_name: bool = True
    """``source_name`` in place of ``source_id`` makes the source at its first use; else it is refused by 422."""
    duplicate_source_uuid: Literal["accept", "refuse"] = "accept"
    """A second order of one source with the same ``source_uuid`` is made, or refused by 422."""
    sku_links: bool = True
    """A line whose SKU is in the catalogue is linked to its offer; else every line is a one-off."""
    import_answer: Literal["status", "empty", "orders"] = "status"
    """The body after ``/order/import``: ``{"status": true}``, nothing, or the orders."""
    inline_payment: Literal["paid", "not_paid"] = "paid"
    """The status of a payment that comes with its order without one."""
    line_discount: Literal["line", "unit"] = "line"
    """Whether a line's ``discount_amount`` is off the line or off each unit."""
    total_adds: tuple[str, ...] = ("shipping_price", "wrap_price", "taxes")
    """What ``grand_total`` has beside the goods."""
    tracking_again: int = 422
    """The status that a tracking code for an order which has one is refused with."""
    nested_put: Literal["merge", "replace"] = "merge"
    """Keys that a line or the shipping of a PUT does not have: kept, or emptied."""
    idle_put_touches: bool = True
    """A PUT that changes nothing moves ``updated_at``."""
    line_warehouse: bool = True
    """``include=products.offer`` tells the line's warehouse."""
    payment_has_id: bool = True
    """The answer to a posted payment has its ``id``, which the document does not show."""

    # --- buyers ---------------------------------------------------------------------------------------------------

    buyer_match: Literal["phone or email", "phone", "none"] = "phone or email"
    """By what a posted order is linked to a buyer who is there; else a new one is made."""
    phone_match: Literal["exact", "digits"] = "exact"
    """How phones are compared, there and in filters."""
    buyer_lists_replace: bool = True
    """``email`` and ``phone`` of a PUT are the new lists; else they are added."""
