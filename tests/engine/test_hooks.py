"""Webhooks are hints: the right job looks, a stranger learns nothing, and nothing is believed."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.hooks import Hooks, jobs_for
from pipeline.errors import ConfigError
from pipeline.ports import Hint
from pipeline.registry import load_registry
from tests.engine.sync_world import SHOP, MemorySystem, plugin

SECRET = "a-long-enough-secret"
CONFIG = f"""\
client: acme
connections:
  erp: {{type: books, url: "sqlite:///erp.sqlite3"}}
  shop: {{type: books, url: "sqlite:///shop.sqlite3"}}
  site: {{type: local, path: site}}
hooks: {{listen: "127.0.0.1:0", secret: {SECRET}}}
jobs:
  goods:
    every: 1h
    steps: [{{step: sync-catalogue, from: erp, to: shop}}]
  stock:
    every: 1h
    steps: [{{step: sync-stock, from: erp, to: shop}}]
  off:
    every: 1h
    enabled: false
    steps: [{{step: sync-stock, from: erp, to: shop}}]
  orders:
    watch: true
    steps: [{{step: import-orders, inbox: site, into: erp}}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Any:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return load_config(tmp_path / "config.yaml")


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def hooks(config: Any, heard: list[str]) -> Iterator[Hooks]:
    made = Hooks(config, config.hooks, heard.append, SystemClock())
    made.start()
    yield made
    made.stop()


def call(hooks: Hooks, path: str, body: bytes = b"{}", method: str = "POST") -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{hooks.port}{path}", data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("path", "jobs"),
    [
        (f"/hooks/erp/{SECRET}", ["goods", "stock"]),
        (f"/hooks/erp/{SECRET}/stock", ["stock"]),
        (f"/hooks/erp/{SECRET}/catalogue", ["goods"]),
        (f"/hooks/erp/{SECRET}/orders", []),
        (f"/hooks/site/{SECRET}", ["orders"]),
        (f"/hooks/shop/{SECRET}", []),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_jobs_that_read_from_it_look(
    hooks: Hooks, heard: list[str], path: str, jobs: list[str], method: str
) -> None:
    assert call(hooks, path, method=method) == 204
    assert heard == jobs


@pytest.mark.parametrize(
    "path",
    ["/", "/hooks", "/hooks/erp", "/hooks/erp/wrong-secret-of-some-length", f"/hooks/none/{SECRET}",
     f"/hooks/erp/{SECRET}/money", f"/hooks/erp/{SECRET}/stock/more", f"/hooks/%2e%2e/{SECRET}"],
)  # fmt: skip
def test_a_stranger_learns_nothing(hooks: Hooks, heard: list[str], path: str) -> None:
    assert call(hooks, path) == 404
    assert heard == []


def test_a_body_without_end_is_not_read(hooks: Hooks, heard: list[str]) -> None:
    # only announced: a body that is sent to one who reads none of it may break the line before the answer is read
    line = http.client.HTTPConnection("127.0.0.1", hooks.port, timeout=5)
    with closing(line):
        line.putrequest("POST", f"/hooks/erp/{SECRET}")
        line.putheader("Content-Length", "1100000")
        line.endheaders()
        assert line.getresponse().status == 413
    assert heard == []


def test_what_the_systems_own_plugin_reads_out_of_it_narrows_the_jobs(
    config: Any, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Telling(MemorySystem):
        def hint(self, headers: Any, body: bytes) -> Hint:
            return Hint(frozenset({"stock"}) if b"in_stock" in body else frozenset())

    registry = load_registry()
    mine = {**registry.systems, "books": plugin("books", Telling(SHOP))}
    monkeypatch.setattr("pipeline.engine.hooks.load_registry", lambda: replace(registry, systems=mine))
    hooks = Hooks(config, config.hooks, heard.append, SystemClock())
    assert hooks.take(f"/hooks/erp/{SECRET}", {}, b'[{"in_stock": 2}]')
    assert heard == ["stock"]
    assert hooks.take(f"/hooks/erp/{SECRET}", {}, b"\xff\x00 nothing")
    assert heard == ["stock", "goods", "stock"]


def test_a_port_that_is_taken_is_told(config: Any, hooks: Hooks) -> None:
    taken = config.hooks.model_copy(update={"listen": f"127.0.0.1:{hooks.port}"})
    with pytest.raises(ConfigError, match="cannot be listened on"):
        Hooks(config, taken, lambda _job: None, SystemClock()).start()


def test_the_secret_stays_out_of_the_log(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    call(hooks, f"/hooks/erp/{SECRET}")
    call(hooks, f"/hooks/none/{SECRET}")
    assert SECRET not in caplog.text


def test_jobs_that_are_off_are_left_alone(config: Any) -> None:
    assert jobs_for(config, "erp", frozenset()) == {"goods", "stock"}


@pytest.mark.parametrize(
    ("text", "words"),
    [("listen: nowhere, secret: " + SECRET, "not an address"), ("secret: short", "secret")],
)
def test_a_wrong_setting_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace(f'listen: "127.0.0.1:0", secret: {SECRET}', text), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    told = " ".join(f"{one.text} {one.where.element}" for one in caught.value.findings)
    assert words in told
    assert caught.value.findings[0].where.line == 6
