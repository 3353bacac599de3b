"""What has gone from the source, and what becomes of it in the target: hidden, without stock, or left. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.engine.sync.match import Matches
from pipeline.engine.sync.rows import TOLD, Rows
from pipeline.errors import Finding, Who
from pipeline.model import Offer
from pipeline.ports import OfferTraits
from pipeline.syncing import CatalogueSyncSettings
from pipeline.texts import TN, T


@dataclass(frozen=True, slots=True)
class Vanish:
    """An offer of the target whose source is gone; ``act``: hide, zero-stock or keep."""

    target: Offer
    act: str
    by_product: bool = False  #: it is hidden with its product, and needs nothing of its own


@dataclass(frozen=True, slots=True)
class Vanished:
    """All of them, and what is said of them."""

    gone: tuple[Vanish, ...] = ()
    findings: tuple[Finding, ...] = ()


def vanished(
    rows: Rows,
    matches: Matches,
    traits: OfferTraits,
    settings: CatalogueSyncSettings,
    links: Mapping[str, str],
    went: Collection[str],
) -> Vanished:
    """What was in step and whose source is gone. A product with variants is, when the last of its variants is.

    Args:
        traits: of the target.
        links: by the target's id, the source's key of what is in step.
        went: ids, in the target, of what had gone before.
    """
    keys = {row.key for row in (*rows.sold, *rows.bases.values()) if row.key} | rows.unpublished | rows.elsewhere
    gone = [one for one in matches.only_there if one.id in links and links[one.id] not in keys]
    bases = _bases(matches, gone, keys, links, went)
    if settings.vanished != "hide":
        # the stock is that of the variants
        return Vanished((*(Vanish(one, settings.vanished) for one in gone), *(Vanish(one, "keep") for one in bases)))
    whole = {one.product or one.id for one in bases}
    found: list[Vanish] = []
    stuck: list[Offer] = []
    for offer in (*bases, *gone):
        with_product = offer.kind == "variant" and offer.product in whole
        if offer.values.get("published") is False:
            found.append(Vanish(offer, "keep"))
        elif traits.hides(offer):
            found.append(Vanish(offer, "hide"))
        elif with_product and "published" in traits.writes:
            found.append(Vanish(offer, "hide", by_product=True))
        else:
            found.append(Vanish(offer, "keep"))
            stuck += [] if with_product else [offer]
    variants = [one for one in stuck if one.kind == "variant" and "published" in traits.writes]
    products = [one for one in stuck if one not in variants]
    return Vanished(tuple(found), (*_cannot_hide(products), *_cannot_hide_variants(variants)))


def _bases(
    matches: Matches, gone: Sequence[Offer], keys: Collection[str], links: Mapping[str, str], went: Collection[str]
) -> list[Offer]:
    """Products with variants that have gone: none of their variants is there any more, and none is the target's own."""
    going = {one.id for one in gone}
    staying = {target.product for pair in matches.pairs for target in pair.targets if target.kind == "variant"}
    staying |= {
        one.product
        for one in matches.only_there
        if one.kind == "variant" and one.id not in going and one.id not in went
    }
    return [
        base
        for base in matches.bases_there
        if base.id in links and links[base.id] not in keys and (base.product or base.id) not in staying
    ]


def _cannot_hide(offers: Sequence[Offer]) -> tuple[Finding, ...]:
    if not offers:
        return ()
    text = T(
        "{n} gone from the source, and the target cannot hide products: what is there stays as it is.",
        n=TN("{n} product has", "{n} products have", len(offers)),
    )
    hint = T("Hide or sell them off there, and write `vanished: keep` or `zero-stock` into the step.")
    return (Finding("cannot-hide", text, hint=hint, who=Who.ADMIN),)


def _cannot_hide_variants(offers: Sequence[Offer]) -> tuple[Finding, ...]:
    if not offers:
        return ()
    articles = [next(iter(one.keys.values()), one.id) for one in offers]
    text = TN(
        "{n} variant has gone from the source, and the target hides whole products only: {names}. It stays as it is.",
        "{n} variants have gone from the source, and the target hides whole products only: {names}. They stay as "
        "they are.",
        len(offers),
        names=", ".join(articles[:TOLD]) + (" …" if len(articles) > TOLD else ""),
    )
    hint = T("Switch them off there by hand; with `vanished: zero-stock` nobody can buy what has gone.")
    return (Finding("cannot-hide", text, hint=hint, who=Who.ADMIN),)
