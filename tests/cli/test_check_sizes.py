"""``mistok check`` and sizes that no file can reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import common
from pipeline.cli.check import look
from pipeline.config.load import load_config

CONFIG = """\
client: acme
language: en
connections: {{site: {{type: local, path: site}}, books: {{type: books}}}}
jobs:
  orders:
    steps:
      - step: import-orders
        inbox: site
        into: books
{sizes}"""


@pytest.mark.parametrize(
    ("sizes", "line"),
    [
        ("        max_size: 5 MB\n        stream_from: 6 MB\n", 11),
        ("        stream_from: 60 MB\n", 10),
        ("        max_size: 5 MB\n        stream_from: 5 MB\n", None),
        ("        max_size: 1 MB\n", None),  # the default of the other one is nobody's mistake
        ("", None),
    ],
)
def test_parts_that_begin_above_the_largest_file_are_a_remark(tmp_path: Path, sizes: str, line: int | None) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG.format(sizes=sizes), encoding="utf-8")
    answers, code = look(load_config(tmp_path / "config.yaml"))
    assert code == common.DONE, "a warning: it runs all the same"
    remarks = [remark for answer in answers if answer.name == "orders" for remark in answer.remarks]
    assert [remark.where.line for remark in remarks] == ([line] if line else [])
    assert all(f"(line {line}) has no effect" in str(remark.text) for remark in remarks)
