"""The books as an end of a sync: the contract on both databases, and what is the books' own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event, insert

from pipeline.api import (
    Held,
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
from pipeline.testing.documents_contract import drafts_of, order
from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import END, START, Subject, done
from plugins.systems.books import applying, levels, offers
from plugins.systems.books import tables as t
from tests.systems.books.conftest import Place
from tests.systems.books.seeded import rows, seed_stock, subject_of

if TYPE_CHECKING:
    from plugins.systems.books.system import Books


class TestBooks(SyncContract):
    @pytest.fixture
    def subject(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> Subject:
        for module, name, size in (
            (offers, "PAGE", 50),
            (levels, "PAGE", 50),
            (offers, "BATCH", 20),
            (applying, "BATCH", 20),
        ):
            monkeypatch.setattr(module, name, size)
        return subject_of(place)


def books_with(place: Place, *products: str) -> Books:
    """Books with these products by their codes, and two warehouses; the clock stands an hour later."""
    books = place.open()
    for code in ("main", "second"):
        books.ensure("warehouse", code)
    done(books.create_products([single(code) for code in products]))
    place.clock.moment += timedelta(hours=1)
    return books


def single(code: str, **values: Any) -> ProductDraft:
    """A product to create."""
    return ProductDraft(base=Offer(keys={"sku": code} if code else {}, values={"name": f"Товар {code}"} | values))


def with_variants(base: str, *variants: str) -> ProductDraft:
    """A product with variants to create."""
    values = {"name": "Фарба", "category": ("Фарби",), "unit": "л", "images": ("a.jpg",), "price": Decimal(5)}
    of = [Offer(kind="variant", keys={"sku": code}, values={"options": {"Колір": code}}) for code in variants]
    return ProductDraft(base=Offer(kind="base", keys={"sku": base}, values=values), variants=tuple(of))


def told(books: Books, since: datetime | None = None) -> dict[str, Offer]:
    """What the books tell, by code."""
    return {offer.keys["sku"]: offer for offer in books.offers(since)}


def why(outcome: RowOutcome) -> str:
    """The code of why a row is held."""
    assert isinstance(outcome.error, Held), outcome
    return outcome.error.code


# --- new products ----------------------------------------------------------------------------------------------------


def test_an_article_in_another_notation_is_the_product_that_is_there(place: Place) -> None:
    books = books_with(place, "E-303")
    outcomes = books.create_products([single("е‑303"), single("E-304"), single("e- 304")])
    assert [outcome.existed for outcome in outcomes] == [True, False, True]
    assert set(told(books)) == {"E-303", "E-304"}
    assert outcomes[1].ids == outcomes[2].ids


def test_an_article_that_fits_several_products_is_held(place: Place) -> None:
    books = place.open()
    (place.base / "p.csv").write_text("code\nE-303\nЕ–303\n", encoding="utf-8")
    books.load(books.read(place.base / "p.csv"))
    (outcome,) = books.create_products([single("e-303")])
    assert why(outcome) == "books-ambiguous"
    assert "E-303, Е–303" in str(outcome.error)


def test_a_variant_that_the_product_lacks_is_added_to_it(place: Place) -> None:
    books = books_with(place)
    (first,) = books.create_products([with_variants("P-1", "P-1-R")])
    (both,) = books.create_products([with_variants("P-1", "P-1-R", "P-1-G")])
    assert not both.existed
    assert both.ids[:2] == first.ids
    assert [(o.keys["sku"], o.kind) for o in books.offers()] == [
        ("P-1", "base"),
        ("P-1-R", "variant"),
        ("P-1-G", "variant"),
    ]


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (with_variants("ONE", "TWO"), "books-variant"),  # TWO is a product
        (with_variants("P-2", "P-1-R"), "books-variant"),  # of another product
        (with_variants("P-1-R", "P-3"), "books-variant"),  # its base is a variant
        (with_variants("P-2", "P-2"), "books-twin"),
        (with_variants("P-2", "A", "Ａ"), "books-twin"),
        (single(""), "books-no-code"),
        (single("ё" * 501), "books-too-long"),
        (single("A\x00B"), "books-text"),
        (single("X", name="A\x00B"), "books-value"),
        (single("X", name="\ud800"), "books-value"),
        (single("X", name=5), "books-value"),
        (single("X", price=1.5), "books-value"),
        (single("X", price=Decimal(10) ** 12), "books-value"),
        (single("X", price=Decimal("0.0000001")), "books-value"),
        (single("X", price=Decimal("NaN")), "books-value"),
        (single("X", weight=Decimal(-1)), "books-value"),
        (single("X", unit="у" * 33), "books-value"),
        (single("X", barcode="4" * 65), "books-value"),
        (single("X", currency="грн"), "books-value"),
        (single("X", category=("A", "")), "books-value"),
        (single("X", category=("A\x1fB",)), "books-value"),
        (single("X", images=("",)), "books-value"),
        (single("X", options={"a": 1}), "books-value"),
        (single("X", published=None), "books-value"),
        (single("X", specials=(SpecialPrice(Money(Decimal(1), "USD")),)), "books-currency"),
        (single("X", specials=(SpecialPrice(Money(Decimal(-1), "UAH")),)), "books-value"),
        (single("X", specials=(SpecialPrice(Money(Decimal(1), "UAH")),) * 2), "books-value"),
        (single("X", specials=(SpecialPrice(Money(Decimal(1), "UAH"), END, START),)), "books-value"),
        (single("X", length=Decimal(1)), "books-field"),
        (single("X", **{"price.vip": Decimal(1)}), "books-field"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_books_cannot_keep_is_held_with_the_reason(lite: Place, draft: ProductDraft, code: str) -> None:
    books = books_with(lite, "ONE", "TWO")
    done(books.create_products([with_variants("P-1", "P-1-R")]))
    before = rows(lite)
    outcomes = books.create_products([draft, single("GOOD")])
    assert why(outcomes[0]) == code
    done(outcomes[1:])
    after = rows(lite)
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 1
    if draft.base.keys.get("sku") == "X":
        one = told(books)["ONE"]
        (changed,) = books.update_offers([OfferChange(offer=one, values=draft.base.values)])
        assert why(changed) == code
        assert rows(lite) == after


def test_a_row_that_the_database_refuses_fails_alone(place: Place) -> None:
    books = books_with(place, "A", "B", "C")
    with books.database.write() as connection:
        if books.database.sqlite:
            for when in ("INSERT", "UPDATE"):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER no_{when} BEFORE {when} ON products WHEN NEW.unit = 'bad'"
                    " BEGIN SELECT RAISE(ABORT, 'no such unit'); END"
                )
        else:
            connection.exec_driver_sql("ALTER TABLE products ADD CONSTRAINT no_such_unit CHECK (unit <> 'bad')")
    outcomes = books.create_products([single("D", unit="л"), single("E", unit="bad"), single("F", unit="л")])
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert why(outcomes[1]) == "books-refuse"
    assert "unit" in str(outcomes[1].error)
    there = told(books)
    assert set(there) == {"A", "B", "C", "D", "F"}
    changes = [
        OfferChange(offer=there[code], values={"unit": unit}) for code, unit in (("A", "м"), ("B", "bad"), ("C", "м"))
    ]
    outcomes = books.update_offers(changes)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert [told(books)[code].values["unit"] for code in "ABC"] == ["м", "", "м"]


def test_a_database_that_is_gone_is_told_for_each_row(place: Place) -> None:
    books = books_with(place, "A", "B")
    there = told(books)
    if not books.database.sqlite:
        url = books.settings.url.rpartition("/")[0] + "/there_is_no_such"
        gone = Place(url, place.base).open()
        with pytest.raises(Transient):
            gone.create_products([single("C")])
        return
    with books.database.write():  # another program writes, and goes on writing
        outcomes = place.open(lock_timeout=0.05).update_offers(
            [OfferChange(offer=offer, values={"unit": "м"}) for offer in there.values()]
        )
    assert [type(outcome.error) for outcome in outcomes] == [Transient, Transient]
    assert {offer.values["unit"] for offer in told(books).values()} == {""}


def test_a_dry_run_changes_nothing(place: Place) -> None:
    books_with(place, "A")
    dry = replace(place, dry_run=True, opened=place.opened).open()
    assert set(told(dry)) == {"A"}
    before = rows(place)
    outcomes = dry.update_offers([OfferChange(offer=told(dry)["A"], values={"unit": "м"})])
    assert outcomes[0].error is None or isinstance(outcomes[0].error, Refused)
    assert rows(place) == before


# --- changes ---------------------------------------------------------------------------------------------------------


def test_what_is_so_already_is_not_written(place: Place) -> None:
    books = books_with(place, "A")
    before = rows(place)
    offer = told(books)["A"]
    (outcome,) = books.update_offers([OfferChange(offer=offer, values={"name": "Товар A", "price": None})])
    assert outcome.existed
    assert rows(place) == before
    assert told(books, place.clock.now()) == {}


def test_two_changes_of_one_offer_are_made_one_after_the_other(place: Place) -> None:
    books = books_with(place, "A")
    offer = told(books)["A"]
    units = ("м", "л", "м")
    outcomes = books.update_offers([OfferChange(offer=offer, values={"unit": unit}) for unit in units])
    assert [outcome.existed for outcome in outcomes] == [False, False, False]
    assert told(books)["A"].values["unit"] == "м"


def test_texts_are_those_of_the_language_of_the_connection(place: Place) -> None:
    books = books_with(place, "A")
    russian = place.open(language="ru-RU")
    assert told(russian)["A"].values["name"] == ""
    done(russian.update_offers([OfferChange(offer=told(russian)["A"], values={"name": "Товар", "description": "<p>"})]))
    assert told(russian)["A"].values["name"] == "Товар"
    assert told(books)["A"].values["name"] == "Товар A"
    assert told(books)["A"].values["description"] == ""


def test_prices_are_those_of_the_kinds_that_the_connection_names(place: Place) -> None:
    books = books_with(place, "A")
    more = place.open(price_kinds=("vip",))
    done(more.update_offers([OfferChange(offer=told(more)["A"], values={"price.vip": Decimal("7.25")})]))
    assert told(more)["A"].values["price.vip"] == Decimal("7.25")
    assert "price.cost" not in told(more)["A"].values
    assert told(books)["A"].values["price.cost"] is None
    with pytest.raises(ValidationError, match="retail"):
        place.open(price_kinds=("retail",))


def test_a_variant_tells_of_its_base_what_it_has_not_got_itself(place: Place) -> None:
    books = books_with(place)
    done(books.create_products([with_variants("P", "P-R")]))
    variant = told(books)["P-R"]
    names = ("name", "category", "unit", "images", "price")
    assert [variant.values[name] for name in names] == ["Фарба", ("Фарби",), "л", ("a.jpg",), None]
    done(books.update_offers([OfferChange(offer=variant, values={"name": "Фарба червона", "unit": "л"})]))
    variant = told(books)["P-R"]
    assert (variant.values["name"], variant.values["unit"]) == ("Фарба червона", "л")
    done(books.update_offers([OfferChange(offer=told(books)["P"], values={"unit": "кг"})]))
    assert told(books)["P-R"].values["unit"] == "кг"


def test_a_product_of_which_a_variant_has_changed_is_told_whole(place: Place) -> None:
    books = books_with(place, "A")
    done(books.create_products([with_variants("P", "P-R", "P-G")]))
    place.clock.moment += timedelta(hours=1)
    since = place.clock.now()
    assert told(books, since) == {}
    done(books.update_offers([OfferChange(offer=told(books)["P-R"], values={"price": Decimal(1)})]))
    assert list(told(books, since)) == ["P", "P-R", "P-G"]
    # a change whose transaction began just before, and ended after it was last asked
    assert list(told(books, since + timedelta(minutes=4))) == ["P", "P-R", "P-G"]
    assert told(books, since + timedelta(minutes=6)) == {}


def test_a_table_loaded_again_brings_back_what_a_sync_has_changed(place: Place) -> None:
    books = place.open()
    (place.base / "p.csv").write_text("code;unit;price\nA;шт;5\n", encoding="utf-8")
    table = books.read(place.base / "p.csv")
    assert books.load(table).new == 1
    assert books.load(table).unchanged == 1
    done(books.update_offers([OfferChange(offer=told(books)["A"], values={"unit": "м"})]))
    assert books.load(table).changed == 1
    assert told(books)["A"].values["unit"] == "шт"


def test_columns_of_the_export_show_what_a_sync_has_written(place: Place) -> None:
    books = books_with(place)
    specials = (SpecialPrice(Money(Decimal("3.30"), "UAH"), START, END),)
    values = {"price": Decimal("4.40"), "specials": specials, "images": ("a.jpg", "b.jpg"), "category": ("Ф", "Ґ")}
    done(books.create_products([single("A", **values)]))
    fields = ("code", "name.uk-UA", "price", "special_price", "special_end", "image", "images", "category")
    (batch,) = books.batches(fields, at=place.clock.now())
    assert [batch.columns[name][0] for name in fields] == [
        "A",
        "Товар A",
        Decimal("4.40"),
        Decimal("3.30"),
        END,
        "a.jpg",
        ("b.jpg",),
        ("Ф", "Ґ"),
    ]


def test_offers_are_read_page_by_page_in_few_statements(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "PAGE", 10)
    books = books_with(place, *(f"A-{n:02d}" for n in range(35)))
    done(books.create_products([with_variants(f"P-{n}", f"P-{n}-R", f"P-{n}-G") for n in range(5)]))
    asked: list[str] = []
    event.listen(books.database._engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    reading = books.offers()
    next(reading)
    first = len(asked)
    assert first <= 9, asked
    assert len(list(reading)) == 49
    # three more pages, then none; variants that lie outside of their page's span are asked for by their ids
    assert len(asked) - first <= 3 * (2 + 4 + 4) + 1


# --- stock -----------------------------------------------------------------------------------------------------------


def stock_of(books: Books, since: datetime | None = None) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """What the books tell, by code and warehouse: on hand, reserved."""
    return {(level.code, level.warehouse): (level.on_hand, level.reserved) for level in books.levels(since)}


def target(books: Books, code: str, warehouse: str, quantity: Decimal | str) -> StockTarget:
    """A level to be set."""
    return StockTarget(offer=told(books)[code], warehouse=warehouse, quantity=Decimal(quantity))


def test_offers_that_never_lay_anywhere_have_none(place: Place) -> None:
    books = books_with(place, "A")
    done(books.create_products([with_variants("P", "P-R")]))
    (place.base / "p.csv").write_text("code;service\nS;так\n", encoding="utf-8")
    books.load(books.read(place.base / "p.csv"))
    none = (Decimal(0), Decimal(0))
    assert stock_of(books) == {(code, house): none for code in ("A", "P-R") for house in ("main", "second")}


def test_an_order_that_reserves_and_goods_that_leave_are_changes_of_the_stock(place: Place) -> None:
    books = place.sample()
    codes = ("0042", "TAPE-19", "MIX-600")
    warehouse = books.settings.default_warehouse
    before = stock_of(books)[codes[0], warehouse]
    moments = []
    for act in (
        lambda: books.create(drafts_of(books, [order(1, codes)])),
        lambda: books.close_document("000001"),
        lambda: books.reopen_document("000001"),
    ):
        place.clock.moment += timedelta(hours=1)
        moments.append(place.clock.now())
        assert stock_of(books, moments[-1]) == {}
        act()
        assert set(stock_of(books, moments[-1])) >= {(codes[0], warehouse)}
    assert stock_of(books)[codes[0], warehouse] == (before[0], before[1] + 2)
    (outcome,) = books.apply_stock([target(books, codes[0], warehouse, "30")])
    done([outcome])
    assert stock_of(books)[codes[0], warehouse] == (before[1] + 32, before[1] + 2)


def test_a_target_without_a_warehouse_is_of_the_only_one(place: Place) -> None:
    books = place.open(default_warehouse="склад")
    done(books.create_products([single("A")]))
    done(books.apply_stock([target(books, "A", "", "3")]))
    assert stock_of(books) == {("A", "склад"): (Decimal(3), Decimal(0))}
    other = place.open(default_warehouse="another")
    done(other.apply_stock([target(other, "A", "", "4")]))
    assert stock_of(books)["A", "склад"] == (Decimal(4), Decimal(0))
    books.ensure("warehouse", "B")
    (held,) = other.apply_stock([target(other, "A", "", "5")])
    assert why(held) == "books-warehouse"
    assert "B, склад" in str(held.error.hint if held.error else "")
    done(books.apply_stock([target(books, "A", "", "6")]))
    assert stock_of(books) == {("A", "B"): (Decimal(0), Decimal(0)), ("A", "склад"): (Decimal(6), Decimal(0))}


@pytest.mark.parametrize("quantity", ["-0.01", "0.0000001", "1e12", "NaN", "Infinity"])
def test_a_level_that_cannot_be_kept_is_held(lite: Place, quantity: str) -> None:
    books = books_with(lite, "A")
    (outcome,) = books.apply_stock([target(books, "A", "main", quantity)])
    assert why(outcome) == "books-quantity"


def test_a_debt_of_reserves_is_evened_out_by_a_target(place: Place) -> None:
    books = books_with(place, "A")
    own = int(told(books)["A"].id)
    seed_stock(place, {(str(own), "main"): (Decimal(1), Decimal(3))})
    done(books.apply_stock([target(books, "A", "main", "0")]))
    assert stock_of(books)["A", "main"] == (Decimal(3), Decimal(3))
    (again,) = books.apply_stock([target(books, "A", "main", "0")])
    assert again.existed


def test_orders_that_reserve_while_levels_are_set_keep_their_reserves(place: Place) -> None:
    books = place.sample()
    codes = ("0042", "TAPE-19", "MIX-600")
    reserved = sum(pair[1] for (code, _), pair in stock_of(books).items() if code == codes[0])
    drafts = drafts_of(books, [order(n, codes) for n in range(1, 21)])
    targets = [target(books, code, books.settings.default_warehouse, "50") for code in codes]
    start = Barrier(2)

    def book() -> None:
        mine = place.open()
        start.wait(30)
        for n in range(0, 20, 2):
            assert [outcome.error for outcome in mine.create(drafts[n : n + 2])] == [None, None]

    def level() -> None:
        mine = place.open()
        start.wait(30)
        for _ in range(10):
            done(mine.apply_stock(targets))

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(book), pool.submit(level)]:
            future.result(120)
    assert place.reserved(codes[0]) == reserved + 40
    done(books.apply_stock(targets))
    on_hand, kept = stock_of(books)[codes[0], books.settings.default_warehouse]
    assert on_hand - kept == 50


def test_levels_of_older_books_are_told_by_the_change_of_their_product(place: Place) -> None:
    books = books_with(place, "A")
    own = told(books)["A"].id
    since = place.clock.now()
    with books.database.write() as connection:
        connection.execute(
            insert(t.stock).values(product_id=int(own), warehouse_id=1, on_hand=Decimal(5), reserved=Decimal(0))
        )
    assert stock_of(books, since) == {}
    assert stock_of(books, since - timedelta(hours=2))["A", "main"] == (Decimal(5), Decimal(0))


def test_a_language_that_nothing_is_written_in_is_told_and_all_the_rest_goes_on(place: Place) -> None:
    books = books_with(place, "A-1", "A-2")
    assert len(list(books.offers())) == 2
    assert list(books.noticed()) == []
    german = place.open(language="de-DE")
    assert [(one.keys["sku"], one.values["name"]) for one in german.offers()] == [("A-1", ""), ("A-2", "")]
    (finding,) = german.noticed()
    assert finding.code == "language-gone"
    assert "de-DE" in str(finding.text)
    assert "uk-UA" in str(finding.hint)
    assert list(german.noticed()) == [], "once"
    assert list(place.open(language="uk-UA").noticed()) == []


def test_books_are_known_by_their_place_and_by_themselves(place: Place) -> None:
    """Not by who logs in; in a dry run as well, which makes nothing: other books in the same place are others."""
    mine = place.open().account
    assert len(mine) == 32
    assert place.open().account == mine
    place.dry_run = True
    assert place.open().account == mine
    place.dry_run = False
    with place.open().database.write() as connection:
        connection.execute(t.facts.update().where(t.facts.c.name == "identity").values(value="other"))
    assert place.open().account not in (mine, "")
    place.dry_run = True
    with_nothing = Place("sqlite:///books.sqlite3", place.base / "empty", dry_run=True)
    assert len(with_nothing.open().account) == 32
    assert not (place.base / "empty").exists()
