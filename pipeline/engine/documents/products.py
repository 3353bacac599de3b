"""What the items of an order are in the target: found by article, else by name, else to be added. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.documents import ProductSettings
from pipeline.errors import Finding, Who
from pipeline.model import Offer, Order, OrderLine
from pipeline.ports import NewProduct, Ref
from pipeline.rules.matching import normal_form
from pipeline.rules.orders import at_line
from pipeline.rules.parties import tidy
from pipeline.rules.yamlwords import yaml_word
from pipeline.texts import T

Mappings = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The product of each line, what is to be added first, and what keeps the order from being booked."""

    products: tuple[Ref | None, ...] = ()
    missing: tuple[OrderLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


def meant(line: OrderLine, mappings: Mappings) -> str:
    """The target's article of an item: as people have mapped it (an item without an article by its name)."""
    return mappings.get(("sku", line.code or line.name), line.code)


def wanted(line: OrderLine, settings: ProductSettings, mappings: Mappings) -> str:
    """The article that an item is looked up by, and gets where it is added; "" when only its name can tell."""
    code = meant(line, mappings)
    return code or (own_article(line.name) if settings.create and line.name else "")


def own_article(name: str) -> str:
    """The article that a product without one is added under: made of its name, so that the next order finds it."""
    digits = int.from_bytes(hashlib.sha256(_word(name).encode()).digest()[:8], "big") % 10**10
    return f"M-{digits:010d}"


def by_name(line: OrderLine, settings: ProductSettings, mappings: Mappings) -> bool:
    """Whether an item whose article is not there is looked for by its name. One without any always is, before it is
    added."""
    return settings.by_name or (settings.create and not meant(line, mappings))


def choose(
    order: Order,
    settings: ProductSettings,
    mappings: Mappings,
    found: Mapping[str, Sequence[Ref]],
    named: Mapping[str, Sequence[Ref]],
) -> Chosen:
    """The products of an order's lines.

    Args:
        found: by article all that have it.
        named: by name all that are called so; empty where names are not asked for.
    """
    products: list[Ref | None] = []
    missing: list[OrderLine] = []
    findings: list[Finding] = []
    notes: list[Finding] = []
    for line in order.lines:
        code = wanted(line, settings, mappings)
        refs = tuple(found.get(code, ())) if code else ()
        if not refs and by_name(line, settings, mappings):
            refs = tuple(named.get(line.name, ()))
        only = refs[0] if refs else None
        if len(refs) > 1:
            if settings.ambiguous == "hold":
                findings.append(_ambiguous(order, line, refs))
                only = None
            else:
                notes.append(_taken(order, line, refs))
        elif not refs and settings.create and code:
            missing.append(replace(line, code=code))
        elif not refs:
            findings.append(_unknown(order, line))
        products.append(only)
    return Chosen(tuple(products), tuple(missing), tuple(findings), tuple(notes))


@dataclass(frozen=True, slots=True)
class Shelf:
    """The source's own goods by article, as far as they were read: what kind of product an item is."""

    offers: Mapping[str, tuple[Offer, Offer]] = field(default_factory=dict)  #: article -> (offer, its base or itself)
    names: Mapping[str, tuple[Offer, Offer]] = field(default_factory=dict)  #: of those without an article, by name

    @classmethod
    def of(cls, offers: Iterable[Offer]) -> Shelf:
        """All offers of a system."""
        bases: dict[str, Offer] = {}
        found: dict[str, tuple[Offer, Offer]] = {}
        names: dict[str, tuple[Offer, Offer]] = {}
        for offer in offers:
            if offer.kind == "base":
                bases[offer.product] = offer
            for article in offer.keys.values():
                found.setdefault(normal_form(article), (offer, bases.get(offer.product, offer)))
            if not offer.keys and (name := _word(str(offer.values.get("name") or ""))):
                names.setdefault(name, (offer, bases.get(offer.product, offer)))
        return cls(found, names)

    def of_line(self, line: OrderLine) -> tuple[Offer | None, Offer | None]:
        """What an item is in the source, and the base of it (or itself): by article, else by name."""
        known = self.offers.get(normal_form(line.code)) if line.code else None
        return known or self.names.get(_word(line.name)) or (None, None)


def new_product(line: OrderLine, shelf: Shelf, settings: ProductSettings) -> NewProduct:
    """The card of an item's product: a variant or a service where the source says so, else plain goods.

    No price, no weight, no sizes: what an order does not know well it does not tell.
    """
    offer, base = shelf.of_line(line)
    name, unit, barcode = tidy(line.name), line.unit, line.barcode
    if offer is None or base is None:
        return NewProduct(code=line.code, name=name or line.code, unit=unit, barcode=barcode)
    unit = unit or str(offer.values.get("unit") or base.values.get("unit") or "")
    barcode = barcode or str(offer.values.get("barcode") or "")
    service = _in_category(base, settings.services) or _in_category(offer, settings.services)
    # a CRM whose products with variants have no article of their own is given one, by which the next one finds its base
    base_code = next(iter(base.keys.values()), "") or f"#{base.id}"
    variant = settings.variants and not service and offer.kind == "variant" and base is not offer
    if variant and normal_form(base_code) != normal_form(line.code):
        options = offer.values.get("options") or {}
        return NewProduct(
            code=line.code, name=name or line.code, unit=unit, barcode=barcode, base=base_code,
            base_name=str(base.values.get("name") or name), options=dict(options),
        )  # fmt: skip
    return NewProduct(code=line.code, name=name or line.code, unit=unit, barcode=barcode, service=service)


def _in_category(offer: Offer, wanted: Sequence[str]) -> bool:
    paths = [offer.values.get("category") or (), *(offer.values.get("categories") or ())]
    asked = [[_word(part) for part in path.split("/") if part.strip()] for path in wanted]
    return any([_word(part) for part in path][: len(one)] == one for path in paths if path for one in asked if one)


def _word(text: str) -> str:
    return tidy(text).casefold()


def _unknown(order: Order, line: OrderLine) -> Finding:
    code = line.code or line.name
    text = T("Product {code} ({name}) is not known to the target.", code=line.code or "—", name=line.name)
    hint = T(
        "Add it there, or say which product is meant: `mistok cards` tells how "
        "(or write it into the step: mappings: {{sku: {{{code}: …}}}}).",
        code=yaml_word(code),
    )
    return Finding("unknown-product", text, at_line(order, line), hint, Who.ACCOUNTANT, f"sku:{code}")


def _ambiguous(order: Order, line: OrderLine, refs: Sequence[Ref]) -> Finding:
    code = line.code or line.name
    codes = ", ".join(ref.code or ref.id for ref in refs)
    text = T("Product {code} ({name}) can be any of: {codes}.", code=line.code or "—", name=line.name, codes=codes)
    hint = T(
        "Say which one is meant: `mistok cards` tells how (or write it into the step: "
        "mappings: {{sku: {{{code}: …}}}}); or mend the twins.",
        code=yaml_word(code),
    )
    return Finding("ambiguous-product", text, at_line(order, line), hint, Who.ACCOUNTANT, f"sku:{code}")


def _taken(order: Order, line: OrderLine, refs: Sequence[Ref]) -> Finding:
    text = T(
        "Product {code} ({name}) can be any of: {codes}. The first was taken, as `ambiguous: first` says.",
        code=line.code or "—",
        name=line.name,
        codes=", ".join(ref.code or ref.id for ref in refs),
    )
    return Finding("first-taken", text, at_line(order, line), None, Who.ACCOUNTANT)
