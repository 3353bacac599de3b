"""The wire: keys, plans, refusals in the account's own words, patience and pace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.api import Held, Refused, Transient
from plugins.systems.keepincrm.fake import FREE_PLAN
from tests.systems.keepincrm.world import World


def test_a_wrong_key_is_refused_with_the_words_of_the_account_and_without_the_key(world: World) -> None:
    world.token = "very-secret-key"
    with pytest.raises(Refused, match="Invalid auth token") as caught:
        world.open().check()
    assert caught.value.code == "login"
    assert "very-secret-key" not in repr(caught.value) + str(caught.value) + str(caught.value.hint)
    assert len(world.fake.log) == 1
    assert world.fake.log[0].asked.headers["x-auth-token"] == "very-secret-key"


@pytest.mark.parametrize("where", ["message", "errors", "error"])
def test_the_free_plan_is_told_in_its_words(world: World, where: Any) -> None:
    world.fake.behave(free_plan=True, free_plan_body=where)
    with pytest.raises(Refused, match=FREE_PLAN) as caught:
        list(world.open().offers())
    assert "plan" in str(caught.value.hint)


@pytest.mark.parametrize("how", ["html", "text", "empty"])
def test_404_is_no_json_and_no_shorter_list(world: World, how: Any) -> None:
    world.fake.behave(not_found=how)
    assert world.open().api.one("/materials/5") is None
    system = world.open()
    system.api.add("/nowhere", {})
    with pytest.raises(Refused, match="404"):
        list(system.api.rows("/nowhere"))


@pytest.mark.parametrize(("status", "words"), [(422, "title: is invalid"), (400, "Bad Request")])
def test_a_refused_body_is_told_with_whatever_is_said_of_it(world: World, status: Any, words: str) -> None:
    world.fake.behave(refusal=status)
    key = world.fake.add_material("A")
    with pytest.raises(Held, match=words):
        world.open().api.change(f"/materials/{key}", {"title": []})
    world.fake.fail(400, "", method="PATCH")
    with pytest.raises(Held, match="without a reason") as caught:
        world.open().api.change(f"/materials/{key}", {"title": "Б"})
    assert "check --connect" in str(caught.value.hint)


def test_a_page_of_maintenance_is_no_list(world: World) -> None:
    world.fake.fail(200, "<html><body>Технічні роботи</body></html>", path="/v1/materials")
    with pytest.raises(Transient, match="Технічні роботи"):
        list(world.open().offers())


@pytest.mark.parametrize("header", ["seconds", "date"])
def test_f08_a_busy_account_is_waited_for_as_long_as_it_says(world: World, header: Any) -> None:
    for n in range(60):
        world.fake.add_material(f"A-{n}")
    world.clock.moment = datetime.now(UTC)  # by which a date in a header is reckoned
    world.fake.behave(rate_limit=4, retry_after=header)
    sleep = world.naps.sleep

    def nap(seconds: float) -> None:
        sleep(seconds)
        world.clock.pass_(seconds=seconds)

    world.naps.sleep = nap  # type: ignore[method-assign]
    assert len(list(world.open(page=10).offers())) == 60
    assert [one.status for one in world.fake.log] == [200] * 4 + [429] + [200] * 2
    assert 55 < max(world.naps.taken) < 62


def test_requests_keep_the_pace(world: World) -> None:
    for n in range(60):
        world.fake.add_material(f"A-{n}")
    list(world.open(page=10, pace=2.0).offers())
    assert len(world.fake.log) == 6
    assert world.naps.now == pytest.approx(2.5, abs=0.01)
    list(world.open(page=10, pace=50, per_minute=3).offers())
    assert world.naps.now > 60
