"""Looks documents up by plain HTTP with the vendors' own calls, as any other program would: nothing of Mistok is used
here. Amounts are texts or numbers, as the vendor's API writes them; :func:`amount` makes a Decimal of either."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

Row = dict[str, Any]


def amount(value: object) -> Decimal:
    """A number as an API writes it."""
    return Decimal(str(value))


def ask(url: str, method: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
    """One request and its answer, read as JSON. Raises HTTPError for a refusal."""
    data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    more = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, headers=more, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as reply:
        return json.loads(reply.read().decode("utf-8"), parse_float=Decimal)


@dataclass
class KeyCrm:
    """Somebody who works with KeyCRM's API (openapi.keycrm.app, version 1.2.0): a site that posts orders, a manager
    who moves them on."""

    url: str  #: with ``/v1``
    key: str = "key"

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """One call of the API."""
        asked = f"?{urlencode(query)}" if query else ""
        return ask(f"{self.url}{path}{asked}", method, body, {"Authorization": f"Bearer {self.key}"})

    def order(self, **values: Any) -> int:
        """A new order of the site; its id."""
        return int(self.call("POST", "/order", {"source_id": 1, **values})["id"])

    def move(self, number: int, status: int) -> None:
        """A manager moves an order on."""
        self.call("PUT", f"/order/{number}", {"status_id": status})

    def one(self, number: int) -> Row:
        """An order."""
        row: Row = self.call("GET", f"/order/{number}", include="buyer,products.offer,shipping,payments")
        return row

    def offers(self) -> dict[str, Row]:
        """All offers by their article."""
        rows = self.call("GET", "/offers", limit=50, include="product")["data"]
        return {row["sku"]: row for row in rows}

    def stock(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Article -> what lies in all warehouses, and what of it may be sold."""
        rows = self.call("GET", "/offers/stocks", limit=50)["data"]
        return {row["sku"]: (amount(row["quantity"]), amount(row["quantity"]) - amount(row["reserve"])) for row in rows}


@dataclass
class Dilovod:
    """Somebody who looks into a base by Dilovod's packet API, version 0.25."""

    url: str
    key: str = "key"

    def call(self, action: str, **params: Any) -> Any:
        """One packet."""
        packet = {"version": "0.25", "key": self.key, "action": action, "params": params}
        answer = ask(self.url, "POST", packet)
        assert not (isinstance(answer, dict) and answer.get("error")), answer
        return answer

    def request(self, source: object, fields: str, *filters: tuple[str, str, object]) -> list[Row]:
        """Rows of a list or register; each field under its own name."""
        named = {name: name for name in fields.split()}
        asked = [{"alias": alias, "operator": operator, "value": value} for alias, operator, value in filters]
        rows: list[Row] = self.call("request", **{"from": source, "fields": named, "filters": asked, "limit": 500})
        return rows

    def documents(self, kind: str) -> list[Row]:
        """All documents of a kind with their lines, those that are marked for deletion too, oldest first."""
        rows = self.request(f"documents.{kind}", "id")
        found = []
        for row in sorted(rows, key=lambda row: str(row["id"])):
            whole = self.call("getObject", id=row["id"])
            found.append({**whole["header"], "lines": whole.get("tableParts", {}).get("tpGoods", [])})
        return found

    def names(self, kind: str) -> dict[str, str]:
        """Id -> name of a catalogue's elements."""
        return {row["id"]: row["name"] for row in self.request(f"catalogs.{kind}", "id name")}

    def goods(self) -> dict[str, Row]:
        """Article -> the card of each good with all that it has."""
        rows = self.request("catalogs.goods", "id productNum", ("productNum", "!=", ""))
        return {row["productNum"]: self.call("getObject", id=row["id"])["header"] for row in rows}

    def stock(self) -> dict[str, Decimal]:
        """Article -> the balance in all storages."""
        moment = "2099-12-31 00:00:00"
        source = {"type": "balance", "register": "goods", "date": moment, "dimensions": ["good"]}
        rows = self.request(source, "good.productNum qty")
        return {row["good.productNum"]: amount(row["qty"]) for row in rows}


@dataclass
class Quincefin:
    """Somebody who reads an account of Quincefin by its JSON API."""

    url: str
    key: str = "key"

    def rows(self, path: str, **filters: object) -> list[Row]:
        """All records of a list, page by page, oldest first; of documents those of all days."""
        dates = {} if path in ("partner", "product", "service") else {"DateFrom": "2026-01-01", "DateTo": "2099-12-31"}
        found: list[Row] = []
        for page in range(1, 100):
            body = {"filter": {**dates, **filters}, "page": page}
            answer = ask(f"{self.url}/api/v2/{path}/list", "POST", body, {"Authorization": f"Bearer {self.key}"})
            assert answer["success"], answer
            found += answer["data"]
            if len(answer["data"]) < 100:
                break
        return sorted(found, key=lambda row: int(row["Id"]))

    def goods(self) -> dict[int, Row]:
        """Goods of every kind, and services, by id."""
        kinds = [row for kind in "PKMUB" for row in self.rows("product", Kind=kind)]
        return {row["Id"]: row for row in [*kinds, *self.rows("service")]}

    def stock(self, store: int) -> dict[str, Decimal]:
        """Article -> the balance in a store."""
        rows = [row for kind in "PKMU" for row in self.rows("product", Kind=kind, Store=[store])]
        return {
            row["Article"]: sum((amount(one["Quantity"]) for one in row.get("Balances", ())), Decimal(0))
            for row in rows
            if row.get("Article")
        }
