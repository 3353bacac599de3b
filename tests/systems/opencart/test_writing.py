"""What is written into a shop: prices, special prices, whether it is shown, stock; and what is refused, with words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from pipeline.errors import Held, Refused, Transient
from pipeline.model import Money, Offer, SpecialPrice
from pipeline.ports import OfferChange, ProductDraft, RowOutcome, StockTarget
from pipeline.testing.tcpproxy import TcpProxy
from tests.systems.opencart.shops import Shop
from tests.systems.opencart.test_connecting import grants
from tests.systems.opencart.test_reading import levels, told

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb")]
KYIV = ZoneInfo("Europe/Kyiv")
SIZES = ({"name": "S", "price": "1"}, {"name": "M", "price": "2"})


def update(shop: Shop, *changes: tuple[Offer, Mapping[str, Any]], **settings: Any) -> list[RowOutcome]:
    """Write changes."""
    system = shop.open(**settings)
    outcomes = system.update_offers([OfferChange(offer=offer, values=values) for offer, values in changes])
    system.close()
    return list(outcomes)


def set_stock(shop: Shop, *targets: tuple[Offer, Any], warehouse: str = "", **settings: Any) -> list[RowOutcome]:
    """Write levels."""
    system = shop.open(**settings)
    outcomes = system.apply_stock(
        [StockTarget(offer=offer, warehouse=warehouse, quantity=Decimal(n)) for offer, n in targets]
    )
    system.close()
    return list(outcomes)


def words(outcome: RowOutcome) -> str:
    """Why a row was held."""
    assert isinstance(outcome.error, Held), outcome
    return str(outcome.error)


def done(outcomes: list[RowOutcome]) -> list[bool]:
    """``existed`` of each; a failure fails."""
    assert [str(one.error) for one in outcomes if one.error] == []
    return [one.existed for one in outcomes]


def usd(amount: str) -> Money:
    """Dollars, the demo shop's currency."""
    return Money(Decimal(amount), "USD")


def day(number: int) -> datetime:
    """Midnight of a day of December 2026 in Kyiv."""
    return datetime(2026, 12, number, tzinfo=KYIV)


# --- prices ----------------------------------------------------------------------------------------------------------


def test_a_price_is_written_once_and_stamped(demo_shop: Shop) -> None:
    offer = told(demo_shop)["28"]
    assert done(update(demo_shop, (offer, {"price": Decimal("123.45")}), timezone="Europe/Kyiv")) == [False]
    (row,) = demo_shop.run("select price, date_modified from {p}product where product_id = 28")
    assert row["price"] == Decimal("123.4500")
    assert str(row["date_modified"]) == "2026-11-28 14:00:00"  # as the shop's clock shows it
    demo_shop.run("update {p}product set date_modified = '2020-01-01' where product_id = 28")
    assert done(update(demo_shop, (offer, {"price": Decimal("123.450")}))) == [True]
    (row,) = demo_shop.run("select date_modified from {p}product where product_id = 28")
    assert str(row["date_modified"]).startswith("2020-01-01")


def test_f46_a_price_that_is_none_or_below_nothing_is_held_and_0_is_a_price(demo_shop: Shop) -> None:
    offer = told(demo_shop)["28"]
    for price in (None, Decimal(-1), "100", 100.0):
        assert "a number from 0 on" in words(update(demo_shop, (offer, {"price": price}))[0])
    assert told(demo_shop)["28"] == offer
    assert done(update(demo_shop, (offer, {"price": Decimal(0)}))) == [False]
    assert told(demo_shop)["28"].values["price"] == 0


def test_a_price_that_the_column_cannot_hold_is_held_and_never_cut(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    outcomes = update(
        demo_shop,
        (offers["28"], {"price": Decimal(1000000000000)}),
        (offers["29"], {"price": Decimal("99999999999.99")}),
    )
    assert "Out of range" in words(outcomes[0])
    done(outcomes[1:])
    after = told(demo_shop)
    assert after["28"].values["price"] == Decimal(100)
    assert after["29"].values["price"] == Decimal("99999999999.99")


def test_the_price_of_a_variant_is_what_its_only_option_adds(bare_shop: Shop) -> None:
    number = bare_shop.product(price="100")
    bare_shop.option(number, "select", "Розмір", SIZES)
    offers = told(bare_shop)
    small, medium = offers[f"{number}:1"], offers[f"{number}:2"]
    assert done(update(bare_shop, (small, {"price": Decimal("80.5")}), (medium, {"price": Decimal(102)}))) == [
        False,
        True,
    ]
    rows = bare_shop.run("select price, price_prefix from {p}product_option_value order by option_value_id")
    assert [(row["price_prefix"], row["price"]) for row in rows] == [("-", Decimal("19.5000")), ("+", Decimal(2))]
    after = told(bare_shop)
    assert [str(after[one].values["price"]) for one in (str(number), small.id, medium.id)] == [
        "100.00",
        "80.50",
        "102.00",
    ]


def test_a_product_and_its_variants_in_one_go_come_out_as_they_are_told(bare_shop: Shop) -> None:
    number = bare_shop.product(price="100")
    bare_shop.option(number, "select", "Розмір", SIZES)
    offers = told(bare_shop)
    prices = {f"{number}:1": Decimal(150), str(number): Decimal(140), f"{number}:2": Decimal(130)}  # a variant first
    outcomes = update(bare_shop, *((offers[one], {"price": price}) for one, price in prices.items()))
    assert done(outcomes) == [False, False, False]
    assert [outcome.ids for outcome in outcomes] == [(one,) for one in prices]
    after = told(bare_shop)
    assert {one: after[one].values["price"] for one in prices} == prices
    again = update(bare_shop, *((offers[one], {"price": price}) for one, price in prices.items()))
    assert done(again) == [True, True, True]


def test_the_price_of_a_combination_of_options_is_not_for_one_alone(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    (outcome,) = update(demo_shop, (offers["42:32-39"], {"price": Decimal(1)}))
    assert "several options" in words(outcome)
    assert "Small, Red" in words(outcome)
    assert told(demo_shop) == offers
    assert done(update(demo_shop, (offers["42:32-39"], {"price": Decimal(114)}))) == [True]


def test_fields_that_are_not_written_hold_the_whole_row(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    (outcome,) = update(demo_shop, (offers["28"], {"price": Decimal(1), "name": "Інша", "unit": "шт"}))
    assert "name, unit" in words(outcome)
    assert told(demo_shop) == offers


def test_an_offer_that_is_gone_or_none_is_held(demo_shop: Shop) -> None:
    for offer in (Offer(id="999", product="999"), Offer(id="щось", product="щось"), Offer(id="42:1-2", product="42")):
        (outcome,) = update(demo_shop, (offer, {"price": Decimal(1)}))
        assert "not in the shop any more" in words(outcome)


# --- special prices --------------------------------------------------------------------------------------------------


def specials(shop: Shop, number: int) -> list[tuple[str, str, str]]:
    """(price, date_start, date_end) of the default group's special prices, as they are kept."""
    table = "product_special" if shop.version == "3.0" else "product_discount"
    only = "" if shop.version == "3.0" else " and special = 1 and type = 'F' and quantity = 1"
    rows = shop.run(
        f"select price, cast(date_start as char) as s, cast(date_end as char) as e from {{p}}{table}"
        f" where product_id = %s and customer_group_id = 1{only} order by date_start", [number],
    )  # fmt: skip
    return [(str(row["price"]), row["s"], row["e"]) for row in rows]


def test_special_prices_replace_those_of_the_group_and_no_others(bare_shop: Shop) -> None:
    number = bare_shop.product(price="100")
    bare_shop.special(number, "95", priority=0)
    bare_shop.special(number, "70", customer_group_id=2)
    bare_shop.load({"product_discount": [{
        "product_id": number, "customer_group_id": 1, "quantity": 10, "priority": 1, "price": "66",
        "date_start": "0000-00-00", "date_end": "0000-00-00",
    }]})  # fmt: skip
    offer = told(bare_shop)[str(number)]
    wanted = (SpecialPrice(usd("90.00"), day(1), day(5)), SpecialPrice(usd("80.00"), day(5), None))
    settings: dict[str, Any] = {"timezone": "Europe/Kyiv"}
    assert done(update(bare_shop, (offer, {"specials": wanted}), **settings)) == [False]
    assert specials(bare_shop, number) == [
        ("90.0000", "2026-12-01", "2026-12-05"), ("80.0000", "2026-12-05", "0000-00-00"),
    ]  # fmt: skip
    after = told(bare_shop, **settings)[str(number)]
    assert after.values["specials"] == wanted
    assert done(update(bare_shop, (after, {"specials": wanted}), **settings)) == [True]
    assert len(told(bare_shop, customer_group=2)[str(number)].values["specials"]) == 1
    (kept,) = bare_shop.run("select count(*) as n from {p}product_discount where quantity = 10")
    assert kept["n"] == 1


def test_f47_an_ended_special_price_is_cleared(bare_shop: Shop) -> None:
    number = bare_shop.product(price="100")
    bare_shop.special(number, "90", "2020-01-01", "2020-02-01")
    offer = told(bare_shop)[str(number)]
    assert done(update(bare_shop, (offer, {"specials": ()}))) == [False]
    assert specials(bare_shop, number) == []
    assert done(update(bare_shop, (offer, {"specials": None}))) == [True]


def test_f47_days_are_those_of_the_shops_zone(bare_shop: Shop) -> None:
    number = bare_shop.product(price="100")
    offer = told(bare_shop)[str(number)]
    # told by a system in UTC: the first moment of 1 December in Kyiv until all of the 9th is over
    wanted = SpecialPrice(
        usd("90.00"), datetime(2026, 11, 30, 22, tzinfo=UTC), datetime(2026, 12, 9, 21, 59, 59, tzinfo=UTC)
    )
    assert done(update(bare_shop, (offer, {"specials": (wanted,)}), timezone="Europe/Kyiv")) == [False]
    assert specials(bare_shop, number) == [("90.0000", "2026-12-01", "2026-12-10")]
    assert done(update(bare_shop, (offer, {"specials": (wanted,)}), timezone="Europe/Kyiv")) == [True]
    (outcome,) = update(bare_shop, (offer, {"specials": (wanted,)}), timezone="UTC")
    assert "whole days" in words(outcome)


@pytest.mark.parametrize(
    ("special", "said"),
    [
        (SpecialPrice(usd("90"), day(1) + timedelta(hours=10), None), "whole days"),
        (SpecialPrice(usd("-1"), day(1), None), "from 0 on"),
        (SpecialPrice(Money(Decimal(90), "UAH"), day(1), None), "in USD, not in UAH"),
    ],
)
def test_special_prices_that_the_shop_cannot_keep_are_held(bare_shop: Shop, special: SpecialPrice, said: str) -> None:
    number = bare_shop.product(price="100")
    bare_shop.special(number, "95")
    offer = told(bare_shop)[str(number)]
    (outcome,) = update(bare_shop, (offer, {"specials": (special,), "price": Decimal(50)}), timezone="Europe/Kyiv")
    assert said in words(outcome)
    assert told(bare_shop)[str(number)] == offer


def test_a_variant_has_the_special_price_of_its_product(bare_shop: Shop) -> None:
    number = bare_shop.product(price="100")
    bare_shop.option(number, "select", "Розмір", SIZES)
    bare_shop.special(number, "90")
    variant = told(bare_shop)[f"{number}:2"]
    assert done(update(bare_shop, (variant, {"specials": (SpecialPrice(usd("92.00")),)}))) == [True]
    assert "not for one of its variants" in words(update(bare_shop, (variant, {"specials": ()}))[0])


# --- shown to buyers -------------------------------------------------------------------------------------------------


def test_a_product_is_shown_and_hidden(bare_shop: Shop) -> None:
    number, later = bare_shop.product(), bare_shop.product(date_available="2027-01-01")
    offers = told(bare_shop)
    assert offers[str(later)].values["published"] is False
    outcomes = update(bare_shop, (offers[str(number)], {"published": False}), (offers[str(later)], {"published": True}))
    assert done(outcomes) == [False, False]
    after = told(bare_shop)
    assert [after[str(one)].values["published"] for one in (number, later)] == [False, True]
    (row,) = bare_shop.run("select date_available from {p}product where product_id = %s", [later])
    assert str(row["date_available"]) == "2026-11-28"
    assert done(update(bare_shop, (after[str(number)], {"published": False}))) == [True]
    assert "or it is not" in words(update(bare_shop, (after[str(number)], {"published": "так"}))[0])


def test_one_variant_of_options_cannot_be_hidden(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    assert "not one of its variants" in words(update(demo_shop, (offers["35:46"], {"published": False}))[0])
    assert done(update(demo_shop, (offers["35:46"], {"published": True}))) == [True]
    assert not demo_shop.open().offer_traits().hides(offers["35:46"])


def test_a_product_with_variants_is_hidden_whole(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    assert demo_shop.open().offer_traits().hides(offers["35"])
    assert done(update(demo_shop, (offers["35"], {"published": False}))) == [False]
    assert told(demo_shop)["35"].values["published"] is False
    assert "not one of its variants" in words(update(demo_shop, (offers["35:46"], {"published": True}))[0])


def test_products_are_not_created(demo_shop: Shop) -> None:
    system = demo_shop.open()
    assert system.offer_traits().creates == frozenset()
    (outcome,) = system.create_products([ProductDraft(base=Offer(keys={"model": "X"}))])
    assert "admin" in words(outcome)
    system.close()


# --- stock -----------------------------------------------------------------------------------------------------------


def test_a_level_is_set_and_the_time_of_the_product_is_left(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    assert done(set_stock(demo_shop, (offers["28"], 5), (offers["29"], 999))) == [False, True]
    assert levels(demo_shop)["28"] == ("Product 1", Decimal(5))
    assert told(demo_shop) == offers


def test_a_debt_is_set_to_nothing(bare_shop: Shop) -> None:
    number = bare_shop.product(quantity=-3)
    offer = told(bare_shop)[str(number)]
    assert done(set_stock(bare_shop, (offer, 0))) == [False]
    assert levels(bare_shop)[str(number)][1] == 0


def test_f48_the_stock_of_a_variant_is_its_values_and_the_products_is_their_sum(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    assert done(set_stock(demo_shop, (offers["35:46"], 7), (offers["35:47"], 0), (offers["35:48"], 15))) == [
        False,
        False,
        True,
    ]
    found = levels(demo_shop)
    assert [found[f"35:{one}"][1] for one in (46, 47, 48)] == [Decimal(7), Decimal(0), Decimal(15)]
    (row,) = demo_shop.run("select quantity from {p}product where product_id = 35")
    assert row["quantity"] == 22
    assert "that of its variants" in words(set_stock(demo_shop, (offers["35"], 9))[0])


def test_a_variant_is_on_sale_although_its_product_had_none(bare_shop: Shop) -> None:
    number = bare_shop.product(quantity=0)
    bare_shop.option(number, "select", "Розмір", [{"name": "S", "quantity": 5}, {"name": "M", "quantity": -2}])
    offers = told(bare_shop)
    assert levels(bare_shop)[f"{number}:1"][1] == 0
    assert done(set_stock(bare_shop, (offers[f"{number}:1"], 5))) == [False]
    assert levels(bare_shop)[f"{number}:1"][1] == 5
    (row,) = bare_shop.run("select quantity from {p}product")
    assert row["quantity"] == 5  # the debt of M is none of it


def test_what_is_never_short_keeps_the_products_stock_up(bare_shop: Shop) -> None:
    number = bare_shop.product(quantity=100)
    bare_shop.option(number, "select", "Розмір", [{"name": "S", "quantity": 5}, {"name": "M", "subtract": 0}])
    offers = told(bare_shop)
    assert done(set_stock(bare_shop, (offers[f"{number}:1"], 7))) == [False]
    assert {one: on_hand for one, (_, on_hand) in levels(bare_shop).items()} == {
        f"{number}:1": Decimal(7), f"{number}:2": Decimal(100),
    }  # fmt: skip
    assert "no stock for it alone" in words(set_stock(bare_shop, (offers[f"{number}:2"], 7))[0])


def test_what_is_sold_without_its_option_keeps_its_own_stock(bare_shop: Shop) -> None:
    number = bare_shop.product(quantity=100)
    bare_shop.option(number, "select", "Пакунок", [{"name": "Так", "quantity": 5}], required=0)
    offers = told(bare_shop)
    assert done(set_stock(bare_shop, (offers[f"{number}:1"], 7), (offers[str(number)], 50))) == [False, False]
    assert {one: on_hand for one, (_, on_hand) in levels(bare_shop).items()} == {
        str(number): Decimal(50), f"{number}:1": Decimal(7),
    }  # fmt: skip


def test_a_combination_of_options_has_no_stock_of_its_own(demo_shop: Shop) -> None:
    offers, before = told(demo_shop), levels(demo_shop)
    assert "no stock for it alone" in words(set_stock(demo_shop, (offers["42:32-39"], 3))[0])
    assert levels(demo_shop) == before


@pytest.mark.parametrize(
    ("number", "said"), [("2.5", "whole pieces"), ("-1", "from 0 on"), ("99999999999", "Out of range")]
)
def test_levels_that_the_shop_cannot_keep_are_held(demo_shop: Shop, number: str, said: str) -> None:
    offers, before = told(demo_shop), levels(demo_shop)
    assert said in words(set_stock(demo_shop, (offers["28"], number))[0])
    assert levels(demo_shop) == before


def test_fractions_go_down_on_request(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    assert done(set_stock(demo_shop, (offers["28"], "2.999"), fractions="down")) == [False]
    assert levels(demo_shop)["28"][1] == 2


def test_a_warehouse_that_is_named_is_held(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    assert "no warehouse Склад 1" in words(set_stock(demo_shop, (offers["28"], 1), warehouse="Склад 1")[0])


def test_variant_products_keep_their_own(copied: Callable[[str, bool], Shop]) -> None:
    shop = copied("4.1", False)
    master = shop.product(price="100")
    (small, _) = shop.option(master, "select", "Розмір", [{"name": "S", "price": "5", "quantity": 8}, {"name": "M"}])
    own = {"1": str(small)}
    child = shop.product(
        master_id=master, variant=json.dumps(own), override=json.dumps({"variant": {"1": "1"}}), price="90", quantity=3
    )
    offer = told(shop)[str(child)]
    assert offer.values["price"] == Decimal(95)
    values = {"price": Decimal(120), "specials": (SpecialPrice(usd("99.00")),), "published": False}
    assert done(update(shop, (offer, values))) == [False]
    after = told(shop)
    assert {name: after[str(child)].values[name] for name in values} == values
    assert after[str(master)].values["published"] is True
    (row,) = shop.run("select price from {p}product where product_id = %s", [child])
    assert row["price"] == Decimal(115)
    assert specials(shop, child) == [("94.0000", "0000-00-00", "0000-00-00")]
    assert done(set_stock(shop, (offer, 6))) == [False]
    assert levels(shop)[str(child)][1] == 6
    assert "fewer of its option S" in words(set_stock(shop, (offer, 9))[0])
    assert "options alone cost more" in words(update(shop, (offer, {"price": Decimal(4)}))[0])
    assert "options alone cost more" in words(update(shop, (offer, {"specials": (SpecialPrice(usd("4.00")),)}))[0])


# --- as a whole ------------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    system = demo_shop.open(dry_run=True)
    with pytest.raises(Refused, match="dry run"):
        system.update_offers([OfferChange(offer=offers["28"], values={"price": Decimal(1)})])
    with pytest.raises(Refused, match="dry run"):
        system.apply_stock([StockTarget(offer=offers["28"], warehouse="", quantity=Decimal(1))])
    system.close()
    assert told(demo_shop) == offers


def test_the_rights_of_the_docs_are_enough_to_write_and_no_more(demo_shop: Shop) -> None:
    user, password = demo_shop.server.login(*grants(demo_shop, writing=True))
    login: dict[str, Any] = {"user": user, "password": SecretStr(password)}
    offers = told(demo_shop, **login)
    new = {"price": Decimal(77), "specials": (SpecialPrice(usd("55.00")),), "published": False}
    assert (
        done(update(demo_shop, (offers["28"], new), (offers["35:46"], {"price": Decimal(120)}), **login)) == [False] * 2
    )
    assert done(set_stock(demo_shop, (offers["28"], 1), (offers["35:46"], 3), **login)) == [False, False]
    system = demo_shop.open(**login)
    with pytest.raises(Refused, match="denied"):
        system.database.write(lambda line: line.exec_driver_sql("update oc_product set model = 'x'"))
    system.close()


def test_without_the_right_to_write_it_is_refused(demo_shop: Shop) -> None:
    user, password = demo_shop.server.login(*grants(demo_shop))
    offers = told(demo_shop)
    with pytest.raises(Refused, match="denied") as caught:
        update(demo_shop, (offers["28"], {"price": Decimal(1)}), user=user, password=SecretStr(password))
    assert caught.value.code == "rights"


def test_f51_a_line_that_breaks_after_some_rows_tells_which_were_written(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    with TcpProxy((demo_shop.server.host, demo_shop.server.port)) as proxy:
        system = demo_shop.open()
        system.settings = demo_shop.settings(host=proxy.host, port=proxy.port)
        system.database._settings = system.settings
        written = "select count(*) as n from {p}product where price = 7"
        proxy.cut(when=lambda: demo_shop.run(written)[0]["n"] >= 2, times=None)
        wanted = [OfferChange(offer=offers[one], values={"price": Decimal(7)}) for one in ("28", "29", "31", "32")]
        outcomes = system.update_offers(wanted)
        system.close()
    errors = [outcome.error for outcome in outcomes]
    count = demo_shop.run(written)[0]["n"]
    assert isinstance(errors[-1], Transient)
    assert errors[0] is None
    told_done = sum(error is None for error in errors)
    assert told_done in (count, count - 1)  # of the one in whose reply it broke it cannot be known; it is done again
    again = update(demo_shop, *((offers[one], {"price": Decimal(7)}) for one in ("28", "29", "31", "32")))
    assert done(again) == [True] * count + [False] * (4 - count)


def test_a_line_that_is_dead_from_the_start_strikes_all(demo_shop: Shop) -> None:
    from tests.servers.common import free_port

    offers = told(demo_shop)
    with pytest.raises(Transient):
        update(demo_shop, (offers["28"], {"price": Decimal(1)}), port=free_port())


@pytest.mark.parametrize("kind", ["update", "stock"])
def test_a_sale_meanwhile_is_not_lost_on_others(demo_shop: Shop, kind: str) -> None:
    # only what is named is written: a sale of another product, or of this one while its price is written, stays
    offers = told(demo_shop)
    demo_shop.run("update {p}product set quantity = quantity - 3 where product_id in (28, 29)")
    if kind == "update":
        done(update(demo_shop, (offers["28"], {"price": Decimal(1)})))
        assert levels(demo_shop)["28"][1] == 936
    else:
        done(set_stock(demo_shop, (offers["28"], 1)))
    assert levels(demo_shop)["29"][1] == 996


def test_f48_a_variant_of_none_stays_at_none_when_its_sibling_gets_some(bare_shop: Shop) -> None:
    # S shows nothing only because its product has none: when M gets some, S must not come up with its 5
    number = bare_shop.product(quantity=0)
    bare_shop.option(number, "select", "Розмір", [{"name": "S", "quantity": 5}, {"name": "M", "quantity": 0}])
    offers = told(bare_shop)
    outcomes = set_stock(bare_shop, (offers[f"{number}:1"], 0), (offers[f"{number}:2"], 8))
    assert done(outcomes) == [False, False]
    assert {one: on_hand for one, (_, on_hand) in levels(bare_shop).items()} == {
        f"{number}:1": Decimal(0), f"{number}:2": Decimal(8),
    }  # fmt: skip
