"""Orders that are made in Dilovod: each once, looked up by our mark before, to the cent, and never without goods."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    ListedDocument,
    StatusChange,
    Strikes,
    T,
    delivery_lines,
)
from plugins.systems.dilovod.client import POST, SAVE, UNPOST
from plugins.systems.dilovod.following import Following
from plugins.systems.dilovod.mapping import Good
from plugins.systems.dilovod.marks import BEGIN, Mark, changed, marks_in, with_mark
from plugins.systems.dilovod.names import ORDER
from plugins.systems.dilovod.naming import Naming, Resolved
from plugins.systems.dilovod.order_out import (
    Standing,
    Sums,
    changes,
    check_not_empty,
    new_lines,
    same_lines,
)
from plugins.systems.dilovod.papers import Papers, is_saved_only
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import flag, link, stamp, text


class OrderBook:
    """The orders of one base that were made by us."""

    def __init__(self, papers: Papers, naming: Naming, following: Following) -> None:
        self.papers, self.naming, self.following = papers, naming, following
        self.client, self.settings = papers.client, papers.client.settings.documents

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """See Documents. One that was saved and is not posted yet, though it is to be, is unfinished."""
        found: dict[str, DocumentRef] = {}
        for key in keys:
            mark = Mark.of_key(key)
            row = self.papers.look(ORDER, mark) if mark is not None else None
            if row is not None:
                ref = self.papers.read(row, key)
                marked = flag(row.get("delMark"))
                found[key] = replace(ref, unfinished=is_saved_only(row, post=self.settings.post), cancelled=marked)
        return found

    def all(self, client: str) -> Iterator[ListedDocument]:
        """Every order that bears a mark of this client, oldest first."""
        listed = []
        for row in self.papers.rows(ORDER, ("remark", "%", BEGIN)):
            marks = [mark for mark in marks_in(text(row.get("remark"))) if mark.client == client and not mark.action]
            if marks:
                listed.append(ListedDocument(self.papers.ref(row, marks[0].key), marks[0].source, marks[0].order_id))
        return iter(sorted(listed, key=lambda one: one.ref.id))

    # --- making ------------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        if not drafts:
            return []
        goods = self._goods(drafts)
        act = Strikes("locked")
        return [act(draft.key, partial(self._create, draft, goods)) for draft in drafts]

    def _goods(self, drafts: Sequence[DocumentDraft]) -> Mapping[str, Good]:
        return self.naming.reader.by_id({ref.id for draft in drafts for ref in draft.products})

    def _create(self, draft: DocumentDraft, goods: Mapping[str, Good]) -> DocumentOutcome:
        mark = mark_of(draft.key)
        check_not_empty(draft)
        with self.papers.lock:
            row = self.papers.look(ORDER, mark)
            if row is not None:
                there = self.papers.standing(link(row.get("id")))
                if is_saved_only(row, post=self.settings.post):
                    there = self.papers.posted(there)
                return DocumentOutcome(draft.key, self.papers.ref_of(there, draft.key), existed=True)
            sums = Sums.of(draft)
            resolved = self.naming.of(draft, sums, goods, new=True)
            header = {
                "date": stamp(draft.order.created_at),
                **resolved.header,
                "amountCur": f"{sums.total:.2f}",
                "remark": with_mark(mark, *words_of(draft, resolved)),
                "remarkFromPerson": draft.order.comment,
            }
            lines = new_lines(draft, resolved.goods, resolved.services, sums)
            header = {name: value for name, value in header.items() if value}
            there = self.papers.make(ORDER, header, lines, post=self.settings.post)
        return DocumentOutcome(draft.key, self.papers.ref_of(there, draft.key))

    # --- changing ----------------------------------------------------------------------------------------------------

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        if not amendments:
            return []
        goods = self._goods([one.draft for one in amendments])
        act = Strikes("locked")
        return [act(one.key, partial(self._amend, one, goods)) for one in amendments]

    def _amend(self, amendment: Amendment, goods: Mapping[str, Good]) -> DocumentOutcome:
        draft, key = amendment.draft, amendment.ref.key or amendment.draft.key
        mark = mark_of(amendment.draft.key)
        check_not_empty(draft)
        sums = Sums.of(draft)
        with self.papers.lock:
            there = self.papers.standing(amendment.ref.id)
            resolved = self.naming.of(draft, sums, goods, new=False)
            wanted = self.papers.known(ORDER, {
                **resolved.header,
                "amountCur": f"{sums.total:.2f}",
                "remark": changed(text(there.header.get("remark")), mark, *words_of(draft, resolved)),
                "remarkFromPerson": draft.order.comment,
            })  # fmt: skip
            header = changes(there.header, wanted)
            rows = new_lines(draft, resolved.goods, resolved.services, sums)
            lines = None if same_lines(there.lines, rows) else rows
            if there.marked:
                header["delMark"] = 0
            if not header and lines is None and there.posted == self.settings.post:
                return DocumentOutcome(amendment.key, self.papers.ref_of(there, key), existed=True)
            if lines is not None:
                self._not_shipped(there)
            after = self._write(there, header, lines)
        return DocumentOutcome(amendment.key, self.papers.ref_of(after, key))

    def _write(self, there: Standing, header: Mapping[str, Any], lines: Sequence[Mapping[str, Any]] | None) -> Standing:
        """Raises Held for a document that may not be changed; a deletion mark that stays is told as such."""
        try:
            after = self.papers.rewrite(there, header, lines, post=self.settings.post)
        except Held as error:
            if not there.marked or error.code == "dilovod-not-posted":
                raise
            raise self._still_marked(there) from error
        if after.marked:
            raise self._still_marked(there)
        return after

    def _still_marked(self, there: Standing) -> Held:
        return held(
            T("Order {number} is marked for deletion in Dilovod, and its mark could not be lifted.",
              number=there.number),
            T("Lift the mark in Dilovod; it is tried again then."),
            code="dilovod-marked",
        )  # fmt: skip

    def _not_shipped(self, there: Standing) -> None:
        shipments = self.following.live_shipments(there.id)
        if shipments:
            raise held(
                T("Order {number} has been shipped by {names}: what it is of is not changed any more.",
                  number=there.number, names=", ".join(one.number for one in shipments)),
                T("Change the documents in Dilovod by hand: it is looked at again by itself."),
                code="dilovod-shipped",
            )  # fmt: skip

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """One outcome for each, in order."""
        act = Strikes("locked")
        return [act(one.key, partial(self._cancel, one)) for one in cancellations]

    def _cancel(self, cancellation: Cancellation) -> DocumentOutcome:
        """Unposted first, so that nothing stays reserved, whatever a deletion mark does to a posted document.

        An order whose goods have left and come back stays posted where Dilovod lets it: its shipment has taken its
        reserve already, and would take it a second time.
        """
        with self.papers.lock:
            there = self.papers.standing(cancellation.ref.id)
            state = self.naming.state_of(cancellation.status)
            header = {"state": state} if state and link(there.header.get("state")) != state else {}
            shipments = self.following.live_shipments(there.id)
            done = there.marked and (bool(shipments) or not there.posted) and not header
            if not done:
                self._all_came_back(there, shipments)
                there = self._marked(there, header, shipped=bool(shipments))
                if not there.marked or (there.posted and not shipments):
                    raise held(
                        T("Dilovod has taken the deletion mark of order {number}, and does not show it.",
                          number=there.number),
                        code="dilovod-kept",
                    )  # fmt: skip
            ref = self.papers.ref_of(there, cancellation.ref.key)
        return DocumentOutcome(cancellation.key, ref, existed=done)

    def _marked(self, there: Standing, header: Mapping[str, Any], *, shipped: bool) -> Standing:
        """The order with its last state and a deletion mark. Where it may not be marked, it stays posted as it was."""
        if not shipped:
            if header or there.posted:
                self.client.change(there.id, header, how=UNPOST)
            if not there.marked:
                self.client.mark(there.id)
            return self.papers.standing(there.id)
        if header:
            self._with_state(there, header)
        if not there.marked:
            try:
                self.client.mark(there.id)
            except Held:
                if not there.posted:
                    raise
                self._unposted_and_marked(there)
        return self.papers.standing(there.id)

    def _unposted_and_marked(self, there: Standing) -> None:
        """Some bases may mark nothing that is posted."""
        self.client.change(there.id, how=UNPOST)
        try:
            self.client.mark(there.id)
        except Held:
            self.papers.posted(self.papers.standing(there.id))
            raise

    def _with_state(self, there: Standing, header: Mapping[str, Any]) -> None:
        """Change the state alone. Some bases change nothing of a posted document: it is unposted, and posted again."""
        try:
            self.client.change(there.id, header, how=POST if there.posted else SAVE)
        except Held:
            if not there.posted:
                raise
            self.papers.rewrite(there, header, None, post=True)

    def _all_came_back(self, there: Standing, shipments: Sequence[Standing]) -> None:
        """Raises Held while goods of the order are away: its write-off would stand without an order."""
        if any(qty > Decimal(0) for qty in self.following.away(shipments).values()):
            raise held(
                T("Order {number} has been shipped by {names}, and its goods have not come back.",
                  number=there.number, names=", ".join(one.number for one in shipments)),
                T("Take them back first (`return`), or mark the shipment for deletion in Dilovod."),
                code="dilovod-shipped",
            )  # fmt: skip

    # --- statuses ----------------------------------------------------------------------------------------------------

    def set_statuses(self, changes_: Sequence[StatusChange]) -> list[DocumentOutcome]:
        """See DocumentStatuses."""
        act = Strikes("locked")
        return [act(one.key, partial(self._set_status, one)) for one in changes_]

    def _set_status(self, change: StatusChange) -> DocumentOutcome:
        with self.papers.lock:
            there = self.papers.standing(change.ref.id)
            if link(there.header.get("state")) == change.status.id:
                return DocumentOutcome(change.key, self.papers.ref_of(there, change.ref.key), existed=True)
            self._with_state(there, {"state": change.status.id})
            after = self.papers.standing(there.id)
            if link(after.header.get("state")) != change.status.id:
                raise held(T("Dilovod has taken the change of the status, and does not show it."), code="dilovod-kept")
            if there.posted and not after.posted:
                after = self.papers.posted(after)
        return DocumentOutcome(change.key, self.papers.ref_of(after, change.ref.key))


def mark_of(key: str, *, action: bool = False) -> Mark:
    """The mark of a key. Raises Held for what is no key."""
    mark = Mark.of_key(key, action=action)
    if mark is None:
        raise held(T("{key} is no key of an order.", key=key), code="key")
    return mark


def words_of(draft: DocumentDraft, resolved: Resolved) -> list[str]:
    """The lines of a remark: what the step writes, where the goods go, and what has no attribute of its own."""
    return [line for line in (draft.comment, *delivery_lines(draft.order), *resolved.notes) if line]
