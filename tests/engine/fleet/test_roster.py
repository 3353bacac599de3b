"""The clients of a worker, and whether they are the same ones beside it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.archive import Archive
from pipeline.config.load import load_config
from pipeline.engine.fleet.roster import APART, VERSIONS, Clients, Other
from pipeline.engine.health import Health, Life, Service
from pipeline.engine.shown.troubles import troubles
from tests.engine.fleet import clients


def other(host: str, since: str, **has: dict[str, str]) -> Other:
    return Other(f"{host}:1:1:aa", since, host, has)


def test_which_clients_and_what_becomes_of_edits(tmp_path: Path) -> None:
    for name in ("acme", "bravo"):
        clients.write(tmp_path, name)
    assert sorted(Clients(tmp_path).members) == ["acme", "bravo"]
    assert sorted(Clients(tmp_path, ["b*", "c*"]).members) == ["bravo"]
    assert sorted(Clients(tmp_path / "acme").members) == ["acme"]
    roster = Clients(tmp_path)
    assert not roster.look()
    before = roster.members["acme"]
    path = tmp_path / "acme" / "config.yaml"
    good = path.read_text("utf-8")

    def edit(text: str, later: int) -> None:
        path.write_text(text, encoding="utf-8")
        os.utime(path, (2_000_000_000 + later,) * 2)
        roster.look()
        roster.look()  # an edit counts when two looks see the same

    edit(good.replace("every: 5m", "every: often"), 1)
    assert roster.members["acme"].load == before.load, "a wrong edit changes nothing"
    edit(good.replace("every: 5m", "every: 7m"), 2)
    assert roster.members["acme"].load != before.load
    clients.write(tmp_path, "charlie")
    assert roster.look()
    assert "charlie" in roster.served


def test_folders_that_go_and_come_back_are_logged(tmp_path: Path) -> None:
    for name in ("acme", "bravo"):
        clients.write(tmp_path, name)
    roster = Clients(tmp_path)
    with capture_logs() as said:
        (tmp_path / "acme").rename(tmp_path / ".away")
        assert roster.look()
        (tmp_path / ".away").rename(tmp_path / "acme")
        assert roster.look()
    told = [(line["event"], line["client"]) for line in said]
    assert told == [("client_gone", "acme"), ("client_added", "acme")]


def test_a_folder_that_is_renamed_is_worked_on_under_its_new_name(tmp_path: Path) -> None:
    clients.write(tmp_path, "bravo")
    roster = Clients(tmp_path)
    for name, new in (("bravo", "zulu"), ("zulu", "alpha")):
        (tmp_path / name).rename(tmp_path / new)
        with capture_logs() as said:
            assert roster.look()
        assert [one.config.base for one in roster.served.values()] == [tmp_path / new]
        assert not roster.broken
        assert "config_wrong" not in [one["event"] for one in said]


def test_an_archive_that_cannot_be_read_keeps_no_other_client_from_being_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.write(tmp_path, "acme")
    roster = Clients(tmp_path)

    def refuse(*_words: object, **_more: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Archive, "identity", refuse)
    assert roster.said()["acme"]["archive"] == ""


def test_two_folders_of_one_client_are_neither(tmp_path: Path) -> None:
    clients.write(tmp_path, "acme")
    twin = clients.write(tmp_path, "twin")
    twin.write_text(twin.read_text("utf-8").replace("client: twin", "client: acme"), encoding="utf-8")
    roster = Clients(tmp_path)
    assert not roster.members
    assert len(roster.broken) == 2


def test_a_copied_folder_stops_nobody_and_is_told(tmp_path: Path) -> None:
    clients.write(tmp_path, "bravo")
    roster = Clients(tmp_path)
    copied = clients.write(tmp_path, "aaa")  # before the other one by its name
    copied.write_bytes((tmp_path / "bravo" / "config.yaml").read_bytes())
    with capture_logs() as said:
        assert roster.look()
    assert [one.config.base for one in roster.served.values()] == [tmp_path / "bravo"]
    (told,) = [one for one in said if one["event"] == "config_wrong"]
    assert str(copied) in told["error"]
    assert str(tmp_path / "bravo" / "config.yaml") in told["error"]
    copied.unlink()
    assert roster.look()
    assert [one.config.base for one in roster.served.values()] == [tmp_path / "bravo"]
    assert not roster.broken


def test_who_came_later_leaves_a_client_alone_that_is_not_shared(tmp_path: Path) -> None:
    clients.write(tmp_path, "local")
    clients.write(tmp_path, "shared", "postgresql+psycopg://u:p@h/d")
    roster = Clients(tmp_path)
    mine = {name: one.said() for name, one in roster.members.items()}
    assert mine["shared"]["ledger"] == ""
    local = {**mine["local"], "ledger": "pc2:/clients/local/ledger.sqlite3"}
    here = {"local": mine["local"], "shared": mine["shared"]}
    roster.compare([other("pc1", "2026-01-01", **here)], "2026-01-02", "me")
    assert not roster.findings, "another worker of this machine has the same files"
    roster.compare([other("pc2", "2026-01-01", local=local, shared=mine["shared"])], "2026-01-02", "me")
    assert roster.findings["local"].code == APART
    assert sorted(roster.served) == ["shared"]
    roster.compare([other("pc2", "2026-01-03", local=local)], "2026-01-02", "me")
    assert roster.findings["local"].code == APART
    assert sorted(roster.served) == ["local", "shared"], "the other one came later"
    roster.compare([], "2026-01-02", "me")
    assert not roster.findings


def test_of_many_clients_what_is_told_is_found_out_at_a_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clients.write(tmp_path, "acme", "postgresql+psycopg://u:p@h/d")
    roster = Clients(tmp_path)
    told = roster.said()
    assert told == {"acme": roster.members["acme"].said()}
    assert roster.said() is told
    from pipeline.archive import Archive

    monkeypatch.setattr("pipeline.engine.fleet.roster.FEW", 0)
    monkeypatch.setattr("pipeline.engine.fleet.roster.Pace.due", lambda _self: False)
    Archive(tmp_path / "acme" / "archive").identity()
    clients.write(tmp_path, "bravo")
    assert roster.said() is told
    assert not roster.look()
    monkeypatch.setattr("pipeline.engine.fleet.roster.Pace.due", lambda _self: True)
    assert roster.said()["acme"]["archive"]
    assert roster.look()
    monkeypatch.setattr("pipeline.engine.fleet.roster.Pace.due", lambda _self: False)
    assert sorted(roster.said()) == ["acme", "bravo"], "another client is told of at once"


def test_archives_that_are_not_one_and_configs_that_are_not_the_same(tmp_path: Path) -> None:
    clients.write(tmp_path, "shared", "postgresql+psycopg://u:p@h/d")
    roster = Clients(tmp_path)
    mine = roster.members["shared"].said()
    assert mine["archive"] == "", "it has kept no file yet"
    there = {**mine, "archive": "b" * 32}
    roster.compare([other("pc2", "2026-01-01", shared=there)], "2026-01-02", "me")
    assert not roster.findings
    from pipeline.archive import Archive

    Archive(tmp_path / "shared" / "archive").identity()
    roster.compare([other("pc2", "2026-01-01", shared=there)], "2026-01-02", "me")
    assert roster.findings["shared"].code == APART
    assert not roster.served
    now = {**roster.members["shared"].said(), "config": "0" * 16}
    roster.compare([other("pc2", "2026-01-01", shared=now)], "2026-01-02", "me")
    assert roster.findings["shared"].code == VERSIONS
    assert "shared" in roster.served


def test_archives_that_have_kept_nothing_yet_are_told_apart(tmp_path: Path) -> None:
    rosters = []
    for pc in ("pc1", "pc2"):
        clients.write(tmp_path / pc, "acme", "postgresql+psycopg://u:p@h/d")
        clients.write(tmp_path / pc, "local")
        assert Clients(tmp_path / pc).members["acme"].said()["archive"] == "", "who only looks names none"
        rosters.append(Clients(tmp_path / pc))
    here, there = (roster.said() for roster in rosters)
    assert not (tmp_path / "pc1" / "local" / "archive").exists(), "a ledger that is a file is nobody else's anyway"
    rosters[1].compare([other("pc1", "2026-01-01", acme=dict(here["acme"]))], "2026-01-02", "me", there)
    assert rosters[1].findings["acme"].code == APART
    assert sorted(rosters[1].served) == ["local"]
    again = Clients(tmp_path / "pc1")
    again.compare([other("pc1", "2026-01-01", acme=dict(here["acme"]))], "2026-01-02", "me", again.said())
    assert not again.findings, "two that share it give it one name"


def test_an_archive_that_cannot_be_named_is_told_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.write(tmp_path, "acme", "postgresql+psycopg://u:p@h/d")
    from pipeline.archive import store

    def full(*_args: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(store, "finish", full)
    assert Clients(tmp_path).said()["acme"]["archive"] == ""


def test_a_client_that_serve_has_is_left_to_it(tmp_path: Path) -> None:
    clients.write(tmp_path, "acme")
    roster = Clients(tmp_path)
    roster.leave_to_serve(frozenset({"acme"}))
    assert not roster.served
    roster.leave_to_serve(frozenset())
    assert "acme" in roster.served


def test_who_does_the_work_that_nobody_does_is_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISTOK_QUEUE", raising=False)
    config = load_config(clients.write(tmp_path, "acme"))

    def told(queue: dict[str, int] | None) -> str:
        service = Service(Life.STOPPED, queue=queue)
        now = Health(datetime.now(UTC), (service,), (), (), (), {}, 0, None, None, (), None, None)
        return next(troubles(config, now)).render("en")

    assert told({"waiting": 1, "running": 0, "workers": 0}) == "No worker has this client: start `mistok worker`."
    assert told(None) == "No service is at work: start `mistok serve`."
    monkeypatch.setenv("MISTOK_QUEUE", "postgresql://u:p@h/d")
    assert told(None) == "No worker has this client: start `mistok worker`.", "none has had it yet"
