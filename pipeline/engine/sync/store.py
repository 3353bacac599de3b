"""What the ledger keeps of a sync: what is in step (links), cursors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.config.model import StepSpec
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import links, values
from pipeline.model import Offer
from pipeline.syncing import SyncSettings

#: By link: ids, in the target, of what has gone from the source and was in step; whether it was hidden for that.
GONE = "sync-gone"
#: By link: what the target refused.
REFUSED = "sync-refused"
#: By link: see ``known.Open``.
OPEN = "sync-open"
#: Among the fingerprints of a link: the mark of the whole row.
_MARK = "*"
CURSOR, FULL, COMPARED, WAKE = "sync-cursor", "sync-full", "compared", "wake"
#: By a card's subject: up to which decision the verdicts on its plans are over, and which one stands.
VERDICTS = "sync-verdicts"


def link_of(job: str, steps: Sequence[StepSpec], number: int) -> str:
    """The name under which the ledger keeps what the step of that place (from 0) has in step.

    A second step of one kind between the same two systems, of other categories for instance, has its own: what the one
    does not look at has not vanished for the other.
    """
    mine = steps[number]
    assert isinstance(mine.params, SyncSettings)
    ends = (mine.step, mine.params.source, mine.params.to)
    before = sum(
        isinstance(one.params, SyncSettings) and (one.step, one.params.source, one.params.to) == ends
        for one in steps[:number]
    )
    return f"{job}/{mine.params.source}>{mine.params.to}/{mine.step}{f'#{before + 1}' if before else ''}"


@dataclass(frozen=True, slots=True)
class Link:
    """One offer of the target that is kept in step, as it was last left."""

    target: Offer  #: id, kind, product and keys; its values are the prices as last sent
    source_key: str
    source_id: str
    wanted: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, str] = field(default_factory=dict)  #: prices by field, stock by ``stock:WAREHOUSE``
    mark: int = 0  #: of the source's row as it was last in step, see unchanged.py; 0: none

    def stock(self) -> dict[str, Decimal]:
        """Warehouse -> the level last sent."""
        return {name[6:]: Decimal(text) for name, text in self.sent.items() if name.startswith("stock:")}


class Written(Mapping[str, str]):
    """An object of texts, kept as the JSON that the ledger has and read when it is looked into.

    Of a hundred thousand links nearly none is looked into: their marks say that all is as it was.
    """

    __slots__ = ("_json",)

    def __init__(self, words: str) -> None:
        self._json = words

    def __getitem__(self, name: str) -> str:
        return _read(self._json)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_read(self._json))

    def __len__(self) -> int:
        return len(_read(self._json))


class _Prices(Mapping[str, Decimal]):
    """The prices among what was sent, the same way."""

    __slots__ = ("_json",)

    def __init__(self, words: str) -> None:
        self._json = words

    def __getitem__(self, name: str) -> Decimal:
        if name.startswith(_STOCK):
            raise KeyError(name)
        return Decimal(_read(self._json)[name])

    def __iter__(self) -> Iterator[str]:
        return (name for name in _read(self._json) if not name.startswith(_STOCK))

    def __len__(self) -> int:
        return sum(1 for _name in self)


@lru_cache(1024)
def _read(words: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(words)
    found.pop(_MARK, None)
    return found


_STOCK = "stock:"
_MARKED = re.compile(r'"\*": ?([0-9]+)')  # a quote inside of a text would have a backslash before it
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def read_links(conn: sa.Connection, client: str, link: str) -> dict[str, Link]:
    """All that is in step, by the target's id."""
    c = links.c
    plain = (c.target_id, c.source_key, c.source_id, c.kind, c.product)
    as_written = [sa.cast(one, sa.Text).label(one.name) for one in (c["keys"], c.wanted, c.seen, c.sent)]
    query = sa.select(*plain, *as_written).where(c.client == client, c.link == link)
    found: dict[str, Link] = {}
    for name, key, source, kind, product, keys, wanted, seen, sent in conn.execute(query):
        prices = _NOTHING if sent == "{}" else _Prices(sent)
        offer = Offer(id=name, product=name if product == name else product, kind=_KINDS[kind], keys=Written(keys),
                      values=prices)  # fmt: skip
        mark = _MARKED.search(wanted)
        found[name] = Link(offer, key, source, Written(wanted), _written(seen), _written(sent),
                           int(mark[1]) if mark else 0)  # fmt: skip
    return found


#: One object of each for all links.
_KINDS: Mapping[str, Any] = {kind: kind for kind in ("single", "base", "variant")}


def _written(words: str) -> Mapping[str, str]:
    return _NOTHING if words == "{}" else Written(words)


def source_keys(conn: sa.Connection, client: str, link: str) -> set[str]:
    """The articles of all that is in step."""
    return set(
        conn.execute(sa.select(links.c.source_key).where(links.c.client == client, links.c.link == link)).scalars()
    )


def write_links(conn: sa.Connection, client: str, link: str, rows: Iterable[Link], now: datetime) -> None:
    """Keep what was done."""
    kept = [
        {
            "client": client,
            "link": link,
            "target_id": one.target.id,
            "source_key": one.source_key,
            "source_id": one.source_id,
            "kind": one.target.kind,
            "product": one.target.product,
            "keys": dict(one.target.keys),
            "wanted": {**one.wanted, _MARK: one.mark} if one.mark else dict(one.wanted),
            "seen": dict(one.seen),
            "sent": dict(one.sent),
            "updated": now,
        }
        for one in rows
    ]
    if not kept:
        return
    insert: Any = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(links)
    keys = ("client", "link", "target_id")
    changes = {name: insert.excluded[name] for name in kept[0] if name not in keys}
    conn.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=changes), kept)


def forget_links(conn: sa.Connection, client: str, link: str, ids: Iterable[str]) -> None:
    """What is not kept in step any more."""
    gone = [{"gone": one} for one in ids]
    if gone:
        where = (links.c.client == client) & (links.c.link == link) & (links.c.target_id == sa.bindparam("gone"))
        conn.execute(links.delete().where(where), gone)


def read_gone(ledger: Ledger, conn: sa.Connection, link: str) -> dict[str, bool]:
    """By the target's id what has gone from the source, and whether it was hidden."""
    return {str(one): bool(hidden) for one, hidden in (ledger.get_value(conn, GONE, link) or {}).items()}


def write_gone(ledger: Ledger, conn: sa.Connection, link: str, gone: Mapping[str, bool]) -> None:
    """Keep it, for when it returns."""
    ledger.set_value(conn, GONE, link, dict(gone))


@dataclass(frozen=True, slots=True)
class Refused:
    """Articles of rows that the target refused, and that are still to be tried again."""

    names: frozenset[str] = frozenset()
    at: datetime | None = None  #: when all of them were last tried
    by_full: bool = False  #: only a look at everything of both sides tries them: some have gone from the source


def read_refused(ledger: Ledger, conn: sa.Connection, link: str) -> Refused:
    """What is still to be tried again."""
    value = ledger.get_value(conn, REFUSED, link)
    if not value:
        return Refused()
    return Refused(frozenset(value["names"]), datetime.fromisoformat(value["at"]), bool(value["full"]))


def write_refused(ledger: Ledger, conn: sa.Connection, link: str, refused: Refused) -> None:
    """Keep it."""
    assert refused.at is not None
    value = {"names": sorted(refused.names), "at": refused.at.isoformat(), "full": refused.by_full}
    ledger.set_value(conn, REFUSED, link, value)


# --- verdicts --------------------------------------------------------------------------------------------------------


def verdicts_over(ledger: Ledger, conn: sa.Connection, subject: str) -> tuple[int, int]:
    """Number of the last decision on a plan of ``subject`` that is used up, and of the one that stands until a run over
    everything finds no trouble; 0 for none."""
    value = ledger.get_value(conn, VERDICTS, subject) or {}
    return int(value.get("over", 0)), int(value.get("stands", 0))


def end_verdicts(ledger: Ledger, conn: sa.Connection, subject: str, over: int, stands: int = 0) -> None:
    """Decisions up to number ``over`` count no more; ``stands`` is still needed."""
    if verdicts_over(ledger, conn, subject) != (over, stands):
        ledger.set_value(conn, VERDICTS, subject, {"over": over, "stands": stands})


# --- cursors ---------------------------------------------------------------------------------------------------------


def get_moment(ledger: Ledger, conn: sa.Connection, kind: str, name: str) -> datetime | None:
    """A moment kept under ``kind`` and ``name``."""
    value = ledger.get_value(conn, kind, name)
    return datetime.fromisoformat(value["at"]) if value and value.get("at") else None


def set_moment(ledger: Ledger, conn: sa.Connection, kind: str, name: str, at: datetime | None) -> None:
    """Keep a moment; None forgets it."""
    ledger.set_value(conn, kind, name, {"at": at.isoformat() if at else None})


def wakes(ledger: Ledger) -> list[tuple[str, datetime]]:
    """Every moment at which a sync wants to run besides the schedule, over or to come, with its job."""
    v = values
    query = sa.select(v.c.name, v.c.value).where(v.c.client == ledger.client, v.c.kind == WAKE)
    with ledger.read() as conn:
        return [
            (row.name.partition("/")[0], datetime.fromisoformat(row.value["at"]))
            for row in conn.execute(query)
            if row.value.get("at")
        ]
