"""Who runs next, when many clients share a few places."""

from __future__ import annotations

from pipeline.engine.slots import SLOW, SLOW_FAILURE, Place, Slots


def given(slots: Slots, now: float = 0.0) -> list[Place]:
    """Every place that can be given now."""
    found = []
    while (place := slots.give(now)) is not None:
        found.append(place)
    return found


def names(places: list[Place]) -> list[str]:
    return [place.client for place in places]


def want(slots: Slots, *clients: str) -> None:
    for client in clients:
        slots.want(client)


def test_clients_take_turns_however_often_one_of_them_asks() -> None:
    slots = Slots(1)
    order = []
    want(slots, "flood", "a", "b")
    for now in range(12):
        (place,) = given(slots, now)
        order.append(place.client)
        slots.back(place, now + 0.5, well=True)
        want(slots, "flood", *(("a", "b") if now == 5 else ()))
    assert order == ["flood", "a", "b", *["flood"] * 3, "a", "b", *["flood"] * 4]


def test_one_client_holds_one_place_at_a_time_by_default() -> None:
    slots = Slots(3)
    want(slots, "a")
    assert names(given(slots)) == ["a"]
    want(slots, "a")
    assert given(slots) == []
    two = Slots(3, each=2)
    for _ in range(3):
        want(two, "a")
        given(two)
    assert two.held("a") == 2


def test_a_run_that_turns_out_slow_makes_room_while_there_is_a_slow_lane() -> None:
    slots = Slots(2)
    assert slots.spare == 1
    want(slots, "hang", "hang2", "a", "b")
    assert names(given(slots)) == ["hang", "hang2"]
    assert slots.next_moment(0.0) is not None
    assert given(slots, SLOW - 0.1) == []
    assert names(given(slots, SLOW + 0.1)) == ["a"], "the one slow lane is taken"
    assert given(slots, SLOW + 0.2) == []
    assert slots.next_moment(SLOW + 0.2) is None, "nothing becomes slower"


def test_who_was_slow_and_failed_never_takes_the_last_place() -> None:
    slots = Slots(2, spare=1)
    for name in ("dead1", "dead2", "dead3"):
        want(slots, name)
        (place,) = given(slots)
        slots.back(place, SLOW_FAILURE + 1, well=False)
        assert slots.is_troubled(name)
    want(slots, "dead1", "dead2", "dead3")
    places = given(slots)
    assert names(places) == ["dead1", "dead2"], "a slow lane, and a place that nobody needs"
    want(slots, "a")
    assert names(given(slots)) == ["a"]
    slots.back(places[0], 1.0, well=True)
    assert not slots.is_troubled("dead1")
    assert names(given(slots)) == ["dead3"]


def test_a_well_one_goes_first_where_a_troubled_one_would_need_its_place() -> None:
    slots = Slots(3, spare=1)
    for name in ("dead1", "dead2", "a"):
        want(slots, name)
        (place,) = given(slots)
        slots.back(place, 9.0, well=name == "a")
    want(slots, "dead1", "dead2", "a")
    assert names(given(slots)) == ["dead1", "a", "dead2"], "the longest ago, but for the one that needs a's place"


def test_a_quick_failure_is_no_reason_to_wait() -> None:
    slots = Slots(1)
    want(slots, "a")
    (place,) = given(slots)
    slots.back(place, SLOW_FAILURE / 2, well=False)
    assert not slots.is_troubled("a")


def test_floods_hold_no_more_than_half_of_the_places_however_many_they_are() -> None:
    slots, floods = Slots(4), [f"flood{n}" for n in range(4)]
    want(slots, *floods)
    places = given(slots)
    assert names(places) == floods, "nobody knows it before the first slice is over"
    for place in places:
        slots.back(place, 3.0, well=True, more=True)
    want(slots, *floods)
    places = given(slots, 3.0)
    assert names(places) == ["flood0", "flood1"]
    want(slots, "a", "b", "c")
    assert names(given(slots, 3.1)) == ["a", "b"]
    slots.back(places[0], 6.0, well=True, more=True)
    want(slots, "flood0")
    places = [places[1], *given(slots, 6.0)]
    assert names(places) == ["flood1", "c"], "who waits for its first turn goes before"
    slots.back(places[0], 6.0, well=True)
    want(slots, "flood1")
    assert names(given(slots, 6.0)) == ["flood2"], "in turn"


def test_a_flood_that_is_over_is_as_all_others_and_the_only_place_is_not_kept_from_one() -> None:
    slots = Slots(1)
    for more in (True, True, False):
        want(slots, "flood")
        (place,) = given(slots)
        slots.back(place, 3.0, well=True, more=more)
    two = Slots(2)
    for name in ("a", "b"):
        want(two, name)
        (place,) = given(two)
        two.back(place, 3.0, well=True, more=True)
    want(two, "a", "b")
    (place,) = given(two)
    two.back(place, 3.0, well=True)
    want(two, "a")
    assert names(given(two)) == ["b", "a"]


def test_a_turn_of_nobody_is_given_back() -> None:
    slots = Slots(1)
    want(slots, "a", "b")
    (place,) = given(slots)
    slots.back(place, 100.0, well=None)
    assert not slots.is_troubled("a"), "nothing was run"
    (place,) = given(slots)
    assert place.client == "b"
    slots.drop("b")
    slots.back(place, 1.0, well=True)
    want(slots, "a", "c")
    slots.forget("c")
    assert names(given(slots)) == ["a"]
    assert slots.waiting == ()


def test_300_clients_with_faults_keep_all_others_in_turn() -> None:
    """A model of the goal: what hangs, is dead or floods takes no turn of the others."""
    slots, now = Slots(4), 0.0
    wants = {f"c{n}": 3 for n in range(300)} | {"hang": 3, "dead": 3, "flood": 1000}
    takes = {"hang": 600.0, "dead": 30.0, "flood": 3.0}
    running: list[tuple[float, Place]] = []
    turns: dict[str, list[float]] = {}
    while any(wants[name] for name in wants if name[0] == "c"):
        for name, left in wants.items():
            if left and slots.held(name) == 0:
                slots.want(name)
        for place in given(slots, now):
            wants[place.client] -= 1
            turns.setdefault(place.client, []).append(now)
            running.append((now + takes.get(place.client, 0.1), place))
        assert running
        running.sort(key=lambda one: one[0])
        ends, place = running.pop(0)
        now = max(now, min(ends, now + 1.0))
        if ends > now:
            running.append((ends, place))
            continue
        slots.back(place, now, well=place.client not in ("hang", "dead"))
    healthy = max(moments[-1] for name, moments in turns.items() if name[0] == "c")
    without = 300 * 3 * 0.1 / 4
    assert healthy <= without * 1.5, "in the time of the model"
