"""What a shop that is reached by files tells: exports of the usual add-ons, and which of them are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import (
    Changed,
    ConfigError,
    FolderMissing,
    ReadResult,
    RemoteFile,
    T,
    Transient,
)
from pipeline.testing.sync_subject import done
from plugins.systems.joomshopping.fake import Quirks
from tests.systems.joomshopping.site import Odd, Site, level, over, price, put, session, shop_of, told, why


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A shop with a plug-in."""
    return Site(tmp_path)


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


@pytest.mark.parametrize(
    ("header", "cell", "field", "words"),
    [
        ("price", "1\u00a0234.00", "price", "not a number"),
        ("price", "1 234,50", "price", "not a number"),
        ("price", "1,234", "price", "not a number"),
        ("price", "NaN", "price", "not a number"),
        ("price", "١٢", "price", "not a number"),
        ("price", "abc", "price", "not a number"),
        ("old_price", "abc", "price.old", "not a number"),
        ("weight", "abc", "weight", "not a number"),
        ("currency", "грн", "currency", "currency"),
        ("publish", "yes", "published", "neither 1 nor 0"),
        ("date_modify", "31.01.2026", "updated_at", "date"),
        ("date_modify", "2026-02-31 10:00:00", "updated_at", "date"),
    ],
)
def test_f46_a_cell_that_cannot_be_read_is_told_and_all_others_go_on(
    site: Site, header: str, cell: str, field: str, words: str
) -> None:
    put(site, f"ean;name;{header}\nA;Лак;{cell}\nB;Фарба;\n")
    shop = site.open()
    first, second = told(shop)
    assert (first.keys, first.values["name"]) == ({"code": "A"}, "Лак")
    assert field not in first.values, "it is not known, which is not none"
    assert first.updated_at is None
    assert second.keys == {"code": "B"}
    (finding,) = shop.noticed()
    assert (finding.code, finding.where.file, finding.where.line) == ("shop-export-cell", "export.csv", 2)
    assert words in str(finding.text)
    assert "A (line 2" in str(finding.text)
    assert shop.noticed() == ()
    assert [one.code for one in site.open().check()] == ["shop-export-cell"]


def test_f46_no_price_is_known_where_the_currency_is_not(site: Site) -> None:
    put(site, "ean;price;old_price;currency\nA;5;6;грн\nB;7;;USD\n")
    first, second = told(site.open())
    assert first.values == {}
    assert (second.values["price"], second.values["currency"]) == (Decimal("7.00"), "USD")


def test_f46_stock_that_cannot_be_read_is_not_0_and_hinders_no_price(site: Site) -> None:
    put(site, "product_id;ean;price;qty\n1;A;5;x\n2;B;5;3\n")
    shop = shop_of(site)
    assert {one.offer: one.on_hand for one in shop.levels()} == {"2": Decimal(3)}
    (finding,) = shop.noticed()
    assert "`stock`" in str(finding.text)
    done([price(shop, "1", Decimal(6)), price(shop, "2", Decimal(6))])


def test_a_language_that_the_export_has_no_more_is_told(site: Site) -> None:
    put(site, "ean;name_ru-RU\nA;Лак\n")
    shop = site.open()
    (offer,) = told(shop)
    assert "name" not in offer.values
    (finding,) = shop.noticed()
    assert finding.code == "language-gone"
    assert "uk-UA" in str(finding.text)


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
            told(session(site, partial(over, Odd(inner, read_many=act))))
    lost = [ReadResult(inner.list("export")[0], error=Transient(T("network")))]
    with pytest.raises(Transient, match="network"):
        told(session(site, lambda _: Odd(inner, read_many=lambda files, into: lost)))


def test_a_shop_without_connections_says_so(site: Site) -> None:
    with pytest.raises(ConfigError, match="needs a connection"):
        told(session(site, None))
