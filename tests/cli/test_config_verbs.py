"""``mistok config explain`` and ``diff``: what a key is and whence its value; what changed, by meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.config import explained
from pipeline.cli.config_diff import changes, of_files
from pipeline.config.load import load_config
from pipeline.engine.shown.configs import told
from pipeline.errors import ConfigError
from pipeline.texts import use_language
from tests.e2e.command import mistok

BASE = """\
connections:
  shop:
    type: sftp
    host: shop.example
    user: acme
    password: hunter2-very-secret
  "b.c": {type: books, url: "sqlite:///books.sqlite3"}
"""
CONFIG = """\
include: base.yaml
client: acme
language: en
connections:
  shop: {port: 2222}
jobs:
  import:
    every: 5m
    steps:
      - step: import-orders
        inbox: shop
        into: b.c
        format: {type: order-xml}
      - step: mine
        token: ${env:MY_TOKEN}
        colour: red
alerts: {channels: [desktop]}
"""
PLUGIN = """\
from typing import Literal

from pipeline.api import FreeStep, Settings, StepContext, StepPlugin, StepResult, T


class MineSettings(Settings):
    \"\"\"Mine.\"\"\"

    token: str = ""
    \"\"\"What opens the door.\"\"\"
    colour: Literal["red", "blue"] = "blue"
    \"\"\"Of the door.\"\"\"


def run(settings: MineSettings, context: StepContext) -> StepResult:
    return StepResult()


PLUGIN = StepPlugin("mine", T("Mine."), MineSettings, FreeStep(run))
"""


@pytest.fixture(autouse=True)
def english() -> None:
    use_language("en")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "mine.py").write_text(PLUGIN, encoding="utf-8")
    (folder / "base.yaml").write_text(BASE, encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return folder / "config.yaml"


@pytest.mark.whole
@pytest.mark.parametrize(
    ("key", "value", "source"),
    [
        ("jobs.import.steps.0.inbox", "shop", "config.yaml:11"),
        ("jobs.import.steps[0].inbox", "shop", "config.yaml:11"),
        ("connections.shop.port", "2222", "config.yaml:5"),
        ("connections.shop.host", "shop.example", "base.yaml:4"),
        ("connections.shop.password", "•••", "base.yaml:6"),
        ("connections.b.c.url", "sqlite:///books.sqlite3", "base.yaml:7"),
        ("connections.shop.timeout", None, "default"),
        ("jobs.import.steps.1.token", "${env:MY_TOKEN}", "config.yaml:15"),
        ("jobs.import.steps.1.colour", "red", "config.yaml:16"),
        ("jobs.import.steps.0.format", {"type": "order-xml"}, "config.yaml:13"),
        ("alerts.channels.0", "desktop", "config.yaml:17"),
        ("archive.path", None, "default"),
        ("timezone", None, "default"),
    ],
)
def test_a_key_tells_its_value_and_its_line(client: Path, key: str, value: Any, source: str) -> None:
    row = explained(client, key)
    assert (row["value"], row["source"].replace(f"{client.parent}/", "")) == (value, source)
    assert row.get("meaning") or row["keys"]


def test_what_a_key_takes(client: Path) -> None:
    row = explained(client, "jobs.import.steps.1.colour")
    assert (row["default"], row["allowed"], row["required"]) == ("blue", ["red", "blue"], False)
    assert explained(client, "jobs.import.steps.0.inbox")["required"]
    assert explained(client, "connections.shop.port")["type"] == "whole number"
    below = {one["parameter"] for one in explained(client, "connections.shop")["keys"]}
    assert {"host", "port", "password"} <= below
    assert "hunter2" not in json.dumps(explained(client, "connections"), ensure_ascii=False)


def test_a_plugins_parameter_tells_where_the_config_has_it(client: Path) -> None:
    row = explained(client, "mine.colour")
    assert [(one["key"], one["value"]) for one in row["uses"]] == [("jobs.import.steps.1.colour", "red")]
    row = explained(client, "sftp.password")
    assert [one["value"] for one in row["uses"]] == ["•••"]
    assert explained(client, "import-orders.batch")["uses"][0]["source"] == "default"
    assert explained(client.parent / "nothing" / "config.yaml", "import-orders.batch")["default"] == "150"


@pytest.mark.whole
@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("conections.shop", "connections"),
        ("connections.shp.port", "shop"),
        ("connections.shop.prot", "port"),
        ("jobs.imprt", "import"),
        ("jobs.import.steps.1.color", "colour"),
        ("jobs.import.evry", "every"),
        ("import-order.inbox", "import-orders"),
    ],
)
def test_an_unknown_key_says_what_was_meant(client: Path, key: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explained(client, key)
    assert f"`{hint}`" in str(caught.value.findings[0].hint)


def test_also_of_a_config_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("client: a b\njobs:\n  j:\n\tevery: 5m\n", encoding="utf-8")
    assert explained(path, "client")["value"] == "a b"


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


OLD = """\
client: acme
language: en
connections:
  site: {type: local, path: site, create: true}
  ftp: {type: ftp, host: h, user: u, password: first-secret}
  books: {type: books}
jobs:
  orders:
    every: 60s
    steps:
      - {step: import-orders, inbox: site, into: books}
  night:
    at: "03:00"
    steps:
      - {step: export-catalogue, from: books, to: ftp, format: {type: joomshopping-csv}}
"""


def test_comments_order_and_spelling_are_no_change(tmp_path: Path) -> None:
    same = (
        "# the same\nlanguage: en\nclient: 'acme'\njobs:\n  night:\n    at: [03:00]\n    steps: [{from: books, step: "
        "export-catalogue, to: ftp, format: joomshopping-csv}]\n  orders:\n    steps: [{inbox: site, step: "
        "import-orders, "
        "into: books, after: delete}]\n    every: 1m\ntimezone: Europe/Kyiv\nconnections:\n  books: {type: books}\n"
        "  ftp: {type: ftp, tls: explicit, user: u, host: h, password: first-secret}\n"
        "  site: {create: true, type: local, path: site}\n"
    )
    rows = of_files(_write(tmp_path, "old.yaml", OLD), _write(tmp_path, "new.yaml", same))
    assert [row["key"] for row in rows if not row["key"].endswith("tls")] == []


def test_what_changed_and_what_comes_of_it(tmp_path: Path) -> None:
    new = (
        OLD.replace("every: 60s", "every: 2m")
        .replace("first-secret", "second-secret")
        .replace("path: site", "path: elsewhere")
        .replace("from: books, to: ftp", "from: books, to: ftp, only_changed: false")
        .replace(
            "  night:",
            "  noon:\n    at: '12:00'\n    enabled: false\n    steps: [{step: export-catalogue, from: books,"
            " to: site}]\n  night:",
        )
    )
    rows = {row["key"]: row for row in of_files(_write(tmp_path, "old.yaml", OLD), _write(tmp_path, "new.yaml", new))}
    assert (rows["jobs.orders.every"]["old"], rows["jobs.orders.every"]["new"]) == ("1m", "2m")
    assert rows["jobs.orders.every"]["effects"][0].startswith("Job orders starts next at ")
    assert rows["connections.site.path"]["effects"] == ["Used by: orders, noon."]
    assert rows["connections.ftp.password"]["effects"] == ["Used by: night."]
    assert rows["jobs.night.steps.0.only_changed"]["new"] is False
    assert rows["jobs.noon"]["change"] == "added"
    assert rows["jobs.noon"]["effects"] == ["Job noon runs by hand only."]
    assert "secret" not in json.dumps(list(rows.values()), default=str).replace("_secret", "")


def test_a_step_put_in_front_is_one_change(tmp_path: Path) -> None:
    old = load_config(_write(tmp_path, "old.yaml", OLD))
    new = load_config(
        _write(
            tmp_path,
            "new.yaml",
            OLD.replace(
                "    steps:\n      - {step: import",
                "    steps:\n      - {step: export-catalogue, from: books, to: site}\n      - {step: import",
            ),
        )
    )
    rows = changes(told(old), old, new)
    assert [(row["key"], row["change"]) for row in rows] == [("jobs.orders.steps.0", "added")]
    rows = changes(told(new), new, old)
    assert [(row["key"], row["change"]) for row in rows] == [("jobs.orders.steps.0", "removed")]


def test_from_what_ran_to_what_is_written(tmp_path: Path) -> None:
    path = _write(tmp_path, "config.yaml", OLD)
    said = mistok("-c", path, "config", "diff")
    assert said.code == 1
    assert "No run has used a config yet" in said.err
    assert mistok("-c", path, "run", "orders").code == 0
    _write(tmp_path, "config.yaml", OLD.replace("every: 60s", "every: 2m") + "# a remark\n")
    rows = mistok("-c", path, "config", "diff", "--json").json()
    assert [(row["key"], row["old"], row["new"]) for row in rows] == [("jobs.orders.every", "1m", "2m")]
    _write(tmp_path, "config.yaml", OLD + "# a remark\n")
    assert "Nothing changed" in mistok("-c", path, "config", "diff").out
    assert "from" in mistok("-c", path, "config", "explain", "jobs.orders.every").out
