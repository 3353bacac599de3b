"""What is not known about Quincefin's API, as switches. It is much.

The sources are the beginnings of the vendor's articles on nine lists: the names of methods, the filters, the first
fields of the answers. Host, login, verb, errors, and all bodies of writes were not seen. Each default is the plainest
reading; a test runs all ways of each, and a connector must live with all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How this account behaves. What its field says holds for the value that stands first."""

    # --- the wire
    prefix: str = "/api/v2"  #: before each method; it was seen with one of them only
    verbs: Literal["POST", "any"] = "POST"  #: which verbs are taken
    json_type_checked: bool = False  #: a body of another type than ``application/json`` is refused by 415
    auth_status: Literal[401, 403, 200] = 401  #: of the refusal of a wrong login
    error_status: Literal[400, 422, 200] = 400  #: of the refusal of what was asked
    error_in: Literal["error", "errors", "message", "text"] = "error"  #: where its words are; ``text``: no JSON at all
    error_form: Literal["text", "list", "object"] = "text"  #: what stands there
    unknown_page: Literal["json", "html"] = "json"  #: the body of the 404 of a method that is none
    rate_limit: int = 0  #: requests in a minute, then 429; 0: no limit
    retry_after: bool = True  #: the 429 says how many seconds to wait

    # --- which methods there are; stores, stock, companies, users, statuses and sources have none that is known
    price_add: bool = False  #: ``/price/add``, whose path is cut off in the article
    bank_writes: bool = True  #: ``/document/money_bank_income/add`` and ``/update``, of the newer edition
    outgoing: bool = False  #: ``/document/outgoing/*``, shipments; guessed from the name of returns
    return_writes: bool = False  #: ``/document/outgoing_return/add`` and ``/update``; guessed from those of receipts
    cash_income: bool = False  #: ``/document/money_cash_income/*``; guessed

    # --- lists
    totals: bool = False  #: the answer counts the records in ``total``; the (abridged) examples do not
    past_end: Literal["empty", "refused"] = "empty"  #: a page after the last
    filtered_order: Literal["id", "newest"] = "id"  #: the order when there is a filter; without, it is by ``Id``
    arrays: Literal["any", "first"] = "any"  #: what an array in a filter finds: one of its ids, or its first only
    unknown_filter: Literal["ignored", "refused"] = "ignored"  #: a member of the filter that the list does not have
    fold_names: bool = True  #: names of members are taken in any case: an example has ``ID`` for ``Id``
    archive: Literal["also", "only"] = "also"  #: what ``Archive: true`` finds beside, or in place of, what is live
    archive_default: Literal["live", "all"] = "live"  #: what is found without ``Archive``
    default_kind: Literal["P", "all"] = "P"  #: the kind of goods when none is asked for
    selectors: Literal["attach", "narrow"] = "attach"
    """``PriceType`` and ``Store`` of goods choose which prices and balances are told with each, or which goods."""

    # --- dates
    lax_dates: bool = False  #: documents are listed without ``DateFrom`` and ``DateTo``, too
    id_without_dates: bool = False  #: they are by ``Id`` alone
    date_input: Literal["any", "day", "moment"] = "any"  #: ``2026-01-05``, ``2026-01-05T00:00:00Z`` or both
    date_to: Literal["inclusive", "exclusive"] = "inclusive"  #: whether the day of ``DateTo`` is in the range
    zone: Literal["UTC", "Europe/Kyiv"] = "UTC"  #: of days and of moments, which have a ``Z`` all the same

    # --- records
    ids: Literal["number", "text"] = "number"  #: how the ids of orders are told
    sums: Literal["number", "text"] = "number"  #: how ``Sum`` is told
    references: Literal["seen", "ids", "objects"] = "seen"
    """``Company`` is ``{Id, Name}`` in bank receipts and an id in contracts, as seen (orders: ids); or all alike."""
    cyrillic_currency: bool = False  #: the ``С`` of a contract's ``Сurrency`` is Cyrillic, as in one edition
    contract_edition: Literal["both", "new", "old"] = "both"  #: ``Kind`` was seen in new ones, the links in old ones
    contract_filter: Literal["company", "contract"] = "company"  #: what ``Contract`` of the contracts' filter means
    contacts: Literal["list", "flat"] = "list"  #: ``Contacts`` of ``{Type, Value}``, or ``Phone`` and ``Email``
    article_field: str = "Article"  #: the name of the article of goods
    base_field: str = "Base"  #: of the link of a variant (``U``) to its goods (``B``)
    balance_field: str = "Balances"  #: of ``{Store, Quantity}`` rows; blank: no balance is told
    balance_net: bool = False  #: balances are less what orders reserve
    lines_field: str = "Products"  #: of the lines of an order, a shipment and a return
    fixed_everywhere: bool = True  #: orders and returns have ``Fixed``, too, and not bank receipts alone
    fixed_form: Literal["bool", "number"] = "bool"  #: ``true`` or ``1``

    # --- writes
    bodies: Literal["either", "object", "array"] = "either"  #: a record, or an array of records
    batch_partial: bool = False  #: what is right in an array with a wrong record is kept; else nothing is
    add_answer: Literal["ids", "records"] = "ids"  #: what is told of what was written
    required: bool = False  #: an order without company, partner and contract is refused
    unique_site_number: bool = False  #: a second order with a ``NumberOrderSite`` that is there is refused
    sum_computed: bool = True  #: the sum of an order is that of its lines; else what was sent
    update: Literal["partial", "full"] = "partial"  #: fields that an update does not have stay, or are emptied
    update_lines: Literal["replace", "merge"] = "replace"  #: lines of an update are all; else they are added to
    update_fixed: Literal["allowed", "refused"] = "allowed"  #: an update of a document that is ``Fixed``
    fixed_by_api: bool = True  #: ``Fixed`` can be written; else it is passed over
    unknown_fields: Literal["stored", "dropped", "refused"] = "stored"  #: fields that the fake does not know
    reserves: bool = False  #: orders reserve their goods, as the account's settings may say
