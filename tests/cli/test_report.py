"""``mistok report day`` and the step ``report-day``: from files that came to the sheet that an accountant opens."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client
from pipeline.resources import samples
from pipeline.texts import T
from tests.e2e.command import Said, mistok
from tests.engine.conftest import Shop

KYIV = ZoneInfo("Europe/Kyiv")
REPORT = """\
  report:
    steps:
      - {step: report-day, to: site, folder: sheets/books, tell: true}
"""
NAMES = ("company", "discounts", "currencies", "full", "cancelled", "unknown-product", "cut")


@dataclass
class Days:
    """A client whose orders were made yesterday, but for one of the day before."""

    shop: Shop
    day: date

    def say(self, *words: object, language: str = "en") -> Said:
        path = self.shop.folder / "config.yaml"
        return mistok("-c", path, "--language", language, *words, cwd=self.shop.folder)

    def report(self, *words: object) -> Any:
        return self.say("report", "day", *words, "--json").json()

    def sql(self, statement: str) -> None:
        engine = sa.create_engine(f"sqlite:///{self.shop.folder / 'books.sqlite3'}")
        with engine.begin() as conn:
            conn.execute(sa.text(statement))
        engine.dispose()


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    shop = Shop(tmp_path_factory.mktemp("report"))
    shop.inbox.mkdir(parents=True)
    day = datetime.now(KYIV).date() - timedelta(days=1)
    for name in NAMES:
        text = next(samples().glob(f"orders/*/{name}.xml")).read_text(encoding="utf-8")
        made = day - timedelta(days=1) if name == "discounts" else day
        text = re.sub(r"<created>[^<]*<", f"<created>{made} 12:30:00<", text)
        (shop.inbox / f"{name}.xml").write_text(text, encoding="utf-8")
    shop.config()
    path = shop.folder / "config.yaml"
    path.write_text(path.read_text(encoding="utf-8") + REPORT, encoding="utf-8")
    made_days = Days(shop, day)
    made_days.say("run", "orders")
    made_days.say("run", "catalogue")
    return made_days


def test_yesterdays_sums_are_by_currency_and_to_the_cent(days: Days) -> None:
    told = days.report()
    assert told["day"] == days.day.isoformat()
    by = {line["currency"]: line for line in told["totals"]}
    assert set(by) == {"UAH", "EUR", "USD"}
    assert (by["EUR"]["total"], by["EUR"]["documents_total"]) == ("27.40", "27.40")
    uah = by["UAH"]
    assert Decimal(uah["total"]) == Decimal("5115.65") + Decimal("4014.96") + Decimal("128.00") + Decimal("336.40")
    assert Decimal(uah["documents_total"]) == Decimal("5115.65") + Decimal("4014.96") * (uah["compared"] - 1)
    assert uah["difference"] == "0.00"
    for group in ("by_source", "by_status", "by_payment", "by_state"):
        some = [Decimal(line["total"]) for line in told[group] if line["currency"] == "UAH"]
        assert sum(some) == Decimal(uah["total"]), group
    assert told["differences"] == []
    assert all(line["method"] is not None for line in told["by_payment"]), "the payment of each was kept"


def test_what_waits_has_its_card_and_a_rejected_file_its_reason(days: Days) -> None:
    today = (days.day + timedelta(days=1)).isoformat()
    told = days.report()
    waiting = {row["order"]: row for row in told["waiting"]}
    assert "00004813" in waiting
    cards = days.say("cards", "--json").json()
    assert waiting["00004813"]["cards"] in {str(card["number"]) for card in cards}
    assert {row["what"] for row in told["late"]} == {"came after the day"}, "all came today"
    (file,) = days.report(today)["files"]
    assert file["name"] == "cut.xml"
    assert file["why"]
    assert file["cards"]
    happened = {row["order"]: row["what"] for row in days.report(today)["changes"]}
    assert "came as cancelled" in happened["00004717"]
    (exported,) = days.report(today)["counts"]
    assert (exported["where"], exported["rows"]) == ("catalogue: catalogue.csv", 30)


def test_a_sum_that_somebody_changed_in_the_books_is_found_when_they_are_asked(days: Days) -> None:
    assert days.report()["differences"] == []
    days.sql("UPDATE documents SET total = 5115600000 WHERE total = 5115650000")  # in millionths
    try:
        asked = days.say("report", "day", "--connect", "--json")
        assert asked.code == 0, asked.all
        (found,) = asked.json()["differences"]
        assert (found["order"], found["total"], found["says"], found["difference"]) == (
            "00004705", "5115.65", "5115.60", "-0.05",
        )  # fmt: skip
        (uah,) = (line for line in asked.json()["totals"] if line["currency"] == "UAH")
        assert uah["difference"] == "-0.05"
        assert days.report()["differences"], "it is kept until they are asked again"
    finally:
        days.sql("UPDATE documents SET total = 5115650000 WHERE total = 5115600000")
    assert days.say("report", "day", "--connect", "--json").json()["differences"] == []


def cells(path: Path | BytesIO, title: str) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path)[title].iter_rows())


def test_the_workbook_has_numbers_with_a_format(days: Days, tmp_path: Path) -> None:
    path = tmp_path / "sheet.xlsx"
    said = days.say("report", "day", "--xlsx", path, language="uk")
    assert said.code == 0
    book = openpyxl.load_workbook(path)
    titles = [T(one).render("uk") for one in ("Shop and books", "Differences", "Waiting orders")]
    assert book.sheetnames[:3] == titles
    sheet = book[titles[0]]
    head = next(row for row in sheet.iter_rows() if row[2].value == "Валюта")
    assert sheet.freeze_panes == f"A{head[0].row + 1}"
    rows = [row for row in sheet.iter_rows(min_row=head[0].row + 1) if row[0].value == T("All").render("uk")]
    assert [row[2].value for row in rows] == ["EUR", "UAH", "USD"]
    for row in rows:
        assert isinstance(row[4].value, (int, float))
        assert row[4].number_format == "#,##0.00"
    assert sheet.column_dimensions["E"].width >= 15
    waiting = [row for row in book[titles[2]].iter_rows() if row[0].value == "00004813"]
    assert waiting, "the number of an order is a text with its zeros"
    assert isinstance(waiting[0][3].value, datetime)
    assert waiting[0][3].number_format == "dd.mm.yyyy hh:mm"


def test_the_step_writes_it_to_a_folder_and_tells(days: Days) -> None:
    said = days.say("run", "report")
    assert said.code == 0, said.all
    name = f"report-{days.day}.xlsx"
    path = days.shop.folder / "site" / "sheets" / "books" / name
    assert cells(path, "Shop and books")
    (notice,) = [one for one in days.say("notices", "--json").json() if one["kind"] == "report"]
    assert f"site/sheets/books/{name}" in json.dumps(notice, ensure_ascii=False)
    dry = days.say("run", "report", "--dry-run", "--json")
    assert dry.code == 0, dry.all


def test_orders_of_before_are_told_as_not_known(days: Days) -> None:
    with Client.open(load_config(days.shop.folder / "config.yaml")) as client, client.ledger.begin() as conn:
        before = conn.execute(sa.text("SELECT placed, payment_method, document_says FROM orders")).all()
        assert all(row.placed for row in before)
        statement = (
            "UPDATE orders SET placed = NULL, payment_method = NULL, payment_status = NULL, document_says = NULL "
            "WHERE number = '00004705'"
        )
        conn.execute(sa.text(statement))
    told = days.report((days.day + timedelta(days=1)).isoformat())
    assert any("payment is not known" in note for note in told["notes"])
    assert any("not known what it says" in note for note in told["notes"])
    assert any("when it was made" in note for note in told["notes"])
    (line,) = (one for one in told["by_payment"] if one["currency"] == "UAH")
    assert (line["method"], line["compared"]) == (None, 0)


@pytest.mark.parametrize(
    ("word", "code"), [("yesterday", 2), ("2999-01-01", 2), ("0001-01-01", 2), ("2026-02-30", 2), ("2020-02-29", 0)]
)
def test_days_that_are_none_are_said(days: Days, word: str, code: int) -> None:
    assert days.say("report", "day", word).code == code
