"""Agreements are made of orders: each once, to the cent, found again by their titles; and changed where they can be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
    Transient,
    order_totals,
)
from pipeline.testing.documents_contract import (
    MOMENT,
    AmendContract,
    DocumentsContract,
    Subject,
    drafts_of,
    larger,
    order,
)
from plugins.systems.keepincrm import titles
from plugins.systems.keepincrm.drafting import body_of, net_prices, where_to
from plugins.systems.keepincrm.order_settings import OrderSettings
from tests.systems.keepincrm.world import World

CODES = ("LMP-9", "ГР-2 К", "0042")
STAGES = {"Нове": "new", "Оплачено": "paid", "Скасовано": "cancelled", "Повернення": "refunded"}
#: The other side of each switch that agreements can come to feel.
SWITCHED: dict[str, Any] = {
    "total_required": True,
    "company_required": True,
    "client_matching": True,
    "client_by_id": False,
    "line_material": "with_sku",
    "price_list": True,
    "result_write": False,
    "unknown_stage": "ignored",
    "create_answer": "full",
    "total_name": "total_amount",
    "total_form": "comma",
    "stage_read": "name",
    "jobs_read": "nested",
    "jobs_in_list": False,
    "order": "oldest_first",
    "sorting": False,
    "unknown_filter": "refused",
    "updated_at_filter": "refused",
    "per_page_max": 0,
    "pagination_counts": False,
    "zone": "UTC",
    "milliseconds": False,
    "not_found": "text",
    "unknown_fields": "refused",
    "duplicate_sku": "touched",
    "refusal": 400,
}
EACH: dict[str, dict[str, Any]] = {
    **{name: {name: value} for name, value in SWITCHED.items()},
    "line_material=never": {"line_material": "never"},
    "total_name=total": {"total_name": "total", "total_form": "text"},
    "refusal=500": {"refusal": 500},
}
ACCOUNTS = {"likeliest": {}, "otherwise": SWITCHED, **(EACH if os.environ.get("MISTOK_FULL") else {})}
#: Contracts of documents are for accounts that tell lines, or do not.
SILENT = {"jobs_read": "absent"}


def stocked(world: World) -> World:
    for n, code in enumerate(CODES):
        world.fake.add_material(code, f"Товар {code}", price=100 + n)
    funnel = world.fake.add_named("funnels", "Продажі")
    for name in STAGES:
        world.fake.add_stage(name, funnel)
    return world


def stage(world: World, name: str) -> int:
    return next(key for key, row in world.fake.account.tables["stages"].items() if row["name"] == name)


def settings(world: World, **more: Any) -> dict[str, Any]:
    """``orders`` of the connection: all stages named, one for each status."""
    rows = world.fake.account.tables["stages"]
    stages = {row["name"]: key for key, row in rows.items()}
    of = {status: name for name, status in STAGES.items()}
    return {"orders": {"stages": stages, "stage": "Нове", "stage_for": of, **more}}


def row(world: World, number: int | str = "") -> dict[str, Any]:
    """The agreement with this number; the only one."""
    rows = world.fake.account.tables["agreements"]
    found: dict[str, Any] = rows[int(number)] if number else next(iter(rows.values()))
    return found


def subject_of(world: World, **more: Any) -> Subject:
    names = {stage(world, name): status for name, status in STAGES.items()}

    def close(number: str) -> None:
        row(world, number)["result"] = "successful"

    return Subject(
        lambda: world.open(**settings(world, **more)),
        CODES,
        lambda: len(world.fake.account.tables["agreements"]),
        lambda number: Decimal(row(world, number)["total"]),
        status=lambda number: names[row(world, number)["stage_id"]],
        close=close,
    )


class TestKeepin(DocumentsContract):
    @pytest.fixture(params=[*ACCOUNTS.values(), SILENT], ids=[*ACCOUNTS, "silent"])
    def subject(self, request: pytest.FixtureRequest, world: World) -> Iterator[Subject]:
        world.fake.behave(**request.param)
        before = len(stocked(world).fake.account.tables["materials"])
        yield subject_of(world)
        services = {one["sku"] for one in list(world.fake.account.tables["materials"].values())[before:]}
        assert services <= {"DELIVERY"}, "no line has made a copy of a product"


#: What accounts must do for lines to be changed at all; all else may be otherwise.
CHANGING = {"job_ids": True, "patch_jobs": "append"}


class TestKeepinChanged(AmendContract):
    @pytest.fixture(params=ACCOUNTS.values(), ids=list(ACCOUNTS))
    def subject(self, request: pytest.FixtureRequest, world: World) -> Subject:
        world.fake.behave(**{**request.param, **CHANGING})
        return subject_of(stocked(world), change_lines=True)


@pytest.fixture
def shop(world: World) -> World:
    return stocked(world)


def make(world: World, *orders: Order, options: dict[str, Any] | None = None, **more: Any) -> list[DocumentOutcome]:
    session = world.open(**(settings(world) if options is None else options))
    drafts = [replace(draft, **more) for draft in drafts_of(session, orders)]
    return list(session.create(drafts))


def posted(world: World) -> dict[str, Any]:
    (asked,) = world.fake.asked("POST", "/v1/agreements$")
    body = asked.json()
    assert isinstance(body, dict)
    return body


def count(world: World) -> int:
    return len(world.fake.account.tables["agreements"])


# --- what is made ----------------------------------------------------------------------------------------------------

FULL = replace(
    order(5501, CODES),
    customer=Party(
        kind="company", last_name="Шевченко", first_name="Олена", company="ТОВ «Ромашка»", phone="050 111-22-33",
        email="o@e.com", edrpou="14360570",
    ),
    delivery=Delivery(
        carrier="nova-poshta", method="Нова Пошта", service="branch", city="Київ", branch="12",
        address=Address(city="Київ", street="вул. Хрещатик", house="1"),
        recipient=Party(last_name="Бойко", first_name="Ганна", phone="067 111 22 33"),
        cost=Decimal("70.00"), planned_for=date(2026, 11, 24), tracking="20450000000001",
    ),
    payment=Payment(method="Картка", status="paid", paid=Decimal("969.80"), paid_at=MOMENT),
    comment="Подзвонити",
)  # fmt: skip


def test_an_order_goes_in_with_all_that_it_says(shop: World) -> None:
    source, user = shop.fake.add_named("sources", "Сайт"), shop.fake.add_named("users", "Олена")
    options = settings(shop, sources={"shop": source}, users={"olena": user})
    ref = shop.open(**options).find_references("user", ["olena", "ivan"])
    assert ref == {"olena": Ref(str(user), "olena", "olena")}
    (outcome,) = make(shop, FULL, options=options, comment="shop № 5501\nПодзвонити", user=ref["olena"])
    assert outcome.error is None
    assert outcome.ref is not None
    made = row(shop)
    assert (outcome.ref.id, outcome.ref.number) == (str(made["id"]), str(made["id"]))
    assert (outcome.ref.total, outcome.ref.currency, outcome.ref.key) == (
        Decimal("969.80"),
        "UAH",
        "demo/shop/5501/create/0",
    )
    assert outcome.ref.created_at == shop.clock.moment
    body = posted(shop)
    jobs = body.pop("jobs_attributes")
    assert body == {
        "title": "Замовлення 5501 (shop)",
        "total": Decimal("969.8"),
        "currency": "UAH",
        "products_total_as_total": False,
        "comment": "shop № 5501\nПодзвонити\nЄДРПОУ: 14360570\n"
        "Доставка: Нова Пошта, Київ, відділення № 12, вул. Хрещатик 1\n"
        "Отримувач: Бойко Ганна, +380671112233\nТТН: 20450000000001\nОплата: Картка",
        "client_attributes": {
            "company": "ТОВ «Ромашка»", "person": "Шевченко Олена", "lead": False, "phones": ["+380501112233"],
            "email": "o@e.com", "source_id": source,
        },
        "source_id": source,
        "stage_id": stage(shop, "Нове"),
        "main_responsible_id": user,
    }  # fmt: skip
    (asked,) = shop.fake.asked("POST", "/v1/agreements$")
    assert asked.query == (("ignore_price_list", "true"),)
    products = [job["product_attributes"] for job in jobs]
    assert [(one.get("sku"), job["amount"], one["price"]) for one, job in zip(products, jobs, strict=True)] == [
        # 20 off 919.80, shared out by sums: 16.94 and 3.06
        ("LMP-9", 2, Decimal("381.03")),
        ("ГР-2 К", 2, Decimal("45.91")),
        ("ГР-2 К", 1, Decimal("45.92")),
        ("0042", 1, 0),
        ("DELIVERY", 1, 70),
    ]  # fmt: skip
    assert {frozenset(job) for job in jobs} == {frozenset({"amount", "title", "product_attributes"})}, "no price there"
    client = shop.fake.account.tables["clients"][made["client_id"]]
    assert (client["company"], client["phones"]) == ("ТОВ «Ромашка»", ["+380501112233"])


def test_an_order_that_went_in_reads_back_to_the_cent(shop: World) -> None:
    make(shop, FULL)
    (seen,) = shop.open(**settings(shop)).orders()
    back = seen.order
    assert back is not None
    assert (back.number, back.total, back.currency) == ("5501", FULL.total, "UAH")
    assert order_totals(back).total == FULL.total
    assert (back.delivery.cost, back.payment.fee) == (Decimal(70), Decimal(0))
    assert [line.code for line in back.lines] == ["LMP-9", "ГР-2 К", "ГР-2 К", "0042"]
    assert (back.customer.company, back.customer.phone) == ("ТОВ «Ромашка»", "+380501112233")


money = st.decimals(1, 2000, places=2)


@given(
    st.lists(
        st.tuples(money, st.integers(1, 7) | st.decimals("0.1", 5, places=3), st.decimals(0, "0.09", places=2)),
        min_size=1, max_size=4,
    ),
    st.decimals(0, 5, places=2),
    money,
    st.decimals(0, 30, places=2),
    st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01")]),
)  # fmt: skip
def test_f41_any_order_comes_to_its_total(
    lines: list[tuple[Decimal, Any, Decimal]], off: Decimal, cost: Decimal, fee: Decimal, rounding: Decimal
) -> None:
    made = replace(
        order(1, CODES),
        lines=tuple(
            OrderLine(code=CODES[n % 3], name="x", quantity=Decimal(many), price=price, discount=less)
            for n, (price, many, less) in enumerate(lines)
        ),
        discounts=(Discount(amount=off),) if off else (),
        delivery=Delivery(cost=cost),
        payment=Payment(fee=fee),
    )
    whole = all(isinstance(many, int) for _price, many, _less in lines)
    if not whole:
        rounding = Decimal(0)  # a stated total decides between the two ways of rounding fractions
    made = replace(made, total=order_totals(made).total + rounding)
    refs = tuple(Ref("1", line.code) for line in made.lines)
    body = body_of(
        DocumentDraft(key="k", order=made, products=refs, rounding=rounding or None), OrderSettings(), "demo"
    )
    assert body["total"] == made.total
    jobs = [(job["amount"], job["product_attributes"]["price"]) for job in body["jobs_attributes"]]
    if whole:
        assert sum(amount * price for amount, price in jobs) == made.total, "whole pieces: by the lines as well"
        assert all(price == round(price, 2) for _amount, price in jobs)


@given(st.decimals("0.001", 1000, places=3), st.decimals(0, 100_000, places=2))
def test_f41_the_prices_of_a_line_make_its_sum(amount: Decimal, whole: Decimal) -> None:
    parts = net_prices(amount, whole)
    assert sum(one for one, _price in parts) == amount
    assert abs(sum(round(one * price, 2) for one, price in parts) - whole) <= Decimal("0.01")
    assert len(parts) <= 2


def test_taxes_on_top_are_a_line_of_their_own(shop: World) -> None:
    taxed = replace(order(1, CODES), prices_include_tax=False, delivery=Delivery(), discounts=(),
                    total=Decimal("1103.76"))  # fmt: skip
    (outcome,) = make(shop, taxed)
    assert outcome.error is None
    (job,) = [job for job in row(shop)["jobs"] if job["sku"] == "VAT"]
    assert (job["title"], job["price"]) == ("ПДВ", Decimal("183.96"))


def test_what_was_chosen_of_a_product_stands_in_its_line(shop: World) -> None:
    base = order(1, CODES)
    chosen = replace(base.lines[0], name="  Ґрунт\u00a0епоксидний ", attributes={"Колір": "синій", "Об'єм": "1 л"})
    nameless = replace(base.lines[2], name=" ")
    make(shop, replace(base, lines=(chosen, base.lines[1], nameless)))
    told = [job["title"] for job in row(shop)["jobs"]]
    assert told[0] == "Ґрунт епоксидний (синій, 1 л)"
    assert "Товар 0042" in told, "a line without a name is refused"


@pytest.mark.parametrize(("status", "wanted"), [("new", "Нове"), ("paid", "Оплачено"), ("unheard of", "Нове")])
def test_an_agreement_begins_at_the_stage_that_its_status_means(shop: World, status: str, wanted: str) -> None:
    make(shop, replace(order(1, CODES), status=status))
    assert row(shop)["stage_id"] == stage(shop, wanted)


def test_without_a_word_of_the_config_the_crm_chooses(shop: World) -> None:
    make(shop, order(1, CODES), options={})
    assert not posted(shop).keys() & {"stage_id", "funnel_id", "source_id", "main_responsible_id", "custom_fields"}


@pytest.mark.parametrize(
    ("party", "company", "person"),
    [
        (Party(first_name="Іван", last_name="Тестовий"), "Тестовий Іван", "Тестовий Іван"),
        (Party(phone="0501112233"), "+380501112233", "+380501112233"),
        (Party(email="a@b.ua"), "a@b.ua", "a@b.ua"),
        (Party(phone="дзвоніть увечері"), "дзвоніть увечері", "дзвоніть увечері"),
        (Party(), "00000001", "00000001"),
        (Party(company=" \u00a0 ", last_name="Х"), "Х", "Х"),
    ],
)
def test_a_client_is_never_without_a_name(shop: World, party: Party, company: str, person: str) -> None:
    shop.fake.behave(company_required=True)
    (outcome,) = make(shop, replace(order(1, CODES), customer=party))
    assert outcome.error is None
    client = posted(shop)["client_attributes"]
    assert (client["company"], client["person"]) == (company, person)


def test_a_buyer_becomes_a_lead_where_the_config_says_so(shop: World) -> None:
    make(shop, order(1, CODES), options=settings(shop, lead=True))
    assert posted(shop)["client_attributes"]["lead"] is True


@pytest.mark.parametrize(
    ("delivery", "words"),
    [
        (Delivery(), ""),
        (Delivery(carrier="nova-poshta", city="Київ", branch="5", service="locker"), "nova-poshta, Київ, поштомат № 5"),
        (Delivery(method="Кур'єр", address=Address(text="Львів, вул. Зелена, 1")), "Кур'єр, Львів, вул. Зелена, 1"),
        (Delivery(method="Самовивіз", city="самовивіз"), "Самовивіз"),
    ],
)
def test_where_it_goes_is_told_in_one_line(delivery: Delivery, words: str) -> None:
    assert where_to(delivery) == words


# --- once ------------------------------------------------------------------------------------------------------------


def test_f03_a_lost_answer_is_looked_up_and_nothing_is_made_twice(shop: World) -> None:
    shop.fake.lose_reply(method="POST")
    (outcome,) = make(shop, order(1, CODES))
    assert outcome.error is None
    assert outcome.ref is not None
    assert count(shop) == 1
    assert make(shop, order(1, CODES))[0].existed


def test_f07_what_was_lost_before_it_was_made_is_in_doubt_and_made_by_the_next_try(shop: World) -> None:
    shop.fake.drop(method="POST")
    first, second = make(shop, order(1, CODES), order(2, CODES))
    assert isinstance(first.error, InDoubt)
    assert second.error is None
    assert len(shop.fake.asked("POST")) == 2, "never posted again blindly"
    (again,) = make(shop, order(1, CODES))
    assert again.error is None
    assert not again.existed
    assert count(shop) == 2


@pytest.mark.parametrize("quirks", [{}, {"unknown_filter": "refused"}, {"create_answer": "full"}])
def test_an_answer_without_a_number_is_looked_up(shop: World, quirks: dict[str, Any]) -> None:
    shop.fake.behave(**quirks)
    shop.fake.lose_reply(method="POST")
    (outcome,) = make(shop, order(1, CODES))
    assert outcome.ref is not None
    assert outcome.ref.id == str(row(shop)["id"])


def test_f08_a_service_that_is_busy_ends_the_batch_and_rejects_nothing(shop: World) -> None:
    shop.fake.fail(503, method="GET", path="/v1/agreements$", times=4)
    outcomes = make(shop, order(1, CODES), order(2, CODES))
    assert [type(outcome.error) for outcome in outcomes] == [Transient, Transient]
    shop.fake.forget()
    shop.fake.fail(429, {"error": "Too Many Requests"}, headers={"Retry-After": "0"}, method="POST")
    assert [outcome.error for outcome in make(shop, order(1, CODES), order(2, CODES))] == [None, None]
    assert count(shop) == 2


@pytest.mark.parametrize(("status", "words"), [(422, "total: is required"), (400, "without a reason")])
def test_f09_a_refused_order_is_held_with_the_words_of_the_crm_and_its_siblings_are_made(
    shop: World, status: int, words: str
) -> None:
    body = {"message": "Validation failed", "errors": {"total": ["is required"]}} if status == 422 else ""
    shop.fake.fail(status, body, method="POST")
    bad, good = make(shop, order(1, CODES), order(2, CODES))
    assert isinstance(bad.error, Held)
    assert words in str(bad.error)
    assert good.error is None


def test_an_expired_key_strikes_all_that_is_left(shop: World) -> None:
    session = shop.open(**settings(shop))
    drafts = drafts_of(session, [order(1, CODES), order(2, CODES)])
    shop.fake.account.tokens = set()
    outcomes = session.create(drafts)
    assert [type(outcome.error) for outcome in outcomes] == [Refused, Refused]
    assert len(shop.fake.asked("GET", "/v1/agreements$")) == 1, "nobody knocks again"


def test_an_address_that_takes_no_agreements_is_told(shop: World) -> None:
    shop.fake.fail(404, "<html></html>", method="POST")
    (outcome,) = make(shop, order(1, CODES))
    assert isinstance(outcome.error, Refused)
    assert "does not take agreements" in str(outcome.error)


def test_agreements_of_people_with_like_titles_are_not_ours(shop: World) -> None:
    for title in ("Замовлення 1", "Замовлення 1 (shop) копія", "Замовлення 11 (shop)", "1", "", "Дзвінок"):
        shop.fake.add_agreement(title)
    (outcome,) = make(shop, order(1, CODES))
    assert not outcome.existed
    session = shop.open(**settings(shop))
    told = [(one.source, one.order_id) for one in session.all_documents()]
    assert told == [("shop", "11"), ("shop", "1")]


def test_of_two_that_were_made_once_the_older_is_meant(shop: World) -> None:
    make(shop, order(1, CODES))
    shop.fake.add_agreement("Замовлення 1 (shop)")
    found = shop.open(**settings(shop)).find(["demo/shop/1/create/0"])
    assert found["demo/shop/1/create/0"].id == str(row(shop)["id"])


def test_many_keys_are_looked_for_in_the_list_once(shop: World) -> None:
    make(shop, order(1, CODES), order(2, CODES))
    shop.fake.forget()
    keys = [f"demo/shop/{n}/create/0" for n in range(1, 150)]
    assert set(shop.open(**settings(shop)).find(keys)) == set(keys[:2])
    assert len(shop.fake.asked("GET", "/v1/agreements$")) == 1


@pytest.mark.parametrize("quirks", [{"unknown_filter": "refused"}, {}])
def test_an_account_that_does_not_listen_is_read_whole_once(shop: World, quirks: dict[str, Any]) -> None:
    make(shop, order(1, CODES))
    shop.fake.behave(**quirks)
    for n in range(60):
        shop.fake.add_agreement(f"Дзвінок {n}")
    # no condition of ours is known to this account: it tells all, or refuses
    said = {"error": "Bad Request"}
    if quirks:
        shop.fake.fail(400, said, path="/v1/agreements$", when=lambda asked: bool(asked.param("q[title_eq]")), times=9)
    else:
        rows = [{"id": 1, "title": "Дзвінок"}]
        told = {"items": rows, "pagination": {"total_pages": 1}}
        shop.fake.fail(200, told, path="/v1/agreements$", when=lambda asked: bool(asked.param("q[title_eq]")), times=9)
    session = shop.open(**settings(shop))
    assert set(session.find(["demo/shop/1/create/0"])) == {"demo/shop/1/create/0"}
    asked = len([one for one in shop.fake.asked("GET") if one.param("q[title_eq]")])
    session.find(["demo/shop/1/create/0", "demo/shop/2/create/0"])
    assert len([one for one in shop.fake.asked("GET") if one.param("q[title_eq]")]) == asked, "it is known by then"


@pytest.mark.parametrize("key", ["", "a/b", "demo/shop//create/0", "demo/shop/1/create/0/more"])
def test_a_key_that_is_none_of_ours_finds_nothing(shop: World, key: str) -> None:
    assert shop.open().find([key]) == {}


# --- titles ----------------------------------------------------------------------------------------------------------

TITLES = ("Замовлення {id} ({source})", "{source}/{id}", "№ {number}  [{client}:{source}:{id}]", "{id}{source}{id}")
part = st.text(min_size=1, max_size=12)


@given(st.sampled_from(TITLES), part, part, part, part)
def test_an_order_is_known_by_its_title_or_held(template: str, client: str, source: str, own: str, number: str) -> None:
    config = OrderSettings(title=template)
    try:
        title = titles.write(config, (client, source, own), number)
    except Held:
        return
    assert titles.identity_of({"title": title}, config, client) == (client, source, own)
    predicate, piece = titles.query(config, (client, source, own))
    assert piece.casefold() in title.casefold()
    assert (predicate == "title_eq") is (piece == title)


@pytest.mark.parametrize(
    ("template", "source", "own"),
    [
        ("Замовлення {id} ({source})", "a (b)", "1"),
        ("{source}/{id}", "a/b", "1/2"),
        ("{source}/{id}", "shop", "1  2"),
        ("{source}/{id}", "shop", "1 "),
        ("{source}/{id}", "shop", "9" * 200),
    ],
)
def test_an_order_that_nobody_could_tell_afterwards_is_held(shop: World, template: str, source: str, own: str) -> None:
    odd = replace(order(1, CODES, source=source), id=own)
    (outcome,) = make(shop, odd, options=settings(shop, title=template))
    assert isinstance(outcome.error, Held)
    assert "orders.title" in str(outcome.error.hint)
    assert shop.fake.asked("POST") == []


@pytest.mark.parametrize("template", TITLES)
def test_any_title_finds_its_agreement(shop: World, template: str) -> None:
    options = settings(shop, title=template)
    make(shop, order(1, CODES), order(2, CODES, source="market"), options=options)
    for source, own in (("shop", "1"), ("market", "2")):
        (again,) = make(shop, order(int(own), CODES, source=source), options=options)
        assert again.existed
    assert count(shop) == 2


@pytest.mark.parametrize("by", ["title", "number"])
def test_the_key_in_a_field_of_the_account_s_own_holds_when_the_title_was_changed(shop: World, by: str) -> None:
    number = shop.fake.add_custom_field("Ключ", "agreement")
    options = settings(shop, mark_field="Ключ" if by == "title" else f"field_{number}")
    make(shop, order(1, CODES), options=options)
    assert row(shop)["custom_fields"] == {str(number): "demo/shop/1/create/0"}
    row(shop)["title"] = "Терміново!"
    told = list(shop.open(**options).all_documents())
    assert [(one.source, one.order_id) for one in told] == [("shop", "1")]


# --- what does not go ------------------------------------------------------------------------------------------------


def test_an_agreement_that_says_something_else_is_told_and_found_again(shop: World) -> None:
    shop.fake.behave(price_list=True)
    found = shop.fake.agreements.tell
    shop.fake.agreements.tell = lambda told, **how: {**found(told, **how), "total": 1, "total_amount": 1}  # type: ignore[method-assign]
    (outcome,) = make(shop, order(1, CODES))
    assert isinstance(outcome.error, Held)
    assert "its total is 1.00 instead of 969.80" in str(outcome.error)
    assert make(shop, order(1, CODES))[0].existed, "whoever looks it up sees the difference"


def test_a_client_of_the_step_s_own_choice(shop: World) -> None:
    number = shop.fake.add_client("Оптовик", phones=["+380440000000"])
    session = shop.open(**settings(shop))
    found = session.find_references("party", [str(number), "999999", "x", "²"])
    assert found == {str(number): Ref(str(number), str(number), "Оптовик")}
    (outcome,) = make(shop, order(1, CODES), client=found[str(number)])
    assert outcome.error is None
    assert row(shop)["client_id"] == number
    assert "client_attributes" not in posted(shop)
    shop.fake.behave(client_by_id=False)
    (outcome,) = make(shop, order(2, CODES), client=found[str(number)])
    assert isinstance(outcome.error, Held)
    assert "its client is not Оптовик" in str(outcome.error)


def test_an_office_is_named_by_its_sign(shop: World) -> None:
    office = shop.fake.add_office("Магазин", "a1b2")
    options = {**settings(shop), "offices": {"Магазин": {"id": office, "hash": "a1b2"}, "Склад": 9}}
    found = shop.open(**options).find_references("warehouse", ["Магазин", "Склад", "Нема"])
    assert set(found) == {"Магазин", "Склад"}
    (outcome,) = make(shop, order(1, CODES), options=options, warehouse=found["Магазин"])
    assert outcome.error is None
    assert row(shop)["office_id"] == office
    (outcome,) = make(shop, order(2, CODES), options=options, warehouse=found["Склад"])
    assert isinstance(outcome.error, Held)
    assert "{Склад: {id: 9, hash: …}}" in str(outcome.error.hint)


def test_goods_that_lines_cannot_name_are_held(shop: World) -> None:
    session = shop.open(**settings(shop))
    (draft,) = drafts_of(session, [order(1, CODES)])
    lost = replace(draft, products=(Ref(draft.products[0].id, "another"), *draft.products[1:]))
    bare = replace(draft, products=(Ref("999", ""), *draft.products[1:]))
    assert [isinstance(one.error, Held) for one in session.create([lost, bare])] == [True, True]
    shop.fake.add_material("LMP-9", "Двійник")
    session = shop.open(**settings(shop))
    drafts = drafts_of(session, [order(1, CODES)])
    (outcome,) = session.create(drafts)
    assert isinstance(outcome.error, Held)
    assert "Several products" in str(outcome.error)
    assert shop.fake.asked("POST") == [], "the CRM would have made a product of it"


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_line_without_a_quantity_is_held(shop: World, quantity: int) -> None:
    base = order(1, CODES)
    (outcome,) = make(shop, replace(base, lines=(replace(base.lines[2], quantity=Decimal(quantity)), *base.lines)))
    assert isinstance(outcome.error, Held)
    assert shop.fake.asked("POST") == []


def test_references_are_what_the_config_names(shop: World) -> None:
    options = settings(shop, users={"olena": 7, "anna": 8}, sources={"shop": 5}, currencies=["UAH", "EUR"])
    session = shop.open(**options, offices={"Склад": 9})
    assert [ref.code for ref in session.references("currency")] == ["EUR", "UAH"]
    assert [ref.id for ref in session.references("executor")] == ["8", "7"]
    assert [ref.code for ref in session.references("status")] == sorted(STAGES)
    assert session.references("warehouse") == [Ref("9", "Склад", "Склад")]
    assert session.references("party") == session.references("object") == []
    assert session.ensure("source", "shop") == Ref("5", "shop", "shop")
    with pytest.raises(ConfigError, match="ivan"):
        session.ensure("user", "ivan")
    assert shop.fake.asked() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "Замовлення {id}"},
        {"title": "{id} {source} {total}"},
        {"title": "{id!r} {source}"},
        {"title": "{id"},
        {"stage": "Нема"},
        {"stage_for": {"new": "Нема"}},
        {"number_comment": "№"},
        {"tracking_comment": "{number}"},
        {"stages": {"Нове": 0}},
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OrderSettings.model_validate(wrong)


# --- changed ---------------------------------------------------------------------------------------------------------


def amend(world: World, newer: Order, options: dict[str, Any] | None = None, **more: Any) -> DocumentOutcome:
    session = world.open(**(settings(world) if options is None else options))
    (draft,) = drafts_of(session, [newer])
    ref = DocumentRef(str(row(world)["id"]), str(row(world)["id"]), "demo/shop/1/create/0")
    (outcome,) = session.amend([Amendment(key="demo/shop/1/amend/2", ref=ref, draft=replace(draft, **more))])
    return outcome


def patches(world: World) -> list[Any]:
    return [asked.json() for asked in world.fake.asked("PATCH")]


def test_f19_plain_fields_of_a_changed_order_are_written_and_twice_is_once(shop: World) -> None:
    make(shop, order(1, CODES), comment="shop № 1")
    row(shop)["comment"] += "\nКлієнт просив дзвонити після 17:00"
    base = order(1, CODES)
    newer = replace(base, status="paid", delivery=replace(base.delivery, branch="40", tracking="T-1"))
    outcome = amend(shop, newer, comment="shop № 1\nТерміново")
    assert outcome.error is None
    assert not outcome.existed
    assert outcome.ref is not None
    assert (outcome.ref.total, outcome.ref.key) == (Decimal("969.80"), "demo/shop/1/create/0")
    assert patches(shop) == [
        {
            "comment": "shop № 1\nДоставка: nova-poshta, Київ, відділення № 40\nОплата: Післяплата\n"
            "Клієнт просив дзвонити після 17:00\nshop № 1\nТерміново\nТТН: T-1",
            "stage_id": stage(shop, "Оплачено"),
        }
    ]
    assert amend(shop, newer, comment="shop № 1\nТерміново").existed
    assert len(patches(shop)) == 1


@pytest.mark.parametrize("quirks", [{}, {"job_ids": False}, {"jobs_read": "absent"}, {"patch_jobs": "taken"}])
@pytest.mark.parametrize("change_lines", [False, True])
def test_lines_that_cannot_be_changed_are_held_and_nothing_is_changed(
    shop: World, quirks: dict[str, Any], change_lines: bool
) -> None:
    if not quirks and change_lines:
        return  # then they can be
    make(shop, order(1, CODES))
    before = [dict(job) for job in row(shop)["jobs"]]
    shop.fake.behave(**quirks)
    outcome = amend(shop, larger(CODES), settings(shop, change_lines=change_lines))
    assert isinstance(outcome.error, Held)
    assert row(shop)["jobs"] == before
    assert row(shop)["total"] == Decimal("969.80")
    if not change_lines:
        assert patches(shop) == []


def test_only_lines_that_differ_are_exchanged(shop: World) -> None:
    make(shop, order(1, CODES))
    first = row(shop)["jobs"][0]["id"]
    assert first
    base = order(1, CODES)
    newer = replace(base, delivery=replace(base.delivery, cost=Decimal(80)), total=Decimal("979.80"))
    options = settings(shop, change_lines=True)
    assert amend(shop, newer, options).error is None
    (body,) = patches(shop)
    gone, come = body["jobs_attributes"]
    assert gone["_destroy"] is True
    assert come["product_attributes"] == {"sku": "DELIVERY", "title": "Доставка", "price": 80, "currency": "UAH"}
    assert body["total"] == Decimal("979.8")
    assert row(shop)["jobs"][0]["id"] == first
    assert amend(shop, newer, options).existed


@pytest.mark.parametrize("made", [True, False])
def test_f07_a_lost_answer_to_new_lines_is_looked_up(shop: World, made: bool) -> None:
    make(shop, order(1, CODES))
    fault = shop.fake.lose_reply if made else shop.fake.drop
    fault(method="PATCH")
    options = settings(shop, change_lines=True)
    outcome = amend(shop, larger(CODES), options)
    assert len(patches(shop)) == 1, "never sent twice blindly"
    assert isinstance(outcome.error, InDoubt) is not made
    assert amend(shop, larger(CODES), options).existed is made
    amounts = {sku: sum(job["amount"] for job in row(shop)["jobs"] if job["sku"] == sku) for sku in CODES}
    assert amounts == dict(zip(CODES, (3, 3, 1), strict=True))
    assert row(shop)["total"] == Decimal("1359.30")


def test_an_account_that_adds_lines_all_the_same_is_told(shop: World) -> None:
    make(shop, order(1, CODES))
    shown = shop.fake.agreements.tell(row(shop))
    shop.fake.fail(200, {**shown, "jobs": [*shown["jobs"], *shown["jobs"]]}, method="PATCH")
    outcome = amend(shop, larger(CODES), settings(shop, change_lines=True))
    assert isinstance(outcome.error, Held)
    assert "its lines are not those of the order" in str(outcome.error)


def test_new_lines_name_no_product_that_is_gone(shop: World) -> None:
    make(shop, order(1, CODES))
    session = shop.open(**settings(shop, change_lines=True))
    (draft,) = drafts_of(session, [larger(CODES)])
    draft = replace(draft, products=(Ref("999", "GONE"), *draft.products[1:]))
    ref = DocumentRef(str(row(shop)["id"]), "", "demo/shop/1/create/0")
    (outcome,) = session.amend([Amendment(key="k", ref=ref, draft=draft)])
    assert isinstance(outcome.error, Held)
    assert patches(shop) == []


@pytest.mark.parametrize(
    ("customer", "held"),
    [
        (Party(first_name="Олена", last_name="Шевченко-Бойко", phone="067 000 00 01"), False),
        (Party(first_name="Олена", last_name="Шевченко", phone="+380501112233", email="x@y.ua"), False),
        (Party(first_name="Шевченко", last_name="Олена"), False),
        (Party(first_name="Ганна", last_name="Бойко", email="O1@example.com"), False),
        (Party(first_name="Ганна", last_name="Бойко", phone="+380501112233"), True),
        (Party(), False),
    ],
)
def test_another_buyer_is_held_and_a_name_that_was_put_right_is_not(shop: World, customer: Party, held: bool) -> None:
    make(shop, order(1, CODES))
    outcome = amend(shop, replace(order(1, CODES), customer=customer))
    assert isinstance(outcome.error, Held) is held
    assert outcome.existed is not held


def test_another_currency_is_held(shop: World) -> None:
    make(shop, order(1, CODES))
    assert isinstance(amend(shop, replace(order(1, CODES), currency="EUR")).error, Held)


def test_a_comment_that_is_not_told_is_not_written_over(shop: World) -> None:
    make(shop, order(1, CODES))
    shown = {name: value for name, value in shop.fake.agreements.tell(row(shop)).items() if name != "comment"}
    shop.fake.fail(200, shown, method="GET", path=f"/v1/agreements/{row(shop)['id']}")
    assert isinstance(amend(shop, order(1, CODES)).error, Held)
    assert patches(shop) == []


# --- cancelled -------------------------------------------------------------------------------------------------------


def cancel(world: World, options: dict[str, Any], status: str = "cancelled", number: str = "") -> DocumentOutcome:
    ref = DocumentRef(number or str(row(world)["id"]), "", "demo/shop/1/create/0")
    (outcome,) = world.open(**options).cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status=status)])
    return outcome


def test_f43_a_cancelled_order_moves_its_agreement_once(shop: World) -> None:
    make(shop, order(1, CODES))
    for existed in (False, True, True):
        outcome = cancel(shop, settings(shop), "відмова")
        assert outcome.error is None
        assert outcome.existed is existed
    assert row(shop)["stage_id"] == stage(shop, "Скасовано")
    assert patches(shop) == [{"stage_id": stage(shop, "Скасовано")}]
    assert isinstance(cancel(shop, settings(shop), number="99").error, Held)


def test_without_a_stage_it_is_closed_as_lost_where_that_is_set(shop: World) -> None:
    make(shop, order(1, CODES))
    outcome = cancel(shop, settings(shop, stage_for={}))
    assert isinstance(outcome.error, Held)
    assert "stage_for" in str(outcome.error.hint)
    options = settings(shop, stage_for={}, close=True)
    assert [cancel(shop, options).existed for _ in range(2)] == [False, True]
    assert row(shop)["result"] == "failed"
    assert cancel(shop, settings(shop)).existed, "it came to nothing already"
    assert isinstance(amend(shop, order(1, CODES)).error, Held), "it cannot be opened without `close`"
    assert amend(shop, order(1, CODES), options).error is None
    assert (row(shop)["result"], row(shop)["stage_id"]) == (None, stage(shop, "Нове")), "it lives again"


def test_an_account_that_does_not_close_is_told(shop: World) -> None:
    make(shop, order(1, CODES))
    shop.fake.behave(result_write=False)
    outcome = cancel(shop, settings(shop, stage_for={}, close=True))
    assert isinstance(outcome.error, Held)
    assert "orders.close: false" in str(outcome.error.hint)


def test_a_cancelled_one_lives_again_only_where_the_config_says_at_which_stage(shop: World) -> None:
    make(shop, order(1, CODES))
    cancel(shop, settings(shop))
    options = settings(shop, stage=None, stage_for={"cancelled": "Скасовано"})
    outcome = amend(shop, order(1, CODES), options)
    assert isinstance(outcome.error, Held)
    assert "orders: {stage: …}" in str(outcome.error.hint)
