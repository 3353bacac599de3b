"""Killed, cut off, refused, busy, cancelled, changed: an order stays one row, whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from pipeline.api import (
    Cancellation,
    ConfigError,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    MistokError,
    Order,
    OrderLine,
    Ref,
    Refused,
    ShipDocuments,
    Transient,
)
from pipeline.testing.documents_contract import amendment_of, drafts_of, larger, order
from pipeline.testing.following_subject import part, shipment
from tests.faults import forks
from tests.servers.firebird import Firebird
from tests.servers.mariadb import MariaDb
from tests.signals import SIGKILL
from tests.systems.sql.world import CODES, FOLLOWING, World

pytestmark = pytest.mark.xdist_group("sql-servers")
FULL = bool(os.environ.get("MISTOK_FULL"))
KINDS = {"sqlite": "lite", "postgresql": "pg", "mariadb": "maria", "firebird": "fire"}
WORDS = "Період закрито: документ № 7"


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """The database that the test names."""
    found: World = request.getfixturevalue(KINDS[request.param])
    return found


def on(*kinds: str, full: tuple[str, ...] = ("sqlite", "postgresql", "mariadb", "firebird")) -> pytest.MarkDecorator:
    """On these databases, and with MISTOK_FULL on all of ``full``."""
    return pytest.mark.parametrize("world", full if FULL else kinds, indirect=True)


def make(world: World, *orders: Order, **settings: Any) -> list[DocumentOutcome]:
    system = world.open(**settings)
    return list(system.create(drafts_of(system, orders)))


def made(outcome: DocumentOutcome) -> DocumentRef:
    assert outcome.error is None, outcome.error
    assert outcome.ref is not None
    return outcome.ref


def error(outcome: DocumentOutcome, kind: type[MistokError]) -> str:
    assert isinstance(outcome.error, kind), outcome
    assert outcome.ref is None
    return f"{outcome.error} {outcome.error.hint or ''}"


def rows(world: World) -> tuple[int, int]:
    """How many orders and lines there are."""
    return world.count("ORDERS"), world.count("ORDER_LINES")


def child(world: World, moment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.systems.sql.child", world.kind, world.url, str(world.base), moment]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])


# --- killed and cut off ------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("moment", ["before", "after"])
@on("firebird", full=("sqlite", "postgresql", "mariadb", "firebird"))
def test_f03_killed_at_the_commit_an_order_is_whole_or_not_there_and_then_made_once(world: World, moment: str) -> None:
    killed = forks.run("tests.systems.sql.child", world.kind, world.url, world.base, moment)
    assert killed.returncode == -SIGKILL, killed.stderr
    first = replace(order(1, CODES))
    (outcome,) = make(world, first)  # waits for the dead process's transaction, where the server has not noticed yet
    assert outcome.existed is (moment == "after")
    assert world.total(made(outcome).id) == Decimal("969.80")
    assert rows(world) == (1, 3)


@pytest.mark.full  # the suites try two sessions at once
@on("mariadb")
def test_f26_two_processes_at_once_make_one_row_each(world: World) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(child, world, "never") for _ in range(2)]]
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert sum(int(one.stdout) for one in done) == 20
    assert rows(world) == (20, 60)


@pytest.fixture
def ends(request: pytest.FixtureRequest, world: World) -> Iterator[Callable[[Connection], None]]:
    """Ends the connection's server by SIGKILL, or its session where one server is every test's."""
    killed: list[Any] = []

    def end(connection: Connection) -> None:
        if world.kind == "postgresql":
            number = connection.exec_driver_sql("select pg_backend_pid()").scalar()
            world.rows("select pg_terminate_backend(:number)", number=number)
            return
        name = {"mariadb": "mariadb_server", "firebird": "firebird_server"}[world.kind]
        server: MariaDb | Firebird = request.getfixturevalue(name)
        server.kill()
        killed.append(server)

    yield end
    assert not [server for server in killed if server.process is None]


@on("postgresql", full=("postgresql", "mariadb", "firebird"))
def test_f07_a_server_that_dies_as_it_is_told_to_keep_an_order_leaves_a_doubt_that_a_look_ends(
    request: pytest.FixtureRequest, world: World, ends: Callable[[Connection], None]
) -> None:
    system = world.open()
    drafts = drafts_of(system, [order(1, CODES), order(2, CODES)])
    system.book()
    died: list[bool] = []

    def commit(connection: Connection) -> None:
        if not died:
            died.append(True)
            ends(connection)

    event.listen(system.database._engine(), "commit", commit)
    first, second = system.create(drafts)
    error(first, InDoubt)
    if world.kind == "postgresql":
        made(second)  # its session alone was ended
    else:
        error(second, Transient)
        request.getfixturevalue(f"{world.kind}_server").start()
        world.close()
    system = world.open()
    assert drafts[0].key not in system.find([drafts[0].key]), "nothing of it was kept"
    outcomes = system.create(drafts)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert rows(world) == (2, 6)


@on("sqlite", "mariadb", "firebird")
def test_f07_an_answer_that_is_lost_is_looked_up_by_the_key(world: World) -> None:
    system = world.open()
    drafts = drafts_of(system, [order(1, CODES)])
    system.book()
    world.lose_answer()
    (doubt,) = system.create(drafts)
    error(doubt, InDoubt)
    found = world.open().find([drafts[0].key])
    assert found[drafts[0].key].total == Decimal("969.80")
    assert make(world, order(1, CODES))[0].existed
    assert rows(world) == (1, 3)


NOBODY = {
    "postgresql": "postgresql://u:p@127.0.0.1:1/x",
    "mariadb": "mariadb://u:p@127.0.0.1:1/x",
    "firebird": "firebird://u:p@127.0.0.1:1//x.fdb",
}


@pytest.mark.parametrize("kind", NOBODY)
def test_f08_a_server_that_does_not_answer_is_told_and_tried_later(lite: World, kind: str) -> None:
    drafts = drafts_of(lite.open(), [order(1, CODES)])
    with pytest.raises(Transient, match="did not answer"):
        lite.open(url=NOBODY[kind]).create(drafts)


def test_a_file_that_is_not_there_is_a_mistake_of_the_config_and_is_not_made(lite: World) -> None:
    with pytest.raises(ConfigError) as caught:
        lite.open(url="sqlite:///none.sqlite3").check()
    assert "`url`" in str(caught.value.hint)
    assert not (lite.base / "none.sqlite3").exists()


@on("mariadb", full=("postgresql", "mariadb", "firebird"))
def test_f54_a_login_that_is_refused_is_told_without_the_password(world: World) -> None:
    if world.kind == "postgresql":  # the test server trusts every login of its socket
        system = world.open(url=world.url.replace("//postgres", "//nobody_here", 1))
    else:
        system = world.open(password="wrong-secret")
    with pytest.raises(Refused) as caught:
        system.check()
    assert "refuses the login" in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


# --- busy and refused --------------------------------------------------------------------------------------------


@on("sqlite", "postgresql")
def test_f23_rows_that_another_program_holds_are_waited_for_and_tried_later(world: World) -> None:
    ref = made(make(world, order(1, CODES))[0])
    system = world.open(timeout="1s")
    change = amendment_of(system, larger(CODES), ref, "2")
    with world.plain() as connection:
        connection.exec_driver_sql("update ORDERS set NOTE = 'x'")
        (busy,) = system.amend([change])
    assert isinstance(busy.error, Transient), busy
    assert "Another program" in str(busy.error)
    assert system.amend([change])[0].error is None


@on("sqlite", "postgresql", "mariadb", "firebird")
def test_f09_a_closed_period_is_told_in_the_databases_own_words_and_siblings_go_on(world: World) -> None:
    world.refuse_in("ORDERS", "insert", WORDS, "new.ORDER_DATE < '2026-11-01'")
    old = replace(order(1, CODES), created_at=datetime(2026, 10, 31, 10, 0, tzinfo=UTC))
    outcomes = make(world, old, order(2, CODES))
    assert WORDS in error(outcomes[0], Held)
    made(outcomes[1])
    assert rows(world) == (1, 3)
    assert world.count("BUYERS") == 1, "nothing of the order that was refused is left, its buyer neither"
    world.allow()
    made(make(world, old)[0])


@on("sqlite", "firebird")
def test_f20_of_many_orders_the_one_with_a_line_that_is_refused_stays_out_whole(world: World) -> None:
    world.refuse_in("ORDER_LINES", "insert", WORDS, "new.QTY > 100")
    orders = [order(n, CODES) for n in range(1, 4)]
    many = OrderLine(code=CODES[2], name="Подарунок", quantity=Decimal(101), price=Decimal(0))
    orders[1] = replace(orders[1], lines=(*orders[1].lines[:2], many))
    outcomes = make(world, *orders)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert WORDS in error(outcomes[1], Held)
    assert rows(world) == (2, 6)


def test_f41_a_total_that_a_trigger_changes_is_not_kept(lite: World) -> None:
    lite.run("create trigger DEAR after insert on ORDERS begin update ORDERS set TOTAL = TOTAL + 1; end")
    told = error(make(lite, order(1, CODES))[0], Held)
    assert "969.80" in told
    assert "970.80" in told
    assert rows(lite) == (0, 0)


def test_f41_sums_that_no_column_keeps_are_held_and_a_rounding_has_its_place(lite: World) -> None:
    orders = {**lite_orders()}
    del orders["columns"]["DELIVERY"]
    assert "`order.delivery`" in error(make(lite, order(1, CODES), orders=orders)[0], Held)
    assert rows(lite) == (0, 0)
    lines = lite_lines()
    for name in ("DISCOUNT", "SUMMA"):
        del lines["columns"][name]
    lite.run("alter table ORDER_LINES rename column SUMMA to OTHER")
    assert "`line.discount`" in error(make(lite, order(1, CODES), lines=lines)[0], Held)


def lite_orders() -> dict[str, Any]:
    from tests.systems.sql.world import SETTINGS

    return {**SETTINGS["orders"], "columns": dict(SETTINGS["orders"]["columns"])}


def lite_lines() -> dict[str, Any]:
    from tests.systems.sql.world import SETTINGS

    return {**SETTINGS["lines"], "columns": dict(SETTINGS["lines"]["columns"])}


# --- changed and cancelled ---------------------------------------------------------------------------------------


@on("sqlite", "firebird")
def test_f19_a_changed_order_is_the_same_row_with_its_lines_written_anew(world: World) -> None:
    (first, other) = make(world, order(1, CODES), order(2, CODES))
    ref = made(first)
    system = world.open()
    before = world.rows("select ID from ORDER_LINES where ORDER_ID = :id", id=int(made(other).id))
    newer = replace(larger(CODES), lines=larger(CODES).lines[:2], comment="Подзвоніть")
    (outcome,) = system.amend([amendment_of(system, newer, ref, "2")])
    assert made(outcome).id == ref.id
    lines = world.rows("select POS, QTY from ORDER_LINES where ORDER_ID = :id order by POS", id=int(ref.id))
    assert [(int(pos), Decimal(str(qty))) for pos, qty in lines] == [(1, Decimal(3)), (2, Decimal(3))]
    assert world.rows("select ID from ORDER_LINES where ORDER_ID = :id", id=int(made(other).id)) == before
    assert system.amend([amendment_of(system, newer, ref, "2")])[0].existed
    assert rows(world) == (2, 5)


@on("sqlite", "mariadb")
def test_f43_cancelled_twice_and_before_and_after_a_change_nothing_is_deleted(world: World) -> None:
    ref = made(make(world, order(1, CODES))[0])
    system = world.open()
    marks = [Cancellation(key=f"demo/shop/1/cancel/{n}", ref=ref, status="cancelled") for n in (1, 1, 2)]
    assert [outcome.existed for outcome in system.cancel(marks)] == [False, True, True]
    assert rows(world) == (1, 3)
    assert world.status(ref.id) == "cancelled"
    gone = Cancellation(key="demo/shop/9/cancel/1", ref=DocumentRef("987654", "9"), status="cancelled")
    error(system.cancel([gone])[0], Held)
    made(system.amend([amendment_of(system, larger(CODES), ref, "3")])[0])
    assert world.status(ref.id) == "new"


def test_a_mark_of_its_own_is_taken_back_when_the_order_lives_again(lite: World) -> None:
    cancel = {"set": {"POSTED": {"const": 9}, "STATE": "order.status"}, "undo": {"POSTED": {"const": 0}}}
    ref = made(make(lite, order(1, CODES))[0])
    system = lite.open(cancel=cancel)
    system.cancel([Cancellation(key="demo/shop/1/cancel/1", ref=ref, status="refunded")])
    assert lite.rows("select POSTED, STATE from ORDERS") == [(9, "refunded")]
    system.amend([amendment_of(system, order(1, CODES), ref, "2")])
    assert lite.rows("select POSTED, STATE from ORDERS") == [(0, "new")]


def test_what_is_still_with_the_buyer_bounds_every_change_of_the_order(lite: World) -> None:
    lite.usual = FOLLOWING
    system = lite.open()
    assert isinstance(system, ShipDocuments)
    drafts = drafts_of(system, [order(1, CODES)])
    ref = made(system.create(drafts)[0])
    made(system.ship([shipment(ref, part(drafts[0], 2, 0, 0))])[0])
    fewer = replace(drafts[0].order.lines[0], quantity=Decimal(1))
    smaller = replace(drafts[0].order, lines=(fewer, *drafts[0].order.lines[1:]), total=Decimal("580.30"))
    assert "more has left" in error(system.amend([amendment_of(system, smaller, ref, "2")])[0], Held)
    made(system.amend([amendment_of(system, larger(CODES), ref, "3")])[0])


@on("mariadb", "firebird", full=("postgresql", "mariadb", "firebird"))
def test_two_that_ship_the_same_goods_under_two_keys_do_so_one_after_the_other(world: World) -> None:
    system = world.open()
    draft = drafts_of(system, [order(1, CODES)])[0]
    ref = made(system.create([draft])[0])

    def ship(revision: str) -> DocumentOutcome:
        own = world.open()
        assert isinstance(own, ShipDocuments)
        return own.ship([shipment(ref, draft, revision)])[0]

    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result() for future in [pool.submit(ship, "1"), pool.submit(ship, "2")]]
    assert sorted(outcome.error is None for outcome in outcomes) == [False, True]
    error(next(outcome for outcome in outcomes if outcome.error), Held)
    assert world.count("SHIPS") == 1


def test_without_a_mark_a_cancelled_order_waits_for_a_person(lite: World) -> None:
    ref = made(make(lite, order(1, CODES))[0])
    system = lite.open(cancel=None)
    (outcome,) = system.cancel([Cancellation(key="demo/shop/1/cancel/1", ref=ref, status="cancelled")])
    assert "how an order is marked cancelled" in error(outcome, Held)


def test_f40_an_unknown_article_is_absent_and_one_of_another_spelling_is_found(lite: World) -> None:
    system = lite.open()
    found = system.find_products(["NONE", "grunt-10", "ПОДАРУНОК", "ABSENT", ""])
    assert {code: [ref.code for ref in refs] for code, refs in found.items()} == {
        "grunt-10": ["GRUNT-10"],
        "ПОДАРУНОК": ["ПОДАРУНОК"],
    }
    lite.run("insert into GOODS (ART, TITLE) values ('grunt-10', 'Twin')")
    assert [ref.code for ref in lite.open().find_products(["GRUNT 10"]).get("GRUNT 10", [])] == []
    assert len(lite.open().find_products(["Grunt-10"])["Grunt-10"]) == 2, "several: a person is asked"


def test_f42_a_gift_and_one_article_at_two_prices_are_lines_of_their_own(lite: World) -> None:
    line = OrderLine(code=CODES[0], name="Ґрунт", quantity=Decimal(1), price=Decimal("10.00"))
    both = replace(
        order(1, CODES), lines=(line, replace(line, price=Decimal("9.00")), replace(line, price=Decimal(0))),
        discounts=(), total=Decimal("89.00"),
    )  # fmt: skip
    made(make(lite, both)[0])
    assert [row[0] for row in lite.rows("select PRICE from ORDER_LINES order by POS")] == [10, 9, 0]


def test_a_dry_run_writes_nothing(lite: World) -> None:
    lite.dry_run = True
    (outcome,) = make(lite, order(1, CODES))
    assert "dry run" in error(outcome, Refused)
    assert rows(lite) == (0, 0)


def test_references_are_those_of_a_table_and_others_as_they_are(lite: World) -> None:
    system = lite.open()
    assert system.find_references("status", ["done", "nothing"]) == {"done": Ref("done", "done", "Виконано")}
    assert system.find_references("warehouse", ["Склад 3", ""]) == {"Склад 3": Ref("Склад 3", "Склад 3", "Склад 3")}
    assert [ref.code for ref in system.references("status")] == ["done", "new", "packed"]
    with pytest.raises(Held, match="not in the table"):
        system.ensure("status", "brand-new")


def test_a_batch_reads_the_buyers_once_and_sees_who_came_meanwhile(lite: World) -> None:
    system = lite.open()
    drafts = drafts_of(system, [order(n, CODES) for n in range(1, 4)])
    system.book()
    asked: list[str] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if 'FROM "BUYERS"' in statement and "WHERE" not in statement:
            asked.append(statement)
            if len(asked) == 1:  # somebody adds the second order's buyer by hand, after all were read
                phone = drafts[1].order.customer.phone
                _connection.exec_driver_sql(f"insert into BUYERS (FULL_NAME, PHONE) values ('By hand', '{phone}')")

    event.listen(system.database._engine(), "after_cursor_execute", executed)
    outcomes = system.create([*drafts, drafts[0]])
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert len(asked) == 2, "once, and once more when somebody had come"
    names = [name for (name,) in lite.rows("select FULL_NAME from BUYERS order by ID")]
    assert sorted(names) == sorted(["By hand", *["Шевченко Олена"] * 2])


def test_a_buyer_of_an_order_that_was_refused_is_not_taken_for_one_that_is_there(lite: World) -> None:
    lite.refuse_in("ORDER_LINES", "insert", WORDS, "new.QTY > 100")
    first, second = order(1, CODES), order(2, CODES)
    many = OrderLine(code=CODES[2], name="Подарунок", quantity=Decimal(101), price=Decimal(0))
    refused = replace(first, lines=(*first.lines[:2], many))
    outcomes = make(lite, refused, replace(second, customer=first.customer))
    error(outcomes[0], Held)
    made(outcomes[1])
    assert lite.rows("select BUYER_ID from ORDERS") == lite.rows("select ID from BUYERS")
