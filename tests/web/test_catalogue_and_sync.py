"""Catalogues as the shop reads them, what differs between two of them, and why a stock is what it is."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, run_job
from pipeline.engine.shown.catalogues import difference
from pipeline.resources import samples
from tests.e2e.command import here
from tests.web.conftest import World
from tests.web.test_acts import task_of


def test_a_difference_is_told_by_the_column_that_names_the_rows() -> None:
    before = [("shop", "code", "price"), ("a", "1", "10"), ("a", "2", "20"), ("a", "3", "30")]
    after = [("shop", "code", "price", "unit"), ("a", "2", "25", "шт"), ("a", "3", "30", ""), ("a", "4", "1", "")]
    found = difference(before, after)
    assert (found.came, found.went) == (("4",), ("1",))
    assert [(one.key, one.cells) for one in found.changed] == [
        ("2", (("price", "20", "25"), ("unit", "", "шт"))),
        ("3", ()),
    ]
    assert not difference(before, before)
    assert not difference([], [])
    assert not difference([("a",), ("1",), ("1",)], [("a",), ("1",)])  # nothing names its rows


def _export_with(world: World, **changes: str) -> None:
    """Publish the catalogue again, with other prices in the books."""
    text = (samples() / "products.csv").read_text(encoding="utf-8")
    for before, after in changes.items():
        text = text.replace(f";{before.replace('_', '.').strip('p')};", f";{after};", 1)
    table = Path(world.folder) / "again.csv"
    table.write_text(text, encoding="utf-8")
    assert here("-c", world.folder / "config.yaml", "books", "load", table).code == 0
    run_job(load_config(world.folder / "config.yaml"), "catalogue", RunOptions())


def test_the_catalogue_is_shown_as_the_shop_reads_it_with_what_changed(world: World) -> None:
    viewer = world.browser("viewer")
    assert 'href="/catalogue/catalogue/0"' in viewer.get("/catalogue").text
    page = viewer.get("/catalogue/catalogue/0").text
    assert "There is no other one to compare it with." in page
    assert "<td>Ґрунт акриловий 4+1 сірий, 0,8 л</td>" in page
    assert "Download the copy" not in page
    assert "1 row" in viewer.get("/catalogue/catalogue/0", params={"q": "4820001000740"}).text
    _export_with(world, p389_50="399.50")
    page = viewer.get("/catalogue/catalogue/0").text
    assert "1 changed" in page
    assert "399.5" in page.partition('id="diff"')[2].partition("</table>")[0]
    for wrong in ("/catalogue/catalogue/1", "/catalogue/orders/0", "/catalogue/nonsense/0"):
        assert viewer.get(wrong).status_code == HTTPStatus.NOT_FOUND


def test_a_brake_is_shown_and_approved_by_who_may(world: World) -> None:
    _export_with(world, p389_50="38950")
    accountant, support = world.browser("accountant"), world.browser("support")
    page = accountant.get("/catalogue").text
    assert "A brake has stopped the last export" in page
    ((card,),) = world.rows("SELECT id FROM cards WHERE kind = 'brake' AND state = 'open'")
    assert f'href="/cards/{card}"' in page
    assert support.post(f"/cards/{card}/answer", {"act": "accept"}).status_code == HTTPStatus.FORBIDDEN
    told = task_of(accountant, accountant.post(f"/cards/{card}/answer", {"act": "accept", "why": "a new tariff"}))
    assert "Approved" in told
    assert "A brake has stopped" not in accountant.get("/catalogue").text
    acts = world.rows("SELECT who, act, outcome FROM audit WHERE act = 'answer' ORDER BY id")
    assert acts == [("support", "answer", "refused"), ("accountant", "answer", "done")]


def test_the_stock_of_an_article_is_reckoned_before_ones_eyes(world: World) -> None:
    viewer = world.browser("viewer")
    page = viewer.get("/sync").text
    assert "books → shop" in page
    assert 'value="stock:0"' in page
    told = task_of(viewer, viewer.post("/sync/why", {"step": "stock:0", "article": " 0042 "}))
    rows = told.partition("<tbody>")[2].partition("</tbody>")[0]
    assert rows.count("<tr>") == 2
    assert ">24<" in rows
    assert "Held back (buffer)" in told
    assert "<dd><b>23</b></dd>" in told  # 24 of the main warehouse less the buffer
    assert "tells no stock of nonsense" in task_of(
        viewer, viewer.post("/sync/why", {"step": "stock:0", "article": "nonsense"})
    )
    for step in ("orders:0", "stock:9"):
        told = task_of(viewer, viewer.post("/sync/why", {"step": step, "article": "0042"}))
        assert "keeps no stock in step there" in told
    for step in ("", "nonsense:0", "stock:x"):
        assert viewer.post("/sync/why", {"step": step, "article": "0042"}).status_code == HTTPStatus.NOT_FOUND
    assert viewer.post("/sync/why", {"step": "stock:0", "article": " "}).status_code == HTTPStatus.CONFLICT


def test_reserves_are_told_by_order(world: World) -> None:
    import sqlite3

    connection = sqlite3.connect(world.folder / "books.sqlite3")
    query = (
        "SELECT p.code, d.order_number, sum(l.reserved) FROM document_lines l JOIN documents d ON d.id = l.document_id "
        "JOIN products p ON p.id = l.product_id WHERE CAST(l.reserved AS REAL) > 0 GROUP BY p.code, d.order_number"
    )
    code, order, held = connection.execute(query).fetchone()
    connection.close()
    viewer = world.browser("viewer")
    told = task_of(viewer, viewer.post("/sync/why", {"step": "stock:0", "article": code}))
    rows = told.partition("Reserved for")[2].partition("</table>")[0]
    assert f"№{order}" in rows
    assert f">{held / 1_000_000:g}<" in rows  # the books keep millionths


def test_a_plan_shows_its_lines(world: World) -> None:
    viewer = world.browser("viewer")
    ((number,),) = world.rows("SELECT max(id) FROM plans")
    page = viewer.get(f"/sync/plans/{number}").text
    assert f"Plan {number}" in page
    assert viewer.get("/sync/plans/999").status_code == HTTPStatus.NOT_FOUND
