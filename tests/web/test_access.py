"""Who gets in, who does not, what they may do, and what is written down of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from pipeline.config.model import WebConfig, WebProxy
from pipeline.web import limits
from pipeline.web.access import RIGHTS, Right, Role
from pipeline.web.guard import HEADERS
from pipeline.web.names import name_trouble
from pipeline.web.passwords import Passwords, trouble
from pipeline.web.proxy import address_of, is_https, named_user
from pipeline.web.setup import make_setup
from tests.web.conftest import CHEAP, PASSWORD, Browser, World, secret

PROXY = WebProxy(trusted=("10.0.0.0/8",), user_header="X-Remote-User")


# --- logging in ------------------------------------------------------------------------------------------------------


def test_nobody_sees_anything_before_logging_in(looked_at: World) -> None:
    nobody = looked_at.browser()
    for path in ("/", "/orders", "/orders/1", "/files/1"):
        answer = nobody.get(path)
        assert answer.status_code == HTTPStatus.SEE_OTHER, path
        assert answer.headers["location"].startswith("/login"), path
    assert "acme" in nobody.get("/login").text


def test_a_page_that_was_asked_for_is_shown_after_the_login(looked_at: World) -> None:
    nobody = looked_at.browser()
    assert nobody.get("/orders?q=42").headers["location"] == "/login?next=%2Forders%3Fq%3D42"
    page = nobody.get("/login?next=%2Forders%3Fq%3D42").text
    answer = nobody.post(
        "/login", {"csrf": secret(page), "name": "viewer", "password": PASSWORD, "next": "/orders?q=42"}
    )
    assert answer.headers["location"] == "/orders?q=42"


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", "\\\\evil"]
)
def test_a_link_leads_nobody_to_another_site(looked_at: World, to: str) -> None:
    nobody = looked_at.browser()
    page = nobody.get("/login").text
    answer = nobody.post("/login", {"csrf": secret(page), "name": "viewer", "password": PASSWORD, "next": to})
    assert answer.headers["location"] == "/"


def test_the_cookie_is_for_this_page_alone_and_the_ledger_has_its_hash_only(world: World) -> None:
    answer = world.browser().log_in("Accountant")  # names differ in more than case
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = cookie.partition("mistok=")[2].partition(";")[0]
    ((kept, csrf),) = world.rows("SELECT token, csrf FROM sessions")
    assert token not in (kept, csrf)
    assert len(kept) == 64


def test_with_https_the_cookie_goes_by_https_only(world: World) -> None:
    answer = world.browser(https=True).log_in("admin")
    assert any(one.startswith("__Host-mistok=") and "Secure" in one for one in answer.headers.get_list("set-cookie"))
    assert "strict-transport-security" in answer.headers


def test_wrong_names_and_wrong_passwords_look_alike(world: World) -> None:
    said = set()
    for name, password in (("admin", "something else"), ("nobody", PASSWORD), ("", "")):
        answer = world.browser().log_in(name, password)
        assert answer.status_code == HTTPStatus.UNAUTHORIZED
        said.add("The name or the password is wrong." in answer.text)
    assert said == {True}
    assert world.rows("SELECT who, act, outcome FROM audit ORDER BY id") == [
        ("admin", "login", "refused"),
        ("nobody", "login", "refused"),
        ("?", "login", "refused"),
    ]


def test_logging_out_ends_the_session_for_whoever_has_the_cookie(world: World) -> None:
    browser = world.browser("viewer")
    kept = dict(browser.http.cookies)
    assert browser.post("/logout").headers["location"] == "/login"
    browser.http.cookies.update(kept)
    assert browser.get("/").status_code == HTTPStatus.SEE_OTHER


class Clock:
    """Stands where it is put."""

    def __init__(self, world: World) -> None:
        self._real = world.site.client.clock
        self.later = timedelta(0)
        world.site.client.clock = world.site.client.ledger.clock = self

    def now(self) -> datetime:
        return self._real.now() + self.later

    def sleep(self, seconds: float) -> None:
        self.later += timedelta(seconds=seconds)


def test_a_session_ends_by_itself(world: World) -> None:
    clock = Clock(world)
    browser = world.browser("viewer")
    for _ in range(6):  # used all along
        clock.later += timedelta(hours=1, minutes=55)
        assert browser.get("/").status_code == HTTPStatus.OK
    clock.later += timedelta(hours=1)  # longer than anybody stays logged in
    assert browser.get("/").status_code == HTTPStatus.SEE_OTHER
    idle = world.browser("viewer")
    clock.later += timedelta(hours=2, seconds=1)
    assert idle.get("/").status_code == HTTPStatus.SEE_OTHER


def test_an_open_page_that_keeps_itself_up_to_date_is_no_use_of_the_session(world: World) -> None:
    clock = Clock(world)
    browser = world.browser("viewer")
    mine = {"HX-Request": "true", "Mistok-Live": "1"}
    for _ in range(3):
        clock.later += timedelta(minutes=39)
        assert browser.get("/", headers=mine).status_code == HTTPStatus.OK
    clock.later += timedelta(minutes=4)
    answer = browser.get("/", headers=mine)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (HTTPStatus.UNAUTHORIZED, "/login")


def test_somebody_who_is_removed_or_given_another_role_is_out_at_once(world: World) -> None:
    from pipeline.ledger import people

    gone, other = world.browser("viewer"), world.browser("support")
    ledger = world.site.client.ledger
    with ledger.begin() as conn:
        people.remove(conn, "acme", "viewer")
        people.keep(conn, "acme", "support", role="viewer", password=None, now=ledger.clock.now())
    assert gone.get("/").status_code == other.get("/").status_code == HTTPStatus.SEE_OTHER
    assert other.log_in("support").status_code == HTTPStatus.SEE_OTHER


# --- guessing --------------------------------------------------------------------------------------------------------


def test_passwords_cannot_be_guessed_for_long(world: World) -> None:
    clock = Clock(world)
    browser = world.browser()
    for _ in range(limits.EACH):
        assert browser.log_in("admin", "wrong").status_code == HTTPStatus.UNAUTHORIZED
    answer = browser.log_in("admin")  # the right one
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert "15 minutes" in answer.text
    assert world.browser().log_in("viewer").status_code == HTTPStatus.SEE_OTHER  # another name may
    clock.later += limits.WINDOW
    assert browser.log_in("admin").status_code == HTTPStatus.SEE_OTHER


def test_one_address_cannot_try_many_names_nor_many_addresses_one_name(world: World) -> None:
    attempts = world.site.attempts
    for n in range(limits.ADDRESS):
        attempts.failed(f"name-{n}", "10.1.1.1")
    assert attempts.wait("fresh", "10.1.1.1")
    assert attempts.wait("fresh", "10.1.1.2") is None
    for n in range(limits.NAME):
        attempts.failed("admin", f"10.2.0.{n}")
    assert attempts.wait("ADMIN", "10.3.0.1")


# --- forms -----------------------------------------------------------------------------------------------------------


def test_a_form_that_was_not_sent_by_the_page_does_nothing(world: World) -> None:
    browser = world.browser("admin")
    right = browser.csrf
    for csrf, headers in (
        ("", {}),
        ("wrong", {}),
        (right, {"sec-fetch-site": "cross-site"}),
        (right, {"sec-fetch-site": "same-site"}),
    ):
        browser.csrf = csrf
        assert browser.post("/logout", headers=headers).status_code == HTTPStatus.FORBIDDEN
    assert browser.get("/").status_code == HTTPStatus.OK
    stranger = world.browser()
    assert stranger.post("/login", {"name": "admin", "password": PASSWORD}).status_code == HTTPStatus.FORBIDDEN


def test_a_form_of_any_size_is_not_read(world: World) -> None:
    assert world.browser().post("/login", {"name": "x" * 300_000}).status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_every_answer_has_the_headers_that_keep_others_out(looked_at: World) -> None:
    browser = looked_at.browser("viewer")
    for path in ("/", "/login", "/nothing", "/static/mistok.css", "/api/openapi.json"):
        answer = browser.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert ("no-store" in answer.headers["cache-control"]) is (not path.startswith("/static")), path
    assert "script-src 'self'" in HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]
    assert "frame-ancestors 'none'" in HEADERS["content-security-policy"]


def test_no_template_has_a_script_or_a_style_of_its_own() -> None:
    import re

    from pipeline.web.render import HERE

    for path in (HERE / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|\|safe", text), path.name


# --- the first user --------------------------------------------------------------------------------------------------


def first(world: World) -> tuple[Browser, str]:
    from pipeline.ledger import people

    ledger = world.site.client.ledger
    with ledger.begin() as conn:
        for name in ("viewer", "accountant", "support", "admin"):
            people.remove(conn, "acme", name)
    return world.browser(), make_setup(ledger)


def test_the_first_user_is_made_by_a_link_that_works_once(world: World) -> None:
    browser, token = first(world)
    assert "mistok users add" in browser.get("/login").text
    browser.csrf = secret(browser.get(f"/setup/{token}").text)
    fields = {"name": "Олена", "password": PASSWORD, "again": PASSWORD}
    assert (
        browser.post(f"/setup/{token}", {**fields, "again": "another"}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    )
    assert browser.post(f"/setup/{token}", {**fields, "password": "short", "again": "short"}).status_code == 422
    assert browser.post(f"/setup/{token}", {**fields, "name": "a b"}).status_code == 422
    assert browser.post(f"/setup/{token}", fields).headers["location"] == "/"
    assert "олена" in browser.get("/").text
    assert world.rows("SELECT name, role FROM users") == [("олена", "admin")]
    again = world.browser()
    assert again.get(f"/setup/{token}").headers["location"].startswith("/login")


def test_the_link_of_the_first_user_gets_old_and_cannot_be_guessed(world: World) -> None:
    browser, token = first(world)
    assert browser.get("/setup/guess").status_code == HTTPStatus.SEE_OTHER
    clock = Clock(world)
    clock.later = timedelta(hours=24, seconds=1)
    assert browser.get(f"/setup/{token}").status_code == HTTPStatus.SEE_OTHER


# --- the reverse proxy -----------------------------------------------------------------------------------------------


def test_the_proxys_word_counts_from_the_proxy_only(world_with: Callable[[WebConfig], World]) -> None:
    world = world_with(WebConfig(proxy=PROXY))
    named = {"X-Remote-User": "Admin"}
    inside, outside = world.browser(at="10.1.2.3"), world.browser(at="192.0.2.1")
    assert "Log out" not in inside.get("/", headers=named).text
    assert inside.get("/", headers=named).status_code == HTTPStatus.OK
    assert outside.get("/", headers=named).status_code == HTTPStatus.SEE_OTHER
    assert inside.get("/").status_code == HTTPStatus.SEE_OTHER
    assert inside.get("/", headers={"X-Remote-User": "stranger"}).status_code == HTTPStatus.FORBIDDEN


def test_those_whom_the_proxy_names_have_the_role_that_the_config_says(
    world_with: Callable[[WebConfig], World],
) -> None:
    world = world_with(WebConfig(proxy=PROXY.model_copy(update={"role": "viewer"})))
    page = world.browser(at="10.1.2.3").get("/", headers={"X-Remote-User": "stranger"})
    assert page.status_code == HTTPStatus.OK
    assert "viewer" in page.text


def test_addresses_are_read_from_the_right() -> None:
    hops = {"x-forwarded-for": "6.6.6.6, 192.0.2.7, 10.0.0.9"}
    assert address_of("10.0.0.1", hops, PROXY) == "192.0.2.7"
    assert address_of("192.0.2.1", hops, PROXY) == "192.0.2.1"
    assert address_of("10.0.0.1", {}, PROXY) == "10.0.0.1"
    assert address_of("10.0.0.1", hops, None) == "10.0.0.1"
    assert named_user("10.0.0.1", {"x-remote-user": "a"}, WebProxy(trusted=("10.0.0.1",))) == ""
    assert is_https("http", "10.0.0.1", {"x-forwarded-proto": "https"}, PROXY)
    assert not is_https("http", "192.0.2.1", {"x-forwarded-proto": "https"}, PROXY)


# --- small rules -----------------------------------------------------------------------------------------------------


def test_each_role_may_what_its_work_needs() -> None:
    assert RIGHTS[Role.VIEWER] == {Right.SEE}
    assert Right.AUDIT in RIGHTS[Role.ADMIN]
    assert {role for role in Role if Right.APPROVE in RIGHTS[role]} == {Role.ACCOUNTANT, Role.ADMIN}
    assert {role for role in Role if Right.REPLAY in RIGHTS[role]} == {Role.SUPPORT, Role.ADMIN}


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "<b>", "a/b", "a\n"])
def test_some_names_nobody_can_have(name: str) -> None:
    assert name_trouble(name) is not None


def test_weak_passwords_are_refused_and_hashes_are_argon2() -> None:
    assert [
        bool(trouble(one, "mykola-pavlenko")) for one in ("short", "mykola-pavlenko", "aaaaaaaaaaaa", PASSWORD)
    ] == [True, True, True, False]
    assert trouble("x" * 257, "") is not None
    passwords = Passwords(CHEAP)
    kept = passwords.hashed(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert passwords.fits(kept, PASSWORD)
    assert not passwords.fits(kept, PASSWORD + " ")
    assert not passwords.fits(None, PASSWORD)
    assert not passwords.fits("nonsense", PASSWORD)
    assert Passwords().is_old(kept)
