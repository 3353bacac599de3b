"""``mistok validate``: verdicts, exit codes, places, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.cli.validate import judge, show, validate
from pipeline.engine import parts
from pipeline.errors import ConfigError

SAMPLES = Path(__file__).parents[2] / "samples" / "orders"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.command()(validate)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def test_good_files_end_with_0(call: Callable[..., Result]) -> None:
    result = call(SAMPLES / "good" / "three-orders.xml", SAMPLES / "twenty")
    assert result.exit_code == 0
    assert "№00004702 Коваленко Андрій Миколайович, 1,048.00 UAH, 3 items: good" in result.output
    assert result.output.rstrip().endswith("Files: 21 (good: 21, holding: 0, refused: 0). Orders: 23.")


def test_every_good_sample_is_good_and_nothing_is_printed_past_the_line_ends(call: Callable[..., Result]) -> None:
    result = call(SAMPLES / "good")
    assert result.exit_code == 0
    assert all(line == line.rstrip() for line in result.output.splitlines())


def test_a_bad_order_ends_with_1_and_says_where_and_what_to_do(call: Callable[..., Result]) -> None:
    result = call(SAMPLES / "bad" / "breaks-schema.xml")
    assert result.exit_code == 1
    assert "breaks-schema.xml:36:5 orders/order/curency: <order> may not hold <curency>." in result.output.replace(
        "\n", ""
    )
    assert "→ Did you mean <currency>?" in result.output


def test_json_has_the_same(call: Callable[..., Result]) -> None:
    result = call("--json", SAMPLES / "bad" / "one-bad-of-three.xml", SAMPLES / "bad" / "xxe.xml")
    assert result.exit_code == 1
    held, refused = json.loads(result.stdout)
    assert [order["outcome"] for order in held["orders"]] == ["accepted", "held", "accepted"]
    (finding,) = held["orders"][1]["findings"]
    assert (finding["code"], finding["line"], finding["order"]) == ("xsd-value", 65, "4805")
    assert held["orders"][0]["total"] == "172.80"
    assert (refused["outcome"], refused["findings"][0]["code"]) == ("quarantined", "unsafe")


@pytest.mark.parametrize("name", ["no-items", "totals-disagree"])
def test_the_checks_of_the_import_itself_are_made_too(name: str) -> None:
    expected = json.loads((SAMPLES / "bad" / f"{name}.expected.json").read_text(encoding="utf-8"))
    (verdict,) = judge([SAMPLES / "bad" / f"{name}.xml"], {})
    (order,) = verdict.orders
    assert [finding.code for finding in order.findings] == [f["code"] for f in expected["orders"][0]["findings"]]
    where = order.findings[0].where
    lines = (SAMPLES / "bad" / f"{name}.xml").read_text(encoding="utf-8").splitlines()
    element = {"no-items": "items", "totals-disagree": "total"}[name]
    assert where.element == f"orders/order/{element}"
    assert lines[(where.line or 0) - 1][(where.column or 0) - 1 :].startswith(f"<{element}")
    assert where.file


def test_options_of_the_format(call: Callable[..., Result]) -> None:
    sample = SAMPLES / "bad" / "undeclared-1251.xml"
    assert call(sample).exit_code == 1
    assert call(sample, "--encoding", "windows-1251").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("none.xml",),
        (SAMPLES / "good" / "single.xml", "--encoding", "klingon"),
        (SAMPLES / "good" / "single.xml", "--timezone", "Kyiv"),
        (SAMPLES / "good" / "single.xml", "--xsd", "none.xsd"),
        (SAMPLES / "good" / "single.xml", "--xsd", SAMPLES / "good" / "single.xml"),
        (),
    ],
)
def test_wrong_calls_end_with_2(call: Callable[..., Result], arguments: tuple[object, ...]) -> None:
    assert call(*arguments).exit_code == 2


def test_a_folder_without_files_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        judge([tmp_path], {})


def two_orders(tmp_path: Path, second: Callable[[str], str]) -> Path:
    """A file in which the order of a sample stands twice, the second time as ``second`` makes of it."""
    text = (SAMPLES / "good" / "single.xml").read_text(encoding="utf-8")
    start, end = text.index("<order>"), text.index("</order>") + len("</order>")
    path = tmp_path / "twice.xml"
    path.write_text(text[:end] + "\n" + second(text[start:end]) + text[end:], encoding="utf-8")
    return path


def test_the_same_order_twice_in_one_file_is_a_remark(tmp_path: Path) -> None:
    (verdict,) = judge([two_orders(tmp_path, lambda order: order)], {})
    assert verdict.outcome == "accepted"
    (note,) = [note for note in verdict.notes if note.code == "twin-order"]
    assert note.where.line == verdict.orders[1].decoded.line
    assert "twice with the same content (lines 3 and " in str(note.text)


def test_one_number_with_two_contents_is_held_at_both_places(tmp_path: Path) -> None:
    path = two_orders(tmp_path, lambda order: order.replace("Олена", "Ольга", 1))
    (verdict,) = judge([path], {})
    assert verdict.outcome == "held"
    assert [[finding.code for finding in one.findings] for one in verdict.orders] == [["twin-order"], ["twin-order"]]
    assert [one.findings[0].where.line for one in verdict.orders] == [one.decoded.line for one in verdict.orders]


def test_a_currency_that_does_not_exist_is_held(tmp_path: Path) -> None:
    text = (SAMPLES / "good" / "single.xml").read_text(encoding="utf-8")
    path = tmp_path / "xyz.xml"
    path.write_text(text.replace("<currency>UAH<", "<currency>XYZ<"), encoding="utf-8")
    (verdict,) = judge([path], {})
    (finding,) = verdict.orders[0].findings
    assert (finding.code, finding.where.element, finding.where.column) == ("currency", "orders/order/currency", 5)


def test_an_order_without_items_is_told_as_that_first(tmp_path: Path) -> None:
    text = (SAMPLES / "good" / "single.xml").read_text(encoding="utf-8")
    start, end = text.index("<items>"), text.index("</items>") + len("</items>")
    path = tmp_path / "none.xml"
    path.write_text(text[:start] + "<items/>" + text[end:], encoding="utf-8")
    (verdict,) = judge([path], {})
    assert verdict.orders[0].findings[0].code == "no-items"
    assert verdict.orders[0].findings[0].where.element == "orders/order/items"


def test_a_large_file_is_judged_alike_and_told_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (SAMPLES / "good" / "single.xml").read_text("utf-8")
    start, end = text.index("  <order>"), text.index("</orders>")
    orders = [text[start:end].replace("4701", str(10_000 + number)) for number in range(120)]
    orders[7] = orders[7].replace("<total>", "<total>1")
    orders += [orders[3], orders[90].replace("</order>", "<comment>x</comment></order>")]
    path = tmp_path / "big.xml"
    path.write_text(text[:start] + "".join(orders) + text[end:], encoding="utf-8")
    real = parts.opened
    monkeypatch.setattr(parts, "opened", lambda form, path, _least, *more: real(form, path, 0, *more))
    (large,) = judge([path], {})
    with monkeypatch.context() as small:
        small.setattr(parts, "opened", lambda *_: None)
        (whole,) = judge([path], {})
    wrong = [one for one in whole.orders if one.findings]
    assert [one.decoded.id for one in wrong] == ["10007", "10090", "10090"]
    assert large.orders == tuple(wrong)
    assert (large.outcome, large.notes, large.count) == ("held", whole.notes, 122)
    assert large.to_json()["left_out"] == {"accepted": 119}
    monkeypatch.setattr("pipeline.cli.validate.LISTED", 1)
    (short,) = judge([path], {})
    assert (len(short.orders), short.left_out) == (1, {"accepted": 119, "held": 2})
    show([short])
    said = capsys.readouterr().out.replace("\u00a0", "").replace(",", "")
    assert "119 more orders are good." in said
    assert "2 more orders would be held." in said
    assert "Orders: 122." in said
