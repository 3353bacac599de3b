"""How one WooCommerce shop differs from another: by its version, its settings, and what its server does to requests.

The facts and where they are from: docs/dev/woocommerce.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How this shop behaves. A test runs both ways of each."""

    # --- the server
    https: bool = True  #: what the shop believes: over plain HTTP it looks at no key at all
    authorization_header: bool = True  #: the header reaches PHP; some servers drop it
    pretty_permalinks: bool = True  #: ``/wp-json/…`` works; ``/?rest_route=…`` always does
    php_notice: bool = False  #: a notice of PHP stands before the JSON

    # --- settings
    zone: str = "Europe/Kyiv"  #: of the site: of times that are told or given without a zone
    decimal_separator: Literal[".", ","] = "."  #: of prices that are given as text
    stock_decimals: bool = False  #: stock may be a fraction; only by a plugin
    manage_stock: bool = True  #: "Enable stock management"; without it quantities are not kept at all
    batch_limit: int = 100  #: objects of one batch

    # --- version
    exact_sales: bool = True  #: since 10.5 special prices begin and end at their moment and keep their dates; before, a
    #: daily job does it, and takes the dates away with it
    sku_conflict: Literal["invalid_sku", "not_created"] = "invalid_sku"  #: the refusal of an article that is taken
    trashed_sku: Literal["free", "not_created"] = "free"  #: the article of a product in the trash
    all_variations: bool = True  #: ``/variations`` lists those of all products: since 10.3
    sales_move_date: bool = False  #: ``date_modified`` of a product moves when an order takes of its stock
    variations_move_date: bool = False  #: ``date_modified`` of a product moves when a variation of it is changed
