"""F12: a download that is refused, comes short or long, or is of another size than was listed: a failure; what came is
dropped, and the remote file is not touched. It is taken as soon as it comes whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive import Archive
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders, impatient
from tests.faults.scripted import SCRIPTED, scripted
from tests.faults.seen import closed_cards, open_cards


def refuse(server: Any, name: str) -> None:
    no = 4 if hasattr(server, "fingerprint") else "550 Not now"
    server.fault = lambda act, path: no if act in ("open", "read") and path.endswith(name) else None


def shorter(server: Any, name: str) -> None:
    server.mangle = lambda path, data: data[:-100] if path.endswith(name) else data


def nothing(server: Any, name: str) -> None:
    server.mangle = lambda path, data: b"" if path.endswith(name) else data


def longer(server: Any, name: str) -> None:
    server.mangle = lambda path, data: data + b"\n<!-- more -->" if path.endswith(name) else data


def listed_larger(server: Any, name: str) -> None:
    _lie(server, name, 7)


def listed_smaller(server: Any, name: str) -> None:
    _lie(server, name, -7)


def _lie(server: Any, name: str, by: int) -> None:
    if hasattr(server, "fingerprint"):

        def lie(path: str, attributes: Any) -> None:
            if path.endswith(name):
                attributes.st_size += by

        server.lie = lie
    else:

        def told(path: str, seen: Any, command: str) -> None:
            if path.endswith(name):
                seen.size += by

        server.lie = told


FAULTS = {act.__name__: act for act in (refuse, shorter, nothing, longer, listed_larger, listed_smaller)}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("transport", SCRIPTED)
def test_f12_what_does_not_come_whole_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, fault: str
) -> None:
    impatient(monkeypatch)
    tally.note("inputs")
    with scripted(tmp_path, transport) as (victim, server):
        names = Orders().drop(victim, 3)
        bad = names[1]
        FAULTS[fault](server, bad)
        report = victim.run(trigger="watch")
        assert report.counts["created"] == 2, report
        assert report.counts.get("failed", 0) + report.counts.get("refused", 0) == 1, report
        told = (
            [row for row in report.steps[0].result.details if row.get("file") == bad] if report.steps[0].result else []
        )
        assert [row["outcome"] for row in told] == ["failed"]
        assert told[0]["findings"]
        untouched(victim, bad)
        victim.check(lasting=True)
        for minute in (1, 2):
            victim.clock.ahead = timedelta(minutes=minute)
            victim.run(trigger="watch")
        file = victim.ledger_rows(f"select id from files where name = '{bad}'")
        assert open_cards(victim) == [("unread", f"file:{file[0][0]}")], (
            "after three tries at the latest a card is open"
        )
        untouched(victim, bad)
        server.fault = server.lie = server.mangle = None
        victim.clock.ahead = timedelta(hours=1)
        victim.run(trigger="watch")
        report = victim.run(trigger="watch")
        assert list(victim.inbox.iterdir()) == [], report
        assert len(invariants.books_rows(victim.config())) == 3
        assert open_cards(victim) == []
        assert [kind for kind, _ in closed_cards(victim)] == ["unread"]
        victim.check()


def untouched(victim: Victim, name: str) -> None:
    """It lies there as it was, and nothing of it was kept here."""
    assert (victim.inbox / name).read_bytes() == victim.dropped[name]
    config = victim.config()
    archive = Archive(config.path(config.archive.path))
    assert len(list(archive.hashes())) == 2
    assert not list(victim.folder.rglob("*.in"))
