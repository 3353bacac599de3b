"""What a missing product may be in the target under another article: proposed to a person, never applied. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.engine.sync.rows import Row
from pipeline.model import Offer

#: Rows that are looked for, offers that they are looked for among, and proposals for one.
MOST_ROWS, MOST_OFFERS, MOST_NEAR = 200, 20_000, 3
#: Percent from which on two articles, or two names, are worth a look.
ALIKE_ARTICLES, ALIKE_NAMES = 82, 90


def near(rows: Sequence[Row], only_there: Sequence[Offer]) -> Mapping[str, tuple[Offer, ...]]:
    """By the key of a row that was not found: offers of the target that nothing was matched with and that come near.

    Empty where there is too much to compare.
    """
    if not rows or not only_there or len(rows) > MOST_ROWS or len(only_there) > MOST_OFFERS:
        return {}
    from rapidfuzz import fuzz, process

    articles = {place: next(iter(one.keys.values()), "").casefold() for place, one in enumerate(only_there)}
    names = {place: str(one.values.get("name") or "").casefold() for place, one in enumerate(only_there)}
    found: dict[str, tuple[Offer, ...]] = {}
    for row in rows:
        places: dict[int, float] = {}
        for words, choices, least in (
            (row.key, articles, ALIKE_ARTICLES),
            (str(row.offer.values.get("name") or "").casefold(), names, ALIKE_NAMES),
        ):
            if not words:
                continue
            for _choice, score, place in process.extract(
                words, choices, scorer=fuzz.ratio, score_cutoff=least, limit=MOST_NEAR
            ):
                places[place] = max(score, places.get(place, 0))
        best = sorted(places, key=lambda place: (-places[place], place))[:MOST_NEAR]
        if best:
            found[row.key] = tuple(only_there[place] for place in best)
    return found
