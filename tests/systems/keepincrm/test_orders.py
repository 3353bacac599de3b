"""Agreements are read as orders whatever the account tells of them, each change once; and told what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import (
    Held,
    Hint,
    Order,
    OrderChange,
    Ref,
    Refused,
    RowOutcome,
    SeenOrder,
    Transient,
    order_totals,
)
from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.keepincrm.agreements import Desk
from plugins.systems.keepincrm.fake import FREE_PLAN, Quirks, render
from plugins.systems.keepincrm.hooks import LONGEST, hint
from plugins.systems.keepincrm.order_settings import OrderSettings
from tests.systems.keepincrm.world import World
from tests.systems.keycrm.test_mapping import anything

HOUR = timedelta(hours=1)
NAMES = ("Нове", "Відправлено", "Виконано")


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """An account with a product, three stages, a source and a person."""
    fake = world.fake
    fake.add_material("LMP-9", "Лак", price=450)
    funnel = fake.add_named("funnels", "Продажі")
    for name in NAMES:
        fake.add_stage(name, funnel)
    fake.add_named("sources", "Сайт")
    fake.add_named("users", "Олена Коваленко")
    yield world
    assert {asked.method for asked in fake.asked()} <= {"GET", "PATCH"}, "nothing is made"


def key(shop: World, table: str, name: str) -> int:
    return next(own for own, row in shop.fake.account.tables[table].items() if row["name"] == name)


def stages(shop: World) -> dict[str, int]:
    return {name: key(shop, "stages", name) for name in NAMES}


LINES = ({"sku": "LMP-9", "title": "Лак  акриловий", "amount": 2, "price": Decimal("450.50")},)


def add(shop: World, title: str = "№ 5", jobs: Any = LINES, **more: Any) -> int:
    return shop.fake.add_agreement(title, jobs, **{"stage_id": key(shop, "stages", "Нове"), **more})


def seen(shop: World, *args: Any, orders: dict[str, Any] | None = None, **named: Any) -> list[SeenOrder]:
    return list(shop.open(orders=orders or {}).orders(*args, **named))


def only(shop: World, **orders: Any) -> SeenOrder:
    (one,) = seen(shop, orders=orders)
    return one


def order_of(shop: World, **orders: Any) -> Order:
    one = only(shop, **orders)
    assert one.order is not None, one.findings
    return one.order


# --- what an agreement says ------------------------------------------------------------------------------------------

FORMS: dict[str, dict[str, Any]] = {
    "likeliest": {},
    "text": {"total_form": "text", "total_name": "total"},
    "comma": {"total_form": "comma", "total_name": "total_amount"},
    "nested": {"jobs_read": "nested"},
    "not in lists": {"jobs_in_list": False, "sorting": False, "not_found": "empty"},
    "stage by name": {"stage_read": "name", "stage_filter": True},
    "utc": {"zone": "UTC", "milliseconds": False, "order": "oldest_first"},
    "deaf": {"updated_at_filter": "ignored", "per_page_max": 0, "pagination_counts": False},
    "refusing": {"updated_at_filter": "refused", "unknown_filter": "refused"},
}


@pytest.mark.parametrize("quirks", FORMS.values(), ids=list(FORMS))
def test_an_agreement_is_read_with_all_that_it_says_in_every_form(shop: World, quirks: dict[str, Any]) -> None:
    shop.fake.behave(**quirks)
    client = shop.fake.add_client(
        "ТОВ «Ромашка»", person="Шевченко Олена Петрівна", phones=["+380501112233", "+380440000000"], email="o@e.com"
    )
    field = shop.fake.add_custom_field("Кличка", "agreement")
    jobs = [
        *LINES,
        {"title": "Листівка", "amount": Decimal("1.5"), "price": 10},
        {"title": "Доставка", "amount": 1, "price": 70},
        {"sku": "FEE", "title": "За післяплату", "amount": 1, "price": 20},
    ]
    number = add(
        shop, " Замовлення  5501 (shop)", jobs, client_id=client, source_id=key(shop, "sources", "Сайт"),
        main_responsible_id=key(shop, "users", "Олена Коваленко"), comment=" Подзвонити ", paid=Decimal(500),
        deliveries=[{"ttn": ""}, {"ttn": "20450000000001"}], custom_fields={str(field): "Лорд"},
        ordered_at="2026-11-22T09:30:00+00:00",
    )  # fmt: skip
    one = only(shop, stages=stages(shop))
    assert (one.id, one.number, one.findings) == (str(number), "5501", ())
    assert one.status == str(key(shop, "stages", "Нове"))
    assert one.updated_at == shop.clock.moment
    order = one.order
    assert order is not None
    assert (order.id, order.number, order.source, order.currency) == (str(number), "5501", "crm", "UAH")
    assert order.created_at == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    assert (order.total, order_totals(order).total, order.status) == (Decimal(1006), Decimal(1006), "Нове")
    first, second = order.lines
    assert (first.code, first.name, first.price, first.quantity, first.number) == (
        "LMP-9", "Лак акриловий", Decimal("450.50"), Decimal(2), 1
    )  # fmt: skip
    assert (second.code, second.quantity, second.price) == ("", Decimal("1.5"), Decimal(10))
    assert (order.delivery.cost, order.payment.fee) == (Decimal(70), Decimal(20))
    assert order.delivery.tracking == "20450000000001"
    assert (order.payment.status, order.payment.paid) == ("partly", Decimal(500))
    buyer = order.customer
    assert (buyer.kind, buyer.company, buyer.last_name, buyer.first_name, buyer.middle_name) == (
        "company", "ТОВ «Ромашка»", "Шевченко", "Олена", "Петрівна"
    )  # fmt: skip
    assert (buyer.phone, buyer.email) == ("+380501112233", "o@e.com")
    assert (order.comment, order.manager_comment, order.manager) == ("", "Подзвонити", "Олена Коваленко")
    assert order.extra == {
        "stage": "Нове", "source": "Сайт", "client_id": str(client), "title": "Замовлення  5501 (shop)",
        "field.Кличка": "Лорд",
    }  # fmt: skip


def test_a_number_of_people_s_own_is_the_title(shop: World) -> None:
    add(shop, " Дзвінок  від Івана ")
    assert only(shop).number == "Дзвінок від Івана"
    shop.fake.account.tables["agreements"].clear()
    number = add(shop, "")
    assert only(shop).number == str(number)


@pytest.mark.parametrize(
    ("change", "config", "status", "meant"),
    [
        ({}, {}, "stage", "Нове"),
        ({}, {"statuses": {"Нове": "new"}}, "stage", "new"),
        ({"result": "successful"}, {"statuses": {"Нове": "new"}}, "successful", "completed"),
        ({"result": "failed"}, {}, "failed", "cancelled"),
        ({"result": "failed"}, {"statuses": {"failed": "refunded"}}, "failed", "refunded"),
        ({"stage_id": None}, {}, "", ""),
    ],
)
@pytest.mark.parametrize("read", ["both", "name"])
@pytest.mark.parametrize("named", [True, False])
def test_a_status_is_how_it_was_closed_else_its_stage(
    shop: World, read: Any, named: bool, change: dict[str, Any], config: dict[str, Any], status: str, meant: str
) -> None:
    shop.fake.behave(stage_read=read)
    add(shop, **change)
    one = only(shop, **config, stages=stages(shop) if named else {})
    own = "Нове" if read == "name" and not named else str(key(shop, "stages", "Нове"))
    assert one.status == (own if status == "stage" else status)
    assert one.order is not None
    assert one.order.status == meant


def test_a_status_is_named_by_its_number_as_well(shop: World) -> None:
    add(shop)
    assert order_of(shop, statuses={str(key(shop, "stages", "Нове")): "new"}).status == "new"


@pytest.mark.parametrize(
    ("client", "last", "company"),
    [
        ({"company": "Іван Тестовий", "person": "Іван Тестовий"}, "Іван", ""),
        ({"company": "ТОВ А", "person": ""}, "ТОВ", ""),
        ({"company": "ТОВ «А»", "person": "Бойко Ганна"}, "Бойко", "ТОВ «А»"),
        ({"company": "Х", "person": None}, "Х", ""),
    ],
)
def test_a_company_has_another_name_than_its_person(
    shop: World, client: dict[str, Any], last: str, company: str
) -> None:
    add(shop, client_id=shop.fake.add_client(**client))
    buyer = order_of(shop).customer
    assert (buyer.last_name, buyer.company, buyer.phone) == (last, company, "")


def test_a_client_that_is_told_by_name_only_is_looked_at_once(shop: World) -> None:
    client = shop.fake.add_client("Х", phones=["+380501112233"])
    for _ in range(3):
        add(shop, client_id=client)
    tell = shop.fake.agreements.tell

    def short(row: Any, **how: Any) -> Any:
        told = tell(row, **how)
        return {**told, "client": {"id": client, "person": None, "company": "Х"}}

    shop.fake.agreements.tell = short  # type: ignore[method-assign]
    orders = [one.order for one in seen(shop)]
    assert [order and order.customer.phone for order in orders] == ["+380501112233"] * 3
    assert len(shop.fake.asked("GET", f"/v1/clients/{client}$")) == 1
    del shop.fake.account.tables["clients"][client]
    assert [one.order and one.order.customer.phone for one in seen(shop)] == ["", "", ""]


def test_an_agreement_without_client_or_lines_is_told_as_it_is(shop: World) -> None:
    add(shop, jobs=())
    order = order_of(shop)
    assert (order.lines, order.total, order.customer.title) == ((), Decimal(0), "")


@pytest.mark.parametrize(
    ("told", "off"),
    [(20, 20), ("10", Decimal("90.10")), (None, 0), ("багато", 0), (-20, 0), (5, 0)],
)
def test_a_discount_counts_where_it_explains_the_total(shop: World, told: Any, off: Any) -> None:
    number = add(shop, total=Decimal(901) - off)
    tell = shop.fake.agreements.tell
    shop.fake.agreements.tell = lambda row, **how: {**tell(row, **how), "discount": told}  # type: ignore[method-assign]
    order = order_of(shop)
    assert [one.amount for one in order.discounts] == ([off] if off else [])
    assert order_totals(order).total == order.total
    shop.fake.account.tables["agreements"][number]["total"] = Decimal(999)
    assert order_totals(order_of(shop)).total != 999, "the engine holds it for the difference"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"total_amount": None, "total": None}, "total"),
        ({"total_amount": "багато"}, "total"),
        ({"total_amount": "1,234"}, "total"),
        ({"total_amount": 10**13}, "total"),
        ({"jobs": None}, "jobs"),
        ({"jobs": "-"}, "jobs"),
        ({"jobs": [{"amount": None, "price": 1}]}, r"jobs\[1\].amount"),
        ({"jobs": [{"amount": 1, "price": None}]}, r"jobs\[1\].price"),
        ({"jobs": [{"amount": 1, "price": 1}, {"amount": 1, "price": {}}]}, r"jobs\[2\].price"),
        ({"ordered_at": None, "created_at": "учора"}, "ordered_at"),
    ],
)
def test_an_agreement_that_cannot_be_read_is_held_and_the_others_go_on(
    shop: World, change: dict[str, Any], what: str
) -> None:
    numbers = [add(shop), add(shop)]
    rows = [shop.fake.agreements.tell(shop.fake.account.tables["agreements"][n], in_list=True) for n in numbers]
    shop.fake.fail(
        200, {"items": [{**rows[0], **change}, rows[1]], "pagination": {"total_pages": 1}}, path="/v1/agreements$"
    )
    bad, good = seen(shop)
    assert bad.order is None
    assert (bad.id, bad.number) == (str(numbers[0]), "№ 5")
    (finding,) = bad.findings
    assert finding.where.order == str(numbers[0])
    assert what.replace("\\", "") in str(finding.text)
    assert good.order is not None


def test_an_account_that_tells_no_lines_is_said_so_of_each(shop: World) -> None:
    shop.fake.behave(jobs_read="absent")
    add(shop)
    (finding,) = only(shop).findings
    assert "jobs" in str(finding.text)


good: dict[str, Any] = {"id": 5, "total": 1, "created_at": "2026-11-20T10:00:00Z", "jobs": [{"amount": 1, "price": 1}]}
fields = st.sampled_from(
    ["title", "total", "total_amount", "result", "stage", "stage_id", "source", "client", "jobs", "deliveries", "paid",
     "discount", "currency", "comment", "custom_fields", "ordered_at", "created_at", "updated_at", "main_responsible",
     "archive_status", "amount", "price", "sku", "product", "material", "phones", "person", "last_name"]
)  # fmt: skip


@given(st.dictionaries(fields, anything))
def test_no_row_breaks_the_reader(row: dict[str, Any]) -> None:
    desk = Desk(OrderSettings(mark_field="x", stages={"Нове": 3}), "crm", "UAH", ZoneInfo("Europe/Kyiv"))
    nested = {"client": row, "stage": row, "jobs": [{**row, **good["jobs"][0]}], "deliveries": [row]}
    for one in ({**row, "id": 5}, {**good, **row, "id": 5}, {**good, **nested}):
        found = desk.read(one)
        assert found.id == "5"
        assert (found.order is None) is bool(found.findings)
        assert len(found.revision) == 20


# --- which agreements ------------------------------------------------------------------------------------------------


def touch(shop: World, number: int) -> None:
    shop.fake.account.touch(shop.fake.account.tables["agreements"][number])


@pytest.mark.parametrize("how", ["works", "ignored", "refused"])
@pytest.mark.parametrize("unknown", ["ignored", "refused"])
@pytest.mark.parametrize("sorting", [True, False])
def test_what_has_changed_is_told_with_an_overlap_the_oldest_change_first(
    shop: World, how: Any, unknown: Any, sorting: bool
) -> None:
    shop.fake.behave(updated_at_filter=how, unknown_filter=unknown, sorting=sorting)
    numbers = []
    for _ in range(5):
        numbers.append(add(shop))
        shop.clock.pass_(hours=1)
    since = shop.clock.moment
    shop.clock.pass_(minutes=1)
    touch(shop, numbers[3])
    shop.clock.pass_(minutes=1)
    touch(shop, numbers[1])
    one, two, three, four, five = map(str, numbers)
    assert [order.id for order in seen(shop, since)] == [four, two]
    assert [order.id for order in seen(shop, since - timedelta(minutes=55))] == [five, four, two], "five minutes before"
    assert [order.id for order in seen(shop, None, since)] == [one, three, five]
    assert [order.id for order in seen(shop)] == [one, three, five, four, two]


def test_what_was_ordered_before_the_window_is_left_out_whether_the_account_listens_or_not(shop: World) -> None:
    old = add(shop, ordered_at="2026-08-01T09:00:00+00:00")
    new = add(shop, ordered_at="2026-09-01T09:00:00+00:00")
    nobody_knows = add(shop, ordered_at=None)
    assert [order.id for order in seen(shop)] == [str(new)]
    rows = [shop.fake.agreements.tell(shop.fake.account.tables["agreements"][n]) for n in (old, new, nobody_knows)]
    shop.fake.fail(200, {"items": rows, "pagination": {"total_pages": 1}}, path="/v1/agreements$")
    assert [order.id for order in seen(shop)] == [str(new), str(nobody_knows)], "it was made just now, at any rate"
    assert [order.id for order in seen(shop, orders={"window": "200d"})] == [str(old), str(new)]
    long_ago = datetime(2026, 7, 1, tzinfo=UTC)
    assert [order.id for order in seen(shop, long_ago)] == [str(old), str(new)], "whoever asks for more gets it"


def test_statuses_are_chosen_by_number_or_name_or_how_it_was_closed(shop: World) -> None:
    numbers = [add(shop, stage_id=number) for number in stages(shop).values()]
    won = add(shop, result="successful")
    config = {"stages": stages(shop)}
    sent = str(key(shop, "stages", "Відправлено"))
    for asked, found in (
        (["Відправлено"], [numbers[1]]),
        ([sent, "Виконано"], numbers[1:]),
        (["successful"], [won]),
        (["Нема"], []),
        ([], [*numbers, won]),
    ):
        assert [one.id for one in seen(shop, orders=config, statuses=asked)] == [str(own) for own in found]
    told = shop.open(orders=config).order_statuses()
    assert told[0] == Ref(str(numbers and key(shop, "stages", "Нове")), "Нове", "Нове")
    assert [ref.code for ref in told] == [*NAMES, "successful", "failed"]


def meanwhile(shop: World, act: Callable[[], None]) -> None:
    """Once, after the first page of agreements."""
    real, done = shop.fake.after, [False]

    def after(asked: Asked, answer: Answer) -> Answer:
        answer = real(asked, answer)
        if asked.path == "/v1/agreements" and not done[0]:
            done[0] = True
            act()
        return answer

    shop.fake.after = after  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "quirks", [{}, {"sorting": False}, {"sorting": False, "pagination_counts": False}, {"unknown_filter": "refused"}]
)
def test_f50_agreements_that_go_and_come_while_they_are_read_hide_no_others(
    shop: World, quirks: dict[str, Any]
) -> None:
    shop.fake.behave(**quirks, per_page_max=20)
    numbers = [add(shop) for _ in range(70)]

    def changed() -> None:
        for number in (*numbers[:5], *numbers[-5:]):
            del shop.fake.account.tables["agreements"][number]
        for _ in range(3):
            add(shop)

    meanwhile(shop, changed)
    found = [order.id for order in seen(shop)]
    assert len(set(found)) == len(found)
    assert {str(number) for number in numbers[5:-5]} <= set(found)


def test_f45_half_a_list_is_no_list(shop: World) -> None:
    for _ in range(60):
        add(shop)
    empty = {"items": [], "pagination": {"total_pages": 3}}
    shop.fake.fail(200, empty, path="/v1/agreements$", when=lambda asked: bool(asked.param("q[id_gt]")), times=9)
    with pytest.raises(Transient):
        seen(shop)


@pytest.mark.parametrize("status", [429, 503])
def test_f08_a_busy_account_is_waited_for(shop: World, status: int) -> None:
    add(shop)
    shop.fake.fail(status, {"error": "busy"}, path="/v1/agreements$", times=2)
    assert len(seen(shop)) == 1
    shop.fake.fail(status, {"error": "busy"}, path="/v1/agreements$", times=9)
    with pytest.raises(Transient):
        seen(shop)


def test_a_wrong_key_and_a_free_plan_are_refused_in_their_words(shop: World) -> None:
    shop.fake.behave(free_plan=True)
    with pytest.raises(Refused, match=FREE_PLAN):
        seen(shop)
    shop.token = "another"
    with pytest.raises(Refused, match="Invalid auth token"):
        seen(shop)


# --- revisions -------------------------------------------------------------------------------------------------------


def test_a_write_that_changes_nothing_is_no_other_event(shop: World) -> None:
    client = shop.fake.add_client("Х")
    number = add(shop, client_id=client)
    row = shop.fake.account.tables["agreements"][number]
    first = only(shop)
    shop.clock.pass_(minutes=1)
    touch(shop, number)
    row["total"] = Decimal("901.000")
    touched = only(shop)
    assert touched.updated_at != first.updated_at
    assert touched.revision == first.revision
    revisions = {first.revision}
    changes: list[dict[str, Any]] = [
        {"stage_id": key(shop, "stages", "Виконано")},
        {"comment": "Ні"},
        {"result": "successful"},
        {"total": Decimal(900)},
        {"jobs": [{**row["jobs"][0], "amount": 3}]},
        {"custom_fields": {str(shop.fake.add_custom_field("Х", "agreement")): "1"}},
    ]
    for change in changes:
        row.update(change)
        revisions.add(only(shop).revision)
    assert len(revisions) == 1 + len(changes)


@pytest.mark.parametrize("forms", [("number", "text"), ("text", "comma")])
def test_the_looks_of_a_number_make_no_other_revision(shop: World, forms: tuple[Any, Any]) -> None:
    add(shop)
    told = []
    for form in forms:
        shop.fake.behave(total_form=form)
        told.append(only(shop).revision)
    assert told[0] == told[1]


# --- writing back ----------------------------------------------------------------------------------------------------


def write(shop: World, *changes: OrderChange, **orders: Any) -> list[RowOutcome]:
    return list(shop.open(orders={"stages": stages(shop), **orders}).apply_orders(changes))


def row(shop: World, number: int) -> dict[str, Any]:
    return shop.fake.account.tables["agreements"][number]


@pytest.mark.parametrize("quirks", [{}, {"stage_read": "name", "jobs_read": "absent", "unknown_fields": "refused"}])
def test_what_became_of_an_order_is_written_back_once(shop: World, quirks: dict[str, Any]) -> None:
    shop.fake.behave(**quirks)
    number = add(shop, comment="Постійний клієнт\nТТН 204500000000019")
    change = OrderChange(
        id=str(number), status="Відправлено", number="РН-17", tracking="20450000000001", comment="Упаковано"
    )
    (outcome,) = write(shop, change)
    assert (outcome.error, outcome.existed, outcome.ids) == (None, False, (str(number),))
    assert row(shop, number)["stage_id"] == key(shop, "stages", "Відправлено")
    assert row(shop, number)["comment"] == (
        "Постійний клієнт\nТТН 204500000000019\nДокумент РН-17\nТТН 20450000000001\nУпаковано"
    )
    (asked,) = shop.fake.asked("PATCH")
    assert set(asked.json()) == {"stage_id", "comment"}, "lines and clients in a PATCH would be added again"
    (outcome,) = write(shop, change)
    assert outcome.existed
    assert len(shop.fake.asked("PATCH")) == 1
    assert len(row(shop, number)["jobs"]) == 1


def test_only_what_is_not_so_yet_is_sent(shop: World) -> None:
    number = add(shop, comment="Документ 7")
    shop.fake.account.tables["agreements"][number]["stage_id"] = key(shop, "stages", "Виконано")
    write(shop, OrderChange(id=str(number), status=str(key(shop, "stages", "Виконано")), number="7", tracking="T-1"))
    assert [asked.json() for asked in shop.fake.asked("PATCH")] == [{"comment": "Документ 7\nТТН T-1"}]
    (outcome,) = write(shop, OrderChange(id=str(number)))
    assert outcome.existed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (OrderChange(id="1", status="Нема"), "Нема is not among `orders.stages`"),
        (OrderChange(id="1", status="successful"), "closed as successful is not set"),
        (OrderChange(id="99", status="Нове"), "99 is not in the CRM"),
        (OrderChange(id="x", status="Нове"), "x is not in the CRM"),
        (OrderChange(id="1/../2", comment="a"), "is not in the CRM"),
        (OrderChange(id="1", status="77777"), "must exist"),
    ],
)
def test_f40_what_cannot_be_written_is_held_and_spoils_no_other(shop: World, change: OrderChange, words: str) -> None:
    first, second = add(shop), add(shop)
    bad = replace(change, id=str(first)) if change.id == "1" else change
    held, good = write(shop, bad, OrderChange(id=str(second), status="Виконано"))
    assert isinstance(held.error, Held)
    assert words in str(held.error)
    assert good.error is None
    assert row(shop, second)["stage_id"] == key(shop, "stages", "Виконано")


def test_a_stage_that_the_account_drops_without_a_word_is_told(shop: World) -> None:
    shop.fake.behave(unknown_stage="ignored")
    number = add(shop)
    (outcome,) = write(shop, OrderChange(id=str(number), status="77777"))
    assert isinstance(outcome.error, Held)
    assert f"it stands at {key(shop, 'stages', 'Нове')}" in str(outcome.error)


@pytest.mark.parametrize("wrong", [True, False])
def test_a_stage_that_is_told_by_its_name_is_looked_at_as_well(shop: World, wrong: bool) -> None:
    shop.fake.behave(stage_read="name", unknown_stage="ignored")
    number = add(shop)
    named = {"Відправлено": 77777 if wrong else key(shop, "stages", "Відправлено")}
    (outcome,) = write(shop, OrderChange(id=str(number), status="Відправлено"), stages=named)
    assert isinstance(outcome.error, Held) is wrong


def test_a_closed_agreement_is_opened_only_where_that_is_set(shop: World) -> None:
    number = add(shop, result="successful")
    (outcome,) = write(shop, OrderChange(id=str(number), status="Нове"))
    assert outcome.existed, "it stands at that stage"
    (outcome,) = write(shop, OrderChange(id=str(number), status="Виконано"))
    assert isinstance(outcome.error, Held)
    assert "orders.close" in str(outcome.error.hint)
    (outcome,) = write(shop, OrderChange(id=str(number), status="Виконано"), close=True)
    assert outcome.error is None
    assert (row(shop, number)["result"], row(shop, number)["stage_id"]) == (None, key(shop, "stages", "Виконано"))


@pytest.mark.parametrize("result_write", [True, False])
def test_an_agreement_is_closed_where_that_is_set_and_the_account_takes_it(shop: World, result_write: bool) -> None:
    shop.fake.behave(result_write=result_write)
    change = OrderChange(id=str(add(shop)), status="successful")
    (outcome,) = write(shop, change, close=True)
    assert (outcome.error is None) is result_write
    (outcome,) = write(shop, change, close=True)
    assert outcome.existed is result_write


def test_a_comment_that_is_not_told_is_not_written_over(shop: World) -> None:
    number = add(shop, comment="важливе")
    shown = {name: value for name, value in shop.fake.agreements.tell(row(shop, number)).items() if name != "comment"}
    shop.fake.fail(200, shown, method="GET", path=f"/v1/agreements/{number}")
    (outcome,) = write(shop, OrderChange(id=str(number), comment="Упаковано"))
    assert isinstance(outcome.error, Held)
    assert shop.fake.asked("PATCH") == []


@pytest.mark.parametrize("fault", ["lose_reply", "drop"])
def test_f07_a_lost_answer_is_sent_again_since_it_is_absolute(shop: World, fault: str) -> None:
    number = add(shop)
    getattr(shop.fake, fault)(method="PATCH")
    (outcome,) = write(shop, OrderChange(id=str(number), status="Виконано", comment="Упаковано"))
    assert outcome.error is None
    assert row(shop, number)["comment"] == "Упаковано"


def test_what_strikes_all_ends_it_and_what_was_done_is_known(shop: World) -> None:
    numbers = [add(shop) for _ in range(3)]
    changes = [OrderChange(id=str(number), status="Виконано") for number in numbers]
    shop.fake.fail(503, method="GET", path=f"/v1/agreements/{numbers[1]}", times=9)
    outcomes = write(shop, *changes)
    assert [type(outcome.error) for outcome in outcomes] == [type(None), Transient, Transient]
    assert shop.fake.asked("GET", f"/v1/agreements/{numbers[2]}") == []
    shop.fake.account.tokens = set()
    with pytest.raises(Refused):
        write(shop, *changes)


def test_nothing_to_write_is_no_outcome(shop: World) -> None:
    assert write(shop) == []


# --- hints -----------------------------------------------------------------------------------------------------------

NOTHING = Hint(frozenset())
AGREEMENT = '{"mistok":"orders","id":"{{id}}","title":"{{title}}"}'


@pytest.mark.parametrize(
    ("body", "kinds", "ids"),
    [
        ('{"id":"917","amount":"340.0"}', {"orders"}, ("917",)),
        ('{"id":"917"}', {"orders"}, ("917",)),
        ('{"deal_id":917,"order_id":"7001","source":"Сайт","products":[{"sku":"A","amount":"2"}],"ttn":""}',
         {"orders", "stock"}, ("917",)),
        ('{"id":"1","total":"5","result":"","stage_name":"Нове","stage_id":"3"}', {"orders"}, ("1",)),
        ('{"material_sku":"LMP-9","cost":"1","amount":"2","comment":""}', {"stock"}, ("LMP-9",)),
        ('{"material_id":"905","title":"Лак","price":"5"}', {"stock", "catalogue"}, ("905",)),
        ('{"sku":"A","available":"5"}', {"stock"}, ("A",)),
        ('{"MISTOK":"Stock","id":"5"}', {"stock"}, ("5",)),
        ('{"mistok":"orders","x":{"id":"5"}}', {"orders"}, ()),
        ('[{"deal_id":"5"},{"deal_id":"6"},{"deal_id":"5"}]', {"orders"}, ("5", "6")),
        ('deal_id=5&stage_id=3', {"orders"}, ("5",)),
        ('{"deal_id":"5","title":"Фарба "Люкс""}', {"orders"}, ("5",)),
        ('\ufeff {"deal_id":"5"} ', {"orders"}, ("5",)),
        ('{"deal_id":null,"stage":true}', {"orders"}, ()),
        ("", set(), ()), ("null", set(), ()), ("5", set(), ()), ("{", set(), ()), ("[" * 100_000, set(), ()),
        ('{"what":"5"}', set(), ()), ('{"mistok":"everything"}', set(), ()), ("<html>=</html>", set(), ()),
    ],
)  # fmt: skip
def test_a_body_means_what_its_names_say(body: str, kinds: set[str], ids: tuple[str, ...]) -> None:
    assert hint(body.encode()) == Hint(frozenset(kinds), ids)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_body_breaks_it(body: bytes) -> None:
    assert hint(body).kinds <= {"orders", "stock", "catalogue"}


def test_a_body_that_is_no_template_s_is_not_read() -> None:
    assert hint(b'{"id":"1","x":"' + b"x" * LONGEST + b'"}') == NOTHING


@pytest.mark.parametrize("escape", ["none", "json", "html"])
def test_our_own_template_names_its_agreement_whatever_is_in_the_title(shop: World, escape: Any) -> None:
    body = render(AGREEMENT, {"id": 917, "title": 'Фарба "Люкс" {1 л} \\ <b>'}, escape)
    system = shop.open()
    assert system.hint({}, body.encode()) == Hint(frozenset({"orders"}), ("917",))
    assert shop.fake.asked() == [], "it is never believed, and asks nobody"


def test_what_the_crm_sends_of_a_changed_agreement_is_a_hint(shop: World) -> None:
    number = add(shop)
    template = (
        '{"deal_id":"{{id}}","new_status":"{{new_status}}","products":[{{#products}}{"sku":"{{sku}}"}{{/products}}]}'
    )
    body = shop.fake.webhook_body("agreement.stage", row(shop, number), template)
    assert shop.open().hint({}, body) == Hint(frozenset({"orders", "stock"}), (str(number),))


def test_every_switch_of_agreements_is_tried_both_ways() -> None:
    from tests.systems.keepincrm.test_documents import EACH, SWITCHED

    tried = {*SWITCHED, *(name for quirks in (*EACH.values(), *FORMS.values()) for name in quirks)}
    tried |= {"patch_jobs", "job_ids", "free_plan", "webhook_escape", "stage_filter"}
    names = list(Quirks.__dataclass_fields__)
    of_agreements = names[names.index("total_required") :]
    assert set(of_agreements) <= tried
