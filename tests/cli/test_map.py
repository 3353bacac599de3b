"""``mistok map try`` and ``validate --format``: a mapping's orders, what it leaves unread, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command import ROOT, Said, here

FORMATS = ROOT / "samples" / "formats"
PROM = FORMATS / "prom" / "orders.xml"
PHP = FORMATS / "php-cp1251" / "orders-20261128.xml"
MAPPING = """\
xml:
  order: /orders/order
  items: items/item
  numbers: "1 234.56"
  dates: "%d.%m.%y %H:%M"
  fields: {id: "@id", created_at: date, total: priceUAH, delivery: {cost: deliveryCost}}
  item: {code: [sku, external_id], quantity: quantity, price: price}
"""


def en(*words: object) -> Said:
    """The verb, with its words in one line each, however a narrow screen would break them."""
    said = here("--language", "en", *words)
    return Said(said.code, " ".join(said.out.split()), " ".join(said.err.split()))


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "prom.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path


def test_a_mapping_is_tried_before_there_is_a_config(mapping: Path) -> None:
    said = en("map", "try", PROM, "--format", mapping)
    assert said.code == 0, said.all
    for words in (
        "Order №312045877, line 3",
        "ordered at 2026-11-20 14:05",
        "0042 2 389.5 779.00",
        "items 2,450.00 + delivery 150.00 = 2,600.00 UAH, as stated",
        "Files: 1 (good: 1, holding: 0, refused: 0). Orders: 3.",
        "What stays unread:",
        "orders/order/items/item/name",
        "Ґрунт акриловий 4+1 сірий, 0,8 л",
    ):
        assert words in said.out, said.out
    ukrainian = here("--language", "uk", "map", "try", PROM, "--format", mapping)
    assert "Що лишається непрочитаним:" in ukrainian.out


def test_format_may_stand_under_its_key(mapping: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.yml"
    whole.write_text("format:\n" + "".join(f"  {line}\n" for line in MAPPING.splitlines()), encoding="utf-8")
    assert here("map", "try", PROM, "--format", whole).code == 0
    whole.write_text("format: order-xml\n", encoding="utf-8")
    refused = en("map", "try", PROM, "--format", whole)
    assert refused.code == 1
    assert "refused: nothing of it would be taken" in refused.out


def test_json_has_every_order_and_what_stays_unread(mapping: Path) -> None:
    data = here("map", "try", PROM, "--format", mapping, "--json").json()
    assert data["outcome"] == "accepted"
    assert data["format"] == "xml"
    first = data["orders"][0]
    assert first["fields"]["total"] == "1022"
    assert first["made"] == "1022.00"
    assert [line["code"] for line in first["lines"]] == ["0042", "TAPE-19"]
    rows = {row["path"]: row for row in data["unread"]}
    assert rows["orders/order/name"] == {
        "path": "orders/order/name",
        "count": 3,
        "sample": "Шевченко Олена Петрівна",
        "line": 4,
    }
    assert "orders/order/date" not in rows


def test_the_config_of_a_client_is_taken_by_job_or_by_format() -> None:
    config = PHP.parent / "config.yaml"
    for words in (
        ("-c", config, "map", "try", PHP),
        ("-c", config, "map", "try", PHP, "--job", "orders"),
        ("-c", config, "map", "try", PHP, "--format", "xml"),
        ("map", "try", PHP, "--format", config),
    ):
        said = en(*words)
        assert said.code == 1, said.all  # one order of it is held
        assert "status cannot be read, чекаємо: the table of the mapping does not have it." in said.out
        assert "source inbox" in said.out
    assert not (PHP.parent / "logs").exists()
    assert not (PHP.parent / "ledger.sqlite3").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--format", "nosuch"), "Format `nosuch` is not known."),
        (("--format", "xml"), "Format `xml` needs parameters."),
        (("--format", "nosuch.yaml"), "There is no file nosuch.yaml."),
        ((), "config.yaml. → Check the path"),
    ],
)
def test_a_wrong_call_is_told(tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    said = en("-c", tmp_path / "config.yaml", "map", "try", PROM, *words)
    assert said.code == 2, said.all
    assert expected in said.err


def test_a_call_that_fits_several_jobs_or_none_is_told() -> None:
    config = PHP.parent / "config.yaml"
    for words, expected in (
        (("--job", "nosuch"), "There is no job nosuch."),
        (("--format", "order-xml"), "reads files as `order-xml`."),
    ):
        said = en("-c", config, "map", "try", PHP, *words)
        assert said.code == 2, said.all
        assert expected in said.err


def test_a_mistake_of_the_mapping_is_told_at_its_line(mapping: Path) -> None:
    mapping.write_text(MAPPING.replace("total:", "totl:"), encoding="utf-8")
    said = en("map", "try", PROM, "--format", mapping)
    assert said.code == 2
    assert f"{mapping}:6:41 xml.fields.totl: Key `totl` is not known here." in said.err
    assert "Did you mean `total`?" in said.err
    mapping.write_text("xnl: {}\n", encoding="utf-8")
    said = en("map", "try", PROM, "--format", mapping)
    assert f"{mapping}:1:1 xnl: Format `xnl` is not known." in said.err


def test_a_file_that_is_refused_has_no_orders_to_show(mapping: Path, tmp_path: Path) -> None:
    broken = tmp_path / "cut.xml"
    broken.write_bytes(PROM.read_bytes()[:900])
    said = here("map", "try", broken, "--format", mapping, "--json")
    assert said.code == 1
    assert (said.json()["outcome"], said.json()["unread"]) == ("quarantined", None)
    missing = here("map", "try", tmp_path / "none.xml", "--format", mapping)
    assert missing.code == 2


def test_only_the_first_orders_are_shown_unless_all_are_asked_for(mapping: Path, tmp_path: Path) -> None:
    many = tmp_path / "many.xml"
    text = PROM.read_text(encoding="utf-8")
    start, end = text.index("  <order "), text.index("  </order>") + len("  </order>\n")
    orders = "".join(text[start:end].replace("312045877", f"{n}") for n in range(8))
    many.write_text(text[:start] + orders + "</orders>\n", encoding="utf-8")
    few = en("map", "try", many, "--format", mapping)
    assert few.out.count("Order №") == 5
    assert "… and 3 more orders: --all" in few.out
    assert en("map", "try", many, "--format", mapping, "--all").out.count("Order №") == 8


def test_validate_takes_the_files_of_a_folder_that_are_named_as_the_format(tmp_path: Path) -> None:
    mapping = tmp_path / "rows.yaml"
    mapping.write_text(
        "csv: {order: id, delimiter: ',', fields: {id: id, created_at: at, total: sum}, "
        "item: {code: sku, quantity: n, price: p}}\n",
        encoding="utf-8",
    )
    (tmp_path / "one.csv").write_text("id,at,sum,sku,n,p\n1,2026-11-28,5,a,1,5\n", encoding="utf-8")
    (tmp_path / "notes.xml").write_text("<nothing/>", encoding="utf-8")
    (verdict,) = here("validate", tmp_path, "--format", mapping, "--json").json()
    assert Path(verdict["file"]).name == "one.csv"
    assert verdict["outcome"] == "accepted"
    (tmp_path / "one.csv").unlink()
    none = en("validate", tmp_path, "--format", mapping)
    assert none.code == 2
    assert "There is no file *.csv in" in none.all


def test_validate_reads_declared_formats_too(mapping: Path) -> None:
    assert here("validate", PROM, "--format", mapping).code == 0
    config = PHP.parent / "config.yaml"
    said = here("-c", config, "validate", PHP.parent, "--job", "orders", "--json")
    assert said.code == 1
    (verdict,) = json.loads(said.out)
    assert [order["outcome"] for order in verdict["orders"]] == ["accepted", "accepted", "held"]
    wrong = en("validate", PROM, "--format", mapping, "--encoding", "cp1251")
    assert wrong.code == 2
    assert en("validate", PROM).code == 1  # it is not of the native format
