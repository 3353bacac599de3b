"""A real Tryton with a proxy before it that loses answers as told, and sessions as the engine opens them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.api import SystemEnv
from pipeline.testing.fakehttp import Answer, Asked, FakeApi
from plugins.systems.tryton import open_base
from plugins.systems.tryton.settings import TrytonSettings
from plugins.systems.tryton.system import Tryton
from tests.servers.tryton import NAME, TrytonServer
from tests.servers.tryton_base import CODES

#: Long ones run in CI alone.
long = pytest.mark.full
DOCUMENTS: dict[str, Any] = {"delivery": "DELIVERY", "fee": "FEE"}
GOODS: dict[str, Any] = {"category": "З ПДВ"}


class Now:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Nobody sleeps here."""


class Between(FakeApi):
    """Hands every request on to the server, and its answer back: faults of FakeApi strike in between."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.address = urlsplit(url)
        self._watched: list[tuple[Callable[[Asked], bool], threading.Event]] = []

    def watch(self, when: Callable[[Asked], bool]) -> threading.Event:
        """Set as soon as the server has done such a request, before its answer goes back."""
        self._watched.append((when, threading.Event()))
        return self._watched[-1][1]

    def unknown(self, asked: Asked) -> Answer:
        connection = http.client.HTTPConnection(str(self.address.hostname), self.address.port, timeout=60)
        try:
            headers = {name: asked.headers[name] for name in ("content-type", "authorization") if name in asked.headers}
            connection.request(asked.method, asked.raw_path, asked.body, headers)
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.read(), content_type=reply.getheader("Content-Type", ""))
            for when, done in self._watched:
                if when(asked):
                    done.set()
            return answer
        finally:
            connection.close()


def method(*names: str) -> Callable[[Asked], bool]:
    """Calls of these methods, each by its end (``sale.sale.create``)."""
    return lambda asked: str(json.loads(asked.body or b"{}").get("method", "")).endswith(names)


def error(*said: Any) -> dict[str, Any]:
    """What Tryton answers when it refuses."""
    return {"id": 1, "error": list(said)}


def user_error(words: str) -> dict[str, Any]:
    """Its usual refusal."""
    return error("UserError", [words, "", None])


@dataclass
class World:
    """A server with a database as it was made."""

    server: TrytonServer
    between: Between
    url: str
    sessions: list[Tryton] = field(default_factory=list)

    def open(self, **more: Any) -> Tryton:
        """A session of its own."""
        self.sessions.append(session(self.url, **more))
        if not {"user", "password", "database"} & set(more):
            self.sessions[-1].client._session = self.server.session
        return self.sessions[-1]

    def calls(self, *names: str) -> list[Any]:
        """The parameters of calls so far."""
        wanted = method(*names)
        return [json.loads(asked.body)["params"] for asked in self.between.asked("POST") if wanted(asked)]

    def count(self, table: str, where: str = "1") -> int:
        """How many rows plain SQL finds."""
        return int(self.server.one(f"select count(*) from {table} where {where}"))

    def sale(self, id_: str | int) -> Any:
        """A sale by Tryton's own client."""
        return self.server.model("sale.sale")(int(id_))

    def total(self, id_: str | int) -> Decimal:
        """What Tryton's own client shows as the total of a sale."""
        return Decimal(self.sale(id_).total_amount)

    def on_hand(self, code: str) -> Decimal:
        """What lies in the store, by plain SQL: moves that are done into it less those out of it."""
        statement = """
            select coalesce(sum(case when target.code = 'STO' then m.quantity else -m.quantity end), 0)
            from stock_move m join product_product p on p.id = m.product
            join stock_location source on source.id = m.from_location
            join stock_location target on target.id = m.to_location
            where p.code = ? and m.state = 'done'
            and coalesce(source.code = 'STO', 0) <> coalesce(target.code = 'STO', 0)
        """
        return Decimal(str(self.server.one(statement, code))).quantize(Decimal("0.001"))


def session(url: str, **more: Any) -> Tryton:
    """A session as the engine opens it."""
    settings: dict[str, Any] = {
        "url": url,
        "database": NAME,
        "user": "admin",
        "password": "admin-of-the-tests",
        "documents": DOCUMENTS,
        "goods": GOODS,
    }
    env = SystemEnv("erp", "demo", Path(), "UAH", "Europe/Kyiv", Now())
    return open_base(TrytonSettings(**{**settings, **more}), env)


__all__ = ["CODES", "Between", "World", "long", "method", "session"]
