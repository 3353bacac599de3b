"""What a shop is told to have: goods with variations, changes, special prices, stock; and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Offer, Refused, StockLevel, Transient
from plugins.systems.woocommerce._fake_quirks import Quirks
from plugins.systems.woocommerce.fake import SECRET
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import Shop, served

PAGE_OF_A_FIREWALL = "<html><head><style>b{}</style></head><body><h1>Перевірка браузера</h1>Ray 7f</body></html>"


@pytest.fixture
def shop(clock: Clock) -> Iterator[Shop]:
    with served(clock, page=5) as made:
        yield made


def told(shop: Shop, since: datetime | None = None, **more: Any) -> list[Offer]:
    system = shop.open(**more)
    try:
        return list(system.offers(since))
    finally:
        system.close()


def levels(shop: Shop, **more: Any) -> dict[str, StockLevel]:
    system = shop.open(**more)
    try:
        return {one.code or one.offer: one for one in system.levels()}
    finally:
        system.close()


def articles(offers: list[Offer]) -> list[str]:
    return [offer.keys.get("sku", f"#{offer.id}") for offer in offers]


def colours(shop: Shop, name: str, *skus: str) -> tuple[int, list[int]]:
    """A variable product without an article, with a variation for each."""
    base = shop.fake.add_variable(name, {"Колір": list(skus)})
    return base, [shop.fake.add_variation(base, sku, {"Колір": sku}) for sku in skus]


# --- goods -----------------------------------------------------------------------------------------------------------


def test_a_seeded_shop_is_told(shop: Shop) -> None:
    shop.fake.seed()
    lacquer, primer, enamel, red, blue = told(shop)
    assert lacquer.keys == {"sku": "LMP-9"}
    assert lacquer.values["price"] == Decimal("450.50")
    assert lacquer.values["currency"] == "UAH"
    assert lacquer.values["category"] == ("Автоемалі", "Акрилові & алкідні")
    assert primer.keys == {}
    assert [one.money.amount for one in primer.values["specials"]] == [Decimal(999)]
    assert (enamel.kind, red.kind, blue.kind) == ("base", "variant", "variant")
    assert "price" not in enamel.values
    assert red.values["options"] == {"Колір": "Червона", "Об'єм": "1 л"}
    assert {red.product, blue.product} == {enamel.id}


@pytest.mark.parametrize("at_once", [True, False])
def test_variations_stand_behind_their_product_on_every_page(shop: Shop, at_once: bool) -> None:
    shop.fake.behave(all_variations=at_once)
    wanted = []
    for n in range(12):
        if n % 3:
            colours(shop, f"Фарба {n}", f"{n}-a", f"{n}-b")
            wanted += [f"base {n}", f"{n}-a", f"{n}-b"]
        else:
            shop.fake.add_product(f"S-{n}", f"Товар {n}", "10")
            wanted.append(f"S-{n}")
    offers = told(shop)
    shown = [one.keys.get("sku", one.values.get("name", "").replace("Фарба", "base")) for one in offers]
    assert shown == wanted
    per_product = [
        one for one in shop.fake.asked("GET") if one.path.endswith("/variations") and "/products/" in one.path
    ]
    assert len(per_product) == (0 if at_once else 8)


def test_a_product_that_is_alone_on_its_page_is_asked_for_its_own_variations(shop: Shop) -> None:
    colours(shop, "Фарба", "R", "G")
    assert articles(told(shop))[1:] == ["R", "G"]


def test_the_trash_is_not_told_and_drafts_are(shop: Shop) -> None:
    shop.fake.add_product("A-1", "Товар", "1", status="trash")
    shop.fake.add_product("A-2", "Товар", "1", status="draft")
    (offer,) = told(shop)
    assert (offer.keys["sku"], offer.values["published"]) == ("A-2", False)


def test_barcodes_are_a_second_article_or_left_alone(shop: Shop) -> None:
    shop.fake.add_product("A-1", "Товар", "1", global_unique_id="4820000000017")
    (offer,) = told(shop)
    assert offer.keys == {"sku": "A-1", "gtin": "4820000000017"}
    assert offer.values["barcode"] == "4820000000017"
    (offer,) = told(shop, barcodes="off")
    assert offer.keys == {"sku": "A-1"}
    assert "barcode" not in offer.values


def test_texts_are_told_as_they_were_written(shop: Shop) -> None:
    shop.fake.add_product("A-1", "Товар", "1", description="Перший рядок\n\nДругий", short_description="Коротко")
    (offer,) = told(shop)
    assert offer.values["description"] == "Перший рядок\n\nДругий"
    assert offer.values["short_description"] == "Коротко"


def test_categories_that_are_each_others_parents_are_left_out_and_told(shop: Shop) -> None:
    one = shop.fake.add_category("Коло")
    other = shop.fake.add_category("Овал", one)
    shop.fake.shop.tables["categories"][one]["parent"] = other
    shop.fake.add_product("A-1", "Товар", "1", categories=[one])
    system = shop.open()
    (offer,) = system.offers()
    assert offer.values["category"] == ()
    assert [one.code for one in system.noticed()] == ["category-circle"]
    assert system.noticed() == ()


@pytest.mark.parametrize("wrong", ["12,50", "за запитом", "1 234.00"])
def test_a_price_that_a_plugin_has_broken_is_not_taken_for_none(shop: Shop, wrong: str) -> None:
    key = shop.fake.add_product("A-1", "Товар", "1")
    shop.fake.shop.tables["products"][key]["regular_price"] = wrong
    system = shop.open()
    (offer,) = system.offers()
    assert "price" not in offer.values
    (notice,) = system.noticed()
    assert wrong in str(notice.text)
    assert "A-1" in str(notice.text)


# --- changes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("zone", ["Europe/Kyiv", "America/New_York"])
def test_a_change_of_a_variation_is_one_of_its_product(clock: Clock, at_once: bool, zone: str) -> None:
    with served(clock, Quirks(all_variations=at_once, zone=zone), page=5) as shop:
        _, (red, _) = colours(shop, "Фарба", "R", "G")
        colours(shop, "Лак", "L1", "L2")
        shop.fake.add_product("S-1", "Товар", "10")
        since = shop.tick()
        shop.tick()
        assert told(shop, since) == []
        with shop.fake.lock:
            row = shop.fake.shop.tables["products"][red]
            row["regular_price"] = "55"
            shop.fake.products.touch(row)
        offers = told(shop, since)
        assert articles(offers)[1:] == ["R", "G"]
        assert offers[1].values["price"] == Decimal(55)
        shop.fake.add_product("S-2", "Новий", "10")
        assert articles(told(shop, since))[-1:] == ["S-2"]


def test_what_was_saved_in_the_second_that_is_asked_for_is_told(shop: Shop) -> None:
    shop.fake.add_product("S-1", "Товар", "10")
    assert articles(told(shop, shop.clock.moment)) == ["S-1"]


# --- special prices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "America/New_York"])
def test_a_special_price_over_the_night_of_the_clock_change_is_told_in_its_moments(clock: Clock, zone: str) -> None:
    with served(clock, Quirks(zone=zone)) as shop:
        start, end = datetime(2026, 10, 24, 21, 0, tzinfo=UTC), datetime(2026, 10, 25, 22, 0, tzinfo=UTC)
        last = end - timedelta(seconds=1)
        shop.fake.add_product("A-1", "Товар", "10", sale_price="8", date_on_sale_from=start, date_on_sale_to=last)
        (offer,) = told(shop)
        (special,) = offer.values["specials"]
        assert (special.start, special.end) == (start, end)


def test_a_special_price_that_is_over_is_told_until_it_is_cleared(shop: Shop) -> None:
    end = shop.clock.moment - timedelta(days=1)
    shop.fake.add_product("A-1", "Товар", "10", sale_price="8", date_on_sale_to=end)
    (offer,) = told(shop)
    assert offer.values["price"] == Decimal(10)
    assert not offer.values["specials"][0].active(shop.clock.moment)


# --- stock -----------------------------------------------------------------------------------------------------------


def test_stock_is_told_of_what_is_counted(shop: Shop) -> None:
    shop.fake.add_product("A-1", "Товар", "1", manage_stock=True, stock_quantity=Decimal(12))
    shop.fake.add_product("A-2", "Товар", "1", manage_stock=True, stock_quantity=Decimal(-3))
    shop.fake.add_product("A-3", "Товар", "1")
    shop.fake.add_product("A-4", "Товар", "1", stock_status="outofstock")
    base, _ = colours(shop, "Фарба", "R", "G")
    row = shop.fake.shop.tables["products"][base]
    row |= {"manage_stock": True, "stock_quantity": Decimal(7), "sku": "FAM"}
    found = levels(shop)
    assert {code: (one.on_hand, one.counted) for code, one in found.items()} == {
        "A-1": (Decimal(12), True),
        "A-2": (Decimal(-3), True),
        "A-3": (Decimal(0), False),
        "A-4": (Decimal(0), True),
        "R": (Decimal(7), True),  # the product keeps the stock of both
        "G": (Decimal(7), True),
    }


def test_a_sale_is_seen_in_the_stock_though_it_leaves_no_time(shop: Shop) -> None:
    key = shop.fake.add_product("A-1", "Товар", "1", manage_stock=True, stock_quantity=Decimal(12))
    since = shop.tick()
    shop.fake.add_order([(key, 5)])
    system = shop.open()
    assert [one.on_hand for one in system.levels(since)] == [Decimal(7)]


# --- what stands in the way ------------------------------------------------------------------------------------------


def test_the_currency_is_asked_once_or_given(shop: Shop) -> None:
    shop.fake.seed()
    told(shop)
    assert len(shop.fake.asked("GET", "/wp-json/wc/v3/data/currencies/current")) == 1
    shop.fake.forget()
    assert told(shop, currency="EUR")[0].values["currency"] == "EUR"
    assert shop.fake.asked("GET", "/wp-json/wc/v3/data/currencies/current") == []


def test_a_wrong_secret_is_told_with_the_shops_words_and_without_the_secret(shop: Shop) -> None:
    with pytest.raises(Refused, match=r"Consumer secret is invalid") as refused:
        told(shop, secret="cs_wrong")
    assert refused.value.code == "login"
    assert "auth: query" in str(refused.value.hint)
    assert "cs_wrong" not in str(refused.value) + str(refused.value.hint)


@pytest.mark.parametrize("auth", ["header", "query"])
def test_a_server_that_drops_the_header_needs_the_key_in_the_query(shop: Shop, auth: str) -> None:
    shop.fake.behave(authorization_header=False)
    shop.fake.seed()
    if auth == "header":
        with pytest.raises(Refused, match="cannot list"):
            told(shop, auth=auth)
        return
    assert len(told(shop, auth=auth)) == 5
    assert SECRET not in "".join(one.path for one in shop.fake.asked())


def test_plain_permalinks_are_told_in_words_and_can_be_set(shop: Shop) -> None:
    shop.fake.behave(pretty_permalinks=False)
    shop.fake.seed()
    with pytest.raises(Refused) as refused:
        told(shop)
    assert refused.value.code == "woo-no-api"
    assert "permalinks: plain" in str(refused.value.hint)
    assert len(told(shop, permalinks="plain")) == 5


def test_remarks_of_php_before_the_data_are_skipped(shop: Shop) -> None:
    shop.fake.behave(php_notice=True)
    shop.fake.seed()
    assert len(told(shop)) == 5


@pytest.mark.parametrize(("status", "error"), [(200, Transient), (403, Refused), (406, Refused), (503, Transient)])
def test_a_page_of_a_security_plugin_is_told_in_words(shop: Shop, status: int, error: type[Exception]) -> None:
    shop.fake.fail(status, PAGE_OF_A_FIREWALL, times=20)
    with pytest.raises(error, match="Перевірка браузера"):
        told(shop)


def test_pages_that_are_capped_on_the_way_are_a_failure(shop: Shop) -> None:
    for n in range(8):
        shop.fake.add_product(f"S-{n}", f"Товар {n}", "10")
    whole = shop.fake.after

    def capped(asked: Any, answer: Any) -> Any:
        done = whole(asked, answer)
        return type(done)(done.status, done.body[:3], done.headers) if asked.path.endswith("/products") else done

    shop.fake.after = capped  # type: ignore[method-assign]
    with pytest.raises(Transient, match="capped"):
        told(shop)


def test_a_shop_is_checked(shop: Shop) -> None:
    system = shop.open(currency="EUR", weight_unit="g")
    shop.fake.behave(manage_stock=False)
    findings = system.check()
    assert [one.about or one.code for one in findings] == ["setting:currency", "setting:weight_unit", "woo-stock-off"]
    assert shop.open().check() != findings
    shop.fake.behave(manage_stock=True)
    assert shop.open().check() == []


def test_a_shop_is_known_by_its_address_whoever_logs_in(shop: Shop) -> None:
    mine = shop.open().account
    assert shop.open(key="ck_other", secret="cs_other").account == mine
    assert shop.open(url=f"{shop.url}/").account == mine
    assert shop.open(url=f"{shop.url}/wp").account != mine
