"""What every system must keep in which buyers and products are found or added. See ``following_contract``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from pipeline.errors import Held, InDoubt
from pipeline.model import Address, Party
from pipeline.ports import AddProducts, NewProduct, Parties, ProductLookup, ProductNames, RowOutcome, System
from pipeline.testing.documents_contract import capability, needed, order
from pipeline.testing.following_contract import WORDS
from pipeline.testing.following_subject import Subject, at_once

OLENA = Party(
    first_name="Олена",
    last_name="Шевченко",
    middle_name="Петрівна",
    phone="+380671112233",
    email="olena@example.com",
    address=Address(city="Київ", street="Хрещатик", house="1"),
)
COMPANY = Party(
    kind="company", company="ТОВ «Інтеріор»", edrpou="14360570", tax_number="143605704021", phone="0445556677"
)


class PartiesContract:
    """The promises of :class:`pipeline.ports.Parties`."""

    def opened(self, subject: Subject) -> tuple[Parties, str, str]:
        """A session, and the ids of a person and a company, just created."""
        system = subject.open()
        assert isinstance(system, Parties)
        return system, system.create_party(OLENA).id, system.create_party(COMPANY).id

    def test_nobody_is_found_where_nobody_is(self, subject: Subject) -> None:
        system = subject.open()
        assert isinstance(system, Parties)
        assert [list(found) for found in system.find_parties([OLENA, COMPANY])] == [[], []]
        assert list(system.find_parties([])) == []

    def test_a_buyer_is_found_however_phone_and_mail_are_written(self, subject: Subject) -> None:
        before = subject.count("party")
        system, olena, company = self.opened(subject)
        asked = {
            "as it is": OLENA,
            "by phone": Party(first_name="О.", phone="067 111-22-33"),
            "by phone with a country": Party(phone="+38 (067) 111 22 33"),
            "by phone of old habit": Party(phone="8 067 111 22 33"),
            "by mail in capitals": Party(email=" OLENA@Example.COM "),
            "by mail, with a new phone": Party(phone="0509998877", email="olena@example.com"),
            "another": Party(first_name="Олена", last_name="Шевченко", phone="0671112234"),
            "nothing known": Party(first_name="Олена", last_name="Шевченко"),
            "by EDRPOU": Party(kind="company", company="Інтеріор ТОВ", edrpou="14360570"),
            "by EDRPOU, not phone": Party(kind="company", edrpou="14360570", phone=OLENA.phone),
        }
        found = dict(zip(asked, system.find_parties(list(asked.values())), strict=True))
        assert {how: [ref.id for ref in refs] for how, refs in found.items()} == {
            how: [] if how in ("another", "nothing known") else [company] if "EDRPOU" in how else [olena]
            for how in asked
        }
        assert subject.count("party") == before + 2, "a look adds nobody"

    def test_two_that_are_the_same_are_both_told(self, subject: Subject) -> None:
        if subject.twin is None:
            needed("twin", subject.lacks)
        system, olena, _ = self.opened(subject)
        subject.twin(replace(OLENA, first_name="Оленка", phone="0671112233", email=""))
        (found,) = system.find_parties([Party(phone="+380671112233")])
        assert len({ref.id for ref in found}) == 2
        assert olena in {ref.id for ref in found}

    def test_all_names_arrive_and_the_address_of_an_order_does_not(self, subject: Subject) -> None:
        system, olena, company = self.opened(subject)
        assert subject.party is not None
        stored = subject.party(olena)
        assert (stored.first_name, stored.last_name) == ("Олена", "Шевченко")
        assert (stored.phone, stored.email) == (OLENA.phone, OLENA.email)
        assert stored.address == Address()
        assert "Інтеріор" in subject.party(company).company
        assert subject.party(company).edrpou == "14360570"
        (found,) = system.find_parties([OLENA])
        for word in ("Олена", "Шевченко"):
            assert word in found[0].name

    def test_a_party_that_is_there_is_never_changed(self, subject: Subject) -> None:
        system, olena, _ = self.opened(subject)
        assert subject.party is not None
        before = subject.party(olena)
        other = subject.open()
        assert isinstance(other, Parties)
        again = other.create_party(replace(OLENA, first_name="Інша", email="inna@example.com"))
        assert subject.party(olena) == before
        if subject.unique:
            assert again.id == olena, "one phone is one party; a person says otherwise in the system itself"
        assert system.find_parties([OLENA])[0]

    def test_near_ones_are_proposed_best_first(self, subject: Subject) -> None:
        system, olena, _ = self.opened(subject)
        for n in range(12):
            system.create_party(Party(first_name="Олег", last_name=f"Шевчук-{n}", phone=f"+38050000{n:04d}"))
        near = system.near_parties(Party(first_name="Олена", last_name="Шевчеко"))
        assert near[0].id == olena
        assert len(near) <= 10
        assert not system.near_parties(Party())

    def test_what_the_system_says_is_told_in_its_own_words(self, subject: Subject) -> None:
        if subject.refuse is None:
            needed("refuse", subject.lacks)
        before = subject.count("party")
        system = subject.open()
        assert isinstance(system, Parties)
        subject.refuse(WORDS)
        with pytest.raises(Held) as caught:
            system.create_party(OLENA)
        assert WORDS in f"{caught.value} {caught.value.hint or ''}"
        assert subject.count("party") == before

    def test_an_answer_that_is_lost_leaves_it_in_doubt_and_a_look_finds_it(self, subject: Subject) -> None:
        if subject.lose_answer is None:
            needed("lose_answer", subject.lacks)
        system = subject.open()
        assert isinstance(system, Parties)
        subject.lose_answer()
        with suppress(InDoubt):  # unless it has looked by itself
            system.create_party(OLENA)
        assert len(system.find_parties([OLENA])[0]) == 1

    def test_two_at_once_add_one(self, subject: Subject) -> None:
        if not subject.unique:
            needed("unique", subject.lacks)
        before = subject.count("party")
        buyers = [order(n, subject.codes).customer for n in range(1, 7)]

        def work(system: System) -> list[str]:
            assert isinstance(system, Parties)
            return [system.create_party(buyer).id for buyer in buyers]

        first, second = at_once(subject, work)
        assert first == second
        assert subject.count("party") == before + 6


class ProductNamesContract:
    """The promises of :class:`pipeline.ports.ProductNames`."""

    def test_a_product_is_found_by_its_name_blanks_and_case_aside(self, subject: Subject) -> None:
        system = subject.open()
        assert isinstance(system, ProductLookup)
        assert isinstance(system, ProductNames)
        (ref,) = system.find_products([subject.codes[0]])[subject.codes[0]]
        assert ref.name
        spread = "\u00a0" + ref.name.upper().replace(" ", " \t ") + " "
        found = system.find_by_name([ref.name, spread, "зовсім ніщо", "", ref.name[:-1]])
        assert {name: [each.id for each in refs] for name, refs in found.items()} == {
            ref.name: [ref.id],
            spread: [ref.id],
        }
        assert found[spread][0].code == subject.codes[0]
        assert dict(system.find_by_name([])) == {}

    def test_all_of_one_name_are_told(self, subject: Subject) -> None:
        system = subject.open()
        assert isinstance(system, ProductNames)
        capability(system, AddProducts)
        assert isinstance(system, AddProducts)
        twins = [NewProduct(code=code, name="Лак «Яхтний» 1 л") for code in ("YACHT-1", "YACHT-01-А")]
        assert not [outcome.error for outcome in system.add_products(twins) if outcome.error]
        (found,) = system.find_by_name(["лак «яхтний»  1 Л"]).values()
        assert {ref.code for ref in found} == {"YACHT-1", "YACHT-01-А"}


class AddProductsContract:
    """The promises of :class:`pipeline.ports.AddProducts`."""

    def opened(self, subject: Subject) -> AddProducts:
        """A session."""
        system = subject.open()
        assert isinstance(system, AddProducts)
        return system

    def test_a_card_is_made_and_found_by_its_article(self, subject: Subject) -> None:
        system = self.opened(subject)
        before = subject.count("product")
        (outcome,) = system.add_products(
            [NewProduct(code="НОВ-1", name="Щітка, 5 см", unit="шт", barcode="4820000000017")]
        )
        assert outcome.error is None
        assert not outcome.existed
        assert subject.count("product") == before + 1
        assert isinstance(system, ProductLookup)
        (ref,) = system.find_products(["НОВ-1"])["НОВ-1"]
        assert ref.id == outcome.ids[-1]
        assert subject.product is not None
        stored = subject.product(ref.id)
        assert (stored["name"], stored["base"]) == ("Щітка, 5 см", "")

    def test_a_second_time_is_the_first_card_and_nothing_of_it_changes(self, subject: Subject) -> None:
        system = self.opened(subject)
        before = subject.count("product")
        brush = NewProduct(code="НОВ-1", name="Щітка, 5 см")
        first, within = system.add_products([brush, brush])
        assert [first.existed, within.existed] == [False, True]
        other = self.opened(subject)
        (again,) = other.add_products([replace(brush, name="Зовсім інше", unit="кг")])
        (known,) = other.add_products([NewProduct(code=subject.codes[0], name="Зовсім інше")])
        assert again.existed
        assert known.existed
        assert again.ids[-1] == within.ids[-1] == first.ids[-1]
        assert subject.product is not None
        assert subject.product(first.ids[-1])["name"] == "Щітка, 5 см"
        assert subject.product(known.ids[-1])["name"] != "Зовсім інше"
        assert subject.count("product") == before + 1

    def test_variants_stand_below_their_base(self, subject: Subject) -> None:
        system = self.opened(subject)
        sizes = [
            NewProduct(
                code=f"ФУТ-{size}",
                name=f"Футболка, {size}",
                base="ФУТ",
                base_name="Футболка",
                options={"Розмір": size},
            )
            for size in ("S", "M", "L")
        ]
        first = system.add_products(sizes[:2])
        (third,) = system.add_products(sizes[2:])
        assert [outcome.existed for outcome in (*first, third)] == [False] * 3
        assert subject.product is not None
        assert [subject.product(outcome.ids[-1])["base"] for outcome in (*first, third)] == ["ФУТ"] * 3
        assert [outcome.existed for outcome in system.add_products(sizes)] == [True] * 3
        assert isinstance(system, ProductLookup)
        (base,) = system.find_products(["ФУТ"])["ФУТ"]
        assert subject.product(base.id)["name"] == "Футболка"

    def test_one_that_cannot_be_spares_its_siblings(self, subject: Subject) -> None:
        system = self.opened(subject)
        outcomes = system.add_products(
            [
                NewProduct(code="А-1", name="Один"),
                NewProduct(code="", name="Без артикула"),
                NewProduct(code="А-2", name="Два"),
            ]
        )
        assert [outcome.error is None for outcome in outcomes] == [True, False, True]
        assert isinstance(outcomes[1].error, Held)
        assert list(system.add_products([])) == []

    def test_a_service_is_one_and_has_no_stock(self, subject: Subject) -> None:
        system = self.opened(subject)
        (outcome,) = system.add_products([NewProduct(code="ПОСЛ-1", name="Монтаж", service=True)])
        assert outcome.error is None
        assert subject.on_hand is None or subject.on_hand("ПОСЛ-1") == Decimal(0)

    def test_what_the_system_says_is_told_in_its_own_words(self, subject: Subject) -> None:
        if subject.refuse is None:
            needed("refuse", subject.lacks)
        system = self.opened(subject)
        before = subject.count("product")
        subject.refuse(WORDS)
        (outcome,) = system.add_products([NewProduct(code="А-1", name="Один")])
        assert isinstance(outcome.error, Held)
        assert WORDS in f"{outcome.error} {outcome.error.hint or ''}"
        assert subject.count("product") == before

    def test_an_answer_that_is_lost_leaves_it_in_doubt_and_adds_it_once(self, subject: Subject) -> None:
        if subject.lose_answer is None:
            needed("lose_answer", subject.lacks)
        system = self.opened(subject)
        before = subject.count("product")
        subject.lose_answer()
        (outcome,) = system.add_products([NewProduct(code="А-1", name="Один")])
        assert outcome.error is None or isinstance(outcome.error, InDoubt), "it may have looked by itself"
        (again,) = system.add_products([NewProduct(code="А-1", name="Один")])
        assert again.existed
        assert subject.count("product") == before + 1

    def test_two_at_once_add_one(self, subject: Subject) -> None:
        if not subject.unique:
            needed("unique", subject.lacks)
        before = subject.count("product")
        wanted = [NewProduct(code=f"А-{n}", name=f"Товар {n}", base="А", base_name="Товари") for n in range(1, 7)]

        def work(system: System) -> list[RowOutcome]:
            assert isinstance(system, AddProducts)
            return [outcome for n in range(0, 6, 2) for outcome in system.add_products(wanted[n : n + 2])]

        first, second = at_once(subject, work)
        assert [outcome.error for outcome in (*first, *second)] == [None] * 12
        assert [outcome.ids for outcome in first] == [outcome.ids for outcome in second]
        assert subject.count("product") == before + 7
