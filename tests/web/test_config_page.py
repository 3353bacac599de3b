"""The config page and the log: what changed when, which run used which, secrets masked; who did what."""

from __future__ import annotations

from contextlib import ExitStack
from http import HTTPStatus

from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, run_job
from pipeline.web.access import Person, Role
from tests.web.conftest import World


def test_changes_of_the_config_are_told_with_the_runs_that_used_it(world: World) -> None:
    path = world.folder / "config.yaml"
    text = path.read_text(encoding="utf-8")
    (world.folder / "word").write_text("s3cret-word", encoding="utf-8")
    text = text.replace("every: 10m", "every: 7m").replace(
        "connections:\n", "connections:\n  far: {type: sftp, host: far.example, user: x, password: '${file:word}'}\n"
    )
    path.write_text(text, encoding="utf-8")
    run_job(load_config(path), "catalogue", RunOptions())
    with ExitStack() as stack:
        again = World(world.folder, stack)
        page = again.browser("support").get("/config").text
        assert "s3cret-word" not in page
        assert "host: far.example" in page
        assert "+    every: PT7M" in page
        assert "-    every: PT10M" in page
        assert page.count('scope="row"') == 2  # one config for the first two runs, another one since
        assert again.browser("accountant").get("/config").status_code == HTTPStatus.FORBIDDEN


def test_the_log_tells_who_did_what_and_is_the_administrators(world: World) -> None:
    support, admin = world.browser("support", at="192.0.2.7"), world.browser("admin")
    support.post("/jobs/orders/pause", {"why": "<b>moving</b>"})
    page = admin.get("/audit", params={"by": "SUPPORT"}).text
    assert "pause a job" in page
    assert "192.0.2.7" in page
    assert "&lt;b&gt;moving&lt;/b&gt;" in page
    assert page.count('scope="row"') == 2
    for _ in range(101):
        world.site.record(_admin(), "run", "job:orders")
    older = admin.get("/audit").text
    assert "Older ones" in older
    assert admin.get("/audit", params={"below": "x"}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert support.get("/audit").status_code == HTTPStatus.FORBIDDEN


def _admin() -> Person:
    return Person("admin", Role.ADMIN, "127.0.0.1", "")
