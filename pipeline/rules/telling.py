"""Who is told of what, when, and whom else when nobody answers: pure plans of values, with the time as an argument."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal

#: A burst that got another notice within SETTLE is left until it is whole, for PATIENCE at most; what was shown alone
#: within JUST_NOW counts towards it.
SETTLE, PATIENCE, JUST_NOW = timedelta(seconds=1.5), timedelta(minutes=5), timedelta(seconds=30)
#: Who was away for longer gets one summary instead of what came meanwhile.
AWAY = timedelta(minutes=10)
#: Nothing older is escalated: a service that was off for a week does not wake anybody about the week.
TOO_OLD = timedelta(days=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a notice. ``total`` and the rest of the order are None and empty where it is about none."""

    kind: str
    job: str = ""
    warehouse: str = ""
    status: str = ""
    total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which notices: those that fit everything that is said here. Empty and None say nothing."""

    kinds: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    warehouses: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    least: Decimal | None = None
    most: Decimal | None = None

    def fits(self, facts: Facts) -> bool:
        """Whether it is one of them. What is asked for and not known does not fit."""
        words = (
            (self.kinds, facts.kind),
            (self.jobs, facts.job),
            (self.warehouses, facts.warehouse),
            (self.statuses, facts.status),
        )
        if any(wanted and value not in wanted for wanted, value in words):
            return False
        if self.least is None and self.most is None:
            return True
        if facts.total is None:
            return False
        return (self.least is None or facts.total >= self.least) and (self.most is None or facts.total <= self.most)


@dataclass(frozen=True, slots=True)
class Rule:
    """These notices go to these PCs (folded names; none: to all)."""

    choice: Choice
    to: frozenset[str] = frozenset()


def receivers(rules: Sequence[Rule], kinds: Collection[str], pcs: Mapping[int, str], facts: Facts) -> list[int]:
    """The PCs (number -> folded name) that are told; without rules all are told of ``kinds``.

    A rule that names no kinds means ``kinds``. Summaries are never passed on: each PC gets its own.
    """
    if facts.kind == "summary":
        return []
    if not rules:
        return sorted(pcs) if facts.kind in kinds else []
    fitting = [rule for rule in rules if rule.choice.fits(facts) and (rule.choice.kinds or facts.kind in kinds)]
    return sorted(number for number, name in pcs.items() if any(not rule.to or name in rule.to for rule in fitting))


# --- quiet hours -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nobody is disturbed, by the wall clock. Over midnight when ``until`` is not after ``since``.

    ``days``: on which it begins, 0 is Monday.
    """

    since: time
    until: time
    days: frozenset[int] = frozenset(range(7))

    def end_at(self, local: datetime) -> datetime | None:
        """The naive end of the hours that ``local`` (naive) lies in; None when it does not."""
        for back in (0, 1):
            day = local.date() - timedelta(days=back)
            begin = datetime.combine(day, self.since)
            end = datetime.combine(day, self.until)
            if end <= begin:
                end += timedelta(days=1)
            if day.weekday() in self.days and begin <= local < end:
                return end
        return None


def quiet_until(hours: Sequence[Quiet], zone: tzinfo, moment: datetime) -> datetime | None:
    """When the quiet that ``moment`` lies in ends, what follows on it without a gap included; None: it is not quiet."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    end: datetime | None = None
    for _ in range(2 * len(DAYS)):  # hours that follow one another all week would have no end
        later = max((found for one in hours if (found := one.end_at(end or local))), default=None)
        if later is None:
            break
        end = later
    return end.replace(tzinfo=zone).astimezone(moment.tzinfo) if end else None


# --- one popup, or several in one --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A notice that a PC is to be told of. ``quiet``: it came in the quiet hours, and is of a kind that they hold."""

    id: int
    created: datetime
    quiet: bool = False


def popups(
    held: Sequence[Held],
    *,
    now: datetime,
    is_quiet: bool,
    shown_just_now: int,
    burst: int,
    settle: timedelta = SETTLE,
) -> list[list[int]]:
    """Which of one PC's notices become a popup now, oldest first; several in one list are one summary.

    Args:
        held: what waits, oldest first.
        now: the time.
        is_quiet: whether these are quiet hours: what came in them waits for their end, then comes as one.
        shown_just_now: how many popups it got within JUST_NOW.
        burst: more than this at once become one.
        settle: see SETTLE.
    """
    made: list[list[int]] = []
    kept_back = [one for one in held if one.quiet]
    if kept_back and not is_quiet:
        made.append([one.id for one in kept_back])
    rest = [one for one in held if not one.quiet]
    if not rest:
        return made
    if len(rest) + shown_just_now <= burst or len(rest) == 1:
        return [*made, *([one.id] for one in rest)]
    grows = now - max(one.created for one in rest) < settle and now - min(one.created for one in rest) < PATIENCE
    return made if grows else [*made, [one.id for one in rest]]


def came_meanwhile(released: Sequence[datetime], now: datetime, burst: int, away: timedelta = timedelta(0)) -> bool:
    """Whether popups that a PC has not got yet (when each was to come, oldest first) are told as one summary.

    ``away``: for how long the PC had not listened before it came back just now; zero while it listens.
    """
    if len(released) < 2:
        return False
    return len(released) > burst or max(away, now - released[0]) > AWAY


# --- when nobody clicked -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Escalation:
    """Tell somewhere else of these, when nobody clicked within ``after``."""

    name: str
    choice: Choice
    after: timedelta


def escalates_at(
    rule: Escalation, kinds: Collection[str], facts: Facts, created: datetime, hours: Sequence[Quiet], zone: tzinfo
) -> datetime | None:
    """When a notice that nobody has clicked is told elsewhere; None: never.

    The time that people have begins when they can see it, so not in quiet hours; nor does it end in them.
    ``hours``: those that hold this kind.
    """
    if facts.kind == "summary" or not rule.choice.fits(facts) or not (rule.choice.kinds or facts.kind in kinds):
        return None
    due = (quiet_until(hours, zone, created) or created) + rule.after
    return quiet_until(hours, zone, due) or due
