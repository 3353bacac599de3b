"""A system that orders come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from pipeline.errors import Finding
from pipeline.model import Order
from pipeline.ports.syncing import RowOutcome
from pipeline.ports.systems import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOrder:
    """An order of a system, read, or held with what is wrong with it."""

    id: str
    number: str
    status: str  #: the system's own id or code of its status
    order: Order | None
    findings: tuple[Finding, ...] = ()
    updated_at: datetime | None = None
    revision: str = ""  #: of its content and status: another one is another event
    raw: str = ""  #: as its source wrote it, where it could not be read: kept in the archive for whoever mends it


@runtime_checkable
class Orders(Protocol):
    """It can tell its orders."""

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """Finished orders changed since, oldest change first; of ``statuses`` only, or of all when it is empty."""
        ...

    def order_statuses(self) -> Sequence[Ref]:
        """All statuses that it knows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """What is to be written back to an order. None is left as it is."""

    id: str
    status: str | None = None  #: the system's own id or code
    number: str | None = None  #: of the document that was made of it
    tracking: str | None = None
    comment: str | None = None


@runtime_checkable
class ApplyOrders(Protocol):
    """It can be told what became of its orders. Absolute: what is so already is ``existed``."""

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Write each."""
        ...


@dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook says may have changed. Never believed: the poll decides. Kinds: orders, stock, catalogue."""

    kinds: frozenset[str]
    ids: tuple[str, ...] = ()


@runtime_checkable
class Webhooks(Protocol):
    """It can read what its system posts to us."""

    def hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """What is meant; Hint of nothing for what is not understood. Never raises, never asks the network."""
        ...
