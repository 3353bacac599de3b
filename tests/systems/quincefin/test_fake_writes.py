"""What is written in the fake Quincefin. No body of a write is documented: all is guessed, both ways of each."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.systems.quincefin.fake import FakeQuincefin
from tests.systems.quincefin.conftest import DATES, Clock, Reply, Wire

Seeds = dict[str, int]


def order(seeds: Seeds, **more: Any) -> dict[str, Any]:
    return {
        "Date": "2026-11-22T09:30:00Z",
        "NumberOrderSite": "KC-1042",
        "Company": seeds["company"],
        "Partner": seeds["partner"],
        "Contract": seeds["contract"],
        "Products": [{"Product": seeds["coffee"], "Quantity": 2, "Price": 460}],
        **more,
    }


def test_an_order_is_added_and_found_by_its_number_in_the_crm(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    reply = wire("order/add", order(seeds, Status="Нове", Source="Сайт", Address="Київ, вул. Прикладна, 1"))
    key = reply.data[0]["Id"]
    assert reply.data == [{"Id": key}]
    row = next(row for row in wire.list("order", **DATES) if row["NumberOrderSite"] == "KC-1042")
    assert (row["Id"], row["Number"], row["Sum"], row["Date"]) == (key, "000000001", 920, "2026-11-22T09:30:00Z")
    assert (row["Status"], row["Partner"], row["Fixed"]) == ("Нове", seeds["partner"], False)
    assert [one["Id"] for one in fake.orders("KC-1042")] == [key]
    assert wire.ids("order", Company=seeds["company"], **DATES) == [key]
    assert wire.ids("order", Company=seeds["store"], **DATES) == []


def test_an_empty_order_is_an_order(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    wire.add("order")
    assert fake.orders()[0]["Date"] == "2026-11-22T12:00:00Z"
    fake.behave(required=True)
    for name in ("Company", "Partner", "Contract"):
        reply = wire("order/add", order(seeds, **{name: None}))
        assert (reply.status, reply.json["error"]) == (400, f"{name} is required")
    assert wire.add("order", **order(seeds))
    assert len(fake.orders()) == 2


def test_the_number_of_the_site_may_be_unique(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    assert wire.add("order", **order(seeds)) != wire.add("order", **order(seeds))  # no key: a twin
    fake.behave(unique_site_number=True)
    assert wire("order/add", order(seeds)).status == 400
    assert wire.add("order", **order(seeds, NumberOrderSite="KC-1043"))
    assert wire.add("order", **order(seeds, NumberOrderSite=""))
    assert wire.add("order", **order(seeds, NumberOrderSite=""))
    assert len(fake.orders("KC-1042")) == 2


def test_a_lost_reply_leaves_the_order(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    fake.lose_reply(path="/api/v2/order/add")
    with pytest.raises(ConnectionError):
        wire("order/add", order(seeds))
    assert [row["NumberOrderSite"] for row in wire.list("order", **DATES)] == ["KC-1042"]
    fake.fail(500, "<html>500</html>", path="/api/v2/order")
    assert wire("order/add", order(seeds)).text == "<html>500</html>"
    assert len(fake.orders()) == 1


def test_one_record_or_several(fake: FakeQuincefin, wire: Wire) -> None:
    one, two = {"Name": "Роздріб"}, [{"Name": "Опт"}, {"Name": "Акція"}]
    assert len(wire("price_type/add", one).data) == 1
    assert len(wire("price_type/add", two).data) == 2
    fake.behave(bodies="object")
    assert (wire("price_type/add", one).status, wire("price_type/add", two).status) == (200, 400)
    fake.behave(bodies="array")
    assert (wire("price_type/add", one).status, wire("price_type/add", two).status) == (400, 200)
    assert len(fake.rows("price_type")) == 6
    for wrong in ([], ["text"], [one, None]):
        assert wire("price_type/add", wrong).status == 400
    fake.behave(bodies="either")
    for wrong_body in ("text", None, 5, b"{"):
        assert wire("price_type/add", wrong_body).status == 400
    assert len(fake.rows("price_type")) == 6


def test_an_array_with_a_wrong_record(fake: FakeQuincefin, wire: Wire) -> None:
    body = [{"Name": "А"}, {"Name": "Б", "Archive": "так"}, {"Name": "В"}]
    assert wire("price_type/add", body).status == 400
    assert fake.rows("price_type") == []
    fake.behave(batch_partial=True)
    assert wire("price_type/add", body).status == 400
    assert [row["Name"] for row in fake.rows("price_type")] == ["А", "В"]


def test_what_is_told_of_what_was_written(fake: FakeQuincefin, wire: Wire) -> None:
    assert set(wire("price_type/add", {"Name": "А", "Memo": "м"}).data[0]) == {"Id"}
    fake.behave(add_answer="records")
    told = wire("price_type/add", {"Name": "Б", "Memo": "м"}).data[0]
    assert told == {"Id": told["Id"], "Name": "Б", "Memo": "м"}
    assert wire("price_type/update", {"Id": told["Id"], "Memo": ""}).data[0]["Memo"] == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"Company": 1},
        {"Company": "ТОВ Приклад 2", "Partner": "Іван"},
        {"Partner": {"Id": 1}},
        {"Contract": True},
        {"Date": "22.11.2026"},
        {"Date": 5},
        {"Fixed": "так"},
        {"Delivery": "багато"},
        {"Delivery": "NaN"},
        {"Products": {"Product": 1}},
        {"Products": ["Кава"]},
        {"Products": [{"Product": 1, "Quantity": 1}]},
        {"Products": [{"Price": "1,5"}]},
        {"Products": [{"Quantity": None}]},
    ],
)
def test_wrong_values_write_nothing(fake: FakeQuincefin, wire: Wire, seeds: Seeds, wrong: dict[str, Any]) -> None:
    assert wire("order/add", order(seeds, **wrong)).status == 400
    assert fake.orders() == []
    key = wire.add("order", **order(seeds))
    before = fake.one("order", key)
    assert wire.update("order", key, **{"Comment": "новий", **wrong}).status == 400
    assert fake.one("order", key) == before


def test_references_may_be_objects(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    key = wire.add("order", **order(seeds, Company={"Id": seeds["company"]}, Partner=str(seeds["partner"])))
    row = fake.one("order", key)
    assert (row["Company"], row["Partner"]) == (seeds["company"], seeds["partner"])
    folder = wire.add("product/folder", Name="Напої", ParentFolder=seeds["folder"])
    assert wire.add("product", Name="Чай", ParentFolder=folder) in wire.ids("product", ParentFolder=folder)
    assert wire("product/add", {"Name": "Чай", "ParentFolder": seeds["partner"]}).status == 400


def test_sums_are_computed_or_taken(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    lines = [{"Product": seeds["coffee"], "Quantity": "3", "Price": "33.335", "Discount": 1}]
    body = order(seeds, Products=lines, Discount="0.5", Delivery=60, Sum=7)
    assert str(fake.one("order", wire.add("order", **body))["Sum"]) == "158.51"
    fake.behave(sum_computed=False)
    assert fake.one("order", wire.add("order", **body))["Sum"] == 7
    del body["Sum"]
    assert fake.one("order", wire.add("order", **body))["Sum"] == 0


# --- updates ---------------------------------------------------------------------------------------------------------


def test_an_update_is_partial_or_full(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    key = wire.add("order", **order(seeds))
    wire.update("order", key, Status="Виконано")
    row = fake.one("order", key)
    assert (row["Status"], row["NumberOrderSite"], row["Partner"]) == ("Виконано", "KC-1042", seeds["partner"])
    fake.behave(update="full")
    wire.update("order", key, Status="Скасовано")
    row = fake.one("order", key)
    assert (row["Status"], row["Number"], row["Date"]) == ("Скасовано", "000000001", "2026-11-22T09:30:00Z")
    assert not {"NumberOrderSite", "Partner", "Products"} & set(row)
    assert row["Sum"] == 0
    for wrong in (1, "x", None, [key]):
        assert wire("order/update", {"Id": wrong, "Status": "x"}).status == 400
    assert wire("order/update", {"Status": "x"}).status == 400


def test_lines_of_an_update_replace_or_join(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    key = wire.add("order", **order(seeds))
    lines = [{"Product": seeds["twin"], "Quantity": 1, "Price": 100}]
    wire.update("order", key, Products=lines)
    assert (fake.one("order", key)["Products"], fake.one("order", key)["Sum"]) == (lines, 100)
    fake.behave(update_lines="merge")
    wire.update("order", key, Products=lines)
    assert (fake.one("order", key)["Products"], fake.one("order", key)["Sum"]) == (lines * 2, 200)


def test_a_published_document_is_changed_or_not(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    key = wire.add("order", **order(seeds, Fixed=True))
    assert wire.update("order", key, Comment="а").status == 200
    fake.behave(update_fixed="refused")
    assert wire.update("order", key, Comment="б").status == 400
    assert wire.update("order", key, Fixed=False).status == 400
    assert (fake.one("order", key)["Comment"], fake.one("order", key)["Fixed"]) == ("а", True)


def test_published_by_the_api_or_not(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    assert fake.one("order", wire.add("order", **order(seeds, Fixed=True)))["Fixed"] is True
    fake.behave(fixed_by_api=False)
    assert fake.one("order", wire.add("order", **order(seeds, Fixed=True)))["Fixed"] is False


def test_a_closed_period(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    key = wire.add("order", **order(seeds, Date="2026-10-31"))
    fake.close("2026-11-01")

    def refused(reply: Reply) -> bool:
        return (reply.status, reply.json["error"]) == (400, "the period is closed")

    assert refused(wire("order/add", order(seeds, Date="2026-10-31")))
    assert refused(wire.update("order", key, Comment="x"))
    assert refused(wire.update("order", key, Date="2026-11-01"))  # nor out of it
    other = wire.add("order", **order(seeds, Date="2026-11-01"))
    assert refused(wire.update("order", other, Date="2026-10-31"))
    assert wire.add("partner", Name="Іван")


# --- fields ----------------------------------------------------------------------------------------------------------


def test_fields_that_are_not_known(fake: FakeQuincefin, wire: Wire) -> None:
    key = wire.add("price_type", Name="А", Colour="червоний")
    assert wire.list("price_type")[0] == {"Id": key, "Name": "А", "Colour": "червоний"}
    fake.behave(unknown_fields="dropped")
    key = wire.add("price_type", Name="Б", Colour="червоний")
    assert wire.list("price_type", Id=key)[0] == {"Id": key, "Name": "Б"}
    fake.behave(unknown_fields="refused")
    assert wire("price_type/add", {"Name": "В", "Colour": "червоний"}).status == 400


def test_names_of_fields_in_any_case(fake: FakeQuincefin, wire: Wire) -> None:
    key = wire.add("price_type", NAME="А")
    assert fake.one("price_type", key)["Name"] == "А"
    assert wire("price_type/update", {"ID": key, "Name": "Б"}).status == 200
    fake.behave(fold_names=False)
    assert wire("price_type/update", {"ID": key, "Name": "В"}).status == 400
    assert fake.one("price_type", key)["Name"] == "Б"


def test_contacts_are_typed_rows_or_fields(fake: FakeQuincefin, wire: Wire) -> None:
    contacts = [{"Type": "phone", "Value": "380500000000"}, {"Type": "email", "Value": "i@example.com"}]
    key = wire.add("partner", Name="Іван Тестовий", Contacts=contacts)
    assert wire.list("partner", Id=key)[0] == {"Id": key, "Name": "Іван Тестовий", "Contacts": contacts}
    for wrong in ("380500000000", [{"Phone": "1"}], ["1"]):
        assert wire("partner/add", {"Name": "Хибний", "Contacts": wrong}).status == 400
    flat = wire.add("partner", Name="Плаский", Phone="1")
    assert "Contacts" not in fake.one("partner", flat)  # not known here as a phone
    fake.behave(contacts="flat")
    row = wire.list("partner", Id=key)[0]
    assert row == {"Id": key, "Name": "Іван Тестовий", "Phone": "380500000000", "Email": "i@example.com"}
    key = wire.add("partner", Name="Петро", Phone="380500000001", Email="p@example.com")
    assert fake.one("partner", key)["Contacts"][0] == {"Type": "phone", "Value": "380500000001"}
    wire.update("partner", key, Phone="380500000002")
    row = wire.list("partner", Id=key)[0]
    assert (row["Phone"], row["Email"]) == ("380500000002", "p@example.com")
    wire.update("partner", key, Phone=None)
    assert "Phone" not in wire.list("partner", Id=key)[0]
    key = wire.add("partner", Name="Рядки", Contacts=contacts)
    assert "Phone" not in wire.list("partner", Id=key)[0]


def test_contracts_take_either_spelling_of_currency(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    fake.behave(cyrillic_currency=True)
    for name in ("Currency", "\u0421urrency"):
        body = {"Name": "Договір", "Kind": "P", name: "EUR", "Company": seeds["company"], "Partner": seeds["partner"]}
        assert fake.one("contract", wire.add("contract", **body))["Currency"] == "EUR"


def test_a_window_of_days_misses_old_orders(fake: FakeQuincefin, wire: Wire, seeds: Seeds, clock: Clock) -> None:
    key = wire.add("order", **order(seeds, Date="2026-11-01"))
    fake.change("order", key, Status="Повернено")  # in the program; no list tells that it has changed
    window = {"DateFrom": "2026-11-10", "DateTo": "2026-11-22"}
    assert wire.list("order", **window) == []
    assert wire.list("order", **DATES)[0]["Status"] == "Повернено"


def test_looks_are_copies(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    key = wire.add("order", **order(seeds))
    fake.one("order", key)["Products"][0]["Price"] = 0
    fake.orders()[0]["Products"].clear()
    assert fake.one("order", key)["Products"][0]["Price"] == 460
    assert fake.orders("none") == []
    with pytest.raises(KeyError):
        fake.one("order", 1)
