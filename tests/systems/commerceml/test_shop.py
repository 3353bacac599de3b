"""We as 1C: a shop's exchange address over real HTTP, its dialects, what is lost on the way; and both of us at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import (
    Held,
    Offer,
    OfferChange,
    OrderChange,
    ProductDraft,
    Refused,
    RowOutcome,
    SeenOrder,
    StockTarget,
    Transient,
)
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.commerceml.fake import ShopQuirks
from plugins.systems.commerceml.serving import ExchangeServer
from plugins.systems.commerceml.system import ToShop
from tests.systems.commerceml.world import PASSWORD, PRICES, USER, Accounting, Site, World

DIALECTS = {
    "plain": ShopQuirks(),
    "BOM, zip, progress": ShopQuirks(bom=True, newline=False, zip=True, progress=3, file_limit=500),
    "sessid, no limit": ShopQuirks(sessid=True, file_limit=None, fail="fail"),
    "address with a query": ShopQuirks(extra_query="exchange", orders_encoding="windows-1251"),
}


def drafts(n: int, *, size: int = 0) -> list[ProductDraft]:
    made = []
    for i in range(1, n + 1):
        values: dict[str, Any] = {"name": f"Товар {i} «ґ»", "price": Decimal(i), "category": ("Фарби", "Емалі")}
        values |= {"description": "опис " * size, "published": True}
        made.append(ProductDraft(base=Offer(keys={"sku": f"A-{i}"}, values=values)))
    return made


def ok(outcomes: Sequence[RowOutcome]) -> None:
    assert [one.error for one in outcomes] == [None] * len(outcomes)


@pytest.fixture(params=list(DIALECTS))
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(tmp_path, DIALECTS[request.param])


DOCUMENT = (
    "<Документ><Ид>{id}</Ид><Номер>{id}</Номер><Дата>2026-11-22</Дата><ХозОперация>Заказ товара</ХозОперация>"
    "<Валюта>UAH</Валюта><Сумма>{sum}</Сумма><Товары><Товар><Ид>x</Ид><Артикул>A-1</Артикул><Наименование>Фарба</Наименование>"
    "<ЦенаЗаЕдиницу>{sum}</ЦенаЗаЕдиницу><Количество>1</Количество><Сумма>{sum}</Сумма></Товар></Товары></Документ>"
)


def test_goods_prices_and_stock_reach_the_shop(site: Site) -> None:
    session = site.to_shop()
    ok(session.create_products(drafts(3, size=300)))
    offers = {one.keys["sku"]: one for one in session.offers()}
    ok(session.apply_stock([StockTarget(offer=offers["A-2"], warehouse="", quantity=Decimal(7))]))
    ok(
        session.update_offers(
            [OfferChange(offer=offers["A-3"], values={"price": Decimal("33.50"), "published": False})]
        )
    )
    shop = site.shop
    assert sorted(row["article"] for row in shop.goods.values()) == ["A-1", "A-2", "A-3"]
    by = {row["article"]: row for row in shop.offers.values()}
    assert by["A-2"]["stock"] == "7"
    assert list(by["A-3"]["prices"].values()) == ["33.50"]
    assert {row["article"]: row["deleted"] for row in shop.goods.values()} == {"A-1": False, "A-2": False, "A-3": True}
    assert by["A-1"]["name"] == "Товар 1 «ґ»"


def test_what_is_in_step_is_not_sent_again(site: Site) -> None:
    session = site.to_shop()
    ok(session.create_products(drafts(2)))
    before = site.shop.sessions
    offers = list(session.offers())
    outcomes = session.update_offers([OfferChange(offer=one, values={"name": one.values["name"]}) for one in offers])
    assert [one.existed for one in outcomes] == [True, True]
    assert site.shop.sessions == before


def test_f03_orders_stand_in_the_store_before_the_shop_hears_of_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.shop.orders = {"1": DOCUMENT.format(id="1", sum="10"), "2": DOCUMENT.format(id="2", sum="20")}
    site.shop.fail(500, times=20, when=lambda asked: asked.param("mode") == "success")
    with pytest.raises(Transient):
        list(site.to_shop().orders())
    assert site.shop.exported == set()
    assert [row["id"] for row in site.rows("SELECT id FROM orders ORDER BY id")] == ["1", "2"]
    site.shop.forget()
    seen = list(site.to_shop().orders())
    assert [(one.id, one.order.total if one.order else None) for one in seen] == [
        ("1", Decimal(10)),
        ("2", Decimal(20)),
    ]
    assert site.shop.exported == {"1", "2"}
    site.shop.orders["3"] = DOCUMENT.format(id="3", sum="30")
    assert [one.id for one in site.to_shop().orders()] == ["1", "2", "3"]


def test_orders_since_then_are_told(site: Site) -> None:
    site.shop.orders["1"] = DOCUMENT.format(id="1", sum="10")
    list(site.to_shop().orders())
    site.clock.sleep(60)
    since = site.clock.now()
    site.shop.orders["2"] = DOCUMENT.format(id="2", sum="10")
    assert [one.id for one in site.to_shop().orders(since)] == ["2"]
    site.clock.sleep(60)
    assert list(site.to_shop().orders(site.clock.now())) == []


def test_statuses_and_numbers_go_back_once(site: Site) -> None:
    site.shop.orders["1"] = DOCUMENT.format(id="1", sum="10")
    session = site.to_shop()
    list(session.orders())
    change = OrderChange(id="1", status="Відвантажено", number="ФР-42", tracking="2045")
    gone = OrderChange(id="77", status="x")
    first, missing = session.apply_orders([change, gone])
    assert (first.error, first.existed) == (None, False)
    assert isinstance(missing.error, Held)
    assert site.shop.states == [
        {"Ид": "1", "Номер по 1С": "ФР-42", "Статус заказа": "Відвантажено", "Отменен": "false",
         "Идентификатор отправления": "2045"}
    ]  # fmt: skip
    (again,) = site.to_shop().apply_orders([change])
    assert again.existed
    assert len(site.shop.states) == 1
    ok(session.apply_orders([OrderChange(id="1", status="cancelled")]))
    assert site.shop.states[-1]["Отменен"] == "true"
    assert site.shop.states[-1]["Номер по 1С"] == "ФР-42"


def test_a_refused_status_may_be_sent_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.shop.orders["1"] = DOCUMENT.format(id="1", sum="10")
    session = site.to_shop()
    list(session.orders())
    kept, site.shop.orders = site.shop.orders, {}
    (refused,) = session.apply_orders([OrderChange(id="1", status="x")])
    assert isinstance(refused.error, Held)
    assert "unknown" in str(refused.error)
    site.shop.orders = kept
    (done,) = session.apply_orders([OrderChange(id="1", status="x")])
    assert (done.error, done.existed) == (None, False)


def test_f05_a_lost_answer_to_a_part_begins_the_session_anew(tmp_path: Path) -> None:
    site = Site(tmp_path, ShopQuirks(file_limit=700))
    site.shop.lose_reply(when=lambda asked: asked.param("mode") == "file" and b"<?xml" not in asked.body)
    ok(site.to_shop().create_products(drafts(3, size=50)))
    assert site.shop.sessions == 2
    assert len(site.shop.goods) == 3


def test_f05_a_lost_answer_to_an_import_is_asked_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.shop.lose_reply(when=lambda asked: asked.param("mode") == "import")
    ok(site.to_shop().create_products(drafts(2)))
    assert site.shop.sessions == 1
    assert len(site.shop.goods) == 2


def test_a_shop_that_never_answers_to_a_part_is_transient(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.shop.lose_reply(times=99, when=lambda asked: asked.param("mode") == "file")
    session = site.to_shop()
    with pytest.raises(Transient):
        session.create_products(drafts(1))
    assert list(session.offers()) == [], "what the shop has not confirmed is not told"
    site.shop.forget()
    ok(session.create_products(drafts(1)))
    assert len(list(session.offers())) == 1


def test_the_shops_own_words_hold_the_rows(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.shop.refuse_import = "База даних заблокована"
    outcomes = site.to_shop().create_products(drafts(2))
    assert all(isinstance(one.error, Held) and "База даних" in str(one.error) for one in outcomes)
    assert list(site.to_shop().offers()) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"Error: no such module", b"<html>Fatal error</html>", b"fail\nno", b"\xef\xbb\xbffailure\nx"],
)
def test_anything_that_is_no_success_is_a_failure(tmp_path: Path, body: bytes) -> None:
    from pipeline.testing.fakehttp import Answer, Fault

    site = Site(tmp_path)
    site.shop.faults.append(Fault(lambda asked: asked.param("mode") == "import", 1, Answer(200, body)))
    (outcome,) = site.to_shop().create_products(drafts(1))
    assert isinstance(outcome.error, Held)


def test_a_wrong_password_is_refused_and_not_told(tmp_path: Path) -> None:
    site = Site(tmp_path, http={"password": "very-wrong"})
    with pytest.raises(Refused) as caught:
        site.to_shop().check()
    assert caught.value.code == "login"
    assert "very-wrong" not in str(caught.value)


def test_an_address_that_is_no_exchange_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    http = site.settings.http
    assert http is not None
    other = http.model_copy(update={"url": site.server.url + "/other"})
    site.settings = site.settings.model_copy(update={"http": other})
    with pytest.raises(Refused):
        site.to_shop().check()


def test_a_shop_that_imports_for_ever_is_left(tmp_path: Path) -> None:
    site = Site(tmp_path, ShopQuirks(progress=10**6), http={"patience": "2m", "pause": "10s"})
    with pytest.raises(Transient) as caught:
        site.to_shop().create_products(drafts(1))
    assert caught.value.code == "slow"


def test_a_shop_that_overwrites_gets_no_parts(tmp_path: Path) -> None:
    site = Site(tmp_path, ShopQuirks(appends=False, file_limit=600), http={"append": False})
    with pytest.raises(Refused) as caught:
        site.to_shop().create_products(drafts(1, size=200))
    assert caught.value.code == "part"


def test_orders_that_are_no_xml_are_refused_and_not_confirmed(tmp_path: Path) -> None:
    from pipeline.testing.fakehttp import Answer, Fault

    site = Site(tmp_path)
    site.shop.faults.append(Fault(lambda asked: asked.param("mode") == "query", 1, Answer(200, b"failure\nbusy")))
    with pytest.raises(Held, match="busy"):
        list(site.to_shop().orders())
    assert site.shop.asked("GET", "/bitrix")[-1].param("mode") == "query"


# --- both of us ------------------------------------------------------------------------------------------------------


class Both:
    """Our accounting role asks our shop role over real HTTP."""

    def __init__(self, base: Path, **settings: Any) -> None:
        (base / "a").mkdir()
        (base / "b").mkdir()
        self.shop = Accounting(base / "a", http=True, **settings)
        self.server = ExchangeServer(self.shop.settings, self.shop.env()).start()
        World.opened.append(_Closing(self.server))
        http = {"url": self.server.url, "user": USER, "password": PASSWORD}
        self.accounting = World(base / "b", role="accounting", http=http, prices=PRICES, **settings)

    def to_shop(self) -> ToShop:
        made = self.accounting.open()
        assert isinstance(made, ToShop)
        return made

    def seen(self) -> list[SeenOrder]:
        return list(self.to_shop().orders())


class _Closing:
    def __init__(self, server: ExchangeServer) -> None:
        self._server = server

    def close(self) -> None:
        self._server.stop()


@pytest.mark.parametrize(("version", "encoding"), [("2.05", "windows-1251"), ("2.10", "utf-8")])
def test_both_roles_against_each_other(tmp_path: Path, version: str, encoding: str) -> None:
    both = Both(tmp_path, version=version, encoding=encoding)
    sender = both.to_shop()
    ok(sender.create_products(drafts(3)))
    offers = {one.keys["sku"]: one for one in sender.offers()}
    ok(sender.apply_stock([StockTarget(offer=offers["A-1"], warehouse="", quantity=Decimal("2.5"))]))
    told = {one.keys["sku"]: one for one in both.shop.accounting().offers()}
    assert {code: one.values["price"] for code, one in told.items()} == {f"A-{n}": Decimal(n) for n in (1, 2, 3)}
    assert told["A-1"].values["category"] == ("Фарби", "Емалі")
    assert [(one.code, one.on_hand) for one in both.shop.accounting().levels()] == [("A-1", Decimal("2.5"))]

    shop = both.shop.accounting()
    made = [order(n, ("A-1", "A-2", "A-3")) for n in (1, 2)]
    assert all(one.error is None for one in shop.create(drafts_of(shop, made)))
    for _ in range(2):  # a second look brings nothing twice
        seen = both.seen()
        assert [(one.id, one.order.total if one.order else None) for one in seen] == [
            ("shop-1", Decimal("969.80")),
            ("shop-2", Decimal("969.80")),
        ]
    assert both.shop.rows("SELECT taken, revision FROM documents") == [{"taken": 1, "revision": 1}] * 2
    first = seen[0].order
    assert first is not None
    assert first.customer.title == "Шевченко Олена"
    assert [line.code for line in first.lines] == ["A-1", "A-2", "A-3"]
    assert first.delivery.cost == Decimal("70.00")

    ok(both.to_shop().apply_orders([OrderChange(id="shop-1", status="Відвантажено", number="ФР-1", tracking="20450")]))
    (back,) = both.shop.accounting().orders()
    assert (back.id, back.number, back.status) == ("1", "ФР-1", "Відвантажено")
    assert back.order is not None
    assert back.order.delivery.tracking == "20450"
