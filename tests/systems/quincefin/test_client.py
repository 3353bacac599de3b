"""The wire to Quincefin: pages, refusals in any form, and answers that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import Held, InDoubt, Refused, Transient
from plugins.systems.quincefin.client import NoMethod
from plugins.systems.quincefin.fake import Quirks
from plugins.systems.quincefin.refusals import about_login, words_of
from plugins.systems.quincefin.settings import QuincefinSettings
from tests.systems.quincefin.account import Account, account

LIST = "/api/v2/partner/list"


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def partners(one: Account, number: int) -> list[int]:
    return [one.fake.put("partner", Name=f"П {n}", ParentFolder=None) for n in range(number)]


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 200, 201])
@pytest.mark.parametrize("past_end", ["empty", "refused"])
@pytest.mark.parametrize("error_status", [400, 200])
def test_every_row_once_and_an_end_of_either_kind(number: int, past_end: Any, error_status: Any) -> None:
    with account(Quirks(past_end=past_end, error_status=error_status)) as one:
        ids = partners(one, number)
        assert [row["Id"] for row in one.open().client.rows("partner")] == ids
        assert [row["Id"] for row in one.open().client.tail("partner", max(number - 1, 0))][-1:] == ids[-1:]


def test_the_end_is_not_believed_of_one_refusal(one: Account) -> None:
    """A refusal that is about something else than the page strikes the page before as well, or is over by then."""
    ids = partners(one, 150)
    second = lambda asked: (asked.json() or {}).get("page") == 2  # noqa: E731
    one.fake.fail(400, {"success": False, "error": "busy"}, path=LIST, when=second)
    assert [row["Id"] for row in one.open().client.rows("partner")] == ids
    later = lambda asked: bool(one.fake.asked("POST", LIST)) and len(one.fake.asked("POST", LIST)) > 4  # noqa: E731
    one.fake.fail(400, {"success": False, "error": "busy"}, path=LIST, when=later, times=9)
    with pytest.raises(Refused, match="busy"):
        one.open().client.rows("partner")


def test_a_record_that_comes_between_two_pages_is_neither_lost_nor_told_twice(one: Account) -> None:
    one.fake.behave(filtered_order="newest")
    ids = partners(one, 150)
    client = one.open().client
    page, pages = client.first_page, []

    def asked(path: str, given: Any, number: int, last: int) -> Any:
        pages.append(number)
        if number == 2:
            one.fake.put("partner", Name="новий", ParentFolder=None)
        return original(path, given, number, last)

    original, client._page = client._page, asked  # type: ignore[method-assign]
    found = [row["Id"] for row in client.rows("partner", {"ParentFolder": None})]
    assert found == ids
    assert pages == [1, 2]
    assert page("partner", {"ParentFolder": None})[0]["Name"] == "новий"


def test_null_means_in_no_folder_and_is_sent(one: Account) -> None:
    folder = one.fake.put("partner/folder", Name="Опт", ParentFolder=None)
    one.fake.put("partner", Name="А", ParentFolder=folder)
    outside = one.fake.put("partner", Name="Б", ParentFolder=None)
    client = one.open().client
    assert [row["Id"] for row in client.rows("partner", {"ParentFolder": None})] == [outside]
    assert len(client.rows("partner")) == 2
    assert one.fake.asked("POST", LIST)[0].json() == {"filter": {"ParentFolder": None}, "page": 1}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<html>ремонт</html>", Transient),
        (b"\xff\xfe", Transient),
        ("", Transient),
        ([], Transient),
        ({"success": True}, Transient),
        ({"success": True, "data": None}, Transient),
        ({"success": True, "data": {"Id": 1}}, Transient),
        ({"success": True, "data": [1, None]}, Transient),
        ({"success": True, "data": [{"Name": "без Id"}]}, Transient),
        ({"success": True, "data": [{"Id": None}]}, Transient),
        ({"success": "yes", "data": []}, Transient),
        ({"data": []}, Transient),
        ({"success": False, "error": "ні"}, Refused),
        ({"success": False}, Refused),
    ],
)
def test_f41_a_list_that_cannot_be_read_is_never_an_empty_one(one: Account, body: Any, error: type[Exception]) -> None:
    one.fake.fail(200, body, path=LIST)
    with pytest.raises(error):
        one.open().client.rows("partner")


@pytest.mark.parametrize("auth_status", [401, 403, 200])
@pytest.mark.parametrize("error_in", ["error", "errors", "message", "text"])
def test_a_wrong_login_is_refused_in_any_form(auth_status: Any, error_in: Any) -> None:
    with account(Quirks(auth_status=auth_status, error_in=error_in)) as one:
        for wrong in ({"token": "other"}, {"header": "X-Api-Key"}, {"header_value": "Token {token}"}):
            system = one.open(**wrong)
            if auth_status == 200 and error_in == "text":  # a page of another site could say the same
                with pytest.raises(Transient, match="unauthorized"):
                    system.check()
            else:
                with pytest.raises(Refused, match="unauthorized"):
                    system.check()


def test_a_key_in_another_header(one: Account) -> None:
    one.fake.header, one.fake.login = "x-api-key", "key"
    assert one.open(header="X-Api-Key", header_value="{token}").check()


def test_a_prefix_of_its_own() -> None:
    with account(Quirks(prefix="/v9/api")) as one:
        assert one.open(prefix="/v9/api").check()
        with pytest.raises(NoMethod):
            one.open().check()


@pytest.mark.parametrize("unknown_page", ["json", "html"])
def test_a_method_that_is_not_there(unknown_page: Any) -> None:
    with account(Quirks(unknown_page=unknown_page)) as one:
        client = one.open().client
        with pytest.raises(NoMethod, match="document/outgoing/list"):
            client.rows("document/outgoing")
        with pytest.raises(NoMethod, match="price/add"):
            client.add("price", {"Price": 1})
        assert [client.has("document/outgoing"), client.has("partner")] == [False, True]


@pytest.mark.parametrize("retry_after", [True, False])
def test_f08_a_limit_is_waited_for(retry_after: bool) -> None:
    with account() as one:
        headers = {"Retry-After": "0"} if retry_after else {}
        one.fake.fail(429, {"success": False, "error": "too many"}, headers=headers, times=2)
        assert one.open().client.rows("partner") == []
        one.fake.fail(
            429, {"success": False, "error": "too many"}, headers=headers, times=2, path="/api/v2/partner/add"
        )
        assert one.open().client.add("partner", {"Name": "А"})
        assert len(one.fake.rows("partner")) == 1
        one.fake.fail(429, headers={"Retry-After": "86400"})
        with pytest.raises(Transient) as caught:
            one.open().client.rows("partner")
        assert caught.value.retry_after


@pytest.mark.parametrize("body", ["<html>дякуємо</html>", "", [], {"data": []}, {"success": "true"}])
def test_f03_an_answer_that_does_not_say_is_a_doubt(one: Account, body: Any) -> None:
    one.fake.fail(200, body, path="/api/v2/partner/add", handled=True)
    with pytest.raises(InDoubt):
        one.open().client.add("partner", {"Name": "А"})


@pytest.mark.parametrize("error_in", ["error", "errors", "message", "text"])
@pytest.mark.parametrize("error_form", ["text", "list", "object"])
@pytest.mark.parametrize("error_status", [400, 422])
def test_f09_a_refusal_is_told_in_its_own_words(error_in: Any, error_form: Any, error_status: Any) -> None:
    with (
        account(Quirks(error_in=error_in, error_form=error_form, error_status=error_status)) as one,
        pytest.raises(Held, match="wrong Archive"),
    ):
        one.open().client.add("partner", {"Name": "А", "Archive": "так"})


def test_words_are_found_in_any_answer() -> None:
    assert words_of(b'{"success":false,"errors":[{"text":"a"},{"Message":"b"}]}', "x") == "a; b"
    assert words_of('{"error":{"code":5,"text":"Ні"}}'.encode(), "x") == "Ні"
    assert words_of(b"", "400") == "400"
    assert words_of(b'{"success":false}', "400") == "400"
    assert len(words_of(b'{"error":"' + b"a" * 9000 + b'"}', "x")) == 400
    assert words_of(b"[" * 9000, "deep") == "deep"
    assert about_login("Unauthorized")
    assert about_login("немає доступу")
    assert not about_login("wrong Partner")


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "  "},
        {"token": "кирилиця"},
        {"header": "X Y"},
        {"header_value": "Bearer"},
        {"header_value": "{token} {more}"},
        {"header_value": "{token!r}"},
        {"header_value": "{token"},
        {"url": "http://quincefin.example"},
        {"url": "ftp://quincefin.example"},
        {"url": "https://quincefin.example/?a=1"},
        {"zone": "Europe/Lviv"},
        {"warehouse": "other"},
        {"account": "other"},
        {"fields": {"lines": ""}},
        {"fields": {"comment": "a b"}},
        {"prefix": "api"},
    ],
)
def test_wrong_settings_are_told(wrong: dict[str, Any]) -> None:
    good = {"url": "https://quincefin.example", "token": "key"}
    assert QuincefinSettings.model_validate(good).url == "https://quincefin.example"
    with pytest.raises(ValidationError):
        QuincefinSettings.model_validate({**good, **wrong})
