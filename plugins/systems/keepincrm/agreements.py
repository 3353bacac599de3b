"""An agreement of KeepinCRM as an order of ours. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import (
    Delivery,
    Discount,
    Finding,
    Order,
    OrderLine,
    Party,
    Payment,
    SeenOrder,
    T,
    Where,
    Who,
    cents,
    full_name,
    tidy,
)
from plugins.systems.keepincrm import titles
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.mapping import custom_fields
from plugins.systems.keepincrm.order_settings import OrderSettings, Service

Row = Mapping[str, Any]
ZERO = Decimal(0)
#: A number with more digits than this before its point is no amount of an order.
_LARGEST = 11
#: ``result`` of an agreement that is closed -> status of the order format, where the config says nothing else
RESULTS = {"successful": "completed", "failed": "cancelled"}


class Unreadable(Exception):
    """Something of an agreement that an order cannot do without."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


# --- what it says --------------------------------------------------------------------------------------------------


def total_of(row: Row) -> Decimal | None:
    """``total_amount``, else ``total``. Raises ValueError."""
    for name in ("total_amount", "total"):
        if row.get(name) not in (None, ""):
            return v.number(row[name])
    return None


def result_of(row: Row) -> str:
    """How it was closed; "" while it is open."""
    return v.text(row.get("result")).strip()


def status_of(row: Row, settings: OrderSettings) -> str:
    """The status as the CRM has it: how it was closed, else its stage."""
    return result_of(row) or stage_of(row, settings)


def stage_of(row: Row, settings: OrderSettings) -> str:
    """The number of its stage, else the stage's name; "" where none is told."""
    stage = part(row.get("stage"))
    own = v.text(row.get("stage_id")) or v.text(stage.get("id"))
    name = v.text(stage.get("name")).strip()
    return own or (str(settings.stages[name]) if name in settings.stages else name)


def meaning_of(row: Row, settings: OrderSettings) -> str:
    """The status in the order format: as the config says, else as the CRM calls it."""
    if result := result_of(row):
        return settings.statuses.get(result) or RESULTS.get(result) or result
    stage = stage_of(row, settings)
    name = v.text(part(row.get("stage")).get("name")).strip()
    if not name:
        name = next((known for known, own in settings.stages.items() if str(own) == stage), "")
    return settings.statuses.get(stage) or settings.statuses.get(name) or name or stage


def part(value: object) -> Row:
    """A nested object; nothing where there is none."""
    return value if isinstance(value, Mapping) else {}


def parts(value: object) -> list[Row]:
    """A nested list of objects."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def moments_of(row: Row, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """(ordered, changed), as far as they can be read."""
    found: list[datetime | None] = []
    for names in (("ordered_at", "created_at"), ("updated_at", "created_at")):
        at = None
        for name in names:
            with suppress(ValueError):
                at = at or v.moment(row.get(name), zone)
        found.append(at)
    return found[0], found[1]


# --- an order ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to read agreements besides their rows."""

    settings: OrderSettings
    source: str  #: what orders name as their source
    currency: str  #: of agreements that name none
    zone: ZoneInfo

    def read(self, row: Row) -> SeenOrder:
        """The order, or what of it cannot be read."""
        own, status = v.text(row.get("id")), status_of(row, self.settings)
        order: Order | None = None
        findings: tuple[Finding, ...] = ()
        try:
            order = self._order(own, row)
        except Unreadable as error:
            words = T("Agreement {number} cannot be read: {what}.", number=own, what=error.what)
            hint = T("Look at it in the CRM; the others go on.")
            findings = (Finding("keepin-agreement", words, Where(order=own), hint, Who.ADMIN),)
        return SeenOrder(
            id=own,
            number=order.number if order else v.text(row.get("title")).strip() or own,
            status=status,
            order=order,
            findings=findings,
            updated_at=moments_of(row, self.zone)[1],
            revision=_revision(order or row, status),
        )

    def _order(self, own: str, row: Row) -> Order:
        ordered, changed = moments_of(row, self.zone)
        if ordered is None:
            raise Unreadable("ordered_at")
        total = _needed("total", partial(total_of, row))
        if not isinstance(row.get("jobs"), list):
            raise Unreadable("jobs")
        delivery, fee = ZERO, ZERO
        lines: list[OrderLine] = []
        for line in self._lines(row):
            if _is(line, self.settings.delivery):
                delivery += line.sum
            elif _is(line, self.settings.fee):
                fee += line.sum
            else:
                lines.append(line)
        said = tidy(v.text(row.get("title")))
        known = titles.read(said, self.settings)
        client = part(row.get("client"))
        sums = sum((line.sum for line in lines), ZERO) + delivery + fee
        return Order(
            id=own,
            number=known.get("number") or known.get("id") or said or own,
            source=self.source,
            created_at=ordered,
            updated_at=changed,
            currency=v.text(row.get("currency")).strip().upper() or self.currency,
            customer=party_of(client),
            lines=tuple(lines),
            total=total,
            status=meaning_of(row, self.settings),
            delivery=Delivery(cost=delivery, tracking=_tracking(row)),
            payment=_payment(row, total, fee),
            discounts=_discounts(row, sums, total),
            # into which we write ourselves what became of it, too
            manager_comment=v.text(row.get("comment")).strip(),
            manager=v.text(part(row.get("main_responsible")).get("name")).strip(),
            extra=dict(_extra(row)),
        )

    def _lines(self, row: Row) -> Iterator[OrderLine]:
        for n, job in enumerate(parts(row["jobs"]), 1):
            line = Line.of(job)
            yield OrderLine(
                code=line.sku,
                name=line.title,
                quantity=_needed(f"jobs[{n}].amount", partial(v.number, line.amount)),
                price=_needed(f"jobs[{n}].price", partial(v.number, line.price)),
                number=n,
            )


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is told: flat, or with its product. Amount and price as they stand there."""

    id: str
    sku: str
    title: str
    amount: Any
    price: Any

    @classmethod
    def of(cls, job: Row) -> Line:
        """What a row of ``jobs`` says; what it does not say itself its product does."""
        product = part(job.get("product", job.get("material")))

        def told(*names: str) -> Any:
            every = [one.get(name) for one in (job, product) for name in names]
            return next((value for value in every if value not in (None, "")), None)

        sku, title = v.text(told("sku")).strip(), tidy(v.text(told("title")))
        return cls(v.text(job.get("id")), sku, title, job.get("amount"), told("price", "price_amount"))


def _needed(what: str, read: Callable[[], Decimal | None]) -> Decimal:
    try:
        found = read()
    except ValueError:
        found = None
    if not isinstance(found, Decimal) or found.adjusted() > _LARGEST:
        raise Unreadable(what)
    return found


def _is(line: OrderLine, service: Service) -> bool:
    """Whether a line is that part of an order which is no product: by its article, else by its name."""
    if line.code:
        return bool(service.sku) and line.code == service.sku
    return tidy(line.name).casefold() == tidy(service.title).casefold()


def party_of(client: Row) -> Party:
    """A company has another name than the person who speaks for it; the CRM wants both for everybody."""
    person, company = (tidy(v.text(client.get(name))) for name in ("person", "company"))
    last, first, middle = full_name(person or company)
    if said := tidy(v.text(client.get("last_name"))):
        last, first, middle = said, tidy(v.text(client.get("first_name"))), tidy(v.text(client.get("middle_name")))
    phones = client.get("phones")
    numbers = [v.text(one) for one in phones] if isinstance(phones, list) else [v.text(phones)]
    is_company = bool(person and company and person.casefold() != company.casefold())
    return Party(
        kind="company" if is_company else "person",
        company=company if is_company else "",
        last_name=last,
        first_name=first,
        middle_name=middle,
        phone=next((one for one in numbers if one.strip()), ""),
        email=v.text(client.get("email")).strip(),
    )


def _tracking(row: Row) -> str:
    return next((ttn for one in parts(row.get("deliveries")) if (ttn := v.text(one.get("ttn")).strip())), "")


def _payment(row: Row, total: Decimal, fee: Decimal) -> Payment:
    paid: Decimal | None = None
    with suppress(ValueError):
        paid = v.number(row.get("paid"))
    status = "unpaid" if not paid or paid <= 0 else "paid" if paid >= total else "partly"
    return Payment(status=status, paid=paid, fee=fee)


def _discounts(row: Row, sums: Decimal, total: Decimal) -> tuple[Discount, ...]:
    """The agreement's own discount, where it explains the total: an amount, or a percentage."""
    try:
        told = v.number(row.get("discount"))
    except ValueError:
        return ()
    off = sums - total
    if not told or told < 0 or off <= 0 or cents(off) not in (cents(told), cents(sums * told / 100)):
        return ()
    return (Discount(amount=cents(off)),)


def _extra(row: Row) -> Iterator[tuple[str, str]]:
    """What a client may look at besides; empty things are left out."""
    client = part(row.get("client"))
    plain = {
        "stage": v.text(part(row.get("stage")).get("name")),
        "result": v.text(row.get("result")),
        "source": v.text(part(row.get("source")).get("name")),
        "archive_status": v.text(part(row.get("archive_status")).get("name")),
        "client_id": v.text(client.get("id")),
        "title": v.text(row.get("title")),
        **{f"field.{name}": v.text(value) for name, value in (custom_fields(row) or {}).items()},
    }
    yield from ((name, value.strip()) for name, value in plain.items() if value.strip())


def _revision(content: Order | Row, status: str) -> str:
    """A hash of content and status: a write that changes neither is no other event."""
    plain = asdict(content) if isinstance(content, Order) else dict(content)
    plain.pop("updated_at", None)
    words = json.dumps([_plain(plain), status], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return str(value.normalize())
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case str() | bool() | int() | None:
            return value
        case _:
            return str(value)
