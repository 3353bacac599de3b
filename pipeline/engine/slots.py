"""Which client runs next, when many share a bounded number of processes. Pure: time is an argument.

Clients that wait take turns: of those that may, the one whose last turn is longest ago. A run begins in one of the
``size`` quick places. One that only waits, as for a server that is silent, needs no processor: within moments it gives
its quick place back and goes on in the ``room``, which is bounded by memory alone and so is larger. One that takes long
and works goes on in one of the ``spare`` places. Whose last run ended so begins there at once, and so does every client
of a server that is known to be silent, a few at a time: one that is answered is news for all of them.

What makes the promise whole: of what is known to be silent no more begins than fills half of the room, and of what
calls servers no more begins than the room could take, if all of them were silent. So no quick place is held by who only
waits for longer than it takes to be seen so, however many servers are dead; but where more than the room takes are
silent at once that nobody knew of, those who call servers wait for the room, all but a few whose servers have answered
meanwhile. Who calls none is never kept waiting.

For the same end, clients that work off a flood of files slice by slice hold no more than half of the places, however
many they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

#: A run that takes longer than this (seconds) is a slow one; one that fails after so long makes its client a slow one.
SLOW, SLOW_FAILURE = 5.0, 1.0
#: Who uses less than this part of a processor for so many seconds only waits.
WAITED, WORKING = 1.0, 0.05
#: That a server is silent is believed for so long (seconds) when nobody calls it any more.
BELIEVED = 600.0


class Lane(Enum):
    """Where a run counts."""

    QUICK = "quick"
    LONG = "long"  #: it takes long, and works
    WAITING = "waiting"  #: it needs no processor


@dataclass(slots=True, eq=False)
class Place:
    """A turn of a client: what it holds from the moment in which it is given until its run is over."""

    client: str
    since: float
    lane: Lane = Lane.QUICK
    servers: frozenset[str] = frozenset()  #: those that its run may call
    flood: bool = False  #: of a client whose last run made room in the middle of its files
    doubtful: bool = False  #: begun in the room, since it was known that it may wait long
    calling: str = ""  #: the server that it waits for, and since when
    called: float = 0.0
    unanswered: bool = False  #: that server was silent
    waits: bool = False  #: it was seen to use no processor
    seen: float = 0.0  #: when that was looked at last
    spent: float | None = None  #: what its process had used then; None: it is not known


class _Count:
    """The places that are held, counted."""

    def __init__(self, held: list[Place], silent: set[str]) -> None:
        self.silent = silent
        self.each = Counter(place.client for place in held)
        self.lanes = Counter(place.lane for place in held)
        self.floods = sum(place.flood for place in held)
        self.doubtful = sum(place.doubtful for place in held)
        #: those in quick places that may turn out to wait
        self.callers = sum(bool(place.servers) for place in held if place.lane is Lane.QUICK)
        room = [place for place in held if place.lane is Lane.WAITING]
        self.first = min((place.since for place in room), default=float("inf"))  #: since when somebody is in the room
        self.there = Counter(server for place in room for server in place.servers)


@dataclass(slots=True)
class Slots:
    """So many places for all, and more for what is slow.

    ``each``: how many places one client holds at most. ``spare``: places for those that work for long; None: half as
    many, and one at least. ``room``: for those that only wait; None: see :func:`usual_room`, 0: none, else not fewer
    than ``size``. ``elsewhere``: whether others may wait who are not known here, as in a queue: who only
    waits leaves its place whether or not anybody is known to want it.
    """

    size: int
    each: int = 1
    spare: int | None = None
    room: int | None = None
    elsewhere: bool = False
    _held: list[Place] = field(default_factory=list)
    _waiting: dict[str, frozenset[str]] = field(default_factory=dict)  #: in the order in which they came
    _turns: dict[str, int] = field(default_factory=dict)  #: client -> number of its last turn
    _troubled: set[str] = field(default_factory=set)
    _mute: set[str] = field(default_factory=set)  #: whose last run failed after it had only waited
    _silent: dict[str, float] = field(default_factory=dict)  #: server -> when it was found so last
    _answered: dict[str, float] = field(default_factory=dict)  #: server -> when it answered last
    _flooded: set[str] = field(default_factory=set)
    _count: int = 0

    @property
    def spares(self) -> int:
        """How many places there are for those that work for long."""
        return max(1, self.size // 2) if self.spare is None else self.spare

    @property
    def rooms(self) -> int:
        """How many places there are for those that only wait."""
        if self.room is None:
            return usual_room(self.size)
        return max(self.room, self.size) if self.room else 0

    @property
    def most(self) -> int:
        """How many runs there are at once at most."""
        return self.size + self.spares + self.rooms

    def want(self, client: str, servers: frozenset[str] = frozenset()) -> None:
        """The client has something to run, which may call these servers, and waits for a place."""
        self._waiting.setdefault(client, servers)

    def forget(self, client: str) -> None:
        """The client wants none any more."""
        self._waiting.pop(client, None)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Who waits."""
        return tuple(self._waiting)

    def held(self, client: str) -> int:
        """How many places a client has."""
        return sum(place.client == client for place in self._held)

    def taken(self, lane: Lane) -> int:
        """How many places of a lane are held."""
        return sum(place.lane is lane for place in self._held)

    def free(self) -> int:
        """How many quick places nobody holds."""
        return max(self.size - self.taken(Lane.QUICK), 0)

    def is_troubled(self, client: str) -> bool:
        """Whether its last run took long and failed."""
        return client in self._troubled or client in self._mute

    def is_silent(self, server: str, now: float) -> bool:
        """Whether a server is known not to answer."""
        return now - self._silent.get(server, float("-inf")) < BELIEVED

    # --- who begins ----------------------------------------------------------------------------------------------

    def give(self, now: float) -> Place | None:
        """A place for one of those that wait; None: there is none for any of them now."""
        if not self._waiting and not self.elsewhere:
            return None
        self._sort()
        self._set_aside(now)
        if not self._waiting:
            return None
        known = _Count(self._held, {server for server in self._silent if self.is_silent(server, now)})
        floods = known.floods >= max(1, self.size // 2)
        mine = [
            client
            for client in sorted(self._waiting, key=lambda client: self._turns.get(client, 0))
            if known.each[client] < self.each and not (floods and client in self._flooded)
        ]
        free = self.size - known.lanes[Lane.QUICK]
        troubles = self._troubled if self.spares else set()
        well = any(one not in troubles and not self._is_doubtful(one, known) for one in mine)
        for client in mine:
            troubled = client in troubles
            if self._is_doubtful(client, known):
                if self._may_wait(client, known):
                    return self._take(client, now, Lane.WAITING)
            elif troubled and known.lanes[Lane.LONG] < self.spares:
                return self._take(client, now, Lane.LONG)
            # the last free place, and any that a well one waits for, are not for one in trouble
            elif ((free > 1 and not well) if troubled else free > 0) and self._could_move(client, known):
                return self._take(client, now, Lane.QUICK)
        return None

    def _is_doubtful(self, client: str, known: _Count) -> bool:
        """Whether its run will most likely wait for long."""
        return bool(self.rooms) and (client in self._mute or not known.silent.isdisjoint(self._waiting[client]))

    def _may_wait(self, client: str, known: _Count) -> bool:
        """Whether there is room for one that will wait: the other half is for those of whom nobody knew, and what is
        there for one server is enough to see whether it answers."""
        rooms = self.rooms
        if known.doubtful >= max(1, rooms // 2) or known.lanes[Lane.WAITING] + known.callers >= rooms:
            return False
        there = (known.there[server] for server in self._waiting[client] & known.silent)
        return max(there, default=0) < max(1, rooms // 8)

    def _could_move(self, client: str, known: _Count) -> bool:
        """Whether there would be room for it, if its servers and those of all others that run now were silent."""
        servers = self._waiting[client]
        if not servers or not self.rooms or known.lanes[Lane.WAITING] + known.callers < self.rooms:
            return True
        # they answered while those in the room heard nothing: whatever it is does not concern them
        proven = all(self._answered.get(server, float("-inf")) >= known.first for server in servers)
        return proven and known.callers < max(1, self.size - 1)

    def _take(self, client: str, now: float, lane: Lane) -> Place:
        servers = self._waiting.pop(client)
        self._count += 1
        self._turns[client] = self._count
        place = Place(client, now, lane, servers, client in self._flooded, lane is Lane.WAITING, seen=now)
        self._held.append(place)
        return place

    # --- who moves -----------------------------------------------------------------------------------------------

    def _quick(self) -> Iterator[Place]:
        """Those in the quick places, the oldest first."""
        yield from sorted((one for one in self._held if one.lane is Lane.QUICK), key=lambda one: one.since)

    def _sort(self) -> None:
        """Who only waits goes into the room."""
        for place in self._quick():
            if place.waits and self.taken(Lane.WAITING) < self.rooms:
                place.lane = Lane.WAITING
                if place.calling:
                    self._silent[place.calling] = place.seen

    def _set_aside(self, now: float) -> None:
        """What takes long leaves its quick place as well."""
        for place in self._quick():
            if now - place.since > SLOW and self.taken(Lane.LONG) < self.spares:
                place.lane = Lane.LONG

    def to_look_at(self, now: float) -> list[Place]:
        """Of which of the places it is to be told again how much of the processor they use (:meth:`look`)."""
        if not (self._waiting or self.elsewhere) or not self.rooms:
            return []
        return [place for place in self._held if place.lane is Lane.QUICK and now - place.seen >= WAITED]

    def look(self, place: Place, now: float, spent: float | None) -> None:
        """``spent``: how many seconds of a processor its process has used by now; None: it has none, or it is gone."""
        used = 0.0 if spent is None or place.spent is None else spent - place.spent
        place.waits = used < WORKING * (now - place.seen)
        place.seen, place.spent = now, spent

    def begins(self, place: Place, now: float, spent: float | None) -> None:
        """Its process, which has used so much so far, begins to work."""
        place.seen, place.spent, place.waits = now, spent, False

    def next_moment(self, now: float) -> float | None:
        """Seconds until somebody who waits may get the place of a run that goes on."""
        if not (self._waiting or self.elsewhere):
            return None
        quick = list(self._quick())
        moments: list[float] = []
        if self.taken(Lane.WAITING) < self.rooms:
            moments += [place.seen + WAITED - now for place in quick]
        if self.taken(Lane.LONG) < self.spares:
            moments += [place.since + SLOW - now for place in quick]
        return max(min(moments), 0.0) + 0.001 if moments else None

    # --- what is heard of them -----------------------------------------------------------------------------------

    def told(self, place: Place, server: str, now: float, *, answered: bool | None) -> None:
        """Its run calls a server and hears nothing yet (None), was answered, be it with a refusal, or gave up."""
        if answered is None:
            place.calling, place.called = server, now
            return
        place.calling = ""
        if answered:
            self._silent.pop(server, None)
            self._answered[server] = now
        elif now - place.called > SLOW_FAILURE:
            self._silent[server] = now
            place.unanswered = True

    def back(self, place: Place, now: float, *, well: bool | None, more: bool = False) -> None:
        """A turn is over. ``well``: whether its run did its work; None: nothing was run. ``more``: it made room for
        others in the middle of its files."""
        if place not in self._held:
            return  # its client is gone
        self._held.remove(place)
        if well is None:
            return
        self._troubled.discard(place.client)
        self._mute.discard(place.client)
        if not well and place.calling:  # it was ended before it heard anything
            self.told(place, place.calling, now, answered=False)
        if well:  # whatever it called has answered, also where nobody told of it
            self._answered.update(dict.fromkeys(place.servers, now))
        elif now - place.since > SLOW_FAILURE:
            waited = self.rooms > 0 and (place.lane is Lane.WAITING or place.unanswered)
            (self._mute if waited else self._troubled).add(place.client)
        (self._flooded.add if more else self._flooded.discard)(place.client)

    def drop(self, client: str) -> None:
        """The client is gone."""
        self.forget(client)
        for known in (self._troubled, self._mute, self._flooded):
            known.discard(client)
        self._turns.pop(client, None)
        self._held = [place for place in self._held if place.client != client]


def usual_room(size: int) -> int:
    """How many runs may only wait, where nothing else is said: several times the places."""
    return max(32, 8 * size)
