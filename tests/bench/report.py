"""The figures as a table on the terminal, and as docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench import ratios

HEAD = ("", "of", "rounds", "Mistok", "beside it", "", "measured", "goal", "reached", "peak MiB")
#: What a goal's figure is called where it is no ratio of rates.
_OF = {
    "rate": "",
    "worst": "in the worst round",
    "time": "time",
    "time_to_file": "time to the checked file",
    "peak": "peak memory, MiB",
    "peak_ratio": "peak memory",
}
_RATIOS = ("rate", "worst", "time", "time_to_file", "peak_ratio")

_PAGE = """\
# Benchmarks

Made by `uv run python -m tests.bench --docs{joined}; edit nothing here by hand. What is not reached, and why, and what
was tried: [below](#what-is-not-reached).

Every line is measured beside others that do the same: first of all a plain script as a user would write it, without
any safety (no check, no archive, no sync, nothing to go on from after a crash). All run in turns, each in a process of
its own, as many rounds as the table says; rates are medians of the rounds. Read the **ratios**: absolute figures move
from machine to machine, and from hour to hour. What a ratio compares was always measured in one and the same run, and
ratios of rates and times are paired: each round gives one, of its sides one after the other, and the median of these is
told, which need not be that of the two rates beside it (memory is compared by its medians). “(one round)” beside a
figure: there was no second one, and what the machine did meanwhile is in it.

{table}

{reached}

![Each goal, and how far from it we are](benchmarks.svg)

- *of*: how many files, rows or orders it was measured with; *rounds*: how often.
- *measured*: Mistok's rate through that of what stands beside it, of the work alone (connected, logged in and out
  again, but with all code loaded before), or the figure that the line names.
- *goal*: the least (“≥”) or the most (“≤”) that is aimed at; “–” where none is set.
- *peak MiB*: the most memory that was held, Mistok / what stands beside it: of the process, and of its children what
  they share with nobody.

## What each line does

{notes}

## Where

{machine}.

The import's wait for a file to lie still (`stable`) is set to 10 ms, so that the figure tells of work and not of
waiting; everything else is as by default, but where a line says so. Imports and catalogues are measured as `mistok run`
and the `mistok serve` of one client do them, with a second process where that helps. Runs of `serve DIR` and `worker`,
where others are to have the machine as well, have none, and take files in batches of 100: their figures are those of
`clients-300`, `workers-2` and [scaling](scaling.md).

{remarks}"""


_JOINED = """ --from …`, which joined
the figures of {runs} runs on one machine, each of one line or of some (`--only`; a line that was measured in several
runs is that of the last of them)"""


def rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One tuple of cells for each goal, and one for each line that has none."""
    return [row for line in figures["lines"] for row in _rows(line)]


def _rows(line: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for number, goal in enumerate(line["goals"] or [None]):
        beside = goal["beside"] if goal else "plain"
        title = line["title"] if number == 0 else "–"
        if goal and (words := goal["title"] or _OF.get(goal["of"], goal["of"].replace("_", " "))):
            title += f": {words}"
        other = line["sides"].get(beside)
        found.append(
            (
                title,
                f"{line['count']:,}" if number == 0 else "",
                f"{len(line['sides']['mistok']['rounds'])}" if number == 0 else "",
                _rate(line, line["sides"]["mistok"]),
                _rate(line, other) if other else line["missing"].get(beside, "–"),
                "" if beside == "plain" else beside,
                (_measured(goal) if goal else _ratio(line["ratio"])) + _single(line),
                _goal(goal) if goal else "–",
                _verdict(goal["reached"]) if goal else "",
                _peaks(line["sides"]["mistok"], other),
            )
        )
    return found


def _rate(line: Mapping[str, Any], side: Mapping[str, Any]) -> str:
    if line["unit"] == "starts":
        return f"{side['seconds'] * 1000:.0f} ms"
    return f"{side['rate']:,.0f} {line['unit']}/s"


def _ratio(value: float | None) -> str:
    return f"{value:.2f} x" if value else "–"


def _measured(goal: Mapping[str, Any]) -> str:
    if goal["value"] is None:
        return "–"
    return _ratio(goal["value"]) if goal["of"] in _RATIOS else _plain(goal["value"])


def _single(line: Mapping[str, Any]) -> str:
    return " (one round)" if len(line["sides"]["mistok"]["rounds"]) == 1 else ""


def _goal(goal: Mapping[str, Any]) -> str:
    sign = "≥" if goal["at_least"] else "≤"
    return f"{sign} {goal['limit']:.2f} x" if goal["of"] in _RATIOS else f"{sign} {_plain(goal['limit'])}"


def _plain(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _verdict(reached: bool | None) -> str:
    return "?" if reached is None else "yes" if reached else "no"


def _peaks(mistok: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    if not mistok["peak_mib"]:
        return "–"
    return f"{mistok['peak_mib']:.0f}" + (f" / {other['peak_mib']:.0f}" if other and other["peak_mib"] else "")


def reached(figures: Mapping[str, Any]) -> str:
    """How many goals are reached, in one sentence."""
    goals = [goal for line in figures["lines"] for goal in line["goals"]]
    known = [goal for goal in goals if goal["reached"] is not None]
    words = f"{sum(goal['reached'] for goal in known)} of {len(known)} goals reached"
    return words + (f", {len(goals) - len(known)} not measured." if len(known) < len(goals) else ".")


def table(figures: Mapping[str, Any]) -> str:
    """For a terminal."""
    cells = [HEAD, *rows(figures)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(HEAD))]
    return "\n".join(_padded(row, widths) for row in cells)


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join((row[0].ljust(widths[0]), *cells[1:]))


def joined(several: Sequence[Mapping[str, Any]], order: Sequence[str]) -> dict[str, Any]:
    """Figures of several runs as one, by the keys of ``order``; a line of several runs is that of the last. Ratios are
    reckoned anew."""
    lines = {line["key"]: ratios.renewed(line) for figures in several for line in figures["lines"]}
    return {
        **several[0],
        "lines": [lines[key] for key in order if key in lines],
        "loads": [load for figures in several for load in figures.get("loads", [figures["machine"]["load"]])],
    }


def machine(figures: Mapping[str, Any]) -> str:
    """The machine in one sentence, without its full stop."""
    m = figures["machine"]
    loads = [one for one in figures.get("loads", [m["load"]]) if one is not None]
    least, most = (min(loads), max(loads)) if loads else (0, 0)
    times = f"{least}" if least == most else f"{least} to {most}"
    load = f"; {times} processes were busy on it in the minute before" if loads else ""
    return (
        f"{m['cores']} cores, {m['system']} on "
        f"{m['architecture']}, Python {m['python']}, SQLite {m['sqlite']}, {m['sftp_server']}, "
        f"paramiko {m['paramiko']}, lxml {m['lxml']}; one sync of 4 KB takes {m['sync_ms']:.2f} ms on this disk{load}"
    )


def page(figures: Mapping[str, Any], remarks: str = "") -> str:
    """docs/benchmarks.md. ``remarks``: what people write about the figures (tests/bench/remarks.md)."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" + "|---:" * (len(HEAD) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(figures)]
    runs = len(figures.get("loads", [None]))
    notes = "\n".join(f"- **{line['title']}** (`{line['key']}`): {line['note']}." for line in figures["lines"])
    return _PAGE.format(
        joined=_JOINED.format(runs=runs) if runs > 1 else "`",
        table="\n".join(lines),
        reached=reached(figures),
        notes=notes,
        machine=machine(figures),
        remarks=remarks,
    )
