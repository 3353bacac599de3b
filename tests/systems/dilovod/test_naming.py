"""Who and what orders name in Dilovod: lists, buyers however they were typed, goods that are missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.api import ConfigError, Held, InDoubt, NewProduct, Party, Refused, RowOutcome, Transient, phone
from plugins.systems.dilovod._fake_posting import SERVICE_POLICY
from plugins.systems.dilovod._fake_schema import BARCODES, GOODS, PERSONS
from plugins.systems.dilovod._fake_seeds import NATURAL, PIECE, STORAGE
from plugins.systems.dilovod.fake import Quirks, action
from plugins.systems.dilovod.parties import ways
from tests.systems.dilovod.base import SAVING, Base, base, blocked, element

OLENA = Party(first_name="Олена", last_name="Шевченко", phone="+380671112233", email="olena@example.com")


@pytest.fixture
def one() -> Iterator[Base]:
    with base() as opened:
        yield opened


def typed(one: Base, name: str, phone_: str = "", **values: str) -> str:
    """A party as a person enters it in the cabinet."""
    id_ = one.fake.add_element(PERSONS, name)
    one.fake.base.objects[id_]["values"] |= {"phone": phone_, **values}
    return id_


# --- lists -----------------------------------------------------------------------------------------------------------


def test_lists_are_told_by_id_code_or_name(one: Base) -> None:
    session = one.open()
    assert [(ref.id, ref.name) for ref in session.references("status")] == [
        (f"111150000000000{n}", name) for n, name in ((5, "Прийнято"), (6, "Виконано"), (7, "Відмова"),
                                                      (8, "Відвантажено"))
    ]  # fmt: skip
    for code in ("1111500000000006", "виконано ", "Виконано"):
        assert session.find_references("status", [code])[code].id == "1111500000000006"
    assert session.find_references("status", ["Немає", ""]) == {}
    assert session.find_references("currency", ["UAH", "PLN"])["UAH"].id == "1101200000001001"
    assert [ref.name for ref in session.references("firm")] == ["ФОП Приклад"]
    assert [ref.code for ref in session.references("warehouse")] == ["Магазин", "Основний склад"]
    assert session.references("colour") == ()
    assert session.find_references("colour", ["red"]) == {}
    before = len(one.packets())
    session.references("status")
    assert len(one.packets()) == before, "each list is read once"


def test_a_warehouse_is_known_by_its_name_in_the_settings(one: Base) -> None:
    session = one.open(warehouses={"main": STORAGE})
    assert session.find_references("warehouse", ["main", "Магазин"])["main"].id == STORAGE
    assert "Магазин" not in session.find_references("warehouse", ["main", "Магазин"])
    assert one.open().find_references("warehouse", [STORAGE])[STORAGE].name == "Основний склад"


def test_twins_and_what_is_to_be_deleted_are_not_found(one: Base) -> None:
    twin = element(one.fake, "catalogs.tradeChanels", "crm")
    one.fake.add_element("catalogs.tradeChanels", "CRM")
    assert one.open().find_references("source", ["crm"]) == {}
    one.fake.mark(twin)
    assert one.open().find_references("source", ["crm"])["crm"].name == "CRM"


def test_a_source_is_made_once_and_nothing_else_is(one: Base) -> None:
    session = one.open()
    made = session.ensure("source", "crm", "KeyCRM")
    assert session.ensure("source", "KeyCRM").id == made.id
    assert [row["name"]["uk"] for row in one.fake.rows("catalogs.tradeChanels")] == ["Сайт", "KeyCRM"]
    for kind, code in (("status", "Новий"), ("firm", "ТОВ"), ("source", ""), ("colour", "red")):
        with pytest.raises(ConfigError):
            session.ensure(kind, code)
    one.fake.add_element("catalogs.tradeChanels", "keycrm")
    with pytest.raises(ConfigError, match="or several"):
        one.open().ensure("source", "KeyCRM")


def test_lists_of_which_only_the_prefix_is_known_are_read_by_metadata(one: Base) -> None:
    author = one.fake.add_element("catalogs.users", "Ганна")
    one.fake.add_element("catalogs.business", "Роздріб")
    session = one.open()
    assert session.find_references("user", ["Ганна"])["Ганна"].id == author
    assert [ref.name for ref in session.references("business")] == ["Роздріб"]
    one.fake.fail(200, b"{}", when=action("listMetadata"))
    assert one.open().references("user") == (), "a base that tells no names has no such list"


# --- buyers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["380671112233", "+380671112233", "0671112233", "80671112233", "067 111 22 33", "067 111-22-33", "(067) 111-22-33",
     "(067)111-22-33", "+38 (067) 111-22-33", "+38(067)111-22-33", "+38 067 111 22 33", "8 067 111 22 33",
     "+380 67 111 22 33", "+380(67)111-22-33", "067-111-22-33"],
)  # fmt: skip
def test_a_telephone_is_found_however_it_was_typed(one: Base, written: str) -> None:
    known = typed(one, "Олена", written)
    typed(one, "Інша", "0671112234")
    assert phone(written) == "+380671112233"
    assert [ref.id for ref in one.open().find_parties([Party(phone="067 111 22 33")])[0]] == [known]


def test_the_ways_of_a_telephone_fit_into_one_filter() -> None:
    assert len(ways("+380671112233")) <= 50
    assert ways("+48601234567") == ["48601234567", "+48601234567"]
    assert ways("") == ways("не знаю") == []


def test_folders_and_what_is_to_be_deleted_are_no_buyers(one: Base) -> None:
    typed(one, "Клієнти", "0671112233", isGroup="1")
    one.fake.mark(typed(one, "Стара", "0671112233"))
    assert one.open().find_parties([OLENA]) == [[]]
    assert one.open().near_parties(Party(last_name="Клієнти")) == []


def test_codes_come_before_numbers_and_numbers_before_mail(one: Base) -> None:
    by_code = typed(one, "За кодом", code="К-17")
    by_tax = typed(one, "За кодом ЄДРПОУ", taxCode="14360570")
    by_phone = typed(one, "За телефоном", "0671112233")
    by_mail = typed(one, "За поштою", email="OLENA@example.com")
    everything = Party(code="К-17", edrpou="14360570", phone="0671112233", email="olena@example.com")
    asked = [
        everything,
        Party(edrpou="14360570", phone="0671112233"),
        Party(phone="0671112233", email="OLENA@example.com"),
        Party(email="OLENA@example.com"),
        Party(code=by_code),
        Party(code="К-18", phone="0671112233"),
    ]
    found = [[ref.id for ref in refs] for refs in one.open().find_parties(asked)]
    assert found == [[by_code], [by_tax], [by_phone], [by_mail], [by_code], [by_phone]]


@pytest.mark.parametrize("kept", ["details", "both", "own"])
def test_a_new_buyer_is_found_again_whatever_way_the_base_keeps_telephones(kept: Any) -> None:
    with base(Quirks(phone=kept)) as one:
        made = one.open().create_party(OLENA)
        assert [ref.id for ref in one.open().find_parties([Party(phone="0671112233")])[0]] == [made.id]
        row = one.fake.one(made.id)
        assert json.loads(row["details"])["names"] == [
            {"pr": {"uk": "Шевченко Олена", "ru": "Шевченко Олена"}, "kind": "fullName"}
        ]
        assert row["personType"] == NATURAL
        session = one.open()
        for n in range(2):
            session.create_party(Party(first_name="Олег", phone=f"+38067000000{n}"))
        tries = len(one.saved(PERSONS))
        assert tries == (5 if kept == "details" else 3), "what was found out holds for the next"


def test_a_company_has_its_number_and_its_person_in_the_remark(one: Base) -> None:
    made = one.open().create_party(
        Party(kind="company", company="ТОВ «Інтер'єр & Ко» <b>", edrpou="14360570", tax_number="143605704021",
              first_name="Олена", last_name="Шевченко")
    )  # fmt: skip
    row = one.fake.one(made.id)
    assert row["name"]["uk"] == "ТОВ «Інтер'єр & Ко» <b>"
    assert (row["taxCode"], row["personType"]) == ("14360570", "0")
    assert row["remark"] == "Шевченко Олена\nVAT number 143605704021"


def test_nobody_is_no_buyer_and_a_refusal_is_told(one: Base) -> None:
    with pytest.raises(Held, match="no name, no phone, no mail"):
        one.open().create_party(Party())
    one.fake.fail(200, blocked("applicationLayerError Ні"), when=action("saveObject"))
    with pytest.raises(Held, match="Ні"):
        one.open().create_party(OLENA)
    one.fake.lose_reply(when=action("saveObject"))
    with pytest.raises(InDoubt):
        one.open().create_party(Party(first_name="Олег"))


def test_rows_with_nulls_are_no_buyers(one: Base) -> None:
    columns = ["id", "code", "name__uk", "phone", "email", "taxCode", "isGroup", "delMark"]
    rows = [["1100100000001001", None, None, None, None, None, None, None],
            ["1100100000001002", {}, [], 380671112233, None, None, "?", None]]  # fmt: skip
    session = one.open()
    session.client.attributes(PERSONS)
    one.fake.fail(200, {"columns": columns, "data": rows}, when=action("request", PERSONS))
    assert [[ref.id for ref in refs] for refs in session.find_parties([Party(phone="0671112233")])] == [
        ["1100100000001002"]
    ]


# --- goods -----------------------------------------------------------------------------------------------------------


def add(one: Base, *products: NewProduct, **settings: Any) -> list[RowOutcome]:
    return list(one.open(goods=settings).add_products(products))


def test_a_card_has_name_article_unit_and_barcode_and_nothing_else(one: Base) -> None:
    folder = one.fake.add_folder("Нові")
    (outcome,) = add(one, NewProduct(code=" COF-1 ", name="Кава  «Львівська»", unit="шт.", barcode="4820000000017"),
                     folder="Нові", policy="Товари")  # fmt: skip
    row = one.fake.good("COF-1")
    assert outcome.ids == (row["id"],)
    assert row["name"] == {"uk": "Кава «Львівська»", "ru": "Кава «Львівська»"}
    assert (row["parent"], row["mainUnit"], row["accPolicy"]) == (folder, PIECE, "1201200000001001")
    assert row["weight"] == "0.000"
    assert [(code["object"], code["code"], code["activity"]) for code in one.fake.base.records[BARCODES]] == [
        (row["id"], "4820000000017", "1")
    ]
    (saved,) = one.saved(GOODS)
    assert set(saved["header"]) == {"id", "name", "productNum", "mainUnit", "parent", "accPolicy"}


def test_one_of_the_same_normal_form_is_there_already(one: Base) -> None:
    known = one.fake.add_good("Кава", "COF-1")
    (outcome,) = add(one, NewProduct(code="сof–1", name="Інша"))
    assert (outcome.existed, outcome.ids) == (True, (known,))


@pytest.mark.parametrize(
    ("product", "words"),
    [
        (NewProduct(code="", name="Кава"), "without article"),
        (NewProduct(code="COF-1", name=" \u00a0"), "without name"),
        (NewProduct(code="COF-1", name="Кава", unit="пуд"), "no unit of measure пуд"),
        (NewProduct(code="S-1", name="Монтаж", service=True), "goods: {services: …}"),
    ],
)
def test_what_cannot_be_made_is_held_and_spoils_no_other(one: Base, product: NewProduct, words: str) -> None:
    bad, good = add(one, product, NewProduct(code="TEA-1", name="Чай"))
    assert isinstance(bad.error, Held)
    assert words in f"{bad.error} {bad.error.hint}"
    assert good.error is None
    assert len(one.fake.rows(GOODS)) == 1


def test_a_service_has_the_policy_of_services(one: Base) -> None:
    add(one, NewProduct(code="S-1", name="Монтаж", service=True), services="Послуги")
    assert one.fake.good("S-1")["accPolicy"] == SERVICE_POLICY


def test_a_folder_that_is_not_there_is_told_with_those_that_are(one: Base) -> None:
    one.fake.add_folder("Напої")
    (outcome,) = add(one, NewProduct(code="COF-1", name="Кава"), folder="Кава")
    assert isinstance(outcome.error, Held)
    assert "Напої" in str(outcome.error.hint)


def test_a_barcode_that_is_refused_is_told_of_a_good_that_is_there(one: Base) -> None:
    one.fake.fail(200, blocked("applicationLayerError Зайнятий"), when=action("saveObject", BARCODES))
    (outcome,) = add(one, NewProduct(code="COF-1", name="Кава", barcode="4820000000017"))
    assert isinstance(outcome.error, Held)
    assert "without its barcode: Dilovod refuses it: Зайнятий" in str(outcome.error)
    assert one.fake.good("COF-1")


def test_what_strikes_all_is_told_of_each_that_is_left(one: Base) -> None:
    one.fake.add_key("reader", {"*": "read"})
    outcomes = one.open(key="reader").add_products([NewProduct(code=f"A-{n}", name="x") for n in range(3)])
    assert [type(outcome.error) for outcome in outcomes] == [Refused] * 3
    assert len(one.saved(GOODS)) == 1
    one.fake.fail(503, b"<html>x</html>", times=99, when=action("request"))
    assert [type(outcome.error) for outcome in add(one, NewProduct(code="A-9", name="x"))] == [Transient]


def test_goods_are_added_in_a_base_that_is_otherwise_in_everything() -> None:
    with base(Quirks(**SAVING)) as one:
        outcomes = add(one, *(NewProduct(code=f"A-{n}", name=f"Товар {n}") for n in range(3)))
        assert [outcome.error for outcome in outcomes] == [None] * 3
        assert len(one.fake.rows(GOODS)) == 3
