"""The article report of two systems: what is the same, what differs, what is only in one, twins. Changes nothing.

What jobs of the config keep in step between the two is compared as each of their steps would leave it (a special price
that holds, a buffer, hidden products, categories without variants …); without such steps, all prices and the whole
stock. See looks.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from pipeline.engine.context import Progress, RunContext
from pipeline.engine.sync import accounts, store
from pipeline.engine.sync import match as matching
from pipeline.engine.sync.apart import Apart, levels_there, prices_apart, stock_apart
from pipeline.engine.sync.looks import Look, looks, mappings_of, match_settings
from pipeline.engine.sync.planrows import plain
from pipeline.engine.sync.rows import Rows, as_products, base_only_of, shape, unsent
from pipeline.errors import ConfigError, Finding
from pipeline.model import Offer, StockLevel
from pipeline.ports import Noticing, Offers, OfferTraits, Stock, System
from pipeline.texts import T

__all__ = ["Alone", "Comparison", "Difference", "compare", "match_settings", "remember", "rows_of"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A price, its currency, or the stock, of one thing that is not in one of the two as a step would have it."""

    article: str
    name: str
    id: str  #: in the second system
    field: str  #: a price's name, ``currency``, or ``stock`` (with the target's warehouse, where the step names them)
    first: Any
    second: Any
    steps: tuple[str, ...] = ()  #: that would mend it, as ``job/step``; none: no step is about it


@dataclass(frozen=True, slots=True)
class Alone:
    """What one of the two has and the other has not."""

    article: str
    name: str
    id: str
    steps: tuple[str, ...] = ()  #: that look for it in the other


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found. ``clean``: every article is in both, once, with the same prices and stock."""

    matched: int
    differences: tuple[Difference, ...] = ()
    only_first: tuple[Alone, ...] = ()
    only_second: tuple[Alone, ...] = ()
    findings: tuple[Finding, ...] = ()  #: twins, ambiguous, without an article
    counts: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[Finding, ...] = ()  #: what the systems noticed while they were read; nobody is waited for

    @property
    def clean(self) -> bool:
        """Whether nothing is open."""
        return not (self.differences or self.only_first or self.only_second or self.findings)


def compare(ctx: RunContext, first: str, second: str, keys: Sequence[str] = ()) -> Comparison:
    """Read both and compare.

    Args:
        keys: article fields of ``first`` to match by; those of the steps between the two when empty.

    Raises:
        ConfigError, Refused, Transient.
    """
    sides = {name: _Side.read(ctx.system(name), name, ctx.report) for name in (first, second)}
    seen = [_Seen.of(ctx, look, sides) for look in looks(ctx, first, second, keys)]
    found = _Together(ctx, first, second, sides, seen)
    remarks = [one for side in sides.values() for one in side.noticed()]
    remarks += {str(one.text): one for each in seen for one in each.matches.findings if one.code in QUIET}.values()
    return found.told(tuple(remarks))


#: Findings that keep nobody from being in step.
QUIET = frozenset({matching.HAS_VARIANTS, matching.LEFT_OUT})


@dataclass
class _Side:
    """One of the two, read once."""

    system: System
    name: str
    offers: Sequence[Offer]
    traits: OfferTraits
    levels: Sequence[StockLevel] | None  #: None: it tells no stock

    @classmethod
    def read(cls, system: System, name: str, report: Progress) -> _Side:
        if not isinstance(system, Offers):
            raise ConfigError(T("{name} cannot tell its products.", name=name))
        offers = []
        for n, offer in enumerate(system.offers(), 1):
            if n % 50 == 0:
                report(n, None, T("reading {name}", name=name))
            offers.append(offer)
        levels = list(system.levels()) if isinstance(system, Stock) else None
        return cls(system, name, offers, system.offer_traits(), levels)

    def noticed(self) -> Sequence[Finding]:
        return self.system.noticed() if isinstance(self.system, Noticing) else ()


@dataclass
class _Seen:
    """What one look has found."""

    look: Look
    rows: Rows
    matches: matching.Matches
    unsent: frozenset[str]  #: keys of what the target lacks on purpose
    known: frozenset[str]  #: keys of all that the source has, sent or not
    members: Mapping[str, str]  #: of the target: id of a variant -> the base that stands for it
    key: str  #: the target's article field

    @classmethod
    def of(cls, ctx: RunContext, look: Look, sides: Mapping[str, _Side]) -> _Seen:
        source, target = sides[look.source], sides[look.to]
        with ctx.ledger.read() as conn:
            account = accounts.account_of(ctx, look.source, source.system)
            given = accounts.articles(ctx.ledger, conn, look.source, look.to, account)
        mappings = mappings_of(look.goods.match, given)
        rows = shape(source.offers, look.goods, target.traits, mappings, look.change)
        whole = look.goods.model_copy(update={"only_published": False, "categories": ()})
        every = rows if whole == look.goods else shape(source.offers, whole, target.traits, mappings, look.change)
        there, members = as_products(target.offers, base_only_of(ctx.config, look.to, look.source))
        key = look.goods.match.target or target.traits.keys[0]
        matches = matching.match(rows, there, key, look.goods.match)
        left_out = frozenset() if look.creates else unsent(ctx.config, look.source, look.to, rows)
        return cls(look, rows, matches, left_out, frozenset(row.key for row in every.sold), members, key)

    @property
    def missing(self) -> list[Alone]:
        """What the source would have in the target, and is not there."""
        steps = (self.look.step,) if self.look.step else ()
        return [
            Alone(row.article, row.offer.title, row.offer.id, steps)
            for row in self.matches.missing
            if row.key not in self.unsent and not row.hidden
        ]

    def is_stranger(self, offer: Offer) -> bool:
        """Whether the source has nothing that could be this offer of the target."""
        return matching.target_key(offer, self.key, self.look.goods.match) not in self.known

    def apart(self, sides: Mapping[str, _Side], at: datetime) -> list[Apart]:
        """What the step would mend."""
        source, target = sides[self.look.source], sides[self.look.to]
        if self.look.stock is None:
            return prices_apart(self.matches.pairs, self.look.goods, target.traits, at)
        if source.levels is None or target.levels is None:
            return []
        there = levels_there(target.levels, self.look.stock, self.members)
        return stock_apart(self.matches.pairs, source.levels, there, self.look.stock, self.rows.members)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (*self.rows.findings, *(one for one in self.matches.findings if one.code not in QUIET))


@dataclass
class _Together:
    """What all looks have found, as one: nothing is told twice."""

    ctx: RunContext
    first: str
    second: str
    sides: Mapping[str, _Side]
    seen: Sequence[_Seen]

    def told(self, remarks: tuple[Finding, ...]) -> Comparison:
        """All of it."""
        # what no step is about is looked at among the things that steps send, where there are any
        steps = [one for one in self.seen if one.look.step] or list(self.seen)
        goods = [one for one in steps if one.look.stock is None] or steps
        met: dict[str, set[str]] = {self.first: set(), self.second: set()}
        for one in steps:
            for pair in (*one.matches.pairs, *one.matches.bases):
                met[one.look.source].add(pair.row.offer.id)
                met[one.look.to].update(target.id for target in pair.targets)
        matched = {own for one in steps for own in self._first_ids(one)}
        sent = {own for one in goods for own in self._first_ids(one)}
        differences = self._differences(sent)
        only_first, only_second = (self._alone(name, steps, met[name]) for name in (self.first, self.second))
        findings, twins = self._findings(steps)
        counts = {
            "matched": len(matched),
            "differ": len({(one.article, one.id) for one in differences}),
            "only_first": len(only_first),
            "only_second": len(only_second),
            "twins": twins[self.second],
            "ambiguous": twins[self.first],
            "keyless": sum(one.code == "no-article" for one in findings),
        }
        return Comparison(len(matched), differences, only_first, only_second, findings, counts, remarks)

    def _first_ids(self, seen: _Seen) -> set[str]:
        """Ids, in the first, of what was found in both."""
        if seen.look.source == self.first:
            return {pair.row.offer.id for pair in seen.matches.pairs}
        return {target.id for pair in seen.matches.pairs for target in pair.targets}

    def _differences(self, sent: set[str]) -> tuple[Difference, ...]:
        found: dict[tuple[str, str, str, str], Difference] = {}
        for seen in self.seen:
            look, forward = seen.look, seen.look.source == self.first
            for one in seen.apart(self.sides, self.ctx.clock.now()):
                if not look.step and one.own not in sent:
                    continue
                here, there = (one.own, one.there) if forward else (one.there, one.own)
                ours, theirs = (one.ours, one.theirs) if forward else (one.theirs, one.ours)
                mark = (here, there, one.field, f"{ours!r} {theirs!r}")
                steps = (*(found[mark].steps if mark in found else ()), *((look.step,) if look.step else ()))
                found[mark] = Difference(one.article, one.name, there, one.field, ours, theirs, steps)
        return tuple(found.values())

    def _alone(self, name: str, steps: Sequence[_Seen], met: set[str]) -> tuple[Alone, ...]:
        """What only ``name`` has: what a step would send and does not find, and what no step knows in its source."""
        found: dict[str, Alone] = {}
        for seen in steps:
            for one in seen.missing if seen.look.source == name else ():
                if one.id not in met:
                    before = found.get(one.id, one).steps
                    found[one.id] = Alone(one.article, one.name, one.id, tuple(dict.fromkeys((*before, *one.steps))))
        into = [one for one in steps if one.look.to == name]
        counted = [{offer.id for offer in one.matches.only_there if one.is_stranger(offer)} for one in into]
        strangers = set.intersection(*counted) if counted else set()
        for offer in into[0].matches.only_there if into else ():
            if offer.id in strangers and offer.id not in met:
                found.setdefault(offer.id, Alone(next(iter(offer.keys.values()), ""), offer.title, offer.id))
        return tuple(found.values())

    def _findings(self, steps: Sequence[_Seen]) -> tuple[tuple[Finding, ...], dict[str, int]]:
        """Each once; and by system the articles that several of its own have."""
        found: dict[tuple[str, str], Finding] = {}
        twins: dict[str, set[str]] = {self.first: set(), self.second: set()}
        for seen in steps:
            for one in seen.findings:
                where = {"twins": seen.look.to, "ambiguous-article": seen.look.source}.get(one.code)
                article = (one.where.element or "").casefold()
                if where is not None:
                    if article in twins[where] and (one.code, str(one.text)) not in found:
                        continue  # told by a step of the other direction
                    twins[where].add(article)
                found.setdefault((one.code, str(one.text)), one)
        return tuple(found.values()), {name: len(articles) for name, articles in twins.items()}


def remember(ctx: RunContext, first: str, second: str, by: str) -> None:
    """Write down that these two, these very accounts, were found in step: jobs between them may begin to write."""
    marks = {name: accounts.account_of(ctx, name, ctx.system(name)) for name in (first, second)}
    with ctx.begin() as conn:
        for pair in (f"{first}>{second}", f"{second}>{first}"):
            value = {"at": ctx.clock.now().isoformat(), "by": by, "accounts": marks}
            ctx.ledger.set_value(conn, store.COMPARED, pair, value)


def rows_of(found: Comparison, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """As rows for tables, JSON and XLSX; times in ``zone``."""
    rows: list[dict[str, Any]] = [
        {
            "what": "differs", "article": one.article, "name": one.name, "id": one.id, "field": one.field,
            "first": _text(one.first, zone), "second": _text(one.second, zone), "steps": list(one.steps),
        }
        for one in found.differences
    ]  # fmt: skip
    for what, some in (("only-first", found.only_first), ("only-second", found.only_second)):
        rows += [
            {"what": what, "article": one.article, "name": one.name, "id": one.id, "steps": list(one.steps)}
            for one in some
        ]
    return rows


def _text(value: Any, zone: tzinfo) -> str | None:
    match plain(value, zone):
        case None:
            return None
        case list() as several:
            return " / ".join(map(str, several))
        case one:
            return str(one)
