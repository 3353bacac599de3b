"""The catalogue CSV for JoomShopping: what stands in each profile, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Batch, Finding, FormatContext, Held
from plugins.formats._joomshopping.layout import layout
from plugins.formats._joomshopping.settings import JoomShoppingSettings
from plugins.formats._joomshopping.shop import PRICE_DIGITS, QUANTITY_DIGITS, mysql_decimal, php_intval
from plugins.formats.joomshopping_csv import JoomShoppingCsv

KYIV = ZoneInfo("Europe/Kyiv")
CONTEXT = FormatContext("test", KYIV, "UAH", "uk-UA", datetime(2026, 11, 22, tzinfo=UTC), "catalogue.csv")
CSV = JoomShoppingCsv()

PRODUCT: Mapping[str, Any] = {
    "code": "0042",
    "parent": "",
    "name.uk-UA": "Ґрунт 4+1; сірий",
    "name.ru-RU": "Грунт",
    "short_description.uk-UA": "",
    "short_description.ru-RU": "",
    "description.uk-UA": "<p>Для «кузова»</p>",
    "description.ru-RU": "",
    "category": ("Фарби", "Ґрунти"),
    "price": Decimal("389.50"),
    "price.old": Decimal(420),
    "special_price": None,
    "special_start": None,
    "special_end": None,
    "currency": "UAH",
    "stock": Decimal("12.127"),
    "unit": "шт",
    "tax_rate": Decimal("20.00"),
    "barcode": "4820001000375",
    "manufacturer": "Mobihel",
    "weight": Decimal("1.35"),
    "image": "a.png",
    "images": ("b.png", "c.jpg"),
    "published": True,
    "updated_at": datetime(2026, 7, 1, 21, 30, tzinfo=UTC),
    "options": {},
}


def batch(*products: Mapping[str, Any]) -> Batch:
    rows = [{**PRODUCT, **product} for product in products]
    return Batch(len(rows), {name: [row[name] for row in rows] for name in PRODUCT})


def product(**changes: Any) -> dict[str, Any]:
    """Changes of the sample product; ``__`` in a name stands for the dot."""
    return {name.replace("__", ".").replace("uk_UA", "uk-UA"): value for name, value in changes.items()}


def written(*products: Mapping[str, Any], **chosen: Any) -> tuple[str, list[Finding], list[str]]:
    """The file, what is wrong with it, and remarks."""
    settings = JoomShoppingSettings.model_validate(chosen)
    checker = CSV.checker(settings, CONTEXT)
    data, found, notes = b"", list[Finding](), list[str]()
    try:
        for chunk in CSV.encode([batch(*products)], settings, CONTEXT):
            data += chunk.data
            found += checker.feed(chunk)
            notes += [str(note.text) for note in chunk.notes]
    except Held as error:
        found += error.findings
    found += checker.close()
    return data.decode(settings.encoding), found, notes


def cell(header: str, *products: Mapping[str, Any], **chosen: Any) -> str:
    """The cell under ``header`` of the first row, as it stands."""
    text, found, _ = written(*(products or ({},)), **chosen)
    assert found == []
    headers, row = text.splitlines()[:2]
    return dict(zip(headers.split(";"), re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", row), strict=True))[header]


def codes_of(found: Sequence[Finding]) -> set[str]:
    return {one.code for one in found}


# --- profiles --------------------------------------------------------------------------------------------------------


def test_core_is_the_shops_own_ten_columns_to_the_byte() -> None:
    text, found, _ = written({}, profile="core")
    assert found == []
    assert text == (
        "product_id;ean;qty;date;price;tax;category;name;short_description;description\n"
        ';0042;12.12;2026-07-02 00:30:00;389.500000;20.00;Ґрунти;"Ґрунт 4+1; сірий";;<p>Для «кузова»</p>\n'
    )


def test_extended_has_a_column_for_everything() -> None:
    text, found, _ = written({}, languages=["uk-UA", "ru-RU"])
    assert found == []
    assert text == (
        "ean;categories;name_uk-UA;short_description_uk-UA;description_uk-UA;"
        "name_ru-RU;short_description_ru-RU;description_ru-RU;price;old_price;"
        "special_price;special_price_start;special_price_end;currency;tax;qty;unlimited;unit;weight;publish;"
        "manufacturer;real_ean;image;images;date_modify\n"
        '0042;Фарби/Ґрунти;"Ґрунт 4+1; сірий";;<p>Для «кузова»</p>;Грунт;;;389.50;420.00;;;;UAH;20.00;12.12;0;шт;'
        "1.3500;1;Mobihel;4820001000375;a.png;b.png|c.jpg;2026-07-02 00:30:00\n"
    )


def test_stock_is_three_columns_and_nothing_is_never_a_bare_zero() -> None:
    text, found, _ = written({}, product(code="0043", stock=Decimal(0), price=Decimal(0)), profile="stock")
    assert found == []
    assert text == "id;qty;price\n0042;12.12;389.50\n0043;0.00;0.00\n"


def test_stock_without_a_header() -> None:
    assert written({}, profile="stock", header=False)[0] == "0042;12.12;389.50\n"


def test_own_columns() -> None:
    columns = [
        {"header": "art", "field": "code"},
        {"header": "lang", "value": "uk"},
        {"header": "title", "template": "{manufacturer} {name} ({price})"},
        {"header": "ціна", "field": "price", "decimals": 2, "decimal_mark": ","},
        {"header": "cat", "field": "category", "as": "path", "separator": " > "},
        {"header": "leaf", "field": "category", "as": "leaf"},
        {"header": "day", "field": "updated_at", "date_format": "%d.%m.%Y"},
        {"header": "on", "field": "published", "yes": "так", "no": "ні"},
        {"header": "n", "field": "stock", "as": "integer"},
    ]
    text, found, _ = written({}, columns=columns)
    assert found == []
    assert text == (
        "art;lang;title;ціна;cat;leaf;day;on;n\n"
        '0042;uk;"Mobihel Ґрунт 4+1; сірий (389.50)";389,50;Фарби > Ґрунти;Ґрунти;02.07.2026;так;12\n'
    )


def test_only_the_fields_of_the_columns_are_asked_for() -> None:
    settings = JoomShoppingSettings.model_validate({"columns": [{"header": "t", "template": "{name} {barcode}"}]})
    assert set(CSV.fields(settings, CONTEXT)) == {"code", "parent", "name.uk-UA", "barcode"}


def test_variants_are_left_out_or_rows_of_their_own() -> None:
    variant = product(code="0042-R", parent="0042", options={"Колір": "Червоний", "Об'єм": "1 л"})
    assert "0042-R" not in written({}, variant)[0]
    assert cell("attributes", variant, variants="rows") == "Колір:Червоний|Об'єм:1 л"
    assert cell("parent_ean", variant, variants="rows") == "0042"


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "own"},
        {"profile": "core", "columns": [{"header": "a", "field": "code"}]},
        {"profile": "core", "delimiter": ","},
        {"profile": "core", "variants": "rows"},
        {"columns": [{"header": "a", "field": "cod"}]},
        {"columns": [{"header": "a", "field": "name.uk"}]},
        {"columns": [{"header": "a", "template": "{nmae}"}]},
        {"columns": [{"header": "a", "field": "code", "value": "x"}]},
        {"columns": [{"header": "a"}]},
        {"columns": [{"header": "a", "field": "code"}, {"header": "a", "field": "unit"}]},
        {"languages": ["uk"]},
    ],
)
def test_parameters_that_fit_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JoomShoppingSettings.model_validate(wrong)


# --- cells -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "core", "extended"),
    [
        ("249.9", "249.900000", "249.90"),
        ("1E+3", "1000.000000", "1000.00"),
        ("0", "0.000000", "0.00"),
        ("0.000001", "0.000001", "0.000001"),
        ("12.3450", "12.345000", "12.3450"),
        ("12.34500000", "12.345000", "12.345"),
    ],
)
def test_prices_have_a_dot_and_every_digit(price: str, core: str, extended: str) -> None:
    priced = product(price=Decimal(price))
    assert cell("price", priced, profile="core") == core
    assert cell("price", priced) == extended


def test_a_price_finer_than_the_column_is_refused_not_rounded() -> None:
    _, found, _ = written(product(price=Decimal("1.2345678")))
    assert codes_of(found) == {"csv-number"}


def test_no_price_is_never_zero() -> None:
    for profile in ("core", "extended", "stock"):
        text, found, _ = written(product(price=None), product(code="ok"), profile=profile)
        assert [str(one.text) for one in found] == ["Product 0042 cannot be written: it has no price."]
        assert "0042" not in text
        assert "ok" in text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**9, places=6))
def test_a_written_price_is_the_same_number(price: Decimal) -> None:
    assert Decimal(cell("price", product(price=price), profile="core")) == price


def test_breaks_and_tabs_become_one_space_or_stay() -> None:
    broken = product(description__uk_UA="a\r\nb\nc\td\re")
    assert cell("description", broken, profile="core") == "a b c d e"
    assert '"a\r\nb\nc\td\re"' in written(broken, newlines="keep")[0]


def test_a_formula_stays_text() -> None:
    assert cell("name", product(name__uk_UA='=HYPERLINK("x")'), profile="core") == '"=HYPERLINK(""x"")"'


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("C:\\", "C:\\"),  # needs no quotes: PHP keeps it
        ("a;C:\\", '"a;C:\\ "'),
        ('a\\"b', '"a\\ ""b"'),
        ('7\\" труба', '"7\\ "" труба"'),
        ("a;b\\c", '"a;b\\c"'),
        ("a;\\їж", '"a;\\ їж"'),
    ],
)
def test_a_backslash_that_php_would_trip_over_gets_a_space(text: str, safe: str) -> None:
    assert cell("name", product(name__uk_UA=text), profile="core") == safe
    assert bool(written(product(name__uk_UA=text))[2]) == ("\\ " in safe)


def test_a_backslash_can_be_refused_instead() -> None:
    _, found, _ = written(product(name__uk_UA="a;C:\\"), backslash="refuse")
    assert codes_of(found) == {"csv-backslash"}
    assert "0042" in str(found[0].text)


@pytest.mark.parametrize(("encoding", "letter"), [("windows-1251", "ß"), ("iso-8859-1", "ї")])
def test_a_character_that_the_encoding_lacks_names_product_and_character(encoding: str, letter: str) -> None:
    latin = product(code="A1", name__uk_UA="x", description__uk_UA="", category=(), unit="", manufacturer="")
    bad = {**latin, **product(code="B2", description__uk_UA=f"a{letter}b")}
    text, found, _ = written(latin, bad, encoding=encoding)
    assert [one.code for one in found] == ["csv-encoding"]
    assert "B2" in str(found[0].text)
    assert letter in str(found[0].text)
    assert "A1" in text


def test_latin_1_core_refuses_categories_that_the_importer_takes_raw() -> None:
    german = product(name__uk_UA="Größe", description__uk_UA="", category=("Öl",))
    _, found, _ = written(german, profile="core", encoding="iso-8859-1")
    assert codes_of(found) == {"csv-encoding"}
    assert found[0].where.element == "category"


def test_a_separator_inside_a_part_is_refused() -> None:
    assert codes_of(written(product(category=("A/B", "C")))[1]) == {"csv-separator"}
    assert codes_of(written(product(images=("a|b.jpg",)))[1]) == {"csv-separator"}
    assert written(product(category=("A/B", "C")), path_separator=" > ")[1] == []


def test_two_categories_of_one_last_name_are_refused_where_only_it_is_written() -> None:
    twins = (product(category=("Авто", "Різне")), product(code="2", category=("Дім", "Різне")))
    assert codes_of(written(*twins, profile="core")[1]) == {"csv-same-leaf"}
    assert written(*twins, profile="core", same_leaf="allow")[1] == []
    assert written(*twins)[1] == []


# --- the shop's database ---------------------------------------------------------------------------------------------


def test_a_code_of_32_characters_passes_and_of_33_does_not() -> None:
    assert written(product(code="Ї" * 32))[1] == []
    assert codes_of(written(product(code="Ї" * 33))[1]) == {"csv-code-length"}


@pytest.mark.parametrize(
    ("first", "second", "profile", "twins"),
    [
        ("A", "A", "core", True),
        ("A" * 32, "A" * 33, "core", True),
        ("A", "A ", "core", True),
        ("A", "a", "core", False),
        ("A", "a", "stock", True),
        ("A", "a", "extended", True),
        ("0042", "42", "stock", False),
    ],
)
def test_codes_that_are_one_to_the_shop(first: str, second: str, profile: str, twins: bool) -> None:
    _, found, _ = written(product(code=first), product(code=second), profile=profile)
    assert ("csv-code-twin" in codes_of(found)) == twins


def test_twins_are_found_across_batches() -> None:
    settings = JoomShoppingSettings(profile="stock")
    checker = CSV.checker(settings, CONTEXT)
    chunks = CSV.encode([batch({}), batch({})], settings, CONTEXT)
    assert codes_of([one for chunk in chunks for one in checker.feed(chunk)]) == {"csv-code-twin"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name__uk_UA": "я" * 256}, "csv-name-length"),
        ({"description__uk_UA": "я" * 32_768}, "csv-text-length"),
        ({"tax_rate": Decimal("7.5")}, "csv-tax"),
        ({"name__uk_UA": "Акція 😀"}, "csv-four-byte"),
        ({"price": Decimal(10**12)}, "csv-number"),
        ({"name__uk_UA": ""}, "csv-empty"),
        ({"stock": None}, "csv-empty"),
    ],
)
def test_what_the_shop_would_cut_or_guess_is_refused(changes: dict[str, Any], code: str) -> None:
    _, found, _ = written(product(**changes), profile="core")
    assert [one.code for one in found] == [code]
    assert "0042" in str(found[0].text)


@pytest.mark.parametrize(
    "changes",
    [
        {"name__uk_UA": "я" * 255},
        {"description__uk_UA": "я" * 32_767},
        {"tax_rate": None},
        {"updated_at": None},
        {"price": Decimal("999999999999.999999")},
    ],
)
def test_what_just_fits_passes(changes: dict[str, Any]) -> None:
    assert written(product(**changes), profile="core")[1] == []


def test_emoji_pass_where_the_tables_take_them() -> None:
    assert written(product(name__uk_UA="Акція 😀"), four_byte="keep")[1] == []


def test_a_constant_that_the_shop_would_read_otherwise_is_found() -> None:
    """The rules look at cells, not at how they came about."""
    columns = [{"header": "art", "template": "{code}"}, {"header": "price", "field": "price", "decimals": 4}]
    assert written({}, columns=columns)[1] == []
    long = [{"header": "art", "field": "code", "max_length": 3}]
    assert codes_of(written({}, columns=long)[1]) == {"csv-cell-length"}


@pytest.mark.parametrize(
    ("text", "stored"),
    [("12,50", "12.00"), ("1 299.00", "1.00"), ("", "0.00"), ("∞", "0.00"), ("1e3", "1000.00"), (".5", "0.50"),
     ("-5", "-5.00"), ("0.005", "0.01"), ("99999999999", "9999999999.99"), ("\t7x", "7.00")],
)  # fmt: skip
def test_mysql_coercion(text: str, stored: str) -> None:
    assert str(mysql_decimal(text, QUANTITY_DIGITS)) == stored


def test_mysql_keeps_twelve_digits_of_a_price() -> None:
    assert mysql_decimal("1" * 13, PRICE_DIGITS) == Decimal("999999999999.999999")


@pytest.mark.parametrize(("text", "read"), [("7.5", 7), ("20%", 20), ("", 0), ("abc", 0), ("-3", -3)])
def test_php_intval(text: str, read: int) -> None:
    assert php_intval(text) == read


# --- a lot of it -----------------------------------------------------------------------------------------------------


def test_many_findings_are_counted_not_listed() -> None:
    _, found, _ = written(*(product(code=f"{n}", price=None) for n in range(500)))
    assert len(found) == 101
    assert found[-1].code == "csv-more"
    assert "400" in str(found[-1].text)


def test_an_empty_catalogue_is_a_header() -> None:
    assert written(profile="core")[0].count("\n") == 1


# --- docs ------------------------------------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs" / "catalogue-format.md"


@pytest.mark.parametrize("profile", ["core", "extended", "stock"])
def test_the_docs_table_of_a_profile_names_its_columns(profile: str) -> None:
    """``docs/catalogue-format.md`` has one table a profile, each row beginning with the header of a column."""
    text = DOCS.read_text(encoding="utf-8")
    section = re.search(rf"<!-- columns: {profile} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert section, profile
    named = re.findall(r"^\| `([^`]+)` \|", section[1], re.MULTILINE)
    settings = JoomShoppingSettings.model_validate(
        {"profile": profile, "variants": "rows" if profile == "extended" else "skip"}
    )
    specs = layout(settings, CONTEXT).specs
    assert named == [spec.header.replace("uk-UA", "LANG") for spec in specs]


def test_the_docs_tell_every_parameter() -> None:
    text = DOCS.read_text(encoding="utf-8")
    missing = [name for name in JoomShoppingSettings.model_fields if f"`{name}`" not in text]
    assert missing == []
