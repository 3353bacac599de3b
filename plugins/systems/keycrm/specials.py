"""Special prices, which KeyCRM itself does not know, in custom fields of products. Pure.

One price with its first and last day is kept, for a product with all its variants. A field of type ``date`` has whole
days in the client's time zone, the last one included; ``datetime`` is UTC as all of KeyCRM's times are; a text is read
as people write days and moments here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Held, Money, SpecialPrice, T, Text, Who
from plugins.systems.keycrm.settings import SpecialFields
from plugins.systems.keycrm.values import Row, number, text

_PRICE = re.compile(r"(\d{1,3}(?:[ \u00a0\u202f]\d{3})+|\d{1,12})(?:[.,](\d{1,2}))?", re.ASCII)
_DAY = re.compile(
    r"(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)\.(\d\d)\.(\d{4}))(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z)?)?", re.ASCII
)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Specials:
    """Reads and writes them.

    Args:
        kinds: type of each custom field by its uuid, as ``/custom-fields`` tells.
        currency: of products that name none.
    """

    fields: SpecialFields
    zone: ZoneInfo
    currency: str
    kinds: Mapping[str, str] = field(default_factory=dict)

    def read(self, filled: Sequence[Row], currency: str = "") -> tuple[SpecialPrice, ...] | None:
        """Of the custom fields that a product has filled; None where they cannot be read: it is not known then."""
        values = {text(one.get("uuid")): one.get("value") for one in filled}
        said = values.get(self.fields.price)
        if said in (None, "", []):
            return ()
        amount = price(said)
        start = self._moment(values, self.fields.start, last=False)
        end = self._moment(values, self.fields.end, last=True)
        if amount is None or isinstance(start, str) or isinstance(end, str):
            return None
        if not amount or (start and end and end <= start):
            return ()  # a price of 0 is none, and so is one for no time at all
        return (SpecialPrice(Money(amount, currency or self.currency), start, end),)

    def _moment(self, values: Mapping[str, Any], uuid: str | None, *, last: bool) -> datetime | str | None:
        """A moment; None where there is none; the text itself where it cannot be read."""
        said = text(values.get(uuid)).strip() if uuid else ""
        if not said:
            return None
        found = _DAY.fullmatch(said)
        if found is None:
            return said
        y1, m1, d1, d2, m2, y2, hour, minute, second, utc = found.groups()
        try:
            day = date(int(y1 or y2), int(m1 or m2), int(d1 or d2))
            if hour is None or self._kind(uuid) == "date":
                return self._midnight(day + _ONE_DAY if last else day)
            clock = time(int(hour), int(minute), int(second or 0))
        except (ValueError, OverflowError):
            return said
        zone = UTC if utc or self._kind(uuid) == "datetime" else self.zone
        return datetime.combine(day, clock, zone)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def _kind(self, uuid: str | None) -> str:
        return self.kinds.get(uuid or "", "text")

    def write(self, specials: Sequence[SpecialPrice], currency: object = "") -> list[dict[str, Any]]:
        """The custom fields of the first of them; empty ones where there is none. Raises Held for what does not fit.

        ``currency``: of the product, whose special price has none of its own.
        """
        first = specials[0] if specials else None
        ours = text(currency) or self.currency
        if first is not None and first.money.currency != ours:
            raise _unfit(
                T("The special price is in {found}, and the product's prices are in {currency}.",
                  found=first.money.currency, currency=ours),
                T("Let both price it in one currency: nothing is converted."),
            )  # fmt: skip
        filled = [{"uuid": self.fields.price, "value": f"{first.money.amount:f}" if first else ""}]
        for uuid, at, last in (
            (self.fields.start, first and first.start, False),
            (self.fields.end, first and first.end, True),
        ):
            if uuid:
                filled.append({"uuid": uuid, "value": self._written(uuid, at, last=last) if at else ""})
            elif at:
                raise _unfit(
                    T("A special price has a first or last day, and KeyCRM has no custom field for it."),
                    T("Name the field as `special: {start: …, end: …}` of the connection."),
                )
        return filled

    def _written(self, uuid: str, at: datetime, *, last: bool) -> str:
        if self._kind(uuid) == "datetime":
            return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        local = at.astimezone(self.zone)
        if local == self._midnight(local.date()):
            return (local.date() - _ONE_DAY if last else local.date()).isoformat()
        if self._kind(uuid) == "date":
            raise _unfit(
                T("A special price begins or ends within a day, and custom field {uuid} takes whole days.", uuid=uuid),
                T("Let a field of type date and time keep it."),
            )
        return local.strftime("%Y-%m-%d %H:%M:%S")


def price(said: object) -> Decimal | None:
    """An amount as a number, or as people write it: ``399.00``, ``1 234,50``. None for what may mean two things."""
    if not isinstance(said, str):
        return number(said)
    found = _PRICE.fullmatch(said.strip())
    if found is None:
        return None
    whole, cents = found.groups()
    return Decimal(re.sub(r"\D", "", whole) + (f".{cents}" if cents else ""))


def _unfit(words: Text, hint: Text) -> Held:
    return Held(words, hint=hint, code="keycrm-special", who=Who.ADMIN)
