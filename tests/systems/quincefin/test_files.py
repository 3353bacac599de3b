"""Orders as import files: each in one file, each file whole or not there, whatever goes wrong between."""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook
from pydantic import ValidationError

from pipeline.api import (
    ConfigError,
    Delivery,
    DocumentOutcome,
    Held,
    InDoubt,
    Order,
    Party,
    Payment,
    Ref,
    SystemEnv,
    Transient,
    Transport,
)
from pipeline.testing import documents_contract
from pipeline.testing.documents_contract import DocumentsContract, drafts_of, order
from pipeline.transports.local import LocalSettings, LocalTransport
from plugins.systems.quincefin import PLUGINS, open_files
from plugins.systems.quincefin.file_settings import QuincefinFileSettings
from plugins.systems.quincefin.file_system import QuincefinFile
from tests.signals import SIGKILL
from tests.systems.quincefin.conftest import Clock

CODES = ("COF-1", "00042", "=1+1")
GOODS = "Артикул;Назва\nCOF-1;Кава\n00042;Чай\n=1+1;Подарунок\nПОСЛ;Доставка\n"
DAY = "2026-11-22"


@dataclass
class World:
    """A folder, and sessions that write into it."""

    base: Path
    settings: dict[str, Any] = field(default_factory=dict)
    transport: Callable[[Transport], Transport] = lambda one: one

    @property
    def folder(self) -> Path:
        return self.base / "out" / "import"

    def open(self, **more: Any) -> QuincefinFile:
        given = {"to": "site", "folder": "import", "delivery": "ПОСЛ", "goods": {"path": "goods.csv"}}
        settings = QuincefinFileSettings.model_validate({**given, **self.settings, **more})

        def transport(name: str) -> Transport:
            return self.transport(LocalTransport(name, LocalSettings(path=Path("out")), base=self.base))

        env = SystemEnv("files", "demo", self.base, "UAH", "Europe/Kyiv", Clock(), transport=transport)
        return open_files(settings, env)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*")) if self.folder.exists() else []

    def rows(self) -> list[dict[str, str]]:
        """All rows of all files, as texts."""
        return [row for path in self.files() for row in read(path)]

    def orders(self) -> list[str]:
        return list(dict.fromkeys(row["Номер замовлення"] for row in self.rows()))


def read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".csv":
        data = path.read_bytes()
        text = data.decode("utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "windows-1251")
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))
    book = load_workbook(path, read_only=True)
    try:
        titles, *rows = book.active.iter_rows(values_only=True)
        return [
            {str(title): "" if cell is None else str(cell) for title, cell in zip(titles, row, strict=True)}
            for row in rows
        ]
    finally:
        book.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "out").mkdir()
    (tmp_path / "goods.csv").write_text(GOODS, "utf-8-sig")
    return World(tmp_path)


def make(world: World, *orders: Order, **settings: Any) -> list[DocumentOutcome]:
    system = world.open(**settings)
    return list(system.create(drafts_of(system, orders)))


class TestFiles(DocumentsContract):
    @pytest.fixture(params=["xlsx", "csv"])
    def subject(self, world: World, request: pytest.FixtureRequest) -> documents_contract.Subject:
        world.settings["kind"] = request.param

        def total(key: str) -> Decimal:
            with sqlite3.connect(world.base / "quincefin-file.sqlite3") as journal:
                source, own = journal.execute("select source, order_id from orders where id = ?", (key,)).fetchone()
            rows = [row for row in world.rows() if row["Номер замовлення"] == f"{source}/{own}"]
            return sum((Decimal(row["Сума"]) for row in rows), Decimal(0))

        return documents_contract.Subject(
            open=world.open,
            codes=CODES,
            count=lambda: len(world.orders()),
            total=total,
            lacks={"reserved": "a file reserves nothing"},
        )


def test_both_kinds_of_plugin_are_there() -> None:
    assert [one.name for one in PLUGINS] == ["quincefin", "quincefin-file"]


def test_a_batch_is_one_file_and_every_line_a_row(world: World) -> None:
    outcomes = make(world, order(1, CODES), order(2, CODES))
    assert [outcome.ref.number for outcome in outcomes if outcome.ref] == [
        f"orders-{DAY}-000001.xlsx № 1",
        f"orders-{DAY}-000001.xlsx № 2",
    ]
    assert [path.name for path in world.files()] == [f"orders-{DAY}-000001.xlsx"]
    rows = world.rows()
    assert [row["Номер замовлення"] for row in rows] == ["shop/1"] * 4 + ["shop/2"] * 4
    assert [row["Артикул"] for row in rows[:4]] == ["COF-1", "00042", "=1+1", "ПОСЛ"]
    assert [row["Товар"] for row in rows[:4]] == ["Кава", "Чай", "Подарунок", "nova-poshta"]
    first = rows[0]
    assert (first["Партнер"], first["Телефон"], first["Дата"]) == ("Шевченко Олена", "+380670000001", DAY)
    assert first["Адреса доставки"] == "Київ, nova-poshta, № 12"
    assert sum(Decimal(row["Сума"]) for row in rows[:4]) == Decimal("969.80")


def test_numbers_are_numbers_and_texts_are_texts_in_a_workbook(world: World) -> None:
    make(world, order(1, CODES))
    (path,) = world.files()
    with ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert "<v>389.5</v>" in sheet or "<v>389.50</v>" in sheet
        assert "<f>" not in sheet, "no text becomes a formula"
    book = load_workbook(path)
    cells = {cell.value: cell.data_type for row in book.active.iter_rows() for cell in row}
    assert (cells["00042"], cells["=1+1"], cells["+380670000001"]) == ("s", "s", "s")


@pytest.mark.parametrize("discounts", ["lines", "prices"])
@pytest.mark.parametrize(("kind", "decimal"), [("csv", ","), ("csv", "."), ("xlsx", ".")])
def test_totals_agree_however_they_are_written(world: World, discounts: str, kind: str, decimal: str) -> None:
    make(world, order(1, CODES), discounts=discounts, kind=kind, decimal=decimal)
    rows = world.rows()
    sums = [Decimal(row["Сума"].replace(",", ".")) for row in rows]
    assert sum(sums) == Decimal("969.80")
    if discounts == "prices":
        assert {row["Знижка"] for row in rows} <= {"0", ""}
        assert all(
            Decimal(row["Ціна"].replace(",", ".")) * Decimal(row["Кількість"].replace(",", ".")) == total
            for row, total in zip(rows, sums, strict=True)
        )


def test_columns_are_those_that_are_declared(world: World) -> None:
    columns = [
        {"title": "№", "value": "order.mark"},
        {"title": "Фірма", "text": "ТОВ Приклад"},
        {"title": "Доставка", "value": "order.delivery"},
        {"title": "Статус", "value": "order.status"},
        {"title": "Рядок", "value": "line.number"},
        {"title": "Сума", "value": "line.sum"},
    ]
    made = replace(order(1, CODES), status="confirmed")
    more = {"columns": columns, "kind": "csv", "delivery": None, "encoding": "windows-1251"}
    make(world, made, statuses={"confirmed": "Підтверджено"}, **more)
    lines = world.files()[0].read_bytes().decode("windows-1251").splitlines()
    assert lines[:2] == ["№;Фірма;Доставка;Статус;Рядок;Сума", "shop/1;ТОВ Приклад;70.00;Підтверджено;1;762.06"]
    assert sum(Decimal(line.split(";")[-1]) for line in lines[1:]) + 70 == Decimal("969.80")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"columns": [{"title": "Сума", "value": "line.sum"}]}, "order.mark"),
        ({"columns": [{"title": "А", "value": "order.mark", "text": "б"}]}, "just one"),
        ({"columns": []}, "at least 1"),
        ({"name": "orders"}, "{number}"),
        ({"name": "../{number}"}, "cannot be the name"),
        ({"name": "{number}-{secret}"}, "{number}"),
        ({"encoding": "klingon"}, "no encoding"),
    ],
)
def test_wrong_settings_are_told(world: World, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("{", r"\{").replace("}", r"\}")):
        world.open(**settings)


@pytest.mark.parametrize(
    ("change", "settings", "code"),
    [
        ({"lines": ()}, {}, "empty-order"),
        ({"customer": Party()}, {}, "quincefin-no-buyer"),
        ({}, {"delivery": None}, "quincefin-delivery"),
        ({"payment": Payment(fee=Decimal(10)), "total": Decimal("979.80")}, {}, "quincefin-fee"),
        (
            {"customer": Party(last_name="Ґалаґан 火")},
            {"kind": "csv", "encoding": "windows-1251"},
            "quincefin-encoding",
        ),
        ({"customer": Party(last_name="x" * 40_000)}, {}, "quincefin-long"),
        ({"id": "9" * 200}, {}, "quincefin-held"),
    ],
)
def test_an_order_that_no_file_can_hold_is_held_and_its_siblings_go_out(
    world: World, change: dict[str, Any], settings: dict[str, Any], code: str
) -> None:
    good = replace(order(2, CODES), delivery=Delivery(), total=Decimal("899.80"))
    bad, fine = make(world, replace(order(1, CODES), **change), good, **settings)
    assert isinstance(bad.error, Held)
    assert bad.error.code == code
    assert fine.error is None
    assert world.orders() == ["shop/2"]


def test_control_characters_are_left_out_and_html_stays_text(world: World) -> None:
    made = replace(order(1, CODES), customer=Party(last_name="<b>О\x00ле\x1bна</b>\u00a0"))
    make(world, made)
    assert world.rows()[0]["Партнер"] == "<b>Олена</b>\u00a0"


def test_many_orders_are_several_files(world: World) -> None:
    make(world, *(order(n, CODES) for n in range(1, 6)), most=2)
    assert [len({row["Номер замовлення"] for row in read(path)}) for path in world.files()] == [2, 2, 1]
    assert len(world.orders()) == 5


def test_without_a_table_of_goods_each_article_is_taken(world: World) -> None:
    system = world.open(goods=None)
    assert system.find_products(["ANY", " "]) == {"ANY": [Ref("ANY", "ANY")]}
    assert system.find_by_name(["Кава"]) == {}
    made = replace(order(1, ("ANY", "00042", "X")))
    assert make(world, made, goods=None)[0].error is None
    assert system.find_references("status", ["Нове", ""]) == {"Нове": Ref("Нове", "Нове", "Нове")}
    assert system.ensure("source", "shop", "Сайт").name == "Сайт"


def test_goods_are_those_of_a_workbook_as_well(world: World) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in (["Назва", "артикул"], ["Кава", "COF-1"], ["Число", 42], ["Порожній", None]):
        book.active.append(row)
    book.save(world.base / "goods.xlsx")
    system = world.open(goods={"path": "goods.xlsx"})
    assert {code: [ref.name for ref in refs] for code, refs in system.find_products(["cof-1", "42", "x"]).items()} == {
        "cof-1": ["Кава"],
        "42": ["Число"],
    }
    assert [ref.code for ref in system.find_by_name([" КАВА "])[" КАВА "]] == ["COF-1"]


@pytest.mark.parametrize("table", ["missing.csv", "broken.xlsx", "other.csv", "bytes.csv"])
def test_goods_that_cannot_be_read_are_told(world: World, table: str) -> None:
    (world.base / "broken.xlsx").write_bytes(b"PK no zip")
    (world.base / "other.csv").write_text("a;b\n1;2\n", "utf-8")
    (world.base / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        world.open(goods={"path": table}).check()
    assert table in str(caught.value)


# --- faults ----------------------------------------------------------------------------------------------------------


class Troubled:
    """A transport whose next write fails as told: ``before`` anything, or ``after`` all was done."""

    def __init__(self, inner: Transport, troubles: list[str]) -> None:
        self._inner, self._troubles = inner, troubles

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, folder: str, name: str, source: Any) -> Any:
        trouble = self._troubles.pop(0) if self._troubles else ""
        if trouble == "before":
            raise Transient("no network")
        done = self._inner.write(folder, name, source)
        if trouble:
            raise Transient("no answer")
        return done

    def list(self, folder: str) -> Any:
        if self._troubles and self._troubles[0] == "blind":
            self._troubles.pop(0)
            raise Transient("no network")
        return self._inner.list(folder)


@pytest.fixture
def troubles(world: World) -> list[str]:
    found: list[str] = []
    world.transport = lambda inner: Troubled(inner, found)
    return found


def test_f08_what_did_not_go_out_is_tried_again(world: World, troubles: list[str]) -> None:
    troubles.append("before")
    assert isinstance(make(world, order(1, CODES))[0].error, Transient)
    assert world.files() == []
    assert world.open().find(["demo/shop/1/create/0"]) == {}
    (again,) = make(world, order(1, CODES))
    assert not again.existed
    assert world.orders() == ["shop/1"]
    assert [path.name for path in world.files()] == [f"orders-{DAY}-000002.xlsx"], "no number is used twice"


def test_f03_an_answer_that_was_lost_is_looked_up(world: World, troubles: list[str]) -> None:
    troubles.append("after")
    (outcome,) = make(world, order(1, CODES))
    assert outcome.error is None
    assert make(world, order(1, CODES))[0].existed
    assert world.orders() == ["shop/1"]


def test_f07_what_nobody_can_look_up_is_in_doubt_until_it_can_be(world: World, troubles: list[str]) -> None:
    troubles += ["after", "blind"]
    (outcome,) = make(world, order(1, CODES))
    assert isinstance(outcome.error, InDoubt)
    assert set(world.open().find(["demo/shop/1/create/0"])) == {"demo/shop/1/create/0"}
    assert make(world, order(1, CODES))[0].existed


def test_f07_a_doubtful_file_that_is_gone_is_for_a_person(world: World, troubles: list[str]) -> None:
    troubles += ["after", "blind"]
    make(world, order(1, CODES))
    world.files()[0].unlink()  # Quincefin has taken it, or nobody knows
    assert world.open().find(["demo/shop/1/create/0"]) == {}
    (doubt,) = make(world, order(1, CODES))
    assert isinstance(doubt.error, InDoubt)
    assert world.files() == [], "never written again blindly"
    (finding,) = world.open().check()
    assert f"orders-{DAY}-000001.xlsx" in str(finding.text)
    (retried,) = make(world, order(1, CODES))  # `mistok resolve --retry`: a person has looked
    assert retried.error is None
    assert world.orders() == ["shop/1"]


def test_files_that_were_taken_are_not_written_again(world: World) -> None:
    make(world, order(1, CODES))
    world.files()[0].unlink()
    (again,) = make(world, order(1, CODES))
    assert again.existed
    assert world.files() == []


def test_a_failure_of_the_second_file_keeps_the_first(world: World, troubles: list[str]) -> None:
    troubles += ["", "before"]
    outcomes = make(world, *(order(n, CODES) for n in range(1, 6)), most=2)
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, False, False]
    outcomes = make(world, *(order(n, CODES) for n in range(1, 6)), most=2)
    assert [outcome.existed for outcome in outcomes] == [True, True, False, False, False]
    assert sorted(world.orders()) == [f"shop/{n}" for n in range(1, 6)]


def test_a_dry_look_makes_no_journal(world: World) -> None:
    system = world.open()
    assert system.find(["demo/shop/1/create/0", "x"]) == {}
    assert list(system.all_documents()) == []
    assert not (world.base / "quincefin-file.sqlite3").exists()


def test_a_journal_that_is_none_stops_and_writes_nothing(world: World) -> None:
    (world.base / "quincefin-file.sqlite3").write_bytes(b"no database at all, but long enough to be read" * 40)
    system = world.open()
    drafts = drafts_of(system, [order(1, CODES)])
    with pytest.raises(ConfigError, match="journal"):
        system.create(drafts)
    assert world.files() == []


VICTIM = """
import os, signal, sys
from pathlib import Path
from pipeline.testing.documents_contract import drafts_of, order
from tests.systems.quincefin import test_files as t

class Killing(t.Troubled):
    def write(self, folder, name, source):
        if sys.argv[2] == "after":
            super().write(folder, name, source)
        os.kill(os.getpid(), signal.SIGKILL)

world = t.World(Path(sys.argv[1]))
world.transport = lambda inner: Killing(inner, [])
system = world.open()
system.create(drafts_of(system, [order(1, t.CODES), order(2, t.CODES)]))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_f04_a_kill_on_the_way_leaves_every_order_in_one_file_at_most(world: World, moment: str) -> None:
    killed = subprocess.run([sys.executable, "-c", VICTIM, str(world.base), moment], cwd=Path.cwd(), check=False)
    assert killed.returncode == -SIGKILL
    outcomes = make(world, order(1, CODES), order(2, CODES))
    if moment == "after":
        assert [outcome.existed for outcome in outcomes] == [True, True]
    else:
        assert all(isinstance(outcome.error, InDoubt) for outcome in outcomes), "it may have been taken already"
        outcomes = make(world, order(1, CODES), order(2, CODES))
        assert [outcome.error for outcome in outcomes] == [None, None]
    assert len(world.files()) == 1
    assert world.orders() == ["shop/1", "shop/2"]


def test_the_day_is_that_of_the_client(world: World) -> None:
    late = replace(order(1, CODES), created_at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    make(world, late, kind="csv", dates="local")
    assert world.rows()[0]["Дата"] == "23.11.2026"


@pytest.fixture(autouse=True)
def _no_leftovers(world: World) -> Iterator[None]:
    yield
    assert not [path for path in world.files() if path.suffix not in (".csv", ".xlsx")], "no partial file stays"
