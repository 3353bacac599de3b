"""Why a target shows so much of an article: what lies where in the source, what of it counts, what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.engine.context import Progress, RunContext, no_progress
from pipeline.engine.sync.accounts import present
from pipeline.engine.sync.stock import sellable_by_warehouse
from pipeline.engine.sync.store import link_of
from pipeline.errors import ConfigError
from pipeline.model import StockLevel
from pipeline.ports import Reserve, Reserves, Stock
from pipeline.rules.matching import normal_form
from pipeline.syncing import StockSyncSettings
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Level:
    """What lies of it in one warehouse of the source, and the warehouses of the target that show it."""

    warehouse: str
    on_hand: Decimal
    reserved: Decimal
    counts: Decimal  #: what of it goes into the sum
    shown_by: tuple[str, ...]  #: warehouses of the target; ("",): its only one
    counted: bool


@dataclass(frozen=True, slots=True)
class Why:
    """The reckoning of one article, from the source's shelves to what was sent."""

    article: str
    source: str
    to: str
    level: str  #: sellable or on-hand
    buffer: Decimal
    levels: tuple[Level, ...]
    reserves: tuple[Reserve, ...] | None  #: by order; None: the source does not tell them so
    wanted: tuple[tuple[str, Decimal], ...]  #: warehouse of the target -> what it is to show now
    there: tuple[tuple[str, Decimal], ...] | None  #: what the target shows now; None: it does not tell
    sent: tuple[tuple[str, str, str, datetime], ...]  #: id in the target, warehouse, level last sent, when


def why(client: Client, job: str, number: int, article: str, *, report: Progress = no_progress) -> Why:
    """Ask both systems of a stock sync about one article; nothing is changed.

    Raises ConfigError when the step is no stock sync or the article is not in the source, Transient or Refused when a
    system cannot be asked.
    """
    steps = client.config.jobs[job].steps if job in client.config.jobs else ()
    settings = steps[number].params if 0 <= number < len(steps) else None
    if not isinstance(settings, StockSyncSettings):
        raise ConfigError(T("Job {job} keeps no stock in step there.", job=job))
    rules = settings.match.rules()
    key = normal_form(article, rules)
    with TemporaryDirectory(prefix="mistok-why-", ignore_cleanup_errors=True) as temp:
        ctx = RunContext(
            config=client.config, registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job=job, temp=Path(temp), dry_run=True, report=report,
        )  # fmt: skip
        try:
            source, target = ctx.system(settings.source), ctx.system(settings.to)
            if not isinstance(source, Stock):
                raise ConfigError(T("{system} tells no stock.", system=settings.source))
            mine = [level for level in source.levels() if normal_form(level.code, rules) == key]
            codes = dict.fromkeys(level.code for level in mine)
            reserves = None
            if isinstance(source, Reserves):
                reserves = tuple(one for code in codes for one in source.reserves(code))
            there = None
            if isinstance(target, Stock):
                told = [level for level in target.levels() if normal_form(level.code, rules) == key]
                there = tuple((level.warehouse, level.on_hand - level.reserved) for level in told)
        finally:
            ctx.close()
    if not mine:
        raise ConfigError(
            T("{system} tells no stock of {article}.", system=settings.source, article=article),
            hint=T("Articles are compared as the step says; mistok sync {job} --explain tells how.", job=job),
        )
    with client.ledger.read() as conn:
        link = present(client.ledger, conn, link_of(job, steps, number))
    wanted = sellable_by_warehouse(mine, settings)[0].values()
    sums: dict[str, Decimal] = {}
    for one in wanted:
        for name, quantity in one.items():
            sums[name] = sums.get(name, ZERO) + quantity
    return Why(
        article, settings.source, settings.to, settings.level, settings.buffer,
        tuple(_level(level, settings, mine) for level in mine), reserves, tuple(sums.items()), there,
        _sent(client, link, key),
    )  # fmt: skip


def _level(level: StockLevel, settings: StockSyncSettings, beside: Sequence[StockLevel]) -> Level:
    shown = tuple(to for to, names in settings.warehouses.items() if level.warehouse in names)
    if not settings.warehouses:
        shown = ("",)
    is_total = level.warehouse == "" and any(one.warehouse for one in beside if one.offer == level.offer)
    reserved = ZERO if settings.level == "on-hand" else level.reserved
    counts = max(level.on_hand - reserved, ZERO) if shown and level.counted and not is_total else ZERO
    return Level(level.warehouse, level.on_hand, level.reserved, counts, shown, level.counted)


def _sent(client: Client, link: str, key: str) -> tuple[tuple[str, str, str, datetime], ...]:
    import sqlalchemy as sa

    from pipeline.ledger.tables import links

    query = sa.select(links.c.target_id, links.c.sent, links.c.updated).where(
        links.c.client == client.config.client, links.c.link == link, links.c.source_key == key
    )
    with client.ledger.read() as conn:
        rows: list[Any] = list(conn.execute(query))
    zone = client.config.zone
    return tuple(
        (row.target_id, name.removeprefix("stock:"), str(level), row.updated.astimezone(zone))
        for row in rows
        for name, level in row.sent.items()
        if name.startswith("stock:")
    )
