"""The books as a subject of the suites of what follows an order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.exc import OperationalError

from pipeline.api import Address, DocumentDraft, DocumentRef, Party, Shipment
from pipeline.testing.following_subject import Kind, Subject
from plugins.systems.books import tables as t
from plugins.systems.books.store import party_values

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

CODES = ("0042", "TAPE-19", "MIX-600")
TABLES = {
    "order": t.documents,
    "ship": t.shipments,
    "return": t.returns,
    "pay": t.payments,
    "party": t.parties,
    "product": t.products,
}


def subject(place: Place) -> Subject:
    """The sample books at ``place``."""
    books = place.sample()
    for code, name in (("packed", "Зібрано"), ("done", "Виконано"), ("returned", "Повернення")):
        books.ensure("status", code, name)

    def count(kind: Kind) -> int:
        with place.open().reading() as connection:
            return int(connection.execute(select(func.count()).select_from(TABLES[kind])).scalar_one())

    def on_hand(code: str) -> Decimal:
        with place.open().reading() as connection:
            rows = connection.execute(select(t.stock.c.on_hand).join(t.products).where(t.products.c.code == code))
            return sum((row.on_hand for row in rows), Decimal(0))

    def status(document: str) -> str:
        with place.open().reading() as connection:
            here = select(t.documents.c.status_id).where(t.documents.c.id == int(document))
            return str(connection.execute(here).scalar_one())

    def party(number: str) -> Party:
        with place.open().reading() as connection:
            row = connection.execute(select(t.parties).where(t.parties.c.id == int(number))).one()
        names = ("first_name", "last_name", "middle_name", "edrpou", "tax_number", "phone", "email")
        stored = {name: getattr(row, name) for name in names} | {"company": row.name if row.kind == "company" else ""}
        return Party(kind=row.kind, address=Address(**(row.address or {})), **stored)

    def product(number: str) -> Mapping[str, str]:
        base = t.products.alias()
        query = (
            select(t.product_texts.c.name, base.c.code.label("base"), t.products.c.service)
            .join_from(t.products, t.product_texts)
            .outerjoin(base, base.c.id == t.products.c.parent_id)
            .where(t.products.c.id == int(number))
        )
        with place.open().reading() as connection:
            row = connection.execute(query).first()
        assert row is not None
        return {"name": row.name, "base": row.base or "", "service": "yes" if row.service else ""}

    def close(ref: DocumentRef) -> None:
        assert place.open().close_document(ref.number)

    def close_period(moment: datetime) -> None:
        place.open().close_period(moment.astimezone(ZoneInfo("Europe/Kyiv")).date())

    def by_hand(ref: DocumentRef, draft: DocumentDraft) -> None:
        (outcome,) = place.open().ship([Shipment(key=f"by hand {ref.number}", order=ref, draft=draft)])
        assert outcome.error is None

    def twin(one: Party) -> None:
        words = {name: getattr(one, name) for name in ("first_name", "last_name", "edrpou", "phone", "email")}
        with place.open().database.write() as connection:
            connection.execute(insert(t.parties).values(code="TWIN", **party_values(words, place.clock.now())))

    def refuse(words: str) -> None:
        said = words.replace("'", "''")
        for table in ("shipments", "returns", "payments", "parties", "products", "documents"):
            when = "UPDATE" if table == "documents" else "INSERT"
            with place.open().database.write() as connection:
                for statement in refusals(connection.dialect.name, table, when, said):
                    connection.exec_driver_sql(statement)

    def lose_answer() -> None:
        broken: list[bool] = []
        for opened in place.opened:
            event.listen(opened.database._engine, "commit", lambda connection: commit_and_break(connection, broken))

    return Subject(
        open=place.open,
        codes=CODES,
        count=count,
        on_hand=on_hand,
        reserved=place.reserved,
        status=status,
        party=party,
        product=product,
        close=close,
        close_period=close_period,
        by_hand=by_hand,
        twin=twin,
        refuse=refuse,
        lose_answer=None if books.database.sqlite else lose_answer,
        lacks={"lose_answer": "a file has no connection that can break"} if books.database.sqlite else {},
    )


def refusals(dialect: str, table: str, when: str, words: str) -> list[str]:
    """A rule of the database itself that refuses to write into a table."""
    if dialect == "sqlite":
        name = f"no_{table}"
        return [f"CREATE TRIGGER {name} BEFORE {when} ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END"]
    function = f"CREATE FUNCTION no_{table}() RETURNS trigger LANGUAGE plpgsql AS"
    raising = f"BEGIN RAISE EXCEPTION USING MESSAGE = '{words}', ERRCODE = 'check_violation'; END"
    trigger = f"CREATE TRIGGER no_{table} BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION no_{table}()"
    return [f"{function} $$ {raising} $$", trigger]


def commit_and_break(connection: Connection, broken: list[bool]) -> None:
    """What is written first is there, and the server's answer to that never comes; reading goes on."""
    if broken or connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()").scalar() is None:
        return
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.commit()
    broken.append(True)
    raise OperationalError("COMMIT", None, ConnectionError("server closed the connection unexpectedly"))
