"""What people do on the page: it is done as by the command line, by those who may, and is written down."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from pipeline.engine import asking
from tests.web.conftest import Browser, World

SKU = "0042"  #: of the sample products


def task_of(browser: Browser, answer: Any) -> str:
    """The page of the task that an act has begun, when it is over."""
    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
    where = answer.headers["location"]
    task = browser.site.tasks.find(where.rpartition("/")[2], _who(browser))
    assert task is not None
    assert task.over.wait(60)
    return browser.get(where).text


def _who(browser: Browser) -> str:
    tasks = browser.site.tasks._tasks
    return next(reversed(tasks.values())).who


def card_of(world: World, file: str) -> int:
    ((number,),) = world.rows(
        f"SELECT c.id FROM cards c JOIN files f ON f.id = c.file_id WHERE f.name = '{file}' AND c.state = 'open'"
    )
    return int(number)


def test_a_mapping_frees_the_order_and_is_written_down(world: World) -> None:
    browser = world.browser("accountant")
    number = card_of(world, "unknown-product.xml")
    page = browser.get(f"/cards/{number}?near=true").text
    assert "meant-0" in page
    assert 'class="marked"' in page
    told = task_of(browser, browser.post(f"/cards/{number}/answer", {"act": "map", "meant-0": "no such product"}))
    assert "This did not work" in told
    fields = {"act": "map", "meant-0": SKU, "why": "the same"}
    told = task_of(browser, browser.post(f"/cards/{number}/answer", fields))
    assert "from now on" in told
    assert world.rows(f"SELECT state, closed_by FROM cards WHERE id = {number}")[0][0] == "resolved"
    assert world.rows("SELECT by, meant FROM mappings") == [("accountant", SKU)]
    assert [
        row[:3] for row in world.rows("SELECT who, subject, outcome FROM audit WHERE act = 'answer' ORDER BY id")
    ] == [
        ("accountant", f"card:{number}", "failed"),
        ("accountant", f"card:{number}", "done"),
    ]


def test_a_rejection_needs_its_reason_and_happens_once(world: World) -> None:
    browser = world.browser("support")
    number = card_of(world, "unknown-product.xml")
    assert browser.post(f"/cards/{number}/answer", {"act": "reject"}).status_code == HTTPStatus.CONFLICT
    told = task_of(browser, browser.post(f"/cards/{number}/answer", {"act": "reject", "why": "a test <order>"}))
    assert "is rejected" in told
    told = task_of(browser, browser.post(f"/cards/{number}/answer", {"act": "reject", "why": "again"}))
    assert "is resolved: by support" in told
    page = browser.get(f"/cards/{number}").text
    assert "a test &lt;order&gt;" in page
    assert "/answer" not in page


def test_accepting_totals_makes_the_document(world: World) -> None:
    browser = world.browser("accountant")
    number = card_of(world, "totals-disagree.xml")
    told = task_of(browser, browser.post(f"/cards/{number}/answer", {"act": "accept"}))
    assert "Accepted" in told
    assert "→ document" in told


@pytest.mark.parametrize("act", ["", "nonsense", "map", "document"])
def test_an_answer_that_says_nothing_is_refused(world: World, act: str) -> None:
    browser = world.browser("accountant")
    number = card_of(world, "unknown-product.xml")
    answer = browser.post(f"/cards/{number}/answer", {"act": act})
    assert answer.status_code == HTTPStatus.CONFLICT
    assert world.rows(f"SELECT state FROM cards WHERE id = {number}") == [("open",)]


def test_who_may_not_does_not(world: World) -> None:
    viewer, accountant = world.browser("viewer"), world.browser("accountant")
    number = card_of(world, "unknown-product.xml")
    for path in ("/cards", f"/cards/{number}", f"/cards/{number}/letter"):
        assert viewer.get(path).status_code == HTTPStatus.FORBIDDEN, path
    for browser, path, fields in (
        (viewer, f"/cards/{number}/answer", {"act": "reject", "why": "x"}),
        (viewer, "/jobs/orders/run", {}),
        (accountant, "/jobs/orders/run", {}),
        (accountant, "/jobs/orders/pause", {}),
        (accountant, "/replay", {"held": "yes"}),
    ):
        assert browser.post(path, fields).status_code == HTTPStatus.FORBIDDEN, path
        assert 'type="submit" class="main">Run now' not in browser.get("/jobs/orders").text
    assert asking.standing(world.site.client.ledger) == asking.Asked()


def test_a_letter_is_in_the_language_that_is_asked_for(looked_at: World) -> None:
    browser = looked_at.browser("accountant")
    number = card_of(looked_at, "cut.xml")
    english = browser.get(f"/cards/{number}/letter?to=site&lang=en").text
    assert "cut.xml" in english
    assert 'lang="en">' in english
    assert 'lang="uk">' in browser.get(f"/cards/{number}/letter?lang=uk").text


# --- replay ----------------------------------------------------------------------------------------------------------


def test_a_replay_shows_first_and_does_what_it_has_shown(world: World) -> None:
    browser = world.browser("support")
    ((row, number),) = world.rows("SELECT id, number FROM orders WHERE state = 'held' ORDER BY id LIMIT 1")
    ((before,),) = world.rows("SELECT count(*) FROM events")
    answer = browser.post("/replay", {"order": row})
    page = task_of(browser, answer)
    assert f"№{number} would stay held" in page
    assert world.rows("SELECT count(*) FROM events") == [(before,)]
    page = task_of(browser, browser.post("/replay", {"held": "yes"}))
    assert "cut.xml" in page
    done = browser.post("/replay/apply", {"task": answer.headers["location"].rpartition("/")[2]})
    assert "It is done" in task_of(browser, done)
    assert world.rows("SELECT who, act, outcome FROM audit WHERE act = 'replay'") == [("support", "replay", "done")]


def test_a_replay_of_nothing_or_of_what_is_not_there_is_refused(world: World) -> None:
    browser = world.browser("support")
    assert browser.post("/replay", {}).status_code == HTTPStatus.CONFLICT
    for fields in ({"order": "999"}, {"order": "x"}, {"file": "-1"}, {"file": "9" * 30}):
        assert browser.post("/replay", fields).status_code == HTTPStatus.NOT_FOUND, fields
    assert browser.post("/replay", {"since": "yesterday"}).status_code == HTTPStatus.CONFLICT
    assert browser.post("/replay/apply", {"task": "guess"}).status_code == HTTPStatus.CONFLICT
    assert "Nothing is known of nonsense" in task_of(browser, browser.post("/replay", {"words": "nonsense"}))


def test_nobody_sees_what_somebody_else_has_begun(world: World) -> None:
    support, admin = world.browser("support"), world.browser("admin")
    answer = support.post("/replay", {"held": "yes"})
    task_of(support, answer)
    assert admin.get(answer.headers["location"]).status_code == HTTPStatus.NOT_FOUND


def test_a_copy_is_handed_out_as_it_came(world: World) -> None:
    browser, viewer = world.browser("accountant"), world.browser("viewer")
    ((sha, name),) = world.rows("SELECT sha256, name FROM files WHERE name = 'cut.xml'")
    answer = browser.get(f"/archive/{sha}", params={"name": 'ч"\n.xml'})
    assert answer.content == world.site.client.archive.read(sha)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%D1%87%22%0A")
    assert viewer.get(f"/archive/{sha}").status_code == HTTPStatus.FORBIDDEN
    for wrong in ("0" * 64, "../../config.yaml", sha.upper(), sha[:10]):
        assert browser.get(f"/archive/{wrong}").status_code == HTTPStatus.NOT_FOUND, wrong
    assert ("accountant", f"sha:{sha[:12]}") in world.rows("SELECT who, subject FROM audit WHERE act = 'download'")
    assert name in browser.get("/archive", params={"q": "cut"}).text
    assert "No file came in this period." in browser.get("/archive", params={"until": "2020-01-01"}).text


# --- jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_tell_their_runs_with_a_plot(looked_at: World) -> None:
    browser = looked_at.browser("viewer")
    assert 'href="/jobs/catalogue"' in browser.get("/jobs").text
    page = browser.get("/jobs/orders").text
    assert 'aria-label="How long the runs took"' in page
    assert "quarantined: 1" in page
    assert browser.get("/jobs/nonsense").status_code == HTTPStatus.NOT_FOUND


def test_a_job_is_asked_for_paused_and_let_go(world: World) -> None:
    browser = world.browser("support")
    ledger = world.site.client.ledger
    assert browser.post("/jobs/orders/run").headers["location"] == "/jobs/orders"
    assert asking.standing(ledger).now == {"orders": "support"}
    assert "Asked for by support" in browser.get("/jobs/orders").text
    browser.post("/jobs/orders/pause", {"why": "the shop moves"})
    assert asking.standing(ledger).paused["orders"].why == "the shop moves"
    assert "the shop moves" in browser.get("/jobs/orders").text
    browser.post("/jobs/orders/resume")
    assert asking.standing(ledger).paused == {}
    acts = [row[0] for row in world.rows("SELECT act FROM audit WHERE subject = 'job:orders' ORDER BY id")]
    assert acts == ["run", "pause", "resume"]


def test_a_dry_run_changes_nothing(world: World) -> None:
    browser = world.browser("admin")
    ((before,),) = world.rows("SELECT count(*) FROM runs")
    page = task_of(browser, browser.post("/jobs/catalogue/dry-run"))
    assert "nothing was changed" in page
    assert world.rows("SELECT count(*) FROM runs") == [(before,)]


def test_every_act_that_is_written_down_has_its_words() -> None:
    import re
    from pathlib import Path

    import pipeline
    from pipeline.web.pages.audit import ACTS

    told = set()
    for path in Path(pipeline.__file__).parent.rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        told |= set(re.findall(r'site\.record\([^()]*(?:\([^()]*\)[^()]*)?, "([a-z-]+)"', code))
        told |= set(re.findall(r'act="([a-z-]+)"', code)) if "people.record(" in code else set()
    assert {"login", "report", "support-bundle", "user-removed", "pc-invited"} <= told
    assert told <= set(ACTS)


def test_looks_at_an_inbox_that_found_nothing_do_not_fill_the_history(world: World) -> None:
    from datetime import timedelta

    from pipeline.engine.shown.runs import runs_of
    from pipeline.ledger.tables import runs

    client = world.site.client
    at = client.clock.now()
    rows: list[dict[str, Any]] = [
        {"client": "acme", "job": "orders", "trigger": "watch", "state": "done", "counts": None}
        | {"started": at + timedelta(seconds=n), "ended": at + timedelta(seconds=n + 1)}
        for n in range(70)
    ]
    rows.append({**rows[-1], "counts": {"created": 3}})
    rows.append({**rows[-1], "state": "failed", "counts": None})
    with client.ledger.begin() as conn:
        conn.execute(runs.insert(), rows)
    found = runs_of(client, "orders", 60, idle=False)
    assert [row["trigger"] for row in found] == ["watch", "watch", "person"]
    assert len(runs_of(client, "orders", 60)) == 60
    viewer = world.browser("viewer")
    page = viewer.get("/jobs/orders").text
    assert page.count('<th scope="row">') == 3
    assert "Looks that found nothing are left out." in page
    assert viewer.get("/jobs/orders?every=true").text.count('<th scope="row">') == 60
    assert "found nothing" not in viewer.get("/jobs/catalogue").text
