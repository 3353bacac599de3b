"""What the sheet of a day is made of, read from the ledger; and what published catalogues say of products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from pipeline.engine.report.day import (
    DayReport,
    Happened,
    OrderFact,
    ProductCount,
    ProductLine,
    RejectedFile,
    Rows,
    bounds,
    build,
)
from pipeline.engine.runtime import Client
from pipeline.engine.shown import catalogues
from pipeline.engine.shown.syncs import plan_lines
from pipeline.engine.weighing import CANCELLED
from pipeline.errors import Finding, MistokError
from pipeline.ledger import cards
from pipeline.ledger import orders as order_rows
from pipeline.ledger import tables as t
from pipeline.ports import CatalogueReader
from pipeline.texts import T

Row = Mapping[str, Any]
_CHUNK = 400
#: Of an order on a day.
EVENTS = ("amended", "cancelled", "changed", "ignored", "nothing_to_do", "rejected", "adopted", "returned")
#: Products that are told one by one; and the largest catalogue that is compared row by row, in bytes.
LISTED, COMPARED = 500, 20_000_000
#: The parts of a plan's counts, by what they are called in a sheet.
_OF_PLAN = {"new": "new", "changed": "updated", "vanished": "vanished"}


def day_report(
    client: Client, day: date, *, keep: Callable[[Row], bool] | None = None, products: bool = True
) -> DayReport:
    """The sheet of a day, as of now.

    Args:
        keep: leaves orders out, by their ledger rows.
        products: compare the catalogues that were published, too; it takes a while where they are large.
    """
    config, now = client.config, client.clock.now()
    since, until = bounds(day, config.zone)
    with client.ledger.read() as conn:
        facts = _orders(conn, config.client, since, until, keep)
        happened = _happened(conn, config.client, since, until, keep)
        files = _files(conn, config.client, since, until)
        lines, counts = _plans(conn, config.client, since, until)
        added = _added(conn, config.client, since, until)
    told, published = _published(client, since, until) if products else ((), ())
    rows = Rows(
        orders=facts,
        happened=happened,
        files=files,
        products=(*lines, *added, *told)[: 4 * LISTED],
        counts=(*counts, *published),
    )
    return build(rows, client=config.client, day=day, zone=config.zone, now=now)


def orders_of(conn: sa.Connection, client: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """The ledger's rows of orders that may be of this day: made or taken on it."""
    o = t.orders.c
    made = (o.placed >= since) & (o.placed < until)
    taken = (o.created >= since) & (o.created < until)
    query = sa.select(t.orders).where(o.client == client, made | taken).order_by(o.id)
    return [t.row_dict(row) for row in conn.execute(query)]


def _orders(
    conn: sa.Connection, client: str, since: datetime, until: datetime, keep: Callable[[Row], bool] | None
) -> list[OrderFact]:
    o = t.orders.c
    rows = {row["id"]: row for row in orders_of(conn, client, since, until)}
    open_states = [str(state) for state in order_rows.STILL_OPEN]
    query = sa.select(t.orders).where(o.client == client, o.state.in_(open_states), o.created < until)
    rows.update((row.id, t.row_dict(row)) for row in conn.execute(query))
    if keep is not None:
        rows = {number: row for number, row in rows.items() if keep(row)}
    open_cards: dict[str, list[int]] = {}
    for card in cards.of_subjects(conn, client, [f"order:{number}" for number in rows]):
        if card["state"] == "open":
            open_cards.setdefault(card["subject"], []).append(card["id"])
    return [fact(row, open_cards.get(f"order:{row['id']}", ())) for row in rows.values()]


def fact(row: Row, numbers: Sequence[int] = ()) -> OrderFact:
    """An order's ledger row, with the numbers of its open cards."""
    said = row["document_says"] or {}
    findings = tuple(Finding.from_json(data) for data in row["findings"] or ())
    booked_as = next(
        (one["value"] for one in (row["decided"] or {}).get("choices", ()) if one["field"] == "currency"), ""
    )
    return OrderFact(
        row=row["id"],
        number=row["number"],
        source=row["source"],
        customer=row["customer"] or "",
        total=Decimal(row["total"]) if row["total"] else None,
        currency=row["currency"] or "",
        state=row["state"],
        status=row["status"],
        payment_method=row["payment_method"],
        payment_status=row["payment_status"],
        placed=row["placed"],
        taken=row["created"],
        into=row["into"],
        document=row["document_number"],
        document_total=Decimal(said["total"]) if said.get("total") else None,
        document_currency=said.get("currency", ""),
        document_at=datetime.fromisoformat(said["at"]) if said.get("at") else None,
        gone=bool(said.get("gone")),
        cancelled=any(one.code == CANCELLED for one in findings) or bool(said.get("cancelled")),
        booked_as=booked_as,
        cards=tuple(numbers),
        why=findings,
    )


def _happened(
    conn: sa.Connection, client: str, since: datetime, until: datetime, keep: Callable[[Row], bool] | None
) -> list[Happened]:
    rows = _events(conn, client, since, until, "order:%", EVENTS)
    known = order_rows.by_ids(conn, {int(row.subject.partition(":")[2]) for row in rows})
    found = []
    for row in rows:
        order = known.get(int(row.subject.partition(":")[2]))
        if order is None or (keep is not None and not keep(order)):
            continue
        found.append(
            Happened(
                at=row.at,
                row=order["id"],
                number=order["number"],
                source=order["source"],
                event=row.event,
                data=row.data or {},
            )
        )
    return found


def _files(conn: sa.Connection, client: str, since: datetime, until: datetime) -> list[RejectedFile]:
    from pipeline.ledger import files as file_rows

    rows = {row.subject: row for row in _events(conn, client, since, until, "file:%", ("quarantined",))}
    open_cards: dict[str, list[int]] = {}
    for card in cards.of_subjects(conn, client, rows):
        if card["state"] == "open":
            open_cards.setdefault(card["subject"], []).append(card["id"])
    found = []
    for subject, row in rows.items():
        file = file_rows.by_id(conn, int(subject.partition(":")[2]))
        if file is None:
            continue
        why = (row.data or {}).get("findings") or file["findings"] or ()
        found.append(
            RejectedFile(
                at=row.at,
                row=file["id"],
                name=file["name"],
                place=f"{file['connection']}/{file['folder']}".rstrip("/"),
                state=file["state"],
                why=tuple(Finding.from_json(data) for data in why),
                cards=tuple(open_cards.get(subject, ())),
            )
        )
    return found


def _plans(
    conn: sa.Connection, client: str, since: datetime, until: datetime
) -> tuple[list[ProductLine], list[ProductCount]]:
    p = t.plans.c
    query = sa.select(t.plans).where(p.client == client, p.state == "applied", p.created >= since, p.created < until)
    lines: list[ProductLine] = []
    counts: dict[str, ProductCount] = {}
    for row in conn.execute(query.order_by(p.id)):
        rows = [one for one in row.rows if "warehouse" not in one]  # levels of stock are no change of a product
        numbers = {name: int(row.counts.get(word, 0)) for name, word in _OF_PLAN.items()} if rows else {}
        if not any(numbers.values()):
            continue
        before = counts.get(row.job, ProductCount(where=row.job))
        counts[row.job] = ProductCount(
            where=row.job,
            new=before.new + numbers["new"],
            changed=before.changed + numbers["changed"],
            vanished=before.vanished + numbers["vanished"],
            listed=before.listed and len(row.rows) < LISTED,
        )
        act = article = name = ""
        for act_row, line in ((one, line) for one in rows for line in plan_lines([one], raw=True)):
            if line["act"]:
                act, article, name = act_row["act"], line["article"], line["name"]
            lines.append(
                ProductLine(
                    where=row.job,
                    what="new" if act.startswith("new") else act,
                    article=line["article"] or article,
                    name=line["name"] or name,
                    field=line.get("field", ""),
                    before=line.get("before", ""),
                    after=line.get("after", ""),
                )
            )
    return lines[: 2 * LISTED], list(counts.values())


def _added(conn: sa.Connection, client: str, since: datetime, until: datetime) -> list[ProductLine]:
    """Products that were added because an order named them."""
    rows = _events(conn, client, since, until, "order:%", ("product-added",))
    return [
        ProductLine(
            where=str(T("added for an order")),
            what="new",
            article=str((row.data or {}).get("code") or (row.data or {}).get("article") or ""),
            name=str((row.data or {}).get("name") or ""),
        )
        for row in rows
    ]


def _published(client: Client, since: datetime, until: datetime) -> tuple[list[ProductLine], list[ProductCount]]:
    """The last catalogue of the day that each job published, against the last one before the day."""
    lines: list[ProductLine] = []
    counts: list[ProductCount] = []
    for one in catalogues.catalogues(client):
        last, before = _two(client, one, since, until)
        if last is None:
            continue
        where = f"{one['job']}: {one['name']}"
        found = _compared(client, one, before, last) if before is not None else None
        if found is None:
            counts.append(ProductCount(where=where, rows=last["rows"], listed=before is None))
            continue
        told = [ProductLine(where=where, what="new", article=key) for key in found.came]
        told += [ProductLine(where=where, what="vanished", article=key) for key in found.went]
        told += [
            ProductLine(where=where, what="changed", article=row.key, field=name, before=old, after=new)
            for row in found.changed
            for name, old, new in row.cells
        ]
        lines += told[:LISTED]
        counts.append(
            ProductCount(
                where=where,
                new=len(found.came),
                changed=len(found.changed),
                vanished=len(found.went),
                rows=last["rows"],
                listed=len(told) <= LISTED,
            )
        )
    return lines, counts


def _two(client: Client, one: Mapping[str, Any], since: datetime, until: datetime) -> tuple[Row | None, Row | None]:
    p = t.publications.c
    settings = one["spec"].params
    mine = (p.client == client.config.client) & (p.connection == settings.to) & (p.folder == settings.folder)
    query = sa.select(t.publications).where(mine, p.name == settings.name)
    with client.ledger.read() as conn:
        of_day = query.where(p.at >= since, p.at < until).order_by(p.id.desc()).limit(1)
        last = conn.execute(of_day).first()
        before = conn.execute(query.where(p.at < since).order_by(p.id.desc()).limit(1)).first()
    return (t.row_dict(last) if last else None), (t.row_dict(before) if before else None)


def _compared(client: Client, one: dict[str, Any], before: Row, last: Row) -> catalogues.Difference | None:
    """What differs between two of them; None where they cannot be read (any more), or are too large for it."""
    reader = client.registry.formats[one["format"]].format
    if max(before["size"], last["size"]) > COMPARED or not isinstance(reader, CatalogueReader):
        return None
    try:
        old, new = (catalogues.as_read(client, one, row["sha256"]) for row in (before, last))
    except MistokError:
        return None
    return catalogues.difference(old, new)


def _events(
    conn: sa.Connection, client: str, since: datetime, until: datetime, subjects: str, names: Sequence[str]
) -> Sequence[Any]:
    e = t.events.c
    query = sa.select(t.events).where(
        e.client == client, e.at >= since, e.at < until, e.subject.like(subjects), e.event.in_(list(names))
    )
    return conn.execute(query.order_by(e.id)).all()
