"""KeyCRM and KeepinCRM post to the service: the job that reads from them looks at once, and believes its own eyes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.supervisor import Supervisor
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import runs
from pipeline.testing.fakehttp import FakeServer
from pipeline.testing.fakerun import post
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.e2e.command import here

SECRET = "a-secret-of-sixteen-characters"
CONFIG = """\
client: acme
connections:
  keycrm: {{type: keycrm, url: "{keycrm}/v1", key: key}}
  keepin:
    {{type: keepincrm, url: "{keepin}/v1", token: {token}, pace: 50, per_minute: null, offices: {{Магазин: {office}}}}}
  one: {{type: books, url: "sqlite:///one.sqlite3", seed: goods.csv}}
  two: {{type: books, url: "sqlite:///two.sqlite3", seed: goods.csv}}
hooks: {{listen: "127.0.0.1:0", secret: {secret}}}
alerts: {{channels: []}}
jobs:
  of-keycrm:
    every: 12h
    steps: [{{step: sync-stock, from: keycrm, to: one, max_stock_cut: null}}]
  of-keepin:
    every: 12h
    steps: [{{step: sync-stock, from: keepin, to: two, max_stock_cut: null}}]
"""


def until(true: Callable[[], object]) -> None:
    """Wait for what comes from other threads and processes."""
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come")


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Supervisor, Ledger]]:
    config = load_config(folder / "config.yaml")
    ledger = Ledger(config.ledger.url, client="acme", base=folder, clock=SystemClock())
    service = Supervisor(config, ledger, workers=1, drain=5.0)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service, ledger
    finally:
        service.stop()
        thread.join(60)
        ledger.close()
    assert not thread.is_alive()


def test_a_post_wakes_the_job_and_the_poll_decides(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text("code;name;price;stock\nCOF-1;Кава;450;5\n", encoding="utf-8")
    keycrm, keepin = FakeKeyCrm(keys=("key",), per_minute=None), FakeKeepin()
    keycrm.add_product("Кава", "COF-1", price=450, stock=5)
    office = keepin.add_office("Магазин")
    coffee = keepin.add_material("COF-1", "Кава", price=Decimal(450), rests={office: 5})
    with FakeServer(keycrm) as first, FakeServer(keepin) as second:
        text = CONFIG.format(keycrm=first.url, keepin=second.url, token=TOKEN, office=office, secret=SECRET)
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        with serving(tmp_path) as (service, ledger):

            def ended(job: str) -> int:
                with ledger.read() as conn:
                    query = sa.select(sa.func.count()).where(runs.c.job == job, runs.c.ended.is_not(None))
                    return int(conn.execute(query.select_from(runs)).scalar_one())

            until(lambda: ended("of-keycrm") == ended("of-keepin") == 1 and service.hooks)
            assert service.hooks is not None
            url = f"http://127.0.0.1:{service.hooks.port}/hooks"
            keycrm.hooks.on_stock(f"{url}/keycrm/{SECRET}")
            template = '{"material_sku": "{{material_sku}}", "available": "{{available}}"}'
            keepin.add_trigger("material.stock", f"{url}/keepin/{SECRET}", template)

            # a stranger is refused, and wakes nobody
            assert post(f"{url}/keycrm/another-secret-of-some-length", b'[{"offer_id": 1, "in_stock": 0}]') == 404
            keycrm.set_stock("COF-1", 3)
            ((_hook, status),) = keycrm.send_webhooks()
            assert status == 204
            until(lambda: ended("of-keycrm") == 2)
            assert stock(tmp_path, "one") == 3
            keepin.move_stock(coffee, office, -1)
            assert keepin.send_webhooks() == [204]
            until(lambda: ended("of-keepin") == 2)
            assert [stock(tmp_path, name) for name in ("one", "two")] == [3, 4]

            with ledger.read() as conn:
                woken = conn.execute(sa.select(runs.c.job, runs.c.trigger).order_by(runs.c.id)).all()
            assert {tuple(one) for one in woken[2:]} == {("of-keycrm", "webhook"), ("of-keepin", "webhook")}
            shown = " ".join(here("-c", tmp_path / "config.yaml", "--language", "en", "jobs", "--json").out.split())
            assert shown.count('"trigger": "webhook"') == 2, shown

            # what a call says is never believed: the job looks, and finds nothing new
            assert post(f"{url}/keycrm/{SECRET}", b'[{"offer_id": 1, "sku": "COF-1", "in_stock": 99}]') == 204
            assert post(f"{url}/keepin/{SECRET}", b'{"material_sku": "COF-1", "available": 99}') == 204
            until(lambda: ended("of-keycrm") == ended("of-keepin") == 3)
            assert [stock(tmp_path, name) for name in ("one", "two")] == [3, 4]


def stock(folder: Path, name: str) -> Decimal:
    """What lies in these books."""
    engine = sa.create_engine(f"sqlite:///{folder}/{name}.sqlite3")
    with engine.connect() as conn:
        level = conn.execute(sa.text("SELECT on_hand FROM stock")).scalar_one()
    engine.dispose()
    return Decimal(level) / 10**6  # kept as whole millionths
