"""F58: nothing arrives for unusually long: a quiet shop is told from a broken pipe, each once until it changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.engine import quiet
from pipeline.engine.quiet import Inbox
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.errors import Who
from pipeline.ledger import tables as t
from pipeline.testing.tcpproxy import TcpProxy
from tests.faults.conftest import Victim
from tests.faults.proxied import proxied

Make = Callable[[str, str], Victim]


def lived(victim: Victim, days: int = 28, each: timedelta = timedelta(hours=2)) -> datetime:
    """As if the shop had sent a file every two hours for four weeks; gives when the last one came."""
    now = victim.clock.now()
    moments = [now - each * n for n in range(int(timedelta(days=days) / each))][::-1]
    with Client.open(victim.config(), clock=victim.clock) as client, client.ledger.begin() as conn:
        rows = [
            {
                "client": "acme",
                "connection": "site",
                "folder": victim.remote_inbox,
                "name": f"old-{n}.xml",
                "size": 1,
                "state": "acknowledged",
                "policy": "deleted",
                "tries": 0,
                "fence": 0,
                **dict.fromkeys(("first_seen", "last_look", "stable_since", "updated"), at),
            }
            for n, at in enumerate(moments)
        ]
        conn.execute(t.files.insert(), rows)
    return moments[-1]


def look(victim: Victim) -> Inbox:
    """What the service does each minute; its alarm goes into the ledger."""
    config = victim.config()
    with Client.open(config, clock=victim.clock) as client:
        found = quiet.examine(client.ledger, config, quiet.Habits())
        quiet.alarm(client.ledger, config, found)
    assert len(found) == 1
    return found[0]


def run(victim: Victim) -> str:
    """The job's tick."""
    return run_job(victim.config(), "orders", RunOptions(trigger="schedule"), clock=victim.clock).state


def told(victim: Victim) -> list[tuple[str, str]]:
    """(title, code) of the notices about the inbox."""
    with Client.open(victim.config()) as client, client.ledger.read() as conn:
        query = sa.select(t.notices).where(t.notices.c.subject.like("inbox:%")).order_by(t.notices.c.id)
        return [(row.title["t"], row.data["code"]) for row in conn.execute(query)]


def go_on(victim: Victim, **span: float) -> None:
    victim.clock.ahead += timedelta(**span)


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f58_a_quiet_shop_is_told_once_and_its_end_too(make_victim: Make, ledger: str) -> None:
    victim = make_victim("sftp", ledger)
    last = lived(victim)
    run(victim)
    usual = look(victim)
    assert (usual.rule, usual.finding) == ("learned", None)
    assert usual.alarm_at is not None
    assert timedelta(hours=2) < usual.alarm_at - last < timedelta(hours=9)
    assert told(victim) == []

    go_on(victim, hours=10)
    assert run(victim) == "done"
    silent = look(victim)
    assert silent.finding is not None
    assert silent.finding.code == "quiet-shop"
    assert silent.finding.who is Who.SITE
    assert "The server answers and the folder is empty." in silent.finding.text.render("en")
    assert "usually about 5 would have come" in silent.finding.text.render("en")
    for _ in range(5):
        go_on(victim, minutes=1)
        look(victim)
    assert told(victim) == [("Nothing comes to {inbox}", "quiet-shop")], "once"

    victim.drop_twenty()
    assert run(victim) == "done"
    assert look(victim).finding is None
    look(victim)
    assert told(victim)[1:] == [("Files come to {inbox} again", "")]
    victim.check()


def test_f58_a_broken_pipe_is_another_alarm_for_another_person(
    request: pytest.FixtureRequest, make_victim: Make
) -> None:
    with proxied(request, make_victim, "sshd") as (victim, proxy):
        _break_the_pipe(victim, proxy)


def _break_the_pipe(victim: Victim, proxy: TcpProxy) -> None:
    lived(victim)
    run(victim)
    proxy.stop()
    go_on(victim, hours=10)
    assert run(victim) == "failed"
    broken = look(victim).finding
    assert broken is not None
    assert (broken.code, broken.who) == ("quiet-connection", Who.ADMIN)
    assert "The server cannot be used since" in broken.text.render("en")

    proxy.start()  # the server is back; the folder is not
    aside = victim.inbox.with_name("aside")
    shutil.move(victim.inbox, aside)
    go_on(victim, minutes=5)
    assert run(victim) == "failed"
    gone = look(victim).finding
    assert gone is not None
    assert (gone.code, gone.who) == ("quiet-folder", Who.ADMIN)

    shutil.move(aside, victim.inbox)  # all is there, and still nothing comes: now it is the shop
    assert run(victim) == "done"
    shop = look(victim).finding
    assert shop is not None
    assert (shop.code, shop.who) == ("quiet-shop", Who.SITE)

    (victim.inbox / "orders.json").write_bytes(b"{}")  # the site's developer has changed something
    assert run(victim) == "done"
    names = look(victim).finding
    assert names is not None
    assert (names.code, names.who) == ("quiet-names", Who.ADMIN)
    assert [code for _title, code in told(victim)] == ["quiet-connection", "quiet-folder", "quiet-shop", "quiet-names"]
    (victim.inbox / "orders.json").unlink()
    victim.check()


def test_f58_when_nobody_looks_the_shop_is_not_blamed(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    lived(victim)
    victim.clock.ahead = timedelta(0)
    path = victim.path
    assert run(victim) == "done"
    text = path.read_text("utf-8").replace("  orders:\n", "  orders:\n    every: 1m\n", 1)
    go_on(victim, hours=10)

    path.write_text(text, "utf-8")
    config = load_config(path)
    with Client.open(config, clock=victim.clock) as client:
        found = quiet.examine(client.ledger, config, quiet.Habits())[0].finding
    assert found is not None
    assert (found.code, found.who) == ("quiet-no-look", Who.ADMIN)
    assert "has not listed the folder since" in found.text.render("en")
    victim.check()


@pytest.mark.parametrize(("setting", "rule", "code"), [("off", "off", ""), ("4h", "fixed", "quiet-shop")])
def test_f58_a_fixed_time_or_none(make_victim: Make, setting: str, rule: str, code: str) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = f"quiet_alarm: {setting}"
    lived(victim, days=1)
    go_on(victim, hours=3.9)
    run(victim)
    assert look(victim).finding is None
    go_on(victim, minutes=10)
    run(victim)
    now: Any = look(victim)
    assert now.rule == rule
    assert (now.finding.code if now.finding else "") == code
    victim.check()


def test_f58_too_little_history_says_nothing(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    lived(victim, days=13)
    go_on(victim, days=4)
    run(victim)
    found = look(victim)
    assert (found.rule, found.finding, found.alarm_at) == ("learning", None, None)
    victim.check()
