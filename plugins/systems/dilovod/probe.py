"""Tries by writing what is only inferred of the API: a good, a buyer and documents of our own, none of them a shipment
that is posted, so that no stock moves. The API deletes nothing for good: all of it gets a deletion mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.api import Held, InDoubt, MistokError, Party, Refused, T, Text, Transient, Tried
from plugins.systems.dilovod.client import POST, SAVE, UNPOST, Client
from plugins.systems.dilovod.marks import Mark, with_mark
from plugins.systems.dilovod.names import CASH_IN, GOODS, ORDER, PIECE, RETURN, RETURN_MODE, SALE, SHIPMENT_MODE
from plugins.systems.dilovod.naming import HINTS, Naming
from plugins.systems.dilovod.order_out import LINES, left_over, same_lines
from plugins.systems.dilovod.papers import Papers
from plugins.systems.dilovod.values import both, link, stamp

TITLE = "Mistok: проба, буде позначено на вилучення"
#: A number that nobody has: a code of Kyiv, and no subscriber.
PHONE = "+380440000000"


class _NotSo(Exception):
    """It does not work so; its words say how it is."""

    def __init__(self, words: Text) -> None:
        super().__init__(str(words))
        self.words = words


@dataclass
class Probe:
    """What was made, and what is tried on it."""

    client: Client
    papers: Papers
    naming: Naming
    now: Callable[[], datetime]
    made: list[str] = field(default_factory=list)  #: ids, in the order in which they were made
    order: str = ""
    sale: str = ""
    doubt: bool = False  #: something may have been made of which no answer came

    def run(self) -> Iterator[Tried]:
        """See WriteProbe."""
        try:
            yield from self._tries()
        finally:
            left = self._take_away()
        if left is not None:
            yield left

    def _tries(self) -> Iterator[Tried]:
        with self.papers.lock:
            yield self._try(T("new goods are taken"), self._good, needed=False)
            yield self._try(T("buyers are taken, with their names, and found by telephone"), self._buyer)
            if len(self.made) < 2:
                return
            yield self._try(T("orders are taken, with the sums that are sent"), self._new_order, proves="sums")
            if not self.order:
                return
            yield self._try(T("our mark in the remark finds an order"), self._found, proves="mark")
            yield self._try(T("rows of an order can be taken out"), self._fewer_rows, proves="rows")
            what = T("orders are posted, and changed by way of unposting them")
            yield self._try(what, self._posted, proves="unposting")
            what = T("a deletion mark is set, and lifted by a save")
            yield self._try(what, self._lifted, needed=False, proves="lifting")
            yield self._try(T("a shipment is taken (saved, not posted)"), self._shipment)
            yield self._try(T("a return is taken (saved, not posted)"), self._return, proves="links")
            if self.naming.settings.post_payments:
                yield self._try(T("a payment is taken, posted and unposted again"), self._posted_payment)
            else:
                yield self._try(T("a payment is taken (saved, not posted)"), self._payment, needed=False)

    def _try(self, what: Text, act: Callable[[], None], *, needed: bool = True, proves: str = "") -> Tried:
        try:
            act()
        except _NotSo as error:
            return Tried(False, T("not so: {what} ({words})", what=what, words=error.words), needed, proves=proves)
        except InDoubt as error:
            self.doubt = True
            words = T("not certain: {what} ({words})", what=what, words=error.text)
            return Tried(None, words, hint=T("Look for «{title}» in Dilovod, and mark it for deletion.", title=TITLE))
        except (Held, Refused, Transient) as error:
            if isinstance(error, Transient) or (isinstance(error, Refused) and error.code != "rights"):
                raise
            words = T("not so: {what} ({words})", what=what, words=error.text)
            return Tried(False, words, needed, error.hint, proves)
        return Tried(True, what, needed, proves=proves)

    # --- what is tried -----------------------------------------------------------------------------------------------

    def _good(self) -> None:
        header = {"name": both(TITLE), "productNum": f"MISTOK-{self.now():%Y%m%d-%H%M%S}", "mainUnit": PIECE}
        self.made.append(self.client.create(GOODS, header))

    def _buyer(self) -> None:
        party = Party(last_name="Mistok", first_name="Проба", phone=PHONE)
        ref = self.naming.parties.create(party)
        self.made.append(ref.id)
        if ref.id not in {one.id for one in self.naming.parties.find([party])[0]}:
            raise _NotSo(T("it is not found by its telephone"))

    def _rows(self, count: int) -> list[dict[str, Any]]:
        one = {"good": self.made[0], "unit": PIECE, "qty": "1.000", "baseQty": "1.000", "price": "3.00000"}
        sums = {"priceAmount": "3.00", "discount": "1.00", "amountCur": "2.00"}
        return [{"rowNum": n, **one, **sums} for n in range(1, count + 1)]

    def _header(self, **more: str) -> dict[str, str]:
        settings = self.naming.settings
        header = {
            "date": stamp(self.now()),
            "firm": self._one("firm", settings.firm),
            "person": self.made[1],
            "storage": self._one("warehouse", settings.storage),
            "currency": self.naming.currency(self.naming.reader.env.currency),
            "business": self._one("business", settings.business) if settings.business else "",
            **more,
        }
        return {name: value for name, value in header.items() if value}

    def _one(self, kind: str, said: str | None) -> str:
        """The one of the settings, else the first that there is. Raises Held."""
        lists = self.naming.lists
        if said or not lists.all(kind):
            return lists.wanted(kind, said or "", HINTS[kind]).id
        return lists.all(kind)[0].id

    @property
    def _mark(self) -> Mark:
        return Mark(self.naming.reader.env.client, "probe", self.made[0])

    def _new_order(self) -> None:
        header = self.papers.known(ORDER, self._header(amountCur="4.00", remark=with_mark(self._mark, TITLE)))
        self.order = self.client.create(ORDER, header, {LINES: self._rows(2)}, SAVE)
        self.made.append(self.order)
        there = self.papers.standing(self.order)
        if not same_lines(there.lines, self._rows(2)):
            raise _NotSo(T("it shows {total} for {wanted}", total=there.total, wanted="4.00"))

    def _found(self) -> None:
        if self.papers.look(ORDER, self._mark) is None:
            raise _NotSo(T("it is not found"))

    def _fewer_rows(self) -> None:
        rows = self._rows(1)
        there = self.papers.standing(self.order)
        after = self.papers.rewrite(there, {}, rows, post=False)
        if left_over(after.lines, rows):
            raise _NotSo(T("rows stay that were not sent"))

    def _posted(self) -> None:
        self.client.change(self.order, how=POST)
        there = self.papers.standing(self.order)
        if not there.posted:
            raise _NotSo(T("it does not show as posted"))
        after = self.papers.rewrite(there, {"remark": with_mark(self._mark, TITLE, "2")}, self._rows(2), post=True)
        if not after.posted:
            raise _NotSo(T("it does not show as posted"))
        self.client.change(self.order, how=UNPOST)
        if self.papers.standing(self.order).posted:
            raise _NotSo(T("it still shows as posted"))

    def _lifted(self) -> None:
        self.client.mark(self.order)
        if not self.papers.standing(self.order).marked:
            raise _NotSo(T("the mark does not show"))
        self.client.change(self.order, {"delMark": 0}, how=SAVE)
        if self.papers.standing(self.order).marked:
            raise _NotSo(T("the mark stays"))

    def _shipment(self) -> None:
        links = {"docMode": SHIPMENT_MODE, "baseDoc": self.order, "contract": self.order}
        self.sale = self._saved(SALE, links)

    def _return(self) -> None:
        if not self.sale:
            raise _NotSo(T("there is no shipment to stand on"))
        links = {"docMode": RETURN_MODE, "baseDoc": self.sale, "contract": self.order}
        made = self._saved(RETURN, links)
        linked = {*self.papers.linked_ids(RETURN, "baseDoc", self.sale)}
        linked |= self.papers.linked_ids(RETURN, "contract", self.order)
        if made not in linked:
            raise _NotSo(T("it is not found by its links"))

    def _payment(self) -> None:
        header = self._header(amountCur="2.00", baseDoc=self.order, remark=with_mark(self._mark, TITLE))
        header.pop("storage")
        self.made.append(self.client.create(CASH_IN, self.papers.known(CASH_IN, header), None, SAVE))

    def _posted_payment(self) -> None:
        self._payment()
        made = self.made[-1]
        self.client.change(made, how=POST)
        posted = self._is_posted(made)
        self.client.change(made, how=UNPOST)
        if not posted or self._is_posted(made):
            raise _NotSo(T("it does not show as posted") if not posted else T("it still shows as posted"))

    def _is_posted(self, id_: str) -> bool:
        return self.papers.standing(id_).posted

    def _saved(self, name: str, links: dict[str, str]) -> str:
        header = self._header(amountCur="4.00", remark=with_mark(self._mark, TITLE), **links)
        made = self.client.create(name, self.papers.known(name, header), {LINES: self._rows(2)}, SAVE)
        self.made.append(made)
        there = self.papers.standing(made)
        if not same_lines(there.lines, self._rows(2)):
            raise _NotSo(T("it shows {total} for {wanted}", total=there.total, wanted="4.00"))
        return made

    def _unheard_of(self) -> list[str]:
        """Documents of ours of which no answer came."""
        if not self.doubt or not self.made:
            return []
        found = []
        for name in (CASH_IN, RETURN, SALE, ORDER):
            try:
                rows = list(self.papers.rows(name, ("remark", "%", self._mark.text)))
            except MistokError:
                continue
            found += [link(row.get("id")) for row in rows if link(row.get("id")) not in self.made]
        return found

    # --- the end -----------------------------------------------------------------------------------------------------

    def _take_away(self) -> Tried | None:
        """Everything gets a deletion mark, the last one first; what could not be is told by its id."""
        left = []
        for id_ in (*self._unheard_of(), *reversed(self.made)):
            try:
                if id_ == self.order and self.papers.standing(id_).posted:
                    self.client.change(id_, how=UNPOST)
                self.client.mark(id_)
            except MistokError:
                left.append(id_)
        if left:
            words = T("What was made for the probe could not be marked for deletion: {ids}", ids=", ".join(left))
            return Tried(False, words, needed=True, hint=T("Mark it in Dilovod by hand: «{title}».", title=TITLE))
        if not self.made:
            return None
        return Tried(None, T("what was made for the probe has a deletion mark: the API deletes nothing for good"))
