"""One mistake does not hide another in the schedule of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.errors import ConfigError


def test_a_wrong_value_hides_no_other_mistake_of_the_schedule(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "client: acme\nlanguage: en\nconnections: {site: {type: local, path: site}, books: {type: books}}\njobs:\n"
        '  j:\n    every: 30s\n    at: ["25:00"]\n    cron: "61 * * * *"\n    catch_up: lst\n    wach: true\n'
        "    steps: [{step: import-orders, inbox: site, into: books}]\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml")
    lines = sorted(finding.where.line or 0 for finding in caught.value.findings)
    assert {7, 8, 9, 10} <= set(lines), [str(finding.text) for finding in caught.value.findings]
