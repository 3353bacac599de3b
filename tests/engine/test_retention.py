"""Retention: by age, by size, every day; and never a copy that somebody or something still needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.archive import Archive, Index, upkeep
from pipeline.clock import SystemClock
from pipeline.config.model import ArchiveConfig
from pipeline.engine import retention
from pipeline.engine.runtime import Client
from pipeline.errors import Transient
from pipeline.ledger import tables as t
from pipeline.texts import T
from tests.engine.conftest import Shop


class Later(SystemClock):
    def __init__(self, days: float) -> None:
        self.days = days

    def now(self) -> Any:
        return super().now() + timedelta(days=self.days)


def prune(shop: Shop, days: float = 100, **settings: Any) -> retention.Pruned:
    config = shop.config()
    with Client.open(config, clock=Later(days)) as client:
        return retention.prune(client.ledger, client.archive, ArchiveConfig(**settings))


def names(shop: Shop) -> set[str]:
    """Of the copies that are here."""
    archive = Archive(shop.folder / "archive")
    index = Index.of(archive.journal)
    return {entry.name for sha in archive.hashes() for entry in index.kept[sha]}


def test_by_default_every_copy_is_kept_for_ever(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    done = prune(shop, days=40_000)
    assert done.dropped.copies == []
    assert not retention.wanted(ArchiveConfig())
    assert names(shop) == {"single.xml"}


def test_what_was_done_long_ago_goes_and_what_was_done_of_late_stays(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    assert prune(shop, days=29, keep_days=30).plan.stays == {retention.YOUNG: 1}
    done = prune(shop, days=31, keep_days=30)
    assert [copy.names for copy in done.plan.drop] == [("single.xml",)]
    assert done.dropped.copies == [copy.sha256 for copy in done.plan.drop]
    assert names(shop) == set()
    again = prune(shop, days=62, keep_days=30)
    assert (again.plan.drop, again.dropped.copies) == ([], [])


def card_of_another(shop: Shop) -> None:
    """A card that somebody opened about an order that is done."""
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        order = conn.execute(sa.select(t.orders.c.id)).scalar_one()
        conn.execute(
            t.cards.insert().values(
                client="acme",
                kind="changed",
                subject=f"order:{order}",
                state="open",
                findings=[],
                opened=client.clock.now(),
            )
        )


def state(what: str) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        with Client.open(shop.config()) as client, client.ledger.begin() as conn:
            table = t.orders if what in ("new", "creating", "in_doubt") else t.files
            conn.execute(table.update().values(state=what))

    return change


@pytest.mark.parametrize(
    ("sample", "change", "why"),
    [
        ("unknown-product", None, retention.WAITS),  # held
        ("cut", None, retention.WAITS),  # quarantined
        ("single", card_of_another, retention.WAITS),
        ("single", state("new"), retention.ON_ITS_WAY),
        ("single", state("creating"), retention.ON_ITS_WAY),
        ("single", state("in_doubt"), retention.ON_ITS_WAY),
        ("single", state("done"), retention.ON_ITS_WAY),
        ("single", state("archived"), retention.ON_ITS_WAY),
        ("single", state("checked"), retention.ON_ITS_WAY),
    ],
)
@pytest.mark.parametrize("settings", [{"keep_days": 1}, {"keep_size": 0, "least_days": 1}])
def test_what_is_needed_is_never_dropped(
    shop: Shop, sample: str, change: Callable[[Shop], None] | None, why: str, settings: dict[str, int]
) -> None:
    shop.drop(sample)
    shop.run()
    if change is not None:
        change(shop)
    done = prune(shop, days=4000, **settings)
    assert done.plan.stays == {why: 1}
    assert done.dropped.copies == []
    assert len(names(shop)) == 1


def test_what_the_ledger_does_not_know_is_never_dropped(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    archive = Archive(shop.folder / "archive")
    source = shop.folder / "strange"
    source.write_bytes(b"from a ledger before this one")
    archive.keep(source, client="acme", name="strange", at=SystemClock().now())
    assert prune(shop, keep_days=1).plan.stays == {retention.UNKNOWN: 1}
    assert names(shop) == {"strange"}


@pytest.mark.full
def test_the_last_catalogue_stays_and_those_before_go(shop: Shop) -> None:
    for number in range(3):
        table = shop.folder / "more.csv"
        table.write_text(f"code;name;price\nNEW-{number};Нове {number};10,00\n", encoding="utf-8")
        shop.run("catalogue")
        shop.load(table)
    published = shop.ledger_rows("SELECT sha256 FROM publications ORDER BY id")
    assert len(published) == 3
    done = prune(shop, keep_days=1)
    assert done.plan.stays == {retention.LAST: 1}
    assert list(Archive(shop.folder / "archive").hashes()) == [published[-1][0]]
    assert shop.ledger_rows("SELECT pruned IS NULL FROM publications ORDER BY id") == [(0,), (0,), (1,)]
    assert shop.run("catalogue").counts["uploaded"] == 1, "compared with, and followed by the next"


def test_by_size_the_oldest_go_first_and_no_more_than_needed(shop: Shop) -> None:
    order = ["company", "single", "discounts"]
    room = {}
    for name in order:
        path = shop.drop(name)
        room[path.name] = path.stat().st_size * 2  # the copy, and its name in the view
        shop.run()
    limit = sum(room.values()) - room["company.xml"] - 1
    assert prune(shop, days=29, keep_size=limit).dropped.copies == [], "too young for that"
    with Client.open(shop.config(), clock=Later(29)) as client, client.ledger.read() as conn:
        index = Index.of(client.archive.journal)
        plan = retention.plan(conn, "acme", index, ArchiveConfig(keep_size=limit), client.clock.now())
    assert plan.over == room["company.xml"] + 1, "and it is said by how much it is over"
    done = prune(shop, days=31, keep_size=limit)
    assert [copy.names for copy in done.plan.drop] == [("company.xml",), ("single.xml",)]
    assert done.plan.over == 0
    assert names(shop) == {"discounts.xml"}


def test_the_age_is_counted_from_the_last_thing_that_happened(shop: Shop) -> None:
    """An order that was held for months and was booked yesterday is of yesterday."""
    shop.drop("unknown-product")
    shop.run()
    with Client.open(shop.config(), clock=Later(99.5)) as client, client.ledger.begin() as conn:
        conn.execute(t.orders.update().values(state="created", updated=client.clock.now()))
        conn.execute(t.cards.update().values(state="resolved"))
    assert prune(shop, days=100, keep_days=30).plan.stays == {retention.YOUNG: 1}
    assert len(prune(shop, days=130, keep_days=30).dropped.copies) == 1


def test_the_same_bytes_under_two_names_go_together(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    shop.drop("single", "again.xml")
    shop.run()
    done = prune(shop, keep_days=1)
    assert [copy.names for copy in done.plan.drop] == [("single.xml", "again.xml")]
    assert shop.ledger_rows("SELECT count(*) FROM files WHERE pruned IS NOT NULL") == [(2,)]
    assert list((shop.folder / "archive" / "view").iterdir()) == []


def test_what_a_person_edited_in_the_view_is_left(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    [view] = (shop.folder / "archive" / "view").glob("*/*/*")
    view.write_bytes(b"checked by Anna")
    assert prune(shop, keep_days=1).dropped.views_left == [view]
    assert view.read_bytes() == b"checked by Anna"


def test_two_at_once_do_not_meet(shop: Shop) -> None:
    config = shop.config()
    with Client.open(config) as one, Client.open(config) as two:
        lease = one.ledger.acquire("archive", timedelta(minutes=1))
        assert lease is not None
        with pytest.raises(Transient, match="just now"):
            retention.prune(two.ledger, two.archive, ArchiveConfig(keep_days=1))
        one.ledger.release(lease)


def test_the_service_prunes_once_a_day(shop: Shop) -> None:
    shop.drop("single")
    shop.run()
    config = shop.config()
    config = config.model_copy(update={"archive": config.archive.model_copy(update={"keep_days": 1})})
    for days, left, last in ((0.1, 1, True), (0.5, 1, False), (3, 0, True)):
        with Client.open(config, clock=Later(days)) as client:
            with client.ledger.read() as conn:
                before = client.ledger.get_value(conn, "retention", "last")
            daily = retention.Daily(config, client.ledger)
            daily.tick()
            daily.wait()
            daily.tick()  # not again within the look
            daily.wait()
            with client.ledger.read() as conn:
                after = client.ledger.get_value(conn, "retention", "last")
        assert (after != before) is last
        assert len(list(Archive(shop.folder / "archive").hashes())) == left


def test_trouble_of_the_daily_round_is_told_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Transient(T("The archive is on strike."), code="archive")

    shop.drop("single")
    shop.run()
    config = shop.config()
    config = config.model_copy(update={"archive": config.archive.model_copy(update={"keep_days": 1})})
    with Client.open(config, clock=Later(9)) as client, monkeypatch.context() as patch:
        patch.setattr(upkeep, "drop", broken)
        for _ in range(3):
            daily = retention.Daily(config, client.ledger)
            daily.tick()
            daily.wait()
    assert shop.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'failure'") == [(1,)]
    done = prune(shop, days=10, keep_days=1)
    assert len(done.dropped.copies) == 1, "marked by the one that failed, dropped by the next"
