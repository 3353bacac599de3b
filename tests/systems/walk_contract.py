"""Rows 40 and 45 to 51 of the list of faults, for every system: the engine's own walk between it and one in memory.

Subclass :class:`SourceWalk` and :class:`TargetWalk` in a test module that has a fixture ``subject`` for the contract
of a sync's ends. What a system does not have (it keeps no stock, it takes no prices) leaves its row to the other end.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.errors import Transient
from pipeline.flow import SystemPlugin
from pipeline.ledger import cards
from pipeline.ledger.store import Ledger
from pipeline.model import Money, Offer, SpecialPrice
from pipeline.ports import ApplyStock, OfferTraits, System
from pipeline.registry import load_registry
from pipeline.settings import Settings
from pipeline.testing.sync_subject import CODES, END, START, Places, Subject, draft, sellables, told, traits_of
from pipeline.texts import T
from tests.engine.sync_world import ALL, FLAT, MemorySystem, plugin, put

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  near: {{type: near}}
  far: {{type: far}}
ledger: {{url: "sqlite:///walk.sqlite3"}}
log: {{file: null}}
jobs:
  walk:
    every: 5m
    steps:
      - step: {step}
        from: {source}
        to: {target}
        match: {{keys: [{key}], target: {other}}}
{more}
"""
PRICE = Decimal("100.00")
builtin = cache(load_registry)


Patch = Callable[[Any], None]  #: what is done to each session before the engine has it


class At(SystemClock):
    """A clock that stands where it is put."""

    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@cache
def new_ledger() -> bytes:
    """A ledger in which nothing has happened: to make its tables takes longer than a run."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        Ledger("sqlite:///walk.sqlite3", client="acme", base=base, clock=At()).close()
        return (base / "walk.sqlite3").read_bytes()


@dataclass
class World:
    """A client between a system in memory and the one under test."""

    folder: Path
    subject: Subject
    towards: str  #: ``far`` or ``near``
    near: MemorySystem = field(default_factory=lambda: MemorySystem(replace(FLAT, batch=2)))
    clock: At = field(default_factory=At)
    patch: Patch | None = None
    loaded: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.traits: OfferTraits = traits_of(self.subject)
        (self.folder / "walk.sqlite3").write_bytes(new_ledger())

    @property
    def key(self) -> str:
        """The article field of the system under test."""
        return self.traits.keys[0]

    def registry(self) -> Any:
        def far(_settings: Any, _env: Any) -> System:
            system = self.subject.open()
            if self.patch is not None:
                self.patch(system)
            return system

        registry = builtin()
        mine = {
            "near": plugin("near", self.near),
            "far": SystemPlugin(name="far", summary=T("The system under test"), settings=Settings, open=far),
        }
        return replace(registry, systems={**registry.systems, **mine})

    def config(self, step: str, more: str) -> Any:
        if (step, more) in self.loaded:
            return self.loaded[step, more]
        path = self.folder / "config.yaml"
        source, target = ("near", "far") if self.towards == "far" else ("far", "near")
        keys = ("sku", self.key) if self.towards == "far" else (self.key, "sku")
        lines = "".join(f"        {line}\n" for line in more.splitlines())
        text = CONFIG.format(step=step, source=source, target=target, key=keys[0], other=keys[1], more=lines)
        path.write_text(text, encoding="utf-8")
        self.loaded[step, more] = load_config(path, registry=self.registry())
        return self.loaded[step, more]

    def run(
        self, step: str = "sync-catalogue", more: str = "", reach: Any = lambda _point: None, **options: Any
    ) -> RunReport:
        report = run_job(
            self.config(step, more), "walk", RunOptions(**options), registry=self.registry(), clock=self.clock,
            reach=reach,
        )  # fmt: skip
        self.subject.settle()
        return report

    def good(self, step: str = "sync-catalogue", more: str = "", *, state: str = "done", **options: Any) -> Any:
        """The counts of a run in which all is well; ``waiting``: with a card that asks."""
        report = self.run(step, more, **options)
        assert report.state == state, said(report)
        return report.counts

    def stops(self, more: str = "", state: str = "waiting", **options: Any) -> RunReport:
        """A run that changes nothing on either side."""
        before = self.subject.rows(), dict(self.near.content), dict(self.near.stock)
        report = self.run(more=more, **options)
        assert report.state == state, said(report)
        assert (self.subject.rows(), self.near.content, self.near.stock) == before
        return report

    def cards(self) -> set[str]:
        """The codes of what open cards say."""
        return {one["code"] for one in self.findings()}

    def findings(self) -> list[dict[str, Any]]:
        """What open cards say."""
        client = Client.open(self.config("sync-catalogue", ""), registry=self.registry(), clock=self.clock)
        with client, client.ledger.read() as conn:
            found = cards.listing(conn, "acme")
        many = [json.loads(one["findings"]) if isinstance(one["findings"], str) else one["findings"] for one in found]
        return [one for findings in many for one in findings]

    def far_lies(self, places: Places) -> None:
        """Levels of the system under test, put in past the adapter."""
        assert self.subject.seed_stock is not None
        self.subject.seed_stock(places)
        self.subject.settle()

    def far_loses(self, own: str) -> None:
        """A product is deleted in the system under test."""
        assert self.subject.remove is not None
        self.subject.remove(own)
        self.subject.settle()

    # --- both ends ---------------------------------------------------------------------------------------------------

    def near_has(self, code: str, own: str = "", **values: Any) -> None:
        """A product of the system in memory."""
        own = own or code
        there = {"name": f"Товар {own}", "price": PRICE, "published": True, **values}
        put(self.near, Offer(id=own, product=own, keys={"sku": code}, values=there))

    def far_has(self, *codes: str, **values: Any) -> dict[str, str]:
        """Products of the system under test, put in past the adapter; their ids by article."""
        known = {offer.id for offer in told(self.subject)}
        given = {"name": "Товар", "price": PRICE, **values}
        fields = [name for name in self.traits.reads if name in ("name", "price", "currency", "published")]
        given = {name: value for name, value in given.items() if name in self.traits.reads}
        self.subject.seed([draft(self.subject, self.traits, fields, code, **given) for code in codes])
        return {one.keys[self.key]: one.id for one in told(self.subject) if one.id not in known}

    def prices(self) -> dict[str, Decimal | None]:
        """Of the system under test, by id."""
        return {offer.id: offer.values.get("price") for offer in told(self.subject)}


def said(report: RunReport) -> str:
    """What a run said, for the message of a test that fails."""
    notes = [str(note) for step in report.steps for note in (step.result.notes if step.result else ())]
    return f"{report.state}: {[str(one.text) for step in report.steps for one in step.findings]} {notes}"


def words(report: RunReport) -> str:
    """All that it told a person."""
    return said(report)


def dies(times: int = 1) -> Any:
    """A process that is killed when it has recorded so many batches."""
    left = [times]

    def reach(point: str) -> None:
        if point == "sync:batch-recorded":
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

    return reach


def breaks_off(after: int, code: str) -> Patch:
    """A list that ends in an error when so many offers of it have been told."""

    def patch(system: Any) -> None:
        real = system.offers

        def offers(since: datetime | None = None) -> Iterator[Offer]:
            for n, offer in enumerate(real(since)):
                if n == after:
                    raise Transient(T("The list is longer than allowed."), code=code)
                yield offer

        system.offers = offers

    return patch


def shifts(act: Callable[[], object]) -> Patch:
    """A list that something happens to when its first offer has been told, once."""
    left = [act]

    def patch(system: Any) -> None:
        real = system.offers

        def offers(since: datetime | None = None) -> Iterator[Offer]:
            for n, offer in enumerate(real(since)):
                yield offer
                if n == 0 and left:
                    left.pop()()

        system.offers = offers

    return patch


class SourceWalk:
    """The system under test is read, and one in memory follows it."""

    #: What a run is after the source has shrunk. ``done``: it has a brake of its own, which tells and hides nothing.
    shrunk: ClassVar[str] = "waiting"

    @pytest.fixture
    def world(self, subject: Subject, tmp_path: Path) -> World:
        return World(tmp_path, subject, "near")

    def test_f40_an_article_that_the_target_lacks_is_told_and_taken_up_when_it_comes(self, world: World) -> None:
        if world.subject.seed_stock is None:
            return
        ids = world.far_has(*CODES[:2])
        place = world.subject.warehouses[0]
        world.far_lies({(own, place): (Decimal(5), Decimal(0)) for own in ids.values()})
        world.near_has(CODES[0])
        report = world.run("sync-stock", approve=True)
        assert world.near.stock == {(CODES[0], ""): (Decimal(5), Decimal(0))}, said(report)
        assert CODES[1] in words(report)
        world.near_has(CODES[1])
        world.good("sync-stock", full=True)
        assert {own: number for (own, _), (number, _) in world.near.stock.items()} == dict.fromkeys(CODES[:2], 5)

    def test_f45_a_source_that_is_empty_or_shrunk_changes_nothing(self, world: World) -> None:
        if world.subject.remove is None:
            return
        ids = list(world.far_has(*CODES, "ART-0004").values())
        world.good()
        assert len(world.near.content) == 4
        for own in ids[1:]:
            world.far_loses(own)
        report = world.stops("vanished: zero-stock", state=self.shrunk, full=True)
        world.far_loses(ids[0])
        world.stops("vanished: zero-stock", state=self.shrunk, full=True)
        assert world.cards() == {"brake-empty"} if self.shrunk == "waiting" else "3 of 4" in words(report)

    def test_f46_a_price_that_is_not_there_is_none_and_one_that_jumps_waits(self, world: World) -> None:
        (own,) = world.far_has(CODES[0], price=None).values()
        none = world.prices()[own]  # a system may know no difference between none and 0
        world.far_has(CODES[1])
        world.near_has(CODES[0], price=Decimal(7))
        world.near_has(CODES[1])
        world.good(approve=True)
        prices = {code: one.values["price"] for code, one in world.near.content.items()}
        assert prices == {CODES[0]: Decimal(7) if none is None else none, CODES[1]: PRICE}
        world.near_has(CODES[1], price=PRICE / 20)
        world.stops(full=True)
        assert "brake-prices" in world.cards()

    def test_f47_a_special_price_begins_and_ends_in_the_shops_time(self, world: World) -> None:
        if "specials" not in world.traits.reads:
            return
        money = Money(Decimal("75.00"), "UAH")
        special = SpecialPrice(money, START, END) if world.traits.dated_specials else SpecialPrice(money)
        world.far_has(CODES[0], specials=(special,))
        (offer,) = told(world.subject)
        (known,) = offer.values["specials"]
        for moment in (START, END - timedelta(seconds=1), END):
            world.clock.moment = moment
            world.good(full=True)
            (one,) = world.near.content.values()
            assert one.values["price"] == (known.money.amount if known.active(moment) else PRICE), moment

    def test_f48_a_debt_and_a_reserve_are_not_sold_and_no_total_is_counted_twice(self, world: World) -> None:
        if world.subject.seed_stock is None:
            return
        (own,) = world.far_has(CODES[0]).values()
        first, last = world.subject.warehouses[0], world.subject.warehouses[:2][-1]
        kept = Decimal(3) if world.subject.reserves else Decimal(0)
        places = {(own, first): (Decimal(10), kept)}
        if last != first:
            places[own, last] = (Decimal(4), Decimal(0))
        world.far_lies(places)
        world.near_has(CODES[0])
        world.good("sync-stock", approve=True)
        sold = sum((hand - reserved for hand, reserved in places.values()), Decimal(0))
        assert list(world.near.stock.values()) == [(sold, Decimal(0))]

    def test_f49_two_notations_are_one_article_and_two_of_one_are_a_card(self, world: World) -> None:
        world.far_has("ав-001", CODES[0])  # Cyrillic, small
        world.near_has("AB - 001", price=Decimal(90))
        world.near_has(CODES[0], price=Decimal(90))
        world.good(approve=True)
        assert {one.values["price"] for one in world.near.content.values()} == {PRICE}
        assert len(world.near.content) == 2
        if not world.subject.twins:
            return
        world.far_has("AB-001")
        world.near_has("AB - 001", price=Decimal(91))
        world.good(full=True, state="waiting")
        assert world.near.content["AB - 001"].values["price"] == 91
        assert "ambiguous-article" in world.cards(), world.cards()

    def test_f50_a_list_that_breaks_off_or_shifts_is_never_half_a_truth(self, world: World) -> None:
        world.far_has(*CODES)
        world.patch = breaks_off(2, "page-cap")
        report = world.stops(state="failed")
        assert "page-cap" in {finding.code for step in report.steps for finding in step.findings}
        world.patch = shifts(lambda: world.far_has("AAA-1"))
        world.run()
        world.patch = None
        world.good(full=True)
        assert {one.keys["sku"] for one in world.near.content.values()} == {*CODES, "AAA-1"}
        assert world.near.created == 4, "nothing was made twice"

    def test_f51_a_run_that_dies_after_half_is_gone_on_with(self, world: World) -> None:
        codes = [*CODES, "ART-0004"]
        world.far_has(*codes)
        with pytest.raises(KeyboardInterrupt):
            world.run(reach=dies())
        assert len(world.near.content) == 2
        world.good()
        assert {one.keys["sku"] for one in world.near.content.values()} == set(codes)
        assert world.near.created == 4


class TargetWalk:
    """One in memory is read, and the system under test follows it."""

    @pytest.fixture
    def world(self, subject: Subject, tmp_path: Path) -> World:
        reads = replace(FLAT, reads=ALL - {"category", "images", "description", "weight", "options"})
        return World(tmp_path, subject, "far", MemorySystem(reads))

    def takes(self, world: World) -> bool:
        return "price" in world.traits.writes & world.traits.reads

    def seeded(self, world: World, codes: Sequence[str] = CODES) -> dict[str, str]:
        """Both ends have these, in step."""
        ids = world.far_has(*codes)
        for code in codes:
            world.near_has(code)
        world.good(more=PRICES, approve=True)
        return ids

    def test_f40_an_unknown_warehouse_and_an_unknown_article_are_told(self, world: World) -> None:
        if not isinstance(world.subject.open(), ApplyStock):
            return
        ids = world.far_has(CODES[0])
        place = world.subject.warehouses[0]
        for code in CODES[:2]:
            world.near_has(code)
            world.near.stock[code, "m"] = (Decimal(5), Decimal(0))
        world.near.places = ("m",)
        before = world.subject.rows()
        report = world.run("sync-stock", "warehouses: {Луна: [m]}", approve=True)
        assert world.subject.rows() == before
        assert "Луна" in words(report)
        mapped = f"warehouses: {{{place}: [m]}}" if place else ""
        report = world.run("sync-stock", mapped, approve=True)
        assert sellables(world.subject) == {(CODES[0], place): 5}, said(report)
        assert CODES[1] in words(report)
        assert set(ids) == {CODES[0]}

    def test_f45_a_source_that_is_empty_or_shrunk_changes_nothing(self, world: World) -> None:
        if not self.takes(world):
            return
        self.seeded(world, [*CODES, "ART-0004"])
        gone = f"{PRICES}\nvanished: {'hide' if 'published' in world.traits.writes else 'keep'}"
        for left in (1, 0):
            for code in [*CODES, "ART-0004"][left:]:
                world.near.content.pop(code, None)
            world.stops(gone, full=True)
        assert world.cards() == {"brake-empty"}

    def test_f46_a_price_that_is_not_there_is_none_and_one_that_jumps_waits(self, world: World) -> None:
        if not self.takes(world):
            return
        ids = self.seeded(world)
        world.near_has(CODES[0], price=None)
        world.good(more=PRICES, full=True)
        assert world.prices() == dict.fromkeys(ids.values(), PRICE)
        for code, price in zip(CODES, (Decimal(0), PRICE * 11, PRICE / 11), strict=True):
            world.near_has(code, price=price)
        world.stops(PRICES, full=True)
        told_of = json.dumps([one for one in world.findings() if one["code"] == "price"], ensure_ascii=False)
        assert all(code in told_of for code in CODES), told_of
        assert "brake-prices" in world.cards()

    def test_f47_a_special_price_begins_and_ends_in_the_shops_time(self, world: World) -> None:
        if not self.takes(world):
            return
        (own,) = self.seeded(world, CODES[:1]).values()
        special = SpecialPrice(Money(Decimal("75.00"), "UAH"), START, END)
        world.near_has(CODES[0], specials=(special,))
        dated = world.traits.dated_specials and "specials" in world.traits.writes
        for moment in (START, END - timedelta(seconds=1), END):
            world.clock.moment = moment
            world.good(more=PRICES, full=True)
            (offer,) = (one for one in told(world.subject) if one.id == own)
            if dated:
                assert offer.values["specials"] == ((special,) if moment < END else ()), moment
            if not dated or not special.active(moment):
                holds = special.active(moment)
                assert offer.values["price"] == (special.money.amount if holds else PRICE), moment

    def test_f48_a_debt_and_a_reserve_are_not_sold_and_no_total_is_counted_twice(self, world: World) -> None:
        if not isinstance(world.subject.open(), ApplyStock):
            return
        world.far_has(CODES[0])
        place = world.subject.warehouses[0]
        world.near_has(CODES[0])
        world.near.places = ("a", "b", "c")
        world.near.stock = {
            (CODES[0], "a"): (Decimal(10), Decimal(3)),
            (CODES[0], "b"): (Decimal(-5), Decimal(0)),
            (CODES[0], ""): (Decimal(5), Decimal(3)),
        }
        more = f"warehouses: {{{place}: [a, b]}}" if place else ""
        report = world.run("sync-stock", more, approve=True)
        assert sellables(world.subject) == {(CODES[0], place): 7}, said(report)

    def test_f49_two_notations_are_one_article_and_twins_are_all_kept_in_step(self, world: World) -> None:
        if not self.takes(world):
            return
        ids = world.far_has("ав-001")  # Cyrillic, small
        if world.subject.twins:
            ids |= world.far_has("AB - 001")
        world.near_has("AB-001", price=Decimal(90))
        world.good(more=PRICES, approve=True, state="waiting" if world.subject.twins else "done")
        assert world.prices() == dict.fromkeys(ids.values(), Decimal(90))
        assert ("twins" in world.cards()) == world.subject.twins
        world.near_has("ab-001", own="2", price=Decimal(91))  # and now the source has two
        world.good(more=PRICES, full=True, state="waiting")
        assert world.prices() == dict.fromkeys(ids.values(), Decimal(90))
        assert "ambiguous-article" in world.cards(), world.cards()

    def test_f50_a_target_whose_list_breaks_off_is_not_written_to(self, world: World) -> None:
        if not self.takes(world):
            return
        ids = world.far_has(*CODES)
        for code in CODES:
            world.near_has(code, price=Decimal(90))
        world.patch = breaks_off(2, "page-cap")
        world.stops(PRICES, state="failed", approve=True)
        world.patch = None
        world.good(more=PRICES, approve=True)
        assert world.prices() == dict.fromkeys(ids.values(), Decimal(90))

    def test_f51_a_run_that_dies_after_half_is_gone_on_with(self, world: World) -> None:
        if not self.takes(world):
            return
        codes = [*CODES, "ART-0004"]
        ids = self.seeded(world, codes)
        pushed: list[str] = []

        def by_twos(system: Any) -> None:
            real = system.update_offers
            traits = replace(system.offer_traits(), batch=2)
            system.offer_traits = lambda: traits

            def update(changes: Any) -> Any:
                pushed.extend(change.offer.id for change in changes)
                return real(changes)

            system.update_offers = update

        world.patch = by_twos
        for code in codes:
            world.near_has(code, price=Decimal(90))
        with pytest.raises(KeyboardInterrupt):
            world.run(more=PRICES, reach=dies())
        assert len(pushed) == 2
        world.subject.settle()
        world.good(more=PRICES)
        assert sorted(pushed) == sorted(ids.values()), "each was sent once"
        assert world.prices() == dict.fromkeys(ids.values(), Decimal(90))


#: What is kept in step where the other end is written: prices alone.
PRICES = "fields: [price, specials, published]\ncreate: false"
