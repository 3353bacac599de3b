"""The text of a config as it is kept: its lines stay where they are, its secrets do not."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.kept import kept
from pipeline.config.load import load_config

BASE = """\
# what forty clients share
connections:
  site: {type: local, path: site}
  far: {type: sftp, host: shop.example, user: mistok, password: "${env:FAR}", host_key: ignore-no-check}
  books: {type: books}
"""
CONFIG = """\
include: shared/base.yaml
client: acme

connections:
  far:
    password: hunter2-literal
hooks: {secret: sixteen-characters-and-more}
jobs:
  orders:
    steps:
      - step: import-orders
        inbox: site
        into: books
        warehouse: {from: warehouse, map: {Склад 3: main}}
        executor: petro
"""


def written(folder: Path) -> Path:
    (folder / "shared").mkdir()
    text = BASE.replace(", host_key: ignore-no-check", "")
    (folder / "shared" / "base.yaml").write_text(text, encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return folder / "config.yaml"


def test_each_key_of_a_job_has_its_file_and_line(tmp_path: Path) -> None:
    text = kept(load_config(written(tmp_path), environ={"FAR": "the-password"}))
    assert text is not None
    step = ("jobs", "orders", "steps", "0")
    assert text.lines[(*step, "executor")] == ("config.yaml", 15)
    assert text.lines[(*step, "warehouse", "map", "Склад 3")] == ("config.yaml", 14)
    assert set(text.files) == {"config.yaml", "shared/base.yaml"}
    assert len(text.files["config.yaml"].split("\n")) == len(CONFIG.splitlines())


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    text = kept(load_config(written(tmp_path), environ={"FAR": "the-password"}))
    assert text is not None
    whole = "\n".join(text.files.values())
    assert "hunter2" not in whole
    assert "sixteen" not in whole
    assert "${env:FAR}" in whole, "a reference is no secret"
    assert "executor: petro" in whole


def test_a_config_that_was_edited_since_is_not_kept_as_the_one_before(tmp_path: Path) -> None:
    path = written(tmp_path)
    config = load_config(path, environ={"FAR": "the-password"})
    path.write_text(CONFIG.replace("petro", "anna"), encoding="utf-8")
    assert kept(config) is None
