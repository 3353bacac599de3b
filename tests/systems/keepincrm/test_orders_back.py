"""What became of orders goes back to KeepinCRM; hints that an agreement has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import (
    Held,
    Hint,
    OrderChange,
    Refused,
    RowOutcome,
    Transient,
)
from plugins.systems.keepincrm.fake import Quirks, render
from plugins.systems.keepincrm.hooks import LONGEST, hint
from tests.systems.keepincrm.telling import FORMS, NAMES, add, key, stages
from tests.systems.keepincrm.world import World


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """An account with a product, three stages, a source and a person."""
    fake = world.fake
    fake.add_material("LMP-9", "Лак", price=450)
    funnel = fake.add_named("funnels", "Продажі")
    for name in NAMES:
        fake.add_stage(name, funnel)
    fake.add_named("sources", "Сайт")
    fake.add_named("users", "Олена Коваленко")
    yield world
    assert {asked.method for asked in fake.asked()} <= {"GET", "PATCH"}, "nothing is made"


# --- writing back ----------------------------------------------------------------------------------------------------


def write(shop: World, *changes: OrderChange, **orders: Any) -> list[RowOutcome]:
    return list(shop.open(orders={"stages": stages(shop), **orders}).apply_orders(changes))


def row(shop: World, number: int) -> dict[str, Any]:
    return shop.fake.account.tables["agreements"][number]


@pytest.mark.parametrize("quirks", [{}, {"stage_read": "name", "jobs_read": "absent", "unknown_fields": "refused"}])
def test_what_became_of_an_order_is_written_back_once(shop: World, quirks: dict[str, Any]) -> None:
    shop.fake.behave(**quirks)
    number = add(shop, comment="Постійний клієнт\nТТН 204500000000019")
    change = OrderChange(
        id=str(number), status="Відправлено", number="РН-17", tracking="20450000000001", comment="Упаковано"
    )
    (outcome,) = write(shop, change)
    assert (outcome.error, outcome.existed, outcome.ids) == (None, False, (str(number),))
    assert row(shop, number)["stage_id"] == key(shop, "stages", "Відправлено")
    assert row(shop, number)["comment"] == (
        "Постійний клієнт\nТТН 204500000000019\nДокумент РН-17\nТТН 20450000000001\nУпаковано"
    )
    (asked,) = shop.fake.asked("PATCH")
    assert set(asked.json()) == {"stage_id", "comment"}, "lines and clients in a PATCH would be added again"
    (outcome,) = write(shop, change)
    assert outcome.existed
    assert len(shop.fake.asked("PATCH")) == 1
    assert len(row(shop, number)["jobs"]) == 1


def test_only_what_is_not_so_yet_is_sent(shop: World) -> None:
    number = add(shop, comment="Документ 7")
    shop.fake.account.tables["agreements"][number]["stage_id"] = key(shop, "stages", "Виконано")
    write(shop, OrderChange(id=str(number), status=str(key(shop, "stages", "Виконано")), number="7", tracking="T-1"))
    assert [asked.json() for asked in shop.fake.asked("PATCH")] == [{"comment": "Документ 7\nТТН T-1"}]
    (outcome,) = write(shop, OrderChange(id=str(number)))
    assert outcome.existed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (OrderChange(id="1", status="Нема"), "Нема is not among `orders.stages`"),
        (OrderChange(id="1", status="successful"), "closed as successful is not set"),
        (OrderChange(id="99", status="Нове"), "99 is not in the CRM"),
        (OrderChange(id="x", status="Нове"), "x is not in the CRM"),
        (OrderChange(id="1/../2", comment="a"), "is not in the CRM"),
        (OrderChange(id="1", status="77777"), "must exist"),
    ],
)
def test_f40_what_cannot_be_written_is_held_and_spoils_no_other(shop: World, change: OrderChange, words: str) -> None:
    first, second = add(shop), add(shop)
    bad = replace(change, id=str(first)) if change.id == "1" else change
    held, good = write(shop, bad, OrderChange(id=str(second), status="Виконано"))
    assert isinstance(held.error, Held)
    assert words in str(held.error)
    assert good.error is None
    assert row(shop, second)["stage_id"] == key(shop, "stages", "Виконано")


def test_a_stage_that_the_account_drops_without_a_word_is_told(shop: World) -> None:
    shop.fake.behave(unknown_stage="ignored")
    number = add(shop)
    (outcome,) = write(shop, OrderChange(id=str(number), status="77777"))
    assert isinstance(outcome.error, Held)
    assert f"it stands at {key(shop, 'stages', 'Нове')}" in str(outcome.error)


@pytest.mark.parametrize("wrong", [True, False])
def test_a_stage_that_is_told_by_its_name_is_looked_at_as_well(shop: World, wrong: bool) -> None:
    shop.fake.behave(stage_read="name", unknown_stage="ignored")
    number = add(shop)
    named = {"Відправлено": 77777 if wrong else key(shop, "stages", "Відправлено")}
    (outcome,) = write(shop, OrderChange(id=str(number), status="Відправлено"), stages=named)
    assert isinstance(outcome.error, Held) is wrong


def test_a_closed_agreement_is_opened_only_where_that_is_set(shop: World) -> None:
    number = add(shop, result="successful")
    (outcome,) = write(shop, OrderChange(id=str(number), status="Нове"))
    assert outcome.existed, "it stands at that stage"
    (outcome,) = write(shop, OrderChange(id=str(number), status="Виконано"))
    assert isinstance(outcome.error, Held)
    assert "orders.close" in str(outcome.error.hint)
    (outcome,) = write(shop, OrderChange(id=str(number), status="Виконано"), close=True)
    assert outcome.error is None
    assert (row(shop, number)["result"], row(shop, number)["stage_id"]) == (None, key(shop, "stages", "Виконано"))


@pytest.mark.parametrize("result_write", [True, False])
def test_an_agreement_is_closed_where_that_is_set_and_the_account_takes_it(shop: World, result_write: bool) -> None:
    shop.fake.behave(result_write=result_write)
    change = OrderChange(id=str(add(shop)), status="successful")
    (outcome,) = write(shop, change, close=True)
    assert (outcome.error is None) is result_write
    (outcome,) = write(shop, change, close=True)
    assert outcome.existed is result_write


def test_a_comment_that_is_not_told_is_not_written_over(shop: World) -> None:
    number = add(shop, comment="важливе")
    shown = {name: value for name, value in shop.fake.agreements.tell(row(shop, number)).items() if name != "comment"}
    shop.fake.fail(200, shown, method="GET", path=f"/v1/agreements/{number}")
    (outcome,) = write(shop, OrderChange(id=str(number), comment="Упаковано"))
    assert isinstance(outcome.error, Held)
    assert shop.fake.asked("PATCH") == []


@pytest.mark.parametrize("fault", ["lose_reply", "drop"])
def test_f07_a_lost_answer_is_sent_again_since_it_is_absolute(shop: World, fault: str) -> None:
    number = add(shop)
    getattr(shop.fake, fault)(method="PATCH")
    (outcome,) = write(shop, OrderChange(id=str(number), status="Виконано", comment="Упаковано"))
    assert outcome.error is None
    assert row(shop, number)["comment"] == "Упаковано"


def test_what_strikes_all_ends_it_and_what_was_done_is_known(shop: World) -> None:
    numbers = [add(shop) for _ in range(3)]
    changes = [OrderChange(id=str(number), status="Виконано") for number in numbers]
    shop.fake.fail(503, method="GET", path=f"/v1/agreements/{numbers[1]}", times=9)
    outcomes = write(shop, *changes)
    assert [type(outcome.error) for outcome in outcomes] == [type(None), Transient, Transient]
    assert shop.fake.asked("GET", f"/v1/agreements/{numbers[2]}") == []
    shop.fake.account.tokens = set()
    with pytest.raises(Refused):
        write(shop, *changes)


def test_nothing_to_write_is_no_outcome(shop: World) -> None:
    assert write(shop) == []


# --- hints -----------------------------------------------------------------------------------------------------------

NOTHING = Hint(frozenset())
AGREEMENT = '{"mistok":"orders","id":"{{id}}","title":"{{title}}"}'


@pytest.mark.parametrize(
    ("body", "kinds", "ids"),
    [
        ('{"id":"917","amount":"340.0"}', {"orders"}, ("917",)),
        ('{"id":"917"}', {"orders"}, ("917",)),
        ('{"deal_id":917,"order_id":"7001","source":"Сайт","products":[{"sku":"A","amount":"2"}],"ttn":""}',
         {"orders", "stock"}, ("917",)),
        ('{"id":"1","total":"5","result":"","stage_name":"Нове","stage_id":"3"}', {"orders"}, ("1",)),
        ('{"material_sku":"LMP-9","cost":"1","amount":"2","comment":""}', {"stock"}, ("LMP-9",)),
        ('{"material_id":"905","title":"Лак","price":"5"}', {"stock", "catalogue"}, ("905",)),
        ('{"sku":"A","available":"5"}', {"stock"}, ("A",)),
        ('{"MISTOK":"Stock","id":"5"}', {"stock"}, ("5",)),
        ('{"mistok":"orders","x":{"id":"5"}}', {"orders"}, ()),
        ('[{"deal_id":"5"},{"deal_id":"6"},{"deal_id":"5"}]', {"orders"}, ("5", "6")),
        ('deal_id=5&stage_id=3', {"orders"}, ("5",)),
        ('{"deal_id":"5","title":"Фарба "Люкс""}', {"orders"}, ("5",)),
        ('\ufeff {"deal_id":"5"} ', {"orders"}, ("5",)),
        ('{"deal_id":null,"stage":true}', {"orders"}, ()),
        ("", set(), ()), ("null", set(), ()), ("5", set(), ()), ("{", set(), ()), ("[" * 100_000, set(), ()),
        ('{"what":"5"}', set(), ()), ('{"mistok":"everything"}', set(), ()), ("<html>=</html>", set(), ()),
    ],
)  # fmt: skip
def test_a_body_means_what_its_names_say(body: str, kinds: set[str], ids: tuple[str, ...]) -> None:
    assert hint(body.encode()) == Hint(frozenset(kinds), ids)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_body_breaks_it(body: bytes) -> None:
    assert hint(body).kinds <= {"orders", "stock", "catalogue"}


def test_a_body_that_is_no_template_s_is_not_read() -> None:
    assert hint(b'{"id":"1","x":"' + b"x" * LONGEST + b'"}') == NOTHING


@pytest.mark.parametrize("escape", ["none", "json", "html"])
def test_our_own_template_names_its_agreement_whatever_is_in_the_title(shop: World, escape: Any) -> None:
    body = render(AGREEMENT, {"id": 917, "title": 'Фарба "Люкс" {1 л} \\ <b>'}, escape)
    system = shop.open()
    assert system.hint({}, body.encode()) == Hint(frozenset({"orders"}), ("917",))
    assert shop.fake.asked() == [], "it is never believed, and asks nobody"


def test_what_the_crm_sends_of_a_changed_agreement_is_a_hint(shop: World) -> None:
    number = add(shop)
    template = (
        '{"deal_id":"{{id}}","new_status":"{{new_status}}","products":[{{#products}}{"sku":"{{sku}}"}{{/products}}]}'
    )
    body = shop.fake.webhook_body("agreement.stage", row(shop, number), template)
    assert shop.open().hint({}, body) == Hint(frozenset({"orders", "stock"}), (str(number),))


def test_every_switch_of_agreements_is_tried_both_ways() -> None:
    from tests.systems.keepincrm.agreeing import EACH, SWITCHED

    tried = {*SWITCHED, *(name for quirks in (*EACH.values(), *FORMS.values()) for name in quirks)}
    tried |= {"patch_jobs", "job_ids", "free_plan", "webhook_escape", "stage_filter"}
    names = list(Quirks.__dataclass_fields__)
    of_agreements = names[names.index("total_required") :]
    assert set(of_agreements) <= tried
