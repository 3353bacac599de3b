"""docs/plugins.md: each of its plugins is loaded as it stands and keeps the promises of its kind; so does its console.

And the names that plugins may import: none goes without a new MAJOR.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import api
from pipeline.flow import Plugin
from pipeline.testing.plugin_contract import (
    ChannelContract,
    OrderFormatContract,
    StepContract,
    SystemContract,
    plugin_of,
)
from tests.e2e.command import mistok

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def _plugin(folder: Path, record: str) -> Plugin:
    (source,) = (block for block in BLOCKS if f"PLUGIN = {record}(" in block)
    path = folder / f"{record.lower()}.py"
    path.write_text(source, encoding="utf-8")
    return plugin_of(path)


class TestStep(StepContract):
    """The page's step."""

    @pytest.fixture
    def plugin(self, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
        return _plugin(tmp_path_factory.mktemp("step"), "StepPlugin")

    @pytest.fixture
    def example(self) -> Mapping[str, Any]:
        return {"connection": "site"}


class TestFormat(OrderFormatContract):
    """The page's format."""

    @pytest.fixture
    def plugin(self, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
        return _plugin(tmp_path_factory.mktemp("format"), "FormatPlugin")

    @pytest.fixture
    def sample(self) -> bytes:
        return (
            b'{"id": "17", "at": "2026-11-28T10:15", "phone": "+380501112233", "sku": "AB-1", "name": "Paint",'
            b' "quantity": "2", "price": "389.50"}'
        )


class TestSystem(SystemContract):
    """The page's system."""

    @pytest.fixture
    def plugin(self, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
        return _plugin(tmp_path_factory.mktemp("system"), "SystemPlugin")


class TestChannel(ChannelContract):
    """The page's channel."""

    @pytest.fixture
    def plugin(self, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
        return _plugin(tmp_path_factory.mktemp("channel"), "ChannelPlugin")


def test_every_block_of_the_page_is_tried() -> None:
    assert len(BLOCKS) == 4
    assert f'MISTOK_API = "{api.API_VERSION}"' in BLOCKS[0]


def test_the_console_says_what_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("client: acme\nconnections: {}\njobs: {}\n", encoding="utf-8")
    console = re.findall(r"```console\n\$ mistok (.*?)\n(.*?)```", PAGE, re.DOTALL)
    ((words, shown),) = console
    said = mistok("--language", "en", "-c", tmp_path / "config.yaml", *words.split())
    assert said.out.replace(str(tmp_path.resolve()), "/srv/acme") == shown


def test_no_name_of_the_interface_goes_without_a_new_major() -> None:
    """When this fails: put the name back, or raise MAJOR; for a new name raise MINOR and write the file anew."""
    kept: Mapping[str, list[str]] = json.loads(Path(__file__).with_name("api.json").read_text(encoding="utf-8"))
    major = api.API_VERSION.partition(".")[0]
    for version, names in kept.items():
        if version.partition(".")[0] == major:
            assert sorted(set(names) - set(api.__all__)) == [], version
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
