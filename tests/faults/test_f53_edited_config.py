"""F53: the YAML is edited while ``mistok serve`` runs: a wrong one changes nothing and is told, a right one is used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import configwatch
from pipeline.engine.configwatch import ConfigWatch, Verdict
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from pipeline.texts import Text
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.serving import as_json, kept, mistok, scheduled, screen, serving, until

Make = Callable[[str, str], Victim]

#: (name, what is written in place of what, where it is told, a word of what is told)
MISTAKES: tuple[tuple[str, str, str, str, str], ...] = (
    ("typo", "every: 1s", "evry: 1s", r"config\.yaml:\d+", "Did you mean `every`?"),
    ("tab", "    every: 1s", "\tevery: 1s", r"config\.yaml:\d+", "tab"),
    ("a quote left open", "client: acme", 'client: "acme', r"config\.yaml:\d+", ""),
)


def edit(victim: Victim, old: str, new: str) -> None:
    text = victim.path.read_text("utf-8")
    assert old in text
    victim.path.write_text(text.replace(old, new, 1), "utf-8")


def alarms(config: ClientConfig) -> list[dict[str, Any]]:
    with Client.open(config) as client, client.ledger.read() as conn:
        rows = conn.execute(t.notices.select().where(t.notices.c.subject == "config").order_by(t.notices.c.id))
        return [t.row_dict(row) for row in rows]


def test_f53_the_old_config_works_on_and_the_mistake_is_told_with_file_and_line(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    scheduled(victim, "every: 1s")
    right, config = victim.path.read_text("utf-8"), load_config(victim.path)
    with serving(victim) as service:
        until(lambda: "run_ended" in screen(victim), victim)
        for number, (_name, old, new, where, hint) in enumerate(MISTAKES, 1):
            edit(victim, old, new)
            until(lambda n=number: screen(victim).count("config_wrong") == n, victim)  # type: ignore[misc]
            until(lambda n=number: len(alarms(config)) == n, victim)  # type: ignore[misc]
            told = alarms(config)
            lines = [line for line in screen(victim).splitlines() if "config_wrong" in line]
            assert re.search(where, lines[-1]), lines[-1]
            assert "the old one works on" in lines[-1]
            body = Text.from_json(told[-1]["body"]).render("en")
            assert hint in body, body
            assert "goes on with the config that it has" in body
            victim.path.write_text(right, "utf-8")
            if number == 1:
                victim.drop_twenty()
                until(lambda: not list(victim.inbox.iterdir()), victim)
            until(lambda: kept(victim, "alarm", "config").get("code") == "", victim)  # it has seen that all is right
            assert service.poll() is None
            tally.note("inputs")
        with Client.open(config) as client, client.ledger.read() as conn:  # written with the code that was waited for
            good = conn.execute(t.notices.select().where(t.notices.c.subject == "config:right")).all()
        assert len(good) == len(MISTAKES), "told when it is right again"
        code, words = mistok(victim, "status")
        assert code == 0, words
    assert len(invariants.books_rows(config)) == 20
    victim.check()


@pytest.mark.full
def test_f53_a_right_config_is_taken_up_and_codes_stay_what_they_are(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    scheduled(victim, "every: 1h")
    edit(victim, 'client: "0042"', "client: 0042")  # octal to a YAML 1.1 parser: 34
    edit(victim, "stable: 10ms", "stable: 10ms, mappings: {sku: {NO: 007, on: 1_000}}")
    params: Any = load_config(victim.path).jobs["orders"].steps[0].params
    assert params.mappings == {"sku": {"NO": "007", "on": "1_000"}}
    assert params.client == "0042"
    with serving(victim) as service:
        until(lambda: "run_ended" in screen(victim), victim)
        edit(victim, "every: 1h", "every: 1s")
        until(lambda: "config_changed" in screen(victim), victim)
        until(lambda: screen(victim).count("Client acme") == 2, victim)
        victim.drop_twenty()
        until(lambda: not list(victim.inbox.iterdir()), victim)
        assert service.poll() is None
        assert as_json(victim, "status")["services"][0]["other_config"] is False
    config = load_config(victim.path)
    assert len(invariants.books_rows(config)) == 20
    victim.check()


def test_f53_a_check_that_hangs_or_crashes_is_no_trouble(make_victim: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(configwatch, "CHECK_LIMIT", 0.5)
    victim = make_victim("local", "sqlite")
    own = victim.folder / "plugins"
    own.mkdir()
    mended = victim.folder / "mended"
    watch = ConfigWatch(victim.config())
    (own / "hangs.py").write_text("import time\ntime.sleep(60)\n", "utf-8")
    edit(victim, "language: uk", "language: en")
    assert "longer than" in not_checked(watch)
    (own / "hangs.py").write_text(f"import os\nos.path.exists({str(mended)!r}) or os._exit(3)\n{PLUGIN}", "utf-8")
    monkeypatch.setattr(configwatch, "CHECK_LIMIT", 60.0)
    edit(victim, "language: en", "language: uk")
    assert "without an answer" in not_checked(watch)
    assert watch.look() is None, "not at once"
    mended.touch()  # what was in its way is gone; no file of the config was touched
    monkeypatch.setattr(watch, "_again", 0.0)
    assert next_verdict(watch) == Verdict(changed=True), "tried again by itself"
    watch.close()
    (own / "hangs.py").unlink()
    victim.check(work_left=True)  # nothing has ever run


def not_checked(watch: ConfigWatch) -> str:
    """What is told of a check that gave no answer; it is an alert like a mistake."""
    verdict = next_verdict(watch)
    [finding] = verdict.findings
    assert finding.code == "config-not-checked"
    assert not verdict.changed
    assert watch._check is None
    assert watch._again < float("inf")
    return str(finding.text)


PLUGIN = """
from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

def run(settings, context):
    return StepResult()

PLUGIN = StepPlugin(name="own", summary=T("x"), settings=Settings, kind=FreeStep(run))
"""


@pytest.mark.full
def test_f53_a_new_secret_and_a_mended_plugin_are_edits_too(make_victim: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password lies in a file of its own, a plugin beside the config: neither changes a letter of the YAML."""
    monkeypatch.setattr(configwatch, "LOOK_EVERY", 0.0)
    victim = make_victim("local", "sqlite")
    victim.config()
    said, own = victim.folder / "language.txt", victim.folder / "plugins"
    said.write_text("uk\n", "utf-8")
    edit(victim, "language: uk", "language: ${file:language.txt}")
    watch = ConfigWatch(load_config(victim.path))

    def verdict() -> Verdict:
        return next_verdict(watch)

    said.write_text("en\n", "utf-8")
    assert verdict() == Verdict(changed=True)
    said.write_text("uk\r\n", "utf-8")
    assert verdict() == Verdict(changed=False), "taken back"
    own.mkdir()
    (own / "own.py").write_text(PLUGIN, "utf-8")
    assert verdict() == Verdict(changed=True)
    (own / "own.py").write_text(PLUGIN + "x =", "utf-8")
    wrong = verdict()
    assert not wrong.changed
    assert "own.py" in str(wrong.findings[0].text)
    said.unlink()
    (own / "own.py").unlink()
    assert "language.txt" in str(verdict().findings[0].text)
    watch.close()
    victim.check(work_left=True)


def test_f53_an_edit_in_the_moment_of_the_start_is_seen(make_victim: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "LOOK_EVERY", 0.0)
    victim = make_victim("local", "sqlite")
    config = victim.config()
    edit(victim, "language: uk", "language: en")
    assert next_verdict(ConfigWatch(config)) == Verdict(changed=True)
    victim.check(work_left=True)


def next_verdict(watch: ConfigWatch) -> Verdict:
    found: list[Verdict | None] = []

    def seen() -> bool:
        found.append(watch.look())
        return found[-1] is not None

    until_over(seen)
    assert found[-1] is not None
    return found[-1]


def until_over(true: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < 120
        time.sleep(0.02)
