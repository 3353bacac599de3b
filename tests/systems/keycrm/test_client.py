"""The wire to KeyCRM: lists that move while they are read, limits, refusals, and one bad row among many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Held, InDoubt, MistokError, Transient
from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.keycrm import client as wire
from plugins.systems.keycrm.client import Client, chunks
from plugins.systems.keycrm.fake import FakeKeyCrm, Quirks
from tests.systems.keycrm.account import Account, account, remove


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def client_of(one: Account, **settings: Any) -> Client:
    return one.open(**settings).client


def fill(fake: FakeKeyCrm, count: int) -> list[int]:
    """Products without variants; their offers have the same ids."""
    return [fake.add_product(f"Товар {n}", f"A-{n:03}", price=n) for n in range(1, count + 1)]


def take_out(one: Account, ids_: list[int]) -> None:
    """They are deleted in the cabinet."""
    for number in ids_:
        remove(one, str(number))


def put_in(one: Account) -> None:
    """Thirty more."""
    fill(one.fake, 30)


def meanwhile(fake: FakeKeyCrm, act: Callable[[], None], *, pages: int = 1, path: str = "/v1/offers") -> None:
    """Let something happen once, when so many pages of a list have been read."""
    real, left = fake.after, [pages]

    def after(asked: Asked, answer: Answer) -> Answer:
        answer = real(asked, answer)
        if asked.method == "GET" and asked.path == path and answer.status == 200:
            left[0] -= 1
            if left[0] == 0:
                act()
        return answer

    fake.after = after  # type: ignore[method-assign]


def ids(client: Client, path: str = "/offers", **params: Any) -> list[int]:
    return [row["id"] for row in client.pages(path, **params)]


# --- lists that move -------------------------------------------------------------------------------------------------


def test_a_list_is_read_page_by_page(one: Account) -> None:
    known = fill(one.fake, 120)
    assert ids(client_of(one), sort="id") == known
    assert [(x.param("page"), x.param("limit"), x.param("sort")) for x in one.fake.asked("GET")] == [
        (page, "50", "id") for page in ("1", "2", "3")
    ]


@pytest.mark.parametrize("gone", [[1], [50], [49, 50, 51], list(range(1, 61)), list(range(1, 101))])
def test_f50_what_is_taken_out_while_a_list_is_read_hides_nothing(one: Account, gone: list[int]) -> None:
    known = fill(one.fake, 130)
    meanwhile(one.fake, lambda: take_out(one, gone), pages=2)
    found = ids(client_of(one), sort="id")
    assert len(set(found)) == len(found), "told twice"
    assert set(known) - set(gone) <= set(found), "lost"


@pytest.mark.parametrize("order", ["id", "-id", "shuffled"])
def test_f50_so_it_is_for_a_list_that_cannot_be_sorted(order: Any) -> None:
    with account(Quirks(default_order=order)) as one:
        known = fill(one.fake, 130)
        gone = known[::3]
        meanwhile(one.fake, lambda: take_out(one, gone), pages=2, path="/v1/products")
        found = ids(client_of(one), "/products")
        assert len(set(found)) == len(found)
        assert set(known) - set(gone) <= set(found)


@pytest.mark.parametrize("order", ["id", "-id", "shuffled"])
def test_f50_what_is_added_while_a_list_is_read_tells_nothing_twice(order: Any) -> None:
    with account(Quirks(default_order=order)) as one:
        known = fill(one.fake, 120)
        meanwhile(one.fake, lambda: put_in(one), pages=1, path="/v1/products")
        found = ids(client_of(one), "/products")
        assert len(set(found)) == len(found)
        assert set(known) <= set(found)


def test_f50_a_list_that_does_not_stand_still_is_a_failure(one: Account) -> None:
    def page(rows: list[int], total: int) -> Answer:
        return Answer(200, {"data": [{"id": n} for n in rows], "total": total, "next_page_url": None, "last_page": 1})

    for _ in range(wire.READINGS):
        one.fake.fail(200, page([1, 2], 3).body, method="GET")
    with pytest.raises(Transient) as caught:
        ids(client_of(one))
    assert caught.value.code == "moving"


def test_f50_a_second_reading_tells_what_the_first_has_missed(one: Account) -> None:
    for rows in ([1, 2], [3, 1]):
        body = {"data": [{"id": n} for n in rows], "total": 3, "next_page_url": None}
        one.fake.fail(200, body, method="GET")
    assert ids(client_of(one)) == [1, 2, 3]


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"name": "x"}], "total": 1},
        {"data": [7], "total": 1},
        {"data": [{"id": None}], "total": 1},
        {"data": {}},
        {"message": "Server is on fire"},
        [],
        "<html>maintenance</html>",
        7,
    ],
)
def test_f50_a_page_that_cannot_be_read_is_a_failure(one: Account, body: Any) -> None:
    one.fake.fail(200, body, method="GET", times=10)
    with pytest.raises(Transient):
        ids(client_of(one))


def test_an_envelope_without_totals_is_enough(one: Account) -> None:
    for rows in (list(range(1, 51)), [51]):
        one.fake.fail(200, {"data": [{"id": n} for n in rows]}, method="GET")
    assert len(ids(client_of(one))) == 51


# --- filters ---------------------------------------------------------------------------------------------------------


def test_a_filter_that_is_passed_over_is_noticed(one: Account) -> None:
    fill(one.fake, 300)
    client = client_of(one)
    with pytest.raises(Transient) as caught:
        list(client.chosen("/offers/stocks", "no_such_name", ["1", "2"]))
    assert caught.value.code == "filter"
    assert len(one.fake.asked()) == 1, "after the first page"


def test_many_values_go_in_pieces(one: Account) -> None:
    known = fill(one.fake, 130)
    found = [row["id"] for row in client_of(one).chosen("/offers", "id", [str(n) for n in known])]
    assert found == known
    assert len(one.fake.asked()) == 3
    assert one.undocumented() == []


def test_pieces_fit_into_an_address() -> None:
    values = ["ґ" * 100] * 60
    assert [len(some) for some in chunks(values)] == [7] * 8 + [4]
    assert list(chunks([])) == []
    assert list(chunks(["x" * 9000, "y"])) == [["x" * 9000], ["y"]]


# --- limits, refusals, silence ---------------------------------------------------------------------------------------


def test_the_allowance_of_the_key_is_kept(one: Account) -> None:
    turns: list[tuple[str, int | None]] = []

    class Pacer:
        def turn(self, key: str, limits: Any) -> Any:
            turns.append((key, limits.per_minute))
            from contextlib import nullcontext

            return nullcontext()

        def leave_alone(self, key: str, seconds: float) -> None:
            raise AssertionError(key, seconds)

    one.pacer = Pacer()
    ids(client_of(one))
    ids(client_of(one, per_minute=20))
    assert [limit for _key, limit in turns] == [60, 20]
    assert turns[0][0] == turns[1][0], "one key, one allowance"
    assert "key" not in {key for key, _limit in turns}, "it is never told"


def test_a_server_that_fails_is_asked_again_where_that_is_safe(one: Account) -> None:
    fill(one.fake, 1)
    client = client_of(one)
    one.fake.fail(503, "<html>oops</html>")
    assert ids(client) == [1]
    one.fake.lose_reply(method="PUT")
    assert client.put("/products/1", {"name": "Нова"})["name"] == "Нова"
    one.fake.lose_reply(method="POST")
    with pytest.raises(InDoubt):
        client.post("/products", {"name": "Ще одна"})
    assert len(one.fake.asked("POST")) == 1, "never twice"


def test_an_answer_to_something_new_that_cannot_be_read_is_a_doubt(one: Account) -> None:
    one.fake.fail(201, "<html>done, maybe</html>", method="POST", handled=True)
    with pytest.raises(InDoubt):
        client_of(one).post("/products", {"name": "x"})


def test_something_that_is_not_there_is_nothing(one: Account) -> None:
    assert client_of(one).one("/order/17") is None


# --- bulk writes -----------------------------------------------------------------------------------------------------


def prices(fake: FakeKeyCrm, count: int) -> list[Decimal]:
    return [fake.offer(n)["price"] for n in range(1, count + 1)]


def rows(count: int, bad: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """New prices; KeyCRM refuses texts."""
    return [{"id": n, "price": "oops" if n in bad else Decimal(1000 + n)} for n in range(1, count + 1)]


@pytest.mark.parametrize("errors_map", [True, False])
@pytest.mark.parametrize("bad", [(), (1,), (7, 8, 40), (40,), tuple(range(1, 41))])
def test_a_bad_row_spoils_no_other_of_its_batch(errors_map: bool, bad: tuple[int, ...]) -> None:
    with account(Quirks(errors_map=errors_map)) as one:
        fill(one.fake, 40)
        errors = client_of(one).bulk("/offers", "offers", rows(40, bad))
        assert [n for n, error in enumerate(errors, 1) if error] == list(bad)
        assert all(isinstance(error, Held) and "must be a number" in str(error) for error in errors if error) or not (
            errors_map
        )
        assert prices(one.fake, 40) == [Decimal(n if n in bad else 1000 + n) for n in range(1, 41)]
        if errors_map:
            assert len(one.fake.asked("PUT")) == (1 if len(bad) in (0, 40) else 2)


def test_a_batch_that_is_refused_as_a_whole_is_not_cut_up(one: Account) -> None:
    fill(one.fake, 40)
    errors = client_of(one).bulk(
        "/offers/stocks", "stocks", [{"id": n, "quantity": 1} for n in range(1, 41)], {"warehouse_id": 99}
    )
    assert all(isinstance(error, Held) and "warehouse id is invalid" in str(error) for error in errors)
    assert len(one.fake.asked("PUT")) == 1


def test_a_service_that_takes_nothing_is_not_asked_for_ever(one: Account) -> None:
    fill(one.fake, 40)
    one.fake.fail(422, {"message": "No."}, method="PUT", times=1000)
    errors: list[MistokError | None] = client_of(one).bulk("/offers", "offers", rows(40))
    assert all(errors)
    assert len(one.fake.asked("PUT")) <= 2 * wire.REFUSALS
