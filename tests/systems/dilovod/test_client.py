"""The wire to Dilovod: one request at a time, errors by 200 as ours, lists without an order, answers in many shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.api import Held, InDoubt, MistokError, Refused, Transient
from pipeline.http import LocalPacer
from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.dilovod import client as wire
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.fake import FakeDilovod, Quirks, action
from tests.systems.dilovod.base import Base, Nap, base, blocked, remove

GOODS = "catalogs.goods"
FIELDS = {"id": "id", "productNum": "sku"}


@pytest.fixture
def one() -> Iterator[Base]:
    with base() as opened:
        yield opened


def fill(one: Base, count: int) -> list[str]:
    return [one.fake.add_good(f"Товар {n}", f"A-{n:03}") for n in range(1, count + 1)]


def articles(client: Client) -> list[str]:
    return [row["sku"] for row in client.rows(GOODS, FIELDS, key=("id",))]


# --- one at a time ---------------------------------------------------------------------------------------------------


def test_two_sessions_of_one_key_never_ask_at_once(one: Base) -> None:
    fill(one, 60)
    clients = [one.open(page=10).client for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(articles, clients):
            assert len(found) == 60
    assert not any(logged.answer and b"multithread" in logged.answer.raw()[0] for logged in one.fake.log)


@pytest.mark.parametrize("status", [200, 500])
def test_a_refused_parallel_request_waits_and_is_made_again(one: Base, status: int) -> None:
    one.fake.fail(status, blocked(), times=3)
    assert articles(one.open().client) == []
    assert one.nap.slept >= 1 + 2 + 5, "longer each time"


@pytest.mark.parametrize("status", [200, 500])
def test_a_save_that_was_refused_so_was_not_done_and_is_repeated(one: Base, status: int) -> None:
    one.fake.fail(status, blocked(), when=action("saveObject"))
    made = one.open().client.create(GOODS, {"name": {"uk": "Кава"}, "productNum": "COF-1"})
    assert [row["id"] for row in one.fake.rows(GOODS)] == [made]


def test_another_program_on_the_key_is_told_with_what_to_do(one: Base) -> None:
    one.fake.fail(200, blocked(), times=99)
    with pytest.raises(Transient) as caught:
        articles(one.open().client)
    assert caught.value.code == "parallel"
    assert "an API node of its own" in str(caught.value.hint)


def test_a_second_program_really_in_flight_is_waited_for(one: Base) -> None:
    """Without a shared pacer, as another program has none."""
    event = one.fake.hold(when=action("getObject"))
    other, ours = one.open().client, one.open().client
    other.http.pacer = LocalPacer(Nap().now, lambda _seconds: None)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        event.set()
        one.nap.sleep(seconds)

    ours.http.pacer = LocalPacer(one.nap.now, sleep)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(other.one, "1101200000001001")
        while not one.fake._flying:
            pass
        assert articles(ours) == []
        assert first.result(10) is not None
    assert waits


def test_somebody_who_has_it_open_is_waited_for(one: Base) -> None:
    (good,) = fill(one, 1)
    one.fake.lock_object(good)
    with pytest.raises(Transient) as caught:
        one.open().client.change(good, {"name": {"uk": "Кава"}})
    assert caught.value.code == "locked"
    assert one.nap.slept <= 15, "a lock holds nobody up for long"


# --- errors ----------------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_through_the_gate(one: Base) -> None:
    through: list[str] = []

    def gate(connect: Callable[[], Any]) -> Any:
        through.append("in")
        return connect()

    one.gate = gate
    with pytest.raises(Refused) as caught:
        articles(one.open(key="wrong-key").client)
    assert caught.value.code == "login"
    assert "bad key" in str(caught.value)
    assert "wrong-key" not in str(caught.value), "keys are never told"
    assert through == ["in"]
    assert len(one.fake.log) == 1


def test_a_missing_right_is_told_and_does_not_shut_the_gate(one: Base) -> None:
    one.fake.add_key("narrow", {"catalogs.firms": "read"})
    client = one.open(key="narrow").client
    with pytest.raises(Refused) as caught:
        articles(client)
    assert caught.value.code == "rights"
    assert GOODS in str(caught.value)
    assert "User roles" in str(caught.value.hint)
    assert list(client.rows("catalogs.firms", {"id": "id"}, key=("id",)))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "applicationLayerError Документ не збережено. Недостатня кількість. <span>Кава: потрібно 3</span>",
            "Dilovod refuses it: Документ не збережено. Недостатня кількість. Кава: потрібно 3",
        ),
        (
            "emptyRequiredReq balanceRegisters.goods (Складські запаси)|business (Бізнес)",
            "Dilovod wants Бізнес to be filled in: emptyRequiredReq balanceRegisters.goods",
        ),
        ("cant set value of header.x: bad value, or field doesnt exist", "cant set value of header.x"),
        ("якась нова помилка &laquo;x&raquo;", "якась нова помилка «x»"),
    ],
)
def test_a_refused_save_is_held_with_dilovod_s_words(one: Base, words: str, told: str) -> None:
    one.fake.fail(200, blocked(words), when=action("saveObject"))
    with pytest.raises(Held) as caught:
        one.open().client.create(GOODS, {"name": {"uk": "Кава"}})
    assert told in str(caught.value)
    assert "<span>" not in str(caught.value)


def test_the_other_form_of_errors_is_read_too(one: Base) -> None:
    one.fake.fail(200, {"status": "error", "errorMessage": "Bad value type for column person", "data": []})
    with pytest.raises(Held, match="column person"):
        one.open().client.create(GOODS, {"name": {"uk": "Кава"}})


def test_a_reading_that_is_refused_is_no_empty_list(one: Base) -> None:
    with pytest.raises(Transient) as caught:
        list(one.open().client.rows(GOODS, {"nothing": "nothing"}, key=("nothing",)))
    assert caught.value.code == "refused-reading"


def test_what_is_not_there_is_none(one: Base) -> None:
    assert one.open().client.one("1100300000009999") is None


def test_patience_that_is_asked_for_is_had(one: Base) -> None:
    one.fake.fail(429, b"<h1>Too Many Requests</h1>", headers={"Retry-After": "30"}, when=action("saveObject"))
    one.open().client.create(GOODS, {"name": {"uk": "Кава"}})
    assert one.nap.slept >= 30
    assert len(one.fake.rows(GOODS)) == 1


def test_a_wrong_address_is_told(one: Base) -> None:
    with pytest.raises(Refused) as caught:
        articles(one.open(url=f"{one.url}/nowhere").client)
    assert caught.value.code == "url"
    assert articles(one.open(url=f"{one.url}/api").client) == [], "the older address"


@pytest.mark.parametrize("handled", [True, False])
def test_a_create_without_an_answer_is_in_doubt_and_sent_once(one: Base, handled: bool) -> None:
    strike = one.fake.lose_reply if handled else one.fake.drop
    strike(when=action("saveObject"))
    with pytest.raises(InDoubt):
        one.open().client.create(GOODS, {"name": {"uk": "Кава"}})
    assert len(one.packets("saveObject")) == 1
    assert len(one.fake.rows(GOODS)) == handled


def test_a_create_answered_by_a_page_is_in_doubt(one: Base) -> None:
    for body in (b"<html>hello</html>", b'{"result": "ok"}', b'"ok"', b"null", b"[]"):
        one.fake.fail(200, body, when=action("saveObject"), handled=True)
        with pytest.raises(InDoubt):
            one.open().client.create(GOODS, {"name": {"uk": "Кава"}})


def test_a_change_without_an_answer_is_made_again(one: Base) -> None:
    (good,) = fill(one, 1)
    one.fake.lose_reply(when=action("saveObject"))
    one.open().client.change(good, {"name": {"uk": "Нова"}})
    assert one.fake.one(good)["name"]["uk"] == "Нова"
    one.fake.lose_reply(when=action("setDelMark"))
    one.open().client.mark(good)
    assert one.fake.one(good)["delMark"] == "1"


def test_packets_are_taken_as_a_form_too(one: Base) -> None:
    client = one.open(body="form").client
    client.create(GOODS, {"name": {"uk": "Кава & чай + цукор, 100%"}, "productNum": "A&B"})
    assert articles(client) == ["A&B"]
    assert one.fake.log[-1].asked.headers["content-type"] == "application/x-www-form-urlencoded"


# --- lists -----------------------------------------------------------------------------------------------------------


def meanwhile(fake: FakeDilovod, act: Callable[[], object], *, pages: int) -> None:
    """Let something happen once, when so many pages have been read."""
    real, left = fake.after, [pages]

    def after(asked: Asked, answer: Answer) -> Answer:
        left[0] -= 1
        if left[0] == 0:
            act()
        return real(asked, answer)

    fake.after = after  # type: ignore[method-assign]


def take_out(one: Base, goods: list[str]) -> None:
    for good in goods:
        remove(one, good)


@pytest.mark.parametrize("order", ["id", "newest", "shuffled"])
@pytest.mark.parametrize("limit", [0, 25])
def test_a_list_is_read_to_its_end_whatever_its_order_and_the_size_of_a_page(order: Any, limit: int) -> None:
    with base(Quirks(order=order, row_limit=limit)) as one:
        fill(one, 130)
        found = articles(one.open(page=50).client)
        assert sorted(found) == [f"A-{n:03}" for n in range(1, 131)]
        assert all("offset" not in packet["params"] for packet in one.packets("request")), "it would be ignored"


@pytest.mark.parametrize("order", ["id", "newest", "shuffled"])
@pytest.mark.parametrize("gone", [[0], [48, 49, 50], list(range(60)), list(range(0, 130, 3))])
def test_f50_what_is_taken_out_while_a_list_is_read_hides_nothing(order: Any, gone: list[int]) -> None:
    with base(Quirks(order=order)) as one:
        goods = fill(one, 130)
        meanwhile(one.fake, lambda: take_out(one, [goods[n] for n in gone]), pages=2)
        found = articles(one.open(page=50).client)
        assert len(set(found)) == len(found), "told twice"
        assert {f"A-{n + 1:03}" for n in range(130) if n not in gone} <= set(found), "lost"


def test_f50_a_list_that_does_not_stand_still_is_a_failure(one: Base) -> None:
    fill(one, 60)
    for _ in range(wire.READINGS):
        for first in (1, 500):  # the second page does not join the first
            rows = [[str(n)] for n in range(first, first + 50)]
            one.fake.fail(200, {"columns": ["id"], "data": rows}, when=action("request"))
    with pytest.raises(Transient) as caught:
        list(one.open(page=50).client.rows(GOODS, {"id": "id"}, key=("id",)))
    assert caught.value.code == "moving"


@pytest.mark.parametrize("shape", ["bare", "data", "rows", "result", "items"])
@pytest.mark.parametrize("empty", ["array", "object"])
def test_rows_come_in_many_shapes(one: Base, shape: str, empty: str) -> None:
    rows: Any = [{"id": "1", "sku": "A-1"}]
    for body, count in ((rows, 1), ([] if empty == "array" else {}, 0)):
        one.fake.fail(200, body if shape == "bare" or body == {} else {shape: body}, when=action("request"))
        assert len(articles(one.open().client)) == count


@pytest.mark.parametrize(
    "body",
    [
        "<html>maintenance</html>",
        b"",
        b"null",
        b'"ok"',
        b"17",
        b'{"columns": ["id", "sku"], "data": [["1"]]}',
        b'{"columns": ["id", "sku"], "data": {"0": ["1", "2"]}}',
        b'{"data": {"id": "1"}}',
        b'{"something": "else"}',
        b'[{"id": "1"}, null]',
        b'[["1", "2"]]',
        b'[{"id": null, "sku": "A-1"}]',
        b'[{"id": "1", "sku": NaN}]',
    ],
)
def test_an_answer_that_cannot_be_read_is_no_empty_list(one: Base, body: Any) -> None:
    one.fake.fail(200, body, when=action("request"), times=9)
    with pytest.raises(MistokError) as caught:
        articles(one.open().client)
    assert isinstance(caught.value, Transient)


def test_lists_of_values_are_cut(one: Base) -> None:
    fill(one, 120)
    found = one.open().client.chosen(GOODS, FIELDS, "sku", [f"A-{n:03}" for n in range(1, 121)], key=("id",))
    assert len(list(found)) == 120
    sizes = [len(packet["params"]["filters"][0]["value"]) for packet in one.packets("request")]
    assert list(dict.fromkeys(sizes)) == [50, 20]


@pytest.mark.parametrize("reqs", ["list", "map"])
def test_attributes_are_read_from_metadata(reqs: Any) -> None:
    with base(Quirks(reqs=reqs)) as one:
        assert {"state", "amountCur", "remark"} <= (one.open().client.attributes("documents.saleOrder") or frozenset())
    with base(Quirks(reqs=reqs, order_amount=False)) as one:
        assert "amountCur" not in (one.open().client.attributes("documents.saleOrder") or frozenset())


@pytest.mark.parametrize("body", [b"{}", b'{"reqs": null}', b'{"reqs": [1, "x"]}', b'{"error": "unknown action"}'])
def test_metadata_that_tell_nothing_leave_it_open(one: Base, body: bytes) -> None:
    one.fake.fail(200, body, when=action("getMetadata"))
    assert one.open().client.attributes(GOODS) is None
