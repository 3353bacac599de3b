"""Orders of a shop that nobody can read: they wait for a person, and hold up neither the others nor the exchange."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.api import Held, OrderChange
from tests.e2e.command import here
from tests.systems.commerceml.test_shop import DOCUMENT
from tests.systems.commerceml.world import PASSWORD, USER, Site
from tests.systems.into_books import IntoBooks

#: No goods: a status, or an order whose goods were lost.
BARE = (
    "<Документ><Ид>{id}</Ид><Номер>{id}</Номер><Дата>2026-11-22</Дата><ХозОперация>Заказ товара</ХозОперация>"
    "<Валюта>UAH</Валюта><Сумма>5</Сумма><ЗначенияРеквизитов><ЗначениеРеквизита><Наименование>Отменен</Наименование>"
    "<Значение>{cancelled}</Значение></ЗначениеРеквизита></ЗначенияРеквизитов></Документ>"
)
PAYMENT = "<Документ><Ид>p1</Ид><Номер>1</Номер><ХозОперация>Выплата безналичных денег</ХозОперация></Документ>"
BUYER = (
    "<Контрагенты><Контрагент><Ид>b</Ид><Наименование>Шевченко Олена</Наименование><Роль>Покупатель</Роль>"
    "<Контакты><Контакт><Тип>Телефон</Тип><Значение>+380671234567</Значение></Контакт></Контакты></Контрагент>"
    "</Контрагенты><Товары>"
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "shop").mkdir()
    return Site(tmp_path / "shop")


def whole(own: str, total: int = 10) -> str:
    return DOCUMENT.format(id=own, sum=total).replace("<Товары>", BUYER)


def nameless(number: str) -> str:
    return whole("").replace("<Номер></Номер>", f"<Номер>{number}</Номер>")


def test_what_cannot_be_read_is_kept_and_the_shop_hears_success(site: Site) -> None:
    site.shop.orders = {
        "1": whole("1"), "2": BARE.format(id="2", cancelled="false"), "3": nameless("33"),
        "4": whole("4").replace("<Количество>1<", "<Количество>нуль<"), "5": whole("5", 50), "6": PAYMENT,
    }  # fmt: skip
    session = site.to_shop()
    seen = {one.id: one for one in session.orders()}
    assert site.shop.exported == set(site.shop.orders), "the session is confirmed"
    assert {own: one.order.total for own, one in seen.items() if one.order} == {"1": Decimal(10), "5": Decimal(50)}
    wrong = {own: {finding.code for finding in one.findings} for own, one in seen.items() if one.order is None}
    assert wrong == {"2": {"no-lines"}, "4": {"value"}, "no-id:33": {"no-id"}}
    assert {one.status for one in seen.values()} == {"new"}, "a status is told of what cannot be read, too"
    places = {own: seen[own].findings[0].where for own in wrong}
    assert {(one.file, one.line) for one in places.values()} == {("1c", None)}
    assert (places["4"].element, places["4"].order, places["4"].order_line) == ("Количество", "4", 1)
    assert [one.code for one in session.noticed()] == ["other-document"]


def test_a_status_without_goods_changes_the_order_that_is_known_and_never_empties_it(site: Site) -> None:
    site.shop.orders = {"1": whole("1"), "2": whole("2")}
    before = {one.id: one for one in site.to_shop().orders()}
    site.shop.orders = {"1": BARE.format(id="1", cancelled="true"), "2": BARE.format(id="2", cancelled="false")}
    site.shop.exported.clear()
    for _ in range(2):
        after = {one.id: one for one in site.to_shop().orders()}
        assert {own: one.status for own, one in after.items()} == {"1": "cancelled", "2": "new"}
        orders = [one.order for one in after.values()]
        assert [len(one.lines) if one else 0 for one in orders] == [1, 1]
    assert after["1"].revision != before["1"].revision
    assert site.shop.exported == {"1", "2"}


def test_a_status_of_an_order_that_is_in_the_same_file_counts(site: Site) -> None:
    site.shop.orders = {"a": whole("1"), "b": BARE.format(id="1", cancelled="true")}
    (seen,) = site.to_shop().orders()
    assert (seen.id, seen.status, seen.order is None) == ("1", "cancelled", False)


def test_two_documents_of_one_id_that_differ_are_one_order_to_ask_about(site: Site) -> None:
    site.shop.orders = {"a": whole("1"), "b": whole("1", 12), "c": whole("2"), "d": whole("2")}
    seen = {one.id: one for one in site.to_shop().orders()}
    assert [finding.code for finding in seen["1"].findings] == ["twice"]
    assert seen["1"].raw.count("<Документ>") == 2, "both are kept"
    assert seen["2"].order is not None, "twice the same is once"
    site.shop.orders = {"a": BARE.format(id="1", cancelled="true")}
    site.shop.exported.clear()
    seen = {one.id: one for one in site.to_shop().orders()}
    assert [finding.code for finding in seen["1"].findings] == ["twice"], "a status says not which of them holds"
    site.shop.orders = {"a": whole("1", 12)}
    site.shop.exported.clear()
    seen = {one.id: one for one in site.to_shop().orders()}
    assert seen["1"].order is not None
    assert seen["1"].order.total == 12


def test_an_order_without_an_id_is_not_written_back_to(site: Site) -> None:
    site.shop.orders = {"3": nameless("33"), "4": nameless("")}
    session = site.to_shop()
    first, other = (one.id for one in session.orders())
    assert first == "no-id:33"
    assert other.startswith("no-id:")
    (outcome,) = session.apply_orders([OrderChange(id=first, status="new")])
    assert isinstance(outcome.error, Held)
    assert site.shop.states == []


def test_f20_good_orders_become_documents_and_each_wrong_one_a_card(site: Site, tmp_path: Path) -> None:
    """By the command, over HTTP: the letter to the site's developer tells order and element."""
    site.shop.orders = {
        "1": whole("1"), "2": BARE.format(id="2", cancelled="false"), "3": nameless("33"), "5": whole("5", 50),
    }  # fmt: skip
    http = site.settings.http
    assert http is not None
    source = {
        "type": "commerceml", "role": "accounting", "http": {"url": http.url, "user": USER, "password": PASSWORD},
    }  # fmt: skip
    books = IntoBooks(tmp_path, source, {"new": ["order"]}, ["A-1"], {}, {})
    counts = books.run(1)
    assert (counts["created"], counts["held"]) == (2, 2)
    assert books.documents() == {"1": Decimal(10), "5": Decimal(50)}
    assert site.shop.exported == {"1", "2", "3", "5"}
    open_ = {one["order"]: one for one in books.cards()}
    assert set(open_) == {"2", "33"}
    letter = here("-c", tmp_path / "config.yaml", "card", str(open_["2"]["number"]), "--letter").out
    for word in ("Good day!", "№2", "Документ", "has no goods", "given with its goods"):
        assert word in letter, letter
    archived = b"".join(path.read_bytes() for path in (tmp_path / "archive").rglob("*") if path.is_file())
    assert "<Номер>33</Номер>".encode() in archived, "what the shop wrote is kept"
    site.shop.orders = {"2": whole("2", 20)}
    site.shop.exported.clear()
    assert books.run(1)["created"] == 1
    assert books.documents()["2"] == 20
    assert {one["order"] for one in books.cards()} == {"33"}
