"""Orders are made in KeyCRM: each once, to the cent, and with nothing left out in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import (
    Address,
    ConfigError,
    Delivery,
    Held,
    InDoubt,
    OrderLine,
    Party,
    Payment,
    Ref,
    Refused,
    Transient,
)
from pipeline.testing.documents_contract import MOMENT, DocumentsContract, Subject, drafts_of, order
from plugins.systems.keycrm.client import Client as KeyClient
from plugins.systems.keycrm.documents import MAKING
from plugins.systems.keycrm.fake import Quirks
from plugins.systems.keycrm.order_out import order_of, uuid_of
from tests.systems.keycrm.account import Account, account
from tests.systems.keycrm.ordering import ACCOUNTS, BY_NAME, CODES, DOCUMENTS, make, stocked, total


@pytest.fixture
def one() -> Iterator[Account]:
    with account(documents=DOCUMENTS) as opened:
        yield stocked(opened)


class TestKeyCrm(DocumentsContract):
    @pytest.fixture(params=ACCOUNTS.values(), ids=list(ACCOUNTS))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        with account(Quirks(**request.param), documents=DOCUMENTS) as one:
            stocked(one)
            yield Subject(
                one.open,
                CODES,
                lambda: len(one.fake.account.table("orders")),
                lambda number: one.fake.order(int(number))["grand_total"],
                one.fake.reserve,
            )
            assert [problem for problem in one.undocumented() if BY_NAME not in problem] == []


# --- what is made ----------------------------------------------------------------------------------------------------

FULL = replace(
    order(5501, CODES),
    customer=Party(
        last_name="Шевченко", first_name="Олена", company="ТОВ «Ромашка»", phone="+380501112233", email="o@e.com"
    ),
    delivery=Delivery(
        carrier="nova-poshta", service="branch", city="Київ", branch="Відділення 12", branch_ref="1ec09d2e",
        address=Address(country="UA", region="Київська", city="Київ", street="вул. Хрещатик", house="1", apartment="7",
                        zip="01001"),
        recipient=Party(last_name="Бойко", first_name="Ганна", phone="+380671112233"),
        cost=Decimal("70.00"), planned_for=date(2026, 11, 24), tracking="T-1",
    ),
    payment=Payment(method="Картка", status="partly", paid=Decimal("100.00"), transaction="UD1", paid_at=MOMENT),
    comment="Подзвонити",
    extra={"utm_source": "facebook", "store": "1"},
)  # fmt: skip


def test_an_order_goes_in_with_all_that_it_says(one: Account) -> None:
    user = one.fake.add_user("Ганна", "Менеджер")
    (outcome,) = make(
        one, FULL, comment="shop № 5501", user=Ref(str(user), str(user)), warehouse=Ref("1", "main", "main")
    )
    assert outcome.error is None
    assert outcome.ref is not None
    assert (outcome.ref.number, outcome.ref.total, outcome.ref.currency) == ("1", Decimal("969.80"), "UAH")
    (posted,) = one.fake.asked("POST")
    assert posted.json() == {
        "source_uuid": "shop/5501",
        "source_name": "shop",
        "ordered_at": "2026-11-22 12:00:00",
        "buyer": {"full_name": "Шевченко Олена (ТОВ «Ромашка»)", "phone": "+380501112233", "email": "o@e.com"},
        "shipping_price": 70,
        "discount_amount": 20,
        "promocode": "ОСІНЬ",
        "buyer_comment": "Подзвонити",
        "manager_comment": "shop № 5501\nWarehouse: main\n(Mistok …)",
        "manager_id": user,
        "products": [
            {"sku": "COF-1", "price": Decimal("389.5"), "quantity": 2, "name": "Ґрунт"},
            {"sku": "TEA-1", "price": Decimal("48.6"), "quantity": 3, "name": "Стрічка", "discount_amount": 5},
            {"sku": "GIFT-1", "price": 0, "quantity": 1, "name": "Подарунок"},
        ],
        "shipping": {
            "delivery_service_id": 1,
            "tracking_code": "T-1",
            "shipping_date": "2026-11-24",
            "shipping_address_city": "Київ",
            "shipping_address_region": "Київська",
            "shipping_address_country": "Ukraine",
            "shipping_address_zip": "01001",
            "shipping_secondary_line": "вул. Хрещатик 1, 7",
            "shipping_receive_point": "Відділення 12",
            "warehouse_ref": "1ec09d2e",
            "recipient_full_name": "Бойко Ганна",
            "recipient_phone": "+380671112233",
        },
        "payments": [
            {"payment_method_id": 2, "amount": 100, "status": "paid", "payment_date": "2026-11-22 12:00:00",
             "description": "UD1"},
            {"payment_method_id": 2, "amount": Decimal("869.8"), "status": "not_paid"},
        ],
        "marketing": {"utm_source": "facebook"},
    }  # fmt: skip
    assert one.fake.order(1)["manager_comment"] == "shop № 5501\nWarehouse: main", "it is made, and says so no more"
    assert one.fake.order(1)["payment_status"] == "part_paid"
    assert [one.fake.reserve(code) for code in CODES] == [2, 3, 1], (
        "items are linked to the catalogue by their articles"
    )


def test_an_order_that_went_in_reads_back_the_same(one: Account) -> None:
    make(one, FULL)
    (seen,) = one.open(orders={"names": "last-first"}).orders()
    back = seen.order
    assert back is not None
    assert (back.total, back.currency, back.source_number) == (FULL.total, "UAH", "shop/5501")
    assert [(line.code, line.price, line.quantity, line.discount) for line in back.lines] == [
        (line.code, line.price, line.quantity, line.discount) for line in FULL.lines
    ]
    assert [discount.amount for discount in back.discounts] == [20]
    assert (back.delivery.cost, back.delivery.branch, back.delivery.tracking) == (Decimal(70), "Відділення 12", "T-1")
    assert (back.payment.status, back.payment.paid, back.comment) == ("partly", Decimal(100), "Подзвонити")


@pytest.mark.parametrize("line_discount", ["line", "unit"])
@pytest.mark.parametrize("adds", [("shipping_price", "wrap_price", "taxes"), ("shipping_price",)])
def test_f41_the_total_is_the_shop_s_however_keycrm_reckons_discounts(
    line_discount: Any, adds: tuple[str, ...]
) -> None:
    with account(Quirks(line_discount=line_discount, total_adds=adds), documents=DOCUMENTS) as one:
        stocked(one)
        outcomes = make(one, *(order(n, CODES) for n in range(1, 4)))
        assert [outcome.error for outcome in outcomes] == [None] * 3
        assert {total(one, n) for n in (1, 2, 3)} == {Decimal("969.80")}
        puts = 1 if line_discount == "line" else 2  # one takes the mark of its making away
        assert len(one.asked("PUT")) == puts, "what was found out for the first order holds for the next"


money = st.decimals(1, 2000, places=2)


@given(
    st.lists(st.tuples(money, st.integers(1, 4), st.decimals(0, 1, places=2)), min_size=1, max_size=4),
    st.decimals(0, 5, places=2),
    money,
    st.decimals(0, 30, places=2),
    st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01")]),
    st.sampled_from(["line", "unit"]),
)
def test_f41_any_order_comes_to_its_total(
    lines: list[tuple[Decimal, int, Decimal]], off: Decimal, cost: Decimal, fee: Decimal, rounding: Decimal, how: Any
) -> None:
    from pipeline.api import Discount, order_totals

    with account(Quirks(line_discount=how), documents=DOCUMENTS) as one:
        stocked(one)
        made = replace(
            order(1, CODES),
            lines=tuple(
                OrderLine(code=CODES[n % 3], name="x", quantity=Decimal(count), price=price, discount=less)
                for n, (price, count, less) in enumerate(lines)
            ),
            discounts=(Discount(amount=off),) if off else (),
            delivery=Delivery(cost=cost),
            payment=Payment(method="Картка", fee=fee),
        )
        if order_totals(made).total + rounding < 0:
            rounding = Decimal(0)  # no site asks for less than nothing
        made = replace(made, total=order_totals(made).total + rounding)
        (outcome,) = make(one, made, rounding=rounding or None)
        assert outcome.error is None
        assert total(one) == made.total


def test_a_total_that_cannot_be_reached_is_told_with_the_number_of_the_order() -> None:
    with account(Quirks(total_adds=()), documents=DOCUMENTS) as one:
        stocked(one)
        (outcome,) = make(one, replace(order(1, CODES), discounts=(), total=Decimal("989.80")))
        assert isinstance(outcome.error, Held)
        assert "order 1" in str(outcome.error)
        assert outcome.ref is None
        found = one.open().find(["demo/shop/1/create/0"])
        assert found["demo/shop/1/create/0"].total == Decimal("919.80"), "whoever looks it up sees the difference"


def test_taxes_on_top_are_kept_apart(one: Account) -> None:
    taxed = replace(order(1, CODES), prices_include_tax=False, delivery=Delivery(), discounts=(),
                    total=Decimal("1103.76"))  # fmt: skip
    (outcome,) = make(one, taxed)
    assert outcome.error is None
    assert one.fake.order(1)["taxes"] == Decimal("183.96")


@pytest.mark.parametrize(("status", "wanted"), [("new", 1), ("confirmed", 2), ("unheard of", 1), ("cancelled", 19)])
def test_a_status_is_set_where_the_settings_say_which(one: Account, status: str, wanted: int) -> None:
    (outcome,) = make(one, replace(order(1, CODES), status=status))
    assert outcome.error is None
    assert one.fake.order(1)["status_id"] == wanted


def test_a_status_that_could_not_be_set_is_a_doubt_about_an_order_that_is_there(one: Account) -> None:
    one.fake.fail(422, {"message": "No."}, method="PUT")
    (outcome,) = make(one, replace(order(1, CODES), status="confirmed"))
    assert isinstance(outcome.error, InDoubt)
    assert "status could not be set: KeyCRM refuses it: No." in str(outcome.error)
    key = "demo/shop/1/create/0"
    assert one.open().find([key])[key].unfinished, "begun, and known as such to whoever comes after a kill"
    assert MAKING in one.fake.order(1)["manager_comment"]

    (again,) = make(one, replace(order(1, CODES), status="confirmed"))
    assert (again.error, again.existed) == (None, True)
    assert one.fake.order(1)["status_id"] == 2
    assert MAKING not in (one.fake.order(1)["manager_comment"] or "")
    assert not one.open().find([key])[key].unfinished
    assert len(one.fake.account.table("orders")) == 1


def test_f03_an_order_of_a_run_that_was_killed_before_its_sum_was_right_is_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with account(Quirks(line_discount="unit"), documents=DOCUMENTS) as one:
        stocked(one)
        wanted = replace(order(1, CODES), status="confirmed")
        with monkeypatch.context() as patch:
            patch.setattr(KeyClient, "put", killed)
            with pytest.raises(KeyboardInterrupt):
                make(one, wanted)
        (again,) = make(one, wanted)
        assert (again.error, again.existed) == (None, True)
        row = one.fake.order(1)
        assert (row["grand_total"], row["status_id"]) == (wanted.total, 2)
        assert MAKING not in (row["manager_comment"] or "")


def killed(*_args: object, **_more: object) -> None:
    raise KeyboardInterrupt


# --- once ------------------------------------------------------------------------------------------------------------


def test_f03_a_lost_answer_is_looked_up_and_nothing_is_made_twice(one: Account) -> None:
    one.fake.lose_reply(method="POST")
    (outcome,) = make(one, order(1, CODES))
    assert outcome.error is None
    assert outcome.ref is not None
    assert len(one.fake.account.table("orders")) == 1


def test_f07_what_was_lost_before_it_was_made_is_in_doubt_and_made_by_the_next_try(one: Account) -> None:
    one.fake.drop(method="POST")
    first, second = make(one, order(1, CODES), order(2, CODES))
    assert isinstance(first.error, InDoubt)
    assert second.error is None
    assert len(one.asked("POST")) == 2, "never posted again blindly"
    (again,) = make(one, order(1, CODES))
    assert not again.existed
    assert len(one.fake.account.table("orders")) == 2


def test_f08_a_service_that_is_busy_ends_the_batch_and_rejects_nothing(one: Account) -> None:
    one.fake.fail(503, method="GET", path="/v1/order$", times=4)
    outcomes = make(one, order(1, CODES), order(2, CODES))
    assert [type(outcome.error) for outcome in outcomes] == [Transient, Transient]
    one.fake.forget()
    one.fake.fail(429, {"message": "Too Many Attempts."}, headers={"Retry-After": "0"}, method="POST")
    assert [outcome.error for outcome in make(one, order(1, CODES), order(2, CODES))] == [None, None]
    assert len(one.fake.account.table("orders")) == 2


def test_f09_a_refused_order_is_held_with_keycrm_s_words_and_its_siblings_are_made(one: Account) -> None:
    one.fake.fail(422, {"message": "The phone is odd."}, method="POST")
    bad, good = make(one, order(1, CODES), order(2, CODES))
    assert isinstance(bad.error, Held)
    assert "The phone is odd." in str(bad.error)
    assert good.error is None


def test_an_expired_key_strikes_all(one: Account) -> None:
    session = one.open()
    drafts = drafts_of(session, [order(1, CODES)])
    one.fake.keys = set()
    with pytest.raises(Refused):
        session.create(drafts)


def test_an_order_of_another_program_with_the_same_number_is_not_ours(one: Account) -> None:
    one.fake.add_order([{"sku": "COF-1"}], source_uuid="1")
    one.fake.add_order([{"sku": "COF-1"}], source_uuid="shop/1x")
    (outcome,) = make(one, order(1, CODES))
    assert not outcome.existed
    assert [one.ref.number for one in one.open().all_documents()] == ["3"]


def test_of_two_that_were_made_once_the_older_is_meant(one: Account) -> None:
    make(one, order(1, CODES))
    one.fake.add_order([{"sku": "COF-1"}], source_uuid="shop/1")
    assert one.open().find(["demo/shop/1/create/0"])["demo/shop/1/create/0"].number == "1"


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_the_number_of_an_order_goes_there_and_back(source: str, own: str) -> None:
    try:
        uuid = uuid_of(source, own)
    except Held:
        return
    assert "," not in uuid
    assert order_of(uuid) == (source, own)


def test_a_number_that_is_too_long_is_held(one: Account) -> None:
    (outcome,) = make(one, replace(order(1, CODES), id="9" * 200))
    assert isinstance(outcome.error, Held)
    assert one.asked("POST") == []


@pytest.mark.parametrize("key", ["", "a/b", "demo/shop//create/0", "demo/shop/1/create/0/more"])
def test_a_key_that_is_none_of_ours_finds_nothing(one: Account, key: str) -> None:
    assert one.open().find([key]) == {}


# --- what is not known -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"payment": Payment(method="Бартер")}, "unknown-payment-method", "no payment method Бартер"),
        ({"payment": Payment(status="paid")}, "unknown-payment-method", 'documents: {payments: {"": …}}'),
        ({"currency": "EUR"}, "currency", "UAH in KeyCRM, and this one is in EUR"),
        ({"customer": Party()}, "keycrm-held", "no buyer"),
        ({"source": "market"}, "unknown-source", "no order source Нема"),
        ({"delivery": Delivery(method="Кур'єр", cost=Decimal(70))}, "unknown-delivery-service", "no delivery service"),
    ],
)
def test_f40_what_is_not_known_holds_the_order_with_what_there_is(
    change: dict[str, Any], code: str, words: str
) -> None:
    more = {"sources": {"market": "Нема"}, "deliveries": {"Кур'єр": "Нема"}}
    with account(documents={**DOCUMENTS, **more}) as one:
        stocked(one)
        bad, good = make(one, replace(order(1, CODES), **change), order(2, CODES))
        assert isinstance(bad.error, Held)
        assert bad.error.code == code
        assert words in f"{bad.error} {bad.error.hint}"
        assert good.error is None
        assert len(one.fake.account.table("orders")) == 1


def test_names_of_the_settings_are_taken(one: Account) -> None:
    one.settings["documents"] = {
        "sources": {"shop": "сайт"},
        "payments": {"Післяплата": ""},
        "deliveries": {"Самовивіз зі складу": "2"},
    }
    make(one, replace(order(1, CODES), delivery=Delivery(method="Самовивіз зі складу", cost=Decimal(70))))
    row = one.fake.order(1)
    assert (row["source_id"], row["shipping"]["delivery_service_id"], row["own"]["payments"]) == (1, 2, [])
    assert len(one.fake.account.table("sources")) == 1


def test_a_delivery_that_the_account_does_not_have_is_written_down(one: Account) -> None:
    make(one, replace(order(1, CODES), delivery=Delivery(method="Голуби", cost=Decimal(70))))
    assert one.fake.order(1)["manager_comment"] == "Delivery: Голуби"


def test_a_source_of_the_step_s_own_choice(one: Account) -> None:
    session = one.open()
    found = session.find_references("object", ["Сайт", "1", "Нема"])
    assert {code: ref.id for code, ref in found.items()} == {"Сайт": "1", "1": "1"}
    make(one, order(1, CODES), object=found["Сайт"])
    assert one.fake.order(1)["source_id"] == 1


def test_a_party_of_the_step_s_own_choice_is_the_buyer(one: Account) -> None:
    number = one.fake.add_buyer("Оптовик", phone=["+380440000000"], email=["opt@example.com"])
    bare = one.fake.add_buyer("Без зв'язку")
    found = one.open().find_references("party", [str(number), "999", "x"])
    assert set(found) == {str(number)}
    make(one, order(1, CODES), client=found[str(number)])
    row = one.fake.order(1)
    assert row["client_id"] == number
    assert row["shipping"]["recipient_full_name"] == "Шевченко Олена", "whoever bought is whoever gets it"
    first, second = (
        make(one, order(2, CODES), client=Ref(str(bare), str(bare))),
        make(one, order(3, CODES), client=Ref("999", "999")),
    )
    assert [isinstance(outcome.error, Held) for (outcome,) in (first, second)] == [True, True]


def test_references_are_what_the_account_has(one: Account) -> None:
    session = one.open()
    one.fake.add_source("Etsy", currency_code="USD")
    assert set(session.find_references("currency", ["UAH", "USD", "EUR"])) == {"UAH", "USD"}
    assert set(session.find_references("warehouse", ["main", "other"])) == {"main"}
    assert set(session.find_references("user", ["Олена Власник", "Хтось"])) == {"Олена Власник"}
    assert session.find_references("executor", ["1"]) == {}
    assert [ref.code for ref in session.references("currency")] == ["UAH", "USD"]
    assert session.ensure("source", "Новий магазин") == Ref("", "Новий магазин", "Новий магазин")
    assert session.ensure("source", "Сайт").id == "1"
    with pytest.raises(ConfigError):
        session.ensure("user", "Хтось")


def test_goods_that_orders_cannot_name_are_held(one: Account) -> None:
    twin = one.fake.add_product("Кава, двійник", "COF-1")
    session = one.open()
    (draft,) = drafts_of(session, [order(1, CODES)])
    assert len(session.find_products(["COF-1"])["COF-1"]) == 2
    (outcome,) = session.create([draft])
    assert isinstance(outcome.error, Held)
    assert "Several offers" in str(outcome.error)
    lost = replace(draft, products=(Ref(str(twin), ""), *draft.products[1:]))
    (outcome,) = session.create([lost])
    assert isinstance(outcome.error, Held)
    assert one.asked("POST") == [], "KeyCRM would have made one-off goods of it"
