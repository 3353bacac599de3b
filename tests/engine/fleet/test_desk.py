"""A worker is a service at work on its clients: their ledgers, pages and people hear of it and are heard."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.config.load import load_config
from pipeline.engine import asking, health
from pipeline.engine.fleet import desk as desk_module
from pipeline.engine.fleet.desk import Desk, Seen, forget_asked
from pipeline.engine.fleet.queue import Ask, ask_now
from pipeline.engine.health import Life
from pipeline.engine.runtime import Client
from pipeline.engine.shown.troubles import service_words
from pipeline.ledger.store import Ledger, owner_name
from tests.engine.fleet import clients

SAID = {
    "state": "serving",
    "host": "pc7",
    "pid": 77,
    "version": "1",
    "since": "2026-11-29T00:00:00+00:00",
    "workers": 4,
    "running": [{"client": "acme", "job": "orders", "step": 0}],
}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_its_signs_of_life_and_what_people_ask_for(
    tmp_path: Path, queue_url: str, kind: str, request: pytest.FixtureRequest
) -> None:
    ledger = "sqlite:///ledger.sqlite3" if kind == "sqlite" else request.getfixturevalue("postgres_ledger")
    configs = [load_config(clients.write(tmp_path, name, ledger)) for name in ("acme", "bravo")]
    assert ask_now(queue_url, Ask("bravo", "orders", "plan"))
    with Client.open(configs[0]) as client:
        asking.run_now(client.ledger, "orders", by="olena")
    desk = Desk(owner_name(), queue_url)
    try:
        seen = desk.visit(configs, SAID)
        assert seen.asked == (Ask("acme", "orders", "person", by="olena"),)
        assert seen.serving == frozenset()
        forget_asked(configs[0], seen.asked[0])
        with Client.open(configs[1]) as other:
            lease = other.ledger.acquire("serve", timedelta(minutes=1))
            assert lease is not None
            seen = desk.visit(configs, SAID, last=True)
            assert seen.asked == ()
            assert seen.serving == {"bravo"}
            other.ledger.release(lease)
        assert desk.visit(configs, {**SAID, "state": "serving"}, last=True).serving == frozenset()
    finally:
        desk.close()
    for config, waiting in zip(configs, (0, 1), strict=True):
        with Client.open(config) as client:
            found = health.examine(config, client.ledger)
        (service,) = found.services
        assert service.life is Life.ALIVE
        assert (service.host, service.pid) == ("pc7", 77)
        assert not found.down
        words = service_words(service, config.zone).render("en")
        assert ("1 waiting, 0 under way" in words) == bool(waiting)
        assert (found.queue or {}).get("waiting", 0) == waiting


def test_a_ledger_that_is_away_holds_up_no_other(tmp_path: Path, queue_url: str) -> None:
    gone = load_config(clients.write(tmp_path, "gone", "postgresql+psycopg://nobody@127.0.0.1:9/none"))
    here = load_config(clients.write(tmp_path, "here"))
    desk = Desk(owner_name(), queue_url)
    try:
        assert desk.visit([gone, here], SAID).asked == ()
    finally:
        desk.close()
    with Client.open(here) as client:
        (service,) = health.examine(here, client.ledger).services
    assert service.last is not None
    assert service.last > datetime.now(UTC) - timedelta(minutes=5)


def test_whatever_goes_wrong_in_one_ledger_is_told_and_the_others_are_seen_to(
    tmp_path: Path, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = load_config(clients.write(tmp_path, "odd"))
    here = load_config(clients.write(tmp_path, "here"))
    real = desk_module._look

    def look(ledger: Ledger, *words: Any) -> Seen:
        if ledger.client == "odd":
            raise RuntimeError("what nobody thought of")
        return real(ledger, *words)

    monkeypatch.setattr(desk_module, "_look", look)
    desk = Desk(owner_name(), queue_url)
    try:
        with capture_logs() as said:
            desk.visit([odd, here], SAID)
            monkeypatch.setattr(desk_module, "_look", real)
            desk._away.clear()
            desk.visit([odd], SAID, last=True)
    finally:
        desk.close()
    assert [line["clients"] for line in said if line["event"] == "ledger_failed"] == [["odd"]]
    for config in (odd, here):
        with Client.open(config) as client:
            assert [one.life for one in health.examine(config, client.ledger).services] == [Life.ALIVE]


def test_a_ledger_that_hangs_is_waited_for_no_longer_than_a_moment(
    tmp_path: Path, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = load_config(clients.write(tmp_path, "hangs"))
    here = load_config(clients.write(tmp_path, "here"))
    real, go_on, asked = desk_module._look, threading.Event(), list[str]()

    def look(ledger: Ledger, *words: Any) -> Seen:
        asked.append(ledger.client)
        if ledger.client == "hangs":
            go_on.wait(250)
        return real(ledger, *words)

    monkeypatch.setattr(desk_module, "_look", look)
    monkeypatch.setattr(desk_module, "LAST", 1.0)
    desk = Desk(owner_name(), queue_url)
    try:
        desk.visit([hangs], SAID, last=True)
        monkeypatch.setattr(desk_module, "LAST", 200.0)
        desk.visit([hangs, here], SAID, last=True)
        assert asked == ["hangs", "here"], "what is looked into still is not looked into again"
    finally:
        go_on.set()
        desk.close()


def test_a_queue_that_is_away_leaves_the_signs_of_life(tmp_path: Path) -> None:
    here = load_config(clients.write(tmp_path, "here"))
    desk = Desk(owner_name(), "postgresql://nobody@127.0.0.1:9/none")
    try:
        desk.visit([here], SAID)
    finally:
        desk.close()
    with Client.open(here) as client:
        found = health.examine(here, client.ledger)
    assert [service.life for service in found.services] == [Life.ALIVE]
    assert found.queue is None
