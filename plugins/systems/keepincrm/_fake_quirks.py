"""What public sources leave open about KeepinCRM's API, as switches: the fake can be each account that may be met.

The sources are the vendor's own shop modules and public client code; no live call was made and the vendor's Swagger
could not be read. Each default is what most of the sources show, or the plain reading of the framework that the API
shows (Rails with Ransack filters and nested attributes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Allowed = Literal["works", "not_found", "unprocessable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How this account behaves. A test runs both (all) ways of each."""

    # --- the account
    free_plan: bool = False  #: every request is answered with 402
    free_plan_body: Literal["message", "errors", "error"] = "message"  #: where the words of the 402 stand
    rate_limit: int = 0  #: requests in a minute, then 429; 0: no limit. One source speaks of 100
    retry_after: Literal["seconds", "date", "none"] = "seconds"  #: the header of a 429
    not_found: Literal["html", "text", "empty"] = "html"  #: the body of a 404, which is known to be no JSON
    refusal: Literal[422, 400, 500] = 422  #: how a misshapen body is refused; 400 and 500 give no detail
    unknown_fields: Literal["ignored", "refused"] = "ignored"  #: names in a body that the API does not know
    zone: Literal["UTC", "Europe/Kyiv"] = "Europe/Kyiv"  #: of the times it tells, and of those given without a zone
    milliseconds: bool = True  #: in the times it tells

    # --- lists
    per_page: int = 25  #: rows of a page when the client does not say
    per_page_max: int = 100  #: more is cut to this; 0: ``per_page`` is not listened to at all
    pagination_counts: bool = True  #: ``current_page`` and ``total_count`` beside ``total_pages``
    order: Literal["newest_first", "oldest_first"] = "newest_first"  #: of rows when no sorting is asked for
    statuses_bare: bool = True  #: ``/clients/statuses`` is a bare array, not ``items``
    updated_at_filter: Literal["works", "ignored", "refused"] = "works"  #: ``q[updated_at_gteq]`` and its like
    unknown_filter: Literal["ignored", "refused"] = "ignored"  #: fields and predicates that are not known
    stage_filter: bool = False  #: ``q[stage_id_eq]`` filters; one client found that it does not
    sorting: bool = True  #: ``q[s]`` is listened to

    # --- materials
    create_material: Allowed = "works"  #: ``POST /materials``: not seen in any source
    #: ``PUT /materials/sku/{sku}`` of a SKU that is not there
    upsert_by_sku: Literal["creates", "not_found", "unprocessable"] = "not_found"
    delete_material: Literal["removes", "archives", "not_found"] = "removes"
    delete_answer: Literal["json", "empty"] = "json"  #: 200 with the row, or 204
    categories: Allowed = "works"  #: ``GET /materials/categories``
    create_category: Allowed = "works"  #: ``POST /materials/categories``: not seen
    category_name: Literal["name", "title"] = "name"  #: the key of a category's name
    category_parents: bool = True  #: categories have ``parent_id``
    category_read: Literal["object", "name", "absent"] = "object"  #: ``category`` of a material, beside ``category_id``
    duplicate_sku: Literal["first", "last", "touched"] = (
        "first"  #: which of several ``/materials/sku/{sku}`` answers for
    )
    sku_unique: bool = False  #: a new material with a SKU that is there is refused
    sku_slash: bool = True  #: an encoded ``/`` in the path is a part of the SKU
    sku_dot: bool = True  #: a ``.`` in the path is a part of the SKU, not the beginning of a format
    sku_case: bool = True  #: the SKU in the path counts with its case
    price_names: Literal["amount", "both", "plain"] = "amount"  #: ``price_amount``, ``price`` or both are told
    price_form: Literal["text", "number", "comma"] = "text"  #: ``"450.5"``, ``450.5`` or ``"1 234,50"``
    named_prices: Literal["map", "text", "list", "absent"] = "map"  #: how ``named_custom_prices`` are told
    named_prices_merge: bool = True  #: kinds that a write does not name are left as they are
    unknown_price_kind: Literal["refused", "ignored", "made"] = "refused"
    custom_fields_read: Literal["titles", "slugs"] = "titles"  #: keys of a material's ``custom_fields``
    custom_fields_merge: bool = True  #: fields that a write does not name are left as they are
    extra_fields: tuple[str, ...] = ()  #: further plain fields of a material, such as a special price and its dates
    stock_names: Literal["apart", "both"] = "apart"  #: ``stock_available`` in lists and ``available`` of one, or both
    rests_read: bool = True  #: ``stock_rests`` by office id
    rests_write: Literal["set", "append", "refused"] = "set"  #: what ``stock_rests_attributes`` do
    unknown_office: Literal["refused", "ignored"] = "refused"
    available_write: Literal["sets", "ignored"] = "sets"  #: ``available`` at the top, of a material without offices
    office_filter: bool = True  #: ``office_id`` of the list: stock is that office's
    material_times: bool = False  #: materials tell ``created_at`` and ``updated_at``
    archived_listed: bool = True  #: lists tell materials with ``irrelevant``

    # --- agreements and clients
    total_required: bool = False  #: without ``total`` and ``products_total_as_total``: 422
    company_required: bool = False  #: ``client_attributes`` without ``company`` is refused, as a blank one always is
    client_matching: bool = False  #: a client with that phone or e-mail is taken rather than made
    client_by_id: bool = True  #: ``client_id`` is listened to
    line_material: Literal["always", "with_sku", "never"] = "always"  #: when a line without a match makes a material
    price_list: bool = False  #: the material's own price goes over the sent one, unless ``ignore_price_list=true``
    patch_jobs: Literal["append", "taken"] = "append"  #: lines in a PATCH are added, or refused
    job_ids: bool = True  #: lines in a PATCH with ``id`` change that line, with ``_destroy`` remove it
    result_write: bool = True  #: ``result`` can be written
    unknown_stage: Literal["refused", "ignored"] = "refused"
    create_answer: Literal["short", "full"] = "short"  #: ``id``, ``created_at``, ``updated_at``; or all
    total_name: Literal["total_amount", "total", "both"] = "both"
    total_form: Literal["number", "text", "comma"] = "number"
    stage_read: Literal["both", "name"] = "both"  #: ``stage`` with id and ``stage_id``; or ``stage`` with its name only
    jobs_read: Literal["flat", "nested", "absent"] = "flat"  #: how lines are told
    jobs_in_list: bool = True

    # --- webhooks
    webhook_escape: Literal["none", "json", "html"] = "none"  #: of values put into a template
