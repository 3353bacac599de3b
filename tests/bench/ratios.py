"""What a goal is about, from what both sides of a line have told. Pure.

Ratios of time and of rates are paired: each round gives its own, of its two sides that ran one after the other, and the
median of these is told. What slows the machine down for a while slows both sides of a round.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

Side = Mapping[str, Any]


def value(of: str, mistok: Side, other: Side | None) -> float | None:
    """The figure of a goal (see :class:`tests.bench.stage.Goal`); None when its other side is not on this machine."""
    match of:
        case "peak":
            return float(mistok["peak_mib"])
        case "rate" | "time" | "time_to_file" | "worst" | "peak_ratio":
            if other is None:
                return None
        case figure:
            return float(mistok["figures"][figure])
    match of:
        case "rate":
            return round(median(_rates(mistok, other)), 3)
        case "worst":
            return round(min(_rates(mistok, other)), 3)
        case "time":
            return round(median(_times(mistok["rounds"], other)), 3)
        case "time_to_file":
            # not kept by rounds in figures of before: those were of one round
            to_file = mistok.get("each", mistok)["figures"]["seconds_to_file"]
            return round(median(_times(to_file if isinstance(to_file, list) else [to_file], other)), 3)
    return ratio(mistok["peak_mib"], other["peak_mib"])  # of medians: memory hardly moves between rounds


def rate(mistok: Side, other: Side | None) -> float | None:
    """Mistok's rate through the other side's; None without another side."""
    return value("rate", mistok, other)


def ratio(one: Any, other: Any) -> float | None:
    """One through the other; None where one of them is not there."""
    return round(float(one) / float(other), 3) if one and other else None


def renewed(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of figures of before, with its ratios as they are reckoned now."""
    sides = line["sides"]
    goals = []
    for goal in line["goals"]:
        found = value(goal["of"], sides["mistok"], sides.get(goal["beside"]))
        reached = None if found is None else found >= goal["limit"] if goal["at_least"] else found <= goal["limit"]
        goals.append({**goal, "value": found, "reached": reached})
    return {**line, "goals": goals, "ratio": rate(sides["mistok"], sides.get("plain"))}


def _times(ours: list[float], other: Side) -> list[float]:
    return [float(one) / float(theirs) for one, theirs in zip(ours, other["rounds"], strict=True)]


def _rates(mistok: Side, other: Side) -> list[float]:
    share = float(other["done"]) / float(mistok["done"])  # at a distance a plain script is given fewer
    return [1 / (one * share) for one in _times(mistok["rounds"], other)]
