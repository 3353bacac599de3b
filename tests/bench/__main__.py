"""``python -m tests.bench``: all figures of docs/benchmarks.md, each as a ratio to a plain script, and a plot."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.bench import plot, report
from tests.bench.lines import LINES
from tests.bench.measure import ROOT, measure
from tests.bench.stage import Options


def main() -> None:
    """Measure, print the table, write the figures and draw them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="order files of the import (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=20_000, help="products of the export (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side (default: %(default)s)")
    parser.add_argument("--only", choices=LINES, action="append", default=[], help="this line alone; may be repeated")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures there (default: build/benchmarks.json)"
    )
    parser.add_argument("--plot", type=Path, metavar="OUT", help="draw them there (default: build/benchmarks.svg)")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md, and .json and .svg beside it")
    parser.add_argument(
        "--from", type=Path, metavar="JSON", dest="given", action="append", default=[],
        help="measure nothing: figures of before; may be repeated, for lines that were measured in several runs",
    )  # fmt: skip
    args = parser.parse_args()
    if min(args.files, args.rows, args.rounds) < 1:
        parser.error("--files, --rows and --rounds are at least 1")
    if args.docs and args.only:
        parser.error("--docs wants every line")

    # as on a user's machine: what is measured is a start, not the compiling of sources
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False

    def say(words: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{words:<60}", end="", file=sys.stderr, flush=True)

    if args.given:
        figures = report.joined([json.loads(one.read_text(encoding="utf-8")) for one in args.given], tuple(LINES))
    else:
        figures = measure(Options(args.files, args.rows, args.rounds), args.only, say)
    say("")
    print(report.table(figures))
    print(f"\n{report.reached(figures)}\n{report.machine(figures)}.")
    docs = ROOT / "docs"
    beside = docs if args.docs else ROOT / "build"
    beside.mkdir(exist_ok=True)
    written, drawn = args.json or beside / "benchmarks.json", args.plot or beside / "benchmarks.svg"
    written.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    plot.draw(figures, drawn)
    print(f"The figures are in {written}, drawn in {drawn}.")
    if args.docs:
        remarks = (Path(__file__).parent / "remarks.md").read_text(encoding="utf-8")
        (docs / "benchmarks.md").write_text(report.page(figures, remarks), encoding="utf-8")


if __name__ == "__main__":
    main()
