"""What a fleet looks after: silence, the archive, who is to be told elsewhere, moments that were set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerts import notices
from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine import quiet, sharing
from pipeline.engine.fleet.care import EVERY, LIMITS, LONGEST, care, escalate, following, tidy
from pipeline.engine.fleet.roster import Clients
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.engine.sync.store import WAKE
from pipeline.errors import Finding, Transient
from pipeline.ledger import tables as t
from pipeline.resources import samples
from pipeline.texts import T
from tests.engine.fleet import clients

#: A channel of the client's own, without settings.
BELL = """\
from pathlib import Path
from pipeline.api import ChannelPlugin, Delivered, Settings, T

class Bell:
    name = "bell"

    def __init__(self, settings):
        pass

    def available(self):
        return Delivered(True)

    def send(self, notice, language):
        with Path(__file__).parents[1].joinpath("rung").open("a", encoding="utf-8") as rung:
            print(notice.kind, file=rung)
        return Delivered(True)

    def close(self):
        pass

PLUGIN = ChannelPlugin("bell", T("Rings."), Settings, Bell)
"""


class Later(SystemClock):
    """The clock in so many days."""

    def __init__(self, days: float) -> None:
        self.days = days

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The config of a client whose inbox is to have something every day, and whose copies are kept for a month."""
    path = clients.write(tmp_path, "acme")
    text = path.read_text("utf-8").replace(
        "{step: import-orders,", "{step: import-orders, quiet_alarm: 1d, stable: 0s,"
    )
    path.write_text(text + "archive: {keep_days: 30}\n", encoding="utf-8")
    order = samples() / "orders/twenty/order-00002001.xml"
    (path.parent / "site/orders/one.xml").write_bytes(order.read_bytes())
    run_job(load_config(path), "orders", RunOptions(trigger="watch"))
    return path


def looked_after(path: Path, days: float) -> tuple[dict[str, datetime], list[str], dict[str, Any]]:
    """What it gives, what its notices are about, and what is known of the tidying."""
    with Client.open(load_config(path), clock=Later(days)) as client:
        moments = care(client)
        due = tidy(client)
        assert due > client.clock.now() or client.config.archive.keep_days is None
        with client.ledger.read() as conn:
            about = [str(row.subject) for row in conn.execute(t.notices.select().order_by(t.notices.c.id))]
            return moments, about, dict(client.ledger.get_value(conn, "retention", "last") or {})


def test_a_silence_is_told_of_once_and_the_archive_is_tidied_once_a_day(path: Path) -> None:
    moments, before, tidied = looked_after(path, 0)
    assert moments == {}
    assert "inbox:site/orders" not in before
    assert tidied["at"]
    again = looked_after(path, 0.5)
    assert again[2] == tidied, "once a day"
    _, about, later = looked_after(path, 2)
    assert about[len(before) :] == ["inbox:site/orders"]
    assert later["at"] != tidied["at"]
    assert looked_after(path, 2)[1] == about, "once"


def test_moments_that_were_set_by_hand_are_found_and_those_that_were_seen_are_not(path: Path) -> None:
    now = datetime.now(UTC)
    soon, over = now + timedelta(hours=1), now - timedelta(hours=9)
    with Client.open(load_config(path)) as client, client.ledger.begin() as conn:
        for name, moment in (("orders/a", over), ("orders/b", soon + timedelta(hours=1)), ("orders/c", soon)):
            client.ledger.set_value(conn, WAKE, name, {"at": moment.isoformat()})
        client.ledger.set_value(conn, WAKE, "gone/a", {"at": soon.isoformat()})
    assert looked_after(path, 0)[0] == {"orders": soon}
    assert looked_after(path, 1 / 24 + 0.001)[0] == {"orders": soon}, "it has come, and no run has begun since"
    assert looked_after(path, 1)[0] == {}


def test_what_fails_keeps_nothing_else_from_being_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> None:
        raise Transient(T("No."), code="ledger")

    now = datetime.now(UTC)
    with Client.open(load_config(path)) as client, client.ledger.begin() as conn:
        client.ledger.set_value(conn, WAKE, "orders/a", {"at": (now + timedelta(hours=1)).isoformat()})
    monkeypatch.setattr(quiet, "examine", broken)
    monkeypatch.setattr(sharing, "missing_here", broken)
    assert list(looked_after(path, 0)[0]) == ["orders"]


def test_each_client_is_looked_after_in_what_its_config_asks_for(path: Path) -> None:
    def cares() -> tuple[str, ...]:
        found = Clients(path.parent)
        try:
            return found.members["acme"].cares
        finally:
            found.close()

    text = path.read_text("utf-8")
    assert cares() == ("care", "tidy")
    path.write_text(
        text.replace("archive: {keep_days: 30}", "")
        + "alerts: {escalate: [{name: boss, after: 15m, channel: {type: desktop}}]}\n",
        encoding="utf-8",
    )
    assert cares() == ("care", "escalate")


def test_who_hangs_is_looked_after_later_and_later() -> None:
    assert EVERY.keys() == LIMITS.keys() == LONGEST.keys()
    for why, seconds in EVERY.items():
        assert following(why, 0) == seconds
        waits = [following(why, tries) for tries in range(1, 30)]
        assert waits == sorted(waits)
        assert (waits[0], waits[-1]) == (2 * seconds, LONGEST[why])


def test_what_nobody_clicked_is_told_elsewhere_once(path: Path) -> None:
    config = path.parent / "plugins"
    config.mkdir()
    (config / "own.py").write_text(BELL, encoding="utf-8")
    rule = "alerts: {escalate: [{name: boss, after: 1m, kinds: [failure], channel: {type: bell}}]}\n"
    path.write_text(path.read_text("utf-8") + rule, encoding="utf-8")
    with Client.open(load_config(path)) as client, client.ledger.begin() as conn:
        client.ledger.notify(conn, notices.failure("job:orders", "orders", Finding("x", T("No."))))
    rung = path.parent / "rung"
    for days, times in ((0, 0), (0.01, 1), (0.02, 1)):
        with Client.open(load_config(path), clock=Later(days)) as client:
            escalate(client)
        assert (len(rung.read_text("utf-8").splitlines()) if rung.exists() else 0) == times
