"""The list of materials of one session: read whole, kept for a moment, and looked up by article."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.api import MatchRules, Ref, Refused, T, normal_form, tidy
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.paging import FilterRefused, Params, Row
from plugins.systems.keepincrm.settings import KeepinSettings

MATERIALS = "/materials"
#: Seconds: one reading of the list may serve who asks for offers and who asks for levels within this time, each once.
KEPT = 120.0
#: Seconds for which a session knows which articles there are.
KNOWN = 600.0
#: More articles than this are looked up in the whole list at once.
FEW = 40
#: What has changed shortly before the asked moment is told too.
OVERLAP = timedelta(minutes=5)


class Goods:
    """The materials of one session."""

    def __init__(self, api: KeepinApi, settings: KeepinSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._settings, self._clock = api, settings, clock
        self._rows: dict[str, Row] = {}
        self._read_at = float("-inf")
        self._serves: set[str] = set()
        self._filters = True

    # --- the whole list ----------------------------------------------------------------------------------------------

    def rows(self, who: str, since: datetime | None = None) -> Iterator[Row]:
        """All materials, or those changed since. ``who`` asks: ``offers`` or ``levels``. Raises Refused, Transient."""
        if since is not None and self._settings.changed_since:
            yield from self._changed(since)
        elif who in self._serves and self._clock() - self._read_at < KEPT:
            self._serves.discard(who)
            yield from list(self._rows.values())
        else:
            yield from self._all(who)

    def forget(self) -> None:
        """Something was written: who asks next gets what is there then."""
        self._serves = set()

    def remember(self, row: Row) -> None:
        """A material that was made, or seen, just now."""
        self._rows[v.text(row["id"])] = row

    def known(self) -> Mapping[str, Row]:
        """All materials by id, as they were within the last minutes. Raises Refused, Transient."""
        if self._clock() - self._read_at >= KNOWN:
            for _row in self._all(""):
                pass
        return self._rows

    def seen(self) -> Mapping[str, Row]:
        """What this session has read already."""
        return self._rows

    def _all(self, who: str) -> Iterator[Row]:
        rows: dict[str, Row] = {}
        for row in self._api.rows(MATERIALS):
            rows[v.text(row["id"])] = row
            yield row
        self._rows, self._read_at = rows, self._clock()
        self._serves = {"offers", "levels"} - {who}

    def _changed(self, since: datetime) -> Iterator[Row]:
        """By ``q[updated_at_gteq]``; an account that does not listen tells more, sorted out as far as it can be."""
        first = since - OVERLAP
        asked: Params = (("q[updated_at_gteq]", first.isoformat(timespec="seconds")),)
        try:
            for row in self._api.rows(MATERIALS, asked):
                at = None
                with suppress(ValueError):
                    at = v.moment(row.get("updated_at"), ZoneInfo("UTC"))
                if at is None or at >= first:
                    yield row
        except FilterRefused as error:
            raise Refused(
                T("The account does not tell what has changed since: {words}", words=str(error)),
                code="keepin-changed-since",
                hint=T("Set `changed_since: false` of the connection."),
            ) from error

    # --- by article --------------------------------------------------------------------------------------------------

    def of_article(self, sku: str) -> Sequence[Row]:
        """The materials of just this article, by the whole list. Raises Refused, Transient."""
        return [row for row in self.known().values() if tidy(v.text(row.get("sku"))) == tidy(sku)]

    def find(self, codes: Collection[str]) -> dict[str, list[Ref]]:
        """For each code the materials of just that article, else all of the same normal form. See ProductLookup."""
        wanted = {code for code in codes if code.strip()}
        found: dict[str, list[Ref]] = {}
        if self._filters and len(wanted) <= FEW and self._clock() - self._read_at >= KNOWN:
            for code in sorted(wanted):
                rows = self._asked(code)
                if rows is None:
                    break
                if rows:
                    found[code] = list(map(_ref, rows))
            wanted -= found.keys()
        if not wanted:
            return found
        exact: dict[str, list[Ref]] = {}
        alike: dict[str, list[Ref]] = {}
        rules = MatchRules()
        for row in self.known().values():
            sku = v.text(row.get("sku"))
            if sku.strip():
                exact.setdefault(tidy(sku), []).append(_ref(row))
                alike.setdefault(normal_form(sku, rules), []).append(_ref(row))
        for code in wanted:
            refs = exact.get(tidy(code)) or alike.get(normal_form(code, rules))
            if refs:
                found[code] = refs
        return found

    def _asked(self, code: str) -> Sequence[Row] | None:
        """By ``q[sku_eq]``; None when the account does not listen to it."""
        try:
            page = self._api.page(
                MATERIALS, (("q[sku_eq]", code), ("page", "1"), ("per_page", str(self._settings.page)))
            )
        except FilterRefused:
            self._filters = False
            return None
        if any(tidy(v.text(row.get("sku"))) != tidy(code) for row in page.rows) or page.pages > 1:
            self._filters = False
            return None
        for row in page.rows:
            self.remember(row)
        return page.rows


def _ref(row: Row) -> Ref:
    return Ref(v.text(row["id"]), v.text(row.get("sku")), v.text(row.get("title")))
