"""What is wrong with articles: twice, empty, damaged, or written so that matching does not see what is one. Pure.

Everything is found by dictionaries of normal forms, so that a hundred thousand articles take seconds; only what is
left over in one system is compared word by word, and only as far as that stays quick (see pipeline.engine.sync.near).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from pipeline.engine.context import Progress, no_progress
from pipeline.engine.doctor.reading import Article
from pipeline.engine.sync import near as nearest
from pipeline.engine.sync.rows import Row
from pipeline.model import Offer
from pipeline.rules import articles as rules_of
from pipeline.rules.matching import MatchRules, normal_form
from pipeline.texts import T

#: Kinds of problems, in the order in which they are told.
KINDS = ("duplicate", "twins", "empty", "damaged", "apart", "only", "written")
MOST = 3  #: proposals for one article
_LOOKED = 12  #: candidates of one kind for one article, so that thousands of the same stay quick

Key = TypeVar("Key")

#: What people said: (from, to) -> article or ``#ID`` of the first -> article of the second.
Aliases = Mapping[tuple[str, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an article of one system may be in another."""

    article: Article
    why: tuple[str, ...]  #: kinds of differences or of damage, ``barcode``, ``near``, or where the code stands


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend or to decide. ``kind``: see KINDS.

    ``duplicate`` one article several times in one system · ``twins`` several spellings in one system · ``empty``
    no article · ``damaged`` a spreadsheet's traces · ``apart`` one thing in two systems, which matching does not see ·
    ``only`` in one system alone · ``written`` one thing in two systems, seen by matching, written otherwise.
    """

    kind: str
    articles: tuple[Article, ...]
    marks: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found."""

    articles: Mapping[str, int]  #: how many each system has
    problems: tuple[Problem, ...] = ()
    unsearched: int = 0  #: articles in one system only that were too many to look for near ones
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def refusal(system: str, key: str, other: str, article: str) -> str:
    """The mark under which it is kept that these two are not the same."""
    return sha256("\0".join((system, key, other, article)).encode()).hexdigest()


def key_of(article: Article, counts: Mapping[str, int]) -> str:
    """What a mapping of it is kept by: its article where that is one thing's only, else ``#ID``."""
    if article.bare and (counts[article.bare] == 1 or not article.id):
        return article.bare
    return f"#{article.id}"


def check(
    systems: Mapping[str, Sequence[Article]],
    rules: Callable[[str, str], MatchRules],
    aliases: Aliases,
    refused: frozenset[str] = frozenset(),
    report: Progress = no_progress,
) -> Diagnosis:
    """Look at all of them.

    Args:
        systems: the articles by system, in the order in which they are told.
        rules: how two systems are matched.
        refused: marks of what people said is not the same: see :func:`refusal`.
    """
    return _Doctor(systems, rules, aliases, refused, report).go()


@dataclass
class _Doctor:
    systems: Mapping[str, Sequence[Article]]
    rules: Callable[[str, str], MatchRules]
    aliases: Aliases
    refused: frozenset[str]
    report: Progress
    problems: list[Problem] = field(default_factory=list)
    #: places that are in another system as well, as matching sees it
    met: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    #: places that are proposed, or have a proposal
    proposed: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    unsearched: int = 0
    #: how often each article is written in a system
    times: dict[str, Counter[str]] = field(default_factory=dict)
    _forms: dict[tuple[str, MatchRules], list[str]] = field(default_factory=dict)

    def go(self) -> Diagnosis:
        names = list(self.systems)
        pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
        self.times = {name: Counter(one.bare for one in some) for name, some in self.systems.items()}
        for n, (one, other) in enumerate(pairs):
            self.report(n, len(pairs), T("comparing {first} and {second}", first=one, second=other))
            self._meet(one, other)
        lone = {pair: self._lone(*pair) for one, other in pairs for pair in ((one, other), (other, one))}
        for one, other in pairs:
            self._apart(one, other, lone[one, other], lone[other, one])
        self._empty()
        for name in names:
            self._inside(name)
        if len(names) > 1:
            self._only(names)
        order = {kind: place for place, kind in enumerate(KINDS)}
        self.problems.sort(key=lambda one: order[one.kind])
        found = Counter(one.kind for one in self.problems)
        counts = {kind: found[kind] for kind in KINDS}
        told = {name: len(some) for name, some in self.systems.items()}
        return Diagnosis(told, tuple(self.problems), self.unsearched, counts)

    def forms(self, name: str, rules: MatchRules) -> list[str]:
        """The normal forms of a system's articles, in their order."""
        place = (name, rules)
        if place not in self._forms:
            self._forms[place] = [normal_form(one.text, rules) for one in self.systems[name]]
        return self._forms[place]

    # --- between two systems -----------------------------------------------------------------------------------------

    def _meet(self, one: str, other: str) -> None:
        """Mark what is in both, and tell what is written otherwise in them."""
        rules = self.rules(one, other)
        mine, theirs = self.forms(one, rules), self.forms(other, rules)
        there: dict[str, int] = {}
        for place, form in enumerate(theirs):
            there.setdefault(form, place)
        here = set(mine)
        for place, form in enumerate(mine):
            if form and form in there:
                self.met[one].add(place)
                first, second = self.systems[one][place], self.systems[other][there[form]]
                if first.bare != second.bare:
                    marks = rules_of.differences((first.text, second.text)) or ("forms",)
                    self.problems.append(Problem("written", (first, second), marks))
        self.met[other] |= {place for place, form in enumerate(theirs) if form and form in here}
        self.met[one] |= self._aliased(one, other, rules)
        self.met[other] |= self._aliased(other, one, rules)

    def _aliased(self, one: str, other: str, rules: MatchRules) -> set[int]:
        """Places of ``one`` that people said are in ``other``."""
        given = self.aliases.get((one, other), {})
        said = self.aliases.get((other, one), {})
        told = self.systems[other] if said else ()
        # of what is there only: the client's mappings are about the codes of orders as well
        known = {code for article in told for code in (article.bare, f"#{article.id}")}
        back = {normal_form(meant, rules) for code, meant in said.items() if code in known}
        if not given and not back:
            return set()
        forms = self.forms(one, rules)
        return {
            place
            for place, article in enumerate(self.systems[one])
            if article.bare in given or f"#{article.id}" in given or (forms[place] and forms[place] in back)
        }

    def _lone(self, one: str, other: str) -> list[int]:
        """Places of ``one`` with an article that ``other`` has not got."""
        rules = self.rules(one, other)
        there = set(self.forms(other, rules))
        aliased = self._aliased(one, other, rules)
        forms = self.forms(one, rules)
        return [place for place, form in enumerate(forms) if form and form not in there and place not in aliased]

    def _apart(self, one: str, other: str, mine: Sequence[int], theirs: Sequence[int]) -> None:
        """What is in both and matching does not see: written too differently, damaged, or known by its barcode."""
        ours, others = self.systems[one], self.systems[other]
        by_form = _index((rules_of.loose_form(others[place].text), place) for place in theirs)
        by_barcode = _index((_barcode(others[place]), place) for place in theirs)
        by_trace = self._traced([ours[place].text for place in mine], [(place, others[place].text) for place in theirs])
        for place in mine:
            article = ours[place]
            found: dict[int, tuple[str, ...]] = {}
            for there in by_form.get(rules_of.loose_form(article.text), ())[:_LOOKED]:
                found[there] = rules_of.differences((article.text, others[there].text)) or ("forms",)
            damaged = rules_of.traces(article.text)
            for there in by_trace(article.text):
                found.setdefault(there, rules_of.damages(article.text if damaged else others[there].text))
            for there in by_barcode.get(_barcode(article), ())[:_LOOKED]:
                found.setdefault(there, ("barcode",))
            self._propose("apart", one, place, other, found)

    @staticmethod
    def _traced(mine: Sequence[str], theirs: Sequence[tuple[int, str]]) -> Callable[[str], list[int]]:
        """A look-up of places of the other system that may be the same, one of both being damaged."""
        damaged_here = rules_of.sought(mine)
        damaged_there = rules_of.sought(text for _place, text in theirs)
        whole = _index((trace, place) for place, text in theirs if not rules_of.traces(text)
                       for trace in rules_of.traces_of_whole(text, damaged_here))  # fmt: skip
        broken = _index((trace, place) for place, text in theirs for trace in rules_of.traces(text))

        def look(text: str) -> list[int]:
            own = rules_of.traces(text)
            if own:
                return list(dict.fromkeys(place for trace in sorted(own) for place in whole.get(trace, ())[:_LOOKED]))
            could_be = rules_of.traces_of_whole(text, damaged_there)
            return list(dict.fromkeys(place for trace in sorted(could_be) for place in broken.get(trace, ())[:_LOOKED]))

        return look

    def _propose(
        self,
        kind: str,
        one: str,
        place: int,
        other: str,
        found: Mapping[int, tuple[str, ...]],
        marks: Iterable[str] = (),
    ) -> bool:
        article = self.systems[one][place]
        key = key_of(article, self.times[one])
        proposals = []
        for there, why in found.items():
            theirs = self.systems[other][there]
            if refusal(one, key, other, theirs.bare) in self.refused:
                continue
            proposals.append(Proposal(theirs, why))
            self.proposed[other].add(there)
            if len(proposals) == MOST:
                break
        if not proposals:
            return False
        self.proposed[one].add(place)
        why = tuple(marks) or tuple(dict.fromkeys(mark for each in proposals for mark in each.why))
        self.problems.append(Problem(kind, (article,), why, tuple(proposals)))
        return True

    # --- empty -------------------------------------------------------------------------------------------------------

    def _empty(self) -> None:
        for name, some in self.systems.items():
            others = [other for other in self.systems if other != name]
            empties = [(place, one) for place, one in enumerate(some) if not one.bare]
            if not empties:
                continue
            indexes = []
            for other in others:
                rules = self.rules(name, other)
                indexes.append((
                    other,
                    rules,
                    _index((form, there) for there, form in enumerate(self.forms(other, rules))),
                    _index((_barcode(one), there) for there, one in enumerate(self.systems[other]) if one.bare),
                ))  # fmt: skip
            for place, article in empties:
                if any(f"#{article.id}" in self.aliases.get((name, other), {}) for other in others):
                    continue
                places = tuple(article.elsewhere or {})
                told = False
                for other, rules, by_form, by_barcode in indexes:
                    found: dict[int, tuple[str, ...]] = {}
                    for where, code in (article.elsewhere or {}).items():
                        if where == "barcode":
                            found |= dict.fromkeys(by_barcode.get(code, ())[:_LOOKED], (where,))
                        if form := normal_form(code, rules):
                            found |= {
                                there: (where,) for there in by_form.get(form, ())[:_LOOKED] if there not in found
                            }
                    told |= self._propose("empty", name, place, other, found, places)
                if not told:
                    self.problems.append(Problem("empty", (article,), places))

    # --- inside one system -------------------------------------------------------------------------------------------

    def _inside(self, name: str) -> None:
        some = self.systems[name]
        rules = next((self.rules(name, other) for other in self.systems if other != name), self.rules(name, name))
        forms = self.forms(name, rules)
        alone = len(self.systems) == 1
        aliased = {
            place
            for other in self.systems
            if other != name
            for place in self._aliased(name, other, self.rules(name, other))
        }
        for group in _index((form, place) for place, form in enumerate(forms)).values():
            left = [place for place in group if place not in aliased]
            if len(left) > 1:
                texts = [some[place].bare for place in left]
                kind = "duplicate" if len(set(texts)) == 1 else "twins"
                marks = rules_of.differences([some[place].text for place in left]) if kind == "twins" else ()
                self.problems.append(Problem(kind, tuple(some[place] for place in left), marks))
        for places in rules_of.groups([one.text for one in some]):
            first = list({forms[place]: place for place in reversed(places)}.values())[::-1]
            # both are in another system as well: they are two things that only look alike
            if len(first) > 1 and not all(place in self.met[name] for place in first):
                marks = rules_of.differences([some[place].text for place in first])
                self.problems.append(Problem("twins", tuple(some[place] for place in first), marks))
        for place, article in enumerate(some):
            if (alone or place not in self.met[name]) and (marks := rules_of.damages(article.text)):
                self.problems.append(Problem("damaged", (article,), marks))

    # --- in one system only ------------------------------------------------------------------------------------------

    def _only(self, names: Sequence[str]) -> None:
        left = {
            name: [
                place
                for place, one in enumerate(self.systems[name])
                if one.bare and place not in self.met[name] and place not in self.proposed[name]
            ]
            for name in names
        }
        for at, name in enumerate(names):
            near: dict[int, tuple[Proposal, ...]] = defaultdict(tuple)
            for other in names[at + 1 :]:
                for place, found in self._near(name, other, left[name], left[other]).items():
                    near[place] += found
            for place in left[name]:
                self.problems.append(Problem("only", (self.systems[name][place],), (), near[place]))

    def _near(
        self, one: str, other: str, mine: Sequence[int], theirs: Sequence[int]
    ) -> Mapping[int, tuple[Proposal, ...]]:
        if not mine or not theirs:
            return {}
        if len(mine) > nearest.MOST_ROWS or len(theirs) > nearest.MOST_OFFERS:
            self.unsearched += len(mine)
            return {}
        rules = self.rules(one, other)
        forms = self.forms(one, rules)
        offers = [_offer(self.systems[other][place], place) for place in theirs]
        rows = [
            Row(_offer(self.systems[one][place], place), self.systems[one][place].bare, forms[place], "")
            for place in mine
        ]
        found = nearest.near(rows, offers)
        result: dict[int, tuple[Proposal, ...]] = {}
        for place in mine:
            article = self.systems[one][place]
            key = key_of(article, self.times[one])
            proposals = [
                Proposal(self.systems[other][int(offer.id)], ("near",)) for offer in found.get(forms[place], ())
            ]
            result[place] = tuple(
                each for each in proposals if refusal(one, key, other, each.article.bare) not in self.refused
            )
        return result


def _index(pairs: Iterable[tuple[Key, int]]) -> dict[Key, list[int]]:
    """Places by key, empty keys left out."""
    found: dict[Key, list[int]] = {}
    for key, place in pairs:
        if key:
            found.setdefault(key, []).append(place)
    return found


def _barcode(article: Article) -> str:
    return (article.elsewhere or {}).get("barcode", "")


def _offer(article: Article, place: int) -> Offer:
    return Offer(id=str(place), keys={"sku": article.bare}, values={"name": article.name})
