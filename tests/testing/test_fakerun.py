"""A fake as a process: its state outlives it, and its webhooks arrive."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from pipeline.testing.fakehttp import Asked, FakeApi, FakeServer
from pipeline.testing.fakerun import arguments, chosen, get, load_state, post, save_state, serve


class Counter(FakeApi):
    """Counts; tells a receiver."""

    def __init__(self, receiver: str) -> None:
        super().__init__()
        self.count = 0
        self.receiver = receiver
        self.waiting: list[int] = []
        self.dumps = 0
        self.add("POST", "/up", self._up)
        self.add("GET", "/", lambda _asked: self.count)

    def _up(self, _asked: Asked) -> int:
        self.count += 1
        self.waiting.append(self.count)
        return self.count

    def dump(self) -> dict[str, Any]:
        self.dumps += 1
        return {"count": self.count}

    def send_webhooks(self) -> None:
        while self.waiting:
            post(self.receiver, json.dumps(self.waiting.pop(0)).encode(), {"X-From": "counter"})


@pytest.fixture
def receiver() -> Iterator[FakeServer]:
    api = FakeApi()
    api.add("POST", "/hook", lambda _asked: {})
    api.add("GET", "/hook", lambda _asked: {})
    with FakeServer(api) as server:
        yield server


def wait_for(what: Any) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_serves_saves_after_changes_and_sends(
    receiver: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, state, stop = Counter(receiver.url + "/hook"), tmp_path / "state.json", threading.Event()
    thread = threading.Thread(target=serve, args=(fake, fake, 0, state, stop))
    thread.start()
    try:
        url = ""

        def told() -> bool:
            nonlocal url
            url += capsys.readouterr().out
            return url.endswith("\n")

        wait_for(told)
        assert post(url.strip() + "/up", b"") == 200
        wait_for(state.exists)
        wait_for(lambda: len(receiver.api.log) == 1)
        hook = receiver.api.log[0].asked
        assert (hook.body, hook.headers["x-from"], hook.headers["content-type"]) == (
            b"1",
            "counter",
            "application/json",
        )
    finally:
        stop.set()
        thread.join(10)
    assert load_state(state) == {"count": 1}
    assert fake.dumps == 1  # not for every look


def test_state_goes_through_a_file_whole_and_exact(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert load_state(path) == {}
    save_state(path, {"name": "Кава", "price": Decimal("450.50"), "count": Decimal(3), "none": None})
    assert load_state(path) == {"name": "Кава", "price": Decimal("450.5"), "count": 3, "none": None}
    assert "Кава" in path.read_text(encoding="utf-8")
    with pytest.raises(TypeError):
        save_state(path, {"name": object()})
    assert load_state(path)["name"] == "Кава"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(TypeError, match="holds no state"):
        load_state(path)


def test_a_webhook_gives_the_status_or_nothing(receiver: FakeServer) -> None:
    assert post(receiver.url + "/hook", b"{}") == 200
    assert post(receiver.url + "/nowhere", b"{}") == 404
    receiver.api.drop(method="POST")
    assert post(receiver.url + "/hook", b"{}") == 0
    assert get(receiver.url + "/hook?packet=%7B%7D") == 200
    assert receiver.api.log[-1].asked.query == (("packet", "{}"),)
    assert get(receiver.url + "/nowhere") == 404
    with FakeServer(FakeApi()) as gone:
        url = gone.url
    assert post(url, b"{}", timeout=1) == 0
    assert get(url, timeout=1) == 0


@dataclass(frozen=True, kw_only=True)
class Switches:
    open: bool = False
    most: int = 5
    status: Literal[422, 400] = 422
    form: Literal["text", "number"] = "text"
    extra: tuple[str, ...] = ()
    zone: str = "UTC"


def test_switches_by_their_names() -> None:
    assert chosen(Switches, []) == Switches()
    pairs = ["open=true", "most=7", "status=400", "form=number", "extra=a,b", "zone=Europe/Kyiv"]
    assert chosen(Switches, pairs) == Switches(
        open=True, most=7, status=400, form="number", extra=("a", "b"), zone="Europe/Kyiv"
    )
    for pair in ("other=1", "open=perhaps", "most=x", "status=500", "form=word", "open"):
        with pytest.raises(SystemExit, match="--quirk"):
            chosen(Switches, [pair])


def test_arguments(tmp_path: Path) -> None:
    options = arguments("A fake").parse_args(["--port", "8", "--state", str(tmp_path), "--token", "t"])
    assert (options.port, options.state, options.token) == (8, tmp_path, "t")
    options = arguments("A fake").parse_args([])
    assert (options.port, options.state, options.token) == (0, None, "")
