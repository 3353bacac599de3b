"""Two systems kept in step: what vanishes, what waits for a person, and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from pipeline.engine.runtime import Client
from pipeline.engine.sync.prints import fingerprint
from pipeline.errors import Finding, Held, InDoubt, Transient
from pipeline.ledger import plans as plan_rows
from pipeline.model import Money
from pipeline.ports import NOT_SHOWN
from pipeline.texts import T
from tests.engine.in_step import NOW, World, by_sku, good
from tests.engine.sync_world import (
    BELOW,
    FLAT,
    SHOP,
    put,
    single,
    special,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- vanished, brakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "published"), [("keep", True), ("hide", False)])
def test_what_vanishes_is_never_deleted(world: World, policy: str, published: bool) -> None:
    world.more = f"vanished: {policy}"
    put(world.shop, *[single(str(n), f"S-{n}", published=True) for n in range(1, 5)])
    put(world.crm, single("own", "OWN", published=True))
    good(world.run())
    del world.shop.content["2"]
    report = good(world.run(full=True))
    assert report.counts["vanished"] == 1
    assert by_sku(world.crm, "S-2")[0].values["published"] is published
    assert world.crm.content["own"].values["published"] is True, "what was never in step is nobody's business"


def test_vanished_stock_is_set_to_nothing_by_the_clients_choice(world: World) -> None:
    world.more = "vanished: zero-stock"
    put(world.shop, *[single(str(n), f"S-{n}") for n in range(1, 5)])
    good(world.run())
    gone = by_sku(world.crm, "S-2")[0]
    world.crm.stock[gone.id, ""] = (Decimal(5), Decimal(0))
    del world.shop.content["2"]
    good(world.run(full=True))
    assert world.crm.pushes == [(gone.id, "", Decimal(0))]


def test_what_has_gone_is_told_once_and_does_not_look_like_a_shrunk_source_later(world: World) -> None:
    put(world.shop, *[single(str(n), f"S-{n}") for n in range(1, 11)])
    good(world.run())
    for own in ("1", "2", "3", "4"):
        del world.shop.content[own]
    assert good(world.run(full=True)).counts["vanished"] == 4
    assert good(world.run(full=True)).counts == {"matched": 6}
    for own in ("5", "6"):
        del world.shop.content[own]
    put(world.shop, single("11", "S-11", price="1.00"), single("1", "S-1", price="12.00"))
    report = good(world.run(full=True))
    assert (report.exit_code, report.counts) == (0, {"matched": 4, "new": 1, "updated": 1, "vanished": 2})
    assert len(by_sku(world.crm, "S-1")) == 1


def test_a_target_that_cannot_hide_says_so_once(world: World) -> None:
    world.more = "vanished: hide"
    world.crm.traits = replace(FLAT, writes=FLAT.writes - {"published"})
    put(world.shop, *[single(str(n), f"S-{n}") for n in range(1, 5)])
    good(world.run())
    del world.shop.content["2"]
    report = good(world.run(full=True))
    assert report.exit_code == 1
    assert "the target cannot hide products" in str(report.steps[0].result.notes[0])  # type: ignore[union-attr]
    assert good(world.run(full=True)).exit_code == 0


def test_goods_without_stock_get_it_again_when_they_return(world: World) -> None:
    """Also where the step that sends stock has not looked meanwhile: it believes in what it sent."""
    world.more = "vanished: zero-stock"
    world.jobs = "  levels: {steps: [{step: sync-stock, from: shop, to: crm}]}\n"
    for n in range(1, 5):
        put(world.shop, single(str(n), f"S-{n}"))
        world.shop.stock[str(n), ""] = (Decimal(5), Decimal(0))
    good(world.run())
    assert good(world.run("levels")).exit_code == 1, "the first stock is looked at by a person"
    world.decide("accept")
    good(world.run("levels"))
    back = world.shop.content.pop("2")
    good(world.run(full=True))
    gone = by_sku(world.crm, "S-2")[0]
    assert world.crm.stock[gone.id, ""][0] == 0
    world.shop.content["2"] = back
    good(world.run())
    good(world.run("levels"))
    assert world.crm.stock[gone.id, ""][0] == 5


def test_what_the_shop_only_hides_has_not_vanished(world: World) -> None:
    world.more = "vanished: hide"
    put(world.shop, single("1", "S-1", published=True), single("2", "S-2", published=True))
    good(world.run())
    put(world.shop, single("2", "S-2", published=False))
    assert "vanished" not in good(world.run(full=True)).counts


def test_an_empty_or_shrunk_source_applies_nothing_until_a_person_says_so(world: World) -> None:
    world.more = "vanished: hide"
    put(world.shop, *[single(str(n), f"S-{n}", published=True) for n in range(1, 9)])
    good(world.run())
    for own in ("1", "2", "3", "4", "5"):
        del world.shop.content[own]
    for _ in range(2):
        assert good(world.run(full=True)).exit_code == 1
    (card,) = world.open_cards()
    assert card["kind"] == "plan"
    assert len([one for one in world.plans() if one["state"] == "waiting"]) == 1, "the same trouble keeps its number"
    assert world.crm.updates == []
    world.decide("accept")
    good(world.run(full=True))
    assert len(world.crm.updates) == 5
    assert world.open_cards() == []
    world.shop.content.clear()
    assert good(world.run(full=True)).exit_code == 1
    world.decide("reject")
    assert good(world.run(full=True)).exit_code == 0
    assert len(world.crm.updates) == 5


def test_a_price_ten_times_higher_waits_and_the_digest_is_of_this_price_alone(world: World) -> None:
    put(world.shop, single("1", "A", price="10.00"), single("2", "B", price="10.00"))
    good(world.run())
    put(world.shop, single("1", "A", price="1000.00"), single("2", "B", price="11.00"))
    assert good(world.run(full=True)).exit_code == 1
    assert good(world.run()).exit_code == 1, "also between two full looks"
    assert world.crm.updates == []
    put(world.shop, single("2", "B", price="12.00"))
    world.decide("accept")
    good(world.run(full=True))
    assert {values["price"] for _id, values in world.crm.updates} == {Decimal(1000), Decimal(12)}


@pytest.mark.parametrize(
    ("amount", "held"), [("0.00", True), ("99.99", True), ("100.00", False), ("900.00", False), ("10000.01", True)]
)
def test_a_special_price_that_is_far_from_its_price_waits(world: World, amount: str, held: bool) -> None:
    world.crm.traits = BELOW
    put(world.shop, single("1", "A", price="1000.00", specials=(special("800.00"),)), single("2", "B", price="5.00"))
    good(world.run())
    put(world.shop, single("1", "A", price="1000.00", specials=(special(amount),)), single("2", "B", price="6.00"))
    for full in (False, True):
        assert good(world.run(full=full)).exit_code == int(held)
    assert bool(world.crm.updates) is not held
    if held:
        assert [one["code"] for one in world.open_cards()[0]["findings"]] == ["brake-prices", "special-price"]
        world.decide("accept")
        good(world.run(full=True))
    assert by_sku(world.crm, "A")[0].values["specials"] == (special(amount),)


def test_a_special_price_far_from_the_price_of_something_new_is_told(world: World) -> None:
    world.crm.traits = BELOW
    put(world.shop, single("1", "A", price="1000.00", specials=(special("0.01"),)))
    assert good(world.run()).exit_code == 1
    assert [one["code"] for one in world.open_cards()[0]["findings"]] == ["special-price"]
    assert good(world.run(full=True)).exit_code == 0


def test_a_special_price_in_another_currency_is_held_against_nothing(world: World) -> None:
    world.crm.traits = BELOW
    put(world.shop, single("1", "A", price="1000.00", currency="UAH", specials=(special("900.00"),)))
    good(world.run())
    in_euros = replace(special("20.00"), money=Money(Decimal(20), "EUR"))
    put(world.shop, single("1", "A", price="1000.00", currency="UAH", specials=(in_euros,)))
    assert good(world.run(full=True)).exit_code == 0


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_refused_row_is_told_with_the_systems_words_and_the_others_go_on(world: World) -> None:
    world.crm.refuse["B"] = Held(T("Артикул зайнятий"))
    put(world.shop, *[single(name, name, price="1.00") for name in "ABCDE"])
    report = good(world.run())
    assert len(world.crm.content) == 4
    assert report.exit_code == 1
    assert "Артикул зайнятий" in str(world.open_cards()[0]["findings"])
    world.crm.refuse.clear()
    good(world.run())
    assert len(world.crm.content) == 5, "the cursor stayed: the next run tries it again"


def test_a_row_that_the_target_had_no_answer_for_is_not_done(world: World) -> None:
    world.crm.refuse["B"] = Transient(T("busy"))
    put(world.shop, *[single(name, name, price="1.00") for name in "AB"])
    report = world.run()
    assert (report.state, report.exit_code) == ("waiting", 3), "the job goes on, and says that something is left"
    assert "busy" in str(report.steps[0].result.notes)  # type: ignore[union-attr]
    world.crm.refuse.clear()
    assert good(world.run()).state == "done"
    assert len(world.crm.content) == 2


def test_what_a_target_does_not_show_yet_is_counted_and_told_and_no_failure_of_the_target(world: World) -> None:
    world.crm.refuse["B"] = Transient(T("accepted, and not shown"), code=NOT_SHOWN)
    put(world.shop, *[single(name, name, price="1.00") for name in "AB"])
    report = world.run()
    assert (report.state, report.exit_code) == ("waiting", 1)
    assert (report.counts["new"], report.counts["unconfirmed"]) == (1, 1)
    assert "B: accepted, and not shown" in [str(note) for note in report.steps[0].result.notes]  # type: ignore[union-attr]
    world.crm.refuse.clear()
    report = good(world.run())
    assert (report.state, report.exit_code) == ("done", 0), "it was looked at again"
    assert "unconfirmed" not in report.counts


def test_f51_a_run_that_dies_after_half_of_the_pushes_has_recorded_just_those(world: World) -> None:
    put(world.shop, *[single(str(n), f"S-{n}", price="1.00", updated_at=NOW) for n in range(1, 11)])
    good(world.run())
    world.later(hours=1)
    put(world.shop, *[single(str(n), f"S-{n}", price="2.00", updated_at=world.clock.now()) for n in range(1, 11)])
    world.crm.strike, world.crm.strike_after = Transient(T("away")), 2
    report = world.run()
    assert (report.state, report.exit_code) == ("failed", 3)
    assert len(world.crm.updates) == 6
    good(world.run())
    assert len(world.crm.updates) == 10
    assert len({own for own, _values in world.crm.updates}) == 10


def test_a_creation_in_doubt_makes_the_next_run_look_before_it_creates(world: World) -> None:
    put(world.shop, single("1", "A", updated_at=NOW), single("2", "B", updated_at=NOW))
    world.crm.strike = InDoubt(T("no answer"))
    world.run()
    put(world.crm, single("late", "A", name="Товар 1"))  # it was made after all
    good(world.run())
    assert world.crm.created == 1
    assert len(by_sku(world.crm, "A")) == 1


def test_a_process_that_dies_between_a_write_and_its_record_does_no_harm(world: World) -> None:
    put(world.shop, *[single(str(n), f"S-{n}", price="1.00") for n in range(1, 8)])

    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "sync:applied":
            raise Killed

    with pytest.raises(Killed):
        world.run(reach=die)
    assert world.crm.created == 3
    good(world.run())
    assert world.crm.created == 7
    assert good(world.run(full=True)).counts == {"matched": 7}


def test_a_dry_run_plans_and_changes_nothing(world: World) -> None:
    put(world.shop, single("1", "A", price="1.00"))
    report = world.run(dry_run=True)
    assert report.counts == {"new": 1}
    assert report.steps[0].result is not None
    assert report.steps[0].result.plan.creates[0].rows[0].article == "A"
    assert world.crm.content == {}
    assert not (world.folder / "ledger.sqlite3").exists()


def test_a_system_that_cannot_is_told_by_name(world: World) -> None:
    world.more = "match: {target: barcode}"
    report = world.run()
    assert report.exit_code == 2
    assert "crm" in str(report.steps[0].findings[0].text)


def test_old_plans_do_not_pile_up(world: World) -> None:
    put(world.shop, single("1", "A", price="1.00"))
    for n in range(plan_rows.PLANS_KEPT + 5):
        put(world.shop, single("1", "A", price=f"1.{n:02d}"))
        good(world.run(full=True))
    with Client.open(world.config(), registry=world.registry()) as client, client.ledger.read() as conn:
        count = conn.execute(sa.text("SELECT count(*) FROM plans")).scalar_one()
    assert count <= plan_rows.PLANS_KEPT + 1


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Decimal("1.50"), Decimal("1.5"), True), (Decimal("1E+2"), Decimal(100), True), (Decimal(1), "1", False),
        ("а", "a", False), ((), None, False), (("A", "B"), ["A", "B"], True), (True, Decimal(1), False),
        ("", None, False),
        ((special("8.00", NOW),), (special("8.0", NOW.astimezone(ZoneInfo("Europe/Kyiv"))),), True),
        ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, True), ("null", None, False),
    ],
)  # fmt: skip
def test_fingerprints_are_one_for_what_means_the_same(one: object, other: object, equal: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is equal


def test_what_would_be_created_is_shown_beside_what_comes_near_to_it(world: World) -> None:
    put(world.crm, single("c1", "FARBA-100-RED", name="Фарба червона 1 л"), single("c2", "XYZ", name="Інше"))
    put(world.shop, single("1", "FARBA-100-RE", name="Щось"), single("2", "QQ-1", name="Фарба червона 1л"))
    report = world.run(dry_run=True)
    rows = report.steps[0].result.details  # type: ignore[union-attr]
    assert [[one["id"] for one in row["near"]] for row in rows] == [["c1"], ["c1"]]
    world.more = "create: false"
    report = good(world.run())
    assert "FARBA-100-RED" in str(world.open_cards()[0]["findings"])
    assert world.crm.updates == [], "a proposal is for a person"


def test_what_a_system_noticed_is_told_and_waits_for_nobody(world: World) -> None:
    put(world.shop, single("1", "A"))
    world.shop.remarks.append(Finding("loop", T("Categories A and B are each other's parents.")))
    report = good(world.run())
    assert report.exit_code == 0
    assert "each other" in str(report.steps[0].result.notes[0])  # type: ignore[union-attr]
    assert world.open_cards() == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_products_without_a_price_are_told_in_one_line_and_all_others_go_on(world: World, dry_run: bool) -> None:
    put(world.shop, *(single(str(n), f"A-{n}", price=None) for n in range(12)), single("12", "B", price=Decimal(5)))
    put(world.crm, *(single(f"c{n}", f"A-{n}", price="7.00", name="Стара") for n in range(12)))
    report = good(world.run(dry_run=dry_run))
    (note,) = report.steps[0].result.notes  # type: ignore[union-attr]
    assert str(note).startswith("12 products have no price in the source: A-0, A-1, ")
    assert "A-10" not in str(note), "not more than a person takes in"
    assert "In the target their prices stay." in str(note)
    assert report.steps[0].result.counts["new"] == 1  # type: ignore[union-attr]
    assert all("price" not in values for _id, values in world.crm.updates)
    world.more = "fields: [name]"
    assert good(world.run(dry_run=dry_run)).steps[0].result.notes == ()  # type: ignore[union-attr]


def test_a_target_that_says_how_it_shows_a_text_leaves_no_doubt_who_changed_it(world: World) -> None:
    world.crm.tidy = world.crm.tells = True
    put(world.shop, single("1", "S-1", description="<p>a</p>"))
    good(world.run())
    put(world.shop, single("1", "S-1", description="<p>b</p>"))
    good(world.run(full=True))
    offer = by_sku(world.crm, "S-1")[0]
    put(world.crm, replace(offer, values={**offer.values, "description": "чуже"}))
    good(world.run(full=True))
    assert [values for _id, values in world.crm.updates] == [{"description": "<p>b</p>"}] * 2
    good(world.run(full=True))
    assert len(world.crm.updates) == 2


def test_a_row_that_goes_through_later_takes_itself_off_the_card(world: World) -> None:
    world.shop.traits = replace(SHOP, delta=False)
    put(world.shop, *(single(n, f"S-{n}", price="5.00") for n in "123"))
    good(world.run())
    for n in "12":
        put(world.shop, single(n, f"S-{n}", price="6.00"))
        world.crm.refuse[f"S-{n}"] = Held(T("Зайнято."), code="busy")
    world.later(minutes=5)
    good(world.run())
    (card,) = world.open_cards()
    assert len(card["findings"]) == 2
    del world.crm.refuse["S-1"]
    world.later(minutes=5)
    good(world.run())
    (card,) = world.open_cards()
    assert [one["where"]["element"] for one in card["findings"]] == ["S-2"]
    del world.crm.refuse["S-2"]
    world.later(minutes=5)
    assert good(world.run()).counts == {"updated": 1}
    assert world.open_cards() == [], "nobody has to wait for the night"


def test_what_one_look_found_stays_on_the_card_while_rows_go_through(world: World) -> None:
    put(world.shop, single("1", "S-1", price="5.00"), single("2", ""))
    good(world.run())
    (card,) = world.open_cards()
    assert [one["code"] for one in card["findings"]] == ["no-article"]
    put(world.shop, single("1", "S-1", price="6.00", updated_at=world.clock.now()))
    world.later(minutes=5)
    assert good(world.run()).counts["updated"] == 1
    (card,) = world.open_cards()
    assert [one["code"] for one in card["findings"]] == ["no-article"]


@pytest.mark.parametrize("left", [0, 3])
def test_a_source_that_always_tells_everything_is_held_between_two_looks_at_everything_too(
    world: World, left: int
) -> None:
    world.shop.traits = replace(world.shop.traits, delta=False)
    put(world.shop, *[single(str(n), f"S-{n}") for n in range(1, 11)])
    good(world.run())
    goods = dict(world.shop.content)
    world.shop.content = dict(list(goods.items())[:left])
    for _ in range(2):
        assert good(world.run()).exit_code == 1
    (card,) = world.open_cards()
    assert card["findings"][0]["code"] == ("brake-shrunk" if left else "brake-empty")
    world.shop.content = dict(list(goods.items())[:6])
    assert good(world.run()).exit_code == 0, "so many may go"
    world.shop.content = goods
    reads = len(world.crm.reads)
    assert good(world.run()).exit_code == 0
    assert good(world.run()).counts == {}
    assert len(world.crm.reads) - reads <= 1
