"""Exchanges to test on: an accounting program of our own making on the other side, or a shop, over folders or HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from pipeline.api import Offer, ProductDraft, SystemEnv, Transport
from pipeline.testing.sync_subject import Places
from pipeline.transports.local import LocalSettings, LocalTransport
from plugins.systems.commerceml import PLUGIN
from plugins.systems.commerceml.fake import FakeAccounting, FakeServer, FakeShop, Quirks, ShopQuirks, Thing
from plugins.systems.commerceml.serving import ExchangeServer
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import Store
from plugins.systems.commerceml.system import FromAccounting, ToShop

USER, PASSWORD = "exchange", "s3cret"
PRICES = {"price": "Роздрібна", "price.cost": "Собівартість"}


class Clock:
    """Stands still unless moved; sleeping moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class World:
    """One exchange of ours, and all that is opened of it: closed at the end of each test."""

    opened: ClassVar[list[Any]] = []

    def __init__(self, base: Path, **settings: Any) -> None:
        self.base, self.clock = base, Clock()
        self.settings = CommerceMLSettings.model_validate(settings)
        self.transport_of: Callable[[str], Transport] = self._local

    def _local(self, name: str) -> Transport:
        (self.base / "site").mkdir(exist_ok=True)
        return LocalTransport(name, LocalSettings(path=self.base / "site"), base=self.base)

    def env(self, **more: Any) -> SystemEnv:
        def transport(name: str) -> Transport:
            return self.transport_of(name)

        values: dict[str, Any] = {"transport": transport} | more
        return SystemEnv("1c", "demo", self.base, "UAH", "Europe/Kyiv", self.clock, **values)

    def open(self, **more: Any) -> Any:
        made = PLUGIN.open(self.settings, self.env(**more))
        self.opened.append(made)
        return made

    @property
    def state(self) -> Path:
        return self.base / "commerceml" / "1c" / "state.sqlite3"

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        store = Store(self.state)
        try:
            with store.reading() as db:
                return [dict(row) for row in db.execute(query, values)]
        finally:
            store.close()


class Accounting(World):
    """A 1C on the other side, over folders or (``http``) over a served address."""

    def __init__(self, base: Path, quirks: Quirks | None = None, *, http: bool = False, **settings: Any) -> None:
        way: dict[str, Any] = {"files": {"on": "site", "take": "from-1c", "put": "to-1c", "marker": "done.txt"}}
        if http:
            way = {
                "server": {"user": USER, "password": PASSWORD, "port": 0, "file_limit": 3000}
                | settings.pop("server", {})
            }
        super().__init__(
            base, role="shop", **({"prices": PRICES, "image_url": "https://shop.example/img/"} | way | settings)
        )
        self.fake = FakeAccounting(quirks)
        self.server: ExchangeServer | None = None
        for name in ("from-1c", "to-1c"):
            (base / "site" / name).mkdir(parents=True, exist_ok=True)

    def accounting(self, **more: Any) -> FromAccounting:
        made = self.open(**more)
        assert isinstance(made, FromAccounting)
        return made

    @property
    def url(self) -> str:
        if self.server is None:
            self.server = ExchangeServer(self.settings, self.env()).start()
            self.opened.append(_Stopped(self.server))
        return self.server.url

    def export(self, *, full: bool = True, marker: bool = True) -> None:
        """A whole session of goods."""
        if self.settings.server is not None:
            self.fake.push(self.url, USER, PASSWORD, full=full)
            return
        folder = self.base / "site" / "from-1c"
        self.clock.sleep(1)
        for name, data in self.fake.files(full=full).items():
            (folder / name).write_bytes(data)
        if marker:
            (folder / "done.txt").write_bytes(b"")

    def drop(self, name: str, data: bytes) -> None:
        """One file into the folder that is taken from, and the marker."""
        (self.base / "site" / "from-1c" / name).write_bytes(data)
        (self.base / "site" / "from-1c" / "done.txt").write_bytes(b"")

    def put(self) -> list[str]:
        """What lies in the folder for the accounting program."""
        return sorted(path.name for path in (self.base / "site" / "to-1c").iterdir())

    # --- as the contract wants it ------------------------------------------------------------------------------------

    def seed(self, drafts: Sequence[ProductDraft]) -> None:
        for draft in drafts:
            base = self._thing(draft.base, str(uuid.uuid4()))
            base.parts = [self._thing(one, f"c{n}-{uuid.uuid4()}") for n, one in enumerate(draft.variants, 1)]
            self.fake.things[base.id] = base

    def _thing(self, offer: Offer, own: str) -> Thing:
        values = offer.values
        prices = {"pr1": values.get("price"), "pr2": values.get("price.cost")}
        return Thing(
            own,
            article=offer.keys.get("sku", ""),
            name=values.get("name", ""),
            description=values.get("description", ""),
            unit=values.get("unit", "шт"),
            barcode=values.get("barcode", ""),
            maker=values.get("manufacturer", ""),
            weight=str(values["weight"]) if values.get("weight") is not None else "",
            groups=tuple(self._group(path) for path in values.get("categories", ())),
            images=tuple(one.removeprefix("https://shop.example/img/") for one in values.get("images", ())),
            options=values.get("options", {}),
            prices={kind: price for kind, price in prices.items() if price is not None},
            deleted=values.get("published") is False,
        )

    def _group(self, path: tuple[str, ...]) -> str:
        above = own = ""
        for depth in range(1, len(path) + 1):
            own = str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(path[:depth])))
            self.fake.groups[own] = (path[depth - 1], above)
            above = own
        return own

    def settle(self) -> None:
        self.export()

    def of(self, own: str) -> Thing:
        good, _, part = own.partition("#")
        thing = self.fake.things[good]
        return next((one for one in thing.parts if one.id == part), thing)

    def rows_of(self) -> Mapping[str, Mapping[str, Any]]:
        found = {}
        for thing in self.fake.things.values():
            found[thing.id] = asdict(thing)
            found |= {f"{thing.id}#{part.id}": asdict(part) for part in thing.parts}
        return found

    def remove(self, own: str) -> None:
        del self.fake.things[own]

    def seed_stock(self, places: Places) -> None:
        ids = {name: own for own, name in self.fake.warehouses.items()} | {"": ""}
        for (own, house), (on_hand, _) in places.items():
            self.of(own).stock[ids[house]] = on_hand


class _Stopped:
    def __init__(self, server: ExchangeServer) -> None:
        self._server = server

    def close(self) -> None:
        self._server.stop()


class Site(World):
    """A shop on the other side, over HTTP."""

    def __init__(self, base: Path, quirks: ShopQuirks | None = None, **settings: Any) -> None:
        self.shop = FakeShop(quirks or ShopQuirks(), USER, PASSWORD)
        self.server = FakeServer(self.shop).start()
        self.opened.append(_Fake(self.server))
        extra = f"?wc1c={self.shop.quirks.extra_query}" if self.shop.quirks.extra_query else ""
        http = {"url": f"{self.server.url}/bitrix/admin/1c_exchange.php{extra}", "user": USER, "password": PASSWORD}
        http |= {"timeout": "5s"} | settings.pop("http", {})
        super().__init__(base, role="accounting", http=http, **({"prices": PRICES} | settings))

    def to_shop(self, **more: Any) -> ToShop:
        made = self.open(**more)
        assert isinstance(made, ToShop)
        return made


class _Fake:
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def close(self) -> None:
        self._server.stop()


def document_total(world: World, own: str) -> Decimal:
    """Of a document, as stored."""
    (row,) = world.rows("SELECT total FROM documents WHERE id = ?", own)
    return Decimal(row["total"])
