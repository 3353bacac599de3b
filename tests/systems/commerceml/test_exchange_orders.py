"""Orders handed out by the exchange of CommerceML, and the exchange over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from pipeline.api import DocumentDraft, FormatContext, Held, Refused
from pipeline.testing.documents_contract import amendment_of, drafts_of, larger, order
from plugins.formats.commerceml import CommerceML, CommerceMLSettings
from plugins.systems.commerceml._fake_accounting import Asker, Refusal
from plugins.systems.commerceml.fake import Thing
from plugins.systems.commerceml.serving import ExchangeServer
from tests.systems.commerceml.desk import NOW, Desk, noticed, shown
from tests.systems.commerceml.world import PASSWORD, USER, Accounting


@pytest.fixture
def world(tmp_path: Path) -> Accounting:
    made = Accounting(tmp_path, http=True)
    for n in range(1, 11):
        thing = Thing(f"g{n}", article=f"A-{n}", name=f"Товар {n}", prices={"pr1": Decimal(n)})
        thing.stock = {"w1": Decimal(n)}
        made.fake.things[thing.id] = thing
    return made


@pytest.fixture
def desk(world: Accounting) -> Iterator[Desk]:
    made = Desk(world)
    yield made
    made.exchange.close()


# --- orders ----------------------------------------------------------------------------------------------------------


def made(world: Accounting, *numbers: int) -> list[DocumentDraft]:
    world.export()
    accounting = world.accounting()
    drafts = drafts_of(accounting, [order(n, ("A-1", "A-2", "A-3")) for n in numbers])
    assert all(one.error is None for one in accounting.create(drafts))
    return drafts


def ids(data: bytes) -> list[str]:
    context = FormatContext("demo", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", NOW, "q.xml", "shop")
    return [one.id for one in CommerceML().decode(data, CommerceMLSettings(), context).orders]


def test_orders_are_given_until_they_are_confirmed(desk: Desk, world: Accounting) -> None:
    made(world, 1, 2)
    desk.login("sale")
    for _ in range(2):
        assert ids(desk.answer("sale", "query").body) == ["shop-1", "shop-2"]
    assert desk.ask("sale", "success") == "success\n"
    assert ids(desk.answer("sale", "query").body) == []


def test_success_confirms_what_was_given_and_not_what_came_meanwhile(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    desk.ask("sale", "query")
    made(world, 2)
    desk.ask("sale", "success")
    assert ids(desk.answer("sale", "query").body) == ["shop-2"]


def test_success_of_a_session_that_asked_for_nothing_confirms_nothing(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    assert desk.ask("sale", "success") == "success\n"
    desk.login("sale")
    assert ids(desk.answer("sale", "query").body) == ["shop-1"]
    desk.login("sale")  # the session that was given it is gone
    assert desk.ask("sale", "success") == "success\n"
    assert ids(desk.answer("sale", "query").body) == ["shop-1"]


def test_an_order_that_is_amended_between_is_given_again(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    desk.ask("sale", "query")
    accounting = world.accounting()
    (ref,) = accounting.find(["demo/shop/1/create/0"]).values()
    accounting.amend([amendment_of(accounting, larger(("A-1", "A-2", "A-3")), ref, "2")])
    desk.ask("sale", "success")
    body = desk.answer("sale", "query").body
    assert ids(body) == ["shop-1"]
    assert "1359.30" in body.decode()


def test_what_became_of_orders_comes_back(desk: Desk, world: Accounting) -> None:
    made(world, 1, 2)
    desk.login("sale")
    told = {
        "Номер по 1С": "ФР-42",
        "Статус заказа": "Відвантажено",
        "Идентификатор отправления": "2045",
        "Оплачен": "true",
    }
    assert desk.send("orders.xml", world.fake.states_xml({"shop-1": told}), "sale") == "success\n"
    (seen,) = world.accounting().orders()
    assert (seen.id, seen.number, seen.status) == ("1", "ФР-42", "Відвантажено")
    assert seen.order is not None
    assert (seen.order.source, seen.order.delivery.tracking, seen.order.payment.status) == ("shop", "2045", "paid")
    assert seen.order.total == Decimal("969.80")
    assert len(seen.order.lines) == 3, "a status does not empty an order"
    (ref,) = world.accounting().find(["demo/shop/1/create/0"]).values()
    assert ref.number == "ФР-42"
    revision = seen.revision
    desk.send("orders.xml", world.fake.states_xml({"shop-1": told}), "sale")
    assert [one.revision for one in world.accounting().orders()] == [revision]
    world.clock.sleep(60)
    since = world.clock.now()
    assert list(world.accounting().orders(since)) == []
    desk.send("orders.xml", world.fake.states_xml({"shop-1": told | {"Отменен": "true"}}), "sale")
    assert [one.status for one in world.accounting().orders(since)] == ["cancelled"]
    assert list(world.accounting().orders(since, statuses=["new"])) == []


def test_a_status_of_an_order_that_was_never_given_is_noticed(desk: Desk, world: Accounting) -> None:
    desk.login("sale")
    assert (
        desk.send("orders.xml", world.fake.states_xml({"other-7": {"Статус заказа": "Новий"}}), "sale") == "success\n"
    )
    assert list(world.accounting().orders()) == []
    assert noticed(world) == ["unknown-order"]


def test_orders_of_the_accounting_programs_own_are_told(desk: Desk, world: Accounting) -> None:
    desk.login("sale")
    sample = Path(__file__).parents[3] / "samples" / "commerceml" / "orders-2.05-cp1251.xml"
    assert desk.send("orders.xml", sample.read_bytes(), "sale") == "success\n"
    seen = {one.id: one for one in world.accounting().orders()}
    assert set(seen) == {"JS-10452", "JS-10453"}
    assert seen["JS-10453"].status == "cancelled"


def test_statuses_in_parts_are_taken_when_they_are_whole(desk: Desk, world: Accounting) -> None:
    made(world, 1)
    desk.login("sale")
    data = world.fake.states_xml({"shop-1": {"Статус заказа": "x" * 5000}})
    assert desk.ask("sale", "file", "orders.xml", data[:3000]) == "success\n"
    assert list(world.accounting().orders()) == []
    assert desk.ask("sale", "file", "orders.xml", data[3000:]) == "success\n"
    assert len(list(world.accounting().orders())) == 1
    assert desk.ask("sale", "file", "cut.xml", data[:2000]).startswith("failure\n")


def test_an_order_without_lines_is_never_handed_out(desk: Desk, world: Accounting) -> None:
    world.export()
    accounting = world.accounting()
    empty = replace(order(1, ("A-1", "A-2", "A-3")), lines=(), discounts=(), total=Decimal("70.00"))
    (outcome,) = accounting.create([DocumentDraft(key="demo/shop/1/create/0", order=empty, products=())])
    assert isinstance(outcome.error, Held)
    desk.login("sale")
    assert ids(desk.answer("sale", "query").body) == []


def test_two_orders_that_would_be_one_document_are_told_apart(tmp_path: Path) -> None:
    world = Accounting(tmp_path, http=True, goods="any", document_id="{id}")
    accounting = world.accounting()
    drafts = drafts_of(accounting, [order(1, ("A", "B", "C")), order(1, ("A", "B", "C"), source="market")])
    first, second = accounting.create(drafts)
    assert first.error is None
    assert isinstance(second.error, Held)
    assert world.rows("SELECT source FROM documents") == [{"source": "shop"}]


def test_nothing_known_is_told_by_check(tmp_path: Path) -> None:
    world = Accounting(tmp_path, http=True)
    assert [one.code for one in world.accounting().check()] == ["no-goods"]


# --- over real HTTP --------------------------------------------------------------------------------------------------


def test_a_real_session_over_http_both_ways(world: Accounting) -> None:
    made(world, 1)
    assert world.fake.pull(world.url, USER, PASSWORD, confirm=False) == 1
    assert world.fake.pull(world.url, USER, PASSWORD) == 1
    assert world.fake.pull(world.url, USER, PASSWORD) == 0
    assert world.fake.seen == ["shop-1", "shop-1"]
    world.fake.tell(world.url, USER, PASSWORD, {"shop-1": {"Статус заказа": "Готово"}})
    assert [one.status for one in world.accounting().orders()] == ["Готово"]


def test_a_wrong_password_over_http(world: Accounting) -> None:
    with pytest.raises(Refusal, match="failure"):
        world.fake.push(world.url, USER, "wrong")


def raw(url: str, method: str = "GET", path: str = "", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, path or parts.path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_the_rim_refuses_what_is_no_exchange(world: Accounting) -> None:
    assert raw(world.url, path="/")[0] == 404
    assert raw(world.url, path="/1c_exchange/../x")[0] == 404
    assert raw(world.url)[1].startswith(b"failure\n")
    assert raw(world.url, "PUT")[0] == 501
    status, said = raw(world.url, "POST", body=b"x" * 200_000)
    assert (status, said[:8]) == (200, b"failure\n")
    status, said = raw(world.url, "POST", "", b"", **{"Transfer-Encoding": "chunked"})
    assert said[:8] == b"failure\n"


def test_a_file_name_in_windows_1251_is_read(world: Accounting) -> None:
    asker = Asker(world.url, "catalog")
    asker.login(USER, PASSWORD)
    asker.init()
    path = f"{urlsplit(world.url).path}?type=catalog&mode=file&filename=%EA%E0%F2.xml"
    assert raw(world.url, "POST", path, b"<?xml version='1.0'?><x/>", **asker.headers)[1] == b"success\n"
    assert [one.name for one in world.base.rglob("*.xml")] == ["кат.xml"]


def test_a_port_that_is_taken_is_told(world: Accounting) -> None:
    port = urlsplit(world.url).port
    with pytest.raises(Refused) as caught:
        ExchangeServer(world.settings, world.env(), port=port)
    assert caught.value.code == "port"


def test_a_read_only_run_changes_nothing(world: Accounting) -> None:
    world.export()
    before = world.rows("SELECT * FROM documents")
    accounting = world.accounting(dry_run=True)
    drafts = drafts_of(accounting, [order(1, ("A-1", "A-2", "A-3"))])
    assert accounting.create(drafts)[0].error is None
    assert world.rows("SELECT * FROM documents") == before == []


def test_sessions_that_fell_silent_are_over(world: Accounting) -> None:
    world.export()
    assert {row["state"] for row in world.rows("SELECT state FROM sessions")} == {"done"}
    asker = Asker(world.url, "catalog")
    asker.login(USER, PASSWORD)
    asker.init()
    shown(world)
    assert "open" in {row["state"] for row in world.rows("SELECT state FROM sessions")}
    world.clock.moment += timedelta(hours=1)
    shown(world)
    assert {row["state"] for row in world.rows("SELECT state FROM sessions")} == {"done"}
