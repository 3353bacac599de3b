"""Whether some of a source can be trusted to be all that has its articles: who was who before. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from pipeline.engine.sync.rows import Row, Rows
from pipeline.engine.sync.store import Link

#: By article: ids, in the source, of all that have it, where these are several or it is not in step.
Open = Mapping[str, Sequence[str]]


def open_articles(rows: Rows, in_step: Collection[str]) -> dict[str, list[str]]:
    """What of a look at the whole source must be remembered beside the links.

    Args:
        in_step: the articles of what is in step after it.
    """
    ids: dict[str, list[str]] = defaultdict(list)
    for key, sold in _by_key(rows.sold).items():
        given = [row for row in sold if row.given]
        # of twins a person may have said which of them it is
        ids[key] = [row.offer.id for row in (given if len(given) == 1 else sold)]
    return {key: sorted(some) for key, some in ids.items() if len(some) > 1 or key not in in_step}


def opened(rows: Rows, links: Iterable[Link], before: Open) -> dict[str, list[str]]:
    """The same after a look at some of the source: these have been added."""
    in_step = {link.source_key for link in links}
    new = {row.key: [row.offer.id] for row in rows.sold if row.key not in in_step}
    return {**new, **{key: list(ids) for key, ids in before.items()}}


def is_unclear(rows: Rows, links: Iterable[Link], before: Open) -> bool:
    """Whether some of a source cannot be matched without all of it: an article that is, or was, of another product,
    or of several."""
    if any(n > 1 for n in Counter(row.key for row in rows.sold).values()) or has_moved(rows, links):
        return True
    twins = {key for key, ids in before.items() if len(ids) > 1}
    of_twins: dict[str, set[str]] = defaultdict(set)
    for key in twins:
        for one in before[key]:
            of_twins[one].add(key)
    if twins & (rows.unpublished | rows.elsewhere) or _without(rows) & of_twins.keys():
        return True  # one of several has left the others
    return any(
        list(before.get(row.key, (row.offer.id,))) != [row.offer.id]
        or (row.offer.id in of_twins and row.key not in of_twins[row.offer.id])
        for row in rows.sold
    )


def has_moved(rows: Rows, links: Iterable[Link]) -> bool:
    """Whether something that is in step has another article now, or its article is another product's."""
    ids: dict[str, set[str]] = defaultdict(set)
    keys: dict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.source_key and link.source_id:
            ids[link.source_key].add(link.source_id)
            keys[link.source_id].add(link.source_key)
    told = [row for row in (*rows.sold, *rows.bases.values()) if row.key]
    family: dict[str, set[str]] = defaultdict(set)  # a product may have the article of one of its variants
    for row in told:
        family[row.product] |= {row.product, row.offer.id}
    return bool(_without(rows) & keys.keys()) or any(
        (row.key in ids and not ids[row.key] & family[row.product])
        or (row.offer.id in keys and row.key not in keys[row.offer.id])
        for row in told
    )


def _without(rows: Rows) -> set[str]:
    """Ids of what has no article."""
    return {one.where.element for one in rows.findings if one.code == "no-article" and one.where.element}


def _by_key(sold: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sold:
        found.setdefault(row.key, []).append(row)
    return found
