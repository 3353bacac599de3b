"""F5: the server deletes (or moves) the file and its reply is lost: “not found” counts as done; nothing comes twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.testing.rooted import Cut
from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.proxied import REAL, Orders, impatient, proxied, run
from tests.faults.scripted import SCRIPTED, scripted


def policies(victim: Victim) -> list[str]:
    return sorted(str(row[0]) for row in victim.ledger_rows("select policy from files"))


@pytest.mark.parametrize("after", ["delete", "move"])
@pytest.mark.parametrize("transport", REAL)
def test_f05_the_line_swallows_the_reply_of_a_real_server(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    after: str,
) -> None:
    impatient(monkeypatch)
    with proxied(request, make_victim, transport) as (victim, proxy):
        if after == "move":
            victim.step = f"after: {{move: {victim.remote_inbox}/done}}"
        names = Orders().drop(victim, 3)

        def gone() -> bool:
            return not all((victim.inbox / name).exists() for name in names)

        def reach(point: str) -> None:
            if point == "inbound:before-delete":
                proxy.lose(when=gone, linger=0.1)

        report = run(victim, reach=reach)
        assert proxy.fired == 1, "the reply was lost"
        assert (report.state, report.counts["created"], report.counts["acknowledged"]) == ("done", 3, 3), report
        assert "gone" in policies(victim), "what is not found was done"
        assert [path.name for path in victim.inbox.iterdir()] == (["done"] if after == "move" else [])
        if after == "move":
            assert {path.name for path in (victim.inbox / "done").iterdir()} == set(names)
        assert len(invariants.books_rows(victim.config())) == 3
        victim.check()


@pytest.mark.parametrize("transport", SCRIPTED)
def test_f05_the_server_ends_the_session_after_each_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        Orders().drop(victim, 2)

        def after(act: str, path: str) -> None:
            if act in ("remove", "delete"):
                raise Cut

        server.after = after
        for _ in range(2):
            report = victim.run()
        assert list(victim.inbox.iterdir()) == []
        assert report.state == "done"
        assert policies(victim) == ["gone", "gone"] or transport != "sftp"
        assert len(invariants.books_rows(victim.config())) == 2
        victim.check()
        told = victim.ledger_rows("select count(*) from notices where kind = 'order'")
        assert told == [(2,)]


@pytest.mark.parametrize("transport", SCRIPTED)
def test_f05_a_delete_that_was_not_done_is_not_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """The session ends before the delete instead of after it: the file is still there, and says so."""
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        names = Orders().drop(victim, 2)

        def fault(act: str, path: str) -> None:
            if act in ("remove", "delete") and path.endswith(names[0]):
                raise Cut

        server.fault = fault
        report = victim.run()
        assert (victim.inbox / names[0]).exists()
        assert report.counts["created"] == 2
        assert victim.ledger_rows(f"select state from files where name = '{names[0]}'") == [("done",)]
        server.fault = None
        assert victim.run().counts == {"acknowledged": 2 - report.counts.get("acknowledged", 0)}
        assert list(victim.inbox.iterdir()) == []
        victim.check()
