"""What a shop that is reached by files takes: one file of stock and prices, whole, and nothing twice too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import (
    Held,
    Offer,
    PhpCsvReader,
    ProductDraft,
    RemoteFile,
    StockTarget,
    T,
    Transient,
)
from pipeline.testing.sync_subject import done
from plugins.systems.joomshopping import pending
from plugins.systems.joomshopping.fake import FakeShop, Quirks, TaskDied
from plugins.systems.joomshopping.settings import ShopSettings
from plugins.systems.joomshopping.system import Shop
from tests.systems.joomshopping.site import Odd, Site, level, lies, price, put, session, shop_of, told, why

HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A shop with a plug-in."""
    return Site(tmp_path)


# --- the file that the shop takes ------------------------------------------------------------------------------------


@pytest.fixture
def stocked(site: Site) -> Site:
    """Three products."""
    for code in ("A", "b", "В-3"):
        site.shop.add(product_ean=code, names={"uk-UA": "Лак"}, product_quantity=Decimal(5))
    site.settle()
    return site


def test_the_file_is_as_the_plug_in_reads_it(stocked: Site) -> None:
    shop = shop_of(stocked)
    done(
        [
            level(shop, "1", "0"),
            level(shop, "2", "2.559"),
            level(shop, "3", "1000000"),
            price(shop, "1", Decimal("7.5")),
        ]
    )
    assert lies(stocked) == ["id;qty;price", "A;0.00;7.50", "b;2.55;", "В-3;1000000.00;"]
    assert (stocked.base / "import" / "stock.csv").read_bytes().endswith(b"\n")
    stocked.settle()
    assert [one.product_quantity for one in stocked.shop.products.values()] == [
        Decimal("0.00"),
        Decimal("2.55"),
        Decimal("1000000.00"),
    ]
    assert {one.code: one.on_hand for one in stocked.open().levels()}["A"] == 0


def test_rows_that_the_shop_has_not_taken_are_kept(stocked: Site) -> None:
    done([level(shop_of(stocked), "1", "3"), price(shop_of(stocked), "2", Decimal(9))])
    stocked.clock.moment += HOUR / 2
    done([level(shop_of(stocked), "1", "4"), level(shop_of(stocked), "2", "6")])
    assert lies(stocked) == ["id;qty;price", "A;4.00;", "b;6.00;9.00"]


def test_a_row_that_was_taken_long_ago_never_comes_again(stocked: Site) -> None:
    done([level(shop_of(stocked), "1", "10"), price(shop_of(stocked), "1", Decimal(9))])
    stocked.settle()
    stocked.shop.products[1].product_quantity -= 2  # sold
    stocked.clock.moment += HOUR / 2
    done([price(shop_of(stocked), "1", Decimal(8))])
    stocked.clock.moment += HOUR / 2
    done([level(shop_of(stocked), "2", "1")])
    assert lies(stocked) == ["id;qty;price", "A;;8.00", "b;1.00;"]
    stocked.settle()
    assert stocked.shop.products[1].product_quantity == 8
    assert stocked.shop.products[1].product_price == 8


def test_a_file_that_the_shop_has_deleted_or_emptied_was_taken(tmp_path: Path) -> None:
    site = Site(tmp_path, Quirks(deletes=True), updates={"folder": "import", "taken_after": None})
    for code in "AB":
        site.shop.add(product_ean=code)
    site.settle()
    done([level(shop_of(site), "1", "3")])
    site.clock.moment += 100 * HOUR
    done([level(shop_of(site), "2", "4")])
    assert lies(site) == ["id;qty;price", "A;3.00;", "B;4.00;"]  # nobody has taken it
    site.settle()
    done([level(shop_of(site), "2", "5")])
    assert lies(site) == ["id;qty;price", "B;5.00;"]
    (site.base / "import" / "stock.csv").write_bytes(b"")
    done([level(shop_of(site), "1", "6")])
    assert lies(site) == ["id;qty;price", "A;6.00;"]


@pytest.mark.parametrize(
    "data", [b"ean;qty\nA;1.00\n", b"id;qty;price\nA;many;\n", b"id;qty;price\n;1.00;\n", b"id;qty;price\nA;1.00\n",
             b"id;qty;price\n\xff;1.00;\n", b"PK\x03\x04"],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_left_alone(stocked: Site, data: bytes) -> None:
    path = stocked.base / "import" / "stock.csv"
    path.write_bytes(data)
    error = why(lambda: level(shop_of(stocked), "1", "3"))
    assert error.code == "shop-foreign-file"
    assert path.read_bytes() == data


@pytest.mark.parametrize("times", [None, b"", b"{", b"[1]", b'{"a": {"qty": ["3.00", "2026-11-22T12:00:00"]}}'])
def test_without_its_times_rows_count_from_now(stocked: Site, times: bytes | None) -> None:
    done([level(shop_of(stocked), "1", "3")])
    path = stocked.base / "import" / "stock.csv.times"
    if times is None:
        path.unlink()
    else:
        path.write_bytes(times)
    stocked.clock.moment += 5 * HOUR
    done([level(shop_of(stocked), "2", "4")])
    assert lies(stocked) == ["id;qty;price", "A;3.00;", "b;4.00;"]
    stocked.clock.moment += HOUR
    done([level(shop_of(stocked), "2", "4")])
    assert lies(stocked) == ["id;qty;price", "b;4.00;"]


def test_a_write_that_fails_leaves_the_old_file_whole(stocked: Site) -> None:
    done([level(shop_of(stocked), "1", "3")])
    before = lies(stocked)
    inner = stocked.transport("site")

    def write(folder: str, name: str, source: bytes) -> RemoteFile:
        raise Transient(T("the network is gone"))

    with pytest.raises(Transient, match="network"):
        level(session(stocked, lambda _: Odd(inner, write=write)), "1", "4")
    assert lies(stocked) == before


def test_a_death_between_the_file_and_its_times_loses_no_row(stocked: Site) -> None:
    done([level(shop_of(stocked), "1", "3")])
    inner = stocked.transport("site")

    def write(folder: str, name: str, source: bytes) -> RemoteFile:
        if name.endswith(".times"):
            raise Transient(T("the network is gone"))
        return inner.write(folder, name, source)

    with pytest.raises(Transient):
        level(session(stocked, lambda _: Odd(inner, write=write)), "2", "4")
    done([level(shop_of(stocked), "3", "5")])
    assert lies(stocked) == ["id;qty;price", "A;3.00;", "b;4.00;", "В-3;5.00;"]


def test_the_plug_in_dies_at_a_comma_which_is_never_written(stocked: Site) -> None:
    """The fake is as unforgiving as the sheet says; see what the file would have to be to kill it."""
    done([price(shop_of(stocked), "1", Decimal("1234.5"))])
    stocked.settle()
    (stocked.base / "import" / "stock.csv").write_text("id;qty;price\nA;;1 234,50\nb;9.00;\n", encoding="utf-8")
    with pytest.raises(TaskDied):
        stocked.settle()
    assert stocked.shop.products[2].product_quantity == 5


@pytest.mark.parametrize(
    ("quantity", "words"), [("-1", "below 0"), ("1e10", "too many digits"), ("NaN", "too many digits")]
)
def test_a_level_that_the_shop_cannot_keep_is_held(stocked: Site, quantity: str, words: str) -> None:
    outcome = level(shop_of(stocked), "1", quantity)
    assert isinstance(outcome.error, Held)
    assert words in str(outcome.error)
    assert not (stocked.base / "import" / "stock.csv").exists()


@pytest.mark.parametrize("amount", [None, Decimal(-1), Decimal("0.0000001"), Decimal(10) ** 12, 1.5, Decimal("inf")])
def test_a_price_that_the_shop_cannot_keep_is_held(stocked: Site, amount: object) -> None:
    assert isinstance(price(shop_of(stocked), "1", amount).error, Held)


def test_products_are_not_created(stocked: Site) -> None:
    (outcome,) = shop_of(stocked).create_products([ProductDraft(base=Offer(keys={"code": "N"}, values={"name": "N"}))])
    assert isinstance(outcome.error, Held)
    assert shop_of(stocked).offer_traits().creates == frozenset()


def test_what_the_file_cannot_say_is_held(tmp_path: Path) -> None:
    site = Site(tmp_path)
    put(
        site,
        "product_id;ean;parent_ean;qty;unlimited\n"
        "1;P;;0;0\n;P-R;P;1;0\n2;;;1;0\n3;U;;1;1\n4;T;;1;0\n5;t ;;1;0\n6;Q\\;;1;0\n"
        '7;"a ""\\"" b";;1;0\n',
    )
    shop = shop_of(site)
    texts = {own: str(level(shop, own, "2").error or "") for own in ("1", "1/P-R", "2", "3", "4", "6", "7")}
    assert "its variants" in texts["1"]
    assert texts["1/P-R"] == ""
    assert "no code" in texts["2"]
    assert "without a limit" in texts["3"]
    assert "2 products" in texts["4"]
    assert texts["6"] == ""
    assert "PHP" in texts["7"]
    assert price(shop, "3", Decimal(1)).error is None
    both = [StockTarget(offer=Offer(id=own, product=own), warehouse="", quantity=Decimal(3)) for own in ("4", "5")]
    done(shop.apply_stock(both))
    assert [
        isinstance(one.error, Held) for one in shop.apply_stock([both[0], replace(both[1], quantity=Decimal(4))])
    ] == [
        True,
        True,
    ]
    assert [line for line in lies(site) if line.casefold().startswith("t")] == ["t;3.00;"]


@pytest.mark.parametrize("key", ["code", "manufacturer_code", "barcode"])
def test_rows_are_named_by_the_key_that_the_plug_in_knows(tmp_path: Path, key: str) -> None:
    column = {"code": "product_ean", "manufacturer_code": "manufacturer_code", "barcode": "real_ean"}[key]
    site = Site(tmp_path, Quirks(key=column), key=key)  # type: ignore[arg-type]  # one of the three
    site.shop.add(product_ean="A", manufacturer_code="M", real_ean="4820000000017")
    site.settle()
    shop = shop_of(site)
    assert shop.offer_traits().keys[0] == key
    assert set(shop.offer_traits().keys) == {"code", "manufacturer_code", "barcode"}
    done([level(shop, "1", "9")])
    site.settle()
    assert site.shop.products[1].product_quantity == 9
    assert next(iter(site.open().levels())).code == told(site.open())[0].keys[key]


def test_a_shop_without_updates_only_reads(tmp_path: Path) -> None:
    shop = Site(tmp_path, updates=None).open()
    assert not isinstance(shop, Shop)
    assert shop.offer_traits().writes == frozenset()
    with pytest.raises(ValidationError, match="longer than nothing"):
        ShopSettings.model_validate({"files": "x", "updates": {"taken_after": "0s"}})


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda code: code.strip()), min_size=1, max_size=6))
def test_php_reads_every_code_that_is_written(codes: list[str]) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    rows: pending.Rows = {}
    written = []
    for code in codes:
        try:
            code.encode()
        except UnicodeEncodeError:
            continue
        if pending.can_be_written(code):
            pending.put(rows, code, {"qty": "1.00"}, now)
            written.append(code)
    data = pending.written(rows, pending.columns(old_price=False), header=True)
    for utf8 in (True, False):
        reader = PhpCsvReader(utf8=utf8)
        read = [*reader.feed(data), *reader.close()][1:]
        assert sorted(read) == sorted((row.code.encode(), b"1.00", b"") for row in rows.values())
    again = pending.read(data, pending.columns(old_price=False), {}, header=True, now=now)
    assert again is not None
    assert {row.code for row in again.values()} == {row.code for row in rows.values()}
    assert pending.read_times(pending.times_of(rows)).keys() == rows.keys()


def test_the_fake_is_as_strict_as_the_sheet(tmp_path: Path) -> None:
    for name in ("e", "u"):
        (tmp_path / name).mkdir()
    shop = FakeShop(tmp_path / "e", tmp_path / "u")
    shop.add(product_ean="AB", product_quantity=Decimal(5), product_price=Decimal(3))
    shop.add(product_ean="ab", product_quantity=Decimal(6))
    file = tmp_path / "u" / "stock.csv"
    file.write_bytes(b"first row\nab ;0;\nAB;;4\nnone;9;9\n")
    assert shop.run_task()
    assert not shop.run_task()  # the same file is not taken twice
    assert [(one.product_quantity, one.product_price) for one in shop.products.values()] == [
        (Decimal(5), Decimal(4)),
        (Decimal(6), Decimal(4)),
    ]
    assert not (tmp_path / "u" / "nothing.csv").exists()
    assert not shop.run_task("nothing.csv")
