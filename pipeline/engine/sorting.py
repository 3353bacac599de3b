"""Sorts the orders of read files into new ones, known ones and changed ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pipeline.engine.planning import Work
from pipeline.errors import Finding, Where
from pipeline.ledger.tables import OrderState
from pipeline.texts import T

Row = dict[str, Any]
#: What becomes of an order by its ledger row: ``fresh`` is planned; of the others nothing is made.
Standing = Literal["fresh", "same", "changed", "older"]
#: An order that is on its way, or held: nothing was made of it yet.
UNSETTLED = (OrderState.NEW, OrderState.CREATING, OrderState.HELD)


@dataclass
class Sorted:
    """What the orders of a batch of files come to."""

    fresh: list[Work] = field(default_factory=list)  #: to be planned
    same: list[Work] = field(default_factory=list)  #: known with the same content, settled
    changed: list[Work] = field(default_factory=list)  #: known with other content, and settled already
    twins: list[Work] = field(default_factory=list)  #: in the same file as another of their number, with other content
    later: list[Work] = field(default_factory=list)  #: the target did not take them, and their time has not come
    older: list[Work] = field(default_factory=list)  #: newer content of them came in another file
    deferred: set[int] = field(default_factory=set)  #: files that wait for another file of the batch


def by_state(work: Work) -> Standing:
    """Where an order that comes stands by the state of its ledger ``row`` (empty: never seen)."""
    row = work.row
    if not row or OrderState(row["state"]) in UNSETTLED:
        return "fresh"  # on its way, or held: planned again; newer content takes the place of the older
    return "same" if row["revision"] == work.revision else "changed"


def sort_out(
    works: Sequence[Work], known: Mapping[str, Row], standing: Callable[[Work], Standing] = by_state
) -> Sorted:
    """Sort ``works`` (in the order of files and places), given the ledger's rows by key; sets ``row`` of each.

    An order that stands in two files of the batch: the second file waits until the first is settled. An order that
    stands twice in one file with different content is held: nobody can say which one is meant.
    """
    result = Sorted()
    first: dict[str, Work] = {}
    for work in works:
        if work.file_id in result.deferred:
            continue
        earlier = first.get(work.key)
        if earlier is not None and earlier.file_id != work.file_id:
            result.deferred.add(work.file_id)
            for bucket in (result.fresh, result.same, result.changed, result.twins, result.older):
                bucket[:] = [one for one in bucket if one.file_id != work.file_id]
            first = {key: one for key, one in first.items() if one.file_id != work.file_id}
            continue
        work.row = known.get(work.key, {})
        if earlier is None:
            first[work.key] = work
            bucket = getattr(result, standing(work))
            bucket.append(work)
        elif earlier.revision == work.revision:
            result.same.append(work)
        else:
            result.twins.append(work)
            if earlier in result.fresh or earlier in result.changed:
                earlier.decoded = replace(earlier.decoded, findings=(*earlier.decoded.findings, _twin(earlier, work)))
    return result


def _twin(work: Work, other: Work) -> Finding:
    return Finding(
        "twin-order",
        T(
            "Order №{number} stands twice in {file} with different content (lines {first} and {second}).",
            number=work.number,
            file=work.file_name,
            first=work.decoded.line or 0,
            second=other.decoded.line or 0,
        ),
        Where(file=work.file_name, line=other.decoded.line, order=work.number),
        T("Send a file in which it stands once."),
    )
