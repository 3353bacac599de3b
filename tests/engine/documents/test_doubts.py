"""Targets that refuse, do not answer, or have done it all the same: nothing is repeated blindly, nothing is lost."""

from __future__ import annotations

import pytest

from pipeline.testing.documents_target import Say
from tests.engine.documents.making import order
from tests.engine.documents.world import World

PAID = "rules: {Confirmed: order, Done: [order, pay, ship], Returned: [return, cancel], Cancelled: cancel}\n"


def acts(world: World) -> list[tuple[str, str]]:
    return [(act, state) for act, state in world.rows("SELECT act, state FROM acts ORDER BY id")]


@pytest.mark.parametrize("act", ["create", "ship", "pay"])
@pytest.mark.parametrize("made", [True, False])
def test_what_is_in_doubt_is_looked_up_and_never_done_again_blindly(world: World, act: str, made: bool) -> None:
    from pipeline.model import Payment

    world.rules = PAID
    world.say(Say(act, "doubt", made=made))
    world.put("12", order(payment=Payment(status="paid")))
    assert world.run().counts["in_doubt"] == 1
    assert (world.states(), world.codes()) == ({"7": "in_doubt"}, ["in-doubt"])
    for _ in range(3):
        world.later(minutes=10)
        world.run()
    kinds = [kind for kind, _key in world.documents()]
    if made:
        assert sorted(kinds) == ["create", "pay", "ship"]
        assert (world.states(), world.cards()) == ({"7": "created"}, [])
    else:
        assert act not in kinds
        assert world.states() == {"7": "in_doubt"}
        world.resolve("try_again")  # a person has looked, and there is none
        world.run()
        assert sorted(kind for kind, _key in world.documents()) == ["create", "pay", "ship"]
        assert (world.states(), world.cards()) == ({"7": "created"}, [])


def test_a_return_in_doubt_is_looked_up(world: World) -> None:
    world.put("12")
    world.run()
    world.say(Say("return", "doubt", made=True))
    world.move("20")
    assert world.run().counts == {"in_doubt": 1}
    world.later(minutes=10)
    assert world.run().counts == {"returned": 1, "cancelled": 1}
    assert [kind for kind, _key in world.documents()] == ["create", "ship", "return"]


@pytest.mark.parametrize("act", ["create", "ship", "pay"])
def test_what_was_left_half_way_is_finished_and_not_made_a_second_time(world: World, act: str) -> None:
    from pipeline.model import Payment

    world.rules = PAID
    world.say(Say(act, "doubt", made=True))
    world.put("12", order(payment=Payment(status="paid")))
    assert world.run().counts["in_doubt"] == 1
    world.sql("UPDATE documents SET half = 1 WHERE kind = ?", act)
    world.later(minutes=10)
    world.run()
    assert sorted(kind for kind, _key in world.documents()) == ["create", "pay", "ship"]
    assert world.sql("SELECT count(*) FROM documents WHERE half") == [(0,)]
    assert (world.states(), world.cards()) == ({"7": "created"}, [])


def test_a_document_that_is_seen_late_is_not_made_twice(world: World) -> None:
    world.say(Say("create", "doubt", made=True), Say("create", "hidden", words="3"))
    world.put("4")
    world.run()
    world.sql("UPDATE documents SET hidden = 3")
    for _ in range(4):
        world.later(minutes=90)
        world.run()
    assert world.states() == {"7": "created"}
    assert len(world.documents()) == 1


@pytest.mark.parametrize("made", [True, False])
def test_a_buyer_in_doubt_is_looked_up_by_his_telephone_and_the_next_run_goes_on(world: World, made: bool) -> None:
    world.say(Say("party", "doubt", made=made))
    world.put("4")
    assert world.run().counts == {"in_doubt": 1}
    if not made:  # he may be seen late: nothing is added before the pause is over
        world.later(seconds=-50)
        assert world.run().counts == {"in_doubt": 1}
    world.later(minutes=10)
    assert world.run().counts == ({"created": 1} if made else {"created": 1, "parties": 1})
    assert (world.states(), world.cards()) == ({"7": "created"}, [])
    assert len(world.sql("SELECT * FROM parties")) == 1
    assert len(world.documents()) == 1


@pytest.mark.parametrize("act", ["amend", "cancel", "status"])
def test_a_change_in_doubt_is_made_again_since_twice_is_as_once(world: World, act: str) -> None:
    world.more = "statuses: auto\n"
    world.put("4")
    world.run()
    world.say(Say(act, "doubt", made=True))
    if act == "amend":
        world.move("4", lines=order().lines[:1], total=order().lines[0].sum)
    else:
        world.move("19" if act == "cancel" else "1")
    world.run()
    world.later(minutes=10)
    world.run()
    assert world.states() == {"7": "created"}
    assert [state for one, state in acts(world) if one == act][-1] == "done"


@pytest.mark.parametrize("act", ["create", "ship", "return", "cancel", "amend", "party"])
def test_a_refusal_holds_the_order_with_the_targets_own_words(world: World, act: str) -> None:
    world.say(Say(act, "held", words="період закрито", times=2))
    world.put("12")
    world.run()
    if act in ("return", "cancel"):
        world.move("20")
        world.run()
    elif act == "amend":
        world.move("12", lines=(*order().lines, *order().lines), total=2 * order().total)
        world.run()
    assert world.states() == {"7": "held"}
    ((card),) = world.cards()
    assert "період закрито" in str(card["findings"])
    before = len(world.documents())
    world.run()
    assert len(world.documents()) == before, "asked again with pauses only"
    world.later(hours=1)
    world.run()
    world.later(hours=1)
    world.run()
    assert (world.states(), world.cards()) == ({"7": "created"}, [])


def test_one_that_is_refused_does_not_keep_the_others(world: World) -> None:
    world.say(Say("create", "held", words="no"))
    for number in ("1", "2", "3"):
        world.put("12", order(id=number, number=number))
    world.run()
    assert sorted(world.states().values()) == ["created", "created", "held"]
    assert len(world.documents()) == 4


def test_a_target_that_is_busy_is_asked_again(world: World) -> None:
    world.say(Say("ship", "busy"))
    world.put("12")
    report = world.run()
    assert (report.exit_code, report.counts["failed"]) == (3, 1)
    world.later(minutes=5)
    assert world.run().counts == {"shipped": 1}


def test_a_target_that_cannot_be_looked_into_stops_the_run_and_nothing_is_done(world: World) -> None:
    world.put("12")
    world.say(Say("find", "busy"))
    assert world.run().exit_code == 3
    assert world.documents() == []
    world.run()
    assert (world.states(), len(world.documents())) == ({"7": "created"}, 2)


def test_another_total_than_the_orders_stops_all_that_would_follow(world: World) -> None:
    world.say(Say("create", "total", words="249.99"))
    world.put("12")
    assert world.run().counts == {"created": 1, "held": 1, "parties": 1}
    assert world.codes() == ["total-differs"]
    assert [kind for kind, _key in world.documents()] == ["create"]
    world.run()
    assert [kind for kind, _key in world.documents()] == ["create"]
    world.resolve("accept")
    assert [kind for kind, _key in world.documents()] == ["create", "ship"]
    assert (world.states(), world.cards()) == ({"7": "created"}, [])


def test_a_total_that_was_put_right_in_the_target_frees_the_order(world: World) -> None:
    world.say(Say("create", "total", words="249.99"))
    world.put("12")
    world.run()
    world.sql("UPDATE documents SET total = '250.00'")
    assert world.run().counts == {"shipped": 1}


def test_what_a_person_rejects_stays_so_until_the_order_changes(world: World) -> None:
    world.target = "known: []"
    world.put("4")
    world.run()
    world.resolve("reject", why="a test")
    world.run(full=True)
    assert (world.states(), world.cards()) == ({"7": "rejected"}, [])
    world.target = ""
    world.move("12")
    world.run()
    assert world.states() == {"7": "created"}


def test_a_missing_product_is_mapped_and_the_order_goes_on(world: World) -> None:
    world.target = "known: [AB1, AB-2]"
    world.put("4")
    assert world.run().counts == {"held": 1}
    assert world.codes() == ["unknown-product"]
    came = world.map(("sku", "AB-1"), "AB1").came
    assert [one.order["document_number"] for one in came] == ["O-1"]
    assert (world.states(), world.cards()) == ({"7": "created"}, [])


def test_a_held_order_goes_on_by_itself_when_it_is_mended_elsewhere(world: World) -> None:
    world.target = "known: []"
    world.put("4")
    world.run()
    world.target = ""
    assert world.run().counts == {"created": 1, "parties": 1}
    assert world.cards() == []


def test_a_held_status_is_accepted_or_rejected(world: World) -> None:
    world.rules = "rules: {Confirmed: hold}\n"
    world.put("4")
    world.run()
    assert world.codes() == ["status"]
    world.resolve("accept")
    assert (world.states(), len(world.documents())) == ({"7": "created"}, 1)


def test_a_change_is_accepted_where_a_person_is_asked(world: World) -> None:
    world.more = "changed: hold\n"
    world.put("4")
    world.run()
    world.move("4", lines=order().lines[:1], total=order().lines[0].sum)
    world.run()
    assert world.codes() == ["changed-order"]
    world.resolve("accept")
    assert world.sql("SELECT total FROM documents") == [("200.00",)]
    assert world.cards() == []


def test_a_document_made_by_hand_becomes_the_orders_own(world: World) -> None:
    from pipeline.engine import adopting
    from pipeline.ledger import cards

    world.say(Say("create", "doubt"))
    world.put("4")
    world.run()
    world.later(minutes=1)
    with world.opened() as client:
        with client.ledger.read() as conn:
            (card,) = cards.listing(conn, "acme")
        adopting.adopt(client, card, "Z-77", by="anna")
    assert world.states() == {"7": "created"}
    world.run(full=True)
    assert (world.documents(), world.cards()) == ([], [])
    assert world.rows("SELECT document_number FROM orders") == [("Z-77",)]
    assert "in_doubt" not in {state for _act, state in acts(world)}
    world.move("4", lines=order().lines[:1], total=order().lines[0].sum)
    world.run()
    assert world.codes() == ["named-by-hand"]


def test_a_mistake_of_a_clients_own_step_holds_the_order(world: World) -> None:
    own = """
from dataclasses import replace

from pipeline.api import DocumentsSettings, DocumentsStep, StepPlugin, T


def change(order, settings):
    if order.number == "8":
        raise KeyError("oops")
    if order.number == "9":
        return None
    return replace(order, comment="наш")


PLUGIN = StepPlugin("own-orders", T("Orders"), DocumentsSettings, DocumentsStep(change))
"""
    (world.folder / "plugins" / "own.py").write_text(own, encoding="utf-8")
    for number in ("7", "8", "9"):
        world.put("4", order(id=number, number=number))
    world.step = "own-orders"
    world.run()
    assert world.states() == {"7": "created", "8": "held"}
    assert world.codes() == ["plugin-error"]
    assert "наш" in world.sql("SELECT data FROM documents")[0][0]
