"""The page *Report*: a chosen day, and its workbook."""

from __future__ import annotations

from io import BytesIO

import openpyxl

from tests.web.conftest import World

DAY = "2026-11-21"  # of the samples' orders


def test_a_day_is_shown_with_what_waits(looked_at: World) -> None:
    browser = looked_at.browser("accountant")
    page = browser.get(f"/report/{DAY}")
    assert page.status_code == 200
    assert "Shop and books" in page.text
    assert 'href="/cards/' in page.text
    assert f'href="/report/{DAY}.xlsx"' in page.text
    assert browser.get(f"/report?day={DAY}").headers["location"] == f"/report/{DAY}"
    assert browser.get("/report").status_code == 200


def test_the_workbook_comes_whole_and_is_written_down(looked_at: World) -> None:
    answer = looked_at.browser("accountant").get(f"/report/{DAY}.xlsx")
    assert answer.status_code == 200
    assert f'filename="report-{DAY}.xlsx"' in answer.headers["content-disposition"]
    book = openpyxl.load_workbook(BytesIO(answer.content))
    names = [row[2].value for row in book["Waiting orders"].iter_rows() if row[0].value]
    assert any(names)
    assert ("report", f"day:{DAY}") in looked_at.rows("SELECT act, subject FROM audit")


def test_a_viewer_sees_no_names(looked_at: World) -> None:
    people = [name for (name,) in looked_at.rows("SELECT customer FROM orders WHERE customer IS NOT NULL")]
    assert people
    browser = looked_at.browser("viewer")
    page = browser.get(f"/report/{DAY}")
    assert page.status_code == 200
    assert not any(name in page.text for name in people)
    book = openpyxl.load_workbook(BytesIO(browser.get(f"/report/{DAY}.xlsx").content))
    cells = {str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value}
    assert not cells & set(people)


def test_what_is_no_day_is_no_page(looked_at: World) -> None:
    browser = looked_at.browser("accountant")
    for word in ("2026-02-30", "tomorrow", "2999-01-01", "0001-01-01"):
        assert browser.get(f"/report/{word}").status_code == 404
        assert browser.get(f"/report/{word}.xlsx").status_code == 404
    assert looked_at.browser().get(f"/report/{DAY}").status_code == 303, "to the log-in"
