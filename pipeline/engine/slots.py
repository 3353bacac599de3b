"""Which client runs next, when many share a bounded number of processes. Pure: time is an argument.

Clients that wait take turns: of those that may, the one whose last turn is longest ago. A run that takes long, and the
runs of a client whose last one took long and failed, have lanes of their own, so that servers that are dead and plugins
that hang cannot take every place: what is quick and well finds one. For the same end, clients that work off a flood of
files slice by slice hold no more than half of the places, however many they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: A run that takes longer than this (seconds) is a slow one; one that fails after so long makes its client a slow one.
SLOW, SLOW_FAILURE = 5.0, 1.0


@dataclass(slots=True, eq=False)
class Place:
    """A turn of a client: what it holds from the moment in which it is given until its run is over."""

    client: str
    since: float
    slow: bool = False  #: it is in one of the slow lanes
    flood: bool = False  #: of a client whose last run made room in the middle of its files


@dataclass(slots=True)
class Slots:
    """So many places for all, and some more for what is slow.

    ``each``: how many places one client holds at most. ``spare``: places for slow ones beside the others; by default
    half as many, and one at least.
    """

    size: int
    each: int = 1
    spare: int = 0
    _held: list[Place] = field(default_factory=list)
    _waiting: dict[str, None] = field(default_factory=dict)  #: in the order in which they came
    _turns: dict[str, int] = field(default_factory=dict)  #: client -> number of its last turn
    _troubled: set[str] = field(default_factory=set)
    _flooded: set[str] = field(default_factory=set)
    _count: int = 0

    def __post_init__(self) -> None:
        self.spare = self.spare or max(1, self.size // 2)

    def want(self, client: str) -> None:
        """The client has something to run and waits for a place."""
        self._waiting.setdefault(client)

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

    def is_troubled(self, client: str) -> bool:
        """Whether its last run took long and failed."""
        return client in self._troubled

    def give(self, now: float) -> Place | None:
        """A place for one of those that wait; None: there is none for any of them now."""
        self._sort(now)
        quick = self.size - sum(not place.slow for place in self._held)
        slow = self.spare - sum(place.slow for place in self._held)
        turns = sorted(self._waiting, key=lambda client: self._turns.get(client, 0))
        mine = [client for client in turns if self.held(client) < self.each]
        if sum(place.flood for place in self._held) >= max(1, self.size // 2):
            mine = [client for client in mine if client not in self._flooded]
        well = next((client for client in mine if client not in self._troubled), None)
        for client in mine:
            troubled = client in self._troubled
            if troubled and slow > 0:
                return self._take(client, now, slow=True)
            # the last free place, and any that a well one waits for, are not for it
            if (troubled and quick > 1 and well is None) or (not troubled and quick > 0):
                return self._take(client, now, slow=False)
        return None

    def _take(self, client: str, now: float, *, slow: bool) -> Place:
        del self._waiting[client]
        self._count += 1
        self._turns[client] = self._count
        place = Place(client, now, slow, client in self._flooded)
        self._held.append(place)
        return place

    def _sort(self, now: float) -> None:
        """What turns out to be slow goes into a slow lane, where there is room, the oldest first."""
        room = self.spare - sum(place.slow for place in self._held)
        for place in sorted((one for one in self._held if not one.slow), key=lambda one: one.since):
            if room > 0 and now - place.since > SLOW:
                place.slow = True
                room -= 1

    def next_moment(self, now: float) -> float | None:
        """Seconds until a run that goes on becomes a slow one, where somebody waits for its place."""
        if not self._waiting or sum(place.slow for place in self._held) >= self.spare:
            return None
        moments = [place.since + SLOW - now for place in self._held if not place.slow]
        return max(min(moments), 0.0) + 0.001 if moments else None

    def back(self, place: Place, now: float, *, well: bool | None, more: bool = False) -> None:
        """A turn is over. ``well``: whether its run did its work; None: nothing was run. ``more``: it made room for
        others in the middle of its files."""
        if place not in self._held:
            return  # its client is gone
        self._held.remove(place)
        if well is None:
            return
        if not well and now - place.since > SLOW_FAILURE:
            self._troubled.add(place.client)
        else:
            self._troubled.discard(place.client)
        (self._flooded.add if more else self._flooded.discard)(place.client)

    def drop(self, client: str) -> None:
        """The client is gone."""
        self.forget(client)
        self._troubled.discard(client)
        self._flooded.discard(client)
        self._turns.pop(client, None)
        self._held = [place for place in self._held if place.client != client]
