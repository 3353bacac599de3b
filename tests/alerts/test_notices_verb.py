"""`mistok notices`, as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.alerts.claims import NoticeState
from pipeline.alerts.outbox import deliver
from pipeline.cli.app import app
from pipeline.engine.shown.stories import NOTICE_STATES as STATES
from pipeline.ledger.store import Ledger
from pipeline.texts import current_language, use_language
from tests.alerts.conftest import Recorder, plain

CONFIG = """\
client: shop
language: uk
connections:
  books: {type: books}
  site: {type: local, path: .}
jobs:
  orders: {every: 1h, steps: [{step: import-orders, inbox: site, into: books}]}
log: {file: null}
"""


@pytest.fixture
def run(
    tmp_path: Path, ledger: Ledger, write: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    write(plain("order", "Old"))
    deliver(ledger, [Recorder()], burst=4, kinds=["order"], language="uk")
    write(plain("order", "One"), plain("catalogue", "Two"))
    deliver(ledger, [Recorder(why="немає екрана")], burst=4, kinds=["order"], language="uk")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "200")

    def _run(*args: str) -> tuple[int, str]:
        before = current_language()
        try:
            done = CliRunner().invoke(app, ["--config", str(tmp_path / "config.yaml"), "notices", *args])
        finally:
            use_language(before)
        return done.exit_code, done.output

    return _run


def test_it_shows_what_was_told_and_why_not(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run()
    assert code == 0
    lines = [line for line in output.splitlines() if "22.11.2026, 11:00" in line]
    assert ["Two" in lines[0], "One" in lines[1], "Old" in lines[2]] == [True] * 3
    assert "лише зберігається тут" in lines[0]
    assert "не показано" in lines[1]
    assert "screen: немає екрана" in lines[1]
    assert "показано" in lines[2]


def test_as_json_and_by_state(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("--json", "--state", "undelivered")
    assert code == 0
    (row,) = json.loads(output)
    assert (row["title"], row["state"], row["why"]) == ("One", "undelivered", "screen: немає екрана")
    assert row["created"] == "2026-11-22T11:00:00+02:00"


def test_a_state_that_does_not_exist_is_a_wrong_call(run: Callable[..., tuple[int, str]]) -> None:
    assert run("--state", "lost")[0] == 2


def test_every_state_has_words() -> None:
    assert set(STATES) == set(NoticeState)
