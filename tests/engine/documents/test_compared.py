"""The stock of what was shipped, on both sides: reserves of orders under way, what is never written off, warehouses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from pipeline.model import StockLevel
from pipeline.ports import Ref
from pipeline.testing.documents_target import DocumentsTarget
from pipeline.testing.orders_source import OrdersSource
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import World


def stocked(world: World, lies: str = "12", kept: str = "0") -> None:
    """Twelve in the target; the CRM says so many, of which it keeps some for its orders."""
    world.sql("INSERT INTO products (code, name, kind, data, stock) VALUES ('AB-1', 'a', 'goods', '{}', '12')")
    world.write("stock.json", {"AB-1": [lies, kept]})


def disagree(world: World, **options: Any) -> int:
    return world.run(**options).counts.get("disagree", 0)


def test_what_a_crm_keeps_until_its_order_is_done_is_no_alarm_and_is_told_when_it_never_leaves(world: World) -> None:
    stocked(world, kept="2")
    world.put("6", order(line()))
    assert disagree(world) == 0
    world.later(days=1)
    assert disagree(world, full=True) == 0, "it is under way"
    world.move("12")
    world.write("stock.json", {"AB-1": ["12", "0"]})  # done frees the reserve, and writes nothing off
    assert disagree(world, full=True) == 1
    assert world.codes() == ["stock-disagrees"]
    assert disagree(world, full=True) == 1, "until it agrees"
    world.write("stock.json", {"AB-1": ["10", "0"]})
    assert (disagree(world, full=True), world.cards()) == (0, [])


def test_what_a_crm_writes_off_with_a_later_status_is_never_told(world: World) -> None:
    stocked(world, kept="2")
    world.put("6", order(line()))
    assert disagree(world) == 0
    world.move("12")
    world.write("stock.json", {"AB-1": ["10", "0"]})
    assert (disagree(world), disagree(world, full=True), world.cards()) == (0, 0, [])


def test_as_many_reserved_by_another_order_hide_nothing(world: World) -> None:
    """The order is done and its goods still lie in the CRM; a new order keeps just as many of them."""
    stocked(world, kept="2")
    world.put("1", order(line(), id="8", number="8"))
    world.put("12", order(line()))
    assert disagree(world) == 0, "a CRM may take its time"
    assert disagree(world, full=True) == 1
    ((finding),) = world.cards()[0]["findings"]
    assert "lie in {source}" in str(finding["text"])
    world.put("12", order(line(), id="9", number="9"))
    world.write("stock.json", {"AB-1": ["10", "2"]})
    assert disagree(world) == 1, "what was told stays told"


def test_an_order_is_under_way_for_a_month_at_most(world: World) -> None:
    stocked(world, kept="2")
    world.put("6", order(line()))
    assert disagree(world) == 0
    world.later(days=20)
    assert disagree(world, full=True) == 0
    world.later(days=20)
    assert disagree(world, full=True) == 1


@pytest.mark.parametrize(
    ("more", "lies"),
    [
        ("warehouse: main\n", "12"),
        ("warehouse: {from: warehouse, map: {Київ: main}}\n", "12"),
        ("mappings: {warehouse: {Київ: main}}\n", "12"),
        ("warehouse: {from: source, else: main}\n", "12"),
        ("warehouse: main\n", "13"),
    ],
)
def test_of_a_step_of_one_warehouse_only_that_is_compared_on_both_sides(
    world: World, monkeypatch: pytest.MonkeyPatch, more: str, lies: str
) -> None:
    stocked(world)
    real = DocumentsTarget.levels

    def here(_self: OrdersSource, _since: datetime | None = None) -> Iterator[StockLevel]:
        yield StockLevel("AB-1", "Київ", D(lies) - 2, D(0), "AB-1")
        yield StockLevel("AB-1", "Львів", D(7), D(0), "AB-1")

    def there(self: DocumentsTarget, since: datetime | None = None) -> Iterator[StockLevel]:
        yield from real(self, since)
        yield StockLevel("AB-1", "shop", D(5), D(0), "AB-1")

    monkeypatch.setattr(OrdersSource, "levels", here)
    monkeypatch.setattr(DocumentsTarget, "levels", there)
    monkeypatch.setattr(DocumentsTarget, "warehouses", lambda _self: [Ref("1", "main", "Основний"), Ref("2", "shop")])
    world.more = f"only: {{warehouses: [Київ]}}\n{more}"
    world.put("12", order(line(), warehouse="Київ"))
    assert disagree(world) == (lies == "13")
