"""What every system that holds documents must keep: one suite, many subjects.

Subclass :class:`DocumentsContract` in a test module and give it a fixture ``subject`` (a :class:`Subject`)::

    class TestMySystem(DocumentsContract):
        @pytest.fixture
        def subject(self, tmp_path): ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import NoReturn

from pipeline.errors import Held
from pipeline.model import Delivery, Discount, Order, OrderLine, Party, Payment
from pipeline.ports import (
    AmendDocuments,
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    ProductLookup,
    Ref,
    System,
)

MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Subject:
    """A system under test, and how to look into it from outside."""

    open: Callable[[], System]  #: each call: a session of its own to one and the same, emptied, target
    codes: Sequence[str]  #: three products that it knows
    count: Callable[[], int]  #: how many documents there are
    total: Callable[[str], Decimal]  #: the total of the document with this id, as stored
    reserved: Callable[[str], Decimal] | None = None  #: how much of a product's code is reserved, where that is kept
    status: Callable[[str], str] | None = None  #: of the document with this id, as stored; None: see AmendContract
    close: Callable[[str], None] | None = None  #: make the document with this number one that nobody may change
    #: What it cannot be asked, by the name of the above (or ``lines``: amending takes no line out) -> why not.
    lacks: Mapping[str, str] = field(default_factory=dict)


def order(n: int, codes: Sequence[str], *, source: str = "shop") -> Order:
    """A plain order of three lines whose parts make its total: 779 + (145.80 - 5) + 0 + 70 - 20 = 969.80."""
    return Order(
        id=f"{n}",
        number=f"{n:08d}",
        source=source,
        created_at=MOMENT,
        currency="UAH",
        customer=Party(first_name="Олена", last_name="Шевченко", phone=f"+38067{n:07d}", email=f"o{n}@example.com"),
        lines=(
            OrderLine(code=codes[0], name="Ґрунт", quantity=Decimal(2), price=Decimal("389.50"), tax_rate=Decimal(20)),
            OrderLine(
                code=codes[1],
                name="Стрічка",
                quantity=Decimal(3),
                price=Decimal("48.60"),
                discount=Decimal("5.00"),
                tax_rate=Decimal(20),
            ),
            OrderLine(code=codes[2], name="Подарунок", quantity=Decimal(1), price=Decimal(0), tax_rate=Decimal(20)),
        ),
        delivery=Delivery(carrier="nova-poshta", service="branch", city="Київ", branch="12", cost=Decimal("70.00")),
        payment=Payment(method="Післяплата"),
        discounts=(Discount(amount=Decimal("20.00"), code="ОСІНЬ"),),
        total=Decimal("969.80"),
    )


def drafts_of(system: System, orders: Sequence[Order]) -> list[DocumentDraft]:
    """A draft for each order, with its products looked up in ``system``."""
    assert isinstance(system, ProductLookup)
    found = system.find_products({line.code for one in orders for line in one.lines})
    return [
        DocumentDraft(
            key=f"demo/{one.source}/{one.id}/create/0",
            order=one,
            products=tuple(found[line.code][0] for line in one.lines),
        )
        for one in orders
    ]


def needed(name: str, lacks: Mapping[str, str]) -> NoReturn:
    """Skip the test, as a subject lacks what it is about; fail it where nobody said why."""
    import pytest

    if name not in lacks:
        pytest.fail(f"give the subject `{name}`, or say in `lacks` why there is no such thing", pytrace=False)
    pytest.skip(f"no {name}: {lacks[name]}")


def capability(system: object, port: type) -> None:
    """Skip the test where the system does not declare this port at all."""
    import pytest

    if not isinstance(system, port):
        pytest.skip(f"the system declares no {port.__name__}")


def _create(system: System, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
    assert isinstance(system, Documents)
    return system.create(drafts)


class DocumentsContract:
    """The promises of :class:`pipeline.ports.Documents`."""

    def test_a_document_is_made_and_found_by_its_key(self, subject: Subject) -> None:
        system = subject.open()
        drafts = drafts_of(system, [order(1, subject.codes)])
        (outcome,) = _create(system, drafts)
        assert outcome.error is None
        assert not outcome.existed
        assert outcome.key == drafts[0].key
        assert outcome.ref is not None
        assert outcome.ref.number
        assert isinstance(system, Documents)
        found = system.find([drafts[0].key, "demo/shop/none/create/0"])
        assert set(found) == {drafts[0].key}
        assert found[drafts[0].key].number == outcome.ref.number

    def test_no_drafts_are_no_documents(self, subject: Subject) -> None:
        assert list(_create(subject.open(), [])) == []
        assert subject.count() == 0

    def test_a_second_create_gives_the_first_document(self, subject: Subject) -> None:
        drafts = drafts_of(subject.open(), [order(1, subject.codes)])
        (first,) = _create(subject.open(), drafts)
        (second,) = _create(subject.open(), drafts)
        assert second.existed
        assert first.ref is not None
        assert second.ref is not None
        assert second.ref.id == first.ref.id
        assert subject.count() == 1

    def test_an_order_of_a_source_is_one_document_under_any_key(self, subject: Subject) -> None:
        system = subject.open()
        drafts = drafts_of(system, [order(1, subject.codes)])
        (first,) = _create(system, drafts)
        (again,) = _create(system, [replace(drafts[0], key="demo/shop/1/create/1")])
        assert again.existed
        assert again.ref is not None
        assert first.ref is not None
        assert again.ref.id == first.ref.id
        assert subject.count() == 1

    def test_the_same_id_of_another_source_is_another_order(self, subject: Subject) -> None:
        system = subject.open()
        orders = [order(1, subject.codes), order(1, subject.codes, source="market")]
        outcomes = _create(system, drafts_of(system, orders))
        assert [outcome.existed for outcome in outcomes] == [False, False]
        assert subject.count() == 2

    def test_twice_in_one_batch_is_once(self, subject: Subject) -> None:
        system = subject.open()
        drafts = drafts_of(system, [order(1, subject.codes), order(2, subject.codes)])
        outcomes = _create(system, [drafts[0], drafts[1], drafts[0]])
        assert [outcome.existed for outcome in outcomes] == [False, False, True]
        assert outcomes[2].ref == outcomes[0].ref
        assert subject.count() == 2

    def test_outcomes_stand_in_the_order_of_the_drafts(self, subject: Subject) -> None:
        system = subject.open()
        drafts = drafts_of(system, [order(n, subject.codes) for n in range(1, 8)])
        _create(system, drafts[3:5])
        outcomes = _create(system, drafts)
        assert [outcome.key for outcome in outcomes] == [draft.key for draft in drafts]
        assert [outcome.existed for outcome in outcomes] == [False, False, False, True, True, False, False]
        assert len({outcome.ref.number for outcome in outcomes if outcome.ref}) == 7

    def test_a_failure_of_one_spares_its_siblings(self, subject: Subject) -> None:
        system = subject.open()
        drafts = drafts_of(system, [order(n, subject.codes) for n in range(1, 5)])
        lost = Ref("987654321", "GONE")  # deleted in the target after it was looked up
        drafts[1] = replace(drafts[1], products=(lost, *drafts[1].products[1:]))
        outcomes = _create(system, drafts)
        assert [outcome.error is None for outcome in outcomes] == [True, False, True, True]
        assert isinstance(outcomes[1].error, Held)
        assert outcomes[1].ref is None
        assert subject.count() == 3
        repaired = drafts_of(system, [order(2, subject.codes)])
        (outcome,) = _create(system, repaired)
        assert outcome.error is None
        assert not outcome.existed

    def test_totals_agree_to_the_cent(self, subject: Subject) -> None:
        system = subject.open()
        (outcome,) = _create(system, drafts_of(system, [order(1, subject.codes)]))
        assert outcome.ref is not None
        assert subject.total(outcome.ref.id) == Decimal("969.80")

    def test_a_total_that_is_not_the_sum_of_its_parts_is_refused(self, subject: Subject) -> None:
        system = subject.open()
        (outcome,) = _create(system, drafts_of(system, [replace(order(1, subject.codes), total=Decimal("969.79"))]))
        assert isinstance(outcome.error, Held)
        assert subject.count() == 0

    def test_a_cent_is_evened_out_when_told(self, subject: Subject) -> None:
        system = subject.open()
        (draft,) = drafts_of(system, [replace(order(1, subject.codes), total=Decimal("969.79"))])
        (outcome,) = _create(system, [replace(draft, rounding=Decimal("-0.01"))])
        assert outcome.ref is not None
        assert subject.total(outcome.ref.id) == Decimal("969.79")

    def test_stock_is_reserved_once(self, subject: Subject) -> None:
        if subject.reserved is None:
            needed("reserved", subject.lacks)
        system = subject.open()
        before = subject.reserved(subject.codes[0])
        drafts = drafts_of(system, [order(1, subject.codes), order(2, subject.codes)])
        _create(system, drafts)
        _create(system, drafts)
        assert subject.reserved(subject.codes[0]) - before == Decimal(4)

    def test_two_at_once_make_one_document_each(self, subject: Subject) -> None:
        drafts = drafts_of(subject.open(), [order(n, subject.codes) for n in range(1, 21)])
        start = Barrier(2)

        def work() -> list[DocumentOutcome]:
            system = subject.open()
            try:
                start.wait(30)
                return [outcome for n in range(0, 20, 5) for outcome in _create(system, drafts[n : n + 5])]
            finally:
                system.close()

        with ThreadPoolExecutor(2) as pool:
            first, second = (future.result(300) for future in [pool.submit(work), pool.submit(work)])
        assert subject.count() == 20
        for one, other in zip(first, second, strict=True):
            assert one.error is None
            assert other.error is None
            assert one.ref is not None
            assert other.ref is not None
            assert one.ref.id == other.ref.id
            assert one.existed != other.existed

    def test_the_documents_can_be_told_one_by_one(self, subject: Subject) -> None:
        """For systems that can tell all their documents."""
        system = subject.open()
        capability(system, DocumentList)
        assert isinstance(system, DocumentList)
        assert list(system.all_documents()) == []
        drafts = drafts_of(system, [order(n, subject.codes) for n in range(1, 4)])
        made = _create(system, drafts)
        told = list(system.all_documents())
        assert [one.ref.id for one in told] == [outcome.ref.id for outcome in made if outcome.ref]
        assert [(one.source, one.order_id) for one in told] == [("shop", str(n)) for n in range(1, 4)]
        assert [one.ref.key for one in told] == [draft.key for draft in drafts]
        assert {one.ref.total for one in told} == {Decimal("969.80")}


def amendment_of(system: System, newer: Order, ref: DocumentRef, revision: str) -> Amendment:
    """An amendment that brings the document of an order to ``newer``."""
    (draft,) = drafts_of(system, [newer])
    return Amendment(key=f"demo/{newer.source}/{newer.id}/amend/{revision}", ref=ref, draft=draft)


def larger(codes: Sequence[str], n: int = 1) -> Order:
    """The plain order with three pieces of its first product for two: 969.80 + 389.50 = 1359.30."""
    before = order(n, codes)
    first = replace(before.lines[0], quantity=Decimal(3))
    return replace(before, lines=(first, *before.lines[1:]), total=Decimal("1359.30"))


class AmendContract:
    """The promises of :class:`pipeline.ports.AmendDocuments`. Its subject tells ``status`` as well."""

    def made(self, subject: Subject, n: int = 1) -> tuple[AmendDocuments, System, DocumentRef]:
        """A session, and the document of order ``n``."""
        system = subject.open()
        assert isinstance(system, AmendDocuments)
        (outcome,) = _create(system, drafts_of(system, [order(n, subject.codes)]))
        assert outcome.ref is not None
        return system, system, outcome.ref

    def test_a_document_is_brought_to_the_new_content(self, subject: Subject) -> None:
        amending, system, ref = self.made(subject)
        newer = replace(larger(subject.codes), status="paid")
        (outcome,) = amending.amend([amendment_of(system, newer, ref, "2")])
        assert outcome.error is None
        assert outcome.ref is not None
        assert (outcome.ref.id, outcome.ref.number, outcome.ref.total) == (ref.id, ref.number, Decimal("1359.30"))
        assert not outcome.existed
        assert subject.count() == 1
        assert subject.total(ref.id) == Decimal("1359.30")
        assert subject.status is None or subject.status(ref.id) == "paid"

    def test_it_is_still_found_by_the_key_that_it_was_made_with(self, subject: Subject) -> None:
        amending, system, ref = self.made(subject)
        drafts = drafts_of(system, [order(1, subject.codes)])
        amending.amend([amendment_of(system, larger(subject.codes), ref, "2")])
        (again,) = _create(system, drafts)
        assert again.existed
        assert again.ref is not None
        assert again.ref.id == ref.id
        assert subject.total(ref.id) == Decimal("1359.30"), "a second create changes nothing"

    def test_an_amendment_twice_is_once(self, subject: Subject) -> None:
        amending, system, ref = self.made(subject)
        change = amendment_of(system, larger(subject.codes), ref, "2")
        assert [one.existed for one in amending.amend([change])] == [False]
        assert [one.existed for one in amending.amend([change])] == [True]
        assert subject.total(ref.id) == Decimal("1359.30")

    def test_what_is_reserved_follows_the_content(self, subject: Subject) -> None:
        if subject.reserved is None:
            needed("reserved", subject.lacks)
        if "lines" in subject.lacks:
            needed("lines", subject.lacks)
        first, second = subject.codes[0], subject.codes[1]
        before = subject.reserved(first), subject.reserved(second)
        amending, system, ref = self.made(subject)
        newer = larger(subject.codes)
        without = replace(newer, lines=(newer.lines[0], newer.lines[2]), total=Decimal("1218.50"))
        change = amendment_of(system, without, ref, "2")
        for _ in range(2):
            amending.amend([change])
            assert subject.reserved(first) - before[0] == Decimal(3)
            assert subject.reserved(second) == before[1], "the line is gone, and with it its reserve"

    def test_a_cancelled_document_frees_its_reserve_once(self, subject: Subject) -> None:
        before = subject.reserved(subject.codes[0]) if subject.reserved else None
        amending, _system, ref = self.made(subject)
        for revision in ("2", "2", "3"):
            (outcome,) = amending.cancel(
                [Cancellation(key=f"demo/shop/1/cancel/{revision}", ref=ref, status="cancelled")]
            )
            assert outcome.error is None
            assert outcome.ref is not None
            assert outcome.ref.id == ref.id
            assert subject.reserved is None or subject.reserved(subject.codes[0]) == before
        assert subject.status is None or subject.status(ref.id) == "cancelled"
        assert subject.total(ref.id) == Decimal("969.80"), "what it says else stays"
        assert subject.count() == 1

    def test_a_cancelled_document_lives_again_when_it_is_amended(self, subject: Subject) -> None:
        before = subject.reserved(subject.codes[0]) if subject.reserved else Decimal(0)
        amending, system, ref = self.made(subject)
        amending.cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="refunded")])
        assert subject.status is None or subject.status(ref.id) == "refunded"
        (outcome,) = amending.amend([amendment_of(system, order(1, subject.codes), ref, "3")])
        assert outcome.error is None
        assert subject.status is None or subject.status(ref.id) == "new"
        assert subject.reserved is None or subject.reserved(subject.codes[0]) - before == Decimal(2)

    def test_back_and_forth_is_what_came_last(self, subject: Subject) -> None:
        amending, system, ref = self.made(subject)
        for n, newer in enumerate((larger(subject.codes), order(1, subject.codes), larger(subject.codes)), 2):
            amending.amend([amendment_of(system, newer, ref, str(n % 2))])
            assert subject.total(ref.id) == newer.total

    def test_totals_that_do_not_agree_are_refused_and_nothing_changes(self, subject: Subject) -> None:
        amending, system, ref = self.made(subject)
        wrong = replace(larger(subject.codes), total=Decimal("1359.29"))
        (outcome,) = amending.amend([amendment_of(system, wrong, ref, "2")])
        assert isinstance(outcome.error, Held)
        assert subject.total(ref.id) == Decimal("969.80")
        assert subject.reserved is None or subject.reserved(subject.codes[0]) == Decimal(2)

    def test_a_failure_of_one_spares_its_siblings(self, subject: Subject) -> None:
        amending, system, first = self.made(subject)
        _, _, third = self.made(subject, 3)
        gone = DocumentRef("987654321", "000999", "demo/shop/none/create/0")
        outcomes = amending.amend(
            [
                amendment_of(system, larger(subject.codes), first, "2"),
                amendment_of(system, larger(subject.codes, 2), gone, "2"),
                amendment_of(system, larger(subject.codes, 3), third, "2"),
            ]
        )
        assert [outcome.error is None for outcome in outcomes] == [True, False, True]
        assert isinstance(outcomes[1].error, Held)
        assert [subject.total(ref.id) for ref in (first, third)] == [Decimal("1359.30")] * 2
        assert subject.count() == 2

    def test_a_closed_document_is_left_as_it_is(self, subject: Subject) -> None:
        if subject.close is None:
            needed("close", subject.lacks)
        amending, system, ref = self.made(subject)
        subject.close(ref.number)
        outcomes = [
            *amending.amend([amendment_of(system, larger(subject.codes), ref, "2")]),
            *amending.cancel([Cancellation(key="demo/shop/1/cancel/3", ref=ref, status="cancelled")]),
        ]
        assert all(isinstance(outcome.error, Held) for outcome in outcomes)
        assert subject.total(ref.id) == Decimal("969.80")
        assert subject.status is None or subject.status(ref.id) == "new"

    def test_nothing_to_change_is_no_outcome(self, subject: Subject) -> None:
        amending, _system, _ref = self.made(subject)
        assert list(amending.amend([])) == []
        assert list(amending.cancel([])) == []
