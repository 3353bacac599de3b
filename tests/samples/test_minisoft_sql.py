"""samples/minisoft-sql as it stands: order files of a site become rows, read back by plain SQL. And the same tables as
the target of a CRM's orders."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import RunReport, run_job
from pipeline.resources import samples
from tests.e2e.command import Said, here
from tests.faults import forks
from tests.servers import firebird
from tests.signals import SIGKILL
from tests.systems.keycrm.account import Account, account

SAMPLE = samples() / "minisoft-sql"
ORDER = (SAMPLE / "site" / "orders" / "order-1001.xml").read_text(encoding="utf-8")


@dataclass
class World:
    """The sample in a folder of its own."""

    folder: Path

    def run(self, *words: object, code: int = 0) -> Said:
        said = here("-c", self.folder / "config.yaml", "--language", "en", *words)
        assert said.code == code, said.all
        return said

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.sqlite3")) as connection:
            return connection.execute(query).fetchall()

    def drop(self, name: str, text: str) -> None:
        (self.folder / "site" / "orders" / name).write_text(text, encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "minisoft"
    shutil.copytree(SAMPLE, folder)
    with closing(sqlite3.connect(folder / "shop.sqlite3")) as connection:
        connection.executescript((folder / "schema.sql").read_text(encoding="utf-8"))
    return World(folder)


def test_an_order_file_becomes_rows_that_the_program_sees(world: World) -> None:
    assert "answers" in world.run("check", "--connect").all
    world.run("run", "orders", "--dry-run")
    assert world.rows("select count(*) from ORDERS") == [(0,)]
    assert world.run("run", "orders", "--json").json()["counts"]["created"] == 1
    assert world.rows(
        "select NUM, ORDER_DATE, STATE, OBJECT_ID, EXECUTOR, DELIVERY_TO, DELIVERY_SUM, TOTAL, FULL_NAME, PHONE"
        " from ORDERS join CLIENTS on CLIENTS.ID = CLIENT_ID"
    ) == [
        (
            "00001001", "2026-11-20 14:05:00.000000", 1, 7, "Сайт", "Житомир, nova-poshta, № 12", 70, 969.8,
            "Шевченко Олена", "+380671234510",
        )
    ]  # fmt: skip
    assert world.rows("select POS, GOOD_ID, QTY, PRICE, DISCOUNT, SUMMA from ORDER_LINES order by POS") == [
        (1, 101, 2, 389.5, 16.94, 762.06),
        (2, 102, 3, 48.6, 8.06, 137.74),
    ]
    assert not list((world.folder / "site" / "orders").iterdir()), "taken, with a copy in the archive"
    world.drop("again.xml", ORDER)
    assert "created" not in world.run("run", "orders", "--json").json()["counts"]
    assert world.rows("select count(*) from ORDERS") == [(1,)]


def test_a_changed_a_cancelled_and_an_order_of_an_unknown_article(world: World) -> None:
    world.run("run", "orders")
    more = ORDER.replace("<quantity>2<", "<quantity>3<").replace("969.80", "1359.30")
    world.drop("changed.xml", more)
    world.drop("unknown.xml", ORDER.replace("1001<", "1002<").replace("TAPE-19", "TAPE-20"))
    counts = world.run("run", "orders", "--json", code=1).json()["counts"]
    assert (counts["amended"], counts["held"]) == (1, 1)
    assert world.rows("select TOTAL from ORDERS") == [(1359.3,)]
    assert world.rows("select round(sum(SUMMA), 2) from ORDER_LINES") == [(1289.3,)]
    said = world.run("cards").all
    assert "TAPE-20" in said
    world.run("resolve", "1", "--map", "sku:TAPE-20=TAPE-19")
    world.run("run", "orders")
    assert world.rows("select NUM from ORDERS order by ID") == [("00001001",), ("00001002",)]
    world.drop("cancelled.xml", more.replace("<created>", "<status>cancelled</status><created>"))
    assert world.run("run", "orders", "--json").json()["counts"]["cancelled"] == 1
    assert world.rows("select STATE, TOTAL from ORDERS where NUM = '00001001'") == [(9, 1359.3)]
    assert world.rows("select count(*) from ORDER_LINES") == [(4,)]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("point", ["inbound:before-create", "inbound:created"])
def test_f03_a_run_that_is_killed_around_the_create_goes_on_and_makes_one_row(world: World, point: str) -> None:
    ended = forks.run("tests.faults.run_and_die", world.folder / "config.yaml", "orders", point, 1)
    assert ended.returncode == -SIGKILL, ended.stderr
    assert world.rows("select count(*) from ORDERS") == [(0 if point == "inbound:before-create" else 1,)]
    assert list((world.folder / "site" / "orders").iterdir()), "the site's file is still there"
    world.run("run", "orders")
    assert world.rows("select NUM, TOTAL from ORDERS") == [("00001001", 969.8)]
    assert world.rows("select count(*) from ORDER_LINES") == [(2,)]
    assert not list((world.folder / "site" / "orders").iterdir())


def test_the_same_on_a_firebird_as_such_programs_have_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    server = firebird.start()
    try:
        url = server.create()
        path = f"{server.host}/{server.port}:/{url.partition('://')[2].partition('/')[2]}"
        for script in ("schema.sql", "firebird.sql"):
            command = ["isql-fb", "-q", "-b", "-ch", "UTF8", "-u", server.user, "-p", server.password, path]
            done = subprocess.run([*command, "-i", str(world.folder / script)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr + done.stdout
        monkeypatch.setenv("SHOP_URL", url)
        assert "answers" in world.run("check", "--connect").all
        assert world.run("run", "orders", "--json").json()["counts"]["created"] == 1
        with closing(server.connect(url)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(
                "select o.NUM, o.TOTAL, c.FULL_NAME, sum(l.SUMMA) from ORDERS o join CLIENTS c"
                " on c.ID = o.CLIENT_ID join ORDER_LINES l on l.ORDER_ID = o.ID group by 1, 2, 3"
            )
            found = cursor.fetchall()
            assert found == [("00001001", Decimal("969.80"), "Шевченко Олена", Decimal("899.80"))]
            connection.rollback()
    finally:
        server.remove()


# --- a CRM's orders into the same tables -------------------------------------------------------------------------

CRM = """\
  crm: {{type: keycrm, key: key, url: {url}/v1, warehouses: {{main: 1}}}}
jobs:
  crm:
    steps:
      - step: sync-orders
        from: crm
        to: shop
        since: 2026-01-01
        rules: {{Новий: nothing, Погоджено: order, Скасовано: cancel}}
        unknown_status: nothing
"""


class Moving(SystemClock):
    """The account's own clock."""

    def __init__(self, one: Account) -> None:
        self.one = one

    def now(self) -> datetime:
        return self.one.clock.now()

    def sleep(self, seconds: float) -> None:
        self.one.clock.move(seconds)


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        opened.clock.at = datetime(2026, 1, 29, 18, 0, tzinfo=UTC)
        opened.fake.add_product("Ґрунт", "0042", price=389, stock={1: 50})
        yield opened


def test_orders_of_keycrm_live_in_the_tables(world: World, one: Account) -> None:
    text = (world.folder / "config.yaml").read_text(encoding="utf-8")
    head = text.partition("\nledger:")[0]
    ledger = '\nledger: {url: "sqlite:///ledger.sqlite3"}\nlog: {file: null}\nlanguage: en\n'
    head = head.replace("language: uk\n", "")
    path = world.folder / "config.yaml"
    path.write_text(head + "\n" + CRM.format(url=one.url) + ledger, encoding="utf-8")

    def run() -> RunReport:
        one.clock.move(timedelta(minutes=5).total_seconds())
        return run_job(load_config(path), "crm", clock=Moving(one))

    number = one.fake.add_order(
        [{"sku": "0042", "price": Decimal("399.5"), "quantity": 2, "discount_amount": 9}],
        status_id=3, discount_amount=Decimal("20.07"), shipping_price=70, ordered_at="2026-01-29 10:00:00",
        buyer={"full_name": "Шевченко Олена Петрівна", "phone": "+380501112233", "email": "o@example.com"},
        shipping={"shipping_address_city": "Київ", "shipping_receive_point": "Відділення 12"},
    )  # fmt: skip
    one.clock.move(60)
    one.fake.set_status(number, 2)
    assert run().counts["created"] == 1
    ((total, key, name),) = world.rows(
        "select TOTAL, ORDERS.MISTOK_KEY, FULL_NAME from ORDERS join CLIENTS on CLIENTS.ID = CLIENT_ID"
    )
    assert Decimal(str(total)) == Decimal(str(one.fake.order(number)["grand_total"]))
    assert key == f"minisoft-sql/crm/{number}/create/0"
    assert name == "Шевченко Олена Петрівна"
    assert world.rows("select round(sum(SUMMA) + 70, 2) from ORDER_LINES") == [(total,)]
    one.clock.move(60)
    one.fake.set_status(number, 19)
    assert run().counts["cancelled"] == 1
    assert world.rows("select STATE from ORDERS") == [(9,)]
    assert run().counts.get("cancelled", 0) == 0
