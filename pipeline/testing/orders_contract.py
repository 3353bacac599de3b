"""The faults of order documents: one suite that runs over every target, whatever it is.

Give it a fixture ``target`` (a :class:`Target`)::

    class TestOrders(OrdersContract):
        @pytest.fixture
        def target(self, tmp_path): ...

A target says what it can be brought to do (refuse, lose an answer, close a period), or in ``lacks`` why there is no
such thing there: that case is skipped with this reason. What is neither there nor lacking is a failure of the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pipeline.errors import Held, InDoubt
from pipeline.model import Delivery, Discount, Order, OrderLine
from pipeline.ports import (
    AmendDocuments,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Documents,
    Ref,
    Return,
    ReturnDocuments,
    ShipDocuments,
    Shipment,
    System,
)
from pipeline.testing.documents_contract import MOMENT, capability, drafts_of, needed, order

WORDS = "Документ заборонено: «закрито» 42"  #: what a target says when it refuses
TOTAL = Decimal("969.80")  #: of the plain order


@dataclass(frozen=True)
class Target:
    """A target of order documents, emptied but for products, and how to look into it from outside."""

    open: Callable[[], System]  #: each call: a session of its own to one and the same target
    codes: Sequence[str]  #: three products that it knows
    count: Callable[[], int]  #: how many order documents there are
    total: Callable[[str], Decimal]  #: the total of the order document with this id, as stored
    reserved: Callable[[str], Decimal] | None = None  #: of a product's code
    on_hand: Callable[[str], Decimal] | None = None  #: of a product's code
    #: From now on no order is taken, with these words; what it gives ends that.
    refuse: Callable[[str], Callable[[], None]] | None = None
    lose_answer: Callable[[], None] | None = None  #: the next order is made, and its answer never comes
    close_period: Callable[[datetime], None] | None = None  #: no order dated up to this moment may come any more
    #: A process of its own makes the plain order 1, and is killed (SIGKILL) before anybody hears of it.
    kill: Callable[[], None] | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)  #: name of one of the above -> why there is no such thing

    def can(self, name: str) -> Any:
        """The way to bring it to do this; where it lacks that, the test is skipped with the reason."""
        found = getattr(self, name)
        if found is None:
            needed(name, self.lacks)
        assert name not in self.lacks, f"{name} is there, and said to be lacking"
        return found


def awkward(codes: Sequence[str]) -> list[Order]:
    """Orders whose sums are hard to keep to the cent."""

    def line(n: int, quantity: str, price: str, discount: str = "0") -> OrderLine:
        return OrderLine(
            code=codes[n],
            name=f"Товар {n}",
            quantity=Decimal(quantity),
            price=Decimal(price),
            discount=Decimal(discount),
            tax_rate=Decimal(20),
        )

    def made(n: int, total: str, *lines: OrderLine, off: str = "", delivery: str = "0") -> Order:
        discounts = (Discount(amount=Decimal(off)),) if off else ()
        cost = Delivery(city="Київ", cost=Decimal(delivery))
        return replace(order(n, codes), lines=lines, discounts=discounts, delivery=cost, total=Decimal(total))

    return [
        made(11, "89.99", *(line(n, "1", "33.33") for n in range(3)), off="10.00"),
        made(12, "0.16", line(0, "7", "0.03", "0.05")),
        made(13, "0.29", line(1, "3", "0.10"), off="0.02", delivery="0.01"),
        made(14, "1000000.01", line(0, "1", "999999.99"), line(1, "2", "0.01")),
        made(15, "45.00", line(2, "2", "5.00"), off="10.00", delivery="45.00"),
        made(16, "30.50", line(0, "1", "10.00"), line(0, "1", "20.50"), line(0, "1", "0")),
    ]


class OrdersContract:
    """What an order's document must survive, at every target."""

    def test_a_process_that_is_killed_before_it_could_tell_made_one_document(self, target: Target) -> None:
        """F3, by a real SIGKILL."""
        kill = target.can("kill")
        kill()
        assert target.count() == 1
        system, (draft,) = _drafts(target, 1)
        found = system.find([draft.key])
        assert set(found) == {draft.key}
        (again,) = system.create([draft])
        _is(again, draft, existed=True)
        assert again.ref is not None
        assert target.count() == 1
        assert target.total(again.ref.id) == TOTAL

    def test_a_session_that_is_gone_before_it_could_tell_made_one_document(self, target: Target) -> None:
        """F3."""
        system, drafts = _drafts(target, 1, 2)
        first = system.create(drafts)
        assert isinstance(system, System)
        system.close()
        other, _ = _drafts(target)
        assert {key: ref.id for key, ref in other.find([one.key for one in drafts]).items()} == {
            one.key: one.ref.id for one in first if one.ref
        }
        for outcome, draft in zip(other.create(drafts), drafts, strict=True):
            _is(outcome, draft, existed=True)
        assert target.count() == 2

    def test_an_answer_that_is_lost_is_looked_up_and_never_sent_again_blindly(self, target: Target) -> None:
        """F7."""
        lose = target.can("lose_answer")
        system, (draft,) = _drafts(target, 1)
        lose()
        (outcome,) = system.create([draft])
        if outcome.error is not None:  # else it has looked by itself
            assert isinstance(outcome.error, InDoubt), outcome
        assert target.count() == 1
        assert set(system.find([draft.key])) == {draft.key}
        (again,) = system.create([draft])
        _is(again, draft, existed=True)
        assert target.count() == 1
        assert again.ref is not None
        assert target.total(again.ref.id) == TOTAL

    def test_a_refusal_is_told_in_the_targets_own_words_and_later_it_is_made_once(self, target: Target) -> None:
        """F9."""
        refuse = target.can("refuse")
        system, drafts = _drafts(target, 1, 2)
        allow = refuse(WORDS)
        for outcome in system.create(drafts):
            assert WORDS in _held(outcome)
        assert dict(system.find([one.key for one in drafts])) == {}
        allow()
        other, _ = _drafts(target)
        for outcome, draft in zip(other.create(drafts), drafts, strict=True):
            _is(outcome, draft, existed=False)
        assert target.count() == 2

    def test_no_order_is_dated_into_a_closed_period_and_its_siblings_are_made(self, target: Target) -> None:
        """F9."""
        close = target.can("close_period")
        system, _ = _drafts(target)
        assert isinstance(system, System)
        days = (MOMENT - timedelta(days=40), MOMENT, MOMENT - timedelta(days=35))
        orders = [replace(order(n, target.codes), created_at=day) for n, day in enumerate(days, 1)]
        close(MOMENT - timedelta(days=30))
        first, second, third = system.create(drafts_of(system, orders))
        for outcome in (first, third):
            assert _held(outcome).strip()
        assert second.error is None
        assert target.count() == 1

    def test_a_batch_of_which_one_fails_is_finished_by_the_next(self, target: Target) -> None:
        """F20."""
        system, drafts = _drafts(target, 1, 2, 3)
        lost = replace(drafts[1], products=(Ref("987654321", "GONE"), *drafts[1].products[1:]))
        outcomes = system.create([drafts[0], lost, drafts[2]])
        assert [outcome.error is None for outcome in outcomes] == [True, False, True]
        _held(outcomes[1])
        again = system.create(drafts)
        assert [(outcome.error, outcome.existed) for outcome in again] == [(None, True), (None, False), (None, True)]
        assert target.count() == 3
        assert [target.total(outcome.ref.id) for outcome in again if outcome.ref] == [TOTAL] * 3

    def test_a_batch_that_breaks_off_in_the_middle_is_finished_by_the_next(self, target: Target) -> None:
        """F20, F51."""
        lose = target.can("lose_answer")
        system, drafts = _drafts(target, 1, 2, 3)
        lose()
        for outcome in system.create(drafts):
            assert outcome.error is None or not isinstance(outcome.error, Held), outcome
        other, _ = _drafts(target)
        again = other.create(drafts)
        assert [outcome.error for outcome in again] == [None] * 3
        assert target.count() == 3
        assert len({outcome.ref.id for outcome in again if outcome.ref}) == 3

    def test_what_was_never_made_cannot_be_cancelled_and_nothing_is_made_by_it(self, target: Target) -> None:
        """F43."""
        system, (draft,) = _drafts(target, 1)
        assert isinstance(system, System)
        capability(system, AmendDocuments)
        assert isinstance(system, AmendDocuments)
        gone = DocumentRef("987654321", "000999", draft.key)
        (outcome,) = system.cancel([Cancellation(key="demo/shop/1/cancel/2", ref=gone, status="cancelled")])
        _held(outcome)
        assert target.count() == 0
        assert isinstance(system, Documents)
        (made,) = system.create([draft])
        _is(made, draft, existed=False)

    def test_cancelled_twice_is_once_and_what_it_reserved_is_free_once(self, target: Target) -> None:
        """F43."""
        system, drafts = _drafts(target, 1, 2)
        assert isinstance(system, System)
        capability(system, AmendDocuments)
        before = _amounts("reserved", target)
        first, _other = system.create(drafts)
        assert first.ref is not None
        assert isinstance(system, AmendDocuments)
        for revision in ("2", "2", "3"):
            wanted = Cancellation(key=f"demo/shop/1/cancel/{revision}", ref=first.ref, status="cancelled")
            (outcome,) = system.cancel([wanted])
            assert outcome.error is None, outcome.error
            assert outcome.ref is not None
            assert outcome.ref.id == first.ref.id
        assert target.count() == 2
        after = [amount - n for amount, n in zip(_amounts("reserved", target), (2, 3, 1), strict=False)]
        assert after == before, "the sibling still holds what it ordered, and nothing else does"
        assert isinstance(system, Documents)
        (again,) = system.create([drafts[0]])
        _is(again, drafts[0], existed=True)

    def test_what_is_both_cancelled_and_returned_comes_back_once(self, target: Target) -> None:
        """F43: goods are back once, whichever of the two comes first."""
        system, (draft,) = _drafts(target, 1)
        assert isinstance(system, System)
        for port in (ShipDocuments, ReturnDocuments, AmendDocuments):
            capability(system, port)
        before = _amounts("on_hand", target), _amounts("reserved", target)
        (made,) = system.create([draft])
        assert made.ref is not None
        assert isinstance(system, ShipDocuments)
        (shipped,) = system.ship([Shipment(key="demo/shop/1/ship/1", order=made.ref, draft=draft)])
        assert shipped.ref is not None, shipped.error
        assert isinstance(system, AmendDocuments)
        cancellation = Cancellation(key="demo/shop/1/cancel/2", ref=made.ref, status="refunded")
        (early,) = system.cancel([cancellation])
        assert early.error is None or isinstance(early.error, Held)
        assert isinstance(system, ReturnDocuments)
        back = Return(key="demo/shop/1/return/3", order=made.ref, shipment=shipped.ref, draft=draft)
        outcomes = [*system.take_back([back]), *system.take_back([back])]
        assert [(outcome.error, outcome.existed) for outcome in outcomes] == [(None, False), (None, True)]
        for _ in range(2):
            (late,) = system.cancel([cancellation])
            assert late.error is None, late.error
        now = _amounts("on_hand", target), _amounts("reserved", target)
        assert now == before, f"{now} for {before}"

    def test_totals_agree_to_the_cent_or_the_order_is_held(self, target: Target) -> None:
        """F41."""
        system, _ = _drafts(target)
        assert isinstance(system, System)
        orders = awkward(target.codes)
        outcomes = system.create(drafts_of(system, orders))
        made = [(one, outcome.ref) for one, outcome in zip(orders, outcomes, strict=True) if outcome.ref is not None]
        assert [target.total(ref.id) for _, ref in made] == [one.total for one, _ in made]
        assert [ref.total for _, ref in made if ref.total is not None] == [
            one.total for one, ref in made if ref.total is not None
        ]
        for outcome in outcomes:
            assert outcome.ref is not None or _held(outcome)
        assert len(made) >= 3, "most of them can be kept"

    def test_one_product_at_two_prices_and_as_a_gift_leaves_as_often_as_it_was_ordered(self, target: Target) -> None:
        """F42: no line is taken for another one."""
        system, _ = _drafts(target)
        assert isinstance(system, System)
        capability(system, ShipDocuments)
        before = _amounts("on_hand", target)
        (draft,) = drafts_of(system, [awkward(target.codes)[-1]])
        (made,) = system.create([draft])
        assert made.ref is not None, made.error
        assert target.total(made.ref.id) == draft.order.total
        assert isinstance(system, ShipDocuments)
        shipment = Shipment(key="demo/shop/16/ship/1", order=made.ref, draft=draft)
        (shipped,) = system.ship([shipment])
        assert shipped.error is None, shipped.error
        assert shipped.ref is not None
        after = _amounts("on_hand", target)
        assert after == [amount - n for amount, n in zip(before, (3, 0, 0), strict=False)]
        capability(system, ReturnDocuments)
        assert isinstance(system, ReturnDocuments)
        back = Return(key="demo/shop/16/return/2", order=made.ref, shipment=shipped.ref, draft=draft)
        (returned,) = system.take_back([back])
        assert returned.error is None, returned.error
        assert _amounts("on_hand", target) == before

    def test_an_order_in_another_currency_is_never_taken_for_one_in_the_targets_own(self, target: Target) -> None:
        """F40: no rate is made up."""
        system, _ = _drafts(target)
        assert isinstance(system, System)
        (outcome,) = system.create(drafts_of(system, [replace(order(1, target.codes), currency="USD")]))
        if outcome.ref is None:
            assert "USD" in _held(outcome)
            assert target.count() == 0
        else:
            assert outcome.ref.currency == "USD"


def _drafts(target: Target, *numbers: int) -> tuple[Documents, list[DocumentDraft]]:
    """A session of its own, and drafts of plain orders."""
    system = target.open()
    assert isinstance(system, Documents)
    assert isinstance(system, System)
    return system, drafts_of(system, [order(n, target.codes) for n in numbers])


def _held(outcome: DocumentOutcome) -> str:
    """What is said of an outcome that must be Held and without a document."""
    assert isinstance(outcome.error, Held), outcome
    assert outcome.ref is None
    return f"{outcome.error} {outcome.error.hint or ''}"


def _is(outcome: DocumentOutcome, draft: DocumentDraft, *, existed: bool) -> None:
    assert outcome.error is None, outcome.error
    assert outcome.ref is not None
    assert (outcome.key, outcome.existed) == (draft.key, existed)


def _amounts(name: str, target: Target) -> list[Decimal]:
    """``reserved`` or ``on_hand`` of each product; nothing where the target says why it has no such thing."""
    read = getattr(target, name)
    if read is None:
        assert name in target.lacks, f"give the target `{name}`, or say in `lacks` why there is no such thing"
        return []
    return [read(code) for code in target.codes]
