"""F15: “550” for an empty folder is an empty inbox; a folder that does not exist is a clear card, once, until it is
there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.engine.runtime import UNREACHABLE
from tests.e2e.command import mistok
from tests.faults import invariants, tally
from tests.faults.conftest import TRANSPORTS, Victim
from tests.faults.proxied import Orders, impatient
from tests.faults.scripted import scripted
from tests.faults.seen import alarms, closed_cards, open_cards

#: What servers say of an empty folder, as seen in the wild.
EMPTY = ("550 No files found", "550 No such file or directory.", "450 No files found", "550 .: No such file", None)


@pytest.mark.parametrize("words", EMPTY)
def test_f15_an_empty_folder_is_an_empty_inbox(tmp_path: Path, words: str | None) -> None:
    tally.note("inputs")
    with scripted(tmp_path, "ftp-old") as (victim, server):
        server.empty = words
        for _ in range(2):
            report = victim.run()
            assert (report.state, report.counts) == ("done", {}), report
        assert open_cards(victim) == []
        assert alarms(victim) == []
        Orders().drop(victim, 1)
        assert victim.run().counts["created"] == 1
        assert victim.run().counts == {}, "empty again"
        victim.check()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_f15_an_empty_folder_of_a_real_server(make_victim: Callable[[str, str], Victim], transport: str) -> None:
    victim = make_victim(transport, "sqlite")
    report = victim.run()
    assert (report.state, report.counts, report.exit_code) == ("done", {}, 0), report
    assert (open_cards(victim), alarms(victim)) == ([], [])
    victim.check()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_f15_a_missing_folder_is_a_card(
    make_victim: Callable[[str, str], Victim], monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    impatient(monkeypatch)
    victim = make_victim(transport, "sqlite")
    right = victim.remote_inbox
    victim.remote_inbox = f"{right}/incoming"
    for minute in range(3):
        victim.clock.ahead = timedelta(minutes=minute)
        report = victim.run(trigger="schedule")
        assert (report.state, report.exit_code) == ("failed", UNREACHABLE)
        (finding,) = report.steps[0].findings
        assert finding.code == "folder-missing"
        assert "incoming" in str(finding.text)
        assert finding.hint
    subject = f"inbox:site/{victim.remote_inbox}"
    assert open_cards(victim) == [("inbox", subject)], "one card"
    assert len(alarms(victim)) == 1, "told once"
    if transport == "sshd":
        _as_a_person_sees_it(victim)
    # somebody makes the folder: it goes on, and the card is over by itself
    home = victim.inbox / "incoming"
    home.mkdir()
    victim.own(home)
    victim.inbox = home
    Orders().drop(victim, 1)
    report = victim.run(trigger="schedule")
    assert report.state == "done", report
    assert open_cards(victim) == []
    assert closed_cards(victim) == [("inbox", subject)]
    assert len(invariants.books_rows(victim.config())) == 1
    victim.check()


def test_f15_the_card_is_over_when_the_config_names_another_folder(make_victim: Callable[[str, str], Victim]) -> None:
    victim = make_victim("local", "sqlite")
    victim.remote_inbox = "odrers"
    assert victim.run().state == "failed"
    assert open_cards(victim) == [("inbox", "inbox:site/odrers")]
    victim.run("catalogue")
    assert open_cards(victim) == [("inbox", "inbox:site/odrers")], "it still is an inbox"
    victim.remote_inbox = "orders"
    assert victim.run().state == "done"
    assert (open_cards(victim), closed_cards(victim)) == ([], [("inbox", "inbox:site/odrers")])
    victim.check()


def _as_a_person_sees_it(victim: Victim) -> None:
    shown = mistok("-c", victim.path, "--language", "en", "card", "1")
    assert shown.code == 0, shown.all
    assert "incoming does not exist" in " ".join(shown.out.split())
    listed = mistok("-c", victim.path, "--language", "en", "cards", "--json")
    assert [row["kind"] for row in json.loads(listed.out)] == ["inbox"], listed.out
    letter = mistok("-c", victim.path, "--language", "en", "card", "1", "--letter")
    assert "incoming" in letter.out, letter.all


@pytest.mark.parametrize("transport", ["sshd", "vsftpd-explicit", "proftpd-explicit"])
def test_f15_a_folder_that_may_not_be_looked_into_is_no_empty_one(
    make_victim: Callable[[str, str], Victim], monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    impatient(monkeypatch)
    victim = make_victim(transport, "sqlite")
    Orders().drop(victim, 1)
    victim.inbox.chmod(0o000)
    report = victim.run(trigger="schedule")
    assert (report.state, report.exit_code) == ("failed", UNREACHABLE), report
    assert [kind for kind, _ in open_cards(victim)] == ["inbox"]
    victim.inbox.chmod(0o755)
    assert victim.run(trigger="schedule").counts["created"] == 1
    assert open_cards(victim) == []
    victim.check()
