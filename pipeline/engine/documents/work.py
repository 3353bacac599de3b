"""One order on its way through a run of the documents walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.documents import Act
from pipeline.engine.documents.parties import Buyer
from pipeline.engine.documents.plan import Plan
from pipeline.engine.documents.products import Chosen
from pipeline.engine.documents.standing import Standing
from pipeline.errors import Finding
from pipeline.model import Order
from pipeline.ports import DocumentDraft, DocumentRef, Ref, SeenOrder
from pipeline.ports.choices import Choice

Row = dict[str, Any]


@dataclass
class Work:
    """An order: as it was read, what the ledger has of it, and what is done about it."""

    seen: SeenOrder
    revision: str
    key: str  #: of its creation
    source: str
    order: Order | None = None  #: normalised, under the name that its keys have
    broken: tuple[Finding, ...] = ()  #: why the client's own step could not take it
    row: Row = field(default_factory=dict)  #: its ledger row, once there is one
    acts_before: Sequence[Row] = ()
    fresh: bool = True  #: it was just read, and is no order that waited
    status: str = ""  #: what its rules go by: not one that we wrote ourselves
    group: str = ""
    acts: tuple[Act, ...] = ()
    standing: Standing = field(default_factory=Standing)
    accepted: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()  #: why it waits, before it is planned
    notes: tuple[Finding, ...] = ()
    chosen: Chosen = field(default_factory=Chosen)
    buyer: Buyer = field(default_factory=Buyer)
    choices: tuple[Choice, ...] = ()  #: why it is done so, and why its document names what it names
    references: Mapping[str, Ref] = field(default_factory=dict)
    draft: DocumentDraft | None = None
    target_status: str | None = None
    others: Sequence[DocumentRef] = ()  #: shipments that are not ours
    plan: Plan = field(default_factory=Plan)
    ref: DocumentRef | None = None  #: its document, as soon as there is one
    did: list[str] = field(default_factory=list)
    untouched: bool = False  #: its document is as it is to be: what it names was not looked up
    stopped: bool = False  #: it waits, and nothing more is done about it in this run

    @property
    def number(self) -> str:
        """As people call it."""
        return self.seen.number or self.seen.id

    @property
    def subject(self) -> str:
        """Its name in events, cards and decisions, once it has a ledger row."""
        return f"order:{self.row['id']}"

    @property
    def target_ref(self) -> DocumentRef | None:
        """Its document, as the target knows it: one that a person named has no key of ours there."""
        if self.ref is None or not self.standing.adopted:
            return self.ref
        return DocumentRef(self.ref.id, self.ref.number)
