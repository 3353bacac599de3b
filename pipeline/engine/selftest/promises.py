"""The promises of the house plan (I1-I3, I5), checked on a client's ledger, archive, books and inbox after a fault.

One function for the tests of faults and for ``mistok selftest``. I4 (a whole catalogue) is looked at where it lies,
past Mistok; I6 (the next run goes on by itself) is what the caller does before this.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from pipeline.engine.runtime import Client
from pipeline.errors import Finding, Where, Who
from pipeline.ledger import tables as t
from pipeline.model import cents
from pipeline.texts import T, Text

Row = dict[str, Any]


def broken_promises(
    client: Client,
    documents: Sequence[tuple[str, Decimal]],
    *,
    remaining: Collection[str],
    dropped: Mapping[str, bytes],
    delivered: Mapping[str, Collection[str]],
) -> tuple[Finding, ...]:
    """Every promise that does not hold, in words; nothing when all hold. ``code`` is the promise, such as ``I1``.

    ``documents``: order id and total of every document in the books, as the caller read them. ``remaining``: the names
    that lie in the inbox now. ``dropped``: every file that the shop ever delivered whole there, by name.
    ``delivered``: the ids of the orders in each of them, as the caller knows or read them past our own formats.
    """
    with client.ledger.read() as conn:
        files = [t.row_dict(row) for row in conn.execute(_of(client, t.files))]
        orders = [t.row_dict(row) for row in conn.execute(_of(client, t.orders))]
        told = Counter(row.subject for row in conn.execute(_of(client, t.notices).where(t.notices.c.kind == "order")))
        cards = {row.subject for row in conn.execute(_of(client, t.cards).where(t.cards.c.state == "open"))}
    unheard = unheard_of(
        client, {order for order, _ in documents}, remaining=remaining, dropped=dropped, delivered=delivered
    )
    return (
        *_each_order_once(orders, documents, cards),
        *(
            _broken(
                "I1", T("Order {order} came in {file}, and nothing knows of it.", order=order, file=file), order=order
            )
            for order, file in unheard
        ),
        *_nothing_gone_without_a_copy(client, files, remaining, dropped),
        *_archive_is_sound(client),
        *_sums_agree(orders, documents),
        *_told_once(orders, told),
    )


def unheard_of(
    client: Client,
    booked: Collection[str],
    *,
    remaining: Collection[str],
    dropped: Mapping[str, bytes],
    delivered: Mapping[str, Collection[str]],
) -> list[tuple[str, str]]:
    """Orders (id, file) that were delivered and are lost: no document, no row of the ledger, nothing that waits.

    Arguments as of :func:`broken_promises`; ``booked``: the ids that have a document. A file that was not read into
    orders waits where it lies, or has an open card, or was rejected by a person.
    """
    d = t.decisions.c
    with client.ledger.read() as conn:
        files = [t.row_dict(row) for row in conn.execute(_of(client, t.files))]
        known = {row.order_id for row in conn.execute(_of(client, t.orders))} | set(booked)
        answered = {row.subject for row in conn.execute(_of(client, t.cards).where(t.cards.c.state == "open"))}
        answered |= {row.subject for row in conn.execute(_of(client, t.decisions).where(d.verdict == "reject"))}
    found = []
    for name, orders in delivered.items():
        sha = hashlib.sha256(dropped[name]).hexdigest()
        rows = [row for row in files if row["sha256"] == sha or (row["name"] == name and not row["sha256"])]
        waits = name in remaining and all(row["state"] in ("seen", "claimed", "archived") for row in rows)
        if not waits and not any(f"file:{row['id']}" in answered for row in rows):
            found += [(order, name) for order in orders if order not in known]
    return found


def _of(client: Client, table: sa.Table) -> sa.Select[Any]:
    """The client's own rows: a ledger may be of many."""
    return sa.select(table).where(table.c.client == client.ledger.client)


def _broken(promise: str, text: Text, **where: Any) -> Finding:
    return Finding(promise, text, Where(**where), who=Who.US)


def _each_order_once(
    orders: Sequence[Row], documents: Sequence[tuple[str, Decimal]], cards: Collection[str]
) -> list[Finding]:
    found = [
        _broken("I1", T("Order {order} has {n} documents.", order=order, n=times), order=order)
        for order, times in Counter(order for order, _ in documents).items()
        if times > 1
    ]
    booked = {order for order, _ in documents}
    for order in orders:
        match order["state"]:
            case "created":
                text = None if order["order_id"] in booked else T("Its document is not in the books.")
            case "held" | "in_doubt":
                text = None if f"order:{order['id']}" in cards else T("It waits for a person, and no card says so.")
            case "rejected" | "nothing_to_do":
                text = None if order["findings"] else T("It was ended without a reason.")
            case _:
                text = T("It was left on its way ({state}).", state=order["state"])
        if text is not None:
            words = T("Order {order}: {words}", order=order["order_id"], words=text)
            found.append(_broken("I1", words, order=order["order_id"]))
    # one in doubt may have its document: its card says so
    known = {order["order_id"] for order in orders if order["state"] in ("created", "in_doubt")}
    found += [
        _broken("I1", T("Order {order} has a document that the ledger does not know of.", order=order), order=order)
        for order in sorted(booked - known)
    ]
    return found


def _nothing_gone_without_a_copy(
    client: Client, files: Sequence[Row], remaining: Collection[str], dropped: Mapping[str, bytes]
) -> list[Finding]:
    found: list[Finding] = []
    hashes = set(client.archive.hashes())
    rows: dict[str, list[Row]] = {}
    for row in files:
        rows.setdefault(row["sha256"] or "", []).append(row)
    for name, data in dropped.items():
        if name in remaining:
            continue
        sha = hashlib.sha256(data).hexdigest()
        known = rows.get(sha, [])
        known = [row for row in known if row["name"] == name] or known  # the same bytes may lie under two names
        if sha not in hashes and not any(row["pruned"] for row in known):
            found.append(
                _broken("I2", T("{file} is gone from the server without an archive copy.", file=name), file=name)
            )
        # a quarantined file may have been moved to the folder for rejected ones
        if not any(row["state"] == "acknowledged" or row["policy"] == "rejected" for row in known):
            text = T("{file} is gone from the server, and the ledger does not say that it was taken.", file=name)
            found.append(_broken("I2", text, file=name))
    return found


def _archive_is_sound(client: Client) -> list[Finding]:
    archive = client.archive
    found = [
        _broken("I3", T("The archive copy {sha} is not what it was.", sha=sha[:12]))
        for sha in archive.hashes()
        if not archive.verify(sha)
    ]
    return found + [
        _broken("I3", T("The archive put {file} aside as damaged.", file=path.name))
        for path in archive.root.rglob("*.unsound-*")
    ]


def _sums_agree(orders: Sequence[Row], documents: Sequence[tuple[str, Decimal]]) -> list[Finding]:
    totals = {order["order_id"]: order["total"] for order in orders}
    return [
        _broken(
            "I5",
            T(
                "The document of order {order} says {there} instead of {here}.",
                order=order,
                there=cents(total),
                here=here,
            ),
            order=order,
        )
        for order, total in documents
        if (here := cents(Decimal(str(totals.get(order) or 0)))) != cents(total) and order in totals
    ]


def _told_once(orders: Sequence[Row], told: Mapping[str, int]) -> list[Finding]:
    found = [
        _broken("told", T("{subject} was told {n} times.", subject=subject, n=times))
        for subject, times in told.items()
        if times > 1
    ]
    made = {f"order:{order['id']}" for order in orders if order["state"] == "created"}
    found += [
        _broken("told", T("{subject} was booked and not told.", subject=name)) for name in sorted(made - set(told))
    ]
    found += [
        _broken("told", T("{subject} was told and not booked.", subject=name)) for name in sorted(set(told) - made)
    ]
    return found
