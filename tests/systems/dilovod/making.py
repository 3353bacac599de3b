"""Orders made in a base of the fake Dilovod, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from pipeline.api import Address, Delivery, DocumentDraft, DocumentOutcome, DocumentRef, Held, Order, Party, Payment
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.dilovod._fake_schema import ORDER
from tests.systems.dilovod.base import CODES, Base

KEY = "demo/shop/1/create/0"


def draft_of(one: Base, made: Order | None = None, **more: Any) -> DocumentDraft:
    (draft,) = drafts_of(one.open(), [made or order(1, CODES)])
    return replace(draft, **more)


def make(one: Base, *orders: Order, settings: Any = None, **more: Any) -> list[DocumentOutcome]:
    session = one.open(**({"documents": settings} if settings is not None else {}))
    return list(session.create([replace(draft, **more) for draft in drafts_of(session, orders)]))


def done(outcomes: Any) -> DocumentRef:
    (outcome,) = outcomes
    assert outcome.error is None, outcome.error
    assert outcome.ref is not None
    ref: DocumentRef = outcome.ref
    return ref


def why(outcome: DocumentOutcome) -> str:
    assert isinstance(outcome.error, Held), outcome
    return f"{outcome.error} | {outcome.error.hint or ''}"


def only(one: Base, name: str = ORDER) -> dict[str, Any]:
    (row,) = one.fake.rows(name)
    return row


FULL = replace(
    order(5501, CODES),
    customer=Party(last_name="Шевченко", first_name="Олена", middle_name="Петрівна", phone="067 111-22-33",
                   email="Olena@Example.com"),
    delivery=Delivery(
        carrier="nova-poshta", service="branch", city="Київ", branch="Відділення 12", method="Нова Пошта",
        address=Address(country="UA", region="Київська", city="Київ", street="вул. Хрещатик", house="1", apartment="7"),
        recipient=Party(last_name="Бойко", first_name="Ганна", phone="+380671112234"),
        cost=Decimal("70.00"), planned_for=date(2026, 11, 24), tracking="T-1",
    ),
    payment=Payment(method="Картка"),
    comment="Подзвонити",
)  # fmt: skip
