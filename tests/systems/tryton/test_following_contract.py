"""Tryton keeps the contracts of what follows an order, and of who and what orders name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.api import (
    AddProducts,
    DocumentDraft,
    DocumentRef,
    NewProduct,
    Party,
    RowOutcome,
    ShipDocuments,
    System,
    full_name,
)
from pipeline.testing.documents_contract import MOMENT
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.following_subject import Kind, Subject, at_once, one, shipment
from pipeline.testing.naming_contract import AddProductsContract, PartiesContract, ProductNamesContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from tests.systems.tryton.world import CODES, World, method, user_error

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]

#: With these a thing is there for good: their answer lost, nobody knows whether it is.
LAST = ("stock.shipment.out.do", "stock.shipment.out.return.do", "account.payment.create", "party.party.create",
        "product.template.create")  # fmt: skip
#: With these it begins.
MAKING = ("sale.sale.create", "stock.shipment.out.do", "account.payment.create", "party.party.create",
          "product.template.create")  # fmt: skip
#: By plain SQL.
COUNTED: Mapping[Kind, str] = {
    "order": "select count(*) from sale_sale where origin is null",
    "ship": "select count(*) from stock_shipment_out where state in ('picked', 'packed', 'shipped', 'done')",
    "return": "select count(*) from stock_shipment_out_return where state = 'done'",
    "pay": "select count(*) from account_payment",
    "party": "select count(*) from party_party",
    "product": "select count(*) from product_product",
}


def subject_of(world: World) -> Subject:
    server = world.server

    def by_hand(ref: DocumentRef, draft: DocumentDraft) -> None:
        sale = world.sale(ref.id)
        sale.click("confirm")
        (parcel,) = sale.shipments
        for button in ("assign_try", "pick", "pack", "do"):
            parcel.click(button)

    def party(id_: str) -> Party:
        stored = server.model("party.party")(int(id_))
        contacts = {one.type: one.value_compact or one.value for one in stored.contact_mechanisms}
        codes = {one.type: one.code for one in stored.identifiers}
        last, first, middle = full_name(stored.name)
        company = "ua_edrpou" in codes
        (address,) = stored.addresses
        assert not address.street
        assert not address.city
        return Party(
            kind="company" if company else "person", company=stored.name if company else "",
            first_name=first, last_name=last, middle_name=middle, edrpou=codes.get("ua_edrpou", ""),
            phone=contacts.get("phone", ""), email=contacts.get("email", ""),
        )  # fmt: skip

    def twin(given: Party) -> None:
        made = server.model("party.party")(name=given.title)
        made.contact_mechanisms.new(type="other", value=given.phone)
        made.save()

    def product(id_: str) -> Mapping[str, str]:
        stored = server.model("product.product")(int(id_))
        return {"name": stored.template.name, "base": stored.template.code or ""}

    def close_period(at: datetime) -> None:
        period = server.model("stock.period")(date=at.date())
        period.click("close")

    past = datetime.now(UTC) - timedelta(days=1) > MOMENT - timedelta(days=28)
    return Subject(
        leaves_again=False,  # a sale whose goods have left is done there
        open=world.open,
        codes=CODES,
        count=lambda kind: int(server.one(COUNTED[kind])),
        on_hand=world.on_hand,
        status=lambda id_: str(server.one("select state from sale_sale where id = ?", int(id_))),
        party=party,
        product=product,
        close_period=close_period if past else None,
        lacks={
            "close": "a sale that is processed is closed by its shipments alone",
            **({} if past else {"close_period": "Tryton closes no period that has not gone by"}),
        },
        by_hand=by_hand,
        twin=twin,
        lose_answer=lambda: world.between.lose_reply(when=method(*LAST)),
        refuse=lambda words: world.between.fail(200, user_error(words), when=method(*MAKING)),
    )


def alone(world: World) -> Subject:
    """Without two at once: one lock sees to that for all documents, and each takes a real server long."""
    given = subject_of(world)
    why = {**given.lacks, "unique": "one lock sees to that for all documents, as tried with orders and shipments"}
    return replace(given, unique=False, lacks=why)


@pytest.fixture
def subject(world: World) -> Subject:
    return subject_of(world)


class TestShipments(ShipContract):
    def test_two_at_once_ship_once(self, subject: Subject) -> None:
        """As the contract's own, of one."""
        _, draft, ref = self.opened(subject)

        def work(system: System) -> str:
            assert isinstance(system, ShipDocuments)
            return one(system.ship([shipment(ref, draft)])).id

        first, second = at_once(subject, work)
        assert first == second
        assert subject.count("ship") == 1
        assert subject.stock() == [998, 997, 999]


class TestReturns(ReturnContract):
    @pytest.fixture
    def subject(self, world: World) -> Subject:
        return alone(world)


class TestPayments(PaymentsContract):
    @pytest.fixture
    def subject(self, world: World) -> Subject:
        given = alone(world)
        why = {**given.lacks, "close_period": "a payment that waits for a person is of no period"}
        return replace(given, close_period=None, lacks=why)


class TestStatuses(StatusesContract):
    @pytest.fixture
    def subject(self, world: World) -> Subject:
        world.between.forget()
        given = subject_of(world)
        why = {
            **given.lacks,
            "lose_answer": "a change of the state is absolute, and simply made again",
            "refuse": "Tryton's words are told wherever it makes something; see test_wire",
        }
        return replace(given, lose_answer=None, refuse=None, lacks=why)


class TestParties(PartiesContract):
    pass


class TestProductNames(ProductNamesContract):
    pass


class TestAddProducts(AddProductsContract):
    def test_variants_stand_below_their_base(self, subject: Subject) -> None:
        """A template of Tryton is no product: there is none of the base's own code."""
        system = self.opened(subject)
        sizes = [
            NewProduct(code=f"ФУТ-{size}", name=f"Футболка, {size}", base="ФУТ", base_name="Футболка",
                       options={"Розмір": size})
            for size in ("S", "M", "L")
        ]  # fmt: skip
        made = [*system.add_products(sizes[:2]), *system.add_products(sizes[2:])]
        assert [outcome.existed for outcome in made] == [False] * 3
        assert subject.product is not None
        stored = [subject.product(outcome.ids[-1]) for outcome in made]
        assert stored == [{"name": "Футболка", "base": "ФУТ"}] * 3
        assert [outcome.existed for outcome in system.add_products(sizes)] == [True] * 3

    def test_two_at_once_add_one(self, subject: Subject) -> None:
        """As the contract's own, but for the base."""
        before = subject.count("product")
        wanted = [NewProduct(code=f"А-{n}", name=f"Товар {n}", base="А", base_name="Товари") for n in range(1, 4)]

        def work(system: System) -> list[RowOutcome]:
            assert isinstance(system, AddProducts)
            return [outcome for one in wanted for outcome in system.add_products([one])]

        first, second = at_once(subject, work)
        assert [outcome.error for outcome in (*first, *second)] == [None] * 6
        assert [outcome.ids for outcome in first] == [outcome.ids for outcome in second]
        assert subject.count("product") == before + 3
