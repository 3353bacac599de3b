"""Runs the lines: every round runs each side once in a fresh process (A B A B …), so that what the machine does
besides hits both alike; medians of the rounds are told, and of ratios the median of the rounds' own."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import psutil

from tests.bench import ratios
from tests.bench.held import held_by
from tests.bench.lines import LINES
from tests.bench.stage import Command, Goal, Line, NotHere, Options, Stage, staged

Say = Callable[[str], None]
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
    rounds = line.rounds or rounds
    taken: dict[str, list[dict[str, Any]]] = {side: [] for side in line.sides}
    missing: dict[str, str] = {}
    for number in range(rounds):
        for side in tuple(line.sides) if number % 2 == 0 else tuple(line.sides)[::-1]:
            if side in missing:
                continue
            say(f"{line.key}: round {number + 1} of {rounds}, {side}")
            with TemporaryDirectory(dir=stage.folder, prefix=f"{line.key}-", ignore_cleanup_errors=True) as work:
                try:
                    command = line.sides[side](Path(work))
                except NotHere as error:
                    missing[side] = str(error)
                else:
                    taken[side].append(_round(line, command, Path(work)))
    sides = {side: _medians(line, of_side) for side, of_side in taken.items() if of_side}
    mistok, script = sides["mistok"], sides.get("plain")
    return {
        "key": line.key,
        "title": line.title,
        "unit": line.unit,
        "count": line.expected,
        "note": line.note,
        "sides": sides,
        "missing": missing,
        "goals": [_goal(goal, sides) for goal in line.all_goals],
        "ratio": ratios.rate(mistok, script),
        "ratio_whole": ratios.ratio(mistok["rate_whole"], script["rate_whole"]) if script else None,
        "ratio_memory": ratios.ratio(mistok["peak_mib"], script["peak_mib"]) if script else None,
    }


def _goal(goal: Goal, sides: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    value = ratios.value(goal.of, sides["mistok"], sides.get(goal.beside))
    return {**asdict(goal), "value": value, "reached": None if value is None else goal.reached(value)}


def _round(line: Line, command: Command, work: Path) -> dict[str, Any]:
    env = {**_env(work), **command.env}
    # to files: what is watched is not read while it runs, and a full pipe would stop it
    with (work / "said").open("w+b") as out_file, (work / "complained").open("w+b") as err_file:
        begun = time.perf_counter()
        with subprocess.Popen(command.args, stdout=out_file, stderr=err_file, cwd=ROOT, env=env) as process:
            peak = _watched(process) if command.watched else None
            process.wait()
        whole = time.perf_counter() - begun
        out, err = (_text(file) for file in (out_file, err_file))
    if process.returncode:
        raise RuntimeError(f"{line.key}: {' '.join(command.args)} failed:\n{out}\n{err}")
    expected = line.expected if command.expected is None else command.expected
    if not command.tells:
        return {"seconds": whole, "whole": whole, "done": expected, **({"peak_mib": peak} if peak else {})}
    told = json.loads(out.splitlines()[-1])
    if told["done"] != expected:
        raise RuntimeError(f"{line.key}: {told['done']} of {expected} were done:\n{out}\n{err}")
    named = ("seconds", "cpu", "peak_mib", "done", "figures")
    return {**{name: told[name] for name in named if name in told}, "whole": whole}


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _watched(process: subprocess.Popen[bytes]) -> float:
    """The most memory, in MiB, that a program and its children were seen to hold together; returns at its end."""
    peak = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, held_by(root))
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
    return peak / 2**20


def _env(work: Path) -> dict[str, str]:
    # what the user of this machine has set must not decide; temporary files lie on the disk that is measured
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MISTOK_")}
    return {**kept, "TMPDIR": str(work), "PYTHONHASHSEED": "0"}


def _medians(line: Line, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    peaks = [one["peak_mib"] for one in rounds if "peak_mib" in one]
    cpu = [one["cpu"] for one in rounds if "cpu" in one]
    seconds, whole = median(one["seconds"] for one in rounds), median(one["whole"] for one in rounds)
    done = rounds[0].get("done", line.expected)
    figures = rounds[0].get("figures", {})
    return {
        "seconds": round(seconds, 4),
        "seconds_whole": round(whole, 4),
        "seconds_cpu": round(median(cpu), 4) if cpu else None,
        "done": done,
        "rate": round(done / seconds, 2),
        "rate_whole": round(done / whole, 2),
        "peak_mib": round(median(peaks), 1) if peaks else None,
        "figures": {name: round(median(one["figures"][name] for one in rounds), 4) for name in figures},
        "rounds": [round(one["seconds"], 4) for one in rounds],
        "each": {"figures": {name: [round(one["figures"][name], 4) for one in rounds] for name in figures}},
    }
