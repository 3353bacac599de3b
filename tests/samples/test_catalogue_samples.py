"""Catalogues of foreign shapes with the config that maps them: each is read as its golden says, and goes into books.

``WRITE_GOLDENS=1`` writes the goldens anew; what changed is then read by a person, in the diff.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.includes import read_config
from pipeline.config.load import load_config
from pipeline.config.yaml import plain
from tests.e2e.command import here
from tests.editors import check_as_editors_do

CATALOGUES = Path(__file__).parents[2] / "samples" / "catalogues"
CONFIGS = sorted(CATALOGUES.glob("*/config.yaml"))
SAMPLES = sorted(
    path
    for config in CONFIGS
    for path in config.parent.iterdir()
    if path.name != "config.yaml" and not path.name.endswith(".expected.json")
)


def identity(path: Path) -> str:
    return path.relative_to(CATALOGUES).as_posix()


def read(sample: Path) -> dict[str, Any]:
    """As `mistok map try` shows it."""
    config = sample.parent / "config.yaml"
    said = here("-c", config, "--language", "en", "map", "try", sample, "--json")
    found: dict[str, Any] = said.json()
    del found["file"]
    for one in found["findings"]:
        one["where"].pop("file", None) if "where" in one else None
        one.pop("file", None)
    return json.loads(json.dumps(found).replace(json.dumps(str(sample.parent))[1:-1] + "/", ""))  # type: ignore[no-any-return]


def test_there_are_samples_and_each_has_its_golden() -> None:
    assert {config.parent.name for config in CONFIGS} >= {"prom-yml", "supplier-csv", "horoshop-json"}
    if not os.environ.get("WRITE_GOLDENS"):
        goldens = set(CATALOGUES.rglob("*.expected.json"))
        assert goldens == {sample.with_name(sample.name + ".expected.json") for sample in SAMPLES}


@pytest.mark.parametrize("config", CONFIGS, ids=identity)
def test_the_config_is_right_for_the_loader_and_for_editors(config: Path) -> None:
    load_config(config)
    node, findings = read_config(config)
    assert node is not None
    assert not findings
    check_as_editors_do(plain(node))


@pytest.mark.parametrize("sample", SAMPLES, ids=identity)
def test_it_is_read_as_its_golden_says(sample: Path) -> None:
    golden = sample.with_name(sample.name + ".expected.json")
    found = read(sample)
    if os.environ.get("WRITE_GOLDENS"):
        golden.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("config", CONFIGS, ids=identity)
def test_its_products_go_into_the_books_once(config: Path, tmp_path: Path) -> None:
    shutil.copytree(config.parent, tmp_path / "client")

    def run(*words: str) -> dict[str, Any]:
        said = here("-c", tmp_path / "client" / "config.yaml", "--language", "en", *words, "--json")
        found: dict[str, Any] = said.json()
        return found

    first = run("sync", "goods")
    assert first["counts"]["new"] >= 1, "what has no readable price is not created"
    again = run("sync", "goods", "--full")
    assert {"new", "updated"} & set(again["counts"]) == set()
    assert again["counts"]["matched"] >= first["counts"]["new"]
