"""What two versions of an order differ in: every field counts, and nothing that is no content does."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from pipeline.model import Address, Delivery, Discount, Order, OrderLine, Party, Payment
from pipeline.rules.differences import differences, known_differences, main_differences

MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def line(code: str = "AB-1", quantity: str = "2", price: str = "50.00", **more: Any) -> OrderLine:
    return OrderLine(code=code, name=f"Фарба {code}", quantity=Decimal(quantity), price=Decimal(price), **more)


ORDER = Order(
    id="1",
    number="00001",
    source="shop",
    created_at=MOMENT,
    currency="UAH",
    customer=Party(first_name="Олена", last_name="Шевченко", phone="+380671234567"),
    lines=(line(number=1, source_line=10), line("CD-2", "1", "10.00", number=2, source_line=20)),
    total=Decimal("110.00"),
    delivery=Delivery(carrier="nova-poshta", city="Київ", address=Address(city="Київ"), recipient=Party(phone="1")),
    payment=Payment(method="Картка"),
)


def said(before: Order, after: Order, language: str = "en") -> list[str]:
    return [one.text.render(language) for one in differences(before, after)]


def test_the_same_order_differs_in_nothing() -> None:
    assert differences(ORDER, ORDER) == ()


def test_a_quantity_a_total_and_an_address_are_told_field_by_field() -> None:
    after = replace(
        ORDER,
        lines=(replace(ORDER.lines[0], quantity=Decimal("3.000")), ORDER.lines[1]),
        total=Decimal("1150.00"),
        delivery=replace(ORDER.delivery, address=Address(city="Львів")),
    )
    assert said(ORDER, after) == [
        "items / AB-1 / quantity: 2 → 3",
        "total: 110.00 UAH → 1,150.00 UAH",
        "delivery / address / city: Київ → Львів",
    ]


def test_machines_are_told_the_path_and_the_line_of_the_newer_file() -> None:
    after = replace(ORDER, lines=(replace(ORDER.lines[0], price=Decimal("60.00"), source_line=99), ORDER.lines[1]))
    (found,) = differences(ORDER, after)
    assert (found.path, found.line) == ("lines/AB-1/price", 99)


def test_how_a_number_or_a_moment_is_written_does_not_matter() -> None:
    kyiv = timezone(timedelta(hours=2))
    after = replace(
        ORDER,
        created_at=MOMENT.astimezone(kyiv),
        total=Decimal(110),
        lines=(replace(ORDER.lines[0], quantity=Decimal("2.000")), ORDER.lines[1]),
    )
    assert differences(ORDER, after) == ()


def test_neither_the_order_of_items_nor_their_lines_in_the_file_matter() -> None:
    first, second = ORDER.lines
    after = replace(ORDER, lines=(replace(second, number=1, source_line=7), replace(first, number=2, source_line=8)))
    assert differences(ORDER, after) == ()


def test_when_it_was_written_is_no_difference() -> None:
    assert differences(ORDER, replace(ORDER, updated_at=MOMENT)) == ()


def test_items_added_and_removed_are_told_whole() -> None:
    after = replace(ORDER, lines=(ORDER.lines[0], line("EF-3", "4", "5.00", number=2, source_line=30)))
    found = differences(ORDER, after)
    assert [one.text.render("en") for one in found] == [
        "items / EF-3: added: Фарба EF-3, 4 × 5.00 UAH",
        "items / CD-2: removed: Фарба CD-2, 1 × 10.00 UAH",
    ]
    assert [one.line for one in found] == [30, None]


def test_of_a_product_that_stands_twice_only_the_changed_line_is_told() -> None:
    gift = line("AB-1", "1", "0.00", number=3)
    before = replace(ORDER, lines=(*ORDER.lines, gift))
    after = replace(
        ORDER, lines=(replace(gift, number=1), ORDER.lines[1], replace(ORDER.lines[0], quantity=Decimal(5), number=3))
    )
    assert said(before, after) == ["items / AB-1 (3) / quantity: 2 → 5"]


def test_what_a_format_carries_besides_goes_with_its_item() -> None:
    before = replace(ORDER, extra={"item[1].weight": "1", "item[2].weight": "2", "ip": "10.0.0.1"})
    first, second = ORDER.lines
    after = replace(
        ORDER,
        lines=(line("NEW", number=1), replace(first, number=2), replace(second, number=3)),
        extra={"item[1].weight": "9", "item[2].weight": "1", "item[3].weight": "5", "ip": "10.0.0.1"},
    )
    assert [one.path for one in differences(before, after)] == ["lines/NEW", "extra/item[3].weight"]


def test_discounts_are_matched_by_their_code() -> None:
    before = replace(ORDER, discounts=(Discount(amount=Decimal("5.00"), code="ОСІНЬ"), Discount(amount=Decimal(1))))
    after = replace(
        ORDER, discounts=(Discount(amount=Decimal("7.00"), code="ОСІНЬ"), Discount(amount=Decimal(2), name="Зима"))
    )
    assert said(before, after) == [
        "discounts / ОСІНЬ: 5.00 UAH → 7.00 UAH",
        "discounts / —: removed: 1 UAH",
        "discounts / Зима: added: 2 UAH",
    ]


def test_taxes_are_matched_by_their_rate() -> None:
    before = replace(ORDER, taxes=((Decimal("20.00"), Decimal("10.00")),))
    after = replace(ORDER, taxes=((Decimal(20), Decimal("12.00")), (Decimal(7), Decimal(1))))
    assert said(before, after) == ["taxes / 7 %: — → 1 UAH", "taxes / 20 %: 10.00 UAH → 12.00 UAH"]


def test_what_is_not_there_any_more_is_shown_as_nothing() -> None:
    after = replace(ORDER, customer=replace(ORDER.customer, phone=""))
    assert said(ORDER, after) == ["customer / phone: +380671234567 → —"]


def test_another_recipient_is_told_by_name() -> None:
    before = replace(ORDER, delivery=replace(ORDER.delivery, recipient=None))
    after = replace(ORDER, delivery=replace(ORDER.delivery, recipient=Party(last_name="Коваль", phone="2")))
    assert said(before, after) == [
        "delivery / recipient / last name: — → Коваль",
        "delivery / recipient / phone: — → 2",
    ]


#: a value that the field does not have in ORDER, by the type of what it has
OTHER: dict[type, Any] = {
    str: "щось інше",
    Decimal: Decimal("77.77"),
    bool: False,
    datetime: MOMENT + timedelta(days=1),
    type(None): None,
    dict: {"колір": "синій"},
}
NONE = {
    "rate": Decimal(41),
    "tax_rate": Decimal(7),
    "planned_for": date(2026, 12, 1),
    "paid": Decimal(1),
    "paid_at": MOMENT,
}
NO_CONTENT = {"id", "source", "updated_at", "lines.number", "lines.source_line"}


def _changed(record: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every record that differs from this one in one field, at any depth."""
    made = []
    for field in fields(record):
        value, name = getattr(record, field.name), f"{path}{field.name}"
        if name in NO_CONTENT:
            continue
        if is_dataclass(value):
            made += [(place, replace(record, **{field.name: one})) for place, one in _changed(value, f"{name}.")]
        elif field.name == "lines":
            made += [(place, replace(record, lines=(one, *value[1:]))) for place, one in _changed(value[0], "lines.")]
        elif field.name == "discounts":
            made.append((name, replace(record, discounts=(Discount(amount=Decimal(1)),))))
        elif field.name == "taxes":
            made.append((name, replace(record, taxes=((Decimal(20), Decimal(1)),))))
        else:
            other = NONE[field.name] if value is None else OTHER[type(value)]
            made.append((name, replace(record, **{field.name: other})))
    return made


@pytest.mark.parametrize(("path", "after"), _changed(ORDER), ids=[path for path, _ in _changed(ORDER)])
def test_no_field_that_a_document_has_is_forgotten(path: str, after: Order) -> None:
    found = differences(ORDER, after)
    assert found, path
    for one in found:
        for language in ("en", "uk"):
            assert "{" not in one.text.render(language)


def test_a_few_facts_are_compared_when_no_copy_is_left() -> None:
    found = known_differences(
        total=(Decimal("100.00"), Decimal("150.00")),
        currency=("UAH", "UAH"),
        customer=(None, "Олена"),
        status=("new", "cancelled"),
        items=(2, 2),
    )
    assert [one.text.render("en") for one in found] == ["status: new → cancelled", "total: 100.00 UAH → 150.00 UAH"]
    sum_ = Decimal("100.00")
    found = known_differences(
        total=(sum_, sum_), currency=("UAH", "EUR"), customer=("О", "О"), status=("new", "new"), items=(2, 2)
    )
    assert [one.text.render("en") for one in found] == ["currency: UAH → EUR"], "the same number of another money"


def test_the_main_differences_say_how_many_more_there_are() -> None:
    after = replace(ORDER, total=Decimal(1), status="paid", comment="a", manager="b", language="uk")
    words = main_differences(differences(ORDER, after), 2).render("en")
    assert words.splitlines() == ["status: new → paid", "total: 110.00 UAH → 1 UAH", "… and 3 more"]
