"""What every system that ships and takes back must keep: one suite for each port, many subjects.

Subclass a suite in a test module and give it a fixture ``subject`` (a :class:`Subject`), as for the documents::

    class TestShipments(ShipContract):
        @pytest.fixture
        def subject(self, tmp_path): ...

What a system cannot show (no stock, no period that can be closed, no way to lose an answer) its subject leaves None
and says why in ``lacks``: the promise about it is skipped with that reason. Payments and statuses:
``settling_contract``; parties and products: ``naming_contract``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from pipeline.ports import (
    AmendDocuments,
    Cancellation,
    DocumentDraft,
    DocumentRef,
    ReturnDocuments,
    ShipDocuments,
    System,
)
from pipeline.testing.documents_contract import MOMENT, capability, needed
from pipeline.testing.following_subject import (
    GONE,
    Subject,
    at_once,
    coming_back,
    held,
    in_doubt,
    one,
    ordered,
    part,
    shipment,
)

WORDS = "Період закрито: документ № 7 <b>не проведено</b>"  #: what a system says when it refuses
TOTAL = Decimal("969.80")  #: of the plain order


class ShipContract:
    """The promises of :class:`pipeline.ports.ShipDocuments`."""

    def opened(self, subject: Subject, n: int = 1) -> tuple[ShipDocuments, DocumentDraft, DocumentRef]:
        """A session, and order ``n`` with its document."""
        system = subject.open()
        draft, ref = ordered(system, subject, n)
        assert isinstance(system, ShipDocuments)
        return system, draft, ref

    def test_a_shipment_is_made_and_found_by_its_key_and_on_its_order(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        assert system.shipments_of([ref]).get(ref.id, ()) == ()
        wanted = shipment(ref, draft)
        (outcome,) = system.ship([wanted])
        made = one([outcome])
        assert (outcome.key, outcome.existed) == (wanted.key, False)
        assert made.number
        assert subject.count("ship") == 1
        assert subject.count("order") == 1
        found = system.find_shipments([wanted.key, "demo/shop/none/ship/1"])
        assert {name: (one_of.id, one_of.number) for name, one_of in found.items()} == {
            wanted.key: (made.id, made.number)
        }
        (told,) = system.shipments_of([ref])[ref.id]
        assert (told.id, told.number) == (made.id, made.number)

    def test_its_total_is_that_of_the_order_to_the_cent(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        made = one(system.ship([shipment(ref, draft)]))
        (told,) = system.shipments_of([ref])[ref.id]
        for shown in (made, told):
            assert shown.total in (None, TOTAL)

    def test_nothing_to_ship_is_no_outcome(self, subject: Subject) -> None:
        system, _, _ = self.opened(subject)
        assert list(system.ship([])) == []
        assert dict(system.find_shipments([])) == {}
        assert dict(system.shipments_of([])) == {}
        assert subject.count("ship") == 0

    def test_a_second_time_is_the_first_shipment_and_the_stock_falls_once(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        before = subject.stock()
        first = one(system.ship([shipment(ref, draft)]))
        other = subject.open()
        assert isinstance(other, ShipDocuments)
        (second,) = other.ship([shipment(ref, draft)])
        assert second.existed
        assert one([second]).id == first.id
        assert subject.count("ship") == 1
        assert subject.stock() == self.less(before, 2, 3, 1)

    def test_twice_in_one_batch_is_once(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        before = subject.stock()
        outcomes = system.ship([shipment(ref, draft)] * 2)
        assert [outcome.existed for outcome in outcomes] == [False, True]
        assert subject.count("ship") == 1
        assert subject.stock() == self.less(before, 2, 3, 1)

    def test_an_empty_shipment_is_refused_and_nothing_is_made(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        before = subject.stock(), subject.reserve()
        nothing = part(draft, 0, 0, 0)
        none_of_it = replace(part(draft, 1, 0, 0), products=draft.products[:1])
        line = replace(none_of_it.order.lines[0], quantity=Decimal(0))
        zero = replace(none_of_it, order=replace(none_of_it.order, lines=(line,), total=Decimal(0)))
        for n, empty in enumerate((nothing, zero)):
            held(system.ship([shipment(ref, empty, f"{n}")])[0])
        assert subject.count("ship") == 0
        assert (subject.stock(), subject.reserve()) == before
        assert not system.shipments_of([ref]).get(ref.id)

    def test_the_stock_falls_by_what_was_shipped_and_the_reserve_is_free(self, subject: Subject) -> None:
        free = subject.reserve()
        system, draft, ref = self.opened(subject)
        before = subject.stock()
        one(system.ship([shipment(ref, draft)]))
        assert subject.stock() == self.less(before, 2, 3, 1)
        assert subject.reserve() == free

    def test_parts_add_up_and_more_than_ordered_is_held(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        before, reserved = subject.stock(), subject.reserve()
        first = one(system.ship([shipment(ref, part(draft, 1, 0, 1), "1")]))
        assert subject.stock() == self.less(before, 1, 0, 1)
        assert subject.reserve() == self.less(reserved, 1, 0, 1), "what has not left is still reserved"
        held(system.ship([shipment(ref, part(draft, 2, 0, 0), "2")])[0])
        assert subject.stock() == self.less(before, 1, 0, 1)
        second = one(system.ship([shipment(ref, part(draft, 1, 3, 0), "3")]))
        assert first.id != second.id
        held(system.ship([shipment(ref, part(draft, 1, 0, 0), "4")])[0])
        held(system.ship([shipment(ref, draft, "5")])[0])
        assert [told.id for told in system.shipments_of([ref])[ref.id]] == [first.id, second.id]
        assert subject.count("ship") == 2
        assert subject.stock() == self.less(before, 2, 3, 1)

    def test_what_was_not_ordered_is_held(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        before = subject.stock()
        foreign = replace(draft, products=(*draft.products[:2], draft.products[0]))
        held(system.ship([shipment(ref, foreign)])[0])
        assert subject.count("ship") == 0
        assert subject.stock() == before

    def test_nothing_leaves_on_a_cancelled_order(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        capability(system, AmendDocuments)
        assert isinstance(system, AmendDocuments)
        one(system.cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")]))
        before = subject.stock()
        held(system.ship([shipment(ref, draft)])[0])
        assert subject.count("ship") == 0
        assert subject.stock() == before

    def test_a_failure_of_one_spares_its_siblings(self, subject: Subject) -> None:
        system, draft, ref = self.opened(subject)
        _, second, other = self.opened(subject, 2)
        _, third, last = self.opened(subject, 3)
        outcomes = system.ship(
            [
                shipment(ref, draft),
                shipment(other, part(second, 0, 0, 0)),
                shipment(GONE, part(second, 1, 0, 0), "2"),
                shipment(last, third),
            ]
        )
        assert [outcome.error is None for outcome in outcomes] == [True, False, False, True]
        held(outcomes[1])
        held(outcomes[2])
        assert subject.count("ship") == 2
        one(system.ship([shipment(other, second)]))
        assert {
            name: len(several) for name, several in system.shipments_of([ref, other, last]).items()
        } == dict.fromkeys((ref.id, other.id, last.id), 1)

    def test_a_shipment_that_a_person_made_is_told_and_counts(self, subject: Subject) -> None:
        if subject.by_hand is None:
            needed("by_hand", subject.lacks)
        system, draft, ref = self.opened(subject)
        subject.by_hand(ref, draft)
        (told,) = system.shipments_of([ref])[ref.id]
        assert told.id
        held(system.ship([shipment(ref, draft)])[0])
        assert len(system.shipments_of([ref])[ref.id]) == 1

    def test_nothing_leaves_on_a_closed_order(self, subject: Subject) -> None:
        if subject.close is None:
            needed("close", subject.lacks)
        system, draft, ref = self.opened(subject)
        subject.close(ref)
        before = subject.stock()
        held(system.ship([shipment(ref, draft)])[0])
        assert subject.count("ship") == 0
        assert subject.stock() == before

    def test_nothing_is_dated_into_a_closed_period(self, subject: Subject) -> None:
        if subject.close_period is None:
            needed("close_period", subject.lacks)
        system, draft, ref = self.opened(subject)
        subject.close_period(MOMENT - timedelta(days=30))
        before = subject.stock()
        held(system.ship([shipment(ref, draft, "1", MOMENT - timedelta(days=31))])[0])
        assert subject.count("ship") == 0
        assert subject.stock() == before
        one(system.ship([shipment(ref, draft, "2", MOMENT - timedelta(days=28))]))

    def test_an_answer_that_is_lost_leaves_it_in_doubt_and_a_look_finds_it(self, subject: Subject) -> None:
        if subject.lose_answer is None:
            needed("lose_answer", subject.lacks)
        system, draft, ref = self.opened(subject)
        wanted = shipment(ref, draft)
        subject.lose_answer()
        in_doubt(system.ship([wanted])[0])
        assert set(system.find_shipments([wanted.key])) == {wanted.key}
        assert system.ship([wanted])[0].existed
        assert subject.count("ship") == 1

    def test_what_the_system_says_is_told_in_its_own_words(self, subject: Subject) -> None:
        if subject.refuse is None:
            needed("refuse", subject.lacks)
        system, draft, ref = self.opened(subject)
        subject.refuse(WORDS)
        assert WORDS in held(system.ship([shipment(ref, draft)])[0])
        assert not system.shipments_of([ref]).get(ref.id), "nothing is left half done in silence"

    def test_two_at_once_ship_once(self, subject: Subject) -> None:
        if not subject.unique:
            needed("unique", subject.lacks)
        opened = [self.opened(subject, n) for n in range(1, 7)]
        before = subject.stock()
        wanted = [shipment(ref, draft) for _, draft, ref in opened]

        def work(system: System) -> list[str]:
            assert isinstance(system, ShipDocuments)
            return [one(system.ship([each])).id for each in wanted]

        first, second = at_once(subject, work)
        assert first == second
        assert subject.count("ship") == 6
        assert subject.stock() == self.less(before, 12, 18, 6)

    @staticmethod
    def less(amounts: list[Decimal], *by: int) -> list[Decimal]:
        """Each of ``amounts`` less its number; nothing where nothing is told."""
        return [amount - n for amount, n in zip(amounts, by, strict=True)] if amounts else []


class ReturnContract:
    """The promises of :class:`pipeline.ports.ReturnDocuments`."""

    def opened(self, subject: Subject, n: int = 1) -> tuple[ReturnDocuments, DocumentDraft, DocumentRef, DocumentRef]:
        """A session, and order ``n`` with its document and the shipment of all of it."""
        system = subject.open()
        draft, ref = ordered(system, subject, n)
        assert isinstance(system, ShipDocuments)
        shipped = one(system.ship([shipment(ref, draft)]))
        assert isinstance(system, ReturnDocuments)
        return system, draft, ref, shipped

    def test_what_comes_back_is_in_stock_again(self, subject: Subject) -> None:
        before = subject.stock(), subject.reserve()
        system, draft, ref, shipped = self.opened(subject)
        assert system.returns_of([shipped]).get(shipped.id, ()) == ()
        wanted = coming_back(ref, shipped, draft)
        (outcome,) = system.take_back([wanted])
        made = one([outcome])
        assert (outcome.key, outcome.existed) == (wanted.key, False)
        assert made.number
        assert made.total in (None, TOTAL)
        assert subject.count("return") == 1
        assert {
            name: found.id for name, found in system.find_returns([wanted.key, "demo/shop/0/return/1"]).items()
        } == {wanted.key: made.id}
        assert [told.id for told in system.returns_of([shipped])[shipped.id]] == [made.id]
        assert (subject.stock(), subject.reserve()) == before

    def test_nothing_to_take_back_is_no_outcome(self, subject: Subject) -> None:
        system, _, _, _ = self.opened(subject)
        assert list(system.take_back([])) == []
        assert dict(system.find_returns([])) == {}
        assert dict(system.returns_of([])) == {}

    def test_a_second_time_is_the_first_return(self, subject: Subject) -> None:
        before = subject.stock()
        system, draft, ref, shipped = self.opened(subject)
        wanted = coming_back(ref, shipped, draft)
        first, within = system.take_back([wanted, wanted])
        assert [first.existed, within.existed] == [False, True]
        other = subject.open()
        assert isinstance(other, ReturnDocuments)
        (again,) = other.take_back([wanted])
        assert again.existed
        assert one([again]).id == one([within]).id == one([first]).id
        assert subject.count("return") == 1
        assert subject.stock() == before

    def test_parts_add_up_and_more_than_shipped_is_held(self, subject: Subject) -> None:
        before = subject.stock()
        system, draft, ref, shipped = self.opened(subject)
        one(system.take_back([coming_back(ref, shipped, part(draft, 1, 0, 0), "1")]))
        held(system.take_back([coming_back(ref, shipped, part(draft, 2, 0, 0), "2")])[0])
        one(system.take_back([coming_back(ref, shipped, part(draft, 1, 3, 1), "3")]))
        held(system.take_back([coming_back(ref, shipped, part(draft, 0, 0, 1), "4")])[0])
        assert subject.count("return") == 2
        assert subject.stock() == before

    def test_an_empty_return_is_refused_and_nothing_is_made(self, subject: Subject) -> None:
        system, draft, ref, shipped = self.opened(subject)
        before = subject.stock()
        held(system.take_back([coming_back(ref, shipped, part(draft, 0, 0, 0))])[0])
        assert subject.count("return") == 0
        assert subject.stock() == before

    def test_goods_of_a_cancelled_order_come_back(self, subject: Subject) -> None:
        """A system may refuse to cancel an order whose goods have left, or do so: what comes back counts as well."""
        before = subject.stock(), subject.reserve()
        system, draft, ref, shipped = self.opened(subject)
        capability(system, AmendDocuments)
        assert isinstance(system, AmendDocuments)
        cancellation = Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="refunded")
        (outcome,) = system.cancel([cancellation])
        if outcome.error is not None:
            held(outcome)
        one(system.take_back([coming_back(ref, shipped, draft)]))
        assert (subject.stock(), subject.reserve()) == before
        one(system.cancel([replace(cancellation, key="demo/shop/1/cancel/3")]))
        assert (subject.stock(), subject.reserve()) == before, "nothing is freed a second time"

    def test_what_came_back_leaves_again(self, subject: Subject) -> None:
        system, draft, ref, shipped = self.opened(subject)
        away = subject.stock()
        one(system.take_back([coming_back(ref, shipped, draft)]))
        back = subject.stock()
        assert isinstance(system, ShipDocuments)
        (again,) = system.ship([shipment(ref, draft, "2")])
        if subject.leaves_again:
            assert one([again]).id != shipped.id
            assert subject.stock() == away
            held(system.ship([shipment(ref, draft, "3")])[0])
            assert subject.count("ship") == 2
        else:
            held(again)
            assert subject.stock() == back

    def test_a_failure_of_one_spares_its_siblings(self, subject: Subject) -> None:
        system, draft, ref, shipped = self.opened(subject)
        _, second, other, also = self.opened(subject, 2)
        outcomes = system.take_back(
            [
                coming_back(ref, GONE, part(draft, 1, 0, 0), "9"),
                coming_back(ref, shipped, draft),
                coming_back(other, also, part(second, 0, 0, 0)),
            ]
        )
        assert [outcome.error is None for outcome in outcomes] == [False, True, False]
        held(outcomes[0])
        held(outcomes[2])
        assert subject.count("return") == 1
        assert set(system.returns_of([shipped, also])) == {shipped.id}

    def test_nothing_is_dated_into_a_closed_period(self, subject: Subject) -> None:
        if subject.close_period is None:
            needed("close_period", subject.lacks)
        system, draft, ref, shipped = self.opened(subject)
        subject.close_period(MOMENT - timedelta(days=30))
        held(system.take_back([coming_back(ref, shipped, draft, "1", MOMENT - timedelta(days=31))])[0])
        assert subject.count("return") == 0
        one(system.take_back([coming_back(ref, shipped, draft, "2", MOMENT - timedelta(days=28))]))

    def test_an_answer_that_is_lost_leaves_it_in_doubt_and_a_look_finds_it(self, subject: Subject) -> None:
        if subject.lose_answer is None:
            needed("lose_answer", subject.lacks)
        system, draft, ref, shipped = self.opened(subject)
        wanted = coming_back(ref, shipped, draft)
        subject.lose_answer()
        in_doubt(system.take_back([wanted])[0])
        assert set(system.find_returns([wanted.key])) == {wanted.key}
        assert system.take_back([wanted])[0].existed
        assert subject.count("return") == 1

    def test_what_the_system_says_is_told_in_its_own_words(self, subject: Subject) -> None:
        if subject.refuse is None:
            needed("refuse", subject.lacks)
        system, draft, ref, shipped = self.opened(subject)
        subject.refuse(WORDS)
        assert WORDS in held(system.take_back([coming_back(ref, shipped, draft)])[0])
        assert not system.returns_of([shipped]).get(shipped.id)

    def test_two_at_once_take_back_once(self, subject: Subject) -> None:
        if not subject.unique:
            needed("unique", subject.lacks)
        before = subject.stock()
        wanted = [
            coming_back(ref, shipped, draft)
            for _, draft, ref, shipped in (self.opened(subject, n) for n in range(1, 5))
        ]

        def work(system: System) -> list[str]:
            assert isinstance(system, ReturnDocuments)
            return [one(system.take_back([each])).id for each in wanted]

        first, second = at_once(subject, work)
        assert first == second
        assert subject.count("return") == 4
        assert subject.stock() == before
