"""The life of orders between two scripted systems: what is made, once, and what is left alone."""

from __future__ import annotations

import json

import pytest

from pipeline.model import Address, Delivery, Party
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import World


def test_the_whole_life_of_an_order(world: World) -> None:
    world.put("1")
    assert world.run().counts == {"nothing": 1}
    assert (world.documents(), world.states()) == ([], {"7": "nothing_to_do"})
    world.move("4")
    assert world.run().counts == {"created": 1, "parties": 1}
    world.move("6")
    assert world.run().counts == {"shipped": 1}
    world.move("12")
    assert world.run().counts == {"known": 1}
    world.move("20")
    assert world.run().counts == {"returned": 1, "cancelled": 1}
    assert world.documents() == [("create", "7/create/0"), ("ship", "7/ship/1"), ("return", "7/return/1")]
    assert world.sql("SELECT base FROM documents ORDER BY id") == [(None,), (1,), (2,)]
    assert world.sql("SELECT cancelled FROM documents WHERE kind = 'create'") == [(1,)]
    assert world.states() == {"7": "created"}
    world.later(days=1)
    assert world.run().counts == {"known": 1}


def test_done_makes_the_missing_order_and_its_shipment_at_once(world: World) -> None:
    world.put("12")
    assert world.run().counts == {"created": 1, "shipped": 1, "parties": 1}
    assert world.documents() == [("create", "7/create/0"), ("ship", "7/ship/1")]


def test_nothing_is_done_twice_in_ten_runs(world: World) -> None:
    world.put("12")
    for _ in range(10):
        world.run(full=True)
    assert len(world.documents()) == 2


def test_a_cancelled_order_is_marked_and_not_taken_out(world: World) -> None:
    world.put("4")
    world.run()
    world.move("19")
    assert world.run().counts == {"cancelled": 1}
    assert world.sql("SELECT cancelled FROM documents") == [(1,)]


def test_cancelled_before_it_came_there_is_nothing(world: World) -> None:
    world.put("19")
    assert world.run().counts == {"nothing": 1}
    assert world.documents() == []
    world.move("4")
    assert world.run().counts == {"created": 1, "parties": 1}


def test_a_status_that_comes_back_brings_the_document_back_without_a_twin(world: World) -> None:
    world.put("4")
    world.run()
    for status in ("19", "4", "19", "4"):
        world.move(status)
        world.run()
    assert world.documents() == [("create", "7/create/0")]
    assert world.sql("SELECT cancelled FROM documents") == [(0,)]
    keys = [row[0] for row in world.rows("SELECT key FROM acts WHERE act IN ('amend', 'cancel')")]
    assert len(set(keys)) == 4


def test_other_content_amends_the_document_and_going_back_amends_it_again(world: World) -> None:
    world.put("4")
    world.run()
    world.move("4", lines=order(line(quantity="5")).lines, total=D("500.00"))
    assert world.run().counts == {"amended": 1}
    assert world.sql("SELECT total FROM documents") == [("500.00",)]
    world.move("4", lines=order().lines, total=D("250.00"))
    assert world.run().counts == {"amended": 1}
    assert world.sql("SELECT total FROM documents") == [("250.00",)]


def test_what_is_added_after_a_shipment_is_shipped_besides(world: World) -> None:
    world.put("12")
    world.run()
    more = order(line(), line("AB-2", "4", "50.00"))
    world.move("12", lines=more.lines, total=more.total)
    assert world.run().counts == {"amended": 1, "shipped": 1}
    assert world.documents()[-1] == ("ship", "7/ship/2")
    lines = json.loads(world.sql("SELECT lines FROM documents WHERE kind = 'ship' ORDER BY id")[-1][0])
    assert [one[:2] for one in lines] == [["AB-2", "3"]]


def test_goods_that_come_back_and_leave_again_are_a_second_shipment(world: World) -> None:
    world.put("12")
    world.run()
    world.move("20")
    world.run()
    world.move("12")
    world.run()
    kinds = [kind for kind, _key in world.documents()]
    assert kinds == ["create", "ship", "return", "ship"]
    assert world.sql("SELECT cancelled FROM documents WHERE kind = 'create'") == [(0,)]


def test_an_empty_order_makes_no_document(world: World) -> None:
    world.put("12", order(lines=(), total=D(0)))
    assert world.run().counts == {"held": 1}
    assert (world.documents(), world.codes()) == ([], ["no-items"])


def test_names_phone_and_mail_arrive_and_the_address_is_the_orders_own(world: World) -> None:
    buyer = Party(last_name="Шевченко", first_name="Олена", middle_name="Петрівна", phone="067 123-45-67",
                  email="Olena@Example.com", address=Address(city="Львів"))  # fmt: skip
    place = Delivery(address=Address(text="Київ, Хрещатик, 1"))
    world.put("4", order(customer=buyer, delivery=place))
    world.run()
    ((code, phone, email, data),) = world.sql("SELECT code, phone, email, data FROM parties")
    assert (phone, email) == ("+380671234567", "olena@example.com")
    said = json.loads(data)
    assert (said["last_name"], said["first_name"], said["middle_name"]) == ("Шевченко", "Олена", "Петрівна")
    assert said["address"] == ""
    document = json.loads(world.sql("SELECT data FROM documents")[0][0])
    assert (document["client"], document["address"]) == (code, "Київ, Хрещатик, 1")


def test_an_order_that_cannot_be_read_is_held_alone(world: World) -> None:
    from dataclasses import replace

    from pipeline.errors import Finding
    from pipeline.testing import orders_source
    from pipeline.texts import T

    bad = world.put("4", order(id="8", number="8"))
    words = T("The order has no date.")
    orders_source.put(world.crm, replace(bad, order=None, findings=(Finding("x", words),)), world.clock.now())
    world.put("4")
    assert world.run().counts == {"created": 1, "held": 1, "parties": 1}
    assert world.states() == {"7": "created", "8": "held"}


def test_a_status_without_a_rule_is_held_created_or_left(world: World) -> None:
    world.rules = "rules: {Confirmed: order}\n"
    world.put("1")
    assert world.run().counts == {"held": 1}
    assert world.codes() == ["unknown-status"]
    world.more = "unknown_status: create-order\n"
    assert world.run().counts == {"created": 1, "parties": 1}
    assert world.cards() == []


def test_only_chosen_orders_are_taken(world: World) -> None:
    world.more = "only: {statuses: [Confirmed], sources: [Prom], warehouses: [Київ]}\n"
    good = {"warehouse": "Київ", "extra": {"source": "Prom"}}
    world.put("4", order(id="1", number="1", **good))
    world.put("1", order(id="2", number="2", **good))
    world.put("4", order(id="3", number="3", **{**good, "warehouse": "Львів"}))
    world.put("4", order(id="4", number="4", **{**good, "extra": {"source": "Rozetka"}}))
    world.put("4", order(id="5", number="5", created_at=world.clock.now().replace(month=10), **good))
    world.run()
    assert world.states() == {"1": "created"}


def test_an_order_that_is_of_no_warehouse_or_of_several_is_not_passed_over_in_silence(world: World) -> None:
    world.more = "only: {warehouses: [Київ]}\n"
    world.put("1", order(id="1", number="1"))
    world.put("4", order(id="2", number="2"))
    several = {"item[1].warehouse": "Київ", "item[2].warehouse": "Львів"}
    world.put("4", order(id="3", number="3", extra=several))
    world.put("4", order(id="4", number="4", extra={"item[1].warehouse": "Львів", "item[2].warehouse": "Одеса"}))
    assert world.run().counts == {"nothing": 1, "held": 2}
    assert world.codes() == ["which-warehouse", "which-warehouse"]
    assert world.states() == {"1": "nothing_to_do", "2": "held", "3": "held"}
    world.put("4", order(id="2", number="2", warehouse="Київ"))
    assert world.run().counts["created"] == 1


def test_a_period_may_be_loaded_once(world: World) -> None:
    october = world.clock.now().replace(month=10)
    world.put("4", order(id="1", number="1", created_at=october))
    world.put("4", order(id="2", number="2", created_at=october.replace(day=1)))
    world.run()
    assert world.states() == {}
    world.run(since=october.replace(day=15), until=october.replace(day=29))
    assert world.states() == {"1": "created"}


def test_an_orders_paper_is_archived_and_traced(world: World) -> None:
    world.put("4")
    world.run()
    ((name, state, sha),) = world.rows("SELECT name, state, sha256 FROM files")
    assert (name[:2], state) == ("7-", "acknowledged")
    with world.opened() as client:
        assert json.loads(client.archive.read(sha))["number"] == "7"


def test_the_cursor_moves_and_a_source_that_fails_leaves_it(world: World) -> None:
    world.put("4")
    world.run()
    calls = [json.loads(one) for one in (world.crm / "calls.jsonl").read_text("utf-8").splitlines()]
    assert calls[-1]["asked"] == "2026-11-01T00:00:00+02:00"
    world.run()
    calls = [json.loads(one) for one in (world.crm / "calls.jsonl").read_text("utf-8").splitlines()]
    assert calls[-1]["asked"] == "2026-11-28T09:51:00+00:00"
    (world.crm / "down").touch()
    world.put("4", order(id="8", number="8"))
    assert world.run().exit_code == 3
    (world.crm / "down").unlink()
    world.later(hours=5)
    world.run()
    assert world.states() == {"7": "created", "8": "created"}


def test_a_dry_run_prints_the_plan_and_changes_nothing(world: World) -> None:
    world.put("12")
    report = world.run(dry_run=True)
    assert report.counts == {"created": 1, "shipped": 1}
    assert report.steps[0].result is not None
    (row,) = report.steps[0].result.details
    assert [one["act"] for one in row["acts"]] == ["create", "ship"]
    assert world.documents() == []
    assert not (world.folder / "ledger.sqlite3").exists()
    assert world.sql("SELECT * FROM parties") == []


def test_two_targets_of_one_source_need_two_names(world: World) -> None:
    world.put("4")
    world.run()
    with world.opened() as client, client.ledger.begin() as conn:
        from pipeline.ledger.tables import orders

        conn.execute(orders.update().values(into="other"))
    report = world.run(full=True)
    assert [one.code for one in report.steps[0].findings] == ["two-targets"]
    world.more = "known_as: crm-erp\n"
    assert world.run(full=True).counts == {"created": 1}
    assert world.documents()[-1][1] == "7/create/0"


@pytest.mark.parametrize("missing", ["document", "total"])
def test_a_full_run_finds_documents_that_are_gone_or_were_changed(world: World, missing: str) -> None:
    world.put("4")
    world.run()
    change = "DELETE FROM documents" if missing == "document" else "UPDATE documents SET total = '1.00'"
    world.sql(change)
    world.later(days=1)
    assert world.run().counts == {"held": 1}
    assert world.codes() == ["document-gone" if missing == "document" else "total-differs"]
    assert [kind for kind, _key in world.documents()] == ([] if missing == "document" else ["create"])
