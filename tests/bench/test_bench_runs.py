"""The bench runs and gives every figure, at tiny sizes. What the figures are is no affair of the suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.lines import LINES
from tests.bench.measure import ROOT


@pytest.mark.parametrize(
    "only",
    [("import", "decode"), *(pytest.param((key,), marks=pytest.mark.full) for key in LINES)],
    ids=["some", *LINES],
)
def test_the_bench_gives_every_line(tmp_path: Path, only: tuple[str, ...]) -> None:
    out, picture = tmp_path / "figures.json", tmp_path / "figures.svg"
    command = [sys.executable, "-m", "tests.bench", "--files", "5", "--rows", "40", "--rounds", "1"]
    command += ["--json", str(out), "--plot", str(picture)]
    command += [word for key in only for word in ("--only", key)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert [line["key"] for line in figures["lines"]] == list(only)
    for line in figures["lines"]:
        assert line["sides"]["mistok"]["rate"] > 0
        assert set(line["sides"]).isdisjoint(line["missing"])
        assert line["title"] in done.stdout
        for goal in line["goals"]:
            assert goal["value"] is not None or goal["beside"] in line["missing"]
    assert "goals reached" in done.stdout
    assert "</svg>" in picture.read_text(encoding="utf-8")
    page = report.page(figures)
    assert all(f"| {line['title']}" in page for line in figures["lines"])
    assert str(tmp_path) not in json.dumps(figures)
    assert str(ROOT) not in page


def test_the_page_is_whole() -> None:
    """docs/benchmarks.md tells of every line that the bench has."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for key in LINES:
        assert f"`{key}`" in page
