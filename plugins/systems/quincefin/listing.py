"""Documents of one kind: the API finds them by their dates alone, so that they are read by ranges of days and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.api import SystemEnv
from plugins.systems.quincefin.client import Client
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.values import Row, around, own

ORDER, RETURN, SHIPMENT = "order", "document/outgoing_return", "document/outgoing"
BANK, CASH = "document/money_bank_income", "document/money_cash_income"
#: Seconds after which all that was read once is read anew before it is believed that something is not there.
FRESH = 120
#: The last days, which are read first: what was made by us is mostly among them.
RECENT = timedelta(days=31)
#: Documents may be dated ahead.
AHEAD = timedelta(days=31)
#: As far back as one document is looked for by its id.
WIDE = timedelta(days=3653)


class Listing:
    """All documents of a kind, as far as they were read."""

    def __init__(self, path: str, client: Client, settings: QuincefinSettings, env: SystemEnv) -> None:
        self.path = path
        self.client, self.settings, self.env = client, settings, env
        self._rows: dict[int, Row] = {}
        self._read: datetime | None = None
        self._back: datetime | None = None  #: since when all are read

    def kept(self) -> list[Row]:
        """What was read so far, by id."""
        return [self._rows[key] for key in sorted(self._rows)]

    def recent(self, *, fresh: bool = False) -> list[Row]:
        """Those of the last days, and all others that are kept. ``fresh``: read anew when what is kept is old."""
        now = self.env.clock.now()
        old = self._read is None or not 0 <= (now - self._read).total_seconds() < FRESH
        if self._read is None or (fresh and old):
            self.days(now - RECENT, now + AHEAD)
            self._read, self._back = now, min(self._back or now - RECENT, now - RECENT)
        return self.kept()

    def further(self) -> bool:
        """Read one more month backwards, after ``recent``; False: all of ``look_back`` is read."""
        back, end = self._back, self.env.clock.now() - self.settings.look_back
        if back is None or back <= end:
            return False
        self._back = max(back - RECENT, end)
        self.days(self._back, back)
        return True

    def every(self) -> list[Row]:
        """All of them, read now."""
        now = self.env.clock.now()
        return self.days(now - WIDE, now + AHEAD)

    def days(self, first: datetime, last: datetime) -> list[Row]:
        """Those of a range of days, read now."""
        return self._know(self._range(first, last))

    def dates(self) -> dict[str, str]:
        """The filter of the last days."""
        now = self.env.clock.now()
        return around(now - RECENT, now + AHEAD, self.settings.dates, self.settings.zone)

    def one(self, key: int, near: datetime | None = None) -> Row | None:
        """The document with this id, read now; None: there is none. ``near``: when it was dated, as far as is known."""
        now = self.env.clock.now()
        ranges = [(near - AHEAD, near + AHEAD)] if near is not None else []
        for first, last in [*ranges, (now - WIDE, now + AHEAD)]:
            found = [row for row in self._know(self._range(first, last, key)) if own(row) == key]
            if found:
                return found[0]
        self._rows.pop(key, None)
        return None

    def _know(self, rows: list[Row]) -> list[Row]:
        self._rows |= {key: row for row in rows if (key := own(row)) is not None}
        return rows

    def _range(self, first: datetime, last: datetime, key: int | None = None) -> list[Row]:
        dates = around(first.astimezone(UTC), last.astimezone(UTC), self.settings.dates, self.settings.zone)
        return self.client.rows(self.path, {**({"Id": key} if key is not None else {}), **dates})
