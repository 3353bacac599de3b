"""A base of Dilovod as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.api import (
    Finding,
    Noticing,
    Offer,
    Offers,
    OfferTraits,
    ProductLookup,
    ProductNames,
    Ref,
    Stock,
    StockLevel,
    System,
    SystemEnv,
)
from plugins.systems.dilovod import mapping
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.lists import Lists
from plugins.systems.dilovod.reading import Reader
from plugins.systems.dilovod.settings import DilovodSettings


class Dilovod:
    """One base. Asks nothing before it is needed."""

    def __init__(self, settings: DilovodSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.client = Client(settings, env)
        self.lists = Lists(self.client)
        self.reader = Reader(self.client, self.lists, settings, env)

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in, and look whether the base has what the settings name, and the role may do what is needed."""
        self.client.objects()
        return ()

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()

    # --- Offers, Stock, Noticing -------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """See Offers."""
        return mapping.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - the API has no filter by time
        """All offers, whatever ``since`` is."""
        return self.reader.offers()

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - as above
        """All levels, whatever ``since`` is."""
        return self.reader.levels()

    def warehouses(self) -> Sequence[Ref]:
        """Those that the settings name, else all storages."""
        found = (Ref(ref.id, code, ref.name) for code, ref in self.reader.storages().items())
        return tuple(sorted(found, key=lambda ref: ref.code))

    def noticed(self) -> Sequence[Finding]:
        """See Noticing: what the role may not read."""
        return self.reader.noticed()

    # --- ProductLookup, ProductNames ---------------------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup."""
        return self.reader.find_products(codes)

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        return self.reader.find_by_name(names)


_system: type[System] = Dilovod
_offers: type[Offers] = Dilovod
_stock: type[Stock] = Dilovod
_noticing: type[Noticing] = Dilovod
_lookup: type[ProductLookup] = Dilovod
_names: type[ProductNames] = Dilovod
