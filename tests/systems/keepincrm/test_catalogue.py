"""What is KeepinCRM's own in taking products: copies, lost replies, ways that an account may not have."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

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
from plugins.systems.keepincrm import goods
from plugins.systems.keepincrm.system import Keepin
from tests.systems.keepincrm.world import RICH, World

KYIV = ZoneInfo("Europe/Kyiv")
CREATING = {"materials_create": "auto"}


def draft(sku: str, **values: Any) -> ProductDraft:
    return ProductDraft(base=Offer(keys={"sku": sku} if sku else {}, values={"name": f"Товар {sku}"} | values))


def told(system: Keepin) -> dict[str, Offer]:
    return {offer.keys.get("sku", offer.id): offer for offer in system.offers()}


def change(system: Keepin, sku: str, **values: Any) -> RowOutcome:
    (outcome,) = system.update_offers([OfferChange(offer=told(system)[sku], values=values)])
    return outcome


def why(outcome: RowOutcome) -> str:
    assert isinstance(outcome.error, Held), outcome
    assert outcome.ids == ()
    return outcome.error.code


def skus(world: World) -> list[str]:
    return [row["sku"] for row in world.fake.account.tables["materials"].values()]


def test_f46_what_cannot_be_read_is_told_once_and_all_others_go_on(world: World) -> None:
    ring = world.fake.add_category("L1")
    other = world.fake.add_category("L2", ring)
    world.fake.account.tables["categories"][ring]["parent_id"] = other
    bad = world.fake.add_material("M-1", "Лак", price=Decimal(5), category_id=other)
    world.fake.add_material("M-2", "Фарба", price=Decimal(6))
    world.row(bad)["custom_fields"] = {str(world.fake.add_custom_field("Стара ціна")): "abc"}
    system = world.open(categories="match", prices={"old": {"custom": "Стара ціна"}})
    offers = told(system)
    assert ("price.old" in offers["M-1"].values, "category" in offers["M-1"].values) == (False, False)
    assert offers["M-2"].values["price"] == Decimal(6)
    found = system.noticed()
    assert [finding.code for finding in found] == ["category-loop", "value-unreadable"]
    assert "M-1" in str(found[1].text)
    assert system.noticed() == ()


# --- copies ----------------------------------------------------------------------------------------------------------


def test_f49_all_copies_of_an_article_are_told_and_each_is_changed_by_its_id(world: World) -> None:
    first, second = (world.fake.add_material("LMP-9", f"Лампа {n}", price=Decimal(n)) for n in (1, 2))
    world.fake.add_material("lmp- 9", "Лампа 3")
    system = world.open()
    offers = list(system.offers())
    assert [offer.keys["sku"] for offer in offers] == ["LMP-9", "LMP-9", "lmp- 9"]
    changes = [OfferChange(offer=offer, values={"price": Decimal("9.99")}) for offer in offers]
    assert [outcome.error for outcome in system.update_offers(changes)] == [None] * 3
    assert {row["price"] for row in world.fake.account.tables["materials"].values()} == {Decimal("9.99")}
    assert [world.row(key)["title"] for key in (first, second)] == ["Лампа 1", "Лампа 2"]
    assert world.fake.asked(path="/v1/materials/sku") == []


def test_f49_an_article_with_other_blanks_is_there_already(world: World) -> None:
    world.fake.add_material("AB\u00a0 1", "Товар")
    (outcome,) = world.open(**CREATING).create_products([draft(" AB 1 ")])
    assert outcome.existed
    assert skus(world) == ["AB\u00a0 1"]


def test_an_article_that_came_meanwhile_is_found(world: World) -> None:
    system = world.open(**CREATING)
    list(system.offers())
    key = world.fake.add_material("NEW-1", "Товар")  # by a person, after the list was read
    (outcome,) = system.create_products([draft("NEW-1")])
    assert (outcome.existed, outcome.ids) == (True, (str(key),))
    assert skus(world) == ["NEW-1"]


def test_an_archived_product_that_lists_do_not_show_holds_its_article(world: World) -> None:
    world.fake.behave(archived_listed=False)
    world.fake.add_material("OLD-1", "Товар", irrelevant=True)
    outcomes = world.open(**CREATING).create_products([draft("OLD-1"), draft("NEW-1")])
    assert why(outcomes[0]) == "keepin-archived"
    assert outcomes[1].error is None
    assert skus(world) == ["OLD-1", "NEW-1"]


def test_a_known_list_is_not_read_for_each_product(world: World) -> None:
    for n in range(60):
        world.fake.add_material(f"A-{n}")
    system = world.open(**CREATING)
    list(system.offers())
    world.fake.forget()
    system.create_products([draft(f"N-{n}") for n in range(5)])
    assert len(world.fake.asked("GET", "/v1/materials$")) == 0
    assert len(world.fake.asked("POST", "/v1/materials$")) == 5


# --- replies that are lost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["post", "put"])
def test_f07_a_lost_reply_to_a_new_product_makes_no_second_one(world: World, how: str) -> None:
    world.fake.behave(upsert_by_sku="creates")
    system = world.open(materials_create=how)
    world.fake.lose_reply(method="POST" if how == "post" else "PUT")
    (outcome,) = system.create_products([draft("A-1", price=Decimal(5))])
    assert outcome.error is None
    assert outcome.ids == (told(world.open())["A-1"].id,)
    assert skus(world) == ["A-1"]


def test_a_lost_reply_to_a_change_is_sent_again(world: World) -> None:
    world.fake.add_material("A-1")
    system = world.open()
    world.fake.lose_reply(method="PATCH", times=2)
    assert change(system, "A-1", price=Decimal(7)).error is None
    assert len(world.fake.asked("PATCH")) == 3
    assert told(world.open())["A-1"].values["price"] == Decimal(7)


def test_f51_half_of_a_batch_is_refused_and_the_other_half_stands(world: World) -> None:
    for n in range(4):
        world.fake.add_material(f"A-{n}")
    system = world.open()
    offers = told(system)
    for n in (1, 3):
        key = offers[f"A-{n}"].id
        answer = {"message": "Validation failed", "errors": {"price": ["не може бути змінена", "є в документах"]}}
        world.fake.fail(422, answer, method="PATCH", path=f"/v1/materials/{key}$")
    changes = [OfferChange(offer=offers[f"A-{n}"], values={"price": Decimal(n + 1)}) for n in range(4)]
    outcomes = system.update_offers(changes)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False]
    assert why(outcomes[1]) == "keepin-refused"
    assert "Validation failed; price: не може бути змінена; є в документах" in str(outcomes[1].error)
    prices = {sku: offer.values["price"] for sku, offer in told(world.open()).items()}
    assert prices == {"A-0": 1, "A-1": 0, "A-2": 3, "A-3": 0}


def test_f51_a_server_that_goes_away_is_told_for_the_rest(world: World) -> None:
    for n in range(4):
        world.fake.add_material(f"A-{n}")
    system = world.open()
    offers = told(system)
    changes = [OfferChange(offer=offers[f"A-{n}"], values={"price": Decimal(5)}) for n in range(4)]
    world.fake.fail(503, times=99, method="PATCH", path=f"/v1/materials/{offers['A-2'].id}$")
    outcomes = system.update_offers(changes)
    assert [type(outcome.error) for outcome in outcomes] == [type(None), type(None), Transient, Transient]
    assert world.fake.asked("PATCH", f"/v1/materials/{offers['A-3'].id}$") == []
    with pytest.raises(Transient):  # nothing done at all: it strikes all rows
        system.update_offers(changes[2:])


# --- ways of an account ----------------------------------------------------------------------------------------------


def test_nothing_is_created_unless_it_is_switched_on(world: World) -> None:
    (outcome,) = world.open().create_products([draft("A-1")])
    assert why(outcome) == "keepin-no-way"
    assert world.fake.asked("POST") == []


@pytest.mark.parametrize("how", ["post", "put", "auto"])
def test_an_account_that_takes_no_new_products_is_asked_once(world: World, how: str) -> None:
    world.fake.behave(create_material="not_found")
    outcomes = world.open(materials_create=how).create_products([draft(f"A-{n}") for n in range(4)])
    assert {why(outcome) for outcome in outcomes} == {"keepin-no-way"}
    assert "keepincrm-yml" in str(outcomes[0].error.hint if outcomes[0].error else "")
    assert len(world.fake.asked("POST")) + len(world.fake.asked("PUT")) == (2 if how == "auto" else 1)
    assert skus(world) == []


def test_the_way_that_works_is_kept_to(world: World) -> None:
    world.fake.behave(create_material="not_found", upsert_by_sku="creates")
    outcomes = world.open(**CREATING).create_products([draft(f"A {n}/Я") for n in range(3)])
    assert {why(outcome) for outcome in outcomes} == {"keepin-dotted"}
    outcomes = world.open(**CREATING).create_products([draft(f"A {n}-Я") for n in range(3)])
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert skus(world) == ["A 0-Я", "A 1-Я", "A 2-Я"]
    assert len(world.fake.asked("POST")) == 2  # once in each session


def test_an_article_with_a_dot_never_changes_the_product_of_a_shorter_one(world: World) -> None:
    world.fake.behave(create_material="not_found", upsert_by_sku="creates", sku_dot=False)
    key = world.fake.add_material("A", "Товар A", price=Decimal(1))
    (outcome,) = world.open(**CREATING).create_products([draft("A.5", price=Decimal(99))])
    assert why(outcome) == "keepin-dotted"
    assert (world.row(key)["title"], world.row(key)["price"]) == ("Товар A", Decimal(1))
    world.fake.behave(create_material="works")
    (outcome,) = world.open(**CREATING).create_products([draft("A.5", price=Decimal(99))])
    assert outcome.error is None
    assert not outcome.existed
    assert skus(world) == ["A", "A.5"]


@pytest.mark.parametrize("sku", ["A/1", "A%2F1", "А 1+2?&#", ".", "..", "0042", "Ґ-1", "x" * 200])
@pytest.mark.parametrize("slash", [True, False])
def test_articles_that_are_awkward_in_an_address(world: World, sku: str, *, slash: bool) -> None:
    world.fake.behave(sku_slash=slash)
    for _ in range(2):
        (outcome,) = world.open(**CREATING).create_products([draft(sku)])
        assert outcome.error is None
    assert skus(world) == [sku]
    assert world.open().find_products([sku])[sku][0].code == sku


def test_a_refused_new_product_tells_the_words_of_the_account(world: World) -> None:
    world.fake.behave(create_material="unprocessable")
    (outcome,) = world.open(**CREATING).create_products([draft("A-1")])
    assert why(outcome) == "keepin-refused"
    assert "422" in str(outcome.error)
    assert "base: is not available" in str(outcome.error)


def test_a_change_that_the_account_has_no_way_for_is_no_product_that_is_gone(world: World) -> None:
    key = world.fake.add_material("A-1")
    system = world.open()
    offer = told(system)["A-1"]
    world.fake.fail(404, "<html>404</html>", method="PATCH", times=2)
    (outcome,) = system.update_offers([OfferChange(offer=offer, values={"price": Decimal(1)})])
    assert why(outcome) == "keepin-no-way"
    world.remove(str(key))
    (outcome,) = system.update_offers([OfferChange(offer=offer, values={"price": Decimal(1)})])
    assert why(outcome) == "keepin-gone"


# --- categories ------------------------------------------------------------------------------------------------------


def test_categories_that_must_be_there_are_not_made(world: World) -> None:
    leaf = world.category(("Фарби", "Емалі"))
    system = world.open(categories="match", **CREATING)
    outcomes = system.create_products(
        [draft("A-1", category=("Фарби", "Емалі")), draft("A-2", category=("Фарби", "Лаки"))]
    )
    assert outcomes[0].error is None
    assert why(outcomes[1]) == "keepin-category"
    assert "Фарби / Лаки" in str(outcomes[1].error)
    assert [(row["sku"], row["category_id"]) for row in world.fake.account.tables["materials"].values()] == [
        ("A-1", leaf)
    ]


def test_a_product_moves_to_another_category_and_out_of_all(world: World) -> None:
    key = world.fake.add_material("A-1", category_id=world.category(("Фарби",)))
    system = world.open(categories="create")
    assert change(system, "A-1", category=("Фарби", "Емалі")).error is None
    assert told(system)["A-1"].values["category"] == ("Фарби", "Емалі")
    assert change(system, "A-1", category=()).error is None
    assert world.row(key)["category_id"] is None
    assert sorted(world.categories()) == [("Фарби",), ("Фарби", "Емалі")]


@pytest.mark.parametrize("switch", ["not_found", "unprocessable"])
def test_an_account_that_tells_no_categories_says_what_to_switch_off(world: World, switch: Any) -> None:
    world.fake.behave(categories=switch)
    world.fake.add_material("A-1")
    with pytest.raises(Refused, match="materials/categories") as caught:
        list(world.open(categories="match").offers())
    if switch == "not_found":
        assert "categories: off" in str(caught.value.hint)
    assert len(list(world.open().offers())) == 1


@pytest.mark.parametrize("switch", ["not_found", "unprocessable"])
def test_an_account_that_takes_no_new_categories_holds_what_needs_one(world: World, switch: Any) -> None:
    world.fake.behave(create_category=switch)
    world.category(("Фарби",))
    system = world.open(categories="create", **CREATING)
    outcomes = system.create_products([draft("A-1", category=("Фарби",)), draft("A-2", category=("Лаки",))])
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    assert why(outcomes[1]) == ("keepin-category" if switch == "not_found" else "keepin-refused")
    assert skus(world) == ["A-1"]


def test_an_account_without_a_tree_gets_no_stray_category_at_each_run(world: World) -> None:
    world.fake.behave(category_parents=False)
    for _ in range(3):
        (outcome,) = world.open(categories="create", **CREATING).create_products(
            [draft("A", category=("Фарби", "Емалі"))]
        )
        assert why(outcome) == "keepin-category-tree"
        assert "category_separator" in str(outcome.error.hint if outcome.error else "")
    assert len(world.categories()) <= 2
    (outcome,) = world.open(categories="create", category_separator=" / ", **CREATING).create_products(
        [draft("A", category=("Лаки", "Матові"))]
    )
    assert outcome.error is None
    assert ("Лаки / Матові",) in world.categories()


def test_a_name_with_the_separator_in_it_is_held(world: World) -> None:
    world.fake.behave(category_parents=False)
    system = world.open(categories="create", category_separator="/", **CREATING)
    (outcome,) = system.create_products([draft("A", category=("Фарби/Лаки", "Матові"))])
    assert why(outcome) == "keepin-category"


@pytest.mark.parametrize("key", ["name", "title"])
@pytest.mark.parametrize("strict", ["ignored", "refused"])
def test_the_name_of_a_new_category_goes_under_the_key_that_the_account_has(
    world: World, key: Any, strict: Any
) -> None:
    world.fake.behave(category_name=key, unknown_fields=strict)
    (outcome,) = world.open(categories="create", **CREATING).create_products([draft("A", category=("Фарби", "Емалі"))])
    assert outcome.error is None
    assert world.categories() == [("Фарби",), ("Фарби", "Емалі")]


def test_a_lost_reply_to_a_new_category_makes_no_second_one(world: World) -> None:
    world.fake.lose_reply(method="POST", path="/v1/materials/categories")
    (outcome,) = world.open(categories="create", **CREATING).create_products([draft("A", category=("Фарби", "Емалі"))])
    assert outcome.error is None
    assert world.categories() == [("Фарби",), ("Фарби", "Емалі")]
    world.fake.drop(method="POST", path="/v1/materials/categories")
    (outcome,) = world.open(categories="create", **CREATING).create_products([draft("B", category=("Лаки",))])
    assert isinstance(outcome.error, InDoubt)
    assert skus(world) == ["A"]


# --- what an account does with values --------------------------------------------------------------------------------


def rich(world: World, **more: Any) -> Keepin:
    world.furnish()
    return world.open(**{**RICH, **more})


def test_a_field_that_the_account_has_not_got_is_told(world: World) -> None:
    world.fake.add_material("A-1")
    system = rich(world, texts={"description": "Опис товару"})
    outcome = change(system, "A-1", description="Гарний")
    assert why(outcome) == "keepin-not-kept"
    assert "description" in str(outcome.error)


@pytest.mark.parametrize(
    ("switch", "code"), [("refused", "keepin-refused"), ("ignored", "keepin-not-kept"), ("made", "")]
)
def test_a_price_that_the_account_has_not_got_is_told(world: World, switch: Any, code: str) -> None:
    world.fake.behave(unknown_price_kind=switch)
    world.fake.add_material("A-1")
    system = rich(world, prices={"wholesale": "Гурт"})
    outcome = change(system, "A-1", **{"price.wholesale": Decimal(5)})
    assert (why(outcome) if outcome.error else "") == code


def test_prices_that_are_not_told_are_written_all_the_same(world: World) -> None:
    world.fake.behave(named_prices="absent")
    key = world.fake.add_material("A-1")
    system = rich(world)
    assert "price.wholesale" not in told(system)["A-1"].values
    assert change(system, "A-1", **{"price.wholesale": Decimal(5)}).error is None
    assert world.row(key)["named_prices"] == {str(world.named("Опт")): {"amount": Decimal(5), "currency": "UAH"}}


def test_f47_a_special_price_with_its_dates_comes_and_goes(world: World) -> None:
    world.fake.add_material("A-1", price=Decimal(150))
    system = rich(world)
    start, end = datetime(2026, 11, 20, tzinfo=KYIV), datetime(2026, 12, 1, tzinfo=KYIV)
    one = SpecialPrice(Money(Decimal(135), "UAH"), start, end)
    assert change(system, "A-1", specials=(one,)).error is None
    assert told(system)["A-1"].values["specials"] == (one,)
    world.clock.moment = end
    assert told(world.open(**RICH))["A-1"].values["specials"] == (one,)  # still there, and to be cleared
    assert change(system, "A-1", specials=(one,)).error is None  # it is over: nothing of it is kept
    assert told(system)["A-1"].values["specials"] == ()
    two = SpecialPrice(Money(Decimal(99), "UAH"), end + timedelta(days=1), None)
    three = SpecialPrice(Money(Decimal(88), "UAH"), end + timedelta(days=9), None)
    outcome = change(system, "A-1", specials=(two, three))
    assert outcome.error is None
    assert outcome.shown == {"specials": (two,)}


def test_special_prices_may_be_plain_fields_of_the_api(world: World) -> None:
    world.fake.behave(extra_fields=("promo", "promo_from", "promo_to"))
    world.fake.add_material("A-1", price=Decimal(150))
    places = {"price": {"field": "promo"}, "from": {"field": "promo_from"}, "to": {"field": "promo_to"}}
    system = world.open(special_price=places)
    one = SpecialPrice(Money(Decimal(135), "UAH"), datetime(2026, 11, 20, tzinfo=KYIV), None)
    assert change(system, "A-1", specials=(one,)).error is None
    assert told(system)["A-1"].values["specials"] == (one,)
    assert change(system, "A-1", specials=()).error is None
    assert told(system)["A-1"].values["specials"] == ()
    world.fake.behave(extra_fields=())
    assert "specials" not in told(system)["A-1"].values  # the account does not have them: it is not known


def test_pictures_beyond_the_first_are_told(world: World) -> None:
    key = world.fake.add_material("A-1")
    system = world.open()
    outcome = change(system, "A-1", images=("https://x.example/a.jpg", "https://x.example/b.jpg"))
    assert outcome.error is None
    assert outcome.shown == {"images": ("https://x.example/a.jpg",)}
    assert world.row(key)["asset_url"] == "https://x.example/a.jpg"


def test_the_cost_is_written_in_the_currency_of_the_price(world: World) -> None:
    key = world.fake.add_material("A-1", currency="USD", cost=Decimal(3), cost_currency="UAH")
    system = world.open()
    offer = told(system)["A-1"]
    assert "price.cost" not in offer.values
    bare = Offer(id=offer.id, keys=offer.keys)  # as a run between two full ones knows it
    (outcome,) = system.update_offers([OfferChange(offer=bare, values={"price.cost": Decimal(2)})])
    assert outcome.error is None
    assert (world.row(key)["cost"], world.row(key)["cost_currency"]) == (Decimal(2), "USD")


# --- what has changed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["works", "ignored"])
def test_what_has_changed_is_told_by_an_account_that_listens_and_by_one_that_does_not(world: World, how: Any) -> None:
    world.fake.behave(updated_at_filter=how, material_times=True)
    for n in range(3):
        world.fake.add_material(f"A-{n}")
    since = world.tick()
    world.tick()
    world.fake.add_material("B-1")
    system = world.open(changed_since=True)
    assert [offer.keys["sku"] for offer in system.offers(since)] == ["B-1"]
    world.fake.behave(material_times=False)  # nothing says when: more is told, never less
    expected = ["B-1"] if how == "works" else ["A-0", "A-1", "A-2", "B-1"]
    assert [offer.keys["sku"] for offer in system.offers(since)] == expected
    assert len(list(world.open().offers(since))) == 4  # not switched on


def test_an_account_that_refuses_to_tell_changes_says_what_to_switch_off(world: World) -> None:
    world.fake.behave(updated_at_filter="refused")
    with pytest.raises(Refused, match="Bad Request") as caught:
        list(world.open(changed_since=True).offers(world.tick()))
    assert "changed_since: false" in str(caught.value.hint)


# --- articles of orders ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [True, False])
def test_f49_products_are_found_by_article_and_copies_are_several(
    world: World, monkeypatch: pytest.MonkeyPatch, *, filters: bool
) -> None:
    if not filters:
        monkeypatch.setattr("plugins.systems.keepincrm._fake_lists.PREDICATES", ())
    for sku in ("E-303", "LMP-9", "LMP-9", "0042", ""):
        world.fake.add_material(sku, f"Товар {sku}")
    found = world.open().find_products(["E-303", "е‑303", "LMP-9", "42", "0042", "нема", " ", ""])
    assert {code: [ref.code for ref in refs] for code, refs in found.items()} == {
        "E-303": ["E-303"], "е‑303": ["E-303"], "LMP-9": ["LMP-9", "LMP-9"], "0042": ["0042"],
    }  # fmt: skip


def test_few_articles_are_asked_for_alone_and_blank_ones_not_at_all(world: World) -> None:
    for n in range(130):
        world.fake.add_material(f"A-{n}")
    system = world.open()
    assert system.find_products([" "]) == {}
    assert world.fake.log == []
    assert set(system.find_products(["A-1", "A-2"])) == {"A-1", "A-2"}
    assert len(world.fake.log) == 2
    many = [f"A-{n}" for n in range(goods.FEW + 1)]
    assert set(system.find_products(many)) == set(many)
    assert len(world.fake.log) == 5
