"""Many rows by one statement: what is stored, and what is refused, is what SQLAlchemy would have stored and refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.ledger.tables import Moment
from pipeline.manyrows import change, insert_rows, look_up, run_rows
from plugins.systems.books.tables import Exact
from plugins.systems.books.tables import Moment as BooksMoment

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
metadata = sa.MetaData()
things = sa.Table(
    "things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Moment),
    sa.Column("day", sa.Date),
    sa.Column("amount", Exact),
    sa.Column("good", sa.Boolean),
    sa.Column("data", sa.JSON(none_as_null=True)),
    sa.Column("name", sa.String(64), unique=True),
)
defaulted = sa.Table(
    "defaulted",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, default="without a name"),
)


def row(number: int, **values: Any) -> dict[str, Any]:
    plain = {
        "id": number,
        "at": NOON,
        "day": date(2026, 11, number),
        "amount": Decimal("1.50") * number,
        "good": number % 2 == 0,
        "data": {"n": number, "words": "Ґрунт"},
        "name": f"№{number}",
    }
    return plain | values


@pytest.fixture
def conn() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://", json_serializer=lambda value: json.dumps(value, ensure_ascii=False))
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


ROWS = (
    [row(1), row(2), row(3)],
    [row(1, at=None, amount=None, data=None), row(2), row(3, day=None, name=None)],
    # equal, and not written alike
    [row(1, data=1), row(2, data=True), row(3, data=1.0)],
    [row(1, amount=Decimal("1.5")), row(2, amount=Decimal("1.500000")), row(3, amount=Decimal("-0"))],
    [row(1, at=NOON.astimezone(timezone(timedelta(hours=2)))), row(2)],
    [row(1)],
)


def _raw(conn: sa.Connection, table: str) -> list[Any]:
    return [tuple(one) for one in conn.exec_driver_sql(f"SELECT * FROM {table} ORDER BY id")]


@pytest.mark.parametrize("rows", ROWS)
def test_rows_are_stored_as_sqlalchemy_stores_them(conn: sa.Connection, rows: list[dict[str, Any]]) -> None:
    conn.execute(things.insert(), rows)
    wanted = _raw(conn, "things")
    conn.execute(things.delete())
    insert_rows(conn, things, rows)
    assert _raw(conn, "things") == wanted


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"amount": 1.5}, sa.exc.StatementError),
        ({"amount": Decimal("0.0000001")}, sa.exc.StatementError),
        ({"amount": 1}, sa.exc.StatementError),  # equal to a number that is right
        ({"at": NOON.replace(tzinfo=None)}, sa.exc.StatementError),
        ({"name": "№1"}, sa.exc.IntegrityError),
        ({"data": {1, 2}}, sa.exc.StatementError),
    ],
)
def test_what_cannot_be_stored_is_refused_as_sqlalchemy_refuses_it(
    conn: sa.Connection, values: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error), conn.begin_nested():
        insert_rows(conn, things, [row(1, amount=Decimal(1)), row(2, **values)])
    assert _raw(conn, "things") == []


def test_a_column_that_was_forgotten_is_refused(conn: sa.Connection) -> None:
    lacking = row(2)
    del lacking["name"]
    with pytest.raises(sa.exc.StatementError):
        insert_rows(conn, things, [row(1), lacking])


def test_defaults_of_columns_are_given(conn: sa.Connection) -> None:
    insert_rows(conn, defaulted, [{"id": 1}, {"id": 2}])
    assert _raw(conn, "defaulted") == [(1, "without a name"), (2, "without a name")]


def test_an_update_by_rows(conn: sa.Connection) -> None:
    insert_rows(conn, things, [row(1), row(2)])
    statement = (
        things.update()
        .where(things.c.id == sa.bindparam("row_id"))
        .values(amount=sa.bindparam("new_amount"), data=sa.bindparam("new_data"))
    )
    news: list[dict[str, Any]] = [
        {"row_id": 1, "new_amount": Decimal("7.25"), "new_data": None},
        {"row_id": 2, "new_amount": None, "new_data": ["a"]},
    ]
    run_rows(conn, statement, news)
    found = conn.execute(sa.select(things.c.id, things.c.amount, things.c.data).order_by(things.c.id)).all()
    assert [tuple(one) for one in found] == [(1, Decimal("7.25"), None), (2, None, ["a"])]


def test_no_rows_are_nothing(conn: sa.Connection) -> None:
    insert_rows(conn, things, [])
    assert _raw(conn, "things") == []


_ALL = sa.select(things).order_by(things.c.id)
_BY_NAMES = _ALL.where(things.c.name.in_(sa.bindparam("names", expanding=True)))
_BY_AMOUNTS = _ALL.where(
    things.c.amount.in_(sa.bindparam("amounts", expanding=True)), things.c.at <= sa.bindparam("until")
)
_FIXED = _ALL.where(things.c.name.in_(["№1", "№3"]), things.c.good == sa.bindparam("good")).limit(5)
_COUNTED = sa.select(sa.func.count(), sa.func.max(things.c.at)).where(things.c.id > sa.bindparam("least"))


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        (_ALL, {}),
        (_BY_NAMES, {"names": ["№2"]}),
        (_BY_NAMES, {"names": ("№2", "№1", "№2")}),
        (_BY_NAMES, {"names": [f"№{n}" for n in range(401)]}),
        (_BY_NAMES, {"names": []}),
        (
            _BY_AMOUNTS,
            {"amounts": [Decimal("1.50"), Decimal(3)], "until": NOON.astimezone(timezone(timedelta(hours=2)))},
        ),
        (_FIXED, {"good": False}),
        (_COUNTED, {"least": 1}),
        (_COUNTED, {"least": 99}),
        (_COUNTED, {"least": None}),
    ],
)
def test_a_look_up_finds_what_sqlalchemy_finds(
    conn: sa.Connection, statement: sa.Select[Any], given: dict[str, Any]
) -> None:
    insert_rows(conn, things, [row(1), row(2, data=None), row(3, at=None), row(4, amount=None, name="%s ? :x")])
    wanted = [tuple(one) for one in conn.execute(statement, given)]
    assert [tuple(one) for one in look_up(conn, statement, **given)] == wanted
    assert [tuple(one) for one in look_up(conn, statement, **given)] == wanted, "kept, and used again"


@pytest.mark.parametrize(
    ("statement", "given"),
    [(_BY_NAMES, {}), (_BY_AMOUNTS, {"amounts": [1.5], "until": NOON}), (_COUNTED, {"least": object()})],
)
def test_what_cannot_be_asked_is_refused_as_sqlalchemy_refuses_it(
    conn: sa.Connection, statement: sa.Select[Any], given: dict[str, Any]
) -> None:
    with pytest.raises(sa.exc.SQLAlchemyError) as ours:
        look_up(conn, statement, **given)
    with pytest.raises(type(ours.value)):
        conn.execute(statement, given)


_SET = (
    things.update()
    .where(things.c.name.in_(sa.bindparam("names", expanding=True)), things.c.id < sa.bindparam("below"))
    .values(amount=sa.bindparam("new_amount"), data=sa.bindparam("new_data"), at=sa.bindparam("new_at"), good=True)
)
_GONE = things.delete().where(things.c.name.in_(sa.bindparam("names", expanding=True)))


@pytest.mark.parametrize("names", [["№1"], ["№3", "№1", "№2"], ["№1", "№9"], [f"№{n}" for n in range(401)], []])
@pytest.mark.parametrize("statement", [_SET, _GONE])
def test_a_change_changes_what_sqlalchemy_changes(
    conn: sa.Connection, statement: sa.Update | sa.Delete, names: list[str]
) -> None:
    given: dict[str, Any] = {"names": names}
    if statement is _SET:
        given |= {"below": 3, "new_amount": Decimal("0.10"), "new_data": {"ґ": [1]}, "new_at": NOON + timedelta(days=1)}
    found: list[tuple[int, list[tuple[Any, ...]]]] = []
    ways: list[Callable[[], int]] = [
        lambda: conn.execute(statement, given).rowcount,
        lambda: change(conn, statement, **given),
    ]
    for act in ways * 2:
        conn.execute(things.delete())
        insert_rows(conn, things, [row(1), row(2), row(3)])
        found.append((act(), _raw(conn, "things")))
    assert found == [found[0]] * 4


def test_a_change_that_cannot_be_is_refused_as_sqlalchemy_refuses_it(conn: sa.Connection) -> None:
    given = {"names": ["№1"], "below": 3, "new_amount": 1.5, "new_data": None, "new_at": NOON}
    with pytest.raises(sa.exc.StatementError):
        change(conn, _SET, **given)


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON.replace(microsecond=120),
        datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 20, 1, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2))),
    ],
)
@pytest.mark.parametrize("kind", [Moment, BooksMoment])
def test_moments_are_written_as_sqlite_s_dialect_writes_them(kind: type[Any], moment: datetime) -> None:
    dialect = sa.create_engine("sqlite://").dialect
    plain = sa.DateTime().dialect_impl(dialect).bind_processor(dialect)
    written = kind().dialect_impl(dialect).bind_processor(dialect)
    assert plain is not None
    assert written(moment) == plain(moment.astimezone(UTC).replace(tzinfo=None))
    assert written(None) is None
    with pytest.raises(ValueError, match="aware"):
        written(moment.replace(tzinfo=None))
