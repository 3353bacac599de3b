"""Which thing of the source is which of the target: by the normal form of their articles, and never by chance. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline.engine.sync.rows import Row, Rows
from pipeline.engine.sync.unchanged import uncollected
from pipeline.errors import Finding, Where, Who
from pipeline.model import Offer
from pipeline.rules.matching import normal_form
from pipeline.syncing import MatchSettings
from pipeline.texts import TN, T

#: Code of the finding about an article that several products of the source have.
AMBIGUOUS = "ambiguous-article"
#: Of the finding about products that are sent without variants and have some in the target.
HAS_VARIANTS = "has-variants"
#: Of the finding about a twin in the source of what a person has chosen.
LEFT_OUT = "twin-left-out"


class Match(NamedTuple):
    """One row and all that it is in the target: several are twins there, and each of them is kept in step."""

    row: Row
    targets: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """All of both sides. ``missing``: rows that the target has not got."""

    pairs: tuple[Match, ...]
    bases: tuple[Match, ...]  #: of products with variants
    missing: tuple[Row, ...]
    only_there: tuple[Offer, ...]  #: offers of the target that no row is
    findings: tuple[Finding, ...]  #: ambiguous articles: held, or taken by the client's choice
    ambiguous: int = 0  #: articles that several rows have
    twins: int = 0  #: articles that several offers of the target have
    bases_there: tuple[Offer, ...] = ()  #: products with variants of the target that no product of the source is


def target_key(offer: Offer, name: str, settings: MatchSettings) -> str:
    """The normal form of the article by which an offer of the target is found; "" when it has none."""
    article = offer.keys.get(name, "")
    return normal_form(article, settings.rules()) if article.strip() else ""


def match(rows: Rows, targets: Iterable[Offer], key_name: str, settings: MatchSettings) -> Matches:
    """Match the rows of a source with the offers of a target.

    Args:
        key_name: the target's article field.
    """
    with uncollected():
        return _Matcher(rows, key_name, settings).go(targets)


@dataclass
class _Matcher:
    rows: Rows
    key_name: str
    settings: MatchSettings
    findings: list[Finding] = field(default_factory=list)
    ambiguous: int = 0
    own: Mapping[str, Sequence[Row]] | None = None  #: the rows by their keys, once they are asked for

    def go(self, targets: Iterable[Offer]) -> Matches:
        there: dict[str, tuple[Offer, ...]] = {}
        bases_there: dict[str, tuple[Offer, ...]] = {}
        by_product: dict[str, Offer] = {}
        every = targets if isinstance(targets, Sequence) else list(targets)
        known = {row.article: row.key for row in self.rows.sold}  # most are written alike in both
        for offer in every:
            article = offer.keys.get(self.key_name, "")
            key = known.get(article) or target_key(offer, self.key_name, self.settings)
            if offer.kind == "base":
                by_product[offer.product or offer.id] = offer
                if key:
                    bases_there[key] = (*bases_there.get(key, ()), offer)
            elif key:
                there[key] = (*there[key], offer) if key in there else (offer,)
        chosen = self._one_row_each(self.rows.sold)
        pairs: list[Match] = []
        missing: list[Row] = []
        used: set[str] = set()
        whole: set[str] = set()  #: products of the target that are matched whole
        twins = 0
        for row in chosen:
            found = there.get(row.key, ())
            if by_product:
                found = (*found, *self._whole(row, there, bases_there, by_product))
            if not found:
                missing.append(row)
                continue
            pairs.append(tuple.__new__(Match, (row, found)))  # Match(…), in half its time
            if len(found) == 1:
                used.add(found[0].id)
            else:
                twins += 1
                self.findings.append(_twins(row, found))
                used.update(one.id for one in found)
            if by_product:
                whole.update({one.product or one.id for one in found if one.kind == "base"})
        matched_bases = self._bases(pairs, bases_there, by_product)
        used.update(one.id for pair in matched_bases for one in pair.targets)
        if whole:
            self.findings.append(_with_variants([by_product[name] for name in sorted(whole) if name in by_product]))
        # the variants of what is matched whole are neither ours nor strangers
        left = [] if len(used) == len(every) else [
            one for one in every if one.id not in used and not (one.kind == "variant" and one.product in whole)
        ]  # fmt: skip
        only_there = tuple(one for one in left if one.kind != "base")
        left_bases = tuple(one for one in left if one.kind == "base")
        return Matches(
            tuple(pairs), matched_bases, tuple(missing), only_there, tuple(self.findings), self.ambiguous, twins,
            left_bases,
        )  # fmt: skip

    def _whole(
        self,
        row: Row,
        there: Mapping[str, Sequence[Offer]],
        bases_there: Mapping[str, Sequence[Offer]],
        by_product: Mapping[str, Offer],
    ) -> Iterable[Offer]:
        """Products that the target has with variants, and the source without, or sends without: known by their own
        article, else by the variants that the source leaves out. A second one would be a twin."""
        if row.offer.kind != "single":
            return ()
        sold = {one.product for one in there.get(row.key, ())}
        found = {one.id: one for one in bases_there.get(row.key, ()) if (one.product or one.id) not in sold}
        if not found and not sold and (parts := self.rows.parts.get(row.offer.id)):
            own = self.own = self.own or self.by_key(self.rows.sold)
            of_variants = [one for key in parts if key not in own for one in there.get(key, ())]
            bases = [by_product[one.product] for one in of_variants if one.product in by_product]
            found = {one.id: one for one in bases if target_key(one, self.key_name, self.settings) not in own}
        return found.values()

    @staticmethod
    def by_key(sold: Sequence[Row]) -> Mapping[str, list[Row]]:
        """The rows by their keys, in the order of the source."""
        found: dict[str, list[Row]] = {}
        for row in sold:
            found.setdefault(row.key, []).append(row)
        return found

    def _one_row_each(self, sold: Sequence[Row]) -> Sequence[Row]:
        if len({row.key for row in sold}) == len(sold):
            return sold
        chosen: list[Row] = []
        for rows in self.by_key(sold).values():
            if len(rows) == 1:
                chosen.append(rows[0])
                continue
            given = [row for row in rows if row.given]
            if len(given) == 1:  # a person has said which of them it is
                self.findings.append(_left_out(given[0], [row for row in rows if not row.given]))
                chosen.append(given[0])
                continue
            self.ambiguous += 1
            take_first = self.settings.ambiguous == "first"
            self.findings.append(_ambiguous(rows, take_first=take_first))
            if take_first:
                chosen.append(rows[0])
        return chosen

    def _bases(
        self, pairs: Sequence[Match], by_key: Mapping[str, Sequence[Offer]], by_product: Mapping[str, Offer]
    ) -> tuple[Match, ...]:
        """Products with variants: known by their own article, else by the products of their matched variants."""
        if not self.rows.bases:
            return ()
        found: dict[str, dict[str, Offer]] = defaultdict(dict)
        for product, row in self.rows.bases.items():
            for offer in by_key.get(row.key, ()) if row.key else ():
                found[product][offer.id] = offer
        for pair in pairs:
            product = pair.row.product
            if product in self.rows.bases:
                for target in pair.targets:
                    base = by_product.get(target.product)
                    if base is not None:
                        found[product].setdefault(base.id, base)
        return tuple(Match(self.rows.bases[product], tuple(offers.values())) for product, offers in found.items())


def _twins(row: Row, found: Sequence[Offer]) -> Finding:
    return Finding(
        "twins",
        T(
            "{article}: the target has {count} with this article: {names}. All of them are kept in step.",
            article=row.article,
            count=TN("{n} product", "{n} products", len(found)),
            names=named(found),
        ),
        Where(element=row.article),
        T("Keep one of them, and delete the others in the target."),
        Who.ACCOUNTANT,
    )


def _with_variants(bases: Sequence[Offer]) -> Finding:
    text = TN(
        "{n} product is sent without variants, and the target has it with variants: {names}. What belongs to the "
        "product is kept in step; prices and stock of its variants there stay.",
        "{n} products are sent without variants, and the target has them with variants: {names}. What belongs to the "
        "products is kept in step; prices and stock of their variants there stay.",
        len(bases),
        names=named(bases),
    )
    hint = T("Send its variants, too (`base_only` of the step), or take them away in the target.")
    return Finding(HAS_VARIANTS, text, hint=hint, who=Who.ADMIN)


def without_bases(matches: Matches) -> Matches:
    """The same for what a product with variants has not got itself: its stock is that of its variants."""
    pairs = [Match(one.row, tuple(two for two in one.targets if two.kind != "base")) for one in matches.pairs]
    return replace(matches, pairs=tuple(one for one in pairs if one.targets))


def _left_out(chosen: Row, others: Sequence[Row]) -> Finding:
    text = T(
        "{article}: it is {title}, as a person has said; {names} of the source, with the same article, is left out.",
        article=chosen.article,
        title=named([chosen.offer]),
        names=named([row.offer for row in others]),
    )
    hint = T("Give it an article of its own in the source.")
    return Finding(LEFT_OUT, text, Where(element=chosen.article), hint, Who.SITE)


def _ambiguous(rows: Sequence[Row], *, take_first: bool) -> Finding:
    articles = ", ".join(dict.fromkeys(row.article for row in rows))
    names = named([row.offer for row in rows])
    if take_first:
        text = T(
            "{articles}: {count} of the source have one article: {names}. The first is taken, as the config says.",
            articles=articles,
            count=TN("{n} product", "{n} products", len(rows)),
            names=names,
        )
    else:
        text = T(
            "{articles}: {count} of the source have one article: {names}. Nothing is done with them.",
            articles=articles,
            count=TN("{n} product", "{n} products", len(rows)),
            names=names,
        )
    return Finding(
        AMBIGUOUS,
        text,
        Where(element=rows[0].article),
        T(
            "Give each an article of its own in the source, or say which article of the target one of them is: "
            "mistok resolve CARD --map {example}",
            example=f"sku:#{rows[0].offer.id}=…",
        ),
        Who.SITE,
        about=f"sku:#{rows[0].offer.id}",
    )


def named(offers: Sequence[Offer], most: int = 5) -> str:
    """The first ``most`` of them for people: name and id."""
    words = [f"{one.title} ({one.id})" if one.id and one.title != one.id else one.title for one in offers[:most]]
    return ", ".join(words) + (" …" if len(offers) > most else "")
