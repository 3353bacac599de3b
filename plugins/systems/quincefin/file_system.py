"""Orders as import files for Quincefin: each in one file, and each file whole or not there. See ``file_journal``."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.api import (
    ConfigError,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    Finding,
    FolderMissing,
    Held,
    InDoubt,
    ListedDocument,
    MistokError,
    ProductLookup,
    ProductNames,
    Ref,
    References,
    Refused,
    System,
    SystemEnv,
    T,
    Transient,
    Transport,
    Who,
)
from plugins.systems.quincefin.file_goods import read_goods
from plugins.systems.quincefin.file_journal import Entry, Journal, NewEntry
from plugins.systems.quincefin.file_rows import Cell, check_encoding, encoded, rows_of
from plugins.systems.quincefin.file_settings import QuincefinFileSettings
from plugins.systems.quincefin.mapping import Goods
from plugins.systems.quincefin.marks import key_of, order_of_key
from plugins.systems.quincefin.refusals import held

_LOCKS: dict[Path, threading.RLock] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Ready:
    """An order that may go into a file."""

    place: int
    draft: DocumentDraft
    rows: list[tuple[Cell, ...]]


class QuincefinFile:
    """One folder of import files."""

    def __init__(self, settings: QuincefinFileSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.zone = ZoneInfo(env.timezone)
        self.journal = Journal(env.base / settings.journal)
        self._goods: Goods | None = None
        with _LOCK:
            self._lock = _LOCKS.setdefault(self.journal.path.absolute(), threading.RLock())

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Look whether the folder can be listed, and the journal and the goods be read; nothing is written."""
        findings = []
        with suppress(FolderMissing):  # it is made by the first file
            self._transport().list(self.settings.folder)
        entries = self.journal.entries().values()
        if self.settings.goods is not None:
            self.goods()
        waiting = sorted({one.file for one in entries if one.state in ("sending", "doubt")})
        if waiting:
            findings.append(
                Finding(
                    "quincefin-file-doubt",
                    T("Files of which it is not known whether they were taken: {names}.", names=", ".join(waiting)),
                    hint=T("Look into Quincefin for their orders."),
                    who=Who.ACCOUNTANT,
                )
            )
        return findings

    def close(self) -> None:
        """Nothing is held open."""

    def _transport(self) -> Transport:
        if self.env.transport is None:
            raise ConfigError(
                T("The folder of {name} can only be opened by a run: it needs a connection.", name=self.env.name)
            )
        return self.env.transport(self.settings.to)

    # --- ProductLookup, ProductNames, References ---------------------------------------------------------------------

    def goods(self) -> Goods:
        """Those of the table that the settings name."""
        if self._goods is None:
            table = self.settings.goods
            self._goods = read_goods(table, self.env.base) if table is not None else Goods(())
        return self._goods

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup. Without a table of goods each article is taken as it is."""
        if self.settings.goods is None:
            return {code: [Ref(code.strip(), code.strip())] for code in codes if code.strip()}
        found = {code: self.goods().with_article(code) for code in codes}
        return {code: [Ref(one.article, one.article, one.name) for one in some] for code, some in found.items() if some}

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames: among the goods of the table; without one nothing is found."""
        found = {name: self.goods().with_name(name) for name in names}
        return {name: [Ref(one.article, one.article, one.name) for one in some] for name, some in found.items() if some}

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:  # noqa: ARG002 - all alike
        """See References: names stand in the file as they are."""
        return {code: Ref(code, code, code) for code in codes if code.strip()}

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:  # noqa: ARG002 - all alike
        """See References."""
        return Ref(code, code, name or code)

    # --- Documents, DocumentList -------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Documents: orders that stand in a file which went out."""
        wanted = {key: order for key in keys if (order := order_of_key(key)) is not None}
        with self._lock:
            entries = self._settled(list(wanted.values()))
        return {
            key: self._ref(entries[order], key)
            for key, order in wanted.items()
            if order in entries and entries[order].state == "written"
        }

    def all_documents(self) -> Iterator[ListedDocument]:
        """See DocumentList."""
        with self._lock:
            entries = self._settled(None)
        for (source, order_id), entry in entries.items():
            if entry.state == "written":
                key = key_of(self.env.client, source, order_id)
                yield ListedDocument(self._ref(entry, key), source, order_id)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """See Documents: one file for all that are new, or several where they are very many."""
        with self._lock:
            return self._create(drafts) if drafts else []

    def _create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        entries = self._settled([(one.order.source, one.order.id) for one in drafts], doubted=True)
        outcomes: dict[int, DocumentOutcome] = {}
        ready: dict[tuple[str, str], _Ready] = {}
        again: list[int] = []
        for place, draft in enumerate(drafts):
            order = (draft.order.source, draft.order.id)
            entry = entries.get(order)
            try:
                if entry is not None and entry.state == "written":
                    outcomes[place] = DocumentOutcome(draft.key, self._ref(entry, draft.key), existed=True)
                elif entry is not None and entry.state == "sending":
                    outcomes[place] = DocumentOutcome(draft.key, error=self._doubt(entry))
                elif order in ready:
                    again.append(place)
                else:
                    ready[order] = _Ready(place, draft, self._rows(draft))
                    if entry is not None:  # in doubt, and asked for once more: a person has looked
                        self.journal.release(entry)
            except Held as error:
                outcomes[place] = DocumentOutcome(draft.key, error=error)
        outcomes |= dict(self._written(list(ready.values())))
        firsts = {place: outcomes[ready[drafts[place].order.source, drafts[place].order.id].place] for place in again}
        outcomes |= {
            place: DocumentOutcome(drafts[place].key, first.ref, first.ref is not None, first.error)
            for place, first in firsts.items()
        }
        return [outcomes[place] for place in range(len(drafts))]

    def _rows(self, draft: DocumentDraft) -> list[tuple[Cell, ...]]:
        for ref, line in zip(draft.products, draft.order.lines, strict=True):
            known = not ref.code or self.settings.goods is None or self.goods().with_article(ref.code)
            if not ref.code or not known:
                raise held(
                    T("The table of goods has no {article}.", article=ref.code or line.code),
                    T("Export the goods of Quincefin anew, or add the goods there."),
                    code="quincefin-gone",
                )
        rows = rows_of(draft, self.settings, self.zone, self.env.currency)
        check_encoding(rows, self.settings, draft.order.number)
        return rows

    def _written(self, ready: Sequence[_Ready]) -> Iterator[tuple[int, DocumentOutcome]]:
        most = self.settings.most
        strike: MistokError | None = None
        for first in range(0, len(ready), most):
            some = ready[first : first + most]
            if strike is None:
                try:
                    yield from self._one_file(some)
                    continue
                except (Transient, Refused, InDoubt) as error:
                    strike = error
            left = Transient(strike.text) if isinstance(strike, InDoubt) and first else strike
            for one in some:
                yield one.place, DocumentOutcome(one.draft.key, error=left)

    def _one_file(self, some: Sequence[_Ready]) -> Iterator[tuple[int, DocumentOutcome]]:
        settings, now = self.settings, self.env.clock.now()
        data = encoded([row for one in some for row in one.rows], settings, now)
        day = now.astimezone(self.zone).date().isoformat()
        number = f"{self.journal.next_number():06d}"
        name = f"{settings.name.format(date=day, number=number)}.{settings.kind}"
        new = [
            NewEntry(one.draft.order.source, one.draft.order.id, one.draft.key, f"{name} № {n}",
                     one.draft.order.total, one.draft.order.currency)
            for n, one in enumerate(some, 1)
        ]  # fmt: skip
        if settings.folder:
            self._transport().make_folder(settings.folder)
        self.journal.plan(name, len(data), new, now)
        self._send(name, data)
        entries = self.journal.entries([(one.draft.order.source, one.draft.order.id) for one in some])
        for one in some:
            entry = entries[one.draft.order.source, one.draft.order.id]
            yield one.place, DocumentOutcome(one.draft.key, self._ref(entry, one.draft.key))

    def _send(self, name: str, data: bytes) -> None:
        """Put a file out. What surely did not go out is taken back; what may have gone out is in doubt."""
        transport, folder = self._transport(), self.settings.folder
        try:
            transport.write(folder, name, data)
        except (Transient, Refused) as error:
            try:
                there = self._is_there(name, len(data))
            except MistokError:
                raise InDoubt(
                    T("It is not known whether the file {name} went out: {words}", name=name, words=error.text),
                    hint=T("It is looked up by itself whether it was done."),
                ) from error
            if not there:
                self.journal.take_back(name)
                raise
        self.journal.state(name, "written")

    def _is_there(self, name: str, size: int) -> bool:
        try:
            files = self._transport().list(self.settings.folder)
        except FolderMissing:
            return False
        return any(file.name == name and file.size == size for file in files)

    def _settled(
        self, wanted: Sequence[tuple[str, str]] | None, *, doubted: bool = False
    ) -> dict[tuple[str, str], Entry]:
        """The entries, after what an end without warning has left was looked at.

        Args:
            doubted: who asks is told of the doubt, so that the next time it is asked again a person has looked.
        """
        entries = self.journal.entries(wanted)
        left = {entry.file: entry for entry in entries.values() if entry.state in ("sending", "doubt")}
        states: dict[str, str] = {}
        for name, entry in left.items():
            if self._is_there(name, entry.size):
                self.journal.state(name, "written")
                states[name] = "written"
            elif doubted and entry.state == "sending":
                self.journal.state(name, "doubt")
        return {order: _with(entry, states.get(entry.file, entry.state)) for order, entry in entries.items()}

    def _doubt(self, entry: Entry) -> InDoubt:
        return InDoubt(
            T("The file {name} was on its way when the run ended, and is not there: it may have been taken already.",
              name=entry.file),
            hint=T("Look into Quincefin for order {number}; if it is not there, try it again.", number=entry.order_id),
        )  # fmt: skip

    def _ref(self, entry: Entry, key: str) -> DocumentRef:
        return DocumentRef(str(entry.id), entry.number, key, entry.made, entry.total, entry.currency)


def _with(entry: Entry, state: str) -> Entry:
    return entry if entry.state == state else replace(entry, state=state)


_system: type[System] = QuincefinFile
_documents: type[Documents] = QuincefinFile
_listed: type[DocumentList] = QuincefinFile
_lookup: type[ProductLookup] = QuincefinFile
_names: type[ProductNames] = QuincefinFile
_references: type[References] = QuincefinFile
