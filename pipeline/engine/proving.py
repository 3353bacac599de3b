"""Writes that nobody has seen wait until a probe has tried them on that account, or the client takes them upon himself.

What a probe has passed is kept in the ledger by the connection: the account's address, and what of the settings it was
tried with. Another address, or another setting, is untried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from pipeline.documents import DocumentsSettings
from pipeline.engine.context import RunContext
from pipeline.errors import Held, Who
from pipeline.flow import InboundSettings
from pipeline.ports import Offers, OnlyInferred, System, UntriedWrites
from pipeline.ports.systems import NEW, PAPERS, STOCK_LEVELS
from pipeline.settings import Settings
from pipeline.syncing import CatalogueSyncSettings, StockSyncSettings
from pipeline.texts import T

#: Kind of the ledger's value, by connection.
TRIED = "tried-writes"


def is_untried(system: object) -> TypeGuard[UntriedWrites]:
    """Whether it is an UntriedWrites. ``isinstance`` would look at ``account``, too, which some systems must read."""
    return hasattr(type(system), "untried")


def is_inferred(system: object) -> TypeGuard[OnlyInferred]:
    """Whether it is an OnlyInferred, as :func:`is_untried`."""
    return hasattr(type(system), "inferred")


def remember(
    ctx: RunContext, name: str, system: System, *, passed: bool, shown: Mapping[str, bool] | None = None
) -> None:
    """Keep what came of a probe of the connection ``name``: what it passed with, or nothing.

    Args:
        shown: of what is only inferred, whether it was as thought; what was not tried stays as it was.
    """
    if not (is_untried(system) or is_inferred(system)):
        return
    now = ctx.clock.now().isoformat()
    tried = sorted(system.untried()) if passed and is_untried(system) else []
    kept = {**verified(ctx, name, system), **{one: now for one, so in (shown or {}).items() if so}}
    kept = {one: at for one, at in kept.items() if (shown or {}).get(one, True)}
    with ctx.begin() as conn:
        value = {"account": system.account, "tried": tried, "verified": kept, "at": now}
        ctx.ledger.set_value(conn, TRIED, name, value)


def verified(ctx: RunContext, name: str, system: object) -> dict[str, str]:
    """What of the only inferred a probe has shown on this account: name -> when (ISO 8601)."""
    if not is_inferred(system):
        return {}
    with ctx.ledger.read() as conn:
        value = ctx.ledger.get_value(conn, TRIED, name) or {}
    return dict(value.get("verified") or {}) if value.get("account") == system.account else {}


def untried(ctx: RunContext, name: str, uses: frozenset[str] | None = None) -> list[str]:
    """What of the settings of the connection ``name`` was not tried on its account; for ``uses`` only, where given."""
    system = ctx.system(name)
    if not is_untried(system):
        return []
    needed = [mark for mark, own in system.untried().items() if uses is None or own & uses]
    if not needed:
        return []
    with ctx.ledger.read() as conn:
        value = ctx.ledger.get_value(conn, TRIED, name) or {}
    passed = value.get("tried", ()) if value.get("account") == system.account else ()
    return [mark for mark in needed if mark not in passed]


def look(ctx: RunContext, params: Settings) -> None:
    """Before a step writes for the first time. Raises Held where it would do what was never tried on that account."""
    match params:
        case InboundSettings():
            name, uses = params.into, frozenset({PAPERS})
        case DocumentsSettings():
            name, uses = params.to, frozenset({PAPERS})
        case StockSyncSettings():
            name, uses = params.to, frozenset({STOCK_LEVELS})
        case CatalogueSyncSettings():
            name, uses = params.to, _of_goods(ctx, params)
        case _:
            return
    if marks := untried(ctx, name, uses):
        raise Held(
            T(
                "{name}: nobody has seen yet that this account does what these settings mean: {marks}. Nothing was "
                "written.",
                name=name,
                marks=", ".join(f"`{one}`" for one in marks),
            ),
            code="untried-writes",
            hint=T(
                "Try it on the account once: mistok check --connect --write-probe. Or take it upon yourself: "
                "`untried_writes: true` of the connection."
            ),
            who=Who.ADMIN,
        )


def _of_goods(ctx: RunContext, params: CatalogueSyncSettings) -> frozenset[str]:
    """The fields that the step may write, as far as its source tells them."""
    source, target = ctx.system(params.source), ctx.system(params.to)
    if not isinstance(source, Offers) or not isinstance(target, Offers):
        return frozenset()  # which the step itself tells
    traits, told = target.offer_traits(), source.offer_traits().reads
    names = traits.writes | traits.creates if params.fields is None else frozenset(params.fields)
    fields = frozenset(name for name in names if params.map.get(name, name) in told)
    return fields | ({NEW} if params.create and traits.creates else frozenset())
