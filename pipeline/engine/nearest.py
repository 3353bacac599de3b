"""What a person may have meant: whether a code is known in the target, and which known ones come near to it.

Near ones are proposals for a person only. No order is ever booked on one without a person's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pipeline.errors import ConfigError
from pipeline.ports import Catalogue, Offers, ProductLookup, Ref, ReferenceLists, References, System
from pipeline.rules.matching import normal_form
from pipeline.texts import T

PROPOSED = 5  #: so many at the most
MOST_OFFERS = 5_000  #: of a service: it tells them page by page, and a person waits for the proposals
_ALIKE_CODES, _ALIKE_NAMES = 70, 72  #: percent from which on two words are worth a look
_NAMES_COUNT = 0.95  #: a name that is alike counts a little less than a code that is


@dataclass(frozen=True, slots=True)
class Proposal:
    """A known thing that may be meant. ``alike``: percent."""

    code: str
    name: str
    alike: int


def meant(system: System, kind: str, code: str, at: datetime, language: str) -> Ref:
    """The one thing of the target that ``code`` names.

    Raises ConfigError, with near ones, when there is none or more than one; Transient and Refused of the target.
    """
    if kind == "sku":
        if not isinstance(system, ProductLookup):
            raise ConfigError(T("System {name} has no products to map to.", name=system.name), code="decision")
        found: Sequence[Ref] = tuple(system.find_products({code}).get(code, ()))
    else:
        if not isinstance(system, References):
            raise ConfigError(T("System {name} keeps no lists to map to.", name=system.name), code="decision")
        found = tuple(system.find_references(kind, {code}).values())
    match found:
        case (only,):
            return only
        case ():
            close = near(system, kind, code, "", at, language)
            hint = T("Load it into {system} first, or name one that is there.", system=system.name)
            if close:
                named = ", ".join(f"{one.code} ({one.name})" if one.name else one.code for one in close)
                hint = T("Near to it are: {codes}.", codes=named)
            raise ConfigError(
                T("{system} knows no {kind}:{code}.", system=system.name, kind=kind, code=code),
                hint=hint,
                code="decision",
            )
        case several:
            codes = ", ".join(ref.code for ref in several)
            raise ConfigError(
                T("{kind}:{code} can be any of: {codes}.", kind=kind, code=code, codes=codes),
                hint=T("Write the code of the one that is meant, as {system} writes it.", system=system.name),
                code="decision",
            )


def near(system: System, kind: str, code: str, name: str, at: datetime, language: str) -> tuple[Proposal, ...]:
    """Known things whose code is like ``code`` or whose name is like ``name``, most alike first."""
    if kind == "sku":
        known = _products(system, at, language)
    elif isinstance(system, ReferenceLists):
        known = {ref.code: ref.name for ref in system.references(kind)}
    else:
        known = {}
    return alike(known, code, name)


def alike(known: Mapping[str, str], code: str, name: str) -> tuple[Proposal, ...]:
    """The best of ``known`` (code -> name). Pure."""
    from rapidfuzz import fuzz, process

    scores: dict[str, float] = {}
    forms = {one: normal_form(one) for one in known}
    titles = {one: title.casefold() for one, title in known.items() if title}
    asked = [(normal_form(code), forms, fuzz.ratio, _ALIKE_CODES, 1.0)]
    # people who write no code of ours may write its name in its place
    asked += [(words.casefold(), titles, fuzz.token_set_ratio, _ALIKE_NAMES, _NAMES_COUNT) for words in (name, code)]
    for words, among, scorer, least, counts in asked:
        if len(words) < 2:
            continue
        for _text, score, one in process.extract(words, among, scorer=scorer, score_cutoff=least, limit=PROPOSED):
            scores[one] = max(scores.get(one, 0.0), score * counts)
    best = sorted(scores, key=lambda one: (-scores[one], one))[:PROPOSED]
    return tuple(Proposal(one, known[one], round(scores[one])) for one in best)


def _products(system: System, at: datetime, language: str) -> dict[str, str]:
    known: dict[str, str] = {}
    if not isinstance(system, Catalogue):
        if isinstance(system, Offers):
            for offer in islice(system.offers(), MOST_OFFERS):
                name = str(offer.values.get("name") or "")
                known.update(dict.fromkeys(filter(None, offer.keys.values()), name))
        return known
    title = f"name.{language}"
    for batch in system.batches(("code", title), at=at, size=5000):
        known.update(zip(batch.columns["code"], batch.columns[title], strict=True))
    return known
