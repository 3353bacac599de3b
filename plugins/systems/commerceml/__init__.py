"""``commerceml``: an exchange with 1C, BAS, MoySklad, or with a shop as 1C asks it. See docs/systems/commerceml.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.commerceml.settings import CommerceMLSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import typer

    from plugins.systems.commerceml.system import FromAccounting, ToShop


def open_exchange(settings: CommerceMLSettings, env: SystemEnv) -> FromAccounting | ToShop:
    """The other side that ``settings`` describe; nothing is asked before the first use."""
    from plugins.systems.commerceml.system import FromAccounting, ToShop

    return FromAccounting(settings, env) if settings.role == "shop" else ToShop(settings, env)


def _verbs(get: Callable[..., tuple[Any, SystemEnv]]) -> typer.Typer:
    from plugins.systems.commerceml.cli import make_app

    return make_app(get)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.commerceml.system import FromAccounting, ToShop

    return (FromAccounting, ToShop)


PLUGIN = SystemPlugin(
    name="commerceml",
    summary=T("1C, BAS or MoySklad by CommerceML 2, over files or HTTP; or a shop, as 1C asks it"),
    settings=CommerceMLSettings,
    open=open_exchange,
    cli=_verbs,
    classes=classes,
    begins=("server",),
)
