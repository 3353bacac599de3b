"""F24: the archive was pruned, then the same old files come again: known, acknowledged, and no second document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.archive import Archive, Index, upkeep
from pipeline.engine import retention
from pipeline.engine.runtime import Client
from tests.faults import forks, invariants, tally
from tests.faults.conftest import Victim
from tests.faults.pairs import in_turn

Make = Callable[[str, str], Victim]


def prune(victim: Victim) -> retention.Pruned:
    """Everything goes that may go, three days on."""
    config = victim.config()
    victim.clock.ahead = timedelta(days=3)
    with Client.open(config, clock=victim.clock) as client:
        settings = config.archive.model_copy(update={"keep_days": 1})
        return retention.prune(client.ledger, client.archive, settings)


def come_again(victim: Victim) -> None:
    """The same twenty files, once more."""
    copies = len(list(Archive(victim.folder / "archive").hashes()))
    victim.drop_twenty()
    report = victim.run()
    assert report.state == "done", report
    assert report.counts["known"] == 20
    assert "created" not in report.counts
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == 20
    assert len(list(Archive(victim.folder / "archive").hashes())) == copies + 20
    victim.check()


@pytest.mark.parametrize(("transport", "ledger"), [("local", "postgres"), ("sftp", "sqlite")])
def test_f24_old_files_come_again_after_their_copies_were_dropped(
    make_victim: Make, transport: str, ledger: str
) -> None:
    victim = make_victim(transport, ledger)
    victim.drop_twenty()
    assert victim.run().counts["created"] == 20
    done = prune(victim)
    assert len(done.dropped.copies) == 20
    archive = Archive(victim.folder / "archive")
    assert list(archive.hashes()) == []
    assert list((archive.root / "view").iterdir()) == []
    assert victim.ledger_rows("SELECT count(*) FROM files WHERE pruned IS NOT NULL") == [(20,)]
    assert upkeep.check(archive).missing == ()
    victim.check()
    come_again(victim)
    # what came again is a copy like any other: it goes in its turn, and comes in its turn
    again = prune(victim)
    assert len(again.dropped.copies) == 0, "too young"
    victim.clock.ahead = timedelta(days=6)
    with Client.open(victim.config(), clock=victim.clock) as client:
        settings = victim.config().archive.model_copy(update={"keep_days": 1})
        assert len(retention.prune(client.ledger, client.archive, settings).dropped.copies) == 20
    come_again(victim)


#: (point or delete, which time)
POINTS = (("retention:marked", 1), ("remove", 1), ("remove", 2), ("remove", 21), ("retention:dropped", 1))


@pytest.mark.whole
@pytest.mark.parametrize(("killed", "ledger"), in_turn(POINTS, ("sqlite", "postgres")))
def test_f24_killed_while_copies_are_dropped(make_victim: Make, killed: tuple[str, int], ledger: str) -> None:
    victim = make_victim("local", ledger)
    victim.drop_twenty()
    assert victim.run().counts["created"] == 20
    point, nth = killed
    done = forks.run("tests.faults.prune_and_die", victim.path, point, nth)
    assert done.returncode == -9, done.stderr
    tally.note("kills")
    tally.note("point", "retention:copy-gone" if point == "remove" else point)
    archive = Archive(victim.folder / "archive")
    if point != "retention:marked":
        assert upkeep.check(archive).missing == (), "a dropped copy is never called lost"
    victim.check()
    prune(victim)
    assert list(archive.hashes()) == [], "the next one goes on"
    assert upkeep.left_over(archive, Index.of(archive.journal)) == []
    assert victim.ledger_rows("SELECT count(*) FROM files WHERE pruned IS NOT NULL") == [(20,)]
    come_again(victim)
