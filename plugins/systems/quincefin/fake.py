"""A faithful fake of Quincefin's JSON API, as far as the beginnings of its articles show it; for tests and samples::

    fake = FakeQuincefin()
    with FakeServer(fake) as server:
        … a client of server.url with the header "Authorization: Bearer key" …

Address and login are settings, what is not known is a switch of :class:`Quirks`. It is made so that a client which
relies on a guess fails in one setting or another. As a process it keeps its state in a file::

    python -m plugins.systems.quincefin.fake --port 8092 --state quincefin.json --token secret --header X-Api-Key \\
        --scheme "" --seed --quirk contacts=flat
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked, FakeApi, pages
from pipeline.testing.fakerun import arguments, chosen, load_state, serve
from plugins.systems.quincefin._fake_account import PAGE, Account, Row
from plugins.systems.quincefin._fake_lists import GUESSED, LISTS, Listed
from plugins.systems.quincefin._fake_quirks import Quirks
from plugins.systems.quincefin._fake_writes import Writes

__all__ = ["HEADER", "KEY", "FakeQuincefin", "Quirks", "main"]

KEY, HEADER, SCHEME = "key", "Authorization", "Bearer "
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Amount = Decimal | int | str  #: of money or goods; never float
_MINUTE = timedelta(minutes=1)


class FakeQuincefin(FakeApi):
    """One account. ``now`` gives the aware moment; the login is the header ``header`` with ``scheme`` and ``key``."""

    def __init__(
        self,
        quirks: Quirks | None = None,
        now: Callable[[], datetime] | None = None,
        *,
        key: str = KEY,
        header: str = HEADER,
        scheme: str = SCHEME,
    ) -> None:
        super().__init__()
        self.account = Account(quirks or Quirks(), now or (lambda: datetime.now(UTC)))
        self.writes = Writes(self.account)
        self.header, self.login = header.lower(), f"{scheme}{key}"
        self._recent: deque[datetime] = deque()
        for verb in VERBS:
            self.add(verb, "/{path*}", self._asked)

    def behave(self, **changes: Any) -> None:
        """Go on with other switches of :class:`Quirks`."""
        with self.lock:
            self.account.quirks = dataclasses.replace(self.account.quirks, **changes)

    # --- every request --------------------------------------------------------------------------------------------

    def before(self, asked: Asked) -> None:
        """The login, then the limit."""
        account = self.account
        if asked.headers.get(self.header) != self.login:
            raise Answered(account.error("unauthorized", account.quirks.auth_status))
        if account.quirks.rate_limit:
            self._count()

    def _count(self) -> None:
        now, quirks = self.account.now(), self.account.quirks
        while self._recent and self._recent[0] <= now - _MINUTE:
            self._recent.popleft()
        if len(self._recent) < quirks.rate_limit:
            self._recent.append(now)
            return
        wait = (
            {"Retry-After": str(ceil((self._recent[0] + _MINUTE - now).total_seconds()))} if quirks.retry_after else {}
        )
        answer = self.account.error("too many requests", 429)
        raise Answered(Answer(429, answer.body, wait, answer.content_type))

    def unknown(self, asked: Asked) -> Answer:
        """No such method."""
        if self.account.quirks.unknown_page == "html":
            return Answer(404, "<!DOCTYPE html><html><body><h1>Not Found</h1></body></html>")
        return self.account.error(f"no method {asked.path}", 404)

    def _asked(self, asked: Asked, path: str) -> Any:
        quirks, full = self.account.quirks, f"/{path}"
        name, _, method = full.removeprefix(quirks.prefix).strip("/").rpartition("/")
        listed = LISTS.get(name)
        if not full.startswith(f"{quirks.prefix}/") or listed is None or not self._has(listed, method):
            return self.unknown(asked)
        if asked.method != "POST" and quirks.verbs == "POST":
            return self.account.error(f"no {asked.method} here", 405)
        if quirks.json_type_checked and not asked.headers.get("content-type", "").startswith("application/json"):
            return self.account.error("the body is no JSON", 415)
        try:
            body = asked.json()
        except Answered:
            return self.account.error("the body is no JSON", 400)
        if method == "list":
            return self._list(listed, {} if body is None else body)
        return self.writes.add(listed, body) if method == "add" else self.writes.update(listed, body)

    def _has(self, listed: Listed, method: str) -> bool:
        quirks, path = self.account.quirks, listed.path
        if path in GUESSED and not getattr(quirks, listed.switch):
            return False
        if method == "list":
            return True
        if path == "price":
            return method == "add" and quirks.price_add
        if listed.switch and not getattr(quirks, listed.switch):
            return False
        return method in ("add", "update") and listed.writes

    # --- lists ----------------------------------------------------------------------------------------------------

    def _list(self, listed: Listed, body: Any) -> Row:
        account, quirks = self.account, self.account.quirks
        given = body.get("filter") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(given, (dict, type(None))):
            account.refuse("wrong filter")
        page = body.get("page", 1)
        if isinstance(page, bool) or not isinstance(page, int) or page < 1:
            account.refuse("wrong page")
        rows = account.found(listed, given or {})
        told = [account.shown(listed, row, given or {}) for row in pages(rows, page, PAGE)]
        if not told and page > 1 and quirks.past_end == "refused":
            account.refuse("wrong page")
        return {"success": True, "data": told, **({"total": len(rows)} if quirks.totals else {})}

    # --- state ----------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """The account as JSON values."""
        return self.account.dump()

    def load(self, state: Mapping[str, Any]) -> None:
        """What ``dump`` gave, in place of what there is."""
        with self.lock:
            self.account.load(state)

    def send_webhooks(self) -> None:
        """None are known."""

    # --- what is put in, by people in the program -----------------------------------------------------------------

    def put(self, path: str, /, **values: Any) -> int:
        """A record of a list (``"partner"``, ``"document/outgoing_return"``), or a name of ``companies``, ``stores``,
        ``statuses``, ``sources``, ``users``, ``accounts``, which no method tells. Moments aware; gives the id."""
        given = {name: self.account.stamp(one) if isinstance(one, datetime) else one for name, one in values.items()}
        with self.lock:
            return int(self.account.put(path, given)["Id"])

    def change(self, path: str, key: int, /, **values: Any) -> None:
        """Change a record."""
        with self.lock:
            self.account.tables[path][key] |= values

    def add_product(
        self, name: str, article: str = "", *, kind: str = "P", stock: Mapping[int, Amount] | None = None, **values: Any
    ) -> int:
        """Goods, with what lies in each store."""
        key = self.put("product", Name=name, Article=article, Kind=kind, ParentFolder=values.pop("ParentFolder", None),
                       **values)  # fmt: skip
        for store, quantity in (stock or {}).items():
            self.account.balances.append({"Product": key, "Store": store, "Quantity": Decimal(quantity)})
        return key

    def add_price(self, product: int, kind: int, price: Amount, date: datetime, currency: str = "UAH") -> int:
        """A price from a day on."""
        return self.put("price", Date=date, PriceType=kind, Product=product, Price=Decimal(price), Currency=currency)

    def close(self, day: str) -> None:
        """Close the period before a day, ``2026-11-01``: its documents can not be written any more."""
        self.account.closed = day

    # --- what is looked up ----------------------------------------------------------------------------------------

    def rows(self, path: str, /, **values: Any) -> list[Row]:
        """Plain copies of all records of a list with these values, under the fake's own names (see _fake_lists)."""
        with self.lock:
            rows = deepcopy(list(self.account.tables[path].values()))
        return [row for row in rows if all(row.get(name) == value for name, value in values.items())]

    def one(self, path: str, key: int) -> Row:
        """One of them. Raises KeyError for one that is not there."""
        with self.lock:
            return deepcopy(self.account.tables[path][key])

    def orders(self, site: str | None = None) -> list[Row]:
        """All orders, or those with a number of the site (or CRM): two of one are a mistake."""
        return self.rows("order", **({} if site is None else {"NumberOrderSite": site}))

    def balance(self, product: int, store: int | None = None) -> Decimal:
        """What lies in a store, or in all, by what was put there and by documents that are published."""
        with self.lock:
            return self.account.balance(product, store)

    # --- a small account ------------------------------------------------------------------------------------------

    def seed(self) -> dict[str, int]:
        """201 partners, goods of every kind, twins by name, prices of two currencies; some ids by name."""
        named = {"company": self.put("companies", Name="ТОВ Приклад"), "store": self.put("stores", Name="Основний")}
        named |= {"account": self.put("accounts", Name="Рахунок у банку"), "user": self.put("users", Name="Олена")}
        named |= {"retail": self.put("price_type", Name="Роздріб"), "dollars": self.put("price_type", Name="Опт, USD")}
        folder = self.put("product/folder", Name="Кава", ParentFolder=None)
        first = self.add_product("Кава", "COF-1", stock={named["store"]: 12}, ParentFolder=folder)
        named |= {"folder": folder, "coffee": first, "twin": self.add_product("Кава", "COF-2")}
        named |= {"blank": self.add_product("Без артикула")}
        base = self.add_product("Футболка", kind="B")
        named |= {"base": base, "variant": self.add_product("Футболка, M", "TS-M", kind="U", Base=base)}
        named |= {
            "kit": self.add_product("Набір", "SET", kind="K"),
            "own": self.add_product("Випічка", "PIE", kind="M"),
        }
        self.add_product("Стара кава", "COF-0", Archive=True)
        self.put("service", Name="Доставка", ParentFolder=None)
        for kind, price, currency in ((named["retail"], "450.50", "UAH"), (named["dollars"], 10, "USD")):
            self.add_price(first, kind, price, self.account.now() - 30 * timedelta(days=1), currency)
        self.add_price(first, named["retail"], 460, self.account.now() - timedelta(days=1))
        for number in range(1, 202):
            partner = self.put("partner", Name=f"Покупець {number}", ParentFolder=None, TaxNumber=f"{number:010d}")
            if number < 201:
                self.put("contract", Name="Основний договір", Kind="P", Currency="UAH", Company=named["company"],
                         Partner=partner, PriceType=named["retail"])  # fmt: skip
        named |= {"partner": self.rows("partner")[0]["Id"], "contract": self.rows("contract")[0]["Id"]}
        named |= {"cash": self.put("accounts", Name="Каса"), "manager": self.put("users", Name="Ганна")}
        named |= {"in work": self.put("statuses", Name="В роботі"), "delivery": self.rows("service")[0]["Id"]}
        return named


def main(argv: Sequence[str] | None = None) -> None:
    """Run it as a process: see the module's text."""
    parser = arguments("A fake Quincefin, on loopback")
    parser.add_argument("--header", default=HEADER, help="the header of the login")
    parser.add_argument("--scheme", default=SCHEME, help="what stands before the token in it")
    parser.add_argument("--seed", action="store_true", help="begin with a small account when there is no state")
    options = parser.parse_args(argv)
    fake = FakeQuincefin(
        chosen(Quirks, options.quirk), key=options.token or KEY, header=options.header, scheme=options.scheme
    )
    state: Path | None = options.state
    kept = load_state(state) if state else {}
    if kept:
        fake.load(kept)
    elif options.seed:
        fake.seed()
    serve(fake, fake, options.port, state)


if __name__ == "__main__":
    main()
