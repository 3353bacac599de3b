"""Products and variations of WooCommerce <-> offers: every foreign field name, both ways. Pure.

The facts and where they are from: docs/dev/woocommerce.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from pipeline.api import Finding, Held, Money, Offer, OfferTraits, SpecialPrice, StockLevel, T, Who
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.settings import LENGTHS, WEIGHTS, WooSettings

Row = Mapping[str, Any]
Path = tuple[str, ...]
#: Where the addresses are kept from which pictures were copied: WooCommerce makes copies of its own, and forgets them.
ORIGINS = "_mistok_images"
SIZES = ("length", "width", "height")
_FIELDS = (
    "name", "description", "short_description", "price", "specials", "category", "categories", "images",
    "weight", *SIZES, "published",
)  # fmt: skip
#: What is asked for of a product, and of a variation.
PRODUCT_FIELDS = (
    "id", "name", "type", "status", "sku", "global_unique_id", "description", "short_description", "regular_price",
    "sale_price", "date_on_sale_from_gmt", "date_on_sale_to_gmt", "date_modified_gmt", "weight", "dimensions",
    "categories", "images", "attributes", "variations", "parent_id", "meta_data", "manage_stock", "stock_quantity",
    "stock_status",
)  # fmt: skip
VARIATION_FIELDS = (
    "id", "parent_id", "status", "sku", "global_unique_id", "description", "regular_price", "sale_price",
    "date_on_sale_from_gmt", "date_on_sale_to_gmt", "date_modified_gmt", "weight", "dimensions", "image", "attributes",
    "manage_stock", "stock_quantity", "stock_status",
)  # fmt: skip


def traits(settings: WooSettings) -> OfferTraits:
    """What a shop can do as an end of a sync."""
    barcode = {"barcode"} if settings.barcodes != "off" else set()
    written = frozenset(_FIELDS) | ({"barcode"} if settings.barcodes == "write" else set())
    return OfferTraits(
        keys=("sku", "gtin") if settings.barcodes != "off" else ("sku",),
        reads=frozenset({*_FIELDS, "currency", "options"} | barcode),
        writes=written,
        creates=written | {"options"},
        dated_specials=True,
        delta=True,
        batch=settings.batch,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


class View:
    """Makes offers of rows.

    Args:
        paths: of the categories by id, without that of goods in none.
        notice: hears of what cannot be read.
    """

    def __init__(
        self,
        settings: WooSettings,
        currency: str,
        paths: Mapping[int, Path],
        notice: Callable[[Finding], None] = lambda _finding: None,
    ) -> None:
        self._settings, self._currency, self._paths, self._notice = settings, currency, paths, notice

    def product(self, row: Row, *, base: bool) -> Offer:
        """A product. ``base``: it has variations, which have prices of their own."""
        own = str(v.whole(row.get("id")))
        values: dict[str, Any] = {
            "name": v.name_read(row.get("name")),
            "description": v.html_read(row.get("description")),
            "short_description": v.html_read(row.get("short_description")),
            "images": images_of(row),
            "published": row.get("status") == "publish",
            "currency": self._currency,
        }
        paths = self.paths_of(row)
        values |= {"category": paths[0] if paths else (), "categories": paths}
        return self._offer(row, own, own, "base" if base else "single", values)

    def variation(self, row: Row, product: str) -> Offer:
        """A variation of a product."""
        picture = row.get("image")
        src = v.text(picture.get("src")) if isinstance(picture, Mapping) else ""
        values: dict[str, Any] = {
            "options": options_of(row),
            "images": (src,) if src else (),
            "published": row.get("status") == "publish",
            "currency": self._currency,
        }
        return self._offer(row, str(v.whole(row.get("id"))), product, "variant", values)

    def _offer(
        self, row: Row, own: str, product: str, kind: Literal["single", "base", "variant"], values: dict[str, Any]
    ) -> Offer:
        values["weight"] = v.from_unit(row.get("weight"), WEIGHTS[self._settings.weight_unit])
        sizes = row.get("dimensions")
        for name in SIZES:
            said = sizes.get(name) if isinstance(sizes, Mapping) else None
            values[name] = v.from_unit(said, LENGTHS[self._settings.dimension_unit])
        if kind != "base":
            self._price(row, own, values)
        sku, code = (v.text(row.get(name)).strip() for name in ("sku", "global_unique_id"))
        keys = {"sku": sku} if sku else {}
        if self._settings.barcodes != "off":
            values["barcode"] = code
            keys |= {"gtin": code} if code else {}
        updated = v.moment(row.get("date_modified_gmt"))
        return Offer(id=own, product=product, kind=kind, keys=keys, values=values, updated_at=updated)

    def _price(self, row: Row, own: str, values: dict[str, Any]) -> None:
        for name in ("regular_price", "sale_price"):
            if not v.is_number(row.get(name)):
                self._notice(_no_number(own, v.text(row.get("sku")), name, v.text(row.get(name))))
        if v.is_number(row.get("regular_price")):  # what cannot be read is not known, which is not none
            values["price"] = v.number(row.get("regular_price"))
        if v.is_number(row.get("sale_price")):
            values["specials"] = specials_of(row, self._currency)

    def paths_of(self, row: Row) -> tuple[Path, ...]:
        """The paths of a product's categories, the main one first: WooCommerce marks none, so it is the deepest."""
        there = row.get("categories")
        found = {
            self._paths[key]
            for one in (there if isinstance(there, list) else ())
            if isinstance(one, Mapping) and (key := v.whole(one.get("id"))) in self._paths
        }
        return tuple(sorted(found, key=lambda path: (-len(path), path)))


def _no_number(own: str, sku: str, name: str, said: str) -> Finding:
    return Finding(
        "price-unreadable",
        T("{article}: `{name}` is `{value}`, which is no number. It is left as it is.",
          article=sku or f"#{own}", name=name, value=said),
        hint=T("Correct the price in the shop; a plugin may have written it."),
        who=Who.SITE, about=f"product:{own}",
    )  # fmt: skip


def specials_of(row: Row, currency: str) -> tuple[SpecialPrice, ...]:
    """The one special price that WooCommerce keeps: it holds from its first second to its last one, both included."""
    price = v.number(row.get("sale_price"))
    if price is None:
        return ()
    start = v.moment(row.get("date_on_sale_from_gmt"))
    end = v.until_of(v.moment(row.get("date_on_sale_to_gmt")))
    if start is not None and end is not None and start >= end:
        return ()
    return (SpecialPrice(Money(price, currency), start, end),)


def options_of(row: Row) -> dict[str, str]:
    """What makes a variation; an attribute of which it takes any value is not told."""
    there = row.get("attributes")
    return {
        v.name_read(one.get("name")): v.name_read(one.get("option"))
        for one in (there if isinstance(there, list) else ())
        if isinstance(one, Mapping) and v.text(one.get("name")) and v.text(one.get("option"))
    }


def pictures_of(row: Row) -> list[tuple[int, str]]:
    """(id, the shop's own address) of a product's pictures, the main one first."""
    there = row.get("images")
    return [
        (v.whole(one.get("id")), v.text(one.get("src")))
        for one in (there if isinstance(there, list) else ())
        if isinstance(one, Mapping) and v.text(one.get("src"))
    ]


def origins_of(row: Row) -> dict[int, str]:
    """The address that each picture was copied from, by its id, as far as it is known."""
    there = row.get("meta_data")
    for one in there if isinstance(there, list) else ():
        if isinstance(one, Mapping) and one.get("key") == ORIGINS:
            try:
                pairs = json.loads(v.text(one.get("value")))
            except ValueError:
                return {}
            return {v.whole(key): v.text(url) for key, url in pairs.items()} if isinstance(pairs, dict) else {}
    return {}


def images_of(row: Row) -> tuple[str, ...]:
    """The addresses of a product's pictures: where they were copied from, else the shop's own."""
    origins = origins_of(row)
    return tuple(origins.get(key) or src for key, src in pictures_of(row))


def origins_body(pairs: Mapping[int, str]) -> dict[str, str]:
    """The meta field that keeps where pictures came from."""
    return {"key": ORIGINS, "value": json.dumps({str(key): url for key, url in pairs.items()}, ensure_ascii=True)}


def level_of(row: Row) -> StockLevel:
    """The stock of a product or variation. Where the shop does not count it, its quantity says nothing."""
    quantity = row.get("stock_quantity")
    counted = bool(row.get("manage_stock")) and isinstance(quantity, (int, Decimal)) and not isinstance(quantity, bool)
    on_hand = Decimal(quantity) if counted and quantity is not None else Decimal(0)
    if not counted and row.get("stock_status") == "outofstock":
        counted = True  # by hand: there is none
    own = str(v.whole(row.get("id")))
    return StockLevel(v.text(row.get("sku")).strip(), "", on_hand, offer=own, counted=counted)


# --- writing ---------------------------------------------------------------------------------------------------------


def body_of(values: Mapping[str, Any], kind: str, settings: WooSettings) -> dict[str, Any]:
    """The fields of a product or variation for ``values``, without categories, pictures and options.

    Raises Held for what the shop cannot keep as it is.
    """
    body: dict[str, Any] = {}
    for name, value in values.items():
        match name:
            case "name":
                body["name"] = _name(value)
            case "description" | "short_description":
                body[name] = _html(name, value or "", settings)
            case "price":
                body["regular_price"] = _amount(value)
            case "specials":
                body |= _special(value or ())
            case "weight":
                body["weight"] = v.to_unit(_size(name, value), WEIGHTS[settings.weight_unit])
            case "length" | "width" | "height":
                said = v.to_unit(_size(name, value), LENGTHS[settings.dimension_unit])
                body.setdefault("dimensions", {})[name] = said
            case "published":
                body["status"] = "publish" if value else "private" if kind == "variant" else "draft"
            case "barcode":
                body["global_unique_id"] = _barcode(value or "")
            case _:
                continue
    return body


def _name(value: Any) -> str:
    if not v.text(value).strip():
        raise Held(T("It has no name, and the shop would call it “Product”."), code="woo-name", who=Who.SITE)
    return v.name_written(v.text(value))


def _html(name: str, value: str, settings: WooSettings) -> str:
    tag = v.removed_tag(value)
    if tag and settings.foreign_html == "hold":
        raise Held(
            T("The shop would take {tag} out of `{name}`.", tag=tag, name=name), code="woo-html", who=Who.SITE,
            hint=T("Take it out of the text, or set `foreign_html: strip` in the connection."),
        )  # fmt: skip
    return v.html_written(v.without_removed(value) if tag else value)


def _amount(value: Any) -> str:
    if value is not None and (not isinstance(value, Decimal) or not value.is_finite() or value < 0):
        raise Held(T("{value} cannot be a price.", value=str(value)), code="woo-price", who=Who.SITE)
    return v.decimal_text(value)


def _size(name: str, value: Any) -> Decimal | None:
    if value is not None and (not isinstance(value, Decimal) or not value.is_finite() or value < 0):
        raise Held(T("`{name}` cannot be {value}.", name=name, value=str(value)), code="woo-size", who=Who.SITE)
    return value


def _barcode(value: str) -> str:
    if any(sign not in "0123456789Xx-" for sign in value):
        raise Held(
            T("The shop takes only digits, X and dashes for a barcode, not {value}.", value=value), code="woo-barcode",
            who=Who.SITE,
        )  # fmt: skip
    return value


def _special(specials: Sequence[SpecialPrice]) -> dict[str, str]:
    """The fields of the first special price: the shop keeps one, and the next is written when this one is over."""
    if not specials:
        return {"sale_price": "", "date_on_sale_from_gmt": "", "date_on_sale_to_gmt": ""}
    first = specials[0]
    return {
        "sale_price": _amount(first.money.amount),
        "date_on_sale_from_gmt": v.gmt(v.first_second(first.start)) if first.start is not None else "",
        "date_on_sale_to_gmt": v.gmt(v.last_second(first.end)) if first.end is not None else "",
    }


def stock_body(quantity: Decimal, settings: WooSettings) -> dict[str, Any]:
    """The fields of a level. Raises Held for one that the shop cannot have."""
    if not quantity.is_finite() or quantity < 0:
        raise Held(T("A stock cannot be {quantity}.", quantity=str(quantity)), code="woo-stock")
    down = quantity.to_integral_value(rounding="ROUND_FLOOR")
    if quantity == down or settings.fractions == "down":
        return {"manage_stock": True, "stock_quantity": int(down)}
    if settings.fractions == "keep":
        return {"manage_stock": True, "stock_quantity": quantity}
    raise Held(
        T("The shop counts in whole numbers: {quantity} is none.", quantity=quantity), code="woo-fraction",
        hint=T("Set `fractions: down` in the connection, or `keep` when the shop has a plugin for it."),
    )  # fmt: skip


def attribute_bodies(
    there: Sequence[Row], options: Sequence[Mapping[str, str]], shared: Mapping[str, int]
) -> list[dict[str, Any]]:
    """All attributes of a product that is to have variations with ``options``: those that it has, with what is missing.

    Args:
        there: its attributes as the shop tells them.
        shared: ids of the shop's shared attributes by their names in small letters.
    """
    bodies: list[dict[str, Any]] = [
        {
            **({"id": v.whole(one.get("id"))} if v.whole(one.get("id")) else {"name": v.text(one.get("name"))}),
            "position": v.whole(one.get("position")),
            "visible": bool(one.get("visible")),
            "variation": bool(one.get("variation")),
            "options": [v.text(option) for option in one.get("options") or ()],
        }
        for one in there
    ]
    names = [v.name_read(one.get("name")).casefold() for one in there]
    for choice in options:
        for name, option in choice.items():
            if name.casefold() not in names:
                key = shared.get(name.casefold())
                bodies.append({
                    **({"id": key} if key else {"name": v.name_written(name)}),
                    "position": len(bodies), "visible": True, "variation": True, "options": [],
                })  # fmt: skip
                names.append(name.casefold())
            body = bodies[names.index(name.casefold())]
            body["variation"] = True
            if v.name_written(option) not in body["options"] and option not in map(v.name_read, body["options"]):
                body["options"].append(v.name_written(option))
    return bodies


def choice_body(options: Mapping[str, str], attributes: Sequence[Row]) -> list[dict[str, Any]]:
    """What makes a variation, by the attributes of its product as the shop tells them."""
    ids = {v.name_read(one.get("name")).casefold(): v.whole(one.get("id")) for one in attributes}
    return [
        {**({"id": key} if (key := ids.get(name.casefold())) else {"name": v.name_written(name)}),
         "option": v.name_written(option)}
        for name, option in options.items()
    ]  # fmt: skip


def shown_of(row: Row, view: View, kind: str, names: Sequence[str]) -> dict[str, Any]:
    """How the shop shows the fields that were written, of its reply to the write."""
    offer = view.variation(row, "0") if kind == "variant" else view.product(row, base=kind == "base")
    return {name: offer.values[name] for name in names if name in offer.values and name != "images"}
