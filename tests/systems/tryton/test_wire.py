"""The wire to a real Tryton: sessions that end, refusals in its own words, answers that are lost, rights and names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from pipeline.api import Held, InDoubt, Refused, Shipment, Transient
from pipeline.testing.documents_contract import amendment_of, drafts_of, larger, order
from plugins.systems.tryton.marks import cancelled, comment_of, is_cancelled, key_of_mark, mark_of, shipment_in
from plugins.systems.tryton.refusals import refused
from plugins.systems.tryton.values import decoded, encoded
from tests.systems.tryton.world import CODES, DOCUMENTS, World, error, long, method, user_error

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]


def told(error: BaseException | None) -> str:
    hint = getattr(error, "hint", None)
    return f"{error} {hint or ''}"


def test_a_session_that_has_ended_is_begun_again_once(world: World) -> None:
    system = world.open()
    assert system.references("warehouse")
    with closing(sqlite3.connect(world.server.database, timeout=30)) as connection, connection:
        connection.execute("delete from ir_session")
    assert system.references("currency")
    assert len(world.calls("common.db.login")) == 1
    world.between.fail(
        401, "no", times=9, when=method("stock.location.search_read", "account.payment.journal.search_read")
    )
    with pytest.raises(Refused, match="ends each session"):
        system.references("account")


def test_a_wrong_password_and_an_unknown_database_are_refused(world: World) -> None:
    with pytest.raises(Refused) as caught:
        world.open(password="geheimnis-7").references("currency")
    assert "geheimnis-7" not in told(caught.value)
    with pytest.raises(Refused, match="nowhere"):
        world.open(database="nowhere").references("currency")


def test_a_warning_waits_for_a_person_and_a_fault_shows_no_traceback(world: World) -> None:
    system = world.open()
    drafts = drafts_of(system, [order(1, CODES)])
    warning = error("UserWarning", ["sale_1", "Кредит вичерпано <b>", "на 100 грн"])
    world.between.fail(200, warning, when=method("sale.sale.create"))
    (outcome,) = system.create(drafts)
    assert isinstance(outcome.error, Held)
    assert "Кредит вичерпано <b> на 100 грн" in told(outcome.error)
    world.between.fail(
        200, error("UNIQUE constraint failed", "Traceback: secret path"), when=method("sale.sale.create")
    )
    (outcome,) = system.create(drafts)
    assert isinstance(outcome.error, Held)
    assert "UNIQUE constraint failed" in told(outcome.error)
    assert "Traceback" not in told(outcome.error)
    assert world.count("sale_sale") == 0


def test_a_lost_answer_is_in_doubt_and_a_second_create_finds_it(world: World) -> None:
    system = world.open()
    drafts = drafts_of(system, [order(1, CODES)])
    world.between.lose_reply(when=method("sale.sale.create"))
    (outcome,) = system.create(drafts)
    assert isinstance(outcome.error, InDoubt)
    assert set(system.find([drafts[0].key])) == {drafts[0].key}
    (again,) = system.create(drafts)
    assert again.existed
    assert world.sale(again.ref.id).state == "quotation", "what was left half way is taken on"  # type: ignore[union-attr]
    assert world.count("sale_sale") == 1


def test_what_tryton_refuses_to_quote_leaves_nothing_behind(world: World) -> None:
    system = world.open()
    world.between.fail(200, user_error("Склад не вказано"), when=method("sale.sale.quote"))
    (outcome,) = system.create(drafts_of(system, [order(1, CODES)]))
    assert isinstance(outcome.error, Held)
    assert "Склад не вказано" in told(outcome.error)
    assert world.count("sale_sale") == 0


@long
def test_somebody_elses_change_in_between_is_not_lost(world: World) -> None:
    system = world.open()
    (made,) = system.create(drafts_of(system, [order(1, CODES)]))
    assert made.ref is not None
    change = amendment_of(system, larger(CODES), made.ref, "2")
    world.between.fail(200, error("ConcurrencyException", "Records were modified in the meanwhile"),
                       when=method("sale.sale.write"))  # fmt: skip
    (outcome,) = system.amend([change])
    assert isinstance(outcome.error, Transient)
    assert "Records were modified" in told(outcome.error)
    (outcome,) = system.amend([change])
    assert outcome.error is None
    assert world.total(made.ref.id) == Decimal("1359.30")


@long
def test_another_rate_of_tax_is_held_or_taken_as_the_settings_say(world: World) -> None:
    plain = order(1, CODES)
    other = replace(plain, lines=tuple(replace(line, tax_rate=Decimal(7)) for line in plain.lines))
    (outcome,) = world.open().create(drafts_of(world.open(), [other]))
    assert isinstance(outcome.error, Held)
    assert "7 %" in told(outcome.error)
    documents = {**DOCUMENTS, "other_rates": "take"}
    (outcome,) = world.open(documents=documents).create(drafts_of(world.open(), [other]))
    assert outcome.error is None
    assert world.total(outcome.ref.id) == Decimal("969.80")  # type: ignore[union-attr]


def test_prices_without_tax_and_prices_that_cannot_be_written_come_to_the_total(world: World) -> None:
    plain = order(1, CODES)
    many = replace(plain.lines[0], quantity=Decimal(1000), price=Decimal("1.00"))
    lines = (many, *plain.lines[1:])
    with_tax = replace(plain, lines=lines, total=Decimal("1190.80"))
    bare = replace(plain, id="2", lines=lines, prices_include_tax=False, total=Decimal("1414.96"))
    system = world.open()
    outcomes = system.create(drafts_of(system, [with_tax, bare]))
    assert [outcome.error and str(outcome.error) for outcome in outcomes] == [None, None]
    assert [world.total(outcome.ref.id) for outcome in outcomes if outcome.ref] == [with_tax.total, bare.total]


@long
def test_too_little_stock_is_held_and_shipped_when_it_has_come(world: World) -> None:
    system = world.open()
    plain = order(1, CODES)
    much = replace(plain, lines=(replace(plain.lines[0], quantity=Decimal(2000)), *plain.lines[1:]),
                   total=Decimal("779190.80"))  # fmt: skip
    (made,) = system.create(drafts_of(system, [much]))
    assert made.ref is not None, made.error
    (draft,) = drafts_of(system, [much])
    wanted = Shipment(key="demo/shop/1/ship/1", order=made.ref, draft=draft)
    (outcome,) = system.ship([wanted])
    assert isinstance(outcome.error, Held)
    assert CODES[0] in told(outcome.error)
    assert not system.find_shipments([wanted.key])
    (outcome,) = world.open(documents={**DOCUMENTS, "force": True}).ship([wanted])
    assert outcome.error is None
    assert world.on_hand(CODES[0]) == -1000


def test_check_tells_what_is_missing_and_what_tryton_cannot_do(world: World) -> None:
    found = world.open().check()
    assert {str(one.who) for one in found} == {"accountant"}, [str(one.text) for one in found]
    assert sum(one.code == "tryton-cannot" for one in found) >= 5
    wrong = world.open(
        documents={"delivery": "COF-1", "warehouse": "Місяць", "party": "0", "account": "Нема", "taxes": {"7": "Нема"}},
        goods={"category": "Нема", "unit": "Нема"},
    )
    names = " ".join(str(one.text) for one in wrong.check() if one.code == "unknown-name")
    for word in ("COF-1", "Місяць", "party 0", "Payment journal", "Tax", "Accounting category", "Unit"):
        assert word in names
    world.between.fail(200, error("'account.payment'", ""), when=method("account.payment.search_read"))
    assert any(one.code == "tryton-payments" for one in world.open().check())
    world.between.fail(200, {"id": 1, "result": "7.8"}, when=method("common.server.version"))
    assert any(one.code == "tryton-series" and "7.8" in str(one.text) for one in world.open().check())


@long
def test_check_tells_of_rights_that_the_user_has_not(world: World) -> None:
    user = world.server.model("res.user")(name="Mistok", login="mistok", password="a-long-password-of-2026")
    company = world.server.model("company.company").find([])[0]
    user.companies.append(company)
    user.company = company
    user.save()
    found = world.open(user="mistok", password="a-long-password-of-2026").check()
    assert [one for one in found if one.code == "tryton-rights" and "sale.sale" in str(one.text)]


# --- without a server ------------------------------------------------------------------------------------------------


def test_values_go_there_and_back() -> None:
    values = {
        "price": Decimal("1.20"),
        "day": date(2026, 11, 22),
        "none": None,
        "lines": [["create", [{"x": Decimal(3)}]]],
    }
    assert decoded(encoded(values)) == values
    assert decoded({"__class__": "later", "x": 1}) == {"__class__": "later", "x": 1}


def test_marks_are_keys_and_blanks_are_not_stripped() -> None:
    assert mark_of("demo/my shop/ 7 /create/0") == "demo/my%20shop/%207%20"
    assert key_of_mark("demo/my%20shop/%207%20") == ("demo", "my shop", " 7 ")
    assert key_of_mark(mark_of("demo/a%2Fb/50%25/create/0")) == ("demo", "a/b", "50%")
    assert mark_of("demo/shop/1/ship/2", action=True) == "demo/shop/1/ship/2"
    with pytest.raises(Held):
        mark_of("no key")


def test_what_people_write_behind_our_words_stays() -> None:
    first = comment_of("", ["Оплата: готівка"])
    people = f"{first}\nПодзвонити після 18:00"
    after = cancelled(comment_of(people, ["Оплата: картка"]), "refunded (so)")
    assert "Подзвонити після 18:00" in after
    assert "картка" in after
    assert "готівка" not in after
    assert is_cancelled(after)
    assert not is_cancelled(comment_of(after, ["Оплата: картка"]))
    assert comment_of("лише людське", []) == "(Mistok)\nлише людське"
    assert shipment_in("x (Mistok shipment 17)") == 17


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (["UserError", ["Ні.\n", "Бо так", None]], Held, "Ні. Бо так"),
        (["UserError", []], Held, "?"),
        (["LoginException", ["code", "Код з SMS", "char"]], Refused, "Код з SMS"),
        (["ConcurrencyException", "Змінено"], Transient, "Змінено"),
        ("?!", Held, "?!"),
        ([], Held, "[]"),
        (None, Held, "None"),
    ],
)
def test_errors_of_any_shape_are_ours(said: object, kind: type, words: str) -> None:
    found = refused(said, writing=True)
    assert isinstance(found, kind)
    assert words in str(found)
