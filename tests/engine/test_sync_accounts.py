"""The same name in the config, another account: what was in step with the one is nothing to the other."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.config.load import load_config
from pipeline.engine.context import RunContext
from pipeline.engine.shown import syncs
from pipeline.engine.sync import accounts, store
from pipeline.engine.sync import compare as comparing
from pipeline.model import Offer
from pipeline.ports import System
from pipeline.rules.accounts import account_mark, place_of
from tests.engine.in_step import World, good, notes
from tests.engine.sync_world import put, single

OTHER = "crm is another account than at the last run"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """In step with the account `real` of the CRM."""
    made = World(tmp_path)
    made.crm.account = "real"
    for n in "123":
        put(made.shop, thing(n, f"S-{n}", price="10.00"))
        put(made.crm, thing(f"c{n}", f"S-{n}", price="10.00"))
        made.shop.stock[n, ""] = made.crm.stock[f"c{n}", ""] = (Decimal(5), Decimal(0))
    return made


def thing(own: str, sku: str, /, **values: Any) -> Offer:
    return single(own, sku, name=f"Фарба {sku or 'S-3'}", **values)


def move(world: World, account: str, price: str = "77.00", stock: int = 9) -> None:
    """Point the CRM's name at another account, whose ids are the same ones and mean other things."""
    world.crm.account = account
    world.crm.content.clear()
    world.crm.stock.clear()
    for n, other in zip("123", "231", strict=True):
        put(world.crm, thing(f"c{n}", f"S-{other}", price=price))
        world.crm.stock[f"c{n}", ""] = (Decimal(stock), Decimal(0))


def compared(world: World) -> None:
    with world.opened() as client:
        ctx = RunContext(
            config=client.config, registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="compare", temp=world.folder,
        )  # fmt: skip
        comparing.remember(ctx, "shop", "crm", "anna")
        ctx.close()


@pytest.mark.parametrize("step", ["sync-catalogue", "sync-stock"])
def test_ids_of_one_account_are_not_written_by_in_another_and_the_first_time_is_asked_again(
    world: World, step: str
) -> None:
    world.step = step
    good(world.run())
    move(world, "test")
    if step == "sync-stock":
        world.shop.stock["1", ""] = (Decimal(4), Decimal(0))
    else:
        put(world.shop, thing("1", "S-1", price="11.00", updated_at=world.clock.moment))
    dry = good(world.run(dry_run=True))
    assert notes(dry).count(OTHER) == 1
    report = good(world.run())
    assert (report.exit_code, world.crm.updates, world.crm.pushes) == (1, [], [])
    assert OTHER in notes(report)
    (card,) = world.open_cards()
    assert [one["code"] for one in card["findings"]][:2] == ["brake-first", "other-account"]
    assert OTHER in notes(good(world.run())), "until it is over"
    world.decide("accept")
    good(world.run())
    if step == "sync-stock":
        assert world.crm.pushes == [("c3", "", Decimal(4)), ("c1", "", Decimal(5)), ("c2", "", Decimal(5))]
    else:
        assert {own: values["price"] for own, values in world.crm.updates} == {
            "c3": Decimal("11.00"), "c1": Decimal("10.00"), "c2": Decimal("10.00"),
        }  # fmt: skip
    after = good(world.run())
    assert (after.exit_code, OTHER in notes(after)) == (0, False)


def test_going_back_finds_what_was_in_step_and_looks_at_everything_once(world: World) -> None:
    good(world.run())
    real = dict(world.crm.content)
    move(world, "test", price="10.00")
    good(world.run())
    world.crm.account, world.crm.content = "real", real
    put(world.crm, thing("c1", "S-1", price="12.00"))  # by hand, meanwhile
    world.shop.reads.clear()
    report = good(world.run())
    assert "crm is an account that was kept in step before" in notes(report)
    assert (report.exit_code, report.counts) == (0, {"matched": 2, "updated": 1}), "nobody is asked again"
    assert world.shop.reads == [None]
    again = good(world.run())
    assert "account" not in notes(again)
    assert world.shop.reads[1:] != [None], "from then on only changes"


def test_another_account_of_the_source_is_another_beginning_too(world: World) -> None:
    world.shop.account = "a"
    good(world.run())
    world.shop.account = "b"
    world.shop.content.clear()
    for n, other in zip("123", "231", strict=True):
        put(world.shop, thing(n, f"S-{other}", price="15.00"))
    report = good(world.run())
    assert "shop is another account than at the last run" in notes(report)
    assert (report.exit_code, world.crm.updates) == (1, [])


def test_a_ledger_from_before_takes_the_present_account_for_the_one_it_knows(world: World) -> None:
    """And a system that cannot say its account is never taken for another one."""
    world.crm.account = ""
    good(world.run())
    with world.opened() as client, client.ledger.begin() as conn:
        client.ledger.set_value(conn, accounts.ACCOUNTS, "goods/shop>crm/sync-catalogue", None)
    for told in ("real", "", "real"):
        world.crm.account = told
        put(world.shop, thing("1", "S-1", price="11.00", updated_at=world.clock.moment))
        report = good(world.run())
        assert (report.exit_code, notes(report)) == (0, "")
    move(world, "test")
    assert good(world.run()).exit_code == 1


@pytest.mark.parametrize("old", [False, True])
def test_a_comparison_is_one_of_accounts(world: World, old: bool) -> None:
    compared(world)
    if old:  # from before accounts were told apart: the first run says of which ones it was
        with world.opened() as client, client.ledger.begin() as conn:
            client.ledger.set_value(conn, store.COMPARED, "shop>crm", {"at": "2026-11-01", "by": "anna"})
        world.step = "sync-stock"
        good(world.run())
        world.step = "sync-catalogue"
    move(world, "test")
    assert good(world.run()).exit_code == 1
    assert world.crm.updates == []
    compared(world)
    assert good(world.run()).exit_code == 0
    assert len(world.crm.updates) == 3


def test_an_approval_for_one_account_is_none_for_another(world: World) -> None:
    world.more = "min_rows: 9"
    good(world.run())
    world.decide("accept")
    assert good(world.run()).exit_code == 0
    move(world, "test", price="10.00")
    assert good(world.run()).exit_code == 1


def test_what_was_said_of_an_id_of_the_source_holds_for_that_account(world: World) -> None:
    world.shop.account = "a"
    put(world.shop, thing("9", "", price="10.00"))
    world.map("shop>crm:#9", "S-3")
    world.map("shop>crm:S-8", "S-2")
    del world.shop.content["3"]
    assert good(world.run()).counts == {"matched": 3}
    world.shop.account = "b"
    report = good(world.run())
    assert (report.counts["keyless"], report.counts["matched"]) == (1, 2), "their 9 is another thing"
    world.later(minutes=1)
    world.map("shop>crm:#9", "S-3")
    assert good(world.run(full=True)).counts == {"matched": 3}, "said anew"


def test_old_accounts_are_not_kept_for_ever(world: World) -> None:
    for n in range(8):
        move(world, f"account {n}", price="10.00")
        good(world.run())
    with world.opened() as client, client.ledger.read() as conn:
        names = {row["name"] for row in client.ledger.get_value(conn, accounts.ACCOUNTS, LINK)["of"]}
        kept = {name: len(store.read_links(conn, "acme", name)) for name in names}
        assert client.ledger.get_value(conn, store.CURSOR, LINK) is None
    assert kept == dict.fromkeys(names, 3)
    assert len(names) == accounts.KEPT + 1
    with world.opened() as client:
        assert [one["in_step"] for one in syncs.pairs(client)] == [3]


LINK = "goods/shop>crm/sync-catalogue"

# --- which account it is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://Shop.Example/", "shop.example"),
        ("http://shop.example:8080/wp/?key=1", "shop.example:8080/wp"),
        ("postgresql+psycopg://anna:p@ss@db.lan:5432/books?sslmode=require", "db.lan:5432/books"),
        ("postgresql+psycopg:///books", "/books"),
        ("sqlite:///erp.sqlite3", "/erp.sqlite3"),
        ("sqlite:////srv/Erp.sqlite3?mode=ro", "//srv/Erp.sqlite3"),
        ("https://user:secret@host:port/x", "host:port/x"),
        ("/srv/файли", "/srv/файли"),
        ("", ""),
    ],
)
def test_a_place_is_told_without_login_and_ornaments(address: str, place: str) -> None:
    assert place_of(address) == place


def test_marks_tell_parts_apart() -> None:
    assert account_mark("a", "b") != account_mark("ab") != account_mark("a\0b")
    assert len(account_mark("ключ", "\ud800")) == 32


CONNECTION = {
    "opencart": "{type: opencart, host: db.lan, user: mistok, password: one, database: shop}",
    "keycrm": "{type: keycrm, key: abc-1}",
    "joomshopping": "{type: joomshopping, files: files}",
    "own": "{type: books, url: 'postgresql+psycopg://a:b@db.lan/erp'}",
}
FILES = "  files: {type: sftp, host: shop.lan, user: u, password: p, root: /in}\n"


def mark(folder: Path, connection: str, files: str = FILES) -> str:
    path = folder / "config.yaml"
    path.write_text(f"client: acme\nconnections:\n  it: {connection}\n{files}jobs: {{}}\n", encoding="utf-8")
    ctx = cast("RunContext", SimpleNamespace(config=load_config(path)))
    return accounts.account_of(ctx, "it", cast("System", object()))


@pytest.mark.parametrize(
    ("kind", "change", "another"),
    [
        ("opencart", ("password: one", "password: two"), False),
        ("opencart", ("user: mistok", "user: other"), False),
        ("opencart", ("database: shop", "database: shop, page: 50, connect_timeout: 3s"), False),
        ("opencart", ("database: shop", "database: test"), True),
        ("opencart", ("database: shop", "database: shop, prefix: oc2_"), True),
        ("opencart", ("host: db.lan", "host: db2.lan"), True),
        ("opencart", ("host: db.lan", "host: db.lan, port: 3307"), True),
        ("keycrm", ("abc-1", "abc-2"), True),
        ("keycrm", ("key:", "url: https://fake.example/v1, key:"), True),
        ("keycrm", ("key:", "per_minute: 30, key:"), False),
        ("joomshopping", ("files: files", "files: files, currency: UAH"), False),
        ("joomshopping", ("files: files", "files: files, export: {folder: other}"), True),
        ("own", ("a:b@", "c:d@"), False),
        ("own", ("/erp", "/erp2"), True),
    ],
)
def test_what_of_the_settings_is_another_account(
    tmp_path: Path, kind: str, change: tuple[str, str], another: bool
) -> None:
    before = mark(tmp_path, CONNECTION[kind])
    assert len(before) == 32
    changed = CONNECTION[kind].replace(*change)
    assert changed != CONNECTION[kind]
    assert (mark(tmp_path, changed) != before) is another


@pytest.mark.parametrize(
    ("change", "another"),
    [
        (("password: p", "password: q"), False),
        (("user: u", "user: v"), True),
        (("root: /in", "root: /test"), True),
        (("host: shop.lan", "host: test.lan"), True),
    ],
)
def test_files_lie_where_their_connection_says(tmp_path: Path, change: tuple[str, str], another: bool) -> None:
    before = mark(tmp_path, CONNECTION["joomshopping"])
    changed = FILES.replace(*change)
    assert changed != FILES
    assert (mark(tmp_path, CONNECTION["joomshopping"], changed) != before) is another
