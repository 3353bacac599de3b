"""What columns take: exactly, or not at all; and the words by which the config fills them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from sqlalchemy import types

from pipeline.api import Address, Delivery, Discount, Held, OrderLine, Party, Payment
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.sql.fitting import Fitting, said
from plugins.systems.sql.reckoning import Way, reckon
from plugins.systems.sql.schema import Column
from plugins.systems.sql.settings import SqlSettings, Value
from plugins.systems.sql.words import WORDS, Row, where_to
from tests.systems.sql.test_faults import error, made, make
from tests.systems.sql.world import CODES, SETTINGS, World

pytestmark = pytest.mark.xdist_group("sql-servers")
KYIV = ZoneInfo("Europe/Kyiv")
FIT = Fitting(KYIV, "postgresql", "00000001")
LATE = datetime(2026, 7, 31, 22, 30, 15, 999, tzinfo=UTC)
LOCAL = datetime.fromisoformat("2026-08-01 01:30:15")


def column(kind: Any, **more: Any) -> Column:
    return Column("C", kind() if isinstance(kind, type) else kind, table="ORDERS", **more)


@pytest.mark.parametrize(
    ("cell", "kind", "written"),
    [
        (Decimal("969.80"), types.Numeric(15, 2), Decimal("969.80")),
        (Decimal("969.8"), types.Numeric(15, 2), Decimal("969.80")),
        (Decimal("2.000"), types.Integer, 2),
        (Decimal("1E+2"), types.Integer, 100),
        ("00042", types.Integer, 42),
        ("12.50", types.Numeric(10, 2), Decimal("12.50")),
        (Decimal("0.333"), types.Float, 0.333),
        (Decimal(2), types.String(5), "2"),
        (True, types.SmallInteger, 1),
        (True, types.String(5), "1"),
        ("1", types.Boolean, True),
        (LATE, types.DateTime, LOCAL),
        (LATE, types.DateTime(timezone=True), datetime(2026, 8, 1, 1, 30, 15, tzinfo=KYIV)),
        (LATE, types.Date, date(2026, 8, 1)),
        (LATE, types.Time, time(1, 30, 15)),
        (LATE, types.String(19), "2026-08-01 01:30:15"),
        (date(2026, 8, 1), types.DateTime, LOCAL.replace(hour=0, minute=0, second=0)),
        (date(2026, 8, 1), types.String(10), "2026-08-01"),
        ("О\x00ле\x1bна\nІ", types.String(10), "Олена\nІ"),
        ("😀" * 5, types.String(5), "😀" * 5),
        (None, types.String(5), None),
        (None, types.Numeric(10, 2), None),
    ],
)
def test_a_value_is_written_as_its_column_has_it(cell: Any, kind: Any, written: Any) -> None:
    found = FIT.fit(cell, column(kind))
    assert found == written
    assert type(found) is type(written)


@pytest.mark.parametrize(
    ("cell", "kind", "words"),
    [
        (Decimal("0.005"), types.Numeric(15, 2), "more places after the point than the 2"),
        (Decimal("1000.00"), types.Numeric(5, 2), "too large"),
        (Decimal("0.5"), types.Integer, "no whole number"),
        (Decimal(2**31), types.Integer, "too large"),
        (Decimal(2**15), types.SmallInteger, "too large"),
        (Decimal("NaN"), types.Numeric(15, 2), "no number"),
        ("AB-1", types.Integer, "no number"),
        ("1 234,50", types.Numeric(15, 2), "no number"),
        ("maybe", types.Boolean, "neither yes nor no"),
        ("tomorrow", types.DateTime, "no date"),
        ("Шевченко Олена", types.String(5), "14 characters, and the column takes 5"),
    ],
)
def test_what_does_not_fit_is_held_with_its_column(cell: Any, kind: Any, words: str) -> None:
    with pytest.raises(Held) as caught:
        FIT.fit(cell, column(kind))
    assert words in str(caught.value)
    assert "ORDERS.C" in str(caught.value)
    assert "00000001" in str(caught.value)


@pytest.mark.parametrize(
    ("charset", "good", "bad"),
    [
        ("WIN1251", "Ґрунт «Ім'я» №1 €", "Ґрунт 😀"),
        ("cp1251", "Їжак", "Ş"),
        ("latin1", "Grün €", "Їжак"),
        ("utf8mb3", "Їжак ₴", "😀"),
        ("KOI8U", "Ґрунт", "№"),
        ("utf8mb4", "😀", ""),
        ("NONE", "що завгодно", ""),
    ],
)
def test_a_character_that_the_columns_set_does_not_have_is_held(charset: str, good: str, bad: str) -> None:
    target = column(types.String(50), charset=charset)
    assert FIT.fit(good, target) == good
    if bad:
        with pytest.raises(Held) as caught:
            FIT.fit(bad, target)
        assert caught.value.code == "charset"
        assert "U+" in str(caught.value)


def test_nothing_is_an_empty_text_where_something_must_be() -> None:
    assert FIT.fit(None, column(types.String(5), nullable=False)) == ""
    assert FIT.fit(None, column(types.Integer, nullable=False)) is None


def row(**changes: Any) -> Row:
    one = replace(order(1, CODES), **changes)
    draft = drafts_of(_Lookup(), [one])[0]
    return Row(now=LATE, draft=draft, reckoned=reckon(draft, Way()), buyer=one.customer)


class _Lookup:
    name = "none"

    def check(self) -> Any:
        return ()

    def close(self) -> None: ...

    def find_products(self, codes: Any) -> Any:
        from pipeline.api import Ref

        return {code: [Ref(code, code)] for code in codes}


@pytest.mark.parametrize(
    ("declared", "status", "written"),
    [
        ({"value": "order.status", "map": {"new": 1, "paid": "П"}}, "new", Decimal(1)),
        ({"value": "order.status", "map": {"new": 1, "paid": "П"}}, "paid", "П"),
        ({"value": "order.status", "map": {"new": 1}}, "shipped", "shipped"),
        ({"value": "order.status", "map": {"new": 1}, "else": 7}, "shipped", Decimal(7)),
        ({"value": "order.warehouse", "else": "main"}, "new", "main"),
        ({"value": "order.status", "else": "none"}, "new", "new"),
        ({"value": "extra.utm"}, "new", None),
        ({"const": "0042"}, "new", "0042"),
        ({"const": 0}, "new", Decimal(0)),
        ({"const": True}, "new", True),
    ],
)
def test_maps_constants_and_what_else(declared: dict[str, Any], status: str, written: Any) -> None:
    found = said(Value.model_validate(declared), row(status=status))
    assert found == written
    assert type(found) is type(written)


def test_every_word_reads_something_of_a_full_order() -> None:
    """And none fails on an order that says nothing besides its lines."""
    bare = replace(order(1, CODES), customer=Party(), delivery=Delivery(), payment=Payment(), discounts=())
    for some in (row(), row(customer=bare.customer, delivery=bare.delivery, discounts=(), total=Decimal("919.80"))):
        for word, reads in WORDS.items():
            own = replace(some, line=some.sums.lines[0], number=1)
            if not word.startswith("pay."):
                reads(own)


@pytest.mark.parametrize(
    ("delivery", "line"),
    [
        (Delivery(city="Київ", branch="12", carrier="nova-poshta"), "Київ, nova-poshta, № 12"),
        (Delivery(address=Address(text="м. Київ, Хрещатик 1"), city="Київ"), "м. Київ, Хрещатик 1"),
        (Delivery(address=Address(city="Львів", street="Личаківська", house="5", apartment="7", zip="79000")),
         "79000, Львів, Личаківська, 5, кв. 7"),
        (Delivery(), ""),
    ],
)  # fmt: skip
def test_where_it_goes_stands_in_one_line(delivery: Delivery, line: str) -> None:
    assert where_to(delivery) == line


@pytest.mark.parametrize("discounts", ["lines", "order"])
def test_sums_make_the_total_whatever_the_discounts(discounts: Any) -> None:
    lines = tuple(
        OrderLine(code=code, name=code, quantity=Decimal(3), price=Decimal("33.33"), discount=Decimal("0.01"))
        for code in CODES
    )
    one = replace(
        order(1, CODES), lines=lines, discounts=(Discount(amount=Decimal("10.00")),),
        payment=Payment(method="card", fee=Decimal("5.00")), total=Decimal("364.94"),
    )  # fmt: skip
    (draft,) = drafts_of(_Lookup(), [one])
    for way in (Way(discounts), Way(discounts, "DELIVERY", "FEE", rounding=True)):
        made_of = reckon(replace(draft, rounding=None), way)
        parts = made_of.goods + made_of.delivery + made_of.fee - made_of.discount + made_of.tax + made_of.rounding
        assert parts == Decimal("364.94")
        assert made_of.discount == (10 if discounts == "order" else 0)
        assert all(line.price * line.quantity - line.discount == line.sum for line in made_of.lines), (
            "each line is right in itself"
        )
    assert len(reckon(draft, Way(discounts, "DELIVERY", "FEE")).lines) == 5


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("url", "oracle://x/y", "cannot be written into"),
        ("url", "shop.sqlite3", "not a database URL"),
        ("orders.columns.NUM", "order.nummer", "did you mean `order.number`"),
        ("orders.columns.NUM", "zzz", "nothing of an order; there are"),
        ("orders.columns.NUM", "line.sum", "cannot stand in this table"),
        ("orders.columns.NUM", {"const": 1, "value": "order.id"}, "just one of"),
        ("orders.columns.NUM", {"const": 1, "map": {"a": 1}}, "go with `value`"),
        ("orders.columns.MISTOK_KEY", "order.id", "is the key"),
        ("lines.columns.ORDER_ID", "order.id", "is the key"),
        ("orders.status", "STATUS", "not among `columns`"),
        ("cancel.set.GONE", {"const": 1}, "lives again"),
        ("cancel.set.STATE", "order.number", "constants"),
        ("parties.match", {}, "known again"),
        ("parties.columns", {}, "create: false"),
        ("timezone", "Kyiv", "time zone"),
    ],
)
def test_mistakes_of_the_config_are_told(path: str, value: Any, words: str) -> None:
    data: Any = {"url": "sqlite:///shop.sqlite3", **SETTINGS}
    copied = data = _copy(data)
    *way, last = path.split(".")
    for part in way:
        copied = copied[part]
    copied[last] = value
    with pytest.raises(ValidationError) as caught:
        SqlSettings.model_validate(data)
    assert words in str(caught.value)


def _copy(data: Any) -> Any:
    return {key: _copy(one) for key, one in data.items()} if isinstance(data, dict) else data


# --- on real databases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["maria", "fire"])
def test_a_text_of_an_old_program_keeps_cyrillic_and_an_emoji_is_held(
    request: pytest.FixtureRequest, kind: str
) -> None:
    world: World = request.getfixturevalue(kind)
    orders = {**SETTINGS["orders"], "columns": {**SETTINGS["orders"]["columns"], "LEGACY": "order.buyer_comment"}}
    good, long_, bad = (
        replace(order(n, CODES), comment=words) for n, words in enumerate(("Їжак №1 «Ґ»", "х" * 21, "Дякую 😀"), 1)
    )
    outcomes = make(world, good, long_, bad, orders=orders)
    made(outcomes[0])
    assert "takes 20" in error(outcomes[1], Held)
    assert "U+1F600" in error(outcomes[2], Held)
    assert [one for (one,) in world.rows("select LEGACY from ORDERS")] == ["Їжак №1 «Ґ»"]


def test_a_firebird_without_a_character_set_is_written_in_that_of_its_program(fire: World) -> None:
    fire.run("alter table ORDERS add RAW varchar(20) character set none")
    try:
        orders = {**SETTINGS["orders"], "columns": {**SETTINGS["orders"]["columns"], "RAW": "order.buyer_comment"}}
        (told,) = [one for one in fire.open(orders=orders).check() if one.code == "sql-charset"]
        assert "raw" in str(told.text).lower()
        assert "WIN1251" in str(told.hint)
        old = World(fire.kind, f"{fire.url}?charset=WIN1251", fire.base)
        assert "sql-charset" not in [one.code for one in old.open(orders=orders).check()]
        (outcome, bad) = make(
            old, replace(order(1, CODES), comment="Їжак"), replace(order(2, CODES), comment="😀"), orders=orders
        )
        made(outcome)
        error(bad, Held)
        old.close()
        assert fire.one("select octet_length(RAW) from ORDERS") == 4, "a byte for each letter"
    finally:
        fire.close()
        fire.run("alter table ORDERS drop RAW")


def test_a_sequence_numbers_orders_by_its_own_count(fire: World) -> None:
    columns = {**SETTINGS["orders"]["columns"], "ID": {"sequence": "GEN_ORDERS"}, "NUM": {"sequence": "GEN_GOODS"}}
    orders = {**SETTINGS["orders"], "columns": columns}
    first = made(make(fire, order(1, CODES), orders=orders)[0])
    second = made(make(fire, order(2, CODES), orders=orders)[0])
    assert int(second.id) == int(first.id) + 1
    assert int(second.number) == int(first.number) + 1
    assert fire.one("select count(distinct ORDER_ID) from ORDER_LINES") == 2
