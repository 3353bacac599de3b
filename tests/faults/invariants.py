"""The six invariants of the house plan, checked in one place after every fault."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from pipeline.config.model import ClientConfig
from pipeline.documents import DocumentsSettings
from pipeline.engine.runtime import Client, RunReport
from pipeline.engine.selftest.promises import broken_promises, unheard_of
from pipeline.flow import InboundSettings, OutboundSettings
from pipeline.ledger import tables as t
from pipeline.testing import documents_target
from tests.faults import acted, amended, ends, published, tally
from tests.faults.plain import order_ids


def books_rows(config: ClientConfig) -> list[tuple[str, str, str]]:
    """(order id, total, number) of every document, read by a query of our own from the books' database."""
    if "books" not in config.connections:
        return []
    url = sa.make_url(config.connections["books"].params.model_dump()["url"])
    if url.drivername.startswith("sqlite"):
        url = url.set(database=str(config.base / str(url.database)))
    engine = sa.create_engine(url)
    try:
        if not sa.inspect(engine).has_table("documents"):
            return []
        with engine.connect() as conn:
            rows = conn.execute(sa.text("SELECT order_id, total, number FROM documents ORDER BY id")).all()
    finally:
        engine.dispose()
    return [(str(row[0]), str(row[1]), str(row[2])) for row in rows]


def scripted_rows(config: ClientConfig) -> list[tuple[str, str, str]]:
    """As :func:`books_rows`, of the scripted target of the documents walk: its order documents."""
    return [
        (str(order), str(total), str(number))
        for one in config.connections.values()
        if one.type == documents_target.PLUGIN.name
        for order, total, number in documents_target.rows(
            config.base / one.params.model_dump()["file"],
            "SELECT order_id, total, number FROM documents WHERE kind = 'create' ORDER BY id",
        )
    ]


def check(
    config: ClientConfig,
    *,
    inboxes: Sequence[Path] = (),
    dropped: dict[str, bytes] | None = None,
    source: Collection[str] | None = None,
    goods: Path | None = None,
    again: Callable[[str], RunReport] | None,
    jobs: Collection[str] | None = None,
    work_left: bool = False,
) -> None:
    """Raise AssertionError when a promise is broken: I1-I6, in the order in which a run would break them.

    What the promises of orders are is told once, for these tests and for ``mistok selftest``; the documents, the orders
    in what was delivered, and the catalogues are read past it.

    Args:
        inboxes: the folders of orders as they lie on the server's disk; none for a client that has none.
        dropped: every file that the shop ever delivered whole there, by name.
        source: the ids of all orders that a shop or CRM tells by its API, read past its connector; None for a client
            that takes none so.
        goods: the folder of catalogues as it lies on the server's disk (I4); None for a client that publishes nothing.
        again: runs a job once more, by its schedule, the fault being over (I6). None: the fault lasts, so that a run
            would be part of the test; such a look is not the one by which a test ends.
        jobs: which of the jobs go on; by default all that ever ran.
        work_left: the test leaves the next run something to do. Else that one must find nothing at all.
    """
    steps = [step.params for job in config.jobs.values() for step in job.steps]
    assert inboxes or not any(isinstance(one, InboundSettings) for one in steps), "it has an inbox to look into"
    assert goods or not any(isinstance(one, OutboundSettings) for one in steps), "it has catalogues to look at"
    by_api = any(isinstance(one, DocumentsSettings) for one in steps)
    assert by_api == (source is not None), "the orders of its source are to be told, where it has one"
    with Client.open(config) as client:
        if again is not None:
            for job in _ran(client) if jobs is None else jobs:
                _goes_on(job, again, runs=1 + work_left)
        if goods is not None:
            assert not (found := published.broken(client, goods, settled=again is not None)), "\n".join(found)
        lying = {path.name for inbox in inboxes for path in inbox.iterdir()}
        _orders(client, lying, dropped or {}, source or (), final=again is not None)
    if again is not None:
        ends.checked()


#: What a run may count when there is nothing left to do.
_IDLE = frozenset({"known", "rows", "unchanged", "waiting", "matched"})


def _ran(client: Client) -> list[str]:
    """The jobs that ever ran; all of them, where a ledger begun anew does not know."""
    with client.ledger.read() as conn:
        known = set(conn.execute(sa.select(t.runs.c.job).distinct()).scalars())
    return [job for job in client.config.jobs if job in known] or list(client.config.jobs)


def _goes_on(job: str, again: Callable[[str], RunReport], *, runs: int) -> None:
    """I6: the next run goes on by itself, and the last of so many finds nothing left to do."""
    for _ in range(runs):
        report = again(job)
        assert report.state in ("done", "waiting"), f"I6: {job} does not go on: {report}"
    left = {word: n for word, n in report.counts.items() if n and word not in _IDLE}
    assert not left, f"I6: {job} has something left to do: {left}"


def _orders(
    client: Client, remaining: set[str], dropped: dict[str, bytes], source: Collection[str], *, final: bool
) -> None:
    """I1-I3 and I5, and what amendments promise besides."""
    documents = books_rows(client.config) + scripted_rows(client.config)
    delivered = {name: order_ids(data) for name, data in dropped.items()}
    booked = {order_id for order_id, _total, _number in documents}
    unheard = {
        order for order, _file in unheard_of(client, booked, remaining=remaining, dropped=dropped, delivered=delivered)
    }
    untold = _unknown(client, source)
    tally.count_documents(client, documents, unheard=unheard | untold, final=final)
    broken = broken_promises(
        client,
        [(order_id, _amount(total)) for order_id, total, _number in documents],
        remaining=remaining,
        dropped=dropped,
        delivered=delivered,
    )
    assert not broken, "\n".join(f"{one.code}: {one.text.render('en')}" for one in broken)
    assert not untold, f"I1: the source tells these orders, and nothing knows of them: {sorted(untold)}"
    if source:
        assert not (found := acted.broken(client)), "\n".join(found)
    if documents and "books" in client.config.connections and client.config.connections["books"].type == "books":
        amended.check(client)


def _unknown(client: Client, source: Collection[str]) -> set[str]:
    """The orders of a source of which the ledger does not know, a document or not: no run would look for them."""
    with client.ledger.read() as conn:
        return set(source) - set(conn.execute(sa.select(t.orders.c.order_id)).scalars())


def _amount(stored: str) -> Decimal:
    """Of a total as the books' database has it: SQLite keeps millionths."""
    return Decimal(stored) / (1 if "." in stored else 1_000_000)
