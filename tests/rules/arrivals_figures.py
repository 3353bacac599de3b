"""How the alarm for silence does on made-up shops: false alarms, and how long it takes to see a real silence.

``python -m tests.rules.arrivals_figures`` prints the table of docs/monitoring.md. Each shop runs for ten weeks; from
the third on the habit is learned anew each day from what came before. A public holiday lies in the history.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.rules import arrivals

ZONE = ZoneInfo("Europe/Kyiv")
START = datetime(2026, 9, 14, 6, tzinfo=UTC)  # the clocks go back on 25 October, in the sixth week
HOLIDAY = date(2026, 9, 24)
WEEKS = 10
_HOURS = (5, 2, 1, 1, 1, 3, 10, 30, 70, 100, 120, 120, 110, 110, 110, 110, 110, 110, 120, 130, 120, 90, 50, 20)
Shape = Callable[[datetime], float]


def shop_hours(local: datetime) -> float:
    """An online shop: all day, little at night, less at the weekend."""
    return _HOURS[local.hour] / 100 * (1 if local.weekday() < 5 else 0.6)


def office_hours(local: datetime) -> float:
    """Nothing outside of Monday to Friday, 9 to 18."""
    return float(local.weekday() < 5 and 9 <= local.hour < 18)


def at_random(each_day: float, shape: Shape, seed: int, *, bursts: bool = False) -> list[datetime]:
    """Arrivals that know nothing of each other; with ``bursts`` each brings some more with it."""
    rng = random.Random(seed)
    monday = datetime(2026, 9, 14, tzinfo=ZONE)
    mean = sum(shape(monday + timedelta(hours=hour)) for hour in range(168)) / 7
    fastest, found, at = 1.3 * each_day / mean, [], START
    while at < START + timedelta(weeks=WEEKS):
        at += timedelta(hours=rng.expovariate(fastest))
        if rng.random() < shape(at.astimezone(ZONE)) / 1.3:
            found.append(at)
            if bursts:
                found += [at + timedelta(minutes=rng.random() * 90) for _ in range(int(rng.expovariate(1 / 3)))]
    return sorted(found)


def on_the_hour(hours: Sequence[int], seed: int) -> list[datetime]:
    """One export at each of these hours, a few minutes late at times."""
    rng = random.Random(seed)
    days = [START.astimezone(ZONE).date() + timedelta(days=day) for day in range(WEEKS * 7)]
    return [
        datetime(day.year, day.month, day.day, hour, tzinfo=ZONE).astimezone(UTC) + timedelta(minutes=rng.random() * 8)
        for day in days
        for hour in hours
    ]


SHOPS: Mapping[str, Callable[[int], list[datetime]]] = {
    "online shop, 2 files a day": lambda seed: at_random(2, shop_hours, seed),
    "online shop, 10 files a day": lambda seed: at_random(10, shop_hours, seed),
    "online shop, 40 files a day": lambda seed: at_random(40, shop_hours, seed),
    "online shop, 200 files a day": lambda seed: at_random(200, shop_hours, seed),
    "orders in bursts, 6 bursts a day": lambda seed: at_random(6, shop_hours, seed, bursts=True),
    "office hours only, 8 files a day": lambda seed: at_random(8, office_hours, seed),
    "one export a day, at 03:00": lambda seed: on_the_hour([3], seed),
    "hourly exports, 9 to 18": lambda seed: on_the_hour(range(9, 19), seed),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of shop. ``seen``: hours from the last file that could have come to the alarm, sorted."""

    alarms: float  #: false ones in eight weeks, on average
    seen: tuple[float, ...]

    def share(self, part: float) -> float:
        """The time in which this share of the silences was seen, in hours."""
        return self.seen[int((len(self.seen) - 1) * part)]


def measure(make: Callable[[int], list[datetime]], seeds: int) -> Figures:
    """Run so many shops of a kind; each day one silence begins at a random moment, besides the shop's own pauses."""
    alarms, seen = 0, []
    for seed in range(seeds):
        rng = random.Random(seed)
        came = arrivals.together(at for at in make(seed) if at.astimezone(ZONE).date() != HOLIDAY)
        day = START + timedelta(days=15)
        while day < START + timedelta(weeks=WEEKS):
            known = bisect_right(came, day)
            habit = arrivals.learn(came[:known], ZONE, day)
            if habit is not None:
                while known < len(came) and came[known] < day + timedelta(days=1):
                    alarms += arrivals.unusual(habit, came[known - 1], came[known])
                    known += 1
                broken = day + timedelta(hours=rng.random() * 24)
                alarm = arrivals.alarm_at(habit, came[bisect_right(came, broken) - 1])
                seen.append(max((alarm - broken) / timedelta(hours=1), 0.0) if alarm else 24.0 * 56)
            day += timedelta(days=1)
    return Figures(alarms / seeds, tuple(sorted(seen)))


if __name__ == "__main__":
    print("| shop | false alarms in 8 weeks | half of the silences seen within | nine of ten within |")
    print("|---|---|---|---|")
    for name, make in SHOPS.items():
        found = measure(make, 20)
        print(f"| {name} | {found.alarms:.2f} | {found.share(0.5):.1f} h | {found.share(0.9):.1f} h |")
