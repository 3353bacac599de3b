"""The JSON API: its description holds for whatever is asked; programs learn how it stands."""

from __future__ import annotations

import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipeline.config.model import WebConfig, WebProxy
from pipeline.web.app import make_app
from tests.web.conftest import Browser, World

EXAMPLES = 50 if os.environ.get("MISTOK_FULL") else 2
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_every_call_answers_as_it_is_described(world: World) -> None:
    browser = world.browser("admin")
    cookies = dict(browser.http.cookies)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", make_app(world.site))
    said: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        said[operation.label] = _asked(operation, cookies, browser.csrf)
    assert len(said) >= 18
    # it was let in, and has seen more than refusals
    plain = {label for label in said if label.startswith("GET") and "{" not in label}
    assert {label for label in plain if HTTPStatus.OK in said[label]} == plain
    assert all(HTTPStatus.UNAUTHORIZED not in statuses for statuses in said.values())


def _asked(operation: Any, cookies: dict[str, str], csrf: str) -> set[int]:
    """What one call answered to whatever its description lets one ask."""
    said = set()

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        case.headers = {**(case.headers or {}), "X-CSRF-Token": csrf}
        answer = case.call(cookies=cookies)
        said.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    call()
    return said


def api(browser: Browser, method: str, path: str, body: Any = None, **more: Any) -> Any:
    headers = {"X-CSRF-Token": browser.csrf}
    return browser.http.request(method, f"/api{path}", json=body, headers=headers, follow_redirects=False, **more)


def test_the_api_asks_who_calls_and_for_the_secret(world: World) -> None:
    nobody, admin, viewer = world.browser(), world.browser("admin"), world.browser("viewer")
    answer = nobody.get("/api/today")
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.json()["findings"][0]["code"] == "unauthorized"
    me = admin.get("/api/me").json()
    assert (me["name"], me["role"], me["csrf"]) == ("admin", "admin", admin.csrf)
    assert viewer.get("/api/cards").status_code == HTTPStatus.FORBIDDEN
    assert viewer.get("/api/config").status_code == HTTPStatus.FORBIDDEN
    assert api(viewer, "POST", "/jobs/orders/run").status_code == HTTPStatus.FORBIDDEN
    assert api(admin, "POST", "/jobs/orders/run").status_code == HTTPStatus.NO_CONTENT
    admin.csrf = "guess"
    assert api(admin, "POST", "/jobs/orders/run").status_code == HTTPStatus.FORBIDDEN
    assert admin.http.post("/api/jobs/orders/run").status_code == HTTPStatus.FORBIDDEN


def test_viewers_get_no_names_from_the_api(looked_at: World) -> None:
    viewer = looked_at.browser("viewer")
    rows = viewer.get("/api/orders").json()
    assert rows
    assert {row["customer"] for row in rows} == {None}
    story = viewer.get(f"/api/orders/{rows[0]['row']}").json()
    assert story["customer"] is None
    assert story["events"]
    ((customer,),) = looked_at.rows(f"SELECT customer FROM orders WHERE id = {rows[0]['row']}")
    assert customer not in viewer.get(f"/api/orders/{rows[0]['row']}").text


def test_a_card_is_answered_and_a_replay_looked_at_and_done_by_the_api(world: World) -> None:
    support = world.browser("support")
    card = next(one for one in support.get("/api/cards").json() if one["kind"] == "held")
    task = api(support, "POST", f"/cards/{card['number']}/answer", {"act": "reject", "why": "a test"})
    assert task.status_code == HTTPStatus.ACCEPTED
    assert finished(world, support, task.json()["id"])["state"] == "done"
    assert support.get(f"/api/cards/{card['number']}").json()["closed_by"] == "support"
    wrong = api(support, "POST", f"/cards/{card['number']}/answer", {"act": "reject", "why": ""})
    assert wrong.status_code == HTTPStatus.CONFLICT
    look = api(support, "POST", "/replay", {"held": True}).json()
    assert finished(world, support, look["id"])["lines"]
    done = api(support, "POST", f"/replay/{look['id']}/apply").json()
    assert finished(world, support, done["id"])["state"] == "done"
    assert [row[0] for row in world.rows("SELECT act FROM audit ORDER BY id")] == ["login", "answer", "replay"]


def finished(world: World, browser: Browser, task_id: str) -> Any:
    task = world.site.tasks._tasks[task_id]
    assert task.over.wait(60)
    return browser.get(f"/api/tasks/{task_id}").json()


# --- for programs that watch -----------------------------------------------------------------------------------------


def test_health_tells_without_a_login_whether_somebody_does_the_work(world: World) -> None:
    from pipeline.engine import history

    nobody = world.browser()
    answer = nobody.get("/healthz")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.json()["status"] == "down"
    assert "acme" not in answer.text
    history.beat(world.site.client.ledger, {"state": "serving", "host": "here", "pid": os.getpid()})
    answer = nobody.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (HTTPStatus.OK, "trouble")  # cards are open


def test_metrics_are_what_prometheus_reads(looked_at: World) -> None:
    answer = looked_at.browser().get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    ((held,),) = looked_at.rows("SELECT count(*) FROM orders WHERE state = 'held'")
    assert found["mistok_orders", "held"] == held
    assert found["mistok_cards_open", "quarantined"] == 1
    assert found["mistok_job_last_well", "catalogue"] == 1
    assert found["mistok_runs_total", "orders", "waiting"] == 1
    assert found["mistok_level", "down"] == 1
    assert found["mistok_disk_free_bytes", "archive"] > 0
    ((customer,),) = looked_at.rows("SELECT customer FROM orders WHERE customer IS NOT NULL LIMIT 1")
    assert customer not in answer.text


def test_metrics_are_for_this_machine_unless_told_otherwise(world_with: Callable[[WebConfig], World]) -> None:
    world = world_with(WebConfig(metrics=("10.0.0.0/8",), proxy=WebProxy(trusted=("192.0.2.1",))))
    assert world.browser(at="10.1.1.1").get("/metrics").status_code == HTTPStatus.OK
    assert world.browser(at="127.0.0.1").get("/metrics").status_code == HTTPStatus.FORBIDDEN
    far = {"X-Forwarded-For": "198.51.100.7"}
    assert world.browser(at="192.0.2.1").get("/metrics", headers=far).status_code == HTTPStatus.FORBIDDEN
    near = {"X-Forwarded-For": "10.1.1.1"}
    assert world.browser(at="192.0.2.1").get("/metrics", headers=near).status_code == HTTPStatus.OK
    assert world.browser(at="10.1.1.1").get("/metrics", headers=far).status_code == HTTPStatus.FORBIDDEN
