"""A fake KeyCRM on loopback, a clock that tests move, and a client that knows nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keycrm.fake import FakeKeyCrm, Quirks
from tests.systems.keycrm.contract import Contract

CONTRACT = Contract()


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime = datetime(2026, 1, 29, 18, 53, 35, tzinfo=UTC)

    def now(self) -> datetime:
        """The moment."""
        return self.at

    def move(self, seconds: float) -> None:
        """Later."""
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def data(self) -> list[dict[str, Any]]:
        """The rows of a page."""
        rows = self.body["data"]
        assert isinstance(rows, list)
        return rows

    def ids(self) -> list[int]:
        """Their ids."""
        return [row["id"] for row in self.data]


@dataclass
class Api:
    """Asks one server with a key, and takes whatever comes."""

    port: int
    headers: dict[str, str] = field(
        default_factory=lambda: {"Authorization": "Bearer key", "Accept": "application/json"}
    )

    def ask(
        self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None, **headers: Any
    ) -> Reply:
        """One request on a connection of its own. A header given as "" is not sent."""
        sent = {**self.headers, **headers}
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body, ensure_ascii=False, default=float).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            target = f"/v1{path}" + (f"?{urlencode(params)}" if params else "")
            connection.request(method, target, data, {name: value for name, value in sent.items() if value})
            reply = connection.getresponse()
            raw = reply.read()
        finally:
            connection.close()
        is_json = "json" in reply.headers.get("Content-Type", "") and raw
        return Reply(reply.status, json.loads(raw, parse_float=Decimal) if is_json else raw, dict(reply.headers))

    def get(self, path: str, **params: Any) -> Reply:
        """GET; ``filter_sku`` stands for ``filter[sku]``."""
        named = {f"filter[{name[7:]}]" if name.startswith("filter_") else name: value for name, value in params.items()}
        return self.ask("GET", path, params=named)

    def post(self, path: str, body: Any = None) -> Reply:
        """POST of JSON."""
        return self.ask("POST", path, body)

    def put(self, path: str, body: Any) -> Reply:
        """PUT of JSON."""
        return self.ask("PUT", path, body)

    def delete(self, path: str) -> Reply:
        """DELETE."""
        return self.ask("DELETE", path)


def held(fake: FakeKeyCrm, sku: str, *warehouses: int) -> Any:
    """How much there is of a SKU, and how much of that is reserved."""
    return fake.quantity(sku, *warehouses), fake.reserve(sku, *warehouses)


Make = Callable[..., tuple[FakeKeyCrm, Api]]


@pytest.fixture
def clock() -> Clock:
    """The fake's clock."""
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Iterator[Make]:
    """Makes fakes with other quirks."""
    with ExitStack() as servers:

        def one(**quirks: Any) -> tuple[FakeKeyCrm, Api]:
            fake = FakeKeyCrm(Quirks(**quirks), clock.now, per_minute=None)
            return fake, Api(servers.enter_context(FakeServer(fake)).port)

        yield one


@pytest.fixture
def made(make: Make) -> Iterator[tuple[FakeKeyCrm, Api]]:
    """A fake with the likeliest quirks; every answer that it gives must be as documented."""
    fake, api = make()
    yield fake, api
    problems = [one for each in fake.log if each.answer for one in CONTRACT.answer_problems(each.asked, each.answer)]
    assert problems == []


@pytest.fixture
def fake(made: tuple[FakeKeyCrm, Api]) -> FakeKeyCrm:
    """The fake."""
    return made[0]


@pytest.fixture
def api(made: tuple[FakeKeyCrm, Api]) -> Api:
    """Its client."""
    return made[1]
