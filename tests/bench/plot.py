"""The figures as a picture: how far each line is from its goal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_REACHED, _SHORT = "#1b7f6b", "#c2571a"


def draw(figures: Mapping[str, Any], target: Path) -> None:
    """Write an SVG: a bar for each goal that was measured, on a logarithmic axis; 1 is the goal.

    The same figures give the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    bars = [
        (_label(line, goal), goal["value"] / goal["limit"] if goal["at_least"] else goal["limit"] / goal["value"])
        for line in figures["lines"]
        for goal in line["goals"]
        if goal["value"]
    ]
    bars.reverse()  # the first line on top
    with mpl.rc_context({"svg.hashsalt": "mistok", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9, 1.2 + 0.28 * len(bars)), layout="constrained")
        axes = figure.subplots()
        colours = [_REACHED if value >= 1 else _SHORT for _name, value in bars]
        axes.barh([name for name, _value in bars], [value for _name, value in bars], color=colours, height=0.65)
        axes.set_xscale("log")
        axes.axvline(1, color="#444444", linewidth=1)
        axes.set_xlabel("measured / goal (1: the goal is reached)")
        for place, (_name, value) in enumerate(bars):
            axes.annotate(f" {value:.2f}", (max(value, 1), place), va="center", fontsize=8)
        axes.margins(x=0.12, y=0.01)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(target, format="svg", metadata={"Date": None})


def _label(line: Mapping[str, Any], goal: Mapping[str, Any]) -> str:
    words = [line["key"]]
    if goal["of"] != "rate":
        words.append(goal["of"].replace("_", " "))
    if goal["beside"] != "plain" and goal["of"] in ("rate", "worst", "time", "peak_ratio"):
        words.append(f"({goal['beside']})")
    return " ".join(words)
