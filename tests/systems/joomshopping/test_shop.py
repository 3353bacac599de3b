"""What a shop that is reached by files tells, refuses, and takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import (
    Changed,
    ConfigError,
    FolderMissing,
    Held,
    Offer,
    OfferChange,
    PhpCsvReader,
    ProductDraft,
    ReadResult,
    Refused,
    RemoteFile,
    RowOutcome,
    StockTarget,
    SystemEnv,
    T,
    Transient,
    Transport,
)
from pipeline.testing.sync_subject import done
from plugins.systems.joomshopping import PLUGIN, pending
from plugins.systems.joomshopping.fake import FakeShop, Quirks, TaskDied
from plugins.systems.joomshopping.settings import ShopSettings
from plugins.systems.joomshopping.system import ReadShop, Shop
from tests.systems.joomshopping.site import Site

HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A shop with a plug-in."""
    return Site(tmp_path)


def put(site: Site, text: str, name: str = "export.csv", encoding: str = "utf-8") -> None:
    """An export as an add-on writes it, newer than any before."""
    path = site.base / "export" / name
    path.write_bytes(text.encode(encoding))
    site._ticks += 60
    os.utime(path, (site._ticks, site._ticks))


def shop_of(site: Site) -> Shop:
    """A session that can write."""
    shop = site.open()
    assert isinstance(shop, Shop)
    return shop


def level(shop: Shop, own: str, quantity: str) -> RowOutcome:
    """Set the level of an offer."""
    target = StockTarget(offer=Offer(id=own, product=own), warehouse="", quantity=Decimal(quantity))
    (outcome,) = shop.apply_stock([target])
    return outcome


def price(shop: Shop, own: str, amount: object) -> RowOutcome:
    """Set the price of an offer."""
    (outcome,) = shop.update_offers([OfferChange(offer=Offer(id=own, product=own), values={"price": amount})])
    return outcome


def lies(site: Site) -> list[str]:
    """The lines of the file that the shop is to take."""
    return (site.base / "import" / "stock.csv").read_text(encoding="utf-8").splitlines()


def why(act: Callable[[], object]) -> Refused:
    """What is refused."""
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def told(shop: ReadShop) -> list[Offer]:
    """All offers."""
    return list(shop.offers())


# --- exports of the usual add-ons ------------------------------------------------------------------------------------


def test_the_built_in_export_is_read(site: Site) -> None:
    site.shop.add(
        product_ean="0042", names={"uk-UA": 'Ґрунт "Люкс"; 10 л'}, description="<p>a\r\nb\tc</p>",
        product_price=Decimal("249.900000"), product_quantity=Decimal("12.00"), categories="Фарби/Ґрунти",
    )  # fmt: skip
    site.layout = "core"
    site.settle()
    (offer,) = told(site.open())
    assert (offer.id, offer.kind, offer.keys) == ("1", "single", {"code": "0042"})
    assert offer.values == {
        "name": 'Ґрунт "Люкс"; 10 л',
        "short_description": "",
        "description": "<p>a  b c</p>",
        "price": Decimal("249.90"),
        "currency": "UAH",
        "category": ("Ґрунти",),
    }
    assert offer.updated_at is None  # `date` is when it was added
    assert [(one.code, one.warehouse, one.on_hand) for one in site.open().levels()] == [("0042", "", Decimal(12))]


def test_the_export_of_nr_tells_what_is_published(site: Site) -> None:
    site.shop.add(product_ean="A", names={"uk-UA": "Так"})
    site.shop.add(product_ean="B", names={"uk-UA": "Ні"}, product_publish=False)
    site.layout = "nr"
    site.settle()
    assert [offer.values["published"] for offer in told(site.open())] == [True, False]


def test_an_export_that_has_lost_its_letters_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path, Quirks(latin=True))
    for name in ("Ґрунт", "Фарба", "Емаль", "Лак"):
        site.shop.add(product_ean=name, names={"uk-UA": name})
    site.layout = "core"
    site.settle()
    error = why(lambda: told(site.open()))
    assert error.code == "shop-export-encoding"
    assert "?????" in str(error)
    assert [finding.code for finding in site.open().check()] == ["shop-export-encoding"]


def test_one_name_that_is_garbled_in_the_shop_itself_stops_nothing(site: Site) -> None:
    for n in range(20):
        site.shop.add(product_ean=str(n), names={"uk-UA": "??????" if n == 3 else "Лак"})
    site.settle()
    assert [offer.values["name"] for offer in told(site.open())].count("??????") == 1


def test_texts_are_those_of_the_language(tmp_path: Path) -> None:
    for language, name in (("uk-UA", "Фарба"), ("ru-RU", "Краска"), ("pl-PL", None)):
        site = Site(tmp_path, language=language)
        site.shop.add(product_ean="A", names={"uk-UA": "Фарба", "ru-RU": "Краска"})
        site.settle()
        assert told(site.open())[0].values.get("name") == name


def test_columns_of_ones_own_are_said(tmp_path: Path) -> None:
    columns = {"Артикул": "code", "Ціна, грн": "price", "Опт": "price.cost", "шлях": "category", "hits": "-", "id": "-"}
    export = {"folder": "export", "columns": columns, "encoding": "windows-1251", "path_separator": ">"}
    site = Site(tmp_path, export=export)
    put(site, "id;АРТИКУЛ ;Ціна, грн;Опт;шлях;hits;name\r\nx;0042;1234,5;;Фарби > Ґрунти;9;Лак\r\n", encoding="cp1251")
    (offer,) = told(site.open())
    assert offer.id == "0042"
    assert offer.values == {
        "name": "Лак",
        "price": Decimal("1234.50"),
        "price.cost": None,
        "currency": "UAH",
        "category": ("Фарби", "Ґрунти"),
    }


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "shop-empty-export", "is empty"),
        ("name;price\nЛак;5\n", "shop-export-columns", "neither"),
        ("ean;product_ean\nA;B\n", "shop-export-columns", "mean the same"),
        ("product_id;ean;price\n1;A;5\n2;B\n", "shop-export-row", "2 cells"),
        ("product_id;ean;price\n1;A;5;6\n", "shop-export-row", "4 cells"),
        ('product_id;ean;price\n1;"A;5\n', "shop-export-row", "cannot be read"),
        ('product_id;ean;price\n1;"A"x;5\n', "shop-export-row", "cannot be read"),
        ("product_id;ean\n1;A\n1;B\n", "shop-export-twice", "lines 2 and 3"),
        ("ean;price\nA;1\u00a0234.00\n", "shop-export-cell", "not a number"),
        ("ean;price\nA;1,234\n", "shop-export-cell", "not a number"),
        ("ean;price\nA;NaN\n", "shop-export-cell", "not a number"),
        ("ean;price\nA;١٢\n", "shop-export-cell", "not a number"),
        ("ean;currency\nA;грн\n", "shop-export-cell", "currency"),
        ("ean;publish\nA;yes\n", "shop-export-cell", "neither 1 nor 0"),
        ("ean;date_modify\nA;31.01.2026\n", "shop-export-cell", "date"),
        ("ean;date_modify\nA;2026-02-31 10:00:00\n", "shop-export-cell", "date"),
    ],
)
def test_an_export_that_cannot_be_read_without_guessing_is_refused(
    site: Site, text: str, code: str, words: str
) -> None:
    put(site, text)
    error = why(lambda: told(site.open()))
    assert error.code == code
    assert words in str(error)
    assert error.findings[0].where.file == "export.csv"
    assert [finding.code for finding in site.open().check()] == [code]


def test_a_file_in_another_encoding_is_refused(site: Site) -> None:
    put(site, "ean;name\nA;Лак\n", encoding="cp1251")
    assert why(lambda: told(site.open())).code == "shop-export-encoding"


def test_a_column_that_the_config_names_and_the_export_lacks_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path, export={"folder": "export", "columns": {"Залишок": "stock"}})
    error = why(lambda: told(site.open()))
    assert "Залишок" in str(error)
    with pytest.raises(ValidationError, match=r"did you mean `price\.cost`"):
        Site(tmp_path, export={"folder": "export", "columns": {"a": "price.coste"}})
    with pytest.raises(ValidationError, match="nothing that a column can be"):
        Site(tmp_path, export={"folder": "export", "columns": {"a": "qwertz"}})


def test_what_cells_may_be(site: Site) -> None:
    put(
        site,
        "\ufeffean;price;old_price;weight;currency;qty;unlimited;image;images;date_modify;attributes\r\n"
        "\r\n"
        " A ;0.000000;0.000000;0.0000;usd;-2.00;0;a.jpg;a.jpg|b.jpg|;2026-07-01 10:00:00;x:1\r\n"
        'B;;"10.5";1.35;;5,5;1;;c.jpg;0000-00-00 00:00:00;\r\n'
        "C;1;;;;+;0;;;;",
    )
    shop = site.open()
    first, second, third = told(shop)
    assert first.keys == {"code": "A"}
    names = ("price", "price.old", "weight", "currency", "images")
    assert [first.values[name] for name in names] == [Decimal(0), None, None, "USD", ("a.jpg", "b.jpg")]
    assert [second.values[name] for name in names] == [None, Decimal("10.50"), Decimal("1.35"), "UAH", ("c.jpg",)]
    assert third.values["images"] == ()
    assert first.updated_at == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert second.updated_at is None
    assert "options" not in first.values
    assert {one.code: one.on_hand for one in shop.levels()} == {"A": Decimal(-2)}  # the others are without a limit


def test_an_export_without_stock_says_so(site: Site) -> None:
    put(site, "ean;price\nA;1\n")
    assert why(lambda: list(site.open().levels())).code == "shop-no-stock"


def test_variants_stand_behind_their_product_wherever_the_file_has_them(site: Site) -> None:
    put(
        site,
        "product_id;ean;parent_ean;attributes;price\n"
        ";P-R;p;Колір:Червоний|Об'єм:1 л;5\n"
        "7;S;;;1\n"
        ";X-1;GONE;;3\n"
        "8;P;;;0\n"
        ";P-G;P ;Колір:Зелений;6\n",
    )
    offers = told(site.open())
    assert [(offer.id, offer.product, offer.kind) for offer in offers] == [
        ("7", "7", "single"),
        ("8", "8", "base"),
        ("8/P-R", "8", "variant"),
        ("8/P-G", "8", "variant"),
        ("gone/X-1", "gone", "variant"),
    ]
    assert offers[2].values["options"] == {"Колір": "Червоний", "Об'єм": "1 л"}


def test_without_ids_an_offer_is_known_by_its_code(site: Site) -> None:
    put(site, "ean;price\nA;1\nB;2\nA;3\n;4\n;5\n")
    offers = told(site.open())
    assert [offer.id for offer in offers] == ["A", "B", "A~2", "~1", "~2"]
    assert [offer.keys for offer in offers][3:] == [{}, {}]


# --- which file ------------------------------------------------------------------------------------------------------


def test_the_newest_export_is_read(site: Site) -> None:
    put(site, "ean\nNEW\n", "b.csv")
    put(site, "ean\nNEWEST\n", "A.CSV")
    put(site, "ean\nHALF\n", "c.csv.part")
    put(site, "ean\nHIDDEN\n", ".d.csv")
    put(site, "ean\nOTHER\n", "e.txt")
    assert [offer.id for offer in told(site.open())] == ["NEWEST"]


def test_a_session_reads_one_export_until_another_lies_there(site: Site) -> None:
    shop = site.open()
    put(site, "ean;qty\nA;1\n")
    first = shop.export.fetch()
    assert shop.export.fetch() is first
    assert [one.on_hand for one in shop.levels()] == [Decimal(1)]
    put(site, "ean;qty\nA;2\n")
    assert [one.on_hand for one in shop.levels()] == [Decimal(2)]
    assert not first.path.exists()
    path = shop.export.fetch().path
    shop.close()
    assert not path.exists()


def test_no_export_is_said(site: Site) -> None:
    for path in (site.base / "export").iterdir():
        path.unlink()
    assert why(lambda: told(site.open())).code == "shop-no-export"
    assert [finding.code for finding in site.open().check()] == ["shop-no-export"]
    assert all(finding.hint for finding in site.open().check())


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    folders: dict[str, Any]
    for folders in ({"export": {"folder": "nope"}}, {"updates": {"folder": "nope"}}):
        with pytest.raises(FolderMissing):
            Site(tmp_path, None, **folders).open().check()


def test_our_own_file_is_never_taken_for_an_export(tmp_path: Path) -> None:
    site = Site(tmp_path, updates={"folder": "/export/"})
    put(site, "product_id;ean;qty\n1;A;1\n")
    done([level(shop_of(site), "1", "5")])
    assert [offer.id for offer in told(site.open())] == ["1"]


class Odd:
    """A transport that changes what it is told to."""

    def __init__(self, inner: Transport, **acts: Any) -> None:
        self.inner, self.acts = inner, acts

    def __getattr__(self, name: str) -> Any:
        return self.acts.get(name) or getattr(self.inner, name)


def session(site: Site, transport: Callable[[str], Any] | None) -> Shop:
    """A session over another transport."""
    env = SystemEnv("shop", "demo", site.base, "UAH", "Europe/Kyiv", site.clock, transport=transport)
    shop = site.kept(PLUGIN.open(site.settings, env))
    assert isinstance(shop, Shop)
    return shop


def _over(transport: Any, _name: str) -> Any:
    return transport


def test_several_exports_without_times_are_refused(site: Site) -> None:
    put(site, "ean\nA\n", "b.csv")
    inner = site.transport("site")
    odd = Odd(inner, list=lambda folder: [replace(one, modified=None) for one in inner.list(folder)])
    error = why(lambda: told(session(site, lambda _: odd)))
    assert error.code == "shop-several-exports"
    assert "b.csv, export.csv" in str(error)


def test_an_export_that_is_being_written_is_read_later(site: Site) -> None:
    inner = site.transport("site")

    def growing(files: Sequence[RemoteFile], into: Path) -> list[ReadResult]:
        results = list(inner.read_many(files, into))
        put(site, "ean\nA\nB\n")
        return results

    def altered(files: Sequence[RemoteFile], into: Path) -> list[ReadResult]:
        return [ReadResult(files[0], error=Changed(T("altered")))]

    for act in (growing, altered):
        with pytest.raises(Transient, match="being written"):
            told(session(site, partial(_over, Odd(inner, read_many=act))))
    lost = [ReadResult(inner.list("export")[0], error=Transient(T("network")))]
    with pytest.raises(Transient, match="network"):
        told(session(site, lambda _: Odd(inner, read_many=lambda files, into: lost)))


def test_a_shop_without_connections_says_so(site: Site) -> None:
    with pytest.raises(ConfigError, match="needs a connection"):
        told(session(site, None))


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
