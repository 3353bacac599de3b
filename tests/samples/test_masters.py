"""The three masters under samples/, as they stand: on fake accounts held to their documents, and a real MariaDB."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.config.load import load_config
from pipeline.engine import history
from pipeline.engine.pacing import LedgerPacer
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.engine.scheduler import Scheduler
from pipeline.model import Offer
from pipeline.resources import samples
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from plugins.systems.keycrm.fake import FakeKeyCrm
from plugins.systems.woocommerce.fake import KEY, SECRET, FakeWoo
from tests.samples import run_and_die
from tests.servers.mariadb import MariaDb
from tests.systems.opencart.shops import Shop, make

Run = Callable[..., Result]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the allowance of a key."""
    monkeypatch.setattr(LedgerPacer, "turn", run_and_die.at_once)


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

KYIV = ZoneInfo("Europe/Kyiv")
DAY = timedelta(days=1)
#: Both versions in both tests, or each in one of them.
MANY = bool(os.environ.get("MISTOK_FULL"))


@pytest.fixture
def opencart(
    mariadb_server: MariaDb, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Shop]:
    """The dump of an installed 3.0.5 in a real MariaDB, or the same goods in the tables of 4.1; prices in hryvnias."""
    made = make(mariadb_server, getattr(request, "param", "3.0"))
    for key, value in (("config_currency", "UAH"), ("config_timezone", "Europe/Kyiv")):
        made.run("update {p}setting set value = %s where `key` = %s", [value, key])
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


def price_in(fake: FakeKeepin, sku: str) -> Decimal:
    """Of the only material with this article."""
    (row,) = materials(fake)[sku]
    return Decimal(str(row["price"]))


def read(shop: Shop) -> list[Offer]:
    """All that the shop tells."""
    system = shop.open()
    offers = list(system.offers())
    system.close()
    return offers


def article(one: Offer) -> str:
    return one.keys.get("sku") or one.keys["model"]


def day(n: int) -> date:
    """Days from today, in the shop's zone."""
    return now().astimezone(KYIV).date() + n * DAY


def put_specials(shop: Shop) -> dict[str, Decimal]:
    """Special prices with dates, as the shop's people enter them, as the dump has none: article -> price of today."""
    for product, price, first, over in (
        (29, "249.9900", -2, 5), (33, "150.0000", 2, 9), (43, "400.0000", -9, -2), (44, "700.0000", 3, 9),
    ):  # fmt: skip
        shop.special(product, price, day(first).isoformat(), day(over).isoformat())
    shop.special(44, "800.0000", priority=2)  # of all time, and less than the one of those days
    return {
        "Product 2": Decimal("249.99"),
        "Product 6": Decimal(200),
        "Product 16": Decimal(500),
        "Product 17": Decimal(800),
    }


def all_has_arrived(offers: list[Offer], crm: FakeKeyCrm, keepin: FakeKeepin) -> None:
    """19 products with every combination of options, in the category tree, in both CRMs."""
    products = {one.product for one in offers}
    variants = [one for one in offers if one.kind == "variant"]
    sold = [one for one in offers if one.kind != "base"]
    assert len(products) == 19
    assert len(variants) > len(products) - len([one for one in offers if one.kind == "single"])
    in_keepin = materials(keepin)
    assert sorted(in_keepin) == sorted(article(one) for one in sold)
    assert all(len(rows) == 1 for rows in in_keepin.values())
    assert all(crm.offer(sku)["sku"] == sku for sku in in_keepin)
    paths = {one.values["category"] for one in offers if one.values.get("category")}
    for rows in (keepin.account.tables["categories"], crm.account.table("categories")):
        assert {part for path in paths for part in path} <= {row["name"] for row in rows.values()}
    (own, *_) = keepin.account.tables["custom_fields"]
    bases = {one.product: one for one in offers if one.kind == "base"}
    for one in sold:  # with their descriptions, in the field of the account's own
        (row,) = in_keepin[article(one)]
        base = bases.get(one.product, one)
        assert row["custom_fields"].get(str(own), row["custom_fields"].get(own)) == base.values["description"]


@pytest.mark.server("mariadb")
@pytest.mark.parametrize("opencart", ["3.0", "4.1"] if MANY else ["3.0"], indirect=True)
@pytest.mark.parametrize("run", ["cms"], indirect=True)
def test_the_shop_is_master_of_two_crms(run: Run, opencart: Shop, crm: FakeKeyCrm, keepin: FakeKeepin) -> None:
    prices = put_specials(opencart)
    offers = read(opencart)
    sold = [one for one in offers if one.kind != "base"]
    run("check")
    plan = data(run("sync", "goods", "--dry-run", "--json", code=None))
    assert plan["steps"][0]["counts"]["new"] >= len(sold)
    assert not crm.asked("POST"), "a dry run changes nothing"
    said = run("sync", "goods", code=None).output  # KeyCRM has its goods; KeepinCRM's writes nobody has seen yet
    assert "mistok check --connect --write-probe" in said
    assert materials(keepin) == {}
    assert "new products are taken" in run("check", "--connect", "--write-probe", code=None).output
    run("sync", "goods", code=None)
    all_has_arrived(offers, crm, keepin)

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
            (row,) = materials(keepin)[article(one)]
            assert row["own"] == may_be_sold
    assert len(left) > 19

    # a second run plans nothing
    again = data(run("sync", "goods", "--full", "--json", code=None))
    assert set(again["counts"]) <= {"matched", "twins", "ambiguous", "keyless"}

    # special prices: those of the dump hold always, those with dates between them
    specials = [one for one in sold if one.values.get("specials")]
    assert len(specials) >= 3 + len(prices)
    for one in specials:
        holds = next((s for s in one.values["specials"] if s.active(now())), None)
        wanted = holds.money.amount if holds else one.values["price"]
        assert price_in(keepin, article(one)) == crm.offer(article(one))["price"] == wanted

    # one price changed in the shop is exactly one update
    opencart.run(
        "update {p}product set price = price + 1, date_modified = now() where model = 'Product 1' or product_id = 28"
    )
    changed = data(run("sync", "goods", "--dry-run", "--full", "--json", code=None))
    for step in changed["steps"]:
        assert [row["article"] for row in step["details"]] == ["Product 1"]
        assert [one["field"] for one in step["details"][0]["changes"]] == ["price"]

    # two twins in the CRM both get it: name, description, image and price
    (row,) = materials(keepin)["Product 1"]
    copy = {key: value for key, value in row.items() if key != "id"}
    twin = keepin.account.add("materials", copy | {"sku": "product 1", "custom_fields": {}})
    crm.add_product("Двійник", "product 1", price=Decimal(90))
    texts = "name = 'Нове', description = '<p>Опис</p>'"
    opencart.run(f"update {{p}}product_description set {texts} where product_id = 28")
    opencart.run("update {p}product set image = 'catalog/new.jpg', date_modified = now() where product_id = 28")
    run("sync", "goods", "--full", code=1)
    picture = "https://shop.example/image/catalog/new.jpg"
    (own,) = keepin.account.tables["custom_fields"]
    for material in (row, twin):
        assert (material["title"], Decimal(str(material["price"]))) == ("Нове", Decimal("101.00"))
        assert material["asset_url"] == picture
        assert material["custom_fields"].get(str(own), material["custom_fields"].get(own)) == "<p>Опис</p>"
    twins = [offer for sku in ("Product 1", "product 1") for offer in crm.account.offers_with(sku)]
    assert len({offer["id"] for offer in twins}) == 2
    for offer in twins:
        product = crm.account.table("products")[offer["product_id"]]
        assert (product["name"], product["description"]) == ("Нове", "<p>Опис</p>")
        assert product["pictures"][0] == picture
        assert offer["price"] == Decimal("101.00")

    # those with dates begin and end in time
    usual = {"Product 2": Decimal("279.99"), "Product 17": Decimal(800), "Product 6": Decimal(200)}
    begun = {"Product 2": Decimal("249.99"), "Product 17": Decimal(700), "Product 6": Decimal(150)}
    for days, wanted in ((0, prices), (3, prices | begun), (9, prices | usual)):
        with time_machine.travel(datetime.combine(day(days), time(0, 1), KYIV) if days else now(), tick=True):
            run("sync", "goods", code=None)
        assert {sku: crm.offer(sku)["price"] for sku in prices} == wanted, days
        assert {sku: price_in(keepin, sku) for sku in prices} == wanted, days


@pytest.mark.server("mariadb")
@pytest.mark.parametrize("opencart", ["3.0", "4.1"] if MANY else ["4.1"], indirect=True)
@pytest.mark.parametrize("run", ["cms"], indirect=True)
def test_special_prices_keep_their_dates_in_crms_that_have_fields_for_them(
    run: Run, tmp_path: Path, opencart: Shop, crm: FakeKeyCrm, keepin: FakeKeepin
) -> None:
    path = tmp_path / "client" / "config.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("    type: keycrm\n", "    type: keycrm\n    special: {price: CT_1, start: CT_2, end: CT_3}\n"),
        (
            "    type: keepincrm\n",
            "    type: keepincrm\n    untried_writes: true\n    special_price: {price: Акція, from: З, to: До}\n",
        ),
        ("images, price, options]", "images, price, options, specials]"),
        ("category, images, price]", "category, images, price, specials]"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    for n, kind in enumerate(("float", "date", "date"), 1):
        crm.add_custom_field(f"CT_{n}", "crm_product", kind=kind)
    named = keepin.add_named("price_kinds", "Акція")
    start, end = (keepin.add_custom_field(name) for name in ("З", "До"))
    put_specials(opencart)
    run("sync", "goods", code=None)
    all_has_arrived(read(opencart), crm, keepin)
    for sku, usual, amount, first, over in (
        ("Product 2", "279.99", "249.99", -2, 5),
        ("Product 6", "200", "150", 2, 9),
    ):
        begins, ends = day(first), day(over)
        offer = crm.offer(sku)
        assert offer["price"] == Decimal(usual), "KeyCRM keeps the special price beside the usual one"
        fields = crm.account.table("products")[offer["product_id"]]["custom"]
        assert Decimal(fields["CT_1"]) == Decimal(amount)
        assert fields == {"CT_1": fields["CT_1"], "CT_2": begins.isoformat(), "CT_3": (ends - DAY).isoformat()}
        (row,) = materials(keepin)[sku]
        assert price_in(keepin, sku) == Decimal(amount if first < 0 else usual), "its price is the one that holds"
        assert Decimal(str(row["named_prices"][str(named)]["amount"])) == Decimal(amount)
        dates = [datetime.fromisoformat(row["custom_fields"][str(one)]) for one in (start, end)]
        assert dates == [datetime.combine(one, time(), KYIV) for one in (begins, ends)]
    product = crm.offer("Product 16")["product_id"]
    assert not crm.account.table("products")[product]["custom"].get("CT_1"), "it is over"
    again = data(run("sync", "goods", "--full", "--json", code=None))
    assert set(again["counts"]) <= {"matched", "twins", "ambiguous", "keyless"}

    # and when they are over, all places are empty
    with time_machine.travel(datetime.combine(day(9), time(0, 1), KYIV), tick=True):
        run("sync", "goods", "--full", code=None)
    for sku in ("Product 2", "Product 6"):
        assert not crm.account.table("products")[crm.offer(sku)["product_id"]]["custom"].get("CT_1")
        (row,) = materials(keepin)[sku]
        assert str(named) not in row["named_prices"]
        assert {row["custom_fields"].get(str(one), "") for one in (start, end)} == {""}


@pytest.mark.parametrize(
    ("evening", "ran_at"),
    [("2026-03-29T02:30", "2026-03-29T04:00+03:00"), ("2026-10-25T02:30", "2026-10-25T03:00+03:00")],
)
@pytest.mark.parametrize("run", ["cms"], indirect=True)
def test_f29_the_shops_sync_runs_once_at_three_on_the_odd_nights(
    run: Run,
    tmp_path: Path,
    crm: FakeKeyCrm,
    keepin: FakeKeepin,
    monkeypatch: pytest.MonkeyPatch,
    evening: str,
    ran_at: str,
) -> None:
    """The sample's own job, of goods that lie in books instead of MariaDB, by the service's scheduler."""
    path = tmp_path / "client" / "config.yaml"
    before, _, after = path.read_text(encoding="utf-8").partition("  shop:\n")
    shop = "  shop: {type: books, seed: goods.csv}\n"
    rest = after.partition("  keycrm:\n")[2]
    rest = rest.replace("    type: keepincrm\n", "    type: keepincrm\n    untried_writes: true\n")
    path.write_text(f"{before}{shop}  keycrm:\n{rest}", encoding="utf-8")
    (path.parent / "goods.csv").write_text("code;name;price\nA-1;Лак;10\nA-2;Фарба;20\n", encoding="utf-8")
    config = load_config(path)
    jobs = {"goods": config.jobs["goods"]}
    start = datetime.fromisoformat(evening).replace(tzinfo=KYIV)
    steady = [0.0]
    with time_machine.travel(start, tick=True) as traveller, Client.open(config) as client:
        with monkeypatch.context() as patched:
            patched.setattr("time.monotonic", lambda: steady[0])
            last = history.last_slots(client.ledger, jobs)
            scheduler = Scheduler(jobs, config.zone, client.ledger.clock.now, last)
        reports = []
        for _ in range(5 * 6):  # to the morning, ten minutes at a time, through three o'clock as often as it comes
            traveller.shift(timedelta(minutes=10))
            steady[0] += 600
            with monkeypatch.context() as patched:
                patched.setattr("time.monotonic", lambda: steady[0])
                dues = scheduler.due()
            for due in dues:
                options = RunOptions(trigger=due.trigger, scheduled_for=due.scheduled_for)
                reports.append((due.scheduled_for, run_job(config, due.job, options)))
    ((at, report),) = reports
    assert at == datetime.fromisoformat(ran_at)
    assert (report.state, report.counts) == ("done", {"new": 4}), "two goods in each of two CRMs"
    assert (crm.offer("A-1")["price"], crm.offer("A-2")["price"]) == (Decimal(10), Decimal(20))
    assert sorted(materials(keepin)) == ["A-1", "A-2"]
