"""Files of foreign shapes go the whole way: orders into documents by the samples' configs, catalogues into folders."""

from __future__ import annotations

import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.api import CENT
from pipeline.config.load import load_config
from pipeline.engine.runtime import run_job
from pipeline.ports import StreamedFormat
from plugins.formats.csv_orders import CsvOrders
from plugins.formats.json_orders import JsonOrders
from plugins.formats.xml_orders import XmlOrders
from tests.e2e.command import here

ROOT = Path(__file__).parents[2]
FORMATS = ROOT / "samples" / "formats"
SEED = f'{{type: books, seed: ["{ROOT}/samples/products.csv", "{ROOT}/samples/references.csv"]}}'


SAMPLES = pytest.mark.parametrize(
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


@SAMPLES
def test_a_sample_becomes_documents(
    tmp_path: Path, sample: str, job: str, inbox: str, counts: dict[str, int], documents: dict[str, str]
) -> None:
    becomes_documents(tmp_path, sample, job, inbox, counts, documents)


@pytest.mark.full
@SAMPLES
def test_it_becomes_the_same_when_it_is_large(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sample: str,
    job: str,
    inbox: str,
    counts: dict[str, int],
    documents: dict[str, str],
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it is read as a whole")

    if sample.endswith(".xml"):
        assert not isinstance(XmlOrders(), StreamedFormat)
    monkeypatch.setattr(CsvOrders, "decode", decode)
    monkeypatch.setattr(JsonOrders, "decode", decode)
    becomes_documents(tmp_path, sample, job, inbox, counts, documents, "stream_from: 1")


def becomes_documents(
    tmp_path: Path, sample: str, job: str, inbox: str, counts: dict[str, int], documents: dict[str, str], more: str = ""
) -> None:
    text = (FORMATS / sample).with_name("config.yaml").read_text(encoding="utf-8")
    text = text.replace("{type: books}", SEED).replace(
        "into: books\n", f"into: books\n        stable: 0s\n        {more}\n"
    )
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


CATALOGUES = {
    "catalogue-csv": "{columns: [{header: Код, field: code}, {header: Ціна, field: price}]}",
    "catalogue-xml": "{attributes: [{name: id, field: code}], elements: [{name: title, field: name}]}",
    "keepincrm-yml": "{shop: Автофарба, image_url: 'https://shop.example/i/', specials: true}",
    "keycrm-import": "{}",
}


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_is_published_once_and_then_only_when_it_changed(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.yaml").write_text(
        f"""\
client: demo
connections:
  site: {{type: local, path: site, create: true}}
  books: {SEED}
jobs:
  catalogue:
    steps:
      - step: export-catalogue
        from: books
        to: site
        name: goods
        format: {{{name}: {CATALOGUES[name]}}}
""",
        encoding="utf-8",
    )
    config = load_config(tmp_path / "config.yaml")
    report = run_job(config, "catalogue")
    assert (report.state, report.counts.get("uploaded")) == ("done", 1), report
    data = (tmp_path / "site" / "goods").read_bytes()
    assert report.counts["rows"] == {"keepincrm-yml": 38}.get(name, 41)
    if name != "keycrm-import":
        assert "E-303-2" in data.decode()
    assert run_job(config, "catalogue").counts.get("unchanged") == 1


def test_orders_that_cannot_even_be_named_are_held_each_and_hold_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        f"""\
client: demo
connections:
  site: {{type: local, path: site, create: true}}
  books: {SEED}
jobs:
  orders:
    steps:
      - step: import-orders
        inbox: site
        into: books
        pattern: "*.jsonl"
        stable: 0s
        format:
          json:
            lines: true
            items: i
            fields: {{id: id, created_at: d, total: s}}
            item: {{code: c, quantity: n, price: p}}
""",
        encoding="utf-8",
    )
    (tmp_path / "site").mkdir()
    good = '{"id": 7, "d": "2026-11-20", "s": 779, "i": [{"c": "0042", "n": 2, "p": 389.5}]}\n'
    broken = '{"id": 8,, }\n{"d": "2026-11-20"}\n[]\n{"id": 8, "id": 9}\n{"d": "2026-11-20"}\n'
    (tmp_path / "site" / "a.jsonl").write_text(broken + good, encoding="utf-8")
    config = load_config(tmp_path / "config.yaml")
    report = run_job(config, "orders")
    assert report.counts.get("created") == 1, report
    assert report.counts.get("held") == 5, report


def test_the_letter_of_a_held_order_has_the_rule_of_the_mapping(tmp_path: Path) -> None:
    sample = FORMATS / "php-cp1251" / "orders-20261128.xml"
    text = sample.with_name("config.yaml").read_text(encoding="utf-8")
    text = text.replace("{type: books}", SEED).replace("into: books\n", "into: books\n        stable: 0s\n")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "inbox").mkdir()
    shutil.copy(sample, tmp_path / "inbox")
    run_job(load_config(tmp_path / "config.yaml"), "orders")
    said = here("-c", tmp_path / "config.yaml", "card", "1", "--letter", "--lang", "en")
    letter = " ".join(said.out.split())
    assert "The rule: items / price stands at `tsina` and is written as here: 1 234,56. Every item has it." in letter
    assert "The rule: status stands at `stan` and is one of these: нове, підтверджено, відправлено" in letter
    assert "48.60 грн." in letter  # the line of the file, out of windows-1251
