"""Runs a fake API as a process of its own: its state in a JSON file, its port, the webhooks that it sends."""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints

from pipeline.testing.fakehttp import FakeApi, FakeServer

Q = TypeVar("Q")
LOOK = 0.1  # seconds between two looks whether something is to be saved or sent


class Kept(Protocol):
    """A fake whose state outlives it."""

    def dump(self) -> dict[str, Any]:
        """Its state as JSON values; Decimals allowed."""
        ...

    def send_webhooks(self) -> object:
        """Send those that wait; what it returns is of no matter here."""
        ...


def load_state(path: Path) -> dict[str, Any]:
    """The state in a JSON file (numbers with a point as Decimal); an empty one where there is no file."""
    if not path.exists():
        return {}
    state = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    if not isinstance(state, dict):
        raise TypeError(f"{path} holds no state of a fake")
    return state


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write it so that a reader sees the old file or the new one, whole. Decimals become numbers."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(state, ensure_ascii=False, indent=1, default=_number), encoding="utf-8")
    partial.replace(path)


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every fake takes. A fake adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0: a free one, told on the first line")
    parser.add_argument("--state", type=Path, help="JSON file: read at the start, written after every change")
    parser.add_argument("--token", default="", help="the key that a client must show")
    parser.add_argument("--quirk", action="append", default=[], metavar="NAME=VALUE", help="a switch of its Quirks")
    return parser


def chosen(quirks: type[Q], pairs: Sequence[str]) -> Q:
    """The switches of a fake, with those that ``--quirk`` names. Raises SystemExit for one that is not there, or cannot
    have that value."""
    hints = get_type_hints(quirks)
    given: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in hints:
            raise SystemExit(f"--quirk {pair}: no such switch; there are {', '.join(hints)}")
        kind = hints[name]
        allowed = get_args(kind) if get_origin(kind) is Literal else ()
        value: Any = text
        if kind is bool:
            value = {"true": True, "false": False}.get(text.lower())
        elif kind is int or all(isinstance(one, int) for one in allowed or ("",)):
            value = int(text) if text.isdigit() else None
        elif get_origin(kind) is tuple:
            value = tuple(part for part in text.split(",") if part)
        if value is None or (allowed and value not in allowed):
            raise SystemExit(f"--quirk {pair}: it may be {', '.join(map(str, allowed)) or kind.__name__}")
        given[name] = value
    return quirks(**given)


def serve(fake: Kept, api: FakeApi, port: int, state: Path | None, until: threading.Event | None = None) -> None:
    """Serve until SIGINT or SIGTERM, or until the event. The URL is the first line of the output."""
    stop = until or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
    seen = 0
    with FakeServer(api, port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        while True:
            stopping = stop.wait(LOOK)
            fake.send_webhooks()
            with api.lock:
                changed = any(one.asked.method not in {"GET", "HEAD"} for one in api.log[seen:])
                seen = len(api.log)
                now = fake.dump() if state and changed else None
            if state and now is not None:
                save_state(state, now)
            if stopping:
                return


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None, *, timeout: float = 10) -> int:
    """POST a webhook and give the status of the answer; 0: none came."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    return _send(urllib.request.Request(url, data=body, headers=headers, method="POST"), timeout)  # noqa: S310 - as below


def get(url: str, *, timeout: float = 10) -> int:
    """The same for a webhook that is a GET with all that it says in its query."""
    return _send(urllib.request.Request(url), timeout)  # noqa: S310 - the receiver that the test or the operator named


def _send(request: urllib.request.Request, timeout: float) -> int:
    opener: Callable[..., Any] = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    try:
        with opener(request, timeout=timeout) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return int(error.code)
    except (OSError, http.client.HTTPException):
        return 0
