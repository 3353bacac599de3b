"""One inbox has one taker."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.errors import ConfigError

CONFIG = """\
client: acme
language: en
connections:
  site: {{type: local, path: site}}
  books: {{type: books}}
jobs:
  one:
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books}}
  two:
    steps:
      - {{step: import-orders, inbox: site, folder: {folder}, into: books}}
"""


def test_two_steps_on_one_inbox_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder="orders/"), encoding="utf-8")
    with pytest.raises(ConfigError, match="already") as caught:
        load_config(path)
    (finding,) = caught.value.findings
    assert finding.code == "config-inbox"
    assert finding.where.line == 12


def test_two_folders_of_one_connection_are_two_inboxes(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder="more"), encoding="utf-8")
    assert len(load_config(path).jobs) == 2
