"""The fake KeepinCRM, served, with a clock that stands still unless moved."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import stamina

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from tests.systems.keepincrm.world import Clock, World


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
    def items(self) -> list[Any]:
        assert self.status == 200, self.text
        items = self.json["items"]
        assert isinstance(items, list)
        return items


@dataclass(frozen=True)
class Http:
    """Asks as a client would."""

    url: str
    token: str = TOKEN

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        target = quote(path, safe="/%?=&[]") + (f"?{urlencode(query)}" if query else "")
        given = {"X-Auth-Token": self.token, "Accept": "application/json", **(headers or {})}
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
        return self("GET", f"/v1{path}", query=query)

    def q(self, path: str, query: dict[str, str]) -> list[Any]:
        """The ids (of one page) that pass a filter."""
        return [row["id"] for row in self("GET", f"/v1{path}", query=query).items]

    def post(self, path: str, body: Any, **query: str) -> Reply:
        return self("POST", f"/v1{path}", body, query)

    def patch(self, path: str, body: Any) -> Reply:
        return self("PATCH", f"/v1{path}", body)

    def put(self, path: str, body: Any) -> Reply:
        return self("PUT", f"/v1{path}", body)

    def delete(self, path: str) -> Reply:
        return self("DELETE", f"/v1{path}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeKeepin:
    return FakeKeepin(now=clock.now)


@pytest.fixture
def http_(fake: FakeKeepin) -> Iterator[Http]:
    with FakeServer(fake) as server:
        yield Http(server.url)


@pytest.fixture
def world(fake: FakeKeepin, clock: Clock, tmp_path: Path) -> Iterator[World]:
    """The connector on the fake; nothing waits in real time."""
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=4):
        made = World(fake, server.url, clock, tmp_path)
        yield made
        made.close()
