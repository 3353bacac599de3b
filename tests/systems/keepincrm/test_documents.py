"""Agreements are made of orders: each once, to the cent, found again by their titles; and changed where they can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.api import (
    Address,
    Delivery,
    Discount,
    DocumentDraft,
    Held,
    InDoubt,
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
    order,
)
from plugins.systems.keepincrm import titles
from plugins.systems.keepincrm.drafting import body_of, net_prices, where_to
from plugins.systems.keepincrm.order_settings import OrderSettings
from tests.systems.keepincrm.agreeing import (
    ACCOUNTS,
    CHANGING,
    CODES,
    SILENT,
    count,
    make,
    posted,
    row,
    settings,
    stage,
    stocked,
    subject_of,
)
from tests.systems.keepincrm.world import World


@pytest.fixture
def shop(world: World) -> World:
    return stocked(world)


class TestKeepin(DocumentsContract):
    @pytest.fixture(params=[*ACCOUNTS.values(), SILENT], ids=[*ACCOUNTS, "silent"])
    def subject(self, request: pytest.FixtureRequest, world: World) -> Iterator[Subject]:
        world.fake.behave(**request.param)
        before = len(stocked(world).fake.account.tables["materials"])
        yield subject_of(world)
        services = {one["sku"] for one in list(world.fake.account.tables["materials"].values())[before:]}
        assert services <= {"DELIVERY"}, "no line has made a copy of a product"


class TestKeepinChanged(AmendContract):
    @pytest.fixture(params=ACCOUNTS.values(), ids=list(ACCOUNTS))
    def subject(self, request: pytest.FixtureRequest, world: World) -> Subject:
        world.fake.behave(**{**request.param, **CHANGING})
        return subject_of(stocked(world), change_lines=True)


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


@example([(Decimal(1), 1, Decimal(0))], Decimal(2), Decimal(1), Decimal(0), Decimal("-0.01"))
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
    if order_totals(made).total + rounding < 0:
        rounding = Decimal(0)  # no site asks for less than nothing
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
