"""What people ask of the service: a job now, a job left alone for a while."""

from __future__ import annotations

from pathlib import Path

from pipeline.engine import asking
from pipeline.engine.asking import Asked
from tests.engine.test_supervisor import _runners_are_found, begun, ledger, migrated, place, runs, serving, until

__all__ = ["_runners_are_found", "migrated", "place"]


def test_what_is_asked_is_kept_until_it_is_taken_or_taken_back(place: Path) -> None:
    store = ledger(place)
    asking.run_now(store, "orders", by="anna")
    asking.run_now(store, "orders", by="petro")
    asking.pause(store, "goods", by="anna", why="the shop moves")
    found = asking.standing(store)
    assert found.now == {"orders": "petro"}
    assert (found.paused["goods"].by, found.paused["goods"].why) == ("anna", "the shop moves")
    asking.taken(store, "orders")
    assert asking.resume(store, "goods", by="anna")
    assert not asking.resume(store, "goods", by="anna")
    assert asking.standing(store) == Asked()
    store.close()


def test_a_job_is_run_when_asked_for_also_while_it_is_paused(place: Path) -> None:
    store = ledger(place)
    asking.pause(store, "tick", by="anna")
    asking.run_now(store, "nonsense", by="anna")
    with serving(place, {"tick": {"every": "1s"}, "other": {"every": "1s"}}):
        until(lambda: len(runs(place, "tick")) >= 2)  # its times are written down as left out
        assert begun(place, "tick") == []
        assert begun(place, "other")
        asking.run_now(store, "tick", by="anna")
        until(lambda: begun(place, "tick:end"))
        assert [(line["trigger"], line["by"]) for line in begun(place, "tick")] == [("person", "anna")]
        asking.resume(store, "tick", by="anna")
        until(lambda: len(begun(place, "tick")) > 1)
        assert begun(place, "tick")[1]["trigger"] == "schedule"
    assert asking.standing(store) == Asked()
    store.close()
