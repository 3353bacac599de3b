"""F25: files are replayed twice, by two people at once, or by one who is killed in the middle: nothing is made twice.

What is replayed here waits for two reasons: files that the schema of their day could not read as a whole, and orders
that were held for a product. Then the schema is mended, and a person says which product is meant.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.replay.look import look
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from pipeline.ledger.decisions import give_mapping
from pipeline.resources import samples, schemas
from tests.e2e.command import MISTOK, environment
from tests.faults import forks, invariants, tally
from tests.faults.conftest import Victim
from tests.faults.pairs import in_turn

MakeVictim = Callable[[str, str], Victim]
#: (point, which time): the first time for the files that were quarantined, the second for the orders that were held
POINTS = (
    ("replay:read", 1),
    ("replay:accepted", 1),
    ("inbound:planned", 1),
    ("inbound:begun", 1),
    ("inbound:before-create", 1),
    ("inbound:created", 1),
    ("inbound:committed", 1),
    ("inbound:before-create", 2),
    ("inbound:created", 2),
    ("inbound:committed", 2),
    ("replay:carried", 1),
    ("replay:settled", 1),
)


def drop_waiting(victim: Victim, count: int = 8) -> None:
    """Files with one order each: an element that the schema does not know in one, an unknown product in the next."""
    text = (samples() / "orders/twenty/order-00002001.xml").read_text("utf-8")
    for n in range(count):
        one = text.replace("<id>2001<", f"<id>9{n:04d}<").replace("<number>00002001<", f"<number>9{n:04d}<")
        one = one.replace("</orders>", "<summa>1.00</summa></orders>") if n % 2 else one.replace("ЛК-500", "НОВИЙ-1")
        victim.drop(f"{n:04d}.xml", one)


def make_all_wait(victim: Victim, count: int = 8) -> None:
    """Half of the files are quarantined, the orders of the other half held."""
    shutil.copyfile(schemas() / "order.xsd", victim.folder / "own.xsd")
    victim.step = "format: {type: order-xml, xsd: own.xsd}"
    drop_waiting(victim, count)
    report = victim.run()
    assert report.counts["quarantined"] == report.counts["held"] == count // 2, report
    assert invariants.books_rows(victim.config()) == []


def mend(victim: Victim) -> None:
    """The schema knows the element, and a person says which product is meant: the config stays as it is."""
    order = '<xs:element name="order" type="Order" maxOccurs="unbounded"/>'
    schema = (victim.folder / "own.xsd").read_text("utf-8")
    assert order in schema
    more = f'{order}<xs:element name="summa" type="xs:decimal" minOccurs="0"/>'
    (victim.folder / "own.xsd").write_text(schema.replace(order, more), encoding="utf-8")
    with Client.open(victim.config()) as client, client.ledger.begin() as conn:
        give_mapping(conn, "acme", "sku", "НОВИЙ-1", "ЛК-500", by="anna", now=client.clock.now())


def replay(victim: Victim) -> list[str]:
    """What a replay of all that waits does: the outcomes."""
    with Client.open(victim.config()) as client:
        picks = choose(client, Asked(all_held=True))
        return [line.outcome for line in apply(client, picks, by="anna")]


def die(victim: Victim, point: str, nth: int) -> None:
    """A replay in a process of its own is killed at this point."""
    victim.config()
    done = forks.run("tests.faults.replay_and_die", victim.path, point, nth)
    assert done.returncode == -9, (point, done.stderr)
    tally.note("kills")
    tally.note("point", point)


def all_is_well(victim: Victim, count: int = 8) -> None:
    assert len(invariants.books_rows(victim.config())) == count
    assert victim.ledger_rows("SELECT count(*) FROM cards WHERE state = 'open'") == [(0,)]
    # the files that were quarantined lie there still: the next run takes them away
    victim.run()
    assert list(victim.inbox.iterdir()) == []
    victim.check()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.whole
@pytest.mark.parametrize(("killed", "by", "ledger"), in_turn(POINTS, ("replay", "run"), ("sqlite", "postgres")))
def test_f25_a_replay_that_is_killed_is_gone_on_with(
    make_victim: MakeVictim, killed: tuple[str, int], by: str, ledger: str
) -> None:
    """Another replay goes on with it, or the next run."""
    victim = make_victim("local", ledger)
    make_all_wait(victim)
    mend(victim)
    die(victim, *killed)
    if by == "replay" or killed[0] == "replay:read":  # nothing was begun: a run has no reason to read the files again
        replay(victim)
    else:
        victim.run()
    all_is_well(victim)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_f25_killed_at_every_point_in_turn(make_victim: MakeVictim) -> None:
    victim = make_victim("sftp", "sqlite")
    make_all_wait(victim)
    mend(victim)
    die(victim, "replay:accepted", 1)
    die(victim, "inbound:begun", 1)
    die(victim, "inbound:created", 1)
    die(victim, "inbound:created", 1)  # of those that were held
    replay(victim)
    all_is_well(victim)


@pytest.mark.full
@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f25_by_two_people_at_once(make_victim: MakeVictim, ledger: str) -> None:
    count = 60
    victim = make_victim("local", ledger)
    make_all_wait(victim, count)
    mend(victim)
    command = [*MISTOK, "-c", str(victim.path), "replay", "--all-held", "--apply", "--json"]
    people = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment({"MISTOK_USER": name})
        )
        for name in ("anna", "petro")
    ]
    told = []
    for person in people:
        out, err = person.communicate(timeout=120)
        assert person.returncode == 0, err.decode()
        told.append(json.loads(out))
    made = [row["order"] for one in told for row in one["orders"] if row["outcome"] == "created"]
    assert sorted(made) == sorted(set(made)), "two people made one order"
    assert len(made) == count
    all_is_well(victim, count)


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f25_twice_and_beside_a_run(make_victim: MakeVictim, ledger: str) -> None:
    victim = make_victim("local", ledger)
    make_all_wait(victim)
    mend(victim)
    assert sorted(set(replay(victim))) == ["created", "read"]
    assert replay(victim) == []
    before = victim.ledger_rows("SELECT count(*) FROM notices"), invariants.books_rows(victim.config())
    with Client.open(victim.config()) as client:
        picks = choose(client, Asked(words=("*.xml",)))
        seen = list(look(client, picks))
        done = list(apply(client, picks, by="anna"))
    assert [line.outcome for line in seen] == ["known"] * 8
    assert [str(line.text) for line in done] == [str(line.text) for line in seen]
    assert not any(line.acts for line in seen)
    assert all("is already document" in str(line.text) for line in seen)
    assert (victim.ledger_rows("SELECT count(*) FROM notices"), invariants.books_rows(victim.config())) == before
    all_is_well(victim)


def test_f25_the_document_is_there_but_the_ledger_forgot(make_victim: MakeVictim) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop_twenty()
    victim.run()
    with Client.open(victim.config()) as client, client.ledger.begin() as conn:
        for table in (t.sightings, t.orders, t.notices):
            conn.execute(table.delete())
    with Client.open(victim.config()) as client:
        picks = choose(client, Asked(words=("*",)))
        assert {line.outcome for line in look(client, picks)} == {"known"}
        assert {line.outcome for line in apply(client, picks, by="anna")} == {"created"}
    assert len(invariants.books_rows(victim.config())) == 20
    assert victim.ledger_rows("SELECT count(*) FROM orders WHERE state = 'created'") == [(20,)]
    victim.check()
