"""What every system must keep that notes payments, or whose documents have statuses. See ``following_contract``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from pipeline.ports import (
    DocumentDraft,
    DocumentRef,
    DocumentStatuses,
    PaymentDraft,
    Payments,
    Ref,
    ReferenceLists,
    StatusChange,
    System,
)
from pipeline.testing.documents_contract import MOMENT, needed
from pipeline.testing.following_contract import WORDS
from pipeline.testing.following_subject import GONE, Subject, at_once, held, in_doubt, key, one, ordered


class PaymentsContract:
    """The promises of :class:`pipeline.ports.Payments`."""

    def opened(self, subject: Subject, n: int = 1) -> tuple[Payments, PaymentDraft]:
        """A session, and a payment of all of order ``n``."""
        system = subject.open()
        draft, ref = ordered(system, subject, n)
        assert isinstance(system, Payments)
        amount, currency = draft.order.total, draft.order.currency
        return system, PaymentDraft(key=key(draft, "pay", "1"), order=ref, amount=amount, currency=currency)

    def test_a_payment_is_noted_and_found_by_its_key(self, subject: Subject) -> None:
        system, wanted = self.opened(subject)
        (outcome,) = system.pay([wanted])
        made = one([outcome])
        assert (outcome.key, outcome.existed) == (wanted.key, False)
        assert made.total in (None, wanted.amount)
        assert {name: told.id for name, told in system.find_payments([wanted.key, "demo/shop/0/pay/1"]).items()} == {
            wanted.key: made.id
        }
        assert subject.count("pay") == 1

    def test_nothing_to_pay_is_no_outcome(self, subject: Subject) -> None:
        system, _ = self.opened(subject)
        assert list(system.pay([])) == []
        assert dict(system.find_payments([])) == {}

    def test_a_second_time_is_the_first_payment(self, subject: Subject) -> None:
        system, wanted = self.opened(subject)
        first, within = system.pay([wanted, wanted])
        assert [first.existed, within.existed] == [False, True]
        other = subject.open()
        assert isinstance(other, Payments)
        (again,) = other.pay([replace(wanted, amount=Decimal("1.00"))])
        assert again.existed
        assert one([again]).id == one([within]).id == one([first]).id
        assert one([again]).total in (None, wanted.amount)
        assert subject.count("pay") == 1

    def test_a_deposit_and_the_rest_are_two_payments(self, subject: Subject) -> None:
        system, wanted = self.opened(subject)
        deposit = replace(wanted, amount=Decimal("69.80"))
        rest = replace(wanted, key=wanted.key[:-1] + "2", amount=Decimal("900.00"), at=MOMENT)
        first, second = system.pay([deposit, rest])
        assert one([first]).id != one([second]).id
        assert [one([each]).total for each in (first, second)] in ([None, None], [deposit.amount, rest.amount])
        assert subject.count("pay") == 2

    def test_another_currency_than_the_orders_is_held(self, subject: Subject) -> None:
        system, wanted = self.opened(subject)
        held(system.pay([replace(wanted, currency="EUR")])[0])
        assert subject.count("pay") == 0

    def test_nothing_and_less_than_nothing_are_held(self, subject: Subject) -> None:
        system, wanted = self.opened(subject)
        for n, amount in enumerate((Decimal(0), Decimal("-0.01"))):
            held(system.pay([replace(wanted, key=f"{wanted.key}{n}", amount=amount)])[0])
        assert subject.count("pay") == 0

    def test_a_failure_of_one_spares_its_siblings(self, subject: Subject) -> None:
        system, wanted = self.opened(subject)
        _, other = self.opened(subject, 2)
        outcomes = system.pay([replace(wanted, order=GONE), other, replace(wanted, amount=Decimal(0))])
        assert [outcome.error is None for outcome in outcomes] == [False, True, False]
        held(outcomes[0])
        assert subject.count("pay") == 1
        one(system.pay([wanted]))
        assert subject.count("pay") == 2

    def test_nothing_is_dated_into_a_closed_period(self, subject: Subject) -> None:
        if subject.close_period is None:
            needed("close_period", subject.lacks)
        system, wanted = self.opened(subject)
        subject.close_period(MOMENT - timedelta(days=30))
        held(system.pay([replace(wanted, at=MOMENT - timedelta(days=31))])[0])
        assert subject.count("pay") == 0
        one(system.pay([replace(wanted, at=MOMENT - timedelta(days=28))]))

    def test_an_answer_that_is_lost_leaves_it_in_doubt_and_a_look_finds_it(self, subject: Subject) -> None:
        if subject.lose_answer is None:
            needed("lose_answer", subject.lacks)
        system, wanted = self.opened(subject)
        subject.lose_answer()
        in_doubt(system.pay([wanted])[0])
        assert set(system.find_payments([wanted.key])) == {wanted.key}
        assert system.pay([wanted])[0].existed
        assert subject.count("pay") == 1

    def test_what_the_system_says_is_told_in_its_own_words(self, subject: Subject) -> None:
        if subject.refuse is None:
            needed("refuse", subject.lacks)
        system, wanted = self.opened(subject)
        subject.refuse(WORDS)
        assert WORDS in held(system.pay([wanted])[0])
        assert subject.count("pay") == 0

    def test_two_at_once_note_it_once(self, subject: Subject) -> None:
        if not subject.unique:
            needed("unique", subject.lacks)
        wanted = [self.opened(subject, n)[1] for n in range(1, 7)]

        def work(system: System) -> list[str]:
            assert isinstance(system, Payments)
            return [one(system.pay([each])).id for each in wanted]

        first, second = at_once(subject, work)
        assert first == second
        assert subject.count("pay") == 6


class StatusesContract:
    """The promises of :class:`pipeline.ports.DocumentStatuses`. Its subject tells ``status`` as well."""

    def opened(
        self, subject: Subject, n: int = 1
    ) -> tuple[DocumentStatuses, DocumentDraft, DocumentRef, tuple[Ref, Ref]]:
        """A session, order ``n`` with its document, and two statuses that it has not got."""
        system = subject.open()
        assert isinstance(system, ReferenceLists)
        draft, ref = ordered(system, subject, n)
        assert subject.status is not None
        others = [status for status in system.references("status") if status.id != subject.status(ref.id)]
        assert len(others) > 1
        assert isinstance(system, DocumentStatuses)
        return system, draft, ref, (others[0], others[1])

    def test_a_status_is_set(self, subject: Subject) -> None:
        system, draft, ref, (status, _) = self.opened(subject)
        (outcome,) = system.set_statuses([change(draft, ref, status)])
        assert not outcome.existed
        assert one([outcome]).id == ref.id
        assert subject.status
        assert subject.status(ref.id) == status.id

    def test_one_that_it_has_is_left_as_it_is(self, subject: Subject) -> None:
        system, draft, ref, (status, other) = self.opened(subject)
        steps = [(status, False), (status, True), (other, False), (status, False)]
        for n, (wanted, existed) in enumerate(steps):
            (outcome,) = system.set_statuses([change(draft, ref, wanted, str(n % 2))])
            assert outcome.existed is existed, n
            assert subject.status
            assert subject.status(ref.id) == wanted.id

    def test_the_last_of_a_batch_holds(self, subject: Subject) -> None:
        system, draft, ref, (status, other) = self.opened(subject)
        outcomes = system.set_statuses([change(draft, ref, status, "1"), change(draft, ref, other, "2")])
        assert [one([outcome]).id for outcome in outcomes] == [ref.id, ref.id]
        assert subject.status
        assert subject.status(ref.id) == other.id
        assert list(system.set_statuses([])) == []

    def test_a_failure_of_one_spares_its_siblings(self, subject: Subject) -> None:
        system, draft, ref, (status, _) = self.opened(subject)
        _, second, other, _ = self.opened(subject, 2)
        assert subject.status
        before = subject.status(ref.id)
        outcomes = system.set_statuses(
            [
                change(draft, GONE, status),
                change(draft, ref, Ref("987654321", "gone", "Вилучено")),
                change(second, other, status),
            ]
        )
        assert [outcome.error is None for outcome in outcomes] == [False, False, True]
        held(outcomes[0])
        held(outcomes[1])
        assert (subject.status(ref.id), subject.status(other.id)) == (before, status.id)

    def test_what_the_system_says_is_told_in_its_own_words(self, subject: Subject) -> None:
        if subject.refuse is None:
            needed("refuse", subject.lacks)
        system, draft, ref, (status, _) = self.opened(subject)
        subject.refuse(WORDS)
        assert WORDS in held(system.set_statuses([change(draft, ref, status)])[0])

    def test_an_answer_that_is_lost_does_no_harm_a_second_time(self, subject: Subject) -> None:
        if subject.lose_answer is None:
            needed("lose_answer", subject.lacks)
        system, draft, ref, (status, _) = self.opened(subject)
        subject.lose_answer()
        (outcome,) = system.set_statuses([change(draft, ref, status)])
        assert outcome.error is not None or one([outcome]).id == ref.id, "it may have looked by itself"
        assert one(system.set_statuses([change(draft, ref, status)])).id == ref.id
        assert subject.status
        assert subject.status(ref.id) == status.id


def change(draft: DocumentDraft, ref: DocumentRef, status: Ref, revision: str = "1") -> StatusChange:
    """The status that the document of an order is to have."""
    return StatusChange(key=key(draft, "status", revision), ref=ref, status=status)
