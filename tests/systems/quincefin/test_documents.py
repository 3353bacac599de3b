"""Orders are made in Quincefin: each once, to the cent, with all that they name, and nothing empty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import (
    Address,
    Amendment,
    Cancellation,
    ConfigError,
    Delivery,
    Discount,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    Order,
    OrderLine,
    Party,
    Payment,
    Ref,
    Refused,
    StatusChange,
    Transient,
)
from pipeline.testing.documents_contract import MOMENT, drafts_of, larger, order
from plugins.systems.quincefin.fake import Quirks
from plugins.systems.quincefin.marks import follower_mark, key_of, mark_in, mark_of, marked, order_of, order_of_key
from plugins.systems.quincefin.reckoning import Services, reckon
from tests.signals import SIGKILL
from tests.systems.quincefin.account import CODES, Account, account

ADD = "/api/v2/order/add"


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def orders(one: Account, **more: Any) -> dict[str, Any]:
    return {**one.settings["orders"], **more}


def make(one: Account, *some: Order, given: dict[str, Any] | None = None, **draft: Any) -> list[DocumentOutcome]:
    system = one.open(**(given or {}))
    return list(system.create([replace(each, **draft) for each in drafts_of(system, some)]))


# --- what stands in an order -----------------------------------------------------------------------------------------


def test_an_order_with_all_that_it_names(one: Account) -> None:
    system = one.open()
    made = replace(
        order(1, CODES),
        delivery=Delivery(method="Нова пошта", city="Київ", branch="12", cost=Decimal(70),
                          recipient=Party(last_name="Інша", phone="+380501234567")),
    )  # fmt: skip
    (draft,) = drafts_of(system, [made])
    draft = replace(
        draft,
        comment="№ 77",
        user=system.find_references("user", ["Олена"])["Олена"],
        executor=system.find_references("executor", [str(one.ids["user"])])[str(one.ids["user"])],
        delivery=Ref(str(one.ids["delivery"]), "", "Доставка"),
        references={"status": system.find_references("status", ["paid"])["paid"]},
    )
    (outcome,) = system.create([draft])
    assert outcome.error is None
    row = one.order()
    assert row["NumberOrderSite"] == "shop/1"
    assert (row["Company"], row["Store"], row["Status"], row["Source"]) == tuple(
        one.ids[name] for name in ("company", "main", "paid", "shop")
    )
    assert (row["Author"], row["Manager"]) == (one.ids["user"], one.ids["user"])
    assert (row["Delivery"], row["DeliveryService"]) == (70, one.ids["delivery"])
    assert (row["Comment"], row["Discount"], row["Currency"]) == ("№ 77", 20, "UAH")
    assert row["Address"] == "Київ, Нова пошта, № 12, Інша, +380501234567"
    assert row["Sum"] == Decimal("969.80")
    partner = one.fake.one("partner", row["Partner"])
    assert partner["Name"] == "Шевченко Олена"
    assert {contact["Value"] for contact in partner["Contacts"]} == {"+380670000001", "o1@example.com"}
    assert "Address" not in partner, "the address of an order is not copied to the card"
    contract = one.fake.one("contract", row["Contract"])
    assert (contract["Partner"], contract["Company"], contract["Currency"], contract["Kind"]) == (
        partner["Id"], one.ids["company"], "UAH", "P",
    )  # fmt: skip


def test_nothing_empty_is_sent(one: Account) -> None:
    make(one, replace(order(1, CODES), discounts=(), delivery=Delivery(), total=Decimal("919.80")))
    body = one.sent("order/add")
    assert not {"Comment", "Discount", "Delivery", "DeliveryService", "Author", "Address"} & set(body)
    assert None not in body.values()


@pytest.mark.parametrize("change", [{"lines": ()}, {"customer": Party()}, {"total": Decimal(1)}])
def test_f43_an_empty_order_is_never_made(one: Account, change: dict[str, Any]) -> None:
    bad, good = make(one, replace(order(1, CODES), **change), order(2, CODES))
    assert isinstance(bad.error, Held)
    assert good.error is None
    assert [row["NumberOrderSite"] for row in one.fake.orders()] == ["shop/2"]


def test_an_order_without_a_buyer_goes_to_the_default_partner(one: Account) -> None:
    partner = one.fake.put("partner", Name="Роздрібний покупець", ParentFolder=None)
    given = {"orders": orders(one, default_partner=partner)}
    (outcome,) = make(one, replace(order(1, CODES), customer=Party()), given=given)
    assert outcome.error is None
    assert one.order()["Partner"] == partner
    gone = {"orders": orders(one, default_partner=999_999)}
    assert isinstance(make(one, replace(order(2, CODES), customer=Party()), given=gone)[0].error, Held)


def test_a_fee_needs_its_service(one: Account) -> None:
    paid = replace(order(1, CODES), payment=Payment(fee=Decimal(10)), total=Decimal("979.80"))
    (outcome,) = make(one, paid)
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "quincefin-fee"
    given = {"orders": orders(one, fee_service=one.ids["delivery"])}
    assert make(one, paid, given=given)[0].error is None
    assert one.order()["Sum"] == Decimal("979.80")


def test_delivery_as_a_line_needs_its_service(one: Account) -> None:
    given = {"orders": orders(one, delivery="line")}
    assert isinstance(make(one, order(1, CODES), given=given)[0].error, Held)
    given = {"orders": orders(one, delivery="line", delivery_service=one.ids["delivery"])}
    assert make(one, order(1, CODES), given=given)[0].error is None
    row = one.order()
    assert row["Products"][-1] == {"Product": one.ids["delivery"], "Quantity": 1, "Price": 70}
    assert ("Delivery" in row, row["Sum"]) == (False, Decimal("969.80"))


@pytest.mark.parametrize("way", ["document", "lines", "prices"])
def test_taxes_on_top_go_into_the_prices(one: Account, way: str) -> None:
    lines = tuple(replace(line, tax_rate=Decimal(20)) for line in order(1, CODES).lines)
    net = replace(order(1, CODES), lines=lines, prices_include_tax=False, discounts=(), delivery=Delivery(),
                  total=Decimal("1103.76"))  # fmt: skip
    assert make(one, net, given={"orders": orders(one, discounts=way)})[0].error is None
    assert one.order()["Sum"] == Decimal("1103.76")


def test_what_has_no_field_is_written_down(one: Account) -> None:
    make(one, order(1, CODES, source="other"))
    assert one.order()["Comment"] == "Source: other"
    assert "Source" not in one.order()


def test_names_that_are_not_there_are_made_by_the_account_where_that_is_wanted(one: Account) -> None:
    given = {"new_names": True, "orders": orders(one, statuses={"new": "Нове"})}
    system = one.open(**given)
    assert system.ensure("source", "etsy") == Ref("", "etsy", "etsy")
    make(one, order(1, CODES, source="etsy"), given=given)
    assert (one.order()["Source"], one.order()["Status"]) == ("etsy", "Нове")
    (outcome,) = make(one, order(2, CODES), given={"orders": orders(one, statuses={"new": "Нове"})})
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "unknown-status"
    assert "confirmed" in str(outcome.error.hint)
    with pytest.raises(ConfigError):
        one.open().ensure("status", "Невідомий")
    with pytest.raises(ConfigError):
        system.ensure("user", "Хтось")


def test_references_are_those_of_the_settings_and_of_the_orders_that_are_there(one: Account) -> None:
    one.fake.behave(references="objects")
    other = one.fake.put("statuses", Name="Повернено")
    one.fake.put("order", Status=other, Products=[])
    system = one.open()
    assert [ref.code for ref in system.references("status")] == sorted([*one.settings["statuses"], "Повернено"])
    found = system.find_references("status", ["повернено", "new", "7777", "Нема"])
    assert {code: ref.id for code, ref in found.items()} == {
        "повернено": str(other), "new": str(one.ids["new"]), "7777": "7777",
    }  # fmt: skip
    assert [ref.name for ref in system.references("service")] == ["Доставка"]
    assert [ref.name for ref in system.references("price-type")] == ["Роздріб"]
    assert system.references("object") == ()
    assert system.find_references("object", ["x"]) == {}
    assert [ref.code for ref in system.references("account")] == ["Каса", "Рахунок"]
    partner = one.fake.put("partner", Name="А", ParentFolder=None)
    assert set(system.find_references("party", [str(partner), "999999", "x"])) == {str(partner)}
    assert [ref.name for ref in system.warehouses()] == ["main"]


# --- once ------------------------------------------------------------------------------------------------------------


def test_f03_a_lost_answer_is_looked_up_and_nothing_is_made_twice(one: Account) -> None:
    one.fake.lose_reply(path=ADD)
    (outcome,) = make(one, order(1, CODES))
    assert outcome.error is None
    assert make(one, order(1, CODES))[0].existed
    assert len(one.fake.orders()) == 1


@pytest.mark.parametrize("path", ["partner/add", "contract/add"])
def test_f03_a_lost_answer_on_the_way_makes_no_twin_either(one: Account, path: str) -> None:
    one.fake.lose_reply(path=f"/api/v2/{path}")
    assert make(one, order(1, CODES))[0].error is None
    assert len(one.fake.rows(path.removesuffix("/add"))) == 1


def test_f07_what_was_lost_before_it_was_made_is_in_doubt_and_made_by_the_next_try(one: Account) -> None:
    one.fake.drop(path=ADD)
    first, second = make(one, order(1, CODES), order(2, CODES))
    assert isinstance(first.error, InDoubt)
    assert second.error is None
    assert one.asked("order/add") == ["order/add"] * 2, "never posted again blindly"
    assert not make(one, order(1, CODES))[0].existed
    assert len(one.fake.orders()) == 2


def test_f03_a_page_in_place_of_an_answer_is_looked_up(one: Account) -> None:
    one.fake.fail(502, "<html>Bad gateway</html>", path=ADD, handled=True)
    one.fake.fail(200, "<html>ok</html>", path=ADD, handled=True)
    assert [outcome.error for outcome in make(one, order(1, CODES), order(2, CODES))] == [None, None]
    assert len(one.fake.orders()) == 2


def test_f07_a_doubt_that_cannot_be_looked_up_stays_a_doubt(one: Account) -> None:
    for path in ("partner", "contract", "order"):
        made = len(one.fake.rows(path))

        def grown(_asked: Any, path: str = path, made: int = made) -> bool:
            return len(one.fake.rows(path)) > made

        one.fake.lose_reply(path=f"/api/v2/{path}/add")
        one.fake.fail(503, path=f"/api/v2/{path}/list", times=4, when=grown)
        (outcome,) = make(one, order(1, CODES))
        assert isinstance(outcome.error, InDoubt), path
    assert make(one, order(1, CODES))[0].existed
    one.fake.fail(500, path="/api/v2/order/list", times=4, when=lambda asked: "Id" in str(asked.json()))
    (outcome,) = make(one, order(2, CODES))
    assert isinstance(outcome.error, InDoubt), "it was taken, and could not be looked at"
    assert make(one, order(2, CODES))[0].existed
    assert [len(one.fake.rows(name)) for name in ("order", "partner", "contract")] == [2, 2, 2]


def test_f08_what_strikes_all_ends_the_batch_and_rejects_nothing(one: Account) -> None:
    one.fake.fail(503, path="/api/v2/contract/list", times=4)
    outcomes = make(one, order(1, CODES), order(2, CODES))
    assert [type(outcome.error) for outcome in outcomes] == [Transient, Transient]
    assert make(one, order(1, CODES))[0].error is None
    one.fake.fail(401, {"success": False, "error": "unauthorized"}, path=ADD)
    outcomes = make(one, order(2, CODES), order(3, CODES))
    assert [type(outcome.error) for outcome in outcomes] == [Refused, Refused]


def test_f09_a_refused_order_is_held_with_the_words_and_its_siblings_are_made(one: Account) -> None:
    one.fake.fail(200, {"success": False, "error": "Договір <b>закрито</b>"}, path=ADD)
    bad, good = make(one, order(1, CODES), order(2, CODES))
    assert isinstance(bad.error, Held)
    assert "Договір <b>закрито</b>" in str(bad.error)
    assert good.error is None


def test_an_order_is_found_however_old_it_is(one: Account) -> None:
    old = replace(order(1, CODES), created_at=MOMENT - timedelta(days=300))
    make(one, old)
    assert make(one, old, order(2, CODES))[0].existed
    one.fake.forget()
    assert set(one.open().find(["demo/shop/1/create/0", "demo/shop/2/create/0"])) == {
        "demo/shop/1/create/0", "demo/shop/2/create/0",
    }  # fmt: skip
    assert len(one.asked("order/list")) < 12, "month by month, until all are found"
    one.fake.forget()
    assert set(one.open().find(["demo/shop/2/create/0"])) == {"demo/shop/2/create/0"}
    assert one.asked("order/list") == ["order/list"], "the last month is enough"
    assert one.open(look_back="90d").find(["demo/shop/1/create/0"]) == {}
    assert [listed.order_id for listed in one.open().all_documents()] == ["1", "2"]


def test_an_order_of_midnight_is_found_in_any_zone() -> None:
    for zone, exclusive in (("UTC", "inclusive"), ("Europe/Kyiv", "exclusive")):
        with account(Quirks(zone=zone, date_to=exclusive)) as one:  # type: ignore[arg-type]
            for hour in (0, 2, 21, 22, 23):
                late = replace(order(hour, CODES), created_at=MOMENT.replace(hour=hour, minute=59))
                assert make(one, late, given={"zone": "UTC"})[0].error is None
                assert make(one, late, given={"zone": "UTC"})[0].existed


def test_of_two_that_were_made_once_the_older_is_meant(one: Account) -> None:
    make(one, order(1, CODES))
    first = one.order()["Id"]
    one.fake.put("order", NumberOrderSite="shop/1", Products=[])
    assert one.open().find(["demo/shop/1/create/0"])["demo/shop/1/create/0"].id == str(first)


@pytest.mark.parametrize(
    ("there", "held"),
    [
        ({"NumberOrderSite": "1"}, True),
        ({"NumberOrderSite": "00000001"}, True),
        ({"Comment": "KeyCRM #00000001, передзвонити"}, True),
        ({"Comment": "тел. 1, 000000010"}, False),
        ({"NumberOrderSite": "market/1"}, False),
        ({"NumberOrderSite": "100000001"}, False),
        ({"Comment": None, "NumberOrderSite": None}, False),
    ],
)
def test_an_order_that_another_program_has_brought_holds_ours(one: Account, there: dict[str, Any], held: bool) -> None:
    one.fake.put("order", **there, Products=[])
    (outcome,) = make(one, order(1, CODES))
    assert isinstance(outcome.error, Held) is held
    assert outcome.error is None or outcome.error.code == "quincefin-twin"
    assert make(one, order(1, CODES), given={"orders": orders(one, twins="ignore")})[0].error is None


def test_a_total_that_the_account_reckons_otherwise_is_held(one: Account) -> None:
    """An account without the field of a discount, that keeps what it does not know."""
    given = {"fields": {"discount": "Rebate"}}
    (outcome,) = make(one, order(1, CODES), given=given)
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "quincefin-total"
    assert "989.80" in str(outcome.error)
    assert make(one, order(2, CODES), given={**given, "orders": orders(one, discounts="lines")})[0].error is None


def test_an_account_that_drops_the_number_is_told_and_not_used(one: Account) -> None:
    one.fake.behave(unknown_fields="dropped")
    original = one.fake.account.own_name

    def own_name(listed: Any, word: str) -> str | None:
        return None if word == "NumberOrderSite" else original(listed, word)

    one.fake.account.own_name = own_name  # type: ignore[method-assign]
    (outcome,) = make(one, order(1, CODES))
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "quincefin-kept"


def test_rows_of_nulls_and_html_hurt_nothing(one: Account) -> None:
    names = ("NumberOrderSite", "Comment", "Sum", "Status", "Partner", "Products", "Currency")
    one.fake.put("order", **dict.fromkeys(names))
    one.fake.put("order", NumberOrderSite="<a/b>", Comment="<p>1</p>", Products=[])
    one.fake.put("partner", Name=None, Contacts=None, TaxNumber=None, Comment=None)
    one.fake.put("product", Name=None, Article=None, Kind="P", Barcode=None)
    assert make(one, order(1, CODES))[0].error is None
    assert make(one, order(1, CODES))[0].existed


def test_goods_that_are_gone_or_are_a_base_are_held(one: Account) -> None:
    base = one.fake.add_product("Футболка", "TS", kind="B")
    system = one.open()
    (draft,) = drafts_of(system, [order(1, CODES)])
    gone = replace(draft, products=(Ref("999999", "X"), *draft.products[1:]))
    based = replace(draft, products=(Ref(str(base), "TS"), *draft.products[1:]))
    codes = [outcome.error.code for outcome in system.create([gone, based]) if outcome.error]
    assert codes == ["quincefin-gone", "quincefin-base"]
    assert one.fake.orders() == []


VICTIM = """
import os, signal, sys
from pathlib import Path
from plugins.systems.quincefin.client import Client
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin import open_account
from pipeline.api import SystemEnv
from pipeline.testing.documents_contract import drafts_of, order
from tests.systems.quincefin.account import CODES
from tests.systems.quincefin.conftest import Clock
import json

original, path = Client.add, sys.argv[2]

def add(self, to, record, **more):
    made = original(self, to, record, **more)
    if to == path:
        os.kill(os.getpid(), signal.SIGKILL)
    return made

Client.add = add
settings = QuincefinSettings.model_validate(json.loads(sys.argv[1]))
system = open_account(settings, SystemEnv("books", "demo", Path(), "UAH", "Europe/Kyiv", Clock()))
system.create(drafts_of(system, [order(1, CODES), order(2, CODES)]))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("path", ["partner", "contract", "order"])
def test_f04_a_kill_between_the_create_and_its_answer_makes_no_twin(one: Account, path: str) -> None:
    given = json.dumps({"url": one.url, "token": "key", "pace": 50, **one.settings})
    killed = subprocess.run([sys.executable, "-c", VICTIM, given, path], cwd=Path.cwd(), check=False)
    assert killed.returncode == -SIGKILL
    outcomes = make(one, order(1, CODES), order(2, CODES))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert outcomes[0].existed is (path == "order")
    assert [len(one.fake.rows(name)) for name in ("order", "partner", "contract")] == [2, 2, 2]


# --- changed ---------------------------------------------------------------------------------------------------------


def amend(one: Account, newer: Order, given: dict[str, Any] | None = None, **more: Any) -> DocumentOutcome:
    system = one.open(**(given or {}))
    (draft,) = drafts_of(system, [newer])
    ref = DocumentRef(str(one.order()["Id"]), "1", "demo/shop/1/create/0")
    (outcome,) = system.amend([Amendment(key="demo/shop/1/amend/2", ref=ref, draft=replace(draft, **more))])
    return outcome


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("refuses", ["allowed", "refused"])
def test_a_posted_order_is_changed_only_where_that_is_wanted(fixed: bool, refuses: Any) -> None:
    with account(Quirks(update_fixed=refuses)) as one:
        make(one, order(1, CODES))
        one.fake.change("order", one.order()["Id"], Fixed=fixed)
        outcome = amend(one, larger(CODES))
        assert (outcome.error is None) is not fixed
        allowed = amend(one, larger(CODES), {"change_posted": True})
        assert (allowed.error is None) is (not fixed or refuses == "allowed")
        assert one.order()["Fixed"] is fixed, "never posted, nor taken back, by a change"


def test_orders_are_posted_as_they_are_made_where_that_is_wanted(one: Account) -> None:
    make(one, order(1, CODES), given={"post": ["orders"]})
    assert one.order()["Fixed"] is True


@pytest.mark.parametrize("update", ["partial", "full"])
def test_an_account_that_adds_lines_to_those_that_are_there(update: Any) -> None:
    with account(Quirks(update="full" if update == "full" else "partial", update_lines="merge")) as one:
        given = {"update": update, "update_lines": "merge", "orders": orders(one, discounts="document")}
        make(one, order(1, CODES), given=given)
        more = replace(order(1, CODES), comment="", status="paid")
        assert amend(one, more, given, comment="Інакше").error is None
        assert (one.order()["Comment"], len(one.order()["Products"]), one.order()["Sum"]) == (
            "Інакше", 3, Decimal("969.80"),
        )  # fmt: skip
        line = OrderLine(code=CODES[0], name="Ще", quantity=Decimal(1), price=Decimal(10))
        longer = replace(more, lines=(*more.lines, line), total=Decimal("979.80"))
        assert amend(one, longer, given).error is None
        assert (len(one.order()["Products"]), one.order()["Sum"]) == (4, Decimal("979.80"))
        outcome = amend(one, order(1, CODES), given)
        assert isinstance(outcome.error, Held)
        assert outcome.error.code == "quincefin-lines"


@pytest.mark.parametrize(("real", "said"), [("merge", "replace"), ("replace", "merge")])
def test_a_wrong_setting_about_lines_is_told_and_never_passes_for_done(real: Any, said: Any) -> None:
    with account(Quirks(update_lines=real)) as one:
        make(one, order(1, CODES))
        line = OrderLine(code=CODES[0], name="Ще", quantity=Decimal(1), price=Decimal(10))
        longer = replace(order(1, CODES), lines=(*order(1, CODES).lines, line), total=Decimal("979.80"))
        outcome = amend(one, longer, {"update_lines": said})
        assert isinstance(outcome.error, Held)


def test_a_full_update_keeps_what_people_have_written() -> None:
    with account(Quirks(update="full", references="objects")) as one:
        make(one, order(1, CODES))
        one.fake.change("order", one.order()["Id"], **{"unknown Project": "Осінь"})
        assert amend(one, larger(CODES), {"update": "full"}).error is None
        row = one.order()
        assert (row["unknown Project"], row["Sum"], row["Number"]) == ("Осінь", Decimal("1359.30"), "000000001")
        assert row["NumberOrderSite"] == "shop/1"


def test_a_change_whose_answer_is_lost_is_made_once_more_or_looked_up(one: Account) -> None:
    make(one, order(1, CODES))
    one.fake.lose_reply(path="/api/v2/order/update")
    assert amend(one, larger(CODES)).error is None
    assert one.order()["Sum"] == Decimal("1359.30")
    given = {"update_lines": "merge"}
    one.fake.lose_reply(path="/api/v2/order/update")
    assert amend(one, replace(larger(CODES), status="paid"), given).error is None
    assert len(one.asked("order/update")) == 3, "what is not safe to repeat is looked up"


def test_nothing_of_a_change_reaches_the_goods(one: Account) -> None:
    before = one.fake.rows("product")
    make(one, order(1, CODES))
    amend(one, larger(CODES))
    assert one.fake.rows("product") == before, "no weight, size or price of a card is touched by an order"
    assert not [path for path in one.asked() if path.startswith(("product/add", "product/update", "price/"))]


def test_the_status_of_an_order_that_was_read_again_is_brought_over(one: Account) -> None:
    make(one, order(1, CODES))
    assert amend(one, replace(order(1, CODES), status="confirmed")).error is None
    assert one.order()["Status"] == one.ids["confirmed"]
    assert one.sent("order/update") == {"Id": one.order()["Id"], "Status": one.ids["confirmed"]}


def test_a_cancelled_order_needs_a_status_for_it(one: Account) -> None:
    make(one, order(1, CODES))
    ref = DocumentRef(str(one.order()["Id"]), "1")
    wanted = Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")
    (outcome,) = one.open(orders={"statuses": {}}).cancel([wanted])
    assert isinstance(outcome.error, Held)
    assert "statuses: {cancelled: …}" in str(outcome.error.hint)
    (outcome,) = one.open(orders={"statuses": {"cancelled": "cancelled"}}).cancel([replace(wanted, status="refunded")])
    assert outcome.error is None
    assert one.order()["Status"] == one.ids["cancelled"]
    (outcome,) = one.open(fields={"status": ""}).cancel([wanted])
    assert isinstance(outcome.error, Held)


def test_a_status_that_the_account_does_not_keep_is_told(one: Account) -> None:
    make(one, order(1, CODES))
    ref = DocumentRef(str(one.order()["Id"]), "1")
    one.fake.fail(200, {"success": True, "data": []}, path="/api/v2/order/update")
    change = StatusChange(key="demo/shop/1/status/1", ref=ref, status=Ref(str(one.ids["paid"]), "paid"))
    (outcome,) = one.open().set_statuses([change])
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "quincefin-kept"


# --- pure ------------------------------------------------------------------------------------------------------------

MONEY = st.decimals(Decimal("0.00"), Decimal("999.99"), places=2)
FINE = st.decimals(Decimal("0.000"), Decimal("99.999"), places=3)


@st.composite
def drafts(draw: st.DrawFn) -> DocumentDraft:
    lines = []
    for n in range(draw(st.integers(1, 5))):
        price, quantity = draw(FINE), Decimal(draw(st.integers(1, 9)))
        if draw(st.booleans()):
            quantity = draw(st.decimals(Decimal("0.001"), Decimal("9.999"), places=3))
        whole = (price * quantity).quantize(Decimal("0.01"), "ROUND_FLOOR")
        discount = min(draw(MONEY), whole)
        rate = draw(st.sampled_from([None, Decimal(0), Decimal(7), Decimal(20)]))
        lines.append(OrderLine(code=f"{n}", name="", quantity=quantity, price=price, discount=discount, tax_rate=rate))
    made = Order(
        id="1", number="1", source="shop", created_at=MOMENT, currency="UAH", customer=Party(last_name="А"),
        lines=tuple(lines), total=Decimal(0), delivery=Delivery(cost=draw(MONEY)), payment=Payment(fee=draw(MONEY)),
        discounts=tuple(Discount(amount=amount) for amount in draw(st.lists(MONEY, max_size=2))),
        prices_include_tax=draw(st.booleans()),
    )  # fmt: skip
    from pipeline.api import order_totals

    total = order_totals(made).total
    even = draw(st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01")]))
    made = replace(made, total=max(total + even, Decimal(0)))
    rounding = made.total - order_totals(made).total  # as the steps reckon it
    return DocumentDraft(key="k", order=made, products=tuple(Ref(str(n), "") for n in range(len(lines))),
                         rounding=rounding)  # fmt: skip


@given(drafts(), st.sampled_from(["document", "lines", "prices"]), st.sampled_from([None, 77]))
def test_the_parts_of_any_order_make_its_total_to_the_cent(draft: DocumentDraft, way: Any, delivery: Any) -> None:
    reckoned = reckon(draft, range(len(draft.products)), way, Services(delivery, 88))
    total = sum((line.sum for line in reckoned.lines), Decimal(0)) + reckoned.delivery - reckoned.discount
    assert total.quantize(Decimal("0.01"), "ROUND_HALF_UP") == draft.order.total
    assert reckoned.discount >= 0
    assert all(line.discount >= 0 and line.price >= 0 for line in reckoned.lines)
    sold: dict[int, Decimal] = {}
    for line in reckoned.lines:
        sold[line.product] = sold.get(line.product, Decimal(0)) + line.quantity
    assert all(sold[n] == line.quantity for n, line in enumerate(draft.order.lines)), "no quantity changes"
    if way == "prices":
        assert not any(line.discount for line in reckoned.lines)


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_the_marks_of_an_order_go_there_and_back(source: str, own: str) -> None:
    key = key_of("acme", source, own)
    assert order_of_key(key) == (source, own)
    assert mark_in(marked("коментар [x]", follower_mark(key) or "")) == follower_mark(key)
    try:
        mark = mark_of(source, own)
    except Held:
        return
    assert order_of(mark) == (source, own)


@pytest.mark.parametrize("key", ["", "a/b", "demo/shop//create/0", "demo/shop/1/create/0/more"])
def test_a_key_that_is_none_of_ours_finds_nothing(one: Account, key: str) -> None:
    assert one.open().find([key]) == {}


def test_an_address_is_one_line() -> None:
    from plugins.systems.quincefin.order_out import address

    place = Address(city="Київ", street="Хрещатик", house="1", apartment="2", zip="01001", text="усе разом")
    assert address(Delivery(address=place)) == "01001, Київ, Хрещатик 1, 2"
    assert address(Delivery(address=Address(text="м. Львів, площа Ринок"))) == "м. Львів, площа Ринок"
    assert address(Delivery()) == ""
