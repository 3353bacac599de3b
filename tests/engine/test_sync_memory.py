"""What a sync of very many products keeps in memory: equal values once, and what nobody looks into as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.engine.sync import store
from pipeline.engine.sync.pooled import Pool
from pipeline.engine.sync.store import Link
from pipeline.ledger.tables import links, metadata
from pipeline.model import Money, Offer, SpecialPrice

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def fresh(text: str) -> str:
    """An object of its own."""
    return "".join(list(text))


def values() -> dict[str, Any]:
    return {
        "name": fresh("Фарба 1 л"),
        "price": Decimal("10.50"),
        "price.cost": Decimal("10.5"),
        "category": (fresh("Фарби"), fresh("Фасадні")),
        "specials": (SpecialPrice(Money(Decimal("9.00"), "UAH"), NOW, None),),
        "options": {"колір": fresh("білий")},
        "published": True,
        "weight": 1,
        "stock": None,
        "images": (),
    }


def test_equal_values_of_many_offers_are_one_object_and_what_is_written_otherwise_stays_so() -> None:
    pool = Pool()
    given = [
        Offer(id=str(n), product="p", kind="single", keys={"sku": fresh("АР-1")}, values=values()) for n in range(2)
    ]
    one, other = pool.kept(given)
    assert [one, other] == given
    assert repr(dict(one.values)) == repr(values())
    for name in ("name", "price", "category"):
        assert one.values[name] is other.values[name]
    assert one.values["category"][0] is pool._texts["Фарби"]
    assert one.keys["sku"] is other.keys["sku"]
    assert str(one.values["price"]) == "10.50"
    assert str(one.values["price.cost"]) == "10.5"
    assert one.values["weight"] == 1
    assert type(one.values["weight"]) is int
    assert one.values["published"] is True


@pytest.mark.parametrize(
    "link",
    [
        Link(Offer(id="7", product="7", keys={"sku": 'АР"1'}), "ар1", "s7"),
        Link(
            Offer(
                id="7", product="6", kind="variant", keys={"sku": "A", "ean": "1"}, values={"price": Decimal("1.50")}
            ),
            "a",
            "",
            {"price": "00ff", "name": 'x"*": 5'},
            {"name": "ab"},
            {"price": "1.50", "stock:main": "3"},
            mark=2**62 + 1,
        ),
        Link(Offer(id="7", product="7"), "", "", {"name": '"*": 9'}, {}, {"stock:": "0"}),
    ],
)
def test_a_link_is_read_as_it_was_written(link: Link) -> None:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine, [links])
    with engine.begin() as conn:
        store.write_links(conn, "acme", "job/a>b/sync", [link], NOW)
        (read,) = store.read_links(conn, "acme", "job/a>b/sync").values()
        assert store.source_keys(conn, "acme", "job/a>b/sync") == {link.source_key}
        for before, after in zip(parts(link), parts(read), strict=True):
            assert (after, dict(after), len(after)) == (before, dict(before), len(before))
            assert "*" not in after
            assert "stock:main" not in read.target.values
        assert (read.mark, read.source_key, read.source_id) == (link.mark, link.source_key, link.source_id)
        assert read.stock() == link.stock()
        assert read == link
        store.write_links(conn, "acme", "job/a>b/sync", [read], NOW)
        assert list(store.read_links(conn, "acme", "job/a>b/sync").values()) == [link]
    engine.dispose()


def parts(link: Link) -> tuple[Mapping[str, Any], ...]:
    return link.target.keys, link.target.values, link.wanted, link.seen, link.sent
