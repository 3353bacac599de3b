"""The fake Quincefin, served, with a clock that stands still unless moved."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.quincefin.fake import FakeQuincefin

DATES = {"DateFrom": "2026-01-01", "DateTo": "2026-12-31"}


class Clock:
    """Time that a test owns."""

    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a system never sleeps")

    def pass_(self, **spans: float) -> None:
        self.moment += timedelta(**spans)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def data(self) -> Any:
        assert self.status == 200, self.text
        assert self.json["success"] is True
        return self.json["data"]


@dataclass(frozen=True)
class Wire:
    """Asks as a client would."""

    url: str
    login: tuple[str, str] = ("Authorization", "Bearer key")
    prefix: str = "/api/v2"

    def __call__(self, method: str, body: Any = None, verb: str = "POST", kind: str = "application/json") -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=10)
        try:
            headers = {self.login[0]: self.login[1], "Content-Type": kind}
            connection.request(verb, f"{self.prefix}/{method}", data, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, text)
        finally:
            connection.close()

    def list(self, path: str, page: Any = None, **members: Any) -> Any:
        body: dict[str, Any] = {"filter": members} if members else {}
        return self(f"{path}/list", body if page is None else {**body, "page": page}).data

    def ids(self, path: str, page: Any = None, **members: Any) -> Any:
        return [row["Id"] for row in self.list(path, page, **members)]

    def add(self, path: str, **values: Any) -> int:
        return int(self(f"{path}/add", values).data[0]["Id"])

    def update(self, path: str, key: int, **values: Any) -> Reply:
        return self(f"{path}/update", {"Id": key, **values})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeQuincefin:
    return FakeQuincefin(now=clock.now)


@pytest.fixture
def seeds(fake: FakeQuincefin) -> dict[str, int]:
    """The ids of the small account."""
    return fake.seed()


@pytest.fixture
def wire(fake: FakeQuincefin) -> Iterator[Wire]:
    with FakeServer(fake) as server:
        yield Wire(server.url)
