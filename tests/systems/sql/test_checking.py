"""``mistok check --connect`` and ``mistok sql show``: what is told before the first order is written."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, make_url, select

from pipeline.api import (
    Cancellation,
    ConfigError,
    DocumentStatuses,
    Finding,
    Parties,
    PaymentDraft,
    Payments,
    ProductNames,
    Ref,
    ReturnDocuments,
    ShipDocuments,
    StatusChange,
)
from pipeline.config.load import load_config
from pipeline.testing.documents_contract import MOMENT, amendment_of, drafts_of, larger, order
from pipeline.testing.following_subject import coming_back, one, shipment
from plugins.systems.sql import open_tables
from plugins.systems.sql.documents import held_for_us
from plugins.systems.sql.schema import declared, untyped
from plugins.systems.sql.settings import DRIVERS, SqlSettings
from plugins.systems.sql.showing import script
from tests.e2e.command import mistok
from tests.servers.mariadb import MariaDb
from tests.systems.sql.world import CODES, FOLLOWING, SETTINGS, World

pytestmark = pytest.mark.xdist_group("sql-servers")
GOLDEN = Path(__file__).parent / "show.mssql.sql"


def told(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """(code, place) of each."""
    return sorted((one.code, one.where.element or "") for one in findings)


def words(findings: Sequence[Finding], code: str) -> str:
    return " | ".join(f"{one.text} {one.hint or ''}" for one in findings if one.code == code)


@pytest.mark.parametrize("kind", ["lite", "pg", "maria", "fire"])
def test_tables_as_they_should_be_are_fine(request: pytest.FixtureRequest, kind: str) -> None:
    world: World = request.getfixturevalue(kind)
    world.usual = FOLLOWING
    assert list(world.open().check()) == []
    assert world.count("ORDERS") == 0


def test_what_is_missing_is_told_all_at_once_with_what_may_be_meant(lite: World) -> None:
    orders = {
        **SETTINGS["orders"],
        "columns": {**SETTINGS["orders"]["columns"], "ADRESS": "address", "XYZ": "order.id"},
    }
    products = {**SETTINGS["products"], "table": "GOOD"}
    system = lite.open(orders=orders, products=products)
    findings = system.check()
    assert told(findings) == [
        ("sql-missing", "orders.columns.ADRESS"),
        ("sql-missing", "orders.columns.XYZ"),
        ("sql-missing", "products.table"),
    ]
    said = words(findings, "sql-missing")
    for part in (
        "no column ADRESS",
        "Did you mean `ADDRESS`?",
        "no column XYZ",
        "There are: ",
        "Did you mean `GOODS`?",
    ):
        assert part in said
    with pytest.raises(ConfigError, match="ADRESS"):
        system.create(drafts_of(lite.open(), [order(1, CODES)]))


def test_a_key_that_is_not_unique_and_columns_that_must_have_something(lite: World) -> None:
    lite.run(
        "create table SALES (ID integer primary key, MARK varchar(40), S real not null, BRANCH integer not null)",
        "create table ITEMS (SALE_ID integer not null, ART text not null, PRICE integer, AT varchar(30), D date)",
    )
    orders = {"table": "SALES", "key": "MARK", "id": "ID", "columns": {"S": "order.total"}}
    lines = {
        "table": "ITEMS", "order": "SALE_ID",
        "columns": {"ART": "line.article", "PRICE": "line.sum", "AT": "now", "D": "order.number"},
    }  # fmt: skip
    findings = lite.open(orders=orders, lines=lines, cancel=None, payments=None).check()
    assert told(findings) == [
        ("sql-not-null", "orders.columns"),
        ("sql-not-unique", "orders.key"),
        ("sql-short", "orders.key"),
        ("sql-type", "lines.columns.D"),
        ("sql-type", "lines.columns.PRICE"),
        ("sql-type", "orders.columns.S"),
    ]
    assert "BRANCH" in words(findings, "sql-not-null")
    assert "CREATE UNIQUE INDEX" in words(findings, "sql-not-unique")
    assert "takes 40 characters" in words(findings, "sql-short")
    assert "no cents" in words(findings, "sql-type")
    assert "exactly" in words(findings, "sql-type")


def test_sequences_that_are_not_there(fire: World) -> None:
    columns = {**SETTINGS["orders"]["columns"], "NUM": {"sequence": "GEN_NUMBERS"}}
    findings = fire.open(orders={**SETTINGS["orders"], "columns": columns}).check()
    assert told(findings) == [("sql-missing", "orders.columns.NUM")]
    assert "gen_orders" in words(findings, "sql-missing")


def test_a_user_without_rights_is_told_of_each_one(maria: World, mariadb_server: MariaDb) -> None:
    name = maria.url.rpartition("/")[2]
    maria.run("create table if not exists OLD_LINES like ORDER_LINES", "alter table OLD_LINES engine = MyISAM")
    rights = {
        "ORDERS": "select, insert, update", "ORDER_LINES": "select, insert", "GOODS": "select", "STATES": "select",
        "BUYERS": "select, insert", "PAYMENTS": "select", "OLD_LINES": "select, insert, delete",
    }  # fmt: skip
    rights |= dict.fromkeys(("SHIPS", "SHIP_LINES", "RETURNS_", "RETURN_LINES"), "select, insert")
    grants = [f"grant {what} on {name}.{table} to {{user}}" for table, what in rights.items()]
    user, password = mariadb_server.login(*grants)
    url = f"mariadb://{user}:{password}@{mariadb_server.host}:{mariadb_server.port}/{name}"
    limited = World("mariadb", url, maria.base)
    try:
        findings = limited.open().check()
        assert told(findings) == [("sql-rights", "lines.table"), ("sql-rights", "payments.table")]
        assert "DELETE" in words(findings, "sql-rights")
        assert "INSERT" in words(findings, "sql-rights")
        lines = {**SETTINGS["lines"], "table": "OLD_LINES"}
        findings = limited.open(lines=lines, payments=None).check()
        assert told(findings) == [("sql-engine", "lines.table")]
        assert "InnoDB" in words(findings, "sql-engine")
        limited.open(timeout="5s")
    finally:
        limited.close()


@pytest.mark.parametrize("kind", ["pg", "fire"])
def test_the_probe_of_rights_changes_nothing(request: pytest.FixtureRequest, kind: str) -> None:
    world: World = request.getfixturevalue(kind)
    system = world.open()
    assert system.create(drafts_of(system, [order(1, CODES)]))[0].error is None
    before = world.rows("select * from ORDERS"), world.rows("select * from ORDER_LINES order by ID")
    assert list(world.open().check()) == []
    assert (world.rows("select * from ORDERS"), world.rows("select * from ORDER_LINES order by ID")) == before


CONFIG = """\
client: farba
language: en
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
connections:
  shop:
    type: sql
    url: sqlite:///shop.sqlite3
    orders:
      table: ORDERS
      key: MISTOK_KEY
      id: ID
      columns:
        NUM: order.number
        CUR: order.currency
        {name}: {value}
    lines:
      table: ORDER_LINES
      order: ORDER_ID
      columns: {{POS: line.number, GOOD_ID: product.id, QTY: line.quantity, PRICE: line.price, SUMMA: line.sum}}
    products: {{table: GOODS, id: ID, code: ART}}
jobs: {{}}
"""


def config(world: World, name: str, value: str) -> Path:
    path = world.base / "config.yaml"
    path.write_text(CONFIG.format(name=name, value=value), encoding="utf-8")
    return path


def test_a_mistyped_column_is_told_with_its_line_in_the_file(lite: World) -> None:
    said = mistok("-c", config(lite, "TOTALL", "order.total"), "check", "--connect")
    assert said.code == 1, said.all
    flat = " ".join(said.all.split())
    assert "Table ORDERS has no column TOTALL." in flat
    assert "Did you mean `TOTAL`?" in flat
    assert "config.yaml:16:9 shop.orders.columns.TOTALL" in flat


def test_a_mistyped_word_is_told_with_its_line_in_the_file(lite: World) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(config(lite, "TOTAL", "order.totl"))
    (finding,) = caught.value.findings
    assert (finding.where.line, finding.where.column) == (16, 16)
    assert "did you mean `order.total`" in str(finding.text)


def test_the_sql_is_shown_without_asking_anybody(lite: World) -> None:
    path = config(lite, "TOTAL", "order.total")
    (lite.base / "shop.sqlite3").unlink()
    said = mistok("-c", path, "sql", "show")
    assert said.code == 0, said.all
    assert 'INSERT INTO "ORDERS"' in said.out
    assert "'farba/shop/1/create/0'" in said.out
    assert "994.80" in said.out
    wrong = mistok("-c", path, "sql", "show", "--dialect", "dbase")
    assert wrong.code == 2
    assert "firebird" in wrong.all


def test_for_sql_server_it_is_what_its_admin_can_run(tmp_path: Path) -> None:
    world = World("sqlite", "sqlite:///shop.sqlite3", tmp_path)
    columns = {**SETTINGS["orders"]["columns"], "ID": {"sequence": "SEQ_ORDERS"}, "ADDED": "now"}
    system = world.open(orders={**SETTINGS["orders"], "table": "dbo.ORDERS", "columns": columns})
    made = script(system.settings, system.env, "mssql")
    assert made == GOLDEN.read_text(encoding="utf-8").rstrip("\n")


def test_every_statement_that_is_run_compiles_for_sql_server(lite: World) -> None:
    """No SQL Server runs here: what is sent to SQLite in the life of an order is compiled for it, each statement."""
    lite.usual = FOLLOWING
    sent: list[Any] = []
    system = lite.open()
    event.listen(system.database._engine(), "before_execute", lambda _c, statement, *_rest: sent.append(statement))
    drafts = drafts_of(system, [order(n, CODES) for n in (1, 2)])
    ref = system.create(drafts)[0].ref
    assert ref is not None
    assert isinstance(system, Parties)
    assert isinstance(system, ProductNames)
    assert system.find_by_name(["Ґрунт"])
    assert system.find([drafts[0].key])
    assert list(system.all_documents())
    assert isinstance(system, Payments)
    assert isinstance(system, DocumentStatuses)
    assert isinstance(system, ShipDocuments)
    assert isinstance(system, ReturnDocuments)
    assert system.find_parties([drafts[0].order.customer])[0]
    assert system.find_references("status", ["packed"])
    one(system.amend([amendment_of(system, larger(CODES), ref, "2")]))
    one(system.set_statuses([StatusChange(key="k", ref=ref, status=Ref("packed", "packed", "Зібрано"))]))
    pay = PaymentDraft(key="demo/shop/1/pay/1", order=ref, amount=Decimal(5), currency="UAH", at=MOMENT)
    one(system.pay([pay]))
    newer = drafts_of(system, [larger(CODES)])[0]
    shipped = one(system.ship([shipment(ref, newer)]))
    one(system.take_back([coming_back(ref, shipped, newer)]))
    one(system.cancel([Cancellation(key="c", ref=ref, status="cancelled")]))
    dialect = make_url(f"{DRIVERS['mssql'][0]}://").get_dialect()()
    made = {str(statement.compile(dialect=dialect)) for statement in sent}
    wanted = {
        "INSERT INTO": ("ORDERS", "ORDER_LINES", "BUYERS", "PAYMENTS", "SHIPS", "SHIP_LINES", "RETURNS_"),
        "UPDATE": ("ORDERS",),
        "DELETE FROM": ("ORDER_LINES",),
        "FROM": ("GOODS", "STATES", "BUYERS", "ORDERS", "ORDER_LINES", "PAYMENTS", "SHIPS", "RETURNS_"),
    }
    for kind, tables in wanted.items():
        for name in tables:
            assert any(f"{kind} [{name}]" in text for text in made), f"{kind} {name}"
    foreign = ("LIMIT", "RETURNING", "FOR UPDATE", "||", "ON CONFLICT", '"')
    assert [text for text in made if any(word in text for word in foreign)] == []


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb", "mysql", "firebird", "sqlite"])
def test_the_same_for_every_other_database(tmp_path: Path, dialect: str) -> None:
    settings: Any = SqlSettings.model_validate({"url": "sqlite:///x", **SETTINGS, **FOLLOWING})
    made = script(settings, World("sqlite", "sqlite:///x", tmp_path).open().env, dialect)
    assert made.count("INSERT INTO") == 9
    plain = made.replace('"', "").replace("`", "")
    looked_up = ("GOODS", "STATES", "BUYERS", "ORDERS")
    assert [name for name in looked_up if f"FROM {name}" not in plain] == [], "what an order refers to is looked up"
    assert "DELETE FROM" in made
    assert "'cancelled'" in made
    assert made.count("Шевченко Олена") == 1, "the buyer stands in a table of its own"


def test_the_example_of_the_page_takes_an_order(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "systems" / "sql.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    url = next(line for line in example.splitlines() if "url:" in line)
    local = example.replace(url, "    url: sqlite:///shop.sqlite3")
    (tmp_path / "config.yaml").write_text(local, encoding="utf-8")
    spec = load_config(tmp_path / "config.yaml", environ={"SHOP_PASSWORD": "x"}).connections["shop"]
    assert isinstance(spec.params, SqlSettings)
    world = World("sqlite", "sqlite:///shop.sqlite3", tmp_path)
    (tmp_path / "shop.sqlite3").touch()
    for table, columns in declared(spec.params).values():
        shown = [f"{name} text" for name in columns if name not in ("ID", "TOTAL", "SUMMA", "MISTOK_KEY")]
        keys = [f"{name} text unique" for name in columns if name == "MISTOK_KEY"]
        sums = [f"{name} numeric(15, 2)" for name in columns if name in ("TOTAL", "SUMMA")]
        world.run(f"create table {table} ({', '.join(['ID integer primary key', *keys, *shown, *sums])})")
    world.run(*(f"insert into GOODS (ARTICLE, TITLE) values ('{code}', 'x')" for code in CODES))
    env = world.open().env
    system = open_tables(spec.params, env)
    assert list(system.check()) == []
    (outcome,) = system.create(drafts_of(system, [order(1, CODES)]))
    assert outcome.error is None
    assert world.rows("select NUM, TOTAL, DELIVERY_SUM, STATE from ORDERS") == [("00000001", 969.8, "70.00", "1")]
    system.close()
    world.leave()


def test_a_row_that_is_changed_is_held_in_the_way_of_each_database() -> None:
    settings = SqlSettings.model_validate({"url": "sqlite:///x", **SETTINGS})
    bound = untyped(settings)["orders"]
    wanted = {"mssql": "WITH (UPDLOCK, HOLDLOCK)", "postgresql": "FOR UPDATE", "mariadb": "FOR UPDATE", "sqlite": ""}
    for database, words in {**wanted, "firebird": "FOR UPDATE WITH LOCK"}.items():
        dialect = make_url(f"{DRIVERS[database][0]}://").get_dialect()()
        made = str(held_for_us(select(bound["ID"]), bound, database).compile(dialect=dialect))
        assert words in made, database
        assert ("UPDLOCK" in made) == (database == "mssql")
