"""The pages in a real browser: what people do with them, by mouse, by keyboard, on a phone, without JavaScript."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from pipeline.ledger.invitations import invited
from tests.e2e.command import here
from tests.web.conftest import PASSWORD, World
from tests.web.live import served

CHROMIUM = "/usr/bin/chromium"
#: Pictures of the pages are written there when this names a folder.
PICTURES = os.environ.get("MISTOK_PICTURES", "")
#: The pictures of docs/dashboard.md are made anew there: MISTOK_SHOTS=docs/images uv run pytest tests/web -k shuts
SHOTS = os.environ.get("MISTOK_SHOTS", "")
SHOWN = {(name, "light") for name in ("today", "report", "order", "card", "access")} | {("orders", "phone")}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium(require: Callable[[str], str]) -> Iterator[Browser]:
    program = require("chromium")
    with sync_playwright() as playwright:
        # a container has no user namespaces for its sandbox, and little shared memory
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def busy(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A client's page that the tests of this file work on, one after the other."""
    folder = tmp_path_factory.mktemp("busy") / "copy"
    shutil.copytree(finished, folder)
    with ExitStack() as stack:
        world = World(folder, stack)
        yield world, stack.enter_context(served(world.site))


@pytest.fixture
def context(chromium: Browser, busy: tuple[World, str]) -> Iterator[Callable[..., BrowserContext]]:
    """Makes somebody's browser; what its pages complain of fails the test."""
    said: list[str] = []
    with ExitStack() as stack:

        def make(name: str = "", **options: Any) -> BrowserContext:
            made = chromium.new_context(base_url=busy[1], locale="en", reduced_motion="reduce", **options)
            stack.callback(made.close)
            made.on("weberror", lambda error: said.append(str(error.error)))
            made.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            if name:
                log_in(made.new_page(), name)
            return made

        yield make
    assert said == []


def log_in(page: Page, name: str) -> Page:
    page.goto("/login")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("header .name")).to_contain_text(name)
    return page


def held(world: World, file: str) -> tuple[int, str, str]:
    ((row, number, phone),) = world.rows(
        f"SELECT o.id, o.number, o.phone FROM orders o JOIN files f ON f.id = o.file_id WHERE f.name = '{file}'"
    )
    return int(row), str(number), str(phone)


def test_an_order_is_found_and_replayed_in_three_clicks(
    context: Callable[..., BrowserContext], busy: tuple[World, str]
) -> None:
    """By number, phone or file, in one search; held for a product that has been added to the books meanwhile."""
    world = busy[0]
    row, number, phone = held(world, "unknown-product.xml")
    page = context("support").pages[0]
    search = page.get_by_role("searchbox", name="Order, phone, customer or file")
    heading, link = page.get_by_role("heading", level=1), page.get_by_role("link", name=f"№{number}")
    for words in (phone, phone[-7:], "unknown-product.xml"):
        page.goto("/")
        search.fill(words)
        page.get_by_role("button", name="Find").click()
        expect(heading.filter(has_text=number).or_(link.first)).to_be_visible()
    page.goto("/")
    search.fill(number)
    page.get_by_role("button", name="Find").click()  # one
    expect(heading).to_contain_text(number)
    expect(page.locator("tr.marked")).to_contain_text("<code>")
    page.get_by_role("button", name="Replay…").click()
    expect(page.get_by_text(f"№{number} would stay held")).to_be_visible()
    expect(page.get_by_text("Nothing would be changed.")).to_be_visible()
    expect(page.get_by_role("button", name="Do it")).to_have_count(0)  # there is nothing to be done
    table = world.folder / "new.csv"
    table.write_text("code;name_uk-UA;unit;price;currency\nНЕМА-ТАКОГО-77;Фарба;шт;250;UAH\n", encoding="utf-8")
    said = here("--config", world.folder / "config.yaml", "books", "load", table)
    assert said.code == 0, said.all
    page.goto(f"/orders/{row}")
    page.get_by_role("button", name="Replay…").click()  # two
    expect(page.get_by_text("1 thing would be done. Nothing was changed yet.")).to_be_visible()
    assert world.rows(f"SELECT state FROM orders WHERE id = {row}") == [("held",)]
    page.get_by_role("button", name="Do it").click()  # three
    expect(page.get_by_text("It is done. This has come of it:")).to_be_visible(timeout=30_000)
    expect(page.locator(".finding.outcome-created")).to_contain_text(number)
    ((state, document),) = world.rows(f"SELECT state, document_number FROM orders WHERE id = {row}")
    assert state == "created"
    page.goto(f"/orders/{row}")
    expect(page.locator(".facts .state.created")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text(document)
    expect(page.get_by_role("main")).to_contain_text("support")  # who has done it
    # once more: it is done, and is not done twice
    page.get_by_role("button", name="Replay…").click()
    expect(page.get_by_text("Nothing would be changed.")).to_be_visible()


def test_a_card_is_answered_and_its_order_goes_on(
    context: Callable[..., BrowserContext], busy: tuple[World, str]
) -> None:
    _row, number, _phone = held(busy[0], "totals-disagree.xml")
    page = context("accountant").pages[0]
    page.get_by_role("link", name="Cards", exact=True).click()
    page.get_by_role("row", name=re.compile(number)).get_by_role("link").first.click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text(f"№{number} → document")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name=f"№{number}").click()
    expect(page.locator(".facts .state.created")).to_be_visible()


def test_everything_is_reached_by_the_keyboard(context: Callable[..., BrowserContext]) -> None:
    page = context().new_page()
    page.goto("/login")
    for words in ("admin", PASSWORD):  # the name has the focus
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Today")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    seen = set()
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name"))
    assert {"Today", "Orders", "Cards", "Archive", "Jobs", "Find", "q", "Log out"} <= seen


def test_without_javascript_it_is_read_and_acts_work(
    context: Callable[..., BrowserContext], busy: tuple[World, str]
) -> None:
    page = context("admin", java_script_enabled=False).pages[0]
    page.goto("/jobs/catalogue")
    page.click("text=Dry run")
    page.wait_for_url("**/tasks/*")
    for _ in range(20):
        if "under way" not in page.content():
            break
        page.reload()
    assert "nothing was changed" in page.content()
    row, number, _phone = held(busy[0], "unknown-product.xml")
    page.goto(f"/orders/{row}")
    assert number in page.inner_text("h1")


@pytest.mark.full
def test_every_page_is_read_without_javascript(context: Callable[..., BrowserContext], numbers: dict[str, Any]) -> None:
    page = context("admin", java_script_enabled=False, viewport=PHONE).pages[0]
    for name, address in PAGES:
        answer = page.goto(address.format_map(numbers))
        assert answer is not None
        assert answer.ok, name
        assert len(page.inner_text("main")) > 40, name
        assert page.inner_text("h1").strip(), name


def test_what_is_open_brings_itself_up_to_date(context: Callable[..., BrowserContext], busy: tuple[World, str]) -> None:
    page = context("viewer").pages[0]
    page.goto("/jobs/orders")
    expect(page.get_by_text("paused by anna")).to_have_count(0)
    from pipeline.engine import asking

    ledger = busy[0].site.client.ledger
    asking.pause(ledger, "orders", by="anna")
    expect(page.get_by_text("paused by anna")).to_be_visible(timeout=20_000)
    asking.resume(ledger, "orders", by="anna")


#: Every page, as (name, address); ``{order}`` and the like are numbers of the world.
PAGES = (
    ("today", "/"),
    ("report", "/report/{day}"),
    ("orders", "/orders"),
    ("order", "/orders/{order}"),
    ("file", "/files/{file}"),
    ("cards", "/cards"),
    ("card", "/cards/{card}"),
    ("letter", "/cards/{card}/letter"),
    ("archive", "/archive"),
    ("jobs", "/jobs"),
    ("job", "/jobs/orders"),
    ("catalogues", "/catalogue"),
    ("catalogue", "/catalogue/catalogue/0"),
    ("sync", "/sync"),
    ("config", "/config"),
    ("access", "/access"),
    ("support", "/support"),
    ("audit", "/audit"),
)


@pytest.fixture(scope="module")
def numbers(busy: tuple[World, str]) -> dict[str, Any]:
    ((card, file),) = busy[0].rows(
        "SELECT c.id, f.id FROM cards c JOIN files f ON f.id = c.file_id WHERE f.name = 'cut.xml'"
    )
    site = busy[0].site
    invited(site.client.ledger, "accounts-1", by="admin")  # a row of each kind in the tables of who is let in
    day = site.now().astimezone(site.client.config.zone).date()  # what came late, waits, was rejected: all its tables
    return {"order": held(busy[0], "unknown-product.xml")[0], "file": file, "card": card, "day": day.isoformat()}


#: The rules of WCAG 2.1, levels A and AA.
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
#: Colours come from one style sheet: without MISTOK_FULL, contrast is measured on the pages that have them all.
COLOURLESS = {**LEVELS, "rules": {"color-contrast": {"enabled": False}}}
COLOURFUL = ("today", "card", "report", "access")


@pytest.mark.full
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_no_page_shuts_anybody_out(context: Callable[..., BrowserContext], numbers: dict[str, Any], look: str) -> None:
    """axe-core finds nothing serious; nothing is wider than the screen."""
    options: dict[str, Any] = {"color_scheme": "dark" if look == "dark" else "light"}
    if look == "phone":
        options |= {"viewport": PHONE, "has_touch": True}
    made = context("admin", **options)
    page, axe, found = made.pages[0], Axe(), {}
    whole = bool(os.environ.get("MISTOK_FULL") or PICTURES or SHOTS)
    chosen = PAGES if whole or look != "dark" else [one for one in PAGES if one[0] in COLOURFUL]
    for name, address in chosen:
        page.goto(address.format_map(numbers))
        if look != "phone":
            rules = LEVELS if whole or name in COLOURFUL else COLOURLESS
            seen = axe.run(page, options=rules).response
            assert seen["passes"], name  # it has looked
            wrong = seen["violations"]
            told = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in wrong]
            if told:
                found[name] = told
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[f"{name} is too wide"] = []
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"web-{name}-{look}.png", full_page=True)
        if SHOTS and (name, look) in SHOWN:
            if name == "report":
                page.goto("/report/2026-11-21")  # the day of most of the samples' orders, with its sums
            page.screenshot(path=Path(SHOTS) / f"page-{name}.png")
    assert found == {}


def test_words_of_ukrainian_are_whole_and_fit(
    context: Callable[..., BrowserContext], numbers: dict[str, Any], busy: tuple[World, str]
) -> None:
    """Its words are longer: tables stay within the screen, and no word of a heading or a state is cut into letters."""
    made = context("admin", viewport={"width": 1280, "height": 800})
    made.add_cookies([{"name": "mistok_language", "value": "uk", "url": busy[1]}])
    page, found = made.pages[0], {}
    for name in ("report", "orders", "jobs", "access"):
        address = dict(PAGES)[name]
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(address.format_map(numbers))
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found[f"{name} {width}"] = "is too wide"
            if cut := page.evaluate(CUT):
                found[f"{name} {width} words"] = cut
    assert found == {}


#: Words of headings and states that stand on two lines.
CUT = """() => [...document.querySelectorAll('.rows thead th, .state, .rows .whole')].flatMap(cell => {
  const head = cell.closest('thead');
  if (head && getComputedStyle(head).position === 'absolute') return [];
  const words = [], walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) for (const found of walk.currentNode.data.matchAll(/[^\\s-]+/g)) {
    const range = document.createRange();
    range.setStart(walk.currentNode, found.index);
    range.setEnd(walk.currentNode, found.index + found[0].length);
    if (new Set([...range.getClientRects()].map(one => Math.round(one.top))).size > 1) words.push(found[0]);
  }
  return words;
})"""


def test_what_an_open_page_fetches_by_itself_says_so(context: Callable[..., BrowserContext]) -> None:
    page = context("viewer").pages[0]
    page.goto("/jobs")
    asked = """name => {
        const elt = document.querySelector(name), detail = {elt, headers: {}};
        elt.dispatchEvent(new CustomEvent("htmx:configRequest", {bubbles: true, detail}));
        return detail.headers;
    }"""
    assert page.evaluate(asked, "#live") == {"Mistok-Live": "1"}
    assert page.evaluate(asked, "main") == {}
