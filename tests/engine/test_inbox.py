"""The verdict on each listed file: a pure function of row, listing, settings and time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import ahead, taking
from pipeline.engine.inbox import Look, Verdict, chosen, in_period, judge
from pipeline.flow import InboundSettings, Marker
from pipeline.ports import RemoteFile

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FILE = RemoteFile("orders", "a.xml", 10, datetime(2026, 11, 22, 11, 0, tzinfo=UTC))


def settings(**values: Any) -> InboundSettings:
    return InboundSettings(inbox="site", into="books", **values)


def row(state: str = "seen", **values: Any) -> dict[str, Any]:
    base = {
        "id": 1,
        "state": state,
        "size": FILE.size,
        "modified": FILE.modified,
        "first_seen": NOW - timedelta(seconds=10),
        "stable_since": NOW - timedelta(seconds=10),
        "findings": None,
        "policy": None,
        "config_hash": None,
        "updated": NOW - timedelta(minutes=10),
    }
    return base | values


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (None, Verdict.NEW),
        (row(), Verdict.READY),
        (row(size=9), Verdict.GROWING),
        (row(modified=None), Verdict.GROWING),
        (row(stable_since=NOW), Verdict.WAITING),
        (row(findings=[{"code": "incomplete"}]), Verdict.WAITING),
        (row("claimed"), Verdict.READY),
        (row("claimed", size=9), Verdict.NEW),
        (row("archived"), Verdict.RESUME),
        (row("checked"), Verdict.RESUME),
        (row("done"), Verdict.ACKNOWLEDGE),
        (row("done", size=9), Verdict.NEW),
        (row("quarantined"), Verdict.SETTLED),
        (row("quarantined", size=9), Verdict.NEW),
        (row("quarantined", policy="rejected"), Verdict.NEW),
        (row("acknowledged", policy="kept"), Verdict.SETTLED),
        (row("acknowledged", policy="kept", size=9), Verdict.NEW),
        (row("acknowledged", policy="deleted"), Verdict.NEW),
    ],
)
def test_verdicts(known: dict[str, Any] | None, verdict: Verdict) -> None:
    assert judge(FILE, known, settings(), {FILE.name}, NOW).verdict is verdict


def test_a_quarantined_file_is_read_again_under_another_config() -> None:
    refused = row("quarantined", config_hash="one")
    assert judge(FILE, refused, settings(), {"a.xml"}, NOW, "one").verdict is Verdict.SETTLED
    assert judge(FILE, refused, settings(), {"a.xml"}, NOW, "two").verdict is Verdict.NEW


def test_a_quarantined_file_that_could_not_be_moved_is_moved_later() -> None:
    aside = settings(rejected="rejected")
    assert judge(FILE, row("quarantined"), aside, {"a.xml"}, NOW).verdict is Verdict.SET_ASIDE
    assert judge(FILE, row("quarantined", updated=NOW), aside, {"a.xml"}, NOW).verdict is Verdict.SETTLED


def test_min_age_counts_from_our_own_first_look_whatever_the_server_says() -> None:
    old_by_its_clock = RemoteFile("orders", "a.xml", 10, NOW - timedelta(days=400))
    known = row(modified=old_by_its_clock.modified, first_seen=NOW - timedelta(seconds=5))
    look = judge(old_by_its_clock, known, settings(min_age="60s"), {"a.xml"}, NOW)
    assert look.verdict is Verdict.WAITING
    assert look.due == NOW + timedelta(seconds=55)


def test_a_marker_is_waited_for() -> None:
    wants = settings(marker=Marker(suffix=".ok"))
    assert judge(FILE, row(), wants, {"a.xml"}, NOW).verdict is Verdict.WAITING
    assert judge(FILE, row(), wants, {"a.xml", "a.xml.ok"}, NOW).verdict is Verdict.READY


def test_after_its_grace_an_incomplete_file_is_taken_to_be_judged() -> None:
    known = row(findings=[{"code": "incomplete"}], stable_since=NOW - timedelta(minutes=11))
    assert judge(FILE, known, settings(), {"a.xml"}, NOW).verdict is Verdict.READY


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a.xml", True),
        ("A.XML", True),
        ("a.xml.part", False),
        ("a.part", False),
        (".a.xml", False),
        ("~a.xml", False),
        ("a.txt", False),
        ("Замовлення 1.xml", True),
    ],
)
def test_names(name: str, taken: bool) -> None:
    assert chosen(name, settings()) is taken


def test_periods_go_by_the_servers_time_else_by_our_first_look() -> None:
    untimed = RemoteFile("", "a", 1, None)
    assert in_period(FILE, NOW, None, None)
    assert in_period(FILE, NOW, NOW - timedelta(hours=1), NOW)
    assert not in_period(FILE, NOW, NOW, None)
    assert not in_period(untimed, NOW, None, NOW)
    assert in_period(untimed, NOW, NOW, None)


@given(
    age=st.integers(-100_000, 100_000),
    stable=st.integers(0, 3600),
    min_age=st.integers(0, 3600),
    grace=st.integers(0, 3600),
    incomplete=st.booleans(),
)
def test_a_waiting_file_is_ready_exactly_when_it_is_due(
    age: int, stable: int, min_age: int, grace: int, incomplete: bool
) -> None:
    wants = settings(stable=stable, min_age=min_age, grace=grace)
    known = row(
        first_seen=NOW - timedelta(seconds=age),
        stable_since=NOW - timedelta(seconds=age),
        findings=[{"code": "incomplete"}] if incomplete else None,
    )
    look = judge(FILE, known, wants, {"a.xml"}, NOW)
    if look.verdict is Verdict.WAITING:
        assert look.due is not None
        assert look.due > NOW
        assert judge(FILE, known, wants, {"a.xml"}, look.due).verdict is Verdict.READY
    else:
        assert look.verdict is Verdict.READY


@given(count=st.integers(0, 3000), most=st.integers(1, 1000))
def test_batches_take_every_file_once_in_order_and_leave_no_few_over(count: int, most: int) -> None:
    looks = [Look(replace(FILE, name=f"{number}.xml"), Verdict.READY) for number in range(count)]
    batches = [*taking._batches(looks, most)]
    assert [look for batch in batches for look in batch] == looks
    sizes = [len(batch) for batch in batches]
    assert all(0 < size <= most for size in sizes)
    if most >= 2 * taking.FEW and count >= 2 * taking.FEW:
        assert sizes[0] == taking.FEW
        assert sizes[-1] < taking.FEW + ahead.LEAST
        assert min(sizes) >= ahead.LEAST


def test_batches_begin_small_grow_and_end_small() -> None:
    looks = [Look(FILE, Verdict.READY)] * 2000
    assert [len(batch) for batch in taking._batches(looks, 250)] == [100, 200, *[250] * 6, 100, 100]
    assert [len(batch) for batch in taking._batches(looks[:150], 250)] == [150]
    assert [len(batch) for batch in taking._batches(looks[:7], 3)] == [3, 3, 1]


def test_a_batch_is_no_heavier_than_memory_allows() -> None:
    looks = [Look(replace(FILE, size=taking.BATCH_BYTES // 2), Verdict.READY)] * 3
    assert [len(batch) for batch in taking._batches(looks, 250)] == [2, 1]
