"""F51: a sync is killed (SIGKILL) at every named point; started again, just the rest is done, and nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from tests.faults import invariants, tally

PRODUCTS = 10
BATCH = 3
#: Books that take three rows in one write, so that a run has several of them.
PLUGIN = """\
from dataclasses import replace

from pipeline.api import SystemPlugin, T
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.system import Books


class SlowBooks(Books):
    def offer_traits(self):
        return replace(super().offer_traits(), batch=3)


PLUGIN = SystemPlugin(
    name="slow-books", summary=T("Books in small bites"), settings=BooksSettings, open=lambda s, env: SlowBooks(s, env)
)
"""
CONFIG = """\
client: acme
language: en
connections:
  erp: {{type: books, url: "sqlite:///erp.sqlite3", seed: goods.csv}}
  shop: {{type: slow-books, url: "{shop}"}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
alerts: {{channels: []}}
jobs:
  goods:
    steps: [{{step: sync-catalogue, from: erp, to: shop}}]
  stock:
    steps: [{{step: sync-stock, from: erp, to: shop}}]
"""
POINTS = ("sync:planned", "sync:applied", "sync:batch-recorded", "sync:recorded")
LEDGERS = ("sqlite", "postgres")
ALL = [
    (job, point, ledger, 1 if point in ("sync:planned", "sync:recorded") else 2)
    for job, point, ledger in product(("goods", "stock"), POINTS, LEDGERS)
]
CASES = ALL if os.environ.get("MISTOK_FULL") else [case for place, case in enumerate(ALL) if place % 3 == 0]


def prepare(folder: Path, ledger: str) -> Path:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "slow_books.py").write_text(PLUGIN, encoding="utf-8")
    rows = "".join(f"P-{n};Товар {n};{n}.50;{n};Фарби\n" for n in range(1, PRODUCTS + 1))
    (folder / "goods.csv").write_text("code;name;price;stock;category\n" + rows, encoding="utf-8")
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(ledger=ledger, shop="sqlite:///shop.sqlite3"), encoding="utf-8")
    return path


def in_shop(folder: Path) -> dict[str, tuple[str, str]]:
    """Code -> (price, stock) by plain SQL; a code that stands twice fails."""
    engine = sa.create_engine(f"sqlite:///{folder / 'shop.sqlite3'}")
    with engine.connect() as conn:
        names = {row[1] for row in conn.execute(sa.text("PRAGMA table_info(prices)"))}
        assert "amount" in names
        rows = conn.execute(
            sa.text(
                "SELECT p.code, r.amount, coalesce(sum(s.on_hand - s.reserved), 0) FROM products p "
                "LEFT JOIN prices r ON r.product_id = p.id AND r.kind = 'retail' "
                "LEFT JOIN stock s ON s.product_id = p.id GROUP BY p.id, p.code, r.amount"
            )
        ).all()
    engine.dispose()
    assert len({row[0] for row in rows}) == len(rows), "a product stands twice"
    return {row[0]: (str(row[1]), str(row[2])) for row in rows}


@pytest.mark.whole
@pytest.mark.parametrize(("job", "point", "ledger", "nth"), CASES)
def test_f51_killed_half_way_and_started_again(
    tmp_path: Path, request: pytest.FixtureRequest, job: str, point: str, ledger: str, nth: int
) -> None:
    url = "sqlite:///ledger.sqlite3" if ledger == "sqlite" else str(request.getfixturevalue("postgres_ledger"))
    path = prepare(tmp_path, url)
    tally.note("point", point)
    tally.note("ledger", ledger)
    if job == "stock":  # the products first, as anybody would
        assert run_job(load_config(path), "goods").state == "done"
        # a person has looked at the first difference
        run_job(load_config(path), "stock", RunOptions(approve=True, dry_run=True))
    approve = (
        "from pipeline.engine.runtime import RunOptions, run_job\n"
        "from pipeline.config.load import load_config\n"
        "from pipeline.engine.selftest.child import kill_at\n"
        "from pathlib import Path\n"
        f"config, reach = load_config(Path({str(path)!r})), kill_at({point!r}, {nth})\n"
        f"run_job(config, {job!r}, RunOptions(approve=True), reach=reach)\n"
    )
    died = subprocess.run([sys.executable, "-c", approve], capture_output=True, text=True, check=False, timeout=120)
    assert died.returncode == -9, f"{point} was never reached: {died.stderr[-2000:]}"
    tally.note("kills")
    config = load_config(path)
    report = run_job(config, job, RunOptions(approve=True))
    assert report.state == "done", report
    there = in_shop(tmp_path)
    assert len(there) == PRODUCTS
    again = run_job(config, job, RunOptions(full=True))
    assert again.counts == {"matched": PRODUCTS}, "a second look finds nothing to do"
    assert in_shop(tmp_path) == there

    def once_more(one: str) -> RunReport:
        return run_job(config, one, RunOptions(trigger="schedule"))

    invariants.check(config, inboxes=[], dropped={}, goods=None, again=once_more)
    assert in_shop(tmp_path) == there
