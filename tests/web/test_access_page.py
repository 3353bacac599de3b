"""PCs and users on the page: invited with what is shown once, changed, let in no more, and all of it written down."""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus

import pytest

from pipeline.config.model import WebConfig, WebProxy
from pipeline.ledger import pcs, people
from pipeline.web.welcome import HOLDS
from tests.web.conftest import PASSWORD, Browser, World, secret
from tests.web.test_access import Clock


def token_of(html: str) -> str:
    found = re.search(r'<code class="secret">([^<]+)</code>', html)
    assert found, html[:3000]
    return found[1]


def acts(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT who, act, subject FROM audit WHERE act LIKE 'pc-%' OR act LIKE 'user-%' ORDER BY id")


def test_a_pc_is_invited_seen_and_revoked(world: World) -> None:
    support = world.browser("support")
    assert "No PC is invited yet." in support.get("/access").text
    page = support.post("/access/pcs", {"name": "Бухгалтерія-1"}).text
    token = token_of(page)
    assert "mistok alerts --server http://testserver --install" in page
    assert token not in support.get("/access").text, "shown once"
    assert support.http.get("/alerts/me", headers={"authorization": f"Bearer {token}"}).status_code != 401
    again = support.post("/access/pcs", {"name": "бухгалтерія-1"}).text
    assert "counts no more" in again
    ledger = world.site.client.ledger
    with ledger.begin() as conn:
        row = pcs.by_name(conn, "acme", "бухгалтерія-1")
        assert row is not None
        pcs.touch(conn, row["id"], ledger.clock.now(), address="10.0.0.7", program="mistok 0.1")
    shown = support.get("/access").text
    assert "follows" in shown
    assert "10.0.0.7" in shown
    assert support.post("/access/pcs/revoke", {"name": "бухгалтерія-1"}).status_code == HTTPStatus.SEE_OTHER
    assert "revoked" in support.get("/access").text
    assert support.post("/access/pcs/revoke", {"name": "nobody"}).status_code == HTTPStatus.NOT_FOUND
    assert support.post("/access/pcs", {"name": "a b"}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert acts(world) == [
        ("support", "pc-invited", "бухгалтерія-1"),
        ("support", "pc-invited", "бухгалтерія-1"),
        ("support", "pc-revoked", "бухгалтерія-1"),
    ]


def test_an_invited_user_chooses_a_password_by_a_link_that_works_once(world: World) -> None:
    admin = world.browser("admin")
    link = token_of(admin.post("/access/users", {"name": "Олена", "role": "accountant"}).text)
    assert link.startswith("http://testserver/welcome/")
    assert "has not chosen a password yet" in admin.get("/access").text
    where = link.removeprefix("http://testserver")
    ((kept,),) = world.rows("SELECT value FROM \"values\" WHERE kind = 'web-welcome'")
    assert where.partition("-")[2] not in str(kept), "its hash only"
    olena = world.browser()
    olena.csrf = secret(olena.get(where).text)
    assert olena.post(where, {"password": "short", "again": "short"}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    fields = {"password": PASSWORD, "again": PASSWORD}
    assert olena.post(where, {**fields, "again": "another"}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert olena.post(where, {**fields, "csrf": "wrong"}).status_code == HTTPStatus.FORBIDDEN
    assert olena.post(where, fields).headers["location"] == "/"
    assert "accountant" in olena.get("/").text
    assert world.browser().get(where).headers["location"].startswith("/login"), "used"
    assert world.browser().log_in("олена").status_code == HTTPStatus.SEE_OTHER
    assert acts(world) == [("admin", "user-invited", "олена"), ("олена", "user-joined", "олена")]


def test_a_new_link_is_for_one_who_forgot_and_the_one_before_counts_no_more(world: World) -> None:
    clock = Clock(world)
    admin, viewer = world.browser("admin"), world.browser("viewer")
    first = token_of(admin.post("/access/users", {"name": "viewer", "role": "admin"}).text)
    second = token_of(admin.post("/access/users", {"name": "viewer", "role": "admin"}).text)
    nobody = world.browser()
    assert nobody.get(f"/welcome/{first.rpartition('/')[2]}").status_code == HTTPStatus.SEE_OTHER
    where = f"/welcome/{second.rpartition('/')[2]}"
    assert viewer.get("/").status_code == HTTPStatus.OK, "the old password counts until then"
    nobody.csrf = secret(nobody.get(where).text)
    nobody.post(where, {"password": "another long password", "again": "another long password"})
    assert nobody.get("/access").status_code == HTTPStatus.FORBIDDEN, "the role is what it was"
    assert viewer.get("/").status_code == HTTPStatus.SEE_OTHER, "out with the old password"
    assert viewer.log_in("viewer").status_code == HTTPStatus.UNAUTHORIZED
    late = token_of(admin.post("/access/users", {"name": "viewer"}).text).rpartition("/")[2]
    clock.later += HOLDS + timedelta(seconds=1)
    assert nobody.get(f"/welcome/{late}").status_code == HTTPStatus.SEE_OTHER
    for guess in ("x", "1-", "1-guess", "99999-guess", "²-x", "9" * 400 + "-x"):
        assert nobody.get(f"/welcome/{guess}").status_code == HTTPStatus.SEE_OTHER


def test_the_link_of_one_who_was_removed_opens_nothing_for_another(world: World) -> None:
    admin = world.browser("admin")
    link = token_of(admin.post("/access/users", {"name": "gone", "role": "admin"}).text).rpartition("/")[2]
    assert admin.post("/access/users/remove", {"name": "gone"}).status_code == HTTPStatus.SEE_OTHER
    ledger = world.site.client.ledger
    with ledger.begin() as conn:  # SQLite gives its number to the next one
        now = ledger.clock.now() + timedelta(seconds=1)
        number, _new = people.keep(conn, "acme", "gone", role="admin", password=None, now=now)
    assert link.startswith(f"{number}-")
    assert world.browser().get(f"/welcome/{link}").status_code == HTTPStatus.SEE_OTHER


def test_a_role_is_changed_and_nobody_locks_oneself_out(world: World) -> None:
    admin, viewer = world.browser("admin"), world.browser("viewer")
    assert admin.post("/access/users/role", {"name": "Viewer", "role": "support"}).status_code == HTTPStatus.SEE_OTHER
    assert viewer.get("/").status_code == HTTPStatus.SEE_OTHER, "logs in anew"
    for path, fields in (("role", {"role": "viewer"}), ("remove", {})):
        answer = admin.post(f"/access/users/{path}", {"name": "Admin", **fields})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "another administrator" in answer.text
        assert admin.post(f"/access/users/{path}", {"name": "none", "role": "viewer"}).status_code == 404
    assert admin.post("/access/users", {"name": "new", "role": "king"}).status_code == HTTPStatus.CONFLICT
    assert ("new",) not in world.rows("SELECT name FROM users")
    assert world.rows("SELECT name, role FROM users WHERE name IN ('admin', 'viewer') ORDER BY name") == [
        ("admin", "admin"),
        ("viewer", "support"),
    ]


@pytest.mark.parametrize("role", ["viewer", "accountant", "support"])
def test_others_see_and_do_only_what_is_theirs(looked_at: World, role: str) -> None:
    browser = looked_at.browser(role)
    may = role == "support"
    assert (browser.get("/access").status_code == HTTPStatus.OK) is may
    assert (browser.get("/support").status_code == HTTPStatus.OK) is may
    if may:
        assert "Users of this page" not in browser.get("/access").text
    else:
        assert browser.post("/access/pcs", {"name": "mine"}).status_code == HTTPStatus.FORBIDDEN
        assert browser.post("/access/pcs/revoke", {"name": "mine"}).status_code == HTTPStatus.FORBIDDEN
        assert browser.post("/support/bundle").status_code == HTTPStatus.FORBIDDEN
    for path in ("users", "users/role", "users/remove"):
        answer = browser.post(f"/access/{path}", {"name": "mine", "role": "admin"})
        assert answer.status_code == HTTPStatus.FORBIDDEN, path


def test_where_a_proxy_logs_in_no_password_is_chosen(world: World) -> None:
    world.site.settings = WebConfig(proxy=WebProxy(trusted=("10.0.0.0/8",), user_header="X-Remote-User"))
    browser = world.browser(at="10.1.2.3")
    browser.http.headers["X-Remote-User"] = "admin"
    browser.csrf = secret(browser.get("/access").text)
    page = browser.post("/access/users", {"name": "anna", "role": "viewer"}).text
    assert "The reverse proxy logs it in." in page
    assert "/welcome/" not in page
    assert ("anna", "viewer") in world.rows("SELECT name, role FROM users")


def _log(browser: Browser) -> str:
    return browser.get("/audit").text


def test_the_log_tells_of_it_in_words(world: World) -> None:
    admin = world.browser("admin")
    admin.post("/access/users", {"name": "anna", "role": "accountant"})
    shown = _log(admin)
    assert "invite a user" in shown
    assert "role: accountant" in shown
