"""Agreements are read as orders whatever the account tells of them, each change once; and told what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import (
    Ref,
    Refused,
    Transient,
    order_totals,
)
from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.keepincrm.agreements import Desk
from plugins.systems.keepincrm.fake import FREE_PLAN
from plugins.systems.keepincrm.order_settings import OrderSettings
from tests.systems.keepincrm.telling import FORMS, LINES, NAMES, add, key, only, order_of, seen, stages
from tests.systems.keepincrm.world import World
from tests.systems.keycrm.test_mapping import anything


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


# --- what an agreement says ------------------------------------------------------------------------------------------


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
