"""Two systems are never both master of one field."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.errors import ConfigError

CONFIG = """\
client: acme
connections:
  erp: {{type: books, url: "sqlite:///erp.sqlite3"}}
  shop: {{type: books, url: "sqlite:///shop.sqlite3"}}
jobs:
  there:
    every: 1h
    steps: [{{{there}}}]
  back:
    every: 1h
    steps: [{{{back}}}]
"""
THERE, BACK = "from: erp, to: shop", "from: shop, to: erp"


def load(tmp_path: Path, there: str, back: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(there=there, back=back), encoding="utf-8")
    load_config(path)


@pytest.mark.parametrize(
    ("there", "back", "what"),
    [
        (f"step: sync-stock, {THERE}", f"step: sync-stock, {BACK}", "the stock"),
        (f"step: sync-catalogue, {THERE}", f"step: sync-catalogue, {BACK}", "fields of the products"),
        (f"step: sync-prices, {THERE}", f"step: sync-prices, {BACK}", "price"),
        (f"step: sync-catalogue, {THERE}, fields: [name, price]", f"step: sync-prices, {BACK}", "`price`"),
    ],
)
def test_a_field_that_goes_both_ways_is_a_mistake(tmp_path: Path, there: str, back: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, there, back)
    (finding,) = caught.value.findings
    assert what in str(finding.text)
    assert "there" in str(finding.text)
    assert finding.where.line == 11


def test_a_system_is_not_kept_in_step_with_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="itself"):
        load(tmp_path, "step: sync-stock, from: erp, to: erp", f"step: sync-stock, {BACK}")


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (f"step: sync-catalogue, {THERE}, fields: [name]", f"step: sync-catalogue, {BACK}, fields: [price]"),
        (f"step: sync-catalogue, {THERE}", f"step: sync-stock, {BACK}"),
        (f"step: sync-stock, {THERE}", f"step: sync-prices, {THERE}"),
    ],
)
def test_each_field_may_have_a_master_of_its_own(tmp_path: Path, there: str, back: str) -> None:
    load(tmp_path, there, back)
