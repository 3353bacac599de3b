"""Runs the lines: every round runs each side once in a fresh process (A B A B …), so that what the machine does
besides hits both alike; medians of the rounds are told, and ratios of medians."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.lines import LINES, Command, Line, Options, Stage, staged

Say = Callable[[str], None]
SIDES = ("mistok", "plain")
ROOT = Path(__file__).resolve().parents[2]


def measure(options: Options, only: Sequence[str] = (), say: Say = lambda _words: None) -> dict[str, Any]:
    """All figures, as plain data. Raises RuntimeError when a side does not do what it should."""
    with staged(options) as stage:
        lines = [LINES[key](stage) for key in (only or LINES)]
        return {
            "options": asdict(options),
            "machine": machine(stage),
            "lines": [_line(line, stage, options.rounds, say) for line in lines],
        }


def machine(stage: Stage) -> dict[str, Any]:
    """The machine in general words: nothing that tells which one it is."""
    import lxml.etree
    import paramiko

    return {
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sftp_server": stage.server.name,
        "paramiko": paramiko.__version__,
        "lxml": ".".join(map(str, lxml.etree.LXML_VERSION[:3])),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "sync_ms": round(_sync(stage.folder) * 1000, 3),
    }


def _sync(folder: Path) -> float:
    """Seconds that one sync of 4 KB takes on this disk: the median of 50."""
    times = []
    with (folder / "sync").open("wb") as file:
        for _ in range(50):
            file.write(b"\0" * 4096)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return median(times)


def _line(line: Line, stage: Stage, rounds: int, say: Say) -> dict[str, Any]:
    taken: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            say(f"{line.key}: round {number + 1} of {rounds}, {side}")
            with TemporaryDirectory(dir=stage.folder, prefix=f"{line.key}-") as work:
                taken[side].append(_round(line, line.sides[side](Path(work)), Path(work)))
    sides = {side: _medians(line, taken[side]) for side in SIDES}
    mistok, script = sides["mistok"], sides["plain"]
    return {
        "key": line.key,
        "title": line.title,
        "unit": line.unit,
        "count": line.expected,
        "note": line.note,
        "goal": line.goal,
        "sides": sides,
        "ratio": _ratio(mistok["rate"], script["rate"]),
        "ratio_whole": _ratio(mistok["rate_whole"], script["rate_whole"]),
        "ratio_memory": _ratio(mistok["peak_mib"], script["peak_mib"]),
    }


def _round(line: Line, command: Command, work: Path) -> dict[str, float]:
    begun = time.perf_counter()
    done = subprocess.run(command.args, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, env=_env(work))
    whole = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{line.key}: {' '.join(command.args)} failed:\n{done.stdout}\n{done.stderr}")
    if not command.tells:
        return {"seconds": whole, "whole": whole}
    told = json.loads(done.stdout.splitlines()[-1])
    expected = line.expected if command.expected is None else command.expected
    if told["done"] != expected:
        raise RuntimeError(f"{line.key}: {told['done']} of {expected} were done:\n{done.stdout}\n{done.stderr}")
    figures = {"seconds": told["seconds"], "cpu": told["cpu"], "whole": whole, "peak_mib": told["peak_mib"]}
    return {**figures, "done": told["done"]}


def _env(work: Path) -> dict[str, str]:
    # what the user of this machine has set must not decide; temporary files lie on the disk that is measured
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MISTOK_")}
    return {**kept, "TMPDIR": str(work), "PYTHONHASHSEED": "0"}


def _medians(line: Line, rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    peaks = [one["peak_mib"] for one in rounds if "peak_mib" in one]
    cpu = [one["cpu"] for one in rounds if "cpu" in one]
    seconds, whole = median(one["seconds"] for one in rounds), median(one["whole"] for one in rounds)
    done = rounds[0].get("done", line.expected)
    return {
        "seconds": round(seconds, 4),
        "seconds_whole": round(whole, 4),
        "seconds_cpu": round(median(cpu), 4) if cpu else None,
        "rate": round(done / seconds, 2),
        "rate_whole": round(done / whole, 2),
        "peak_mib": round(median(peaks), 1) if peaks else None,
        "rounds": [round(one["seconds"], 4) for one in rounds],
    }


def _ratio(one: float | None, other: float | None) -> float | None:
    return round(one / other, 3) if one and other else None
