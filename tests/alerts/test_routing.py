"""Which PC is told of what and when, in the ledger; and whom else, when nobody clicks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from pipeline.alerts import notices
from pipeline.alerts.escalating import Escalated, Escalator
from pipeline.alerts.popups import popups_of
from pipeline.alerts.routing import Ways, route
from pipeline.errors import Finding
from pipeline.ledger import pcs
from pipeline.ledger import tables as t
from pipeline.ledger.invitations import invited, revoked
from pipeline.ledger.store import Ledger
from pipeline.model import Money
from pipeline.ports import Notice
from pipeline.rules.telling import Choice, Escalation, Quiet, Rule
from pipeline.texts import T
from tests.alerts.conftest import Recorder, ToldClock, plain

KINDS = frozenset({"order", "held", "failure"})
Write = Callable[..., list[int]]


def order(number: str, total: str = "100.00") -> Notice:
    return notices.order(f"order:{number}", number=number, customer="", total=Money(Decimal(total), "UAH"), items=1)


def live(ledger: Ledger) -> dict[int, str]:
    with ledger.read() as conn:
        return {row["id"]: row["name"] for row in pcs.listing(conn, ledger.client, live=True)}


def told(ledger: Ledger, ways: Ways, name: str, last: int = 0) -> list[tuple[str, str]]:
    """Route what is new, and give title and body of what this PC is told after that popup."""
    route(ledger, ways, live(ledger))
    with ledger.read() as conn:
        pc = pcs.by_name(conn, ledger.client, name)
        assert pc is not None
        rows = pcs.after(conn, pc["id"], last)
    return [(one.title.render("en"), one.body.render("en")) for one in popups_of(rows, ledger.clock.now(), ways.burst)]


@pytest.fixture
def ways() -> Ways:
    return Ways(KINDS, UTC)


def test_a_new_pc_is_not_told_what_came_before_it(ledger: Ledger, write: Write, ways: Ways) -> None:
    write(order("1"))
    invited(ledger, "olena", by="test")
    write(order("2"))
    assert [title for title, _ in told(ledger, ways, "olena")] == ["New order 2"]
    assert not route(ledger, ways, live(ledger))


def test_sums_and_orders_of_the_ledger_decide_who_is_told(ledger: Ledger, write: Write) -> None:
    for name in ("olena", "petro"):
        invited(ledger, name, by="test")
    rules = (
        Rule(Choice(least=Decimal(1000)), frozenset({"olena"})),
        Rule(Choice(kinds=frozenset({"held"}), warehouses=frozenset({"shop"})), frozenset({"petro"})),
    )
    with ledger.begin() as conn:
        now = ledger.clock.now()
        file = {"client": "shop", "connection": "site", "folder": "", "name": "a.xml", "size": 1, "state": "done"}
        times = {"first_seen": now, "last_look": now, "stable_since": now, "updated": now}
        conn.execute(t.files.insert().values(**file, **times))
        row = {"client": "shop", "source": "s", "revision": "r", "state": "held", "file_id": 1, "into": "books"}
        row |= {"job": "orders", "total": "5000", "currency": "UAH", "created": now, "updated": now}
        for number, warehouse in ((1, "shop"), (2, None)):
            values = {"order_id": str(number), "number": str(number), "key": f"k{number}", "warehouse": warehouse}
            conn.execute(t.orders.insert().values(**row, **values))
    finding = Finding("x", T("Why"))
    write(notices.held("order:1", "1", finding), notices.held("order:2", "2", finding), order("77", "999.99"))
    ways = Ways(KINDS, UTC, rules=rules)
    # what the notice itself does not say, the ledger's row of the order does
    assert [title for title, _ in told(ledger, ways, "olena")] == ["Order 1 waits for you", "Order 2 waits for you"]
    assert [title for title, _ in told(ledger, ways, "petro")] == ["Order 1 waits for you"]


def test_the_night_comes_as_one_in_the_morning_and_what_is_loud_at_once(
    ledger: Ledger, write: Write, clock: ToldClock
) -> None:
    invited(ledger, "olena", by="test")
    ways = Ways(KINDS, UTC, quiet=(Quiet(time(21), time(8)),), loud=frozenset({"failure"}))
    clock.at = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    write(order("1"), order("2"), plain("failure", "A disk is full"))
    assert [title for title, _ in told(ledger, ways, "olena")] == ["A disk is full"]
    clock.forward(hours=5)
    write(notices.held("order:9", "9", Finding("x", T("Why"))))
    assert len(told(ledger, ways, "olena")) == 1
    clock.at = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert told(ledger, ways, "olena", last=1) == [
        (
            "3 new messages",
            "2 new orders: 200.00\u00a0UAH\n1, 2\n1 order waits for you: 9\nThey came in the quiet hours.",
        )
    ]
    clock.forward(minutes=1)
    write(order("3"))
    assert [title for title, _ in told(ledger, ways, "olena", last=2)] == ["New order 3"]


def test_what_a_revoked_pc_never_got_is_not_held_for_it(ledger: Ledger, write: Write, clock: ToldClock) -> None:
    invited(ledger, "olena", by="test")
    ways = Ways(KINDS, UTC, quiet=(Quiet(time(0), time(12)),))
    write(order("1"))
    assert told(ledger, ways, "olena") == []
    assert revoked(ledger, "olena", by="test")
    clock.forward(hours=4)
    assert not route(ledger, ways, live(ledger))
    invited(ledger, "olena", by="test")
    assert told(ledger, ways, "olena") == []


def test_a_report_may_come_twice_and_the_first_one_counts(
    ledger: Ledger, write: Write, ways: Ways, clock: ToldClock
) -> None:
    invited(ledger, "olena", by="test")
    (number,) = write(order("1"))
    told(ledger, ways, "olena")
    first = clock.now()
    with ledger.begin() as conn:
        pc = pcs.by_name(conn, ledger.client, "olena")
        assert pc is not None
        assert pcs.report(conn, pc, 1, 1, "done", first) == 1
        assert pcs.report(conn, pc, 1, 1, "done", first + timedelta(hours=1)) == 0
        assert pcs.report(conn, pc, 2, 900, "done", first) == 0
        (row,) = pcs.of_notices(conn, [number])[number]
    assert (row["shown"], row["clicked"], row["done"]) == (first, None, first)


# --- when nobody clicks ----------------------------------------------------------------------------------------------


def escalator(ledger: Ledger, channel: Recorder, ways: Ways, minutes: int = 10) -> Escalator:
    rule = Escalation("boss", Choice(kinds=frozenset({"order"})), timedelta(minutes=minutes))
    return Escalator(ledger, ways, [Escalated(rule, channel)], language="en")


def test_what_nobody_clicked_is_told_elsewhere_once(ledger: Ledger, write: Write, ways: Ways, clock: ToldClock) -> None:
    phone = Recorder("phone")
    teller = escalator(ledger, phone, ways)
    invited(ledger, "olena", by="test")
    write(order("1"), order("2"), plain("failure", "A disk is full"))
    told(ledger, ways, "olena")
    with ledger.begin() as conn:
        pc = pcs.by_name(conn, ledger.client, "olena")
        assert pc is not None
        pcs.report(conn, pc, 1, 1, "clicked", clock.now())
        pcs.report(conn, pc, 2, 2, "shown", clock.now())  # seen is not clicked
    clock.forward(minutes=9)
    assert teller.tick() == 0
    clock.forward(minutes=1)
    assert teller.tick() == 1
    assert phone.shown == [
        ("New order 2", "Customer not named\n100.00\u00a0UAH · 1 item\nNobody clicked within 10 minutes.")
    ]
    clock.forward(hours=1)
    assert teller.tick() == 0
    with ledger.read() as conn:
        rows = pcs.of_notices(conn, [2])[2]
    assert [(row.get("rule"), row.get("state")) for row in rows if row["pc"] is None] == [("boss", "sent")]


def test_a_channel_that_refuses_is_asked_again(ledger: Ledger, write: Write, ways: Ways, clock: ToldClock) -> None:
    phone = Recorder("phone", why="no network")
    teller = escalator(ledger, phone, ways)
    write(order("1"))
    clock.forward(minutes=10)
    assert teller.tick() == 0
    phone.why = ""
    assert teller.tick() == 0  # not yet
    clock.forward(minutes=1)
    assert teller.tick() == 1
    assert phone.titles == ["New order 1"]


def test_many_are_escalated_as_one_and_old_ones_not_at_all(
    ledger: Ledger, write: Write, ways: Ways, clock: ToldClock
) -> None:
    phone = Recorder("phone")
    teller = escalator(ledger, phone, ways)
    write(order("old"))
    clock.forward(days=2)
    write(*(order(str(n)) for n in range(20)))
    clock.forward(minutes=10)
    assert teller.tick() == 20
    assert phone.titles == ["20 new orders"]
    teller.stop()
    assert phone.closed
