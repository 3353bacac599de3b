"""The sheet of a day: what the shops told against what the books' documents say. Pure: rows in, one value out.

An order belongs to the day on which it was made in the shop, as the shop says; where that is not known, or lies after
the moment at which it was taken, to the day on which it was taken. Sums are exact, each currency by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pipeline.errors import Finding
from pipeline.model import cents

ZERO = Decimal("0.00")
#: What became of an order: it has its document · it waits for somebody or something · it is not to be booked, or its
#: document was marked cancelled.
Fate = Literal["booked", "waiting", "apart"]
#: Why shop and books differ: another sum · another currency · no document of that key any more · cancelled in the shop,
#: and its document stands.
Kind = Literal["sum", "currency", "gone", "cancelled"]
#: An order came after its day had ended · it came on this day and belongs to an earlier one.
Lateness = Literal["", "after", "earlier"]
_APART = ("rejected", "nothing_to_do")
_OFF = ("cancelled", "refunded")


def yesterday(now: datetime, zone: ZoneInfo) -> date:
    """The day before the present one, in that zone."""
    return now.astimezone(zone).date() - timedelta(days=1)


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Midnight to midnight, in UTC: 23 or 25 hours on the days on which clocks are changed."""
    start, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return start, end


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """One order as the ledger has it. ``total`` None: its sum could not be read."""

    row: int
    number: str
    source: str
    customer: str = ""
    total: Decimal | None = None
    currency: str = ""
    state: str = "new"
    status: str | None = None  #: the shop's own; None: not known
    payment_method: str | None = None  #: None: taken before this was kept
    payment_status: str | None = None
    placed: datetime | None = None
    taken: datetime
    into: str = ""
    document: str | None = None
    document_total: Decimal | None = None  #: None: its system has not told it
    document_currency: str = ""
    document_at: datetime | None = None  #: when the document was looked at last
    gone: bool = False  #: its system has no document of its key (any more)
    cancelled: bool = False  #: the document was marked cancelled
    booked_as: str = ""  #: currency that it was booked in, where a mapping says so
    cards: tuple[int, ...] = ()  #: open ones
    why: tuple[Finding, ...] = ()

    @property
    def moment(self) -> datetime:
        """By which it belongs to a day."""
        return min(self.placed, self.taken) if self.placed is not None else self.taken

    @property
    def fate(self) -> Fate:
        """What became of it."""
        if self.state in _APART or (self.state == "created" and self.cancelled):
            return "apart"
        return "booked" if self.state == "created" else "waiting"

    @property
    def comparable(self) -> bool:
        """Whether shop and document can be held against each other to the cent."""
        return self.fate == "booked" and None not in (self.total, self.document_total) and not self._elsewhere

    @property
    def _elsewhere(self) -> bool:
        wanted = self.booked_as or self.currency
        return self.gone or bool(self.document_currency and self.document_currency != wanted)

    @property
    def difference(self) -> Kind | None:
        """Why its document is not as the shop's order; None when it is, or when that is not known."""
        if self.fate != "booked":
            return None
        if self.gone:
            return "gone"
        if self.document_total is not None and self._elsewhere:
            return "currency"
        if (
            self.total is not None
            and self.document_total is not None
            and cents(self.total) != cents(self.document_total)
        ):
            return "sum"
        return "cancelled" if self.status in _OFF else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Orders of one currency under one name, counted and added up."""

    name: str | None = ""  #: of the source, status, payment …; None: not known
    currency: str = ""
    orders: int = 0
    total: Decimal = ZERO  #: of all of them, as the shop says
    booked: int = 0
    booked_total: Decimal = ZERO
    waiting: int = 0
    waiting_total: Decimal = ZERO
    apart: int = 0
    apart_total: Decimal = ZERO
    compared: int = 0  #: of those booked: their documents' sums are known
    compared_total: Decimal = ZERO  #: of these, as the shop says
    documents_total: Decimal = ZERO  #: and as the documents say
    without_sum: int = 0  #: of all: their sums could not be read, and are in no total

    @property
    def difference(self) -> Decimal:
        """What the documents have more than the shop."""
        return self.documents_total - self.compared_total

    def with_order(self, one: OrderFact) -> Sums:
        """The same with one order more."""
        total, fate = one.total or ZERO, one.fate
        changes: dict[str, Any] = {
            "orders": self.orders + 1,
            "total": self.total + total,
            fate: getattr(self, fate) + 1,
            f"{fate}_total": getattr(self, f"{fate}_total") + total,
            "without_sum": self.without_sum + (one.total is None),
        }
        if one.comparable:
            assert one.document_total is not None
            changes |= {
                "compared": self.compared + 1,
                "compared_total": self.compared_total + total,
                "documents_total": self.documents_total + one.document_total,
            }
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that happened to an order on the day: it was amended, cancelled, came again."""

    at: datetime
    row: int
    number: str
    source: str
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedFile:
    """A file that could not be accepted on the day."""

    at: datetime
    row: int
    name: str
    place: str
    state: str  #: as it is now
    why: tuple[Finding, ...] = ()
    cards: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductLine:
    """One product, or one field of it, that came or changed. ``what``: new, changed, vanished."""

    where: str  #: job, or file that was published
    what: str
    article: str
    name: str = ""
    field: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductCount:
    """How many products came, changed and vanished, by one job. ``listed`` False: not all are told one by one."""

    where: str
    new: int = 0
    changed: int = 0
    vanished: int = 0
    rows: int | None = None  #: of a published file
    listed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All that a sheet is made of, as the ledger gives it."""

    orders: Sequence[OrderFact] = ()  #: at least those of the day, those taken on it, and those that wait now
    happened: Sequence[Happened] = ()
    files: Sequence[RejectedFile] = ()
    products: Sequence[ProductLine] = ()
    counts: Sequence[ProductCount] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """The sheet of one day, as of one moment."""

    client: str
    day: date
    zone: ZoneInfo
    made: datetime
    orders: tuple[OrderFact, ...] = ()  #: of the day, oldest first
    totals: tuple[Sums, ...] = ()  #: a line for each currency
    by_source: tuple[Sums, ...] = ()
    by_status: tuple[Sums, ...] = ()
    by_payment: tuple[Sums, ...] = ()
    by_state: tuple[Sums, ...] = ()
    differences: tuple[OrderFact, ...] = ()
    waiting: tuple[OrderFact, ...] = ()  #: held, in doubt or on their way now, of the day or before it
    late: tuple[tuple[OrderFact, Lateness], ...] = ()
    happened: tuple[Happened, ...] = ()
    files: tuple[RejectedFile, ...] = ()
    products: tuple[ProductLine, ...] = ()
    counts: tuple[ProductCount, ...] = ()
    unknown_payment: int = 0  #: orders of the day of which it was not kept
    unknown_placed: int = 0
    unasked: int = 0  #: booked ones whose documents' sums are not known

    @property
    def asked(self) -> datetime | None:
        """When the documents of the day were looked at: the earliest of these moments."""
        return min((one.document_at for one in self.orders if one.document_at is not None), default=None)


def build(rows: Rows, *, client: str, day: date, zone: ZoneInfo, now: datetime) -> DayReport:
    """The sheet of ``day``. ``now``: the moment as of which the rows are."""
    since, until = bounds(day, zone)
    mine = sorted((one for one in rows.orders if since <= one.moment < until), key=lambda one: (one.moment, one.row))
    booked = [one for one in mine if one.fate == "booked"]
    return DayReport(
        client=client,
        day=day,
        zone=zone,
        made=now,
        orders=tuple(mine),
        totals=grouped(mine, lambda _one: ""),
        by_source=grouped(mine, lambda one: one.source),
        by_status=grouped(mine, lambda one: one.status),
        by_payment=grouped(mine, payment_of),
        by_state=grouped(mine, lambda one: "cancelled" if one.state == "created" and one.cancelled else one.state),
        differences=tuple(one for one in mine if one.difference is not None),
        waiting=tuple(
            sorted(
                (one for one in rows.orders if one.fate == "waiting" and one.moment < until),
                key=lambda one: (one.moment, one.row),
            )
        ),
        late=tuple((one, how) for one in _by_taken(rows.orders) if (how := lateness(one, since, until))),
        happened=tuple(sorted(rows.happened, key=lambda one: one.at)),
        files=tuple(sorted(rows.files, key=lambda one: one.at)),
        products=tuple(rows.products),
        counts=tuple(rows.counts),
        unknown_payment=sum(one.payment_method is None and one.payment_status is None for one in mine),
        unknown_placed=sum(one.placed is None for one in mine),
        unasked=sum(one.document_total is None and not one.gone for one in booked),
    )


def payment_of(one: OrderFact) -> str | None:
    """By what payments are grouped: the shop's method and whether it was paid; None where neither was kept."""
    if one.payment_method is None and one.payment_status is None:
        return None
    return f"{one.payment_method or ''}\t{one.payment_status or ''}"


def grouped(some: Iterable[OrderFact], key: Callable[[OrderFact], str | None]) -> tuple[Sums, ...]:
    """A line for each name and currency, sorted; what is not known comes last."""
    found: dict[tuple[str | None, str], Sums] = {}
    for one in some:
        place = (key(one), one.currency)
        found[place] = found.get(place, Sums(name=place[0], currency=place[1])).with_order(one)
    return tuple(found[place] for place in sorted(found, key=lambda one: (one[0] is None, one[0] or "", one[1])))


def lateness(one: OrderFact, since: datetime, until: datetime) -> Lateness:
    """Whether an order came too late for its day's sheet to have had it in the morning, seen from this day."""
    if since <= one.moment < until:
        return "after" if one.taken >= until else ""
    return "earlier" if one.moment < since and since <= one.taken < until else ""


def _by_taken(some: Sequence[OrderFact]) -> list[OrderFact]:
    return sorted(some, key=lambda one: (one.taken, one.row))
