"""Awkward turns of orders: they leave what is taken, come under another name, have items without an article."""

from __future__ import annotations

import json

import pytest

from pipeline.engine.documents.products import own_article
from pipeline.model import Party
from pipeline.testing.documents_target import DocumentsTarget, Say
from tests.engine.documents.making import D, line, order, paid
from tests.engine.documents.world import World

KYIV = "only: {warehouses: [Київ], statuses: [Confirmed, To courier, Cancelled]}\n"


def test_an_order_that_moves_to_another_warehouse_is_not_passed_over(world: World) -> None:
    world.more = KYIV
    world.put("4", order(warehouse="Київ"))
    assert world.run().counts == {"created": 1, "parties": 1}
    world.move("6", warehouse="Львів")
    assert world.run().counts == {"held": 1}
    assert world.codes() == ["moved-away"]
    world.move("19", warehouse="Львів")
    assert world.run().counts == {"cancelled": 1}, "what is cancelled is cancelled, wherever it was sent from"
    assert world.cards() == []
    assert world.documents() == [("create", "7/create/0")]


@pytest.mark.parametrize("status", ["4", "1"], ids=["another-warehouse", "a-status-not-taken"])
def test_a_card_of_an_order_that_is_not_ours_after_all_is_closed(world: World, status: str) -> None:
    world.more = KYIV
    world.put("4")
    assert world.run().counts == {"held": 1}, "of which warehouse?"
    world.move(status, warehouse="Львів")
    assert world.run().counts == {"nothing": 1}
    assert (world.cards(), world.documents()) == ([], [])
    world.move(status, warehouse="Львів", total=D("251"))
    assert world.run().counts == {}, "from now on it is passed over"


@pytest.mark.parametrize(
    ("policy", "wanted", "codes"),
    [("hold", {"held": 1}, ["unknown-status"]), ("nothing", {"known": 1}, []), ("create-order", {"known": 1}, [])],
)
@pytest.mark.parametrize("shipped", [False, True])
def test_an_order_with_its_document_goes_by_the_rules_in_every_status(
    world: World, policy: str, wanted: dict[str, int], codes: list[str], shipped: bool
) -> None:
    """The status “Done” is neither taken nor named by a rule; one without a document is passed over in it."""
    world.rules = "rules: {Confirmed: order, To courier: [order, ship], Cancelled: cancel}\n"
    world.more = f"only: {{statuses: [Confirmed, To courier, Cancelled]}}\nunknown_status: {policy}\n"
    world.put("6" if shipped else "4")
    world.run()
    world.put("12", order(id="8", number="8"))
    world.move("12")
    assert world.run().counts == wanted
    assert (world.codes(), list(world.states())) == (codes, ["7"])
    assert world.run(full=True).counts.get("held", 0) == len(codes), "and a full look says the same"


def test_an_order_of_a_loaded_period_is_followed_on(world: World) -> None:
    october = world.clock.now().replace(month=10)
    world.put("4", order(created_at=october))
    world.run(since=october, until=october.replace(day=29))
    world.move("19")
    assert world.run().counts == {"cancelled": 1}


def test_a_cancelled_order_that_is_sent_at_once_gets_its_status_before_its_goods_leave(world: World) -> None:
    """A target lets nothing leave on an order that is still cancelled there."""
    world.more = "statuses: auto\n"
    world.put("4")
    world.run()
    world.move("19")
    world.run()
    world.sql("DELETE FROM calls")
    world.move("6")
    assert world.run().counts == {"amended": 1, "restated": 1, "shipped": 1}
    calls = [call for (call,) in world.sql("SELECT call FROM calls ORDER BY id") if call != "find"]
    assert calls == ["amend", "status", "ship"]
    assert world.run(full=True).counts == {"known": 1}


def test_a_target_that_adds_no_status_and_no_source_spoils_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.errors import Held
    from pipeline.texts import T

    def ensure(_self: object, _kind: str, _code: str, _name: str = "") -> None:
        raise Held(T("No."))

    monkeypatch.setattr(DocumentsTarget, "ensure", ensure)
    world.target = "lists: {status: [Done], source: [Prom]}"
    world.more = "statuses: auto\nshop: {from: extra.source}\n"
    world.put("4", order(extra={"source": "Prom"}))
    world.put("12", order(id="8", number="8", extra={"source": "Prom"}))
    world.put("4", order(id="9", number="9", extra={"source": "Rozetka"}))
    report = world.run()
    assert report.counts == {"created": 2, "parties": 1, "shipped": 1, "restated": 1, "held": 1}
    assert report.steps[0].result is not None
    assert "Confirmed" in str(report.steps[0].result.notes[0])
    assert world.states() == {"7": "created", "8": "created", "9": "held"}


def test_a_name_that_its_party_does_not_have_is_told_and_stands_on_the_document(world: World) -> None:
    phone = "+380671112233"
    world.put("4", order(id="1", number="1", customer=Party(last_name="Шевченко", first_name="Олена", phone=phone)))
    world.put("4", order(id="2", number="2", customer=Party(last_name="Іваненко", first_name="Інга", phone=phone)))
    world.run()
    world.put("4", order(id="3", number="3", customer=Party(last_name="Бойко", phone=phone)))
    world.put("4", order(id="4", number="4", customer=Party(first_name="Олена", last_name="шевченко", phone=phone)))
    world.run()
    ((name,),) = world.sql("SELECT name FROM parties")
    comments = [json.loads(data)["comment"].split("\n")[-1] for (data,) in world.sql("SELECT data FROM documents")]
    assert comments[1:3] == ["Buyer: Іваненко Інга", "Buyer: Бойко"]
    assert "Buyer" not in comments[0] + comments[3], "the same names, however they are written"
    told = dict(world.rows("SELECT order_id, findings FROM orders"))
    assert [one for one, found in sorted(told.items()) if "other-name" in str(found)] == ["2", "3"], name


# --- items without an article ----------------------------------------------------------------------------------------


def made(world: World) -> list[tuple[str, str, str]]:
    return [(str(a), str(b), str(c)) for a, b, c in world.sql("SELECT code, name, kind FROM products ORDER BY id")]


def test_a_product_without_an_article_is_made_once_and_found_again(world: World) -> None:
    world.target = "known: []"
    world.more = "products: {create: true}\n"
    world.put("4", order(line(""), total=D(200)))
    world.put("4", order(line(""), line("", "1", "50"), id="8", number="8", total=D(250)))
    assert world.run().counts == {"created": 2, "parties": 1, "products": 1}
    world.put("4", order(line(""), id="9", number="9", total=D(200)))
    assert world.run().counts == {"created": 1}
    code = own_article("Товар")
    assert made(world) == [(code, "Товар", "goods")]
    lines = [json.loads(text) for (text,) in world.sql("SELECT lines FROM documents")]
    assert {one[4] for some in lines for one in some} == {"p1"}


def test_a_service_without_an_article_is_known_by_its_name_in_the_source(world: World) -> None:
    world.target = "known: []"
    world.more = "products: {create: true, services: [Послуги]}\n"
    work = {"id": "9", "product": "9", "kind": "single", "name": "Товар", "category": ["Послуги", "Виїзд"]}
    world.write("offers.json", [work])
    world.put("4", order(line(""), total=D(200)))
    world.run()
    assert made(world) == [(own_article("товар "), "Товар", "service")]


def test_a_product_without_an_article_that_stands_there_by_its_name_is_taken(world: World) -> None:
    world.target = "known: []"
    world.more = "products: {create: true}\n"
    world.sql("INSERT INTO products (code, name, kind, data) VALUES ('X-1', 'Товар', 'goods', '{}')")
    world.put("4", order(line(""), total=D(200)))
    assert world.run().counts == {"created": 1, "parties": 1}
    world.sql("INSERT INTO products (code, name, kind, data) VALUES ('X-2', 'Товар', 'goods', '{}')")
    world.put("4", order(line(""), id="8", number="8", total=D(200)))
    assert world.run().counts == {"held": 1}
    assert world.codes() == ["ambiguous-product"]
    world.more = "products: {create: true, ambiguous: first}\n"
    assert world.run().counts == {"created": 1}
    assert len(made(world)) == 2


def test_a_mapped_article_that_is_not_there_is_the_one_that_is_made(world: World) -> None:
    world.target = "known: []"
    world.more = "products: {create: true}\nmappings: {sku: {AB-1: NEW-1}}\n"
    world.put("4", order(line(), total=D(200)))
    assert world.run().counts == {"created": 1, "parties": 1, "products": 1}
    assert [code for code, _name, _kind in made(world)] == ["NEW-1"]
    ((text,),) = world.sql("SELECT lines FROM documents")
    assert [one[4] for one in json.loads(text)] == ["p1"], "the line names what was made"


def test_a_product_that_is_refused_holds_its_order_alone(world: World) -> None:
    world.target = "known: []"
    world.more = "products: {create: true}\n"
    world.say(Say("product", "held", "no room"))
    world.put("4", order(line(""), total=D(200)))
    assert world.run().counts == {"held": 1}
    assert world.documents() == []


# --- what people do in the target ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("DELETE FROM documents WHERE kind = 'ship'", "shipment-gone"),
        ("UPDATE documents SET cancelled = 1 WHERE kind = 'create'", "cancelled-there"),
    ],
)
def test_a_full_run_sees_what_somebody_took_out_and_does_nothing_twice(world: World, query: str, code: str) -> None:
    world.put("12")
    world.run()
    before = len(world.documents())
    world.sql(query)
    world.later(days=1)
    assert world.run().counts == {"held": 1}
    assert world.codes() == [code]
    assert len(world.documents()) == before - (code == "shipment-gone")
    world.sql("UPDATE documents SET cancelled = 0")
    if code == "cancelled-there":
        assert world.run().counts == {"known": 1}
        assert world.cards() == []


def test_money_that_was_paid_back_counts_so_when_a_person_says_that_it_was_entered(world: World) -> None:
    world.rules = "rules: {Done: [order, pay], Cancelled: cancel}\n"
    world.put("12", order(payment=paid("250.00")))
    world.run()
    world.move("12", payment=paid("200.00"))
    assert world.run().counts == {"held": 1}
    ((finding,),) = [card["findings"] for card in world.cards()]
    assert "'50.00'" in str(finding)
    world.resolve("accept")
    assert (world.cards(), world.states()) == ([], {"7": "created"})
    assert [kind for kind, _key in world.documents()] == ["create", "pay"], "nothing is made of it in the target"
    world.move("12", payment=paid("230.00"))
    assert world.run().counts == {"paid": 1}
    assert world.sql("SELECT total FROM documents WHERE kind = 'pay'") == [("250.00",), ("30.00",)]
    world.move("19", payment=paid("230.00"))
    assert world.run().counts == {"cancelled": 1}
    ((found,),) = world.rows("SELECT findings FROM orders")
    assert "paid-stays" in found
    assert "230.00" in found


def test_an_order_of_which_nothing_can_be_read_spoils_no_other(world: World) -> None:
    """A killed run, and an archive that lacks what it had read: the others go on, and it is told."""

    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "documents:create-applied":
            raise Killed

    world.put("4")
    with pytest.raises(Killed):
        world.run(reach=die)
    for copy in (world.folder / "archive").rglob("objects/*/*"):
        copy.unlink()
    world.put("4", order(id="8", number="8"))
    report = world.run()
    assert report.counts["created"] == 1
    assert report.steps[0].result is not None
    assert [one.code for one in report.steps[0].result.findings] == ["unread-order"]
    assert world.states()["8"] == "created"


# --- buyers who come together ----------------------------------------------------------------------------------------

OLENA = Party(last_name="Шевченко", first_name="Олена", phone="+380671234567", email="o@example.org")


def first_load(world: World, *customers: Party) -> None:
    for number, customer in enumerate(customers, 1):
        world.put("4", order(id=str(number), number=str(number), customer=customer))


@pytest.mark.parametrize("batch", [50, 1], ids=["one-batch", "batches"])
def test_look_alikes_of_a_first_load_are_asked_about_as_any_other(world: World, batch: int) -> None:
    world.more = f"parties: {{alike: hold}}\nbatch: {batch}\n"
    first_load(world, OLENA, Party(last_name="Шевченко", first_name="Олена", phone="+380509998877"))
    assert world.run(dry_run=True).counts == {"created": 1, "held": 1}
    assert world.run().counts == {"created": 1, "parties": 1, "held": 1}
    ((card),) = world.cards()
    assert (card["kind"], card["findings"][0]["code"]) == ("held", "alike")
    assert "C-1" in str(card["findings"][0]["text"]), "the card names the one that was added a moment before"
    world.map(("party", "+380509998877"), "C-1")
    assert (world.cards(), world.states()) == ([], {"1": "created", "2": "created"})
    assert len(world.sql("SELECT * FROM parties")) == 1


def test_look_alikes_of_a_first_load_are_told_and_others_are_not(world: World) -> None:
    first_load(world, OLENA, Party(last_name="Шевченко", first_name="Олена", phone="+380509998877"),
               Party(last_name="Їжак", first_name="Петро", phone="+380631112233"))  # fmt: skip
    assert world.run().counts == {"created": 3, "parties": 3}
    assert [card["kind"] for card in world.cards()] == ["alike"]


def test_one_buyer_who_comes_by_telephone_and_by_mail_at_once_is_added_once(world: World) -> None:
    first_load(world, OLENA, Party(last_name="Шевченко", first_name="Олена", email="o@example.org"))
    assert world.run().counts == {"created": 2, "parties": 1}
    assert len(world.sql("SELECT * FROM parties")) == 1


# --- what is told ----------------------------------------------------------------------------------------------------


def test_what_came_back_is_compared_on_both_sides_too(world: World) -> None:
    world.sql("INSERT INTO products (code, name, kind, data, stock) VALUES ('AB-1', 'a', 'goods', '{}', '10')")
    world.put("12", order(line()))
    world.write("stock.json", {"AB-1": ["8", "0"]})
    assert "disagree" not in world.run().counts
    world.move("20")  # the target has them again, the CRM has not
    assert world.run().counts == {"returned": 1, "cancelled": 1, "disagree": 1}
    ((card),) = world.cards()
    assert [one["where"]["element"] for one in card["findings"]] == ["AB-1"]


def test_a_cent_that_the_document_evens_out_is_told(world: World) -> None:
    world.put("4", order(total=D("250.01")))
    report = world.run()
    assert report.counts == {"created": 1, "parties": 1}
    assert report.steps[0].result is not None
    (row,) = report.steps[0].result.details
    assert [one.code for one in row["findings"]] == ["rounding"]
    ((told,),) = world.rows("SELECT findings FROM orders")
    assert "+0.01" in str(told)
    assert world.run(full=True).counts == {"known": 1}, "and the document is not the worse for it"
