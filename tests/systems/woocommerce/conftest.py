"""The fake WooCommerce, served, with a clock that stands still unless moved."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import stamina

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.woocommerce.fake import KEY, SECRET, FakeWoo


class Clock:
    """Time that a test owns."""

    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

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
    def code(self) -> tuple[int, str]:
        """Status and the code of the error; both must agree within the body."""
        body = self.json
        assert body["data"]["status"] == self.status
        assert body["message"]
        return self.status, body["code"]

    @property
    def ids(self) -> list[int]:
        assert self.status == 200, self.text
        return [row["id"] for row in self.json]


@dataclass(frozen=True)
class Http:
    """Asks as a client would, with the fake's key in the header."""

    url: str
    login: str = f"{KEY}:{SECRET}"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        target = quote(path, safe="/%?=&[],") + (f"?{urlencode(query)}" if query else "")
        given = dict(headers or {})
        if self.login:
            given["Authorization"] = "Basic " + base64.b64encode(self.login.encode()).decode()
        data = None
        if body is not None:
            given.setdefault("Content-Type", "application/json")
            data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=10)
        try:
            connection.request(method, target, data, given)
            reply = connection.getresponse()
            text = reply.read().decode()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, text)
        finally:
            connection.close()

    def get(self, path: str, **query: str) -> Reply:
        return self("GET", f"/wp-json/wc/v3{path}", query=query)

    def post(self, path: str, body: Any) -> Reply:
        return self("POST", f"/wp-json/wc/v3{path}", body)

    def put(self, path: str, body: Any) -> Reply:
        return self("PUT", f"/wp-json/wc/v3{path}", body)

    def delete(self, path: str, **query: str) -> Reply:
        return self("DELETE", f"/wp-json/wc/v3{path}", query=query)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeWoo:
    return FakeWoo(now=clock.now)


@pytest.fixture
def http_(fake: FakeWoo) -> Iterator[Http]:
    with FakeServer(fake) as server:
        yield Http(server.url)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Tries that follow one another at once."""
    with stamina.set_testing(True, attempts=4):
        yield
