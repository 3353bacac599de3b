"""The repository's own ``config.yaml`` runs as it stands, by the command that the README names."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
import yaml

from tests.e2e.command import ROOT, mistok


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a fresh clone has of it."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copyfile(ROOT / "config.yaml", folder / "config.yaml")
    for name in ("samples", "schemas"):
        shutil.copytree(ROOT / name, folder / name)
    # a clone has these packages too: they must not be taken for the client's own plugins
    shutil.copytree(ROOT / "plugins", folder / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_it_checks_and_every_job_of_it_runs(checkout: Path) -> None:
    config = yaml.safe_load((checkout / "config.yaml").read_text("utf-8"))
    assert set(config["jobs"]) == {"catalogue", "orders"}, "every job is run below"
    before = set(checkout.rglob("*"))

    checked = mistok("--language", "en", "check", "--connect", cwd=checkout)
    assert checked.code == 0, checked.all
    assert mistok("jobs", "--json", cwd=checkout).code == 0

    catalogue = mistok("run", "catalogue", "--json", cwd=checkout)
    assert catalogue.code == 0, catalogue.all
    assert catalogue.json()["state"] == "done"
    published = checkout / "demo-data/site/goods/catalogue.csv"
    rows = list(csv.DictReader(io.StringIO(published.read_text("utf-8-sig"), newline=""), delimiter=";"))
    assert len(rows) == catalogue.json()["counts"]["rows"] == 30
    assert "0042" in {row["ean"] for row in rows}

    nothing = mistok("run", "orders", cwd=checkout)
    assert nothing.code == 0, nothing.all
    inbox = checkout / "demo-data/site/orders"
    for name in ("good/single.xml", "bad/unknown-product.xml"):
        shutil.copyfile(checkout / "samples/orders" / name, inbox / Path(name).name)
    orders = mistok("run", "orders", "--json", cwd=checkout)
    assert orders.code == 1, "one order waits for a person"
    assert orders.json()["counts"]["created"] == 1
    assert orders.json()["counts"]["held"] == 1
    assert list(inbox.iterdir()) == []
    states = {row["number"]: row["state"] for row in mistok("orders", "--json", cwd=checkout).json()}
    assert states == {"00004701": "created", "00004813": "held"}

    made = {path.relative_to(checkout).parts[0] for path in set(checkout.rglob("*")) - before}
    assert made == {"demo-data"}, "all that it writes lies in one folder"
