"""Orders whose documents are as they are to be: left alone, whatever became of what they name. And what moved last."""

from __future__ import annotations

import pytest

from pipeline.testing.documents_target import DocumentsTarget, Say
from tests.engine.documents.making import D, line, order, paid
from tests.engine.documents.world import World


def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The articles that the target is asked for from here on."""
    found: list[object] = []
    real = DocumentsTarget.find_products

    def find(self: DocumentsTarget, codes: object) -> object:
        found.append(codes)
        return real(self, codes)  # type: ignore[arg-type]

    monkeypatch.setattr(DocumentsTarget, "find_products", find)
    return found


def test_a_product_that_was_put_away_is_no_matter_of_an_old_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rules = "rules: {Confirmed: order, Done: [order, pay, ship], Cancelled: cancel, Returned: [return, cancel]}\n"
    world.put("12", order(payment=paid("250.00")))
    world.put("4", order(id="8", number="8"))
    world.run()
    world.target = "known: [AB-9]"
    found = asked(world, monkeypatch)
    assert world.run(full=True).counts == {"known": 2}
    assert (world.cards(), found) == ([], []), "nothing of it is looked up"
    world.move("12", "8", payment=paid("250.00"))
    assert world.run().counts == {"held": 1}, "what is still to leave is"
    world.move("20")
    assert world.run().counts == {"returned": 1, "cancelled": 1, "held": 1}


def test_a_document_that_says_another_sum_by_now_is_seen_without_looking_up_what_it_names(world: World) -> None:
    world.put("12")
    world.run()
    world.target = "known: []"
    world.sql("UPDATE documents SET total = '249.00' WHERE kind = 'create'")
    assert world.run(full=True).counts == {"held": 1}
    assert world.codes() == ["total-differs"]


def test_what_was_told_of_a_document_still_stands_after_a_full_look(world: World) -> None:
    world.put("4", order(total=D("250.01")))
    world.run()
    world.run(full=True)
    ((told,),) = world.rows("SELECT findings FROM orders")
    assert "rounding" in str(told)


def stocked(world: World) -> None:
    world.sql("INSERT INTO products (code, name, kind, data, stock) VALUES ('AB-1', 'a', 'goods', '{}', '10')")
    world.write("stock.json", {"AB-1": ["10", "0"]})  # the CRM does not take off what leaves


def test_what_left_by_a_persons_answer_is_compared_by_the_next_run(world: World) -> None:
    stocked(world)
    world.write("stock.json", {"AB-9": ["10", "0"]})
    world.target = "known: [AB-1]"
    world.put("12", order(line("AB-9")))
    world.run()
    world.map(("sku", "AB-9"), "AB-1")
    assert [kind for kind, _key in world.documents()] == ["create", "ship"]
    assert world.run().counts["disagree"] == 1
    assert "disagree" not in world.run().counts, "and not again before something moves, or a full look"


def test_what_left_in_a_run_that_was_killed_is_compared_by_the_next_one(world: World) -> None:
    stocked(world)

    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "documents:ship-done":
            raise Killed

    world.put("12", order(line()))
    with pytest.raises(Killed):
        world.run(reach=die)
    assert world.run().counts["disagree"] == 1


def test_what_moved_while_a_stock_could_not_be_read_is_compared_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.errors import Transient
    from pipeline.texts import T

    stocked(world)
    real = DocumentsTarget.levels

    def busy(_self: object, _since: object = None) -> object:
        raise Transient(T("Not now."))

    monkeypatch.setattr(DocumentsTarget, "levels", busy)
    world.put("12", order(line()))
    world.run()
    monkeypatch.setattr(DocumentsTarget, "levels", real)
    assert world.run().counts["disagree"] == 1


def test_a_shipment_in_doubt_that_is_there_is_compared_too(world: World) -> None:
    stocked(world)
    world.say(Say("ship", "doubt", made=True))
    world.put("12", order(line()))
    assert world.run().counts["in_doubt"] == 1
    world.later(hours=1)
    assert world.run().counts["disagree"] == 1
