"""The pages as they come without JavaScript: what stands there, for whom, in which language."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from tests.web.conftest import Browser, World


@pytest.fixture(scope="module")
def admin(looked_at: World) -> Browser:
    return looked_at.browser("admin")


@pytest.fixture(scope="module")
def viewer(looked_at: World) -> Browser:
    return looked_at.browser("viewer")


def test_today_tells_orders_sums_cards_and_runs(admin: Browser, looked_at: World) -> None:
    page = admin.get("/").text
    ((count,),) = looked_at.rows("SELECT count(*) FROM orders")
    assert f'<p class="big">{count}</p>' in page
    assert "UAH" in page
    assert "files in quarantine" in page
    assert "when a file comes" in page
    assert "<svg" in page
    assert 'aria-label="Orders by hour"' in page


def test_an_order_is_found_by_number_phone_customer_and_file(admin: Browser, looked_at: World) -> None:
    ((row, number, phone, customer, file),) = looked_at.rows(
        "SELECT o.id, o.number, o.phone, o.customer, f.name FROM orders o JOIN files f ON f.id = o.file_id "
        "WHERE o.state = 'created' AND o.phone IS NOT NULL AND o.customer IS NOT NULL ORDER BY o.id LIMIT 1"
    )
    for words in (number, phone, customer, file):
        answer = admin.get("/orders", params={"q": words})
        found = answer.headers.get("location") == f"/orders/{row}" or f'href="/orders/{row}"' in answer.text
        assert found, words


def test_the_story_of_an_order_has_its_lines_with_the_mistake_marked(admin: Browser, looked_at: World) -> None:
    ((row,),) = looked_at.rows("SELECT id FROM orders WHERE state = 'held' ORDER BY id LIMIT 1")
    page = admin.get(f"/orders/{row}").text
    assert 'class="marked"' in page
    assert "here is the mistake" in page
    assert "&lt;" in page  # the XML is shown, and is no part of the page
    assert "SHA-256" in page
    assert "held: waits for a person" in page
    assert "Card " in page


def test_a_quarantined_file_shows_its_mistakes(admin: Browser, looked_at: World) -> None:
    ((row, name),) = looked_at.rows("SELECT id, name FROM files WHERE state = 'quarantined' LIMIT 1")
    page = admin.get(f"/files/{row}").text
    assert name in page
    assert 'class="marked"' in page
    assert 'class="finding"' in page


def test_a_viewer_sees_no_names_and_cannot_look_for_them(viewer: Browser, looked_at: World) -> None:
    ((row, phone, customer),) = looked_at.rows(
        "SELECT id, phone, customer FROM orders WHERE phone IS NOT NULL AND customer IS NOT NULL ORDER BY id LIMIT 1"
    )
    for path in ("/", "/orders", f"/orders/{row}", "/files/1"):
        page = viewer.get(path)
        assert page.status_code == HTTPStatus.OK
        assert customer not in page.text, path
        assert phone not in page.text, path
        assert "&lt;order" not in page.text, path
    for words in (phone, customer):
        answer = viewer.get("/orders", params={"q": words})
        assert answer.status_code == HTTPStatus.OK
        assert "Nothing matches" in answer.text


@pytest.mark.parametrize(
    "path", ["/orders/0", "/orders/999999", f"/orders/{2**70}", "/files/-1", "/files/999", "/nothing"]
)
def test_what_is_not_there_is_said_so(admin: Browser, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert "There is no such page." in answer.text


def test_odd_words_are_only_words(admin: Browser) -> None:
    for words in ("<script>alert(1)</script>", "%", "'; --", "\x00", "№", "x" * 500):
        answer = admin.get("/orders", params={"q": words})
        assert answer.status_code in (HTTPStatus.OK, HTTPStatus.SEE_OTHER)
        assert "<script>alert" not in answer.text


def test_the_language_is_that_of_the_browser_or_what_was_chosen(looked_at: World) -> None:
    browser = looked_at.browser("viewer")
    assert "Сьогодні" in browser.get("/", headers={"accept-language": "uk-UA,uk;q=0.9,en;q=0.8"}).text
    assert '<html lang="uk">' in browser.get("/", headers={"accept-language": "de, uk;q=0.5, en;q=0.4"}).text
    assert '<html lang="en">' in browser.get("/", headers={"accept-language": "de;q=x"}).text  # the client's
    assert browser.get("/language/uk", params={"next": "/orders?q=1"}).headers["location"] == "/orders?q=1"
    assert '<html lang="uk">' in browser.get("/", headers={"accept-language": "en"}).text
    assert "set-cookie" not in browser.get("/language/de").headers
