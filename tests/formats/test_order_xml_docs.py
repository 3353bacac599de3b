"""docs/order-format.md is what the program does: its tables, its files, its PHP, and the answer that it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.cli.validate import judge
from pipeline.resources import schemas
from pipeline.testing.xsdtables import put_into
from pipeline.xmlio import Schema

ROOT = Path(__file__).parents[2]
PAGES = {"en": ROOT / "docs" / "order-format.md", "uk": ROOT / "docs" / "order-format.uk.md"}
CALL = """
require __DIR__ . '/write.php';
$order = [
    'id' => 4711, 'number' => '00004711', 'created' => '2026-11-20 14:05:00',
    'last_name' => "О'Ніл & Ко", 'first_name' => '<b>Олена</b>', 'phone' => '067 123 45 67', 'email' => '',
    'items' => [
        ['code' => '0042', 'name' => 'Ґрунт "4+1"', 'quantity' => 2, 'unit' => 'шт', 'price' => '1389.5', 'tax' => 20],
        ['code' => '0007', 'name' => 'Подарунок', 'quantity' => '1', 'price' => 0],
    ],
    'nova_poshta' => ['city' => 'Житомир', 'city_ref' => 'db5c88c4', 'warehouse' => 'Відділення №12: вул. Київська, 77',
                      'warehouse_ref' => '1ec09d88', 'cost' => 70],
    'total' => '2849.00', 'comment' => "Дзвоніть\\x0B після 10 & до 12 ]]> <script>",
];
"""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def php(script: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("php")
    if program is None:
        message = "php is not installed (Debian package php-cli)"
        if os.environ.get("MISTOK_REQUIRE_SERVERS"):
            pytest.fail(message)
        pytest.skip(message)
    return subprocess.run([program, "-d", "display_errors=stderr", script], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("language", ["en", "uk"])
def test_the_tables_are_those_of_the_schema(language: str) -> None:
    page = PAGES[language].read_text(encoding="utf-8")
    fresh = put_into(page, Schema.load(schemas() / "order.xsd"), language)
    assert page == fresh, "run: python -m pipeline.testing.xsdtables"


def test_both_pages_show_the_same_code() -> None:
    for language in ("xml", "php"):
        assert blocks(PAGES["en"], language) == blocks(PAGES["uk"], language) != []


def test_the_smallest_file_is_good_and_nothing_can_be_left_out(tmp_path: Path) -> None:
    small = blocks(PAGES["en"], "xml")[0]
    path = tmp_path / "small.xml"
    path.write_text(small, encoding="utf-8")
    (verdict,) = judge([path], {})
    assert (verdict.outcome, verdict.notes) == ("accepted", ())
    for name in ("id", "number", "created", "code", "name", "quantity", "price", "currency", "total"):
        path.write_text(re.sub(rf"<{name}>.*</{name}>", "", small), encoding="utf-8")
        (verdict,) = judge([path], {})
        assert verdict.outcome == "held", name


def test_the_nova_poshta_example_is_understood(tmp_path: Path) -> None:
    small, nova_poshta = blocks(PAGES["en"], "xml")
    path = tmp_path / "np.xml"
    path.write_text(small.replace("<items>", nova_poshta + "<items>"), encoding="utf-8")
    (verdict,) = judge([path], {})
    order = verdict.orders[0].order
    assert order is not None
    assert (order.delivery.service, order.delivery.city) == ("branch", "Житомир")
    assert order.delivery.branch == "Відділення №12: вул. Київська, 77"


def test_the_php_writes_a_good_file_whatever_is_in_the_texts(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "write.php").write_text(blocks(PAGES["en"], "php")[0], encoding="utf-8")
    script = tmp_path / "call.php"
    script.write_text(f"<?php {CALL}\necho write_order($order, __DIR__ . '/inbox');", encoding="utf-8")
    ran = php(script)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.fullmatch(r"order-00004711-\d{8}T\d{6}\.xml", ran.stdout)
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == [ran.stdout]
    (verdict,) = judge([tmp_path / "inbox" / ran.stdout], {})
    assert (verdict.outcome, verdict.findings, verdict.notes) == ("accepted", (), ())
    order = verdict.orders[0].order
    assert order is not None
    assert order.customer.title == "О'Ніл & Ко <b>Олена</b>"
    assert order.comment == "Дзвоніть після 10 & до 12 ]]> <script>"
    assert str(order.lines[0].price) == "1389.50"
    assert order.lines[0].name == 'Ґрунт "4+1"'


def test_the_php_leaves_nothing_behind_when_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "write.php").write_text(blocks(PAGES["en"], "php")[0], encoding="utf-8")
    script = tmp_path / "call.php"
    call = "try { write_order($order, __DIR__ . '/none'); } catch (RuntimeException $e) { echo 'refused'; }"
    script.write_text(f"<?php {CALL}\n{call}", encoding="utf-8")
    assert php(script).stdout == "refused"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["call.php", "write.php"]


def test_the_answer_in_the_page_is_the_one_that_is_printed() -> None:
    page = PAGES["en"].read_text(encoding="utf-8")
    (verdict,) = judge([ROOT / "samples" / "orders" / "bad" / "breaks-schema.xml"], {})
    for finding in verdict.orders[0].findings:
        assert f":{finding.where.line}:{finding.where.column} {finding.where.element}: {finding.text}\n" in page
        assert f"→ {finding.hint}\n" in page
