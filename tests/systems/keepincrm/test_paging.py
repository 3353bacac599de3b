"""Lists are read whole while rows come and go, whatever the account listens to; what is not whole is an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.api import Transient
from plugins.systems.keepincrm.paging import FilterRefused, Lister, Page, Params, page_of

SIZE = 5
Account = tuple[bool, bool, bool, bool, bool]
#: (listens to a sorting, listens to id_gt, refuses what it does not know, tells counts, newest first)
ACCOUNTS: dict[str, Account] = {
    "keyset": (True, True, False, True, True),
    "keyset-without-counts": (True, True, False, False, True),
    "filter-ignored": (True, False, False, True, True),
    "filter-refused": (True, False, True, True, True),
    "sorting-ignored": (False, False, False, True, True),
    "filter-without-sorting": (False, True, False, True, True),
    "sorting-refused": (False, False, True, True, True),
    "oldest-first": (False, False, False, True, False),
    "without-counts": (False, False, False, False, True),
    "without-counts-oldest-first": (False, False, True, False, False),
}


@dataclass
class Rows:
    """A list that changes after each answer, as ``changes`` says: (insert | delete, place) for each."""

    ids: list[int]
    sorts: bool
    filters: bool
    refuses: bool
    counts: bool
    newest_first: bool
    changes: list[tuple[str, float]] = field(default_factory=list)
    asked: list[Params] = field(default_factory=list)
    newest: int = field(init=False)  #: the highest id that ever was: no account gives a deleted row's id again

    def __post_init__(self) -> None:
        self.newest = max(self.ids, default=0)

    def ask(self, params: Params) -> Page:
        self.asked.append(params)
        query = dict(params)
        rows = sorted(self.ids, reverse=self.newest_first)
        if "q[s]" in query:
            if self.sorts:
                rows = sorted(rows)
            elif self.refuses:
                raise FilterRefused("s")
        if "q[id_gt]" in query:
            if self.filters:
                rows = [one for one in rows if one > int(query["q[id_gt]"])]
            elif self.refuses:
                raise FilterRefused("id_gt")
        number = int(query["page"])
        there = rows[(number - 1) * SIZE : number * SIZE]
        page = Page([{"id": one} for one in there], -(-len(rows) // SIZE), len(rows) if self.counts else None)
        if self.changes:
            self.change(*self.changes.pop(0))
        return page

    def change(self, what: str, where: float) -> None:
        if what == "insert":
            self.newest += 1
            self.ids.append(self.newest)
        elif what == "delete" and self.ids:
            self.ids.pop(int(where * len(self.ids)))


def read(rows: Rows) -> list[int]:
    return [row["id"] for row in Lister(rows.ask, "/things", SIZE).rows()]


def check(rows: Rows) -> None:
    """Each row that was there all the time is told, and none twice."""
    before = set(rows.ids)
    told = read(rows)
    assert len(set(told)) == len(told)
    assert before & set(rows.ids) - set(told) == set()


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
@pytest.mark.parametrize("many", [0, 1, 5, 6, 23, 25])
def test_a_list_that_stands_still_is_read_whole(account: Account, many: int) -> None:
    assert sorted(read(Rows(list(range(1, many + 1)), *account))) == list(range(1, many + 1))


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_f50_pages_that_shift_while_they_are_read(account: Account) -> None:
    for what in ("insert", "delete"):
        for quiet in range(5):
            for where in (0.0, 0.2, 0.5, 0.99):
                rows = Rows(list(range(1, 24)), *account)
                rows.changes = [("", 0.0)] * quiet + [(what, where)]
                check(rows)


@given(
    changes=st.lists(st.tuples(st.sampled_from(["insert", "delete", ""]), st.floats(0, 0.99)), max_size=8),
    many=st.integers(0, 40),
    account=st.sampled_from([one for one in ACCOUNTS.values() if one[0] and one[1]]),
)
@example(changes=[("delete", 0.875), ("insert", 0.0)], many=6, account=ACCOUNTS["keyset"])
def test_behind_the_last_id_nothing_can_shift(changes: list[tuple[str, float]], many: int, account: Account) -> None:
    check(Rows(list(range(1, many + 1)), *account, changes))


@given(
    changes=st.lists(st.tuples(st.sampled_from(["delete", ""]), st.floats(0, 0.99)), max_size=8),
    many=st.integers(0, 40),
    account=st.sampled_from([one for one in ACCOUNTS.values() if one[3]]),
)
def test_where_counts_are_told_a_shorter_list_is_read_back(
    changes: list[tuple[str, float]], many: int, account: Account
) -> None:
    check(Rows(list(range(1, many + 1)), *account, changes))


def test_what_was_learnt_holds_for_the_next_list() -> None:
    rows = Rows(list(range(1, 12)), False, False, True, True, True)
    lister = Lister(rows.ask, "/things", SIZE)
    assert len(list(lister.rows())) == 11
    first = len(rows.asked)
    assert len(list(lister.rows((("q[a_eq]", "1"),)))) == 11
    assert len(rows.asked) - first == 3
    assert not any(name == "q[s]" for name, _value in rows.asked[-1])


def test_two_lists_of_one_address_do_not_disturb_each_other() -> None:
    rows = Rows(list(range(1, 18)), True, True, False, True, True)
    lister = Lister(rows.ask, "/things", SIZE)
    one, other = lister.rows(), lister.rows()
    told = [next(one)["id"], *(row["id"] for row in other), *(row["id"] for row in one)]
    assert sorted(told) == sorted([*range(1, 18)] * 2)


# --- what is not whole -----------------------------------------------------------------------------------------------


def lister(ask: Callable[[Params], Page]) -> Lister:
    return Lister(ask, "/materials", SIZE)


def test_f50_an_empty_page_in_the_middle_is_an_error() -> None:
    def ask(params: Params) -> Page:
        number = int(dict(params)["page"])
        rows = [{"id": 10 - n} for n in range(5)] if number == 1 else []
        return Page(rows, 3, 15)

    with pytest.raises(Transient, match="Page 2 of 3 of /materials came empty"):
        list(lister(ask).rows())


def test_f50_an_empty_page_behind_the_last_id_is_an_error() -> None:
    def ask(params: Params) -> Page:
        return Page([] if "q[id_gt]" in dict(params) else [{"id": n} for n in range(5)], 3, 15)

    with pytest.raises(Transient, match="came empty"):
        list(lister(ask).rows())


def test_f50_a_list_without_an_end_is_an_error() -> None:
    with pytest.raises(Transient, match="pages: they are not read"):
        list(lister(lambda _params: Page([{"id": 1}], 10**9)).rows())


def test_f50_a_list_that_never_stands_still_is_an_error() -> None:
    state = {"n": 0}

    def ask(params: Params) -> Page:
        state["n"] += 1
        number = int(dict(params)["page"])
        return Page([{"id": 1000 - number * 5 - n} for n in range(5)], 4, 40 - state["n"])

    with pytest.raises(Transient, match="changes faster"):
        list(lister(ask).rows())


@pytest.mark.parametrize(
    "told",
    [
        None,
        "text",
        5,
        {},
        {"items": None},
        {"items": {}},
        {"items": [1]},
        {"items": [{"title": "без id"}], "pagination": {"total_pages": 1}},
        {"items": [{"id": None}], "pagination": {"total_pages": 1}},
        {"items": [{"id": True}], "pagination": {"total_pages": 1}},
        {"items": [{"id": 1}]},
        {"items": [{"id": 1}], "pagination": []},
        {"data": [{"id": 1}], "meta": {"last_page": 3}},
    ],
)
def test_what_is_no_list_is_never_an_empty_one(told: Any) -> None:
    with pytest.raises(Transient, match="is not a list of rows"):
        page_of(told, "GET /materials")


@pytest.mark.parametrize(
    ("told", "page"),
    [
        ([], Page([], 1, None, bare=True)),
        ([{"id": 1}], Page([{"id": 1}], 1, None, bare=True)),
        ({"items": [], "pagination": {"total_pages": 0}}, Page([], 0)),
        ({"items": []}, Page([], 1)),
        ({"items": [{"id": "7"}], "pagination": {"total_pages": "3", "total_count": "11"}}, Page([{"id": "7"}], 3, 11)),
    ],
)
def test_lists_and_bare_arrays_are_read(told: Any, page: Page) -> None:
    assert page_of(told, "GET /x") == page
