"""Plots as SVG inside the page: no script, coloured by its style sheet, with words for those who hear them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from pipeline.texts import T, Text


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. ``told``: what is said of it when it is pointed at; ``kind``: a class of the style sheet."""

    value: float
    told: str
    kind: str = ""
    label: str = ""


WIDE, HIGH, FOOT = 720, 150, 22
#: A few bars are no wider than those of so many.
FEWEST = 24


def bars(made: Sequence[Bar], title: Text | str, *, line: Sequence[float] = (), top: str = "") -> Markup:
    """Bars beside one another, with a stepped line over them where ``line`` has values.

    Args:
        made: from left to right.
        title: says what is seen, for screen readers.
        line: one value for each bar.
        top: words for the highest value.
    """
    if not made:
        return Markup("")
    most = max([bar.value for bar in made] + list(line) + [0])
    scale = (HIGH - 16) / most if most else 0.0
    step = WIDE / max(len(made), FEWEST)
    gap = min(step * 0.2, 4)
    parts = [
        Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDE, HIGH + FOOT, title),
        Markup('<line class="axis" x1="0" y1="{y}" x2="{x}" y2="{y}"/>').format(y=HIGH, x=WIDE),
    ]
    for place, bar in enumerate(made):
        height = max(bar.value * scale, 1.5 if bar.value else 0)
        parts.append(
            Markup(
                '<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(bar.kind, place * step + gap / 2, HIGH - height, max(step - gap, 1), height, bar.told)
        )
        if bar.label:
            parts.append(
                Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    place * step + step / 2, HIGH + 16, bar.label
                )
            )
    if line:
        points = []
        for place, value in enumerate(line):
            y = HIGH - value * scale
            points += [f"{place * step:.1f},{y:.1f}", f"{(place + 1) * step:.1f},{y:.1f}"]
        parts.append(Markup('<polyline class="usual" points="{}"/>').format(" ".join(points)))
    if top:
        parts.append(Markup('<text class="tick" x="2" y="11">{}</text>').format(top))
    return Markup("").join([*parts, Markup("</svg>")])


def hours(counts: Sequence[int], usual: Sequence[float]) -> Markup:
    """Orders by hour of a day, against the usual."""
    made = []
    for hour, count in enumerate(counts):
        told = T("{hour}:00: {n}", hour=f"{hour:02d}", n=count)
        if usual:
            told = T("{hour}:00: {n}, usually {usual}", hour=f"{hour:02d}", n=count, usual=f"{usual[hour]:.1f}")
        made.append(Bar(count, str(told), label=f"{hour:02d}" if hour % 3 == 0 else ""))
    most = max([*counts, *usual, 0])
    return bars(made, T("Orders by hour"), line=usual, top=str(T("most: {n}", n=f"{most:.0f}")) if most else "")


def seconds_words(seconds: float) -> str:
    """How long something took: ``0.4 s``, ``3 min 20 s``."""
    if seconds < 60:
        return str(T("{n} s", n=f"{seconds:.1f}"))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return str(T("{n} min {s} s", n=minutes, s=rest))
    return str(T("{h} h {n} min", h=minutes // 60, n=minutes % 60))


def took(duration: timedelta) -> str:
    """The same of a duration."""
    return seconds_words(duration.total_seconds())
