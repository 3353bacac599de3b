"""What people type finds the row, on both databases alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.clock import SystemClock
from pipeline.ledger import tables as t
from pipeline.ledger.search import find_files, find_orders, find_publications, orders_called
from pipeline.ledger.store import Ledger
from pipeline.rules.searching import fold

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SHA = "ab12" * 16
PEOPLE = (
    ("1", "00004701", "Шевченко Тарас Григорович", "+380631234513", "З-000001"),
    ("2", "00004702", "Коваленко Андрій", "+380671234567", None),
    ("3", "A-77", 'ТОВ "Дах і П’ять"', None, "З-000003"),
)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    url = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres")
    ledger = Ledger(url, client="acme", base=tmp_path, clock=SystemClock())
    with ledger.begin() as conn:
        for place, name in enumerate(("Замовлення_47.xml", "other.xml"), start=1):
            conn.execute(
                t.files.insert().values(
                    id=place,
                    client="acme",
                    connection="site",
                    folder="orders",
                    name=name,
                    size=1,
                    state="done",
                    first_seen=NOW,
                    last_look=NOW,
                    stable_since=NOW,
                    tries=0,
                    fence=0,
                    updated=NOW,
                    sha256=SHA if place == 1 else None,
                )
            )
        for row_id, number, customer, phone, document in PEOPLE:
            conn.execute(
                t.orders.insert().values(
                    id=int(row_id),
                    client="acme",
                    source="shop",
                    order_id=row_id,
                    number=number,
                    revision="r",
                    state="created",
                    key=row_id,
                    file_id=2,
                    into="books",
                    job="orders",
                    customer=customer,
                    phone=phone,
                    document_number=document,
                    tries=0,
                    created=NOW,
                    updated=NOW,
                )
            )
        seen = {"revision": "r", "line": 3, "outcome": "new", "at": NOW}
        conn.execute(t.sightings.insert(), [{"order_row": 1, "file_id": 1, **seen}])
        conn.execute(
            t.publications.insert().values(
                client="acme",
                job="catalogue",
                connection="site",
                folder="goods",
                name="Каталог.csv",
                sha256=SHA,
                size=9,
                rows=3,
                at=NOW,
            )
        )
    yield ledger
    ledger.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("шевченко", ["00004701"]),
        ("ШЕВЧЕНКО", ["00004701"]),
        ("тарас шевченко", ["00004701"]),
        ("тарас коваленко", []),
        ("063 123 45 13", ["00004701"]),
        ("0631234513", ["00004701"]),
        ("+380 (63) 123-45-13", ["00004701"]),
        ("123-45-13", ["00004701"]),
        ("063 123 45 67", []),
        ("4701", ["00004701"]),
        ("0000470", ["00004702", "00004701"]),
        ("з-000003", ["A-77"]),
        ("п'ять дах", ["A-77"]),
        ("замовлення_47", ["00004701"]),
        ("100%", []),
        ("_", ["00004701"]),
        ("", ["A-77", "00004702", "00004701"]),
        ("  ", ["A-77", "00004702", "00004701"]),
    ],
)
def test_orders_are_found_as_people_ask(ledger: Ledger, text: str, expected: list[str]) -> None:
    with ledger.read() as conn:
        assert [row["number"] for row in find_orders(conn, "acme", text)] == expected
        assert find_orders(conn, "another client", text) == []


def test_states_and_limits_hold(ledger: Ledger) -> None:
    with ledger.read() as conn:
        assert [row["number"] for row in find_orders(conn, "acme", "0000470", limit=1)] == ["00004702"]
        assert find_orders(conn, "acme", "0000470", ["held"]) == []
        assert [row["id"] for row in orders_called(conn, "acme", "З-000001")] == [1]
        assert orders_called(conn, "acme", "З-00000") == []


def test_more_rows_than_a_page_are_looked_through(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.ledger.search._PAGE", 1)
    with ledger.read() as conn:
        assert [row["number"] for row in find_orders(conn, "acme", "шевченко")] == ["00004701"]
        assert find_orders(conn, "acme", "nobody") == []


def test_files_in_and_out_are_found_by_name_and_hash(ledger: Ledger) -> None:
    with ledger.read() as conn:
        assert [row["id"] for row in find_files(conn, "acme", "замовлення")] == [1]
        assert [row["id"] for row in find_files(conn, "acme", "47 ЗАМОВЛЕННЯ")] == [1]
        assert [row["id"] for row in find_files(conn, "acme", SHA[:8].upper())] == [1]
        assert [row["name"] for row in find_publications(conn, "acme", "каталог")] == ["Каталог.csv"]
        assert find_publications(conn, "acme", "замовлення") == []


def test_folding_is_the_same_for_the_spellings_of_one_letter() -> None:
    assert fold("Ї") == fold("і\u0308")
    assert fold("п’ять") == fold("П'ЯТЬ") == fold("пʼять")
