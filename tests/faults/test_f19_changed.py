"""F19: the same order with other content: never a second document, each difference shown, by the client's policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engine.revised import version
from tests.faults.conftest import TRANSPORTS, Victim
from tests.faults.pairs import chosen, in_turn

Make = Callable[[str, str], Victim]
AMEND = "changed: amend, cancelled: mark"
POINTS = (
    "inbound:planned",
    "inbound:begun",
    "inbound:committed",
    "amend:begun",
    "amend:before",
    "amend:applied",
    "amend:committed",
    "inbound:before-delete",
)
LEDGERS = ("sqlite", "postgres")
#: The inbound points have met every transport in F1-F4; what is new here is what is called in between.
CASES = [
    *chosen([point for point in POINTS if point.startswith("amend:")], TRANSPORTS, LEDGERS),
    *in_turn([point for point in POINTS if point.startswith("inbound:")], TRANSPORTS, LEDGERS),
]


def rows(victim: Victim) -> list[tuple[str, str, str, str]]:
    return victim.ledger_rows("SELECT order_id, state, status, total FROM orders ORDER BY order_id")


@pytest.mark.whole
@pytest.mark.parametrize(("point", "transport", "ledger"), CASES)
def test_f19_killed_while_a_document_is_amended(make_victim: Make, point: str, transport: str, ledger: str) -> None:
    victim = make_victim(transport, ledger)
    victim.step = AMEND
    for number in ("4701", "4702"):
        victim.drop(f"{number}.xml", version(number=number))
    assert victim.run().counts["created"] == 2
    victim.drop("a.xml", version(3, number="4701"))
    victim.drop("b.xml", version(number="4702", status="cancelled"))
    victim.drop("c.xml", version(number="4703"))
    assert victim.die(point) == -9, victim.last_words
    victim.run()
    assert rows(victim) == [
        ("4701", "created", "new", "1238.50"),
        ("4702", "created", "cancelled", "849.00"),
        ("4703", "created", "new", "849.00"),
    ]
    kinds = [kind for (kind,) in victim.ledger_rows("SELECT kind FROM notices")]
    assert (kinds.count("order"), kinds.count("amended")) == (3, 2), "told once each"
    victim.check()


def test_f19_hold_shows_every_difference_and_leaves_the_document(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop("first.xml", version())
    victim.run()
    victim.drop("second.xml", version(3, comment="Дзвоніть після 18:00"))
    report = victim.run()
    assert report.exit_code == 1
    assert report.counts["changed"] == 1
    (told,) = report.steps[0].result.details  # type: ignore[union-attr]
    assert [finding.text.render("en") for finding in told["findings"][1:]] == [
        "items / 0042 / quantity: 2 → 3",
        "total: 849.00 UAH → 1,238.50 UAH",
        "comment: — → Дзвоніть після 18:00",
    ]
    newer = version(3, comment="Дзвоніть після 18:00").decode().splitlines()
    assert newer[told["findings"][1].where.line - 1].strip() == "<item>"
    assert rows(victim) == [("4701", "created", "new", "849.00")]
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("changed", "open")]
    victim.check(lasting=True)
    # the very same once more under another name: one question, one notice
    victim.drop("third.xml", version(3, comment="Дзвоніть після 18:00"))
    victim.run()
    assert victim.ledger_rows("SELECT kind FROM notices ORDER BY id") == [("order",), ("held",)]
    victim.check()


def test_f19_ignore_writes_it_down_and_waits_for_nobody(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = "changed: ignore, cancelled: ignore"
    victim.drop("first.xml", version())
    victim.run()
    victim.drop("second.xml", version(3))
    victim.drop("third.xml", version(3, status="cancelled"))
    report = victim.run()
    assert report.exit_code == 0
    assert report.counts["ignored"] == 2
    assert rows(victim) == [("4701", "created", "cancelled", "849.00")]
    assert victim.ledger_rows("SELECT 1 FROM cards") == []
    assert victim.ledger_rows("SELECT event FROM events WHERE event = 'ignored'") == [("ignored",)] * 2
    victim.check()


def test_f19_versions_that_come_out_of_order_end_as_the_newest(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = AMEND
    moments = {n: f"2026-11-22 {10 + n}:00:00" for n in range(2, 6)}
    for n in (2, 5, 3, 4):
        victim.drop(f"v{n}.xml", version(n, modified=moments[n]))
        victim.run()
    victim.drop("again.xml", version(2, modified=moments[2]))  # the same bytes as the first
    report = victim.run()
    assert rows(victim) == [("4701", "created", "new", "2017.50")]
    assert report.exit_code == 0
    outcomes = [one for (one,) in victim.ledger_rows("SELECT outcome FROM sightings ORDER BY id")]
    assert outcomes == ["new", "amended", "older", "older", "older"]
    victim.check()


def test_f19_content_that_came_before_is_not_brought_back_without_a_word(make_victim: Make) -> None:
    """No moment of change: it may be a late copy as well as a change of mind, and nobody but a person can tell."""
    victim = make_victim("local", "sqlite")
    victim.step = AMEND
    for n, quantity in enumerate((2, 3, 2)):
        victim.drop(f"v{n}.xml", version(quantity))
        report = victim.run()
    assert report.exit_code == 1
    assert rows(victim) == [("4701", "created", "new", "1238.50")]
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("changed", "open")]
    victim.check()


def test_f19_what_stands_in_the_way_is_told_and_goes_on_by_itself(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = AMEND
    victim.drop("first.xml", version())
    victim.run()
    victim.drop("second.xml", version(3, code="НОВИЙ-1"))
    assert victim.run().exit_code == 1
    assert rows(victim) == [("4701", "created", "new", "849.00")]
    victim.check(lasting=True)
    assert not victim.run().counts, "told once"
    victim.step = AMEND + ", mappings: {sku: {НОВИЙ-1: '0042'}}"
    assert victim.run().counts == {"amended": 1}
    assert rows(victim) == [("4701", "created", "new", "1238.50")]
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("changed", "resolved")]
    victim.check()


def test_f19_an_order_killed_while_booked_and_changed_meanwhile_is_one_document_and_a_change(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = AMEND
    victim.drop("first.xml", version())
    assert victim.die("inbound:created") == -9
    (victim.inbox / "first.xml").unlink()
    victim.dropped.clear()
    victim.drop("second.xml", version(3, status="cancelled"))
    victim.run()
    assert rows(victim) == [("4701", "created", "cancelled", "849.00")]
    victim.check()
