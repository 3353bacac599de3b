"""Dilovod keeps the contracts of what follows an order, and of who and what orders name, whatever its unknown sides."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import AddProducts, DocumentDraft, DocumentRef, NewProduct, Party, RowOutcome, System, full_name
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.following_subject import Subject, at_once
from pipeline.testing.naming_contract import AddProductsContract, PartiesContract, ProductNamesContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from plugins.systems.dilovod._fake_schema import GOODS, ORDER, PERSONS, RETURN, SALE
from plugins.systems.dilovod._fake_seeds import FIRM, STORAGE
from plugins.systems.dilovod.fake import Quirks, packet_of
from plugins.systems.dilovod.order_out import Services, Sums, new_lines
from tests.systems.dilovod.base import (
    CODES,
    DOCUMENTS,
    SAVING,
    THIRD,
    Base,
    base,
    blocked,
    good_of,
    reserved_of,
    stocked,
)

KINDS = {"order": ORDER, "ship": SALE, "return": RETURN, "pay": "documents.cashIn", "party": PERSONS, "product": GOODS}
EACH = {f"{name}={value}": {name: value} for name, value in SAVING.items()} | THIRD
#: An order that was shipped is marked by nobody there, though its goods came back: see test_orders.
del EACH["mark_shipped=refused"]
BASES: dict[str, dict[str, Any]] = {
    "likeliest": {"posting_reserves": True},
    "otherwise": SAVING,
    **(EACH if os.environ.get("MISTOK_FULL") else {}),
}


def creates(asked: Any) -> bool:
    """A save of something new."""
    packet = packet_of(asked) or {}
    params = packet.get("params") or {}
    return packet.get("action") == "saveObject" and "." in str(params.get("header", {}).get("id"))


def refused(one: Base, asked: Any) -> bool:
    """A party's telephone as an attribute of its own, where the base does not take one: nothing is made of it."""
    header = (packet_of(asked) or {}).get("params", {}).get("header", {})
    return one.fake.quirks.phone == "details" and "phone" in header


def saves(asked: Any) -> bool:
    """Any save."""
    return (packet_of(asked) or {}).get("action") == "saveObject"


def subject_of(one: Base) -> Subject:
    fake = one.fake

    def refuse(words: str) -> None:
        error = blocked(f"applicationLayerError Документ не збережено. <span>{html.escape(words)}</span>")
        fake.fail(200, error, times=3, when=saves)  # an order's state is tried in two ways

    def by_hand(ref: DocumentRef, draft: DocumentDraft) -> None:
        session = one.open()
        goods = session.naming.goods_of(draft, session.reader.by_id({product.id for product in draft.products}))
        plain = replace(draft, order=replace(draft.order, delivery=replace(draft.order.delivery, cost=Decimal(0)),
                                             total=draft.order.total - draft.order.delivery.cost))  # fmt: skip
        lines = new_lines(plain, goods, Services(), Sums.of(plain))
        fake.document(SALE, lines, post=True, storage=STORAGE, firm=FIRM, baseDoc=ref.id, docMode="1004000000000350")

    def party(id_: str) -> Party:
        row = fake.one(id_)
        name = row["name"]["uk"]
        last, first, middle = full_name(name)
        company = row["personType"] == "0"
        return Party(
            kind="company" if company else "person",
            company=name if company else "",
            first_name=first, last_name=last, middle_name=middle, edrpou=row["taxCode"],
            phone=f"+{row['phone'].removeprefix('+')}", email=row["email"],
        )  # fmt: skip

    def twin(given: Party) -> None:
        title = given.title
        row = fake.add_element(PERSONS, title)
        fake.base.objects[row]["values"] |= {"phone": given.phone, "email": given.email}

    def product(id_: str) -> Mapping[str, str]:
        return {"name": fake.one(id_)["name"]["uk"], "base": ""}

    def on_hand(code: str) -> Decimal:
        return fake.stock(good_of(one, code))

    return Subject(
        open=one.open,
        codes=CODES,
        count=lambda kind: len(fake.rows(KINDS[kind], marked=None)),
        on_hand=on_hand,
        reserved=(lambda code: reserved_of(one, code)) if fake.quirks.posting_reserves else None,
        status=lambda id_: fake.one(id_)["state"],
        party=party,
        product=product,
        by_hand=by_hand,
        twin=twin,
        lose_answer=lambda: fake.lose_reply(when=lambda asked: creates(asked) and not refused(one, asked)),
        refuse=refuse,
        lacks={
            "close": "Dilovod closes no single document",
            "close_period": "the fake keeps no closed period: it is refused in Dilovod's words, as all else is",
        },
    )


@pytest.fixture(params=BASES.values(), ids=list(BASES))
def one(request: pytest.FixtureRequest) -> Iterator[Base]:
    with base(Quirks(**request.param), documents=DOCUMENTS, goods={"services": "Послуги"}) as opened:
        yield stocked(opened)
        for kind in (ORDER, SALE, RETURN):
            assert all(row["parts"]["tpGoods"] for row in opened.fake.rows(kind, marked=None)), "an empty document"
        for saved in opened.saved(GOODS):
            assert not {"weight", "packageRatio", "price"} & set(saved["header"])


@pytest.fixture
def subject(one: Base) -> Subject:
    return subject_of(one)


class TestShipments(ShipContract):
    pass


class TestReturns(ReturnContract):
    pass


class TestPayments(PaymentsContract):
    pass


class TestStatuses(StatusesContract):
    @pytest.fixture
    def subject(self, one: Base) -> Subject:
        why = {**subject_of(one).lacks, "lose_answer": "a change is absolute, and simply made again"}
        return replace(subject_of(one), lose_answer=None, lacks=why)


class TestParties(PartiesContract):
    pass


class TestProductNames(ProductNamesContract):
    pass


class TestAddProducts(AddProductsContract):
    def test_variants_stand_below_their_base(self, subject: Subject) -> None:
        """Dilovod has no variants: each is a good of its own."""
        system = self.opened(subject)
        before = subject.count("product")
        sizes = [
            NewProduct(code=f"ФУТ-{size}", name=f"Футболка, {size}", base="ФУТ", base_name="Футболка",
                       options={"Розмір": size})
            for size in ("S", "M")
        ]  # fmt: skip
        assert [outcome.error for outcome in system.add_products(sizes)] == [None, None]
        assert [outcome.existed for outcome in system.add_products(sizes)] == [True, True]
        assert subject.count("product") == before + 2

    def test_two_at_once_add_one(self, subject: Subject) -> None:
        """As the contract's own, but for the base."""
        before = subject.count("product")
        wanted = [NewProduct(code=f"А-{n}", name=f"Товар {n}") for n in range(1, 7)]

        def work(system: System) -> list[RowOutcome]:
            assert isinstance(system, AddProducts)
            return [outcome for n in range(0, 6, 2) for outcome in system.add_products(wanted[n : n + 2])]

        first, second = at_once(subject, work)
        assert [outcome.ids for outcome in first] == [outcome.ids for outcome in second]
        assert subject.count("product") == before + 6
