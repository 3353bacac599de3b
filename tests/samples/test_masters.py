"""The three masters under samples/, as they stand: on fake accounts held to their documents, and a real MariaDB."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.config.model import ScheduleSettings
from pipeline.engine.pacing import LedgerPacer
from pipeline.engine.schedule import due_runs
from pipeline.model import Offer
from pipeline.resources import samples
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from plugins.systems.keycrm.fake import FakeKeyCrm
from plugins.systems.woocommerce.fake import KEY, SECRET, FakeWoo
from tests.servers.mariadb import MariaDb
from tests.systems.opencart.shops import Shop, make

Run = Callable[..., Result]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the allowance of a key."""
    monkeypatch.setattr(LedgerPacer, "_wait", lambda *_asked: 0.0)


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKeyCrm]:
    fake = FakeKeyCrm(now=now, keys=("key",), per_minute=None)
    with FakeServer(fake) as server:
        monkeypatch.setenv("KEYCRM_URL", f"{server.url}/v1")
        monkeypatch.setenv("KEYCRM_KEY", "key")
        yield fake


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWoo]:
    fake = FakeWoo()
    with FakeServer(fake) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        monkeypatch.setenv("SHOP_KEY", KEY)
        monkeypatch.setenv("SHOP_SECRET", SECRET)
        monkeypatch.setenv("HOOK_SECRET", "a-secret-of-sixteen-characters")
        yield fake


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """`mistok …` in a copy of the sample's folder."""
    folder = tmp_path / "client"
    shutil.copytree(samples() / "masters" / request.param, folder)

    def go(*words: str, code: int | None = 0) -> Result:
        result = CliRunner().invoke(app, ["-c", str(folder / "config.yaml"), "--language", "en", *words])
        if code is not None:
            assert result.exit_code == code, result.output
        return result

    return go


def data(result: Result) -> Any:
    return json.loads(result.stdout)


def approve(run: Run) -> None:
    """A person has seen what the brakes show."""
    waiting = data(run("plans", "--json"))
    assert waiting
    for plan in reversed(waiting):
        run("approve", str(plan["number"]), code=None)
    assert data(run("plans", "--json")) == []


@pytest.mark.parametrize("run", ["erp"], indirect=True)
def test_the_accounting_program_is_master(run: Run, crm: FakeKeyCrm, shop: FakeWoo) -> None:
    run("check")
    assert data(run("sync", "goods", "--json"))["counts"] == {"new": 8}
    assert crm.offer("0042")["price"] == Decimal("95.00")
    assert crm.offer("ФБ-1")["purchased_price"] == Decimal("180.50")
    found = data(run("compare", "erp", "crm", "--json", code=1))
    assert {row["field"] for row in found["rows"]} == {"stock main"}
    run("sync", "stock", code=1)
    approve(run)  # each of the two pairs waits for a person once
    run("sync", "stock")
    assert crm.quantity("ФБ-1") == 12
    assert woo(shop, "ФБ-1")["stock_quantity"] == 11, "one is kept for the counter"
    run("sync", "prices", code=None)
    again = data(run("sync", "goods", "--full", "--json"))
    assert again["counts"] == {"matched": 8}


@pytest.mark.parametrize("run", ["crm"], indirect=True)
def test_the_crm_is_master_and_its_orders_reserve(run: Run, crm: FakeKeyCrm, shop: FakeWoo) -> None:
    crm.add_product("Кава зернова", "COF-1", price=Decimal("450.50"), stock=10)
    crm.add_product("Чай", "TEA-1", price=Decimal("99.00"), stock=5)
    run("check")
    assert data(run("sync", "goods", "--json"))["counts"] == {"new": 2}
    run("sync", "stock", code=1)
    approve(run)
    assert woo(shop, "COF-1")["stock_quantity"] == 10
    crm.add_order([{"sku": "COF-1", "quantity": 3, "price": Decimal("450.50")}])  # of a marketplace, say
    assert crm.reserve("COF-1") == 3
    run("sync", "stock")
    assert woo(shop, "COF-1")["stock_quantity"] == 7
    assert data(run("sync", "stock", "--full", "--json"))["counts"] == {"matched": 2}


def woo(shop: FakeWoo, sku: str) -> Any:
    return next(one for one in shop.shop.tables["products"].values() if one["sku"] == sku)


# --- the shop is master: OpenCart's dump, both CRMs ------------------------------------------------------------------

SINGLES, BASES = 15, 4  #: of the 19 products of the dump; the variants are counted by the shop's own reading


@pytest.fixture
def opencart(mariadb_server: MariaDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The dump of an installed 3.0.5, in a real MariaDB."""
    made = make(mariadb_server, "3.0")
    for name, value in (
        ("SHOP_DB_HOST", mariadb_server.host), ("SHOP_DB_PORT", str(mariadb_server.port)),
        ("SHOP_DB_USER", mariadb_server.user), ("SHOP_DB_PASSWORD", mariadb_server.password),
        ("SHOP_DB", made.database),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    yield made
    made.close()
    mariadb_server.drop(made.database)


@pytest.fixture
def keepin(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKeepin]:
    fake = FakeKeepin()
    fake.add_custom_field("Опис")
    with FakeServer(fake) as server:
        monkeypatch.setenv("KEEPIN_URL", f"{server.url}/v1")
        monkeypatch.setenv("KEEPIN_KEY", TOKEN)
        yield fake


def materials(fake: FakeKeepin) -> dict[str, list[Any]]:
    """Article -> the materials that have it."""
    found: dict[str, list[Any]] = {}
    for row in fake.account.tables["materials"].values():
        found.setdefault(str(row["sku"]), []).append(row)
    return found


@pytest.mark.server("mariadb")
@pytest.mark.parametrize("run", ["cms"], indirect=True)
def test_the_shop_is_master_of_two_crms(run: Run, opencart: Shop, crm: FakeKeyCrm, keepin: FakeKeepin) -> None:
    system = opencart.open()
    offers = list(system.offers())
    system.close()
    products = {one.product for one in offers}
    variants = [one for one in offers if one.kind == "variant"]
    sold = [one for one in offers if one.kind != "base"]
    assert len(products) == 19
    assert len(variants) > len(products) - len([one for one in offers if one.kind == "single"])
    run("check")
    plan = data(run("sync", "goods", "--dry-run", "--json", code=None))
    assert plan["steps"][0]["counts"]["new"] >= len(sold)
    assert not crm.asked("POST"), "a dry run changes nothing"
    run("sync", "goods", code=None)

    # all of the dump, with every combination, in both
    in_keepin = materials(keepin)
    assert len(in_keepin) == len(sold)
    assert all(len(rows) == 1 for rows in in_keepin.values())
    assert all(crm.offer(sku)["sku"] == sku for sku in in_keepin)
    paths = {one.values["category"] for one in offers if one.values.get("category")}
    names = {row["name"] for row in keepin.account.tables["categories"].values()}
    assert names >= {part for path in paths for part in path}

    def article(one: Offer) -> str:
        return one.keys.get("sku") or one.keys["model"]

    # with their descriptions, in the field of the account's own
    bases = {one.product: one for one in offers if one.kind == "base"}
    (own,) = keepin.account.tables["custom_fields"]
    for one in sold:
        (row,) = in_keepin[article(one)]
        base = bases.get(one.product, one)
        assert row["custom_fields"].get(str(own), row["custom_fields"].get(own)) == base.values["description"]

    # stock goes to both
    system = opencart.open()
    left = {level.offer: level.on_hand for level in system.levels() if level.counted}
    system.close()
    run("sync", "stock", code=1)
    approve(run)
    run("sync", "stock")
    for one in sold:
        if one.id in left:
            may_be_sold = max(left[one.id], Decimal(0))
            assert crm.quantity(article(one)) == may_be_sold
            (row,) = in_keepin[article(one)]
            assert row["own"] == may_be_sold
    assert len(left) > len(products)

    # a special price of the dump holds where the CRM has no dates of its own
    specials = [one for one in sold if one.values.get("specials")]
    assert specials, "the dump has some"
    for one in specials:
        (row,) = in_keepin[one.keys["model"]]
        holds = next((s for s in one.values["specials"] if s.active(now())), None)
        assert Decimal(str(row["price"])) == (holds.money.amount if holds else one.values["price"])

    # a second run plans nothing
    again = data(run("sync", "goods", "--full", "--json", code=None))
    assert set(again["counts"]) <= {"matched", "twins", "ambiguous", "keyless"}

    # one price changed in the shop is exactly one update
    opencart.run(
        "update {p}product set price = price + 1, date_modified = now() where model = 'Product 1' or product_id = 28"
    )
    changed = data(run("sync", "goods", "--dry-run", "--json", code=None))
    for step in changed["steps"]:
        assert [row["article"] for row in step["details"]] == ["Product 1"]
        assert [one["field"] for one in step["details"][0]["changes"]] == ["price"]

    # two twins in the CRM both get it
    (row,) = in_keepin["Product 1"]
    twin = keepin.account.add(
        "materials", {key: value for key, value in row.items() if key != "id"} | {"sku": "product 1"}
    )
    run("sync", "goods", "--full", code=1)
    assert Decimal(str(row["price"])) == Decimal(str(twin["price"])) == Decimal("101.00")


@pytest.mark.parametrize("night", ["2026-03-29", "2026-10-25"])
def test_the_shops_job_runs_once_at_three_on_the_odd_nights(night: str) -> None:
    job = ScheduleSettings(at=("03:00",))
    zone = ZoneInfo("Europe/Kyiv")
    begin = datetime.fromisoformat(f"{night}T00:00:00").replace(tzinfo=zone).astimezone(UTC)
    due = due_runs(job, zone, begin - timedelta(hours=2), begin + timedelta(hours=20))
    assert len(due) == 1
    assert due[0].at.date().isoformat() == night
