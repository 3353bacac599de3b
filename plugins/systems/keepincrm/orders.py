"""Reads the agreements that have changed, and writes back what became of them: scalars only, never lines or clients."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import OrderChange, Ref, RowOutcome, SeenOrder, SystemEnv, T, Who, noted, row_by_row, yaml_word
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.agreements import RESULTS, Desk, moments_of, part, status_of
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.moving import closed, comment_in, gone, moved, see_moved
from plugins.systems.keepincrm.order_settings import OrderSettings
from plugins.systems.keepincrm.paging import FilterRefused, Params, Row
from plugins.systems.keepincrm.writing import refused

AGREEMENTS = "/agreements"
#: What has changed shortly before the asked moment is told too.
OVERLAP = timedelta(minutes=5)
_FIRST = datetime.min.replace(tzinfo=UTC)


class OrderBook:
    """The agreements of one session."""

    def __init__(self, api: KeepinApi, settings: OrderSettings, env: SystemEnv) -> None:
        self._api, self._settings, self._env = api, settings, env
        self._zone = ZoneInfo(env.timezone)
        self._desk = Desk(settings, settings.source or env.name, env.currency, self._zone)
        self._clients: dict[str, Row] = {}

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, since: datetime | None, until: datetime | None, statuses: Collection[str]) -> Iterator[SeenOrder]:
        """Agreements that changed since (less the overlap) until before ``until``, the oldest change first.

        Those that were ordered longer ago than the config's window, and before ``since``, are left out.
        Raises Refused, Transient.
        """
        begin = since - OVERLAP if since is not None else None
        window = self._env.clock.now() - self._settings.window
        oldest = min(window, since) if since is not None else window
        first = datetime.combine(oldest.astimezone(self._zone).date(), time(), self._zone)
        wanted = {str(self._settings.stages.get(one, one)) for one in statuses}
        found: list[tuple[datetime, SeenOrder]] = []
        for row in self._changed(begin, first):
            ordered, changed = moments_of(row, self._zone)
            if ordered is not None and ordered < first:
                continue
            if changed is not None and ((begin and changed < begin) or (until and changed >= until)):
                continue
            if wanted and status_of(row, self._settings) not in wanted:
                continue
            found.append((changed or _FIRST, self._desk.read(self._whole(row))))
        yield from (one for _at, one in sorted(found, key=lambda pair: (pair[0], int(pair[1].id or "0"))))

    def _changed(self, begin: datetime | None, first: datetime) -> list[Row]:
        """The list, by what the account listens to: it may tell more than was asked for, never less."""
        ordered: Params = (("q[ordered_at_gteq]", first.date().isoformat()),)
        changed: Params = (("q[updated_at_gteq]", begin.isoformat(timespec="seconds")),) if begin is not None else ()
        for params in dict.fromkeys(((*ordered, *changed), ordered)):
            try:
                return list(self._api.rows(AGREEMENTS, params))
            except FilterRefused:
                continue
        return list(self._api.rows(AGREEMENTS))

    def _whole(self, row: Row) -> Row:
        """With its lines and its client's telephones, which lists of some accounts leave out."""
        own = v.text(row["id"])
        if "jobs" not in row:
            row = self._api.one(f"{AGREEMENTS}/{own}") or row
        client = part(row.get("client"))
        number = v.text(client.get("id"))
        if number and "phones" not in client:
            if number not in self._clients:
                self._clients[number] = self._api.one(f"/clients/{number}") or {}
            row = {**row, "client": {**self._clients[number], **client}}
        return row

    def statuses(self) -> Sequence[Ref]:
        """The stages that the config names, and the ways in which an agreement is closed. The API tells none."""
        stages = [Ref(str(own), name, name) for name, own in self._settings.stages.items()]
        return [*stages, *(Ref(name, name, name) for name in RESULTS)]

    # --- writing back ------------------------------------------------------------------------------------------------

    def apply(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Write each. Raises Refused and Transient when nothing was done."""
        return row_by_row(changes, self._apply)

    def _apply(self, change: OrderChange) -> RowOutcome:
        path = f"{AGREEMENTS}/{change.id}"
        row = self._api.one(path) if change.id.isascii() and change.id.isdigit() else None
        if row is None:
            raise gone(change.id)
        body = self._move(row, change.status) if change.status is not None else {}
        comment = self._comment(row, change)
        if comment is not None:
            body["comment"] = comment
        if not body:
            return RowOutcome((change.id,), existed=True)
        answer = self._api.change(path, body)
        if answer is None:
            raise gone(change.id)
        see_moved(answer, body, self._settings)
        return RowOutcome((change.id,))

    def _move(self, row: Row, status: str) -> dict[str, Any]:
        """What moves it to a status: a stage by its name or number, or how it was closed. Raises Held."""
        if status in self._settings.stages:
            return moved(row, self._settings, self._settings.stages[status])
        if status in RESULTS:
            return closed(row, self._settings, status)
        if status.isascii() and status.isdigit():
            return moved(row, self._settings, int(status))
        raise refused(
            "unknown-status",
            T("The stage {status} is not among `orders.stages`.", status=status),
            T("Add it to the connection with its number: {{{status}: 7}}.", status=yaml_word(status)),
            field="status",
            who=Who.ADMIN,
        )

    def _comment(self, row: Row, change: OrderChange) -> str | None:
        """What the comment is to be; None when nothing is to be added. Raises Held where it is not told."""
        notes = [
            self._settings.number_comment.format(number=change.number) if change.number else "",
            self._settings.tracking_comment.format(tracking=change.tracking) if change.tracking else "",
            change.comment or "",
        ]
        return noted(comment_in(row), notes) if any(note.strip() for note in notes) else None
