"""The base of fake HTTP APIs: what a route gets, what a test can script, and that a fake's own faults are not lost."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.testing.fakehttp import Answer, Answered, Asked, FakeApi, FakeServer, pages


class Notes(FakeApi):
    """Keeps notes by name."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: dict[str, Any] = {}
        self.add("GET", "/notes", lambda _asked: sorted(self.notes))
        self.add("GET", "/notes/{name}", self._one)
        self.add("PUT", "/notes/{name}", self._put)
        self.add("GET", "/files/{rest*}", lambda _asked, rest: {"rest": rest})
        self.add(
            "GET", "/echo", lambda asked: {"query": list(asked.query), "last": asked.param("a"), "form": asked.form()}
        )
        self.add("GET", "/broken", lambda _asked: self.notes["nothing"])

    def before(self, asked: Asked) -> None:
        if asked.headers.get("x-key") == "wrong":
            raise Answered(Answer(401, {"message": "no"}))

    def after(self, asked: Asked, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body, {**answer.headers, "X-Ways": ",".join(self.methods(asked))})

    def _one(self, _asked: Asked, name: str) -> Any:
        if name not in self.notes:
            raise Answered(Answer(404, "<h1>none</h1>"))
        return self.notes[name]

    def _put(self, asked: Asked, name: str) -> Answer:
        self.notes[name] = asked.json()
        return Answer(201, self.notes[name], {"X-Name": "yes"})


@pytest.fixture
def api() -> Notes:
    return Notes()


@pytest.fixture
def server(api: Notes) -> Iterator[FakeServer]:
    with FakeServer(api) as server:
        yield server


def ask(
    server: FakeServer, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=10)
    try:
        connection.request(method, target, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read(), {name.lower(): value for name, value in reply.getheaders()}
    finally:
        connection.close()


def test_a_route_gets_its_segments_decoded_and_told_apart_before(api: Notes, server: FakeServer) -> None:
    assert ask(server, "PUT", "/notes/a%2Fb%20%D1%97", b"1")[0] == 201
    assert ask(server, "PUT", "/notes/%252F", b"2")[0] == 201
    assert set(api.notes) == {"a/b ї", "%2F"}
    assert ask(server, "GET", "/notes/a%2Fb%20%D1%97")[:2] == (200, b"1")
    assert ask(server, "GET", "/notes/a/b")[0] == 404  # two segments: no route
    assert json.loads(ask(server, "GET", "/files/a%2Fb/c")[1]) == {"rest": "a/b/c"}
    assert ask(server, "GET", "/%6Eotes")[0] == 200
    assert ask(server, "POST", "/notes")[0] == 404


def test_numbers_stay_exact_and_json_that_is_none_is_told(api: Notes, server: FakeServer) -> None:
    assert ask(server, "PUT", "/notes/n", b'{"a": 0.10, "b": 3, "c": "\xd1\x97"}')[0] == 201
    assert api.notes["n"] == {"a": Decimal("0.10"), "b": 3, "c": "ї"}
    assert json.loads(ask(server, "GET", "/notes/n")[1]) == {"a": 0.1, "b": 3, "c": "ї"}
    for wrong in (b"{", b"NaN", b'{"a": Infinity}', b"\xff"):
        assert ask(server, "PUT", "/notes/n", wrong)[0] == 400
    assert ask(server, "PUT", "/notes/n", b"")[1] == b"null"


def test_answers_have_their_types_and_headers(api: Notes, server: FakeServer) -> None:
    status, body, headers = ask(server, "PUT", "/notes/n", b"[]")
    assert (status, body, headers["content-type"], headers["x-name"]) == (201, b"[]", "application/json", "yes")
    status, body, headers = ask(server, "GET", "/notes/none")
    assert (status, body) == (404, b"<h1>none</h1>")
    assert headers["content-type"].startswith("text/html")
    assert json.loads(ask(server, "GET", "/echo?a=1&a=2&b=", b"x=%D1%97&y=")[1]) == {
        "query": [["a", "1"], ["a", "2"], ["b", ""]],
        "last": "2",
        "form": {"x": "ї", "y": ""},
    }
    assert ask(server, "GET", "/notes", headers={"X-Key": "wrong"})[0] == 401
    assert Answer(204).raw() == (b"", "")
    assert Answer(200, b"x").raw() == (b"x", "application/octet-stream")


def test_scripted_faults_strike_so_often_and_what_they_match(api: Notes, server: FakeServer) -> None:
    api.fail(503, {"why": "busy"}, times=2, method="GET", path="/notes", headers={"Retry-After": "1"})
    assert ask(server, "PUT", "/notes/n", b"1")[0] == 201
    first, second = ask(server, "GET", "/notes"), ask(server, "GET", "/notes/n")
    assert (first[0], json.loads(first[1]), first[2]["retry-after"]) == (503, {"why": "busy"}, "1")
    assert second[0] == 503
    assert ask(server, "GET", "/notes")[0] == 200
    api.fail(500, handled=True, method="PUT")
    assert ask(server, "PUT", "/notes/late", b"1")[0] == 500
    assert "late" in api.notes
    api.fail(500, method="PUT")
    assert ask(server, "PUT", "/notes/never", b"1")[0] == 500
    assert "never" not in api.notes


def test_a_lost_reply_leaves_it_done_and_a_dropped_request_does_not(api: Notes, server: FakeServer) -> None:
    api.lose_reply(method="PUT")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server, "PUT", "/notes/lost", b"1")
    api.drop(method="PUT")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server, "PUT", "/notes/dropped", b"1")
    assert set(api.notes) == {"lost"}
    assert [one.status for one in api.log] == [0, 0]
    assert [one.path for one in api.asked("PUT", "/notes")] == ["/notes/lost", "/notes/dropped"]
    api.forget()
    assert (api.log, api.faults) == ([], [])


def test_an_answer_can_be_cut_or_late(api: Notes, server: FakeServer) -> None:
    api.notes["long"] = "x" * 100
    api.cut(10, path="/notes/long")
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "GET", "/notes/long")
    api.delay(0.2, method="PUT")
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(ask(server, "PUT", "/notes/late", b"1")[0]))
    begun = time.monotonic()
    thread.start()
    while "late" not in api.notes and time.monotonic() < begun + 5:
        time.sleep(0.005)
    assert not done  # it is done before it is answered
    thread.join(5)
    assert done == [201]
    assert time.monotonic() - begun >= 0.2


def test_an_answer_is_held_until_it_is_let_go_and_is_in_flight_so_long(api: Notes, server: FakeServer) -> None:
    flying: list[str] = []
    api.arrive = lambda asked: flying.append(asked.path)  # type: ignore[method-assign]
    api.leave = lambda asked: flying.remove(asked.path)  # type: ignore[method-assign]
    go = api.hold(method="PUT")
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(ask(server, "PUT", "/notes/held", b"1")[0]))
    thread.start()
    end = time.monotonic() + 5
    while "held" not in api.notes and time.monotonic() < end:
        time.sleep(0.005)
    assert ask(server, "GET", "/notes/held")[0] == 200  # others are answered meanwhile
    assert (flying, done) == (["/notes/held"], [])
    go.set()
    thread.join(5)
    assert (flying, done) == ([], [201])
    api.drop()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server, "GET", "/notes")
    assert flying == []


def test_a_fault_may_look_into_the_request(api: Notes, server: FakeServer) -> None:
    def second(asked: Asked) -> bool:
        return asked.body == b"2"

    api.fail(503, method="PUT", when=second)
    api.lose_reply(method="PUT", when=lambda asked: asked.body == b"3")
    assert [ask(server, "PUT", "/notes/n", body)[0] for body in (b"1", b"2", b"2")] == [201, 503, 201]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server, "PUT", "/notes/n", b"3")
    assert api.notes["n"] == 3


def test_a_crash_of_a_handler_is_raised_and_not_taken_for_a_lost_reply(api: Notes) -> None:
    server = FakeServer(api).start()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server, "GET", "/broken")
    with pytest.raises(RuntimeError, match="a handler of the fake crashed: KeyError"):
        server.stop()


def test_every_answer_is_seen_after_and_logged_but_no_fault(api: Notes, server: FakeServer) -> None:
    assert ask(server, "PUT", "/notes/a%2Fb", b"0.50")[2]["x-ways"] == "GET,PUT"
    assert ask(server, "POST", "/notes")[2]["x-ways"] == "GET"
    assert ask(server, "GET", "/", headers={"X-Key": "wrong"})[2]["x-ways"] == ""
    api.fail(500)
    assert "x-ways" not in ask(server, "GET", "/notes")[2]
    answers = [one.answer for one in api.log]
    assert [one.status for one in answers if one] == [201, 404, 401, 500]
    assert answers[0]
    assert answers[0].body == Decimal("0.50")


def test_pages() -> None:
    assert [pages([1, 2, 3], page, 2) for page in (0, 1, 2, 3)] == [[1, 2], [1, 2], [3], []]
