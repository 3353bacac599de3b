"""The exchange of CommerceML as an accounting program asks it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from plugins.systems.commerceml.exchange import Answer, Asked, Exchange
from plugins.systems.commerceml.store import Store
from tests.systems.commerceml.world import PASSWORD, USER, Accounting

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Desk:
    """Asks an exchange without a network."""

    def __init__(self, world: Accounting) -> None:
        self.world = world
        server = world.settings.server
        assert server is not None
        self.exchange = Exchange(world.settings, server, world.env(), lambda: Store(world.state))
        self.cookie = ""

    def ask(self, kind: str, mode: str, name: str = "", body: bytes = b"", **headers: str) -> str:
        return self.answer(kind, mode, name, body, **headers).text

    def answer(self, kind: str, mode: str, name: str = "", body: bytes = b"", **headers: str) -> Answer:
        query = {"type": kind, "mode": mode} | ({"filename": name} if name else {})
        return self.exchange.answer(Asked(query, {"cookie": self.cookie} | headers, body, "10.0.0.1"))

    def login(self, kind: str = "catalog") -> None:
        lines = self.ask(kind, "checkauth", authorization=BASIC).split("\n")
        assert lines[0] == "success"
        self.cookie = f"{lines[1]}={lines[2]}"
        assert self.ask(kind, "init").startswith("zip=yes\nfile_limit=3000")

    def send(self, name: str, data: bytes, kind: str = "catalog") -> str:
        said = "success\n"
        for start in range(0, len(data), 3000):
            said = self.ask(kind, "file", name, data[start : start + 3000])
        return said


def shown(world: Accounting) -> list[str]:
    return sorted(one.keys["sku"] for one in world.accounting().offers() if one.values["published"])


def noticed(world: Accounting) -> list[str]:
    return [one.code for one in world.accounting().noticed()]
