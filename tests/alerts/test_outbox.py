"""The outbox: nothing lost, nothing twice, many as one."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.alerts.claims import JUST_NOW, LATE, LEASE
from pipeline.alerts.outbox import BACK_OFF, DeliveryReport, deliver, listing
from pipeline.ledger.invitations import invited
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import notices as table
from pipeline.ledger.tables import row_dict
from pipeline.model import Money
from pipeline.ports import Delivered, Notice, Notifier
from tests.alerts.conftest import Recorder, ToldClock, plain

KINDS = ("order", "held", "quarantined", "failure", "brake")
Write = Callable[..., list[int]]


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: ToldClock) -> Iterator[Ledger]:
    """The outbox claims by the database's own means, so each database is tried."""
    url = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_ledger")
    opened = Ledger(url, client="shop", base=tmp_path, clock=clock)
    yield opened
    opened.close()


def another(ledger: Ledger, client: str = "shop") -> Ledger:
    """A further door to the same database."""
    url = ledger.url.render_as_string(hide_password=False)
    return Ledger(url, client=client, base=Path(), clock=ledger.clock)


def go(ledger: Ledger, *channels: Notifier, burst: int = 4, kinds: tuple[str, ...] = KINDS) -> DeliveryReport:
    return deliver(ledger, channels, burst=burst, kinds=kinds, language="uk")


def orders(count: int, first: int = 1) -> list[Notice]:
    return [
        notices.order(f"order:{n}", number=str(n), customer="К", total=Money(Decimal("10.05"), "UAH"), items=1)
        for n in range(first, first + count)
    ]


def states(ledger: Ledger) -> list[str]:
    return [row["state"] for row in reversed(listing(ledger, limit=100_000))]


def test_each_is_shown_once_oldest_first(ledger: Ledger, write: Write) -> None:
    write(*orders(3))
    screen = Recorder()
    assert go(ledger, screen) == DeliveryReport(shown=3)
    assert screen.titles == ["Нове замовлення 1", "Нове замовлення 2", "Нове замовлення 3"]
    assert go(ledger, screen) == DeliveryReport()
    assert len(screen.shown) == 3
    row = listing(ledger)[0]
    assert (row["state"], row["channel"], row["shown"]) == ("shown", "screen", ledger.clock.now())


def test_what_is_rolled_back_is_never_told(ledger: Ledger) -> None:
    def fail_after_notify() -> None:
        with ledger.begin() as conn:
            ledger.notify(conn, orders(1)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_notify()
    screen = Recorder()
    assert go(ledger, screen) == DeliveryReport()
    assert screen.shown == []


def test_a_burst_becomes_one_summary_with_count_sum_and_numbers(ledger: Ledger, write: Write) -> None:
    write(*orders(7), plain("failure", "Trouble"))
    screen = Recorder()
    report = go(ledger, screen)
    assert report == DeliveryReport(shown=2, summarised=7)
    assert sorted(screen.titles) == ["7 нових замовлень", "Trouble"]
    body = next(body for title, body in screen.shown if title.startswith("7"))
    assert body.startswith("70,35\u00a0грн\n1, 2, 3, 4, 5 та ще 2\n")
    rows = listing(ledger)
    summary = next(row for row in rows if row["kind"] == "summary")
    assert {row["summary_id"] for row in rows if row["state"] == "summarised"} == {summary["id"]}
    assert go(ledger, screen) == DeliveryReport()


def test_as_many_as_the_burst_are_shown_alone(ledger: Ledger, write: Write) -> None:
    write(*orders(4))
    assert go(ledger, screen := Recorder()).shown == 4
    assert len(screen.shown) == 4


def test_ten_thousand_orders_are_one_popup(ledger: Ledger, write: Write) -> None:
    row_id = write(*orders(1))[0]
    with ledger.begin() as conn:  # the other 9,999 as copies of the first, which is quicker to write
        row = row_dict(conn.execute(sa.select(table).where(table.c.id == row_id)).one())
        del row["id"]
        conn.execute(table.insert(), [row] * 9_999)
    screen = Recorder()
    assert go(ledger, screen) == DeliveryReport(shown=1, summarised=10_000)
    assert screen.titles == ["10000 нових замовлень"]
    assert screen.shown[0][1].startswith("100\u00a0500,00\u00a0грн\n")


def test_with_no_desktop_it_stays_visible_with_the_reason(
    ledger: Ledger, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write(*orders(1))
    screen = Recorder(why="no desktop here")
    with caplog.at_level(logging.WARNING):
        report = go(ledger, screen)
    assert (report.shown, report.undelivered) == (0, 1)
    row = listing(ledger, state="undelivered")[0]
    assert row["why"].render("uk") == "screen: no desktop here"
    assert [record.getMessage() for record in caplog.records] == [
        "Спливне вікно показати не вдалося; дивіться mistok notices. screen: no desktop here"
    ]
    caplog.clear()
    go(ledger, screen)
    assert caplog.records == []  # said once
    screen.why = ""
    assert go(ledger, screen).shown == 1
    assert listing(ledger)[0]["why"] is None


def test_the_next_channel_takes_over(ledger: Ledger, write: Write) -> None:
    write(*orders(1))
    dead, log = Recorder("desktop", why="none"), Recorder("second")
    assert go(ledger, dead, log).shown == 1
    assert listing(ledger)[0]["channel"] == "second"


def test_a_channel_that_refuses_hands_on_to_the_next(ledger: Ledger, write: Write) -> None:
    write(*orders(1))
    picky, second = Recorder("picky", refuses="замовлення"), Recorder("second")
    assert go(ledger, picky, second).shown == 1
    assert second.titles == ["Нове замовлення 1"]


def test_no_channel_at_all_is_said(ledger: Ledger, write: Write) -> None:
    write(*orders(1))
    go(ledger)
    assert listing(ledger)[0]["why"].render("en") == "No alert channel is set up in the config."


def test_where_pcs_are_told_no_channel_is_no_fault(
    ledger: Ledger, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    invited(ledger, "olena", by="test")
    write(*orders(1))
    with caplog.at_level(logging.WARNING, "mistok.alerts"):
        go(ledger)
    assert listing(ledger)[0]["why"].render("en") == "No PC has shown it yet."
    assert not caplog.records
    write(*orders(1, 2))
    go(ledger, Recorder(why="no desktop"))
    assert "no desktop" in listing(ledger)[0]["why"].render("en")


def test_a_refused_one_is_tried_again_after_its_back_off_only(ledger: Ledger, write: Write, clock: ToldClock) -> None:
    write(*orders(1))
    picky = Recorder(refuses="замовлення")
    for wait in (*BACK_OFF, BACK_OFF[-1]):
        assert go(ledger, picky).undelivered == 1
        assert go(ledger, picky) == DeliveryReport()
        clock.at += wait
    picky.refuses = ""
    assert go(ledger, picky).shown == 1
    assert listing(ledger)[0]["tries"] == len(BACK_OFF) + 2


def test_what_waited_long_comes_as_one_summary_when_the_desktop_is_back(
    ledger: Ledger, write: Write, clock: ToldClock
) -> None:
    screen = Recorder(why="off")
    write(*orders(3), plain("failure", "One"), plain("failure", "Two"), plain("brake", "Alone"))
    go(ledger, screen)
    clock.at += LATE * 1.1
    write(*orders(1, first=50))
    screen.why = ""
    assert go(ledger, screen).summarised == 5
    assert sorted(screen.titles) == ["2 повідомлення про проблеми", "3 нові замовлення", "Alone", "Нове замовлення 50"]
    body = dict(screen.shown)["3 нові замовлення"]
    assert "Вони надійшли, коли спливні вікна не показувалися." in body


def test_kinds_left_out_are_kept_but_not_shown(ledger: Ledger, write: Write) -> None:
    write(*orders(1), plain("catalogue", "Published"))
    screen = Recorder()
    assert go(ledger, screen) == DeliveryReport(shown=1, muted=1)
    assert screen.titles == ["Нове замовлення 1"]
    assert states(ledger) == ["shown", "muted"]


def test_other_clients_notices_are_left_alone(ledger: Ledger, write: Write) -> None:
    other = another(ledger, "other")
    write(*orders(1))
    assert go(other, Recorder()) == DeliveryReport()
    assert listing(other) == []
    assert states(ledger) == ["waiting"]
    other.close()


def test_two_deliverers_at_once_show_each_once(ledger: Ledger, write: Write) -> None:
    write(*[plain(f"kind{n}", f"Notice {n}") for n in range(60)])
    kinds = tuple(f"kind{n}" for n in range(60))
    screens = [Recorder(), Recorder()]
    ledgers = [another(ledger) for _ in screens]
    gate = threading.Barrier(2)

    def run(opened: Ledger, screen: Recorder) -> None:
        gate.wait()
        for _ in range(3):
            go(opened, screen, kinds=kinds)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(ledgers, screens, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(screens[0].titles + screens[1].titles) == sorted(f"Notice {n}" for n in range(60))
    for opened in ledgers:
        opened.close()


def test_a_second_deliverer_in_the_middle_of_the_first_shows_nothing(ledger: Ledger, write: Write) -> None:
    write(*orders(2))
    first, second = Recorder(), Recorder()
    first.after_show = lambda: None if go(ledger, second) == DeliveryReport() else pytest.fail("shown twice")
    assert go(ledger, first).shown == 2
    assert second.shown == []


def test_killed_between_claim_and_show_it_is_shown_after_the_lease(
    ledger: Ledger, write: Write, clock: ToldClock
) -> None:
    write(*orders(1))
    killed = f"""
import os, signal
from datetime import datetime
from pathlib import Path
from pipeline.alerts.outbox import deliver
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import notices as table
from pipeline.ledger.tables import row_dict
from pipeline.ports import Delivered
class Clock:
    def now(self): return datetime.fromisoformat({clock.at.isoformat()!r})
    def sleep(self, seconds): pass
class Killer:
    name = "killer"
    def available(self): return Delivered(True)
    def send(self, notice, language): os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    def close(self): pass
ledger = Ledger({ledger.url.render_as_string(hide_password=False)!r}, client="shop", base=Path(), clock=Clock())
deliver(ledger, [Killer()], burst=4, kinds=["order"], language="uk")
"""
    assert subprocess.run([sys.executable, "-c", killed], timeout=60).returncode != 0
    assert states(ledger) == ["sending"]
    screen = Recorder()
    assert go(ledger, screen) == DeliveryReport()
    clock.at += LEASE
    assert go(ledger, screen) == DeliveryReport(shown=1)
    clock.at += LEASE
    assert go(ledger, screen) == DeliveryReport()


def test_a_broken_channel_of_a_client_breaks_nothing(
    ledger: Ledger, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Recorder):
        def send(self, notice: Notice, language: str) -> Delivered:
            raise RuntimeError("oops")

    write(*orders(1))
    second = Recorder("second")
    assert go(ledger, Broken("broken"), second).shown == 1
    assert "channel broken is broken" in caplog.text
    write(*orders(1, first=2))
    assert go(ledger, Broken("broken")).undelivered == 1
    assert "RuntimeError: oops" in listing(ledger)[0]["why"].render("en")


def test_a_trickle_becomes_summaries_too(ledger: Ledger, write: Write, clock: ToldClock) -> None:
    screen = Recorder()
    write(*orders(3))
    go(ledger, screen)
    clock.forward(seconds=5)
    write(*orders(3, first=4))
    assert go(ledger, screen) == DeliveryReport(shown=1, summarised=3)
    write(*orders(1, first=7))
    go(ledger, screen)
    clock.at += JUST_NOW
    write(*orders(3, first=8))
    assert go(ledger, screen) == DeliveryReport(shown=3)
    assert screen.titles[3:5] == ["3 нові замовлення", "Нове замовлення 7"]


def test_a_slow_channel_gives_back_what_it_could_not_show_in_time(
    ledger: Ledger, write: Write, clock: ToldClock
) -> None:
    write(*orders(4))
    screen = Recorder()
    screen.after_show = lambda: clock.forward(seconds=40)
    assert go(ledger, screen).shown == 2
    assert states(ledger) == ["shown", "shown", "waiting", "waiting"]
    clock.at += JUST_NOW
    assert go(ledger, screen).shown == 2
    assert len(screen.shown) == 4
