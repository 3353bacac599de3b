"""When a special price begins or ends the service runs its job, whoever has applied that price."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.engine.supervisor import Supervisor
from tests.engine.in_step import NOW, World, good
from tests.engine.sync_world import put, single, special

ENDS = NOW + timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def listen(service: Supervisor) -> float | None:
    """Seconds until the service looks at the job, after it has heard of wakes once more; None: it looks not."""
    service._heard_wakes = float("-inf")
    service._listen_for_wakes()
    at = service.desks["goods"].look_at
    return None if at is None else at - time.monotonic()


def test_a_special_price_that_another_process_applied_is_heard_of(world: World) -> None:
    put(world.shop, single("1", "A", price="10.00"))
    good(world.run())
    with world.opened() as client:
        service = Supervisor(client.config, client.ledger)
        assert listen(service) is None
        put(world.shop, single("1", "A", price="10.00", specials=(special("8.00", end=ENDS),)))
        good(world.run(full=True))  # a person, by hand
        seconds = listen(service)
        assert seconds is not None
        assert 0 < seconds <= 3600
        service._paused = frozenset({"goods"})
        service.desks["goods"].look_at = None
        assert listen(service) is None, "it is left alone"
        service._paused = frozenset()
        world.later(hours=2)
        seconds = listen(service)
        assert seconds is not None
        assert seconds <= 0, "it is over, and nobody has looked since"


def test_a_run_that_a_brake_stops_keeps_the_moment_and_is_not_repeated_for_it_for_ever(world: World) -> None:
    put(world.shop, single("1", "A", price="10.00", specials=(special("8.00", end=ENDS),)))
    assert good(world.run()).wake_at == ENDS
    put(world.shop, single("1", "A", price="9999.00", specials=(special("8.00", end=ENDS),)), single("2", "B"))
    del world.shop.content["1"]
    stopped = good(world.run(full=True))
    assert stopped.counts["waiting"] == 1
    assert stopped.wake_at == ENDS
    with world.opened() as client:
        service = Supervisor(client.config, client.ledger)
        desk = service.desks["goods"]
        desk.looked = world.clock.now()  # that run was the service's own
        seconds = listen(service)
        assert seconds is not None
        assert seconds > 0
        desk.look_at = None
        world.later(hours=2)
        assert listen(service) is not None, "it is to be looked at once more, at that moment"
        desk.look_at, desk.looked = None, world.clock.now()
        assert listen(service) is None
    assert Decimal("8.00") == next(iter(world.crm.content.values())).values["price"]
