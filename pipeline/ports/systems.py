"""A system and what it knows: products, and lists that documents refer to.

An object has any of these capabilities; the engine asks by isinstance, never by vendor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from pipeline.errors import Finding
from pipeline.model import Product
from pipeline.ports.formats import Batch
from pipeline.texts import Text


@dataclass(frozen=True, slots=True)
class Ref:
    """A thing in a system: its id there, its code, and its name for people."""

    id: str
    code: str
    name: str = ""


@runtime_checkable
class System(Protocol):
    """A shop, CRM, ERP or accounting program. Its capabilities are the further protocols that it fulfils."""

    name: str

    def check(self) -> Sequence[Finding]:
        """Log in and look whether all is as needed; what is not, in words. Raises Refused, Transient."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one thing that was tried on a system, in words."""

    works: bool | None  #: None: it cannot be told
    text: Text
    needed: bool = False  #: the config has it switched on
    hint: Text | None = None
    proves: str = ""  #: name of what is only inferred (see OnlyInferred) until this has worked


@runtime_checkable
class WriteProbe(Protocol):
    """It can try by writing what its API takes, where only that can tell."""

    def try_writes(self) -> Iterator[Tried]:
        """Make something of our own, marked as such, look what comes of it, and take it away again.

        Only when a person asked for it. Raises Refused, Transient; what was made is taken away then, too.
        """
        ...


#: What a step would have a system do, for UntriedWrites: a field of an offer, or one of these.
NEW, STOCK_LEVELS, PAPERS = "new", "stock", "documents"


@runtime_checkable
class KnowsAccount(Protocol):
    """It can say which account it is: what is remembered of one account is nothing to another of the same name.

    A system without it is told by its settings: its addresses, folders, databases and keys, never its passwords.
    """

    @property
    def account(self) -> str:
        """A mark of the account (account_mark), the same for as long as ids there mean the same things; "" where it
        cannot say now. Raises Refused, Transient.
        """
        ...


@runtime_checkable
class UntriedWrites(Protocol):
    """Some of its writes nobody has seen: only a WriteProbe on the very account tells that they do what is meant."""

    @property
    def account(self) -> str:
        """The account that it writes into (HttpClient.account_key): its address and key, as a hash."""
        ...

    def untried(self) -> Mapping[str, frozenset[str]]:
        """What of the settings stands on such writes, as it is written in the config -> the uses that need it.

        Empty where the settings say that they are to be sent untried. Never asks the network.
        """
        ...


@runtime_checkable
class OnlyInferred(Protocol):
    """Some of what it does is our reading of its API, until a WriteProbe has shown it on the very account.

    Its ``check`` remarks on each, with ``about`` = ``inferred:NAME``.
    """

    @property
    def account(self) -> str:
        """As :attr:`UntriedWrites.account`."""
        ...

    def inferred(self) -> Mapping[str, Text]:
        """What a probe can show: by name, in words. Never asks the network."""
        ...


@runtime_checkable
class Catalogue(Protocol):
    """It can tell its products."""

    def products(self, since: datetime | None = None) -> Iterator[Product]:
        """All products, or those changed since, ordered by code."""
        ...

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        """All products column by column, ordered by code; ``at`` decides which special price holds."""
        ...

    def count(self) -> int:
        """How many products ``batches`` will give (for progress)."""
        ...


class CatalogueMoment(Protocol):
    """The catalogue as it is at one moment of its database."""

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        """As :meth:`Catalogue.batches`."""
        ...

    def mark(self, fields: Sequence[str], *, at: datetime) -> str | None:
        """A hash over all that ``batches`` of these fields are made of: while it is the same, so are they.

        It costs a fraction of reading them, and may change with what they do not show. None where there is none.
        """
        ...


@runtime_checkable
class Moments(Protocol):
    """A Catalogue whose moment can be held, and looked at more than once."""

    def moment(self) -> AbstractContextManager[CatalogueMoment]:
        """Holds this moment until it is left, while others may write. Raises Transient, Refused."""
        ...


@runtime_checkable
class DividedMoment(CatalogueMoment, Protocol):
    """A moment that two processes can read at the same time, each in a transaction of its own."""

    def still(self) -> bool:
        """Whether nothing was written into the database since this moment: one that was begun in between, in another
        process, is the same. False: it was, or nobody knows."""
        ...

    def code_at(self, place: int) -> str:
        """The code of the product at this place of ``batches``, counted from 0."""
        ...

    def batches(
        self, fields: Sequence[str], *, at: datetime, size: int = 1000, after: str | None = None
    ) -> Iterator[Batch]:
        """As :meth:`Catalogue.batches`; of the products after the code ``after``."""
        ...


@runtime_checkable
class DividedCatalogue(Protocol):
    """A Catalogue whose moments two processes can read at the same time."""

    def let_go(self) -> bool:
        """Close all that is open to the database, so that a process that is forked off now may open its own.

        False: it may not, because something in this process still uses it, or there is nothing to be opened twice.
        """
        ...

    def moment(self) -> AbstractContextManager[DividedMoment]:
        """As :meth:`Moments.moment`."""
        ...


@runtime_checkable
class ProductLookup(Protocol):
    """It can find products by article."""

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """For each asked code all that match it: exactly, else by normal form. Several: ambiguous. Absent: unknown."""
        ...


@runtime_checkable
class References(Protocol):
    """It keeps lists that documents refer to. Kinds: party, object, warehouse, user, currency, status, source …"""

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones of ``codes``; unknown codes are absent."""
        ...

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find or create."""
        ...


@runtime_checkable
class AddsReferences(Protocol):
    """It can say beforehand to which of its lists it adds what is missing. A system that does not say adds to none."""

    def adds_references(self) -> Collection[str]:
        """The kinds whose missing ones ``ensure`` makes, or the first document that names one."""
        ...


@runtime_checkable
class ReferenceLists(Protocol):
    """It can tell all of a list that documents refer to, so that a person can be shown what may be meant."""

    def references(self, kind: str) -> Sequence[Ref]:
        """All of that kind, ordered by code; of a kind that it does not keep, none."""
        ...
