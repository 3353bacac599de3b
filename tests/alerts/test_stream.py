"""The stream to people's PCs: a real server, the program of the PC, and a screen that remembers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.agent.follow import Agent
from pipeline.agent.state import State
from pipeline.alerts import notices
from pipeline.config.load import load_config
from pipeline.config.model import WebConfig
from pipeline.engine.runtime import Client
from pipeline.errors import Refused
from pipeline.ledger import pcs
from pipeline.ledger import tables as t
from pipeline.ledger.invitations import invited, revoked
from pipeline.model import Money
from pipeline.ports import Delivered, Notice
from pipeline.texts import Text
from pipeline.web.site import Site
from tests.servers.common import free_port
from tests.web.live import served

CONFIG = """\
client: acme
language: uk
connections: {site: {type: local, path: .}, books: {type: books}}
jobs: {orders: {every: 9h, steps: [{step: import-orders, inbox: site, into: books}]}}
log: {file: null}
"""


class Screen:
    """Shows popups to nobody, and presses what it is told to."""

    name = "screen"

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.presses: list[Callable[[str], None]] = []
        self.more = threading.Condition()
        self.why: Text | None = None

    def available(self) -> Delivered:
        return Delivered(True)

    def send(self, notice: Notice, language: str) -> Delivered:
        raise AssertionError

    def ask(
        self, notice: Notice, language: str, answers: Mapping[str, Text], answered: Callable[[str], None]
    ) -> Delivered:
        assert [words.render(language) for words in answers.values()] == ["Відкрити", "Готово"]
        with self.more:
            if self.why:
                return Delivered(False, self.why)
            self.shown.append((notice.title.render(language), notice.body.render(language)))
            self.presses.append(answered)
            self.more.notify_all()
        return Delivered(True)

    def close(self) -> None:
        pass

    def titles(self, count: int) -> list[str]:
        """All titles, once there are so many."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.shown) >= count, 60), self.shown
            return [title for title, _ in self.shown]


@dataclass
class PC:
    """A person's PC: what it remembers lies in its folder."""

    name: str
    token: str
    folder: Path
    address: str
    screen: Screen = field(default_factory=Screen)
    opened: list[str] = field(default_factory=list)
    ended: list[Refused] = field(default_factory=list)
    clock: Callable[[], float] = time.time

    @contextmanager
    def on(self) -> Iterator[Agent]:
        """The program runs while the block does."""
        state = State(self.folder, self.address)
        agent = Agent(
            self.address,
            self.token,
            state,
            self.screen,
            browse=self.opened.append,
            say=lambda _words: None,
            clock=self.clock,
        )

        def run() -> None:
            try:
                agent.run()
            except Refused as error:
                self.ended.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield agent
        finally:
            agent.stop()
            thread.join(30)
            assert not thread.is_alive()


class World:
    """A client with a page, which can be stopped and started again at its address."""

    def __init__(self, folder: Path, more: str = "") -> None:
        (folder / "config.yaml").write_text(CONFIG + more, encoding="utf-8")
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.client = Client.open(load_config(folder / "config.yaml"))
        self.stack = ExitStack()
        self.numbers = iter(range(1001, 9999))

    def serve(self) -> None:
        self.site = Site(self.client, WebConfig())
        self.stack.enter_context(served(self.site, self.port))

    def stop(self) -> None:
        self.stack.close()

    def pc(self, name: str) -> PC:
        token, _new = invited(self.client.ledger, name, by="test")
        return PC(name, token, self.folder / name, self.address)

    def orders(self, count: int = 1) -> list[str]:
        """New orders became documents: their numbers."""
        made = [str(next(self.numbers)) for _ in range(count)]
        with self.client.ledger.begin() as conn:
            for number in made:
                total = Money(Decimal("100.00"), "UAH")
                notice = notices.order(f"order:{number}", number=number, customer="Іван", total=total, items=2)
                self.client.ledger.notify(conn, notice)
        return made

    def rows(self) -> list[dict[str, Any]]:
        with self.client.ledger.read() as conn:
            ids = [row.id for row in conn.execute(t.notices.select())]
            return [row for number in sorted(ids) for row in pcs.of_notices(conn, [number]).get(number, [])]

    def until(self, true: Callable[[], Any]) -> Any:
        for _ in range(1200):
            if found := true():
                return found
            time.sleep(0.05)
        raise AssertionError(self.rows())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.serve()
    yield made
    made.stop()
    made.client.close()


def title(number: str) -> str:
    return f"Нове замовлення {number}"


def test_two_pcs_get_each_order_once_over_restarts_of_both_sides(world: World) -> None:
    olena, petro = world.pc("Olena"), world.pc("petro")
    with olena.on(), petro.on():
        first = world.orders(2)
        for pc in (olena, petro):
            assert pc.screen.titles(2) == [title(one) for one in first]
        assert olena.screen.shown[0][1] == "Іван\n100,00\u00a0грн · 2 позиції"
        world.stop()  # the page dies; the orders go on
        second = world.orders()
        world.serve()
        for pc in (olena, petro):
            assert pc.screen.titles(3) == [title(one) for one in (*first, *second)]
        world.until(lambda: all(row["shown"] for row in world.rows()))
    third = world.orders()  # nobody is there
    with petro.on():
        assert petro.screen.titles(4)[3:] == [title(one) for one in third]
    with olena.on(), petro.on():  # and petro's again: it was told already
        assert olena.screen.titles(4)[3:] == [title(one) for one in third]
        fourth = world.orders()
        assert olena.screen.titles(5)[4:] == petro.screen.titles(5)[4:] == [title(one) for one in fourth]
    assert [len(pc.screen.shown) for pc in (olena, petro)] == [5, 5]


def test_what_people_do_comes_back_even_when_the_server_was_away(world: World) -> None:
    olena = world.pc("olena")
    with olena.on():
        number, _other = world.orders(2)
        olena.screen.titles(2)
        world.until(lambda: all(row["shown"] for row in world.rows()))
        world.stop()
        olena.screen.presses[0]("open")
        olena.screen.presses[1]("done")
        olena.screen.presses[1]("done")
        world.serve()
        world.until(lambda: all(row["clicked"] or row["done"] for row in world.rows()))
    opened, done = world.rows()
    assert (bool(opened["clicked"]), bool(opened["done"])) == (True, False)
    assert (bool(done["clicked"]), bool(done["done"])) == (False, True)
    assert olena.opened == [f"{world.address}/orders/{number}"]
    assert State(olena.folder, world.address).to_report() == ()


def test_an_hour_asleep_is_one_summary(world: World) -> None:
    olena = world.pc("olena")
    with olena.on():
        world.orders()
        olena.screen.titles(1)
    came = world.orders(3)
    world.site.streams.tick()
    hour = timedelta(hours=1)
    with world.client.ledger.begin() as conn:
        late = t.deliveries.c.shown.is_(None)
        conn.execute(t.deliveries.update().where(late).values(released=world.client.clock.now() - hour))
    with olena.on():
        assert olena.screen.titles(2)[1] == "3 нові замовлення"
        words = olena.screen.shown[1][1].split("\n")
        assert words == ["300,00\u00a0грн", ", ".join(came), "Надійшли, поки цей ПК не слухав."]
        world.until(lambda: all(row["shown"] for row in world.rows()))
        olena.screen.presses[1]("done")
        world.until(lambda: len([row for row in world.rows() if row["done"]]) == 3)
        world.orders()
        assert len(olena.screen.titles(3)) == 3


def test_a_pc_that_slept_asks_anew_instead_of_believing_what_it_reads(world: World) -> None:
    olena = world.pc("olena")
    asleep = 0.0
    olena.clock = lambda: time.time() + asleep
    with olena.on():
        world.orders()
        olena.screen.titles(1)
        asleep = 3600.0
        numbers = world.orders()
        assert olena.screen.titles(2)[1] == title(numbers[0])
    assert len(olena.screen.shown) == 2


@pytest.mark.parametrize("known_by", ["server", "pc"])
def test_who_was_away_for_an_hour_gets_one_summary_of_its_last_minutes(world: World, known_by: str) -> None:
    olena = world.pc("olena")
    asleep = 0.0
    olena.clock = lambda: time.time() + asleep
    ledger = world.client.ledger
    with olena.on() as agent:
        world.orders()
        olena.screen.titles(1)
        if known_by == "pc":  # it falls asleep, and its connection seems to live
            world.stop()
            asleep = 3600.0
            world.orders(2)
            world.site.streams.tick()
            world.serve()
            assert olena.screen.titles(2)[1] == "2 нові замовлення"
            return
        agent.stop()
    with ledger.begin() as conn:
        conn.execute(t.pcs.update().values(seen=world.client.clock.now() - timedelta(hours=1)))
    world.orders(2)
    world.site.streams.tick()
    with olena.on():
        assert olena.screen.titles(2)[1] == "2 нові замовлення"
        world.orders()  # and now it is here
        assert olena.screen.titles(3)[2] == title("1004")


def test_a_burst_is_one_popup(world: World) -> None:
    olena = world.pc("olena")
    with olena.on():
        world.orders(30)
        assert olena.screen.titles(1) == ["30 нових замовлень"]
        assert "1001, 1002, 1003, 1004, 1005 та ще 25" in olena.screen.shown[0][1]


def test_a_revoked_pc_is_cut_off_and_says_so(world: World) -> None:
    olena, petro = world.pc("olena"), world.pc("petro")
    with olena.on(), petro.on():
        world.orders()
        olena.screen.titles(1)
        assert revoked(world.client.ledger, "OLENA", by="test")
        world.until(lambda: olena.ended)
        assert olena.ended[0].code == "token"
        world.orders()
        petro.screen.titles(2)
    assert len(olena.screen.shown) == 1
    assert not revoked(world.client.ledger, "olena", by="test")


def test_a_token_is_good_for_the_stream_only_and_wrong_ones_are_counted(world: World) -> None:
    token = world.pc("olena").token
    with httpx.Client(base_url=world.address) as http:
        mine = {"Authorization": f"Bearer {token}"}
        assert http.get("/api/me", headers=mine).status_code == 401
        assert http.post("/alerts/reports", json={"reports": []}).status_code == 401
        wrong = {"reports": [{"first": 0, "last": 2**70, "did": "eaten"}]}
        assert http.post("/alerts/reports", json=wrong, headers=mine).status_code == 422
        assert http.post("/alerts/reports", json={"reports": []}, headers=mine).json() == {"taken": 0}
        answers = [http.get("/alerts/stream", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(30)]
        assert answers[0] == 401
        assert answers[-1] == 429
        assert http.get("/alerts/stream").headers["retry-after"]
        # a right one from that address is let in: many PCs come from one, and one of them is revoked
        report = {"reports": [{"first": 1, "last": 1, "did": "done"}]}
        assert http.post("/alerts/reports", json=report, headers=mine).json() == {"taken": 1}
        with http.stream("GET", "/alerts/stream", headers=mine) as stream:
            assert stream.status_code == 200


def test_a_number_of_a_ledger_that_is_no_more_is_not_believed(world: World) -> None:
    olena = world.pc("olena")
    State(olena.folder, world.address).begin_at(900)
    with olena.on():
        number = world.orders()
        assert olena.screen.titles(1) == [title(number[0])]


def test_the_ledger_keeps_no_token_and_tells_who_was_told(world: World) -> None:
    from tests.e2e.command import here

    olena = world.pc("olena")
    with olena.on():
        world.orders()
        olena.screen.titles(1)
        olena.screen.presses[0]("done")
        world.until(lambda: any(row["done"] for row in world.rows()))
    said = here("-c", world.folder / "config.yaml", "--language", "en", "notices", "--json")
    (row,) = json.loads(said.out)
    assert [one["pc"] for one in row["told"]] == ["olena"]
    assert row["told"][0]["text"].startswith("olena: done ")
    listed = here("-c", world.folder / "config.yaml", "alerts", "list", "--json")
    assert [one["name"] for one in json.loads(listed.out)] == ["olena"]
    assert olena.token not in (world.folder / "ledger.sqlite3").read_bytes().decode("latin-1")
    assert olena.token not in said.all + listed.all
