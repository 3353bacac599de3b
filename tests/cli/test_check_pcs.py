"""``mistok check`` and the PCs of `alerts.tell`: a mistyped name would leave somebody untold, and nobody would see."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli import common, pc_names
from pipeline.cli.check import look
from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client
from pipeline.ledger.invitations import invited, revoked

CONFIG = """\
client: acme
language: en
connections: {site: {type: local, path: site}, books: {type: books}}
jobs: {orders: {steps: [{step: import-orders, inbox: site, into: books}]}}
alerts:
  tell:
    - {to: Anna, kinds: order}
    - kinds: failure
      to: [ivann, ОЛЕГ, nobody]
"""


def client(folder: Path, text: str = CONFIG) -> ClientConfig:
    (folder / "site").mkdir()
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return load_config(folder / "config.yaml")


def test_names_that_are_no_pc_and_pcs_that_no_rule_names_are_remarks(tmp_path: Path) -> None:
    config = client(tmp_path)
    with Client.open(config) as opened:
        for name in ("anna", "Ivan", "petro", "олег", "gone"):
            invited(opened.ledger, name, by="admin")
        revoked(opened.ledger, "gone", by="admin")
    answers, code = look(config)
    assert code == common.DONE, "a warning: it runs all the same"
    [answer] = [one for one in answers if one.name == "alerts"]
    mistyped, unknown, meant, left_out = answer.remarks
    assert str(mistyped.text) == "`ivann` of `alerts.tell` (line 9) is no PC that is invited: nobody is told there."
    assert str(mistyped.hint) == "Did you mean `ivan`?"
    assert mistyped.where.line == 9
    assert "`nobody`" in str(unknown.text)
    assert str(unknown.hint) == "Let it in: mistok alerts invite nobody"
    assert str(meant.text).startswith("The PC ivan is told of nothing")
    assert str(left_out.text) == "The PC petro is told of nothing: no rule of `alerts.tell` names it."


def test_a_rule_for_all_leaves_nobody_out(tmp_path: Path) -> None:
    config = client(tmp_path, CONFIG.replace("{to: Anna, kinds: order}", "{kinds: order}"))
    assert not list(pc_names.gaps(config, {"ivann", "олег", "nobody", "petro"}))


def test_without_rules_or_without_its_server_nothing_is_asked(tmp_path: Path) -> None:
    config = client(tmp_path, CONFIG.replace("alerts:", "ledger: {url: 'postgresql://nobody@127.0.0.1:1/x'}\nalerts:"))
    assert pc_names.remarks(config, connect=False) == []
    assert pc_names.remarks(config.model_copy(update={"alerts": type(config.alerts)()}), connect=True) == []
