"""What is compared of two systems: each step between the two as it would leave them, and what no step is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.model import ClientConfig
from pipeline.engine.context import RunContext
from pipeline.engine.sync.rows import base_only_of
from pipeline.flow import SyncStep
from pipeline.model import Offer
from pipeline.ports import Offers, OneCurrency, System
from pipeline.syncing import CatalogueSyncSettings, MatchSettings, StockSyncSettings, SyncSettings, is_price

Change = Callable[[Offer, Any], Offer | None]


@dataclass(frozen=True, slots=True)
class Look:
    """One step that keeps ``to`` in step with ``source``, as far as it is compared."""

    source: str
    to: str
    goods: CatalogueSyncSettings  #: how what the source offers is laid out, and which prices are compared
    stock: StockSyncSettings | None = None  #: it is about stock, and about no prices
    step: str = ""  #: ``job/step``; "" for what no step is about
    change: Change | None = None  #: the step's own alteration of each offer

    @property
    def looks_at_prices(self) -> bool:
        """Whether any price is compared."""
        names = self.goods.fields
        return self.stock is None and (names is None or any(is_price(name) for name in names))

    @property
    def creates(self) -> bool:
        """Whether the step is one that creates what the target lacks."""
        return self.stock is None and self.goods.create


def match_settings(config: ClientConfig, first: str, second: str) -> MatchSettings:
    """How the first job between these two systems matches, else the default."""
    for job in config.jobs.values():
        for spec in job.steps:
            params = spec.params
            if isinstance(params, SyncSettings) and {params.source, params.to} == {first, second}:
                return params.match
    return MatchSettings()


def looks(ctx: RunContext, first: str, second: str, keys: Sequence[str] = ()) -> list[Look]:
    """All that is compared: every step of every job between the two, in both directions; all prices where none of
    them is about prices; the whole stock where none is about stock.

    Args:
        keys: article fields of ``first`` to match by, instead of those of the steps.
    """
    found = list(_of_steps(ctx, first, second, keys))
    usual = match_settings(ctx.config, first, second)
    usual = usual.model_copy(update={"keys": tuple(keys)}) if keys else usual
    change = next((one.change for one in found if one.source == first and one.change is not None), None)
    made: list[Look] = []
    if not any(one.looks_at_prices for one in found):
        own = next((one for one in found if one.stock is None and one.source == first), None)
        if own is not None:
            goods = own.goods.model_copy(update={"fields": None})
        else:
            goods = CatalogueSyncSettings(
                **{"from": first}, to=second, match=usual, only_published=False,
                base_only=base_only_of(ctx.config, first, second),
            )  # fmt: skip
        made.append(Look(first, second, goods, change=change))
    if not any(one.stock is not None for one in found):
        stock = StockSyncSettings(**{"from": first}, to=second, match=usual)
        made.append(Look(first, second, goods_of_stock(ctx.config, stock), stock, change=change))
    return [*found, *made]


def _of_steps(ctx: RunContext, first: str, second: str, keys: Sequence[str]) -> Iterator[Look]:
    for job, described in ctx.config.jobs.items():
        count: dict[tuple[str, str, str], int] = {}
        for spec in described.steps:
            params, kind = spec.params, ctx.registry.steps[spec.step].kind
            if not isinstance(params, CatalogueSyncSettings | StockSyncSettings):
                continue
            ends = (spec.step, params.source, params.to)
            count[ends] = count.get(ends, 0) + 1
            if {params.source, params.to} != {first, second}:
                continue
            if keys and params.source == first:
                params = params.model_copy(
                    update={"match": params.match.model_copy(update={"keys": tuple(keys)})}
                )  # fmt: skip
            name = f"{job}/{spec.step}" + (f"#{count[ends]}" if count[ends] > 1 else "")
            change = _with(kind.change, params) if isinstance(kind, SyncStep) and kind.change is not None else None
            if isinstance(params, StockSyncSettings):
                yield Look(params.source, params.to, goods_of_stock(ctx.config, params), params, name, change)
            else:
                yield Look(params.source, params.to, goods_of(ctx.config, params), None, name, change)


def _with(change: Change, params: Any) -> Change:
    """The alteration of a step with the parameters of that very step."""
    return lambda offer, _settings: change(offer, params)


def goods_of(config: ClientConfig, settings: CatalogueSyncSettings) -> CatalogueSyncSettings:
    """As a step lays out what its source offers: one that creates nothing as those that do, so that it looks for
    variants where they are sent, and for products alone where these are."""
    if settings.create:
        return settings
    chosen = dict.fromkeys((*settings.base_only, *base_only_of(config, settings.source, settings.to)))
    return settings.model_copy(update={"base_only": tuple(chosen)})


def goods_of_stock(config: ClientConfig, settings: StockSyncSettings) -> CatalogueSyncSettings:
    """As the source's offers are laid out for a step about stock: variants as the target has them; also what buyers do
    not see."""
    return CatalogueSyncSettings(
        **{"from": settings.source}, to=settings.to, match=settings.match, only_published=False,
        base_only=base_only_of(config, settings.source, settings.to),
    )  # fmt: skip


def mappings_of(match: MatchSettings, given: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """(``sku``, article) -> the target's article: of the config, and over it what people have said."""
    return {**{("sku", code): meant for code, meant in match.aliases.items()}, **given}


def tells_prices(source: System, settings: CatalogueSyncSettings) -> bool:
    """Whether the source can tell the price that the target's is made of."""
    return isinstance(source, Offers) and settings.map.get("price", "price") in source.offer_traits().reads


def currency_in(target: System) -> str:
    """ISO code of the currency of all prices there; "" where each has its own. Raises Refused, Transient."""
    return target.prices_in() if isinstance(target, OneCurrency) else ""
