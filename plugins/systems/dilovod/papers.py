"""What documents of a base have in common: looked up by our mark, made once, read back, and what of them is changed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.api import DocumentRef, Held, InDoubt, T
from plugins.systems.dilovod.client import POST, SAVE, UNPOST, Client
from plugins.systems.dilovod.lists import Lists
from plugins.systems.dilovod.marks import Mark, marks_in
from plugins.systems.dilovod.order_out import LINES, Standing, left_over, same_lines
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import Row, flag, link, moment, number, text

#: One for each base, for all sessions of this process; between processes the engine's lease sees to it.
_LOCKS: dict[str, threading.RLock] = {}
_LOCK = threading.Lock()
Lines = Sequence[Mapping[str, Any]]


def is_saved_only(row: Row, *, post: bool) -> bool:
    """Whether a document that is to be posted (``post``) is saved alone; a base that does not tell leaves it open."""
    return post and not flag(row.get("delMark")) and text(row.get("posted")) == "0"


class Papers:
    """The documents of one base."""

    def __init__(self, client: Client, lists: Lists) -> None:
        self.client, self.lists = client, lists
        base = f"{client.settings.url}\0{client.settings.key.get_secret_value()}"
        with _LOCK:
            self.lock = _LOCKS.setdefault(hashlib.sha256(base.encode()).hexdigest(), threading.RLock())

    # --- looking up --------------------------------------------------------------------------------------------------

    def look(self, name: str, mark: Mark) -> Row | None:
        """The document with this mark; of several one without a deletion mark, else the oldest."""
        rows = [row for row in self.rows(name, ("remark", "%", mark.text)) if mark in marks_in(text(row.get("remark")))]
        return min(rows, key=lambda row: (flag(row.get("delMark")), link(row.get("id"))), default=None)

    def rows(self, name: str, *filters: tuple[str, str, Any]) -> Iterator[Row]:
        """Documents of a kind with what a :class:`DocumentRef` and a look at their links need."""
        known = self.client.attributes(name)
        wanted = ("id", "number", "date", "remark", "delMark", "posted", "currency", "amountCur", "baseDoc", "contract")
        always = {"id", "number", "date", "remark", "delMark"}
        fields = {one: one for one in wanted if (one in always if known is None else one in known)}
        fields |= {"id": "id", **{alias: alias for alias, _how, _value in filters}}
        return self.client.rows(name, fields, *filters, key=("id",))

    def linked(self, name: str, attribute: str, ids: Collection[str]) -> list[Row]:
        """Documents of a kind that stand on others by a link, without those that have a deletion mark; by id."""
        known = self.client.attributes(name)
        if not ids or (known is not None and attribute not in known):
            return []
        found: dict[str, Row] = {}
        size = self.client.settings.list_size
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), size):
            for row in self.rows(name, (attribute, "IL", wanted[start : start + size])):
                if not flag(row.get("delMark")) and link(row.get(attribute)) in wanted:
                    found[link(row.get("id"))] = row
        return [found[id_] for id_ in sorted(found)]

    def linked_ids(self, name: str, attribute: str, id_: str) -> set[str]:
        """The ids of those that stand on one document."""
        return {link(row.get("id")) for row in self.linked(name, attribute, [id_])}

    def standing(self, id_: str) -> Standing:
        """A document as it is. Raises Held for one that is not there."""
        found = self.client.one(id_) if id_.isascii() and id_.isdigit() else None
        if found is None:
            raise held(T("Dilovod has no document {id}.", id=id_), code="dilovod-gone")
        return Standing.of(id_, found)

    def ref(self, row: Row, key: str) -> DocumentRef:
        """A row of a list as a reference; its lines are read where the row has no total."""
        total = number(row.get("amountCur"))
        return self._ref(link(row.get("id")), row, key, total) if total else self.read(row, key)

    def read(self, row: Row, key: str) -> DocumentRef:
        """A row of a list as a reference, with the total that its lines make."""
        return self.ref_of(self.standing(link(row.get("id"))), key)

    def ref_of(self, there: Standing, key: str) -> DocumentRef:
        """A document that was read as a reference."""
        return self._ref(there.id, there.header, key, there.total)

    def _ref(self, id_: str, header: Row, key: str, total: Decimal) -> DocumentRef:
        currency = self.lists.by_id("currency").get(link(header.get("currency")))
        return DocumentRef(
            id=id_,
            number=text(header.get("number")).strip() or id_,
            key=key,
            created_at=moment(header.get("date")),
            total=total,
            currency=currency.code if currency is not None else "",
        )

    # --- making and changing -----------------------------------------------------------------------------------------

    def known(self, name: str, header: Mapping[str, Any]) -> dict[str, Any]:
        """Of a header what this base has attributes for."""
        known = self.client.attributes(name)
        return {one: value for one, value in header.items() if known is None or one in known}

    def make(self, name: str, header: Mapping[str, Any], lines: Lines | None, *, post: bool) -> Standing:
        """A new document, as it is then. Raises Held where it is refused or not as it was sent, InDoubt."""
        parts = None if lines is None else {LINES: lines}
        made = self.client.create(name, self.known(name, header), parts, POST if post else SAVE)
        found = self.client.one(made)
        if found is None:
            raise InDoubt(T("Dilovod does not show the document that it has made ({id}).", id=made))
        there = Standing.of(made, found)
        if lines is not None:
            self.as_sent(there, lines)
        if post and not there.posted:
            there = self.posted(there)
        return there

    def as_sent(self, there: Standing, lines: Lines) -> None:
        """Raises Held where a document does not say what was sent."""
        if not same_lines(there.lines, lines):
            wanted = sum((number(row.get("amountCur")) or Decimal(0) for row in lines), Decimal(0))
            raise held(
                T("Document {number} of Dilovod does not say what was sent: {there} for {wanted}.",
                  number=there.number, there=there.total, wanted=wanted),
                T("Compare the two, and put the document right in Dilovod: it is looked at again by itself."),
                code="dilovod-kept",
            )  # fmt: skip

    def posted(self, there: Standing) -> Standing:
        """Post a document that is saved. Raises Held where it may not be: it stays as it is, not posted."""
        try:
            self.client.change(there.id, how=POST)
        except Held as error:
            raise held(
                T("Document {number} of Dilovod is saved and could not be posted: {words}", number=there.number,
                  words=error.text),
                T("Post it in Dilovod, or mark it for deletion there."),
                code="dilovod-not-posted",
            ) from error  # fmt: skip
        after = self.standing(there.id)
        if not after.posted:
            raise held(
                T("Document {number} of Dilovod is saved and does not show as posted.", number=there.number),
                T("Post it in Dilovod, or mark it for deletion there."),
                code="dilovod-not-posted",
            )
        return after

    def rewrite(self, there: Standing, header: Mapping[str, Any], lines: Lines | None, *, post: bool) -> Standing:
        """Change a document, a posted one by way of unposting it; it is posted again where ``post`` says so.

        Rows that a base keeps though they were not sent again are made rows of nothing.
        """
        parts = None if lines is None else {LINES: lines}
        how = UNPOST if there.posted else SAVE
        self.client.change(there.id, header, parts, how)
        after = self.standing(there.id)
        if lines is not None:
            if rest := left_over(after.lines, lines):
                self.client.change(there.id, {}, {LINES: [*lines, *rest]}, how)
                after = self.standing(there.id)
            self.as_sent(after, lines)
        return self.posted(after) if post and not after.posted else after
