"""A faithful fake of KeyCRM's REST API, version 1.2.0, for tests and samples::

    fake = FakeKeyCrm()
    fake.add_product("Кава", "COF-1", price=450, stock=12)
    with FakeServer(fake) as server:
        … a client of f"{server.url}/v1" with the key "key" …

It does what the vendor's OpenAPI document says and what was recorded of live answers; what is not known is a switch of
:class:`Quirks`. All 59 operations are there; those of funnels answer as an account in which they are switched off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked
from pipeline.testing.fakerun import arguments, load_state, serve
from plugins.systems.keycrm._fake_hooks import Hook
from plugins.systems.keycrm._fake_quirks import Quirks
from plugins.systems.keycrm._fake_seeds import Seeded
from plugins.systems.keycrm._fake_show import dress

__all__ = ["FakeKeyCrm", "Quirks", "main"]

KEY = "key"
PER_MINUTE = 60
MINUTE = timedelta(minutes=1)
LOGIN = "https://openapi.keycrm.app/login"


class FakeKeyCrm(Seeded):
    """One account behind its API.

    ``now`` gives the aware moment: a test hands in a clock that it moves. ``keys`` are good as ``Bearer``.
    ``per_minute`` may be changed at any time; None: no limit.
    """

    def __init__(
        self,
        quirks: Quirks | None = None,
        now: Callable[[], datetime] | None = None,
        *,
        keys: Sequence[str] = (KEY,),
        per_minute: int | None = PER_MINUTE,
    ) -> None:
        super().__init__(quirks, now)
        self.keys = set(keys)
        self.per_minute = per_minute
        self._hits: dict[str, deque[datetime]] = {}

    # --- every request --------------------------------------------------------------------------------------------

    def before(self, asked: Asked) -> None:
        """The key, then the limit; then the accepted writes whose time has come are done."""
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in self.keys:
            raise Answered(Answer(401, {"message": "Unauthenticated."}))
        if self.per_minute is not None:
            self._count(self._scope(asked, key), self.per_minute)
        self.catalogue.settle()

    def after(self, asked: Asked, answer: Answer) -> Answer:
        """The looks of the answer, and the webhooks of what was done."""
        self.hooks.collect()
        headers = {**answer.headers, **self._rate_headers(asked)}
        if answer.status >= 400 and self.quirks.html_without_accept and not _wants_json(asked):
            if answer.status in (401, 422):
                return Answer(302, _page(302, "Redirecting"), {**headers, "Location": LOGIN})
            return Answer(answer.status, _page(answer.status, "Error"), headers)
        return Answer(answer.status, dress(answer.body, self.quirks), headers, answer.content_type)

    def unknown(self, asked: Asked) -> Answer:
        """404 for a path that is none (there is no list of warehouses, for one), 405 for a method that it lacks."""
        path = asked.path.removeprefix("/")
        if methods := self.methods(asked):
            said = f"The {asked.method} method is not supported for route {path}. Supported methods: "
            return Answer(405, {"message": f"{said}{', '.join(methods)}."}, {"Allow": ", ".join(methods)})
        return Answer(404, {"message": f"The route {path} could not be found."})

    # --- the limit ------------------------------------------------------------------------------------------------

    def _scope(self, asked: Asked, key: str) -> str:
        scope = self.quirks.rate_scope
        return key if scope == "key" else asked.address if scope == "ip" else f"{key} {asked.address}"

    def _count(self, scope: str, limit: int) -> None:
        """Let the request through and count it, or refuse it by 429, uncounted."""
        now = self.account.moment()
        hits = self._hits.setdefault(scope, deque())
        if self.quirks.rate_window == "sliding":
            while hits and hits[0] <= now - MINUTE:
                hits.popleft()
        elif hits and hits[0] <= now - MINUTE:
            hits.clear()  # the window began with its first request
        if len(hits) >= limit:
            again = hits[max(len(hits) - limit, 0)] if self.quirks.rate_window == "sliding" else hits[0]
            seconds = max(ceil((again + MINUTE - now).total_seconds()), 1)
            wait = {"Retry-After": str(seconds)} if self.quirks.retry_after else {}
            raise Answered(Answer(429, {"message": "Too Many Attempts."}, wait))
        hits.append(now)

    def _rate_headers(self, asked: Asked) -> dict[str, str]:
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if not self.quirks.rate_headers or self.per_minute is None or key not in self.keys:
            return {}
        left = max(self.per_minute - len(self._hits.get(self._scope(asked, key), ())), 0)
        return {"X-RateLimit-Limit": str(self.per_minute), "X-RateLimit-Remaining": str(left)}

    # --- webhooks and state ---------------------------------------------------------------------------------------

    def send_webhooks(self) -> list[tuple[Hook, int]]:
        """Post the webhooks that wait; each with the status that it was answered with, 0 where it was not."""
        with self.lock:
            self.hooks.collect()
        return self.hooks.send()

    def dump(self) -> dict[str, Any]:
        """The account as JSON values."""
        return self.account.dump()

    def load(self, state: Mapping[str, Any]) -> None:
        """The account that ``dump`` gave, in place of this one."""
        with self.lock:
            self.account.load(state)


def _wants_json(asked: Asked) -> bool:
    return "json" in asked.headers.get("accept", "")


def _page(status: int, title: str) -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{status}</h1></body></html>"


def main(argv: Sequence[str] | None = None) -> None:
    """Serve an account as a process: ``--port 8801 --state FILE``; its URL is the first line of the output."""
    parser = arguments("A fake of KeyCRM's REST API.")
    parser.add_argument("--per-minute", type=int, default=PER_MINUTE, help="requests; 0: no limit")
    parser.add_argument("--order-webhook", action="append", default=[], metavar="URL", help="told of status changes")
    parser.add_argument("--stock-webhook", action="append", default=[], metavar="URL", help="told of stock changes")
    parser.add_argument("--seed", action="store_true", help="begin with a small account when there is no state")
    options = parser.parse_args(argv)
    fake = FakeKeyCrm(keys=(options.token or KEY,), per_minute=options.per_minute or None)
    if options.state and (state := load_state(options.state)):
        fake.load(state)
    elif options.seed:
        fake.seed()
    for url in options.order_webhook:
        fake.hooks.on_order(url)
    for url in options.stock_webhook:
        fake.hooks.on_stock(url)
    serve(fake, fake, options.port, options.state)


if __name__ == "__main__":
    main()
