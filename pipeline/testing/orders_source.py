"""A scripted source of orders: a folder in which each order lies as one file, as :mod:`pipeline.engine.documents.paper`
keeps them; what is written back changes the file. It outlives a killed process.

A client loads it as a plugin of its own::

    # plugins/source.py
    from pipeline.testing.orders_source import PLUGIN

    # config.yaml
    connections:
      crm: {type: orders-source, folder: crm, statuses: {"4": Confirmed}}
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from pipeline.engine.documents import paper
from pipeline.errors import Finding, Held, Transient
from pipeline.flow import SystemEnv, SystemPlugin
from pipeline.model import Offer, StockLevel
from pipeline.ports import ApplyOrders, OfferTraits, OrderChange, Orders, Ref, RowOutcome, SeenOrder, Stock, System
from pipeline.settings import Settings
from pipeline.texts import T, verbatim

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SourceSettings(Settings):
    """Where the orders lie."""

    folder: str = "crm"
    """Folder of the orders, relative to the config."""
    statuses: dict[str, str] = Field(default_factory=dict)
    """Id of each status -> its name."""


class OrdersSource:
    """The system. ``stock.json``: article -> [on hand, reserved]; ``offers.json``: see :meth:`offers`; ``refuse.json``:
    id of an order -> what is said to whatever is written back to it; ``down``: it does not answer."""

    def __init__(self, settings: SourceSettings, env: SystemEnv) -> None:
        self.name = env.name
        self._settings, self._clock = settings, env.clock
        self.folder = env.base / settings.folder

    def check(self) -> Sequence[Finding]:
        """Nothing is ever wrong with it."""
        return ()

    def close(self) -> None:
        """Nothing is open."""

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """See Orders."""
        note(self.folder, {"asked": since.isoformat() if since else None})
        self._answer()
        found = [paper.from_bytes(path.read_bytes()) for path in sorted(self.folder.glob("order-*.json"))]
        for seen in sorted(found, key=lambda one: (one.updated_at or LONG_AGO, one.id)):
            at = seen.updated_at
            if at is not None and ((since is not None and at < since) or (until is not None and at >= until)):
                continue
            if not statuses or seen.status in statuses:
                yield seen

    def order_statuses(self) -> Sequence[Ref]:
        """As the settings say."""
        return [Ref(number, number, name) for number, name in self._settings.statuses.items()]

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """See ApplyOrders."""
        self._answer()
        return [self._apply(change) for change in changes]

    def _apply(self, change: OrderChange) -> RowOutcome:
        path = self.folder / "refuse.json"
        refused = json.loads(path.read_text("utf-8")).get(change.id) if path.exists() else None
        if refused:
            return RowOutcome(error=Held(verbatim(refused)))
        note(self.folder, {"id": change.id, "status": change.status, "number": change.number,
                           "tracking": change.tracking})  # fmt: skip
        seen = read(self.folder, change.id)
        order = seen.order
        if order is not None and change.number:
            order = replace(order, manager_comment=f"{order.manager_comment}\nДокумент {change.number}".strip())
        if order is not None and change.tracking:
            order = replace(order, delivery=replace(order.delivery, tracking=change.tracking))
        put(self.folder, replace(seen, order=order, status=change.status or seen.status), self._clock.now())
        return RowOutcome((change.id,))

    # --- goods ---

    def offer_traits(self) -> OfferTraits:
        """What it tells."""
        return OfferTraits(keys=("sku",), reads=frozenset({"name", "category", "options"}))

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - the port's
        """The rows of ``offers.json``: id, product, kind, sku, name, category, options."""
        path = self.folder / "offers.json"
        for row in json.loads(path.read_text("utf-8")) if path.exists() else ():
            values = {
                "name": row["name"],
                "category": tuple(row.get("category", ())),
                "options": row.get("options", {}),
            }
            keys = {"sku": row["sku"]} if row.get("sku") else {}
            yield Offer(id=row["id"], product=row["product"], kind=row["kind"], keys=keys, values=values)

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - the port's
        """Of ``stock.json``."""
        path = self.folder / "stock.json"
        for code, (hand, kept) in (json.loads(path.read_text("utf-8")) if path.exists() else {}).items():
            yield StockLevel(code, "", Decimal(hand), Decimal(kept), code)

    def warehouses(self) -> Sequence[Ref]:
        """None."""
        return ()

    def _answer(self) -> None:
        if (self.folder / "down").exists():
            raise Transient(T("The service did not answer in time."))


def put(folder: Path, seen: SeenOrder, at: datetime) -> None:
    """The order as it is from ``at`` on."""
    folder.mkdir(parents=True, exist_ok=True)
    order = replace(seen.order, updated_at=at) if seen.order is not None else None
    data = paper.to_bytes(replace(seen, order=order, updated_at=at))
    (folder / f"order-{seen.id}.json").write_bytes(data)


def read(folder: Path, order_id: str) -> SeenOrder:
    """The order as it is."""
    return paper.from_bytes((folder / f"order-{order_id}.json").read_bytes())


def note(folder: Path, what: dict[str, str | None]) -> None:
    """Write down what was asked or told."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "calls.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(what, ensure_ascii=False) + "\n")


def told(folder: Path) -> list[dict[str, str | None]]:
    """What was written back so far, oldest first."""
    path = folder / "calls.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [one for one in map(json.loads, lines) if "asked" not in one]


_: type[System] = OrdersSource
_orders: type[Orders] = OrdersSource
_apply: type[ApplyOrders] = OrdersSource
_stock: type[Stock] = OrdersSource

PLUGIN = SystemPlugin(
    name="orders-source",
    summary=T("Tells orders that lie in a folder, and is told what became of them"),
    settings=SourceSettings,
    open=OrdersSource,
)
