"""A faithful fake of Dilovod's packet API, for tests and samples::

    fake = FakeDilovod()
    good = fake.add_good("Кава", "COF-1", price=450, stock=12, cost=300)
    with FakeServer(fake) as server:
        … a client that posts packets to server.url with the key "key" …
    assert fake.stock(good) == 10

It does what public client code and the vendor's help show; what they leave open is a switch of :class:`Quirks`. The
texts of errors that the sources do not show (a query that makes no sense, for example) are the fake's own. As a process
it keeps its state in a file::

    python -m plugins.systems.dilovod.fake --port 8091 --state dilovod.json --token secret --seed \\
        --quirk edit_posted=kept
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pipeline.testing.fakehttp import Answer, Answered, Asked
from pipeline.testing.fakerun import arguments, chosen, get, load_state, serve
from plugins.systems.dilovod._fake_base import Row, refuse
from plugins.systems.dilovod._fake_query import Query
from plugins.systems.dilovod._fake_quirks import Quirks
from plugins.systems.dilovod._fake_reads import get_metadata, get_object, list_metadata
from plugins.systems.dilovod._fake_seeds import FULL, Seeded

__all__ = ["KEY", "FakeDilovod", "Quirks", "action", "main", "packet_of"]

KEY = "key"
BLOCKED = "multithreadApiSession multithread api request blocked"
_MINUTE = timedelta(minutes=1)


class FakeDilovod(Seeded):
    """One base behind its API, at ``/`` and at ``/api/``.

    ``now`` gives the aware moment: a test hands in a clock that it moves. ``key`` may do everything; others come by
    :meth:`add_key`. Faults are scripted by ``when=action("saveObject", "documents.sale")``.
    """

    def __init__(
        self, quirks: Quirks | None = None, now: Callable[[], datetime] | None = None, *, key: str = KEY
    ) -> None:
        super().__init__(quirks, now)
        self.add_key(key, FULL)
        self._flying: dict[int, str] = {}  # requests in flight, and whose they are: a key's, or the base's
        self._blocked: set[int] = set()  # requests that came while another was in flight
        self._door = threading.Lock()  # arrivals are told apart before they wait for the lock of the base
        self._recent: dict[str, deque[datetime]] = {}
        for path in ("/", "/api/", "/api"):
            self.add("POST", path, self._packet)

    # --- every request --------------------------------------------------------------------------------------------

    def arrive(self, asked: Asked) -> None:
        """A request that finds another of its key in flight will be refused, whenever its turn comes."""
        with self._door:
            whose = self._whose(asked)
            if whose in self._flying.values():
                self._blocked.add(id(asked))
            self._flying[id(asked)] = whose

    def leave(self, asked: Asked) -> None:
        """It is over."""
        with self._door:
            self._blocked.discard(id(asked))
            self._flying.pop(id(asked), None)

    def _whose(self, asked: Asked) -> str:
        return "" if self.base.quirks.flight == "base" else _key_of(packet_of(asked))

    def before(self, asked: Asked) -> None:
        """One request at a time."""
        if id(asked) in self._blocked:
            refuse(BLOCKED, self.base.quirks.flight_status)

    def after(self, asked: Asked, answer: Answer) -> Answer:  # noqa: ARG002 - the base class's own form
        """A text is a JSON text, too: setDelMark answers a bare ``"ok"``."""
        if isinstance(answer.body, str) and not answer.content_type:
            body = json.dumps(answer.body, ensure_ascii=False).encode()
            return Answer(answer.status, body, answer.headers, "application/json")
        return answer

    def unknown(self, asked: Asked) -> Answer:  # noqa: ARG002 - the base class's own form
        """A page of the web server."""
        return Answer(404, "<html><body><h1>404 Not Found</h1></body></html>", content_type="text/html; charset=utf-8")

    # --- packets --------------------------------------------------------------------------------------------------

    def _packet(self, asked: Asked) -> Any:
        packet = packet_of(asked, raw=self.base.quirks.raw_form)
        if packet is None:
            refuse("bad packet")
        key = _key_of(packet)
        if key not in self.base.roles:
            refuse("bad key")
        self._count(key)
        if self.base.quirks.version_checked and not packet.get("version"):
            refuse("bad version")
        params = packet.get("params")
        if params is None or params == []:  # PHP's empty object
            params = {}
        if not isinstance(params, dict):
            refuse("bad params")
        return self._act(str(packet.get("action")), params, key)

    def _act(self, name: str, params: Row, key: str) -> Any:
        match name:
            case "request":
                return Query(self.base, key, params).answer()
            case "getObject":
                return get_object(self.base, key, params)
            case "saveObject":
                return self.saves.save(params, key)
            case "setDelMark":
                return self.saves.mark(params, key)
            case "call":
                return self.calls.call(params, key)
            case "listMetadata":
                return list_metadata()
            case "getMetadata":
                return get_metadata(self.base, params)
        return refuse(f"unknown action {name}")

    def _count(self, key: str) -> None:
        limit = self.base.quirks.rate_limit
        if not limit:
            return
        now, hits = self.base.moment(), self._recent.setdefault(key, deque())
        while hits and hits[0] <= now - _MINUTE:
            hits.popleft()
        if len(hits) >= limit:
            raise Answered(Answer(429, "<html><body><h1>429 Too Many Requests</h1></body></html>",
                                  content_type="text/html; charset=utf-8"))  # fmt: skip
        hits.append(now)

    # --- state and webhooks ---------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """The base as JSON values, its keys and webhooks with it."""
        return {**self.base.dump(), "hooks": [list(hook) for hook in self.hooks]}

    def load(self, state: Mapping[str, Any]) -> None:
        """What ``dump`` gave, in place of what there is. The fake's own key stays good."""
        with self.lock:
            own = dict(self.base.roles)
            self.base.load(state)
            self.base.roles = {**own, **self.base.roles}
            self.hooks = [(name, url) for name, url in state.get("hooks", ())]
            self.waiting.clear()

    def send_webhooks(self) -> list[int]:
        """Tell those that are to be told, one after the other, outside of any request; the status of each answer."""
        with self.lock:
            waiting, self.waiting = self.waiting, []
        return [get(f"{url}{'&' if '?' in url else '?'}{urlencode({'packet': json.dumps(packet)})}")
                for url, packet in waiting]  # fmt: skip

    def seed(self) -> None:
        """A small shop: a tree of goods with stock and prices, a service, a kit, twin articles, a party."""
        drinks = self.add_folder("Напої")
        coffee = self.add_folder("Кава", drinks)
        beans = self.add_good("Кава зернова 1 кг", "COF-1", price=460, stock=12, cost=300, parent=coffee, weight="1.05")
        ground = self.add_good("Кава мелена 250 г", "COF-2", price="135.50", stock=40, cost="80.25", parent=coffee)
        self.add_good("Чай зелений", "TEA-1", price=90, stock=0, parent=drinks)
        self.add_good("Чай зелений (копія)", "TEA-1", price=95, parent=drinks)
        self.add_good("Набір кавовий", "SET-1", price=580, kit=[(beans, 1), (ground, 1)])
        self.add_good("Доставка", "DELIVERY", service=True)
        self.add_barcode(beans, "4820000000017")
        details = json.dumps({"phones": [{"pr": "380500000000", "kind": "phone"}]})
        self.saves.save({"header": {"id": "catalogs.persons", "name": "Іван Тестовий", "details": details}}, None)


def packet_of(asked: Asked, *, raw: bool = False) -> Row | None:
    """The packet of a request: JSON, or JSON in the field ``packet`` of a form of either kind; None for none.

    ``raw``: a form's field that was not percent-encoded is taken to its end.
    """
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    text: str | None
    if kind == "application/x-www-form-urlencoded":
        body = asked.body.decode("utf-8", "replace")
        text = asked.form().get("packet")
        if raw and body.startswith("packet={"):
            text = body.removeprefix("packet=")
    elif kind == "multipart/form-data":
        text = _part(asked)
    else:
        text = asked.body.decode("utf-8", "replace")
    try:
        packet = json.loads(text or "null", parse_float=Decimal)
    except ValueError:
        return None
    return packet if isinstance(packet, dict) else None


def _part(asked: Asked) -> str | None:
    boundary = re.search(r'boundary="?([^";]+)', asked.headers.get("content-type", ""))
    if boundary is None:
        return None
    for part in asked.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, found, data = part.partition(b"\r\n\r\n")
        if found and re.search(rb'\bname="packet"', head):
            return data.removesuffix(b"\r\n").decode("utf-8", "replace")
    return None


def _key_of(packet: Row | None) -> str:
    return str(packet.get("key")) if packet else ""


def action(name: str, about: str = "") -> Callable[[Asked], bool]:
    """Tells requests of an action, about an object (its name or id, as ``from`` or ``header.id`` has it, or a method
    of ``call``), for the faults of a script: ``fake.lose_reply(when=action("saveObject", "documents.saleOrder"))``."""

    def matches(asked: Asked) -> bool:
        packet = packet_of(asked)
        if packet is None or packet.get("action") != name:
            return False
        params = packet.get("params")
        params = params if isinstance(params, dict) else {}
        header, source = params.get("header"), params.get("from")
        named = [params.get("id"), params.get("method"), source]
        named += [header.get("id")] if isinstance(header, dict) else []
        named += [source.get("register"), source.get("type")] if isinstance(source, dict) else []
        return not about or about in [str(one) for one in named]

    return matches


def main(argv: Sequence[str] | None = None) -> None:
    """Run it as a process: see the module's text."""
    parser = arguments("A fake Dilovod, on loopback")
    parser.add_argument("--seed", action="store_true", help="begin with a small shop when there is no state")
    parser.add_argument("--webhook", action="append", default=[], metavar="OBJECT=URL", help="told of its changes")
    options = parser.parse_args(argv)
    fake = FakeDilovod(chosen(Quirks, options.quirk), key=options.token or KEY)
    state: Path | None = options.state
    kept = load_state(state) if state else {}
    if kept:
        fake.load(kept)
    elif options.seed:
        fake.seed()
    for pair in options.webhook:
        name, _, url = pair.partition("=")
        fake.on_change(name, url)
    serve(fake, fake, options.port, state)


if __name__ == "__main__":
    main()
