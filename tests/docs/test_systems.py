"""docs/systems.md names tests that are there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from pipeline.capabilities import capabilities
from pipeline.registry import load_registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")


def missing_of(page: str) -> list[str]:
    """The tests that a page names and that are not there."""
    named = re.findall(r"`((?:tests|pipeline)/[\w/.]+\.py)(?:::(\w+))?`", page)
    missing = []
    for path, name in named:
        file = ROOT / path
        there: set[str] = set()
        if file.exists():
            tree = ast.parse(file.read_text(encoding="utf-8"))
            there = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        if not file.exists() or (name and name not in there):
            missing.append(f"{path}::{name}")
    return missing


def test_every_test_that_the_table_of_systems_names_is_there() -> None:
    assert PAGE.count("`tests/") > 20
    assert missing_of(PAGE) == []


#: Pages with a table of the features that were asked for, and how many rows it has at least.
FEATURES = {
    "dilovod": ("With KeyCRM, feature by feature", 19),
    "quincefin": ("KeyCRM's integration, feature by feature", 24),
}


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_every_feature_that_was_asked_for_has_its_setting_and_a_test_that_is_there(name: str) -> None:
    heading, least = FEATURES[name]
    page = (ROOT / "docs" / "systems" / f"{name}.md").read_text(encoding="utf-8")
    part = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= least
    assert [row for row in rows if len(row) != 3 or not all(row)] == []
    assert [row[0] for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row[2])] == [], (
        "a feature without a test"
    )
    assert missing_of(page) == []


#: Points of the walk of orders, and how many rows each has at least.
POINTS = {"1": 11, "2": 4, "3": 2, "4": 4, "5": 3, "6, never": 5, "7": 1, "8": 5, "sources": 5, "connectors": 15,
          "bad input": 6, "D": 6, "E": 6}  # fmt: skip


def test_every_sentence_about_orders_into_accounts_has_a_row_with_a_test_that_is_there() -> None:
    part = PAGE.split("## Orders into accounts, sentence by sentence\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")][2:]
    assert [row for row in rows if len(row) != 4 or not all(row)] == []
    assert [row[2] for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row[3])] == [], "without a test"
    told = Counter(row[0] for row in rows)
    assert set(told) == set(POINTS)
    assert {point: n for point, n in told.items() if n < POINTS[point]} == {}
    named = {name.strip() for row in rows for name in row[1].split(",")}
    assert named <= {"walk", "inbox", *SYSTEMS}


def test_every_row_of_the_systems_has_its_test() -> None:
    rows = [line for line in PAGE.split("## Systems")[1].splitlines() if line.startswith("|")][2:]
    assert rows
    assert [row for row in rows if "`tests/" not in row] == []


#: By the names of `mistok plugins`: a word that a row of a system that can do this has.
WORDS = {
    "products": r"products|goods",
    "stock": r"stock|balances",
    "take-products": r"products|goods|prices",
    "take-stock": r"stock",
    "orders": r"orders",
    "take-order-statuses": r"back|what became of",
    "webhooks": r"webhooks",
    "documents": r"documents",
    "amend-documents": r"amended",
    "document-statuses": r"statuses of order|states of orders",
    "shipments": r"shipments",
    "returns": r"returns",
    "payments": r"payments",
    "parties": r"parties",
    "find-products": r"products|goods|order documents",
    "find-by-name": r"found by name",
    "add-products": r"new products|handed out",
    "write-probe": r"probe",
}
SYSTEMS = load_registry().systems


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_system_that_registers_has_a_row_for_what_it_can_do(name: str) -> None:
    rows = [line.split("|")[2] for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    assert rows, "a system without a row"
    told = {one for one in capabilities(SYSTEMS[name]) if one in WORDS}
    assert {one for one in told if not any(re.search(WORDS[one], row) for row in rows)} == set()
