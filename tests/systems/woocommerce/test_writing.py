"""What is written into a shop: just what is named, in batches, with an outcome for each row; and what may go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import (
    Held,
    InDoubt,
    Money,
    Offer,
    OfferChange,
    ProductDraft,
    Refused,
    RowOutcome,
    SpecialPrice,
    StockTarget,
    Transient,
)
from pipeline.testing.sync_subject import done
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import Shop, served

PRODUCTS = "/wp-json/wc/v3/products"
BATCH = f"{PRODUCTS}/batch"
PICTURE = "https://erp.example/pictures/red.jpg"


@pytest.fixture
def shop(clock: Clock) -> Iterator[Shop]:
    with served(clock, batch=10) as made:
        yield made


def draft(sku: str, **values: Any) -> ProductDraft:
    base = {"name": f"Товар {sku}", "price": Decimal(10)}
    return ProductDraft(base=Offer(keys={"sku": sku} if sku else {}, values=base | values))


def paint(sku: str, *colours: str, **values: Any) -> ProductDraft:
    """A product with a variation for each colour."""
    return ProductDraft(
        base=Offer(kind="base", keys={"sku": sku} if sku else {}, values={"name": "Фарба", **values}),
        variants=tuple(
            Offer(
                kind="variant",
                keys={"sku": f"{sku or 'X'}-{colour}"},
                values={"options": {"Колір": colour}, "price": Decimal(5)},
            )
            for colour in colours
        ),
    )


def create(shop: Shop, *drafts: ProductDraft, **more: Any) -> list[RowOutcome]:
    return list(shop.open(**more).create_products(drafts))


def offers(shop: Shop) -> dict[str, Offer]:
    return {one.keys.get("sku", f"#{one.id}"): one for one in shop.open().offers()}


def update(shop: Shop, changes: Mapping[str, Mapping[str, Any]], **more: Any) -> list[RowOutcome]:
    there = offers(shop)
    rows = [OfferChange(offer=there[sku], values=values) for sku, values in changes.items()]
    return list(shop.open(**more).update_offers(rows))


def stock(shop: Shop, levels: Mapping[str, str], **more: Any) -> list[RowOutcome]:
    there = offers(shop)
    targets = [StockTarget(offer=there[sku], warehouse="", quantity=Decimal(n)) for sku, n in levels.items()]
    return list(shop.open(**more).apply_stock(targets))


def words(outcome: RowOutcome) -> str:
    assert isinstance(outcome.error, Held), outcome
    return str(outcome.error)


def special(amount: str, *, start: Any = None, end: Any = None) -> SpecialPrice:
    return SpecialPrice(Money(Decimal(amount), "UAH"), start, end)


# --- updates ---------------------------------------------------------------------------------------------------------


def test_a_batch_of_which_half_is_refused_does_the_other_half(shop: Shop) -> None:
    done(create(shop, *(draft(f"S-{n}") for n in range(8))))
    there = offers(shop)
    for n in range(0, 8, 2):
        shop.remove(there[f"S-{n}"].id)
    changes = [OfferChange(offer=there[f"S-{n}"], values={"price": Decimal(100 + n)}) for n in range(8)]
    outcomes = shop.open().update_offers(changes)
    assert [isinstance(one.error, Held) for one in outcomes] == [True, False] * 4
    assert "Invalid ID" in words(outcomes[0])
    assert {sku: one.values["price"] for sku, one in offers(shop).items()} == {
        f"S-{n}": Decimal(100 + n) for n in (1, 3, 5, 7)
    }


def test_a_row_is_sent_with_nothing_but_what_is_named(shop: Shop) -> None:
    done(create(shop, draft("A-1"), paint("F-1", "R", "G")))
    shop.fake.forget()
    done(update(shop, {"A-1": {"price": Decimal("12.50")}, "F-1-R": {"price": Decimal(7)}, "F-1": {"name": "Лак"}}))
    sent = {asked.path: asked.json()["update"] for asked in shop.fake.asked("POST")}
    (base, single, red) = (int(offers(shop)[sku].id) for sku in ("F-1", "A-1", "F-1-R"))
    assert sent == {
        BATCH: [{"id": single, "regular_price": "12.50"}, {"id": base, "name": "Лак"}],
        f"{PRODUCTS}/{base}/variations/batch": [{"id": red, "regular_price": "7"}],
    }


@pytest.mark.parametrize(("sku", "name"), [("F-1", "price"), ("F-1-R", "name"), ("A-1", "currency")])
def test_what_does_not_belong_there_is_held(shop: Shop, sku: str, name: str) -> None:
    done(create(shop, draft("A-1"), paint("F-1", "R")))
    before = shop.rows()
    (outcome,) = update(shop, {sku: {name: Decimal(1) if name == "price" else "EUR"}})
    assert name in words(outcome)
    assert shop.rows() == before


def test_the_answer_tells_how_the_shop_shows_it(shop: Shop) -> None:
    done(create(shop, draft("A-1")))
    (outcome,) = update(shop, {"A-1": {"specials": (special("11"),), "price": Decimal(9)}})
    assert outcome.shown == {"price": Decimal(9), "specials": ()}, "the shop drops what is not below the price"


def test_of_several_special_prices_the_first_is_written(shop: Shop) -> None:
    done(create(shop, draft("A-1")))
    now = shop.clock.moment
    one = special("9", start=now, end=now + timedelta(days=1))
    other = special("8", start=now + timedelta(days=2), end=now + timedelta(days=3))
    done(update(shop, {"A-1": {"specials": (one, other)}}))
    assert offers(shop)["A-1"].values["specials"] == (one,)
    assert shop.row("A-1")["price"] == "9"
    shop.clock.pass_(days=2)
    done(update(shop, {"A-1": {"specials": (other,)}}))
    assert offers(shop)["A-1"].values["specials"] == (other,)
    done(update(shop, {"A-1": {"specials": ()}}))
    row = shop.row("A-1")
    assert (row["sale_price"], row["date_on_sale_from"], row["date_on_sale_to"]) == ("", None, None)


def test_the_main_category_is_exchanged_and_others_stay(shop: Shop) -> None:
    done(create(shop, draft("A-1", category=("Фарби", "Емалі"), categories=(("Фарби", "Емалі"), ("Акції",)))))
    done(update(shop, {"A-1": {"category": ("Фарби", "Лаки")}}))
    assert offers(shop)["A-1"].values["categories"] == (("Фарби", "Лаки"), ("Акції",))
    done(update(shop, {"A-1": {"categories": ()}}))
    assert offers(shop)["A-1"].values["category"] == ()


@pytest.mark.parametrize("name", ["Знижка %20", "Фарби\tлаки", " Фарби", "", "Фарби  лаки"])
def test_a_category_whose_name_the_shop_would_change_is_held(shop: Shop, name: str) -> None:
    outcomes = create(shop, draft("A-1", category=("Фарби", name)), draft("A-2"))
    assert "category" in words(outcomes[0])
    done(outcomes[1:])
    assert set(offers(shop)) == {"A-2"}


def test_a_category_that_differs_by_capitals_is_the_same(shop: Shop) -> None:
    key = shop.fake.add_category("Автоемалі")
    done(create(shop, draft("A-1", category=("АВТОЕМАЛІ",))))
    assert shop.row("A-1")["categories"] == [key]


def test_a_category_that_was_made_meanwhile_is_taken(shop: Shop) -> None:
    system = shop.open()
    system.reader.categories.load()
    key = shop.fake.add_category("Фарби")
    done(system.create_products([draft("A-1", category=("Фарби", "Емалі"))]))
    assert shop.paths() == [("Фарби",), ("Фарби", "Емалі")]
    assert shop.fake.shop.tables["categories"][shop.row("A-1")["categories"][0]]["parent"] == key


def test_a_category_whose_reply_is_lost_is_not_made_twice(shop: Shop) -> None:
    shop.fake.lose_reply(method="POST", path=f"{PRODUCTS}/categories/batch")
    done(create(shop, draft("A-1", category=("Фарби",))))
    assert shop.paths() == [("Фарби",)]


# --- pictures --------------------------------------------------------------------------------------------------------


def test_a_picture_is_fetched_once(shop: Shop) -> None:
    done(create(shop, draft("A-1", images=(PICTURE,))))
    assert offers(shop)["A-1"].values["images"] == (PICTURE,)
    more = "https://erp.example/pictures/more.jpg"
    done(update(shop, {"A-1": {"images": (more, PICTURE)}}))
    assert offers(shop)["A-1"].values["images"] == (more, PICTURE)
    assert [row["from"] for row in shop.fake.shop.tables["media"].values()] == [PICTURE, more]
    done(update(shop, {"A-1": {"images": None}}))
    assert offers(shop)["A-1"].values["images"] == ()


def test_a_picture_that_was_exchanged_in_the_shop_is_told_as_the_shops_own(shop: Shop) -> None:
    done(create(shop, draft("A-1", images=(PICTURE,))))
    own = "https://shop.example/wp-content/uploads/own.jpg"
    shop.row("A-1")["images"] = [shop.picture(own)]
    assert offers(shop)["A-1"].values["images"] == (own,)
    done(update(shop, {"A-1": {"images": (own,)}}))
    assert len(shop.fake.shop.tables["media"]) == 2, "it has it already"


def test_a_picture_that_cannot_be_fetched_holds_its_row_alone(shop: Shop) -> None:
    shop.fake.shop.unreachable.add(PICTURE)
    outcomes = create(shop, draft("A-1", images=(PICTURE,)), draft("A-2"), draft("A-3", images=("pics/a.jpg",)))
    assert PICTURE in words(outcomes[0])
    assert "pics/a.jpg" in words(outcomes[2])
    assert set(offers(shop)) == {"A-2"}


def test_pictures_are_not_sent_again_when_no_answer_comes(shop: Shop) -> None:
    done(create(shop, draft("A-1")))
    shop.fake.lose_reply(method="POST", path=BATCH)
    (outcome,) = update(shop, {"A-1": {"images": (PICTURE,)}})
    assert isinstance(outcome.error, InDoubt)
    assert len(shop.fake.shop.tables["media"]) == 1


def test_many_pictures_go_in_several_requests(shop: Shop) -> None:
    images = tuple(f"https://erp.example/{n}.jpg" for n in range(9))
    done(create(shop, *(draft(f"S-{n}", images=images) for n in range(5)), batch=100))
    sizes = [len(asked.json()["create"]) for asked in shop.fake.asked("POST", BATCH) if "create" in asked.json()]
    assert sizes == [2, 2, 1]


# --- new products ----------------------------------------------------------------------------------------------------


def test_a_lost_reply_after_creating_is_looked_up_by_the_articles(shop: Shop) -> None:
    shop.fake.lose_reply(method="POST", path=BATCH)
    outcomes = create(shop, draft("A-1"), draft("A-2"))
    done(outcomes)
    assert [one.existed for one in outcomes] == [False, False]
    assert [one.ids for one in outcomes] == [(offers(shop)[sku].id,) for sku in ("A-1", "A-2")]
    assert len(shop.fake.asked("POST", BATCH)) == 1


def test_what_is_not_found_after_a_lost_reply_stays_in_doubt(shop: Shop) -> None:
    shop.fake.drop(method="POST", path=BATCH)
    (outcome,) = create(shop, draft("A-1"))
    assert isinstance(outcome.error, InDoubt)
    (outcome,) = create(shop, draft("A-1"))
    done([outcome])
    assert not outcome.existed


def test_an_answer_that_is_a_page_leaves_it_in_doubt_and_is_looked_up(shop: Shop) -> None:
    shop.fake.fail(200, "<html>Cloudy</html>", method="POST", path=BATCH, handled=True)
    done(create(shop, draft("A-1")))
    assert set(offers(shop)) == {"A-1"}


def test_a_lost_reply_after_variations_is_looked_up_too(shop: Shop) -> None:
    shop.fake.lose_reply(method="POST", path=rf"{PRODUCTS}/\d+/variations/batch")
    (outcome,) = create(shop, paint("F-1", "R", "G"))
    done([outcome])
    assert outcome.ids == tuple(offers(shop)[sku].id for sku in ("F-1", "F-1-R", "F-1-G"))


def test_a_run_that_dies_between_a_product_and_its_variations_is_gone_on_with(shop: Shop) -> None:
    shop.fake.fail(500, method="POST", path=rf"{PRODUCTS}/\d+/variations/batch", times=1)
    (outcome,) = create(shop, paint("F-1", "R", "G"))
    assert isinstance(outcome.error, InDoubt)
    assert set(offers(shop)) == {"F-1"}
    (outcome,) = create(shop, paint("F-1", "R", "G"))
    done([outcome])
    assert set(offers(shop)) == {"F-1", "F-1-R", "F-1-G"}


def test_a_product_without_an_article_is_found_by_its_variations(shop: Shop) -> None:
    done(create(shop, paint("", "R")))
    (outcome,) = create(shop, paint("", "R", "G"))
    done([outcome])
    assert not outcome.existed
    bases = [one for one in offers(shop).values() if one.kind == "base"]
    assert len(bases) == 1
    assert {one.product for one in offers(shop).values()} == {bases[0].id}


def test_a_single_product_becomes_one_with_variations(shop: Shop) -> None:
    done(create(shop, draft("F-1")))
    done(create(shop, paint("F-1", "R", "G")))
    row = shop.row("F-1")
    assert row["type"] == "variable"
    (attribute,) = row["attributes"]
    assert (attribute["name"], attribute["options"], attribute["variation"]) == ("Колір", ["R", "G"], True)


def test_a_shared_attribute_is_used_by_its_id(shop: Shop) -> None:
    key = shop.fake.attributes.make("Колір")["id"]
    done(create(shop, paint("F-1", "Червоний & синій")))
    (attribute,) = shop.row("F-1")["attributes"]
    assert attribute["id"] == key
    assert offers(shop)["F-1-Червоний & синій"].values["options"] == {"Колір": "Червоний & синій"}


def test_a_variation_that_belongs_to_another_product_is_held(shop: Shop) -> None:
    done(create(shop, paint("F-1", "R"), draft("F-2")))
    stolen = paint("F-2", "G").variants[0]
    taken = ProductDraft(base=draft("F-2").base, variants=(stolen, paint("F-1", "R").variants[0]))
    (outcome,) = create(shop, taken)
    assert "F-1-R" in words(outcome)
    assert "F-2-G" not in offers(shop)


def test_a_refused_variation_is_told_by_its_article_and_the_others_are_made(shop: Shop) -> None:
    product = paint("F-1", "R", "G")
    bad = Offer(kind="variant", keys={"sku": "F-1-B"}, values={"options": {"Колір": "B"}, "images": (PICTURE,)})
    shop.fake.shop.unreachable.add(PICTURE)
    (outcome,) = create(shop, ProductDraft(base=product.base, variants=(*product.variants, bad)))
    assert words(outcome).startswith("F-1-B: ")
    assert set(offers(shop)) == {"F-1", "F-1-R", "F-1-G"}


@pytest.mark.parametrize("conflict", ["invalid_sku", "not_created"])
def test_an_article_that_somebody_took_meanwhile_is_found(shop: Shop, conflict: str) -> None:
    shop.fake.behave(sku_conflict=conflict)
    system = shop.open()
    find = system.reader.by_skus
    asked: list[Any] = []

    def late(skus: Any) -> Any:
        found = find(skus)
        if not asked:
            shop.fake.add_product("A-1", "Чужий", "1")
        asked.append(skus)
        return found

    system.reader.by_skus = late  # type: ignore[method-assign]
    outcomes = system.create_products([draft("A-1"), draft("A-2")])
    done(outcomes)
    assert [one.existed for one in outcomes] == [True, False]


def test_an_article_in_the_trash_is_told_with_what_to_do(shop: Shop) -> None:
    shop.fake.behave(trashed_sku="not_created")
    shop.fake.add_product("A-1", "Старий", "1", status="trash")
    (outcome,) = create(shop, draft("A-1"))
    assert "lookup table" in words(outcome)
    assert "trash" in str(outcome.error.hint)  # type: ignore[union-attr]


@pytest.mark.parametrize("sku", ["АРТ-1, 2", "a b", "Ґ/7&8", "x" * 90])
def test_articles_of_all_kinds_are_found_again(shop: Shop, sku: str) -> None:
    done(create(shop, draft(sku), draft("A-1")))
    outcomes = create(shop, draft(sku), draft("A-1"))
    assert [one.existed for one in outcomes] == [True, True]


def test_a_shop_that_takes_shorter_batches_gets_them(shop: Shop) -> None:
    shop.fake.behave(batch_limit=3)
    done(create(shop, *(draft(f"S-{n}") for n in range(10))))
    done(update(shop, {f"S-{n}": {"price": Decimal(n + 1)} for n in range(10)}))
    assert {sku: one.values["price"] for sku, one in offers(shop).items()} == {
        f"S-{n}": Decimal(n + 1) for n in range(10)
    }


def test_when_the_line_breaks_half_way_what_was_done_is_told(shop: Shop) -> None:
    done(create(shop, *(draft(f"S-{n}") for n in range(10))))
    there = offers(shop)
    system = shop.open(batch=4)
    changes = [OfferChange(offer=there[f"S-{n}"], values={"price": Decimal(n + 1)}) for n in range(10)]
    seen, batches = shop.fake.after, []

    def broken(asked: Any, answer: Any) -> Any:
        if asked.path == BATCH:
            batches.append(asked)
            if len(batches) > 1:
                return type(answer)(503, "<html>maintenance</html>")
        return seen(asked, answer)

    shop.fake.after = broken  # type: ignore[method-assign]
    outcomes = system.update_offers(changes)
    assert [type(one.error) for one in outcomes] == [type(None)] * 4 + [Transient] * 6


def test_a_key_that_may_only_read_is_refused_in_the_shops_words(shop: Shop) -> None:
    done(create(shop, draft("A-1")))
    there = offers(shop)["A-1"]
    shop.fake.shop.keys["ck_fake"]["permissions"] = ["read"]
    with pytest.raises(Refused, match="write permissions"):
        shop.open().update_offers([OfferChange(offer=there, values={"price": Decimal(1)})])


# --- stock -----------------------------------------------------------------------------------------------------------


def test_stock_of_products_and_variations_is_set(shop: Shop) -> None:
    done(create(shop, draft("A-1"), paint("F-1", "R", "G"), paint("F-2", "R")))
    done(stock(shop, {"A-1": "5", "F-1-R": "0", "F-1-G": "7", "F-2-R": "1"}))
    assert {sku: shop.row(sku)["stock_quantity"] for sku in ("A-1", "F-1-R", "F-1-G", "F-2-R")} == {
        "A-1": 5, "F-1-R": 0, "F-1-G": 7, "F-2-R": 1,
    }  # fmt: skip
    assert shop.row("F-1-R")["stock_status"] == "outofstock"
    assert len([one for one in shop.fake.asked("POST") if one.path.endswith("variations/batch")]) == 4


@pytest.mark.parametrize(("how", "kept"), [("hold", None), ("down", Decimal(2)), ("keep", Decimal("2.5"))])
def test_fractions(shop: Shop, how: str, kept: Decimal | None) -> None:
    shop.fake.behave(stock_decimals=how == "keep")
    done(create(shop, draft("A-1")))
    (outcome,) = stock(shop, {"A-1": "2.5"}, fractions=how)
    assert (outcome.error is None) == (kept is not None)
    assert shop.row("A-1")["stock_quantity"] == kept


def test_a_fraction_that_the_shop_cuts_off_is_told(shop: Shop) -> None:
    done(create(shop, draft("A-1")))
    (outcome,) = stock(shop, {"A-1": "2.5"}, fractions="keep")
    assert "quantity" in words(outcome)


def test_a_shop_that_keeps_no_stock_says_so(shop: Shop) -> None:
    shop.fake.behave(manage_stock=False)
    done(create(shop, draft("A-1")))
    (outcome,) = stock(shop, {"A-1": "5"})
    assert "Inventory" in str(outcome.error.hint)  # type: ignore[union-attr]
