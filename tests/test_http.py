"""The one HTTP client: what is repeated, what is in doubt, what waits, and that no number loses a digit."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, InDoubt, Refused, Transient
from pipeline.http import HttpClient, LocalPacer, Reply, dumps, retry_after
from pipeline.ports import Limits
from pipeline.testing.fakehttp import FakeApi, FakeServer
from tests.http_world import echo_api, served
from tests.servers.certs import self_signed


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


def test_an_answer_is_read_with_its_numbers_whole() -> None:
    api = FakeApi()
    api.add("GET", "/n", lambda _asked: b'{"a": 1.10, "b": 90247.69, "c": 3}')
    with served(api) as client:
        assert client.ask("GET", "/n").json() == {"a": Decimal("1.10"), "b": Decimal("90247.69"), "c": 3}
        assert str(client.ask("GET", "/n").json()["a"]) == "1.10"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), "1.10"), (Decimal("1E+2"), "100"), (Decimal("0.00"), "0.00"), (None, "null"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"), ("Кава", '"Кава"'),
        ((True, 3), "[true,3]"), ({"a": [Decimal("1.5")]}, '{"a":[1.5]}'),
    ],
)  # fmt: skip
def test_decimals_are_sent_digit_by_digit(value: object, text: str) -> None:
    assert dumps(value).decode() == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_a_decimal_comes_back_as_it_was(number: Decimal) -> None:
    assert json.loads(dumps([number]), parse_float=Decimal, parse_int=Decimal) == [number]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_server_is_asked_again_for_what_may_be_repeated(status: int) -> None:
    api = echo_api()
    api.fail(status, times=3)
    with served(api) as client:
        assert client.ask("GET", "/things").json()["made"] == 0
        assert len(api.log) == 4


def test_a_server_that_goes_on_failing_is_transient() -> None:
    api = echo_api()
    api.fail(502, "<html><body><h1>Bad Gateway</h1></body></html>", times=9)
    with served(api) as client, pytest.raises(Transient, match="Bad Gateway") as caught:
        client.ask("GET", "/things")
    assert len(api.log) == 4
    assert caught.value.code == "no-answer"


@pytest.mark.parametrize("how", ["500", "lost", "late", "cut"])
def test_what_may_not_be_repeated_is_in_doubt_and_sent_once(how: str) -> None:
    api = echo_api()
    match how:
        case "500":
            api.fail(500, method="POST", handled=True)
        case "lost":
            api.lose_reply(method="POST")
        case "late":
            api.delay(1.0, method="POST")
        case _:
            api.cut(3, method="POST")
    with served(api, timeout=0.3) as client:
        with pytest.raises(InDoubt):
            client.ask("POST", "/things", json={"a": 1})
        assert client.ask("GET", "/things").json()["made"] == 1
    assert len(api.asked("POST")) == 1


def test_a_lost_reply_to_what_may_be_repeated_is_asked_again() -> None:
    api = echo_api()
    api.lose_reply(method="PUT", times=2)
    with served(api) as client:
        assert client.ask("PUT", "/things/7", json={"price": Decimal("1.20")}).json() == {
            "id": "7",
            "body": '{"price":1.20}',
        }
    assert len(api.asked("PUT")) == 3


def test_nothing_was_sent_when_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = HttpClient(name="shop", url=f"http://127.0.0.1:{port}")
    with pytest.raises(Transient) as caught:
        client.ask("POST", "/things", json={})
    assert caught.value.code == "not-reached"


def test_patience_is_waited_for_and_a_post_is_repeated_after_429() -> None:
    api = echo_api()
    api.fail(429, {"message": "Too Many Attempts."}, times=2, headers={"Retry-After": "0"})
    naps: list[float] = []
    with served(api, pacer=LocalPacer(sleep=naps.append)) as client:
        assert client.ask("POST", "/things", json={}).json() == {"id": 1}
    assert len(api.asked("POST")) == 3


def test_a_retry_after_holds_everybody_with_the_same_key() -> None:
    now = [100.0]
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    api = echo_api()
    api.fail(429, times=1, headers={"Retry-After": "30"})
    with served(api, pacer=LocalPacer(lambda: now[0], sleep)) as client:
        client.ask("GET", "/things")
    assert sum(naps) == pytest.approx(30)


def test_a_server_that_wants_to_be_left_alone_for_long_is_left_alone_by_the_run() -> None:
    api = echo_api()
    api.fail(429, times=9, headers={"Retry-After": "3600"})
    with served(api) as client, pytest.raises(Transient) as caught:
        client.ask("GET", "/things")
    assert len(api.log) == 1
    assert caught.value.again_in == 3600


@pytest.mark.parametrize(("status", "code"), [(401, "login"), (403, "refused"), (402, "refused")])
def test_a_refused_key_passes_the_gate_and_is_not_tried_again(status: int, code: str) -> None:
    api = echo_api()
    through: list[str] = []

    def gate(connect):  # type: ignore[no-untyped-def]
        through.append("in")
        return connect()

    with served(api, gate=gate) as client:
        client.ask("GET", "/things")
        client.ask("GET", "/things")
        assert through == ["in"], "only the first request is a login"
        api.fail(status, {"message": "Unauthenticated."})
        with pytest.raises(Refused, match="Unauthenticated") as caught:
            client.ask("GET", "/things")
    assert caught.value.code == code
    assert through == ["in", "in"]
    assert len(api.log) == 3


def test_other_refusals_are_the_connectors_to_read() -> None:
    api = echo_api()
    api.fail(422, {"message": "The given data was invalid.", "errors": {"price": ["must be a number"]}})
    with served(api) as client:
        reply = client.ask("POST", "/things", json={})
    assert not reply.ok
    assert reply.words == "The given data was invalid.; price: must be a number"


def test_no_key_is_carried_to_another_address() -> None:
    other = echo_api()
    with FakeServer(other) as elsewhere:
        api = echo_api()
        api.fail(302, headers={"Location": f"{elsewhere.url}/things"})
        with served(api, headers={"Authorization": "Bearer secret-key"}) as client, pytest.raises(Refused) as caught:
            client.ask("GET", "/things")
    assert caught.value.code == "moved"
    assert not other.log


def test_a_page_in_place_of_json_is_told_by_its_words() -> None:
    api = FakeApi()
    api.add("GET", "/x", lambda _asked: "<html><style>p{}</style><p>Технічні роботи</p></html>")
    with served(api) as client, pytest.raises(Transient, match="Технічні роботи"):
        client.ask("GET", "/x").json()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(8):
            try:
                raw, _address = listener.accept()
            except OSError:
                return
            with raw:
                try:
                    context.wrap_socket(raw, server_side=True).close()
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    client = HttpClient(name="shop", url=f"https://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(Refused) as caught:
        client.ask("GET", "/x")
    listener.close()
    client.close()
    assert caught.value.code == "certificate"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("30", 30.0), ("", None), ("soon", None), ("-5", None), ("999999999", 86400.0),
     ("Sun, 29 Nov 2026 10:00:30 GMT", 30.0), ("Sun, 29 Nov 2026 09:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(said: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": said}, datetime(2026, 11, 29, 10, tzinfo=UTC)) == seconds


def test_one_at_a_time_is_one_at_a_time() -> None:
    pacer, limits = LocalPacer(), Limits(in_flight=1)
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with pacer.turn("key", limits):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_a_mistake_of_the_config(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    client = HttpClient(name="shop", url="https://127.0.0.1:9", ca_file=file)
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        client.ask("GET", "/things")


def test_an_api_that_refuses_by_200_says_which_status_it_means() -> None:
    api = echo_api()
    api.fail(200, {"error": "busy"}, times=2)
    api.fail(200, {"error": "bad key"}, path="/keys")
    naps: list[float] = []
    through: list[str] = []

    def heard(reply: Reply) -> Reply:
        meant = {b'{"error": "busy"}': 429, b'{"error": "bad key"}': 401}.get(reply.body, reply.status)
        return replace(reply, status=meant, headers={"retry-after": "0"})

    def gate(connect):  # type: ignore[no-untyped-def]
        through.append("in")
        return connect()

    with served(api, pacer=LocalPacer(sleep=naps.append), heard=heard, gate=gate) as client:
        assert client.ask("POST", "/things", json={}).json() == {"id": 1}, "what was not done is repeated, a POST too"
        assert len(api.asked("POST")) == 3
        before = len(through)
        with pytest.raises(Refused) as caught:
            client.ask("GET", "/keys")
    assert caught.value.code == "login"
    assert len(through) == before + 1, "the gate hears of it"
