"""A system under test of what follows an order, and how to look into it from outside. See ``following_contract``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from threading import Barrier
from typing import Literal, TypeVar

from pipeline.errors import Held, InDoubt
from pipeline.model import Delivery, Order, Party
from pipeline.ports import DocumentDraft, DocumentOutcome, DocumentRef, Documents, Return, Shipment, System
from pipeline.testing.documents_contract import drafts_of, order

Kind = Literal["order", "ship", "return", "pay", "party", "product"]
GONE = DocumentRef("987654321", "000999")  #: a document that is not there
T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """A system, emptied but for products, and how to look into it. What a system has not got is None."""

    open: Callable[[], System]  #: each call: a session of its own to one and the same target
    codes: Sequence[str]  #: three products that it knows
    count: Callable[[Kind], int]  #: how many of these there are
    on_hand: Callable[[str], Decimal] | None = None  #: what lies there of a product's code, over all warehouses
    reserved: Callable[[str], Decimal] | None = None
    status: Callable[[str], str] | None = None  #: id of the status of the order document with this id
    party: Callable[[str], Party] | None = None  #: the party with this id, as stored
    product: Callable[[str], Mapping[str, str]] | None = None  #: by id, as stored: ``name``, ``base`` (its article)
    close: Callable[[DocumentRef], None] | None = None  #: make an order document one that nobody may change
    close_period: Callable[[datetime], None] | None = None  #: nothing dated up to this moment may come any more
    by_hand: Callable[[DocumentRef, DocumentDraft], None] | None = None  #: a person ships this, in the system itself
    twin: Callable[[Party], None] | None = None  #: a person adds one more party, though it is there
    lose_answer: Callable[[], None] | None = None  #: the next thing made is made, and the answer never comes
    refuse: Callable[[str], None] | None = None  #: the next thing to be made is refused with these words
    leaves_again: bool = True  #: what came back may leave once more on the same order document
    unique: bool = True  #: what two sessions make at once under one key is one thing
    #: What it cannot be asked, by the name of the above -> why there is no such thing: that promise is skipped.
    lacks: Mapping[str, str] = field(default_factory=dict)

    def stock(self) -> list[Decimal]:
        """What lies there of each of its products; nothing where the system keeps no stock."""
        return [self.on_hand(code) for code in self.codes] if self.on_hand else []

    def reserve(self) -> list[Decimal]:
        """What is reserved of each of its products; nothing where the system reserves nothing."""
        return [self.reserved(code) for code in self.codes] if self.reserved else []


def ordered(system: System, subject: Subject, n: int = 1) -> tuple[DocumentDraft, DocumentRef]:
    """The plain order of :func:`pipeline.testing.documents_contract.order` as a draft, and its document, just made."""
    assert isinstance(system, Documents)
    (draft,) = drafts_of(system, [order(n, subject.codes)])
    (outcome,) = system.create([draft])
    assert outcome.error is None, outcome.error
    assert outcome.ref is not None
    return draft, outcome.ref


def part(draft: DocumentDraft, *quantities: int) -> DocumentDraft:
    """So much of each line of ``draft``, 0 leaving it out; without delivery and order discounts. A line that has a
    discount stays whole or goes.
    """
    pairs = [
        (replace(line, quantity=Decimal(n)), ref)
        for line, ref, n in zip(draft.order.lines, draft.products, quantities, strict=True)
        if n
    ]
    lines = tuple(line for line, _ in pairs)
    total = sum((line.sum for line in lines), Decimal("0.00"))
    content: Order = replace(draft.order, lines=lines, discounts=(), delivery=Delivery(), total=total)
    return replace(draft, order=content, products=tuple(ref for _, ref in pairs))


def shipment(ref: DocumentRef, draft: DocumentDraft, revision: str = "1", at: datetime | None = None) -> Shipment:
    """What leaves on the order document ``ref``."""
    return Shipment(key=key(draft, "ship", revision), order=ref, draft=draft, at=at)


def coming_back(
    ref: DocumentRef, shipped: DocumentRef, draft: DocumentDraft, revision: str = "1", at: datetime | None = None
) -> Return:
    """What comes back of a shipment."""
    return Return(key=key(draft, "return", revision), order=ref, shipment=shipped, draft=draft, at=at)


def key(draft: DocumentDraft, action: str, revision: str) -> str:
    """The idempotency key of an action on the order of ``draft``."""
    return f"demo/{draft.order.source}/{draft.order.id}/{action}/{revision}"


def one(outcomes: Sequence[DocumentOutcome]) -> DocumentRef:
    """The document of the only outcome, which must have worked."""
    (outcome,) = outcomes
    assert outcome.error is None, outcome.error
    assert outcome.ref is not None
    return outcome.ref


def held(outcome: DocumentOutcome) -> str:
    """What is said of an outcome that must be Held and without a document, with its hint."""
    assert isinstance(outcome.error, Held), outcome
    assert outcome.ref is None
    assert not outcome.existed
    return f"{outcome.error} {outcome.error.hint or ''}"


def in_doubt(outcome: DocumentOutcome) -> None:
    """It must be InDoubt: whether it was made is to be looked up; unless the system has done so by itself."""
    assert outcome.ref is not None or isinstance(outcome.error, InDoubt), outcome


def at_once(subject: Subject, work: Callable[[System], T]) -> tuple[T, T]:
    """The same work in two sessions, begun together."""
    start = Barrier(2)

    def run() -> T:
        system = subject.open()
        try:
            start.wait(30)
            return work(system)
        finally:
            system.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(run) for _ in range(2))
        return first.result(60), second.result(60)
