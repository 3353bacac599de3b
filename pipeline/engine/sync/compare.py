"""The article report of two systems: what is the same, what differs, what is only in one, twins. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pipeline.config.model import ClientConfig
from pipeline.engine.context import Progress, RunContext
from pipeline.engine.sync import match as matching
from pipeline.engine.sync import store
from pipeline.engine.sync.plan import same
from pipeline.engine.sync.rows import Row, shape
from pipeline.engine.sync.stock import sellable_by_warehouse
from pipeline.errors import ConfigError, Finding
from pipeline.ledger import decisions
from pipeline.model import Offer
from pipeline.ports import Noticing, Offers, Stock, System
from pipeline.syncing import CatalogueSyncSettings, MatchSettings, StockSyncSettings, SyncSettings, is_price
from pipeline.texts import T


@dataclass(frozen=True, slots=True)
class Difference:
    """A price, or the stock, of one thing that the two sides tell otherwise."""

    article: str
    name: str
    id: str  #: in the second system
    field: str  #: a price's name, or ``stock``
    first: Decimal | None
    second: Decimal | None


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
    settings = CatalogueSyncSettings(**{"from": first}, to=second, match=how, only_published=False)
    with ctx.ledger.read() as conn:
        given = decisions.articles_of(conn, ctx.client, first, second)
    mappings = {**{("sku", code): meant for code, meant in how.aliases.items()}, **given}
    rows = shape(_counted(left, first, ctx.report), settings, traits, mappings)
    key = how.target or traits.keys[0]
    matches = matching.match(rows, list(_counted(right, second, ctx.report)), key, how)
    differences = [*_prices(matches), *_stock(one, other, matches, settings)]
    findings = (*rows.findings, *matches.findings)
    counts = {
        "matched": len(matches.pairs),
        "differ": len({(one.article, one.id) for one in differences}),
        "only_first": len(matches.missing),
        "only_second": len(matches.only_there),
        "twins": matches.twins,
        "ambiguous": matches.ambiguous,
        "keyless": sum(one.code == "no-article" for one in findings),
    }
    remarks = tuple(finding for each in (one, other) if isinstance(each, Noticing) for finding in each.noticed())
    return Comparison(
        len(matches.pairs), tuple(differences), matches.missing, matches.only_there, findings, counts, remarks
    )


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


def _prices(matches: matching.Matches) -> list[Difference]:
    found = []
    for pair in matches.pairs:
        ours = pair.row.offer.values
        for target in pair.targets:
            for name in sorted(set(ours) & set(target.values)):
                if not is_price(name) or name == "specials" or same(ours[name], target.values[name]):
                    continue
                found.append(
                    Difference(pair.row.article, target.title, target.id, name, ours[name], target.values[name])
                )
    return found


def _stock(one: System, other: System, matches: matching.Matches, how: CatalogueSyncSettings) -> list[Difference]:
    if not isinstance(one, Stock) or not isinstance(other, Stock):
        return []
    settings = StockSyncSettings(**{"from": how.source}, to=how.to)
    ours, _ = sellable_by_warehouse(one.levels(), settings)
    theirs, _ = sellable_by_warehouse(other.levels(), settings)
    found: list[Difference] = []
    for pair in matches.pairs:
        own = _sum(ours.get(pair.row.offer.id))
        for target in pair.targets:
            there = _sum(theirs.get(target.id))
            if own is not None and own != (there or Decimal(0)):
                found.append(Difference(pair.row.article, target.title, target.id, "stock", own, there))
    return found


def _sum(levels: Mapping[str, Decimal] | None) -> Decimal | None:
    return None if levels is None else sum(levels.values(), Decimal(0))


def rows_of(found: Comparison) -> list[dict[str, Any]]:
    """As rows for tables, JSON and XLSX."""
    rows: list[dict[str, Any]] = [
        {
            "what": "differs", "article": one.article, "name": one.name, "id": one.id, "field": one.field,
            "first": _text(one.first), "second": _text(one.second),
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


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def findings_rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Twins, ambiguous ones and those without an article, as rows."""
    return [
        {"what": one.code, "article": one.where.element or "", "text": str(one.text), "hint": str(one.hint or "")}
        for one in findings
    ]
