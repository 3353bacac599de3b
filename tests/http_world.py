"""A fake API and a client of ours on it, for tests of the HTTP client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.http import HttpClient, LocalPacer
from pipeline.testing.fakehttp import Asked, FakeApi, FakeServer


def echo_api() -> FakeApi:
    """Answers with what it was asked; counts what was made."""
    api = FakeApi()
    made: list[Any] = []
    api.add("GET", "/things", lambda asked: {"made": len(made), "q": list(asked.query), "n": "1.10"})

    def make(asked: Asked) -> dict[str, int]:
        made.append(asked.json())
        return {"id": len(made)}

    api.add("POST", "/things", make)
    api.add("PUT", "/things/{id}", lambda asked, id: {"id": id, "body": asked.body.decode()})  # noqa: A006
    return api


@contextmanager
def served(api: FakeApi, **more: Any) -> Iterator[HttpClient]:
    """A client of ``api`` that waits no real time between its tries."""
    with FakeServer(api) as server:
        naps: list[float] = []
        client = HttpClient(**{"name": "shop", "url": server.url, "pacer": LocalPacer(sleep=naps.append), **more})
        try:
            yield client
        finally:
            client.close()
