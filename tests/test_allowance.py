"""An API's limit is used fully and never broken, whichever way its server counts. Time is a number here."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.allowance import Allowance
from pipeline.ports import Limits
from tests.everyday import examples

#: Given the moments at which requests came, how many came over the limit.
Server = Callable[[Sequence[float], int], int]


def sliding(came: Sequence[float], limit: int) -> int:
    """The last 60 seconds count."""
    let: list[float] = []
    for at in came:
        if sum(one > at - 60 for one in let) < limit:
            let.append(at)
    return len(came) - len(let)


def since_the_first(came: Sequence[float], limit: int) -> int:
    """A minute begins with the first request in it."""
    over, began, count = 0, -1e9, 0
    for at in came:
        if at >= began + 60:
            began, count = at, 0
        count += 1
        over += count > limit
    return over


def in_whole_seconds(came: Sequence[float], limit: int) -> int:
    """The same, with a clock that shows whole seconds only, of which the last counts as well."""
    over, began, count = 0, -1e9, 0
    for at in map(int, came):
        if at > began + 60:
            began, count = at, 0
        count += 1
        over += count > limit
    return over


def by_the_clock(came: Sequence[float], limit: int) -> int:
    """Each minute of the clock counts for itself."""
    counts: dict[int, int] = {}
    for at in came:
        counts[int(at // 60)] = counts.get(int(at // 60), 0) + 1
    return sum(max(n - limit, 0) for n in counts.values())


SERVERS: tuple[Server, ...] = (sliding, since_the_first, in_whole_seconds, by_the_clock)


def sent(limit: int, count: int, clients: int, travels: Sequence[tuple[float, float]], start: float) -> list[float]:
    """When ``count`` requests of several processes come to the server, which share what they know as the ledger keeps
    it: as JSON.

    Args:
        travels: of each request in turn, seconds on the way there and on the way back.
    """
    limits, kept, came, asked = Limits(per_minute=limit), json.dumps(None), [], 0
    events = [(start, n, "") for n in range(clients)]
    while events:
        now, client, flying = heapq.heappop(events)
        used = Allowance.read(json.loads(kept), now)
        if flying:
            used.land(flying, now)
            kept = json.dumps(used.said)
        if asked == count:
            continue
        if wait := used.wait(now, limits):
            heapq.heappush(events, (now + wait, client, ""))
            continue
        there, back = travels[asked % len(travels)]
        asked += 1
        used.take(str(asked), now, limits)
        kept = json.dumps(used.said)
        came.append(now + there)
        heapq.heappush(events, (now + there + back, client, str(asked)))
    return sorted(came)


@settings(max_examples=examples(200))
@given(
    st.integers(1, 8), st.integers(1, 40), st.integers(1, 4),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=1, max_size=7), st.floats(0, 1000),
)  # fmt: skip
def test_no_request_of_ours_is_ever_refused(
    limit: int, count: int, clients: int, travels: list[tuple[float, float]], start: float
) -> None:
    came = sent(limit, count, clients, travels, start)
    assert len(came) == count
    for server in SERVERS:
        assert server(came, limit) == 0, server.__name__


@pytest.mark.parametrize("clients", [1, 2])
@pytest.mark.parametrize("travel", [0.0, 0.04, 0.4])
def test_the_limit_is_used_fully(clients: int, travel: float) -> None:
    """Five minutes' worth and one more: the last may go when five minutes are over."""
    came = sent(60, 301, clients, [(travel, travel)], 0.0)
    assert came[-1] <= 1.05 * 5 * 60
    assert [server(came, 60) for server in SERVERS] == [0, 0, 0, 0]


def test_a_request_that_was_long_on_its_way_counts_from_its_answer() -> None:
    """The first is held up for 30 seconds before the server sees it: by its sending, the third would come too early."""
    came = sent(2, 3, 1, [(30.0, 0.0), (0.0, 0.0), (0.0, 0.0)], 0.0)
    assert came[2] >= came[0] + 60


def test_a_process_that_is_gone_holds_a_place_for_two_minutes() -> None:
    used, limits = Allowance(), Limits(per_minute=1)
    used.take("gone", 0.0, limits)
    assert used.wait(10.0, limits) > 0
    assert used.wait(119.0, limits) > 0
    assert used.wait(120.0, limits) == 0


def test_a_clock_that_was_set_back_makes_nobody_wait_for_hours() -> None:
    used, limits = Allowance(), Limits(per_minute=1, per_second=1)
    used.take("one", 9_000.0, limits)
    used.land("one", 9_001.0)
    used.take("two", 9_100.0, limits)
    used.until = 200_000.0
    assert Allowance.read(used.said, 100.0).wait(100.0, limits) == 0


def test_the_pace_is_that_of_sending() -> None:
    used, limits = Allowance(), Limits(per_second=4)
    used.take("one", 1.0, limits)
    used.land("one", 1.2)
    assert used.wait(1.2, limits) == pytest.approx(0.05)
