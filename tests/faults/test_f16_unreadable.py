"""F16: one file cannot be read (rights): only that file gets a card, the others are taken; the card is over by itself
when the file can be read, is replaced or is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.engine.inbox import LONGEST_PAUSE, UNREAD_TRIES, pause
from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders
from tests.faults.scripted import SCRIPTED, scripted
from tests.faults.seen import alarms, closed_cards, open_cards


@contextmanager
def locking(
    tmp_path: Path, make_victim: Callable[[str, str], Victim], transport: str
) -> Iterator[tuple[Victim, Callable[[str | None], None]]]:
    """A victim, and what takes the right to read a file (None: gives it back)."""
    if transport in SCRIPTED:
        with scripted(tmp_path, transport) as (victim, server):
            no = 3 if transport == "sftp" else "550 Permission denied"

            def refuse(name: str | None) -> None:
                server.fault = lambda act, path: no if act in ("open", "read") and path.endswith(name or "/") else None

            yield victim, refuse
        return
    victim = make_victim(transport, "sqlite")
    owner = victim.own

    def lock(name: str | None) -> None:
        import shutil

        for path in victim.inbox.iterdir():
            if path.name == name:
                shutil.chown(path, "root")
                path.chmod(0o600)
            else:
                owner(path)

    yield victim, lock


@pytest.mark.parametrize("transport", [*SCRIPTED, "sshd", "vsftpd-explicit", "proftpd-explicit"])
def test_f16_only_that_file_is_carded(
    tmp_path: Path, make_victim: Callable[[str, str], Victim], transport: str
) -> None:
    with locking(tmp_path, make_victim, transport) as (victim, lock):
        names = Orders().drop(victim, 4)
        lock(names[2])
        for minute in range(0, 40, 8):
            victim.clock.ahead = timedelta(minutes=minute)
            report = victim.run(trigger="watch")
            assert report.state in ("waiting", "done"), report
        assert [path.name for path in victim.inbox.iterdir()] == [names[2]]
        assert len(invariants.books_rows(victim.config())) == 3
        ((file, state),) = victim.ledger_rows(f"select id, state from files where name = '{names[2]}'")
        assert state == "seen"
        assert open_cards(victim) == [("unread", f"file:{file}")]
        assert alarms(victim) == [f"file:{file}"], "told once"
        ((findings,),) = victim.ledger_rows("select findings from cards")
        assert names[2] in str(findings)
        victim.check(lasting=True)
        lock(None)
        assert victim.run().counts["created"] == 1, "a person does not wait for the pause"
        assert list(victim.inbox.iterdir()) == []
        assert (open_cards(victim), closed_cards(victim)) == ([], [("unread", f"file:{file}")])
        assert len(invariants.books_rows(victim.config())) == 4
        victim.check()


def test_f16_the_card_ends_with_the_file(tmp_path: Path) -> None:
    with scripted(tmp_path, "sftp") as (victim, server):
        orders = Orders()
        gone, replaced = orders.drop(victim, 2)
        server.fault = lambda act, path: 3 if act == "open" else None
        victim.run()
        assert [kind for kind, _ in open_cards(victim)] == ["unread", "unread"]
        (victim.inbox / gone).unlink()
        del victim.dropped[gone]
        _, text = orders.next()
        victim.drop(replaced, text + "\n")
        server.fault = None
        report = victim.run()
        assert report.counts["created"] == 1, report
        assert open_cards(victim) == []
        assert list(victim.inbox.iterdir()) == []
        victim.check()


def test_f16_a_locked_file_is_asked_for_less_and_less_often(tmp_path: Path) -> None:
    with scripted(tmp_path, "sftp") as (victim, server):
        Orders().drop(victim, 1)
        server.fault = lambda act, path: 3 if act == "open" else None
        for second in range(0, 3600, 150):
            victim.clock.ahead = timedelta(seconds=second)
            victim.run(trigger="watch")
        asked = [line for line in server.asked if line.startswith("open ")]
        assert UNREAD_TRIES < len(asked) < 14, asked
        events = victim.ledger_rows("select count(*) from events where event = 'not-read'")
        assert events == [(len(asked),)]
        server.fault = None
        victim.check(work_left=True)
    assert [pause(tries).total_seconds() for tries in range(6)] == [0, 0, 0, 30, 60, 120]
    assert pause(99) == LONGEST_PAUSE
