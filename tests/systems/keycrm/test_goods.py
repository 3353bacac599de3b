"""Products and offers of KeyCRM are changed and made: few requests, no doubles, and nothing lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
    Transient,
)
from pipeline.testing.sync_subject import done
from plugins.systems.keycrm.fake import Quirks
from tests.systems.keycrm.account import Account, account


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def offers(one: Account) -> dict[str, Offer]:
    """By article, and bases by their ids."""
    session = one.open()
    found = {offer.keys.get("sku", offer.id): offer for offer in session.offers()}
    one.fake.forget()
    return found


def change(one: Account, *rows: tuple[Offer, dict[str, Any]], **settings: Any) -> list[RowOutcome]:
    return list(one.open(**settings).update_offers([OfferChange(offer=offer, values=values) for offer, values in rows]))


def single(article: str, **values: Any) -> ProductDraft:
    return ProductDraft(base=Offer(keys={"sku": article}, values={"name": f"Товар {article}", **values}))


def family(article: str, *variants: str, **values: Any) -> ProductDraft:
    return ProductDraft(
        base=Offer(kind="base", keys={"sku": article} if article else {}, values={"name": "Куртка", **values}),
        variants=tuple(
            Offer(kind="variant", keys={"sku": one}, values={"price": Decimal(10), "options": {"Розмір": one}})
            for one in variants
        ),
    )


def make(one: Account, *drafts: ProductDraft) -> list[RowOutcome]:
    return list(one.open().create_products(drafts))


def products(one: Account) -> list[str]:
    return [row["name"] for row in one.fake.account.table("products").values()]


def test_f46_what_cannot_be_read_is_told_once_and_all_others_go_on(one: Account) -> None:
    ring = one.fake.add_category("LA")
    other = one.fake.add_category("LB", ring)
    one.fake.account.table("categories")[ring]["parent_id"] = other
    one.fake.add_product("Лак", "K-1", price=Decimal(5), category_id=other)
    one.fake.add_product("Фарба", "K-2", price=Decimal(6))
    one.fake.offer("K-1")["price"] = "1 234,50"
    session = one.open()
    first, second = session.offers()
    assert ("price" in first.values, "category" in first.values) == (False, False)
    assert second.values["price"] == Decimal(6)
    told = session.noticed()
    assert [finding.code for finding in told] == ["category-loop", "number-unreadable"]
    assert "K-1" in str(told[1].text)
    assert session.noticed() == ()


# --- changes ---------------------------------------------------------------------------------------------------------


def test_prices_of_many_go_in_one_request(one: Account) -> None:
    for n in range(40):
        one.fake.add_product(f"Товар {n}", f"A-{n:02}", price=1)
    known = offers(one)
    done(change(one, *((offer, {"price": Decimal(5), "price.cost": Decimal(3)}) for offer in known.values())))
    assert one.asked() == ["GET /products/categories", "GET /offers", "PUT /offers", "GET /offers"]
    body = one.fake.asked("PUT")[0].json()
    assert body["offers"][0] == {"id": 1, "price": 5, "purchased_price": 3}, "only what changes, by the id"
    assert {row["price"] for row in one.fake.account.table("offers").values()} == {Decimal(5)}
    assert one.undocumented() == []


def test_what_is_so_already_is_not_sent(one: Account) -> None:
    one.fake.add_product(
        "Кава", "COF-1", price=Decimal("450.5"), pictures=[f"https://shop.test/{n}.jpg" for n in range(6)]
    )
    offer = offers(one)["COF-1"]
    pictures = tuple(f"https://shop.test/{n}.jpg" for n in range(9))
    values = {
        "price": Decimal("450.50"),
        "name": "Кава",
        "unit": "",
        "weight": None,
        "images": pictures,
        "category": (),
    }
    (outcome,) = change(one, (offer, values))
    assert outcome.existed
    assert one.asked("PUT") == []


def test_a_size_of_nothing_is_the_same_as_none(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1", weight=0)
    offer = offers(one)["COF-1"]
    assert offer.values["weight"] == 0
    (outcome,) = change(one, (offer, {"weight": None}))
    assert outcome.existed


def test_a_product_is_changed_by_one_request_with_just_what_changes(one: Account) -> None:
    category = one.fake.add_category("Кава")
    one.fake.add_product("Кава", "COF-1", price=1, description="<p>Арабіка</p>", category_id=category, barcode="482")
    offer = offers(one)["COF-1"]
    values = {"name": "Кава, нова", "description": "<p>Арабіка</p>", "category": ("Кава", "Зернова")}
    done(change(one, (offer, values)))
    assert [(x.method, x.path.removeprefix("/v1")) for x in one.fake.asked() if x.method != "GET"] == [
        ("POST", "/products/categories"),
        ("PUT", "/products/1"),
    ]
    assert one.fake.asked("POST")[0].json() == {"name": "Зернова", "parent_id": category}
    assert one.fake.asked("PUT")[0].json() == {"name": "Кава, нова", "category_id": category + 1}
    assert one.undocumented() == []


def test_sizes_of_a_product_without_variants_are_those_of_its_offer_too(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1", weight=1)
    one.fake.offer("COF-1")["weight"] = Decimal(7)  # set of the offer alone
    offer = offers(one)["COF-1"]
    assert offer.values["weight"] == 7
    done(change(one, (offer, {"weight": Decimal("1.5")})))
    assert one.fake.offer("COF-1")["weight"] == Decimal("1.5")
    assert offers(one)["COF-1"].values["weight"] == Decimal("1.5")


def test_an_account_that_weighs_in_grams_is_written_in_grams(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1", weight=1000)
    one.settings = {**one.settings, "weight_unit": "g"}
    offer = offers(one)["COF-1"]
    assert offer.values["weight"] == Decimal(1)
    done(change(one, (offer, {"weight": Decimal("1.02")})))
    assert one.fake.offer("COF-1")["weight"] == 1020


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("single", {"price": None}, "without a price"),
        ("single", {"price": Decimal("NaN")}, "no number"),
        ("single", {"price": Decimal("1E+40")}, "no number that can be"),
        ("single", {"price": 5}, "no number"),
        ("single", {"name": "  "}, "without a name"),
        ("single", {"name": "\ud800"}, "cannot be sent"),
        ("single", {"images": ("a", "")}, "not a list"),
        ("single", {"images": "a.jpg"}, "not a list"),
        ("single", {"category": ("a", "\x00")}, "cannot be sent"),
        ("single", {"currency": "грн"}, "no currency"),
        ("single", {"published": False}, "does not take"),
        ("single", {"specials": ()}, "does not take"),
        ("variant", {"name": "x"}, "of its product"),
        ("variant", {"barcode": "1"}, "does not change"),
        ("base", {"price": Decimal(1)}, "of its product"),
    ],
)
def test_what_cannot_be_is_held_before_anything_is_sent(
    one: Account, kind: str, values: dict[str, Any], words: str
) -> None:
    one.fake.add_product("Кава", "COF-1", price=1)
    one.fake.add_product("Куртка", variants=[{"sku": "J-1", "price": 1}])
    offer = next(offer for offer in offers(one).values() if offer.kind == kind)
    (outcome,) = change(one, (offer, values))
    assert isinstance(outcome.error, Held)
    assert words in str(outcome.error)
    assert one.asked("PUT") == []


def test_an_offer_that_is_of_another_kind_by_now_is_held(one: Account) -> None:
    one.fake.add_product("Куртка", "J-1")
    offer = offers(one)["J-1"]
    session = one.open()
    done(session.create_products([family("", "X-1")]))
    one.fake.catalogue.add_variant(one.fake.account.table("products")[1], {"sku": "J-1"}, 50)
    gone, now = change(one, (offer, {"name": "a"}), (replace(offer, id="50", product="50"), {"name": "a"}))
    assert isinstance(gone.error, Held)
    assert "any more" in str(gone.error)
    assert isinstance(now.error, Held)
    assert "another kind" in str(now.error)


def test_the_same_offer_twice_in_one_call_is_what_came_last(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1", price=1)
    offer = offers(one)["COF-1"]
    done(change(one, (offer, {"price": Decimal(2)}), (offer, {"price": Decimal(3)}), (offer, {"price": Decimal(2)})))
    assert one.fake.offer("COF-1")["price"] == 2


def test_a_refused_product_spoils_no_other(one: Account) -> None:
    for n in range(3):
        one.fake.add_product(f"Товар {n}", f"A-{n}", price=1)
    known = offers(one)
    one.fake.fail(422, {"message": "The name is taken."}, method="PUT", path="/v1/products/2")
    outcomes = change(one, *((offer, {"name": "Нова", "price": Decimal(2)}) for offer in known.values()))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "The name is taken." in str(outcomes[1].error)
    assert [one.fake.offer(f"A-{n}")["price"] for n in range(3)] == [2, 1, 2], "a held row is held as a whole"


def test_texts_that_keycrm_tidies_are_told_as_it_shows_them(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1")
    offer = offers(one)["COF-1"]
    shown = one.fake.view.product(one.fake.account.table("products")[1])
    one.fake.fail(202, {**shown, "description": "<p>tidied</p>"}, method="PUT")
    (outcome,) = change(one, (offer, {"description": "<P>tidied"}))
    assert outcome.error is None
    assert outcome.shown == {"description": "<p>tidied</p>"}


def test_pictures_that_are_only_added_are_told_so(one: Account) -> None:
    with account(Quirks(pictures_replace=False)) as other:
        other.fake.add_product("Кава", "COF-1", pictures=["https://a.test/1.jpg"])
        offer = offers(other)["COF-1"]
        (outcome,) = change(other, (offer, {"images": ("https://a.test/2.jpg",)}))
        assert outcome.error is None
        assert outcome.shown == {"images": ("https://a.test/1.jpg", "https://a.test/2.jpg")}
        (cleared,) = change(other, (offer, {"images": ()}))
        assert isinstance(cleared.error, Held)


def test_what_is_accepted_and_shown_late_is_waited_for(one: Account) -> None:
    with account(Quirks(lag=6.0)) as other:
        other.fake.add_product("Кава", "COF-1", price=1)
        (outcome,) = change(other, (offers(other)["COF-1"], {"price": Decimal(2)}))
        assert outcome.error is None
        assert other.clock.slept == 7


def test_what_is_accepted_and_not_shown_is_compared_again_later() -> None:
    with account(Quirks(lag=600.0)) as other:
        other.fake.add_product("Кава", "COF-1", price=1)
        offer = offers(other)["COF-1"]
        (outcome,) = change(other, (offer, {"price": Decimal(2)}))
        assert isinstance(outcome.error, Transient)
        assert outcome.error.code == "not-shown"
        (outcome,) = change(other, (offer, {"price": Decimal(3)}), read_back=False)
        assert outcome.error is None
        other.clock.move(1200)
        (outcome,) = change(other, (offer, {"price": Decimal(3)}))
        assert outcome.existed, "found out by the next look"


def test_a_price_with_more_digits_than_money_has_is_written_once(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1", price=1)
    offer = offers(one)["COF-1"]
    done(change(one, (offer, {"price": Decimal("10.125")})))
    one.fake.offer("COF-1")["price"] = Decimal("10.13")  # an account that rounds
    (outcome,) = change(one, (offer, {"price": Decimal("10.125")}))
    assert outcome.existed


def test_a_server_that_goes_away_in_between_leaves_what_was_done_known(one: Account) -> None:
    for n in range(3):
        one.fake.add_product(f"Товар {n}", f"A-{n}")
    known = offers(one)
    one.fake.fail(503, method="PUT", path="/v1/products/2", times=10)
    outcomes = change(one, *((offer, {"name": "Нова"}) for offer in known.values()))
    assert products(one) == ["Нова", "Товар 1", "Товар 2"]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), Transient, Transient]
    one.fake.forget()
    outcomes = change(one, *((offer, {"name": "Нова"}) for offer in known.values()))
    assert [outcome.existed for outcome in outcomes] == [True, False, False]


def test_special_prices_of_variants_are_one_of_their_product() -> None:
    from tests.systems.keycrm.test_mapping import special

    with account(special={"price": "CT_1"}) as other:
        other.fake.add_custom_field("CT_1", "crm_product", kind="float")
        other.fake.add_product("Куртка", variants=[{"sku": "J-1", "price": 9}, {"sku": "J-2", "price": 9}])
        known = offers(other)
        both = [(known[name], {"specials": (special("5.00"),)}) for name in ("J-1", "J-2")]
        done(change(other, *both))
        assert {offers(other)[name].values["specials"] for name in ("J-1", "J-2")} == {(special("5.00"),)}
        differing = [both[0], (known["J-2"], {"specials": (special("4.00"),)})]
        first, second = change(other, *differing)
        assert first.error is None
        assert isinstance(second.error, Held)


# --- new ones --------------------------------------------------------------------------------------------------------


def test_new_products_go_in_by_one_request(one: Account) -> None:
    outcomes = make(one, *(single(f"A-{n:03}", price=Decimal(n), category=("Кава",)) for n in range(100)))
    done(outcomes)
    assert [one for one in one.asked() if not one.startswith("GET")] == [
        "POST /products/categories",
        "POST /products/import",
    ]
    assert [outcome.ids for outcome in outcomes] == [(str(n),) for n in range(1, 101)]
    assert one.undocumented() == []


def test_f49_twins_in_keycrm_are_no_reason_to_make_a_third(one: Account) -> None:
    for _ in range(2):
        one.fake.add_product("Кава", "COF-1")
    (outcome,) = make(one, single("COF-1"))
    assert outcome.existed
    assert len(products(one)) == 2


@pytest.mark.parametrize("article", ["A,B", " A ", "A B", "A&B=C", "А-1/2%", 'A"B'])
def test_an_article_is_found_again_whatever_it_is_made_of(one: Account, article: str) -> None:
    one.fake.add_product("Інша", "A")
    one.fake.add_product("Інша", "B")
    done(make(one, single(article)))
    (again,) = make(one, single(article))
    assert again.existed
    assert products(one) == ["Інша", "Інша", f"Товар {article}"]


def test_a_bad_product_spoils_no_other_of_an_import(one: Account) -> None:
    drafts = [single(f"A-{n}") for n in range(8)]
    real = one.fake.catalogue._refuse_category

    def refuse(values: Any, path: str) -> None:
        real(values, path)
        if values.get("sku") == "A-5":
            from plugins.systems.keycrm._fake_ask import invalid

            invalid({f"{path}sku": ["The sku is odd."]}, one.fake.quirks)

    one.fake.catalogue._refuse_category = refuse  # type: ignore[method-assign]
    outcomes = make(one, *drafts)
    assert [outcome.error is None for outcome in outcomes] == [n != 5 for n in range(8)]
    assert "The sku is odd." in str(outcomes[5].error)
    assert len(products(one)) == 7
    assert len([x for x in one.asked("POST") if x == "POST /products/import"]) <= 7


@pytest.mark.parametrize("count", [1, 3])
def test_a_lost_answer_is_looked_up_and_nothing_is_made_twice(one: Account, count: int) -> None:
    one.fake.lose_reply(method="POST")
    outcomes = make(one, *(single(f"A-{n}") for n in range(count)))
    assert [outcome.ids for outcome in outcomes] == [(str(n),) for n in range(1, count + 1)]
    assert len(products(one)) == count


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_lost_before_it_was_done_stays_in_doubt_until_it_is_looked_up(one: Account, count: int) -> None:
    one.fake.drop(method="POST")
    drafts = [single(f"A-{n}") for n in range(count)]
    outcomes = make(one, *drafts, drafts[0])
    assert all(isinstance(outcome.error, InDoubt) for outcome in outcomes), "not even the second draft of one article"
    assert len(one.asked("POST")) == 1
    done(make(one, *drafts))
    assert len(products(one)) == count


def test_a_product_with_variants_is_made_by_two_requests(one: Account) -> None:
    (outcome,) = make(one, family("J", *(f"J-{n}" for n in range(120)), category=("Одяг",), unit="шт"))
    done([outcome])
    assert one.asked("POST") == [
        "POST /products/categories",
        "POST /products",
        "POST /products/1/offers",
        "POST /products/1/offers",
    ]
    assert one.fake.asked("POST")[1].json() == {
        "sku": "base:J", "name": "Куртка", "unit_type": "шт", "category_id": 1,
    }  # fmt: skip
    assert outcome.ids[0] == "p1"
    assert len(outcome.ids) == 121
    assert one.undocumented() == []
    known = offers(one)
    assert known["J-7"].values["options"] == {"Розмір": "J-7"}
    assert "base:J" not in known


@pytest.mark.parametrize("drops", [True, False])
@pytest.mark.parametrize("path", ["/v1/products$", "/v1/products/1/offers"])
@pytest.mark.parametrize("made", [True, False])
def test_a_run_that_broke_off_within_a_product_is_taken_up(drops: bool, path: str, made: bool) -> None:
    with account(Quirks(first_variant_drops_it=drops)) as one:
        fault = one.fake.lose_reply if made else one.fake.drop
        fault(method="POST", path=path)
        draft = family("J", "J-1", "J-2")
        (first,) = make(one, draft)
        if not made:
            assert isinstance(first.error, InDoubt)
        else:
            done([first])
        (again,) = make(one, draft)
        done([again])
        assert again.existed is made
        assert len(products(one)) == 1
        assert next(offer.id for offer in one.open().offers()) == "p1"
        assert set(offers(one)) == {"p1", "J-1", "J-2"}


def test_a_product_without_variants_is_not_turned_into_one_with_them(one: Account) -> None:
    one.fake.add_product("Куртка", "J", stock=5)
    (outcome,) = make(one, family("J", "J-1"))
    assert isinstance(outcome.error, Held)
    assert "without variants" in str(outcome.error)
    assert one.fake.quantity("J") == 5
    (outcome,) = make(one, ProductDraft(base=Offer(id="p1", kind="base"), variants=family("J", "J-1").variants))
    assert isinstance(outcome.error, Held)
    assert one.asked("POST") == []


def test_articles_that_stand_in_other_products_are_not_taken_from_them(one: Account) -> None:
    one.fake.add_product("Куртка", variants=[{"sku": "J-1"}])
    one.fake.add_product("Шапка", variants=[{"sku": "J-2"}])
    one.fake.add_product("Шарф", "S-1")
    outcomes = make(
        one,
        family("J", "J-1", "J-2", "J-3"),
        family("S", "S-1", "S-2"),
        ProductDraft(base=Offer(id="p1", kind="base"), variants=family("", "J-2").variants),
    )
    assert all(isinstance(outcome.error, Held) and "other products" in str(outcome.error) for outcome in outcomes)
    assert one.asked("POST") == []


def test_a_bad_variant_spoils_no_other_of_its_product(one: Account) -> None:
    draft = family("J", "J-1", "J-2", "J-3")
    bad = replace(draft.variants[1], values={"price": Decimal(10), "options": {"Розмір": "x"}, "weight": Decimal(1)})
    refused = {"message": "The weight is odd."}
    one.fake.fail(400, refused, method="POST", path="/v1/products/1/offers", times=1)
    real = one.fake.catalogue._post_offers

    def post(asked: Any, number: str) -> Any:
        if b'"weight"' in asked.body:
            from pipeline.testing.fakehttp import Answer

            return Answer(400, refused)
        return real(asked, number)

    one.fake.add("POST", "/v1/products/{number}/offers", post)
    one.fake._routes.insert(0, one.fake._routes.pop())
    (outcome,) = make(one, replace(draft, variants=(draft.variants[0], bad, draft.variants[2])))
    assert isinstance(outcome.error, Held)
    assert str(outcome.error).startswith("J-2: ")
    assert {"J-1", "J-3"} <= set(offers(one))


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (single(""), "no article"),
        (single("A", name=""), "without a name"),
        (single("A", price=Decimal(-1)), "below 0"),
        (family("J", "J-1", ""), "no article"),
        (family("J", "J-1", "J-1"), "one article"),
        (single("A", category=("Кава", " ")), "not a list"),
    ],
)
def test_what_cannot_be_made_is_held(one: Account, draft: ProductDraft, words: str) -> None:
    bad, good = make(one, draft, single("OK"))
    assert isinstance(bad.error, Held)
    assert words in str(bad.error)
    done([good])
    assert products(one) == ["Товар OK"]


def test_a_category_without_an_answer_is_made_once(one: Account) -> None:
    one.fake.lose_reply(method="POST", path="/v1/products/categories")
    done(make(one, single("A", category=("Кава",)), single("B", category=("Кава",))))
    assert [row["name"] for row in one.fake.account.table("categories").values()] == ["Кава"]
    one.fake.drop(method="POST", path="/v1/products/categories")
    outcomes = make(one, single("C", category=("Чай",)), single("D", category=("Чай", "Зелений")), single("E"))
    assert [type(outcome.error) for outcome in outcomes] == [InDoubt, InDoubt, type(None)]
    assert len(one.asked("POST", "/products/categories")) == 2, "not asked for again in doubt"
    done(make(one, single("C", category=("Чай",))))
    assert [row["name"] for row in one.fake.account.table("categories").values()] == ["Кава", "Чай"]


def test_an_expired_key_ends_it_all(one: Account) -> None:
    one.fake.keys = set()
    with pytest.raises(Refused):
        make(one, single("A"))
    with pytest.raises(Refused):
        change(one, (Offer(id="1", product="1"), {"price": Decimal(1)}))


def test_products_that_no_offer_tells_of_are_told_all_the_same() -> None:
    with account(Quirks(simple_offer=False)) as one:
        one.fake.add_product("Кава", "COF-1", price=5, weight=1)
        one.fake.add_product("Куртка", variants=[{"sku": "J-1", "price": 9}])
        known = offers(one)
        assert (known["COF-1"].id, known["COF-1"].values["price"]) == ("p1", 5)
        done(change(one, (known["COF-1"], {"price": Decimal(6), "name": "Кава, нова", "weight": Decimal(2)})))
        again = offers(one)["COF-1"]
        assert (again.values["price"], again.values["name"], again.values["weight"]) == (6, "Кава, нова", 2)


# --- looking up ------------------------------------------------------------------------------------------------------


def test_f49_products_are_found_exactly_else_by_their_normal_form(one: Account) -> None:
    one.fake.add_product("Кава", "АВ-1")  # Cyrillic
    one.fake.add_product("Чай", "TEA-1")
    one.fake.add_product("Чай, двійник", "tea\u00a0-1")
    one.fake.add_product("Куртка", variants=[{"sku": "0042"}])
    found = one.open().find_products(["AB-1", "ab – 1", "TEA-1", "Tea-1", "0042", "42", "", "NONE"])
    assert {code: [ref.id for ref in refs] for code, refs in found.items()} == {
        "AB-1": ["1"],
        "ab – 1": ["1"],
        "TEA-1": ["2"],
        "Tea-1": ["2", "3"],
        "0042": ["5"],
    }
    assert [(ref.code, ref.name) for ref in found["0042"]] == [("0042", "Куртка")]


def test_products_that_are_all_written_exactly_cost_one_request(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1")
    assert set(one.open().find_products(["COF-1"])) == {"COF-1"}
    assert one.asked() == ["GET /offers"]


def test_a_special_price_in_another_currency_is_held_as_nothing_is_converted() -> None:
    with account(special={"price": "CT_1"}) as one:
        one.fake.add_custom_field("CT_1", "crm_product", kind="float")
        one.fake.add_product("Кава", "COF-1", price=10)
        one.fake.add_product("Чай", "TEA-1", price=10, currency_code="USD")
        known = offers(one)
        dollars = (SpecialPrice(Money(Decimal(8), "USD")),)
        first, second = change(one, *((known[sku], {"specials": dollars}) for sku in ("COF-1", "TEA-1")))
        assert isinstance(first.error, Held)
        assert "USD" in str(first.error)
        assert "nothing is converted" in str(first.error.hint)
        assert second.error is None, "its prices are in dollars"
        assert offers(one)["TEA-1"].values["specials"] == dollars
