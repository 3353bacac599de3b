"""What a person reads."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from pipeline.alerts import notices
from pipeline.errors import Finding, Where
from pipeline.model import Money
from pipeline.ports import Notice
from pipeline.texts import T, Text, verbatim


def order(number: str = "1042", items: int = 3, customer: str = "Шевченко Тарас") -> Notice:
    total = Money(Decimal("1240.5"), "UAH")
    return notices.order(
        "order:7", number=number, customer=customer, total=total, items=items, document="ЗП-17", source="shop"
    )


def test_an_order_names_number_customer_sum_items_and_document() -> None:
    notice = order()
    assert notice.title.render("uk") == "Нове замовлення 1042"
    assert notice.body.render("uk") == "Шевченко Тарас\n1\u00a0240,50\u00a0грн · 3 позиції\nДокумент ЗП-17, shop"
    assert notice.title.render("en") == "New order 1042"
    assert notice.body.render("en") == "Шевченко Тарас\n1,240.50\u00a0UAH · 3 items\nDocument ЗП-17, shop"


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (1, "1 позиція"),
        (2, "2 позиції"),
        (4, "4 позиції"),
        (5, "5 позицій"),
        (11, "11 позицій"),
        (12, "12 позицій"),
        (21, "21 позиція"),
        (22, "22 позиції"),
        (111, "111 позицій"),
    ],
)
def test_items_are_counted_as_ukrainian_counts(items: int, words: str) -> None:
    assert words in order(items=items).body.render("uk").replace("\u00a0", " ").split("\n")[1].split(" · ")


def test_an_order_without_a_name_says_so() -> None:
    assert order(customer="  ").body.render("uk").startswith("Покупця не названо\n")


def test_a_name_with_braces_is_taken_as_it_is() -> None:
    assert order(customer="{number} {0}").body.render("uk").startswith("{number} {0}\n")


def test_a_notice_survives_the_ledger() -> None:
    notice = order()
    for text in (notice.title, notice.body):
        back = Text.from_json(json.loads(json.dumps(text.to_json())))
        assert back.render("uk") == text.render("uk")
    assert json.loads(json.dumps(dict(notice.data)))["total"] == "1240.50"


@pytest.mark.parametrize(
    ("currency", "shown"),
    [("UAH", "1\u00a0240,50\u00a0грн"), ("EUR", "1\u00a0240,50\u00a0євро"), ("PLN", "1\u00a0240,50\u00a0PLN")],
)
def test_money_as_people_write_it(currency: str, shown: str) -> None:
    assert notices.money(Money(Decimal("1240.5"), currency)).render("uk") == shown


def test_money_is_never_cut_below_the_cent() -> None:
    assert notices.money(Money(Decimal("0.005"), "UAH")).render("uk") == "0,01\u00a0грн"
    assert notices.money(Money(Decimal("-1234567.8"), "UAH")).render("uk").startswith("-1\u00a0234\u00a0567,80")


def test_a_held_order_says_why_where_and_what_to_do() -> None:
    finding = Finding("x", verbatim("Why."), Where(file="a.xml", line=7), hint=verbatim("What to do."))
    notice = notices.held("order:7", "1042", finding)
    assert notice.title.render("uk") == "Замовлення 1042 чекає на вас"
    assert notice.body.render("uk") == "Why.\na.xml, рядок 7\nWhat to do."


def test_a_file_in_quarantine_is_named_once() -> None:
    notice = notices.quarantined("file:7", "a.xml", Finding("x", verbatim("Why."), Where(file="a.xml", line=7)))
    assert notice.title.render("uk") == "Файл у карантині"
    assert notice.body.render("uk") == "a.xml\nWhy.\nрядок 7"


@pytest.mark.parametrize(
    ("kind", "count", "title"),
    [
        ("order", 5, "5 нових замовлень"),
        ("order", 21, "21 нове замовлення"),
        ("order", 10000, "10000 нових замовлень"),
        ("held", 2, "2 замовлення чекають на вас"),
        ("quarantined", 6, "6 файлів у карантині"),
        ("failure", 3, "3 повідомлення про проблеми"),
    ],
)
def test_a_summary_counts(kind: str, count: int, title: str) -> None:
    assert notices.summary(kind, count, ["1"], {}).title.render("uk") == title


def test_a_summary_of_orders_has_the_sums_and_the_first_numbers() -> None:
    totals = {"UAH": Decimal("10500.00"), "EUR": Decimal("20.1")}
    notice = notices.summary("order", 8, ["1", "2", "3", "4", "5", "6"], totals)
    assert notice.body.render("uk") == (
        "20,10\u00a0євро, 10\u00a0500,00\u00a0грн\n1, 2, 3, 4, 5 та ще 3\nПодивитися всі: mistok notices"
    )
    assert notice.data["names"] == ["1", "2", "3", "4", "5"]


def test_every_notice_has_its_kind() -> None:
    finding = Finding("x", T(""))
    made = [
        notices.quarantined("file:1", "a.xml", finding),
        notices.failure("job:a", "a", finding),
        notices.brake("job:a", "a", finding),
        notices.catalogue("job:a", "c.csv", 3, "site"),
    ]
    assert [notice.kind for notice in made] == ["quarantined", "failure", "brake", "catalogue"]
    assert made[3].body.render("uk") == "3 товари · c.csv · підключення site"
