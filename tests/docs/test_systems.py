"""docs/systems.md names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")


def test_every_test_that_the_table_of_systems_names_is_there() -> None:
    named = re.findall(r"`((?:tests|pipeline)/[\w/.]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 20
    missing = []
    for path, name in named:
        file = ROOT / path
        there: set[str] = set()
        if file.exists():
            tree = ast.parse(file.read_text(encoding="utf-8"))
            there = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        if not file.exists() or (name and name not in there):
            missing.append(f"{path}::{name}")
    assert missing == []


def test_every_row_of_the_systems_has_its_test() -> None:
    rows = [line for line in PAGE.split("## Systems")[1].splitlines() if line.startswith("|")][2:]
    assert rows
    assert [row for row in rows if "`tests/" not in row] == []
