"""Who runs next, when many clients share a few places."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import Phase, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from pipeline.engine.slots import BELIEVED, SLOW, SLOW_FAILURE, WAITED, Lane, Place, Slots


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
    slots = Slots(2, room=0)
    assert slots.spares == 1
    want(slots, "hang", "hang2", "a", "b")
    assert names(given(slots)) == ["hang", "hang2"]
    assert slots.next_moment(0.0) is not None
    assert given(slots, SLOW - 0.1) == []
    assert names(given(slots, SLOW + 0.1)) == ["a"], "the one slow lane is taken"
    assert given(slots, SLOW + 0.2) == []
    assert slots.next_moment(SLOW + 0.2) is None, "nothing becomes slower"


def test_who_was_slow_and_failed_never_takes_the_last_place() -> None:
    slots = Slots(2, spare=1, room=0)
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
    slots = Slots(3, spare=1, room=0)
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


def look(slots: Slots, now: float, spent: float | None = 0.0) -> None:
    """All that are looked at have used so much of the processor by now."""
    for place in slots.to_look_at(now):
        slots.look(place, now, spent)


def calling(slots: Slots, *clients: str, server: str = "shop:22") -> None:
    for client in clients:
        slots.want(client, frozenset({server}))


def test_who_only_waits_gives_its_place_back_and_who_works_does_not() -> None:
    slots = Slots(2)
    want(slots, "waits", "works", "a", "b")
    waits, works = given(slots)
    for place in (waits, works):
        slots.begins(place, 0.0, 5.0)
    assert slots.to_look_at(WAITED - 0.1) == []
    slots.look(waits, WAITED, 5.01)
    slots.look(works, WAITED, 5.8)
    assert names(given(slots, WAITED)) == ["a"]
    assert (waits.lane, works.lane) == (Lane.WAITING, Lane.QUICK)
    slots.look(works, 2 * WAITED, 5.8)
    assert names(given(slots, 2 * WAITED)) == ["b"], "now it waits as well"
    assert slots.taken(Lane.WAITING) == 2


def test_where_others_wait_elsewhere_a_place_is_given_back_all_the_same() -> None:
    slots = Slots(1, elsewhere=True)
    want(slots, "waits")
    given(slots)
    assert slots.next_moment(0.0) is not None
    look(slots, WAITED)
    assert given(slots, WAITED) == []
    assert slots.free() == 1


def test_without_any_place_for_what_is_slow_it_has_the_others() -> None:
    slots = Slots(1, spare=0, room=0)
    for _ in range(2):
        want(slots, "a")
        (place,) = given(slots)
        slots.back(place, 9.0, well=False)


def test_a_process_that_only_loads_and_never_begins_waits_as_well() -> None:
    slots = Slots(1)
    want(slots, "hang", "a")
    given(slots)
    assert 0 < (slots.next_moment(0.0) or 0) <= WAITED + 0.01
    look(slots, WAITED, None)
    assert names(given(slots, WAITED)) == ["a"]


def test_what_one_found_silent_is_known_to_all_who_call_it() -> None:
    slots, dead = Slots(2), [f"dead{n}" for n in range(20)]
    calling(slots, *dead)
    want(slots, "a", "b")
    first = given(slots)
    assert names(first) == ["dead0", "dead1"]
    for place in first:
        slots.begins(place, 0.0, 0.0)
        slots.told(place, "shop:22", 0.1, answered=None)
    look(slots, WAITED)
    more = given(slots, WAITED)
    assert names(more) == ["dead2", "dead3", "a", "b"], "a few of them at a time, and in the room"
    assert [place.lane for place in more] == [Lane.WAITING] * 2 + [Lane.QUICK] * 2
    slots.back(more[2], WAITED + 0.1, well=True)
    assert given(slots, WAITED + 0.1) == []
    slots.told(first[0], "shop:22", 9.0, answered=True)
    assert names(given(slots, 9.0)) == ["dead4", "dead5"], "it is back"
    assert not slots.is_silent("shop:22", 9.0)


def test_a_call_that_failed_at_once_or_was_refused_says_nothing_of_silence() -> None:
    slots = Slots(1)
    for answered, after in ((True, 60.0), (False, SLOW_FAILURE / 2)):
        calling(slots, "a")
        (place,) = given(slots)
        slots.told(place, "shop:22", 0.0, answered=None)
        slots.told(place, "shop:22", after, answered=answered)
        assert not slots.is_silent("shop:22", after)
        slots.back(place, 0.2, well=False)
    calling(slots, "a")
    (place,) = given(slots)
    slots.told(place, "shop:22", 0.0, answered=None)
    slots.back(place, 15.0, well=False)
    assert slots.is_silent("shop:22", 15.0)
    assert not slots.is_silent("shop:22", 15.0 + BELIEVED), "believed no longer"
    calling(slots, "a")
    assert [place.lane for place in given(slots, 16.0)] == [Lane.WAITING]


def test_where_the_room_is_full_it_goes_on_with_those_who_call_nobody_and_who_are_answered() -> None:
    slots, now = Slots(2, room=4), 0.0
    for pair in (("dead0", "dead1"), ("dead2", "dead3")):
        for name in pair:
            calling(slots, name, server=f"{name}:22")
        assert names(given(slots, now)) == list(pair)
        now += WAITED
        want(slots, "local")
        look(slots, now)
        (local,) = given(slots, now)
        slots.back(local, now, well=True)
        if pair[0] == "dead0":
            calling(slots, "well", server="well:22")
            (well,) = given(slots, now)
            slots.told(well, "well:22", now, answered=None)
            slots.told(well, "well:22", now, answered=True)
            slots.back(well, now, well=True)
    assert slots.taken(Lane.WAITING) == 4
    calling(slots, "unknown", server="unknown:22")
    assert given(slots, now) == [], "it could not leave its place, if it heard nothing"
    calling(slots, "well", server="well:22")
    assert names(given(slots, now)) == ["well"]
    want(slots, "local")
    assert names(given(slots, now)) == ["local"]


@dataclass
class World:
    """Clients of which some are silent, and the time that they have waited for each of their turns."""

    slots: Slots
    silent: dict[str, str]  #: client -> server
    remote: dict[str, str]
    local: list[str]
    limit: float
    running: dict[str, tuple[float, Place]] = field(default_factory=dict)
    wanted: dict[str, float] = field(default_factory=dict)
    again: dict[str, float] = field(default_factory=dict)
    waited: dict[str, list[float]] = field(default_factory=dict)
    tick: float = 0.5

    def live(self, until: float) -> None:
        now = 0.0
        while now < until:
            self._step(now)
            now += self.tick

    def _step(self, now: float) -> None:
        slots = self.slots
        for name, (ends, place) in list(self.running.items()):
            if ends <= now:
                del self.running[name]
                if name in self.silent:
                    slots.told(place, self.silent[name], now, answered=False)
                slots.back(place, now, well=name not in self.silent)
                self.again[name] = now + 3.0
        for name in (*self.silent, *self.remote, *self.local):
            if name not in self.running and name not in self.wanted and self.again.get(name, 0.0) <= now:
                server = self.silent.get(name) or self.remote.get(name)
                slots.want(name, frozenset({server} if server else ()))
                self.wanted[name] = now
        look(slots, now)
        for place in given(slots, now):
            name = place.client
            slots.begins(place, now, 0.0)
            server = self.silent.get(name) or self.remote.get(name)
            if server:
                slots.told(place, server, now, answered=None)
            if name in self.remote:
                slots.told(place, self.remote[name], now, answered=True)
            self.waited.setdefault(name, []).append(now - self.wanted.pop(name))
            self.running[name] = (now + (self.limit if name in self.silent else self.tick), place)
        self._holds(now)

    def _holds(self, now: float) -> None:
        slots = self.slots
        assert slots.taken(Lane.QUICK) <= slots.size
        assert slots.taken(Lane.LONG) <= slots.spares
        assert slots.taken(Lane.WAITING) <= slots.rooms
        assert len(self.running) <= slots.most
        if slots.waiting:
            held = [place for _, place in self.running.values() if place.lane is Lane.QUICK]
            late = [place for place in held if place.client in self.silent and now - place.since > WAITED + self.tick]
            assert not late, "whoever waits, waits for a silent one no longer than that"


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@for_all(
    size=st.integers(1, 5),
    room=st.none() | st.integers(1, 12),
    dead=st.integers(0, 40),
    servers=st.integers(1, 40),
    local=st.integers(1, 4),
    remote=st.integers(0, 4),
)
def test_however_many_are_silent_the_bounds_hold_and_nobody_starves(
    size: int, room: int | None, dead: int, servers: int, local: int, remote: int
) -> None:
    slots = Slots(size, room=room)
    world = World(
        slots,
        {f"dead{n}": f"dead{n % servers}:22" for n in range(dead)},
        {f"remote{n}": f"well{n}:22" for n in range(remote)},
        [f"local{n}" for n in range(local)],
        limit=15.0,
    )
    world.live(until=60.0 + 17.0 * dead)
    names = (*world.silent, *world.remote, *world.local)
    assert {name for name in names if name not in world.waited} == set(), "everybody had a turn"
    # who comes before and is not known yet: as many as there is room for, each for as long as it takes to see
    ahead = min(dead, slots.rooms + size)
    bound = (ahead // size + 2) * (WAITED + world.tick) + (local + remote) * world.tick
    for name in world.local:
        assert max(world.waited[name]) <= bound
    later = [wait for name in world.local for wait in world.waited[name][20:]]
    assert max(later, default=0.0) <= (local + remote) * world.tick + WAITED + world.tick, (
        "and no more once all is known"
    )


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
