"""The figures as a table on the terminal, and as docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = ("", "Mistok", "plain script", "ratio", "goal", "whole runs", "peak MiB")

_PAGE = """\
# Benchmarks

Made by `uv run python -m tests.bench --docs`; edit nothing here by hand.

Every line is measured beside a plain script that does the same as a user would write it, without any safety: no check,
no archive, no sync, nothing to go on from after a crash. Both run in turns, each in a process of its own, {rounds}
rounds; the figures are medians. Read the **ratios**: absolute figures move from machine to machine, and from hour to
hour.

{table}

- *ratio*: Mistok's rate through the plain script's, of the work alone (connected, logged in and out again, but with all
  code loaded before). *whole runs*: the same of whole processes with their start-up.
- *goal*: the least ratio that is aimed at (“≥”); “–” where none is set. A line below its goal is where the work is.
- *peak MiB*: the most memory that each process held, Mistok / plain script.

## What each line does

{notes}

## Where

{machine}.

The import's wait for a file to lie still (`stable`) is set to 10 ms, so that the figure tells of work and not of
waiting; everything else is as by default.
"""


def rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One tuple of cells a line."""
    return [_row(line) for line in figures["lines"]]


def _row(line: Mapping[str, Any]) -> tuple[str, ...]:
    mistok, script = line["sides"]["mistok"], line["sides"]["plain"]
    timed = line["unit"] == "starts"
    return (
        line["title"],
        _seconds(mistok["seconds"]) if timed else f"{_number(mistok['rate'])} {line['unit']}/s",
        _seconds(script["seconds"]) if timed else f"{_number(script['rate'])} {line['unit']}/s",
        f"{line['ratio']:.2f} x",
        f"≥ {line['goal']:.2f} x" if line["goal"] else "–",
        "–" if timed else f"{line['ratio_whole']:.2f} x",
        f"{mistok['peak_mib']:.0f} / {script['peak_mib']:.0f}" if mistok["peak_mib"] else "–",
    )


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def table(figures: Mapping[str, Any]) -> str:
    """For a terminal."""
    cells = [HEAD, *rows(figures)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(HEAD))]
    return "\n".join(_padded(row, widths) for row in cells)


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join((row[0].ljust(widths[0]), *cells[1:]))


def machine(figures: Mapping[str, Any]) -> str:
    """The machine in one sentence, without its full stop."""
    m, options = figures["machine"], figures["options"]
    load = f"; {m['load']} processes were busy on it before the start" if m["load"] is not None else ""
    return (
        f"{options['files']:,} order files, {options['rows']:,} products; {m['cores']} cores, {m['system']} on "
        f"{m['architecture']}, Python {m['python']}, SQLite {m['sqlite']}, {m['sftp_server']}, "
        f"paramiko {m['paramiko']}, lxml {m['lxml']}; one sync of 4 KB takes {m['sync_ms']:.2f} ms on this disk{load}"
    )


def page(figures: Mapping[str, Any]) -> str:
    """docs/benchmarks.md."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" + "|---:" * (len(HEAD) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(figures)]
    notes = "\n".join(f"- **{line['title']}** (`{line['key']}`): {line['note']}." for line in figures["lines"])
    return _PAGE.format(
        rounds=figures["options"]["rounds"], table="\n".join(lines), notes=notes, machine=machine(figures)
    )
