"""What another config would have made of the files that came, beside what was made of them.

Every archived file is read and planned under both configs as if no order were known, so that the drafts of documents
can be compared field by field; what really happened is taken from the ledger. The other config's own ledger and archive
are not opened, and both configs' systems are only asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import carrying, reading
from pipeline.engine.carrying import Place
from pipeline.engine.context import Progress, no_progress
from pipeline.engine.foreseeing import Foreseen, Foresight, Unread
from pipeline.engine.inbox import chosen
from pipeline.engine.ownplugins import plugin_folder
from pipeline.engine.replay import lines, papers_compared
from pipeline.engine.replay.choose import Pick
from pipeline.engine.replay.copies import Copies, rejected
from pipeline.engine.replay.drafts import draft_differences
from pipeline.engine.replay.lines import Compared, Line
from pipeline.engine.replay.look import place_key
from pipeline.engine.replay.papers import apart
from pipeline.engine.replay.wanted import AT_ONCE
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import FileState, OrderState
from pipeline.ports import Decoded, RemoteFile
from pipeline.registry import load_registry
from pipeline.texts import TN, T, Text

Row = dict[str, Any]
_REAL = {
    OrderState.CREATED: "created",
    OrderState.HELD: "held",
    OrderState.NOTHING_TO_DO: "nothing",
}


def other_client(client: Client, path: Path) -> Client:
    """The client under the config at ``path``, on the present ledger and archive; to be read from only.

    Raises ConfigError when that config is wrong, or is another client's.
    """
    config = load_config(path)
    if config.client != client.config.client:
        raise ConfigError(
            T(
                "{file} is the config of client {other}; this one is {client}.",
                file=path.name,
                other=config.client,
                client=client.config.client,
            ),
            hint=T("Every document is known by its client's name: with another one, all of them would be made again."),
        )
    return Client(config, load_registry(plugin_folder(config)), client.ledger, client.archive, client.clock)


def compare(
    client: Client, other: Client, picks: Sequence[Pick], *, job: str | None = None, report: Progress = no_progress
) -> Iterator[Compared]:
    """Each order and file of ``picks``: as it was, and as it would be under ``other``.

    Args:
        client: opened for reading.
        other: from :func:`other_client`.
        picks: from :func:`choose`; whole files.
        job: the other config's job that reads files whose inbox no job of it takes.
        report: progress, in files.

    Raises Transient or Refused when the ledger or a target cannot be asked.
    """
    picks, papers = apart(client, picks)
    yield from papers_compared.compare(client, other, papers, report)
    with ExitStack() as stack:
        sides = _Side(client, stack), _Side(other, stack, job)
        for start in range(0, len(picks), AT_ONCE):
            part = picks[start : start + AT_ONCE]
            with client.ledger.read() as conn:
                rows = file_rows.by_ids(conn, [pick.file_id for pick in part])
                gone = rejected(conn, client.config.client, list(rows.values()))
            some = [row for row in rows.values() if row["id"] not in gone]
            present, would = (side.look(some) for side in sides)
            orders = _known(client, present, would)
            for row in some:
                yield from _of_file(row, present[row["id"]], would[row["id"]], orders)
            report(start + len(part), len(picks), T("files"))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one config makes of one file: its orders by their places, or why it has none."""

    orders: dict[int, Foreseen] | None = None
    unread: Unread | Line | None = None
    untaken: Text | None = None


class _Side:
    """One of the two configs."""

    def __init__(self, client: Client, stack: ExitStack, job: str | None = None) -> None:
        self.client, self.stack = client, stack
        self.copies = Copies(client, job)
        self._foresights: dict[tuple[str, str, str], Foresight] = {}

    def look(self, rows: Sequence[Row]) -> dict[int, _Seen]:
        """What comes of these files, as the next ones after those before."""
        seen: dict[int, _Seen] = {}
        groups: dict[tuple[str, str, str], tuple[Place, list[tuple[Row, Decoded]]]] = {}
        for row in rows:
            place = self.copies.place(row)
            untaken = self._untaken(row, place)
            if place is None or untaken is not None:
                seen[row["id"]] = _Seen(untaken=untaken)
                continue
            got = self._read(row, place)
            if isinstance(got, Decoded):
                seen[row["id"]] = _Seen(orders={})
                groups.setdefault(place_key(place), (place, []))[1].append((row, got))
            else:
                seen[row["id"]] = _Seen(unread=got)
        for place, read in groups.values():
            for one in self._foresight(place).look(read):
                orders = seen[one.work.file_id].orders
                assert orders is not None
                orders[one.work.index] = one
        return seen

    def _read(self, row: Row, place: Place) -> Decoded | Unread | Line:
        if row["size"] > place.settings.max_size:
            file = RemoteFile(row["folder"], row["name"], row["size"])
            return Unread("quarantined", reading.too_large(file, place.settings.max_size))
        return self.copies.read(row)

    def _untaken(self, row: Row, place: Place | None) -> Text | None:
        if place is None:
            return self.copies.homeless(row).text
        if not chosen(row["name"], place.settings):
            return T("job {job} takes only {pattern}.", job=place.job, pattern=place.settings.pattern)
        return None

    def _foresight(self, place: Place) -> Foresight:
        key = place_key(place)
        if key not in self._foresights:
            walk = self.stack.enter_context(carrying.opened(self.client, place, by="", dry_run=True))
            self._foresights[key] = Foresight(place.step, place.settings, walk.ctx, blank=True)
        return self._foresights[key]


def _known(client: Client, *looks: dict[int, _Seen]) -> dict[str, Row]:
    keys = {one.work.key for look in looks for seen in look.values() for one in (seen.orders or {}).values()}
    with client.ledger.read() as conn:
        return order_rows.by_keys(conn, keys)


# --- one file ----------------------------------------------------------------------------------------------------


def _of_file(row: Row, present: _Seen, would: _Seen, known: dict[str, Row]) -> Iterator[Compared]:
    name = row["name"]
    for side in (present, would):
        if isinstance(side.unread, Line):  # no copy, or none that is sound: the same for both
            yield Compared("unsound", "unsound", name, text=side.unread.text)
            return
    was_read = row["state"] != FileState.QUARANTINED
    was, before = _file_was(row, present, was_read=was_read)
    if would.untaken is not None:
        if present.untaken is None:
            words = T("{file} {was}; would not be taken: {why}", file=name, was=before, why=would.untaken)
            yield Compared(was, "untaken", name, text=words)
        return
    if isinstance(would.unread, Unread):
        why = lines.reasons(would.unread.findings)
        outcome = "failed" if would.unread.outcome == "failed" else "quarantined"
        words = T("{file} {was}; would be quarantined: {why}", file=name, was=before, why=why)
        same = was == "quarantined"
        yield Compared(was, outcome, name, text=None if same else words, findings=would.unread.findings)
        return
    orders = would.orders or {}
    words = TN(
        "{file} {was}; would be read: {n} order",
        "{file} {was}; would be read: {n} orders",
        len(orders),
        file=name,
        was=before,
    )
    yield Compared(was, "read", name, text=None if was_read else words)
    for index in sorted({*orders, *(present.orders or {})}):
        yield _of_order(row, (present.orders or {}).get(index), orders.get(index), known, was_read=was_read)


def _file_was(row: Row, present: _Seen, *, was_read: bool) -> tuple[str, Text]:
    if was_read:
        return "read", TN("was read ({n} order)", "was read ({n} orders)", len(present.orders or {}))
    return "quarantined", T("was quarantined ({why})", why=lines.reasons(file_rows.findings_of(row)))


# --- one order ---------------------------------------------------------------------------------------------------


def _of_order(
    row: Row, present: Foreseen | None, would: Foreseen | None, known: dict[str, Row], *, was_read: bool
) -> Compared:
    one = would or present
    assert one is not None
    number = (present or one).work.number
    if would is None:
        words = T("№{number} of {file} would not be found in it.", number=number, file=row["name"])
        return Compared(_was(row, one, known), "untaken", row["name"], number, words)
    if not was_read or present is None:
        text = None if was_read else T("№{number}: {would}", number=number, would=_would(would))
        return Compared("quarantined", would.outcome, row["name"], number, text, findings=_why(would))
    was = _was(row, present, known)
    if present.work.key != would.work.key:
        words = T(
            "№{number} of {source} would be another order, №{other} of {there}, and would be made once more.",
            number=number,
            source=present.work.source or "?",
            other=would.work.number,
            there=would.work.source or "?",
        )
        return Compared(was, would.outcome, row["name"], number, words)
    if was != would.outcome:
        order = known.get(present.work.key, {})
        words = T("№{number} {was}; {would}", number=number, was=_happened(was, present, order), would=_would(would))
        if present.outcome == would.outcome:
            words = T("{words} (the present config would now do so too)", words=words)
        return Compared(was, would.outcome, row["name"], number, words, findings=_why(would))
    fields = draft_differences(present.work.action, would.work.action)
    if fields:
        words = T("№{number}: {what}", number=number, what=fields[0].text)
        for field in fields[1:]:
            words = T("{first}; {second}", first=words, second=field.text)
        return Compared(was, would.outcome, row["name"], number, words, fields)
    if was == "held" and present.outcome == "held" and _codes(present) != _codes(would):
        reasons = lines.reasons(present.findings), lines.reasons(would.findings)
        words = T(
            "№{number} was held ({why}); would be held for another reason: {other}",
            number=number,
            why=reasons[0],
            other=reasons[1],
        )
        return Compared(was, would.outcome, row["name"], number, words, findings=_why(would))
    return Compared(was, would.outcome, row["name"], number)


def _was(file: Row, one: Foreseen, known: dict[str, Row]) -> str:
    """What really became of this content; by the present config's plan, where that was a person's word or is open."""
    row = known.get(one.work.key)
    if row is None or one.outcome not in ("created", "held", "nothing"):
        return one.outcome
    if row["revision"] != one.work.revision and row["file_id"] != file["id"]:
        return one.outcome
    return _REAL.get(OrderState(row["state"]), one.outcome)


def _happened(was: str, present: Foreseen, order: Row) -> Text:
    match was:
        case "created" if order.get("document_number"):
            return T("is document {document}", document=order["document_number"])
        case "created":
            return T("was created")
        case "held":
            findings = file_rows.findings_of(order) if order.get("state") == OrderState.HELD else present.findings
            return T("was held ({why})", why=lines.reasons(findings))
        case "nothing":
            findings = file_rows.findings_of(order) if order else present.findings
            return T("was nothing to do ({why})", why=lines.reasons(findings))
        case "changed":
            return T("came again with other content, and a person was asked")
        case "amended":
            return T("came again with other content, and its document was amended")
        case "cancelled":
            return T("came again as cancelled, and its document was marked so")
        case "ignored":
            return T("came again with other content, which was ignored")
        case _:
            return T("was known")


def _would(one: Foreseen) -> Text:
    match one.outcome:
        case "created":
            return T("would be created: {sum}", sum=lines.amount(one.work))
        case "held":
            return T("would be held: {why}", why=lines.reasons(one.findings))
        case "nothing":
            return T("nothing would be done: {why}", why=lines.reasons(one.findings))
        case "changed":
            return T("a person would be asked about its other content")
        case "amended":
            return T("its document would be amended")
        case "cancelled":
            return T("its document would be marked cancelled")
        case "ignored":
            return T("its other content would be ignored")
        case _:
            return T("would be known")


def _why(one: Foreseen) -> tuple[Finding, ...]:
    return one.findings if one.outcome in ("held", "nothing") else ()


def _codes(one: Foreseen) -> list[tuple[str, str]]:
    return sorted((finding.code, finding.about or finding.text.msgid) for finding in one.findings)


def both_secrets(client: ClientConfig, other: ClientConfig) -> frozenset[str]:
    """What must be hidden while both are talked about."""
    return client.secrets | other.secrets
