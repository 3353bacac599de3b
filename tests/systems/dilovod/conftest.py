"""The fake Dilovod, served, with a clock that stands still unless moved."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.dilovod.fake import KEY, FakeDilovod


class Clock:
    """Time that a test owns: the afternoon of 22 November 2026 in Kyiv."""

    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def pass_(self, **spans: float) -> None:
        self.moment += timedelta(**spans)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    kind: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Wire:
    """Posts packets as a client would."""

    url: str
    key: str = KEY

    def post(self, body: bytes, kind: str = "application/json", path: str = "/", method: str = "POST") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            reply = connection.getresponse()
            return Reply(reply.status, reply.getheader("Content-Type", ""), reply.read().decode())
        finally:
            connection.close()

    def packet(self, action: str, params: Any = None, **more: Any) -> dict[str, Any]:
        return {"version": "0.25", "key": self.key, "action": action, "params": params or {}, **more}

    def __call__(self, action: str, params: Any = None, **more: Any) -> Any:
        reply = self.post(json.dumps(self.packet(action, params, **more), ensure_ascii=False).encode())
        assert reply.status == 200, reply.text
        return reply.json

    def form(self, action: str, params: Any = None) -> Any:
        body = urlencode({"packet": json.dumps(self.packet(action, params), ensure_ascii=False)}).encode()
        return self.post(body, "application/x-www-form-urlencoded").json

    def rows(self, source: Any, fields: Any, *filters: tuple[str, str, Any], **more: Any) -> Any:
        """A query; ``fields`` a dict, or names that are their own aliases."""
        named = fields if isinstance(fields, dict) else {name: name for name in fields.split()}
        listed = [{"alias": alias, "operator": operator, "value": value} for alias, operator, value in filters]
        return self("request", {"from": source, "fields": named, "filters": listed, **more})

    def ids(self, source: Any, *filters: tuple[str, str, Any], **more: Any) -> list[str]:
        fields = {"id": "id", **{alias: alias for alias, _, _ in filters}}
        return [row["id"] for row in self.rows(source, fields, *filters, **more)]

    def save(self, what: str, /, lines: Any = None, save_type: Any = None, **header: Any) -> Any:
        params: dict[str, Any] = {"header": {"id": what, **header}}
        if save_type is not None:
            params["saveType"] = save_type
        if lines is not None:
            params["tableParts"] = {"tpGoods": lines}
        return self("saveObject", params)

    def made(self, what: str, /, lines: Any = None, save_type: Any = None, **header: Any) -> str:
        answer = self.save(what, lines, save_type, **header)
        assert answer.get("result") == "ok", answer
        return str(answer["id"])

    def mark(self, id_: str) -> Any:
        return self("setDelMark", {"header": {"id": id_}})


def error(answer: Any) -> str:
    """The words of an error of the usual form."""
    assert set(answer) == {"error", "clientMessages"}, answer
    return str(answer["error"])


def cant_set(answer: Any) -> str:
    """Where the value stood that could not be set."""
    text = error(answer)
    assert text.startswith("cant set value of ")
    assert text.endswith(": bad value, or field doesnt exist")
    return text.removeprefix("cant set value of ").partition(":")[0]


def told(*values: Any) -> tuple[Any, ...]:
    """Values to be compared with plain numbers, which mypy takes for a mistake where they are Decimals."""
    return values


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeDilovod:
    return FakeDilovod(now=clock.now)


@pytest.fixture
def wire(fake: FakeDilovod) -> Iterator[Wire]:
    with FakeServer(fake) as server:
        yield Wire(server.url)
