"""The config's part on who is told, when, and how."""

from __future__ import annotations

import re
from datetime import time, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator

from pipeline.rules import telling
from pipeline.rules.telling import DAYS
from pipeline.settings import Duration, Settings
from pipeline.texts import T

#: Every kind of notice.
KINDS = ("order", "held", "amended", "quarantined", "failure", "brake", "sync", "catalogue", "report")
Kind = Literal["order", "held", "amended", "quarantined", "failure", "brake", "sync", "catalogue", "report"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_TIME = re.compile(r"(?:([01]?\d|2[0-3]):([0-5]\d)|24:00)\Z")


def _one_or_many(value: object) -> object:
    """``kinds: order`` is ``kinds: [order]``."""
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])]
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(_one_or_many, json_schema_input_type=Kind | tuple[Kind, ...])]
Days = Annotated[tuple[Day, ...], BeforeValidator(_one_or_many, json_schema_input_type=Day | tuple[Day, ...])]


class ChannelSpec(Settings):
    """One alert channel, resolved."""

    type: str
    params: Annotated[SerializeAsAny[Settings], Field(repr=False)]


class NoticeChoice(Settings):
    """Which notices: those that fit everything that is given."""

    kinds: Kinds = ()
    """These kinds of notices; those of `alerts.kinds` when not given."""
    jobs: Words = ()
    """Only what these jobs tell."""
    warehouses: Words = ()
    """Only orders for these warehouses, as the shop names them."""
    statuses: Words = ()
    """Only orders that came with these statuses of the shop."""
    least: Decimal | None = None
    """Only orders of this sum or more, in their own currency."""
    most: Decimal | None = None
    """Only orders of this sum or less, in their own currency."""

    def choice(self) -> telling.Choice:
        """As the rules know it."""
        return telling.Choice(
            frozenset(self.kinds),
            frozenset(self.jobs),
            frozenset(self.warehouses),
            frozenset(self.statuses),
            self.least,
            self.most,
        )


class TellRule(NoticeChoice):
    """Which notices go to which PCs."""

    to: Words = ()
    """Names of PCs, as `mistok alerts invite` was given them; all of them when not given."""

    def rule(self) -> telling.Rule:
        """As the rules know it."""
        return telling.Rule(self.choice(), frozenset(name.casefold() for name in self.to))


class QuietHours(Settings):
    """Hours in which nobody is disturbed; what came meanwhile is one summary after them."""

    since: str
    """When they begin, by the client's clock: `"21:00"`."""
    until: str
    """When they end: `"08:00"`; on the next day when that is not later than `since`. `"24:00"` is midnight."""
    days: Days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """On which days they begin: `[sat, sun]`; every day when not given."""

    @field_validator("since", "until")
    @classmethod
    def _is_time(cls, value: str) -> str:
        if not _TIME.match(value):
            raise ValueError(T("`{value}` is not a time such as 21:00.", value=value))
        return value

    def hours(self) -> telling.Quiet:
        """As the rules know them."""
        return telling.Quiet(_time(self.since), _time(self.until), frozenset(DAYS.index(day) for day in self.days))


def _time(value: str) -> time:
    hour, minute = value.split(":")
    return time(int(hour) % 24, int(minute))


class Escalation(NoticeChoice):
    """Where notices go that nobody has clicked."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """A name of your own; each notice is escalated once under it."""
    after: Duration = timedelta(minutes=15)
    """How long people have to click; quiet hours do not count."""
    channel: ChannelSpec
    """The channel that is told then: its name, or a mapping with `type` and its keys."""

    @field_validator("after")
    @classmethod
    def _is_some_time(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value < telling.TOO_OLD:
            raise ValueError(T("`after` is from one second up to a day."))
        return value

    def rule(self) -> telling.Escalation:
        """As the rules know it."""
        return telling.Escalation(self.name, self.choice(), self.after)


class AlertsConfig(Settings):
    """Who is told, and how."""

    channels: tuple[ChannelSpec, ...] = ()
    """Where notices go, in this order: `desktop`, …"""
    kinds: tuple[str, ...] = ("order", "held", "amended", "quarantined", "failure", "brake", "sync", "report")
    """Which notices are shown."""
    burst: Annotated[int, Field(ge=1)] = 4
    """More new orders than this in one go become one summary."""
    language: Literal["uk", "en"] | None = None
    """Language of notices; the client's when not given."""
    tell: tuple[TellRule, ...] = ()
    """Which notices go to which of the PCs that follow the page; all `kinds` to all of them when not given."""
    quiet: tuple[QuietHours, ...] = ()
    """Hours in which PCs show nothing."""
    loud: Kinds = ()
    """Kinds that quiet hours do not hold back, such as `failure`."""
    escalate: tuple[Escalation, ...] = ()
    """Whom else to tell when nobody has clicked."""
