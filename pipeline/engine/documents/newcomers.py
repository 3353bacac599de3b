"""Buyers that one run adds: the same one is added once, and one of a like name is told or asked about as any other.

The target was asked about all buyers of a batch before the first of them was added: that two of them are one, or may
be, is seen here. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.documents import PartySettings
from pipeline.engine.documents import parties
from pipeline.engine.documents.work import Work
from pipeline.model import Party
from pipeline.ports import Ref
from pipeline.rules.searching import fold

#: By what two parties are one, the surest first: as targets find them.
SAME = ("code", "edrpou", "tax_number", "phone", "email")
#: From so many percent on, words in any order, two names are alike; at most so many are told.
ALIKE, TOLD = 70, 10


@dataclass
class Newcomers:
    """Those that were added by now, with what the target calls them."""

    _known: list[tuple[Party, Ref]] = field(default_factory=list)

    def add(self, party: Party, ref: Ref) -> None:
        """This one is there from now on."""
        self._known.append((party, ref))

    def same(self, party: Party) -> Ref | None:
        """The one that is the same: by code, else EDRPOU or tax number, else telephone, else mail."""
        for name in SAME:
            value = getattr(party, name)
            for one, ref in self._known:
                if value and getattr(one, name) == value:
                    return ref
        return None

    def like(self, party: Party) -> tuple[Ref, ...]:
        """Those whose names are like this one's, best first."""
        from rapidfuzz import fuzz, process  # only where somebody is added

        if not party.title or not self._known:
            return ()
        names = [fold(one.title) for one, _ref in self._known]
        best = process.extract(fold(party.title), names, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE, limit=TOLD)
        return tuple(self._known[place][1] for _name, _score, place in best)

    def meet(self, work: Work, settings: PartySettings) -> None:
        """Set the buyer of an order that is to be added: one who was added meanwhile, or one like others that were.

        ``work.buyer.findings`` then says whether a person is asked first.
        """
        party, order = work.buyer.create, work.order
        if party is None or order is None:
            return
        if (known := self.same(party)) is not None:
            work.buyer = parties.Buyer(known, found=True)
        elif new := [ref for ref in self.like(party) if ref not in work.buyer.alike]:
            near = [*work.buyer.alike, *new]
            work.buyer = parties.choose(order, settings, (), near, accepted="alike" in work.accepted)
            told = [one for one in work.notes if one.code != parties.ALIKE]
            work.notes = (*told, *work.buyer.notes)
