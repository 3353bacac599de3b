"""Files of foreign shapes go the whole way: from an inbox into documents, by the config beside each sample."""

from __future__ import annotations

import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.api import CENT
from pipeline.config.load import load_config
from pipeline.engine.runtime import run_job

ROOT = Path(__file__).parents[2]
FORMATS = ROOT / "samples" / "formats"
SEED = f'{{type: books, seed: ["{ROOT}/samples/products.csv", "{ROOT}/samples/references.csv"]}}'


@pytest.mark.parametrize(
    ("sample", "job", "inbox", "counts", "documents"),
    [
        (
            "prom/orders.xml",
            "orders",
            "inbox/xml",
            {"created": 2, "nothing": 1},
            {"312045877": "1022.00", "312046120": "2600.00"},
        ),
        (
            "prom/orders-table.csv",
            "table",
            "inbox/csv",
            {"created": 2, "nothing": 1, "held": 1},
            {"312045877": "972.00", "312046120": "2450.00"},
        ),
        ("horoshop/orders-20261127.json", "orders", "inbox", {"created": 2}, {"2841": "1118.12", "2842": "86.40"}),
        (
            "php-cp1251/orders-20261128.xml",
            "orders",
            "inbox",
            {"created": 2, "held": 1},
            {"1057": "2180.05", "1058": "122.50"},
        ),
    ],
)
def test_a_sample_becomes_documents(
    tmp_path: Path, sample: str, job: str, inbox: str, counts: dict[str, int], documents: dict[str, str]
) -> None:
    text = (FORMATS / sample).with_name("config.yaml").read_text(encoding="utf-8")
    text = text.replace("{type: books}", SEED).replace("into: books\n", "into: books\n        stable: 0s\n")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    (tmp_path / inbox).mkdir(parents=True)
    shutil.copy(FORMATS / sample, tmp_path / inbox)
    config = load_config(tmp_path / "config.yaml")
    report = run_job(config, job)
    assert report.state in ("done", "waiting"), report
    assert {word: n for word, n in report.counts.items() if word in ("created", "nothing", "held")} == counts
    books = sqlite3.connect(tmp_path / "books.sqlite3")
    rows = books.execute("SELECT order_number, total FROM documents").fetchall()
    books.close()
    assert {number: str(Decimal(total).scaleb(-6).quantize(CENT)) for number, total in rows} == documents
    assert not list((tmp_path / inbox).glob("*.*"))
    # the same again makes nothing
    shutil.copy(FORMATS / sample, tmp_path / inbox)
    assert run_job(config, job).counts.get("created", 0) == 0
