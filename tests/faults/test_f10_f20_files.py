"""F10, F11, F17, F18, F20: what a site does to its own files, on every transport."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.archive import Archive
from pipeline.resources import samples
from tests.faults import invariants, tally
from tests.faults.conftest import TRANSPORTS, Victim

Make = Callable[[str, str], Victim]
FULL = bool(os.environ.get("MISTOK_FULL"))
#: the smaller number meets each kind of transport and both ledgers
PLACES = (
    [(transport, ledger) for transport in TRANSPORTS for ledger in ("sqlite", "postgres")]
    if FULL
    else [("local", "sqlite"), ("sftp", "postgres"), ("vsftpd-explicit", "sqlite")]
)
EVERYWHERE = pytest.mark.parametrize(("transport", "ledger"), PLACES)


def sample(name: str) -> bytes:
    return next(samples().glob(f"orders/*/{name}.xml")).read_bytes()


def booked(victim: Victim) -> list[str]:
    return sorted(order_id for order_id, _total, _number in invariants.books_rows(victim.config()))


def copies(victim: Victim) -> int:
    return len(list(Archive(victim.folder / "archive").hashes()))


def write(victim: Victim, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    victim.own(path)


# --- F10 ---------------------------------------------------------------------------------------------------------


@EVERYWHERE
def test_f10_a_growing_file_is_left_alone_until_it_is_whole(make_victim: Make, transport: str, ledger: str) -> None:
    victim = make_victim(transport, ledger)
    whole = sample("three-orders")
    path = victim.inbox / "orders.xml"
    pieces = [whole[: len(whole) * n // 6] for n in range(1, 6)]
    tally.note("inputs", len(pieces))
    for piece in pieces:  # each look finds it longer, and between two looks it may well stand still
        write(victim, path, piece)
        report = victim.run(trigger="watch")
        assert report.exit_code == 0
        assert report.counts.get("waiting", 1) == 1
        assert copies(victim) == 0
        assert path.read_bytes() == piece
        victim.clock.ahead += timedelta(minutes=1)
    assert booked(victim) == []
    assert victim.ledger_rows("SELECT count(*) FROM cards") == [(0,)]
    assert victim.ledger_rows("SELECT count(*) FROM notices") == [(0,)]
    victim.drop("orders.xml", whole)
    victim.run()
    victim.clock.ahead += timedelta(minutes=11)
    victim.run()
    assert len(booked(victim)) == 3
    assert list(victim.inbox.iterdir()) == []
    victim.check()


def test_f10_a_file_that_grows_while_it_is_looked_at(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = "stable: 200ms"
    whole = sample("three-orders")
    path = victim.inbox / "orders.xml"
    step = len(whole) // 12
    over = threading.Event()

    def grow() -> None:
        with path.open("ab") as out:
            for start in range(0, len(whole), step):
                out.write(whole[start : start + step])
                out.flush()
                time.sleep(0.08)
        over.set()

    writer = threading.Thread(target=grow)
    writer.start()
    while not over.is_set():
        victim.run(trigger="watch")
        assert booked(victim) == [] or over.is_set()
    writer.join()
    victim.dropped["orders.xml"] = whole
    for _ in range(4):
        victim.clock.ahead += timedelta(minutes=11)
        victim.run()
    assert len(booked(victim)) == 3
    victim.check()


# --- F11 ---------------------------------------------------------------------------------------------------------


@EVERYWHERE
def test_f11_a_truncated_file_has_its_grace_then_its_card_and_is_taken_when_replaced(
    make_victim: Make, transport: str, ledger: str
) -> None:
    victim = make_victim(transport, ledger)
    whole = sample("company")
    path = victim.drop("orders.xml", whole[: len(whole) * 2 // 3])
    victim.drop("single.xml")
    tally.note("inputs")
    for _ in range(3):
        report = victim.run(trigger="watch")
        assert report.exit_code == 0, "it may still be on its way"
        victim.clock.ahead += timedelta(minutes=3)
    assert booked(victim) == ["4701"], "the other one does not wait for it"
    victim.clock.ahead += timedelta(minutes=3)
    assert victim.run(trigger="watch").exit_code == 1
    ((code,),) = victim.ledger_rows("SELECT kind FROM cards WHERE state = 'open'")
    assert code == "quarantined"
    ((findings,),) = victim.ledger_rows("SELECT findings FROM files WHERE state = 'quarantined'")
    assert '"truncated"' in str(findings) or "'truncated'" in str(findings)
    assert path.read_bytes() == whole[: len(whole) * 2 // 3], "it stays where it is"
    assert victim.run(trigger="watch").counts == {}
    victim.check(lasting=True)

    victim.drop("orders.xml", whole)
    victim.run()
    assert booked(victim) == ["4701", "4705"]
    assert list(victim.inbox.iterdir()) == []
    assert victim.ledger_rows("SELECT state FROM cards") == [("resolved",)]
    victim.check()


def test_f11_every_cut_of_a_file_is_refused_and_nothing_of_it_is_booked(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = "grace: 0s, batch: 100"
    whole = sample("three-orders")
    end = len(whole.rstrip())
    cuts = sorted({*range(1, end, end // (400 if FULL else 60)), *range(end - 12, end)})
    for cut in cuts:
        victim.drop(f"cut-{cut:05}.xml", whole[:cut])
    tally.note("inputs", len(cuts))
    report = victim.run()
    assert report.counts["quarantined"] == len(cuts)
    assert booked(victim) == []
    assert len(list(victim.inbox.iterdir())) == len(cuts)
    victim.check()


# --- F17, F18 ----------------------------------------------------------------------------------------------------


@EVERYWHERE
@pytest.mark.parametrize("after", ["delete", "keep"])
def test_f17_the_same_name_with_new_content_is_taken(
    make_victim: Make, transport: str, ledger: str, after: str
) -> None:
    victim = make_victim(transport, ledger)
    victim.step = f"after: {after}"
    for turn, name in enumerate(("single", "company", "discounts")):
        path = victim.drop("orders.xml", sample(name))
        os.utime(path, (1_790_000_000 + 60 * turn,) * 2)  # servers tell times by the second or the minute
        victim.run()
        assert len(booked(victim)) == turn + 1
        assert path.exists() == (after == "keep")
    assert copies(victim) == 3
    victim.check()


@EVERYWHERE
def test_f18_the_same_content_under_a_new_name_is_recognised(make_victim: Make, transport: str, ledger: str) -> None:
    victim = make_victim(transport, ledger)
    data = sample("three-orders")
    victim.drop("a.xml", data)
    victim.run()
    for name in ("b.xml", "c (1).xml", "замовлення.xml"):
        victim.drop(name, data)
    report = victim.run()
    assert report.counts["known"] == 3
    assert report.exit_code == 0
    assert len(booked(victim)) == 3
    assert copies(victim) == 1
    assert list(victim.inbox.iterdir()) == []
    assert victim.ledger_rows("SELECT count(*) FROM files WHERE duplicate_of IS NOT NULL") == [(3,)]
    assert victim.ledger_rows("SELECT count(*) FROM notices") == [(3,)]
    victim.check()


def test_f18_twins_that_come_at_once_make_one_document_each(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    for name in ("a.xml", "b.xml", "c.xml"):
        victim.drop(name, sample("three-orders"))
    victim.run()
    victim.run()
    assert len(booked(victim)) == 3
    assert list(victim.inbox.iterdir()) == []
    victim.check()


# --- F20 ---------------------------------------------------------------------------------------------------------


@EVERYWHERE
def test_f20_one_bad_order_of_many_is_held_alone(make_victim: Make, transport: str, ledger: str) -> None:
    victim = make_victim(transport, ledger)
    victim.drop("one-bad-of-three.xml")
    tally.note("inputs")
    report = victim.run()
    assert (report.counts["created"], report.counts["held"], report.exit_code) == (2, 1, 1)
    assert booked(victim) == ["4804", "4806"]
    assert list(victim.inbox.iterdir()) == [], "it is safe in the archive, and its card is open"
    victim.check(lasting=True)
    assert victim.run(trigger="watch").counts == {}

    # the site mends that one order and sends it alone
    text = sample("one-bad-of-three").decode("utf-8")
    head, *orders = text.split("<order>")
    alone = head + "<order>" + orders[1].split("</order>")[0] + "</order>\n</orders>\n"
    quantity = alone[alone.index("<quantity>") : alone.index("</quantity>")]
    victim.drop("mended.xml", alone.replace(quantity, "<quantity>1"))
    report = victim.run()
    held = victim.ledger_rows("SELECT findings FROM orders WHERE state = 'held'")
    assert report.counts["created"] == 1, held
    assert booked(victim) == ["4804", "4805", "4806"]
    assert victim.ledger_rows("SELECT state FROM cards") == [("resolved",)]
    victim.check()


def test_f20_the_held_one_goes_on_alone_by_a_mapping(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    text = sample("three-orders").decode("utf-8")
    code = text[text.rindex("<code>") : text.rindex("</code>")]
    victim.drop("orders.xml", text.replace(code, "<code>НЕМА-77", 1) if text.count(code) == 1 else _last(text, code))
    report = victim.run()
    assert (report.counts["created"], report.counts["held"]) == (2, 1)
    assert len(booked(victim)) == 2
    victim.check(lasting=True)
    victim.step = f"mappings: {{sku: {{НЕМА-77: '{code.removeprefix('<code>')}'}}}}"
    assert victim.run().counts == {"created": 1}
    assert len(booked(victim)) == 3
    victim.check()


def _last(text: str, code: str) -> str:
    before, _, after = text.rpartition(code)
    return f"{before}<code>НЕМА-77{after}"
