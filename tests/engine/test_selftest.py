"""The parts of a selftest: the own folder, the profile on odd servers, the promises, the made-up client."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from pipeline.cli.selftest import as_data
from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client, run_job
from pipeline.engine.selftest import folder, made_up
from pipeline.engine.selftest.child import kill_at
from pipeline.engine.selftest.conduct import Options, selftest
from pipeline.engine.selftest.killing import KillTable, known
from pipeline.engine.selftest.points import INBOUND, OUTBOUND, POINTS
from pipeline.engine.selftest.promises import broken_promises
from pipeline.engine.selftest.report import Report, State
from pipeline.errors import FolderMissing, Refused
from pipeline.ledger import cards
from pipeline.ledger import tables as t
from pipeline.ports import Transport
from pipeline.registry import load_registry
from pipeline.transports.memory import MemoryTransport
from tests.faults.invariants import books_rows
from tests.faults.plain import order_ids as plain_ids

NOW = datetime(2026, 11, 22, 21, 15, tzinfo=UTC)
ENGINE = Path(__file__).resolve().parents[2] / "pipeline" / "engine"

# --- points ----------------------------------------------------------------------------------------------------------


def test_every_named_point_of_the_walks_is_in_the_table() -> None:
    named = {
        name
        for path in ENGINE.glob("*.py")
        for name in re.findall(r'reach\("((?:inbound|outbound):[\w-]+)"\)', path.read_text(encoding="utf-8"))
    }
    # reached by files that are refused, by large ones, which are read in parts, and by a marker that is switched on
    # later: no made-up order or catalogue is
    assert named - set(POINTS) == {"inbound:part", "inbound:quarantined", "outbound:marker-recorded"}
    assert set(POINTS) <= named


def test_points_are_chosen_by_name_or_by_walk() -> None:
    assert known(POINTS, []) == [*INBOUND, *OUTBOUND]
    assert known(POINTS, ["created", "inbound:claimed"]) == ["inbound:claimed", "inbound:created"]
    assert known(POINTS, ["outbound"]) == list(OUTBOUND)
    assert known(POINTS, ["archived"]) == ["inbound:archived", "outbound:archived"]
    with pytest.raises(KeyError):
        known(POINTS, ["created", "nowhere"])


def test_a_kill_comes_at_the_nth_time(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _signal: killed.append(pid))
    told: list[str] = []
    reach = kill_at("inbound:created", 2, before=lambda: told.append("reached"))
    for point in ("inbound:claimed", "inbound:created", "inbound:claimed"):
        reach(point)
    assert (killed, told) == ([], [])
    reach("inbound:created")
    assert (killed, told) == ([os.getpid()], ["reached"])


# --- the own folder --------------------------------------------------------------------------------------------------


def note_of(transport: MemoryTransport, path: str, **changes: object) -> None:
    """Change what the note in a folder says."""
    words = json.loads(transport.files[path][folder.NOTE][0])
    transport.write(path, folder.NOTE, json.dumps({**words, **changes}).encode())


def made(transport: MemoryTransport, now: datetime = NOW) -> str:
    """A folder with files in it, as a selftest at work has it."""
    path = folder.make(transport, "in", folder.new_name(now), now, "acme")
    transport.make_folder(path + "/orders/deep")
    transport.write(path + "/orders/deep", "a.xml", b"<a/>")
    return path


def test_a_folder_is_named_by_its_time_made_once_and_removed_whole() -> None:
    transport = MemoryTransport(folders=("", "in"))
    transport.write("in", "theirs.xml", b"<a/>")
    name = folder.new_name(NOW)
    assert re.fullmatch(r"mistok-selftest-20261122-2115-[0-9a-f]{4}", name)
    path = folder.make(transport, "in", name, NOW, "acme")
    assert path == f"in/{name}"
    with pytest.raises(Refused, match="exists already"):
        folder.make(transport, "in", name, NOW, "acme")
    transport.make_folder(path + "/orders/deep")
    transport.write(path + "/orders/deep", "a.xml", b"<a/>")
    assert folder.remove(transport, path) == ()
    assert folder.remove(transport, path) == (), "gone is fine"
    assert transport.files == {"": {}, "in": {"theirs.xml": transport.files["in"]["theirs.xml"]}}


@pytest.mark.parametrize(
    "path", ["in", "", "in/orders", "in/mistok-selftest-mine", "in/mistok-selftest-20261122-2115-ab12x"]
)
def test_no_other_folder_is_ever_removed(path: str) -> None:
    transport = MemoryTransport(folders=("", "in", path))
    with pytest.raises(ValueError, match=re.escape(path) or None):
        folder.remove(transport, path)


DEAD = {"pid": 2**22 + 1, "process_started": 1.0}  # above the highest number that Linux gives


@pytest.mark.parametrize(
    ("changes", "later", "removed"),
    [
        (DEAD, 0, True),
        ({}, 0, False),  # this very process
        ({}, 40, False),
        ({"process_started": 1.0}, 0, True),  # its number was given to another process since
        ({"host": "elsewhere"}, 23, False),
        ({"host": "elsewhere"}, 25, True),
        ({"host": "elsewhere", "made": "yesterday"}, 99, False),
        ({**DEAD, "made_by": "somebody"}, 99, False),
        ({**DEAD, "folder": "mistok-selftest-20261122-2115-0000"}, 99, False),
        ({"pid": "x"}, 99, False),
    ],
)
def test_what_an_earlier_selftest_left_is_removed_only_when_it_surely_is_over(
    changes: dict[str, object], later: int, removed: bool
) -> None:
    transport = MemoryTransport(folders=("", "in"))
    path = made(transport)
    note_of(transport, path, **changes)
    (remark,) = folder.sweep(transport, ["", "in", "nowhere"], NOW + timedelta(hours=later))
    assert (path not in transport.files) is removed
    assert remark.code == ("selftest-swept" if removed else "selftest-folder")
    assert path in str(remark.text)


def test_a_folder_without_a_note_is_ours_only_when_it_is_empty_and_old() -> None:
    transport = MemoryTransport()
    for name, file in (("0001", None), ("0002", "a.xml")):
        transport.make_folder(f"mistok-selftest-20261122-2115-{name}")
        if file:
            transport.write(f"mistok-selftest-20261122-2115-{name}", file, b"<a/>")
    transport.make_folder("mistok-selftest-of-mine")
    assert len(list(folder.sweep(transport, [""], NOW))) == 2
    assert len(transport.files) == 4
    list(folder.sweep(transport, [""], NOW + timedelta(days=3)))
    assert set(transport.files) == {"", "mistok-selftest-20261122-2115-0002", "mistok-selftest-of-mine"}


def test_the_note_names_the_process_that_is_at_work() -> None:
    transport = MemoryTransport()
    path = folder.make(transport, "", folder.new_name(NOW), NOW, "acme")
    words = json.loads(transport.files[path][folder.NOTE][0])
    assert (words["host"], words["pid"]) == (socket.gethostname(), os.getpid())
    assert words["process_started"] == psutil.Process().create_time()
    assert words["made"] == "2026-11-22T21:15:00+00:00"


# --- a client of its own ---------------------------------------------------------------------------------------------

CONFIG = """\
client: acme
currency: EUR
connections:
  site: {{type: local, path: site}}
  books: {{type: books}}
jobs:
  orders:
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books, after: {after}, stable: 1s}}
"""


@pytest.fixture
def config(tmp_path: Path) -> ClientConfig:
    return config_with(tmp_path)


def config_with(base: Path, after: str = "delete") -> ClientConfig:
    (base / "site" / "orders").mkdir(parents=True, exist_ok=True)
    path = base / "config.yaml"
    path.write_text(CONFIG.format(after=after), encoding="utf-8")
    return load_config(path)


def table(config: ClientConfig, temp: Path, **more: Any) -> KillTable:
    """A kill table on the client's folder."""
    from pipeline.transports import open_transport

    temp.mkdir()
    made_up.prepare(temp, config.currency)
    spec = config.connections["site"]
    transport: Transport = open_transport("site", spec.type, spec.params, base=config.base)
    name = folder.new_name(datetime.now(UTC))
    trial = made_up.Trial("site", folder.make(transport, "", name, datetime.now(UTC), "acme"), str(temp))
    return KillTable(config=config, registry=load_registry(), trial=trial, transport=transport, **more)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is killed: the run before is left out, and the one after it does all."""
    monkeypatch.setattr(KillTable, "_kill", lambda *_: [])


@pytest.mark.usefixtures("alive")
def test_made_up_orders_become_documents_and_the_clients_own_state_is_not_made(
    config: ClientConfig, tmp_path: Path
) -> None:
    kills = table(config, tmp_path / "temp", orders=5)
    kills.run(["inbound:created", "outbound:uploaded"])
    assert [(one.state, one.lost, one.doubled, one.left) for one in kills.results] == [(State.OK, 0, 0, 0)] * 2
    assert kills.idle() == ()
    assert kills.documents == len(kills.dropped) == 5
    assert sorted(one.name for one in tmp_path.iterdir()) == ["config.yaml", "site", "temp"]
    assert kills.registry.steps["import-orders"].settings is not None


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize(("after", "left"), [("keep", 0), ("{move: done}", 0)])
def test_the_clients_own_policy_is_followed(tmp_path: Path, after: str, left: int) -> None:
    config = config_with(tmp_path, after)
    kills = table(config, tmp_path / "temp")
    kills.run(["inbound:created"])
    (result,) = kills.results
    assert (result.state, result.left) == (State.OK, left)
    own = tmp_path / "site" / kills.trial.folder
    assert len(list((own / "orders").iterdir())) == (3 if after == "keep" else 0)
    assert not (tmp_path / "site" / "done").exists(), "the client's own folder is not used"
    assert not (own / "taken").exists() or len(list((own / "taken").iterdir())) == 3


def test_what_is_lost_and_what_is_doubled_is_counted(
    config: ClientConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = table(config, tmp_path / "temp")
    orders = tmp_path / "site" / kills.trial.folder / "orders"

    def thief(self: KillTable, *_: object) -> list[Any]:
        next(iter(sorted(orders.iterdir()))).unlink()
        return []

    monkeypatch.setattr(KillTable, "_kill", thief)
    real = KillTable._documents

    def twice(self: KillTable, config: ClientConfig) -> list[tuple[str, Decimal, str]]:
        rows = real(self, config)
        return [*rows, rows[-1]]

    monkeypatch.setattr(KillTable, "_documents", twice)
    kills.run(["inbound:created"])
    (result,) = kills.results
    assert (result.state, result.lost, result.doubled) == (State.FAULT, 1, 1)
    assert {finding.code for finding in result.findings} == {"I1", "I2"}


def test_a_catalogue_that_is_not_whole_is_found(
    config: ClientConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = table(config, tmp_path / "temp")
    catalogue = tmp_path / "site" / kills.trial.folder / "goods" / made_up.CATALOGUE

    def half(self: KillTable, *_: object) -> list[Any]:
        catalogue.write_bytes(b"half of")
        (catalogue.parent / "left.part").write_bytes(b"x")
        return []

    monkeypatch.setattr(KillTable, "_kill", half)
    kills.run(["outbound:archived"])
    (result,) = kills.results
    assert (result.state, result.lost, result.left) == (State.FAULT, 1, 1)
    assert {finding.code for finding in result.findings} == {"I4", "left-over"}


def test_a_point_that_is_not_reached_is_said(config: ClientConfig, tmp_path: Path) -> None:
    kills = table(config, tmp_path / "temp")
    kills.orders = 0  # nothing to take: the run ends before it comes there
    kills.run(["inbound:created"])
    (result,) = kills.results
    assert result.state is State.FAULT
    assert result.findings[0].code == "not-reached"
    report = Report(client="acme", connection="site", type="local", started=datetime.now(UTC), points=[result])
    assert as_data(report)["kill"]["tried"] == 0, "nobody was killed"


def test_where_files_are_kept_no_point_of_taking_them_away_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engine.selftest.profile._SECOND_LOOK", 0)
    points = ["inbound:claimed", "inbound:before-delete", "inbound:deleted", "inbound:acknowledged"]
    report = selftest(
        config_with(tmp_path, "keep"), load_registry(), "site", Options(points=points), clock=SystemClock()
    )
    assert [(one.point, one.state) for one in report.points] == [("inbound:claimed", State.OK)]
    assert [finding.code for finding in report.remarks] == ["points-absent"]
    assert report.exit_code == 0, report.findings


# --- the promises ----------------------------------------------------------------------------------------------------


@pytest.fixture
def booked(config: ClientConfig, tmp_path: Path) -> tuple[ClientConfig, dict[str, bytes]]:
    """A client with three booked orders, and what was dropped."""
    made_up.prepare(tmp_path, config.currency)
    trial = made_up.Trial("site", "own", str(tmp_path))
    config = made_up.throw_away(config, load_registry(), trial)
    inbox = tmp_path / "site" / "own" / "orders"
    inbox.mkdir(parents=True)
    dropped = dict(made_up.made_up_orders(1, 3, config.currency))
    for name, data in dropped.items():
        (inbox / name).write_bytes(data)
    assert run_job(config, made_up.ORDERS_JOB).state == "done"
    return config, dropped


def broken(config: ClientConfig, dropped: Mapping[str, bytes], **changes: Any) -> list[str]:
    """Which promises do not hold."""
    spec = config.connections[made_up.BOOKS]
    own = config.model_copy(update={"connections": {"books": spec}})
    documents = [(order, Decimal(total) / 1_000_000) for order, total, _number in books_rows(own)]
    with Client.open(config) as client:
        delivered = {name: plain_ids(data) for name, data in dropped.items()}
        given: dict[str, Any] = {
            "documents": documents,
            "remaining": (),
            "dropped": dropped,
            "delivered": delivered,
            **changes,
        }
        if "more" in given:
            given["documents"] = given.pop("more")(documents)
        return sorted({one.code for one in broken_promises(client, **given)})


def test_kept_promises_are_kept(booked: tuple[ClientConfig, dict[str, bytes]]) -> None:
    assert broken(*booked) == []


def test_each_broken_promise_is_known(booked: tuple[ClientConfig, dict[str, bytes]]) -> None:
    config, dropped = booked
    assert broken(config, dropped, more=lambda rows: rows[1:]) == ["I1"]
    assert broken(config, dropped, more=lambda rows: [*rows, rows[0]]) == ["I1"]
    assert broken(config, dropped, more=lambda rows: [*rows, ("99", Decimal(1))]) == ["I1"]
    assert broken(config, dropped, more=lambda rows: [(order, total + Decimal("0.01")) for order, total in rows]) == [
        "I5"
    ]
    assert broken(config, {**dropped, "never-seen.xml": b"<a/>"}) == ["I2"]
    assert broken(config, {**dropped, "never-seen.xml": b"<a/>"}, remaining={"never-seen.xml"}) == []
    with Client.open(config) as client:
        (first, second, _third) = sorted(client.archive.hashes())
        (path, other) = (client.archive.find(sha) for sha in (first, second))
    assert path
    assert other
    path.chmod(0o600)
    path.write_bytes(b"<damaged/>")
    assert "I3" in broken(config, dropped)
    other.unlink()
    assert "I2" in broken(config, dropped)


def test_an_order_that_the_ledger_never_heard_of_is_missed(booked: tuple[ClientConfig, dict[str, bytes]]) -> None:
    """An order forgotten whole, its document with it, leaves no row that disagrees with another."""
    config, dropped = booked
    order = made_up.order_id(2)
    with Client.open(config) as client, client.ledger.begin() as conn:
        row = conn.execute(sa.select(t.orders.c.id).where(t.orders.c.order_id == order)).scalar_one()
        conn.execute(t.notices.delete().where(t.notices.c.subject == f"order:{row}"))
        conn.execute(t.sightings.delete().where(t.sightings.c.order_row == row))
        conn.execute(t.orders.delete().where(t.orders.c.id == row))

    def without(rows: list[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
        return [one for one in rows if one[0] != order]

    assert broken(config, dropped, more=without) == ["I1"]
    assert broken(config, dropped, more=without, delivered={}) == [], "that is why the files are read past us"
    # not where its file still waits to be read, or a person has been asked about it
    name = made_up.order_name(2)
    with Client.open(config) as client, client.ledger.begin() as conn:
        conn.execute(t.files.update().where(t.files.c.name == name).values(state="seen"))
    assert broken(config, dropped, more=without, remaining={name}) == []
    assert "I1" in broken(config, dropped, more=without)
    with Client.open(config) as client, client.ledger.begin() as conn:
        row = conn.execute(sa.select(t.files.c.id).where(t.files.c.name == name)).scalar_one()
        conn.execute(t.files.update().where(t.files.c.id == row).values(state="quarantined"))
        cards.open_card(conn, config.client, "quarantined", f"file:{row}", (), client.clock.now(), row)
    assert broken(config, dropped, more=without, remaining={name}) == []


# --- when it cannot be done -------------------------------------------------------------------------------------------


def test_a_folder_that_is_missing_is_unreachable_and_nothing_is_made(config: ClientConfig, tmp_path: Path) -> None:
    report = selftest(config, load_registry(), "site", Options(folder="nowhere"), clock=SystemClock())
    assert report.exit_code == 3
    assert report.findings[0].code == FolderMissing.code
    assert [one.name for one in (tmp_path / "site").iterdir()] == ["orders"]


def test_stopped_while_it_cleans_up_it_says_what_is_left(
    config: ClientConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "remove", stopped)
    monkeypatch.setattr("pipeline.engine.selftest.profile._SECOND_LOOK", 0)
    report = selftest(config, load_registry(), "site", Options(), clock=SystemClock())
    assert report.interrupted
    assert report.left_over == [report.folder]
    assert (tmp_path / "site" / report.folder).is_dir()
    assert report.exit_code == 1


def test_what_a_killed_selftest_left_on_this_machine_goes_after_a_day(
    config: ClientConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, age in (("mistok-selftest-old", 2), ("mistok-selftest-new", 0), ("theirs", 9)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ledger.sqlite3").write_bytes(b"x")
        at = time.time() - age * 86_400
        os.utime(tmp_path / name, (at, at))
    selftest(config, load_registry(), "site", Options(folder="nowhere"), clock=SystemClock())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["config.yaml", "mistok-selftest-new", "site", "theirs"]
