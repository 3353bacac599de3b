"""F1-F4: the importing process is killed (SIGKILL) at every named point; started again, nothing is lost or doubled.

The matrix is point x transport x ledger. By default every pair is covered: each point, each transport and each ledger
meets each other at least once; with MISTOK_FULL set (CI) all combinations run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from tests.faults import invariants
from tests.faults.conftest import TRANSPORTS, Victim
from tests.faults.pairs import chosen, in_turn, pairs
from tests.faults.pairs import of as pairs_of

POINTS = (
    "inbound:claimed",
    "inbound:staged",
    "inbound:kept",
    "inbound:archived",
    "inbound:planned",
    "inbound:begun",
    "inbound:before-create",
    "inbound:created",
    "inbound:committed",
    "inbound:before-delete",
    "inbound:deleted",
    "inbound:acknowledged",
)
LEDGERS = ("sqlite", "postgres")
FAR = [one for one in TRANSPORTS if one != "local"]
CASES = chosen(POINTS, TRANSPORTS, LEDGERS)


def test_the_default_cases_cover_every_pair() -> None:
    axes = (POINTS, TRANSPORTS, LEDGERS)
    covered = set().union(*map(pairs_of, pairs(*axes)))
    assert covered == set().union(*map(pairs_of, product(*axes)))
    assert len(pairs(*axes)) == len(POINTS) * len(TRANSPORTS)


@pytest.mark.whole
@pytest.mark.parametrize(("point", "transport", "ledger"), CASES)
def test_f01_to_f04_killed_and_started_again(
    make_victim: Callable[[str, str], Victim], point: str, transport: str, ledger: str
) -> None:
    victim = make_victim(transport, ledger)
    victim.drop_twenty()
    # in the first batch or the second one, by turns
    nth = 1 + (POINTS.index(point) + TRANSPORTS.index(transport) + LEDGERS.index(ledger)) % 2
    assert victim.die(point, nth) == -9, f"{point} was never reached: {victim.last_words}"
    report = victim.run()
    assert report.state == "done", report
    assert list(victim.inbox.iterdir()) == []
    rows = invariants.books_rows(victim.config())
    assert len(rows) == 20
    victim.check()


def test_killed_again_and_again_at_every_point_in_turn(make_victim: Callable[[str, str], Victim]) -> None:
    victim = make_victim("sftp", "sqlite")
    victim.drop_twenty()
    for point in POINTS:
        victim.die(point)
    assert victim.run().state == "done"
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == 20
    victim.check()


@pytest.mark.parametrize(("transport", "ledger", "rejected"), in_turn(TRANSPORTS, LEDGERS, (True, False)))
def test_f04_killed_when_a_file_was_set_aside(
    make_victim: Callable[[str, str], Victim], transport: str, ledger: str, rejected: bool
) -> None:
    """Its card and its notice stand once, whatever follows; the good files are booked."""
    victim = make_victim(transport, ledger)
    if rejected:
        victim.step = f"rejected: {victim.remote_inbox}/bad"
    victim.step = f"grace: 1ms{victim.step and ', ' + victim.step}"
    victim.drop("a-bad.xml", "<orders><a></orders>")
    victim.drop("order-00002001.xml")
    assert victim.die("inbound:quarantined") == -9, victim.last_words
    for minutes in (0, 6):  # what was not moved is tried again after five minutes
        victim.clock.ahead = timedelta(minutes=minutes)
        victim.run(trigger="watch")
    left = {path.name for path in victim.inbox.iterdir()}
    assert left == ({"bad"} if rejected else {"a-bad.xml"})
    if rejected:
        assert [path.name for path in (victim.inbox / "bad").iterdir()] == ["a-bad.xml"]
        del victim.dropped["a-bad.xml"]  # it is not gone: it lies in the rejected folder
    cards = victim.ledger_rows("select kind, state from cards")
    assert [tuple(card) for card in cards] == [("quarantined", "open")]
    told = victim.ledger_rows("select kind from notices order by kind")
    assert [row[0] for row in told] == ["order", "quarantined"]
    assert len(invariants.books_rows(victim.config())) == 1
    victim.check()


@pytest.mark.parametrize(
    "point", ["inbound:kept", *(pytest.param(one, marks=pytest.mark.full) for one in POINTS if one != "inbound:kept")]
)
def test_f01_to_f04_killed_while_the_next_batch_is_on_its_way(
    make_victim: Callable[[str, str], Victim], point: str
) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop_twenty()
    assert victim.die(point, 1 + POINTS.index(point) % 2, beside="ahead") == -9, victim.last_words
    assert victim.run().state == "done"
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == 20
    victim.check()


@pytest.mark.parametrize(
    ("point", "transport", "ledger"),
    [
        ("inbound:created", "sftp", "sqlite"),
        *(
            pytest.param(point, FAR[at % len(FAR)], LEDGERS[at // len(FAR) % 2], marks=pytest.mark.full)
            for at, point in enumerate(POINTS[: POINTS.index("inbound:deleted")])
        ),
    ],
)
def test_f01_to_f04_killed_while_the_files_of_the_batch_before_leave(
    make_victim: Callable[[str, str], Victim], point: str, transport: str, ledger: str
) -> None:
    """Half of them are gone, and the ledger knows of none; the second batch is at the point, or the fourth claimed."""
    victim = make_victim(transport, ledger)
    claimed = point == "inbound:claimed"
    size = 5 if claimed else 7
    victim.step = f"batch: {size}"
    victim.drop_twenty()
    assert victim.die(point, 4 if claimed else 2, beside="leaving") == -9, victim.last_words
    left = len(list(victim.inbox.iterdir()))
    assert left == 20 - size // 2
    states = dict(victim.ledger_rows("select state, count(*) from files group by state"))
    assert "acknowledged" not in states
    assert states["done"] >= size
    assert victim.run().state == "done"
    policies = dict(victim.ledger_rows("select policy, count(*) from files group by policy"))
    assert policies == {"gone": size // 2, "deleted": 20 - size // 2}
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == 20
    victim.check()
