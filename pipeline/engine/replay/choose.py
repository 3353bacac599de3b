"""Which archived files, and which of their orders, a person means."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.engine.context import Progress, no_progress
from pipeline.engine.replay.copies import Copies
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, MistokError, Who
from pipeline.ledger import cards, selecting
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.search import find_publications
from pipeline.ledger.selecting import Matches
from pipeline.rules.searching import fold
from pipeline.texts import T, Text

Row = dict[str, Any]
_LISTED = 20  #: of several things that some words can mean


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person named: any of the first four, within the period; the period alone is all that came in it."""

    words: tuple[str, ...] = ()  #: order or document numbers, file names, patterns, beginnings of a SHA-256
    cards: tuple[int, ...] = ()
    all_held: bool = False  #: all that waits: held orders, those in doubt or left on their way, quarantined files
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.words or self.cards or self.all_held or self.since or self.until)


@dataclass(frozen=True, slots=True)
class Pick:
    """One archived file; ``orders`` are ids of ledger rows, None: all that is in it."""

    file_id: int
    orders: frozenset[int] | None = None


def choose(client: Client, asked: Asked, *, job: str | None = None, report: Progress = no_progress) -> list[Pick]:
    """The files that ``asked`` names, oldest first.

    Args:
        client: opened.
        asked: what a person named.
        job: the job that reads files whose inbox no job takes any more.
        report: progress, in files.

    Raises ConfigError for words that can mean several things (its findings list them), MistokError (``not-found``) for
    words or cards that name nothing.
    """
    name = client.config.client
    picked: dict[int, set[int] | None] = {}

    def pick(file_id: int, order: int | None = None) -> None:
        known = picked.setdefault(file_id, set())
        if order is None:
            picked[file_id] = None
        elif known is not None:
            known.add(order)

    with client.ledger.read() as conn:
        for words in asked.words:
            for file_id, order in _named(client, conn, words, job, report):
                pick(file_id, order)
        for file_id, order in _of_cards(client, conn, asked.cards):
            pick(file_id, order)
        if asked.all_held:
            for file_id, waiting in selecting.waiting_orders(conn, name):
                pick(file_id, waiting)
            for file_id in selecting.waiting_files(conn, name):
                pick(file_id)
        if not (asked.words or asked.cards or asked.all_held):
            return [Pick(file_id) for file_id in selecting.of_period(conn, name, asked.since, asked.until)]
        ids = selecting.within(conn, list(picked), asked.since, asked.until)
    return [Pick(one, None if (orders := picked[one]) is None else frozenset(orders)) for one in ids]


def _named(
    client: Client, conn: sa.Connection, words: str, job: str | None, report: Progress
) -> list[tuple[int, int | None]]:
    name = client.config.client
    found = selecting.matching(conn, name, words)
    if found and not found.one:
        raise _ambiguous(words, found, client)
    chosen: list[tuple[int, int | None]] = [(row["file_id"], row["id"]) for row in (*found.orders, *found.documents)]
    chosen += [(row["id"], None) for row in found.files]
    if not found.files:
        # the number may stand in a file that could not be read as a whole
        numbers = {words, *(row["number"] for row in found.orders)}
        chosen += [(one, None) for number in numbers for one in selecting.quarantined_naming(conn, name, number)]
    if not chosen:
        chosen = [(one, None) for one in _in_quarantine(client, conn, words, job, report)]
    if not chosen:
        raise _unknown(conn, name, words)
    return chosen


def _in_quarantine(client: Client, conn: sa.Connection, words: str, job: str | None, report: Progress) -> list[int]:
    """Quarantined files that can be read now and have an order of that number."""
    wanted = words.strip().removeprefix("order:").strip().removeprefix("№").strip()
    ids = selecting.quarantined(conn, client.config.client)
    found = []
    copies = Copies(client, job)
    for number, file_id in enumerate(ids, 1):
        report(number, len(ids), T("quarantined files"))
        row = file_rows.by_id(conn, file_id)
        if row is None or copies.place(row) is None:
            continue
        with closing(copies.orders(row)) as orders:
            if any(wanted in (one.number, one.id, one.order.number if one.order else "") for one in orders):
                found.append(file_id)
    return found


def _of_cards(client: Client, conn: sa.Connection, numbers: Sequence[int]) -> list[tuple[int, int | None]]:
    known = cards.by_numbers(conn, client.config.client, numbers)
    found: list[tuple[int, int | None]] = []
    for number in numbers:
        card = known.get(number)
        if card is None:
            raise MistokError(
                T("There is no card {n}.", n=number),
                code="not-found",
                hint=T("`mistok cards` lists the open ones."),
                who=Who.ACCOUNTANT,
            )
        kind, _, subject = str(card["subject"]).partition(":")
        if kind == "order":
            row = order_rows.by_ids(conn, [int(subject)])[int(subject)]
            # a card about other content is about the file that brought it
            found.append((card["file_id"], None) if card["kind"] == "changed" else (row["file_id"], row["id"]))
        elif kind == "file":
            found.append((int(subject), None))
        else:
            raise ConfigError(
                T("Card {n} is about no order file: there is nothing to replay.", n=number),
                hint=T("`mistok card {n}` tells what can be done.", n=number),
            )
    return found


def _ambiguous(words: str, found: Matches, client: Client) -> ConfigError:
    listed: list[tuple[Text, str]] = []
    sources = len({row["source"] for row in found.orders}) > 1
    for row in found.orders:
        text = T("order №{number} of {source}", number=row["number"], source=row["source"] or "?")
        listed.append((text, f"{row['source']}/{row['order_id']}" if sources else f"order:{row['number']}"))
    for row in found.documents:
        text = T("document {document}: order №{number}", document=row["document_number"], number=row["number"])
        listed.append((text, f"document:{words}" if len(found.documents) == 1 else f"order:{row['number']}"))
    for row in found.files:
        when = row["first_seen"].astimezone(client.config.zone)
        text = T("file {name}, first seen {when}", name=row["name"], when=when)
        listed.append((text, f"sha:{row['sha256'][:12]}" if row["sha256"] else f"file:{row['name']}"))
    head = Finding(
        "ambiguous",
        T("{words} can mean any of {n}; say which one.", words=words, n=len(listed)),
        hint=T("A pattern such as {pattern} means all files of that name.", pattern=f"{words}*")
        if found.files
        else None,
        who=Who.ADMIN,
    )
    shown = [
        Finding("ambiguous", text, hint=T("mistok replay {words}", words=say), who=Who.ADMIN)
        for text, say in listed[:_LISTED]
    ]
    if len(listed) > _LISTED:
        shown.append(Finding("ambiguous", T("… and {n} more.", n=len(listed) - _LISTED), who=Who.ADMIN))
    return ConfigError(findings=(head, *shown))


def _unknown(conn: sa.Connection, client: str, words: str) -> MistokError:
    if any(fold(row["name"]) == fold(words) for row in find_publications(conn, client, words, 200)):
        return MistokError(
            T("{name} was published by us: there is nothing in it to replay.", name=words),
            code="not-found",
            hint=T("`mistok run JOB` publishes the catalogue again."),
            who=Who.ACCOUNTANT,
        )
    return MistokError(
        T("Nothing is known of {what}.", what=words),
        code="not-found",
        hint=T("Look with mistok orders or mistok files; a part of the number or name is enough there."),
        who=Who.ACCOUNTANT,
    )
