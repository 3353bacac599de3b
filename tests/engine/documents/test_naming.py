"""What documents name: buyers, products, references, money, statuses; and what the source is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.documents import PartySettings, ProductSettings
from pipeline.engine.documents import parties, products
from pipeline.engine.documents.products import Shelf
from pipeline.model import Address, Delivery, Discount, Offer, Party, Payment
from pipeline.ports import NewProduct, Ref
from pipeline.testing.documents_target import Say
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import World

OLENA = Party(last_name="Шевченко", first_name="Олена", phone="+380671234567")


def document(world: World, kind: str = "create") -> dict[str, Any]:
    """What the newest document of that kind names."""
    found: dict[str, Any] = json.loads(world.sql("SELECT data FROM documents WHERE kind = ? ORDER BY id", kind)[-1][0])
    return found


# --- buyers ----------------------------------------------------------------------------------------------------------


def codes(buyer: parties.Buyer) -> list[str]:
    return [one.code for one in (*buyer.findings, *buyer.notes)]


def test_a_buyer_is_found_added_or_asked_about_and_never_merged() -> None:
    known, other = Ref("1", "C-1", "Шевченко О."), Ref("2", "C-2", "Шевченко О. П.")
    of = order(customer=OLENA)
    settings = PartySettings()
    assert parties.choose(of, settings, [known], []).ref == known
    assert codes(parties.choose(of, settings, [known, other], [])) == ["ambiguous-party"]
    assert parties.choose(of, settings, [], []).create == OLENA
    told = parties.choose(of, settings, [], [known])
    assert (told.create, codes(told), told.findings) == (OLENA, ["alike"], ())
    asked = parties.choose(of, PartySettings(alike="hold"), [], [known])
    assert (asked.create, codes(asked)) == (None, ["alike"])
    assert parties.choose(of, PartySettings(alike="hold"), [], [known], accepted=True).create == OLENA
    assert codes(parties.choose(of, PartySettings(create=False), [], [])) == ["unknown-party"]
    nobody = order(customer=Party())
    assert codes(parties.choose(nobody, settings, [], [])) == ["no-buyer"]
    nameless = order(customer=Party(phone="+380671234567"))
    assert parties.choose(nameless, settings, [], []).create == Party(phone="+380671234567", last_name="+380671234567")
    unreachable = order(customer=Party(last_name="Шевченко"))
    assert codes(parties.choose(unreachable, settings, [], [])) == ["buyer-without-contact"]


def test_the_names_of_the_recipient_are_the_buyers_where_only_he_has_some() -> None:
    there = Delivery(recipient=OLENA)
    assert parties.party_of(order(customer=Party(phone="+380671234567"), delivery=there)) == OLENA
    assert parties.party_of(order(customer=Party(), delivery=there)) == OLENA
    other = Party(phone="+380501112233")
    assert parties.party_of(order(customer=other, delivery=there)) == other
    assert parties.party_of(order(customer=replace(OLENA, address=Address(city="Львів")))) == OLENA


def test_two_orders_of_one_new_buyer_add_him_once(world: World) -> None:
    for number in ("1", "2"):
        world.put("4", order(id=number, number=number, customer=OLENA))
    world.put("4", order(id="3", number="3", customer=Party(last_name="Їжак", phone="050 111 22 33")))
    assert world.run().counts == {"created": 3, "parties": 2}
    assert [row[0] for row in world.sql("SELECT phone FROM parties")] == ["+380671234567", "+380501112233"]


def test_one_who_is_there_is_found_by_any_spelling_of_his_telephone(world: World) -> None:
    world.put("4", order(customer=OLENA))
    world.run()
    world.put("4", order(id="8", number="8", customer=replace(OLENA, phone="067-123-45-67", first_name="О.")))
    assert world.run().counts == {"created": 1}
    assert len(world.sql("SELECT * FROM parties")) == 1


def test_orders_without_a_buyer_go_to_the_default_party(world: World) -> None:
    world.put("4", order(customer=Party()))
    assert world.run().counts == {"held": 1}
    world.more = "parties: {default: '0042'}\n"
    world.target = "lists: {party: ['0042']}"
    assert world.run().counts == {"created": 1}
    assert document(world)["client"] == "0042"


def test_a_buyer_who_may_be_another_is_added_and_shown_on_a_card(world: World) -> None:
    world.put("4", order(customer=OLENA))
    world.run()
    world.put("4", order(id="8", number="8", customer=replace(OLENA, phone="+380501112233")))
    assert world.run().counts == {"created": 1, "parties": 1}
    ((card),) = world.cards()
    assert (card["kind"], card["findings"][0]["about"]) == ("alike", "party:+380501112233")
    assert world.states() == {"7": "created", "8": "created"}
    world.map(("party", "+380501112233"), "C-1")
    assert world.cards() == []
    world.put("4", order(id="9", number="9", customer=replace(OLENA, phone="+380501112233")))
    assert world.run().counts == {"created": 1}
    assert document(world)["client"] == "C-1"


def test_a_buyer_who_may_be_another_is_asked_about_where_the_client_wants_it(world: World) -> None:
    world.more = "parties: {alike: hold}\n"
    world.put("4", order(customer=OLENA))
    world.run()
    world.put("4", order(id="8", number="8", customer=replace(OLENA, phone="+380501112233")))
    assert world.run().counts == {"held": 1}
    world.resolve("accept")
    assert (world.states()["8"], len(world.sql("SELECT * FROM parties"))) == ("created", 2)


# --- products --------------------------------------------------------------------------------------------------------


def test_items_are_found_by_article_and_else_by_name(world: World) -> None:
    world.target = "known: [AB-1]"
    world.more = "products: {by_name: true}\n"
    world.sql("INSERT INTO products (code, name, kind, data) VALUES ('X-9', 'Товар AB-2', 'goods', '{}')")
    world.put("4", order(line(), line("AB-2"), replace(line("", "1"), name="Товар AB-2")))
    assert world.run().counts == {"created": 1, "parties": 1}
    assert [one[0] for one in json.loads(world.sql("SELECT lines FROM documents")[0][0])] == ["AB-1", "X-9", "X-9"]


@pytest.mark.parametrize("policy", ["hold", "first"])
def test_several_of_one_name_are_asked_about_or_the_first_is_taken(world: World, policy: str) -> None:
    world.target = "known: []"
    world.more = f"products: {{by_name: true, ambiguous: {policy}}}\n"
    for code in ("X-1", "X-2"):
        world.sql("INSERT INTO products (code, name, kind, data) VALUES (?, 'Товар AB-1', 'goods', '{}')", code)
    world.put("4", order(line()))
    world.run()
    if policy == "hold":
        assert world.codes() == ["ambiguous-product"]
    else:
        assert json.loads(world.sql("SELECT lines FROM documents")[0][0])[0][0] == "X-1"
        ((findings,),) = world.rows("SELECT findings FROM orders")
        assert "first-taken" in findings


def test_missing_products_are_added_as_goods_variants_and_services(world: World) -> None:
    world.target = "known: []"
    world.more = "products: {create: true, services: [Послуги]}\n"
    base = {"id": "10", "product": "10", "kind": "base", "sku": "TS", "name": "Футболка", "category": ["Одяг"]}
    red = {**base, "id": "11", "kind": "variant", "sku": "TS-R", "options": {"Колір": "Червоний"}}
    fix = {
        "id": "12",
        "product": "12",
        "kind": "single",
        "sku": "FIX",
        "name": "Монтаж",
        "category": ["Послуги", "Дім"],
    }
    world.write("offers.json", [base, red, fix])
    world.put("12", order(line("TS-R"), line("FIX"), line("NEW-1"), line("TS-R", price="90.00")))
    assert world.run().counts == {"products": 3, "created": 1, "shipped": 1, "parties": 1}
    rows = {code: (kind, json.loads(data)) for code, kind, data in world.sql("SELECT code, kind, data FROM products")}
    assert {code: kind for code, (kind, _data) in rows.items()} == {
        "TS-R": "variant",
        "FIX": "service",
        "NEW-1": "goods",
    }
    assert rows["TS-R"][1] == {"base": "TS", "base_name": "Футболка", "options": {"Колір": "Червоний"}}
    for (lines,) in world.sql("SELECT lines FROM documents"):
        assert [one[4] for one in json.loads(lines)] == ["p1", "p2", "p3", "p1"], (
            "each line has the product added for it"
        )


def test_a_product_that_cannot_be_added_holds_its_order_alone(world: World) -> None:
    world.target = "known: [AB-1]"
    world.more = "products: {create: true}\n"
    world.say(Say("product", "held", words="немає прав"))
    world.put("4", order(line("NEW-1")))
    world.put("4", order(line(), id="8", number="8"))
    assert world.run().counts == {"held": 1, "created": 1, "parties": 1}
    assert world.states() == {"7": "held", "8": "created"}


def test_a_card_of_a_new_product_has_no_price_and_no_sizes() -> None:
    made = products.new_product(line("AB-1", barcode="482", unit="шт"), Shelf(), ProductSettings(create=True))
    assert made == NewProduct(code="AB-1", name="Товар AB-1", unit="шт", barcode="482")
    assert not {"price", "weight", "length", "stock"} & set(NewProduct.__dataclass_fields__)


def test_a_base_without_an_article_of_its_own_is_known_by_its_id_in_the_source() -> None:
    base = Offer(id="1", product="1", kind="base", keys={}, values={"name": "Футболка"})
    red = Offer(id="2", product="1", kind="variant", keys={"sku": "TS-R"}, values={"options": {"Колір": "Червоний"}})
    shelf = Shelf.of([base, red])
    made = products.new_product(line("ts-r"), shelf, ProductSettings(create=True))
    assert (made.base, made.base_name) == ("#1", "Футболка")
    named = replace(base, keys={"sku": "TS"})
    assert products.new_product(line("TS-R"), Shelf.of([named, red]), ProductSettings(create=True)).base == "TS"
    plain = ProductSettings(create=True, variants=False)
    assert products.new_product(line("TS-R"), Shelf.of([named, red]), plain).base == ""


# --- references, money -----------------------------------------------------------------------------------------------


def test_references_are_taken_from_the_settings_and_the_order(world: World) -> None:
    world.more = """\
user: anna
executor: {from: extra.manager_id, map: {"3": petro}, else: anna}
firm: "01"
account: {from: payment.method, map: {Готівка: cash}, else: bank}
shop: {from: extra.source}
delivery_service: DELIVERY
warehouse: {from: warehouse, else: main}
comment: "{source_number} / {comment}"
"""
    of = order(
        delivery=Delivery(cost=D("60.00")), payment=Payment(method="Готівка"), source_number="PROM-1", comment="швидко",
        extra={"manager_id": "3", "source": "Prom"},
    )  # fmt: skip
    world.put("4", of)
    world.run()
    said = document(world)
    wanted = {"user": "anna", "executor": "petro", "firm": "01", "account": "cash", "source": "Prom"}
    wanted |= {"delivery": "DELIVERY", "warehouse": "main"}
    assert {name: said[name] for name in wanted} == wanted
    assert (said["comment"], said["cost"]) == ("PROM-1 / швидко", "60.00")
    assert world.sql("SELECT kind, code FROM lists") == []


def test_a_source_that_is_missing_is_added(world: World) -> None:
    world.target = "lists: {source: []}"
    world.more = "shop: {from: extra.source}\n"
    world.put("4", order(extra={"source": "Prom"}))
    world.run()
    assert world.sql("SELECT kind, code FROM lists") == [("source", "Prom")]


def test_a_manager_who_is_not_mapped_holds_the_order_until_he_is(world: World) -> None:
    world.target = "lists: {executor: [petro]}"
    world.more = "executor: {from: extra.manager_id}\n"
    off = (Discount(amount=D("10.00")),)
    world.put("4", order(line("AB-1", "3", "33.33"), line("AB-2", "1", "0.01"), discounts=off))
    world.run()
    ((total, lines),) = world.sql("SELECT total, lines FROM documents")
    assert total == "90.00"
    assert [(one[2], one[3]) for one in json.loads(lines)] == [("33.33", "10.00"), ("0.01", "0")]


def test_payments_go_to_the_account_and_a_later_one_is_noted_besides(world: World) -> None:
    world.rules = "rules: {Confirmed: [order, pay]}\n"
    world.more = "account: bank\n"
    world.put("4", order(payment=Payment(status="partly", paid=D("100.00"))))
    assert world.run().counts == {"created": 1, "paid": 1, "parties": 1}
    world.move("4", payment=Payment(status="paid", paid=D("250.00")))
    assert world.run().counts == {"paid": 1}
    assert world.sql("SELECT total, currency FROM documents WHERE kind = 'pay'") == [
        ("100.00", "UAH"),
        ("150.00", "UAH"),
    ]
    assert document(world, "pay")["account"] == "bank"


def test_an_order_whose_parts_do_not_make_its_total_waits(world: World) -> None:
    world.put("4", order(total=D("200.00")))
    world.run()
    assert world.codes() == ["totals"]
    assert world.documents() == []


# --- statuses, back --------------------------------------------------------------------------------------------------


def test_statuses_are_set_by_name_added_when_missing_and_follow_the_order(world: World) -> None:
    world.target = "lists: {status: []}"
    world.more = "statuses: auto\n"
    world.put("4")
    assert world.run().counts == {"created": 1, "restated": 1, "parties": 1}
    world.move("12")
    assert world.run().counts == {"shipped": 1, "restated": 1}
    world.move("4")
    assert world.run().counts == {"restated": 1}
    assert world.sql("SELECT status FROM documents WHERE kind = 'create'") == [("Confirmed",)]
    assert [code for _kind, code in world.sql("SELECT * FROM lists WHERE kind = 'status' ORDER BY rowid")] == [
        "Confirmed",
        "Done",
    ]
    keys = world.rows("SELECT key FROM acts WHERE act = 'status'")
    assert len(set(keys)) == 3


def test_statuses_mapped_by_hand_must_be_there(world: World) -> None:
    world.target = "lists: {status: [Нове]}"
    world.more = "statuses: {Confirmed: Нове, Done: Закрито}\n"
    world.put("4")
    world.run()
    assert world.sql("SELECT status FROM documents") == [("Нове",)]
    world.move("12")
    assert world.run().counts == {"shipped": 1}
    ((findings,),) = world.rows("SELECT findings FROM orders")
    assert "unknown-status" in findings


def test_the_source_is_told_number_status_and_parcel_once_and_they_cause_nothing(world: World) -> None:
    world.more = 'back: {number: true, tracking: true, statuses: {order: "6", ship: Done}}\n'
    world.rules = "rules: {Confirmed: order, To courier: [order, ship], Done: [order, ship]}\n"
    world.put("4")
    assert world.run().counts == {"created": 1, "told": 1, "parties": 1}
    assert world.told() == [{"id": "7", "status": "6", "number": "O-1", "tracking": None}]
    for _ in range(10):  # the echo of our own write: "To courier" would ship it
        world.later(minutes=10)
        world.run()
    assert ([kind for kind, _key in world.documents()], len(world.told())) == (["create"], 1)
    world.move("12")
    assert world.run().counts == {"shipped": 1, "told": 1}
    assert world.told()[-1] == {"id": "7", "status": None, "number": None, "tracking": "TTN-2"}
    for _ in range(10):
        world.later(minutes=10)
        world.run(full=True)
    assert (len(world.documents()), len(world.told())) == (2, 2)


def test_a_change_of_content_under_our_own_status_still_reaches_the_document(world: World) -> None:
    world.more = 'back: {statuses: {order: "6"}}\n'
    world.put("4")
    world.run()
    world.move("6", lines=order(line(quantity="5")).lines, total=D("500.00"))
    assert world.run().counts == {"amended": 1}


def test_a_source_that_does_not_take_it_keeps_nobody_waiting(world: World) -> None:
    world.more = "back: {number: true}\n"
    world.put("4")
    world.write("refuse.json", {"7": "поле закрите"})
    report = world.run()
    assert report.state == "done"
    assert report.steps[0].result is not None
    assert any("поле закрите" in str(note) for note in report.steps[0].result.notes)
    assert world.states() == {"7": "created"}
    world.run(full=True)
    assert world.told() == []


def test_what_was_shipped_is_compared_on_both_sides_and_told_until_it_agrees(world: World) -> None:
    world.write("stock.json", {"AB-1": ["10", "2"], "AB-2": ["5", "0"]})
    world.sql("INSERT INTO products (code, name, kind, data, stock) VALUES ('AB-1', 'a', 'goods', '{}', '10')")
    world.sql("INSERT INTO products (code, name, kind, data, stock) VALUES ('AB-2', 'b', 'goods', '{}', '5')")
    world.put("12")
    assert world.run().counts == {"created": 1, "shipped": 1, "disagree": 1, "parties": 1}
    ((card),) = world.cards()
    assert [one["where"]["element"] for one in card["findings"]] == ["AB-2"]
    assert card["kind"] == "sync"
    world.write("stock.json", {"AB-1": ["8", "0"], "AB-2": ["4", "0"]})
    world.run()
    assert len(world.cards()) == 1, "nothing was shipped"
    world.run(full=True)
    world.put("12", order(id="8", number="8", lines=(line(),), total=D("200.00")))
    world.write("stock.json", {"AB-1": ["6", "0"], "AB-2": ["4", "0"]})
    world.run()
    assert world.cards() == []


def test_what_open_orders_reserve_in_the_source_alone_is_no_disagreement(world: World) -> None:
    world.sql("INSERT INTO products (code, name, kind, data, stock) VALUES ('AB-1', 'a', 'goods', '{}', '10')")
    world.write("stock.json", {"AB-1": ["8", "5"]})
    world.put("12", order(id="8", number="8", lines=(line(),), total=D("200.00")))
    assert "disagree" not in world.run().counts
    world.write("stock.json", {"AB-1": ["8", "1"]})  # of the next one nothing has left there
    world.put("12", order(id="9", number="9", lines=(line(),), total=D("200.00")))
    assert world.run().counts["disagree"] == 1
