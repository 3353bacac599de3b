"""The article report of two systems: what is the same, what differs, what is only in one, twins. Changes nothing.

What jobs of the config keep in step between the two is compared as these jobs would leave it (a special price that
holds, a buffer, hidden products, categories without variants …); without such jobs, all prices and the whole stock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from pipeline.config.model import ClientConfig
from pipeline.engine.context import Progress, RunContext
from pipeline.engine.sync import match as matching
from pipeline.engine.sync import store
from pipeline.engine.sync.catalogue import plain
from pipeline.engine.sync.plan import other_currencies, same
from pipeline.engine.sync.rows import Row, as_products, base_only_of, shape, values_for
from pipeline.engine.sync.stock import sellable_by_warehouse
from pipeline.errors import ConfigError, Finding
from pipeline.flow import SyncStep
from pipeline.ledger import decisions
from pipeline.model import Offer, StockLevel
from pipeline.ports import Noticing, Offers, OfferTraits, Stock, System
from pipeline.rules.stock import without_totals
from pipeline.syncing import (
    CatalogueSyncSettings,
    MatchSettings,
    PriceSyncSettings,
    StockSyncSettings,
    SyncSettings,
    is_price,
)
from pipeline.texts import T


@dataclass(frozen=True, slots=True)
class Difference:
    """A price, its currency, or the stock, of one thing that is not in the second as the first would have it."""

    article: str
    name: str
    id: str  #: in the second system
    field: str  #: a price's name, ``currency``, or ``stock`` (with the second's warehouse, where jobs name them)
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found. ``clean``: every article is in both, once, with the same prices and stock."""

    matched: int
    differences: tuple[Difference, ...] = ()
    only_first: tuple[Row, ...] = ()
    only_second: tuple[Offer, ...] = ()
    findings: tuple[Finding, ...] = ()  #: twins, ambiguous, without an article
    counts: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[Finding, ...] = ()  #: what the systems noticed while they were read; nobody is waited for

    @property
    def clean(self) -> bool:
        """Whether nothing is open."""
        return not (self.differences or self.only_first or self.only_second or self.findings)


def match_settings(config: ClientConfig, first: str, second: str) -> MatchSettings:
    """How the first job between these two systems matches, else the default."""
    for job in config.jobs.values():
        for spec in job.steps:
            params = spec.params
            if isinstance(params, SyncSettings) and {params.source, params.to} == {first, second}:
                return params.match
    return MatchSettings()


def compare(ctx: RunContext, first: str, second: str, how: MatchSettings) -> Comparison:
    """Read both and compare. Raises ConfigError, Refused, Transient."""
    one, other = ctx.system(first), ctx.system(second)
    left, right = _offers(one, first), _offers(other, second)
    traits = right.offer_traits()
    settings = catalogue_settings(ctx.config, first, second, how)
    settings = settings.model_copy(update={"base_only": base_only_of(ctx.config, first, second)})
    stock = next((one for one in _jobs(ctx.config, first, second) if isinstance(one, StockSyncSettings)), None)
    with ctx.ledger.read() as conn:
        given = decisions.articles_of(conn, ctx.client, first, second)
    mappings = {**{("sku", code): meant for code, meant in how.aliases.items()}, **given}
    told = list(_counted(left, first, ctx.report))
    change = _change(ctx, first, second)
    sent = shape(told, settings, traits, mappings, change)
    whole = settings.model_copy(update={"only_published": False, "categories": ()})
    every = shape(told, whole, traits, mappings, change)
    rows = every if stock is not None else sent  # levels are kept in step of what buyers do not see, too
    key = how.target or traits.keys[0]
    there, members = as_products(_counted(right, second, ctx.report), base_only_of(ctx.config, second, first))
    matches = matching.match(rows, there, key, how)
    shown = {row.key for row in sent.sold}
    missing = tuple(row for row in matches.missing if row.key in shown)
    known = {row.key for row in every.sold}
    only_there = tuple(offer for offer in matches.only_there if matching.target_key(offer, key, how) not in known)
    pairs = [pair for pair in matches.pairs if pair.row.key in shown]
    differences = _prices(pairs, settings, traits, ctx.clock.now())
    levels = stock or StockSyncSettings(**{"from": first}, to=second)
    differences += _stock(one, other, matches, levels, rows.members, members)
    findings = (*rows.findings, *matches.findings)
    counts = {
        "matched": len(matches.pairs),
        "differ": len({(one.article, one.id) for one in differences}),
        "only_first": len(missing),
        "only_second": len(only_there),
        "twins": matches.twins,
        "ambiguous": matches.ambiguous,
        "keyless": sum(one.code == "no-article" for one in findings),
    }
    remarks = tuple(finding for each in (one, other) if isinstance(each, Noticing) for finding in each.noticed())
    return Comparison(len(matches.pairs), tuple(differences), missing, only_there, findings, counts, remarks)


def _change(ctx: RunContext, first: str, second: str) -> Callable[[Offer, Any], Offer | None] | None:
    """What a client's own step between the two makes of each offer, with the parameters of that step: of the step that
    creates products, else of another one about prices, else of one about stock."""
    found: list[tuple[bool, bool, Callable[[Offer, Any], Offer | None], SyncSettings]] = []
    for job in ctx.config.jobs.values():
        for spec in job.steps:
            params, kind = spec.params, ctx.registry.steps[spec.step].kind
            if (
                isinstance(params, SyncSettings)
                and isinstance(kind, SyncStep)
                and kind.change is not None
                and (params.source, params.to) == (first, second)
            ):
                found.append((isinstance(params, StockSyncSettings), isinstance(params, PriceSyncSettings),
                              kind.change, params))  # fmt: skip
    if not found:
        return None
    _, _, change, own = min(found, key=lambda one: one[:2])
    return lambda offer, _settings: change(offer, own)


def _jobs(config: ClientConfig, first: str, second: str) -> list[SyncSettings]:
    """The steps that keep the second in step with the first."""
    steps = [spec.params for job in config.jobs.values() for spec in job.steps]
    return [one for one in steps if isinstance(one, SyncSettings) and (one.source, one.to) == (first, second)]


def catalogue_settings(config: ClientConfig, first: str, second: str, how: MatchSettings) -> CatalogueSyncSettings:
    """What the jobs between the two keep in step of products: laid out as by the step that creates them."""
    jobs = [one for one in _jobs(config, first, second) if isinstance(one, CatalogueSyncSettings)]
    if not jobs:
        return CatalogueSyncSettings(**{"from": first}, to=second, match=how, only_published=False)
    chosen = next((one for one in jobs if not isinstance(one, PriceSyncSettings)), jobs[0])
    prices = {name for one in jobs for name in one.fields or () if is_price(name)}
    all_of_them = not prices or any(one.fields is None for one in jobs)
    renamed = {target: source for one in reversed(jobs) for target, source in one.map.items()}
    fields = None if all_of_them else tuple(sorted(prices))
    return chosen.model_copy(update={"match": how, "fields": fields, "map": renamed})


def remember(ctx: RunContext, first: str, second: str, by: str) -> None:
    """Write down that these two were found in step: jobs between them may begin to write prices and stock."""
    with ctx.begin() as conn:
        for pair in (f"{first}>{second}", f"{second}>{first}"):
            ctx.ledger.set_value(conn, store.COMPARED, pair, {"at": ctx.clock.now().isoformat(), "by": by})


def _offers(system: System, name: str) -> Offers:
    if not isinstance(system, Offers):
        raise ConfigError(T("{name} cannot tell its products.", name=name))
    return system


def _counted(system: Offers, name: str, report: Progress) -> Any:
    for n, offer in enumerate(system.offers(), 1):
        if n % 50 == 0:
            report(n, None, T("reading {name}", name=name))
        yield offer


def _prices(
    pairs: Sequence[matching.Match], settings: CatalogueSyncSettings, traits: OfferTraits, at: datetime
) -> list[Difference]:
    found = []
    for pair in pairs:
        for target in pair.targets:
            wanted = values_for(pair.row.offer, settings, _compared(target, traits), traits, at)
            two = {name: (value, target.values[name]) for name, value in wanted.items()}
            if wanted and (others := other_currencies(pair.row.offer, target)):
                two["currency"] = others
            found += [
                Difference(pair.row.article, target.title, target.id, name, ours, theirs)
                for name, (ours, theirs) in two.items()
                if not same(ours, theirs)
            ]
    return found


def _compared(target: Offer, traits: OfferTraits) -> frozenset[str]:
    """The prices that the target tells, and takes where it takes any: what it does not take no job could mend."""
    told = frozenset(name for name in target.values if is_price(name))
    taken = frozenset(name for name in traits.writes if is_price(name)) or told
    return (told & taken) - (traits.fixed if target.kind == "variant" else frozenset())


def _stock(
    one: System,
    other: System,
    matches: matching.Matches,
    settings: StockSyncSettings,
    ours_of: Mapping[str, str],
    theirs_of: Mapping[str, str],
) -> list[Difference]:
    if not isinstance(one, Stock) or not isinstance(other, Stock):
        return []
    ours, _ = sellable_by_warehouse(one.levels(), settings, ours_of)
    theirs = _together(_there(other.levels(), settings), theirs_of)
    found: list[Difference] = []
    for pair in matches.pairs:
        for target in pair.targets:
            for warehouse, own in ours.get(pair.row.offer.id, {}).items():
                there = theirs.get((target.id, warehouse), Decimal(0))
                if there != own:
                    name = f"stock {warehouse}" if warehouse else "stock"
                    found.append(Difference(pair.row.article, target.title, target.id, name, own, there))
    return found


def _together(
    found: Mapping[tuple[str, str], Decimal | None], members: Mapping[str, str]
) -> dict[tuple[str, str], Decimal | None]:
    """The levels with those of variants counted as their base's, as ``sellable_by_warehouse`` does."""
    some = {name for (name, _), level in found.items() if level is not None and level > 0}
    shared = some & set(members.values())
    whole: dict[tuple[str, str], Decimal | None] = {}
    for (name, warehouse), level in found.items():
        base = members.get(name)
        if base in shared:
            continue
        place = (base or name, warehouse)
        whole[place] = (whole[place] or Decimal(0)) + (level or Decimal(0)) if place in whole else level
    return whole


def _there(levels: Iterable[StockLevel], settings: StockSyncSettings) -> dict[tuple[str, str], Decimal | None]:
    """(offer id of the second, warehouse) -> what it has, all together where the jobs name no warehouses; None where
    it does not count."""
    by_offer: dict[str, list[StockLevel]] = defaultdict(list)
    for level in levels:
        by_offer[level.offer or level.code].append(level)
    found: dict[tuple[str, str], Decimal | None] = {}
    for name, own in by_offer.items():
        if settings.warehouses:
            found |= {(name, one.warehouse): _left([one], settings) for one in own}
        else:
            found[name, ""] = _left(without_totals(own), settings)
    return found


def _left(levels: Sequence[StockLevel], settings: StockSyncSettings) -> Decimal | None:
    counted = [one for one in levels if one.counted]
    reserved = settings.level != "on-hand"
    left = sum((one.on_hand - (one.reserved if reserved else Decimal(0)) for one in counted), Decimal(0))
    return left if counted else None


def rows_of(found: Comparison, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """As rows for tables, JSON and XLSX; times in ``zone``."""
    rows: list[dict[str, Any]] = [
        {
            "what": "differs", "article": one.article, "name": one.name, "id": one.id, "field": one.field,
            "first": _text(one.first, zone), "second": _text(one.second, zone),
        }
        for one in found.differences
    ]  # fmt: skip
    rows += [
        {"what": "only-first", "article": row.article, "name": row.offer.title, "id": row.offer.id}
        for row in found.only_first
    ]
    rows += [
        {"what": "only-second", "article": _first(one.keys), "name": one.title, "id": one.id}
        for one in found.only_second
    ]
    return rows


def _first(keys: Mapping[str, str]) -> str:
    return next(iter(keys.values()), "")


def _text(value: Any, zone: tzinfo) -> str | None:
    match plain(value, zone):
        case None:
            return None
        case list() as several:
            return " / ".join(map(str, several))
        case one:
            return str(one)


def findings_rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Twins, ambiguous ones and those without an article, as rows."""
    return [
        {"what": one.code, "article": one.where.element or "", "text": str(one.text), "hint": str(one.hint or "")}
        for one in findings
    ]
