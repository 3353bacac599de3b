"""F6: the server refuses to delete, for ever: taken once and remembered, one alarm a day, and the inbox goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders
from tests.faults.scripted import SCRIPTED, scripted
from tests.faults.seen import alarms


@contextmanager
def refusing(
    tmp_path: Path, make_victim: Callable[[str, str], Victim], transport: str
) -> Iterator[tuple[Victim, Callable[[], None]]]:
    """A victim whose server refuses each delete, and what gives the right to do so."""
    if transport in SCRIPTED:
        with scripted(tmp_path, transport) as (victim, server):
            no = 3 if transport == "sftp" else "550 Permission denied"
            server.fault = lambda act, _path: no if act in ("remove", "delete") else None

            def allow() -> None:
                server.fault = None

            yield victim, allow
        return
    victim = make_victim(transport, "sqlite")
    owner = victim.inbox.stat().st_uid
    shutil.chown(victim.inbox, "root", "root")
    victim.inbox.chmod(0o755)

    def give() -> None:
        shutil.chown(victim.inbox, owner)

    yield victim, give


@pytest.mark.parametrize("transport", [*SCRIPTED, "sshd", "vsftpd-explicit", "proftpd-explicit"])
def test_f06_taken_once_and_told_once_a_day(
    tmp_path: Path, make_victim: Callable[[str, str], Victim], transport: str
) -> None:
    orders = Orders()
    with refusing(tmp_path, make_victim, transport) as (victim, allow):
        orders.drop(victim, 2)
        report = victim.run(trigger="watch")
        assert (report.state, report.counts["created"], report.counts["refused"]) == ("waiting", 2, 2), report
        for hour in range(12, 72, 12):  # the first look at 0 h, then twice a day for three days
            victim.clock.ahead = timedelta(hours=hour)
            if hour in (12, 48):
                orders.drop(victim, 1)
            report = victim.run(trigger="watch")
            assert report.state == "waiting", "somebody is waited for"
            assert report.counts.get("created", 0) == (1 if hour in (12, 48) else 0), "the inbox goes on"
            assert report.counts.get("files", 0) == report.counts.get("created", 0), (
                "and what is taken is not read anew"
            )
        assert len(victim.dropped) == len(list(victim.inbox.iterdir())) == 4
        assert len(invariants.books_rows(victim.config())) == 4
        told = alarms(victim)
        assert told == [f"inbox:site/{victim.remote_inbox}"] * 3, "one alarm a day, whatever the number of files"
        victim.check(lasting=True)
        allow()
        assert victim.run().counts == {"acknowledged": 4}
        assert list(victim.inbox.iterdir()) == []
        assert len(invariants.books_rows(victim.config())) == 4
        victim.check()
        assert alarms(victim) == told


def test_f06_a_look_every_few_seconds_does_not_ask_each_time(tmp_path: Path) -> None:
    with scripted(tmp_path, "sftp") as (victim, server):
        Orders().drop(victim, 1)
        server.fault = lambda act, _path: 3 if act == "remove" else None
        for second in range(0, 600, 60):
            victim.clock.ahead = timedelta(seconds=second)
            victim.run(trigger="watch")
        asked = [line for line in server.asked if line.startswith("remove ")]
        assert len(asked) == 2, "at once, and after five minutes"
        server.fault = None
        victim.check(work_left=True)
