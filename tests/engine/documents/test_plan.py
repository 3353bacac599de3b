"""What is done about one order: absolute, each once, never a document without its base."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.documents import Act
from pipeline.engine.documents import money, paper
from pipeline.engine.documents.plan import Plan, content_of, plan
from pipeline.engine.documents.standing import Moved, Standing, moving, standing_of
from pipeline.errors import Finding, Rejected
from pipeline.model import Address, Delivery, Discount, Order, OrderLine, Party, Payment
from pipeline.ports import DocumentRef, SeenOrder
from pipeline.rules.pricing import order_totals
from pipeline.texts import T
from tests.engine.documents.making import D, draft, line, moved, order, paid, settings, standing


def planned(of: Order, acts: tuple[Act, ...], at: Standing, status: str | None = None, **more: Any) -> Plan:
    said = settings(**more.pop("settings", {}))
    return plan(of, acts, at, draft(of), said, status=status, **more)


def codes(found: Plan) -> list[str]:
    return [one.code for one in found.findings]


def keys(found: Plan) -> list[str]:
    return [one.key for one in found.doings]


# --- orders ----------------------------------------------------------------------------------------------------------


def test_a_new_order_gets_its_document_once() -> None:
    one = order()
    assert keys(planned(one, ("order",), Standing())) == ["acme/crm/7/create/0"]
    assert planned(one, ("order",), standing(one)).doings == ()


def test_handed_to_courier_makes_the_missing_order_and_its_shipment_at_once() -> None:
    one = order()
    found = planned(one, ("order", "ship"), Standing())
    assert keys(found) == ["acme/crm/7/create/0", "acme/crm/7/ship/1"]
    assert found.doings[1].draft is not None
    assert found.doings[1].draft.order.lines == one.lines


@pytest.mark.parametrize("acts", [("ship",), ("pay",), ("pay", "ship")])
def test_nothing_is_shipped_or_paid_without_its_order(acts: tuple[Act, ...]) -> None:
    found = planned(order(), acts, Standing())
    assert (codes(found), found.doings) == (["no-document"], ())


@pytest.mark.parametrize("acts", [("cancel",), ("return", "cancel"), ("return",), ("nothing",)])
def test_cancelled_before_it_came_makes_nothing(acts: tuple[Act, ...]) -> None:
    found = planned(order(status="cancelled"), acts, Standing(), status="Скасовано")
    assert found.doings == ()
    assert found.findings == ()
    assert found.nothing is not None


def test_other_content_amends_and_each_amendment_has_a_key_of_its_own() -> None:
    first, second = order(), order(line(), line("AB-2", "3", "50.00"))
    at = standing(first)
    (one,) = planned(second, ("order",), at).doings
    assert one.what == "amend"
    after = replace(at, booked=one.booked, changes=1)
    assert planned(second, ("order",), after).doings == ()
    (back,) = planned(first, ("order",), after).doings
    again = planned(second, ("order",), replace(after, booked=back.booked, changes=2)).doings[0]
    assert len({one.key, back.key, again.key}) == 3


def test_what_is_no_content_amends_nothing() -> None:
    one = order(delivery=Delivery(cost=D("60.00")))
    other = replace(
        one,
        status="shipped",
        updated_at=datetime(2026, 11, 29, tzinfo=UTC),
        manager_comment="Документ D-1",
        delivery=replace(one.delivery, tracking="20450000000001"),
        payment=Payment(status="paid", paid=D("310.00")),
        extra={"status": "Інший"},
    )
    assert planned(other, ("order",), standing(one)).doings == ()


@pytest.mark.parametrize(("policy", "wanted"), [("hold", (["changed-order"], [])), ("ignore", ([], ["left-as-it-is"]))])
def test_other_content_is_held_or_left_where_the_client_says_so(policy: str, wanted: Any) -> None:
    found = planned(order(line()), ("order",), standing(order()), settings={"changed": policy})
    assert (codes(found), [one.code for one in found.notes]) == wanted
    assert found.doings == ()


def test_an_accepted_change_is_made() -> None:
    found = planned(
        order(line()), ("order",), standing(order()), settings={"changed": "hold"}, accepted={"changed-order"}
    )
    assert found.words == ("amend",)


def test_an_order_that_comes_back_after_its_cancellation_is_brought_back() -> None:
    one = order()
    found = planned(one, ("order",), standing(one, cancelled=True, changes=1), settings={"changed": "ignore"})
    assert found.words == ("amend",)


def test_cancelling_twice_is_cancelling_once_and_a_second_cancellation_has_its_own_key() -> None:
    one = order()
    (first,) = planned(one, ("cancel",), standing(one)).doings
    assert planned(one, ("cancel",), standing(one, cancelled=True, changes=1)).doings == ()
    (second,) = planned(one, ("cancel",), standing(one, changes=2)).doings
    assert first.key != second.key


def test_an_order_of_a_held_status_waits_and_goes_on_when_a_person_accepts_it() -> None:
    assert codes(planned(order(), ("hold",), Standing())) == ["status"]
    assert planned(order(), ("hold",), Standing(), accepted={"status"}).words == ("create",)


# --- goods -----------------------------------------------------------------------------------------------------------


def test_shipping_twice_is_shipping_once() -> None:
    one = order()
    assert planned(one, ("order", "ship"), standing(one, shipments=(moved(one),))).doings == ()


def test_what_was_added_after_a_shipment_is_a_shipment_of_its_own() -> None:
    first, second = order(line()), order(line(quantity="5"), line("AB-2", "1", "50.00"))
    found = planned(second, ("ship",), standing(first, shipments=(moved(first),)))
    assert found.words == ("amend", "ship")
    assert found.doings[1].key.endswith("/ship/2")
    part = found.doings[1].draft
    assert part is not None
    assert money.quantities(part.order) == {"ab-1": D(3), "ab-2": D(1)}
    assert (part.order.total, len(part.products)) == (D("350.00"), 2)


def test_more_shipped_than_ordered_asks_a_person() -> None:
    first, second = order(line(quantity="5")), order(line())
    assert codes(planned(second, ("ship",), standing(first, shipments=(moved(first),)))) == ["shipped-more"]


def test_a_shipment_that_somebody_else_made_is_taken_and_nothing_is_written_off_twice() -> None:
    one = order()
    theirs = DocumentRef("s9", "S-9", total=one.total, currency="UAH")
    (doing,) = planned(one, ("ship",), standing(one), others=(theirs,)).doings
    assert doing.exists == theirs
    other = replace(theirs, total=D("1.00"))
    assert codes(planned(one, ("ship",), standing(one), others=(other,))) == ["shipped-otherwise"]
    assert codes(planned(one, ("ship",), standing(one), others=(theirs, other))) == ["shipped-otherwise"]
    assert codes(planned(one, ("ship",), standing(one), others=(replace(theirs, total=None),))) == ["shipped-otherwise"]


def test_a_return_stands_on_its_shipment_and_cancels_after_it() -> None:
    one = order(status="refunded")
    found = planned(one, ("return", "cancel"), standing(one, shipments=(moved(one),)))
    assert found.words == ("return", "cancel")
    assert found.doings[0].base == moved(one)
    assert found.doings[0].key == "acme/crm/7/return/1"


def test_a_return_is_made_once_and_one_without_a_shipment_only_cancels() -> None:
    one = order(status="refunded")
    back = replace(moved(one), ref=DocumentRef("r1", "R-1"), base="s1")
    at = standing(one, shipments=(moved(one),), returns=(back,), cancelled=True, changes=1)
    assert planned(one, ("return", "cancel"), at).doings == ()
    found = planned(one, ("return", "cancel"), standing(one))
    assert found.words == ("cancel",)
    assert [note.code for note in found.notes] == ["nothing-to-return"]


def test_only_what_is_left_of_each_shipment_comes_back() -> None:
    whole = order(line(quantity="5"))
    came = Moved(DocumentRef("r1", "R-1"), order(line(quantity="2")), draft(whole).products, "s1")
    found = planned(whole, ("return",), standing(whole, shipments=(moved(whole),), returns=(came,)))
    part = found.doings[0].draft
    assert part is not None
    assert money.quantities(part.order) == {"ab-1": D(3)}
    assert found.doings[0].key.endswith("/return/2")


def test_what_comes_back_and_leaves_again_is_another_shipment() -> None:
    one = order()
    back = replace(moved(one), ref=DocumentRef("r1", "R-1"), base="s1")
    found = planned(one, ("ship",), standing(one, shipments=(moved(one),), returns=(back,)))
    assert keys(found) == ["acme/crm/7/ship/2"]


def test_goods_that_have_left_keep_an_order_from_being_cancelled() -> None:
    one = order(status="cancelled")
    assert codes(planned(one, ("cancel",), standing(one, shipments=(moved(one),)))) == ["shipped-and-cancelled"]


# --- money, statuses -------------------------------------------------------------------------------------------------


def test_what_was_paid_is_noted_once_and_what_comes_later_besides() -> None:
    one = order(payment=paid("100.00"))
    (first,) = planned(one, ("pay",), standing(one)).doings
    assert (first.amount, first.key) == (D("100.00"), "acme/crm/7/pay/1")
    assert planned(one, ("pay",), standing(one, paid=D(100), payments=1)).doings == ()
    more = order(payment=paid("250.00"))
    (second,) = planned(more, ("pay",), standing(one, paid=D(100), payments=1)).doings
    assert (second.amount, second.key) == (D("150.00"), "acme/crm/7/pay/2")
    assert codes(planned(one, ("pay",), standing(one, paid=D(250), payments=2))) == ["paid-back"]


def test_a_paid_order_without_an_amount_is_paid_whole_and_an_unpaid_one_not() -> None:
    assert money.paid(order(payment=Payment(status="paid"))) == D("250.00")
    assert money.paid(order(payment=Payment(status="partly"))) == D(0)


def test_a_status_that_comes_back_is_set_again_with_another_key() -> None:
    one = order()
    (first,) = planned(one, ("nothing",), standing(one), status="Нове").doings
    assert planned(one, ("nothing",), standing(one, status="Нове", restated=1), status="Нове").doings == ()
    (again,) = planned(one, ("nothing",), standing(one, status="Інше", restated=2), status="Нове").doings
    assert first.key != again.key


def test_a_held_order_does_nothing_of_what_was_planned() -> None:
    first, second = order(line(quantity="5")), order(line())
    assert planned(second, ("ship",), standing(first, shipments=(moved(first),)), status="x").doings == ()


def test_the_standing_is_read_back_from_what_the_ledger_keeps() -> None:
    one = order()
    row: dict[str, Any] = {"document_id": "1", "document_number": "D-1", "key": "acme/crm/7/create/0"}
    place = {"document_id": "s1", "document_number": "S-1", "key": "k"}
    done: list[dict[str, Any]] = [
        {"act": "create", "revision": "aa", "content": {}, **place},
        {"act": "ship", "revision": "1", "content": moving(draft(one)), **place},
        {"act": "return", "revision": "1", "content": moving(draft(one), "s1"), **place},
        {"act": "pay", "revision": "1", "content": {"amount": "10.50"}, **place},
        {"act": "status", "revision": "x", "content": {"status": "Нове"}, **place},
        {"act": "back", "revision": "y", "content": {"status": "12", "over": "4", "number": "D-1"}, **place},
        {"act": "cancel", "revision": "z", "content": None, **place},
    ]
    found = standing_of(row, done)
    assert found.ref == DocumentRef("1", "D-1", "acme/crm/7/create/0")
    assert (found.booked, found.cancelled, found.changes, found.adopted) == ("aa", True, 1, False)
    assert found.shipments[0].order == one
    assert found.away == {}
    assert (found.paid, found.status, found.wrote, found.wrote_over) == (D("10.50"), "Нове", "12", "4")
    assert standing_of(row, []).adopted
    assert standing_of({"document_id": None, "document_number": None}, []) == Standing()


# --- sums ------------------------------------------------------------------------------------------------------------

amounts = st.decimals(min_value=0, max_value=5000, places=2)
lines = st.builds(
    lambda n, quantity, price, off: line(
        f"AB-{n}", str(quantity), str(price), discount=(price * quantity * off / 100).quantize(D("0.01"), "ROUND_DOWN")
    ),
    st.integers(1, 5),
    st.decimals(min_value=Decimal("0.001"), max_value=50, places=3),
    st.decimals(min_value=0, max_value=999, places=3),
    st.integers(0, 100),
)
any_orders = st.builds(
    lambda some, off, cost, fee, included: replace(
        order(*some), discounts=(Discount(amount=off),), delivery=Delivery(cost=cost), payment=Payment(fee=fee),
        prices_include_tax=included,
    ),
    st.lists(lines, min_size=1, max_size=6), amounts, amounts, amounts, st.booleans(),
)  # fmt: skip


@given(any_orders)
def test_spreading_discounts_over_lines_keeps_the_total_to_the_cent(one: Order) -> None:
    # documents are made of orders that state the total which their parts make; another total is held before
    before = order_totals(one)
    one = replace(one, total=before.total)
    after = money.with_line_discounts(one)
    made = order_totals(after)
    assert made.total == before.total
    if before.discount:
        assert after.discounts == ()
    assert all(each.discount >= 0 and each.sum >= 0 for each in after.lines)


@given(any_orders, st.data())
def test_a_part_has_just_what_is_asked_for_and_a_total_that_its_lines_make(one: Order, data: st.DataObject) -> None:
    whole = money.quantities(one)
    wanted = {key: data.draw(st.sampled_from([D(0), quantity / 2, quantity])) for key, quantity in whole.items()}
    part, places = money.part_of(one, wanted)
    assert money.quantities(part) == {key: quantity for key, quantity in wanted.items() if quantity}
    assert [one.lines[place].code for place in places] == [each.code for each in part.lines]
    if part is not one:
        assert part.total == order_totals(part).total


def test_a_gift_at_nothing_and_one_product_at_two_prices_keep_their_lines() -> None:
    one = order(line(), line(price="0.00"), line(price="90.00"), discounts=(Discount(amount=D("29.00")),))
    after = money.with_line_discounts(one)
    assert [(each.price, each.discount) for each in after.lines] == [
        (D("100.00"), D("15.26")),
        (D("0.00"), D(0)),
        (D("90.00"), D("13.74")),
    ]


# --- paper -----------------------------------------------------------------------------------------------------------


def test_an_order_is_kept_as_bytes_and_read_back_the_same() -> None:
    one = order(
        line(attributes={"Колір": "Червоний"}, tax_rate=D(20)),
        delivery=Delivery(
            cost=D("60.50"),
            planned_for=date(2026, 12, 1),
            recipient=Party(last_name="Їжак"),
            address=Address(city="Київ"),
        ),
        payment=paid("12.30"),
        discounts=(Discount(amount=D("1.00"), code="ЗНИЖКА"),),
        taxes=((D(20), D("33.33")),),
        extra={"source": "Prom"},
        rate=D("41.5"),
    )  # fmt: skip
    finding = Finding("x", T("Order {number} names no buyer.", number="7"))
    seen = SeenOrder(id="7", number="7", status="12", order=one, findings=(finding,), updated_at=one.created_at)
    data = paper.to_bytes(seen)
    assert paper.from_bytes(data) == seen
    assert paper.to_bytes(paper.from_bytes(data)) == data
    unread = replace(seen, order=None, updated_at=None)
    assert paper.from_bytes(paper.to_bytes(unread)) == unread


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"version": 2}', b"<orders/>"])
def test_what_is_no_such_paper_is_rejected(data: bytes) -> None:
    with pytest.raises(Rejected):
        paper.from_bytes(data)


def test_a_field_of_the_wrong_kind_is_rejected() -> None:
    seen = SeenOrder(id="7", number="7", status="12", order=order())
    for wrong in (("250.00", '"many"'), ('"2026-11-28T10:00:00+00:00"', "7"), ('"lines": [', '"lines": 5, "x": [')):
        data = paper.to_bytes(seen).decode().replace(*wrong)
        with pytest.raises(Rejected):
            paper.from_bytes(data.encode())


def test_the_revision_tells_content_and_status_and_nothing_else() -> None:
    seen = SeenOrder(id="7", number="7", status="12", order=order())
    later = replace(seen, updated_at=order().created_at)
    assert paper.revision_of(seen) == paper.revision_of(later)
    assert paper.revision_of(seen) != paper.revision_of(replace(seen, status="4"))
    assert paper.revision_of(seen) != paper.revision_of(replace(seen, order=order(line())))
    told = replace(seen, revision="r1")
    assert paper.revision_of(told) == paper.revision_of(replace(told, order=order(line())))
    assert paper.revision_of(told) != paper.revision_of(replace(told, status="4"))


def test_the_managers_comment_is_content_only_where_the_document_has_it() -> None:
    one, other = order(), order(manager_comment="передзвонити")
    assert content_of(one, settings()) == content_of(other, settings())
    said = settings(comment="{manager_comment}")
    assert content_of(one, said) != content_of(other, said)


def test_items_are_known_by_article_and_without_one_by_name() -> None:
    nameless = OrderLine(code="", name=" Товар  А ", quantity=D(1), price=D(1))
    assert money.line_key(nameless) == "name:товар а"
    assert money.line_key(line("АВ-1")) == money.line_key(line("ab–1"))


# --- a target that cannot change its documents -----------------------------------------------------------------------


def test_a_change_that_the_target_cannot_make_is_done_by_hand_and_counts_when_a_person_says_so() -> None:
    settings = {"changed": "hold"}
    for accepted in ((), {"changed-order"}, {"shipped-changed"}):
        found = planned(
            order(line()), ("order",), standing(order()), settings=settings, amends=False, accepted=accepted
        )
        assert codes(found)[0] == "changed-by-hand", "it is not offered that the target does it"
        assert found.doings == ()
    found = planned(
        order(line()), ("order",), standing(order()), settings=settings, amends=False, accepted={"changed-by-hand"}
    )
    (doing,) = found.doings
    assert doing.what == "amend"
    assert doing.exists is not None
    left = planned(order(line()), ("order",), standing(order()), settings={"changed": "ignore"}, amends=False)
    assert (codes(left), left.doings) == ([], ())
