"""Quincefin, by its API and by import files, through the faults of order documents that every target goes through."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.orders_contract import OrdersContract, Target
from plugins.systems.quincefin.fake import HEADER, KEY, Quirks
from tests.systems.killed import kill, kill_waiting
from tests.systems.quincefin.account import CODES, Account, account
from tests.systems.quincefin.test_contract import ACCOUNTS, total
from tests.systems.quincefin.test_files import CODES as ARTICLES
from tests.systems.quincefin.test_files import GOODS, Troubled, World
from tests.systems.quincefin.test_following import EVERY, ON, on_hand

CHOSEN = ("likeliest", "other forms", "other writes")


def target_of(one: Account) -> Target:
    fake = one.fake

    def adds(asked: Any) -> bool:
        return str(asked.path).endswith("order/add")

    def refuse(words: str) -> Callable[[], None]:
        fake.fail(400, {"success": False, "error": words}, times=99, when=adds)
        return fake.forget

    given = {"untried_writes": True, "url": one.url, "token": KEY, "header": HEADER, "pace": 50, **one.settings}
    return Target(
        open=one.open,
        codes=CODES,
        count=lambda: len(fake.orders()),
        total=lambda key: total(one, key),
        on_hand=lambda code: on_hand(one, code),
        refuse=refuse,
        lose_answer=lambda: fake.lose_reply(when=adds),
        close_period=lambda at: fake.close(f"{at + timedelta(days=1):%Y-%m-%d}"),
        kill=lambda: kill_waiting(fake, lambda: bool(fake.orders()), "quincefin", given, CODES, adds),
        lacks={"reserved": "whether Quincefin reserves is not known"},
    )


class TestOrders(OrdersContract):
    @pytest.fixture(params=[ACCOUNTS[name] for name in CHOSEN], ids=CHOSEN)
    def target(self, request: pytest.FixtureRequest) -> Iterator[Target]:
        quirks, settings = request.param
        with account(Quirks(**{**EVERY, **quirks})) as one:
            orders = {**one.settings["orders"], "delivery_service": one.ids["delivery"], **settings.get("orders", {})}
            one.settings |= {**ON, **settings, "orders": orders}
            yield target_of(one)


class TestFiles(OrdersContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        (tmp_path / "out").mkdir()
        (tmp_path / "goods.csv").write_text(GOODS, "utf-8-sig")
        world = World(tmp_path)

        def lose_answer() -> None:
            world.transport = lambda inner: Troubled(inner, ["after", "blind"])

        def stored(key: str) -> Decimal:
            with sqlite3.connect(world.base / "quincefin-file.sqlite3") as journal:
                source, own = journal.execute("select source, order_id from orders where id = ?", (key,)).fetchone()
            rows = [row for row in world.rows() if row["Номер замовлення"] == f"{source}/{own}"]
            return sum((Decimal(row["Сума"]) for row in rows), Decimal(0))

        given = {"to": "site", "folder": "import", "delivery": "ПОСЛ", "goods": {"path": "goods.csv"}}
        return Target(
            open=world.open,
            codes=ARTICLES,
            count=lambda: len(world.orders()),
            total=stored,
            lose_answer=lose_answer,
            kill=lambda: kill("quincefin-file", given, ARTICLES, base=tmp_path, called="files"),
            lacks={
                "reserved": "a file reserves nothing",
                "refuse": "nobody reads the file while it is written; what an import refuses it tells the person there",
                "close_period": "the import there looks at it, long after the file was written",
            },
        )
