"""The fake Quincefin's door and its lists: what the articles show, and each thing that they leave open both ways."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.fakehttp import FakeServer
from pipeline.testing.fakerun import load_state, save_state
from plugins.systems.quincefin import fake as module
from plugins.systems.quincefin.fake import FakeQuincefin, Quirks
from tests.systems.quincefin.conftest import DATES, Clock, Wire

Seeds = dict[str, int]


def test_each_switch_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_fake*.py")))
    assert [field.name for field in dataclasses.fields(Quirks) if f"{field.name}=" not in text] == []


# --- the door --------------------------------------------------------------------------------------------------------


def test_the_login_is_a_setting(clock: Clock) -> None:
    with FakeServer(FakeQuincefin(now=clock.now, key="s3cret", header="X-Api-Key", scheme="")) as server:
        assert Wire(server.url, ("X-API-KEY", "s3cret")).list("partner") == []
        assert Wire(server.url, ("X-Api-Key", "Bearer s3cret"))("partner/list").status == 401
        assert Wire(server.url)("partner/list").status == 401


@pytest.mark.parametrize("status", [401, 403, 200])
def test_a_wrong_login(fake: FakeQuincefin, wire: Wire, status: Any) -> None:
    fake.behave(auth_status=status)
    reply = Wire(wire.url, ("Authorization", "Bearer wrong"))("partner/list", {})
    assert (reply.status, reply.json) == (status, {"success": False, "error": "unauthorized"})
    assert Wire(wire.url, ("X-Other", "Bearer key"))("nothing/list").status == status


def test_errors_have_many_looks(fake: FakeQuincefin, wire: Wire) -> None:
    def refused() -> Any:
        return wire("order/list", {"filter": {}})

    said = "filter: DateFrom is required"
    assert (refused().status, refused().json) == (400, {"success": False, "error": said})
    fake.behave(error_status=200, error_in="message", error_form="list")
    assert (refused().status, refused().json) == (200, {"success": False, "message": [said]})
    fake.behave(error_status=422, error_in="errors", error_form="object")
    assert (refused().status, refused().json) == (422, {"success": False, "errors": {"code": 422, "text": said}})
    fake.behave(error_in="text")
    assert (refused().text, refused().headers["content-type"]) == (said, "text/plain; charset=utf-8")


def test_methods_that_are_none(fake: FakeQuincefin, wire: Wire) -> None:
    for method in ("store/list", "status/list", "order/get", "order/delete", "document/outgoing_return/add",
                   "document/outgoing/list", "document/money_cash_income/list", "price/add", "price/update",
                   "order", "list"):  # fmt: skip
        assert wire(method, {"filter": DATES}).status == 404, method
    assert wire("store/list").json["success"] is False
    fake.behave(unknown_page="html")
    assert wire("store/list").text.startswith("<!DOCTYPE html>")


def test_methods_that_there_may_be(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    fake.behave(outgoing=True, cash_income=True, price_add=True, return_writes=True)
    back = wire.add("document/outgoing_return", Company=seeds["company"])
    assert back in wire.ids("document/outgoing_return", **DATES)
    assert wire.add("document/outgoing", Company=seeds["company"]) in wire.ids("document/outgoing", **DATES)
    assert wire.add("document/money_cash_income", Sum=5) in wire.ids("document/money_cash_income", **DATES)
    price = {
        "Date": "2026-11-22",
        "PriceType": seeds["retail"],
        "Product": seeds["twin"],
        "Price": 5,
        "Currency": "UAH",
    }
    assert wire.add("price", **price) in wire.ids("price")
    assert wire("price/add", {**price, "Product": 1}).status == 400
    assert wire.add("document/money_bank_income", Sum=5)
    fake.behave(bank_writes=False)
    assert wire("document/money_bank_income/add", {"Sum": 5}).status == 404
    assert len(wire.list("document/money_bank_income", **DATES)) == 1


def test_the_prefix(fake: FakeQuincefin, wire: Wire) -> None:
    bare = Wire(wire.url, prefix="")
    assert bare("partner/list", {}).status == 404
    fake.behave(prefix="")
    assert bare.list("partner") == []
    assert wire("partner/list", {}).status == 404
    fake.behave(prefix="/api/v3")
    assert Wire(wire.url, prefix="/api/v3").list("partner") == []


def test_verbs_and_types_of_bodies(fake: FakeQuincefin, wire: Wire) -> None:
    for verb in ("GET", "PUT"):
        assert wire("partner/list", {}, verb).status == 405
    assert wire("partner/list", {}, kind="text/plain").status == 200
    fake.behave(verbs="any", json_type_checked=True)
    assert wire("partner/list", {}, "GET").data == []
    assert wire("partner/list", {}, kind="text/plain").status == 415
    assert wire("partner/list", {}, kind="application/json; charset=utf-8").status == 200


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", [], "text", {"filter": []}, {"page": "x"}, {"page": 0}, {"page": True}]
)
def test_bodies_that_are_none(wire: Wire, body: Any) -> None:
    assert wire("partner/list", body).status == 400


def test_an_empty_body_is_all(wire: Wire) -> None:
    for body in (b"", None, {}, {"filter": None}, {"filter": {}, "page": 1}):
        assert wire("partner/list", body).json == {"success": True, "data": []}


def test_a_limit_of_requests(fake: FakeQuincefin, wire: Wire, clock: Clock) -> None:
    fake.behave(rate_limit=2)
    assert [wire("partner/list").status for _ in range(3)] == [200, 200, 429]
    clock.pass_(seconds=20)
    assert wire("partner/list").headers["retry-after"] == "40"
    fake.behave(retry_after=False)
    assert "retry-after" not in wire("partner/list").headers
    assert wire("partner/list").json["success"] is False
    clock.pass_(seconds=41)
    assert wire("partner/list").status == 200
    fake.behave(rate_limit=0)
    assert [wire("partner/list").status for _ in range(5)] == [200] * 5


# --- pages and order -------------------------------------------------------------------------------------------------


def test_pages_have_a_hundred(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    sizes = [len(wire.list("partner", page)) for page in (None, 1, 2, 3, 4)]
    assert sizes == [100, 100, 100, 1, 0]
    ids = [key for page in (1, 2, 3) for key in wire.ids("partner", page)]
    assert ids == sorted(set(ids))
    assert set(wire("partner/list").json) == {"success", "data"}
    fake.behave(totals=True, past_end="refused")
    assert wire("partner/list").json["total"] == 201
    assert wire("partner/list", {"page": 4}).status == 400
    assert wire("partner/list", {"page": 1, "filter": {"Id": 1}}).data == []  # a first page that is empty is one


def test_a_record_that_comes_between_pages(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    first = wire.ids("partner", 1)
    fake.change("partner", first[0], Archive=True)
    assert len({*first, *wire.ids("partner", 2), *wire.ids("partner", 3)}) == 200  # one has slipped through


def test_the_order_with_a_filter(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    kinds = {"Kind": "P"}
    plain = wire.ids("product", **kinds)
    assert plain == sorted(plain)
    fake.behave(filtered_order="newest")
    assert wire.ids("product", **kinds) == plain[::-1]
    assert wire.ids("product") == plain


# --- filters ---------------------------------------------------------------------------------------------------------


def test_members_are_joined_by_and(wire: Wire, seeds: Seeds) -> None:
    assert wire.ids("partner", TaxNumber="0000000001") == [seeds["partner"]]
    assert wire.ids("partner", TaxNumber="0000000001", Id=seeds["partner"] + 2) == []
    assert wire.ids("partner", Id=str(seeds["partner"])) == [seeds["partner"]]
    assert len(wire.ids("partner", 3, Company=seeds["company"])) == 0
    assert len(wire.ids("partner", 2, Company=seeds["company"])) == 100  # 200 have a contract, one has none
    assert wire.ids("partner", Company=seeds["store"]) == []


def test_arrays_are_alternatives_or_their_first(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    types = [seeds["dollars"], seeds["retail"]]
    found = wire.list("price", PriceType=types, Product=[seeds["coffee"]])
    assert [(row["Price"], row["Currency"]) for row in found] == [(450.5, "UAH"), (10, "USD"), (460, "UAH")]
    fake.behave(arrays="first")
    assert [row["Price"] for row in wire.list("price", PriceType=types)] == [10]


def test_no_folder_is_not_any_folder(wire: Wire, seeds: Seeds) -> None:
    assert wire.ids("product", ParentFolder=seeds["folder"]) == [seeds["coffee"]]
    outside = wire.ids("product", ParentFolder=None)
    assert seeds["coffee"] not in outside
    assert set(wire.ids("product")) == {*outside, seeds["coffee"]}


def test_members_that_a_list_does_not_have(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    assert len(wire.list("partner", Phone="380500000000")) == 100  # no filter at all
    fake.behave(unknown_filter="refused")
    assert wire("partner/list", {"filter": {"Phone": "380500000000"}}).status == 400


def test_names_in_any_case(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    assert wire.ids("price_type", ID=seeds["retail"]) == [seeds["retail"]]
    fake.behave(fold_names=False)
    assert len(wire.ids("price_type", ID=seeds["retail"])) == 2  # unknown, and passed over
    assert wire.ids("price_type", Id=seeds["retail"]) == [seeds["retail"]]


def test_what_is_archived(fake: FakeQuincefin, wire: Wire) -> None:
    live, gone = fake.put("price_type", Name="А"), fake.put("price_type", Name="Б", Archive=True)
    assert wire.ids("price_type") == wire.ids("price_type", Archive=False) == [live]
    assert wire.list("price_type", Archive=True) == [
        {"Id": live, "Name": "А"},
        {"Id": gone, "Name": "Б", "Archive": True},
    ]
    assert wire("price_type/list", {"filter": {"Archive": "yes"}}).status == 400
    fake.behave(archive="only")
    assert wire.ids("price_type", Archive=True) == [gone]
    assert wire.ids("price_type", Archive=False) == [live]
    fake.behave(archive_default="all")
    assert wire.ids("price_type") == [live, gone]


def test_kinds_of_goods(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    plain = wire.ids("product")
    assert seeds["coffee"] in plain
    assert not {seeds[name] for name in ("base", "variant", "kit", "own")} & set(plain)
    found = {kind: wire.ids("product", Kind=kind) for kind in "PKMUB"}
    assert found == {
        "P": plain,
        "K": [seeds["kit"]],
        "M": [seeds["own"]],
        "U": [seeds["variant"]],
        "B": [seeds["base"]],
    }
    fake.behave(default_kind="all")
    assert set(wire.ids("product")) == {key for keys in found.values() for key in keys}


# --- dates -----------------------------------------------------------------------------------------------------------


def test_documents_are_listed_between_dates(fake: FakeQuincefin, wire: Wire) -> None:
    keys = [fake.put("order", Date=datetime(2026, 11, day, 9, 30, tzinfo=UTC)) for day in (1, 2, 3)]
    assert wire.list("order", **DATES)[0]["Date"] == "2026-11-01T09:30:00Z"
    for missing in (
        {},
        {"DateFrom": "2026-01-01"},
        {"DateTo": "2026-12-31"},
        {"Id": keys[0]},
        {**DATES, "DateTo": None},
    ):
        assert wire("order/list", {"filter": missing}).status == 400
    fake.behave(id_without_dates=True)
    assert wire.ids("order", Id=keys[0]) == keys[:1]
    assert wire("order/list", {"filter": {}}).status == 400
    fake.behave(lax_dates=True)
    assert wire.ids("order") == keys
    assert wire.ids("order", DateFrom="2026-11-02") == keys[1:]


def test_the_day_of_the_end(fake: FakeQuincefin, wire: Wire) -> None:
    keys = [fake.put("order", Date=datetime(2026, 11, day, 9, 30, tzinfo=UTC)) for day in (1, 2, 3)]
    window = {"DateFrom": "2026-11-01", "DateTo": "2026-11-02"}
    assert wire.ids("order", **window) == keys[:2]
    assert wire.ids("order", **{**window, "DateTo": "2026-11-02T09:30:00Z"}) == keys[:2]
    fake.behave(date_to="exclusive")
    assert wire.ids("order", **window) == keys[:1]
    assert wire.ids("order", **{**window, "DateTo": "2026-11-02T09:30:00Z"}) == keys[:1]


def test_forms_of_dates(fake: FakeQuincefin, wire: Wire) -> None:
    def status(begin: Any) -> int:
        return wire("order/list", {"filter": {"DateFrom": begin, "DateTo": begin}}).status

    day, moment = "2026-11-22", "2026-11-22T00:00:00Z"
    assert [status(one) for one in (day, moment, "2026-11-22T00:00:00")] == [200] * 3
    fake.put("order")
    assert [status(one) for one in ("22.11.2026", 5, "2026-13-01", "2026-11-22 00:00:00")] == [400] * 4
    fake.behave(date_input="day")
    assert (status(day), status(moment)) == (200, 400)
    fake.behave(date_input="moment")
    assert (status(day), status(moment)) == (400, 200)


def test_the_zone_of_days(fake: FakeQuincefin, wire: Wire) -> None:
    key = fake.put("order", Date=datetime(2026, 11, 22, 22, 30, tzinfo=UTC))  # the 23rd in Kyiv
    window = {"DateFrom": "2026-11-22", "DateTo": "2026-11-22"}
    assert wire.ids("order", **window) == [key]
    fake.behave(zone="Europe/Kyiv")
    assert wire.ids("order", **window) == []
    assert wire.list("order", **DATES)[0]["Date"] == "2026-11-23T00:30:00Z"
    assert fake.one("order", wire.add("order", Date="2026-11-23T00:30:00Z"))["Date"] == "2026-11-22T22:30:00Z"


# --- records ---------------------------------------------------------------------------------------------------------


def test_references_are_not_alike(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    fake.put("document/money_bank_income", Company=seeds["company"], MoneyAccount=seeds["account"], Sum=5, Fixed=True)

    def companies() -> list[Any]:
        bank = wire.list("document/money_bank_income", **DATES)[0]
        return [wire.list("contract", Id=seeds["contract"])[0]["Company"], bank["Company"], bank["MoneyAccount"]]

    key, account = {"Id": seeds["company"], "Name": "ТОВ Приклад"}, {"Id": seeds["account"], "Name": "Рахунок у банку"}
    assert companies() == [seeds["company"], key, account]
    fake.behave(references="ids")
    assert companies() == [seeds["company"], seeds["company"], seeds["account"]]
    fake.behave(references="objects")
    assert companies() == [key, key, account]


def test_editions_of_contracts(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    def contract() -> Any:
        return wire.list("contract", Partner=seeds["partner"])[0]

    links = {"Currency", "Company", "Partner", "PriceType"}
    assert set(contract()) == {"Id", "Name", "Kind", *links}
    fake.behave(contract_edition="new")
    assert set(contract()) == {"Id", "Name", "Kind"}
    fake.behave(contract_edition="old", cyrillic_currency=True)
    assert set(contract()) == {"Id", "Name", "\u0421urrency", *(links - {"Currency"})}
    assert contract()["\u0421urrency"] == "UAH"
    assert len(wire.list("contract", Contract=seeds["company"])) == 100
    fake.behave(contract_filter="contract", cyrillic_currency=False)
    assert wire.list("contract", Contract=seeds["company"]) == []
    assert wire.ids("contract", Contract=seeds["contract"]) == [seeds["contract"]]


def test_numbers_may_come_as_text(fake: FakeQuincefin, wire: Wire) -> None:
    key = wire.add("order", Products=[{"Price": "10.50", "Quantity": 3}])
    row = wire.list("order", **DATES)[0]
    assert (row["Id"], row["Sum"], row["Fixed"]) == (key, 31.5, False)
    fake.behave(ids="text", sums="text", fixed_form="number")
    row = wire.list("order", **DATES)[0]
    assert (row["Id"], row["Sum"], row["Fixed"]) == (str(key), "31.50", 0)
    assert wire.update("order", row["Id"], Comment="за текстом").status == 200


def test_which_documents_are_fixed(fake: FakeQuincefin, wire: Wire) -> None:
    for path in ("order", "document/outgoing_return", "document/money_bank_income"):
        fake.put(path, Fixed=True)
        assert wire.list(path, **DATES)[0]["Fixed"] is True
    fake.behave(fixed_everywhere=False)
    assert "Fixed" not in wire.list("order", **DATES)[0]
    assert "Fixed" not in wire.list("document/outgoing_return", **DATES)[0]
    assert wire.list("document/money_bank_income", **DATES)[0]["Fixed"] is True


def test_balances_and_prices_are_told_on_demand(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    other = fake.put("stores", Name="Другий")
    lamp = fake.add_product("Лампа", "LMP-9", stock={other: "1.5"})

    def coffee(**members: Any) -> Any:
        return next(row for row in wire.list("product", **members) if row["Id"] == seeds["coffee"])

    assert not {"Prices", "Balances"} & set(coffee())
    row = coffee(Store=[seeds["store"], other], PriceType=[seeds["retail"]])
    assert row["Balances"] == [{"Store": seeds["store"], "Quantity": 12}, {"Store": other, "Quantity": 0}]
    assert row["Prices"] == [{"PriceType": seeds["retail"], "Price": 460, "Currency": "UAH"}]
    fake.behave(balance_field="Rest")
    assert coffee(Store=[seeds["store"]])["Rest"] == [{"Store": seeds["store"], "Quantity": 12}]
    fake.behave(balance_field="")
    assert set(coffee(Store=[seeds["store"]])) == set(coffee())
    fake.behave(selectors="narrow")
    assert wire.ids("product", Store=[other]) == [lamp]
    assert wire.ids("product", PriceType=[seeds["dollars"]]) == [seeds["coffee"]]
    assert wire.ids("product", PriceType=[seeds["dollars"]], Store=[other]) == []


def test_balances_move_by_published_documents(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    store, coffee = seeds["store"], seeds["coffee"]
    lines = [{"Product": coffee, "Quantity": 2, "Price": 460}]
    wire.add("order", Store=store, Products=[{**lines[0], "Quantity": 5}])

    def told() -> Any:
        return wire.list("product", Id=coffee, Store=[store])[0]["Balances"][0]["Quantity"]

    fake.behave(outgoing=True)
    draft = wire.add("document/outgoing", Store=store, Products=lines)
    assert told() == 12
    wire.update("document/outgoing", draft, Fixed=True)
    assert told() == fake.balance(coffee) == 10
    fake.put("document/outgoing_return", Store=store, Products=[{**lines[0], "Quantity": 1}], Fixed=True)
    assert told() == fake.balance(coffee, store) == 11
    fake.behave(balance_net=True)
    assert told() == 11
    fake.behave(reserves=True)
    assert told() == 8  # five ordered, two of them shipped
    fake.behave(balance_net=False)
    assert told() == 11


def test_names_of_fields_are_not_known(fake: FakeQuincefin, wire: Wire, seeds: Seeds) -> None:
    row = wire.list("product", Kind="U")[0]
    assert (row["Article"], row["Base"]) == ("TS-M", seeds["base"])
    fake.behave(article_field="Sku", base_field="BaseProduct", lines_field="Goods")
    row = wire.list("product", Kind="U")[0]
    assert (row["Sku"], row["BaseProduct"], "Article" in row) == ("TS-M", seeds["base"], False)
    key = wire.add("product", Name="Чай", Sku="TEA-1")
    assert fake.one("product", key)["Article"] == "TEA-1"
    key = wire.add("order", Goods=[{"Product": key, "Quantity": 1, "Price": 5}])
    assert wire.list("order", Id=key, **DATES)[0]["Goods"][0]["Price"] == 5
    key = wire.add("product", Name="Кава", Article="COF-9")  # of another account
    assert "Article" not in fake.one("product", key)


# --- state -----------------------------------------------------------------------------------------------------------


def test_state_goes_through_a_file(fake: FakeQuincefin, wire: Wire, seeds: Seeds, tmp_path: Path, clock: Clock) -> None:
    wire.add("order", NumberOrderSite="KC-1", Products=[{"Product": seeds["coffee"], "Price": "10.10", "Quantity": 3}])
    fake.close("2026-01-01")
    save_state(tmp_path / "state.json", fake.dump())
    again = FakeQuincefin(now=clock.now)
    again.load(load_state(tmp_path / "state.json"))
    assert again.dump() == fake.dump()
    with FakeServer(again) as server:
        other = Wire(server.url)
        assert other.list("order", **DATES) == wire.list("order", **DATES)
        assert other.add("order") > max(wire.ids("order", **DATES))
        assert other("order/add", {"Date": "2025-12-31"}).status == 400
    assert (again.balance(seeds["coffee"]) == 12, len(again.orders()), len(fake.orders())) == (True, 2, 1)


def test_it_runs_as_a_process_with_its_switches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[FakeQuincefin] = []
    monkeypatch.setattr(module, "serve", lambda fake, *_rest: served.append(fake))
    arguments = ["--state", str(tmp_path / "state.json"), "--token", "t", "--header", "X-Key", "--scheme", ""]
    module.main([*arguments, "--seed", "--quirk", "contacts=flat", "--quirk", "auth_status=403"])
    quirks = served[0].account.quirks
    assert (quirks.contacts, quirks.auth_status, len(served[0].rows("partner"))) == ("flat", 403, 201)
    served[0].send_webhooks()
    save_state(tmp_path / "state.json", served[0].dump())
    module.main(arguments)
    assert served[1].dump() == served[0].dump()
    with FakeServer(served[1]) as server:
        assert len(Wire(server.url, ("X-Key", "t")).list("partner")) == 100


def test_prices_have_a_day_to_begin(fake: FakeQuincefin, wire: Wire, seeds: Seeds, clock: Clock) -> None:
    fake.add_price(seeds["coffee"], seeds["retail"], 500, clock.moment + timedelta(days=1))
    rows = wire.list("price", Product=[seeds["coffee"]], PriceType=[seeds["retail"]])
    assert [row["Price"] for row in rows] == [450.5, 460, 500]  # all of them, the future one too
    assert set(rows[0]) == {"Id", "Date", "PriceType", "Product", "Price", "Currency"}

    def price() -> Any:
        return wire.list("product", Id=seeds["coffee"], PriceType=[seeds["retail"]])[0]["Prices"][0]["Price"]

    assert price() == 460
    clock.pass_(days=2)
    assert price() == 500
